package catalogue

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"tributary/partners"

	"github.com/jackc/pgx/v5"
)

// A copy is the catalogue in a file, so that a tracker can start while PostgreSQL is down. It is written whole, beside the
// old one, and takes its place; what it says of itself comes first, and a SHA-256 over all of it last. It holds hashes of
// keys and secrets of signers, so its owner alone may read it. The time of the file is when PostgreSQL last confirmed it.
const (
	copyMark   = "tributary catalogue, form 6\n"
	copyMark5  = "tributary catalogue, form 5\n" // of the same length
	copyMark4  = "tributary catalogue, form 4\n"
	copyMark3  = "tributary catalogue, form 3\n"
	copyAccess = 0o600
	// copyEvery is the shortest time between two writings; a catalogue that has not changed is only confirmed.
	copyEvery = 30 * time.Second
)

var (
	// ErrDamaged says that a copy of the catalogue is not as it was written, or of a form that this version does not read.
	ErrDamaged = errors.New("the copy of the catalogue is damaged")
	// ErrOtherNetwork says that PostgreSQL, now that it answers, holds another network than the copy.
	ErrOtherNetwork = errors.New("the copy of the catalogue is of another network than PostgreSQL's")
)

// Copy says what a copy is of.
type Copy struct {
	// Network is the id in the setting "network".
	Network string
	// Settings are those that the tracker compares with its own: partitions, and the fingerprints of click keys.
	Settings map[string]string
	// Confirmed is when PostgreSQL last had the same.
	Confirmed time.Time
}

// KeepAt makes Run keep a copy in a file. Call it before Run.
func (c *Catalogue) KeepAt(file string) *Catalogue {
	c.file = file
	return c
}

// LoadCopy fills an empty catalogue from a file that KeepAt has made some other time. It answers ErrDamaged, or an
// os.ErrNotExist. Version stays 0 until PostgreSQL answers Run: then everything is read again, and what only the copy holds
// is dropped.
func (c *Catalogue) LoadCopy(file string) (*Copy, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("opening the copy of the catalogue: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("opening the copy of the catalogue: others than its owner may use %s; delete it, or chmod 600 if nobody has", file)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the copy of the catalogue: %w", err)
	}
	body := len(content) - sha256.Size
	form := 0
	if body >= len(copyMark) {
		form = map[string]int{copyMark: 6, copyMark5: 5, copyMark4: 4, copyMark3: 3}[string(content[:len(copyMark)])]
	}
	if form == 0 {
		return nil, fmt.Errorf("%w: %s is no copy that this version reads", ErrDamaged, file)
	}
	if sum := sha256.Sum256(content[:body]); !bytes.Equal(sum[:], content[body:]) {
		return nil, fmt.Errorf("%w: the checksum of %s is wrong", ErrDamaged, file)
	}
	r := &copyReader{rest: string(content[len(copyMark):body]), form: form}
	cp, ch := r.header(), r.changes()
	if r.broken || r.rest != "" {
		return nil, fmt.Errorf("%w: %s has the right checksum and another form", ErrDamaged, file)
	}
	cp.Confirmed = info.ModTime()
	c.refreshing.Lock()
	defer c.refreshing.Unlock()
	c.links.reserve(len(ch.links))
	c.partners.reserve(len(ch.partners))
	c.apply(ch)
	c.hear(ch.states, true, cp.Confirmed)
	c.copied = cp
	c.looked.Store(cp.Confirmed.UnixNano())
	return cp, nil
}

// readCopy reads from PostgreSQL what a copy says of itself.
func readCopy(ctx context.Context, q partners.Querier) (*Copy, error) {
	cp := &Copy{Settings: map[string]string{}}
	// name: settings of a copy
	rows, err := q.Query(ctx, `SELECT name, value FROM setting WHERE name IN ('network', 'partitions') OR name LIKE 'click\_key\_%'`)
	if err != nil {
		return nil, fmt.Errorf("reading the settings of a copy: %w", err)
	}
	var name, value string
	if _, err := pgx.ForEachRow(rows, []any{&name, &value}, func() error { cp.Settings[name] = value; return nil }); err != nil {
		return nil, fmt.Errorf("reading the settings of a copy: %w", err)
	}
	cp.Network = cp.Settings["network"]
	delete(cp.Settings, "network")
	return cp, nil
}

// belongs compares the copy with the PostgreSQL that answers.
func (cp *Copy) belongs(ctx context.Context, q partners.Querier) error {
	live, err := readCopy(ctx, q)
	if err != nil {
		return err
	}
	if live.Network != cp.Network {
		return fmt.Errorf("%w: %s, and %s", ErrOtherNetwork, cp.Network, live.Network)
	}
	return nil
}

// keeper writes the copy for Run.
type keeper struct {
	version   int64
	last      time.Time
	complains bool
}

// look writes the copy when the catalogue has changed since, and otherwise confirms it. Trouble with the disk is logged
// once and looked past: the copy stays as it was.
func (k *keeper) look(ctx context.Context, c *Catalogue, now time.Time) {
	if now.Sub(k.last) < copyEvery {
		return
	}
	k.last = now
	var err error
	if version := c.Version(); version != k.version {
		if err = c.writeCopy(ctx, c.file); err == nil {
			k.version = version
		}
	} else {
		err = os.Chtimes(c.file, now, c.LastLook())
	}
	if err != nil && ctx.Err() == nil && !k.complains {
		c.log.Error("the copy of the catalogue cannot be kept: without it this tracker does not start while PostgreSQL is down", "error", err)
	}
	k.complains = err != nil
	if err != nil {
		k.version = 0 // write it whole next time
	}
}

// writeCopy writes everything that the catalogue holds, and takes the place of the file when it is durable.
func (c *Catalogue) writeCopy(ctx context.Context, file string) error {
	cp, err := readCopy(ctx, c.db)
	if err != nil {
		return err
	}
	return c.writeAs(cp, file)
}

func (c *Catalogue) writeAs(cp *Copy, file string) error {
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*") // made with mode 600
	if err != nil {
		return fmt.Errorf("making the copy of the catalogue: %w", err)
	}
	c.refreshing.Lock() // nothing is applied meanwhile, so the copy is of one moment
	looked := c.LastLook()
	w := &copyWriter{sum: sha256.New()}
	w.out = bufio.NewWriterSize(io.MultiWriter(f, w.sum), 1<<18)
	w.catalogue(c, cp)
	c.refreshing.Unlock()
	err = w.out.Flush()
	if err == nil {
		_, err = f.Write(w.sum.Sum(nil))
	}
	err = errors.Join(err, f.Chmod(copyAccess), f.Sync(), f.Close(), os.Chtimes(f.Name(), looked, looked))
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("writing the copy of the catalogue: %w", err), os.Remove(f.Name()))
	}
	return syncFolder(filepath.Dir(file))
}

// syncFolder makes the names in a folder durable.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("opening a folder: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("syncing a folder: %w", err)
	}
	return nil
}
