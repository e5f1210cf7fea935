package dashboard

import (
	"cmp"
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"tributary/dashboard/export"
	"tributary/internal/text"
	"tributary/report"
)

// ordersView is what the page shows.
type ordersView struct {
	filter  report.OrderFilter
	list    report.Page[report.Order]
	sums    report.Sums
	partner string
	keys    []report.ReportingKey
	goals   []string // besides sales
	// waiting counts orders of which only a refund is known, up to 1000.
	waiting int64
	// claims counts those that nobody has answered, up to 1000.
	claims int64
	form   bulkForm
}

func (s *Server) orders(c echo.Context, v *visit) error {
	f, err := report.ParseOrders(c.QueryParams(), v.at)
	if err != nil {
		return err
	}
	keepAddress(c, "/merchant/orders", f.Query())
	return s.showOrders(c, v, http.StatusOK, f, bulkForm{})
}

func (s *Server) showOrders(c echo.Context, v *visit, status int, f report.OrderFilter, form bulkForm) error {
	v.path = "/merchant/orders" // also where it answers a form
	form.action, form.Filter = "/merchant/orders/review", without(f.Query(), "after").Encode()
	view, err := s.loadOrders(c, v, f)
	if err != nil {
		return err
	}
	view.form = form
	return s.framed(c, v, status, v.text.OrdersTitle(), ordersPage(view))
}

func (s *Server) loadOrders(c echo.Context, v *visit, f report.OrderFilter) (view ordersView, err error) {
	view.filter = f
	ctx := c.Request().Context()
	err = s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		if view.list, err = r.Orders(ctx, view.filter, report.PageSize); err != nil {
			return err
		}
		if view.sums, err = r.OrderSums(ctx, view.filter); err != nil {
			return err
		}
		if view.waiting, err = r.AwaitingSale(ctx); err != nil {
			return err
		}
		if view.partner, err = r.PartnerName(ctx, view.filter.Partner); err != nil {
			return err
		}
		if view.goals, err = r.Goals(ctx); err != nil {
			return err
		}
		view.keys, err = r.ReportingKeys(ctx)
		return err
	})
	view.claims = s.waiting(c, v).Claims
	return view, err
}

func (s *Server) ordersCSV(c echo.Context, v *visit) error {
	f, err := report.ParseOrders(c.QueryParams(), v.at)
	if err != nil {
		return err
	}
	return listFile[report.Order]{
		name:    "orders",
		heading: []string{"order", "ordered_at", "received_at", "late", "customer", "currency", "amount", "refunded", "over_refund", "refund_oddities", "outcome", "partner", "commission", "fee", "state", "conflict", "goal", "test"},
		page: func(ctx context.Context, r *report.Snapshot, after string) (report.Page[report.Order], error) {
			f.After = after
			return r.Orders(ctx, f, rowsAtOnce)
		},
		row: func(w *export.Writer, r *report.Order) error {
			in := inCurrency(r.Currency)
			return w.Row(export.Text(r.OrderID), timeCell(r.OccurredAt), timeCell(r.ReceivedAt), export.Number(strconv.FormatBool(r.Late)), export.Text(r.CustomerID), export.Text(r.Currency), in(r.Amount), in(r.Refunded), in(r.OverRefund),
				export.Number(strconv.Itoa(r.RefundOddities)),
				export.Text(r.Outcome), export.Text(r.Partner), in(r.Net), in(r.Fee), export.Text(r.State), export.Number(strconv.FormatBool(r.Conflict)),
				export.Text(cmp.Or(r.Goal, report.GoalSale)), export.Number(strconv.FormatBool(r.Test)))
		},
	}.send(s, c, v)
}

// marks tells whether orders of the list can be marked, to say something of several: once the list is narrowed, as to a coupon.
func (view *ordersView) marks() bool { return view.filter.Narrowed() }

// timeCell is a time of a file, or nothing.
func timeCell(t *time.Time) export.Cell {
	if t == nil {
		return export.Number("")
	}
	return export.Number(text.Machine(*t))
}

// keyChoices names the API keys by which orders can be narrowed.
func keyChoices(t *text.Printer, keys []report.ReportingKey) []report.Choice {
	choices := make([]report.Choice, len(keys))
	for i, k := range keys {
		number := strconv.FormatInt(k.ID, 10)
		name := t.OrdersKey(k.Label, number)
		if k.Label == "" {
			name = t.OrdersKeyUnnamed(number)
		}
		if k.Revoked {
			name = t.OrdersKeyRevoked(name)
		}
		choices[i] = report.Choice{ID: k.ID, Name: name}
	}
	return choices
}
