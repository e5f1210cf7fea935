package commission

import (
	"cmp"
	"slices"
	"time"

	"tributary/commission/ledger/chart"
	"tributary/partners/program"
)

// Difference is what has to be posted so that the books, which hold posted, hold desired: per effective time and pair of
// accounts, in the order of time. Movements that stand on the books already are left alone, those that are missing are
// posted as they are. Where the books hold what should no longer be there, the rest is one correction at the same
// effective time. Both lists are of one order; of posted only Cause may be missing.
func Difference(posted, desired []Movement) []Movement {
	if len(posted) == 0 {
		return desired
	}
	movements := make([]signedMovement, 0, len(posted)+len(desired))
	for _, m := range desired {
		movements = append(movements, signed(m, false))
	}
	for _, m := range posted {
		movements = append(movements, signed(m, true))
	}
	slices.SortStableFunc(movements, func(a, b signedMovement) int { return a.place.compare(b.place) })
	var missing []Movement
	for len(movements) > 0 {
		n := 1
		for n < len(movements) && movements[n].place == movements[0].place {
			n++
		}
		missing = appendMissing(missing, movements[:n])
		movements = movements[n:]
	}
	slices.SortStableFunc(missing, func(a, b Movement) int { return a.At.Compare(b.At) })
	return missing
}

// Mismatch is a time and pair of accounts at which the books hold another amount than they should: Movement says from which to
// which, and Amount by how much.
type Mismatch struct {
	Movement

	Want, Have int64
}

// Mismatches are where books that hold posted are not as desired says. Both lists are of one order or period.
func Mismatches(posted, desired []Movement) []Mismatch {
	missing := Difference(posted, desired)
	all := make([]Mismatch, 0, len(missing))
	for _, m := range missing {
		d := Mismatch{Movement: m, Want: m.among(desired), Have: m.among(posted)}
		if d.Want < 0 || d.Want == 0 && d.Have < 0 { // told in the direction in which it goes
			d.Want, d.Have = -d.Want, -d.Have
			d.Debit, d.Credit = d.Credit, d.Debit
		}
		all = append(all, d)
	}
	return all
}

// among adds up what others move at its time and between its accounts, in its direction.
func (m *Movement) among(all []Movement) (sum int64) {
	at := signed(*m, false).place
	for _, o := range all {
		switch {
		case signed(o, false).place != at:
		case o.Debit == m.Debit:
			sum += o.Amount
		default:
			sum -= o.Amount
		}
	}
	return sum
}

// place is what movements must have in common to be compared: the time and the two accounts, whichever way round.
type place struct {
	at        int64
	low, high chart.Kind
	merchant  program.MerchantID
	partner   program.PartnerID
	customer  string
	unit      string
}

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.at, q.at), cmp.Compare(p.low, q.low), cmp.Compare(p.high, q.high),
		cmp.Compare(p.merchant, q.merchant), cmp.Compare(p.partner, q.partner), cmp.Compare(p.customer, q.customer), cmp.Compare(p.unit, q.unit))
}

// signedMovement is a movement at its place. Its amount is above zero when the low account is debited, below when credited.
type signedMovement struct {
	place  place
	amount int64
	posted bool
	cause  Cause
	at     time.Time
}

// signed is a movement at its place, posted or desired.
func signed(m Movement, posted bool) signedMovement {
	s := signedMovement{
		place: place{
			at: m.At.UnixMicro(), low: m.Debit, high: m.Credit,
			merchant: m.Merchant, partner: m.Partner, customer: m.Customer, unit: m.Unit,
		},
		amount: m.Amount, posted: posted, cause: m.Cause, at: m.At,
	}
	if s.place.low > s.place.high {
		s.place.low, s.place.high = s.place.high, s.place.low
		s.amount = -s.amount
	}
	return s
}

// movement is the same movement with another amount and cause.
func (s *signedMovement) movement(amount int64, cause Cause) Movement {
	m := Movement{
		At: s.at, Cause: cause, Debit: s.place.low, Credit: s.place.high,
		Merchant: s.place.merchant, Partner: s.place.partner, Customer: s.place.customer, Unit: s.place.unit, Amount: amount,
	}
	if amount < 0 {
		m.Debit, m.Credit, m.Amount = m.Credit, m.Debit, -amount
	}
	return m
}

// appendMissing appends the movements that one place lacks, given all of its movements, the desired ones first.
func appendMissing(missing []Movement, movements []signedMovement) []Movement {
	first := slices.IndexFunc(movements, func(s signedMovement) bool { return s.posted })
	if first < 0 {
		first = len(movements)
	}
	desired, posted := movements[:first], movements[first:]
	net := int64(0)
	for _, s := range desired {
		net += s.amount
	}
	for _, s := range posted {
		net -= s.amount
	}
	if net == 0 {
		return missing
	}
	wanted := make([]signedMovement, 0, len(desired))
	for _, s := range desired {
		n := slices.IndexFunc(posted, func(p signedMovement) bool { return p.amount == s.amount })
		if n < 0 {
			wanted = append(wanted, s)
			continue
		}
		// Found on the books: what remains of them is in posted[1:], order not mattering.
		posted[n] = posted[0]
		posted = posted[1:]
	}
	if len(posted) > 0 {
		return append(missing, movements[0].movement(net, CauseCorrection))
	}
	for _, s := range wanted {
		missing = append(missing, s.movement(s.amount, s.cause))
	}
	return missing
}
