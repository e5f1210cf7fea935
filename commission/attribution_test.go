package commission

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tributary/internal/event"
	"tributary/internal/money"
	"tributary/partners/program"
)

// every lists all kinds of touch, those with a time with the windows given.
func every(click, soft, impression time.Duration) program.Touches {
	within := func(window time.Duration) *program.Touching {
		return &program.Touching{Window: program.Duration(window)}
	}
	return program.Touches{
		Click: within(click), Soft: within(soft), Impression: within(impression),
		Coupon: &program.Touching{}, Code: &program.Touching{},
	}
}

// usual credits every kind in the windows that are theirs unless terms say otherwise.
func usual(model program.Model) program.Attribution {
	return program.Attribution{Model: model, HalfLife: program.Duration(7 * day), Touches: every(0, 0, 0), Bind: &program.Bind{Life: true}}
}

// by is a partner in program 2 of merchant 1 under terms of such an attribution, that pay 10 % and the network 20 % of it.
func by(partner program.PartnerID, a program.Attribution) program.LinkTerms {
	document := program.Document{Attribution: a, NetworkFee: 200_000, Rules: []program.Rule{program.PercentRule("", "", 100_000)}}
	found := linkTerms(noon(), program.Terms{
		NetworkFee: 200_000, Rates: rates(map[string]money.Rate{"*": 100_000}),
		Scheme: &program.Scheme{Document: &document, Zone: time.UTC},
	})
	found.Partner, found.Link = partner, program.LinkID(10*partner)
	return found
}

// visit is a visit of a partner's some time before noon, named by both.
func visit(kind TouchKind, of program.LinkTerms, before time.Duration) Candidate {
	id := fmt.Sprintf("%s of %d, %s", kind, of.Partner, before)
	return Candidate{Kind: kind, Click: Click{ID: id, Link: of.Link, At: noon().Add(-before)}, Link: of}
}

func click(of program.LinkTerms, before time.Duration) Candidate {
	return visit(TouchClick, of, before)
}

// coupon is one of a partner's.
func coupon(of program.LinkTerms, code string, exclusive bool) Candidate {
	of.Link = 0
	return Candidate{Kind: TouchCoupon, Code: code, Exclusive: exclusive, Link: of}
}

// outcomes are what became of touches, one after the other: the reason, with the weight and part where there are.
func outcomes(touches []Touch) string {
	var all []string
	for _, t := range touches {
		said := string(t.Reason)
		if t.Won {
			said = strings.TrimSuffix(fmt.Sprintf("wins %d", t.Weight), " 0")
		}
		all = append(all, strings.TrimSpace(said+" "+string(t.Part)))
	}
	return strings.Join(all, ", ")
}

// shares are the partners who earn, each with its weight and link.
func shares(candidates []Candidate, winners []winner) string {
	var all []string
	for _, w := range winners {
		found := candidates[w.candidate].Link
		all = append(all, fmt.Sprintf("%d by %d: %d", found.Partner, found.Link, w.weight))
	}
	return strings.Join(all, ", ")
}

func plainOrder(t rapid.TB) Order { return mustFold(t, sold(goods(1, "X", "", 1, 10_000))) }

