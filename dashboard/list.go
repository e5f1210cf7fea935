package dashboard

import (
	"net/url"

	"tributary/internal/text"
	"tributary/report"
)

// sorting is how a list is sorted: its page, the rest of its address, and the order it is in. The zero value is of a table that
// has one order only.
type sorting struct {
	path string
	q    url.Values
	by   string
}

// A column names the orders that its heading sorts by: from the greatest or newest down, and up. Either may be missing.
type column struct{ down, up string }

// is says how the list is sorted by a column, in ARIA's words; empty where it is not.
func (s sorting) is(c column) string {
	switch s.by {
	case "":
		return ""
	case c.down:
		return "descending"
	case c.up:
		return "ascending"
	}
	return ""
}

// next is the order that a heading leads to; empty where there is no other.
func (s sorting) next(c column) string {
	switch {
	case s.path == "":
		return ""
	case s.by == c.down:
		return c.up
	case c.down == "" && s.by == c.up:
		return ""
	case c.down == "":
		return c.up
	}
	return c.down
}

// to is the address of the list in another order, from its first page.
func (s sorting) to(by string) string {
	return withQuery(s.path, with(without(s.q, "after"), "sort", by))
}

// sumWords says how many rows the whole list has.
func sumWords(t *text.Printer, sums report.Sums) string {
	if sums.More {
		return t.ListMany(t.Count(report.SumsUpTo))
	}
	return t.ListRows(sums.Rows)
}
