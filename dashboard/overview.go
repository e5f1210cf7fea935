package dashboard

import (
	"context"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"tributary/dashboard/chart"
	"tributary/dashboard/export"
	"tributary/report"
)

// An overview is what the overviews of a partner and of a merchant share: money by currency, and counts by day.
type overview struct {
	path   string // of the page
	period report.Period
	at     time.Time
	money  []report.Money
	// currency is the one of the chart, empty where there is no money.
	currency string
	missing  bool // counts are
	newest   time.Time
	clicks   report.Series
	orders   report.Series
	// amounts are earnings or revenue, in the chart's currency.
	amounts report.Series
}

// readOverview reads the period and the currency that an address asks for.
func readOverview(c echo.Context, v *visit, path string) (o overview, asked string, err error) {
	period, asked, err := report.ParseOverview(c.QueryParams(), v.at)
	return overview{path: path, period: period, at: v.at}, asked, err
}

func (o *overview) readMoney(ctx context.Context, r *report.Snapshot, asked string) (err error) {
	o.money, err = r.Money(ctx, o.period, 0)
	o.currency = report.MainCurrency(o.money, asked)
	return err
}

// question asks for counts of the overview's period.
func (o *overview) question(v *visit) report.Question {
	return report.Question{Scope: v.scope(), Period: o.period, Currency: o.currency}
}

// count asks for the counts by day.
func (o *overview) count(ctx context.Context, reports *report.Reader, q report.Question, amounts report.Measure) (err error) {
	if o.clicks, err = reports.Daily(ctx, q, report.Clicks()); err != nil {
		return err
	}
	if o.orders, err = reports.Daily(ctx, q, report.CreditedOrders()); err != nil {
		return err
	}
	if o.amounts, err = reports.Daily(ctx, q, amounts); err != nil {
		return err
	}
	o.newest, err = reports.NewestClick(ctx, q.Scope, o.at)
	return err
}

// amountPanel is the chart's line of money; there is none without a currency.
func (o *overview) amountPanel(name func(currency string) string) []chart.Panel {
	if o.currency == "" {
		return nil
	}
	return []chart.Panel{{
		Name: name(o.currency), Values: o.amounts.Now, Before: o.amounts.Before, Height: 150, Unit: wholeUnit(o.currency),
		Text:  func(v int64) string { return amount{o.currency, v}.figures() },
		Short: func(v int64) string { return amount{o.currency, v}.short() },
	}}
}

// A dayRow is a day of the table beside the chart.
type dayRow struct {
	day                     time.Time
	clicks, orders, amounts int64
}

// days lists the period's days, newest first.
func (o *overview) days() []dayRow {
	rows := make([]dayRow, 0, o.period.Days())
	for i := o.period.Days() - 1; i >= 0; i-- {
		rows = append(rows, dayRow{day: o.period.Day(i), clicks: o.clicks.Now[i], orders: o.orders.Now[i], amounts: o.amounts.Now[i]})
	}
	return rows
}

// sendDays sends the days as a file, in which the amounts have a name.
func (s *Server) sendDays(c echo.Context, o *overview, amounts string) error {
	if o.missing {
		return countsAway()
	}
	return s.sendCSV(c, "days", []string{"day", "clicks", "orders", amounts, "currency"}, func(w *export.Writer) error {
		in := inCurrency(o.currency)
		for _, d := range o.days() {
			err := w.Row(export.Number(d.day.Format(time.DateOnly)), export.Number(strconv.FormatInt(d.clicks, 10)),
				export.Number(strconv.FormatInt(d.orders, 10)), in(d.amounts), export.Text(o.currency))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// isMissing tells whether counts could not be read, and says so in the log.
func (s *Server) isMissing(v *visit, err error) bool {
	if err != nil {
		s.cfg.Log.Warn("counts are missing on a page", "path", v.path, "error", err, "request", v.id)
	}
	return err != nil
}
