package dashboard

import (
	"context"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"tributary/dashboard/export"
	"tributary/report"
)

// networkView is the operator's page.
type networkView struct {
	filter    report.MerchantFilter
	at        time.Time
	merchants report.Page[report.Merchant]
	network   report.Network
	books     []report.Books

	missing                bool // counts are
	newest                 time.Time
	clicks, orders, marked report.Series
}

// merchantsPageSize is large: few networks have more merchants.
const merchantsPageSize = 1000

func (s *Server) network(c echo.Context, v *visit) error {
	view, err := s.loadNetwork(c, v, merchantsPageSize)
	if err != nil {
		return err
	}
	keepAddress(c, "/network", view.filter.Query())
	return s.page(c, v, v.text.NetworkTitle(), networkPage(view))
}

func (s *Server) loadNetwork(c echo.Context, v *visit, limit int) (*networkView, error) {
	f, err := report.ParseMerchants(c.QueryParams(), v.at)
	if err != nil {
		return nil, err
	}
	view, ctx := &networkView{filter: f, at: v.at}, c.Request().Context()
	err = s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		if view.merchants, err = r.Merchants(ctx, f, limit); err != nil {
			return err
		}
		if view.books, err = r.Books(ctx); err != nil {
			return err
		}
		view.network, err = r.Network(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	view.missing = s.isMissing(v, s.countNetwork(ctx, report.Question{Scope: v.scope(), Period: f.Period}, view))
	return view, nil
}

func (s *Server) countNetwork(ctx context.Context, q report.Question, view *networkView) (err error) {
	if err := s.reports.CountMerchants(ctx, q, view.merchants.Rows); err != nil {
		return err
	}
	if view.clicks, err = s.reports.Daily(ctx, q, report.Clicks()); err != nil {
		return err
	}
	if view.marked, err = s.reports.Daily(ctx, q, report.MarkedClicks()); err != nil {
		return err
	}
	if view.orders, err = s.reports.Daily(ctx, q, report.CreditedOrders()); err != nil {
		return err
	}
	view.newest, err = s.reports.NewestClick(ctx, q.Scope, view.at)
	return err
}

func (s *Server) networkCSV(c echo.Context, v *visit) error {
	view, err := s.loadNetwork(c, v, export.MaxRows)
	if err != nil {
		return err
	}
	heading := []string{"merchant", "programs", "partners", "clicks", "orders", "late", "currency", "cost"}
	return s.sendCSV(c, "merchants", heading, func(w *export.Writer) error {
		for _, r := range view.merchants.Rows {
			for _, a := range orOne(r.Costs) {
				err := w.Row(export.Text(r.Name), export.Number(strconv.FormatInt(r.Programs, 10)), export.Number(strconv.FormatInt(r.Partners, 10)),
					countCell(r.Clicks, view.missing), export.Number(strconv.FormatInt(r.Orders, 10)), export.Number(strconv.FormatInt(r.Late, 10)),
					export.Text(a.Currency), inCurrency(a.Currency)(a.Minor))
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
}
