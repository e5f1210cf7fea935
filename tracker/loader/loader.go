package loader

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"tributary/internal/clickhouse"
	"tributary/internal/event"
	"tributary/internal/position"
	"tributary/internal/stream"
)

// Config says what to load from, where to, and how. The limits may be left at zero for their defaults.
type Config struct {
	DB         *pgxpool.Pool // as tributary_loader
	ClickHouse clickhouse.Conn
	Kafka      *stream.Client
	// Partitions is the number that each topic has.
	Partitions int
	// Owner names this process in the leases, unlike any other, also of an earlier run.
	Owner string

	// MaxRows and MaxBytes (of records) bound a batch: 32,768 and 16 MiB. A row costs ClickHouse twice as much in batches of
	// 5,000 as in batches of 25,000, and no less in larger ones.
	MaxRows, MaxBytes int
	// Linger is the least time between two batches of a partition that are not full: 0.7 s. It bounds how many small inserts
	// there are, which cost ClickHouse 10 ms each, and how stale the pages are. Records that come in after a quiet time
	// wait only for a fifth of it.
	Linger time.Duration
	// Budget bounds the bytes of the records that are in memory at one time, for all partitions: 80 MiB, which is four full
	// batches, two being read and two being inserted. Columns and buffers take about as much again.
	Budget int64
	// Inserts bounds how many inserts are under way at one time: 2.
	Inserts int
}

func (c Config) withDefaults() Config {
	if c.MaxRows == 0 {
		c.MaxRows = 4 * chunk
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = 16 << 20
	}
	if c.Linger == 0 {
		c.Linger = 700 * time.Millisecond
	}
	if c.Budget == 0 {
		c.Budget = 80 << 20
	}
	// Every partition of every topic may wait for records with some room in hand, and one must be able to go on.
	c.Budget = max(c.Budget, int64(c.MaxBytes)+fetchBytes+int64(len(tables())*c.Partitions)*idleBytes)
	if c.Inserts == 0 {
		c.Inserts = 2
	}
	return c
}

// Loader loads the partitions that this process holds.
type Loader struct {
	Config

	db        *pgxpool.Pool
	log       *slog.Logger
	tables    []*table
	keepers   []*position.Keeper // one a table
	producers *position.Keeper   // of what is said of orders
	settings  clickhouse.Settings
	alone     bool // the server has no replicas
	budget    *semaphore.Weighted
	inserting chan struct{} // a place for each insert that is under way
	metrics   *metrics

	kafkaAway, clickhouseAway, postgresAway outage

	producersWait outage
}

// New makes a loader. registry may be nil.
func New(cfg Config, log *slog.Logger, registry prometheus.Registerer) *Loader {
	cfg = cfg.withDefaults()
	l := &Loader{
		Config: cfg, db: cfg.DB, log: log, tables: tables(),
		budget: semaphore.NewWeighted(cfg.Budget), inserting: make(chan struct{}, cfg.Inserts),
		kafkaAway:      outage{log: log, server: "Kafka"},
		clickhouseAway: outage{log: log, server: "ClickHouse"},
		postgresAway:   outage{log: log, server: "PostgreSQL"},
		producersWait:  outage{log: log, server: "PostgreSQL, Kafka or ClickHouse"},
		producers:      position.NewKeeper(cfg.DB, Producer, event.Orders, cfg.Partitions, cfg.Owner, log),
	}
	for _, t := range l.tables {
		l.keepers = append(l.keepers, position.NewKeeper(cfg.DB, Consumer, t.topic, cfg.Partitions, cfg.Owner, log).WithKeys(cfg.Kafka.KeyIDs()))
	}
	l.metrics = newMetrics(registry, append(slices.Clip(l.keepers), l.producers))
	return l
}

// Run tests the server, and then loads until ctx ends. An error is a *SelfTestError: with this server, rows could be
// lost or doubled. Servers that are away are waited for.
func (l *Loader) Run(ctx context.Context) error {
	if err := l.prove(ctx); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for i, t := range l.tables {
		group.Go(func() error {
			return l.keepers[i].Run(ctx, func(ctx context.Context, h position.Held) error {
				lane := &lane{Loader: l, table: t, held: h, log: l.log.With("topic", t.topic, "partition", h.Partition)}
				return lane.run(ctx)
			})
		})
	}
	group.Go(func() error { return l.producers.Run(ctx, l.produce) })
	group.Go(func() error { return l.maintain(ctx) })
	return group.Wait()
}

// prove runs the self-test until the server has given an answer.
func (l *Loader) prove(ctx context.Context) error {
	wait := newBackoff()
	for {
		settings, alone, err := selfTest(ctx, l.ClickHouse, l.tables, l.insertSettings())
		var refused *SelfTestError
		switch {
		case err == nil:
			l.settings, l.alone = settings, alone
			l.clickhouseAway.over()
			return nil
		case errors.As(err, &refused):
			return err
		}
		l.clickhouseAway.report(ctx, err)
		if err := wait.sleep(ctx); err != nil {
			return nil //nolint:nilerr // ctx ended, as Run may
		}
	}
}

// outage tells the log when a server goes away and when it is back, once each.
type outage struct {
	log    *slog.Logger
	server string

	mu    sync.Mutex
	since time.Time
}

// report takes note of an error that says that the server is away, or does not do what it should.
func (o *outage) report(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.since.IsZero() {
		return
	}
	o.since = time.Now()
	o.log.Warn(o.server+" does not do what is asked; trying again until it does", "error", err)
}

// over takes note that the server does its work.
func (o *outage) over() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.since.IsZero() {
		return
	}
	o.log.Info(o.server+" is back", "after", time.Since(o.since).Round(time.Millisecond))
	o.since = time.Time{}
}

// Limits of the pause between two attempts.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = 5 * time.Second
)

// backoff is a pause that doubles each time.
type backoff struct{ next time.Duration }

func newBackoff() *backoff { return &backoff{next: firstPause} }

// sleep pauses, for ctx's end too.
func (b *backoff) sleep(ctx context.Context) error {
	pause := b.next
	b.next = min(2*b.next, lastPause)
	return sleep(ctx, pause)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("pausing: %w", ctx.Err())
	}
}
