package engine

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"tributary/commission"
	"tributary/commission/audit"
	"tributary/commission/ledger"
	"tributary/internal/event"
	"tributary/internal/postgres"
	"tributary/partners/program"
	"tributary/test/engines"
)

// books are the balances that are not zero, by kind and partner (0 for the network's and the merchant's).
type books map[string]int64

// books reads the balances as of a time; the zero time for all.
func (w *world) books(asOf time.Time) books {
	w.t.Helper()
	all := make(books)
	rows, err := w.db.Query(w.t.Context(), `SELECT id FROM merchant`)
	check(w.t, err)
	merchants, err := pgx.CollectRows(rows, pgx.RowTo[program.MerchantID])
	check(w.t, err)
	for _, merchant := range merchants {
		balances, err := ledger.MerchantBalances(w.t.Context(), w.db, merchant, asOf)
		check(w.t, err)
		for _, b := range balances {
			if b.Amount() != 0 {
				all[fmt.Sprintf("%s/%d/%d/%s", b.Kind, b.Merchant, b.Partner, b.Unit)] = b.Amount()
			}
		}
	}
	return all
}

// clean verifies everything and fails on any finding.
func (w *world) clean() {
	w.t.Helper()
	for _, f := range w.verify() {
		w.t.Errorf("verify: %s", f)
	}
}

func (w *world) verify() []audit.Finding {
	w.t.Helper()
	db, err := postgres.Open(w.t.Context(), engines.As(w.url, postgres.Operator), postgres.Operator, 3)
	check(w.t, err)
	defer db.Close()
	verdict, err := audit.Verify(w.t.Context(), audit.Check{
		DB: db, VerifyClick: verifyClick, Partitions: w.partitions,
		Now: w.clock(), Decide: w.decider,
	})
	check(w.t, err)
	return verdict.Findings
}

// outcome is what became of an order.
func (w *world) outcome(merchant int64, id string) string {
	w.t.Helper()
	var s string
	check(w.t, w.db.QueryRow(w.t.Context(), `SELECT outcome FROM orders WHERE merchant_id = $1 AND order_id = $2`, merchant, id).Scan(&s))
	return s
}

func equal[T any](tb testing.TB, what string, got, want T) {
	tb.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		tb.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// click is a click on the link of the first partner with the first merchant, a day before noon.
func (w *world) click() string { return clickOn(w.links[0], noon().Add(-day)) }

// pending are the books of the first merchant and partner while so much is pending.
func (w *world) pending(net, fee int64) books {
	return books{
		"merchant_receivable/1/0/GBP":                          net + fee,
		fmt.Sprintf("partner_pending/1/%d/GBP", w.partners[0]): net,
		"fee_pending/1/0/GBP":                                  fee,
	}
}

func (w *world) payable(net, fee int64) books {
	return books{
		"merchant_receivable/1/0/GBP":                          net + fee,
		fmt.Sprintf("partner_payable/1/%d/GBP", w.partners[0]): net,
		"fee_earned/1/0/GBP":                                   fee,
	}
}

func TestAnEngineThatIsStoppedAtItsStartEndsInPeace(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := New(w.config("one")).Run(ctx); err != nil {
		t.Error(err)
	}
}

func TestASaleIsCreditedAndABookEntryExplainsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(w.config("one"))
	w.send(sale(1, "A1", w.click(), 10_000))
	w.waitIdle()
	equal(t, "outcome", w.outcome(1, "A1"), "credited")
	equal(t, "books", w.books(time.Time{}), w.pending(1000, 200))
	w.clean()
}

func TestTheSameOrderTwiceCountsOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(w.config("one"))
	first := sale(1, "A1", w.click(), 10_000)
	again := sale(1, "A1", w.click(), 10_000)
	again.Id, again.ReceivedAt = idOf("sent again"), event.Micros(noon().Add(time.Hour))
	w.send(first, first, again)
	w.waitIdle()
	w.send(again)
	w.waitIdle()
	equal(t, "books", w.books(time.Time{}), w.pending(1000, 200))
	equal(t, "events", w.number(`SELECT count(*) FROM order_event`), 1)
	equal(t, "conflicts", w.number(`SELECT count(*) FROM order_conflict`), 0)
	equal(t, "version", w.number(`SELECT version FROM orders`), 1)
	w.clean()
}

func TestAnOrderWithOtherContentIsAConflictAndTheFirstStands(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(w.config("one"))
	w.send(sale(1, "A1", w.click(), 10_000), sale(1, "A1", w.click(), 99_000))
	w.waitIdle()
	w.send(sale(1, "A1", w.click(), 99_000), refund(1, "A1", "r", day, 1000), refund(1, "A1", "r", day, 2000))
	w.waitIdle()
	equal(t, "books", w.books(time.Time{}), w.pending(900, 180))
	equal(t, "conflicts", w.number(`SELECT count(*) FROM order_conflict`), 2)
	equal(t, "conflicting sales", w.number(`SELECT count(*) FROM order_conflict WHERE kind = 1 AND merchant_id = 1 AND ref = ''`), 1)
	w.clean()
}

