package fire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"tributary/internal/postgres"
)

// Config says what a run does.
type Config struct {
	// Seed decides the faults and the load.
	Seed uint64
	// For is how long the faults last.
	For time.Duration
	// Plan is the name of one of Plans.
	Plan string
	// Rate is the requests a second.
	Rate int
	// Data is the folder of everything; it must not exist or be empty. It is removed after a run that found nothing.
	Data string
	// Keep keeps the folder in any case.
	Keep bool
	// ApacheKafka runs an Apache Kafka in the place of the embedded one.
	ApacheKafka bool
	// Failpoints arms the processes under test, each start with another point.
	Failpoints bool
	// Rest is how long the network may take to come to rest; 5 minutes when zero.
	Rest time.Duration
	// Out receives what happens, for a person to read.
	Out io.Writer
}

// Run is one run, as a Plan sees it.
type Run struct {
	Config Config
	Net    *Network
	World  *World
	Driver *Driver
	Counts *Counts

	crowd *crowd
	away  *away // nil where nothing comes in of days that are over
	began time.Time

	mu       sync.Mutex
	findings []Finding
}

// Findf notes something that should not be, under the name of what was looked at.
func (r *Run) Findf(check, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.findings = append(r.findings, Finding{check, fmt.Sprintf(format, args...)})
}

// Plan is what goes wrong. It returns when that is over, with an error only where it could not be done; what it has found
// out about the network's behaviour it gives to Run.Findf. The load runs beside it.
type Plan func(ctx context.Context, r *Run) error

// Summary is what a run leaves behind, as summary.json in its folder.
type Summary struct {
	Plan     string        `json:"plan"`
	Seed     uint64        `json:"seed"`
	For      time.Duration `json:"for_ns"`
	Commit   string        `json:"commit"`
	Began    time.Time     `json:"began"`
	Took     time.Duration `json:"took_ns"`
	Rested   time.Duration `json:"rested_ns"` // from the end of the load until nothing was in flight
	Requests int64         `json:"requests"`
	Silent   time.Duration `json:"silent_ns"` // the longest time without a report that was stored
	Kafka    string        `json:"kafka"`
	*Counts
	Stored   Stored    `json:"stored"`
	Findings []Finding `json:"findings"`
}

// Sayf prints a line of progress.
func (r *Run) Sayf(format string, args ...any) {
	fmt.Fprintf(r.Config.Out, "%6.1fs  %s\n", time.Since(r.began).Seconds(), fmt.Sprintf(format, args...))
}

// Execute runs a plan from the first start to the verdict. The error is the harness's own; what is wrong with the network
// is in the summary's findings, and its folder is then kept.
func Execute(ctx context.Context, cfg Config) (*Summary, error) {
	plan, known := Plans()[cfg.Plan]
	if !known {
		return nil, fmt.Errorf("there is no plan %q", cfg.Plan)
	}
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return nil, fmt.Errorf("making the data folder: %w", err)
	}
	r := &Run{Config: cfg, Counts: &Counts{}, began: time.Now()}
	s := &Summary{
		Plan: cfg.Plan, Seed: cfg.Seed, For: cfg.For, Commit: commit(ctx), Began: r.began.UTC(), Counts: r.Counts, Kafka: "embedded",
	}
	if cfg.ApacheKafka {
		s.Kafka = "Apache"
	}
	r.Sayf("plan %s, seed %d, for %s, %d requests/s, commit %s, Kafka: %s, data in %s", cfg.Plan, cfg.Seed, cfg.For, cfg.Rate, s.Commit, s.Kafka, cfg.Data)
	err := r.execute(ctx, plan, s)
	s.Took = time.Since(r.began)
	return s, errors.Join(err, s.write(cfg.Data))
}

