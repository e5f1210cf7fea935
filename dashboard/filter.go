package dashboard

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"

	"tributary/dashboard/export"
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
