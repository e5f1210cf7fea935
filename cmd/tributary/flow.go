package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/internal/event"
	"tributary/internal/stream"
)

// hop is a way out of Kafka: who reads which topic.
type hop struct{ consumer, topic string }

// hops are all of them, in the order in which a record goes through them.
func hops() []hop {
	return []hop{{"engine", event.Orders}, {"loader", event.Orders}, {"loader", event.Touches}, {"loader", event.Decisions}}
}

// level is how far the consumers of a hop are, whichever processes they are.
type level struct {
	// behind counts the records that Kafka has and the consumer has not taken in.
	behind int64
	// halted says which partition stands still and why, "" when none does.
	halted string
	// unheld are partitions that nobody holds a lease on.
	unheld int
}

// readLevel asks PostgreSQL and Kafka, in this order, so that a record is rather seen as not taken in than overlooked.
func readLevel(ctx context.Context, db *pgxpool.Pool, kafka *stream.Client, h hop, partitions int) (level, error) {
	l := level{unheld: partitions}
	next := make([]int64, partitions)
	rows, err := db.Query(ctx, `SELECT partition, next_offset, halted, owner <> '' AND lease_until > now() FROM position
		WHERE consumer = $1 AND topic = $2 AND partition < $3 ORDER BY partition`, h.consumer, h.topic, partitions)
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
			l.halted = fmt.Sprintf("partition %d of %s stands still for the %s: %s", partition, h.topic, h.consumer, halted)
		}
		if held {
			l.unheld--
		}
		return nil
	})
	if err != nil {
		return l, fmt.Errorf("reading positions: %w", err)
	}
	for partition, offset := range next {
		_, end, err := kafka.Offsets(ctx, h.topic, partition)
		if err != nil {
			return l, fmt.Errorf("asking Kafka for the end of %s: %w", h.topic, err)
		}
		l.behind += max(end-offset, 0)
	}
	return l, nil
}
