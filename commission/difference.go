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
	entries := make([]entry, 0, len(posted)+len(desired))
	for _, m := range desired {
		entries = append(entries, entryOf(m, false))
	}
	for _, m := range posted {
		entries = append(entries, entryOf(m, true))
	}
	slices.SortStableFunc(entries, func(a, b entry) int { return a.place.compare(b.place) })
	var missing []Movement
	for len(entries) > 0 {
		n := 1
		for n < len(entries) && entries[n].place == entries[0].place {
			n++
		}
		missing = settle(missing, entries[:n])
		entries = entries[n:]
	}
	slices.SortStableFunc(missing, func(a, b Movement) int { return a.At.Compare(b.At) })
	return missing
}

// place is what movements must have in common to be compared: the time and the two accounts, whichever way round.
type place struct {
	at        int64
	low, high chart.Kind
	merchant  program.MerchantID
	partner   program.PartnerID
	unit      string
}

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.at, q.at), cmp.Compare(p.low, q.low), cmp.Compare(p.high, q.high),
		cmp.Compare(p.merchant, q.merchant), cmp.Compare(p.partner, q.partner), cmp.Compare(p.unit, q.unit))
}

// entry is a movement at its place. Its amount is above zero when the low account is debited, below when credited.
type entry struct {
	place  place
	amount int64
	posted bool
	cause  Cause
	at     time.Time
}

func entryOf(m Movement, posted bool) entry {
	e := entry{
		place: place{
			at: m.At.UnixMicro(), low: m.Debit, high: m.Credit,
			merchant: m.Merchant, partner: m.Partner, unit: m.Unit,
		},
		amount: m.Amount, posted: posted, cause: m.Cause, at: m.At,
	}
	if e.place.low > e.place.high {
		e.place.low, e.place.high = e.place.high, e.place.low
		e.amount = -e.amount
	}
	return e
}

// movement is the entry of another amount and cause as a movement.
func (e *entry) movement(amount int64, cause Cause) Movement {
	m := Movement{
		At: e.at, Cause: cause, Debit: e.place.low, Credit: e.place.high,
		Merchant: e.place.merchant, Partner: e.place.partner, Unit: e.place.unit, Amount: amount,
	}
	if amount < 0 {
		m.Debit, m.Credit, m.Amount = m.Credit, m.Debit, -amount
	}
	return m
}

// settle appends what one place misses, given its entries, the desired ones first.
func settle(missing []Movement, entries []entry) []Movement {
	first := slices.IndexFunc(entries, func(e entry) bool { return e.posted })
	if first < 0 {
		first = len(entries)
	}
	desired, posted := entries[:first], entries[first:]
	net := int64(0)
	for _, e := range desired {
		net += e.amount
	}
	for _, e := range posted {
		net -= e.amount
	}
	if net == 0 {
		return missing
	}
	wanted := make([]entry, 0, len(desired))
	for _, e := range desired {
		n := slices.IndexFunc(posted, func(p entry) bool { return p.amount == e.amount })
		if n < 0 {
			wanted = append(wanted, e)
			continue
		}
		// Found on the books: what remains of them is in posted[1:], order not mattering.
		posted[n] = posted[0]
		posted = posted[1:]
	}
	if len(posted) > 0 {
		return append(missing, entries[0].movement(net, CauseCorrection))
	}
	for _, e := range wanted {
		missing = append(missing, e.movement(e.amount, e.cause))
	}
	return missing
}
