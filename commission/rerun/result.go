package rerun

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"tributary/commission"
	"tributary/commission/period"
	"tributary/internal/money"
	"tributary/partners"
	"tributary/partners/program"
)

// Result is what Simulate says.
type Result struct {
	Program program.ProgramID `json:"program"`
	Range
	// Orders were gone through. Credited earn somebody something by the program, under the terms that stand (Old) and the others
	// (New), and Changed are those on which that, or the outcome, is another.
	Orders   int64 `json:"orders"`
	Credited Count `json:"credited"`
	Changed  int64 `json:"changed"`
	// Totals are by unit, Partners by partner, role and unit, Rules by name and unit, those of orders first.
	Totals   []Total        `json:"totals"`
	Partners []PartnerTotal `json:"partners"`
	Rules    []RuleTotal    `json:"rules"`
	// Most are the orders on which most changes: fifty at most, the largest first.
	Most []OrderChange `json:"most"`
	// Outcomes are those that change, the most frequent first.
	Outcomes []OutcomeChange `json:"outcomes"`
}

// Count is of orders.
type Count struct {
	Old int64 `json:"old"`
	New int64 `json:"new"`
}

// Earned is in minor units: by orders, by periods, and the network's fee on both.
type Earned struct {
	Orders  int64 `json:"orders"`
	Periods int64 `json:"periods"`
	Fee     int64 `json:"fee"`
}

// Net is what is earned by orders and periods.
func (e Earned) Net() int64 { return e.Orders + e.Periods }

func (e Earned) plus(o Earned) Earned {
	return Earned{e.Orders + o.Orders, e.Periods + o.Periods, e.Fee + o.Fee}
}

// Change is what is earned on both sides.
type Change struct {
	Old Earned `json:"old"`
	New Earned `json:"new"`
}

// Total is of a unit.
type Total struct {
	Unit string `json:"unit"`

	Change
}

// PartnerTotal is of a partner in a role and unit. Customers are partner 0.
type PartnerTotal struct {
	Partner program.PartnerID `json:"partner"`
	Role    commission.Role   `json:"role"`
	Total
}

// RuleTotal is of a rule: of orders, or of periods.
type RuleTotal struct {
	// Rule is its id or, under plain terms, the category that it is about; "" for the rule without one.
	Rule   string `json:"rule"`
	Period bool   `json:"period"`
	Unit   string `json:"unit"`
	// Old and New are without fees.
	Old int64 `json:"old"`
	New int64 `json:"new"`
}

// OrderChange is an order on which something else would be earned, or by others.
type OrderChange struct {
	Order string    `json:"order"`
	At    time.Time `json:"at"`
	Unit  string    `json:"unit"`
	Old   int64     `json:"old"`
	New   int64     `json:"new"`
	// Moved is what some would gain or others lose on it, whichever is more.
	Moved int64 `json:"moved"`
	// OldOutcome and NewOutcome are the same on most.
	OldOutcome commission.Reason `json:"old_outcome"`
	NewOutcome commission.Reason `json:"new_outcome"`
}

// OutcomeChange is of orders whose outcome would be another.
type OutcomeChange struct {
	Old    commission.Reason `json:"old"`
	New    commission.Reason `json:"new"`
	Orders int64             `json:"orders"`
}

// mostChanged is how many orders are named.
const mostChanged = 50

// tally adds a simulation up.
type tally struct {
	program  program.ProgramID
	orders   int64
	credited Count
	changed  int64
	partners map[commission.Earner]*Change
	rules    map[ruleKey]*RuleTotal
	outcomes map[[2]commission.Reason]int64
	most     []OrderChange
	old, new period.Book
}

// ruleKey names a rule within a unit.
type ruleKey struct {
	period     bool
	rule, unit string
}

func newTally(id program.ProgramID, old, other *partners.Programs) *tally {
	return &tally{
		program: id, partners: map[commission.Earner]*Change{}, rules: map[ruleKey]*RuleTotal{}, outcomes: map[[2]commission.Reason]int64{},
		old: period.Book{Keeps: ranked(id, old)}, new: period.Book{Keeps: ranked(id, other)},
	}
}

