package engine

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/commission/audit"
	"tributary/commission/inbox"
	"tributary/internal/event"
	"tributary/internal/postgres"
	"tributary/partners"
	"tributary/partners/program"
)

// binding are terms by which site partners earn 10 %, and customers stay with them for so many months, 0 for life.
func binding(months int) program.Document {
	d := program.NewDocument(30*day, 30*day, 200_000, program.Rates{program.Site: {"*": 100_000}})
	d.Attribution.Bind = &program.Bind{Months: months, Life: months == 0}
	return d
}

// keeping is a world with a third merchant, on terms that bind customers, and two links of each partner to it: links[8] and on.
func keeping(tb testing.TB, partitions int, terms program.Document) *world {
	tb.Helper()
	w := newWorldOf(tb, partitions, 4)
	w.addMerchantOn("the keeper", terms)
	for range 2 {
		for _, p := range w.partners {
			w.links = append(w.links, w.addLink(w.programs[2], p))
		}
	}
	return w
}

// keeper is the merchant whose terms bind.
const keeper = 3

// bought is an order of a customer of the keeper's, some time after noon, by a click on a link of a partner; -1 for no click.
func (w *world) bought(order, customer string, partner int, after time.Duration) *event.Event {
	at := noon().Add(after)
	click := ""
	if partner >= 0 {
		click = clickOn(w.links[8+partner+4*(len(order)%2)], at.Add(-time.Hour))
	}
	e := sale(keeper, order, click, 10_000)
	e.OccurredAt, e.ReceivedAt = event.Micros(at), event.Micros(at)
	e.GetSale().CustomerId = customer
	e.GetSale().ContentHash = event.SaleHash(e.GetSale(), e.GetOccurredAt())
	return e
}

// stands says how the customer stood by each order of the keeper's, in the order of their ids: whose they were, or with a +
// whose they became.
func (w *world) stands() string {
	w.t.Helper()
	var text string
	check(w.t, w.db.QueryRow(w.t.Context(), `SELECT coalesce(string_agg(ref || ' ' || coalesce(((view #>> '{bound,partner}')::bigint - $1)::text,
		'+' || ((view #>> '{begins,partner}')::bigint - $1)::text, '-'), ', ' ORDER BY ref), '') FROM customer_seen WHERE merchant_id = $2`,
		w.partners[0], keeper).Scan(&text))
	return text
}

// owners says of each order of the keeper's, in the order of their ids, which partners earn on it.
func (w *world) owners() string {
	w.t.Helper()
	var text string
	check(w.t, w.db.QueryRow(w.t.Context(), `SELECT coalesce(string_agg(o.order_id || ' ' || coalesce((
		SELECT string_agg((c.partner_id - $1)::text, '+') FROM commission c WHERE c.order_no = o.no AND c.counts), '-'), ', ' ORDER BY o.order_id), '')
		FROM orders o WHERE merchant_id = $2`, w.partners[0], keeper).Scan(&text))
	return text
}

// rebind has an operator say whom a customer belongs to; -1 sets them free.
func (w *world) rebind(customer string, partner int, after time.Duration) {
	w.t.Helper()
	b := inbox.Binding{Merchant: keeper, Customer: customer, Program: w.programs[2], From: noon().Add(after)}
	if partner >= 0 {
		b.Partner = w.partners[partner]
	}
	check(w.t, inbox.WriteBind(w.t.Context(), w.db, b, "anna", "they asked", w.partitions))
}

// quietly waits until the engines have nothing left to do, the inbox among it.
func (w *world) quietly() {
	w.t.Helper()
	w.eventually("the inbox is empty", func() bool {
		return w.number(`SELECT count(*) FROM inbox i WHERE NOT EXISTS (SELECT FROM inbox_taken t WHERE t.no = i.no)`) == 0
	})
	w.waitIdle()
}

