package commission

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"tributary/internal/money"
	"tributary/partners/program"
)

// Why says by what a rule came before another one that matched the same line.
type Why string

// What decides between rules, in the order in which it is asked.
const (
	ByScope     Why = "scope"
	ByCloseness Why = "closeness"
	ByMoney     Why = "money"
	ByPosition  Why = "position"
)

// slot is what rules compete for: a line of the order, or the whole of it where a payee is paid of what others earn.
type slot struct {
	// line is the number of the line, 0 for the whole order, and lines how many that are.
	line  int64
	lines int
	// base is what a rate is taken of, in minor units of the credit, and pieces what a fixed amount for each is.
	base, pieces int64
}

// contender is a rule that would pay for some slots.
type contender struct {
	id    string
	scope program.ScopeKind
	rule  *program.Rule
	close program.Closeness
	// on are the indices of the slots that it matches, and worth is what it is worth on each of them.
	on    []int
	worth []int64
}

// choice are the rules that pay for slots: for each that has one the winner, and all that come on top.
type choice struct {
	rules []*contender
	// pays has for each slot the indices of rules.
	pays [][]int
	lost []Lost
}

// contenders are the rules to a payee in a unit that match a slot, in the order of their scopes and then of the document. None
// is about an order with a goal that the document does not list.
func (p *pricer) contenders(to program.Payee, unit string, slots []slot) []contender {
	var list []contender
	if !p.doc.Lists(p.o.Goal) {
		return nil
	}
	for _, scope := range p.scopes {
		for i := range scope.Rules {
			r := &scope.Rules[i]
			if cmp.Or(r.To, program.ToPartner) != to || r.Pay.Unit != unit || p.o.Goal != "" && !r.Where.Tests(program.KeyGoal) {
				continue // a rule that names no goal is about sales
			}
			on := p.matching(r.Where, slots)
			if len(on) == 0 {
				continue
			}
			c := contender{id: r.ID, scope: scope.Of, rule: r, close: r.Where.Closeness(), on: on}
			if c.id == "" {
				c.id = fmt.Sprintf("#%d", i+1)
			}
			list = append(list, c)
		}
	}
	return list
}

// matching are the indices of the slots for which a condition holds.
func (p *pricer) matching(where program.Cond, slots []slot) (on []int) {
	for n := range slots {
		if p.holds(where, &slots[n]) {
			if on == nil {
				on = make([]int, 0, len(slots)-n)
			}
			on = append(on, n)
		}
	}
	return on
}

// holds reports whether a condition holds for a slot.
func (p *pricer) holds(where program.Cond, s *slot) bool {
	if len(where) == 0 {
		return true
	}
	f := &p.facts
	f.SKU, f.Category, f.Part, f.Country, f.Device = "", "", "", p.o.Country, p.o.Device
	if s.line > 0 {
		n, _ := p.o.line(s.line)
		l := &p.o.Lines[n]
		f.SKU, f.Category, f.Part = l.SKU, l.Category, l.Part
		f.Country, f.Device = cmp.Or(l.Country, f.Country), cmp.Or(l.Device, f.Device)
	}
	return where.Holds(f)
}

// choose finds the rules that pay for each slot. earned is what the partner would earn on each, for rules that pay of that.
func choose(list []contender, slots []slot, earned int64, fee money.Rate) choice {
	ch := choice{rules: make([]*contender, 0, len(list)), pays: make([][]int, len(slots))}
	first := make([]int, len(slots)) // nearly always one rule pays for a slot
	for n := range slots {
		ch.pays[n] = first[n : n : n+1]
	}
	for i := range list {
		list[i].value(slots, earned, fee)
	}
	for n := range slots {
		var winner *contender
		for i := range list {
			c := &list[i]
			if !c.rule.Adds && c.matches(n) && (winner == nil || c.beats(winner, n) != "") {
				winner = c
			}
		}
		if winner != nil {
			ch.pay(n, winner)
			ch.lose(n, winner, list)
		}
		for i := range list {
			if c := &list[i]; c.rule.Adds && c.matches(n) {
				ch.pay(n, c)
			}
		}
	}
	return ch
}

// matches reports whether the rule is about a slot.
func (c *contender) matches(n int) bool {
	_, found := slices.BinarySearch(c.on, n)
	return found
}

