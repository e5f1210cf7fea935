package position

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/internal/fault"
	"tributary/internal/stream"
	"tributary/internal/text"
)

const (
	// forgedADay is how many forged records of a partition a consumer stores within a day; further ones are only counted.
	forgedADay = 1000
	// forgedBytes and forgedNames bound what is stored of the value, and of headers and key.
	forgedBytes, forgedNames = 4 << 10, 1 << 10
)

const insertForged = `
INSERT INTO forged (consumer, topic, partition, "offset", hash, key_id, headers, key, value, size)
SELECT $1, $2, $3, f."offset", f.hash, f.key_id, f.headers, f.key, f.value, f.size
  FROM unnest($4::bigint[], $5::bytea[], $6::smallint[], $7::bytea[], $8::bytea[], $9::bytea[], $10::int[])
       AS f ("offset", hash, key_id, headers, key, value, size)
 LIMIT greatest(0, $11 - (SELECT count(*) FROM forged WHERE (consumer, topic, partition) = ($1, $2, $3) AND at > now() - interval '1 day'))
    ON CONFLICT DO NOTHING`

// QueueForged queues forged records to be stored, in the transaction that moves the position behind them.
func (h Held) QueueForged(batch *pgx.Batch, records []stream.Record) {
	if len(records) == 0 {
		return
	}
	n := min(len(records), forgedADay)
	offsets, keys, sizes := make([]int64, n), make([]int16, n), make([]int32, n)
	hashes, headers, names, values := make([][]byte, n), make([][]byte, n), make([][]byte, n), make([][]byte, n)
	for i := range n {
		r := &records[i]
		hash := r.Hash()
		offsets[i], keys[i], sizes[i], hashes[i] = r.Offset, int16(r.KeyID), int32(len(r.Value)), hash[:]
		headers[i], names[i], values[i] = head(r.Headers, forgedNames), head(r.Key, forgedNames), head(r.Value, forgedBytes)
	}
	batch.Queue(insertForged, h.Consumer, h.Topic, h.Partition, offsets, hashes, keys, headers, names, values, sizes, forgedADay)
}

// head is the beginning of what may be nil, or longer.
func head(b []byte, most int) []byte {
	if b == nil {
		return []byte{}
	}
	return b[:min(len(b), most)]
}

// Querier reads: a pool, or a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Declared are the records of a partition that name a key which was not there, and that an operator has declared forged.
type Declared map[[sha256.Size]byte]struct{}

// Declared reads what operators have declared of the partition. What they declare while a partition is at work is not met
// before it begins again: they declare the very record at which it is halted.
func (h Held) Declared(ctx context.Context, q Querier) (Declared, error) {
	rows, err := q.Query(ctx, `SELECT hash FROM forged_declaration WHERE topic = $1 AND partition = $2`, h.Topic, h.Partition)
	if err != nil {
		return nil, fmt.Errorf("reading what was declared forged: %w", err)
	}
	hashes, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	if err != nil {
		return nil, fmt.Errorf("reading what was declared forged: %w", err)
	}
	declared := make(Declared, len(hashes))
	for _, hash := range hashes {
		declared[[sha256.Size]byte(hash)] = struct{}{}
	}
	return declared, nil
}

// Judge makes forged what was declared to be.
func (d Declared) Judge(records []stream.Record) {
	for i := range records {
		if records[i].Seal != stream.UnknownKey || len(d) == 0 {
			continue
		}
		if _, ok := d[records[i].Hash()]; ok {
			records[i].Seal = stream.Forged
		}
	}
}

// Declare says that the record at which a partition is halted, for want of its key, is forged, and why. Every consumer
// that is halted at it goes on; nothing else that names the key is let by. It gives what was declared.
func Declare(ctx context.Context, db *pgxpool.Pool, consumer, topic string, partition int, note string) (hash []byte, err error) {
	err = pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `SELECT halted_record FROM position
			WHERE consumer = $1 AND topic = $2 AND partition = $3 AND halted_record IS NOT NULL`, consumer, topic, partition).Scan(&hash)
		if errors.Is(err, pgx.ErrNoRows) {
			return fault.Detailed(fault.NotFound, "not_halted_by_a_key",
				text.DetailNotHaltedByAKey(consumer, strconv.Itoa(partition), topic), nil)
		}
		if err != nil {
			return err
		}
		batch := &pgx.Batch{}
		batch.Queue(`INSERT INTO forged_declaration (topic, partition, hash, note) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
			topic, partition, hash, note)
		batch.Queue(`UPDATE position SET halted = '', halted_key = NULL, halted_record = NULL
			WHERE topic = $1 AND partition = $2 AND halted_record = $3`, topic, partition, hash)
		return tx.SendBatch(ctx, batch).Close()
	})
	if err != nil {
		return nil, fmt.Errorf("declaring a record of %s/%d forged: %w", topic, partition, err)
	}
	return hash, nil
}

// ForgedRecord is one as it was stored.
type ForgedRecord struct {
	No              int64
	Consumer, Topic string
	Partition       int
	Offset          int64
	Hash            []byte
	// Size is that of the whole value, of which the first 4 KiB are kept.
	Size int
	At   time.Time
	// Note is what an operator wrote who declared it forged; "" where its signature is wrong.
	Note string
}

// ListForged lists at most limit of the forged records, the newest first.
func ListForged(ctx context.Context, db *pgxpool.Pool, limit int) ([]ForgedRecord, error) {
	rows, err := db.Query(ctx, `SELECT f.no, f.consumer, f.topic, f.partition, f."offset", f.hash, f.size, f.at, coalesce(d.note, '')
		FROM forged f LEFT JOIN forged_declaration d USING (topic, partition, hash) ORDER BY f.no DESC LIMIT $1`, limit)
	if err != nil {
		return nil, fmt.Errorf("listing forged records: %w", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[ForgedRecord])
	if err != nil {
		return nil, fmt.Errorf("listing forged records: %w", err)
	}
	return all, nil
}
