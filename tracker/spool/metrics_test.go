package spool

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestFiguresTellOfCommitsAndTheVolume(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	s := openSpool(t, Config{Dir: t.TempDir(), Metrics: registry, Volume: func(string) (int64, int64, error) { return 300, 1000, nil }})
	stop := running(t, s)
	for range 3 {
		put(t, s, 1, "record")
	}
	stop()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			got[f.GetName()] = m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	commits := float64(s.Stats().Commits) // the mark of the clean end is one
	for name, want := range map[string]float64{
		"tributary_spool_records_total": 3, "tributary_spool_commit_seconds": commits, "tributary_spool_fsync_seconds": commits,
		"tributary_spool_group_records": commits, "tributary_spool_volume_used_ratio": 0.3, "tributary_spool_volume_free_bytes": 700,
		"tributary_spool_disk_errors_total": 0, "tributary_spool_segments": 1,
	} {
		if have, registered := got[name]; !registered || have != want {
			t.Errorf("%s is %v (registered: %v), want %v", name, have, registered, want)
		}
	}
}
