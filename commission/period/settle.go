package period

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"tributary/commission"
	"tributary/partners/program"
)

// Rules are the rules by which the buckets of one period are paid, by their ids: those of one rule of the terms, a
// program.Counting for each version under which something counts.
type Rules map[program.PeriodRuleID]*program.Counting

// Ranked reports whether the period needs its orders: see IsRanked.
func (r Rules) Ranked() bool {
	for _, rule := range r {
		if IsRanked(&rule.Period) {
			return true
		}
	}
	return false
}

// Outcome is what became of a period.
type Outcome string

// The outcomes.
const (
	// Settled periods pay what they come to.
	Settled Outcome = ""
	// Overflow is a period whose sums leave ±MaxSum: it pays nothing.
	Overflow Outcome = "overflow"
)

// Settlement is what a period comes to. It is the record of itself. Amounts are minor units of the period's unit.
type Settlement struct {
	Outcome Outcome `json:"outcome,omitempty"`
	// Sums are those of the whole period as it stands, Amount what it pays and Fee the network's on it, both below zero for a
	// cap.
	Sums   Sums  `json:"sums"`
	Amount int64 `json:"amount"`
	Fee    int64 `json:"fee,omitempty"`
	// Bands are what each rule pays for the whole period, in the order of the versions.
	Bands []Band `json:"bands,omitempty"`
	// Boundary is set where the period was ranked and an order crosses the first start of what the rule pays for.
	Boundary *Boundary `json:"boundary,omitempty"`
	// Buckets are in the order in which they are paid.
	Buckets []Paid `json:"days,omitempty"`
	// Orders are those that Rank was given, in the order of their times and ids.
	Orders []Ranked `json:"-"`
}

// Paid is a bucket with what it comes to.
type Paid struct {
	Bucket

	// Version is that of its terms.
	Version int `json:"version"`
	// Sums are its own as they stand, Before those of all buckets before it.
	Sums   Sums  `json:"sums"`
	Before Sums  `json:"before"`
	Amount int64 `json:"amount"`
	Fee    int64 `json:"fee,omitempty"`
	// Ends is the end of its day and HoldUntil that of its hold, which runs from the end of the day, and of a cap from its
	// start: what is taken back is never payable later than what it is taken from.
	Ends      time.Time `json:"ends"`
	HoldUntil time.Time `json:"hold_until"`
	// Changes are what Amount and Fee are the sums of, by effective day.
	Changes []Change `json:"changes,omitempty"`
}

// Change is what a bucket's amount changed by on a day, at its end.
type Change struct {
	Day    commission.Day `json:"day"`
	At     time.Time      `json:"at"`
	Amount int64          `json:"amount,omitempty"`
	Fee    int64          `json:"fee,omitempty"`
}

// Ranked is an order within its period.
type Ranked struct {
	// Order is its index among those that Rank was given.
	Order int
	// Before is what is measured by the orders before it, Sums what it adds, and Amount what it is paid, or, below zero, what
	// a cap takes back of it.
	Before, Sums Sums
	Amount       int64
}

// Boundary is the first order that goes beyond the first start of what a rule pays for.
type Boundary struct {
	At time.Time `json:"at"`
	ID string    `json:"order"`
	// Within is the part of its measure that is not beyond.
	Within int64 `json:"within"`
}

// Band is a stretch of the measure with what a rule pays for what came into it.
type Band struct {
	Rule program.PeriodRuleID `json:"rule"`
	// From and To bound it; To is 0 where it has no end.
	From int64 `json:"from"`
	To   int64 `json:"to,omitempty"`
	// Of is what came into it, of what the band pays for, and Amount what that is paid.
	Of     int64 `json:"of"`
	Amount int64 `json:"amount"`
}

// Settle says what a period comes to, given the sums of its cells. rules must have the rule of each that is not empty. Where rules are
// Ranked it is for Rank to say.
func Settle(rules Rules, cells []Filled) (Settlement, error) {
	items := make([]item, 0, len(cells))
	sorted := slices.SortedFunc(slices.Values(cells), func(a, b Filled) int { return a.Cell.Compare(b.Cell) })
	sorted = slices.DeleteFunc(sorted, func(c Filled) bool { return c.Sums == Sums{} })
	for len(sorted) > 0 {
		n := 1
		for n < len(sorted) && sorted[n].Cell.Bucket == sorted[0].Cell.Bucket {
			n++
		}
		items = append(items, item{bucket: sorted[0].Cell.Bucket, cells: sorted[:n]})
		sorted = sorted[n:]
	}
	s, err := settle(rules, items)
	if err != nil {
		return Settlement{}, err
	}
	return s.settlement(), nil
}

