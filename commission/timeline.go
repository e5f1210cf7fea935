package commission

import (
	"slices"
	"time"

	"tributary/commission/ledger/chart"
)

// timeline is what the credits of a decision amount to from each time on: from the sale, then from the refunds and disputes of
// each effective time and from each decline.
type timeline struct {
	at []time.Time
	// parts are those of all credits at each time in turn.
	parts []part
	// undisputed is what parts would be if all disputes that are open were lost; nil where there are none.
	undisputed []part
	// gone are the credits that are declined from each time on, and after counts the order's reviews that come before it; both
	// are nil where there are no reviews.
	gone  []set
	after []int
}

// of is what credit i of n amounts to from a step on.
func (t *timeline) of(step, i, n int) part { return t.parts[step*n+i] }

// goneAt are the credits that are declined from a step on.
func (t *timeline) goneAt(step int) set {
	if t.gone == nil {
		return 0
	}
	return t.gone[step]
}

// timeline works out what is left of the lines of each rule at each time and divides it, so that nothing is ever a sum of
// rounded refunds.
func (d *Decision) timeline(room *scratch) timeline {
	t := timeline{at: room.at[:0], parts: room.parts[:0]}
	t.at, t.parts = append(t.at, d.Order.At), d.parts(t.parts, d.worths(room.full[:0], (*Credit).sold, 0), 0)
	happened := d.happened()
	if len(happened) == 0 {
		return t
	}
	if len(d.Order.Reviews) > 0 {
		t.gone, t.after = []set{0}, []int{0}
	}
	width := d.width()
	left, lost := d.afterEach(happened)
	if lost != nil {
		t.undisputed = slices.Clone(t.parts)
	}
	for n := range happened {
		h := &happened[n]
		if last := len(t.at) - 1; n > 0 && !h.declines() && !happened[n-1].declines() && t.at[last].Equal(h.at) {
			t.cut(last, len(d.Credits))
		}
		t.at, t.parts = append(t.at, h.at), d.parts(t.parts, left[n*width:][:width], h.gone)
		if lost != nil {
			t.undisputed = d.parts(t.undisputed, lost[n*width:][:width], h.gone)
		}
		if t.gone != nil {
			t.gone, t.after = append(t.gone, h.gone), append(t.after, h.after)
		}
	}
	return t
}

// cut takes the steps from one on off, of so many credits.
func (t *timeline) cut(step, credits int) {
	t.at, t.parts = t.at[:step], t.parts[:step*credits]
	if t.undisputed != nil {
		t.undisputed = t.undisputed[:step*credits]
	}
	if t.gone != nil {
		t.gone, t.after = t.gone[:step], t.after[:step]
	}
}

// happening is a refund, the turn of a dispute or a decline.
type happening struct {
	at     time.Time
	refund bool
	// of is its index among the refunds or the reviews.
	of   int
	turn *turn
	// gone are the credits that are declined from it on, and after counts the reviews that come before it.
	gone  set
	after int
}

func (h *happening) declines() bool { return !h.refund && h.turn == nil }

// happened are the refunds, the turns of disputes and the declines of the order: of one time the refunds first, and its reviews
// last.
func (d *Decision) happened() (all []happening) {
	o := &d.Order
	gone, next := set(0), 0
	declines := func(before time.Time) {
		for ; next < len(o.Reviews); next++ {
			r := &o.Reviews[next]
			at := r.effective(o)
			if !before.IsZero() && !at.Before(before) {
				return
			}
			if r.Verb == Decline && r.NoEffect == "" {
				gone |= d.of(r)
				all = append(all, happening{at: at, of: next, gone: gone, after: next})
			}
		}
	}
	turns := o.turns()
	turned := func(before time.Time) {
		for ; len(turns) > 0 && (before.IsZero() || turns[0].at.Before(before)); turns = turns[1:] {
			declines(turns[0].at)
			all = append(all, happening{at: turns[0].at, turn: &turns[0], gone: gone, after: next})
		}
	}
	if len(o.Refunds) > 0 {
		all = make([]happening, 0, len(o.Refunds)+len(turns))
	}
	for n := range o.Refunds {
		turned(o.Refunds[n].Effective)
		declines(o.Refunds[n].Effective)
		all = append(all, happening{at: o.Refunds[n].Effective, refund: true, of: n, gone: gone, after: next})
	}
	turned(time.Time{})
	declines(time.Time{})
	return all
}

