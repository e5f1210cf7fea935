package embedded

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
)

// Preflight tells what would keep the engines of cfg from starting on this machine, without starting or installing any: a
// platform without packages, no npm where a package is still to be installed, no user namespace where PostgreSQL needs one.
func Preflight(ctx context.Context, cfg Config) error {
	if cfg.Postgres {
		if err := preflightPackage(cfg, postgresPackage); err != nil {
			return err
		}
		if err := preflightIdentity(ctx, cfg); err != nil {
			return err
		}
	}
	if cfg.ClickHouse {
		return preflightPackage(cfg, clickhousePackage)
	}
	return nil
}

func preflightPackage(cfg Config, find func(goos, goarch string) (npmPackage, error)) error {
	p, err := find(runtime.GOOS, runtime.GOARCH)
	if err != nil {
		return err
	}
	cache, err := cacheDir(cfg, cfg.Dir)
	if err != nil {
		return err
	}
	if whole(p.folder(cache)) {
		return nil
	}
	if _, err := exec.LookPath("npm"); err != nil {
		return errors.New(p.title + " is still to be installed, and npm was not found: install Node.js with npm, or use a server of your own")
	}
	return nil
}

// preflightIdentity finds out whether there is a user as whom PostgreSQL can run.
func preflightIdentity(ctx context.Context, cfg Config) error {
	program, err := exec.LookPath("true") // any program that only ends
	if err != nil {
		return nil //nolint:nilerr // then it is found out at the start
	}
	who, err := chooseIdentity(ctx, filepath.Join(cfg.Dir, "postgres"), program)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, program) //nolint:gosec // the one found above
	cmd.SysProcAttr = who.attributes(syscall.SIGKILL)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("running a program as %s, as PostgreSQL would be: %w", who, err)
	}
	return nil
}
