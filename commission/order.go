package commission

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sort"
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
	// ClickID, Coupons, ReferralCode, Path and Customer are how the sale's customer came, as far as it said so or an addition
	// did. A decision lists them among its touches. Coupons are each named once, and Path is in the order of time.
	ClickID      string      `json:"-"`
	Coupons      []string    `json:"-"`
	ReferralCode string      `json:"-"`
	Path         []PathTouch `json:"-"`
	Customer     string      `json:"-"`
	// Resolved says that an event has told the path of the click.
	Resolved bool `json:"-"`
	// Claims are those of partners who say that the order is theirs, in the order of time. A decision lists them among its touches.
	Claims []Claim `json:"-"`
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
	// Goal is what the customer did; empty for a sale.
	Goal string `json:"goal,omitempty"`
	// CustomerStatus is new, returning or lapsed as the merchant says, or empty.
	CustomerStatus string `json:"customer_status,omitempty"`
	// Shipping and its tax are beside Amount; ShippingRefunded is what was taken back of Shipping.
	Shipping         int64 `json:"shipping,omitempty"`
	ShippingTax      int64 `json:"shipping_tax,omitempty"`
	ShippingRefunded int64 `json:"shipping_refunded,omitempty"`
	// Country and Device are of the buyer, two letters of ISO 3166-1 and desktop, mobile or tablet. A line's own apply to it
	// before these.
	Country string `json:"country,omitempty"`
	Device  string `json:"device,omitempty"`
	// Metadata are the merchant's own marks.
	Metadata map[string]string `json:"metadata,omitempty"`
	// PathIncomplete says that the row of the order's click was lost, so that nobody knows what came before it.
	PathIncomplete bool `json:"path_incomplete,omitempty"`
	// CartedAt is when the first item went into the cart.
	CartedAt time.Time `json:"carted_at,omitzero"`
	// Clicks are set where the order stands for clicks that are paid for.
	Clicks *Clicks `json:"clicks,omitempty"`
	// Test marks a trial: nobody earns on it, and nothing is posted.
	Test bool `json:"test,omitempty"`
	// Added lists what additions brought, in the order in which they were received. It is a warning sign.
	Added []Added `json:"added,omitempty"`
	// Reviews are what people decided about the order, in the order of time.
	Reviews []Review `json:"reviews,omitempty"`
	// Disputes are those of its customer with their bank, in the order of time. What was lost is among Refunds.
	Disputes []Dispute `json:"disputes,omitempty"`
}

// PathTouch is a visit on the way to an order.
type PathTouch struct {
	ClickID string
	Kind    event.TouchKind
	// At and Link are zero where the click id says them.
	At   time.Time
	Link program.LinkID
	// Marks are those of event.Click.
	Marks uint32
}

// Added is something that an addition brought.
type Added struct {
	// Field is its name in a report, as click_id.
	Field string `json:"field"`
	Value string `json:"value"`
	// At is when the addition was received.
	At time.Time `json:"at"`
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
	// Tax is not in Amount, and Discount was taken off before it.
	Tax      int64 `json:"tax,omitempty"`
	Discount int64 `json:"discount,omitempty"`
	// Part is the commission group.
	Part    string `json:"part,omitempty"`
	Country string `json:"country,omitempty"`
	Device  string `json:"device,omitempty"`

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
	// Taken is in the order of taking; it leaves out what took no money, but for orders under a full document.
	Taken []Taken `json:"taken,omitempty"`
	// Shipping is what it took of the order's shipping.
	Shipping int64 `json:"shipping,omitempty"`
	// Received is when a tracker received the refund, of orders under a full document.
	Received time.Time `json:"received_at,omitzero"`
	// Whole says that it took back the order itself, of an order without lines under a full document.
	Whole bool `json:"whole,omitempty"`
	// Dispute says that it is no refund of the merchant's but a dispute that was lost: ID is the dispute's, At and Received are
	// when it was opened, and Effective is when it was lost. Beyond is what it asked beyond the lines.
	Dispute bool  `json:"dispute,omitempty"`
	Beyond  int64 `json:"beyond,omitempty"`

	// What the fold remembers for full documents: these two, and pieces taken of lines from which there was no amount to take.
	received time.Time
	whole    bool
	free     []Taken
}

