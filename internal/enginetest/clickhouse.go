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
func ClickHouse(t testing.TB) string {
	t.Helper()
	server, err := shared.start(&shared.clickhouse, "TRIBUTARY_TEST_CLICKHOUSE_URL", embedded.Config{ClickHouse: true},
		func(a embedded.Addresses) string { return a.ClickHouseURL })
	if err != nil {
		t.Fatal(err)
	}
	name := unique()
	if err := execClickHouse(t.Context(), server, "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := execClickHouse(context.Background(), server, "DROP DATABASE "+name+" SYNC"); err != nil {
			t.Error(err)
		}
	})
	address, err := withDatabase(server, name)
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// ClickHouseMigrated returns the URL of a clean database with all migrations applied. It is dropped when the test ends.
func ClickHouseMigrated(t testing.TB) string {
	t.Helper()
	address := ClickHouse(t)
	if err := migrateClickHouse(t.Context(), address); err != nil {
		t.Fatal(err)
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
