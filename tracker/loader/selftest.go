package loader

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"tributary/internal/clickhouse"
	"tributary/internal/event"
	"tributary/internal/stream"
)

// SelfTestError says that this ClickHouse server cannot be trusted with the rows, and what it did wrong.
type SelfTestError struct {
	// Server is its version, as it gives it.
	Server  string
	Problem string
	Cause   error // nil when the server did answer
}

// Error names the version and the problem.
func (e *SelfTestError) Error() string {
	text := fmt.Sprintf("testing ClickHouse %s: %s", e.Server, e.Problem)
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

// Unwrap gives the cause.
func (e *SelfTestError) Unwrap() error { return e.Cause }

// canaryRows is more than a chunk, so that the test inserts are sent as the real ones are.
const canaryRows = chunk + 2

// canaryLimit bounds the self-test.
const canaryLimit = time.Minute

// selfTest inserts the same rows twice under one token into a copy of each table, with copies of its rollups behind it, and
// looks whether both hold them once. It gives the settings to insert with, and whether the server has no replicas. An
// error is a *SelfTestError when the server answered.
func selfTest(ctx context.Context, conn clickhouse.Conn, tables []*table, settings clickhouse.Settings) (clickhouse.Settings, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, canaryLimit)
	defer cancel()
	version, err := conn.ServerVersion()
	if err != nil {
		return nil, false, fmt.Errorf("asking ClickHouse for its version: %w", err)
	}
	server := version.Version.String()
	settings, err = knownSettings(ctx, conn, settings)
	if err != nil {
		return nil, false, refused(server, "its settings cannot be read", err)
	}
	if err := effective(ctx, conn, settings); err != nil {
		return nil, false, refused(server, "a setting does not take effect", err)
	}
	alone := true
	for _, t := range tables {
		engine, err := engineOf(ctx, conn, t.name)
		if err != nil {
			return nil, false, refused(server, "the table "+t.name+" cannot be looked at (has `tributary migrate` been run?)", err)
		}
		alone = alone && engine == "MergeTree"
		c := canary{conn: conn, table: t, name: clickhouse.Canary + strings.ReplaceAll(uuid.NewString(), "-", "")}
		err = c.sing(ctx, settings)
		if buried := c.bury(ctx); err == nil {
			err = buried
		}
		if err != nil {
			return nil, false, refused(server, "rows sent twice under one token into a copy of the table "+t.name, err)
		}
	}
	return settings, alone, nil
}

// passing are the answers of a server that is sound and has too much to do, or no room, at this moment.
func passing(code int32) bool {
	switch code {
	case 159, // TIMEOUT_EXCEEDED
		164, // READONLY
		202, // TOO_MANY_SIMULTANEOUS_QUERIES
		209, // SOCKET_TIMEOUT
		210, // NETWORK_ERROR
		241, // MEMORY_LIMIT_EXCEEDED
		242, // TABLE_IS_READ_ONLY
		243, // NOT_ENOUGH_SPACE
		252, // TOO_MANY_PARTS
		319, // UNKNOWN_STATUS_OF_INSERT
		394, // QUERY_WAS_CANCELLED
		999: // KEEPER_EXCEPTION
		return true
	}
	return false
}

// refused makes a *SelfTestError of what a server answered. Where there was no answer, or one that will pass, err goes on as
// it is.
func refused(server, problem string, err error) error {
	var wrong *wrongAnswerError
	if code, answered := clickhouse.Code(err); (!answered || passing(code)) && !errors.As(err, &wrong) {
		return fmt.Errorf("testing ClickHouse %s: %w", server, err)
	}
	return &SelfTestError{Server: server, Problem: problem, Cause: err}
}

// wrongAnswerError says that the server gave another answer than it must.
type wrongAnswerError struct{ problem string }

// Error says which.
func (e *wrongAnswerError) Error() string { return e.problem }

// knownSettings leaves out deduplicate_insert where the server does not know it: it is younger than the others.
func knownSettings(ctx context.Context, conn clickhouse.Conn, settings clickhouse.Settings) (clickhouse.Settings, error) {
	var known uint64
	if err := conn.QueryRow(ctx, "SELECT count() FROM system.settings WHERE name = 'deduplicate_insert'").Scan(&known); err != nil {
		return nil, fmt.Errorf("looking for deduplicate_insert: %w", err)
	}
	own := make(clickhouse.Settings, len(settings))
	for name, value := range settings {
		if name != "deduplicate_insert" || known > 0 {
			own[name] = value
		}
	}
	return own, nil
}

