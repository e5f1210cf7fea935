package dashboard

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v4"

	"tributary/commission/ledger"
	"tributary/dashboard/chart"
	"tributary/dashboard/export"
	"tributary/partners/program"
)

// partnerOverviewView is what the page shows.
type partnerOverviewView struct {
	period period
	at     time.Time
	// money is by currency.
	money []partnerMoney
	// currency is the one of the chart.
	currency string
	latest   []commissionRow
	links    []linkRow
	counts   partnerCounts
}

// partnerMoney is a partner's money in one currency.
type partnerMoney struct {
	Currency                     string
	Earned, EarnedBefore, Orders int64
	Pending, Payable             int64
}

// partnerCounts are the figures from ClickHouse.
type partnerCounts struct {
	missing                bool
	newest                 time.Time
	clicks, orders, earned series
}

func (s *Server) partnerOverview(c echo.Context, v *visit) error {
	view, err := s.loadPartnerOverview(c.Request().Context(), v, c.QueryParams())
	if err != nil {
		return err
	}
	return s.page(c, v, "Overview", partnerOverviewPage(view))
}

func (s *Server) loadPartnerOverview(ctx context.Context, v *visit, query url.Values) (partnerOverviewView, error) {
	view := partnerOverviewView{period: readPeriod(query, v.at), at: v.at}
	id := v.login.Partner
	err := s.see(ctx, v.scope(), func(tx pgx.Tx) (err error) {
		if view.money, err = partnerMoneyBy(ctx, tx, id, view.period); err != nil {
			return err
		}
		view.currency = chosenCurrency(query.Get("currency"), view.money)
		order, err := readCurrencies(ctx, tx)
		if err != nil {
			return err
		}
		slices.SortFunc(view.money, func(a, b partnerMoney) int { return order.compare(a.Currency, b.Currency) })
		if view.latest, err = listCommissions(ctx, tx, commissionFilter{partner: id, Sort: sortNewest, limit: 6}); err != nil {
			return err
		}
		view.links, err = s.listLinks(ctx, tx, linkFilter{partner: id, State: "open", limit: 3})
		return err
	})
	if err != nil {
		return view, err
	}
	view.counts, err = s.partnerCounts(ctx, question{scope: v.scope(), period: view.period, currency: view.currency}, v.at)
	if err != nil {
		s.cfg.Log.Warn("counts are missing on a page", "error", err, "request", v.id)
		view.counts.missing = true
	}
	return view, nil
}

func (s *Server) partnerCounts(ctx context.Context, q question, now time.Time) (n partnerCounts, err error) {
	if n.clicks, err = s.daily(ctx, q, clicks()); err != nil {
		return n, err
	}
	if n.orders, err = s.daily(ctx, q, credited()); err != nil {
		return n, err
	}
	if n.earned, err = s.daily(ctx, q, earned()); err != nil {
		return n, err
	}
	n.newest, err = s.newestClick(ctx, q.scope, now)
	return n, err
}

// partnerMoneyBy reads what a partner earned in a period and the one before, from the commissions, and the balances of
// today, from the books.
func partnerMoneyBy(ctx context.Context, tx pgx.Tx, id program.PartnerID, p period) ([]partnerMoney, error) {
	// name: partner earnings
	rows, err := tx.Query(ctx, `SELECT currency,
			coalesce(sum(net) FILTER (WHERE occurred_at >= $3), 0)::bigint AS earned,
			coalesce(sum(net) FILTER (WHERE occurred_at < $3), 0)::bigint AS earned_before,
			count(*) FILTER (WHERE occurred_at >= $3) AS orders, 0::bigint AS pending, 0::bigint AS payable
		FROM commission WHERE partner_id = $1 AND occurred_at >= $2 AND occurred_at < $4
		GROUP BY currency ORDER BY orders DESC, currency`, id, p.before().From, p.From, p.To)
	if err != nil {
		return nil, fmt.Errorf("reading earnings: %w", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByName[partnerMoney])
	if err != nil {
		return nil, fmt.Errorf("reading earnings: %w", err)
	}
	balances, err := ledger.PartnerBalances(ctx, tx, id, time.Time{})
	if err != nil {
		return nil, fmt.Errorf("reading balances: %w", err)
	}
	for _, b := range balances {
		i := slices.IndexFunc(all, func(m partnerMoney) bool { return m.Currency == b.Unit })
		if i < 0 {
			i, all = len(all), append(all, partnerMoney{Currency: b.Unit})
		}
		switch b.Kind {
		case ledger.PartnerPending:
			all[i].Pending += b.Amount()
		case ledger.PartnerPayable:
			all[i].Payable += b.Amount()
		case ledger.MerchantReceivable, ledger.FeePending, ledger.FeeEarned:
		}
	}
	return all, nil
}

// chosenCurrency is the one asked for when the partner has it, else the first.
func chosenCurrency(asked string, money []partnerMoney) string {
	first := ""
	for _, m := range money {
		if m.Currency == asked {
			return asked
		}
		if first == "" {
			first = m.Currency
		}
	}
	return first
}

// chart is earnings above clicks, by day.
func (view partnerOverviewView) chart() chart.Days {
	n := view.counts
	d := chart.Days{
		Title:       "Earnings and clicks by day",
		Description: fmt.Sprintf("%s: %s clicks and %s orders. The table below has every day.", view.period.words(), count(n.clicks.total()), count(n.orders.total())),
		First:       view.period.From, Open: view.period.open(view.at),
	}
	if view.currency != "" {
		d.Panels = append(d.Panels, chart.Panel{
			Name: "Earnings by day of order, " + view.currency, Values: n.earned.now, Before: n.earned.before, Height: 150, Unit: wholeUnit(view.currency),
			Text:  func(v int64) string { return amount{view.currency, v}.figures() },
			Short: func(v int64) string { return amount{view.currency, v}.short() },
		})
	}
	d.Panels = append(d.Panels, chart.Panel{Name: "Clicks", Values: n.clicks.now, Bars: true, Height: 84, Unit: 1, Text: count})
	return d
}

// dayRow is a day of the table beside the chart.
type dayRow struct {
	day                    time.Time
	clicks, orders, earned int64
}

// days lists the period's days, newest first.
func (view partnerOverviewView) days() []dayRow {
	rows := make([]dayRow, 0, view.period.days())
	for i := view.period.days() - 1; i >= 0; i-- {
		rows = append(rows, dayRow{
			day: view.period.From.AddDate(0, 0, i), clicks: view.counts.clicks.now[i],
			orders: view.counts.orders.now[i], earned: view.counts.earned.now[i],
		})
	}
	return rows
}

func (s *Server) partnerDaysCSV(c echo.Context, v *visit) error {
	view, err := s.loadPartnerOverview(c.Request().Context(), v, c.QueryParams())
	if err != nil {
		return err
	}
	if view.counts.missing {
		return unavailable(nil)
	}
	return s.sendCSV(c, "days", []string{"day", "clicks", "orders", "earned", "currency"}, func(w *export.Writer) error {
		for _, d := range view.days() {
			err := w.Row(export.Number(d.day.Format(time.DateOnly)), export.Number(strconv.FormatInt(d.clicks, 10)),
				export.Number(strconv.FormatInt(d.orders, 10)), export.Number(amount{view.currency, d.earned}.plain()), export.Text(view.currency))
			if err != nil {
				return err
			}
		}
		return nil
	})
}
