package tracker

import (
	"context"
	"time"

	"github.com/google/uuid"

	"tributary/internal/event"
	"tributary/internal/money"
	"tributary/internal/text"
	"tributary/partners/program"
)

// RefundReport is what a merchant takes back of an order: items, or an amount spread over what is left of it, or the whole
// order. It says just one of the three, so that nothing left out, or lost on the way, can mean everything.
type RefundReport struct {
	OrderID string
	// RefundID is the refund's own id, unique within the order.
	RefundID string
	Items    []RefundItem
	// Amount is 0 for none, in minor units of the order's currency.
	Amount     int64
	WholeOrder bool
	// Currency is empty when the merchant does not say; an order in another one loses nothing by the refund.
	Currency string
	// Shipping is minor units of the order's delivery that go back, beside the rest or alone.
	Shipping int64
	// Test says that the order is a trial.
	Test   bool
	Reason string
	// OccurredAt is zero when the merchant does not say.
	OccurredAt time.Time

	// EventID is minted when it is zero.
	EventID uuid.UUID
	// From is who sent it.
	From Origin
}

// RefundItem takes back pieces, an amount or all that is left of one line or of the lines of one SKU: just one of the three.
type RefundItem struct {
	Line     int64
	SKU      string
	Quantity int64
	Amount   int64
	// WholeLine takes back each line whole.
	WholeLine bool
}

// Refund checks a merchant's report of a refund, stores it and waits until it is durable, as Sale does. The order need not
// be known yet.
func (in *Intake) Refund(ctx context.Context, merchant program.MerchantID, report *RefundReport) (*Receipt, error) {
	return in.refund(ctx, merchant, report, &review{})
}

func (in *Intake) refund(ctx context.Context, merchant program.MerchantID, report *RefundReport, r *review) (*Receipt, error) {
	now := in.now()
	report.check(r, in.catalogue.CurrenciesOf(merchant))
	r.checkTime(report.OccurredAt, now)
	if len(r.problems) > 0 {
		return nil, invalid("invalid_refund", text.DetailInvalidRefund, r)
	}
	e, receipt := in.refundEvent(merchant, report, now)
	return receipt, in.store(ctx, in.orderLane(e), e)
}

// Refund appends a refund whose time may be any, as an operator's import brings it.
func (b *Bulk) Refund(ctx context.Context, merchant program.MerchantID, report *RefundReport) (*Receipt, error) {
	r := &review{}
	if report.check(r, b.in.catalogue.CurrenciesOf(merchant)); len(r.problems) > 0 {
		return nil, invalid("invalid_refund", text.DetailInvalidRefund, r)
	}
	e, receipt := b.in.refundEvent(merchant, report, b.in.now())
	e.Imported = true
	return receipt, b.store(ctx, b.in.orderLane(e), e)
}

// check notes everything that is wrong with a report of a merchant who may sell in the given currencies.
func (f *RefundReport) check(r *review, currencies []string) {
	if f.Currency != "" {
		r.checkCurrency(f.Currency, currencies)
	}
	f.OrderID = r.need(place{name: "order_id"}, f.OrderID, text.FixOrderReported())
	f.RefundID = r.need(place{name: "refund_id"}, f.RefundID, text.FixRefundID())
	f.Reason = r.normalize(place{name: "reason"}, f.Reason, maxReason)
	f.OccurredAt = f.OccurredAt.Truncate(time.Microsecond)
	amount := place{name: "amount"}
	if f.Amount < 0 || f.Amount > money.MaxAmount {
		r.note(amount, outside(f.Amount, 0, money.MaxAmount), text.FixSendMinorUnits())
	}
	f.checkShipping(r)
	alone := f.Shipping != 0 || r.flagged(place{name: "shipping"}) // shipping may be all that goes back
	if !alone || len(f.Items) > 0 || f.Amount != 0 || f.WholeOrder {
		r.choose(amount, place{}, choice{"items", len(f.Items) > 0}, choice{"amount", f.Amount != 0}, choice{"whole_order", f.WholeOrder})
	}
	for i := range f.Items {
		f.Items[i].check(r, i)
	}
}

func (f *RefundItem) check(r *review, index int) {
	at := func(name string) place { return place{list: "items", index: index, name: name} }
	f.SKU = r.normalize(at("sku"), f.SKU, maxID)
	if (f.Line != 0) == (f.SKU != "") && !r.flagged(at("line")) && !r.flagged(at("sku")) && !r.flagged(at("")) {
		problem := text.WrongNoLine()
		if f.Line != 0 {
			problem = text.WrongLineAndSKU()
		}
		r.note(at(""), problem, text.FixLineOrSKU())
	}
	r.choose(at(""), at(""), choice{"quantity", f.Quantity != 0}, choice{"amount", f.Amount != 0}, choice{"whole_line", f.WholeLine})
	if f.Line < 0 {
		r.note(at("line"), text.WrongBelowOne(digits(f.Line)), text.FixSendLineNumber())
	}
	if f.Quantity < 0 || f.Quantity > maxQuantity {
		r.note(at("quantity"), outside(f.Quantity, 1, maxQuantity), text.FixSendPieces())
	}
	if f.Amount < 0 || f.Amount > money.MaxAmount {
		r.note(at("amount"), outside(f.Amount, 1, money.MaxAmount), text.FixSendMinorUnits())
	}
}

