package dashboard

import (
	"github.com/labstack/echo/v4"

	"tributary/dashboard/chart"
	"tributary/internal/text"
	"tributary/report"
)

// partnerOverviewView is what the page shows.
type partnerOverviewView struct {
	overview

	latest   []report.Commission
	programs []report.Program
	// link is one that is open, empty where there is none.
	link string
}

func (s *Server) partnerOverview(c echo.Context, v *visit) error {
	view, err := s.loadPartnerOverview(c, v)
	if err != nil {
		return err
	}
	return s.page(c, v, v.text.OverviewTitle(), partnerOverviewPage(view))
}

func (s *Server) loadPartnerOverview(c echo.Context, v *visit) (*partnerOverviewView, error) {
	o, asked, err := readOverview(c, v, "/partner")
	if err != nil {
		return nil, err
	}
	view, ctx := &partnerOverviewView{overview: o}, c.Request().Context()
	err = s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) error {
		if err := view.readMoney(ctx, r, asked); err != nil {
			return err
		}
		var err error
		if view.programs, err = r.Programs(ctx); err != nil {
			return err
		}
		latest, err := r.Commissions(ctx, report.CommissionFilter{}, 6)
		if err != nil {
			return err
		}
		links, err := r.Links(ctx, report.LinkFilter{State: report.LinkOpen}, 1)
		view.latest = latest.Rows
		for _, l := range links.Rows {
			view.link = s.trackingURL(l.Code)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	view.missing = s.isMissing(v, view.count(ctx, s.reports, view.question(v), report.Earned()))
	return view, nil
}

// chart is earnings above clicks, by day.
func (view *partnerOverviewView) chart(t *text.Printer) chart.Days {
	return chart.Days{
		Title:       t.ChartEarnings(),
		Description: t.ChartEarningsIs(t.ChartClicks(view.clicks.Total()), t.ChartOrders(view.orders.Total()), periodWords(t, view.period)),
		First:       view.period.From, Open: view.period.Open(view.at),
		Panels: append(view.amountPanel(t.ChartEarningsByDay), chart.Panel{Name: t.ColumnClicks(), Values: view.clicks.Now, Bars: true, Height: 84, Unit: 1, Text: t.Count}),
	}
}

func (s *Server) partnerDaysCSV(c echo.Context, v *visit) error {
	view, err := s.loadPartnerOverview(c, v)
	if err != nil {
		return err
	}
	return s.sendDays(c, &view.overview, "earned")
}
