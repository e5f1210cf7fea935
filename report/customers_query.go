package report

import (
	"context"
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"
	"time"

	"tributary/internal/clickhouse"
	"tributary/partners/access"
)

// Reports on customers are made when they are asked for, from the orders of each customer in the order of their stated times, those of
// one moment in that of the merchant's ids. So late orders, void ones and those that move to another partner need no repair. A customer
// is who the merchant says it is: orders without a customer's id, trial orders, counted clicks and leads are in none of these reports,
// and neither are orders in another currency than the one asked for. What is sold is gross, what is kept is net of all refunds so far.

// customerLimit is how long ClickHouse works for one report.
const customerLimit = 20 * time.Second

// ordersOf gives each customer with all orders up to the end of the span, %s being a condition that leaves customers out: os are
// (1 when, 2 the merchant's id, 3 number, 4 sold, 5 kept, 6 what its first credit costs, 7 program, 8 partner, 9 link), and more what
// the further credits of an order cost (1 number, 2 cost). An order stands once in the rows that have orders and are not further.
const ordersOf = `
c AS (
  SELECT merchant_id AS merchant, customer_id AS customer,
         arraySort(groupArrayIf((ordered_at, order_id, order_no, revenue, revenue - refunded, if(unit = currency, customer_order.net + fee, 0), program_id, partner_id, link_id),
                                NOT further AND orders > 0)) AS os,
         groupArrayIf((order_no, customer_order.net + fee), further AND unit = currency) AS more
    FROM customer_order FINAL
   WHERE ` + ofCustomers + ` AND ordered_at < {to:DateTime64(6, 'UTC')} %s
   GROUP BY merchant, customer HAVING length(os) > 0
)`

// ofCustomers are the rows of customer_order that reports look at: those of the shop, which Shop takes from the scope or, for the operator,
// from the filter. Leads are reported as orders with another goal; of reports under one id the first stands.
const ofCustomers = `merchant_id = {merchant:Int64} AND currency = {currency:String} AND customer_id != ''
     AND order_id NOT IN (SELECT order_id FROM order_event WHERE merchant_id = {merchant:Int64} AND kind = 'sale' AND NOT test
        AND order_id IN (SELECT order_id FROM order_event WHERE merchant_id = {merchant:Int64} AND kind = 'sale' AND goal != '')
      GROUP BY order_id HAVING argMin(goal, (received_at, _offset)) != '')`

// newIn leaves out customers whose first order is not in the span. An order's rows add up to 1 over all to whom it moved, so it takes no
// look at single orders.
const newIn = `AND customer_id IN (
     SELECT customer_id FROM customer_order WHERE ` + ofCustomers + ` AND NOT further AND ordered_at < {to:DateTime64(6, 'UTC')}
      GROUP BY customer_id HAVING sumIf(orders, ordered_at < {from:DateTime64(6, 'UTC')}) = 0 AND sum(orders) > 0)`

// orderedIn leaves out customers without an order in the span.
const orderedIn = `AND customer_id IN (
     SELECT customer_id FROM customer_order WHERE ` + ofCustomers + ` AND NOT further AND ordered_at >= {from:DateTime64(6, 'UTC')}
        AND ordered_at < {to:DateTime64(6, 'UTC')} AND orders > 0)`

// spansOfGroups are the times in which partners were in groups, by program and partner.
const spansOfGroups = `
g AS (
  SELECT x.1 AS program, x.2 AS partner, groupArray((fromUnixTimestamp64Micro(x.3, 'UTC') AS since, fromUnixTimestamp64Micro(x.4, 'UTC') AS until, x.5)) AS spans
    FROM (SELECT arrayJoin(arrayZip({group_programs:Array(Int64)}, {group_partners:Array(Int64)}, {group_from:Array(Int64)},
                                    {group_until:Array(Int64)}, {group_names:Array(String)})) AS x)
   GROUP BY program, partner
)`

