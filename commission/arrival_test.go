package commission

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"tributary/commission/ledger/chart"
	"tributary/internal/event"
	"tributary/internal/money"
	"tributary/partners/program"
)

// books are what an engine keeps of one order: the events that arrived and what was posted for them.
type books struct {
	events []*event.Event
	posted []Movement
}

// arrive takes events in and posts what they change.
func (b *books) arrive(t rapid.TB, found program.LinkTerms, click Click, released bool, events ...*event.Event) Decision {
	t.Helper()
	b.events = append(b.events, events...)
	d := decide(mustFold(t, b.events...), click, found)
	b.posted = append(b.posted, Difference(b.posted, d.Movements(until(released)))...)
	return d
}

// lifeOfAnOrder is a sale told twice with other content, refunds of before it, of pieces, of amounts, of after the hold, and
// a last one that takes all that is left: 5,040 orders of arrival. Either sale stands where it is taken before the other.
func lifeOfAnOrder() []*event.Event {
	conflict := sold(goods(1, "X", "product", 3, 123_456))
	conflict.Id, conflict.ReceivedAt = idOf("told otherwise"), event.Micros(noon().Add(time.Hour))
	return []*event.Event{
		sold(goods(1, "X", "product", 3, 9_999), goods(2, "Y", "service", 2, 501)),
		conflict,
		refunded("early", -day, 77),
		refunded("pieces", 2*day, 0, piecesOf(1, 1), piecesOf(9, 1)), // the order has no line 9
		refunded("same time", 2*day, 0, amountOf(2, 300)),
		refunded("after the hold", 40*day, 1_234),
		refunded("void", 41*day, 0),
	}
}

func termsOfALife() program.LinkTerms {
	return linkTerms(noon(), program.Terms{NetworkFee: 150_000, Rates: rates(map[string]money.Rate{"product": 72_500, "*": 33_333})})
}

// checkBooks compares what was posted with what should stand, as of every time at which either changes.
func checkBooks(t rapid.TB, what string, posted, want []Movement) {
	t.Helper()
	for _, at := range instants(want, posted) {
		if diff := cmp.Diff(balances(want, at), balances(posted, at), cmp.AllowUnexported(account{})); diff != "" {
			t.Fatalf("%s, balances as of %s (-want +got):\n%s", what, at, diff)
		}
	}
}

// taken is the id of the sale among events of one order that is taken first.
func taken(events []*event.Event) string {
	return string(events[slices.IndexFunc(events, func(e *event.Event) bool { return e.GetSale() != nil })].GetId())
}

// lives gives the books that the life of an order ends with, by which of its sales is taken first.
func lives(t *testing.T, events []*event.Event, found program.LinkTerms) map[string][]Movement {
	t.Helper()
	other := slices.Clone(events)
	other[0], other[1] = other[1], other[0]
	books := map[string][]Movement{}
	for _, order := range [][]*event.Event{events, other} {
		d := decide(mustFold(t, order...), clicked(time.Hour), found)
		books[taken(order)] = d.Movements(ended())
	}
	return books
}

func TestEveryOrderOfArrivalGivesTheSameBooksAsOfEveryTime(t *testing.T) {
	t.Parallel()
	events, found := lifeOfAnOrder(), termsOfALife()
	want := lives(t, events, found)
	permutations := 0
	permute(events, func(order []*event.Event) {
		permutations++
		var b books
		for n, e := range order {
			// The hold ends, and the key of the click arrives, after one, two, ... or all of them have arrived.
			click := clicked(time.Hour)
			if n < permutations/7%7 {
				click = Click{ID: click.ID, Refused: UnknownClickKey}
			}
			b.arrive(t, found, click, n >= permutations%7, e)
		}
		b.arrive(t, found, clicked(time.Hour), true)
		checkBooks(t, fmt.Sprint("arrival ", permutations), b.posted, want[taken(order)])
	})
	if permutations != 5040 {
		t.Errorf("%d orders of arrival were tried, want 5,040", permutations)
	}
}

// TRIBUTARY_FULL=1 tries a million.
func TestShuffledArrivalsWithCopiesGiveTheSameBooks(t *testing.T) {
	t.Parallel()
	events, found := lifeOfAnOrder(), termsOfALife()
	want := lives(t, events, found)
	shuffles := 10_000
	if os.Getenv("TRIBUTARY_FULL") != "" {
		shuffles = 1_000_000
	}
	random := rand.New(rand.NewPCG(13, 13))
	for n := range shuffles {
		arriving := slices.Clone(events)
		for range random.IntN(7) {
			arriving = append(arriving, events[random.IntN(len(events))])
		}
		random.Shuffle(len(arriving), func(i, j int) { arriving[i], arriving[j] = arriving[j], arriving[i] })
		stands := taken(arriving)
		var b books
		for len(arriving) > 0 {
			batch := min(1+random.IntN(5), len(arriving))
			b.arrive(t, found, clicked(time.Hour), len(arriving) < 4, arriving[:batch]...)
			arriving = arriving[batch:]
		}
		b.arrive(t, found, clicked(time.Hour), true)
		checkBooks(t, fmt.Sprint("shuffle ", n), b.posted, want[stands])
	}
}

