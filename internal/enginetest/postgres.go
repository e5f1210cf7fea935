package enginetest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/internal/embedded"
)

// template is a PostgreSQL database with all migrations applied, of which each test gets a copy.
type template struct {
	once sync.Once
	name string
	err  error
}

// Postgres returns a pool of connections to a clean database with all migrations applied. Both are gone when the test ends.
func Postgres(t testing.TB) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), PostgresURL(t))
	if err != nil {
		t.Fatalf("opening pool: %v", err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// PostgresURL returns the URL of a clean database with all migrations applied. It is dropped when the test ends.
func PostgresURL(t testing.TB) string {
	t.Helper()
	server := startPostgres(t)
	shared.template.once.Do(func() {
		shared.template.name, shared.template.err = makeTemplate(server)
	})
	if shared.template.err != nil {
		t.Fatal(shared.template.err)
	}
	return createDatabase(t, server, shared.template.name)
}

// EmptyPostgresURL returns the URL of a clean database with nothing in it. It is dropped when the test ends.
func EmptyPostgresURL(t testing.TB) string {
	t.Helper()
	return createDatabase(t, startPostgres(t), "template1")
}

func startPostgres(t testing.TB) string {
	t.Helper()
	address, err := shared.start(&shared.postgres, "TRIBUTARY_TEST_POSTGRES_URL", embedded.Config{Postgres: true},
		func(a embedded.Addresses) string { return a.PostgresURL })
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// makeTemplate returns the name of a new, migrated database. On an external server it stays there.
func makeTemplate(server string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), setUpLimit)
	defer cancel()
	name := "template_" + unique()
	if err := execPostgres(ctx, server, "CREATE DATABASE "+name); err != nil {
		return "", fmt.Errorf("making template database: %w", err)
	}
	address, err := withDatabase(server, name)
	if err != nil {
		return "", err
	}
	return name, migratePostgres(ctx, address)
}

func createDatabase(t testing.TB, server, from string) string {
	t.Helper()
	name := unique()
	if err := execPostgres(t.Context(), server, "CREATE DATABASE "+name+" TEMPLATE "+from); err != nil {
		t.Fatalf("creating database: %v", err)
	}
	t.Cleanup(func() {
		if err := execPostgres(context.Background(), server, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("dropping database: %v", err)
		}
	})
	address, err := withDatabase(server, name)
	if err != nil {
		t.Fatal(err)
	}
	return address
}

func execPostgres(ctx context.Context, address, sql string) error {
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("executing %q: %w", sql, err)
	}
	return nil
}
