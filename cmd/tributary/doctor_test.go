package main

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"tributary/internal/clickhouse"
	"tributary/internal/doctor"
	"tributary/internal/postgres"
	"tributary/internal/stream"
	"tributary/test/engines"
)

// diagnosis is what doctor --json prints.
type diagnosis struct {
	Wrong    int              `json:"wrong"`
	Warn     int              `json:"warn"`
	Findings []doctor.Finding `json:"findings"`
	Settings []setting        `json:"settings"`
}

// patient is a set-up on the test servers, of which a case changes something.
type patient struct {
	environ []string
	data    string
	args    []string
}

func (p *patient) set(name, value string) { p.environ = append(p.environ, prefix+name+"="+value) }

// leaveOut unsets the servers that do not matter to an area, so that they need not be looked at.
func (p *patient) leaveOut(area string) {
	needed := map[string]string{
		"PostgreSQL": "POSTGRES_URL", "click keys": "POSTGRES_URL", "Kafka": "KAFKA_BROKERS", "settings": "KAFKA_BROKERS", "ClickHouse": "CLICKHOUSE_URL",
	}[area]
	for _, name := range []string{"POSTGRES_URL", "KAFKA_BROKERS", "CLICKHOUSE_URL"} {
		if name != needed {
			p.set(name, "")
		}
	}
}

// diagnose runs the doctor, and makes sure that its exit and its text agree with what it says, and that it tells no secret.
func (p *patient) diagnose(t *testing.T) diagnosis {
	t.Helper()
	args := append([]string{"doctor", "--data", p.data, "--tracker-listen", "127.0.0.1:0", "--dashboard-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"}, p.args...)
	out, err := tributary(t.Context(), t, p.environ, append(args, "--json")...)
	var d diagnosis
	if jsonErr := json.Unmarshal([]byte(out), &d); jsonErr != nil {
		t.Fatalf("%v (%v) in %s", jsonErr, err, out)
	}
	if (err != nil) != (d.Wrong > 0) {
		t.Errorf("it ended with %v, and found %d things wrong", err, d.Wrong)
	}
	for _, secret := range []string{"wrong-password", "c2VjcmV0", "://tributary:"} {
		if strings.Contains(out, secret) {
			t.Errorf("%q is in its output:\n%s", secret, out)
		}
	}
	return d
}

