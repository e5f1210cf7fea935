package commission

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"tributary/commission/ledger/chart"
	"tributary/internal/event"
	"tributary/internal/money"
	"tributary/partners/program"
)

// reviewsOf reads "hold@1 decline@2/21 extend@3+5": the verb, the day after noon, whose share, and by how many days the hold is
// to be longer than 30.
func reviewsOf(t rapid.TB, text string) (reviews []Review) {
	t.Helper()
	number := func(text string) int {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for i, one := range strings.Fields(text) {
		verb, rest, _ := strings.Cut(one, "@")
		rest, longer, extends := strings.Cut(rest, "+")
		days, partner, of := strings.Cut(rest, "/")
		r := Review{ID: fmt.Sprintf("%02d", i), Verb: Verb(verb), At: noon().Add(time.Duration(number(days)) * day)}
		if of {
			r.Partner = program.PartnerID(number(partner))
		}
		if extends {
			r.Until = noon().Add(time.Duration(30+number(longer)) * day)
		}
		reviews = append(reviews, r)
	}
	return reviews
}

// reviewable are terms of 10 % with a fee of 20 %, a hold of 30 days that can be 10 longer, and a refund window of 5.
func reviewable(t rapid.TB) program.Document {
	return document(t, `"hold":"30d"`, `"extension":"10d"`, `"refund_window":"5d"`, `"network_fee":200000`, `"rules":[{"pay":{"percent":100000}}]`)
}

// stands is what the books hold of an order as of some days after noon, without what is 0.
func stands(d *Decision, days int) string {
	asOf := noon().Add(time.Duration(days) * day)
	all := d.Movements(asOf)
	var list []string
	for _, kind := range chart.Kinds() {
		if sum := holds(all, asOf, kind.Kind); sum != 0 {
			list = append(list, fmt.Sprintf("%s %d", kind.Kind, kind.Kind.Amount(0, sum)))
		}
	}
	return strings.Join(list, ", ")
}

const (
	isPending = "merchant_receivable 1200, partner_pending 1000, fee_pending 200"
	isPayable = "merchant_receivable 1200, partner_payable 1000, fee_earned 200"
	isHeld    = "merchant_receivable 1200, fee_pending 200, partner_held 1000"
)

// TestWhatAReviewDoesInEachState has every verb in every state: on day 5 of a hold of 30, or on day 35 after it.
func TestWhatAReviewDoesInEachState(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		state, before string
		day           int
		want          string // of hold, unhold, decline, extend, approve
		then          [5]State
	}{
		{"pending", "", 5, ",not_held,,,", [5]State{Held, Pending, Declined, Pending, Payable}},
		{"payable", "", 35, ",not_held,,hold_over,hold_over", [5]State{Held, Payable, Declined, Payable, Payable}},
		{"held in the hold", "hold@1", 5, "already_held,,,,still_held", [5]State{Held, Pending, Declined, Held, Held}},
		{"held after it", "hold@1", 35, "already_held,,,hold_over,still_held", [5]State{Held, Payable, Declined, Held, Held}},
		{"held when payable", "hold@31", 35, "already_held,,,hold_over,still_held", [5]State{Held, Payable, Declined, Held, Held}},
		{"released", "hold@1 unhold@2", 5, ",not_held,,,", [5]State{Held, Pending, Declined, Pending, Payable}},
		{"declined", "decline@1", 5, "already_declined,already_declined,already_declined,already_declined,already_declined", [5]State{Declined, Declined, Declined, Declined, Declined}},
		{"extended", "extend@1", 5, ",not_held,,already_extended,", [5]State{Held, Pending, Declined, Pending, Payable}},
		{"extended, of after the first end", "extend@1", 35, ",not_held,,already_extended,", [5]State{Held, Pending, Declined, Pending, Payable}},
		{"approved", "approve@1", 5, ",not_held,,hold_over,hold_over", [5]State{Held, Payable, Declined, Payable, Payable}},
	} {
		t.Run(row.state, func(t *testing.T) {
			t.Parallel()
			var got []string
			for i, verb := range []Verb{Hold, Unhold, Decline, Extend, Approve} {
				s := order(10_000)
				s.reviews = reviewsOf(t, fmt.Sprintf("%s %s@%d", row.before, verb, row.day))
				d := decideBy(t, reviewable(t), s)
				got = append(got, string(d.Order.Reviews[len(s.reviews)-1].NoEffect))
				if state := d.Credits[0].State(noon().Add(time.Duration(row.day) * day)); state != row.then[i] {
					t.Errorf("%s makes it %s, want %s", verb, state, row.then[i])
				}
			}
			if diff := cmp.Diff(row.want, strings.Join(got, ",")); diff != "" {
				t.Errorf("no effect of hold, unhold, decline, extend, approve (-want +got):\n%s", diff)
			}
		})
	}
}

