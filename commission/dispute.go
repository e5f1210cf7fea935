package commission

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"tributary/internal/event"
	"tributary/internal/fault"
	"tributary/internal/money"
	"tributary/internal/text"
)

// A customer may dispute a payment with their bank: a chargeback. While the dispute is open, what the order's credits have for the
// disputed amount is held. One that the merchant wins changes nothing after all, and one that is lost is a refund of the amount.

// DisputeState is what has become of a dispute.
type DisputeState string

// The states.
const (
	DisputeOpen DisputeState = "open"
	DisputeWon  DisputeState = "won"
	DisputeLost DisputeState = "lost"
)

// DisputeStates are all of them.
func DisputeStates() []DisputeState { return []DisputeState{DisputeOpen, DisputeWon, DisputeLost} }

// MaxDisputes is how many disputes an order can have. Of more, the oldest count.
const MaxDisputes = 20

// Dispute is a customer's dispute of an order, or what somebody said about one: that it is open, or what became of it.
type Dispute struct {
	// ID is the dispute's own, unique within the order.
	ID string `json:"id"`
	// At is when it was said that it is open, by the database's clock.
	At time.Time `json:"at"`
	// Amount is what is disputed, in minor units of Currency; 0 where it is the Whole order, as far as it is not refunded.
	Amount int64 `json:"amount,omitempty"`
	// Currency is the order's as the dispute was opened; empty for the order's own. While a report in another stands, the amount
	// takes nothing.
	Currency string       `json:"currency,omitempty"`
	Whole    bool         `json:"whole,omitempty"`
	State    DisputeState `json:"state"`
	// Settled is when it was said that it is won or lost.
	Settled time.Time `json:"settled_at,omitzero"`
}

// Disputed is the content of a row of the inbox: what was said about a dispute, and the order that it is of.
type Disputed struct {
	Merchant int64         `json:"merchant"`
	Keys     event.KeyKind `json:"keys,omitempty"`
	Order    string        `json:"order"`
	Dispute  string        `json:"dispute"`
	State    DisputeState  `json:"state"`
	// Amount, Currency and Whole are as in Dispute, also where it is won or lost.
	Amount   int64  `json:"amount,omitempty"`
	Currency string `json:"currency,omitempty"`
	Whole    bool   `json:"whole,omitempty"`
}

// Key is the key of the order.
func (d *Disputed) Key() []byte { return d.Keys.Key(d.Merchant, d.Order) }

// ParseDisputed reads the content of a row, which must be about the order that the row is of. A state of a later version is a
// *NewerError.
func ParseDisputed(content, key []byte) (d Disputed, err error) {
	if err := json.Unmarshal(content, &d); err != nil {
		return d, fmt.Errorf("reading a dispute: %w", err)
	}
	switch {
	case d.State == "" || d.Dispute == "":
		return d, errors.New("reading a dispute: it lacks its id or its state")
	case !slices.Contains(DisputeStates(), d.State):
		return d, &NewerError{What: fmt.Sprintf("state %q of a dispute", d.State)}
	case d.Whole == (d.Amount != 0) || d.Amount < 0 || d.Amount > money.MaxAmount:
		return d, fmt.Errorf("reading a dispute: it is of %d, and of the whole order: %t", d.Amount, d.Whole)
	case string(d.Key()) != string(key):
		return d, fmt.Errorf("reading a dispute: it is of order %q of merchant %d, its row of %q", d.Order, d.Merchant, key)
	}
	return d, nil
}

// Check says what is wrong with what somebody is about to say about a dispute.
func (d *Disputed) Check() (wrong []fault.Field) {
	add := func(name string, problem, fix text.Message) { wrong = append(wrong, fault.Wrong(name, problem, fix)) }
	if !slices.Contains(DisputeStates(), d.State) {
		add("state", text.WrongChoice(strconv.Quote(string(d.State))), text.FixChoice(joined(DisputeStates())))
	}
	switch amount := strconv.FormatInt(d.Amount, 10); {
	case d.Whole && d.Amount != 0:
		add("amount", text.WrongWholeAndAmount(), text.FixLeaveOneOut())
	case d.Whole:
	case d.Amount == 0:
		add("amount", text.WrongNoDisputeAmount(), text.FixDisputeAmount())
	case d.Amount < 0:
		add("amount", text.WrongBelowOne(amount), text.FixDisputeAmount())
	case d.Amount > money.MaxAmount:
		add("amount", text.WrongMoreThan(strconv.FormatInt(money.MaxAmount, 10), amount), text.FixDisputeAmount())
	}
	return wrong
}

