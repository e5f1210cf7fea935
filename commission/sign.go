package commission

import (
	"cmp"
	"slices"
	"time"

	"tributary/internal/event"
	"tributary/partners/program"
)

// What is too much: see program.Sign.
const (
	// ManyOrders is how many orders may name a click id before the next one is a sign.
	ManyOrders = 3
	// ManyCustomers is of how many customers those may be.
	ManyCustomers = 2
	// Fast is how long after a visit an order is placed that is no sign.
	Fast = 10 * time.Second
)

// Used is an order as the fold of a click id looks at it: as one of those that name the id. A fold goes over them by their stated
// times, never by arrival.
type Used struct {
	// No is the order's number in this installation; the fold does not look at it.
	No int64
	// At is when the order was placed, as it states, and Ref the merchant's id of it.
	At  time.Time
	Ref string
	// Customer is empty where the order names none.
	Customer string
	// Void is an order that never was: it does not count.
	Void bool
	// Use is how the click id had been used with this order, as Follow has worked it out.
	Use Use
}

// Use is how a click id had been used with an order. The zero Use is that of an order whose terms do not ask.
type Use struct {
	// Orders is how many named it, this one among them, up to one more than ManyOrders.
	Orders int `json:"orders,omitempty"`
	// Customers are whose they were, the first ManyCustomers of them.
	Customers []string `json:"customers,omitempty"`
	// Other says that this order is of none of those.
	Other bool `json:"other,omitempty"`
}

// UsedBy is how the fold of the click id looks at an order that names one. Tests do not count.
func UsedBy(o *Order) (u Used, names bool) {
	if !o.Placed() || o.ClickID == "" || o.Test {
		return u, false
	}
	return Used{At: o.At, Ref: o.ID, Customer: o.Customer, Void: o.IsVoid()}, true
}

// Compare tells which of two orders that name a click id comes first.
func (u *Used) Compare(o *Used) int {
	return cmp.Or(u.At.Compare(o.At), cmp.Compare(u.Ref, o.Ref))
}

// SameFacts reports whether two are one order and nothing has changed but the use.
func (u *Used) SameFacts(o *Used) bool {
	return u.Compare(o) == 0 && u.Customer == o.Customer && u.Void == o.Void
}

// FoldClick sorts all orders that name one click id and gives each its Use. In whatever order they come, these are the same.
func FoldClick(orders []Used) {
	slices.SortFunc(orders, func(a, b Used) int { return a.Compare(&b) })
	var prev *Used
	for i := range orders {
		orders[i].Use = orders[i].Follow(prev)
		prev = &orders[i]
	}
}

// Follow works an order's Use out from the order before it, nil for the first that names the id.
func (u *Used) Follow(prev *Used) (use Use) {
	if prev != nil {
		use = Use{Orders: prev.Use.Orders, Customers: prev.Use.Customers}
	}
	if u.Void {
		return use
	}
	use.Orders = min(use.Orders+1, ManyOrders+1)
	switch {
	case u.Customer == "" || slices.Contains(use.Customers, u.Customer):
	case len(use.Customers) < ManyCustomers:
		use.Customers = append(slices.Clip(use.Customers), u.Customer)
	default:
		use.Other = true
	}
	return use
}

// Equal reports whether two are the same.
func (u *Use) Equal(o *Use) bool {
	return u.Orders == o.Orders && u.Other == o.Other && slices.Equal(u.Customers, o.Customers)
}

// many tells which signs there are: too many orders, and too many customers.
func (u *Use) many() (orders, customers bool) { return u.Orders > ManyOrders, u.Other }

// RefreshUses works the uses of the orders of a click id out again, of which prev, nil where there is none, comes before the first.
// through is the last place at which something has changed. changed gets each whose use was another, and whether its signs were.
// It reports whether those behind the orders are right, as they are from the first on behind through that was.
func RefreshUses(prev *Used, orders []Used, through *Used, changed func(u *Used, signs bool)) (settled bool) {
	for i := range orders {
		u := &orders[i]
		was := u.Use
		u.Use = u.Follow(prev)
		if !u.Use.Equal(&was) {
			manyOrders, manyCustomers := u.Use.many()
			before, beforeCustomers := was.many()
			changed(u, manyOrders != before || manyCustomers != beforeCustomers)
		} else if u.Compare(through) > 0 {
			return true
		}
		prev = u
	}
	return false
}

// marksThatAreSigns are those by which a visit earns nothing, unless the terms look at them as a sign.
const marksThatAreSigns = event.MarkBot | event.MarkDuplicate

// signs are the warning signs of a touch that its terms look for.
func (c *Candidate) signs(o *Order, t *Touch, use *Use) (signs []program.Sign) {
	terms := c.Link.Terms
	if terms == nil || terms.Scheme == nil || t.AgeMillis < 0 {
		return nil
	}
	named := c.Kind.visits() && t.ID == o.ClickID
	for _, sign := range program.Signs() { // in this order, whatever that of the terms
		if terms.LooksFor(sign) && c.shows(sign, o, t, use, named) {
			signs = append(signs, sign)
		}
	}
	return signs
}

// shows reports whether a touch has a sign. named says that it is of the click id that the order names.
func (c *Candidate) shows(sign program.Sign, o *Order, t *Touch, use *Use, named bool) bool {
	switch sign {
	case program.SignManyOrders:
		many, _ := use.many()
		return named && many
	case program.SignManyCustomers:
		_, many := use.many()
		return named && many
	case program.SignFast:
		age, _ := event.ClickAge(t.At, o.At, o.Received, o.Imported)
		return c.Kind.visits() && age >= 0 && age < Fast.Milliseconds()
	case program.SignMarked:
		return c.Marks&marksThatAreSigns != 0
	case program.SignAdded:
		return o.added(t.ID)
	}
	return false
}

// watch enters a hold in front of what people decided, where a touch that earns has a sign. It is as if somebody had held the order
// when it was placed: until it is released, or approved by somebody who has not held it themselves.
func (d *Decision) watch() {
	signs := d.Signs()
	if len(signs) == 0 || d.Order.IsVoid() {
		return
	}
	said := d.Order.Reviews
	reviews := append(make([]Review, 0, len(said)+2), Review{ID: "signs", At: d.Order.At, Verb: Hold, Code: string(signs[0]), By: ByTerms})
	for i := range said {
		if r := &said[i]; r.Verb == Hold || r.Verb == Unhold {
			d.Order.Reviews = slices.Concat(reviews, said[i:])
			return
		} else if r.Verb == Approve {
			reviews = append(reviews, Review{ID: "signs, " + r.ID, At: r.At, Verb: Unhold, Partner: r.Partner, By: ByTerms})
		}
		reviews = append(reviews, said[i])
	}
	d.Order.Reviews = reviews
}

// Signs are the warning signs of the touches that earn, each once.
func (d *Decision) Signs() (signs []program.Sign) {
	for i := range d.Touches {
		if t := &d.Touches[i]; t.Won {
			signs = append(signs, t.Signs...)
		}
	}
	slices.Sort(signs)
	return slices.Compact(signs)
}
