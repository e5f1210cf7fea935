package commission

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tributary/partners/program"
)

// The partners of these tests.
const (
	nobody program.PartnerID = iota
	partnerA
	partnerB
	partnerC
)

func on(day string) time.Time {
	for _, layout := range []string{time.DateOnly, time.RFC3339Nano} {
		if t, err := time.Parse(layout, day); err == nil {
			return t
		}
	}
	panic("not a time: " + day)
}

// boughtBy is a sale that somebody's own touch brought, on terms that bind for so many months.
func boughtBy(partner program.PartnerID, ref, day string, months int) Seen {
	s := Seen{At: on(day), Ref: ref, Sale: true}
	if partner != nobody {
		s.Offer = &Offer{Program: 1, Partner: partner, Link: program.LinkID(partner), Months: months}
	}
	return s
}

func lead(s Seen) Seen    { s.Sale = false; return s }
func voided(s Seen) Seen  { s.Void = true; return s }
func onlyNew(s Seen) Seen { s.Offer.OnlyNew = true; return s }

func rebind(partner program.PartnerID, no int64, day string) Bind {
	return Bind{From: on(day), No: no, To: Offer{Program: 1, Partner: partner}}
}

// said puts a view in words: what the customer is, and whose, with a + where the order itself binds.
func said(v View) string {
	whose := func(b *Binding) string { return string("-ABC"[b.Partner]) }
	text := v.Status("")
	if v.Bound != nil {
		text += " " + whose(v.Bound)
	}
	if v.Ended {
		text += " ended"
	}
	if v.Begins != nil {
		text += " +" + whose(v.Begins)
	}
	return text
}

func TestHowACustomerStandsAtEachOrder(t *testing.T) {
	t.Parallel()
	for _, fact := range []struct {
		name   string
		orders []Seen
		binds  []Bind
		want   string // of each order in the order of their times
	}{
		{"the first partner wins, for life", []Seen{boughtBy(partnerA, "1", "2026-01-01", 0), boughtBy(partnerB, "2", "2036-01-01", 0), boughtBy(nobody, "3", "2046-01-01", 0)}, nil, "new +A, returning A, returning A"},
		{"terms that bind nobody", []Seen{boughtBy(nobody, "1", "2026-01-01", 0), boughtBy(partnerB, "2", "2026-01-02", 0)}, nil, "new, returning +B"},
		{"54 alone", []Seen{boughtBy(partnerB, "X", "2026-09-10", 0)}, nil, "new +B"},
		{"54 an earlier order arrives later", []Seen{boughtBy(partnerB, "X", "2026-09-10", 0), boughtBy(partnerA, "Y", "2026-09-01", 0)}, nil, "new +A, returning A"},
		{"55 the last moment of twelve months", []Seen{boughtBy(partnerA, "1", "2025-09-01", 12), boughtBy(partnerB, "2", "2026-08-31T23:59:59.999999Z", 12)}, nil, "new +A, returning A"},
		{"55 the first moment behind them", []Seen{boughtBy(partnerA, "1", "2025-09-01", 12), boughtBy(partnerB, "2", "2026-09-01", 12)}, nil, "new +A, returning ended +B"},
		{"a year from 29 February ends on the 28th", []Seen{boughtBy(partnerA, "1", "2024-02-29", 12), boughtBy(partnerB, "2", "2025-02-27T23:59:59Z", 12), boughtBy(partnerC, "3", "2025-02-28", 12)}, nil, "new +A, returning A, returning ended +C"},
		{"56 an operator binds", []Seen{boughtBy(partnerA, "Y", "2026-09-01", 0), boughtBy(partnerB, "X", "2026-09-10", 0)}, []Bind{rebind(partnerC, 1, "2026-09-05")}, "new +A, returning C"},
		{"56 from before all orders", []Seen{boughtBy(partnerA, "Y", "2026-09-01", 0), boughtBy(partnerB, "X", "2026-09-10", 0)}, []Bind{rebind(partnerC, 1, "2026-08-05")}, "new C, returning C"},
		{"an operator's word counts before an order of its time", []Seen{boughtBy(partnerA, "1", "2026-09-05", 0)}, []Bind{rebind(partnerC, 1, "2026-09-05")}, "new C"},
		{"of two of one time the later stands", []Seen{boughtBy(partnerA, "1", "2026-09-06", 0)}, []Bind{rebind(partnerB, 2, "2026-09-05"), rebind(partnerC, 1, "2026-09-05")}, "new B"},
		{"set free, and bound again", []Seen{boughtBy(partnerA, "1", "2026-09-01", 0), boughtBy(nobody, "2", "2026-09-06", 0), boughtBy(partnerB, "3", "2026-09-07", 0)}, []Bind{rebind(nobody, 1, "2026-09-05")}, "new +A, returning, returning +B"},
		{"57", []Seen{boughtBy(nobody, "1", "2026-09-01", 0), boughtBy(nobody, "2", "2026-09-02", 0)}, nil, "new, returning"},
		{"57 the first is voided", []Seen{voided(boughtBy(nobody, "1", "2026-09-01", 0)), boughtBy(nobody, "2", "2026-09-02", 0)}, nil, "new, new"},
		{"a void order binds nobody", []Seen{voided(boughtBy(partnerA, "1", "2026-09-01", 0)), boughtBy(partnerB, "2", "2026-09-02", 0)}, nil, "new, new +B"},
		{"a lead binds and does not count", []Seen{lead(boughtBy(partnerA, "1", "2026-09-01", 0)), boughtBy(partnerB, "2", "2026-09-02", 0)}, nil, "new +A, new A"},
		{"only new customers are bound", []Seen{boughtBy(nobody, "1", "2026-09-01", 0), onlyNew(boughtBy(partnerA, "2", "2026-09-02", 0)), boughtBy(partnerB, "3", "2026-09-03", 0)}, nil, "new, returning, returning +B"},
		{"of one time the merchant's ids decide", []Seen{boughtBy(partnerB, "b", "2026-09-01", 0), boughtBy(partnerA, "a", "2026-09-01", 0)}, nil, "new +A, returning A"},
	} {
		FoldCustomer(fact.orders, fact.binds)
		got := make([]string, len(fact.orders))
		for i, s := range fact.orders {
			got[i] = said(s.View)
		}
		if got := strings.Join(got, ", "); got != fact.want {
			t.Errorf("%s: %s, want %s", fact.name, got, fact.want)
		}
	}
}

