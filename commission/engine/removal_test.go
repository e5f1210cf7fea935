package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/internal/event"
	"tributary/internal/postgres"
	"tributary/partners"
	"tributary/partners/program"
)

// removeForFraud says so long after noon that the world's first partner is removed from then on: what nobody may say of the past.
func (w *world) removeForFraud(after time.Duration) {
	w.t.Helper()
	check(w.t, postgres.InTx(w.t.Context(), w.db, func(tx pgx.Tx) error {
		for _, trigger := range []string{"begins_ahead", "begins_in_time"} {
			if _, err := tx.Exec(w.t.Context(), `ALTER TABLE enrolment_fact DISABLE TRIGGER `+trigger); err != nil {
				return err
			}
		}
		_, err := tx.Exec(w.t.Context(), `INSERT INTO enrolment_fact (program_id, partner_id, kind, value, effective_from, author, note, created_at)
VALUES ($1, $2, 'state', 'removed:fraud', $3, 'login:1', 'stolen cards', $3)`, w.programs[0], w.partners[0], noon().Add(after))
		return err
	}))
}

// removalGroup are the reports of three orders by one click: before the removal, with a refund, up to it, and after it.
func (w *world) removalGroup(group int) []*event.Event {
	id := func(what string) string { return fmt.Sprintf("g%02d-%s", group, what) }
	late := func(e *event.Event) *event.Event { e.GetSale().ClickId = w.click(); return e }
	list := []*event.Event{
		late(w.placed(id("before"), 0, 10_000)), refund(1, id("before"), "r", 2*time.Hour, 4_000),
		late(w.placed(id("last"), 12*time.Hour-time.Millisecond, 20_000)), late(w.placed(id("after"), day, 40_000)),
	}
	for _, e := range list {
		if s := e.GetSale(); s != nil {
			s.ContentHash = event.SaleHash(s, e.GetOccurredAt())
		}
	}
	return list
}

// standsOf is what is recorded and booked of a group, without its number.
func (w *world) standsOf(group int) string {
	w.t.Helper()
	name := fmt.Sprintf("g%02d-", group)
	rows, err := w.db.Query(w.t.Context(), `
		SELECT 1, order_id || ' ' || decision::text FROM orders WHERE starts_with(order_id, $1)
		UNION ALL
		SELECT 2, o.order_id || ' ' || c.state || ' ' || c.net || ' ' || c.held FROM commission c JOIN orders o ON o.no = c.order_no WHERE starts_with(o.order_id, $1)
		UNION ALL
		SELECT 3, o.order_id || ' ' || a.kind || ' ' || p.effective_at || ' ' || sum(CASE a.id WHEN p.debit THEN p.amount ELSE -p.amount END)
		  FROM orders o JOIN posting p ON p.source = 1 AND p.source_no = o.no JOIN account a ON a.id IN (p.debit, p.credit)
		 WHERE starts_with(o.order_id, $1) GROUP BY o.order_id, a.kind, p.effective_at HAVING sum(CASE a.id WHEN p.debit THEN p.amount ELSE -p.amount END) <> 0
		ORDER BY 1, 2`, name)
	check(w.t, err)
	var all strings.Builder
	var part int
	var line string
	_, err = pgx.ForEachRow(rows, []any{&part, &line}, func() error {
		all.WriteString(strings.ReplaceAll(line, name, "") + "\n")
		return nil
	})
	check(w.t, err)
	return all.String()
}

// permutations of so many things.
func permutations(n int) (all [][]int) {
	if n == 0 {
		return [][]int{nil}
	}
	for _, shorter := range permutations(n - 1) {
		for at := range n {
			all = append(all, slices.Insert(slices.Clone(shorter), at, n-1))
		}
	}
	return all
}

