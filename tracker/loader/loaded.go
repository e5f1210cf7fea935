package loader

import (
	"context"
	"fmt"
	"time"

	"tributary/internal/event"
)

// Producers wait until all is in ClickHouse that trackers had stored up to a time. Trackers go on storing, each in a rhythm of its
// own, so there may never be a moment in which all is loaded that all of them have told of. A producer notes what they have told of
// at one moment, waits until that is loaded, and then notes the next.

// reached is up to when touches are loaded: all that trackers had stored before until, of those that had told of themselves by noted.
type reached struct{ until, noted time.Time }

// goal is what trackers have told of a lane of touches.
type goal struct {
	reached

	spools [][]byte
	due    []int64 // sequences, of each spool
}

// waiting is a lane of touches, and for how long a tracker may have been silent whose clicks are waited for.
type waiting struct {
	lane   int
	within time.Duration
}

// noteGoal reads what each tracker that was heard of has stored, and what each other has sent: that is in Kafka, and waited for.
const noteGoal = `
SELECT coalesce(min(seen) FILTER (WHERE heard), now()) - $2 * interval '1 second', now(),
       coalesce(array_agg(spool), '{}'), coalesce(array_agg(CASE WHEN heard THEN last ELSE sent END), '{}')
  FROM (SELECT spool, seen, last, sent, seen > now() - $3 * interval '1 second' AS heard FROM spool_progress
         WHERE lane = $1 AND seen > now() - $4 * interval '1 second') p`

// missesGoal tells whether something of a goal is not in ClickHouse. What a tracker had stored and not sent is no longer waited for
// once it is silent. A mark of the loader may be ahead of a batch that is planned and not done.
const missesGoal = `
SELECT EXISTS (
  SELECT FROM unnest($1::bytea[], $2::bigint[]) g (spool, due)
    JOIN spool_progress p ON p.spool = g.spool AND p.lane = $3 AND p.seen > now() - $7 * interval '1 second'
   CROSS JOIN LATERAL (SELECT least(g.due, CASE WHEN p.seen > now() - $6 * interval '1 second' THEN p.last ELSE p.sent END) AS due) d
    LEFT JOIN high_water h ON h.consumer = $5 AND h.topic = $4 AND h.partition = p.lane AND h.spool = p.spool
   WHERE coalesce(h.seq, 0) < d.due OR EXISTS (
         SELECT FROM clickhouse_batch b WHERE b.topic = $4 AND b.partition = p.lane AND b.state <> 'done'
            AND coalesce((b.before -> encode(p.spool, 'hex') ->> 'seq')::bigint, 0) < d.due))`

// loadedUpTo looks how far a lane of touches is loaded, of the trackers that were heard of within so long.
func (p *producer) loadedUpTo(ctx context.Context, lane int, within time.Duration) (r reached, err error) {
	of := waiting{lane, within}
	if p.goals == nil {
		p.goals, p.reached = map[waiting]*goal{}, map[waiting]reached{}
	}
	g := p.goals[of]
	if g == nil {
		g = &goal{}
		err := p.db.QueryRow(ctx, noteGoal, lane, settle.Seconds(), within.Seconds(), gone.Seconds()).Scan(&g.until, &g.noted, &g.spools, &g.due)
		if err != nil {
			return r, fmt.Errorf("reading what trackers have stored: %w", err)
		}
		p.goals[of] = g
	}
	var misses bool
	err = p.db.QueryRow(ctx, missesGoal, g.spools, g.due, lane, event.Touches, Consumer, within.Seconds(), gone.Seconds()).Scan(&misses)
	if err != nil {
		return r, fmt.Errorf("reading up to when touches are loaded: %w", err)
	}
	if !misses {
		p.reached[of] = g.reached
		delete(p.goals, of)
	}
	return p.reached[of], nil
}
