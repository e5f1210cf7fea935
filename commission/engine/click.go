package engine

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/commission/evidence"
	"tributary/internal/event"
	"tributary/internal/fault/inject"
	"tributary/internal/pgcopy"
	"tributary/internal/postgres"
)

// How a click id is used follows from all orders that name it, which are in as many lanes. An order's transaction writes what the
// fold is to have of it, and that the click id is to be looked at; who holds the click id's lane works out how it had been used
// with each (sweepClicks), and has those decided again that this makes a sign of. So the result never depends on arrival.

// use is an order as the fold of the click id that it names is to have it from this transaction on.
type use struct {
	evidence.Use

	// stored is what is written of it, nil for nothing, and changed says that it is to be written.
	stored  *evidence.Use
	changed bool
}

// uses gives orders of merchants whose terms look at it how their click ids had been used, as far as that is worked out.
func (e *Engine) uses(ctx context.Context, tx pgx.Tx, orders []*order) error {
	var asking []*order
	var known []int64
	for _, o := range orders {
		if e.programs.CountsClicks(o.folded.Merchant, o.folded.At) {
			if asking = append(asking, o); o.known {
				known = append(known, o.no)
			}
		}
	}
	stored := map[int64]evidence.Use{}
	if len(known) > 0 {
		var err error
		if stored, err = evidence.Uses(ctx, tx, known); err != nil {
			return err
		}
	}
	for _, o := range asking {
		used, names := commission.UsedBy(&o.folded)
		before, is := stored[o.no]
		if !names && !is {
			continue
		}
		o.use = &use{Use: evidence.Use{Used: used, Click: evidence.Click{Merchant: o.folded.Merchant, ID: o.folded.ClickID}}, changed: !is}
		o.use.No = o.no
		if is {
			o.use.stored = &before
			if !names { // another report stands, which does not name it
				o.use.Use, o.use.Void = before, true
			}
			o.use.Used.Use = before.Used.Use
			o.use.changed = !o.use.SameFacts(&before.Used) || o.use.Click != before.Click
		}
		o.evidence.Use = o.use.Used.Use
	}
	return nil
}

const (
	copyUses          = `COPY click_use (order_no, merchant_id, click_id, at, ref, customer_id, void, use) FROM STDIN BINARY`
	copyTouchedClicks = `COPY click_touched (lane, merchant_id, click_id, at, ref) FROM STDIN BINARY`
	updateUse         = `UPDATE click_use SET click_id = $2, at = $3, ref = $4, customer_id = $5, void = $6 WHERE order_no = $1`
)

// writeUses writes what the fold of click ids is to have of orders, and that these are to be looked at.
func (e *Engine) writeUses(ctx context.Context, tx pgx.Tx, orders []*order, buf *rows) error {
	buf.uses.Reset(8)
	buf.clicks.Reset(5)
	batch := &pgx.Batch{}
	for _, o := range orders {
		u := o.use
		if u == nil || !u.changed {
			continue
		}
		touchClick(&buf.clicks, &u.Use, e.cfg.Partitions)
		if u.stored != nil {
			touchClick(&buf.clicks, u.stored, e.cfg.Partitions)
			batch.Queue(updateUse, o.no, u.Click.ID, u.At, u.Ref, u.Customer, u.Void)
			continue
		}
		buf.uses.Row()
		buf.uses.Int8(o.no)
		buf.uses.Int8(int64(u.Click.Merchant))
		buf.uses.Text(u.Click.ID)
		buf.uses.Time(u.At)
		buf.uses.Text(u.Ref)
		buf.uses.Text(u.Customer)
		buf.uses.Bool(u.Void)
		buf.uses.Bytes(asJSON(&commission.Use{}))
	}
	if err := buf.uses.Send(ctx, tx, copyUses); err != nil {
		return fmt.Errorf("writing how click ids are used: %w", err)
	}
	if batch.Len() > 0 {
		if err := tx.SendBatch(ctx, batch).Close(); err != nil {
			return fmt.Errorf("changing how %d click ids are used: %w", batch.Len(), err)
		}
	}
	if err := buf.clicks.Send(ctx, tx, copyTouchedClicks); err != nil {
		return fmt.Errorf("writing which click ids to look at: %w", err)
	}
	return nil
}

func touchClick(r *pgcopy.Rows, u *evidence.Use, partitions int) {
	r.Row()
	r.Int4(int32(u.Click.Lane(partitions)))
	r.Int8(int64(u.Click.Merchant))
	r.Text(u.Click.ID)
	r.Time(u.At)
	r.Text(u.Ref)
}