// acquired says of each customer whose first order is in the span what reports ask: first is that order, seconds the time of each in
// seconds, wait how long the first later one took (0 where there is none), months and days those of the span's zone in which there are
// orders, and gaps the time between them.
const acquired = `
a AS (
  SELECT customer, os, os[1] AS first, length(os) AS n, first.6 + arraySum(x -> if(x.1 = first.3, x.2, 0), more) AS cost,
         arrayPopFront(arrayDifference(arrayMap(x -> toInt64(toUnixTimestamp(x.1)), os))) AS gaps,
         arrayDistinct(arrayMap(x -> toInt64(toDate(x.1, {zone:String})), os)) AS days, arrayPopFront(arrayDifference(days)) AS day_gaps,
         arrayPopFront(arrayMap(x -> x.4, os)) AS sold_again, arraySum(x -> x.5, os) - first.5 AS kept_again,
         dateDiff('microsecond', first.1, arrayFirst(x -> x > first.1, arrayMap(x -> x.1, os))) AS wait,
         toStartOfMonth(toDate(first.1, {zone:String})) AS month,
         arrayMap(x -> toInt64(dateDiff('month', month, toDate(x.1, {zone:String}))), os) AS months,
         multiIf(first.8 = 0, 'nobody', first.8 IN {members:Array(Int64)}, 'member', 'site') AS source,
         arrayMap(x -> x.3, arrayFilter(x -> x.1 <= first.1 AND first.1 < x.2, spans)) AS groups
    FROM c LEFT JOIN g ON g.program = first.7 AND g.partner = first.8
   WHERE first.1 >= {from:DateTime64(6, 'UTC')}
     AND ({source:String} = '' OR source = {source:String}) AND ({partner:Int64} = 0 OR first.8 = {partner:Int64})
     AND ({program:Int64} = 0 OR first.7 = {program:Int64}) AND ({link:Int64} = 0 OR first.9 = {link:Int64})
     AND ({group:String} = '' OR has(groups, {group:String}))
)`

// with begins a query by the parts that it is made of, for customers that a condition leaves.
func with(condition string, parts ...string) string {
	return "WITH" + strings.Join(append([]string{fmt.Sprintf(ordersOf, condition)}, parts...), ",") + "\n"
}

// newOnes is the condition for customers that are new in the filter's span.
func (f CustomersFilter) newOnes() string {
	if f.Span.From.IsZero() {
		return ""
	}
	return newIn
}

// customerQuery gives the context for a query on a merchant's customers.
func customerQuery(ctx context.Context, scope access.Scope, f CustomersFilter, shop *Shop, more map[string]string) (context.Context, error) {
	if err := scope.Check(); err != nil {
		return nil, err
	}
	from, to := f.Span.bounds()
	parameters := map[string]string{
		"merchant": strconv.FormatInt(shop.Merchant, 10), "currency": f.Currency, "zone": f.Span.To.Location().String(),
		"from": clock(from), "to": clock(to), "source": f.Source, "partner": strconv.FormatInt(f.Partner, 10),
		"program": strconv.FormatInt(f.Program, 10), "link": strconv.FormatInt(f.Link, 10), "group": f.Group,
		"members":        numbers(shop.members()),
		"group_programs": numbers(shop.groups.programs), "group_partners": numbers(shop.groups.partners), "group_names": texts(shop.groups.names),
		"group_from": numbers(shop.groups.from), "group_until": numbers(shop.groups.until),
	}
	maps.Copy(parameters, more)
	return clickhouse.WithParameters(ctx, customerLimit, parameters, only(scope)), nil
}

// clock writes a time as ClickHouse reads it, within what it can hold.
func clock(t time.Time) string {
	t = t.UTC()
	if t.Unix() < 0 {
		t = time.Unix(0, 0).UTC()
	}
	return t.Format("2006-01-02 15:04:05.000000")
}

// numbers and texts write lists as ClickHouse reads them.
func numbers(list []int64) string {
	all := make([]string, len(list))
	for i, n := range list {
		all[i] = strconv.FormatInt(n, 10)
	}
	return "[" + strings.Join(all, ",") + "]"
}

func texts(list []string) string {
	escape := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	all := make([]string, len(list))
	for i, s := range list {
		all[i] = "'" + escape.Replace(s) + "'"
	}
	return "[" + strings.Join(all, ",") + "]"
}

// ask sends a query and scans each row of its answer.
func (r *Reader) ask(ctx context.Context, sql string, dest []any, do func()) error {
	rows, err := r.counts.Query(ctx, sql)
	if err != nil {
		return fmt.Errorf("asking ClickHouse for customers: %w", err)
	}
	if err := clickhouse.ForEachRow(rows, dest, do); err != nil {
		return fmt.Errorf("reading customers: %w", err)
	}
	return nil
}

// forever is the end of a time that has none, in microseconds.
const forever = int64(math.MaxInt32) * int64(time.Second/time.Microsecond)
