package loader

import (
	"strings"
	"testing"

	"tributary/internal/event"
)

func TestCheckNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		// clickhouse and postgres spoil one thing each.
		clickhouse, postgres string
		// found are parts of the findings, in order.
		found []string
		// repaired says that the difference is in a rollup alone, so that RebuildRollups repairs it.
		repaired bool
	}{
		{
			name:       "a row is lost",
			clickhouse: "ALTER TABLE order_event DELETE WHERE _offset = 7 SETTINGS mutations_sync = 2",
			found:      []string{"topic orders, partition 0, offsets 0 to 99: the table order_event has 99 rows, and was sent 100"},
		},
		{
			name:       "a row is there twice",
			clickhouse: "INSERT INTO order_event SELECT * FROM order_event WHERE _offset = 107",
			found: []string{
				"topic orders, partition 0, offsets 100 to 149: the table order_event has 51 rows, and was sent 50",
				"topic orders, spool 01000000-0000-0000-0000-000000000000, partition 0, sequence 108: the table order_event has it 2 times",
			},
		},
		{
			name:       "a rollup lacks a row",
			clickhouse: "ALTER TABLE touch_15m DELETE WHERE partner_id = 3 AND link_id = 10 SETTINGS mutations_sync = 2",
			found:      []string{"topic touches, merchant_id 1, program_id 2, partner_id 3, link_id 10, quarter 2026-03-14 12:00:00: touch_15m lacks clicks 1, marked 1, impressions 0 of what touch has"},
			repaired:   true,
		},
		{
			name:       "a rollup lacks all rows of a batch that is under way",
			clickhouse: "ALTER TABLE touch_15m DELETE WHERE true SETTINGS mutations_sync = 2",
			postgres:   "UPDATE clickhouse_batch SET state = 'planned', done_at = NULL WHERE topic = 'touches'",
		},
		{
			name:       "a rollup lacks one row of a batch that is under way",
			clickhouse: "ALTER TABLE touch_15m UPDATE marked = 0 WHERE partner_id = 3 AND link_id = 10 SETTINGS mutations_sync = 2",
			postgres:   "UPDATE clickhouse_batch SET state = 'planned', done_at = NULL WHERE topic = 'touches'",
			found:      []string{"partner_id 3, link_id 10, quarter 2026-03-14 12:00:00: touch_15m lacks clicks 0, marked 1, impressions 0 of what touch has"},
			repaired:   true,
		},
		{
			name:       "a rollup has too much",
			clickhouse: "INSERT INTO ledger_15m SELECT * REPLACE (1 AS orders, 0 AS revenue, 0 AS gross, 7 AS net, 0 AS fee, 0 AS pending) FROM ledger_15m WHERE partner_id = 2 LIMIT 1",
			found:      []string{"currency EUR, further false, role partner, unit EUR, quarter 2026-03-14 12:00:00: ledger_15m lacks orders -1, revenue 0, refunded 0, gross 0, net -7, fee 0, pending 0, payable 0 of what ledger has"},
			repaired:   true,
		},
		{
			name:       "a count that is too high in an unsigned column",
			clickhouse: "INSERT INTO touch_15m VALUES (1, 2, 3, 10, '2026-03-14 12:00:00', 5, 0, 0)",
			found:      []string{"touch_15m lacks clicks -5, marked 0, impressions 0 of what touch has"},
			repaired:   true,
		},
		{
			name:       "an order of a customer is lost",
			clickhouse: "ALTER TABLE customer_order DELETE WHERE partner_id = 2 AND order_no = 7 SETTINGS mutations_sync = 2",
			found:      []string{"customer_order lacks orders 1, revenue"},
			repaired:   true,
		},
		{
			name:     "a batch is not in the manifest",
			postgres: "DELETE FROM clickhouse_batch WHERE topic = 'orders' AND first_offset = 0",
		},
		{
			name:     "there is a hole in the manifest",
			postgres: "UPDATE clickhouse_batch SET last_offset = 89, rows = 90 WHERE topic = 'orders' AND first_offset = 0",
			found: []string{
				"topic orders, partition 0, offsets 100 to 149: follows offset 89, so that 10 offsets are in no batch",
				"topic orders, partition 0, offsets 0 to 89: the table order_event has 100 rows, and was sent 90",
			},
		},
		{
			name:     "batches overlap",
			postgres: "UPDATE clickhouse_batch SET last_offset = 109 WHERE topic = 'orders' AND first_offset = 0",
			found:    []string{"topic orders, partition 0, offsets 100 to 149: overlaps the batch of offsets 0 to 109"},
		},
		{
			name:     "the position is behind the last batch",
			postgres: "UPDATE position SET next_offset = 120 WHERE topic = 'orders'",
			found:    []string{"topic orders, partition 0, offsets 150 to 119: the last batch ends at offset 149, and the position is 120"},
		},
		{
			name:     "a batch is parked",
			postgres: "UPDATE clickhouse_batch SET state = 'parked', problem = 'so it is' WHERE topic = 'orders' AND first_offset = 0",
			found:    []string{"topic orders, partition 0, offsets 0 to 99: parked: so it is"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRiver(t, 1)
			r.loadSome()
			if c.clickhouse != "" {
				r.exec(c.clickhouse)
			}
			if c.postgres != "" {
				if _, err := r.db.Exec(t.Context(), c.postgres); err != nil {
					t.Fatal(err)
				}
			}
			findings, err := Check(t.Context(), r.db, r.ch)
			if err != nil || len(findings) != len(c.found) {
				t.Fatalf("Check() = %v, %v; want %d findings", findings, err, len(c.found))
			}
			for i, want := range c.found {
				if got := findings[i].String(); !strings.Contains(got, want) {
					t.Errorf("finding %d is %q, want %q", i, got, want)
				}
			}
			if c.repaired {
				if err := RebuildRollups(t.Context(), r.ch); err != nil {
					t.Fatal(err)
				}
				r.sound()
			}
		})
	}
}

// loadSome loads 150 records of each topic. The orders make two batches, of the offsets 0 to 99 and 100 to 149.
func (r *river) loadSome() {
	r.t.Helper()
	r.send(event.Touches, 0, 1, several(click, 1, 150)...)
	r.send(event.Orders, 0, 1, several(sale, 1, 150)...)
	r.send(event.Decisions, 0, 1, several(ledgerEvent, 1, 150)...)
	stop := r.run(r.loader(owner()))
	for _, topic := range []string{event.Touches, event.Orders, event.Decisions} {
		r.loaded(topic, 150)
	}
	stop()
	r.sound()
}
