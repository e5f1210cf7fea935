package loader

import (
	"context"
	"fmt"

	"tributary/internal/postgres"
)

// Backlog counts the batches of all loaders that are not done.
type Backlog struct {
	// Planned are on their way to ClickHouse, Parked wait for an operator.
	Planned, Parked int64
}

// ReadBacklog reads what waits at this moment.
func ReadBacklog(ctx context.Context, q postgres.Rower) (b Backlog, err error) {
	err = q.QueryRow(ctx, `SELECT count(*) FILTER (WHERE state = 'planned'), count(*) FILTER (WHERE state = 'parked')
		FROM clickhouse_batch WHERE state IN ('planned', 'parked')`).Scan(&b.Planned, &b.Parked)
	if err != nil {
		return b, fmt.Errorf("counting batches: %w", err)
	}
	return b, nil
}
