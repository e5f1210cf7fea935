package engine

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/commission/inbox"
	"tributary/internal/event"
	"tributary/internal/fault"
	"tributary/partners/access"
)

// claimed has a partner's claim of an order of the first merchant be in a state from a time after noon on.
func (w *world) claimed(order, id string, partner int, outcome commission.ClaimOutcome, after time.Duration) {
	w.t.Helper()
	said := commission.Claimed{Merchant: 1, Order: order, Claim: id, Program: w.programs[0], Partner: w.partners[partner], Outcome: outcome}
	content, err := json.Marshal(&said)
	check(w.t, err)
	row := inbox.Row{Kind: inbox.Claim, Key: said.Key(), Ref: id, Content: content, Author: "a test", At: noon().Add(after)}
	row.Lane = event.Lane(row.Key, w.partitions)
	check(w.t, inbox.Write(w.t.Context(), w.db, row))
}

// earns says which partners earn on the orders of the first merchant, and what became of claims.
func (w *world) earns() string {
	w.t.Helper()
	var text string
	check(w.t, w.db.QueryRow(w.t.Context(), `SELECT coalesce(string_agg(order_id || ' ' || coalesce((decision #>> '{credits,0,partner}')::bigint - $1, -1) || coalesce(
		(SELECT string_agg(' ' || (t ->> 'id') || ' ' || (t ->> 'reason'), '' ORDER BY n) FROM json_array_elements(decision -> 'touches') WITH ORDINALITY e (t, n) WHERE t ->> 'kind' = 'claim'), ''),
		', ' ORDER BY order_id), '') FROM orders WHERE merchant_id = 1`, w.partners[0]).Scan(&text))
	return text
}

// joined waits until claims are part of their orders, as far as these were reported.
func (w *world) joined() {
	w.t.Helper()
	w.quietly()
	w.eventually("claims have joined their orders", func() bool {
		return w.number(`SELECT count(*) FROM claim_waiting c JOIN orders o ON (o.merchant_id, o.order_id, o.keys) = (c.merchant_id, c.order_id, 0)`) == 0
	})
	w.waitIdle()
}

// TestAGrantedClaimComesBeforeAllTouches claims an order on which another earns, one on which nobody does, and one that is
// reported later.
func TestAGrantedClaimComesBeforeAllTouches(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, lanes, 2)
	w.start(w.config("one"))
	click := clickOn(w.links[0], noon().Add(-time.Hour))
	w.send(sale(1, "A1", click, 10_000), sale(1, "A2", "", 20_000), sale(1, "A4", click, 10_000))
	w.waitIdle()
	before := w.books(time.Time{})
	for _, order := range []string{"A1", "A2", "A3", "A4"} {
		w.claimed(order, "k"+order, 1, commission.ClaimIsOpen, day)
	}
	w.joined()
	equal(t, "while they are open", w.earns(), "A1 0 kA1 claim_open, A2 -1 kA2 claim_open, A4 0 kA4 claim_open")
	equal(t, "books", w.books(time.Time{}), before)
	w.clean()
	w.claimed("A1", "kA1", 1, commission.ClaimIsGranted, 2*day)
	w.claimed("A2", "kA2", 1, commission.ClaimIsGranted, 2*day)
	w.claimed("A4", "kA4", 1, commission.ClaimIsDeclined, 2*day)
	w.joined()
	w.send(sale(1, "A3", click, 10_000))
	w.waitIdle()
	w.joined()
	equal(t, "with answers", w.earns(), "A1 1 kA1 credited, A2 1 kA2 credited, A3 0 kA3 claim_open, A4 0 kA4 claim_declined")
	equal(t, "of the first partner", w.number(`SELECT sum(net) FROM commission WHERE partner_id = $1`, w.partners[0]), 2_000)
	equal(t, "of the second", w.number(`SELECT sum(net) FROM commission WHERE partner_id = $1`, w.partners[1]), 3_000)
	w.clean()
	w.claimed("A3", "kA3", 1, commission.ClaimIsGranted, 3*day)
	w.claimed("A4", "kA4", 1, commission.ClaimIsGranted, 3*day) // it has its answer
	w.joined()
	equal(t, "at last", w.earns(), "A1 1 kA1 credited, A2 1 kA2 credited, A3 1 kA3 credited, A4 0 kA4 claim_declined")
	w.clean()
}