func TestARefundBeforeItsSaleGivesTheSameBooks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(w.config("one"))
	w.send(refund(1, "A1", "r1", day, 4000))
	w.waitIdle()
	equal(t, "outcome", w.outcome(1, "A1"), "awaiting_sale")
	equal(t, "books", w.books(time.Time{}), books{})
	w.send(sale(1, "A1", w.click(), 10_000))
	w.waitIdle()
	equal(t, "books at the sale", w.books(noon()), w.pending(1000, 200))
	equal(t, "books after the refund", w.books(noon().Add(day)), w.pending(600, 120))
	w.clean()
}

func TestRefundsBeyondTheOrderAreRecordedAndTakeNoMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(w.config("one"))
	w.send(sale(1, "A1", w.click(), 10_000), refund(1, "A1", "r1", day, 7000), refund(1, "A1", "r2", 2*day, 7000))
	w.waitIdle()
	equal(t, "books", w.books(time.Time{}), books{})
	equal(t, "over-refund", w.number(`SELECT over_refund FROM orders`), 4000)
	equal(t, "oddities", w.number(`SELECT refund_oddities FROM orders`), 1)
	equal(t, "reversed", w.number(`SELECT count(*) FROM commission WHERE state = 'reversed' AND net = 0`), 1)
	w.clean()
}

func TestRefundsOfWhatIsNotThereAreCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(w.config("one"))
	named := refund(1, "A1", "r1", day, 0)
	named.GetRefund().WholeOrder = false
	named.GetRefund().Items = []*event.RefundItem{{Sku: "sku-1", Quantity: 1}, {Line: 7, Quantity: 1}}
	euros := refund(1, "A1", "r2", day, 2500)
	euros.GetRefund().Currency = "EUR"
	w.send(named, euros)
	w.waitIdle()
	equal(t, "oddities without the order", w.number(`SELECT refund_oddities FROM orders`), 0)
	w.send(sale(1, "A1", w.click(), 10_000))
	w.waitIdle()
	equal(t, "oddities", w.number(`SELECT refund_oddities FROM orders`), 3)
	equal(t, "over-refund", w.number(`SELECT over_refund FROM orders`), 0)
	equal(t, "books", w.books(time.Time{}), w.pending(1000, 200))
	w.clean()
}

func TestLateReportsAreHeldFromTheirReceiptAndMarked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg := w.config("one")
	registry := prometheus.NewRegistry()
	cfg.Metrics = registry
	w.start(cfg)
	dated := func(merchant int64, order string, back time.Duration, imported bool) *event.Event {
		click := w.links[int(merchant-1)*len(w.partners)]
		e := sale(merchant, order, clickOn(click, noon().Add(-back-time.Hour)), 10_000)
		e.OccurredAt, e.Imported = event.Micros(noon().Add(-back)), imported
		return e
	}
	w.send(dated(1, "60 days back", 60*day, false), dated(2, "48 hours back", 48*time.Hour, false), dated(1, "an import", 60*day, true))
	w.waitIdle()
	state := func(order, state string, hold time.Time, late bool) {
		t.Helper()
		equal(t, order, w.number(`SELECT count(*) FROM orders o JOIN commission c ON c.order_no = o.no
			WHERE o.order_id = $1 AND c.state = $2 AND c.hold_until = $3 AND o.late = $4 AND o.received_at = $5`, order, state, hold, late, noon()), 1)
	}
	state("60 days back", "pending", noon().Add(30*day), true)
	state("48 hours back", "pending", noon().Add(30*day), false)
	state("an import", "payable", noon().Add(-30*day), false)
	w.send(refund(1, "60 days back", "r", 0, 100)) // decided again, and late once
	w.waitIdle()
	w.eventually("all facts are counted", func() bool {
		return counted(t, registry, "tributary_engine_facts_total")[""] == 4
	})
	equal(t, "late by merchant", counted(t, registry, "tributary_engine_late_orders_total"), map[string]float64{"1": 1})
	w.clean()
}

// counted reads a counter of a registry by its label, if it has one.
func counted(tb testing.TB, registry *prometheus.Registry, name string) map[string]float64 {
	tb.Helper()
	families, err := registry.Gather()
	check(tb, err)
	counts := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() != name {
				continue
			}
			label := ""
			for _, l := range m.GetLabel() {
				label = l.GetValue()
			}
			counts[label] = m.GetCounter().GetValue()
		}
	}
	return counts
}

