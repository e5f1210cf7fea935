package tracker

import (
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"
)

// understand reads an address that led to no link by its letter, as a message, a keyboard or another program may have
// changed it: with percent-escapes in any place and case, capital letters, doubled slashes, blanks, brackets and invisible
// characters before and behind the code, and a query that begins with "&" or an escaped "?". The path is as it was sent. It
// is not ok where something else than one code stands in it. The query is still escaped.
func understand(path string) (code, query string, ok bool) {
	path, query = splitQuery(path)
	rest := lowerASCII(unescape(path, false))
	rest = strings.TrimLeftFunc(rest, added)
	rest, found := strings.CutPrefix(rest, "c")
	code = strings.TrimLeftFunc(rest, added)
	if !found || !strings.Contains(rest[:len(rest)-len(code)], "/") {
		return "", "", false
	}
	end := strings.IndexFunc(code, func(r rune) bool { return r != '-' && added(r) })
	if end >= 0 {
		if strings.ContainsFunc(code[end:], func(r rune) bool { return !added(r) }) {
			return "", "", false
		}
		code = code[:end]
	}
	return strings.TrimRight(code, "-"), query, true
}

// normalized makes next see each path in the one form of all that are equal to it. Addresses as they were given out have
// nothing to normalize, and pay a few nanoseconds.
func normalized(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawPath != "" || strings.Contains(r.URL.Path, "/.") {
			normal := normalPath(r.URL.EscapedPath())
			r.URL.Path, r.URL.RawPath = unescape(normal, false), ""
			if strings.Contains(normal, "%") {
				r.URL.RawPath = normal
			}
		}
		next.ServeHTTP(w, r)
	})
}

// normalPath gives the one form of all paths that are equal by RFC 3986 section 6.2.2: what needs no escape has none, the
// others are in capitals, and the segments "." and ".." are gone.
func normalPath(path string) string {
	if !strings.HasPrefix(path, "/") || !strings.Contains(path, "%") && !strings.Contains(path, "/.") {
		return path
	}
	segments := strings.Split(normalEscapes(path)[1:], "/")
	kept := segments[:0]
	for i, segment := range segments {
		if segment != "." && segment != ".." {
			kept = append(kept, segment)
			continue
		}
		if segment == ".." && len(kept) > 0 {
			kept = kept[:len(kept)-1]
		}
		if i == len(segments)-1 {
			kept = append(kept, "")
		}
	}
	return "/" + strings.Join(kept, "/")
}

func normalEscapes(path string) string {
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		c, escaped := escapeAt(path[i:])
		switch {
		case !escaped && path[i] == '%': // one that begins no escape must not begin one of what comes next
			b.WriteString("%25")
			continue
		case !escaped:
			b.WriteByte(path[i])
			continue
		case c == '-' || c == '.' || c == '_' || c == '~' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z':
			b.WriteByte(c)
		default:
			b.WriteString(strings.ToUpper(path[i : i+3]))
		}
		i += 2
	}
	return b.String()
}

// splitQuery cuts a path where a query begins that did not come as one.
func splitQuery(path string) (before, query string) {
	for i := range len(path) {
		switch {
		case path[i] == '&':
			return path[:i], path[i+1:]
		case path[i] == '%' && len(path) >= i+3:
			if c := lowerASCII(path[i+1 : i+3]); c == "3f" || c == "26" {
				return path[:i], unescape(path[i+3:], false) // it was escaped once more than a query is
			}
		}
	}
	return path, ""
}

// added tells of characters that no code holds beside its hyphens, and so were put there on the way.
func added(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }

// unescape reads percent-escapes, and in a query blanks written as plus signs. What is no escape stays as it is, so that a
// person's "100%" is not lost.
func unescape(text string, query bool) string {
	if !strings.ContainsRune(text, '%') && (!query || !strings.ContainsRune(text, '+')) {
		return text
	}
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		c, escaped := escapeAt(text[i:])
		if escaped {
			i += 2
		} else if c = text[i]; c == '+' && query {
			c = ' '
		}
		out = append(out, c)
	}
	return string(out)
}

// escapeAt reads the escape at the start of a text, if there is one.
func escapeAt(text string) (c byte, escaped bool) {
	if len(text) < 3 || text[0] != '%' {
		return 0, false
	}
	high, low := fromHex(text[1]), fromHex(text[2])
	return byte(high<<4 | low), high >= 0 && low >= 0
}

func fromHex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// visible gives a text as a person sees it: valid UTF-8, every kind of blank as a blank, without what shows nothing or
// turns the writing round. A joiner stays inside an emoji, which it makes one of two.
func visible(text string) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r >= 0x7f }) {
		return text
	}
	const joiner = '\u200d'
	var b strings.Builder
	symbol := false
	for _, r := range strings.ToValidUTF8(text, string(utf8.RuneError)) {
		switch {
		case unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Zs, r):
			b.WriteByte(' ')
		case r == joiner && symbol:
			b.WriteRune(r)
		case unicode.IsPrint(r) && !blankLetter(r):
			b.WriteRune(r)
		default:
			continue // symbol stays: a joiner may follow what was left out
		}
		symbol = unicode.In(r, unicode.So, unicode.Sk) || r == '\ufe0f' && symbol
	}
	return strings.TrimRight(b.String(), string(joiner))
}

// blankLetter tells of letters that show nothing, by which names can be forged: fillers of Hangul and Braille.
func blankLetter(r rune) bool {
	return r == '\u115f' || r == '\u1160' || r == '\u3164' || r == '\uffa0' || r == '\u2800' || r == '\u034f'
}
