package engine

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"

	"tributary/commission"
	"tributary/commission/evidence"
	"tributary/commission/fx"
	"tributary/commission/ledger/chart"
	"tributary/internal/event"
	"tributary/internal/stream"
	"tributary/partners"
	"tributary/partners/program"
)

// verifies gives the click of the first link, a day before noon, or refuses it for a reason.
func (w *world) verifies(refused commission.Reason) func(string) commission.Click {
	return func(id string) commission.Click {
		if refused != "" {
			return commission.Click{ID: id, Refused: refused}
		}
		return verifyClick(id)
	}
}

// decide decides an order as of a time, as an engine does.
func (w *world) decide(o *order, now time.Time, verify func(string) commission.Click) {
	w.t.Helper()
	w.resolve(o, verify)
	check(w.t, o.decide(now, commission.Decide))
}

// resolve reads an order and gives it its evidence.
func (w *world) resolve(o *order, verify func(string) commission.Click) {
	w.t.Helper()
	check(w.t, o.read(commission.KnownForms()))
	network := evidence.Network{Programs: partners.NewPrograms(), Rates: fx.NewTable(), VerifyClick: verify}
	resolved, err := network.Resolve(w.t.Context(), w.db, []evidence.Order{{Folded: &o.folded, Recorded: &o.recorded}})
	check(w.t, err)
	o.evidence = resolved[0]
}

// decided is an order of 100.00 that stands in the database as credited and pending.
func (w *world) decided() *order {
	w.t.Helper()
	first := &order{no: 1, key: orderKey{1, event.Live, "A1"}, events: []*event.Event{sale(1, "A1", w.click(), 10_000)}}
	w.decide(first, noon(), verifyClick)
	return &order{
		no: 1, key: first.key, known: true, version: 1, record: first.decided.AppendJSON(nil), earnings: first.paying,
		posted: first.due, events: first.events,
	}
}

func TestAClickStaysGoodWhenItsKeyIsRetired(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.decided()
	w.decide(o, noon(), w.verifies(commission.UnknownClickKey))
	equal(t, "outcome", o.decided.Outcome, commission.Credited)
	equal(t, "to be posted", len(o.due), 0)
	equal(t, "to be reported", len(o.reported), 0)
	// A new order has no record to go by.
	o = &order{key: orderKey{1, event.Live, "A1"}, events: o.events}
	w.decide(o, noon(), w.verifies(commission.UnknownClickKey))
	equal(t, "outcome of a new one", o.decided.Outcome, commission.UnknownClickKey)
}

// TestWhatIsTakenFirstStandsInEveryFold takes reports in, in any order, equal and other ones under the same key, received at
// any time. What the order keeps, in whatever order the table gives it back, folds to the same as all that was taken.
func TestWhatIsTakenFirstStandsInEveryFold(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o := &order{key: orderKey{1, event.Live, "A1"}}
		var all []*event.Event
		for n := range rapid.IntRange(1, 12).Draw(t, "reports") {
			e := refund(1, "A1", rapid.SampledFrom([]string{"r1", "r2", "r3"}).Draw(t, "refund"), rapid.SampledFrom([]time.Duration{0, day}).Draw(t, "after"),
				rapid.SampledFrom([]int64{100, 200}).Draw(t, "amount"))
			if rapid.Bool().Draw(t, "a sale") {
				e = sale(1, "A1", "1@0", rapid.SampledFrom([]int64{1000, 2000}).Draw(t, "sold"))
			}
			e.Id = idOf("report", n)
			e.ReceivedAt += rapid.Int64Range(-4, 4).Draw(t, "days later") * day.Microseconds()
			value, err := e.MarshalVT()
			if err != nil {
				t.Fatal(err)
			}
			f := read(stream.Record{Value: value}, 1)
			if f.unreadable != nil {
				t.Fatal(f.unreadable)
			}
			o.take(&f)
			all = append(all, e)
			want, err := commission.Fold(all, commission.Said{})
			if err != nil {
				t.Fatal(err)
			}
			got, err := commission.Fold(rapid.Permutation(o.events).Draw(t, "as the table has them"), commission.Said{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(commission.Line{}, commission.Refund{}, commission.Taken{})); diff != "" {
				t.Fatalf("after %d reports the fold of all and that of those that stand differ:\n%s", n+1, diff)
			}
		}
		if kept := len(o.fresh) + len(o.disputed) + o.duplicates; kept != len(all) {
			t.Fatalf("of %d reports %d are accounted for", len(all), kept)
		}
	})
}

