package embedded

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
)

// patience bounds every wait of these tests.
const patience = 60 * time.Second

// start runs the configured engines until the test ends or stop is called.
func start(t *testing.T, cfg Config) (s *Supervisor, a Addresses, stop func()) {
	t.Helper()
	s = New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("running engines: %v", err)
		}
	}
	t.Cleanup(stop)
	a, err := s.Ready(t.Context())
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	return s, a, stop
}

// await waits until condition holds.
func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for: %s", patience, what)
		}
	}
}

// TestDataOutliveKillAndRestart writes to each engine, kills it, reads, stops all, starts all on the same folder, reads.
func TestDataOutliveKillAndRestart(t *testing.T) {
	t.Parallel()
	for _, engine := range []struct {
		name  Engine
		cfg   Config
		write func(*testing.T, Addresses)
		read  func(*testing.T, Addresses)
	}{
		{Postgres, Config{Postgres: true}, writePostgres, readPostgres},
		{Kafka, Config{Kafka: true}, writeKafka, readKafka},
		{ClickHouse, Config{ClickHouse: true}, writeClickHouse, readClickHouse},
	} {
		t.Run(string(engine.name), func(t *testing.T) {
			t.Parallel()
			cfg := engine.cfg
			cfg.Dir = t.TempDir()
			s, before, stop := start(t, cfg)
			engine.write(t, before)

			first := s.Status(engine.name)
			if err := s.Kill(engine.name); err != nil {
				t.Fatal(err)
			}
			await(t, "restart after kill -9", func() bool {
				now := s.Status(engine.name)
				return now.Ready && now.Starts > first.Starts && now.Pid != first.Pid
			})
			engine.read(t, before)
			stop()
			if s.Status(engine.name).Ready {
				t.Error("engine still counts as ready after the stop")
			}

			_, after, _ := start(t, cfg)
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("addresses changed with the restart (-before +after):\n%s", diff)
			}
			engine.read(t, after)
		})
	}
}

func writePostgres(t *testing.T, a Addresses) {
	t.Helper()
	conn := connect(t, a.PostgresURL)
	if _, err := conn.Exec(t.Context(), "CREATE TABLE kept AS SELECT n FROM generate_series(1, 1000) n"); err != nil {
		t.Fatal(err)
	}
}

func readPostgres(t *testing.T, a Addresses) {
	t.Helper()
	var n int
	if err := connect(t, a.PostgresURL).QueryRow(t.Context(), "SELECT count(*) FROM kept").Scan(&n); err != nil {
		t.Fatal(err)
	}
	if n != 1000 {
		t.Errorf("PostgreSQL kept %d of 1000 rows", n)
	}
}

// connect opens a connection that is closed when the test ends.
func connect(t *testing.T, address string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func TestSecondProcessOnAFolderIsRefused(t *testing.T) {
	t.Parallel()
	cfg := Config{Dir: t.TempDir(), Kafka: true}
	start(t, cfg)
	err := New(cfg).Run(t.Context())
	want := fmt.Sprintf("is in use by process %d", os.Getpid())
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("second Run on the folder: %v, want an error that says %q", err, want)
	}
}

func TestRunTwiceIsRefused(t *testing.T) {
	t.Parallel()
	s, _, _ := start(t, Config{Dir: t.TempDir()})
	if err := s.Run(t.Context()); err == nil {
		t.Error("second Run of a Supervisor returned nil")
	}
}

func TestNoEngineAskedForIsReadyAtOnce(t *testing.T) {
	t.Parallel()
	s, a, _ := start(t, Config{Dir: t.TempDir()})
	if diff := cmp.Diff(Addresses{}, a); diff != "" {
		t.Errorf("addresses (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(Status{}, s.Status(Kafka)); diff != "" {
		t.Errorf("status of an engine not asked for (-want +got):\n%s", diff)
	}
	if err := s.Kill(Kafka); err == nil {
		t.Error("killing an engine not asked for returned nil")
	}
}

func TestEndWhileStartingIsNoError(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := New(Config{Dir: t.TempDir(), Kafka: true, Postgres: true})
	if err := s.Run(ctx); err != nil {
		t.Errorf("Run with an ended context: %v", err)
	}
	if _, err := s.Ready(t.Context()); err == nil {
		t.Error("Ready after Run was ended: nil error")
	}
}

func TestTakenPortEndsRun(t *testing.T) {
	t.Parallel()
	taken, _, _ := start(t, Config{Dir: t.TempDir(), Kafka: true})
	port := taken.runners[0].ports.Kafka
	for name, cfg := range map[Engine]Config{
		Kafka:      {Kafka: true, KafkaPort: port},
		ClickHouse: {ClickHouse: true, ClickHousePort: port},
		Postgres:   {Postgres: true, PostgresPort: port, Throwaway: true},
	} {
		t.Run(string(name), func(t *testing.T) {
			t.Parallel()
			cfg.Dir = t.TempDir()
			refused(t, cfg, fmt.Sprintf("port %d on 127.0.0.1 is in use by another program", port))
		})
	}
}

// TestDamagedDataEndRun also proves that the error shows the engine's log.
func TestDamagedDataEndRun(t *testing.T) {
	t.Parallel()
	for name, c := range map[Engine]struct {
		cfg        Config
		file, says string
	}{
		Kafka:    {Config{Kafka: true}, "kafka/topics.json", "loading persisted state"},
		Postgres: {Config{Postgres: true, Throwaway: true}, "postgres/global/pg_control", "the end of"},
	} {
		t.Run(string(name), func(t *testing.T) {
			t.Parallel()
			c.cfg.Dir = t.TempDir()
			_, _, stop := start(t, c.cfg)
			stop()
			if err := os.WriteFile(filepath.Join(c.cfg.Dir, c.file), []byte("damage"), 0o600); err != nil {
				t.Fatal(err)
			}
			refused(t, c.cfg, c.says)
		})
	}
}

// refused runs engines that cannot start, and wants an error that says why from both Run and Ready.
func refused(t *testing.T, cfg Config, says string) {
	t.Helper()
	s := New(cfg)
	err := s.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("Run: %v, want an error that says %q", err, says)
	}
	if _, readyErr := s.Ready(t.Context()); readyErr == nil || readyErr.Error() != err.Error() {
		t.Errorf("Ready: %v, want Run's error", readyErr)
	}
}
