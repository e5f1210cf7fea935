package fire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"tributary/internal/embedded"
	"tributary/internal/keyring"
	"tributary/test/kafkanode/apache"
)

// partitions of each topic.
const partitions = 6

// Network is everything that runs: the engines, the proxies in front of them, and the processes under test.
type Network struct {
	// Engines keeps the embedded servers running; Addresses are theirs, past the proxies.
	Engines   *embedded.Supervisor
	Addresses embedded.Addresses
	// Proxies stand in front of every server; the processes under test know no other address.
	Proxies map[embedded.Engine]*Proxy
	// Processes are those under test, the tracker first.
	Processes []*Process
	// TrackerURL is the tracker's address, without a slash at its end.
	TrackerURL string
	// Binary is the program under test, built with failpoints; Env what its processes are given.
	Binary string
	Env    []string
	Key    keyring.Key
	// RecordKey signs what is sent to Kafka.
	RecordKey keyring.Key

	cfg     Config
	counts  *Counts
	node    *apache.Node // in place of the embedded Kafka
	nodeMu  sync.Mutex
	group   errgroup.Group
	fail    context.CancelCauseFunc
	stopAll context.CancelFunc
	stopRun context.CancelFunc
	spawn   *spawner
}

// embeddedEngines lists the servers.
func embeddedEngines() []embedded.Engine {
	return []embedded.Engine{embedded.Postgres, embedded.ClickHouse, embedded.Kafka}
}

// StartNetwork builds the program, starts the servers and prepares them. The processes under test come with Start.
// What cannot be kept running ends ctx, through fail.
func StartNetwork(ctx context.Context, cfg Config, counts *Counts, fail context.CancelCauseFunc) (started *Network, err error) {
	n := &Network{cfg: cfg, counts: counts, fail: fail, Proxies: map[embedded.Engine]*Proxy{}, Key: keyring.Generate(1), RecordKey: keyring.Generate(1)}
	enginesCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	n.stopAll = stop
	defer func() {
		if err != nil {
			n.Close()
		}
	}()
	n.Binary = filepath.Join(cfg.Data, "tributary")
	build := exec.CommandContext(ctx, "go", "build", "-tags", "failpoints", "-o", n.Binary, "tributary/cmd/tributary") //nolint:gosec // the folder is the caller's
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the program under test: %w\n%s", err, out)
	}
	for i, e := range embeddedEngines() {
		if n.Proxies[e], err = NewProxy(ctx, e, "127.0.0.1:0", cfg.Seed+uint64(i)); err != nil {
			return nil, err
		}
	}
	if err := n.startServers(ctx, enginesCtx); err != nil {
		return nil, err
	}
	n.Env, err = n.environment()
	if err != nil {
		return nil, err
	}
	if out, err := n.Command(ctx, "migrate").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("preparing the databases: %w\n%s", err, out)
	}
	return n, nil
}

// keep runs something that has to go on for as long as the network does.
func (n *Network) keep(run func() error) {
	n.group.Go(func() error {
		err := run()
		if err != nil {
			n.fail(err)
		}
		return err
	})
}

// startServers starts the engines and points the proxies at them.
func (n *Network) startServers(ctx, enginesCtx context.Context) error {
	_, port, err := net.SplitHostPort(n.Proxies[embedded.Kafka].Address())
	if err != nil {
		return fmt.Errorf("reading the address of a proxy: %w", err)
	}
	advertised, err := strconv.Atoi(port)
	if err != nil {
		return fmt.Errorf("reading the address of a proxy: %w", err)
	}
	n.Engines = embedded.New(embedded.Config{
		Dir: filepath.Join(n.cfg.Data, "engines"), Postgres: true, ClickHouse: true, Kafka: !n.cfg.ApacheKafka,
		KafkaAdvertised: advertised, Log: slog.New(slog.DiscardHandler), Progress: n.cfg.Out,
	})
	n.keep(func() error { return n.Engines.Run(enginesCtx) })
	if n.Addresses, err = n.Engines.Ready(ctx); err != nil {
		return err
	}
	if n.cfg.ApacheKafka {
		if err := n.startNode(ctx, advertised); err != nil {
			return err
		}
	}
	for e, address := range map[embedded.Engine]string{
		embedded.Postgres: n.Addresses.PostgresURL, embedded.ClickHouse: n.Addresses.ClickHouseURL, embedded.Kafka: "kafka://" + n.Addresses.KafkaBrokers,
	} {
		u, err := url.Parse(address)
		if err != nil {
			return fmt.Errorf("reading the address of %s: %w", e, err)
		}
		n.Proxies[e].Point(u.Host)
	}
	return nil
}