// effective makes sure that a query which is given the settings runs under them: a profile may have pinned some.
func effective(ctx context.Context, conn clickhouse.Conn, settings clickhouse.Settings) error {
	names := make([]string, 0, len(settings))
	for name := range settings {
		names = append(names, name)
	}
	rows, err := conn.Query(clickhouse.WithSettings(ctx, settings), "SELECT name, value FROM system.settings WHERE name IN (?)", names)
	if err != nil {
		return fmt.Errorf("reading settings: %w", err)
	}
	var name, value string
	var wrong error
	found := 0
	err = clickhouse.ForEachRow(rows, []any{&name, &value}, func() {
		if want := fmt.Sprint(settings[name]); value != want {
			wrong = &wrongAnswerError{fmt.Sprintf("%s is %s, not %s", name, value, want)}
		}
		found++
	})
	if err != nil {
		return fmt.Errorf("reading settings: %w", err)
	}
	if wrong != nil {
		return wrong
	}
	if found != len(settings) {
		return &wrongAnswerError{fmt.Sprintf("it knows only %d of the settings %s", found, strings.Join(names, ", "))}
	}
	return nil
}

func engineOf(ctx context.Context, conn clickhouse.Conn, table string) (engine string, err error) {
	err = conn.QueryRow(ctx, "SELECT engine FROM system.tables WHERE database = currentDatabase() AND name = ?", table).Scan(&engine)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return "", &wrongAnswerError{"it does not exist"}
	case err != nil:
		return "", fmt.Errorf("looking at table %s: %w", table, err)
	}
	return engine, nil
}

// canary is a copy of a table and its rollups, in which the server shows what it does.
type canary struct {
	conn  clickhouse.Conn
	table *table
	name  string
}

func (c *canary) sing(ctx context.Context, settings clickhouse.Settings) error {
	statements := []string{"CREATE TABLE " + c.name + " AS " + c.table.name}
	for i, r := range c.table.rollups {
		statements = append(
			statements, "CREATE TABLE "+c.rollup(i)+" AS "+r.name,
			"CREATE MATERIALIZED VIEW "+c.view(i)+" TO "+c.rollup(i)+" AS "+r.sumUp(c.name, "true"),
		)
	}
	for _, s := range statements {
		if err := c.conn.Exec(ctx, s); err != nil {
			return fmt.Errorf("making a canary: %w", err)
		}
	}
	rows := c.table.make()
	for i := range canaryRows {
		r := &stream.Record{Offset: int64(i), Seq: uint64(i)}
		if err := rows.add(canaryEvent(c.table.topic), r); err != nil {
			return fmt.Errorf("making canary rows: %w", err)
		}
	}
	in := insert{form: c.table, into: c.name, token: "canary", settings: settings, rows: rows, n: canaryRows}
	for range 2 {
		if err := in.send(ctx, c.conn); err != nil {
			return err
		}
	}
	return c.judge(ctx)
}

// judge looks at what two inserts under one token have left.
func (c *canary) judge(ctx context.Context) error {
	var rows, parts uint64
	if err := c.conn.QueryRow(ctx, "SELECT count(), uniqExact(_part) FROM "+c.name).Scan(&rows, &parts); err != nil {
		return fmt.Errorf("counting canary rows: %w", err)
	}
	if rows != canaryRows || parts != 1 {
		return &wrongAnswerError{fmt.Sprintf("the table has %d rows in %d parts, not %d in one", rows, parts, canaryRows)}
	}
	for i, r := range c.table.rollups {
		var sum int64
		if err := c.conn.QueryRow(ctx, "SELECT toInt64(sum("+r.sums[0].column+")) FROM "+c.rollup(i)).Scan(&sum); err != nil {
			return fmt.Errorf("counting canary rows: %w", err)
		}
		if sum != canaryRows {
			return &wrongAnswerError{fmt.Sprintf("the rollup behind a materialized view has %d of %d, while the table has each row once", sum, canaryRows)}
		}
	}
	return nil
}

// rollup and view name the copies of the table's rollup i and of its view.
func (c *canary) rollup(i int) string { return fmt.Sprintf("%s_rollup%d", c.name, i) }
func (c *canary) view(i int) string   { return fmt.Sprintf("%s_view%d", c.name, i) }

// bury removes the canary, also when ctx has ended.
func (c *canary) bury(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	var names []string
	for i := range c.table.rollups {
		names = append(names, c.view(i), c.rollup(i))
	}
	for _, name := range append(names, c.name) {
		if err := c.conn.Exec(ctx, "DROP TABLE IF EXISTS "+name+" SYNC"); err != nil {
			return fmt.Errorf("removing a canary: %w", err)
		}
	}
	return nil
}

// canaryEvent counts as one in the first column of the topic's rollups.
func canaryEvent(topic string) *event.Event {
	e := &event.Event{Id: make([]byte, 16), ReceivedAt: 1, OccurredAt: 1}
	switch topic {
	case event.Touches:
		e.Body = &event.Event_Click{Click: &event.Click{}}
	case event.Orders:
		e.Body = &event.Event_Sale{Sale: &event.Sale{}}
	default:
		e.Body = &event.Event_Ledger{Ledger: &event.Ledger{Orders: 1, OrderedAt: 1}}
	}
	return e
}

// SelfTest proves that a server can be trusted with the rows, as Run does first: it makes tables of its own and removes
// them. A *SelfTestError says what is wrong with the server.
func SelfTest(ctx context.Context, conn clickhouse.Conn) error {
	l := Loader{}
	_, _, err := selfTest(ctx, conn, tables(), l.insertSettings())
	return err
}
