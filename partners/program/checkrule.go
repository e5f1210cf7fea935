package program

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"tributary/internal/event"
	"tributary/internal/money"
	"tributary/internal/text"
)

// rules checks the rules of one scope.
func (c *checker) rules(at string, rules []Rule) {
	ids := map[string]bool{}
	if c.rulesSeen += len(rules); c.rulesSeen > maxRules {
		return // it is said of all together
	}
	competing := map[string]int{}
	earned := c.ofEarned(rules)
	recruits := slices.ContainsFunc(slices.Concat(rules, c.document.Rules), func(r Rule) bool { return r.To == ToRecruiter })
	for i := range rules {
		r, at := &rules[i], fmt.Sprintf("%srules[%d]", at, i)
		c.id(at, r.ID, ids)
		choice(c, at+".to", r.To, Payees())
		if r.To == ToRecruiter2 && !recruits {
			c.note(at+".to", text.WrongRecruiter2(), text.FixRecruiter2())
		}
		c.cond(at+".where", r.Where)
		c.pay(at+".pay", r)
		if earned[r.To] && (r.Where.Tests(KeySKU) || r.Where.Tests(KeyCategory) || r.Where.Tests(KeyPart)) {
			c.note(at+".where", text.WrongLineBeside(string(r.To)), text.FixLineBeside())
		}
		if r.Adds {
			continue
		}
		same := string(cmp.Or(r.To, ToPartner)) + " " + r.Where.same()
		if first, taken := competing[same]; taken {
			c.note(at+".where", text.WrongSameRule(strconv.Itoa(first)), text.FixLeaveOneOut())
		} else {
			competing[same] = i
		}
	}
}

// ofEarned are the payees whom some rule of a scope, or of those behind it, pays of what others earn: their rules are about the
// whole order.
func (c *checker) ofEarned(rules []Rule) map[Payee]bool {
	payees := map[Payee]bool{}
	for _, scope := range append(c.document.scopes(), rules) {
		for i := range scope {
			if r := &scope[i]; r.Pay.ofEarned() {
				payees[r.To] = r.To != "" && r.To != ToPartner // a partner is paid of the sale alone
			}
		}
	}
	return payees
}

// ofEarned tells whether the percentage is of what others earn.
func (p Pay) ofEarned() bool { return p.Of == OfCommission || p.Of == OfFee }

// pay checks what a rule pays.
func (c *checker) pay(at string, r *Rule) {
	p := &r.Pay
	c.rate(at+".percent", p.Percent)
	choice(c, at+".of", p.Of, Ofs())
	choice(c, at+".per", p.Per, Pers())
	choice(c, at+".unit", p.Unit, []string{UnitPoint})
	most := int64(money.MaxAmount)
	switch p.Per {
	case PerOrder, PerLine:
	case PerPiece, PerClick:
		most = maxEach
	case PerMille:
		most = maxMille
	}
	c.number(at+".fixed", p.Fixed, most)
	c.number(at+".max", p.Max, money.MaxAmount)
	if p.ofEarned() && (r.To == "" || r.To == ToPartner) {
		c.note(at+".of", text.WrongOfOwn(string(p.Of)), text.FixOfOwn())
	}
	if p.ofEarned() && p.Fixed > 0 {
		c.note(at+".fixed", text.WrongFixedBeside(), text.FixFixedBeside())
	}
	if p.Of != "" && p.Percent == 0 {
		c.note(at+".of", text.WrongOfNothing("percent"), text.FixLeaveOut())
	}
	if p.Per != "" && p.Fixed == 0 {
		c.note(at+".per", text.WrongOfNothing("fixed"), text.FixLeaveOut())
	}
	if p.Unit != "" && (r.To != ToCustomer || p.Percent != 0) {
		c.note(at+".unit", text.WrongPoints(), text.FixPoints())
	}
	if p.Unit == "" && (p.Fixed > 0 || p.Max > 0) {
		c.needsCurrency()
	}
}

// needsCurrency says, once, that amounts are in no currency.
func (c *checker) needsCurrency() {
	if c.document.Currency == "" && !slices.Contains(c.noted(), c.prefix+"currency") {
		c.note("currency", text.WrongNoCurrency(), text.FixCurrency())
	}
}

func (c *checker) noted() []string {
	names := make([]string, len(c.bad))
	for i := range c.bad {
		names[i] = c.bad[i].Name
	}
	return names
}

// period checks what a period pays or takes back.
func (c *checker) period(at string, p *Period) {
	choice(c, at+".to", p.To, []Payee{ToPartner, ToRecruiter, ToRecruiter2}) // a customer's orders are not added up
	c.cond(at+".where", p.Where)
	choice(c, at+".measure", p.Measure, Measures())
	choice(c, at+".period", p.Period, Lengths())
	choice(c, at+".mode", p.Mode, []Mode{Marginal, Retroactive})
	if (len(p.Tiers) > 0) == (p.Cap != 0) {
		c.note(at+".tiers", text.WrongTiersOrCap(), text.FixOneOrOther())
	}
	c.number(at+".cap", p.Cap, money.MaxAmount)
	if p.Cap != 0 && p.Mode != "" {
		c.note(at+".mode", text.WrongOfNothing("tiers"), text.FixLeaveOut())
	}
	if p.Measure == MeasureRevenue || p.Measure == MeasureCommission {
		c.needsCurrency()
	}
	c.number(at+".tiers", int64(len(p.Tiers)), maxPeriods)
	for i := range p.Tiers {
		c.tier(fmt.Sprintf("%s.tiers[%d]", at, i), p, i)
	}
}

