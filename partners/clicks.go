package partners

import (
	"cmp"
	"slices"
	"time"

	"tributary/partners/program"
)

// PaysClicks is a program that pays, or has paid, for clicks.
type PaysClicks struct {
	Program  program.ProgramID
	Merchant program.MerchantID
	// Currency is one that the program takes: that of its terms, if it does.
	Currency string
	// From is when the first terms, or own rules of a partner, that pay for clicks took effect.
	From time.Time
	// Changes are when its terms took effect, ascending.
	Changes []time.Time
}

// PayClicks lists the programs that pay for clicks, in the order of their numbers.
func (p *Programs) PayClicks() []PaysClicks {
	p.mu.RLock()
	defer p.mu.RUnlock()
	own := map[program.ProgramID]time.Time{}
	for of, list := range p.facts {
		for _, f := range list {
			if first, is := own[of.program]; f.Own != nil && f.Own.PaysClicks() && (!is || f.From.Before(first)) {
				own[of.program] = f.From
			}
		}
	}
	var all []PaysClicks
	for id, sold := range p.programs {
		from, pays := own[id]
		currency := ""
		changes := make([]time.Time, len(sold.Terms))
		for i := range sold.Terms {
			t := &sold.Terms[i]
			changes[i] = t.EffectiveFrom
			if t.Scheme == nil {
				continue
			}
			currency = t.Scheme.Document.Currency
			if t.Scheme.Document.PaysClicks() && (!pays || t.EffectiveFrom.Before(from)) {
				from, pays = t.EffectiveFrom, true
			}
		}
		if !pays || len(sold.Currencies) == 0 {
			continue
		}
		if !slices.Contains(sold.Currencies, currency) {
			currency = sold.Currencies[0]
		}
		all = append(all, PaysClicks{Program: id, Merchant: sold.Merchant, Currency: currency, From: from, Changes: slices.SortedFunc(slices.Values(changes), time.Time.Compare)})
	}
	slices.SortFunc(all, func(a, b PaysClicks) int { return cmp.Compare(a.Program, b.Program) })
	return all
}
