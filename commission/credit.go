package commission

import (
	"cmp"
	"time"

	"tributary/internal/money"
	"tributary/partners/program"
)

// Credit is what somebody earns on an order in one role, as things stand. Amounts are minor units of Unit. What it shares
// with the order is not repeated in the record, nor are rules and prices that the credit before it has, too, nor terms that are
// a full document; UnmarshalRecord puts all of it back.
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
	Terms TermsApplied `json:"terms,omitzero"`
	// HoldUntil is when what is pending becomes payable: the hold runs from when the order was placed or its report was
	// received, whichever is later, so that nobody shortens it by what they state; of an import from when it was placed.
	HoldUntil time.Time `json:"hold_until,omitzero"`
	// Lines counts the lines for which a rule pays.
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
	// Disputed is the part of Net that is held because the customer disputes their payment.
	Disputed int64 `json:"disputed,omitempty"`
	// Counted says in which periods the credit counts; nil where the terms have none for it.
	Counted *Counted `json:"counted,omitempty"`
	// Rate turns amounts of the order's currency into Unit; nil where they are the same, and for points.
	Rate *Rate `json:"rate,omitempty"`
	// RefundsUntil is until when refunds count, stated and received by then; zero where they always do.
	RefundsUntil time.Time `json:"refunds_until,omitzero"`
	// Unpaid is why a partner who shares the order gets nothing for its part: NoRule or Restricted. There are no rules then.
	Unpaid Reason `json:"unpaid,omitempty"`
	// From are, for each of Rules, the partners for whose part of the order it pays; none where that is all of it, as it is to
	// those partners themselves, and in what a partner reads of the record.
	From [][]program.PartnerID `json:"from,omitempty"`
	// Rules are the rules of the terms that price lines of the order, in the order of the first line of each: what the order
	// is worth to this credit if it takes all.
	Rules []Rule `json:"rules,omitempty"`
	// Priced are the lines of the order in their order: under plain terms each of them once, under a full document once for
	// each rule that pays for it.
	Priced []Priced `json:"priced,omitempty"`
	// Lost are the rules of a full document that were about the same lines as others, which came before them.
	Lost []Lost `json:"lost,omitempty"`
	// Held and Declined are what reviews have made of it in the end: kept back, or nobody's. Order.Reviews says so in the record.
	Held, Declined bool `json:"-"`
}

// TermsApplied names the terms that priced a credit.
type TermsApplied struct {
	Version       int       `json:"version"`
	EffectiveFrom time.Time `json:"effective_from"`
	HoldSeconds   int64     `json:"hold_s"`
	// ExtensionSeconds is by how much the merchant may extend the hold, once.
	ExtensionSeconds int64 `json:"extension_s,omitempty"`
	// NetworkFee is a rate of the commission.
	NetworkFee money.Rate `json:"network_fee"`
	// Kind is that of the partner whose rates apply.
	Kind program.Kind `json:"kind"`
	// Full says that they are a full document, whose rules are named by ID; the rules of plain terms are rows, named by what
	// they matched.
	Full bool `json:"full,omitempty"`
	// Base is what the rates of a full document are taken of.
	Base program.Base `json:"base,omitzero"`
	// Rules are those of a full document from number 3 on, which the record has to know; 0 for those of before.
	Rules int `json:"rules,omitempty"`
}

// rules3 reports whether the terms stand under rules 3 or later.
func (t *TermsApplied) rules3() bool { return t.Rules >= program.Rules3 }

// Rule is a rule of the terms with all lines that it prices, summed before they are rounded: Base x Rate = Exact and a fixed
// amount for each of Left, together rounded once and at most Max, are Net. Amounts beside Amount and Base are in the credit's
// unit.
type Rule struct {
	// ID names a rule of a full document within its scope; one without a name there is called by its place, "#3" for the third.
	ID    string            `json:"id,omitempty"`
	Scope program.ScopeKind `json:"scope,omitempty"`
	// Matched is the category of a row: that of the lines, "*" for the row of all others, empty for lines without one.
	Matched string     `json:"matched,omitempty"`
	Rate    money.Rate `json:"rate"`
	// Of is what the rate is of where that is not the sale: what the partners of Credit.From earn, or the fee on that.
	Of program.Of `json:"of,omitempty"`
	// Fixed is paid for each of what Per says, of which there were Units and there are Left after refunds. For each order or
	// line it is owed only while the order is at least Min.
	Fixed int64       `json:"fixed,omitempty"`
	Per   program.Per `json:"per,omitempty"`
	Units int64       `json:"units,omitempty"`
	Left  int64       `json:"left,omitempty"`
	Min   int64       `json:"min,omitempty"`
	// Max is the most that the rule pays on the order; 0 for no bound.
	Max int64 `json:"max,omitempty"`
	// Amount is what the rate is taken of, of all its lines together in the order's currency, and Base what is left of that
	// after refunds. Of what others earn they are in the credit's unit.
	Amount int64         `json:"amount"`
	Base   int64         `json:"base"`
	Exact  money.Product `json:"exact,omitzero"`
	Net    int64         `json:"net,omitempty"`
}

// Name is what the terms call the rule: its ID, or of plain terms what it matched.
func (r *Rule) Name() string { return cmp.Or(r.ID, r.Matched) }

// Lost is a rule that was about lines for which another one pays.
type Lost struct {
	ID    string            `json:"id"`
	Scope program.ScopeKind `json:"scope,omitempty"`
	// Rule is the index of the one that pays, and By what put it first.
	Rule int `json:"rule"`
	By   Why `json:"by"`
	// Worth is what it would have been worth on those lines before refunds, and Won what the other one was.
	Worth int64 `json:"worth"`
	Won   int64 `json:"won"`
}

// Priced is one line's part of what its rule earns.
type Priced struct {
	Line int64 `json:"n"`
	// Rule is the index of the line's rule.
	Rule int `json:"rule"`
	// Base is what is left after refunds of what the rule's rate is taken of, without delivery.
	Base int64 `json:"base"`
	// Net is the line's part of the rule's Net, in proportion to Base, or to what a rule without a rate pays for, by largest
	// remainder; of equal ones the lower line number gets it.
	Net int64 `json:"net,omitempty"`
}

// takeOver takes over what a credit has in common with its order.
func (c *Credit) takeOver(o *Order) {
	c.Merchant, c.Unit, c.OrderedAt = o.Merchant, cmp.Or(c.Unit, o.Currency), o.At
	c.Customer, c.Revenue, c.Refunded = o.Customer, o.Amount, o.Refunded
}
