package dashboard

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v4"

	"tributary/dashboard/chart"
	"tributary/dashboard/export"
	"tributary/internal/clickhouse"
	"tributary/partners/program"
)

// merchantOverviewView is what the page shows.
type merchantOverviewView struct {
	period   period
	at       time.Time
	money    []merchantMoney
	currency string
	top      []partnerRow
	partners int64
	keys     int64
	late     int64 // orders of the period that were reported late
	counts   merchantCounts
}

// merchantMoney is what partners brought a merchant and cost it, in one currency, net of refunds.
type merchantMoney struct {
	Currency      string
	Orders        int64
	Revenue       int64
	RevenueBefore int64
	Commission    int64
	Fee           int64
	Cost          int64
	CostBefore    int64
}

func (order currencies) sortMoney(list []merchantMoney) {
	slices.SortFunc(list, func(a, b merchantMoney) int { return order.compare(a.Currency, b.Currency) })
}

// merchantCounts are the figures from ClickHouse.
type merchantCounts struct {
	missing                 bool
	newest                  time.Time
	clicks, orders, revenue series
	// all counts every order reported, first and repeat those of partners by whether the customer had bought before.
	all, allBefore, first, repeat int64
}

func (s *Server) merchantOverview(c echo.Context, v *visit) error {
	view, err := s.loadMerchantOverview(c.Request().Context(), v, c.QueryParams())
	if err != nil {
		return err
	}
	return s.page(c, v, "Overview", merchantOverviewPage(view))
}

func (s *Server) loadMerchantOverview(ctx context.Context, v *visit, query url.Values) (merchantOverviewView, error) {
	view := merchantOverviewView{period: readPeriod(query, v.at), at: v.at}
	err := s.see(ctx, v.scope(), func(tx pgx.Tx) (err error) {
		if view.money, err = merchantMoneyBy(ctx, tx, v.login.Merchant, 0, view.period); err != nil {
			return err
		}
		view.currency = view.choose(query.Get("currency"))
		order, err := readCurrencies(ctx, tx)
		if err != nil {
			return err
		}
		order.sortMoney(view.money)
		// name: merchant set-up
		err = tx.QueryRow(ctx, `SELECT (SELECT count(DISTINCT e.partner_id) FROM enrolment e JOIN program g ON g.id = e.program_id WHERE g.merchant_id = $1),
			(SELECT count(*) FROM api_key WHERE merchant_id = $1 AND revoked_at IS NULL),
			(SELECT count(*) FROM orders WHERE merchant_id = $1 AND late AND occurred_at >= $2 AND occurred_at < $3)`,
			int64(v.login.Merchant), view.period.From, view.period.To).Scan(&view.partners, &view.keys, &view.late)
		if err != nil {
			return fmt.Errorf("counting partners, keys and late orders: %w", err)
		}
		return nil
	})
	if err != nil {
		return view, err
	}
	view.counts, err = s.merchantCounts(ctx, question{scope: v.scope(), period: view.period, currency: view.currency}, v.at)
	if err != nil {
		s.cfg.Log.Warn("counts are missing on a page", "error", err, "request", v.id)
		view.counts.missing = true
	}
	list, err := s.loadMerchantPartners(ctx, v, partnerFilter{period: view.period, Sort: sortOrders, limit: 5})
	view.top = list.rows
	return view, err
}

// lateQuery narrows a list of orders to the late ones of a period.
func lateQuery(p period) url.Values {
	q := url.Values{"oddity": {oddityLate}}
	setDays(q, p.From, p.To)
	return q
}

// choose gives the currency of the chart: the one asked for if there is any of it, else the one with most orders.
func (view merchantOverviewView) choose(asked string) string {
	for _, m := range view.money {
		if m.Currency == asked {
			return asked
		}
	}
	if len(view.money) > 0 {
		return view.money[0].Currency
	}
	return ""
}

func (s *Server) merchantCounts(ctx context.Context, q question, now time.Time) (n merchantCounts, err error) {
	if n.clicks, err = s.daily(ctx, q, clicks()); err != nil {
		return n, err
	}
	if n.orders, err = s.daily(ctx, q, credited()); err != nil {
		return n, err
	}
	if n.revenue, err = s.daily(ctx, q, revenue()); err != nil {
		return n, err
	}
	if n.all, n.allBefore, err = s.allOrders(ctx, q); err != nil {
		return n, err
	}
	if n.first, n.repeat, err = s.firstAndRepeat(ctx, q); err != nil {
		return n, err
	}
	n.newest, err = s.newestClick(ctx, q.scope, now)
	return n, err
}

// allOrders counts the orders that were reported, in the period and in the one before. The same order reported again
// counts once.
func (s *Server) allOrders(ctx context.Context, q question) (now, before int64, err error) {
	where, parameters := q.scope.condition()
	maps.Copy(parameters, map[string]string{
		"from": strconv.FormatInt(q.period.From.Unix(), 10), "to": strconv.FormatInt(q.period.To.Unix(), 10),
		"before": strconv.FormatInt(q.period.before().From.Unix(), 10),
	})
	err = s.cfg.ClickHouse.QueryRow(clickhouse.WithParameters(ctx, clickHouseLimit, parameters, q.scope.only()),
		`SELECT toInt64(uniqExactIf(order_id, occurred_at >= toDateTime({from:Int64}, 'UTC'))),
			toInt64(uniqExactIf(order_id, occurred_at < toDateTime({from:Int64}, 'UTC')))
		FROM order_event WHERE `+where+` AND kind = 'sale'
		  AND occurred_at >= toDateTime({before:Int64}, 'UTC') AND occurred_at < toDateTime({to:Int64}, 'UTC')`).Scan(&now, &before)
	if err != nil {
		return 0, 0, fmt.Errorf("asking ClickHouse for all orders: %w", err)
	}
	return now, before, nil
}

