package main

import (
	"path/filepath"
	"strings"
	"testing"

	"tributary/internal/clickhouse"
	"tributary/internal/postgres"
	"tributary/test/engines"
)

func TestLoaderLettersAreSettledByCommands(t *testing.T) {
	t.Parallel()
	url := engines.PostgresURL(t)
	db, err := postgres.Open(t.Context(), engines.As(url, postgres.Loader), postgres.Loader, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	if _, err := db.Exec(t.Context(), `INSERT INTO dead_letter (consumer, topic, partition, "offset", key, value, error)
		SELECT 'loader', 'touches', 1, n, '', '\x0102', 'no event' FROM generate_series(7, 9) n`); err != nil {
		t.Fatal(err)
	}
	environ := []string{"TRIBUTARY_POSTGRES_URL=" + engines.As(url, postgres.Operator), "TRIBUTARY_DATA=" + t.TempDir()}
	state := func() (all string) {
		t.Helper()
		if err := db.QueryRow(t.Context(), `SELECT string_agg(state || ' ' || note, ', ' ORDER BY no) FROM dead_letter`).Scan(&all); err != nil {
			t.Fatal(err)
		}
		return all
	}
	for _, row := range []struct {
		args    []string
		prints  string
		refused string
		leaves  string
	}{
		{[]string{"list"}, "1\ttouches/1 7\topen\t", "", "open , open , open "},
		{[]string{"retry", "1"}, "", "", "returning , open , open "},
		{[]string{"discard", "2", "a test"}, "", "", "returning , discarded a test, open "},
		{[]string{"retry", "2"}, "", "discarded", "returning , discarded a test, open "},
		{[]string{"retry", "99"}, "", "no dead letter", "returning , discarded a test, open "},
		{[]string{"retry", "one"}, "", "NUMBER", "returning , discarded a test, open "},
		{[]string{"edit", "3", write(t, filepath.Join(t.TempDir(), "bytes"), "0103\n", 0o600)}, "", "could not be a row either", "returning , discarded a test, open "},
		{[]string{"list"}, "3\ttouches/1 9\topen\t", "", "returning , discarded a test, open "},
	} {
		out, err := tributary(t.Context(), t, environ, append([]string{"deadletters", "loader"}, row.args...)...)
		switch {
		case (row.refused == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), row.refused):
			t.Errorf("%v: %v, want a refusal that names %q", row.args, err, row.refused)
		case !strings.Contains(out, row.prints):
			t.Errorf("%v printed %q, want %q in it", row.args, out, row.prints)
		}
		if got := state(); got != row.leaves {
			t.Errorf("%v leaves %q, want %q", row.args, got, row.leaves)
		}
	}
}

func TestRollupsAreRebuiltWhenNoLoaderRuns(t *testing.T) {
	t.Parallel()
	url := engines.PostgresURL(t)
	reports := reportsOf(t, url)
	environ := []string{"TRIBUTARY_POSTGRES_URL=" + engines.As(url, postgres.Operator), "TRIBUTARY_CLICKHOUSE_URL=" + engines.ClickHouseAs(reports, clickhouse.Operator), "TRIBUTARY_DATA=" + t.TempDir()}
	conn, err := clickhouse.Open(reports, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.Exec(t.Context(), `INSERT INTO touch_15m VALUES (1, 2, 3, 10, '2026-03-14 12:00:00', 5, 0, 0)`); err != nil {
		t.Fatal(err)
	}
	clicks := func() (n uint64) {
		t.Helper()
		if err := conn.QueryRow(t.Context(), `SELECT sum(clicks) FROM touch_15m`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	db, err := postgres.Open(t.Context(), engines.As(url, postgres.Loader), postgres.Loader, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	if _, err := db.Exec(t.Context(), `INSERT INTO position (consumer, topic, partition, owner, lease_until) VALUES ('loader', 'touches', 0, 'someone', now() + interval '1 hour')`); err != nil {
		t.Fatal(err)
	}
	if _, err := tributary(t.Context(), t, environ, "rebuild-rollups"); err == nil || !strings.Contains(err.Error(), "stop them first") || clicks() != 5 {
		t.Errorf("beside a loader: %v, and %d clicks are left, want a refusal and 5", err, clicks())
	}
	if _, err := db.Exec(t.Context(), `UPDATE position SET lease_until = now() - interval '1 second'`); err != nil {
		t.Fatal(err)
	}
	if out, err := tributary(t.Context(), t, environ, "rebuild-rollups"); err != nil || clicks() != 0 {
		t.Errorf("%v %s, and %d clicks are left, want none: no row has any", err, out, clicks())
	}
}
