package fire

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/clickhouse"
	"tributary/internal/embedded"
)

// drill restores from backups, as an operator would: base backup and WAL archive of PostgreSQL, BACKUP of ClickHouse. First
// PostgreSQL is lost and restored to an earlier time, while Kafka and ClickHouse are ahead of it; then ClickHouse is lost
// and restored from an older copy. Between the two the load goes on, and in the end all books must be as if nothing had
// happened. For is divided in four: before the backup, behind it, behind the time that is restored, and between the two.
func drill(ctx context.Context, r *Run) error {
	d := &driller{Run: r, dir: r.Net.cfg.Data, part: r.Config.For / 4}
	for _, step := range []struct {
		name string
		work func(ctx context.Context) error
	}{
		{"archiving of WAL is switched on", d.archive},
		{"load", d.load},
		{"base backup of PostgreSQL", d.backUpPostgres},
		{"backup of ClickHouse", d.backUpClickHouse},
		{"load", d.load},
		{"the time to restore; the WAL up to it is archived", d.mark},
		{"load that PostgreSQL will forget", d.load},
		{"everything stops", d.stop},
		{"PostgreSQL's folder is wiped and restored from the base backup", d.restorePostgres},
		{"the servers start, PostgreSQL replays its WAL up to the time", d.startServers},
		{"tributary restore reconcile", d.lookReconciled},
		{"tributary restore reconcile --yes", d.reconcile},
		{"the network starts", d.start},
		{"load", d.load},
		{"everything stops", d.stop},
		{"ClickHouse's folder is wiped", d.wipeClickHouse},
		{"the servers start", d.startServers},
		{"ClickHouse is restored from its backup", d.restoreClickHouse},
		{"tributary restore reconcile --yes", d.reconcile},
		{"the network starts", d.start},
	} {
		began := time.Now()
		if err := step.work(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		r.Sayf("%s: %.1fs", step.name, time.Since(began).Seconds())
	}
	pause(ctx, d.part)
	return ctx.Err()
}

// driller is a drill under way.
type driller struct {
	*Run

	dir    string
	part   time.Duration
	target time.Time // to which PostgreSQL is restored
}

func (d *driller) path(parts ...string) string {
	return filepath.Join(append([]string{d.dir}, parts...)...)
}

func (d *driller) load(ctx context.Context) error {
	pause(ctx, d.part)
	return ctx.Err()
}

// sql runs statements in PostgreSQL.
func (d *driller) sql(ctx context.Context, statements ...string) error {
	conn, err := pgx.Connect(ctx, d.Net.Addresses.PostgresURL)
	if err != nil {
		return fmt.Errorf("connecting to PostgreSQL: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // the statements have been answered
	for _, s := range statements {
		if _, err := conn.Exec(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

// await asks PostgreSQL until it says yes.
func (d *driller) await(ctx context.Context, what, question string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		yes := false
		conn, err := pgx.Connect(ctx, d.Net.Addresses.PostgresURL)
		if err == nil {
			err = errors.Join(conn.QueryRow(ctx, question, args...).Scan(&yes), conn.Close(ctx))
		}
		if yes && err == nil {
			return nil
		}
		pause(ctx, 50*time.Millisecond)
		if ctx.Err() != nil {
			return fmt.Errorf("waiting until %s: %w", what, errors.Join(ctx.Err(), err))
		}
	}
}

func (d *driller) archive(ctx context.Context) error {
	if err := os.MkdirAll(d.path("archive"), 0o700); err != nil {
		return fmt.Errorf("making the archive: %w", err)
	}
	err := d.sql(ctx, `ALTER SYSTEM SET archive_mode = on`,
		fmt.Sprintf(`ALTER SYSTEM SET archive_command = 'test ! -f "%[1]s/%%f" && cp "%%p" "%[1]s/%%f"'`, d.path("archive")))
	if err != nil {
		return err
	}
	if err := d.Net.Crash(ctx, embedded.Postgres); err != nil {
		return err
	}
	return d.await(ctx, "PostgreSQL archives", `SELECT current_setting('archive_mode') = 'on'`)
}

// backUpPostgres copies the running cluster between pg_backup_start and pg_backup_stop, as pg_basebackup does.
func (d *driller) backUpPostgres(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, d.Net.Addresses.PostgresURL)
	if err != nil {
		return fmt.Errorf("connecting to PostgreSQL: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // the statements have been answered
	if _, err := conn.Exec(ctx, `SELECT pg_backup_start('drill', true)`); err != nil {
		return fmt.Errorf("beginning the backup: %w", err)
	}
	// Files come and go meanwhile, of which tar warns: the WAL says what became of them.
	copying := exec.CommandContext(ctx, "sh", "-c", //nolint:gosec // folders of our own
		`mkdir -p "$2" && tar -C "$1" --warning=no-file-changed --warning=no-file-removed --exclude=./pg_wal/* --exclude=./postmaster.pid -cf - . | tar -C "$2" -xf -`,
		"copy", d.path("engines", "postgres"), d.path("backup"))
	if out, err := copying.CombinedOutput(); err != nil {
		return fmt.Errorf("copying the cluster: %w\n%s", err, out)
	}
	var label string
	if err := conn.QueryRow(ctx, `SELECT labelfile FROM pg_backup_stop(true)`).Scan(&label); err != nil {
		return fmt.Errorf("ending the backup: %w", err)
	}
	return os.WriteFile(d.path("backup", "backup_label"), []byte(label), 0o600)
}

func (d *driller) clickhouse(ctx context.Context, statement string) error {
	conn, err := clickhouse.Open(d.Net.Addresses.ClickHouseURL, 1)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Exec(ctx, statement)
}

func (d *driller) backUpClickHouse(ctx context.Context) error {
	return d.clickhouse(ctx, `BACKUP DATABASE tributary TO File('drill')`)
}

func (d *driller) restoreClickHouse(ctx context.Context) error {
	return d.clickhouse(ctx, `RESTORE DATABASE tributary FROM File('drill')`)
}

// mark chooses the time that will be restored, and has the WAL up to it archived.
func (d *driller) mark(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, d.Net.Addresses.PostgresURL)
	if err != nil {
		return fmt.Errorf("connecting to PostgreSQL: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // the statements have been answered
	if err := conn.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&d.target); err != nil {
		return fmt.Errorf("asking for the time: %w", err)
	}
	pause(ctx, time.Second) // commits behind the time, at which the replay knows to end
	var last string
	if err := conn.QueryRow(ctx, `SELECT pg_walfile_name(pg_switch_wal())`).Scan(&last); err != nil {
		return fmt.Errorf("ending a WAL file: %w", err)
	}
	return d.await(ctx, "the WAL is archived", `SELECT last_archived_wal >= $1 FROM pg_stat_archiver`, last)
}

func (d *driller) stop(context.Context) error { return d.Net.Halt() }

func (d *driller) startServers(ctx context.Context) error {
	if err := d.Net.StartServers(ctx); err != nil {
		return err
	}
	return d.await(ctx, "PostgreSQL takes writes", `SELECT NOT pg_is_in_recovery()`)
}

func (d *driller) start(ctx context.Context) error { return d.Net.Start(ctx) }

func (d *driller) restorePostgres(context.Context) error {
	data := d.path("engines", "postgres")
	if err := errors.Join(os.RemoveAll(data), os.Rename(d.path("backup"), data), os.MkdirAll(filepath.Join(data, "pg_wal"), 0o700)); err != nil {
		return fmt.Errorf("putting the backup in place: %w", err)
	}
	auto, err := os.OpenFile(filepath.Join(data, "postgresql.auto.conf"), os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("opening the settings: %w", err)
	}
	_, err = fmt.Fprintf(auto, "restore_command = 'cp \"%s/%%f\" \"%%p\"'\nrecovery_target_time = '%s'\nrecovery_target_action = 'promote'\n",
		d.path("archive"), d.target.UTC().Format("2006-01-02 15:04:05.000000+00"))
	if err := errors.Join(err, auto.Close(), os.WriteFile(filepath.Join(data, "recovery.signal"), nil, 0o600)); err != nil {
		return fmt.Errorf("writing what to restore: %w", err)
	}
	return nil
}

func (d *driller) wipeClickHouse(context.Context) error {
	return os.RemoveAll(d.path("engines", "clickhouse"))
}

// lookReconciled wants the program to see that something is to be done, and to do nothing.
func (d *driller) lookReconciled(ctx context.Context) error {
	err := d.await(ctx, "the engines of the time that was restored are long gone", `SELECT NOT EXISTS (SELECT FROM consumer_owner WHERE seen > now() - interval '10 seconds')`)
	if err != nil {
		return err
	}
	out, err := d.run(ctx, "restore", "reconcile")
	if err == nil && !strings.Contains(out, "beyond what PostgreSQL knows") {
		d.Findf("drill", "reconcile did not see that PostgreSQL was restored: %s", out)
	}
	return err
}

func (d *driller) reconcile(ctx context.Context) error {
	_, err := d.run(ctx, "restore", "reconcile", "--yes")
	return err
}

func (d *driller) run(ctx context.Context, args ...string) (string, error) {
	out, err := d.Net.Command(ctx, args...).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		d.Sayf("  %s", strings.TrimSpace(line))
	}
	if err != nil {
		return "", fmt.Errorf("running tributary %s: %w", strings.Join(args, " "), err)
	}
	return string(out), nil
}

// Halt ends the processes under test and the servers, and waits for them. StartServers and Start begin again.
func (n *Network) Halt() error {
	n.StopProcesses()
	for deadline := time.Now().Add(time.Minute); slices.ContainsFunc(n.Processes, func(p *Process) bool { return p.Pid() != 0 }); {
		if time.Now().After(deadline) {
			return errors.New("stopping the network: a process does not end")
		}
		time.Sleep(20 * time.Millisecond)
	}
	n.Processes = nil
	n.stopAll()
	return n.group.Wait()
}

// StartServers starts the servers again after Halt.
func (n *Network) StartServers(ctx context.Context) error {
	enginesCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	n.stopAll = stop
	return n.startServers(ctx, enginesCtx)
}
