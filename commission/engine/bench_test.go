package engine

import (
	"fmt"
	"testing"
	"time"

	"tributary/internal/event"
)

// BenchmarkVerify verifies the books of so many orders.
func BenchmarkVerify(b *testing.B) {
	w := newWorldOf(b, 6, 40)
	w.sendMany(b.N)
	w.start(w.config("bench"))
	w.waitIdle()
	b.ResetTimer()
	w.clean()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "orders/s")
}

// sendMany puts so many orders of three lines into Kafka, placed now, from the links of the first merchant in turn.
func (w *world) sendMany(orders int) {
	w.t.Helper()
	const batch = 6000
	for n := 0; n < orders; n += batch {
		events := make([]*event.Event, 0, batch)
		for i := n; i < min(n+batch, orders); i++ {
			at := time.Now()
			e := sale(1, fmt.Sprintf("ORD-%x", idOf("order", i)[:6]), clickOn(w.links[i%len(w.partners)], at.Add(-time.Hour)), 1999, 4950, 12_000)
			e.OccurredAt, e.ReceivedAt = event.Micros(at), event.Micros(at)
			e.GetSale().CustomerId = fmt.Sprintf("customer-%d", i%5000)
			events = append(events, e)
		}
		w.send(events...)
	}
}

// BenchmarkRelease ends the holds of so many orders.
func BenchmarkRelease(b *testing.B) {
	w := newWorldOf(b, 6, 40)
	w.setClock(time.Now())
	w.sendMany(b.N)
	w.start(w.config("bench"))
	w.waitIdle()
	b.ResetTimer()
	w.setClock(time.Now().Add(31 * day))
	w.waitIdle()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "orders/s")
}
