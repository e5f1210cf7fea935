package engine

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/commission/evidence"
	"tributary/internal/event"
	"tributary/internal/stream"
)

// pageSize is how many orders are verified at a time.
const pageSize = 500

// stored is an order as the tables have it.
type stored struct {
	order

	lane                         int16
	occurredAt, receivedAt       *time.Time
	late                         bool
	oddities                     int32
	currency                     *string
	lines                        int32
	amount, refunded, overRefund int64
	customer, outcome            string
	numbered                     []posted
	facts                        int

	// unreadable is why the record cannot be read, unfolded why the events cannot be folded.
	unreadable, unfolded error
}

// posted names a posting within its order.
type posted struct {
	version int32
	n       int16
}

const ordersPage = `
SELECT no, version, merchant_id, order_id, lane, occurred_at, currency, lines, amount, refunded, over_refund, customer_id, outcome, decision::text,
       received_at, late, refund_oddities, released_until
  FROM orders WHERE no > $1 ORDER BY no LIMIT $2`

// orders verifies every order: that what stands of it follows from its events.
func (v *verification) orders(ctx context.Context) error {
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
func (v *verification) page(ctx context.Context, after int64) ([]*stored, error) {
	rows, err := v.tx.Query(ctx, ordersPage, after, pageSize)
	if err != nil {
		return nil, err
	}
	page, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*stored, error) {
		o := &stored{}
		var released *time.Time
		err := row.Scan(&o.no, &o.version, &o.key.merchant, &o.key.id, &o.lane, &o.occurredAt, &o.currency, &o.lines, &o.amount,
			&o.refunded, &o.overRefund, &o.customer, &o.outcome, &o.record, &o.receivedAt, &o.late, &o.oddities, &released)
		o.released = orZero(released)
		return o, err
	})
	if err != nil || len(page) == 0 {
		return nil, err
	}
	numbers := make([]int64, len(page))
	byNo := make(map[int64]*stored, len(page))
	orders := make(map[int64]*order, len(page))
	for i, o := range page {
		numbers[i] = o.no
		byNo[o.no], orders[o.no] = o, &o.order
	}
	batch := &pgx.Batch{}
	batch.Queue(verifyEvents, numbers).Query(func(rows pgx.Rows) error { return v.events(rows, byNo) })
	batch.Queue(earningsOf, numbers).Query(func(rows pgx.Rows) error { return scanEarnings(rows, orders) })
	batch.Queue(verifyPosted, numbers).Query(func(rows pgx.Rows) error { return v.postings(rows, byNo) })
	if err := v.tx.SendBatch(ctx, batch).Close(); err != nil {
		return nil, err
	}
	return page, v.resolve(ctx, page)
}

// resolve reads the records of orders, folds their events, and looks up their clicks.
func (v *verification) resolve(ctx context.Context, page []*stored) error {
	asked := make([]evidence.Order, len(page))
	for i, o := range page {
		asked[i] = evidence.Order{Folded: &o.folded, Recorded: &o.recorded}
		if o.recorded, o.unreadable = v.Forms.Read(o.record); len(o.events) > 0 {
			o.folded, o.unfolded = commission.Fold(o.events)
		}
	}
	candidates, err := evidence.Network{Programs: v.programs, VerifyClick: v.VerifyClick}.Resolve(ctx, v.tx, asked)
	for i := range candidates {
		page[i].candidates = candidates[i]
	}
	return err
}

//go:embed query/verify_events.sql
var verifyEvents string

//go:embed query/verify_posted.sql
var verifyPosted string

// eventRow is a row of order_event.
type eventRow struct {
	no                 int64
	key                factKey
	id, hash, payload  []byte
	occurred, received time.Time
	apiKey             int64
	prefix             string
	imported           bool
}

// events reads the orders' events.
func (v *verification) events(rows pgx.Rows, byNo map[int64]*stored) error {
	var e eventRow
	_, err := pgx.ForEachRow(rows, []any{&e.no, &e.key.kind, &e.key.ref, &e.id, &e.occurred, &e.received, &e.hash, &e.payload, &e.apiKey, &e.prefix, &e.imported}, func() error {
		v.event(byNo[e.no], &e)
		return nil
	})
	return err
}

