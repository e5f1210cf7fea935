package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"tributary/commission"
	"tributary/commission/audit"
	"tributary/commission/engine"
	"tributary/dashboard"
	"tributary/internal/clickhouse"
	"tributary/internal/event"
	"tributary/internal/keyring"
	"tributary/internal/postgres"
	"tributary/internal/proxy"
	"tributary/internal/stream"
	"tributary/partners/access"
	"tributary/partners/catalogue"
	"tributary/partners/program"
	"tributary/report"
	"tributary/tracker"
	"tributary/tracker/clickid"
	"tributary/tracker/country"
	"tributary/tracker/loader"
	"tributary/tracker/registry"
	"tributary/tracker/relay"
	"tributary/tracker/spool"
)

// river is what the roles of one process share. Each role below is wired by hand, from the stores to its Run.
type river struct {
	cfg     *config
	log     *slog.Logger
	stores  stores
	kafka   *stream.Client
	keys    []keyring.Key
	ring    *clickid.Ring
	metrics *prometheus.Registry
	ready   *readiness
	owner   string
	proxies proxy.Trusted

	recordKeys []keyring.Key // none where the roles need no Kafka

	prepared chan struct{} // closed when the servers are at this version's schema
}

// newRiver opens what the roles share; close it when they have returned. It reads the rings of keys that they sign or verify
// by, and makes those that are not there.
func newRiver(cfg *config, log *slog.Logger, s stores, rings ...keySetting) (*river, error) {
	var keys []keyring.Key
	var ring *clickid.Ring
	if slices.Contains(rings, recordKeys) {
		var err error
		if s.kafka.Keys, err = recordKeys.orMade(cfg); err != nil {
			return nil, err
		}
	}
	if slices.Contains(rings, clickKeys) {
		var err error
		if keys, err = clickKeys.orMade(cfg); err != nil {
			return nil, err
		}
		if ring, err = clickid.NewRing(keys); err != nil {
			return nil, err
		}
	}
	proxies, err := proxy.Parse(cfg.TrustedProxies)
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	r := &river{
		cfg: cfg, log: log, stores: s, keys: keys, ring: ring, metrics: prometheus.NewRegistry(), ready: &readiness{},
		owner:    fmt.Sprintf("%s/%d/%s", host, os.Getpid(), uuid.NewString()[:8]),
		proxies:  proxies,
		prepared: make(chan struct{}),
	}
	r.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if s.engines != nil {
		s.engines.Register(r.metrics)
	}
	if len(s.kafka.Brokers) > 0 {
		r.recordKeys = s.kafka.Keys
		if r.kafka, err = stream.Open(s.kafka, log); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (r *river) close() {
	if r.kafka != nil {
		r.kafka.Close()
	}
}

// writeSecret writes a file that only its owner can read, whole or not at all.
func writeSecret(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	temporary := path + ".new"
	if err := os.WriteFile(temporary, append(content, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

// beside runs front, with background around it: the background starts before and ends after, and one that fails ends
// front.
func beside(ctx context.Context, front func(ctx context.Context) error, background ...func(ctx context.Context) error) error {
	frontCtx, stopFront := context.WithCancelCause(ctx)
	defer stopFront(nil)
	backCtx, stopBack := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBack()
	var group errgroup.Group
	for _, run := range background {
		group.Go(func() error {
			err := run(backCtx)
			if err != nil {
				stopFront(err)
			}
			return err
		})
	}
	err := front(frontCtx)
	stopBack()
	return errors.Join(err, group.Wait())
}

// open makes a pool in a role's rights.
func (r *river) open(ctx context.Context, role postgres.Role, size int32) (*pgxpool.Pool, error) {
	return postgres.Open(ctx, r.stores.postgres[role.Name()], role, size)
}

// catalogue loads the network, waiting for a PostgreSQL that is not there yet.
func (r *river) catalogue(ctx context.Context, db *pgxpool.Pool) (*catalogue.Catalogue, error) {
	c := catalogue.New(db, r.log)
	if err := awaitPostgres(ctx, r.log, c.Load); err != nil {
		return nil, fmt.Errorf("loading the network: %w", err)
	}
	return c, nil
}

// awaitPostgres runs work until PostgreSQL is there for it.
func awaitPostgres(ctx context.Context, log *slog.Logger, work func(ctx context.Context) error) error {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		err := work(ctx)
		if err == nil || !postgres.Retryable(err) || ctx.Err() != nil {
			return err
		}
		log.Warn("waiting for PostgreSQL", "error", err, "again in", wait)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// intake is the tracker's way to Kafka without its HTTP edge: the spool, and the relay behind it.
type intake struct {
	config tracker.Config
	spool  *spool.Spool
	relay  *relay.Relay
}

func (r *river) intake(catalogue *catalogue.Catalogue) (*intake, error) {
	dir := filepath.Join(r.cfg.Data, "spool")
	s, err := spool.Open(spool.Config{Dir: dir, Lanes: 2 * r.cfg.Partitions, Keep: r.cfg.SpoolKeep, Log: r.log, Metrics: r.metrics})
	if err != nil {
		return nil, err
	}
	return &intake{
		spool: s,
		relay: relay.New(relay.Config{
			Spool: s, Kafka: r.kafka, Partitions: r.cfg.Partitions, File: filepath.Join(r.cfg.Data, "relay.cursor"), Log: r.log,
			Metrics: r.metrics,
		}),
		config: tracker.Config{
			Catalogue: catalogue, Spool: s, Ring: r.ring, Partitions: r.cfg.Partitions, TrustedProxies: r.proxies, Secure: isSecure(r.cfg.trackerURL()),
			Country:         country.New(r.cfg.CountryDB, r.log, r.metrics),
			DuplicateWindow: r.cfg.DuplicateWindow, RedirectWait: r.cfg.RedirectWait, StoreWait: r.cfg.ConversionWait,
			MerchantRate: r.cfg.MerchantRate,
			Metrics:      r.metrics, Log: r.log,
		},
	}, nil
}

// tracker is the role at the edge: HTTP, spool and relay.
func (r *river) tracker(ctx context.Context) error {
	// The fsync of a group blocks its thread; with a single processor of Go's the redirects would wait behind it.
	if runtime.GOMAXPROCS(0) < 2 {
		runtime.GOMAXPROCS(2)
	}
	listener, err := listen(ctx, r.cfg.TrackerListen)
	if err != nil {
		return err
	}
	defer listener.Close()
	db, err := r.open(ctx, postgres.Tracker, 3)
	if err != nil {
		return err
	}
	defer db.Close()
	catalogue, err := r.network(ctx, db)
	if err != nil {
		return err
	}
	in, err := r.intake(catalogue)
	if err != nil {
		return err
	}
	defer in.spool.Close()
	server, err := tracker.New(in.config)
	if err != nil {
		return err
	}
	in.config.Country.Look() // before the first click
	r.warnOfProxy("tracker-url", r.cfg.trackerURL())
	r.ready.up("tracker", trackerNeeds(in, catalogue)...)
	r.log.Info("tracker is ready", "address", r.cfg.trackerURL(), "links", catalogue.Links())
	progress := registry.New(registry.Config{
		DB: db, Spool: in.spool, Sent: func() []uint64 { return in.relay.Stats().Acknowledged }, Partitions: r.cfg.Partitions,
		Countries: in.config.Country.Built, Owner: r.owner, Log: r.log, Metrics: r.metrics,
	})
	if catalogue.Version() > 0 { // PostgreSQL answers
		if err := progress.Check(ctx); err != nil {
			return err
		}
	}
	return beside(ctx, func(ctx context.Context) error { return server.Serve(ctx, listener) }, in.spool.Run, in.relay.Run, catalogue.Run,
		in.config.Country.Run, progress.Run, func(ctx context.Context) error { return r.catchUp(ctx, db) }, func(ctx context.Context) error { return server.TellUses(ctx, db) },
		func(ctx context.Context) error { return server.TellRefusals(ctx, db) })
}

// loader is the role that writes ClickHouse.
func (r *river) loader(ctx context.Context) error {
	db, err := r.open(ctx, postgres.Loader, int32(4*r.cfg.Partitions+4))
	if err != nil {
		return err
	}
	defer db.Close()
	conn, err := clickhouse.Open(r.stores.clickhouse[clickhouse.Loader.Name()], 2*r.cfg.Partitions)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := r.registerKeysWhenThere(ctx, db); err != nil {
		return err
	}
	l := loader.New(loader.Config{
		DB: db, Kafka: r.kafka, ClickHouse: conn, Partitions: r.cfg.Partitions, Owner: r.owner,
	}, r.log, r.metrics)
	r.ready.up("loader", needPostgres(db), r.needKafka(event.Touches), needClickHouse(conn))
	if err := checkReports(ctx, r.log, r.stores); err != nil {
		return err
	}
	return beside(ctx, l.Run, audit.NewComparer(db, conn, r.log, r.metrics).Run)
}

// settleRest keeps down how often a busy period is worked out and posted again.
const settleRest = 10 * time.Second

// engineGC is how much more memory than is in use an engine takes before it is collected, in percent: it makes much anew for each
// slice and keeps next to nothing of it. Trackers keep much, so it is for processes that are engines alone.
const engineGC = 300

// engine is the role that decides and keeps the books.
func (r *river) engine(ctx context.Context) error {
	db, err := r.open(ctx, postgres.Engine, int32(2*r.cfg.EngineWorkers+6))
	if err != nil {
		return err
	}
	defer db.Close()
	if err := r.registerKeysWhenThere(ctx, db); err != nil {
		return err
	}
	e := engine.New(engine.Config{
		DB: db, Kafka: r.kafka, VerifyClick: verifyClick(r.ring), Partitions: r.cfg.Partitions,
		Owner: r.owner, Log: r.log, Workers: r.cfg.EngineWorkers, Metrics: r.metrics, SettleRest: settleRest,
	})
	watcher, err := r.open(ctx, postgres.Engine, 2)
	if err != nil {
		return err
	}
	defer watcher.Close()
	inspector := audit.NewInspector(audit.Check{
		DB: watcher, VerifyClick: verifyClick(r.ring), Partitions: r.cfg.Partitions,
	}, r.log, r.metrics)
	watching := []func(ctx context.Context) error{
		newWatch(watcher, r.kafka, r.cfg.Partitions, r.log, r.metrics).run, audit.NewSealer(watcher, r.log).Run,
	}
	if r.cfg.BooksCheck > 0 {
		watching = append(watching, func(ctx context.Context) error { return inspector.Run(ctx, r.cfg.BooksCheck) })
	}
	r.ready.up("engine", needPostgres(db), r.needKafka(event.Orders))
	r.log.Info("engine is ready", "workers", e.Workers())
	return beside(ctx, e.Run, watching...)
}

// verifyClick tells the engine what a click id says.
func verifyClick(ring *clickid.Ring) func(id string) commission.Click {
	return func(text string) commission.Click {
		id, err := ring.Verify(text)
		click := commission.Click{ID: text, Link: program.LinkID(id.Link), At: id.At}
		switch {
		case err == nil:
		case errors.Is(err, clickid.ErrUnknownKey):
			click.Refused = commission.UnknownClickKey
		case errors.Is(err, clickid.ErrForged):
			click.Refused = commission.ForgedClickID
		default:
			click.Refused = commission.MalformedClickID
		}
		return click
	}
}

// dashboard is the role of the pages.
func (r *river) dashboard(ctx context.Context) error {
	listener, err := listen(ctx, r.cfg.DashboardListen)
	if err != nil {
		return err
	}
	defer listener.Close()
	db, err := r.open(ctx, postgres.Dashboard, 10)
	if err != nil {
		return err
	}
	defer db.Close()
	conn, err := clickhouse.Open(r.stores.clickhouse[clickhouse.Dashboard.Name()], 5)
	if err != nil {
		return err
	}
	defer conn.Close()
	people := access.New(db)
	server, err := dashboard.New(dashboard.Config{
		Access: people, Reports: report.New(people, conn), URL: r.cfg.dashboardURL(), Partitions: r.cfg.Partitions, TrackerURL: r.cfg.trackerURL(), AuditDays: r.cfg.AuditDays, SecureCookies: isSecure(r.cfg.dashboardURL()),
		TrustedProxies: r.proxies, TrustedOrigins: r.cfg.origins(), Log: r.log, Metrics: r.metrics,
	})
	if err != nil {
		return err
	}
	r.warnOfProxy("dashboard-url", r.cfg.dashboardURL())
	code, err := people.OfferSetup(ctx)
	if err != nil {
		return err
	}
	printSetup(os.Stderr, r.cfg.dashboardURL(), code)
	r.ready.up("dashboard", needPostgres(db), needClickHouse(conn))
	r.log.Info("dashboard is ready", "address", r.cfg.dashboardURL())
	return serveHTTP(ctx, listener, localHosts(r.cfg.DashboardListen, r.cfg.DashboardURL, server.Handler()), r.log)
}

// warnOfProxy tells whoever starts a role that it takes all its visitors for one.
func (r *river) warnOfProxy(flag, address string) {
	if problem, fix := r.cfg.unseen(flag, address); problem != "" {
		r.log.Warn(problem, "fix", fix)
	}
}

// listen opens an address, and says what to do when it is taken.
func listen(ctx context.Context, address string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening on %s (is something else running there? choose another address with a --...-listen flag, or --port for the demo): %w", address, err)
	}
	return l, nil
}

// serveHTTP answers until ctx ends, then finishes what is under way.
func serveHTTP(ctx context.Context, l net.Listener, handler http.Handler, log *slog.Logger) error {
	server := &http.Server{
		Handler: proxy.Unambiguous(handler), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		stopped <- server.Shutdown(grace)
	})
	err := server.Serve(l)
	if stop() {
		return fmt.Errorf("serving %s: %w", l.Addr(), err)
	}
	if err := <-stopped; err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("stopping %s: %w", l.Addr(), err)
	}
	return nil
}