// TestWhichOfSeveralTouchesEarn is the table of ranks, peeled one by one, and what the models make of several touches: cases
// 10 and 16 to 20 of the design.
func TestWhichOfSeveralTouchesEarn(t *testing.T) {
	t.Parallel()
	last, first, linear, position := usual(""), usual("first"), usual("linear"), usual("position")
	strict := last
	strict.ExclusiveCodes = true
	bound := Candidate{Kind: TouchCustomer, Code: "c-1", Link: by(6, last)}
	claim := Candidate{Kind: TouchClaim, Code: "k-1", Link: by(7, last)}
	code := Candidate{Kind: TouchCode, Code: "ANNA", Link: by(5, last)}
	extension := by(8, last)
	extension.Enrolment.Properties = []string{program.BrowserExtension}
	elsewhere := by(9, linear)
	elsewhere.Program = 3
	soft, shown := visit(TouchSoft, by(4, last), time.Minute), visit(TouchImpression, by(5, last), time.Second)
	for _, fact := range []struct {
		name       string
		candidates []Candidate
		touches    string
		winners    string
	}{
		{"nothing", nil, "", ""},
		{"one click", []Candidate{click(by(3, last), time.Hour)}, "wins", "3 by 30: 0"},
		{
			"a claim comes before all",
			[]Candidate{click(by(3, last), time.Hour), claim, bound},
			"outranked, wins, outranked", "7 by 70: 0",
		},
		{
			"a bound customer before the rest",
			[]Candidate{click(by(3, last), time.Hour), click(by(6, last), 2*time.Hour), coupon(by(4, last), "X", true), bound},
			"bound_to_another closer, outranked introducer, bound_to_another, wins", "6 by 60: 0",
		},
		{
			"an exclusive coupon before clicks",
			[]Candidate{click(by(3, last), time.Hour), soft, shown, coupon(by(4, last), "X", true), code},
			"outranked introducer, wins influencer, outranked closer, recorded_as_click, outranked", "4 by 40: 0",
		},
		{
			"a click before shared coupons and codes",
			[]Candidate{click(by(3, last), time.Hour), soft, shown, coupon(by(9, last), "X", false), code},
			"wins introducer, outranked influencer, outranked closer, outranked, outranked", "3 by 30: 0",
		},
		{
			"a shared coupon before soft clicks",
			[]Candidate{soft, shown, coupon(by(9, last), "X", false), code},
			"outranked introducer, outranked closer, wins, outranked", "9 by 0: 0",
		},
		{
			"a code that the terms make exclusive",
			[]Candidate{click(by(3, last), time.Hour), {Kind: TouchCode, Code: "ANNA", Link: by(5, strict)}},
			"outranked, wins", "5 by 50: 0",
		},
		{"a code alone", []Candidate{shown, code}, "outranked, wins", "5 by 50: 0"},
		{"a soft click before impressions", []Candidate{soft, shown}, "wins introducer, outranked closer", "4 by 40: 0"},
		{"an impression", []Candidate{shown}, "wins", "5 by 50: 0"},
		{"an extension's later click is a soft one", []Candidate{click(extension, time.Second), click(by(3, last), day)}, "outranked closer, wins introducer", "3 by 30: 0"},
		{"an extension's click alone", []Candidate{click(extension, time.Second)}, "wins", "8 by 80: 0"},
		{
			"of two coupons the one named first",
			[]Candidate{coupon(by(3, last), "X", true), coupon(by(4, last), "Y", true)},
			"wins, outranked", "3 by 0: 0",
		},
		{
			"a coupon is recorded as its partner's last click",
			[]Candidate{click(by(3, last), time.Hour), click(by(4, last), 3*time.Hour), click(by(4, last), 2*time.Hour), coupon(by(4, last), "X", true)},
			"outranked closer, outranked introducer, wins influencer, recorded_as_click", "4 by 40: 0",
		},
		{
			"not as one that cannot earn",
			[]Candidate{click(by(4, last), 40*day), coupon(by(4, last), "X", true)},
			"outside_window, wins", "4 by 0: 0",
		},
		{
			"a shared coupon of who wins by a click",
			[]Candidate{click(by(4, last), time.Hour), coupon(by(4, last), "X", false), coupon(by(5, last), "Y", false)},
			"wins, recorded_as_click, outranked", "4 by 40: 0",
		},
		{
			"the last click's program decides",
			[]Candidate{click(by(3, linear), time.Hour), click(elsewhere, 2*time.Hour), click(by(4, linear), 3*time.Hour)},
			"wins closer, other_program influencer, wins introducer", "4 by 40: 1, 3 by 30: 1",
		},
		{
			"last",
			[]Candidate{click(by(3, last), 2*time.Hour), click(by(4, last), time.Hour), click(by(5, last), 3*time.Hour)},
			"earlier_touch influencer, wins closer, earlier_touch introducer", "4 by 40: 0",
		},
		{
			"first",
			[]Candidate{click(by(3, first), 2*time.Hour), click(by(4, first), time.Hour), click(by(5, first), 3*time.Hour)},
			"later_touch influencer, later_touch closer, wins introducer", "5 by 50: 0",
		},
		{
			"16: linear",
			[]Candidate{click(by(3, linear), 3*time.Hour), click(by(4, linear), 2*time.Hour), click(by(5, linear), time.Hour)},
			"wins introducer, wins influencer, wins closer", "3 by 30: 1, 4 by 40: 1, 5 by 50: 1",
		},
		{
			"17: position of four",
			[]Candidate{click(by(3, position), 4*time.Hour), click(by(4, position), 3*time.Hour), click(by(5, position), 2*time.Hour), click(by(6, position), time.Hour)},
			"wins introducer, wins influencer, wins influencer, wins closer", "3 by 30: 4, 4 by 40: 1, 5 by 50: 1, 6 by 60: 4",
		},
		{
			"18: position of two",
			[]Candidate{click(by(3, position), 2*time.Hour), click(by(4, position), time.Hour)},
			"wins introducer, wins closer", "3 by 30: 1, 4 by 40: 1",
		},
		{
			"19: position A B A",
			[]Candidate{click(by(3, position), 3*time.Hour), click(by(4, position), 2*time.Hour), click(by(3, position), time.Hour)},
			"wins 2 introducer, wins influencer, wins 2 closer", "3 by 30: 4, 4 by 40: 1",
		},
		{
			"position of one", []Candidate{click(by(3, position), 2*time.Hour)}, "wins", "3 by 30: 0",
		},
		{
			"one partner alone takes all",
			[]Candidate{click(by(3, linear), 2*time.Hour), click(by(3, linear), time.Hour)},
			"wins 1 introducer, wins 1 closer", "3 by 30: 0",
		},
		{
			"20: decay",
			[]Candidate{click(by(3, usual("decay")), 14*day), click(by(4, usual("decay")), 7*day), click(by(5, usual("decay")), 0)},
			"wins introducer, wins influencer, wins closer",
			"3 by 30: 274877906944, 4 by 40: 549755813888, 5 by 50: 1099511627776",
		},
	} {
		o := plainOrder(t)
		touches, winners := attribute(&o, &Evidence{Candidates: fact.candidates}, nil)
		if got := outcomes(touches); got != fact.touches {
			t.Errorf("%s: the touches are\n%s, want\n%s", fact.name, got, fact.touches)
		}
		if got := shares(fact.candidates, winners); got != fact.winners {
			t.Errorf("%s: earned by %s, want %s", fact.name, got, fact.winners)
		}
	}
}