// event compares the columns of an event with the bytes that it holds, and adds it to its order.
func (v *verification) event(o *stored, e *eventRow) {
	v.verdict.Events++
	o.facts++
	f := read(stream.Record{Partition: int(o.lane), Value: e.payload}, v.Partitions)
	at := Finding{Check: "event", Table: "order_event", Key: fmt.Sprintf("(%d, %d, %q)", e.no, e.key.kind, e.key.ref)}
	if f.unreadable != nil {
		at.Column, at.Want, at.Have = "payload", "an event of this order", f.unreadable.Error()
		v.find(at)
		return
	}
	v.compare(at, "order_no", fmt.Sprintf("%d/%s", f.order.merchant, f.order.id), fmt.Sprintf("%d/%s", o.key.merchant, o.key.id))
	v.compare(at, "ref", fmt.Sprintf("%d %q", f.key.kind, f.key.ref), fmt.Sprintf("%d %q", e.key.kind, e.key.ref))
	v.compare(at, "event_id", hex.EncodeToString(f.event.GetId()), hex.EncodeToString(e.id))
	v.compare(at, "occurred_at", show(event.Time(f.event.GetOccurredAt())), show(e.occurred))
	v.compare(at, "received_at", show(event.Time(f.event.GetReceivedAt())), show(e.received))
	v.compare(at, "content_hash", hex.EncodeToString(f.hash), hex.EncodeToString(e.hash))
	v.compare(at, "api_key_id, ip_prefix, imported",
		fmt.Sprintf("%d, %q, %t", f.event.GetApiKeyId(), f.event.GetIpPrefix(), f.event.GetImported()), fmt.Sprintf("%d, %q, %t", e.apiKey, e.prefix, e.imported))
	o.order.events = append(o.order.events, f.event)
}

// postings reads the orders' postings.
func (v *verification) postings(rows pgx.Rows, byNo map[int64]*stored) error {
	var no int64
	var p posted
	var m commission.Movement
	_, err := pgx.ForEachRow(rows, []any{&no, &p.version, &p.n, &m.Debit, &m.Credit, &m.Merchant, &m.Partner, &m.Unit, &m.Amount, &m.At}, func() error {
		v.verdict.Postings++
		m.At = m.At.UTC()
		byNo[no].posted = append(byNo[no].posted, m)
		byNo[no].numbered = append(byNo[no].numbered, p)
		return nil
	})
	return err
}

// order verifies one order.
func (v *verification) order(o *stored) {
	v.verdict.Orders++
	at := Finding{Check: "order", Table: "orders", Key: fmt.Sprintf("%d (merchant %d, %q)", o.no, o.key.merchant, o.key.id)}
	v.compare(at, "lane", strconv.Itoa(event.Lane(event.OrderKey(o.key.merchant, o.key.id), v.Partitions)), strconv.Itoa(int(o.lane)))
	v.numbering(o)
	if len(o.events) == 0 {
		if o.facts == 0 {
			at.Want, at.Have = "events that it is folded from", "none"
			v.find(at)
		}
		return
	}
	recorded, err := v.decide(at, o)
	if err != nil {
		v.undecided(at, err)
		return
	}
	v.columns(at, o, recorded)
	desired := o.decided.Movements(o.released)
	for _, m := range commission.Difference(o.posted, desired) {
		v.misposted(o, m, desired)
	}
	v.earnings(o)
}

// decide decides the order again, and gives what its record says: nil when that cannot be read, which it takes down.
func (v *verification) decide(at Finding, o *stored) (*commission.Decision, error) {
	recorded := &o.recorded
	switch newer := (*commission.NewerError)(nil); {
	case errors.As(o.unreadable, &newer):
		return nil, o.unreadable
	case o.unreadable != nil:
		recorded = nil
		at := at
		at.Column, at.Want, at.Have = "decision", "the record of a decision", o.unreadable.Error()
		v.find(at)
	}
	if o.unfolded != nil {
		return nil, o.unfolded
	}
	v.withhold(at, o)
	var err error
	o.decided, err = commission.Decide(o.folded, o.candidates)
	return recorded, err
}

