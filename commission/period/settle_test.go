package period

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tributary/commission"
	"tributary/commission/ledger/chart"
	"tributary/internal/money"
	"tributary/partners/program"
)

const (
	percent = money.One / 100
	month   = 30 * 24 * 60 * 60
)

// day is a day of September 2026, or of October from 101 on.
func day(n int) commission.Day {
	if n > 100 {
		n += 30 - 100
	}
	return commission.Day(time.Date(2026, 9, n, 0, 0, 0, 0, time.UTC).Unix() / (24 * 60 * 60))
}

// fact is an order of a period: on its day it adds what it says, and on others it loses what its refunds say.
type fact struct {
	id      string
	day     int
	sums    Sums
	version int
	refunds []lost
}

type lost struct {
	day  int
	sums Sums
}

func revenue(id string, on int, amount int64, refunds ...lost) fact {
	return fact{id: id, day: on, sums: Sums{1, amount, amount}, refunds: refunds}
}

func earned(id string, on int, amount int64, refunds ...lost) fact {
	return fact{id: id, day: on, sums: Sums{1, 10 * amount, amount}, refunds: refunds}
}

func part(on int, amount int64) lost  { return lost{on, Sums{0, amount, amount}} }
func whole(on int, amount int64) lost { return lost{on, Sums{1, amount, amount}} }

// of is an order as its period counts it.
func (f fact) of(rules Rules) Order {
	version := max(1, f.version)
	b := Bucket{Day: day(f.day), Hold: month}
	for id, rule := range rules {
		if rule.Version == version {
			b.Rule = id
		}
	}
	o := Order{At: day(f.day).Start(time.UTC).Add(12 * time.Hour), ID: f.id, Cells: []Filled{{Cell{b, b.Day}, f.sums}}}
	for _, r := range f.refunds {
		o.Cells = append(o.Cells, Filled{Cell{b, day(r.day)}, Sums{}.Minus(r.sums)})
	}
	return o
}

// versions are a rule as each version of the terms has it.
func versions(periods ...program.Period) Rules {
	rules := Rules{}
	for i, p := range periods {
		if p.ID = "rule"; p.Period == "" {
			p.Period = program.Month
		}
		rule := &program.Counting{PeriodRule: program.PeriodRule{Version: i + 1, Period: p}, Zone: time.UTC}
		rule.ID = rule.PeriodRule.ID()
		rules[rule.ID] = rule
	}
	return rules
}

func tiers(measure program.Measure, mode program.Mode, tiers ...program.Tier) program.Period {
	return program.Period{Measure: measure, Mode: mode, Tiers: tiers}
}

func capped(measure program.Measure, at int64) program.Period {
	return program.Period{Measure: measure, Cap: at}
}

// cells are the sums of orders.
func cells(orders []Order) []Filled {
	var all []Contribution
	for _, o := range orders {
		for _, c := range o.Cells {
			all = append(all, Contribution{Cell: c.Cell, Sums: c.Sums})
		}
	}
	var filled []Filled
	for _, c := range Sum(all) {
		filled = append(filled, Filled{c.Cell, c.Sums})
	}
	return filled
}

// told are the changes of a settlement by effective day, such as "5: 300, 20: 500".
func told(s *Settlement) string {
	byDay := map[commission.Day]int64{}
	for _, b := range s.Buckets {
		for _, c := range b.Changes {
			byDay[c.Day] += c.Amount
		}
	}
	var days []string
	for n := 1; n < 131; n++ {
		if n == 31 {
			n = 101
		}
		if amount := byDay[day(n)]; amount != 0 {
			days = append(days, fmt.Sprintf("%d: %d", n, amount))
		}
	}
	return strings.Join(days, ", ")
}

// settledAs settles orders in every way that applies, and holds the ways against each other.
func settledAs(t interface {
	Helper()
	Fatalf(format string, args ...any)
}, rules Rules, orders []Order,
) Settlement {
	t.Helper()
	ranked, err := Rank(rules, orders)
	if err != nil {
		t.Fatalf("%v", err)
	}
	if rules.Ranked() {
		return ranked
	}
	sums, err := Settle(rules, cells(orders))
	if err != nil {
		t.Fatalf("%v", err)
	}
	if diff := cmp.Diff(sums.Buckets, ranked.Buckets); diff != "" {
		t.Fatalf("sums and orders disagree (-sums +orders):\n%s", diff)
	}
	if diff := cmp.Diff(sums.Bands, ranked.Bands); diff != "" {
		t.Fatalf("the bands of sums and orders disagree (-sums +orders):\n%s", diff)
	}
	return sums
}

