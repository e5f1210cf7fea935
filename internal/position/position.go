// Package position keeps how far each consumer of a topic is, and who may move it on. It belongs to steps 3 and 5 of a
// click's life: loader and engine read partitions whose positions live in PostgreSQL and move in the same transaction
// as what the records caused.
//
// A Keeper shares the partitions of a topic among the processes that consume it, by leases in the database's own
// time. Each take-over raises the partition's epoch, and Held.Lock refuses a process whose epoch is not the row's:
// one that was frozen while another took over can read, but never write.
//
// The sequence rule (Position.Admit) is what both consumers go by: each record carries the spool it came from and a
// dense number; at or below the last one seen it is a duplicate, one above it is next, and anything further is a gap.
// A gap halts its partition, and that partition only, until an operator calls Resume. A record that no key of the network has
// signed stands outside the rule: it is stored as forged, and moves nothing but the offset. One that names a key which is not
// here halts the partition until the key is, or an operator declares that record forged.
package position

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"strconv"

	"github.com/jackc/pgx/v5"

	"tributary/internal/stream"
)

// ErrLost says that another process has taken the partition over: nothing may be written under the old epoch.
var ErrLost = errors.New("the partition's lease was lost")

// ErrHalted says that the partition is halted until an operator resumes it.
var ErrHalted = errors.New("the partition is halted")

// GapError says that a record is not the next of its spool: records between Want and Got are missing.
type GapError struct {
	Partition int
	Offset    int64
	Spool     [16]byte
	Want, Got uint64
}

// Error names the missing sequences.
func (e *GapError) Error() string {
	return fmt.Sprintf("partition %d, offset %d: sequence %d of spool %x follows %d, so %d records are missing",
		e.Partition, e.Offset, e.Got, e.Spool, e.Want-1, e.Got-e.Want)
}

// KeyError says that a record names a key that is not here, so that nobody can tell whether it is genuine.
type KeyError struct {
	Partition int
	Offset    int64
	Key       uint8
	// Hash names the record (stream.Record.Hash).
	Hash [sha256.Size]byte
}

// Error names the key and says what to do.
func (e *KeyError) Error() string {
	return fmt.Sprintf("partition %d, offset %d: the record is signed by record key %d, which is not here: give this process the key, or run: tributary forged declare (record %x)",
		e.Partition, e.Offset, e.Key, e.Hash[:6])
}

// BehindError says that another server holds what PostgreSQL does not know of: its commits since some time are gone, as
// after its restore from a backup. Going on would do twice what was done before.
type BehindError struct{ Found string }

// Reconcile ends the text of every BehindError: what to do about it.
const Reconcile = "with loaders and engines stopped, run: tributary restore reconcile"

// Error says what was found and what to do.
func (e *BehindError) Error() string {
	return "PostgreSQL was restored to an earlier time: " + e.Found + "; " + Reconcile
}

// Position is how far a consumer is in one partition.
type Position struct {
	// Next is the offset of the record to read next.
	Next int64
	// Out is the last sequence number given to an event that leaves this partition.
	Out int64
	// Attempts counts how often the records at Next were begun and not finished.
	Attempts int
	// Marks holds the last sequence seen of each spool.
	Marks map[[16]byte]uint64
	// Gaps holds the spools whose missing records are being sent again: above the next sequence their records are
	// dropped, until that one arrives.
	Gaps map[[16]byte]uint64

	touched map[[16]byte]struct{}
}

// Verdict is what a position says of a record.
type Verdict uint8

// The verdicts.
const (
	// Forged is for a record that is not the network's. It has no effect, and is to be stored as forged (Held.QueueForged).
	Forged Verdict = iota
	// Past is for a record before the position: it was gone through.
	Past
	// Duplicate is for a record whose sequence was seen before. It has no effect.
	Duplicate
	// Early is for a record behind missing ones that are being sent again: it will come again behind them.
	Early
	// Next is for a record that is to be taken in.
	Next
)

// Admit applies the sequence rule to the record at p.Next and moves p behind it. An error, which says that something is
// missing (IsGap), leaves p as it was.
func (p *Position) Admit(r stream.Record) (verdict Verdict, err error) {
	if r.Offset < p.Next {
		return Past, nil
	}
	if r.Offset > p.Next {
		return Past, &stream.GapError{Partition: r.Partition, Want: p.Next, Next: r.Offset, End: -1}
	}
	mark := p.Marks[r.Spool]
	switch {
	case r.Seal == stream.UnknownKey:
		return Forged, &KeyError{Partition: r.Partition, Offset: r.Offset, Key: r.KeyID, Hash: r.Hash()}
	case r.Seal != stream.Genuine:
		verdict = Forged
	case r.Seq <= mark:
		verdict = Duplicate
	case r.Seq == mark+1:
		verdict = Next
		p.advance(r.Spool, r.Seq)
	case p.Gaps[r.Spool] != 0:
		verdict = Early
	default:
		return Early, &GapError{Partition: r.Partition, Offset: r.Offset, Spool: r.Spool, Want: mark + 1, Got: r.Seq}
	}
	p.Next = r.Offset + 1
	return verdict, nil
}

