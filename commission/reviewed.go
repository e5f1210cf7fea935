package commission

import (
	"bytes"
	"encoding/hex"
	"slices"
	"time"

	"tributary/internal/event"
)

// NoEffect is why a review does nothing, a stable code.
type NoEffect string

// The reasons. What a review meets is the order as the reviews before it have left it, in the order of their times.
const (
	// NothingEarned is a review of what nobody earns, or not the partner whose share it is about.
	NothingEarned NoEffect = "nothing_earned"
	// OrderVoid is a review of an order that never was.
	OrderVoid NoEffect = "order_void"
	// AlreadyHeld and NotHeld are of a hold and a release of what is held already, or is not.
	AlreadyHeld NoEffect = "already_held"
	NotHeld     NoEffect = "not_held"
	// AlreadyDeclined is a review of what was declined before.
	AlreadyDeclined NoEffect = "already_declined"
	// StillHeld is an approval of what has to be released first.
	StillHeld NoEffect = "still_held"
	// HoldOver is an extension or an approval of after the hold's end.
	HoldOver NoEffect = "hold_over"
	// NoExtension and AlreadyExtended are of an extension that the terms do not allow, or not a second time.
	NoExtension     NoEffect = "no_extension"
	AlreadyExtended NoEffect = "already_extended"
	// BeyondExtension is an extension to before the hold's end, or to later than the terms allow.
	BeyondExtension NoEffect = "beyond_extension"
	// NeedsOtherSide is a replacement for which merchant or operator has not asked.
	NeedsOtherSide NoEffect = "needs_other_side"
	// NoSuchReport is a replacement by a report that the order does not have.
	NoSuchReport NoEffect = "no_such_report"
	// StandsAlready is a replacement by the report that stands.
	StandsAlready NoEffect = "stands_already"
)

// NoEffects lists every reason; internal/text explains each.
func NoEffects() []NoEffect {
	return []NoEffect{
		NothingEarned, OrderVoid, AlreadyHeld, NotHeld, AlreadyDeclined, StillHeld, HoldOver, NoExtension, AlreadyExtended, BeyondExtension,
		NeedsOtherSide, NoSuchReport, StandsAlready,
	}
}

// effective is when a review changes the books: when it was made, or when the order was placed if that is later.
func (r *Review) effective(o *Order) time.Time { return later(r.At, o.At) }

// of are the credits that a review is about.
func (d *Decision) of(r *Review) (about set) {
	for i := range d.Credits {
		if r.Partner == 0 || r.Partner == d.Credits[i].Partner {
			about = about.with(i)
		}
	}
	return about
}

// declined are the credits that are declined in the end.
func (d *Decision) declined() (gone set) {
	for i := range d.Credits {
		if d.Credits[i].Declined {
			gone = gone.with(i)
		}
	}
	return gone
}

// review has the order's reviews change its credits, and says of each that does nothing why.
func (d *Decision) review() {
	o := &d.Order
	if len(o.Reviews) == 0 {
		return
	}
	o.Reviews = slices.Clone(o.Reviews)
	extended := false
	for i := range o.Reviews {
		r := &o.Reviews[i]
		switch {
		case r.Verb == Void || r.Verb == Replace:
		case o.IsVoid():
			r.NoEffect = OrderVoid
		case r.Verb == Extend && extended:
			r.NoEffect = AlreadyExtended
		default:
			r.NoEffect = d.apply(r)
			extended = extended || r.Verb == Extend && r.NoEffect == ""
		}
	}
	d.countDeclines()
}

// apply has a review change the credits that it is about and that allow it. Where none does, it says why of the first.
func (d *Decision) apply(r *Review) (why NoEffect) {
	why = NothingEarned
	about := d.of(r)
	did := false
	for i := range d.Credits {
		if !about.has(i) {
			continue
		}
		switch not := d.Credits[i].apply(r, &d.Order); {
		case not == "":
			did = true
		case why == NothingEarned:
			why = not
		}
	}
	if did {
		return ""
	}
	return why
}

// apply has a review change the credit, or says why it does nothing.
func (c *Credit) apply(r *Review, o *Order) NoEffect {
	at := r.effective(o)
	over := !at.Before(c.HoldUntil)
	switch {
	case c.Declined:
		return AlreadyDeclined
	case r.Verb == Hold && c.Held:
		return AlreadyHeld
	case r.Verb == Unhold && !c.Held:
		return NotHeld
	case r.Verb == Approve && c.Held:
		return StillHeld
	case (r.Verb == Approve || r.Verb == Extend) && over:
		return HoldOver
	}
	switch r.Verb {
	case Extend:
		return c.extend(r.Until, o)
	case Approve:
		c.HoldUntil = at
	case Decline:
		c.Declined = true
	default:
		c.Held = r.Verb == Hold
	}
	return ""
}

