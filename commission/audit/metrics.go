package audit

import (
	"github.com/prometheus/client_golang/prometheus"

	"tributary/commission/ledger"
)

// booksMetrics are what the last inspection of the books found.
type booksMetrics struct {
	broken, seconds, at, block prometheus.Gauge
	orders                     prometheus.Counter
}

func newBooksMetrics(registry prometheus.Registerer) *booksMetrics {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "tributary", Subsystem: "books", Name: name, Help: help})
	}
	m := &booksMetrics{
		broken:  gauge("broken_findings", "Broken promises that the last inspection of the books found."),
		seconds: gauge("inspection_seconds", "What the last inspection of the books took."),
		at:      gauge("inspected_timestamp_seconds", "When the books were last inspected to the end, in seconds since 1970."),
		block:   gauge("chain_block", "Block of the hash chain up to which it was verified."),
		orders: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "tributary", Subsystem: "books", Name: "inspected_orders_total", Help: "Orders that inspections have decided again.",
		}),
	}
	if registry != nil {
		registry.MustRegister(m.broken, m.seconds, m.at, m.block, m.orders)
	}
	return m
}

func (m *booksMetrics) inspected(v *Verdict, head ledger.Head) {
	m.broken.Set(float64(v.Broken))
	m.seconds.Set(v.Took.Seconds())
	m.at.SetToCurrentTime()
	m.block.Set(float64(head.Block))
	m.orders.Add(float64(v.Orders))
}
