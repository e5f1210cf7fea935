package report

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Health is how the pipeline runs, and what waits for a person.
type Health struct {
	Lags    []Lag
	Lanes   []Lane
	Batches []Batch // that are not in ClickHouse
	Letters []DeadLetters
	Spools  []Spool
	Sealed  *time.Time // when the books were last sealed
	Loaded  *time.Time // when a batch was last in ClickHouse
	Posted  *time.Time
	// Unbalanced are the units in which debits and credits differ.
	Unbalanced []string
	// PathsWanted counts the clicks of which orders wait to be told what came before them, and PathsSince is when the first was asked
	// for; nil for none.
	PathsWanted int64
	PathsSince  *time.Time
	// Disputes are the first of those that have been open for 120 days, the oldest first.
	Disputes []OldDispute
}

// An OldDispute is a dispute that nobody has ended for long.
type OldDispute struct {
	No                int64
	Merchant, OrderID string
	Ref               string // as whoever handles the payment calls it
	At                time.Time
}

// A Lag is what a stage has still to do on a lane.
type Lag struct {
	Stage, Topic string
	Lane         int
	Records      int64
}

// A Lane is a partition of a topic as one of its consumers has it.
type Lane struct {
	Consumer, Topic string
	Partition       int
	NextOffset      int64
	Owner           string
	Held            bool
	Attempts        int
	Halted          string
	Gap             int64 // the sequence behind the gap it met, 0 for none
}

// A Batch is a batch for ClickHouse.
type Batch struct {
	Topic                         string
	Partition                     int
	FirstOffset, LastOffset, Rows int64
	State                         string
	PlannedAt                     time.Time
	Problem                       string
}

// DeadLetters are the records that a consumer could not process: how many, and the newest of them.
type DeadLetters struct {
	Consumer, Topic string
	N               int64
	At              time.Time
	Error           string
}

// A Spool is a tracker's spool.
type Spool struct {
	Spool  string
	Owner  string
	Seen   time.Time
	Last   int64
	Unsent int64
}

// healthRows bounds each of the lists.
const healthRows = 100

// Health reads how the pipeline runs. Only the network sees it.
func (s *Snapshot) Health(ctx context.Context) (Health, error) {
	var h Health
	for _, read := range []func(context.Context, *Health) error{s.readLags, s.readLanes, s.readWaiting, s.readSpools, s.readEnds, s.readOldDisputes} {
		if err := read(ctx, &h); err != nil {
			return h, err
		}
	}
	return h, nil
}

//go:embed query/lags.sql
var lagsSQL string

func (s *Snapshot) readLags(ctx context.Context, h *Health) error {
	rows, err := s.tx.Query(ctx, lagsSQL)
	if err != nil {
		return fmt.Errorf("reading lags: %w", err)
	}
	if h.Lags, err = pgx.CollectRows(rows, pgx.RowToStructByName[Lag]); err != nil {
		return fmt.Errorf("reading lags: %w", err)
	}
	return nil
}

func (s *Snapshot) readLanes(ctx context.Context, h *Health) error {
	// name: lanes of the pipeline
	rows, err := s.tx.Query(ctx, `SELECT consumer, topic, partition, next_offset, owner, held, attempts, halted,
			coalesce((SELECT max(gap) FROM health_seen s WHERE (s.consumer, s.topic, s.partition) = (l.consumer, l.topic, l.partition)), 0) AS gap
		FROM health_lane l ORDER BY halted = '', held, consumer, topic, partition LIMIT $1`, healthRows)
	if err != nil {
		return fmt.Errorf("reading lanes: %w", err)
	}
	if h.Lanes, err = pgx.CollectRows(rows, pgx.RowToStructByName[Lane]); err != nil {
		return fmt.Errorf("reading lanes: %w", err)
	}
	return nil
}

