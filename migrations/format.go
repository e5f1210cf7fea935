package migrations

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
)

// Format numbers what is stored as a whole: the data folder and both databases. Within one format every change reaches
// what is stored by a migration; a store of another format is refused. Formats 1 and 2 were before the first release.
const Format = 3

// FormatError says that a store is of a format that this version does not work with.
type FormatError struct {
	// Store names it: a database or a folder.
	Store string
	// Found is its format.
	Found int
}

// Error names the store, both formats, and what to do.
func (e *FormatError) Error() string {
	if e.Found > Format {
		return fmt.Sprintf("%s has format %d and this version works with format %d: use the version that wrote it, or a later one", e.Store, e.Found, Format)
	}
	return fmt.Sprintf("%s has format %d, from before the first release, and this version works with format %d: nothing converts it; start with an empty one",
		e.Store, e.Found, Format)
}

// FormatOf reads what the text that a store keeps says; a store without one is of format 1.
func FormatOf(store, text string, found bool) error {
	if !found {
		return &FormatError{Store: store, Found: 1}
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return fmt.Errorf("reading the format of %s: %q is not a number", store, text)
	}
	if n != Format {
		return &FormatError{Store: store, Found: n}
	}
	return nil
}

// How many of the two tables stand that tell whether a database is in use: its first, and the one that names its format.
const (
	postgresTables   = `SELECT CASE WHEN to_regclass('setting') IS NULL THEN 0 ELSE 2 END`
	clickhouseTables = `SELECT toInt32(count()) FROM system.tables WHERE database = currentDatabase() AND name IN ('touch', 'setting')`
)

// checkFormat refuses a database of another format; one without tables of ours has none yet.
func checkFormat(ctx context.Context, db *sql.DB, store, tables string) error {
	var made int
	if err := db.QueryRowContext(ctx, tables).Scan(&made); err != nil {
		return fmt.Errorf("looking for tables in %s: %w", store, err)
	}
	if made < 2 {
		return FormatOf(store, strconv.Itoa(Format), made == 0)
	}
	text := ""
	err := db.QueryRowContext(ctx, `SELECT value FROM setting WHERE name = 'format'`).Scan(&text)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("reading the format of %s: %w", store, err)
	}
	return FormatOf(store, text, err == nil)
}
