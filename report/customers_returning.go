package report

import (
	"context"
	"slices"
	"time"

	"tributary/partners/access"
)

// Bought is what orders of new or of returning customers came to. Money is in the currency's minor units.
type Bought struct {
	Orders, Customers int64
	Sold, Kept, Cost  int64
}

// Average is the mean order.
func (b *Bought) Average() Ratio { return Ratio{b.Sold, b.Orders} }

// A BoughtMonth is the orders of a month, those that were their customer's first apart from all others.
type BoughtMonth struct {
	Month          time.Time
	New, Returning Bought
	// Customers are those who ordered, each once; Friends the new ones whom a member brought.
	Customers, Friends int64
}

// Of are the orders of new or of returning customers.
func (m *BoughtMonth) Of(which string) *Bought {
	if which == OrdersOfNew {
		return &m.New
	}
	return &m.Returning
}

// Friends100 is RR2: new customers whom a member brought, for each customer who ordered in the month.
func (m *BoughtMonth) Friends100() Ratio { return Ratio{m.Friends, m.Customers} }

// Returning is the report on orders of new and of returning customers in a span.
type Returning struct {
	BoughtMonth

	Months []BoughtMonth
}

// ordered is each order of the span with whether it was its customer's first.
const ordered = `
b AS (
  SELECT customer, x.1 AS at, x.2 AS id, x.3 AS no, x.4 AS sold, x.5 AS kept, x.6 + arraySum(y -> if(y.1 = x.3, y.2, 0), more) AS cost, x.8 AS partner,
         place = 1 AS first, toStartOfMonth(toDate(at, {zone:String})) AS month
    FROM c ARRAY JOIN os AS x, arrayEnumerate(os) AS place
   WHERE at >= {from:DateTime64(6, 'UTC')}
)`

// Returning reads the report for a shop.
func (r *Reader) Returning(ctx context.Context, scope access.Scope, f CustomersFilter, shop *Shop) (all Returning, err error) {
	ctx, err = customerQuery(ctx, scope, f, shop, nil)
	if err != nil {
		return all, err
	}
	var month time.Time
	var total, isNew bool
	var b Bought
	var friends, everyone int64
	err = r.ask(ctx, with(f.orderers(), ordered)+`
SELECT grouping(month) = 1, month, first, toInt64(count()), toInt64(uniqExact(customer)), sum(sold), sum(kept), sum(cost),
       toInt64(countIf(first AND partner IN {members:Array(Int64)})), 0
  FROM b GROUP BY GROUPING SETS ((first), (month, first)) ORDER BY month
UNION ALL
SELECT grouping(month) = 1, month, false, 0, 0, 0, 0, 0, 0, toInt64(uniqExact(customer)) FROM b GROUP BY GROUPING SETS ((), (month)) ORDER BY month`,
		[]any{&total, &month, &isNew, &b.Orders, &b.Customers, &b.Sold, &b.Kept, &b.Cost, &friends, &everyone}, func() {
			m := &all.BoughtMonth
			if !total {
				m = all.month(monthIn(f, month))
			}
			switch {
			case everyone > 0:
				m.Customers = everyone
			case isNew:
				m.New, m.Friends = b, friends
			default:
				m.Returning = b
			}
		})
	return all, err
}

// month is the row of a month, which is made where it is not there. Months come in order.
func (all *Returning) month(at time.Time) *BoughtMonth {
	i := slices.IndexFunc(all.Months, func(m BoughtMonth) bool { return m.Month.Equal(at) })
	if i < 0 {
		i = len(all.Months)
		all.Months = append(all.Months, BoughtMonth{Month: at})
	}
	return &all.Months[i]
}

// orderers is the condition for customers with an order in the filter's span.
func (f CustomersFilter) orderers() string {
	if f.Span.From.IsZero() {
		return ""
	}
	return orderedIn
}
