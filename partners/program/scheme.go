package program

import (
	"fmt"
	"slices"
	"time"
	_ "time/tzdata" // days and periods of a program must not depend on the machine

	"tributary/internal/money"
)

// Scheme is a document as orders are decided by it, where that takes more than the rates of kinds and categories by the last
// click. It is shared, and never changed.
type Scheme struct {
	Document *Document
	// Zone is the document's, in which its days and periods begin.
	Zone *time.Location

	// alike says that it treats all partners alike, and partnersOnly that it pays nobody else, but for what was agreed with one
	// partner alone.
	alike, partnersOnly bool

	version  int // of the terms
	counting map[*Period]*Counting
}

// For is the document as it is for one partner: of the overrides it holds those that are theirs, so that nobody reads what was
// agreed with others.
func (d *Document) For(partner PartnerID, e *Enrolment) Document {
	mine := *d
	mine.Overrides = nil
	s := Scheme{Document: d}
	if own := s.own(partner, e); own != nil {
		o := *own
		o.Partner = partner
		mine.Overrides = append(mine.Overrides, o)
	}
	for o := range s.groups(e) {
		mine.Overrides = append(mine.Overrides, *o)
	}
	return mine
}

// location is a zone by its IANA name; "" is UTC.
func location(zone string) (*time.Location, error) {
	if zone == "Local" { // would be the machine's
		return nil, fmt.Errorf("%q is not a time zone", zone)
	}
	return time.LoadLocation(zone)
}

// schemeOf compiles the document of a version of terms.
func schemeOf(version int, d *Document) *Scheme {
	s := &Scheme{Document: d, alike: d.alike(), partnersOnly: d.partnersOnly()}
	var err error
	if s.Zone, err = location(d.Zone); err != nil {
		s.Zone = time.UTC // terms whose zone is not known are Unreadable
	}
	s.compilePeriods(version)
	return s
}

// alike tells whether nothing in the document is for some partners and not for others.
func (d *Document) alike() bool {
	tells := func(c Cond) bool { return slices.ContainsFunc(partnerKeys(), c.Tests) }
	return len(d.Overrides) == 0 &&
		!slices.ContainsFunc(d.Rules, func(r Rule) bool { return tells(r.Where) }) &&
		!slices.ContainsFunc(d.Zero, func(z Zero) bool { return tells(z.Where) }) &&
		!slices.ContainsFunc(d.Periods, func(p Period) bool { return tells(p.Where) })
}

// Alike tells whether the same line is worth the same to two partners, whatever it is, and counts in periods by the same rules.
func (s *Scheme) Alike(a, b *Enrolment) bool { return s.alike && a.Own == nil && b.Own == nil }

// partnersOnly tells whether nothing in the document pays or counts recruiters or customers.
func (d *Document) partnersOnly() bool {
	others := func(to Payee) bool { return to != "" && to != ToPartner }
	return len(d.Overrides) == 0 &&
		!slices.ContainsFunc(d.Rules, func(r Rule) bool { return others(r.To) }) &&
		!slices.ContainsFunc(d.Periods, func(p Period) bool { return others(p.To) })
}

// PartnersOnly tells whether nobody but a partner itself earns anything by an order of theirs.
func (s *Scheme) PartnersOnly(e *Enrolment) bool { return s.partnersOnly && e.Own == nil }

// ScopeKind says whose rules a scope holds. The program's is the zero value.
type ScopeKind string

// The kinds of scope, the nearest first.
const (
	ScopePartner ScopeKind = "partner"
	ScopeGroup   ScopeKind = "group"
	ScopeProgram ScopeKind = ""
)

// Scope is the rules of a partner, of the groups that the partner is in, or of the program.
type Scope struct {
	Of    ScopeKind
	Rules []Rule
}

// Scopes are the rules by which a partner is paid, the nearest first: the partner's own, those of the groups that they are in,
// in the document's order, and the program's. The first scope of which a rule matches a line pays for it.
func (s *Scheme) Scopes(partner PartnerID, e *Enrolment) []Scope {
	scopes := make([]Scope, 0, 3)
	if own := s.own(partner, e); own != nil && len(own.Rules) > 0 {
		scopes = append(scopes, Scope{ScopePartner, own.Rules})
	}
	var groups []Rule
	for o := range s.groups(e) {
		groups = append(groups, o.Rules...)
	}
	if len(groups) > 0 {
		scopes = append(scopes, Scope{ScopeGroup, groups})
	}
	return append(scopes, Scope{ScopeProgram, s.Document.Rules})
}

