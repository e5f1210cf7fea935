package commission

import (
	"time"

	"tributary/internal/money"
	"tributary/partners"
)

// Decision is what follows from the facts of an order: who earns what on it, and why, or why nobody does. It is the
// record of itself: AppendJSON writes it, UnmarshalRecord reads it.
type Decision struct {
	// Outcome is Credited, or the reason why nobody earns.
	Outcome Reason `json:"outcome"`
	Order   Order  `json:"order"`
	// Touches are all that could have earned, the click first. There are none while the sale is not known.
	Touches []Touch `json:"touches,omitempty"`
	// Credits are what partners earn: at most one, since the last click takes all.
	Credits []Credit `json:"credits,omitempty"`
}

// Credit is what one partner earns on an order, as things stand. Amounts are minor units of the order's currency. What it
// shares with the order is not repeated in the record; UnmarshalRecord puts it back.
type Credit struct {
	Merchant partners.MerchantID `json:"-"`
	Program  partners.ProgramID  `json:"program"`
	Partner  partners.PartnerID  `json:"partner"`
	Link     partners.LinkID     `json:"link"`
	Currency string              `json:"-"`
	// OrderedAt is when the order was placed.
	OrderedAt time.Time `json:"-"`
	// Terms are those in force at OrderedAt.
	Terms TermsApplied `json:"terms"`
	// HoldUntil is when what is pending becomes payable.
	HoldUntil time.Time `json:"hold_until"`
	// Lines counts the lines with a rate above zero.
	Lines int `json:"lines"`
	// Revenue and Refunded are of the whole order, lines at a rate of zero included.
	Revenue  int64 `json:"-"`
	Refunded int64 `json:"-"`
	// Gross is the commission before refunds, Net after them, Fee the network's fee on Net, which the merchant owes on
	// top.
	Gross int64 `json:"gross"`
	Net   int64 `json:"net"`
	Fee   int64 `json:"fee"`
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
	Kind partners.Kind `json:"kind"`
}

// Priced is the arithmetic of one line: Base x Rate = Exact, rounded to Net; Net x the network's fee = FeeExact, rounded
// to Fee.
type Priced struct {
	Line int64 `json:"n"`
	// Matched is the category of the rate's row: the line's own, "*" for the row of all others, empty for none.
	Matched string     `json:"matched,omitempty"`
	Rate    money.Rate `json:"rate"`
	// Base is what is left of the line's amount after refunds.
	Base     int64         `json:"base"`
	Exact    money.Product `json:"exact,omitzero"`
	Net      int64         `json:"net,omitempty"`
	FeeExact money.Product `json:"fee_exact,omitzero"`
	Fee      int64         `json:"fee,omitempty"`
}

// Decide says who earns what on an order, from the order, its click (the zero Click when it carries none) and the
// network as it is known now. It depends on nothing else: no clock, and no earlier decision.
func Decide(order Order, click Click, network *partners.Catalogue) Decision {
	var found offer
	if order.Placed() && order.ClickID != "" && click.Refused == "" {
		found = find(network, click.Link, order.At)
	}
	return decide(order, click, found)
}

// decide is Decide once everything has been looked up.
func decide(order Order, click Click, found offer) Decision {
	d := Decision{Order: order, Touches: attribute(&order, click, found)}
	switch {
	case !order.Placed():
		d.Outcome = AwaitingSale
	case order.ClickID == "":
		d.Outcome = NoClick
	default:
		d.Outcome = d.Touches[0].Reason
	}
	if d.Outcome == Credited {
		d.Credits = []Credit{price(&order, found)}
	}
	return d
}

// price applies the terms to every line.
func price(o *Order, found offer) Credit {
	terms := found.terms
	c := Credit{
		Program: found.program.ID, Partner: found.partner.ID, Link: found.link.ID,
		Terms: TermsApplied{
			Version: terms.Version, EffectiveFrom: terms.EffectiveFrom, HoldSeconds: int64(terms.Hold / time.Second),
			NetworkFee: terms.NetworkFee, Kind: found.partner.Kind,
		},
		HoldUntil: o.At.Add(terms.Hold),
		Priced:    make([]Priced, len(o.Lines)),
	}
	c.share(o)
	for i := range o.Lines {
		l, p := &o.Lines[i], &c.Priced[i]
		p.Line = l.Number
		p.Rate, p.Matched = terms.Rate(found.partner.Kind, l.Category)
		p.Base = l.Amount - l.Refunded
		p.Exact = p.Rate.Exact(p.Base)
		p.Net = p.Exact.Round()
		p.FeeExact = terms.NetworkFee.Exact(p.Net)
		p.Fee = p.FeeExact.Round()
		c.Gross += p.Rate.Of(l.Amount)
		c.Net += p.Net
		c.Fee += p.Fee
		if p.Rate > 0 {
			c.Lines++
		}
	}
	return c
}

// share takes over what a credit has in common with its order.
func (c *Credit) share(o *Order) {
	c.Merchant, c.Currency, c.OrderedAt = o.Merchant, o.Currency, o.At
	c.Revenue, c.Refunded = o.Amount, o.Refunded
}