// TestClaimsNeverDependOnArrival has orders, claims and answers arrive in any order, in all lanes, while engines come and go.
func TestClaimsNeverDependOnArrival(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		random := rand.New(rand.NewPCG(seed, 4))
		w := newWorldOf(t, lanes, 3)
		said := map[string][]commission.Claim{}
		var ids []string
		var acts []func()
		for i := range 40 {
			id := fmt.Sprintf("o%02d", i)
			ids = append(ids, id)
			acts = append(acts, func() { w.send(sale(1, id, clickOn(w.links[0], noon().Add(-time.Hour)), 10_000)) })
			for partner := 1; partner < 1+random.IntN(3); partner++ {
				claim, after := fmt.Sprint("k", partner), time.Duration(random.IntN(120)-5)*day
				outcomes := []commission.ClaimOutcome{commission.ClaimIsOpen, commission.ClaimIsGranted, commission.ClaimIsDeclined}
				random.Shuffle(2, func(a, b int) { outcomes[a+1], outcomes[b+1] = outcomes[b+1], outcomes[a+1] })
				for n, outcome := range outcomes[:1+random.IntN(3)] {
					at := after + time.Duration(n)*time.Hour
					acts = append(acts, func() { w.claimed(id, claim, partner, outcome, at) })
					said[id] = append(said[id], commission.Claim{ID: claim, At: noon().Add(at), Partner: w.partners[partner], Outcome: outcome})
				}
			}
		}
		cfg := w.config("")
		cfg.SliceSize = 1 + random.IntN(5)
		stop := w.startTwo(cfg)
		random.Shuffle(len(acts), func(i, j int) { acts[i], acts[j] = acts[j], acts[i] })
		for _, act := range acts {
			act()
			if random.IntN(30) == 0 {
				stop()
				stop = w.startTwo(cfg)
			}
		}
		w.joined()
		stop()
		want := make([]string, len(ids))
		for i, id := range ids {
			want[i] = id + w.afterClaims(said[id])
		}
		equal(t, fmt.Sprint("seed ", seed), w.earns(), strings.Join(want, ", "))
		w.clean()
	}
}

// afterClaims is what earns says of an order on which the first partner would earn without claims.
func (w *world) afterClaims(said []commission.Claim) string {
	owner := w.partners[0]
	var words strings.Builder
	o := commission.Order{At: noon(), Received: noon()}
	for _, c := range commission.FoldClaims(said) {
		reason := c.Refused(&o)
		switch {
		case reason == "" && owner == w.partners[0]:
			owner, reason = c.Partner, commission.Credited
		case reason == "":
			reason = commission.Outranked
		}
		fmt.Fprintf(&words, " %s %s", c.ID, reason)
	}
	return fmt.Sprintf(" %d%s", owner-w.partners[0], words.String())
}

