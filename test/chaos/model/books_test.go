package model_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tributary/test/chaos/model"
)

func world(at time.Time) *model.World {
	return &model.World{
		Partners: map[int64]string{7: "site", 8: "member"},
		Links:    map[int64]model.Link{70: {Program: 5, Partner: 7}, 80: {Program: 5, Partner: 8}},
		Outs:     []model.Out{{Program: 5, Partner: 7, From: at.Add(-40 * time.Second), Until: at.Add(-20 * time.Second)}},
		Programs: map[int64]*model.Program{5: {
			Merchant: 1, Currencies: []string{"EUR"},
			Terms: []model.Terms{
				{
					From: at.Add(-time.Hour), Window: time.Minute, Hold: 10 * time.Second, Fee: 200_000,
					Rates: map[string]map[string]int64{"site": {"*": 100_000, "service": 0}, "member": {"*": 50_000}},
				},
				{
					From: at.Add(time.Hour), Window: time.Minute, Hold: 0, Fee: 0,
					Rates: map[string]map[string]int64{"site": {"*": 333_333}},
				},
			},
		}},
	}
}

func TestWhatAnOrderEarns(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	key := model.OrderKey{Merchant: 1, Order: "A"}
	sale := func(change func(*model.Sale)) model.Sale {
		s := model.Sale{
			OrderKey: key, At: at, Received: at, Currency: "EUR",
			Lines: []model.Line{{SKU: "a", Quantity: 3, Amount: 1000}, {SKU: "b", Quantity: 1, Amount: 55, Category: "service"}},
			Click: &model.Click{Link: 70, At: at.Add(-time.Minute)},
		}
		if change != nil {
			change(&s)
		}
		return s
	}
	for name, c := range map[string]struct {
		sale    model.Sale
		refunds []model.Refund
		later   time.Duration // from the order to the closing of the books
		net     int64
		fee     int64
		payable int64
		state   string
	}{
		"in its hold":                      {sale: sale(nil), net: 100, fee: 20, state: "pending"},
		"at the end of its hold":           {sale: sale(nil), later: 10 * time.Second, net: 100, fee: 20, payable: 100, state: "payable"},
		"a click just before a pause":      {sale: sale(func(s *model.Sale) { s.Click.At = at.Add(-40*time.Second - time.Millisecond) }), net: 100, fee: 20, state: "pending"},
		"a click as the pause begins":      {sale: sale(func(s *model.Sale) { s.Click.At = at.Add(-40 * time.Second) })},
		"a click just before its end":      {sale: sale(func(s *model.Sale) { s.Click.At = at.Add(-20*time.Second - time.Millisecond) })},
		"a click as the pause ends":        {sale: sale(func(s *model.Sale) { s.Click.At = at.Add(-20 * time.Second) }), net: 100, fee: 20, state: "pending"},
		"a click that is too old":          {sale: sale(func(s *model.Sale) { s.Click.At = at.Add(-time.Minute - time.Millisecond) })},
		"a click after the order":          {sale: sale(func(s *model.Sale) { s.Click.At = at.Add(5*time.Minute + time.Millisecond) })},
		"a shop's clock behind":            {sale: sale(func(s *model.Sale) { s.Received = at.Add(4 * time.Minute); s.Click.At = s.Received }), net: 100, fee: 20, state: "pending"},
		"held from the receipt":            {sale: sale(func(s *model.Sale) { s.Received = at.Add(time.Hour) }), later: time.Hour, net: 100, fee: 20, state: "pending"},
		"told late, the hold over":         {sale: sale(func(s *model.Sale) { s.Received = at.Add(time.Hour) }), later: time.Hour + 10*time.Second, net: 100, fee: 20, payable: 100, state: "payable"},
		"an import":                        {sale: sale(func(s *model.Sale) { s.Received, s.Imported = at.Add(time.Hour), true }), later: time.Hour, net: 100, fee: 20, payable: 100, state: "payable"},
		"an import, the click behind it":   {sale: sale(func(s *model.Sale) { s.Imported, s.Click.At = true, at.Add(time.Millisecond) })},
		"a forged click":                   {sale: sale(func(s *model.Sale) { s.Click.Forged = true })},
		"no click":                         {sale: sale(func(s *model.Sale) { s.Click = nil })},
		"another merchant's link":          {sale: sale(func(s *model.Sale) { s.Merchant = 2 })},
		"a member":                         {sale: sale(func(s *model.Sale) { s.Click.Link = 80 }), net: 53, fee: 11, state: "pending"},
		"the next terms":                   {sale: sale(func(s *model.Sale) { s.At = at.Add(time.Hour); s.Received, s.Click.At = s.At, s.At }), later: 2 * time.Hour, net: 352, payable: 352, state: "payable"},
		"a piece back":                     {sale: sale(nil), refunds: []model.Refund{{Items: []model.Item{{SKU: "a", Quantity: 1}}}}, net: 67, fee: 13, state: "pending"},
		"three pieces back, one by one":    {sale: sale(nil), refunds: []model.Refund{{Items: []model.Item{{Line: 1, Quantity: 1}}}, {ID: "2", Items: []model.Item{{Line: 1, Quantity: 1}}}, {ID: "3", Items: []model.Item{{Line: 1, Quantity: 5}}}}, state: "reversed"},
		"an amount of the whole":           {sale: sale(nil), refunds: []model.Refund{{Amount: 106}}, net: 90, fee: 18, state: "pending"},
		"more than there is":               {sale: sale(nil), refunds: []model.Refund{{Amount: 2000}}, later: time.Minute, state: "reversed"},
		"all of it":                        {sale: sale(nil), refunds: []model.Refund{{Whole: true}}, state: "reversed"},
		"an amount, then pieces beyond it": {sale: sale(nil), refunds: []model.Refund{{Items: []model.Item{{Line: 1, Amount: 900}}}, {ID: "2", Items: []model.Item{{Line: 1, Quantity: 1}}}}, state: "reversed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			books := model.NewBooks(world(at))
			for _, r := range c.refunds {
				r.OrderKey = c.sale.OrderKey
				books.TakeBack(r)
				books.TakeBack(r) // told twice
			}
			books.Sell(c.sale)
			other := c.sale
			other.Lines = []model.Line{{Quantity: 1, Amount: 1}}
			books.Sell(other) // the first report stands
			orders, balances := books.Close(at.Add(c.later))
			var got model.Commission
			if all := orders[c.sale.OrderKey].Commissions; len(all) > 0 {
				got = all[0]
			}
			if got.Net != c.net || got.Fee != c.fee || got.Payable != c.payable || got.State != c.state || got.Pending+got.Payable != got.Net {
				t.Errorf("got %+v", got)
			}
			want := map[model.Account]int64{}
			if c.net > 0 {
				partner, pot, fees := got.Partner, "partner_pending", "fee_pending"
				if c.state == "payable" {
					pot, fees = "partner_payable", "fee_earned"
				}
				want[model.Account{Kind: "merchant_receivable", Merchant: 1, Currency: "EUR"}] = c.net + c.fee
				want[model.Account{Kind: pot, Merchant: 1, Partner: partner, Currency: "EUR"}] = c.net
				if c.fee > 0 {
					want[model.Account{Kind: fees, Merchant: 1, Currency: "EUR"}] = c.fee
				}
			}
			if diff := cmp.Diff(want, balances); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestARefundWithoutItsOrderChangesNothing(t *testing.T) {
	t.Parallel()
	books := model.NewBooks(world(time.Now()))
	key := model.OrderKey{Merchant: 1, Order: "A"}
	books.TakeBack(model.Refund{OrderKey: key, ID: "r", Whole: true})
	orders, balances := books.Close(time.Now())
	if diff := cmp.Diff(map[model.OrderKey]model.Order{key: {}}, orders); diff != "" || len(balances) != 0 {
		t.Error(diff, balances)
	}
}
