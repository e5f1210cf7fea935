package engine

import (
	"maps"
	"slices"

	"tributary/commission"
	"tributary/commission/evidence"
	"tributary/commission/period"
	"tributary/internal/event"
)

// slice is lane.apply.
func (tx *memoryTx) slice(facts []fact) error {
	if len(facts) == 0 {
		return errNothing
	}
	var t txSummary
	in, err := admit(tx.position, facts, &t)
	if err != nil {
		return err
	}
	if tx.broken == copiesCount {
		in.accepted = copies(facts, in.accepted)
	}
	var keys []orderKey
	for _, f := range in.accepted {
		if !slices.Contains(keys, f.order) {
			keys = append(keys, f.order)
		}
	}
	orders := tx.gather(keys...)
	for _, f := range in.accepted {
		orders[slices.Index(keys, f.order)].take(f)
	}
	for _, o := range orders {
		if len(o.disputed) > 0 {
			tx.disputed = append(tx.disputed, o)
		}
	}
	return tx.decide(slices.DeleteFunc(slices.Clone(orders), func(o *order) bool { return len(o.fresh) == 0 }))
}

// due is dueOrders.
func (m *memory) due(lane int) (numbers []int64) {
	for no, row := range m.byNo {
		if m.laneOf(row.key) == lane && slices.ContainsFunc(row.earnings, func(e commission.Earning) bool {
			return !e.Released && !e.HoldUntil.After(m.now)
		}) {
			numbers = append(numbers, no)
		}
	}
	return numbers
}

func (m *memory) laneOf(key orderKey) int { return event.Lane(key.bytes(), lanes) }

// decideAgain is lane.decideAgain.
func (tx *memoryTx) decideAgain(numbers []int64) error {
	if len(numbers) == 0 {
		return errNothing
	}
	slices.Sort(numbers)
	var keys []orderKey
	for _, no := range slices.Compact(numbers) {
		keys = append(keys, tx.byNo[no].key)
	}
	return tx.decide(tx.gather(keys...))
}

// takeNudges is lane.decideNudged.
func (tx *memoryTx) takeNudges() error {
	var numbers []int64
	tx.nudged = map[int64]bool{}
	for _, n := range tx.nudges {
		if tx.laneOf(tx.byNo[n.order].key) == tx.lane {
			numbers = append(numbers, n.order)
			tx.nudged[n.no] = true
		}
	}
	return tx.decideAgain(numbers)
}

// takeSaid is lane.takeFromInbox.
func (tx *memoryTx) takeSaid() error {
	i := slices.IndexFunc(tx.said, func(r *saidRow) bool { return r.lane == tx.lane && !r.taken })
	if i < 0 {
		return errNothing
	}
	tx.row = tx.said[i]
	if tx.row.key == (orderKey{}) {
		place := evidence.Place{Customer: tx.customer(tx.row.bind.Customer), At: tx.row.bind.From}
		tx.touches, tx.changed = append(tx.touches, place), append(tx.changed, changedPlace{Place: place})
		return nil
	}
	orders := tx.gather(tx.row.key)
	tx.hear(&orders[0].said, tx.row)
	return tx.decide(orders)
}

// compare is lane.compare.
func (tx *memoryTx) compare() (shared []evidence.Place) {
	tx.compared = map[int64]bool{}
	for _, a := range tx.changes {
		if a.lane != tx.lane || a.compared {
			continue
		}
		tx.compared[a.no] = true
		for _, b := range tx.changes {
			if b.lane != tx.lane || b.no == a.no || a.commit <= b.seen || b.commit <= a.seen || tx.broken == changesNotCompared {
				continue
			}
			of := func(c changeRow) map[evidence.Customer][]changedPlace {
				by := map[evidence.Customer][]changedPlace{}
				for _, p := range c.places {
					by[p.Customer] = append(by[p.Customer], p)
				}
				return by
			}
			shared = append(shared, sharedBy(of(a), of(b))...)
		}
	}
	return shared
}

