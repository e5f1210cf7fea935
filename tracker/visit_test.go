package tracker

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tributary/internal/proxy"
)

func TestTheClickIDGoesIntoTheTargetsQuery(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ target, want, without string }{
		{"https://s.example", "https://s.example?tclid=ID", "https://s.example"},
		{"https://s.example/", "https://s.example/?tclid=ID", "https://s.example/"},
		{"https://s.example/a?b=1", "https://s.example/a?b=1&tclid=ID", "https://s.example/a?b=1"},
		{"https://s.example/a?z=1&a=%2F+x&z=2", "https://s.example/a?z=1&a=%2F+x&z=2&tclid=ID", "https://s.example/a?z=1&a=%2F+x&z=2"},
		{"https://s.example/a#f?x", "https://s.example/a?tclid=ID#f?x", "https://s.example/a#f?x"},
		{"https://s.example/a?b#/route?c=d", "https://s.example/a?b&tclid=ID#/route?c=d", "https://s.example/a?b#/route?c=d"},
		{"https://s.example/?", "https://s.example/?tclid=ID", "https://s.example/"},
		{"https://s.example/?#", "https://s.example/?tclid=ID#", "https://s.example/#"},
		{"https://s.example/?a&", "https://s.example/?a&tclid=ID", "https://s.example/?a&"},
		{"https://s.example/?a&&b", "https://s.example/?a&&b&tclid=ID", "https://s.example/?a&&b"},
		{"https://s.example/?tclid=old", "https://s.example/?tclid=ID", "https://s.example/"},
		{"https://s.example/?tclid=old#f", "https://s.example/?tclid=ID#f", "https://s.example/#f"},
		{"https://s.example/?a=1&tclid=old&b=2&tclid=older", "https://s.example/?a=1&tclid=ID&b=2", "https://s.example/?a=1&b=2"},
		{"https://s.example/?%74clid=old&b=2", "https://s.example/?tclid=ID&b=2", "https://s.example/?b=2"},
		{"https://s.example/?tclid&b=2", "https://s.example/?tclid=ID&b=2", "https://s.example/?b=2"},
		{"https://s.example/?TCLID=x&tclid2=y&xtclid=z", "https://s.example/?TCLID=x&tclid2=y&xtclid=z&tclid=ID", "https://s.example/?TCLID=x&tclid2=y&xtclid=z"},
		{"https://s.example/?a=%zz&%zz=1", "https://s.example/?a=%zz&%zz=1&tclid=ID", "https://s.example/?a=%zz&%zz=1"},
	} {
		if got := string(appendLocation(nil, row.target, "tclid", "ID")); got != row.want {
			t.Errorf("%s: %s, want %s", row.target, got, row.want)
		}
		if got := string(appendLocation(nil, row.target, "tclid", "")); got != row.without {
			t.Errorf("%s without an id: %s, want %s", row.target, got, row.without)
		}
	}
}

func TestATargetKeepsAllButTheClickParameter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		pair := rapid.SampledFrom([]string{"a=1", "b=%2F", "c", "=d", "tclid=old", "tclid", "%74clid=x", "e=f=g", "utm_source=x+y", "tclid2=1"})
		pairs := rapid.SliceOfN(pair, 0, 8).Draw(t, "pairs")
		fragment := rapid.SampledFrom([]string{"", "#", "#top", "#?tclid=1&x"}).Draw(t, "fragment")
		target := "https://s.example/p"
		if len(pairs) > 0 {
			target += "?" + strings.Join(pairs, "&")
		}
		got := string(appendLocation(nil, target+fragment, "tclid", "ID"))
		if !strings.HasPrefix(got, "https://s.example/p?") || !strings.HasSuffix(got, fragment) {
			t.Fatalf("%s became %s", target+fragment, got)
		}
		query := strings.TrimSuffix(strings.TrimPrefix(got, "https://s.example/p?"), fragment)
		var kept []string
		ids := 0
		for pair := range strings.SplitSeq(query, "&") {
			if pair == "tclid=ID" {
				ids++
			} else {
				kept = append(kept, pair)
			}
		}
		var want []string
		for _, pair := range pairs {
			if !names(pair, "tclid") {
				want = append(want, pair)
			}
		}
		if diff := cmp.Diff(want, kept); diff != "" || ids != 1 {
			t.Fatalf("%s became %s: %d ids, kept (-want +got):\n%s", target+fragment, got, ids, diff)
		}
	})
}

