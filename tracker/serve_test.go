package tracker

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"tributary/internal/fault"
	"tributary/tracker/spool"
)

func TestEveryAddressIsAnswered(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	for _, row := range []struct {
		method, path string
		status       int
		code         string // of the problem, or "" for a page
		contains     string
	}{
		{"GET", "/healthz", 200, "", "ok"},
		{"GET", "/robots.txt", 200, "", "Disallow: /"},
		{"GET", "/", 404, "", "leads nowhere"},
		{"GET", "/favicon.ico", 404, "", "leads nowhere"},
		{"GET", "/admin", 404, "", "leads nowhere"},
		{"POST", "/c/" + e.mine.link.Code, 405, "", "not how a link is followed"},
		{"GET", "/v1/conversions", 405, "wrong_method", ""},
		{"DELETE", "/v1/refunds", 405, "wrong_method", ""},
		{"GET", "/v1/nothing", 404, "unknown_route", ""},
		{"POST", "/v1/conversions/", 404, "unknown_route", ""},
	} {
		a := e.ask(t, row.method, row.path, nil)
		if a.status != row.status || !strings.Contains(a.body, row.contains) {
			t.Errorf("%s %s: %d %s", row.method, row.path, a.status, a.body)
		}
		if row.code != "" && !strings.Contains(a.body, `"code":"`+row.code+`"`) {
			t.Errorf("%s %s: %s, want the problem %s", row.method, row.path, a.body, row.code)
		}
		if row.status == 405 && a.header.Get("Allow") == "" {
			t.Errorf("%s %s: no Allow header", row.method, row.path)
		}
	}
	if n := len(e.records(t)); n != 0 {
		t.Errorf("%d records", n)
	}
}

// logged is a log that may be written and read at the same time.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func TestAPanicIsOneFailedRequest(t *testing.T) {
	t.Parallel()
	var log logged
	e := newEdge(t, func(cfg *Config) { cfg.Log = slog.New(slog.NewJSONHandler(&log, nil)) })
	broken := func(echo.Context) error { panic("the sky is falling") }
	e.echo.GET("/v1/broken", e.named(func(c echo.Context, _ *attempt) error { return broken(c) }))
	e.echo.GET("/c2/broken", e.guard(broken))
	a := e.ask(t, "GET", "/v1/broken?secret=canary", nil)
	p := problem(t, a)
	if a.status != 500 || p.Code != "internal" || strings.Contains(a.body, "sky") || strings.Contains(a.body, "goroutine") {
		t.Errorf("answer %d %s", a.status, a.body)
	}
	if page := e.ask(t, "GET", "/c2/broken", nil); page.status != 500 || !strings.Contains(page.body, "Something went wrong") || strings.Contains(page.body, "sky") {
		t.Errorf("page %d %s", page.status, page.body)
	}
	if text := log.String(); !strings.Contains(text, "the sky is falling") || !strings.Contains(text, p.Instance) || strings.Contains(text, "canary") {
		t.Errorf("log %s", text)
	}
	if a := e.ask(t, "GET", "/c/"+e.mine.link.Code, nil); a.status != 302 {
		t.Errorf("the next request: %d", a.status)
	}
}

