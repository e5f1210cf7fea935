package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tributary/internal/doctor"
)

const area = "PostgreSQL"

// Examine looks at the server's own settings. connections is how many the network needs.
func Examine(ctx context.Context, r *doctor.Report, conn *pgx.Conn, connections int) error {
	var version, encoding, fsync, pages, commit string
	var number, taken int
	var now time.Time
	asked := time.Now()
	err := conn.QueryRow(ctx, `SELECT current_setting('server_version'), current_setting('server_version_num')::int,
		current_setting('server_encoding'), current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit'),
		current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int, clock_timestamp()`).
		Scan(&version, &number, &encoding, &fsync, &pages, &commit, &taken, &now)
	if err != nil {
		return fmt.Errorf("reading settings: %w", err)
	}
	h := doctor.OK
	if number/10000 < 18 {
		h = doctor.Warn
	}
	r.Add(area, h, "version "+version, "it is tested with 18: upgrade the server")
	r.Clock(area, now, asked)
	for _, s := range []struct{ name, value string }{{"fsync", fsync}, {"full_page_writes", pages}, {"synchronous_commit", commit}} {
		if s.value == "off" {
			r.Add(area, doctor.Wrong, s.name+" is off: a power cut may lose or break the books", "set it to on")
		}
	}
	if encoding != "UTF8" {
		r.Add(area, doctor.Wrong, "the database is in "+encoding, "recreate it with ENCODING 'UTF8'")
	}
	if taken < connections {
		r.Add(area, doctor.Warn, fmt.Sprintf("it takes %d connections, and one process in each role needs %d", taken, connections), "raise max_connections")
	}
	return nil
}

// ExamineRoles looks whether every role can log in, and whether one can do more than a role needs.
func ExamineRoles(ctx context.Context, r *doctor.Report, conn *pgx.Conn) error {
	closed, mighty, err := ClosedRoles(ctx, conn)
	if err != nil {
		return err
	}
	if len(closed) > 0 {
		r.Add(area, doctor.Wrong, "nobody can log in as "+strings.Join(closed, ", "), "run tributary migrate --role-passwords FILE")
	}
	if len(mighty) > 0 {
		r.Add(area, doctor.Wrong, strings.Join(mighty, ", ")+" can do more than a role needs: a superuser, one who makes roles or databases, or a member of another",
			"take that away: ALTER ROLE ... NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION; REVOKE ... FROM ...")
	}
	if len(closed)+len(mighty) == 0 {
		r.Add(area, doctor.OK, "each role logs in as itself, and none is a superuser or a member of another", "")
	}
	return nil
}

// ClosedRoles lists the roles that cannot log in yet, or have more rights than a role may.
func ClosedRoles(ctx context.Context, conn *pgx.Conn) (closed, mighty []string, err error) {
	// name: roles that cannot log in, and roles above their rights
	err = conn.QueryRow(ctx, `SELECT
		coalesce(array_agg(rolname::text) FILTER (WHERE NOT rolcanlogin AND rolname <> 'tributary_signin'), '{}'),
		coalesce(array_agg(rolname::text) FILTER (WHERE rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication
			OR rolcanlogin AND rolname = 'tributary_signin' OR EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid)), '{}')
		FROM pg_roles r WHERE rolname LIKE 'tributary\_%'`).Scan(&closed, &mighty)
	if err != nil {
		return nil, nil, fmt.Errorf("looking at roles: %w", err)
	}
	return closed, mighty, nil
}

// Fix says what to do about a connection that cannot be made.
func Fix(err error) string {
	const setting = "TRIBUTARY_POSTGRES_URL"
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch refused.Code {
		case "28P01", "28000":
			return "correct user and password in " + setting
		case "3D000":
			return "create the database, or correct its name in " + setting
		case "53300":
			return "raise max_connections, or run fewer processes"
		}
	}
	return "start the server, or correct host and port in " + setting
}