// takeClicks takes what has changed in the orders of click ids of a lane. What is not committed yet stays for the next look.
const takeClicks = `
WITH taken AS (DELETE FROM click_touched WHERE no IN (SELECT no FROM click_touched WHERE lane = $1 ORDER BY no LIMIT $2) RETURNING merchant_id, click_id, at, ref)
SELECT merchant_id, click_id, at, ref FROM taken ORDER BY merchant_id, click_id, at, ref`

// sweepClicks works out how click ids of the lane had been used with their orders, from the first on that something has changed at,
// and nudges those that were decided by another use.
func (l *lane) sweepClicks(ctx context.Context) (more bool, err error) {
	var waits bool
	err = l.cfg.DB.QueryRow(ctx, `SELECT EXISTS (SELECT FROM click_touched WHERE lane = $1)`, l.held.Partition).Scan(&waits)
	if err != nil || !waits {
		return false, err
	}
	err = postgres.InTx(ctx, l.cfg.DB, func(tx pgx.Tx) error {
		return guard(func() error {
			if _, err := l.held.Lock(ctx, tx); err != nil {
				return err
			}
			rows, err := tx.Query(ctx, takeClicks, l.held.Partition, sweepTouched)
			if err != nil {
				return err
			}
			touched, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (u evidence.Use, err error) {
				err = row.Scan(&u.Click.Merchant, &u.Click.ID, &u.At, &u.Ref)
				u.At = u.At.UTC()
				return u, err
			})
			if err != nil || len(touched) == 0 {
				return err
			}
			left, err := l.refreshUses(ctx, tx, touched)
			more = left || len(touched) == sweepTouched
			inject.Reach(inject.EngineBeforeCommit)
			return err
		})
	})
	if err != nil {
		return false, fmt.Errorf("working out how click ids are used: %w", err)
	}
	return more, nil
}

// refreshUses works the uses of click ids out from the first of their touched places on, which are sorted. It reports whether some
// click id has further orders to look at.
func (l *lane) refreshUses(ctx context.Context, tx pgx.Tx, touched []evidence.Use) (left bool, err error) {
	var first, last []evidence.Use // the places of each click id
	for _, u := range touched {
		if n := len(first); n > 0 && first[n-1].Click == u.Click {
			last[n-1] = u
			continue
		}
		first, last = append(first, u), append(last, u)
	}
	all, err := evidence.UsesFrom(ctx, tx, first, sweepOrders)
	if err != nil {
		return false, err
	}
	var found useColumns
	l.buf.clicks.Reset(5)
	for i := range first {
		orders := all[i]
		var prev *commission.Used
		if len(orders) > 0 && orders[0].Compare(&first[i].Used) < 0 {
			prev, orders = &orders[0], orders[1:]
		}
		if commission.RefreshUses(prev, orders, &last[i].Used, func(u *commission.Used, signs bool) { found.add(l.Engine, first[i].Click, u, signs) }) || len(orders) < sweepOrders {
			continue
		}
		left = true
		at := evidence.Use{Used: orders[len(orders)-1], Click: first[i].Click}
		touchClick(&l.buf.clicks, &at, l.cfg.Partitions)
		if at.Compare(&last[i].Used) < 0 {
			touchClick(&l.buf.clicks, &last[i], l.cfg.Partitions)
		}
	}
	if err := l.buf.clicks.Send(ctx, tx, copyTouchedClicks); err != nil {
		return false, fmt.Errorf("writing which click ids to look at: %w", err)
	}
	return left, found.write(ctx, tx)
}

// useColumns are orders whose use has changed, column by column, and of those the ones to be decided again.
type useColumns struct {
	no     []int64
	use    []string
	lane   []int
	nudged []int64
}

func (c *useColumns) add(e *Engine, click evidence.Click, u *commission.Used, signs bool) {
	c.no, c.use = append(c.no, u.No), append(c.use, string(asJSON(&u.Use)))
	if signs {
		c.lane = append(c.lane, event.Lane(event.OrderKey(int64(click.Merchant), u.Ref), e.cfg.Partitions))
		c.nudged = append(c.nudged, u.No)
	}
}

func (c *useColumns) write(ctx context.Context, tx pgx.Tx) error {
	if len(c.no) == 0 {
		return nil
	}
	batch := &pgx.Batch{}
	batch.Queue(`UPDATE click_use u SET use = n.use::json FROM unnest($1::bigint[], $2::text[]) n (no, use) WHERE u.order_no = n.no`, c.no, c.use)
	batch.Queue(insertNudges, c.lane, c.nudged)
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("changing how %d click ids were used: %w", len(c.no), err)
	}
	return nil
}
