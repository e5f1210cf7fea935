package fire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// refusal is one way in which the disk does not do what the tracker asks of it.
type refusal struct {
	call, failure string // an error such as "EIO", or "delay_enter=300000": microseconds
	when          string // which calls of each thread, as strace counts them: "3", "1..5", or "1+" for all
}

// injection is the refusal as strace takes it.
func (f refusal) injection() string {
	if strings.HasPrefix(f.failure, "delay") {
		return f.call + ":" + f.failure + ":when=" + f.when
	}
	return f.call + ":error=" + f.failure + ":when=" + f.when
}

// refusals are the calls by which the spool and the relay write: a group (pwrite64), its sync (fdatasync), a segment and the
// file of places (fsync, openat, renameat), and the cut behind the last commit (ftruncate). A plain write is none of them:
// by it Go's runtime wakes itself, and ends the program when that is refused.
func refusals() []refusal {
	var all []refusal
	for n := range 8 {
		all = append(all, refusal{"fdatasync", "EIO", strconv.Itoa(1 + n*n)})
	}
	for _, failure := range []string{"EIO", "ENOSPC"} {
		for n := range 4 {
			all = append(all, refusal{"pwrite64", failure, strconv.Itoa(1 + n*n)})
		}
	}
	return append(all,
		refusal{"fdatasync", "EIO", "2+2"}, refusal{"fdatasync", "EIO", "1+"}, refusal{"pwrite64", "ENOSPC", "1+"}, refusal{"pwrite64", "EIO", "1+"},
		refusal{"fsync", "EIO", "1"}, refusal{"fsync", "EIO", "1+"}, refusal{"renameat", "EIO", "1+"},
		refusal{"ftruncate,fdatasync", "EIO", "1+"}, refusal{"openat", "ENOSPC", "1+"}, refusal{"unlinkat,fdatasync", "EIO", "1+"},
	)
}

// common tells whether the tracker makes such a call all the time.
func (f refusal) common() bool { return f.call == "pwrite64" || f.call == "fdatasync" }

var errTraceable = errors.New("this plan needs strace, and root")

// traceable tells whether strace can attach to a process of ours.
func traceable() bool {
	_, err := exec.LookPath("strace")
	return err == nil && os.Getuid() == 0
}

// fsync has the disk refuse the tracker's calls, one sort after the other, by strace. What was answered 2xx is durable all
// the same: after each sort of refusal the tracker is killed and started again, so that only the disk remembers.
func fsync(ctx context.Context, r *Run) error {
	if !traceable() {
		return errTraceable
	}
	all := refusals()
	part := max(r.Config.For/time.Duration(len(all)), 2*time.Second)
	rows := [][]string{slices.Concat([]string{"call", "answer", "which", "refused"}, phaseTitles())}
	for _, f := range all {
		tracker := r.Net.Process("tracker")
		starts := tracker.Starts()
		r.cut()
		refused, err := r.refuse(ctx, f, tracker.Pid(), part)
		if err != nil {
			return err
		}
		p := r.cut()
		rows = append(rows, slices.Concat([]string{f.call, f.failure, f.when, strconv.Itoa(refused)}, p.columns()))
		check := fmt.Sprintf("%s of %s (%s)", f.failure, f.call, f.when)
		if tracker.Starts() != starts {
			r.Findf(check, "the tracker ended")
		}
		if refused == 0 && f.common() {
			r.Findf(check, "nothing was refused")
		}
		if p.Hasty > 0 {
			r.Findf(check, "%d refusals did not say when to come again", p.Hasty)
		}
		if n := p.Status["report 500"] + p.Status["click 500"] + p.Status["click 503"]; n > 0 {
			r.Findf(check, "%d requests were answered as they should not be", n)
		}
		if err := r.recovers(ctx, check); err != nil {
			return err
		}
	}
	r.Table(rows)
	return ctx.Err()
}

// refuse attaches strace to a process for a while, and tells how many calls were refused.
func (r *Run) refuse(ctx context.Context, f refusal, pid int, d time.Duration) (int, error) {
	trace := filepath.Join(r.Config.Data, "strace")
	cmd := exec.CommandContext(ctx, "strace", "-f", "-qq", "-o", trace, "-p", strconv.Itoa(pid), //nolint:gosec // a process of our own
		"-e", "trace="+f.call, "-e", "inject="+f.injection())
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("starting strace: %w", err)
	}
	pause(ctx, d)
	_ = cmd.Process.Signal(syscall.SIGINT) // it lets go of the process
	err := cmd.Wait()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return 0, fmt.Errorf("running strace: %w: %s", err, said.String())
	}
	log, err := os.ReadFile(trace)
	if err != nil {
		return 0, fmt.Errorf("reading what strace did: %w: %s", err, said.String())
	}
	return bytes.Count(log, []byte("(INJECTED)")) + bytes.Count(log, []byte("(DELAYED)")), nil
}

// slowest is what a hundredth of the redirects may take longer than on a disk that is not slow: they wait for it 15 ms, and
// strace slows whatever the tracker does.
const slowest = 100 * time.Millisecond

// slow makes each fdatasync of the tracker take its time: 50, 150 and 500 ms.
func slow(ctx context.Context, r *Run) error {
	if !traceable() {
		return errTraceable
	}
	pause(ctx, r.Config.For/5)
	r.cut()
	rows := [][]string{slices.Concat([]string{"fdatasync", "delayed"}, phaseTitles())}
	var usual time.Duration
	for n, delay := range []time.Duration{0, 50 * time.Millisecond, 150 * time.Millisecond, 500 * time.Millisecond} {
		f := refusal{"fdatasync", fmt.Sprintf("delay_enter=%d", delay.Microseconds()), "1+"}
		delayed, err := r.refuse(ctx, f, r.Net.Process("tracker").Pid(), r.Config.For/5)
		if err != nil {
			return err
		}
		p := r.cut()
		rows = append(rows, slices.Concat([]string{"+" + delay.String(), strconv.Itoa(delayed)}, p.columns()))
		p99 := quantile(p.Clicks, 0.99)
		if n == 0 {
			usual = p99
		}
		if delayed == 0 && delay > 0 {
			r.Findf("slow disk", "nothing was delayed by %s", delay)
		}
		if p99 > usual+slowest {
			r.Findf("slow disk", "with %s for each fdatasync the slowest hundredth of redirects took %s", delay, p99)
		}
		if n := p.Status["report 500"] + p.Status["click 500"] + p.Status["click 503"] + p.unanswered() + p.Hasty; n > 0 {
			r.Findf("slow disk", "with %s for each fdatasync %d requests were not answered as they should be", delay, n)
		}
	}
	r.Table(rows)
	return ctx.Err()
}

// recovers wants reports to be stored again at once, and again after the tracker was killed.
func (r *Run) recovers(ctx context.Context, check string) error {
	for _, killed := range []bool{false, true} {
		if killed {
			r.Net.Process("tracker").Kill()
			pause(ctx, 100*time.Millisecond)
			if err := r.Net.awaitTracker(ctx); err != nil {
				return fmt.Errorf("%s: the tracker does not start again: %w", check, err)
			}
		}
		r.cut()
		stored := 0
		for deadline := time.Now().Add(10 * time.Second); stored == 0 && time.Now().Before(deadline) && ctx.Err() == nil; {
			pause(ctx, 100*time.Millisecond)
			p := r.cut()
			stored += len(p.Reports)
		}
		if stored == 0 && ctx.Err() == nil {
			r.Findf(check, "no report was stored within 10 s of the end of it (killed: %t)", killed)
		}
	}
	return ctx.Err()
}
