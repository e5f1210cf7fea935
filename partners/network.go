package partners

import (
	"slices"
	"time"

	"tributary/internal/money"
)

// The ids of the network's rows, each of its own type so that none is passed for another.
type (
	// MerchantID names a merchant.
	MerchantID int64
	// ProgramID names a program.
	ProgramID int64
	// PartnerID names a partner.
	PartnerID int64
	// LinkID names a tracking link; it is what a click id carries.
	LinkID int64
	// KeyID names an API key.
	KeyID int64
	// LoginID names a person who signs in.
	LoginID int64
)

// Kind says what sort of partner it is; terms pay each kind its own rates.
type Kind string

// The kinds of partner.
const (
	// Site is a web site that brings visitors.
	Site Kind = "site"
	// Member is a customer of the merchant who refers others.
	Member Kind = "member"
)

// Merchant sells, and pays for the sales that partners bring.
type Merchant struct {
	ID   MerchantID
	Name string
}

// Partner brings visitors and earns.
type Partner struct {
	ID   PartnerID
	Kind Kind
	Name string
	// SiteURL is empty for a member.
	SiteURL string
}

// Program is what a merchant offers to partners. A Program in a Catalogue is never changed, only replaced.
type Program struct {
	ID         ProgramID
	Merchant   MerchantID
	Name       string
	LandingURL string
	// Domains are the hosts, with all their subdomains, that links of the program may lead to: lower case, in ASCII.
	Domains []string
	// ClickParam is the query parameter under which the merchant receives the click id.
	ClickParam string
	// Currencies are the ISO 4217 codes in which orders may come, sorted.
	Currencies []string
	// Terms ascend by EffectiveFrom.
	Terms     []Terms
	CreatedAt time.Time
}

// TermsAt gives the terms in force at t: those with the latest EffectiveFrom at or before it. There are none before the
// first.
func (p *Program) TermsAt(t time.Time) (*Terms, bool) {
	for i := len(p.Terms) - 1; i >= 0; i-- {
		if !p.Terms[i].EffectiveFrom.After(t) {
			return &p.Terms[i], true
		}
	}
	return nil, false
}

// Takes tells whether the program takes orders in a currency.
func (p *Program) Takes(currency string) bool { return slices.Contains(p.Currencies, currency) }

// AnyCategory is the rate row that serves every category without a row of its own.
const AnyCategory = "*"

// Terms are one version of what a program pays.
type Terms struct {
	// Version counts from 1 within the program.
	Version       int
	EffectiveFrom time.Time
	// Window is how old a click may be at the order's time; exactly this old still earns. Whole seconds.
	Window time.Duration
	// Hold is how long a commission stays pending from the order's time on. Whole seconds.
	Hold time.Duration
	// NetworkFee is the network's share: a rate of the commission, owed by the merchant on top of it.
	NetworkFee money.Rate
	// Rates gives for each kind of partner the rate by category of goods.
	Rates map[Kind]map[string]money.Rate
}

// Rate is what a partner of a kind earns on goods of a category, and the category of the row that says so: the
// category itself, AnyCategory, or "" when no row applies and the rate is 0.
func (t *Terms) Rate(kind Kind, category string) (rate money.Rate, matched string) {
	rates := t.Rates[kind]
	if rate, ok := rates[category]; ok {
		return rate, category
	}
	if rate, ok := rates[AnyCategory]; ok {
		return rate, AnyCategory
	}
	return 0, ""
}

// Link is a tracking link of a partner in a program. A Link in a Catalogue is never changed, only replaced.
type Link struct {
	ID       LinkID
	Code     string
	Merchant MerchantID
	Program  ProgramID
	Partner  PartnerID
	// Target is where the visitor is sent, checked by Program.CheckTarget when the link was made.
	Target string
	// Closed links send nobody anywhere, but clicks of before still earn.
	Closed bool
}
