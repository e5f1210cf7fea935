// Package clickhouse opens ClickHouse, for the loader that writes it (step 3) and the pages that read it (step 7). It
// is the only package that knows the driver.
package clickhouse

import (
	"database/sql"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Conn is a pool of connections over the native protocol.
type Conn = driver.Conn

// Open makes a pool of at most size connections from a clickhouse:// URL. It does not connect yet.
func Open(url string, size int) (Conn, error) {
	options, err := clickhouse.ParseDSN(url)
	if err != nil {
		return nil, fmt.Errorf("reading the ClickHouse address: %w", err)
	}
	options.MaxOpenConns = size
	options.MaxIdleConns = size
	options.DialTimeout = 5 * time.Second
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
