// Package postgres opens PostgreSQL for the stages of the river, each as the log-in that may do just what the stage does,
// and runs their transactions.
package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
)

// Role is a log-in to the database that holds the rights of one stage, and no more.
type Role string

// The log-ins of the stages.
const (
	Tracker   Role = "tributary_tracker"
	Loader    Role = "tributary_loader"
	Engine    Role = "tributary_engine"
	Dashboard Role = "tributary_dashboard"
	// Operator is for commands that a person of the network runs.
	Operator Role = "tributary_operator"
	// Reader sees every tenant's rows and changes none: for a look at the books with a tool of one's own.
	Reader Role = "tributary_reader"
)

// Roles lists the log-ins.
func Roles() []Role { return []Role{Tracker, Loader, Engine, Dashboard, Operator, Reader} }

// Name is the role in settings and files: "tracker".
func (r Role) Name() string { return strings.TrimPrefix(string(r), "tributary_") }

// LoginError says that an address logs in as somebody else than the role it is for.
type LoginError struct {
	Want  Role
	Got   string
	Super bool // Got is a superuser
}

// Error implements error.
func (e *LoginError) Error() string {
	if e.Super {
		return fmt.Sprintf("the address of PostgreSQL logs in as the superuser %s: %s has a log-in of its own, %s", e.Got, e.Want.Name(), e.Want)
	}
	return fmt.Sprintf("the address of PostgreSQL logs in as %s: %s has a log-in of its own, %s", e.Got, e.Want.Name(), e.Want)
}

// Open makes a pool of at most size connections from the address of role's own log-in. It does not connect yet;
// connections of another user end with a *LoginError.
func Open(ctx context.Context, url string, role Role, size int32) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("reading the PostgreSQL address: %w", err)
	}
	cfg.MaxConns = size
	cfg.ConnConfig.RuntimeParams["timezone"] = "UTC"
	cfg.ConnConfig.RuntimeParams["application_name"] = string(role)
	cfg.AfterConnect = func(_ context.Context, conn *pgx.Conn) error { return checkLogin(conn, role) }
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("opening PostgreSQL: %w", err)
	}
	return pool, nil
}

// checkLogin compares what the server told of the session at its start, so it costs no question.
func checkLogin(conn *pgx.Conn, role Role) error {
	got, super := conn.PgConn().ParameterStatus("session_authorization"), conn.PgConn().ParameterStatus("is_superuser")
	if got != string(role) || super != "off" {
		return &LoginError{Want: role, Got: got, Super: super == "on"}
	}
	return nil
}

// OpenSQL opens the database for the migrations, as the role of the address.
func OpenSQL(url string) (*sql.DB, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("reading the PostgreSQL address: %w", err)
	}
	return stdlib.OpenDB(*cfg), nil
}

// Beginner starts transactions: a pool or a connection.
type Beginner interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}

// InTx runs work in one transaction (READ COMMITTED) and commits when it returns nil. An error of the commit itself
// leaves it unknown whether the work is in: ask the position row.
func InTx(ctx context.Context, db Beginner, work func(tx pgx.Tx) error) error {
	tx, err := db.Begin(ctx)
	if err != nil {
		return fmt.Errorf("beginning a transaction: %w", err)
	}
	if err := work(tx); err != nil {
		if rollback := tx.Rollback(context.WithoutCancel(ctx)); rollback != nil && !errors.Is(rollback, pgx.ErrTxClosed) {
			return errors.Join(err, fmt.Errorf("rolling back: %w", rollback))
		}
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	return nil
}

// Retryable tells whether the same transaction, run again from its start, may succeed: a serialization conflict, a
// deadlock, a lost connection, a server that is starting or stopping.
func Retryable(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch pg.Code {
		case "40001", "40P01", "57P01", "57P02", "57P03", "53300", "55P03":
			return true
		}
		return len(pg.Code) == 5 && pg.Code[:2] == "08"
	}
	if _, ok := errors.AsType[*LoginError](err); ok {
		return false
	}
	// Anything that is not an answer of the server is a connection in trouble.
	return err != nil && !errors.Is(err, context.Canceled)
}