// permute visits every order of the events.
func permute(events []*event.Event, visit func([]*event.Event)) {
	var step func(n int)
	order := slices.Clone(events)
	step = func(n int) {
		if n == len(order) {
			visit(order)
			return
		}
		for i := n; i < len(order); i++ {
			order[n], order[i] = order[i], order[n]
			step(n + 1)
			order[n], order[i] = order[i], order[n]
		}
	}
	step(0)
}

// drawFacts draws an order's sale, mostly, and refunds of it, good and bad.
func drawFacts(t *rapid.T) []*event.Event {
	amounts := rapid.OneOf(rapid.Int64Range(0, 50), rapid.Int64Range(0, 1_000_000), rapid.Int64Range(0, money.MaxAmount/4))
	pieces := rapid.OneOf(rapid.Int64Range(1, 7), rapid.Int64Range(1, MaxPieces))
	category := rapid.SampledFrom([]string{"product", "service", "odd"})
	sku := rapid.SampledFrom([]string{"X", "Y"})
	var lines []*event.Line
	for n := range rapid.IntRange(0, 4).Draw(t, "lines") {
		lines = append(lines, goods(int64(n+1), sku.Draw(t, "sku"), category.Draw(t, "category"), pieces.Draw(t, "pieces"), amounts.Draw(t, "amount")))
	}
	sale := sold(lines...)
	events := []*event.Event{sale}
	for n := range rapid.IntRange(0, 5).Draw(t, "refunds") {
		var items []*event.RefundItem
		for range rapid.IntRange(0, 2).Draw(t, "items") {
			item := &event.RefundItem{Line: rapid.Int64Range(0, 5).Draw(t, "line")}
			if item.GetLine() == 0 {
				item.Sku = sku.Draw(t, "sku")
			}
			switch rapid.IntRange(0, 2).Draw(t, "of") {
			case 0:
				item.Quantity = pieces.Draw(t, "pieces")
			case 1:
				item.Amount = amounts.Draw(t, "amount")
			}
			item.WholeLine = item.GetQuantity() == 0 && item.GetAmount() == 0
			items = append(items, item)
		}
		after := time.Duration(rapid.IntRange(-1, 5).Draw(t, "after")) * 10 * day
		whole := int64(0)
		if len(items) == 0 {
			whole = rapid.SampledFrom([]int64{0, 0, 1, amounts.Draw(t, "amount")}).Draw(t, "whole")
		}
		events = append(events, refunded(fmt.Sprint("R", n), after, whole, items...))
	}
	return events
}

func drawTerms(t *rapid.T) program.LinkTerms {
	rate := rapid.OneOf(rapid.SampledFrom([]money.Rate{0, 1, 100_000, 333_333, 500_000, money.One}), rapid.Custom(func(t *rapid.T) money.Rate {
		return money.Rate(rapid.Int64Range(0, int64(money.One)).Draw(t, "ppm"))
	}))
	return linkTerms(noon(), program.Terms{
		Window: day, Hold: time.Duration(rapid.IntRange(0, 4).Draw(t, "hold")) * 10 * day, NetworkFee: rate.Draw(t, "fee"),
		Rates: rates(map[string]money.Rate{"product": rate.Draw(t, "product"), "*": rate.Draw(t, "rest")}),
	})
}

// checkHonest fails on anything that must never be true of a decision.
func checkHonest(t rapid.TB, d *Decision) {
	for _, l := range d.Order.Lines {
		if l.Refunded < 0 || l.Refunded > l.Amount {
			t.Fatalf("line %d of %d has %d refunded", l.Number, l.Amount, l.Refunded)
		}
	}
	if d.Order.OverRefund < 0 || d.Order.Refunded < 0 || d.Order.Refunded > d.Order.Amount {
		t.Fatalf("the order of %d has %d refunded and %d besides", d.Order.Amount, d.Order.Refunded, d.Order.OverRefund)
	}
	for _, c := range d.Credits {
		if c.Net < 0 || c.Net > c.Gross || c.Gross > c.Revenue || c.Fee < 0 || c.Fee > c.Net {
			t.Fatalf("net %d, gross %d, revenue %d, fee %d", c.Net, c.Gross, c.Revenue, c.Fee)
		}
		checkParts(t, &c)
	}
	for _, released := range []bool{false, true} {
		moved := d.Movements(until(released))
		for _, m := range moved {
			if m.Amount <= 0 || m.Debit == m.Credit {
				t.Fatalf("a movement of nothing: %+v", m)
			}
		}
		for _, at := range instants(moved) {
			sum := int64(0)
			for a, balance := range balances(moved, at) {
				sum += balance
				if a.kind != chart.MerchantReceivable && balance < 0 {
					t.Fatalf("as of %s %s holds %d", at, a.kind, balance)
				}
			}
			if sum != 0 {
				t.Fatalf("as of %s the books are out by %d", at, sum)
			}
		}
		end := time.Date(2300, time.January, 1, 0, 0, 0, 0, time.UTC)
		net, fee := int64(0), int64(0)
		for _, c := range d.Credits {
			net, fee = net+c.Net, fee+c.Fee
		}
		if got := holds(moved, end, chart.PartnerPending) + holds(moved, end, chart.PartnerPayable); got != net {
			t.Fatalf("the books end with %d for the partner, the decision says %d", got, net)
		}
		if got := holds(moved, end, chart.FeePending) + holds(moved, end, chart.FeeEarned); got != fee {
			t.Fatalf("the books end with a fee of %d, the decision says %d", got, fee)
		}
		if released && (holds(moved, end, chart.PartnerPending) != 0 || holds(moved, end, chart.FeePending) != 0) {
			t.Fatalf("released, and yet something is pending: %v", moved)
		}
	}
}

