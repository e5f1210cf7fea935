package fire

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"time"

	"tributary/test/chaos/model"
)

// shopper is one of those who act at the same time: now a visitor, now a merchant's server. What it does follows from
// its seed, when and with what success from what it meets.
type shopper struct {
	*Driver

	random *rand.Rand
	name   int
	orders int
	sold   []model.Sale // orders of its own that refunds may still come for

	browsers [3]browser // of visitors who come again
	claims   []Act      // that nobody has answered
	disputes []regret   // that nobody has settled
	regrets  []regret
}

// next does one thing: of a hundred, about 87 are clicks, 8 orders, 3 acts on pages and 2 refunds.
func (s *shopper) next(ctx context.Context) {
	s.withdraw(ctx)
	switch dice := s.random.IntN(1000); {
	case dice < 870:
		if s.click(ctx, s.place(), s.browser()) == nil {
			pause(ctx, 20*time.Millisecond)
		}
	case dice < 900:
		s.visitPages(ctx)
	case dice < 972:
		s.buy(ctx)
	case dice < 980:
		s.mistake(ctx)
	default:
		s.takeBack(ctx)
	}
}

// browser is one of those who come again, or somebody new; now and then one deletes its cookies.
func (s *shopper) browser() *browser {
	n := s.random.IntN(2 * len(s.browsers))
	if n >= len(s.browsers) {
		return &browser{}
	}
	if s.random.IntN(30) == 0 {
		s.browsers[n] = browser{}
	}
	return &s.browsers[n]
}

// place is any link.
func (s *shopper) place() Place { return s.world.Places[s.random.IntN(len(s.world.Places))] }

// merchant finds a merchant by its id.
func (w *World) merchant(id int64) *Merchant {
	for i := range w.Merchants {
		if w.Merchants[i].ID == id {
			return &w.Merchants[i]
		}
	}
	return nil
}

// sale draws an order without a click.
func (s *shopper) sale() model.Sale {
	m := s.world.Merchants[s.random.IntN(len(s.world.Merchants))]
	s.orders++
	sale := model.Sale{
		OrderKey: model.OrderKey{Merchant: m.ID, Order: fmt.Sprintf("%s-%d-%d", s.prefix, s.name, s.orders)},
		At:       s.recently(), Currency: m.Currencies[s.random.IntN(len(m.Currencies))],
	}
	for n := range 1 + s.random.IntN(4) {
		category := []string{"", "footwear", "toys", "service"}[s.random.IntN(4)]
		sale.Lines = append(sale.Lines, model.Line{
			SKU: "SKU-" + strconv.Itoa((n+s.random.IntN(2))%4), Category: category,
			Quantity: 1 + s.random.Int64N(5), Amount: s.random.Int64N(30_000),
		})
		if m.Carries != (carries{}) {
			sale.Lines[n].Amount++
		}
	}
	return sale
}

// recently is a moment ago, in whole microseconds: always before the tracker's own now, since it is the same clock.
func (s *shopper) recently() time.Time {
	return time.Now().UTC().Add(-time.Duration(s.random.IntN(1500)) * time.Millisecond).Truncate(time.Microsecond)
}

// buy reports an order, and in some cases a refund before it, the same again, or the same order with another amount.
func (s *shopper) buy(ctx context.Context) {
	r := report{stated: true}
	sale := s.sale()
	r.sale = &sale
	r.clickID = s.carry(&sale)
	merchant := s.world.merchant(sale.Merchant)
	s.tellMore(&r, merchant)
	if place := s.placeOf(sale.Click); !place.Exact && merchant.Carries == (carries{}) && s.random.IntN(2) == 0 {
		r.stated = false
		sale.At = time.Now().UTC()
	}
	stubborn := s.random.IntN(20) > 0
	if s.random.IntN(20) == 0 {
		s.refund(ctx, sale, 90, stubborn)
	}
	if !s.persist(ctx, merchant, r, stubborn) {
		return
	}
	s.sold = append(s.sold, sale)
	s.sold = s.sold[max(0, len(s.sold)-100):]
	if s.random.IntN(20) == 0 {
		s.post(ctx, merchant, r)
	}
	if s.random.IntN(100) == 0 {
		other := sale
		other.Lines = append([]model.Line(nil), sale.Lines...)
		other.Lines[0].Amount++
		r.sale = &other
		s.persist(ctx, merchant, r, stubborn)
	}
}

