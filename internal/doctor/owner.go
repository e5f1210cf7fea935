package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// CheckOwner refuses a data folder that somebody else could read from, write to or replace: one that another user owns, that
// everybody may write to, or that stands in a folder where others may rename it. A folder that is not there yet is made.
func CheckOwner(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the data folder: %w", err)
	}
	path, err := filepath.EvalSymlinks(dir)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return fmt.Errorf("looking at the data folder: %w", err)
	}
	const fix = ": choose a folder of your own with --data (TRIBUTARY_DATA)"
	for here := path; ; here = filepath.Dir(here) {
		info, err := os.Stat(here)
		if errors.Is(err, fs.ErrPermission) {
			return nil // nor can others pass who have fewer rights
		}
		if err != nil {
			return fmt.Errorf("looking at the data folder: %w", err)
		}
		// Whoever owns what stands in a folder like /tmp may rename it there; elsewhere only who may write to the folder.
		parent, err := os.Stat(filepath.Dir(here))
		shared := err == nil && parent.Mode().Perm()&0o002 != 0
		switch stat, ok := info.Sys().(*syscall.Stat_t); {
		case info.Mode().Perm()&0o002 != 0 && (here == path || info.Mode()&os.ModeSticky == 0):
			return fmt.Errorf("everybody may write to %s (mode %04o), so the data folder %s is not safe there%s", here, info.Mode().Perm(), dir, fix)
		case ok && (here == path || shared) && stat.Uid != 0 && int(stat.Uid) != os.Geteuid():
			return fmt.Errorf("%s belongs to user %d, so the data folder %s is not safe there%s, or give it to user %d", here, stat.Uid, dir, fix, os.Geteuid())
		}
		if here == filepath.Dir(here) {
			return nil
		}
	}
}