// readWaiting reads batches that are not in ClickHouse, and dead letters.
func (s *Snapshot) readWaiting(ctx context.Context, h *Health) error {
	// name: open batches
	rows, err := s.tx.Query(ctx, `SELECT topic, partition, first_offset, last_offset, rows, state, planned_at, problem FROM health_batch
		WHERE state <> 'done' ORDER BY state, planned_at LIMIT $1`, healthRows)
	if err != nil {
		return fmt.Errorf("reading batches: %w", err)
	}
	if h.Batches, err = pgx.CollectRows(rows, pgx.RowToStructByName[Batch]); err != nil {
		return fmt.Errorf("reading batches: %w", err)
	}
	// name: dead letters
	rows, err = s.tx.Query(ctx, `SELECT consumer, topic, count(*) AS n, max(at) AS at, (array_agg(error ORDER BY at DESC))[1] AS error
		FROM health_letter GROUP BY consumer, topic ORDER BY consumer, topic`)
	if err != nil {
		return fmt.Errorf("reading dead letters: %w", err)
	}
	if h.Letters, err = pgx.CollectRows(rows, pgx.RowToStructByName[DeadLetters]); err != nil {
		return fmt.Errorf("reading dead letters: %w", err)
	}
	return nil
}

func (s *Snapshot) readSpools(ctx context.Context, h *Health) error {
	// name: spools of trackers
	rows, err := s.tx.Query(ctx, `SELECT encode(spool, 'hex') AS spool, max(owner) AS owner, max(seen) AS seen, sum(last)::bigint AS last, sum(last - sent)::bigint AS unsent
		FROM health_spool GROUP BY spool ORDER BY max(seen) DESC LIMIT $1`, healthRows)
	if err != nil {
		return fmt.Errorf("reading spools: %w", err)
	}
	if h.Spools, err = pgx.CollectRows(rows, pgx.RowToStructByName[Spool]); err != nil {
		return fmt.Errorf("reading spools: %w", err)
	}
	return nil
}

// CountryKnown tells whether any tracker, heard of within ten minutes, knows the countries of clicks. Everybody may ask.
func (s *Snapshot) CountryKnown(ctx context.Context) (known bool, err error) {
	// name: countries known
	if err := s.tx.QueryRow(ctx, `SELECT known FROM country_known`).Scan(&known); err != nil {
		return false, fmt.Errorf("asking whether countries are known: %w", err)
	}
	return known, nil
}

func (s *Snapshot) readOldDisputes(ctx context.Context, h *Health) error {
	// name: disputes that nobody ends
	rows, err := s.tx.Query(ctx, `SELECT no, merchant, order_id, ref, at FROM health_dispute ORDER BY at, no LIMIT $1`, healthRows)
	if err != nil {
		return fmt.Errorf("reading old disputes: %w", err)
	}
	if h.Disputes, err = pgx.CollectRows(rows, pgx.RowToStructByName[OldDispute]); err != nil {
		return fmt.Errorf("reading old disputes: %w", err)
	}
	return nil
}

// readEnds reads when each end of the pipeline last moved, and whether the books balance.
func (s *Snapshot) readEnds(ctx context.Context, h *Health) error {
	// name: ends of the pipeline
	err := s.tx.QueryRow(ctx, `SELECT (SELECT at FROM health_seal), (SELECT max(done_at) FROM (SELECT done_at FROM health_batch ORDER BY done_at DESC NULLS LAST LIMIT 1) x),
		(SELECT posted_at FROM posting ORDER BY seq DESC LIMIT 1)`).Scan(&h.Sealed, &h.Loaded, &h.Posted)
	if err != nil {
		return fmt.Errorf("reading the ends of the pipeline: %w", err)
	}
	// name: paths that orders wait for
	if err := s.tx.QueryRow(ctx, `SELECT wanted, since FROM health_path`).Scan(&h.PathsWanted, &h.PathsSince); err != nil {
		return fmt.Errorf("reading the paths that orders wait for: %w", err)
	}
	books, err := s.Books(ctx)
	if err != nil {
		return err
	}
	for _, b := range books {
		if !b.Balanced() {
			h.Unbalanced = append(h.Unbalanced, b.Currency)
		}
	}
	return nil
}
