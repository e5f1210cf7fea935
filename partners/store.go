package partners

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tributary/internal/fault"
)

// Querier runs single statements: a pool, or a transaction that the caller commits.
type Querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// constraint names the constraint that refused a row, or "".
func constraint(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.ConstraintName
	}
	return ""
}

// AsFault turns a row that the tables refuse into a fault that says so; any other error stays as it is.
func AsFault(err error) error {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return err
	}
	switch pg.Code {
	case "23505": // unique_violation
		return fault.Coded(fault.Conflict, "exists_already", err)
	case "23503": // foreign_key_violation
		return fault.Coded(fault.NotFound, "unknown_reference", err)
	case "23514", "22001", "23502": // check_violation, string_data_right_truncation, not_null_violation
		return fault.Coded(fault.Invalid, "refused", err)
	}
	return err
}
