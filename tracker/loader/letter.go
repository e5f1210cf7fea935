package loader

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/internal/clickhouse"
	"tributary/internal/event"
	"tributary/internal/fault"
	"tributary/internal/position"
	"tributary/internal/postgres"
	"tributary/internal/stream"
	"tributary/internal/text"
)

// Letter is a record that could not become a row of ClickHouse. Its number names it.
type Letter struct {
	No        int64
	Topic     string
	Partition int
	Offset    int64
	Value     []byte
	// Error is why it could not be a row, or failed when it was retried.
	Error string
	// State is open, returning, returned or discarded, as with the engine's letters.
	State string
	At    time.Time
}

// Letters lists at most limit of the loader's dead letters that are not settled, or with all set of all of them, the oldest
// first.
func Letters(ctx context.Context, db *pgxpool.Pool, all bool, limit int) ([]Letter, error) {
	rows, err := db.Query(ctx, `SELECT no, topic, partition, "offset", value, error, state, at FROM dead_letter
		WHERE consumer = $1 AND ($2 OR state IN ('open', 'returning')) ORDER BY no LIMIT $3`, Consumer, all, limit)
	if err != nil {
		return nil, fmt.Errorf("listing dead letters: %w", err)
	}
	letters, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Letter])
	if err != nil {
		return nil, fmt.Errorf("listing dead letters: %w", err)
	}
	return letters, nil
}

// EditLetter replaces what an open dead letter says. What could not be a row either is refused with the reason.
func EditLetter(ctx context.Context, db *pgxpool.Pool, no int64, value []byte) error {
	var topic string
	err := db.QueryRow(ctx, `SELECT topic FROM dead_letter WHERE consumer = $1 AND no = $2`, Consumer, no).Scan(&topic)
	if errors.Is(err, pgx.ErrNoRows) {
		return unknownLetter(no)
	}
	if err != nil {
		return fmt.Errorf("reading dead letter %d: %w", no, err)
	}
	for _, t := range tables() {
		if t.topic != topic {
			continue
		}
		if _, err := t.row(stream.Record{Value: value}); err != nil {
			return fault.Detailed(fault.Invalid, "unreadable_event", text.DetailLoaderLetterUnreadable(err.Error()), err)
		}
	}
	return changeLetter(ctx, db, `UPDATE dead_letter SET value = $3, note = 'edited' WHERE consumer = $1 AND no = $2 AND state = 'open'`, no, value)
}

// RetryLetter asks the loader that holds the partition to make a row of an open dead letter. It does so within some seconds of
// being there, exactly once; what cannot be a row is open again, with the reason.
func RetryLetter(ctx context.Context, db *pgxpool.Pool, no int64) error {
	return changeLetter(ctx, db, `UPDATE dead_letter SET state = 'returning', settled_at = CASE state WHEN 'open' THEN now() ELSE settled_at END
		WHERE consumer = $1 AND no = $2 AND state IN ('open', 'returning')`, no)
}

// DiscardLetter gives an open dead letter up, for the reason given.
func DiscardLetter(ctx context.Context, db *pgxpool.Pool, no int64, note string) error {
	return changeLetter(ctx, db, `UPDATE dead_letter SET state = 'discarded', settled_at = now(), note = $3
		WHERE consumer = $1 AND no = $2 AND state = 'open'`, no, note)
}

func changeLetter(ctx context.Context, db *pgxpool.Pool, statement string, no int64, more ...any) error {
	tag, err := db.Exec(ctx, statement, append([]any{Consumer, no}, more...)...)
	if err != nil {
		return fmt.Errorf("changing dead letter %d: %w", no, err)
	}
	if tag.RowsAffected() == 1 {
		return nil
	}
	var state string
	err = db.QueryRow(ctx, `SELECT state FROM dead_letter WHERE consumer = $1 AND no = $2`, Consumer, no).Scan(&state)
	if errors.Is(err, pgx.ErrNoRows) {
		return unknownLetter(no)
	}
	if err != nil {
		return fmt.Errorf("reading dead letter %d: %w", no, err)
	}
	return fault.Detailed(fault.Conflict, "dead_letter_closed", text.DetailLoaderLetterClosed(strconv.FormatInt(no, 10), state), nil)
}

func unknownLetter(no int64) error {
	return fault.Detailed(fault.NotFound, "unknown_dead_letter", text.DetailLoaderLetterUnknown(strconv.FormatInt(no, 10)), nil)
}

// row makes the one row of a record.
func (t *table) row(r stream.Record) (rows, error) {
	e, err := event.Decode(r.Value)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what it was doing
	}
	one := t.make()
	return one, one.add(e, &r)
}

// returning is a letter on its way back.
type returning struct {
	no     int64
	life   int
	record stream.Record
	// forgotten is set when the server may have forgotten the letter's token.
	forgotten bool
}

// The rows of letters have offsets above those of the log, so that no count of a batch's rows takes them in.
const letterOffsets = math.MinInt64

