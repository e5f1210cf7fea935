package engine

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"tributary/internal/postgres"
	"tributary/partners"
)

func TestAnInspectionFindsWhatWasChangedSinceTheLast(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stop := w.start(w.config("one"))
	w.send(sale(1, "A1", w.click(), 10_000), sale(1, "A2", w.click(), 5_000), refund(1, "A1", "r1", day, 1000))
	w.settled()
	stop()
	w.sealAll(2)
	inspector := NewInspector(Check{
		DB: w.db, Catalogue: partners.NewCatalogue(w.db, quiet()), VerifyClick: verifyClick, Partitions: w.partitions,
	}, quiet(), prometheus.NewRegistry())
	inspect := func() []Finding {
		t.Helper()
		v, err := inspector.Inspect(t.Context())
		check(t, err)
		if got := testutil.ToFloat64(inspector.metrics.broken); got != float64(v.Broken) {
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
	blocks := testutil.ToFloat64(inspector.metrics.block)
	if blocks < 1 || testutil.ToFloat64(inspector.metrics.orders) != 2 {
		t.Errorf("it went over %v blocks and %v orders, want at least one and 2", blocks, testutil.ToFloat64(inspector.metrics.orders))
	}
	for _, row := range []struct{ harm, mend, check string }{
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
		change(row.mend)
	}
	if found := inspect(); len(found) == 0 || found[0].Check != "hash chain" {
		t.Errorf("a block that was verified before has another hash, which is found as %v", found)
	}
}
