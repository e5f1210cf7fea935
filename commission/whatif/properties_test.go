package whatif

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tributary/commission"
	"tributary/commission/ledger/chart"
	"tributary/commission/period"
	"tributary/internal/money"
	"tributary/partners/program"
)

// TestMain has each property tried 2,000 times, unless -rapid.checks says how often: make properties tries 100,000.
func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	if !given {
		if err := flag.Set("rapid.checks", "2000"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// decide decides reports under a scene's terms.
func (s *scene) decide(t *rapid.T, reports []string) Decided {
	t.Helper()
	terms, err := ReadTerms(strings.NewReader(s.terms))
	if err != nil {
		t.Fatalf("%s: %v", s.terms, err)
	}
	facts := strings.Join(slices.Concat(s.partners, s.known, reports), "\n")
	decided, err := Decide(terms, strings.NewReader(facts), time.Time{})
	if err != nil {
		t.Fatalf("%s\n%s\n%v", s.terms, facts, err)
	}
	return decided
}

// reports are those of the scene as they arrive, and the reviews.
func (s *scene) reports() (lines []string) {
	for _, r := range s.told {
		lines = append(lines, r.line)
	}
	return slices.Concat(lines, s.reviews)
}

// otherwise gives the scene with its facts in another order and copies of some: those of one fact keep their order, and a copy
// comes after what it is of.
func (s *scene) otherwise(t *rapid.T) (other scene, reports []string) {
	copies := rapid.SliceOfN(rapid.SampledFrom(s.told), 0, 4).Draw(t, "copies")
	waiting := map[string][]string{}
	for _, r := range slices.Concat(s.told, copies) {
		waiting[r.fact] = append(waiting[r.fact], r.line)
	}
	for _, r := range rapid.Permutation(slices.Concat(s.told, copies)).Draw(t, "arrival") {
		reports = append(reports, waiting[r.fact][0])
		waiting[r.fact] = waiting[r.fact][1:]
	}
	other = *s
	if len(s.known) > 1 {
		other.known = rapid.Permutation(s.known).Draw(t, "known")
	}
	if len(s.reviews) > 1 {
		reports = append(reports, rapid.Permutation(s.reviews).Draw(t, "reviews")...)
	} else {
		reports = append(reports, s.reviews...)
	}
	return other, reports
}

// far is after all holds.
func far() time.Time { return time.Date(2100, time.January, 1, 0, 0, 0, 0, time.UTC) }

// said is all that a decision says, and what it moves, by order and period.
func said(d *Decided) map[string]string {
	all := map[string]string{}
	for i := range d.Orders {
		o := &d.Orders[i]
		all["order "+o.Order.ID] = fmt.Sprintf("%s\n%v", o.AppendJSON(nil), o.Movements(far()))
	}
	for i := range d.Periods {
		p := &d.Periods[i]
		data, err := json.Marshal(p.Settlement)
		if err != nil {
			panic(err)
		}
		all[fmt.Sprint("period ", p.Of)] = string(data)
	}
	return all
}

func TestFactsInAnyOrderAndTwiceAreTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t)
		first := s.decide(t, s.reports())
		other, reports := s.otherwise(t)
		again := other.decide(t, reports)
		want, got := said(&first), said(&again)
		for _, name := range slices.Sorted(maps.Keys(want)) {
			if want[name] != got[name] {
				t.Fatalf("%s is\n%s\nand otherwise\n%s", name, want[name], got[name])
			}
		}
		if len(want) != len(got) {
			t.Fatalf("%d orders and periods, otherwise %d", len(want), len(got))
		}
	})
}

// books are what was posted, by what it is for.
type books map[string][]commission.Movement

// post brings the books to what decisions say, by differences alone.
func (b books) post(d *Decided, until time.Time) {
	desired := books{}
	for i := range d.Orders {
		desired["order "+d.Orders[i].Order.ID] = d.Orders[i].Movements(until)
	}
	for i := range d.Periods {
		desired[fmt.Sprint("period ", d.Periods[i].Of)] = d.Periods[i].Settlement.Movements(d.Periods[i].Of, until)
	}
	for name, is := range b {
		if desired[name] == nil && len(is) > 0 {
			desired[name] = []commission.Movement{} // a period in which nothing counts any more
		}
	}
	for name, movements := range desired {
		b[name] = append(b[name], commission.Difference(b[name], movements)...)
	}
}

