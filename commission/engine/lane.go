package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"tributary/commission/inbox"
	"tributary/internal/event"
	"tributary/internal/position"
	"tributary/internal/postgres"
	"tributary/internal/stream"

	"github.com/jackc/pgx/v5"
)

const (
	// singlyAfter is how many failures make the records of a slice be taken one by one.
	singlyAfter = 3
	// deadLetterAfter is how many make a record a dead letter.
	deadLetterAfter = 6
)

// lane is one partition in the hands of this process.
type lane struct {
	*Engine

	held position.Held
	log  *slog.Logger

	fetched chan fetchResult // fetched and decoded, one ahead of the one that is being taken in
	unsent  chan struct{}    // ledger events were written

	buf rows
	// declared are records that an operator has declared forged.
	declared position.Declared
	// careful is the offset before which records are taken one by one, since one of them fails.
	careful int64
	// next is the offset of the record to take in next, as of the last transaction.
	next atomic.Int64
	// taking is when the first record of the slice at hand was sent to Kafka, in nanoseconds; 0 while there is none.
	taking atomic.Int64
	// failures counts how often the records at the present position have failed.
	failures int

	ending, nudged agenda
	inbox          *inbox.Lane
	sums, ranks    settling // periods that sums settle, and those that need their orders
	// backfilled is of how many merchants the lane has gone through the orders of customers.
	backfilled int
	// claimsSeen is the last claim that was looked at of those that wait for their order.
	claimsSeen int64
	// asksClicks is when the lane next looks for days whose clicks are to be counted.
	asksClicks time.Time
	// reconsidered is the last order that was looked at for a click key that was added since.
	reconsidered int64
}

// fetchResult is what fetch hands over: the facts of a slice, or why there are no further ones.
type fetchResult struct {
	facts []fact
	end   error
}

// run works until ctx ends or the partition is not to be worked on: four goroutines fetch, take in,
// send, and watch.
func (l *lane) run(ctx context.Context) error {
	next, err := l.begin(ctx)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return l.fetch(ctx, next) })
	group.Go(func() error { return l.consume(ctx) })
	group.Go(func() error { return l.send(ctx) })
	group.Go(func() error { return l.watch(ctx) })
	return group.Wait()
}

// begin reads where the partition stands, and makes sure that it is the same log still, and that Kafka has no ledger event
// that the books have forgotten.
func (l *lane) begin(ctx context.Context) (next int64, err error) {
	var sent int64
	err = postgres.InTx(ctx, l.cfg.DB, func(tx pgx.Tx) error {
		p, err := l.held.Lock(ctx, tx)
		if err != nil {
			return err
		}
		next, l.failures, sent = p.Next, p.Attempts, p.Out
		_, err = l.gather(ctx, tx, nil) // the first look at what there is to do knows the programs
		return err
	})
	if err == nil {
		err = l.held.SameLog(ctx, l.cfg.DB, l.cfg.Kafka)
	}
	if err == nil {
		l.declared, err = l.held.Declared(ctx, l.cfg.DB)
	}
	if err == nil {
		err = l.remembered(ctx, sent)
	}
	if l.failures >= singlyAfter {
		l.careful = next + int64(l.cfg.SliceSize)
	}
	l.next.Store(next)
	return next, err
}

// fetch reads records from offset next on and decodes them, until ctx ends or records are missing: what came before
// those is taken in first.
func (l *lane) fetch(ctx context.Context, next int64) error {
	wait := newBackoff()
	recheck := false // the last fetch failed: the topic may have been recreated meanwhile
	for ctx.Err() == nil {
		var records []stream.Record
		var err error
		if recheck {
			err = l.held.SameLog(ctx, l.cfg.DB, l.cfg.Kafka)
		}
		if err == nil {
			records, err = l.cfg.Kafka.Fetch(ctx, event.Orders, l.held.Partition, next, fetchBytes, fetchWait)
		}
		recheck = err != nil
		switch {
		case position.IsGap(err):
			return l.hand(ctx, fetchResult{end: err})
		case err != nil:
			wait.warn(l.log, "orders cannot be fetched", err)
			wait.sleep(ctx)
			continue
		}
		wait.over(l.log, "orders are fetched again")
		l.declared.Judge(records)
		facts := make([]fact, 0, len(records))
		for _, r := range records {
			facts = append(facts, receive(r, l.cfg.Partitions))
		}
		for len(facts) > 0 {
			n := min(len(facts), l.cfg.SliceSize)
			if err := l.hand(ctx, fetchResult{facts: facts[:n]}); err != nil {
				return err
			}
			next = facts[n-1].record.Offset + 1
			facts = facts[n:]
		}
	}
	return ctx.Err()
}

