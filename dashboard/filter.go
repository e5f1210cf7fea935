package dashboard

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"

	"tributary/dashboard/export"
	"tributary/report"
)

// dayInput is a day as a date field holds it; empty for none.
func dayInput(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.DateOnly)
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

// A listFile is a list as a file, however long: its rows are read and sent a page at a time, all from one snapshot.
type listFile[T any] struct {
	name    string
	heading []string
	// page reads the rows behind a cursor; behind none, the first ones.
	page func(ctx context.Context, r *report.Snapshot, after string) (report.Page[T], error)
	// row writes a row of the list, as one or more rows of the file.
	row func(w *export.Writer, of *T) error
}

const (
	rowsAtOnce = 1000
	// rowsWithin is how long a client may take for so many rows.
	rowsWithin = time.Minute
)

// send sends the file. What is wrong with the request is found before the file begins; a file that breaks off later does so
// visibly, with its connection.
func (f listFile[T]) send(s *Server, c echo.Context, v *visit) error {
	ctx := c.Request().Context()
	return s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) error {
		page, err := f.page(ctx, r, "")
		if err != nil {
			return err
		}
		return s.sendCSV(c, f.name, f.heading, func(w *export.Writer) error {
			connection := http.NewResponseController(c.Response())
			for {
				for i := range page.Rows {
					if err := f.row(w, &page.Rows[i]); err != nil {
						return err
					}
				}
				if page.Next == "" {
					return nil
				}
				if page, err = f.page(ctx, r, page.Next); err != nil {
					return err
				}
				if err := connection.SetWriteDeadline(time.Now().Add(rowsWithin)); err != nil && !errors.Is(err, http.ErrNotSupported) {
					return fmt.Errorf("sending %s: %w", f.name, err)
				}
			}
		})
	})
}

// sendCSV sends a list as a file named after it and the day. Its columns are named by codes of text.Printer.CSV.
func (s *Server) sendCSV(c echo.Context, name string, heading []string, rows func(w *export.Writer) error) error {
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, "text/csv; charset=utf-8")
	h.Set(echo.HeaderContentDisposition, `attachment; filename="tributary-`+name+"-"+s.now().Format(time.DateOnly)+`.csv"`)
	names := make([]string, len(heading))
	for i, code := range heading {
		names[i] = s.text.CSV(code)
	}
	c.Response().WriteHeader(http.StatusOK)
	w, err := export.New(c.Response(), names...)
	if err != nil {
		return err
	}
	if err := rows(w); err != nil {
		return err
	}
	return w.Close()
}
