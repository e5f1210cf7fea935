package commission

import (
	"testing"
	"time"

	"tributary/internal/event"
	"tributary/internal/money"
	"tributary/partners/program"
)

// threeLines is an order such as shops send: three lines in two categories, with a customer.
func threeLines() []*event.Event {
	e := sold(goods(1, "85123A", "product", 6, 1_530), goods(2, "71053", "product", 6, 2_034), goods(3, "POST", "service", 1, 1_800))
	e.GetSale().ClickId = "AQEAAAAAAAAABwGVUxvEAAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
	e.GetSale().CustomerId = "17850"
	return []*event.Event{e}
}

func benchmarkTerms() program.LinkTerms {
	return linkTerms(noon(), program.Terms{NetworkFee: 200_000, Rates: rates(map[string]money.Rate{"product": 80_000, "*": 0})})
}

// BenchmarkOrder is all that the decisions of one order cost the engine.
func BenchmarkOrder(b *testing.B) {
	events, found := threeLines(), benchmarkTerms()
	click := Click{ID: events[0].GetSale().GetClickId(), Link: 7, At: noon().Add(-time.Hour)}
	var record []byte
	b.ReportAllocs()
	for b.Loop() {
		o, err := Fold(events, Said{})
		if err != nil {
			b.Fatal(err)
		}
		d := decide(o, click, found)
		if moved := Difference(nil, d.Movements(time.Time{})); len(moved) != 2 {
			b.Fatalf("%d movements", len(moved))
		}
		record = d.AppendJSON(record[:0])
	}
	b.ReportMetric(float64(len(record)), "B/record")
}

// BenchmarkRefundedOrder decides on an order of three facts, of which two are on the books.
func BenchmarkRefundedOrder(b *testing.B) {
	found := benchmarkTerms()
	events := append(threeLines(), refunded("R", day, 0, piecesOf(1, 2)), refunded("S", 2*day, 500))
	click := Click{ID: events[0].GetSale().GetClickId(), Link: 7, At: noon().Add(-time.Hour)}
	before := decide(mustFold(b, events[:2]...), click, found)
	posted := before.Movements(time.Time{})
	var record []byte
	b.ReportAllocs()
	for b.Loop() {
		o, err := Fold(events, Said{})
		if err != nil {
			b.Fatal(err)
		}
		d := decide(o, click, found)
		if moved := Difference(posted, d.Movements(time.Time{})); len(moved) != 2 {
			b.Fatalf("%d movements", len(moved))
		}
		record = d.AppendJSON(record[:0])
	}
}

// BenchmarkAppendJSON is the record alone.
func BenchmarkAppendJSON(b *testing.B) {
	events := threeLines()
	d := decide(mustFold(b, events...), Click{ID: "click", Link: 7, At: noon().Add(-time.Hour)}, benchmarkTerms())
	var record []byte
	b.ReportAllocs()
	for b.Loop() {
		record = d.AppendJSON(record[:0])
	}
}