// afterEach is what worths gives after each of what happened in turn, and what it would give if all disputes were lost that are open
// then; lost is nil where the order has no disputes.
func (d *Decision) afterEach(happened []happening) (left, lost []int64) {
	o, width := &d.Order, d.width()
	left = make([]int64, len(happened)*width)
	credits := make([]remainder, len(d.Credits))
	for i := range credits {
		credits[i] = d.Credits[i].before(o)
	}
	var contested *remains
	var room *remainder
	if len(o.Disputes) > 0 {
		contested, room, lost = o.remains(), new(remainder), make([]int64, len(left))
	}
	for n := range happened {
		h := &happened[n]
		for i := range credits {
			if h.refund {
				credits[i].take(&o.Refunds[h.of])
			}
			d.value(left[n*width:][:width], i, credits[i].of, h.gone)
		}
		if contested == nil {
			continue
		}
		besides := contested.after(h)
		for i := range credits {
			d.value(lost[n*width:][:width], i, credits[i].after(besides, room).of, h.gone)
		}
	}
	return left, lost
}

// ByCredit is what should stand on the books for each credit, in the order of time, once all holds that end at or before
// until are over: what was pending at HoldUntil is then payable, and refunds at or after it take from there. The zero time
// ends none.
func (d *Decision) ByCredit(until time.Time) [][]Movement {
	if len(d.Credits) == 0 {
		return nil
	}
	t := d.timeline(&scratch{})
	all := make([][]Movement, len(d.Credits))
	for i := range d.Credits {
		all[i] = d.movements(&t, i, until)
	}
	return all
}

// places are the accounts that a credit comes from and where it is: pending, later payable, or held.
type places struct{ from, pending, payable, held chart.Kind }

// places are those of the credit's role: a customer is given what its merchant issues, and what is held of that is pending.
func (c *Credit) places() places {
	if c.Role == RoleCustomer {
		return places{chart.PromotionsIssued, chart.WalletPending, chart.Wallet, chart.WalletPending}
	}
	return places{chart.MerchantReceivable, chart.PartnerPending, chart.PartnerPayable, chart.PartnerHeld}
}

// at is the account of a credit that is in a state.
func (p places) at(s State) chart.Kind {
	if s == Payable {
		return p.payable
	}
	if s == Held {
		return p.held
	}
	return p.pending
}

// course is a credit on its way through the books.
type course struct {
	c        *Credit
	places   places
	released bool // its hold is over, as of now
	state    State
	// has is all that there is, and disputed what is held of it wherever the rest is.
	has, disputed part
	done          []Movement
}

// movements are those of credit i once all holds that end at or before until are over.
func (d *Decision) movements(t *timeline, i int, until time.Time) []Movement {
	c, n := &d.Credits[i], len(d.Credits)
	w := course{c: c, places: c.places(), released: c.Released(until), state: Pending, has: t.of(0, i, n)}
	count := 2 * len(t.at)
	if w.released {
		count += 2
	}
	w.done = make([]Movement, 0, count)
	w.earn(CauseSale, c.OrderedAt, w.places.from, w.places.pending, w.has.net)
	w.charge(CauseSale, c.OrderedAt, chart.MerchantReceivable, chart.FeePending, w.has.fee)
	next := 0
	for step := 1; step < len(t.at); step++ {
		now, disputed := t.of(step, i, n), t.disputed(step, i, n)
		cause := CauseRefund
		if now == w.has && disputed != w.disputed {
			cause = CauseDispute
		}
		if t.gone != nil {
			w.reviews(d, i, next, t.after[step])
			if next = t.after[step]; t.gone[step] != t.gone[step-1] {
				cause = CauseReview
			}
		}
		w.change(cause, t.at[step], now, disputed)
	}
	w.reviews(d, i, next, len(d.Order.Reviews))
	w.release(c.HoldUntil)
	return w.done
}

// release moves what is pending when the hold ends, if that is by a time.
func (w *course) release(by time.Time) {
	if !w.released || w.state != Pending || by.Before(w.c.HoldUntil) {
		return
	}
	w.move(CauseRelease, w.c.HoldUntil, Payable)
}

// move moves what is not disputed to another state, and the fee with it: only with what is payable it is earned.
func (w *course) move(cause Cause, at time.Time, to State) {
	w.earn(cause, at, w.places.at(w.state), w.places.at(to), w.has.net-w.disputed.net)
	w.charge(cause, at, feeOf(w.state), feeOf(to), w.has.fee-w.disputed.fee)
	w.state = to
}

// feeOf is the account of the network's fee on what is in a state.
func feeOf(s State) chart.Kind {
	if s == Payable {
		return chart.FeeEarned
	}
	return chart.FeePending
}

