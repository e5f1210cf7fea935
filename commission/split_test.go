package commission

import (
	"encoding/json"
	"fmt"
	"slices"
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

// shared divides a decision's one credit by weights: its partner has the first, a recruiter the second, and further
// partners the rest, each with a hold 10 days longer than the one before.
func shared(t rapid.TB, d Decision, weights ...int64) Decision {
	t.Helper()
	first := d.Credits[0]
	d.Credits = nil
	for i, w := range weights {
		c := first
		c.Weight, c.HoldUntil = w, first.HoldUntil.Add(time.Duration(i)*10*day)
		if i > 0 {
			c.Partner, c.Link = first.Partner+program.PartnerID(i), 0
		}
		if i == 1 {
			c.Role = RoleRecruiter
		}
		d.Credits = append(d.Credits, c)
	}
	if err := d.Share(); err != nil {
		t.Fatal(err)
	}
	return d
}

// partner earns a rate of all there is, by weight.
type partner struct {
	weight int64
	rate   money.Rate
}

// among shares an order among partners with rates of their own, the network's fee being 20 %.
func among(t rapid.TB, o Order, all ...partner) Decision {
	t.Helper()
	d := Decision{Outcome: Credited, Order: o}
	for i, p := range all {
		found := linkTerms(noon(), program.Terms{NetworkFee: 200_000, Rates: rates(map[string]money.Rate{"*": p.rate})})
		var c Credit
		c.pricePlain(&o, &found)
		c.Partner, c.Weight = program.PartnerID(i+1), p.weight
		d.Credits = append(d.Credits, c)
	}
	if err := d.Share(); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestHowAnOrderIsShared is cases 16 to 25 of the design of splits, and what surrounds them.
func TestHowAnOrderIsShared(t *testing.T) {
	t.Parallel()
	ten := func(weights ...int64) (all []partner) {
		for _, w := range weights {
			all = append(all, partner{w, 100_000})
		}
		return all
	}
	for _, fact := range []struct {
		name     string
		amount   int64
		back     int64
		partners []partner
		net, fee []int64
	}{
		{"16 linear, 25 its fee", 1_000, 0, ten(1, 1, 1), []int64{34, 33, 33}, []int64{7, 7, 6}},
		{"17 position of four", 10_010, 0, ten(4, 1, 1, 4), []int64{401, 100, 100, 400}, []int64{80, 20, 20, 80}},
		{"18 position of two", 10_010, 0, ten(1, 1), []int64{501, 500}, []int64{100, 100}},
		{"19 position, A twice", 10_000, 0, ten(4, 1), []int64{800, 200}, []int64{160, 40}},
		{"20 decay", 10_000, 0, ten(1, 2, 4), []int64{143, 286, 571}, []int64{29, 57, 114}},
		{"21 two rates", 10_000, 0, []partner{{1, 100_000}, {1, 50_000}}, []int64{500, 250}, []int64{75, 75}},
		{"22 two rates, rounded", 333, 0, []partner{{1, 100_000}, {1, 50_000}}, []int64{17, 8}, []int64{3, 2}},
		{"23 before the refund", 1_001, 0, ten(1, 1, 1), []int64{34, 33, 33}, []int64{7, 7, 6}},
		{"23 after it", 1_001, 500, ten(1, 1, 1), []int64{17, 17, 16}, []int64{4, 3, 3}},
		{"24 all of it", 1_001, 1_001, ten(1, 1, 1), []int64{0, 0, 0}, []int64{0, 0, 0}},
		{"one alone, with a weight", 1_000, 0, ten(7), []int64{100}, []int64{20}},
		{"one alone, without", 1_000, 0, ten(0), []int64{100}, []int64{20}},
	} {
		events := []*event.Event{sold(goods(1, "A", "", 1, fact.amount))}
		if fact.back > 0 {
			events = append(events, refunded("R", day, fact.back))
		}
		d := among(t, mustFold(t, events...), fact.partners...)
		for i, c := range d.Credits {
			if c.Net != fact.net[i] || c.Fee != fact.fee[i] {
				t.Errorf("%s: credit %d has %d and a fee of %d, want %d and %d", fact.name, i, c.Net, c.Fee, fact.net[i], fact.fee[i])
			}
		}
	}
}

func TestOnlyPartnersCarryTheFee(t *testing.T) {
	t.Parallel()
	d := shared(t, mustDecide(t, tenPercent(), sold(goods(1, "A", "", 1, 10_000))), 50, 30, 20)
	type has struct{ gross, net, fee int64 }
	want := []has{{500, 500, 100}, {300, 300, 0}, {200, 200, 40}} // 20 % of 700, as 50 to 20
	for i, c := range d.Credits {
		if got := (has{c.Gross, c.Net, c.Fee}); got != want[i] {
			t.Errorf("the %s has %+v, want %+v", c.Role, got, want[i])
		}
	}
	if got := d.Credits[0].FeeExact.String(); got != "140" {
		t.Errorf("the fee is exactly %s, want 140", got)
	}
	// A recruiter beside the partner, without a weight, takes nothing from it.
	beside := mustDecide(t, tenPercent(), sold(goods(1, "A", "", 1, 10_000)))
	over := beside.Credits[0]
	over.Partner, over.Role, over.Rules = 9, RoleRecruiter, []Rule{{Matched: "*", Rate: 10_000, Amount: 10_000, Base: 10_000}}
	beside.Credits = append(beside.Credits, over)
	if err := beside.Share(); err != nil {
		t.Fatal(err)
	}
	for i, want := range []has{{1_000, 1_000, 200}, {100, 100, 0}} {
		if c := beside.Credits[i]; (has{c.Gross, c.Net, c.Fee}) != want {
			t.Errorf("beside one another, the %s has %+v, want %+v", c.Role, has{c.Gross, c.Net, c.Fee}, want)
		}
	}
}

// Two partners share the order in its currency, two others in points, and a fifth has euros beside them.
func TestEachUnitIsSharedByItself(t *testing.T) {
	t.Parallel()
	d := mustDecide(t, tenPercent(), sold(goods(1, "A", "", 1, 10_010)), refunded("R", day, 2_000))
	first := d.Credits[0]
	d.Credits = nil
	for i, share := range []struct {
		weight int64
		unit   string
	}{{1, "GBP"}, {1, "GBP"}, {2, money.Points}, {1, money.Points}, {0, "EUR"}} {
		c := first
		c.Partner, c.Weight, c.Unit = program.PartnerID(i+1), share.weight, share.unit
		d.Credits = append(d.Credits, c)
	}
	if err := d.Share(); err != nil {
		t.Fatal(err)
	}
	type has struct {
		unit             string
		gross, net, fee  int64
		pending, payable int64
	}
	var got []has
	for i := range d.Credits {
		c, now, then := &d.Credits[i], d.Earning(i, time.Time{}), d.Earning(i, ended())
		got = append(got, has{c.Unit, c.Gross, c.Net, c.Fee, now.Pending, then.Payable})
	}
	want := []has{{"GBP", 501, 401, 80, 401, 401}, {"GBP", 500, 400, 80, 400, 400}, {money.Points, 667, 534, 0, 534, 534}, {money.Points, 334, 267, 0, 267, 267}, {"EUR", 1_001, 801, 0, 801, 801}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(has{})); diff != "" {
		t.Errorf("shares (-want +got):\n%s", diff)
	}
	if exact := d.Credits[0].FeeExact.String(); exact != "160.2" {
		t.Errorf("the fee is exactly %s, want 20 %% of 801", exact)
	}
	sums := make(map[string]int64)
	for _, m := range d.Movements(ended()) {
		if m.Debit == chart.MerchantReceivable {
			sums[m.Unit] += m.Amount
		}
	}
	if diff := cmp.Diff(map[string]int64{"GBP": 1_001 + 200, money.Points: 1_001, "EUR": 1_001}, sums); diff != "" {
		t.Errorf("what the merchant owes in each unit (-want +got):\n%s", diff)
	}
}

func TestCreditsThatCannotBeShared(t *testing.T) {
	t.Parallel()
	good := shared(t, mustDecide(t, tenPercent(), sold(goods(1, "A", "", 1, 1_000))), 1, 1, 1)
	for name, change := range map[string]func(c []Credit){
		"a negative weight":          func(c []Credit) { c[1].Weight = -1 },
		"too much weight":            func(c []Credit) { c[1].Weight = maxWeight + 1 },
		"nobody, who is no customer": func(c []Credit) { c[1].Partner = 0 },
		"a customer with a number":   func(c []Credit) { c[1].Role = RoleCustomer },
		"the same twice":             func(c []Credit) { c[2].Partner = c[0].Partner },
		"a customer first":           func(c []Credit) { c[0].Role, c[0].Partner = RoleCustomer, 0 },
		"one of two without weight":  func(c []Credit) { c[2].Weight = 0 },
		"two network fees":           func(c []Credit) { c[2].Terms.NetworkFee++ },
	} {
		d := good
		d.Credits = slices.Clone(good.Credits)
		change(d.Credits)
		if err := d.Share(); err == nil {
			t.Errorf("%s was shared", name)
		}
		if _, err := UnmarshalRecord(d.AppendJSON(nil)); err == nil {
			t.Errorf("the record of %s was read", name)
		}
	}
	d := Decision{Order: good.Order, Credits: slices.Repeat(good.Credits, MaxCredits)}
	if err := d.Share(); err == nil {
		t.Error("too many credits were shared")
	}
	// A record may name a currency that is in force no more; no new credit may.
	d = Decision{Outcome: Credited, Order: good.Order, Credits: slices.Clone(good.Credits[:1])}
	d.Credits[0].Unit = "BGN"
	if err := d.Share(); err == nil {
		t.Error("a currency of the past was shared")
	}
	if _, err := UnmarshalRecord(d.AppendJSON(nil)); err != nil {
		t.Errorf("the record of a currency of the past: %v", err)
	}
}

func TestRolesAreNamed(t *testing.T) {
	t.Parallel()
	for r, name := range map[Role]string{RolePartner: "partner", RoleRecruiter: "recruiter", RoleRecruiter2: "recruiter2", RoleCustomer: "customer", RoleStaff: "staff"} {
		if got, err := ParseRole(name); r.String() != name || got != r || err != nil {
			t.Errorf("%d is called %s and %s is read as %d: %v", r, r, name, got, err)
		}
	}
	for _, name := range []string{"", "Partner", "owner"} {
		if _, err := ParseRole(name); err == nil {
			t.Errorf("%q was read as a role", name)
		}
	}
}

// TestTheRecordOfSharedOrders holds that prices are written once, that a record reads back as what was written, and that a
// role nobody knows is no record.
func TestTheRecordOfSharedOrders(t *testing.T) {
	t.Parallel()
	d := shared(t, mustDecide(t, tenPercent(), sold(goods(1, "A", "", 1, 10_000)), refunded("R", day, 100)), 50, 30, 20)
	record := string(d.AppendJSON(nil))
	if n := strings.Count(record, `"priced"`); n != 1 {
		t.Errorf("prices are written %d times: %s", n, record)
	}
	if !strings.Contains(record, `{"program":2,"partner":4,"role":"recruiter","weight":30,"terms"`) {
		t.Errorf("the recruiter's credit is not written as such: %s", record)
	}
	read, err := UnmarshalRecord([]byte(record))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d, read, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(Line{}, Refund{}, Taken{}), cmpopts.IgnoreFields(Order{}, "ClickID"), cmpopts.EquateComparable(money.Product{})); diff != "" {
		t.Errorf("what was read is not what was written:\n%s", diff)
	}
	if _, err := UnmarshalRecord([]byte(strings.Replace(record, "recruiter", "owner", 1))); err == nil {
		t.Error("a role that nobody knows was read")
	}
	// Another price is written where it begins, and the library agrees on the credit itself.
	other := among(t, d.Order, partner{1, 100_000}, partner{1, 50_000}, partner{2, 50_000})
	if n := strings.Count(string(other.AppendJSON(nil)), `"priced"`); n != 2 {
		t.Errorf("of two prices %d are written", n)
	}
	library, err := json.Marshal(asWritten(other).Credits[1])
	if err != nil {
		t.Fatal(err)
	}
	if got := string(other.Credits[1].appendJSON(nil, "GBP", nil)); got != string(library) {
		t.Errorf("a credit is written as\n%s, by the library as\n%s", got, library)
	}
}

// TestSharesOfWhatRemainsAreTheOrder holds, through all refunds, that the shares of an order at one price add up to what one
// partner would have alone, that each credit's movements end in its Net and Fee, and that the books of all together are
// those of each, with one movement of the fee at a time.
func TestSharesOfWhatRemainsAreTheOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		alone := decide(mustFold(t, drawFacts(t)...), clicked(time.Hour), drawTerms(t))
		if len(alone.Credits) == 0 {
			return
		}
		weights := rapid.SliceOfN(rapid.Int64Range(1, 9), 2, 6).Draw(t, "weights")
		d := shared(t, alone, weights...)
		line, whole := d.timeline(&scratch{}), alone.timeline(&scratch{})
		for step := range line.at {
			var net int64
			for i := range d.Credits {
				p := line.of(step, i, len(d.Credits))
				if net += p.net; p.net < 0 || p.fee < 0 {
					t.Fatalf("credit %d has %+v at step %d", i, p, step)
				}
			}
			if want := whole.of(step, 0, 1).net; net != want {
				t.Fatalf("at step %d the shares are %d of %d", step, net, want)
			}
		}
		until := noon().Add(time.Duration(rapid.IntRange(0, 90).Draw(t, "days")) * day)
		sums := map[string]int64{}
		book := func(m Movement, sign int64) {
			if m.Amount <= 0 {
				t.Fatalf("a movement of %d", m.Amount)
			}
			sums[fmt.Sprint(m.Debit, m.Partner, m.At)] += sign * m.Amount
			sums[fmt.Sprint(m.Credit, m.Partner, m.At)] -= sign * m.Amount
		}
		for i, movements := range d.ByCredit(until) {
			c, has := &d.Credits[i], map[chart.Kind]int64{}
			for _, m := range movements {
				has[m.Credit] += m.Amount
				has[m.Debit] -= m.Amount
				book(m, 1)
			}
			if has[chart.PartnerPending]+has[chart.PartnerPayable] != c.Net || has[chart.FeePending]+has[chart.FeeEarned] != c.Fee ||
				c.Released(until) && has[chart.PartnerPending]+has[chart.FeePending] != 0 || !c.Released(until) && has[chart.PartnerPayable]+has[chart.FeeEarned] != 0 {
				t.Fatalf("credit %d of %d and %d, released %t, ends as %v", i, c.Net, c.Fee, c.Released(until), has)
			}
		}
		fees := map[string]bool{}
		for i, m := range d.Movements(until) {
			book(m, -1)
			if i > 0 && m.At.Before(d.Movements(until)[i-1].At) {
				t.Fatal("movements are out of order")
			}
			if m.ofFee() {
				name := fmt.Sprint(m.At, m.Cause, m.Debit, m.Credit)
				if fees[name] {
					t.Fatalf("the fee moves twice: %s", name)
				}
				fees[name] = true
			}
		}
		for account, rest := range sums {
			if rest != 0 {
				t.Fatalf("together they leave %d of %s", rest, account)
			}
		}
		if again := Difference(d.Movements(time.Time{}), d.Movements(until)); len(Difference(slices.Concat(d.Movements(time.Time{}), again), d.Movements(until))) != 0 {
			t.Fatal("the difference does not lead from one to the other")
		}
	})
}

// TestAShareMayGrowByARefund is the paradox of the largest remainder: 11 among 6, 6 and 2 is 5, 5, 1, and 10 is 4, 4, 2.
func TestAShareMayGrowByARefund(t *testing.T) {
	t.Parallel()
	o := mustFold(t, sold(goods(1, "A", "", 1, 110)), refunded("R", day, 10))
	d := among(t, o, partner{6, 100_000}, partner{6, 100_000}, partner{2, 100_000})
	if c := d.Credits[2]; c.Gross != 1 || c.Net != 2 {
		t.Errorf("the third has %d, after the refund %d", c.Gross, c.Net)
	}
	last := d.ByCredit(time.Time{})[2]
	want := Movement{At: noon().Add(day), Cause: CauseRefund, Debit: chart.MerchantReceivable, Credit: chart.PartnerPending, Merchant: 1, Partner: 3, Unit: "GBP", Amount: 1}
	if got := last[len(last)-1]; got != want {
		t.Errorf("the refund moves %+v, want %+v", got, want)
	}
}