// firstAndRepeat counts orders that partners brought by whether they were the customer's first, of those that name a
// customer.
func (s *Server) firstAndRepeat(ctx context.Context, q question) (first, repeat int64, err error) {
	where, parameters := q.scope.condition()
	maps.Copy(parameters, map[string]string{
		"from": strconv.FormatInt(q.period.From.Unix(), 10), "to": strconv.FormatInt(q.period.To.Unix(), 10),
	})
	err = s.cfg.ClickHouse.QueryRow(clickhouse.WithParameters(ctx, clickHouseLimit, parameters, q.scope.only()), `
		SELECT toInt64(countIf(c.ordered <= f.first)), toInt64(countIf(c.ordered > f.first)) FROM (
			SELECT customer_id, any(ordered_at) AS ordered FROM ledger WHERE `+where+someoneEarns+` AND customer_id != ''
			   AND ordered_at >= toDateTime({from:Int64}, 'UTC') AND ordered_at < toDateTime({to:Int64}, 'UTC')
			 GROUP BY merchant_id, order_no, customer_id HAVING sum(orders) > 0) AS c
		JOIN (SELECT customer_id, min(occurred_at) AS first FROM order_event
			   WHERE `+where+` AND kind = 'sale' AND customer_id != '' GROUP BY customer_id) AS f
		ON c.customer_id = f.customer_id`).Scan(&first, &repeat)
	if err != nil {
		return 0, 0, fmt.Errorf("asking ClickHouse for first orders: %w", err)
	}
	return first, repeat, nil
}

// merchantMoneyBy reads what partners, or the one given, brought and cost a merchant in a period and in the one before.
func merchantMoneyBy(ctx context.Context, tx pgx.Tx, id program.MerchantID, partner int64, p period) ([]merchantMoney, error) {
	// name: merchant money
	rows, err := tx.Query(ctx, `SELECT currency, count(*) FILTER (WHERE now) AS orders,
			coalesce(sum(revenue - refunded) FILTER (WHERE now), 0)::bigint AS revenue,
			coalesce(sum(revenue - refunded) FILTER (WHERE NOT now), 0)::bigint AS revenue_before,
			coalesce(sum(net) FILTER (WHERE now), 0)::bigint AS commission, coalesce(sum(fee) FILTER (WHERE now), 0)::bigint AS fee,
			coalesce(sum(net + fee) FILTER (WHERE now), 0)::bigint AS cost,
			coalesce(sum(net + fee) FILTER (WHERE NOT now), 0)::bigint AS cost_before
		FROM (SELECT currency, revenue, refunded, net, fee, occurred_at >= $4 AS now FROM commission
			WHERE merchant_id = $1 AND program_id IN (SELECT id FROM program WHERE merchant_id = $1)
			  AND ($2::bigint = 0 OR partner_id = $2) AND occurred_at >= $3 AND occurred_at < $5) c
		GROUP BY currency ORDER BY orders DESC, currency`, int64(id), partner, p.before().From, p.From, p.To)
	if err != nil {
		return nil, fmt.Errorf("reading a merchant's money: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[merchantMoney])
	if err != nil {
		return nil, fmt.Errorf("reading a merchant's money: %w", err)
	}
	return list, nil
}

// chart is revenue above orders, by day.
func (view merchantOverviewView) chart() chart.Days {
	n := view.counts
	d := chart.Days{
		Title:       "Revenue and orders from partners by day",
		Description: fmt.Sprintf("%s: %s orders from %s clicks. The table below has every day.", view.period.words(), count(n.orders.total()), count(n.clicks.total())),
		First:       view.period.From, Open: view.period.open(view.at),
	}
	if view.currency != "" {
		d.Panels = append(d.Panels, chart.Panel{
			Name: "Revenue from partners after refunds, " + view.currency, Values: n.revenue.now, Before: n.revenue.before, Height: 150, Unit: wholeUnit(view.currency),
			Text:  func(v int64) string { return amount{view.currency, v}.figures() },
			Short: func(v int64) string { return amount{view.currency, v}.short() },
		})
	}
	d.Panels = append(d.Panels, chart.Panel{Name: "Orders from partners", Values: n.orders.now, Bars: true, Height: 84, Unit: 1, Text: count})
	return d
}

// merchantDay is a day of the table beside the chart.
type merchantDay struct {
	day                     time.Time
	clicks, orders, revenue int64
}

// days lists the period's days, newest first.
func (view merchantOverviewView) days() []merchantDay {
	rows := make([]merchantDay, 0, view.period.days())
	for i := view.period.days() - 1; i >= 0; i-- {
		rows = append(rows, merchantDay{
			day: view.period.From.AddDate(0, 0, i), clicks: view.counts.clicks.now[i],
			orders: view.counts.orders.now[i], revenue: view.counts.revenue.now[i],
		})
	}
	return rows
}

func (s *Server) merchantDaysCSV(c echo.Context, v *visit) error {
	view, err := s.loadMerchantOverview(c.Request().Context(), v, c.QueryParams())
	if err != nil {
		return err
	}
	if view.counts.missing {
		return unavailable(nil)
	}
	return s.sendCSV(c, "days", []string{"day", "clicks", "orders", "revenue", "currency"}, func(w *export.Writer) error {
		for _, d := range view.days() {
			err := w.Row(export.Number(d.day.Format(time.DateOnly)), export.Number(strconv.FormatInt(d.clicks, 10)),
				export.Number(strconv.FormatInt(d.orders, 10)), export.Number(amount{view.currency, d.revenue}.plain()), export.Text(view.currency))
			if err != nil {
				return err
			}
		}
		return nil
	})
}