// Rank says what a period comes to, given its orders, in any order. It agrees with Settle wherever that applies.
func Rank(rules Rules, orders []Order) (Settlement, error) {
	items := make([]item, 0, len(orders))
	for i, o := range orders {
		if cells := perDay(o.Cells); len(cells) > 0 {
			items = append(items, item{bucket: cells[0].Cell.Bucket, at: o.At, id: o.ID, order: i, cells: cells})
		}
	}
	s, err := settle(rules, items)
	if err != nil {
		return Settlement{}, err
	}
	settled := s.settlement()
	for i := range s.items {
		it := &s.items[i]
		before := it.meters[0].total
		settled.Orders = append(settled.Orders, Ranked{Order: it.order, Before: before, Sums: it.sums, Amount: it.amount})
		rule := &rules[it.bucket.Rule].Period
		start, x := startOf(rule), before.Of(rule.Measure)
		if settled.Boundary == nil && x+it.sums.Of(rule.Measure) > start {
			settled.Boundary = &Boundary{At: it.at, ID: it.id, Within: max(0, start-x)}
		}
	}
	return settled, nil
}

// perDay adds up what becomes so on one day, and leaves out what comes to nothing.
func perDay(cells []Filled) []Filled {
	if len(cells) < 2 {
		return cells
	}
	var days []Filled
	for _, c := range cells {
		if n := len(days) - 1; n >= 0 && days[n].Cell == c.Cell {
			days[n].Sums = days[n].Sums.Plus(c.Sums)
		} else {
			days = append(days, c)
		}
	}
	return slices.DeleteFunc(days, func(c Filled) bool { return c.Sums == Sums{} })
}

// startOf is the first start of what a rule pays for.
func startOf(p *program.Period) int64 {
	if IsCap(p) {
		return p.Cap
	}
	return p.Tiers[0].From
}

// item is what is measured as one: a bucket or, within its bucket, an order.
type item struct {
	bucket Bucket
	at     time.Time
	id     string
	order  int
	cells  []Filled

	sums   Sums // as of the day at hand
	amount int64
	meters []reading // of every rule, before it
}

// settling is a period that is being settled.
type settling struct {
	rules  Rules
	ids    []program.PeriodRuleID // of the rules that something counts by, in the order of versions
	meters []*meter               // in the order of ids
	items  []item
	paid   []Paid
	first  []int // of each bucket's items
	// measured is how many items were: those of all days up to the one at hand.
	measured int
	whole    bool
}

func settle(rules Rules, items []item) (*settling, error) {
	s := &settling{rules: rules, items: items, whole: true}
	if err := s.prepare(); err != nil {
		return nil, err
	}
	changes := s.changes()
	for len(changes) > 0 {
		n := 1
		for n < len(changes) && changes[n].day == changes[0].day {
			n++
		}
		if err := s.day(changes[:n]); err != nil {
			return nil, err
		}
		changes = changes[n:]
	}
	return s, nil
}

// prepare sorts the items, and groups them by bucket.
func (s *settling) prepare() error {
	for i := range s.items {
		id := s.items[i].bucket.Rule
		if slices.Contains(s.ids, id) {
			continue
		}
		if s.rules[id] == nil {
			return fmt.Errorf("settling a period: its rule %s is not known", id)
		}
		s.ids = append(s.ids, id)
	}
	slices.SortFunc(s.ids, func(a, b program.PeriodRuleID) int {
		return cmp.Or(cmp.Compare(s.rules[a].Version, s.rules[b].Version), cmp.Compare(a, b))
	})
	for _, id := range s.ids {
		s.meters = append(s.meters, newMeter(&s.rules[id].Period))
	}
	slices.SortFunc(s.items, func(a, b item) int {
		return cmp.Or(
			cmp.Compare(a.bucket.Day, b.bucket.Day), cmp.Compare(s.rules[a.bucket.Rule].Version, s.rules[b.bucket.Rule].Version),
			a.bucket.Compare(b.bucket), a.at.Compare(b.at), cmp.Compare(a.id, b.id),
		)
	})
	for i := range s.items {
		b := s.items[i].bucket
		if n := len(s.paid); n == 0 || s.paid[n-1].Bucket != b {
			s.paid, s.first = append(s.paid, paidOf(b, s.rules[b.Rule])), append(s.first, i)
		}
	}
	return nil
}

