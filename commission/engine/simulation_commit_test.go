package engine

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	"tributary/commission"
	"tributary/commission/evidence"
	"tributary/commission/ledger/chart"
	"tributary/commission/period"
	"tributary/internal/event"
)

// mistake is a deliberate one of the state machine.
type mistake int

const (
	noMistake mistake = iota
	crashTakesDeltas
	crashMovesPosition
	crashTakesSaid
	sweepTakesUnseen
	sweepNudgesNobody
	nudgesTakenUnseen
	ordersTouchNobody
	ownersNotFenced
	copiesCount
	holdsForgotten
	holdsOfPeriodsForgotten
	ordersStay
	changesNotCompared
)

func mistakes() []mistake {
	return []mistake{
		crashTakesDeltas, crashMovesPosition, crashTakesSaid, sweepTakesUnseen, sweepNudgesNobody, nudgesTakenUnseen, ordersTouchNobody,
		ownersNotFenced, copiesCount, holdsForgotten, holdsOfPeriodsForgotten, ordersStay, changesNotCompared,
	}
}

func (f mistake) String() string {
	return [...]string{
		"none", "a crash takes changes of sums off", "a crash moves the position", "a crash takes a row of the inbox",
		"a sweep takes what it did not see", "a sweep nudges nobody", "nudges are taken that were not seen", "an order touches nobody",
		"an owner that lost its lease commits", "a copy counts as another fact", "ended holds are forgotten", "holds of periods never end",
		"an order stays with the customer of its first report", "changes that did not see one another are not compared",
	}[f]
}

// crash ends a transaction of which nothing is left.
func (tx *memoryTx) crash() {
	switch tx.broken {
	case crashTakesDeltas:
		if tx.settling {
			tx.takeOff()
		}
	case crashMovesPosition:
		tx.lanes[tx.lane].position = *tx.position
	case crashTakesSaid:
		if tx.row != nil {
			tx.row.taken = true
		}
	}
}

// takeOff takes off what the transaction has taken.
func (tx *memoryTx) takeOff() {
	m := tx.memory
	m.touched = slices.DeleteFunc(m.touched, func(r touchedRow) bool {
		return tx.swept[r.no] || tx.swept != nil && tx.broken == sweepTakesUnseen && r.Customer.Lane(lanes) == tx.lane
	})
	m.nudges = slices.DeleteFunc(m.nudges, func(n nudgeRow) bool {
		return tx.nudged[n.no] || tx.nudged != nil && tx.broken == nudgesTakenUnseen && m.laneOf(m.byNo[n.order].key) == tx.lane
	})
	m.deltas = slices.DeleteFunc(m.deltas, func(d deltaRow) bool { return tx.added[d.no] })
}

// commit makes what the transaction writes be there.
func (tx *memoryTx) commit() error {
	m := tx.memory
	tx.takeOff()
	tx.keepChanges()
	m.lanes[tx.lane].position = *tx.position
	if tx.row != nil {
		tx.row.taken = true
		if b := tx.row.bind; b.Customer != "" {
			c := m.customer(b.Customer)
			m.binds[c] = append(m.binds[c], commission.Bind{
				From: b.From, No: tx.row.no, To: commission.Offer{Program: b.Program, Partner: b.Partner, Months: m.monthsOf(b.Partner)},
			})
		}
	}
	var counted []period.Contribution
	for _, o := range tx.orders {
		if err := m.keep(o); err != nil {
			return err
		}
		counted = append(counted, o.counted...)
	}
	m.keepDeltas(counted)
	for _, o := range tx.disputed {
		m.keepConflicts(o)
	}
	for customer, changed := range tx.views {
		for i := range changed {
			m.stand(customer, &changed[i], true)
		}
	}
	for _, p := range tx.touches {
		if tx.broken != ordersTouchNobody || len(tx.orders) == 0 {
			m.touched = append(m.touched, touchedRow{m.number(), p})
		}
	}
	for _, p := range tx.periods {
		if err := m.keepPeriod(p); err != nil {
			return err
		}
	}
	return tx.balanced()
}

