package engine

import (
	"context"
	"fmt"

	"tributary/internal/event"
	"tributary/internal/stream"
)

// Vanished is a report that a tracker has acknowledged and that is nowhere in the books, although the engine says that it has
// seen its sequence: somebody else's record was taken in its place, or the books have lost it.
type Vanished struct {
	at        int      // among the records that were compared
	Spool     [16]byte `json:"-"`
	Partition int      `json:"partition"`
	Seq       uint64   `json:"seq"`
	Merchant  int64    `json:"merchant"`
	Order     string   `json:"order"`
}

// String names the record and the order that it speaks of.
func (v Vanished) String() string {
	return fmt.Sprintf("spool %x, partition %d of orders, sequence %d: the report of order %q of merchant %d is not in the books",
		v.Spool, v.Partition, v.Seq, v.Order, v.Merchant)
}

// compareKept gives the positions of records that the engine has passed and nothing holds: neither an order, by the report's
// id or one of equal content, as itself or as an addition (of a path any that names its click), nor the conflicts, nor the dead letters. Of an unreadable record only the letter is looked for.
const compareKept = `
SELECT k.n FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::text[], $5::smallint[], $6::text[], $7::uuid[], $8::bytea[], $11::bytea[], $12::smallint[])
         WITH ORDINALITY AS k (partition, seq, merchant, order_id, kind, ref, event_id, hash, spool, keys, n)
  JOIN high_water h ON (h.consumer, h.topic, h.partition, h.spool) = ($9, $10, k.partition, k.spool) AND k.seq <= h.seq
  LEFT JOIN orders o ON o.merchant_id = k.merchant AND o.order_id = k.order_id AND o.keys = k.keys
 WHERE NOT EXISTS (SELECT FROM order_event e WHERE (e.order_no, e.kind, e.ref) = (o.no, k.kind, k.ref) AND (k.kind = 3 OR e.event_id = k.event_id OR e.content_hash = k.hash))
   AND NOT EXISTS (SELECT FROM order_event e WHERE k.kind = 1 AND (e.order_no, e.kind, e.ref) = (o.no, 4, encode(k.hash, 'hex')))
   AND NOT EXISTS (SELECT FROM order_conflict c WHERE (c.order_no, c.kind, c.ref) = (o.no, k.kind, k.ref) AND (c.event_id = k.event_id OR c.content_hash = k.hash))
   AND NOT EXISTS (SELECT FROM dead_letter d WHERE (d.consumer, d.topic, d.partition, d.spool, d.seq) = ($9, $10, k.partition, k.spool, k.seq))
 ORDER BY k.n`

// CompareKept looks for records that trackers' spools keep in the books, and gives those that vanished. The records are of the
// topic orders, with their partitions, spools and sequences; those that the engine has not reached yet are passed over. Some
// thousands at a time are fine.
func CompareKept(ctx context.Context, q querier, records []stream.Record, partitions int) ([]Vanished, error) {
	n := len(records)
	partition, seq, merchant := make([]int, n), make([]int64, n), make([]int64, n)
	order, ref, kind, keys := make([]string, n), make([]string, n), make([]event.Kind, n), make([]event.KeyKind, n)
	id, hash, spool := make([][16]byte, n), make([][]byte, n), make([][]byte, n)
	for i, r := range records {
		f := read(r, partitions)
		spool[i] = r.Spool[:]
		partition[i], seq[i], merchant[i], order[i], kind[i], ref[i] = r.Partition, int64(r.Seq), f.order.merchant, f.order.id, f.key.kind, f.key.ref
		keys[i] = f.order.keys
		if hash[i] = f.hash; f.unreadable != nil {
			hash[i], order[i] = []byte{}, "" // no order is called so
			continue
		}
		id[i] = [16]byte(f.event.GetId())
	}
	rows, err := q.Query(ctx, compareKept, partition, seq, merchant, order, kind, ref, id, hash, Consumer, event.Orders, spool, keys)
	if err != nil {
		return nil, fmt.Errorf("comparing a spool with the books: %w", err)
	}
	defer rows.Close()
	var vanished []Vanished
	for rows.Next() {
		var at int
		if err := rows.Scan(&at); err != nil {
			return nil, fmt.Errorf("comparing a spool with the books: %w", err)
		}
		at--
		vanished = append(vanished, Vanished{at: at, Spool: records[at].Spool, Partition: partition[at], Seq: uint64(seq[at]), Merchant: merchant[at], Order: order[at]})
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("comparing a spool with the books: %w", err)
	}
	return vanished, nil
}
