package program

// PaysClicks tells whether some rule of the document may be about clicks: a rule that names no goal is about sales.
func (d *Document) PaysClicks() bool {
	for _, scope := range d.scopes() {
		if payClicks(scope) {
			return true
		}
	}
	return false
}

// PaysClicks tells that of rules of a partner's own.
func (o *Override) PaysClicks() bool { return payClicks(o.Rules) }

func payClicks(rules []Rule) bool {
	for i := range rules {
		if rules[i].Where.mayBeOf(GoalClick) && rules[i].Where.Tests(KeyGoal) {
			return true
		}
	}
	return false
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