// Taken is an amount that a refund took from a line.
type Taken struct {
	Line   int64 `json:"n"`
	Amount int64 `json:"amount"`
	// Pieces are those among it, of orders under a full document.
	Pieces int64 `json:"pieces,omitempty"`

	pieces int64
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
	// Shipping says that the amount was asked of the shipping.
	Shipping bool `json:"shipping,omitempty"`
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

// asStated reports whether the order's times are taken as stated, whenever it was reported.
func (o *Order) asStated() bool { return o.Imported || o.Clicks != nil }

// Placed reports whether the sale itself is known, and not only refunds of it.
func (o *Order) Placed() bool { return !o.At.IsZero() }

// line finds a line by its number.
func (o *Order) line(number int64) (index int, found bool) {
	return sort.Find(len(o.Lines), func(i int) int { return cmp.Compare(number, o.Lines[i].Number) })
}

// Fold folds the events of one order and what people said about it. The events are sales, refunds and paths, in the order in
// which its lane has taken them, with any number of copies. Of several sales the first stands, or the one that a review has put in
// its place, and those that Adds says so add to it; of several refunds with one id the first
// stands. Refunds are taken by their time, those of one time by their id, and additions by their receipt, so the order of
// different facts changes nothing; a dispute that is lost is a refund at the time of that. It fails on what Check refuses, on events of different orders and on none at all.
func Fold(events []*event.Event, said Said) (Order, error) {
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
		if f := e.Fact(); f.Merchant != first.Merchant || f.Order != first.Order || f.Keys != first.Keys {
			return Order{}, fmt.Errorf("folding an order: events of order %q of merchant %d and of order %q of merchant %d",
				first.Order, first.Merchant, f.Order, f.Merchant)
		}
	}
	events, paths := apart(events)
	o := Order{Merchant: program.MerchantID(first.Merchant), ID: first.Order, Test: first.Keys == event.Trial}
	o.Claims, o.Disputes = FoldClaims(said.Claims), FoldDisputes(said.Disputes)
	if len(said.Reviews) > 0 {
		o.Reviews = inOrder(said.Reviews)
		events = replaced(events, o.Reviews)
	}
	var additions []*event.Event
	if len(events) > 1 {
		events, additions = firsts(events)
	}
	if len(events) > 0 && events[0].GetSale() != nil {
		o.place(events[0].GetSale(), events[0])
		events = events[1:]
	}
	if len(additions) > 0 {
		o = addedTo(o, additions)
	}
	if len(paths) > 0 && o.Placed() {
		o.resolve(paths)
	}
	o.refund(events)
	return o, nil
}

// firsts gives the event that stands of each fact: the sale first, then the refunds as they are taken. Of other sales it
// gives the additions.
func firsts(events []*event.Event) (facts, additions []*event.Event) {
	facts = slices.Clone(events)
	slices.SortStableFunc(facts, compareFacts)
	additions = additionsOf(facts)
	facts = slices.CompactFunc(facts, func(a, b *event.Event) bool { return compareFacts(a, b) == 0 })
	slices.SortStableFunc(facts, func(a, b *event.Event) int {
		if a.Fact().Kind == event.KindRefund && b.Fact().Kind == event.KindRefund {
			return cmp.Compare(a.GetOccurredAt(), b.GetOccurredAt())
		}
		return compareFacts(a, b)
	})
	return facts, additions
}

// compareFacts sorts the events of one order by the facts that they report: the sale before the refunds, and these by id.
func compareFacts(a, b *event.Event) int {
	f, g := a.Fact(), b.Fact()
	return cmp.Or(cmp.Compare(f.Kind, g.Kind), cmp.Compare(f.Ref, g.Ref))
}

// place enters the sale.
func (o *Order) place(s *event.Sale, e *event.Event) {
	o.At, o.Received, o.Imported = event.Time(e.GetOccurredAt()), event.Time(e.GetReceivedAt()), e.GetImported()
	o.Clicks = clicksOf(s)
	o.Late = !o.asStated() && o.Received.Sub(o.At) > event.LateAfter
	o.Currency = s.GetCurrency()
	o.came(s)
	o.Goal, o.CustomerStatus = s.GetGoal(), s.GetCustomerStatus()
	o.Shipping, o.ShippingTax = s.GetShipping(), s.GetShippingTax()
	o.Country, o.Device, o.Metadata = s.GetCountry(), s.GetDevice(), s.GetMetadata()
	if at := s.GetCartedAt(); at != 0 {
		o.CartedAt = event.Time(at)
	}
	o.Lines = make([]Line, len(s.GetLines()))
	sorted := true
	for i, said := range s.GetLines() {
		l := &o.Lines[i]
		l.Number, l.SKU, l.Category = said.GetNumber(), said.GetSku(), said.GetCategory()
		l.Quantity, l.Amount, l.Tax, l.Discount = said.GetQuantity(), said.GetAmount(), said.GetTax(), said.GetDiscount()
		l.Part, l.Country, l.Device = said.GetPart(), said.GetCountry(), said.GetDevice()
		o.Amount += l.Amount
		sorted = sorted && (i == 0 || o.Lines[i-1].Number < l.Number)
	}
	if !sorted {
		slices.SortFunc(o.Lines, func(a, b Line) int { return cmp.Compare(a.Number, b.Number) })
	}
}

// came enters how the customer came, as a sale says.
func (o *Order) came(s *event.Sale) {
	o.ClickID, o.ReferralCode, o.Customer = s.GetClickId(), s.GetReferralCode(), s.GetCustomerId()
	o.Coupons, o.Path = couponsOf(s), pathOf(s.GetPath())
}

// couponsOf are the coupons of a sale, each once.
func couponsOf(s *event.Sale) []string {
	if s.GetCoupon() == "" && len(s.GetCoupons()) == 0 {
		return nil
	}
	coupons := make([]string, 0, 1+len(s.GetCoupons()))
	if c := s.GetCoupon(); c != "" {
		coupons = append(coupons, c)
	}
	for _, c := range s.GetCoupons() {
		if c != "" && !slices.Contains(coupons, c) {
			coupons = append(coupons, c)
		}
	}
	return coupons
}

// pathOf is a path as an event has it.
func pathOf(said []*event.Touch) []PathTouch {
	if len(said) == 0 {
		return nil
	}
	path := make([]PathTouch, len(said))
	for i, t := range said {
		path[i] = PathTouch{ClickID: t.GetClickId(), Kind: event.TouchKind(t.GetKind()), Link: program.LinkID(t.GetLinkId()), Marks: t.GetMarks()}
		if at := t.GetAt(); at != 0 {
			path[i].At = event.Time(at)
		}
	}
	return path
}
