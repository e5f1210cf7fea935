package commission

import (
	"slices"

	"tributary/internal/money"
	"tributary/partners/program"
)

// Tally is what a credit counts for in a period from a day on: 1 as long as something remains of the order's lines that
// count and are no clicks, the credit's part of what remains of them, without delivery, and what it earns for them after refunds. A recruiter
// whom no rule pays counts what those earn who were brought in. Amounts are in the credit's unit.
type Tally struct {
	Day                        Day
	Count, Revenue, Commission int64
}

// Tally is what credit i counts for in each of its periods, after the sale and after the refunds of each effective time.
func (d *Decision) Tally(i int) [][]Tally {
	c := &d.Credits[i]
	t := d.timeline(&scratch{})
	f := c.before(&d.Order)
	earners := d.earners(i)
	of, nothing := d.partOf(c, 0)
	all := make([][]Tally, len(c.Counted.In))
	day := c.Counted.Day
	next, declines := 0, 0 // of the refunds, and of the declines
	for step := range t.at {
		if gone := t.goneAt(step); step > 0 && gone != t.goneAt(step-1) {
			of, nothing = d.partOf(c, gone)
			nothing = nothing || gone.has(i)
			if declines < len(c.Counted.Declines) {
				day = max(day, c.Counted.Declines[declines])
			}
			declines++
		}
		for step > 0 && next < len(d.Order.Refunds) && d.Order.Refunds[next].Effective.Equal(t.at[step]) {
			f.take(&d.Order.Refunds[next])
			for _, e := range earners {
				e.left.take(&d.Order.Refunds[next])
			}
			day = max(day, c.Counted.Refunds[next])
			next++
		}
		parts := t.parts[step*len(d.Credits):][:len(d.Credits)]
		for n := range all {
			in := &c.Counted.In[n]
			is := Tally{}
			if !nothing {
				is = f.tally(in)
			}
			is.Day, is.Revenue = day, of.share(is.Revenue)
			if is.Count > 0 || c.Terms.rules3() {
				for _, e := range earners {
					is.Commission += d.counts(e, in, parts)
				}
			}
			all[n] = append(all[n], is)
		}
	}
	return all
}

// earner is a credit whose commission counts, on its way through the refunds.
type earner struct {
	credit int
	left   *remainder
}

// earners are the credits whose commission credit i counts: its own or, where it is only there to count, those of whom it has
// brought in.
func (d *Decision) earners(i int) (all []earner) {
	c := &d.Credits[i]
	for n := range d.Credits {
		o := &d.Credits[n]
		if n == i && (c.Unpaid == "" || len(c.From) == 0) || c.brings(o) {
			left := o.before(&d.Order)
			all = append(all, earner{n, &left})
		}
	}
	return all
}

// brings reports whether the credit is there only to count what another one earns.
func (c *Credit) brings(o *Credit) bool {
	return c.Unpaid != "" && len(c.From) > 0 && o.Role == RolePartner && slices.Contains(c.From[0], o.Partner)
}

// counts is what counts in a period of what a credit has.
func (d *Decision) counts(e earner, in *CountedIn, parts []part) int64 {
	net := parts[e.credit].net
	if len(in.Lines) == 0 && len(in.Paid) == 0 {
		return net
	}
	c := &d.Credits[e.credit]
	counted, others := e.left.worthOf(in, func(rule int) int64 { return c.Rules[rule].ofEarned(d.earnedBy(c, rule, parts)) })
	if !c.Terms.rules3() {
		counted, others = e.left.worthOf2(in)
	}
	return money.Split(net, []int64{counted, others})[0]
}

// partOf is the credit's part of the order: by its weight or, where it has what it has for what others bring, by theirs. nothing
// says that all who bring it are declined.
func (d *Decision) partOf(c *Credit, gone set) (p parting, nothing bool) {
	left := false
	for i := range d.Credits {
		o := &d.Credits[i]
		if o.Role != RolePartner {
			continue
		}
		brought := slices.ContainsFunc(c.From, func(of []program.PartnerID) bool { return slices.Contains(of, o.Partner) })
		own := o.Earner() == c.Earner() || brought && (c.Role == RoleCustomer || !gone.has(i))
		if left = left || own; o.Weight > 0 {
			p.weights, p.own = append(p.weights, o.Weight), append(p.own, own)
		}
	}
	return p, gone != 0 && !left && len(c.From) > 0
}

