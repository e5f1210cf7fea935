package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"tributary/internal/keyring"
)

// TestALoopbackListenerAnswersToItsOwnNames holds that no page can read what only this machine may, by a name of the page's
// own that leads here (DNS rebinding).
func TestALoopbackListenerAnswersToItsOwnNames(t *testing.T) {
	t.Parallel()
	const public = "https://partners.example"
	for _, row := range []struct {
		listen, public, host string
		answered             bool
	}{
		{"127.0.0.1:8082", "", "127.0.0.1:8082", true},
		{"127.0.0.1:8082", "", "localhost:8082", true},
		{"127.0.0.1:8082", "", "localhost", true},
		{"[::1]:8082", "", "[::1]:8082", true},
		{"[::1]:8082", "", "[::1]", true},
		{"127.0.0.1:8082", "", "evil.example:8082", false},
		{"127.0.0.1:8082", "", "localhost.evil.example", false},
		{"127.0.0.1:8082", "", "127.0.0.1.evil.example", false},
		{"127.0.0.1:8082", "", "10.0.0.1:8082", false},
		{"127.0.0.1:8082", "", "", false},
		{"localhost:8081", public, "partners.example", true},
		{"localhost:8081", public, "Partners.Example:443", true},
		{"localhost:8081", public, "www.partners.example", false},
		{"0.0.0.0:8081", public, "another.example", true},
		{":8082", "", "tributary:8082", true},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody)
		r.Host = row.host
		w := httptest.NewRecorder()
		localHosts(row.listen, row.public, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "figures") })).ServeHTTP(w, r)
		if answered := w.Code == http.StatusOK; answered != row.answered || answered != (w.Body.String() == "figures") || !answered && w.Code != http.StatusMisdirectedRequest {
			t.Errorf("%s as %q at %s: %d %s", row.listen, row.host, row.public, w.Code, w.Body)
		}
	}
}

// TestTheDashboardHasNoClickKeys holds, through the command, that the pages neither make nor read what signs click ids, and
// answer to their own names alone.
func TestTheDashboardHasNoClickKeys(t *testing.T) {
	t.Parallel()
	p := servePortal(t, 19700, "TRIBUTARY_DASHBOARD_URL=https://partners.example", "TRIBUTARY_CLICK_KEYS=this is no key")
	for host, status := range map[string]int{p.address: http.StatusOK, "partners.example": http.StatusOK, "evil.example": http.StatusMisdirectedRequest} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.address+"/signin", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		answer, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != status {
			t.Errorf("as %s: %d, want %d", host, answer.StatusCode, status)
		}
	}
	made, err := filepath.Glob(filepath.Join(p.data, "*"))
	if err != nil || len(made) != 1 || filepath.Base(made[0]) != "format" {
		t.Errorf("in its folder: %v, %v", made, err)
	}
}

// TestASecretOnTheCommandLineIsWarnedOf: every secret, and only where it is a flag.
func TestASecretOnTheCommandLineIsWarnedOf(t *testing.T) {
	t.Parallel()
	values := map[string]string{"click-keys": keyring.Generate(1).Reveal(), "kafka-password": "hush", "clickhouse-url": "clickhouse://u:hush@127.0.0.1:9000/d"}
	warned := func(environ []string, args ...string) string {
		var log bytes.Buffer
		root := newRoot(environ)
		root.SetOut(io.Discard)
		root.SetErr(&log)
		root.SetArgs(append(append([]string{"config", "--data", t.TempDir()}, args...), "--kafka-user", "u", "--kafka-brokers", "127.0.0.1:1"))
		if err := root.ExecuteContext(t.Context()); err != nil {
			t.Errorf("%v: %v", args, err)
		}
		if strings.Contains(log.String(), "hush") {
			t.Errorf("the log repeats the secret: %s", &log)
		}
		return log.String()
	}
	for _, name := range secrets() {
		value, ok := values[name]
		if !ok {
			value = "postgres://u:hush@127.0.0.1:5432/d"
		}
		environ := []string{"TRIBUTARY_KAFKA_PASSWORD=hush"}
		if log := warned(environ, "--"+name, value); !strings.Contains(log, "--"+name+" stands on the command line") || !strings.Contains(log, envName(name)+"_FILE") {
			t.Errorf("--%s: %s", name, log)
		}
		if log := warned(append([]string{envName(name) + "=" + value}, environ...)); strings.Contains(log, "command line") {
			t.Errorf("%s: %s", envName(name), log)
		}
	}
}
