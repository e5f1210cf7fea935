package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/fault/inject"
	"tributary/internal/postgres"
	"tributary/internal/stream"
)

// tend does what there is to do in the partition besides taking in records, one transaction of each sort at most, and
// tells whether there is more. An error is one that means leaving the partition.
func (l *lane) tend(ctx context.Context) (more bool, err error) {
	released, err := l.try(ctx, "ending holds", l.release)
	if err != nil {
		return false, err
	}
	returned, err := l.try(ctx, "taking back dead letters", l.takeBack)
	return released || returned, err
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

// dueOrders lists the orders of a lane whose hold has ended. The partial index commission_due holds what is pending.
const dueOrders = `
SELECT order_no FROM commission WHERE lane = $1 AND state = 'pending' AND hold_until <= $2 ORDER BY hold_until LIMIT $3`

// release ends the holds that are over: each order is decided again as of now, which moves what is pending to payable,
// effective when the hold ended. It tells whether there may be more of them.
func (l *lane) release(ctx context.Context) (more bool, err error) {
	now := l.cfg.Clock()
	if numbers, err := l.dueOrders(ctx, l.cfg.DB, now); err != nil || len(numbers) == 0 {
		return false, err
	}
	var t tally
	began := time.Now()
	err = postgres.InTx(ctx, l.cfg.DB, func(tx pgx.Tx) error {
		return guard(func() error {
			p, err := l.held.Lock(ctx, tx)
			if err != nil {
				return err
			}
			t = tally{}
			numbers, err := l.dueOrders(ctx, tx, now) // again, now that nobody else can end them
			if err != nil {
				return err
			}
			more = len(numbers) >= l.cfg.SliceSize
			slices.Sort(numbers)
			orders, err := l.byNumber(ctx, tx, slices.Compact(numbers))
			if err != nil {
				return err
			}
			for _, o := range orders {
				if err := l.settle(o); err != nil {
					return err
				}
			}
			if err := l.post(ctx, tx, p, orders, nil, &t); err != nil {
				return err
			}
			if err := l.held.Save(ctx, tx, p); err != nil {
				return err
			}
			inject.Reach(inject.EngineBeforeRelease)
			return nil
		})
	})
	if err != nil {
		return false, fmt.Errorf("ending holds: %w", err)
	}
	inject.Reach(inject.EngineAfterRelease)
	l.metrics.release(&t, time.Since(began))
	l.announce(&t)
	return more, nil
}

func (l *lane) dueOrders(ctx context.Context, q querier, now time.Time) ([]int64, error) {
	rows, err := q.Query(ctx, dueOrders, l.held.Partition, now, l.cfg.SliceSize)
	if err != nil {
		return nil, fmt.Errorf("looking for ended holds: %w", err)
	}
	numbers, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return nil, fmt.Errorf("looking for ended holds: %w", err)
	}
	return numbers, nil
}

// takeBack takes in one dead letter that a person has asked to be put back. It is folded like any other record, so a
// second time changes nothing; when it fails again it lies open again, with the new error.
func (l *lane) takeBack(ctx context.Context) (more bool, err error) {
	letter, found, err := l.returning(ctx, l.cfg.DB)
	if err != nil || !found {
		return false, err
	}
	f := read(stream.Record{Partition: l.held.Partition, Offset: letter.offset, Value: letter.value}, l.cfg.Partitions)
	if f.unreadable != nil {
		return true, l.reopen(ctx, letter, f.unreadable)
	}
	var t tally
	err = postgres.InTx(ctx, l.cfg.DB, func(tx pgx.Tx) error {
		return guard(func() error {
			p, err := l.held.Lock(ctx, tx)
			if err != nil {
				return err
			}
			t = tally{}
			tag, err := tx.Exec(ctx, settleLetter, Consumer, l.held.Topic, l.held.Partition, letter.offset, letter.value)
			if err != nil {
				return fmt.Errorf("settling the letter: %w", err)
			}
			if tag.RowsAffected() == 0 {
				return nil // settled, or mended, since it was read
			}
			orders, err := l.fold(ctx, tx, []*fact{&f}, &t)
			if err != nil {
				return err
			}
			if err := l.post(ctx, tx, p, orders, nil, &t); err != nil {
				return err
			}
			return l.held.Save(ctx, tx, p)
		})
	})
	if verdict(err) == failed {
		return true, l.reopen(ctx, letter, err)
	}
	if err != nil {
		return false, fmt.Errorf("taking back dead letter %d: %w", letter.offset, err)
	}
	l.announce(&t)
	return true, nil
}