func (p *Position) advance(spool [16]byte, seq uint64) {
	if p.Marks == nil {
		p.Marks = make(map[[16]byte]uint64)
	}
	if p.touched == nil {
		p.touched = make(map[[16]byte]struct{})
	}
	p.Marks[spool] = seq
	p.touched[spool] = struct{}{}
	delete(p.Gaps, spool)
}

// Clone copies the position, so that one copy can be saved while the other goes on.
func (p *Position) Clone() *Position {
	c := *p
	c.Marks, c.Gaps, c.touched = maps.Clone(p.Marks), maps.Clone(p.Gaps), maps.Clone(p.touched)
	return &c
}

// Held is a partition that this process holds under one epoch.
type Held struct {
	Consumer, Topic string
	Partition       int
	Epoch           int64
}

// lockPosition also bounds how long this process may sit in the transaction: a frozen one must not keep the row from
// whoever takes over.
const lockPosition = `
SELECT next_offset, out_seq, attempts, epoch, halted,
       set_config('idle_in_transaction_session_timeout', $4, true)
  FROM position WHERE consumer = $1 AND topic = $2 AND partition = $3 FOR NO KEY UPDATE`

const readMarks = `SELECT spool, seq, gap FROM high_water WHERE consumer = $1 AND topic = $2 AND partition = $3`

// Lock locks the partition's position for the rest of tx and reads it, in one round trip. It gives ErrLost when
// another process holds the partition by now, and ErrHalted when the partition is halted. From here on the server
// ends tx when it waits 8 seconds (a lease) for its next statement.
func (h Held) Lock(ctx context.Context, tx pgx.Tx) (*Position, error) {
	p := &Position{Marks: make(map[[16]byte]uint64), Gaps: make(map[[16]byte]uint64), touched: make(map[[16]byte]struct{})}
	batch := &pgx.Batch{}
	var epoch int64
	var halted string
	batch.Queue(lockPosition, h.Consumer, h.Topic, h.Partition, strconv.FormatInt(lease.Milliseconds(), 10)).QueryRow(func(row pgx.Row) error {
		return row.Scan(&p.Next, &p.Out, &p.Attempts, &epoch, &halted, nil)
	})
	batch.Queue(readMarks, h.Consumer, h.Topic, h.Partition).Query(func(rows pgx.Rows) error {
		var spool []byte
		var seq, gap int64
		_, err := pgx.ForEachRow(rows, []any{&spool, &seq, &gap}, func() error {
			key := [16]byte(spool)
			p.Marks[key] = uint64(seq)
			if gap != 0 {
				p.Gaps[key] = uint64(gap)
			}
			return nil
		})
		return err
	})
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return nil, fmt.Errorf("locking the position of %s on %s/%d: %w", h.Consumer, h.Topic, h.Partition, err)
	}
	if epoch != h.Epoch {
		return nil, fmt.Errorf("%w: %s on %s/%d is at epoch %d, not %d", ErrLost, h.Consumer, h.Topic, h.Partition, epoch, h.Epoch)
	}
	if halted != "" {
		return nil, fmt.Errorf("%w: %s", ErrHalted, halted)
	}
	return p, nil
}

// savePosition renews the lease too: the renewal of the keeper passes over rows that are locked.
const savePosition = `
UPDATE position SET next_offset = $5, out_seq = $6, attempts = $7, lease_until = clock_timestamp() + $8 * interval '1 second'
 WHERE consumer = $1 AND topic = $2 AND partition = $3 AND epoch = $4`

const saveMarks = `
INSERT INTO high_water (consumer, topic, partition, spool, seq, gap)
SELECT $1, $2, $3, m.spool, m.seq, 0 FROM unnest($4::bytea[], $5::bigint[]) AS m (spool, seq)
    ON CONFLICT (consumer, topic, partition, spool) DO UPDATE SET seq = excluded.seq, gap = 0`

// Save writes the position back, in one round trip. It gives ErrLost when the partition is not held any more, which
// cannot be while the row is locked by Lock in the same transaction.
func (h Held) Save(ctx context.Context, tx pgx.Tx, p *Position) error {
	batch := &pgx.Batch{}
	batch.Queue(savePosition, h.Consumer, h.Topic, h.Partition, h.Epoch, p.Next, p.Out, p.Attempts, lease.Seconds())
	if len(p.touched) > 0 {
		spools := make([][]byte, 0, len(p.touched))
		seqs := make([]int64, 0, len(p.touched))
		for spool := range p.touched {
			spools = append(spools, spool[:])
			seqs = append(seqs, int64(p.Marks[spool]))
		}
		batch.Queue(saveMarks, h.Consumer, h.Topic, h.Partition, spools, seqs)
	}
	results := tx.SendBatch(ctx, batch)
	tag, err := results.Exec()
	if err := errors.Join(err, results.Close()); err != nil {
		return fmt.Errorf("saving the position of %s on %s/%d: %w", h.Consumer, h.Topic, h.Partition, err)
	}
	if tag.RowsAffected() != 1 {
		return fmt.Errorf("saving the position of %s on %s/%d: %w", h.Consumer, h.Topic, h.Partition, ErrLost)
	}
	return nil
}
