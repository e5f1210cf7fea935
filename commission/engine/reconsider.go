package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
)

// keylessOrders lists orders with a click whose key no engine held. The partial index orders_keyless holds just those.
const keylessOrders = `SELECT no, decision FROM orders WHERE lane = $1 AND keyless AND no > $2 ORDER BY no LIMIT $3`

// reconsider decides orders again of which a click was refused for a key that this engine holds by now: a partner does not
// lose a sale because a key was missing for a while, and a replay with all keys gives the same books. Keys come with the
// start of a process, so each lane is gone through once. It reports whether there is more.
func (l *lane) reconsider(ctx context.Context) (more bool, err error) {
	rows, err := l.cfg.DB.Query(ctx, keylessOrders, l.held.Partition, l.reconsidered, l.cfg.SliceSize)
	if err != nil {
		return false, fmt.Errorf("looking for orders of an unknown click key: %w", err)
	}
	var seen, known []int64
	var no int64
	var record []byte
	_, err = pgx.ForEachRow(rows, []any{&no, &record}, func() error {
		seen = append(seen, no)
		recorded, err := l.cfg.Forms.Read(record)
		if err != nil || slices.ContainsFunc(recorded.Keyless(), l.knows) { // what is wrong with a record, deciding says
			known = append(known, no)
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("looking for orders of an unknown click key: %w", err)
	}
	if len(seen) == 0 {
		return false, nil
	}
	if err := l.decideKnown(ctx, known); err != nil {
		return false, err
	}
	l.reconsidered = seen[len(seen)-1]
	return len(seen) == l.cfg.SliceSize, nil
}

// knows reports whether a click id's key is here.
func (l *lane) knows(click string) bool {
	return l.cfg.VerifyClick(click).Refused != commission.UnknownClickKey
}

// decideKnown decides orders again: all in one transaction or, where that fails, each in its own, which leaves those that
// cannot be decided as they are.
func (l *lane) decideKnown(ctx context.Context, numbers []int64) error {
	if len(numbers) == 0 {
		return nil
	}
	_, err := l.decideAgain(ctx, func(pgx.Tx) ([]int64, error) { return numbers, nil })
	switch {
	case err == nil:
		l.log.Info("orders were decided again with a click key that was missing", "orders", len(numbers))
		return nil
	case verdict(err) != failed:
		return fmt.Errorf("deciding %d orders again: %w", len(numbers), err)
	case len(numbers) == 1:
		l.metrics.failures.Inc()
		l.log.Error("an order cannot be decided again with a click key that was missing", "order", numbers[0], "error", err)
		return nil
	}
	for _, no := range numbers {
		if err := l.decideKnown(ctx, []int64{no}); err != nil {
			return err
		}
	}
	return nil
}
