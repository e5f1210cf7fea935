package commission

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/proto"

	"tributary/internal/event"
	"tributary/internal/money"
)

func TestRefundsTakeFromLines(t *testing.T) {
	t.Parallel()
	two := sold(goods(1, "SHIRT", "product", 3, 1000), goods(2, "SHOES", "product", 1, 500))
	sizes := sold(goods(1, "SHIRT", "product", 2, 200), goods(2, "SHOES", "product", 1, 500), goods(3, "SHIRT", "product", 3, 333))
	gift := sold(goods(1, "A", "", 1, 0), goods(2, "A", "", 1, 1000), goods(3, "A", "", 1, 0))
	for _, fact := range []struct {
		name   string
		events []*event.Event
		// refunded of each line, in line order
		lines  []int64
		excess []Excess
	}{
		{"nothing", []*event.Event{two}, []int64{0, 0}, nil},
		{"one piece of three, rounded", []*event.Event{two, refunded("R", day, 0, piecesOf(1, 1))}, []int64{333, 0}, nil},
		{
			"two single pieces are worth what two together are",
			[]*event.Event{two, refunded("R", day, 0, piecesOf(1, 1)), refunded("S", 2*day, 0, piecesOf(1, 1))},
			[]int64{667, 0},
			nil,
		},
		{"half of 197 is 99", []*event.Event{sold(goods(1, "X", "", 2, 197)), refunded("R", day, 0, piecesOf(1, 1))}, []int64{99}, nil},
		{"an amount of a line", []*event.Event{two, refunded("R", day, 0, amountOf(1, 250))}, []int64{250, 0}, nil},
		{"a whole line", []*event.Event{two, refunded("R", day, 0, wholeLine(2))}, []int64{0, 500}, nil},
		{"a whole SKU", []*event.Event{sizes, refunded("R", day, 0, &event.RefundItem{Sku: "SHIRT", WholeLine: true})}, []int64{200, 0, 333}, nil},
		{"pieces of a SKU, lines in order", []*event.Event{sizes, refunded("R", day, 0, &event.RefundItem{Sku: "SHIRT", Quantity: 3})}, []int64{200, 0, 111}, nil},
		{"an amount of a SKU, lines in order", []*event.Event{sizes, refunded("R", day, 0, &event.RefundItem{Sku: "SHIRT", Amount: 300})}, []int64{200, 0, 100}, nil},
		{"a line that says its SKU", []*event.Event{sizes, refunded("R", day, 0, &event.RefundItem{Line: 3, Sku: "SHIRT", Quantity: 1})}, []int64{0, 0, 111}, nil},
		{"an amount of the order, spread", []*event.Event{two, refunded("R", day, 100)}, []int64{67, 33}, nil},
		{
			"spread over what is left",
			[]*event.Event{two, refunded("R", day, 0, piecesOf(1, 3)), refunded("S", 2*day, 100)},
			[]int64{1000, 100},
			nil,
		},
		{"all of it", []*event.Event{two, refunded("R", day, 0)}, []int64{1000, 500}, nil},
		{"all that is left", []*event.Event{two, refunded("R", day, 0, piecesOf(1, 1)), refunded("S", 2*day, 0)}, []int64{1000, 500}, nil},
		{
			"more pieces than there are",
			[]*event.Event{two, refunded("R", day, 0, piecesOf(1, 5))},
			[]int64{1000, 0},
			[]Excess{{Refund: "R", Line: 1, Quantity: 2, Amount: 667, Reason: NothingLeft}},
		},
		{
			"more pieces of a SKU than there are",
			[]*event.Event{sizes, refunded("R", day, 0, &event.RefundItem{Sku: "SHIRT", Quantity: 6})},
			[]int64{200, 0, 333},
			[]Excess{{Refund: "R", SKU: "SHIRT", Quantity: 1, Amount: 111, Reason: NothingLeft}},
		},
		{
			"more than the line's amount",
			[]*event.Event{two, refunded("R", day, 0, amountOf(2, 501))},
			[]int64{0, 500},
			[]Excess{{Refund: "R", Line: 2, Amount: 1, Reason: NothingLeft}},
		},
		{
			"more than the order's amount",
			[]*event.Event{two, refunded("R", day, 2000)},
			[]int64{1000, 500},
			[]Excess{{Refund: "R", Amount: 500, Reason: NothingLeft}},
		},
		{
			"an amount, then the pieces",
			[]*event.Event{two, refunded("R", day, 0, amountOf(1, 900)), refunded("S", 2*day, 0, piecesOf(1, 1))},
			[]int64{1000, 0},
			[]Excess{{Refund: "S", Line: 1, SKU: "SHIRT", Amount: 233, Reason: NothingLeft}},
		},
		{"all twice is all once", []*event.Event{two, refunded("R", day, 0), refunded("S", 2*day, 0)}, []int64{1000, 500}, nil},
		{
			"pieces of a line that was taken back whole",
			[]*event.Event{sizes, refunded("R", day, 0, wholeLine(1)), refunded("S", 2*day, 0, &event.RefundItem{Sku: "SHIRT", Quantity: 1})},
			[]int64{200, 0, 111},
			nil,
		},
		{
			"a line that is not there",
			[]*event.Event{two, refunded("R", day, 0, piecesOf(9, 2), amountOf(1, 10))},
			[]int64{10, 0},
			[]Excess{{Refund: "R", Line: 9, Quantity: 2, Reason: NoSuchLine}},
		},
		{
			"an amount of a SKU that is not there",
			[]*event.Event{two, refunded("R", day, 0, &event.RefundItem{Sku: "HAT", Amount: 70})},
			[]int64{0, 0},
			[]Excess{{Refund: "R", SKU: "HAT", Amount: 70, Reason: NoSuchLine}},
		},
		{
			"a line of another SKU",
			[]*event.Event{two, refunded("R", day, 0, &event.RefundItem{Line: 1, Sku: "SHOES", WholeLine: true})},
			[]int64{0, 0},
			[]Excess{{Refund: "R", Line: 1, SKU: "SHOES", Reason: NoSuchLine}},
		},
		{
			"a SKU on several lines: what costs something first",
			[]*event.Event{gift, refunded("R", day, 0, &event.RefundItem{Sku: "A", Quantity: 1})},
			[]int64{0, 1000, 0},
			nil,
		},
		{
			"all pieces of it, the free ones too",
			[]*event.Event{gift, refunded("R", day, 0, &event.RefundItem{Sku: "A", Quantity: 3})},
			[]int64{0, 1000, 0},
			nil,
		},
		{
			"free pieces alone are noted",
			[]*event.Event{gift, refunded("R", day, 0, piecesOf(2, 1)), refunded("S", 2*day, 0, &event.RefundItem{Sku: "A", Quantity: 2})},
			[]int64{0, 1000, 0},
			[]Excess{{Refund: "S", SKU: "A", Quantity: 2, Reason: FreePieces}},
		},
		{
			"more than all pieces of it",
			[]*event.Event{gift, refunded("R", day, 0, &event.RefundItem{Sku: "A", Quantity: 4})},
			[]int64{0, 1000, 0},
			[]Excess{{Refund: "R", SKU: "A", Quantity: 1, Amount: 1000, Reason: NothingLeft}},
		},
		{"free pieces of a line that was named", []*event.Event{gift, refunded("R", day, 0, piecesOf(1, 1))}, []int64{0, 0, 0}, nil},
		{
			"nothing but a SKU in other letters",
			[]*event.Event{gift, refunded("R", day, 0, &event.RefundItem{Sku: "a", Quantity: 1})},
			[]int64{0, 0, 0},
			[]Excess{{Refund: "R", SKU: "a", Quantity: 1, Reason: NoSuchLine}},
		},
		{"in the order's currency", []*event.Event{two, inCurrency("GBP", refunded("R", day, 30))}, []int64{20, 10}, nil},
		{
			"an amount in another currency",
			[]*event.Event{two, inCurrency("EUR", refunded("R", day, 30))},
			[]int64{0, 0},
			[]Excess{{Refund: "R", Amount: 30, Currency: "EUR", Reason: OtherCurrency}},
		},
		{
			"pieces in another currency",
			[]*event.Event{two, inCurrency("EUR", refunded("R", day, 0, piecesOf(1, 1)))},
			[]int64{0, 0},
			[]Excess{{Refund: "R", Currency: "EUR", Reason: OtherCurrency}},
		},
		{"a line that cost nothing", []*event.Event{sold(goods(1, "GIFT", "", 2, 0)), refunded("R", day, 0, piecesOf(1, 1))}, []int64{0}, nil},
		{
			"pieces without number of a dear thing",
			[]*event.Event{sold(goods(1, "X", "", 1, money.MaxAmount)), refunded("R", day, 0, piecesOf(1, MaxPieces))},
			[]int64{money.MaxAmount},
			[]Excess{{Refund: "R", Line: 1, Quantity: MaxPieces - 1, Amount: money.MaxAmount, Reason: NothingLeft}},
		},
	} {
		t.Run(fact.name, func(t *testing.T) {
			t.Parallel()
			o := mustFold(t, fact.events...)
			var lines []int64
			total, over := int64(0), int64(0)
			for _, l := range o.Lines {
				lines = append(lines, l.Refunded)
				total += l.Refunded
			}
			for _, e := range o.Excess {
				if e.Currency == "" {
					over += e.Amount
				}
			}
			if diff := cmp.Diff(fact.lines, lines); diff != "" {
				t.Errorf("refunded of the lines (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(fact.excess, o.Excess); diff != "" {
				t.Errorf("excess (-want +got):\n%s", diff)
			}
			if o.Refunded != total || o.OverRefund != over {
				t.Errorf("refunded %d, over-refund %d; the lines say %d, the excess %d", o.Refunded, o.OverRefund, total, over)
			}
		})
	}
}

// inCurrency states a refund's currency.
func inCurrency(currency string, e *event.Event) *event.Event {
	e.GetRefund().Currency = currency
	return e
}

func TestOverRefundStopsAtTheLargestAmount(t *testing.T) {
	t.Parallel()
	much := refunded("R", day, 0, piecesOf(1, MaxPieces), piecesOf(1, MaxPieces))
	o := mustFold(t, sold(goods(1, "X", "", 1, money.MaxAmount)), much)
	if o.OverRefund != money.MaxAmount || len(o.Excess) != 2 {
		t.Errorf("over-refund %d by %d, want %d by 2", o.OverRefund, len(o.Excess), int64(money.MaxAmount))
	}
}

func TestARefundTakesEffectNoEarlierThanTheSale(t *testing.T) {
	t.Parallel()
	o := mustFold(t, sold(goods(1, "X", "", 1, 100)), refunded("early", -day, 30), refunded("late", time.Hour, 20))
	var got []time.Time
	for _, r := range o.Refunds {
		got = append(got, r.Effective)
	}
	if diff := cmp.Diff([]time.Time{noon(), noon().Add(time.Hour)}, got); diff != "" {
		t.Errorf("effective times (-want +got):\n%s", diff)
	}
	if o.Refunded != 50 {
		t.Errorf("refunded %d, want 50", o.Refunded)
	}
}

func TestARefundAloneIsKeptAndTakesNothing(t *testing.T) {
	t.Parallel()
	o := mustFold(t, refunded("R", day, 30))
	if o.Placed() || o.Refunded != 0 || o.OverRefund != 0 || len(o.Refunds) != 1 || o.ID != "A1" || o.Merchant != 1 {
		t.Errorf("the order is %+v", o)
	}
}

func TestOfCopiesTheFirstTakenStands(t *testing.T) {
	t.Parallel()
	first, second := sold(goods(1, "X", "", 1, 100)), sold(goods(1, "X", "", 1, 999))
	second.ReceivedAt-- // neither the receipt nor the id would let the first one stand
	second.Id = make([]byte, 16)
	taken, other := refunded("R", day, 10), refunded("R", day, 20)
	other.Id, other.ReceivedAt = make([]byte, 16), other.GetReceivedAt()-1
	resent := proto.CloneOf(first)
	resent.ReceivedAt += 3 * day.Microseconds()
	for _, events := range [][]*event.Event{
		{first, taken, second, other}, {taken, first, other, second}, {taken, other, first, second, first, taken}, {first, resent, taken},
	} {
		if o := mustFold(t, events...); o.Amount != 100 || o.Refunded != 10 || o.Late {
			t.Errorf("amount %d and refunded %d, want 100 and 10; late: %t", o.Amount, o.Refunded, o.Late)
		}
	}
	if o := mustFold(t, resent, first); !o.Late {
		t.Error("of two equal reports the one received first stands, not the one taken first")
	}
}

func TestRefundsOfOneTimeAreTakenByTheirID(t *testing.T) {
	t.Parallel()
	// What an amount spreads over depends on what pieces were taken before; the ids of the events, which differ from
	// copy to copy, must not decide.
	sale := sold(goods(1, "X", "", 1, 100), goods(2, "Y", "", 1, 100))
	spread, pieces := refunded("A", day, 100), refunded("B", day, 0, piecesOf(1, 1))
	want := mustFold(t, sale, spread, pieces)
	for range 20 {
		spread.Id, pieces.Id = idOf(string(rune(rand.IntN(1000)))), idOf(string(rune(1000+rand.IntN(1000))))
		if diff := cmp.Diff(want, mustFold(t, pieces, spread, sale), cmpopts.IgnoreUnexported(Line{}, Refund{}, Taken{})); diff != "" {
			t.Fatalf("with other event ids (-want +got):\n%s", diff)
		}
	}
	if want.Lines[0].Refunded != 100 || want.Lines[1].Refunded != 50 || want.OverRefund != 50 {
		t.Errorf("refunded %d and %d, over-refund %d", want.Lines[0].Refunded, want.Lines[1].Refunded, want.OverRefund)
	}
}

func TestLinesAreFoldedInTheOrderOfTheirNumbers(t *testing.T) {
	t.Parallel()
	o := mustFold(t, sold(goods(3, "C", "", 1, 3), goods(1, "A", "", 1, 1), goods(2, "B", "", 1, 2)))
	if !slices.IsSortedFunc(o.Lines, func(a, b Line) int { return int(a.Number - b.Number) }) || o.Amount != 6 {
		t.Errorf("lines %+v", o.Lines)
	}
}

func TestEventsThatCannotBeFolded(t *testing.T) {
	t.Parallel()
	changed := func(change func(e *event.Event, s *event.Sale)) []*event.Event {
		e := sold(goods(1, "X", "", 1, 100))
		change(e, e.GetSale())
		return []*event.Event{e}
	}
	refund := func(change func(r *event.Refund)) []*event.Event {
		e := refunded("R", day, 0, piecesOf(1, 1))
		change(e.GetRefund())
		return []*event.Event{sold(goods(1, "X", "", 1, 100)), e}
	}
	for _, fact := range []struct {
		says   string
		events []*event.Event
	}{
		{"there are no events", nil},
		{"no sale, no refund and no path", []*event.Event{{Id: idOf("click"), Body: &event.Event_Click{Click: &event.Click{}}}}},
		{"not between 1970 and 2200", changed(func(e *event.Event, _ *event.Sale) { e.OccurredAt = -1 })},
		{"not between 1970 and 2200", changed(func(e *event.Event, _ *event.Sale) { e.OccurredAt = endOfTime })},
		{"not between 1970 and 2200", changed(func(e *event.Event, _ *event.Sale) { e.ReceivedAt = -1 })},
		{"merchant 0 does not exist", changed(func(_ *event.Event, s *event.Sale) { s.MerchantId = 0 })},
		{"has 0 bytes", changed(func(_ *event.Event, s *event.Sale) { s.OrderId = "" })},
		{"has 129 bytes", changed(func(_ *event.Event, s *event.Sale) { s.OrderId = strings.Repeat("x", 129) })},
		{"is not text", changed(func(_ *event.Event, s *event.Sale) { s.OrderId = "a\xff" })},
		{"is not text", changed(func(_ *event.Event, s *event.Sale) { s.Coupon = "a\x00" })},
		{"is not text", changed(func(_ *event.Event, s *event.Sale) { s.Lines[0].Sku = "a\x00" })},
		{"not a currency in force", changed(func(_ *event.Event, s *event.Sale) { s.Currency = "DEM" })},
		{"line number 0", changed(func(_ *event.Event, s *event.Sale) { s.Lines[0].Number = 0 })},
		{"has 0 pieces", changed(func(_ *event.Event, s *event.Sale) { s.Lines[0].Quantity = 0 })},
		{"pieces", changed(func(_ *event.Event, s *event.Sale) { s.Lines[0].Quantity = MaxPieces + 1 })},
		{"not between 0", changed(func(_ *event.Event, s *event.Sale) { s.Lines[0].Amount = -1 })},
		{"not between 0", changed(func(_ *event.Event, s *event.Sale) { s.Lines[0].Amount = money.MaxAmount + 1 })},
		{"not between 0", changed(func(_ *event.Event, s *event.Sale) { s.Lines = append(s.Lines, goods(2, "", "", 1, money.MaxAmount)) })},
		{"two lines have the number 1", changed(func(_ *event.Event, s *event.Sale) {
			s.Lines = append(s.Lines, goods(2, "", "", 1, 1), goods(1, "", "", 1, 1))
		})},
		{"the refund has no id", refund(func(r *event.Refund) { r.RefundId = "" })},
		{"is not text", refund(func(r *event.Refund) { r.RefundId = "\xff" })},
		{"has 0 bytes", refund(func(r *event.Refund) { r.OrderId = "" })},
		{"refund's amount of -1", refund(func(r *event.Refund) { r.Amount = -1 })},
		{"neither a line nor a SKU", refund(func(r *event.Refund) { r.Items[0].Line = 0 })},
		{"neither a line nor a SKU", refund(func(r *event.Refund) { r.Items[0].Line = -1 })},
		{"takes back -1 pieces", refund(func(r *event.Refund) { r.Items[0].Quantity = -1 })},
		{"its amount of -1", refund(func(r *event.Refund) { r.Items[0].Amount = -1 })},
		{"not just one of pieces, an amount and the whole line", refund(func(r *event.Refund) { r.Items[0].Amount = 1 })},
		{"is not text", refund(func(r *event.Refund) { r.Items[0].Sku = "\x00" })},
		{`order "A1" of merchant 1 and of order "A2" of merchant 1`, refund(func(r *event.Refund) { r.OrderId = "A2" })},
		{"of merchant 2", refund(func(r *event.Refund) { r.MerchantId = 2 })},
	} {
		o, err := Fold(fact.events, Said{})
		if err == nil || !strings.Contains(err.Error(), fact.says) {
			t.Errorf("folding to %+v gave %v; want an error that says %q", o, err, fact.says)
		}
	}
}
