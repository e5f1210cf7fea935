package embedded

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// manifestName is the file that says what an installed package consists of. It is written last.
const manifestName = ".tributary-files.json"

// A stamp is what is known of a file of a package. At each start its size, time and inode must be the same; only where they
// are not is it read, since the largest has half a gigabyte. [VerifyPackages] reads them all.
type stamp struct {
	SHA256   string `json:"sha256"`   // hexadecimal
	Size     int64  `json:"size"`     // bytes
	Modified int64  `json:"modified"` // nanoseconds since 1970
	Inode    uint64 `json:"inode"`
}

// same reports whether a file looks as it did.
func (s stamp) same(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && info.Mode().IsRegular() && info.Size() == s.Size && info.ModTime().UnixNano() == s.Modified && stat.Ino == s.Inode
}

// stampOf reads a file.
func stampOf(path string) (stamp, error) {
	f, err := os.Open(path)
	if err != nil {
		return stamp{}, fmt.Errorf("reading file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return stamp{}, fmt.Errorf("reading file: %w", err)
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return stamp{}, fmt.Errorf("reading file: %w", err)
	}
	s := stamp{SHA256: hex.EncodeToString(hash.Sum(nil)), Size: info.Size(), Modified: info.ModTime().UnixNano()}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		s.Inode = stat.Ino
	}
	return s, nil
}

// filesOf lists the regular files below dir.
func filesOf(dir string) (names []string, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || d.Name() == manifestName {
			return err
		}
		name, err := filepath.Rel(dir, path)
		names = append(names, name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing files: %w", err)
	}
	return names, nil
}

// writeManifest reads every file of an unpacked package, checks its library, and writes down what it found.
func (p npmPackage) writeManifest(dir string) error {
	names, err := filesOf(dir)
	if err != nil {
		return err
	}
	files := map[string]stamp{}
	for _, name := range names {
		if files[name], err = stampOf(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	if got := files[p.library].SHA256; got != p.sha256 {
		return fmt.Errorf("checking %s: its SHA-256 is %q, want %q", p.library, got, p.sha256)
	}
	return writeStamps(dir, files)
}

func writeStamps(dir string, files map[string]stamp) error {
	raw, err := json.Marshal(files)
	if err != nil {
		return fmt.Errorf("encoding list of files: %w", err)
	}
	// Like the package itself, it is for every user who can reach the folder.
	if err := os.WriteFile(filepath.Join(dir, manifestName), raw, 0o644); err != nil { //nolint:gosec // as said
		return fmt.Errorf("writing list of files: %w", err)
	}
	return nil
}

func readManifest(dir string) (files map[string]stamp, err error) {
	raw, err := os.ReadFile(filepath.Join(dir, manifestName))
	if err != nil {
		return nil, fmt.Errorf("reading list of files: %w", err)
	}
	if err := json.Unmarshal(raw, &files); err != nil {
		return nil, fmt.Errorf("reading list of files: %w", err)
	}
	if len(files) == 0 {
		return nil, errors.New("reading list of files: it is empty")
	}
	return files, nil
}

// whole reports whether dir holds every file of its manifest as it was, or, where it was copied, with the same content.
func whole(dir string) bool {
	files, err := readManifest(dir)
	if err != nil {
		return false
	}
	copied := false
	for name, want := range files {
		path := filepath.Join(dir, name)
		info, err := os.Lstat(path)
		if err != nil || !info.Mode().IsRegular() || info.Size() != want.Size {
			return false
		}
		if want.same(info) {
			continue
		}
		got, err := stampOf(path)
		if err != nil || got.SHA256 != want.SHA256 {
			return false
		}
		files[name], copied = got, true
	}
	if copied {
		_ = writeStamps(dir, files) // only spares the next start the reading; the folder may be another user's
	}
	return true
}

// VerifyPackages reads every file of the installed packages that cfg needs and compares it with what was installed, and the
// library that runs within this program with the hash it was built with. A package that is not installed is no error.
func VerifyPackages(ctx context.Context, cfg Config) error {
	var problems []error
	for _, engine := range []struct {
		wanted bool
		find   func(goos, goarch string) (npmPackage, error)
	}{{cfg.Postgres, postgresPackage}, {cfg.ClickHouse, clickhousePackage}} {
		if !engine.wanted {
			continue
		}
		p, err := engine.find(platform())
		if err != nil {
			return err
		}
		cache, err := cacheDir(cfg, cfg.Dir)
		if err != nil {
			return err
		}
		problems = append(problems, p.verify(ctx, p.folder(cache)))
	}
	return errors.Join(problems...)
}

// verify compares each file below dir with the manifest.
func (p npmPackage) verify(ctx context.Context, dir string) error {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	files, err := readManifest(dir)
	if err != nil {
		return fmt.Errorf("verifying %s in %s: %w", p.title, dir, err)
	}
	names, err := filesOf(dir)
	if err != nil {
		return fmt.Errorf("verifying %s: %w", p.title, err)
	}
	for _, name := range names {
		got, err := stampOf(filepath.Join(dir, name))
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("verifying %s: %w", p.title, err)
		}
		want, known := files[name]
		if known && name == p.library {
			want.SHA256 = p.sha256
		}
		if !known || got.SHA256 != want.SHA256 {
			return fmt.Errorf("verifying %s: %s is not what was installed", p.title, filepath.Join(dir, name))
		}
		delete(files, name)
	}
	for name := range files {
		return fmt.Errorf("verifying %s: %s is missing", p.title, filepath.Join(dir, name))
	}
	return nil
}
