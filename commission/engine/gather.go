package engine

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/commission/evidence"
	"tributary/commission/inbox"
	"tributary/internal/event"
)

//go:embed query/orders_by_key.sql
var ordersByKey string

//go:embed query/orders_by_no.sql
var ordersByNo string

//go:embed query/events.sql
var eventsOf string

//go:embed query/reviews.sql
var reviewsOf string

//go:embed query/earnings.sql
var earningsOf string

//go:embed query/posted.sql
var postedOf string

// pinPlans makes the transaction look rows up by index, one by one, planned for the tables as large as they are by now.
// The engine's tables grow by millions of rows between two looks of the statistics: a plan made when they were empty, and
// kept, would find it good to read a table from end to end, or all orders of a merchant. For the same reason the
// statements put each look-up behind OFFSET 0, which no planner turns into another join.
const pinPlans = `
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
       set_config('plan_cache_mode', 'force_custom_plan', true)`

// gather opens the transaction's business: it brings the programs up to date, and gives each key's order, as it stands
// in the database or new. A new order has no number yet.
func (e *Engine) gather(ctx context.Context, tx pgx.Tx, keys []orderKey) ([]*order, error) {
	merchants := make([]int64, len(keys))
	ids := make([]string, len(keys))
	kinds := make([]event.KeyKind, len(keys))
	orders := make([]*order, len(keys))
	for i, k := range keys {
		merchants[i], ids[i], kinds[i] = k.merchant, k.id, k.keys
		orders[i] = &order{key: k}
	}
	var version int64
	var known []*order
	batch := &pgx.Batch{}
	batch.Queue(pinPlans)
	batch.Queue(`SELECT version FROM catalogue`).QueryRow(func(row pgx.Row) error { return row.Scan(&version) })
	if len(keys) > 0 {
		batch.Queue(ordersByKey, merchants, ids, kinds).Query(func(rows pgx.Rows) error {
			var n, no int64
			var v int32
			var decision []byte
			var released *time.Time
			_, err := pgx.ForEachRow(rows, []any{&n, &no, &v, &decision, &released}, func() error {
				o := orders[n-1]
				known = append(known, o)
				o.known, o.no, o.version, o.record, o.released = true, no, v, decision, orZero(released)
				return nil
			})
			return err
		})
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return nil, fmt.Errorf("looking up %d orders: %w", len(keys), err)
	}
	if version != e.programs.Version() {
		if err := e.programs.Refresh(ctx, tx); err != nil {
			return nil, err
		}
	}
	if version != e.rates.Version() {
		if err := e.rates.Refresh(ctx, tx); err != nil {
			return nil, err
		}
	}
	if err := complete(ctx, tx, known); err != nil {
		return nil, err
	}
	return orders, number(ctx, tx, orders)
}

// byNumber gives orders that are known by number.
func (e *Engine) byNumber(ctx context.Context, tx pgx.Tx, numbers []int64) ([]*order, error) {
	if _, err := e.gather(ctx, tx, nil); err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, ordersByNo, numbers)
	if err != nil {
		return nil, fmt.Errorf("reading %d orders: %w", len(numbers), err)
	}
	var orders []*order
	var no int64
	var version int32
	var key orderKey
	var decision []byte
	var released *time.Time
	_, err = pgx.ForEachRow(rows, []any{&no, &version, &key.merchant, &key.keys, &key.id, &decision, &released}, func() error {
		orders = append(orders, &order{key: key, known: true, no: no, version: version, record: decision, released: orZero(released)})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading %d orders: %w", len(numbers), err)
	}
	return orders, complete(ctx, tx, orders)
}

