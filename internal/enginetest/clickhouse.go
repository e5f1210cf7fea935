package enginetest

import (
	"context"
	"fmt"
	"testing"

	"tributary/internal/clickhouse"
	"tributary/internal/embedded"
)

// ClickHouse returns the URL (clickhouse://..., native protocol) of a clean database with nothing in it. It is dropped when
// the test ends.
func ClickHouse(tb testing.TB) string {
	tb.Helper()
	server, err := shared.start(&shared.clickhouse, clickhouseVariable, embedded.Config{ClickHouse: true},
		func(a embedded.Addresses) string { return a.ClickHouseURL })
	if err != nil {
		tb.Fatal(err)
	}
	name := unique()
	if err := execClickHouse(tb.Context(), server, "CREATE DATABASE "+name); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := execClickHouse(context.Background(), server, "DROP DATABASE "+name+" SYNC"); err != nil {
			tb.Error(err)
		}
	})
	address, err := withDatabase(server, name)
	if err != nil {
		tb.Fatal(err)
	}
	return address
}

// ClickHouseMigrated returns the URL of a clean database with all migrations applied. It is dropped when the test ends.
func ClickHouseMigrated(tb testing.TB) string {
	tb.Helper()
	address := ClickHouse(tb)
	if err := migrateClickHouse(tb.Context(), address); err != nil {
		tb.Fatal(err)
	}
	return address
}

func execClickHouse(ctx context.Context, address, statement string) error {
	db, err := clickhouse.OpenSQL(address)
	if err != nil {
		return err //nolint:wrapcheck // it says what it was doing
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, statement); err != nil {
		return fmt.Errorf("executing %q: %w", statement, err)
	}
	return nil
}