// Of is what was said, as of its row.
func (d *Disputed) Of(at time.Time) Dispute {
	return Dispute{ID: d.Dispute, At: at.UTC(), Amount: d.Amount, Currency: d.Currency, Whole: d.Whole, State: d.State}
}

// FoldDisputes gives the disputes that come of all that was said: each as it was told first, with the first state that it was
// given after that. They are in the order of time, those of one time by their ids, and no more than MaxDisputes.
func FoldDisputes(said []Dispute) []Dispute {
	if len(said) == 0 {
		return nil
	}
	said = slices.SortedFunc(slices.Values(said), func(a, b Dispute) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID), cmp.Compare(truth(a.State != DisputeOpen), truth(b.State != DisputeOpen)),
			cmp.Compare(a.State, b.State), cmp.Compare(a.Amount, b.Amount))
	})
	var disputes []Dispute
	for _, d := range said {
		i := slices.IndexFunc(disputes, func(o Dispute) bool { return o.ID == d.ID })
		if i < 0 && len(disputes) == MaxDisputes {
			continue
		}
		if i < 0 {
			i = len(disputes)
			disputes = append(disputes, Dispute{ID: d.ID, At: d.At, Amount: d.Amount, Currency: d.Currency, Whole: d.Whole, State: DisputeOpen})
		}
		if o := &disputes[i]; o.State == DisputeOpen && d.State != DisputeOpen {
			o.State, o.Settled = d.State, d.At
		}
	}
	return disputes
}

// turn is when a dispute is opened or settled.
type turn struct {
	at      time.Time
	dispute *Dispute
	settles bool
}

// turns are those of all disputes in the order of time, of one time those first that open one; none while the sale is not known.
func (o *Order) turns() (all []turn) {
	if !o.Placed() {
		return nil
	}
	for i := range o.Disputes {
		d := &o.Disputes[i]
		if d.Currency != "" && d.Currency != o.Currency {
			continue
		}
		all = append(all, turn{at: later(d.At, o.At), dispute: d})
		if d.State != DisputeOpen {
			all = append(all, turn{later(d.Settled, o.At), d, true})
		}
	}
	slices.SortStableFunc(all, func(a, b turn) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(truth(a.settles), truth(b.settles)))
	})
	return all
}

// openDisputes are the disputes that are open at some time, in the order in which they were opened, each with what is still disputed
// of its amount.
type openDisputes []openDispute

type openDispute struct {
	*Dispute

	left int64
}

// turn has a dispute begin or end.
func (c openDisputes) turn(t turn) openDisputes {
	if t.settles {
		return c.without(t.dispute.ID)
	}
	return append(c, openDispute{t.dispute, t.dispute.Amount})
}

func (c openDisputes) without(id string) openDisputes {
	return slices.DeleteFunc(c, func(o openDispute) bool { return o.ID == id })
}

// paid takes off what the customer has got back: they no longer dispute that, beginning with what they disputed first.
func (c openDisputes) paid(amount int64) {
	for i := range c {
		if c[i].Whole {
			return // it is about what is left
		}
		back := min(amount, c[i].left)
		c[i].left, amount = c[i].left-back, amount-back
	}
}

// paidBack is what the customer got back by a refund.
func (o *Order) paidBack(r *Refund) int64 {
	sum := r.Shipping + o.beyondLines(r)
	for _, t := range r.Taken {
		sum += t.Amount
	}
	return sum
}

// turn has a dispute begin or end; one that is lost takes what is still disputed, as far as it is there.
func (o *Order) turn(open openDisputes, t turn) openDisputes {
	if i := slices.IndexFunc(open, func(c openDispute) bool { return c.ID == t.dispute.ID }); t.settles && i >= 0 && t.dispute.State == DisputeLost {
		o.lose(&open[i], t.at)
	}
	return open.turn(t)
}

// lose refunds what is disputed.
func (o *Order) lose(c *openDispute, at time.Time) {
	r := c.refund(at)
	if c.Whole {
		for n := range o.Lines {
			o.takeAll(&r, &o.Lines[n])
		}
		o.refundShipping(&r, 0, true)
	} else {
		r.Beyond = o.spread(&r, c.left)
	}
	o.Refunds = append(o.Refunds, r)
}