func leads(n int, last ...lost) []fact {
	var all []fact
	for i := range n {
		f := fact{id: strconv.Itoa(i), day: i + 1, sums: Sums{Count: 1}}
		if i == n-1 {
			f.refunds = last
		}
		all = append(all, f)
	}
	return all
}

// A cap of a day holds over all parts of a day of clicks, each under its own version of the terms, in whatever order they come.
func TestACapOfADayHoldsOverItsParts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var terms []program.Period
		var parts []fact
		total, least, most := int64(0), int64(1<<62), int64(0)
		same := rapid.Int64Range(0, 1).Draw(t, "caps differ") == 0
		limit := rapid.Int64Range(1, 1000).Draw(t, "cap")
		for i := range rapid.IntRange(1, 6).Draw(t, "parts") {
			at := limit
			if !same {
				at = rapid.Int64Range(1, 1000).Draw(t, "cap")
			}
			of := capped(program.MeasureCommission, at)
			of.Period = program.Day
			terms = append(terms, of)
			part := earned(fmt.Sprint("clicks/", i), 7, rapid.Int64Range(0, 400).Draw(t, "earned"))
			part.version = i + 1
			parts = append(parts, part)
			total, least, most = total+part.sums.Commission, min(least, at), max(most, at)
		}
		rules := versions(terms...)
		settled := func(parts []fact) (string, int64) {
			var orders []Order
			for _, p := range parts {
				orders = append(orders, p.of(rules))
			}
			s := settledAs(t, rules, orders)
			paid := total
			for _, b := range s.Buckets {
				for _, c := range b.Changes {
					paid += c.Amount
				}
			}
			return told(&s), paid
		}
		first, paid := settled(parts)
		if paid < min(total, least) || paid > min(total, most) {
			t.Fatalf("%d of %d is paid, capped at %d to %d", paid, total, least, most)
		}
		if later, _ := settled(rapid.Permutation(parts).Draw(t, "as they come")); later != first {
			t.Fatalf("%s, and in another order %s", first, later)
		}
	})
}

