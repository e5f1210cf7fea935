// Package registry tells PostgreSQL how far each tracker's spool is: beside step 2 of the life of a click. A record that
// was acknowledged and then lost with its disk never reaches Kafka, so no gap there tells of it; the registry does, as soon
// as the tracker has been silent for a while. Up to Every before the loss it is blind.
//
// It sees one more thing: a spool that was restored from an older copy of its disk would number new records like old ones,
// and consumers would drop them. Run ends with ErrBehind before that goes on.
package registry

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"tributary/internal/event"
	"tributary/internal/fault"
	"tributary/internal/text"
	"tributary/tracker/spool"
)

const (
	// Every is how often a tracker writes how far it is.
	Every = 5 * time.Second
	// silentAfter is how long a tracker may say nothing before its outstanding records count as silent.
	silentAfter = time.Minute
	// StrandedAfter is how long it may say nothing before they count as lost until it comes back.
	StrandedAfter = 10 * time.Minute
)

// ErrBehind says that the spool on this disk is older than what was in it once.
var ErrBehind = errors.New("the spool is older than it was once: it was restored from a copy, or has lost its end; move its folder and relay.cursor away, so that a new spool begins, and send what the old one holds by `tributary spool drain`")

// Querier runs single statements: a pool or a transaction.
type Querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Config is what a registry is made of; all but Metrics must be given.
type Config struct {
	DB    *pgxpool.Pool
	Spool *spool.Spool
	// Sent gives for each lane the last sequence that Kafka has acknowledged.
	Sent       func() []uint64
	Partitions int
	// Countries gives when the database of countries was built that the tracker uses; zero, or no function, for none.
	Countries func() time.Time
	// Owner names this process.
	Owner   string
	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// Registry writes the progress of one spool.
type Registry struct {
	cfg    Config
	silent prometheus.Gauge
}

// New makes a registry; Run starts it.
func New(cfg Config) *Registry {
	r := &Registry{cfg: cfg, silent: prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "tributary_spool_silent_records", Help: "Records on the disks of trackers that have been silent for a minute, which consumers do not have. Each tracker reports the same.",
	})}
	if cfg.Metrics != nil {
		cfg.Metrics.MustRegister(r.silent)
	}
	return r
}

// Check gives ErrBehind before the first record is taken: once a spool that was restored has grown past its former end, Run
// cannot tell. A PostgreSQL that does not answer soon is left to Run.
func (r *Registry) Check(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, Every)
	defer cancel()
	id := r.cfg.Spool.ID()
	behind := false
	// name: spool behind
	err := r.cfg.DB.QueryRow(limited, `
SELECT EXISTS (SELECT FROM spool_progress p JOIN unnest($2::bigint[]) WITH ORDINALITY AS o (last, lane) ON o.lane - 1 = p.lane
                WHERE p.spool = $1 AND p.last > o.last)`, id[:], signed(r.cfg.Spool.Sequences())).Scan(&behind)
	switch {
	case err != nil:
		r.cfg.Log.Warn("cannot check at the start whether the spool was restored from an older copy", "error", err)
		return ctx.Err()
	case behind:
		return fmt.Errorf("spool %s: %w", id, ErrBehind)
	}
	return nil
}

