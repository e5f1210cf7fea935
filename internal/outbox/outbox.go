// Package outbox is how facts leave PostgreSQL for Kafka: what the engine decided, and what the database itself says of orders
// (the paths of visitors, counted clicks). A producer packs its events as rows of a table, in the transaction of their cause, and
// numbers them densely in each lane; a Sender carries a lane's rows to Kafka, in that order, until they are acknowledged.
//
// A producer numbers under the lock of its lane's position (position.Held.Lock), so rows become visible in order, and one that
// has lost its lease writes none. Kafka may get copies, which the sequence rule of the consumers drops, and never a hole.
package outbox

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/internal/event"
	"tributary/internal/fault"
	"tributary/internal/fault/inject"
	"tributary/internal/postgres"
	"tributary/internal/stream"
	"tributary/internal/text"
)

const (
	// packBytes bounds a row, sendBytes a request to Kafka, with what Kafka adds to each record: its own limit is a megabyte.
	packBytes = 384 << 10
	sendBytes = 768 << 10
	// Kept is how long rows stay after they were written, to be sent again if Kafka loses them: as long as the spool of a
	// tracker keeps its segments.
	Kept = 48 * time.Hour
	// trimRows is how many rows Trim removes at most.
	trimRows = 5000
)

// Table is where a kind of producer leaves its events.
type Table struct {
	// Topic is where they go.
	Topic string
	// rows holds them, and sent up to where Kafka has acknowledged each lane's.
	rows, sent string
}

// Ledger holds what the engine decided.
func Ledger() Table { return Table{event.Decisions, "ledger_outbox", "ledger_sent"} }

// Orders holds what the database says of orders.
func Orders() Table { return Table{event.Orders, "order_outbox", "order_sent"} }

// Packing packs events as rows of a lane.
type Packing struct {
	insert string
	lane   int
	batch  *pgx.Batch
	last   *int64

	packed []byte
	first  int64
	total  int
}

// Pack begins to pack events of a lane, whose rows are queued on batch. Their sequence goes on behind last, which it moves.
func (t Table) Pack(batch *pgx.Batch, lane int, last *int64) *Packing {
	return &Packing{
		insert: "INSERT INTO " + t.rows + " (lane, first_seq, last_seq, events) VALUES ($1, $2, $3, $4)",
		lane:   lane, batch: batch, last: last, first: *last + 1,
	}
}

// Add packs an event, key and event each behind its length.
func (k *Packing) Add(key []byte, e *event.Event) error {
	size := e.SizeVT()
	if need := len(key) + size + 2*binary.MaxVarintLen64; cap(k.packed)-len(k.packed) < need {
		k.packed = slices.Grow(k.packed, max(need, len(k.packed))) // append would copy a large row more often
	}
	k.packed = binary.AppendUvarint(k.packed, uint64(len(key)))
	k.packed = append(k.packed, key...)
	k.packed = binary.AppendUvarint(k.packed, uint64(size))
	k.packed = k.packed[:len(k.packed)+size]
	if _, err := e.MarshalToSizedBufferVT(k.packed[len(k.packed)-size:]); err != nil {
		return fmt.Errorf("encoding an event: %w", err)
	}
	*k.last++
	k.total++
	if len(k.packed)+int(*k.last-k.first+1)*stream.Overhead >= packBytes {
		k.flush()
	}
	return nil
}

// End queues what is left and tells how many events were packed.
func (k *Packing) End() int {
	k.flush()
	return k.total
}

func (k *Packing) flush() {
	if len(k.packed) > 0 {
		k.batch.Queue(k.insert, k.lane, k.first, *k.last, k.packed)
	}
	k.packed, k.first = nil, *k.last+1
}

// packed is a row.
type packed struct {
	first, last int64
	events      []byte
}

// ErrDamaged says that a row does not hold the events that it should.
var ErrDamaged = errors.New("a row of the outbox is damaged")

// Sender carries a lane to Kafka. Its table of what was sent says up to where Kafka has acknowledged, and each request goes on
// from there: so whatever is sent, by this process or by one that held the lane before and wakes up late, all that comes before
// it was acknowledged.
type Sender struct {
	Table

	DB    *pgxpool.Pool
	Kafka *stream.Client
	Lane  int
	// Spool is the id under which the producer numbers.
	Spool uuid.UUID
	// Before and After are the failpoints around a request, Marked is that behind its mark.
	Before, After, Marked inject.Point
}

// next is what comes behind the mark that is read with it; one row without events where there is nothing.
func (t Table) next() string {
	return `
SELECT s.through_seq, coalesce(o.first_seq, 0), coalesce(o.last_seq, 0), o.events
  FROM (SELECT coalesce((SELECT through_seq FROM ` + t.sent + ` WHERE lane = $1), 0) AS through_seq) s
  LEFT JOIN LATERAL (SELECT first_seq, last_seq, events FROM ` + t.rows + `
                      WHERE lane = $1 AND first_seq > s.through_seq ORDER BY first_seq LIMIT 4) o ON true
 ORDER BY o.first_seq`
}

