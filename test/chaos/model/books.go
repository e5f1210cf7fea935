package model

import (
	"cmp"
	"slices"
	"time"
)

// Books collects facts and closes into what must stand. The zero value is empty books of nobody's.
type Books struct {
	world   *World
	seen    map[OrderKey]customer // how the customer of each order stood when it was placed, as of Close
	sales   map[OrderKey]Sale
	refunds map[OrderKey][]Refund
	said    map[OrderKey][]Said
	visits  []Visit
}

// NewBooks opens empty books.
func NewBooks(world *World) *Books {
	return &Books{world: world, sales: map[OrderKey]Sale{}, refunds: map[OrderKey][]Refund{}, said: map[OrderKey][]Said{}}
}

// Sell enters an order; the first report of an order stands.
func (b *Books) Sell(s Sale) {
	if _, known := b.sales[s.OrderKey]; !known {
		b.sales[s.OrderKey] = s
	}
}

// TakeBack enters a refund; the first report of each refund's id stands. Its order need not be known.
func (b *Books) TakeBack(r Refund) {
	for _, known := range b.refunds[r.OrderKey] {
		if known.ID == r.ID {
			return
		}
	}
	b.refunds[r.OrderKey] = append(b.refunds[r.OrderKey], r)
}

// Close works out every order and every balance as of now: a hold that ends at now or before has ended.
func (b *Books) Close(now time.Time) (orders map[OrderKey]Order, balances map[Account]int64) {
	orders, balances = map[OrderKey]Order{}, map[Account]int64{}
	for key := range b.refunds {
		if _, placed := b.sales[key]; !placed {
			orders[key] = Order{}
		}
	}
	b.countClicks()
	b.meetCustomers()
	for key, sale := range b.sales {
		o, earned := b.order(sale, now)
		orders[key] = o
		for _, c := range o.Commissions {
			balances[Account{"merchant_receivable", key.Merchant, 0, c.Currency}] += c.Net + c.Fee
			balances[Account{"partner_pending", key.Merchant, c.Partner, c.Currency}] += c.Pending
			balances[Account{"partner_payable", key.Merchant, c.Partner, c.Currency}] += c.Payable
			balances[Account{"partner_held", key.Merchant, c.Partner, c.Currency}] += c.Held
			balances[Account{"fee_pending", key.Merchant, 0, c.Currency}] += c.Fee
		}
		balances[Account{"fee_earned", key.Merchant, 0, sale.Currency}] += earned
		balances[Account{"fee_pending", key.Merchant, 0, sale.Currency}] -= earned
	}
	for of, amount := range b.Bonuses(orders) {
		fee := b.FeeOn(of, amount)
		balances[Account{"merchant_receivable", of.Merchant, 0, of.Currency}] += amount + fee
		balances[Account{"partner_pending", of.Merchant, of.Partner, of.Currency}] += amount
		balances[Account{"fee_pending", of.Merchant, 0, of.Currency}] += fee
	}
	for account, amount := range balances {
		if amount == 0 {
			delete(balances, account)
		}
	}
	return orders, balances
}

// FeeOn is the network's fee on what a month comes to.
func (b *Books) FeeOn(of Bonus, amount int64) int64 {
	fee := part(max(amount, -amount), b.world.Programs[of.Program].Terms[0].Fee)
	if amount < 0 {
		return -fee
	}
	return fee
}

