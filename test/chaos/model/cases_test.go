package model_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tributary/test/chaos/model"
)

// asRates are the rates of all partners of a case.
func asRates(rate int64) map[string]map[string]int64 {
	return map[string]map[string]int64{"site": {"*": rate}}
}

// on is a time of day in September 2026, or in October from the 31st on.
func on(day int) time.Time { return time.Date(2026, 9, day, 10, 0, 0, 0, time.UTC) }

// by is a click on the link of a partner.
func by(partner int64, day int) model.Click { return model.Click{Link: partner, At: on(day)} }

// sold is an order of one line, of a click if there is one.
func sold(id string, day int, amount int64, clicks ...model.Click) model.Sale {
	s := model.Sale{OrderKey: model.OrderKey{Merchant: 1, Order: id}, At: on(day), Imported: true, Currency: "USD", Lines: []model.Line{{Quantity: 1, Amount: amount}}}
	if n := len(clicks) - 1; n >= 0 {
		s.Click, s.Path = &clicks[n], clicks[:n]
	}
	return s
}

func to(customer string, s model.Sale) model.Sale {
	s.Customer = customer
	return s
}

// earned is what a partner has of an order, and of which link it is.
type earned struct{ Partner, Link, Net int64 }

// The figures are those of commission/whatif/testdata/cases, where engines decide the same, by the numbers here.
func TestTheModelKnowsTheCases(t *testing.T) {
	t.Parallel()
	position := model.Terms{Window: 30 * 24 * time.Hour, Position: true, Codes: true, Rates: asRates(100_000)}
	last := model.Terms{Window: 30 * 24 * time.Hour, Codes: true, Rates: asRates(100_000)}
	bound := model.Terms{Window: 30 * 24 * time.Hour, Months: 12, Rates: asRates(100_000)}
	back := model.Terms{Window: 30 * 24 * time.Hour, Rates: asRates(200_000), Returning: asRates(50_000)}
	coupon := sold("A", 10, 10_000, by(2, 9))
	coupon.Coupon = "ONLY"
	recorded := sold("A", 10, 10_000, by(1, 9))
	recorded.Coupon = "ONLY"
	shared := sold("A", 10, 10_000, by(2, 9))
	shared.Code = "SHARED"
	alone := sold("A", 10, 10_000)
	alone.Code = "SHARED"
	ending := to("x", sold("last", 1, 1000, by(2, -1)))
	ending.At = time.Date(2027, 8, 31, 23, 59, 59, 0, time.UTC)
	ending.Click.At = ending.At.Add(-time.Hour)
	free := ending
	free.Order, free.At = "free", time.Date(2027, 9, 1, 10, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		terms   model.Terms
		sales   []model.Sale
		refunds []model.Refund
		want    map[string][]earned
	}{
		"17, position of four":    {position, []model.Sale{sold("A", 10, 10_010, by(1, 1), by(2, 2), by(3, 3), by(4, 4))}, nil, map[string][]earned{"A": {{1, 1, 401}, {2, 2, 100}, {3, 3, 100}, {4, 4, 400}}}},
		"18, position of two":     {position, []model.Sale{sold("A", 10, 10_010, by(1, 1), by(2, 2))}, nil, map[string][]earned{"A": {{1, 1, 501}, {2, 2, 500}}}},
		"19, one partner twice":   {position, []model.Sale{sold("A", 10, 10_000, by(1, 1), by(2, 2), by(1, 3))}, nil, map[string][]earned{"A": {{1, 1, 800}, {2, 2, 200}}}},
		"all of a split back":     {position, []model.Sale{sold("A", 10, 1001, by(1, 1), by(2, 2))}, []model.Refund{{Whole: true}}, map[string][]earned{"A": {{1, 1, 0}, {2, 2, 0}}}},
		"the last click":          {last, []model.Sale{sold("A", 10, 1000, by(1, 1), by(2, 2))}, nil, map[string][]earned{"A": {{2, 2, 100}}}},
		"10, an exclusive coupon": {last, []model.Sale{coupon}, nil, map[string][]earned{"A": {{1, 0, 1000}}}},
		"10, recorded as a click": {last, []model.Sale{recorded}, nil, map[string][]earned{"A": {{1, 1, 1000}}}},
		"10, a click over a code": {last, []model.Sale{shared}, nil, map[string][]earned{"A": {{2, 2, 1000}}}},
		"a code alone":            {last, []model.Sale{alone}, nil, map[string][]earned{"A": {{1, 0, 1000}}}},
		"54, an earlier order, late": {
			bound,
			[]model.Sale{to("x", sold("X", 10, 1000, by(2, 9))), to("x", sold("Y", 2, 1000, by(1, 1)))},
			nil,
			map[string][]earned{"X": {{1, 1, 100}}, "Y": {{1, 1, 100}}},
		},
		"55, bound for twelve months": {
			bound,
			[]model.Sale{to("x", sold("first", 1, 1000, by(1, -1))), ending, free},
			nil,
			map[string][]earned{"first": {{1, 1, 100}}, "last": {{1, 1, 100}}, "free": {{2, 2, 100}}},
		},
		"57, new and returning": {
			back,
			[]model.Sale{to("x", sold("two", 3, 10_000, by(1, 1))), to("x", sold("one", 2, 10_000, by(1, 1)))},
			nil,
			map[string][]earned{"one": {{1, 1, 2000}}, "two": {{1, 1, 500}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			books := booksOf(c.terms)
			for _, s := range c.sales {
				books.Sell(s)
			}
			for _, r := range c.refunds {
				r.OrderKey = c.sales[0].OrderKey
				books.TakeBack(r)
			}
			orders, _ := books.Close(on(30))
			got := map[string][]earned{}
			for key, o := range orders {
				for _, one := range o.Commissions {
					got[key.Order] = append(got[key.Order], earned{one.Partner, one.Link, one.Net})
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func booksOf(terms model.Terms) *model.Books {
	return model.NewBooks(&model.World{
		Partners: map[int64]string{1: "site", 2: "site", 3: "site", 4: "site"},
		Links:    map[int64]model.Link{1: {Program: 1, Partner: 1}, 2: {Program: 1, Partner: 2}, 3: {Program: 1, Partner: 3}, 4: {Program: 1, Partner: 4}},
		Programs: map[int64]*model.Program{1: {Merchant: 1, Currencies: []string{"USD"}, Terms: []model.Terms{terms}}},
		Codes:    map[int64]map[string]model.Code{1: {"ONLY": {Program: 1, Partner: 1, Exclusive: true}, "SHARED": {Program: 1, Partner: 1}}},
	})
}

func TestTheModelKnowsTheMonthsOfTheCases(t *testing.T) {
	t.Parallel()
	tiers := []model.Tier{{From: 20_000, Percent: 20_000}, {From: 40_000, Percent: 40_000}}
	lift := []model.Tier{{From: 40_000, Percent: 20_000}}
	for name, c := range map[string]struct {
		rule    model.Period
		rate    int64
		amounts []int64
		back    int64 // of the last order
		want    int64
	}{
		"04, marginal tiers":           {model.Period{Measure: "revenue", Tiers: tiers}, 40_000, []int64{25_000, 25_000}, 0, 800},
		"41, a refund after the month": {model.Period{Measure: "revenue", Tiers: tiers}, 40_000, []int64{35_000, 15_000}, 15_000, 300},
		"42, retroactive, lost":        {model.Period{Measure: "revenue", Retroactive: true, Tiers: lift}, 40_000, []int64{35_000, 15_000}, 15_000, 0},
		"43, retroactive, reached":     {model.Period{Measure: "revenue", Retroactive: true, Tiers: lift}, 40_000, []int64{39_000, 1_000}, 0, 800},
		"44, over a cap":               {model.Period{Measure: "commission", Cap: 10_000}, 100_000, []int64{60_000, 30_000, 40_000}, 0, -3000},
		"44, room again":               {model.Period{Measure: "commission", Cap: 10_000}, 100_000, []int64{60_000, 30_000, 40_000}, 30_000, 0},
		"a goal":                       {model.Period{Measure: "count", Tiers: []model.Tier{{From: 2, Once: 50}, {From: 3, Once: 70}}}, 0, []int64{1, 1, 1}, 0, 120},
		"a goal, missed by a refund":   {model.Period{Measure: "count", Tiers: []model.Tier{{From: 2, Once: 50}, {From: 3, Once: 70}}}, 0, []int64{1, 1, 1}, 1, 50},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.rule.ID = "r"
			books := booksOf(model.Terms{Window: 30 * 24 * time.Hour, Fee: 200_000, Rates: asRates(c.rate), Periods: []model.Period{c.rule}})
			var key model.OrderKey
			for n, amount := range c.amounts {
				s := sold(string(rune('A'+n)), 5+n, amount, by(1, 1))
				key = s.OrderKey
				books.Sell(s)
			}
			if c.back > 0 {
				books.TakeBack(model.Refund{OrderKey: key, ID: "r", At: on(35), Amount: c.back})
			}
			orders, balances := books.Close(on(1))
			want := map[model.Bonus]int64{}
			if c.want != 0 {
				want[model.Bonus{Merchant: 1, Program: 1, Partner: 1, Rule: "r", Month: "2026-09", Currency: "USD"}] = c.want
			}
			if diff := cmp.Diff(want, books.Bonuses(orders)); diff != "" {
				t.Error(diff)
			}
			owed := c.want
			for _, o := range orders {
				owed += o.Commissions[0].Net
			}
			if got := balances[model.Account{Kind: "partner_pending", Merchant: 1, Partner: 1, Currency: "USD"}]; got != owed {
				t.Errorf("%d are pending, want %d", got, owed)
			}
		})
	}
}