// TestWhetherATouchMayEarn has each touch alone: cases 7, 11 and 65 of the design, and what is not credited at all.
func TestWhetherATouchMayEarn(t *testing.T) {
	t.Parallel()
	usually := by(3, usual(""))
	bounded := func(change func(t *program.Touches)) program.LinkTerms {
		a := usual("")
		change(&a.Touches)
		return by(3, a)
	}
	patient := bounded(func(t *program.Touches) { t.Click.MinAge = program.Duration(15 * time.Second) })
	cart := bounded(func(t *program.Touches) {
		*t.Click = program.Touching{Window: program.Duration(day), Cart: program.Duration(90 * day)}
	})
	shortSoft := bounded(func(t *program.Touches) { t.Soft.Window = program.Duration(day) })
	none := by(3, program.Attribution{})
	elsewhere := usually
	elsewhere.Merchant = 9
	foreign := usually
	foreign.Currencies = []string{"EUR"}
	untermed := usually
	untermed.Terms = nil
	marked, refused := click(usually, time.Hour), click(usually, time.Hour)
	marked.Marks, refused.Refused = event.MarkDuplicate, SelfReferral
	with := func(c Candidate, refused Reason) Candidate {
		c.Refused = refused
		return c
	}
	carted := func(before time.Duration) func(o *Order) {
		return func(o *Order) { o.CartedAt = noon().Add(-before) }
	}
	for _, fact := range []struct {
		name      string
		candidate Candidate
		order     func(o *Order)
		want      Reason
	}{
		{"7: 14 seconds before", click(patient, 14*time.Second), nil, TooFast},
		{"7: 14.999 seconds before", click(patient, 14_999*time.Millisecond), nil, TooFast},
		{"7: 15 seconds before", click(patient, 15*time.Second), nil, Credited},
		{"7: forty days before", click(patient, 40*day), nil, OutsideWindow},
		{"7: exactly the window", click(patient, 30*day), nil, Credited},
		{"7: a millisecond more", click(patient, 30*day+time.Millisecond), nil, OutsideWindow},
		{"at the same millisecond", click(patient, 0), nil, TooFast},
		{"later, as clocks may differ", click(patient, -time.Millisecond), nil, Credited},
		{"five minutes later", click(patient, -5*time.Minute), nil, Credited},
		{"later than that", click(patient, -5*time.Minute-time.Millisecond), nil, ClickAfterOrder},
		{"11: in the cart 20 hours after the click, ordered on day 89", click(cart, 89*day), carted(89*day - 20*time.Hour), Credited},
		{"11: ordered exactly at the end", click(cart, 90*day+20*time.Hour), carted(90 * day), Credited},
		{"11: ordered a millisecond later", click(cart, 90*day+20*time.Hour), carted(90*day + time.Millisecond), CartExpired},
		{"11: ordered on day 91", click(cart, 91*day+20*time.Hour), carted(91 * day), CartExpired},
		{"11: in the cart 25 hours after the click", click(cart, 2*day), carted(2*day - 25*time.Hour), OutsideWindow},
		{"11: clicked after it was in the cart", click(cart, time.Hour), carted(2 * time.Hour), AfterCart},
		{"11: as it went in", click(cart, 2*time.Hour), carted(2 * time.Hour), Credited},
		{"no cart's time: the order's counts", click(cart, 25*time.Hour), nil, OutsideWindow},
		{"a cart later than the order says nothing", click(cart, time.Hour), carted(-time.Hour), Credited},
		{"a cart without a rule for it", click(usually, 20*day), carted(19 * day), Credited},
		{"65: a soft click at the end of 24 hours", visit(TouchSoft, shortSoft, day), nil, Credited},
		{"65: a second more", visit(TouchSoft, shortSoft, day+time.Second), nil, OutsideWindow},
		{"an impression at the end of 24 hours", visit(TouchImpression, usually, day), nil, Credited},
		{"a millisecond more", visit(TouchImpression, usually, day+time.Millisecond), nil, OutsideWindow},
		{"a click that is not listed", click(none, time.Hour), nil, ClickNotCredited},
		{"a soft click", visit(TouchSoft, none, time.Hour), nil, SoftClickNotCredited},
		{"an impression", visit(TouchImpression, none, time.Hour), nil, ImpressionNotCredited},
		{"a coupon", coupon(none, "X", false), nil, CouponNotCredited},
		{"a code", Candidate{Kind: TouchCode, Code: "X", Link: none}, nil, CodeNotCredited},
		{"a customer", Candidate{Kind: TouchCustomer, Code: "X", Link: none}, nil, CustomerNotCredited},
		{"a claim", Candidate{Kind: TouchClaim, Code: "X", Link: none}, nil, Credited},
		{"a soft click under plain terms", visit(TouchSoft, tenPercent(), time.Hour), nil, SoftClickNotCredited},
		{"a marked click", marked, nil, MarkedClick},
		{"a partner's own order", refused, nil, SelfReferral},
		{"an unknown coupon", Candidate{Kind: TouchCoupon, Code: "X", Refused: UnknownCoupon}, nil, UnknownCoupon},
		{"a coupon of another time", with(coupon(usually, "X", true), CouponNotInForce), nil, CouponNotInForce},
		{"a coupon of another merchant", coupon(elsewhere, "X", true), nil, CouponOfAnotherMerchant},
		{"a coupon before all terms", coupon(untermed, "X", true), nil, NoTermsInForce},
		{"a coupon in a currency that the program lacks", coupon(foreign, "X", true), nil, CurrencyNotInProgram},
		{"an open claim", with(Candidate{Kind: TouchClaim, Code: "X", Link: usually}, ClaimOpen), nil, ClaimOpen},
	} {
		o := plainOrder(t)
		if fact.order != nil {
			fact.order(&o)
		}
		if got := fact.candidate.judge(&o, &Use{}); got.Reason != fact.want {
			t.Errorf("%s: %s, want %s (%+v)", fact.name, got.Reason, fact.want, got)
		}
	}
}

