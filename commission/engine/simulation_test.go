package engine

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
)

// The simulation runs the engine's own folds, decisions, differences and settlements, and its sequence rule, on a store in memory.
// A seed says everything that happens: what merchants report and people decide, how it arrives, who takes it in and in what slices,
// which transactions overlap, what crashes and where the clock goes. In the end the books must be those of one look at all facts.

const (
	// seedsByDefault are tried by go test; make simulation tries more.
	seedsByDefault = 1000
	// seedsOnBoth are played on PostgreSQL, too.
	seedsOnBoth = 20
	// simulatedSteps are those before everything comes to rest.
	simulatedSteps = 250
)

// seeds are from which seed on, and how many, to try: TRIBUTARY_SEED alone is that one, TRIBUTARY_SEEDS are so many from it on.
func seeds(tb testing.TB, count int) (first uint64, n int) {
	tb.Helper()
	first, n = 1, count
	if text := os.Getenv("TRIBUTARY_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		check(tb, err)
		first, n = seed, 1
	}
	if text := os.Getenv("TRIBUTARY_SEEDS"); text != "" {
		more, err := strconv.Atoi(text)
		check(tb, err)
		n = more
	}
	return first, n
}

// failedSeed says how to run a seed again.
func failedSeed(test string, seed uint64, err error) string {
	return fmt.Sprintf("%v\nseed %d; again: TRIBUTARY_SEED=%d go test ./commission/engine -count=1 -run '^%s$'", err, seed, seed, test)
}

// TestSimulation tries seeds on the store in memory.
func TestSimulation(t *testing.T) {
	t.Parallel()
	first, n := seeds(t, seedsByDefault)
	var next atomic.Int64
	var all tallied
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for i := next.Add(1) - 1; i < int64(n) && !t.Failed(); i = next.Add(1) - 1 {
				seed := first + uint64(i)
				s := newSimulation(seed, newCast(), noMistake)
				if err := s.run(simulatedSteps); err != nil {
					t.Error(failedSeed("TestSimulation", seed, err))
				}
				all.add(&s.tally)
			}
		})
	}
	group.Wait()
	t.Logf("%d seeds: %s", n, &all.tally)
	if n < seedsByDefault {
		return
	}
	for what, n := range all.counts() {
		if n == 0 {
			t.Errorf("nothing of this happened in any seed: %s", what)
		}
	}
}

// tallied adds up what seeds have done.
type tallied struct {
	mu sync.Mutex
	tally
}

func (t *tallied) add(o *tally) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.plus(o)
}

// TestSimulationFindsFaults breaks the state machine in one way each, which some seed must notice.
func TestSimulationFindsFaults(t *testing.T) {
	t.Parallel()
	for _, broken := range mistakes() {
		t.Run(broken.String(), func(t *testing.T) {
			t.Parallel()
			for seed := uint64(1); seed <= 1000; seed++ {
				if err := newSimulation(seed, newCast(), broken).run(simulatedSteps); err != nil {
					t.Logf("seed %d: %.300v", seed, err)
					return
				}
			}
			t.Error("no seed notices")
		})
	}
}

// TestSimulationIsHeldAgainstPostgreSQL has the store in memory be wrong, which the real engine must not agree with.
func TestSimulationIsHeldAgainstPostgreSQL(t *testing.T) {
	t.Parallel()
	p := newPlayer(t)
	s := newSimulation(1, p.cast, sweepNudgesNobody)
	s.store.sweeps = sweepOrders
	if err := s.run(simulatedSteps); err == nil {
		t.Fatal("nothing is wrong with the simulation")
	}
	err := p.play(s)
	if err == nil {
		t.Fatal("PostgreSQL agrees")
	}
	t.Logf("%.300v", err)
}

// TestSimulationAgreesWithPostgreSQL plays what happens in some seeds on the real engine, step by step, and compares what is
// stored: halfway, with half of the work undone, and in the end.
func TestSimulationAgreesWithPostgreSQL(t *testing.T) {
	t.Parallel()
	first, n := seeds(t, seedsOnBoth)
	for i := range min(n, seedsOnBoth) {
		seed := first + uint64(i)
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			p := newPlayer(t)
			s := newSimulation(seed, p.cast, noMistake)
			s.store.sweeps = sweepOrders
			if err := errors.Join(s.run(simulatedSteps), p.play(s)); err != nil {
				t.Error(failedSeed("TestSimulationAgreesWithPostgreSQL", seed, err))
			}
			t.Logf("%d steps, %d lines stored: %s", len(s.steps), len(s.steps[len(s.steps)-1].stored), &s.tally)
			p.w.clean()
		})
	}
}
