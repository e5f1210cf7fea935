package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tributary/internal/stream"
)

// answer asks a river's inside listener.
func answer(t *testing.T, r *river, path, accept string) (status int, contentType, body string) {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody)
	request.Header.Set("Accept", accept)
	recorder := httptest.NewRecorder()
	r.insideHandler().ServeHTTP(recorder, request)
	return recorder.Code, recorder.Header().Get("Content-Type"), recorder.Body.String()
}

func TestReadinessSaysWhatEachRoleLacks(t *testing.T) {
	t.Parallel()
	fine := func(context.Context) error { return nil }
	away := func(context.Context) error { return errors.New("connection refused") }
	slow := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	for name, row := range map[string]struct {
		roles  []string
		up     map[string][]requirement
		status int
		says   []string
	}{
		"all there": {
			[]string{"engine"},
			map[string][]requirement{"engine": {{"PostgreSQL", true, fine}, {"Kafka", true, fine}}},
			http.StatusOK,
			[]string{"engine is ready\n"},
		},
		"something vital is away": {
			[]string{"engine", "loader"},
			map[string][]requirement{"engine": {{"PostgreSQL", true, fine}, {"Kafka", true, away}}, "loader": {{"PostgreSQL", true, fine}}},
			http.StatusServiceUnavailable,
			[]string{"engine is not ready: Kafka: connection refused\n", "loader is ready\n"},
		},
		"something else is away": {
			[]string{"tracker"},
			map[string][]requirement{"tracker": {{"spool", true, fine}, {"relay", false, away}}},
			http.StatusOK,
			[]string{"tracker is ready, with something to catch up on: relay: connection refused\n"},
		},
		"no answer is no": {
			[]string{"dashboard"},
			map[string][]requirement{"dashboard": {{"ClickHouse", true, slow}}},
			http.StatusServiceUnavailable,
			[]string{"dashboard is not ready: ClickHouse: context deadline exceeded\n"},
		},
		"still starting": {[]string{"engine"}, nil, http.StatusServiceUnavailable, []string{"engine is not ready: it is still starting\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := testRiver(t, "")
			r.ready.expect(row.roles)
			for role, needs := range row.up {
				r.ready.up(role, needs...)
			}
			status, _, text := answer(t, r, "/readyz", "*/*")
			if status != row.status || text != strings.Join(row.says, "") {
				t.Errorf("%d %q, want %d %q", status, text, row.status, row.says)
			}
			status, contentType, body := answer(t, r, "/readyz", "application/json")
			var said struct {
				Ready bool        `json:"ready"`
				Roles []roleState `json:"roles"`
			}
			if err := json.Unmarshal([]byte(body), &said); err != nil {
				t.Fatalf("%v in %s", err, body)
			}
			if status != row.status || contentType != "application/json" || said.Ready != (row.status == http.StatusOK) || len(said.Roles) != len(row.roles) {
				t.Errorf("%d %s %+v, want %d", status, contentType, said, row.status)
			}
		})
	}
}

func TestProfilesAreServedOnlyWhenAskedFor(t *testing.T) {
	t.Parallel()
	for flag, want := range map[string]int{"": http.StatusNotFound, "--pprof": http.StatusOK} {
		if status, _, _ := answer(t, testRiver(t, flag), "/debug/pprof/cmdline", ""); status != http.StatusNotFound {
			t.Errorf("%q: the command line, which may hold secrets, is served: %d", flag, status)
		}
		if status, _, _ := answer(t, testRiver(t, flag), "/debug/pprof/heap", ""); status != want {
			t.Errorf("%q: %d, want %d", flag, status, want)
		}
	}
}

func TestAnAdminAddressThatOthersCanReachMustBeAskedFor(t *testing.T) {
	t.Parallel()
	for address, others := range map[string]bool{
		"127.0.0.1:8082": false, "localhost:8082": false, "[::1]:8082": false, "127.9.9.9:1": false, "": false,
		":8082": true, "0.0.0.0:8082": true, "[::]:8082": true, "10.1.2.3:8082": true, "example.com:8082": true, "8082": true,
	} {
		_, err := tributary(t.Context(), t, nil, "config", "--admin-listen", address)
		if refused := err != nil && strings.Contains(err.Error(), "TRIBUTARY_ADMIN_EXPOSED"); refused != others {
			t.Errorf("%q: %v, want it refused: %v", address, err, others)
		}
		if _, err := tributary(t.Context(), t, []string{"TRIBUTARY_ADMIN_EXPOSED=true"}, "config", "--admin-listen", address); err != nil {
			t.Errorf("%q, exposed by intent: %v", address, err)
		}
	}
}

func TestHealthAsksTheProcess(t *testing.T) {
	t.Parallel()
	r := testRiver(t, "")
	r.ready.expect([]string{"engine"})
	server := httptest.NewServer(r.insideHandler())
	defer server.Close()
	listen := strings.TrimPrefix(server.URL, "http://")
	if out, err := tributary(t.Context(), t, nil, "health", "--admin-listen", listen); err != nil || out != "ok\n" {
		t.Errorf("alive: %q, %v", out, err)
	}
	out, err := tributary(t.Context(), t, nil, "health", "--ready", "--admin-listen", listen)
	if err == nil || !strings.Contains(out, "still starting") {
		t.Errorf("ready: %q, %v, want an error and what is missing", out, err)
	}
	r.ready.up("engine", requirement{"PostgreSQL", true, func(context.Context) error { return nil }})
	if out, err := tributary(t.Context(), t, nil, "health", "--ready", "--admin-listen", listen); err != nil || out != "engine is ready\n" {
		t.Errorf("ready: %q, %v", out, err)
	}
	server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := tributary(ctx, t, nil, "health", "--admin-listen", listen); err == nil {
		t.Error("a process that is gone is alive")
	}
}

// testRiver is a process's share of the river with no server behind it: nothing connects before it is asked to.
func testRiver(t *testing.T, args ...string) *river {
	t.Helper()
	a := &app{}
	root := newRootOf(a, nil)
	given := []string{"--data", t.TempDir(), "--log-level", "error"}
	for _, arg := range args {
		if arg != "" {
			given = append(given, arg)
		}
	}
	if err := root.PersistentFlags().Parse(given); err != nil {
		t.Fatal(err)
	}
	a.log = a.cfg.logger(testLog{t})
	r, err := newRiver(&a.cfg, a.log, stores{
		postgres: anyLogin("postgres://u:p@127.0.0.1:1/d"), kafka: stream.Cluster{Brokers: []string{"127.0.0.1:1"}}, clickhouse: anyLogin("clickhouse://u:p@127.0.0.1:1/d"),
	}, clickKeys)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.close)
	return r
}
