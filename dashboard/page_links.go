package dashboard

import (
	"context"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"tributary/dashboard/export"
	"tributary/internal/text"
	"tributary/report"
)

// trackingURL is the address that a link's code has at the tracker.
func (s *Server) trackingURL(code string) string { return s.cfg.TrackerURL + "/c/" + code }

// linksView is what the list shows.
type linksView struct {
	filter   report.LinkFilter
	list     report.Page[report.Link]
	programs []report.Choice
	missing  bool
	at       time.Time
	url      func(code string) string
}

func (s *Server) links(c echo.Context, v *visit) error {
	view, err := s.loadLinks(c, v)
	if err != nil {
		return err
	}
	keepAddress(c, "/partner/links", view.filter.Query())
	return s.page(c, v, v.text.LinksTitle(), linksPage(view))
}

func (s *Server) loadLinks(c echo.Context, v *visit) (linksView, error) {
	f, err := report.ParseLinks(c.QueryParams(), v.at)
	if err != nil {
		return linksView{}, err
	}
	view, ctx := linksView{filter: f, at: v.at, url: s.trackingURL}, c.Request().Context()
	err = s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		if view.list, err = r.Links(ctx, f, report.PageSize); err != nil {
			return err
		}
		view.programs, err = r.EnrolledPrograms(ctx)
		return err
	})
	if err != nil {
		return view, err
	}
	err = s.reports.CountLinks(ctx, report.Question{Scope: v.scope(), Period: f.Period}, view.list.Rows)
	view.missing = s.isMissing(v, err)
	return view, nil
}

func (s *Server) linksCSV(c echo.Context, v *visit) error {
	f, err := report.ParseLinks(c.QueryParams(), v.at)
	if err != nil {
		return err
	}
	missing := false
	return listFile[report.Link]{
		name:    "links",
		heading: []string{"link", "url", "label", "program", "target", "created_at", "closed", "clicks", "orders", "currency", "earned"},
		page: func(ctx context.Context, r *report.Snapshot, after string) (report.Page[report.Link], error) {
			f.After = after
			list, err := r.Links(ctx, f, rowsAtOnce)
			if err == nil {
				missing = s.isMissing(v, s.reports.CountLinks(ctx, report.Question{Scope: v.scope(), Period: f.Period}, list.Rows))
			}
			return list, err
		},
		row: func(w *export.Writer, r *report.Link) error {
			for _, a := range orOne(r.Amounts) {
				err := w.Row(export.Text(r.Code), export.Text(s.trackingURL(r.Code)), export.Text(r.Label), export.Text(r.Program), export.Text(r.Target),
					export.Number(text.Machine(r.CreatedAt)), export.Number(strconv.FormatBool(r.Closed)), countCell(r.Clicks, missing),
					countCell(r.Orders, missing), export.Text(a.Currency), inCurrency(a.Currency)(a.Minor))
				if err != nil {
					return err
				}
			}
			return nil
		},
	}.send(s, c, v)
}

// orOne gives a row even to what has nothing in any currency.
func orOne[T any](list []T) []T {
	if len(list) == 0 {
		return make([]T, 1)
	}
	return list
}

func countCell(n int64, missing bool) export.Cell {
	if missing {
		return export.Number("")
	}
	return export.Number(strconv.FormatInt(n, 10))
}