// checkParts fails when the parts of the lines are not those of the rules, and these not those of the credit.
func checkParts(t rapid.TB, c *Credit) {
	net, nets, bases := c.Net, make([]int64, len(c.Rules)), make([]int64, len(c.Rules))
	for _, p := range c.Priced {
		if p.Net < 0 || p.Net > p.Base {
			t.Fatalf("line %d has %d of %d", p.Line, p.Net, p.Base)
		}
		nets[p.Rule] += p.Net
		bases[p.Rule] += p.Base
	}
	for i, r := range c.Rules {
		if nets[i] != r.Net || bases[i] != r.Base || r.Net != r.Rate.Of(r.Base) {
			t.Fatalf("rule %+v, its lines have %d of %d", r, nets[i], bases[i])
		}
		net -= r.Net
	}
	if net != 0 || c.Fee != c.Terms.NetworkFee.Of(c.Net) {
		t.Fatalf("net %d is %d more than the rules', the fee %d", c.Net, net, c.Fee)
	}
}

// arrival draws an order in which events arrive. Those of one fact stay in theirs, as the first of them stands.
func arrival(t *rapid.T, events []*event.Event) []*event.Event {
	waiting := map[event.Fact][]*event.Event{}
	for _, e := range events {
		waiting[e.Fact()] = append(waiting[e.Fact()], e)
	}
	order := rapid.Permutation(events).Draw(t, "arrival")
	for i, e := range order {
		f := e.Fact()
		order[i], waiting[f] = waiting[f][0], waiting[f][1:]
	}
	return order
}

func foldIsBlindToArrival(t *rapid.T) {
	events := drawFacts(t)
	for range rapid.IntRange(0, 3).Draw(t, "copies") {
		other := proto.CloneOf(rapid.SampledFrom(events).Draw(t, "copy"))
		other.ReceivedAt += rapid.Int64Range(-1, 1).Draw(t, "received")
		if rapid.Bool().Draw(t, "with other content") {
			other.Id = idOf(fmt.Sprint("copy", rapid.Int().Draw(t, "id")))
			if r := other.GetRefund(); r != nil {
				r.Amount++
			}
		}
		events = append(events, other)
	}
	if rapid.IntRange(0, 9).Draw(t, "without the sale") == 0 {
		events = slices.DeleteFunc(events, func(e *event.Event) bool { return e.GetSale() != nil })
	}
	if len(events) == 0 {
		return
	}
	want, wantErr := Fold(events, Said{})
	got, gotErr := Fold(arrival(t, events), Said{})
	if (wantErr == nil) != (gotErr == nil) {
		t.Fatalf("one order of arrival gives %v, another %v", wantErr, gotErr)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(Line{}, Refund{}, Taken{})); diff != "" {
		t.Fatalf("two orders of arrival differ:\n%s", diff)
	}
}

func booksAreBlindToArrival(t *rapid.T) {
	events, found := drawFacts(t), drawTerms(t)
	final := decide(mustFold(t, events...), clicked(time.Hour), found)
	checkHonest(t, &final)
	var b books
	released := false
	waiting := rapid.Permutation(events).Draw(t, "arrival")
	for len(waiting) > 0 {
		n := rapid.IntRange(1, len(waiting)).Draw(t, "batch")
		batch := slices.Clone(waiting[:n])
		if rapid.Bool().Draw(t, "with copies") {
			batch = append(batch, rapid.SampledFrom(events[:1]).Draw(t, "copy"))
		}
		waiting = waiting[n:]
		released = released || rapid.IntRange(0, 3).Draw(t, "released") == 0
		b.arrive(t, found, clicked(time.Hour), released, batch...)
	}
	want := final.Movements(until(released))
	checkBooks(t, "drawn facts", b.posted, want)
	if again := Difference(b.posted, want); len(again) != 0 {
		t.Fatalf("all is posted, and yet there is a difference: %v", again)
	}
}

func TestBooksAreBlindToArrival(t *testing.T) {
	t.Parallel()
	rapid.Check(t, booksAreBlindToArrival)
}

func TestFoldIsBlindToArrival(t *testing.T) {
	t.Parallel()
	rapid.Check(t, foldIsBlindToArrival)
}

func FuzzOrderFold(f *testing.F) { f.Fuzz(rapid.MakeFuzz(foldIsBlindToArrival)) }

func FuzzArrival(f *testing.F) { f.Fuzz(rapid.MakeFuzz(booksAreBlindToArrival)) }