// paidOf is a bucket of which nothing is known yet.
func paidOf(b Bucket, rule *program.Counting) Paid {
	p := Paid{Bucket: b, Version: rule.Version, Ends: (b.Day + 1).Start(rule.Zone)}
	p.HoldUntil = p.Ends
	if IsCap(&rule.Period) {
		p.HoldUntil = b.Day.Start(rule.Zone)
	}
	if !rule.Period.SkipHold {
		p.HoldUntil = p.HoldUntil.Add(time.Duration(b.Hold) * time.Second)
	}
	return p
}

// change is what an item's sums change by from a day on.
type change struct {
	day  commission.Day
	item int
	sums Sums
}

// changes are those of all items, in the order of days.
func (s *settling) changes() []change {
	var all []change
	for i := range s.items {
		for _, c := range s.items[i].cells {
			all = append(all, change{c.Cell.Effective, i, c.Sums})
		}
	}
	slices.SortStableFunc(all, func(a, b change) int { return cmp.Compare(a.day, b.day) })
	return all
}

// day takes in what changed on a day, and pays what follows from that.
func (s *settling) day(changes []change) error {
	day, from := changes[0].day, changes[0].item
	for _, c := range changes {
		it := &s.items[c.item]
		if it.sums = it.sums.Plus(c.sums); it.sums.Count < 0 || it.sums.Revenue < 0 || it.sums.Commission < 0 || it.bucket.Day > day {
			return fmt.Errorf("settling a period: on %s the orders of %s come to %+v", day, it.bucket.Day, it.sums)
		}
		from = min(from, c.item)
	}
	from = min(from, s.measured)
	s.measure(day, from)
	s.pay(day, from)
	return nil
}

// measure measures the items of days up to one, from an item on.
func (s *settling) measure(day commission.Day, from int) {
	if from < s.measured {
		for n, m := range s.meters {
			m.set(s.items[from].meters[n])
		}
	}
	for s.measured = from; s.measured < len(s.items) && s.items[s.measured].bucket.Day <= day; s.measured++ {
		it := &s.items[s.measured]
		it.meters = it.meters[:0]
		for _, m := range s.meters {
			it.meters = append(it.meters, m.read())
		}
		own := s.meters[slices.Index(s.ids, it.bucket.Rule)]
		before, _ := own.amount()
		for _, m := range s.meters {
			m.add(it.sums)
		}
		after, whole := own.amount()
		s.whole = s.whole && whole
		it.amount = after - before
	}
}

// pay enters what is new on a day about what the buckets are paid, from that of an item on.
func (s *settling) pay(day commission.Day, from int) {
	b, found := slices.BinarySearch(s.first, from)
	if !found {
		b--
	}
	before := int64(0) // what is paid for all buckets before it
	for i := range b {
		before = plus(before, s.paid[i].Amount)
	}
	for ; b < len(s.paid) && s.first[b] < s.measured; b++ {
		end := len(s.items)
		if b+1 < len(s.first) {
			end = s.first[b+1]
		}
		p, rule := &s.paid[b], s.rules[s.paid[b].Rule]
		p.Sums, p.Before = Sums{}, s.items[s.first[b]].meters[0].total
		amount := int64(0)
		for i := s.first[b]; i < end; i++ {
			amount, p.Sums = plus(amount, s.items[i].amount), p.Sums.Plus(s.items[i].sums)
		}
		after := plus(before, amount)
		fee := rule.NetworkFee.Of(after) - rule.NetworkFee.Of(before)
		if amount != p.Amount || fee != p.Fee {
			p.Changes = append(p.Changes, Change{Day: day, At: (day + 1).Start(rule.Zone), Amount: amount - p.Amount, Fee: fee - p.Fee})
			p.Amount, p.Fee = amount, fee
		}
		before = after
	}
}

// settlement is what the period has come to.
func (s *settling) settlement() Settlement {
	settled := Settlement{}
	for i := range s.paid {
		settled.Amount = plus(settled.Amount, s.paid[i].Amount)
		settled.Fee = plus(settled.Fee, s.paid[i].Fee)
	}
	if !s.whole || !inside(settled.Amount) {
		return Settlement{Outcome: Overflow}
	}
	settled.Buckets = s.paid
	for n, m := range s.meters {
		settled.Sums = m.total
		settled.Bands = append(settled.Bands, m.paid(s.ids[n])...)
	}
	return settled
}
