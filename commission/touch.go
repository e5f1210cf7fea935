package commission

import (
	"cmp"
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

// TouchKind is what sort of touch something is.
type TouchKind string

// The kinds of touch.
const (
	TouchClick TouchKind = program.TouchClick
	// TouchSoft is a click without a redirect, that a tag or a browser extension has reported.
	TouchSoft TouchKind = program.TouchSoft
	// TouchImpression is a creative that was shown.
	TouchImpression TouchKind = program.TouchImpression
	TouchCoupon     TouchKind = program.TouchCoupon
	// TouchCode is a referral code.
	TouchCode TouchKind = program.TouchReferral
	// TouchClaim is a partner's claim that an order is theirs.
	TouchClaim TouchKind = "claim"
	// TouchCustomer is who bought: a customer may belong to a partner.
	TouchCustomer TouchKind = "customer"
	// TouchClicks are the clicks of a day, where it is these that are paid for.
	TouchClicks TouchKind = "clicks"
)

// TouchKinds are all of them.
func TouchKinds() []TouchKind {
	return []TouchKind{TouchClick, TouchSoft, TouchImpression, TouchCoupon, TouchCode, TouchClaim, TouchCustomer, TouchClicks}
}

// visits reports whether a touch of the kind is something that a visitor did at a time of its own, before the order.
func (k TouchKind) visits() bool { return k == TouchClick || k == TouchSoft || k == TouchImpression }

// named reports whether a touch of the kind is a text that the customer entered.
func (k TouchKind) named() bool { return k == TouchCoupon || k == TouchCode }

// Part is where a touch stands among those of its order.
type Part string

// The parts. A touch that is alone has none.
const (
	// Introducer is the first.
	Introducer Part = "introducer"
	// Influencer stands between the first and the last.
	Influencer Part = "influencer"
	// Closer is the last.
	Closer Part = "closer"
)

// Parts are all of them.
func Parts() []Part { return []Part{Introducer, Influencer, Closer} }

// Touch is something about an order that could earn: a click, a coupon, the customer.
type Touch struct {
	Kind TouchKind `json:"kind"`
	// ID is the click id, coupon, code, claim or customer id, as the order carries it.
	ID     string `json:"id"`
	Won    bool   `json:"won,omitempty"`
	Reason Reason `json:"reason"`
	// The rest is about touches of which it could be found out whose they are, as far as it was.

	// At is when a visit happened.
	At time.Time `json:"at,omitzero"`
	// AgeMillis is how old a visit was, and Clock by which of the order's times, as event.ClickAge says.
	AgeMillis int64       `json:"age_ms,omitempty"`
	Clock     event.Clock `json:"clock,omitempty"`
	// WindowSeconds is the oldest that the terms let a visit be.
	WindowSeconds int64             `json:"window_s,omitempty"`
	Link          program.LinkID    `json:"link,omitempty"`
	Program       program.ProgramID `json:"program,omitempty"`
	Partner       program.PartnerID `json:"partner,omitempty"`
	// Rank is where it stands in the table of ranks, if not where its kind alone puts it.
	Rank Rank `json:"rank,omitzero"`
	// Part is where a visit stands among all visits of the order, whether they earn or not.
	Part Part `json:"part,omitempty"`
	// Weight is its part of the weight of its partner's credit, where that has several touches.
	Weight int64 `json:"weight,omitempty"`
	// Signs are the warning signs that it has, of those that its terms look for.
	Signs []program.Sign `json:"signs,omitempty"`
}

// Keyless are the click ids that were refused since their key was not there. The decision is to be made again once it is.
func (d *Decision) Keyless() []string {
	var ids []string
	for _, t := range d.Touches {
		if t.Kind.visits() && t.Reason == UnknownClickKey {
			ids = append(ids, t.ID)
		}
	}
	return ids
}

// Visited is what the click id of a visit said when the touch was recorded; false of any other touch.
func (t *Touch) Visited() (c Click, is bool) {
	c.ID = t.ID
	switch t.Reason {
	case MalformedClickID, UnknownClickKey, ForgedClickID:
		c.Refused = t.Reason
	default:
		c.Link, c.At = t.Link, t.At
	}
	return c, t.Kind.visits()
}

// Candidate is a touch of an order that may earn, and all that is to be known for that.
type Candidate struct {
	Kind TouchKind
	// Click is a visit: what its click id says or, of one without an id, what was reported of it.
	Click Click
	// Marks of a visit are those of event.Click, as far as they are known.
	Marks uint32
	// Code is what anything else is named by: the coupon, referral code, claim or customer.
	Code string
	// Exclusive is a coupon or code that is its partner's alone.
	Exclusive bool
	// Link is whose the touch is, with the terms in force for them: with Link.Link for a visit, and for the others where there
	// is one; without a partner where it is nobody's. It is not looked at where Click is refused.
	Link program.LinkTerms
	// Refused is why it cannot earn whatever the terms say: UnknownCoupon, CouponNotInForce, SelfReferral, ClaimOpen or
	// ClaimDeclined; empty for most.
	Refused Reason
}

// Visits are the clicks, soft clicks and impressions of which Decide wants to know all, each once: first the click that the
// order itself names, then those of its path, in an order that does not depend on how the path lists them. There are none
// while the sale is not known.
func (o *Order) Visits() []PathTouch {
	return o.appendVisits(make([]PathTouch, 0, 1)) // so small that it is worked out in place
}

// appendVisits appends them to an empty list.
func (o *Order) appendVisits(path []PathTouch) []PathTouch {
	if o.visits() == 0 {
		return nil
	}
	path = append(path, o.Path...)
	own := func(t PathTouch) bool { return t.ClickID != "" && t.ClickID == o.ClickID }
	if o.ClickID != "" && !slices.ContainsFunc(path, own) {
		path = append(path, PathTouch{ClickID: o.ClickID, Kind: event.PathClick})
	}
	slices.SortFunc(path, func(a, b PathTouch) int {
		if own(a) != own(b) {
			return cmp.Compare(truth(own(b)), truth(own(a)))
		}
		return a.compare(&b)
	})
	return slices.CompactFunc(path, func(a, b PathTouch) bool { return a.compare(&b) == 0 || a.ClickID != "" && a.ClickID == b.ClickID })
}

// compare sorts visits whatever the order in which they were listed.
func (t *PathTouch) compare(o *PathTouch) int {
	return cmp.Or(cmp.Compare(t.ClickID, o.ClickID), cmp.Compare(t.Kind, o.Kind), cmp.Compare(t.Link, o.Link), t.At.Compare(o.At), cmp.Compare(t.Marks, o.Marks))
}

// TouchKind is what sort of touch the visit is. The id of a soft click says itself that it is one.
func (t *PathTouch) TouchKind() TouchKind {
	switch t.Kind {
	case event.PathSoft:
		return TouchSoft
	case event.PathImpression:
		return TouchImpression
	case event.PathClick:
	}
	if event.SoftClickID(t.ClickID) {
		return TouchSoft
	}
	return TouchClick
}

// visits counts those of an order, at the most.
func (o *Order) visits() int {
	if !o.Placed() {
		return 0
	}
	if o.ClickID == "" {
		return len(o.Path)
	}
	return len(o.Path) + 1
}
