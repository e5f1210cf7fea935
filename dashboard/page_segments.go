package dashboard

import (
	"github.com/labstack/echo/v4"

	"tributary/dashboard/export"
	"tributary/report"
)

// segmentsView is what the report on segments shows.
type segmentsView struct {
	*customersFrame
	report.Segments
}

func (s *Server) segments(c echo.Context, v *visit) error {
	view, err := s.loadSegments(c, v)
	if err != nil {
		return err
	}
	keepAddress(c, view.path, view.filter.DayQuery())
	return s.page(c, v, v.text.AcquiredSegmentsTitle(), segmentsPage(view))
}

func (s *Server) loadSegments(c echo.Context, v *visit) (*segmentsView, error) {
	f, err := report.ParseSegments(c.QueryParams(), v.at)
	if err != nil {
		return nil, err
	}
	frame, err := s.customersFrame(c, v, segmentsAt, f)
	if err != nil {
		return nil, err
	}
	view := &segmentsView{customersFrame: frame}
	if view.asks() {
		all, err := s.reports.Segments(c.Request().Context(), v.scope(), view.filter, view.shop)
		view.Segments, view.missing = all, s.isMissing(v, err)
	}
	return view, nil
}

func (s *Server) segmentsCSV(c echo.Context, v *visit) error {
	view, err := s.loadSegments(c, v)
	if err != nil {
		return err
	}
	if view.missing {
		return countsAway()
	}
	in := inCurrency(view.filter.Currency)
	heading := []string{"segment", "customers", "share_of_customers", "orders", "currency", "net_sales", "share_of_sales"}
	return s.sendCSV(c, "segments", heading, func(w *export.Writer) error {
		for _, segment := range view.rows() {
			err := w.Row(export.Text(segment.Name), countIn(segment.Customers), exactRatio(report.Ratio{Sum: segment.Customers, Of: view.All.Customers}),
				countIn(segment.Orders), export.Text(view.filter.Currency), in(segment.Kept), exactRatio(report.Ratio{Sum: segment.Kept, Of: view.All.Kept}))
			if err != nil {
				return err
			}
		}
		for _, part := range view.parts() {
			none := export.Number("")
			err := w.Row(export.Text(part.name), countIn(part.customers), exactRatio(report.Ratio{Sum: part.customers, Of: view.All.Customers}), none, export.Text(view.filter.Currency), none, none)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// rows are the segments and, last, everybody.
func (view *segmentsView) rows() []report.Segment {
	all := view.All
	all.Name = "all"
	return append(append([]report.Segment{}, view.Segments.Segments...), all)
}

// A customerPart is customers who are no segment.
type customerPart struct {
	name      string
	customers int64
}

func (view *segmentsView) parts() []customerPart {
	return []customerPart{
		{report.CustomersSleeping, view.Sleeping},
		{report.CustomersRegular, view.Regulars},
		{report.CustomersLeaving, view.Leaving},
		{report.CustomersLeavingTop, view.LeavingTop},
		{report.CustomersTop, view.Top},
		{report.CustomersCore, view.Core},
		{report.CustomersBest, view.Best},
		{report.CustomersWorst, view.Worst},
	}
}

// list leads to the customers of a part.
func (view *segmentsView) list(which string) string {
	f := view.filter
	f.Which = which
	return view.to(segmentsAt+listAt, f)
}
