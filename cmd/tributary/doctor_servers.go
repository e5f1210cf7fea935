package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission/engine"
	"tributary/internal/clickhouse"
	"tributary/internal/doctor"
	"tributary/internal/position"
	"tributary/internal/postgres"
	"tributary/migrations"
	"tributary/tracker/loader"
)

// postgres looks at the server of the books.
func (d *doctorCommand) postgres(ctx context.Context, s stores) {
	const area = "PostgreSQL"
	address := s.postgres[postgres.Operator.Name()]
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		d.report.Add(area, doctor.Wrong, doctor.Problem(err), postgres.Fix(err))
		return
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it was only asked
	host := fmt.Sprintf("%s:%d", conn.Config().Host, conn.Config().Port)
	if conn.Config().TLSConfig == nil && !isLoopback(host) && !strings.HasPrefix(conn.Config().Host, "/") {
		d.report.Add(area, doctor.Warn, "the connection to "+host+" is not encrypted", "add sslmode=verify-full to "+envName("postgres-url")+" where the network between is not your own")
	}
	current, ok := migrations.Examine(ctx, &d.report, area, address, migrations.PostgresVersion)
	if !ok {
		return
	}
	if err := postgres.Examine(ctx, &d.report, conn, d.connections()); err != nil {
		d.report.Add(area, doctor.Wrong, doctor.Problem(err), "see the server's log")
		return
	}
	if !current {
		return // what follows asks for tables of this version
	}
	if err := d.postgresNetwork(ctx, conn); err != nil {
		d.report.Add(area, doctor.Wrong, doctor.Problem(err), "see the server's log")
	}
}

// connections is how many one process in each role takes.
func (d *doctorCommand) connections() int {
	return 3 + (3*d.cfg.Partitions + 4) + (2*d.cfg.EngineWorkers + 6 + 2) + 10
}

// postgresNetwork looks at what the network has written down, and what needs operator action.
func (d *doctorCommand) postgresNetwork(ctx context.Context, conn *pgx.Conn) error {
	const area = "PostgreSQL"
	if err := postgres.ExamineRoles(ctx, &d.report, conn); err != nil {
		return err
	}
	partitions, _, err := postgres.Setting(ctx, conn, "partitions")
	if err != nil {
		return err
	}
	halted, err := position.CountHalted(ctx, conn)
	if err != nil {
		return err
	}
	waiting, err := engine.ReadWaiting(ctx, conn)
	if err != nil {
		return err
	}
	batches, err := loader.ReadBacklog(ctx, conn)
	if err != nil {
		return err
	}
	letters := waiting.Letters["engine"] + waiting.Letters["loader"]
	if partitions != "" && partitions != strconv.Itoa(d.cfg.Partitions) {
		d.report.Add(area, doctor.Wrong, fmt.Sprintf("the topics were made with %s partitions, and %s is %d", partitions, envName("partitions"), d.cfg.Partitions), "set it to "+partitions)
	}
	for _, waiting := range []struct {
		count     int64
		what, fix string
	}{
		{halted, "partitions that are halted", "see PartitionHalted in docs/operate/runbook.md"},
		{letters, "dead letters", "tributary deadletters list"},
		{batches.Parked, "batches that are parked", "see BatchParked in docs/operate/runbook.md"},
	} {
		if waiting.count > 0 {
			d.report.Add(area, doctor.Warn, fmt.Sprintf("%s, which need operator action: %d", waiting.what, waiting.count), waiting.fix)
		}
	}
	d.paths(waiting)
	return d.fingerprints(ctx, conn)
}

// pathsLate is how long an order waits for its visitor's path before the alert PathsWait.
const pathsLate = 5 * time.Minute

// paths looks at how far the look-up of visitors' paths is, which orders wait for.
func (d *doctorCommand) paths(waiting engine.Waiting) {
	const area = "PostgreSQL"
	said := fmt.Sprintf("visitors' paths that orders wait for: %d, the first for %s", waiting.Paths, waiting.PathsOldest.Round(time.Second))
	switch {
	case waiting.Paths == 0:
		d.report.Add(area, doctor.OK, "no order waits for its visitor's path", "")
	case waiting.PathsOldest > pathsLate:
		d.report.Add(area, doctor.Warn, said, "see PathsWait in docs/operate/runbook.md")
	default:
		d.report.Add(area, doctor.OK, said, "")
	}
}

// fingerprints compares the keys with those of the network.
func (d *doctorCommand) fingerprints(ctx context.Context, conn *pgx.Conn) error {
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
			d.report.Add(setting.area(), doctor.Wrong, fmt.Sprintf("%s here is not the one that this network signs with", k), "give "+envName(string(setting))+" the same value on every tracker, loader and engine")
		}
	}
	return nil
}

// clickhouse looks at the server of the reports.
func (d *doctorCommand) clickhouse(ctx context.Context, s stores) {
	const area = "ClickHouse"
	conn, err := clickhouse.Open(s.clickhouse[clickhouse.Operator.Name()], 1)
	if err != nil {
		d.report.Add(area, doctor.Wrong, doctor.Problem(err), "correct "+envName("clickhouse-url"))
		return
	}
	defer conn.Close()
	if !clickhouse.Examine(ctx, &d.report, conn) {
		return
	}
	current, ok := migrations.Examine(ctx, &d.report, area, s.clickhouse[clickhouse.Operator.Name()], migrations.ClickHouseVersion)
	if !ok || !current {
		return
	}
	if err := loader.SelfTest(ctx, conn); err != nil {
		d.report.Add(area, doctor.Wrong, doctor.Problem(err), "use a version that README.md names, with its default settings")
		return
	}
	d.report.Add(area, doctor.OK, "rows sent twice are stored once, in tables and in rollups", "")
}
