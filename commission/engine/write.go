package engine

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/commission/ledger"
	"tributary/commission/period"
	"tributary/internal/event"
	"tributary/internal/pgcopy"
)

//go:embed query/update_orders.sql
var updateOrders string

//go:embed query/upsert_commissions.sql
var upsertCommissions string

//go:embed query/conflicts.sql
var insertConflicts string

const (
	copyOrders = `COPY orders (no, merchant_id, order_id, lane, version, occurred_at, currency, lines, amount, refunded, customer_id,
		outcome, over_refund, decision, received_at, late, refund_oddities, released_until, keys, goal) FROM STDIN BINARY`
	copyEvents = `COPY order_event (order_no, kind, ref, event_id, occurred_at, received_at, content_hash, payload, api_key_id, ip_prefix,
		imported) FROM STDIN BINARY`

	copyCommissions = `COPY commission (order_no, partner_id, role, unit, merchant_id, program_id, link_id, lane, leads, counts, occurred_at,
		currency, lines, revenue, refunded, gross, net, fee, hold_until, state, pending, payable, held, released) FROM STDIN BINARY`
)

// rows are the buffers of one transaction, reused by the next.
type rows struct {
	orders, events, commissions pgcopy.Rows
	deltas                      pgcopy.Rows
	counted                     []period.Contribution
	seen, touched, wanted       pgcopy.Rows
	uses, clicks                pgcopy.Rows
	postings                    []ledger.Posting
	record                      []byte
}

// write writes what follows for the orders of a lane, all but the postings' accounts in bulk: new rows by COPY, changes
// by one UPDATE a table.
func (e *Engine) write(ctx context.Context, tx pgx.Tx, lane int, orders []*order, buf *rows) error {
	buf.orders.Reset(20)
	buf.events.Reset(11)
	buf.commissions.Reset(24)
	buf.postings, buf.counted = buf.postings[:0], buf.counted[:0]
	var changed orderColumns
	var earned commissionColumns
	for _, o := range orders {
		for _, f := range o.fresh {
			copyEvent(&buf.events, o.no, f)
		}
		buf.postings = o.appendPostings(buf.postings)
		buf.counted = append(buf.counted, o.counted...)
		buf.record = e.cfg.Forms.Append(buf.record[:0], &o.decided)
		if o.known {
			changed.add(o, buf.record)
			earned.add(o, lane)
			continue
		}
		copyOrder(&buf.orders, o, lane, buf.record)
		for i := range o.paying {
			copyCommission(&buf.commissions, o, lane, &o.paying[i])
		}
	}
	if err := buf.orders.Send(ctx, tx, copyOrders); err != nil {
		return fmt.Errorf("writing new orders: %w", err)
	}
	if err := buf.events.Send(ctx, tx, copyEvents); err != nil {
		return fmt.Errorf("writing order events: %w", err)
	}
	if err := buf.commissions.Send(ctx, tx, copyCommissions); err != nil {
		return fmt.Errorf("writing new commissions: %w", err)
	}
	if err := e.writeDeltas(ctx, tx, buf.counted, &buf.deltas); err != nil {
		return err
	}
	if err := e.books.Post(ctx, tx, buf.postings); err != nil {
		return err
	}
	if err := e.writeSeen(ctx, tx, orders, buf); err != nil {
		return err
	}
	if err := e.writeUses(ctx, tx, orders, buf); err != nil {
		return err
	}
	if err := askForPaths(ctx, tx, lane, orders, buf); err != nil {
		return err
	}
	if len(changed.no) == 0 {
		return nil
	}
	batch := &pgx.Batch{}
	changed.queue(batch)
	earned.queue(batch)
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("writing %d changed orders: %w", len(changed.no), err)
	}
	return nil
}

func copyOrder(r *pgcopy.Rows, o *order, lane int, record []byte) {
	d := &o.decided.Order
	r.Row()
	r.Int8(o.no)
	r.Int8(o.key.merchant)
	r.Text(o.key.id)
	r.Int2(int16(lane))
	r.Int4(o.version)
	if d.Placed() {
		r.Time(d.At)
		r.Text(d.Currency)
	} else {
		r.Null()
		r.Null()
	}
	r.Int4(int32(len(d.Lines)))
	r.Int8(d.Amount)
	r.Int8(d.Refunded)
	r.Text(d.Customer)
	r.Text(string(o.decided.Outcome))
	r.Int8(d.OverRefund)
	r.Bytes(record)
	if d.Placed() {
		r.Time(d.Received)
	} else {
		r.Null()
	}
	r.Bool(d.Late)
	r.Int4(int32(len(d.Excess)))
	if o.released.IsZero() {
		r.Null()
	} else {
		r.Time(o.released)
	}
	r.Int2(int16(o.key.keys))
	r.Text(d.Goal)
}

func copyEvent(r *pgcopy.Rows, no int64, f *fact) {
	r.Row()
	r.Int8(no)
	r.Int2(int16(f.key.kind))
	r.Text(f.key.ref)
	r.Bytes(f.event.GetId())
	r.Time(event.Time(f.event.GetOccurredAt()))
	r.Time(event.Time(f.event.GetReceivedAt()))
	r.Bytes(f.hash)
	r.Bytes(f.record.Value)
	r.Int8(f.event.GetApiKeyId())
	r.Text(f.event.GetIpPrefix())
	r.Bool(f.event.GetImported())
}