// TestWhatReviewsDoToTheBooks has an order of 100.00 at 10 % with a hold of 30 days.
func TestWhatReviewsDoToTheBooks(t *testing.T) {
	t.Parallel()
	half := refunded("R", 6*day, 5_000)
	for _, row := range []struct {
		reviews string
		refunds []*event.Event
		day     int
		want    string
	}{
		{"hold@5", nil, 4, isPending},
		{"hold@5", nil, 5, isHeld},
		{"hold@5", nil, 40, isHeld},
		{"hold@5 unhold@6", nil, 6, isPending},
		{"hold@5 unhold@6", nil, 30, isPayable},
		{"hold@5 unhold@40", nil, 39, isHeld},
		{"hold@5 unhold@40", nil, 40, isPayable},
		{"hold@31", nil, 30, isPayable},
		{"hold@31", nil, 31, isHeld},
		{"hold@30", nil, 30, isHeld}, // the hold ends first
		{"hold@31 unhold@32", nil, 32, isPayable},
		{"decline@5", nil, 4, isPending},
		{"decline@5", nil, 5, ""},
		{"decline@35", nil, 34, isPayable},
		{"decline@35", nil, 35, ""},
		{"hold@5 decline@40", nil, 39, isHeld},
		{"hold@5 decline@40", nil, 40, ""},
		{"hold@5", []*event.Event{half}, 6, "merchant_receivable 600, fee_pending 100, partner_held 500"},
		{"hold@5 decline@7", []*event.Event{half}, 7, ""},
		{"decline@5", []*event.Event{half}, 6, ""},
		{"extend@5", nil, 39, isPending},
		{"extend@5", nil, 40, isPayable},
		{"extend@5+4", nil, 33, isPending},
		{"extend@5+4", nil, 34, isPayable},
		{"extend@5 hold@35", nil, 45, isHeld},
		{"extend@29", []*event.Event{refunded("R", 44*day, 5_000)}, 44, "merchant_receivable 600, partner_payable 500, fee_earned 100"}, // the refund window moves with it
		{"", []*event.Event{refunded("R", 36*day, 5_000)}, 44, isPayable},
		{"approve@5", nil, 4, isPending},
		{"approve@5", nil, 5, isPayable},
		{"approve@5", []*event.Event{half}, 6, "merchant_receivable 600, partner_payable 500, fee_earned 100"},
		{"extend@5 approve@35", nil, 34, isPending},
		{"extend@5 approve@35", nil, 35, isPayable},
	} {
		s := order(10_000).back(row.refunds...)
		s.reviews = reviewsOf(t, row.reviews)
		d := decideBy(t, reviewable(t), s)
		if got := stands(&d, row.day); got != row.want {
			t.Errorf("%q, %d refunds, day %d:\n%s, want\n%s", row.reviews, len(row.refunds), row.day, got, row.want)
		}
	}
}