// number gives each new order its number.
func number(ctx context.Context, tx pgx.Tx, orders []*order) error {
	fresh := make([]*order, 0, len(orders))
	for _, o := range orders {
		if !o.known {
			fresh = append(fresh, o)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	rows, err := tx.Query(ctx, `SELECT nextval('order_no') FROM generate_series(1, $1)`, len(fresh))
	if err != nil {
		return fmt.Errorf("numbering %d orders: %w", len(fresh), err)
	}
	n := 0
	var no int64
	_, err = pgx.ForEachRow(rows, []any{&no}, func() error {
		fresh[n].no = no
		n++
		return nil
	})
	if err != nil {
		return fmt.Errorf("numbering %d orders: %w", len(fresh), err)
	}
	return nil
}

// complete reads the events, what people decided, the commissions and the postings of known orders, in one round trip.
func complete(ctx context.Context, tx pgx.Tx, orders []*order) error {
	if len(orders) == 0 {
		return nil
	}
	numbers := make([]int64, len(orders))
	keys := make([][]byte, len(orders))
	byNo := make(map[int64]*order, len(orders))
	for i, o := range orders {
		numbers[i], keys[i] = o.no, o.key.bytes()
		byNo[o.no] = o
	}
	batch := &pgx.Batch{}
	batch.Queue(eventsOf, numbers).Query(func(rows pgx.Rows) error { return scanEvents(rows, byNo) })
	batch.Queue(reviewsOf, numbers, keys).Query(func(rows pgx.Rows) error { return scanSaid(rows, byNo) })
	batch.Queue(earningsOf, numbers).Query(func(rows pgx.Rows) error { return scanEarnings(rows, byNo) })
	batch.Queue(postedOf, numbers).Query(func(rows pgx.Rows) error { return scanPosted(rows, byNo) })
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("reading what is known of %d orders: %w", len(orders), err)
	}
	return nil
}

func scanEvents(rows pgx.Rows, byNo map[int64]*order) error {
	var no int64
	var key factKey
	var hash, payload []byte
	_, err := pgx.ForEachRow(rows, []any{&no, &key.kind, &key.ref, &hash, &payload}, func() error {
		e, err := event.Decode(payload)
		if err != nil {
			return &recordError{cause: fmt.Errorf("order %d: its event of kind %d, %q: %w", no, key.kind, key.ref, err)}
		}
		o := byNo[no]
		o.events = append(o.events, e)
		o.accepted = append(o.accepted, factHash{key, hash})
		if key.kind == event.KindRefund {
			o.refunded += len(payload)
		}
		return nil
	})
	return err
}

func scanSaid(rows pgx.Rows, byNo map[int64]*order) error {
	var no int64
	var said inbox.Row
	var reported []byte
	_, err := pgx.ForEachRow(rows, []any{&no, &said.Kind, &said.Ref, &said.At, &said.Side, &said.Content, &said.Key, &reported}, func() error {
		if err := evidence.Hear(&byNo[no].said, &said, reported); err != nil {
			return &recordError{cause: fmt.Errorf("order %d: its %s %q: %w", no, said.Kind, said.Ref, err)}
		}
		return nil
	})
	return err
}

func scanEarnings(rows pgx.Rows, byNo map[int64]*order) error {
	var no int64
	var c commission.Earning
	var role string
	_, err := pgx.ForEachRow(rows, []any{
		&no, &c.Partner, &role, &c.Unit, &c.Program, &c.Link, &c.OrderedAt, &c.Currency, &c.Lines, &c.Leads, &c.Counts, &c.Revenue, &c.Refunded,
		&c.Gross, &c.Net, &c.Fee, &c.Pending, &c.Payable, &c.Held, &c.Paid, &c.HoldUntil, &c.Released, &c.State,
	}, func() (err error) {
		if c.Role, err = commission.ParseRole(role); err != nil {
			return &recordError{cause: fmt.Errorf("a commission on order %d: %w", no, err)}
		}
		c.OrderedAt, c.HoldUntil = c.OrderedAt.UTC(), c.HoldUntil.UTC()
		byNo[no].earnings = append(byNo[no].earnings, c)
		return nil
	})
	return err
}

// orZero is a time that may be missing.
func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

func scanPosted(rows pgx.Rows, byNo map[int64]*order) error {
	var no int64
	var m commission.Movement
	_, err := pgx.ForEachRow(rows, []any{
		&no, &m.Debit, &m.Credit, &m.Merchant, &m.Partner, &m.Customer, &m.Unit, &m.Amount, &m.At,
	}, func() error {
		m.At = m.At.UTC()
		byNo[no].posted = append(byNo[no].posted, m)
		return nil
	})
	return err
}
