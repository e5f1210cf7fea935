package commission

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tributary/internal/event"
	"tributary/internal/money"
	"tributary/partners/program"
)

func TestWhoEarns(t *testing.T) {
	t.Parallel()
	with := func(change func(s *event.Sale)) *event.Event {
		e := sold(goods(1, "X", "product", 1, 1000))
		change(e.GetSale())
		return e
	}
	plain := sold(goods(1, "X", "product", 1, 1000))
	elsewhere := tenPercent()
	elsewhere.Merchant = 9
	for _, fact := range []struct {
		name  string
		event *event.Event
		click Click
		found program.LinkTerms
		want  Reason
	}{
		{"a click an hour before", plain, clicked(time.Hour), tenPercent(), Credited},
		{"a click at the same time", plain, clicked(0), tenPercent(), Credited},
		{"a click a millisecond after", plain, clicked(-time.Millisecond), tenPercent(), Credited},
		{"a click 5 minutes after", plain, clicked(-5 * time.Minute), tenPercent(), Credited},
		{"a click later than that", plain, clicked(-5*time.Minute - time.Millisecond), tenPercent(), ClickAfterOrder},
		{"a click exactly the window before", plain, clicked(30 * day), tenPercent(), Credited},
		{"a click a millisecond longer before", plain, clicked(30*day + time.Millisecond), tenPercent(), OutsideWindow},
		{"a click a second longer before", plain, clicked(30*day + time.Second), tenPercent(), OutsideWindow},
		{"a click forty days before", plain, clicked(40 * day), tenPercent(), OutsideWindow},
		{"no click", with(func(s *event.Sale) { s.ClickId = "" }), Click{}, program.LinkTerms{}, NoClick},
		{"not a click id", plain, Click{Refused: MalformedClickID}, program.LinkTerms{}, MalformedClickID},
		{"an unknown key", plain, Click{Refused: UnknownClickKey}, program.LinkTerms{}, UnknownClickKey},
		{"a forged click id", plain, Click{Refused: ForgedClickID}, program.LinkTerms{}, ForgedClickID},
		{"an unknown link", plain, clicked(time.Hour), program.LinkTerms{}, UnknownLink},
		{"a link of another merchant", plain, clicked(time.Hour), elsewhere, LinkOfAnotherMerchant},
		{"an order before all terms", plain, clicked(time.Hour), linkTerms(noon(), program.Terms{EffectiveFrom: noon().Add(time.Microsecond)}), NoTermsInForce},
		{"an order as the terms begin", plain, clicked(time.Hour), linkTerms(noon(), program.Terms{EffectiveFrom: noon()}), Credited},
		{"a currency the program lacks", with(func(s *event.Sale) { s.Currency = "JPY" }), clicked(time.Hour), tenPercent(), CurrencyNotInProgram},
		{"a lead, under terms that pay for sales", with(func(s *event.Sale) { s.Goal = "lead" }), clicked(time.Hour), tenPercent(), NoRule},
		{"a test order that would earn", with(func(s *event.Sale) { s.Test = true }), clicked(time.Hour), tenPercent(), Test},
		{"a test order that would not", with(func(s *event.Sale) { s.Test = true }), clicked(40 * day), tenPercent(), OutsideWindow},
		{"only a refund", refunded("R", day, 0), clicked(time.Hour), tenPercent(), AwaitingSale},
	} {
		t.Run(fact.name, func(t *testing.T) {
			t.Parallel()
			d := decide(mustFold(t, fact.event), fact.click, fact.found)
			if d.Outcome != fact.want {
				t.Errorf("the outcome is %s, want %s", d.Outcome, fact.want)
			}
			if earned := len(d.Credits) == 1; earned != (fact.want == Credited) || len(d.Credits) > 1 {
				t.Errorf("%s, but there are %d credits", d.Outcome, len(d.Credits))
			}
			if !slices.Contains(Reasons(), d.Outcome) {
				t.Errorf("%s is no reason that is listed", d.Outcome)
			}
			if moved := d.Movements(ended()); fact.want != Credited && len(moved) > 0 {
				t.Errorf("%s, but %v is to be posted", d.Outcome, moved)
			}
		})
	}
}

