package tracker

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"tributary/internal/keyring"
	"tributary/partners"
	"tributary/tracker/clickid"
	"tributary/tracker/spool"
)

// canary is nowhere else.
const canary = "c4n4ry"

// TestNothingSecretIsLogged holds S25: a canary in every header, parameter, part of the path and field of the body of every
// route is in no log line, no metric and no answer's header but Location; and the log stays one line for each entry.
func TestNothingSecretIsLogged(t *testing.T) {
	t.Parallel()
	var log logged
	registry := prometheus.NewRegistry()
	e := newEdge(t, func(cfg *Config) {
		cfg.Log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		cfg.Metrics = registry
	})
	stuck := stuckServer(t, e)
	stuck.cfg.Log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	headers := []string{"Authorization", "Bearer " + e.mine.key, "Content-Type", "application/json", "X-Api-Key", canary}
	for _, name := range []string{
		"Cookie", "Referer", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Forwarded", "X-Request-ID", "User-Agent", "Accept", "Accept-Language", "Origin", "From",
		"Sec-Fetch-Mode", "Sec-Purpose", "Purpose", "Traceparent", "If-None-Match", "Range", "Via", headerMessage, headerTime,
	} {
		headers = append(headers, name, canary)
	}
	bodies := []string{canary, `{"` + canary + `":1}`, `{"order_id":"` + canary + `\u000d\u000a\u001b[31m","amount":"` + canary + `","currency":"` + canary + `","lines":"` + canary + `"}`}
	for _, field := range []string{"order_id", "click_id", "coupon", "customer_id", "occurred_at", "refund_id", "reason"} {
		bodies = append(bodies, `{"order_id":"`+canary+`","amount":1,"currency":"GBP","`+field+`":"`+canary+`"}`)
	}
	answered := map[int]int{}
	for _, route := range e.echo.Routes() {
		for _, path := range []string{
			strings.NewReplacer("*", e.mine.link.Code, ":code", "unauthorized").Replace(route.Path),
			strings.NewReplacer("*", canary+"%0d%0a%1b", ":code", canary).Replace(route.Path),
			strings.NewReplacer("*", e.mine.link.Code, ":code", canary).Replace(route.Path) + "?q=" + canary + "&sub1=" + canary + "%0d%0a%1b[31m",
		} {
			for _, body := range bodies {
				answered[e.ask(t, route.Method, path, strings.NewReader(body), headers...).status]++
				unsigned := append([]string{headerKey, canary, headerSignature, canary}, headers[2:]...)
				answered[e.ask(t, route.Method, path, strings.NewReader(body), unsigned...).status]++
				r, err := http.NewRequestWithContext(t.Context(), route.Method, path, strings.NewReader(body))
				must(t, err)
				for i := 0; i < len(headers); i += 2 {
					r.Header.Set(headers[i], headers[i+1])
				}
				if strings.HasPrefix(path, "/v1/") && strings.Contains(body, "order_id") { // the disk does not answer some
					answered[ask(t, stuck, r).Code]++
				}
			}
		}
	}
	raw(t, e, "GET /c/\x1b[31m"+canary+" HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nX-"+canary+"\x1b: a\r\nbad header "+canary+"\r\n\r\n", canary+"\r\n\r\n")
	for _, status := range []int{200, 302, 400, 401, 404, 422, 503} {
		if answered[status] == 0 {
			t.Errorf("no request was answered %d, so the test shows less than it says: %v", status, answered)
		}
	}
	text := log.String()
	if !strings.Contains(text, "a request was refused for now") {
		t.Error("nothing was logged at all")
	}
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if !strings.HasPrefix(line, `{"time":`) || strings.ContainsAny(line, "\x1b\r") {
			t.Errorf("line %d of the log: %q", i, line)
		}
	}
	families, err := registry.Gather()
	must(t, err)
	var metrics bytes.Buffer
	for _, family := range families {
		_, err := expfmt.MetricFamilyToText(&metrics, family)
		must(t, err)
	}
	for where, all := range map[string]string{"log": text, "metrics": metrics.String()} {
		for _, secret := range []string{canary, e.mine.key, e.mine.key[12:30], e.mine.secret, e.mine.secret[12:30]} {
			if i := strings.Index(all, secret); i >= 0 {
				t.Errorf("%q is in the %s: %s", secret, where, all[max(0, i-200):min(len(all), i+50)])
			}
		}
	}
}