// change takes back what there is no more of, and holds what is disputed of the rest.
func (w *course) change(cause Cause, at time.Time, now, disputed part) {
	w.release(at)
	place, fee := w.places.at(w.state), feeOf(w.state)
	back := part{w.has.net - now.net, w.has.fee - now.fee}
	held := back.of(part{w.disputed.net - disputed.net, w.disputed.fee - disputed.fee}) // of that which was disputed
	if place == w.places.held {
		held.net = 0
	}
	if fee == feeOf(Held) {
		held.fee = 0
	}
	w.earn(cause, at, w.places.held, w.places.from, held.net)
	w.earn(cause, at, place, w.places.from, back.net-held.net)
	w.earn(cause, at, w.places.held, place, w.disputed.net-disputed.net-held.net)
	w.charge(cause, at, feeOf(Held), chart.MerchantReceivable, held.fee)
	w.charge(cause, at, fee, chart.MerchantReceivable, back.fee-held.fee)
	w.charge(cause, at, feeOf(Held), fee, w.disputed.fee-disputed.fee-held.fee)
	w.has, w.disputed = now, disputed
}

// of is as much of what is taken back as is less disputed.
func (p part) of(freed part) part {
	return part{max(0, min(p.net, freed.net)), max(0, min(p.fee, freed.fee))}
}

// reviews has the order's reviews from first to before last hold and release credit i.
func (w *course) reviews(d *Decision, i, first, last int) {
	for n := first; n < last; n++ {
		r := &d.Order.Reviews[n]
		if r.NoEffect != "" || !d.of(r).has(i) {
			continue
		}
		at := r.effective(&d.Order)
		switch {
		case r.Verb == Hold && w.state != Held:
			w.release(at)
			w.move(CauseReview, at, Held)
		case r.Verb == Unhold && w.state == Held && w.released && !at.Before(w.c.HoldUntil):
			w.move(CauseReview, at, Payable)
		case r.Verb == Unhold && w.state == Held:
			w.move(CauseReview, at, Pending)
		}
	}
}

// earn appends a movement of what the credit earns.
func (w *course) earn(cause Cause, at time.Time, debit, credit chart.Kind, amount int64) {
	m := Movement{At: at, Cause: cause, Debit: debit, Credit: credit, Partner: w.c.Partner, Amount: amount}
	if w.c.Role == RoleCustomer {
		m.Customer = w.c.Customer
	}
	w.book(&m)
}

// charge appends a movement of the network's fee on it.
func (w *course) charge(cause Cause, at time.Time, debit, credit chart.Kind, amount int64) {
	w.book(&Movement{At: at, Cause: cause, Debit: debit, Credit: credit, Amount: amount})
}

// book appends a movement, unless it moves nothing. An amount below zero goes the other way: by largest remainder a refund
// may take one more from one share and give it to another.
func (w *course) book(m *Movement) {
	if m.Amount == 0 || m.Debit == m.Credit {
		return
	}
	m.Merchant, m.Unit = w.c.Merchant, w.c.Unit
	m.setUpright()
	w.done = append(w.done, *m)
}

// setUpright turns a movement of an amount below zero round.
func (m *Movement) setUpright() {
	if m.Amount < 0 {
		m.Debit, m.Credit, m.Amount = m.Credit, m.Debit, -m.Amount
	}
}

// ofFee reports whether it moves the network's fee, which is nobody's in particular.
func (m *Movement) ofFee() bool { return m.Partner == 0 && m.Customer == "" }

// Together are the movements of all credits of an order in the order of time, with one of the network's fee at each time and
// pair of accounts.
func Together(byCredit [][]Movement) []Movement {
	if len(byCredit) == 0 {
		return nil
	}
	if len(byCredit) == 1 {
		return byCredit[0]
	}
	all := slices.Concat(byCredit...)
	slices.SortStableFunc(all, func(a, b Movement) int { return a.At.Compare(b.At) })
	kept := all[:0]
	for _, m := range all {
		if !m.ofFee() || !absorb(kept, &m) {
			kept = append(kept, m)
		}
	}
	kept = slices.DeleteFunc(kept, func(m Movement) bool { return m.Amount == 0 })
	for i := range kept {
		kept[i].setUpright()
	}
	return kept
}

// absorb adds a movement of the fee to the last one of its time, cause, unit and accounts, whichever way round.
func absorb(kept []Movement, m *Movement) bool {
	for i := len(kept) - 1; i >= 0 && kept[i].At.Equal(m.At); i-- {
		switch k := &kept[i]; {
		case k.Cause != m.Cause || k.Unit != m.Unit:
		case k.Debit == m.Debit && k.Credit == m.Credit:
			k.Amount += m.Amount
			return true
		case k.Debit == m.Credit && k.Credit == m.Debit:
			k.Amount -= m.Amount
			return true
		}
	}
	return false
}