// extend moves the end of the hold to a time, zero for the last that the terms allow, and with it the end of the refund window.
func (c *Credit) extend(until time.Time, o *Order) NoEffect {
	allowed := time.Duration(c.Terms.ExtensionSeconds) * time.Second
	longer := allowed
	if !until.IsZero() {
		longer = until.Sub(c.HoldUntil)
	}
	switch {
	case allowed == 0:
		return NoExtension
	case longer <= 0 || longer > allowed:
		return BeyondExtension
	}
	c.HoldUntil = c.HoldUntil.Add(longer)
	if !c.RefundsUntil.IsZero() {
		c.RefundsUntil = c.RefundsUntil.Add(longer)
		c.Rules, c.Priced = slices.Clone(c.Rules), slices.Clone(c.Priced) // partners priced together have the same
		c.reckon(o)                                                       // of amounts that it has reckoned with before
	}
	return ""
}

// stand puts back what reviews have made of the credits of a decision that is read.
func (d *Decision) stand() {
	for n := range d.Order.Reviews {
		r := &d.Order.Reviews[n]
		if r.NoEffect != "" {
			continue
		}
		for i := range d.Credits {
			c := &d.Credits[i]
			switch {
			case !d.of(r).has(i) || c.Declined:
			case r.Verb == Decline:
				c.Declined = true
			case r.Verb == Hold || r.Verb == Unhold:
				c.Held = r.Verb == Hold
			}
		}
	}
}

// countDeclines enters the days of the declines in the periods of each credit.
func (d *Decision) countDeclines() {
	for i := range d.Credits {
		counted := d.Credits[i].Counted
		if counted == nil {
			continue
		}
		for n := range d.Order.Reviews {
			if r := &d.Order.Reviews[n]; r.Verb == Decline && r.NoEffect == "" {
				counted.Declines = append(counted.Declines, DayOf(r.effective(&d.Order), counted.In[0].says.Zone))
			}
		}
	}
}

// replaced gives the reports of an order with those in front that stand in place of others, once both sides have asked for them.
// One that stood before can be asked for like any other.
func replaced(events []*event.Event, reviews []Review) []*event.Event {
	all, asked := events, map[string]map[Side]*Review{}
	for i := range reviews {
		r := &reviews[i]
		if r.Verb != Replace {
			continue
		}
		if void(reviews) {
			r.NoEffect = OrderVoid
			continue
		}
		chosen := reportOf(all, r)
		first := -1
		if chosen != nil {
			first = slices.IndexFunc(events, func(e *event.Event) bool { return compareFacts(e, chosen) == 0 })
		}
		switch other := asked[r.Report][r.By.other()]; {
		case first < 0:
			r.NoEffect = NoSuchReport
		case sameReport(events[first], chosen):
			r.NoEffect = StandsAlready
		case other == nil:
			if r.NoEffect = NeedsOtherSide; asked[r.Report] == nil {
				asked[r.Report] = map[Side]*Review{}
			}
			asked[r.Report][r.By] = r
		default:
			other.NoEffect = ""
			delete(asked, r.Report)
			events = slices.DeleteFunc(slices.Clone(events), func(e *event.Event) bool { return sameReport(e, events[first]) || sameReport(e, chosen) })
			events = slices.Insert(events, 0, chosen)
		}
	}
	for i := range reviews {
		reviews[i].Reported = nil
	}
	return events
}

// reportOf finds the report that a review names.
func reportOf(events []*event.Event, r *Review) *event.Event {
	named := func(e *event.Event) bool { return hex.EncodeToString(e.Content()) == r.Report }
	if i := slices.IndexFunc(events, named); i >= 0 {
		return events[i]
	}
	if r.Reported != nil && named(r.Reported) {
		return r.Reported
	}
	return nil
}

// sameReport reports whether two reports are of one fact and say the same.
func sameReport(a, b *event.Event) bool {
	return compareFacts(a, b) == 0 && bytes.Equal(a.Content(), b.Content())
}

// other is the other side.
func (s Side) other() Side {
	if s == ByMerchant {
		return ByOperator
	}
	return ByMerchant
}
