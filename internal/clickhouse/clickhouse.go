// Package clickhouse opens ClickHouse, for the loader that writes it (step 3) and the pages that read it (step 7). It
// is the only package that knows the driver.
package clickhouse

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Conn is a pool of connections over the native protocol.
type Conn = driver.Conn

// Batch is an insert that is being put together, column by column.
type Batch = driver.Batch

// Rows are the answer to a query.
type Rows = driver.Rows

// Settings are ClickHouse's settings of one query, by their names.
type Settings = clickhouse.Settings

const (
	dialTimeout = 5 * time.Second
	// writeTimeout bounds one write to the network: the driver bounds reads only, and a server that stopped reading
	// would hold an insert for ever.
	writeTimeout = 30 * time.Second
)

// Open makes a pool of at most size connections from a clickhouse:// URL. It does not connect yet.
func Open(url string, size int) (Conn, error) {
	options, err := clickhouse.ParseDSN(url)
	if err != nil {
		return nil, fmt.Errorf("reading the ClickHouse address: %w", err)
	}
	options.MaxOpenConns = size
	options.MaxIdleConns = size
	options.DialTimeout = dialTimeout
	if options.TLS == nil { // a dialler of ours would have to do TLS, too
		options.DialContext = dial
	}
	conn, err := clickhouse.Open(options)
	if err != nil {
		return nil, fmt.Errorf("opening ClickHouse: %w", err)
	}
	return conn, nil
}

// OpenSQL opens the database for the migrations.
func OpenSQL(url string) (*sql.DB, error) {
	options, err := clickhouse.ParseDSN(url)
	if err != nil {
		return nil, fmt.Errorf("reading the ClickHouse address: %w", err)
	}
	return clickhouse.OpenDB(options), nil
}

// WithSettings gives the queries that run under the context these settings, in place of any it had.
func WithSettings(ctx context.Context, settings Settings) context.Context {
	return clickhouse.Context(ctx, clickhouse.WithSettings(settings))
}

// ForEachRow scans each row into dest, calls do after each, and closes rows.
func ForEachRow(rows Rows, dest []any, do func()) (err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return fmt.Errorf("reading a row: %w", err)
		}
		do()
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("reading rows: %w", err)
	}
	return nil
}

// Code is the number of the server's error in err's chain; ok is false when it is not an answer of the server.
func Code(err error) (code int32, ok bool) {
	if e, ok := errors.AsType[*clickhouse.Exception](err); ok {
		return e.Code, true
	}
	return 0, false
}

func dial(ctx context.Context, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connecting to ClickHouse at %s: %w", address, err)
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return conn, nil
	}
	return boundedConn{tcp}, nil
}

// boundedConn is a connection on which no write takes longer than writeTimeout. It is a TCP connection still, whose
// socket the driver looks at before it takes a connection out of its pool.
type boundedConn struct{ *net.TCPConn }

// Write writes p.
func (c boundedConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, fmt.Errorf("bounding a write: %w", err)
	}
	return c.TCPConn.Write(p) //nolint:wrapcheck // the driver looks for the very errors of a socket
}
