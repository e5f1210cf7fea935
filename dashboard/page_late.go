package dashboard

import (
	"context"
	_ "embed"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v4"

	"tributary/dashboard/export"
)

// lateRow is an order that was reported late, as the operator sees it.
type lateRow struct {
	No         int64
	MerchantID int64
	Merchant   string
	OrderID    string
	OccurredAt time.Time
	ReceivedAt time.Time
	Currency   string
	Amount     int64
	Outcome    string
	Partner    string
	Net        int64
	State      string
	KeyID      int64
	Network    string
}

// lateFilter is what the list is narrowed to.
type lateFilter struct {
	Merchant int64
	From, To time.Time
	After    cursor
	limit    int
}

func readLateFilter(q url.Values) lateFilter {
	f := lateFilter{Merchant: number(q.Get("merchant")), After: readCursor(q.Get("after")), limit: pageSize}
	f.From, f.To = readDays(q)
	return f
}

// query is the filter as readLateFilter reads it.
func (f lateFilter) query() url.Values {
	q := url.Values{}
	if f.Merchant != 0 {
		q.Set("merchant", strconv.FormatInt(f.Merchant, 10))
	}
	setDays(q, f.From, f.To)
	if f.After != (cursor{}) {
		q.Set("after", f.After.text())
	}
	return q
}

func (f lateFilter) narrowed() bool { return len(without(f.query(), "after")) > 0 }

// lateQuery leads to the late orders of a merchant in a period.
func (r merchantRow) lateQuery(p period) url.Values {
	return lateFilter{Merchant: r.ID, From: p.From, To: p.To}.query()
}

// lateView is what the page shows.
type lateView struct {
	filter lateFilter
	list   []lateRow
	// merchants are those with late orders.
	merchants []choice
}

func (view lateView) next() string {
	if len(view.list) < view.filter.limit {
		return ""
	}
	last := view.list[len(view.list)-1]
	return cursor{At: last.OccurredAt.UTC(), No: last.No}.text()
}

//go:embed query/late.sql
var lateSQL string

func listLate(ctx context.Context, tx pgx.Tx, f lateFilter) ([]lateRow, error) {
	if f.After == (cursor{}) {
		f.After = cursor{At: endOfTime(), No: math.MaxInt64}
	}
	rows, err := tx.Query(ctx, lateSQL, pgx.NamedArgs{
		"merchant": f.Merchant, "from": orTime(f.From, beginningOfTime()), "to": orTime(f.To, endOfTime()),
		"at": f.After.At, "no": f.After.No, "limit": f.limit,
	})
	if err != nil {
		return nil, fmt.Errorf("listing late orders: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[lateRow])
	if err != nil {
		return nil, fmt.Errorf("listing late orders: %w", err)
	}
	return list, nil
}

func (s *Server) late(c echo.Context, v *visit) error {
	view := lateView{filter: readLateFilter(c.QueryParams())}
	ctx := c.Request().Context()
	err := s.see(ctx, v.scope(), func(tx pgx.Tx) (err error) {
		if view.list, err = listLate(ctx, tx, view.filter); err != nil {
			return err
		}
		// name: merchants with late orders
		rows, err := tx.Query(ctx, `SELECT id, name FROM merchant m WHERE EXISTS (SELECT FROM orders o WHERE o.merchant_id = m.id AND o.late)
			ORDER BY lower(name), id LIMIT 500`)
		if err != nil {
			return fmt.Errorf("listing merchants with late orders: %w", err)
		}
		if view.merchants, err = pgx.CollectRows(rows, pgx.RowToStructByName[choice]); err != nil {
			return fmt.Errorf("listing merchants with late orders: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	keepAddress(c, "/network/late", view.filter.query())
	return s.page(c, v, "Late orders", latePage(view))
}

func (s *Server) lateCSV(c echo.Context, v *visit) error {
	f := readLateFilter(c.QueryParams())
	f.After, f.limit = cursor{}, export.MaxRows
	var list []lateRow
	ctx := c.Request().Context()
	err := s.see(ctx, v.scope(), func(tx pgx.Tx) (err error) {
		list, err = listLate(ctx, tx, f)
		return err
	})
	if err != nil {
		return err
	}
	heading := []string{"merchant", "order", "ordered_at", "received_at", "currency", "amount", "outcome", "partner", "commission", "state", "key", "network"}
	return s.sendCSV(c, "late", heading, func(w *export.Writer) error {
		for _, r := range list {
			in := func(minor int64) export.Cell { return export.Number(amount{r.Currency, minor}.plain()) }
			err := w.Row(export.Text(r.Merchant), export.Text(r.OrderID), export.Number(machine(r.OccurredAt)), export.Number(machine(r.ReceivedAt)),
				export.Text(r.Currency), in(r.Amount), export.Text(r.Outcome), export.Text(r.Partner), in(r.Net), export.Text(r.State),
				export.Number(strconv.FormatInt(r.KeyID, 10)), export.Text(r.Network))
			if err != nil {
				return err
			}
		}
		return nil
	})
}
