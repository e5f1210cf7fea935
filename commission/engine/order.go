package engine

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"tributary/commission"
	"tributary/commission/ledger"
	"tributary/commission/ledger/chart"
	"tributary/internal/event"
	"tributary/partners/program"
)

// order is one order within a transaction: what stood in the database, what has arrived, and what follows.
type order struct {
	no    int64
	key   orderKey
	known bool // it stood in the database already

	version    int32
	record     []byte              // of the last decision, as it is stored
	recorded   commission.Decision // the same, read once it is needed; of a new order the zero value
	earnings   []earning           // the commissions as they stand
	posted     []commission.Movement
	events     []*event.Event
	said       []saying
	refunded   int     // bytes of refunds among the events, as they are stored
	fresh      []*fact // accepted in this transaction, to be written
	disputed   []*fact // other content under a key that has one already
	refused    []*fact // refunds beyond those that an order can have
	duplicates int

	folded     commission.Order // the events, as read has folded them
	candidates []commission.Candidate

	decided  commission.Decision
	due      []commission.Movement // to be posted
	paying   []earning             // the commissions as they will stand
	reported []step                // what the ledger events will say
}

// saying is a fact that counts and what the merchant said by it.
type saying struct {
	key  factKey
	hash []byte
}

// earning is a row of the table commission.
type earning struct {
	partner    program.PartnerID
	program    program.ProgramID
	link       program.LinkID
	occurredAt time.Time
	currency   string
	lines      int
	// Minor units of the currency. pending and payable are what the books hold.
	revenue, refunded, gross, net, fee, pending, payable int64

	holdUntil time.Time
	state     commission.State
}

// take adds a fact to the order. The first one under a key stands: the same again is a duplicate, and other content is
// kept as disputed, without effect; so is a refund beyond commission.MaxRefunds or MaxRefundBytes.
func (o *order) take(f *fact) {
	for i := range o.said {
		if o.said[i].key != f.key {
			continue
		}
		if bytes.Equal(o.said[i].hash, f.hash) {
			o.duplicates++
		} else {
			o.disputed = append(o.disputed, f)
		}
		return
	}
	if f.key.kind == event.KindRefund {
		if o.refunds() >= commission.MaxRefunds || o.refunded+len(f.record.Value) > commission.MaxRefundBytes {
			o.refused = append(o.refused, f)
			return
		}
		o.refunded += len(f.record.Value)
	}
	o.said = append(o.said, saying{f.key, f.hash})
	o.events = append(o.events, f.event)
	o.fresh = append(o.fresh, f)
}

// refunds counts the refunds that stand.
func (o *order) refunds() int {
	n := len(o.said)
	if slices.ContainsFunc(o.said, func(s saying) bool { return s.key.kind == event.KindSale }) {
		n--
	}
	return n
}

// read folds the order's events and reads the record of the last decision on it.
func (o *order) read(forms commission.Forms) (err error) {
	o.folded, err = commission.Fold(o.events)
	if err == nil && o.known {
		o.recorded, err = forms.Read(o.record)
	}
	if err != nil {
		return fmt.Errorf("reading order %q of merchant %d: %w", o.key.id, o.key.merchant, err)
	}
	return nil
}

// settle decides an order, read and with its candidates, as of now, and works out what has to be written. It is a pure
// function of these.
func (o *order) settle(now time.Time) (err error) {
	o.decided, err = commission.Decide(o.folded, o.candidates)
	if err != nil {
		return fmt.Errorf("deciding order %q of merchant %d: %w", o.key.id, o.key.merchant, err)
	}
	if _, err := o.decided.Sole(); err != nil {
		return fmt.Errorf("accounting for order %q of merchant %d: %w", o.key.id, o.key.merchant, err)
	}
	o.version++
	released := o.isReleased()
	for i := range o.decided.Credits {
		released = released || !now.Before(o.decided.Credits[i].HoldUntil)
	}
	desired := o.decided.Movements(released)
	o.due = commission.Difference(o.posted, desired)
	o.paying = o.earn(desired, released)
	o.reported = report(&o.recorded, &o.decided, o.owner(), o.due)
	return nil
}

// isReleased tells whether the books already hold the end of the order's hold, which no clock takes back.
func (o *order) isReleased() bool {
	for _, m := range o.posted {
		if m.Debit == commission.PartnerPending && m.Credit == commission.PartnerPayable {
			return true
		}
	}
	for i := range o.earnings {
		if s := o.earnings[i].state; s == commission.Approved || s == commission.Paid {
			return true
		}
	}
	return false
}

// owner is whose commission the order is about: at most one partner's.
func (o *order) owner() owner {
	if len(o.decided.Credits) > 0 {
		return ownerOf(&o.decided)
	}
	return ownerOf(&o.recorded)
}

// earn gives the commission rows as they will stand. A commission that the decision no longer knows is left with nothing.
func (o *order) earn(desired []commission.Movement, released bool) []earning {
	rows := make([]earning, 0, 1)
	for i := range o.decided.Credits {
		c := &o.decided.Credits[i]
		e := earning{
			partner: c.Partner, program: c.Program, link: c.Link, occurredAt: c.OrderedAt, currency: c.Currency,
			lines: c.Lines, revenue: c.Revenue, refunded: c.Refunded, gross: c.Gross, net: c.Net, fee: c.Fee,
			holdUntil: c.HoldUntil, state: c.State(released),
		}
		for j := range desired {
			e.pending += change(&desired[j], commission.PartnerPending)
			e.payable += change(&desired[j], commission.PartnerPayable)
		}
		if was := o.earningOf(c.Partner); was != nil && !was.state.MayBecome(e.state) {
			e.state = was.state
		}
		rows = append(rows, e)
	}
	for _, was := range o.earnings {
		if len(rows) > 0 && rows[0].partner == was.partner {
			continue
		}
		left := earning{
			partner: was.partner, program: was.program, link: was.link, occurredAt: was.occurredAt, currency: was.currency,
			holdUntil: was.holdUntil, state: commission.Rejected,
		}
		if !was.state.MayBecome(left.state) {
			left.state = was.state
		}
		rows = append(rows, left)
	}
	return rows
}

func (o *order) earningOf(partner program.PartnerID) *earning {
	for i := range o.earnings {
		if o.earnings[i].partner == partner {
			return &o.earnings[i]
		}
	}
	return nil
}

// change is what a movement adds to an account of a kind that grows by credits.
func change(m *commission.Movement, kind commission.AccountKind) int64 {
	if m.Credit == kind {
		return m.Amount
	}
	if m.Debit == kind {
		return -m.Amount
	}
	return 0
}

// appendPostings appends what has to be posted for the order.
func (o *order) appendPostings(dst []ledger.Posting) []ledger.Posting {
	for n := range o.due {
		m := &o.due[n]
		dst = append(dst, ledger.Posting{
			Source: chart.OfOrder, No: o.no, Version: o.version, N: int16(n),
			Debit: accountOf(m, m.Debit), Credit: accountOf(m, m.Credit),
			Amount: m.Amount, EffectiveAt: m.At,
		})
	}
	return dst
}

// accountOf names the account of one side of a movement.
func accountOf(m *commission.Movement, kind commission.AccountKind) ledger.Account {
	a := ledger.Account{Kind: chart.Kind(kind), Merchant: m.Merchant, Unit: m.Unit}
	if kind == commission.PartnerPending || kind == commission.PartnerPayable {
		a.Partner = m.Partner
	}
	return a
}
