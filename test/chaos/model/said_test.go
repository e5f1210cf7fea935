package model_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tributary/test/chaos/model"
)

// The order is of two partners' clicks, 50 to each of them, with 20 % for the network, and held for ten seconds; its hold may be
// extended by five. The figures follow from docs/reference/reviews.md.
func TestWhatPeopleMakeOfAnOrder(t *testing.T) {
	t.Parallel()
	at := on(10)
	said := func(after time.Duration, verb string, partner int64) model.Said {
		return model.Said{ID: verb, At: at.Add(after), Verb: verb, Partner: partner}
	}
	until := func(after, end time.Duration) model.Said {
		s := said(after, "extend", 0)
		s.Until = at.Add(end)
		return s
	}
	const s = time.Second
	claim := func(after time.Duration, verb string, partner int64) model.Said {
		c := said(after, verb, partner)
		c.Program = 1
		return c
	}
	for name, c := range map[string]struct {
		said  []model.Said
		later time.Duration
		want  string
	}{
		"nothing":                          {nil, 9 * s, "1 50 10 pending, 2 50 10 pending"},
		"held":                             {[]model.Said{said(s, "hold", 0)}, 20 * s, "1 50 10 held, 2 50 10 held"},
		"a share held":                     {[]model.Said{said(s, "hold", 2)}, 20 * s, "1 50 10 payable, 2 50 10 held"},
		"released in its hold":             {[]model.Said{said(s, "hold", 0), said(2*s, "unhold", 0)}, 9 * s, "1 50 10 pending, 2 50 10 pending"},
		"released after its hold":          {[]model.Said{said(s, "hold", 0), said(20*s, "unhold", 0)}, 20 * s, "1 50 10 payable, 2 50 10 payable"},
		"held when it was payable":         {[]model.Said{said(15*s, "hold", 0)}, 20 * s, "1 50 10 held, 2 50 10 held"},
		"released before it was held":      {[]model.Said{said(2*s, "hold", 0), said(s, "unhold", 0)}, 20 * s, "1 50 10 held, 2 50 10 held"},
		"approved":                         {[]model.Said{said(s, "approve", 0)}, 2 * s, "1 50 10 payable, 2 50 10 payable"},
		"a share approved":                 {[]model.Said{said(s, "approve", 1)}, 2 * s, "1 50 10 payable, 2 50 10 pending"},
		"approved while it is held":        {[]model.Said{said(s, "hold", 0), said(2*s, "approve", 0)}, 3 * s, "1 50 10 held, 2 50 10 held"},
		"extended":                         {[]model.Said{said(s, "extend", 0)}, 14 * s, "1 50 10 pending, 2 50 10 pending"},
		"extended to its end":              {[]model.Said{said(s, "extend", 0)}, 15 * s, "1 50 10 payable, 2 50 10 payable"},
		"extended too late":                {[]model.Said{said(10*s, "extend", 0)}, 11 * s, "1 50 10 payable, 2 50 10 payable"},
		"extended twice":                   {[]model.Said{said(s, "extend", 0), said(2*s, "extend", 0)}, 15 * s, "1 50 10 payable, 2 50 10 payable"},
		"extended too far, then in bounds": {[]model.Said{until(s, 16*s), until(2*s, 12*s)}, 11 * s, "1 50 10 pending, 2 50 10 pending"},
		"extended to before its end":       {[]model.Said{until(s, 9*s)}, 10 * s, "1 50 10 payable, 2 50 10 payable"},
		"declined":                         {[]model.Said{said(s, "decline", 0)}, 20 * s, "1 0 0 declined, 2 0 0 declined"},
		"a share declined":                 {[]model.Said{said(s, "decline", 1)}, 20 * s, "1 0 0 declined, 2 50 10 payable"},
		"declined, then held":              {[]model.Said{said(s, "decline", 0), said(2*s, "hold", 0)}, 20 * s, "1 0 0 declined, 2 0 0 declined"},
		"void":                             {[]model.Said{said(30*s, "void", 0), said(s, "hold", 0)}, 20 * s, "void"},
		"claimed":                          {[]model.Said{claim(s, "claim", 3)}, 20 * s, "1 50 10 payable, 2 50 10 payable"},
		"claimed and granted":              {[]model.Said{claim(s, "claim", 3), claim(2*s, "grant", 3)}, 20 * s, "3 100 20 payable"},
		"refused before it was granted":    {[]model.Said{claim(2*s, "refuse", 3), claim(3*s, "grant", 3)}, 20 * s, "1 50 10 payable, 2 50 10 payable"},
		"granted, and the share is held":   {[]model.Said{claim(2*s, "grant", 3), said(3*s, "hold", 3), said(4*s, "decline", 1)}, 20 * s, "3 100 20 held"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			books := booksOf(model.Terms{Window: 30 * 24 * time.Hour, Hold: 10 * s, Extension: 5 * s, Fee: 200_000, Position: true, Rates: asRates(100_000)})
			sale := sold("A", 10, 1000, by(1, 1), by(2, 2))
			books.Sell(sale)
			for _, said := range c.said {
				said.OrderKey = sale.OrderKey
				books.Say(said)
			}
			orders, balances := books.Close(at.Add(c.later))
			o := orders[sale.OrderKey]
			if got := told(&o); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			want := map[model.Account]int64{}
			add := func(kind string, partner, amount int64) {
				if amount > 0 {
					want[model.Account{Kind: kind, Merchant: 1, Partner: partner, Currency: "USD"}] += amount
				}
			}
			for _, one := range o.Commissions {
				fee := "fee_earned"
				if one.State == "pending" || one.State == "held" {
					fee = "fee_pending"
				}
				add("merchant_receivable", 0, one.Net+one.Fee)
				add("partner_"+one.State, one.Partner, one.Net)
				add(fee, 0, one.Fee)
			}
			if diff := cmp.Diff(want, balances); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// told says what became of an order.
func told(o *model.Order) string {
	if o.Void {
		return "void"
	}
	var all []string
	for _, c := range o.Commissions {
		all = append(all, fmt.Sprintf("%d %d %d %s", c.Partner, c.Net, c.Fee, c.State))
	}
	return strings.Join(all, ", ")
}

// A void order never was: its customer belongs to nobody by it, and is new with the next one.
func TestAVoidOrderBindsNobody(t *testing.T) {
	t.Parallel()
	books := booksOf(model.Terms{Window: 30 * 24 * time.Hour, Months: 12, Rates: asRates(200_000), Returning: asRates(50_000)})
	first, second := to("x", sold("first", 2, 1000, by(1, 1))), to("x", sold("second", 4, 1000, by(2, 3)))
	books.Sell(first)
	books.Sell(second)
	books.Say(model.Said{OrderKey: first.OrderKey, ID: "v", At: on(5), Verb: "void"})
	orders, _ := books.Close(on(30))
	o := orders[second.OrderKey]
	if got, want := told(&o), "2 200 0 payable"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// What a declined order comes to is not in its month.
func TestAMonthIsWithoutWhatIsDeclined(t *testing.T) {
	t.Parallel()
	books := booksOf(model.Terms{
		Window: 30 * 24 * time.Hour, Rates: asRates(100_000),
		Periods: []model.Period{{ID: "goal", Measure: "count", Tiers: []model.Tier{{From: 1, Once: 10}, {From: 2, Once: 100}}}},
	})
	for n, id := range []string{"A", "B"} {
		books.Sell(sold(id, 5+n, 1000, by(1, 1)))
	}
	books.Say(model.Said{OrderKey: model.OrderKey{Merchant: 1, Order: "B"}, ID: "d", At: on(8), Verb: "decline"})
	orders, _ := books.Close(on(30))
	want := map[model.Bonus]int64{{Merchant: 1, Program: 1, Partner: 1, Rule: "goal", Month: "2026-09", Currency: "USD"}: 10}
	if diff := cmp.Diff(want, books.Bonuses(orders)); diff != "" {
		t.Error(diff)
	}
}

// Days are those of UTC, from their first millisecond to their last.
func TestClicksArePaidByTheDay(t *testing.T) {
	t.Parallel()
	books := booksOf(model.Terms{Fee: 200_000, PerClick: map[string]int64{"": 5, "DE": 20, "AT": 0}})
	midnight := time.Date(2026, 9, 7, 0, 0, 0, 0, time.UTC)
	east := time.FixedZone("east", 2*60*60)
	for _, v := range []model.Visit{
		{Link: 1, At: midnight, Country: "DE"},
		{Link: 1, At: midnight.Add(24*time.Hour - time.Millisecond).In(east), Country: "DE"},
		{Link: 1, At: midnight.Add(time.Hour), Country: "DE", Device: "mobile"},
		{Link: 1, At: midnight.Add(time.Hour), Country: "AT"},
		{Link: 1, At: midnight.Add(time.Hour), Country: "FR", Marked: true},
		{Link: 2, At: midnight.Add(time.Hour)},
		{Link: 1, At: midnight.Add(24 * time.Hour).In(east), Country: "DE"},
	} {
		books.Visit(v)
	}
	orders, balances := books.Close(on(9))
	got := map[string]string{}
	for key, o := range orders {
		got[key.Order] = fmt.Sprint(told(&o), " ", o.Clicks, o.Commissions[0].Lines)
	}
	want := map[string]string{
		"clicks/2026-09-07/1/1": "1 60 12 payable true 2", "clicks/2026-09-07/1/2": "2 5 1 payable true 1", "clicks/2026-09-08/1/1": "1 20 4 payable true 1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if owed := balances[model.Account{Kind: "merchant_receivable", Merchant: 1, Currency: "USD"}]; owed != 60+12+5+1+20+4 {
		t.Errorf("the merchant owes %d", owed)
	}
}
