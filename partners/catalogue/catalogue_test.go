package catalogue

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"tributary/internal/postgres"
	"tributary/partners"
	"tributary/partners/program"
	"tributary/test/engines"
)

func TestTheCatalogueHoldsWhatWasWritten(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	s := newShop(t, db)
	link, err := partners.CreateLink(t.Context(), db, partners.NewLink{Program: s.program, Partner: s.partner, Target: "https://www.shop.example/sale?a=1#b"})
	must(t, err)
	c := newCatalogue(t, db)

	p, _ := c.Program(s.program)
	want := &Listing{
		ID: s.program, Merchant: s.merchant, LandingURL: "https://shop.example/", Domains: []string{"shop.example"}, ClickParam: partners.DefaultClickParam, Currencies: []string{"EUR", "GBP"},
		Since: longAgo, Window: 30 * 24 * time.Hour, Categories: []string{"service"}, AnyCategory: true,
	}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("program (-want +got):\n%s", diff)
	}
	byCode, _ := c.LinkByCode(link.Code)
	byID, _ := c.Link(link.ID)
	if diff := cmp.Diff(link, byCode); diff != "" || cmp.Diff(link, byID) != "" {
		t.Errorf("link (-want +got):\n%s", diff)
	}
	partner, _ := c.Partner(s.partner)
	if diff := cmp.Diff(&partners.Partner{ID: s.partner, Kind: program.Site, Name: "Blog", SiteURL: "https://blog.example"}, partner); diff != "" {
		t.Errorf("partner (-want +got):\n%s", diff)
	}
	merchant, _ := c.Merchant(s.merchant)
	if diff := cmp.Diff(&partners.Merchant{ID: s.merchant, Name: "Shop"}, merchant); diff != "" {
		t.Errorf("merchant (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"EUR", "GBP"}, c.CurrenciesOf(s.merchant)); diff != "" {
		t.Errorf("currencies (-want +got):\n%s", diff)
	}
	if got := c.ProgramsOf(s.merchant); len(got) != 1 || got[0] != p {
		t.Errorf("programs of the merchant: %v", got)
	}
}

