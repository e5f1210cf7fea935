package report

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"tributary/partners/access"
)

// A CustomerRow is a customer of a list: what the figures of reports are made of.
type CustomerRow struct {
	Customer    string
	First, Last time.Time
	// FirstNo is the number of the first order, FirstID the merchant's id of it, and Partner whom it is credited to: 0 for nobody.
	FirstNo int64
	FirstID string
	Partner int64
	// Name is the partner's.
	Name string
	// Orders counts all orders so far. FirstSold and FirstKept are the first one, Kept all of them, Cost what the first one cost.
	Orders                           int64
	FirstSold, FirstKept, Kept, Cost int64
}

// A CustomerList is a page of customers, with the sums of the whole list.
type CustomerList struct {
	Page[CustomerRow]

	Count int64
	Sum   CustomerRow
}

// The parts of the list of new customers: those who ordered again at all, on another day, or within so many days.
const (
	CustomersAgain     = "again"
	CustomersAgainDays = "again_days"
)

func newCustomerLists() []string {
	names := []string{CustomersAgain, CustomersAgainDays}
	for _, days := range RepurchaseDays() {
		names = append(names, strconv.FormatInt(days, 10))
	}
	return names
}

// The parts of the list of all customers beside the segments.
const (
	CustomersSleeping   = "sleeping"
	CustomersRegular    = "regular"
	CustomersLeaving    = "leaving"
	CustomersLeavingTop = "leaving_top"
	CustomersTop        = "top"
	CustomersCore       = "core"
	CustomersBest       = "best"
	CustomersWorst      = "worst"
)

func segmentLists() []string { return append(CustomerSegments(), segmentParts()...) }

func segmentParts() []string {
	return []string{CustomersSleeping, CustomersRegular, CustomersLeaving, CustomersLeavingTop, CustomersTop, CustomersCore, CustomersBest, CustomersWorst}
}

// newOnesWhich are the conditions of the parts of the list of new customers.
func newOnesWhich(which string) string {
	switch which {
	case "":
		return "true"
	case CustomersAgain:
		return "n > 1"
	case CustomersAgainDays:
		return "length(days) > 1"
	}
	return "wait > 0 AND wait <= " + which + " * 86400000000"
}

// segmentWhich are the conditions of the parts of the list of all customers.
func segmentWhich(which string) string {
	switch which {
	case "":
		return "true"
	case CustomersLeavingTop:
		return "leaving AND top"
	case CustomersBest:
		return "r = 5 AND f = 5 AND m = 5"
	case CustomersWorst:
		return "r = 1 AND f = 1 AND m = 1"
	}
	if slices.Contains(CustomerSegments(), which) {
		return "segment = '" + which + "'"
	}
	return which
}

// NewCustomerList reads a page of the customers whose first order is in the filter's span.
func (r *Reader) NewCustomerList(ctx context.Context, scope access.Scope, f CustomersFilter, shop *Shop, limit int) (CustomerList, error) {
	query := with(f.newOnes(), spansOfGroups, acquired) + `, l AS (SELECT customer, os, first, n, arraySum(x -> x.5, os) AS kept, cost FROM a
		WHERE ({month:String} = '' OR month = toDateOrZero({month:String})) AND ({later:Int64} < 0 OR has(months, {later:Int64})) AND ` + newOnesWhich(f.Which) + `)`
	return r.customerList(ctx, scope, f, shop, query, list{"new customers", f.Query()}, limit)
}

// SegmentList reads a page of a segment's customers.
func (r *Reader) SegmentList(ctx context.Context, scope access.Scope, f CustomersFilter, shop *Shop, limit int) (CustomerList, error) {
	query := with("", segmented) + `, l AS (SELECT customer, os, os[1] AS first, n, kept, cost FROM s WHERE ` + segmentWhich(f.Which) + `)`
	return r.customerList(ctx, scope, f, shop, query, list{"customers of a segment", f.DayQuery()}, limit)
}

// date is a month as ClickHouse reads it; empty for none.
func date(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.DateOnly)
}

