package loader

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tributary/internal/clickhouse"
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

// send inserts rows into a table of the form of t under a token. An error leaves it unknown whether they are in.
func send(ctx context.Context, conn clickhouse.Conn, t *table, name, token string, settings clickhouse.Settings, r rows, n int) error {
	ctx, cancel := context.WithTimeout(ctx, insertTimeout)
	defer cancel()
	own := clickhouse.Settings{"insert_deduplication_token": token}
	for k, v := range settings {
		own[k] = v
	}
	b, err := conn.PrepareBatch(clickhouse.WithSettings(ctx, own), t.insertInto(name))
	if err != nil {
		return fmt.Errorf("beginning insert %s: %w", token, err)
	}
	if err := fill(b, r, n); err != nil {
		_ = b.Abort() // closes the connection, and so ends the insert
		return fmt.Errorf("sending insert %s: %w", token, err)
	}
	if err := b.Send(); err != nil {
		return fmt.Errorf("ending insert %s: %w", token, err)
	}
	return nil
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
	token := b.token(l.table.topic, l.held.Partition)
	if first {
		return send(ctx, l.ClickHouse, l.table, l.table.name, token, l.settings, b.rows, b.n)
	}
	before, err := l.count(ctx, b)
	if err != nil {
		return err
	}
	if err := l.sendable(ctx, b, before); err != nil {
		return err
	}
	if err := send(ctx, l.ClickHouse, l.table, l.table.name, token, l.settings, b.rows, b.n); err != nil {
		return err
	}
	after, err := l.count(ctx, b)
	switch {
	case err != nil:
		return err
	case after == b.n:
		return nil
	case after == 0 && before == 0 && l.alone:
		return l.reissue(ctx, b, token)
	}
	return &parkError{fmt.Sprintf("%s has %d of the %d rows of offsets %d to %d, after insert %s, and had %d before",
		l.table.name, after, b.n, b.first(), b.last(), token, before)}
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
func (l *lane) reissue(ctx context.Context, b *batch, token string) error {
	if err := l.persist(ctx, func() error { return l.renew(ctx, b) }); err != nil {
		return err
	}
	b.generation++
	l.log.Warn("the server knows a token without its rows; sending them under a new one", "token", token)
	renewed := b.token(l.table.topic, l.held.Partition)
	if err := send(ctx, l.ClickHouse, l.table, l.table.name, renewed, l.settings, b.rows, b.n); err != nil {
		return err
	}
	found, err := l.count(ctx, b)
	if err != nil {
		return err
	}
	if found != b.n {
		return &parkError{fmt.Sprintf("%s has %d of the %d rows of offsets %d to %d, even after insert %s",
			l.table.name, found, b.n, b.first(), b.last(), renewed)}
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
		" WHERE _partition = ? AND _offset BETWEEN ? AND ? AND received_at BETWEEN fromUnixTimestamp64Micro(?) AND fromUnixTimestamp64Micro(?)",
		l.held.Partition, b.first(), b.last(), b.earliest, b.latest).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("counting the rows of offsets %d to %d: %w", b.first(), b.last(), err)
	}
	return int(n), nil
}
