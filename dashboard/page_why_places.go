package dashboard

import (
	"math"
	"slices"
	"strconv"

	"github.com/a-h/templ"

	"tributary/commission"
	"tributary/commission/period"
	"tributary/internal/text"
	"tributary/partners/program"
	"tributary/report"
)

// periodURL leads to the page of a period; empty for an operator, who has none.
func (view *whyView) periodURL(p *report.Position) templ.SafeURL {
	if view.role == operatorOnly || p.Period == 0 {
		return ""
	}
	return templ.SafeURL("/" + string(view.role) + "/periods/" + strconv.FormatInt(p.Period, 10))
}

// overCaps are the periods with a cap that the order is over, or crosses.
func (view *whyView) overCaps() []report.Position {
	return slices.DeleteFunc(slices.Clone(view.Positions), func(p report.Position) bool { return p.Part == period.Within })
}

// capped is what caps take back of a credit, as far as that is known of the order alone.
func (view *whyView) capped(c *commission.Credit) (taken int64) {
	for i := range view.Positions {
		if p := &view.Positions[i]; p.Place != nil && !p.ByDay && p.Partner == c.Partner && p.Role == c.Role && p.Unit == c.Unit {
			taken += p.Place.Taken
		}
	}
	return taken
}

// cappedByDay tells whether a cap takes back of the orders of a day together what nobody can say of the order alone.
func (view *whyView) cappedByDay(unit string) bool {
	return slices.ContainsFunc(view.Positions, func(p report.Position) bool { return p.Unit == unit && p.ByDay && p.Place.Taken > 0 })
}

// countedText is a value of what a rule counts, beside words that say what that is.
func countedText(t *text.Printer, rule *program.Period, unit string, n int64) string {
	if rule.Measure == program.MeasureCount {
		return t.PeriodOrders(n)
	}
	return amount{unit, n}.text()
}

// measuredText is a value of what a rule counts.
func measuredText(t *text.Printer, rule *program.Period, unit string, n int64) string {
	if rule.Measure == program.MeasureCount {
		return t.PeriodOrders(n)
	}
	return t.PeriodAmountOf(amount{unit, n}.text(), t.PeriodMeasure(string(rule.Measure)))
}

// tierText says what a tier pays.
func tierText(t *text.Printer, rule *program.Period, unit string, tier *program.Tier) string {
	from := measuredText(t, rule, unit, tier.From)
	switch {
	case tier.OfCommission != 0:
		return t.PeriodTierCommission(from, tier.OfCommission.String())
	case tier.Each != 0:
		return t.PeriodTierEach(amount{unit, tier.Each}.text(), from)
	case tier.Once != 0:
		return t.PeriodTierOnce(amount{unit, tier.Once}.text(), from)
	}
	return t.PeriodTierPercent(from, tier.Percent.String())
}

// placed writes where an order stands in a period.
type placed struct {
	*report.Position

	t    *text.Printer
	rule *program.Period
}

func (p *placed) measured(n int64) string { return measuredText(p.t, p.rule, p.Unit, n) }

func (p *placed) counted(n int64) string { return countedText(p.t, p.rule, p.Unit, n) }

func (p *placed) tier(i int) string { return tierText(p.t, p.rule, p.Unit, &p.rule.Tiers[i]) }

// meaning says what follows from where an order stands in a period.
func meaning(t *text.Printer, of *report.Position) []string {
	switch of.State {
	case report.PositionWaits:
		return []string{t.PlaceWaits()}
	case report.PositionNothing:
		return []string{t.PlaceNothing()}
	case report.PositionOverflow:
		return []string{t.PeriodOverflow()}
	case report.PositionSettled:
	}
	p := &placed{of, t, &of.Counting.Period}
	var says []string
	if of.ByDay {
		says = append(says, t.PlaceByDay(spanWords(t, of.Day.String()), t.PeriodOrders(of.Orders)))
	}
	switch {
	case period.IsCap(p.rule):
		says = append(says, p.cap()...)
	case p.rule.Mode == program.Retroactive:
		says = append(says, p.retroactive()...)
	default:
		says = append(says, p.marginal()...)
	}
	return append(says, t.PlaceWhole(p.measured(of.Measured)))
}

func (p *placed) cap() []string {
	says := []string{p.t.PlaceCap(p.measured(p.rule.Cap), p.counted(min(p.Place.Before, p.rule.Cap)))}
	taken := amount{p.Unit, p.Place.Taken}.text()
	switch {
	case p.Place.Over == 0:
		return append(says, p.t.PlaceCapWithin())
	case p.rule.Measure == program.MeasureCommission && p.Place.Over == p.Place.Taken:
		return append(says, p.t.PlaceCapOverCommission(taken))
	}
	return append(says, p.t.PlaceCapOver(p.measured(p.Place.Over), taken))
}

func (p *placed) retroactive() []string {
	says := []string{p.t.PlaceRetroactive()}
	if i := period.Reached(p.rule, p.Measured); i >= 0 {
		says = append(says, p.t.PlaceReached(p.tier(i)))
	} else {
		says = append(says, p.t.PlaceNoTier())
	}
	says = append(says, p.goals()...)
	if i := period.Next(p.rule, p.Measured); i >= 0 {
		says = append(says, p.t.PlaceLeftNow(p.counted(p.rule.Tiers[i].From-p.Measured), p.tier(i)))
	}
	return says
}

func (p *placed) marginal() (says []string) {
	first := int64(math.MaxInt64)
	for _, tier := range p.rule.Tiers {
		if tier.Once == 0 {
			first = min(first, tier.From)
		}
	}
	if below := min(p.Place.After, first) - p.Place.Before; below > 0 && first < math.MaxInt64 {
		says = append(says, p.t.PlaceBelow(p.measured(first), p.counted(below)))
	}
	for _, in := range p.Place.Tiers {
		if in.Measured > 0 {
			says = append(says, p.t.PlaceIn(p.counted(in.Measured), p.tier(in.Tier)))
		}
	}
	says = append(says, p.goals()...)
	if i := period.Next(p.rule, p.Place.After); i < 0 && len(says) == 0 {
		says = append(says, p.t.PlaceAllReached())
	} else if i >= 0 {
		says = append(says, p.t.PlaceLeft(p.counted(p.rule.Tiers[i].From-p.Place.After), p.tier(i)))
	}
	return says
}

// goals are those that the order reaches.
func (p *placed) goals() (says []string) {
	for _, in := range p.Place.Tiers {
		if tier := &p.rule.Tiers[in.Tier]; tier.Once != 0 {
			says = append(says, p.t.PlaceGoal(amount{p.Unit, tier.Once}.text(), p.measured(tier.From)))
		}
	}
	return says
}

// won tells whether a touch earns: none does on an order of which nothing is paid.
func (view *whyView) won(touch *commission.Touch) bool {
	outcome := view.Decision.Outcome
	return touch.Won && (outcome == commission.Credited || outcome == commission.Test)
}

// touchOutcome is why a touch earns nothing: its own reason or, of one that would have won, what became of the order.
func (view *whyView) touchOutcome(touch *commission.Touch) commission.Reason {
	if touch.Won {
		return view.Decision.Outcome
	}
	return touch.Reason
}
