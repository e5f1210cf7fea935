package clickhouse

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Network reads the id of the network whose rows the database at an address holds, "" where it has none yet.
func Network(ctx context.Context, address string) (network string, err error) {
	db, err := OpenSQL(address)
	if err != nil {
		return "", err
	}
	defer db.Close()
	err = db.QueryRowContext(ctx, `SELECT value FROM setting WHERE name = 'network'`).Scan(&network)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("reading the network's id from ClickHouse: %w", err)
	}
	return network, nil
}

// SetNetwork writes the id of a network into a database that has none.
func SetNetwork(ctx context.Context, address, network string) error {
	db, err := OpenSQL(address)
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, `INSERT INTO setting (name, value) VALUES ('network', ?)`, network); err != nil {
		return fmt.Errorf("writing the network's id into ClickHouse: %w", err)
	}
	return nil
}
