package dashboard

import (
	"github.com/labstack/echo/v4"

	"tributary/dashboard/export"
	"tributary/internal/text"
	"tributary/report"
)

// returningView is what the report on new and returning customers shows.
type returningView struct {
	*customersFrame
	report.Returning
}

func (s *Server) returning(c echo.Context, v *visit) error {
	view, err := s.loadReturning(c, v)
	if err != nil {
		return err
	}
	keepAddress(c, view.path, view.filter.Query())
	return s.page(c, v, v.text.AcquiredReturningTitle(), returningPage(view))
}

func (s *Server) loadReturning(c echo.Context, v *visit) (*returningView, error) {
	f, err := report.ParseReturning(c.QueryParams(), v.at)
	if err != nil {
		return nil, err
	}
	frame, err := s.customersFrame(c, v, returningAt, f)
	if err != nil {
		return nil, err
	}
	view := &returningView{customersFrame: frame}
	if view.asks() {
		all, err := s.reports.Returning(c.Request().Context(), v.scope(), view.filter, view.shop)
		view.Returning, view.missing = all, s.isMissing(v, err)
	}
	return view, nil
}

func (s *Server) returningCSV(c echo.Context, v *visit) error {
	view, err := s.loadReturning(c, v)
	if err != nil {
		return err
	}
	if view.missing {
		return countsAway()
	}
	currency := view.filter.Currency
	in := inCurrency(currency)
	heading := []string{"month", "customers", "which", "orders", "currency", "sales", "net_sales", "average", "cost", "friends_per_100"}
	return s.sendCSV(c, "new-and-returning", heading, func(w *export.Writer) error {
		for i := range view.Months {
			m := &view.Months[i]
			for _, which := range []string{report.OrdersOfNew, report.OrdersOfReturning} {
				b := m.Of(which)
				err := w.Row(export.Text(m.Month.Format("2006-01")), countIn(b.Customers), export.Text(which), countIn(b.Orders), export.Text(currency),
					in(b.Sold), in(b.Kept), exactMoney(currency, b.Average()), in(b.Cost), exactRatio(report.Ratio{Sum: 100 * m.Friends, Of: m.Customers}))
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// list leads to the orders behind a figure: of a month, or of all of them.
func (view *returningView) list(which string, m *report.BoughtMonth) string {
	f := view.filter
	f.Which = which
	if m != nil {
		f.Month = m.Month
	}
	return view.to(ordersAt, f)
}

func (view *returningView) bars(t *text.Printer) []bar {
	list := make([]bar, len(view.Months))
	for i := range view.Months {
		m := &view.Months[i]
		list[i] = bar{
			name: m.Month.Format("2006-01"), parts: []int64{m.New.Orders, m.Returning.Orders}, to: view.list("", m),
			title: t.Month(m.Month) + ": " + t.AcquiredNew() + " " + t.Count(m.New.Orders) + ", " + t.AcquiredReturning() + " " + t.Count(m.Returning.Orders),
		}
	}
	return list
}

// only is the month that a list is narrowed to: none for the row of all months.
func (view *returningView) only(m *report.BoughtMonth) *report.BoughtMonth {
	if m == &view.BoughtMonth {
		return nil
	}
	return m
}
