package engine

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/commission/inbox"
	"tributary/internal/event"
	"tributary/internal/fault"
	"tributary/internal/postgres"
	"tributary/internal/stream"
	"tributary/internal/text"
)

// querier runs single statements: a pool, or a transaction.
type querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// LetterState is where a dead letter is.
type LetterState string

// The states of a dead letter.
const (
	// LetterOpen waits for an operator to edit, retry or discard it.
	LetterOpen LetterState = "open"
	// LetterReturning waits for the engine that holds the partition.
	LetterReturning LetterState = "returning"
	// LetterReturned was taken in.
	LetterReturned LetterState = "returned"
	// LetterDiscarded was discarded by an operator.
	LetterDiscarded LetterState = "discarded"
)

// Letter is a record of the topic orders that the engine could not process, kept with the reason. Commands name it by partition
// and offset; where a topic was recreated there may be several of that name, and the newest that is not closed is meant,
// or of closed ones the newest.
type Letter struct {
	Partition  int
	Offset     int64
	Key, Value []byte
	// Error is why it could not be processed, or failed when it was retried.
	Error string
	State LetterState
	// Note is what the operator who closed it wrote.
	Note     string
	At       time.Time
	ClosedAt *time.Time
}

const letterColumns = `partition, "offset", key, value, error, state, note, at, settled_at`

func scanLetter(row pgx.CollectableRow) (Letter, error) {
	var l Letter
	err := row.Scan(&l.Partition, &l.Offset, &l.Key, &l.Value, &l.Error, &l.State, &l.Note, &l.At, &l.ClosedAt)
	return l, err
}

// Letters lists at most limit of the engine's dead letters that are not closed, or with all set of all of them, the
// oldest first.
func Letters(ctx context.Context, q querier, all bool, limit int) ([]Letter, error) {
	rows, err := q.Query(ctx, `SELECT `+letterColumns+` FROM dead_letter
		WHERE consumer = $1 AND topic = $2 AND ($3 OR state IN ('open', 'returning')) ORDER BY no LIMIT $4`,
		Consumer, event.Orders, all, limit)
	if err != nil {
		return nil, fmt.Errorf("listing dead letters: %w", err)
	}
	letters, err := pgx.CollectRows(rows, scanLetter)
	if err != nil {
		return nil, fmt.Errorf("listing dead letters: %w", err)
	}
	return letters, nil
}

// letterAt selects the number of the letter that a partition $3 and an offset $4 name.
const letterAt = `(SELECT no FROM dead_letter WHERE consumer = $1 AND topic = $2 AND partition = $3 AND "offset" = $4
	ORDER BY state IN ('open', 'returning') DESC, no DESC LIMIT 1)`

// ShowLetter gives one dead letter.
func ShowLetter(ctx context.Context, q querier, partition int, offset int64) (Letter, error) {
	rows, err := q.Query(ctx, `SELECT `+letterColumns+` FROM dead_letter WHERE no = `+letterAt, Consumer, event.Orders, partition, offset)
	if err != nil {
		return Letter{}, fmt.Errorf("reading a dead letter: %w", err)
	}
	l, err := pgx.CollectExactlyOneRow(rows, scanLetter)
	if errors.Is(err, pgx.ErrNoRows) {
		return Letter{}, fault.Detailed(fault.NotFound, "unknown_dead_letter",
			text.DetailDeadLetterUnknown(strconv.FormatInt(offset, 10), strconv.Itoa(partition)), nil)
	}
	if err != nil {
		return Letter{}, fmt.Errorf("reading a dead letter: %w", err)
	}
	return l, nil
}

// EditLetter replaces the bytes of an open dead letter, in a topic of so many partitions. What could not be processed
// either is refused with the reason.
func EditLetter(ctx context.Context, q querier, partition int, offset int64, value []byte, partitions int) error {
	f := read(stream.Record{Partition: partition, Offset: offset, Value: value}, partitions)
	if f.unreadable != nil {
		return fault.Detailed(fault.Invalid, "unreadable_event", text.DetailDeadLetterUnreadable(f.unreadable.Error()), f.unreadable)
	}
	return changeLetter(ctx, q, `UPDATE dead_letter SET value = $5, key = $6, note = 'edited' WHERE no = `+letterAt+` AND state = 'open'`,
		partition, offset, value, f.order.bytes())
}

