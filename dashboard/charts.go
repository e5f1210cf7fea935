package dashboard

import (
	"fmt"
	"time"

	"tributary/dashboard/chart"
	"tributary/report"
)

// clicksChart is clicks above orders, by day.
func clicksChart(p report.Period, at time.Time, clicks, orders report.Series) chart.Days {
	return chart.Days{
		Title:       "Clicks and orders by day",
		Description: fmt.Sprintf("%s: %s clicks and %s orders.", periodWords(p), count(clicks.Total()), count(orders.Total())),
		First:       p.From, Open: p.Open(at),
		Panels: []chart.Panel{
			{Name: "Clicks", Values: clicks.Now, Before: clicks.Before, Height: 120, Unit: 1, Text: count},
			{Name: "Orders", Values: orders.Now, Bars: true, Height: 64, Unit: 1, Text: count},
		},
	}
}
