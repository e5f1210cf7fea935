package engine

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"tributary/commission"
	"tributary/commission/audit"
	"tributary/commission/inbox"
	"tributary/internal/event"
	"tributary/internal/fault"
	"tributary/partners/access"
)

// dispute has somebody say something about a dispute of an order of the first merchant, at a time after noon: of amount 0 it is the
// whole order.
func (w *world) dispute(order, id string, state commission.DisputeState, amount int64, after time.Duration) {
	w.t.Helper()
	said := commission.Disputed{Merchant: 1, Order: order, Dispute: id, State: state, Amount: amount, Whole: amount == 0}
	content, err := json.Marshal(&said)
	check(w.t, err)
	row := inbox.Row{Kind: inbox.Dispute, Key: said.Key(), Ref: id, Content: content, Author: "a test", Side: "merchant", At: noon().Add(after)}
	row.Lane = event.Lane(row.Key, w.partitions)
	check(w.t, inbox.Write(w.t.Context(), w.db, row))
	w.quietly()
}

// beside are books together.
func beside(all ...books) books {
	sum := books{}
	for _, b := range all {
		for place, amount := range b {
			if sum[place] += amount; sum[place] == 0 {
				delete(sum, place)
			}
		}
	}
	return sum
}

// TestDisputesOnTheBooks follows one order through disputes of a part and of all, and verifies the books at each step.
func TestDisputesOnTheBooks(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 2, 1)
	w.start(w.config("one"))
	w.start(w.config("two"))
	w.send(sale(1, "A1", w.click(), 10_000))
	w.waitIdle()
	stands := func(state commission.State, row string, in ...books) {
		t.Helper()
		w.waitIdle()
		if want, got := beside(in...), w.books(time.Time{}); !maps.Equal(want, got) {
			t.Errorf("the books are %v, want %v", got, want)
		}
		var is string
		check(t, w.db.QueryRow(t.Context(), `SELECT state || ' ' || concat_ws('/', net, pending, payable, held) FROM commission`).Scan(&is))
		equal(t, "the row", is, string(state)+" "+row)
		w.clean()
		verdict, err := audit.NewInspector(audit.Check{DB: w.db, VerifyClick: verifyClick, Partitions: w.partitions, Now: w.clock()}, quiet(), prometheus.NewRegistry()).Inspect(t.Context())
		check(t, err)
		equal(t, "broken", verdict.IsBroken(), false)
	}
	w.dispute("A1", "a", commission.DisputeOpen, 4_000, 5*day)
	stands(commission.Pending, "1000/600/0/400", w.pending(600, 120), w.held(400, 80))
	w.send(refund(1, "A1", "r", 6*day, 1_000)) // of what is disputed
	stands(commission.Pending, "900/600/0/300", w.pending(600, 120), w.held(300, 60))
	w.setClock(noon().Add(35 * day)) // the hold ends meanwhile
	stands(commission.Payable, "900/0/600/300", w.payable(600, 120), w.held(300, 60))
	w.dispute("A1", "a", commission.DisputeLost, 4_000, 36*day)
	w.setClock(noon().Add(36 * day))
	stands(commission.Payable, "600/0/600/0", w.payable(600, 120))
	w.dispute("A1", "b", commission.DisputeOpen, 0, 37*day)
	stands(commission.Held, "600/0/0/600", w.held(600, 120))
	w.dispute("A1", "b", commission.DisputeWon, 0, 38*day)
	stands(commission.Payable, "600/0/600/0", w.payable(600, 120))
	w.dispute("A1", "c", commission.DisputeOpen, 0, 39*day)
	w.dispute("A1", "c", commission.DisputeLost, 0, 40*day)
	stands(commission.Reversed, "0/0/0/0")
	for on, want := range map[int]books{
		4: w.pending(1_000, 200), 5: beside(w.pending(600, 120), w.held(400, 80)), 31: beside(w.payable(600, 120), w.held(300, 60)),
		37: w.held(600, 120), 38: w.payable(600, 120), 40: {},
	} {
		equal(t, fmt.Sprint("as of day ", on), w.books(noon().Add(time.Duration(on)*day)), want)
	}
	equal(t, "refunded", w.number(`SELECT refunded FROM orders`), 10_000)
	equal(t, "shown as too much", w.number(`SELECT refund_oddities FROM orders`), 0)
	equal(t, "ledger events", w.number(`SELECT count(*) FROM inbox_taken WHERE problem = ''`), 6)
}