// The numbers are those of the cases of the design.
func TestWhatAPeriodComesTo(t *testing.T) {
	t.Parallel()
	volume := []program.Tier{{From: 20_000, Percent: 2 * percent}, {From: 40_000, Percent: 4 * percent}}
	from40k := program.Tier{From: 40_000, Percent: 2 * percent}
	from20k := func(rate money.Rate) program.Period {
		return tiers(program.MeasureRevenue, program.Marginal, program.Tier{From: 20_000, Percent: rate})
	}
	past2 := tiers(program.MeasureCount, program.Marginal, program.Tier{From: 2, Percent: 5 * percent})
	ten := program.Tier{From: 10, Once: 5_000}
	for _, row := range []struct {
		name  string
		rules Rules
		facts []fact
		want  string
		sum   int64
	}{
		{"scenario 4", versions(tiers(program.MeasureRevenue, "", volume...)), fifty(), "21: 20, 22: 20, 23: 20, 24: 20, 25: 20, 26: 20, 27: 20, 28: 20, 29: 20, 30: 20, 101: 20, 102: 20, 103: 20, 104: 20, 105: 20, 106: 20, 107: 20, 108: 20, 109: 20, 110: 20, 111: 40, 112: 40, 113: 40, 114: 40, 115: 40, 116: 40, 117: 40, 118: 40, 119: 40, 120: 40", 800},
		{"scenario 5, retroactive", versions(tiers(program.MeasureCount, program.Retroactive, program.Tier{From: 10, Each: 50})), leads(20), "10: 500, 11: 50, 12: 50, 13: 50, 14: 50, 15: 50, 16: 50, 17: 50, 18: 50, 19: 50, 20: 50", 1000},
		{"scenario 5, marginal", versions(tiers(program.MeasureCount, program.Marginal, program.Tier{From: 10, Each: 50})), leads(20), "11: 50, 12: 50, 13: 50, 14: 50, 15: 50, 16: 50, 17: 50, 18: 50, 19: 50, 20: 50", 500},
		{"scenario 6, a part of the commission", versions(tiers(program.MeasureCount, program.Retroactive, program.Tier{From: 1, OfCommission: 10 * percent})), []fact{earned("a", 3, 300)}, "3: 30", 30},
		{"scenario 3, crossed on the third", versions(tiers(program.MeasureCommission, "", program.Tier{From: 10_000, Once: 2_000})), []fact{earned("a", 1, 4000), earned("b", 2, 4000), earned("c", 3, 4000), earned("d", 4, 4000), earned("e", 5, 4000)}, "3: 2000", 2000},
		{"41", versions(tiers(program.MeasureRevenue, program.Marginal, volume...)), []fact{revenue("a", 5, 35_000), revenue("b", 20, 15_000, whole(105, 15_000))}, "5: 300, 20: 500, 105: -500", 300},
		{"42", versions(tiers(program.MeasureRevenue, program.Retroactive, from40k)), []fact{revenue("a", 5, 35_000), revenue("b", 20, 15_000, whole(105, 15_000))}, "20: 1000, 105: -1000", 0},
		{"43, before the late one", versions(tiers(program.MeasureRevenue, program.Retroactive, from40k)), []fact{revenue("a", 9, 39_000)}, "", 0},
		{"43", versions(tiers(program.MeasureRevenue, program.Retroactive, from40k)), []fact{revenue("a", 9, 39_000), revenue("late", 2, 1_000)}, "9: 800", 800},
		{"44", versions(capped(program.MeasureCommission, 10_000)), []fact{earned("a", 1, 6000, part(15, 3000)), earned("b", 2, 3000), earned("c", 3, 4000)}, "3: -3000, 15: 3000", 0},
		{"45", versions(capped(program.MeasureCount, 2)), []fact{earned("a", 1, 100), earned("b", 2, 200), earned("c", 3, 300)}, "3: -300", -300},
		{"46", versions(capped(program.MeasureCount, 2)), []fact{earned("a", 1, 100, lost{9, Sums{1, 1000, 100}}), earned("b", 2, 200), earned("c", 3, 300)}, "3: -300, 9: 300", 0},
		{"47", versions(capped(program.MeasureCount, 2)), []fact{earned("b", 3, 200), earned("c", 3, 300), earned("a", 3, 100)}, "3: -300", -300},
		{"48, the cap", versions(capped(program.MeasureCommission, 1000)), []fact{earned("a", 1, 400), earned("b", 2, 400), earned("c", 3, 400)}, "3: -200", -200},
		{"48, the tier", versions(tiers(program.MeasureCount, program.Retroactive, program.Tier{From: 3, OfCommission: 10 * percent})), []fact{earned("a", 1, 400), earned("b", 2, 400), earned("c", 3, 400)}, "3: 120", 120},
		{"49", versions(tiers(program.MeasureCount, "", ten)), leads(10, lost{12, Sums{Count: 1}}), "10: 5000, 12: -5000", 0},
		{"50, before the late one", versions(past2), []fact{revenue("a", 1, 1000), revenue("b", 2, 2000), revenue("d", 4, 3000), revenue("e", 5, 4000)}, "4: 150, 5: 200", 350},
		{"50", versions(past2), []fact{revenue("a", 1, 1000), revenue("b", 2, 2000), revenue("d", 4, 3000), revenue("e", 5, 4000), revenue("late", 3, 1500)}, "3: 75, 4: 150, 5: 200", 425},
		{"51", versions(tiers(program.MeasureRevenue, program.Retroactive, program.Tier{From: 5_000, Percent: 10 * percent})), []fact{revenue("half", 7, 5_000)}, "7: 500", 500},
		{"52", versions(from20k(2*percent), from20k(3*percent)), []fact{revenue("a", 10, 30_000), {id: "b", day: 20, version: 2, sums: Sums{1, 10_000, 10_000}}}, "10: 200, 20: 300", 500},
		{"53", versions(from20k(2*percent), from20k(3*percent)), []fact{revenue("a", 10, 30_000, part(103, 15_000)), {id: "b", day: 20, version: 2, sums: Sums{1, 10_000, 10_000}}}, "10: 200, 20: 300, 103: -350", 150},
		{"a cap of revenue takes its part of the order that crosses it", versions(capped(program.MeasureRevenue, 2_500)), []fact{earned("a", 1, 200), earned("b", 2, 100)}, "2: -50", -50},
		{"one order past the start is above it", versions(tiers(program.MeasureCount, program.Marginal, program.Tier{From: 1, Percent: percent})), []fact{revenue("a", 1, 700), revenue("b", 1, 900)}, "1: 9", 9},
		{"nothing at all", versions(capped(program.MeasureCount, 2)), nil, "", 0},
	} {
		var orders []Order
		for _, f := range row.facts {
			orders = append(orders, f.of(row.rules))
		}
		got := settledAs(t, row.rules, orders)
		if said := told(&got); said != row.want || got.Amount != row.sum || got.Outcome != Settled {
			t.Errorf("%s: %s, together %d; want %s, together %d", row.name, said, got.Amount, row.want, row.sum)
		}
	}
}

