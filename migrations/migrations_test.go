package migrations_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/internal/clickhouse"
	"tributary/internal/postgres"
	"tributary/migrations"
	"tributary/test/engines"
)

func TestMain(m *testing.M) { engines.Main(m) }

func TestMigrationsOnlyGoUp(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("*/*.sql")
	if err != nil || len(paths) < 20 {
		t.Fatalf("%d migrations: %v", len(paths), err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(text, []byte("-- +goose Up\n")) || bytes.Contains(text, []byte("+goose Down")) {
			t.Errorf("%s: it must have a section Up and none Down", path)
		}
	}
}

func TestPostgresIsBroughtUpTwice(t *testing.T) {
	t.Parallel()
	url := engines.EmptyPostgresURL(t)
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

// Who could sign in before there were seats has one, with all rights in the same organisation, and stays signed in.
func TestEveryLoginBecomesAnOwnerWhoStaysSignedIn(t *testing.T) {
	t.Parallel()
	url := engines.EmptyPostgresURL(t)
	if err := migrations.PostgresTo(t.Context(), url, 109); err != nil {
		t.Fatal(err)
	}
	db, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	const hash = `'$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc'`
	if _, err := db.Exec(t.Context(), `INSERT INTO merchant (name) VALUES ('m'), ('n'); INSERT INTO partner (kind, name) VALUES ('site', 's');
		INSERT INTO login (email, role, merchant_id, partner_id, password_hash) SELECT email, role, merchant, partner, `+hash+` FROM (VALUES
			('op@x.example', 'operator', null::bigint, null::bigint), ('m@x.example', 'merchant', 2, null), ('p@x.example', 'partner', null, 1)) l (email, role, merchant, partner);
		INSERT INTO session (token_hash, login_id, expires_at) SELECT sha256(convert_to(email, 'UTF8')), id, now() + interval '1 hour' FROM login WHERE email <> 'p@x.example'`); err != nil {
		t.Fatal(err)
	}
	if err := migrations.Postgres(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	rows, err := db.Query(t.Context(), `SELECT concat_ws(' ', l.email, t.role, CASE WHEN t.network THEN 'network' END, 'merchant ' || t.merchant_id, 'partner ' || t.partner_id,
		CASE WHEN f.seat = t.id THEN 'signed in' END) FROM login l JOIN seat t ON t.login_id = l.id LEFT JOIN session s ON s.login_id = l.id
		LEFT JOIN LATERAL session_find(s.token_hash) f ON true ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	want := []string{"m@x.example owner merchant 2 signed in", "op@x.example owner network signed in", "p@x.example owner partner 1"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
}

func TestClickHouseIsBroughtUpTwice(t *testing.T) {
	t.Parallel()
	url := engines.ClickHouse(t)
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
	for _, table := range []string{"touch", "touch_15m", "order_event", "ledger", "ledger_15m", "customer_order"} {
		var rows uint64
		if err := conn.QueryRow(t.Context(), "SELECT count() FROM "+table).Scan(&rows); err != nil {
			t.Errorf("counting %s: %v", table, err)
		}
	}
}

func TestADatabaseOfAnotherFormatIsRefused(t *testing.T) {
	t.Parallel()
	conn := func(url string) *sql.DB {
		db, err := postgres.OpenSQL(url)
		if strings.HasPrefix(url, "clickhouse") {
			db, err = clickhouse.OpenSQL(url)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		return db
	}
	forget := map[string]string{"postgres": `DELETE FROM setting WHERE name = 'format'`, "clickhouse": `DROP TABLE setting`}
	later := map[string]string{
		"postgres": `UPDATE setting SET value = '4' WHERE name = 'format'`, "clickhouse": `ALTER TABLE setting UPDATE value = '4' WHERE name = 'format' SETTINGS mutations_sync = 1`,
	}
	for _, c := range []struct {
		name, says string
		change     map[string]string
		found      int
	}{
		{"from before", "from before the first release", forget, 1},
		{"of a later version", "use the version that wrote it", later, 4},
	} {
		for store, up := range map[string]func(context.Context, string) error{"postgres": migrations.Postgres, "clickhouse": migrations.ClickHouse} {
			t.Run(store+" "+c.name, func(t *testing.T) {
				t.Parallel()
				open, current := engines.PostgresURL, migrations.PostgresVersion
				if store == "clickhouse" {
					open, current = engines.ClickHouseMigrated, migrations.ClickHouseVersion
				}
				url := open(t)
				if err := up(t.Context(), url); err != nil {
					t.Fatalf("this version's own: %v", err)
				}
				if _, err := conn(url).ExecContext(t.Context(), c.change[store]); err != nil {
					t.Fatal(err)
				}
				_, asked := current(t.Context(), url)
				for what, err := range map[string]error{"migrating": up(t.Context(), url), "asking": asked} {
					var other *migrations.FormatError
					if !errors.As(err, &other) || other.Found != c.found || !strings.Contains(err.Error(), c.says) {
						t.Errorf("%s gives %v; want format %d, %q", what, err, c.found, c.says)
					}
				}
			})
		}
	}
}

func TestAProgramKeepsItsCurrenciesAndTermsReachForward(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	exec := func(sql string) error {
		_, err := db.Exec(t.Context(), sql)
		return err
	}
	if err := exec(`INSERT INTO merchant (name) VALUES ('m');
		INSERT INTO program (merchant_id, name, landing_url, domains, currencies) VALUES (1, 'p', 'https://m.example/', '{m.example}', '{EUR,GBP}')`); err != nil {
		t.Fatal(err)
	}
	const terms = `INSERT INTO terms (program_id, version, effective_from, document) VALUES (1, %s, '{"schema":1,"rules":[]}')`
	if err := exec(`INSERT INTO partner (kind, name) VALUES ('site', 's'); INSERT INTO merchant (name) VALUES ('other');
		ALTER TABLE terms DISABLE TRIGGER USER; ` + fmt.Sprintf(terms, "1, now() - interval '1 day'") + `; ALTER TABLE terms ENABLE TRIGGER USER`); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, sql string
		ok        bool
	}{
		{"a currency more", `UPDATE program SET currencies = '{EUR,GBP,USD}'`, false},
		{"another landing page", `UPDATE program SET landing_url = 'https://m.example/new'`, true},
		{"a currency less", `UPDATE program SET currencies = '{EUR}'`, false},
		{"terms from tomorrow", fmt.Sprintf(terms, "2, now() + interval '1 day'"), true},
		{"terms from yesterday", fmt.Sprintf(terms, "3, now() - interval '1 day'"), false},
		{"terms from now", fmt.Sprintf(terms, "3, now()"), false},
		{"coming terms corrected", `UPDATE terms SET document = '{"schema":1,"rules":[],"hold":"1d"}' WHERE version = 2`, true},
		{"a document of another form", `UPDATE terms SET document = '{"schema":2,"rules":[]}' WHERE version = 2`, false},
		{"a document without rules", `UPDATE terms SET document = '{"schema":1}' WHERE version = 2`, false},
		{"a document in force changed", `UPDATE terms SET document = '{"schema":1,"rules":[],"hold":"1d"}' WHERE version = 1`, false},
		{"rules of terms in force changed", `UPDATE terms SET rules = 2 WHERE version = 1`, false},
		{"terms in force removed", `DELETE FROM terms WHERE version = 1`, false},
		{"coming terms moved into the past", `UPDATE terms SET effective_from = now() - interval '1 hour' WHERE version = 2`, false},
		{"another name of a partner", `UPDATE partner SET name = 'renamed'`, true},
		{"another kind of a partner", `UPDATE partner SET kind = 'member'`, false},
		{"another merchant's program", `UPDATE program SET merchant_id = 2`, false},
	} {
		if err := exec(row.sql); (err == nil) != row.ok {
			t.Errorf("%s: %v, want it taken: %v", row.name, err, row.ok)
		}
	}
}

func TestTermsThatAreCommittedTooLateAreRefused(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	ctx := t.Context()
	if _, err := db.Exec(ctx, `INSERT INTO merchant (name) VALUES ('m');
		INSERT INTO program (merchant_id, name, landing_url, domains, currencies) VALUES (1, 'p', 'https://m.example/', '{m.example}', '{EUR}')`); err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(ctx)
	// A minute is more than a test waits: the first look is left out, the one at the commit is not.
	if _, err := tx.Exec(ctx, `ALTER TABLE terms DISABLE TRIGGER terms_reach_forward`); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(ctx, `INSERT INTO terms (program_id, version, effective_from, document)
		VALUES (1, 1, clock_timestamp() + interval '50 ms', '{"schema":1,"rules":[]}')`); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(ctx, `SELECT pg_sleep(0.1)`); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(ctx); err == nil {
		t.Error("terms were committed after the time at which they take effect")
	}
}
