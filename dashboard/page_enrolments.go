package dashboard

import (
	"context"

	"github.com/labstack/echo/v4"

	"tributary/dashboard/export"
	"tributary/internal/text"
	"tributary/report"
)

// enrolmentsView is what the operator's list of partners in programs shows.
type enrolmentsView struct {
	filter report.EnrolmentFilter
	list   report.Page[report.Enrolment]
}

func (s *Server) enrolments(c echo.Context, v *visit) error {
	var view enrolmentsView
	var err error
	if view.filter, err = report.ParseEnrolments(c.QueryParams(), v.at); err != nil {
		return err
	}
	ctx := c.Request().Context()
	err = s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		view.list, err = r.Enrolments(ctx, view.filter, report.PageSize)
		return err
	})
	if err != nil {
		return err
	}
	keepAddress(c, "/network/partners", view.filter.Query())
	return s.page(c, v, v.text.EnrolmentsTitle(), enrolmentsPage(view))
}

func (s *Server) enrolmentsCSV(c echo.Context, v *visit) error {
	f, err := report.ParseEnrolments(c.QueryParams(), v.at)
	if err != nil {
		return err
	}
	return listFile[report.Enrolment]{
		name:    "partners",
		heading: []string{"partner", "program", "merchant", "state", "since"},
		page: func(ctx context.Context, r *report.Snapshot, after string) (report.Page[report.Enrolment], error) {
			f.After = after
			return r.Enrolments(ctx, f, rowsAtOnce)
		},
		row: func(w *export.Writer, r *report.Enrolment) error {
			since := ""
			if r.Since != nil {
				since = text.Machine(*r.Since)
			}
			return w.Row(export.Text(r.Partner), export.Text(r.Program), export.Text(r.Merchant), export.Text(string(r.State)), export.Number(since))
		},
	}.send(s, c, v)
}