func (c *checker) tier(at string, p *Period, i int) {
	t := &p.Tiers[i]
	before := int64(0)
	if i > 0 {
		before = p.Tiers[i-1].From
	}
	if c.number(at+".from", t.From, money.MaxAmount); t.From <= before {
		c.note(at+".from", text.WrongTierFrom(strconv.FormatInt(before, 10), strconv.FormatInt(t.From, 10)), text.FixTierFrom())
	}
	c.rate(at+".percent", t.Percent)
	c.rate(at+".of_commission", t.OfCommission)
	c.number(at+".each", t.Each, maxEach)
	c.number(at+".once", t.Once, money.MaxAmount)
	if t.Each > 0 || t.Once > 0 {
		c.needsCurrency()
	}
	kinds := 0
	for _, n := range []int64{int64(t.Percent), int64(t.OfCommission), t.Each, t.Once} {
		if n != 0 {
			kinds++
		}
	}
	if kinds > 1 {
		c.note(at, text.WrongTierKinds(), text.FixTierKinds())
	}
}

// cond checks a condition's values, and those of the conditions in it.
func (c *checker) cond(at string, tests Cond) {
	for i := range tests {
		t := &tests[i]
		at := at + "." + t.Key.String() + t.Meta
		switch keyRows()[t.Key].shape {
		case texts:
			c.texts(at, t)
		case numbers:
			for _, n := range t.Numbers {
				if n < 1 {
					c.note(at, text.WrongBelowOne(strconv.FormatInt(n, 10)), text.FixSpelling())
				}
			}
		case ranged:
			c.between(at, t.Range)
		case conds:
			for n := range t.Conds {
				c.cond(fmt.Sprintf("%s[%d]", at, n), t.Conds[n])
			}
		case cond:
			c.cond(at, t.Conds[0])
		}
	}
}

func (c *checker) between(at string, r Range) {
	for _, bound := range []*int64{r.Min, r.Max} {
		if bound != nil {
			c.number(at, *bound, money.MaxAmount)
		}
	}
	if r.Min != nil && r.Max != nil && *r.Min > *r.Max {
		c.note(at, text.WrongMoreThan(strconv.FormatInt(*r.Max, 10), strconv.FormatInt(*r.Min, 10)), text.FixGiveAtMost(strconv.FormatInt(*r.Max, 10)))
	}
}

// texts checks the values of a test on a text.
func (c *checker) texts(at string, t *Test) {
	for i, value := range t.Texts {
		at := at
		if len(t.Texts) > 1 {
			at = fmt.Sprintf("%s[%d]", at, i)
		}
		switch t.Key {
		case KeyPartnerKind:
			if !slices.Contains(Kinds(), Kind(value)) {
				c.note(at, text.WrongPartnerKind(value), text.FixPartnerKind())
			}
		case KeyGoal:
			choice(c, at, value, append(builtInGoals(), c.document.Goals...))
		case KeyCustomer:
			choice(c, at, value, []string{CustomerNew, CustomerReturning, CustomerLapsed})
		case KeyDevice:
			choice(c, at, value, event.Devices())
		case KeyCountry:
			switch {
			case value == "UK":
				c.note(at, text.WrongCountry(value), text.FixCountryGb())
			case !isCountry(value):
				c.note(at, text.WrongCountry(value), text.FixCountry())
			}
		case KeyCategory:
			if value == AnyCategory {
				c.note(at, text.WrongAnyCategory(), text.FixAnyCategory())
				continue
			}
			c.text(at, value)
		default:
			c.text(at, value)
		}
		if slices.Contains(t.Texts[:i], value) {
			c.note(at, text.WrongTwice(), text.FixOnce())
		}
	}
}

// What a customer can be to a merchant.
const (
	CustomerNew       = "new"
	CustomerReturning = "returning"
	CustomerLapsed    = "lapsed"
)

func builtInGoals() []string { return []string{goalSale, "lead", GoalClick, "impression"} }

// GoalClick is the goal of the clicks of a day.
const GoalClick = "click"

// Lists tells whether orders with a goal can be paid under the document: one of every program, or one of its own. "" is a sale.
// A document that lists none leaves that to its rules.
func (d *Document) Lists(goal string) bool {
	return goal == "" || len(d.Goals) == 0 || slices.Contains(builtInGoals(), goal) || slices.Contains(d.Goals, goal)
}

// same is a text that two conditions of the same tests share, in whatever order their values stand.
func (c Cond) same() string { return string(written(c.sorted())) }

func (c Cond) sorted() Cond {
	tests := slices.Clone(c)
	for i := range tests {
		t := &tests[i]
		t.Texts, t.Numbers, t.Conds = slices.Clone(t.Texts), slices.Clone(t.Numbers), slices.Clone(t.Conds)
		slices.Sort(t.Texts)
		slices.Sort(t.Numbers)
		for n := range t.Conds {
			t.Conds[n] = t.Conds[n].sorted()
		}
		slices.SortFunc(t.Conds, func(a, b Cond) int { return bytes.Compare(written(a), written(b)) })
	}
	return tests
}
