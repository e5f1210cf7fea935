package commission

import (
	"cmp"
	"slices"
	"time"

	"tributary/internal/money"
	"tributary/partners/program"
)

// pricer prices an order by a full document for one partner who has a share of it.
type pricer struct {
	*pricing

	found *program.LinkTerms
}

// pricing is what pricers have in common to whose partners the same terms are the same.
type pricing struct {
	o   *Order
	doc *program.Document
	// scopes are the rules, the nearest first.
	scopes []program.Scope
	// template is what all credits by these terms have in common.
	template Credit
	// order and lines are what rules compete for, and facts what conditions are about: of the order, and the line at hand.
	order slot
	lines []slot
	facts program.Facts
}

// newPricer prepares an order to be priced, and gives the reason for which that is not possible.
func newPricer(o *Order, e *Evidence, found *program.LinkTerms) (pricer, Reason) {
	terms := found.Terms
	p := pricer{&pricing{o: o, doc: terms.Scheme.Document, scopes: terms.Scheme.Scopes(found.Partner, &found.Enrolment)}, found}
	hold := terms.Scheme.Hold(found.Partner, &found.Enrolment)
	p.template = Credit{
		Program: found.Program, HoldUntil: o.heldFrom().Add(hold),
		Terms: TermsApplied{
			Version: terms.Version, EffectiveFrom: terms.EffectiveFrom, HoldSeconds: int64(hold / time.Second),
			ExtensionSeconds: int64(time.Duration(p.doc.Extension) / time.Second),
			NetworkFee:       terms.NetworkFee, Full: true, Base: p.doc.Base,
		},
	}
	if terms.Rules >= program.Rules3 {
		p.template.Terms.Rules = terms.Rules
	}
	if window := time.Duration(p.doc.RefundWindow); window > 0 {
		p.template.RefundsUntil = p.template.HoldUntil.Add(window)
	}
	if unit := p.doc.Currency; unit != "" && unit != o.Currency {
		rate, known := RateBetween(e.Rates, o.Currency, unit)
		if !known {
			return pricer{}, NoRate
		}
		p.template.Unit, p.template.Rate = unit, &rate
	}
	p.template.takeOver(o)
	if !p.fits() {
		return pricer{}, CannotBePriced
	}
	p.slots(e)
	return p, ""
}

// blank is a credit of the partner by the terms, before anything is priced.
func (p *pricer) blank() Credit { return p.of(p.template) }

// of makes the credit of another partner to whom the terms are the same the partner's.
func (p *pricer) of(c Credit) Credit {
	c.Partner, c.Link, c.Terms.Kind = p.found.Partner, p.found.Link, p.found.Kind
	return c
}

// prices reports whether the pricer's terms are those of another partner, too, and the same to both.
func (p *pricer) prices(found *program.LinkTerms) bool {
	return p.pricing != nil && p.found.Terms == found.Terms && p.found.Program == found.Program && found.Terms.Scheme.Alike(&p.found.Enrolment, &found.Enrolment)
}

// forPartner is the credit of the partner itself: unpaid where no rule pays, or one forbids it.
func (p *pricer) forPartner() (c Credit, failed Reason) {
	if code, is := p.restricted(p.lines); is {
		c = p.blank()
		c.Unpaid = Restricted(code)
		return c, ""
	}
	c, ok := p.pay(program.ToPartner, "", 0)
	if !ok {
		return c, CannotBePriced
	}
	if len(c.Rules) == 0 {
		c.Unpaid = NoRule
	}
	return c, ""
}

// fits reports whether all that rules can be taken of is within money.MaxAmount, in both currencies.
func (p *pricer) fits() bool {
	sum, pieces := int64(0), int64(0)
	add := func(amount int64) { sum = min(sum+min(amount, money.MaxAmount+1), money.MaxAmount+1) }
	for i := range p.o.Lines {
		l := &p.o.Lines[i]
		add(l.Amount)
		add(l.Tax)
		add(l.Discount)
		pieces = min(pieces+l.Quantity, maxPieces+1)
	}
	add(p.o.Shipping)
	add(p.o.ShippingTax)
	if sum > money.MaxAmount || pieces > maxPieces {
		return false
	}
	if p.template.Rate == nil {
		return true
	}
	num, den, ok := p.template.Rate.scale()
	if ok {
		_, ok = scaled(sum, num, den)
	}
	return ok
}

