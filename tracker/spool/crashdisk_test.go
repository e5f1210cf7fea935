package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"syscall"
)

var errCrashed = errors.New("the machine has crashed")

// crashDisk is a folder in memory that can lose whatever was not synced, at any step, and fail at any call. It keeps what
// the kernel would show apart from what the disk holds. It is used by one goroutine.
type crashDisk struct {
	rng     *rand.Rand
	names   map[string]*crashFile // as the kernel shows them
	durable map[string]*crashFile // as the disk has them
	fuse    int                   // calls left before the crash; it does not come if negative
	crashed bool
	// fail decides whether a call fails. The kinds are create, remove, folder, write, truncate and sync.
	fail func(kind string) error
}

// crashFile is a file of a crashDisk.
type crashFile struct {
	disk    *crashDisk
	shown   []byte
	durable []byte
	changes []change // since the last sync
	bad     int64    // reading this byte fails, unless it is 0
}

// change is a write or, without data, a truncation.
type change struct {
	offset int64
	data   []byte
}

func newCrashDisk(rng *rand.Rand) *crashDisk {
	return &crashDisk{rng: rng, names: map[string]*crashFile{}, durable: map[string]*crashFile{}, fuse: -1}
}

// step is called once for each call that changes something.
func (d *crashDisk) step(kind string) error {
	if d.crashed {
		return errCrashed
	}
	if d.fuse == 0 {
		d.crashed = true
		return errCrashed
	}
	d.fuse--
	if d.fail != nil {
		return d.fail(kind)
	}
	return nil
}

func (d *crashDisk) Names() ([]string, error) { return slices.Sorted(maps.Keys(d.names)), nil }

func (d *crashDisk) Open(name string) (file, error) {
	if f, ok := d.names[name]; ok {
		return f, nil
	}
	return nil, fmt.Errorf("opening %s: %w", name, fs.ErrNotExist)
}

func (d *crashDisk) Create(name string) (file, error) {
	if err := d.step("create"); err != nil {
		return nil, err
	}
	f, ok := d.names[name]
	if !ok {
		f = &crashFile{disk: d}
		d.names[name] = f
	}
	f.shown = nil
	f.changes = append(f.changes, change{})
	return f, nil
}

func (d *crashDisk) Remove(name string) error {
	if err := d.step("remove"); err != nil {
		return err
	}
	if _, ok := d.names[name]; !ok {
		return fmt.Errorf("removing %s: %w", name, fs.ErrNotExist)
	}
	delete(d.names, name)
	return nil
}

func (d *crashDisk) Sync() error {
	if err := d.step("folder"); err != nil {
		return err
	}
	d.durable = maps.Clone(d.names)
	return nil
}

// afterCrash returns the disk as it may come up after the machine went down: names and bytes that were not synced are
// there or not, as chance has it.
func (d *crashDisk) afterCrash() *crashDisk {
	up := newCrashDisk(d.rng)
	for _, name := range slices.Sorted(maps.Keys(d.allNames())) {
		f := d.durable[name]
		if d.rng.IntN(2) == 0 {
			f = d.names[name]
		}
		if f == nil {
			continue
		}
		bytes := f.afterCrash(d.rng)
		up.names[name] = &crashFile{disk: up, shown: bytes, durable: slices.Clone(bytes)}
	}
	up.durable = maps.Clone(up.names)
	return up
}

// afterKill returns the disk as the next process finds it: the kernel has forgotten nothing.
func (d *crashDisk) afterKill() *crashDisk {
	d.fuse, d.crashed, d.fail = -1, false, nil
	return d
}

func (d *crashDisk) allNames() map[string]*crashFile {
	all := maps.Clone(d.durable)
	maps.Copy(all, d.names)
	return all
}

func (f *crashFile) ReadAt(b []byte, offset int64) (int, error) {
	if offset >= int64(len(f.shown)) {
		return 0, io.EOF
	}
	if f.bad > 0 && offset <= f.bad && f.bad < offset+int64(len(b)) {
		return copy(b, f.shown[offset:f.bad]), syscall.EIO
	}
	n := copy(b, f.shown[offset:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *crashFile) WriteAt(b []byte, offset int64) (int, error) {
	err := f.disk.step("write")
	if err != nil {
		b = b[:f.disk.rng.IntN(len(b)+1)] // a part of it may have been taken
	}
	c := change{offset: offset, data: slices.Clone(b)}
	if len(b) > 0 {
		f.changes = append(f.changes, c)
		f.shown = c.apply(f.shown)
	}
	return len(b), err
}

func (f *crashFile) Truncate(size int64) error {
	if err := f.disk.step("truncate"); err != nil {
		return err
	}
	c := change{offset: size}
	f.changes = append(f.changes, c)
	f.shown = c.apply(f.shown)
	return nil
}

func (f *crashFile) Sync() error {
	err := f.disk.step("sync")
	switch {
	case errors.Is(err, errCrashed):
		return err
	case err != nil:
		// As kernels do: some of it got there, the rest is given up and still shown, and the next sync has nothing to do.
		f.durable = f.afterCrash(f.disk.rng)
	default:
		for _, c := range f.changes {
			f.durable = c.apply(f.durable)
		}
	}
	f.changes = nil
	return err
}

func (f *crashFile) Size() (int64, error) { return int64(len(f.shown)), nil }

func (f *crashFile) Close() error { return nil }

// afterCrash returns what the disk holds if the machine goes down now: either the changes up to some byte, or any of their
// sectors.
func (f *crashFile) afterCrash(rng *rand.Rand) []byte {
	bytes := slices.Clone(f.durable)
	if rng.IntN(2) == 0 {
		whole := rng.IntN(len(f.changes) + 1)
		for _, c := range f.changes[:whole] {
			bytes = c.apply(bytes)
		}
		if whole < len(f.changes) {
			c := f.changes[whole]
			if n := len(c.data); n > 0 {
				bytes = change{c.offset, c.data[:rng.IntN(n)]}.write(bytes)
			}
		}
		return bytes
	}
	const sector = 64 // smaller than any real one, so that small groups tear too
	for _, c := range f.changes {
		if len(c.data) == 0 {
			if rng.IntN(2) == 0 {
				bytes = c.apply(bytes)
			}
			continue
		}
		for at := 0; at < len(c.data); {
			end := min(len(c.data), at+sector-int((c.offset+int64(at))%sector))
			if rng.IntN(2) == 0 {
				bytes = change{c.offset + int64(at), c.data[at:end]}.write(bytes)
			}
			at = end
		}
	}
	return bytes
}

func (c change) apply(bytes []byte) []byte {
	if len(c.data) > 0 {
		return c.write(bytes)
	}
	if int64(len(bytes)) > c.offset {
		return bytes[:c.offset:c.offset]
	}
	return append(bytes, make([]byte, c.offset-int64(len(bytes)))...)
}

func (c change) write(bytes []byte) []byte {
	if missing := c.offset + int64(len(c.data)) - int64(len(bytes)); missing > 0 {
		bytes = append(bytes, make([]byte, missing)...)
	}
	copy(bytes[c.offset:], c.data)
	return bytes
}