// TestTheLastOfSeveralClicksTakesAll has orders with several candidates, as paths will bring them.
func TestTheLastOfSeveralClicksTakesAll(t *testing.T) {
	t.Parallel()
	o := mustFold(t, sold(goods(1, "X", "product", 1, 1000)))
	o.Coupons = []string{"SPRING"}
	click := func(partner program.PartnerID, before time.Duration) Candidate {
		c := Candidate{Kind: TouchClick, Click: clicked(before), Link: tenPercent()}
		c.Click.ID, c.Link.Partner = fmt.Sprint("click ", partner), partner
		return c
	}
	refused := Candidate{Kind: TouchClick, Click: Click{ID: "click 9", Refused: ForgedClickID}}
	for _, fact := range []struct {
		name       string
		candidates []Candidate
		outcome    Reason
		winner     int
		reasons    []Reason
	}{
		{"the last one wins", []Candidate{click(3, 2*time.Hour), click(4, time.Hour), click(5, 3*time.Hour)}, Credited, 1, []Reason{EarlierTouch, Credited, EarlierTouch}},
		{"wherever it stands", []Candidate{click(3, time.Hour), click(4, 2*time.Hour)}, Credited, 0, []Reason{Credited, EarlierTouch}},
		{"of two at once the first", []Candidate{click(3, time.Hour), click(4, time.Hour)}, Credited, 0, []Reason{Credited, EarlierTouch}},
		{"a refused one is passed over", []Candidate{refused, click(4, time.Hour)}, Credited, 1, []Reason{ForgedClickID, Credited}},
		{"so is a later one that cannot earn", []Candidate{click(3, -time.Hour), click(4, time.Hour)}, Credited, 1, []Reason{ClickAfterOrder, Credited}},
		{"none: the first says why", []Candidate{click(3, 31*day), refused}, OutsideWindow, -1, []Reason{OutsideWindow, ForgedClickID}},
	} {
		touches, _ := attribute(&o, &Evidence{Candidates: fact.candidates}, nil)
		d := Decision{Touches: touches, Outcome: outcome(touches)}
		if d.Outcome != fact.outcome {
			t.Errorf("%s: the outcome is %s, want %s", fact.name, d.Outcome, fact.outcome)
		}
		for i, want := range append(fact.reasons, CouponNotCredited) {
			if touch := d.Touches[i]; touch.Reason != want || touch.Won != (i == fact.winner) {
				t.Errorf("%s: touch %d is %+v, want %s", fact.name, i, touch, want)
			}
		}
	}
	if _, err := Decide(o, Evidence{}); err == nil {
		t.Error("an order is decided without its click")
	}
}

func TestTimesAreComparedInTheMillisecondsOfAClickID(t *testing.T) {
	t.Parallel()
	for _, fact := range []struct {
		name  string
		after time.Duration // the order after noon
		click time.Duration // the click before noon
		want  Reason
	}{
		{"0.4 ms after the click's millisecond began", 400 * time.Microsecond, 0, Credited},
		{"0.6 ms into the millisecond before the click's", -400 * time.Microsecond, 0, ClickAfterOrder},
		{"0.9 ms past the window", 900 * time.Microsecond, 30 * day, Credited},
		{"a whole millisecond past the window", time.Millisecond, 30 * day, OutsideWindow},
	} {
		e := sold(goods(1, "X", "product", 1, 1000))
		e.OccurredAt, e.Imported = event.Micros(noon().Add(fact.after)), true
		if d := decide(mustFold(t, e), clicked(fact.click), tenPercent()); d.Outcome != fact.want {
			t.Errorf("an order %s: %s, want %s", fact.name, d.Outcome, fact.want)
		}
	}
}

