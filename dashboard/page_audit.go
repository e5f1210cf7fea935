package dashboard

import (
	"context"
	"strconv"

	"github.com/labstack/echo/v4"

	"tributary/dashboard/export"
	"tributary/internal/text"
	"tributary/report"
)

// auditView is what the page shows.
type auditView struct {
	path   string
	filter report.AuditFilter
	list   report.Page[report.Act]
}

// audit is the log of what people did, as the network, a merchant or a partner reads it.
func (s *Server) audit(c echo.Context, v *visit) error {
	view := auditView{path: auditPath(v)}
	var err error
	if view.filter, err = report.ParseAudit(c.QueryParams(), v.at); err != nil {
		return err
	}
	err = s.reports.Snapshot(c.Request().Context(), v.scope(), func(r *report.Snapshot) (err error) {
		view.list, err = r.Audit(c.Request().Context(), view.filter, report.PageSize)
		return err
	})
	if err != nil {
		return err
	}
	keepAddress(c, view.path, view.filter.Query())
	return s.page(c, v, v.text.AuditTitle(), auditPage(view))
}

func auditPath(v *visit) string { return homeOf(v.who()) + "/audit" }

func (s *Server) auditCSV(c echo.Context, v *visit) error {
	f, err := report.ParseAudit(c.QueryParams(), v.at)
	if err != nil {
		return err
	}
	return listFile[report.Act]{
		name:    "audit",
		heading: []string{"entry", "at", "person", "organisation", "key", "network", "request", "act", "id", "before", "after"},
		page: func(ctx context.Context, r *report.Snapshot, after string) (report.Page[report.Act], error) {
			f.After = after
			return r.Audit(ctx, f, rowsAtOnce)
		},
		row: func(w *export.Writer, a *report.Act) error {
			return w.Row(export.Number(strconv.FormatInt(a.No, 10)), export.Number(text.Machine(a.At)), export.Text(a.Email), export.Text(a.Of), export.Number(strconv.FormatInt(a.KeyID, 10)), export.Text(a.Address),
				export.Text(a.Request), export.Text(a.Code()), export.Text(a.ID), export.Text(a.Before), export.Text(a.After))
		},
	}.send(s, c, v)
}
