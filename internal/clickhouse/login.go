package clickhouse

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Role is a log-in to ClickHouse that holds the rights of one stage, and no more.
type Role string

// The log-ins.
const (
	Loader    Role = "tributary_loader"
	Dashboard Role = "tributary_dashboard"
	// Operator is for commands that a person of the network runs.
	Operator Role = "tributary_operator"
	// Reader sees every row and changes none: for a look at the reports with a tool of one's own.
	Reader Role = "tributary_reader"
)

// Roles lists the log-ins.
func Roles() []Role { return []Role{Loader, Dashboard, Operator, Reader} }

// Name is the role in settings and files: "loader".
func (r Role) Name() string { return strings.TrimPrefix(string(r), "tributary_") }

// Grants are a role's rights in a database, each as GRANT has it before TO. Where the database is a pattern, such as t*, rights
// are to all its tables, since a pattern of databases takes none of tables.
func Grants(role Role, database string) []string {
	all := []string{"SELECT ON " + database + ".*"} //nolint:unqueryvet // a right, no query
	on := func(rights string, tables ...string) {
		for _, table := range tables {
			if strings.HasSuffix(database, "*") {
				table = "*"
			}
			all = append(all, rights+" ON "+database+"."+table)
		}
	}
	written := []string{"touch", "order_event", "ledger"}
	switch role {
	case Loader:
		on("INSERT", written...)
	case Operator: // brings the rows in line after a restore, and the sums with the rows
		on("INSERT, ALTER DELETE", append(written, "touch_15m", "ledger_15m", "customer_order")...)
	case Dashboard, Reader:
		return all
	}
	on("CREATE TABLE, CREATE VIEW, DROP TABLE, DROP VIEW, INSERT", Canary+"*") // the self-test of loader and doctor
	for _, engine := range []string{"MergeTree", "SummingMergeTree"} {         // copies of the tables have their engines
		for _, kind := range []string{"", "Replicated", "Shared"} {
			all = append(all, "TABLE ENGINE ON "+kind+engine)
		}
	}
	return append(all, "SELECT ON system.parts")
}

// Canary is what the names of the self-test's tables begin with.
const Canary = "loader_canary_"

// Limits are the settings of a role's queries that no query can raise, with their bounds: what a page may cost.
func Limits(role Role) map[string]int64 {
	if role != Dashboard {
		return nil
	}
	return map[string]int64{"max_rows_to_read": maxRowsRead, "max_result_rows": maxResultRows, "max_memory_usage": maxMemory, "max_execution_time": maxSeconds}
}

// LoginError says that an address logs in as somebody else than the role it is for.
type LoginError struct {
	Want Role
	Got  string
}

// Error implements error.
func (e *LoginError) Error() string {
	return fmt.Sprintf("the address of ClickHouse logs in as %s: %s has a log-in of its own, %s", e.Got, e.Want.Name(), e.Want)
}

// CheckLogin tells whether an address is that of a role's own log-in: a *LoginError where it is not.
func CheckLogin(address string, role Role) error {
	u, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("reading the ClickHouse address: %w", err)
	}
	got := u.User.Username()
	if got == "" {
		got = u.Query().Get("username")
	}
	if got != string(role) {
		return &LoginError{Want: role, Got: got}
	}
	return nil
}

// SetPasswords makes the log-ins that are missing, gives each the password that stands at its role, and its rights in the
// database, or in all whose names fit a pattern. The address is the owner's, who must be allowed to make users. A user of the
// server's own configuration is left as it is, and must have the password there.
func SetPasswords(ctx context.Context, address, database string, passwords map[Role]string) error {
	db, err := OpenSQL(address)
	if err != nil {
		return err
	}
	defer db.Close()
	for role, password := range passwords {
		configured, err := inConfiguration(ctx, db, role)
		if err == nil && configured {
			err = enters(ctx, address, role, password)
		} else if err == nil {
			err = setPassword(ctx, db, role, password, database)
		}
		if err != nil {
			return fmt.Errorf("setting the password of %s in ClickHouse: %w", role, err)
		}
	}
	return nil
}

// Database is the name of the database in an address.
func Database(address string) string {
	u, err := url.Parse(address)
	if err != nil || strings.Trim(u.Path, "/") == "" {
		return "default"
	}
	return strings.Trim(u.Path, "/")
}

// inConfiguration tells whether the server has the user from its configuration, which no statement changes.
func inConfiguration(ctx context.Context, db *sql.DB, role Role) (bool, error) {
	storage := ""
	err := db.QueryRowContext(ctx, "SELECT storage FROM system.users WHERE name = ?", string(role)).Scan(&storage)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking at users: %w", err)
	}
	return storage == "users_xml" || storage == "users.xml", nil
}

func enters(ctx context.Context, address string, role Role, password string) error {
	u, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("reading the ClickHouse address: %w", err)
	}
	u.User = url.UserPassword(string(role), password)
	db, err := OpenSQL(u.String())
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.PingContext(ctx); err != nil {
		return fmt.Errorf("the server's configuration has this user with another password, which must be changed there: %w", err)
	}
	return nil
}

func setPassword(ctx context.Context, db *sql.DB, role Role, password, database string) error {
	for _, statement := range loginStatements(role, password, database) {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("changing users, which the owner needs access_management for: %w", err)
		}
	}
	return nil
}

// loginStatements make a log-in, or bring it up to date. The server sees the hash only, so no password is in its log.
func loginStatements(role Role, password, database string) []string {
	sum := sha256.Sum256([]byte(password))
	identified := " IDENTIFIED WITH sha256_hash BY '" + hex.EncodeToString(sum[:]) + "'"
	limits := make([]string, 0, len(Limits(role)))
	for name, bound := range Limits(role) {
		limits = append(limits, fmt.Sprintf("%s = %d MIN 1 MAX %d", name, bound, bound))
	}
	settings := " SETTINGS NONE"
	if len(limits) > 0 {
		settings = " SETTINGS " + strings.Join(limits, ", ")
	}
	return []string{
		"CREATE USER IF NOT EXISTS " + string(role) + identified,
		"ALTER USER " + string(role) + identified + settings,
		// What an earlier version granted, and this one does not, goes.
		"GRANT " + strings.Join(Grants(role, database), ", ") + " TO " + string(role) + " WITH REPLACE OPTION",
	}
}