// keepChanges is changes.write, and marks those that were compared.
func (tx *memoryTx) keepChanges() {
	m := tx.memory
	m.commits++
	for i := range m.changes {
		row := &m.changes[i]
		row.compared = row.compared || tx.compared[row.no] || tx.compared != nil && tx.broken == sweepTakesUnseen && row.lane == tx.lane
	}
	for lane := range lanes {
		row := changeRow{no: m.number(), lane: lane, seen: tx.seen, commit: m.commits}
		for _, p := range tx.changed {
			if p.Customer.Lane(lanes) == lane {
				row.places = append(row.places, p)
			}
		}
		if len(row.places) > 0 {
			m.changes = append(m.changes, row)
		}
	}
}

// keep is Engine.write of one order.
func (m *memory) keep(o *order) error {
	row := m.orders[o.key]
	if row == nil {
		row = &orderRow{no: o.no, key: o.key}
		m.orders[o.key], m.byNo[o.no] = row, row
	}
	row.version, row.released, row.earnings = o.version, o.released, o.paying
	row.record = m.forms.Append(nil, &o.decided)
	var err error
	if row.decision, err = m.forms.Read(row.record); err != nil {
		return err
	}
	if m.broken == holdsForgotten {
		row.released = orZero(nil)
	}
	for _, f := range o.fresh {
		row.facts = append(row.facts, factRow{factHash{f.key, f.hash}, f.event, len(f.record.Value)})
	}
	row.counts = period.Difference(&commission.Decision{}, &row.decision)
	if o.seen != nil && o.seen.changed {
		m.stand(o.seen.customer, &o.seen.Seen, false)
	}
	for _, p := range o.left {
		was := len(m.seen[p.Customer])
		m.seen[p.Customer] = slices.DeleteFunc(m.seen[p.Customer], func(s commission.Seen) bool { return evidence.PlaceOf(p.Customer, &s) == p })
		if len(m.seen[p.Customer]) < was {
			m.touched = append(m.touched, touchedRow{m.number(), p})
		}
	}
	row.posted = append(row.posted, o.due...)
	return m.post(chart.OfOrder, row.no, o.version, len(o.due))
}

// keepConflicts is what conflictColumns.queue does for an order: each content is kept once.
func (m *memory) keepConflicts(o *order) {
	row := m.orders[o.key]
	for _, f := range o.disputed {
		if !slices.ContainsFunc(row.conflicts, func(e *event.Event) bool { return bytes.Equal(e.Content(), f.event.Content()) }) {
			row.conflicts = append(row.conflicts, f.event)
		}
	}
}

// post notes postings, none of which may be there.
func (m *memory) post(source chart.Source, no int64, version int32, n int) error {
	for i := range n {
		key := postingKey{source, no, version, i}
		if m.postings[key] {
			return fmt.Errorf("posted twice: %+v", key)
		}
		m.postings[key] = true
	}
	return nil
}

// stand writes how a customer stood by an order; of one that is there a sweep changes the view alone, and has it decided again.
func (m *memory) stand(customer evidence.Customer, s *commission.Seen, swept bool) {
	rows := m.seen[customer]
	i, found := slices.BinarySearchFunc(rows, s, func(a commission.Seen, b *commission.Seen) int { return a.Compare(b) })
	switch {
	case !found:
		m.seen[customer] = slices.Insert(rows, i, *s)
	case swept:
		rows[i].View = s.View
	default:
		rows[i] = *s
	}
	if swept && m.broken != sweepNudgesNobody {
		m.nudges = append(m.nudges, nudgeRow{m.number(), s.No})
	}
}

// keepDeltas is Engine.writeDeltas.
func (m *memory) keepDeltas(changes []period.Contribution) {
	changes = period.Sum(changes)
	for _, c := range changes {
		if c.Says != nil {
			m.rules[c.Cell.Rule] = c.Says
		}
	}
	for _, c := range changes {
		ranked := period.IsRanked(&m.rules[c.Cell.Rule].Period)
		if c.Sums != (period.Sums{}) || ranked {
			m.deltas = append(m.deltas, deltaRow{m.number(), ranked, c})
		}
	}
}

