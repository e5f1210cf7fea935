package audit

import (
	"context"
	_ "embed"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/commission/evidence"
	"tributary/commission/period"
	"tributary/internal/event"
)

// pageSize is how many orders are verified at a time.
const pageSize = 500

// order is an order as the tables have it, and what follows from its events.
type order struct {
	no       int64
	merchant int64
	keys     event.KeyKind
	id       string
	version  int32
	// released is up to when holds have ended on the order; zero where none has.
	released time.Time
	record   []byte // of the last decision
	earnings []commission.Earning
	posted   []commission.Movement
	events   []*event.Event
	said     commission.Said

	lane                         int16
	occurredAt, receivedAt       *time.Time
	late                         bool
	oddities                     int32
	currency                     *string
	lines                        int32
	amount, refunded, overRefund int64
	customer, outcome, goal      string
	numbered                     []posted
	facts                        int

	folded   commission.Order
	recorded commission.Decision
	evidence commission.Evidence
	decided  commission.Decision

	// seen is the order as the customer fold is to have it, nil where nobody asks, and stored as it has it.
	seen, stored *commission.Seen
	// nudged says that an engine is about to decide the order again.
	nudged bool

	// unreadable is why the record cannot be read, unfolded why the events cannot be folded.
	unreadable, unfolded error
}

// posted names a posting within its order.
type posted struct {
	version int32
	n       int16
}

//go:embed query/events.sql
var eventsOf string

//go:embed query/reviews.sql
var reviewsOf string

//go:embed query/earnings.sql
var earningsOf string

//go:embed query/posted.sql
var postedOf string

const ordersPage = `
SELECT no, version, merchant_id, order_id, lane, occurred_at, currency, lines, amount, refunded, over_refund, customer_id, outcome, decision::text,
       received_at, late, refund_oddities, released_until, keys, goal
  FROM orders WHERE no > $1 ORDER BY no LIMIT $2`

// ofOrders checks the source order: that what stands of every order, its postings among it, follows from its events.
func (v *Verification) ofOrders(ctx context.Context) error {
	for _, check := range []func(context.Context) error{v.orders, v.strays, v.commissions} {
		if err := check(ctx); err != nil {
			return err
		}
	}
	return nil
}

// orders verifies every order.
func (v *Verification) orders(ctx context.Context) error {
	v.counted, v.disputed = map[cellKey]period.Sums{}, map[figuresKey]int64{}
	for last := int64(0); ; {
		page, err := v.page(ctx, last)
		if err != nil {
			return fmt.Errorf("checking orders after %d: %w", last, err)
		}
		if len(page) == 0 {
			return nil
		}
		for _, o := range page {
			v.order(o)
		}
		last = page[len(page)-1].no
	}
}

// page reads the next orders with all that belongs to them.
func (v *Verification) page(ctx context.Context, after int64) ([]*order, error) {
	rows, err := v.Tx.Query(ctx, ordersPage, after, pageSize)
	if err != nil {
		return nil, err
	}
	page, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*order, error) {
		o := &order{}
		var released *time.Time
		err := row.Scan(&o.no, &o.version, &o.merchant, &o.id, &o.lane, &o.occurredAt, &o.currency, &o.lines, &o.amount,
			&o.refunded, &o.overRefund, &o.customer, &o.outcome, &o.record, &o.receivedAt, &o.late, &o.oddities, &released, &o.keys, &o.goal)
		if released != nil {
			o.released = released.UTC()
		}
		return o, err
	})
	if err != nil || len(page) == 0 {
		return nil, err
	}
	numbers, keys := make([]int64, len(page)), make([][]byte, len(page))
	byNo := make(map[int64]*order, len(page))
	for i, o := range page {
		numbers[i], keys[i], byNo[o.no] = o.no, o.keys.Key(o.merchant, o.id), o
	}
	batch := &pgx.Batch{}
	batch.Queue(eventsOf, numbers).Query(func(rows pgx.Rows) error { return v.events(rows, byNo) })
	batch.Queue(reviewsOf, numbers, keys).Query(func(rows pgx.Rows) error { return v.reviewed(rows, byNo) })
	batch.Queue(earningsOf, numbers).Query(func(rows pgx.Rows) error { return v.earned(rows, byNo) })
	batch.Queue(postedOf, numbers).Query(func(rows pgx.Rows) error { return v.posted(rows, byNo) })
	if err := v.Tx.SendBatch(ctx, batch).Close(); err != nil {
		return nil, err
	}
	return page, v.resolve(ctx, page)
}

// resolve reads the records of orders, folds their events, and looks up their evidence.
func (v *Verification) resolve(ctx context.Context, page []*order) error {
	asked := make([]evidence.Order, len(page))
	for i, o := range page {
		asked[i] = evidence.Order{Folded: &o.folded, Recorded: &o.recorded}
		if o.recorded, o.unreadable = v.Forms.Read(o.record); len(o.events) > 0 {
			o.folded, o.unfolded = commission.Fold(o.events, o.said)
		}
	}
	network := evidence.Network{Programs: v.programs, Rates: v.rates, VerifyClick: v.VerifyClick}
	resolved, err := network.Resolve(ctx, v.Tx, asked)
	if err != nil {
		return err
	}
	for i := range resolved {
		page[i].evidence = resolved[i]
	}
	if err := v.uses(ctx, page); err != nil {
		return err
	}
	if err := v.customers(ctx, network, page); err != nil {
		return err
	}
	return v.nudged(ctx, page)
}

// order verifies one order.
func (v *Verification) order(o *order) {
	v.verdict.Orders++
	at := Finding{Check: "order", Table: "orders", Key: fmt.Sprintf("%d (merchant %d, %q)", o.no, o.merchant, o.id)}
	v.Compare(at, "lane", strconv.Itoa(event.Lane(o.keys.Key(o.merchant, o.id), v.Partitions)), strconv.Itoa(int(o.lane)))
	v.numbering(o)
	v.counts(o)
	if len(o.events) == 0 {
		if o.facts == 0 {
			at.Want, at.Have = "events that it is folded from", "none"
			v.Find(at)
		}
		return
	}
	recorded, err := v.decide(at, o)
	if err != nil {
		v.undecided(at, err)
		return
	}
	v.seenAs(o)
	switch {
	case !o.nudged:
		v.columns(at, o)
		v.record(at, o, recorded)
	case recorded == nil:
		return
	default: // by what it is decided has changed since: its money is still as the record says
		o.decided = *recorded
	}
	v.postings(o)
	v.earnings(o)
	v.disputedFees(o)
}
