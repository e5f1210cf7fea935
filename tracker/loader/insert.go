package loader

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"tributary/internal/clickhouse"
	"tributary/internal/fault/inject"
	"tributary/internal/position"
)

const (
	// window is how many tokens a table remembers: non_replicated_deduplication_window in its definition.
	window = 10_000
	// chunk is how many rows are encoded at a time: the driver's buffers stay small, and are used again for the next. The
	// server puts the chunks of an insert together again before it writes them.
	chunk = 8192
	// insertTimeout bounds one attempt, and countTimeout one look at the rows.
	insertTimeout = 2 * time.Minute
	countTimeout  = time.Minute
)

// insertSettings are the settings of every insert, named whether or not they are a server's defaults, since those have
// changed between versions.
func (l *Loader) insertSettings() clickhouse.Settings {
	return clickhouse.Settings{
		// The answer comes when the rows are stored, and not when they are queued.
		"async_insert": 0,
		// A token that the table knows makes the server drop the rows, and those of the views each by itself.
		"insert_deduplicate": 1,
		"deduplicate_insert": "enable",
		"deduplicate_blocks_in_dependent_materialized_views": 1,
		"materialized_views_ignore_errors":                   0,
		// One insert is one part: its chunks are put together, and nothing cuts them again.
		"max_insert_block_size":           max(1<<20, l.MaxRows),
		"min_insert_block_size_rows":      max(1<<20, l.MaxRows),
		"min_insert_block_size_bytes":     int64(4) << 30,
		"max_insert_threads":              1,
		"max_partitions_per_insert_block": 1,
	}
}

// insert is one attempt to put rows into a table.
type insert struct {
	form     *table
	into     string // the table, of that form
	token    string
	settings clickhouse.Settings
	rows     rows
	n        int // rows
}

// send sends the insert. An error leaves it unknown whether the rows are in.
func (i insert) send(ctx context.Context, conn clickhouse.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, insertTimeout)
	defer cancel()
	inject.Reach(inject.LoaderBeforeInsert)
	settings := maps.Clone(i.settings)
	settings["insert_deduplication_token"] = i.token
	b, err := conn.PrepareBatch(clickhouse.WithSettings(ctx, settings), i.form.insertInto(i.into)) //nolint:clickhouselint // Close would have the chunks sent so far stored
	if err != nil {
		return fmt.Errorf("beginning insert %s: %w", i.token, err)
	}
	if err := fill(b, i.rows, i.n); err != nil {
		_ = b.Abort() // closes the connection, so that the server drops the insert
		return fmt.Errorf("sending insert %s: %w", i.token, err)
	}
	inject.Reach(inject.LoaderInsideInsert)
	if err := b.Send(); err != nil {
		return fmt.Errorf("ending insert %s: %w", i.token, err)
	}
	inject.Reach(inject.LoaderAfterInsert)
	return nil
}

// insert is the batch's insert under its present token.
func (l *lane) insert(b *batch) insert {
	return insert{
		form: l.table, into: l.table.name, token: b.token(l.table.topic, l.held.Partition),
		settings: l.settings, rows: b.rows, n: b.n,
	}
}

func fill(b clickhouse.Batch, r rows, n int) error {
	var columns []any
	for a := 0; a < n; a += chunk {
		if a > 0 {
			if err := b.Flush(); err != nil {
				return fmt.Errorf("row %d: %w", a, err)
			}
		}
		columns = r.columns(columns[:0], a, min(a+chunk, n))
		for i, c := range columns {
			if err := b.Column(i).Append(c); err != nil {
				return fmt.Errorf("column %d: %w", i, err)
			}
		}
	}
	return nil
}

// parkError says that a batch needs a person.
type parkError struct{ problem string }

// Error says why.
func (e *parkError) Error() string { return e.problem }

// load brings the rows of a planned batch into ClickHouse and marks the batch as done, or parks it. It tries until it has
// an answer. first says that nothing was ever sent under this token.
func (l *lane) load(ctx context.Context, b *batch, first bool) error {
	wait := newBackoff()
	for {
		err := l.attempt(ctx, b, first)
		first = false
		var unlike *parkError
		switch {
		case err == nil:
			l.clickhouseAway.over()
			return l.persist(ctx, func() error { return l.done(ctx, b) })
		case errors.As(err, &unlike):
			return l.abandon(ctx, b.first(), b.generation, unlike.problem)
		case errors.Is(err, position.ErrLost), errors.Is(err, position.ErrHalted), errors.Is(err, errMoved), ctx.Err() != nil:
			return err
		}
		l.metrics.retries.WithLabelValues(l.table.topic).Inc()
		l.clickhouseAway.report(ctx, err)
		if err := wait.sleep(ctx); err != nil {
			return err
		}
	}
}

