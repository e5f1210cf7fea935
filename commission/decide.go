package commission

import (
	"cmp"
	"fmt"
	"time"

	"tributary/internal/money"
	"tributary/partners/program"
)

// Decision is what follows from the facts of an order: who earns what on it, and why, or why nobody does. It is the
// record of itself: AppendJSON writes it, UnmarshalRecord reads it.
type Decision struct {
	// Outcome is Credited, or the reason why nobody earns.
	Outcome Reason `json:"outcome"`
	Order   Order  `json:"order"`
	// Touches are all that could have earned, the visits first. There are none while the sale is not known.
	Touches []Touch `json:"touches,omitempty"`
	// Credits are who earns what: of partners in the order of their touches, at most MaxCredits. The last click takes all, so
	// there is one today.
	Credits []Credit `json:"credits,omitempty"`
	// Would are the credits that a test order has no more of than to be shown.
	Would []Credit `json:"would,omitempty"`
}

// Credit is what somebody earns on an order in one role, as things stand. Amounts are minor units of Unit. What it shares
// with the order is not repeated in the record, nor are rules and prices that the credit before it has, too; UnmarshalRecord
// puts both back.
type Credit struct {
	Merchant program.MerchantID `json:"-"`
	Program  program.ProgramID  `json:"program"`
	// Partner is 0 for a customer's credit.
	Partner program.PartnerID `json:"partner"`
	Role    Role              `json:"role,omitzero"`
	// Weight is the credit's part of the order, of the sum of the weights of all credits in its unit. One without a weight has
	// all that its own rules give, beside those that share.
	Weight int64 `json:"weight,omitempty"`
	// Link is what brought it in, 0 where no link did.
	Link program.LinkID `json:"link,omitempty"`
	// Unit is what is earned: the order's currency, which the record leaves out, or another unit that
	// money.Exponent knows.
	Unit string `json:"unit,omitempty"`
	// OrderedAt is when the order was placed, Customer who placed it by the merchant's own id, if that is known.
	OrderedAt time.Time `json:"-"`
	Customer  string    `json:"-"`
	// Terms are those in force at OrderedAt.
	Terms TermsApplied `json:"terms"`
	// HoldUntil is when what is pending becomes payable: the hold runs from when the order was placed or its report was
	// received, whichever is later, so that nobody shortens it by what they state; of an import from when it was placed.
	HoldUntil time.Time `json:"hold_until"`
	// Lines counts the lines with a rate above zero.
	Lines int `json:"lines"`
	// Revenue and Refunded are of the whole order, lines at a rate of zero included.
	Revenue  int64 `json:"-"`
	Refunded int64 `json:"-"`
	// Gross is the credit's share before refunds, Net after them, and Fee its part of the network's fee on what partners
	// have together, which the merchant owes on top. A refund may leave a share one more than Gross: shares are rounded by
	// largest remainder.
	Gross int64 `json:"gross"`
	Net   int64 `json:"net"`
	Fee   int64 `json:"fee"`
	// FeeExact is the fee's rate x what partners have together, which the sum of their fees rounds. Only the first of them
	// holds it.
	FeeExact money.Product `json:"fee_exact,omitzero"`
	// Counted says in which periods the credit counts; nil where the terms have none for it.
	Counted *Counted `json:"counted,omitempty"`
	// Rules are the rows of the terms that price lines of the order, in the order of the first line of each: what the order
	// is worth to this credit if it takes all.
	Rules []Rule `json:"rules,omitempty"`
	// Priced has an entry for each line of the order, in the same order.
	Priced []Priced `json:"priced,omitempty"`
}

// TermsApplied names the terms that priced a credit.
type TermsApplied struct {
	Version       int       `json:"version"`
	EffectiveFrom time.Time `json:"effective_from"`
	HoldSeconds   int64     `json:"hold_s"`
	// NetworkFee is a rate of the commission.
	NetworkFee money.Rate `json:"network_fee"`
	// Kind is the partner's, whose rates apply.
	Kind program.Kind `json:"kind"`
}

// Rule is a row of the terms with all lines that it prices, summed before they are rounded: Base x Rate = Exact, rounded
// to Net.
type Rule struct {
	// Matched is the category of the row: that of the lines, "*" for the row of all others, empty for lines without one.
	Matched string     `json:"matched,omitempty"`
	Rate    money.Rate `json:"rate"`
	// Amount is the sum of its lines, Base what is left of it after refunds.
	Amount int64         `json:"amount"`
	Base   int64         `json:"base"`
	Exact  money.Product `json:"exact,omitzero"`
	Net    int64         `json:"net,omitempty"`
}

// Priced is one line's part of what its rule earns.
type Priced struct {
	Line int64 `json:"n"`
	// Rule is the index of the line's rule.
	Rule int `json:"rule"`
	// Base is what is left of the line's amount after refunds.
	Base int64 `json:"base"`
	// Net is the line's part of the rule's Net, in proportion to Base, by largest remainder; of equal ones the lower line
	// number gets it.
	Net int64 `json:"net,omitempty"`
}

