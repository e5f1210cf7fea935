package engine

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
)

// holdRemoved writes reviews to the inbox that hold the open commissions of a partner who was removed for fraud: of some orders, or of
// all for nil. Those that such a review has held before stay as a person has left them.
func holdRemoved(ctx context.Context, tx pgx.Tx, removal int64, orders []int64) error {
	if _, err := tx.Exec(ctx, `SELECT hold_removed($1, $2)`, removal, orders); err != nil {
		return fmt.Errorf("holding what a removed partner has open: %w", err)
	}
	return nil
}

// holdLate holds what orders earn, as they have just been written, for partners who are removed for fraud by now: the orders are from
// before the removal, and reported or credited after it.
func (l *lane) holdLate(ctx context.Context, tx pgx.Tx, orders []*order) error {
	var late map[int64][]int64
	for _, o := range orders {
		for i := range o.paying {
			c := &o.paying[i]
			removal := l.programs.RemovedForFraud(c.Program, c.Partner)
			if removal == 0 || slices.ContainsFunc(o.folded.Reviews, func(r commission.Review) bool { return r.ID == removalReview(removal) }) {
				continue
			}
			if late == nil {
				late = map[int64][]int64{}
			}
			late[removal] = append(late[removal], o.no)
		}
	}
	for removal, numbers := range late {
		if err := holdRemoved(ctx, tx, removal, numbers); err != nil {
			return err
		}
	}
	return nil
}

// removalReview is the id of the review by which a removal holds the commissions of an order.
func removalReview(removal int64) string { return "removed:" + strconv.FormatInt(removal, 10) }