// TestWhyAReviewDoesNothing has those that depend on more than the state.
func TestWhyAReviewDoesNothing(t *testing.T) {
	t.Parallel()
	short := document(t, `"hold":"30d"`, `"rules":[{"pay":{"percent":100000}}]`)
	for _, row := range []struct {
		document program.Document
		reviews  string
		want     string
	}{
		{short, "extend@1", "no_extension"},
		{reviewable(t), "extend@1+11 extend@2+0 extend@3+10", "beyond_extension,beyond_extension,"},
		{reviewable(t), "extend@30", "hold_over"},
		{reviewable(t), "hold@1/9 decline@1/9", "nothing_earned,nothing_earned"},
		{reviewable(t), "hold@1 void@2 decline@3", "order_void,,order_void"},
	} {
		s := order(10_000)
		s.reviews = reviewsOf(t, row.reviews)
		d := decideBy(t, row.document, s)
		if got := noEffects(&d); got != row.want {
			t.Errorf("%s: %q, want %q", row.reviews, got, row.want)
		}
	}
	for name, o := range map[string][]*event.Event{"only a refund": {refunded("R", day, 0)}, "no click": {sold(goods(1, "X", "", 1, 100))}} {
		folded, err := Fold(o, Said{Reviews: reviewsOf(t, "hold@1")})
		if err != nil {
			t.Fatal(err)
		}
		folded.ClickID = ""
		if d := decide(folded, Click{}, tenPercent()); noEffects(&d) != "nothing_earned" {
			t.Errorf("%s: %q", name, noEffects(&d))
		}
	}
}

func noEffects(d *Decision) string {
	var list []string
	for _, r := range d.Order.Reviews {
		list = append(list, string(r.NoEffect))
	}
	return strings.Join(list, ",")
}

// TestADeclinedShareGoesToNobody shares 10 % of 100.00 among three, two of whom partner 5 recruited, with a fee of 20 %.
func TestADeclinedShareGoesToNobody(t *testing.T) {
	t.Parallel()
	terms := func(up string) program.Document {
		return document(t, `"hold":"30d"`, `"network_fee":200000`, `"rules":[{"pay":{"percent":100000}},{"to":"recruiter","pay":`+up+`},{"to":"customer","pay":{"fixed":30}}]`)
	}
	ofCommission, ofSale := terms(`{"percent":100000,"of":"commission"}`), terms(`{"percent":30000}`)
	byFive, free := program.Enrolment{Recruiter: 5}, program.Enrolment{}
	for _, row := range []struct {
		document program.Document
		reviews  string
		want     string
	}{
		{ofCommission, "", "partner 21: 334 USD, fee 67; partner 22: 333 USD, fee 67; partner 23: 333 USD, fee 66; recruiter 5: 67 USD, fee 0; customer 0: 30 USD, fee 0"},
		{ofCommission, "decline@1/22", "partner 21: 334 USD, fee 67; partner 22: 0 USD, fee 0; partner 23: 333 USD, fee 66; recruiter 5: 67 USD, fee 0; customer 0: 30 USD, fee 0"},
		{ofCommission, "decline@1/21", "partner 21: 0 USD, fee 0; partner 22: 333 USD, fee 67; partner 23: 333 USD, fee 66; recruiter 5: 33 USD, fee 0; customer 0: 30 USD, fee 0"},
		{ofCommission, "decline@1/21 decline@2/23", "partner 21: 0 USD, fee 0; partner 22: 333 USD, fee 67; partner 23: 0 USD, fee 0; recruiter 5: 0 USD, fee 0; customer 0: 30 USD, fee 0"},
		{ofCommission, "decline@1/5", "partner 21: 334 USD, fee 67; partner 22: 333 USD, fee 67; partner 23: 333 USD, fee 66; recruiter 5: 0 USD, fee 0; customer 0: 30 USD, fee 0"},
		{ofCommission, "decline@1/21 decline@3", "partner 21: 0 USD, fee 0; partner 22: 0 USD, fee 0; partner 23: 0 USD, fee 0; recruiter 5: 0 USD, fee 0; customer 0: 0 USD, fee 0"},
		{ofSale, "", "partner 21: 334 USD, fee 67; partner 22: 333 USD, fee 67; partner 23: 333 USD, fee 66; recruiter 5: 200 USD, fee 0; customer 0: 30 USD, fee 0"},
		{ofSale, "decline@1/21", "partner 21: 0 USD, fee 0; partner 22: 333 USD, fee 67; partner 23: 333 USD, fee 66; recruiter 5: 100 USD, fee 0; customer 0: 30 USD, fee 0"},
	} {
		s := order(10_000).is(1)
		s.reviews = reviewsOf(t, row.reviews)
		d := partnersOf(t, row.document, s, byFive, free, byFive)
		if got := inShort(&d); got != row.want {
			t.Errorf("%q:\n%s, want\n%s", row.reviews, got, row.want)
		}
		sum := int64(0)
		for i := range d.Credits {
			sum += d.Credits[i].Net + d.Credits[i].Fee
		}
		if got := holds(d.Movements(ended()), ended(), chart.MerchantReceivable) + holds(d.Movements(ended()), ended(), chart.PromotionsIssued); got != -sum {
			t.Errorf("%q: the merchant owes %d, the credits are %d", row.reviews, -got, sum)
		}
	}
	s := order(10_000)
	s.reviews = reviewsOf(t, "hold@1/22 hold@2 unhold@3/21")
	d := partnersOf(t, ofCommission, s, free, free)
	if a, b := d.Credits[0].State(noon()), d.Credits[1].State(noon()); a != Pending || b != Held || noEffects(&d) != ",," {
		t.Errorf("held one by one: %s and %s, %q", a, b, noEffects(&d))
	}
}

