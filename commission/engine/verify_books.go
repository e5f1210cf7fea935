package engine

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tributary/commission/ledger"
	"tributary/internal/event"
)

//go:embed query/verify_strays.sql
var verifyStrays string

// strays looks for rows that belong to no order, or to another than they say.
func (v *verification) strays(ctx context.Context) error {
	return v.rows(ctx, "every row belongs to an order", Broken, verifyStrays)
}

// accounts verifies that postings hold the unit of both their accounts, that those belong to one merchant and partner,
// and that nothing was posted to an account that does not exist.
func (v *verification) accounts(ctx context.Context) error {
	return v.rows(ctx, "postings fit their accounts", Broken, `
SELECT 'posting', format('(%s, %s, %s, %s)', p.source, p.source_no, p.version, p.n), 'debit, credit, unit',
       'two accounts of one owner and of the unit',
       format('account %s (%s) and account %s (%s), %s %s', p.debit, CASE WHEN d.id IS NULL THEN 'none' ELSE format('%s of merchant %s, partner %s, %s', d.kind, d.merchant_id, d.partner_id, d.unit) END,
              p.credit, CASE WHEN c.id IS NULL THEN 'none' ELSE format('%s of merchant %s, partner %s, %s', c.kind, c.merchant_id, c.partner_id, c.unit) END, p.amount, p.unit)
  FROM posting p LEFT JOIN account d ON d.id = p.debit LEFT JOIN account c ON c.id = p.credit
 WHERE d.unit IS DISTINCT FROM p.unit OR c.unit IS DISTINCT FROM p.unit OR p.amount <= 0
    OR d.merchant_id <> c.merchant_id OR d.partner_id <> c.partner_id LIMIT $1`, v.Limit)
}

// sums verifies that what was posted to each account fits 64 bits: beyond that its balance cannot be read.
func (v *verification) sums(ctx context.Context) error {
	return v.rows(ctx, "sums fit", Broken, `
SELECT 'account', a.id::text, side, 'at most 9223372036854775807', total::text
  FROM account a CROSS JOIN LATERAL (SELECT 'debits' AS side, sum(amount) AS total FROM posting WHERE debit = a.id
       UNION ALL SELECT 'credits', sum(amount) FROM posting WHERE credit = a.id) s
 WHERE total > 9223372036854775807 LIMIT $1`, v.Limit)
}

// trialBalance verifies that debits equal credits in every unit, by the balances as everybody reads them.
func (v *verification) trialBalance(ctx context.Context) error {
	totals, err := ledger.TrialBalance(ctx, v.tx, time.Time{})
	if err != nil {
		return err
	}
	type sums struct{ debits, credits int64 }
	units := make(map[string]sums)
	for _, t := range totals {
		s := units[t.Unit]
		units[t.Unit] = sums{s.debits + t.Debits, s.credits + t.Credits}
	}
	for unit, s := range units {
		v.amount(Finding{Check: "books balance", Table: "account", Key: "all of " + unit}, "credits", s.debits, s.credits)
	}
	return nil
}

//go:embed query/verify_commissions.sql
var verifyCommissions string

// commissions verifies that the commissions of each partner, and the fees on them, add up to the balances of the
// accounts.
func (v *verification) commissions(ctx context.Context) error {
	return v.rows(ctx, "commissions equal balances", Broken, verifyCommissions, v.Limit)
}

//go:embed query/verify_checkpoints.sql
var verifyCheckpoints string

// checkpoints verifies each checkpoint against the one before it and the postings in between.
func (v *verification) checkpoints(ctx context.Context) error {
	return v.rows(ctx, "checkpoints equal sums", Broken, verifyCheckpoints, v.Limit)
}