// Case 58: for twelve months, then another rule.
func TestForHowManyMonthsACustomerIsBound(t *testing.T) {
	t.Parallel()
	for _, fact := range []struct {
		since, at string
		want      int
	}{
		{"2026-01-31", "2026-01-31", 0},
		{"2026-01-31", "2026-02-27T23:59:59Z", 0},
		{"2026-01-31", "2026-02-28", 1},
		{"2026-01-31", "2026-03-30", 1},
		{"2026-01-31", "2026-03-31", 2},
		{"2026-01-15T12:00:00Z", "2027-01-15T11:59:59Z", 11},
		{"2026-01-15T12:00:00Z", "2027-01-15T12:00:00Z", 12},
		{"2024-02-29", "2025-02-28", 12},
		{"2026-12-01", "2027-01-01", 1},
	} {
		v := View{Nth: 2, Bound: &Binding{Partner: partnerA, Since: on(fact.since)}}
		if got := v.MonthsBound(partnerA, on(fact.at)); got != fact.want {
			t.Errorf("from %s to %s: %d months, want %d", fact.since, fact.at, got, fact.want)
		}
		if got := v.MonthsBound(partnerB, on(fact.at)); got != -1 {
			t.Errorf("another partner has had them for %d months", got)
		}
	}
	v := View{Nth: 1, Begins: &Binding{Partner: partnerA, Since: on("2026-01-01")}}
	if got := v.MonthsBound(partnerA, on("2026-01-01")); got != 0 {
		t.Errorf("the order that binds is of month %d", got)
	}
}

func TestTheMerchantsWordOnACustomerStands(t *testing.T) {
	t.Parallel()
	for _, fact := range []struct {
		nth          int
		stated, want string
	}{{0, "", ""}, {1, "", "new"}, {2, "", "returning"}, {2, "new", "new"}, {1, "lapsed", "lapsed"}, {0, "returning", "returning"}} {
		if got := (&View{Nth: fact.nth}).Status(fact.stated); got != fact.want {
			t.Errorf("order %d, stated %q: %q, want %q", fact.nth, fact.stated, got, fact.want)
		}
	}
}

// drawCustomer makes up a customer's orders, many of them of one time, and what operators said.
func drawCustomer(t *rapid.T) (orders []Seen, binds []Bind) {
	day := rapid.Custom(func(t *rapid.T) string {
		return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, 20*rapid.IntRange(0, 12).Draw(t, "day")).Format(time.DateOnly)
	})
	for i := range rapid.IntRange(1, 12).Draw(t, "orders") {
		s := boughtBy(program.PartnerID(rapid.IntRange(0, 3).Draw(t, "partner")), strconv.Itoa(i), day.Draw(t, "placed"), rapid.IntRange(0, 2).Draw(t, "months"))
		s.Void, s.Sale = rapid.IntRange(0, 5).Draw(t, "void") == 0, rapid.IntRange(0, 3).Draw(t, "lead") > 0
		if s.Offer != nil {
			s.Offer.OnlyNew = rapid.IntRange(0, 3).Draw(t, "only new") == 0
		}
		orders = append(orders, s)
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "binds") {
		b := rebind(program.PartnerID(rapid.IntRange(0, 3).Draw(t, "to")), int64(i), day.Draw(t, "from"))
		b.To.Months = rapid.IntRange(0, 2).Draw(t, "for")
		binds = append(binds, b)
	}
	return orders, binds
}