// TestACustomersCreditIsHeldInItsWallet holds and releases what a customer was given.
func TestACustomersCreditIsHeldInItsWallet(t *testing.T) {
	t.Parallel()
	gives := document(t, `"hold":"30d"`, `"rules":[{"to":"customer","pay":{"fixed":500}}]`)
	for _, row := range []struct {
		reviews string
		day     int
		state   State
		want    string
	}{
		{"hold@5", 5, Held, "promotions_issued 500, wallet_pending 500"},
		{"hold@5", 35, Held, "promotions_issued 500, wallet_pending 500"},
		{"hold@31", 32, Held, "promotions_issued 500, wallet_pending 500"},
		{"hold@31 unhold@33", 33, Payable, "promotions_issued 500, wallet 500"},
		{"hold@31 decline@33", 33, Declined, ""},
	} {
		s := order(10_000).is(1)
		s.reviews = reviewsOf(t, row.reviews)
		d := decideBy(t, gives, s)
		last := len(d.Credits) - 1
		e := d.Earning(last, noon().Add(time.Duration(row.day)*day))
		if got := stands(&d, row.day); got != row.want || e.State != row.state || e.Pending+e.Payable != e.Net || e.Held != 0 {
			t.Errorf("%s: %s, want %s; %+v", row.reviews, got, row.want, e)
		}
	}
}

// TestAReportStandsInPlaceOfTheFirst has merchant and operator ask for it.
func TestAReportStandsInPlaceOfTheFirst(t *testing.T) {
	t.Parallel()
	first, second, third := sold(goods(1, "X", "", 1, 1_000)), sold(goods(1, "X", "", 1, 2_000)), sold(goods(1, "X", "", 1, 3_000))
	ask := func(id string, by Side, e *event.Event) Review {
		r := Review{ID: id, At: noon().Add(day), Verb: Replace, By: by, Report: hex.EncodeToString(e.Content())}
		if e != first { // which is among the events
			r.Reported = e
		}
		return r
	}
	both := func(e *event.Event, id string) []Review {
		return []Review{ask(id, ByMerchant, e), ask(id+"2", ByOperator, e)}
	}
	for _, row := range []struct {
		name    string
		reviews []Review
		amount  int64
		want    string
	}{
		{"the merchant alone", []Review{ask("a", ByMerchant, second)}, 1_000, "needs_other_side"},
		{"the merchant twice", []Review{ask("a", ByMerchant, second), ask("b", ByMerchant, second)}, 1_000, "needs_other_side,needs_other_side"},
		{"both, for different ones", []Review{ask("a", ByMerchant, second), ask("b", ByOperator, third)}, 1_000, "needs_other_side,needs_other_side"},
		{"both", []Review{ask("a", ByMerchant, second), ask("b", ByOperator, second)}, 2_000, ","},
		{"both, the operator first", []Review{ask("a", ByOperator, second), ask("b", ByMerchant, second)}, 2_000, ","},
		{"once more", []Review{ask("a", ByMerchant, second), ask("b", ByOperator, second), ask("c", ByMerchant, second)}, 2_000, ",,stands_already"},
		{"another one then", []Review{ask("a", ByMerchant, second), ask("b", ByOperator, second), ask("c", ByMerchant, third), ask("d", ByOperator, third)}, 3_000, ",,,"},
		{"the first", []Review{ask("a", ByMerchant, first)}, 1_000, "stands_already"},
		{"the first again", append(both(second, "a"), both(first, "c")...), 1_000, ",,,"},
		{"the first again, by one side", append(both(second, "a"), ask("c", ByMerchant, first)), 2_000, ",,needs_other_side"},
		{"there and back, twice", slices.Concat(both(second, "a"), both(first, "c"), both(second, "e"), both(first, "g")), 1_000, ",,,,,,,"},
		{"what stood when one side asked", slices.Concat([]Review{ask("a", ByMerchant, first)}, both(second, "b"), []Review{ask("d", ByOperator, first)}), 2_000, "stands_already,,,needs_other_side"},
		{"one that nobody sent", []Review{{ID: "a", At: noon(), Verb: Replace, By: ByMerchant, Report: strings.Repeat("0", 32)}}, 1_000, "no_such_report"},
		{"of a void order", []Review{ask("a", ByMerchant, second), ask("b", ByOperator, second), {ID: "c", At: noon(), Verb: Void}}, 1_000, ",order_void,order_void"},
	} {
		o, err := Fold([]*event.Event{first, refunded("R", 2*day, 500)}, Said{Reviews: row.reviews})
		if err != nil {
			t.Fatal(err)
		}
		if d := decide(o, clicked(time.Hour), tenPercent()); o.Amount != row.amount || o.Refunded != 500 || noEffects(&d) != row.want {
			t.Errorf("%s: %d, of which %d refunded, %q", row.name, o.Amount, o.Refunded, noEffects(&d))
		}
	}
}

