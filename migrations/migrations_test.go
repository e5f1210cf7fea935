package migrations_test

import (
	"testing"

	"tributary/internal/clickhouse"
	"tributary/internal/enginetest"
	"tributary/migrations"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

func TestPostgresIsBroughtUpTwice(t *testing.T) {
	t.Parallel()
	url := enginetest.EmptyPostgresURL(t)
	for range 2 {
		if err := migrations.Postgres(t.Context(), url); err != nil {
			t.Fatal(err)
		}
	}
	current, err := migrations.PostgresCurrent(t.Context(), url)
	if err != nil || !current {
		t.Fatalf("current = %v, %v; want true", current, err)
	}
}

func TestClickHouseIsBroughtUpTwice(t *testing.T) {
	t.Parallel()
	url := enginetest.ClickHouse(t)
	for range 2 {
		if err := migrations.ClickHouse(t.Context(), url); err != nil {
			t.Fatal(err)
		}
	}
	conn, err := clickhouse.Open(url, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, table := range []string{"touch", "touch_hourly", "order_event", "ledger", "ledger_hourly"} {
		var rows uint64
		if err := conn.QueryRow(t.Context(), "SELECT count() FROM "+table).Scan(&rows); err != nil {
			t.Errorf("counting %s: %v", table, err)
		}
	}
}
