package engine

import (
	"cmp"
	"slices"
	"time"

	"tributary/commission"
	"tributary/commission/ledger/chart"
	"tributary/internal/event"
	"tributary/partners/program"
)

// owner is what a ledger event is about; the zero owner stands for orders on which nobody earns.
type owner struct {
	commission.Earner

	program program.ProgramID
	link    program.LinkID
	// further marks all credits but the first of an order, whose events count the order, too. Those of clicks count none.
	further bool
	// former marks what was said of an order under another customer, time or currency than it has now: it is taken off there and
	// said anew, since reports sum by these.
	former bool
}

func ownerOf(d *commission.Decision, i int) owner {
	if i >= len(d.Credits) {
		return owner{}
	}
	c := &d.Credits[i]
	return owner{Earner: c.Earner(), program: c.Program, link: c.Link, further: i > 0 || d.Order.Clicks != nil}
}

// moving is a decision and what each of its credits moves.
type moving struct {
	*commission.Decision

	byCredit [][]commission.Movement
	former   bool
}

// owner is what the ledger events of a credit are about; one beyond the last stands for nobody.
func (s moving) owner(i int) owner {
	o := ownerOf(s.Decision, i)
	o.former = s.former
	return o
}

// of gives the movements of an owner, if it has a credit.
func (s moving) of(o owner) (movements []commission.Movement, found bool) {
	for i := range s.Credits {
		if s.owner(i) == o {
			return s.byCredit[i], true
		}
	}
	return nil, false
}

// step is one ledger event: what changed at one effective time for one owner. Amounts are minor units, differences to
// what was reported before.
type step struct {
	owner owner
	at    time.Time
	cause commission.Cause

	orders                   int32
	revenue, refunded, gross int64
	accounts                 []accountChange
}

// accountChange is what a step adds to an account of a kind: debits less credits.
type accountChange struct {
	kind   chart.Kind
	amount int64
}

// account adds to an account.
func (s *step) account(kind chart.Kind, amount int64) {
	for i := range s.accounts {
		if s.accounts[i].kind == kind {
			s.accounts[i].amount += amount
			return
		}
	}
	if s.accounts == nil {
		s.accounts = make([]accountChange, 0, 4) // of most credits
	}
	s.accounts = append(s.accounts, accountChange{kind, amount})
}

// grown is by how much an account of a kind has grown.
func (s *step) grown(kind chart.Kind) int64 {
	for _, a := range s.accounts {
		if a.kind == kind {
			return kind.Amount(a.amount, 0)
		}
	}
	return 0
}

// isEmpty reports whether nothing has changed after all.
func (s *step) isEmpty() bool {
	return s.orders == 0 && s.revenue == 0 && s.refunded == 0 && s.gross == 0 &&
		!slices.ContainsFunc(s.accounts, func(a accountChange) bool { return a.amount != 0 })
}

// steps collects ledger events: a handful of most orders, and tens of thousands where many partners share one with many refunds.
type steps struct {
	all []step
	// index has the place of each once they are more than a handful.
	index map[stepKey]int
}

// stepKey is what tells the steps of an order apart.
type stepKey struct {
	owner   owner
	at      int64
	release bool
}

// handful is how many steps are looked through one by one.
const handful = 32

// at gives the step of an owner and time. What is released at the same instant as it was earned stays a step apart.
func (s *steps) at(o owner, at time.Time, cause commission.Cause) *step {
	key := stepKey{o, at.UnixNano(), cause == commission.CauseRelease}
	if i := s.find(key); i >= 0 {
		return &s.all[i]
	}
	s.all = append(s.all, step{owner: o, at: at, cause: cause})
	if s.index != nil {
		s.index[key] = len(s.all) - 1
	}
	return &s.all[len(s.all)-1]
}

func (s *step) key() stepKey {
	return stepKey{s.owner, s.at.UnixNano(), s.cause == commission.CauseRelease}
}

// find gives the place of a step, below zero of one that is not there.
func (s *steps) find(key stepKey) int {
	switch {
	case s.index != nil:
	case len(s.all) <= handful:
		for i := range s.all {
			if t := &s.all[i]; t.at.UnixNano() == key.at && t.key() == key {
				return i
			}
		}
		return -1
	default:
		s.index = make(map[stepKey]int, 2*len(s.all))
		for i := range s.all {
			s.index[s.all[i].key()] = i
		}
	}
	if i, ok := s.index[key]; ok {
		return i
	}
	return -1
}

// move adds movements of an owner.
func (s *steps) move(o owner, movements []commission.Movement) {
	for i := range movements {
		m := &movements[i]
		t := s.at(o, m.At, m.Cause)
		t.account(m.Debit, m.Amount)
		t.account(m.Credit, -m.Amount)
	}
}

