package model

import (
	"cmp"
	"slices"
	"time"
)

// share is a partner's part of an order.
type share struct {
	program, partner, link int64
	parts                  int64 // of those of all shares
	role                   string
	longer                 time.Duration
}

// whole is all of an order for one partner.
func whole(program, partner, link int64) share {
	return share{program: program, partner: partner, link: link, parts: 1, role: "partner"}
}

// touch is something about an order that may earn.
type touch struct {
	share

	rank  int       // 0 a claim that was granted, 1 the customer's own partner, 2 an exclusive code, 3 a click, 4 any other code
	at    time.Time // of a click
	terms *Terms
}

// plain tells whether the terms say nothing but rates for the last click.
func (t *Terms) plain() bool {
	return !t.Position && !t.Path && !t.Codes && t.Months == 0 && t.Returning == nil && len(t.Periods) == 0 && t.Extension == 0 && t.PerClick == nil
}

// earns finds the terms under which an order earns and who shares in it, in the order of their first touches; nil terms when
// it does not. The best rank counts, of one rank the last touch, and its program decides.
func (b *Books) earns(s Sale, of customer) (*Terms, []share) {
	if s.counted {
		link := b.world.Links[s.Click.Link]
		return b.terms(s, link.Program), []share{whole(link.Program, link.Partner, 0)}
	}
	all := b.touches(s, of)
	if len(all) == 0 {
		return nil, nil
	}
	slices.SortStableFunc(all, func(a, b touch) int { return cmp.Or(cmp.Compare(a.rank, b.rank), b.at.Compare(a.at)) })
	best := all[0]
	if best.rank != 3 {
		if best.rank > 1 { // a code whose partner has a click too is recorded as that
			for _, t := range all {
				if t.rank == 3 && t.program == best.program && t.partner == best.partner {
					best.link = t.link
					break
				}
			}
		}
		return best.terms, []share{best.share}
	}
	clicks := slices.DeleteFunc(all, func(t touch) bool { return t.rank != 3 || t.program != best.program })
	if !best.terms.Position {
		clicks = clicks[:1]
	}
	slices.Reverse(clicks)
	if len(best.terms.Shares) > 0 {
		return best.terms, best.among(best.terms.Shares)
	}
	return best.terms, byPosition(clicks)
}

// among shares what a touch earns as the terms name who has a part of it.
func (t *touch) among(named []Share) (shares []share) {
	for _, n := range named {
		s := share{program: t.program, partner: n.Partner, parts: n.Parts, role: n.Role, longer: n.Longer}
		if n.Partner == 0 {
			s.partner, s.link = t.partner, t.link
		}
		shares = append(shares, s)
	}
	return shares
}

// byPosition shares an order between clicks in the order of time. Those of one partner count together, by the link of the last.
func byPosition(clicks []touch) (shares []share) {
	between := int64(len(clicks) - 2)
	for n, t := range clicks {
		t.parts = 1
		if between > 0 && (n == 0 || n == len(clicks)-1) {
			t.parts = 2 * between
		}
		of := slices.IndexFunc(shares, func(s share) bool { return s.partner == t.partner })
		if of < 0 {
			shares = append(shares, t.share)
			continue
		}
		shares[of].parts += t.parts
		shares[of].link = t.link
	}
	return shares
}

// touches are those of an order that may earn, the coupon before the referral code.
func (b *Books) touches(s Sale, of customer) (all []touch) {
	clicks := slices.Concat(s.Path, s.Before)
	if s.Click != nil {
		clicks = append(clicks, *s.Click)
	}
	for _, c := range clicks {
		link, known := b.world.Links[c.Link]
		if c.Forged || !known {
			continue
		}
		if terms := b.terms(s, link.Program); terms != nil && s.wentThrough(c.At, terms) && !b.world.Out(link.Program, link.Partner, c.At) {
			all = append(all, touch{share: whole(link.Program, link.Partner, c.Link), rank: 3, at: c.At, terms: terms})
		}
	}
	for _, text := range []string{s.Coupon, s.Code} {
		code, known := b.world.Codes[s.Merchant][text]
		if !known {
			continue
		}
		t := touch{share: whole(code.Program, code.Partner, 0), rank: 4, terms: b.terms(s, code.Program)}
		if code.Exclusive {
			t.rank = 2
		}
		if t.terms != nil && t.terms.Codes && !b.world.Out(code.Program, code.Partner, s.At) {
			all = append(all, t)
		}
	}
	for _, claim := range b.granted(s.OrderKey) {
		if terms := b.terms(s, claim.Program); terms != nil && !b.world.Out(claim.Program, claim.Partner, s.At) {
			all = append(all, touch{share: whole(claim.Program, claim.Partner, 0), terms: terms})
		}
	}
	if of.partner != 0 {
		if terms := b.terms(s, of.program); terms != nil && terms.Months > 0 && !b.world.Out(of.program, of.partner, s.At) {
			all = append(all, touch{share: of.share, rank: 1, terms: terms})
		}
	}
	return all
}

// terms are those of a program that an order falls under; nil where there are none.
func (b *Books) terms(s Sale, id int64) (terms *Terms) {
	program := b.world.Programs[id]
	if program.Merchant != s.Merchant || !slices.Contains(program.Currencies, s.Currency) {
		return nil
	}
	for i := range program.Terms {
		if !program.Terms[i].From.After(s.At) {
			terms = &program.Terms[i]
		}
	}
	return terms
}

// customer is how somebody stood when they placed an order: the partner they belonged to, if any, and whether they had
// bought before.
type customer struct {
	share

	returning bool
}

// meetCustomers goes over the orders of each customer by their times, then their ids. Whoever belongs to nobody belongs to
// the partner of the next order that earns, from just after it until so many months later.
func (b *Books) meetCustomers() {
	b.seen = map[OrderKey]customer{}
	type person struct {
		merchant int64
		name     string
	}
	bought := map[person][]Sale{}
	for _, s := range b.sales {
		if s.Customer != "" && !b.void(s.OrderKey) { // an order that never was is none
			p := person{s.Merchant, s.Customer}
			bought[p] = append(bought[p], s)
		}
	}
	for _, sales := range bought {
		slices.SortFunc(sales, func(a, b Sale) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Order, b.Order)) })
		var until time.Time
		stood := customer{}
		for _, s := range sales {
			if !s.At.Before(until) {
				stood.share = share{}
			}
			b.seen[s.OrderKey] = stood
			stood.returning = true
			if terms, shares := b.earns(s, customer{}); stood.partner == 0 && terms != nil && terms.Months > 0 {
				stood.share = heaviest(shares)
				stood.parts = 1
				until = monthsLater(s.At, terms.Months)
			}
		}
	}
}

// heaviest is who has the most of an order; of equal ones the last.
func heaviest(shares []share) share {
	best := shares[0]
	for _, s := range shares[1:] {
		if s.parts >= best.parts {
			best = s
		}
	}
	return best
}

// monthsLater is the same day and time so many calendar months later, or the last day of that month where it is shorter.
func monthsLater(at time.Time, months int) time.Time {
	later := at.UTC().AddDate(0, months, 0)
	if later.Day() != at.UTC().Day() { // it has run over into the month after
		later = later.AddDate(0, 0, -later.Day())
	}
	return later
}
