package engine

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/commission/inbox"
	"tributary/commission/ledger/chart"
	"tributary/internal/event"
	"tributary/internal/postgres"
)

// void declares that an order of the first merchant never was.
func (w *world) void(order string, keys event.KeyKind) error {
	w.t.Helper()
	return postgres.InTx(w.t.Context(), w.db, func(tx pgx.Tx) error {
		said := commission.Reviewed{Merchant: 1, Keys: keys, Order: order, Verb: commission.Void, Code: "trial"}
		return w.reviewIn(tx, said, commission.ByOperator, time.Time{})
	})
}

// reviewIn writes what was said about an order at a time, now where it is zero, so that it is due at once.
func (w *world) reviewIn(tx pgx.Tx, said commission.Reviewed, by commission.Side, at time.Time) error {
	w.t.Helper()
	content, err := json.Marshal(&said)
	check(w.t, err)
	w.said++
	row := inbox.Row{Kind: inbox.Review, Key: said.Key(), Ref: fmt.Sprintf("review %03d", w.said), Content: content, Author: "a test", Side: string(by), At: at}
	row.Lane = event.Lane(row.Key, w.partitions)
	return inbox.Write(w.t.Context(), tx, row)
}

// taken waits until so many rows of the inbox were taken.
func (w *world) taken(rows int64) {
	w.t.Helper()
	w.eventually("the inbox is empty", func() bool { return w.number(`SELECT count(*) FROM inbox_taken`) == rows })
	w.waitIdle()
}

// TestAVoidOrderIsTakenBackAtItsOwnTimes voids one in its hold, one after it and one of which a part was refunded, besides one
// that stays. What comes later to a void order changes nothing.
func TestAVoidOrderIsTakenBackAtItsOwnTimes(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 3, 1)
	w.start(w.config("one"))
	w.send(sale(1, "A1", w.click(), 10_000), sale(1, "A2", w.click(), 20_000), sale(1, "A3", w.click(), 10_000), refund(1, "A3", "r", day, 4_000))
	w.waitIdle()
	equal(t, "before", w.books(noon().Add(2*day)), w.pending(3_600, 720))
	check(t, w.void("A1", event.Live))
	check(t, w.void("A3", event.Live))
	w.taken(2)
	for _, at := range []time.Time{noon(), noon().Add(2 * day)} {
		equal(t, "void in the hold, as of "+at.String(), w.books(at), w.pending(2_000, 400))
	}
	equal(t, "outcome", w.outcome(1, "A1"), "voided")
	equal(t, "state", w.number(`SELECT count(*) FROM commission c JOIN orders o ON o.no = c.order_no WHERE o.outcome = 'voided' AND c.state = 'declined' AND c.net = 0`), 2)
	w.clean()
	w.setClock(noon().Add(40 * day))
	w.waitIdle()
	check(t, w.void("A2", event.Live))
	check(t, w.void("A2", event.Live)) // saying it again changes nothing
	w.taken(4)
	w.send(refund(1, "A2", "late", 41*day, 1_000))
	w.waitIdle()
	equal(t, "void after the hold", w.books(time.Time{}), books{})
	equal(t, "as of the hold's end", w.books(noon().Add(35*day)), books{})
	equal(t, "rows with a problem", w.number(`SELECT count(*) FROM inbox_taken WHERE problem <> ''`), 0)
	w.clean()
}

// TestAVoidOrderIsTakenOffTheReports has its ledger events add up to nothing.
func TestAVoidOrderIsTakenOffTheReports(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.decided()
	check(t, o.read(commission.KnownForms()))
	was := o.recorded
	o.said.Reviews = []commission.Review{{ID: "v", At: noon(), Verb: commission.Void}}
	w.decide(o, noon(), verifyClick)
	equal(t, "outcome", o.decided.Outcome, commission.Voided)
	equal(t, "events", len(o.reported), 1)
	s := o.reported[0]
	equal(t, "taken off", [5]int64{int64(s.orders), s.revenue, s.gross, s.grown(chart.PartnerPending), s.grown(chart.FeePending)},
		[5]int64{-1, -was.Order.Amount, -was.Credits[0].Gross, -was.Credits[0].Net, -was.Credits[0].Fee})
}

func TestAReviewThatCannotBeTakenIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	w.start(w.config("one"))
	w.send(sale(1, "A1", w.click(), 10_000))
	w.waitIdle()
	for name, row := range map[string]inbox.Row{
		"no JSON":          {Key: event.OrderKey(1, "A1"), Content: []byte("{")},
		"no verb":          {Key: event.OrderKey(1, "A1"), Content: []byte(`{"merchant":1,"order":"A1"}`)},
		"of another order": {Key: event.OrderKey(1, "A2"), Content: []byte(`{"merchant":1,"order":"A1","verb":"void"}`)},
		"of no order":      {Key: event.OrderKey(1, "A9"), Content: []byte(`{"merchant":1,"order":"A9","verb":"void"}`)},
	} {
		row.Kind, row.Ref, row.Author = inbox.Review, name, "a test"
		check(t, inbox.Write(t.Context(), w.db, row))
	}
	w.taken(4)
	equal(t, "refused", w.number(`SELECT count(*) FROM inbox_taken WHERE problem <> ''`), 4)
	equal(t, "outcome", w.outcome(1, "A1"), "credited")
	w.clean()
}

func TestAReviewOfALaterVersionWaitsForIt(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	w.start(w.config("one"))
	w.send(sale(1, "A1", w.click(), 10_000))
	w.waitIdle()
	check(t, inbox.Write(t.Context(), w.db, inbox.Row{
		Kind: inbox.Review, Ref: "later", Author: "a test", Key: event.OrderKey(1, "A1"), Content: []byte(`{"merchant":1,"order":"A1","verb":"praise"}`),
	}))
	w.eventually("the lane is given up", func() bool {
		return w.number(`SELECT count(*) FROM position WHERE consumer = $1 AND owner = ''`, Consumer) == 1
	})
	equal(t, "rows taken", w.number(`SELECT count(*) FROM inbox_taken`), 0)
}

// say has somebody decide something about an order of the first merchant, some time after noon, and waits until that is taken in.
func (w *world) say(order string, verb commission.Verb, after time.Duration, change ...func(*commission.Reviewed)) {
	w.t.Helper()
	said := commission.Reviewed{Merchant: 1, Order: order, Verb: verb}
	if verb == commission.Decline {
		said.Code = "fraud"
	}
	for _, c := range change {
		c(&said)
	}
	check(w.t, postgres.InTx(w.t.Context(), w.db, func(tx pgx.Tx) error {
		return w.reviewIn(tx, said, commission.ByMerchant, noon().Add(after))
	}))
	w.allTaken()
	equal(w.t, "refused", w.number(`SELECT count(*) FROM inbox_taken WHERE problem <> ''`), 0)
}

// allTaken waits until the inbox is empty and nothing is left to do.
func (w *world) allTaken() {
	w.t.Helper()
	w.eventually("the inbox is empty", func() bool {
		return w.number(`SELECT count(*) FROM inbox i WHERE NOT EXISTS (SELECT FROM inbox_taken t WHERE t.no = i.no)`) == 0
	})
	w.waitIdle()
}

// held are the books of the first merchant and partner while so much is held.
func (w *world) held(net, fee int64) books {
	return books{
		"merchant_receivable/1/0/GBP":                       net + fee,
		fmt.Sprintf("partner_held/1/%d/GBP", w.partners[0]): net,
		"fee_pending/1/0/GBP":                               fee,
	}
}

// TestReviewsOnTheBooks follows one order through every verb that plain terms allow, and verifies the books at each step.
func TestReviewsOnTheBooks(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 2, 1)
	w.start(w.config("one"))
	w.start(w.config("two"))
	w.send(sale(1, "A1", w.click(), 10_000))
	w.waitIdle()
	state := func(want commission.State, in books) {
		t.Helper()
		w.waitIdle()
		equal(t, "books", w.books(time.Time{}), in)
		equal(t, "rows that are "+string(want), w.number(`SELECT count(*) FROM commission WHERE state = $1`, want), 1)
		w.clean()
	}
	w.say("A1", commission.Hold, 5*day)
	state(commission.Held, w.held(1_000, 200))
	w.send(refund(1, "A1", "r", 6*day, 4_000))
	state(commission.Held, w.held(600, 120))
	w.setClock(noon().Add(35 * day)) // the hold ends meanwhile
	state(commission.Held, w.held(600, 120))
	w.say("A1", commission.Unhold, 36*day)
	w.setClock(noon().Add(36 * day))
	state(commission.Payable, w.payable(600, 120))
	equal(t, "as of the hold's end", w.books(noon().Add(31*day)), w.held(600, 120))
	w.say("A1", commission.Hold, 37*day)
	state(commission.Held, w.held(600, 120))
	w.say("A1", commission.Approve, 38*day)
	state(commission.Held, w.held(600, 120))
	w.say("A1", commission.Unhold, 39*day)
	state(commission.Payable, w.payable(600, 120))
	w.say("A1", commission.Decline, 40*day)
	state(commission.Declined, books{})
	equal(t, "as of the day before", w.books(noon().Add(39*day)), w.payable(600, 120))
	w.say("A1", commission.Unhold, 41*day)
	state(commission.Declined, books{})
	equal(t, "what did nothing", w.number(`SELECT count(*) FROM orders o, json_array_elements(o.decision -> 'order' -> 'reviews') r
		WHERE (r ->> 'verb', r ->> 'no_effect') IN (('approve', 'still_held'), ('unhold', 'already_declined'))`), 2)
	equal(t, "rows taken", w.number(`SELECT count(*) FROM inbox_taken WHERE problem = ''`), 7)
}