// onOrder is what somebody earns on an order.
type onOrder struct {
	of       commission.Earner
	old, new int64
}

// add adds an order as it is decided on both sides.
func (t *tally) add(old, other *commission.Decision) {
	t.orders++
	var room [4]onOrder
	earned := t.credits(t.credits(room[:0], old, true), other, false)
	if t.pays(old) {
		t.credited.Old++
	}
	if t.pays(other) {
		t.credited.New++
	}
	changed := old.Outcome != other.Outcome
	if changed {
		t.outcomes[[2]commission.Reason{old.Outcome, other.Outcome}]++
	}
	for len(earned) > 0 {
		c := OrderChange{Order: old.Order.ID, At: old.Order.At, Unit: earned[0].of.Unit, OldOutcome: old.Outcome, NewOutcome: other.Outcome}
		var gained, lost int64
		earned = slices.DeleteFunc(earned, func(e onOrder) bool {
			if e.of.Unit != c.Unit {
				return false
			}
			c.Old, c.New = c.Old+e.old, c.New+e.new
			gained, lost = gained+max(0, e.new-e.old), lost+max(0, e.old-e.new)
			return true
		})
		if c.Moved = max(gained, lost); c.Moved > 0 {
			changed = true
			t.change(c)
		}
	}
	if changed {
		t.changed++
	}
}

// pays reports whether somebody earns something by the program.
func (t *tally) pays(d *commission.Decision) bool {
	for i := range d.Credits {
		if c := &d.Credits[i]; c.Program == t.program && !c.Declined {
			return true
		}
	}
	return false
}

// credits adds up what the program gives on an order, on one side.
func (t *tally) credits(earned []onOrder, d *commission.Decision, old bool) []onOrder {
	counted := false
	for i := range d.Credits {
		c := &d.Credits[i]
		if c.Program != t.program {
			continue
		}
		counted = counted || c.Counted != nil
		of := c.Earner()
		n := slices.IndexFunc(earned, func(e onOrder) bool { return e.of == of })
		if n < 0 {
			n, earned = len(earned), append(earned, onOrder{of: of})
		}
		sums := t.partner(of)
		if old {
			earned[n].old += c.Net
			sums.Old.Orders, sums.Old.Fee = sums.Old.Orders+c.Net, sums.Old.Fee+c.Fee
		} else {
			earned[n].new += c.Net
			sums.New.Orders, sums.New.Fee = sums.New.Orders+c.Net, sums.New.Fee+c.Fee
		}
		t.byRule(c, old)
	}
	switch {
	case !counted:
	case old:
		t.old.Add(d)
	default:
		t.new.Add(d)
	}
	return earned
}

// partner finds the sums of an earner.
func (t *tally) partner(of commission.Earner) *Change {
	found := t.partners[of]
	if found == nil {
		of.Unit = strings.Clone(of.Unit)
		found = &Change{}
		t.partners[of] = found
	}
	return found
}

// byRule shares what a credit comes to among its rules.
func (t *tally) byRule(c *commission.Credit, old bool) {
	if c.Net == 0 {
		return
	}
	weights := make([]int64, len(c.Rules))
	for i := range c.Rules {
		weights[i] = max(0, c.Rules[i].Net)
	}
	for i, part := range money.Split(c.Net, weights) {
		t.rule(ruleKey{false, c.Rules[i].Name(), c.Unit}, part, old)
	}
}

func (t *tally) rule(key ruleKey, amount int64, old bool) {
	found := t.rules[key]
	if found == nil {
		key.rule, key.unit = strings.Clone(key.rule), strings.Clone(key.unit)
		found = &RuleTotal{Rule: key.rule, Period: key.period, Unit: key.unit}
		t.rules[key] = found
	}
	if old {
		found.Old += amount
	} else {
		found.New += amount
	}
}

