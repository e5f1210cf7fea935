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

	version int32
	// released is up to when holds have ended: the latest end of a hold that was over when the order was decided, which no
	// clock takes back. Zero where none was.
	released   time.Time
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
	commission.Earner

	program    program.ProgramID
	link       program.LinkID
	occurredAt time.Time
	currency   string // of the order
	lines      int
	// leads marks the first credit of an order, under which the order is counted, counts the first of each earner's.
	leads, counts bool
	// Minor units: the order's amounts in its currency, the rest in the unit. pending, payable, held and paid are what the
	// books hold.
	revenue, refunded, gross, net, fee, pending, payable, held, paid int64

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
	o.version++
	before := o.released
	o.released = o.holdsOver(now)
	desired := o.decided.ByCredit(o.released)
	o.due = commission.Difference(o.posted, commission.Together(desired))
	if o.paying, err = o.earn(); err != nil {
		return fmt.Errorf("changing the commissions on order %q of merchant %d: %w", o.key.id, o.key.merchant, err)
	}
	o.reported = report(moving{&o.recorded, o.recorded.ByCredit(before)}, moving{&o.decided, desired})
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
func (o *order) earn() ([]earning, error) {
	rows := make([]earning, 0, len(o.decided.Credits))
	for i := range o.decided.Credits {
		rows = append(rows, earningOf(&o.decided, i, o.released))
	}
	for i := range o.earnings {
		was := &o.earnings[i]
		now := find(rows, was.Earner)
		if now == nil {
			rows = append(rows, was.gone())
			now = &rows[len(rows)-1]
		}
		if !was.state.MayBecome(now.state) {
			return nil, &commission.TransitionError{From: was.state, To: now.state}
		}
	}
	return rows, nil
}

// earningOf is the row of a credit.
func earningOf(d *commission.Decision, i int, released time.Time) earning {
	c := &d.Credits[i]
	e := earning{
		Earner: c.Earner(), program: c.Program, link: c.Link, occurredAt: c.OrderedAt, currency: d.Order.Currency,
		lines: c.Lines, leads: i == 0, counts: isFirstOf(d, i), revenue: c.Revenue, refunded: c.Refunded,
		gross: c.Gross, net: c.Net, fee: c.Fee, holdUntil: c.HoldUntil, state: c.State(released),
	}
	if c.Released(released) {
		e.payable = c.Net
	} else {
		e.pending = c.Net
	}
	return e
}

// isFirstOf tells whether no earlier credit is of the same partner: where what partners brought is counted, an order counts
// once for each of them.
func isFirstOf(d *commission.Decision, i int) bool {
	for n := range i {
		if d.Credits[n].Partner == d.Credits[i].Partner {
			return false
		}
	}
	return true
}

// gone is what is left of a row that the decision no longer knows. What was taken back whole stays so.
func (e *earning) gone() earning {
	left := earning{
		Earner: e.Earner, program: e.program, link: e.link, occurredAt: e.occurredAt, currency: e.currency,
		holdUntil: e.holdUntil, state: commission.Declined,
	}
	if e.state == commission.Reversed {
		left.state = e.state
	}
	return left
}

// find finds the row of an earner.
func find(rows []earning, of commission.Earner) *earning {
	for i := range rows {
		if rows[i].Earner == of {
			return &rows[i]
		}
	}
	return nil
}

// change is what a movement adds to an account of a kind.
func change(m *commission.Movement, kind chart.Kind) int64 {
	if m.Debit == kind {
		return kind.Amount(m.Amount, 0)
	}
	if m.Credit == kind {
		return kind.Amount(0, m.Amount)
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
func accountOf(m *commission.Movement, kind chart.Kind) ledger.Account {
	a := ledger.Account{Kind: kind, Unit: m.Unit}
	owner := kind.Entry().Owner
	if owner.HasMerchant() {
		a.Merchant = m.Merchant
	}
	if owner.HasPartner() {
		a.Partner = m.Partner
	}
	return a
}