// TestAHoldEndsEarlierOrLaterByReview approves one order in its hold. Plain terms allow no extension.
func TestAHoldEndsEarlierOrLaterByReview(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	w.start(w.config("one"))
	w.send(sale(1, "A1", w.click(), 10_000))
	w.waitIdle()
	w.say("A1", commission.Extend, 2*day)
	w.say("A1", commission.Approve, 5*day)
	equal(t, "before it is due", w.books(time.Time{}), w.pending(1_000, 200))
	w.setClock(noon().Add(5 * day))
	w.waitIdle()
	equal(t, "books", w.books(time.Time{}), w.payable(1_000, 200))
	equal(t, "as of the day before", w.books(noon().Add(4*day)), w.pending(1_000, 200))
	w.clean()
}

// TestAnExtensionInTimeWinsThoughItIsTakenLate takes in an extension when the first hold has ended already.
func TestAnExtensionInTimeWinsThoughItIsTakenLate(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	from := time.Now().Add(2 * time.Minute).Truncate(time.Millisecond)
	w.addTerms(w.programs[0], from, commission.Rules, `{"currency":"GBP", "hold":"30d", "extension":"10d", "rules":[{"pay":{"percent":100000}}]}`)
	w.setClock(from)
	w.start(w.config("one"))
	e := w.soldAt("E1", from)
	e.GetSale().MerchantId = 1
	e.GetSale().ClickId = clickOn(w.links[0], from.Add(-time.Hour))
	w.send(e)
	w.waitIdle()
	sold := event.Time(e.GetOccurredAt())
	at := func(days int) { w.setClock(sold.Add(time.Duration(days) * day)); w.waitIdle() }
	kind := func(kind string) int64 { return w.books(time.Time{})[fmt.Sprintf("%s/1/%d/GBP", kind, w.partners[0])] }
	at(31)
	equal(t, "payable after the hold", kind("partner_payable"), 1_000)
	w.say("E1", commission.Extend, sold.Add(29*day).Sub(noon()))
	equal(t, "pending again", kind("partner_pending"), 1_000)
	w.clean()
	at(39)
	equal(t, "pending to the end", kind("partner_pending"), 1_000)
	at(40)
	equal(t, "payable at last", kind("partner_payable"), 1_000)
	w.clean()
}

// TestAReplacedReportIsOnTheBooks has both sides ask for a report that contradicts the first, for the first again, and back.
func TestAReplacedReportIsOnTheBooks(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	w.start(w.config("one"))
	first, other := sale(1, "A1", w.click(), 10_000), sale(1, "A1", w.click(), 20_000)
	other.Id = idOf("another report")
	w.send(first, other)
	w.waitIdle()
	equal(t, "conflicts", w.number(`SELECT count(*) FROM order_conflict`), 1)
	for i, row := range []struct {
		report     *event.Event
		alone, net int64
	}{{other, 1_000, 2_000}, {first, 2_000, 1_000}, {other, 1_000, 2_000}} {
		asks := func(r *commission.Reviewed) { r.Report = hex.EncodeToString(row.report.Content()) }
		at := time.Duration(2*i+1) * day
		w.say("A1", commission.Replace, at, asks)
		equal(t, "the merchant alone", w.books(time.Time{}), w.pending(row.alone, row.alone/5))
		w.clean()
		check(t, postgres.InTx(t.Context(), w.db, func(tx pgx.Tx) error {
			said := commission.Reviewed{Merchant: 1, Order: "A1", Verb: commission.Replace}
			asks(&said)
			return w.reviewIn(tx, said, commission.ByOperator, noon().Add(at+day))
		}))
		w.allTaken()
		equal(t, "both", w.books(time.Time{}), w.pending(row.net, row.net/5))
		equal(t, "from the sale on", w.books(noon()), w.pending(row.net, row.net/5))
		w.clean()
	}
}

