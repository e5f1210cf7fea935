package loader

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/position"
	"tributary/internal/postgres"
	"tributary/internal/stream"
)

const (
	// fetchBytes is what one request to Kafka asks for at most when the partition is behind, and idleBytes else. One that
	// brings a quarter of what it asked for says that the partition is behind.
	fetchBytes = 1 << 20
	idleBytes  = 128 << 10
	// idleWait is how long a request waits for a first record.
	idleWait = 2 * time.Second
	// lookEvery is how often a partition looks for batches that are to be sent again.
	lookEvery = 5 * time.Second
	// freshPlan is how long a plan counts as standing without another look: well below a lease (package position).
	freshPlan = 4 * time.Second
)

// lane is one partition in the hands of this process.
type lane struct {
	*Loader

	table *table
	held  position.Held
	log   *slog.Logger
	life  int // the generation of new batches
	// declared are records that an operator has declared forged.
	declared position.Declared
}

// run loads the partition until ctx ends, the lease is lost, or records are missing. One goroutine reads and cuts batches,
// one ahead of the one that this one stores.
func (l *lane) run(ctx context.Context) error {
	at, err := l.begin(ctx)
	if err != nil {
		return err
	}
	if err := l.keepClear(ctx, at); err != nil {
		return err
	}
	if err := l.finish(ctx); err != nil {
		return err
	}
	reading, stop := context.WithCancel(ctx)
	r := &reader{lane: l, at: at, out: make(chan *batch)}
	var missing error
	go func() {
		defer close(r.out)
		missing = r.run(reading)
	}()
	err = l.consume(ctx, r.out)
	stop()
	for b := range r.out {
		l.release(b)
	}
	if err != nil {
		return err
	}
	return missing // reader has ended: its channel is closed
}

// begin reads where the partition stands, and makes sure that ClickHouse is not ahead of it and Kafka still holds it.
func (l *lane) begin(ctx context.Context) (at *position.Position, err error) {
	err = l.persist(ctx, func() error {
		return postgres.InTx(ctx, l.db, func(tx pgx.Tx) error {
			if at, err = l.held.Lock(ctx, tx); err != nil {
				return err
			}
			if l.declared, err = l.held.Declared(ctx, tx); err != nil {
				return err
			}
			return l.readLife(ctx, tx)
		})
	})
	if err != nil {
		return nil, err
	}
	if err := l.remembered(ctx, at); err != nil {
		return nil, err
	}
	wait := newBackoff()
	for {
		first, end, err := l.Kafka.Offsets(ctx, l.table.topic, l.held.Partition)
		if err == nil {
			err = l.held.SameLog(ctx, l.db, l.Kafka)
		}
		switch {
		case position.IsGap(err), errors.Is(err, position.ErrLost):
			return nil, err
		case err == nil && first <= at.Next && at.Next <= end:
			l.kafkaAway.over()
			return at, nil
		case err == nil:
			return nil, &stream.GapError{Topic: l.table.topic, Partition: l.held.Partition, Want: at.Next, Next: first, First: first, End: end}
		}
		l.kafkaAway.report(ctx, err)
		if err := wait.sleep(ctx); err != nil {
			return nil, err
		}
	}
}

// persist runs work on PostgreSQL until it succeeds, or fails in a way that trying again does not cure.
func (l *lane) persist(ctx context.Context, work func() error) error {
	wait := newBackoff()
	for {
		err := work()
		switch {
		case err == nil:
			l.postgresAway.over()
			return nil
		case ctx.Err() != nil, errors.Is(err, position.ErrLost), errors.Is(err, position.ErrHalted), errors.Is(err, errMoved), !postgres.Retryable(err):
			return err
		}
		l.postgresAway.report(ctx, err)
		if err := wait.sleep(ctx); err != nil {
			return err
		}
	}
}

// consume stores batch after batch until there are no more, and looks now and then for old ones to be sent again.
func (l *lane) consume(ctx context.Context, batches <-chan *batch) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case b, more := <-batches:
			if !more {
				return nil
			}
			err := l.store(ctx, b)
			l.release(b)
			if err != nil {
				return err
			}
		case <-tick.C:
			if err := l.finish(ctx); err != nil {
				return err
			}
			if err := l.takeBack(ctx); err != nil {
				return err
			}
		}
	}
}

// release gives back what the batch held on to.
func (l *lane) release(b *batch) {
	l.table.give(b.rows)
	l.budget.Release(b.reserved)
	b.rows, b.letters, b.forged, b.reserved = nil, nil, nil, 0
}