// positions verifies that the outbox goes on where the sequence of each lane stands, without a hole, and reports
// partitions that stand still.
func (v *verification) positions(ctx context.Context) error {
	outbox := "ledger_outbox"
	if v.recent > 0 {
		outbox = fmt.Sprintf(`position JOIN LATERAL (SELECT lane, first_seq, last_seq FROM ledger_outbox WHERE lane = partition AND first_seq > out_seq - %d) o ON true
         WHERE consumer = $1 AND topic = $2`, v.recent)
	}
	err := v.rows(ctx, "outbox is dense", Broken, `
SELECT 'ledger_outbox', format('(%s, %s)', o.lane, o.first_seq), 'last_seq', o.next::text, o.last_seq::text
  FROM (SELECT lane, first_seq, last_seq,
               coalesce(lead(first_seq) OVER (PARTITION BY lane ORDER BY first_seq) - 1,
                        (SELECT out_seq FROM position WHERE consumer = $1 AND topic = $2 AND partition = lane)) AS next
          FROM `+outbox+`) o
 WHERE o.last_seq IS DISTINCT FROM o.next LIMIT $3`, Consumer, event.Orders, v.Limit)
	if err != nil {
		return err
	}
	err = v.rows(ctx, "outbox is dense", Broken, `
SELECT 'ledger_sent', lane::text, 'through_seq', 'at most ' || out_seq, through_seq::text
  FROM ledger_sent JOIN position ON consumer = $1 AND topic = $2 AND partition = lane WHERE through_seq > out_seq`, Consumer, event.Orders)
	if err != nil {
		return err
	}
	return v.rows(ctx, "partitions move", Attention, `
SELECT 'position', format('(%s, %s, %s)', consumer, topic, partition), 'halted', 'not halted', halted FROM position WHERE halted <> ''
UNION ALL
SELECT 'high_water', format('(%s, %s, %s, %s)', consumer, topic, partition, spool), 'gap', format('sequence %s', seq + 1), format('sequence %s', gap)
  FROM high_water WHERE gap <> 0`)
}

// overdue is how long after its end a hold may still be found pending: engines may have been away for a while.
const overdue = 15 * time.Minute

// holds reports commissions that should have become payable some time ago: the engine cannot decide their orders, or does
// not run.
func (v *verification) holds(ctx context.Context) error {
	return v.rows(ctx, "holds end", Attention, `
SELECT 'commission', format('(%s, %s, %s, %s)', order_no, partner_id, role, unit), 'state', format('payable since %s', hold_until), state
  FROM commission WHERE state = 'pending' AND hold_until < $1 ORDER BY hold_until LIMIT $2`, v.Now.Add(-overdue), v.Limit)
}

// letters reports dead letters that nobody has settled.
func (v *verification) letters(ctx context.Context) error {
	return v.rows(ctx, "dead letters are settled", Attention, `
SELECT 'dead_letter', format('(%s, %s, %s, %s)', consumer, topic, partition, "offset"), 'state', 'returned or discarded', state || ': ' || error
  FROM dead_letter WHERE state IN ('open', 'returning') ORDER BY at LIMIT $1`, v.Limit)
}

// standing is whose figures the reports or the ledger give: what a partner earns in one role and unit, apart from the first
// credits of orders those that are further ones.
type standing struct {
	merchant, partner    int64
	role, unit, currency string
	leads                bool
}

// figures are what is compared, in this order.
type figures [10]int64

// names are the columns that the figures stand in.
func (figures) names() [10]string {
	return [10]string{"orders", "revenue", "refunded", "gross", "net", "fee", "pending", "payable", "fee_pending", "fee_earned"}
}

//go:embed query/verify_standings.sql
var verifyStandings string

// reports verifies that ClickHouse's ledger has every event that this snapshot has sent, and that its sums are those of
// the commissions, for each merchant, partner, role, unit and currency.
func (v *verification) reports(ctx context.Context) error {
	if v.Reports == nil {
		return nil
	}
	lanes, err := v.sent(ctx)
	if err != nil {
		return err
	}
	if complete, err := v.arrived(ctx, lanes); err != nil || !complete {
		return err
	}
	ledgerHas, err := v.ledgerStandings(ctx)
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "22003" { // numeric_value_out_of_range
		v.find(Finding{Check: "reports equal the ledger", Table: "commission", Want: "sums that fit 64 bits", Have: pg.Message})
		return nil
	}
	if err != nil {
		return err
	}
	reportsHave, err := v.reportStandings(ctx, lanes)
	if err != nil {
		return err
	}
	for key, want := range ledgerHas {
		v.figures(key, want, reportsHave[key])
		delete(reportsHave, key)
	}
	for key, have := range reportsHave {
		v.figures(key, figures{}, have)
	}
	return nil
}

func (v *verification) figures(key standing, want, have figures) {
	at := Finding{
		Check: "reports equal the ledger", Table: "clickhouse ledger",
		Key: fmt.Sprintf("merchant %d, partner %d as %s, %s on orders in %s", key.merchant, key.partner, key.role, key.unit, key.currency),
	}
	if !key.leads {
		at.Key += ", further credits"
	}
	for i, name := range want.names() {
		v.amount(at, name, want[i], have[i])
	}
}

// sentLane is how far the ledger events of a lane go in this snapshot.
type sentLane struct {
	lane  int
	last  uint64
	spool string
}

