package tracker

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"tributary/internal/event"
	"tributary/internal/keyring"
	"tributary/internal/postgres"
	"tributary/partners"
	"tributary/test/engines"
	"tributary/tracker/clickid"
)

// pathEdge is a tracker on a network in which the programs of the first shop keep paths, and that of the other does not.
type pathEdge struct {
	*edge

	now    time.Time
	links  []*partners.Link // of the first shop
	second shop             // keeps paths, too
}

func newPathEdge(tb testing.TB, change func(*Config)) *pathEdge {
	tb.Helper()
	p := &pathEdge{edge: &edge{db: engines.Postgres(tb)}, now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	p.mine = newShop(tb, p.db, "GBP")
	p.theirs = newShop(tb, p.db, "EUR")
	p.second = newShop(tb, p.db, "GBP")
	for range 10 {
		p.links = append(p.links, p.mine.newLink(tb, p.db, ""))
	}
	must(tb, postgres.InTx(tb.Context(), p.db, func(tx pgx.Tx) error {
		_, err := tx.Exec(tb.Context(), `SET LOCAL session_replication_role = replica`) // these are terms in force
		if err == nil {
			_, err = tx.Exec(tb.Context(), `UPDATE terms SET effective_from = '2020-01-01', document = CASE WHEN program_id = $1 THEN document
				ELSE jsonb_set(document, '{attribution,path}', 'true') END`, p.theirs.program)
		}
		return err
	}))
	p.start(tb, func(cfg *Config) {
		cfg.Now = func() time.Time { return p.now }
		if change != nil {
			change(cfg)
		}
	})
	return p
}

// follow follows a link as a browser would that has this cookie, and gives the click, as it was recorded, and the cookie that
// came back.
func (p *pathEdge) follow(tb testing.TB, path, cookie string, headers ...string) (*event.Click, *http.Cookie) {
	tb.Helper()
	before := len(p.records(tb))
	if cookie != "" {
		headers = append(headers, "Cookie", cookie)
	}
	a := p.ask(tb, http.MethodGet, "/c/"+path, nil, headers...)
	added := newest(p.records(tb), before)
	if a.status != http.StatusFound || len(added) != 1 {
		tb.Fatalf("%s: status %d, %d records", path, a.status, len(added))
	}
	to, err := url.Parse(a.header.Get("Location"))
	must(tb, err)
	click := added[0].GetClick()
	if id := to.Query().Get("tclid"); id != "" && id != click.GetClickId() {
		tb.Errorf("sent on with %s, recorded as %s", id, click.GetClickId())
	}
	cookies := (&http.Response{Header: a.header}).Cookies()
	if len(cookies) == 0 {
		return click, nil
	}
	return click, cookies[0]
}

func TestTheCookieHoldsTheLastEightClicks(t *testing.T) {
	t.Parallel()
	p := newPathEdge(t, nil)
	var ids []string
	cookie := ""
	for n, link := range p.links {
		p.now = p.now.Add(time.Minute)
		click, got := p.follow(t, link.Code, cookie)
		if diff := cmp.Diff(ids[max(0, n-8):], click.GetPath()); diff != "" && len(click.GetPath())+n > 0 {
			t.Errorf("click %d (-want +got):\n%s", n, diff)
		}
		ids = append(ids, click.GetClickId())
		want := http.Cookie{
			Name: "tributary_path", Value: strings.Join(ids[max(0, n-7):], "."), Path: "/", MaxAge: int(day / time.Second), HttpOnly: true, SameSite: http.SameSiteLaxMode,
		}
		if got == nil || got.String() != want.String() || len(got.Value) > maxPath {
			t.Fatalf("click %d: cookie\n%s, want\n%s", n, got, &want)
		}
		cookie = got.Name + "=" + got.Value
	}
	p.now = p.now.Add(day - 2*time.Minute) // the last three of ten are younger than the window of a day
	click, got := p.follow(t, p.links[0].Code, cookie, "User-Agent", firefox+" A")
	if diff := cmp.Diff(ids[8:], click.GetPath()); diff != "" || got.Value != strings.Join(append(slices.Clone(ids[8:]), click.GetClickId()), ".") {
		t.Errorf("a day later (-want +got):\n%s\ncookie %s", diff, got.Value)
	}
}

func TestWhoseCookieIsReadAndWritten(t *testing.T) {
	t.Parallel()
	p := newPathEdge(t, nil)
	at := p.now.Add(-time.Hour)
	mint := func(link *partners.Link, at time.Time) string { return p.ring.Mint(int64(link.ID), at) }
	a, b, other, foreign := mint(p.links[0], at), mint(p.links[1], at), mint(p.second.link, at), mint(p.theirs.link, at)
	strangers, err := clickid.NewRing([]keyring.Key{keyring.Generate(1)})
	must(t, err)
	forged := strangers.Mint(int64(p.links[0].ID), at)
	both := "tributary_path=" + a + "." + b
	mine, theirs := p.links[2].Code, p.theirs.link.Code
	rows := []struct {
		name, path, cookie string
		headers            []string
		want               []string // Click.path
		kept               []string // the cookie, before the click's own id; none at all where writes is false
		writes             bool
	}{
		{"nothing yet", mine, "", nil, nil, nil, true},
		{"two clicks", mine, both, nil, []string{a, b}, []string{a, b}, true},
		{"beside other cookies", mine, "x=1; " + both + "; y=2", nil, []string{a, b}, []string{a, b}, true},
		{"the program keeps no path", theirs, both, nil, nil, nil, false},
		{"cons=0", mine + "?cons=0", both, nil, nil, nil, false},
		{"cons=0 behind sub1, escaped", mine + "?sub1=x&%63ons=%30", both, nil, nil, nil, false},
		{"cons=0 behind &amp;", mine + "?sub1=x&amp;cons=0", both, nil, nil, nil, false},
		{"cons=0 behind the code", mine + "&cons=0", both, nil, nil, nil, false},
		{"cons=1, and 0", mine + "?cons=1&cons=0", both, nil, nil, nil, false},
		{"cons=1", mine + "?cons=1", both, nil, []string{a, b}, []string{a, b}, true},
		{"Sec-GPC: 1", mine, both, []string{"Sec-GPC", "1"}, nil, nil, false},
		{"Sec-GPC: 1 without a cookie", mine, "", []string{"Sec-GPC", "1"}, nil, nil, false},
		{"Sec-GPC: 0", mine, both, []string{"Sec-GPC", "0"}, []string{a, b}, []string{a, b}, true},
		{"an embedded request", mine, both, []string{"Sec-Fetch-Dest", "image"}, nil, nil, false},
		{"a program's visit, as who tries it with curl", mine, both, []string{"User-Agent", "curl/8.5.0"}, []string{a, b}, []string{a, b}, true},
		{"another merchant's click is kept and not told", mine, "tributary_path=" + other + "." + a, nil, []string{a}, []string{other, a}, true},
		{"a click of a program that keeps none", mine, "tributary_path=" + foreign + "." + a, nil, []string{a}, []string{a}, true},
		{"an id twice", mine, "tributary_path=" + a + "." + a, nil, []string{a}, []string{a}, true},
		{"a forged id", mine, "tributary_path=" + forged + "." + a, nil, []string{a}, []string{a}, true},
		{"an id of an unknown link", mine, "tributary_path=" + p.ring.Mint(1<<40, at), nil, nil, nil, true},
		{"an id of a day ago, a day being the window", mine, "tributary_path=" + mint(p.links[0], p.now.Add(-day)), nil, nil, nil, true},
		{"a millisecond younger", mine, "tributary_path=" + mint(p.links[0], p.now.Add(-day+time.Millisecond)), nil, []string{""}, []string{""}, true},
		{"rubbish", mine, "tributary_path=....%00;;;=." + a[:53], nil, nil, nil, true},
		{"a name without a value", mine, "tributary_path", nil, nil, nil, true},
		{"too many", mine, "tributary_path=" + strings.Repeat(a+".", 8) + b, nil, nil, nil, true},
		{"far too long", mine, "tributary_path=" + strings.Repeat("A", 12<<10), nil, nil, nil, true},
	}
	for _, row := range rows {
		if len(row.want) == 1 && row.want[0] == "" { // what the cookie holds, minted in the row
			_, id, _ := strings.Cut(row.cookie, "=")
			row.want, row.kept = []string{id}, []string{id}
		}
		if !slices.Contains(row.headers, "User-Agent") {
			row.headers = append(row.headers, "User-Agent", firefox+" "+row.name) // a visitor of their own
		}
		click, cookie := p.follow(t, row.path, row.cookie, row.headers...)
		if !slices.Equal(click.GetPath(), row.want) {
			t.Errorf("%s: path %v, want %v", row.name, click.GetPath(), row.want)
		}
		switch {
		case (cookie != nil) != row.writes:
			t.Errorf("%s: cookie %v", row.name, cookie)
		case cookie != nil && cookie.Value != strings.Join(append(row.kept, click.GetClickId()), "."):
			t.Errorf("%s: cookie %s", row.name, cookie.Value)
		}
	}
}

// A link that is followed again and again is one touch: else a page that opens its link five times would be paid five times.
func TestARepeatedClickIsOneStep(t *testing.T) {
	t.Parallel()
	p := newPathEdge(t, nil)
	first, cookie := p.follow(t, p.links[0].Code, "")
	again, after := p.follow(t, p.links[0].Code, "tributary_path="+cookie.Value)
	if again.GetMarks() != event.MarkDuplicate || !slices.Equal(again.GetPath(), []string{first.GetClickId()}) || after.Value != cookie.Value {
		t.Errorf("marks %d, path %v, cookie %s after %s", again.GetMarks(), again.GetPath(), after.Value, cookie.Value)
	}
	// Somebody else in the same office, whose click is marked all the same, has no cookie yet.
	neighbour, theirs := p.follow(t, p.links[0].Code, "")
	if neighbour.GetMarks() != event.MarkDuplicate || theirs.Value != neighbour.GetClickId() {
		t.Errorf("marks %d, cookie %s", neighbour.GetMarks(), theirs.Value)
	}
}

func TestTheCookieBehindHTTPS(t *testing.T) {
	t.Parallel()
	p := newPathEdge(t, func(cfg *Config) { cfg.Secure = true })
	first, cookie := p.follow(t, p.links[0].Code, "tributary_path="+p.ring.Mint(int64(p.links[1].ID), p.now))
	if cookie.Name != "__Host-tributary_path" || !cookie.Secure || !cookie.HttpOnly || cookie.Domain != "" || cookie.Path != "/" || len(first.GetPath()) > 0 {
		t.Errorf("cookie %s, path %v", cookie, first.GetPath())
	}
	if second, _ := p.follow(t, p.links[1].Code, cookie.Name+"="+cookie.Value); !slices.Equal(second.GetPath(), []string{first.GetClickId()}) {
		t.Errorf("path %v", second.GetPath())
	}
}

func TestWhoOnlyLooksGetsNoCookie(t *testing.T) {
	t.Parallel()
	p := newPathEdge(t, nil)
	for _, row := range []struct {
		method  string
		headers []string
	}{{http.MethodHead, nil}, {http.MethodGet, []string{"Sec-Purpose", "prefetch"}}} {
		if a := p.ask(t, row.method, "/c/"+p.links[0].Code, nil, row.headers...); a.header.Get("Set-Cookie") != "" {
			t.Errorf("%s %v: %s", row.method, row.headers, a.header.Get("Set-Cookie"))
		}
	}
}

// FuzzPath holds that no cookie makes the reader fail, and that it believes only what this network has signed.
func FuzzPath(f *testing.F) {
	p := newPathEdge(f, nil)
	for _, link := range p.links[:2] {
		f.Add(p.ring.Mint(int64(link.ID), p.now) + "." + p.ring.Mint(int64(p.second.link.ID), p.now))
	}
	f.Add("")
	f.Add("..\"\x00é" + strings.Repeat("A", clickid.TextLength))
	f.Fuzz(func(t *testing.T, value string) {
		r := &http.Request{Header: http.Header{"Cookie": {"tributary_path=" + value}}, URL: &url.URL{RawQuery: value}}
		_, _ = refusesPath(r.Header), withoutConsent(r.URL.RawQuery)
		path := p.readPath(r, p.now)
		seen := map[string]bool{}
		for _, st := range append(p.steps(value, p.now), path...) {
			if _, err := p.ring.Verify(st.id); err != nil || !strings.Contains(value, st.id) {
				t.Errorf("%q: %q, %v", value, st.id, err)
			}
			seen[st.id] = true
		}
		if len(seen) > pathClicks || len(path) > len(seen) {
			t.Errorf("%q: %d steps, %d at once", value, len(seen), len(path))
		}
	})
}

// BenchmarkPath is what a path adds to a redirect: eight ids looked at, and nine written.
func BenchmarkPath(b *testing.B) {
	p := newPathEdge(b, nil)
	ids := make([]string, pathClicks)
	for i := range ids {
		ids[i] = p.ring.Mint(int64(p.links[i].ID), p.now)
	}
	r := &http.Request{Header: http.Header{"Cookie": {"tributary_path=" + strings.Join(ids, pathSeparator)}}, URL: &url.URL{}}
	click := Click{Link: p.links[9], At: p.now}
	listing, _ := p.catalogue.Program(p.mine.program)
	h := http.Header{}
	b.ReportAllocs()
	for b.Loop() {
		path := p.readPath(r, p.now)
		click.Path = idsOf(path, click.Link.Merchant)
		p.writePath(h, extend(path, &click, ids[0], listing.Window), p.now)
	}
}