func TestTheCatalogueFollowsEveryChange(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	ctx := t.Context()
	s := newShop(t, db)
	first, err := partners.CreateLink(ctx, db, partners.NewLink{Program: s.program, Partner: s.partner, Code: "first"})
	must(t, err)
	key, keyID, err := partners.IssueKey(ctx, db, s.merchant, "", partners.Reporting)
	must(t, err)
	sum, _ := partners.KeyHash(key)
	c := newCatalogue(t, db)

	exec := func(sql string, args ...any) func() error {
		return func() error { _, err := db.Exec(ctx, sql, args...); return err }
	}
	for _, step := range []struct {
		name   string
		change func() error
		seen   func() bool
	}{
		{"a new link", func() error {
			_, err := partners.CreateLink(ctx, db, partners.NewLink{Program: s.program, Partner: s.partner, Code: "second"})
			return err
		}, func() bool { l, ok := c.LinkByCode("second"); return ok && l.Target == "https://shop.example/" }},
		{"a link closed", exec(`UPDATE link SET closed_at = now() WHERE id = $1`, first.ID), func() bool {
			l, ok := c.LinkByCode("first")
			return ok && l.Closed
		}},
		{"a link with another code", exec(`UPDATE link SET code = 'renamed' WHERE id = $1`, first.ID), func() bool {
			_, old := c.LinkByCode("first")
			l, ok := c.LinkByCode("renamed")
			return ok && !old && l.ID == first.ID
		}},
		{"two links that swap their codes", func() error {
			return postgres.InTx(ctx, db, func(tx pgx.Tx) error {
				for _, step := range [][2]string{{"renamed", "spare"}, {"second", "renamed"}, {"spare", "second"}} {
					if _, err := tx.Exec(ctx, `UPDATE link SET code = $2 WHERE code = $1`, step[0], step[1]); err != nil {
						return err
					}
				}
				return nil
			})
		}, func() bool {
			l, ok := c.LinkByCode("second")
			other, found := c.LinkByCode("renamed")
			return ok && found && l.ID == first.ID && other.ID != first.ID
		}},
		{"a key", func() error { return nil }, func() bool { m, ok := c.Key(sum); return ok && m.Merchant == s.merchant }},
		{"a key revoked", func() error { return partners.RevokeKey(ctx, db, s.merchant, keyID) }, func() bool { _, ok := c.Key(sum); return !ok }},
		{"further terms", func() error {
			return postgres.InTx(ctx, db, func(tx pgx.Tx) error {
				_, err := partners.AddTerms(ctx, tx, s.program, program.Version{
					EffectiveFrom: time.Now().Add(time.Hour),
					Document:      program.NewDocument(60*24*time.Hour, 0, 0, program.Rates{program.Site: {"books": 90_000}}),
				})
				return err
			})
		}, func() bool {
			p, _ := c.Program(s.program)
			return p.Window == 60*24*time.Hour && p.Since.Equal(longAgo) && p.Prices("books") && c.ProgramsOf(s.merchant)[0] == p
		}},
		{"a category corrected by hand", exec(`UPDATE terms SET document = jsonb_set(document, '{rules,0,where,category}', '"maps"') WHERE version = 2`), func() bool {
			p, _ := c.Program(s.program)
			return p.Prices("maps") && !p.Prices("books")
		}},
		{"terms of tomorrow that ask for the path", exec(`UPDATE terms SET document = jsonb_set(document, '{attribution,path}', 'true') WHERE version = 2`), func() bool {
			p, _ := c.Program(s.program)
			return !p.Path(time.Now()) && p.Path(time.Now().Add(2*time.Hour)) && len(p.PathTurns) == 1
		}},
		{"a second program", func() error {
			return postgres.InTx(ctx, db, func(tx pgx.Tx) error {
				n := shopProgram(s.merchant)
				n.Currencies = []string{"KRW"}
				_, err := partners.CreateProgram(ctx, tx, n)
				return err
			})
		}, func() bool {
			return len(c.ProgramsOf(s.merchant)) == 2 && strings.Join(c.CurrenciesOf(s.merchant), " ") == "EUR GBP KRW"
		}},
		{"a partner with another name", exec(`UPDATE partner SET name = 'Magazine'`), func() bool {
			p, _ := c.Partner(s.partner)
			return p.Name == "Magazine"
		}},
		{"a merchant with another name", exec(`UPDATE merchant SET name = 'Store'`), func() bool {
			m, _ := c.Merchant(s.merchant)
			return m.Name == "Store"
		}},
	} {
		must(t, step.change())
		refresh(t, c)
		if !step.seen() {
			t.Errorf("%s: not seen", step.name)
		}
	}
}

func TestAPathIsKeptWhileTermsAskForIt(t *testing.T) {
	t.Parallel()
	day := func(n int) time.Time { return longAgo.AddDate(0, 0, n) }
	asking, not := &program.Document{Attribution: program.Attribution{Path: true}}, &program.Document{}
	p := &partners.Program{}
	for i, d := range []*program.Document{not, asking, asking, not, asking, nil} { // the last cannot be read
		p.Terms = append(p.Terms, program.Terms{EffectiveFrom: day(i), Document: d})
	}
	l := listingOf(p)
	for n, want := range map[int]bool{-1: false, 0: false, 1: true, 2: true, 3: false, 4: true, 5: false, 6: false} {
		if got := l.Path(day(n)); got != want {
			t.Errorf("day %d: %t", n, got)
		}
	}
	if diff := cmp.Diff([]time.Time{day(1), day(3), day(4), day(5)}, l.PathTurns); diff != "" {
		t.Errorf("turns (-want +got):\n%s", diff)
	}
}

func TestRunSeesACommitWithinASecond(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	s := newShop(t, db)
	c := newCatalogue(t, db)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- c.Run(ctx) }()
	slowest := time.Duration(0)
	for range 5 {
		l, err := partners.CreateLink(ctx, db, partners.NewLink{Program: s.program, Partner: s.partner})
		must(t, err)
		start := time.Now()
		for {
			if _, ok := c.LinkByCode(l.Code); ok {
				break
			}
			if time.Since(start) > 10*time.Second {
				t.Fatal("the link is not there after 10 s")
			}
			runtime.Gosched()
		}
		slowest = max(slowest, time.Since(start))
	}
	t.Logf("slowest of five links was seen after %s", slowest)
	if slowest > time.Second {
		t.Errorf("a link was seen after %s, want at most 1 s", slowest)
	}
	cancel()
	must(t, <-done)
}