// add adds what a decision lets be counted, or with sign -1 takes it off: the order at its own time, refunds at theirs, once
// for each partner, and what each credit is worth. A correction is what takes off. Test orders and void ones are not counted.
func (s *steps) add(d moving, sign int64) {
	if !d.Order.Placed() || !d.Order.Counts() {
		return
	}
	sale, refund := commission.CauseSale, commission.CauseRefund
	if sign < 0 {
		sale, refund = commission.CauseCorrection, commission.CauseCorrection
	}
	for i := range max(1, len(d.Credits)) {
		o := d.owner(i)
		first := s.at(o, d.Order.At, sale)
		if i < len(d.Credits) {
			first.gross += sign * d.Credits[i].Gross
		}
		if !d.Counts(i) {
			continue
		}
		first.orders += int32(sign)
		first.revenue += sign * d.Order.Amount
		for n := range d.Order.Refunds {
			r := &d.Order.Refunds[n]
			if len(r.Taken) == 0 {
				continue
			}
			t := s.at(o, r.Effective, refund)
			for _, taken := range r.Taken {
				t.refunded += sign * taken.Amount
			}
		}
	}
}

// report works out the ledger events of a decision: what is counted and moved for each credit now less what was when the
// last one's record was written. So the events of an order always add up to its present figures.
func report(was, is moving) []step {
	was.former = was.Order.Placed() && !filedAlike(&was.Order, &is.Order)
	all := steps{all: make([]step, 0, max(2, len(is.Credits)))}
	for i := range is.Credits {
		o := is.owner(i)
		before, _ := was.of(o)
		all.move(o, commission.Difference(before, is.byCredit[i]))
	}
	for i := range was.Credits {
		o := was.owner(i)
		if _, stays := is.of(o); !stays {
			all.move(o, commission.Difference(was.byCredit[i], nil))
		}
	}
	all.add(is, 1)
	all.add(was, -1)
	left := slices.DeleteFunc(all.all, func(s step) bool { return s.isEmpty() })
	slices.SortStableFunc(left, func(a, b step) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(b2i(a.cause == commission.CauseRelease), b2i(b.cause == commission.CauseRelease)))
	})
	return left
}

// filedAlike reports whether ledger events name the same customer, time and currency of an order.
func filedAlike(a, b *commission.Order) bool {
	return a.Customer == b.Customer && a.At.Equal(b.At) && a.Currency == b.Currency
}

// telling is room for the body of one ledger event, which is encoded before there is the next.
type telling struct {
	body     event.Event_Ledger
	ledger   event.Ledger
	changes  []event.AccountChange
	accounts []*event.AccountChange
}

func (o *order) ledgerEvent(n int, postedAt time.Time, room *telling) (*event.Event, error) {
	s := &o.reported[n]
	e, err := event.New(postedAt, s.at)
	if err != nil {
		return nil, err
	}
	of := &o.decided.Order
	if s.owner.former {
		of = &o.recorded.Order
	}
	l := s.ledger(of.Currency, room)
	l.OrderNo, l.Version, l.Step = o.no, o.version, int32(n)
	l.MerchantId, l.OrderId, l.CustomerId = o.key.merchant, o.key.id, of.Customer
	l.Currency, l.OrderedAt = of.Currency, event.Micros(of.At)
	e.Body = &room.body
	return e, nil
}

// ledger is the body of a step's event, but for what it is about and when that was. Role and unit are empty where they are as of
// most: a partner's, in the currency.
func (s *step) ledger(currency string, room *telling) *event.Ledger {
	var role, unit string
	if s.owner.Role != commission.RolePartner {
		role = s.owner.Role.String()
	}
	if s.owner.Unit != "" && s.owner.Unit != currency {
		unit = s.owner.Unit
	}
	pending := s.grown(chart.PartnerPending) + s.grown(chart.WalletPending)
	payable := s.grown(chart.PartnerPayable) + s.grown(chart.Wallet)
	held := s.grown(chart.PartnerHeld)
	feePending, feeEarned := s.grown(chart.FeePending), s.grown(chart.FeeEarned)
	room.ledger = event.Ledger{
		ProgramId: int64(s.owner.program), PartnerId: int64(s.owner.Partner), LinkId: int64(s.owner.link),
		Cause: string(s.cause), Orders: s.orders, Revenue: s.revenue, Refunded: s.refunded, Gross: s.gross,
		Net: pending + payable + held, Fee: feePending + feeEarned, Further: s.owner.further, Role: role, Unit: unit,
		Pending: pending, Payable: payable, FeePending: feePending, FeeEarned: feeEarned, Accounts: s.changes(room),
	}
	room.body.Ledger = &room.ledger
	return &room.ledger
}

// changes are what a step adds to each account as its event says it.
func (s *step) changes(room *telling) []*event.AccountChange {
	all, pointers := slices.Grow(room.changes[:0], len(s.accounts)), room.accounts[:0]
	for _, a := range s.accounts {
		if a.amount != 0 {
			all = append(all, event.AccountChange{Kind: a.kind.Entry().Number, Amount: a.amount})
			pointers = append(pointers, &all[len(all)-1])
		}
	}
	room.changes, room.accounts = all, pointers
	return pointers
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
