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

// reconsider nudges orders of which a click was refused for a key that this engine holds by now: a partner does not lose a
// sale because a key was missing for a while, and a replay with all keys gives the same books. Keys come with the start of a
// process, so each lane is gone through once. It reports whether there is more.
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
	if len(known) > 0 {
		if _, err := l.cfg.DB.Exec(ctx, insertNudges, slices.Repeat([]int{l.held.Partition}, len(known)), known); err != nil {
			return false, fmt.Errorf("nudging orders of a new click key: %w", err)
		}
		l.log.Info("orders are decided again with a click key that was missing", "orders", len(known))
	}
	l.reconsidered = seen[len(seen)-1]
	return len(seen) == l.cfg.SliceSize, nil
}

// knows reports whether a click id's key is here.
func (l *lane) knows(click string) bool {
	return l.cfg.VerifyClick(click).Refused != commission.UnknownClickKey
}
