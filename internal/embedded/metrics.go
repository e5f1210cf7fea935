package embedded

import "github.com/prometheus/client_golang/prometheus"

// Register registers, for each engine that was asked for, whether it is up and how often it was started again.
func (s *Supervisor) Register(registry prometheus.Registerer) {
	for _, r := range s.runners {
		labels := prometheus.Labels{"engine": string(r.engine)}
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: "tributary", Subsystem: "embedded", Name: "up", Help: "1 while the embedded engine answers, else 0.", ConstLabels: labels,
		}, func() float64 {
			if r.status().Ready {
				return 1
			}
			return 0
		}), prometheus.NewCounterFunc(prometheus.CounterOpts{
			Namespace: "tributary", Subsystem: "embedded", Name: "restarts_total", Help: "Restarts of the embedded engine after it ended or no longer answered.", ConstLabels: labels,
		}, func() float64 { return float64(max(r.status().Starts-1, 0)) }))
	}
}
