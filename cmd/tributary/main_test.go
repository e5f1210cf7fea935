package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tributary/test/engines"
)

func TestMain(m *testing.M) { engines.Main(m) }

// folderOf is the data folder of a test that names none: the same for all its commands, and nobody else's.
func folderOf(t *testing.T) string {
	t.Helper()
	name := sha256.Sum256([]byte(t.Name()))
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("tributary-test-%d-%x", os.Getpid(), name[:8]))
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// tributary runs a command line and gives what it printed.
func tributary(ctx context.Context, t *testing.T, environ []string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	named := func(text string) bool {
		return text == "--data" || strings.HasPrefix(text, "--data=") || strings.HasPrefix(text, "TRIBUTARY_DATA=")
	}
	if args[0] != "config" && !slices.ContainsFunc(args, named) && !slices.ContainsFunc(environ, named) {
		environ = append(slices.Clip(environ), "TRIBUTARY_DATA="+folderOf(t))
	}
	root := newRoot(environ)
	root.SetOut(&out)
	root.SetErr(testLog{t})
	root.SetArgs(append(args, "--log-level", "error"))
	err := root.ExecuteContext(ctx)
	return out.String(), err
}

// testLog shows a command's progress when its test fails.
type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Log(strings.TrimRight(string(p), "\n"))
	return len(p), nil
}

// retailFile is the whole retail file, where it stands beside the repository, or the sample of it in examples/.
func retailFile(t *testing.T, whole bool) string {
	t.Helper()
	if !whole {
		return filepath.Join("..", "..", "examples", "retail", "sample.csv.gz")
	}
	if path := os.Getenv("TRIBUTARY_RETAIL_FILE"); path != "" {
		return path
	}
	path := filepath.Join("..", "..", "..", "shared", "data", "uci-online-retail", "online-retail.csv.gz")
	if _, err := os.Stat(path); err != nil {
		t.Skip("the whole retail file is not beside this repository; the sample was replayed instead")
	}
	return path
}

func readAll(t *testing.T, r io.Reader) string {
	t.Helper()
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
