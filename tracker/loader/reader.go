package loader

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tributary/internal/position"
	"tributary/internal/stream"
)

// reader cuts the records of a partition into batches.
type reader struct {
	*lane

	at  *position.Position // behind the last record read
	now *batch             // being filled; nil when there is none
	out chan *batch
}

// run reads until ctx ends or records are missing; what was read before the gap is handed on first.
func (r *reader) run(ctx context.Context) error {
	defer r.drop()
	wait := newBackoff()
	for {
		reserved, err := r.reserve(ctx)
		if err != nil {
			return err
		}
		records, err := r.Kafka.Fetch(ctx, r.table.topic, r.held.Partition, r.at.Next, fetchBytes, r.patience())
		got := r.keep(reserved, records)
		var unframed *stream.HeaderError
		switch {
		case errors.As(err, &unframed):
			r.batch().setAside(r.at, unframed)
		case position.IsGap(err):
			return r.handOverAnd(ctx, err)
		case err != nil:
			r.kafkaAway.report(ctx, err)
			if err := wait.sleep(ctx); err != nil {
				return err
			}
		default:
			r.kafkaAway.over()
			wait = newBackoff()
		}
		if err := r.take(ctx, records); err != nil {
			return err
		}
		if err := r.pace(ctx, got); err != nil {
			return err
		}
	}
}

// reserve takes room for one fetch out of the budget. When there is none, what was read so far goes on at once, because
// room comes from batches that are stored.
func (r *reader) reserve(ctx context.Context) (int64, error) {
	if r.budget.TryAcquire(fetchBytes) {
		return fetchBytes, nil
	}
	if err := r.handOver(ctx); err != nil {
		return 0, err
	}
	if err := r.budget.Acquire(ctx, fetchBytes); err != nil {
		return 0, fmt.Errorf("waiting for memory: %w", err)
	}
	return fetchBytes, nil
}

// keep charges the batch with what a fetch brought, gives the rest of the reservation back, and tells the size.
func (r *reader) keep(reserved int64, records []stream.Record) int64 {
	var got int64
	for i := range records {
		got += int64(len(records[i].Key) + len(records[i].Value) + stream.Overhead)
	}
	kept := min(got, reserved)
	if kept > 0 {
		r.batch().reserved += kept
	}
	r.budget.Release(reserved - kept)
	return got
}

// patience is how long a fetch may wait for records.
func (r *reader) patience() time.Duration {
	if r.now == nil {
		return idleWait
	}
	return max(time.Until(r.now.began.Add(r.Linger)), 0)
}

// batch is the one that is being filled.
func (r *reader) batch() *batch {
	if r.now == nil {
		r.now = newBatch(r.at, r.table.take())
		r.now.began = time.Now()
	}
	return r.now
}

// take puts records into batches, and hands on those that are full.
func (r *reader) take(ctx context.Context, records []stream.Record) error {
	for i := 0; i < len(records); {
		b := r.batch()
		fits, err := b.offer(r.at, &records[i])
		if err != nil {
			return r.handOverAnd(ctx, err)
		}
		if fits {
			i++
		}
		if !fits || r.full(b) {
			if err := r.handOver(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// full tells whether the batch has reached a limit. Records that are not rows count too, so that reading a batch again
// stays bounded.
func (r *reader) full(b *batch) bool {
	return b.n >= r.MaxRows || b.bytes >= r.MaxBytes || b.examined(r.at) >= 4*int64(r.MaxRows)
}

// pace hands the batch on when its time is up, and lets records gather when they come in one by one.
func (r *reader) pace(ctx context.Context, got int64) error {
	if r.now == nil {
		return nil
	}
	left := time.Until(r.now.began.Add(r.Linger))
	if left <= 0 {
		return r.handOver(ctx)
	}
	if got < fetchBytes/4 {
		return sleep(ctx, min(left, r.Linger/4))
	}
	return nil
}

// handOver gives the batch, if any, to be stored, and waits until that begins.
func (r *reader) handOver(ctx context.Context) error {
	b := r.now
	if b == nil || b.examined(r.at) == 0 {
		return nil
	}
	b.after = r.at.Clone()
	select {
	case r.out <- b:
		r.now = nil
		return nil
	case <-ctx.Done():
		return fmt.Errorf("handing a batch over: %w", ctx.Err())
	}
}

// handOverAnd hands over what was read before a gap, and gives the gap.
func (r *reader) handOverAnd(ctx context.Context, gap error) error {
	if err := r.handOver(ctx); err != nil {
		return err
	}
	return gap
}

// drop gives up what was read and not handed over.
func (r *reader) drop() {
	if r.now != nil {
		r.release(r.now)
		r.now = nil
	}
}
