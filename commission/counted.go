package commission

import (
	"fmt"
	"slices"
	"strconv"

	"tributary/internal/money"
	"tributary/partners/program"
)

// Counted says in which periods a credit counts, and on which days what happened to it does. The decision fixes the days, so
// that a newer time zone file never takes off another day than was added. A credit that counts nowhere has none.
type Counted struct {
	// Day is that of the order in the zone of the terms, Refunds are those of the order's refunds, one for each.
	Day     Day   `json:"day"`
	Refunds []Day `json:"refunds,omitempty"`
	// In are the periods, in the order in which the terms list their rules.
	In []CountedIn `json:"in"`
}

// CountedIn is one period in which a credit counts.
type CountedIn struct {
	// Rule is the id that the terms give the rule, As what the rule says.
	Rule string               `json:"rule"`
	As   program.PeriodRuleID `json:"as"`
	// Span names the period, as SpanOf does.
	Span string `json:"span"`
	// Lines are the numbers of the lines that count, ascending; none where all of them do.
	Lines []int64 `json:"lines,omitempty"`
	// Paid are the indexes of the credit's rules whose pay counts, ascending; none where that of all does.
	Paid []int `json:"paid,omitempty"`

	// says is the rule itself, nil in a decision that was read from its record.
	says *program.Counting
}

// Says is the rule itself; nil in a decision that was read from its record.
func (c *CountedIn) Says() *program.Counting { return c.says }

// Has reports whether a line counts.
func (c *CountedIn) Has(line int64) bool {
	if len(c.Lines) == 0 {
		return true
	}
	_, found := slices.BinarySearch(c.Lines, line)
	return found
}

// Count enters the periods in which the credit counts: those of rules, all of one version of the terms and for the credit's
// payee, that are about lines of the order. Of an order without lines they are asked for line -1. A rule that names rules of
// the terms counts what these have paid.
func (c *Credit) Count(o *Order, rules []*program.Counting, about func(rule *program.Counting, line int) bool) {
	var in []CountedIn
	for _, rule := range rules {
		counted := CountedIn{Rule: rule.Period.ID, As: rule.ID, Span: SpanOf(rule.Period.Period, DayOf(o.At, rule.Zone)), says: rule}
		if len(rule.Period.Rules) > 0 {
			if counted.Paid = c.named(rule.Period.Rules); len(counted.Paid) == 0 {
				continue
			}
		}
		for i := range o.Lines {
			if about(rule, i) && c.paysFor(o.Lines[i].Number, counted.Paid) {
				counted.Lines = append(counted.Lines, o.Lines[i].Number)
			}
		}
		if len(counted.Lines) == 0 && (len(o.Lines) > 0 || !about(rule, -1)) {
			continue
		}
		if len(counted.Lines) == len(o.Lines) {
			counted.Lines = nil
		}
		in = append(in, counted)
	}
	if len(in) == 0 {
		return
	}
	zone := in[0].says.Zone
	c.Counted = &Counted{Day: DayOf(o.At, zone), In: in}
	for i := range o.Refunds {
		c.Counted.Refunds = append(c.Counted.Refunds, DayOf(o.Refunds[i].Effective, zone))
	}
}

// named are the indexes of the credit's rules with these ids.
func (c *Credit) named(ids []string) (rules []int) {
	for i := range c.Rules {
		if slices.Contains(ids, c.Rules[i].ID) {
			rules = append(rules, i)
		}
	}
	return rules
}

// paysFor reports whether one of some rules pays for a line; none stand for all that there may be.
func (c *Credit) paysFor(line int64, rules []int) bool {
	return len(rules) == 0 || slices.ContainsFunc(c.Priced, func(p Priced) bool { return p.Line == line && slices.Contains(rules, p.Rule) })
}

// SpanOf names the period of a length that a day is in: "2026-09-07", "2026-W37", "2026-09", "2026-Q3", "2026" or "ever".
// Weeks begin on Monday and go by ISO 8601.
func SpanOf(length program.Length, d Day) string {
	year, month, _ := d.Date()
	switch length {
	case program.Day:
		return d.String()
	case program.Week:
		year, week := d.utc().ISOWeek()
		return fmt.Sprintf("%04d-W%02d", year, week)
	case program.Month:
		return d.String()[:len("2026-09")]
	case program.Quarter:
		return fmt.Sprintf("%04d-Q%d", year, (int(month)+2)/3)
	case program.Year:
		return strconv.Itoa(year)
	default:
		return string(program.Ever)
	}
}

// Tally is what a credit counts for in a period from a day on: 1 as long as something remains of the order's lines that
// count, the credit's part of what remains of them, without delivery, and what it earns for them after refunds. Amounts are in
// its unit.
type Tally struct {
	Day                        Day
	Count, Revenue, Commission int64
}

// Tally is what credit i counts for in each of its periods, after the sale and after the refunds of each effective time.
func (d *Decision) Tally(i int) [][]Tally {
	c := &d.Credits[i]
	t := d.timeline(&scratch{})
	f := c.tallying(&d.Order)
	of := d.partOf(c)
	all := make([][]Tally, len(c.Counted.In))
	day := c.Counted.Day
	next := 0 // of the refunds
	for step := range t.at {
		for step > 0 && next < len(d.Order.Refunds) && d.Order.Refunds[next].Effective.Equal(t.at[step]) {
			f.take(&d.Order.Refunds[next])
			day = max(day, c.Counted.Refunds[next])
			next++
		}
		net := t.of(step, i, len(d.Credits)).net
		for n := range all {
			is := f.tally(&c.Counted.In[n], net)
			is.Day, is.Revenue = day, of.share(is.Revenue)
			all[n] = append(all[n], is)
		}
	}
	return all
}

