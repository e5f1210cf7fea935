package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/google/go-cmp/cmp"

	"tributary/commission"
	"tributary/commission/evidence"
	"tributary/commission/period"
	"tributary/internal/event"
)

// once is what all facts come to when they are looked at once, in their order.
type once struct {
	decisions map[orderKey]*commission.Decision
	views     map[evidence.Customer][]commission.Seen
	book      period.Book
}

// lookOnce folds the orders, then the customers, and then decides.
func (s *simulation) lookOnce() (*once, error) {
	all := &once{decisions: map[orderKey]*commission.Decision{}, views: map[evidence.Customer][]commission.Seen{}}
	all.book.Keeps = func(*period.Key) bool { return true }
	orders, found := map[orderKey]*commission.Order{}, map[orderKey]*commission.Evidence{}
	for key, events := range s.events() {
		o, err := commission.Fold(s.standing(key, events), s.saidOf(key))
		if err != nil {
			return nil, err
		}
		e := s.evidence(&o)
		orders[key], found[key] = &o, &e
		if seen, ok := commission.SeenBy(&o, &e); ok {
			c := s.customer(o.Customer)
			all.views[c] = append(all.views[c], seen)
		}
	}
	for customer, seen := range all.views {
		commission.FoldCustomer(seen, s.bindsOf(customer.ID))
		for _, v := range seen {
			found[orderKey{merchant: s.merchant(), id: v.Ref}].Customer = v.View
		}
	}
	for key, o := range orders {
		s.belong(o, found[key])
		d, err := commission.Decide(*o, *found[key])
		if err != nil {
			return nil, err
		}
		all.decisions[key] = &d
		all.book.Add(&d)
	}
	return all, nil
}

// standing are the reports of an order without those that contradict the first: beside one that stands in its place they might add to
// that one, which no report does.
func (s *simulation) standing(key orderKey, events []*event.Event) []*event.Event {
	row := s.store.orders[key]
	if row == nil { // it was lost, as compare will say
		return events
	}
	return slices.DeleteFunc(slices.Clone(events), func(e *event.Event) bool {
		return slices.ContainsFunc(row.conflicts, func(x *event.Event) bool { return bytes.Equal(x.Content(), e.Content()) })
	})
}

func (s *simulation) saidOf(key orderKey) (said commission.Said) {
	for _, r := range s.store.said {
		if r.key == key {
			s.store.hear(&said, r)
		}
	}
	return said
}

func (s *simulation) bindsOf(customer string) (binds []commission.Bind) {
	for _, r := range s.store.said {
		if b := r.bind; b.Customer == customer {
			binds = append(binds, commission.Bind{
				From: b.From, No: r.no, To: commission.Offer{Program: b.Program, Partner: b.Partner, Months: s.store.monthsOf(b.Partner)},
			})
		}
	}
	return binds
}

// compare holds that the store has what one look at all facts gives, and that nothing is left to do.
func (s *simulation) compare() error {
	want, err := s.lookOnce()
	if err != nil {
		return err
	}
	m := s.store
	if left := len(m.touched) + len(m.nudges) + len(m.deltas) + m.uncompared(); left > 0 || len(want.decisions) != len(m.orders) {
		return fmt.Errorf("%d things are left to do, and there are %d orders of %d", left, len(m.orders), len(want.decisions))
	}
	for key, d := range want.decisions {
		if err := m.compareOrder(m.orders[key], d); err != nil {
			return fmt.Errorf("order %s: %w", key.id, err)
		}
	}
	for customer, views := range want.views {
		if diff := cmp.Diff(viewsOf(views), viewsOf(m.seen[customer])); diff != "" {
			return fmt.Errorf("%s (-one look +simulation):\n%s", customer.ID, diff)
		}
	}
	for customer, seen := range m.seen {
		if len(seen) > 0 && want.views[customer] == nil {
			return fmt.Errorf("%s has %d orders, want none", customer.ID, len(seen))
		}
	}
	return s.comparePeriods(want)
}

func (m *memory) uncompared() (n int) {
	for i := range m.changes {
		if !m.changes[i].compared {
			n++
		}
	}
	return n
}

func viewsOf(seen []commission.Seen) (texts []string) {
	for i := range seen {
		texts = append(texts, fmt.Sprintf("%s sale %t void %t offer %s view %s", seen[i].Ref, seen[i].Sale, seen[i].Void, asJSON(seen[i].Offer), asJSON(&seen[i].View)))
	}
	return texts
}

