package loader

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/internal/fault"
	"tributary/internal/fault/inject"
	"tributary/internal/position"
	"tributary/internal/postgres"
	"tributary/internal/text"
)

// Consumer is the loader's name in the tables position, high_water and dead_letter.
const Consumer = "loader"

// keepDone is how long the manifest remembers batches that are done.
const keepDone = 48 * time.Hour

// errMoved says that a position or a batch is not as this process left it, though the lease is still its own: a person
// has changed it. The work on the partition starts over.
var errMoved = errors.New("it was changed meanwhile")

const insertPlan = `
INSERT INTO clickhouse_batch (topic, partition, first_offset, last_offset, rows, before, generation, state, done_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, CASE WHEN $8 = 'done' THEN now() END)`

// forgetOtherLog removes what is done when a batch that is new does not follow the last one: the position was set
// (position.FromFirst), back into a log that was recreated, so that those lines speak of one that is no more, or over what
// Kafka let go of, so that there is no hole to look for.
const forgetOtherLog = `
DELETE FROM clickhouse_batch WHERE topic = $1 AND partition = $2 AND state = 'done' AND $3 - 1 IS DISTINCT FROM (
  SELECT last_offset FROM clickhouse_batch WHERE topic = $1 AND partition = $2 ORDER BY first_offset DESC LIMIT 1)`

const insertLetter = `
INSERT INTO dead_letter (consumer, topic, partition, "offset", spool, seq, key, value, error)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`

// plan writes the batch down and moves the position behind it. It may be called again when its outcome is not known.
// A batch without rows is done with that.
func (l *lane) plan(ctx context.Context, b *batch) error {
	began := time.Now()
	err := postgres.InTx(ctx, l.db, func(tx pgx.Tx) error {
		p, err := l.held.Lock(ctx, tx)
		if err != nil {
			return err
		}
		switch p.Next {
		case b.after.Next:
			return nil // an earlier attempt has committed
		case b.first():
		default:
			return fmt.Errorf("planning offsets %d to %d: the position is %d: %w", b.first(), b.last(), p.Next, errMoved)
		}
		marks, err := encodeMarks(b.before)
		if err != nil {
			return err
		}
		state := "planned"
		if b.n == 0 {
			state = "done"
		}
		batch := &pgx.Batch{}
		batch.Queue(forgetOtherLog, l.table.topic, l.held.Partition, b.first())
		batch.Queue(insertPlan, l.table.topic, l.held.Partition, b.first(), b.last(), b.n, marks, b.generation, state)
		for _, d := range b.letters {
			batch.Queue(insertLetter, Consumer, l.table.topic, l.held.Partition, d.record.Offset, d.record.Spool[:], int64(d.record.Seq),
				notNull(d.record.Key), notNull(d.record.Value), d.cause.Error())
		}
		l.held.QueueForged(batch, b.forged)
		if err := tx.SendBatch(ctx, batch).Close(); err != nil {
			return fmt.Errorf("writing the plan of offsets %d to %d: %w", b.first(), b.last(), err)
		}
		if err := l.held.Save(ctx, tx, b.after); err != nil {
			return err
		}
		inject.Reach(inject.LoaderBeforePlan)
		return nil
	})
	b.planned = began
	if err == nil {
		inject.Reach(inject.LoaderAfterPlan)
	}
	return err
}

