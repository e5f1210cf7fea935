package engine

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/internal/event"
)

// metrics are the engine's counters. They count without a registry too.
type metrics struct {
	facts, duplicates, dead, forged, failures, sent, released, swept, nudged, periods prometheus.Counter

	conflicts, late *byMerchant

	sliceSize, sliceSeconds, freshness, settleSeconds prometheus.Histogram
	lag, age, stuck                                   *prometheus.GaugeVec
}

func newMetrics(registry prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "tributary", Subsystem: "engine", Name: name, Help: help})
	}
	m := &metrics{
		facts:      counter("facts_total", "Sales and refunds processed."),
		duplicates: counter("duplicates_total", "Duplicate records: their sale or refund was known already."),
		conflicts:  countByMerchant("conflicts_total", "Records that contradict a known sale or refund, or exceed the limit of refunds."),
		late:       countByMerchant("late_orders_total", "Orders that were reported more than 48 hours after they were placed; imports do not count."),
		dead:       counter("dead_letters_total", "Records moved to the dead letters."),
		forged:     counter("forged_records_total", "Records in Kafka that no key of this network has signed."),
		failures:   counter("failures_total", "Transactions that failed because of a record."),
		sent:       counter("ledger_events_sent_total", "Ledger events that Kafka has acknowledged."),
		released:   counter("released_orders_total", "Orders whose hold ended."),
		swept:      counter("customer_views_changed_total", "Orders of customers by which the customer stands otherwise than was known when they were decided."),
		nudged:     counter("orders_decided_again_total", "Orders decided again since something beside their own facts changed."),
		periods:    counter("settled_periods_total", "Periods that were settled: each time that orders changed their sums or a hold ended."),
		sliceSize: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "tributary", Subsystem: "engine", Name: "slice_records", Help: "Records in a transaction.",
			Buckets: prometheus.ExponentialBuckets(1, 4, 6),
		}),
		sliceSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "tributary", Subsystem: "engine", Name: "slice_seconds", Help: "Duration of a transaction, including its commit.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 12),
		}),
		freshness: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "tributary", Subsystem: "engine", Name: "freshness_seconds", Help: "Age, since a tracker received it, of the oldest new record of a transaction at its commit.",
			Buckets: prometheus.ExponentialBuckets(0.01, 2, 16),
		}),
		settleSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "tributary", Subsystem: "engine", Name: "settle_seconds", Help: "Duration of a transaction that settles periods, including its commit.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 16),
		}),
		age: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "tributary", Subsystem: "engine", Name: "lag_seconds", Help: "Age, since it was sent to Kafka, of the record being processed in a partition held here; 0 when there is none.",
		}, []string{"partition"}),
		lag: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "tributary", Subsystem: "engine", Name: "lag_records", Help: "Records of a partition held here that are not processed yet.",
		}, []string{"partition"}),
		stuck: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "tributary", Subsystem: "engine", Name: "stuck_orders", Help: "Orders of a partition held here that cannot be decided again, as at the end of their hold.",
		}, []string{"partition"}),
	}
	if registry != nil {
		registry.MustRegister(m.facts, m.duplicates, m.conflicts.vec, m.late.vec, m.dead, m.forged, m.failures, m.sent, m.released, m.swept, m.nudged, m.periods, m.sliceSize, m.sliceSeconds, m.freshness, m.settleSeconds, m.lag, m.age, m.stuck)
	}
	return m
}

// namedMerchants is how many merchants are counted by themselves in a process; those that come up after them share a
// label, so that the number of series has a bound.
const namedMerchants = 500

// otherMerchants is that label.
const otherMerchants = "others"

// byMerchant counts something by merchant.
type byMerchant struct {
	vec *prometheus.CounterVec

	mu    sync.Mutex
	named map[int64]bool
}

func countByMerchant(name, help string) *byMerchant {
	return &byMerchant{
		vec: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "tributary", Subsystem: "engine", Name: name,
			Help: help + " Merchants by number; those beyond the first 500 of a process share the label \"" + otherMerchants + "\".",
		}, []string{"merchant"}),
		named: map[int64]bool{},
	}
}

// add adds counts of merchants and gives their sum.
func (b *byMerchant) add(counts map[int64]int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	sum := 0
	for merchant, n := range counts {
		sum += n
		label := otherMerchants
		if b.named[merchant] || len(b.named) < namedMerchants {
			b.named[merchant] = true
			label = strconv.FormatInt(merchant, 10)
		}
		b.vec.WithLabelValues(label).Add(float64(n))
	}
	return sum
}

func (m *metrics) slice(t *txSummary, took time.Duration) {
	m.facts.Add(float64(t.facts))
	m.duplicates.Add(float64(t.duplicates))
	conflicts := m.conflicts.add(t.conflicts)
	m.late.add(t.late)
	m.dead.Add(float64(t.dead))
	m.forged.Add(float64(t.forged))
	m.sliceSize.Observe(float64(t.facts + t.duplicates + conflicts + t.dead))
	m.sliceSeconds.Observe(took.Seconds())
	if t.received != 0 {
		m.freshness.Observe(time.Since(event.Time(t.received)).Seconds())
	}
}

// behind tells how many records a partition lacks, and for how long the one that is being taken in has waited.
func (m *metrics) behind(partition int, records int64, waited time.Duration) {
	m.lag.WithLabelValues(strconv.Itoa(partition)).Set(float64(max(records, 0)))
	m.age.WithLabelValues(strconv.Itoa(partition)).Set(max(waited.Seconds(), 0))
}

func (m *metrics) setStuck(partition, orders int) {
	m.stuck.WithLabelValues(strconv.Itoa(partition)).Set(float64(orders))
}

// forget ends the gauges of a partition that another process may hold by now.
func (m *metrics) forget(partition int) {
	m.lag.DeleteLabelValues(strconv.Itoa(partition))
	m.stuck.DeleteLabelValues(strconv.Itoa(partition))
	m.age.DeleteLabelValues(strconv.Itoa(partition))
}

func (m *metrics) release(t *txSummary, took time.Duration) {
	m.released.Add(float64(t.orders))
	m.sliceSeconds.Observe(took.Seconds())
}

func (m *metrics) decideAgain(t *txSummary, took time.Duration) {
	m.nudged.Add(float64(t.orders))
	m.sliceSeconds.Observe(took.Seconds())
}

func (m *metrics) settled(s *settled, took time.Duration) {
	m.periods.Add(float64(s.periods))
	m.settleSeconds.Observe(took.Seconds())
}
