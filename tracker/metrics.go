package tracker

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/internal/event"
	"tributary/internal/fault"
)

// metrics are the tracker's counters. Those of a redirect are looked up once, not each time.
type metrics struct {
	clicks      [event.MarkBot | event.MarkDuplicate | event.MarkEmbedded | event.MarkNotEnrolled + 1]prometheus.Counter
	unstored    prometheus.Counter
	unknown     prometheus.Counter
	speculative prometheus.Counter
	redirects   prometheus.Histogram
	reports     *prometheus.CounterVec
	reportTimes prometheus.Histogram
}

// newMetrics makes the counters and registers them, if there is a registry.
func newMetrics(registry prometheus.Registerer) *metrics {
	clicks := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tributary_clicks_total", Help: "Clicks that were answered, by mark; those without a mark count.",
	}, []string{"mark"})
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	times := func(name, help string, low float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: prometheus.ExponentialBuckets(low, 2, 14)})
	}
	m := &metrics{
		unstored:    counter("tributary_clicks_unstored_total", "Clicks that were answered before they were known to be stored."),
		unknown:     counter("tributary_links_unknown_total", "Requests for a link that is not there or is closed."),
		speculative: counter("tributary_clicks_prefetched_total", "Requests that a browser made ahead of a visit, and that were refused."),
		redirects:   times("tributary_redirect_seconds", "Time to answer a click.", 50e-6),
		reports: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tributary_reports_total", Help: "Reports of orders, refunds and tags, by route and outcome: stored, or the code of the problem.",
		}, []string{"route", "outcome"}),
		reportTimes: times("tributary_report_seconds", "Time to answer a report.", 100e-6),
	}
	for marks := range m.clicks {
		m.clicks[marks] = clicks.WithLabelValues(markName(uint32(marks)))
	}
	for _, route := range []string{"/v1/conversions", "/v1/refunds"} { // there from the start, or the first of them would be no increase
		for _, outcome := range []string{"stored", "not_stored", fault.Of(nil).Code} {
			m.reports.WithLabelValues(route, outcome)
		}
	}
	if registry != nil {
		registry.MustRegister(clicks, m.unstored, m.unknown, m.speculative, m.redirects, m.reports, m.reportTimes)
	}
	return m
}

// markName names the mark that says most.
func markName(marks uint32) string {
	switch {
	case marks&event.MarkBot != 0:
		return "bot"
	case marks&event.MarkEmbedded != 0:
		return "embedded"
	case marks&event.MarkNotEnrolled != 0:
		return "not_enrolled"
	case marks&event.MarkDuplicate != 0:
		return "duplicate"
	}
	return "none"
}

func (m *metrics) click(marks uint32, took time.Duration) {
	m.clicks[marks].Inc()
	m.redirects.Observe(took.Seconds())
}

func (m *metrics) report(route string, err error, took time.Duration) {
	outcome := "stored"
	if err != nil {
		outcome = fault.Of(err).Code
	}
	m.reports.WithLabelValues(route, outcome).Inc()
	m.reportTimes.Observe(took.Seconds())
}