// partOf is the credit's part of the order: by its weight or, where it has what it has for what others bring, by theirs.
func (d *Decision) partOf(c *Credit) parting {
	var p parting
	for i := range d.Credits {
		o := &d.Credits[i]
		if o.Weight == 0 || o.Role != RolePartner {
			continue
		}
		brought := slices.ContainsFunc(c.From, func(of []program.PartnerID) bool { return slices.Contains(of, o.Partner) })
		p.weights, p.own = append(p.weights, o.Weight), append(p.own, o.Earner() == c.Earner() || brought)
	}
	return p
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

// tallying is what is left of an order's lines for a credit on its way through the refunds.
type tallying struct {
	c     *Credit
	o     *Order
	lines []remaining
	gone  bool // of an order without lines
}

func (c *Credit) tallying(o *Order) tallying {
	f := tallying{c: c, o: o, lines: make([]remaining, len(o.Lines))}
	for i := range o.Lines {
		f.lines[i] = remaining{o.Lines[i].Amount, o.Lines[i].Quantity}
	}
	return f
}

func (f *tallying) take(r *Refund) {
	if !f.c.counts(r) {
		return
	}
	f.gone = f.gone || r.Whole
	for _, t := range r.Taken {
		n, _ := f.o.line(t.Line)
		f.lines[n].amount -= t.Amount
		f.lines[n].pieces -= t.Pieces
		if f.o.Lines[n].Amount > 0 && f.lines[n].amount == 0 {
			f.lines[n].pieces = 0
		}
	}
}

// tally is what counts in a period, of all of the order, where the credit has so much of it.
func (f *tallying) tally(in *CountedIn, net int64) (t Tally) {
	remains := len(f.lines) == 0 && !f.gone
	for n := range f.lines {
		if l := &f.o.Lines[n]; in.Has(l.Number) && f.lines[n] != (remaining{}) {
			remains = true
			t.Revenue += baseOf(l, f.c.Terms.Base, f.lines[n])
		}
	}
	if !remains {
		return Tally{}
	}
	t.Count, t.Revenue, t.Commission = 1, f.c.converted(t.Revenue), net
	if len(in.Lines) > 0 || len(in.Paid) > 0 {
		counted, others := f.worth(in)
		t.Commission = money.Split(net, []int64{counted, others})[0]
	}
	return t
}

// worth is what counts in a period is worth to the credit, and what else there is: of each rule in proportion to what its rate
// is of or, where it has none, to the pieces.
func (f *tallying) worth(in *CountedIn) (counted, others int64) {
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

// checkCounted refuses a record whose days or lines are not those of the order.
func (c *Credit) checkCounted(o *Order) error {
	if c.Counted == nil {
		return nil
	}
	if len(c.Counted.Refunds) != len(o.Refunds) {
		return fmt.Errorf("reading the record of a decision: partner %d has the days of %d of %d refunds", c.Partner, len(c.Counted.Refunds), len(o.Refunds))
	}
	for _, in := range c.Counted.In {
		for i, line := range in.Lines {
			if _, found := o.line(line); !found || i > 0 && line <= in.Lines[i-1] {
				return fmt.Errorf("reading the record of a decision: line %d counts in the period %s of %q", line, in.Span, in.Rule)
			}
		}
		for _, rule := range in.Paid {
			if rule < 0 || rule >= len(c.Rules) {
				return fmt.Errorf("reading the record of a decision: rule %d of %d counts in the period %s of %q", rule, len(c.Rules), in.Span, in.Rule)
			}
		}
	}
	return nil
}

func (c *Counted) appendJSON(dst []byte) []byte {
	dst = c.Day.append(append(dst, `{"day":"`...))
	if len(c.Refunds) > 0 {
		dst = append(dst, `","refunds":[`...)
		for i, day := range c.Refunds {
			dst = append(day.append(append(separate(dst, i), '"')), '"')
		}
		dst = append(dst, `],"in":[`...)
	} else {
		dst = append(dst, `","in":[`...)
	}
	for i := range c.In {
		dst = c.In[i].appendJSON(separate(dst, i))
	}
	return append(dst, `]}`...)
}

func (c *CountedIn) appendJSON(dst []byte) []byte {
	dst = appendText(dst, `{"rule":`, c.Rule)
	dst = appendText(dst, `,"as":`, c.As.String())
	dst = appendText(dst, `,"span":`, c.Span)
	if len(c.Lines) > 0 {
		dst = append(dst, `,"lines":[`...)
		for i, line := range c.Lines {
			dst = strconv.AppendInt(separate(dst, i), line, 10)
		}
		dst = append(dst, ']')
	}
	if len(c.Paid) > 0 {
		dst = append(dst, `,"paid":[`...)
		for i, rule := range c.Paid {
			dst = strconv.AppendInt(separate(dst, i), int64(rule), 10)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}