// TestWhatTheTwoTimesOfAReportDecide has clicks, times that a merchant states and receipts, in the forms that have cost
// somebody money.
func TestWhatTheTwoTimesOfAReportDecide(t *testing.T) {
	t.Parallel()
	for _, fact := range []struct {
		name            string
		click, received time.Duration // after noon, the stated time
		imported        bool
		want            Reason
		clock           event.Clock
		hold            time.Time // until
		late            bool
	}{
		{"a shop's clock 240 s behind", 239 * time.Second, 240 * time.Second, false, Credited, event.ReceiptClock, noon().Add(30*day + 240*time.Second), false},
		{"a shop's clock 299 s ahead", -300 * time.Second, -299 * time.Second, false, Credited, event.ReceiptClock, noon().Add(30 * day), false},
		{"told an hour later", -time.Minute, time.Hour, false, Credited, event.StatedClock, noon().Add(30*day + time.Hour), false},
		{"dated back before the click", time.Hour, 2 * time.Hour, false, ClickAfterOrder, event.StatedClock, time.Time{}, false},
		{"dated back 60 days: no end of the hold at once", -time.Hour, 60 * day, false, Credited, event.StatedClock, noon().Add(90 * day), true},
		{"48 hours late", -time.Hour, event.LateAfter, false, Credited, event.StatedClock, noon().Add(30*day + event.LateAfter), false},
		{"a microsecond more", -time.Hour, event.LateAfter + time.Microsecond, false, Credited, event.StatedClock, noon().Add(30*day + event.LateAfter + time.Microsecond), true},
		{"an import of 60 days ago", -time.Hour, 60 * day, true, Credited, event.StatedClock, noon().Add(30 * day), false},
		{"an import, the click a millisecond later", time.Millisecond, 0, true, ClickAfterOrder, event.StatedClock, time.Time{}, false},
	} {
		e := sold(goods(1, "X", "product", 1, 1000))
		e.ReceivedAt, e.Imported = event.Micros(noon().Add(fact.received)), fact.imported
		d := decide(mustFold(t, e), clicked(-fact.click), tenPercent())
		if d.Outcome != fact.want || d.Touches[0].Clock != fact.clock || d.Order.Late != fact.late {
			t.Errorf("%s: %s by the %s clock, late %t", fact.name, d.Outcome, d.Touches[0].Clock, d.Order.Late)
		}
		if len(d.Credits) > 0 && !d.Credits[0].HoldUntil.Equal(fact.hold) {
			t.Errorf("%s: the hold ends %s, want %s", fact.name, d.Credits[0].HoldUntil, fact.hold)
		}
	}
}

func TestTouchesThatEarnNothingAreListedWithTheirReason(t *testing.T) {
	t.Parallel()
	e := sold(goods(1, "X", "product", 1, 1000))
	e.GetSale().Coupon, e.GetSale().CustomerId = "SPRING", "17850"
	d := decide(mustFold(t, e), clicked(40*day), tenPercent())
	want := []Touch{
		{
			Kind: TouchClick, ID: "click", Reason: OutsideWindow, At: noon().Add(-40 * day), AgeMillis: 40 * day.Milliseconds(), Clock: event.ReceiptClock,
			WindowSeconds: 30 * 86_400, Link: 7, Program: 2, Partner: 3,
		},
		{Kind: TouchCoupon, ID: "SPRING", Reason: CouponNotCredited},
		{Kind: TouchCustomer, ID: "17850", Reason: CustomerNotCredited},
	}
	if diff := cmp.Diff(want, d.Touches); diff != "" {
		t.Errorf("touches (-want +got):\n%s", diff)
	}
	elsewhere := tenPercent()
	elsewhere.Merchant = 9
	d = decide(mustFold(t, e), clicked(time.Hour), elsewhere)
	if click := d.Touches[0]; click.Program != 0 || click.Partner != 0 || click.WindowSeconds != 0 {
		t.Errorf("the record tells another merchant's affairs: %+v", click)
	}
}

