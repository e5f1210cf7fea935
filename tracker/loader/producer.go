package loader

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tributary/internal/event"
	"tributary/internal/fault/inject"
	"tributary/internal/outbox"
	"tributary/internal/position"
	"tributary/internal/postgres"
	"tributary/internal/stream"
)

// Producer is the name by which loaders hold the lanes in which they say what the databases know of orders.
const Producer = "producer"

const (
	// produceEvery is how often a lane looks for what there is to say.
	produceEvery = time.Second
	// trimEvery is how often it removes what was sent long ago.
	trimEvery = 10 * time.Second
)

// producer is a lane of the topic orders in the hands of this process, as far as its producers go: the resolver, which tells the
// paths of visitors (path.go), and the counter of clicks that are paid for (clicks.go). What one has to say goes into the outbox, in the transaction that
// takes its cause off, under the lock of the lane's position: so it is said once, whoever dies when.
type producer struct {
	*Loader

	held    position.Held
	out     *outbox.Sender
	trimmed time.Time
	goals   map[waiting]*goal   // what is waited for
	reached map[waiting]reached // what was waited for last, and is there
}

// produce works on a lane until ctx ends or the lease is lost.
func (l *Loader) produce(ctx context.Context, h position.Held) error {
	p := &producer{Loader: l, held: h, trimmed: time.Now()}
	wait := newBackoff()
	for ctx.Err() == nil {
		busy, err := p.once(ctx)
		switch {
		case errors.Is(err, position.ErrLost), errors.Is(err, position.ErrHalted):
			return err
		case err != nil:
			l.producersWait.report(ctx, err)
			_ = wait.sleep(ctx)
			continue
		}
		l.producersWait.over()
		wait = newBackoff()
		if !busy {
			_ = sleep(ctx, produceEvery)
		}
	}
	return nil
}

// once does what there is to do in the lane, and tells whether there may be more.
func (p *producer) once(ctx context.Context) (busy bool, err error) {
	if p.out == nil {
		if err := p.begin(ctx); err != nil {
			return false, err
		}
	}
	if busy, err = p.resolve(ctx); err != nil {
		return false, err
	}
	counted, err := p.countClicks(ctx)
	if err != nil {
		return false, err
	}
	busy = busy || counted
	for sent := 1; sent > 0; {
		if sent, err = p.out.SendOnce(ctx); err != nil {
			return false, err
		}
	}
	if time.Since(p.trimmed) >= trimEvery {
		p.trimmed, err = time.Now(), p.out.Trim(ctx)
	}
	return busy, err
}

// begin makes sure that the lane's numbers go on behind all that Kafka has: PostgreSQL may have been restored to a time before
// some of it was said. What the engine has read is in the books with its numbers, so only what follows is looked at.
func (p *producer) begin(ctx context.Context) error {
	var text string
	var next int64
	err := p.db.QueryRow(ctx, `SELECT value, coalesce((SELECT next_offset FROM position WHERE consumer = 'engine' AND topic = $1 AND partition = $2), 0)
		FROM setting WHERE name = 'order_spool'`, event.Orders, p.held.Partition).Scan(&text, &next)
	if err != nil {
		return fmt.Errorf("reading where the lane stands: %w", err)
	}
	spool, err := uuid.Parse(text)
	if err != nil {
		return fmt.Errorf("reading the setting order_spool: %w", err)
	}
	said, err := p.said(ctx, spool, next)
	if err != nil {
		return err
	}
	err = postgres.InTx(ctx, p.db, func(tx pgx.Tx) error {
		at, err := p.held.Lock(ctx, tx)
		if err != nil || at.Out >= said {
			return err
		}
		p.log.Warn("PostgreSQL was restored to an earlier time: the outbox goes on behind what Kafka has",
			"topic", event.Orders, "partition", p.held.Partition, "sequence", said, "known", at.Out)
		at.Out = said
		return p.held.Save(ctx, tx, at)
	})
	if err != nil {
		return fmt.Errorf("beginning to produce: %w", err)
	}
	p.out = &outbox.Sender{
		Table: outbox.Orders(), DB: p.db, Kafka: p.Kafka, Lane: p.held.Partition, Spool: spool,
		Before: inject.ProducerBeforeProduce, After: inject.ProducerAfterProduce, Marked: inject.ProducerAfterMark,
	}
	return nil
}

// said is the last sequence of a spool in the lane's log from an offset on, 0 where there is none.
func (p *producer) said(ctx context.Context, spool uuid.UUID, next int64) (last int64, err error) {
	first, end, err := p.Kafka.Offsets(ctx, event.Orders, p.held.Partition)
	if err != nil {
		return 0, err
	}
	for next = max(next, first); next < end; {
		records, err := p.Kafka.Fetch(ctx, event.Orders, p.held.Partition, next, fetchBytes, idleWait)
		if err != nil {
			return 0, err
		}
		for i := range records {
			r := &records[i]
			if next = r.Offset + 1; r.Seal == stream.Genuine && r.Spool == spool {
				last = max(last, int64(r.Seq))
			}
		}
	}
	return last, nil
}

// saying is something that a producer says of an order.
type saying struct {
	key   []byte
	event *event.Event
}

// say puts events into the outbox and takes off what caused them, in one transaction.
func (p *producer) say(ctx context.Context, events []saying, takeOff func(batch *pgx.Batch)) error {
	err := postgres.InTx(ctx, p.db, func(tx pgx.Tx) error {
		at, err := p.held.Lock(ctx, tx)
		if err != nil {
			return err
		}
		batch := &pgx.Batch{}
		pack := outbox.Orders().Pack(batch, p.held.Partition, &at.Out)
		for _, s := range events {
			if err := pack.Add(s.key, s.event); err != nil {
				return err
			}
		}
		pack.End()
		takeOff(batch)
		if err := tx.SendBatch(ctx, batch).Close(); err != nil {
			return fmt.Errorf("writing to the outbox: %w", err)
		}
		if err := p.held.Save(ctx, tx, at); err != nil {
			return err
		}
		inject.Reach(inject.ProducerBeforeCommit)
		return nil
	})
	if err != nil {
		return fmt.Errorf("saying what is known of %d orders: %w", len(events), err)
	}
	inject.Reach(inject.ProducerAfterCommit)
	return nil
}
