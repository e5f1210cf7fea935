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

// maintain does what there is to do in the partition besides taking in records, one transaction of each sort at most, and
// reports whether there is more. An error is one that means leaving the partition. It keeps one place for all of them: a lane that waited
// for one after the other would fall behind the others by as many slices, and decide what they have decided before it another time.
func (l *lane) maintain(ctx context.Context) (more bool, err error) {
	if err := l.enter(ctx); err != nil {
		return false, err
	}
	defer l.exit()
	for _, job := range [...]struct {
		what string
		work func(context.Context) (bool, error)
	}{
		{"ending holds", l.release},
		{"taking in a row of the inbox", l.takeFromInbox},
		{"looking for orders that were claimed", l.joinClaims},
		{"looking for orders of a new click key", l.reconsider},
		{"going through the orders of customers", l.backfill},
		{"working out how customers stand", l.sweep},
		{"working out how click ids are used", l.sweepClicks},
		{"deciding orders again", l.decideNudged},
		{"asking for the clicks of a day", l.askForClicks},
		{"settling periods", l.settleSums},
		{"settling periods by their orders", l.rankOrders},
	} {
		again, err := l.try(ctx, job.what, job.work)
		if err != nil {
			return false, err
		}
		more = more || again
	}
	return more, nil
}

// try runs one transaction of maintenance. What fails is tried again at the next look.
func (l *lane) try(ctx context.Context, what string, work func(context.Context) (bool, error)) (bool, error) {
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

// chore is a sort of orders that are to be decided again.
type chore struct {
	name string
	// list gives orders of the lane, at most limit and none of those that are stuck.
	list func(ctx context.Context, q querier, limit int, aside []int64) ([]int64, error)
	// done takes orders off the list before they are decided; nil where deciding does.
	done func(ctx context.Context, tx pgx.Tx, numbers []int64) error
	// count takes down a transaction.
	count func(t *txSummary, took time.Duration)
}

// agenda is what a lane remembers of a chore.
type agenda struct {
	// limit is how many orders are decided in one transaction: fewer after a failure, until the order that causes it is
	// found out. 0 stands for as many as a slice has records.
	limit int
	// stuck are the orders that cannot be decided, and when to try again.
	stuck map[int64]time.Time
}

// stuckFor is how long an order that cannot be decided, or a period that cannot be settled, is left alone.
const stuckFor = 10 * time.Minute

// aside lists the orders that are left alone for now, and forgets those that have been for long enough.
func (a *agenda) aside(now time.Time) []int64 {
	maps.DeleteFunc(a.stuck, func(_ int64, until time.Time) bool { return now.After(until) })
	return slices.AppendSeq(make([]int64, 0, len(a.stuck)), maps.Keys(a.stuck))
}

// workOff decides orders of a chore again. Where that fails it is tried with fewer and fewer of them, so that one that cannot be
// decided does not hold up the others: it is left alone for some minutes and counted, and verify names it.
func (l *lane) workOff(ctx context.Context, a *agenda, c chore) (more bool, err error) {
	if a.limit == 0 {
		a.limit = l.cfg.SliceSize
	}
	numbers, err := c.list(ctx, l.cfg.DB, a.limit, a.aside(time.Now()))
	if err != nil || len(numbers) == 0 {
		a.limit = l.cfg.SliceSize
		l.countStuck()
		return false, err
	}
	more, err = l.decideListed(ctx, a, c)
	switch {
	case err == nil:
		a.limit = min(2*a.limit, l.cfg.SliceSize)
	case verdict(err) != failed:
		return false, err
	case a.limit > 1:
		a.limit = max(1, a.limit/8)
		more = true
	default:
		if a.stuck == nil {
			a.stuck = make(map[int64]time.Time)
		}
		a.stuck[numbers[0]] = time.Now().Add(stuckFor)
		l.metrics.failures.Inc()
		l.log.Error("an order cannot be decided; it is retried in some minutes", "for", c.name, "order", numbers[0], "error", err)
		more = true
	}
	l.countStuck()
	return more, nil
}

// decideListed decides orders of a chore again, in one transaction, and reports whether there may be more of them.
func (l *lane) decideListed(ctx context.Context, a *agenda, c chore) (more bool, err error) {
	began := time.Now()
	t, err := l.decideAgain(ctx, func(tx pgx.Tx) ([]int64, error) {
		numbers, err := c.list(ctx, tx, a.limit, a.aside(time.Now())) // again, now that nobody else can decide them
		if err == nil && c.done != nil {
			err = c.done(ctx, tx, numbers)
		}
		more = len(numbers) >= a.limit
		slices.Sort(numbers)
		return slices.Compact(numbers), err
	})
	if err != nil {
		return false, fmt.Errorf("%s: %w", c.name, err)
	}
	inject.Reach(inject.EngineAfterRelease)
	c.count(&t, time.Since(began))
	return more, nil
}

func (l *lane) countStuck() {
	l.metrics.setStuck(l.held.Partition, len(l.ending.stuck)+len(l.nudged.stuck))
}

// dueOrders lists the orders of a lane with a hold that is over and has not been ended, but for those that are stuck.
// Nothing may be left to become payable: as of the end of the hold there was, if a refund is of later.
const dueOrders = `
SELECT order_no FROM commission WHERE lane = $1 AND NOT released AND hold_until <= $2 AND order_no <> ALL ($4::bigint[])
 ORDER BY hold_until LIMIT $3`

// release ends holds that are over. What is pending becomes payable, effective when the hold ended.
func (l *lane) release(ctx context.Context) (more bool, err error) {
	return l.workOff(ctx, &l.ending, chore{
		name: "ending holds",
		list: func(ctx context.Context, q querier, limit int, aside []int64) ([]int64, error) {
			return listOrders(ctx, q, dueOrders, l.held.Partition, l.cfg.Clock(), limit, aside)
		},
		count: l.metrics.release,
	})
}

// listOrders runs a query that gives the numbers of orders.
func listOrders(ctx context.Context, q querier, sql string, args ...any) ([]int64, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("listing orders to be decided: %w", err)
	}
	numbers, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return nil, fmt.Errorf("listing orders to be decided: %w", err)
	}
	return numbers, nil
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
