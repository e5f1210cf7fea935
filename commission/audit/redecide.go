package audit

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tributary/commission"
	"tributary/commission/evidence"
	"tributary/commission/fx"
	"tributary/partners"
)

// Redecided is what Redecide has done.
type Redecided struct {
	// Orders were looked at, Rewritten are those whose records are now of the present form.
	Orders, Rewritten int64
	// Refused are why records were left as they are: each names the order and what this version decides otherwise, with
	// its line and rule. More counts those left out, Broken those among all that are contradictions.
	Refused []Finding
	More    int
	Broken  int
}

const rewriteRecords = `
UPDATE orders o SET decision = n.decision::json
  FROM unnest($1::bigint[], $2::int[], $3::text[]) n (no, version, decision)
 WHERE o.no = n.no AND o.version = n.version`

// Redecide writes the records of earlier forms in the present one. It decides each such order again, and leaves alone one
// on which it would decide otherwise: a form says the same in other words, and money changes by facts only. Engines may be
// at work meanwhile: a record that one of them writes in between stays. DB of check acts in the operator's role. progress,
// unless nil, is told how many of how many orders were looked at.
func Redecide(ctx context.Context, check Check, progress func(done, total int64)) (*Redecided, error) {
	if progress == nil {
		progress = func(int64, int64) {}
	}
	check.fill(check.Now)
	if err := evidence.Knows(ctx, check.DB, check.Forms); err != nil {
		return nil, err
	}
	var total int64
	if err := check.DB.QueryRow(ctx, `SELECT count(*) FROM orders`).Scan(&total); err != nil {
		return nil, fmt.Errorf("counting orders: %w", err)
	}
	v := &Verification{Check: check, programs: partners.NewPrograms(), rates: fx.NewTable()}
	done := &Redecided{}
	for last, more := int64(0), true; more; {
		n, err := v.rewrite(ctx, &last)
		if err != nil {
			return nil, fmt.Errorf("rewriting records after order %d: %w", last, err)
		}
		more = v.verdict.Orders > done.Orders
		done.Orders, done.Rewritten = v.verdict.Orders, done.Rewritten+n
		progress(done.Orders, max(total, done.Orders))
	}
	done.Refused, done.More, done.Broken = v.verdict.Findings, v.verdict.More, v.verdict.Broken
	return done, nil
}

// rewrite rewrites the records of the next page of orders, moves last on, and tells how many it rewrote.
func (v *Verification) rewrite(ctx context.Context, last *int64) (int64, error) {
	var numbers []int64
	var versions []int32
	var records []string
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, v.DB, options, func(tx pgx.Tx) error {
		v.Tx = tx
		if err := v.refresh(ctx); err != nil {
			return err
		}
		page, err := v.page(ctx, *last)
		if err != nil {
			return err
		}
		for _, o := range page {
			v.verdict.Orders++
			*last = o.no
			if v.rewritable(o) {
				numbers, versions = append(numbers, o.no), append(versions, o.version)
				records = append(records, string(v.Forms.Append(nil, &o.decided)))
			}
		}
		return nil
	})
	if err != nil || len(numbers) == 0 {
		return 0, err
	}
	var tag pgconn.CommandTag
	err = pgx.BeginFunc(ctx, v.DB, func(tx pgx.Tx) (err error) {
		if err = evidence.Enter(ctx, tx, v.Forms); err != nil {
			return err
		}
		tag, err = tx.Exec(ctx, rewriteRecords, numbers, versions, records)
		return err
	})
	return tag.RowsAffected(), err
}

// rewritable decides an order whose record is of an earlier form, and takes down why it is left as it is. One that an engine is
// about to decide again gets the present form by that.
func (v *Verification) rewritable(o *order) bool {
	form, err := commission.FormOf(o.record)
	if err == nil && form == v.Forms.Current() || o.nudged {
		return false
	}
	at := Finding{Check: "record", Table: "orders", Key: fmt.Sprintf("%d (merchant %d, %q)", o.no, o.merchant, o.id)}
	recorded, err := v.decide(at, o)
	if err != nil {
		v.undecided(at, err)
	}
	if err != nil || recorded == nil {
		return false
	}
	different := commission.Contradictions(recorded, &o.decided)
	for _, c := range different {
		v.Compare(at, "decision, "+c.What, c.Decided, c.Recorded)
	}
	return len(different) == 0
}