// drawReviews draws what people may say about an order of partners 21 to 23 and recruiter 5.
func drawReviews(t *rapid.T) (reviews []Review) {
	for i := range rapid.IntRange(0, 5).Draw(t, "reviews") {
		r := Review{
			ID: strconv.Itoa(i), At: noon().Add(time.Duration(rapid.IntRange(0, 50).Draw(t, "day")) * day),
			Verb:    rapid.SampledFrom([]Verb{Hold, Unhold, Decline, Extend, Approve, Hold, Decline}).Draw(t, "verb"),
			Partner: rapid.SampledFrom([]program.PartnerID{0, 0, 21, 22, 5, 9}).Draw(t, "of"),
		}
		reviews = append(reviews, r)
	}
	return reviews
}

// TestReviewsAreBlindToArrival holds that reviews may come in any order, that each step to the books leads to where the facts
// together lead, and that what is declined is nobody's and leaves what others have.
func TestReviewsAreBlindToArrival(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		terms, s := drawDocument(t, true), drawSale(t)
		terms.Hold, terms.Extension = program.Duration(30*day), program.Duration(10*day)
		weights := rapid.SliceOfN(rapid.Int64Range(1, 5), 1, 3).Draw(t, "weights")
		up := program.Enrolment{Recruiter: 5, Recruiter2: 6}
		alone := sharedBy(t, terms, s, weights, up)
		s.reviews = drawReviews(t)
		d := sharedBy(t, terms, s, weights, up)
		other := s
		other.reviews = rapid.Permutation(s.reviews).Draw(t, "arrival")
		if got, want := sharedBy(t, terms, other, weights, up), d; string(got.AppendJSON(nil)) != string(want.AppendJSON(nil)) {
			t.Fatalf("in another order:\n%s\n%s", got.AppendJSON(nil), want.AppendJSON(nil))
		}
		var posted []Movement
		for n := range other.reviews {
			prefix := other
			prefix.reviews = other.reviews[:n+1]
			step := sharedBy(t, terms, prefix, weights, up)
			posted = append(posted, Difference(posted, step.Movements(ended()))...)
			checkBooks(t, "after a review", posted, step.Movements(ended()))
		}
		checkReviewed(t, &alone, &d)
	})
}