// choice is one way to say what comes back.
type choice struct {
	name string
	made bool
}

// choose wants just one of the choices, which are fields within a place, and notes it at another. Where one of them is
// known to be wrong, that is said already.
func (r *review) choose(at, within place, items, amount, all choice) {
	made := make([]string, 0, 3)
	for _, c := range [...]choice{items, amount, all} {
		within.name = c.name
		switch {
		case c.made:
			made = append(made, c.name)
		case r.flagged(within):
			return
		}
	}
	switch len(made) {
	case 0:
		r.note(at, text.WrongNothingBack(), text.FixChoose(items.name, amount.name, all.name))
	case 2:
		r.note(at, text.WrongTwoGiven(made[0], made[1]), text.FixChooseOne(items.name, amount.name, all.name))
	case 3:
		r.note(at, text.WrongThreeGiven(made[0], made[1], made[2]), text.FixChooseOne(items.name, amount.name, all.name))
	}
}

// refundEvent makes the event of a report that was checked.
func (in *Intake) refundEvent(merchant program.MerchantID, f *RefundReport, now time.Time) (*event.Event, *Receipt) {
	refund := &event.Refund{
		MerchantId: int64(merchant), OrderId: f.OrderID, RefundId: f.RefundID, Amount: f.Amount, Currency: f.Currency, Reason: f.Reason,
		WholeOrder: f.WholeOrder, Shipping: f.Shipping, Test: f.Test, Items: make([]*event.RefundItem, len(f.Items)),
	}
	for i, item := range f.Items {
		refund.Items[i] = &event.RefundItem{Line: item.Line, Sku: item.SKU, Quantity: item.Quantity, Amount: item.Amount, WholeLine: item.WholeLine}
	}
	refund.ContentHash = event.RefundHash(refund, statedMicros(f.OccurredAt))
	e := in.orderEvent(f.EventID, f.From, f.OccurredAt, now)
	e.Body = &event.Event_Refund{Refund: refund}
	return e, &Receipt{EventID: uuid.UUID(e.GetId()), ReceivedAt: event.Time(e.GetReceivedAt()), Content: refund.GetContentHash()}
}

// readRefund reads a body that checkJSON has let through. A merchant with one currency is told amounts in it.
func readRefund(body []byte, r *review, currency string) *RefundReport {
	names := []string{"order_id", "refund_id", "items", "amount", "whole_order", "reason", "occurred_at", "currency", "shipping", "test"}
	v := r.object(place{}, trimSpace(body), names)
	f := &RefundReport{
		OrderID:    r.text(place{name: "order_id"}, v[0]),
		RefundID:   r.text(place{name: "refund_id"}, v[1]),
		Reason:     r.text(place{name: "reason"}, v[5]),
		OccurredAt: r.instant(place{name: "occurred_at"}, v[6]),
		WholeOrder: r.truth(place{name: "whole_order"}, v[4]),
		Test:       r.truth(place{name: "test"}, v[9]),
	}
	if stated := (place{name: "currency"}); v[7] != nil && !r.null(stated, v[7]) {
		if f.Currency = r.text(stated, v[7]); f.Currency == "" {
			r.note(stated, text.WrongEmpty(), text.FixOrderCurrency())
		}
		currency = f.Currency
	}
	f.Amount, _ = r.amount(place{name: "amount"}, v[3], currency, backAmount())
	f.Shipping, _ = r.amount(place{name: "shipping"}, v[8], currency, backShipping())
	for i, raw := range r.list(place{name: "items"}, v[2], text.FixNoItems()) {
		f.Items = append(f.Items, readRefundItem(raw, r, i, currency))
	}
	return f
}

func readRefundItem(raw []byte, r *review, index int, currency string) RefundItem {
	at := place{list: "items", index: index}
	if raw[0] != '{' {
		r.note(at, text.WrongNotObject(), text.FixSendLike(`{"sku": ..., "quantity": ...}`))
		return RefundItem{}
	}
	v := r.object(at, raw, []string{"line", "sku", "quantity", "amount", "whole_line"})
	at.name = "line"
	item := RefundItem{}
	item.Line, _ = r.integer(at, v[0], lineNumber())
	at.name = "sku"
	item.SKU = r.text(at, v[1])
	at.name = "quantity"
	item.Quantity, _ = r.integer(at, v[2], backPieces())
	at.name = "amount"
	item.Amount, _ = r.amount(at, v[3], currency, itemAmount())
	at.name = "whole_line"
	item.WholeLine = r.truth(at, v[4])
	return item
}
