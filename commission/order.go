package commission

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"tributary/internal/event"
	"tributary/partners/program"
)

// Order is everything known about one order, folded from its events. Its strings share the events' memory. Amounts are
// minor units of the order's currency.
type Order struct {
	Merchant program.MerchantID `json:"merchant"`
	// ID is the merchant's own id of the order.
	ID string `json:"id"`
	// At is when the order was placed, UTC, whole microseconds; zero until the sale itself is known.
	At time.Time `json:"at,omitzero"`
	// Received is when a tracker received the report of the sale.
	Received time.Time `json:"received_at,omitzero"`
	// Imported says that an operator brought the sale in: its times are taken as stated.
	Imported bool `json:"imported,omitempty"`
	// Late says that the sale was reported more than event.LateAfter after it was placed.
	Late     bool   `json:"late,omitempty"`
	Currency string `json:"currency,omitempty"`
	// ClickID, Coupon and Customer are what the sale named, or empty. A decision lists them among its touches.
	ClickID  string `json:"-"`
	Coupon   string `json:"-"`
	Customer string `json:"-"`
	// Lines are in the order of their numbers.
	Lines []Line `json:"lines,omitempty"`
	// Amount and Refunded are the sums of the lines.
	Amount   int64 `json:"amount"`
	Refunded int64 `json:"refunded,omitempty"`
	// OverRefund is the sum of Excess in the order's currency, at most money.MaxAmount.
	OverRefund int64 `json:"over_refund,omitempty"`
	// Refunds are in the order in which they were taken: by their time, then by their id.
	Refunds []Refund `json:"refunds,omitempty"`
	// Excess lists what refunds asked for that the order did not have.
	Excess []Excess `json:"excess,omitempty"`
}

// Line is one position of an order.
type Line struct {
	// Number is unique within the order, 1 or more.
	Number   int64  `json:"n"`
	SKU      string `json:"sku,omitempty"`
	Category string `json:"category,omitempty"`
	// Quantity is in pieces, 1 or more.
	Quantity int64 `json:"quantity"`
	// Amount is for all pieces together, and Refunded what has been taken back of it.
	Amount   int64 `json:"amount"`
	Refunded int64 `json:"refunded,omitempty"`

	// What the fold remembers to get Refunded: pieces taken back, and amounts taken back besides.
	pieces, besides int64
}

// Refund is one refund of an order and what it took from the lines.
type Refund struct {
	// ID is the merchant's own id of the refund.
	ID string    `json:"id"`
	At time.Time `json:"at"`
	// Effective is when it changes the books: At, or the time of the sale when that is later. Zero without a sale.
	Effective time.Time `json:"effective,omitzero"`
	// Taken is in the order of taking; it leaves out what took nothing.
	Taken []Taken `json:"taken,omitempty"`
}

// Taken is an amount that a refund took from a line.
type Taken struct {
	Line   int64 `json:"n"`
	Amount int64 `json:"amount"`
}

// Excess is what a refund asked for beyond what was left: nothing is posted for it, and the merchant is shown it.
type Excess struct {
	// Refund is the id of the refund.
	Refund string `json:"refund"`
	// Line and SKU are as the refund named them; neither for an amount of the order as a whole.
	Line int64  `json:"n,omitempty"`
	SKU  string `json:"sku,omitempty"`
	// Quantity is in pieces, 0 when the excess is one of amount only.
	Quantity int64 `json:"quantity,omitempty"`
	// Amount is in minor units; 0 for pieces of a line that the order does not have, whose price nobody knows.
	Amount int64 `json:"amount,omitempty"`
	// Currency is set where it is not the order's.
	Currency string       `json:"currency,omitempty"`
	Reason   ExcessReason `json:"reason"`
}

// ExcessReason is the stable code of why a refund, or part of one, took nothing.
type ExcessReason string

// The reasons.
const (
	// NothingLeft is more than was left of the line or of the order.
	NothingLeft ExcessReason = "nothing_left"
	// NoSuchLine is a line or a SKU that the order does not have.
	NoSuchLine ExcessReason = "no_such_line"
	// FreePieces is pieces of a SKU with lines that cost something, of which only those that cost nothing were left.
	FreePieces ExcessReason = "free_pieces"
	// OtherCurrency is a refund in another currency than the order's.
	OtherCurrency ExcessReason = "other_currency"
)

