package position

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/internal/event"
	"tributary/internal/fault"
	"tributary/internal/stream"
	"tributary/internal/text"
)

// Hop is a way out of Kafka: who reads which topic.
type Hop struct{ Consumer, Topic string }

// Hops are all of them, in the order in which a record goes through them.
func Hops() []Hop {
	return []Hop{{"engine", event.Orders}, {"loader", event.Orders}, {"loader", event.Touches}, {"loader", event.Decisions}}
}

// Level is how far the consumers of a hop are, whichever processes they are.
type Level struct {
	// Behind counts the records that Kafka has and the consumer has not taken in.
	Behind int64
	// Halted says which partition is halted and why, "" when none does.
	Halted string
	// Unheld are partitions that nobody holds a lease on.
	Unheld int
}

// ReadLevel asks PostgreSQL and Kafka, in this order, so that a record is rather seen as not taken in than overlooked.
func ReadLevel(ctx context.Context, db *pgxpool.Pool, kafka *stream.Client, h Hop, partitions int) (Level, error) {
	l := Level{Unheld: partitions}
	next := make([]int64, partitions)
	rows, err := db.Query(ctx, `SELECT partition, next_offset, halted, owner <> '' AND lease_until > now() FROM position
		WHERE consumer = $1 AND topic = $2 AND partition < $3 ORDER BY partition`, h.Consumer, h.Topic, partitions)
	if err != nil {
		return l, fmt.Errorf("reading positions: %w", err)
	}
	var partition int
	var offset int64
	var halted string
	var held bool
	_, err = pgx.ForEachRow(rows, []any{&partition, &offset, &halted, &held}, func() error {
		next[partition] = offset
		if halted != "" {
			l.Halted = fmt.Sprintf("partition %d of %s is halted for the %s: %s", partition, h.Topic, h.Consumer, halted)
		}
		if held {
			l.Unheld--
		}
		return nil
	})
	if err != nil {
		return l, fmt.Errorf("reading positions: %w", err)
	}
	for partition, offset := range next {
		_, end, err := kafka.Offsets(ctx, h.Topic, partition)
		if err != nil {
			return l, fmt.Errorf("asking Kafka for the end of %s: %w", h.Topic, err)
		}
		l.Behind += max(end-offset, 0)
	}
	return l, nil
}

// CountHalted is how many partitions are halted, of any consumer.
func CountHalted(ctx context.Context, q Querier) (n int64, err error) {
	return countRows(ctx, q, `SELECT count(*) FROM position WHERE halted <> ''`)
}

// Alone does work while no process holds a partition of a consumer, and keeps all of them from taking one before it ends:
// those that start meanwhile wait. While a process holds one, it is refused with the fault "not_idle".
func Alone(ctx context.Context, db *pgxpool.Pool, consumer string, work func(ctx context.Context) error) error {
	err := pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		// Whoever claims a partition passes over locked rows.
		held, err := countRows(ctx, tx, `SELECT count(*) FILTER (WHERE held) FROM (
			SELECT owner <> '' AND lease_until > now() AS held FROM position WHERE consumer = $1 ORDER BY topic, partition FOR NO KEY UPDATE) p`, consumer)
		switch {
		case err != nil:
			return err
		case held > 0:
			return fault.Detailed(fault.Conflict, "not_idle", text.DetailLeasesHeld(held, consumer), nil)
		}
		return work(ctx)
	})
	if err != nil {
		return fmt.Errorf("working alone on the partitions of the %s: %w", consumer, err)
	}
	return nil
}

// CountForged is how many forged records there are.
func CountForged(ctx context.Context, q Querier) (n int64, err error) {
	return countRows(ctx, q, `SELECT count(*) FROM forged`)
}

func countRows(ctx context.Context, q Querier, sql string, args ...any) (n int64, err error) {
	rows, err := q.Query(ctx, sql, args...)
	if err == nil {
		n, err = pgx.CollectExactlyOneRow(rows, pgx.RowTo[int64])
	}
	if err != nil {
		return 0, fmt.Errorf("counting: %w", err)
	}
	return n, nil
}
