package audit_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission/audit"
	"tributary/internal/clickhouse"
	"tributary/internal/postgres"
	"tributary/test/engines"
)

// What is sealed is compared once ClickHouse has it all, and a sum that differs is named.
func TestReportsAreComparedWithTheBooksEachNight(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	reports, err := clickhouse.Open(engines.ClickHouseMigrated(t), 2)
	must(t, err)
	defer reports.Close()
	events := b.ledgerEvents()
	sealer := audit.NewSealer(b.db, slog.New(slog.DiscardHandler))
	comparer := audit.NewComparer(b.db, reports, slog.New(slog.DiscardHandler), nil)
	seal := func(occasion string) func() {
		return func() {
			must(t, postgres.InTx(t.Context(), b.db, func(tx pgx.Tx) error { return audit.SealReports(t.Context(), tx, occasion) }))
		}
	}
	at := func(hour int) func() {
		return func() { must(t, sealer.SealOnce(t.Context(), time.Date(2026, 11, 28, hour, 0, 0, 0, time.UTC))) }
	}
	change := func(table, sql string) func() {
		return func() {
			must(t, reports.Exec(t.Context(), `ALTER TABLE `+table+` UPDATE `+sql+` SETTINGS mutations_sync = 1`))
		}
	}
	for _, step := range []struct {
		name                string
		do                  func()
		checked, open, sums int64
	}{
		{"the first does not wait for the night", at(1), 0, 1, 0},
		{"it is sealed once", at(4), 0, 1, 0},
		{"three events are missing", func() { load(t, reports, events[:len(events)-3]) }, 0, 1, 0},
		{"all are there", func() { load(t, reports, events[len(events)-3:]) }, 1, 0, 0},
		{"the next day is not there yet", func() { must(t, sealer.SealOnce(t.Context(), time.Date(2026, 11, 29, 2, 59, 0, 0, time.UTC))) }, 1, 0, 0},
		{"a figure was changed", change("ledger", `net = net + 1 WHERE _partition = 1 AND _seq = 2`), 1, 0, 0},
		{"and the night comes", func() { must(t, sealer.SealOnce(t.Context(), time.Date(2026, 11, 29, 3, 0, 0, 0, time.UTC))) }, 2, 0, 2}, // the ledger's, and what customers' orders lack of it
		{"it was changed back", change("ledger", `net = net - 1 WHERE _partition = 1 AND _seq = 2`), 2, 0, 2},
		{"after a restore", seal("restore 1"), 3, 0, 2},
		{"an order of a customer is lost", func() {
			must(t, reports.Exec(t.Context(), `ALTER TABLE customer_order DELETE WHERE order_no = (SELECT min(order_no) FROM customer_order WHERE orders > 0) SETTINGS mutations_sync = 1`))
		}, 3, 0, 2},
		{"after another restore", seal("restore 2"), 4, 0, 3},
	} {
		step.do()
		must(t, comparer.CompareOnce(t.Context()))
		var checked, open, sums int64
		must(t, b.db.QueryRow(t.Context(), `SELECT count(*) FILTER (WHERE checked_at IS NOT NULL), count(*) FILTER (WHERE checked_at IS NULL), coalesce(sum(different), 0)
			FROM report_check WHERE merchant_id = (SELECT min(merchant_id) FROM commission)`).Scan(&checked, &open, &sums))
		if checked != step.checked || open != step.open || sums != step.sums {
			t.Errorf("%s: %d compared, %d open, %d sums differ; want %d, %d, %d", step.name, checked, open, sums, step.checked, step.open, step.sums)
		}
	}
}
