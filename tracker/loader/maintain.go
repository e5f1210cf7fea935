package loader

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// maintainEvery is how often the loader looks how far behind it is, and tidies up.
	maintainEvery = 15 * time.Second
	// maintainLimit bounds one round of it.
	maintainLimit = 30 * time.Second
)

// Lag is how far the loading of a partition is behind Kafka.
type Lag struct {
	Topic     string
	Partition int
	// Next is the offset of the first record that is not planned, End the offset behind the last one in Kafka.
	Next, End int64
	// Halted says why the partition is halted; it is empty when it is not.
	Halted string
}

// Stats is the state of the loading, whichever processes do it.
type Stats struct {
	Lags []Lag
	// Open batches are planned and not done; Parked ones need operator action.
	Open, Parked int64
	// Oldest is how long ago the oldest open batch was planned; 0 when none is open.
	Oldest time.Duration
}

// maintain looks after the manifest and the metrics until ctx ends.
func (l *Loader) maintain(ctx context.Context) error {
	tick := time.NewTicker(maintainEvery)
	defer tick.Stop()
	for {
		round, cancel := context.WithTimeout(ctx, maintainLimit)
		err := l.maintainOnce(round, keepDone)
		cancel()
		if err != nil && ctx.Err() == nil {
			l.log.Warn("the loader's state cannot be read", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// maintainOnce removes lines of the manifest that have been done for keep, and brings the metrics up to date.
func (l *Loader) maintainOnce(ctx context.Context, keep time.Duration) error {
	for _, t := range l.tables {
		for partition := range l.Partitions {
			if err := l.tidy(ctx, t.topic, partition, keep); err != nil {
				return err
			}
		}
	}
	stats, err := l.Stats(ctx)
	if err != nil {
		return err
	}
	for _, lag := range stats.Lags {
		l.metrics.lag.WithLabelValues(lag.Topic, strconv.Itoa(lag.Partition)).Set(float64(lag.End - lag.Next))
	}
	l.metrics.waiting.Set(float64(stats.Parked))
	l.metrics.oldest.Set(stats.Oldest.Seconds())
	return nil
}

// tidy trims one partition's manifest, in transactions of bounded size.
func (l *Loader) tidy(ctx context.Context, topic string, partition int, keep time.Duration) error {
	for {
		removed, err := trim(ctx, l.db, topic, partition, keep)
		if err != nil || removed < trimBatch {
			return err
		}
	}
}

// Stats asks PostgreSQL and Kafka how far the loading is.
func (l *Loader) Stats(ctx context.Context) (Stats, error) {
	rows, err := l.db.Query(ctx, `SELECT topic, partition, next_offset, halted FROM position WHERE consumer = $1 ORDER BY topic, partition`, Consumer)
	if err != nil {
		return Stats{}, fmt.Errorf("reading positions: %w", err)
	}
	var s Stats
	s.Lags, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (Lag, error) {
		var lag Lag
		err := row.Scan(&lag.Topic, &lag.Partition, &lag.Next, &lag.Halted)
		return lag, err
	})
	if err != nil {
		return Stats{}, fmt.Errorf("reading positions: %w", err)
	}
	for i := range s.Lags {
		lag := &s.Lags[i]
		if _, lag.End, err = l.Kafka.Offsets(ctx, lag.Topic, lag.Partition); err != nil {
			return Stats{}, err
		}
	}
	err = l.db.QueryRow(ctx, `SELECT count(*) FILTER (WHERE state = 'planned'), count(*) FILTER (WHERE state = 'parked'),
		coalesce(now() - min(planned_at) FILTER (WHERE state = 'planned'), '0')
		FROM clickhouse_batch WHERE state <> 'done'`).Scan(&s.Open, &s.Parked, &s.Oldest)
	if err != nil {
		return Stats{}, fmt.Errorf("counting open batches: %w", err)
	}
	return s, nil
}
