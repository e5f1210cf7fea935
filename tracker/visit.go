package tracker

import (
	"net/http"
	"net/netip"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// visit collects what a request that came at this time says about whoever made it.
func (s *Server) visit(r *http.Request, at time.Time) Visit {
	return Visit{
		At: at, IP: s.cfg.TrustedProxies.Client(r), UserAgent: first(r.Header, "User-Agent"), Referrer: first(r.Header, "Referer"),
		Subs: subIDs(r.URL.RawQuery), Embedded: embedded(r.Header),
	}
}

// first gives the first value of a header, whose name must be in canonical form.
func first(h http.Header, name string) string {
	if values := h[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// embedded tells of requests that a page makes by itself: for an image, a frame, a script. A person who follows a link
// navigates, and the document goes to the window. Browsers that send no such headers are taken at their word.
func embedded(h http.Header) bool {
	if mode := first(h, "Sec-Fetch-Mode"); mode != "" && mode != "navigate" {
		return true
	}
	dest := first(h, "Sec-Fetch-Dest")
	return dest != "" && dest != "document"
}

// speculative tells of requests that a browser makes ahead of a visit that may never come. Chrome and Firefox send
// Sec-Purpose (https://html.spec.whatwg.org/multipage/speculative-loading.html), older ones Purpose, X-Moz or X-Purpose.
func speculative(h http.Header) bool {
	for _, name := range []string{"Sec-Purpose", "Purpose", "X-Moz", "X-Purpose"} {
		if value := first(h, name); value != "" {
			value = strings.ToLower(value)
			if strings.Contains(value, "prefetch") || strings.Contains(value, "prerender") || strings.Contains(value, "preview") {
				return true
			}
		}
	}
	return false
}

// prefixOf cuts an address off at /24 or /48, so that no single household is kept.
func prefixOf(addr netip.Addr) netip.Prefix {
	bits := 48
	if addr.Is4() {
		bits = 24
	}
	prefix, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}

// networkOf is prefixOf in text, empty where there is no address.
func networkOf(addr netip.Addr) string {
	prefix := prefixOf(addr)
	if !prefix.IsValid() {
		return ""
	}
	var buf [len("2001:0db8:0001::/48")]byte
	return string(prefix.AppendTo(buf[:0]))
}

// maxReferrer is how much of a referrer is kept, in bytes.
const maxReferrer = 512

// referrer gives host and path of an address, without the query, which may hold anything about the visitor.
func referrer(address string) string {
	if i := strings.IndexAny(address, "?#"); i >= 0 {
		address = address[:i]
	}
	if i := strings.Index(address, "://"); i >= 0 {
		address = address[i+3:]
	}
	end := strings.IndexByte(address, '/')
	if end < 0 {
		end = len(address)
	}
	if at := strings.LastIndexByte(address[:end], '@'); at >= 0 {
		address = address[at+1:]
	}
	return plain(address, maxReferrer)
}

// plain makes a text of foreign bytes safe to keep: at most limit bytes of valid UTF-8 without control characters, each
// replaced by a blank or by U+FFFD.
func plain(text string, limit int) string {
	text = cut(text, limit)
	for i := range len(text) {
		if c := text[i]; c < ' ' || c >= 0x7f {
			return cut(strings.Map(blank, strings.ToValidUTF8(text, string(utf8.RuneError))), limit)
		}
	}
	return text
}

func blank(r rune) rune {
	if unicode.IsControl(r) {
		return ' '
	}
	return r
}

// maxSub is how long a partner's mark may be, in bytes.
const maxSub = 128

// subIDs reads sub1 to sub5 from a query. The first of each counts. A mark is kept as a person sees it, and cut where it is
// too long: the visitor is never stopped for it. "&amp;" is what some editors make of "&".
func subIDs(query string) (subs [5]string) {
	var found [5]bool
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		name, value, _ := strings.Cut(strings.TrimPrefix(pair, "amp;"), "=")
		if name = unescape(name, true); len(name) != 4 || name[:3] != "sub" || name[3] < '1' || name[3] > '5' {
			continue
		}
		i := name[3] - '1'
		if !found[i] {
			found[i] = true
			subs[i] = cut(visible(unescape(value, true)), maxSub)
		}
	}
	return subs
}