func TestACommissionThatNoLongerStandsIsTakenBackWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.decided()
	w.decide(o, noon(), w.verifies(commission.ForgedClickID))
	equal(t, "outcome", o.decided.Outcome, commission.ForgedClickID)
	equal(t, "postings", len(o.due), 2)
	for _, m := range o.due {
		equal(t, "cause", m.Cause, commission.CauseCorrection)
		equal(t, "at", m.At, noon())
	}
	equal(t, "rows", len(o.paying), 1)
	row := o.paying[0]
	equal(t, "state", row.State, commission.Declined)
	equal(t, "what is left", row.Revenue+row.Gross+row.Net+row.Fee+row.Pending+row.Payable, 0)
	equal(t, "events", len(o.reported), 2)
	partner, nobody := o.reported[0], o.reported[1]
	equal(t, "of the partner", [4]int64{int64(partner.orders), partner.revenue, partner.gross, partner.grown(chart.PartnerPending)}, [4]int64{-1, -10_000, -1000, -1000})
	equal(t, "of nobody", [4]int64{int64(nobody.orders), nobody.revenue, nobody.gross, nobody.grown(chart.PartnerPending)}, [4]int64{1, 10_000, 0, 0})
}

// However many postings an order takes at once, each has a number of its own, under versions that are new.
func TestPostingsOfAnOrderAreNumbered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, n := range []int{0, 1, 32_767, 32_768, 32_769, 100_000} {
		o := w.decided()
		before := o.version
		for i := range n { // they should not be there, so each is taken back
			o.posted = append(o.posted, commission.Movement{
				At: noon().Add(time.Duration(i) * time.Second), Debit: chart.MerchantReceivable, Credit: chart.PartnerHeld,
				Merchant: 1, Partner: 1, Unit: "GBP", Amount: 1,
			})
		}
		w.resolve(o, verifyClick)
		check(t, o.decide(noon(), commission.Decide))
		type number struct {
			version int32
			n       int16
		}
		seen := map[number]bool{}
		for _, p := range o.appendPostings(nil) {
			if p.Version <= before || p.Version > o.version || p.N < 0 {
				t.Fatalf("of %d postings of versions %d to %d one is (%d, %d)", n, before+1, o.version, p.Version, p.N)
			}
			seen[number{p.Version, p.N}] = true
		}
		equal(t, "numbers", len(seen), n)
		equal(t, "versions", o.version-before, int32(1+n/(1<<15)))
	}
}

// An order of as many credits and refunds as there can be has a ledger event for each of them at each time, and none once they are
// reported.
func TestAnOrderReportsManySteps(t *testing.T) {
	t.Parallel()
	d := &commission.Decision{Outcome: commission.Credited}
	var byCredit [][]commission.Movement
	for i := range commission.MaxCredits {
		c := commission.Credit{Partner: program.PartnerID(i + 1), Unit: "GBP"}
		var all []commission.Movement
		for n := range commission.MaxRefunds {
			all = append(all, commission.Movement{
				At: noon().Add(time.Duration(n) * time.Second), Cause: commission.CauseRefund, Debit: chart.PartnerPending, Credit: chart.MerchantReceivable,
				Merchant: 1, Partner: c.Partner, Unit: "GBP", Amount: 1,
			})
		}
		d.Credits, byCredit = append(d.Credits, c), append(byCredit, all)
	}
	is := moving{Decision: d, byCredit: byCredit}
	equal(t, "first", len(report(moving{Decision: &commission.Decision{}}, is)), commission.MaxCredits*commission.MaxRefunds)
	equal(t, "again", len(report(is, is)), 0)
}

func TestAStepBetweenStatesThatIsNotAllowed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for state, want := range map[commission.State]commission.State{
		commission.Pending:  commission.Payable,
		commission.Payable:  commission.Payable,
		commission.Held:     commission.Payable,
		commission.Reversed: commission.Payable,
		commission.Declined: commission.Payable,
		commission.Paid:     "",
	} {
		o := w.decided()
		o.earnings[0].State = state
		w.resolve(o, verifyClick)
		err := o.decide(noon().Add(40*day), commission.Decide)
		if want == "" {
			if _, is := errors.AsType[*commission.TransitionError](err); !is {
				t.Errorf("after %s: %v", state, err)
			}
			continue
		}
		check(t, err)
		equal(t, "after "+string(state), o.paying[0].State, want)
	}
}

func TestEndedHoldsDoNotBeginAgainWhenTheClockGoesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.decided()
	w.decide(o, noon().Add(40*day), verifyClick)
	posted := slices.Concat(o.posted, o.due)
	o = &order{
		no: 1, key: o.key, known: true, version: 2, record: o.decided.AppendJSON(nil), earnings: o.paying, posted: posted, released: o.released,
		events: append(o.events, refund(1, "A1", "r", day, 1000)),
	}
	w.decide(o, noon(), verifyClick)
	equal(t, "payable", o.paying[0].Payable, 900)
	equal(t, "pending", o.paying[0].Pending, 0)
}

