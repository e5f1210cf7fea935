package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tributary/internal/clickhouse"
	"tributary/internal/postgres"
	"tributary/migrations"
	"tributary/tracker/loader"
)

// postgres looks at the server of the books.
func (d *doctor) postgres(ctx context.Context, s stores) {
	const area = "PostgreSQL"
	address := s.postgres[postgres.Operator.Name()]
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		d.note(area, wrong, problem(err), postgresRemedy(err))
		return
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it was only asked
	host := fmt.Sprintf("%s:%d", conn.Config().Host, conn.Config().Port)
	if conn.Config().TLSConfig == nil && !isLoopback(host) && !strings.HasPrefix(conn.Config().Host, "/") {
		d.note(area, odd, "the connection to "+host+" is not encrypted", "add sslmode=verify-full to "+envName("postgres-url")+" where the network between is not your own")
	}
	current, ok := d.schema(ctx, area, address, migrations.PostgresVersion)
	if !ok {
		return
	}
	if err := d.postgresSettings(ctx, conn); err != nil {
		d.note(area, wrong, problem(err), "see the server's log")
		return
	}
	if !current {
		return // what follows asks for tables of this version
	}
	if err := d.postgresNetwork(ctx, conn); err != nil {
		d.note(area, wrong, problem(err), "see the server's log")
	}
}

// postgresRemedy says what to do about a connection that cannot be made.
func postgresRemedy(err error) string {
	setting := envName("postgres-url")
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch refused.Code {
		case "28P01", "28000":
			return "mend user and password in " + setting
		case "3D000":
			return "create the database, or mend its name in " + setting
		case "53300":
			return "raise max_connections, or run fewer processes"
		}
	}
	return "start the server, or mend host and port in " + setting
}

// schema compares a database's version with this binary's. It gives false where the version cannot be read.
func (d *doctor) schema(ctx context.Context, area, url string, read func(context.Context, string) (migrations.Version, error)) (current, ok bool) {
	v, err := read(ctx, url)
	switch {
	case err != nil:
		d.note(area, wrong, problem(err), "run tributary migrate, and log in as the operator")
		return false, false
	case v.Current < v.Wanted:
		d.note(area, wrong, fmt.Sprintf("its schema is version %d, and this binary works with %d", v.Current, v.Wanted), "run tributary migrate")
	case v.Current > v.Wanted:
		d.note(area, wrong, fmt.Sprintf("its schema is version %d, and this binary is older: it works with %d", v.Current, v.Wanted), "use the newer binary")
	default:
		d.note(area, fine, fmt.Sprintf("its schema is version %d, as this binary wants", v.Current), "")
	}
	return v.Current == v.Wanted, true
}

// postgresSettings looks at the server's own settings.
func (d *doctor) postgresSettings(ctx context.Context, conn *pgx.Conn) error {
	const area = "PostgreSQL"
	var version, encoding, fsync, pages, commit string
	var number, connections int
	var now time.Time
	asked := time.Now()
	err := conn.QueryRow(ctx, `SELECT current_setting('server_version'), current_setting('server_version_num')::int,
		current_setting('server_encoding'), current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit'),
		current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int, clock_timestamp()`).
		Scan(&version, &number, &encoding, &fsync, &pages, &commit, &connections, &now)
	if err != nil {
		return fmt.Errorf("reading settings: %w", err)
	}
	h := fine
	if number/10000 < 18 {
		h = odd
	}
	d.note(area, h, "version "+version, "it is tested with 18: upgrade the server")
	d.clock(area, now, asked)
	for _, s := range []struct{ name, value string }{{"fsync", fsync}, {"full_page_writes", pages}, {"synchronous_commit", commit}} {
		if s.value == "off" {
			d.note(area, wrong, s.name+" is off: a power cut may lose or break the books", "set it to on")
		}
	}
	if encoding != "UTF8" {
		d.note(area, wrong, "the database is in "+encoding, "make it anew with ENCODING 'UTF8'")
	}
	if need := d.connections(); connections < need {
		d.note(area, odd, fmt.Sprintf("it takes %d connections, and one process in each role needs %d", connections, need), "raise max_connections")
	}
	return nil
}

// connections is how many one process in each role takes.
func (d *doctor) connections() int {
	return 3 + (3*d.cfg.Partitions + 4) + (2*d.cfg.EngineWorkers + 6 + 2) + 10
}

const (
	// someSkew is what clocks of machines that follow a time server do not reach, and muchSkew what moves orders into
	// other terms.
	someSkew, muchSkew = time.Second, 30 * time.Second
)

// clock compares a server's clock with this machine's, half of whose waiting counts as the way there.
func (d *doctor) clock(area string, now, asked time.Time) {
	skew := now.Sub(asked.Add(time.Since(asked) / 2)).Round(time.Millisecond)
	h := fine
	switch {
	case skew.Abs() > muchSkew:
		h = wrong
	case skew.Abs() > someSkew:
		h = odd
	}
	d.note(area, h, fmt.Sprintf("its clock is %s from this machine's", skew), "let both follow a time server")
}

