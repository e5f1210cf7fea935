package partners

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"tributary/internal/enginetest"
)

// TestAMillionLinks measures the first load of a million links and what one more costs. It takes a while: it runs when
// TRIBUTARY_BENCH is set.
func TestAMillionLinks(t *testing.T) {
	if os.Getenv("TRIBUTARY_BENCH") == "" {
		t.Skip("set TRIBUTARY_BENCH=1 to measure")
	}
	db := enginetest.Postgres(t)
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
		l, err := CreateLink(ctx, db, NewLink{Program: s.program, Partner: s.partner})
		must(t, err)
		began = time.Now()
		refresh(t, c)
		slowest = max(slowest, time.Since(began))
		if _, ok := c.LinkByCode(l.Code); !ok {
			t.Fatal("the link is not there")
		}
	}
	t.Logf("one more was there in %s at most", slowest.Round(10*time.Microsecond))
	file := filepath.Join(t.TempDir(), "copy")
	began = time.Now()
	must(t, c.writeCopy(ctx, file))
	written := time.Since(began)
	info, err := os.Stat(file)
	must(t, err)
	before, began = heap(), time.Now()
	copied := NewCatalogue(db, c.log)
	_, err = copied.LoadCopy(file)
	must(t, err)
	loaded := time.Since(began)
	t.Logf("a copy of %d bytes was written in %s and loaded in %s, %d bytes a link", info.Size(), written.Round(time.Millisecond),
		loaded.Round(time.Millisecond), (heap()-before)/uint64(copied.Links()))
	began = time.Now()
	refresh(t, copied)
	t.Logf("going over to the live one took %s", time.Since(began).Round(time.Millisecond))
	if slowest > time.Second {
		t.Errorf("one more link took %s, want at most 1 s", slowest)
	}
}