func TestWhatALineEarns(t *testing.T) {
	t.Parallel()
	gold := linkTerms(noon(), program.Terms{Rates: rates(map[string]money.Rate{"prod_gold": 400_000, "*": 100_000})})
	twenty := linkTerms(noon(), program.Terms{Rates: rates(map[string]money.Rate{"*": 200_000})})
	goodsOnly := linkTerms(noon(), program.Terms{Rates: rates(map[string]money.Rate{"goods": 200_000})})
	halves := linkTerms(noon(), program.Terms{Rates: rates(map[string]money.Rate{"ten": 100_000, "fifteen": 150_000})})
	twoTens := linkTerms(noon(), program.Terms{Rates: rates(map[string]money.Rate{"a": 100_000, "b": 100_000})})
	all := linkTerms(noon(), program.Terms{Rates: rates(map[string]money.Rate{"*": 1_000_000})})
	percent := func(ppm money.Rate) program.LinkTerms {
		return linkTerms(noon(), program.Terms{Rates: rates(map[string]money.Rate{"*": ppm})})
	}
	for _, fact := range []struct {
		name   string
		found  program.LinkTerms
		events []*event.Event
		gross  int64
		net    int64
		lines  int
	}{
		{"3 at 20 %", percent(200_000), []*event.Event{sold(goods(1, "", "", 1, 3))}, 1, 1, 1},
		{"15 at 10 %", percent(100_000), []*event.Event{sold(goods(1, "", "", 1, 15))}, 2, 2, 1},
		{"1 at 50 %", percent(500_000), []*event.Event{sold(goods(1, "", "", 1, 1))}, 1, 1, 1},
		{"500 at 2.9 %", percent(29_000), []*event.Event{sold(goods(1, "", "", 1, 500))}, 15, 15, 1},
		{"7 at 20 %", percent(200_000), []*event.Event{sold(goods(1, "", "", 1, 7))}, 1, 1, 1},
		{"2 at 20 %", percent(200_000), []*event.Event{sold(goods(1, "", "", 1, 2))}, 0, 0, 1},
		{"a percentage has no regard for pieces", twenty, []*event.Event{sold(goods(1, "", "", 5, 1000))}, 200, 200, 1},
		{"40 % of gold, 10 % of the rest", gold, []*event.Event{sold(goods(1, "G", "prod_gold", 1, 10_000), goods(2, "A", "addon", 1, 5_000))}, 4_500, 4_500, 2},
		{"shipping included", twenty, []*event.Event{sold(goods(1, "", "goods", 1, 1_500), goods(2, "", "shipping", 1, 1_000))}, 500, 500, 2},
		{"shipping excluded", goodsOnly, []*event.Event{sold(goods(1, "", "goods", 1, 1_500), goods(2, "", "shipping", 1, 1_000))}, 300, 300, 1},
		{"lines of one rule are summed and rounded once", percent(100_000), []*event.Event{sold(goods(1, "", "", 1, 5), goods(2, "", "", 1, 5))}, 1, 1, 2},
		{"each rule is rounded by itself", halves, []*event.Event{sold(goods(1, "", "ten", 1, 5), goods(2, "", "fifteen", 1, 5))}, 2, 2, 2},
		{"two rules of one rate are two rules", twoTens, []*event.Event{sold(goods(1, "", "a", 1, 5), goods(2, "", "b", 1, 5))}, 2, 2, 2},
		{"half of a line of 197 refunded", all, []*event.Event{sold(goods(1, "", "", 2, 197)), refunded("R", day, 0, piecesOf(1, 1))}, 197, 98, 1},
		{
			"a refund reverses at its own line's rate", halves,
			[]*event.Event{sold(goods(1, "", "ten", 1, 1_000), goods(2, "", "fifteen", 1, 1_000)), refunded("R", day, 0, wholeLine(1))},
			250, 150, 2,
		},
		{"no row for the category and none for the rest", goodsOnly, []*event.Event{sold(goods(1, "", "shipping", 1, 1_000))}, 0, 0, 0},
		{"no row for this kind of partner", linkTerms(noon(), program.Terms{}), []*event.Event{sold(goods(1, "", "", 1, 1_000))}, 0, 0, 0},
		{"no lines", twenty, []*event.Event{sold()}, 0, 0, 0},
	} {
		t.Run(fact.name, func(t *testing.T) {
			t.Parallel()
			d := mustDecide(t, fact.found, fact.events...)
			c := d.Credits[0]
			if c.Gross != fact.gross || c.Net != fact.net || c.Lines != fact.lines {
				t.Errorf("gross %d, net %d, %d lines; want %d, %d, %d", c.Gross, c.Net, c.Lines, fact.gross, fact.net, fact.lines)
			}
			if c.Revenue != d.Order.Amount || c.Refunded != d.Order.Refunded {
				t.Errorf("revenue %d and refunded %d, the order has %d and %d", c.Revenue, c.Refunded, d.Order.Amount, d.Order.Refunded)
			}
		})
	}
}

func TestTheArithmeticIsWrittenDown(t *testing.T) {
	t.Parallel()
	found := linkTerms(noon(), program.Terms{NetworkFee: 200_000, Rates: rates(map[string]money.Rate{"product": 72_500, "*": 10_000})})
	d := mustDecide(t, found, sold(goods(1, "A", "product", 3, 1_000), goods(2, "B", "service", 1, 555), goods(3, "C", "product", 1, 10)), refunded("R", day, 0, piecesOf(1, 1)))
	c := d.Credits[0]
	rules := []Rule{
		{Matched: "product", Rate: 72_500, Amount: 1_010, Base: 677, Exact: money.Rate(72_500).Exact(677), Net: 49},
		{Matched: "*", Rate: 10_000, Amount: 555, Base: 555, Exact: money.Rate(10_000).Exact(555), Net: 6},
	}
	if diff := cmp.Diff(rules, c.Rules, cmpopts.EquateComparable(money.Product{})); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
	priced := []Priced{{Line: 1, Base: 667, Net: 48}, {Line: 2, Rule: 1, Base: 555, Net: 6}, {Line: 3, Base: 10, Net: 1}}
	if diff := cmp.Diff(priced, c.Priced); diff != "" {
		t.Errorf("parts of the lines (-want +got):\n%s", diff)
	}
	if c.Rules[0].Exact.String() != "49.0825" || c.FeeExact.String() != "11" {
		t.Errorf("exactly %s and a fee of %s", c.Rules[0].Exact, c.FeeExact)
	}
	want := TermsApplied{
		Version: 1, EffectiveFrom: time.Date(2020, time.January, 1, 0, 0, 0, 0, time.UTC), HoldSeconds: 30 * 86_400,
		NetworkFee: 200_000, Kind: program.Site,
	}
	if c.Terms != want || !c.HoldUntil.Equal(noon().Add(30*day)) || c.Net != 55 || c.Fee != 11 || c.Gross != 79 {
		t.Errorf("the credit: %+v", c)
	}
}

