package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/pflag"

	"tributary/dashboard"
	"tributary/internal/fault"
	"tributary/internal/keyring"
	"tributary/internal/postgres"
	"tributary/internal/stream"
	"tributary/partners"
	"tributary/partners/access"
	"tributary/partners/program"
	"tributary/test/engines"
)

// configured is a network of two processes that run as commands, in which no setting has its default: one of all roles, and
// one tracker, hurried, that has no time for its disk.
type configured struct {
	t               *testing.T
	environ         []string // of commands
	owner           string
	db              *pgxpool.Pool
	clickhouse      string
	kafka           stream.Cluster
	keys            []keyring.Key
	key             string // of the merchant's
	log             *logBuffer
	data            string
	tracker, portal string
	admin, hurried  string
	hurriedData     string
	startHurried    func() (stop func())
}

// newConfigured migrates the servers and starts both processes.
func newConfigured(t *testing.T) *configured {
	t.Helper()
	n := &configured{t: t, owner: engines.PostgresURL(t), clickhouse: engines.ClickHouseMigrated(t), keys: []keyring.Key{keyring.Generate(7)}, log: &logBuffer{}, data: t.TempDir(), hurriedData: t.TempDir()}
	given := engines.Kafka(t)
	n.kafka = stream.Cluster{Brokers: given.Brokers, Prefix: given.Prefix + "settings.", Keys: given.Keys, Security: given.Security}
	n.environ = append(append(append(given.Environ(), postgresEnv(n.owner)...), engines.ClickHouseEnv(n.clickhouse)...), "TRIBUTARY_KAFKA_PREFIX="+n.kafka.Prefix,
		"TRIBUTARY_PARTITIONS=2", "TRIBUTARY_RETENTION=5h", "TRIBUTARY_CLICK_KEYS="+n.keys[0].Reveal())
	if out, err := tributary(t.Context(), t, n.environ, "migrate", "--data", n.data); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var err error
	if n.db, err = pgxpool.New(t.Context(), n.owner); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.db.Close)
	n.seed()
	port := freePorts(t, 19800)
	n.tracker, n.portal, n.admin, n.hurried = local(port), local(port+1), local(port+2), local(port+3)
	n.serve(n.data, append(slices.Clone(n.environ), "TRIBUTARY_TRACKER_URL=https://go.settings.example", "TRIBUTARY_DASHBOARD_URL=https://partners.settings.example",
		"TRIBUTARY_DASHBOARD_LISTEN="+n.portal, "TRIBUTARY_ADMIN_LISTEN="+n.admin, "TRIBUTARY_PPROF=true", "TRIBUTARY_TRUSTED_PROXIES=127.0.0.0/8", "TRIBUTARY_ENGINE_WORKERS=1",
		"TRIBUTARY_BOOKS_CHECK=50ms", "TRIBUTARY_AUDIT_DAYS=400", "TRIBUTARY_COUNTRY_DB=../../tracker/country/testdata/GeoLite2-Country-Test.mmdb", "TRIBUTARY_LOG_FORMAT=text"), "all", "--tracker-listen", n.tracker)
	n.startHurried = func() func() {
		return n.serve(n.hurriedData, slices.Concat(given.Environ(), []string{
			"TRIBUTARY_POSTGRES_URL=" + engines.As(n.owner, postgres.Tracker), "TRIBUTARY_KAFKA_PREFIX=" + n.kafka.Prefix, "TRIBUTARY_PARTITIONS=2", "TRIBUTARY_CLICK_KEYS=" + n.keys[0].Reveal(),
			"TRIBUTARY_REDIRECT_WAIT=1ns", "TRIBUTARY_CONVERSION_WAIT=1ns", "TRIBUTARY_MERCHANT_RATE=1", "TRIBUTARY_SPOOL_KEEP=1ns",
		}), "tracker", "--tracker-listen", n.hurried, "--admin-listen", "")
	}
	return n
}

