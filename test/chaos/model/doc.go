// Package model is a second opinion on step 5 of the life of a click: what the books must say, worked out from the facts
// alone with plain maps and plain integers. It follows the written rules of attribution, money and the ledger and shares
// no code with the stages that it judges, so that a mistake would have to be made twice in different words.
//
// It knows only how things end. Times of postings, corrections and intermediate states are not its business.
package model

import (
	"slices"
	"time"
)

// World is who is in the network, as far as money depends on it.
type World struct {
	Programs map[int64]*Program `json:"programs"`
	Links    map[int64]Link     `json:"links"`
	Partners map[int64]string   `json:"partners"` // "site" or "member"
	// Codes are the coupons and referral codes of each merchant. All are in force at all times.
	Codes map[int64]map[string]Code `json:"codes,omitempty"`
	// Outs are when partners are not in a program that they have links of.
	Outs []Out `json:"outs,omitempty"`
}

// Out is a partner who is not in a program from a time on until another, in whole milliseconds; for good where Until is zero.
type Out struct {
	Program int64     `json:"program"`
	Partner int64     `json:"partner"`
	From    time.Time `json:"from"`
	Until   time.Time `json:"until,omitzero"`
}

// Out tells whether a partner is out of a program at a time.
func (w *World) Out(program, partner int64, at time.Time) bool {
	return slices.ContainsFunc(w.Outs, func(o Out) bool {
		return o.Program == program && o.Partner == partner && !at.Before(o.From) && (o.Until.IsZero() || at.Before(o.Until))
	})
}

// Turns tells whether a partner goes out of a program or comes back between two times.
func (w *World) Turns(program, partner int64, from, to time.Time) bool {
	within := func(t time.Time) bool { return !t.Before(from.Add(-time.Millisecond)) && !t.After(to) }
	return slices.ContainsFunc(w.Outs, func(o Out) bool {
		return o.Program == program && o.Partner == partner && (within(o.From) || within(o.Until))
	})
}

// Code is a coupon or referral code of a partner.
type Code struct {
	Program   int64 `json:"program"`
	Partner   int64 `json:"partner"`
	Exclusive bool  `json:"exclusive,omitempty"` // comes before clicks; others come after them
}

// Program belongs to a merchant and has terms, in the order in which they take effect.
type Program struct {
	Merchant   int64    `json:"merchant"`
	Currencies []string `json:"currencies"`
	Terms      []Terms  `json:"terms"`
}

// Terms are in force from a time on, until the next ones are.
type Terms struct {
	From   time.Time     `json:"from"`
	Window time.Duration `json:"window"` // a click exactly this old earns
	Hold   time.Duration `json:"hold"`   // from the order's time or its receipt on, whichever is later
	Fee    int64         `json:"fee"`    // the network's part of the commission, per million, on top of it
	// Rates are per million of a line's amount, by kind of partner and by category; "*" is for the categories not named.
	Rates map[string]map[string]int64 `json:"rates"`
	// Shares divide what an order earns by its last click; none is all of it for whose click that was.
	Shares []Share `json:"shares,omitempty"`
	// Returning are the rates for customers who had bought before, where they have others than Rates.
	Returning map[string]map[string]int64 `json:"returning,omitempty"`
	// Position divides an order between all clicks that led to it: two fifths for the first, two for the last, one for those
	// between them. Else the last one has all.
	Position bool `json:"position,omitempty"`
	// Path says that earlier clicks of the visitor are looked up: those of the tracker's cookie.
	Path bool `json:"path,omitempty"`
	// Codes says that coupons and referral codes earn too.
	Codes bool `json:"codes,omitempty"`
	// Months is for how long a customer stays with the partner who brought them; 0 is not at all.
	Months int `json:"months,omitempty"`
	// Periods are what a calendar month's orders come to beside what each earns.
	Periods []Period `json:"periods,omitempty"`
	// Extension is by how much the hold of an order may be extended, once; 0 is not at all.
	Extension time.Duration `json:"extension,omitempty"`
	// PerClick is what each click that counts is paid, minor units, by country; "" is for those not named.
	PerClick map[string]int64 `json:"per_click,omitempty"`
}

// Share is somebody's part of an order, at the rates of its own kind.
type Share struct {
	Partner int64         `json:"partner,omitempty"` // 0 is the partner of the link
	Role    string        `json:"role"`              // the network's fee is on what those in the role "partner" have
	Parts   int64         `json:"parts"`             // of those of all shares
	Longer  time.Duration `json:"longer,omitempty"`  // how much longer it is held
}

