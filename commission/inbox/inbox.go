// Package inbox holds the facts that people make, on pages and by commands: rows of an insert-only table, which step 5 in the
// life of a click folds into their orders as it does the reports from Kafka.
//
// Whoever makes a fact writes a row in its own transaction and is done. The engine that owns the lane of the order takes the
// rows one by one, in the order of their numbers, and enters each as taken in the transaction of its effect: so a row has
// its effect once, whoever dies in between. A row that can have no effect is taken as well, with the problem.
package inbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Kind says what sort of fact a row is. An engine passes over rows of a kind that it does not know: they wait for a later
// version.
type Kind string

// Letter is a dead letter of the topic orders that is retried: its content is an event as Kafka would have it, its ref the
// number of the letter.
const Letter Kind = "dead_letter"

// Review is what a person decided about an order: its content is a commission.Reviewed as JSON, its ref an id of its own.
const Review Kind = "review"

// Claim is what somebody said about a partner's claim that an order is theirs: its content is a commission.Claimed as JSON, its ref
// the claim's id.
const Claim Kind = "claim"

// Dispute is what somebody said about a customer's dispute of an order: its content is a commission.Disputed as JSON, its ref the
// dispute's id.
const Dispute Kind = "dispute"

// Manual posts a manual line: its ref is the number of the line.
const Manual Kind = "manual_line"

// Removal holds what a partner has open who was removed from a program for fraud: its ref is the number of the fact that says so. It is
// about no order, and the first lane takes it.
const Removal Kind = "removal"

// Row is a fact that somebody made.
type Row struct {
	// No is given by Write.
	No int64
	// Lane is the partition of the topic orders that the order belongs to, and Key the order's in it (event.OrderKey).
	Lane int
	Key  []byte
	Kind Kind
	// Ref names what the fact is about among those of its kind.
	Ref string
	// Content is what the fact says, in a form that its kind has.
	Content []byte
	// Author is who made it, and Note what they wrote beside it.
	Author, Note string
	// Side is whose people made it, where that matters: merchant or operator.
	Side string
	// At is when it was made, and Due from when on it is taken: now by the database's clock, where Write is given none.
	At, Due time.Time
}

// Querier runs single statements: a pool, or a transaction.
type Querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Write adds a row. It counts when the caller's transaction commits.
func Write(ctx context.Context, q Querier, r Row) error {
	// name: inbox insert
	_, err := q.Exec(ctx, `INSERT INTO inbox (lane, key, kind, ref, content, author, note, side, at, due)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, coalesce($9, now()), coalesce($10, now()))`,
		r.Lane, r.Key, r.Kind, r.Ref, r.Content, r.Author, r.Note, r.Side, orNow(r.At), orNow(r.Due))
	if err != nil {
		return fmt.Errorf("writing to the inbox: %w", err)
	}
	return nil
}

// orNow is a time, or nothing where the database's clock is to say it.
func orNow(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// Lane goes through the rows of a lane that nobody has taken yet and that are due.
type Lane struct {
	lane  int
	kinds []Kind
	// mark is the oldest transaction that may have left something: all rows of earlier ones are taken. So a look costs the
	// same however many there are.
	mark uint64
}

// NewLane begins with the first row of a lane that is of one of the kinds.
func NewLane(lane int, kinds ...Kind) *Lane { return &Lane{lane: lane, kinds: kinds} }

const nextRow = `
SELECT no, key, kind, ref, content, author, note, side, at, due FROM inbox i
 WHERE lane = $1 AND written >= $2 AND kind = ANY ($3) AND due <= now() AND NOT EXISTS (SELECT FROM inbox_taken t WHERE t.no = i.no)
 ORDER BY no LIMIT 1`

// nextMark is the oldest transaction that is running, or has left a row that is not due yet.
const nextMark = `
SELECT least(pg_snapshot_xmin(pg_current_snapshot()), (
  SELECT min(written) FROM inbox i
   WHERE lane = $1 AND written >= $2 AND kind = ANY ($3) AND NOT EXISTS (SELECT FROM inbox_taken t WHERE t.no = i.no)))`

// Next gives the first row that is due and nobody has taken, if there is one.
func (l *Lane) Next(ctx context.Context, q Querier) (row Row, found bool, err error) {
	row.Lane = l.lane
	// name: inbox look
	err = q.QueryRow(ctx, nextRow, l.lane, l.mark, l.kinds).
		Scan(&row.No, &row.Key, &row.Kind, &row.Ref, &row.Content, &row.Author, &row.Note, &row.Side, &row.At, &row.Due)
	if err == nil {
		return row, true, nil
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return row, false, fmt.Errorf("reading the inbox: %w", err)
	}
	if err := q.QueryRow(ctx, nextMark, l.lane, l.mark, l.kinds).Scan(&l.mark); err != nil {
		return row, false, fmt.Errorf("looking into the inbox: %w", err)
	}
	return row, false, nil
}

// Take enters a row as taken, in the transaction of its effect; problem is why it could have none, or empty. It reports
// whether nobody had taken it before: else there is nothing left to do.
func Take(ctx context.Context, tx pgx.Tx, row Row, problem string) (first bool, err error) {
	// name: inbox taken
	tag, err := tx.Exec(ctx, `INSERT INTO inbox_taken (no, problem) VALUES ($1, $2) ON CONFLICT DO NOTHING`, row.No, problem)
	if err != nil {
		return false, fmt.Errorf("taking row %d of the inbox: %w", row.No, err)
	}
	return tag.RowsAffected() == 1, nil
}