// place is an account of somebody in a unit.
type place struct {
	kind     chart.Kind
	partner  program.PartnerID
	customer string
	unit     string
}

// balances add movements up.
func balances(t *rapid.T, movements []commission.Movement) map[place]int64 {
	sums := map[place]int64{}
	for _, m := range movements {
		if m.Amount <= 0 || m.Debit == m.Credit {
			t.Fatalf("a movement of nothing: %+v", m)
		}
		for kind, amount := range map[chart.Kind]int64{m.Debit: -m.Amount, m.Credit: m.Amount} {
			p := place{kind: kind, unit: m.Unit}
			if owner := kind.Entry().Owner; owner.HasPartner() {
				p.partner = m.Partner
			} else if kind == chart.Wallet || kind == chart.WalletPending {
				p.customer = m.Customer
			}
			if sums[p] += amount; sums[p] == 0 {
				delete(sums, p)
			}
		}
	}
	return sums
}

// TestBooksBalanceAfterAnyPrefix posts what follows from ever more of the facts, in some order, and holds what was posted
// against what then stands.
func TestBooksBalanceAfterAnyPrefix(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t)
		other, reports := s.otherwise(t)
		posted := books{}
		until := []time.Time{{}, time.Date(2026, time.October, 1, 0, 0, 0, 0, time.UTC), far()}
		taken := 0
		for n := range until {
			taken = rapid.IntRange(taken, len(reports)).Draw(t, "taken")
			if n == len(until)-1 {
				taken = len(reports)
			}
			prefix := slices.DeleteFunc(slices.Clone(reports[:taken]), func(line string) bool {
				return taken < len(reports) && (strings.HasPrefix(line, `{"review"`) || strings.HasPrefix(line, `{"dispute"`))
			})
			d := other.decide(t, prefix)
			posted.post(&d, until[n])
			var all []commission.Movement
			for _, of := range posted {
				all = append(all, of...)
			}
			stands := balances(t, all)
			sums := map[string]int64{}
			for p, amount := range stands {
				sums[p.unit] += amount
			}
			for unit, sum := range sums {
				if sum != 0 {
					t.Fatalf("after %d reports the books are out by %d %s", taken, sum, unit)
				}
			}
			if want := owed(&d); !maps.Equal(want, earned(stands)) {
				t.Fatalf("after %d reports the decisions give %v, the books hold %v", taken, want, earned(stands))
			}
		}
	})
}

// holder is who earns, in a unit; the network is partner -1.
type holder struct {
	partner  program.PartnerID
	customer string
	unit     string
}

const network program.PartnerID = -1

// owed is what decisions and periods give to each.
func owed(d *Decided) map[holder]int64 {
	sums := map[holder]int64{}
	add := func(h holder, amount int64) {
		if sums[h] += amount; sums[h] == 0 {
			delete(sums, h)
		}
	}
	for i := range d.Orders {
		for n := range d.Orders[i].Credits {
			c := &d.Orders[i].Credits[n]
			h := holder{partner: c.Partner, unit: c.Unit}
			if c.Role == commission.RoleCustomer {
				h = holder{customer: c.Customer, unit: c.Unit}
			}
			add(h, c.Net)
			add(holder{partner: network, unit: c.Unit}, c.Fee)
		}
	}
	for _, p := range d.Periods {
		add(holder{partner: p.Of.Partner, unit: p.Of.Unit}, p.Settlement.Amount)
		add(holder{partner: network, unit: p.Of.Unit}, p.Settlement.Fee)
	}
	return sums
}

// earned is what stands in the accounts of those who earn.
func earned(stands map[place]int64) map[holder]int64 {
	sums := map[holder]int64{}
	for p, amount := range stands {
		h := holder{partner: p.partner, customer: p.customer, unit: p.unit}
		switch p.kind {
		case chart.MerchantReceivable, chart.PromotionsIssued:
			continue
		case chart.FeePending, chart.FeeEarned:
			h.partner = network
		}
		if sums[h] += amount; sums[h] == 0 {
			delete(sums, h)
		}
	}
	return sums
}