func TestMerchantsThatAreCountedHaveABound(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	m := newMetrics(registry)
	want := map[string]float64{}
	for n := range int64(namedMerchants + 100) {
		m.slice(&txSummary{conflicts: map[int64]int{n: 2}}, 0)
		want[strconv.FormatInt(n, 10)] = 2
		if n >= namedMerchants {
			delete(want, strconv.FormatInt(n, 10))
			want["others"] += 2
		}
	}
	m.slice(&txSummary{conflicts: map[int64]int{7: 1}}, 0)
	want["7"] = 3
	equal(t, "conflicts", counted(t, registry, "tributary_engine_conflicts_total"), want)
}

func TestEveryReportNamesWhoSentIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg := w.config("one")
	registry := prometheus.NewRegistry()
	cfg.Metrics = registry
	w.start(cfg)
	first, other := sale(1, "A1", w.click(), 10_000), sale(1, "A1", w.click(), 20_000)
	first.ApiKeyId, first.IpPrefix = 17, "203.0.113.0/24"
	other.Id, other.ApiKeyId, other.IpPrefix = idOf("other"), 18, "2001:db8::/48"
	brought := sale(2, "B1", "", 500)
	brought.Imported = true
	w.send(first, other, brought)
	w.waitIdle()
	equal(t, "by key 17", w.number(`SELECT count(*) FROM order_event WHERE api_key_id = 17 AND ip_prefix = '203.0.113.0/24' AND NOT imported`), 1)
	equal(t, "conflicts by key 18", w.number(`SELECT count(*) FROM order_conflict WHERE api_key_id = 18 AND ip_prefix = '2001:db8::/48' AND NOT imported`), 1)
	equal(t, "imported", w.number(`SELECT count(*) FROM order_event WHERE api_key_id = 0 AND ip_prefix = '' AND imported`), 1)
	w.eventually("the conflict is counted", func() bool { return counted(t, registry, "tributary_engine_conflicts_total")["1"] == 1 })
	w.clean()
}

func TestWhoEarnsNothingAndWhy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(w.config("one"))
	link := w.links[0]
	elsewhere := w.links[len(w.partners)] // the second merchant's
	dollars := sale(1, "dollars", w.click(), 10_000)
	dollars.GetSale().Currency = "USD"
	window := 30 * day
	facts := map[string]struct {
		event   *event.Event
		outcome commission.Reason
	}{
		"no click":                  {sale(1, "none", "", 10_000), commission.NoClick},
		"malformed click id":        {sale(1, "malformed", "malformed_click_id", 10_000), commission.MalformedClickID},
		"forged click id":           {sale(1, "forged", "forged_click_id", 10_000), commission.ForgedClickID},
		"unknown key":               {sale(1, "key", "unknown_click_key", 10_000), commission.UnknownClickKey},
		"unknown link":              {sale(1, "link", clickOn(999_999, noon()), 10_000), commission.UnknownLink},
		"another merchant's link":   {sale(1, "other", clickOn(elsewhere, noon()), 10_000), commission.LinkOfAnotherMerchant},
		"click after the order":     {sale(1, "after", clickOn(link, noon().Add(5*time.Minute+time.Millisecond)), 10_000), commission.ClickAfterOrder},
		"another tracker's clock":   {sale(1, "clock", clickOn(link, noon().Add(time.Millisecond)), 10_000), commission.Credited},
		"click at the order":        {sale(1, "at", clickOn(link, noon()), 10_000), commission.Credited},
		"window to the millisecond": {sale(1, "window", clickOn(link, noon().Add(-window)), 10_000), commission.Credited},
		"a millisecond too old":     {sale(1, "old", clickOn(link, noon().Add(-window-time.Millisecond)), 10_000), commission.OutsideWindow},
		"a second too old":          {sale(1, "older", clickOn(link, noon().Add(-window-time.Second)), 10_000), commission.OutsideWindow},
		"currency not in program":   {dollars, commission.CurrencyNotInProgram},
	}
	for _, f := range facts {
		w.send(f.event)
	}
	w.waitIdle()
	for name, f := range facts {
		equal(t, name, w.outcome(1, f.event.GetSale().GetOrderId()), string(f.outcome))
	}
	equal(t, "books", w.books(time.Time{}), w.pending(3000, 600))
	w.clean()
}

func TestALinkMadeAMomentAgoEarns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(w.config("one"))
	w.send(sale(1, "A0", w.click(), 10_000))
	w.waitIdle() // the engine has its programs
	for i := range 5 {
		link := w.addLink(w.programs[0], w.partners[1])
		w.send(sale(1, fmt.Sprint("B", i), clickOn(link, noon()), 10_000))
		w.waitIdle()
		equal(t, "outcome", w.outcome(1, fmt.Sprint("B", i)), "credited")
	}
	w.clean()
}

func TestHoldsEndAsOfTheirTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(w.config("one"))
	w.send(sale(1, "A1", w.click(), 10_000), refund(1, "A1", "r1", day, 1000))
	w.waitIdle()
	w.setClock(noon().Add(30*day - time.Microsecond))
	w.send(sale(1, "A2", "", 100)) // something to wait for
	w.waitIdle()
	equal(t, "a microsecond before", w.books(time.Time{}), w.pending(900, 180))
	w.setClock(noon().Add(30 * day))
	w.eventually("the hold has ended", func() bool { return w.number(`SELECT count(*) FROM commission WHERE state = 'payable'`) == 1 })
	equal(t, "books", w.books(time.Time{}), w.payable(900, 180))
	equal(t, "books as of the day before", w.books(noon().Add(29*day)), w.pending(900, 180))
	equal(t, "books as of the end", w.books(noon().Add(30*day)), w.payable(900, 180))
	w.send(refund(1, "A1", "r2", 31*day, 4500))
	w.waitIdle()
	equal(t, "after a late refund", w.books(time.Time{}), w.payable(450, 90))
	// A refund of before the end of the hold that is heard of only now.
	w.send(refund(1, "A1", "r3", 2*day, 1000))
	w.waitIdle()
	equal(t, "as of the third day", w.books(noon().Add(3*day)), w.pending(800, 160))
	equal(t, "as of the end of the hold", w.books(noon().Add(30*day)), w.payable(800, 160))
	equal(t, "now", w.books(time.Time{}), w.payable(350, 70))
	w.clean()
}

// What refunds of after the hold take back was payable as of its end, also where they are heard of before.
func TestAHoldEndsWhateverIsLeftInIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(w.config("one"))
	w.setClock(noon().Add(30*day - time.Second))
	whole := refund(1, "A1", "r1", 30*day+time.Minute, 0)
	w.send(sale(1, "A1", w.click(), 10_000), whole)
	w.waitIdle()
	if n := w.number(`SELECT count(*) FROM commission WHERE state = 'reversed'`); n != 1 {
		t.Fatalf("%d commissions are reversed, want one", n)
	}
	w.setClock(noon().Add(30 * day))
	w.eventually("the hold has ended", func() bool { return w.number(`SELECT count(*) FROM commission WHERE NOT released`) == 0 })
	w.waitIdle()
	equal(t, "as of the end of the hold", w.books(noon().Add(30*day)), w.payable(1000, 200))
	equal(t, "now", w.books(time.Time{}), books{})
	w.clean()
}

func TestAnOrderHeardOfAfterItsHoldIsPayableAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.setClock(noon().Add(40 * day))
	w.start(w.config("one"))
	w.send(sale(1, "A1", w.click(), 10_000))
	w.waitIdle()
	equal(t, "books", w.books(time.Time{}), w.payable(1000, 200))
	equal(t, "books as of the first day", w.books(noon()), w.pending(1000, 200))
	equal(t, "version", w.number(`SELECT version FROM orders`), 1)
	w.clean()
}

func TestManyPartitionsOpenTheSameAccountsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 8, 3)
	var events []*event.Event
	want := int64(0)
	for i := range 400 {
		link := w.links[i%len(w.links)]
		merchant := int64(1 + i%len(w.links)/len(w.partners))
		events = append(events, sale(merchant, fmt.Sprint("A", i), clickOn(link, noon()), 10_000))
		want += 1000
	}
	w.send(events...)
	cfg := w.config("one")
	cfg.Workers, cfg.SliceSize = 6, 10
	w.start(cfg)
	w.waitIdle()
	equal(t, "accounts", w.number(`SELECT count(*) FROM account`), int64(2*3+2+2))
	equal(t, "pending", w.number(`SELECT sum(amount) FROM posting p JOIN account a ON a.id = p.credit WHERE a.kind = 'partner_pending'`), want)
	w.clean()
}

func TestTheBooksAreTheSameWhateverTheOrderOfArrival(t *testing.T) {
	t.Parallel()
	history, times := shoppingHistory(300)
	var want []books
	for _, seed := range []int64{0, 1, 2} {
		w := newWorld(t)
		w.setClock(noon().Add(35 * day)) // some holds have ended, others not
		cfg := w.config("one")
		cfg.SliceSize = 7 + int(seed)*31
		w.start(cfg)
		w.send(arrival(w, history, seed)...)
		w.waitIdle()
		w.clean()
		var got []books
		for _, at := range times {
			got = append(got, w.books(at))
		}
		if want == nil {
			want = got
			continue
		}
		for i := range want {
			if !maps.Equal(want[i], got[i]) {
				t.Errorf("seed %d, as of %s (-in order +shuffled):\n%s", seed, times[i], cmp.Diff(want[i], got[i]))
			}
		}
	}
}