// Evidence is all that a decision reads beside its order. Whoever decides has looked it up, as of the order's time.
type Evidence struct {
	// Candidates are what may earn: one for each of Order.Visits, in that order, then its coupons and referral code where the
	// merchant has terms that credit such, then the partners' claims, then whom the customer belongs to.
	Candidates []Candidate
}

// Decider decides on an order as Decide does.
type Decider func(order Order, evidence Evidence) (Decision, error)

// Decide says who earns what on an order, given the evidence. It depends on these values and nothing else: no clock, no
// catalogue, and no earlier decision. Terms of the order's merchant that a later version wrote are a *NewerError, and
// others that cannot be read a *TermsError.
func Decide(order Order, evidence Evidence) (Decision, error) {
	if err := evidence.complete(&order); err != nil {
		return Decision{}, err
	}
	for i := range evidence.Candidates {
		found := &evidence.Candidates[i].Link
		if found.Terms == nil || found.Merchant != order.Merchant {
			continue // no terms apply
		}
		if err := readable(found.Program, found.Terms); err != nil {
			return Decision{}, err
		}
	}
	d := Decision{Order: order, Outcome: AwaitingSale}
	if !order.Placed() {
		return d, nil
	}
	var room [1]winner
	var winners []winner
	d.Touches, winners = attribute(&d.Order, &evidence, room[:0])
	d.Outcome = outcome(d.Touches)
	for _, w := range winners {
		c := price(&d.Order, &evidence.Candidates[w.candidate].Link)
		c.Weight = w.weight
		d.Credits = append(d.Credits, c)
	}
	if err := d.Share(); err != nil {
		return d, err
	}
	d.setAside()
	return d, nil
}

// complete refuses evidence that lacks one of the order's visits, or has another.
func (e *Evidence) complete(o *Order) error {
	have := 0
	for i := range e.Candidates {
		if e.Candidates[i].Kind.visits() {
			have++
		}
	}
	want := o.visits()
	if len(o.Path) > 0 && want > 0 {
		want = len(o.Visits())
	}
	if have != want {
		return fmt.Errorf("deciding order %q: there are %d candidates for %d visits", o.ID, have, want)
	}
	return nil
}

// outcome is what became of an order with these touches: Credited where one of them won, else why its first visit earns
// nothing, or its first coupon where there is no visit.
func outcome(touches []Touch) Reason {
	why, visited := NoClick, false
	for i := range touches {
		switch t := &touches[i]; {
		case t.Won:
			return Credited
		case visited || why != NoClick && !t.Kind.visits():
		case t.Kind.visits() || t.Reason.OfOrder():
			why, visited = t.Reason, t.Kind.visits()
		}
	}
	return why
}

// price applies the terms, before anything is shared: the lines of each rule are summed first and rounded once.
func price(o *Order, found *program.LinkTerms) Credit {
	terms := found.Terms
	c := Credit{
		Program: found.Program, Partner: found.Partner, Link: found.Link,
		Terms: TermsApplied{
			Version: terms.Version, EffectiveFrom: terms.EffectiveFrom, HoldSeconds: int64(terms.Hold / time.Second),
			NetworkFee: terms.NetworkFee, Kind: found.Kind,
		},
		HoldUntil: o.heldFrom().Add(terms.Hold),
		Priced:    make([]Priced, len(o.Lines)),
	}
	c.takeOver(o)
	for i := range o.Lines {
		l, p := &o.Lines[i], &c.Priced[i]
		rate, matched := terms.Rate(found.Kind, l.Category)
		p.Line, p.Rule, p.Base = l.Number, c.rule(rate, matched), l.Amount-l.Refunded
		c.Rules[p.Rule].Amount += l.Amount
		c.Rules[p.Rule].Base += p.Base
		if rate > 0 {
			c.Lines++
		}
	}
	for i := range c.Rules {
		r := &c.Rules[i]
		r.Exact = r.Rate.Exact(r.Base)
		r.Net = r.Exact.Round()
		c.spread(i)
	}
	return c
}

// heldFrom is when a hold of the order begins.
func (o *Order) heldFrom() time.Time {
	if o.Imported {
		return o.At
	}
	return later(o.At, o.Received)
}

// rule finds the rule of a row, or begins it.
func (c *Credit) rule(rate money.Rate, matched string) int {
	for i := range c.Rules {
		if c.Rules[i].Matched == matched {
			return i
		}
	}
	c.Rules = append(c.Rules, Rule{Matched: matched, Rate: rate})
	return len(c.Rules) - 1
}

// spread gives each line its part of what its rule earns.
func (c *Credit) spread(rule int) {
	if c.Rules[rule].Net == 0 {
		return
	}
	var lines []*Priced
	var bases []int64
	for i := range c.Priced {
		if p := &c.Priced[i]; p.Rule == rule {
			lines, bases = append(lines, p), append(bases, p.Base)
		}
	}
	for i, part := range money.Split(c.Rules[rule].Net, bases) {
		lines[i].Net = part
	}
}

// takeOver takes over what a credit has in common with its order.
func (c *Credit) takeOver(o *Order) {
	c.Merchant, c.Unit, c.OrderedAt = o.Merchant, cmp.Or(c.Unit, o.Currency), o.At
	c.Customer, c.Revenue, c.Refunded = o.Customer, o.Amount, o.Refunded
}
