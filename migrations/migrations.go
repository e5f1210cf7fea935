// Package migrations holds the schema of both databases as goose files and brings a database up to it. It belongs to
// no step of a click's life: it runs before the first one. A schema only goes up: whoever wants an earlier one restores a backup.
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"tributary/internal/clickhouse"
	"tributary/internal/postgres"

	"github.com/pressly/goose/v3"
)

//go:embed postgres/*.sql clickhouse/*.sql
var files embed.FS

// Postgres brings the PostgreSQL database at url up to this binary's schema. It may be called at any time; processes
// that call it together wait for one another. A database of another format gives a *FormatError and stays as it is.
func Postgres(ctx context.Context, url string) error {
	db, err := postgres.OpenSQL(url)
	if err != nil {
		return err
	}
	defer db.Close()
	// Migrations of several processes are serialised by a lock that ends with the connection.
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connecting to PostgreSQL: %w", err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_lock(8402911473)`); err != nil {
		return fmt.Errorf("waiting for other migrations: %w", err)
	}
	if err := checkFormat(ctx, db, "the PostgreSQL database", postgresTables); err != nil {
		return err
	}
	return up(ctx, db, goose.DialectPostgres, "postgres")
}

// ClickHouse brings the ClickHouse database at url up to this binary's schema. ClickHouse has no lock to offer: one
// process at a time may call it. A database of another format gives a *FormatError and stays as it is.
func ClickHouse(ctx context.Context, url string) error {
	db, err := clickhouse.OpenSQL(url)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := checkFormat(ctx, db, "the ClickHouse database", clickhouseTables); err != nil {
		return err
	}
	return up(ctx, db, goose.DialectClickHouse, "clickhouse")
}

// PostgresCurrent tells whether the database at url is at this binary's schema. One of another format gives a *FormatError.
func PostgresCurrent(ctx context.Context, url string) (bool, error) {
	v, err := PostgresVersion(ctx, url)
	return v.Current == v.Wanted, err
}

// Version is the schema that a database has, 0 for none, and the one that this binary works with.
type Version struct{ Current, Wanted int64 }

// PostgresVersion reads the schema version of the PostgreSQL database at url.
func PostgresVersion(ctx context.Context, url string) (Version, error) {
	db, err := postgres.OpenSQL(url)
	if err != nil {
		return Version{}, err
	}
	if err := checkFormat(ctx, db, "the PostgreSQL database", postgresTables); err != nil {
		db.Close()
		return Version{}, err
	}
	return version(ctx, db, `SELECT to_regclass('goose_db_version') IS NOT NULL`, goose.DialectPostgres, "postgres")
}

// empty is the version of a database that has none of the migrations.
func empty(db *sql.DB, dialect goose.Dialect, dir string) (Version, error) {
	provider, err := provide(db, dialect, dir)
	if err != nil {
		return Version{}, err
	}
	sources := provider.ListSources()
	return Version{Wanted: sources[len(sources)-1].Version}, nil
}

// ClickHouseVersion reads the schema version of the ClickHouse database at url.
func ClickHouseVersion(ctx context.Context, url string) (Version, error) {
	db, err := clickhouse.OpenSQL(url)
	if err != nil {
		return Version{}, err
	}
	if err := checkFormat(ctx, db, "the ClickHouse database", clickhouseTables); err != nil {
		db.Close()
		return Version{}, err
	}
	const migrated = `SELECT count() > 0 FROM system.tables WHERE database = currentDatabase() AND name = 'goose_db_version'`
	return version(ctx, db, migrated, goose.DialectClickHouse, "clickhouse")
}

// version reads the schema version, and closes db. Where migrated, a query, says no it asks nothing more: goose would make its
// table, which is for the owner to do.
func version(ctx context.Context, db *sql.DB, migrated string, dialect goose.Dialect, dir string) (v Version, err error) {
	defer db.Close()
	var found bool
	if err := db.QueryRowContext(ctx, migrated).Scan(&found); err != nil {
		return v, fmt.Errorf("looking for the schema: %w", err)
	}
	if !found {
		return empty(db, dialect, dir)
	}
	provider, err := provide(db, dialect, dir)
	if err != nil {
		return v, err
	}
	if v.Current, v.Wanted, err = provider.GetVersions(ctx); err != nil {
		return v, fmt.Errorf("reading the schema version: %w", err)
	}
	return v, nil
}

// PostgresTo brings an empty PostgreSQL database to a schema of the past, with which tests of stored forms begin.
func PostgresTo(ctx context.Context, url string, version int64) error {
	db, err := postgres.OpenSQL(url)
	if err != nil {
		return err
	}
	defer db.Close()
	return upTo(ctx, db, goose.DialectPostgres, "postgres", version)
}

// ClickHouseTo is PostgresTo for ClickHouse.
func ClickHouseTo(ctx context.Context, url string, version int64) error {
	db, err := clickhouse.OpenSQL(url)
	if err != nil {
		return err
	}
	defer db.Close()
	return upTo(ctx, db, goose.DialectClickHouse, "clickhouse", version)
}

func upTo(ctx context.Context, db *sql.DB, dialect goose.Dialect, dir string, version int64) error {
	provider, err := provide(db, dialect, dir)
	if err != nil {
		return err
	}
	if _, err := provider.UpTo(ctx, version); err != nil {
		return fmt.Errorf("migrating %s to %d: %w", dir, version, err)
	}
	return nil
}

func up(ctx context.Context, db *sql.DB, dialect goose.Dialect, dir string) error {
	provider, err := provide(db, dialect, dir)
	if err != nil {
		return err
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrating %s: %w", dir, err)
	}
	return nil
}

func provide(db *sql.DB, dialect goose.Dialect, dir string) (*goose.Provider, error) {
	sub, err := fs.Sub(files, dir)
	if err != nil {
		return nil, fmt.Errorf("opening the migrations of %s: %w", dir, err)
	}
	provider, err := goose.NewProvider(dialect, db, sub)
	if err != nil {
		return nil, fmt.Errorf("reading the migrations of %s: %w", dir, err)
	}
	return provider, nil
}
