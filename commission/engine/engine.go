package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"tributary/commission"
	"tributary/commission/evidence"
	"tributary/commission/fx"
	"tributary/commission/inbox"
	"tributary/commission/ledger"
	"tributary/internal/event"
	"tributary/internal/position"
	"tributary/internal/stream"
	"tributary/partners"
)

// Consumer is the engine's name among those who read topics: its positions and dead letters go by it.
const Consumer = "engine"

// Config is what an engine needs. The fields without a word on their default must be set.
type Config struct {
	// DB acts in the engine's role. Of its connections half are used for slices, the others for what goes on beside.
	DB    *pgxpool.Pool
	Kafka *stream.Client
	// VerifyClick says what a click id says.
	VerifyClick func(id string) commission.Click
	// Partitions of the topics orders and ledger.
	Partitions int
	// Owner names this process among the engines, unlike any other, also of an earlier run.
	Owner string
	Log   *slog.Logger

	// Forms are those in which this engine reads records of decisions, the last that in which it writes them:
	// commission.KnownForms by default.
	Forms commission.Forms
	// Decide decides on orders: commission.Decide by default. Tests have orders shared that no terms share yet.
	Decide commission.Decider
	// Clock says what time it is for the end of holds; time.Now by default. A replay of the past sets its own.
	Clock func() time.Time
	// SettleRest is how long a lane leaves its periods alone at the least after it has settled some: each time reads and may post
	// again what they come to. 0, the default, is for tests.
	SettleRest time.Duration
	// SliceSize bounds the records of one transaction: 1,000 by default.
	SliceSize int
	// Workers bounds the transactions that are under way at a time: as many as there are cores by default, from 2 to 4.
	Workers int
	// Metrics is where the counters are registered; nowhere by default.
	Metrics prometheus.Registerer
}

const (
	defaultSlice = 1000

	// fetchBytes is about what a slice of orders of three lines takes.
	fetchBytes = 1 << 20
	// fetchWait is how long Kafka holds on to a request for records that are not there yet.
	fetchWait = 2 * time.Second
	// lookEvery is how often a lane looks for ended holds, returned dead letters and events that others left to send.
	lookEvery = time.Second
	// watchEvery is how often a lane's lag is measured.
	watchEvery = 5 * time.Second
)

// Engine takes in the partitions of the topic orders that are this process's to take.
type Engine struct {
	cfg      Config
	programs *partners.Programs // refreshed when a transaction finds them old
	rates    *fx.Table          // likewise
	rules    *periodRules
	books    *ledger.Books
	sealer   *ledger.Sealer
	keeper   *position.Keeper
	slots    chan struct{} // a place for each transaction under way
	metrics  *metrics
	spool    uuid.UUID // under which ledger events are numbered
}

// New makes an engine. It does nothing until Run.
func New(cfg Config) *Engine {
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Decide == nil {
		cfg.Decide = commission.Decide
	}
	if len(cfg.Forms) == 0 {
		cfg.Forms = commission.KnownForms()
	}
	if cfg.SliceSize <= 0 {
		cfg.SliceSize = defaultSlice
	}
	if cfg.Workers <= 0 {
		cfg.Workers = min(max(runtime.GOMAXPROCS(0), 2), 4)
	}
	// A transaction waits for the programs, and whoever refreshes that waits for a connection.
	cfg.Workers = max(1, min(cfg.Workers, int(cfg.DB.Config().MaxConns)/2))
	e := &Engine{
		cfg:      cfg,
		programs: partners.NewPrograms(),
		rates:    fx.NewTable(),
		rules:    newPeriodRules(),
		books:    ledger.NewBooks(),
		sealer:   ledger.NewSealer(cfg.DB, cfg.Log),
		keeper:   position.NewKeeper(cfg.DB, Consumer, event.Orders, cfg.Partitions, cfg.Owner, cfg.Log).WithKeys(cfg.Kafka.KeyIDs()),
		slots:    make(chan struct{}, cfg.Workers),
		metrics:  newMetrics(cfg.Metrics),
	}
	e.keeper.Register(cfg.Metrics)
	return e
}

// Workers is how many transactions may be under way at a time.
func (e *Engine) Workers() int { return cap(e.slots) }

// Run takes in records, ends holds, sends ledger events and seals the books until ctx ends. It returns when everything
// that it started has returned.
func (e *Engine) Run(ctx context.Context) error {
	if err := e.begin(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var group errgroup.Group
	group.Go(func() error { return e.sealer.Run(ctx) })
	err := e.keeper.Run(ctx, e.work)
	cancel()
	return errors.Join(err, group.Wait())
}

// begin makes sure that this version knows what is stored, and reads the name under which this installation numbers its
// ledger events. PostgreSQL may still be starting.
func (e *Engine) begin(ctx context.Context) error {
	wait := newBackoff()
	for {
		err := e.introduce(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was asked to end before it could begin
		}
		if verdict(err) != again {
			return err
		}
		wait.warn(e.cfg.Log, "the engine cannot start yet", err)
		wait.sleep(ctx)
	}
}

// introduce enters the form of this engine's records among those that there are, before it writes the first.
func (e *Engine) introduce(ctx context.Context) error {
	if err := evidence.Knows(ctx, e.cfg.DB, e.cfg.Forms); err != nil {
		return err
	}
	if err := evidence.Enter(ctx, e.cfg.DB, e.cfg.Forms); err != nil {
		return err
	}
	var text string
	if err := e.cfg.DB.QueryRow(ctx, `SELECT value FROM setting WHERE name = 'ledger_spool'`).Scan(&text); err != nil {
		return fmt.Errorf("reading the setting ledger_spool: %w", err)
	}
	var err error
	if e.spool, err = uuid.Parse(text); err != nil {
		return &recordError{cause: fmt.Errorf("reading the setting ledger_spool: %w", err)}
	}
	return nil
}

// work is the life of one partition in the hands of this process.
func (e *Engine) work(ctx context.Context, held position.Held) error {
	l := &lane{
		Engine: e, held: held,
		log:     e.cfg.Log.With("partition", held.Partition, "epoch", held.Epoch),
		inbox:   inbox.NewLane(held.Partition, inbox.Letter, inbox.Review, inbox.Claim, inbox.Dispute, inbox.Bind, inbox.Manual, inbox.Removal),
		ranks:   settling{ranked: true},
		fetched: make(chan fetchResult, 1),
		unsent:  make(chan struct{}, 1),
	}
	return l.run(ctx)
}
