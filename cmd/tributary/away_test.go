package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/internal/clickhouse"
	"tributary/internal/keyring"
	"tributary/internal/postgres"
	"tributary/partners"
	"tributary/partners/catalogue"
	"tributary/partners/program"
	"tributary/test/engines"
)

// trackerProcess is `serve tracker` in this process.
type trackerProcess struct {
	url    string
	inside string
	stop   func() error
}

func startTracker(t *testing.T, environ []string, data string, args ...string) trackerProcess {
	t.Helper()
	port := freePorts(t, 19200)
	p := trackerProcess{
		url: "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), inside: net.JoinHostPort("127.0.0.1", strconv.Itoa(port+1)),
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := tributary(ctx, t, environ, append([]string{
			"serve", "tracker", "--data", data, "--tracker-listen", strings.TrimPrefix(p.url, "http://"), "--admin-listen", p.inside,
		}, args...)...)
		ended <- err
	}()
	p.stop = func() error {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
		return nil
	}
	return p
}

// get asks without following.
func get(t *testing.T, address string) (status int, location string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return 0, ""
	}
	defer response.Body.Close()
	return response.StatusCode, response.Header.Get("Location")
}

func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not after a minute", what)
		}
	}
}

// P6: a tracker that starts while PostgreSQL is down serves links and takes orders, and goes over to PostgreSQL when that
// is back.
func TestATrackerStartsWithoutPostgreSQL(t *testing.T) {
	t.Parallel()
	address := engines.PostgresURL(t)
	db, err := postgres.Open(t.Context(), engines.As(address, postgres.Operator), postgres.Operator, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	n := newTestShop(t, db)
	data := t.TempDir()
	environ := func(postgres string) []string {
		return []string{"TRIBUTARY_POSTGRES_URL=" + postgres, "TRIBUTARY_KAFKA_BROKERS=127.0.0.1:1", "TRIBUTARY_CLICKHOUSE_URL=clickhouse://127.0.0.1:1/x"}
	}
	first := startTracker(t, environ(engines.As(address, postgres.Tracker)), data)
	awaitHealth(t, first.url+"/healthz")
	until(t, "the copy is written", func() bool { _, err := os.Stat(filepath.Join(data, "catalogue")); return err == nil })
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}

	away, err := url.Parse(engines.As(address, postgres.Tracker))
	if err != nil {
		t.Fatal(err)
	}
	server := away.Host
	door, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	away.Host = door.Addr().String()
	_ = door.Close() // nobody is there
	second := startTracker(t, environ(away.String()), data)
	awaitHealth(t, second.url+"/healthz")
	if status, location := get(t, second.url+"/c/"+n.link.Code); status != http.StatusFound || !strings.HasPrefix(location, n.link.Target) {
		t.Errorf("a link without PostgreSQL: %d, %q", status, location)
	}
	if status := reportSale(t, second.url, n.key, `{"order_id":"A-1","amount":100,"currency":"EUR"}`); status != http.StatusOK {
		t.Errorf("an order without PostgreSQL: %d", status)
	}
	fresh, err := partners.CreateLink(t.Context(), db, partners.NewLink{Program: n.link.Program, Partner: n.link.Partner})
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := get(t, second.url+"/c/"+fresh.Code); status != http.StatusNotFound {
		t.Errorf("a link that the copy cannot hold: %d", status)
	}
	forward(t, away.Host, server)
	until(t, "PostgreSQL's links are live", func() bool { status, _ := get(t, second.url+"/c/"+fresh.Code); return status == http.StatusFound })
	var rows int
	until(t, "the spool is registered", func() bool {
		return db.QueryRow(t.Context(), `SELECT count(*) FROM spool_progress WHERE last > 0`).Scan(&rows) == nil && rows > 0
	})
	if err := second.stop(); err != nil {
		t.Fatal(err)
	}
}

