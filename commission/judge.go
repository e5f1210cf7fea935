package commission

import (
	"cmp"
	"slices"
	"time"

	"tributary/internal/event"
	"tributary/partners/program"
)

// judge tells whether a candidate may earn, apart from all others: then its reason is Credited. A closed link still earns for
// the clicks it had. event.ClickAge says how old a visit was. use is of the click id that the order names.
func (c *Candidate) judge(o *Order, use *Use) Touch {
	t := Touch{Kind: c.Kind, ID: c.Code}
	found := &c.Link
	if c.Kind.visits() {
		click := &c.Click
		t.ID, t.Reason = click.ID, click.Refused
		if click.Refused != "" {
			return t
		}
		t.At, t.Link = click.At, click.Link
		t.AgeMillis, t.Clock = event.ClickAge(click.At, o.At, o.Received, o.Imported)
	}
	switch {
	case found.Program == 0:
		t.Reason = cmp.Or(c.Refused, UnknownLink)
	case found.Merchant != o.Merchant:
		// The other merchant's program and partner are none of this one's business.
		t.Reason = LinkOfAnotherMerchant
		if c.Kind.named() {
			t.Reason = CouponOfAnotherMerchant
		}
	default:
		t.Program, t.Partner = found.Program, found.Partner
		if !c.Kind.visits() {
			t.Link = found.Link
		}
		t.Reason = c.underTerms(o, &t)
		t.Signs = c.signs(o, &t, use)
	}
	return t
}

// underTerms tells whether a touch may earn by the terms in force for whose it is.
func (c *Candidate) underTerms(o *Order, t *Touch) Reason {
	terms := c.Link.Terms
	if terms == nil {
		if t.AgeMillis < 0 {
			return ClickAfterOrder
		}
		return NoTermsInForce
	}
	if after := o.Received.UnixMilli() - t.At.UnixMilli(); terms.Rules >= program.Rules3 && t.Clock == event.ReceiptClock && after < 0 {
		t.AgeMillis = after // our own clock knows which came first
	}
	bounds, earns := c.bounds(terms)
	if rank := c.rank(); rank != rankOf(c.Kind) {
		t.Rank = rank
	}
	t.WindowSeconds = int64(time.Duration(bounds.Window) / time.Second)
	switch {
	case t.AgeMillis < 0:
		return ClickAfterOrder
	case !earns:
		return c.notCredited()
	case c.Marks != 0 && (c.Marks&^marksThatAreSigns != 0 || !terms.LooksFor(program.SignMarked)):
		return MarkedClick
	}
	if why := c.ofAge(o, t, &bounds); why != "" {
		return why
	}
	switch {
	case !slices.Contains(c.Link.Currencies, o.Currency):
		return CurrencyNotInProgram
	case terms.Scheme == nil && o.Goal != "": // the terms pay a part of what was sold
		return NoRule
	}
	if why := c.standing(o); why != "" {
		return why
	}
	switch {
	case c.Link.NotAccepted:
		return TermsNotAccepted
	case c.Refused != "":
		return c.Refused
	}
	return Credited
}

// standing tells why the partner's state in the program lets the touch earn nothing, if it does. What was promised when the visitor
// came is kept: the state is that of a visit's own time, and of the order's for everything else. Only a removal for fraud reaches
// orders that come later. Clicks of a day were counted while the partner was in the program.
func (c *Candidate) standing(o *Order) Reason {
	facts := c.Link.Facts
	if len(facts) == 0 {
		return ""
	}
	if program.StateAt(facts, o.At) == program.RemovedForFraud {
		return PartnerRemoved
	}
	touched := o.At
	switch {
	case c.Kind == TouchClicks:
		return ""
	case c.Kind.visits():
		touched = c.Click.At
	}
	switch program.StateAt(facts, touched) {
	case program.Approved:
		return ""
	case program.Paused:
		return PartnerPaused
	case program.Left:
		return PartnerLeft
	case program.RemovedForBreach, program.RemovedForFraud:
		return PartnerRemoved
	case program.Nobody, program.Invited, program.Applied, program.Declined:
	}
	return PartnerNotEnrolled
}

// kind is what a touch counts as: the clicks of a partner who is a browser extension are soft ones, since it was there when
// the customer had come already.
func (c *Candidate) kind() TouchKind {
	if c.Kind == TouchClick && slices.Contains(c.Link.Enrolment.Properties, program.BrowserExtension) {
		return TouchSoft
	}
	return c.Kind
}

// rank is where a touch stands in the table of ranks.
func (c *Candidate) rank() Rank {
	exclusive := c.Exclusive
	if terms := c.Link.Terms; c.Kind == TouchCode && terms != nil && terms.Scheme != nil {
		exclusive = exclusive || terms.Scheme.Document.Attribution.ExclusiveCodes
	}
	if exclusive && c.Kind.named() {
		return RankExclusive
	}
	return rankOf(c.kind())
}

// bounds are what the terms ask of a touch, and whether one of its kind can earn at all.
func (c *Candidate) bounds(terms *program.Terms) (bounds program.Touching, earns bool) {
	switch {
	case c.Kind == TouchClaim:
		return bounds, true
	case terms.Scheme == nil:
		return program.Touching{Window: program.Duration(terms.Window)}, c.kind() == TouchClick
	case c.Kind == TouchClicks:
		_, earns = terms.Scheme.Document.Attribution.Touches.Of(program.TouchClick)
		return bounds, earns
	case c.Kind == TouchCustomer:
		return bounds, terms.Scheme.Document.Attribution.Bind != nil
	}
	return terms.Scheme.Document.Attribution.Touches.Of(string(c.kind()))
}

// notCredited is why a touch earns nothing whose kind the terms do not list.
func (c *Candidate) notCredited() Reason {
	switch c.kind() {
	case TouchClick, TouchClaim, TouchClicks:
		return ClickNotCredited
	case TouchSoft:
		return SoftClickNotCredited
	case TouchImpression:
		return ImpressionNotCredited
	case TouchCoupon:
		return CouponNotCredited
	case TouchCode:
		return CodeNotCredited
	case TouchCustomer:
		return CustomerNotCredited
	}
	return ClickNotCredited
}

// ofAge tells why a visit is too young or too old, if it is. Times are compared in whole milliseconds, and the bounds
// themselves still earn. Where the terms have a rule for carts and the order says when its first item went into one, the age
// is measured to that time.
func (c *Candidate) ofAge(o *Order, t *Touch, bounds *program.Touching) Reason {
	if !c.Kind.visits() {
		return ""
	}
	measured := o.At
	if t.Clock == event.ReceiptClock {
		measured = o.Received
	}
	ahead := t.At.UnixMilli() > measured.UnixMilli()
	if bounds.Cart > 0 && !o.CartedAt.IsZero() && !o.CartedAt.After(o.At) {
		inCart := o.At.UnixMilli() - o.CartedAt.UnixMilli()
		age := o.CartedAt.UnixMilli() - t.At.UnixMilli()
		switch {
		case age < 0:
			return AfterCart
		case inCart > time.Duration(bounds.Cart).Milliseconds():
			return CartExpired
		}
		t.AgeMillis, t.Clock, ahead = age, event.CartClock, false
	}
	switch {
	case t.AgeMillis < time.Duration(bounds.MinAge).Milliseconds() && !ahead:
		return TooFast
	case t.AgeMillis > time.Duration(bounds.Window).Milliseconds():
		return OutsideWindow
	}
	return ""
}
