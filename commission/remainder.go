package commission

import (
	"cmp"
	"slices"

	"tributary/internal/money"
	"tributary/partners/program"
)

// remainder is what is left of an order for one credit on its way through the refunds.
type remainder struct {
	c *Credit
	o *Order
	// sums are those of the lines of each rule.
	sums []sum
	// lines are those of the order, where the terms are a full document: a plain rate needs the sums alone.
	lines    []remaining
	amount   int64
	shipping int64
	// gone says of an order without lines that it was taken back.
	gone bool
}

// after is what is left once refunds have been taken off as well. It is in room, until that is used again.
func (f *remainder) after(refunds []Refund, room *remainder) *remainder {
	sums, lines := room.sums[:0], room.lines[:0]
	sums, lines = append(sums, f.sums...), append(lines, f.lines...)
	*room = *f
	room.sums = sums
	if f.lines != nil {
		room.lines = lines
	}
	for i := range refunds {
		room.take(&refunds[i])
	}
	return room
}

// sum is what remains of the lines of a rule.
type sum struct {
	// base is in the order's currency, without delivery.
	base int64
	// lines and pieces count those of which something remains.
	lines, pieces int64
	// sold is what the lines were sold for, and priced how many they were.
	sold, priced int64
}

// remaining is what is left of a line.
type remaining struct{ amount, pieces int64 }

// before is what there was for a credit before refunds.
func (c *Credit) before(o *Order) remainder {
	f := remainder{c: c, o: o, sums: make([]sum, len(c.Rules)), amount: o.Amount, shipping: o.Shipping}
	if !c.Terms.Full && c.Counted == nil {
		for i := range c.Rules {
			f.sums[i].base = c.Rules[i].Amount
		}
		return f
	}
	f.lines = make([]remaining, len(o.Lines))
	for i := range o.Lines {
		f.lines[i] = remaining{o.Lines[i].Amount, o.Lines[i].Quantity}
	}
	for i := range c.Priced {
		n, _ := o.line(c.Priced[i].Line)
		f.sums[c.Priced[i].Rule].add(&o.Lines[n], c.Terms.Base, f.lines[n], 1)
		f.sums[c.Priced[i].Rule].sold += o.Lines[n].Amount
		f.sums[c.Priced[i].Rule].priced++
	}
	if len(o.Lines) == 0 {
		for i := range f.sums {
			f.sums[i].lines, f.sums[i].pieces = 1, 1 // the order itself
		}
	}
	return f
}

// add adds what remains of a line, or with sign -1 takes it off.
func (s *sum) add(l *Line, base program.Base, has remaining, sign int64) {
	s.base += sign * baseOf(l, base, has)
	s.pieces += sign * has.pieces
	if has != (remaining{}) {
		s.lines += sign
	}
}

// baseOf is what a rate is taken of, of what remains of a line: tax and discount in proportion to what is left of the amount,
// or of a line that cost nothing, of its pieces.
func baseOf(l *Line, base program.Base, has remaining) int64 {
	more := int64(0)
	if base.Tax {
		more += l.Tax
	}
	if base.BeforeDiscount {
		more += l.Discount
	}
	switch {
	case more == 0:
		return has.amount
	case l.Amount > 0:
		return has.amount + money.Scale(more, has.amount, l.Amount)
	}
	return money.Scale(more, has.pieces, l.Quantity)
}

// take takes a refund off, unless it came after the credit's last day for refunds.
func (f *remainder) take(r *Refund) {
	if !f.c.counts(r) {
		return
	}
	f.shipping -= r.Shipping
	if r.Whole {
		clear(f.sums) // of an order without lines
		f.gone = true
	}
	for _, t := range r.Taken {
		n, _ := f.o.line(t.Line)
		if f.lines == nil {
			f.sums[f.c.Priced[n].Rule].base -= t.Amount
			continue
		}
		f.takeOf(n, t)
	}
	if !f.c.Terms.rules3() {
		return
	}
	f.shipping = max(0, f.shipping-f.o.beyondLines(r))
	if f.o.Amount > 0 && f.amount == 0 {
		for n := range f.lines {
			f.set(n, remaining{}) // what was given with what is back
		}
	}
}

