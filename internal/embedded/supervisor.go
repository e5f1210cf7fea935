package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
)

// A Supervisor keeps the configured engines running. Create it with [New]; [Supervisor.Run] does the work.
type Supervisor struct {
	cfg     Config
	runners []*runner // in the order of stopping
	started atomic.Bool
	ready   chan struct{} // closed when every engine has accepted a connection
	ended   chan struct{} // closed when Run returns
	err     error         // what Run returned; read only after ended
}

// New returns a Supervisor that has done nothing yet.
func New(cfg Config) *Supervisor {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Progress == nil {
		cfg.Progress = io.Discard
	}
	s := &Supervisor{cfg: cfg, ready: make(chan struct{}), ended: make(chan struct{})}
	if cfg.Kafka {
		s.add(Kafka, &kafkaBroker{cfg: cfg}, syscall.SIGTERM)
	}
	if cfg.ClickHouse {
		s.add(ClickHouse, &clickhouseServer{cfg: cfg}, syscall.SIGTERM)
	}
	if cfg.Postgres {
		// SIGINT is the fast shutdown: open sessions are ended, a checkpoint is written.
		s.add(Postgres, &postgresServer{cfg: cfg}, syscall.SIGINT)
	}
	return s
}

func (s *Supervisor) add(engine Engine, srv server, stop syscall.Signal) {
	s.runners = append(s.runners, &runner{
		engine: engine, server: srv, stop: stop, log: s.cfg.Log.With("engine", string(engine)),
		watch: usualWatch(), ready: make(chan struct{}), ended: make(chan struct{}),
	})
}

// Run starts the engines side by side, starts again those that end by themselves or no longer answer, and blocks until ctx ends or an engine
// cannot be kept running; in both cases it first stops all of them, in order. It returns nil when ctx ended it, and
// otherwise an error that carries the end of the engine's log. Run may be called once.
func (s *Supervisor) Run(ctx context.Context) error {
	if s.started.Swap(true) {
		return errors.New("running engines: Run was called twice")
	}
	s.err = s.run(ctx)
	close(s.ended)
	return s.err
}

// Ready waits until every engine has accepted a connection and says where they are. It fails when Run ended before that,
// with Run's error, or when ctx ends.
func (s *Supervisor) Ready(ctx context.Context) (Addresses, error) {
	select {
	case <-ctx.Done():
		return Addresses{}, fmt.Errorf("waiting for engines: %w", ctx.Err())
	case <-s.ended:
		if s.err == nil {
			return Addresses{}, errors.New("waiting for engines: they were stopped")
		}
		return Addresses{}, s.err
	case <-s.ready:
	}
	return s.addresses(), nil
}

// addresses may be asked for once every engine is ready.
func (s *Supervisor) addresses() Addresses {
	var a Addresses
	for _, r := range s.runners {
		switch r.engine {
		case Postgres:
			a.PostgresURL = r.address
			if server, ok := r.server.(*postgresServer); ok {
				a.PostgresRoles = server.addresses()
			}
		case Kafka:
			a.KafkaBrokers, a.KafkaUser, a.KafkaMechanism = r.address, kafkaUser, kafkaMechanism
			if server, ok := r.server.(*kafkaBroker); ok {
				a.KafkaPassword = server.password
			}
		case ClickHouse:
			a.ClickHouseURL = r.address
			if server, ok := r.server.(*clickhouseServer); ok {
				a.ClickHouseRoles = server.addresses()
			}
		}
	}
	return a
}

// Status returns the state of one engine; the zero Status for an engine that was not asked for.
func (s *Supervisor) Status(engine Engine) Status {
	for _, r := range s.runners {
		if r.engine == engine {
			return r.status()
		}
	}
	return Status{}
}

// Kill ends an engine's process with SIGKILL, as a crash would; Run then starts it again. It is for fault tests. The pids
// are also in Dir/run/ENGINE.pid for those outside this process.
func (s *Supervisor) Kill(engine Engine) error {
	pid := s.Status(engine).Pid
	if pid == 0 {
		return fmt.Errorf("killing %s: it is not running", engine)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return fmt.Errorf("killing %s: %w", engine, err)
	}
	return nil
}

func (s *Supervisor) run(ctx context.Context) error {
	if os.Getenv(roleVariable) != "" {
		return fmt.Errorf("starting engines: this process is itself an engine (%s=%s), but did not call embedded.ChildMain first",
			roleVariable, os.Getenv(roleVariable))
	}
	release, err := s.claimDir()
	if err != nil {
		return err
	}
	defer release()

	failed := make(chan error, len(s.runners))
	for _, r := range s.runners {
		// An engine outlives ctx until its turn to stop comes.
		own, cancel := context.WithCancel(context.WithoutCancel(ctx))
		r.cancel = cancel
		go func() {
			defer close(r.ended)
			if err := r.run(own); err != nil {
				failed <- err
			}
		}()
	}
	err = s.wait(ctx, failed)
	for _, r := range s.runners {
		r.cancel()
		<-r.ended
	}
	return err
}

// wait returns when ctx ends or the first engine fails for good, and tells those in Ready when all engines are up.
func (s *Supervisor) wait(ctx context.Context, failed <-chan error) error {
	for _, r := range s.runners {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case <-r.ready:
		}
	}
	forget, err := s.tell()
	if err != nil {
		return err
	}
	defer forget()
	close(s.ready)
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}

// claimDir makes the data folder, takes its lock and chooses the ports.
func (s *Supervisor) claimDir() (release func(), err error) {
	dir, err := filepath.Abs(s.cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("finding data folder: %w", err)
	}
	for _, d := range []string{dir, filepath.Join(dir, "log"), filepath.Join(dir, "run")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("making data folder: %w", err)
		}
	}
	unlock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	_ = os.Remove(addressesFile(dir)) // a crash left it; these engines are not up yet
	ports, free, err := choosePorts(dir, s.cfg)
	if err != nil {
		unlock()
		return nil, err
	}
	for _, r := range s.runners {
		r.dir, r.ports = dir, ports
	}
	return func() {
		free()
		unlock()
	}, nil
}
