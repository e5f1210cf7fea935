package period

import (
	"math"
	"math/bits"

	"tributary/internal/money"
	"tributary/partners/program"
)

// band is what a rule pays for a stretch of the measure: from just above its start up to the start of the next.
type band struct {
	from, to int64
	// of is what is paid for: a rate of revenue or commission, or each times the orders.
	of   program.Measure
	rate money.Rate
	each int64
}

// bandsOf are the stretches for which a rule pays, ascending. A cap takes back the commission above it.
func bandsOf(p *program.Period) []band {
	if p.Cap > 0 {
		return []band{{from: p.Cap, to: math.MaxInt64, of: program.MeasureCommission, rate: -money.One}}
	}
	var bands []band
	for _, t := range p.Tiers {
		b := band{from: t.From, to: math.MaxInt64, of: program.MeasureRevenue, rate: t.Percent}
		switch {
		case t.Once != 0:
			continue // a step: see meter.steps
		case t.OfCommission != 0:
			b.of, b.rate = program.MeasureCommission, t.OfCommission
		case t.Each != 0:
			b.of, b.each = program.MeasureCount, t.Each
		}
		if n := len(bands); n > 0 {
			bands[n-1].to = t.From
		}
		bands = append(bands, b)
	}
	return bands
}

// IsRanked reports whether sums do not say what a rule pays: what it pays for is not what it measures, so it matters which
// orders are above a start.
func IsRanked(p *program.Period) bool {
	if p.Mode == program.Retroactive && p.Cap == 0 {
		return false
	}
	for _, b := range bandsOf(p) {
		if b.of != p.Measure {
			return true
		}
	}
	return false
}

// Ladder is the last of ascending steps that an amount reaches, by its index; -1 below the first. Reaching is being at it.
func Ladder(steps []int64, amount int64) int {
	reached := -1
	for i, from := range steps {
		if amount >= from {
			reached = i
		}
	}
	return reached
}

// meter measures by one rule, which pays for what it has measured.
type meter struct {
	rule  *program.Period
	bands []band
	total Sums
	// in is what came into each band, of what the band pays for.
	in []int64
}

func newMeter(rule *program.Period) *meter {
	bands := bandsOf(rule)
	return &meter{rule: rule, bands: bands, in: make([]int64, len(bands))}
}

// reading is the state of a meter.
type reading struct {
	total Sums
	in    []int64
}

func (m *meter) read() reading { return reading{m.total, append([]int64(nil), m.in...)} }

func (m *meter) set(r reading) { m.total, m.in = r.total, append(m.in[:0], r.in...) }

// add goes on by what comes next. Where that crosses the start of a band, each band gets its part of what it pays for, in
// proportion to the measure, by largest remainder. What measures nothing is where the measure stands.
func (m *meter) add(s Sums) {
	x := m.total.Of(m.rule.Measure)
	m.total = m.total.Plus(s)
	if m.isRetroactive() {
		return
	}
	end := x + s.Of(m.rule.Measure)
	widths := make([]int64, len(m.bands)+1) // the last is what is below the first band
	widths[len(m.bands)] = end - x
	for i, b := range m.bands {
		widths[i] = max(0, min(end, b.to)-max(x, b.from))
		widths[len(m.bands)] -= widths[i]
	}
	for i, b := range m.bands {
		switch {
		case end == x && x >= b.from && x < b.to:
			m.in[i] = plus(m.in[i], s.Of(b.of))
		case widths[i] == 0:
		case b.of == m.rule.Measure:
			m.in[i] = plus(m.in[i], widths[i])
		default:
			m.in[i] = plus(m.in[i], money.Split(s.Of(b.of), widths)[i])
		}
	}
}

func (m *meter) isRetroactive() bool {
	return m.rule.Mode == program.Retroactive && m.rule.Cap == 0
}

// amount is what the rule pays for all that was measured; whole is false where it is beyond MaxSum.
func (m *meter) amount() (amount int64, whole bool) {
	x := m.total.Of(m.rule.Measure)
	whole = inside(m.total.Count) && inside(m.total.Revenue) && inside(m.total.Commission)
	add := func(n int64, ok bool) {
		amount = plus(amount, n)
		whole = whole && ok && inside(amount)
	}
	if m.isRetroactive() {
		for i := len(m.bands) - 1; i >= 0; i-- {
			if b := &m.bands[i]; x >= b.from {
				add(b.pays(m.total.Of(b.of)))
				break
			}
		}
	} else {
		for i := range m.bands {
			add(m.bands[i].pays(m.in[i]))
		}
	}
	for _, t := range m.rule.Tiers {
		if t.Once != 0 && x >= t.From {
			add(t.Once, true)
		}
	}
	return amount, whole
}

// pays is what the band pays for an amount or for so many orders.
func (b *band) pays(of int64) (amount int64, whole bool) {
	if b.each == 0 {
		return b.rate.Of(of), inside(of)
	}
	high, low := bits.Mul64(uint64(max(of, 0)), uint64(b.each))
	if high != 0 || low >= MaxSum {
		return MaxSum, false
	}
	return int64(low), true
}

// inside tells that nothing was cut.
func inside(n int64) bool { return n > -MaxSum && n < MaxSum }

// paid are the bands of the meter's rule with what came into each: of a retroactive one that which is reached, with all.
func (m *meter) paid(rule program.PeriodRuleID) []Band {
	bands := make([]Band, 0, len(m.bands))
	add := func(b *band, of int64) {
		amount, _ := b.pays(of)
		in := Band{Rule: rule, From: b.from, To: b.to, Of: of, Amount: amount}
		if b.to == math.MaxInt64 {
			in.To = 0
		}
		bands = append(bands, in)
	}
	x := m.total.Of(m.rule.Measure)
	for i := range m.bands {
		switch b := &m.bands[i]; {
		case !m.isRetroactive():
			add(b, m.in[i])
		case x >= b.from && x < b.to:
			add(b, m.total.Of(b.of))
		}
	}
	for _, t := range m.rule.Tiers {
		if t.Once != 0 && x >= t.From {
			bands = append(bands, Band{Rule: rule, From: t.From, Of: 1, Amount: t.Once})
		}
	}
	return bands
}
