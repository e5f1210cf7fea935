package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/event"
	"tributary/internal/fault"
	"tributary/internal/fault/inject"
	"tributary/internal/position"
	"tributary/internal/postgres"
	"tributary/internal/stream"
	"tributary/internal/text"
)

const (
	// packBytes bounds a row of the outbox, sendBytes a request to Kafka, with what Kafka adds to each record: its own
	// limit is a megabyte.
	packBytes = 384 << 10
	sendBytes = 768 << 10
)

// packing packs ledger events as rows of the outbox of a lane. Their sequence goes on where at.Out, which it moves, stands.
type packing struct {
	lane  int
	batch *pgx.Batch
	at    *position.Position

	packed []byte
	first  int64
	total  int
}

func (l *lane) packing(batch *pgx.Batch, at *position.Position) *packing {
	return &packing{lane: l.held.Partition, batch: batch, at: at, first: at.Out + 1}
}

// add packs an event, key and event each behind its length.
func (k *packing) add(key []byte, e *event.Event) error {
	k.packed = binary.AppendUvarint(k.packed, uint64(len(key)))
	k.packed = append(k.packed, key...)
	size := e.SizeVT()
	k.packed = binary.AppendUvarint(k.packed, uint64(size))
	k.packed = slices.Grow(k.packed, size)[:len(k.packed)+size]
	if _, err := e.MarshalToSizedBufferVT(k.packed[len(k.packed)-size:]); err != nil {
		return fmt.Errorf("encoding a ledger event: %w", err)
	}
	k.at.Out++
	k.total++
	if len(k.packed)+int(k.at.Out-k.first+1)*stream.Overhead >= packBytes {
		k.flush()
	}
	return nil
}

// flush queues what is packed as a row.
func (k *packing) flush() {
	if len(k.packed) > 0 {
		k.batch.Queue(`INSERT INTO ledger_outbox (lane, first_seq, last_seq, events) VALUES ($1, $2, $3, $4)`, k.lane, k.first, k.at.Out, k.packed)
	}
	k.packed, k.first = nil, k.at.Out+1
}

// pack queues the ledger events of orders and tells how many there are.
func (l *lane) pack(batch *pgx.Batch, p *position.Position, orders []*order, postedAt time.Time) (int, error) {
	out := l.packing(batch, p)
	for _, o := range orders {
		key := o.key.keys.Key(o.key.merchant, o.key.id)
		for n := range o.reported { // thousands, where as many refunds came before the order
			e, err := o.ledgerEvent(n, postedAt)
			if err == nil {
				err = out.add(key, e)
			}
			if err != nil {
				return 0, fmt.Errorf("the ledger events of order %d: %w", o.no, err)
			}
		}
	}
	out.flush()
	return out.total, nil
}

// outboxRow is a row of the outbox.
type outboxRow struct {
	first, last int64
	events      []byte
}

var errPacked = errors.New("a row of the outbox is damaged")