// maxPieces bounds the pieces of an order that is priced.
const maxPieces = 1 << 53

// slots makes what rules compete for: the order, and its lines. An order without lines is one.
func (p *pricer) slots(e *Evidence) {
	o, of := p.o, &p.found.Enrolment
	p.facts = program.Facts{
		Goal: o.Goal, Customer: e.Customer.Status(o.CustomerStatus), MonthsBound: e.Customer.MonthsBound(p.found.Partner, o.At),
		Coupons: o.Coupons, Link: p.found.Link, OrderAmount: p.template.converted(o.Amount),
		Partner: p.found.Partner, PartnerKind: p.found.Kind, Groups: of.Groups, Properties: of.Properties, Metadata: o.Metadata,
	}
	p.order.lines = max(1, len(o.Lines))
	if len(o.Lines) == 0 {
		p.order.pieces = 1
		p.lines = []slot{p.order}
		return
	}
	delivery := int64(0)
	if p.doc.Base.Shipping {
		delivery += o.Shipping
	}
	if p.doc.Base.ShippingTax {
		delivery += o.ShippingTax
	}
	delivered := o.delivered(delivery)
	p.lines = make([]slot, len(o.Lines))
	for i := range o.Lines {
		l := &o.Lines[i]
		base := baseOf(l, p.doc.Base, remaining{l.Amount, l.Quantity})
		if delivered != nil {
			base += delivered[i]
		}
		s := slot{line: l.Number, lines: 1, base: p.template.converted(base), pieces: l.Quantity}
		p.lines[i] = s
		p.order.base += s.base
		p.order.pieces += s.pieces
	}
}

// delivered divides an amount for the delivery among the lines by what they were sold for; nil for nothing.
func (o *Order) delivered(amount int64) []int64 {
	if amount == 0 {
		return nil
	}
	amounts := make([]int64, len(o.Lines))
	for i := range o.Lines {
		amounts[i] = o.Lines[i].Amount
	}
	return money.Split(amount, amounts)
}

// pay is what a payee gets in a unit by the rules that are about the order; without rules where none is. earned is what the
// partner would earn with all of the order. It is not ok where that cannot be counted.
func (p *pricer) pay(to program.Payee, unit string, earned int64) (c Credit, ok bool) {
	slots := p.lines
	list := p.contenders(to, unit, slots)
	if slices.ContainsFunc(list, func(c contender) bool { return ofEarned(c.rule) }) {
		slots = []slot{p.order}
		list = p.contenders(to, unit, slots)
	}
	if c = p.blank(); len(list) == 0 {
		return c, true
	}
	ch := choose(list, slots, earned, p.template.Terms.NetworkFee)
	c.Unit = cmp.Or(unit, c.Unit)
	c.Lost = ch.lost
	c.Rules = make([]Rule, 0, len(ch.rules))
	for _, r := range ch.rules {
		c.Rules = append(c.Rules, ruleOf(r))
	}
	c.Priced = make([]Priced, 0, len(p.o.Lines))
	for n, rules := range ch.pays {
		for _, i := range rules {
			c.priceBy(i, &slots[n], p.o)
		}
		if slices.ContainsFunc(rules, func(i int) bool { return c.Rules[i].Rate > 0 || c.Rules[i].Fixed > 0 }) {
			c.Lines += slots[n].lines
		}
	}
	slices.SortStableFunc(c.Priced, func(a, b Priced) int { return cmp.Compare(a.Line, b.Line) })
	return c, c.reckon(p.o)
}

// priceBy enters the lines of a slot that a rule prices: none where it pays of what others earn.
func (c *Credit) priceBy(rule int, s *slot, o *Order) {
	if c.Rules[rule].Of != "" {
		return
	}
	if s.line > 0 {
		c.Priced = append(c.Priced, Priced{Line: s.line, Rule: rule})
		return
	}
	for i := range o.Lines {
		c.Priced = append(c.Priced, Priced{Line: o.Lines[i].Number, Rule: rule})
	}
}

// ofEarned reports whether a rule pays of what others earn.
func ofEarned(r *program.Rule) bool {
	return r.Pay.Of == program.OfCommission || r.Pay.Of == program.OfFee
}

