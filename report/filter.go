package report

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"tributary/internal/fault"
	"tributary/internal/money"
)

// FilterCode is the code of the fault that refuses a filter.
const FilterCode = "bad_filter"

// maxText bounds what somebody searches for, in bytes: what an order's id can have.
const maxText = 128

func refuse(fields ...fault.Field) error {
	return &fault.Error{
		Kind: fault.Invalid, Code: FilterCode, Fields: fields,
		Detail: "The address asks for something that this list cannot show, so nothing is shown rather than everything.",
	}
}

func wrong(field, problem, fix string) fault.Field {
	return fault.Field{Name: field, Problem: problem, Fix: fix}
}

// A query reads the values of an address. A name that is absent or empty narrows nothing: a form sends the fields that were
// left empty, too. Any other value must be one that can occur, zero is none, and a name that the list does not know is
// refused, since a filter that was mistyped would show everything.
type query struct {
	values url.Values
	now    time.Time // in the viewer's zone
	known  []string
	fields []fault.Field
}

func newQuery(values url.Values, now time.Time) *query { return &query{values: values, now: now} }

func (q *query) get(name string) string {
	q.known = append(q.known, name)
	if len(q.values[name]) > 1 {
		q.refuse(name, "it is named twice", "name it once")
	}
	return q.values.Get(name)
}

func (q *query) refuse(field, problem, fix string) {
	q.fields = append(q.fields, wrong(field, problem, fix))
}

// id reads the number of a row, 0 for none.
func (q *query) id(name string) int64 {
	text := q.get(name)
	if text == "" {
		return 0
	}
	n, ok := ParseID(text)
	if !ok {
		q.refuse(name, quoted(text)+" is no number of a row", "give a whole number from 1, or leave it out")
	}
	return n
}

// ParseID reads the number of a row: digits without a sign or leading zeros, from 1.
func ParseID(text string) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 || text != strconv.FormatInt(n, 10) {
		return 0, false
	}
	return n, true
}

// oneOf reads a value that must be one of those given.
func (q *query) oneOf(name string, allowed ...string) string {
	text := q.get(name)
	if text != "" && !slices.Contains(allowed, text) {
		q.refuse(name, quoted(text)+" does not occur", "give one of "+strings.Join(allowed, ", "))
		return ""
	}
	return text
}

// currency reads a currency in force.
func (q *query) currency(name string) string {
	text := q.get(name)
	if text != "" && !money.Known(text) {
		q.refuse(name, quoted(text)+" is no currency", "give the three capital letters of ISO 4217")
		return ""
	}
	return text
}

// text reads what somebody searches for.
func (q *query) text(name string) string {
	text := strings.TrimSpace(q.get(name))
	switch {
	case !utf8.ValidString(text) || strings.ContainsRune(text, 0):
		q.refuse(name, "it is not text", "give characters in UTF-8")
		return ""
	case len(text) > maxText:
		q.refuse(name, "it has "+strconv.Itoa(len(text))+" bytes", "give at most "+strconv.Itoa(maxText))
		return ""
	}
	return text
}

// day reads a date as the midnight at which it begins, the zero time for none.
func (q *query) day(name string) time.Time {
	text := q.get(name)
	if text == "" {
		return time.Time{}
	}
	t, err := time.ParseInLocation(time.DateOnly, text, q.now.Location())
	if err != nil || t.Year() < 1970 || t.Year() >= 2300 {
		q.refuse(name, quoted(text)+" is no day of a calendar", "give year, month and day, as in 2026-01-31")
		return time.Time{}
	}
	return dayAfter(t, 0)
}

// err refuses what was wrong, and names that nobody asked for.
func (q *query) err() error {
	for _, name := range sortedNames(q.values) {
		if !slices.Contains(q.known, name) {
			q.refuse(cutTo(name, maxText), "nothing here has this name", "leave it out, or use one of "+strings.Join(q.known, ", "))
		}
	}
	if len(q.fields) == 0 {
		return nil
	}
	return refuse(q.fields...)
}

func sortedNames(q url.Values) []string {
	names := make([]string, 0, len(q))
	for name := range q {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// quoted shows a value that somebody sent, as far as it is worth it.
func quoted(text string) string { return "“" + cutTo(text, 40) + "”" }

func cutTo(text string, limit int) string {
	text = strings.ToValidUTF8(text, "?")
	for len(text) > limit {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	return text
}

// set puts a value into an address unless it narrows nothing.
func set(q url.Values, name, value string) {
	if value != "" {
		q.Set(name, value)
	}
}

func setID(q url.Values, name string, id int64) {
	if id != 0 {
		q.Set(name, strconv.FormatInt(id, 10))
	}
}
