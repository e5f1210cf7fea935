package period

import (
	"math"

	"tributary/partners/program"
)

// A Place is where an order, or a day's orders together, lie among all that a rule measures in a period.
type Place struct {
	// Before is what is measured before it, After what is with it.
	Before int64 `json:"before"`
	After  int64 `json:"after"`
	// Tiers are the tiers of a marginal rule, and the goals of any, that it is in or reaches, ascending. A retroactive tier pays for
	// the whole period, and not for where something lies in it.
	Tiers []InTier `json:"tiers,omitempty"`
	// Over is how much of it is over a cap, and Taken the commission that the cap takes back of it.
	Over  int64 `json:"over,omitempty"`
	Taken int64 `json:"taken_back,omitempty"`
}

// InTier is a tier of a rule, by its index among the rule's, and how much of the measure lies in it; 0 of a goal that is reached.
type InTier struct {
	Tier     int   `json:"tier"`
	Measured int64 `json:"measured,omitempty"`
}

// PlaceOf says where what adds some sums lies by a rule, behind all that came before: it measures as Settle and Rank do.
func PlaceOf(rule *program.Period, before, adds Sums) Place {
	m := newMeter(rule)
	m.total = before
	m.add(adds)
	p := Place{Before: before.Of(rule.Measure), After: m.total.Of(rule.Measure)}
	if IsCap(rule) {
		p.Over, p.Taken = p.within(rule.Cap, math.MaxInt64), m.in[0]
		return p
	}
	for i, t := range rule.Tiers {
		switch {
		case t.Once != 0:
			if p.Before < t.From && t.From <= p.After {
				p.Tiers = append(p.Tiers, InTier{Tier: i})
			}
		case m.isRetroactive():
		default:
			if n := p.within(t.From, endOf(rule.Tiers, i)); n > 0 {
				p.Tiers = append(p.Tiers, InTier{i, n})
			}
		}
	}
	return p
}

// within is how much of the measure lies between two bounds.
func (p *Place) within(from, to int64) int64 { return max(0, min(p.After, to)-max(p.Before, from)) }

// endOf is where a tier ends: at the start of the next that is no goal.
func endOf(tiers []program.Tier, i int) int64 {
	for _, t := range tiers[i+1:] {
		if t.Once == 0 {
			return t.From
		}
	}
	return math.MaxInt64
}

// Part is how it stands to a cap.
func (p *Place) Part() Part {
	switch p.Over {
	case 0:
		return Within
	case p.After - p.Before:
		return Over
	}
	return Crossing
}

// Next is the first tier or goal that a measure does not reach, by its index; -1 where it reaches all.
func Next(rule *program.Period, measured int64) int {
	for i, t := range rule.Tiers {
		if measured < t.From {
			return i
		}
	}
	return -1
}

// Reached is the tier that pays for a whole period by a retroactive rule, by its index; -1 below the first.
func Reached(rule *program.Period, measured int64) int {
	reached := -1
	for i, t := range rule.Tiers {
		if t.Once == 0 && measured >= t.From {
			reached = i
		}
	}
	return reached
}
