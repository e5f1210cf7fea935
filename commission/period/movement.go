package period

import (
	"slices"
	"time"

	"tributary/commission"
	"tributary/commission/ledger/chart"
	"tributary/partners/program"
)

// Movements is the whole history of what should stand on the books for the period, in the order of time, once all holds that
// end at or before until are over: what was pending at the end of a bucket's hold is then payable, and changes at or after it
// go to what is payable. The zero time ends none.
func (s *Settlement) Movements(of Key, until time.Time) []commission.Movement {
	var all []commission.Movement
	for i := range s.Buckets {
		all = append(all, s.Buckets[i].Movements(&of, until)...)
	}
	slices.SortStableFunc(all, func(a, b commission.Movement) int { return a.At.Compare(b.At) })
	return all
}

// IsCap reports whether a rule takes back what is above a measure.
func IsCap(p *program.Period) bool { return p.Cap > 0 }

// Released reports whether the bucket's hold is over once all holds that end at or before until are.
func (p *Paid) Released(until time.Time) bool { return !until.Before(p.HoldUntil) }

// Movements are those of the bucket, as Settlement.Movements gives those of all.
func (p *Paid) Movements(of *Key, until time.Time) (dst []commission.Movement) {
	released := p.Released(until)
	partner, fee := chart.PartnerPending, chart.FeePending
	var amount, charged int64 // pending
	over := func() {
		dst = book(dst, of, commission.CauseRelease, p.HoldUntil, chart.PartnerPending, chart.PartnerPayable, amount)
		dst = book(dst, of, commission.CauseRelease, p.HoldUntil, chart.FeePending, chart.FeeEarned, charged)
		partner, fee = chart.PartnerPayable, chart.FeeEarned
	}
	for _, c := range p.Changes {
		// What a bucket begins with at the very end of its hold was pending until then.
		if released && partner == chart.PartnerPending && (p.HoldUntil.Before(c.At) || c.Day > p.Day && p.HoldUntil.Equal(c.At)) {
			over()
		}
		dst = book(dst, of, commission.CausePeriod, c.At, chart.MerchantReceivable, partner, c.Amount)
		dst = book(dst, of, commission.CausePeriod, c.At, chart.MerchantReceivable, fee, c.Fee)
		if partner == chart.PartnerPending {
			amount, charged = amount+c.Amount, charged+c.Fee
		}
	}
	if released && partner == chart.PartnerPending {
		over()
	}
	return dst
}

// book appends a movement, unless it moves nothing. An amount below zero goes the other way.
func book(dst []commission.Movement, k *Key, cause commission.Cause, at time.Time, debit, credit chart.Kind, amount int64) []commission.Movement {
	if amount == 0 {
		return dst
	}
	if amount < 0 {
		debit, credit, amount = credit, debit, -amount
	}
	m := commission.Movement{At: at, Cause: cause, Debit: debit, Credit: credit, Merchant: k.Merchant, Unit: k.Unit, Amount: amount}
	if debit.Entry().Owner.HasPartner() || credit.Entry().Owner.HasPartner() {
		m.Partner = k.Partner
	}
	return append(dst, m)
}

// Until is up to when holds have ended: before, or the latest end of a hold that is over by now; no clock takes it back. Next
// is when the next hold ends after that, zero where none does.
func (s *Settlement) Until(before, now time.Time) (until, next time.Time) {
	until = before
	for i := range s.Buckets {
		if p := &s.Buckets[i]; p.Released(now) && p.HoldUntil.After(until) {
			until = p.HoldUntil
		}
	}
	for i := range s.Buckets {
		p := &s.Buckets[i]
		if len(p.Changes) > 0 && !p.Released(until) && (next.IsZero() || p.HoldUntil.Before(next)) {
			next = p.HoldUntil
		}
	}
	return until, next
}

// Standing is what the books hold for a period.
type Standing struct {
	// Net is what the payee has of it, Fee the network: together what stands in the four accounts below.
	Net, Fee, Pending, Payable, FeePending, FeeEarned int64
}

// StandingOf adds up movements.
func StandingOf(movements []commission.Movement) Standing {
	grown := map[chart.Kind]int64{}
	for _, m := range movements {
		grown[m.Debit] -= m.Amount
		grown[m.Credit] += m.Amount
	}
	s := Standing{
		Pending: grown[chart.PartnerPending], Payable: grown[chart.PartnerPayable],
		FeePending: grown[chart.FeePending], FeeEarned: grown[chart.FeeEarned],
	}
	s.Net, s.Fee = s.Pending+s.Payable, s.FeePending+s.FeeEarned
	return s
}
