package fire

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"tributary/internal/fault/inject"
)

// Process is one process under test. Whatever ends it, it is started again at once.
type Process struct {
	// Name is unlike any other's, such as "engine-2"; Role is what it serves.
	Name, Role string

	path   string
	args   []string
	env    []string
	log    io.WriteCloser
	counts *Counts
	arm    func(start int) string // the failpoint to start with, "" for none
	thaw   func(start int) time.Duration
	leases func(pid int) map[string]int64 // the epochs of the partitions that a process holds; of all of them for pid 0
	spawn  *spawner

	mu     sync.Mutex
	life   *life
	starts int
	calm   bool
}

// life is one start of a process.
type life struct {
	process *Process
	cmd     *exec.Cmd
	number  int
	exited  chan struct{}

	mu     sync.Mutex
	killed bool   // by Kill
	point  string // the failpoint that ended it
	frozen bool
	held   map[string]int64 // what it held when it froze
	woke   bool             // to find that another process holds some of that
	last   string           // the last line it logged
}

// Starts counts the starts so far.
func (p *Process) Starts() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.starts
}

// Pid is that of the present life, 0 between two.
func (p *Process) Pid() int {
	if l := p.present(); l != nil {
		return l.cmd.Process.Pid
	}
	return 0
}

// Calm makes every start from now on one without a failpoint.
func (p *Process) Calm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calm = true
}

func (p *Process) present() *life {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.life
}

// Run keeps the process running until ctx ends, and then ends it: politely, and after a while not.
func (p *Process) Run(ctx context.Context) error {
	defer p.log.Close()
	quick := 0
	for ctx.Err() == nil {
		began := time.Now()
		l, err := p.start()
		if err != nil {
			return err
		}
		select {
		case <-l.exited:
		case <-ctx.Done():
			l.end()
		}
		p.mu.Lock()
		p.life = nil
		p.mu.Unlock()
		l.account(ctx.Err() != nil)
		if quick++; time.Since(began) > 2*time.Second {
			quick = 0
		}
		if quick > 3 { // something it needs is away: no need to spin
			pause(ctx, 500*time.Millisecond)
		}
	}
	return nil
}

func (p *Process) start() (*life, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	cmd := exec.Command(p.path, p.args...) //nolint:gosec,noctx // the program under test; it is ended by a signal
	cmd.Env = p.env
	if !p.calm {
		if point := p.arm(p.starts); point != "" {
			cmd.Env = append(slices.Clip(cmd.Env), inject.Variable+"="+point)
		}
	}
	l := &life{process: p, cmd: cmd, number: p.starts, exited: make(chan struct{})}
	cmd.Stderr = &lines{each: l.said}
	cmd.Stdout = cmd.Stderr
	if err := p.spawn.start(cmd); err != nil {
		return nil, fmt.Errorf("starting %s: %w", p.Name, err)
	}
	p.starts++
	p.life = l
	go func() {
		_ = cmd.Wait() // how it ended is in its state
		close(l.exited)
	}()
	return l, nil
}

// reached is what a process says when it comes to its failpoint.
var reached = regexp.MustCompile(`^failpoint (\S+) reached \d+ times: (killed|stopped)`)

// said looks at a line of the log.
func (l *life) said(line []byte) {
	_, _ = fmt.Fprintf(l.process.log, "%s\n", line)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = string(line)
	if l.woke && bytes.Contains(line, []byte("lease")) && bytes.Contains(line, []byte("lost")) {
		l.woke = false
		l.process.counts.stale()
	}
	m := reached.FindSubmatch(line)
	switch {
	case m == nil:
	case string(m[2]) == "killed":
		l.point = string(m[1])
	default:
		l.process.counts.add(&l.process.counts.Frozen, string(m[1]))
		l.frozen = true
		go l.rest(l.process.thaw(l.number))
	}
}

// rest waits until a frozen life is to go on.
func (l *life) rest(d time.Duration) {
	held := l.process.leases(l.cmd.Process.Pid)
	l.mu.Lock()
	l.held = held
	l.mu.Unlock()
	time.Sleep(d)
	l.wake()
}

// account counts how the life ended.
func (l *life) account(wanted bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.process.counts
	switch {
	case l.point != "":
		c.add(&c.Failpoints, l.point)
	case !l.killed && !wanted:
		reason := l.last
		if len(reason) > 300 {
			reason = reason[:300]
		}
		c.add(&c.Ended, fmt.Sprintf("%s: %s: %s", l.process.Name, l.cmd.ProcessState, reason))
	}
}

// end asks the process to end, and makes it.
func (l *life) end() {
	_ = l.cmd.Process.Signal(syscall.SIGCONT)
	_ = l.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-l.exited:
	case <-time.After(20 * time.Second):
		_ = l.cmd.Process.Kill()
		<-l.exited
	}
}

// Kill sends SIGKILL to the present life and tells whether there was one. One that is frozen is left alone: what it does
// when it wakes up is the point.
func (p *Process) Kill() bool {
	l := p.present()
	if l == nil || !l.mark(&l.killed) {
		return false
	}
	if l.cmd.Process.Kill() != nil {
		return false
	}
	p.counts.add(&p.counts.Kills, p.Name)
	return true
}

// mark sets a flag of a life that is not frozen.
func (l *life) mark(flag *bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.frozen {
		return false
	}
	*flag = true
	return true
}

// Freeze stops the present life for a while with SIGSTOP and lets it go on with SIGCONT. It returns at once.
func (p *Process) Freeze(d time.Duration) bool {
	l := p.present()
	if l == nil || !l.mark(&l.frozen) || l.cmd.Process.Signal(syscall.SIGSTOP) != nil {
		return false
	}
	go l.rest(d)
	return true
}

// wake lets a frozen life go on. It is then a zombie: where another process has taken over what it held, its memory is
// wrong, and it must find out before it writes.
func (l *life) wake() {
	select {
	case <-l.exited:
		return
	default:
	}
	now := l.process.leases(0)
	l.mu.Lock()
	l.frozen = false
	for key, epoch := range l.held {
		if now != nil && now[key] != epoch {
			l.woke = true
		}
	}
	woke := l.woke
	l.mu.Unlock()
	if l.cmd.Process.Signal(syscall.SIGCONT) == nil {
		l.process.counts.zombie(woke)
	}
}

// spawner starts processes from one thread of its own: they are told to die with the thread that started them, which
// must therefore live as long as the harness does.
type spawner struct {
	work chan func()
}

func newSpawner() *spawner {
	s := &spawner{work: make(chan func())}
	go func() {
		runtime.LockOSThread()
		for f := range s.work {
			f()
		}
	}()
	return s
}

func (s *spawner) start(cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	result := make(chan error)
	s.work <- func() { result <- cmd.Start() }
	return <-result
}

// lines is a writer that hands on whole lines.
type lines struct {
	each func(line []byte)
	rest []byte
}

// Write takes a piece of the log.
func (w *lines) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	for {
		line, rest, found := bytes.Cut(w.rest, []byte("\n"))
		if !found {
			return len(p), nil
		}
		w.each(line)
		w.rest = rest
	}
}

// pause waits for a while or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// cleanEnv is this process's environment without what belongs to the program under test.
func cleanEnv() []string {
	var env []string
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "TRIBUTARY_") {
			env = append(env, pair)
		}
	}
	return env
}
