package engine

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"tributary/commission"
	"tributary/commission/evidence"
	"tributary/commission/inbox"
	"tributary/commission/ledger/chart"
	"tributary/commission/period"
	"tributary/internal/event"
	"tributary/internal/position"
	"tributary/partners/program"
)

// memory is what PostgreSQL is to the engine: committed rows. Transactions read it when they begin and change it when they commit.
type memory struct {
	cast
	forms  commission.Forms
	broken mistake
	now    time.Time
	sweeps int // bounds the orders of a customer that a sweep looks at

	lanes   [lanes]laneRow
	orders  map[orderKey]*orderRow
	byNo    map[int64]*orderRow
	seen    map[evidence.Customer][]commission.Seen // in their order
	binds   map[evidence.Customer][]commission.Bind
	touched []touchedRow
	changes []changeRow
	commits int // so far
	nudges  []nudgeRow
	said    []*saidRow
	deltas  []deltaRow
	rules   period.Rules
	periods map[period.Key]*periodRow
	numbers int64 // given so far, whatever commits

	postings map[postingKey]bool
}

type laneRow struct {
	position position.Position
	epoch    int64
}

type orderRow struct {
	no       int64
	key      orderKey
	version  int32
	released time.Time
	record   []byte
	decision commission.Decision // as the record has it
	earnings []commission.Earning
	posted   []commission.Movement
	facts    []factRow
	counts   []period.Contribution // by the record
	// conflicts are reports without effect.
	conflicts []*event.Event
}

type factRow struct {
	factHash
	event *event.Event
	bytes int
}

type touchedRow struct {
	no int64
	evidence.Place
}

// changeRow is what a transaction has changed in the orders of customers of a lane.
type changeRow struct {
	no           int64
	lane         int
	seen, commit int // how many transactions had committed when it began, and when it had
	places       []changedPlace
	compared     bool
}

type nudgeRow struct {
	no    int64
	order int64
}

// saidRow is a row of the inbox: of a review, a dispute or a binding.
type saidRow struct {
	no      int64
	lane    int
	taken   bool
	key     orderKey // of a review or a dispute
	review  commission.Review
	dispute commission.Dispute
	bind    inbox.Binding
}

type deltaRow struct {
	no     int64
	ranked bool
	period.Contribution
}

type periodRow struct {
	no       int64
	version  int32
	released time.Time
	next     time.Time
	ranked   bool
	record   []byte
	cells    map[period.Cell]period.Sums
	posted   []commission.Movement
	standing period.Standing
}

type postingKey struct {
	source  chart.Source
	no      int64
	version int32
	n       int
}

func newMemory(of cast, broken mistake) *memory {
	return &memory{
		cast: of, forms: commission.KnownForms(), broken: broken, sweeps: sweepOrders,
		orders: map[orderKey]*orderRow{}, byNo: map[int64]*orderRow{},
		seen: map[evidence.Customer][]commission.Seen{}, binds: map[evidence.Customer][]commission.Bind{},
		rules: period.Rules{}, periods: map[period.Key]*periodRow{}, postings: map[postingKey]bool{},
	}
}

func (m *memory) number() int64 {
	m.numbers++
	return m.numbers
}

// memoryTx is a transaction of a lane's owner: what it has read it has decided on, and what it writes is there when it commits.
type memoryTx struct {
	*memory
	lane     int
	position *position.Position
	orders   []*order
	disputed []*order         // with reports without effect
	claimed  []evidence.Place // whose rows it changes: no other transaction changes them until it ends
	touches  []evidence.Place
	changed  []changedPlace
	seen     int                                     // how many transactions had committed when it began
	compared map[int64]bool                          // changes that are held against the others
	views    map[evidence.Customer][]commission.Seen // those that a sweep has changed
	swept    map[int64]bool                          // touched rows that are taken
	nudged   map[int64]bool                          // nudges that are taken
	row      *saidRow
	settling bool
	ranked   bool
	added    map[int64]bool // deltas that are taken
	periods  []*periodState
}

// errNothing says that there is nothing to do.
var errNothing = errors.New("nothing to do")

// begin runs a transaction up to its commit.
func (m *memory) begin(lane int, epoch int64, what job, facts []fact) (*memoryTx, error) {
	if at := m.lanes[lane].epoch; at != epoch {
		return nil, fmt.Errorf("%w: epoch %d, not %d", position.ErrLost, at, epoch)
	}
	tx := &memoryTx{memory: m, lane: lane, position: m.lanes[lane].position.Clone(), seen: m.commits}
	switch what {
	case takeSlice:
		return tx, tx.slice(facts)
	case endHolds:
		return tx, tx.decideAgain(m.due(lane))
	case takeSaid:
		return tx, tx.takeSaid()
	case sweepCustomers:
		return tx, tx.sweep()
	case decideNudged:
		return tx, tx.takeNudges()
	case settleSums, settleRanked:
		return tx, tx.settle(what == settleRanked)
	}
	return nil, fmt.Errorf("there is no job %d", what)
}