func TestRefundingEverythingLeavesZero(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t)
		reports := s.reports()
		for _, id := range s.orders {
			reports = append(reports, line("refund", object{"order": id, "id": "all", "at": when(1000), "whole_order": true}))
		}
		d := s.decide(t, reports)
		if left := owed(&d); len(left) > 0 {
			t.Fatalf("%s\n%s\nleave %v", s.terms, strings.Join(reports, "\n"), left)
		}
		posted := books{}
		posted.post(&d, far())
		for name, movements := range posted {
			if stands := balances(t, movements); len(stands) > 0 {
				t.Fatalf("%s leaves %v", name, stands)
			}
		}
	})
}

// TestADisputeIsWhatARefundWouldBe disputes an amount of an order after all else: won that is nothing, lost it is a refund of the
// amount, and meanwhile the difference is held.
func TestADisputeIsWhatARefundWouldBe(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t)
		s.reviews = slices.DeleteFunc(s.reviews, func(line string) bool { return strings.HasPrefix(line, `{"dispute"`) })
		id := rapid.SampledFrom(s.orders).Draw(t, "of")
		amount := object{"amount": rapid.IntRange(1, 100_000).Draw(t, "in dispute")}
		if chance(t, 3, "whole") {
			amount = object{"whole_order": true}
		}
		said := func(kind string, further object) string {
			o := maps.Clone(amount)
			maps.Copy(o, object{"order": id, "id": "it", "at": when(1200)})
			maps.Copy(o, further)
			return line(kind, o)
		}
		with := func(lines ...string) *commission.Decision {
			d := s.decide(t, slices.Concat(s.reports(), lines))
			return &d.Orders[slices.IndexFunc(d.Orders, func(o commission.Decision) bool { return o.Order.ID == id })]
		}
		open := said("dispute", object{"state": "open"})
		settled := func(state string) *commission.Decision {
			return with(open, said("dispute", object{"state": state, "at": when(1300)}))
		}
		none, refunded := with(), with(said("refund", nil))
		if want, got := earnings(none), earnings(settled("won")); want != got {
			t.Fatalf("%s: won it is\n%s\nwithout it\n%s", s.terms, got, want)
		}
		if want, got := earnings(refunded), earnings(settled("lost")); want != got {
			t.Fatalf("%s: lost it is\n%s\nrefunded\n%s", s.terms, got, want)
		}
		contested := with(open)
		for i := range contested.Credits {
			was, is, c := &none.Credits[i], &refunded.Credits[i], &contested.Credits[i]
			if c.Net != was.Net || c.Disputed != max(0, was.Net-is.Net) {
				t.Fatalf("%s: of %d are %d held, and refunded there would be %d", s.terms, c.Net, c.Disputed, is.Net)
			}
		}
		checkRows(t, contested)
	})
}

// earnings are the rows of an order's credits, but for what the order was refunded.
func earnings(d *commission.Decision) string {
	var all []string
	for i := range d.Credits {
		e := d.Earning(i, far())
		all = append(all, fmt.Sprintf("%+v", e))
	}
	return strings.Join(all, "\n")
}

// checkRows holds that the rows of an order's credits are what its movements leave to each.
func checkRows(t *rapid.T, d *commission.Decision) {
	t.Helper()
	for i, movements := range d.ByCredit(far()) {
		e, sums := d.Earning(i, far()), map[chart.Kind]int64{}
		for p, amount := range balances(t, movements) {
			sums[p.kind] += amount
		}
		got := [3]int64{sums[chart.PartnerPending] + sums[chart.WalletPending], sums[chart.PartnerPayable] + sums[chart.Wallet], sums[chart.PartnerHeld]}
		if want := [3]int64{e.Pending, e.Payable, e.Held}; got != want {
			t.Fatalf("pending, payable and held are %v, the row says %v", got, want)
		}
	}
}

func TestSharesSumToTheWhole(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t)
		d := s.decide(t, s.reports())
		for i := range d.Orders {
			o := &d.Orders[i]
			if o.Order.Test {
				o.Credits = o.Would
			}
			declined := func(r commission.Review) bool { return r.Verb == commission.Decline && r.NoEffect == "" }
			if slices.ContainsFunc(o.Order.Reviews, declined) {
				continue // what is declined goes to nobody
			}
			if wrong := offShares(o); wrong != "" {
				t.Fatalf("%s\n%s\n%s\n%s", s.terms, strings.Join(s.reports(), "\n"), o.AppendJSON(nil), wrong)
			}
		}
		for _, p := range d.Periods {
			if wrong := offPeriod(&p.Settlement); wrong != "" {
				t.Fatalf("%s\n%s\n%v: %s", s.terms, strings.Join(s.reports(), "\n"), p.Of, wrong)
			}
		}
	})
}

