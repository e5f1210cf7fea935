package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// TestNudgedOrdersAreDecidedAgain has one among them that cannot be, which holds up none of the others and keeps its nudge.
func TestNudgedOrdersAreDecidedAgain(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	registry := prometheus.NewRegistry()
	cfg := w.config("one")
	cfg.Metrics = registry
	w.start(cfg)
	for i := range 40 {
		w.send(sale(1, fmt.Sprint("A", i), w.click(), 10_000))
	}
	w.waitIdle()
	w.exec(`UPDATE orders SET decision = '{"outcome": 5}' WHERE order_id = 'A7'`)
	w.exec(`INSERT INTO nudge (lane, order_no) SELECT 0, no FROM orders, generate_series(1, 2)`)
	w.eventually("all others were decided", func() bool { return w.number(`SELECT count(DISTINCT order_no) FROM nudge`) == 1 })
	w.eventually("one is stuck", func() bool { return gauge(t, registry, "tributary_engine_stuck_orders") == 1 })
	equal(t, "decided again", w.number(`SELECT count(*) FROM orders WHERE version > 1 AND order_id <> 'A7'`), 39)
	equal(t, "books", w.books(time.Time{}), w.pending(40_000, 8000))
}

// TestANudgeOfWhileAnOrderIsDecidedIsKept has one arrive in the transaction that takes another of the same order off.
func TestANudgeOfWhileAnOrderIsDecidedIsKept(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	w.send(sale(1, "A1", w.click(), 10_000))
	l := w.laneHeld(New(w.config("one")), 0)
	_, err := l.apply(t.Context(), w.facts(0))
	check(t, err)
	no := w.number(`SELECT no FROM orders`)
	w.exec(`INSERT INTO nudge (lane, order_no) VALUES (0, $1)`, no)
	late, err := w.db.Begin(t.Context())
	check(t, err)
	_, err = late.Exec(t.Context(), `INSERT INTO nudge (lane, order_no) VALUES (0, $1)`, no)
	check(t, err)
	more, err := l.decideNudged(t.Context())
	check(t, err)
	check(t, late.Commit(t.Context()))
	equal(t, "more", more, false)
	equal(t, "version", w.number(`SELECT version FROM orders`), 2)
	equal(t, "nudges left", w.number(`SELECT count(*) FROM nudge`), 1)
	_, err = l.decideNudged(t.Context())
	check(t, err)
	equal(t, "version", w.number(`SELECT version FROM orders`), 3)
	w.clean()
}

// TestAFrozenOwnerCannotTakeANudge has another take the lane over before it comes to it.
func TestAFrozenOwnerCannotTakeANudge(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	w.send(sale(1, "A1", w.click(), 10_000))
	frozen := w.laneHeld(New(w.config("frozen")), 0)
	_, err := frozen.apply(t.Context(), w.facts(0))
	check(t, err)
	w.exec(`INSERT INTO nudge (lane, order_no) SELECT 0, no FROM orders`)
	w.laneHeld(New(w.config("other")), 0)
	_, err = frozen.decideNudged(t.Context())
	equal(t, "what it may do", verdict(err), leave)
	equal(t, "nudges left", w.number(`SELECT count(*) FROM nudge`), 1)
}
