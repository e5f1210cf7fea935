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
	view, err := s.loadNetwork(c, v)
	if err != nil {
		return err
	}
	keepAddress(c, "/network", view.filter.Query())
	return s.page(c, v, v.text.NetworkTitle(), networkPage(view))
}

func (s *Server) loadNetwork(c echo.Context, v *visit) (*networkView, error) {
	f, err := report.ParseMerchants(c.QueryParams(), v.at)
	if err != nil {
		return nil, err
	}
	view, ctx := &networkView{filter: f, at: v.at}, c.Request().Context()
	err = s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		if view.merchants, err = r.Merchants(ctx, f, merchantsPageSize); err != nil {
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
	f, err := report.ParseMerchants(c.QueryParams(), v.at)
	if err != nil {
		return err
	}
	missing := false
	return listFile[report.Merchant]{
		name:    "merchants",
		heading: []string{"merchant", "programs", "partners", "clicks", "orders", "late", "currency", "cost"},
		page: func(ctx context.Context, r *report.Snapshot, after string) (report.Page[report.Merchant], error) {
			f.After = after
			list, err := r.Merchants(ctx, f, merchantsPageSize)
			if err == nil {
				missing = s.isMissing(v, s.reports.CountMerchants(ctx, report.Question{Scope: v.scope(), Period: f.Period}, list.Rows))
			}
			return list, err
		},
		row: func(w *export.Writer, r *report.Merchant) error {
			for _, a := range orOne(r.Costs) {
				err := w.Row(export.Text(r.Name), export.Number(strconv.FormatInt(r.Programs, 10)), export.Number(strconv.FormatInt(r.Partners, 10)),
					countCell(r.Clicks, missing), countCell(r.Orders, missing), export.Number(strconv.FormatInt(r.Late, 10)),
					export.Text(a.Currency), inCurrency(a.Currency)(a.Minor))
				if err != nil {
					return err
				}
			}
			return nil
		},
	}.send(s, c, v)
}
