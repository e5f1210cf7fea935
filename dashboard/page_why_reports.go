package dashboard

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// reportedRow is a report of an order as it came, and who sent it.
type reportedRow struct {
	Sale       bool
	Ref        string
	ReceivedAt time.Time
	// Key names the API key; empty where none was used.
	Key      string
	KeyID    int64
	Network  string // where it came from, cut off as with clicks
	Imported bool
	Conflict bool // kept without effect
}

//go:embed query/reports.sql
var reportsSQL string

// readReports lists what was reported of an order, oldest first.
func readReports(ctx context.Context, tx pgx.Tx, no int64) ([]reportedRow, error) {
	rows, err := tx.Query(ctx, reportsSQL, no)
	if err != nil {
		return nil, fmt.Errorf("reading an order's reports: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[reportedRow])
	if err != nil {
		return nil, fmt.Errorf("reading an order's reports: %w", err)
	}
	return list, nil
}
