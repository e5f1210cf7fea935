package engine

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/internal/event"
	"tributary/internal/postgres"
	"tributary/internal/stream"
)

// reported is a sale by an API key some time after noon, changed, under an id of its own.
func reported(after time.Duration, key int64, change func(s *event.Sale)) *event.Event {
	e := sale(1, "A1", "", 10_000)
	change(e.GetSale())
	e.GetSale().ContentHash = event.SaleHash(e.GetSale(), e.GetOccurredAt())
	e.ReceivedAt, e.ApiKeyId = e.GetReceivedAt()+after.Microseconds(), key
	e.Id = idOf(after, key, string(e.GetSale().GetContentHash()))
	return e
}

// TestAReportAddsToAnOrder takes in a sale without a click and another report of it, alone and behind other facts.
func TestAReportAddsToAnOrder(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	w.start(w.config("one"))
	click := func(s *event.Sale) { s.ClickId = w.click() }
	for i, row := range []struct {
		name   string
		second *event.Event
		third  *event.Event
		// what the tables have then: additions, conflicts; whether the order is credited
		additions, conflicts int64
		credited             bool
	}{
		{"a click id, an hour later", reported(time.Hour, 7, click), nil, 1, 0, true},
		{"the same again", reported(time.Hour, 7, click), reported(2*time.Hour, 7, click), 1, 0, true},
		{"at the end of the day", reported(24*time.Hour, 7, click), nil, 1, 0, true},
		{"after a day", reported(24*time.Hour+time.Microsecond, 7, click), nil, 0, 1, false},
		{"by another key", reported(time.Hour, 8, click), nil, 0, 1, false},
		{"by no key", reported(time.Hour, 0, click), nil, 0, 1, false},
		{"with another amount", reported(time.Hour, 7, func(s *event.Sale) { click(s); s.Lines[0].Amount++ }), nil, 0, 1, false},
		{"two click ids: the first received stands", reported(2*time.Hour, 7, func(s *event.Sale) { s.ClickId = "forged_click_id" }), reported(time.Hour, 7, click), 2, 0, true},
		{"a customer", reported(time.Hour, 7, func(s *event.Sale) { s.CustomerId = "c-1" }), nil, 1, 0, false},
		{"less", reported(time.Hour, 7, func(s *event.Sale) { s.Lines[0].Sku = "" }), nil, 0, 1, false},
	} {
		order := string(rune('A' + i))
		first := reported(0, 7, func(*event.Sale) {})
		events := []*event.Event{first, refund(1, order, "r", day, 1000), row.second}
		if row.third != nil {
			events = append(events, row.third)
		}
		for _, e := range events {
			if s := e.GetSale(); s != nil {
				s.OrderId = order
				s.ContentHash = event.SaleHash(s, e.GetOccurredAt())
			}
		}
		w.send(events...)
		w.send(row.second) // once more
		w.waitIdle()
		no := w.number(`SELECT no FROM orders WHERE order_id = $1`, order)
		equal(t, row.name+": additions", w.number(`SELECT count(*) FROM order_event WHERE order_no = $1 AND kind = 4`, no), row.additions)
		equal(t, row.name+": conflicts", w.number(`SELECT count(*) FROM order_conflict WHERE order_no = $1`, no), row.conflicts)
		equal(t, row.name+": credited", w.number(`SELECT count(*) FROM orders WHERE no = $1 AND outcome = 'credited'`, no) == 1, row.credited)
		equal(t, row.name+": marked", w.number(`SELECT count(*) FROM orders WHERE no = $1 AND decision -> 'order' -> 'added' IS NOT NULL`, no), min(row.additions, 1))
	}
	equal(t, "posted by what was added", w.number(`SELECT count(*) FROM orders o JOIN posting p ON p.source = 1 AND p.source_no = o.no WHERE outcome = 'credited'`) > 0, true)
	w.clean()
}

