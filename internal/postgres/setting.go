package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Rower reads single rows: a pool, a connection, or a transaction.
type Rower interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Execer executes statements: a pool, a connection, or a transaction.
type Execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// Setting reads what the network has written down under a name, "" and not found where it has not.
func Setting(ctx context.Context, q Rower, name string) (value string, found bool, err error) {
	err = q.QueryRow(ctx, `SELECT value FROM setting WHERE name = $1`, name).Scan(&value)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("reading the network's %s: %w", name, err)
	}
	return value, true, nil
}

// KeepSetting writes a value down under a name; one that is there already stays.
func KeepSetting(ctx context.Context, q Execer, name, value string) error {
	if _, err := q.Exec(ctx, `INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`, name, value); err != nil {
		return fmt.Errorf("writing the network's %s down: %w", name, err)
	}
	return nil
}

// Network reads the id of the network whose database an address leads to.
func Network(ctx context.Context, q Rower) (string, error) {
	network, found, err := Setting(ctx, q, "network")
	if err == nil && !found {
		err = errors.New("reading the network's id: the database holds none")
	}
	return network, err
}
