package spool

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what the spool counts besides Stats. They count without a registry too.
type metrics struct {
	commit, sync, group prometheus.Histogram
}

// newMetrics makes the figures and registers them, if there is a registry, with those that Stats gives.
func newMetrics(s *Spool, registry prometheus.Registerer) *metrics {
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "tributary", Subsystem: "spool", Name: name, Help: help, Buckets: buckets})
	}
	m := &metrics{
		commit: histogram("commit_seconds", "Time of a group commit, from taking the group to its end.", prometheus.ExponentialBuckets(100e-6, 2, 16)),
		sync:   histogram("fsync_seconds", "Time of the fdatasync within a group commit.", prometheus.ExponentialBuckets(100e-6, 2, 16)),
		group:  histogram("group_records", "Records of a group commit.", prometheus.ExponentialBuckets(1, 4, 8)),
	}
	if registry == nil {
		return m
	}
	registry.MustRegister(m.commit, m.sync, m.group)
	for _, f := range []struct {
		name, help string
		counter    bool
		value      func(s Stats) float64
	}{
		{"records_total", "Records made durable.", true, func(s Stats) float64 { return float64(s.Records) }},
		{"disk_errors_total", "Writes or syncs that the disk refused.", true, func(s Stats) float64 { return float64(s.Failures) }},
		{"pending_records", "Records that wait for the next group commit.", false, func(s Stats) float64 { return float64(s.PendingRecords) }},
		{"bytes", "Bytes in the spool's files, including acknowledged ones that are still kept.", false, func(s Stats) float64 { return float64(s.Bytes) }},
		{"segments", "Files of the spool.", false, func(s Stats) float64 { return float64(s.Segments) }},
		{"volume_used_ratio", "Share of the spool's volume that is in use: from 0.85 on imports are refused, from 0.95 on everything.", false, func(s Stats) float64 { return s.DiskUse }},
		{"volume_free_bytes", "Free bytes of the spool's volume.", false, func(s Stats) float64 { return float64(s.DiskFree) }},
	} {
		value := func() float64 { return f.value(s.Stats()) }
		if f.counter {
			registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "tributary", Subsystem: "spool", Name: f.name, Help: f.help}, value))
			continue
		}
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "tributary", Subsystem: "spool", Name: f.name, Help: f.help}, value))
	}
	return m
}

// committed counts a group that has become durable.
func (m *metrics) committed(b *batch, took time.Duration) {
	m.commit.Observe(took.Seconds())
	m.group.Observe(float64(b.records))
}