// withhold leaves the clicks of an order as they were when its record was written: the engine decides an order again with a
// click key that was missing at its next start, or nobody who holds the key has asked it to yet.
func (v *verification) withhold(at Finding, o *stored) {
	for i := range o.candidates {
		click := &o.candidates[i].Click
		if click.Refused == commission.UnknownClickKey || !slices.Contains(o.recorded.Keyless(), click.ID) {
			continue
		}
		at.Severity = Attention
		v.compare(at, "outcome", "decided with the click key that was missing: start the engines with it", o.outcome)
		o.candidates[i] = commission.Candidate{Click: commission.Click{ID: click.ID, Refused: commission.UnknownClickKey}}
	}
}

// undecided takes down that an order cannot be decided: because a later version has to, or because of its events.
func (v *verification) undecided(at Finding, err error) {
	at.Want, at.Have = "events of one order", err.Error()
	if newer := (*commission.NewerError)(nil); errors.As(err, &newer) {
		at.Severity, at.Want = Attention, "what this version knows"
	}
	v.find(at)
}

// numbering verifies that the order's postings are numbered without holes under versions that the order has had.
func (v *verification) numbering(o *stored) {
	for i, p := range o.numbered {
		at := Finding{Check: "versions", Table: "posting", Key: fmt.Sprintf("(1, %d, %d, %d)", o.no, p.version, p.n)}
		want := posted{p.version, 0}
		if i > 0 && o.numbered[i-1].version == p.version {
			want.n = o.numbered[i-1].n + 1
		}
		v.compare(at, "n", strconv.Itoa(int(want.n)), strconv.Itoa(int(p.n)))
		if p.version < 1 || p.version > o.version {
			at.Column, at.Want, at.Have = "version", fmt.Sprintf("1 to %d", o.version), strconv.Itoa(int(p.version))
			v.find(at)
		}
	}
}

// columns compares the row of an order with its fold, and its record with its decision: the bytes of one in the present
// form, and all that matters of one in an earlier form.
func (v *verification) columns(at Finding, o *stored, recorded *commission.Decision) {
	d := &o.decided.Order
	placed, received, currency := "none", "none", "none"
	if d.Placed() {
		placed, received, currency = show(d.At), show(d.Received), d.Currency
	}
	has := func(t *time.Time) string {
		if t == nil {
			return "none"
		}
		return show(*t)
	}
	text := func(s *string) string {
		if s == nil {
			return "none"
		}
		return *s
	}
	v.compare(at, "occurred_at", placed, has(o.occurredAt))
	v.compare(at, "received_at", received, has(o.receivedAt))
	v.compare(at, "late", strconv.FormatBool(d.Late), strconv.FormatBool(o.late))
	v.amount(at, "refund_oddities", int64(len(d.Excess)), int64(o.oddities))
	v.compare(at, "currency", currency, text(o.currency))
	v.amount(at, "lines", int64(len(d.Lines)), int64(o.lines))
	v.amount(at, "amount", d.Amount, o.amount)
	v.amount(at, "refunded", d.Refunded, o.refunded)
	v.amount(at, "over_refund", d.OverRefund, o.overRefund)
	v.compare(at, "customer_id", d.Customer, o.customer)
	v.compare(at, "outcome", string(o.decided.Outcome), o.outcome)
	if recorded == nil {
		return
	}
	if form, err := commission.FormOf(o.record); err == nil && form != v.Forms.Current() {
		for _, c := range commission.Contradictions(recorded, &o.decided) {
			v.compare(at, "decision, "+c.What, c.Decided, c.Recorded)
		}
		return
	}
	if want := v.Forms.Append(nil, &o.decided); !bytes.Equal(want, o.record) {
		v.compare(at, "decision", string(want), string(o.record))
	}
}

