package embedded

import (
	"context"
	"encoding/binary"
	"net/url"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
)

// figures gathers what a Supervisor tells of an engine: up and restarts_total.
func figures(t *testing.T, s *Supervisor, engine Engine) (up, restarts float64) {
	t.Helper()
	registry := prometheus.NewRegistry()
	s.Register(registry)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if m.GetLabel()[0].GetValue() != string(engine) {
				continue
			}
			switch f.GetName() {
			case "tributary_embedded_up":
				up = m.GetGauge().GetValue()
			case "tributary_embedded_restarts_total":
				restarts = m.GetCounter().GetValue()
			}
		}
	}
	return up, restarts
}

func signalTo(t *testing.T, pid int, sig syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, sig); err != nil {
		t.Fatal(err)
	}
}

func TestSilenceIsNoticedWithinTenSeconds(t *testing.T) {
	t.Parallel()
	w := usualWatch()
	if noticed := w.every + w.limit; noticed > 10*time.Second {
		t.Errorf("a silent engine is noticed after %v", noticed)
	}
	if w.silence < 2*w.limit {
		t.Errorf("an engine that takes %v for an answer is ended", w.silence)
	}
}

// TestAnEngineThatDoesNotAnswerIsRestarted stops the process of each engine, which keeps its port open.
func TestAnEngineThatDoesNotAnswerIsRestarted(t *testing.T) {
	t.Parallel()
	for _, engine := range []struct {
		name  Engine
		cfg   Config
		write func(*testing.T, Addresses)
		read  func(*testing.T, Addresses)
	}{
		{Postgres, Config{Postgres: true, Throwaway: true}, writePostgres, readPostgres},
		{Kafka, Config{Kafka: true, Throwaway: true}, writeKafka, readKafka},
		{ClickHouse, Config{ClickHouse: true, Throwaway: true}, writeClickHouse, readClickHouse},
	} {
		t.Run(string(engine.name), func(t *testing.T) {
			t.Parallel()
			engine.cfg.Dir = t.TempDir()
			s, a, _ := start(t, engine.cfg)
			engine.write(t, a)
			before := s.Status(engine.name)
			if up, restarts := figures(t, s, engine.name); up != 1 || restarts != 0 {
				t.Errorf("up is %v and restarts_total %v before", up, restarts)
			}

			signalTo(t, before.Pid, syscall.SIGSTOP)
			since := time.Now()
			await(t, "its silence to be noticed", func() bool { up, _ := figures(t, s, engine.name); return up == 0 })
			if took := time.Since(since); took > 10*time.Second {
				t.Errorf("its silence was noticed after %v", took)
			}
			await(t, "another process to answer", func() bool {
				now := s.Status(engine.name)
				return now.Ready && now.Pid != before.Pid
			})
			t.Logf("another process answers after %v", time.Since(since).Round(time.Millisecond))
			engine.read(t, a)
			if up, restarts := figures(t, s, engine.name); up != 1 || restarts != 1 {
				t.Errorf("up is %v and restarts_total %v after, want 1 and 1", up, restarts)
			}
		})
	}
}

// TestAnEngineThatHesitatesIsLeftAlone: what is busy, or frozen for less than the limit, goes on as it was.
func TestAnEngineThatHesitatesIsLeftAlone(t *testing.T) {
	t.Parallel()
	s, a, _ := start(t, Config{Dir: t.TempDir(), ClickHouse: true, Throwaway: true})
	writeClickHouse(t, a)
	before := s.Status(ClickHouse)
	signalTo(t, before.Pid, syscall.SIGSTOP)
	await(t, "its silence to be noticed", func() bool { return !s.Status(ClickHouse).Ready })
	signalTo(t, before.Pid, syscall.SIGCONT)
	await(t, "its answer to be noticed", func() bool { return s.Status(ClickHouse).Ready })
	if now := s.Status(ClickHouse); now != before {
		t.Errorf("it is %+v, was %+v", now, before)
	}
	readClickHouse(t, a)
}

// TestClosedPortsAreOpenedAgain: threat F4, the other half. The process lives, but takes no connection.
func TestClosedPortsAreOpenedAgain(t *testing.T) {
	t.Parallel()
	s, a, _ := start(t, Config{Dir: t.TempDir(), ClickHouse: true, Throwaway: true})
	writeClickHouse(t, a)
	before := s.Status(ClickHouse)
	if _, err := openClickHouse(t, a.ClickHouseURL, nil).ExecContext(t.Context(), "SYSTEM STOP LISTEN TCP"); err != nil {
		t.Fatal(err)
	}
	await(t, "another process to answer", func() bool {
		now := s.Status(ClickHouse)
		return now.Ready && now.Starts == before.Starts+1
	})
	readClickHouse(t, a)
}

// TestPostgresKeepsConnectionsForItsRoles: threat F13. 420 connections say hello and then nothing, and come again as soon as
// they are dropped.
func TestPostgresKeepsConnectionsForItsRoles(t *testing.T) {
	t.Parallel()
	s, a, _ := start(t, Config{Dir: t.TempDir(), Postgres: true, Throwaway: true})
	before := s.Status(Postgres)
	address, err := url.Parse(a.PostgresURL)
	if err != nil {
		t.Fatal(err)
	}
	strangers := crowd(t, address.Host, startupPacket("tributary"))
	signIn := func(what, address string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		conn, err := pgx.Connect(ctx, address)
		if err != nil {
			t.Errorf("connecting as %s: %v", what, err)
			return
		}
		if err := conn.Close(ctx); err != nil {
			t.Error(err)
		}
	}
	for role, address := range a.PostgresRoles {
		signIn(role, address)
	}
	signIn("owner", a.PostgresURL)
	strangers.left(t)
	crowd(t, address.Host, startupPacket("tributary"))
	for role, address := range a.PostgresRoles {
		signIn(role, address)
	}
	if now := s.Status(Postgres); now.Starts != before.Starts {
		t.Errorf("PostgreSQL was started again: %+v, was %+v", now, before)
	}
}

// startupPacket asks PostgreSQL for its database, version 3.0 of the protocol.
func startupPacket(user string) []byte {
	body := []byte("\x00\x03\x00\x00user\x00" + user + "\x00database\x00tributary\x00\x00")
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4)), body...)
}

// TestReadersLeaveConnectionsToTheRoles: who only reads cannot take what the roles need.
func TestReadersLeaveConnectionsToTheRoles(t *testing.T) {
	t.Parallel()
	_, a, _ := start(t, Config{Dir: t.TempDir(), Postgres: true, Throwaway: true})
	const most = 20
	for range most {
		connect(t, a.PostgresRoles["reader"])
	}
	if conn, err := pgx.Connect(t.Context(), a.PostgresRoles["reader"]); err == nil {
		_ = conn.Close(t.Context())
		t.Errorf("a reader has more than %d connections", most)
	}
	connect(t, a.PostgresRoles["tracker"])
}
