package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// process is a server that this run has started.
type process struct {
	name  string
	pid   int
	cmd   *exec.Cmd
	log   string // path of what it says
	ended chan struct{}
}

// start starts a program, on one core if core is not "". Whoever starts it ends it.
func (b *bench) start(ctx context.Context, name, core string, env []string, command ...string) (*process, error) {
	if core != "" {
		command = append([]string{"taskset", "-c", core}, command...)
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	cmd.Env = append(os.Environ(), env...)
	file, err := os.Create(filepath.Join(b.dir, name+".log"))
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	defer file.Close()
	cmd.Stdout, cmd.Stderr = file, file
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	p := &process{name: name, pid: cmd.Process.Pid, cmd: cmd, log: file.Name(), ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		_ = cmd.Wait() // how it ended shows in its log
	}()
	return p, nil
}

// stop ends the process and waits for that.
func (p *process) stop() { p.end(os.Interrupt) }

// kill ends it at once, as -9 does.
func (p *process) kill() { p.end(os.Kill) }

func (p *process) end(signal os.Signal) {
	_ = p.cmd.Process.Signal(signal) // it may have ended already
	<-p.ended
}

// failure is what a process said last, for an error about it.
func (p *process) failure(what string) error {
	said, _ := os.ReadFile(p.log)
	if len(said) > 2000 {
		said = said[len(said)-2000:]
	}
	return fmt.Errorf("%s: %s; its log ends with:\n%s", p.name, what, said)
}

// ready waits until url answers 200.
func (p *process) ready(ctx context.Context, url string) error {
	return p.await(ctx, "it does not become ready", 2*time.Minute, func() (bool, error) {
		answer, err := http.Get(url)
		if err != nil {
			return false, nil // it is not there yet
		}
		defer answer.Body.Close()
		return answer.StatusCode == http.StatusOK, nil
	})
}

// await waits until a condition holds, and gives up when the process ends or the time is over.
func (p *process) await(ctx context.Context, what string, limit time.Duration, holds func() (bool, error)) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(limit); ; {
		if held, err := holds(); held || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return p.failure(what)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.ended:
			return p.failure("it has ended")
		case <-tick.C:
		}
	}
}

// awaitIdle waits until the process does next to nothing.
func (p *process) awaitIdle(ctx context.Context) error {
	before, err := p.cpu()
	if err != nil {
		return err
	}
	at := time.Now()
	return p.await(ctx, "it does not come to rest", time.Minute, func() (bool, error) {
		if time.Since(at) < 300*time.Millisecond {
			return false, nil
		}
		now, err := p.cpu()
		idle := now-before <= 20*time.Millisecond
		before, at = now, time.Now()
		return idle, err
	})
}

// cpu is the processor time that the process has used, in steps of 10 ms.
func (p *process) cpu() (time.Duration, error) { return used(p.pid, 11, 13) }

// used adds up some fields of /proc/PID/stat that are times: 11 and 12 are the process's own, in user mode and in the
// kernel, 13 and 14 those of its children that have ended.
func used(pid, from, to int) (time.Duration, error) {
	fields, err := stat(pid)
	if err != nil {
		return 0, err
	}
	ticks := 0
	for _, field := range fields[from:to] { // in hundredths of a second
		n, err := strconv.Atoi(field)
		if err != nil {
			return 0, fmt.Errorf("reading the time of process %d: %w", pid, err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}

// usedByAll is what a process and all that descend from it have used.
func usedByAll(pid int) time.Duration {
	var sum time.Duration
	for _, p := range family(pid) {
		t, err := used(p, 11, 15)
		if err == nil { // it has ended, and counts as a child of its parent
			sum += t
		}
	}
	return sum
}

// stat gives the fields of /proc/PID/stat behind the name of the program: the state comes first, then the parent.
func stat(pid int) ([]string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, fmt.Errorf("looking at process %d: %w", pid, err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return strings.Fields(rest), nil
}

// memory is what a process and its children hold, in MB: resident, where what they share counts in each, and
// proportional, where it counts once.
func (p *process) memory() (resident, proportional float64, err error) {
	for _, pid := range family(p.pid) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			continue // it has ended meanwhile
		}
		for line := range strings.Lines(string(text)) {
			var kB float64
			if name, value, _ := strings.Cut(line, ":"); name == "Rss" || name == "Pss" {
				if _, err := fmt.Sscan(value, &kB); err != nil {
					return 0, 0, fmt.Errorf("reading %q: %w", line, err)
				}
				if name == "Rss" {
					resident += kB / 1000
				} else {
					proportional += kB / 1000
				}
			}
		}
	}
	if resident == 0 {
		return 0, 0, p.failure("it has ended")
	}
	return resident, proportional, nil
}

// family is a process and all that descend from it.
func family(pid int) []int {
	children := map[int][]int{}
	names, _ := filepath.Glob("/proc/[0-9]*")
	for _, name := range names {
		child, err := strconv.Atoi(filepath.Base(name))
		if err != nil {
			continue
		}
		if fields, err := stat(child); err == nil {
			parent, _ := strconv.Atoi(fields[1])
			children[parent] = append(children[parent], child)
		}
	}
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all
}

// free gives addresses on loopback that nobody uses at this moment.
func free(n int) ([]string, error) {
	addresses := make([]string, 0, n)
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("looking for a free port: %w", err)
		}
		defer l.Close() // all at once, so that they differ
		addresses = append(addresses, l.Addr().String())
	}
	return addresses, nil
}

// output runs a program to its end.
func output(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(append([]string{name}, args...), " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// metric reads one number of a process's /metrics; 0 where it is not among them.
func metric(ctx context.Context, inside, name string) (float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+inside+"/metrics", http.NoBody)
	if err != nil {
		return 0, fmt.Errorf("asking for metrics: %w", err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, fmt.Errorf("asking for metrics: %w", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, fmt.Errorf("asking for metrics: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, name+" "); found {
			value, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			return value, errors.Join(err)
		}
	}
	return 0, nil
}
