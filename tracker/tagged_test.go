package tracker

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"tributary/internal/event"
	"tributary/partners/program"
	"tributary/tracker/tag"
)

const shopOrigin = "https://shop.example"

// tells sends what a tag tells, from a page of an origin; empty for none.
func (e *edge) tells(t *testing.T, path, origin, body string, headers ...string) answer {
	t.Helper()
	headers = append([]string{"Content-Type", "text/plain;charset=UTF-8", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Sec-Fetch-Site", "cross-site"}, headers...)
	if origin != "" {
		headers = append(headers, "Origin", origin)
	}
	return e.ask(t, http.MethodPost, path, strings.NewReader(body), headers...)
}

func (s *shop) via(code, url string) string {
	return fmt.Sprintf(`{"program":"prg_%d","code":%q,"url":%q,"referrer":"https://blog.example/post?secret"}`, s.program, code, url)
}

func TestATagTellsOfASoftClick(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	code := e.mine.link.Code
	for _, tc := range []struct{ name, origin, channel string }{
		{"on the shop", shopOrigin, "tag"},
		{"below its domain", "https://www.shop.example", "tag"},
		{"in a sandbox", "null", "sandbox"},
		{"without an origin", "", "sandbox"},
	} {
		agent := firefox + " " + tc.name
		a := e.tells(t, "/v1/tag/click", tc.origin, e.mine.via(strings.ToUpper(code), "https://shop.example/boots?via=x&sub1=post&sub2=b#sub3=c"), "User-Agent", agent)
		var got struct {
			ID string `json:"click_id"`
		}
		if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != 200 || a.header.Get("Access-Control-Allow-Origin") != "*" {
			t.Fatalf("%s: %d %s", tc.name, a.status, a.body)
		}
		id, err := e.ring.Verify(got.ID)
		if err != nil || !id.Soft || !event.SoftClickID(got.ID) || program.LinkID(id.Link) != e.mine.link.ID {
			t.Errorf("%s: the id is %+v, %v", tc.name, id, err)
		}
		events := e.records(t)
		k := events[slices.IndexFunc(events, func(v *event.Event) bool { return v.GetClick().GetClickId() == got.ID })].GetClick()
		if k.GetChannel() != tc.channel || k.GetMarks() != 0 || k.GetSub1() != "post" || k.GetSub2() != "b" || k.GetSub3() != "" || k.GetReferrer() != "blog.example/post" ||
			k.GetUserAgent() != agent || k.GetPartnerId() != int64(e.mine.partner) {
			t.Errorf("%s: the event is %v", tc.name, k)
		}
	}
	if again := e.tells(t, "/v1/tag/click", shopOrigin, e.mine.via(code, ""), "User-Agent", firefox+" on the shop"); again.status != 200 {
		t.Fatal(again.body)
	}
	events := e.records(t)
	if k := events[slices.IndexFunc(events, func(v *event.Event) bool { return v.GetClick().GetMarks() != 0 })].GetClick(); k.GetMarks() != event.MarkDuplicate {
		t.Errorf("the same visitor again has the marks %d", k.GetMarks())
	}
}

func TestARedirectsClickIsHard(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	id := e.ring.Mint(7, time.Now())
	said, err := e.ring.Verify(id)
	if err != nil || said.Soft || event.SoftClickID(id) {
		t.Errorf("%s is %+v, %v", id, said, err)
	}
}

// Whatever a tag may not tell is refused, with a code, stores nothing and stands in the merchant's log.
func TestWhatATagMayNotTell(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	closed := e.mine.newLink(t, e.db, "https://shop.example/old")
	_, err := e.db.Exec(t.Context(), `UPDATE link SET closed_at = now() WHERE id = $1`, closed.ID)
	must(t, err)
	must(t, e.catalogue.Refresh(t.Context(), e.db))
	good := e.mine.via(e.mine.link.Code, "")
	for _, tc := range []struct {
		name, origin, body string
		headers            []string
		status             int
		code               string
	}{
		{"another site", "https://evil.example", good, nil, 403, "origin_not_allowed"},
		{"a site that ends alike", "https://evilshop.example", good, nil, 403, "origin_not_allowed"},
		{"the shop in the clear", "http://shop.example", good, nil, 403, "origin_not_allowed"},
		{"this machine", "http://localhost:3000", good, nil, 403, "origin_not_allowed"},
		{"a code of nobody", shopOrigin, e.mine.via("nobody", ""), nil, 404, "unknown_code"},
		{"a code of another program", shopOrigin, e.mine.via(e.theirs.link.Code, ""), nil, 404, "unknown_code"},
		{"a closed link", shopOrigin, e.mine.via(closed.Code, ""), nil, 404, "unknown_code"},
		{"no program", shopOrigin, `{"program":"1","code":"x"}`, nil, 422, "invalid_click"},
		{"a field too many", shopOrigin, strings.Replace(good, `{`, `{"partner":3,`, 1), nil, 422, "invalid_click"},
		{"no JSON", shopOrigin, `program=1`, nil, 400, "malformed_json"},
		{"a form", shopOrigin, good, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "unsupported_type"},
		{"too much", shopOrigin, `{"program":"` + strings.Repeat("x", 9000) + `"}`, nil, 413, "body_too_large"},
		{"a prerendered page", shopOrigin, good, []string{"Sec-Purpose", "prefetch;prerender"}, 503, "not_visited_yet"},
		{"a frame", shopOrigin, good, []string{"Sec-Fetch-Dest", "iframe"}, 403, "not_from_a_script"},
	} {
		headers := []string{"Content-Type", "text/plain", "Origin", tc.origin}
		if len(tc.headers) > 0 && tc.headers[0] == "Content-Type" {
			headers = []string{"Origin", tc.origin}
		}
		a := e.ask(t, http.MethodPost, "/v1/tag/click", strings.NewReader(tc.body), append(headers, tc.headers...)...)
		if a.status != tc.status || problem(t, a).Code != tc.code || a.header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %d %s", tc.name, a.status, a.body)
		}
	}
	if n := len(e.records(t)); n != 0 {
		t.Errorf("%d records are stored", n)
	}
	must(t, e.refusals.tell(t.Context(), e.db, time.Now()))
	want := fmt.Sprintf("%d /v1/tag/click origin_not_allowed   https://evil.example 0 1", e.mine.merchant)
	if log := e.logged(t); !slices.Contains(log, want) {
		t.Errorf("the log has no %q but %q", want, log)
	}
}

// One network tells of sixty clicks a minute, and keeps no other from it.
func TestOneNetworkTellsOfSoManyClicks(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 29, 12, 0, 30, 0, time.UTC)
	e := newEdge(t, func(cfg *Config) { cfg.Now = func() time.Time { return at } })
	taken := 0
	for range networkClicks + 40 {
		a := e.tells(t, "/v1/tag/click", shopOrigin, e.mine.via(e.mine.link.Code, ""))
		if a.status == 200 {
			taken++
		} else if a.status != 429 || a.header.Get("Retry-After") == "" {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	if taken != networkClicks {
		t.Errorf("%d clicks of one network within a minute, want %d", taken, networkClicks)
	}
}

// The script is the same for everybody until it changes, and small.
func TestTheTagAsItIsServed(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	now := tag.New()
	if n := len(now.Gzip); n > tag.MaxBytes {
		t.Errorf("the tag takes %d bytes, at most %d are allowed", n, tag.MaxBytes)
	}
	for _, tc := range []struct {
		path, caching string
		headers       []string
		status        int
		body          string
	}{
		{"/t.js", "public, max-age=3600, stale-while-revalidate=86400", nil, 200, string(now.Plain)},
		{"/t.js", "public, max-age=3600, stale-while-revalidate=86400", []string{"Accept-Encoding", "br, gzip"}, 200, string(now.Gzip)},
		{"/t.js", "public, max-age=3600, stale-while-revalidate=86400", []string{"If-None-Match", `"` + now.Version + `"`}, 304, ""},
		{"/t/" + now.Version + ".js", "public, max-age=31536000, immutable", nil, 200, string(now.Plain)},
		{"/t/000000000000.js", "", nil, 404, ""},
	} {
		a := e.ask(t, http.MethodGet, tc.path, nil, append([]string{"Accept-Encoding", "identity"}, tc.headers...)[min(len(tc.headers), 2)/2*2:]...)
		if a.status != tc.status || tc.caching != "" && a.header.Get("Cache-Control") != tc.caching || tc.body != "" && a.body != tc.body {
			t.Errorf("%s %v: %d %v %.40q", tc.path, tc.headers, a.status, a.header, a.body)
		}
		if tc.status == 200 && (a.header.Get("Cross-Origin-Resource-Policy") != "cross-origin" || !strings.HasPrefix(a.header.Get("Content-Type"), "text/javascript") ||
			(a.header.Get("Content-Encoding") == "gzip") != (tc.body == string(now.Gzip))) {
			t.Errorf("%s: %v", tc.path, a.header)
		}
	}
	for _, word := range []string{"eval(", "new Function", "document.write", "innerHTML"} {
		if strings.Contains(string(now.Plain), word) {
			t.Errorf("the tag holds %s, which a strict policy forbids", word)
		}
	}
}
