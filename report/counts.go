package report

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"time"

	"tributary/internal/clickhouse"
	"tributary/internal/fault"
	"tributary/internal/text"
	"tributary/partners/access"
)

// countLimit is how long ClickHouse works for one read.
const countLimit = 5 * time.Second

// condition is the part of a query that keeps it within the scope, and the value it needs. A scope of nobody has a
// condition too, which no row meets.
func condition(scope access.Scope) (sql string, parameters map[string]string) {
	switch {
	case scope.Check() != nil:
		return "{tenant:Int64} = 1", map[string]string{"tenant": "0"}
	case scope.Partner != 0:
		return "partner_id = {tenant:Int64}", map[string]string{"tenant": strconv.FormatInt(int64(scope.Partner), 10)}
	case scope.Merchant != 0:
		return "merchant_id = {tenant:Int64}", map[string]string{"tenant": strconv.FormatInt(int64(scope.Merchant), 10)}
	}
	return "{tenant:Int64} = 0", map[string]string{"tenant": "0"}
}

// only is the same condition for each table of the reports, as a setting of the query that its text cannot take back: a
// second lock, should a query ever be made without the first. The network has none.
func only(scope access.Scope) map[string]string {
	partner, merchant := "0", "0"
	switch {
	case scope.Check() != nil:
	case scope.Partner != 0:
		partner = "partner_id = " + strconv.FormatInt(int64(scope.Partner), 10)
	case scope.Merchant != 0:
		merchant = "merchant_id = " + strconv.FormatInt(int64(scope.Merchant), 10)
		partner = merchant
	default:
		return nil
	}
	return map[string]string{"touch": partner, "touch_15m": partner, "ledger": partner, "ledger_15m": partner, "customer_order": partner, "order_event": merchant}
}

// within gives the context for a query of the scope, with the condition that its text must hold. More parameters may be
// added to those of the condition.
func within(ctx context.Context, scope access.Scope, more map[string]string) (limited context.Context, where string, err error) {
	if err := scope.Check(); err != nil {
		return nil, "", err
	}
	where, parameters := condition(scope)
	maps.Copy(parameters, more)
	return clickhouse.WithParameters(ctx, countLimit, parameters, only(scope)), where, nil
}

// A Question asks for counts of a scope in a period, of one partner, link or currency where that is set.
type Question struct {
	Scope    access.Scope
	Period   Period
	Partner  int64
	Link     int64
	Currency string
}

// parameters are a question's values, by the names that queries know them by.
func (q Question) parameters() map[string]string {
	return map[string]string{
		"from": seconds(q.Period.From), "to": seconds(q.Period.To), "before": seconds(q.Period.Before().From), "zone": q.Period.zone(),
		"partner": strconv.FormatInt(q.Partner, 10), "link": strconv.FormatInt(q.Link, 10), "currency": q.Currency,
	}
}