func notNull(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// confirm makes sure that this process may still send the batch: that the lease is its own, and the batch open.
func (l *lane) confirm(ctx context.Context, b *batch) error {
	began := time.Now()
	err := postgres.InTx(ctx, l.db, func(tx pgx.Tx) error {
		if _, err := l.held.Lock(ctx, tx); err != nil {
			return err
		}
		var generation int
		err := tx.QueryRow(ctx, `SELECT generation FROM clickhouse_batch WHERE topic = $1 AND partition = $2 AND first_offset = $3 AND state = 'planned'`,
			l.table.topic, l.held.Partition, b.first()).Scan(&generation)
		if errors.Is(err, pgx.ErrNoRows) || err == nil && generation != b.generation {
			err = errMoved // somebody has dealt with it
		}
		if err != nil {
			return fmt.Errorf("confirming the plan of offsets %d to %d: %w", b.first(), b.last(), err)
		}
		return nil
	})
	b.planned = began
	return err
}

// done marks the batch as stored. It needs no lease: it is true whoever says it.
func (l *lane) done(ctx context.Context, b *batch) error {
	_, err := l.db.Exec(ctx, `UPDATE clickhouse_batch SET state = 'done', done_at = now(), problem = ''
		WHERE topic = $1 AND partition = $2 AND first_offset = $3 AND generation = $4 AND state = 'planned'`,
		l.table.topic, l.held.Partition, b.first(), b.generation)
	if err != nil {
		return fmt.Errorf("marking offsets %d to %d as done: %w", b.first(), b.last(), err)
	}
	inject.Reach(inject.LoaderAfterDone)
	return nil
}

// renew gives the batch a new token.
func (l *lane) renew(ctx context.Context, b *batch) error {
	return l.change(ctx, b.first(), b.generation, `UPDATE clickhouse_batch SET generation = generation + 1
		WHERE topic = $1 AND partition = $2 AND first_offset = $3 AND generation = $4 AND state = 'planned'`)
}

// park leaves the batch to a person.
func (l *lane) park(ctx context.Context, first int64, generation int, problem string) error {
	return l.change(ctx, first, generation, `UPDATE clickhouse_batch SET state = 'parked', problem = $5
		WHERE topic = $1 AND partition = $2 AND first_offset = $3 AND generation = $4 AND state = 'planned'`, problem)
}

// change runs a statement on one open batch under the partition's lease.
func (l *lane) change(ctx context.Context, first int64, generation int, statement string, more ...any) error {
	err := postgres.InTx(ctx, l.db, func(tx pgx.Tx) error {
		if _, err := l.held.Lock(ctx, tx); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, statement, append([]any{l.table.topic, l.held.Partition, first, generation}, more...)...)
		return err
	})
	if err != nil {
		return fmt.Errorf("changing the batch from offset %d on: %w", first, err)
	}
	return nil
}

// plan is a line of the manifest.
type plan struct {
	first, last int64
	rows        int
	before      []byte
	generation  int
}

// open gives the batches of the partition that are planned and not done, in order.
func (l *lane) open(ctx context.Context) ([]plan, error) {
	rows, err := l.db.Query(ctx, `SELECT first_offset, last_offset, rows, before, generation FROM clickhouse_batch
		WHERE topic = $1 AND partition = $2 AND state = 'planned' ORDER BY first_offset`, l.table.topic, l.held.Partition)
	if err != nil {
		return nil, fmt.Errorf("listing open batches: %w", err)
	}
	plans, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (plan, error) {
		var p plan
		err := row.Scan(&p.first, &p.last, &p.rows, &p.before, &p.generation)
		return p, err
	})
	if err != nil {
		return nil, fmt.Errorf("listing open batches: %w", err)
	}
	return plans, nil
}

// forgetful is how many inserts into a table may follow a batch's plan before its token counts as forgotten: half of the
// server's window, because retries take their place in it, too.
const forgetful = window / 2

// forgotten tells whether the server may have forgotten the batch's token.
func (l *lane) forgotten(ctx context.Context, b *batch) (bool, error) {
	var forgotten bool
	err := l.db.QueryRow(ctx, `
		SELECT b.planned_at < now() - $4 * interval '1 second' OR $5 <= (SELECT count(*) FROM (
		         SELECT FROM clickhouse_batch later WHERE later.topic = b.topic AND later.planned_at > b.planned_at LIMIT $5) AS l)
		  FROM clickhouse_batch b WHERE b.topic = $1 AND b.partition = $2 AND b.first_offset = $3`,
		l.table.topic, l.held.Partition, b.first(), keepDone.Seconds(), forgetful).Scan(&forgotten)
	if err != nil {
		return false, fmt.Errorf("counting what followed offset %d: %w", b.first(), err)
	}
	return forgotten, nil
}

// trimBatch is how many lines of a partition's manifest one transaction looks at.
const trimBatch = 2000