// TestWhatACartLeavesToOtherLinks is case 11 of the design with two partners.
func TestWhatACartLeavesToOtherLinks(t *testing.T) {
	t.Parallel()
	a := usual("")
	*a.Touches.Click = program.Touching{Window: program.Duration(day), Cart: program.Duration(90 * day)}
	for _, fact := range []struct {
		name       string
		candidates []Candidate
		touches    string
	}{
		{"another link before the cart takes it", []Candidate{click(by(3, a), 11*day), click(by(4, a), 10*day+time.Hour)}, "earlier_touch introducer, wins closer"},
		{"another link after it does not", []Candidate{click(by(3, a), 11*day), click(by(4, a), 9*day)}, "wins introducer, after_cart closer"},
		{
			"a return through the first opens it again",
			[]Candidate{click(by(3, a), 12*day), click(by(4, a), 11*day), click(by(3, a), 10*day+time.Minute)},
			"outside_window introducer, earlier_touch influencer, wins closer",
		},
	} {
		o := plainOrder(t)
		o.CartedAt = noon().Add(-10 * day)
		touches, _ := attribute(&o, &Evidence{Candidates: fact.candidates}, nil)
		if got := outcomes(touches); got != fact.touches {
			t.Errorf("%s: the touches are %s, want %s", fact.name, got, fact.touches)
		}
		for _, touch := range touches {
			if touch.Won && (touch.Clock != event.CartClock || touch.AgeMillis != touch.At.Sub(o.CartedAt).Abs().Milliseconds()) {
				t.Errorf("%s: the age is %d ms by the clock %s", fact.name, touch.AgeMillis, touch.Clock)
			}
		}
	}
}

