package engine

import (
	"context"
	"fmt"
	"time"

	"tributary/internal/event"
	"tributary/internal/stream"
)

// Backlog is what the engines have not done yet.
type Backlog struct {
	// Records of the topic orders that are not taken in.
	Records int64
	// Due are commissions whose hold is over and has not been ended.
	Due int64
	// Returning are dead letters that are to be taken back.
	Returning int64
	// Uncounted are changes of periods that are not added up, and periods with a hold that is over and has not been ended.
	Uncounted int64
	// Unsent are ledger events that Kafka has not acknowledged.
	Unsent int64
	// Customers counts what has changed in the orders of customers, Nudged the orders to be decided again.
	Customers, Nudged int64
}

// IsEmpty reports whether nothing is left to do.
func (b Backlog) IsEmpty() bool { return b == Backlog{} }

const readBacklog = `
SELECT (SELECT count(*) FROM commission WHERE NOT released AND hold_until <= $3),
       (SELECT count(*) FROM dead_letter WHERE consumer = $1 AND topic = $2 AND state = 'returning'),
       (SELECT count(*) FROM period_delta) + (SELECT count(*) FROM period WHERE release_at <= $3),
       (SELECT coalesce(sum(last_seq - first_seq + 1), 0) FROM ledger_unsent)::bigint,
       (SELECT count(*) FROM customer_touched) + (SELECT count(*) FROM customer_change WHERE compared IS NULL) + (SELECT count(*) FROM click_touched), (SELECT count(*) FROM nudge)`

// ReadBacklog measures what is left to do as of now, the engines' clock, in a topic of so many partitions. It is for
// whoever waits for the end of a replay; Records is a moment older than the rest, so that nothing can be in between.
func ReadBacklog(ctx context.Context, db querier, kafka *stream.Client, partitions int, now time.Time) (Backlog, error) {
	var b Backlog
	for p := range partitions {
		_, end, err := kafka.Offsets(ctx, event.Orders, p)
		if err != nil {
			return b, err
		}
		var next int64
		err = db.QueryRow(ctx, `SELECT coalesce(max(next_offset), 0) FROM position WHERE consumer = $1 AND topic = $2 AND partition = $3`,
			Consumer, event.Orders, p).Scan(&next)
		if err != nil {
			return b, fmt.Errorf("reading a position: %w", err)
		}
		b.Records += max(0, end-next)
	}
	if err := db.QueryRow(ctx, readBacklog, Consumer, event.Orders, now).Scan(&b.Due, &b.Returning, &b.Uncounted, &b.Unsent, &b.Customers, &b.Nudged); err != nil {
		return b, fmt.Errorf("reading what is left to do: %w", err)
	}
	return b, nil
}
