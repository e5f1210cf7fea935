package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// disk is the folder of a spool. There are two: osDisk here, and the disk of the tests that crashes and fails on demand,
// without which no claim about crashes could be shown. Names created or removed are durable once Sync has returned.
type disk interface {
	Names() ([]string, error)
	Open(name string) (file, error)
	Create(name string) (file, error) // emptied if it exists
	Remove(name string) error
	Sync() error
}

// file is a file of that folder. Bytes and size are durable once Sync has returned nil.
type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Size() (int64, error)
	Truncate(size int64) error
	Sync() error
}

type osDisk string

func (d osDisk) path(name string) string { return filepath.Join(string(d), name) }

func (d osDisk) Names() ([]string, error) {
	entries, err := os.ReadDir(string(d))
	names := make([]string, 0, len(entries))
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names, err
}

func (d osDisk) Open(name string) (file, error) {
	f, err := os.OpenFile(d.path(name), os.O_RDWR, 0)
	return osFile{f}, err
}

func (d osDisk) Create(name string) (file, error) {
	f, err := os.OpenFile(d.path(name), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	return osFile{f}, err
}

func (d osDisk) Remove(name string) error { return os.Remove(d.path(name)) }

func (d osDisk) Sync() error {
	f, err := os.Open(string(d))
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f osFile) Sync() error { return syncData(f.File) }

// lockFolder makes this process the only user of a spool folder, until what it returns is closed or the process ends.
func lockFolder(dir string) (io.Closer, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking spool: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		owner := make([]byte, 20)
		n, _ := f.ReadAt(owner, 0) // only to name the owner; the lock is what counts
		_ = f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("locking spool %s: %w", dir, err)
		}
		return nil, fmt.Errorf("%w: %s, by process %s", ErrLocked, dir, strings.TrimSpace(string(owner[:n])))
	}
	pid := strconv.Itoa(os.Getpid()) + "\n"
	if err := errors.Join(f.Truncate(0), writeAll(f, []byte(pid), 0)); err != nil {
		return nil, errors.Join(fmt.Errorf("locking spool %s: %w", dir, err), f.Close())
	}
	return folderLock{f}, nil
}

// folderLock is a locked file.
type folderLock struct{ *os.File }

// Close gives the lock up by itself: a child that is just being started has the file too, for a moment.
func (l folderLock) Close() error {
	return errors.Join(syscall.Flock(int(l.Fd()), syscall.LOCK_UN), l.File.Close())
}

// Idle answers ErrLocked while a process has the folder open: for tools that change what belongs to its tracker.
func Idle(dir string) error {
	lock, err := lockFolder(dir)
	if err != nil {
		return err
	}
	return lock.Close()
}

func writeAll(f io.WriterAt, b []byte, offset int64) error {
	_, err := f.WriteAt(b, offset)
	return err
}

// VolumeUse says how full the volume of a folder is, in bytes, as df counts it: what only root may fill is left out.
func VolumeUse(dir string) (used, total int64, err error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return 0, 0, fmt.Errorf("measuring the volume of %s: %w", dir, err)
	}
	block := int64(fs.Bsize) //nolint:unconvert // its type is another one on other systems
	used = (int64(fs.Blocks) - int64(fs.Bfree)) * block
	return used, used + int64(fs.Bavail)*block, nil
}

// The names in a spool folder.
const (
	lockName      = "lock"
	identityName  = "spool.id"
	segmentSuffix = ".seg"
	damagedSuffix = ".damaged" // of a segment moved aside by Salvage
	draftSuffix   = ".draft"   // of a segment that Salvage is still writing
)

func segmentName(number uint64) string { return fmt.Sprintf("%012d%s", number, segmentSuffix) }

// segmentNumber reads a name that segmentName made.
func segmentNumber(name string) (uint64, bool) {
	digits, found := strings.CutSuffix(name, segmentSuffix)
	number, err := strconv.ParseUint(digits, 10, 64)
	return number, found && err == nil && number > 0 && segmentName(number) == name
}
