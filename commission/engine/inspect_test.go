package engine

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"tributary/commission/audit"
	"tributary/internal/postgres"
)

// figure is a gauge or counter of a registry, without labels.
func figure(tb testing.TB, registry *prometheus.Registry, name string) float64 {
	tb.Helper()
	families, err := registry.Gather()
	check(tb, err)
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue() + f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	tb.Fatalf("there is no %s", name)
	return 0
}

func TestAnInspectionFindsWhatWasChangedSinceTheLast(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stop := w.start(w.config("one"))
	w.send(sale(1, "A1", w.click(), 10_000), sale(1, "A2", w.click(), 5_000), refund(1, "A1", "r1", day, 1000))
	w.waitIdle()
	stop()
	w.sealAll(2)
	registry := prometheus.NewRegistry()
	inspector := audit.NewInspector(audit.Check{
		DB: w.db, VerifyClick: verifyClick, Partitions: w.partitions,
	}, quiet(), registry)
	inspect := func() []audit.Finding {
		t.Helper()
		v, err := inspector.Inspect(t.Context())
		check(t, err)
		if got := figure(t, registry, "tributary_books_broken_findings"); got != float64(v.Broken) {
			t.Errorf("the gauge says %v of %d broken findings", got, v.Broken)
		}
		return v.Findings
	}
	change := func(sql string) {
		t.Helper()
		check(t, postgres.InTx(t.Context(), w.db, func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(), `SET LOCAL session_replication_role = replica`); err != nil {
				return err
			}
			tag, err := tx.Exec(t.Context(), sql)
			if err == nil && tag.RowsAffected() == 0 {
				t.Errorf("%s changed nothing", sql)
			}
			return err
		}))
	}
	if found := inspect(); len(found) > 0 {
		t.Fatalf("sound books: %v", found)
	}
	blocks, orders := figure(t, registry, "tributary_books_chain_block"), figure(t, registry, "tributary_books_inspected_orders_total")
	if blocks < 1 || orders != 2 {
		t.Errorf("it went over %v blocks and %v orders, want at least one and 2", blocks, orders)
	}
	for _, row := range []struct{ harm, undo, check string }{
		{
			`UPDATE commission SET net = net - 7, pending = pending - 7`, `UPDATE commission SET net = net + 7, pending = pending + 7`,
			"commission follows from events",
		},
		{`UPDATE posting SET amount = amount + 1 WHERE seq = 1`, `UPDATE posting SET amount = amount - 1 WHERE seq = 1`, "postings follow from events"},
		{
			`UPDATE chain SET hash = sha256(hash) WHERE block = (SELECT max(block) FROM chain)`,
			`UPDATE chain SET hash = decode(repeat('00', 32), 'hex') WHERE block = (SELECT max(block) FROM chain)`, "hash chain",
		},
	} {
		change(row.harm)
		found := inspect()
		if len(found) == 0 || found[0].Check != row.check {
			t.Errorf("%s is found as %v, want %q", row.harm, found, row.check)
		}
		change(row.undo)
	}
	if found := inspect(); len(found) == 0 || found[0].Check != "hash chain" {
		t.Errorf("a block that was verified before has another hash, which is found as %v", found)
	}
}

func TestAnInspectionReadsTheOutboxEndAndVerifyAllOfIt(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	stop := w.start(w.config("one"))
	w.send(sale(1, "A1", w.click(), 10_000))
	w.waitIdle()
	stop()
	// Two days of ledger events, as far as their numbers go.
	const last = 10 * audit.InspectedEvents
	w.exec(`INSERT INTO ledger_outbox (lane, first_seq, last_seq, events)
		SELECT 0, n, n + 99, '' FROM generate_series((SELECT out_seq + 1 FROM position WHERE consumer = 'engine'), $1, 100) n`, last)
	w.exec(`UPDATE position SET out_seq = (SELECT max(last_seq) FROM ledger_outbox) WHERE consumer = 'engine'`)
	inspector := audit.NewInspector(audit.Check{
		DB: w.db, VerifyClick: verifyClick, Partitions: w.partitions,
	}, quiet(), nil)
	holes := func(found []audit.Finding) (n int) {
		for _, f := range found {
			if f.Check == "outbox is dense" {
				n++
			}
		}
		return n
	}
	for _, row := range []struct {
		behind           int // the end
		inspected, found int // holes
	}{{last, 0, 0}, {2 * audit.InspectedEvents, 0, 1}, {audit.InspectedEvents / 2, 1, 2}, {0, 2, 3}} {
		w.exec(`DELETE FROM ledger_outbox WHERE last_seq > 100 AND last_seq = (SELECT max(last_seq) FROM ledger_outbox
			WHERE last_seq <= (SELECT out_seq FROM position WHERE consumer = 'engine') - $1)`, row.behind)
		v, err := inspector.Inspect(t.Context())
		check(t, err)
		equal(t, fmt.Sprint("holes for an inspection, ", row.behind, " behind"), holes(v.Findings), row.inspected)
		equal(t, fmt.Sprint("holes for verify, ", row.behind, " behind"), holes(w.verify()), row.found)
	}
}
