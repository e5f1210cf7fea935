package engine

import (
	"context"
	"fmt"
	"time"

	"tributary/internal/postgres"
)

// Waiting is what waits in PostgreSQL: for Kafka, or for an operator.
type Waiting struct {
	// Letters counts by consumer the dead letters that are not closed yet.
	Letters map[string]int64
	// Unsent counts the events in the outboxes that Kafka has not acknowledged, and Oldest is the age of the first of them.
	Unsent int64
	Oldest time.Duration
	// Customers counts what has changed in the orders of customers, or of click ids, and nobody has looked at, and CustomersOldest is how long
	// the first of it has waited; Nudged and NudgedOldest are the same of orders to be decided again.
	Customers, Nudged             int64
	CustomersOldest, NudgedOldest time.Duration
	// Paths counts the clicks of which an order waits to be told what came before them, and PathsOldest is how long the first has.
	Paths       int64
	PathsOldest time.Duration
	// Disputes counts those that have been open for 120 days.
	Disputes int64
}

// ReadWaiting reads what waits at this moment.
func ReadWaiting(ctx context.Context, q postgres.Rower) (Waiting, error) {
	var engine, loader int64
	var age, customers, nudged, paths float64
	w := Waiting{}
	err := q.QueryRow(ctx, `
WITH touched AS (SELECT written FROM customer_touched UNION ALL SELECT written FROM customer_change WHERE compared IS NULL UNION ALL SELECT written FROM click_touched)
SELECT count(*) FILTER (WHERE consumer = 'engine'), count(*) FILTER (WHERE consumer = 'loader'),
       (SELECT coalesce(sum(last_seq - first_seq + 1), 0)::bigint FROM (SELECT * FROM ledger_unsent UNION ALL SELECT * FROM order_unsent) u),
       (SELECT coalesce(extract(epoch FROM now() - min(at)), 0)::float8 FROM (SELECT at FROM ledger_unsent UNION ALL SELECT at FROM order_unsent) u),
       (SELECT count(*) FROM touched), (SELECT coalesce(extract(epoch FROM now() - min(written)), 0)::float8 FROM touched),
       (SELECT count(*) FROM nudge), (SELECT coalesce(extract(epoch FROM now() - min(written)), 0)::float8 FROM nudge),
       (SELECT count(*) FROM path_wanted), (SELECT coalesce(extract(epoch FROM now() - min(written)), 0)::float8 FROM path_wanted),
       (SELECT count(*) FROM old_dispute)
  FROM dead_letter WHERE state IN ('open', 'returning')`).Scan(
		&engine, &loader, &w.Unsent, &age, &w.Customers, &customers, &w.Nudged, &nudged, &w.Paths, &paths, &w.Disputes)
	if err != nil {
		return w, fmt.Errorf("reading what waits: %w", err)
	}
	w.Letters = map[string]int64{"engine": engine, "loader": loader}
	w.Oldest, w.CustomersOldest, w.NudgedOldest, w.PathsOldest = seconds(age), seconds(customers), seconds(nudged), seconds(paths)
	return w, nil
}

// seconds is an age; clocks may disagree a little.
func seconds(age float64) time.Duration { return time.Duration(max(age, 0) * float64(time.Second)) }
