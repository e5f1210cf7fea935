package loader

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"

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

// BenchmarkColumns is the loader's own work on a click: decoding and columns, on one core. test/bench measures the rest.
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