// attempt sends the batch once, when and as far as that is right. Only one process at a time is here for a batch, other
// than one that was frozen and repeats what it began.
func (l *lane) attempt(ctx context.Context, b *batch, first bool) error {
	select {
	case l.inserting <- struct{}{}:
		defer func() { <-l.inserting }()
	case <-ctx.Done():
		return fmt.Errorf("waiting to insert: %w", ctx.Err())
	}
	// Who was frozen since the plan may have been overtaken by more inserts than the server remembers.
	if time.Since(b.planned) > freshPlan {
		if err := l.persist(ctx, func() error { return l.confirm(ctx, b) }); err != nil {
			return err
		}
	}
	in := l.insert(b)
	if first {
		return in.send(ctx, l.ClickHouse)
	}
	before, err := l.count(ctx, b)
	if err != nil {
		return err
	}
	if err := l.sendable(ctx, b, before); err != nil {
		return err
	}
	if err := in.send(ctx, l.ClickHouse); err != nil {
		return err
	}
	after, err := l.count(ctx, b)
	switch {
	case err != nil:
		return err
	case after == b.n:
		return nil
	case after == 0 && before == 0 && l.alone:
		return l.reissue(ctx, b)
	}
	return &parkError{fmt.Sprintf("%s has %d of the %d rows of offsets %d to %d, after insert %s, and had %d before",
		l.table.name, after, b.n, b.first(), b.last(), in.token, before)}
}

// sendable refuses to send a batch again when its rows show that this could double them.
func (l *lane) sendable(ctx context.Context, b *batch, found int) error {
	if found == 0 {
		return nil
	}
	if found != b.n {
		return &parkError{fmt.Sprintf("%s has %d of the %d rows of offsets %d to %d", l.table.name, found, b.n, b.first(), b.last())}
	}
	var forgotten bool
	err := l.persist(ctx, func() error {
		var err error
		forgotten, err = l.forgotten(ctx, b)
		return err
	})
	if err != nil {
		return err
	}
	if forgotten {
		return &parkError{fmt.Sprintf("%s has the %d rows of offsets %d to %d, but whether the rollup has them cannot be told from a token that old",
			l.table.name, b.n, b.first(), b.last())}
	}
	return nil
}

// reissue sends the batch under a new token: its rows are not there, and yet the server dropped them as known, because it
// was killed between writing the token and the rows. The old token can do no harm any more, for the server knows it.
func (l *lane) reissue(ctx context.Context, b *batch) error {
	known := l.insert(b).token
	if err := l.persist(ctx, func() error { return l.renew(ctx, b) }); err != nil {
		return err
	}
	b.generation++
	l.log.Warn("the server knows a token without its rows; sending them under a new one", "token", known)
	in := l.insert(b)
	if err := in.send(ctx, l.ClickHouse); err != nil {
		return err
	}
	found, err := l.count(ctx, b)
	if err != nil {
		return err
	}
	if found != b.n {
		return &parkError{fmt.Sprintf("%s has %d of the %d rows of offsets %d to %d, even after insert %s",
			l.table.name, found, b.n, b.first(), b.last(), in.token)}
	}
	return nil
}

// count asks how many rows of the batch's offsets are stored. The times let the server pass over most parts: offsets are
// not part of the order.
func (l *lane) count(ctx context.Context, b *batch) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	ctx = clickhouse.WithSettings(ctx, clickhouse.Settings{"select_sequential_consistency": 1})
	var n uint64
	err := l.ClickHouse.QueryRow(ctx, "SELECT count() FROM "+l.table.name+
		" WHERE _partition = ? AND _offset BETWEEN ? AND ? AND received_at BETWEEN fromUnixTimestamp64Micro(?) AND fromUnixTimestamp64Micro(?) AND "+behind(b.before),
		l.held.Partition, b.first(), b.last(), b.earliest, b.latest).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("counting the rows of offsets %d to %d: %w", b.first(), b.last(), err)
	}
	return int(n), nil
}