// fifty are orders of 1000, one a day.
func fifty() []fact {
	var all []fact
	for n := range 50 {
		on := n + 1
		if on > 30 {
			on += 70
		}
		all = append(all, revenue(strconv.Itoa(n), on, 1000))
	}
	return all
}

// Case 47 in all orders of arrival.
func TestWhichOrderIsOverIsTheSameHoweverTheyCome(t *testing.T) {
	t.Parallel()
	rules := versions(capped(program.MeasureCount, 2))
	a, b, c := earned("a", 3, 100).of(rules), earned("b", 3, 200).of(rules), earned("c", 3, 300).of(rules)
	for _, orders := range [][]Order{{a, b, c}, {a, c, b}, {b, a, c}, {b, c, a}, {c, a, b}, {c, b, a}} {
		got := settledAs(t, rules, orders)
		over := got.Orders[2]
		if got.Amount != -300 || orders[over.Order].ID != "c" || over.Amount != -300 || got.Boundary.ID != "c" || got.Boundary.Within != 0 {
			t.Errorf("of %s, %s and %s: %+v, boundary %+v", orders[0].ID, orders[1].ID, orders[2].ID, got.Orders, got.Boundary)
		}
	}
}

// Case 14.
func TestALadderIsReachedFromItsStepOn(t *testing.T) {
	t.Parallel()
	names := []string{"Basic", "Silver", "Gold", "Platinum"}
	for amount, want := range map[int64]string{50: "Basic", 100: "Silver", 499: "Silver", 550: "Gold", 1000: "Platinum", 99_999: "Platinum"} {
		if got := Ladder([]int64{0, 100, 500, 1000}, amount); names[got] != want {
			t.Errorf("%d reaches %s, want %s", amount, names[got], want)
		}
	}
	if got := Ladder([]int64{100}, 99); got != -1 {
		t.Errorf("99 reaches step %d of 100", got)
	}
}

func TestSumsBeyondAllBoundsPayNothing(t *testing.T) {
	t.Parallel()
	b := func(rules Rules) Bucket {
		for id := range rules {
			return Bucket{Day: day(1), Rule: id}
		}
		return Bucket{}
	}
	rate := versions(tiers(program.MeasureRevenue, "", program.Tier{From: 1, Percent: percent}))
	each := versions(tiers(program.MeasureCount, "", program.Tier{From: 1, Each: money.MaxAmount}))
	for _, row := range []struct {
		name  string
		rules Rules
		sums  Sums
		want  Outcome
	}{
		{"the largest revenue", rate, Sums{Count: 1, Revenue: MaxSum - 1}, Settled},
		{"one more", rate, Sums{Count: 1, Revenue: MaxSum}, Overflow},
		{"far more", rate, Sums{Count: 1, Revenue: MaxSum}.Plus(Sums{Revenue: MaxSum}), Overflow},
		{"too much for each", each, Sums{Count: 1_000_000}, Overflow},
		{"not too much for each", each, Sums{Count: 100_000}, Settled},
	} {
		got, err := Settle(row.rules, []Filled{{Cell{b(row.rules), day(1)}, row.sums}})
		if err != nil || got.Outcome != row.want || got.Outcome == Overflow && (got.Amount != 0 || got.Buckets != nil) {
			t.Errorf("%s: %+v, %v", row.name, got, err)
		}
	}
}