func (l *lane) hand(ctx context.Context, h fetchResult) error {
	select {
	case l.fetched <- h:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// consume takes in slice after slice, and in between what else there is to do in the partition.
func (l *lane) consume(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	more := make(chan struct{}, 1) // there was more to do than one round takes
	for {
		left, err := l.maintain(ctx)
		if err != nil {
			return err
		}
		if left {
			select {
			case more <- struct{}{}:
			default:
			}
		}
		if err := l.consumeUntil(ctx, tick.C, more); err != nil {
			return err
		}
	}
}

// consumeUntil takes in slice after slice until something else is to be done.
func (l *lane) consumeUntil(ctx context.Context, tick <-chan time.Time, more <-chan struct{}) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case h := <-l.fetched:
			if h.end != nil {
				return h.end
			}
			if err := l.take(ctx, h.facts); err != nil {
				return err
			}
		case <-tick:
			return nil
		case <-more:
			return nil
		}
	}
}

// take takes in a slice, as a whole or, where that fails, in smaller parts, and returns only when all of it is in or the
// partition has to be left.
func (l *lane) take(ctx context.Context, facts []fact) error {
	wait := newBackoff()
	defer l.taking.Store(0)
	for len(facts) > 0 {
		l.taking.Store(facts[0].record.Time.UnixNano())
		part := facts
		if facts[0].record.Offset < l.careful {
			part = facts[:1]
		}
		done, err := l.attempt(ctx, part)
		if err == nil {
			facts = facts[done:]
			l.failures = 0
			wait.over(l.log, "orders are taken in again")
			continue
		}
		switch verdict(err) {
		case leave:
			return err
		case failed:
			if err := l.blame(ctx, part, err); err != nil {
				return err
			}
		case again:
			wait.warn(l.log, "orders cannot be taken in", err)
		}
		if wait.sleep(ctx); ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// attempt runs one slice when there is a place for it, and tells how many of its records are in.
func (l *lane) attempt(ctx context.Context, facts []fact) (done int, err error) {
	if err := l.enter(ctx); err != nil {
		return 0, err
	}
	defer l.exit()
	return l.apply(ctx, facts)
}

// enter waits for a place among the transactions that are under way.
func (e *Engine) enter(ctx context.Context) error {
	select {
	case e.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (e *Engine) exit() { <-e.slots }

// blame counts a failure of records against them, in the database, before they are tried again: first as they were, then
// one by one, and the one that still fails becomes a dead letter. What cannot be decided or booked stays so however often it
// is tried: it becomes a dead letter at once, so that it does not hold up everyone else's.
func (l *lane) blame(ctx context.Context, part []fact, cause error) error {
	l.books.Forget() // the accounts may be what was wrong
	l.failures++
	l.metrics.failures.Inc()
	l.logFailure(part, cause)
	certain := isCertain(cause)
	if certain || l.failures >= singlyAfter {
		l.careful = max(l.careful, part[len(part)-1].record.Offset+1)
	}
	if len(part) == 1 && certain {
		part[0].unreadable = cause
		return nil
	}
	if len(part) == 1 && l.failures >= deadLetterAfter {
		part[0].unreadable = fmt.Errorf("it failed %d times: %w", l.failures, cause)
		return nil
	}
	err := postgres.InTx(ctx, l.cfg.DB, func(tx pgx.Tx) error {
		p, err := l.held.Lock(ctx, tx)
		if err != nil {
			return err
		}
		p.Attempts = l.failures
		return l.held.Save(ctx, tx, p)
	})
	if err != nil && verdict(err) == leave {
		return err
	}
	return nil // a count that could not be written is made again
}

func (l *lane) logFailure(part []fact, cause error) {
	log := l.log.With("offset", part[0].record.Offset, "records", len(part), "failures", l.failures, "error", cause)
	if own, is := errors.AsType[*recordError](cause); is && own.stack != nil {
		log = log.With("stack", string(own.stack))
	}
	log.Error("orders failed")
}

// watch measures how far behind the partition is, until ctx ends.
func (l *lane) watch(ctx context.Context) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	defer l.metrics.forget(l.held.Partition)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if _, end, err := l.cfg.Kafka.Offsets(ctx, event.Orders, l.held.Partition); err == nil {
			var waited time.Duration
			if sent := l.taking.Load(); sent != 0 {
				waited = time.Since(time.Unix(0, sent))
			}
			l.metrics.behind(l.held.Partition, end-l.next.Load(), waited)
		}
	}
}
