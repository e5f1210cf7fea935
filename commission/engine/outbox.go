package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/event"
	"tributary/internal/fault/inject"
	"tributary/internal/outbox"
	"tributary/internal/position"
	"tributary/internal/stream"
)

// pack queues the ledger events of orders and tells how many there are.
func (l *lane) pack(batch *pgx.Batch, p *position.Position, orders []*order, postedAt time.Time) (int, error) {
	out := outbox.Ledger().Pack(batch, l.held.Partition, &p.Out)
	var room telling
	for _, o := range orders {
		key := o.key.keys.Key(o.key.merchant, o.key.id)
		for n := range o.reported { // thousands, where as many refunds came before the order
			e, err := o.ledgerEvent(n, postedAt, &room)
			if err == nil {
				err = out.Add(key, e)
			}
			if err != nil {
				return 0, fmt.Errorf("the ledger events of order %d: %w", o.no, err)
			}
		}
	}
	return out.End(), nil
}

// sender carries the lane's ledger events to Kafka.
func (l *lane) sender() *outbox.Sender {
	return &outbox.Sender{
		Table: outbox.Ledger(), DB: l.cfg.DB, Kafka: l.cfg.Kafka, Lane: l.held.Partition, Spool: l.spool,
		Before: inject.EngineBeforeProduce, After: inject.EngineAfterProduce, Marked: inject.EngineAfterClear,
	}
}

// trimEvery is how often a lane looks for rows of the outbox to remove.
const trimEvery = 10 * time.Second

// send carries the lane's ledger events from the outbox to Kafka until ctx ends, in the order of their sequence.
func (l *lane) send(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	wait := newBackoff()
	trimmed := time.Now()
	out := l.sender()
	for {
		n, err := out.SendOnce(ctx)
		l.metrics.sent.Add(float64(n))
		if err == nil && time.Since(trimmed) >= trimEvery {
			trimmed, err = time.Now(), out.Trim(ctx)
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
