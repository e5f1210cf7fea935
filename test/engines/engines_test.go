package engines

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/clickhouse"
	"tributary/internal/embedded"
)

func TestMain(m *testing.M) { Main(m) }

func TestEachPostgresDatabaseIsCleanAndMigrated(t *testing.T) {
	t.Parallel()
	for range 4 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			pool := Postgres(t)
			var migrations int
			if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM goose_db_version").Scan(&migrations); err != nil || migrations < 2 {
				t.Errorf("%d migrations were applied: %v", migrations, err)
			}
			if _, err := pool.Exec(t.Context(), "CREATE TABLE mine (n int)"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestEmptyPostgresDatabaseHasNoTables(t *testing.T) {
	t.Parallel()
	PostgresURL(t) // a template with tables must not be taken for the empty one
	var tables int
	query(t, EmptyPostgresURL(t), "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", &tables)
	if tables != 0 {
		t.Errorf("there are %d tables", tables)
	}
}

func TestPostgresDatabaseIsDroppedAfterItsTest(t *testing.T) { //nolint:tparallel // looks when the subtest has ended
	t.Parallel()
	var name string
	t.Run("", func(t *testing.T) {
		query(t, PostgresURL(t), "SELECT current_database()", &name)
		// A connection that a test forgot must not keep the database alive.
		if _, err := pgx.Connect(t.Context(), PostgresURL(t)); err != nil {
			t.Fatal(err)
		}
	})
	var left int
	query(t, startPostgres(t), "SELECT count(*) FROM pg_database WHERE datname = '"+name+"'", &left)
	if name == "" || left != 0 {
		t.Errorf("database %q is still there", name)
	}
}

// query reads one value.
func query(t *testing.T, address, statement string, into any) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if err := conn.QueryRow(t.Context(), statement).Scan(into); err != nil {
		t.Fatal(err)
	}
}

func TestEachClickHouseDatabaseIsClean(t *testing.T) {
	t.Parallel()
	for range 3 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			if err := execClickHouse(t.Context(), ClickHouse(t), "CREATE TABLE mine (n UInt8) ENGINE = MergeTree ORDER BY n"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestClickHouseMigratedHasTables(t *testing.T) {
	t.Parallel()
	if n := clickhouseTables(t, ClickHouseMigrated(t)); n < 2 {
		t.Errorf("a migrated database has %d tables", n)
	}
	if n := clickhouseTables(t, ClickHouse(t)); n != 0 {
		t.Errorf("an empty database has %d tables", n)
	}
}

func clickhouseTables(t *testing.T, address string) (n int) {
	t.Helper()
	db, err := clickhouse.OpenSQL(address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.QueryRowContext(t.Context(), "SELECT count() FROM system.tables WHERE database = currentDatabase()").Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestKafkaPrefixesDiffer(t *testing.T) {
	t.Parallel()
	first, second := Kafka(t), Kafka(t)
	if !slices.Equal(first.Brokers, second.Brokers) || first.Prefix == second.Prefix {
		t.Errorf("two calls: brokers %q and %q, prefixes %q and %q; want the same broker, other prefixes", first.Brokers, second.Brokers, first.Prefix, second.Prefix)
	}
	conn, err := net.Dial("tcp", first.Brokers[0])
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

func TestWithoutMainIsExplained(t *testing.T) {
	t.Parallel()
	var e engines
	_, err := e.start(&e.kafka, "TRIBUTARY_TEST_NOWHERE", embedded.Config{Kafka: true}, nil)
	if err == nil || !strings.Contains(err.Error(), "no TestMain that calls engines.Main") {
		t.Errorf("starting without Main: %v", err)
	}
}

// helperVariable makes one of the tests below run in a test process of its own, and says what it is there for.
const helperVariable = "TRIBUTARY_ENGINES_HELPER"

// helper prepares a test process that runs only one test.
func helper(t *testing.T, test string, env ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^"+test+"$", "-test.v", "-test.count=1")
	cmd.Env = append(append(os.Environ(), helperVariable+"=yes"), env...)
	return cmd
}

func TestHelperHangs(t *testing.T) {
	if os.Getenv(helperVariable) == "" {
		t.Skip("for TestKilledTestProcessLeavesNothing")
	}
	PostgresURL(t)
	Kafka(t)
	ClickHouse(t)
	if err := os.WriteFile(filepath.Join(shared.dir, "hangs"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	select {}
}

func TestKilledTestProcessLeavesNothing(t *testing.T) {
	t.Parallel()
	tmp := t.TempDir()
	cmd := helper(t, "TestHelperHangs", "TMPDIR="+tmp)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, "engines of the other test process", func() bool {
		found, _ := filepath.Glob(filepath.Join(tmp, folderPrefix+"*", "hangs"))
		return len(found) == 1
	})
	if n := processesOf(t, tmp); n < 3 {
		t.Errorf("%d processes name its folder, so this test sees less than it should", n)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	await(t, "its engines to end", func() bool { return processesOf(t, tmp) == 0 })

	if out, err := helper(t, "TestNothing", "TMPDIR="+tmp).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if left, err := filepath.Glob(filepath.Join(tmp, folderPrefix+"*")); err != nil || len(left) > 0 {
		t.Errorf("the next test process left %v: %v", left, err)
	}
}

func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited a minute for: %s", what)
		}
	}
}

// processesOf counts the processes that name dir in their arguments.
func processesOf(t *testing.T, dir string) (n int) {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(lines) == 0 {
		t.Skip("there is no /proc to read")
	}
	for _, line := range lines {
		if raw, err := os.ReadFile(line); err == nil && strings.Contains(string(raw), dir) {
			n++
		}
	}
	return n
}

func TestHelperUsesExternalServer(t *testing.T) {
	if os.Getenv(helperVariable) == "" {
		t.Skip("for TestExternalServerIsUsedAndLeftClean")
	}
	query(t, PostgresURL(t), "SELECT count(*) FROM goose_db_version", new(int))
	if n := clickhouseTables(t, ClickHouseMigrated(t)); n == 0 {
		t.Error("no tables")
	}
	kafka := Kafka(t)
	fmt.Println("Kafka:", kafka.User, kafka.Password, kafka.Brokers)
	if entries, err := os.ReadDir(shared.dir); err != nil || len(entries) != 1 { // the lock
		t.Errorf("the process has engines of its own: %v: %v", entries, err)
	}
}

func TestExternalServerIsUsedAndLeftClean(t *testing.T) {
	t.Parallel()
	server := EmptyPostgresURL(t)
	cmd := helper(t, "TestHelperUsesExternalServer",
		postgresVariable+"="+server, clickhouseVariable+"="+ClickHouse(t), kafkaVariable+"=kafka://user:word@192.0.2.1:9092")
	PostgresURL(t) // whose template is made once, and is not the helper's
	before := databases(t, server)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Kafka: user word [192.0.2.1:9092]") {
		t.Fatalf("%v: %s", err, out)
	}
	for name := range databases(t, server) {
		if !before[name] && strings.HasPrefix(name, "template_") {
			t.Errorf("template %s was left", name)
		}
	}
}

func databases(t *testing.T, server string) map[string]bool {
	t.Helper()
	var names []string
	query(t, server, "SELECT array_agg(datname::text) FROM pg_database", &names)
	set := map[string]bool{}
	for _, n := range names {
		set[n] = true
	}
	return set
}
