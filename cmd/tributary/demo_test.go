package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/demo"
	"tributary/internal/clickhouse"
	"tributary/internal/event"
	"tributary/internal/stream"
	"tributary/test/engines"
)

// demoAnswer is what `demo --json` prints.
type demoAnswer struct {
	Tracker     string       `json:"tracker"`
	Dashboard   string       `json:"dashboard"`
	MerchantKey string       `json:"merchant_key"`
	Link        string       `json:"link"`
	Logins      []demo.Login `json:"logins"`
	Postgres    string       `json:"postgres"`
	Kafka       string       `json:"kafka"`
	User        string       `json:"kafka_user"`
	Password    string       `json:"kafka_password"`
	Mechanism   string       `json:"kafka_mechanism"`
	ClickHouse  string       `json:"clickhouse"`
}

// lineWriter hands on each line that is written.
type lineWriter struct {
	buffer bytes.Buffer
	lines  chan string
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.buffer.Write(p)
	for {
		line, err := w.buffer.ReadString('\n')
		if err != nil {
			w.buffer.WriteString(line)
			return len(p), nil //nolint:nilerr // the rest of the line is yet to come
		}
		w.lines <- line
	}
}

// startDemo starts the demo on a folder; stop ends it and gives its error.
func startDemo(t *testing.T, data string, port int) (answer demoAnswer, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out := &lineWriter{lines: make(chan string, 4)}
	root := newRoot(nil)
	root.SetOut(out)
	root.SetErr(testLog{t})
	root.SetArgs([]string{"demo", "--json", "--data", data, "--port", strconv.Itoa(port), "--log-level", "error"})
	ended := make(chan error, 1)
	go func() { ended <- root.ExecuteContext(ctx) }()
	select {
	case line := <-out.lines:
		if err := json.Unmarshal([]byte(line), &answer); err != nil {
			t.Fatalf("reading the demo's answer: %v", err)
		}
	case err := <-ended:
		t.Fatalf("the demo ended: %v", err)
	case <-time.After(3 * time.Minute):
		t.Fatal("the demo is not ready after three minutes")
	}
	return answer, func() error {
		cancel()
		return <-ended
	}
}

// freePorts gives the first of four ports in a row that are free, from one on. Tests that run side by side begin apart.
func freePorts(t *testing.T, from int) int {
	t.Helper()
	for port := from; port < from+200; port += 4 {
		free := true
		for i := range 4 {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+i))
			if err != nil {
				free = false
				break
			}
			_ = l.Close()
		}
		if free {
			return port
		}
	}
	t.Fatal("no four free ports in a row")
	return 0
}

// runDemo runs a demo that is refused before it starts anything, and gives its error.
func runDemo(t *testing.T, data string, port int) error {
	t.Helper()
	root := newRoot(nil)
	root.SetOut(testLog{t})
	root.SetErr(testLog{t})
	root.SetArgs([]string{"demo", "--json", "--data", data, "--port", strconv.Itoa(port), "--log-level", "error"})
	return root.ExecuteContext(t.Context())
}

func TestTheDemoRefusesPortsBeforeItStartsAnything(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	third := taken.Addr().(*net.TCPAddr).Port - 2
	for port, want := range map[int]string{0: "--port", 65533: "--port", third: "choose others with --port"} {
		data := filepath.Join(t.TempDir(), "data")
		if err := runDemo(t, data, port); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("port %d: %v", port, err)
		}
		if _, err := os.Stat(data); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("port %d: the data folder was made: %v", port, err)
		}
	}
}

func TestTheDemoCreditsAnOrderAndGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	data, port := t.TempDir(), freePorts(t, 18400)
	first, stop := startDemo(t, data, port)
	kafka := engines.Cluster{Cluster: stream.Cluster{
		Brokers: []string{first.Kafka}, Prefix: "tributary.", Security: stream.Security{Mechanism: first.Mechanism, User: first.User, Password: first.Password},
	}}.Open(t)
	if _, end, err := kafka.Offsets(t.Context(), event.Touches, 0); err != nil || end == 0 {
		t.Errorf("whoever has the demo's password finds %d clicks in Kafka: %v", end, err)
	}
	saidInTheDemo(t, first)
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

	request, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, first.Link+"?sub1=test", http.NoBody)
	request.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0")
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	landing, err := response.Location()
	if err != nil || response.StatusCode != http.StatusFound {
		t.Fatalf("the link answered %s, %v", response.Status, err)
	}
	clickID := landing.Query().Get("tclid")
	order := fmt.Sprintf(`{"order_id":"T-1","amount":10000,"currency":"GBP","click_id":%q,"lines":[{"sku":"TENT-2P","quantity":1,"amount":10000,"category":"camping"}]}`, clickID)
	request, _ = http.NewRequestWithContext(t.Context(), http.MethodPost, first.Tracker+"/v1/conversions", strings.NewReader(order))
	request.Header.Set("Authorization", "Bearer "+first.MerchantKey)
	request.Header.Set("Content-Type", "application/json")
	sent := time.Now()
	if response, err = client.Do(request); err != nil {
		t.Fatal(err)
	}
	body := readAll(t, response.Body)
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("the order was answered %s: %s", response.Status, body)
	}

	pages := signIn(t, first, "partner")
	if !awaitPage(t, pages, first.Dashboard+"/partner/commissions?q=T-1", "</span> 10.00<") {
		t.Fatal("the commission of 10 % is not on the partner's page")
	}
	t.Logf("on the partner's page %s after it was sent", time.Since(sent).Round(time.Millisecond))

	if err := runDemo(t, data, freePorts(t, 18400)); err == nil || !strings.Contains(err.Error(), "runs on "+data+" already") {
		t.Errorf("a second demo on the same folder: %v", err)
	}
	commissions := countCommissions(t, first.Postgres)
	if err := stop(); err != nil {
		t.Fatalf("stopping: %v", err)
	}
	began := time.Now()
	second, stop := startDemo(t, data, port)
	t.Logf("ready again after %s", time.Since(began).Round(time.Millisecond))
	if second.MerchantKey != first.MerchantKey || second.Logins[0] != first.Logins[0] {
		t.Error("keys or log-ins changed with the restart")
	}
	if n := countCommissions(t, second.Postgres); n < commissions {
		t.Errorf("%d commissions after the restart, %d before", n, commissions)
	}
	if err := stop(); err != nil {
		t.Fatalf("stopping: %v", err)
	}
	if out, err := tributary(t.Context(), t, nil, "verify", "--data", data); err != nil || !strings.Contains(out, "clicks: 0 are not stored") {
		t.Errorf("verify: %v\n%s", err, out)
	}
}

