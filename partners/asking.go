package partners

import (
	"maps"
	"slices"
	"time"

	"tributary/partners/program"
)

// AsksForCustomers tells whether any terms of a merchant, or what was agreed with one of the partners, ask how the customer of
// an order stands, and from when on the first that do are in force. Once they do they always will: versions stay.
func (p *Programs) AsksForCustomers(merchant program.MerchantID) (from time.Time, asks bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	from, asks = p.asking[merchant]
	return from, asks
}

// CountsClicks tells whether terms of a merchant had by t looked at how many orders name one click id, and their program was there:
// orders of before never count.
func (p *Programs) CountsClicks(merchant program.MerchantID, t time.Time) bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	from, counts := p.counting[merchant]
	return counts && !t.Before(from)
}

// noteCounting enters from when on a program counts. mu is held.
func (p *Programs) noteCounting(sold *Program) {
	for i := range sold.Terms {
		t := &sold.Terms[i]
		if !t.CountsClicks() {
			continue
		}
		from := t.EffectiveFrom
		if there := sold.CreatedAt.Add(program.Ahead); from.Before(there) {
			from = there
		}
		if first, counts := p.counting[sold.Merchant]; !counts || from.Before(first) {
			p.counting[sold.Merchant] = from
		}
	}
}

// AskingMerchants are all merchants of whom AsksForCustomers is true, in the order of their numbers.
func (p *Programs) AskingMerchants() []program.MerchantID {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return slices.Sorted(maps.Keys(p.asking))
}

// noteAsking notes which merchants ask, by what was read. mu is held.
func (p *Programs) noteAsking(programs []*Program, facts map[enrolled][]program.Fact) {
	note := func(merchant program.MerchantID, from time.Time) {
		if first, asks := p.asking[merchant]; !asks || from.Before(first) {
			p.asking[merchant] = from
		}
	}
	for _, sold := range programs {
		for i := range sold.Terms {
			if t := &sold.Terms[i]; t.AsksForCustomers() {
				note(sold.Merchant, t.EffectiveFrom)
			}
		}
	}
	for of, list := range facts {
		sold := p.programs[of.program]
		for _, f := range list {
			if sold != nil && f.Own != nil && f.Own.AsksForCustomers() {
				note(sold.Merchant, f.From)
			}
		}
	}
}
