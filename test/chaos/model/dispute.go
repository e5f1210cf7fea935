package model

import (
	"cmp"
	"slices"
	"time"
)

// dispute is a customer's dispute of an order with their bank.
type dispute struct {
	id     string
	opened time.Time
	// amount is what is disputed, 0 for all of the order, and left what of it the customer has not got back.
	amount, left int64
	// became is won or lost, or empty, and settled since when.
	became  string
	settled time.Time
}

// disputes are those of an order, as they were opened: what was said first of how each ended stands.
func (b *Books) disputes(key OrderKey) (all []*dispute) {
	for _, s := range b.saidOf(key) {
		n := slices.IndexFunc(all, func(d *dispute) bool { return d.id == s.ID })
		switch {
		case s.Verb == "dispute" && n < 0:
			all = append(all, &dispute{id: s.ID, opened: s.At, amount: s.Amount})
		case (s.Verb == "won" || s.Verb == "lost") && n >= 0 && all[n].became == "":
			all[n].became, all[n].settled = s.Verb, s.At
		}
	}
	return all
}

// turn is when a dispute begins, or ends.
type turn struct {
	at   time.Time
	of   *dispute
	ends bool
}

// contest is an order on its way through its refunds and disputes.
type contest struct {
	shelves []shelf
	turns   []turn // to come
	open    []*dispute
}

// newContest begins with all lines on their shelves.
func (s *Sale) newContest(disputes []*dispute) *contest {
	c := &contest{shelves: make([]shelf, len(s.Lines))}
	for n, l := range s.Lines {
		c.shelves[n].Line = l
	}
	since := func(at time.Time) time.Time {
		if at.Before(s.At) {
			return s.At
		}
		return at
	}
	for _, d := range disputes {
		c.turns = append(c.turns, turn{at: since(d.opened), of: d})
		if d.became != "" {
			c.turns = append(c.turns, turn{since(d.settled), d, true})
		}
	}
	slices.SortStableFunc(c.turns, func(a, b turn) int {
		switch {
		case !a.at.Equal(b.at) || a.ends == b.ends:
			return a.at.Compare(b.at)
		case a.ends:
			return 1
		}
		return -1
	})
	return c
}

// turn has what begins or ends before a time do so; the zero time is after all.
func (c *contest) turn(before time.Time) {
	for len(c.turns) > 0 && (before.IsZero() || c.turns[0].at.Before(before)) {
		t := c.turns[0]
		c.turns = c.turns[1:]
		if !t.ends {
			t.of.left = t.of.amount
			c.open = append(c.open, t.of)
			continue
		}
		if t.of.became == "lost" {
			t.of.take(c.shelves)
		}
		c.open = slices.DeleteFunc(c.open, func(d *dispute) bool { return d == t.of })
	}
}

// take takes what is disputed, as far as it is there.
func (d *dispute) take(shelves []shelf) {
	if d.amount > 0 {
		spread(shelves, d.left)
		return
	}
	for n := range shelves {
		shelves[n].pieces = shelves[n].Quantity
	}
}

// paid takes what the customer has got back off what they dispute, of the oldest first; whoever disputes all of it disputes what is left.
func (c *contest) paid(amount int64) {
	for _, d := range c.open {
		if d.amount == 0 {
			return
		}
		back := min(amount, d.left)
		d.left, amount = d.left-back, amount-back
	}
}

// refund takes a refund.
func (c *contest) refund(r Refund) {
	before := sumOf(c.left())
	for _, item := range r.Items {
		item.take(c.shelves)
	}
	switch {
	case r.Amount > 0:
		spread(c.shelves, r.Amount)
		c.paid(r.Amount) // whatever of it there was
		return
	case r.Whole:
		for n := range c.shelves {
			c.shelves[n].pieces = c.shelves[n].Quantity
		}
	}
	c.paid(before - sumOf(c.left()))
}

// left is what is left of each line.
func (c *contest) left() []int64 {
	left := make([]int64, len(c.shelves))
	for n := range c.shelves {
		left[n] = c.shelves[n].left()
	}
	return left
}

func sumOf(amounts []int64) (sum int64) {
	for _, a := range amounts {
		sum += a
	}
	return sum
}

// remaining is what is left of each line after all refunds, which are taken by their time, then by their id, and after the disputes that
// were lost; and what would be left if those that are open were lost, too, nil where none is.
func (s *Sale) remaining(refunds []Refund, disputes []*dispute) (left, without []int64) {
	c := s.newContest(disputes)
	sorted := slices.SortedFunc(slices.Values(refunds), func(a, b Refund) int {
		return cmp.Or(cmp.Compare(a.At.UnixMicro(), b.At.UnixMicro()), cmp.Compare(a.ID, b.ID))
	})
	for _, r := range sorted {
		at := r.At
		if at.Before(s.At) {
			at = s.At
		}
		c.turn(at)
		c.refund(r)
	}
	c.turn(time.Time{})
	left = c.left()
	if len(c.open) == 0 {
		return left, nil
	}
	for _, d := range c.open {
		d.take(c.shelves)
	}
	return left, c.left()
}