// startNode starts an Apache Kafka that tells its clients to go through the proxy.
func (n *Network) startNode(ctx context.Context, advertised int) error {
	jars, err := apache.Install(ctx, n.cfg.Out)
	if err != nil {
		return err
	}
	secure := apache.NewSecure() // without TLS: the proxy reads where a request begins
	n.node, err = apache.New(apache.Config{
		Jars: jars, Dir: filepath.Join(n.cfg.Data, "kafka"), Advertised: fmt.Sprintf("127.0.0.1:%d", advertised), Secure: secure,
	})
	if err != nil {
		return err
	}
	n.Addresses.KafkaBrokers, n.Addresses.KafkaMechanism = n.node.SecureAddress(), "scram-sha-256"
	n.Addresses.KafkaUser, n.Addresses.KafkaPassword = secure.User, secure.Password
	n.Proxies[embedded.Kafka].Point(n.node.SecureAddress())
	return n.node.Start(ctx)
}

// through is a server's URL with the proxy in the place of the server.
func through(address string, p *Proxy) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", fmt.Errorf("reading an address: %w", err)
	}
	u.Host = p.Address()
	return u.String(), nil
}

// environment is what every process under test is told.
func (n *Network) environment() ([]string, error) {
	postgres, err := n.Addresses.PostgresEnvironment(func(address string) (string, error) { return through(address, n.Proxies[embedded.Postgres]) })
	if err != nil {
		return nil, err
	}
	clickhouse, err := n.Addresses.ClickHouseEnvironment(func(address string) (string, error) { return through(address, n.Proxies[embedded.ClickHouse]) })
	if err != nil {
		return nil, err
	}
	tracker := unusedAddress()
	n.TrackerURL = "http://" + tracker
	env := cleanEnv()
	if n.cfg.Plan != "slow" { // there the default is on trial; elsewhere more clicks are to be vouched for than on a quiet machine
		env = append(env, "TRIBUTARY_REDIRECT_WAIT=250ms")
	}
	if n.bounded() {
		env = append(env, "TRIBUTARY_MERCHANT_RATE=4")
	}
	return append(
		append(append(env, postgres...), clickhouse...),
		"TRIBUTARY_KAFKA_BROKERS="+n.Proxies[embedded.Kafka].Address(), "TRIBUTARY_KAFKA_USER="+n.Addresses.KafkaUser,
		"TRIBUTARY_KAFKA_PASSWORD="+n.Addresses.KafkaPassword, "TRIBUTARY_KAFKA_MECHANISM="+n.Addresses.KafkaMechanism,
		"TRIBUTARY_DATA="+filepath.Join(n.cfg.Data, "network"),
		"TRIBUTARY_CLICK_KEYS="+n.Key.Reveal(), "TRIBUTARY_RECORD_KEYS="+n.RecordKey.Reveal(), fmt.Sprintf("TRIBUTARY_PARTITIONS=%d", partitions),
		"TRIBUTARY_TRACKER_LISTEN="+tracker, "TRIBUTARY_LOG_FORMAT=json",
	), nil
}

// bounded tells whether merchants may report less than they do.
func (n *Network) bounded() bool { return n.cfg.Plan == "overload" }

// unusedAddress is a free address below the ports from which the kernel serves outgoing connections, so that it stays
// free while nobody listens there.
func unusedAddress() string {
	for {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(12000+rand.IntN(8000))) //nolint:gosec // not a secret
		if l, err := net.Listen("tcp", address); err == nil {                         //nolint:noctx // nothing to wait for
			_ = l.Close()
			return address
		}
	}
}

// Command is a run of the program under test with other arguments, such as "verify".
func (n *Network) Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, n.Binary, args...) //nolint:gosec // the program under test
	cmd.Env = n.Env
	return cmd
}