// TestAConnectionCannotTakeMuch holds the limits of S27 on one connection.
func TestAConnectionCannotTakeMuch(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	dial := func(text string) *bufio.Reader {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(e.url, "http://"))
		must(t, err)
		t.Cleanup(func() { conn.Close() })
		must(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
		_, err = io.WriteString(conn, text)
		must(t, err)
		return bufio.NewReader(conn)
	}
	status := func(r *bufio.Reader) string {
		line, err := r.ReadString('\n')
		if errors.Is(err, io.EOF) || err != nil && strings.Contains(err.Error(), "reset") {
			return "closed"
		}
		must(t, err)
		return strings.TrimSpace(line)
	}
	t.Run("headers beyond the limit", func(t *testing.T) {
		t.Parallel()
		if got := status(dial("GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + strings.Repeat("x", maxHeader+8<<10) + "\r\n\r\n")); !strings.Contains(got, "431") && got != "closed" {
			t.Errorf("answered %s", got)
		}
	})
	t.Run("headers within it", func(t *testing.T) {
		t.Parallel()
		if got := status(dial("GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + strings.Repeat("x", maxHeader-1<<10) + "\r\n\r\n")); !strings.Contains(got, "200") {
			t.Errorf("answered %s", got)
		}
	})
	t.Run("headers that never end", func(t *testing.T) {
		t.Parallel()
		began := time.Now()
		got := status(dial("GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "))
		if took := time.Since(began); strings.Contains(got, "200") || took < readHeaderTimeout-time.Second || took > readHeaderTimeout+5*time.Second {
			t.Errorf("answered %s after %s", got, took)
		}
	})
	t.Run("a body that never ends", func(t *testing.T) {
		t.Parallel()
		began := time.Now()
		got := status(dial("POST /v1/conversions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + e.mine.key + "\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"))
		if took := time.Since(began); !strings.Contains(got, "400") || took < readBodyTimeout-time.Second || took > readBodyTimeout+5*time.Second {
			t.Errorf("answered %s after %s", got, took)
		}
	})
	t.Run("bodies that never come and that nobody reads", func(t *testing.T) {
		t.Parallel()
		var answers []*bufio.Reader
		for _, request := range []string{
			"GET /c/" + e.mine.link.Code + " HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n",
			"GET /c/" + e.mine.link.Code + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
			"POST /v1/conversions HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n",
			"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n",
		} {
			answers = append(answers, dial(request))
		}
		for n, r := range answers {
			got := status(r)
			if _, err := io.Copy(io.Discard, r); err != nil || !strings.HasPrefix(got, "HTTP/1.1 ") {
				t.Errorf("request %d: answered %s, then %v", n, got, err)
			}
		}
	})
	t.Run("a body without an end in sight, without a key", func(t *testing.T) {
		t.Parallel()
		began := time.Now()
		got := status(dial("POST /v1/conversions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000000\r\n\r\n{"))
		if took := time.Since(began); !strings.Contains(got, "401") || took > 5*time.Second {
			t.Errorf("answered %s after %s", got, took)
		}
	})
}

func TestTheCountersSayWhatHappened(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	e := newEdge(t, func(cfg *Config) { cfg.Metrics = registry })
	for range 2 {
		e.ask(t, "GET", "/c/"+e.mine.link.Code, nil)
	}
	e.ask(t, "GET", "/c/"+e.mine.link.Code, nil, "User-Agent", "curl/8")
	e.ask(t, "GET", "/c/"+e.mine.link.Code, nil, "Sec-Fetch-Dest", "image")
	e.ask(t, "GET", "/c/"+e.mine.link.Code, nil, "Sec-Purpose", "prefetch")
	e.ask(t, "GET", "/c/unknown", nil)
	e.post(t, "/v1/conversions", e.mine.key, `{"order_id":"1","amount":1,"currency":"GBP"}`)
	e.post(t, "/v1/conversions", e.mine.key, `{}`)
	e.post(t, "/v1/refunds", "tk_live_x", `{}`)
	want := `
# HELP tributary_clicks_total Clicks that were answered, by mark; those without a mark count.
# TYPE tributary_clicks_total counter
tributary_clicks_total{mark="bot"} 1
tributary_clicks_total{mark="duplicate"} 1
tributary_clicks_total{mark="embedded"} 1
tributary_clicks_total{mark="none"} 1
tributary_clicks_total{mark="not_enrolled"} 0
# HELP tributary_clicks_prefetched_total Requests that a browser made ahead of a visit, and that were refused.
# TYPE tributary_clicks_prefetched_total counter
tributary_clicks_prefetched_total 1
# HELP tributary_links_unknown_total Requests for a link that is not there or is closed.
# TYPE tributary_links_unknown_total counter
tributary_links_unknown_total 1
# HELP tributary_reports_total Reports of orders, refunds and tags, by route and outcome: stored, or the code of the problem.
# TYPE tributary_reports_total counter
tributary_reports_total{outcome="stored",route="/v1/conversions"} 1
tributary_reports_total{outcome="invalid_conversion",route="/v1/conversions"} 1
tributary_reports_total{outcome="unauthorized",route="/v1/refunds"} 1
tributary_reports_total{outcome="stored",route="/v1/refunds"} 0
tributary_reports_total{outcome="not_stored",route="/v1/conversions"} 0
tributary_reports_total{outcome="not_stored",route="/v1/refunds"} 0
tributary_reports_total{outcome="internal",route="/v1/conversions"} 0
tributary_reports_total{outcome="internal",route="/v1/refunds"} 0
`
	names := []string{"tributary_clicks_total", "tributary_clicks_prefetched_total", "tributary_links_unknown_total", "tributary_reports_total"}
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), names...); err != nil {
		t.Error(err)
	}
	problems, err := testutil.GatherAndLint(registry)
	must(t, err)
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestAFullDiskRefusesOrdersAndNotVisitors(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	full, err := spool.Open(spool.Config{
		Dir: t.TempDir(), Lanes: 2 * partitions,
		Volume: func(string) (used, total int64, err error) { return 99, 100, nil },
	})
	must(t, err)
	t.Cleanup(func() { must(t, full.Close()) })
	s, err := New(Config{Catalogue: e.catalogue, Spool: full, Ring: e.ring, Partitions: partitions})
	must(t, err)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/c/"+e.mine.link.Code, http.NoBody)
	must(t, err)
	if a := ask(t, s, r); a.Code != 302 || !strings.Contains(a.Header().Get("Location"), "tclid=") || testutil.ToFloat64(s.metrics.unstored) != 1 {
		t.Errorf("a visitor: %d %v", a.Code, a.Header())
	}
	_, err = s.Intake.Sale(t.Context(), e.mine.merchant, &SaleReport{OrderID: "1", Amount: 1, Currency: "GBP"})
	if f := fault.Of(err); f.Kind != fault.Unavailable || !errors.Is(err, spool.ErrFull) {
		t.Errorf("an order: %v", err)
	}
}

func TestATrackerSaysWhatIsWrongWithItsConfiguration(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	good := Config{Catalogue: e.catalogue, Spool: e.spool, Ring: e.ring, Partitions: partitions}
	for want, change := range map[string]func(*Config){
		"needs a catalogue":     func(c *Config) { c.Catalogue = nil },
		"needs a catalogue, a":  func(c *Config) { c.Spool = nil },
		"6 lanes, want two for": func(c *Config) { c.Partitions = 6 },
		"duplicate window":      func(c *Config) { c.DuplicateWindow = time.Millisecond },
		"a wait is negative":    func(c *Config) { c.StoreWait = -1 },
	} {
		cfg := good
		change(&cfg)
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, err := New(good); err != nil {
		t.Error(err)
	}
}

// BenchmarkConversion is one order of three lines without the network, durable before the answer.
func BenchmarkConversion(b *testing.B) {
	e := newEdge(b, nil)
	handler := e.Handler()
	b.ReportAllocs()
	b.SetParallelism(32)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "/v1/conversions", strings.NewReader(benchOrder))
			must(b, err)
			r.Header.Set("Authorization", "Bearer "+e.mine.key)
			r.Header.Set("Content-Type", "application/json")
			w := &discard{header: http.Header{}}
			handler.ServeHTTP(w, r)
			if w.status != http.StatusOK {
				b.Error(fmt.Sprint("answered ", w.status))
			}
		}
	})
}