// TestWhoMayClaimAndAnswer has pages claim orders and answer for each scope. What a partner is told is the same whether there is
// such an order or not.
func TestWhoMayClaimAndAnswer(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 2)
	w.start(w.config("one"))
	w.send(sale(1, "A1", clickOn(w.links[0], noon().Add(-time.Hour)), 10_000))
	late := sale(1, "old", "", 10_000)
	late.OccurredAt, late.ReceivedAt = event.Micros(time.Now().Add(-91*day)), event.Micros(time.Now().Add(-91*day))
	late.GetSale().ContentHash = event.SaleHash(late.GetSale(), late.GetOccurredAt())
	fresh := sale(1, "new", "", 10_000)
	fresh.OccurredAt, fresh.ReceivedAt = event.Micros(time.Now().Add(-89*day)), event.Micros(time.Now().Add(-89*day))
	fresh.GetSale().ContentHash = event.SaleHash(fresh.GetSale(), fresh.GetOccurredAt())
	w.send(late, fresh)
	w.waitIdle()
	db := w.pages()
	ctx := t.Context()
	me, other := access.Scope{Partner: w.partners[1]}, access.Scope{Partner: w.partners[0]}
	merchant, rival, network := access.Scope{Merchant: 1}, access.Scope{Merchant: 2}, access.Scope{Network: true}
	desk := Desk{DB: db, Partitions: 1}
	claim := func(scope access.Scope, c NewClaim) (int64, error) { return desk.Claim(ctx, scope, c, "anna") }
	answer := func(scope access.Scope, no int64, outcome commission.ClaimOutcome) (int64, error) {
		return desk.Answer(ctx, scope, no, outcome, "bob", "they are right")
	}
	sees := func(scope access.Scope, sql string) (n int64) {
		check(t, db.Read(ctx, scope, func(tx pgx.Tx) error { return tx.QueryRow(ctx, sql).Scan(&n) }))
		return n
	}
	of := func(order string) NewClaim { return NewClaim{Program: w.programs[0], Order: order, Note: "by mail"} }
	for name, c := range map[string]NewClaim{
		"order": of(" "), "note": {Program: w.programs[0], Order: "A1", Note: "a\x00b"}, "click": {Program: w.programs[0], Order: "A1", Note: "x", Click: strings.Repeat("c", 129)},
	} {
		if _, err := claim(me, c); len(fault.Of(err).Fields) != 1 || fault.Of(err).Fields[0].Name != name {
			t.Errorf("without %s: %v", name, err)
		}
	}
	for _, scope := range []access.Scope{merchant, network} {
		if _, err := claim(scope, of("A1")); kindOf(err) != fault.NotFound {
			t.Errorf("%+v claims: %v", scope, err)
		}
	}
	if _, err := claim(me, NewClaim{Program: 99, Order: "A1", Note: "x"}); kindOf(err) != fault.NotFound {
		t.Errorf("in no program of theirs: %v", err)
	}
	var made []int64
	for _, order := range []string{" A1 ", "A9", "old", "new"} {
		no, err := claim(me, of(order))
		check(t, err)
		made = append(made, no)
		if _, err := claim(me, of(order)); len(fault.Of(err).Fields) != 1 {
			t.Errorf("claimed twice: %v", err)
		}
	}
	w.quietly()
	equal(t, "what the partner sees", sees(me, `SELECT count(*) FROM scoped_claim WHERE outcome = 'open' AND order_no IS NULL AND placed_at IS NULL AND order_id IN ('A1', 'A9', 'old', 'new')`), 4)
	equal(t, "of the order", sees(me, `SELECT count(*) FROM scoped_order`), 0)
	equal(t, "of the row", sees(me, `SELECT count(*) FROM orders`), 0)
	equal(t, "what the merchant sees", sees(merchant, `SELECT count(*) FROM scoped_claim WHERE order_no IS NOT NULL`), 3)
	equal(t, "what the network sees", sees(network, `SELECT count(*) FROM scoped_claim`), 4)
	equal(t, "what others see", sees(other, `SELECT count(*) FROM scoped_claim`)+sees(rival, `SELECT count(*) FROM scoped_claim`), 0)
	for _, scope := range []access.Scope{me, other, rival} {
		if _, err := answer(scope, made[0], commission.ClaimIsGranted); kindOf(err) != fault.NotFound {
			t.Errorf("%+v answers: %v", scope, err)
		}
	}
	for i, code := range map[int]string{1: "claim_without_order", 2: "claim_too_late"} {
		if _, err := answer(merchant, made[i], commission.ClaimIsGranted); fault.Of(err).Code != code {
			t.Errorf("claim %d is granted: %v", i, err)
		}
	}
	row, err := answer(merchant, made[3], commission.ClaimIsGranted)
	check(t, err)
	if _, err := answer(network, made[3], commission.ClaimIsDeclined); fault.Of(err).Code != "claim_settled" {
		t.Errorf("answered twice: %v", err)
	}
	equal(t, "the partner does not see it yet", sees(me, `SELECT count(*) FROM scoped_claim WHERE outcome = 'open'`), 4)
	equal(t, "the merchant does", sees(merchant, `SELECT count(*) FROM scoped_claim WHERE outcome = 'granted' AND outcome_author = 'bob' AND outcome_due > now()`), 1)
	check(t, db.Change(ctx, merchant, func(tx pgx.Tx) error { return UndoReview(ctx, tx, row, "bob", "") }))
	equal(t, "taken back", sees(merchant, `SELECT count(*) FROM scoped_claim WHERE outcome = 'open'`), 4)
	_, err = answer(merchant, made[1], commission.ClaimIsDeclined)
	check(t, err)
	_, err = answer(network, made[3], commission.ClaimIsGranted)
	check(t, err)
	twice, err := claim(other, of("new"))
	check(t, err)
	if _, err := answer(merchant, twice, commission.ClaimIsGranted); fault.Of(err).Code != "claim_of_another" {
		t.Errorf("granted to two: %v", err)
	}
	w.quietly()
	equal(t, "what the partner is answered", sees(me, `SELECT count(*) FROM scoped_claim WHERE outcome <> 'open' AND outcome_author = '' AND outcome_note = 'they are right'`), 2)
	equal(t, "and sees of the order", sees(me, `SELECT count(*) FROM scoped_order WHERE order_id = 'new'`), 1)
	equal(t, "who earns", w.earns(), "A1 0 "+w.ref(made[0])+" claim_declined, new 1 "+w.ref(made[3])+" credited "+w.ref(twice)+" claim_open, old -1 "+w.ref(made[2])+" claim_declined")
	w.clean()
}

// ref is the id of a claim in its order.
func (w *world) ref(claim int64) (id string) {
	w.t.Helper()
	check(w.t, w.db.QueryRow(w.t.Context(), `SELECT ref FROM claim WHERE no = $1`, claim).Scan(&id))
	return id
}

func TestAClaimThatCannotBeTakenIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, lanes, 1)
	w.start(w.config("one"))
	said := commission.Claimed{Merchant: 1, Order: "A1", Claim: "k", Program: w.programs[1], Partner: w.partners[0], Outcome: commission.ClaimIsOpen}
	lane := event.Lane(said.Key(), lanes)
	content, err := json.Marshal(&said)
	check(t, err)
	said.Program = w.programs[0]
	elsewhere, err := json.Marshal(&said)
	check(t, err)
	for _, row := range []inbox.Row{{Lane: lane, Content: content}, {Lane: (lane + 1) % lanes, Content: elsewhere}, {Lane: lane, Content: []byte("{")}} {
		row.Kind, row.Key, row.Author = inbox.Claim, said.Key(), "a test"
		check(t, inbox.Write(t.Context(), w.db, row))
	}
	w.quietly()
	equal(t, "refused", w.number(`SELECT count(*) FROM inbox_taken WHERE problem <> ''`), 3)
	equal(t, "waiting", w.number(`SELECT count(*) FROM claim_waiting`), 0)
}
