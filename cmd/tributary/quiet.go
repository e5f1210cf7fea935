package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/internal/event"
	"tributary/internal/stream"
)

// quiet tells whether nothing is in flight: the spool is in Kafka, Kafka is in the books and in ClickHouse, and what
// the books had to say is there too. What is still on its way is named.
type quiet struct {
	db         *pgxpool.Pool
	kafka      *stream.Client
	partitions int
	intake     *intake // nil: another process has the spool
}

// await waits until nothing is in flight, reporting what is left at most once a second.
func (q *quiet) await(ctx context.Context, report func(left string)) error {
	reported := time.Now()
	for {
		left, err := q.inFlight(ctx)
		if err != nil {
			return err
		}
		if left == "" {
			return nil
		}
		if time.Since(reported) > time.Second {
			report(left)
			reported = time.Now()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", left, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// inFlight names the first stage that has something left to do, "" when none has. The stages are asked in the order of
// the river, so that nothing can slip from one that was asked into one that was not.
func (q *quiet) inFlight(ctx context.Context) (string, error) {
	if q.intake != nil && !slices.Equal(q.intake.spool.Sequences(), q.intake.relay.Stats().Acknowledged) {
		return "the relay to send the spool", nil
	}
	for _, h := range hops() {
		if h.topic == event.Decisions {
			if left, err := q.any(ctx, `SELECT FROM ledger_unsent`); err != nil || left {
				return "the engine to send its ledger events", err
			}
		}
		if behind, err := q.behind(ctx, h); err != nil || behind != "" {
			return behind, err
		}
	}
	// Asked last: a batch is planned in the moment in which its records count as read.
	if left, err := q.any(ctx, `SELECT FROM clickhouse_batch WHERE state = 'planned'`); err != nil || left {
		return "the loader to finish its batches", err
	}
	return "", nil
}

// any tells whether a query has rows.
func (q *quiet) any(ctx context.Context, query string) (found bool, err error) {
	if err := q.db.QueryRow(ctx, `SELECT EXISTS (`+query+`)`).Scan(&found); err != nil {
		return false, fmt.Errorf("asking what is in flight: %w", err)
	}
	return found, nil
}

// behind says how far a consumer is behind the end of a topic, "" when it is not. One that stands still is an error.
func (q *quiet) behind(ctx context.Context, h hop) (string, error) {
	switch l, err := readLevel(ctx, q.db, q.kafka, h, q.partitions); {
	case err != nil:
		return "", err
	case l.halted != "":
		return "", errors.New(l.halted)
	case l.behind > 0:
		return fmt.Sprintf("the %s to read %d records of %s", h.consumer, l.behind, h.topic), nil
	}
	return "", nil
}
