package period

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"tributary/commission"
	"tributary/partners/program"
)

// Book adds up in memory what decisions contribute to periods, and settles them: what the tables of periods are to an engine.
// The zero Book holds nothing, and keeps no orders.
type Book struct {
	// Keeps tells whether the orders of a rule are kept, as they must be wherever IsRanked is true of a period of that name; nil
	// keeps none.
	Keeps func(of *Key) bool

	periods map[Key]*page
}

// page is what a book holds of one period.
type page struct {
	rules  Rules
	cells  map[Cell]Sums
	orders []Order
}

// Add adds what a decision contributes. It must be one whose rules are at hand (Contribution.Says), not read from a record.
func (b *Book) Add(d *commission.Decision) {
	for i := range d.Credits {
		if d.Credits[i].Counted == nil {
			continue
		}
		for all := Contributions(d, i); len(all) > 0; {
			n := 1
			for n < len(all) && all[n].Key == all[0].Key {
				n++
			}
			b.enter(d, all[:n])
			all = all[n:]
		}
	}
}

// enter adds the contributions of a credit to one period.
func (b *Book) enter(d *commission.Decision, all []Contribution) {
	if b.periods == nil {
		b.periods = map[Key]*page{}
	}
	key := all[0].Key
	p := b.periods[key]
	if p == nil {
		key.Unit = strings.Clone(key.Unit) // else it would hold on to the order's events
		p = &page{rules: Rules{}, cells: map[Cell]Sums{}}
		b.periods[key] = p
	}
	order := Order{At: d.Order.At}
	for _, c := range all {
		p.rules[c.Cell.Rule] = c.Says
		p.cells[c.Cell] = p.cells[c.Cell].Plus(c.Sums)
		order.Cells = append(order.Cells, Filled{c.Cell, c.Sums})
	}
	if b.Keeps != nil && b.Keeps(&key) {
		order.ID = strings.Clone(d.Order.ID)
		p.orders = append(p.orders, order)
	}
}

// Merge adds what another book holds of other orders, which is not used any more.
func (b *Book) Merge(o *Book) {
	if b.periods == nil {
		b.periods = o.periods
		return
	}
	for key, is := range o.periods {
		p := b.periods[key]
		if p == nil {
			b.periods[key] = is
			continue
		}
		maps.Copy(p.rules, is.rules)
		for cell, sums := range is.cells {
			p.cells[cell] = p.cells[cell].Plus(sums)
		}
		p.orders = append(p.orders, is.orders...)
	}
}

// Settle settles every period, in the order of their keys.
func (b *Book) Settle(each func(of Key, rules Rules, s *Settlement)) error {
	for _, key := range slices.SortedFunc(maps.Keys(b.periods), Key.Compare) {
		p := b.periods[key]
		s, err := p.settle()
		if err != nil {
			return fmt.Errorf("settling period %s of rule %q: %w", key.Span, key.Rule, err)
		}
		each(key, p.rules, &s)
	}
	return nil
}

func (p *page) settle() (Settlement, error) {
	rules := Rules{}
	cells := make([]Filled, 0, len(p.cells))
	for cell, sums := range p.cells {
		if sums != (Sums{}) {
			rules[cell.Rule] = p.rules[cell.Rule]
		}
		cells = append(cells, Filled{cell, sums})
	}
	p.rules = rules
	if rules.Ranked() {
		return Rank(rules, p.orders)
	}
	return Settle(rules, cells)
}

// Ranks tells of which rules, by their ids, some period IsRanked.
func Ranks(periods []program.Period) map[string]bool {
	ranked := map[string]bool{}
	for i := range periods {
		if IsRanked(&periods[i]) {
			ranked[periods[i].ID] = true
		}
	}
	return ranked
}
