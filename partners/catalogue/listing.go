package catalogue

import (
	"cmp"
	"slices"
	"time"

	"tributary/partners"
	"tributary/partners/program"
)

// Listing is what a tracker holds of a program: where its clicks lead, and what it may say of an order. What is paid is for
// the engine. A Listing is never changed, only replaced.
type Listing struct {
	ID         program.ProgramID
	Merchant   program.MerchantID
	LandingURL string
	// Domains are the hosts, with what is below them, of the merchant's pages; in a copy of before that was in it, none.
	Domains []string
	// ClickParam is the query parameter under which the merchant receives the click id.
	ClickParam string
	// Currencies are the ISO 4217 codes in which orders may come, sorted.
	Currencies []string
	// Since is from when on the first terms are in force.
	Since time.Time
	// Window is the widest of all terms: an older click earns by none of them. It is 0 without terms.
	Window time.Duration
	// Categories are those that some terms name, sorted.
	Categories []string
	// AnyCategory says that some terms pay for categories that they do not name.
	AnyCategory bool
	// PathTurns are the times at which terms that ask for the visitor's path come into force, and those at which they end, in
	// turn. Most programs have none.
	PathTurns []time.Time
}

// listingOf keeps of a program what a tracker needs, of terms that cannot be read whole what there is.
func listingOf(p *partners.Program) *Listing {
	l := &Listing{ID: p.ID, Merchant: p.Merchant, LandingURL: p.LandingURL, Domains: p.Domains, ClickParam: p.ClickParam, Currencies: p.Currencies}
	if len(p.Terms) > 0 {
		l.Since = p.Terms[0].EffectiveFrom
	}
	for i := range p.Terms {
		l.Window = max(l.Window, p.Terms[i].Window)
		d := p.Terms[i].Document
		if d != nil {
			named, others := d.Categories()
			l.Categories, l.AnyCategory = append(l.Categories, named...), l.AnyCategory || others
		}
		if path := d != nil && d.Attribution.Path; path != (len(l.PathTurns)%2 == 1) {
			l.PathTurns = append(l.PathTurns, p.Terms[i].EffectiveFrom)
		}
	}
	slices.Sort(l.Categories)
	l.Categories = slices.Compact(l.Categories)
	return l
}

// Path tells whether the terms in force at a time ask for the visitor's path. Of terms that cannot be read it is not kept.
func (l *Listing) Path(at time.Time) bool {
	path := false
	for _, turn := range l.PathTurns {
		if turn.After(at) {
			break
		}
		path = !path
	}
	return path
}

// Takes tells whether the program takes orders in a currency.
func (l *Listing) Takes(currency string) bool { return slices.Contains(l.Currencies, currency) }

// Prices tells whether any of the terms name a category, or pay for all categories and name none.
func (l *Listing) Prices(category string) bool {
	if len(l.Categories) == 0 {
		return l.AnyCategory
	}
	_, named := slices.BinarySearchFunc(l.Categories, category, cmp.Compare)
	return named
}
