package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/event"
	"tributary/internal/fault/inject"
	"tributary/internal/position"
	"tributary/internal/postgres"
	"tributary/internal/stream"
)

const (
	// packBytes bounds a row of the outbox, sendBytes a request to Kafka, with what Kafka adds to each record: its own
	// limit is a megabyte.
	packBytes = 384 << 10
	sendBytes = 768 << 10
)

// pack queues the ledger events of orders as rows of the outbox and tells how many there are. Their sequence goes on
// where p.Out, which it moves, stands.
func (l *lane) pack(batch *pgx.Batch, p *position.Position, orders []*order, postedAt time.Time) (int, error) {
	var packed []byte
	total, first := 0, p.Out+1
	flush := func() {
		if len(packed) > 0 {
			batch.Queue(`INSERT INTO ledger_outbox (lane, first_seq, last_seq, events) VALUES ($1, $2, $3, $4)`,
				l.held.Partition, first, p.Out, packed)
		}
		packed, first = nil, p.Out+1
	}
	for _, o := range orders {
		for n := range o.reported { // thousands, where as many refunds came before the order
			var err error
			if packed, err = o.appendEvent(packed, n, postedAt); err != nil {
				return 0, err
			}
			p.Out++
			total++
			if len(packed)+int(p.Out-first+1)*stream.Overhead >= packBytes {
				flush()
			}
		}
	}
	flush()
	return total, nil
}

// parcel is a row of the outbox.
type parcel struct {
	first, last int64
	events      []byte
}

var errPacked = errors.New("a row of the outbox is damaged")

// unpack appends the events of a parcel as records of a lane.
func (l *lane) unpack(dst []stream.Record, p parcel) ([]stream.Record, error) {
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

// send carries the lane's ledger events from the outbox to Kafka until ctx ends, in the order of their sequence: a row
// is deleted once Kafka has acknowledged it, and the lowest row that is left is what comes next. So whatever is sent,
// by this process or by one that held the lane before and wakes up late, all that comes before it was acknowledged: the
// log may hold copies, which the sequence rule drops, and never a hole.
func (l *lane) send(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	wait := newBackoff()
	sent := int64(0)
	for {
		n, err := l.sendOnce(ctx, sent)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			wait.warn(l.log, "ledger events cannot be sent", err)
			wait.sleep(ctx)
			continue
		}
		wait.over(l.log, "ledger events are sent again")
		if n > sent {
			sent = n
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

// sendOnce sends what comes after sent, one request at most, and tells up to where the outbox is sent then.
func (l *lane) sendOnce(ctx context.Context, sent int64) (int64, error) {
	// name: outbox next. Rows that were deleted a moment ago lie dead before first_seq: starting behind them spares the
	// index from walking over them each time.
	rows, err := l.cfg.DB.Query(ctx, `SELECT first_seq, last_seq, events FROM ledger_outbox
		WHERE lane = $1 AND first_seq > $2 ORDER BY first_seq LIMIT 4`, l.held.Partition, sent)
	if err != nil {
		return sent, fmt.Errorf("reading the outbox: %w", err)
	}
	parcels, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (parcel, error) {
		var p parcel
		err := row.Scan(&p.first, &p.last, &p.events)
		return p, err
	})
	if err != nil {
		return sent, fmt.Errorf("reading the outbox: %w", err)
	}
	if len(parcels) == 0 {
		return sent, nil
	}
	var records []stream.Record
	size, last := 0, sent
	for _, p := range parcels {
		if size += len(p.events) + int(p.last-p.first+1)*stream.Overhead; size > sendBytes && len(records) > 0 {
			break
		}
		if records, err = l.unpack(records, p); err != nil {
			return sent, err
		}
		last = p.last
	}
	inject.Reach(inject.EngineBeforeProduce)
	if err := l.cfg.Kafka.Produce(ctx, event.Decisions, l.held.Partition, records); err != nil {
		return sent, err
	}
	inject.Reach(inject.EngineAfterProduce)
	l.metrics.sent.Add(float64(len(records)))
	if err := l.clear(ctx, sent, last); err != nil {
		return last, err
	}
	inject.Reach(inject.EngineAfterClear)
	return last, nil
}

// clear deletes what has been acknowledged, after one sequence up to another. A crash may forget that: it is then sent
// again.
func (l *lane) clear(ctx context.Context, after, last int64) error {
	return postgres.InTx(ctx, l.cfg.DB, func(tx pgx.Tx) error {
		batch := &pgx.Batch{}
		batch.Queue(`SET LOCAL synchronous_commit = off`)
		batch.Queue(`DELETE FROM ledger_outbox WHERE lane = $1 AND first_seq > $2 AND last_seq <= $3`, l.held.Partition, after, last)
		if err := tx.SendBatch(ctx, batch).Close(); err != nil {
			return fmt.Errorf("clearing the outbox: %w", err)
		}
		return nil
	})
}
