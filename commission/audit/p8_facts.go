package audit

// P8: the books can be rebuilt from the events, and come out identical.

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/commission/evidence"
	"tributary/commission/inbox"
	"tributary/internal/event"
)

// eventRow is a row of order_event.
type eventRow struct {
	no                 int64
	kind               event.Kind
	ref                string
	id, hash, payload  []byte
	occurred, received time.Time
	apiKey             int64
	prefix             string
	imported           bool
}

// events reads the orders' events.
func (v *Verification) events(rows pgx.Rows, byNo map[int64]*order) error {
	var e eventRow
	_, err := pgx.ForEachRow(rows, []any{&e.no, &e.kind, &e.ref, &e.id, &e.occurred, &e.received, &e.hash, &e.payload, &e.apiKey, &e.prefix, &e.imported}, func() error {
		v.event(byNo[e.no], &e)
		return nil
	})
	return err
}

// event compares the columns of an event with the bytes that it holds, and adds it to its order.
func (v *Verification) event(o *order, e *eventRow) {
	v.verdict.Events++
	o.facts++
	at := Finding{Check: "event", Table: "order_event", Key: fmt.Sprintf("(%d, %d, %q)", e.no, e.kind, e.ref)}
	said, err := v.decode(o, e.payload)
	if err != nil {
		at.Column, at.Want, at.Have = "payload", "an event of this order", err.Error()
		v.Find(at)
		return
	}
	fact := said.Fact()
	if e.kind == event.KindAddition && fact.Kind.IsSale() {
		fact.Kind, fact.Ref = event.KindAddition, event.AdditionRef(said.Content())
		if len(o.events) == 0 || !commission.Adds(o.events[0], said) {
			v.Compare(at, "kind", "an addition to the order's sale", "none of it")
		}
	}
	v.Compare(at, "order_no", fmt.Sprintf("%d/%d/%s", fact.Merchant, fact.Keys, fact.Order), fmt.Sprintf("%d/%d/%s", o.merchant, o.keys, o.id))
	v.Compare(at, "ref", fmt.Sprintf("%d %q", fact.Kind, fact.Ref), fmt.Sprintf("%d %q", e.kind, e.ref))
	v.Compare(at, "event_id", hex.EncodeToString(said.GetId()), hex.EncodeToString(e.id))
	v.Compare(at, "occurred_at", show(event.Time(said.GetOccurredAt())), show(e.occurred))
	v.Compare(at, "received_at", show(event.Time(said.GetReceivedAt())), show(e.received))
	v.Compare(at, "content_hash", hex.EncodeToString(said.Content()), hex.EncodeToString(e.hash))
	v.Compare(at, "api_key_id, ip_prefix, imported",
		fmt.Sprintf("%d, %q, %t", said.GetApiKeyId(), said.GetIpPrefix(), said.GetImported()), fmt.Sprintf("%d, %q, %t", e.apiKey, e.prefix, e.imported))
	o.events = append(o.events, said)
}

// reviewed reads what people decided about the orders.
func (v *Verification) reviewed(rows pgx.Rows, byNo map[int64]*order) error {
	var no int64
	var said inbox.Row
	var reported []byte
	_, err := pgx.ForEachRow(rows, []any{&no, &said.Kind, &said.Ref, &said.At, &said.Side, &said.Content, &said.Key, &reported}, func() error {
		if err := evidence.Hear(&byNo[no].said, &said, reported); err != nil {
			v.Find(Finding{
				Check: "review", Table: "inbox", Key: fmt.Sprintf("(%d, %q)", no, said.Ref), Column: "content", Want: "a " + string(said.Kind) + " of this order", Have: err.Error(),
			})
		}
		return nil
	})
	return err
}

// decode reads an event of an order.
func (v *Verification) decode(o *order, payload []byte) (*event.Event, error) {
	e, err := event.Decode(payload)
	if err != nil {
		return nil, err
	}
	if err := commission.Check(e); err != nil {
		return nil, err
	}
	if lane := event.Lane(e.Fact().Key(), v.Partitions); lane != int(o.lane) {
		return nil, fmt.Errorf("it belongs to partition %d, not %d", lane, o.lane)
	}
	return e, nil
}

// columns compares the row of an order with its fold.
func (v *Verification) columns(at Finding, o *order) {
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
	v.Compare(at, "occurred_at", placed, has(o.occurredAt))
	v.Compare(at, "received_at", received, has(o.receivedAt))
	v.Compare(at, "late", strconv.FormatBool(d.Late), strconv.FormatBool(o.late))
	v.CompareAmounts(at, "refund_oddities", int64(len(d.Excess)), int64(o.oddities))
	v.Compare(at, "currency", currency, text(o.currency))
	v.CompareAmounts(at, "lines", int64(len(d.Lines)), int64(o.lines))
	v.CompareAmounts(at, "amount", d.Amount, o.amount)
	v.CompareAmounts(at, "refunded", d.Refunded, o.refunded)
	v.CompareAmounts(at, "over_refund", d.OverRefund, o.overRefund)
	v.Compare(at, "customer_id", d.Customer, o.customer)
	v.Compare(at, "outcome", string(o.decided.Outcome), o.outcome)
	v.Compare(at, "goal", d.Goal, o.goal)
}
