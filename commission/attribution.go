package commission

import (
	"slices"
	"time"

	"tributary/internal/event"
	"tributary/partners/program"
)

// Click is what an order's click id says once it has been verified.
type Click struct {
	// ID is the click id as the order carries it.
	ID   string
	Link program.LinkID
	// At is when the click happened, UTC, in whole milliseconds as a click id holds it.
	At time.Time
	// Refused is why the id says nothing: MalformedClickID, UnknownClickKey or ForgedClickID. Link and At then mean
	// nothing. It is empty for an id that was verified.
	Refused Reason
}

// Touch is something about an order that could earn: its click, its coupon, its customer.
type Touch struct {
	Kind TouchKind `json:"kind"`
	// ID is the click id, the coupon or the customer id, as the order carries it.
	ID     string `json:"id"`
	Won    bool   `json:"won,omitempty"`
	Reason Reason `json:"reason"`
	// The rest is about clicks whose id was verified, as far as it could be found out.

	At time.Time `json:"at,omitzero"`
	// AgeMillis is how old the click was, and Clock by which of the order's times, as event.ClickAge says.
	AgeMillis int64       `json:"age_ms,omitempty"`
	Clock     event.Clock `json:"clock,omitempty"`
	// WindowSeconds is the oldest that the terms let a click be.
	WindowSeconds int64             `json:"window_s,omitempty"`
	Link          program.LinkID    `json:"link,omitempty"`
	Program       program.ProgramID `json:"program,omitempty"`
	Partner       program.PartnerID `json:"partner,omitempty"`
}

// Keyless are the click ids that were refused since their key was not there. The decision is to be made again once it is.
func (d *Decision) Keyless() []string {
	var ids []string
	for _, t := range d.Touches {
		if t.Kind == TouchClick && t.Reason == UnknownClickKey {
			ids = append(ids, t.ID)
		}
	}
	return ids
}

// TouchKind is what sort of touch something is.
type TouchKind string

// The kinds of touch.
const (
	TouchClick    TouchKind = "click"
	TouchCoupon   TouchKind = "coupon"
	TouchCustomer TouchKind = "customer"
)

// Candidate is a touch of an order that may earn, and all that is to be known for that: a click of Order.Clicks, named by
// its id, and the terms in force for its link.
type Candidate struct {
	Kind  TouchKind
	Click Click
	// Link is not looked at where Click is refused.
	Link program.LinkTerms
}

// winner is a candidate that earns.
type winner struct {
	candidate int // its index
	// weight is its part of the sum of all weights; 0 where it takes the whole order.
	weight int64
}

// attribute lists the order's touches, the clicks first, and judges them: of the clicks that may earn the last one does,
// the first listed of those at once. A closed link still earns for the clicks it had. The first touches are those of the
// candidates, in their order. It appends who earns to winners.
//
// event.ClickAge says how old a click was.
func attribute(o *Order, candidates []Candidate, winners []winner) ([]Touch, []winner) {
	touches := make([]Touch, 0, len(candidates)+2)
	won := -1
	for i := range candidates {
		touches = append(touches, candidates[i].judge(o))
		switch {
		case touches[i].Reason != Credited:
		case won < 0:
			won = i
		case touches[i].At.After(touches[won].At):
			touches[won].Reason, won = EarlierTouch, i
		default:
			touches[i].Reason = EarlierTouch
		}
	}
	if won >= 0 {
		touches[won].Won = true
		winners = append(winners, winner{candidate: won})
	}
	for _, coupon := range o.Coupons {
		touches = append(touches, Touch{Kind: TouchCoupon, ID: coupon, Reason: CouponNotCredited})
	}
	if o.Customer != "" {
		touches = append(touches, Touch{Kind: TouchCustomer, ID: o.Customer, Reason: CustomerNotCredited})
	}
	return touches, winners
}

// judge reports whether the candidate's click may earn, apart from the others: then its reason is Credited.
func (c *Candidate) judge(o *Order) Touch {
	click, found := &c.Click, &c.Link
	t := Touch{Kind: c.Kind, ID: click.ID, Reason: click.Refused}
	if click.Refused != "" {
		return t
	}
	t.At, t.Link = click.At, click.Link
	t.AgeMillis, t.Clock = event.ClickAge(click.At, o.At, o.Received, o.Imported)
	if found.Link == 0 {
		t.Reason = UnknownLink
		return t
	}
	if found.Merchant != o.Merchant {
		// The other merchant's program and partner are none of this one's business.
		t.Reason = LinkOfAnotherMerchant
		return t
	}
	t.Program, t.Partner = found.Program, found.Partner
	if found.Terms != nil {
		t.WindowSeconds = int64(found.Terms.Window / time.Second)
	}
	switch {
	case t.AgeMillis < 0:
		t.Reason = ClickAfterOrder
	case found.Terms == nil:
		t.Reason = NoTermsInForce
	case t.AgeMillis > found.Terms.Window.Milliseconds():
		t.Reason = OutsideWindow
	case !slices.Contains(found.Currencies, o.Currency):
		t.Reason = CurrencyNotInProgram
	case o.Goal != "": // the terms pay a part of what was sold
		t.Reason = NoRule
	default:
		t.Reason = Credited
	}
	return t
}
