// Package report is every read of step 7 in the life of a click: lists and figures for pages and files alike (the file of
// a page comes from the same read as its rows). Money is read from the books and commissions in PostgreSQL, counts and
// charts from ClickHouse.
//
// All of it stands behind an access.Scope. Filters are read strictly: what is not understood is refused with the name of
// the field, and never taken for "all". Lists are paged by the key of their last row, with one form of cursor. One file a
// subject: its types, its rules and its SQL.
package report

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tributary/internal/clickhouse"
	"tributary/partners/access"
)

// Reader reads both databases.
type Reader struct {
	db     *access.DB
	counts clickhouse.Conn
}

// New makes a Reader. ClickHouse may be away: reads of it then fail, and those of PostgreSQL do not.
func New(db *access.DB, counts clickhouse.Conn) *Reader { return &Reader{db: db, counts: counts} }

// A Snapshot is PostgreSQL at one moment, of which it holds the scope's rows only. Its reads agree with each other.
type Snapshot struct {
	tx    pgx.Tx
	scope access.Scope
}

// Snapshot runs work on a snapshot, which ends with it. A scope of nobody is refused with access.ErrScope.
func (r *Reader) Snapshot(ctx context.Context, scope access.Scope, work func(s *Snapshot) error) error {
	return r.db.Read(ctx, scope, func(tx pgx.Tx) error { return work(&Snapshot{tx: tx, scope: scope}) })
}

// A Choice is a row that a list can be narrowed to, by its number and name.
type Choice struct {
	ID   int64
	Name string
}

func (s *Snapshot) choices(ctx context.Context, sql string, args ...any) ([]Choice, error) {
	rows, err := s.tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("listing choices: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Choice])
	if err != nil {
		return nil, fmt.Errorf("listing choices: %w", err)
	}
	return list, nil
}