// TestThePathCountsOnceInAnyOrder holds that neither copies of a path's touches nor their order change what is asked for.
func TestThePathCountsOnceInAnyOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o := plainOrder(t)
		o.ClickID = rapid.SampledFrom([]string{"", "a", "c"}).Draw(t, "own click")
		for _, id := range []string{"a", "b", "c", "d"} {
			o.Path = append(o.Path, PathTouch{ClickID: id, Kind: event.PathClick, Marks: uint32(len(id + o.ClickID)), At: noon()})
		}
		want := o.Visits()
		copies := slices.Concat(o.Path, o.Path[:rapid.IntRange(0, 4).Draw(t, "copies")])
		o.Path = rapid.Permutation(copies).Draw(t, "path")
		if diff := cmp.Diff(want, o.Visits()); diff != "" {
			t.Fatalf("visits (-want +got):\n%s", diff)
		}
		if len(want) != 4 || o.ClickID != "" && want[0].ClickID != o.ClickID {
			t.Fatalf("visits %v, own click %q", want, o.ClickID)
		}
	})
}

// TestWhatADecisionMakesOfManyTouches holds for any touches that those who earn do so by what may earn, that parts and
// weights are whole, and that the base winner is asked without the customer.
func TestWhatADecisionMakesOfManyTouches(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o := plainOrder(t)
		model := rapid.SampledFrom(program.Models()).Draw(t, "model")
		candidates := drawCandidates(t, usual(model))
		touches, winners := attribute(&o, &Evidence{Candidates: candidates}, nil)
		best, won := Rank(255), 0
		for i, touch := range touches {
			alone := candidates[i].judge(&o, &Use{})
			if eligible := alone.Reason == Credited; touch.Won && (!eligible || touch.Reason != Credited) || !eligible && touch.Reason != alone.Reason || eligible && !touch.Won && touch.Reason == Credited {
				t.Fatalf("touch %d is %+v, alone %s", i, touch, alone.Reason)
			}
			if alone.Reason == Credited {
				best = min(best, alone.Ranked())
			}
			if touch.Won {
				won++
			}
		}
		for n, w := range winners {
			sum, of := int64(0), candidates[w.candidate].Link.Partner
			for _, touch := range touches {
				if touch.Won && touch.Partner == of {
					sum += touch.Weight
				}
			}
			if !touches[w.candidate].Won || sum != 0 && sum != w.weight && len(winners) > 1 || w.weight == 0 != (len(winners) == 1) {
				t.Fatalf("winner %d is %+v of %s", n, w, outcomes(touches))
			}
			for _, other := range winners[:n] {
				if candidates[other.candidate].Link.Partner == of {
					t.Fatalf("partner %d wins twice: %s", of, outcomes(touches))
				}
			}
		}
		if (won == 0) != (best == 255) || (len(winners) == 0) != (won == 0) {
			t.Fatalf("%d touches win for %d partners: %s", won, len(winners), outcomes(touches))
		}
	})
}

