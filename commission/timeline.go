package commission

import "time"

// standing is what a credit amounts to from a time on.
type standing struct {
	at       time.Time
	net, fee int64
}

// movements appends what should stand on the books for the credit.
func (c *Credit) movements(dst []Movement, o *Order, released bool) []Movement {
	if dst == nil {
		dst = make([]Movement, 0, 4)
	}
	was := c.atSale()
	dst = c.book(dst, CauseSale, c.OrderedAt, MerchantReceivable, PartnerPending, was.net)
	dst = c.book(dst, CauseSale, c.OrderedAt, MerchantReceivable, FeePending, was.fee)
	partner, fee := PartnerPending, FeePending
	for _, now := range c.afterRefunds(o) {
		if released && partner == PartnerPending && !now.at.Before(c.HoldUntil) {
			dst = c.release(dst, was)
			partner, fee = PartnerPayable, FeeEarned
		}
		dst = c.book(dst, CauseRefund, now.at, partner, MerchantReceivable, was.net-now.net)
		dst = c.book(dst, CauseRefund, now.at, fee, MerchantReceivable, was.fee-now.fee)
		was = now
	}
	if released && partner == PartnerPending {
		dst = c.release(dst, was)
	}
	return dst
}

// release moves what is pending when the hold ends.
func (c *Credit) release(dst []Movement, held standing) []Movement {
	dst = c.book(dst, CauseRelease, c.HoldUntil, PartnerPending, PartnerPayable, held.net)
	return c.book(dst, CauseRelease, c.HoldUntil, FeePending, FeeEarned, held.fee)
}

// book appends a movement, unless it moves nothing.
func (c *Credit) book(dst []Movement, cause Cause, at time.Time, debit, credit AccountKind, amount int64) []Movement {
	if amount == 0 {
		return dst
	}
	m := Movement{At: at, Cause: cause, Debit: debit, Credit: credit, Merchant: c.Merchant, Unit: c.Currency, Amount: amount}
	if debit.ofPartner() || credit.ofPartner() {
		m.Partner = c.Partner
	}
	return append(dst, m)
}

// ofPartner tells whether an account of the kind belongs to a partner.
func (k AccountKind) ofPartner() bool { return k == PartnerPending || k == PartnerPayable }

// atSale is what the credit amounted to before any refund.
func (c *Credit) atSale() standing {
	s := standing{at: c.OrderedAt}
	for i := range c.Rules {
		s.net += c.Rules[i].Rate.Of(c.Rules[i].Amount)
	}
	s.fee = c.Terms.NetworkFee.Of(s.net)
	return s
}

// afterRefunds is what the credit amounted to after the refunds of each effective time: from what is left of the lines of
// each rule then, never from rounded refunds.
func (c *Credit) afterRefunds(o *Order) []standing {
	if len(o.Refunds) == 0 {
		return nil
	}
	now := c.atSale()
	left := make([]int64, len(c.Rules))
	for i := range c.Rules {
		left[i] = c.Rules[i].Amount
	}
	steps := make([]standing, 0, len(o.Refunds))
	for n := range o.Refunds {
		r := &o.Refunds[n]
		now.at = r.Effective
		for _, t := range r.Taken {
			i, _ := o.line(t.Line)
			rule := c.Priced[i].Rule
			rate := c.Rules[rule].Rate
			now.net -= rate.Of(left[rule])
			left[rule] -= t.Amount
			now.net += rate.Of(left[rule])
		}
		now.fee = c.Terms.NetworkFee.Of(now.net)
		if last := len(steps) - 1; last >= 0 && steps[last].at.Equal(now.at) {
			steps[last] = now
		} else {
			steps = append(steps, now)
		}
	}
	return steps
}
