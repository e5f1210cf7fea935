package fx

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Waiting are orders that lack a rate.
type Waiting struct {
	// From is the currency of the orders, and To what their program pays in.
	From, To string
	// First and Last are the days between which they were placed, in UTC.
	First, Last time.Time
	Orders      int64
}

// MaxWaiting bounds the orders that ReadWaiting goes through.
const MaxWaiting = 100_000

const waiting = `
SELECT w.currency, w.unit, min(w.occurred_at)::date, max(w.occurred_at)::date, count(*)
  FROM (SELECT o.currency, o.occurred_at, coalesce((
               SELECT t.document ->> 'currency' FROM json_array_elements(o.decision -> 'touches') x JOIN terms t ON t.program_id = (x ->> 'program')::bigint
                WHERE x ->> 'won' = 'true' AND t.effective_from <= o.occurred_at ORDER BY t.effective_from DESC LIMIT 1), '') AS unit
          FROM (SELECT currency, occurred_at, decision FROM orders WHERE outcome = 'no_rate' ORDER BY occurred_at LIMIT $1) o) w
 GROUP BY w.currency, w.unit ORDER BY w.currency, w.unit`

// ReadWaiting tells which rates orders lack: of the first MaxWaiting orders by their time.
func ReadWaiting(ctx context.Context, q Querier) ([]Waiting, error) {
	rows, err := q.Query(ctx, waiting, MaxWaiting)
	if err != nil {
		return nil, fmt.Errorf("looking for orders without a rate: %w", err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (w Waiting, err error) {
		err = row.Scan(&w.From, &w.To, &w.First, &w.Last, &w.Orders)
		return w, err
	})
	if err != nil {
		return nil, fmt.Errorf("looking for orders without a rate: %w", err)
	}
	return all, nil
}