// A transaction takes its number at its first write, and others with higher numbers may commit before it.
func TestNoChangeIsMissedWhateverTheOrderOfCommits(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	ctx := t.Context()
	s := newShop(t, db)
	c := newCatalogue(t, db)
	const seed = 7
	random := rand.New(rand.NewPCG(seed, seed))
	var want []string
	for round := range 25 {
		txs := make([]pgx.Tx, 3)
		for i := range txs {
			tx, err := db.Begin(ctx)
			must(t, err)
			_, err = tx.Exec(ctx, `SELECT pg_current_xact_id()`)
			must(t, err)
			txs[i] = tx
		}
		random.Shuffle(len(txs), func(i, j int) { txs[i], txs[j] = txs[j], txs[i] })
		for i, tx := range txs {
			code := fmt.Sprintf("r%d-t%d", round, i)
			_, err := partners.CreateLink(ctx, tx, partners.NewLink{Program: s.program, Partner: s.partner, Code: code})
			must(t, err)
			if random.IntN(2) == 0 {
				refresh(t, c)
			}
			must(t, tx.Commit(ctx))
			want = append(want, code)
			if random.IntN(2) == 0 {
				refresh(t, c)
			}
		}
	}
	refresh(t, c)
	for _, code := range want {
		if _, ok := c.LinkByCode(code); !ok {
			t.Errorf("seed %d: link %s was missed", seed, code)
		}
	}
}

func TestALinkIsNeverSeenBeforeWhatItNames(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	c := newCatalogue(t, db)
	const links = 40
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var refresher, reader sync.WaitGroup
	done := make(chan struct{})
	refresher.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			if err := c.Refresh(ctx, db); err != nil {
				t.Error(err)
				return
			}
		}
	})
	reader.Go(func() {
		for id := program.LinkID(1); id <= links; {
			l, ok := c.Link(id)
			if !ok {
				if ctx.Err() != nil {
					t.Errorf("link %d was not seen", id)
					return
				}
				runtime.Gosched()
				continue
			}
			_, p := c.Program(l.Program)
			_, partner := c.Partner(l.Partner)
			_, merchant := c.Merchant(l.Merchant)
			if !p || !partner || !merchant {
				t.Errorf("link %d is there, its program %t, partner %t, merchant %t", id, p, partner, merchant)
			}
			id++
		}
	})
	for range links { // each step in a transaction of its own
		s := newShop(t, db)
		_, err := partners.CreateLink(t.Context(), db, partners.NewLink{Program: s.program, Partner: s.partner})
		must(t, err)
	}
	reader.Wait()
	close(done)
	refresher.Wait()
}

