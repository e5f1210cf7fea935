package engine

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"tributary/internal/event"
)

// BenchmarkEngine takes orders of three lines from Kafka to committed books, 60,000 of them with
//
//	go test ./commission/engine -run '^$' -bench Engine -benchtime 60000x
//
// The embedded PostgreSQL of the tests does not sync: TRIBUTARY_TEST_POSTGRES_URL names a server that does.
func BenchmarkEngine(b *testing.B) {
	w := newWorldOf(b, 6, 40)
	cfg := w.config("bench")
	cfg.Clock = time.Now
	if n, err := strconv.Atoi(os.Getenv("BENCH_WORKERS")); err == nil {
		cfg.Workers = n
	}
	w.sendMany(b.N)
	b.ReportAllocs()
	b.ResetTimer()
	stop := w.start(cfg)
	limit := time.Now().Add(2 * time.Minute)
	for w.number(`SELECT coalesce(sum(next_offset), 0) FROM position WHERE consumer = 'engine'`) < int64(b.N) {
		if time.Now().After(limit) {
			b.Fatal("it takes too long")
		}
		time.Sleep(5 * time.Millisecond)
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "orders/s")
	stop()
}

// BenchmarkVerify verifies the books of so many orders.
func BenchmarkVerify(b *testing.B) {
	w := newWorldOf(b, 6, 40)
	w.sendMany(b.N)
	w.start(w.config("bench"))
	w.settled()
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
	w.settled()
	b.ResetTimer()
	w.setClock(time.Now().Add(31 * day))
	w.settled()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "orders/s")
}
