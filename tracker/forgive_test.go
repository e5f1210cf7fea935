package tracker

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAnAddressIsUnderstoodAsItWasMeant(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ path, code, query string }{
		{"/c/abc-1", "abc-1", ""},
		{"/c/abc%2D1", "abc-1", ""},
		{"/c/abc%2d1%E2%80%9D", "abc-1", ""},
		{"/C/ABC-1.", "abc-1", ""},
		{"/c/abc-1&sub1=x&sub2=a%26b", "abc-1", "sub1=x&sub2=a%26b"},
		{"/c/abc-1%26sub1%3Dx", "abc-1", "sub1=x"},
		{"/c/abc-1%3fsub1%3Dcaf%25C3%25A9%26sub2%3Dy", "abc-1", "sub1=caf%C3%A9&sub2=y"},
		{"/c/abc-1%3F", "abc-1", ""},
		{"/c/abc-1%", "abc-1", ""},
		{"/c/\xffabc-1\xff", "abc-1", ""},
		{"//c/%20%20abc-1%20", "abc-1", ""},
		{"/c/-abc-1-", "abc-1", ""},
		{"/c/", "", ""},
	} {
		code, query, ok := understand(row.path)
		if code != row.code || query != row.query || !ok {
			t.Errorf("%s: %q, %q, %v; want %q, %q", row.path, code, query, ok, row.code, row.query)
		}
	}
	for _, path := range []string{"", "/", "/c", "c", "/cabc", "/c.abc", "/v1/c/abc", "/c/abc/def", "/c/abc.html", "/c/abc def", "/robots.txt", "/%63abc", "/c/x/.../abc"} {
		if code, _, ok := understand(path); ok {
			t.Errorf("%s: understood as %q", path, code)
		}
	}
}

// TestEqualAddressesLeaveEqualClicks holds that what came in the place of a query counts as one.
func TestEqualAddressesLeaveEqualClicks(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	code := e.mine.link.Code
	before := len(e.records(t))
	paths := []string{
		"/c/" + code + "?sub1=x&sub2=a%20b", "/c/" + code + "&sub1=x&sub2=a%20b", "/c/" + code + "%3Fsub1%3Dx%26sub2%3Da%2520b",
		"/C/" + code + "?%73ub1=x&amp;sub2=a+b", "//c/(" + code + ")&sub1=x?sub2=a%C2%A0b",
	}
	for i, path := range paths {
		a := e.ask(t, "GET", path, nil, "User-Agent", fmt.Sprintf("%s (%d)", firefox, i))
		head := e.ask(t, "HEAD", path, nil)
		if a.status != http.StatusFound || head.status != http.StatusFound || strings.Contains(a.header.Get("Location"), "sub1") {
			t.Errorf("%s: %d and %d to %s", path, a.status, head.status, a.header.Get("Location"))
		}
	}
	records := e.records(t)[before:]
	if len(records) != len(paths) {
		t.Fatalf("%d clicks of %d requests", len(records), len(paths))
	}
	for i, r := range records {
		c := r.GetClick()
		if diff := cmp.Diff([]any{"x", "a b", uint32(0)}, []any{c.GetSub1(), c.GetSub2(), c.GetMarks()}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", paths[i], diff)
		}
	}
}

