package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/internal/event"
	"tributary/internal/keyring"
	"tributary/internal/position"
	"tributary/internal/postgres"
	"tributary/internal/stream"
	"tributary/partners"
	"tributary/partners/program"
	"tributary/test/engines"
	"tributary/tracker/clickid"
)

// attacked is a tracker and an engine at work, and two shops.
type attacked struct {
	url          string
	db           *pgxpool.Pool
	kafka        *stream.Client
	mine, theirs testShop
	secret       string
	signer       program.KeyID
	taken        atomic.Int64 // reports that were answered 200
}

// attackedPartitions is the default number.
const attackedPartitions = 6

func newAttacked(t *testing.T) *attacked {
	t.Helper()
	ctx := t.Context()
	address := engines.PostgresURL(t)
	kafka := engines.Kafka(t)
	a := &attacked{kafka: kafka.Open(t)}
	if err := a.kafka.CreateTopics(ctx, attackedPartitions, time.Hour); err != nil {
		t.Fatal(err)
	}
	var err error
	if a.db, err = postgres.Open(ctx, engines.As(address, postgres.Operator), postgres.Operator, 4); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.db.Close)
	a.mine, a.theirs = newTestShop(t, a.db), newTestShop(t, a.db)
	err = postgres.InTx(ctx, a.db, func(tx pgx.Tx) (err error) {
		a.secret, a.signer, err = partners.IssueSigner(ctx, tx, a.mine.merchant, "", partners.Reporting)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	listen := net.JoinHostPort("127.0.0.1", strconv.Itoa(freePorts(t, 19600)))
	a.url = "http://" + listen
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() {
		_, err := tributary(serving, t, append(append(kafka.Environ(), postgresEnv(address)...), "TRIBUTARY_CLICKHOUSE_URL=clickhouse://127.0.0.1:1/x"),
			"serve", "tracker", "engine", "--data", t.TempDir(), "--tracker-listen", listen, "--admin-listen", "", "--merchant-rate", "0", "--conversion-wait", "30s")
		ended <- err
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	awaitHealth(t, a.url+"/healthz")
	return a
}

// click follows a shop's link and gives the click id.
func (a *attacked) click(t *testing.T, s testShop) string {
	t.Helper()
	_, location := get(t, a.url+"/c/"+s.link.Code)
	_, id, found := strings.Cut(location, "tclid=")
	if !found {
		t.Fatalf("sent to %q", location)
	}
	return id
}

// post sends a report with headers as name and value in turn.
func (a *attacked) post(t *testing.T, body string, headers ...string) (status int, answer string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.url+"/v1/conversions", strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	request.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	if response.StatusCode == http.StatusOK {
		a.taken.Add(1)
	}
	return response.StatusCode, string(text)
}

func bearer(key string) []string { return []string{"Authorization", "Bearer " + key} }

// sign gives the headers of a signed report.
func (a *attacked) sign(body string, at time.Time) []string {
	secret, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(a.secret, partners.SecretMark))
	if err != nil {
		panic(err)
	}
	mac := hmac.New(sha256.New, secret)
	fmt.Fprintf(mac, "m.%d.%s", at.Unix(), body)
	return []string{
		"Tributary-Key", strconv.FormatInt(int64(a.signer), 10), "Webhook-Id", "m", "Webhook-Timestamp", strconv.FormatInt(at.Unix(), 10),
		"Webhook-Signature", "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)),
	}
}

// awaitBooked waits until the engine has taken in all that was answered 200.
func (a *attacked) awaitBooked(t *testing.T) {
	t.Helper()
	until(t, "the engine has every report", func() bool {
		var sent int64
		err := a.db.QueryRow(t.Context(), `SELECT coalesce(sum(sent), 0) FROM spool_progress WHERE lane >= $1`, attackedPartitions).Scan(&sent)
		if err != nil || sent < a.taken.Load() {
			return false
		}
		l, err := position.ReadLevel(t.Context(), a.db, a.kafka, position.Hop{Consumer: "engine", Topic: event.Orders}, attackedPartitions)
		return err == nil && l.Behind == 0
	})
}

// count asks PostgreSQL for one number.
func (a *attacked) count(t *testing.T, sql string, arguments ...any) (n int64) {
	t.Helper()
	if err := a.db.QueryRow(t.Context(), sql, arguments...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestEachOrderIsCreditedOnceHoweverOftenItComes holds S6 and S7 to the end of the books: orders in 1 to 20 copies, all at
// once, sent with a key and signed; other content is a conflict, no id no order. TRIBUTARY_FULL makes it 10,000 orders.
func TestEachOrderIsCreditedOnceHoweverOftenItComes(t *testing.T) {
	t.Parallel()
	orders := 150
	if os.Getenv("TRIBUTARY_FULL") != "" {
		orders = 10_000
	}
	a := newAttacked(t)
	id := a.click(t, a.mine)
	order := func(n, amount int) string {
		return fmt.Sprintf(`{"order_id":"D-%d","amount":%d,"currency":"EUR","click_id":%q}`, n, amount, id)
	}
	if status, text := a.post(t, order(0, 1000), bearer(a.mine.key)...); status != 200 || !strings.Contains(text, `"valid":true`) {
		t.Fatalf("an order: %d %s", status, text)
	}
	copies := make(chan int, 64)
	var sending sync.WaitGroup
	for range 32 {
		sending.Go(func() {
			for n := range copies {
				body := order(n, 1000)
				headers := bearer(a.mine.key)
				if n%3 == 0 {
					headers = a.sign(body, time.Now())
				}
				if status, text := a.post(t, body, headers...); status != 200 {
					t.Errorf("order %d: %d %s", n, status, text)
				}
			}
		})
	}
	shuffled := rand.New(rand.NewPCG(6, 7))
	var all []int
	for n := range orders {
		for range 1 + shuffled.IntN(20) {
			all = append(all, n)
		}
	}
	shuffled.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, n := range all {
		copies <- n
	}
	close(copies)
	sending.Wait()
	const conflicts = 20
	for n := range conflicts {
		if status, _ := a.post(t, order(n, 9999), bearer(a.mine.key)...); status != 200 {
			t.Errorf("other content: %d", status)
		}
	}
	for _, empty := range []string{`""`, `"  "`, `null`, `"\u00a0\u2003"`} {
		if status, text := a.post(t, fmt.Sprintf(`{"order_id":%s,"amount":1,"currency":"EUR"}`, empty), bearer(a.mine.key)...); status != 422 {
			t.Errorf("the order id %s: %d %s", empty, status, text)
		}
	}
	// A captured report, sent again, edited, and in another merchant's name.
	captured := order(orders, 1000)
	at := time.Now()
	headers := a.sign(captured, at)
	for range 3 {
		if status, _ := a.post(t, captured, headers...); status != 200 {
			t.Errorf("a signed report: %d", status)
		}
	}
	headers[5] = strconv.FormatInt(at.Unix()+1, 10)
	if status, _ := a.post(t, captured, headers...); status != 401 {
		t.Errorf("an edited timestamp: %d", status)
	}
	if status, _ := a.post(t, captured, a.sign(captured, at.Add(-301*time.Second))...); status != 401 {
		t.Errorf("5:01 old: %d", status)
	}
	if status, _ := a.post(t, captured, bearer(a.theirs.key)...); status != 200 { // theirs is another order, on which nobody earns
		t.Errorf("the same in another merchant's name: %d", status)
	}
	a.awaitBooked(t)
	for what, row := range map[string]struct {
		sql  string
		want int64
	}{
		"credits":            {`SELECT count(*) FROM commission`, int64(orders + 1)},
		"orders of one shop": {`SELECT count(*) FROM orders WHERE merchant_id = ` + fmt.Sprint(a.mine.merchant), int64(orders + 1)},
		"orders in all":      {`SELECT count(*) FROM orders`, int64(orders + 2)},
		"what is earned":     {`SELECT sum(net) FROM commission`, int64(orders+1) * 100},
		"postings":           {`SELECT sum(amount) FROM posting p JOIN account c ON c.id = p.credit WHERE c.kind = 'partner_pending'`, int64(orders+1) * 100},
		"conflicts":          {`SELECT count(*) FROM order_conflict`, conflicts},
		"dead letters":       {`SELECT count(*) FROM dead_letter`, 0},
	} {
		if got := a.count(t, row.sql); got != row.want {
			t.Errorf("%s: %d, want %d", what, got, row.want)
		}
	}
}

// TestNobodyEarnsByAForgedClick holds S2 to the end of the books: every id that this network did not give for this shop is
// refused, its order is stored, and nobody earns on it.
func TestNobodyEarnsByAForgedClick(t *testing.T) {
	t.Parallel()
	a := newAttacked(t)
	good := a.click(t, a.mine)
	raw, err := base64.RawURLEncoding.DecodeString(good)
	if err != nil {
		t.Fatal(err)
	}
	forged := []string{a.click(t, a.theirs), strings.Repeat("A", clickid.TextLength), good + "A", good[:53], strings.ToLower(good), "'; DROP TABLE orders; --"}
	for bit := range 8 * len(raw) {
		if bit%2 == 0 || bit < 80 || bit > 300 {
			flipped := append([]byte(nil), raw...)
			flipped[bit/8] ^= 1 << (bit % 8)
			forged = append(forged, base64.RawURLEncoding.EncodeToString(flipped))
		}
	}
	for _, key := range []uint8{1, 7} { // another network's key of the same number, and one that is not here
		ring, err := clickid.NewRing([]keyring.Key{keyring.Generate(key)})
		if err != nil {
			t.Fatal(err)
		}
		forged = append(forged, ring.Mint(int64(a.mine.link.ID), time.Now()))
	}
	for n, id := range forged {
		body := fmt.Sprintf(`{"order_id":"F-%d","amount":1000,"currency":"EUR","click_id":%q}`, n, id)
		if status, text := a.post(t, body, bearer(a.mine.key)...); status != 200 || !strings.Contains(text, "nobody earns by it") {
			t.Errorf("%s: %d %s", id, status, text)
		}
	}
	// A click that came an hour after its order is genuine, and earns nothing either.
	body := fmt.Sprintf(`{"order_id":"F-late","amount":1000,"currency":"EUR","click_id":%q,"occurred_at":%q}`, good, time.Now().Add(-time.Hour).Format(time.RFC3339))
	if status, _ := a.post(t, body, bearer(a.mine.key)...); status != 200 {
		t.Errorf("an order before its click: %d", status)
	}
	if status, _ := a.post(t, fmt.Sprintf(`{"order_id":"good","amount":1000,"currency":"EUR","click_id":%q}`, good), bearer(a.mine.key)...); status != 200 {
		t.Errorf("a good order: %d", status)
	}
	a.awaitBooked(t)
	if got, want := a.count(t, `SELECT count(*) FROM orders`), int64(len(forged)+2); got != want {
		t.Errorf("%d orders are stored, want %d", got, want)
	}
	if got := a.count(t, `SELECT count(*) FROM orders WHERE outcome = 'credited'`); got != 1 {
		t.Errorf("%d orders are credited, want the good one", got)
	}
	if got := a.count(t, `SELECT sum(amount) FROM posting p JOIN account c ON c.id = p.credit WHERE c.kind = 'partner_pending'`); got != 100 {
		t.Errorf("%d is earned, want the 100 of the good order", got)
	}
}
