package commission

import (
	"time"

	"tributary/internal/event"
	"tributary/partners"
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
	// Kind is "click", "coupon" or "customer".
	Kind string `json:"kind"`
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

// The kinds of touch.
const (
	TouchClick    = "click"
	TouchCoupon   = "coupon"
	TouchCustomer = "customer"
)

// offer is what the catalogue knows of the link that was clicked and the terms it leads to; nil where it does not.
type offer struct {
	link    *partners.Link
	program *partners.Program
	partner *partners.Partner
	terms   *program.Terms
}

// find looks up everything that hangs on a link. Programs and partners are never deleted, so a link without them is as
// unknown as one that does not exist.
func find(network *partners.Catalogue, id program.LinkID, at time.Time) offer {
	var f offer
	link, ok := network.Link(id)
	if !ok {
		return f
	}
	program, ok := network.Program(link.Program)
	if !ok {
		return f
	}
	partner, ok := network.Partner(link.Partner)
	if !ok {
		return f
	}
	f = offer{link: link, program: program, partner: partner}
	if terms, ok := program.TermsAt(at); ok {
		f.terms = terms
	}
	return f
}

// attribute judges the order's touches, the click first: the last click before the order earns, and the click id that
// the order carries is the last one that the shop saw. A closed link still earns for the clicks it had.
//
// event.ClickAge says how old a click was.
func attribute(o *Order, click Click, found offer) []Touch {
	if !o.Placed() {
		return nil
	}
	touches := make([]Touch, 0, 3)
	if o.ClickID != "" {
		touches = append(touches, clickTouch(o, click, found))
	}
	if o.Coupon != "" {
		touches = append(touches, Touch{Kind: TouchCoupon, ID: o.Coupon, Reason: CouponNotCredited})
	}
	if o.Customer != "" {
		touches = append(touches, Touch{Kind: TouchCustomer, ID: o.Customer, Reason: CustomerNotCredited})
	}
	return touches
}

// clickTouch judges the click.
func clickTouch(o *Order, click Click, found offer) Touch {
	t := Touch{Kind: TouchClick, ID: o.ClickID, Reason: click.Refused}
	if click.Refused != "" {
		return t
	}
	t.At, t.Link = click.At, click.Link
	t.AgeMillis, t.Clock = event.ClickAge(click.At, o.At, o.Received, o.Imported)
	if found.link == nil {
		t.Reason = UnknownLink
		return t
	}
	if found.link.Merchant != o.Merchant {
		// The other merchant's program and partner are none of this one's business.
		t.Reason = LinkOfAnotherMerchant
		return t
	}
	t.Program, t.Partner = found.link.Program, found.link.Partner
	if found.terms != nil {
		t.WindowSeconds = int64(found.terms.Window / time.Second)
	}
	switch {
	case t.AgeMillis < 0:
		t.Reason = ClickAfterOrder
	case found.terms == nil:
		t.Reason = NoTermsInForce
	case t.AgeMillis > found.terms.Window.Milliseconds():
		t.Reason = OutsideWindow
	case !found.program.Takes(o.Currency):
		t.Reason = CurrencyNotInProgram
	default:
		t.Reason, t.Won = Credited, true
	}
	return t
}
