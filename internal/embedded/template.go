package embedded

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// copyTemplate copies a cluster that was made earlier, or makes it first: a copy takes a tenth of initdb's time. The copy
// has the template's password.
func (p *postgresServer) copyTemplate(ctx context.Context, cache, data, secretPath string) error {
	options := append(initOptions(), "--no-sync", "--wal-segsize=4")
	kind := sha256.Sum256([]byte(strings.Join(options, " ")))
	source := filepath.Join(cache, fmt.Sprintf("postgres-template-%s-%x-%s-%d", postgresVersion, kind[:4], p.identity, os.Geteuid()))
	if err := p.makeTemplate(ctx, source, options); err != nil {
		return err
	}
	secret, err := os.ReadFile(filepath.Join(source, "password"))
	if err != nil {
		return fmt.Errorf("reading template: %w", err)
	}
	if err := writeFile(secretPath, secret); err != nil {
		return err
	}
	if err := os.CopyFS(data, os.DirFS(filepath.Join(source, "data"))); err != nil {
		return fmt.Errorf("copying template: %w", err)
	}
	if err := os.Chmod(data, 0o700); err != nil { //nolint:gosec // a folder; PostgreSQL insists on exactly this
		return fmt.Errorf("copying template: %w", err)
	}
	return p.identity.own(data)
}

func (p *postgresServer) makeTemplate(ctx context.Context, dir string, options []string) error {
	unlock, err := lockFile(ctx, dir+".lock", func() {})
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	tmp := dir + ".tmp"
	if err := os.RemoveAll(tmp); err != nil {
		return fmt.Errorf("removing incomplete template: %w", err)
	}
	if err := os.Mkdir(tmp, 0o700); err != nil {
		return fmt.Errorf("making folder: %w", err)
	}
	if _, err := password(filepath.Join(tmp, "password")); err != nil {
		return err
	}
	if err := p.initdb(ctx, filepath.Join(tmp, "data"), filepath.Join(tmp, "password"), options); err != nil {
		return err
	}
	if err := os.Rename(tmp, dir); err != nil {
		return fmt.Errorf("moving template into place: %w", err)
	}
	return nil
}
