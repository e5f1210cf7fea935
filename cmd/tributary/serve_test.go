package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"tributary/internal/postgres"
	"tributary/test/engines"
)

func TestARoleWaitsForServersThatAreAwayAtItsStart(t *testing.T) {
	t.Parallel()
	address, err := url.Parse(engines.As(engines.PostgresURL(t), postgres.Tracker))
	if err != nil {
		t.Fatal(err)
	}
	server := address.Host
	door, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address.Host = door.Addr().String()
	_ = door.Close() // nobody is there yet

	port := freePorts(t, 18800)
	listen := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := tributary(ctx, t, []string{
			"TRIBUTARY_POSTGRES_URL=" + address.String(), "TRIBUTARY_KAFKA_BROKERS=127.0.0.1:1", "TRIBUTARY_CLICKHOUSE_URL=clickhouse://127.0.0.1:1/x",
		}, "serve", "tracker", "--data", t.TempDir(), "--tracker-listen", listen, "--admin-listen", "")
		ended <- err
	}()
	select {
	case err := <-ended:
		t.Fatalf("it ended while PostgreSQL was away: %v", err)
	case <-time.After(time.Second):
	}
	forward(t, address.Host, server)
	awaitHealth(t, "http://"+listen+"/healthz")
	cancel()
	if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
}

// PostgreSQL may go away between any two of the questions that a role asks at its start.
func TestARoleWaitsForPostgreSQLAtEveryStepOfItsStart(t *testing.T) {
	t.Parallel()
	for n := 1; n <= 5; n++ {
		address, err := url.Parse(engines.As(engines.PostgresURL(t), postgres.Tracker))
		if err != nil {
			t.Fatal(err)
		}
		server := address.Host
		door, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address.Host = door.Addr().String()
		_ = door.Close()
		forwardExcept(t, address.Host, server, n)
		listen := net.JoinHostPort("127.0.0.1", strconv.Itoa(freePorts(t, 18850+4*n)))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := tributary(ctx, t, []string{
				"TRIBUTARY_POSTGRES_URL=" + address.String(), "TRIBUTARY_KAFKA_BROKERS=127.0.0.1:1", "TRIBUTARY_CLICKHOUSE_URL=clickhouse://127.0.0.1:1/x",
			}, "serve", "tracker", "--data", t.TempDir(), "--tracker-listen", listen, "--admin-listen", "")
			ended <- err
		}()
		awaitHealth(t, "http://"+listen+"/healthz")
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("connection %d was cut, and it ended with %v", n, err)
		}
	}
}

func TestAnotherNumberOfPartitionsIsRefused(t *testing.T) {
	t.Parallel()
	environ := append(append(engines.Kafka(t).Environ(), postgresEnv(engines.PostgresURL(t))...), engines.ClickHouseEnv(engines.ClickHouse(t))...)
	if out, err := tributary(t.Context(), t, environ, "migrate", "--partitions", "6"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, command := range []string{"serve engine", "serve loader", "migrate"} {
		args := append(strings.Fields(command), "--partitions", "3", "--data", t.TempDir(), "--admin-listen", "")
		_, err := tributary(t.Context(), t, environ, args...)
		if err == nil || !strings.Contains(err.Error(), "made with 6") {
			t.Errorf("%s with 3 partitions: %v", command, err)
		}
	}
}

func TestAnotherClickKeyThanTheNetworksIsRefused(t *testing.T) {
	t.Parallel()
	books := engines.PostgresURL(t)
	environ := append(append(engines.Kafka(t).Environ(), postgresEnv(books)...), engines.ClickHouseEnv(reportsOf(t, books))...)
	listen := net.JoinHostPort("127.0.0.1", strconv.Itoa(freePorts(t, 19000)))
	ours := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := tributary(ctx, t, environ, "serve", "tracker", "--data", ours, "--tracker-listen", listen, "--admin-listen", "")
		ended <- err
	}()
	awaitHealth(t, "http://"+listen+"/healthz")
	cancel()
	if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	// Another machine has no keys in its folder, and makes one.
	for _, command := range []string{"serve engine --admin-listen=", "serve tracker --admin-listen= --tracker-listen=127.0.0.1:0", "verify"} {
		_, err := tributary(t.Context(), t, environ, append(strings.Fields(command), "--data", t.TempDir())...)
		if err == nil || !strings.Contains(err.Error(), "not the one that this network signs with") {
			t.Errorf("%s with another key: %v", command, err)
		}
	}
	if out, err := tributary(t.Context(), t, environ, "verify", "--data", ours); err != nil {
		t.Errorf("verify with the same key: %v\n%s", err, out)
	}
}

// awaitHealth waits until an address answers.
func awaitHealth(t *testing.T, address string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		response, err := http.Get(address)
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not answer: %v", address, err)
		}
	}
}

// forward lets connections to an address through to a server.
func forward(t *testing.T, from, to string) {
	t.Helper()
	forwardExcept(t, from, to, 0)
}

// forwardExcept is forward, with the nth connection cut at once.
func forwardExcept(t *testing.T, from, to string, nth int) {
	t.Helper()
	door, err := net.Listen("tcp", from)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = door.Close() })
	go func() {
		for n := 1; ; n++ {
			in, err := door.Accept()
			if err != nil {
				return
			}
			if n == nth {
				_ = in.Close()
				continue
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			go func() { _, _ = io.Copy(out, in); _ = out.Close() }()
			go func() { _, _ = io.Copy(in, out); _ = in.Close() }()
		}
	}()
}