func TestSumsThatNoOrdersHaveAreRefused(t *testing.T) {
	t.Parallel()
	rules := versions(capped(program.MeasureCommission, 5))
	o := earned("a", 3, 100).of(rules)
	bad := map[string][]Filled{
		"below zero":         {{o.Cells[0].Cell, Sums{Commission: -1}}},
		"before their day":   {{Cell{o.Cells[0].Cell.Bucket, day(2)}, Sums{Count: 1}}},
		"of an unknown rule": {{Cell{Bucket{Day: day(1), Rule: 7}, day(1)}, Sums{Count: 1}}},
	}
	for name, cells := range bad {
		if got, err := Settle(rules, cells); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// lifetime draws a rule as two versions have it, and orders with their refunds.
func lifetime(t *rapid.T) (Rules, []Order) {
	measure := rapid.SampledFrom([]program.Measure{program.MeasureCount, program.MeasureRevenue, program.MeasureCommission}).Draw(t, "measure")
	draw := func(name string) program.Period {
		p := program.Period{Measure: measure, Mode: rapid.SampledFrom([]program.Mode{"", program.Marginal, program.Retroactive}).Draw(t, name+" mode")}
		if rapid.Bool().Draw(t, name+" caps") {
			p.Cap = rapid.Int64Range(1, 3000).Draw(t, name+" cap")
			return p
		}
		from := int64(0)
		for range rapid.IntRange(1, 3).Draw(t, name+" tiers") {
			from += rapid.Int64Range(1, 1000).Draw(t, name+" from")
			tier := program.Tier{From: from}
			switch rapid.IntRange(0, 3).Draw(t, name+" pays") {
			case 0:
				tier.Percent = money.Rate(rapid.Int64Range(1, 1_000_000).Draw(t, name+" percent"))
			case 1:
				tier.OfCommission = money.Rate(rapid.Int64Range(1, 1_000_000).Draw(t, name+" of commission"))
			case 2:
				tier.Each = rapid.Int64Range(1, 500).Draw(t, name+" each")
			case 3:
				tier.Once = rapid.Int64Range(1, 500).Draw(t, name+" once")
			}
			p.Tiers = append(p.Tiers, tier)
		}
		return p
	}
	rules := versions(draw("first"), draw("second"))
	for id := range rules {
		rules[id].NetworkFee = money.Rate(rapid.SampledFrom([]int64{0, 200_000}).Draw(t, "fee"))
	}
	var orders []Order
	for i := range rapid.IntRange(0, 12).Draw(t, "orders") {
		f := fact{
			id: strconv.Itoa(i), day: rapid.IntRange(1, 6).Draw(t, "day"),
			sums: Sums{1, rapid.Int64Range(0, 2000).Draw(t, "revenue"), rapid.Int64Range(0, 300).Draw(t, "commission")},
		}
		if f.day > 3 {
			f.version = 2
		}
		left := f.sums
		for on := f.day; on < 9 && left.Count > 0; on += 2 {
			l := lost{on, Sums{Revenue: rapid.Int64Range(0, left.Revenue).Draw(t, "revenue back"), Commission: rapid.Int64Range(0, left.Commission).Draw(t, "commission back")}}
			if rapid.IntRange(0, 3).Draw(t, "all back") == 0 {
				l.sums = left
			}
			f.refunds, left = append(f.refunds, l), left.Minus(l.sums)
		}
		orders = append(orders, f.of(rules))
	}
	return rules, orders
}

// Wherever sums say what a period comes to, its orders one by one say the same; how they come changes nothing; what the
// buckets are paid is what the rule pays for all, version by version; and what the books hold is that, whatever was released.
func TestAPeriodIsItsSumsHoweverTheyCome(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rules, orders := lifetime(t)
		got := settledAs(t, rules, orders)
		again := settledAs(t, rules, rapid.Permutation(orders).Draw(t, "as they come"))
		if diff := cmp.Diff(got.Buckets, again.Buckets); diff != "" {
			t.Fatalf("it depends on how orders come:\n%s", diff)
		}
		sum, fee := int64(0), int64(0)
		for _, b := range got.Buckets {
			bucket, charged := int64(0), int64(0)
			for _, c := range b.Changes {
				bucket, charged = bucket+c.Amount, charged+c.Fee
			}
			if bucket != b.Amount || charged != b.Fee {
				t.Fatalf("the changes of %s come to %d and %d, not %d and %d", b.Day, bucket, charged, b.Amount, b.Fee)
			}
			sum, fee = sum+b.Amount, fee+b.Fee
		}
		if sum != got.Amount || fee != got.Fee {
			t.Fatalf("buckets come to %d and %d, the period to %d and %d", sum, fee, got.Amount, got.Fee)
		}
		if len(versionsOf(&got)) == 1 {
			bands := int64(0)
			for _, b := range got.Bands {
				bands += b.Amount
			}
			if bands != got.Amount {
				t.Fatalf("bands come to %d, the period to %d", bands, got.Amount)
			}
		}
		for _, until := range []time.Time{{}, day(20).Start(time.UTC), day(101).Start(time.UTC), day(130).Start(time.UTC)} {
			standing := StandingOf(got.Movements(Key{Partner: 3, Merchant: 1, Unit: "GBP"}, until))
			if standing.Net != got.Amount || standing.Fee != got.Fee {
				t.Fatalf("as of %s the books hold %+v, want %d and %d", until, standing, got.Amount, got.Fee)
			}
		}
	})
}