func TestDoctorNamesWhatIsWrongAndTheFix(t *testing.T) { //nolint:tparallel // the cases share servers, which stay
	t.Parallel()
	owned, filled := engines.PostgresURL(t), engines.ClickHouse(t)
	database, reports := engines.As(owned, postgres.Operator), engines.ClickHouseAs(filled, clickhouse.Operator)
	kafka, super := rolesOfKafka(t, owned, filled)
	servers := append(kafka.Environ(), "TRIBUTARY_POSTGRES_URL="+database, "TRIBUTARY_CLICKHOUSE_URL="+reports)
	empty, bare := engines.As(engines.EmptyPostgresURL(t), postgres.Operator), engines.ClickHouseAs(engines.ClickHouse(t), clickhouse.Operator)
	password := func(address string) string {
		at := strings.Index(address, "@")
		return address[:strings.Index(address, "://")+3] + "tributary_operator:wrong-password" + address[at:]
	}
	sql := func(t *testing.T, do, undo string) {
		t.Helper()
		conn, err := pgx.Connect(t.Context(), owned)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		if _, err := conn.Exec(t.Context(), do); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			ctx := context.Background() // that of the test has ended
			conn, err := pgx.Connect(ctx, owned)
			if err == nil {
				defer conn.Close(ctx)
				_, err = conn.Exec(ctx, undo)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	for _, row := range []struct {
		name   string
		harm   func(t *testing.T, p *patient)
		area   string
		health doctor.Health
		says   string
		fix    string
	}{
		{"all is well", func(*testing.T, *patient) {}, "ClickHouse", doctor.OK, "rows sent twice are stored once", ""},
		{"a topic is missing", func(_ *testing.T, p *patient) {
			p.set("KAFKA_PREFIX", "elsewhere.")
			p.set("KAFKA_USER", super.User)
			p.set("KAFKA_PASSWORD", super.Password)
		}, "Kafka", doctor.Wrong, "topic elsewhere.orders does not exist", "migrate"},
		{"topics of others", func(_ *testing.T, p *patient) { p.set("KAFKA_PREFIX", "elsewhere.") }, "Kafka", doctor.Wrong, "Topic Authorization Failed", "migrate --kafka-passwords"},
		{"other partitions than the network's", func(_ *testing.T, p *patient) { p.set("PARTITIONS", "3") }, "PostgreSQL", doctor.Wrong, "made with 6 partitions", "set it to 6"},
		{"other partitions than the topics'", func(_ *testing.T, p *patient) { p.set("PARTITIONS", "3") }, "Kafka", doctor.Wrong, "has 6 partitions", ""},
		{"Kafka gives records up sooner", func(_ *testing.T, p *patient) { p.set("RETENTION", "2000h") }, "Kafka", doctor.Warn, "keeps records for 168h", "retention.ms"},
		{"wrong password of PostgreSQL", func(_ *testing.T, p *patient) { p.set("POSTGRES_URL", password(database)) }, "PostgreSQL", doctor.Wrong, "28P01", "correct user and password"},
		{"no such database", func(_ *testing.T, p *patient) { p.set("POSTGRES_URL", withPath(database, "nowhere")) }, "PostgreSQL", doctor.Wrong, "3D000", "create the database"},
		{"PostgreSQL is down", func(_ *testing.T, p *patient) { p.set("POSTGRES_URL", "postgres://u:wrong-password@127.0.0.1:1/d") }, "PostgreSQL", doctor.Wrong, "refused", "start the server"},
		{"PostgreSQL was not migrated", func(_ *testing.T, p *patient) { p.set("POSTGRES_URL", empty) }, "PostgreSQL", doctor.Wrong, "its schema is version 0", "tributary migrate"},
		{"the schema is newer", func(t *testing.T, _ *patient) {
			t.Helper()
			sql(t, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, true)`, `DELETE FROM goose_db_version WHERE version_id = 99999`)
		}, "PostgreSQL", doctor.Wrong, "this binary is older", "newer binary"},
		{"wrong password of ClickHouse", func(_ *testing.T, p *patient) { p.set("CLICKHOUSE_URL", password(reports)) }, "ClickHouse", doctor.Wrong, "516", "correct user and password"},
		{"ClickHouse was not migrated", func(_ *testing.T, p *patient) { p.set("CLICKHOUSE_URL", bare) }, "ClickHouse", doctor.Wrong, "its schema is version 0", "tributary migrate"},
		{"ClickHouse is down", func(_ *testing.T, p *patient) {
			p.set("CLICKHOUSE_URL", "clickhouse://tributary_operator:wrong-password@127.0.0.1:1/d")
		}, "ClickHouse", doctor.Wrong, "refused", "native protocol"},
		{"the operator's rights on Kafka", func(*testing.T, *patient) {}, "Kafka", doctor.OK, "are those of the operator", ""},
		{"the rights of another role", func(_ *testing.T, p *patient) {
			p.set("KAFKA_USER", "tributary_tracker")
			p.set("KAFKA_PASSWORD", kafkaPassword(stream.Tracker))
		}, "Kafka", doctor.Wrong, "this user may Write topic", "log in as tributary_operator"},
		{"no user of Kafka", func(_ *testing.T, p *patient) {
			p.set("KAFKA_USER", "")
			p.set("KAFKA_PASSWORD", "")
		}, "Kafka", doctor.Wrong, "no user is set", "give each role a user"},
		{"Kafka without passwords", func(t *testing.T, p *patient) {
			t.Helper()
			p.set("KAFKA_BROKERS", openKafka(t))
		}, "Kafka", doctor.Wrong, "answers who has shown no password", "SASL_SSL"},
		{"Kafka without TLS", func(_ *testing.T, p *patient) {
			p.set("KAFKA_BROKERS", "192.0.2.1:9092")
			p.set("KAFKA_USER", "")
			p.set("KAFKA_PASSWORD", "")
		}, "Kafka", doctor.Wrong, "can be read and changed on the way", "TRIBUTARY_KAFKA_TLS"},
		{"Kafka is down", func(_ *testing.T, p *patient) { p.set("KAFKA_BROKERS", "127.0.0.1:1") }, "Kafka", doctor.Wrong, "refused", "advertises"},
		{"a folder that cannot be written", func(_ *testing.T, p *patient) { p.data = "/proc/tributary" }, "data folder", doctor.Wrong, "/proc/tributary", "TRIBUTARY_DATA"},
		{"a file in its place", func(t *testing.T, p *patient) {
			t.Helper()
			p.data = write(t, filepath.Join(p.data, "file"), "", 0o600)
		}, "data folder", doctor.Wrong, "not a folder", ""},
		{"a folder open to others", func(t *testing.T, p *patient) {
			t.Helper()
			if err := os.Chmod(p.data, 0o755); err != nil {
				t.Fatal(err)
			}
		}, "data folder", doctor.Warn, "mode 755", "chmod 700"},
		{"a key open to others", func(t *testing.T, p *patient) {
			t.Helper()
			write(t, filepath.Join(p.data, "click-keys"), "1:c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U=", 0o644)
		}, "click keys", doctor.Wrong, "mode 644", "chmod 600"},
		{"a key that is none", func(_ *testing.T, p *patient) { p.set("CLICK_KEYS", "one") }, "click keys", doctor.Wrong, "", "keys new"},
		{"no key beside servers of one's own", func(*testing.T, *patient) {}, "click keys", doctor.Warn, "none are set", "TRIBUTARY_CLICK_KEYS"},
		{"another key than the network's", func(t *testing.T, p *patient) {
			t.Helper()
			p.set("CLICK_KEYS", "7:c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U=")
			sql(t, `INSERT INTO setting VALUES ('click_key_7', 'another')`, `DELETE FROM setting WHERE name = 'click_key_7'`)
		}, "click keys", doctor.Wrong, "not the one that this network signs with", "same value"},
		{"a port that is taken", func(t *testing.T, p *patient) {
			t.Helper()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = l.Close() })
			p.args = append(p.args, "--tracker-listen", l.Addr().String())
		}, "ports", doctor.Warn, "TRIBUTARY_TRACKER_LISTEN", "another address"},
		{"a mistyped setting", func(_ *testing.T, p *patient) { p.set("PARTITION", "3") }, "settings", doctor.Warn, "TRIBUTARY_PARTITION is not a setting", ""},
		{"a public address without TLS", func(_ *testing.T, p *patient) { p.set("DASHBOARD_URL", "http://partners.example") }, "settings", doctor.Warn, "not marked secure", "TLS"},
		{"a proxy that nobody trusts", func(_ *testing.T, p *patient) { p.set("TRACKER_URL", "https://go.example") }, "settings", doctor.Warn, "seems to come from the proxy", "TRIBUTARY_TRUSTED_PROXIES"},
		{"a server that does not sync", func(*testing.T, *patient) {}, "PostgreSQL", doctor.Wrong, "fsync is off", "on"},
		{"servers of two sorts", func(*testing.T, *patient) {}, "settings", doctor.Warn, "some embedded", "TRIBUTARY_KAFKA_BROKERS"},
		{"a path is looked up", func(t *testing.T, _ *patient) {
			t.Helper()
			sql(t, `INSERT INTO path_wanted (lane, merchant_id, keys, order_id, click_id, program_id, partner_id, clicked_at, written) VALUES (0, 1, 0, 'A', 'c', 1, 1, now(), now() - interval '1 hour')`, `DELETE FROM path_wanted`)
		}, "PostgreSQL", doctor.Warn, "visitors' paths that orders wait for: 1, the first for 1h0m", "PathsWait"},
		{"a partition is halted", func(t *testing.T, _ *patient) {
			t.Helper()
			sql(t, `INSERT INTO position (consumer, topic, partition, halted) VALUES ('engine', 'orders', 5, 'a gap')`, `DELETE FROM position`)
		}, "PostgreSQL", doctor.Warn, "partitions that are halted, which need operator action: 1", "PartitionHalted"},
	} {
		t.Run(row.name, func(t *testing.T) { //nolint:paralleltest // see above
			p := &patient{environ: append([]string(nil), servers...), data: filepath.Join(t.TempDir(), "data")}
			if err := os.Mkdir(p.data, 0o700); err != nil {
				t.Fatal(err)
			}
			if row.name != "all is well" {
				p.leaveOut(row.area)
			}
			row.harm(t, p)
			d := p.diagnose(t)
			for _, r := range d.Findings {
				if row.health != doctor.Wrong && r.Health == doctor.Wrong && !strings.Contains(r.Says, " is off: ") { // the test server does not sync
					t.Errorf("%+v, want nothing wrong", r)
				}
			}
			for _, r := range d.Findings {
				if r.Area == row.area && r.Health == row.health && strings.Contains(r.Says, row.says) && strings.Contains(r.Fix, row.fix) {
					return
				}
			}
			t.Errorf("no finding is %s %s: %q, with the fix %q:", row.health, row.area, row.says, row.fix)
			for _, r := range d.Findings {
				t.Errorf("  %+v", r)
			}
		})
	}
}

// write makes a file and gives its name.
func write(t *testing.T, path, content string, mode os.FileMode) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// withPath names another database of the same server.
func withPath(address, database string) string {
	return address[:strings.LastIndex(address, "/")+1] + database + strings.TrimLeft(address[strings.LastIndex(address, "/"):], "/abcdefghijklmnopqrstuvwxyz0123456789_")
}

func TestDoctorLooksAtEmbeddedEnginesOnlyWhenTheyRun(t *testing.T) {
	t.Parallel()
	p := &patient{data: t.TempDir()}
	d := p.diagnose(t)
	idle := 0
	for _, r := range d.Findings {
		if strings.Contains(r.Says, "not running now") {
			idle++
		}
	}
	if idle != 3 || d.Wrong != 0 {
		t.Errorf("%d servers are at rest and %d things wrong, want 3 and none: %+v", idle, d.Wrong, d.Findings)
	}
	if left, err := os.ReadDir(p.data); err != nil || len(left) > 0 {
		t.Errorf("it left %v behind: %v", left, err)
	}
}
