package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tributary/internal/postgres"
	"tributary/test/engines"
)

func TestMain(m *testing.M) { engines.Main(m) }

func TestATransactionIsInWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	refuse := errors.New("no")
	insert := func(result error) error {
		return postgres.InTx(t.Context(), db, func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(), `INSERT INTO merchant (name) VALUES ('m')`); err != nil {
				return err
			}
			return result
		})
	}
	if err := insert(refuse); !errors.Is(err, refuse) {
		t.Errorf("the work's error came back as %v", err)
	}
	if err := insert(nil); err != nil {
		t.Error(err)
	}
	var n int
	if err := db.QueryRow(t.Context(), `SELECT count(*) FROM merchant`).Scan(&n); err != nil || n != 1 {
		t.Errorf("%d merchants (%v), want the one of the transaction that returned nil", n, err)
	}
}

// A log-in is who it says and nobody else, and leads to no other.
func TestALogInLeadsToNoOther(t *testing.T) {
	t.Parallel()
	url := engines.PostgresURL(t)
	for _, role := range postgres.Roles() {
		db, err := postgres.Open(t.Context(), engines.As(url, role), role, 1)
		if err != nil {
			t.Fatal(err)
		}
		var user string
		var might, member bool
		if err := db.QueryRow(t.Context(), `SELECT session_user, rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication,
			EXISTS (SELECT FROM pg_auth_members WHERE member = r.oid) FROM pg_roles r WHERE rolname = session_user`).Scan(&user, &might, &member); err != nil {
			t.Fatal(err)
		}
		if user != string(role) || might || member {
			t.Errorf("%s: logged in as %s, above its rights %v, a member of another %v", role, user, might, member)
		}
		refused := []string{
			`COPY (SELECT 1) TO PROGRAM 'id'`, `COPY (SELECT 1) TO '/tmp/x'`, `SELECT pg_read_file('/etc/passwd')`, `CREATE TABLE mine (n int)`,
			`SET SESSION AUTHORIZATION tributary`, `SELECT secret FROM signing_secret`, `SELECT rolpassword FROM pg_authid`,
			`ALTER ROLE ` + string(role) + ` SUPERUSER`, `ALTER TABLE posting DISABLE TRIGGER ALL`,
		}
		if role == postgres.Tracker {
			refused = append(refused[:5:5], refused[6:]...) // it checks signatures
		}
		for _, other := range postgres.Roles() {
			if other != role {
				refused = append(refused, `SET ROLE `+string(other))
			}
		}
		for _, sql := range refused {
			var answer *pgconn.PgError
			if _, err := db.Exec(t.Context(), sql); !errors.As(err, &answer) || answer.Code != "42501" {
				t.Errorf("%s: %s: %v, want permission denied", role, sql, err)
			}
		}
		for _, sql := range []string{`SET ROLE NONE`, `RESET ROLE`, `RESET SESSION AUTHORIZATION`} {
			if _, err := db.Exec(t.Context(), sql); err != nil {
				t.Errorf("%s: %s: %v", role, sql, err)
			}
			if err := db.QueryRow(t.Context(), `SELECT current_user`).Scan(&user); err != nil || user != string(role) {
				t.Errorf("%s: %s leads to %s (%v)", role, sql, user, err)
			}
		}
		db.Close()
	}
}

func TestAnAddressOfAnotherUserIsRefused(t *testing.T) {
	t.Parallel()
	url := engines.PostgresURL(t)
	for _, row := range []struct{ address, says string }{
		{url, "the superuser tributary"},
		{engines.As(url, postgres.Engine), "logs in as tributary_engine"},
	} {
		db, err := postgres.Open(t.Context(), row.address, postgres.Dashboard, 1)
		if err != nil {
			t.Fatal(err)
		}
		err = db.Ping(t.Context())
		db.Close()
		if err == nil || !strings.Contains(err.Error(), row.says) || postgres.Retryable(err) {
			t.Errorf("the dashboard at another's address: %v, want %q and no retry", err, row.says)
		}
	}
}