// postgresNetwork looks at what the network has written down, and what waits for a person.
func (d *doctor) postgresNetwork(ctx context.Context, conn *pgx.Conn) error {
	const area = "PostgreSQL"
	closed, mighty, err := closedRoles(ctx, conn)
	if err != nil {
		return err
	}
	if len(closed) > 0 {
		d.note(area, wrong, "nobody can log in as "+strings.Join(closed, ", "), "run tributary migrate --role-passwords FILE")
	}
	if len(mighty) > 0 {
		d.note(area, wrong, strings.Join(mighty, ", ")+" can do more than a role needs: a superuser, one who makes roles or databases, or a member of another",
			"take that away: ALTER ROLE ... NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION; REVOKE ... FROM ...")
	}
	if len(closed)+len(mighty) == 0 {
		d.note(area, fine, "each role logs in as itself, and none is a superuser or a member of another", "")
	}
	var partitions string
	var halted, letters, parked int64
	err = conn.QueryRow(ctx, `SELECT coalesce((SELECT value FROM setting WHERE name = 'partitions'), ''),
		(SELECT count(*) FROM position WHERE halted <> ''), (SELECT count(*) FROM dead_letter WHERE state IN ('open', 'returning')),
		(SELECT count(*) FROM clickhouse_batch WHERE state = 'parked')`).Scan(&partitions, &halted, &letters, &parked)
	if err != nil {
		return fmt.Errorf("looking at the network: %w", err)
	}
	if partitions != "" && partitions != strconv.Itoa(d.cfg.Partitions) {
		d.note(area, wrong, fmt.Sprintf("the topics were made with %s partitions, and %s is %d", partitions, envName("partitions"), d.cfg.Partitions), "set it to "+partitions)
	}
	for _, waiting := range []struct {
		count        int64
		what, remedy string
	}{
		{halted, "partitions that stand still", "see PartitionHalted in docs/operate.md"},
		{letters, "records that were set aside", "tributary deadletters list"},
		{parked, "batches that are parked", "see BatchParked in docs/operate.md"},
	} {
		if waiting.count > 0 {
			d.note(area, odd, fmt.Sprintf("%s and wait for a person: %d", waiting.what, waiting.count), waiting.remedy)
		}
	}
	return d.fingerprints(ctx, conn)
}

// fingerprints compares the keys with those of the network.
func (d *doctor) fingerprints(ctx context.Context, conn *pgx.Conn) error {
	for _, setting := range []keySetting{clickKeys, recordKeys} {
		keys, err := setting.ifAny(&d.cfg)
		if err != nil {
			continue // said under the machine's checks
		}
		for _, k := range keys {
			err := checkKey(ctx, conn, setting.row(k), k)
			if err == nil {
				continue
			}
			if !errors.Is(err, errForeignKey) {
				return err
			}
			d.note(setting.area(), wrong, fmt.Sprintf("%s here is not the one that this network signs with", k), "give "+envName(string(setting))+" the same value on every tracker, loader and engine")
		}
	}
	return nil
}

// clickhouse looks at the server of the reports.
func (d *doctor) clickhouse(ctx context.Context, s stores) {
	const area = "ClickHouse"
	conn, err := clickhouse.Open(s.clickhouse[clickhouse.Operator.Name()], 1)
	if err != nil {
		d.note(area, wrong, problem(err), "mend "+envName("clickhouse-url"))
		return
	}
	defer conn.Close()
	var now time.Time
	var version string
	asked := time.Now()
	if err := conn.QueryRow(ctx, `SELECT version(), now64(6)`).Scan(&version, &now); err != nil {
		d.note(area, wrong, problem(err), clickhouseRemedy(err))
		return
	}
	d.note(area, fine, "version "+version, "")
	d.clock(area, now, asked)
	current, ok := d.schema(ctx, area, s.clickhouse[clickhouse.Operator.Name()], migrations.ClickHouseVersion)
	if !ok || !current {
		return
	}
	if err := loader.SelfTest(ctx, conn); err != nil {
		d.note(area, wrong, problem(err), "use a version that README.md names, with its default settings")
		return
	}
	d.note(area, fine, "rows sent twice are stored once, in tables and in rollups", "")
}

// clickhouseRemedy says what to do about a query that was refused, by the server's number of the error.
func clickhouseRemedy(err error) string {
	setting := envName("clickhouse-url")
	switch code, _ := clickhouse.Code(err); code {
	case 516, 192, 193, 194:
		return "mend user and password in " + setting
	case 81:
		return "create the database, or mend its name in " + setting
	}
	return "start the server, or mend host and port in " + setting + " (the port of the native protocol, 9000)"
}
