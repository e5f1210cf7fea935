package relay

import (
	"testing"

	"tributary/internal/event"
)

func TestTheKeyIsThatOfTheContract(t *testing.T) {
	t.Parallel()
	id := []byte("0123456789abcdef")
	for _, c := range []struct {
		name  string
		event *event.Event
		want  string
	}{
		{"click", &event.Event{Id: id, ReceivedAt: 5, OccurredAt: -7, Body: &event.Event_Click{Click: &event.Click{ClickId: "abc", MerchantId: 9, Sub1: "s"}}}, "abc"},
		{"click without an id", &event.Event{Id: id, Body: &event.Event_Click{Click: &event.Click{MerchantId: 9}}}, string(id)},
		{"sale", &event.Event{Id: id, Body: &event.Event_Sale{Sale: &event.Sale{MerchantId: 12, OrderId: "A-1", Currency: "EUR", Lines: []*event.Line{{Number: 1}}}}}, string(event.OrderKey(12, "A-1"))},
		{"refund", &event.Event{Id: id, Body: &event.Event_Refund{Refund: &event.Refund{MerchantId: 1 << 40, OrderId: "ü", RefundId: "r"}}}, string(event.OrderKey(1<<40, "ü"))},
		{"sale of merchant 0", &event.Event{Id: id, Body: &event.Event_Sale{Sale: &event.Sale{OrderId: "A-1"}}}, "0|A-1"},
		{"nothing", &event.Event{Id: id}, string(id)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			data, err := c.event.MarshalVT()
			if err != nil {
				t.Fatal(err)
			}
			if dst, key := appendKey([]byte("before"), data); string(key) != c.want || string(dst[:6]) != "before" {
				t.Errorf("the key is %q, want %q", key, c.want)
			}
		})
	}
}

// FuzzKey compares the key with that of a whole decoding, for whatever can be decoded.
func FuzzKey(f *testing.F) {
	f.Add(payload(1, 2))
	sale := &event.Event{Id: make([]byte, 16), Body: &event.Event_Sale{Sale: &event.Sale{MerchantId: 12, OrderId: "A-1"}}}
	data, err := sale.MarshalVT()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		dst, _ := appendKey(nil, data)
		if len(dst) > len(data)+30 {
			t.Fatalf("%d bytes made a key of %d", len(data), len(dst))
		}
		canonical := &event.Event{}
		if canonical.UnmarshalVT(data) != nil {
			return
		}
		again, err := canonical.MarshalVT()
		if err != nil {
			t.Fatal(err)
		}
		want := string(canonical.GetId())
		switch body := canonical.GetBody().(type) {
		case *event.Event_Click:
			if body.Click.GetClickId() != "" {
				want = body.Click.GetClickId()
			}
		case *event.Event_Sale:
			want = string(event.OrderKey(body.Sale.GetMerchantId(), body.Sale.GetOrderId()))
		case *event.Event_Refund:
			want = string(event.OrderKey(body.Refund.GetMerchantId(), body.Refund.GetOrderId()))
		}
		if _, key := appendKey(nil, again); string(key) != want {
			t.Fatalf("the key is %q, want %q", key, want)
		}
	})
}

func BenchmarkKey(b *testing.B) {
	data := payload(1, 123456)
	var dst []byte
	for b.Loop() {
		dst, _ = appendKey(dst[:0], data)
	}
}