// TestKillsLoseAndDoubleNoReview ends the engine's session behind the entry that a review is taken, behind its postings and in
// the commit; another owner takes over each time.
func TestKillsLoseAndDoubleNoReview(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	l := w.laneHeld(New(w.config("one")), 0)
	w.send(sale(1, "A1", w.click(), 10_000))
	_, err := l.apply(t.Context(), w.facts(0))
	check(t, err)
	verbs := []commission.Verb{commission.Hold, commission.Unhold, commission.Hold, commission.Decline}
	check(t, postgres.InTx(t.Context(), w.db, func(tx pgx.Tx) error {
		for i, verb := range verbs {
			check(t, w.reviewIn(tx, commission.Reviewed{Merchant: 1, Order: "A1", Verb: verb, Code: "fraud"}, commission.ByMerchant, noon().Add(time.Duration(i+1)*day)))
		}
		return nil
	}))
	w.exec(`
CREATE SEQUENCE steps;
GRANT USAGE ON steps TO tributary_engine;
CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF nextval('steps') % 9 IN (1, 3, 6) THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER die AFTER INSERT ON inbox_taken FOR EACH ROW EXECUTE FUNCTION die();
CREATE TRIGGER die AFTER INSERT ON posting FOR EACH STATEMENT EXECUTE FUNCTION die();
CREATE CONSTRAINT TRIGGER die AFTER UPDATE ON orders DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die()`)
	killed := 0
	for more := true; more; {
		if more, err = l.takeFromInbox(t.Context()); err != nil {
			equal(t, "what to do about "+err.Error(), verdict(err), again)
			killed++
			more = true
			l = w.laneHeld(New(w.config(fmt.Sprint("successor ", killed))), 0)
		}
		equal(t, "versions", w.number(`SELECT version FROM orders`), 1+w.number(`SELECT count(*) FROM inbox_taken`))
	}
	equal(t, "kills", killed, 3*len(verbs))
	equal(t, "books", w.books(time.Time{}), books{})
	equal(t, "before the decline", w.books(noon().Add(3*day)), w.held(1_000, 200))
	w.clean()
}

// TestReviewsTakenInAnyOrderLeadToTheSameBooks takes the same reviews, each in a transaction of its own, in several orders.
func TestReviewsTakenInAnyOrderLeadToTheSameBooks(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 2, 1)
	w.start(w.config("one"))
	type act struct {
		verb commission.Verb
		day  int
	}
	acts := []act{{commission.Hold, 3}, {commission.Unhold, 8}, {commission.Hold, 33}, {commission.Unhold, 35}}
	var orders []string
	for i, at := range [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 3, 0, 2}, {2, 0, 3, 1}} {
		order := fmt.Sprint("P", i)
		orders = append(orders, order)
		w.send(sale(1, order, w.click(), 10_000))
		w.waitIdle()
		for n, which := range at {
			if i == n {
				w.send(refund(1, order, "r", 34*day, 2_500))
			}
			w.say(order, acts[which].verb, time.Duration(acts[which].day)*day)
		}
	}
	w.setClock(noon().Add(60 * day))
	w.waitIdle()
	for on, want := range map[int]books{2: w.pending(4_000, 800), 4: w.held(4_000, 800), 20: w.pending(4_000, 800), 31: w.payable(4_000, 800), 34: w.held(3_000, 600), 36: w.payable(3_000, 600)} {
		equal(t, fmt.Sprint("day ", on), w.books(noon().Add(time.Duration(on)*day)), want)
	}
	for _, order := range orders[1:] {
		equal(t, order, w.number(`SELECT count(*) FROM orders a, orders b WHERE a.order_id = $1 AND b.order_id = 'P0'
			AND (a.decision -> 'credits')::text = (b.decision -> 'credits')::text`, order), 1)
	}
	w.clean()
}