// tellMore adds to an order what its merchant reports beside a click id.
func (s *shopper) tellMore(r *report, m *Merchant) {
	sale := r.sale
	if m.Carries.Path {
		s.lead(r)
	}
	if m.Carries.Customer && s.random.IntN(10) > 0 {
		sale.Customer = "C" + strconv.Itoa(s.random.IntN(60))
	}
	if m.Carries.Past && s.random.IntN(3) == 0 {
		sale.At = sale.At.Add(-time.Duration(s.random.Int64N(int64(85 * 24 * time.Hour)))).Truncate(time.Microsecond)
		if c := sale.Click; c != nil && !c.Forged {
			c.At = sale.At.Add(-time.Minute).Truncate(time.Millisecond)
			r.clickID = s.world.ring.Mint(c.Link, c.At)
		}
	}
}

// lead adds what else led to an order: up to four earlier clicks, each of a millisecond of its own, a coupon and a referral code,
// now and then one that is nobody's. Some orders have a code alone.
func (s *shopper) lead(r *report) {
	sale := r.sale
	taken := map[int64]bool{}
	if sale.Click != nil {
		taken[sale.Click.At.UnixMilli()] = true
	}
	for range s.random.IntN(5) {
		if c := s.remembered(sale.Merchant); c != nil && !taken[c.at.UnixMilli()] {
			taken[c.at.UnixMilli()] = true
			sale.Path = append(sale.Path, model.Click{ID: c.id, Link: c.spot.Link, At: c.at})
		}
	}
	code := func(names ...string) string {
		return names[s.random.IntN(len(names))] + strconv.Itoa(1+s.random.IntN(9))
	}
	if s.random.IntN(3) == 0 {
		sale.Coupon = code("OWN", "SHARED", "NOBODY")
	}
	if s.random.IntN(6) == 0 {
		sale.Code = code("FRIEND", "NOBODY")
	}
	if sale.Coupon+sale.Code != "" && s.random.IntN(3) == 0 {
		r.clickID, sale.Click, sale.Path = "", nil, nil
	}
}

// placeOf is the place that a click came from. Where there was no click that could earn, its time does not matter.
func (s *shopper) placeOf(c *model.Click) Place {
	if c != nil {
		for _, p := range s.world.Places {
			if p.Link == c.Link {
				return p
			}
		}
	}
	return Place{}
}

// carry puts a click to an order: mostly one of the merchant's own that a visitor carries, now and then none, or one
// that must not earn. It gives the id as the shop would send it.
func (s *shopper) carry(sale *model.Sale) string {
	own := s.remembered(sale.Merchant)
	dice := s.random.IntN(100)
	if own == nil || dice < 8 {
		return ""
	}
	claim := func(id string, link int64, at time.Time, forged bool) string {
		sale.Click = &model.Click{Link: link, At: at, Forged: forged}
		return id
	}
	longAgo := time.Now().Add(-40 * 24 * time.Hour).Truncate(time.Millisecond)
	switch {
	case dice < 11: // one character of the signature is another
		id := []byte(own.id)
		id[45] = 'A' + (id[45]-'A'+1)%26
		if string(id) == own.id {
			id[45]++
		}
		return claim(string(id), own.spot.Link, own.at, true)
	case dice < 13:
		return claim("clicked-yesterday", 0, own.at, true)
	case dice < 15:
		return claim(s.world.strange.Mint(own.spot.Link, own.at), own.spot.Link, own.at, true)
	case dice < 18:
		return claim(s.world.ring.Mint(own.spot.Link, longAgo), own.spot.Link, longAgo, false)
	case dice < 20:
		return claim(s.world.ring.Mint(1<<40, own.at), 1<<40, own.at, false)
	case dice < 23:
		for _, m := range s.world.Merchants {
			if other := s.remembered(m.ID); m.ID != sale.Merchant && other != nil {
				return claim(other.id, other.spot.Link, other.at, false)
			}
		}
	}
	sale.Before = own.before
	return claim(own.id, own.spot.Link, own.at, false)
}

