package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/fault/inject"
	"tributary/internal/postgres"
)

// tend does what there is to do in the partition besides taking in records, one transaction of each sort at most, and
// reports whether there is more. An error is one that means leaving the partition.
func (l *lane) tend(ctx context.Context) (more bool, err error) {
	for _, job := range [...]struct {
		what string
		work func(context.Context) (bool, error)
	}{
		{"ending holds", l.release}, {"taking in a row of the inbox", l.takeFromInbox}, {"deciding orders of a new click key", l.reconsider},
	} {
		again, err := l.try(ctx, job.what, job.work)
		if err != nil {
			return false, err
		}
		more = more || again
	}
	return more, nil
}

// try runs one transaction of tending. What fails is tried again at the next look.
func (l *lane) try(ctx context.Context, what string, work func(context.Context) (bool, error)) (bool, error) {
	if err := l.enter(ctx); err != nil {
		return false, err
	}
	defer l.exit()
	more, err := work(ctx)
	switch {
	case err == nil:
		return more, nil
	case verdict(err) == leave:
		return false, err
	case verdict(err) == failed:
		l.metrics.failures.Inc()
		l.log.Error(what+" failed; trying again at the next look", "error", err)
	default:
		l.log.Warn(what+" is not possible now", "error", err)
	}
	return false, nil
}

// dueOrders lists the orders of a lane with a hold that is over and has not been ended, but for those that were set aside.
// Nothing may be left to become payable: as of the end of the hold there was, if a refund is of later.
const dueOrders = `
SELECT order_no FROM commission WHERE lane = $1 AND NOT released AND hold_until <= $2 AND order_no <> ALL ($4::bigint[])
 ORDER BY hold_until LIMIT $3`

// ending is what a lane remembers of ending holds.
type ending struct {
	// limit is how many holds are ended in one transaction: fewer after a failure, until the order that causes it is
	// found out. 0 stands for as many as a slice has records.
	limit int
	// stuck are the orders whose holds cannot be ended, and when to try again.
	stuck map[int64]time.Time
}

// stuckFor is how long an order that cannot be decided is left alone.
const stuckFor = 10 * time.Minute

// aside lists the orders that are left alone for now, and forgets those that have been for long enough.
func (e *ending) aside(now time.Time) []int64 {
	maps.DeleteFunc(e.stuck, func(_ int64, until time.Time) bool { return now.After(until) })
	return slices.AppendSeq(make([]int64, 0, len(e.stuck)), maps.Keys(e.stuck))
}

// release ends the holds that are over. Where that fails it is tried with fewer and fewer orders, so that one that
// cannot be decided does not hold up the others: it is set aside for some minutes and counted, and verify names it.
func (l *lane) release(ctx context.Context) (more bool, err error) {
	if l.ending.limit == 0 {
		l.ending.limit = l.cfg.SliceSize
	}
	numbers, err := l.dueOrders(ctx, l.cfg.DB, l.cfg.Clock())
	if err != nil || len(numbers) == 0 {
		l.ending.limit = l.cfg.SliceSize
		l.metrics.setAside(l.held.Partition, len(l.ending.stuck))
		return false, err
	}
	more, err = l.endHolds(ctx)
	switch {
	case err == nil:
		l.ending.limit = min(2*l.ending.limit, l.cfg.SliceSize)
	case verdict(err) != failed:
		return false, err
	case l.ending.limit > 1:
		l.ending.limit = max(1, l.ending.limit/8)
		more = true
	default:
		if l.ending.stuck == nil {
			l.ending.stuck = make(map[int64]time.Time)
		}
		l.ending.stuck[numbers[0]] = time.Now().Add(stuckFor)
		l.metrics.failures.Inc()
		l.log.Error("an order cannot be decided, so its hold does not end; it is retried in some minutes", "order", numbers[0], "error", err)
		more = true
	}
	l.metrics.setAside(l.held.Partition, len(l.ending.stuck))
	return more, nil
}

// endHolds ends holds that are over, in one transaction, and reports whether there may be more of them. What is pending
// becomes payable, effective when the hold ended.
func (l *lane) endHolds(ctx context.Context) (more bool, err error) {
	began := time.Now()
	t, err := l.decideAgain(ctx, func(tx pgx.Tx) ([]int64, error) {
		numbers, err := l.dueOrders(ctx, tx, l.cfg.Clock()) // again, now that nobody else can end them
		more = len(numbers) >= l.ending.limit
		slices.Sort(numbers)
		return slices.Compact(numbers), err
	})
	if err != nil {
		return false, fmt.Errorf("ending holds: %w", err)
	}
	inject.Reach(inject.EngineAfterRelease)
	l.metrics.release(&t, time.Since(began))
	return more, nil
}

// decideAgain decides orders as of now, in one transaction that holds the partition when it chooses them, and posts what
// that changes.
func (l *lane) decideAgain(ctx context.Context, choose func(pgx.Tx) ([]int64, error)) (t txSummary, err error) {
	err = postgres.InTx(ctx, l.cfg.DB, func(tx pgx.Tx) error {
		return guard(func() error {
			p, err := l.held.Lock(ctx, tx)
			if err != nil {
				return err
			}
			t = txSummary{}
			numbers, err := choose(tx)
			if err != nil {
				return err
			}
			orders, err := l.byNumber(ctx, tx, numbers)
			if err != nil {
				return err
			}
			if err := l.decide(ctx, tx, orders); err != nil {
				return err
			}
			if err := l.post(ctx, tx, p, orders, admitted{}, &t); err != nil {
				return err
			}
			if err := l.held.Save(ctx, tx, p); err != nil {
				return err
			}
			inject.Reach(inject.EngineBeforeRelease)
			return nil
		})
	})
	if err == nil {
		l.announce(&t)
	}
	return t, err
}

func (l *lane) dueOrders(ctx context.Context, q querier, now time.Time) ([]int64, error) {
	rows, err := q.Query(ctx, dueOrders, l.held.Partition, now, l.ending.limit, l.ending.aside(time.Now()))
	if err != nil {
		return nil, fmt.Errorf("looking for ended holds: %w", err)
	}
	numbers, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return nil, fmt.Errorf("looking for ended holds: %w", err)
	}
	return numbers, nil
}
