package dashboard

import (
	"strings"
	"testing"
	"time"

	"tributary/commission"
	"tributary/internal/event"
	"tributary/partners/program"
)

// scheme is an attribution by which all visits and coupons earn.
func scheme(model program.Model, found program.LinkTerms) program.LinkTerms {
	terms := *found.Terms
	rule := program.PercentRule("", "", 90_000)
	terms.Scheme = &program.Scheme{Zone: time.UTC, Document: &program.Document{
		Rules: []program.Rule{rule}, NetworkFee: terms.NetworkFee,
		Attribution: program.Attribution{Model: model, Touches: program.Touches{
			Click: &program.Touching{}, Soft: &program.Touching{}, Coupon: &program.Touching{}, Code: &program.Touching{},
		}},
	}}
	found.Terms = &terms
	return found
}

// TestWhyListsEveryTouch has an order that two partners share by position, with a soft click and a coupon beside them.
func TestWhyListsEveryTouch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	no := w.order(sale{
		id: "touches", link: w.link, customer: "c-7", lines: []*event.Line{{Number: 1, Sku: "A", Quantity: 1, Amount: 10_000}},
		decide: func(o commission.Order, ev commission.Evidence) (commission.Decision, error) {
			own := &ev.Candidates[0]
			own.Link = scheme(program.ModelPosition, own.Link)
			other := *own
			other.Click.ID, other.Click.Link, other.Click.At = "v1.k1.mira-0001", w.memberLink.ID, own.Click.At.Add(-time.Hour)
			other.Link.Link, other.Link.Partner = w.memberLink.ID, w.member
			soft := other
			soft.Kind, soft.Click.ID, soft.Click.At = commission.TouchSoft, "v1.k1.mira-0002", own.Click.At.Add(-30*time.Minute)
			coupon := commission.Candidate{Kind: commission.TouchCoupon, Code: "SPRING", Link: other.Link}
			coupon.Link.Link = 0
			ev.Candidates = append(ev.Candidates, other, soft, coupon)
			o.Path = []commission.PathTouch{{ClickID: other.Click.ID, Kind: event.PathClick}, {ClickID: soft.Click.ID, Kind: event.PathSoft}}
			return commission.Decide(o, ev)
		},
	})
	merchant := w.as("shop@example.net").page("/merchant/orders/" + number10(no))
	merchant.holds(t,
		"2 commissions on this order come to GBP 9.00", "The Slow Kitchen partner 1 of 2 GBP 4.50", "Mira Okafor partner 1 of 2 GBP 4.50",
		"click on link slow-kitchen closer v1.k1.slow-kitchen", "earns It could earn, no touch of a better rank could, and it earns by the model of the terms.",
		"click on link mira introducer v1.k1.mira-0001", "soft click on link mira influencer v1.k1.mira-0002", "outranked It could earn, but a touch of a better rank does",
		"coupon SPRING", "recorded as a click The coupon or code leads to a partner who also has a click that can earn.", "customer c-7", "customer not credited",
		"Which touch comes first", "0 A partner's claim that was granted none", "3 A click on a tracking link 30 days the model of the terms")
	for email, fact := range map[string]struct{ holds, lacks []string }{
		"site@example.net": {[]string{"v1.k1.slow-kitchen", "closer"}, []string{"Mira", "mira", "SPRING", "c-7", "soft click on"}},
		"member@example.net": {
			[]string{"v1.k1.mira-0001", "v1.k1.mira-0002", "introducer", "influencer", "coupon SPRING", "recorded as a click"},
			[]string{"The Slow Kitchen", "slow-kitchen", "c-7"},
		},
	} {
		why := w.as(email).page("/partner/commissions/" + number10(no))
		why.holds(t, fact.holds...)
		for _, secret := range fact.lacks {
			if strings.Contains(why.text(), secret) {
				t.Errorf("%s reads %q of somebody else's: %s", email, secret, why.text())
			}
		}
	}
}

// TestWhyNamesWhatEarns has orders without a click on which somebody earns.
func TestWhyNamesWhatEarns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, fact := range map[string]struct {
		touch             commission.Candidate
		merchant, partner []string
	}{
		"by coupon": {
			commission.Candidate{Kind: commission.TouchCoupon, Code: "SPRING", Exclusive: true},
			[]string{"The Slow Kitchen earns GBP 9.00 on this order: the customer used the coupon SPRING.", "which is the partner's alone and comes before clicks"},
			[]string{"You earn GBP 9.00 on this order: the customer used your coupon SPRING.", "coupon SPRING"},
		},
		"by claim": {
			commission.Candidate{Kind: commission.TouchClaim, Code: "k-1"},
			[]string{"The Slow Kitchen earns GBP 9.00 on this order: a claim of this partner was granted.", "comes before everything else"},
			[]string{"You earn GBP 9.00 on this order: your claim was granted."},
		},
	} {
		no := w.order(sale{
			id: name, link: w.link, lines: []*event.Line{{Number: 1, Sku: "A", Quantity: 1, Amount: 10_000}},
			decide: func(o commission.Order, ev commission.Evidence) (commission.Decision, error) {
				fact.touch.Link = scheme("", ev.Candidates[0].Link)
				fact.touch.Link.Link, o.ClickID = 0, ""
				return commission.Decide(o, commission.Evidence{Candidates: []commission.Candidate{fact.touch}})
			},
		})
		w.as("shop@example.net").page("/merchant/orders/"+number10(no)).holds(t, fact.merchant...)
		w.as("site@example.net").page("/partner/commissions/"+number10(no)).holds(t, fact.partner...)
	}
}