// compareOrder compares an order with one decision on it.
func (m *memory) compareOrder(row *orderRow, d *commission.Decision) error {
	if record := m.forms.Append(nil, d); !bytes.Equal(record, row.record) {
		return fmt.Errorf("record (-one look +simulation):\n%s", cmp.Diff(string(record), string(row.record)))
	}
	if off := commission.Difference(row.posted, d.Movements(m.now)); len(off) > 0 {
		return fmt.Errorf("the books lack %+v", off)
	}
	earned := slices.Clone(row.earnings)
	for i := range d.Credits {
		want := d.Earning(i, m.now)
		got := commission.FindEarning(earned, want.Earner)
		if got == nil || *got != want {
			return fmt.Errorf("a commission is %+v, want %+v", got, want)
		}
		*got = got.Gone()
	}
	for _, e := range earned {
		if e.Net != 0 || e.Pending != 0 || e.Payable != 0 || e.Held != 0 || !e.Released {
			return fmt.Errorf("nobody earns %+v", e)
		}
	}
	return nil
}

// comparePeriods compares each period, and what the books hold for it.
func (s *simulation) comparePeriods(want *once) error {
	left := maps.Clone(s.store.periods)
	var problem error
	err := want.book.Settle(func(key period.Key, rules period.Rules, settled *period.Settlement) {
		row := left[key]
		delete(left, key)
		if problem == nil {
			problem = s.comparePeriod(key, rules, settled, row)
		}
	})
	if err != nil || problem != nil {
		return errors.Join(problem, err)
	}
	for key, row := range left {
		if row.standing != (period.Standing{}) || len(commission.Difference(row.posted, nil)) > 0 {
			return fmt.Errorf("period %+v has %+v of nothing", key, row.standing)
		}
	}
	return nil
}

func (s *simulation) comparePeriod(key period.Key, rules period.Rules, settled *period.Settlement, row *periodRow) error {
	switch {
	case row == nil && len(settled.Buckets) == 0: // all that there was cancels out before anybody looked
		return nil
	case row == nil:
		return fmt.Errorf("period %+v is not there", key)
	}
	record := period.NewRecord(key, rules, settled)
	text, err := record.JSON()
	if err != nil {
		return err
	}
	if !bytes.Equal(text, row.record) {
		return fmt.Errorf("period %+v (-one look +simulation):\n%s", key, cmp.Diff(string(text), string(row.record)))
	}
	until, _ := settled.Until(time.Time{}, s.store.now)
	if off := commission.Difference(row.posted, settled.Movements(key, until)); len(off) > 0 {
		return fmt.Errorf("period %+v: the books lack %+v", key, off)
	}
	return nil
}

// stored is what the store holds, line by line, without numbers that any installation gives as it likes.
func (m *memory) stored() (lines []string) {
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for key, row := range m.orders {
		add("order %s version %d released %s %s", key.id, row.version, stamp(row.released), row.record)
		for _, e := range row.earnings {
			add("commission %s of %s %d %s %s: %d %d %d %d %d, %s %t", key.id, stamp(e.OrderedAt), e.Partner, e.Role, e.State, e.Net, e.Fee, e.Pending, e.Payable, e.Held, stamp(e.HoldUntil), e.Released)
		}
		for _, p := range row.posted {
			add("posting of %s %s %s %s %d %d", key.id, stamp(p.At), p.Debit, p.Credit, p.Partner, p.Amount)
		}
		for _, e := range row.conflicts {
			add("conflict of %s %x", key.id, e.Content())
		}
		for _, f := range row.facts {
			add("fact of %s %d %s", key.id, f.key.kind, f.key.ref)
		}
	}
	for customer, seen := range m.seen {
		for i := range seen {
			add("seen %s %s %t %t %s %s", customer.ID, seen[i].Ref, seen[i].Sale, seen[i].Void, offerOf(&seen[i]), asJSON(&seen[i].View))
		}
	}
	for key, row := range m.periods {
		name := fmt.Sprint(key.Rule, " ", key.Partner, " ", key.Span)
		add("period %s version %d released %s next %s %s", name, row.version, stamp(row.released), stamp(row.next), row.record)
		for _, p := range row.posted {
			add("posting of %s %s %s %s %d %d", name, stamp(p.At), p.Debit, p.Credit, p.Partner, p.Amount)
		}
	}
	for _, t := range m.touched {
		add("touched %s %s %s", t.Customer.ID, stamp(t.At), t.Ref)
	}
	for _, n := range m.nudges {
		add("nudge %s", m.byNo[n.order].key.id)
	}
	for _, d := range m.deltas {
		add("delta %s %d %s %s %d %d %d", d.Key.Rule, d.Key.Partner, d.Key.Span, d.Cell.Day, d.Sums.Count, d.Sums.Revenue, d.Sums.Commission)
	}
	for lane := range m.lanes {
		add("lane %d at %d, epoch %d", lane, m.lanes[lane].position.Next, m.lanes[lane].epoch)
	}
	slices.Sort(lines)
	return lines
}

// offerOf is an offer as it is stored, or nothing.
func offerOf(s *commission.Seen) string {
	if s.Offer == nil {
		return ""
	}
	text, err := json.Marshal(s.Offer)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// stamp is a time in microseconds, 0 for none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "0"
	}
	return strconv.FormatInt(event.Micros(t), 10)
}
