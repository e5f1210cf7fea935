package dashboard

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"time"

	"tributary/internal/clickhouse"
)

// clickHouseLimit is how long ClickHouse works for one query of a page.
const clickHouseLimit = 5 * time.Second

// condition is the part of a query that keeps it within the scope, and the value it needs. A scope of nobody has a
// condition too, which no row meets.
func (sc scope) condition() (sql string, parameters map[string]string) {
	switch {
	case sc.partner != 0:
		return "partner_id = {tenant:Int64}", map[string]string{"tenant": strconv.FormatInt(int64(sc.partner), 10)}
	case sc.merchant != 0:
		return "merchant_id = {tenant:Int64}", map[string]string{"tenant": strconv.FormatInt(int64(sc.merchant), 10)}
	case sc.operator:
		return "{tenant:Int64} = 0", map[string]string{"tenant": "0"}
	}
	return "{tenant:Int64} = 1", map[string]string{"tenant": "0"}
}

// only is the same condition for each table of the reports, as a setting of the query that its text cannot take back: a
// second lock, should a query ever be made without the first. The operator has none.
func (sc scope) only() map[string]string {
	partner, merchant := "0", "0"
	switch {
	case sc.partner != 0:
		partner = "partner_id = " + strconv.FormatInt(int64(sc.partner), 10)
	case sc.merchant != 0:
		merchant = "merchant_id = " + strconv.FormatInt(int64(sc.merchant), 10)
		partner = merchant
	case sc.operator:
		return nil
	}
	return map[string]string{"touch": partner, "touch_hourly": partner, "ledger": partner, "ledger_hourly": partner, "order_event": merchant}
}

// A question asks the hourly figures of a scope in a period, of one partner, link or currency where that is set.
type question struct {
	scope    scope
	period   period
	partner  int64
	link     int64
	currency string
}

// A measure is what is added up. Its texts, like those of a grouping, are constants of this file: nothing that a person
// typed becomes part of a query.
type measure struct{ sum, table, condition string }

// someoneEarns keeps to orders on which a partner earns: the ledger's events count the others under partner 0.
const someoneEarns = " AND partner_id != 0"

// Measures. Those of money are in minor units of the question's currency.
func clicks() measure { return measure{sum: "clicks", table: "touch_hourly"} }
func marked() measure { return measure{sum: "marked", table: "touch_hourly"} }
func credited() measure {
	return measure{sum: "orders", table: "ledger_hourly", condition: someoneEarns}
}

func earned() measure {
	return measure{sum: "net", table: "ledger_hourly", condition: someoneEarns + " AND currency = {currency:String}"}
}

func revenue() measure {
	return measure{sum: "revenue - refunded", table: "ledger_hourly", condition: someoneEarns + " AND currency = {currency:String}"}
}

// A grouping is the column that figures are grouped by.
type grouping string

const (
	perDay      grouping = "toStartOfDay(hour)"
	perLink     grouping = "link_id"
	perPartner  grouping = "partner_id"
	perMerchant grouping = "merchant_id"
)

// ask adds up a measure by group; K is the group's type, time.Time for perDay and int64 for the others.
func ask[K comparable](ctx context.Context, db clickhouse.Conn, q question, m measure, by grouping) (map[K]int64, error) {
	where, parameters := q.scope.condition()
	maps.Copy(parameters, map[string]string{
		"from": strconv.FormatInt(q.period.From.Unix(), 10), "to": strconv.FormatInt(q.period.To.Unix(), 10),
		"partner": strconv.FormatInt(q.partner, 10), "link": strconv.FormatInt(q.link, 10), "currency": q.currency,
	})
	sql := `SELECT ` + string(by) + ` AS grouped, toInt64(sum(` + m.sum + `)) FROM ` + m.table + ` WHERE ` + where + m.condition + `
		AND hour >= toDateTime({from:Int64}, 'UTC') AND hour < toDateTime({to:Int64}, 'UTC')
		AND ({partner:Int64} = 0 OR partner_id = {partner:Int64}) AND ({link:Int64} = 0 OR link_id = {link:Int64})
		GROUP BY grouped`
	rows, err := db.Query(clickhouse.WithParameters(ctx, clickHouseLimit, parameters, q.scope.only()), sql)
	if err != nil {
		return nil, fmt.Errorf("asking ClickHouse for %s: %w", m.sum, err)
	}
	defer func() { _ = rows.Close() }()
	figures := map[K]int64{}
	for rows.Next() {
		var group K
		var n int64
		if err := rows.Scan(&group, &n); err != nil {
			return nil, fmt.Errorf("reading %s: %w", m.sum, err)
		}
		figures[group] = n
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading %s: %w", m.sum, err)
	}
	return figures, nil
}

// A series is a measure by day, and in the period before.
type series struct{ now, before []int64 }

func (s series) total() int64       { return sum(s.now) }
func (s series) totalBefore() int64 { return sum(s.before) }
func (s series) change() change     { return changeOf(s.total(), s.totalBefore()) }

// daily asks for a measure by day, with the period before in the same query.
func (s *Server) daily(ctx context.Context, q question, m measure) (series, error) {
	p := q.period
	q.period.From = p.before().From
	byDay, err := ask[time.Time](ctx, s.cfg.ClickHouse, q, m, perDay)
	if err != nil {
		return series{}, err
	}
	return series{now: along(p, byDay), before: along(p.before(), byDay)}, nil
}

// newestClick is when the newest click of the last day was received that the reports hold; zero when there is none.
func (s *Server) newestClick(ctx context.Context, sc scope, now time.Time) (time.Time, error) {
	where, parameters := sc.condition()
	parameters["from"] = strconv.FormatInt(now.Add(-aDay).Unix(), 10)
	var newest time.Time
	err := s.cfg.ClickHouse.QueryRow(clickhouse.WithParameters(ctx, clickHouseLimit, parameters, sc.only()),
		`SELECT max(received_at) FROM touch WHERE `+where+` AND occurred_at >= toDateTime({from:Int64}, 'UTC')`).Scan(&newest)
	if err != nil {
		return time.Time{}, fmt.Errorf("asking ClickHouse for the newest click: %w", err)
	}
	if newest.Unix() <= 0 {
		return time.Time{}, nil
	}
	return newest.UTC(), nil
}

// along lays figures by day out over a period.
func along(p period, byDay map[time.Time]int64) []int64 {
	values := make([]int64, p.days())
	for t, n := range byDay {
		if i, ok := p.index(t); ok {
			values[i] += n
		}
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
