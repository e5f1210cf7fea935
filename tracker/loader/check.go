package loader

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/internal/clickhouse"
	"tributary/internal/fault"
	"tributary/internal/position"
	"tributary/internal/postgres"
	"tributary/internal/text"
)

const (
	// rangesAtOnce is how many lines of the manifest one query checks.
	rangesAtOnce = 5_000
	// mostFindings bounds how many rows of one kind are named for each table.
	mostFindings = 20
	// looks is how often a check looks again before it believes what it found, and lookPause the time between.
	looks     = 3
	lookPause = time.Second
	// spillBytes is the memory a query may take for its groups before it goes to disk.
	spillBytes = 256 << 20
)

// Finding is something that is not as it must be.
type Finding struct {
	Topic string
	// Partition is -1 where none is concerned.
	Partition int
	// First and Last are offsets, where some are concerned.
	First, Last int64
	// Key names a row: a record by its spool, or the key columns of a rollup.
	Key     string
	Problem string
}

// String is the finding in one line.
func (f Finding) String() string {
	text := "topic " + f.Topic
	if f.Partition >= 0 {
		text += fmt.Sprintf(", partition %d, offsets %d to %d", f.Partition, f.First, f.Last)
	}
	if f.Key != "" {
		text += ", " + f.Key
	}
	return text + ": " + f.Problem
}

// Check compares ClickHouse with the loader's manifest and with itself: every batch that is done has its rows, batches
// neither overlap nor leave a hole and reach the position, no record is there twice, and the rollups add up to what the
// raw tables hold. It may run beside the loaders: a finding counts when it is still the same some seconds later.
func Check(ctx context.Context, db *pgxpool.Pool, conn clickhouse.Conn) ([]Finding, error) {
	var persistent []Finding
	for look := range looks {
		if look > 0 {
			if err := sleep(ctx, lookPause); err != nil {
				return nil, err
			}
		}
		found, err := checkOnce(ctx, db, conn)
		if err != nil {
			return nil, err
		}
		if look > 0 {
			found = slices.DeleteFunc(found, func(f Finding) bool { return !slices.Contains(persistent, f) })
		}
		persistent = found
		if len(persistent) == 0 {
			return nil, nil
		}
	}
	return persistent, nil
}

func checkOnce(ctx context.Context, db *pgxpool.Pool, conn clickhouse.Conn) ([]Finding, error) {
	ctx = clickhouse.WithSettings(ctx, clickhouse.Settings{"max_bytes_before_external_group_by": spillBytes, "select_sequential_consistency": 1})
	c := &checker{db: db, conn: conn}
	for _, t := range tables() {
		for _, step := range []func(context.Context, *table) error{c.manifest, c.twice, c.rollups} {
			if err := step(ctx, t); err != nil {
				return nil, fmt.Errorf("checking %s: %w", t.topic, err)
			}
		}
	}
	return c.found, nil
}

// checker gathers findings.
type checker struct {
	db    *pgxpool.Pool
	conn  clickhouse.Conn
	found []Finding
}

func (c *checker) add(f Finding) { c.found = append(c.found, f) }

// line is a line of the manifest.
type line struct {
	partition   int
	first, last int64
	rows        int64
	state       string
	problem     string
	old         bool // so old that a line behind it may have been trimmed
}

func scanLine(row pgx.CollectableRow) (line, error) {
	var l line
	err := row.Scan(&l.partition, &l.first, &l.last, &l.rows, &l.state, &l.problem, &l.old)
	return l, err
}

const listManifest = `
SELECT partition, first_offset, last_offset, rows, state, problem, planned_at < now() - $5 * interval '1 second'
  FROM clickhouse_batch WHERE topic = $1 AND (partition, first_offset) > ($2, $3) ORDER BY partition, first_offset LIMIT $4`

// manifest checks a topic's batches, some thousand at a time.
func (c *checker) manifest(ctx context.Context, t *table) error {
	previous := line{partition: -1}
	for {
		rows, err := c.db.Query(ctx, listManifest, t.topic, previous.partition, previous.first, rangesAtOnce, keepDone.Seconds())
		if err != nil {
			return fmt.Errorf("reading the manifest: %w", err)
		}
		lines, err := pgx.CollectRows(rows, scanLine)
		if err != nil {
			return fmt.Errorf("reading the manifest: %w", err)
		}
		if len(lines) == 0 {
			return c.ends(ctx, t)
		}
		for _, l := range lines {
			c.follows(t, previous, l)
			previous = l
		}
		if err := c.rows(ctx, t, lines); err != nil {
			return err
		}
	}
}