// RetryLetter writes an open dead letter to the inbox, from which the engine that holds the partition takes it in within a second
// or two of being there; what was said before by another record is a duplicate then, without effect.
func RetryLetter(ctx context.Context, db *pgxpool.Pool, partition int, offset int64, author string) error {
	return postgres.InTx(ctx, db, func(tx pgx.Tx) error {
		row := inbox.Row{Lane: partition, Kind: inbox.Letter, Author: author}
		err := tx.QueryRow(ctx, `UPDATE dead_letter SET state = 'returning' WHERE no = `+letterAt+` AND state = 'open' RETURNING no::text, key, value, note`,
			Consumer, event.Orders, partition, offset).Scan(&row.Ref, &row.Key, &row.Content, &row.Note)
		if errors.Is(err, pgx.ErrNoRows) {
			return refuseUnless(ctx, tx, partition, offset, LetterReturning) // retrying twice is retrying once
		}
		if err != nil {
			return fmt.Errorf("retrying a dead letter: %w", err)
		}
		return inbox.Write(ctx, tx, row)
	})
}

// DiscardLetter gives an open dead letter up, for the reason given.
func DiscardLetter(ctx context.Context, q querier, partition int, offset int64, note string) error {
	return changeLetter(ctx, q, `UPDATE dead_letter SET state = 'discarded', settled_at = now(), note = $5
		WHERE no = `+letterAt+` AND state = 'open'`, partition, offset, note)
}

func changeLetter(ctx context.Context, q querier, sql string, partition int, offset int64, args ...any) error {
	tag, err := q.Exec(ctx, sql, append([]any{Consumer, event.Orders, partition, offset}, args...)...)
	if err != nil {
		return fmt.Errorf("changing a dead letter: %w", err)
	}
	if tag.RowsAffected() == 1 {
		return nil
	}
	return refuseUnless(ctx, q, partition, offset, "")
}

// refuseUnless gives the error that a dead letter cannot be changed any more, unless it is in a state.
func refuseUnless(ctx context.Context, q querier, partition int, offset int64, state LetterState) error {
	l, err := ShowLetter(ctx, q, partition, offset)
	if err != nil || l.State == state {
		return err
	}
	return fault.Detailed(fault.Conflict, "dead_letter_closed",
		text.DetailDeadLetterClosed(strconv.FormatInt(offset, 10), strconv.Itoa(partition), string(l.State)), nil)
}

// queueDeadLetter queues a record as a dead letter. One that is there already stays as it is.
func (l *lane) queueDeadLetter(batch *pgx.Batch, f *fact) {
	key, value := f.record.Key, f.record.Value
	if key == nil {
		key = []byte{}
	}
	if value == nil {
		value = []byte{}
	}
	batch.Queue(`INSERT INTO dead_letter (consumer, topic, partition, "offset", spool, seq, key, value, error)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`,
		Consumer, l.held.Topic, l.held.Partition, f.record.Offset, f.record.Spool[:], int64(f.record.Seq), key, value, inWords(f.unreadable))
}

// setLetterState sets the state of the letter that a row of the inbox retries: returned, or open again with the reason it
// failed for.
func setLetterState(ctx context.Context, tx pgx.Tx, row inbox.Row, state LetterState, cause error) error {
	if row.Kind != inbox.Letter {
		return nil
	}
	problem := ""
	if cause != nil {
		problem = inWords(cause)
	}
	_, err := tx.Exec(ctx, `UPDATE dead_letter SET state = $2, settled_at = CASE $2 WHEN 'returned' THEN now() END, error = coalesce(nullif($3, ''), error)
		WHERE no = $1::bigint AND state = 'returning'`, row.Ref, state, problem)
	if err != nil {
		return fmt.Errorf("changing the state of dead letter %s: %w", row.Ref, err)
	}
	return nil
}