// Cases 19 and 20 of doors section 9: orders from the removal on earn nothing, those of before stay and are held, and in whatever order
// reports arrive, before the removal or after it, books and records are the same.
func TestWhatARemovedPartnerHasOpenIsHeld(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 3, 2)
	w.start(w.config("one"))
	early := w.removalGroup(99)
	w.send(early[:3]...)
	w.waitIdle()
	w.removeForFraud(12 * time.Hour)
	w.send(early[3])
	for group, order := range permutations(4) {
		reports := w.removalGroup(group)
		for _, i := range order {
			w.send(reports[i])
		}
	}
	w.allTaken()
	want := w.standsOf(99)
	for _, line := range []string{"before held 600 600", "last held 2000 2000"} {
		if !strings.Contains(want, line+"\n") {
			t.Errorf("%s is not in\n%s", line, want)
		}
	}
	equal(t, "after the removal", w.outcome(1, "g99-after"), "partner_removed")
	for group := range 24 {
		equal(t, fmt.Sprintf("arrival %d", group), w.standsOf(group), want)
	}
	equal(t, "refused", w.number(`SELECT count(*) FROM inbox_taken WHERE problem <> ''`), 0)
	equal(t, "reviews", w.number(`SELECT count(*) FROM inbox WHERE kind = 'review' AND side = 'merchant' AND note = 'stolen cards'
		AND convert_from(content, 'UTF8')::json ->> 'code' = $1`, commission.HeldForRemoval), 50)
	w.clean()

	// A person decides of each; nothing holds it again.
	check(t, postgres.InTx(t.Context(), w.db, func(tx pgx.Tx) error {
		return w.reviewIn(tx, commission.Reviewed{Merchant: 1, Order: "g99-before", Verb: commission.Unhold}, commission.ByOperator, noon().Add(day))
	}))
	w.allTaken()
	w.send(refund(1, "g99-before", "s", 3*day, 1_000))
	w.waitIdle()
	if got := w.standsOf(99); !strings.Contains(got, "before pending 500 0\n") {
		t.Errorf("released:\n%s", got)
	}
	w.clean()
}

func TestOnlyTheRemovedPartnerIsHeld(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 2)
	w.start(w.config("one"))
	other := w.placed("other", 0, 10_000)
	other.GetSale().ClickId = clickOn(w.links[1], noon().Add(-day))
	other.GetSale().ContentHash = event.SaleHash(other.GetSale(), other.GetOccurredAt())
	w.send(w.placed("theirs", 0, 10_000), other, sale(2, "elsewhere", clickOn(w.links[2], noon().Add(-day)), 10_000))
	w.waitIdle()
	w.removeForFraud(12 * time.Hour)
	w.allTaken()
	equal(t, "held", w.number(`SELECT count(*) FROM commission c JOIN orders o ON o.no = c.order_no WHERE c.state = 'held' AND o.order_id = 'theirs'`), 1)
	equal(t, "all that is held", w.number(`SELECT count(*) FROM commission WHERE state = 'held'`), 1)
	w.clean()
}

// A removal that was planned, and in whose place something else is stated, holds nothing.
func TestAPlannedRemovalThatIsReplacedHoldsNothing(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	w.start(w.config("one"))
	w.send(w.placed("A", 0, 10_000))
	w.waitIdle()
	plan := func(state program.State, in time.Duration) {
		check(t, postgres.InTx(t.Context(), w.db, func(tx pgx.Tx) error {
			_, err := partners.SetState(t.Context(), tx, partners.NewState{Program: w.programs[0], Partner: w.partners[0], State: state, From: time.Now().Add(in), Author: "operator"})
			return err
		}))
	}
	plan(program.RemovedForFraud, time.Hour)
	w.send(w.placed("B", time.Hour, 10_000))
	w.waitIdle()
	plan(program.Paused, 2*time.Minute)
	w.exec(`ALTER TABLE inbox DISABLE TRIGGER USER`)
	w.exec(`UPDATE inbox SET due = now(), written = pg_current_xact_id()`)
	w.allTaken()
	equal(t, "held", w.number(`SELECT count(*) FROM commission WHERE state = 'held'`), 0)
	w.clean()
}