// filed is what the ledger events of an order come to where reports sum them: orders, revenue and commission by customer, time
// and currency.
func (w *world) filed(order string) string {
	w.t.Helper()
	type file struct {
		customer, currency string
		at                 time.Time
	}
	sums := map[file][3]int64{}
	for _, r := range w.ledgerEvents() {
		e, err := event.Decode(r.Value)
		check(w.t, err)
		l := e.GetLedger()
		if l.GetOrderId() != order {
			continue
		}
		f := file{l.GetCustomerId(), l.GetCurrency(), event.Time(l.GetOrderedAt())}
		sum := sums[f]
		sums[f] = [3]int64{sum[0] + int64(l.GetOrders()), sum[1] + l.GetRevenue(), sum[2] + l.GetNet()}
	}
	var all []string
	for f, sum := range sums {
		if sum != [3]int64{} {
			all = append(all, fmt.Sprintf("%q %s %s: %v", f.customer, f.at.Format(time.DateTime), f.currency, sum))
		}
	}
	slices.Sort(all)
	return strings.Join(all, "; ")
}

// TestReportsFollowWhatAnOrderSaysLater adds a customer to an order on the books, and puts a report of another customer, time and
// currency in its place: what reports sum by moves, nothing is left behind.
func TestReportsFollowWhatAnOrderSaysLater(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	w.start(w.config("one"))
	click := func(s *event.Sale) { s.ClickId = w.click() }
	w.send(reported(0, 7, click), refund(1, "A1", "r", day, 1_000))
	w.waitIdle()
	equal(t, "at first", w.filed("A1"), `"" 2026-03-01 12:00:00 GBP: [1 10000 900]`)
	w.send(reported(time.Hour, 7, func(s *event.Sale) { s.CustomerId = "c-1" }))
	w.waitIdle()
	equal(t, "with a customer", w.filed("A1"), `"c-1" 2026-03-01 12:00:00 GBP: [1 10000 900]`)
	w.clean()
	other := reported(time.Hour, 7, func(s *event.Sale) { click(s); s.CustomerId = "c-2"; s.Lines[0].Amount = 30_000 })
	other.OccurredAt += time.Minute.Microseconds()
	other.GetSale().ContentHash = event.SaleHash(other.GetSale(), other.GetOccurredAt())
	w.send(other)
	w.waitIdle()
	asks := commission.Reviewed{Merchant: 1, Order: "A1", Verb: commission.Replace, Report: hex.EncodeToString(other.Content())}
	check(t, postgres.InTx(t.Context(), w.db, func(tx pgx.Tx) error {
		return errors.Join(w.reviewIn(tx, asks, commission.ByMerchant, noon().Add(2*day)), w.reviewIn(tx, asks, commission.ByOperator, noon().Add(3*day)))
	}))
	w.allTaken()
	equal(t, "another report", w.filed("A1"), `"c-2" 2026-03-01 12:01:00 GBP: [1 30000 2900]`)
	w.clean()
}

// TestAnOrderTakesABoundedNumberOfAdditions holds that what comes after them is a conflict.
func TestAnOrderTakesABoundedNumberOfAdditions(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	w.start(w.config("one"))
	w.send(reported(0, 7, func(*event.Sale) {}))
	for i := range 22 {
		w.send(reported(time.Duration(i+1)*time.Minute, 7, func(s *event.Sale) { s.Coupon = string(rune('A' + i)) }))
	}
	w.waitIdle()
	equal(t, "additions", w.number(`SELECT count(*) FROM order_event WHERE kind = 4`), 20)
	equal(t, "conflicts", w.number(`SELECT count(*) FROM order_conflict`), 2)
	w.clean()
}

