package tracker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/protobuf/testing/protocmp"

	"tributary/internal/event"
	"tributary/internal/postgres"
	"tributary/partners"
	"tributary/partners/program"
	"tributary/tracker/country"
	"tributary/tracker/spool"
)

func TestAVisitorIsSentOnWithAClickID(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 123_456_000, time.UTC)
	e := newEdge(t, func(cfg *Config) { cfg.Now = func() time.Time { return now } })
	a := e.ask(t, "GET", "/c/"+e.mine.link.Code+"?sub1=mail&sub3=a%20b&sub1=other&sub6=x&utm=1", nil,
		"Referer", "https://user:secret@blog.example/post?q=private#x", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document")
	if a.status != http.StatusFound || a.body != "" {
		t.Fatalf("answer %d %q", a.status, a.body)
	}
	for name, want := range map[string]string{"Cache-Control": "no-store", "Referrer-Policy": "strict-origin-when-cross-origin"} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	target, err := url.Parse(a.header.Get("Location"))
	must(t, err)
	id := target.Query().Get("tclid")
	if want := "https://shop.example/boots?colour=brown&tclid=" + id + "#size"; target.String() != want {
		t.Errorf("sent to %s, want %s", target, want)
	}
	verified, err := e.ring.Verify(id)
	if err != nil || verified.Link != int64(e.mine.link.ID) || !verified.At.Equal(now.Truncate(time.Millisecond)) {
		t.Errorf("click id %+v, %v", verified, err)
	}
	got := e.records(t)
	if len(got) != 1 || len(got[0].GetId()) != 16 || got[0].GetId()[6]>>4 != 7 {
		t.Fatalf("%d records, want one with a UUIDv7", len(got))
	}
	want := &event.Event{Id: got[0].GetId(), ReceivedAt: event.Micros(now), OccurredAt: event.Micros(now), Body: &event.Event_Click{Click: &event.Click{
		ClickId: id, MerchantId: int64(e.mine.merchant), ProgramId: int64(e.mine.program), PartnerId: int64(e.mine.partner), LinkId: int64(e.mine.link.ID),
		Sub1: "mail", Sub3: "a b", Referrer: "blog.example/post", UserAgent: firefox, IpPrefix: "127.0.0.0/24",
		Browser: "Firefox", Os: "Linux", Device: "desktop",
	}}}
	if diff := cmp.Diff(want, got[0], protocmp.Transform()); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
}

