package commission

import (
	"cmp"
	"slices"
	"time"

	"tributary/partners/program"
)

// The customer fold stands between the fold of an order and the decision on it: of all orders of one customer of a merchant
// it tells each how the customer stood when it was placed. It goes over them by their stated times, never by arrival, and
// looks at what an order's own touches say, never at a decision, so it does not go round in a circle.

// Seen is an order as the customer fold looks at it.
type Seen struct {
	// No is the order's number in this installation, by which it is found; the fold does not look at it.
	No int64
	// At is when the order was placed, as it states, and Ref the merchant's id of it. A customer's orders are in the order of
	// both.
	At  time.Time
	Ref string
	// Sale tells a purchase from a lead, which may bind a customer and is not counted.
	Sale bool
	// Void is an order that never was: it neither binds nor counts. Refunds change nothing here, or returning the first order
	// would make the second one new.
	Void bool
	// Offer is whom the order's own touches bind the customer to, if nobody is bound by then; nil where the terms bind nobody
	// or nobody earns.
	Offer *Offer
	// View is how the customer stood, as FoldCustomer or Follow has worked it out.
	View View
}

// Offer is whom a customer may be bound to, and on what terms.
type Offer struct {
	Program program.ProgramID `json:"program"`
	// Partner is 0 where nobody is: an operator sets the customer free.
	Partner program.PartnerID `json:"partner"`
	// Link is what brought the customer in, 0 where no link did.
	Link program.LinkID `json:"link,omitempty"`
	// Months is how long it binds, in calendar months; 0 for life.
	Months int `json:"months,omitempty"`
	// OnlyNew binds nobody who has bought before.
	OnlyNew bool `json:"only_new,omitempty"`
}

// Bind is an operator's word on whom a customer belongs to from a time on.
type Bind struct {
	From time.Time
	// No is the number of its row in the inbox: of two from one time the later row stands.
	No int64
	To Offer
}

// Binding is whom a customer belongs to.
type Binding struct {
	Program program.ProgramID `json:"program"`
	Partner program.PartnerID `json:"partner"`
	Link    program.LinkID    `json:"link,omitempty"`
	// Since is when it began, and Until when it ends, exclusively; zero for life.
	Since time.Time `json:"since"`
	Until time.Time `json:"until,omitzero"`
}

// View is how a customer stood when an order of theirs was placed. The zero View is that of an order that names no customer, or
// of one whose merchant has no terms that ask.
type View struct {
	// Nth is 1 while the customer had bought nothing, and 2 for any later order.
	Nth int `json:"nth"`
	// Bound is whom the customer belonged to already; nil where to nobody.
	Bound *Binding `json:"bound,omitempty"`
	// Ended says that the customer belonged to somebody until before the order, and to nobody since.
	Ended bool `json:"ended,omitempty"`
	// Begins is the binding that begins with this very order; nil where none does. The order itself is not decided by it.
	Begins *Binding `json:"begins,omitempty"`
}

// What a customer is to a merchant.
const (
	NewCustomer       = "new"
	ReturningCustomer = "returning"
	// LapsedCustomer is the merchant's word alone: no order says for how long somebody has to stay away.
	LapsedCustomer = "lapsed"
)

// Status is what the customer is: what the merchant stated with the order or, where that is empty, what their orders say; empty
// where nothing is known.
func (v *View) Status(stated string) string {
	switch {
	case stated != "":
		return stated
	case v.Nth == 0:
		return ""
	case v.Nth == 1:
		return NewCustomer
	}
	return ReturningCustomer
}

// MonthsBound is for how many whole calendar months the customer has belonged to a partner at the time of the order: 0 with the
// order that binds them, -1 where they do not belong to that partner.
func (v *View) MonthsBound(partner program.PartnerID, at time.Time) int {
	for _, b := range [...]*Binding{v.Bound, v.Begins} {
		if b != nil && b.Partner == partner {
			return b.months(at)
		}
	}
	return -1
}

// The goals of what is counted and not bought.
const (
	goalClick      = "click"
	goalImpression = "impression"
)

// SeenBy is how the customer fold looks at an order, given the evidence of its own touches. There is nothing to see of an order
// that names no customer, of a test, and of counted clicks and impressions.
func SeenBy(o *Order, evidence *Evidence) (s Seen, named bool) {
	if !o.Placed() || o.Customer == "" || o.Test || o.Goal == goalClick || o.Goal == goalImpression {
		return s, false
	}
	s = Seen{At: o.At, Ref: o.ID, Sale: o.Goal == "", Void: o.IsVoid()}
	if by, ok := BaseWinner(o, evidence); ok {
		link := &by.Link
		if bind := link.Terms.Bind(); bind != nil {
			s.Offer = &Offer{Program: link.Program, Partner: link.Partner, Link: link.Link, Months: bind.Months, OnlyNew: bind.Only == program.OnlyNew}
		}
	}
	return s, true
}

// Equal reports whether two views are the same.
func (v *View) Equal(o *View) bool {
	return v.Nth == o.Nth && v.Ended == o.Ended && v.Bound.equal(o.Bound) && v.Begins.equal(o.Begins)
}

