package engine

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// A nudge has an order decided again by who holds its lane, since something beside its own facts has changed. Whoever finds
// that out writes one, in any lane.

// insertNudges takes lanes and numbers of orders.
const insertNudges = `INSERT INTO nudge (lane, order_no) SELECT unnest($1::int[]), unnest($2::bigint[])`

// nudgedOrders lists the orders of a lane that are to be decided again, but for those that were set aside.
const nudgedOrders = `SELECT order_no FROM nudge WHERE lane = $1 AND order_no <> ALL ($3::bigint[]) ORDER BY no LIMIT $2`

// decideNudged decides the lane's nudged orders again. What nudged them was committed before the nudge is taken off, so it is
// looked at.
func (l *lane) decideNudged(ctx context.Context) (more bool, err error) {
	return l.workOff(ctx, &l.nudged, chore{
		name: "deciding orders again",
		list: func(ctx context.Context, q querier, limit int, aside []int64) ([]int64, error) {
			return listOrders(ctx, q, nudgedOrders, l.held.Partition, limit, aside)
		},
		done: func(ctx context.Context, tx pgx.Tx, numbers []int64) error {
			if _, err := tx.Exec(ctx, `DELETE FROM nudge WHERE lane = $1 AND order_no = ANY ($2)`, l.held.Partition, numbers); err != nil {
				return fmt.Errorf("taking nudges off: %w", err)
			}
			return nil
		},
		count: l.metrics.decideAgain,
	})
}
