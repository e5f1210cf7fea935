package embedded

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	startLimit   = 60 * time.Second       // from process start to first connection; recovery after a crash is part of it
	probeEvery   = 10 * time.Millisecond  // between two attempts to connect while an engine starts
	probeLimit   = 10 * time.Second       // for one such attempt
	stopLimit    = 20 * time.Second       // for an orderly stop, then the engine is killed
	silentLimit  = 5 * time.Second        // the same for an engine that does not answer, and so hardly will stop
	steadyAfter  = 5 * time.Second        // an engine that served this long is healthy: earlier crashes are forgotten
	failLimit    = 3                      // attempts, before an engine that has never accepted a connection is given up
	backoffFirst = 100 * time.Millisecond // before the second restart in a row; the first is immediate
	backoffMost  = 5 * time.Second
)

// A server is one engine's own knowledge; a runner does what is the same for all of them.
type server interface {
	// prepare installs and initializes what is missing, once, before the first start. It returns the address to connect to.
	prepare(ctx context.Context, dir string, ports ports) (address string, err error)
	// command is the process to start. It is called for each start, and repairs what a crash left.
	command() (*exec.Cmd, error)
	// probe connects, asks something, and returns nil when the engine has answered. It ends with ctx.
	probe(ctx context.Context) error
}

// A runner keeps one engine alive.
type runner struct {
	engine Engine
	server server
	stop   syscall.Signal // asks the engine for an orderly end
	log    *slog.Logger
	dir    string // of all engines
	ports  ports
	watch  watch
	cancel context.CancelFunc
	ready  chan struct{} // closed at the first successful probe; address is set by then
	ended  chan struct{}

	address string

	mu    sync.Mutex
	state Status
}

func (r *runner) status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}

// run starts the engine again and again until ctx ends, which is no error, or it has never come up.
func (r *runner) run(ctx context.Context) error {
	var err error
	if r.address, err = r.server.prepare(ctx, r.dir, r.ports); err != nil {
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the caller ended it; what broke off in consequence is of no interest
		}
		return fmt.Errorf("preparing %s: %w", r.engine, err)
	}
	backoff := time.Duration(0)
	for crashes := 1; ; crashes++ {
		served, err := r.serve(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // as above
		}
		if served >= steadyAfter {
			crashes, backoff = 1, 0
		}
		// One that has served is tried for ever: its disk may be full, and have room again in an hour.
		if crashes >= failLimit && !r.everReady() {
			return fmt.Errorf("keeping %s running: gave up after %d attempts: %w%s", r.engine, crashes, err, r.logTail())
		}
		r.log.Warn("engine ended; restarting it", "reason", err, "after", served, "wait", backoff)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(backoff):
		}
		backoff = min(max(2*backoff, backoffFirst), backoffMost)
	}
}

// serve is one life of the engine: start, probe, wait for its end or for ctx. It returns how long the engine served, and
// why it ended.
func (r *runner) serve(ctx context.Context) (served time.Duration, err error) {
	began := time.Now()
	p, err := r.start()
	if err != nil {
		return 0, err
	}
	defer r.left()
	if err := r.awaitReady(ctx, p); err != nil {
		p.end(r.stop, stopLimit)
		return 0, err
	}
	up := time.Now()
	r.arrived()
	r.log.Info("engine started", "pid", p.cmd.Process.Pid, "took", up.Sub(began).Round(time.Millisecond))
	silent := r.watchOver(ctx, p)
	served = time.Since(up)
	if ctx.Err() != nil {
		p.end(r.stop, stopLimit)
		r.log.Info("engine stopped", "outcome", p.outcome())
		return served, ctx.Err()
	}
	if silent != nil {
		p.end(r.stop, silentLimit)
		return served, fmt.Errorf("%s does not answer: %w", r.engine, silent)
	}
	return served, fmt.Errorf("%s ended: %s", r.engine, p.outcome())
}

func (r *runner) start() (*process, error) {
	cmd, err := r.server.command()
	if err != nil {
		return nil, err
	}
	if port := r.ports.of(r.engine); !unused(port) { // a probe could take the other program for the engine
		return nil, fmt.Errorf("starting %s: port %d on 127.0.0.1 is in use by another program", r.engine, port)
	}
	logFile, err := openLog(r.logPath())
	if err != nil {
		return nil, err
	}
	defer func() { _ = logFile.Close() }() // the child has its own copy
	cmd.Stdout, cmd.Stderr = logFile, logFile
	p, err := launch(cmd)
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", r.engine, err)
	}
	pid := cmd.Process.Pid
	r.mu.Lock()
	r.state = Status{Pid: pid, Starts: r.state.Starts + 1}
	r.mu.Unlock()
	if err := os.WriteFile(r.pidPath(), []byte(strconv.Itoa(pid)+"\n"), 0o600); err != nil {
		p.end(r.stop, stopLimit)
		return nil, fmt.Errorf("writing pid file: %w", err)
	}
	return p, nil
}

func (r *runner) awaitReady(ctx context.Context, p *process) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	go func() { // a probe must not outlast the process: something else may answer on its port, or never answer
		select {
		case <-p.exited:
			cancel()
		case <-ctx.Done():
		}
	}()
	for {
		err := r.probe(ctx, probeLimit)
		if err == nil {
			return nil
		}
		select {
		case <-p.exited:
		case <-ctx.Done():
		case <-time.After(probeEvery):
		}
		select {
		case <-p.exited:
			return fmt.Errorf("%s ended before it accepted a connection: %s", r.engine, p.outcome())
		default:
		}
		if ctx.Err() != nil {
			return fmt.Errorf("waiting for %s to accept a connection: %w", r.engine, err)
		}
	}
}

// probe asks the engine once, for at most limit.
func (r *runner) probe(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return r.server.probe(ctx)
}

func (r *runner) arrived() {
	r.setReady(true)
	select {
	case <-r.ready:
	default:
		close(r.ready)
	}
}

func (r *runner) everReady() bool {
	select {
	case <-r.ready:
		return true
	default:
		return false
	}
}

// setReady reports whether that was news.
func (r *runner) setReady(ready bool) (changed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	changed = r.state.Ready != ready
	r.state.Ready = ready
	return changed
}

func (r *runner) left() {
	r.setReady(false)
	_ = os.Remove(r.pidPath()) // a pid file left behind is harmless
}

func (r *runner) logPath() string { return filepath.Join(r.dir, "log", string(r.engine)+".log") }
func (r *runner) pidPath() string { return filepath.Join(r.dir, "run", string(r.engine)+".pid") }