// TestPlansStayOnIndexes explains the statements that run in every transaction, on tables that hold rows and have no
// statistics, as after the first seconds of a load.
func TestPlansStayOnIndexes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, table := range []string{"orders", "order_event", "commission", "posting", "account"} {
		w.exec("ALTER TABLE " + table + " SET (autovacuum_enabled = off)")
	}
	w.start(w.config("one"))
	w.sendMany(3000)
	w.waitIdle()
	numbers := "(SELECT array_agg(no) FROM (SELECT no FROM orders LIMIT 1000) o)"
	text := func(sql string) string {
		sql = strings.ReplaceAll(sql, "$1::bigint[], $2::text[], $3::smallint[]",
			"(SELECT array_agg(merchant_id) FROM orders), (SELECT array_agg(order_id) FROM orders), (SELECT array_agg(keys) FROM orders)")
		sql = strings.ReplaceAll(sql, "$1::bigint[]", numbers)
		return strings.NewReplacer("lane = $1", "lane = 1", "<= $2", "<= now()", "LIMIT $3", "LIMIT 1000", "$4::bigint[]", "'{}'::bigint[]",
			"no > $2", "no > 7").Replace(sql)
	}
	for name, f := range map[string]struct {
		sql     string
		lookups []string
	}{
		"orders by key":    {ordersByKey, []string{"(merchant_id = k.merchant) AND (order_id = k.id)"}},
		"orders by number": {ordersByNo, []string{"Index Cond: (no = k.no)"}},
		"events":           {eventsOf, []string{"Index Cond: (order_no = k.no)"}},
		"earnings":         {earningsOf, []string{"Index Cond: (order_no = k.no)"}},
		"posted":           {postedOf, []string{"(source = 1) AND (source_no = k.no)", "(id = posting.debit)", "(id = posting.credit)"}},
		"due orders":       {dueOrders, []string{"commission_due"}},
		"unknown keys":     {keylessOrders, []string{"orders_keyless"}},
	} {
		check(t, pgx.BeginFunc(t.Context(), w.db, func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), pinPlans)
			check(t, err)
			rows, err := tx.Query(t.Context(), "EXPLAIN "+text(f.sql))
			check(t, err)
			lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
			check(t, err)
			plan := strings.Join(lines, "\n")
			for _, lookup := range f.lookups {
				if !strings.Contains(plan, lookup) {
					t.Errorf("%s does not look up %s:\n%s", name, lookup, plan)
				}
			}
			return nil
		}))
	}
}

func TestAnOrderIsInTheBooksWithinASecond(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg, registry := w.config("one"), prometheus.NewRegistry()
	cfg.Metrics = registry
	w.start(cfg)
	w.send(sale(1, "first", w.click(), 100))
	w.waitIdle()
	const orders = 20
	slow := 0
	for i := range orders {
		id := orderIn(w, i%lanes) + strings.Repeat("x", i)
		began := time.Now()
		w.send(sale(1, id, w.click(), 100))
		w.eventually("it is credited", func() bool { return w.number(`SELECT count(*) FROM orders WHERE order_id = $1`, id) == 1 })
		if time.Since(began) > time.Second {
			slow++
		}
	}
	if slow > 1 {
		t.Errorf("%d of %d orders took longer than a second", slow, orders)
	}
	w.eventually("each fact is counted once", func() bool { // a moment after it is in the books
		families, err := registry.Gather()
		check(t, err)
		for _, f := range families {
			if f.GetName() == "tributary_engine_facts_total" {
				return f.GetMetric()[0].GetCounter().GetValue() == float64(orders+1)
			}
		}
		return false
	})
}

// FuzzRead feeds arbitrary bytes to what reads records: they are an event of their partition or unreadable, never a panic.
func FuzzRead(f *testing.F) {
	for _, e := range []*event.Event{sale(1, "A1", "click", 1, 2), refund(1, "A1", "r", day, 5), {Id: make([]byte, 16)}} {
		data, err := e.MarshalVT()
		check(f, err)
		f.Add(data)
		f.Add(data[:len(data)/2])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for partition := range lanes {
			got := read(stream.Record{Partition: partition, Value: data}, lanes)
			if got.unreadable != nil {
				continue
			}
			if len(got.hash) == 0 || got.order.id == "" || got.order.merchant == 0 {
				t.Errorf("%x was read as %+v", data, got)
			}
			if _, err := commission.Fold([]*event.Event{got.event}, commission.Said{}); err != nil {
				t.Errorf("%x cannot be folded: %v", data, err)
			}
		}
	})
}
