package report

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/clickhouse"
	"tributary/partners/access"
)

// A BroughtRow is a partner's own new customers in a program and a month, in one currency: how many, and their first orders in minor
// units.
type BroughtRow struct {
	Month                time.Time
	Program              int64
	Name                 string // the program's
	Currency             string
	Customers            int64
	FirstSold, FirstKept int64
}

// FirstValue is the mean first order.
func (b *BroughtRow) FirstValue() Ratio { return Ratio{b.FirstSold, b.Customers} }

// A BroughtOrder is the first order of a new customer, without whose it is.
type BroughtOrder struct {
	No         int64
	OrderID    string
	At         time.Time
	Program    int64
	Name       string // the program's
	Currency   string
	Sold, Kept int64
}

// Brought are a partner's own new customers: by month, the latest first, and a page of their first orders, newest first.
type Brought struct {
	Rows   []BroughtRow
	Orders Page[BroughtOrder]
	Count  int64
}

// brought is the first order of each customer of a merchant in a currency, of those who have an order credited to the partner. It looks
// at the orders of others, since these tell whether an own one was the first; only what is credited to the partner leaves it.
const brought = `WITH c AS (
  SELECT merchant_id, customer_id, toString(currency) AS code,
         argMinIf((ordered_at, order_id, order_no, revenue, revenue - refunded, program_id, partner_id), (ordered_at, order_id), NOT further AND orders > 0) AS first
    FROM customer_order FINAL
   WHERE merchant_id IN {merchants:Array(Int64)} AND customer_id != '' AND ordered_at < {to:DateTime64(6, 'UTC')}
     AND (merchant_id, customer_id) IN (SELECT merchant_id, customer_id FROM customer_order WHERE partner_id = {partner:Int64} AND NOT further AND orders > 0 AND customer_id != '')
     AND (merchant_id, order_id) NOT IN (SELECT merchant_id, order_id FROM order_event WHERE kind = 'sale' AND NOT test
        AND (merchant_id, order_id) IN (SELECT merchant_id, order_id FROM order_event WHERE kind = 'sale' AND goal != '')
      GROUP BY merchant_id, order_id HAVING argMin(goal, (received_at, _offset)) != '')
   GROUP BY merchant_id, customer_id, code HAVING countIf(NOT further AND orders > 0) > 0
), f AS (SELECT code, first, toStartOfMonth(toDate(first.1, {zone:String})) AS month FROM c WHERE first.7 = {partner:Int64} AND first.1 >= {from:DateTime64(6, 'UTC')})
`

// Brought reads a partner's own new customers. missing says why ClickHouse did not answer.
func (r *Reader) Brought(ctx context.Context, scope access.Scope, f CustomersFilter, limit int) (b Brought, missing, err error) {
	of := list{"brought customers", f.Query()}
	from, begun, err := of.after(f.After)
	if err != nil {
		return b, nil, err
	}
	if !begun {
		from = key{At: f.Span.To}
	}
	var merchants []int64
	names := map[int64]string{}
	err = r.Snapshot(ctx, scope, func(s *Snapshot) (err error) {
		merchants, err = s.programNames(ctx, names)
		return err
	})
	if err != nil || len(merchants) == 0 {
		return b, nil, err
	}
	limited, err := broughtQuery(ctx, scope, f, merchants, map[string]string{
		"at": clock(from.At), "no": strconv.FormatInt(from.ID, 10), "limit": strconv.Itoa(limit + 1),
	})
	if err != nil {
		return b, nil, err
	}
	if missing = r.readBrought(limited, f, names, &b); missing != nil {
		return b, missing, nil
	}
	b.Orders, err = cut(of, b.Orders.Rows, limit, func(o BroughtOrder) key { return key{At: o.At, ID: o.No} })
	return b, nil, err
}

func (r *Reader) readBrought(ctx context.Context, f CustomersFilter, names map[int64]string, b *Brought) error {
	var row BroughtRow
	err := r.ask(ctx, brought+`SELECT month, first.6 AS program, code, toInt64(count()), sum(first.4), sum(first.5) FROM f
		GROUP BY month, program, code ORDER BY month DESC, program, code`,
		[]any{&row.Month, &row.Program, &row.Currency, &row.Customers, &row.FirstSold, &row.FirstKept}, func() {
			row.Month, row.Name = monthIn(f, row.Month), names[row.Program]
			b.Rows = append(b.Rows, row)
			b.Count += row.Customers
		})
	if err != nil {
		return err
	}
	var o BroughtOrder
	return r.ask(ctx, brought+`SELECT first.3 AS no, first.2, first.1 AS at, first.6, code, first.4, first.5 FROM f
		WHERE (at, no) < ({at:DateTime64(6, 'UTC')}, {no:Int64}) ORDER BY at DESC, no DESC LIMIT {limit:UInt32}`,
		[]any{&o.No, &o.OrderID, &o.At, &o.Program, &o.Currency, &o.Sold, &o.Kept}, func() {
			o.Name = names[o.Program]
			b.Orders.Rows = append(b.Orders.Rows, o)
		})
}

// programNames reads the names of the partner's programs, and gives their merchants.
func (s *Snapshot) programNames(ctx context.Context, names map[int64]string) (merchants []int64, err error) {
	// name: programs of a partner
	rows, err := s.tx.Query(ctx, `SELECT g.id, g.name, g.merchant_id FROM program g JOIN enrolment e ON e.program_id = g.id WHERE e.partner_id = $1`, int64(s.scope.Partner))
	if err != nil {
		return nil, fmt.Errorf("listing the programs of a partner: %w", err)
	}
	var id, merchant int64
	var name string
	_, err = pgx.ForEachRow(rows, []any{&id, &name, &merchant}, func() error {
		names[id] = name
		merchants = append(merchants, merchant)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing the programs of a partner: %w", err)
	}
	slices.Sort(merchants)
	return slices.Compact(merchants), nil
}

// broughtQuery gives the context for a query of brought. Its second lock is the partner's merchants: the orders of their customers must
// be seen whoever earned on them.
func broughtQuery(ctx context.Context, scope access.Scope, f CustomersFilter, merchants []int64, more map[string]string) (context.Context, error) {
	if err := scope.Check(); err != nil {
		return nil, err
	}
	from, to := f.Span.bounds()
	parameters := map[string]string{
		"merchants": numbers(merchants), "partner": strconv.FormatInt(int64(scope.Partner), 10), "zone": f.Span.To.Location().String(),
		"from": clock(from), "to": clock(to),
	}
	maps.Copy(parameters, more)
	locks := only(scope)
	locks["customer_order"] = "merchant_id IN " + numbers(merchants)
	locks["order_event"] = locks["customer_order"]
	return clickhouse.WithParameters(ctx, customerLimit, parameters, locks), nil
}