// SendOnce sends what comes next, one request at most, and tells how many events that were. An error leaves it unknown whether
// Kafka has them: the next call sends them again.
func (s *Sender) SendOnce(ctx context.Context) (int, error) {
	rows, err := s.DB.Query(ctx, s.next(), s.Lane)
	if err != nil {
		return 0, fmt.Errorf("reading the outbox: %w", err)
	}
	var sent int64
	queued, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (packed, error) {
		var p packed
		err := row.Scan(&sent, &p.first, &p.last, &p.events)
		return p, err
	})
	if err != nil {
		return 0, fmt.Errorf("reading the outbox: %w", err)
	}
	if len(queued) == 0 || queued[0].first == 0 {
		return 0, nil
	}
	var records []stream.Record
	size, last := 0, sent
	for _, p := range queued {
		if size += len(p.events) + int(p.last-p.first+1)*stream.Overhead; size > sendBytes && len(records) > 0 {
			break
		}
		if records, err = s.unpack(records, p); err != nil {
			return 0, err
		}
		last = p.last
	}
	inject.Reach(s.Before)
	if err := s.Kafka.Produce(ctx, s.Topic, s.Lane, records); err != nil {
		return 0, err
	}
	inject.Reach(s.After)
	if err := s.mark(ctx, sent, last); err != nil {
		return 0, err
	}
	inject.Reach(s.Marked)
	return len(records), nil
}

// unpack appends the events of a row as records.
func (s *Sender) unpack(dst []stream.Record, p packed) ([]stream.Record, error) {
	rest := p.events
	cut := func() ([]byte, error) {
		size, n := binary.Uvarint(rest)
		if n <= 0 || size > uint64(len(rest)-n) {
			return nil, fmt.Errorf("%w: lane %d, from %d on", ErrDamaged, s.Lane, p.first)
		}
		part := rest[n : n+int(size)]
		rest = rest[n+int(size):]
		return part, nil
	}
	for seq := p.first; seq <= p.last; seq++ {
		key, err := cut()
		if err != nil {
			return nil, err
		}
		value, err := cut()
		if err != nil {
			return nil, err
		}
		dst = append(dst, stream.Record{Partition: s.Lane, Key: key, Value: value, Spool: s.Spool, Seq: uint64(seq)})
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%w: lane %d, from %d to %d", ErrDamaged, s.Lane, p.first, p.last)
	}
	return dst, nil
}

// mark writes down what has been acknowledged, after one sequence up to another, unless the mark has been moved since it
// was read. A crash may forget that: it is then sent again.
func (s *Sender) mark(ctx context.Context, after, last int64) error {
	return postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		batch := &pgx.Batch{}
		batch.Queue(`SET LOCAL synchronous_commit = off`)
		batch.Queue(`INSERT INTO `+s.sent+` AS s (lane, through_seq) VALUES ($1, $3)
			ON CONFLICT (lane) DO UPDATE SET through_seq = excluded.through_seq WHERE s.through_seq = $2`, s.Lane, after, last)
		if err := tx.SendBatch(ctx, batch).Close(); err != nil {
			return fmt.Errorf("marking events as sent: %w", err)
		}
		return nil
	})
}

// Trim removes the oldest rows of the lane that were acknowledged and are older than Kept, some thousands at most.
func (s *Sender) Trim(ctx context.Context) error {
	_, err := s.DB.Exec(ctx, `
DELETE FROM `+s.rows+` WHERE lane = $1 AND first_seq <= (
  SELECT max(first_seq) FROM (
    SELECT first_seq, at FROM `+s.rows+` WHERE lane = $1 AND first_seq <= (SELECT through_seq FROM `+s.sent+` WHERE lane = $1)
     ORDER BY first_seq LIMIT $3) oldest
   WHERE at < now() - $2 * interval '1 second')`, s.Lane, Kept.Seconds(), trimRows)
	if err != nil {
		return fmt.Errorf("trimming the outbox: %w", err)
	}
	return nil
}

// querier is a pool or a transaction.
type querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Rewind has the events of a lane sent again from a sequence on, for a Kafka that has lost what it acknowledged: the process that
// holds the lane does so within a second or two, and who has them drops them. It refuses a sequence that the outbox does
// not keep any more.
func (t Table) Rewind(ctx context.Context, q querier, lane int, seq int64) error {
	var oldest, newest int64
	err := q.QueryRow(ctx, `SELECT coalesce((SELECT first_seq FROM `+t.rows+` WHERE lane = $1 ORDER BY first_seq LIMIT 1), 0),
		coalesce((SELECT last_seq FROM `+t.rows+` WHERE lane = $1 ORDER BY first_seq DESC LIMIT 1), 0)`, lane).Scan(&oldest, &newest)
	if err != nil {
		return fmt.Errorf("reading the outbox: %w", err)
	}
	if seq < max(oldest, 1) || seq > newest {
		of, wanted := strconv.Itoa(lane), strconv.FormatInt(seq, 10)
		detail := text.DetailOutboxEmpty(of, wanted)
		if oldest > 0 {
			detail = text.DetailOutboxRange(of, strconv.FormatInt(newest, 10), strconv.FormatInt(oldest, 10), wanted)
		}
		return fault.Detailed(fault.NotFound, "not_kept", detail, nil)
	}
	// A mark stands at the end of a row, so that the row with the sequence is sent as a whole.
	_, err = q.Exec(ctx, `UPDATE `+t.sent+` SET through_seq = least(through_seq,
		(SELECT max(first_seq) - 1 FROM `+t.rows+` WHERE lane = $1 AND first_seq <= $2)) WHERE lane = $1`, lane, seq)
	if err != nil {
		return fmt.Errorf("setting lane %d back: %w", lane, err)
	}
	return nil
}