func TestWhatCountsAndWhoGetsAnID(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	const chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
	for _, row := range []struct {
		name    string
		method  string
		headers []string
		status  int
		withID  bool
		records int
		marks   uint32
	}{
		{"a person", "GET", []string{"User-Agent", chrome, "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, 302, true, 1, 0},
		{"the same person again", "GET", []string{"User-Agent", chrome, "Sec-Fetch-Mode", "navigate"}, 302, true, 1, event.MarkDuplicate},
		{"a browser that says nothing of its purpose", "GET", []string{"User-Agent", chrome + " A"}, 302, true, 1, 0},
		{"HEAD", "HEAD", []string{"User-Agent", chrome + " B"}, 302, false, 0, 0},
		{"a prefetch", "GET", []string{"Sec-Purpose", "prefetch"}, 503, false, 0, 0},
		{"a prerender", "GET", []string{"Sec-Purpose", "prefetch;prerender"}, 503, false, 0, 0},
		{"a prefetch of old Chrome", "GET", []string{"Purpose", "prefetch"}, 503, false, 0, 0},
		{"a prefetch of old Firefox", "GET", []string{"X-Moz", "prefetch"}, 503, false, 0, 0},
		{"a preview of Safari", "GET", []string{"X-Purpose", "preview"}, 503, false, 0, 0},
		{"an image", "GET", []string{"User-Agent", chrome + " C", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}, 302, false, 1, event.MarkEmbedded},
		{"a frame", "GET", []string{"User-Agent", chrome + " D", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, 302, false, 1, event.MarkEmbedded},
		{"a script", "GET", []string{"User-Agent", chrome + " E", "Sec-Fetch-Dest", "script"}, 302, false, 1, event.MarkEmbedded},
		{"a fetch", "GET", []string{"User-Agent", chrome + " F", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"}, 302, false, 1, event.MarkEmbedded},
		{"a person after their own embedded request", "GET", []string{"User-Agent", chrome + " F", "Sec-Fetch-Mode", "navigate"}, 302, true, 1, 0},
		{"a crawler", "GET", []string{"User-Agent", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"}, 302, true, 1, event.MarkBot},
		{"a crawler again", "GET", []string{"User-Agent", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"}, 302, true, 1, event.MarkBot},
		{"a library", "GET", []string{"User-Agent", "python-requests/2.32.3"}, 302, true, 1, event.MarkBot},
		{"no agent", "GET", []string{"User-Agent", ""}, 302, true, 1, event.MarkBot},
		{"a crawler in a frame", "GET", []string{"User-Agent", "GPTBot/1.2", "Sec-Fetch-Dest", "iframe"}, 302, false, 1, event.MarkBot | event.MarkEmbedded},
	} {
		before := len(e.records(t))
		a := e.ask(t, row.method, "/c/"+e.mine.link.Code, nil, row.headers...)
		location := a.header.Get("Location")
		if a.status != row.status || strings.Contains(location, "tclid=") != row.withID || (location != "") != (a.status == 302) {
			t.Errorf("%s: %d %s", row.name, a.status, location)
		}
		if a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: Cache-Control %q", row.name, a.header.Get("Cache-Control"))
		}
		after := e.records(t)
		added := newest(after, before)
		if len(added) != row.records || len(added) == 1 && added[0].GetClick().GetMarks() != row.marks {
			t.Errorf("%s: %d records, %v, want %d with marks %d", row.name, len(added), added, row.records, row.marks)
		}
	}
}

// Case 17 of doors section 9: a visitor of a paused partner is sent on without a click id, from within a second of the commit on.
func TestVisitorsOfAPausedPartnerAreSentOn(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	const chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
	state := func(state program.State) {
		must(t, postgres.InTx(t.Context(), e.db, func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(), `ALTER TABLE enrolment_fact DISABLE TRIGGER begins_ahead; ALTER TABLE enrolment_fact DISABLE TRIGGER begins_in_time`); err != nil {
				return err
			}
			_, err := partners.SetState(t.Context(), tx, partners.NewState{Program: e.mine.program, Partner: e.mine.partner, State: state, From: time.Now(), Author: "operator"})
			return err
		}))
	}
	visitors := 0
	visit := func() (withID bool, marks uint32) {
		visitors++
		before := len(e.records(t))
		a := e.ask(t, "GET", "/c/"+e.mine.link.Code, nil, "User-Agent", fmt.Sprint(chrome, visitors), "Sec-Fetch-Mode", "navigate")
		location := a.header.Get("Location")
		added := newest(e.records(t), before)
		if a.status != http.StatusFound || !strings.HasPrefix(location, "https://shop.example/boots?colour=brown") || len(added) != 1 {
			t.Fatalf("%d %s, %d records", a.status, location, len(added))
		}
		return strings.Contains(location, "tclid="), added[0].GetClick().GetMarks()
	}
	for _, row := range []struct {
		state  program.State
		withID bool
		marks  uint32
	}{
		{program.Paused, false, event.MarkNotEnrolled},
		{program.Approved, true, 0},
		{program.Left, false, event.MarkNotEnrolled},
	} {
		state(row.state)
		began := time.Now()
		eventually(t, "the state is known", func() bool { return e.catalogue.InProgram(e.mine.program, e.mine.partner, time.Now()) == row.withID })
		if took := time.Since(began); took > time.Second {
			t.Errorf("%s is known after %s", row.state, took)
		}
		if withID, marks := visit(); withID != row.withID || marks != row.marks {
			t.Errorf("%s: with an id %t, marks %d", row.state, withID, marks)
		}
		before := len(e.records(t))
		a := e.tells(t, "/v1/tag/click", shopOrigin, e.mine.via(e.mine.link.Code, ""), "User-Agent", chrome+string(row.state))
		if told := newest(e.records(t), before); strings.Contains(a.body, `"click_id":""`) == row.withID || told[0].GetClick().GetMarks() != row.marks {
			t.Errorf("%s: the tag is answered %s, marks %v", row.state, a.body, told)
		}
	}
}

// newest gives the records that were not among the first n that were read. Records of one lane keep their order, and the
// reader gives them in the order of the disk.
func newest(events []*event.Event, n int) []*event.Event { return events[n:] }

func TestACodeIsFoundAsPeopleSendIt(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	code := e.mine.link.Code
	closed := e.mine.newLink(t, e.db, "https://shop.example/closed")
	_, err := e.db.Exec(t.Context(), `UPDATE link SET closed_at = now() WHERE id = $1`, closed.ID)
	must(t, err)
	eventually(t, "the closed link is seen", func() bool { l, ok := e.catalogue.Link(closed.ID); return ok && l.Closed })
	for _, row := range []struct {
		path   string
		status int
	}{
		{"/c/" + code, 302},
		{"/c/" + strings.ToUpper(code), 302},
		{"/c/" + code + ".", 302},
		{"/c/" + code + ",", 302},
		{"/c/" + code + ")", 302},
		{"/c/" + code + "!?", 302},
		{"/c/" + code + "%20", 302},
		{"/c/" + code + "%E2%80%A6", 302},
		{"/c/" + code + "/", 302},
		{"/c/" + code + "-", 302},
		{"/C/" + strings.ToUpper(code), 302},
		{"//c/" + code, 302},
		{"/c//" + code, 302},
		{"///c///" + code, 302},
		{"/c/%20" + code, 302},
		{"/%20c/" + code, 302},
		{"/c/(" + code + ")", 302},
		{"/c/%E2%80%8B" + code, 302},
		{"/c/%e2%80%9c" + code + "%e2%80%9d", 302},
		{"/c/%EF%BB%BF" + code, 302},
		{"/%63/" + code, 302},
		{"/%43%2f" + code, 302},
		{"/c/" + code + "%2E", 302},
		{"/c/" + code + "%2c", 302},
		{"/c/" + code + "%5F", 302},
		{"/c/" + code + "%7E", 302},
		{"/c/" + code + "%2F", 302},
		{"/c/" + code + "&sub1=x", 302},
		{"/c/" + code + "%3Fsub1%3Dx", 302},
		{"/C/" + closed.Code, 404},
		{"/c" + code, 404},
		{"/x/c/" + code, 404},
		{"/cc/" + code, 404},
		{"/c/" + code + "%2Fx", 404},
		{"/c/" + code + code, 404},
		{"/c/" + code + "x", 404},
		{"/c/" + code + "/x", 404},
		{"/c/" + code + ".html", 404},
		{"/c/" + closed.Code, 404},
		{"/c/", 404},
		{"/c/%00", 404},
		{"/c/..%2f..%2fetc", 404},
		{"/c", 404},
		{"/", 404},
	} {
		if a := e.ask(t, "GET", row.path, nil); a.status != row.status {
			t.Errorf("%s: %d, want %d", row.path, a.status, row.status)
		}
	}
}

func TestAnUnknownLinkGetsAKindPage(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	e := newEdge(t, func(cfg *Config) { cfg.Metrics = registry })
	a := e.ask(t, "GET", "/c/nobody?next=%3Cscript%3E", nil)
	if a.status != 404 || !strings.Contains(a.body, "<h1>This link leads nowhere</h1>") || !strings.Contains(a.body, "prefers-color-scheme") || strings.Contains(a.body, "{title}") {
		t.Errorf("answer %d:\n%s", a.status, a.body)
	}
	if strings.Contains(a.body, "nobody") || strings.Contains(a.body, "<script") {
		t.Error("the page repeats what was asked")
	}
	for name, want := range map[string]string{"Content-Type": "text/html; charset=UTF-8", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Cache-Control": "no-store"} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if policy := a.header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") {
		t.Errorf("policy %q", policy)
	}
	if head := e.ask(t, "HEAD", "/c/nobody", nil); head.status != 404 || head.body != "" {
		t.Errorf("HEAD: %d %q", head.status, head.body)
	}
	if got := testutil.ToFloat64(e.metrics.unknown); got != 2 {
		t.Errorf("%v counted, want 2", got)
	}
	if n := len(e.records(t)); n != 0 {
		t.Errorf("%d records", n)
	}
}

func TestANewLinkIsLiveWithoutARestart(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	link := e.mine.newLink(t, e.db, "https://www.shop.example/new")
	began := time.Now()
	eventually(t, "the new link leads on", func() bool {
		return strings.HasPrefix(e.ask(t, "GET", "/c/"+link.Code, nil).header.Get("Location"), "https://www.shop.example/new?tclid=")
	})
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %s, want at most 1 s", took)
	}
}

func TestARedirectIsAnsweredWhateverTheDiskDoes(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	stuck := stuckServer(t, e)
	began := time.Now()
	a := ask(t, stuck, httptest.NewRequest(http.MethodGet, "/c/"+e.mine.link.Code, http.NoBody))
	if a.Code != http.StatusFound || !strings.Contains(a.Header().Get("Location"), "tclid=") {
		t.Errorf("answer %d, %s", a.Code, a.Header().Get("Location"))
	}
	if took := time.Since(began); took < 15*time.Millisecond || took > 2*time.Second {
		t.Errorf("it took %s, want 15 ms and a little", took)
	}
	if got := testutil.ToFloat64(stuck.metrics.unstored); got != 1 {
		t.Errorf("%v counted as unstored, want 1", got)
	}
	r := httptest.NewRequest(http.MethodPost, "/v1/conversions", strings.NewReader(`{"order_id":"1","amount":1,"currency":"GBP"}`))
	r.Header.Set("Authorization", "Bearer "+e.mine.key)
	r.Header.Set("Content-Type", "application/json")
	a = ask(t, stuck, r)
	if a.Code != http.StatusServiceUnavailable || a.Header().Get("Retry-After") == "" || !strings.Contains(a.Body.String(), "always safe") {
		t.Errorf("order: %d %v %s", a.Code, a.Header(), a.Body)
	}
}

// stuckServer is a tracker like e's on a spool that nobody runs, as if the disk never answered.
func stuckServer(t *testing.T, e *edge) *Server {
	t.Helper()
	held, err := spool.Open(spool.Config{Dir: t.TempDir(), Lanes: 2 * partitions})
	must(t, err)
	t.Cleanup(func() { must(t, held.Close()) })
	s, err := New(Config{
		Catalogue: e.catalogue, Spool: held, Ring: e.ring, Partitions: partitions,
		RedirectWait: 15 * time.Millisecond, StoreWait: 50 * time.Millisecond,
	})
	must(t, err)
	return s
}

// ask asks a server without a network, and stands for a client with a browser's agent.
func ask(t *testing.T, s *Server, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	r.Header.Set("User-Agent", firefox)
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w
}

// TestEveryTargetStaysWithinItsProgram holds S1: whatever a partner gives as a target, and whatever a visitor adds to the
// address, a redirect leads to the program's domains and its header holds one line.
func TestEveryTargetStaysWithinItsProgram(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	for _, target := range []string{
		"https://shop.example", "https://shop.example/", "https://www.shop.example/a?b=c", "https://shop.example/?next=https://evil.example",
		"https://shop.example//evil.example", "https://shop.example/%0d%0aSet-Cookie:a=b", "https://shop.example/%2f%2fevil.example",
		"https://shop.example/?tclid=old&x=1", "https://shop.example/#//evil.example", "https://shop.example?@evil.example",
	} {
		link := e.mine.newLink(t, e.db, target)
		eventually(t, "the link is seen", func() bool { _, ok := e.catalogue.Link(link.ID); return ok })
		for _, extra := range []string{
			"", "?next=//evil.example", "?sub1=%0d%0aLocation:%20https://evil.example", "?tclid=forged", "?url=https://evil.example#@evil.example",
			"?sub1=%ff%fe&sub2=%E2%80%AEabc", "/%2e%2e/?x", ".?target=javascript:alert(1)",
		} {
			a := e.ask(t, "GET", "/c/"+link.Code+extra, nil, "X-Forwarded-Host", "evil.example", "Host", "evil.example")
			if a.status == http.StatusNotFound && strings.Contains(extra, "%2e") {
				continue
			}
			location := a.header.Get("Location")
			u, err := url.Parse(location)
			if err != nil || a.status != 302 || u.Scheme != "https" || u.User != nil || u.Hostname() != "shop.example" && !strings.HasSuffix(u.Hostname(), ".shop.example") {
				t.Errorf("%s with %q: %d to %q, %v", target, extra, a.status, location, err)
			}
			if strings.ContainsAny(location, "\r\n") || strings.Contains(location, "forged") || len(a.header["Location"]) != 1 || a.header.Get("Set-Cookie") != "" {
				t.Errorf("%s with %q: headers %v", target, extra, a.header)
			}
		}
	}
}

func TestClicksAtTheSameTimeAreAllStored(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	const clients, each = 16, 25
	ids := make(chan string, clients*each)
	var wg sync.WaitGroup
	for client := range clients {
		wg.Go(func() {
			for n := range each {
				a := e.ask(t, "GET", "/c/"+e.mine.link.Code, nil, "User-Agent", fmt.Sprintf("%s (%d-%d)", firefox, client, n))
				u, err := url.Parse(a.header.Get("Location"))
				if err != nil {
					t.Error(err)
				}
				ids <- u.Query().Get("tclid")
			}
		})
	}
	wg.Wait()
	close(ids)
	want := map[string]bool{}
	for id := range ids {
		want[id] = true
	}
	got := map[string]bool{}
	last := int64(0)
	for _, r := range e.records(t) {
		got[r.GetClick().GetClickId()] = true
		last = max(last, r.GetReceivedAt())
		if r.GetClick().GetMarks() != 0 {
			t.Errorf("marks %d", r.GetClick().GetMarks())
		}
	}
	if len(want) != clients*each {
		t.Errorf("%d different ids, want %d", len(want), clients*each)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stored (-answered +stored):\n%s", diff)
	}
}

func TestTheTimeOfReceiptNeverGoesBack(t *testing.T) {
	t.Parallel()
	times := []time.Time{time.UnixMicro(100), time.UnixMicro(90), time.UnixMicro(110), time.UnixMicro(5)}
	in := &Intake{now: func() time.Time { now := times[0]; times = times[1:]; return now }}
	var got []int64
	for range 4 {
		got = append(got, in.received())
	}
	if diff := cmp.Diff([]int64{100, 100, 110, 110}, got); diff != "" {
		t.Errorf("times of receipt (-want +got):\n%s", diff)
	}
}

func TestABulkOfHistoricClicksIsStoredAsStated(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	ctx := t.Context()
	long := time.Date(2010, 12, 1, 8, 26, 0, 0, time.UTC)
	const clicks = 5000
	b := e.Intake.Bulk()
	ids := map[string]int{}
	for n := range clicks {
		at := long.Add(time.Duration(n) * time.Minute)
		id, err := b.Click(ctx, Click{Link: e.mine.link, At: at})
		must(t, err)
		ids[id] = n
	}
	// The same click told twice is the same event.
	told := Click{Link: e.mine.link, At: long, ID: e.ring.Mint(int64(e.mine.link.ID), long), EventID: identify([16]byte{}, 0)}
	for range 2 {
		_, err := b.Click(ctx, told)
		must(t, err)
	}
	must(t, b.Wait(ctx))
	seen, twice := 0, 0
	for _, r := range e.records(t) {
		if string(r.GetId()) == string(told.EventID[:]) {
			twice++
			continue
		}
		n, ok := ids[r.GetClick().GetClickId()]
		if !ok || !event.Time(r.GetOccurredAt()).Equal(long.Add(time.Duration(n)*time.Minute)) || r.GetClick().GetMarks() != 0 {
			t.Errorf("record %v", r)
		}
		if event.Time(r.GetReceivedAt()).Before(time.Now().Add(-time.Hour)) {
			t.Errorf("received at %v", event.Time(r.GetReceivedAt()))
		}
		seen++
	}
	if seen != clicks || twice != 2 {
		t.Errorf("%d records and %d of the one told twice, want %d and 2", seen, twice, clicks)
	}
}

func TestABulkEndsWithItsContext(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	stuck := stuckServer(t, e)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	b := stuck.Intake.Bulk()
	_, err := b.Click(ctx, Click{Link: e.mine.link, At: time.Now()})
	must(t, err)
	if err := b.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for a disk that never answers: %v", err)
	}
}

func TestAClickHasTheCountryOfItsVisitor(t *testing.T) {
	t.Parallel()
	countries := country.New("country/testdata/GeoLite2-Country-Test.mmdb", quiet(), nil)
	countries.Look()
	e := newEdge(t, func(cfg *Config) {
		cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		cfg.Country = countries
	})
	for _, row := range []struct{ address, want string }{
		{"89.160.20.112", "SE"},
		{"2001:218:1::9", "JP"},
		{"2a02:d500::1", ""}, // in the database, without a country
		{"203.0.113.9", ""},
	} {
		before := len(e.records(t))
		e.ask(t, "GET", "/c/"+e.mine.link.Code, nil, "X-Forwarded-For", row.address)
		added := newest(e.records(t), before)
		if len(added) != 1 || added[0].GetClick().GetCountry() != row.want {
			t.Errorf("from %s: %v, want %q", row.address, added, row.want)
		}
	}
}

func TestAVisitThroughAProxyKeepsTheVisitorsNetwork(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		trusted []netip.Prefix
		want    string
	}{
		{"no proxy is trusted", nil, "127.0.0.0/24"},
		{"the peer is a trusted proxy", []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, "203.0.113.0/24"},
		{"another network is trusted", []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, "127.0.0.0/24"},
	} {
		e := newEdge(t, func(cfg *Config) { cfg.TrustedProxies = row.trusted })
		e.ask(t, "GET", "/c/"+e.mine.link.Code, nil, "X-Forwarded-For", "198.51.100.7, 203.0.113.9", "X-Real-IP", "198.51.100.8", "Forwarded", "for=198.51.100.9")
		if got := e.records(t)[0].GetClick().GetIpPrefix(); got != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
	}
}

// BenchmarkRedirect is one redirect without the network, its record durable before the answer.
func BenchmarkRedirect(b *testing.B) {
	e := newEdge(b, nil)
	handler := e.Handler()
	b.ReportAllocs()
	b.SetParallelism(32)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		r := httptest.NewRequest(http.MethodGet, "/c/"+e.mine.link.Code, http.NoBody)
		r.Header.Set("User-Agent", firefox)
		w := &discard{header: http.Header{}}
		for pb.Next() {
			handler.ServeHTTP(w, r)
		}
	})
}

// BenchmarkClick is what is done for a redirect apart from the disk and the network.
func BenchmarkClick(b *testing.B) {
	e := newEdge(b, nil)
	v := Visit{At: time.Now(), IP: netip.MustParseAddr("203.0.113.9"), UserAgent: firefox, Referrer: "https://blog.example/post"}
	s := newScratch()
	b.ReportAllocs()
	for b.Loop() {
		click := e.Intake.Judge(e.mine.link, v)
		id, err := e.Intake.encodeClick(s, &click)
		if err != nil {
			b.Fatal(err)
		}
		var buf [512]byte
		_ = appendLocation(buf[:0], click.Link.Target, "tclid", id)
	}
}

// discard is a response that goes nowhere.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }

// Who has not agreed is sent on as anybody, and nothing tells who it was.
func TestWithoutConsentThereIsNoID(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	for query, agreed := range map[string]bool{"": true, "?cons=1": true, "?sub1=a&cons=0": false, "?c%6fns=%30": false} {
		before := len(e.records(t))
		a := e.ask(t, http.MethodGet, "/c/"+e.mine.link.Code+query, nil, "User-Agent", firefox+query)
		click := e.records(t)[before:][0].GetClick()
		if a.status != http.StatusFound || strings.Contains(a.header.Get("Location"), "tclid=") != agreed || (click.GetIpPrefix() != "") != agreed || click.GetMarks() != 0 {
			t.Errorf("%q: %s, %v", query, a.header.Get("Location"), click)
		}
	}
}