const trimManifest = `
DELETE FROM clickhouse_batch b USING (
  SELECT first_offset, state, done_at FROM clickhouse_batch WHERE topic = $1 AND partition = $2 ORDER BY first_offset LIMIT $4) AS oldest
 WHERE b.topic = $1 AND b.partition = $2 AND b.first_offset = oldest.first_offset
   AND oldest.state = 'done' AND oldest.done_at < now() - $3 * interval '1 second'`

// trim removes the oldest lines of a partition's manifest that have been done for keep, at most trimBatch of them, and
// gives their number.
func trim(ctx context.Context, db *pgxpool.Pool, topic string, partition int, keep time.Duration) (int64, error) {
	tag, err := db.Exec(ctx, trimManifest, topic, partition, keep.Seconds(), trimBatch)
	if err != nil {
		return 0, fmt.Errorf("trimming the manifest of %s/%d: %w", topic, partition, err)
	}
	return tag.RowsAffected(), nil
}

// Retry makes the loader load the batch that begins at offset first again, parked or done: for one that was parked once
// its cause is gone, and for rows that ClickHouse has lost, as after a restore from an older copy. Whoever holds
// the partition sends the batch within some seconds if its rows are missing, as long as Kafka still holds its records.
func Retry(ctx context.Context, db *pgxpool.Pool, topic string, partition int, first int64) error {
	tag, err := db.Exec(ctx, `UPDATE clickhouse_batch SET state = 'planned', done_at = NULL, problem = ''
		WHERE topic = $1 AND partition = $2 AND first_offset = $3 AND rows > 0`, topic, partition, first)
	if err != nil {
		return fmt.Errorf("reloading %s/%d from offset %d on: %w", topic, partition, first, err)
	}
	if tag.RowsAffected() == 0 {
		return fault.Detailed(fault.NotFound, "unknown_batch", text.DetailUnknownBatch(strconv.FormatInt(first, 10), strconv.Itoa(partition), topic), nil)
	}
	return nil
}

// behind is a condition of SQL for rows of records that were not seen before the position. Those of an earlier log, whose
// offsets were the same, were.
func behind(p *position.Position) string {
	if len(p.Marks) == 0 {
		return "_seq > 0"
	}
	var seen strings.Builder
	for _, spool := range slices.SortedFunc(maps.Keys(p.Marks), func(a, b [16]byte) int { return bytes.Compare(a[:], b[:]) }) {
		_, _ = fmt.Fprintf(&seen, "_spool = toUUID('%s'), %d, ", uuid.UUID(spool), p.Marks[spool])
	}
	return "_seq > multiIf(" + seen.String() + "0)"
}

// mark is what is known of one spool at a position, as the manifest has it.
type mark struct {
	Seq uint64 `json:"seq"`
	// Gap is set while records are being sent again (position.Position.Gaps).
	Gap uint64 `json:"gap,omitempty"`
}

// encodeMarks gives the marks of a position for the manifest.
func encodeMarks(p *position.Position) ([]byte, error) {
	marks := make(map[string]mark, len(p.Marks))
	for spool, seq := range p.Marks {
		marks[hex.EncodeToString(spool[:])] = mark{Seq: seq, Gap: p.Gaps[spool]}
	}
	data, err := json.Marshal(marks)
	if err != nil {
		return nil, fmt.Errorf("encoding the marks: %w", err)
	}
	return data, nil
}

// decodeMarks is the position at an offset with the marks that the manifest has.
func decodeMarks(next int64, data []byte) (*position.Position, error) {
	var marks map[string]mark
	if err := json.Unmarshal(data, &marks); err != nil {
		return nil, fmt.Errorf("decoding the marks: %w", err)
	}
	p := &position.Position{Next: next, Marks: make(map[[16]byte]uint64), Gaps: make(map[[16]byte]uint64)}
	for name, m := range marks {
		spool, err := hex.DecodeString(name)
		if err != nil || len(spool) != 16 {
			return nil, fmt.Errorf("decoding the marks: %q is not the id of a spool", name)
		}
		p.Marks[[16]byte(spool)] = m.Seq
		if m.Gap != 0 {
			p.Gaps[[16]byte(spool)] = m.Gap
		}
	}
	return p, nil
}
