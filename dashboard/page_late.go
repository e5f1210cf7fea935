package dashboard

import (
	"context"
	"strconv"

	"github.com/labstack/echo/v4"

	"tributary/dashboard/export"
	"tributary/internal/text"
	"tributary/report"
)

// lateView is what the page shows.
type lateView struct {
	filter report.LateFilter
	list   report.Page[report.LateOrder]
	// merchants are those with late orders.
	merchants []report.Choice
}

func (s *Server) late(c echo.Context, v *visit) error {
	view, err := s.loadLate(c, v)
	if err != nil {
		return err
	}
	keepAddress(c, "/network/late", view.filter.Query())
	return s.page(c, v, v.text.LateTitle(), latePage(view))
}

func (s *Server) loadLate(c echo.Context, v *visit) (view lateView, err error) {
	if view.filter, err = report.ParseLate(c.QueryParams(), v.at); err != nil {
		return view, err
	}
	ctx := c.Request().Context()
	err = s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		if view.list, err = r.LateOrders(ctx, view.filter, report.PageSize); err != nil {
			return err
		}
		view.merchants, err = r.MerchantsWithLate(ctx)
		return err
	})
	return view, err
}

func (s *Server) lateCSV(c echo.Context, v *visit) error {
	f, err := report.ParseLate(c.QueryParams(), v.at)
	if err != nil {
		return err
	}
	return listFile[report.LateOrder]{
		name:    "late",
		heading: []string{"merchant", "order", "ordered_at", "received_at", "currency", "amount", "outcome", "partner", "commission", "state", "key", "network"},
		page: func(ctx context.Context, r *report.Snapshot, after string) (report.Page[report.LateOrder], error) {
			f.After = after
			return r.LateOrders(ctx, f, rowsAtOnce)
		},
		row: func(w *export.Writer, r *report.LateOrder) error {
			in := inCurrency(r.Currency)
			return w.Row(export.Text(r.Merchant), export.Text(r.OrderID), export.Number(text.Machine(r.OccurredAt)), export.Number(text.Machine(r.ReceivedAt)),
				export.Text(r.Currency), in(r.Amount), export.Text(r.Outcome), export.Text(r.Partner), in(r.Net), export.Text(r.State),
				export.Number(strconv.FormatInt(r.KeyID, 10)), export.Text(r.Network))
		},
	}.send(s, c, v)
}