// remembered is a click that a visitor of the merchant's carries, mostly a recent one.
func (s *shopper) remembered(merchant int64) *ownClick {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.clicks[merchant]
	if len(all) == 0 {
		return nil
	}
	return &all[len(all)-1-s.random.IntN((len(all)+1)/2)]
}

// takeBack reports a refund of an order of its own, or two.
func (s *shopper) takeBack(ctx context.Context) {
	if len(s.sold) == 0 {
		return
	}
	sale := s.sold[s.random.IntN(len(s.sold))]
	for n := range 1 + s.random.IntN(2) {
		s.orders++
		s.refund(ctx, sale, n, s.random.IntN(20) > 0)
	}
}

// refund reports one refund of an order: items by line or SKU, pieces or amounts, an amount of the whole, or everything;
// sometimes more than there is.
func (s *shopper) refund(ctx context.Context, sale model.Sale, n int, stubborn bool) {
	r := model.Refund{OrderKey: sale.OrderKey, ID: fmt.Sprintf("R%d-%d", s.orders, n), At: s.recently()}
	line := s.random.IntN(len(sale.Lines))
	item := model.Item{Line: line + 1}
	if s.random.IntN(3) == 0 {
		item = model.Item{SKU: sale.Lines[line].SKU}
	}
	switch s.random.IntN(6) {
	case 0:
		r.Whole = true
	case 1:
		r.Amount = 1 + s.random.Int64N(20_000)
	case 2:
		item.Amount = 1 + s.random.Int64N(10_000)
		r.Items = []model.Item{item}
	case 3:
		item.Whole = true
		r.Items = []model.Item{item}
	default:
		item.Quantity = 1 + s.random.Int64N(3)
		r.Items = []model.Item{item, {SKU: "SKU-" + strconv.Itoa(s.random.IntN(5)), Quantity: 1}}
	}
	merchant := s.world.merchant(sale.Merchant)
	told := report{refund: &r, stated: true}
	if s.persist(ctx, merchant, told, stubborn) && s.random.IntN(20) == 0 {
		s.post(ctx, merchant, told)
	}
}

// mistake sends what must be refused.
func (s *shopper) mistake(ctx context.Context) {
	merchant := s.world.Merchants[s.random.IntN(len(s.world.Merchants))]
	sale := s.sale()
	sale.Merchant = merchant.ID
	r := report{sale: &sale, stated: true}
	switch s.random.IntN(5) {
	case 0:
		r.wrong, sale.Currency = "currency", "CHF"
	case 1:
		r.wrong, sale.Lines[0].Quantity = "quantity", -1
	case 2:
		r.wrong, r.body = "not JSON", []byte(`{"order_id": "`+sale.Order+`"`)
	case 3:
		r.wrong, sale.At = "time", sale.At.Add(-91*24*time.Hour)
	default:
		r.wrong, merchant.Key = "key", merchant.Key[:len(merchant.Key)-1]+"!"
	}
	s.post(ctx, &merchant, r)
}

// contentOf names the content of a body.
func contentOf(body []byte) string {
	h := fnv.New64a()
	_, _ = h.Write(body) // it never fails
	return strconv.FormatUint(h.Sum64(), 36)
}