// offPeriod says what in a period does not add up.
func offPeriod(s *period.Settlement) string {
	amount, fee := int64(0), int64(0)
	for _, b := range s.Buckets {
		sum := int64(0)
		for _, c := range b.Changes {
			sum += c.Amount
		}
		if sum != b.Amount {
			return fmt.Sprintf("the changes of %s are %d of %d", b.Day, sum, b.Amount)
		}
		amount, fee = amount+b.Amount, fee+b.Fee
	}
	bands := int64(0)
	for _, b := range s.Bands {
		bands += b.Amount
	}
	if amount != s.Amount || fee != s.Fee || bands != s.Amount {
		return fmt.Sprintf("days are %d with a fee of %d, bands %d, of %d and %d", amount, fee, bands, s.Amount, s.Fee)
	}
	return ""
}

// half rounds half up; nothing here is below zero.
func half(r *big.Rat) int64 {
	r = new(big.Rat).Add(r, big.NewRat(1, 2))
	return new(big.Int).Div(r.Num(), r.Denom()).Int64()
}

// offShares says what in the credits of an order does not add up.
func offShares(d *commission.Decision) string {
	whole, feeOn, fee, allFees := int64(0), int64(0), int64(0), int64(0)
	weights := map[program.PartnerID]int64{}
	for i := range d.Credits {
		c := &d.Credits[i]
		allFees += c.Fee
		if c.Role == commission.RolePartner {
			weights[c.Partner] = max(1, c.Weight)
			whole, feeOn, fee = whole+max(1, c.Weight), feeOn+c.Net, fee+c.Fee
		}
		if wrong := offLines(c); wrong != "" {
			return wrong
		}
	}
	switch {
	case len(d.Credits) == 0:
		return ""
	case fee != d.Credits[0].Terms.NetworkFee.Of(feeOn):
		return fmt.Sprintf("fees of %d on %d", fee, feeOn)
	case allFees < 0:
		return fmt.Sprintf("recruiters take %d more than the fee", -allFees)
	}
	for _, role := range []commission.Role{commission.RolePartner, commission.RoleRecruiter, commission.RoleRecruiter2, commission.RoleCustomer} {
		for _, unit := range []string{d.Credits[0].Unit, money.Points} {
			exact, got := new(big.Rat), int64(0)
			for i := range d.Credits {
				if c := &d.Credits[i]; c.Role == role && c.Unit == unit {
					got += ofSale(c, weights, whole, exact)
				}
			}
			if want := half(exact); got != want {
				return fmt.Sprintf("the shares of %ss in %s are %d, exactly %s", role, unit, got, exact.FloatString(6))
			}
		}
	}
	return ""
}

// ofSale adds a credit's exact part of the order to exact, and gives what it has of that.
func ofSale(c *commission.Credit, weights map[program.PartnerID]int64, whole int64, exact *big.Rat) (has int64) {
	has = c.Net
	for n := range c.Rules {
		r := &c.Rules[n]
		if r.Of != "" {
			has -= r.Net
			continue
		}
		part := whole
		switch {
		case c.Role == commission.RolePartner:
			part = weights[c.Partner]
		case c.Role != commission.RoleCustomer:
			part = 0
			for _, of := range c.From[n] {
				part += weights[of]
			}
		}
		exact.Add(exact, new(big.Rat).Mul(big.NewRat(part, whole), big.NewRat(r.Net, 1)))
	}
	return has
}

// offLines says where the lines of a rule are not what the rule gives.
func offLines(c *commission.Credit) string {
	sums, priced := make([]int64, len(c.Rules)), make([]bool, len(c.Rules))
	for _, p := range c.Priced {
		sums[p.Rule] += p.Net
		priced[p.Rule] = true
	}
	for n := range c.Rules {
		if r := &c.Rules[n]; priced[n] && sums[n] != r.Net {
			return fmt.Sprintf("the lines of rule %q have %d of %d", r.Name(), sums[n], r.Net)
		}
	}
	return ""
}