// naive says how the customer stood at an order, from the words of the rule alone.
func naive(orders []Seen, binds []Bind, at *Seen) string {
	type moment struct {
		at    time.Time
		order *Seen
		bind  *Bind
	}
	var moments []moment
	for i := range orders {
		moments = append(moments, moment{at: orders[i].At, order: &orders[i]})
	}
	for i := range binds {
		moments = append(moments, moment{at: binds[i].From, bind: &binds[i]})
	}
	slices.SortFunc(moments, func(a, b moment) int {
		switch {
		case !a.at.Equal(b.at):
			return a.at.Compare(b.at)
		case a.bind != nil && b.bind != nil:
			return int(a.bind.No - b.bind.No)
		case a.bind != nil:
			return -1
		case b.bind != nil:
			return 1
		}
		return strings.Compare(a.order.Ref, b.order.Ref)
	})
	who, until, bought, ended := "-", on("9999-01-01"), false, false
	take := func(o *Offer, from time.Time) {
		who, until, ended = string("-ABC"[o.Partner]), on("9999-01-01"), false
		if o.Months > 0 {
			until = from.AddDate(0, o.Months, 0)
			if until.Day() != from.Day() { // Go's goes on into the month after
				until = until.AddDate(0, 0, -until.Day())
			}
		}
	}
	for _, m := range moments {
		if m.bind != nil {
			take(&m.bind.To, m.at)
			continue
		}
		ended = ended || who != "-" && !m.at.Before(until)
		free := who == "-" || ended
		binds := free && m.order.Offer != nil && !m.order.Void && (!bought || !m.order.Offer.OnlyNew)
		if m.order.Ref == at.Ref {
			text := map[bool]string{false: "new", true: "returning"}[bought]
			if !free {
				text += " " + who
			}
			if ended {
				text += " ended"
			}
			if binds {
				text += " +" + string("-ABC"[m.order.Offer.Partner])
			}
			return text
		}
		if binds {
			take(m.order.Offer, m.at)
		}
		bought = bought || m.order.Sale && !m.order.Void
	}
	panic("there is no such order")
}

func TestTheCustomerFoldSaysWhatItsRuleSays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		orders, binds := drawCustomer(t)
		FoldCustomer(orders, binds)
		for i := range orders {
			if got, want := said(orders[i].View), naive(orders, binds, &orders[i]); got != want {
				t.Fatalf("order %d of %+v, %+v: %s, want %s", i, orders, binds, got, want)
			}
		}
	})
}

// TestTheSweepComesToTheSameViews has orders arrive in any order, each of which sees some of those before it only, and what has
// changed refreshed in pieces of any size, whenever.
func TestTheSweepComesToTheSameViews(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		orders, said := drawCustomer(t)
		FoldCustomer(orders, said)
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		var stored []Seen
		var binds []Bind
		var touched []Seen
		place := func(s *Seen) int {
			at, _ := slices.BinarySearchFunc(stored, s, func(a Seen, b *Seen) int { return a.Compare(b) })
			return at
		}
		before := func(at int) *Seen {
			if at == 0 {
				return nil
			}
			return &stored[at-1]
		}
		sweep := func() {
			if len(touched) == 0 {
				return
			}
			n := 1 + random.IntN(len(touched))
			random.Shuffle(len(touched), func(i, j int) { touched[i], touched[j] = touched[j], touched[i] })
			taken := slices.Clone(touched[:n])
			touched = slices.Delete(touched, 0, n)
			slices.SortFunc(taken, func(a, b Seen) int { return a.Compare(&b) })
			from := place(&taken[0])
			to := min(len(stored), from+1+random.IntN(3))
			_, settled := Refresh(before(from), stored[from:to], binds, &taken[n-1])
			if settled || to == len(stored) {
				return
			}
			touched = append(touched, stored[to-1])
			for i := range taken {
				if taken[i].Compare(&stored[to-1]) > 0 {
					touched = append(touched, taken[i])
				}
			}
		}
		for _, i := range random.Perm(len(orders) + len(said)) {
			if i >= len(orders) {
				binds = append(binds, said[i-len(orders)])
				SortBinds(binds)
				touched = append(touched, Seen{At: said[i-len(orders)].From})
			} else {
				s := orders[i]
				s.View = s.Follow(before(random.IntN(place(&s)+1)), nil)
				stored = slices.Insert(stored, place(&s), s)
				touched = append(touched, s)
			}
			for random.IntN(3) == 0 && len(touched) > 0 {
				sweep()
			}
		}
		for len(touched) > 0 {
			sweep()
		}
		for i := range orders {
			if !orders[i].View.Equal(&stored[i].View) {
				t.Fatalf("order %d of %+v, %+v: %+v", i, orders, said, stored[i].View)
			}
		}
	})
}