// checkReviewed holds that the rows say what the books hold, and that shares are declined or as they were.
func checkReviewed(t *rapid.T, alone, d *Decision) {
	t.Helper()
	now := noon().Add(time.Duration(rapid.IntRange(0, 60).Draw(t, "as of")) * day)
	for i, movements := range d.ByCredit(now) {
		c := &d.Credits[i]
		e := d.Earning(i, now)
		for kind, want := range map[chart.Kind]int64{
			chart.PartnerHeld: e.Held, chart.PartnerPending: e.Pending, chart.PartnerPayable: e.Payable, chart.WalletPending: e.Pending, chart.Wallet: e.Payable,
		} {
			member := kind == chart.WalletPending || kind == chart.Wallet
			if got := holds(movements, ended(), kind); member == (c.Role == RoleCustomer) && got != want {
				t.Fatalf("credit %d: %s holds %d, the row says %d", i, kind, got, want)
			}
		}
		fee, pending := holds(movements, ended(), chart.FeePending), e.State == Held || !e.Released
		if c.Fee != 0 && pending != (fee == c.Fee) {
			t.Fatalf("credit %d is %s, its fee of %d is pending with %d", i, e.State, c.Fee, fee)
		}
		was := alone.Credits[i]
		switch {
		case c.Declined && c.Net+c.Fee != 0:
			t.Fatalf("credit %d is declined and has %d", i, c.Net)
		case !c.Declined && c.Role == RolePartner && c.Net != was.Net, c.Gross != was.Gross:
			t.Fatalf("credit %d has %d of %d, without reviews %d of %d", i, c.Net, c.Gross, was.Net, was.Gross)
		}
	}
}

// TestReviewsInARecord draws reviews with all they may say.
func TestReviewsInARecord(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o := mustFold(t, sold(goods(1, "X", "", 1, 1_000)))
		for i, r := range drawReviews(t) {
			r.ID, r.Code, r.By = strconv.Itoa(i), rapid.SampledFrom([]string{"", "fraud", `"`}).Draw(t, "code"), rapid.SampledFrom([]Side{"", ByMerchant, ByOperator}).Draw(t, "by")
			if rapid.Bool().Draw(t, "until") {
				r.Until = noon()
			}
			r.Report = rapid.SampledFrom([]string{"", "00ff"}).Draw(t, "report")
			o.Reviews = append(o.Reviews, r)
		}
		slices.SortStableFunc(o.Reviews, func(a, b Review) int { return a.At.Compare(b.At) })
		d := decide(o, clicked(time.Hour), drawTerms(t))
		checkRecord(t, &d)
	})
}

// TestADeclineLeavesThePeriodOnItsDay has shares of an order in a period, as of each day.
func TestADeclineLeavesThePeriodOnItsDay(t *testing.T) {
	t.Parallel()
	terms := document(t, `"zone":"America/New_York"`, `"rules":[{"pay":{"percent":100000}},{"to":"recruiter","pay":{"percent":100000,"of":"commission"}}]`,
		`"periods":[{"id":"all","measure":"revenue","period":"month","mode":"marginal","tiers":[{"from":1,"percent":10000}]},
			{"id":"up","to":"recruiter","measure":"revenue","period":"month","mode":"marginal","tiers":[{"from":1,"percent":10000}]}]`)
	s := order(10_000)
	s.reviews = reviewsOf(t, "hold@1 decline@2/21 decline@4")
	d := partnersOf(t, terms, s, program.Enrolment{Recruiter: 5}, program.Enrolment{})
	var got []string
	for i := range d.Credits {
		for _, tally := range d.Tally(i)[0] {
			got = append(got, fmt.Sprintf("%d: %s %d %d %d", d.Credits[i].Partner, tally.Day, tally.Count, tally.Revenue, tally.Commission))
		}
	}
	want := []string{
		"21: 2026-03-01 1 5000 500", "21: 2026-03-03 0 0 0", "21: 2026-03-05 0 0 0",
		"22: 2026-03-01 1 5000 500", "22: 2026-03-03 1 5000 500", "22: 2026-03-05 0 0 0",
		"5: 2026-03-01 1 5000 50", "5: 2026-03-03 0 0 0", "5: 2026-03-05 0 0 0",
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateComparable(money.Product{})); diff != "" {
		t.Errorf("what counts (-want +got):\n%s", diff)
	}
}
