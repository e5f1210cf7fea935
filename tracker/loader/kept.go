package loader

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/internal/clickhouse"
	"tributary/internal/event"
	"tributary/internal/stream"
)

// Kept is a click that a tracker's spool keeps.
type Kept struct {
	Partition int
	Seq       uint64
	ID        [16]byte
	// ReceivedAt is in microseconds, as the event has it.
	ReceivedAt int64
}

// KeptOf reads a record of the topic touches. One that cannot be read is a dead letter, and none.
func KeptOf(r stream.Record) (k Kept, readable bool) {
	e, err := event.Decode(r.Value)
	if err != nil || len(e.GetId()) != len(k.ID) {
		return k, false
	}
	return Kept{Partition: r.Partition, Seq: r.Seq, ID: [16]byte(e.GetId()), ReceivedAt: e.GetReceivedAt()}, true
}

const rowsOfSpool = `SELECT _partition, _seq, event_id FROM touch WHERE _spool = ? AND received_at BETWEEN fromUnixTimestamp64Micro(?) AND fromUnixTimestamp64Micro(?)`

// keptMarks are how far the loader has read a spool, what it set aside, and the sequences behind after of batches that are planned and
// not done: where a loader was stopped in the midst of one, ClickHouse has them once there is a loader again.
const keptMarks = `
SELECT partition, 0::bigint, seq, 'mark' FROM high_water WHERE consumer = $1 AND topic = $2 AND spool = $3
UNION ALL
SELECT partition, 0, seq, 'letter' FROM dead_letter WHERE consumer = $1 AND topic = $2 AND spool = $3
UNION ALL
SELECT h.partition, coalesce((b.before -> encode($3, 'hex') ->> 'seq')::bigint, 0), coalesce((
       SELECT coalesce((n.before -> encode($3, 'hex') ->> 'seq')::bigint, 0) FROM clickhouse_batch n
        WHERE n.topic = $2 AND n.partition = b.partition AND n.first_offset > b.first_offset ORDER BY n.first_offset LIMIT 1), h.seq), 'open'
  FROM high_water h JOIN clickhouse_batch b ON b.topic = $2 AND b.partition = h.partition AND b.state = 'planned'
 WHERE h.consumer = $1 AND h.topic = $2 AND h.spool = $3`

// CompareKept looks for clicks that a tracker's spool keeps in ClickHouse, and gives those that vanished: the loader has seen
// their sequence, and neither a row nor a dead letter is theirs. What is in a batch that is planned and not done is no finding. The
// more clicks at a time the better: each call reads all rows between the first and the last.
func CompareKept(ctx context.Context, db *pgxpool.Pool, conn clickhouse.Conn, spool [16]byte, clicks []Kept) (vanished []Finding, err error) {
	if len(clicks) == 0 {
		return nil, nil
	}
	for look := range looks {
		if look > 0 {
			if err := sleep(ctx, lookPause); err != nil {
				return nil, err
			}
		}
		if vanished, err = compareKept(ctx, db, conn, spool, clicks); err != nil || len(vanished) == 0 {
			return nil, err
		}
	}
	return vanished, nil
}

func compareKept(ctx context.Context, db *pgxpool.Pool, conn clickhouse.Conn, spool [16]byte, clicks []Kept) ([]Finding, error) {
	type place struct {
		partition int
		seq       uint64
	}
	marks, aside := map[int]uint64{}, map[place]bool{}
	type stretch struct{ after, upTo uint64 }
	open := map[int][]stretch{} // of batches that are planned and not done
	rows, err := db.Query(ctx, keptMarks, Consumer, event.Touches, spool[:])
	if err != nil {
		return nil, fmt.Errorf("reading how far the loader is: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var at place
		var after, seq int64
		var is string
		if err := rows.Scan(&at.partition, &after, &seq, &is); err != nil {
			return nil, fmt.Errorf("reading how far the loader is: %w", err)
		}
		switch at.seq = uint64(seq); is {
		case "letter":
			aside[at] = true
		case "open":
			open[at.partition] = append(open[at.partition], stretch{uint64(after), at.seq})
		default:
			marks[at.partition] = at.seq
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading how far the loader is: %w", err)
	}
	first, last := clicks[0].ReceivedAt, clicks[0].ReceivedAt
	for _, c := range clicks {
		first, last = min(first, c.ReceivedAt), max(last, c.ReceivedAt)
	}
	found, err := conn.Query(ctx, rowsOfSpool, uuid.UUID(spool), first, last)
	if err != nil {
		return nil, fmt.Errorf("reading the rows of a spool: %w", err)
	}
	defer found.Close() //nolint:errcheck // Err says it
	stored := make(map[place][16]byte, len(clicks))
	for found.Next() {
		var partition uint16
		var seq uint64
		var id uuid.UUID
		if err := found.Scan(&partition, &seq, &id); err != nil {
			return nil, fmt.Errorf("reading the rows of a spool: %w", err)
		}
		stored[place{int(partition), seq}] = id
	}
	if err := found.Err(); err != nil {
		return nil, fmt.Errorf("reading the rows of a spool: %w", err)
	}
	var vanished []Finding
	for _, c := range clicks {
		at := place{c.Partition, c.Seq}
		id, ok := stored[at]
		if c.Seq > marks[c.Partition] || aside[at] || ok && id == c.ID {
			continue
		}
		if !ok && slices.ContainsFunc(open[c.Partition], func(s stretch) bool { return c.Seq > s.after && c.Seq <= s.upTo }) {
			continue
		}
		problem := "the click is not in ClickHouse"
		if ok {
			problem = "ClickHouse has another event in the click's place"
		}
		vanished = append(vanished, Finding{
			Topic: event.Touches, Partition: -1, Problem: problem,
			Key: fmt.Sprintf("spool %x, partition %d, sequence %d, click event %s", spool, c.Partition, c.Seq, uuid.UUID(c.ID)),
		})
	}
	return vanished, nil
}
