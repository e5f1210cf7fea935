package engines

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"tributary/internal/clickhouse"
	"tributary/internal/embedded"
	"tributary/internal/postgres"
)

// ClickHouse returns the URL (clickhouse://..., native protocol) of a clean database with nothing in it. It is dropped when
// the test ends.
func ClickHouse(tb testing.TB) string {
	tb.Helper()
	server, err := shared.start(&shared.clickhouse, clickhouseVariable, embedded.Config{ClickHouse: true}, func(a embedded.Addresses) string {
		shared.reports = a.ClickHouseRoles
		return a.ClickHouseURL
	})
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

// setReportPasswords lets the roles log in to an external server.
func setReportPasswords(ctx context.Context, server string) error {
	owner, err := url.Parse(server)
	if err != nil {
		return fmt.Errorf("reading address: %w", err)
	}
	passwords := map[clickhouse.Role]string{}
	shared.reports = map[string]string{}
	for _, role := range clickhouse.Roles() {
		u := *owner
		passwords[role] = rolePassword(owner, postgres.Role(role))
		u.User = url.UserPassword(string(role), passwords[role])
		shared.reports[role.Name()] = u.String()
	}
	return clickhouse.SetPasswords(ctx, server, "t*", passwords) //nolint:wrapcheck // it says what it was doing
}

// ClickHouseAs gives the address of a role's own log-in to the database at the owner's address that the functions here return.
func ClickHouseAs(address string, role clickhouse.Role) string {
	if shared.clickhouse.external {
		shared.reportsOnce.Do(func() { shared.reportsErr = setReportPasswords(context.Background(), shared.clickhouse.address) })
		if shared.reportsErr != nil {
			return "clickhouse://" + string(role) + "@" + shared.reportsErr.Error() // whoever opens it says what is wrong
		}
	}
	own, err := withDatabase(shared.reports[role.Name()], clickhouse.Database(address))
	if err != nil {
		return address // whoever opens it says what is wrong with it
	}
	return own
}

// ClickHouseEnv is the settings of every log-in to the database at its owner's address.
func ClickHouseEnv(address string) []string {
	env := []string{"TRIBUTARY_CLICKHOUSE_OWNER_URL=" + address}
	for _, role := range clickhouse.Roles() {
		if role != clickhouse.Reader {
			env = append(env, "TRIBUTARY_CLICKHOUSE_"+strings.ToUpper(role.Name())+"_URL="+ClickHouseAs(address, role))
		}
	}
	return env
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
