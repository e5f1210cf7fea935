package position

import "github.com/prometheus/client_golang/prometheus"

// Register registers the keeper's counts as figures of its consumer and topic, if there is a registry. Keepers of one
// consumer that share a registry must be of different topics.
func (k *Keeper) Register(registry prometheus.Registerer) {
	if registry == nil {
		return
	}
	labels := prometheus.Labels{"consumer": k.consumer, "topic": k.topic}
	for _, f := range []struct {
		name, help string
		counter    bool
		value      func(s Stats) float64
	}{
		{"leases_held", "Partitions that this process holds.", false, func(s Stats) float64 { return float64(s.Held) }},
		{"halted_partitions", "Partitions that are halted until an operator resumes them, whoever holds them.", false, func(s Stats) float64 { return float64(s.Halted) }},
		{"takeovers_total", "Partitions that this process took over.", true, func(s Stats) float64 { return float64(s.Claims) }},
		{"leases_lost_total", "Partitions that another process took while they were held here.", true, func(s Stats) float64 { return float64(s.Losses) }},
		{"gaps_total", "Gaps at which this process halted a partition.", true, func(s Stats) float64 { return float64(s.Gaps) }},
		{"partition_failures_total", "Partitions that were released for a retry because of another error.", true, func(s Stats) float64 { return float64(s.Failures) }},
	} {
		value := func() float64 { return f.value(k.Stats()) }
		if f.counter {
			registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "tributary", Name: f.name, Help: f.help, ConstLabels: labels}, value))
			continue
		}
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "tributary", Name: f.name, Help: f.help, ConstLabels: labels}, value))
	}
}
