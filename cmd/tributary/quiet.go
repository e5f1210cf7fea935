package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/commission/engine"
	"tributary/internal/event"
	"tributary/internal/position"
	"tributary/internal/stream"
	"tributary/tracker/loader"
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

// inFlight names the first stage that has something left to do, "" when none has. Paths go back from the loader to the engine, so
// all are asked twice.
func (q *quiet) inFlight(ctx context.Context) (string, error) {
	if left, err := q.downstream(ctx); err != nil || left != "" {
		return left, err
	}
	return q.downstream(ctx)
}

// downstream asks the stages in the order of the river, so that nothing can slip from one that was asked into one that was not.
func (q *quiet) downstream(ctx context.Context) (string, error) {
	if q.intake != nil && !slices.Equal(q.intake.spool.Sequences(), q.intake.relay.Stats().Acknowledged) {
		return "the relay to send the spool", nil
	}
	for _, h := range position.Hops() {
		if h.Topic == event.Decisions {
			switch waiting, err := engine.ReadWaiting(ctx, q.db); {
			case err != nil || waiting.Unsent > 0:
				return "the engine to send its ledger events", err
			case waiting.Paths > 0:
				return fmt.Sprintf("the paths of %d orders", waiting.Paths), nil
			case waiting.Customers+waiting.Nudged > 0:
				return "the engine to decide orders again", nil
			}
		}
		if behind, err := q.behind(ctx, h); err != nil || behind != "" {
			return behind, err
		}
	}
	// Asked last: a batch is planned in the moment in which its records count as read.
	if batches, err := loader.ReadBacklog(ctx, q.db); err != nil || batches.Planned > 0 {
		return "the loader to finish its batches", err
	}
	return "", nil
}

// behind says how far a consumer is behind the end of a topic, "" when it is not. One that is halted is an error.
func (q *quiet) behind(ctx context.Context, h position.Hop) (string, error) {
	switch l, err := position.ReadLevel(ctx, q.db, q.kafka, h, q.partitions); {
	case err != nil:
		return "", err
	case l.Halted != "":
		return "", errors.New(l.Halted)
	case l.Behind > 0:
		return fmt.Sprintf("the %s to read %d records of %s", h.Consumer, l.Behind, h.Topic), nil
	}
	return "", nil
}