// Start starts the processes under test and returns when the tracker answers.
func (n *Network) Start(ctx context.Context) error {
	logs := filepath.Join(n.cfg.Data, "log")
	if err := os.MkdirAll(logs, 0o700); err != nil {
		return fmt.Errorf("making the folder of the logs: %w", err)
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	n.stopRun = stop
	if n.spawn == nil { // a plan may start them again
		n.spawn = newSpawner()
	}
	for _, name := range []string{"tracker", "loader-1", "loader-2", "engine-1", "engine-2"} {
		role, _, _ := strings.Cut(name, "-")
		log, err := os.OpenFile(filepath.Join(logs, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("opening a log: %w", err)
		}
		p := &Process{
			Name: name, Role: role, path: n.Binary, args: []string{"serve", role}, log: log, counts: n.counts, spawn: n.spawn,
			env:    append(slices.Clip(n.Env), "TRIBUTARY_ADMIN_LISTEN="+unusedAddress()),
			arm:    func(int) string { return "" },
			thaw:   func(start int) time.Duration { return thawAfter(n.cfg.Seed, start) },
			leases: n.leases,
		}
		if n.cfg.Failpoints {
			p.arm = func(start int) string { return Arming(n.cfg.Seed, name, role, start) }
		}
		n.Processes = append(n.Processes, p)
	}
	for _, p := range n.Processes {
		n.keep(func() error { return p.Run(running) })
	}
	return n.awaitTracker(ctx)
}

func (n *Network) awaitTracker(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, n.TrackerURL+"/healthz", http.NoBody)
		if err != nil {
			return fmt.Errorf("asking the tracker: %w", err)
		}
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		pause(ctx, 50*time.Millisecond)
		if ctx.Err() != nil {
			return fmt.Errorf("waiting for the tracker: %w", errors.Join(ctx.Err(), err))
		}
	}
}

// leases reads the epochs of the partitions that a process holds, or of all for pid 0; nil when PostgreSQL is down.
func (n *Network) leases(pid int) map[string]int64 {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	db, err := pgx.Connect(ctx, n.Addresses.PostgresURL)
	if err != nil {
		return nil
	}
	defer db.Close(ctx) //nolint:errcheck // it was only asked
	rows, err := db.Query(ctx, `SELECT concat_ws('/', consumer, topic, partition), epoch FROM position WHERE $1 = 0 OR owner LIKE '%/' || $1::int || '/%'`, pid)
	if err != nil {
		return nil
	}
	held := map[string]int64{}
	var key string
	var epoch int64
	if _, err := pgx.ForEachRow(rows, []any{&key, &epoch}, func() error { held[key] = epoch; return nil }); err != nil {
		return nil
	}
	return held
}

// Process finds a process under test by its name; nil when there is none.
func (n *Network) Process(name string) *Process {
	for _, p := range n.Processes {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// Crash ends a server with SIGKILL; it is started again at once.
func (n *Network) Crash(ctx context.Context, e embedded.Engine) error {
	if e == embedded.Kafka && n.node != nil {
		if !n.nodeMu.TryLock() {
			return nil // as below
		}
		n.node.Kill()
		n.counts.add(&n.counts.Servers, string(e))
		n.keep(func() error {
			defer n.nodeMu.Unlock()
			return n.node.Start(ctx)
		})
		return nil
	}
	if !n.Engines.Status(e).Ready {
		return nil // it is starting again already
	}
	if n.Engines.Kill(e) == nil { // else it ended in this very moment
		n.counts.add(&n.counts.Servers, string(e))
	}
	return nil
}

// Calm ends all faults: nothing is swallowed or refused, and whatever starts from now on has no failpoint.
func (n *Network) Calm() {
	for _, p := range n.Proxies {
		p.Swallow(0)
		p.Refuse(false)
	}
	for _, p := range n.Processes {
		p.Calm()
	}
}

// StopProcesses ends the processes under test and waits for them.
func (n *Network) StopProcesses() {
	if n.stopRun != nil {
		n.stopRun()
	}
}

// Close ends everything and waits for it.
func (n *Network) Close() {
	n.StopProcesses()
	if n.node != nil {
		defer n.node.Stop()
	}
	n.stopAll()
	if err := n.group.Wait(); err != nil {
		fmt.Fprintln(n.out(), "ending the network:", err)
	}
	if n.spawn != nil {
		close(n.spawn.work)
	}
	for e, p := range n.Proxies {
		for range p.Swallowed() {
			n.counts.add(&n.counts.Swallowed, string(e))
		}
		p.Close()
	}
}

func (n *Network) out() io.Writer {
	if n.cfg.Out == nil {
		return io.Discard
	}
	return n.cfg.Out
}
