package tracker

import "strings"

// appendLocation writes a link's target with the click id in the query parameter param. Everything else in the target
// stays byte for byte as it is: the order of its query, its escapes, its fragment. A parameter of the same name that
// stands there already (from an address copied after a click, say) gives way. Without an id the parameter is left out.
func appendLocation(dst []byte, target, param, id string) []byte {
	fragment := ""
	if i := strings.IndexByte(target, '#'); i >= 0 {
		target, fragment = target[:i], target[i:]
	}
	base, query, found := strings.Cut(target, "?")
	dst = append(dst, base...)
	separator, placed := byte('?'), id == ""
	write := func(parts ...string) {
		dst = append(dst, separator)
		for _, part := range parts {
			dst = append(dst, part...)
		}
		separator = '&'
	}
	for found && query != "" {
		var pair string
		pair, query, found = strings.Cut(query, "&")
		switch {
		case !names(pair, param):
			write(pair)
		case !placed:
			write(param, "=", id)
			placed = true
		}
		if found && query == "" { // it ends in an ampersand
			write()
		}
	}
	if !placed {
		if last := len(dst) - 1; separator == '&' && dst[last] == '&' {
			dst = dst[:last]
		}
		write(param, "=", id)
	}
	return append(dst, fragment...)
}

// names tells whether a pair of a query is about the parameter, also where its name is escaped.
func names(pair, param string) bool {
	name, _, _ := strings.Cut(pair, "=")
	return unescape(name, true) == param
}
