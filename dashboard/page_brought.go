package dashboard

import (
	"time"

	"github.com/labstack/echo/v4"

	"tributary/dashboard/export"
	"tributary/report"
)

// broughtView is a partner's own new customers.
type broughtView struct {
	report.Brought

	filter  report.CustomersFilter
	missing bool
	at      time.Time
}

func (s *Server) broughtCustomers(c echo.Context, v *visit) error {
	view, err := s.loadBrought(c, v, report.PageSize)
	if err != nil {
		return err
	}
	keepAddress(c, "/partner/customers", view.filter.Query())
	return s.page(c, v, v.text.AcquiredPartnerTitle(), broughtPage(view))
}

func (s *Server) loadBrought(c echo.Context, v *visit, limit int) (*broughtView, error) {
	f, err := report.ParseBrought(c.QueryParams(), v.at)
	if err != nil {
		return nil, err
	}
	view := &broughtView{filter: f, at: v.at}
	var missing error
	view.Brought, missing, err = s.reports.Brought(c.Request().Context(), v.scope(), f, limit)
	view.missing = s.isMissing(v, missing)
	return view, err
}

func (s *Server) broughtCSV(c echo.Context, v *visit) error {
	view, err := s.loadBrought(c, v, fileRows)
	if err != nil {
		return err
	}
	if view.missing {
		return countsAway()
	}
	s.markTruncated(c, view.Orders.Next)
	heading := []string{"order", "ordered_at", "program", "currency", "sales", "net_sales"}
	return s.sendCSV(c, "new-customers", heading, func(w *export.Writer) error {
		for i := range view.Orders.Rows {
			o := &view.Orders.Rows[i]
			in := inCurrency(o.Currency)
			err := w.Row(export.Text(o.OrderID), export.Text(o.At.Format(time.RFC3339)), export.Text(o.Name), export.Text(o.Currency), in(o.Sold), in(o.Kept))
			if err != nil {
				return err
			}
		}
		return nil
	})
}
