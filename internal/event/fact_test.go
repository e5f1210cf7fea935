package event

import (
	"bytes"
	"testing"
)

func TestFactsAreNamedByTheirEvents(t *testing.T) {
	t.Parallel()
	sale := &Sale{MerchantId: 7, OrderId: "A-1", Currency: "GBP", Lines: []*Line{{Number: 1, Quantity: 1, Amount: 100}}}
	refund := &Refund{MerchantId: 7, OrderId: "A-1", RefundId: "R-1", WholeOrder: true}
	stated := SaleHash(sale, 5)
	trial := &Sale{MerchantId: 7, OrderId: "A-1", Currency: "GBP", Test: true}
	back := &Refund{MerchantId: 7, OrderId: "A-1", RefundId: "R-1", WholeOrder: true, Test: true}
	path := &Path{MerchantId: 7, OrderId: "A-1", ClickId: "c", Touches: []*Touch{{ClickId: "b", Kind: 1}}}
	counted := &Sale{MerchantId: 7, OrderId: "clicks/1", Currency: "GBP", Counted: &CountedClicks{ProgramId: 2, PartnerId: 3, Day: "2026-09-07"}}
	for name, row := range map[string]struct {
		event   *Event
		fact    Fact
		content []byte
	}{
		"a sale":                   {&Event{Body: &Event_Sale{Sale: sale}}, Fact{7, Live, "A-1", KindSale, ""}, SaleHash(sale, 0)},
		"a sale with its own hash": {&Event{Body: &Event_Sale{Sale: &Sale{MerchantId: 7, OrderId: "A-1", ContentHash: stated}}}, Fact{7, Live, "A-1", KindSale, ""}, stated},
		"a refund":                 {&Event{Body: &Event_Refund{Refund: refund}}, Fact{7, Live, "A-1", KindRefund, "R-1"}, RefundHash(refund, 0)},
		"a sale on trial":          {&Event{Body: &Event_Sale{Sale: trial}}, Fact{7, Trial, "A-1", KindSale, ""}, SaleHash(trial, 0)},
		"a refund on trial":        {&Event{Body: &Event_Refund{Refund: back}}, Fact{7, Trial, "A-1", KindRefund, "R-1"}, RefundHash(back, 0)},
		"a path":                   {&Event{Body: &Event_Path{Path: path}}, Fact{7, Live, "A-1", KindPath, "c"}, PathHash(path)},
		"counted clicks":           {&Event{Body: &Event_Sale{Sale: counted}}, Fact{7, Counted, "clicks/1", KindSale, ""}, SaleHash(counted, 0)},
		"a click":                  {&Event{Body: &Event_Click{Click: &Click{ClickId: "c"}}}, Fact{}, nil},
		"nothing":                  {&Event{}, Fact{}, nil},
	} {
		if got := row.event.Fact(); got != row.fact {
			t.Errorf("%s reports %+v, want %+v", name, got, row.fact)
		}
		if got := row.event.Content(); !bytes.Equal(got, row.content) {
			t.Errorf("%s has the content %x, want %x", name, got, row.content)
		}
	}
	for kind, want := range map[KeyKind][]byte{Live: OrderKey(7, "A-1"), Trial: TestKey(7, "A-1"), Counted: []byte("7#A-1")} {
		if got := (Fact{7, kind, "A-1", KindRefund, "R-1"}).Key(); !bytes.Equal(got, want) {
			t.Errorf("the key is %q, want %q", got, want)
		}
	}
}
