package fire

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTheMeterTellsWhatWasAnsweredAndHow(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/c/found":
			w.WriteHeader(http.StatusFound)
		case "/later":
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/never":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/cut":
			panic(http.ErrAbortHandler)
		}
	}))
	defer server.Close()
	m := &Meter{next: http.DefaultTransport}
	m.Cut()
	for _, r := range []struct{ method, path string }{
		{http.MethodGet, "/c/found"},
		{http.MethodGet, "/c/found"},
		{http.MethodPost, "/stored"},
		{http.MethodPost, "/later"},
		{http.MethodPost, "/later"},
		{http.MethodPost, "/never"},
		{http.MethodPost, "/cut"},
	} {
		request, err := http.NewRequestWithContext(t.Context(), r.method, server.URL+r.path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if response, err := m.RoundTrip(request); err == nil {
			_ = response.Body.Close()
		}
	}
	p := m.Cut()
	want := map[string]int{"click 302": 2, "report 200": 1, "report 503": 3, "report 0": 1}
	if diff := cmp.Diff(want, p.Status); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	if len(p.Clicks) != 2 || len(p.Reports) != 1 || p.Hasty != 1 || p.refused() != 3 || p.unanswered() != 1 {
		t.Errorf("%d clicks, %d reports, %d hasty, %d refused, %d unanswered", len(p.Clicks), len(p.Reports), p.Hasty, p.refused(), p.unanswered())
	}
	if again := m.Cut(); len(again.Status) != 0 {
		t.Errorf("the next phase begins with %v", again.Status)
	}
}

// A click that the harness sends twice and knows once would be counted against the network.
func TestARequestIsSentOnceThoughItsConnectionBreaks(t *testing.T) {
	t.Parallel()
	var seen atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if seen.Add(1) > 1 {
			panic(http.ErrAbortHandler)
		}
	}))
	defer server.Close()
	m := &Meter{next: &http.Transport{}}
	for n, wantErr := range []bool{false, true} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := m.RoundTrip(request)
		if (err != nil) != wantErr {
			t.Fatalf("request %d: %v", n+1, err)
		}
		if err == nil {
			_, _ = io.Copy(io.Discard, response.Body) // so that the connection is used again
			_ = response.Body.Close()
		}
	}
	if n := seen.Load(); n != 2 {
		t.Errorf("the server has seen %d requests, want 2", n)
	}
}

func TestAQuantileIsOneOfTheTimes(t *testing.T) {
	t.Parallel()
	var times []time.Duration
	for n := range 100 {
		times = append(times, time.Duration(n+1))
	}
	for _, c := range []struct {
		of   []time.Duration
		q    float64
		want time.Duration
	}{
		{nil, 0.99, 0}, {times[:1], 0.99, 1}, {times, 0.5, 51}, {times, 0.99, 100}, {times, 1, 100},
	} {
		if got := quantile(c.of, c.q); got != c.want {
			t.Errorf("quantile %v of %d times is %d, want %d", c.q, len(c.of), got, c.want)
		}
	}
}
