package program

import (
	"slices"
	"strconv"
	"time"

	"tributary/internal/fault"
	"tributary/internal/text"
)

// Enrolment is what is known of a partner in a program as of the time of an order. The zero Enrolment is that of most: in no
// group, recruited by nobody, paid as the program pays all.
type Enrolment struct {
	// Groups are those of the program that the partner is in.
	Groups []string
	// Properties are what is known of the partner beside their groups, such as coupon_site.
	Properties []string
	// Recruiter brought the partner in, Recruiter2 that one; 0 for nobody.
	Recruiter, Recruiter2 PartnerID
	// Own is what was agreed with this partner alone: an Override without its selector; nil for nothing.
	Own *Override
	// Accepted are the versions of the program's terms that the partner has accepted.
	Accepted []int
}

// BrowserExtension is the property of partners whose visitors come while they are at the shop already: their clicks rank as soft
// clicks.
const BrowserExtension = "browser_extension"

// FactKind is what a fact says of an enrolment.
type FactKind string

// The kinds of fact.
const (
	FactGroup     FactKind = "group"
	FactProperty  FactKind = "property"
	FactRecruiter FactKind = "recruiter"
	FactOwn       FactKind = "own"
	FactAccept    FactKind = "accept"
	FactState     FactKind = "state"
)

// FactKinds are all of them.
func FactKinds() []FactKind {
	return []FactKind{FactGroup, FactProperty, FactRecruiter, FactOwn, FactAccept, FactState}
}

// Fact is something that is known of a partner in a program from a time on.
type Fact struct {
	// No numbers the facts in the order in which they were written.
	No   int64
	Kind FactKind
	// Value is the group or property, the number of the recruiter, the JSON of an Override without its selector, the number of the
	// version that was accepted, or the State.
	Value string
	// Ends says that the partner leaves the group, has the property no longer, or that there is no recruiter, or nothing of their
	// own, from then on; Value is empty for the last two.
	Ends bool
	From time.Time
	// Own is what Value says of own rules, and Unreadable why it cannot be read.
	Own        *Override
	Unreadable error
}

// Read fills in what Value says.
func (f *Fact) Read() {
	if f.Kind == FactOwn && !f.Ends {
		own, err := ParseOverride([]byte(f.Value))
		f.Own, f.Unreadable = &own, err
	}
}

// EnrolmentAt gives what stands at a time by facts that ascend by From and No; Recruiter2 is not among it. Own rules that
// cannot be read are an error.
func EnrolmentAt(facts []Fact, at time.Time) (e Enrolment, err error) {
	for i := range facts {
		f := &facts[i]
		if f.From.After(at) {
			break
		}
		switch f.Kind {
		case FactGroup:
			e.Groups = f.change(e.Groups)
		case FactProperty:
			e.Properties = f.change(e.Properties)
		case FactRecruiter:
			id, _ := strconv.ParseInt(f.Value, 10, 64) // nobody where it ends
			e.Recruiter = PartnerID(id)
		case FactOwn:
			e.Own, err = f.Own, f.Unreadable
		case FactAccept:
			if version, unreadable := strconv.Atoi(f.Value); unreadable == nil {
				e.Accepted = append(e.Accepted, version)
			}
		case FactState: // see StateAt
		}
	}
	return e, err
}

// change adds the value to a list or takes it away.
func (f *Fact) change(list []string) []string {
	i := slices.Index(list, f.Value)
	switch {
	case f.Ends && i >= 0:
		return slices.Delete(list, i, i+1)
	case !f.Ends && i < 0:
		return append(list, f.Value)
	}
	return list
}

// Check gives what is wrong with a fact that is to be added, under the terms that will then be in force.
func (f *Fact) Check(partner PartnerID, document *Document) []fault.Field {
	c := &checker{document: document}
	if choice(c, "kind", f.Kind, FactKinds()); f.Kind == "" {
		c.note("kind", text.WrongMissing(), text.FixMissing())
	}
	number := func() {
		n, err := strconv.ParseInt(f.Value, 10, 64)
		if !f.Ends && (err != nil || n < 1) {
			c.note("value", text.WrongNumber(strconv.Quote(f.Value)), text.FixOnePartner())
		}
		if f.Kind == FactRecruiter && PartnerID(n) == partner {
			c.note("value", text.WrongOwnRecruiter(), text.FixAnother())
		}
	}
	switch f.Kind {
	case FactGroup, FactProperty:
		c.text("value", f.Value)
		return c.bad
	case FactRecruiter, FactAccept:
		number()
	case FactState:
		choice(c, "value", State(f.Value), States())
	case FactOwn:
		if c.bad = append(c.bad, f.checkOwn(document)...); !OwnRules() {
			c.note("kind", text.WrongNotBuilt(), text.FixLeaveOut())
		}
	}
	if f.Ends && (f.Value != "" || f.Kind == FactAccept || f.Kind == FactState) {
		c.note("ends", text.WrongEndsWith(), text.FixLeaveOut())
	}
	return c.bad
}

// checkOwn checks own rules.
func (f *Fact) checkOwn(document *Document) []fault.Field {
	if f.Ends {
		return nil
	}
	own, err := ParseOverride([]byte(f.Value))
	if err != nil {
		return fault.Of(err).Fields
	}
	return own.Check("", document)
}

// ParseOverride reads what is agreed with one partner alone: the JSON of an Override without its selector.
func ParseOverride(data []byte) (Override, error) {
	var o Override
	if bad := decode(data, &o); len(bad) > 0 {
		return o, badDocument(bad)
	}
	return o, nil
}

// JSON is the override as it is kept.
func (o *Override) JSON() []byte { return written(o) }

// InForceFor finds the terms by which a partner is paid at a time, among those of a program, which ascend by EffectiveFrom;
// nil before the first. A version that needs acceptance binds a partner who has accepted it by then, and for others the one
// before goes on. Once its notice is over as well, they earn nothing: accepted is false.
func InForceFor(terms []Terms, e *Enrolment, at time.Time) (is *Terms, accepted bool) {
	accepted = true
	var latest *Terms
	for i := len(terms) - 1; i >= 0; i-- {
		t := &terms[i]
		if t.EffectiveFrom.After(at) {
			continue
		}
		if !t.NeedsAcceptance || slices.Contains(e.Accepted, t.Version) {
			return t, accepted
		}
		if latest == nil {
			latest = t
		}
		accepted = accepted && at.Before(t.NoticeEnds())
	}
	return latest, latest == nil // nothing binds them
}

// Unaccepted are the terms of a program, in force or to come, that a partner must accept and has not, given the versions accepted.
// Those before the last that binds the partner at a time matter no more.
func Unaccepted(terms []Terms, accepted []int, at time.Time) (open []Terms) {
	for _, t := range slices.Backward(terms) {
		switch binds := !t.NeedsAcceptance || slices.Contains(accepted, t.Version); {
		case !binds && t.Unreadable == nil:
			open = append(open, t)
		case binds && !t.EffectiveFrom.After(at):
			slices.Reverse(open)
			return open
		}
	}
	slices.Reverse(open)
	return open
}