// customerList reads a page of l, sorted by customer, and its sums.
func (r *Reader) customerList(ctx context.Context, scope access.Scope, f CustomersFilter, shop *Shop, query string, of list, limit int) (all CustomerList, err error) {
	from, _, err := of.after(f.After)
	if err != nil {
		return all, err
	}
	ctx, err = customerQuery(ctx, scope, f, shop, map[string]string{
		"month": date(f.Month), "later": strconv.Itoa(f.Later), "after": from.Text, "limit": strconv.Itoa(limit + 1),
	})
	if err != nil {
		return all, err
	}
	var total bool
	var row CustomerRow
	var count int64
	var rows []CustomerRow
	err = r.ask(ctx, query+`
SELECT true, '', toDateTime64(0, 6, 'UTC'), toDateTime64(0, 6, 'UTC'), 0, '', 0, toInt64(count()), toInt64(sum(n)), sum(first.4), sum(first.5), sum(kept), sum(cost) FROM l
UNION ALL
(SELECT false, customer, first.1, os[-1].1, first.3, first.2, first.8, 0, toInt64(n), first.4, first.5, kept, cost FROM l
 WHERE customer > {after:String} ORDER BY customer LIMIT {limit:UInt32})`,
		[]any{
			&total, &row.Customer, &row.First, &row.Last, &row.FirstNo, &row.FirstID, &row.Partner, &count,
			&row.Orders, &row.FirstSold, &row.FirstKept, &row.Kept, &row.Cost,
		}, func() {
			if total {
				all.Count, all.Sum = count, row
				return
			}
			if row.Partner != 0 {
				row.Name = shop.Partner(row.Partner)
			}
			rows = append(rows, row)
			row.Name = ""
		})
	if err != nil {
		return all, err
	}
	slices.SortFunc(rows, func(a, b CustomerRow) int { return strings.Compare(a.Customer, b.Customer) })
	all.Page, err = cut(of, rows, limit, func(c CustomerRow) key { return key{Text: c.Customer} })
	return all, err
}

// The orders of customers that are new with them, and all others.
const (
	OrdersOfNew       = "new"
	OrdersOfReturning = "returning"
)

// An OrderByCustomer is an order of a list.
type OrderByCustomer struct {
	No       int64
	OrderID  string
	Customer string
	At       time.Time
	Partner  int64
	Name     string // the partner's
	First    bool   // of its customer
	Sold     int64
	Kept     int64
	Cost     int64
}

// An OrdersByCustomer is a page of orders, with the sums of the whole list.
type OrdersByCustomer struct {
	Page[OrderByCustomer]

	Sum Bought
}

// OrdersByCustomer reads a page of the orders in the filter's span, newest first.
func (r *Reader) OrdersByCustomer(ctx context.Context, scope access.Scope, f CustomersFilter, shop *Shop, limit int) (all OrdersByCustomer, err error) {
	of := list{"orders of customers", f.Query()}
	from, begun, err := of.after(f.After)
	if err != nil {
		return all, err
	}
	if !begun {
		from = key{At: f.Span.To}
	}
	ctx, err = customerQuery(ctx, scope, f, shop, map[string]string{
		"month": date(f.Month), "which": f.Which, "at": clock(from.At), "no": strconv.FormatInt(from.ID, 10), "limit": strconv.Itoa(limit + 1),
	})
	if err != nil {
		return all, err
	}
	var total bool
	var o OrderByCustomer
	var sum Bought
	var rows []OrderByCustomer
	err = r.ask(ctx, with(f.orderers(), ordered)+`, l AS (SELECT no, id, customer, at, partner, first, sold, kept, cost FROM b
		WHERE ({month:String} = '' OR month = toDateOrZero({month:String})) AND ({which:String} = '' OR first = ({which:String} = 'new')))
SELECT true, 0, '', '', toDateTime64(0, 6, 'UTC'), 0, false, sum(sold), sum(kept), sum(cost), toInt64(count()), toInt64(uniqExact(customer)) FROM l
UNION ALL
(SELECT false, no, id, customer, at, partner, first, sold, kept, cost, 0, 0 FROM l
 WHERE (at, no) < ({at:DateTime64(6, 'UTC')}, {no:Int64}) ORDER BY at DESC, no DESC LIMIT {limit:UInt32})`,
		[]any{&total, &o.No, &o.OrderID, &o.Customer, &o.At, &o.Partner, &o.First, &o.Sold, &o.Kept, &o.Cost, &sum.Orders, &sum.Customers}, func() {
			if total {
				all.Sum = Bought{Orders: sum.Orders, Customers: sum.Customers, Sold: o.Sold, Kept: o.Kept, Cost: o.Cost}
				return
			}
			if o.Name = ""; o.Partner != 0 {
				o.Name = shop.Partner(o.Partner)
			}
			rows = append(rows, o)
		})
	if err != nil {
		return all, err
	}
	slices.SortFunc(rows, func(a, b OrderByCustomer) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(b.No, a.No)) })
	all.Page, err = cut(of, rows, limit, func(o OrderByCustomer) key { return key{At: o.At, ID: o.No} })
	return all, err
}
