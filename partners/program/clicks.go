package program

import "slices"

// PaysClicks tells whether some rule of the document may be about clicks: a rule that names no goal is about sales.
func (d *Document) PaysClicks() bool {
	return slices.ContainsFunc(d.scopes(), payClicks)
}

// PaysClicks tells that of rules of a partner's own.
func (o *Override) PaysClicks() bool { return payClicks(o.Rules) }

func payClicks(rules []Rule) bool {
	return slices.ContainsFunc(rules, func(r Rule) bool { return r.Where.Tests(KeyGoal) && r.Where.mayBeOf(GoalClick) })
}

// mayBeOf tells whether the condition can hold for an order with a goal, whatever else that has.
func (c Cond) mayBeOf(goal string) bool {
	for i := range c {
		t := &c[i]
		switch t.Key {
		case KeyGoal:
			f := Facts{Goal: goal}
			if !(Cond{*t}).Holds(&f) {
				return false
			}
		case KeyAny:
			may := false
			for _, inner := range t.Conds {
				may = may || inner.mayBeOf(goal)
			}
			if !may {
				return false
			}
		default: // what else it asks may hold
		}
	}
	return true
}