func seconds(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

// A Measure is what is added up. Its texts, like those of a grouping, are constants of this file: nothing that a person
// typed becomes part of a query.
type Measure struct {
	sum, table, condition string
	// ofOrders marks what is counted for each partner of an order, and so must leave out all but one of them where it is not
	// counted by partner.
	ofOrders bool
}

// someoneEarns keeps to orders on which a partner earns: the ledger's events count the others under partner 0.
const someoneEarns = " AND partner_id != 0"

// Clicks are those that count.
func Clicks() Measure { return Measure{sum: "clicks", table: "touch_15m"} }

// MarkedClicks are those that do not count: bots, prefetches, duplicates.
func MarkedClicks() Measure { return Measure{sum: "marked", table: "touch_15m"} }

// CreditedOrders are orders on which a partner earns.
func CreditedOrders() Measure {
	return Measure{sum: "orders", table: "ledger_15m", condition: someoneEarns, ofOrders: true}
}

// Earned is the partners' commission in the question's currency, in minor units.
func Earned() Measure {
	return Measure{sum: "net", table: "ledger_15m", condition: someoneEarns + " AND unit = {currency:String}"}
}

// Revenue is what credited orders brought after refunds in the question's currency, in minor units.
func Revenue() Measure {
	return Measure{sum: "revenue - refunded", table: "ledger_15m", condition: someoneEarns + " AND currency = {currency:String}", ofOrders: true}
}

// A Dimension is a column by which counts are grouped.
type Dimension string

// The dimensions of counts that are not by day.
const (
	ByLink     Dimension = "link_id"
	ByPartner  Dimension = "partner_id"
	ByMerchant Dimension = "merchant_id"
)

// byDay numbers the days of the question's zone as civil does.
const byDay Dimension = "toInt64(toDate(quarter, {zone:String}))"

// CountBy adds up a measure by the numbers of a dimension's rows. Whoever asks for one partner, or by partner or link, gets
// an order counted for each who earns on it; all others once.
func (r *Reader) CountBy(ctx context.Context, q Question, m Measure, by Dimension) (map[int64]int64, error) {
	ctx, where, err := within(ctx, q.Scope, q.parameters())
	if err != nil {
		return nil, err
	}
	if m.ofOrders && q.Scope.Partner == 0 && q.Partner == 0 && q.Link == 0 && by != ByPartner && by != ByLink {
		where += " AND NOT further"
	}
	rows, err := r.counts.Query(ctx, `SELECT `+string(by)+` AS grouped, toInt64(sum(`+m.sum+`)) FROM `+m.table+` WHERE `+where+m.condition+`
		AND quarter >= toDateTime({from:Int64}, 'UTC') AND quarter < toDateTime({to:Int64}, 'UTC')
		AND ({partner:Int64} = 0 OR partner_id = {partner:Int64}) AND ({link:Int64} = 0 OR link_id = {link:Int64})
		GROUP BY grouped`)
	if err != nil {
		return nil, fmt.Errorf("asking ClickHouse for %s: %w", m.sum, err)
	}
	figures := map[int64]int64{}
	var group, n int64
	if err := clickhouse.ForEachRow(rows, []any{&group, &n}, func() { figures[group] = n }); err != nil {
		return nil, fmt.Errorf("reading %s: %w", m.sum, err)
	}
	return figures, nil
}

// A Series is a measure by day of a period, and of the period before.
type Series struct{ Now, Before []int64 }

// Total adds up the period.
func (s Series) Total() int64 { return sum(s.Now) }

// TotalBefore adds up the period before.
func (s Series) TotalBefore() int64 { return sum(s.Before) }

// Daily adds up a measure by day, with the period before in the same query.
func (r *Reader) Daily(ctx context.Context, q Question, m Measure) (Series, error) {
	now, before := q.Period, q.Period.Before()
	q.Period.From = before.From
	byDay, err := r.CountBy(ctx, q, m, byDay)
	if err != nil {
		return Series{}, err
	}
	return Series{Now: along(now, byDay), Before: along(before, byDay)}, nil
}

// along lays figures by the number of their day out over a period.
func along(p Period, byDay map[int64]int64) []int64 {
	values, first := make([]int64, p.Days()), civil(p.From)
	for i := range values {
		values[i] = byDay[int64(first+i)]
	}
	return values
}

func sum(values []int64) int64 {
	total := int64(0)
	for _, v := range values {
		total += v
	}
	return total
}

// NewestClick is when the newest click of the last day was received that ClickHouse holds; zero when there is none.
func (r *Reader) NewestClick(ctx context.Context, scope access.Scope, now time.Time) (time.Time, error) {
	ctx, where, err := within(ctx, scope, map[string]string{"from": seconds(now.Add(-24 * time.Hour))})
	if err != nil {
		return time.Time{}, err
	}
	var newest time.Time
	err = r.counts.QueryRow(ctx, `SELECT max(received_at) FROM touch WHERE `+where+` AND occurred_at >= toDateTime({from:Int64}, 'UTC')`).Scan(&newest)
	if err != nil {
		return time.Time{}, fmt.Errorf("asking ClickHouse for the newest click: %w", err)
	}
	if newest.Unix() <= 0 {
		return time.Time{}, nil
	}
	return newest.UTC(), nil
}

// AllOrders counts the orders that were reported, in the period and in the one before. The same order reported again counts
// once.
func (r *Reader) AllOrders(ctx context.Context, q Question) (now, before int64, err error) {
	ctx, where, err := within(ctx, q.Scope, q.parameters())
	if err != nil {
		return 0, 0, err
	}
	err = r.counts.QueryRow(ctx, `SELECT toInt64(uniqExactIf(order_id, occurred_at >= toDateTime({from:Int64}, 'UTC'))),
			toInt64(uniqExactIf(order_id, occurred_at < toDateTime({from:Int64}, 'UTC')))
		FROM order_event WHERE `+where+` AND kind = 'sale' AND NOT test
		  AND occurred_at >= toDateTime({before:Int64}, 'UTC') AND occurred_at < toDateTime({to:Int64}, 'UTC')`).Scan(&now, &before)
	if err != nil {
		return 0, 0, fmt.Errorf("asking ClickHouse for all orders: %w", err)
	}
	return now, before, nil
}

// FirstAndRepeat counts orders that partners brought by whether they were the customer's first, of those that name a
// customer.
func (r *Reader) FirstAndRepeat(ctx context.Context, q Question) (first, repeat int64, err error) {
	ctx, where, err := within(ctx, q.Scope, q.parameters())
	if err != nil {
		return 0, 0, err
	}
	err = r.counts.QueryRow(ctx, `
		SELECT toInt64(countIf(c.ordered <= f.first)), toInt64(countIf(c.ordered > f.first)) FROM (
			SELECT customer_id, any(ordered_at) AS ordered FROM ledger WHERE `+where+someoneEarns+` AND customer_id != ''
			   AND ordered_at >= toDateTime({from:Int64}, 'UTC') AND ordered_at < toDateTime({to:Int64}, 'UTC')
			 GROUP BY merchant_id, order_no, customer_id HAVING sum(orders) > 0) AS c
		JOIN (SELECT customer_id, min(occurred_at) AS first FROM order_event
			   WHERE `+where+` AND kind = 'sale' AND NOT test AND customer_id != '' GROUP BY customer_id) AS f
		ON c.customer_id = f.customer_id`).Scan(&first, &repeat)
	if err != nil {
		return 0, 0, fmt.Errorf("asking ClickHouse for first orders: %w", err)
	}
	return first, repeat, nil
}

// An Origin is a column that a link's clicks are told apart by.
type Origin string

// Origins are the columns; the first is the one that a page begins with.
func Origins() []Origin {
	return []Origin{"referrer", "sub1", "sub2", "sub3", "sub4", "sub5", "device", "browser"}
}

// An OriginCount is a value of an origin with its clicks.
type OriginCount struct {
	Value  string
	Clicks int64
}

// maxOrigins bounds the table of origins: the most frequent ones.
const maxOrigins = 20

// ClicksByOrigin counts a link's clicks by origin, the most frequent first. An origin that is none gives an error.
func (r *Reader) ClicksByOrigin(ctx context.Context, q Question, by Origin) ([]OriginCount, error) {
	if !slices.Contains(Origins(), by) {
		return nil, refuse(fault.Wrong("by", text.WrongOrigin(quoted(string(by))), text.FixLeaveOut()))
	}
	ctx, where, err := within(ctx, q.Scope, q.parameters())
	if err != nil {
		return nil, err
	}
	rows, err := r.counts.Query(ctx, `SELECT toString(`+string(by)+`) AS value, toInt64(count()) AS clicks
		FROM touch WHERE `+where+` AND link_id = {link:Int64} AND kind = 'click' AND marks = 0
		AND occurred_at >= toDateTime({from:Int64}, 'UTC') AND occurred_at < toDateTime({to:Int64}, 'UTC')
		GROUP BY value ORDER BY clicks DESC, value LIMIT `+strconv.Itoa(maxOrigins))
	if err != nil {
		return nil, fmt.Errorf("asking ClickHouse for origins: %w", err)
	}
	var list []OriginCount
	var n OriginCount
	if err := clickhouse.ForEachRow(rows, []any{&n.Value, &n.Clicks}, func() { list = append(list, n) }); err != nil {
		return nil, fmt.Errorf("reading origins: %w", err)
	}
	return list, nil
}

// ParseOrigins reads the address of a link's figures: a period, and by which origin its clicks are told apart.
func ParseOrigins(values url.Values, now time.Time) (Period, Origin, error) {
	names := make([]string, len(Origins()))
	for i, o := range Origins() {
		names[i] = string(o)
	}
	q := newQuery(values, now)
	p, by := q.period(), Origin(cmp.Or(q.oneOf("by", names...), names[0]))
	return p, by, q.err()
}
