package period

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"tributary/partners/program"
)

func TestWhereAnOrderLiesInItsPeriod(t *testing.T) {
	t.Parallel()
	tiers := []program.Tier{{From: 20_000, Percent: 2 * percent}, {From: 40_000, Percent: 4 * percent}}
	marginal := program.Period{Measure: program.MeasureRevenue, Tiers: tiers}
	whole := program.Period{Measure: program.MeasureRevenue, Mode: program.Retroactive, Tiers: tiers}
	goal := program.Period{Measure: program.MeasureCount, Tiers: []program.Tier{{From: 3, Once: 5_000}}}
	mixed := program.Period{Measure: program.MeasureCount, Tiers: []program.Tier{{From: 1, Each: 50}, {From: 2, Once: 700}, {From: 3, Each: 90}}}
	capped := program.Period{Measure: program.MeasureCommission, Cap: 1_000}
	turnover := program.Period{Measure: program.MeasureRevenue, Cap: 10_000}
	two := program.Period{Measure: program.MeasureCount, Cap: 2}
	for _, row := range []struct {
		name         string
		rule         program.Period
		before, adds Sums
		want         Place
		part         Part
		next         int
	}{
		{"below all tiers", marginal, Sums{1, 5_000, 500}, Sums{1, 5_000, 500}, Place{Before: 5_000, After: 10_000}, Within, 0},
		{"across three bands", marginal, Sums{1, 15_000, 500}, Sums{1, 30_000, 500}, Place{Before: 15_000, After: 45_000, Tiers: []InTier{{0, 20_000}, {1, 5_000}}}, Within, -1},
		{"from the very start of a tier", marginal, Sums{1, 20_000, 500}, Sums{1, 10, 1}, Place{Before: 20_000, After: 20_010, Tiers: []InTier{{0, 10}}}, Within, 1},
		{"retroactive", whole, Sums{1, 15_000, 500}, Sums{1, 30_000, 500}, Place{Before: 15_000, After: 45_000}, Within, -1},
		{"the third reaches the goal", goal, Sums{2, 0, 0}, Sums{1, 0, 0}, Place{Before: 2, After: 3, Tiers: []InTier{{Tier: 0}}}, Within, -1},
		{"the fourth does not reach it again", goal, Sums{3, 0, 0}, Sums{1, 0, 0}, Place{Before: 3, After: 4}, Within, -1},
		{"a goal among tiers ends none", mixed, Sums{2, 0, 0}, Sums{1, 10, 1}, Place{Before: 2, After: 3, Tiers: []InTier{{0, 1}}}, Within, -1},
		{"within a cap", capped, Sums{1, 5_000, 500}, Sums{1, 5_000, 500}, Place{Before: 500, After: 1_000}, Within, -1},
		{"across a cap", capped, Sums{1, 8_000, 800}, Sums{1, 5_000, 500}, Place{Before: 800, After: 1_300, Over: 300, Taken: 300}, Crossing, -1},
		{"over a cap", capped, Sums{1, 8_000, 1_800}, Sums{1, 5_000, 500}, Place{Before: 1_800, After: 2_300, Over: 500, Taken: 500}, Over, -1},
		{"across a cap on revenue", turnover, Sums{1, 8_000, 800}, Sums{1, 4_000, 401}, Place{Before: 8_000, After: 12_000, Over: 2_000, Taken: 201}, Crossing, -1},
		{"the third of two", two, Sums{2, 8_000, 800}, Sums{1, 4_000, 401}, Place{Before: 2, After: 3, Over: 1, Taken: 401}, Over, -1},
	} {
		got := PlaceOf(&row.rule, row.before, row.adds)
		if diff := cmp.Diff(row.want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.name, diff)
		}
		if part, next := got.Part(), Next(&row.rule, got.After); part != row.part || next != row.next {
			t.Errorf("%s: %q of a cap, next tier %d, want %q and %d", row.name, part, next, row.part, row.next)
		}
	}
	for measured, want := range map[int64]int{19_999: -1, 20_000: 0, 45_000: 1} {
		if got := Reached(&whole, measured); got != want {
			t.Errorf("%d reaches tier %d, want %d", measured, got, want)
		}
	}
}

// Order by order, places take up what the period is settled by: they follow on each other without gaps, what a cap takes back of
// all is what the period takes back, and the orders over it are those from its boundary on.
func TestPlacesAreThoseThatAPeriodIsSettledBy(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		measure := rapid.SampledFrom([]program.Measure{program.MeasureCount, program.MeasureRevenue, program.MeasureCommission}).Draw(t, "measure")
		limit := rapid.Int64Range(1, 4_000).Draw(t, "cap")
		if measure == program.MeasureCount {
			limit = 1 + limit%5
		}
		rules := versions(program.Period{Measure: measure, Cap: limit})
		var orders []Order
		for i := range rapid.IntRange(1, 8).Draw(t, "orders") {
			orders = append(orders, earned(string(rune('a'+i)), rapid.IntRange(1, 9).Draw(t, "day"), rapid.Int64Range(1, 900).Draw(t, "earned")).of(rules))
		}
		settled, err := Rank(rules, orders)
		if err != nil {
			t.Fatal(err)
		}
		var before Sums
		taken := int64(0)
		for _, r := range settled.Orders {
			o := orders[r.Order]
			place := PlaceOf(&rules[o.Cells[0].Cell.Rule].Period, before, r.Sums)
			if place.Before != r.Before.Of(measure) || -place.Taken != r.Amount {
				t.Fatalf("order %s lies at %+v, and was settled at %+v", o.ID, place, r)
			}
			if b := settled.Boundary; b != nil && b.Of(o.At, o.ID) != place.Part() || b == nil && place.Part() != Within {
				t.Fatalf("order %s is %q, the boundary is %+v", o.ID, place.Part(), b)
			}
			before, taken = before.Plus(r.Sums), taken+place.Taken
		}
		if -taken != settled.Amount {
			t.Fatalf("the orders lose %d, the period takes back %d", taken, settled.Amount)
		}
	})
}
