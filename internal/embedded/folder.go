package embedded

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// lockDir takes the data folder for this process. The kernel frees the lock when the process ends, however it ends.
func lockDir(dir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder := make([]byte, 20)
		n, _ := f.Read(holder)
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("locking data folder: %s is in use by process %s; stop it, or choose another folder",
				dir, bytes.TrimSpace(holder[:n]))
		}
		return nil, fmt.Errorf("locking data folder %s: %w", dir, err)
	}
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteString(strconv.Itoa(os.Getpid()) + "\n") // only for the message above
	}
	return func() { _ = f.Close() }, nil
}

// lockFile waits for the lock on path, calling waiting once when it is not free at once.
func lockFile(ctx context.Context, path string, waiting func()) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening lock: %w", err)
	}
	for first := true; ; first = false {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			_ = f.Close()
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
		if first {
			waiting()
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, fmt.Errorf("waiting for lock %s: %w", path, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// ports are the TCP ports of the engines, kept as JSON in the data folder.
type ports struct {
	Postgres       int `json:"postgres"`
	Kafka          int `json:"kafka"`
	ClickHouse     int `json:"clickhouse"`
	ClickHouseHTTP int `json:"clickhouse_http"`
}

// settlePorts takes each port from cfg, else from the data folder where it is still free, else any free one.
func settlePorts(dir string, cfg Config) (ports, error) {
	path := filepath.Join(dir, "ports.json")
	var kept ports
	raw, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return ports{}, fmt.Errorf("reading ports: %w", err)
	default:
		if err := json.Unmarshal(raw, &kept); err != nil {
			return ports{}, fmt.Errorf("reading ports from %s: %w", path, err)
		}
	}
	for i, p := range []struct {
		want  bool
		fixed int
		port  *int
	}{
		{cfg.Postgres, cfg.PostgresPort, &kept.Postgres},
		{cfg.Kafka, cfg.KafkaPort, &kept.Kafka},
		{cfg.ClickHouse, cfg.ClickHousePort, &kept.ClickHouse},
		{cfg.ClickHouse, cfg.ClickHouseHTTPPort, &kept.ClickHouseHTTP},
	} {
		switch {
		case !p.want:
		case p.fixed != 0:
			*p.port = p.fixed
		case *p.port == 0 || !portFree(*p.port):
			*p.port = choosePort(i)
		}
	}
	raw, err = json.Marshal(kept)
	if err != nil {
		return ports{}, fmt.Errorf("encoding ports: %w", err)
	}
	return kept, writeFile(path, append(raw, '\n'))
}

// choosePort returns a free port for the engine of this number, 0 to 3. Nobody holds the port between the choice and the
// engine's own start. So each engine has a row of ports of its own, and processes that start together begin their search at
// different places in it. All are below the range from which the kernel serves outgoing connections.
func choosePort(engine int) int {
	const first, rows, places = 20000, 4, 3000
	for place := os.Getpid() % places; ; place = (place + 7) % places {
		if port := first + rows*place + engine; portFree(port) {
			return port
		}
	}
}

func portFree(port int) bool {
	l, err := net.Listen("tcp", loopback(port)) //nolint:noctx // nothing to wait for
	if err != nil {
		return false
	}
	return l.Close() == nil
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// writeFile replaces path in one step, readable by its owner only.
func writeFile(path string, content []byte) error {
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, content, 0o600); err != nil { //nolint:gosec // paths come from the operator
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// password reads the secret kept in path, or makes one of 130 random bits.
func password(path string) (string, error) {
	raw, err := os.ReadFile(path)
	if err == nil {
		return string(bytes.TrimSpace(raw)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("reading password: %w", err)
	}
	secret := rand.Text()
	return secret, writeFile(path, []byte(secret+"\n"))
}