// gather is Engine.gather.
func (m *memory) gather(keys ...orderKey) []*order {
	orders := make([]*order, len(keys))
	for i, key := range keys {
		o := &order{key: key}
		orders[i] = o
		row := m.orders[key]
		if row == nil {
			o.no = m.number()
			continue
		}
		o.known, o.no, o.version, o.record, o.released = true, row.no, row.version, row.record, row.released
		o.earnings, o.posted = slices.Clone(row.earnings), slices.Clone(row.posted)
		for _, f := range slices.SortedFunc(slices.Values(row.facts), func(a, b factRow) int {
			return cmp.Or(cmp.Compare(a.key.kind, b.key.kind), cmp.Compare(a.key.ref, b.key.ref))
		}) {
			o.events, o.accepted = append(o.events, f.event), append(o.accepted, f.factHash)
			if f.key.kind == event.KindRefund {
				o.refunded += f.bytes
			}
		}
		for _, r := range m.said {
			if r.taken && r.key == key {
				m.hear(&o.said, r)
			}
		}
	}
	return orders
}

// hear takes in a dispute, or a review beside the conflicting report that it names.
func (m *memory) hear(all *commission.Said, r *saidRow) {
	if r.dispute.ID != "" {
		all.Disputes = append(all.Disputes, r.dispute)
		return
	}
	said := r.review
	if row := m.orders[r.key]; row != nil && said.Report != "" {
		for _, e := range row.conflicts {
			if hex.EncodeToString(e.Content()) == said.Report {
				said.Reported = e
			}
		}
	}
	all.Reviews = append(all.Reviews, said)
}

// decide is Engine.decide, with Engine.customers.
func (tx *memoryTx) decide(orders []*order) error {
	var named []*seen
	for _, o := range orders {
		if err := o.read(tx.forms); err != nil {
			return err
		}
		o.evidence = tx.evidence(&o.folded)
		s, ok := commission.SeenBy(&o.folded, &o.evidence)
		if o.left = o.leaves(s, ok); tx.broken == ordersStay {
			o.left = nil
		}
		tx.claimed = append(tx.claimed, o.left...)
		for _, p := range o.left {
			tx.changed = append(tx.changed, changedPlace{Place: p})
		}
		if !ok {
			continue
		}
		s.No = o.no
		o.seen = &seen{Seen: s, customer: tx.customer(o.folded.Customer), changed: true}
		place := evidence.PlaceOf(o.seen.customer, &s)
		o.seen.meet(tx.before(place))
		o.seen.behind = tx.behind(place)
		named = append(named, o.seen)
	}
	view(named, tx.sortedBinds())
	for _, o := range orders {
		if o.seen != nil {
			o.evidence.Customer = o.seen.View
			tx.belong(&o.folded, &o.evidence)
			if o.seen.changed {
				place := evidence.PlaceOf(o.seen.customer, &o.seen.Seen)
				quiet := !o.seen.stored && !o.seen.Moves()
				tx.claimed, tx.changed = append(tx.claimed, place), append(tx.changed, changedPlace{place, quiet})
				if o.seen.unsettles {
					tx.touches = append(tx.touches, place)
				}
			}
		}
		if err := o.decide(tx.now, commission.Decide); err != nil {
			return err
		}
	}
	tx.orders = append(tx.orders, orders...)
	return nil
}

// sortedBinds is evidence.Binds of everybody.
func (m *memory) sortedBinds() map[evidence.Customer][]commission.Bind {
	all := map[evidence.Customer][]commission.Bind{}
	for customer, binds := range m.binds {
		all[customer] = slices.Clone(binds)
		commission.SortBinds(all[customer])
	}
	return all
}

// before is evidence.Before of one place.
func (m *memory) before(p evidence.Place) (found []commission.Seen) {
	for _, s := range slices.Backward(m.seen[p.Customer]) {
		if !p.Before(evidence.PlaceOf(p.Customer, &s)) && len(found) < 2 {
			found = append(found, s)
		}
	}
	return found
}

// behind is the order that evidence.Around finds behind one place.
func (m *memory) behind(p evidence.Place) *commission.Seen {
	for _, s := range m.seen[p.Customer] {
		if p.Before(evidence.PlaceOf(p.Customer, &s)) {
			return &s
		}
	}
	return nil
}

// from is evidence.From of one place.
func (m *memory) from(p evidence.Place, limit int) (prev *commission.Seen, found []commission.Seen) {
	for _, s := range m.seen[p.Customer] {
		switch {
		case evidence.PlaceOf(p.Customer, &s).Before(p):
			prev = new(s)
		case len(found) < limit:
			found = append(found, s)
		}
	}
	return prev, found
}

// monthsOf is monthsBound of the program.
func (m *memory) monthsOf(partner program.PartnerID) int {
	if partner == 0 {
		return 0
	}
	return m.sold.Terms[0].Bind().Months
}