// order works out one order, and how much of the network's fee on it is earned.
func (b *Books) order(s Sale, now time.Time) (o Order, earned int64) {
	left, without := s.remaining(b.refunds[s.OrderKey], b.disputes(s.OrderKey))
	o = Order{Placed: true, Void: b.void(s.OrderKey), Clicks: s.counted}
	for n, l := range s.Lines {
		o.Amount += l.Amount
		o.Refunded += l.Amount - left[n]
	}
	if o.Void {
		return o, 0
	}
	terms, shares := b.earns(s, b.seen[s.OrderKey])
	if terms == nil {
		return o, 0
	}
	o.Credited = true
	sold := make([]int64, len(s.Lines))
	for n, l := range s.Lines {
		sold[n] = l.Amount
	}
	became := b.reviewed(s, terms, shares)
	gross, _ := b.divide(s, shares, terms, sold, make([]outcome, len(shares)))
	net, fees := b.divide(s, shares, terms, left, became)
	sure, sureFees := net, fees // whatever becomes of the disputes
	if without != nil {
		sure, sureFees = b.divide(s, shares, terms, without, became)
	}
	for n, share := range shares {
		c := Commission{
			Partner: share.partner, Program: share.program, Link: share.link, Role: share.role, Currency: s.Currency,
			Revenue: o.Amount, Refunded: o.Refunded, Gross: gross[n], Net: net[n], Fee: fees[n],
		}
		for _, l := range s.Lines {
			if b.pays(s, l, terms, c.Partner) {
				c.Lines++
			}
		}
		if c.place(became[n], max(0, net[n]-sure[n]), now) {
			earned += sureFees[n]
		}
		o.Commissions = append(o.Commissions, c)
	}
	slices.SortFunc(o.Commissions, func(a, b Commission) int {
		return cmp.Or(cmp.Compare(a.Partner, b.Partner), cmp.Compare(a.Role, b.Role))
	})
	return o, earned
}

// place says where a commission is in the end, by what people have made of it and how much is disputed, and whether its hold is over.
func (c *Commission) place(became outcome, disputed int64, now time.Time) (over bool) {
	over = !became.held && !became.until.After(now)
	switch {
	case became.held:
		c.Held, c.State = c.Net, "held"
	case over:
		c.Payable, c.Held, c.State = c.Net-disputed, disputed, "payable"
	default:
		c.Pending, c.Held, c.State = c.Net-disputed, disputed, "pending"
	}
	if c.Net > 0 && disputed == c.Net {
		c.State = "held"
	}
	switch {
	case became.declined:
		c.State = "declined"
	case c.Gross > 0 && c.Net == 0 && c.Fee == 0:
		c.State = "reversed"
	}
	return over
}

// row is the row of the rates that a line is paid by.
func row(rates map[string]int64, l Line) string {
	if _, named := rates[l.Category]; named {
		return l.Category
	}
	return "*"
}

// rates are what a partner is paid for an order.
func (b *Books) rates(s Sale, terms *Terms, partner int64) map[string]int64 {
	if terms.Returning != nil && b.seen[s.OrderKey].returning {
		return terms.Returning[b.world.Partners[partner]]
	}
	return terms.Rates[b.world.Partners[partner]]
}

// pays tells whether a partner has anything of a line.
func (b *Books) pays(s Sale, l Line, terms *Terms, partner int64) bool {
	if s.counted {
		return terms.click(l) > 0
	}
	rates := b.rates(s, terms, partner)
	return rates[row(rates, l)] > 0
}

// worth is what a partner would have of all lines, of which so much is left.
func (b *Books) worth(s Sale, terms *Terms, partner int64, amounts []int64) (sum int64) {
	rates, rows := b.rates(s, terms, partner), map[string]int64{}
	for n, l := range s.Lines {
		if s.counted {
			sum += l.Quantity * terms.click(l)
			continue
		}
		rows[row(rates, l)] += amounts[n]
	}
	for name, amount := range rows {
		sum += part(amount, rates[name])
	}
	return sum
}

// divide gives what each share is worth of lines of these amounts, and its part of the network's fee. Everyone's worth is
// what the lines of each row together earn at the rates of the own kind, and counts as many times as it has parts. What was
// declined is nobody's, and the network has no fee on it.
func (b *Books) divide(s Sale, shares []share, terms *Terms, amounts []int64, became []outcome) (worth, fees []int64) {
	parts, weighed, whole := int64(0), make([]int64, len(shares)), int64(0)
	for n, share := range shares {
		weighed[n] = share.parts * b.worth(s, terms, share.partner, amounts)
		parts += share.parts
		whole += weighed[n]
	}
	worth = pieces((2*whole+parts)/(2*parts), weighed, parts)
	charged, held, of := make([]int64, len(shares)), int64(0), int64(0)
	for n, share := range shares {
		switch {
		case became[n].declined:
			worth[n] = 0
		case share.role == "partner":
			charged[n] = share.parts
			held += worth[n]
			of += share.parts
		}
	}
	if of == 0 {
		return worth, charged
	}
	fee := part(held, terms.Fee)
	for n := range charged {
		charged[n] *= fee
	}
	return worth, pieces(fee, charged, of)
}

