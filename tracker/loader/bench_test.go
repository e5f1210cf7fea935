package loader

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"tributary/internal/clickhouse"
	"tributary/internal/event"
	"tributary/internal/stream"
)

// visits makes n clicks such as a network sees: some thousand links and agents, ids that are never the same.
func visits(b *testing.B, n int) []stream.Record {
	b.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	browsers, systems := []string{"Chrome", "Firefox", "Safari", "Edge"}, []string{"Windows 10", "macOS", "Android", "iOS", "Linux"}
	begin := time.Now().Add(-time.Duration(n) * 5 * time.Microsecond)
	records := make([]stream.Record, 0, n)
	for i := range n {
		at := begin.Add(time.Duration(i) * 5 * time.Microsecond)
		e, err := event.New(at, at)
		if err != nil {
			b.Fatal(err)
		}
		link := int64(random.IntN(4000))
		e.Body = &event.Event_Click{Click: &event.Click{
			ClickId:    fmt.Sprintf("v1k1%s%016x%08x", uuid.NewString(), random.Uint64(), random.Uint32()),
			MerchantId: link % 10, ProgramId: link % 20, PartnerId: link % 400, LinkId: link,
			Sub1:     fmt.Sprintf("campaign-%d", random.IntN(50)),
			Referrer: fmt.Sprintf("blog-%d.example/posts/%d", link%400, random.IntN(300)),
			UserAgent: fmt.Sprintf("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.%d.0 Safari/537.36",
				100+random.IntN(40), random.IntN(60)),
			IpPrefix: fmt.Sprintf("%d.%d.%d.0/24", 1+random.IntN(220), random.IntN(256), random.IntN(256)),
			Browser:  browsers[random.IntN(4)], Os: systems[random.IntN(5)], Device: "desktop",
		}}
		records = append(records, record(b, 1, uint64(i+1), e))
	}
	return records
}

// BenchmarkColumns is the loader's own work on a click: decoding and columns, on one core.
func BenchmarkColumns(b *testing.B) {
	records := visits(b, 50_000)
	rows := &touches{}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%len(records) == 0 {
			rows.reset()
		}
		r := &records[i%len(records)]
		e, err := event.Decode(r.Value)
		if err != nil {
			b.Fatal(err)
		}
		if err := rows.add(e, r); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "clicks/s")
}

// BenchmarkInsert is what the driver does by itself: rows that are ready in memory, as whole columns, one insert after the
// other. BenchmarkLoad is to be held against it.
func BenchmarkInsert(b *testing.B) {
	r := newRiver(b, 1)
	l := r.loader("bench")
	if err := l.prove(b.Context()); err != nil {
		b.Fatal(err)
	}
	rows := &touches{}
	for _, record := range visits(b, 50_000) {
		e, err := event.Decode(record.Value)
		if err != nil {
			b.Fatal(err)
		}
		if err := rows.add(e, &record); err != nil {
			b.Fatal(err)
		}
	}
	spent := processor(b)
	b.ResetTimer()
	for i := range b.N {
		settings := maps.Clone(l.settings)
		settings["insert_deduplication_token"] = strconv.Itoa(i)
		batch, err := r.ch.PrepareBatch(clickhouse.WithSettings(b.Context(), settings), l.tables[0].insertInto("touch")) //nolint:clickhouselint // sent below
		if err != nil {
			b.Fatal(err)
		}
		for c, column := range rows.columns(nil, 0, 50_000) {
			if err := batch.Column(c).Append(column); err != nil {
				b.Fatal(err)
			}
		}
		if err := batch.Send(); err != nil {
			b.Fatal(err)
		}
	}
	n := float64(b.N) * 50_000
	b.ReportMetric(n/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric((processor(b)-spent).Seconds()*1e6/n, "own-us/row")
}

// BenchmarkLoad is from Kafka to committed rows, with six partitions.
func BenchmarkLoad(b *testing.B) {
	const partitions, clicks = 6, 600_000
	r := newRiver(b, partitions)
	for p := range partitions {
		for own := visits(b, clicks/partitions); len(own) > 0; {
			n := min(len(own), 2000)
			if err := r.kafka.Produce(b.Context(), event.Touches, p, own[:n]); err != nil {
				b.Fatal(err)
			}
			own = own[n:]
		}
	}
	l := New(Config{DB: r.db, ClickHouse: r.ch, Kafka: r.kafka, Partitions: partitions, Owner: "bench"}, slog.New(slog.DiscardHandler), nil)
	if err := l.prove(b.Context()); err != nil {
		b.Fatal(err)
	}
	if b.N != 1 {
		b.Skip("one load of all records is one run: use -benchtime=1x")
	}
	spent := processor(b)
	b.ResetTimer()
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	r.loaded(event.Touches, clicks)
	b.StopTimer()
	b.ReportMetric(clicks/b.Elapsed().Seconds(), "clicks/s")
	b.ReportMetric((processor(b)-spent).Seconds()*1e6/clicks, "own-us/click")
	b.ReportMetric(float64(r.books(`SELECT count(*) FROM clickhouse_batch WHERE rows > 0`)), "batches")
	cancel()
	if err := <-ended; err != nil {
		b.Error(err)
	}
	r.equal("rows", r.number("SELECT count() FROM touch"), clicks)
	r.equal("rows of the rollup", r.number("SELECT sum(clicks) FROM touch_hourly"), clicks)
}

// processor is the time that this process has had on the processors.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