// Run writes how far the spool is until ctx ends. It gives ErrBehind; when PostgreSQL is down it goes on trying.
func (r *Registry) Run(ctx context.Context) error {
	tick := time.NewTicker(Every)
	defer tick.Stop()
	failing := false
	for {
		err := r.runOnce(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, ErrBehind):
			return err
		case err != nil && !failing:
			r.cfg.Log.Warn("the progress of the spool cannot be recorded: if its disk is lost now, what was on it is unknown", "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// runOnce writes the present progress, and measures that of the silent.
func (r *Registry) runOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, Every)
	defer cancel()
	// What is sent is asked first: it is then never ahead of what is durable.
	sent := signed(r.cfg.Sent())
	last := signed(r.cfg.Spool.Sequences())
	id := r.cfg.Spool.ID()
	var countries *time.Time
	if r.cfg.Countries != nil {
		if built := r.cfg.Countries(); !built.IsZero() {
			countries = &built
		}
	}
	// name: spool progress
	tag, err := r.cfg.DB.Exec(ctx, `
INSERT INTO spool_progress (spool, lane, last, sent, owner, seen, countries)
SELECT $1, lane - 1, last, sent, $4, now(), $5 FROM unnest($2::bigint[], $3::bigint[]) WITH ORDINALITY AS p (last, sent, lane)
    ON CONFLICT (spool, lane) DO UPDATE SET last = excluded.last, sent = excluded.sent, owner = excluded.owner, seen = excluded.seen, countries = excluded.countries
 WHERE spool_progress.last <= excluded.last`, id[:], last, sent, r.cfg.Owner, countries)
	if err != nil {
		return fmt.Errorf("writing the progress of the spool: %w", err)
	}
	if tag.RowsAffected() != int64(len(last)) {
		return fmt.Errorf("spool %s: %w", id, ErrBehind)
	}
	silent, err := Outstanding(ctx, r.cfg.DB, r.cfg.Partitions, silentAfter)
	if err != nil {
		return err
	}
	records := int64(0)
	for _, o := range silent {
		records += o.Records()
	}
	r.silent.Set(float64(records))
	return nil
}

func signed(all []uint64) []int64 {
	out := make([]int64, len(all))
	for i, n := range all {
		out[i] = int64(n)
	}
	return out
}

// Lane is a lane of a silent tracker's spool that holds records which some consumer does not have.
type Lane struct {
	Spool     string    `json:"spool"` // in hex
	Topic     string    `json:"topic"`
	Partition int       `json:"partition"`
	Last      int64     `json:"last"` // sequence that was durable on its disk
	Sent      int64     `json:"sent"` // sequence that Kafka had acknowledged
	Have      int64     `json:"have"` // sequence up to which every consumer has it
	Owner     string    `json:"owner"`
	Seen      time.Time `json:"seen"`
}

// Records is how many are outstanding.
func (l Lane) Records() int64 { return l.Last - l.Have }

// String says what is outstanding and what to do.
func (l Lane) String() string {
	return fmt.Sprintf("broken spool %s %s/%d: records %d to %d, which tracker %s had on its disk, are not known to every consumer, and it was last heard of at %s. "+
		"Start it again on its disk; if that is lost: tributary spool forget %s",
		l.Spool, l.Topic, l.Partition, l.Have+1, l.Last, l.Owner, l.Seen.UTC().Format(time.RFC3339), l.Spool)
}

// Outstanding lists the lanes of trackers that have been silent for some time, where a consumer lacks records. With other
// than the network's number of partitions the answer means nothing.
func Outstanding(ctx context.Context, q Querier, partitions int, silent time.Duration) ([]Lane, error) {
	// name: spool outstanding; the orders go to two consumers
	rows, err := q.Query(ctx, `
SELECT encode(p.spool, 'hex'), t.topic, p.lane % $1, p.last, p.sent, have.seq, p.owner, p.seen
  FROM spool_progress p
 CROSS JOIN LATERAL (SELECT CASE WHEN p.lane < $1 THEN $3 ELSE $4 END) AS t (topic)
 CROSS JOIN LATERAL (
       SELECT min(coalesce(h.seq, 0)) FROM unnest(CASE WHEN p.lane < $1 THEN ARRAY['loader'] ELSE ARRAY['loader', 'engine'] END) AS c (consumer)
         LEFT JOIN high_water h ON h.consumer = c.consumer AND h.topic = t.topic AND h.partition = p.lane % $1 AND h.spool = p.spool) AS have (seq)
 WHERE p.last > have.seq AND p.seen < now() - $2::interval
 ORDER BY p.spool, p.lane`, partitions, silent, event.Touches, event.Orders)
	if err != nil {
		return nil, fmt.Errorf("reading the progress of spools: %w", err)
	}
	lanes, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Lane])
	if err != nil {
		return nil, fmt.Errorf("reading the progress of spools: %w", err)
	}
	return lanes, nil
}

// Forget gives a spool up whose disk is lost, named in hex: what was on it and not sent is not asked for any more. A
// tracker that has been heard of within a minute is still there, and its spool is not forgotten.
func Forget(ctx context.Context, q Querier, name string) error {
	id, err := hex.DecodeString(name)
	if err != nil || len(id) != len(spool.ID{}) {
		return fault.Detailed(fault.Invalid, "bad_spool", text.DetailBadSpool(), nil)
	}
	// name: spool forget
	tag, err := q.Exec(ctx, `DELETE FROM spool_progress WHERE spool = $1
   AND NOT EXISTS (SELECT FROM spool_progress WHERE spool = $1 AND seen > now() - $2::interval)`, id, silentAfter)
	if err != nil {
		return fmt.Errorf("forgetting a spool: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return fault.Detailed(fault.NotFound, "unknown_spool", text.DetailUnknownSpool(), nil)
	}
	return nil
}

// Spools lists the ids of all spools that a tracker has named, in hex.
func Spools(ctx context.Context, db *pgxpool.Pool) ([]string, error) {
	rows, err := db.Query(ctx, `SELECT encode(spool, 'hex') FROM spool_progress GROUP BY spool ORDER BY spool`)
	if err != nil {
		return nil, fmt.Errorf("listing the spools: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("listing the spools: %w", err)
	}
	return ids, nil
}