func TestTermsInForceAtTheOrdersTimeApply(t *testing.T) {
	t.Parallel()
	change := time.Date(2011, time.June, 1, 0, 0, 0, 0, time.UTC)
	terms := []program.Terms{
		{Rates: program.Rates{program.Site: {"product": 80_000}, program.Member: {"product": 50_000}}, EffectiveFrom: time.Unix(0, 0)},
		{Rates: program.Rates{program.Site: {"product": 100_000}, program.Member: {"product": 60_000}}, EffectiveFrom: change},
	}
	for _, fact := range []struct {
		at      time.Time
		kind    program.Kind
		version int
		net     int64
	}{
		{change.Add(-time.Microsecond), program.Site, 1, 80},
		{change, program.Site, 2, 100},
		{change.Add(-time.Microsecond), program.Member, 1, 50},
		{change, program.Member, 2, 60},
	} {
		found := linkTerms(fact.at, terms...)
		found.Kind = fact.kind
		e := sold(goods(1, "85123A", "product", 1, 1_000), goods(2, "POST", "service", 1, 1_000))
		e.OccurredAt = event.Micros(fact.at)
		d := decide(mustFold(t, e), Click{ID: "click", Link: 7, At: fact.at.Add(-time.Hour)}, found)
		c := d.Credits[0]
		if c.Terms.Version != fact.version || c.Net != fact.net || c.Lines != 1 {
			t.Errorf("a %s's order at %s: terms %d, net %d of %d lines; want %d, %d of 1", fact.kind, fact.at, c.Terms.Version, c.Net, c.Lines, fact.version, fact.net)
		}
	}
}

func TestStatesOfACommission(t *testing.T) {
	t.Parallel()
	sale := sold(goods(1, "", "", 1, 1_000))
	whole := mustDecide(t, tenPercent(), sale)
	part := mustDecide(t, tenPercent(), sale, refunded("R", day, 500))
	gone := mustDecide(t, tenPercent(), sale, refunded("R", day, 0))
	free := mustDecide(t, linkTerms(noon(), program.Terms{}), sale)
	for _, fact := range []struct {
		credit   Credit
		released bool
		want     State
	}{
		{whole.Credits[0], false, Pending},
		{whole.Credits[0], true, Payable},
		{part.Credits[0], true, Payable},
		{gone.Credits[0], false, Reversed},
		{gone.Credits[0], true, Reversed},
		{free.Credits[0], false, Pending},
		{free.Credits[0], true, Payable},
	} {
		if got := fact.credit.State(until(fact.released)); got != fact.want {
			t.Errorf("net %d of %d, released %t: %s, want %s", fact.credit.Net, fact.credit.Gross, fact.released, got, fact.want)
		}
	}
}

func TestStepsBetweenStates(t *testing.T) {
	t.Parallel()
	states := []State{Pending, Payable, Paid, Held, Declined, Reversed}
	legal := map[[2]State]bool{
		{Pending, Payable}: true, {Pending, Held}: true, {Pending, Declined}: true, {Pending, Reversed}: true,
		{Payable, Pending}: true, {Payable, Paid}: true, {Payable, Held}: true, {Payable, Declined}: true, {Payable, Reversed}: true,
		{Held, Pending}: true, {Held, Payable}: true, {Held, Declined}: true, {Held, Reversed}: true,
		{Paid, Declined}: true, {Paid, Reversed}: true,
		{Declined, Pending}: true, {Declined, Payable}: true, {Declined, Held}: true, {Declined, Reversed}: true,
		{Reversed, Pending}: true, {Reversed, Payable}: true, {Reversed, Held}: true, {Reversed, Declined}: true,
	}
	for _, from := range states {
		for _, to := range states {
			if want := from == to || legal[[2]State{from, to}]; from.MayBecome(to) != want {
				t.Errorf("%s may become %s: %t, want %t", from, to, !want, want)
			}
		}
	}
	if State("lost").MayBecome(Paid) {
		t.Error("a state that does not exist may become paid")
	}
}
