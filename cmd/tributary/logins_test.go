package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"tributary/internal/clickhouse"
	"tributary/internal/embedded"
	"tributary/internal/postgres"
	"tributary/test/engines"
)

// postgresEnv is the settings of every log-in to the database at its owner's address.
func postgresEnv(address string) []string {
	env := []string{"TRIBUTARY_POSTGRES_OWNER_URL=" + address}
	for name, own := range engines.RoleURLs(address) {
		env = append(env, "TRIBUTARY_POSTGRES_"+strings.ToUpper(name)+"_URL="+own)
	}
	return env
}

// reportsOf is a migrated ClickHouse of the network at the owner's address, for the owner.
func reportsOf(t *testing.T, books string) string {
	t.Helper()
	reports := engines.ClickHouseMigrated(t)
	if err := joinNetwork(t.Context(), books, reports); err != nil {
		t.Fatal(err)
	}
	return reports
}

// anyLogin is one address for every log-in.
func anyLogin(address string) map[string]string {
	all := map[string]string{}
	for _, name := range postgresLogins() {
		all[name] = address
	}
	return all
}

func TestEachRoleNeedsTheAddressOfItsLogIn(t *testing.T) {
	t.Parallel()
	one, other := engines.PostgresURL(t), engines.PostgresURL(t)
	conn, err := pgx.Connect(t.Context(), other)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	if _, err := conn.Exec(t.Context(), `UPDATE setting SET value = gen_random_uuid()::text WHERE name = 'network'`); err != nil {
		t.Fatal(err) // both are copies of one
	}
	elsewhere := []string{"TRIBUTARY_KAFKA_BROKERS=127.0.0.1:1", "TRIBUTARY_CLICKHOUSE_URL=clickhouse://tributary_loader@127.0.0.1:1/x", "TRIBUTARY_ADMIN_LISTEN="}
	url := func(setting, address string, role postgres.Role) string {
		return "TRIBUTARY_POSTGRES_" + setting + "URL=" + engines.As(address, role)
	}
	// withReports is PostgreSQL's settings of all, none of the default address of ClickHouse, and one of it.
	withReports := func(setting, user string) []string {
		return append(postgresEnv(one), "TRIBUTARY_CLICKHOUSE_URL=", "TRIBUTARY_CLICKHOUSE_"+setting+"URL=clickhouse://"+user+":x@127.0.0.1:1/x")
	}
	for _, row := range []struct {
		name, args string
		environ    []string
		says       []string
	}{
		{"one of two", "serve engine loader", []string{url("ENGINE_", one, postgres.Engine)}, []string{"set TRIBUTARY_POSTGRES_LOADER_URL"}},
		{"one for both", "serve engine loader", []string{url("", one, postgres.Engine)}, []string{"TRIBUTARY_POSTGRES_ENGINE_URL", "TRIBUTARY_POSTGRES_LOADER_URL"}},
		{"another role's only", "serve engine", []string{url("LOADER_", one, postgres.Loader)}, []string{"set TRIBUTARY_POSTGRES_ENGINE_URL"}},
		{"a command without the operator's", "verify", []string{url("ENGINE_", one, postgres.Engine)}, []string{"set TRIBUTARY_POSTGRES_OPERATOR_URL"}},
		{"ClickHouse's for one of two", "serve loader dashboard", withReports("LOADER_", "tributary_loader"), []string{"set TRIBUTARY_CLICKHOUSE_DASHBOARD_URL"}},
		{"one of ClickHouse for both", "serve loader dashboard", withReports("", "tributary_loader"), []string{"TRIBUTARY_CLICKHOUSE_LOADER_URL", "TRIBUTARY_CLICKHOUSE_DASHBOARD_URL"}},
		{"another's of ClickHouse only", "serve loader", withReports("DASHBOARD_", "tributary_dashboard"), []string{"set TRIBUTARY_CLICKHOUSE_LOADER_URL"}},
		{"a command without ClickHouse's", "verify", withReports("LOADER_", "tributary_loader"), []string{"set TRIBUTARY_CLICKHOUSE_OPERATOR_URL"}},
		{"ClickHouse's owner", "serve loader", withReports("", "tributary"), []string{"logs in as tributary: loader has a log-in of its own"}},
		{"the owner's", "serve engine", []string{"TRIBUTARY_POSTGRES_URL=" + one}, []string{"the superuser tributary"}},
		{
			"two networks", "serve engine loader",
			[]string{url("ENGINE_", one, postgres.Engine), url("LOADER_", other, postgres.Loader)},
			[]string{"TRIBUTARY_POSTGRES_ENGINE_URL", "TRIBUTARY_POSTGRES_LOADER_URL", "different networks"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			data := t.TempDir()
			_, err := tributary(t.Context(), t, append(slices.Clip(elsewhere), row.environ...), append(strings.Fields(row.args), "--data", data)...)
			for _, says := range row.says {
				if err == nil || !strings.Contains(err.Error(), says) {
					t.Errorf("it ends with %v, want %q", err, says)
				}
			}
			if _, err := os.Stat(filepath.Join(data, "engines")); err == nil {
				t.Error("it started an engine of its own")
			}
		})
	}
}