// refund is the refund of what is disputed, before it has taken anything. It counts by when the dispute was opened.
func (c *openDispute) refund(at time.Time) Refund {
	return Refund{ID: c.ID, At: c.At, Effective: at, Dispute: true, received: c.At, whole: c.Whole}
}

// remains is what is left of an order's lines and delivery on its way through what happened, and what is disputed of it.
type remains struct {
	o        *Order
	lines    []int64
	shipping int64
	open     openDisputes
	// left and refunds are room for lost.
	left    []int64
	refunds []Refund
}

// remains are those of the order before anything happened.
func (o *Order) remains() *remains {
	w := remains{o: o, lines: make([]int64, len(o.Lines)), shipping: o.Shipping}
	for n := range o.Lines {
		w.lines[n] = o.Lines[n].Amount
	}
	return &w
}

// after goes on past what happened, and gives the refunds that the disputes would be that are open then, until it goes on again.
func (w *remains) after(h *happening) []Refund {
	switch {
	case h.turn != nil:
		w.open = w.open.turn(*h.turn)
	case h.refund:
		w.take(&w.o.Refunds[h.of])
	}
	return w.lost()
}

// take takes a refund off.
func (w *remains) take(r *Refund) {
	for _, t := range r.Taken {
		n, _ := w.o.line(t.Line)
		w.lines[n] -= t.Amount
	}
	w.shipping -= r.Shipping
	if r.Dispute {
		w.open = w.open.without(r.ID)
	} else {
		w.open.paid(w.o.paidBack(r))
	}
}

// lost are the refunds that the open disputes would be if all were lost at once.
func (w *remains) lost() []Refund {
	w.left = append(w.left[:0], w.lines...)
	w.refunds = slices.Grow(w.refunds[:0], len(w.open))[:len(w.open)]
	sum, shipping := int64(0), w.shipping
	for _, amount := range w.left {
		sum += amount
	}
	for i := range w.open {
		c, taken := &w.open[i], w.refunds[i].Taken[:0]
		r := c.refund(c.At)
		r.Received = c.At
		takes := w.left
		if c.Whole {
			r.Whole, r.Shipping, shipping = len(w.left) == 0, shipping, 0
			sum = 0
		} else {
			spread := min(c.left, sum)
			r.Beyond, takes, sum = c.left-spread, nil, sum-spread
			if spread > 0 {
				takes = money.Split(spread, w.left)
			}
		}
		for n, amount := range takes {
			l, pieces := &w.o.Lines[n], int64(0)
			if c.Whole {
				pieces = l.Quantity
			}
			if amount > 0 || pieces > 0 {
				taken = append(taken, Taken{Line: l.Number, Amount: amount, Pieces: pieces})
			}
			w.left[n] -= amount
		}
		r.Taken = taken
		w.refunds[i] = r
	}
	return w.refunds
}

// dispute enters what is held of each credit by disputes that are open.
func (d *Decision) dispute() {
	if !slices.ContainsFunc(d.Order.Disputes, func(o Dispute) bool { return o.State == DisputeOpen }) {
		return
	}
	t := d.timeline(&scratch{})
	for i := range d.Credits {
		d.Credits[i].Disputed = t.disputed(len(t.at)-1, i, len(d.Credits)).net
	}
}

// disputed is what is held of credit i of n from a step on. Shares are rounded by largest remainder, so that one of less may be
// one more: nothing is held then.
func (t *timeline) disputed(step, i, n int) (held part) {
	if t.undisputed == nil {
		return part{}
	}
	has, free := t.of(step, i, n), t.undisputed[step*n+i]
	return part{net: max(0, has.net-free.net), fee: has.fee - free.fee}
}

func (d *Dispute) appendJSON(dst []byte) []byte {
	dst = appendText(dst, `{"id":`, d.ID)
	dst = appendTime(dst, `,"at":`, d.At)
	dst = optNumber(dst, `,"amount":`, d.Amount)
	dst = optText(dst, `,"currency":`, d.Currency)
	if d.Whole {
		dst = append(dst, `,"whole":true`...)
	}
	dst = appendText(dst, `,"state":`, string(d.State))
	return append(optTime(dst, `,"settled_at":`, d.Settled), '}')
}
