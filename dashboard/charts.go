package dashboard

import (
	"time"

	"tributary/dashboard/chart"
	"tributary/internal/text"
	"tributary/report"
)

// clicksChart is clicks above orders, by day.
func clicksChart(t *text.Printer, p report.Period, at time.Time, clicks, orders report.Series) chart.Days {
	return chart.Days{
		Title:       t.ChartClicksOrders(),
		Description: t.ChartClicksOrdersIs(t.ChartClicks(clicks.Total()), t.ChartOrders(orders.Total()), periodWords(t, p)),
		First:       p.From, Open: p.Open(at),
		Panels: []chart.Panel{
			{Name: t.ColumnClicks(), Values: clicks.Now, Before: clicks.Before, Height: 120, Unit: 1, Text: t.Count},
			{Name: t.ColumnOrders(), Values: orders.Now, Bars: true, Height: 64, Unit: 1, Text: t.Count},
		},
	}
}
