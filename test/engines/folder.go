package engines

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// folderPrefix begins the name of every test process's data folder.
const folderPrefix = "tributary-test-engines-"

// lock marks a data folder as in use for as long as this process lives.
func lock(dir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("locking %s: %w", dir, err)
	}
	return func() {
		_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN) // a child that is just being started has the file too
		_ = f.Close()
	}, nil
}

// sweep removes the folders of test processes that were killed. A folder that has no lock yet is being made.
func sweep() {
	locks, err := filepath.Glob(filepath.Join(os.TempDir(), folderPrefix+"*", "lock"))
	if err != nil {
		return
	}
	for _, path := range locks {
		if unlock, err := lock(filepath.Dir(path)); err == nil {
			_ = os.RemoveAll(filepath.Dir(path)) // what cannot be removed is another user's
			unlock()
		}
	}
}