// TestATestOrderIsKeptApart has an order and a test order of one id, each with its refund.
func TestATestOrderIsKeptApart(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 3, 1)
	w.start(w.config("one"))
	trial := sale(1, "A1", w.click(), 50_000)
	trial.GetSale().Test = true
	trial.GetSale().ContentHash = event.SaleHash(trial.GetSale(), trial.GetOccurredAt())
	back := refund(1, "A1", "r", day, 20_000)
	back.GetRefund().Test = true
	back.GetRefund().ContentHash = event.RefundHash(back.GetRefund(), back.GetOccurredAt())
	w.send(trial, sale(1, "A1", w.click(), 10_000), back)
	w.waitIdle()
	of := func(what string, keys event.KeyKind) int64 {
		return w.number(`SELECT `+what+` FROM orders WHERE order_id = 'A1' AND keys = $1`, keys)
	}
	equal(t, "orders", w.number(`SELECT count(*) FROM orders`), 2)
	equal(t, "the test's amount", of("amount", event.Trial), 50_000)
	equal(t, "what was taken back of it", of("refunded", event.Trial), 20_000)
	equal(t, "the order's amount", of("amount - refunded", event.Live), 10_000)
	equal(t, "the test's outcome", of("(outcome = 'test')::int", event.Trial), 1)
	equal(t, "what it would earn", of("(decision -> 'would' -> 0 ->> 'net')::bigint", event.Trial), 3_000)
	equal(t, "commissions", w.number(`SELECT count(*) FROM commission`), 1)
	equal(t, "books", w.books(noon().Add(40*day)), w.pending(1_000, 200))
	equal(t, "ledger events", w.number(`SELECT coalesce(sum(last_seq - first_seq + 1), 0)::bigint FROM ledger_outbox`), 1)
	w.clean()
	// Holds end without it.
	w.setClock(noon().Add(40 * day))
	w.waitIdle()
	equal(t, "books after the hold", w.books(w.clock()), w.payable(1_000, 200))
	w.clean()
}

// TestALeadEarnsNothingUnderTermsThatPayForSales has one with an amount.
func TestALeadEarnsNothingUnderTermsThatPayForSales(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	w.start(w.config("one"))
	lead := reported(0, 7, func(s *event.Sale) { s.Goal, s.ClickId = "lead", w.click() })
	w.send(lead)
	w.waitIdle()
	equal(t, "outcome", w.outcome(1, "A1"), "no_rule")
	equal(t, "goal", w.number(`SELECT count(*) FROM orders WHERE goal = 'lead'`), 1)
	w.clean()
}

// TestAReportTakenAgainIsJudgedAsRead takes reports in as a slice that is tried again does, behind other ones than before.
func TestAReportTakenAgainIsJudgedAsRead(t *testing.T) {
	t.Parallel()
	received := func(e *event.Event) *fact {
		value, err := e.MarshalVT()
		check(t, err)
		f := read(stream.Record{Value: value}, 1)
		check(t, f.unreadable)
		return &f
	}
	first, other := received(reported(0, 7, func(*event.Sale) {})), received(reported(0, 8, func(s *event.Sale) { s.Lines[0].Amount++ }))
	second := received(reported(time.Hour, 7, func(s *event.Sale) { s.CustomerId = "c-1" }))
	for _, row := range []struct {
		name  string
		facts []*fact
		// the kinds of what stands, and how many are disputed
		kinds    []event.Kind
		disputed int
	}{
		{"behind what it adds to", []*fact{first, second}, []event.Kind{event.KindSale, event.KindAddition}, 0},
		{"alone, since the first is a dead letter", []*fact{second}, []event.Kind{event.KindSale}, 0},
		{"behind what it does not add to", []*fact{other, second}, []event.Kind{event.KindSale}, 1},
		{"twice", []*fact{first, second, second}, []event.Kind{event.KindSale, event.KindAddition}, 0},
	} {
		o := &order{key: second.order}
		for _, f := range row.facts {
			o.take(f)
		}
		var kinds, written []event.Kind
		for i := range o.accepted {
			kinds, written = append(kinds, o.accepted[i].key.kind), append(written, o.fresh[i].key.kind)
		}
		equal(t, row.name+": stand", kinds, row.kinds)
		equal(t, row.name+": written", written, row.kinds)
		equal(t, row.name+": disputed", len(o.disputed), row.disputed)
	}
}
