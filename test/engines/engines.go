// Package engines gives each test clean databases on the real engines. It belongs to no step of a click's life.
//
// A package that uses it has in one of its test files
//
//	func TestMain(m *testing.M) { engines.Main(m) }
//
// Each engine is started when the first test asks for it, once per test process, with its data in a temporary folder, and
// ends with that process however it ends. PostgreSQL and ClickHouse are installed at first use (see package embedded).
// The embedded engines do not fsync here: a test that measures commits needs a server of its own.
//
// TRIBUTARY_TEST_POSTGRES_URL, TRIBUTARY_TEST_KAFKA_URL (kafka://user:password@host:port?ca=FILE, SCRAM-SHA-256 over TLS) and
// TRIBUTARY_TEST_CLICKHOUSE_URL point the same tests at other servers. The users named there must be allowed to create and
// drop databases, roles and topics.
package engines

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tributary/internal/embedded"
)

// The variables that name servers to use in place of our own.
const (
	postgresVariable   = "TRIBUTARY_TEST_POSTGRES_URL"
	kafkaVariable      = "TRIBUTARY_TEST_KAFKA_URL"
	clickhouseVariable = "TRIBUTARY_TEST_CLICKHOUSE_URL"
)

// setUpLimit bounds what one call may take. The first installation of the packages is part of it.
const setUpLimit = 5 * time.Minute

// engines are this test process's servers.
type engines struct {
	mu       sync.Mutex
	prepared bool               // Main was called
	dir      string             // data of all engines
	stop     context.CancelFunc // ends ctx, with which the engines run
	ctx      context.Context    //nolint:containedctx // the life of the process, which no caller has
	running  sync.WaitGroup

	postgres, kafka, clickhouse server
	template                    template
	logins                      sync.Once // the roles' passwords were set
	loginsErr                   error
	reports                     map[string]string // the roles' addresses of ClickHouse
	reportsOnce                 sync.Once         // their passwords were set on an external one
	reportsErr                  error
}

// A server is one engine, or the external server used in its place.
type server struct {
	once     sync.Once
	address  string
	external bool
	err      error
}

// shared is mutable state of the package: the testing package has no other place for what belongs to a test process.
var shared engines //nolint:gochecknoglobals // see above

// Main is the body of TestMain: it runs the tests, stops the engines that they started, removes their data and exits.
func Main(m *testing.M) {
	embedded.ChildMain()
	os.Exit(shared.run(m))
}

func (e *engines) run(m *testing.M) int {
	sweep()
	dir, err := os.MkdirTemp("", folderPrefix)
	if err != nil {
		fmt.Fprintln(os.Stderr, "making data folder of the test engines:", err)
		return 1
	}
	unlock, err := lock(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer unlock()
	e.mu.Lock()
	e.dir, e.prepared = dir, true
	e.ctx, e.stop = context.WithCancel(context.Background())
	e.mu.Unlock()

	code := m.Run()
	if err := e.dropTemplate(); err != nil {
		fmt.Fprintln(os.Stderr, "dropping template database:", err)
	}
	e.stop()
	e.running.Wait()
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, "removing data of the test engines:", err)
	}
	return code
}

// start starts one engine, or takes its external replacement from the environment.
func (e *engines) start(s *server, variable string, cfg embedded.Config, address func(embedded.Addresses) string) (string, error) {
	s.once.Do(func() {
		if s.address = os.Getenv(variable); s.address != "" {
			s.external = true
			return
		}
		e.mu.Lock()
		prepared := e.prepared
		e.mu.Unlock()
		if !prepared {
			s.err = errors.New("starting test engines: this package has no TestMain that calls engines.Main")
			return
		}
		// A folder for each engine: a Supervisor locks its own, and engines start at different times.
		cfg.Dir, cfg.Throwaway, cfg.Progress = filepath.Join(e.dir, strings.ToLower(variable)), true, os.Stderr
		supervisor := embedded.New(cfg)
		e.running.Go(func() {
			if err := supervisor.Run(e.ctx); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		})
		ctx, cancel := context.WithTimeout(e.ctx, setUpLimit)
		defer cancel()
		addresses, err := supervisor.Ready(ctx)
		s.address, s.err = address(addresses), err
	})
	return s.address, s.err
}

// unique is a name for a database or a topic that nothing else has.
func unique() string { return "t" + strings.ToLower(rand.Text()[:16]) }

// withDatabase puts the name of a database into a URL.
func withDatabase(address, name string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", fmt.Errorf("reading address: %w", err)
	}
	u.Path = "/" + name
	return u.String(), nil
}
