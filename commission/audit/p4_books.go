package audit

// P4: books balance per currency at every commit.

import (
	"context"
	_ "embed"
	"time"

	"tributary/commission/ledger"
)

// accounts verifies that postings hold the unit of both their accounts, that those belong to one merchant, partner and member,
// and that nothing was posted to an account that does not exist.
func (v *Verification) accounts(ctx context.Context) error {
	return v.Rows(ctx, "postings fit their accounts", Broken, `
SELECT 'posting', format('(%s, %s, %s, %s)', p.source, p.source_no, p.version, p.n), 'debit, credit, unit',
       'two accounts of one owner and of the unit',
       format('account %s (%s) and account %s (%s), %s %s', p.debit, CASE WHEN d.id IS NULL THEN 'none' ELSE format('%s of merchant %s, partner %s, %s', d.kind, d.merchant_id, d.partner_id, d.unit) END,
              p.credit, CASE WHEN c.id IS NULL THEN 'none' ELSE format('%s of merchant %s, partner %s, %s', c.kind, c.merchant_id, c.partner_id, c.unit) END, p.amount, p.unit)
  FROM posting p LEFT JOIN account d ON d.id = p.debit LEFT JOIN account c ON c.id = p.credit
 WHERE d.unit IS DISTINCT FROM p.unit OR c.unit IS DISTINCT FROM p.unit OR p.amount <= 0
    OR d.merchant_id <> c.merchant_id OR d.partner_id <> c.partner_id OR d.customer_no <> c.customer_no LIMIT $1`, v.Limit)
}

// sums verifies that what was posted to each account fits 64 bits: beyond that its balance cannot be read.
func (v *Verification) sums(ctx context.Context) error {
	return v.Rows(ctx, "sums fit", Broken, `
SELECT 'account', a.id::text, side, 'at most 9223372036854775807', total::text
  FROM account a CROSS JOIN LATERAL (SELECT 'debits' AS side, sum(amount) AS total FROM posting WHERE debit = a.id
       UNION ALL SELECT 'credits', sum(amount) FROM posting WHERE credit = a.id) s
 WHERE total > 9223372036854775807 LIMIT $1`, v.Limit)
}

// trialBalance verifies that debits equal credits in every unit, by the balances as everybody reads them.
func (v *Verification) trialBalance(ctx context.Context) error {
	totals, err := ledger.TrialBalance(ctx, v.Tx, time.Time{})
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
		v.CompareAmounts(Finding{Check: "books balance", Table: "account", Key: "all of " + unit}, "credits", s.debits, s.credits)
	}
	return nil
}

//go:embed query/checkpoints.sql
var checkpointsSQL string

// checkpoints verifies each checkpoint against the one before it and the postings in between.
func (v *Verification) checkpoints(ctx context.Context) error {
	return v.Rows(ctx, "checkpoints equal sums", Broken, checkpointsSQL, v.Limit)
}