// parting divides an order among those who share it, and says whose parts are a credit's. It has nobody where nobody shares.
type parting struct {
	weights []int64
	own     []bool
}

// share is the credit's part of an amount, by largest remainder.
func (p *parting) share(amount int64) (share int64) {
	if !slices.Contains(p.own, true) {
		return amount
	}
	for i, part := range money.Split(amount, p.weights) {
		if p.own[i] {
			share += part
		}
	}
	return share
}

// tally is what counts in a period, of all of the order, but for the commission.
func (f *remainder) tally(in *CountedIn) (t Tally) {
	remains := len(f.o.Lines) == 0 && !f.gone
	for n := range f.lines {
		if l := &f.o.Lines[n]; in.Has(l.Number) && f.lines[n] != (remaining{}) {
			remains = true
			t.Revenue += baseOf(l, f.c.Terms.Base, f.lines[n])
		}
	}
	if !remains {
		return Tally{}
	}
	if t.Revenue = f.c.converted(t.Revenue); f.o.Clicks == nil {
		t.Count = 1
	}
	return t
}

// worthOf is what counts in a period is worth to the credit as things stand, and what else there is: what each rule gives,
// divided among its lines. earned is that for rules that pay of what others earn.
func (f *remainder) worthOf(in *CountedIn, earned func(rule int) int64) (counted, others int64) {
	for i := range f.c.Rules {
		base, units := f.of(i)
		worth := f.c.worth(&f.c.Rules[i], base, units)
		if f.c.Rules[i].Of != "" {
			worth = earned(i)
		}
		switch {
		case len(in.Paid) > 0 && !slices.Contains(in.Paid, i):
			others += worth
		case len(in.Lines) == 0:
			counted += worth
		default:
			weights := f.weightsOf(in, i)
			parts := money.Split(worth, weights[:])
			counted, others = counted+parts[0], others+parts[1]
		}
	}
	return counted, others
}

// weightsOf are the lines of a rule that count in a period, and its others: by what its rate is of or, where it has none, by the
// pieces; by what they were sold for where nothing of them remains but the delivery.
func (f *remainder) weightsOf(in *CountedIn, rule int) (weights [2]int64) {
	r := &f.c.Rules[rule]
	var sold [2]int64
	for n := range f.lines {
		l := &f.o.Lines[n]
		if r.Of == "" && !f.c.paysFor(l.Number, []int{rule}) {
			continue
		}
		to := truth(!in.Has(l.Number))
		sold[to] += l.Amount
		if r.Rate > 0 {
			weights[to] += baseOf(l, f.c.Terms.Base, f.lines[n])
		} else {
			weights[to] += f.lines[n].pieces
		}
	}
	if weights == [2]int64{} {
		return sold
	}
	return weights
}

// worthOf2 is worthOf by rules 2: of each rule in proportion to what its rate is of or, where it has none, to the pieces, by
// what the rule gives after all refunds.
func (f *remainder) worthOf2(in *CountedIn) (counted, others int64) {
	for i := range f.c.Rules {
		r := &f.c.Rules[i]
		var weights [2]int64
		for _, p := range f.c.Priced {
			n, _ := f.o.line(p.Line)
			if p.Rule != i {
				continue
			}
			weight := baseOf(&f.o.Lines[n], f.c.Terms.Base, f.lines[n])
			if r.Rate == 0 {
				weight = f.lines[n].pieces
			}
			if in.Has(p.Line) && (len(in.Paid) == 0 || slices.Contains(in.Paid, i)) {
				weights[0] += weight
			} else {
				weights[1] += weight
			}
		}
		worth := max(r.Net, f.c.worth(r, weights[0]+weights[1], r.Left))
		if weights != [2]int64{} {
			parts := money.Split(worth, weights[:])
			counted, others = counted+parts[0], others+parts[1]
		}
	}
	return counted, others
}