// unpack appends the events of a row of the outbox as records of a lane.
func (l *lane) unpack(dst []stream.Record, p outboxRow) ([]stream.Record, error) {
	rest := p.events
	cut := func() ([]byte, error) {
		size, n := binary.Uvarint(rest)
		if n <= 0 || size > uint64(len(rest)-n) {
			return nil, fmt.Errorf("%w: lane %d, from %d on", errPacked, l.held.Partition, p.first)
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
		dst = append(dst, stream.Record{Partition: l.held.Partition, Key: key, Value: value, Spool: l.spool, Seq: uint64(seq)})
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%w: lane %d, from %d to %d", errPacked, l.held.Partition, p.first, p.last)
	}
	return dst, nil
}

// send carries the lane's ledger events from the outbox to Kafka until ctx ends, in the order of their sequence. The table
// ledger_sent says up to where Kafka has acknowledged them, and each request goes on from there: so whatever is sent, by
// this process or by one that held the lane before and wakes up late, all that comes before it was acknowledged. The log
// may hold copies, which the sequence rule drops, and never a hole.
func (l *lane) send(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	wait := newBackoff()
	trimmed := time.Now()
	for {
		n, err := l.sendOnce(ctx)
		if err == nil && time.Since(trimmed) >= trimEvery {
			trimmed, err = time.Now(), l.trim(ctx)
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			wait.warn(l.log, "ledger events cannot be sent", err)
			wait.sleep(ctx)
			continue
		}
		wait.over(l.log, "ledger events are sent again")
		if n > 0 {
			continue
		}
		select {
		case <-l.unsent:
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// nextOutboxRows is what comes behind the mark that is read with it; one row without events where there is nothing.
const nextOutboxRows = `
SELECT s.through_seq, coalesce(o.first_seq, 0), coalesce(o.last_seq, 0), o.events
  FROM (SELECT coalesce((SELECT through_seq FROM ledger_sent WHERE lane = $1), 0) AS through_seq) s
  LEFT JOIN LATERAL (SELECT first_seq, last_seq, events FROM ledger_outbox
                      WHERE lane = $1 AND first_seq > s.through_seq ORDER BY first_seq LIMIT 4) o ON true
 ORDER BY o.first_seq`

// sendOnce sends what comes next, one request at most, and tells how many events that were.
func (l *lane) sendOnce(ctx context.Context) (int, error) {
	rows, err := l.cfg.DB.Query(ctx, nextOutboxRows, l.held.Partition)
	if err != nil {
		return 0, fmt.Errorf("reading the outbox: %w", err)
	}
	var sent int64
	queued, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (outboxRow, error) {
		var p outboxRow
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
		if records, err = l.unpack(records, p); err != nil {
			return 0, err
		}
		last = p.last
	}
	inject.Reach(inject.EngineBeforeProduce)
	if err := l.cfg.Kafka.Produce(ctx, event.Decisions, l.held.Partition, records); err != nil {
		return 0, err
	}
	inject.Reach(inject.EngineAfterProduce)
	l.metrics.sent.Add(float64(len(records)))
	if err := l.mark(ctx, sent, last); err != nil {
		return 0, err
	}
	inject.Reach(inject.EngineAfterClear)
	return len(records), nil
}

// mark writes down what has been acknowledged, after one sequence up to another, unless the mark has been moved since it
// was read. A crash may forget that: it is then sent again.
func (l *lane) mark(ctx context.Context, after, last int64) error {
	return postgres.InTx(ctx, l.cfg.DB, func(tx pgx.Tx) error {
		batch := &pgx.Batch{}
		batch.Queue(`SET LOCAL synchronous_commit = off`)
		batch.Queue(`INSERT INTO ledger_sent AS s (lane, through_seq) VALUES ($1, $3)
			ON CONFLICT (lane) DO UPDATE SET through_seq = excluded.through_seq WHERE s.through_seq = $2`, l.held.Partition, after, last)
		if err := tx.SendBatch(ctx, batch).Close(); err != nil {
			return fmt.Errorf("marking ledger events as sent: %w", err)
		}
		return nil
	})
}

const (
	// keepSent is how long ledger events stay in the outbox after they were written, to be sent again if Kafka loses
	// them: as long as the spool of a tracker keeps its segments.
	keepSent = 48 * time.Hour
	// trimEvery is how often a lane looks for rows to remove, trimRows how many it removes at most.
	trimEvery = 10 * time.Second
	trimRows  = 5000
)

// trimOutbox removes the oldest rows of a lane that were acknowledged and are old enough.
const trimOutbox = `
DELETE FROM ledger_outbox WHERE lane = $1 AND first_seq <= (
  SELECT max(first_seq) FROM (
    SELECT first_seq, at FROM ledger_outbox WHERE lane = $1 AND first_seq <= (SELECT through_seq FROM ledger_sent WHERE lane = $1)
     ORDER BY first_seq LIMIT $3) oldest
   WHERE at < now() - $2 * interval '1 second')`

// trim removes what was sent and needs no longer be kept.
func (l *lane) trim(ctx context.Context) error {
	if _, err := l.cfg.DB.Exec(ctx, trimOutbox, l.held.Partition, keepSent.Seconds(), trimRows); err != nil {
		return fmt.Errorf("trimming the outbox: %w", err)
	}
	return nil
}

// Rewind has the ledger events of a lane sent again from a sequence on, for a Kafka that has lost what it acknowledged:
// the engine that holds the lane does so within a second or two, and who has them drops them. It refuses a sequence that
// the outbox does not keep any more.
func Rewind(ctx context.Context, q querier, lane int, seq int64) error {
	var oldest, newest int64
	err := q.QueryRow(ctx, `SELECT coalesce((SELECT first_seq FROM ledger_outbox WHERE lane = $1 ORDER BY first_seq LIMIT 1), 0),
		coalesce((SELECT last_seq FROM ledger_outbox WHERE lane = $1 ORDER BY first_seq DESC LIMIT 1), 0)`, lane).Scan(&oldest, &newest)
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
	_, err = q.Exec(ctx, `UPDATE ledger_sent SET through_seq = least(through_seq,
		(SELECT max(first_seq) - 1 FROM ledger_outbox WHERE lane = $1 AND first_seq <= $2)) WHERE lane = $1`, lane, seq)
	if err != nil {
		return fmt.Errorf("setting lane %d back: %w", lane, err)
	}
	return nil
}

// remembered gives a *position.BehindError when the last ledger event of the lane in Kafka is not among those that the books
// have numbered: only what is committed is sent, so PostgreSQL has lost commits since. It waits for both servers.
func (l *lane) remembered(ctx context.Context, sent int64) error {
	wait := newBackoff()
	for {
		seq, err := l.lastSent(ctx)
		switch {
		case err == nil && int64(seq) > sent:
			return &position.BehindError{Found: fmt.Sprintf("Kafka has ledger event %d of lane %d, and the books have numbered %d", seq, l.held.Partition, sent)}
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		}
		wait.warn(l.log, "the last ledger event sent cannot be read", err)
		wait.sleep(ctx)
	}
}

// lastSent is the sequence of the lane's last ledger event in Kafka, 0 when there is none or it is of a life that is over.
func (l *lane) lastSent(ctx context.Context) (uint64, error) {
	var since int64
	err := l.cfg.DB.QueryRow(ctx, `SELECT coalesce((SELECT since FROM position WHERE consumer = 'loader' AND topic = $1 AND partition = $2), 0)`,
		event.Decisions, l.held.Partition).Scan(&since)
	if err != nil {
		return 0, fmt.Errorf("reading where the lane begins: %w", err)
	}
	first, end, err := l.cfg.Kafka.Offsets(ctx, event.Decisions, l.held.Partition)
	if err != nil {
		return 0, err
	}
	// Anybody may have written behind it, so the search goes back until it meets a record of this network.
	first = max(first, since)
	for span := int64(1); end > first; span *= 16 {
		from := max(first, end-span)
		last, err := l.lastGenuine(ctx, from, end)
		if err != nil || last != nil {
			if last == nil || last.Spool != l.spool {
				return 0, err
			}
			return last.Seq, nil
		}
		end = from
	}
	return 0, nil
}

// lastGenuine gives the last ledger event of this network between two offsets, nil where there is none.
func (l *lane) lastGenuine(ctx context.Context, from, end int64) (last *stream.Record, err error) {
	for from < end {
		records, err := l.cfg.Kafka.Fetch(ctx, event.Decisions, l.held.Partition, from, fetchBytes, fetchWait)
		if err != nil {
			return nil, err
		}
		for i := range records {
			if from = records[i].Offset + 1; from > end {
				break
			}
			if records[i].Seal == stream.Genuine {
				last = &records[i]
			}
		}
	}
	return last, nil
}
