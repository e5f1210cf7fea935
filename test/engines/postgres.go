package engines

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"sync"
	"testing"

	"tributary/internal/embedded"
	"tributary/internal/postgres"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// template is a PostgreSQL database with all migrations applied, of which each test gets a copy.
type template struct {
	once sync.Once
	name string
	err  error
}

// Postgres returns a pool of connections to a clean database with all migrations applied. The connections are a
// superuser's. Database and pool are gone when the test ends.
func Postgres(tb testing.TB) *pgxpool.Pool {
	tb.Helper()
	pool, err := pgxpool.New(tb.Context(), PostgresURL(tb))
	if err != nil {
		tb.Fatalf("opening pool: %v", err)
	}
	tb.Cleanup(pool.Close)
	return pool
}

// PostgresURL returns the URL of a clean database with all migrations applied. It is dropped when the test ends.
func PostgresURL(tb testing.TB) string {
	tb.Helper()
	server := startPostgres(tb)
	shared.template.once.Do(func() {
		shared.template.name, shared.template.err = makeTemplate(server)
	})
	if shared.template.err != nil {
		tb.Fatal(shared.template.err)
	}
	return createDatabase(tb, server, shared.template.name)
}

// As gives the address of a role's own log-in to the database at the owner's address that the functions here return.
func As(address string, role postgres.Role) string {
	u, err := url.Parse(address)
	if err != nil {
		return address // whoever opens it says what is wrong with it
	}
	u.User = url.UserPassword(string(role), rolePassword(u, role))
	return u.String()
}

// rolePassword is the same in every test process on a server.
func rolePassword(owner *url.URL, role postgres.Role) string {
	secret, _ := owner.User.Password()
	sum := sha256.Sum256([]byte(secret + string(role)))
	return hex.EncodeToString(sum[:])
}

// RoleURLs is As for all roles, by their names.
func RoleURLs(address string) map[string]string {
	all := map[string]string{}
	for _, role := range postgres.Roles() {
		all[role.Name()] = As(address, role)
	}
	return all
}

// setPasswords lets the roles log in.
func setPasswords(ctx context.Context, server string) error {
	u, err := url.Parse(server)
	if err != nil {
		return fmt.Errorf("reading address: %w", err)
	}
	passwords := map[postgres.Role]string{}
	for _, role := range postgres.Roles() {
		passwords[role] = rolePassword(u, role)
	}
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }()                   // the statements are done
	return postgres.SetRandomPasswords(ctx, conn, passwords) //nolint:wrapcheck // it says what it was doing
}

// EmptyPostgresURL returns the URL of a clean database with nothing in it. It is dropped when the test ends.
func EmptyPostgresURL(tb testing.TB) string {
	tb.Helper()
	return createDatabase(tb, startPostgres(tb), "template1")
}

func startPostgres(tb testing.TB) string {
	tb.Helper()
	address, err := shared.start(&shared.postgres, postgresVariable, embedded.Config{Postgres: true},
		func(a embedded.Addresses) string { return a.PostgresURL })
	if err != nil {
		tb.Fatal(err)
	}
	shared.logins.Do(func() { shared.loginsErr = setPasswords(context.Background(), address) })
	if shared.loginsErr != nil {
		tb.Fatal(shared.loginsErr)
	}
	return address
}

// makeTemplate returns the name of a new, migrated database.
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

// dropTemplate leaves an external server as it was found.
func (e *engines) dropTemplate() error {
	if !e.postgres.external || e.template.name == "" {
		return nil
	}
	return execPostgres(context.Background(), e.postgres.address, "DROP DATABASE "+e.template.name)
}

func createDatabase(tb testing.TB, server, from string) string {
	tb.Helper()
	name := unique()
	create := "CREATE DATABASE " + name + " TEMPLATE " + from
	if !shared.postgres.external {
		create += " STRATEGY FILE_COPY" // half the time of the default, on a server that does not fsync
	}
	if err := execPostgres(tb.Context(), server, create); err != nil {
		tb.Fatalf("creating database: %v", err)
	}
	tb.Cleanup(func() {
		if err := execPostgres(context.Background(), server, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			tb.Errorf("dropping database: %v", err)
		}
	})
	address, err := withDatabase(server, name)
	if err != nil {
		tb.Fatal(err)
	}
	return address
}

func execPostgres(ctx context.Context, address, statement string) error {
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }() // the statement is done
	if _, err := conn.Exec(ctx, statement); err != nil {
		return fmt.Errorf("executing %q: %w", statement, err)
	}
	return nil
}