// keepPeriod is lane.postPeriods of one period.
func (m *memory) keepPeriod(p *periodState) error {
	row := m.periods[p.key]
	if row == nil {
		row = &periodRow{no: p.no, cells: map[period.Cell]period.Sums{}}
		m.periods[p.key] = row
	}
	for cell, sums := range p.added {
		row.cells[cell] = row.cells[cell].Plus(sums)
	}
	written := period.NewRecord(p.key, p.rules, &p.settled)
	var err error
	if row.record, err = written.JSON(); err != nil {
		return err
	}
	row.version, row.released, row.next, row.ranked, row.standing = p.version, p.released, p.next, p.ranked, p.standing
	row.posted = append(row.posted, p.due...)
	return m.post(chart.OfPeriod, row.no, p.version, len(p.due))
}

// balanced holds what must be true after every commit: what an order has on the books is what its record and its commissions say,
// what a period has what it stands at, and what periods hold and are told of what all records count for.
func (tx *memoryTx) balanced() error {
	m := tx.memory
	for _, o := range tx.orders {
		row := m.orders[o.key]
		if off := commission.Difference(row.posted, row.decision.Movements(row.released)); len(off) > 0 {
			return fmt.Errorf("order %s: its books are not as its record says: %+v", row.key.id, off)
		}
		grown, earned := map[chart.Kind]int64{}, map[chart.Kind]int64{}
		for _, p := range row.posted {
			grown[p.Debit] -= p.Amount
			grown[p.Credit] += p.Amount
		}
		for _, e := range row.earnings {
			earned[chart.PartnerPending] += e.Pending
			earned[chart.PartnerPayable] += e.Payable
			earned[chart.PartnerHeld] += e.Held
		}
		for kind, amount := range earned {
			if grown[kind] != amount {
				return fmt.Errorf("order %s: its commissions come to %d of %s, its books hold %d", row.key.id, amount, kind, grown[kind])
			}
		}
	}
	for _, p := range tx.periods {
		if row := m.periods[p.key]; period.StandingOf(row.posted) != row.standing {
			return fmt.Errorf("period %+v stands at %+v, its books hold %+v", p.key, row.standing, period.StandingOf(row.posted))
		}
	}
	if len(tx.orders)+len(tx.periods) == 0 && !tx.settling {
		return nil
	}
	return m.counted()
}

// counted holds that periods and what they are yet to be told add up to what the records count for.
func (m *memory) counted() error {
	type place struct {
		period.Key
		period.Cell
	}
	sums := map[place]period.Sums{}
	add := func(key period.Key, cell period.Cell, s period.Sums) {
		p := place{key, cell}
		sums[p] = sums[p].Plus(s)
	}
	for key, row := range m.periods {
		for cell, s := range row.cells {
			add(key, cell, s)
		}
	}
	for _, d := range m.deltas {
		add(d.Key, d.Cell, d.Sums)
	}
	for _, row := range m.orders {
		for _, c := range row.counts {
			add(c.Key, c.Cell, period.Sums{}.Minus(c.Sums))
		}
	}
	maps.DeleteFunc(sums, func(_ place, s period.Sums) bool { return s == period.Sums{} })
	for p, s := range sums {
		return fmt.Errorf("period %+v is out by %+v in %+v", p.Key, s, p.Cell)
	}
	return nil
}

// copies adds to facts the copies of refunds among records, as if each were of a refund of its own.
func copies(facts []fact, accepted []*fact) []*fact {
	for i := range facts {
		if f := facts[i]; !slices.ContainsFunc(accepted, func(a *fact) bool { return a.record.Offset == f.record.Offset }) && f.key.kind == event.KindRefund {
			f.key.ref += " again"
			f.event = proto.CloneOf(f.event)
			f.event.GetRefund().RefundId = f.key.ref
			accepted = append(accepted, &f)
		}
	}
	return accepted
}
