package engine

import (
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
	o.reviews = []commission.Review{{ID: "v", At: noon(), Verb: commission.Void}}
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