func TestUnreadableTermsHideNothingElse(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	ctx := t.Context()
	s := newShop(t, db)
	key, keyID, err := partners.IssueKey(ctx, db, s.merchant, "", partners.Reporting)
	must(t, err)
	sum, _ := partners.KeyHash(key)
	var log bytes.Buffer
	c := New(db, slog.New(slog.NewTextHandler(&log, nil)))
	must(t, c.Load(ctx))
	for version, change := range map[int]struct {
		rules int
		more  string
	}{
		2: {2, `{"minimum_order": 500, "attribution": {"touches": {"click": {"window": "60d"}, "coupon": {}}}, "rules": [{"where": {"category": "maps", "country": "DE"}, "pay": {"amount": 5}}]}`},
		3: {1, `{"hold": "soon", "attribution": 5}`},
	} {
		_, err := db.Exec(ctx, `INSERT INTO terms (program_id, version, effective_from, rules, document)
			SELECT program_id, $2::int, now() + $2::int * interval '1 hour', $3, document || $4 FROM terms WHERE program_id = $1 AND version = 1`, s.program, version, change.rules, change.more)
		must(t, err)
	}
	must(t, partners.RevokeKey(ctx, db, s.merchant, keyID))
	link, err := partners.CreateLink(ctx, db, partners.NewLink{Program: s.program, Partner: s.partner})
	must(t, err)
	refresh(t, c)
	if _, ok := c.Key(sum); ok {
		t.Error("a revoked key goes on working")
	}
	if _, ok := c.LinkByCode(link.Code); !ok {
		t.Error("a link that was made afterwards is not found")
	}
	p, _ := c.Program(s.program)
	if p.Window != 60*24*time.Hour || !p.Since.Equal(longAgo) || !p.Prices("maps") || !p.Prices("service") || p.Prices("books") {
		t.Errorf("of what could be read there is %+v", p)
	}
	_, err = db.Exec(ctx, `UPDATE program SET landing_url = 'https://shop.example/new'`)
	must(t, err)
	refresh(t, c)
	if p, _ := c.Program(s.program); p.LandingURL != "https://shop.example/new" {
		t.Errorf("a later change to the program is not seen: %+v", p)
	}
	for version, field := range map[string]string{"version=2": "minimum_order", "version=3": "hold"} {
		if n := strings.Count(log.String(), version); n != 1 || !strings.Contains(log.String(), field) {
			t.Errorf("%s was logged %d times, with %s:\n%s", version, n, field, &log)
		}
	}
}

func TestACatalogueOutlivesItsDatabase(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	s := newShop(t, db)
	l, err := partners.CreateLink(t.Context(), db, partners.NewLink{Program: s.program, Partner: s.partner})
	must(t, err)
	c := newCatalogue(t, db)
	gone, err := postgres.Open(t.Context(), "postgres://nobody@127.0.0.1:1/none", postgres.Tracker, 1)
	must(t, err)
	defer gone.Close()
	c.db = gone
	if err := c.runOnce(t.Context()); err == nil {
		t.Error("a database that is away gave no error")
	}
	if _, ok := c.LinkByCode(l.Code); !ok || c.Version() == 0 {
		t.Error("the catalogue lost what it had")
	}
}

// fill puts n links into a catalogue, each tenth with a target of its own.
func fill(c *Catalogue, n int) {
	ch := &changes{
		merchants: []*partners.Merchant{{ID: 1, Name: "Shop"}}, partners: []*partners.Partner{{ID: 1, Kind: program.Member, Name: "M"}},
		programs: []*Listing{{ID: 1, Merchant: 1, ClickParam: "tclid", LandingURL: "https://shop.example/", Currencies: []string{"EUR"}}},
	}
	c.links.reserve(n)
	for i := range n {
		code, target := fmt.Sprintf("c%07d", i), "https://shop.example/"
		if i%10 == 0 {
			both := code + fmt.Sprintf("https://shop.example/products/category/%d?utm_source=x", i)
			code, target = both[:len(code)], both[len(code):]
		}
		ch.links = append(ch.links, &partners.Link{ID: program.LinkID(i + 1), Code: code, Merchant: 1, Program: 1, Partner: 1, Target: target})
	}
	c.apply(ch)
}

func TestMemoryOfALink(t *testing.T) { // not parallel: it reads the heap of the process
	const n = 200_000
	before := heap()
	c := New(nil, slog.New(slog.DiscardHandler))
	fill(c, n)
	perLink := (heap() - before) / n
	t.Logf("%d bytes a link", perLink)
	if perLink > 200 {
		t.Errorf("a link takes %d bytes, want at most 200", perLink)
	}
	runtime.KeepAlive(c)
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkLinkByCode(b *testing.B) {
	for _, n := range []int{1000, 1_000_000} {
		b.Run(fmt.Sprintf("%d links", n), func(b *testing.B) {
			c := New(nil, slog.New(slog.DiscardHandler))
			fill(c, n)
			codes := make([]string, 4096)
			for i := range codes {
				codes[i] = fmt.Sprintf("c%07d", rand.IntN(n))
			}
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					if _, ok := c.LinkByCode(codes[i%len(codes)]); !ok {
						b.Error("missing link")
					}
				}
			})
		})
	}
}
