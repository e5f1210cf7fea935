package loader

import (
	"fmt"
	"time"

	"tributary/internal/event"
	"tributary/internal/position"
	"tributary/internal/stream"
)

// batch is a run of records of one partition that becomes one insert.
type batch struct {
	// before and after are the positions around it: it covers the offsets from before.Next up to after.Next.
	before, after *position.Position
	rows          rows
	n             int // rows
	bytes         int // of the records that became rows
	duplicates    int
	letters       []letter
	forged        []stream.Record
	// earliest and latest are the first and last time of receipt of its rows, in microseconds.
	earliest, latest int64
	month            month
	began            time.Time // when its first record was read
	// reserved is what the batch holds of the loader's budget, and used what its records take of that.
	reserved, used int64

	generation int
	planned    time.Time // when its plan was last known to stand, by this process's clock
}

// letter is a record that cannot become a row.
type letter struct {
	record stream.Record
	cause  error
}

func newBatch(at *position.Position, r rows, generation int) *batch {
	return &batch{before: at.Clone(), rows: r, generation: generation}
}

// first and last are the offsets that the batch covers; last is known once it is cut.
func (b *batch) first() int64 { return b.before.Next }
func (b *batch) last() int64  { return b.after.Next - 1 }

// examined is how many records the batch covers so far, given the position behind them.
func (b *batch) examined(at *position.Position) int64 { return at.Next - b.before.Next }

// take reads a record that stands at the position, and moves the position behind it. fits is false, and nothing has
// happened, when the record belongs to another month than the batch. An error says that something is missing.
func (b *batch) take(at *position.Position, r *stream.Record) (fits bool, err error) {
	var e *event.Event
	var unreadable error
	switch {
	case r.Seal != stream.Genuine:
	case r.Foreign:
		unreadable = stream.ErrForeign
	default:
		e, unreadable = event.Decode(r.Value)
		if unreadable == nil && b.n > 0 && !b.month.holds(e.GetReceivedAt()) {
			return false, nil
		}
	}
	verdict, err := at.Admit(*r)
	switch {
	case err != nil:
		return true, err
	case verdict == position.Forged:
		b.forged = append(b.forged, *r)
		return true, nil
	case verdict != position.Next:
		b.duplicates++
		return true, nil
	}
	if unreadable == nil {
		unreadable = b.rows.add(e, r)
	}
	if unreadable == nil {
		b.count(e.GetReceivedAt(), len(r.Value))
	} else {
		b.letters = append(b.letters, letter{*r, unreadable})
	}
	return true, nil
}

func (b *batch) count(received int64, bytes int) {
	if b.n == 0 {
		b.month, b.earliest, b.latest = monthOf(received), received, received
	}
	b.n++
	b.bytes += bytes
	b.earliest, b.latest = min(b.earliest, received), max(b.latest, received)
}

// month is a calendar month in UTC, in microseconds: by it the tables are partitioned.
type month struct{ from, to int64 }

func monthOf(micros int64) month {
	t := event.Time(micros)
	first := time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
	return month{event.Micros(first), event.Micros(first.AddDate(0, 1, 0))}
}

func (m month) holds(micros int64) bool { return m.from <= micros && micros < m.to }

// token names the batch's insert to the server. Whoever sends the batch again, sends this again. The times are part of it
// because offsets begin again with a topic that is recreated, and the server remembers tokens for as long as it sees few.
func (b *batch) token(topic string, partition int) string {
	return fmt.Sprintf("v%d:%s-%d-%d-%d-%d-%d", b.generation, topic, partition, b.first(), b.last(), b.earliest, b.latest)
}