func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// serve runs roles until stop is called or the test ends.
func (n *configured) serve(data string, environ []string, args ...string) (stop func()) {
	n.t.Helper()
	root := newRoot(environ)
	root.SetOut(testLog{n.t})
	root.SetErr(n.log)
	root.SetArgs(append([]string{"serve", "--data", data}, args...))
	ctx, cancel := context.WithCancel(context.WithoutCancel(n.t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- root.ExecuteContext(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			n.t.Errorf("serve %v ended with %v\n%s", args, err, n.log)
		}
	}
	n.t.Cleanup(stop)
	awaitHealth(n.t, "http://"+args[slices.Index(args, "--tracker-listen")+1]+"/healthz")
	return stop
}

// seed makes a shop, and a partner who has a link to it and a log-in.
func (n *configured) seed() {
	n.t.Helper()
	ctx := n.t.Context()
	err := postgres.InTx(ctx, n.db, func(tx pgx.Tx) error {
		merchant, err := partners.CreateMerchant(ctx, tx, "Shop")
		if err != nil {
			return err
		}
		programID, err := partners.CreateProgram(ctx, tx, partners.NewProgram{
			Merchant: merchant, Name: "Partners", LandingURL: "https://shop.example/", Currencies: []string{"GBP"},
			Terms: []program.Version{{Document: program.NewDocument(time.Hour, 0, 0, program.Rates{program.Site: {program.AnyCategory: 100_000}})}},
		})
		if err != nil {
			return err
		}
		partner, err := partners.CreatePartner(ctx, tx, partners.NewPartner{Kind: program.Site, Name: "Blog"})
		if err != nil {
			return err
		}
		if err = partners.Enrol(ctx, tx, programID, partner); err != nil {
			return err
		}
		if _, err = partners.CreateLink(ctx, tx, partners.NewLink{Program: programID, Partner: partner, Code: "settings"}); err != nil {
			return err
		}
		hash, err := dashboard.HashPassword(portalPassword)
		if err != nil {
			return err
		}
		if _, err = access.CreateLogin(ctx, tx, access.NewLogin{Email: "site@example.net", PasswordHash: hash, Seat: access.NewSeat{Scope: access.Scope{Partner: partner}, Role: access.Owner}}); err != nil {
			return err
		}
		n.key, _, err = partners.IssueKey(ctx, tx, merchant, "", partners.Reporting)
		return err
	})
	if err != nil {
		n.t.Fatal(err)
	}
}

// ask makes a request and follows nothing. Headers come as name and value in turn.
func (n *configured) ask(t *testing.T, method, address, body string, headers ...string) (status int, header http.Header, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	if host := r.Header.Get("Host"); host != "" {
		r.Host = host
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.StatusCode, answer.Header, readAll(t, answer.Body)
}

func (n *configured) report(t *testing.T, address, body string) (status int, text string) {
	t.Helper()
	status, _, text = n.ask(t, http.MethodPost, address+"/v1/conversions", body, "Content-Type", "application/json", "Authorization", "Bearer "+n.key, "X-Forwarded-For", "203.0.113.9")
	return status, text
}

// holds waits until a query of PostgreSQL gives true.
func (n *configured) holds(t *testing.T, sql string, args ...any) {
	t.Helper()
	await(t, sql, func() bool {
		var is bool
		return n.db.QueryRow(t.Context(), sql, args...).Scan(&is) == nil && is
	})
}

func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// TestEverySettingHasItsEffect observes, through the binary, what each setting does. It fails for a setting without a row:
// what only a package's own test has seen may never reach it (as trusted proxies once did not reach the dashboard).
func TestEverySettingHasItsEffect(t *testing.T) {
	t.Parallel()
	n := newConfigured(t)
	seen := map[string]bool{}
	effects := n.effects()
	for _, e := range effects {
		for _, flag := range e.flags {
			seen[flag] = true
		}
	}
	newRoot(nil).PersistentFlags().VisitAll(func(f *pflag.Flag) {
		if !seen[f.Name] {
			t.Errorf("nothing observes --%s: add it to effects", f.Name)
		}
		delete(seen, f.Name)
	})
	for name := range seen {
		t.Errorf("--%s is no setting", name)
	}
	for _, e := range effects {
		t.Run(strings.Join(e.flags, " "), func(t *testing.T) {
			t.Parallel()
			e.observe(t)
		})
	}
}

// effect is what is to be seen of settings.
type effect struct {
	flags   []string
	observe func(t *testing.T)
}

// effects observe every setting, those together that show in one place.
func (n *configured) effects() []effect {
	all := []effect{
		{[]string{"postgres-url", "redirect-wait", "conversion-wait", "merchant-rate", "spool-keep"}, n.hurriedTracker},
		{[]string{"tracker-listen", "trusted-proxies", "clickhouse-loader-url", "click-keys"}, n.largestOrder},
		{[]string{"kafka-prefix", "partitions", "retention"}, n.topics},
		{[]string{"record-keys"}, n.sealed},
		{[]string{"country-db"}, n.countries},
		{[]string{"dashboard-listen", "dashboard-url", "tracker-url", "audit-days"}, n.pages},
		{[]string{"admin-listen", "pprof", "books-check"}, n.inside},
		{[]string{"kafka-brokers", "kafka-tls", "kafka-ca"}, n.brokers},
		{[]string{"log-level"}, n.levels},
		{[]string{"admin-exposed"}, n.exposed},
		{[]string{"data"}, func(t *testing.T) {
			t.Helper()
			for _, name := range []string{"spool", "relay.cursor", "format"} {
				await(t, name, func() bool { _, err := os.Stat(filepath.Join(n.data, name)); return err == nil })
			}
		}},
		{[]string{"engine-workers", "log-format"}, func(t *testing.T) {
			t.Helper()
			await(t, "the engine's own number, in text", func() bool { return strings.Contains(n.log.String(), `level=INFO msg="engine is ready" workers=1`) })
		}},
		{[]string{"duplicate-window"}, func(t *testing.T) {
			t.Helper()
			_, err := tributary(t.Context(), t, n.environ, "serve", "tracker", "--data", t.TempDir(), "--tracker-listen", "127.0.0.1:0", "--admin-listen", "", "--duplicate-window", "1ms")
			if err == nil || !strings.Contains(err.Error(), "a duplicate window of 1ms") {
				t.Errorf("a millisecond: %v", err)
			}
		}},
		{[]string{"clickhouse-url"}, func(t *testing.T) {
			t.Helper()
			out, err := tributary(t.Context(), t, append(slices.Clip(n.environ), "TRIBUTARY_CLICKHOUSE_OWNER_URL="), "migrate", "--data", t.TempDir(), "--clickhouse-url", n.clickhouse)
			if err != nil {
				t.Errorf("for a command: %v\n%s", err, out)
			}
		}},
		{[]string{"postgres-reader-url"}, func(t *testing.T) {
			t.Helper()
			_, err := tributary(t.Context(), t, n.environ, "simulate", "--program", "1000000", "--from", "2026-01-01", "--to", "2026-02-01", "--data", t.TempDir())
			if err == nil || fault.Of(err).Kind != fault.NotFound {
				t.Errorf("as the reader: %v", err)
			}
		}},
		{[]string{"postgres-operator-url"}, func(t *testing.T) {
			t.Helper()
			_, err := tributary(t.Context(), t, n.environ, "spool", "forget", strings.Repeat("0", 32), "--data", t.TempDir())
			if err == nil || !strings.Contains(err.Error(), "no such spool") {
				t.Errorf("as the operator: %v", err)
			}
		}},
	}
	mechanism := "plain"
	if n.kafka.Security.TLS { // an Apache Kafka of the tests takes the password by each that there is
		mechanism = "gssapi"
	}
	for flag, wrong := range map[string]string{"kafka-user": "nobody", "kafka-password": "another", "kafka-mechanism": mechanism, "postgres-owner-url": "postgres://127.0.0.1:1/x", "clickhouse-owner-url": "clickhouse://127.0.0.1:1/x"} {
		all = append(all, effect{[]string{flag}, func(t *testing.T) {
			t.Helper()
			if _, err := tributary(t.Context(), t, n.environ, "migrate", "--data", t.TempDir(), "--"+flag, wrong); err == nil {
				t.Errorf("--%s %s changes nothing", flag, wrong)
			}
		}})
	}
	for role, command := range map[string]string{"operator": "rebuild-rollups", "dashboard": "serve dashboard --admin-listen="} {
		all = append(all, effect{[]string{clickhouseSetting(role)}, func(t *testing.T) {
			t.Helper()
			args := append(strings.Fields(command), "--data", t.TempDir(), "--"+clickhouseSetting(role), "clickhouse://tributary_reader@127.0.0.1:1/x")
			if _, err := tributary(t.Context(), t, n.environ, args...); err == nil || !strings.Contains(err.Error(), role+" has a log-in of its own") {
				t.Errorf("another's address for %s: %v", command, err)
			}
		}})
	}
	for _, role := range roleNames() {
		all = append(all, effect{[]string{postgresSetting(role)}, func(t *testing.T) {
			t.Helper()
			n.holds(t, `SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND usename = $1`, "tributary_"+role)
		}})
	}
	return all
}