// Period pays for what a partner's orders of a calendar month, UTC, come to together.
type Period struct {
	ID          string `json:"id"`
	Measure     string `json:"measure"` // count, revenue or commission, after refunds
	Retroactive bool   `json:"retroactive,omitempty"`
	Tiers       []Tier `json:"tiers,omitempty"`
	Cap         int64  `json:"cap,omitempty"` // what is above is taken back
}

// Tier pays from a measure on: millionths of the measure, or an amount once.
type Tier struct {
	From    int64 `json:"from"`
	Percent int64 `json:"percent,omitempty"`
	Once    int64 `json:"once,omitempty"`
}

// Bonus names what a rule pays a partner for a month.
type Bonus struct {
	Merchant, Program, Partner int64
	Rule, Month, Currency      string
}

// Link leads from a partner to a program.
type Link struct {
	Program int64 `json:"program"`
	Partner int64 `json:"partner"`
}

// OrderKey names an order: ids are a merchant's own.
type OrderKey struct {
	Merchant int64  `json:"merchant"`
	Order    string `json:"order"`
}

// Sale is an order as its merchant reported it first.
type Sale struct {
	OrderKey

	At time.Time `json:"at"`
	// Received is when the network received the report; nobody asks of an operator's import.
	Received time.Time `json:"received,omitzero"`
	Imported bool      `json:"imported,omitempty"`
	Currency string    `json:"currency"`
	Lines    []Line    `json:"lines"`
	Click    *Click    `json:"click,omitempty"`
	// Path are earlier clicks of the visitor, none at the same millisecond as another.
	Path []Click `json:"path,omitempty"`
	// Before are those that the visitor's cookie held when Click was made, where they are looked up.
	Before []Click `json:"before,omitempty"`
	// Coupon and Code are what was typed in, Customer is who bought; empty for none.
	Coupon   string `json:"coupon,omitempty"`
	Code     string `json:"code,omitempty"`
	Customer string `json:"customer,omitempty"`

	counted bool // it is of clicks, which Click alone brought
}

// Line is a position, numbered from 1 in the order of the list. Amount is of all pieces, in minor units.
type Line struct {
	SKU      string `json:"sku"`
	Category string `json:"category"`
	Quantity int64  `json:"quantity"`
	Amount   int64  `json:"amount"`

	country, device string // of clicks
}

// Click is what an order's click id says; Forged where it says nothing that can be believed.
type Click struct {
	ID     string    `json:"id,omitempty"` // of one in a path
	Link   int64     `json:"link"`
	At     time.Time `json:"at"`
	Forged bool      `json:"forged,omitempty"`
}

// Refund takes back items, or an amount of the order as a whole, or everything: just one of the three.
type Refund struct {
	OrderKey

	ID     string    `json:"id"`
	At     time.Time `json:"at"`
	Items  []Item    `json:"items,omitempty"`
	Amount int64     `json:"amount,omitempty"`
	Whole  bool      `json:"whole_order,omitempty"`
}

// Item names a line by its number or the lines of a SKU, and takes back pieces, an amount, or all of it: just one of the three.
type Item struct {
	Line     int    `json:"line,omitempty"`
	SKU      string `json:"sku,omitempty"`
	Quantity int64  `json:"quantity,omitempty"`
	Amount   int64  `json:"amount,omitempty"`
	Whole    bool   `json:"whole_line,omitempty"`
}

// Account is one of the books': the merchant's, or the merchant's with a partner.
type Account struct {
	Kind     string
	Merchant int64
	Partner  int64 // 0 where no partner owns it
	Currency string
}

// Commission is what a partner earns on an order in the end, minor units.
type Commission struct {
	Partner, Program, Link int64
	Role                   string
	Currency               string
	Lines                  int // with a rate above zero
	Revenue, Refunded      int64
	Gross, Net, Fee        int64
	Pending, Payable, Held int64
	State                  string
}

// Order is what is known of an order in the end.
type Order struct {
	Placed           bool
	Credited         bool
	Void             bool
	Clicks           bool // it is of clicks that were counted
	Amount, Refunded int64
	Commissions      []Commission // sorted by partner and role; none where nobody earns
}

// Equal tells whether the same is known of both.
func (o Order) Equal(other Order) bool {
	return o.Placed == other.Placed && o.Credited == other.Credited && o.Void == other.Void && o.Clicks == other.Clicks &&
		o.Amount == other.Amount && o.Refunded == other.Refunded && slices.Equal(o.Commissions, other.Commissions)
}