// saidInTheDemo holds that its people have something to decide, and have decided something.
func saidInTheDemo(t *testing.T, demo demoAnswer) {
	t.Helper()
	books, err := pgx.Connect(t.Context(), demo.Postgres)
	if err != nil {
		t.Fatal(err)
	}
	defer books.Close(t.Context())
	var got struct{ Claims, Granted, Held, Declined, Conflicts, Disputes int }
	err = books.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM claim), (SELECT count(*) FROM claim_outcome WHERE outcome = 'granted'),
		count(*) FILTER (WHERE verb = 'hold'), count(*) FILTER (WHERE verb = 'decline'), (SELECT count(*) FROM order_conflict WHERE reason = 'other_content'),
		(SELECT count(*) FROM dispute)
		FROM (SELECT convert_from(content, 'UTF8')::json ->> 'verb' AS verb FROM inbox WHERE kind = 'review') r`).Scan(&got.Claims, &got.Granted, &got.Held, &got.Declined, &got.Conflicts, &got.Disputes)
	if want := (struct{ Claims, Granted, Held, Declined, Conflicts, Disputes int }{2, 1, 1, 1, 1, 1}); err != nil || got != want {
		t.Errorf("of orders was said %+v, want %+v: %v", got, want, err)
	}
}

// textWatch calls do when a text is written for the first time.
type textWatch struct {
	testLog
	text string
	do   func()
}

func (w textWatch) Write(p []byte) (int, error) {
	if strings.Contains(string(p), w.text) {
		w.do()
	}
	return w.testLog.Write(p)
}

func TestASeedingThatWasInterruptedGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	data, port := t.TempDir(), freePorts(t, 18600)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	root := newRoot(nil)
	root.SetOut(testLog{t})
	root.SetErr(textWatch{testLog{t}, "of history", func() { time.AfterFunc(100*time.Millisecond, cancel) }})
	root.SetArgs([]string{"demo", "--data", data, "--port", strconv.Itoa(port), "--log-level", "error"})
	if err := root.ExecuteContext(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	answer, stop := startDemo(t, data, port)
	conn, err := clickhouse.Open(answer.ClickHouse, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var rows, events uint64
	for _, table := range []string{"touch", "order_event"} {
		// The live traffic goes on meanwhile.
		query := "SELECT count(), uniqExact(event_id) FROM " + table + " WHERE occurred_at < now() - INTERVAL 1 HOUR"
		if err := conn.QueryRow(t.Context(), query).Scan(&rows, &events); err != nil {
			t.Fatal(err)
		}
		if rows == 0 || rows != events {
			t.Errorf("%s holds %d rows of %d events", table, rows, events)
		}
	}
	demoReads(t, answer)
	if err := stop(); err != nil {
		t.Fatalf("stopping: %v", err)
	}
}

// demoReads holds that the addresses of PostgreSQL and ClickHouse are of log-ins that read every row and write none.
func demoReads(t *testing.T, demo demoAnswer) {
	t.Helper()
	books, err := pgx.Connect(t.Context(), demo.Postgres)
	if err != nil {
		t.Fatal(err)
	}
	defer books.Close(t.Context())
	reports, err := clickhouse.OpenSQL(demo.ClickHouse)
	if err != nil {
		t.Fatal(err)
	}
	defer reports.Close()
	for _, table := range []string{"merchant", "partner", "program", "link", "orders", "order_event", "commission", "account", "posting"} {
		var rows int
		if err := books.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&rows); err != nil || rows == 0 {
			t.Errorf("PostgreSQL shows %d rows of %s: %v", rows, table, err)
		}
		for _, statement := range []string{"DELETE FROM ", "TRUNCATE ", "DROP TABLE ", "LOCK TABLE "} {
			if _, err := books.Exec(t.Context(), statement+table); err == nil {
				t.Errorf("PostgreSQL lets it %s%s", statement, table)
			}
		}
	}
	for _, table := range []string{"touch", "touch_15m", "order_event", "ledger", "ledger_15m", "customer_order"} {
		var rows uint64
		if err := reports.QueryRowContext(t.Context(), "SELECT count() FROM "+table).Scan(&rows); err != nil || rows == 0 {
			t.Errorf("ClickHouse shows %d rows of %s: %v", rows, table, err)
		}
		for _, statement := range []string{"TRUNCATE TABLE " + table, "DROP TABLE " + table, "ALTER TABLE " + table + " DELETE WHERE 1", "OPTIMIZE TABLE " + table} {
			if _, err := reports.ExecContext(t.Context(), statement); err == nil || !strings.Contains(err.Error(), "code: 497") {
				t.Errorf("ClickHouse: %s: %v, want that it is not allowed", statement, err)
			}
		}
	}
}

// signIn gives a client that is signed in as the first person of a role.
func signIn(t *testing.T, demo demoAnswer, role string) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	for _, login := range demo.Logins {
		if login.Role != role {
			continue
		}
		response, err := client.PostForm(demo.Dashboard+"/signin", url.Values{"email": {login.Email}, "password": {login.Password}})
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Fatalf("signing in: %s", response.Status)
		}
		return client
	}
	t.Fatalf("no log-in for role %s", role)
	return nil
}

// awaitPage asks for a page until it holds a text, for a minute.
func awaitPage(t *testing.T, client *http.Client, address, text string) bool {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		response, err := client.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		body := readAll(t, response.Body)
		_ = response.Body.Close()
		if strings.Contains(body, text) {
			return true
		}
	}
	return false
}

func countCommissions(t *testing.T, address string) (n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM commission`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