func versionsOf(s *Settlement) []int {
	var versions []int
	for _, b := range s.Buckets {
		versions = append(versions, b.Version)
	}
	slices.Sort(versions)
	return slices.Compact(versions)
}

// Refunding everything leaves nothing, whatever was paid in between.
func TestAPeriodOfNothingPaysNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rules, orders := lifetime(t)
		for i := range orders {
			left := Sums{}
			for _, c := range orders[i].Cells {
				left = left.Plus(c.Sums)
			}
			last := orders[i].Cells[len(orders[i].Cells)-1].Cell
			last.Effective = day(15)
			orders[i].Cells = append(orders[i].Cells, Filled{last, Sums{}.Minus(left)})
		}
		if got := settledAs(t, rules, orders); got.Amount != 0 || got.Fee != 0 {
			t.Fatalf("a period of which nothing remains pays %d, fee %d", got.Amount, got.Fee)
		}
	})
}

func TestWhenABucketIsReleased(t *testing.T) {
	t.Parallel()
	bonus := tiers(program.MeasureRevenue, "", program.Tier{From: 100, Percent: 10 * percent})
	skip := bonus
	skip.SkipHold = true
	ends, start := day(4).Start(time.UTC), day(3).Start(time.UTC)
	hold := month * time.Second
	pending, payable := chart.PartnerPending, chart.PartnerPayable
	receivable := chart.MerchantReceivable
	type move struct {
		at            time.Time
		debit, credit chart.Kind
		amount        int64
	}
	f := revenue("a", 3, 1100, part(130, 500))
	for _, row := range []struct {
		name  string
		rule  program.Period
		until time.Time
		want  []move
	}{
		{"a bonus in its hold", bonus, ends, []move{{ends, receivable, pending, 100}, {day(131).Start(time.UTC), pending, receivable, 50}}},
		{"a bonus after its hold", bonus, ends.Add(hold), []move{{ends, receivable, pending, 100}, {ends.Add(hold), pending, payable, 100}, {day(131).Start(time.UTC), payable, receivable, 50}}},
		{"a bonus without a hold", skip, ends, []move{{ends, receivable, pending, 100}, {ends, pending, payable, 100}, {day(131).Start(time.UTC), payable, receivable, 50}}},
		{"a cap in its hold", capped(program.MeasureRevenue, 100), start, []move{{ends, pending, receivable, 1000}, {day(131).Start(time.UTC), receivable, pending, 500}}},
		{"a cap is over before a bonus would be", capped(program.MeasureRevenue, 100), start.Add(hold), []move{{ends, pending, receivable, 1000}, {start.Add(hold), payable, pending, 1000}}},
	} {
		rules := versions(row.rule)
		settled := settledAs(t, rules, []Order{f.of(rules)})
		movements := settled.Movements(Key{Merchant: 1, Partner: 3, Unit: "GBP"}, row.until)
		for i, want := range row.want {
			if i >= len(movements) {
				t.Errorf("%s: there are %d movements: %+v", row.name, len(movements), movements)
				break
			}
			m := movements[i]
			if (move{m.At, m.Debit, m.Credit, m.Amount}) != want || m.Partner != 3 || m.Merchant != 1 {
				t.Errorf("%s: movement %d is %+v, want %+v", row.name, i, m, want)
			}
		}
	}
}