// pieces gives each its weight divided by of, in whole units that add up to the total: who lacks most of a unit gets one
// first, of equal ones whoever comes first.
func pieces(total int64, weights []int64, of int64) []int64 {
	out, order := make([]int64, len(weights)), make([]int, len(weights))
	for n, w := range weights {
		order[n] = n
		out[n] = w / of
		total -= out[n]
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(weights[b]%of, weights[a]%of) })
	for _, n := range order[:total] {
		out[n]++
	}
	return out
}

// heldFrom is when the hold begins.
func (s *Sale) heldFrom() time.Time {
	if !s.Imported && s.Received.After(s.At) {
		return s.Received
	}
	return s.At
}

// wentThrough tells whether the click was before the order and within the window. A shop's clock may be 5 minutes off: as
// long as it is, the order came when it was received, and a click up to 5 minutes behind the order is taken for one at the
// order's time. Imports are taken by the word. A click id holds milliseconds, so that is what ages are counted in.
// Terms that are more than plain give no 5 minutes to a click after the receipt: both are by the network's own clock.
func (s *Sale) wentThrough(click time.Time, terms *Terms) bool {
	const off = 5 * time.Minute
	window, came, grace := terms.Window, s.At, off.Milliseconds()
	if s.Imported {
		grace = 0
	} else if s.Received.Sub(s.At).Abs() <= off {
		came = s.Received
		if !terms.plain() {
			grace = 0
		}
	}
	age := came.UnixMilli() - click.UnixMilli()
	return age >= -grace && age <= window.Milliseconds()
}

// part is so many millionths of an amount, to the nearest minor unit, halves up; neither is negative.
func part(amount, millionths int64) int64 { return (amount*millionths + 500_000) / 1_000_000 }

// shelf is what remains of one line: pieces sent back, and money given back besides.
type shelf struct {
	Line

	pieces, money int64
}

// left is the line's amount less the price of the pieces that went back and less the money, but never below zero.
func (s *shelf) left() int64 {
	return max(0, s.Amount-(2*s.Amount*s.pieces+s.Quantity)/(2*s.Quantity)-s.money)
}

// give gives money back and returns what could not be given.
func (s *shelf) give(amount int64) (rest int64) {
	given := min(amount, s.left())
	s.money += given
	return amount - given
}

// back takes pieces back and returns those that were not there.
func (s *shelf) back(pieces int64) (rest int64) {
	taken := min(pieces, s.Quantity-s.pieces)
	s.pieces += taken
	return pieces - taken
}

// take takes an item from the lines that it names, one after the other as far as each goes: pieces from those that cost
// something first.
func (i Item) take(shelves []shelf) {
	pieces, amount := i.Quantity, i.Amount
	named := []*shelf{}
	for _, free := range []bool{false, true} {
		for n := range shelves {
			if s := &shelves[n]; (s.Amount == 0) == free && (i.Line == n+1 || i.SKU != "" && i.SKU == s.SKU) {
				named = append(named, s)
			}
		}
	}
	for _, s := range named {
		switch {
		case i.Quantity > 0:
			pieces = s.back(pieces)
		case i.Amount > 0:
			amount = s.give(amount)
		case i.Whole:
			s.pieces = s.Quantity
		}
	}
}

// spread gives an amount back over all lines in proportion to what is left of them. Each gets the whole units of its
// share; the units that remain go one each to the largest fractions, of equal ones to the line that comes first.
func spread(shelves []shelf, amount int64) {
	total := int64(0)
	left := make([]int64, len(shelves))
	for n := range shelves {
		left[n] = shelves[n].left()
		total += left[n]
	}
	amount = min(amount, total)
	if amount == 0 {
		return
	}
	order := make([]int, len(shelves))
	rest := amount
	for n := range shelves {
		order[n] = n
		share := amount * left[n] / total
		shelves[n].give(share)
		rest -= share
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(amount*left[b]%total, amount*left[a]%total)
	})
	for _, n := range order[:rest] {
		shelves[n].give(1)
	}
}
