package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tributary/internal/clickhouse"
	"tributary/internal/event"
	"tributary/internal/keyring"
	"tributary/internal/stream"
	"tributary/tracker/clickid"
)

// click follows the link at a tracker, and gives the click id that the visitor brings to the shop.
func (n *configured) click(t *testing.T, address string) (id string, header http.Header) {
	t.Helper()
	status, header, _ := n.ask(t, http.MethodGet, address+"/c/settings", "", "User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	to, err := url.Parse(header.Get("Location"))
	if err != nil || status != http.StatusFound {
		t.Fatalf("status %d to %s", status, header.Get("Location"))
	}
	return to.Query().Get("tclid"), header
}

// largestOrder reports 64 KiB of an order, and follows it through spool, Kafka, loader and engine to both databases.
func (n *configured) largestOrder(t *testing.T) {
	t.Helper()
	id, _ := n.click(t, n.tracker)
	ring, err := clickid.NewRing(n.keys)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ring.Verify(id); err != nil {
		t.Errorf("the click id %s is not signed with the keys given: %v", id, err)
	}
	const size, line = 64 << 10, `{"line":14632938340631,"amount":1,"sku":"` + "\U0001D163\U0001D163\U0001D163\U0001D163" + `","category":"boots"}`
	var body strings.Builder
	lines := 0
	fmt.Fprintf(&body, `{"order_id":"large","currency":"GBP","click_id":%q,"lines":[`, id)
	for ; body.Len()+len(line)+40 < size; lines++ {
		if lines > 0 {
			body.WriteByte(',')
		}
		body.WriteString(strings.Replace(line, "14632938340631", strconv.Itoa(14632938340631+lines), 1))
	}
	fmt.Fprintf(&body, `],"amount":%d}`, lines)
	if status, text := n.report(t, n.tracker, body.String()); status != http.StatusOK || body.Len() < size-200 {
		t.Fatalf("%d bytes: %d %.300s", body.Len(), status, text)
	}
	n.holds(t, `SELECT c.revenue = $1 AND c.net > 0 AND e.ip_prefix = '203.0.113.0/24' FROM orders o JOIN commission c ON c.order_no = o.no
JOIN order_event e ON e.order_no = o.no WHERE o.order_id = 'large'`, lines)
	conn, err := clickhouse.Open(n.clickhouse, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for what, sql := range map[string]string{
		"its lines":    "SELECT countIf(length(`line.number`) = ? AND has(`line.number`, 14632938340631)) FROM order_event WHERE order_id = 'large'",
		"its decision": "SELECT countIf(revenue = ?) FROM ledger WHERE order_id = 'large'",
	} {
		await(t, what, func() bool {
			var found uint64
			return conn.QueryRow(t.Context(), sql, lines).Scan(&found) == nil && found == 1
		})
	}
}

// hurriedTracker has no time for its disk, takes one report a second, and keeps nothing that Kafka has.
func (n *configured) hurriedTracker(t *testing.T) {
	t.Helper()
	stop := n.startHurried()
	if _, header := n.click(t, n.hurried); header.Get("Tributary-Unstored") == "" {
		t.Error("a click was waited for")
	}
	statuses := map[int]int{}
	for i := range 10 {
		status, _ := n.report(t, n.hurried, fmt.Sprintf(`{"order_id":"hurried-%d","amount":1,"currency":"GBP"}`, i))
		statuses[status]++
	}
	if statuses[http.StatusServiceUnavailable] == 0 || statuses[http.StatusTooManyRequests] == 0 || statuses[http.StatusOK] > 0 {
		t.Errorf("ten reports got %v, want 503 for the disk and 429 for the rate", statuses)
	}
	segments := func() []string {
		found, err := filepath.Glob(filepath.Join(n.hurriedData, "spool", "*.seg"))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	var first []string
	await(t, "a file of the spool", func() bool { first = segments(); return len(first) > 0 })
	stop()
	n.startHurried() // which begins a file of its own
	n.click(t, n.hurried)
	await(t, fmt.Sprintf("the end of %v", first), func() bool {
		now := segments()
		return !slices.ContainsFunc(first, func(name string) bool { return slices.Contains(now, name) })
	})
}

// countries follows a click from Sweden to the reports, and asks what the pages are told.
func (n *configured) countries(t *testing.T) {
	t.Helper()
	n.ask(t, http.MethodGet, n.tracker+"/c/settings", "", "User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0", "X-Forwarded-For", "89.160.20.112")
	conn, err := clickhouse.Open(n.clickhouse, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	await(t, "the click from Sweden", func() bool {
		var found uint64
		return conn.QueryRow(t.Context(), "SELECT count() FROM touch WHERE country = 'SE' AND ip_prefix = '89.160.20.0/24'").Scan(&found) == nil && found == 1
	})
	n.holds(t, "SELECT known FROM country_known")
}

func (n *configured) topics(t *testing.T) {
	t.Helper()
	client, err := stream.Open(n.kafka, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	topics, err := client.Describe(t.Context())
	if err != nil || len(topics) != 3 {
		t.Fatalf("%v: %v", topics, err)
	}
	for _, topic := range topics {
		if topic.Missing || topic.Partitions != 2 || topic.Retention != 5*time.Hour {
			t.Errorf("%+v", topic)
		}
	}
}

// sealed reads what the tracker sends: whoever has the keys given believes it, and nobody else.
func (n *configured) sealed(t *testing.T) {
	t.Helper()
	n.click(t, n.tracker)
	others := n.kafka
	others.Keys = []keyring.Key{keyring.Generate(n.kafka.Keys[0].ID)}
	for want, k := range map[stream.Seal]stream.Cluster{stream.Genuine: n.kafka, stream.Forged: others} {
		client, err := stream.Open(k, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		await(t, "a click in Kafka", func() bool {
			for partition := range 2 {
				records, err := client.Fetch(t.Context(), event.Touches, partition, 0, 1<<20, 100*time.Millisecond)
				if err == nil && len(records) > 0 {
					return records[0].Seal == want
				}
			}
			return false
		})
	}
}

// pages signs in as the partner, and reads where the link is.
func (n *configured) pages(t *testing.T) {
	t.Helper()
	await(t, "the dashboard", func() bool {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", n.portal)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	old := func() (is bool) {
		if err := n.db.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM audit WHERE request = 'an old one')`).Scan(&is); err != nil {
			t.Fatal(err)
		}
		return is
	}
	if _, err := n.db.Exec(t.Context(), `INSERT INTO audit (at, address, request, kind, id, made) VALUES (now() - interval '401 days', '', 'an old one', 'link', '1', true)`); err != nil || !old() {
		t.Fatal("an old note of the audit log is not there", err)
	}
	form := url.Values{"email": {"site@example.net"}, "password": {portalPassword}}.Encode()
	status, header, _ := n.ask(t, http.MethodPost, n.portal+"/signin", form, "Content-Type", "application/x-www-form-urlencoded",
		"Origin", "https://partners.settings.example", "Host", "partners.settings.example")
	var session string
	for _, cookie := range (&http.Response{Header: header}).Cookies() {
		if cookie.Name == "__Host-session" && cookie.Secure {
			session = cookie.Name + "=" + cookie.Value
		}
	}
	if status != http.StatusSeeOther || session == "" {
		t.Fatalf("sign-in: %d %v", status, header)
	}
	if old() {
		t.Error("an old note of the audit log is kept for more than 400 days")
	}
	if status, _, page := n.ask(t, http.MethodGet, n.portal+"/partner/links", "", "Cookie", session); status != http.StatusOK || !strings.Contains(page, "https://go.settings.example/c/settings") {
		t.Errorf("the page of links has status %d and not the address of the tracker", status)
	}
}

func (n *configured) inside(t *testing.T) {
	t.Helper()
	if status, _, text := n.ask(t, http.MethodGet, n.admin+"/livez", ""); status != http.StatusOK || text != "ok\n" {
		t.Errorf("/livez: %d %s", status, text)
	}
	if status, _, _ := n.ask(t, http.MethodGet, n.admin+"/debug/pprof/heap", ""); status != http.StatusOK {
		t.Errorf("/debug/pprof/heap: %d", status)
	}
	inspected := func() (at string) {
		_, _, text := n.ask(t, http.MethodGet, n.admin+"/metrics", "")
		_, at, _ = strings.Cut(text, "\ntributary_books_inspected_timestamp_seconds ")
		at, _, _ = strings.Cut(at, "\n")
		return at
	}
	await(t, "a first inspection of the books", func() bool { return inspected() != "" && inspected() != "0" })
	first := inspected()
	await(t, "a further inspection, long before the default two minutes", func() bool { return inspected() != first })
}

// brokers looks at how a command connects to a broker: where, in TLS or not, and whose certificate it believes.
func (n *configured) brokers(t *testing.T) {
	t.Helper()
	authority := httptest.NewUnstartedServer(nil)
	authority.StartTLS()
	t.Cleanup(authority.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		args []string
		want string
	}{
		"in the open":           {[]string{"--kafka-tls=false", "--kafka-ca="}, "Kafka"},
		"TLS":                   {[]string{"--kafka-tls", "--kafka-ca="}, "TLS, refused"},
		"TLS with an authority": {[]string{"--kafka-tls", "--kafka-ca", ca}, "TLS"},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		got := make(chan string, 1)
		go func() {
			got <- spoken(l, authority.TLS.Certificates[0])
			cancel() // nobody is there for what follows
		}()
		_, _ = tributary(ctx, t, n.environ, append([]string{"migrate", "--data", t.TempDir(), "--kafka-brokers", l.Addr().String()}, row.args...)...)
		_ = l.Close()
		if said := <-got; said != row.want {
			t.Errorf("%s: the broker is spoken to in %s, want %s", name, said, row.want)
		}
		cancel()
	}
}

// spoken is what the first connection speaks.
func spoken(l net.Listener, certificate tls.Certificate) string {
	conn, err := l.Accept()
	if err != nil {
		return "nothing"
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	first := make([]byte, 1)
	if _, err := io.ReadFull(conn, first); err != nil {
		return "nothing"
	}
	if first[0] != 0x16 { // a handshake of TLS
		return "Kafka"
	}
	server := tls.Server(rewound{conn, io.MultiReader(bytes.NewReader(first), conn)}, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})
	if server.Handshake() != nil {
		return "TLS, refused"
	}
	return "TLS"
}

// rewound is a connection of which something was read already.
type rewound struct {
	net.Conn

	from io.Reader
}

// Read reads what was read already first.
func (r rewound) Read(p []byte) (int, error) { return r.from.Read(p) }

func (n *configured) levels(t *testing.T) {
	t.Helper()
	for level, silent := range map[string]bool{"warn": false, "error": true} {
		var log bytes.Buffer
		root := newRoot([]string{"TRIBUTARY_NO_SETTING=1"})
		root.SetOut(io.Discard)
		root.SetErr(&log)
		root.SetArgs([]string{"config", "--data", t.TempDir(), "--log-level", level})
		if err := root.ExecuteContext(t.Context()); err != nil || (log.Len() == 0) != silent {
			t.Errorf("at %s: %v, %q", level, err, &log)
		}
	}
}

func (n *configured) exposed(t *testing.T) {
	t.Helper()
	for exposed, ok := range map[string]bool{"false": false, "true": true} {
		if _, err := tributary(t.Context(), t, nil, "config", "--data", t.TempDir(), "--admin-listen", "0.0.0.0:1", "--admin-exposed="+exposed); (err == nil) != ok {
			t.Errorf("exposed %s: %v", exposed, err)
		}
	}
}