// ruleOf is a rule as records keep it.
func ruleOf(c *contender) Rule {
	pay := &c.rule.Pay
	r := Rule{ID: c.id, Scope: c.scope, Rate: pay.Percent, Fixed: pay.Fixed, Max: pay.Max}
	if ofEarned(c.rule) {
		r.Of = pay.Of
	}
	if pay.Fixed > 0 {
		r.Per, r.Min = cmp.Or(pay.Per, program.PerOrder), leastOrder(c.rule)
	}
	return r
}

// leastOrder is the amount that a rule itself asks of an order.
func leastOrder(r *program.Rule) int64 {
	for i := range r.Where {
		if t := &r.Where[i]; t.Key == program.KeyOrderAmount && t.Range.Min != nil {
			return *t.Range.Min
		}
	}
	return 0
}

// reckon works out what each rule gives before refunds and after them, and each line's part. It reports whether that are
// amounts that the books can hold.
func (c *Credit) reckon(o *Order) bool {
	f := c.before(o)
	total := int64(0)
	for i := range c.Rules {
		r := &c.Rules[i]
		r.Amount, r.Units = f.of(i)
		worth, ok := c.bounded(r)
		if total += worth; !ok || total > money.MaxAmount {
			return false
		}
	}
	for i := range o.Refunds {
		f.take(&o.Refunds[i])
	}
	for i := range c.Priced {
		n, _ := o.line(c.Priced[i].Line)
		c.Priced[i].Base, c.Priced[i].Net = baseOf(&o.Lines[n], c.Terms.Base, f.lines[n]), 0
	}
	for i := range c.Rules {
		r := &c.Rules[i]
		r.Base, r.Left = f.of(i)
		if r.Of != "" {
			continue // it depends on what others earn
		}
		r.Exact = r.Rate.Exact(c.converted(r.Base))
		r.Net = c.worth(r, r.Base, r.Left)
		c.spreadBy(i, &f)
	}
	return true
}

// bounded is what a rule gives before refunds, and whether it and its parts are within money.MaxAmount.
func (c *Credit) bounded(r *Rule) (int64, bool) {
	den := int64(1)
	if r.Per == program.PerMille {
		den = 1000
	}
	if _, ok := scaled(r.Fixed, r.Units, den); !ok {
		return 0, false
	}
	return c.worth(r, r.Amount, r.Units), true
}

// spreadBy gives each line its part of what its rule earns: by what the rule's rate is of or, where it has none, by what its
// fixed amount is for; where only delivery is left, by what the lines were sold for.
func (c *Credit) spreadBy(rule int, f *remainder) {
	r := &c.Rules[rule]
	if r.Net == 0 {
		return
	}
	weights := make([]int64, 0, len(c.Priced))
	weigh := func(of func(p *Priced, line int) int64) {
		weights = weights[:0]
		for i := range c.Priced {
			if p := &c.Priced[i]; p.Rule == rule {
				n, _ := f.o.line(p.Line)
				weights = append(weights, of(p, n))
			}
		}
	}
	weigh(func(p *Priced, line int) int64 {
		switch {
		case r.Rate > 0:
		case r.Per == program.PerLine:
			return min(1, f.lines[line].amount+f.lines[line].pieces)
		case r.Per != program.PerOrder:
			return f.lines[line].pieces
		}
		return p.Base
	})
	if c.Terms.rules3() && !slices.ContainsFunc(weights, func(w int64) bool { return w > 0 }) {
		weigh(func(_ *Priced, line int) int64 { return f.o.Lines[line].Amount })
	}
	c.enter(rule, money.Split(r.Net, weights))
}

// enter gives the lines of a rule their parts of what it earns.
func (c *Credit) enter(rule int, parts []int64) {
	for i := range c.Priced {
		if c.Priced[i].Rule == rule {
			c.Priced[i].Net, parts = parts[0], parts[1:]
		}
	}
}

// count enters the periods in which a credit by these terms counts.
func (p *pricer) count(c *Credit, to program.Payee) {
	rules := p.found.Terms.Scheme.Counting(p.found.Partner, &p.found.Enrolment)
	if len(rules) == 0 {
		return
	}
	rules = slices.DeleteFunc(rules, func(r *program.Counting) bool { // Counting has made the list
		return cmp.Or(r.Period.To, program.ToPartner) != to || c.Unpaid != "" && r.Period.Cap > 0
	})
	c.Count(p.o, rules, func(rule *program.Counting, line int) bool {
		return p.holds(rule.Period.Where, &p.lines[max(line, 0)])
	})
}