// TestDisputesTakenInAnyOrderLeadToTheSameBooks takes what was said, each in a transaction of its own, in several orders, with a
// refund and a review between.
func TestDisputesTakenInAnyOrderLeadToTheSameBooks(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 2, 1)
	w.start(w.config("one"))
	acts := []func(order string){
		func(order string) { w.dispute(order, "a", commission.DisputeOpen, 4_000, 3*day) },
		func(order string) { w.dispute(order, "a", commission.DisputeLost, 4_000, 35*day) },
		func(order string) { w.dispute(order, "b", commission.DisputeOpen, 2_000, 8*day) },
		func(order string) { w.dispute(order, "b", commission.DisputeWon, 2_000, 33*day) },
		func(order string) { w.send(refund(1, order, "r", 20*day, 1_000)) },
		func(order string) { w.say(order, commission.Hold, 10*day) },
		func(order string) { w.say(order, commission.Unhold, 12*day) },
	}
	var orders []string
	for i, at := range [][]int{{0, 1, 2, 3, 4, 5, 6}, {6, 5, 4, 3, 2, 1, 0}, {3, 1, 4, 6, 0, 2, 5}} {
		order := fmt.Sprint("P", i)
		orders = append(orders, order)
		w.send(sale(1, order, w.click(), 10_000))
		w.waitIdle()
		for _, which := range at {
			acts[which](order)
			w.quietly()
		}
	}
	w.setClock(noon().Add(60 * day))
	w.waitIdle()
	for on, want := range map[int]books{
		2: w.pending(3_000, 600), 4: beside(w.pending(1_800, 360), w.held(1_200, 240)), 9: beside(w.pending(1_200, 240), w.held(1_800, 360)),
		11: w.held(3_000, 600), 13: beside(w.pending(1_200, 240), w.held(1_800, 360)), 21: beside(w.pending(1_200, 240), w.held(1_500, 300)),
		31: beside(w.payable(1_200, 240), w.held(1_500, 300)), 34: beside(w.payable(1_800, 360), w.held(900, 180)), 36: w.payable(1_800, 360),
	} {
		equal(t, fmt.Sprint("day ", on), w.books(noon().Add(time.Duration(on)*day)), want)
	}
	for _, order := range orders[1:] {
		equal(t, order, w.number(`SELECT count(*) FROM orders a, orders b WHERE a.order_id = $1 AND b.order_id = 'P0'
			AND (a.decision -> 'credits')::text = (b.decision -> 'credits')::text AND (a.decision #> '{order,disputes}')::text = (b.decision #> '{order,disputes}')::text`, order), 1)
	}
	w.clean()
}

