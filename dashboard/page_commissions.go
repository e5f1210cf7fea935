package dashboard

import (
	"context"
	"strconv"

	"github.com/labstack/echo/v4"

	"tributary/dashboard/export"
	"tributary/internal/text"
	"tributary/report"
)

// nothing says why a commission of no amount earns nothing; empty for one that earns something.
func nothing(t *text.Printer, lines int, gross, net int64) string {
	switch {
	case net != 0:
		return ""
	case gross != 0:
		return t.AmountNoPart()
	case lines == 0:
		return t.AmountNoRate()
	}
	return t.AmountRounds()
}

// commissionsView is what the page shows.
type commissionsView struct {
	filter   report.CommissionFilter
	list     report.Page[report.Commission]
	sums     report.Sums
	programs []report.Choice
}

func (s *Server) commissions(c echo.Context, v *visit) error {
	view, err := s.loadCommissions(c, v)
	if err != nil {
		return err
	}
	keepAddress(c, "/partner/commissions", view.filter.Query())
	return s.page(c, v, v.text.CommissionsTitle(), commissionsPage(view))
}

func (s *Server) loadCommissions(c echo.Context, v *visit) (view commissionsView, err error) {
	if view.filter, err = report.ParseCommissions(c.QueryParams(), v.at); err != nil {
		return view, err
	}
	ctx := c.Request().Context()
	err = s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		if view.list, err = r.Commissions(ctx, view.filter, report.PageSize); err != nil {
			return err
		}
		if view.sums, err = r.CommissionSums(ctx, view.filter); err != nil {
			return err
		}
		view.programs, err = r.EnrolledPrograms(ctx)
		return err
	})
	return view, err
}

func (s *Server) commissionsCSV(c echo.Context, v *visit) error {
	f, err := report.ParseCommissions(c.QueryParams(), v.at)
	if err != nil {
		return err
	}
	return listFile[report.Commission]{
		name:    "commissions",
		heading: []string{"order", "ordered_at", "program", "link", "label", "currency", "order_amount", "refunded", "commission_before_refunds", "commission", "state", "hold_until", "late", "role", "unit"},
		page: func(ctx context.Context, r *report.Snapshot, after string) (report.Page[report.Commission], error) {
			f.After = after
			return r.Commissions(ctx, f, rowsAtOnce)
		},
		row: func(w *export.Writer, r *report.Commission) error {
			in, earned := inCurrency(r.Currency), inCurrency(r.Unit)
			return w.Row(export.Text(r.OrderID), export.Number(text.Machine(r.OccurredAt)), export.Text(r.Program), export.Text(r.Link), export.Text(r.Label),
				export.Text(r.Currency), in(r.Revenue), in(r.Refunded), earned(r.Gross), earned(r.Net), export.Text(r.State), export.Number(text.Machine(r.HoldUntil)), export.Number(strconv.FormatBool(r.Late)),
				export.Text(r.Role), export.Text(r.Unit))
		},
	}.send(s, c, v)
}

// inCurrency writes amounts of a currency into a file.
func inCurrency(currency string) func(minor int64) export.Cell {
	return func(minor int64) export.Cell { return export.Number(amount{currency, minor}.plain()) }
}