// Hold is how long what a partner earns stays pending.
func (s *Scheme) Hold(partner PartnerID, e *Enrolment) time.Duration {
	if o := s.first(partner, e, func(o *Override) bool { return o.Hold != nil }); o != nil {
		return time.Duration(*o.Hold)
	}
	return time.Duration(s.Document.Hold)
}

// Periods are those by which a partner is paid.
func (s *Scheme) Periods(partner PartnerID, e *Enrolment) []Period {
	if o := s.first(partner, e, func(o *Override) bool { return o.Periods != nil }); o != nil {
		return o.Periods
	}
	return s.Document.Periods
}

// own is what a partner has alone: what was agreed with them, else the document's override for them.
func (s *Scheme) own(partner PartnerID, e *Enrolment) *Override {
	if e.Own != nil {
		return e.Own
	}
	for i := range s.Document.Overrides {
		if o := &s.Document.Overrides[i]; o.Partner != 0 && o.Partner == partner {
			return o
		}
	}
	return nil
}

// groups goes over the overrides of the groups that a partner is in.
func (s *Scheme) groups(e *Enrolment) func(yield func(*Override) bool) {
	return func(yield func(*Override) bool) {
		for i := range s.Document.Overrides {
			if o := &s.Document.Overrides[i]; o.Group != "" && slices.Contains(e.Groups, o.Group) && !yield(o) {
				return
			}
		}
	}
}

// first finds the nearest override of a partner that has something, nil for none.
func (s *Scheme) first(partner PartnerID, e *Enrolment, has func(*Override) bool) *Override {
	if o := s.own(partner, e); o != nil && has(o) {
		return o
	}
	for o := range s.groups(e) {
		if has(o) {
			return o
		}
	}
	return nil
}

// plainRule gives the kind and category of a rule that says no more than that and a percentage.
func plainRule(r *Rule) (kind Kind, category string, plain bool) {
	if r.ID != "" || r.To != "" || r.Adds || r.Pay != (Pay{Percent: r.Pay.Percent}) {
		return "", "", false
	}
	for i := range r.Where {
		t := &r.Where[i]
		switch {
		case len(t.Texts) != 1:
			return "", "", false
		case t.Key == KeyPartnerKind:
			kind = Kind(t.Texts[0])
		case t.Key == KeyCategory:
			category = t.Texts[0]
		default:
			return "", "", false
		}
	}
	return kind, category, true
}

// Plain tells whether the document says no more than NewDocument can.
func (d *Document) Plain() bool {
	click := d.Attribution.Touches.Click
	for i := range d.Rules {
		if _, _, plain := plainRule(&d.Rules[i]); !plain {
			return false
		}
	}
	return click != nil && *click == Touching{Window: click.Window} && d.Attribution == Attribution{Touches: Touches{Click: click}} &&
		d.Base == Base{} && d.Currency+d.Zone == "" && d.Extension+d.RefundWindow == 0 &&
		len(d.Goals)+len(d.Signs)+len(d.Zero)+len(d.Overrides)+len(d.Periods) == 0
}

// Categories are those that the rules of a document name, sorted, and whether some rule pays for lines without naming one.
func (d *Document) Categories() (named []string, others bool) {
	for _, scope := range d.scopes() {
		for i := range scope {
			before := len(named)
			named = scope[i].Where.categories(named)
			others = others || len(named) == before
		}
	}
	slices.Sort(named)
	return slices.Compact(named), others
}

// scopes are the rules of the program, and those of each override.
func (d *Document) scopes() [][]Rule {
	all := [][]Rule{d.Rules}
	for i := range d.Overrides {
		all = append(all, d.Overrides[i].Rules)
	}
	return all
}

func (c Cond) categories(to []string) []string {
	for i := range c {
		if c[i].Key == KeyCategory {
			to = append(to, c[i].Texts...)
		}
		for _, inner := range c[i].Conds {
			to = inner.categories(to)
		}
	}
	return to
}

// PercentRule is a rule that pays a percentage to a kind of partner, for a category; "" stands for all.
func PercentRule(kind Kind, category string, percent money.Rate) Rule {
	var tests []Test
	if kind != "" {
		tests = append(tests, Test{Key: KeyPartnerKind, Texts: []string{string(kind)}})
	}
	if category != "" {
		tests = append(tests, Test{Key: KeyCategory, Texts: []string{category}})
	}
	return Rule{Where: All(tests...), Pay: Pay{Percent: percent}}
}