// P6: a tracker starts also where PostgreSQL has become one that only reads: a standby, or one whose disk ran full.
func TestATrackerStartsWithAPostgreSQLThatOnlyReads(t *testing.T) {
	t.Parallel()
	address := engines.PostgresURL(t)
	db, err := postgres.Open(t.Context(), engines.As(address, postgres.Operator), postgres.Operator, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	n := newTestShop(t, db)
	data := t.TempDir()
	for _, only := range []string{"off", "on"} {
		u, err := url.Parse(engines.As(address, postgres.Tracker))
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		q.Set("default_transaction_read_only", only)
		u.RawQuery = q.Encode()
		tracker := startTracker(t, []string{"TRIBUTARY_POSTGRES_URL=" + u.String(), "TRIBUTARY_KAFKA_BROKERS=127.0.0.1:1", "TRIBUTARY_CLICKHOUSE_URL=clickhouse://127.0.0.1:1/x"}, data)
		awaitHealth(t, tracker.url+"/healthz")
		until(t, "the copy is written", func() bool { _, err := os.Stat(filepath.Join(data, "catalogue")); return err == nil })
		time.Sleep(patience / 2) // whatever would end it has had its time
		if status, _ := get(t, tracker.url+"/c/"+n.link.Code); status != http.StatusFound {
			t.Errorf("read only %s: a link gives %d", only, status)
		}
		if err := tracker.stop(); err != nil {
			t.Errorf("read only %s: %v", only, err)
		}
	}
}

// A copy that does not fit this process's settings is refused, whatever PostgreSQL would say.
func TestACopyOfSomethingElseIsRefused(t *testing.T) {
	t.Parallel()
	address := engines.PostgresURL(t)
	db, err := postgres.Open(t.Context(), engines.As(address, postgres.Operator), postgres.Operator, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	newTestShop(t, db)
	edge, err := postgres.Open(t.Context(), engines.As(address, postgres.Tracker), postgres.Tracker, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer edge.Close()
	if _, err := edge.Exec(t.Context(), `INSERT INTO setting (name, value) VALUES ('partitions', '6')`); err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	own := testRiver(t, "--data", home)
	close(own.prepared)
	live, err := own.network(t.Context(), edge)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- live.Run(ctx) }()
	file := filepath.Join(home, "catalogue")
	until(t, "the copy is written", func() bool { _, err := os.Stat(file); return err == nil })
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		args []string
		want string
	}{
		"the same settings":             {nil, ""},
		"other partitions":              {[]string{"--partitions", "5"}, "6 partitions"},
		"another key of the number":     {[]string{"--click-keys", keyring.Generate(1).Reveal()}, "not the one"},
		"none of the network's numbers": {[]string{"--click-keys", keyring.Generate(9).Reveal()}, "none of the click keys"},
		"a new key in front of the old": {[]string{"--click-keys", keyring.Generate(9).Reveal() + "," + own.keys[0].Reveal()}, ""},
	} {
		r := testRiver(t, append([]string{"--data", home}, row.args...)...)
		err := r.fromCopy(catalogue.New(nil, r.log), file)
		if (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", name, err, row.want)
		}
	}
}

// testShop is a merchant with a program, a partner, a link and a key.
type testShop struct {
	merchant program.MerchantID
	link     *partners.Link
	key      string
}

func newTestShop(t *testing.T, db *pgxpool.Pool) testShop {
	t.Helper()
	var s testShop
	err := postgres.InTx(t.Context(), db, func(tx pgx.Tx) (err error) {
		if s.merchant, err = partners.CreateMerchant(t.Context(), tx, "Shop"); err != nil {
			return err
		}
		programID, err := partners.CreateProgram(t.Context(), tx, partners.NewProgram{
			Merchant: s.merchant, Name: "Partners", LandingURL: "https://shop.example/", Currencies: []string{"EUR"},
			Terms: []program.Version{{Document: program.NewDocument(24*time.Hour, 0, 0, program.Rates{program.Site: {program.AnyCategory: 100_000}})}},
		})
		if err != nil {
			return err
		}
		partner, err := partners.CreatePartner(t.Context(), tx, partners.NewPartner{Kind: program.Site, Name: "Blog"})
		if err != nil {
			return err
		}
		if err = partners.Enrol(t.Context(), tx, programID, partner); err != nil {
			return err
		}
		if s.link, err = partners.CreateLink(t.Context(), tx, partners.NewLink{Program: programID, Partner: partner}); err != nil {
			return err
		}
		s.key, _, err = partners.IssueKey(t.Context(), tx, s.merchant, "server", partners.Reporting)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// reportSale sends an order.
func reportSale(t *testing.T, tracker, key, body string) (status int) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, tracker+"/v1/conversions", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+key)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Error(err)
		return 0
	}
	defer response.Body.Close()
	return response.StatusCode
}

// A disk that is lost with records on it is told of by verify, until it is given up.
func TestVerifyTellsOfALostDisk(t *testing.T) {
	t.Parallel()
	address := engines.PostgresURL(t)
	db, err := postgres.Open(t.Context(), engines.As(address, postgres.Tracker), postgres.Tracker, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	environ := []string{
		"TRIBUTARY_POSTGRES_URL=" + engines.As(address, postgres.Operator), "TRIBUTARY_KAFKA_BROKERS=127.0.0.1:1", "TRIBUTARY_CLICKHOUSE_URL=" + engines.ClickHouseAs(reportsOf(t, address), clickhouse.Operator), "TRIBUTARY_DATA=" + t.TempDir(),
	}
	_, err = db.Exec(t.Context(), `INSERT INTO spool_progress (spool, lane, last, sent, owner, seen)
		VALUES ('\x00112233445566778899aabbccddeeff', 7, 40, 30, 'edge-2/9/x', now() - interval '11 minutes')`)
	if err != nil {
		t.Fatal(err)
	}
	const spool = "00112233445566778899aabbccddeeff"
	out, err := tributary(t.Context(), t, environ, "verify")
	if err == nil || !strings.Contains(out, "broken spool "+spool+" orders/1: records 1 to 40") || !strings.Contains(out, "edge-2/9/x") {
		t.Errorf("verify: %v\n%s", err, out)
	}
	if out, err := tributary(t.Context(), t, environ, "verify", "--json"); err == nil || !strings.Contains(out, `"spools":[{"spool":"`+spool+`"`) {
		t.Errorf("verify --json: %v\n%s", err, out)
	}
	if _, err := tributary(t.Context(), t, environ, "spool", "forget", spool); err != nil {
		t.Errorf("spool forget: %v", err)
	}
	if out, err := tributary(t.Context(), t, environ, "verify"); err != nil {
		t.Errorf("verify after it was forgotten: %v\n%s", err, out)
	}
}