// drawCandidates draws visits, coupons and a bound customer of some partners.
func drawCandidates(t *rapid.T, a program.Attribution) []Candidate {
	var candidates []Candidate
	for i := range rapid.IntRange(0, 6).Draw(t, "visits") {
		c := visit(rapid.SampledFrom([]TouchKind{TouchClick, TouchSoft, TouchImpression}).Draw(t, "kind"), by(program.PartnerID(rapid.IntRange(3, 5).Draw(t, "partner")), a),
			time.Duration(rapid.IntRange(-1, 40*24).Draw(t, "hours"))*time.Hour)
		c.Click.ID += strconv.Itoa(i)
		candidates = append(candidates, c)
	}
	for range rapid.IntRange(0, 2).Draw(t, "coupons") {
		candidates = append(candidates, coupon(by(program.PartnerID(rapid.IntRange(3, 6).Draw(t, "partner")), a), "X", rapid.Bool().Draw(t, "exclusive")))
	}
	if rapid.IntRange(0, 4).Draw(t, "bound") == 0 {
		candidates = append(candidates, Candidate{Kind: TouchCustomer, Code: "c", Link: by(7, a)})
	}
	return candidates
}

func TestTheBaseWinnerLeavesTheCustomerOut(t *testing.T) {
	t.Parallel()
	o := plainOrder(t)
	bound := Candidate{Kind: TouchCustomer, Code: "c-1", Link: by(6, usual(""))}
	position := usual("position")
	for _, fact := range []struct {
		name       string
		candidates []Candidate
		partner    program.PartnerID
	}{
		{"nobody", nil, 0},
		{"the customer alone", []Candidate{bound}, 0},
		{"a click beside the customer", []Candidate{click(by(3, usual("")), time.Hour), bound}, 3},
		{"the greatest weight", []Candidate{click(by(3, position), 3*time.Hour), click(by(4, position), 2*time.Hour), click(by(3, position), time.Hour)}, 3},
		{"of equal ones the last", []Candidate{click(by(3, position), 2*time.Hour), click(by(4, position), time.Hour)}, 4},
	} {
		c, ok := BaseWinner(&o, &Evidence{Candidates: fact.candidates})
		if ok != (fact.partner != 0) || ok && c.Link.Partner != fact.partner {
			t.Errorf("%s: %+v", fact.name, c)
		}
	}
}

func TestWeightsByAge(t *testing.T) {
	t.Parallel()
	for _, fact := range []struct {
		age, halfLife time.Duration
		want          int64
	}{
		{0, day, 1 << 40},
		{day, day, 1 << 39},
		{40 * day, day, 1},
		{100 * 365 * day, day, 1},
		{day / 64, day, 1_037_281 << 20},
		{day/64 - time.Millisecond, day, 1 << 40},
		{day / 2, day, 741_455 << 20},
		{3 * day / 2, day, 741_455 << 19},
	} {
		if got := decayWeight(fact.age.Milliseconds(), fact.halfLife.Milliseconds()); got != fact.want {
			t.Errorf("%s old at a half life of %s: %d, want %d", fact.age, fact.halfLife, got, fact.want)
		}
	}
}

// ledBy is an order of an amount that came by the visits among some candidates.
func ledBy(t rapid.TB, amount int64, candidates []Candidate, refunds ...*event.Event) Order {
	t.Helper()
	o := mustFold(t, append([]*event.Event{sold(goods(1, "X", "", 1, amount))}, refunds...)...)
	o.ClickID = ""
	for i := range candidates {
		c := &candidates[i]
		if c.Kind == TouchCustomer {
			o.Customer = c.Code
		}
		if c.Kind.visits() {
			kind := map[TouchKind]event.TouchKind{TouchClick: event.PathClick, TouchSoft: event.PathSoft, TouchImpression: event.PathImpression}[c.Kind]
			o.Path = append(o.Path, PathTouch{ClickID: c.Click.ID, Kind: kind})
		}
	}
	return o
}

