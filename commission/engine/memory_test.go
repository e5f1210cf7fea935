package engine

import (
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"tributary/internal/event"
	"tributary/partners/program"
)

// TestEngineMemoryDoesNotGrowWithLinks books orders by clicks on all of a thousand links, and then on ever others of a
// hundred thousand, and measures the heap in between; of a million where TRIBUTARY_BENCH is set. An engine that held links
// would take about 100 bytes for each.
func TestEngineMemoryDoesNotGrowWithLinks(t *testing.T) { //nolint:paralleltest // it measures the heap of all tests
	w := newWorld(t)
	w.start(w.config("one"))
	links := 100_000
	if os.Getenv("TRIBUTARY_BENCH") != "" {
		links = 1_000_000
	}
	addLinks := func(from, to int) {
		w.exec(`INSERT INTO link (code, program_id, partner_id, target_url)
			SELECT 'many-' || n, $1, $2, 'https://shop.example/' FROM generate_series($3::int, $4::int) n`, w.programs[0], w.partners[0], from, to)
	}
	first := program.LinkID(w.number(`SELECT max(id) FROM link`)) + 1
	const orders = 6000
	round := func(name string, links int) uint64 {
		events := make([]*event.Event, orders)
		for i := range events {
			link := first + program.LinkID(i*links/orders)
			events[i] = sale(1, fmt.Sprint(name, i), clickOn(link, noon().Add(-time.Hour)), 10_000)
		}
		w.send(events...)
		w.waitIdle()
		clear(events)
		runtime.GC()
		runtime.GC() // what pools kept goes with the second
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	addLinks(1, 1000)
	round("warm-", 1000)
	before := round("few-", 1000)
	addLinks(1001, links)
	after := round("many-", links)
	t.Logf("%d bytes of heap with 1,000 links, %d with %d", before, after, links)
	equal(t, "credited orders", w.number(`SELECT count(*) FROM orders WHERE outcome = 'credited'`), 3*orders)
	if grown := int64(after) - int64(before); grown > 4<<20 {
		t.Errorf("%d more links take %d bytes of an engine", links-1000, grown)
	}
}