func (r *Run) execute(ctx context.Context, plan Plan, s *Summary) (err error) {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	if r.Net, err = StartNetwork(ctx, r.Config, r.Counts, fail); err != nil {
		return err
	}
	defer r.Net.Close()
	if r.World, err = NewWorld(ctx, r.Net.Addresses.PostgresRoles[postgres.Operator.Name()], r.Net.Key); err != nil {
		return err
	}
	if err := writeJSON(filepath.Join(r.Config.Data, "world.json"), r.World); err != nil {
		return err
	}
	if r.inPlace() {
		if r.away, err = newAway(ctx, r); err != nil {
			return err
		}
		defer r.away.close()
	}
	if err := r.Net.Start(ctx); err != nil {
		return err
	}
	r.Sayf("the network is up")
	path := filepath.Join(r.Config.Data, "journal")
	journal, err := NewJournal(path)
	if err != nil {
		return err
	}
	r.Driver = NewDriver(r.World, journal, r.Counts, r.Config.Seed, r.Net.TrackerURL)
	r.crowd = newCrowd(r.Config.Data, r.Net.TrackerURL, r.World.Places, r.Net.spawn)
	if err := r.openPages(ctx); err != nil {
		return err
	}
	defer r.Driver.people.close()
	err = r.fire(ctx, plan)
	loaded := time.Now()
	if err == nil {
		err = r.rest(ctx)
	}
	s.Requests, s.Rested, s.Silent = r.Driver.Attempts(), time.Since(loaded), r.Driver.Meter.Silent()
	err = errors.Join(err, journal.Close(), context.Cause(ctx))
	if err != nil {
		return err
	}
	return r.judge(ctx, path, s)
}

// inPlace tells of plans that take no server away for long and restore none: people act on pages, whose acts are in PostgreSQL alone.
func (r *Run) inPlace() bool { return r.Config.Plan == "mixed" || r.Config.Plan == "none" }

// openPages seats people at the pages.
func (r *Run) openPages(ctx context.Context) (err error) {
	if r.inPlace() {
		r.Driver.people, err = newPeople(ctx, r.Net)
	}
	return err
}

// fire runs the load and the plan side by side, until the plan is over.
func (r *Run) fire(ctx context.Context, plan Plan) error {
	loading, stop := context.WithCancel(ctx)
	defer stop()
	driven, came := make(chan error, 1), make(chan error, 1)
	err := r.SetRate(r.Config.Rate)
	go func() { driven <- r.Driver.Run(loading, r.Config.Seed) }()
	go func() {
		var err error
		if r.away != nil {
			err = r.away.run(loading, r.Config.For)
		}
		came <- err
	}()
	if err == nil {
		err = plan(ctx, r)
	}
	stop()
	r.Net.Calm()
	return errors.Join(err, r.crowd.leave(), <-driven, <-came)
}

// rest waits until nothing is in flight.
func (r *Run) rest(ctx context.Context) error {
	limit := r.Config.Rest
	if limit == 0 {
		limit = 5 * time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	r.Sayf("the faults are over after %d requests; waiting for the network to come to rest", r.Driver.Attempts())
	if err := r.Driver.Finish(ctx); err != nil {
		return fmt.Errorf("sending a last word down every lane: %w", err)
	}
	return r.Net.awaitRest(ctx, r)
}

// judge compares what stands with what should.
func (r *Run) judge(ctx context.Context, path string, s *Summary) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("opening the journal: %w", err)
	}
	defer file.Close()
	attempts, err := ReadJournal(file)
	if err != nil {
		return err
	}
	evidence, err := Gather(ctx, r.Net.Addresses)
	if err != nil {
		return err
	}
	evidence.Bounded = r.Net.bounded()
	s.Stored = evidence.Stored()
	crowded, err := r.judgeCrowd(evidence.Crowd)
	if err != nil {
		return err
	}
	s.Findings = append(append(s.Findings, r.findings...), crowded...)
	s.Findings = append(s.Findings, Judge(&r.World.World, attempts, evidence)...)
	verified, err := r.Net.verify(ctx, false)
	s.Findings = append(s.Findings, verified...)
	return err
}

// commit names the commit of the working folder, and says when there is more than that.
func commit(ctx context.Context) string {
	head, err := exec.CommandContext(ctx, "git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	name := strings.TrimSpace(string(head))
	if changes, err := exec.CommandContext(ctx, "git", "status", "--porcelain", "--untracked-files=no").Output(); err == nil && len(changes) > 0 {
		name += " with changes"
	}
	return name
}

func (s *Summary) write(dir string) error {
	return writeJSON(filepath.Join(dir, "summary.json"), s)
}

func writeJSON(path string, value any) error {
	content, err := json.MarshalIndent(value, "", "  ")
	if err == nil {
		err = os.WriteFile(path, append(content, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
