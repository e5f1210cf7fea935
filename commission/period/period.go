package period

import (
	"cmp"
	"slices"
	"time"

	"tributary/commission"
	"tributary/partners/program"
)

// Key names a period: of one rule of a program, for one payee, in one unit.
type Key struct {
	Merchant program.MerchantID
	Program  program.ProgramID
	Partner  program.PartnerID
	Role     commission.Role
	// Rule is the id that the terms give the rule, from version to version.
	Rule string
	// Span names the period, as commission.SpanOf does.
	Span string
	// Unit is what the period is measured and paid in.
	Unit string
}

// Bucket names what is paid by one rule and released at one time: the credits of one sale day.
type Bucket struct {
	Day commission.Day `json:"day"`
	// Rule is the rule by which they count.
	Rule program.PeriodRuleID `json:"rule"`
	// Hold is their hold in seconds.
	Hold int64 `json:"hold_s"`
}

// Cell names a sum: of a bucket, as of an effective day.
type Cell struct {
	Bucket

	Effective commission.Day
}

// Sums are what is measured, each within ±MaxSum.
type Sums struct {
	// Count is of orders of which something remains, Revenue what remains of their lines, Commission what they earn after
	// refunds: the credit's part of each, in minor units of the period's unit.
	Count      int64 `json:"count"`
	Revenue    int64 `json:"revenue"`
	Commission int64 `json:"commission"`
}

// Of is the sum of a measure.
func (s Sums) Of(m program.Measure) int64 {
	switch m {
	case program.MeasureCount:
		return s.Count
	case program.MeasureRevenue:
		return s.Revenue
	case program.MeasureCommission:
		return s.Commission
	}
	return 0
}

// MaxSum bounds sums and amounts: a period beyond it is not settled (Overflow).
const MaxSum = 1_000_000_000_000_000_000

// Plus adds sums. One that leaves ±MaxSum is cut there, which Settle finds.
func (s Sums) Plus(o Sums) Sums {
	return Sums{plus(s.Count, o.Count), plus(s.Revenue, o.Revenue), plus(s.Commission, o.Commission)}
}

// Minus takes sums off, as Plus adds them.
func (s Sums) Minus(o Sums) Sums { return s.Plus(Sums{-o.Count, -o.Revenue, -o.Commission}) }

func plus(a, b int64) int64 { return max(-MaxSum, min(a+b, MaxSum)) }

// Contribution is what a credit adds to a cell of a period.
type Contribution struct {
	Key  Key
	Cell Cell
	Sums Sums
	// Says is the rule of the cell, nil where the decision was read from its record.
	Says *program.Counting
}

// Contributions are what credit i of a decision adds to the periods that it counts in, none of them empty.
func Contributions(d *commission.Decision, i int) []Contribution {
	c := &d.Credits[i]
	if c.Counted == nil {
		return nil
	}
	tallied := d.Tally(i)
	all := make([]Contribution, 0, len(tallied))
	for n, tallies := range tallied {
		in := &c.Counted.In[n]
		at := Contribution{
			Key: Key{
				Merchant: c.Merchant, Program: c.Program, Partner: c.Partner, Role: c.Role,
				Rule: in.Rule, Span: in.Span, Unit: c.Unit,
			},
			Cell: Cell{Bucket: Bucket{Day: c.Counted.Day, Rule: in.As, Hold: c.Terms.HoldSeconds}},
			Says: in.Says(),
		}
		was := Sums{}
		for _, t := range tallies {
			is := Sums{t.Count, t.Revenue, t.Commission}
			at.Cell.Effective = t.Day
			if at.Sums = is.Minus(was); at.Sums != (Sums{}) {
				all = append(all, at)
			}
			was = is
		}
	}
	return all
}

// Difference is what has to be added to the cells of periods when a decision takes the place of another: the contributions of
// all credits of the one less those of the other, one for each cell. It is empty only where the order's time is another, and
// so its place among the others.
func Difference(recorded, decided *commission.Decision) []Contribution {
	var all []Contribution
	all = appendAll(all, decided, false)
	all = Sum(appendAll(all, recorded, true))
	if recorded.Order.At.Equal(decided.Order.At) {
		all = slices.DeleteFunc(all, func(c Contribution) bool { return c.Sums == Sums{} })
	}
	return all
}

func appendAll(dst []Contribution, d *commission.Decision, takeOff bool) []Contribution {
	for i := range d.Credits {
		all := Contributions(d, i)
		if takeOff {
			for n := range all {
				all[n].Sums = Sums{}.Minus(all[n].Sums)
			}
		}
		if len(dst) == 0 {
			dst = all
		} else {
			dst = append(dst, all...)
		}
	}
	return dst
}

// Sum adds up contributions cell by cell, in the order of periods and cells. It uses the memory of what it is given.
func Sum(all []Contribution) []Contribution {
	if len(all) < 2 {
		return all
	}
	slices.SortStableFunc(all, func(a, b Contribution) int { return cmp.Or(a.Key.Compare(b.Key), a.Cell.Compare(b.Cell)) })
	kept := all[:0]
	for _, c := range all {
		if n := len(kept) - 1; n >= 0 && kept[n].Key == c.Key && kept[n].Cell == c.Cell {
			kept[n].Sums = kept[n].Sums.Plus(c.Sums)
			kept[n].Says = cmp.Or(kept[n].Says, c.Says)
			continue
		}
		kept = append(kept, c)
	}
	return kept
}

// Compare sorts periods.
func (k Key) Compare(o Key) int {
	return cmp.Or(
		cmp.Compare(k.Merchant, o.Merchant), cmp.Compare(k.Program, o.Program), cmp.Compare(k.Partner, o.Partner),
		cmp.Compare(k.Role, o.Role), cmp.Compare(k.Rule, o.Rule), cmp.Compare(k.Span, o.Span), cmp.Compare(k.Unit, o.Unit),
	)
}

// Compare sorts buckets: by day, then by the hold and the rule's id.
func (b Bucket) Compare(o Bucket) int {
	return cmp.Or(cmp.Compare(b.Day, o.Day), cmp.Compare(b.Hold, o.Hold), cmp.Compare(b.Rule, o.Rule))
}

// Compare sorts cells by bucket, then by the effective day.
func (c Cell) Compare(o Cell) int {
	return cmp.Or(c.Bucket.Compare(o.Bucket), cmp.Compare(c.Effective, o.Effective))
}

// Order is one credit as a period counts it.
type Order struct {
	// At is when the order was placed, ID the merchant's own id of it: by these it has its place among the others.
	At time.Time
	ID string
	// No is its number within the installation.
	No int64
	// Cells are what it adds, of one bucket, in the order of effective days.
	Cells []Filled
}

// Filled is a cell with what stands in it.
type Filled struct {
	Cell Cell
	Sums Sums
}

// OrderOf is credit i of a decision as one of the periods counts it; it has no cells where it does not count there.
func OrderOf(d *commission.Decision, i int, of Key) Order {
	o := Order{At: d.Order.At, ID: d.Order.ID}
	for _, c := range Contributions(d, i) {
		if c.Key == of {
			o.Cells = append(o.Cells, Filled{c.Cell, c.Sums})
		}
	}
	return o
}
