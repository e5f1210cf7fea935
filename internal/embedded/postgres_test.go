package embedded

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPostgresSettings(t *testing.T) {
	t.Parallel()
	type settings map[string]string
	for _, c := range []struct {
		throwaway bool
		want      settings
	}{
		{false, settings{
			"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "wal_level": "replica",
			"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "jit": "off", "TimeZone": "UTC",
		}},
		{true, settings{
			"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "wal_level": "minimal",
			"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "jit": "off", "TimeZone": "UTC",
		}},
	} {
		_, a, _ := start(t, Config{Dir: t.TempDir(), Postgres: true, Throwaway: c.throwaway})
		conn, got := connect(t, a.PostgresURL), settings{}
		for name := range c.want {
			var value string
			if err := conn.QueryRow(t.Context(), "SELECT current_setting($1)", name).Scan(&value); err != nil {
				t.Fatal(err)
			}
			got[name] = value
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("settings with Throwaway %v (-want +got):\n%s", c.throwaway, diff)
		}
	}
}

// TestPostgresSearchesChinese fails with a cluster in the plain C locale.
func TestPostgresSearchesChinese(t *testing.T) {
	t.Parallel()
	_, a, _ := start(t, Config{Dir: t.TempDir(), Postgres: true, Throwaway: true})
	conn := connect(t, a.PostgresURL)
	if _, err := conn.Exec(t.Context(), "CREATE EXTENSION pg_trgm"); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := conn.QueryRow(t.Context(), "SELECT cardinality(show_trgm('蓝牙耳机'))").Scan(&n); err != nil {
		t.Fatal(err)
	}
	if n == 0 {
		t.Error("a Chinese word has no trigrams")
	}
}

// TestPostgresLockOfAKilledServer starts on what kill -9 leaves, in the shapes that the number in it can take.
func TestPostgresLockOfAKilledServer(t *testing.T) {
	t.Parallel()
	cfg := Config{Dir: t.TempDir(), Postgres: true, Throwaway: true}
	_, a, stop := start(t, cfg)
	writePostgres(t, a)
	stop()
	stranger := exec.Command("sleep", "600")
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stranger.Process.Kill(); _ = stranger.Wait() })
	data := filepath.Join(cfg.Dir, "postgres")
	for what, content := range map[string]string{
		"a process that is no server": lockOf(stranger.Process.Pid, data),
		"no process":                  lockOf(1<<22+1, data),
		"process 1":                   lockOf(1, data),
		"nothing, since it is torn":   "",
	} {
		if err := os.WriteFile(filepath.Join(data, "postmaster.pid"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, a, stop := start(t, cfg)
		readPostgres(t, a)
		stop()
		if t.Failed() {
			t.Fatalf("with a lock that names %s", what)
		}
	}
	if err := stranger.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("a process that is no server was ended: %v", err)
	}
}

func lockOf(pid int, data string) string {
	return strings.Join([]string{strconv.Itoa(pid), data, "1700000000", "5432", "", "127.0.0.1", "  5432001         0", "ready   "}, "\n")
}

// TestSurvivingPostgresIsEnded starts on the data of a server that outlived its supervisor.
func TestSurvivingPostgresIsEnded(t *testing.T) {
	t.Parallel()
	cfg := Config{Dir: t.TempDir(), Postgres: true, Throwaway: true}
	s, a, stop := start(t, cfg)
	writePostgres(t, a)
	server := s.runners[0].server.(*postgresServer)
	stop()
	cmd, err := server.command()
	if err != nil {
		t.Fatal(err)
	}
	survivor, err := launch(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { survivor.end(syscall.SIGQUIT, patience) })
	await(t, "survivor to be ready", func() bool { return server.probe(t.Context()) == nil })

	_, a, _ = start(t, cfg)
	select {
	case <-survivor.exited:
	default:
		t.Error("the survivor still runs beside the new server")
	}
	readPostgres(t, a)
}

// TestGuardedPostgresEndsWithItsParent is the way of systems other than Linux.
func TestGuardedPostgresEndsWithItsParent(t *testing.T) {
	t.Parallel()
	cfg := Config{Dir: t.TempDir(), Postgres: true, Throwaway: true}
	s, _, stop := start(t, cfg)
	server := s.runners[0].server.(*postgresServer)
	stop()
	direct, err := server.command()
	if err != nil {
		t.Fatal(err)
	}
	cmd, err := childCommand(rolePostgres, direct.Args...)
	if err != nil {
		t.Fatal(err)
	}
	cmd.SysProcAttr = direct.SysProcAttr
	runtime.LockOSThread() // or the kernel might speak of our end before the pipe does
	defer runtime.UnlockOSThread()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, "guarded server to be ready", func() bool { return server.probe(t.Context()) == nil })
	stdin.Close()
	_ = cmd.Wait() // SIGQUIT is no success
	if err := server.probe(context.Background()); err == nil {
		t.Error("the server answers although its parent is gone")
	}
}
