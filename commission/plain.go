package commission

import (
	"time"

	"tributary/internal/money"
	"tributary/partners/program"
)

// pricePlain fills a credit with the price of an order by plain terms, before anything is shared: the lines of each rule are
// summed first and rounded once.
func (c *Credit) pricePlain(o *Order, found *program.LinkTerms) {
	terms := found.Terms
	c.Program, c.Partner, c.Link = found.Program, found.Partner, found.Link
	c.Terms = TermsApplied{
		Version: terms.Version, EffectiveFrom: terms.EffectiveFrom, HoldSeconds: int64(terms.Hold / time.Second),
		NetworkFee: terms.NetworkFee, Kind: found.Kind,
	}
	c.HoldUntil = o.heldFrom().Add(terms.Hold)
	c.Priced = make([]Priced, len(o.Lines))
	c.takeOver(o)
	for i := range o.Lines {
		l, p := &o.Lines[i], &c.Priced[i]
		rate, matched := terms.Rate(found.Kind, l.Category)
		p.Line, p.Rule, p.Base = l.Number, c.rule(rate, matched), l.Amount-l.Refunded
		c.Rules[p.Rule].Amount += l.Amount
		c.Rules[p.Rule].Base += p.Base
		if rate > 0 {
			c.Lines++
		}
	}
	for i := range c.Rules {
		r := &c.Rules[i]
		r.Exact = r.Rate.Exact(r.Base)
		r.Net = r.Exact.Round()
		c.spread(i)
	}
}

// heldFrom is when a hold of the order begins.
func (o *Order) heldFrom() time.Time {
	if o.asStated() {
		return o.At
	}
	return later(o.At, o.Received)
}

// rule finds the rule of a row, or begins it.
func (c *Credit) rule(rate money.Rate, matched string) int {
	for i := range c.Rules {
		if c.Rules[i].Matched == matched {
			return i
		}
	}
	if c.Rules == nil {
		c.Rules = make([]Rule, 0, 2) // of most orders
	}
	c.Rules = append(c.Rules, Rule{Matched: matched, Rate: rate})
	return len(c.Rules) - 1
}

// spread gives each line its part of what its rule earns.
func (c *Credit) spread(rule int) {
	if c.Rules[rule].Net == 0 {
		return
	}
	bases := make([]int64, 0, len(c.Priced))
	for i := range c.Priced {
		if p := &c.Priced[i]; p.Rule == rule {
			bases = append(bases, p.Base)
		}
	}
	c.enter(rule, money.Split(c.Rules[rule].Net, bases))
}
