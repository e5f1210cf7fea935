package tracker

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"

	"tributary/internal/event"
	"tributary/internal/money"
	"tributary/partners"
)

// RefundReport is what a merchant takes back of an order: the items, or an amount spread over what is left of it, or with
// neither all of it.
type RefundReport struct {
	OrderID string
	// RefundID is the refund's own id, unique within the order.
	RefundID string
	Items    []RefundItem
	// Amount is 0 for none, in minor units of the order's currency.
	Amount int64
	Reason string
	// OccurredAt is zero when the merchant does not say.
	OccurredAt time.Time

	// EventID is minted when it is zero.
	EventID uuid.UUID
}

// RefundItem takes back pieces or an amount of one line, or of the lines of one SKU; with neither, all of it.
type RefundItem struct {
	Line     int64
	SKU      string
	Quantity int64
	Amount   int64
}

// Refund checks a merchant's report of a refund, stores it and waits until it is durable, as Sale does. The order need not
// be known yet.
func (in *Intake) Refund(ctx context.Context, merchant partners.MerchantID, report *RefundReport) (*Receipt, error) {
	return in.refund(ctx, merchant, report, &review{})
}

func (in *Intake) refund(ctx context.Context, merchant partners.MerchantID, report *RefundReport, r *review) (*Receipt, error) {
	now := in.now()
	report.check(r)
	r.checkTime(report.OccurredAt, now)
	if len(r.problems) > 0 {
		return nil, invalid("invalid_refund", "The refund", r)
	}
	e, receipt := in.refundEvent(merchant, report, now)
	return receipt, in.store(ctx, in.orderLane(merchant, report.OrderID), e)
}

// Refund appends a refund whose time may be any, as an operator's import brings it.
func (b *Bulk) Refund(ctx context.Context, merchant partners.MerchantID, report *RefundReport) (*Receipt, error) {
	r := &review{}
	if report.check(r); len(r.problems) > 0 {
		return nil, invalid("invalid_refund", "The refund", r)
	}
	e, receipt := b.in.refundEvent(merchant, report, b.in.now())
	e.Imported = true
	return receipt, b.store(ctx, b.in.orderLane(merchant, report.OrderID), e)
}

// check notes everything that is wrong with a report.
func (f *RefundReport) check(r *review) {
	f.OrderID = r.need(place{name: "order_id"}, f.OrderID, "send the id under which the order was reported")
	f.RefundID = r.need(place{name: "refund_id"}, f.RefundID, "send the refund's own id, 1 to 128 bytes, so that a repetition is recognised")
	f.Reason = r.settle(place{name: "reason"}, f.Reason, maxReason)
	f.OccurredAt = f.OccurredAt.Truncate(time.Microsecond)
	amount := place{name: "amount"}
	switch {
	case f.Amount < 0 || f.Amount > money.MaxAmount:
		r.note(amount, fmt.Sprintf("%d is not within 0 and %d", f.Amount, int64(money.MaxAmount)), "send minor units")
	case f.Amount > 0 && len(f.Items) > 0:
		r.note(amount, "there are items too", "send either; report the other one as a refund of its own")
	}
	for i := range f.Items {
		f.Items[i].check(r, i)
	}
}

func (f *RefundItem) check(r *review, index int) {
	at := func(name string) place { return place{list: "items", index: index, name: name} }
	f.SKU = r.settle(at("sku"), f.SKU, maxID)
	if (f.Line != 0) == (f.SKU != "") && !r.flagged(at("line")) && !r.flagged(at("sku")) && !r.flagged(at("")) {
		problem := "it names neither a line nor a sku"
		if f.Line != 0 {
			problem = "it names a line and a sku"
		}
		r.note(at(""), problem, "name the line's number or the sku of the lines")
	}
	if f.Quantity != 0 && f.Amount != 0 {
		r.note(at(""), "it has a quantity and an amount", "send either, or neither for all of it")
	}
	if f.Line < 0 {
		r.note(at("line"), fmt.Sprintf("%d is below 1", f.Line), "send the line's number")
	}
	if f.Quantity < 0 || f.Quantity > maxQuantity {
		r.note(at("quantity"), fmt.Sprintf("%d is not within 1 and %d", f.Quantity, maxQuantity), "send the number of pieces")
	}
	if f.Amount < 0 || f.Amount > money.MaxAmount {
		r.note(at("amount"), fmt.Sprintf("%d is not within 1 and %d", f.Amount, int64(money.MaxAmount)), "send minor units")
	}
}

// refundEvent makes the event of a report that was checked.
func (in *Intake) refundEvent(merchant partners.MerchantID, f *RefundReport, now time.Time) (*event.Event, *Receipt) {
	refund := &event.Refund{
		MerchantId: int64(merchant), OrderId: f.OrderID, RefundId: f.RefundID, Amount: f.Amount, Reason: f.Reason,
		Items: make([]*event.RefundItem, len(f.Items)),
	}
	for i, item := range f.Items {
		refund.Items[i] = &event.RefundItem{Line: item.Line, Sku: item.SKU, Quantity: item.Quantity, Amount: item.Amount}
	}
	refund.ContentHash = event.RefundHash(refund, statedMicros(f.OccurredAt))
	e := in.orderEvent(f.EventID, f.OccurredAt, now)
	e.Body = &event.Event_Refund{Refund: refund}
	return e, &Receipt{EventID: uuid.UUID(e.GetId()), Content: refund.GetContentHash()}
}

// readRefund reads a body that checkJSON has let through. A merchant with one currency is told amounts in it.
func readRefund(body []byte, r *review, currency string) *RefundReport {
	names := []string{"order_id", "refund_id", "items", "amount", "reason", "occurred_at"}
	v := r.object(place{}, trimSpace(body), names)
	f := &RefundReport{
		OrderID:    r.text(place{name: "order_id"}, v[0]),
		RefundID:   r.text(place{name: "refund_id"}, v[1]),
		Reason:     r.text(place{name: "reason"}, v[4]),
		OccurredAt: r.instant(place{name: "occurred_at"}, v[5]),
	}
	f.Amount, _ = r.amount(place{name: "amount"}, v[3], 1, currency)
	for i, raw := range r.list(place{name: "items"}, v[2]) {
		f.Items = append(f.Items, readRefundItem(raw, r, i, currency))
	}
	return f
}

func readRefundItem(raw []byte, r *review, index int, currency string) RefundItem {
	at := place{list: "items", index: index}
	if raw[0] != '{' {
		r.note(at, "it is not an object", `send {"sku": ..., "quantity": ...}`)
		return RefundItem{}
	}
	v := r.object(at, raw, []string{"line", "sku", "quantity", "amount"})
	at.name = "line"
	item := RefundItem{}
	item.Line, _ = r.integer(at, v[0], 1, math.MaxInt64)
	at.name = "sku"
	item.SKU = r.text(at, v[1])
	at.name = "quantity"
	item.Quantity, _ = r.integer(at, v[2], 1, maxQuantity)
	at.name = "amount"
	item.Amount, _ = r.amount(at, v[3], 1, currency)
	return item
}