// selects is the condition under which ClickHouse has an event of the lane that the snapshot has sent.
func (l sentLane) selects() string {
	return fmt.Sprintf("_spool = toUUID('%s') AND _partition = %d AND _seq <= %d", l.spool, l.lane, l.last)
}

// sent reads how far each lane's sequence goes.
func (v *verification) sent(ctx context.Context) ([]sentLane, error) {
	rows, err := v.tx.Query(ctx, `SELECT partition, out_seq, (SELECT value::uuid::text FROM setting WHERE name = 'ledger_spool')
		FROM position WHERE consumer = $1 AND topic = $2 ORDER BY partition`, Consumer, event.Orders)
	if err != nil {
		return nil, fmt.Errorf("reading what was sent: %w", err)
	}
	lanes, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (sentLane, error) {
		var l sentLane
		err := row.Scan(&l.lane, &l.last, &l.spool)
		return l, err
	})
	if err != nil {
		return nil, fmt.Errorf("reading what was sent: %w", err)
	}
	return lanes, nil
}

// arrived tells whether every ledger event that the snapshot has sent is in ClickHouse, once.
func (v *verification) arrived(ctx context.Context, lanes []sentLane) (bool, error) {
	complete := true
	for _, l := range lanes {
		var have, sum uint64
		if err := v.Reports.QueryRow(ctx, "SELECT count(), sum(_seq) FROM ledger WHERE "+l.selects()).Scan(&have, &sum); err != nil {
			return false, fmt.Errorf("counting the reports' ledger events: %w", err)
		}
		at := Finding{Check: "reports have every event once", Table: "clickhouse ledger", Key: fmt.Sprintf("lane %d, up to %d", l.lane, l.last)}
		switch wanted := l.last * (l.last + 1) / 2; {
		case have < l.last:
			at.Severity = Attention // not there yet, or lost: then the loader's own check says so
			complete = false
			v.compare(at, "events", strconv.FormatUint(l.last, 10), strconv.FormatUint(have, 10))
		case have > l.last || sum != wanted:
			complete = false
			v.compare(at, "events and sum of sequences", fmt.Sprintf("%d, %d", l.last, wanted), fmt.Sprintf("%d, %d", have, sum))
		}
	}
	return complete, nil
}

// ledgerStandings adds up the commissions, and under partner 0 the orders on which nobody earns.
func (v *verification) ledgerStandings(ctx context.Context) (map[standing]figures, error) {
	rows, err := v.tx.Query(ctx, verifyStandings)
	if err != nil {
		return nil, fmt.Errorf("adding up commissions: %w", err)
	}
	defer rows.Close()
	all := make(map[standing]figures)
	for rows.Next() {
		key, f, err := scanStanding(rows)
		if err != nil {
			return nil, err
		}
		all[key] = f
	}
	return all, rows.Err()
}

// reportStandings adds up what ClickHouse has.
func (v *verification) reportStandings(ctx context.Context, lanes []sentLane) (map[standing]figures, error) {
	conditions := []string{"false"} // before an engine has run there are no lanes
	for _, l := range lanes {
		conditions = append(conditions, "("+l.selects()+")")
	}
	rows, err := v.Reports.Query(ctx, `
SELECT merchant_id, partner_id, role, unit, currency, NOT further AS leads, toInt64(sum(orders)), sum(revenue), sum(refunded), sum(gross), sum(net), sum(fee),
       sum(pending), sum(payable), sum(fee_pending), sum(fee_earned)
  FROM ledger WHERE `+strings.Join(conditions, " OR ")+` GROUP BY merchant_id, partner_id, role, unit, currency, leads`)
	if err != nil {
		return nil, fmt.Errorf("adding up the reports: %w", err)
	}
	defer func() { _ = rows.Close() }()
	all := make(map[standing]figures)
	for rows.Next() {
		key, f, err := scanStanding(rows)
		if err != nil {
			return nil, err
		}
		all[key] = f
	}
	return all, rows.Err()
}

// scanner is a row of either database.
type scanner interface{ Scan(targets ...any) error }

func scanStanding(row scanner) (standing, figures, error) {
	var key standing
	var f figures
	targets := []any{&key.merchant, &key.partner, &key.role, &key.unit, &key.currency, &key.leads}
	for i := range f {
		targets = append(targets, &f[i])
	}
	if err := row.Scan(targets...); err != nil {
		return key, f, fmt.Errorf("reading sums: %w", err)
	}
	return key, f, nil
}