const listReturning = `
SELECT no, "offset", spool, seq, value, life, settled_at < now() - $4 * interval '1 second' OR $5 <= (SELECT count(*) FROM (
         SELECT FROM clickhouse_batch b WHERE b.topic = d.topic AND b.planned_at > d.settled_at LIMIT $5) AS l)
  FROM dead_letter d WHERE consumer = $1 AND topic = $2 AND partition = $3 AND state = 'returning' ORDER BY no LIMIT 100`

// takeBack makes rows of the partition's letters that an operator retries.
func (l *lane) takeBack(ctx context.Context) error {
	var letters []returning
	err := l.persist(ctx, func() error {
		rows, err := l.db.Query(ctx, listReturning, Consumer, l.table.topic, l.held.Partition, keepDone.Seconds(), forgetful)
		if err != nil {
			return fmt.Errorf("looking for returning dead letters: %w", err)
		}
		letters, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (returning, error) {
			d := returning{record: stream.Record{Partition: l.held.Partition}}
			var spool []byte
			err := row.Scan(&d.no, &d.record.Offset, &spool, &d.record.Seq, &d.record.Value, &d.life, &d.forgotten)
			copy(d.record.Spool[:], spool)
			d.record.Offset |= letterOffsets
			return d, err
		})
		return err
	})
	if err != nil {
		return err
	}
	for _, d := range letters {
		wait := newBackoff()
		for {
			err := l.putIn(ctx, d)
			if err == nil {
				break
			}
			if errors.Is(err, position.ErrLost) || errors.Is(err, position.ErrHalted) || ctx.Err() != nil {
				return err
			}
			l.clickhouseAway.report(ctx, err)
			if err := wait.sleep(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// putIn brings one letter in, or opens it again. Like a batch's, its insert goes under a token that stays the same until the
// server is known to have dropped it for nothing, and is repeated while the server remembers it, so that the rollup is whole.
func (l *lane) putIn(ctx context.Context, d returning) error {
	row, err := l.table.row(d.record)
	if err != nil {
		return l.closeLetter(ctx, d, "open", err.Error())
	}
	// Only who holds the partition may send.
	err = postgres.InTx(ctx, l.db, func(tx pgx.Tx) error {
		_, err := l.held.Lock(ctx, tx)
		return err
	})
	if err != nil {
		return fmt.Errorf("retrying dead letter %d: %w", d.no, err)
	}
	before, err := l.countLetter(ctx, d)
	if err != nil {
		return err
	}
	if before == 1 && d.forgotten {
		return l.closeLetter(ctx, d, "returned", "")
	}
	in := insert{
		form: l.table, into: l.table.name, settings: l.settings, rows: row, n: 1,
		token: fmt.Sprintf("letter%d:%s-%d-%d", d.life, l.table.topic, l.held.Partition, d.no),
	}
	if before <= 1 {
		if err := in.send(ctx, l.ClickHouse); err != nil {
			return err
		}
	}
	after, err := l.countLetter(ctx, d)
	switch {
	case err != nil:
		return err
	case after == 1:
		return l.closeLetter(ctx, d, "returned", "")
	case after == 0 && l.alone:
		_, err := l.db.Exec(ctx, `UPDATE dead_letter SET life = life + 1 WHERE no = $1 AND life = $2`, d.no, d.life)
		if err != nil {
			return fmt.Errorf("renewing the token of dead letter %d: %w", d.no, err)
		}
		return nil // the next look finds it
	}
	return l.closeLetter(ctx, d, "open", fmt.Sprintf("the table %s has it %d times", l.table.name, after))
}

// countLetter asks how many rows of the letter there are.
func (l *lane) countLetter(ctx context.Context, d returning) (n uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	ctx = clickhouse.WithSettings(ctx, clickhouse.Settings{"select_sequential_consistency": 1})
	err = l.ClickHouse.QueryRow(ctx, "SELECT count() FROM "+l.table.name+" WHERE _partition = ? AND _offset = ? AND _spool = ? AND _seq = ?",
		l.held.Partition, uint64(d.record.Offset), uuid.UUID(d.record.Spool), d.record.Seq).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("counting the rows of dead letter %d: %w", d.no, err)
	}
	return n, nil
}

// closeLetter says how a letter's return has ended. A problem is the reason why it is open again.
func (l *lane) closeLetter(ctx context.Context, d returning, state, problem string) error {
	_, err := l.db.Exec(ctx, `UPDATE dead_letter SET state = $2, error = CASE $3 WHEN '' THEN error ELSE $3 END,
		settled_at = CASE $2 WHEN 'open' THEN NULL ELSE now() END WHERE no = $1 AND state = 'returning'`, d.no, state, problem)
	if err != nil {
		return fmt.Errorf("settling dead letter %d: %w", d.no, err)
	}
	if problem != "" {
		l.log.Error("the retry of a dead letter failed", "number", d.no, "problem", problem)
	}
	return nil
}