// misposted reports an amount that is missing at one time and pair of accounts, or too much.
func (v *verification) misposted(o *stored, missing commission.Movement, desired []commission.Movement) {
	at := func(all []commission.Movement) int64 {
		sum := int64(0)
		for _, m := range all {
			switch {
			case !m.At.Equal(missing.At) || m.Partner != missing.Partner || m.Merchant != missing.Merchant || m.Unit != missing.Unit:
			case m.Debit == missing.Debit && m.Credit == missing.Credit:
				sum += m.Amount
			case m.Debit == missing.Credit && m.Credit == missing.Debit:
				sum -= m.Amount
			}
		}
		return sum
	}
	want, have := at(desired), at(o.posted)
	if want < 0 || want == 0 && have < 0 { // told in the direction in which it goes
		want, have = -want, -have
		missing.Debit, missing.Credit = missing.Credit, missing.Debit
	}
	v.find(Finding{
		Check: "postings follow from events", Table: "posting",
		Key: fmt.Sprintf("of order %d from %s to %s, partner %d, merchant %d, %s, effective %s", o.no, missing.Credit, missing.Debit, missing.Partner,
			missing.Merchant, missing.Unit, show(missing.At)),
		Column: "amount", Want: strconv.FormatInt(want, 10), Have: strconv.FormatInt(have, 10),
	})
}

// earnings compares the rows of an order's commissions with the decision.
func (v *verification) earnings(o *stored) {
	at := Finding{Check: "commission follows from events", Table: "commission"}
	for i := range o.decided.Credits {
		want := earningOf(&o.decided, i, o.released)
		have := find(o.earnings, want.Earner)
		at.Key = fmt.Sprintf("(%d, %d, %s, %s)", o.no, want.Partner, want.Role, want.Unit)
		if have == nil {
			at.Want, at.Have = fmt.Sprintf("a net of %d %s", want.net, want.Unit), "no row"
			v.find(at)
			at.Want, at.Have = "", ""
			continue
		}
		v.earning(at, &want, have)
	}
	for i := range o.earnings {
		have := &o.earnings[i]
		if slices.ContainsFunc(o.decided.Credits, func(c commission.Credit) bool { return c.Earner() == have.Earner }) {
			continue
		}
		at.Key = fmt.Sprintf("(%d, %d, %s, %s)", o.no, have.Partner, have.Role, have.Unit)
		none := have.gone()
		v.earning(at, &none, have)
	}
}

func (v *verification) earning(at Finding, want, have *earning) {
	for _, c := range [...]struct {
		column     string
		want, have int64
	}{
		{"program_id", int64(want.program), int64(have.program)},
		{"link_id", int64(want.link), int64(have.link)},
		{"lines", int64(want.lines), int64(have.lines)},
		{"revenue", want.revenue, have.revenue},
		{"refunded", want.refunded, have.refunded},
		{"gross", want.gross, have.gross},
		{"net", want.net, have.net},
		{"fee", want.fee, have.fee},
		{"pending", want.pending, have.pending},
		{"payable", want.payable, have.payable},
		{"held", want.held, have.held},
		{"paid", want.paid, have.paid},
	} {
		v.amount(at, c.column, c.want, c.have)
	}
	v.compare(at, "currency", want.currency, have.currency)
	v.compare(at, "leads, counts", fmt.Sprintf("%t, %t", want.leads, want.counts), fmt.Sprintf("%t, %t", have.leads, have.counts))
	v.compare(at, "occurred_at", show(want.occurredAt), show(have.occurredAt))
	v.compare(at, "hold_until", show(want.holdUntil), show(have.holdUntil))
	v.compare(at, "state", string(want.state), string(have.state))
}

// compare takes down that two values differ.
func (v *verification) compare(at Finding, column, want, have string) {
	if want != have {
		at.Column, at.Want, at.Have = column, want, have
		v.find(at)
	}
}

func (v *verification) amount(at Finding, column string, want, have int64) {
	if want != have {
		v.compare(at, column, strconv.FormatInt(want, 10), strconv.FormatInt(have, 10))
	}
}

func show(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
