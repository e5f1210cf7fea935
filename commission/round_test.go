package commission

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tributary/internal/event"
	"tributary/internal/money"
	"tributary/partners/program"
)

// inLines is an amount reported as so many lines.
func inLines(amount int64, lines int) *event.Event {
	var list []*event.Line
	for n, part := range money.Split(amount, make([]int64, lines)) {
		list = append(list, goods(int64(n+1), fmt.Sprint("SKU-", n), "product", 1, part))
	}
	return sold(list...)
}

func TestLinesOfOneRuleEarnWhatTheirSumDoes(t *testing.T) {
	t.Parallel()
	yen := linkTerms(noon(), program.Terms{NetworkFee: 200_000, Rates: rates(map[string]money.Rate{"*": 55_000})})
	for _, fact := range []struct {
		name     string
		found    program.LinkTerms
		amount   int64
		lines    int
		net, fee int64
	}{
		{"96.00 as one line", tenPercent(), 96_00, 1, 9_60, 1_92},
		{"96.00 as 400 lines of 0.24", tenPercent(), 96_00, 400, 9_60, 1_92},
		{"72.00 as 1,800 lines of 0.04", tenPercent(), 72_00, 1_800, 7_20, 1_44},
		{"20.00 as 400 lines of 0.05", tenPercent(), 20_00, 400, 2_00, 40},
		{"5.00 as 100 lines of 0.05", tenPercent(), 500, 100, 50, 10},
		{"4.00 as 100 lines of 0.04", tenPercent(), 400, 100, 40, 8},
		{"100 lines of 9 yen at 5.5 %", yen, 900, 100, 50, 10},
	} {
		d := mustDecide(t, fact.found, inLines(fact.amount, fact.lines))
		c := d.Credits[0]
		if c.Net != fact.net || c.Gross != fact.net || c.Fee != fact.fee || c.Lines != fact.lines {
			t.Errorf("%s: net %d, gross %d, fee %d of %d lines; want %d and %d", fact.name, c.Net, c.Gross, c.Fee, c.Lines, fact.net, fact.fee)
		}
		checkHonest(t, &d)
	}
}

func TestALinesPartIsByLargestRemainder(t *testing.T) {
	t.Parallel()
	for _, fact := range []struct {
		name   string
		events []*event.Event
		parts  []int64
	}{
		{"equal parts: the lower number first", []*event.Event{sold(goods(3, "", "", 1, 5), goods(1, "", "", 1, 5), goods(2, "", "", 1, 5))}, []int64{1, 1, 0}},
		{"the largest remainder", []*event.Event{sold(goods(1, "", "", 1, 12), goods(2, "", "", 1, 18))}, []int64{1, 2}},
		{"of what is left", []*event.Event{sold(goods(1, "", "", 1, 5), goods(2, "", "", 1, 5)), refunded("R", day, 0, amountOf(1, 5))}, []int64{0, 1}},
		{"nothing is left", []*event.Event{sold(goods(1, "", "", 1, 5)), refunded("R", day, 5)}, []int64{0}},
	} {
		c := mustDecide(t, tenPercent(), fact.events...).Credits[0]
		var parts []int64
		for _, p := range c.Priced {
			parts = append(parts, p.Net)
		}
		if fmt.Sprint(parts) != fmt.Sprint(fact.parts) {
			t.Errorf("%s: %v, want %v", fact.name, parts, fact.parts)
		}
	}
}

// TestDividingLinesOfOneRuleChangesNothing divides each line of an order as a merchant might.
func TestDividingLinesOfOneRuleChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		found := drawTerms(t)
		var whole, divided []*event.Line
		for n := range rapid.IntRange(1, 4).Draw(t, "lines") {
			category := rapid.SampledFrom([]string{"product", "service", "odd"}).Draw(t, "category")
			amount := rapid.OneOf(rapid.Int64Range(0, 50), rapid.Int64Range(0, money.MaxAmount/4)).Draw(t, "amount")
			whole = append(whole, goods(int64(n+1), "", category, 1, amount))
			weights := rapid.SliceOfN(rapid.Int64Range(0, 9), 1, 9).Draw(t, "weights")
			for _, part := range money.Split(amount, weights) {
				divided = append(divided, goods(int64(len(divided)+1), "", category, 1, part))
			}
		}
		one, many := mustDecide(t, found, sold(whole...)), mustDecide(t, found, sold(divided...))
		checkHonest(t, &many)
		x, y := one.Credits[0], many.Credits[0]
		if x.Gross != y.Gross || x.Net != y.Net || x.Fee != y.Fee {
			t.Fatalf("gross %d, net %d, fee %d; divided %d, %d, %d", x.Gross, x.Net, x.Fee, y.Gross, y.Net, y.Fee)
		}
	})
}

// TestARefundNeverEarns takes refunds in one after the other.
func TestARefundNeverEarns(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		events, found := drawFacts(t), drawTerms(t)
		before := decide(mustFold(t, events[0]), clicked(time.Hour), found).Credits[0]
		if before.Net != before.Gross {
			t.Fatalf("without a refund %d of %d", before.Net, before.Gross)
		}
		d := decide(mustFold(t, events...), clicked(time.Hour), found)
		for _, s := range d.timeline(&scratch{}).parts[1:] {
			if s.net > before.Net || s.fee > before.Fee || s.net < 0 || s.fee < 0 {
				t.Fatalf("after a refund %d and %d, before it %d and %d", s.net, s.fee, before.Net, before.Fee)
			}
			before.Net, before.Fee = s.net, s.fee
		}
	})
}
