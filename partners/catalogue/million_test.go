package catalogue

import (
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"tributary/partners"
	"tributary/test/engines"
)

// TestAMillionLinks measures the first load of a million links and what one more costs. It takes a while: it runs when
// TRIBUTARY_BENCH is set.
func TestAMillionLinks(t *testing.T) {
	if os.Getenv("TRIBUTARY_BENCH") == "" {
		t.Skip("set TRIBUTARY_BENCH=1 to measure")
	}
	db := engines.Postgres(t)
	ctx := t.Context()
	s := newShop(t, db)
	_, err := db.Exec(ctx, `INSERT INTO link (code, program_id, partner_id, target_url)
SELECT 'link-' || n, $1, $2, 'https://shop.example/' || CASE WHEN n % 10 = 0 THEN 'products/category/' || n ELSE '' END FROM generate_series(1, 1000000) n`,
		s.program, s.partner)
	must(t, err)
	before := heap()
	began := time.Now()
	c := newCatalogue(t, db)
	t.Logf("loaded %d links in %s, %d bytes each", c.Links(), time.Since(began).Round(time.Millisecond), (heap()-before)/uint64(c.Links()))
	slowest := time.Duration(0)
	for range 20 {
		l, err := partners.CreateLink(ctx, db, partners.NewLink{Program: s.program, Partner: s.partner})
		must(t, err)
		began = time.Now()
		refresh(t, c)
		slowest = max(slowest, time.Since(began))
		if _, ok := c.LinkByCode(l.Code); !ok {
			t.Fatal("the link is not there")
		}
	}
	t.Logf("one more was there in %s at most", slowest.Round(10*time.Microsecond))
	if slowest > time.Second {
		t.Errorf("one more link took %s, want at most 1 s", slowest)
	}
}

// TestACopyOfAMillionLinks measures what a copy takes on the disk and at the start. It runs when TRIBUTARY_BENCH is set.
func TestACopyOfAMillionLinks(t *testing.T) {
	if os.Getenv("TRIBUTARY_BENCH") == "" {
		t.Skip("set TRIBUTARY_BENCH=1 to measure")
	}
	c := New(nil, slog.New(slog.DiscardHandler))
	fill(c, 1_000_000)
	file := filepath.Join(t.TempDir(), "copy")
	began := time.Now()
	must(t, c.writeAs(&Copy{Network: "n"}, file))
	written := time.Since(began)
	info, err := os.Stat(file)
	must(t, err)
	before := heap()
	copied := New(nil, c.log)
	began = time.Now()
	_, err = copied.LoadCopy(file)
	must(t, err)
	loaded := time.Since(began)
	t.Logf("%d bytes, written in %s, loaded in %s, %d bytes of memory a link", info.Size(), written.Round(time.Millisecond), loaded.Round(time.Millisecond),
		(heap()-before)/uint64(copied.Links()))
	if copied.Links() != 1_000_000 || info.Size() > 100<<20 {
		t.Errorf("%d links in %d bytes", copied.Links(), info.Size())
	}
	runtime.KeepAlive(c)
	runtime.KeepAlive(copied)
}
