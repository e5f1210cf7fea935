package engine

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"time"

	"tributary/commission"
	"tributary/commission/evidence"
	"tributary/commission/ledger"
	"tributary/commission/ledger/chart"
	"tributary/commission/period"
	"tributary/internal/event"
)

// order is one order within a transaction: what stood in the database, what has arrived, and what follows.
type order struct {
	no    int64
	key   orderKey
	known bool // it stood in the database already

	version int32
	// released is up to when holds have ended: the latest end of a hold that was over when the order was decided, which no
	// clock takes back. Zero where none was.
	released   time.Time
	record     []byte               // of the last decision, as it is stored
	recorded   commission.Decision  // the same, read once it is needed; of a new order the zero value
	earnings   []commission.Earning // the commissions as they stand
	posted     []commission.Movement
	events     []*event.Event // as accepted: the sale before its additions
	accepted   []factHash
	said       commission.Said // what people said about it
	refunded   int             // bytes of refunds among the events, as they are stored
	fresh      []*fact         // accepted in this transaction, to be written
	disputed   []*fact         // other content under a key that has one already
	refused    []*fact         // refunds beyond those that an order can have
	duplicates int

	folded   commission.Order // the events, as read has folded them
	evidence commission.Evidence

	seen *seen            // as the customer fold is to have it; nil where nobody asks
	left []evidence.Place // where the customer fold may have it by a report in whose place another stands
	use  *use             // as the fold of its click id is; nil where nobody asks

	decided  commission.Decision
	due      []commission.Movement // to be posted
	paying   []commission.Earning  // the commissions as they will stand
	reported []step                // what the ledger events will say
	counted  []period.Contribution // what changes about the sums of periods
}

// factHash is an accepted fact: its key and the hash of its content.
type factHash struct {
	key  factKey
	hash []byte
}

// take adds a fact to the order. The first one under a key stands: the same again is a duplicate, and other content is
// kept as disputed, without effect, unless it is an addition; so is a refund beyond commission.MaxRefunds or MaxRefundBytes.
func (o *order) take(f *fact) {
	if first := o.find(f.key); first >= 0 {
		if bytes.Equal(o.accepted[first].hash, f.hash) {
			o.duplicates++
			return
		}
		addition := factKey{event.KindAddition, event.AdditionRef(f.hash)}
		switch {
		case f.key.kind == event.KindPath: // asked for again, as after PostgreSQL was restored
			o.duplicates++
			return
		case !f.key.kind.IsSale():
			o.disputed = append(o.disputed, f)
			return
		case o.find(addition) >= 0:
			o.duplicates++
			return
		case o.count(event.KindAddition) >= commission.MaxAdditions || !commission.Adds(o.events[first], f.event):
			o.disputed = append(o.disputed, f)
			return
		}
		added := *f // f stays as it was read: its slice may be tried again
		added.key, f = addition, &added
	}
	if f.key.kind == event.KindRefund {
		if o.count(event.KindRefund) >= commission.MaxRefunds || o.refunded+len(f.record.Value) > commission.MaxRefundBytes {
			o.refused = append(o.refused, f)
			return
		}
		o.refunded += len(f.record.Value)
	}
	o.accepted = append(o.accepted, factHash{f.key, f.hash})
	o.events = append(o.events, f.event)
	o.fresh = append(o.fresh, f)
}

// find gives the place of a fact that stands, below zero of one that does not.
func (o *order) find(key factKey) int {
	return slices.IndexFunc(o.accepted, func(f factHash) bool { return f.key == key })
}

// count counts the facts of a kind that stand.
func (o *order) count(kind event.Kind) (n int) {
	for i := range o.accepted {
		if o.accepted[i].key.kind == kind {
			n++
		}
	}
	return n
}

// read folds the order's events and reads the record of the last decision on it.
func (o *order) read(forms commission.Forms) (err error) {
	o.folded, err = commission.Fold(o.events, o.said)
	if err == nil && o.known {
		o.recorded, err = forms.Read(o.record)
	}
	if err != nil {
		return fmt.Errorf("reading order %q of merchant %d: %w", o.key.id, o.key.merchant, err)
	}
	return nil
}

