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
	"tributary/internal/text"
)

// FilterCode is the code of the fault that refuses a filter.
const FilterCode = "bad_filter"

// maxText bounds what somebody searches for, in bytes: what an order's id can have.
const maxText = 128

func refuse(fields ...fault.Field) error {
	return &fault.Error{
		Kind: fault.Invalid, Code: FilterCode, Fields: fields,
	}
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
		q.refuse(name, text.WrongTwice(), text.FixOnce())
	}
	return q.values.Get(name)
}

func (q *query) refuse(field string, problem, fix text.Message) {
	q.fields = append(q.fields, fault.Wrong(field, problem, fix))
}

// id reads the number of a row, 0 for none.
func (q *query) id(name string) int64 {
	given := q.get(name)
	if given == "" {
		return 0
	}
	n, ok := ParseID(given)
	if !ok {
		q.refuse(name, text.WrongRow(quoted(given)), text.FixRow())
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
	given := q.get(name)
	if given != "" && !slices.Contains(allowed, given) {
		q.refuse(name, text.WrongChoice(quoted(given)), text.FixChoice(strings.Join(allowed, ", ")))
		return ""
	}
	return given
}

// currency reads a currency in force.
func (q *query) currency(name string) string {
	given := q.get(name)
	if given != "" && !money.Known(given) {
		q.refuse(name, text.WrongCurrency(quoted(given)), text.FixCurrency())
		return ""
	}
	return given
}

// text reads what somebody searches for.
func (q *query) text(name string) string {
	given := strings.TrimSpace(q.get(name))
	switch {
	case !utf8.ValidString(given) || strings.ContainsRune(given, 0):
		q.refuse(name, text.WrongNotText(), text.FixUtf8())
		return ""
	case len(given) > maxText:
		q.refuse(name, text.WrongLabelSize(int64(len(given))), text.FixGiveAtMost(strconv.Itoa(maxText)))
		return ""
	}
	return given
}

// day reads a date as the midnight at which it begins, the zero time for none.
func (q *query) day(name string) time.Time {
	given := q.get(name)
	if given == "" {
		return time.Time{}
	}
	t, err := time.ParseInLocation(time.DateOnly, given, q.now.Location())
	if err != nil || t.Year() < 1970 || t.Year() >= 2300 {
		q.refuse(name, text.WrongDay(quoted(given)), text.FixDay())
		return time.Time{}
	}
	return dayAfter(t, 0)
}

// err refuses what was wrong, and names that nobody asked for.
func (q *query) err() error {
	for _, name := range sortedNames(q.values) {
		if !slices.Contains(q.known, name) {
			q.refuse(cutTo(name, maxText), text.WrongUnknownName(), text.FixUnknownName(strings.Join(q.known, ", ")))
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
