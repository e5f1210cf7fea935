package tracker

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"tributary/internal/fault"
	"tributary/partners"
)

// TestHostileTargetsMakeNoLink holds S1 at the door: whatever a partner asks for, a link leads to the program's own
// domains or is not made. The table itself stands in package partners, which knows what a target is.
func TestHostileTargetsMakeNoLink(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	for _, target := range []string{
		"https://evil.example", "//evil.example", "https:evil.example", `https:\\shop.example`, "https://shop.example@evil.example", "https://shop.example.evil.example",
		`https://evil.example\.shop.example`, "javascript:alert(1)", "data:text/html,x", "https://shop.example/\r\nSet-Cookie: a=b", "https://shop.example\u3002evil.example/",
		"http://shop.example/", "https://127.0.0.1/", "https://user:pass@shop.example/",
	} {
		link, err := partners.CreateLink(t.Context(), e.db, partners.NewLink{Program: e.mine.program, Partner: e.mine.partner, Target: target})
		if f := fault.Of(err); err == nil || f.Kind != fault.Invalid || len(f.Fields) != 1 || f.Fields[0].Name != "target" {
			t.Errorf("%q: %+v, %v", target, link, err)
		}
	}
}

// TestNothingAVisitorAddsChangesWhereTheyGo holds S1: sixty-four payloads in the path, the query and the headers, and the host
// of Location is the stored one.
func TestNothingAVisitorAddsChangesWhereTheyGo(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	evil := []string{
		"https://evil.example", "//evil.example", `\\evil.example`, "/\\evil.example", "https:evil.example", "javascript:alert(1)", "data:text/html,x", "@evil.example",
		"evil.example", "https%3A%2F%2Fevil.example", "%2F%2Fevil.example", "%0d%0aLocation:%20https://evil.example", "%0aSet-Cookie:%20a=b", "%E5%98%8D%E5%98%8ALocation:evil.example",
		"%00https://evil.example", "%23@evil.example", "%3F@evil.example", "..%2f..%2f", "%5cevil.example", "xn--evil",
		"///evil.example", "////evil.example/..", "/%2f/evil.example", "/%5cevil.example", "/%09/evil.example", "%2f%5c%2fevil.example", "https:/evil.example", "https:///evil.example",
		"HTTPS://EVIL.EXAMPLE", "hTTps:%5c%5cevil.example", "https://shop.example@evil.example", "https://shop.example%40evil.example", "https://shop.example.evil.example",
		"https://evil.example/shop.example", "https://evil.example%23shop.example", "https://evil.example%3fshop.example", "https://evil.example%5cshop.example", "https://[::1]/",
		"https://127.0.0.1", "https://2130706433", "https://0x7f000001", "https://evil%E3%80%82example", "https://%EF%BD%85vil.example", "https://shop.example%00.evil.example",
		"https://shop.example:443@evil.example:443", "ftp://evil.example", "file:///etc/passwd", "vbscript:x", "blob:https://evil.example/x", "view-source:https://evil.example",
		"jav%09ascript:alert(1)", "%01javascript:alert(1)", "javascript%3Aalert(1)", "data:;base64,eA==", "//evil.example%2f%2e%2e", "/.evil.example", "./evil.example", "%2e%2e/evil.example",
		";@evil.example", "&url=https://evil.example", "%26tclid=https://evil.example", "%0d%0a%0d%0a<script>alert(1)</script>", "%c0%afevil.example", "%252f%252fevil.example",
	}
	want := "https://shop.example/boots?colour=brown&tclid="
	ask := func(path string, headers ...string) {
		a := e.ask(t, "GET", path, nil, headers...)
		if a.status == http.StatusNotFound && a.header.Get("Location") == "" {
			return // the code is not one any more
		}
		location := a.header.Get("Location")
		u, err := url.Parse(location)
		if err != nil || a.status != 302 || u.Host != "shop.example" || u.Scheme != "https" || !strings.HasPrefix(location, want) || a.header.Get("Set-Cookie") != "" {
			t.Errorf("%s with %q: %d to %q", path, headers, a.status, location)
		}
	}
	for _, payload := range evil {
		for _, name := range []string{"url", "next", "target", "redirect", "tclid", "sub1"} {
			ask("/c/" + e.mine.link.Code + "?" + name + "=" + payload)
		}
		ask("/c/" + e.mine.link.Code + "/" + payload)
		ask("/c/"+payload+"/"+e.mine.link.Code, "Referer", "https://evil.example/")
		for _, header := range []string{"X-Forwarded-Host", "X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Proto", "Referer"} {
			value := strings.NewReplacer("%0d%0a", " ", "%0a", " ").Replace(payload)
			ask("/c/"+e.mine.link.Code, header, value)
		}
	}
}

// FuzzLocation holds S1 for every target that a link may have: the redirect leads to the same scheme and host, is one line,
// carries the id exactly once, and leaves the fragment where it was.
func FuzzLocation(f *testing.F) {
	f.Add("https://shop.example/?a=b&tclid=old#x", "tclid", true)
	f.Add("https://shop.example?%74clid=1&&tclid", "tclid", true)
	f.Add("https://shop.example/?x=//evil.example@#?tclid=1", "x", false)
	rules := &partners.Program{LandingURL: "https://shop.example/", Domains: []string{"shop.example"}}
	f.Fuzz(func(t *testing.T, raw, param string, withID bool) {
		target, err := rules.CheckTarget(raw)
		if err != nil || param == "" || strings.Trim(param, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.~-") != "" {
			return // no link has such a target, no program such a parameter
		}
		id := ""
		if withID {
			id = "AQEAAAAAAAAAKgGaq3"
		}
		location := string(appendLocation(nil, target, param, id))
		before, err := url.Parse(target)
		if err != nil {
			t.Fatal(err)
		}
		after, err := url.Parse(location)
		if err != nil {
			t.Fatalf("%q leads to %q: %v", target, location, err)
		}
		if after.Scheme != before.Scheme || after.Host != before.Host || after.User != nil || after.EscapedPath() != before.EscapedPath() || after.EscapedFragment() != before.EscapedFragment() {
			t.Errorf("%q leads to %q", target, location)
		}
		if strings.ContainsFunc(location, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			t.Errorf("%q leads to %q, which is no header", target, location)
		}
		found := 0
		for pair := range strings.SplitSeq(after.RawQuery, "&") {
			if names(pair, param) {
				found++
				if pair != param+"="+id {
					t.Errorf("%q leads to %q with the pair %q", target, location, pair)
				}
			}
		}
		if want := map[bool]int{true: 1, false: 0}[withID]; found != want {
			t.Errorf("%q leads to %q with %d ids, want %d", target, location, found, want)
		}
	})
}
