package dashboard

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"tributary/dashboard/export"
	"tributary/internal/text"
	"tributary/report"
)

// refusalsView is what the log of refused requests shows.
type refusalsView struct {
	filter report.RefusalFilter
	list   report.Page[report.Refusal]
	lately report.Refused // refused within 24 hours
}

// revokedKey is the code in the log for a request with a key that was revoked.
const revokedKey = "revoked_key"

// refusalCodes are those that a request can be refused with.
func refusalCodes() []string {
	codes := append(text.APIProblemCodes(), revokedKey)
	slices.Sort(codes)
	return codes
}

func parseRefusals(values url.Values, now time.Time) (report.RefusalFilter, error) {
	return report.ParseRefusals(values, refusalCodes(), now)
}

func (s *Server) refusals(c echo.Context, v *visit) (err error) {
	var view refusalsView
	if view.filter, err = parseRefusals(c.QueryParams(), v.at); err != nil {
		return err
	}
	ctx := c.Request().Context()
	err = s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		if view.list, err = r.Refusals(ctx, view.filter, report.PageSize); err != nil {
			return err
		}
		view.lately, err = r.RefusedLately(ctx, v.at)
		return err
	})
	if err != nil {
		return err
	}
	keepAddress(c, "/merchant/refusals", view.filter.Query())
	return s.page(c, v, v.text.RefusalsTitle(), refusalsPage(view))
}

func (s *Server) refusalsCSV(c echo.Context, v *visit) error {
	f, err := parseRefusals(c.QueryParams(), v.at)
	if err != nil {
		return err
	}
	return listFile[report.Refusal]{
		name:    "refusals",
		heading: []string{"number", "last_at", "sent_to", "code", "field", "order", "site", "key", "times"},
		page: func(ctx context.Context, r *report.Snapshot, after string) (report.Page[report.Refusal], error) {
			f.After = after
			return r.Refusals(ctx, f, rowsAtOnce)
		},
		row: func(w *export.Writer, r *report.Refusal) error {
			return w.Row(export.Number(strconv.FormatInt(r.No, 10)), export.Number(text.Machine(r.At)), export.Text(r.Route), export.Text(r.Code), export.Text(r.Field),
				export.Text(r.OrderID), export.Text(r.Origin), export.Number(strconv.FormatInt(r.KeyID, 10)), export.Number(strconv.FormatInt(r.Times, 10)))
		},
	}.send(s, c, v)
}

// refusalWords say what is wrong with a request of a code, and what to do.
func refusalWords(t *text.Printer, code string) string {
	if code == revokedKey {
		return t.RefusalsRevokedKey()
	}
	return t.APIProblem(code)
}

// refusedWords says how much was refused lately.
func refusedWords(t *text.Printer, n report.Refused) string {
	if n.AtLeast {
		return t.RefusalsLatelyMany(n.Times)
	}
	return t.RefusalsLately(n.Times)
}
