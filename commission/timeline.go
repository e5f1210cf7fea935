package commission

import (
	"slices"
	"time"

	"tributary/commission/ledger/chart"
)

// timeline is what the credits of a decision amount to from each time on: from the sale, then from the refunds of each
// effective time.
type timeline struct {
	at []time.Time
	// parts are those of all credits at each time in turn.
	parts []part
}

// of is what credit i of n amounts to from a step on.
func (t *timeline) of(step, i, n int) part { return t.parts[step*n+i] }

// timeline works out what is left of the lines of each rule at each time and divides it, so that nothing is ever a sum of
// rounded refunds.
func (d *Decision) timeline(room *scratch) timeline {
	t := timeline{at: room.at[:0], parts: room.parts[:0]}
	t.at, t.parts = append(t.at, d.Order.At), d.parts(t.parts, d.worths(room.full[:0], (*Credit).sold))
	if len(d.Order.Refunds) == 0 {
		return t
	}
	left, width := d.afterEach(), d.width()
	for n := range d.Order.Refunds {
		r := &d.Order.Refunds[n]
		if last := len(t.at) - 1; last > 0 && t.at[last].Equal(r.Effective) {
			t.at, t.parts = t.at[:last], t.parts[:last*len(d.Credits)]
		}
		t.at, t.parts = append(t.at, r.Effective), d.parts(t.parts, left[n*width:][:width])
	}
	return t
}

// afterEach is what worths gives after each refund in turn.
func (d *Decision) afterEach() []int64 {
	width := d.width()
	all := make([]int64, len(d.Order.Refunds)*width)
	for i := range d.Credits {
		remains := d.Credits[i].before(&d.Order)
		for n := range d.Order.Refunds {
			remains.take(&d.Order.Refunds[n])
			d.value(all[n*width:][:width], i, remains.of)
		}
	}
	return all
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
		all[i] = d.Credits[i].movements(&t, i, len(d.Credits), d.Credits[i].Released(until))
	}
	return all
}

// places are the accounts that a credit comes from and where it is, pending and later payable.
type places struct{ from, pending, payable chart.Kind }

// places are those of the credit's role: a customer is given what its merchant issues.
func (c *Credit) places() places {
	if c.Role == RoleCustomer {
		return places{chart.PromotionsIssued, chart.WalletPending, chart.Wallet}
	}
	return places{chart.MerchantReceivable, chart.PartnerPending, chart.PartnerPayable}
}

// movements are those of credit i of n.
func (c *Credit) movements(t *timeline, i, n int, released bool) []Movement {
	was, of := t.of(0, i, n), c.places()
	count := 2 * len(t.at)
	if released {
		count += 2
	}
	dst := make([]Movement, 0, count)
	dst = c.earn(dst, CauseSale, c.OrderedAt, of.from, of.pending, was.net)
	dst = c.charge(dst, CauseSale, c.OrderedAt, chart.MerchantReceivable, chart.FeePending, was.fee)
	held, fee := of.pending, chart.FeePending
	for step := 1; step < len(t.at); step++ {
		now, at := t.of(step, i, n), t.at[step]
		if released && held == of.pending && !at.Before(c.HoldUntil) {
			dst = c.release(dst, of, was)
			held, fee = of.payable, chart.FeeEarned
		}
		dst = c.earn(dst, CauseRefund, at, held, of.from, was.net-now.net)
		dst = c.charge(dst, CauseRefund, at, fee, chart.MerchantReceivable, was.fee-now.fee)
		was = now
	}
	if released && held == of.pending {
		dst = c.release(dst, of, was)
	}
	return dst
}

// release moves what is pending when the hold ends.
func (c *Credit) release(dst []Movement, of places, left part) []Movement {
	dst = c.earn(dst, CauseRelease, c.HoldUntil, of.pending, of.payable, left.net)
	return c.charge(dst, CauseRelease, c.HoldUntil, chart.FeePending, chart.FeeEarned, left.fee)
}

// earn appends a movement of what the credit earns.
func (c *Credit) earn(dst []Movement, cause Cause, at time.Time, debit, credit chart.Kind, amount int64) []Movement {
	m := Movement{At: at, Cause: cause, Debit: debit, Credit: credit, Partner: c.Partner, Amount: amount}
	if c.Role == RoleCustomer {
		m.Customer = c.Customer
	}
	return c.book(dst, &m)
}

// charge appends a movement of the network's fee on it.
func (c *Credit) charge(dst []Movement, cause Cause, at time.Time, debit, credit chart.Kind, amount int64) []Movement {
	return c.book(dst, &Movement{At: at, Cause: cause, Debit: debit, Credit: credit, Amount: amount})
}

// book appends a movement, unless it moves nothing. An amount below zero goes the other way: by largest remainder a refund
// may take one more from one share and give it to another.
func (c *Credit) book(dst []Movement, m *Movement) []Movement {
	if m.Amount == 0 {
		return dst
	}
	m.Merchant, m.Unit = c.Merchant, c.Unit
	m.setUpright()
	return append(dst, *m)
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
