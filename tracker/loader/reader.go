package loader

import (
	"context"
	"fmt"
	"time"

	"tributary/internal/position"
	"tributary/internal/stream"
)

// reader cuts the records of a partition into batches.
type reader struct {
	*lane

	at  *position.Position // behind the last record read
	now *batch             // being filled; nil when none was begun
	out chan *batch
	// last is when a batch was handed over last.
	last time.Time
	// behind is set while there is more in Kafka than a fetch brings.
	behind bool
	// doubt is set when the last fetch failed.
	doubt bool
}

// run reads until ctx ends or records are missing; what was read before the gap is handed on first.
func (r *reader) run(ctx context.Context) error {
	defer r.drop()
	wait := newBackoff()
	for {
		if err := r.reserve(ctx); err != nil {
			return err
		}
		ask := r.ask()
		records, err := r.fetch(ctx, int(ask))
		got := size(records)
		r.now.used += got
		r.behind = got >= ask/4
		switch {
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
		if err := r.pace(ctx); err != nil {
			return err
		}
	}
}

// fetch gives the next records. A topic that Kafka did not give records of for a while may have been recreated meanwhile.
func (r *reader) fetch(ctx context.Context, most int) (records []stream.Record, err error) {
	if r.doubt {
		if err := r.held.SameLog(ctx, r.db, r.Kafka); err != nil {
			return nil, err //nolint:wrapcheck // it says what it was doing
		}
	}
	records, err = r.Kafka.Fetch(ctx, r.table.topic, r.held.Partition, r.at.Next, most, r.patience())
	r.doubt = err != nil
	r.declared.Judge(records)
	return records, err
}

// ask is how much the next fetch is to bring at most.
func (r *reader) ask() int64 {
	if r.behind {
		return fetchBytes
	}
	return idleBytes
}

// size is what records take of the budget.
func size(records []stream.Record) int64 {
	var bytes int64
	for i := range records {
		bytes += int64(len(records[i].Key) + len(records[i].Value) + stream.Overhead)
	}
	return bytes
}

// reserve makes sure that there is a batch with room for one more fetch. A partition that is behind takes room for a full
// batch at once, and waits for it while it holds none, so that batches stay large when memory is scarce. Else, when
// there is no room, what was read so far goes on at once: room comes from batches that are stored.
func (r *reader) reserve(ctx context.Context) error {
	want := r.ask()
	if r.now != nil && r.now.reserved-r.now.used >= want {
		return nil
	}
	atOnce := r.behind && (r.now == nil || r.now.reserved == 0)
	if atOnce {
		want += int64(r.MaxBytes)
	}
	if !r.budget.TryAcquire(want) {
		if !atOnce {
			if err := r.handOver(ctx); err != nil {
				return err
			}
		}
		if err := r.budget.Acquire(ctx, want); err != nil {
			return fmt.Errorf("waiting for memory: %w", err)
		}
	}
	if r.now == nil {
		r.now = newBatch(r.at, r.table.take(), r.life)
	}
	r.now.reserved += want
	return nil
}

// patience is how long a fetch may wait for records.
func (r *reader) patience() time.Duration {
	if r.now.examined(r.at) == 0 {
		return idleWait
	}
	return max(time.Until(due(r.now.began, r.last, r.Linger)), 0)
}

// started is the batch that is being filled, whose time runs from its first record on.
func (r *reader) started() *batch {
	if r.now == nil {
		r.now = newBatch(r.at, r.table.take(), r.life)
	}
	if r.now.began.IsZero() {
		r.now.began = time.Now()
	}
	return r.now
}

// take puts records into batches, and hands on those that are full.
func (r *reader) take(ctx context.Context, records []stream.Record) error {
	for i := 0; i < len(records); {
		b := r.started()
		fits, err := b.take(r.at, &records[i])
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

// due is when a batch that began at one time goes on, full or not, when the one before it went on at another.
func due(began, last time.Time, linger time.Duration) time.Time {
	soon, paced := began.Add(linger/5), last.Add(linger)
	if paced.After(soon) {
		return paced
	}
	return soon
}

// pace hands the batch on when its time is up, and lets records gather when they come in one by one.
func (r *reader) pace(ctx context.Context) error {
	if r.now == nil {
		return nil
	}
	if r.now.examined(r.at) == 0 {
		r.shrink(r.now, idleBytes)
		return nil
	}
	left := time.Until(due(r.now.began, r.last, r.Linger))
	if left <= 0 {
		return r.handOver(ctx)
	}
	if !r.behind {
		return sleep(ctx, min(left, r.Linger/4))
	}
	return nil
}

// shrink gives back what the batch holds of the budget above keep.
func (l *lane) shrink(b *batch, keep int64) {
	if b.reserved > keep {
		l.budget.Release(b.reserved - keep)
		b.reserved = keep
	}
}

// handOver gives the batch, if there is something in it, to be stored, and waits until that begins.
func (r *reader) handOver(ctx context.Context) error {
	b := r.now
	if b == nil || b.examined(r.at) == 0 {
		return nil
	}
	b.after = r.at.Clone()
	r.shrink(b, b.used)
	select {
	case r.out <- b:
		r.now, r.last = nil, time.Now()
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
