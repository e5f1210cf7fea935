package dashboard

import (
	"bytes"
	"strings"
	"testing"
)

// river writes what the stages of a river of two partitions would have written, all of it taken in but for what is named.
func (w *world) river() {
	w.t.Helper()
	w.must1(w.owner.Exec(w.t.Context(), `
		INSERT INTO position (consumer, topic, partition, next_offset, owner, lease_until)
			SELECT c, t, p, 1000, c || '-1', now() + interval '1 hour' FROM (VALUES ('engine', 'orders'), ('loader', 'orders'), ('loader', 'touches'), ('loader', 'ledger')) x (c, t), generate_series(0, 1) p`))
	spool := bytes.Repeat([]byte{0xab}, 16)
	w.must1(w.owner.Exec(w.t.Context(), `INSERT INTO spool_progress (spool, lane, last, sent, owner) SELECT $1, lane, 500, 500 - 10 * lane, 'tracker-1' FROM generate_series(0, 3) lane`, spool))
	w.must1(w.owner.Exec(w.t.Context(), `INSERT INTO high_water (consumer, topic, partition, spool, seq)
		SELECT consumer, topic, partition, $1, 400 + partition FROM position WHERE topic <> 'ledger'`, spool))
	w.must1(w.owner.Exec(w.t.Context(), `INSERT INTO ledger_sent (lane, through_seq) VALUES (0, 70), (1, 90)`))
	w.must1(w.owner.Exec(w.t.Context(), `INSERT INTO high_water (consumer, topic, partition, spool, seq) VALUES ('loader', 'ledger', 0, $1, 70), ('loader', 'ledger', 1, $1, 60)`, bytes.Repeat([]byte{0xcd}, 16)))
	w.must1(w.owner.Exec(w.t.Context(), `INSERT INTO ledger_outbox (lane, first_seq, last_seq, events) VALUES (1, 91, 95, '')`))
}

// pathWanted has an order wait for its visitor's path since so long ago.
func (w *world) pathWanted(ago string) {
	w.t.Helper()
	w.must1(w.owner.Exec(w.t.Context(), `INSERT INTO path_wanted (lane, merchant_id, keys, order_id, click_id, program_id, partner_id, clicked_at, written) VALUES (0, 1, 0, 'A', 'c', 1, 1, now(), now() - $1::text::interval)`, ago))
}

func TestHealthAddsUpTheLagOfEachStep(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.as("operator@example.net")
	c.page("/network/health").holds(t, "No operator action required", "Nothing has run yet", "No tracker yet", "No order waits for its visitor's path.")
	w.river()
	// Lanes 0 and 1 of the spool are those of touches: 500 and 490 sent; 2 and 3 those of orders: 480 and 470.
	c.page("/network/health").holds(t, "No operator action required",
		"Spool to Kafka, touches 2 10 lane 1, 10", "Spool to Kafka, orders 2 50 lane 1, 30",
		"Kafka to ClickHouse, touches 2 189 lane 0, 100", "Kafka to ClickHouse, orders 2 149 lane 0, 80", "Kafka to books, orders 2 149 lane 0, 80",
		"Books to Kafka, ledger 2 5 lane 1, 5", "Kafka to ClickHouse, ledger 2 30 lane 1, 30",
		"abababababababababababababababab tracker-1", "engine orders/0 1,000 running engine-1")
	w.pathWanted("1 minute")
	w.pathWanted("10 seconds")
	c.page("/network/health").holds(t, "No operator action required", "Orders wait for the paths of 2 clicks, the first since")
}

func TestHealthSaysWhatToDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.river()
	for _, statement := range []string{
		`UPDATE position SET halted = 'Records 401 to 404 are missing.' WHERE consumer = 'engine' AND partition = 0`,
		`UPDATE high_water SET gap = 405 WHERE consumer = 'engine' AND partition = 0`,
		`UPDATE position SET halted = 'The topic was recreated.' WHERE consumer = 'loader' AND topic = 'touches' AND partition = 1`,
		`UPDATE position SET lease_until = now() - interval '1 minute' WHERE consumer = 'loader' AND topic = 'ledger' AND partition = 0`,
		`UPDATE spool_progress SET seen = now() - interval '1 hour'`,
		`INSERT INTO clickhouse_batch (topic, partition, first_offset, last_offset, rows, before, state, problem) VALUES ('touches', 1, 7, 19, 13, '{}', 'parked', 'ClickHouse has 12 rows of 13.')`,
		`INSERT INTO clickhouse_batch (topic, partition, first_offset, last_offset, rows, before, state, planned_at) VALUES ('orders', 0, 3, 4, 2, '{}', 'planned', now() - interval '1 hour')`,
		`INSERT INTO dead_letter (consumer, topic, partition, "offset", key, value, error, spool, seq) SELECT 'engine', 'orders', 0, n, 'SECRET-KEY', 'SECRET-VALUE', 'an order of no lines', '', n FROM generate_series(1, 3) n`,
		`INSERT INTO dead_letter (consumer, topic, partition, "offset", key, value, error, state, spool, seq) VALUES ('engine', 'orders', 0, 9, '', '', 'settled long ago', 'discarded', '', 9)`,
	} {
		w.must1(w.owner.Exec(t.Context(), statement))
	}
	w.must1(w.owner.Exec(t.Context(), `INSERT INTO orders (no, merchant_id, order_id, lane, version, currency, outcome, decision)
		SELECT nextval('order_no'), min(id), 'A-1', 0, 1, 'GBP', 'no_click', '{}' FROM merchant`))
	for id, days := range map[string]int{"dp_old": 121, "dp_ended": 122, "dp_new": 119} {
		w.must1(w.owner.Exec(t.Context(), `
			WITH said AS (INSERT INTO inbox (lane, key, kind, ref, content, author, at) VALUES (0, 'k', 'dispute', $1, '{}', 'shop', now() - $2 * interval '1 day') RETURNING no)
			INSERT INTO dispute (no, merchant_id, order_no, ref, currency) SELECT s.no, o.merchant_id, o.no, $1, o.currency FROM said s, (SELECT no, merchant_id, currency FROM orders ORDER BY no LIMIT 1) o`, id, days))
	}
	w.must1(w.owner.Exec(t.Context(), `
		WITH said AS (INSERT INTO inbox (lane, key, kind, ref, content, author) VALUES (0, 'k', 'dispute', 'dp_ended', '{}', 'shop') RETURNING no)
		INSERT INTO dispute_outcome (no, dispute, state) SELECT s.no, d.no, 'won' FROM said s, dispute d WHERE d.ref = 'dp_ended'`))
	w.pathWanted("1 hour")
	page := w.as("operator@example.net").page("/network/health")
	page.holds(t, "Dispute dp_old of order", "more than 120 days ago", "tributary admin settle-dispute")
	page.holds(t, "Orders wait for the path of 1 click The first has waited since",
		"Lane engine orders/0 is halted at a gap", "Records 401 to 404 are missing.", "tributary resume engine orders 0 --remedy refilled",
		"Lane loader touches/1 is halted The topic was recreated. tributary resume loader touches 1",
		"No process works on lane loader ledger/0", "Batch touches/1 7 to 19 is parked ClickHouse has 12 rows of 13. tributary loader retry touches 1 7",
		"Batch orders/0 3 to 4 is not in ClickHouse yet", "3 records of orders that the engine could not process an order of no lines tributary deadletters list",
		"Tracker tracker-1 is silent 60 records", "tributary spool forget abababababababababababababababab")
	for _, text := range []string{"SECRET", "settled long ago", "Nothing waits", "dp_ended", "dp_new"} {
		if strings.Contains(page.body, text) {
			t.Errorf("the page says %q", text)
		}
	}
}

// S11: how the river runs is nobody's business but the operator's.
func TestHealthIsShownToTheOperatorAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.river()
	for _, view := range []string{"health_lane", "health_owner", "health_letter", "health_batch", "health_seen", "health_spool", "health_sent", "health_seal", "health_dispute"} {
		for _, setting := range []string{"", "on"} {
			var n int
			w.must(w.owner.QueryRow(t.Context(), `SELECT count(*) FROM information_schema.role_table_grants WHERE grantee = 'tributary_dashboard' AND table_name = $1`, view).Scan(&n))
			if n != 1 {
				t.Errorf("%s: %d rights", view, n)
			}
			tx, err := w.pool.Begin(t.Context())
			w.must(err)
			w.must1(tx.Exec(t.Context(), `SELECT set_config('app.operator', $1, true), set_config('app.merchant', '1', true)`, setting))
			w.must(tx.QueryRow(t.Context(), "SELECT count(*) FROM "+view).Scan(&n))
			w.must(tx.Rollback(t.Context()))
			shows := view == "health_lane" || view == "health_seen" || view == "health_spool" || view == "health_sent"
			if setting == "" && n > 1 || setting == "on" && shows && n == 0 {
				t.Errorf("%s with app.operator %q: %d rows", view, setting, n)
			}
		}
	}
	var seal *string
	w.must(w.pool.QueryRow(t.Context(), "SELECT at::text FROM health_seal").Scan(&seal))
	if seal != nil {
		t.Errorf("the seal is shown to nobody: %s", *seal)
	}
}