// TestWhoMayOpenAndSettleDisputes has pages do it for each scope.
func TestWhoMayOpenAndSettleDisputes(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 2)
	w.start(w.config("one"))
	w.send(sale(1, "A1", clickOn(w.links[0], noon().Add(-time.Hour)), 10_000), refund(1, "A2", "r", day, 100))
	w.waitIdle()
	db, ctx := w.pages(), t.Context()
	desk := Desk{DB: db, Partitions: 1}
	me, other := access.Scope{Partner: w.partners[0]}, access.Scope{Partner: w.partners[1]}
	merchant, rival, network := access.Scope{Merchant: 1}, access.Scope{Merchant: 2}, access.Scope{Network: true}
	of := func(id string, amount int64) commission.Disputed {
		return commission.Disputed{Merchant: 1, Order: " A1 ", Dispute: id, Amount: amount, Whole: amount == 0}
	}
	open := func(scope access.Scope, d commission.Disputed) (int64, error) {
		return desk.OpenDispute(ctx, scope, d, "anna", "by mail")
	}
	settle := func(scope access.Scope, no int64, state commission.DisputeState) (int64, error) {
		return desk.SettleDispute(ctx, scope, no, state, "bob", "")
	}
	sees := func(scope access.Scope, sql string) (n int64) {
		check(t, db.Read(ctx, scope, func(tx pgx.Tx) error { return tx.QueryRow(ctx, sql).Scan(&n) }))
		return n
	}
	unsold := of("d", 0)
	unsold.Order = "A2"
	both, nothing := of("d", 5), of("d", 0)
	both.Whole, nothing.Whole = true, false
	for name, row := range map[string]struct {
		d    commission.Disputed
		want string
	}{
		"no id": {of(" ", 5), "dispute"}, "an id that nobody sees": {of("a\x00", 5), "dispute"}, "nothing": {nothing, "amount"}, "both": {both, "amount"},
		"below zero": {of("d", -1), "amount"}, "more than the order": {of("d", 10_001), "amount"}, "no sale yet": {unsold, CodeDisputeWithoutSale},
	} {
		_, err := open(merchant, row.d)
		if f := fault.Of(err); f.Code != row.want && (len(f.Fields) != 1 || f.Fields[0].Name != row.want) {
			t.Errorf("%s: %v, want %s", name, err, row.want)
		}
	}
	for _, scope := range []access.Scope{me, other, rival} {
		if _, err := open(scope, of("d", 5)); kindOf(err) != fault.NotFound {
			t.Errorf("%+v opens: %v", scope, err)
		}
	}
	first, err := open(merchant, of(" d ", 4_000))
	check(t, err)
	if _, err := open(network, of("d", 1)); len(fault.Of(err).Fields) != 1 {
		t.Errorf("opened twice: %v", err)
	}
	if _, err := settle(merchant, first, commission.DisputeWon); fault.Of(err).Code != CodeDisputeNotTaken {
		t.Errorf("settled before it takes effect: %v", err)
	}
	check(t, desk.TakeBack(ctx, merchant, first, "anna"))
	equal(t, "what is withdrawn", sees(merchant, `SELECT count(*) FROM scoped_dispute`), 0)
	if _, err := settle(merchant, first, commission.DisputeWon); fault.Of(err).Code != CodeUnknownDispute {
		t.Errorf("what was withdrawn is settled: %v", err)
	}
	first, err = open(merchant, of("d", 4_000))
	check(t, err)
	for _, id := range []string{"", strings.Repeat("d", 129)} {
		_, err := w.db.Exec(ctx, `INSERT INTO dispute (no, merchant_id, order_no, ref, currency) VALUES ($1, 1, 1, $2, 'GBP')`, first, id)
		if err == nil || !strings.Contains(err.Error(), "dispute_ref_check") {
			t.Errorf("an id of %d bytes: %v", len(id), err)
		}
	}
	second, err := open(network, of("e", 0))
	check(t, err)
	equal(t, "the partner does not see them yet", sees(me, `SELECT count(*) FROM scoped_dispute`), 0)
	equal(t, "the merchant does", sees(merchant, `SELECT count(*) FROM scoped_dispute WHERE state = 'open' AND taken_at IS NULL AND note = 'by mail'`), 2)
	w.quietly()
	equal(t, "what the partner sees", sees(me, `SELECT count(*) FROM scoped_dispute WHERE taken_at IS NOT NULL AND ref || side || author || note = ''`), 2)
	equal(t, "what others see", sees(other, `SELECT count(*) FROM scoped_dispute`)+sees(rival, `SELECT count(*) FROM scoped_dispute`), 0)
	equal(t, "what the network sees", sees(network, `SELECT count(*) FROM scoped_dispute WHERE order_id = 'A1' AND currency = 'GBP' AND ref IN ('d', 'e')`), 2)
	for _, scope := range []access.Scope{me, other, rival} {
		if _, err := settle(scope, first, commission.DisputeWon); kindOf(err) != fault.NotFound {
			t.Errorf("%+v settles: %v", scope, err)
		}
	}
	if _, err := settle(merchant, first, commission.DisputeOpen); kindOf(err) != fault.Invalid {
		t.Errorf("settled as open: %v", err)
	}
	row, err := settle(merchant, first, commission.DisputeLost)
	check(t, err)
	if _, err := settle(network, first, commission.DisputeWon); fault.Of(err).Code != CodeDisputeSettled {
		t.Errorf("settled twice: %v", err)
	}
	if err := desk.TakeBack(ctx, network, row, "carl"); kindOf(err) != fault.NotFound {
		t.Errorf("the other side withdraws it: %v", err)
	}
	check(t, desk.TakeBack(ctx, merchant, row, "bob"))
	equal(t, "open again", sees(merchant, `SELECT count(*) FROM scoped_dispute WHERE state = 'open'`), 2)
	_, err = settle(network, first, commission.DisputeLost)
	check(t, err)
	_, err = settle(merchant, second, commission.DisputeWon)
	check(t, err)
	equal(t, "the partner sees no end yet", sees(me, `SELECT count(*) FROM scoped_dispute WHERE state = 'open'`), 2)
	w.quietly()
	equal(t, "then it does", sees(me, `SELECT count(*) FROM scoped_dispute WHERE state IN ('won', 'lost') AND outcome_author = ''`), 2)
	equal(t, "lost of the order", w.number(`SELECT refunded FROM orders WHERE order_id = 'A1'`), 4_000)
	for n := range commission.MaxDisputes - 2 {
		_, err := open(merchant, of(fmt.Sprint("n", n), 1))
		check(t, err)
	}
	if _, err := open(merchant, of("more", 1)); fault.Of(err).Code != CodeTooManyDisputes {
		t.Errorf("one too many: %v", err)
	}
	w.quietly()
	w.clean()
}

func TestADisputeThatCannotBeTakenIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	w.start(w.config("one"))
	for i, content := range []string{`{`, `{"merchant":1,"order":"A1","dispute":"d","state":"open","amount":5}`, `{"merchant":1,"order":"A2","dispute":"d","state":"open","amount":5}`} {
		row := inbox.Row{Kind: inbox.Dispute, Key: event.OrderKey(1, "A1"), Ref: fmt.Sprint("d", i), Content: []byte(content), Author: "a test"}
		check(t, inbox.Write(t.Context(), w.db, row))
	}
	w.quietly()
	equal(t, "refused", w.number(`SELECT count(*) FROM inbox_taken WHERE problem <> ''`), 3)
}