func TestSubIDsAreKeptAsFarAsTheyCanBeRead(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 200)
	for _, row := range []struct {
		query string
		want  [5]string
	}{
		{"", [5]string{}},
		{"sub1=a&sub2=b&sub3=c&sub4=d&sub5=e&sub6=f&sub0=g&sub=h&subs1=i", [5]string{"a", "b", "c", "d", "e"}},
		{"sub2=first&sub2=second", [5]string{1: "first"}},
		{"sub2=&sub2=second", [5]string{}},
		{"sub1=a+b%20c%26d%3De", [5]string{"a b c&d=e"}},
		{"sub1=%C3%A9t%C3%A9&sub2=été", [5]string{"été", "été"}},
		{"sub1=" + long, [5]string{long[:128]}},
		{"sub1=" + strings.Repeat("é", 100), [5]string{strings.Repeat("é", 64)}},
		{"sub1=x" + strings.Repeat("é", 100), [5]string{"x" + strings.Repeat("é", 63)}},
		{"sub1=%zz&sub2=ok", [5]string{"%zz", "ok"}},
		{"sub1=%ff&sub2=a%00b&sub3=a%0Ab&sub4=%E2%80%AEx&sub5=%E2%80%8Bx", [5]string{"\uFFFD", "a b", "a b", "x", "x"}},
		{"sub1=caf%E9&sub2=sale100%&sub3=a%C2%A0b&sub4=%25&sub5=50%2", [5]string{"caf\uFFFD", "sale100%", "a b", "%", "50%2"}},
		{"sub1=%F0%9F%91%A9%E2%80%8D%F0%9F%92%BB&sub2=a%E2%80%8Db&sub3=%F0%9F%91%8D%F0%9F%8F%BD", [5]string{"\U0001F469\u200d\U0001F4BB", "ab", "\U0001F44D\U0001F3FD"}},
		{"sub1=%E3%85%A4x&sub2=%EF%BF%BE&sub3=%E2%80%A9", [5]string{"x", "", " "}},
		{"sub1=a&amp;sub2=b&amp;sub3=c", [5]string{"a", "b", "c"}},
		{"sub1=<script>&sub2='\"=1", [5]string{"<script>", `'"=1`}},
		{"sub1", [5]string{}},
		{"sub1&sub1=second&sub2=b", [5]string{1: "b"}},
		{"Sub1=a&SUB2=b&%73ub3=c&s%75b%34=d&sub5%3De=f", [5]string{2: "c", 3: "d"}},
	} {
		if diff := cmp.Diff(row.want, subIDs(row.query)); diff != "" {
			t.Errorf("%.40s (-want +got):\n%s", row.query, diff)
		}
	}
}

func FuzzSubIDs(f *testing.F) {
	for _, query := range []string{"sub1=a&sub2=b", "sub1=%zz", "sub5=%ff&sub5=x", "&&sub1=&=", "sub1=" + strings.Repeat("%C3%A9", 99)} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		for i, sub := range subIDs(query) {
			if len(sub) > maxSub || !utf8.ValidString(sub) || strings.ContainsFunc(sub, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) && r != '\u200d' }) {
				t.Errorf("sub%d of %q is %q", i+1, query, sub)
			}
			// Where the standard library can read the query too, both agree but for what is cut or dropped.
			values, err := url.ParseQuery(query)
			if want := cut(visible(values.Get(fmt.Sprintf("sub%d", i+1))), maxSub); err == nil && !strings.ContainsAny(query, ";") && !strings.Contains(query, "amp;") && sub != want {
				t.Errorf("sub%d of %q is %q, want %q", i+1, query, sub, want)
			}
		}
	})
}

func TestAReferrerIsHostAndPath(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"":                                              "",
		"https://blog.example/a/b?token=x#y":            "blog.example/a/b",
		"http://blog.example":                           "blog.example",
		"https://user:secret@blog.example/a":            "blog.example/a",
		"https://blog.example/a@b":                      "blog.example/a@b",
		"android-app://com.example.app/":                "com.example.app/",
		"https://blog.example/%0d%0a":                   "blog.example/%0d%0a",
		"https://blog.example/\x01\xff":                 "blog.example/ \uFFFD",
		"https://b.example/?u=https://c@d/e":            "b.example/",
		"https://b.example/" + strings.Repeat("é", 400): "b.example/" + strings.Repeat("é", 251),
		"about:blank":                                   "about:blank",
	} {
		if got := referrer(address); got != want {
			t.Errorf("%.60q: %q, want %q", address, got, want)
		}
	}
}

func TestAnAddressIsCutToItsNetwork(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"203.0.113.77":        "203.0.113.0/24",
		"2001:db8:1:2:3:4::5": "2001:db8:1::/48",
		"::1":                 "::/48",
	} {
		if got := networkOf(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
	if got := networkOf(netip.Addr{}); got != "" {
		t.Errorf("no address: %q", got)
	}
}

// FuzzVisit holds that headers of any bytes are kept as short, valid text, and that an address always comes of the peer or
// of what a trusted proxy added.
func FuzzVisit(f *testing.F) {
	f.Add("10.0.0.1:80", "1.2.3.4, 203.0.113.1", "https://u:p@x.example/a?b#c", "/c/abc123.")
	f.Add("[::1]:1", "[2001:db8::1]:9,,", "\xff://@@//", "/c/%")
	proxies := proxy.Trusted{netip.MustParsePrefix("10.0.0.0/8")}
	f.Fuzz(func(t *testing.T, peer, forwarded, address, code string) {
		r := &http.Request{RemoteAddr: peer, Header: http.Header{"X-Forwarded-For": {forwarded}}}
		addr := proxies.Client(r)
		if direct, err := netip.ParseAddrPort(peer); err == nil && !proxies.Contains(direct.Addr().Unmap()) && addr != direct.Addr().Unmap().WithZone("") {
			t.Errorf("%s behind %s is taken for %s", forwarded, peer, addr)
		}
		_ = networkOf(addr)
		kept := referrer(address)
		if len(kept) > maxReferrer || !utf8.ValidString(kept) || strings.ContainsAny(kept, "?#") || strings.ContainsFunc(kept, unicode.IsControl) {
			t.Errorf("%q is kept as %q", address, kept)
		}
		if looked, _, _ := understand("/c/" + code); strings.ContainsFunc(looked, func(r rune) bool { return r != '-' && added(r) }) {
			t.Errorf("%q is looked for as %q", code, looked)
		}
	})
}