func TestMigrateSetsThePasswordsOfTheRoles(t *testing.T) {
	t.Parallel()
	a := startPostgres(t)
	environ := append(engines.Kafka(t).Environ(), "TRIBUTARY_POSTGRES_URL="+a.PostgresURL)
	file := filepath.Join(t.TempDir(), "passwords")
	migrate := func(password func(role string) string) error {
		text := []byte("# role and password\n")
		for _, role := range postgres.Roles() {
			text = fmt.Appendf(text, "%s %s\n", role.Name(), password(role.Name()))
		}
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := tributary(t.Context(), t, environ, "migrate", "--role-passwords", file, "--data", t.TempDir())
		return err
	}
	enters := func(role postgres.Role, password string) bool {
		cfg, err := pgx.ParseConfig(a.PostgresURL)
		if err != nil {
			t.Fatal(err)
		}
		cfg.User, cfg.Password = string(role), password
		conn, err := pgx.ConnectConfig(t.Context(), cfg)
		if err != nil {
			return false
		}
		return conn.Close(t.Context()) == nil
	}
	for _, round := range []string{"first", "second"} {
		if err := migrate(func(role string) string { return round + "-password-of-" + role }); err != nil {
			t.Fatal(err)
		}
		for _, role := range postgres.Roles() {
			now, before := enters(role, round+"-password-of-"+role.Name()), enters(role, "first-password-of-"+role.Name())
			if !now || before != (round == "first") {
				t.Errorf("%s, %s passwords: lets in today's %v, the first %v", role, round, now, before)
			}
		}
	}
	for name, password := range map[string]func(string) string{
		"a short one": func(string) string { return "short" }, "one with a space": func(string) string { return "sixteen letters of it" },
		"none": func(string) string { return "" },
	} {
		if err := migrate(password); err == nil {
			t.Errorf("%s is taken for a password", name)
		}
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := tributary(t.Context(), t, environ, "migrate", "--role-passwords", file); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a file that everybody can read: %v", err)
	}
}

// startPostgres starts a PostgreSQL whose roles no other test uses.
func startPostgres(t *testing.T) embedded.Addresses {
	t.Helper()
	supervisor := embedded.New(embedded.Config{Dir: t.TempDir(), Postgres: true, Throwaway: true})
	ended := make(chan error, 1)
	go func() { ended <- supervisor.Run(t.Context()) }()
	t.Cleanup(func() {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	a, err := supervisor.Ready(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Rows of one network do not go into the reports of another, whichever role or command is asked to bring them there.
func TestReportsOfAnotherNetworkAreRefused(t *testing.T) {
	t.Parallel()
	books, other := engines.PostgresURL(t), engines.PostgresURL(t)
	conn, err := pgx.Connect(t.Context(), other)
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.Exec(t.Context(), `UPDATE setting SET value = gen_random_uuid()::text WHERE name = 'network'`)
	_ = conn.Close(t.Context())
	if err != nil {
		t.Fatal(err) // both are copies of one
	}
	theirs, fresh := reportsOf(t, other), engines.ClickHouseMigrated(t)
	kafka := engines.Kafka(t).Environ() // with the keys of the network
	for _, row := range []struct {
		args, reports string
		says          string
	}{
		{"serve loader", theirs, "different networks"},
		{"serve dashboard --dashboard-listen 127.0.0.1:0", theirs, "different networks"},
		{"serve loader", fresh, "different networks (none and "},
		{"verify", theirs, "different networks"},
		{"rebuild-rollups", theirs, "different networks"},
		{"restore reconcile --yes", theirs, "different networks"},
		{"migrate", theirs, "of another network than PostgreSQL"},
	} {
		environ := append(append(slices.Clip(kafka), postgresEnv(books)...), engines.ClickHouseEnv(row.reports)...)
		args := append(strings.Fields(row.args), "--data", t.TempDir(), "--admin-listen", "")
		if _, err := tributary(t.Context(), t, environ, args...); err == nil || !strings.Contains(err.Error(), row.says) {
			t.Errorf("%s: it ends with %v, want %q", row.args, err, row.says)
		}
	}
	// migrate gives a ClickHouse without one its network, and finds that as it is the next time.
	for range 2 {
		environ := append(append(slices.Clip(kafka), postgresEnv(books)...), engines.ClickHouseEnv(fresh)...)
		if out, err := tributary(t.Context(), t, environ, "migrate", "--data", t.TempDir()); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	var ids int
	db, err := clickhouse.OpenSQL(fresh)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRowContext(t.Context(), `SELECT count() FROM setting WHERE name = 'network'`).Scan(&ids); err != nil || ids != 1 {
		t.Errorf("it has %d ids of a network: %v", ids, err)
	}
}
