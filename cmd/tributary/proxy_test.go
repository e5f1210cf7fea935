package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/dashboard"
	"tributary/internal/clickhouse"
	"tributary/internal/postgres"
	"tributary/partners/access"
	"tributary/test/engines"
)

// A portal is a dashboard that runs as `tributary serve dashboard`.
type portal struct {
	t       *testing.T
	address string
	data    string
	log     *logBuffer
}

// logBuffer is a log that is read while it is written.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// portalPassword is that of every log-in at a portal.
const portalPassword = "correct horse battery"

// servePortal runs the role with one log-in, operator@example.net, until the test ends.
func servePortal(t *testing.T, from int, environ ...string) *portal {
	t.Helper()
	database := engines.PostgresURL(t)
	db, err := pgxpool.New(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	hash, err := dashboard.HashPassword(portalPassword)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := access.CreateLogin(t.Context(), db, access.NewLogin{Email: "operator@example.net", PasswordHash: hash, Seat: access.NewSeat{Scope: access.Scope{Network: true}, Role: access.Owner}}); err != nil {
		t.Fatal(err)
	}
	p := &portal{t: t, address: net.JoinHostPort("127.0.0.1", strconv.Itoa(freePorts(t, from))), log: &logBuffer{}, data: t.TempDir()}
	root := newRoot(append(environ, "TRIBUTARY_POSTGRES_URL="+engines.As(database, postgres.Dashboard), "TRIBUTARY_CLICKHOUSE_URL="+engines.ClickHouseAs(reportsOf(t, database), clickhouse.Dashboard)))
	root.SetOut(testLog{t})
	root.SetErr(p.log)
	root.SetArgs([]string{"serve", "dashboard", "--data", p.data, "--dashboard-listen", p.address, "--admin-listen", ""})
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- root.ExecuteContext(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("it ended with %v", err)
		}
	})
	awaitHealth(t, "http://"+p.address+"/signin")
	return p
}

// signIn posts the form of the sign-in page and gives the status of the answer.
func (p *portal) signIn(email, password string, headers ...string) int {
	p.t.Helper()
	form := url.Values{"email": {email}, "password": {password}}
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, "http://"+p.address+"/signin", strings.NewReader(form.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		p.t.Fatal(err)
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}

// The setting's effect, through the command: who guesses behind a proxy locks themselves out and nobody else.
func TestGuessesBehindAProxyLockOutTheirAddressOnly(t *testing.T) {
	t.Parallel()
	p := servePortal(t, 19200, "TRIBUTARY_DASHBOARD_URL=https://partners.example", "TRIBUTARY_TRUSTED_PROXIES=127.0.0.0/8,2001:db8:f::/48")
	for i := range 60 {
		if got := p.signIn(fmt.Sprintf("made-up-%d@example.net", i), "a guess", "X-Forwarded-For", "203.0.113.9"); got != http.StatusUnauthorized {
			t.Fatalf("guess %d: status %d", i, got)
		}
	}
	for _, tc := range []struct {
		forwarded string
		status    int
	}{
		{"203.0.113.9", http.StatusTooManyRequests},
		{"198.51.100.1, 203.0.113.9", http.StatusTooManyRequests},
		{"203.0.113.9, 2001:db8:f::1", http.StatusTooManyRequests},
		{"203.0.113.10", http.StatusSeeOther},
		{"2a00:1450::5", http.StatusSeeOther},
	} {
		if got := p.signIn("operator@example.net", portalPassword, "X-Forwarded-For", tc.forwarded); got != tc.status {
			t.Errorf("from %s: status %d, want %d", tc.forwarded, got, tc.status)
		}
	}
	p.signIn("operator@example.net", "a guess", "X-Forwarded-For", "2a00:1450::5")
	if log := p.log.String(); !strings.Contains(log, `"address":"2a00:1450::/64"`) || strings.Contains(log, "no proxy is trusted") {
		t.Errorf("the log says %s", log)
	}
}

func TestAStrangersForwardedAddressIsNotBelieved(t *testing.T) {
	t.Parallel()
	p := servePortal(t, 19300, "TRIBUTARY_DASHBOARD_URL=https://partners.example", "TRIBUTARY_TRUSTED_PROXIES=10.0.0.0/8")
	for _, forwarded := range []string{"203.0.113.9", "2a00:1450::5", "10.0.0.1"} {
		p.signIn("operator@example.net", "a guess", "X-Forwarded-For", forwarded)
	}
	if log := p.log.String(); strings.Count(log, `"address":"127.0.0.1"`) != 3 {
		t.Errorf("the log says %s", log)
	}
}

func TestAnHTTPSDashboardWithoutATrustedProxyWarns(t *testing.T) {
	t.Parallel()
	p := servePortal(t, 19400, "TRIBUTARY_DASHBOARD_URL=https://partners.example")
	for _, want := range []string{`"level":"WARN"`, "TRIBUTARY_DASHBOARD_URL is https://partners.example, and no proxy is trusted", "set TRIBUTARY_TRUSTED_PROXIES"} {
		if log := p.log.String(); !strings.Contains(log, want) {
			t.Errorf("the log lacks %q: %s", want, log)
		}
	}
	// Its own address may post although the proxy changed the Host header; another may not.
	for origin, status := range map[string]int{"https://partners.example": http.StatusSeeOther, "https://evil.example": http.StatusForbidden} {
		if got := p.signIn("operator@example.net", portalPassword, "Origin", origin); got != status {
			t.Errorf("from %s: status %d, want %d", origin, got, status)
		}
	}
}