// FoldCustomer sorts all orders of one customer and gives each its View. In whatever order they come, the views are the same.
func FoldCustomer(orders []Seen, binds []Bind) {
	slices.SortFunc(orders, func(a, b Seen) int { return a.Compare(&b) })
	SortBinds(binds)
	var prev *Seen
	for i := range orders {
		orders[i].View = orders[i].Follow(prev, binds)
		prev = &orders[i]
	}
}

// Compare tells which of two orders of a customer comes first.
func (s *Seen) Compare(o *Seen) int {
	return cmp.Or(s.At.Compare(o.At), cmp.Compare(s.Ref, o.Ref))
}

// SameFacts reports whether two are one order and nothing has changed but the view.
func (s *Seen) SameFacts(o *Seen) bool {
	same := s.Offer == o.Offer
	if s.Offer != nil && o.Offer != nil {
		same = *s.Offer == *o.Offer
	}
	return same && s.Compare(o) == 0 && s.Sale == o.Sale && s.Void == o.Void
}

// SortBinds sorts what operators said about a customer: by their times, then by their numbers.
func SortBinds(binds []Bind) {
	slices.SortFunc(binds, func(a, b Bind) int { return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.No, b.No)) })
}

// Follow works an order's View out from the order before it, which has its own; nil for the customer's first. binds are sorted,
// and all there are, or all since the order before. One counts before an order of its time.
func (s *Seen) Follow(prev *Seen, binds []Bind) View {
	v := View{Nth: 1}
	if prev != nil {
		v = prev.after()
	}
	for _, b := range binds {
		if b.From.After(s.At) || prev != nil && !b.From.After(prev.At) {
			continue
		}
		v.Bound, v.Ended = b.To.binding(b.From), false
	}
	if v.Bound != nil && v.Bound.over(s.At) {
		v.Bound, v.Ended = nil, true
	}
	if s.Offer != nil && !s.Void && v.Bound == nil && (v.Nth == 1 || !s.Offer.OnlyNew) {
		v.Begins = s.Offer.binding(s.At)
	}
	return v
}

// Moves reports whether the customer stands otherwise once the order is placed, by its View. Where an order does not move a customer, the
// views of the others are the same with it and without it.
func (s *Seen) Moves() bool {
	return s.View.Begins != nil || s.after().Nth != s.View.Nth
}

// after is how the customer stands once the order is placed.
func (s *Seen) after() View {
	v := View{Nth: s.View.Nth, Bound: s.View.Bound, Ended: s.View.Ended}
	if s.View.Begins != nil {
		v.Bound, v.Ended = s.View.Begins, false
	}
	if s.Sale && !s.Void {
		v.Nth = 2
	}
	return v
}

// binding is what an offer comes to that is taken at a time; nil where it sets free.
func (o *Offer) binding(at time.Time) *Binding {
	if o.Partner == 0 {
		return nil
	}
	b := &Binding{Program: o.Program, Partner: o.Partner, Link: o.Link, Since: at}
	if o.Months > 0 {
		b.Until = addMonths(at, o.Months)
	}
	return b
}

// over reports whether it has ended at a time.
func (b *Binding) over(at time.Time) bool { return !b.Until.IsZero() && !at.Before(b.Until) }

// months is how many whole calendar months there are from its beginning to a time.
func (b *Binding) months(at time.Time) int {
	since := b.Since.UTC()
	at = at.UTC()
	n := 12*(at.Year()-since.Year()) + int(at.Month()-since.Month())
	if addMonths(since, n).After(at) {
		n--
	}
	return n
}

func (b *Binding) equal(o *Binding) bool {
	if b == nil || o == nil {
		return b == o
	}
	return b.Program == o.Program && b.Partner == o.Partner && b.Link == o.Link && b.Since.Equal(o.Since) && b.Until.Equal(o.Until)
}

// addMonths is so many calendar months later in UTC; where that month has no such day, its last one: a year after 29 February
// is 28 February.
func addMonths(t time.Time, months int) time.Time {
	t = t.UTC()
	year, month, day := t.Date()
	last := time.Date(year, month+time.Month(months)+1, 0, 0, 0, 0, 0, time.UTC).Day()
	hour, minute, second := t.Clock()
	return time.Date(year, month+time.Month(months), min(day, last), hour, minute, second, t.Nanosecond(), time.UTC)
}

// Refresh works the views of a customer's orders out again, of which prev, nil where there is none, comes before the first.
// through is the last place at which something has changed. It gives the indices of those whose view was another, and reports
// whether those behind them are right, as they are from the first on behind through that was. Else whoever asks has the last of
// orders be the first place of the next call, and keeps the places behind it.
func Refresh(prev *Seen, orders []Seen, binds []Bind, through *Seen) (changed []int, settled bool) {
	for i := range orders {
		s := &orders[i]
		view := s.Follow(prev, binds)
		if !view.Equal(&s.View) {
			s.View = view
			changed = append(changed, i)
		} else if s.Compare(through) > 0 {
			return changed, true
		}
		prev = s
	}
	return changed, false
}