// Cases 54 and 56, each order in a lane of its own.
func TestACustomerStaysWithTheFirstPartner(t *testing.T) {
	t.Parallel()
	w := keeping(t, lanes, binding(0))
	w.start(w.config("one"))
	w.send(w.bought("X", "c", 1, 10*day))
	w.waitIdle()
	equal(t, "alone", w.stands(), "X +1")
	w.send(w.bought("Y", "c", 0, day)) // an earlier order arrives later
	w.waitIdle()
	equal(t, "with the earlier one", w.stands(), "X 0, Y +0")
	equal(t, "X is decided again", w.number(`SELECT version FROM orders WHERE order_id = 'X'`), 2)
	w.send(w.bought("Z", "c", -1, 20*day), w.bought("other", "d", 2, 20*day))
	w.waitIdle()
	equal(t, "without a click", w.stands(), "X 0, Y +0, Z 0, other +2")
	w.rebind("c", 2, 5*day)
	w.quietly()
	equal(t, "after an operator's word", w.stands(), "X 2, Y +0, Z 2, other +2")
	w.rebind("c", -1, 15*day)
	w.quietly()
	equal(t, "set free", w.stands(), "X 2, Y +0, Z -, other +2")
	equal(t, "who earns", w.owners(), "X 2, Y 0, Z -, other 2")
	equal(t, "the operator's words", w.number(`SELECT count(*) FROM customer_event e JOIN inbox i ON i.no = e.no WHERE i.author = 'anna' AND i.note = 'they asked'`), 2)
	w.clean()
}

func TestABindingEndsAfterItsMonths(t *testing.T) {
	t.Parallel()
	w := keeping(t, lanes, binding(12))
	w.start(w.config("one"))
	year := noon().AddDate(1, 0, 0).Sub(noon())
	w.send(w.bought("1", "c", 0, 0), w.bought("2", "c", 1, year-time.Microsecond), w.bought("3", "c", 1, year), w.bought("4", "c", 2, year+day))
	w.waitIdle()
	equal(t, "how they stand", w.stands(), "1 +0, 2 0, 3 +1, 4 1")
	w.clean()
}

// An order is its customer's by the report that stands: the one who had it by another is as if it had never been.
func TestAReplacedReportMovesTheOrderToItsCustomer(t *testing.T) {
	t.Parallel()
	w := keeping(t, lanes, binding(0))
	w.start(w.config("one"))
	w.send(w.bought("X", "c", 1, 0))
	w.waitIdle()
	other := w.bought("X", "d", 1, 2*day)
	other.Id = idOf("another report")
	w.send(other, w.bought("Y", "c", 0, day), w.bought("Z", "d", 2, 3*day))
	w.waitIdle()
	equal(t, "by the first report", w.stands(), "X +1, Y 1, Z +2")
	said := commission.Reviewed{Merchant: keeper, Order: "X", Verb: commission.Replace, Report: hex.EncodeToString(other.Content())}
	check(t, postgres.InTx(t.Context(), w.db, func(tx pgx.Tx) error {
		return errors.Join(w.reviewIn(tx, said, commission.ByMerchant, noon().Add(4*day)), w.reviewIn(tx, said, commission.ByOperator, noon().Add(4*day)))
	}))
	w.allTaken()
	equal(t, "by the other", w.stands(), "X +1, Y +0, Z 1")
	equal(t, "who earns", w.owners(), "X 1, Y 0, Z 1")
	w.clean()
}

// TestNobodyIsAskedAboutCustomersWithoutNeed has merchants whose terms do not ask.
func TestNobodyIsAskedAboutCustomersWithoutNeed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(w.config("one"))
	e := sale(1, "A1", w.click(), 10_000)
	e.GetSale().CustomerId = "c"
	w.send(e)
	w.waitIdle()
	equal(t, "rows", w.number(`SELECT (SELECT count(*) FROM customer_seen) + (SELECT count(*) FROM customer_backfill)`), 0)
	w.clean()
}

