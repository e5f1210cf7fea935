package dashboard

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"

	"tributary/dashboard/export"
	"tributary/internal/money"
)

// What a filter reads from an address falls back to "all": a list that shows too much is kinder than an error page.

// oneOf gives the value when it is allowed, else "".
func oneOf(value string, allowed ...string) string {
	if slices.Contains(allowed, value) {
		return value
	}
	return ""
}

// number reads an id, 0 for anything else.
func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// currencyCode gives a currency in force, else "".
func currencyCode(text string) string {
	if money.Known(text) {
		return text
	}
	return ""
}

// short cuts what somebody searches for to what an id can be, and to what the database takes as text.
func short(text string) string {
	text = strings.TrimSpace(strings.ReplaceAll(strings.ToValidUTF8(text, ""), "\x00", ""))
	for len(text) > 128 {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	return text
}

// readDays reads from and to as whole days, to included; zero for what is not there.
func readDays(q url.Values) (from, to time.Time) {
	if t, err := time.Parse(time.DateOnly, q.Get("from")); err == nil && t.Year() >= 1970 {
		from = t
	}
	if t, err := time.Parse(time.DateOnly, q.Get("to")); err == nil && t.Year() < 9999 {
		to = t.Add(aDay)
	}
	return from, to
}

// setDays is the opposite of readDays.
func setDays(q url.Values, from, to time.Time) {
	if !from.IsZero() {
		q.Set("from", dayInput(from))
	}
	if !to.IsZero() {
		q.Set("to", dayInput(to.Add(-aDay)))
	}
}

// dayInput is a day as a date field holds it; empty for none.
func dayInput(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.DateOnly)
}

// dayBefore is the last day of a span that ends at t.
func dayBefore(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(-aDay)
}

// No event is dated before the first or at the second of these: see commission.Check.
func beginningOfTime() time.Time { return time.Unix(0, 0).UTC().Add(-aDay) }
func endOfTime() time.Time       { return time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC) }

func orTime(t, otherwise time.Time) time.Time {
	if t.IsZero() {
		return otherwise
	}
	return t
}

// filtering makes a form narrow the list #results as it is filled in, and on its own where there are no scripts.
func filtering(path string) templ.Attributes {
	return templ.Attributes{
		"method": "get", "action": path, "hx-get": path,
		"hx-trigger": "change, submit, input delay:300ms",
		"hx-target":  "#results", "hx-select": "#results", "hx-swap": "outerHTML", "hx-sync": "this:replace",
	}
}

// keepAddress makes a list that was narrowed in place show its address, without what was left empty, so that it can be
// kept and sent on.
func keepAddress(c echo.Context, path string, q url.Values) {
	if strings.HasPrefix(c.Request().Header.Get("Hx-Source"), "form") {
		c.Response().Header().Set("Hx-Replace-Url", withQuery(path, q))
	}
}

// sendCSV sends a list as a file named after it and the day.
func (s *Server) sendCSV(c echo.Context, name string, heading []string, rows func(w *export.Writer) error) error {
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, "text/csv; charset=utf-8")
	h.Set(echo.HeaderContentDisposition, `attachment; filename="tributary-`+name+"-"+s.now().Format(time.DateOnly)+`.csv"`)
	c.Response().WriteHeader(http.StatusOK)
	w, err := export.New(c.Response(), heading...)
	if err != nil {
		return err
	}
	if err := rows(w); err != nil {
		return err
	}
	return w.Close()
}