// store plans a batch and has it inserted.
func (l *lane) store(ctx context.Context, b *batch) error {
	began := time.Now()
	if err := l.persist(ctx, func() error { return l.plan(ctx, b) }); err != nil {
		return err
	}
	if b.n > 0 {
		if err := l.load(ctx, b, true); err != nil {
			return err
		}
	}
	l.metrics.stored(l.table.topic, b, time.Since(began))
	for _, d := range b.letters {
		l.log.Error("a record was moved to the dead letters", "offset", d.record.Offset, "error", d.cause)
	}
	if n := len(b.forged); n > 0 {
		l.log.Error("records that are not this network's were found in Kafka; see tributary forged list", "records", n)
	}
	return nil
}

// finish sends the batches that are planned and not done: those of an owner that is no more, and those that a person
// wants to be sent again. No batch of this owner is under way meanwhile.
func (l *lane) finish(ctx context.Context) error {
	var plans []plan
	err := l.persist(ctx, func() error {
		var err error
		plans, err = l.open(ctx)
		return err
	})
	if err != nil {
		return err
	}
	for _, p := range plans {
		if err := l.resume(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// resume reads the records of a planned batch again and sends it.
func (l *lane) resume(ctx context.Context, p plan) error {
	b, err := l.recall(ctx, p)
	if gone, ok := errors.AsType[*goneError](err); ok {
		return l.unplan(ctx, p, gone.Error())
	}
	if unlike, ok := errors.AsType[*unlikeError](err); ok {
		return l.abandon(ctx, p.first, p.generation, unlike.Error())
	}
	if err != nil {
		return err
	}
	defer l.release(b)
	if err := l.load(ctx, b, false); err != nil {
		return err
	}
	l.metrics.stored(l.table.topic, b, 0)
	return nil
}

// abandon parks a batch and raises the alarm.
func (l *lane) abandon(ctx context.Context, first int64, generation int, problem string) error {
	if err := l.persist(ctx, func() error { return l.park(ctx, first, generation, problem) }); err != nil {
		return err
	}
	l.metrics.parked.WithLabelValues(l.table.topic).Inc()
	l.log.Error("a batch is parked: operator action required", "first_offset", first, "problem", problem)
	return nil
}

// unlikeError says that a planned batch cannot be read again as it was.
type unlikeError struct{ problem string }

// Error says why.
func (e *unlikeError) Error() string { return e.problem }

// goneError says that Kafka does not hold the records of a planned batch any more.
type goneError struct{ problem string }

// Error says what it holds.
func (e *goneError) Error() string { return e.problem }

// recall reads the records of a planned batch again, and cuts it as it was cut.
func (l *lane) recall(ctx context.Context, p plan) (*batch, error) {
	at, err := decodeMarks(p.first, p.before)
	if err != nil {
		return nil, &unlikeError{err.Error()}
	}
	b := newBatch(at, l.table.take(), p.generation)
	if err := l.refill(ctx, b, at, p.last); err != nil {
		l.release(b)
		return nil, err
	}
	b.after = at
	if b.n != p.rows {
		l.release(b)
		return nil, &unlikeError{fmt.Sprintf("offsets %d to %d give %d rows now, and were planned as %d", p.first, p.last, b.n, p.rows)}
	}
	return b, nil
}

// refill reads records into the batch until it covers the offset last.
func (l *lane) refill(ctx context.Context, b *batch, at *position.Position, last int64) error {
	wait := newBackoff()
	for at.Next <= last {
		records, err := l.Kafka.Fetch(ctx, l.table.topic, l.held.Partition, at.Next, fetchBytes, idleWait)
		switch {
		case position.IsGap(err):
			return &goneError{fmt.Sprintf("Kafka does not hold offsets %d to %d any more: %v", b.first(), last, err)}
		case err != nil:
			l.kafkaAway.report(ctx, err)
			if err := wait.sleep(ctx); err != nil {
				return err
			}
			continue
		case ctx.Err() != nil:
			return fmt.Errorf("reading a batch again: %w", ctx.Err())
		}
		l.kafkaAway.over()
		l.declared.Judge(records)
		for i := range records {
			if records[i].Offset > last {
				break
			}
			fits, err := b.take(at, &records[i])
			if missing := (*position.KeyError)(nil); errors.As(err, &missing) {
				return err // it was there when the batch was planned: the partition is halted until it is again
			}
			if err == nil && !fits {
				err = errors.New("it belongs to another month")
			}
			if err != nil {
				return &unlikeError{fmt.Sprintf("offset %d does not fit its batch any more: %v", records[i].Offset, err)}
			}
		}
	}
	return nil
}
