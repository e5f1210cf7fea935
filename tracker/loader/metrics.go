package loader

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/internal/event"
	"tributary/internal/position"
)

// metrics are the loader's counters. They count without a registry too.
type metrics struct {
	rows, batches, duplicates, letters, forged, retries, parked *prometheus.CounterVec

	said *prometheus.CounterVec // by kind

	size, seconds, freshness *prometheus.HistogramVec

	lag             *prometheus.GaugeVec
	waiting, oldest prometheus.Gauge
}

func newMetrics(registry prometheus.Registerer, keepers []*position.Keeper) *metrics {
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "tributary", Subsystem: "loader", Name: name, Help: help}, []string{"topic"})
	}
	m := &metrics{
		rows:       counter("rows_total", "Rows stored in ClickHouse."),
		batches:    counter("batches_total", "Batches processed, including those without rows."),
		duplicates: counter("duplicates_total", "Records dropped because their sequence was seen before."),
		letters:    counter("dead_letters_total", "Records moved to the dead letters."),
		forged:     counter("forged_records_total", "Records in Kafka that no key of this network has signed."),
		retries:    counter("retries_total", "Inserts that failed and were retried."),
		parked:     counter("parked_total", "Batches that were parked, which need operator action."),
		said: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "tributary", Subsystem: "loader", Name: "facts_total",
			Help: "Facts of orders that this process has put into the outbox, by kind: path, incomplete_path, clicks.",
		}, []string{"kind"}),
		size: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "tributary", Subsystem: "loader", Name: "batch_rows", Help: "Rows of a batch.",
			Buckets: prometheus.ExponentialBuckets(1, 4, 9),
		}, []string{"topic"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "tributary", Subsystem: "loader", Name: "batch_seconds", Help: "Time from a batch's plan to its end.",
			Buckets: prometheus.ExponentialBuckets(0.002, 2, 14),
		}, []string{"topic"}),
		freshness: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "tributary", Subsystem: "loader", Name: "freshness_seconds", Help: "Age of a batch's oldest record, since its receipt or posting, when its rows are in ClickHouse.",
			Buckets: prometheus.ExponentialBuckets(0.05, 2, 14),
		}, []string{"topic"}),
		lag: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "tributary", Subsystem: "loader", Name: "lag_records", Help: "Records in Kafka that are not planned yet, at the last check.",
		}, []string{"topic", "partition"}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "tributary", Subsystem: "loader", Name: "parked_batches", Help: "Batches that need operator action, at the last check.",
		}),
		oldest: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "tributary", Subsystem: "loader", Name: "oldest_open_seconds", Help: "Age of the oldest batch that is planned and not in ClickHouse yet, at the last check; 0 when there is none.",
		}),
	}
	if registry == nil {
		return m
	}
	registry.MustRegister(m.rows, m.batches, m.duplicates, m.letters, m.forged, m.retries, m.parked, m.said, m.size, m.seconds, m.freshness, m.lag, m.waiting, m.oldest)
	for _, k := range keepers {
		k.Register(registry)
	}
	return m
}

// stored counts a batch that is done. took is 0 for one that another process began.
func (m *metrics) stored(topic string, b *batch, took time.Duration) {
	m.batches.WithLabelValues(topic).Inc()
	m.rows.WithLabelValues(topic).Add(float64(b.n))
	m.size.WithLabelValues(topic).Observe(float64(b.n))
	if b.n > 0 {
		m.freshness.WithLabelValues(topic).Observe(time.Since(event.Time(b.earliest)).Seconds())
	}
	if took == 0 {
		return // its plan counted the rest
	}
	m.duplicates.WithLabelValues(topic).Add(float64(b.duplicates))
	m.letters.WithLabelValues(topic).Add(float64(len(b.letters)))
	m.forged.WithLabelValues(topic).Add(float64(len(b.forged)))
	m.seconds.WithLabelValues(topic).Observe(took.Seconds())
}