func TestWhatAnOperatorSaysMustBePossible(t *testing.T) {
	t.Parallel()
	w := keeping(t, 1, binding(0))
	w.start(w.config("one"))
	for _, b := range []inbox.Binding{
		{Merchant: keeper, Customer: "c", Program: w.programs[0], Partner: w.partners[0], From: noon()},
		{Merchant: 1, Customer: "c", Program: w.programs[0], Partner: w.partners[0], From: noon()},
		{Merchant: keeper, Customer: "c", Program: w.programs[2], Partner: w.partners[0], From: time.Date(2019, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		check(t, inbox.WriteBind(t.Context(), w.db, b, "anna", "", 1))
	}
	w.quietly()
	equal(t, "refused", w.number(`SELECT count(*) FROM inbox_taken WHERE problem <> ''`), 3)
	equal(t, "entered", w.number(`SELECT count(*) FROM customer_event`), 0)
}

// expected is what stands should say, by the fold of all that was told.
func (w *world) expected(events []*event.Event, binds map[string][]commission.Bind) string {
	by := map[string][]commission.Seen{}
	for _, e := range events {
		s := e.GetSale()
		seen := commission.Seen{At: event.Time(e.GetOccurredAt()), Ref: s.GetOrderId(), Sale: true}
		if click := verifyClick(s.GetClickId()); s.GetClickId() != "" {
			n := slices.Index(w.links[8:], click.Link) % 4
			seen.Offer = &commission.Offer{Program: w.programs[2], Partner: w.partners[n], Link: click.Link, Months: 1}
		}
		by[s.GetCustomerId()] = append(by[s.GetCustomerId()], seen)
	}
	var all []string
	for customer, orders := range by {
		commission.FoldCustomer(orders, binds[customer])
		for _, o := range orders {
			whose := "-"
			switch v := o.View; {
			case v.Bound != nil:
				whose = strconv.Itoa(slices.Index(w.partners, v.Bound.Partner))
			case v.Begins != nil:
				whose = "+" + strconv.Itoa(slices.Index(w.partners, v.Begins.Partner))
			}
			all = append(all, o.Ref+" "+whose)
		}
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// TestHowCustomersStandNeverDependsOnArrival has orders of few customers, many of one moment, and what operators say, arrive in any
// order in all lanes at once, while engines and their sessions come to an end at any moment.
func TestHowCustomersStandNeverDependsOnArrival(t *testing.T) {
	t.Parallel()
	const orders = 150
	for seed := range uint64(3) {
		random := rand.New(rand.NewPCG(seed, 9))
		w := keeping(t, lanes, binding(1))
		var events []*event.Event
		for i := range orders {
			customer, partner := fmt.Sprint("c", random.IntN(4)), random.IntN(5)-1
			events = append(events, w.bought(fmt.Sprintf("o%0*d", 3+i%2, i), customer, partner, time.Duration(random.IntN(12))*10*day))
		}
		cfg := w.config("")
		cfg.SliceSize = 1 + random.IntN(20)
		stop := w.startTwo(cfg)
		binds := map[string][]commission.Bind{}
		arriving := slices.Clone(events)
		random.Shuffle(len(arriving), func(i, j int) { arriving[i], arriving[j] = arriving[j], arriving[i] })
		for n := 0; len(arriving) > 0; n++ {
			k := min(1+random.IntN(12), len(arriving))
			w.send(arriving[:k]...)
			arriving = arriving[k:]
			if n%6 == 5 {
				customer, partner, after := fmt.Sprint("c", random.IntN(4)), random.IntN(5)-1, time.Duration(random.IntN(12))*10*day
				w.rebind(customer, partner, after)
				b := commission.Bind{From: noon().Add(after), No: w.number(`SELECT max(no) FROM inbox`)}
				if partner >= 0 {
					b.To = commission.Offer{Program: w.programs[2], Partner: w.partners[partner], Months: 1}
				}
				binds[customer] = append(binds[customer], b)
			}
			switch random.IntN(8) {
			case 0:
				w.exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
					WHERE datname = current_database() AND application_name = $1 AND random() < 0.5`, string(postgres.Engine))
			case 1:
				stop()
				stop = w.startTwo(cfg)
			case 2:
				w.quietly()
			}
		}
		w.quietly()
		stop()
		equal(t, fmt.Sprint("how customers stand, seed ", seed), w.stands(), w.expected(events, binds))
		w.clean()
	}
}

// startTwo runs two engines.
func (w *world) startTwo(cfg Config) (stop func()) {
	w.t.Helper()
	var stops []func()
	for range 2 {
		w.made++
		cfg.Owner = fmt.Sprint("engine ", w.made)
		stops = append(stops, w.start(cfg))
	}
	return func() {
		for _, s := range stops {
			s()
		}
	}
}

// TestOrdersOfBeforeTheTermsAskedCount has terms added that bind customers who had bought before.
func TestOrdersOfBeforeTheTermsAskedCount(t *testing.T) {
	t.Parallel()
	w := keeping(t, lanes, program.NewDocument(30*day, 30*day, 0, program.Rates{program.Site: {"*": 100_000}}))
	stop := w.start(w.config("one"))
	for i := range 40 {
		w.send(w.bought(fmt.Sprintf("old%02d", i), fmt.Sprint("c", i%7), 0, time.Duration(i)*day))
	}
	w.waitIdle()
	equal(t, "rows before", w.number(`SELECT count(*) FROM customer_seen`), 0)
	asking := binding(0)
	asking.Attribution.Bind.Only = program.OnlyNew
	from := time.Now().Add(2 * time.Minute)
	check(t, pgx.BeginFunc(t.Context(), w.db, func(tx pgx.Tx) error {
		_, err := partners.AddTerms(t.Context(), tx, w.programs[2], program.Version{EffectiveFrom: from, Document: asking})
		return err
	}))
	since := from.Sub(noon()) + day
	w.send(w.bought("new1", "c0", 1, since), w.bought("new2", "c0", 2, since+day), w.bought("new3", "stranger", 1, since), w.bought("new4", "stranger", 2, since+day))
	w.waitIdle()
	w.eventually("all lanes have gone through the older orders", func() bool { return w.number(`SELECT count(*) FROM customer_backfill WHERE done`) == lanes })
	w.waitIdle()
	equal(t, "rows", w.number(`SELECT count(*) FROM customer_seen`), 44)
	equal(t, "returning", w.number(`SELECT count(*) FROM customer_seen WHERE view ->> 'nth' = '2'`), 40-7+2+1)
	if got := w.stands(); !strings.HasPrefix(got, "new1 -, new2 -, new3 +1, new4 1, old00 -") {
		t.Errorf("how they stand: %s", got)
	}
	equal(t, "older orders that were decided again", w.number(`SELECT count(*) FROM orders WHERE version > 1 AND order_id LIKE 'old%'`), 0)
	stop()
	w.clean()
	// Another engine begins nothing again.
	w.exec(`UPDATE customer_seen SET view = '{"nth":9}' WHERE ref = 'old00'`)
	w.start(w.config("two"))
	w.send(w.bought("new5", "nobody else", -1, since))
	w.waitIdle()
	equal(t, "left alone", w.number(`SELECT count(*) FROM customer_seen WHERE view ->> 'nth' = '9'`), 1)
}

// TestOrdersOnTermsThatAskAreNotGoneThroughAgain has terms that ask from before the first order on.
func TestOrdersOnTermsThatAskAreNotGoneThroughAgain(t *testing.T) {
	t.Parallel()
	w := keeping(t, 1, binding(0))
	for i := range 40 {
		w.send(w.bought(fmt.Sprintf("%02d", i), fmt.Sprint("c", i%7), 0, time.Duration(i)*day))
	}
	w.start(w.config("one"))
	w.waitIdle()
	equal(t, "done before the first", w.number(`SELECT count(*) FROM customer_backfill WHERE done AND through_no = 0 AND until_at = '-infinity'`), 1)
	equal(t, "rows", w.number(`SELECT count(*) FROM customer_seen`), 40)
}

// TestOrdersThatComeInOrderAreDecidedOnce has a customer's orders arrive in their order, in slices and lane after lane.
func TestOrdersThatComeInOrderAreDecidedOnce(t *testing.T) {
	t.Parallel()
	for name, fact := range map[string]struct{ partitions, orders, at int }{
		"in one lane, in slices": {1, 60, 60},
		"in several lanes":       {lanes, 9, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := keeping(t, fact.partitions, binding(12))
			cfg := w.config("one")
			cfg.SliceSize = 7
			w.start(cfg)
			for i := range fact.orders {
				w.send(w.bought(fmt.Sprintf("%02d", i), "guest", i%4, time.Duration(i)*day))
				if i%fact.at == 0 {
					w.waitIdle()
				}
			}
			w.waitIdle()
			equal(t, "decisions", w.number(`SELECT sum(version) FROM orders`), int64(fact.orders))
			equal(t, "customers looked at", w.number(`SELECT count(*) FROM pg_sequences WHERE sequencename = 'customer_touched_no_seq' AND last_value IS NOT NULL`), 0)
			w.clean()
		})
	}
}

// TestACustomerOfManyOrdersIsSweptInPieces has an order arrive that comes before all others of its customer.
func TestACustomerOfManyOrdersIsSweptInPieces(t *testing.T) {
	t.Parallel()
	w := keeping(t, 1, binding(0))
	w.start(w.config("one"))
	var events []*event.Event
	for i := range 2*sweepOrders + 7 {
		events = append(events, w.bought(fmt.Sprintf("%04d", i), "guest", 1, time.Duration(i)*time.Minute))
	}
	w.send(events...)
	w.waitIdle()
	again := w.number(`SELECT count(*) FROM orders WHERE version > 1`)
	w.send(w.bought("0000-", "guest", 0, -day))
	w.waitIdle()
	equal(t, "orders of the first partner's", w.number(`SELECT count(*) FROM customer_seen WHERE (view #>> '{bound,partner}')::bigint = $1`, w.partners[0]), int64(len(events)))
	equal(t, "decided again at first", again, 0)
	w.clean()
}

func TestAFrozenOwnerCannotSweep(t *testing.T) {
	t.Parallel()
	w := keeping(t, 1, binding(0))
	w.send(w.bought("1", "c", 0, 0), w.bought("2", "c", 1, day))
	frozen := w.laneHeld(New(w.config("frozen")), 0)
	_, err := frozen.apply(t.Context(), w.facts(0))
	check(t, err)
	w.rebind("c", 2, 0)
	_, err = frozen.takeFromInbox(t.Context())
	check(t, err)
	waits := `SELECT (SELECT count(*) FROM customer_touched) + (SELECT count(*) FROM customer_change WHERE compared IS NULL)`
	equal(t, "what waits", w.number(waits), 1+2)
	other := w.laneHeld(New(w.config("other")), 0)
	for what, work := range map[string]func(context.Context) (bool, error){"sweep": frozen.sweep, "backfill": frozen.backfill, "inbox": frozen.takeFromInbox} {
		if what == "inbox" {
			w.rebind("c", 3, 0)
		}
		if _, err := work(t.Context()); verdict(err) != leave {
			t.Errorf("%s gives %v", what, err)
		}
	}
	equal(t, "what still waits", w.number(waits), 1+2)
	for _, work := range []func(context.Context) (bool, error){other.sweep, other.decideNudged} {
		_, err := work(t.Context())
		check(t, err)
	}
	equal(t, "how they stand", w.stands(), "1 2, 2 2")
	w.clean()
}

// tampered is what Verify finds after a change of rows that nobody may make, and that is rolled back.
func (w *world) tampered(sql string) (found []audit.Finding) {
	w.t.Helper()
	tx, err := w.db.Begin(w.t.Context())
	check(w.t, err)
	defer tx.Rollback(w.t.Context())
	_, err = tx.Exec(w.t.Context(), `SET LOCAL session_replication_role = replica`)
	check(w.t, err)
	_, err = tx.Exec(w.t.Context(), sql)
	check(w.t, err)
	verdict, err := audit.VerifyIn(w.t.Context(), tx, w.audited())
	check(w.t, err)
	return verdict.Findings
}

func TestVerifyNamesEveryRowOfACustomerThatWasChanged(t *testing.T) {
	t.Parallel()
	w := keeping(t, lanes, binding(0))
	w.start(w.config("one"))
	w.send(w.bought("1", "c", 0, 0), w.bought("2", "c", 1, day), w.bought("3", "c", 2, 2*day))
	w.waitIdle()
	w.clean()
	for _, fact := range []struct{ sql, column string }{
		{`UPDATE customer_seen SET view = '{"nth":1}' WHERE ref = '2'`, "view"},
		{`UPDATE customer_seen SET void = true WHERE ref = '1'`, "sale, void, offer"},
		{`UPDATE customer_seen SET offer = replace(offer::text, '"partner":', '"months":3,"partner":')::json WHERE ref = '3'`, "sale, void, offer"},
		{`DELETE FROM customer_seen WHERE ref = '3'`, ""},
		{`UPDATE customer_seen SET order_no = 999999 WHERE ref = '3'`, "merchant_id, customer_id, at, ref"},
		{`INSERT INTO customer_event SELECT 3, 'c', '2026-03-02', no, 3, 1, 0 FROM inbox`, "view"},
	} {
		if strings.Contains(fact.sql, "customer_event") {
			w.rebind("another", 0, 0)
			w.quietly()
		}
		found := false
		for _, f := range w.tampered(fact.sql) {
			found = found || f.Check == "customers follow from orders" && f.Column == fact.column
		}
		if !found {
			t.Errorf("%s is not found", fact.sql)
		}
	}
	old := w.tampered(`INSERT INTO nudge (lane, order_no, written) SELECT 0, no, now() - interval '1 hour' FROM orders`)
	equal(t, "orders that wait", len(old), 3)
}
