// Package doctor is the frame in which every package says how its part of a set-up is, and holds the checks of the machine
// itself. It belongs to no step of a click's life: it looks at all of them from outside.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Health is how a part of a set-up is.
type Health string

// The states of health, from good to bad.
const (
	OK Health = "ok"
	// Warn works, and may not do what was meant.
	Warn  Health = "warn"
	Wrong Health = "wrong"
)

// Finding is what was found about one thing: how it is, and where that is not OK what to do.
type Finding struct {
	Area   string `json:"area"`
	Health Health `json:"health"`
	Says   string `json:"says"`
	Fix    string `json:"fix,omitempty"`
}

// Report collects findings.
type Report struct {
	Findings []Finding
}

// Add adds a finding. fix is for what is not OK.
func (r *Report) Add(area string, h Health, says, fix string) {
	if h == OK {
		fix = ""
	}
	r.Findings = append(r.Findings, Finding{Area: area, Health: h, Says: says, Fix: fix})
}

// Counts tells how many findings are wrong, and how many are warnings.
func (r *Report) Counts() (wrong, warn int) {
	for _, f := range r.Findings {
		switch f.Health {
		case Wrong:
			wrong++
		case Warn:
			warn++
		case OK:
		}
	}
	return wrong, warn
}

// Print writes a line for each finding, and below what is not OK how to fix it.
func (r *Report) Print(out io.Writer) {
	for _, f := range r.Findings {
		fmt.Fprintf(out, "%-5s %s: %s\n", f.Health, f.Area, f.Says)
		if f.Fix != "" {
			fmt.Fprintf(out, "      -> %s\n", f.Fix)
		}
	}
	wrong, warn := r.Counts()
	fmt.Fprintf(out, "%d wrong, %d to look at\n", wrong, warn)
}

const (
	// someSkew is what clocks of machines that follow a time server do not reach, and muchSkew what moves orders into
	// other terms.
	someSkew, muchSkew = time.Second, 30 * time.Second
)

// Clock compares a server's clock, which said now, with this machine's, which said asked when the question was sent. Half of
// the time until now counts as the way there.
func (r *Report) Clock(area string, now, asked time.Time) {
	skew := now.Sub(asked.Add(time.Since(asked) / 2)).Round(time.Millisecond)
	h := OK
	switch {
	case skew.Abs() > muchSkew:
		h = Wrong
	case skew.Abs() > someSkew:
		h = Warn
	}
	r.Add(area, h, fmt.Sprintf("its clock is %s from this machine's", skew), "let both follow a time server")
}

// Problem is an error on one line.
func Problem(err error) string {
	text := strings.Join(strings.Fields(err.Error()), " ")
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time: " + text
	}
	return text
}
