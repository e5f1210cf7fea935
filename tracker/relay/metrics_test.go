package relay

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tributary/internal/event"
	"tributary/tracker/spool"
)

// gathered gives the sums of a registry's gauges and counters, and how often its histograms observed.
func gathered(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			sums[f.GetName()] += m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return sums
}

func TestFiguresTellHowManyRecordsWaitAndForHowLong(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	c := client(t, b.address(), "")
	if err := c.CreateTopics(t.Context(), 2, time.Hour); err != nil {
		t.Fatal(err)
	}
	r := newRiver(t, c, 2)
	r.start()
	registry := prometheus.NewRegistry()
	newMetrics(r.relay, registry)
	b.away()
	const age = 90 * time.Second
	for lane, received := range []time.Time{time.Now().Add(-age), time.Now(), time.Now(), time.Now()} {
		e := &event.Event{Id: make([]byte, 16), ReceivedAt: event.Micros(received), Body: &event.Event_Click{Click: &event.Click{ClickId: "c"}}}
		data, err := e.MarshalVT()
		if err != nil {
			t.Fatal(err)
		}
		ticket, err := r.spool.Append(lane, spool.Live, data)
		if err == nil {
			err = ticket.Wait(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		r.appended[lane]++
	}
	var got map[string]float64
	until(t, 30*time.Second, "all lanes fail", func() bool {
		got = gathered(t, registry)
		return got["tributary_relay_failing_lanes"] == 4
	})
	if waited := got["tributary_relay_oldest_unsent_seconds"]; waited < age.Seconds() || waited > age.Seconds()+60 || got["tributary_relay_unsent_records"] != 4 {
		t.Errorf("%v records wait, the first for %v s, want 4 for %v", got["tributary_relay_unsent_records"], waited, age.Seconds())
	}
	b.back()
	until(t, 30*time.Second, "nothing waits", func() bool {
		got = gathered(t, registry)
		return got["tributary_relay_unsent_records"] == 0 && got["tributary_relay_oldest_unsent_seconds"] == 0
	})
	if got["tributary_relay_sent_total"] != 4 || got["tributary_relay_retries_total"] == 0 {
		t.Errorf("%v records were sent, %v requests again, want 4 and some", got["tributary_relay_sent_total"], got["tributary_relay_retries_total"])
	}
}
