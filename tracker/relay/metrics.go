package relay

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/internal/event"
	"tributary/internal/stream"
)

// metrics are what the relay counts besides Stats. They count without a registry too.
type metrics struct {
	produce, request *prometheus.HistogramVec
}

// newMetrics makes the figures and registers them, if there is a registry, with those that Stats gives.
func newMetrics(r *Relay, registry prometheus.Registerer) *metrics {
	histogram := func(name, help string, buckets []float64) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "tributary", Subsystem: "relay", Name: name, Help: help, Buckets: buckets}, []string{"topic"})
	}
	m := &metrics{
		produce: histogram("produce_seconds", "Time of a request to Kafka that was acknowledged.", prometheus.ExponentialBuckets(0.5e-3, 2, 15)),
		request: histogram("request_records", "Records of a request to Kafka that was acknowledged.", prometheus.ExponentialBuckets(1, 4, 7)),
	}
	if registry == nil {
		return m
	}
	registry.MustRegister(m.produce, m.request)
	for _, f := range []struct {
		name, help string
		counter    bool
		value      func(s Stats) float64
	}{
		{"unsent_records", "Records on disk that Kafka has not acknowledged.", false, func(s Stats) float64 { return float64(s.Unsent) }},
		{"unsent_bytes", "Bytes of the spool that the slowest lane has not sent.", false, func(s Stats) float64 { return float64(s.Backlog) }},
		{"oldest_unsent_seconds", "Age of the oldest record that waits for Kafka, since its receipt; 0 when none waits.", false, func(s Stats) float64 { return since(s.Oldest) }},
		{"queued_bytes", "Bytes of records that wait for Kafka in memory.", false, func(s Stats) float64 { return float64(s.Queued) }},
		{"failing_lanes", "Lanes whose current request Kafka does not accept.", false, func(s Stats) float64 { return float64(s.Failing) }},
		{"parked_lanes", "Lanes whose current request Kafka refuses permanently.", false, func(s Stats) float64 { return float64(s.Parked) }},
		{"detached_lanes", "Lanes that read the spool by themselves.", false, func(s Stats) float64 { return float64(s.Detached) }},
		{"spool_damaged", "1 while the spool cannot be read, else 0.", false, func(s Stats) float64 { return flag(s.Damaged) }},
		{"sent_total", "Records that Kafka has acknowledged.", true, func(s Stats) float64 { return float64(s.Sent) }},
		{"retries_total", "Requests to Kafka that were retried.", true, func(s Stats) float64 { return float64(s.Retries) }},
		{"missing_total", "Records that the spool should hold and does not: consumers halt there.", true, func(s Stats) float64 { return float64(s.Missing) }},
	} {
		value := func() float64 { return f.value(r.Stats()) }
		if f.counter {
			registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "tributary", Subsystem: "relay", Name: f.name, Help: f.help}, value))
			continue
		}
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "tributary", Subsystem: "relay", Name: f.name, Help: f.help}, value))
	}
	return m
}

func (m *metrics) acknowledged(topic string, records int, took time.Duration) {
	m.produce.WithLabelValues(topic).Observe(took.Seconds())
	m.request.WithLabelValues(topic).Observe(float64(records))
}

func since(at time.Time) float64 {
	if at.IsZero() {
		return 0
	}
	return max(time.Since(at).Seconds(), 0)
}

func flag(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

// receipt is when the first of the records was received, in microseconds; 0 where that cannot be read.
func receipt(records []stream.Record) int64 {
	return int64(find(records[0].Value, fieldReceived).value)
}

// oldest gives the earliest of the times at which the lanes' first unsent records were received.
func (r *Relay) oldest() time.Time {
	var all []int64
	for _, l := range r.lanes {
		if at := l.waitingSince(); at != 0 {
			all = append(all, at)
		}
	}
	if len(all) == 0 {
		return time.Time{}
	}
	return event.Time(slices.Min(all))
}

// waitingSince is when the first record that the lane has not sent was received, in microseconds; 0 when none waits.
func (l *lane) waitingSince() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.sending:
		return l.since
	case len(l.queue) > 0:
		return receipt(l.queue[0].records)
	}
	return 0
}