// Each role may do what its stage does, and nothing of these.
func TestRolesAreRefusedWhatIsNotTheirs(t *testing.T) {
	t.Parallel()
	url := engines.PostgresURL(t)
	for _, row := range []struct {
		role postgres.Role
		sql  string
		ok   bool
	}{
		{postgres.Engine, `SELECT count(*) FROM posting`, true},
		{postgres.Engine, `UPDATE posting SET amount = 1`, false},
		{postgres.Engine, `DELETE FROM posting`, false},
		{postgres.Engine, `DELETE FROM order_event`, false},
		{postgres.Engine, `TRUNCATE account`, false},
		{postgres.Engine, `UPDATE terms SET rules = 2`, false},
		{postgres.Tracker, `SELECT count(*) FROM link`, true},
		{postgres.Tracker, `SELECT count(*) FROM commission`, false},
		{postgres.Tracker, `INSERT INTO link (code, program_id, partner_id, target_url) VALUES ('abc', 1, 1, 'https://x.example/')`, false},
		{postgres.Loader, `SELECT count(*) FROM clickhouse_batch`, true},
		{postgres.Loader, `SELECT count(*) FROM login`, false},
		{postgres.Operator, `SELECT count(email) FROM login`, true},
		{postgres.Operator, `SELECT password_hash FROM login`, false},
		{postgres.Operator, `SELECT count(*) FROM session`, false},
		{postgres.Operator, `UPDATE posting SET amount = 1`, false},
		{postgres.Reader, `SELECT count(*) FROM posting`, true},
		{postgres.Reader, `SELECT password_hash FROM login`, false},
		{postgres.Reader, `SELECT count(*) FROM session`, false},
		{postgres.Reader, `DELETE FROM catalogue`, false},
		{postgres.Reader, `INSERT INTO setting (name, value) VALUES ('x', 'y')`, false},
		{postgres.Dashboard, `SELECT count(*) FROM commission`, true},
		{postgres.Dashboard, `UPDATE commission SET net = 0`, false},
		{postgres.Dashboard, `INSERT INTO posting (source, source_no, version, n, debit, credit, amount, unit, effective_at) VALUES (1, 1, 1, 1, 1, 2, 1, 'EUR', now())`, false},
		{postgres.Dashboard, `UPDATE seat SET role = 'owner'`, false},
		{postgres.Dashboard, `SELECT role FROM seat`, false},
		{postgres.Operator, `UPDATE seat SET role = 'owner'`, false},
		{postgres.Reader, `SELECT password_hash FROM seated`, false},
		{postgres.Dashboard, `SELECT count(*) FROM scoped_audit`, true},
		{postgres.Dashboard, `SELECT count(*) FROM audit`, false},
		{postgres.Dashboard, `INSERT INTO audit (address, request, kind, id, made) VALUES ('', '', 'link', '1', true)`, false},
		{postgres.Operator, `UPDATE audit SET address = ''`, false},
		{postgres.Operator, `DELETE FROM audit`, false},
		{postgres.Dashboard, `SELECT id FROM login`, false},
		{postgres.Dashboard, `SELECT count(*) FROM session`, false},
		{postgres.Dashboard, `SELECT key FROM signin_secret`, false},
		{postgres.Reader, `SELECT key FROM signin_secret`, false},
		{postgres.Dashboard, `SELECT * FROM signin('a@example.net', 'x')`, true},
		{postgres.Operator, `SELECT * FROM signin('a@example.net', 'x')`, false},
	} {
		db, err := postgres.Open(t.Context(), engines.As(url, row.role), row.role, 1)
		if err != nil {
			t.Fatal(err)
		}
		_, err = db.Exec(t.Context(), row.sql)
		db.Close()
		var refused *pgconn.PgError
		switch {
		case row.ok && err != nil:
			t.Errorf("%s: %s: %v", row.role, row.sql, err)
		case !row.ok && (!errors.As(err, &refused) || refused.Code != "42501"):
			t.Errorf("%s: %s: %v, want permission denied", row.role, row.sql, err)
		}
	}
}

func TestWhatMaySucceedWhenRunAgain(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		err  error
		want bool
	}{
		{&pgconn.PgError{Code: "40001"}, true},
		{fmt.Errorf("posting: %w", &pgconn.PgError{Code: "40P01"}), true},
		{&pgconn.PgError{Code: "08006"}, true},
		{&pgconn.PgError{Code: "57P01"}, true},
		{&pgconn.PgError{Code: "23505"}, false},
		{&pgconn.PgError{Code: "42501"}, false},
		{errors.New("unexpected EOF"), true},
		{context.Canceled, false},
		{nil, false},
	} {
		if got := postgres.Retryable(row.err); got != row.want {
			t.Errorf("Retryable(%v) = %v", row.err, got)
		}
	}
}
