package fire

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// Meter times the answers to the load, by what was asked for.
type Meter struct {
	next http.RoundTripper

	mu     sync.Mutex
	phase  Phase
	stored time.Time     // when a report was stored last
	silent time.Duration // the longest time in which none was
}

// Phase is what was answered between two moments.
type Phase struct {
	Began time.Time
	Took  time.Duration
	// Clicks are the times of redirects that were answered, sorted once the phase is over; Reports those of reports that
	// were stored.
	Clicks, Reports []time.Duration
	// Status counts answers to clicks ("click 302") and reports ("report 503"); 0 stands for none.
	Status map[string]int
	// Hasty are refusals for want of room that did not say when to come again.
	Hasty int
	// Unstored are clicks that were answered without being known to be stored.
	Unstored int
	// Crowd are the answers to the crowd, of which none is in the fields above.
	Crowd crowdCounts
}

// RoundTrip times one request. It is sent once: a request that has no body net/http would repeat by itself when the connection
// breaks, so this one gets a body of nothing.
func (m *Meter) RoundTrip(r *http.Request) (*http.Response, error) {
	once := *r
	if r.Body == nil || r.Body == http.NoBody {
		once.Body = io.NopCloser(strings.NewReader(""))
	}
	began := time.Now()
	response, err := m.next.RoundTrip(&once)
	took := time.Since(began)
	m.mu.Lock()
	defer m.mu.Unlock()
	kind, status := "report", 0
	if r.Method == http.MethodGet {
		kind = "click"
	}
	if err == nil {
		status = response.StatusCode
	}
	switch {
	case status == http.StatusFound:
		m.phase.Clicks = append(m.phase.Clicks, took)
		if response.Header.Get("Tributary-Unstored") != "" {
			m.phase.Unstored++
		}
	case status == http.StatusOK:
		m.phase.Reports = append(m.phase.Reports, took)
		if now := began.Add(took); m.stored.IsZero() {
			m.stored = now
		} else {
			m.silent, m.stored = max(m.silent, now.Sub(m.stored)), now
		}
	case (status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests) && response.Header.Get("Retry-After") == "":
		m.phase.Hasty++
	}
	if m.phase.Status == nil {
		m.phase.Status = map[string]int{}
	}
	m.phase.Status[kind+" "+strconv.Itoa(status)]++
	return response, err //nolint:wrapcheck // a transport hands on what it gets
}

// Silent is the longest time between two reports that were stored.
func (m *Meter) Silent() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.silent
}

// Cut ends a phase and begins the next.
func (m *Meter) Cut() Phase {
	m.mu.Lock()
	p := m.phase
	m.phase = Phase{Began: time.Now()}
	m.mu.Unlock()
	p.Took = time.Since(p.Began)
	slices.Sort(p.Clicks)
	slices.Sort(p.Reports)
	return p
}

// quantile is the value below which so much of the sorted times lies; 0 when there are none.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// rate is how many a second.
func rate(n int, d time.Duration) float64 { return float64(n) / max(d.Seconds(), 1e-9) }

// refused counts the reports that were turned away though nothing was wrong with them.
func (p *Phase) refused() int {
	return p.Status["report 503"] + p.Status["report 429"] + p.Status["report 500"]
}

// done counts what was stored.
func (p *Phase) done() int { return len(p.Clicks) + len(p.Reports) + p.Crowd.Stored }

// unanswered counts the requests without an answer.
func (p *Phase) unanswered() int { return p.Status["report 0"] + p.Status["click 0"] }

// answered says what came out of a phase, in columns that fit phaseTitles.
func (p *Phase) columns() []string {
	ms := func(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d.Microseconds())/1000) }
	return []string{
		fmt.Sprintf("%.0f", rate(len(p.Clicks), p.Took)), ms(quantile(p.Clicks, 0.5)), ms(quantile(p.Clicks, 0.99)),
		fmt.Sprintf("%.0f", rate(len(p.Reports), p.Took)), ms(quantile(p.Reports, 0.5)), ms(quantile(p.Reports, 0.99)),
		strconv.Itoa(p.refused()), strconv.Itoa(p.unanswered()),
		fmt.Sprintf("%.0f", rate(p.Crowd.Stored, p.Took)), strconv.Itoa(p.Unstored + p.Crowd.Unstored), strconv.Itoa(Total(p.Crowd.Other)),
	}
}

func phaseTitles() []string {
	return []string{"clicks/s", "p50 ms", "p99 ms", "reports/s", "p50 ms", "p99 ms", "refused", "no answer", "crowd/s", "unstored", "other answers"}
}

// Table prints rows in columns, the first row being their titles.
func (r *Run) Table(rows [][]string) {
	w := tabwriter.NewWriter(r.Config.Out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, row := range rows {
		fmt.Fprintln(w, strings.Join(row, "\t")+"\t")
	}
	_ = w.Flush() // what is lost is for a person to read
}

// resident is the resident memory of a process in bytes; 0 when it is not there.
func resident(pid int) int64 {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kilobytes, _ := strconv.ParseInt(strings.Fields(rest + " 0")[0], 10, 64)
	return kilobytes << 10
}

func megabytes(bytes int64) string { return fmt.Sprintf("%.0f", float64(bytes)/(1<<20)) }