// follows checks that a line begins where the one before it ended.
func (c *checker) follows(t *table, previous, l line) {
	f := Finding{Topic: t.topic, Partition: l.partition, First: l.first, Last: l.last}
	if l.state == "parked" {
		f.Problem = "parked: " + l.problem
		c.add(f)
	}
	if previous.partition != l.partition {
		return
	}
	switch {
	case l.first <= previous.last:
		f.Problem = fmt.Sprintf("overlaps the batch of offsets %d to %d", previous.first, previous.last)
		c.add(f)
	case l.first > previous.last+1 && !previous.old:
		f.Problem = fmt.Sprintf("follows offset %d, so that %d offsets are in no batch", previous.last, l.first-previous.last-1)
		c.add(f)
	}
}

// ends checks that the last batch of each partition ends at the position.
func (c *checker) ends(ctx context.Context, t *table) error {
	rows, err := c.db.Query(ctx, `SELECT p.partition, p.next_offset, b.last_offset FROM position p,
		LATERAL (SELECT last_offset FROM clickhouse_batch b WHERE b.topic = p.topic AND b.partition = p.partition ORDER BY first_offset DESC LIMIT 1) AS b
		WHERE p.consumer = $1 AND p.topic = $2 AND b.last_offset + 1 <> p.next_offset`, Consumer, t.topic)
	if err != nil {
		return fmt.Errorf("reading positions: %w", err)
	}
	var f Finding
	var next int64
	_, err = pgx.ForEachRow(rows, []any{&f.Partition, &next, &f.Last}, func() error {
		c.add(Finding{
			Topic: t.topic, Partition: f.Partition, First: f.Last + 1, Last: next - 1,
			Problem: fmt.Sprintf("the last batch ends at offset %d, and the position is %d", f.Last, next),
		})
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading positions: %w", err)
	}
	return nil
}

// rows checks that ClickHouse has the rows of the lines that are done.
func (c *checker) rows(ctx context.Context, t *table, lines []line) error {
	for len(lines) > 0 {
		n := 1
		for n < len(lines) && lines[n].partition == lines[0].partition {
			n++
		}
		stored, err := c.stored(ctx, t, lines[:n])
		if err != nil {
			return err
		}
		for _, l := range lines[:n] {
			if l.state == "done" && stored[l.first] != l.rows {
				c.add(Finding{
					Topic: t.topic, Partition: l.partition, First: l.first, Last: l.last,
					Problem: fmt.Sprintf("the table %s has %d rows, and was sent %d", t.name, stored[l.first], l.rows),
				})
			}
		}
		lines = lines[n:]
	}
	return nil
}

// stored counts the rows of each of the lines, which are of one partition and in order, by their first offset.
func (c *checker) stored(ctx context.Context, t *table, lines []line) (map[int64]int64, error) {
	marks, err := c.marks(ctx, t, lines[0])
	if err != nil {
		return nil, err
	}
	firsts := make([]string, 0, len(lines))
	for _, l := range lines {
		firsts = append(firsts, strconv.FormatInt(l.first, 10))
	}
	query := fmt.Sprintf("SELECT toInt64(roundDown(_offset, CAST([%s], 'Array(UInt64)'))) AS first, count() FROM %s"+
		" WHERE _partition = ? AND _offset BETWEEN ? AND ? AND %s GROUP BY first", strings.Join(firsts, ","), t.name, behind(marks))
	rows, err := c.conn.Query(ctx, query, lines[0].partition, lines[0].first, lines[len(lines)-1].last)
	if err != nil {
		return nil, fmt.Errorf("counting rows: %w", err)
	}
	stored := make(map[int64]int64, len(lines))
	var first int64
	var n uint64
	if err := clickhouse.ForEachRow(rows, []any{&first, &n}, func() { stored[first] = int64(n) }); err != nil {
		return nil, fmt.Errorf("counting rows: %w", err)
	}
	return stored, nil
}

// marks is what was seen before the line.
func (c *checker) marks(ctx context.Context, t *table, l line) (*position.Position, error) {
	var before []byte
	err := c.db.QueryRow(ctx, `SELECT before FROM clickhouse_batch WHERE topic = $1 AND partition = $2 AND first_offset = $3`,
		t.topic, l.partition, l.first).Scan(&before)
	if errors.Is(err, pgx.ErrNoRows) {
		return &position.Position{}, nil // trimmed a moment ago: the next look sees the rest
	}
	if err != nil {
		return nil, fmt.Errorf("reading the marks of offset %d: %w", l.first, err)
	}
	return decodeMarks(l.first, before)
}

// twice looks for records that a table has more than once, day by day, so that a server with little memory can do it. A
// record is a place in a spool: an event that its source reported twice is two records, and stands there twice. Sequence 0 is of dead letters that had none
// when they became dead letters and were retried: their offsets tell them apart.
func (c *checker) twice(ctx context.Context, t *table) error {
	days, err := c.days(ctx, t)
	if err != nil {
		return err
	}
	for _, day := range days {
		query := fmt.Sprintf("SELECT concat('spool ', toString(_spool), ', partition ', toString(_partition), ', sequence ', toString(_seq)), count() AS n FROM %s WHERE received_at >= ? AND received_at < ? GROUP BY _spool, _partition, _seq, if(_seq = 0, _offset, 0) HAVING n > 1 ORDER BY _spool, _partition, _seq LIMIT %d",
			t.name, mostFindings)
		rows, err := c.conn.Query(ctx, query, day, day.AddDate(0, 0, 1))
		if err != nil {
			return fmt.Errorf("looking for records that are there twice: %w", err)
		}
		var key string
		var n uint64
		err = clickhouse.ForEachRow(rows, []any{&key, &n}, func() {
			c.add(Finding{Topic: t.topic, Partition: -1, Key: key, Problem: fmt.Sprintf("the table %s has it %d times", t.name, n)})
		})
		if err != nil {
			return fmt.Errorf("looking for records that are there twice: %w", err)
		}
	}
	return nil
}

// days gives the days on which rows of the table were received.
func (c *checker) days(ctx context.Context, t *table) ([]time.Time, error) {
	rows, err := c.conn.Query(ctx, "SELECT DISTINCT toStartOfDay(received_at) AS day FROM "+t.name+" ORDER BY day")
	if err != nil {
		return nil, fmt.Errorf("listing days: %w", err)
	}
	var days []time.Time
	var day time.Time
	if err := clickhouse.ForEachRow(rows, []any{&day}, func() { days = append(days, day) }); err != nil {
		return nil, fmt.Errorf("listing days: %w", err)
	}
	return days, nil
}

// rollups compares the rollups of a table with the raw rows, key by key. A batch that is under way, as one whose loader or server died
// in the midst of it, is in both, or in the raw table alone: a key is right if it adds up with those batches or without.
func (c *checker) rollups(ctx context.Context, t *table) error {
	if len(t.rollups) == 0 {
		return nil
	}
	open, err := c.open(ctx, t)
	if err != nil {
		return err
	}
	for _, r := range t.rollups {
		differences := r.differences(t.name, "true")
		found, err := c.compare(ctx, t, r, differences)
		if err == nil && len(found) > 0 && open != "" {
			settled := r.differences(t.name, "NOT ("+open+")")
			found, err = c.compare(ctx, t, r, "SELECT key, missing FROM ("+differences+") WHERE key IN (SELECT key FROM ("+settled+"))")
		}
		if err != nil {
			return fmt.Errorf("comparing %s: %w", r.name, err)
		}
		c.found = append(c.found, found...)
	}
	return nil
}

// compare runs a query for keys of a rollup and what they lack.
func (c *checker) compare(ctx context.Context, t *table, r *rollup, differences string) ([]Finding, error) {
	rows, err := c.conn.Query(ctx, differences+fmt.Sprintf(" ORDER BY key LIMIT %d", mostFindings))
	if err != nil {
		return nil, err
	}
	var found []Finding
	var key, missing string
	err = clickhouse.ForEachRow(rows, []any{&key, &missing}, func() {
		found = append(found, Finding{Topic: t.topic, Partition: -1, Key: key, Problem: fmt.Sprintf("%s lacks %s of what %s has", r.name, missing, t.name)})
	})
	return found, err
}

// open is a condition of SQL for the rows of the batches that are under way, and empty when none is.
func (c *checker) open(ctx context.Context, t *table) (string, error) {
	rows, err := c.db.Query(ctx, `SELECT partition, first_offset, last_offset, before FROM clickhouse_batch WHERE topic = $1 AND state = 'planned'`, t.topic)
	if err != nil {
		return "", fmt.Errorf("listing the batches under way: %w", err)
	}
	var conditions []string
	var partition int
	var first, last int64
	var before []byte
	_, err = pgx.ForEachRow(rows, []any{&partition, &first, &last, &before}, func() error {
		marks, err := decodeMarks(first, before)
		if err != nil {
			return err
		}
		conditions = append(conditions, fmt.Sprintf("_partition = %d AND _offset BETWEEN %d AND %d AND %s", partition, first, last, behind(marks)))
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("listing the batches under way: %w", err)
	}
	return strings.Join(conditions, " OR "), nil
}

// lacking is a query for what the rollup lacks of the sums of the raw table's rows of which where is true, by key, where
// it lacks anything; figures below zero are too much.
func (r *rollup) lacking(raw, where string) string {
	columns := make([]string, 0, len(r.sums))
	lacks := make([]string, 0, len(r.sums))
	minus := make([]string, 0, len(r.sums))
	unlike := make([]string, 0, len(r.sums))
	for _, s := range r.sums {
		columns = append(columns, "toInt64("+s.column+") AS "+s.column)
		minus = append(minus, "-toInt64("+s.column+") AS "+s.column)
		lacks = append(lacks, "sum(u."+s.column+") AS lacking_"+s.column)
		unlike = append(unlike, "lacking_"+s.column+" != 0")
	}
	keys := strings.Join(r.columns(), ", ")
	return fmt.Sprintf("SELECT %[1]s, %[2]s FROM (SELECT %[1]s, %[3]s FROM (%[4]s) UNION ALL SELECT %[1]s, %[5]s FROM %[6]s) AS u GROUP BY %[1]s HAVING %[7]s",
		keys, strings.Join(lacks, ", "), strings.Join(columns, ", "), r.sumUp(raw, where), strings.Join(minus, ", "), r.name, strings.Join(unlike, " OR "))
}

// differences is lacking as two texts: the key, and what is lacking.
func (r *rollup) differences(raw, where string) string {
	var key, lacks []string
	for _, k := range r.columns() {
		if k == "customer_id" {
			continue // a person's, and the order tells the row
		}
		key = append(key, "'"+k+" ', toString("+k+")")
	}
	for _, s := range r.sums {
		lacks = append(lacks, "'"+s.column+" ', toString(lacking_"+s.column+")")
	}
	return fmt.Sprintf("SELECT concat(%s) AS key, concat(%s) AS missing FROM (%s)",
		strings.Join(key, ", ', ', "), strings.Join(lacks, ", ', ', "), r.lacking(raw, where))
}

// RebuildSettled is RebuildRollups once no batch is under way, and refuses until then: one that its loader sends again
// completes its rollup by itself.
func RebuildSettled(ctx context.Context, db postgres.Rower, conn clickhouse.Conn) error {
	backlog, err := ReadBacklog(ctx, db)
	if err != nil {
		return err
	}
	if backlog.Planned > 0 {
		return fault.Detailed(fault.Conflict, "not_idle", text.DetailBatchesUnderWay(backlog.Planned), nil)
	}
	return RebuildRollups(ctx, conn)
}

// RebuildRollups writes what the rollups lack of the raw tables, and takes away what they have too much. No loader may run
// meanwhile (position.Alone): what it had just written to a raw table and not to the rollup would be counted twice.
func RebuildRollups(ctx context.Context, conn clickhouse.Conn) error {
	for _, t := range tables() {
		for _, r := range t.rollups {
			columns := slices.Clone(r.columns())
			for _, s := range r.sums {
				columns = append(columns, s.column)
			}
			own := clickhouse.WithSettings(ctx, clickhouse.Settings{"async_insert": 0, "insert_deduplication_token": "rebuild:" + uuid.NewString()})
			// A sum of unsigned columns wraps around, so that adding a negative figure takes away.
			if err := conn.Exec(own, "INSERT INTO "+r.name+" ("+strings.Join(columns, ", ")+") "+r.lacking(t.name, "true")); err != nil {
				return fmt.Errorf("rebuilding %s: %w", r.name, err)
			}
		}
	}
	return nil
}
