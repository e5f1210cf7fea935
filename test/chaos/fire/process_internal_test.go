package fire

import (
	"context"
	"io"
	"sync/atomic"
	"testing"
	"time"
)

type discarded struct{ io.Writer }

func (discarded) Close() error { return nil }

// running starts a process that runs a line of shell, and ends it with the test.
func running(t *testing.T, counts *Counts, script string, leases func(pid int) map[string]int64) *Process {
	t.Helper()
	spawn := newSpawner()
	p := &Process{
		Name: "engine-1", Role: "engine", path: "/bin/sh", args: []string{"-c", script}, log: discarded{io.Discard}, counts: counts,
		arm: func(int) string { return "" }, thaw: func(int) time.Duration { return 0 }, leases: leases, spawn: spawn,
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		close(spawn.work)
	})
	return p
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); pause(t.Context(), time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("timed out waiting for", what)
		}
	}
}

func TestWhatIsKilledIsStartedAgain(t *testing.T) {
	t.Parallel()
	counts := &Counts{}
	p := running(t, counts, "exec sleep 600", func(int) map[string]int64 { return nil })
	for n := 1; n <= 3; n++ {
		eventually(t, "a start", func() bool { return p.Starts() == n && p.Pid() != 0 })
		if !p.Kill() {
			t.Fatal("there was nothing to kill")
		}
	}
	eventually(t, "the last start", func() bool { return p.Starts() == 4 })
	counts.mu.Lock()
	defer counts.mu.Unlock()
	if counts.Kills["engine-1"] != 3 || Total(counts.Ended) != 0 {
		t.Errorf("counted %+v", counts.Kills)
	}
}

func TestEndsAreToldApart(t *testing.T) {
	t.Parallel()
	counts := &Counts{}
	running(t, counts, `echo "failpoint engine/after-commit reached 3 times: killed" >&2; kill -9 $$`, nil)
	running(t, counts, `echo "the disk is on fire" >&2; exit 3`, nil)
	eventually(t, "both ends", func() bool {
		counts.mu.Lock()
		defer counts.mu.Unlock()
		return counts.Failpoints["engine/after-commit"] > 0 && counts.Ended["engine-1: exit status 3: the disk is on fire"] > 0
	})
}

// A frozen process is not killed. When it wakes and what it held is another's, it is counted, and so is that it noticed.
func TestAZombieIsCounted(t *testing.T) {
	t.Parallel()
	counts := &Counts{}
	var epoch atomic.Int64
	script := `trap 'echo "the lease was lost" >&2' CONT; echo started >&2; while :; do sleep 0.05; done`
	p := running(t, counts, script, func(int) map[string]int64 { return map[string]int64{"engine/orders/0": epoch.Add(1)} })
	eventually(t, "the first line", func() bool {
		l := p.present()
		if l == nil {
			return false
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.last == "started"
	})
	if !p.Freeze(50*time.Millisecond) || p.Kill() {
		t.Error("it was not frozen, or killed while it was")
	}
	eventually(t, "the zombie", func() bool {
		counts.mu.Lock()
		defer counts.mu.Unlock()
		return counts.Zombies == 1 && counts.Overtaken == 1 && counts.Stale == 1
	})
}