// Placed reports whether the sale itself is known, and not only refunds of it.
func (o *Order) Placed() bool { return !o.At.IsZero() }

// Clicks are the ids of the clicks that the order names, of which Decide wants to know all: none while the sale is not
// known, and at most one after it.
func (o *Order) Clicks() []string {
	if !o.Placed() || o.ClickID == "" {
		return nil
	}
	return []string{o.ClickID}
}

// line finds a line by its number.
func (o *Order) line(number int64) (index int, found bool) {
	return slices.BinarySearchFunc(o.Lines, number, func(l Line, n int64) int { return cmp.Compare(l.Number, n) })
}

// Fold folds the events of one order, sales and refunds, in the order in which its lane has taken them, with any number of
// copies. Of several events of one fact (there is one sale; a refund has an id) the first stands. Refunds are taken by their
// time, those of one time by their id, so the order of different facts changes nothing. It fails on what Check refuses, on
// events of different orders and on none at all.
func Fold(events []*event.Event) (Order, error) {
	if len(events) == 0 {
		return Order{}, errors.New("folding an order: there are no events")
	}
	for _, e := range events {
		if err := Check(e); err != nil {
			return Order{}, err
		}
	}
	first := events[0].Fact()
	for _, e := range events[1:] {
		if f := e.Fact(); f.Merchant != first.Merchant || f.Order != first.Order {
			return Order{}, fmt.Errorf("folding an order: events of order %q of merchant %d and of order %q of merchant %d",
				first.Order, first.Merchant, f.Order, f.Merchant)
		}
	}
	if len(events) > 1 {
		events = firsts(events)
	}
	o := Order{Merchant: program.MerchantID(first.Merchant), ID: first.Order}
	if sale := events[0].GetSale(); sale != nil {
		o.place(sale, events[0])
		events = events[1:]
	}
	o.refund(events)
	return o, nil
}

// firsts gives the event that stands of each fact: the sale first, then the refunds as they are taken.
func firsts(events []*event.Event) []*event.Event {
	facts := slices.Clone(events)
	slices.SortStableFunc(facts, compareFacts)
	facts = slices.CompactFunc(facts, func(a, b *event.Event) bool { return compareFacts(a, b) == 0 })
	slices.SortStableFunc(facts, func(a, b *event.Event) int {
		if a.Fact().Kind == event.KindRefund && b.Fact().Kind == event.KindRefund {
			return cmp.Compare(a.GetOccurredAt(), b.GetOccurredAt())
		}
		return compareFacts(a, b)
	})
	return facts
}

// compareFacts sorts the events of one order by the facts that they report: the sale before the refunds, and these by id.
func compareFacts(a, b *event.Event) int {
	f, g := a.Fact(), b.Fact()
	return cmp.Or(cmp.Compare(f.Kind, g.Kind), cmp.Compare(f.Ref, g.Ref))
}

// place enters the sale.
func (o *Order) place(s *event.Sale, e *event.Event) {
	o.At, o.Received, o.Imported = event.Time(e.GetOccurredAt()), event.Time(e.GetReceivedAt()), e.GetImported()
	o.Late = !o.Imported && o.Received.Sub(o.At) > event.LateAfter
	o.Currency = s.GetCurrency()
	o.ClickID, o.Coupon, o.Customer = s.GetClickId(), s.GetCoupon(), s.GetCustomerId()
	o.Lines = make([]Line, len(s.GetLines()))
	for i, l := range s.GetLines() {
		o.Lines[i] = Line{
			Number: l.GetNumber(), SKU: l.GetSku(), Category: l.GetCategory(),
			Quantity: l.GetQuantity(), Amount: l.GetAmount(),
		}
		o.Amount += l.GetAmount()
	}
	slices.SortFunc(o.Lines, func(a, b Line) int { return cmp.Compare(a.Number, b.Number) })
}
