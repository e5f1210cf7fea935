package dashboard

import (
	"context"
	"net/url"

	"github.com/labstack/echo/v4"

	"tributary/dashboard/chart"
	"tributary/internal/text"
	"tributary/report"
)

// merchantOverviewView is what the page shows.
type merchantOverviewView struct {
	overview

	top   []report.Partner
	setup report.Setup
	// all counts every order reported, first and repeat those of partners by whether the customer had bought before.
	all, allBefore, first, repeat int64
}

func (s *Server) merchantOverview(c echo.Context, v *visit) error {
	view, err := s.loadMerchantOverview(c, v)
	if err != nil {
		return err
	}
	return s.page(c, v, v.text.OverviewTitle(), merchantOverviewPage(view))
}

func (s *Server) loadMerchantOverview(c echo.Context, v *visit) (*merchantOverviewView, error) {
	o, asked, err := readOverview(c, v, "/merchant")
	if err != nil {
		return nil, err
	}
	view, ctx := &merchantOverviewView{overview: o}, c.Request().Context()
	err = s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		if err := view.readMoney(ctx, r, asked); err != nil {
			return err
		}
		view.setup, err = r.Setup(ctx, view.period)
		return err
	})
	if err != nil {
		return nil, err
	}
	q := view.question(v)
	view.missing = s.isMissing(v, s.countMerchant(ctx, q, view))
	top, err := s.reports.Partners(ctx, q, report.PartnerFilter{Period: view.period}, 5)
	view.top = top.Rows
	return view, err
}

func (s *Server) countMerchant(ctx context.Context, q report.Question, view *merchantOverviewView) (err error) {
	if err := view.count(ctx, s.reports, q, report.Revenue()); err != nil {
		return err
	}
	if view.all, view.allBefore, err = s.reports.AllOrders(ctx, q); err != nil {
		return err
	}
	view.first, view.repeat, err = s.reports.FirstAndRepeat(ctx, q)
	return err
}

// lateQuery narrows a list of orders to the late ones of a period.
func lateQuery(p report.Period) url.Values {
	return report.OrderFilter{Oddity: report.OddityLate, Days: p.Span()}.Query()
}

// chart is revenue above orders, by day.
func (view *merchantOverviewView) chart(t *text.Printer) chart.Days {
	return chart.Days{
		Title:       t.ChartRevenue(),
		Description: t.ChartRevenueIs(t.ChartClicks(view.clicks.Total()), t.ChartOrders(view.orders.Total()), periodWords(t, view.period)),
		First:       view.period.From, Open: view.period.Open(view.at),
		Panels: append(view.amountPanel(t.ChartRevenueByDay), chart.Panel{Name: t.ChartOrdersPartners(), Values: view.orders.Now, Bars: true, Height: 84, Unit: 1, Text: t.Count}),
	}
}

func (s *Server) merchantDaysCSV(c echo.Context, v *visit) error {
	view, err := s.loadMerchantOverview(c, v)
	if err != nil {
		return err
	}
	return s.sendDays(c, &view.overview, "revenue")
}
