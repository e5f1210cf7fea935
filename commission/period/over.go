package period

import (
	"cmp"
	"slices"
	"time"

	"tributary/partners/program"
)

// Part is how an order stands to the threshold of a rule.
type Part string

// The parts.
const (
	// Within is an order that is not beyond the threshold, Crossing one that is in part, and Over one that is as a whole.
	Within   Part = ""
	Crossing Part = "crossing"
	Over     Part = "over"
)

// Of tells how an order of the period, with its time and the merchant's id, stands to the boundary.
func (b *Boundary) Of(at time.Time, id string) Part {
	switch place := cmp.Or(at.Compare(b.At), cmp.Compare(id, b.ID)); {
	case place < 0:
		return Within
	case place == 0 && b.Within > 0:
		return Crossing
	}
	return Over
}

// Cap is the boundary where the period's rules are a cap whose orders are ranked, else nil: the orders beyond it are over the cap.
func (r *Record) Cap() *Boundary {
	if r.Boundary == nil || !slices.ContainsFunc(r.Rules, Said.isCap) {
		return nil
	}
	return r.Boundary
}

// isCap tells whether a rule takes back what is over a cap.
func (s Said) isCap() bool {
	rule, err := program.ParsePeriodRule(s.Says)
	return err == nil && IsCap(&rule.Period)
}
