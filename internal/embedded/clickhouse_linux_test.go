package embedded

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestClickHouseSpeaksNoHTTP: threat F4, from a web page. Its one port is the native one.
func TestClickHouseSpeaksNoHTTP(t *testing.T) {
	t.Parallel()
	s, a, _ := start(t, Config{Dir: t.TempDir(), ClickHouse: true})
	address, err := url.Parse(a.ClickHouseURL)
	if err != nil {
		t.Fatal(err)
	}
	if got := listening(t, s.Status(ClickHouse).Pid); !slices.Equal(got, []string{address.Port()}) {
		t.Errorf("ClickHouse listens on the ports %v, want only %s", got, address.Port())
	}
	for _, user := range []string{"", "default", "tributary"} {
		for _, origin := range []string{"", "https://evil.example"} {
			for _, statement := range []string{"SYSTEM STOP LISTEN TCP", "SYSTEM STOP LISTEN HTTP", "SELECT count() FROM system.numbers", "SELECT 1"} {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address.Host+"/?user="+user, strings.NewReader(statement))
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Content-Type", "text/plain")
				if origin != "" {
					req.Header.Set("Origin", origin)
				}
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					continue // it hung up
				}
				body, _ := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if resp.StatusCode < 400 {
					t.Errorf("%s as %q from %q: %s %s", statement, user, origin, resp.Status, body)
				}
			}
		}
	}
	writeClickHouse(t, a)
}

// listening lists the TCP ports, of IPv4 and IPv6, on which a process listens.
func listening(t *testing.T, pid int) (found []string) {
	t.Helper()
	sockets := map[string]string{} // inode to port
	for _, table := range []string{"tcp", "tcp6"} {
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(raw)) {
			const listen = "0A"
			if f := strings.Fields(line); len(f) > 9 && f[3] == listen {
				_, hex, _ := strings.Cut(f[1], ":")
				port, err := strconv.ParseUint(hex, 16, 16)
				if err != nil {
					t.Fatal(err)
				}
				sockets["socket:["+f[9]+"]"] = strconv.FormatUint(port, 10)
			}
		}
	}
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil || len(files) == 0 {
		t.Fatalf("process %d has no files: %v", pid, err)
	}
	for _, file := range files {
		if target, err := os.Readlink(file); err == nil && sockets[target] != "" {
			found = append(found, sockets[target])
		}
	}
	return found
}