// change keeps an order if it is among those that change most.
func (t *tally) change(c OrderChange) {
	at, _ := slices.BinarySearchFunc(t.most, c, func(have, c OrderChange) int {
		return cmp.Or(cmp.Compare(c.Moved, have.Moved), have.At.Compare(c.At), cmp.Compare(have.Order, c.Order))
	})
	if at == mostChanged {
		return
	}
	c.Order, c.Unit = strings.Clone(c.Order), strings.Clone(c.Unit)
	t.most = slices.Insert(t.most, at, c)
	t.most = t.most[:min(len(t.most), mostChanged)]
}

// periods settles one side's periods.
func (t *tally) periods(book *period.Book, old bool) error {
	return book.Settle(func(of period.Key, _ period.Rules, s *period.Settlement) {
		if of.Program != t.program {
			return
		}
		sums := t.partner(commission.Earner{Partner: of.Partner, Role: of.Role, Unit: of.Unit})
		if old {
			sums.Old.Periods, sums.Old.Fee = sums.Old.Periods+s.Amount, sums.Old.Fee+s.Fee
		} else {
			sums.New.Periods, sums.New.Fee = sums.New.Periods+s.Amount, sums.New.Fee+s.Fee
		}
		t.rule(ruleKey{true, of.Rule, of.Unit}, s.Amount, old)
	})
}

// merge adds what was added up of other orders.
func (t *tally) merge(o *tally) {
	t.orders, t.changed = t.orders+o.orders, t.changed+o.changed
	t.credited.Old, t.credited.New = t.credited.Old+o.credited.Old, t.credited.New+o.credited.New
	for of, is := range o.partners {
		sums := t.partner(of)
		sums.Old, sums.New = sums.Old.plus(is.Old), sums.New.plus(is.New)
	}
	for key, is := range o.rules {
		t.rule(key, is.Old, true)
		t.rule(key, is.New, false)
	}
	for of, orders := range o.outcomes {
		t.outcomes[of] += orders
	}
	for _, c := range o.most {
		t.change(c)
	}
	t.old.Merge(&o.old)
	t.new.Merge(&o.new)
}

// result is what everything comes to.
func (t *tally) result(asked Asked) (*Result, error) {
	if err := t.periods(&t.old, true); err != nil {
		return nil, err
	}
	if err := t.periods(&t.new, false); err != nil {
		return nil, err
	}
	r := &Result{
		Program: asked.Program, Range: asked.In, Orders: t.orders, Credited: t.credited, Changed: t.changed,
		Totals: []Total{}, Partners: []PartnerTotal{}, Rules: []RuleTotal{}, Most: append([]OrderChange{}, t.most...), Outcomes: []OutcomeChange{},
	}
	units := map[string]*Change{}
	for of, sums := range t.partners {
		r.Partners = append(r.Partners, PartnerTotal{of.Partner, of.Role, Total{of.Unit, *sums}})
		if units[of.Unit] == nil {
			units[of.Unit] = &Change{}
		}
		unit := units[of.Unit]
		unit.Old, unit.New = unit.Old.plus(sums.Old), unit.New.plus(sums.New)
	}
	slices.SortFunc(r.Partners, func(a, b PartnerTotal) int {
		return cmp.Or(cmp.Compare(a.Partner, b.Partner), cmp.Compare(a.Role, b.Role), cmp.Compare(a.Unit, b.Unit))
	})
	for _, unit := range slices.Sorted(maps.Keys(units)) {
		r.Totals = append(r.Totals, Total{unit, *units[unit]})
	}
	for _, sums := range t.rules {
		r.Rules = append(r.Rules, *sums)
	}
	slices.SortFunc(r.Rules, func(a, b RuleTotal) int {
		switch {
		case a.Period != b.Period && b.Period:
			return -1
		case a.Period != b.Period:
			return 1
		}
		return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Unit, b.Unit))
	})
	for of, orders := range t.outcomes {
		r.Outcomes = append(r.Outcomes, OutcomeChange{of[0], of[1], orders})
	}
	slices.SortFunc(r.Outcomes, func(a, b OutcomeChange) int {
		return cmp.Or(cmp.Compare(b.Orders, a.Orders), cmp.Compare(a.Old, b.Old), cmp.Compare(a.New, b.New))
	})
	return r, nil
}