// worthOn is what the rule is worth on a slot that it matches.
func (c *contender) worthOn(n int) int64 {
	i, _ := slices.BinarySearch(c.on, n)
	return c.worth[i]
}

// beats says by what the rule comes before one that is listed earlier, and nothing where it does not.
func (c *contender) beats(earlier *contender, n int) Why {
	if c.scope != earlier.scope {
		return "" // scopes are listed in their order
	}
	if closer := c.close.Compare(earlier.close); closer != 0 {
		return either(closer > 0, ByCloseness)
	}
	return either(c.worthOn(n) > earlier.worthOn(n), ByMoney)
}

func either(is bool, why Why) Why {
	if is {
		return why
	}
	return ""
}

// over says by what the winner of a slot came before another rule.
func (c *contender) over(loser *contender, n int) Why {
	switch {
	case c.scope != loser.scope:
		return ByScope
	case c.close != loser.close:
		return ByCloseness
	case c.worthOn(n) != loser.worthOn(n):
		return ByMoney
	}
	return ByPosition
}

// pay enters a rule that pays for a slot.
func (ch *choice) pay(n int, c *contender) {
	i := slices.Index(ch.rules, c)
	if i < 0 {
		i = len(ch.rules)
		ch.rules = append(ch.rules, c)
	}
	ch.pays[n] = append(ch.pays[n], i)
}

// lose enters the rules that competed for a slot with its winner. What one of them lost to another by the same on several
// slots is summed.
func (ch *choice) lose(n int, winner *contender, list []contender) {
	for i := range list {
		c := &list[i]
		if c == winner || c.rule.Adds || !c.matches(n) {
			continue
		}
		l := Lost{ID: c.id, Scope: c.scope, Rule: slices.Index(ch.rules, winner), By: winner.over(c, n)}
		at := slices.IndexFunc(ch.lost, func(o Lost) bool {
			return o.ID == l.ID && o.Scope == l.Scope && o.Rule == l.Rule && o.By == l.By
		})
		if at < 0 {
			at = len(ch.lost)
			ch.lost = append(ch.lost, l)
		}
		ch.lost[at].Worth += c.worthOn(n)
		ch.lost[at].Won += winner.worthOn(n)
	}
}

// value works out what the rule is worth on each slot that it matches, in whole minor units and before refunds. A fixed amount
// for the order counts on a slot with its share by base.
func (c *contender) value(slots []slot, earned int64, fee money.Rate) {
	pay := &c.rule.Pay
	perOrder := pay.Fixed > 0 && cmp.Or(pay.Per, program.PerOrder) == program.PerOrder
	if !perOrder {
		c.worth = make([]int64, len(c.on))
	} else {
		bases := make([]int64, len(c.on))
		for i, n := range c.on {
			bases[i] = slots[n].base
		}
		c.worth = money.Split(pay.Fixed, bases)
	}
	for i, n := range c.on {
		s := &slots[n]
		var worth money.Product
		switch pay.Of {
		case program.OfCommission:
			worth = pay.Percent.Exact(earned)
		case program.OfFee:
			worth = pay.Percent.Exact(fee.Of(earned))
		default:
			worth = pay.Percent.Exact(s.base)
		}
		if !perOrder {
			worth = worth.Plus(fixedOn(pay, s.pieces))
		}
		c.worth[i] += worth.Round()
		if pay.Max > 0 {
			c.worth[i] = min(c.worth[i], pay.Max)
		}
	}
}

// fixedOn is a fixed amount on one line of so many pieces, before it is rounded; beyond money.MaxAmount it is worth that.
func fixedOn(pay *program.Pay, pieces int64) money.Product {
	units, den := pieces, int64(1)
	if pay.Per == program.PerLine {
		units = 1
	}
	if pay.Per == program.PerMille {
		den = 1000
	}
	if _, ok := scaled(pay.Fixed, units, den); !ok {
		return money.One.Exact(money.MaxAmount)
	}
	return fixedFor(pay.Fixed, pay.Per, units)
}

// restricted finds the code of a rule by which nothing is paid.
func (p *pricer) restricted(slots []slot) (code string, is bool) {
	for i := range p.doc.Zero {
		z := &p.doc.Zero[i]
		if slices.ContainsFunc(slots, func(s slot) bool { return p.holds(z.Where, &s) }) {
			return strings.TrimSpace(z.Code), true
		}
	}
	return "", false
}