func copyCommission(r *pgcopy.Rows, o *order, lane int, c *commission.Earning) {
	r.Row()
	r.Int8(o.no)
	r.Int8(int64(c.Partner))
	r.Text(c.Role.String())
	r.Text(c.Unit)
	r.Int8(o.key.merchant)
	r.Int8(int64(c.Program))
	r.Int8(int64(c.Link))
	r.Int2(int16(lane))
	r.Bool(c.Leads)
	r.Bool(c.Counts)
	r.Time(c.OrderedAt)
	r.Text(c.Currency)
	r.Int4(int32(c.Lines))
	r.Int8(c.Revenue)
	r.Int8(c.Refunded)
	r.Int8(c.Gross)
	r.Int8(c.Net)
	r.Int8(c.Fee)
	r.Time(c.HoldUntil)
	r.Text(string(c.State))
	r.Int8(c.Pending)
	r.Int8(c.Payable)
	r.Int8(c.Held)
	r.Bool(c.Released)
}

// orderColumns are the changed orders, column by column.
type orderColumns struct {
	no                           []int64
	version                      []int32
	occurredAt, receivedAt       []*time.Time
	released                     []*time.Time
	currency                     []*string
	lines, oddities              []int32
	late                         []bool
	amount, refunded, overRefund []int64
	customer, outcome, decision  []string
	goal                         []string
}

func (c *orderColumns) add(o *order, record []byte) {
	d := &o.decided.Order
	var at, received *time.Time
	var currency *string
	if d.Placed() {
		at, received, currency = &d.At, &d.Received, &d.Currency
	}
	c.no = append(c.no, o.no)
	c.version = append(c.version, o.version)
	c.occurredAt = append(c.occurredAt, at)
	c.receivedAt = append(c.receivedAt, received)
	c.late = append(c.late, d.Late)
	c.oddities = append(c.oddities, int32(len(d.Excess)))
	c.currency = append(c.currency, currency)
	c.lines = append(c.lines, int32(len(d.Lines)))
	c.amount = append(c.amount, d.Amount)
	c.refunded = append(c.refunded, d.Refunded)
	c.overRefund = append(c.overRefund, d.OverRefund)
	c.customer = append(c.customer, d.Customer)
	c.goal = append(c.goal, d.Goal)
	c.outcome = append(c.outcome, string(o.decided.Outcome))
	c.decision = append(c.decision, string(record))
	var released *time.Time
	if !o.released.IsZero() {
		released = &o.released
	}
	c.released = append(c.released, released)
}

func (c *orderColumns) queue(batch *pgx.Batch) {
	batch.Queue(updateOrders, c.no, c.version, c.occurredAt, c.currency, c.lines, c.amount, c.refunded, c.customer, c.outcome,
		c.overRefund, c.decision, c.receivedAt, c.late, c.oddities, c.released, c.goal)
}

// commissionColumns are the changed commissions, column by column.
type commissionColumns struct {
	order, partner, merchant, program, link                    []int64
	lane                                                       []int16
	occurredAt, holdUntil                                      []time.Time
	role, unit, currency, state                                []string
	leads, counts, released                                    []bool
	lines                                                      []int32
	revenue, refunded, gross, net, fee, pending, payable, held []int64
}

func (c *commissionColumns) add(o *order, lane int) {
	for i := range o.paying {
		e := &o.paying[i]
		c.order = append(c.order, o.no)
		c.partner = append(c.partner, int64(e.Partner))
		c.role = append(c.role, e.Role.String())
		c.unit = append(c.unit, e.Unit)
		c.leads = append(c.leads, e.Leads)
		c.counts = append(c.counts, e.Counts)
		c.released = append(c.released, e.Released)
		c.merchant = append(c.merchant, o.key.merchant)
		c.program = append(c.program, int64(e.Program))
		c.link = append(c.link, int64(e.Link))
		c.lane = append(c.lane, int16(lane))
		c.occurredAt = append(c.occurredAt, e.OrderedAt)
		c.currency = append(c.currency, e.Currency)
		c.lines = append(c.lines, int32(e.Lines))
		c.revenue = append(c.revenue, e.Revenue)
		c.refunded = append(c.refunded, e.Refunded)
		c.gross = append(c.gross, e.Gross)
		c.net = append(c.net, e.Net)
		c.fee = append(c.fee, e.Fee)
		c.holdUntil = append(c.holdUntil, e.HoldUntil)
		c.state = append(c.state, string(e.State))
		c.pending = append(c.pending, e.Pending)
		c.payable = append(c.payable, e.Payable)
		c.held = append(c.held, e.Held)
	}
}

func (c *commissionColumns) queue(batch *pgx.Batch) {
	if len(c.order) == 0 {
		return
	}
	batch.Queue(upsertCommissions, c.order, c.partner, c.merchant, c.program, c.link, c.lane, c.occurredAt, c.currency, c.lines,
		c.revenue, c.refunded, c.gross, c.net, c.fee, c.holdUntil, c.state, c.pending, c.payable,
		c.role, c.unit, c.leads, c.counts, c.released, c.held)
}
