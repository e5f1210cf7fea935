// Command bench measures the river beside what it is held against: the whole of docs/performance.md in one run of less
// than an hour. It belongs to no step of a click's life; it starts the real binary, role by role, with embedded
// engines that do sync, and ends all of it by itself.
//
// Progress goes to standard error, and one JSON line a figure to standard output. A rate is the median of several turns,
// in which ours and the other take turns. The exit code is 1 when something could not be measured or was lost; a ratio
// that falls short of its aim is marked, and is no error: on a busy machine it says little.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"tributary/internal/embedded"
)

// figure is one line of the result.
type figure struct {
	Name         string  `json:"name"`
	Value        float64 `json:"value"`
	Unit         string  `json:"unit"`
	Against      string  `json:"against,omitempty"`
	AgainstValue float64 `json:"against_value,omitempty"`
	Ratio        float64 `json:"ratio,omitempty"`
	// Aim is what was asked of the ratio, such as ">= 0.6" or "<= 3".
	Aim string `json:"aim,omitempty"`
	Met *bool  `json:"met,omitempty"`
}

// bench is one run.
type bench struct {
	dir    string // of everything this run leaves on disk
	binary string // of tributary
	peer   string // of tools/bench, "" where no row needs it
	// before is the binary of a commit that this one is held against, or "".
	before string
	quick  bool
	output *json.Encoder
}

// need is what a row has built beside the binary.
type need int

const (
	nothing need = iota
	peers        // those of tools/bench
	before       // the binary of an earlier commit
)

// row is a part of the run that can be asked for by name.
type row struct {
	name  string
	needs need
	run   func(ctx context.Context, b *bench) error
}

func rows() []row {
	return []row{
		{"redirect", peers, redirects},
		{"conversions", peers, conversions},
		{"links", nothing, links},
		{"river", nothing, river},
		{"engine", nothing, engine},
		{"schemes", nothing, engineSchemes},
		{"before", before, engineBefore},
		{"books", nothing, tenMillion},
		{"freshness", nothing, freshness},
		{"customers", nothing, customers},
		{"size", nothing, size},
		{"pairs", nothing, pairs},
		{"simulate", nothing, simulate},
	}
}

func main() {
	embedded.ChildMain()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: "+err.Error())
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	names := make([]string, 0, len(rows()))
	for _, r := range rows() {
		names = append(names, r.name)
	}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := flags.String("only", "", "rows to run, with commas: "+strings.Join(names, ", "))
	quick := flags.Bool("quick", false, "a fifth of the records and one turn each: shows that it works, not how fast")
	earlier := flags.String("before", "5fd64b6", "the commit whose engine the row before holds this one against; the default is the last without schemes")
	if err := flags.Parse(args); err != nil {
		return err
	}
	chosen, err := choose(*only)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "tributary-bench-")
	if err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // it is in the folder for such
	b := &bench{dir: dir, quick: *quick, output: json.NewEncoder(os.Stdout)}
	b.output.SetEscapeHTML(false)
	if err := b.build(ctx, chosen, *earlier); err != nil {
		return err
	}
	describeMachine()
	var problems []error
	for _, r := range chosen {
		began := time.Now()
		sayf("%s", r.name)
		if err := r.run(ctx, b); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", r.name, err))
			sayf("  %s could not be measured: %v", r.name, err)
		}
		sayf("  %s took %s", r.name, time.Since(began).Round(time.Second))
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return errors.Join(problems...)
}

func choose(only string) ([]row, error) {
	if only == "" {
		return rows(), nil
	}
	var chosen []row
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(rows(), func(r row) bool { return r.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no row %q", name)
		}
		chosen = append(chosen, rows()[i])
	}
	return chosen, nil
}

// build builds the binary, and what else rows need.
func (b *bench) build(ctx context.Context, chosen []row, earlier string) error {
	need := func(n need) bool { return slices.ContainsFunc(chosen, func(r row) bool { return r.needs == n }) }
	b.binary = filepath.Join(b.dir, "tributary")
	sayf("building")
	if err := output(ctx, "", "go", "build", "-trimpath", "-ldflags=-s -w", "-o", b.binary, "./cmd/tributary"); err != nil {
		return err
	}
	if need(before) {
		if err := b.buildEarlier(ctx, earlier); err != nil {
			return err
		}
	}
	if !need(peers) {
		return nil
	}
	b.peer = filepath.Join(b.dir, "peer")
	return output(ctx, "tools/bench", "go", "build", "-o", b.peer, ".")
}

// describeMachine says what the figures were measured on, and warns when others use it, too.
func describeMachine() {
	load, _ := os.ReadFile("/proc/loadavg")
	model := "unknown processor"
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	sayf("%s, %s, %d cores (%s), load average %s", time.Now().UTC().Format(time.DateTime), runtime.Version(), runtime.NumCPU(), model, strings.TrimSpace(string(load)))
	var one float64
	if _, err := fmt.Sscan(string(load), &one); err == nil && one > 0.3 {
		sayf("WARNING: the machine is not quiet, so that the figures say little")
	}
}

// sayf tells the person who waits.
func sayf(format string, words ...any) {
	fmt.Fprintf(os.Stderr, time.Now().UTC().Format("15:04:05 ")+format+"\n", words...)
}

// turns is how often each side is measured.
func (b *bench) turns() int {
	if b.quick {
		return 1
	}
	return 3
}

// scaled is a number of records, or a fifth of it.
func (b *bench) scaled(n int) int {
	if b.quick {
		return n / 5
	}
	return n
}

// report writes a figure. The aim is a comparison with the ratio, or, where nothing is measured against, with the value.
func (b *bench) report(f figure, aim string) error {
	if f.Against != "" && f.AgainstValue != 0 {
		f.Ratio = rounded(f.Value / f.AgainstValue)
	}
	f.Value, f.AgainstValue = rounded(f.Value), rounded(f.AgainstValue)
	if f.Aim = aim; aim != "" {
		sign, text, _ := strings.Cut(aim, " ")
		var want float64
		if _, err := fmt.Sscan(text, &want); err != nil {
			return fmt.Errorf("reading the aim %q: %w", aim, err)
		}
		measured := f.Ratio
		if f.Against == "" {
			measured = f.Value
		}
		met := sign == ">=" && measured >= want || sign == "<=" && measured <= want
		f.Met = &met
	}
	return b.output.Encode(f)
}

// rounded keeps four digits.
func rounded(v float64) float64 {
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	scale := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(values))[len(values)/2]
}