// TestHowSeveralShareAnOrder has cases 16 to 20, 23 and 24 of the design, whose commissions are 10 % of the amounts.
func TestHowSeveralShareAnOrder(t *testing.T) {
	t.Parallel()
	linear, position, decay := usual("linear"), usual("position"), usual("decay")
	clicks := func(a program.Attribution, every time.Duration, partners ...program.PartnerID) []Candidate {
		var all []Candidate
		for i, p := range partners {
			all = append(all, click(by(p, a), time.Duration(len(partners)-1-i)*every))
		}
		return all
	}
	for _, fact := range []struct {
		name       string
		amount     int64
		back       int64
		candidates []Candidate
		net, fee   []int64
	}{
		{"16", 1_000, 0, clicks(linear, time.Hour, 3, 4, 5), []int64{34, 33, 33}, []int64{7, 7, 6}},
		{"17", 10_010, 0, clicks(position, time.Hour, 3, 4, 5, 6), []int64{401, 100, 100, 400}, nil},
		{"18", 10_010, 0, clicks(position, time.Hour, 3, 4), []int64{501, 500}, nil},
		{"19", 10_000, 0, clicks(position, time.Hour, 3, 4, 3), []int64{800, 200}, nil},
		{"20", 10_000, 0, clicks(decay, 7*day, 3, 4, 5), []int64{143, 286, 571}, nil},
		{"20 fresh clicks of one partner", 10_000, 0, clicks(decay, time.Millisecond, 3, 3, 3, 3, 3, 3, 3, 3, 4), []int64{889, 111}, nil},
		{"23", 1_001, 0, clicks(linear, time.Hour, 3, 4, 5), []int64{34, 33, 33}, nil},
		{"23, 500 back", 1_001, 500, clicks(linear, time.Hour, 3, 4, 5), []int64{17, 17, 16}, nil},
		{"24, all back", 1_001, 1_001, clicks(linear, time.Hour, 3, 4, 5), []int64{0, 0, 0}, []int64{0, 0, 0}},
		{"nine partners", 10_000, 0, clicks(linear, time.Hour, 3, 4, 5, 6, 7, 8, 9, 10, 11), []int64{112, 111, 111, 111, 111, 111, 111, 111, 111}, nil},
	} {
		var refunds []*event.Event
		if fact.back > 0 {
			refunds = append(refunds, refunded("R", day, fact.back))
		}
		d, err := Decide(ledBy(t, fact.amount, fact.candidates, refunds...), Evidence{Candidates: fact.candidates})
		if err != nil {
			t.Errorf("%s: %v", fact.name, err)
			continue
		}
		var net, fee []int64
		for _, c := range d.Credits {
			net, fee = append(net, c.Net), append(fee, c.Fee)
		}
		if !slices.Equal(net, fact.net) || fact.fee != nil && !slices.Equal(fee, fact.fee) {
			t.Errorf("%s: %v with fees of %v, want %v with %v", fact.name, net, fee, fact.net, fact.fee)
		}
	}
}

func TestTheRecordOfManyTouches(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		candidates := drawCandidates(t, usual(rapid.SampledFrom(program.Models()).Draw(t, "model")))
		d, err := Decide(ledBy(t, rapid.Int64Range(0, 10_000).Draw(t, "amount"), candidates), Evidence{Candidates: candidates})
		if err != nil {
			t.Fatal(err)
		}
		checkRecord(t, &d)
	})
}

// TestARecordOfThreeSharesStaysSmall holds the bound below which PostgreSQL keeps it beside its row.
func TestARecordOfThreeSharesStaysSmall(t *testing.T) {
	t.Parallel()
	position := usual("position")
	candidates := []Candidate{click(by(3, position), 3*day), click(by(4, position), 2*day), click(by(5, position), day)}
	for i := range candidates {
		candidates[i].Click.ID = fmt.Sprintf("AQEAAAAAAAAABwGVUxvEAAECAwQFBgcICQoLDA0ODxAREhMUFRY%d", i)
	}
	o := ledBy(t, 1, candidates)
	o.Lines = mustFold(t, threeLines()...).Lines
	d, err := Decide(o, Evidence{Candidates: candidates})
	if record := d.AppendJSON(nil); err != nil || len(d.Credits) != 3 || len(record) >= 2_000 {
		t.Errorf("%d credits in %d bytes: %v\n%s", len(d.Credits), len(record), err, record)
	}
}