// raw sends bytes that no client library would.
func raw(t *testing.T, e *edge, messages ...string) {
	t.Helper()
	for _, message := range messages {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(e.url, "http://"))
		must(t, err)
		must(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
		_, err = io.WriteString(conn, message)
		must(t, err)
		_, _ = io.Copy(io.Discard, io.LimitReader(conn, 1)) // until it has answered
		_ = conn.Close()
	}
}

// TestNoStoreHoldsAWholeKey holds S18: after keys were made and used, a dump of the database and every file of the spool
// hold none of them. A secret that signs is only where trackers read it.
func TestNoStoreHoldsAWholeKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := newEdge(t, func(cfg *Config) {
		var err error
		cfg.Spool, err = spool.Open(spool.Config{Dir: dir, Lanes: 2 * partitions})
		must(t, err)
	})
	e.post(t, "/v1/conversions", e.mine.key, `{"order_id":"1","amount":1,"currency":"GBP"}`)
	body := `{"order_id":"2","amount":1,"currency":"GBP"}`
	if a := e.ask(t, "POST", "/v1/conversions", strings.NewReader(body), signWith(e.mine.secret, e.mine.signer, "m", time.Now(), body)...); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	var stores []string
	rows, err := e.db.Query(t.Context(), `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'`)
	must(t, err)
	var tables []string
	for rows.Next() {
		var name string
		must(t, rows.Scan(&name))
		tables = append(tables, name)
	}
	must(t, rows.Err())
	for _, name := range tables {
		var text string
		must(t, e.db.QueryRow(t.Context(), fmt.Sprintf(`SELECT coalesce(string_agg(t::text, E'\n'), '') FROM %q t`, name)).Scan(&text))
		stores = append(stores, name+"\n"+text)
	}
	for _, r := range e.records(t) {
		stores = append(stores, "spool\n"+r.String())
	}
	must(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		stores = append(stores, path+"\n"+string(content))
		return err
	}))
	if len(tables) < 10 || len(stores) < len(tables)+2 {
		t.Fatalf("only %d tables and %d stores were read", len(tables), len(stores))
	}
	signing, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(e.mine.secret, partners.SecretMark))
	must(t, err)
	for _, text := range stores {
		name, _, _ := strings.Cut(text, "\n")
		for _, secret := range []string{e.mine.key, e.mine.key[16:], e.mine.secret, e.mine.secret[16:]} {
			if strings.Contains(text, secret) {
				t.Errorf("%s holds %q", name, secret)
			}
		}
		if there := strings.Contains(text, string(signing)) || strings.Contains(text, hex.EncodeToString(signing)); there != (name == "signing_secret") {
			t.Errorf("%s holds the bytes of the signing secret: %t", name, there)
		}
	}
	_, err = e.db.Exec(t.Context(), `SET ROLE tributary_dashboard; SELECT secret FROM signing_secret`)
	if err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("the pages may read signing secrets: %v", err)
	}
}

// TestClickKeysRotateUnderLoad holds S19: trackers restarted one after the other with a new key in front refuse no visitor,
// and every id that any of them gave is valid for all that have both.
func TestClickKeysRotateUnderLoad(t *testing.T) {
	t.Parallel()
	older, newer := keyring.Generate(1), keyring.Generate(2)
	ring := func(keys ...keyring.Key) *clickid.Ring {
		r, err := clickid.NewRing(keys)
		must(t, err)
		return r
	}
	stages := []*clickid.Ring{ring(older), ring(older, newer), ring(newer, older)}
	first := newEdge(t, func(cfg *Config) { cfg.Ring = stages[0] })
	at := []*edge{first}
	for _, r := range stages[1:] {
		next := &edge{db: first.db, mine: first.mine}
		next.start(t, func(cfg *Config) { cfg.Ring = r })
		at = append(at, next)
	}
	for stage, from := range at {
		for n := range 30 {
			a := from.ask(t, "GET", "/c/"+from.mine.link.Code, nil, "User-Agent", fmt.Sprint(firefox, stage, n))
			_, id, _ := strings.Cut(a.header.Get("Location"), "tclid=")
			id, _, _ = strings.Cut(id, "#")
			if a.status != 302 {
				t.Fatalf("stage %d: %d", stage, a.status)
			}
			// The order may come to any tracker of this stage or the one before or after it.
			for _, to := range at[max(0, stage-1):min(len(at), stage+2)] {
				a := to.post(t, "/v1/conversions", to.mine.key, fmt.Sprintf(`{"order_id":"K-%d-%d","amount":1,"currency":"GBP","click_id":%q}`, stage, n, id))
				if a.status != 200 || !strings.Contains(a.body, `"valid":true`) {
					t.Fatalf("stage %d: %d %s", stage, a.status, a.body)
				}
			}
		}
	}
}
