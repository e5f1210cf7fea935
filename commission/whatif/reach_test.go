package whatif

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"tributary/commission"
	"tributary/internal/money"
)

// TestScenesReachWhatPaysAndTakesBack holds that the scenes of the properties are about all that they are to hold for.
func TestScenesReachWhatPaysAndTakesBack(t *testing.T) {
	t.Parallel()
	reached := map[string]int{}
	scenes := rapid.Custom(func(t *rapid.T) Decided {
		s := drawScene(t)
		return s.decide(t, s.reports())
	})
	for seed := range 400 {
		d := scenes.Example(seed)
		for i := range d.Orders {
			for _, what := range reachedBy(&d.Orders[i]) {
				reached[what]++
			}
		}
		for _, p := range d.Periods {
			reached["period of "+p.Of.Role.String()]++
			if p.Settlement.Amount != 0 {
				reached["period that pays or takes back"]++
			}
		}
	}
	for _, what := range []string{
		"credited", "no_rule", "restricted", "split", "position of three", "recruiter", "recruiter2", "customer", "points", "converted", "added", "void", "test",
		"excess", "delivery back", "free pieces back", "won by click", "won by soft", "won by coupon", "won by code", "won by customer", "won by claim", "of the fee", "of the commission",
		"recruiters of a split", "conflict of rules", "late refund", "period of partner", "period of recruiter", "period that pays or takes back", "group", "disputed", "disputed in part", "lost dispute",
	} {
		if reached[what] < 3 {
			t.Errorf("%s: %d times in 400 scenes, which reach %v", what, reached[what], slices.Sorted(maps.Keys(reached)))
		}
	}
}

// reachedBy names what there is in a decision.
func reachedBy(d *commission.Decision) (all []string) {
	note := func(is bool, what string) {
		if is {
			all = append(all, what)
		}
	}
	note(d.Outcome == commission.Credited, "credited")
	note(d.Outcome == commission.NoRule, "no_rule")
	note(d.Outcome == commission.Restricted("staff"), "restricted")
	note(len(d.Order.Added) > 0, "added")
	note(d.Order.IsVoid(), "void")
	note(len(d.Would) > 0, "test")
	note(len(d.Order.Excess) > 0, "excess")
	note(d.Order.ShippingRefunded > 0, "delivery back")
	partners, recruiters := 0, map[int64]bool{}
	for i := range d.Credits {
		c := &d.Credits[i]
		note(c.Role != commission.RolePartner, c.Role.String())
		note(c.Unit == money.Points, "points")
		note(c.Rate != nil, "converted")
		note(len(c.Lost) > 0, "conflict of rules")
		note(c.Disputed > 0, "disputed")
		note(c.Disputed > 0 && c.Disputed < c.Net, "disputed in part")
		if c.Role == commission.RolePartner {
			partners++
		}
		if c.Role == commission.RoleRecruiter {
			recruiters[int64(c.Partner)] = true
		}
		for n := range c.Rules {
			note(c.Rules[n].Of != "", "of the "+string(c.Rules[n].Of))
			note(c.Rules[n].Scope != "", string(c.Rules[n].Scope))
		}
	}
	note(partners > 1, "split")
	note(len(recruiters) > 1, "recruiters of a split")
	for i := range d.Touches {
		touch := &d.Touches[i]
		note(touch.Won, "won by "+string(touch.Kind))
		note(touch.Part == commission.Influencer && partners > 1, "position of three")
	}
	for i := range d.Order.Refunds {
		r := &d.Order.Refunds[i]
		note(len(d.Credits) > 0 && !r.At.Before(d.Credits[0].HoldUntil), "late refund")
		note(r.Dispute && len(r.Taken) > 0 && len(d.Credits) > 0, "lost dispute")
		for _, t := range r.Taken {
			note(t.Amount == 0 && t.Pieces > 0, "free pieces back")
		}
	}
	return all
}