// sweep is lane.sweep.
func (tx *memoryTx) sweep() error {
	places := tx.compare()
	tx.swept, tx.views = map[int64]bool{}, map[evidence.Customer][]commission.Seen{}
	for _, row := range tx.touched {
		if row.Customer.Lane(lanes) == tx.lane {
			tx.swept[row.no] = true
			places = append(places, row.Place)
		}
	}
	if len(tx.swept)+len(tx.compared) == 0 {
		return errNothing
	}
	binds := tx.sortedBinds()
	for _, s := range stretchesOf(places) {
		customer := s.Customer
		prev, from := tx.from(s.Place, tx.sweeps)
		changed, settled := commission.Refresh(prev, from, binds[customer], s.through())
		for _, n := range changed {
			tx.views[customer] = append(tx.views[customer], from[n])
			place := evidence.PlaceOf(customer, &from[n])
			tx.claimed, tx.changed = append(tx.claimed, place), append(tx.changed, changedPlace{Place: place})
		}
		if settled || len(from) < tx.sweeps {
			continue
		}
		last := evidence.PlaceOf(customer, &from[len(from)-1])
		tx.touches = append(tx.touches, last)
		for _, p := range s.touched {
			if last.Before(p) {
				tx.touches = append(tx.touches, p)
			}
		}
	}
	return nil
}

// settle is lane.settle.
func (tx *memoryTx) settle(ranked bool) error {
	tx.settling, tx.ranked, tx.added = true, ranked, map[int64]bool{}
	byKey := map[period.Key]*periodState{}
	find := func(key period.Key) *periodState {
		p := byKey[key]
		if p == nil {
			p = tx.state(key)
			byKey[key] = p
		}
		return p
	}
	for key, row := range tx.memory.periods {
		if laneOfPeriod(&key) == tx.lane && row.ranked == ranked && !row.next.IsZero() && !row.next.After(tx.now) && tx.broken != holdsOfPeriodsForgotten {
			find(key)
		}
	}
	for _, d := range tx.deltas {
		if laneOfPeriod(&d.Key) == tx.lane && d.ranked == ranked {
			tx.added[d.no] = true
			find(d.Key).add(d.Cell, d.Sums)
		}
	}
	if len(byKey) == 0 {
		return errNothing
	}
	for _, key := range slices.SortedFunc(maps.Keys(byKey), period.Key.Compare) {
		p := byKey[key]
		p.rules = period.Rules{}
		for _, id := range p.ruleIDs() {
			p.rules[id] = tx.rules[id]
		}
		if p.ranked = p.rules.Ranked(); p.ranked {
			p.orders = tx.ordersOf(key)
		}
		if p.settle(tx.now); p.problem != nil {
			return p.problem
		}
		tx.periods = append(tx.periods, p)
	}
	return nil
}

// state is a period as it stands.
func (m *memory) state(key period.Key) *periodState {
	p := newPeriodState(key)
	row := m.periods[key]
	if row == nil {
		p.no = m.number()
		return p
	}
	p.stood(row.no, row.version, &row.released, row.record)
	p.cells = maps.Clone(row.cells)
	for _, on := range row.posted { // as evidence.PeriodPostings adds them up
		on.Cause = ""
		i := slices.IndexFunc(p.posted, func(m commission.Movement) bool {
			same := m.At.Equal(on.At)
			m.Amount, m.At = on.Amount, on.At
			return same && m == on
		})
		if i < 0 {
			p.posted = append(p.posted, on)
		} else {
			p.posted[i].Amount += on.Amount
		}
	}
	return p
}

// ordersOf is evidence.PeriodOrders.
func (m *memory) ordersOf(key period.Key) (orders []period.Order) {
	for _, row := range m.orders {
		for i := range row.decision.Credits {
			if o := period.OrderOf(&row.decision, i, key); len(o.Cells) > 0 {
				orders = append(orders, o)
			}
		}
	}
	return orders
}

func laneOfPeriod(k *period.Key) int {
	return event.Lane(event.PeriodKey(int64(k.Program), int64(k.Partner)), lanes)
}
