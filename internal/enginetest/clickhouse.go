package enginetest

import (
	"context"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"

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
	execClickHouse(t, t.Context(), server, "CREATE DATABASE "+name)
	t.Cleanup(func() { execClickHouse(t, context.Background(), server, "DROP DATABASE "+name+" SYNC") })
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

func execClickHouse(t testing.TB, ctx context.Context, address, sql string) { //nolint:revive // t comes first in tests
	t.Helper()
	options, err := clickhouse.ParseDSN(address)
	if err != nil {
		t.Fatalf("reading ClickHouse address: %v", err)
	}
	conn, err := clickhouse.Open(options)
	if err != nil {
		t.Fatalf("opening ClickHouse: %v", err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.Exec(ctx, sql); err != nil {
		t.Errorf("executing %q: %v", sql, err)
	}
}
