package dashboard

import (
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"tributary/dashboard/export"
	"tributary/report"
)

// customerListView is the customers behind a figure.
type customerListView struct {
	*customersFrame
	report.CustomerList

	// query is the list's address, and of what it is a list, as far as that is a segment.
	segments bool
}

// fileRows bounds a file of customers or orders: what one answer of ClickHouse may have.
const fileRows = 100_000

func (s *Server) newCustomerList(c echo.Context, v *visit) error {
	view, err := s.loadCustomerList(c, v, false, report.PageSize)
	if err != nil {
		return err
	}
	return s.page(c, v, v.text.AcquiredList(), customerListPage(view))
}

func (s *Server) segmentList(c echo.Context, v *visit) error {
	view, err := s.loadCustomerList(c, v, true, report.PageSize)
	if err != nil {
		return err
	}
	return s.page(c, v, v.text.AcquiredList(), customerListPage(view))
}

func (s *Server) newCustomerListCSV(c echo.Context, v *visit) error {
	return s.customerListCSV(c, v, false)
}

func (s *Server) segmentListCSV(c echo.Context, v *visit) error { return s.customerListCSV(c, v, true) }

func (s *Server) loadCustomerList(c echo.Context, v *visit, segments bool, limit int) (*customerListView, error) {
	parse, at := report.ParseNewCustomers, listAt
	read := s.reports.NewCustomerList
	if segments {
		parse, at, read = report.ParseSegmentCustomers, segmentsAt+listAt, s.reports.SegmentList
	}
	f, err := parse(c.QueryParams(), v.at)
	if err != nil {
		return nil, err
	}
	frame, err := s.customersFrame(c, v, at, f)
	if err != nil {
		return nil, err
	}
	if !frame.asks() {
		return nil, countsAway()
	}
	view := &customerListView{customersFrame: frame, segments: segments}
	view.CustomerList, err = read(c.Request().Context(), v.scope(), view.filter, view.shop, limit)
	return view, err
}

func (s *Server) customerListCSV(c echo.Context, v *visit, segments bool) error {
	view, err := s.loadCustomerList(c, v, segments, fileRows)
	if err != nil {
		return err
	}
	s.markTruncated(c, view.Next)
	in := inCurrency(view.filter.Currency)
	heading := []string{"customer", "name", "first_order", "first_order_id", "last_order", "orders", "currency", "first_sold", "first_net", "net_so_far", "first_cost"}
	return s.sendCSV(c, "customers", heading, func(w *export.Writer) error {
		for i := range view.Rows {
			r := &view.Rows[i]
			err := w.Row(export.Text(r.Customer), export.Text(r.Name), export.Text(r.First.Format(time.RFC3339)), export.Text(r.FirstID), export.Text(r.Last.Format(time.RFC3339)),
				countIn(r.Orders), export.Text(view.filter.Currency), in(r.FirstSold), in(r.FirstKept), in(r.Kept), in(r.Cost))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// customerOrdersView is the orders behind a figure.
type customerOrdersView struct {
	*customersFrame
	report.OrdersByCustomer
}

func (s *Server) ordersByCustomer(c echo.Context, v *visit) error {
	view, err := s.loadOrdersByCustomer(c, v, report.PageSize)
	if err != nil {
		return err
	}
	return s.page(c, v, v.text.AcquiredOrdersAll(), ordersByCustomerPage(view))
}

func (s *Server) loadOrdersByCustomer(c echo.Context, v *visit, limit int) (*customerOrdersView, error) {
	f, err := report.ParseOrdersByCustomer(c.QueryParams(), v.at)
	if err != nil {
		return nil, err
	}
	frame, err := s.customersFrame(c, v, ordersAt, f)
	if err != nil {
		return nil, err
	}
	if !frame.asks() {
		return nil, countsAway()
	}
	view := &customerOrdersView{customersFrame: frame}
	view.OrdersByCustomer, err = s.reports.OrdersByCustomer(c.Request().Context(), v.scope(), view.filter, view.shop, limit)
	return view, err
}

func (s *Server) ordersByCustomerCSV(c echo.Context, v *visit) error {
	view, err := s.loadOrdersByCustomer(c, v, fileRows)
	if err != nil {
		return err
	}
	s.markTruncated(c, view.Next)
	in := inCurrency(view.filter.Currency)
	heading := []string{"order", "ordered_at", "customer", "which", "name", "currency", "sales", "net_sales", "cost"}
	return s.sendCSV(c, "orders-by-customer", heading, func(w *export.Writer) error {
		for i := range view.Rows {
			o := &view.Rows[i]
			which := report.OrdersOfReturning
			if o.First {
				which = report.OrdersOfNew
			}
			err := w.Row(export.Text(o.OrderID), export.Text(o.At.Format(time.RFC3339)), export.Text(o.Customer), export.Text(which), export.Text(o.Name),
				export.Text(view.filter.Currency), in(o.Sold), in(o.Kept), in(o.Cost))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// markTruncated says that a file ends before its list does.
func (s *Server) markTruncated(c echo.Context, next string) {
	if next != "" {
		c.Response().Header().Set(truncatedHeader, itoa(fileRows))
	}
}

// order is the address of an order's page.
func (view *customersFrame) order(no int64) string {
	if view.base == networkCustomers {
		return "/network/orders/" + strconv.FormatInt(no, 10)
	}
	return "/merchant/orders/" + strconv.FormatInt(no, 10)
}