// decide decides an order, read and with its evidence, as of now, and works out what has to be written. It is a pure
// function of these.
func (o *order) decide(now time.Time, decide commission.Decider) (err error) {
	o.decided, err = decide(o.folded, o.evidence)
	if err != nil {
		return fmt.Errorf("deciding order %q of merchant %d: %w", o.key.id, o.key.merchant, err)
	}
	o.version++
	before := o.released
	o.released = o.holdsOver(now)
	desired := o.decided.ByCredit(o.released)
	o.due = commission.Difference(o.posted, commission.Together(desired))
	o.version += furtherVersions(len(o.due))
	if o.paying, err = o.earn(); err != nil {
		return fmt.Errorf("changing the commissions on order %q of merchant %d: %w", o.key.id, o.key.merchant, err)
	}
	o.counted = period.Difference(&o.recorded, &o.decided)
	o.reported = report(moving{Decision: &o.recorded, byCredit: o.recorded.ByCredit(before)}, moving{Decision: &o.decided, byCredit: desired})
	return nil
}

// holdsOver is up to when holds have ended as of now.
func (o *order) holdsOver(now time.Time) time.Time {
	over := o.released
	for i := range o.decided.Credits {
		if c := &o.decided.Credits[i]; c.Released(now) && c.HoldUntil.After(over) {
			over = c.HoldUntil
		}
	}
	return over
}

// earn gives the commission rows as they will stand. A commission that the decision no longer knows is left with nothing.
// A step between states that is not allowed is a *commission.TransitionError.
func (o *order) earn() ([]commission.Earning, error) {
	rows := make([]commission.Earning, 0, len(o.decided.Credits))
	for i := range o.decided.Credits {
		rows = append(rows, o.decided.Earning(i, o.released))
	}
	for i := range o.earnings {
		was := &o.earnings[i]
		now := commission.FindEarning(rows, was.Earner)
		if now == nil {
			rows = append(rows, was.Gone())
			now = &rows[len(rows)-1]
		}
		if !was.State.MayBecome(now.State) {
			return nil, &commission.TransitionError{From: was.State, To: now.State}
		}
	}
	return rows, nil
}

// appendPostings appends what has to be posted for the order.
func (o *order) appendPostings(dst []ledger.Posting) []ledger.Posting {
	return appendPostings(dst, chart.OfOrder, o.no, o.version, o.due)
}

// versionPostings is how many postings the books number under one version.
const versionPostings = math.MaxInt16 + 1

// furtherVersions are those that so many postings take beside the first.
func furtherVersions(postings int) int32 { return int32(postings / versionPostings) }

// appendPostings appends what has to be posted for an order or a period. Where one version cannot number it all, as when a late order
// moves every day of years, it goes on under the next ones, of which last is the last.
func appendPostings(dst []ledger.Posting, source chart.Source, no int64, last int32, due []commission.Movement) []ledger.Posting {
	first := last - furtherVersions(len(due))
	for n := range due {
		m := &due[n]
		dst = append(dst, ledger.Posting{
			Source: source, No: no, Version: first + int32(n/versionPostings), N: int16(n % versionPostings),
			Debit: accountOf(m, m.Debit), Credit: accountOf(m, m.Credit), Amount: m.Amount, EffectiveAt: m.At,
		})
	}
	return dst
}

// accountOf names the account of one side of a movement.
func accountOf(m *commission.Movement, kind chart.Kind) ledger.Account {
	a := ledger.Account{Kind: kind, Unit: m.Unit}
	owner := kind.Entry().Owner
	if owner.HasMerchant() {
		a.Merchant = m.Merchant
	}
	if owner.HasPartner() {
		a.Partner = m.Partner
	}
	if owner.HasMember() {
		a.Customer = m.Customer
	}
	return a
}