// beyondLines is what a refund of an amount asked for beyond what the lines had left: the delivery, if there is any.
func (o *Order) beyondLines(r *Refund) (amount int64) {
	if r.Dispute {
		return r.Beyond
	}
	for _, e := range o.Excess {
		if e.Refund == r.ID && e == (Excess{Refund: r.ID, Amount: e.Amount, Reason: NothingLeft}) {
			amount += e.Amount
		}
	}
	return amount
}

// takeOf takes from a line. Of one that cost something nothing remains once its amount is gone.
func (f *remainder) takeOf(n int, t Taken) {
	was := f.lines[n]
	is := remaining{was.amount - t.Amount, max(0, was.pieces-t.Pieces)}
	if f.o.Lines[n].Amount > 0 && is.amount == 0 {
		is.pieces = 0
	}
	f.amount -= t.Amount
	f.set(n, is)
}

// set has the sums follow what remains of a line.
func (f *remainder) set(n int, is remaining) {
	l, was := &f.o.Lines[n], f.lines[n]
	if is == was {
		return
	}
	f.lines[n] = is
	first, _ := slices.BinarySearchFunc(f.c.Priced, l.Number, func(p Priced, line int64) int { return cmp.Compare(p.Line, line) })
	for _, p := range f.c.Priced[first:] {
		if p.Line != l.Number {
			break
		}
		f.sums[p.Rule].add(l, f.c.Terms.Base, was, -1)
		f.sums[p.Rule].add(l, f.c.Terms.Base, is, 1)
	}
}

// counts reports whether a refund still counts against the credit: one that was stated and received before its refund window
// ends, or at the end.
func (c *Credit) counts(r *Refund) bool {
	return c.RefundsUntil.IsZero() || !later(r.At, r.Received).After(c.RefundsUntil)
}

// of is what remains for a rule: what its rate is of, in the order's currency, and how many there are of what its fixed amount
// is for.
func (f *remainder) of(rule int) (base, units int64) {
	r, s := &f.c.Rules[rule], &f.sums[rule]
	base = s.base
	if with := f.c.Terms.Base; (with.Shipping || with.ShippingTax) && (s.lines > 0 || f.c.Terms.rules3()) {
		base += f.delivery(s)
	}
	return base, r.unitsOf(s, f.c.converted(f.amount))
}

// delivery is the part of what is left of the delivery that goes with the lines of a rule, in proportion to what they were sold
// for. A tax on a delivery that cost nothing goes with the last of them.
func (f *remainder) delivery(s *sum) int64 {
	with, shipping := f.c.Terms.Base, int64(0)
	if with.Shipping {
		shipping = f.shipping
	}
	switch {
	case !with.ShippingTax:
	case f.o.Shipping > 0:
		shipping += money.Scale(f.o.ShippingTax, f.shipping, f.o.Shipping)
	case s.lines > 0:
		shipping += f.o.ShippingTax
	}
	switch {
	case f.o.Amount > 0:
		return money.Scale(shipping, s.sold, f.o.Amount)
	case f.c.Terms.rules3() && len(f.o.Lines) > 0:
		return money.Scale(shipping, s.priced, int64(len(f.o.Lines)))
	}
	return shipping
}

// unitsOf counts what a fixed amount is for. One for each order or line is owed whole while something of it remains and what
// remains of the order is as much as the rule itself asks for.
func (r *Rule) unitsOf(s *sum, ordered int64) int64 {
	if r.Fixed == 0 {
		return 0
	}
	switch r.Per {
	case program.PerPiece, program.PerClick, program.PerMille:
		return s.pieces
	case program.PerLine:
		if ordered >= r.Min {
			return s.lines
		}
	default:
		if ordered >= r.Min && s.lines > 0 {
			return 1
		}
	}
	return 0
}

// worth is what a rule gives for what remains of its lines: rate and fixed amount together are rounded once.
func (c *Credit) worth(r *Rule, base, units int64) int64 {
	worth := r.Rate.Exact(c.converted(base)).Plus(fixedFor(r.Fixed, r.Per, units)).Round()
	if r.Max > 0 {
		worth = min(worth, r.Max)
	}
	return worth
}

// fixedFor is a fixed amount for so many units, before it is rounded.
func fixedFor(fixed int64, per program.Per, units int64) money.Product {
	if per == program.PerMille {
		return money.Rate(fixed * int64(money.One) / 1000).Exact(units)
	}
	return money.One.Exact(fixed * units)
}