// TestEqualPathsGetTheAnswerOfTheOne holds RFC 3986 6.2.2 for every route: an escape that need not be, its case and dot
// segments change nothing.
func TestEqualPathsGetTheAnswerOfTheOne(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	code := e.mine.link.Code
	escaped := "%" + fmt.Sprintf("%02x", code[0]) + code[1:]
	for _, row := range []struct {
		method, path string
		status       int
		equals       []string
	}{
		{"GET", "/c/" + code, 302, []string{"/c/x/../" + code, "//c/" + code, "/c/./" + code, "/./c/" + escaped, "/%63/" + code, "/c/x/%2e%2E/" + escaped, "/x/../c/" + code, "/../c/" + code + "/."}},
		{"HEAD", "/c/" + code, 302, []string{"/c/x/../" + escaped, "//c/" + code}},
		{"GET", "/c/x/" + code, 404, []string{"/c/x/y/../" + code, "/c/../c/x/" + code}},
		{"GET", "/healthz", 200, []string{"/he%61lth%7a", "/x/../healthz"}},
		{"GET", "/robots.txt", 200, []string{"/c/../robots%2Etxt", "/./robots.txt"}},
		{"GET", "/problems/unauthorized", 200, []string{"/x/../problems/%75nauthorized"}},
		{"POST", "/v1/conversions", 401, []string{"/v1/%63onversions", "/v1/./conversions", "/c/../v1/conversions"}},
		{"POST", "/c/" + code, 405, []string{"/%63/" + code}},
		{"GET", "/v1/nothing", 404, []string{"/v1/%6eothing", "/x/../v1/nothing"}},
		{"GET", "/", 404, []string{"/x/..", "/."}},
	} {
		want := e.ask(t, row.method, row.path, nil)
		if want.status != row.status {
			t.Errorf("%s %s: %d, want %d", row.method, row.path, want.status, row.status)
		}
		for _, path := range row.equals {
			got := e.ask(t, row.method, path, nil)
			to, _, _ := strings.Cut(got.header.Get("Location"), "tclid")
			wantTo, _, _ := strings.Cut(want.header.Get("Location"), "tclid")
			if got.status != want.status || to != wantTo || got.header.Get("Allow") != want.header.Get("Allow") || len(got.body) != len(want.body) || got.header.Get("Content-Type") != want.header.Get("Content-Type") {
				t.Errorf("%s %s: %d to %q %s\nbut %s: %d to %q %s", row.method, row.path, want.status, wantTo, want.body, path, got.status, to, got.body)
			}
		}
	}
}

// FuzzNormalPath holds that the one form of a path is its own, has no dot segment and no escape that need not be.
func FuzzNormalPath(f *testing.F) {
	for _, path := range []string{"/c/x/../y", "/%2e%2E/%63", "/c/%E2%80%9d/./", "/%%%2", "/%0%66", "/..", "//.//..", "/c/%252E"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		once := normalPath(path)
		if again := normalPath(once); again != once {
			t.Errorf("%q becomes %q becomes %q", path, once, again)
		}
		for segment := range strings.SplitSeq(once, "/") {
			if strings.HasPrefix(path, "/") && (segment == "." || segment == "..") {
				t.Errorf("%q becomes %q", path, once)
			}
		}
	})
}

// FuzzEqualAddresses holds RFC 3986 6.2.2: an address means the same with any of its characters escaped, in either case.
func FuzzEqualAddresses(f *testing.F) {
	f.Add("fern-trail-notes", uint64(1))
	f.Add("a1-", uint64(7))
	f.Fuzz(func(t *testing.T, code string, seed uint64) {
		code = strings.Trim(strings.Map(func(r rune) rune {
			if r != '-' && added(r) {
				return -1
			}
			return r
		}, code), "-")
		random := rand.New(rand.NewPCG(seed, 0))
		var b strings.Builder
		for _, c := range []byte("/c/" + code) {
			form := []string{"%c", "%%%02X", "%%%02x"}[random.IntN(3)]
			if c == '/' && b.Len() == 0 { // what begins an address cannot be escaped
				form = "%c"
			}
			fmt.Fprintf(&b, form, c)
		}
		if got, _, ok := understand(b.String()); !ok || got != code {
			t.Errorf("%s is understood as %q (%v), want %q", b.String(), got, ok, code)
		}
	})
}

// TestFetchersOfPreviewsMayFollowLinks holds that robots.txt lets them follow links and nothing else, everybody else nothing,
// and that each of them is marked as a program all the same.
func TestFetchersOfPreviewsMayFollowLinks(t *testing.T) {
	t.Parallel()
	groups := strings.Split(strings.TrimSpace(robotsText), "\n\n")
	if len(groups) != 2 || groups[1] != "User-agent: *\nDisallow: /" || !strings.HasSuffix(groups[0], "\nAllow: /c/\nDisallow: /") {
		t.Fatalf("robots.txt is\n%s", robotsText)
	}
	named, _, _ := strings.Cut(groups[0], "\nAllow")
	agents := newTestAgents(t)
	for line := range strings.SplitSeq(named, "\n") {
		name, found := strings.CutPrefix(line, "User-agent: ")
		if !found || agents.of(name+"/1.0").Bot == "" {
			t.Errorf("%q names no program", line)
		}
	}
	for _, name := range []string{"Twitterbot", "LinkedInBot", "facebookexternalhit", "Slackbot"} {
		if !strings.Contains(named+"\n", "User-agent: "+name+"\n") {
			t.Errorf("%s may not follow links", name)
		}
	}
}
