package embedded

import (
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tributary/internal/clickhouse"
)

// openClickHouse connects to a database, as the given user if it is not nil. It is closed when the test ends.
func openClickHouse(t *testing.T, address string, user *url.Userinfo) *sql.DB {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	if user != nil {
		u.User = user
	}
	db, err := clickhouse.OpenSQL(u.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func writeClickHouse(t *testing.T, a Addresses) {
	t.Helper()
	db := openClickHouse(t, a.ClickHouseURL, nil)
	for _, statement := range []string{
		"CREATE TABLE kept (n UInt64) ENGINE = MergeTree ORDER BY n",
		"INSERT INTO kept SELECT number FROM numbers(1000)",
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}

func readClickHouse(t *testing.T, a Addresses) {
	t.Helper()
	var n int
	db := openClickHouse(t, a.ClickHouseURL, nil)
	if err := db.QueryRowContext(t.Context(), "SELECT count() FROM kept").Scan(&n); err != nil {
		t.Fatal(err)
	}
	if n != 1000 {
		t.Errorf("ClickHouse kept %d of 1000 rows", n)
	}
}

// TestClickHouseGivesNothingWithoutAPassword: threat F4. A user of the machine, or a page in a browser on it, could close the
// ports as the user of the server's own session.
func TestClickHouseGivesNothingWithoutAPassword(t *testing.T) {
	t.Parallel()
	s, a, _ := start(t, Config{Dir: t.TempDir(), ClickHouse: true})
	writeClickHouse(t, a)
	before := s.Status(ClickHouse)
	for _, user := range []*url.Userinfo{
		url.User("default"), url.UserPassword("default", "guess"), url.User("tributary_dashboard"), url.User("tributary"), url.UserPassword("tributary", "guess"),
	} {
		says := "Authentication failed"
		if user.String() == "default" {
			says = "code: 700" // USER_SESSION_LIMIT_EXCEEDED
		}
		for _, statement := range []string{
			"SELECT 1", "SYSTEM STOP LISTEN TCP", "SYSTEM STOP LISTEN QUERIES ALL", "SELECT sum(number) FROM system.numbers LIMIT 1", "SHOW DATABASES",
			"SELECT count() FROM tributary.kept", "DROP TABLE tributary.kept", "CREATE DATABASE mine", "SYSTEM SHUTDOWN",
			"SELECT * FROM file('/etc/passwd', LineAsString)", "SELECT query FROM system.processes",
		} {
			_, err := openClickHouse(t, a.ClickHouseURL, user).ExecContext(t.Context(), statement)
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%s as %s: %v, want an error that says %q", statement, user, err, says)
			}
		}
	}
	readClickHouse(t, a)
	if diff := cmp.Diff(before, s.Status(ClickHouse)); diff != "" {
		t.Errorf("ClickHouse was started again (-before +after):\n%s", diff)
	}
}

// TestClickHouseDropsStrangers: threat F13, of ClickHouse.
func TestClickHouseDropsStrangers(t *testing.T) {
	t.Parallel()
	_, a, _ := start(t, Config{Dir: t.TempDir(), ClickHouse: true})
	writeClickHouse(t, a)
	address, err := url.Parse(a.ClickHouseURL)
	if err != nil {
		t.Fatal(err)
	}
	strangers := crowd(t, address.Host, nil)
	readClickHouse(t, a)
	strangers.left(t)
}

// TestLoginsReadReportsOnly: threat S21, of the pages and of who reads with a tool of their own, should a query ever be somebody
// else's.
func TestLoginsReadReportsOnly(t *testing.T) {
	t.Parallel()
	_, a, _ := start(t, Config{Dir: t.TempDir(), ClickHouse: true})
	writeClickHouse(t, a)
	for _, role := range []string{"dashboard", "reader"} {
		db := openClickHouse(t, a.ClickHouseRoles[role], nil)
		var n int
		if err := db.QueryRowContext(t.Context(), "SELECT count() FROM tributary.kept").Scan(&n); err != nil || n == 0 {
			t.Fatalf("%d rows: %v", n, err)
		}
		for _, statement := range []string{
			"INSERT INTO tributary.kept SELECT * FROM tributary.kept", "DROP TABLE tributary.kept", "TRUNCATE TABLE tributary.kept", "SYSTEM STOP MERGES tributary.kept",
			"ALTER TABLE tributary.kept DELETE WHERE 1", "OPTIMIZE TABLE tributary.kept", "SYSTEM SHUTDOWN", "CREATE TABLE tributary.mine (x Int8) ENGINE = Memory",
			"CREATE TABLE tributary.loader_canary_1 (x Int8) ENGINE = Memory", "CREATE TEMPORARY TABLE mine (x Int8)", "SELECT count() FROM system.processes", "SELECT count() FROM system.users",
			"SELECT count() FROM system.query_thread_log", "SELECT * FROM file('/etc/passwd', LineAsString)",
			"SELECT * FROM url('http://127.0.0.1:1/', LineAsString)", "SELECT * FROM remote('127.0.0.1', 'tributary', 'kept')",
			"KILL QUERY WHERE 1", "CREATE USER mine", "GRANT SELECT ON *.* TO tributary_" + role,
		} {
			_, err := db.ExecContext(t.Context(), statement)
			if err == nil || !strings.Contains(err.Error(), "code: ") {
				t.Errorf("%s: %s: %v, want a refusal", role, statement, err)
			}
		}
		_, err := db.ExecContext(t.Context(), "SELECT number FROM numbers(300000) FORMAT Null SETTINGS max_result_rows = 0")
		if limited := err != nil && strings.Contains(err.Error(), "code: 452"); limited != (role == "dashboard") {
			t.Errorf("%s asks for more rows than a page: %v", role, err)
		}
	}
}

// TestClickHouseOutlivesBrokenConnections: clickhouse-local with a query instead of a terminal ends at each of these.
func TestClickHouseOutlivesBrokenConnections(t *testing.T) {
	t.Parallel()
	s, a, _ := start(t, Config{Dir: t.TempDir(), ClickHouse: true})
	writeClickHouse(t, a)
	before := s.Status(ClickHouse)
	address, err := url.Parse(a.ClickHouseURL)
	if err != nil {
		t.Fatal(err)
	}
	for what, bytes := range map[string]string{
		"nothing": "", "half a greeting": "\x00\x05hello", "HTTP": "GET / HTTP/1.0\r\n\r\n", "TLS": "\x16\x03\x01\x02\x00\x01",
		"noise": strings.Repeat("\xff", 5000),
	} {
		conn, err := net.Dial("tcp", address.Host)
		if err != nil {
			t.Fatalf("before sending %s: %v", what, err)
		}
		if _, err := io.WriteString(conn, bytes); err != nil {
			t.Fatal(err)
		}
		if err := conn.(*net.TCPConn).SetLinger(0); err != nil { // so that closing resets the connection
			t.Fatal(err)
		}
		conn.Close()
	}
	for range 3 {
		if err := openClickHouse(t, a.ClickHouseURL, url.UserPassword("tributary", "guess")).PingContext(t.Context()); err == nil {
			t.Error("a wrong password is let in")
		}
		readClickHouse(t, a)
	}
	if diff := cmp.Diff(before, s.Status(ClickHouse)); diff != "" {
		t.Errorf("ClickHouse was started again (-before +after):\n%s", diff)
	}
}

func TestClickHouseHoldsManyDatabases(t *testing.T) {
	t.Parallel()
	_, a, _ := start(t, Config{Dir: t.TempDir(), ClickHouse: true, Throwaway: true})
	db := openClickHouse(t, a.ClickHouseURL, nil)
	for i := range 100 {
		for _, statement := range []string{
			"CREATE DATABASE d%d", "CREATE TABLE d%d.t (n UInt8) ENGINE = MergeTree ORDER BY n", "INSERT INTO d%d.t VALUES (1)",
		} {
			if _, err := db.ExecContext(t.Context(), fmt.Sprintf(statement, i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	var n int
	if err := db.QueryRowContext(t.Context(), "SELECT count() FROM merge(REGEXP('^d'), '^t$')").Scan(&n); err != nil {
		t.Fatal(err)
	}
	if n != 100 {
		t.Errorf("the rows of 100 databases are %d", n)
	}
}

func TestClickHousePartsAreSyncedUnlessThrowaway(t *testing.T) {
	t.Parallel()
	for throwaway, want := range map[bool]string{false: "1", true: "0"} {
		_, a, _ := start(t, Config{Dir: t.TempDir(), ClickHouse: true, Throwaway: throwaway})
		var got string
		err := openClickHouse(t, a.ClickHouseURL, nil).QueryRowContext(t.Context(),
			"SELECT value FROM system.merge_tree_settings WHERE name = 'fsync_after_insert'").Scan(&got)
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("fsync_after_insert is %s with Throwaway %v, want %s", got, throwaway, want)
		}
	}
}
