package position

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/internal/fault/inject"
)

// leaseRow is the state of one partition as the database has it.
type leaseRow struct {
	partition int
	owner     string
	epoch     int64
	halted    bool
}

// view is what one look at the database shows.
type view struct {
	rows []leaseRow
	// owners are the names of the processes that looked within the last lease, sorted.
	owners []string
}

const makePositions = `
INSERT INTO position (consumer, topic, partition) SELECT $1, $2, generate_series(0, $3::int - 1) ON CONFLICT DO NOTHING`

// prepare makes the rows of the partitions.
func (k *Keeper) prepare(ctx context.Context) error {
	if _, err := k.db.Exec(ctx, makePositions, k.consumer, k.topic, k.partitions); err != nil {
		return fmt.Errorf("making positions: %w", err)
	}
	return nil
}

const announce = `
INSERT INTO consumer_owner (consumer, topic, owner, seen) VALUES ($1, $2, $3, now())
    ON CONFLICT (consumer, topic, owner) DO UPDATE SET seen = now()`

// forget removes processes that have been gone for long; SKIP LOCKED because all of them try.
const forget = `
DELETE FROM consumer_owner WHERE (consumer, topic, owner) IN (
  SELECT consumer, topic, owner FROM consumer_owner
   WHERE consumer = $1 AND topic = $2 AND seen < now() - interval '1 hour' FOR UPDATE SKIP LOCKED)`

const listOwners = `
SELECT owner FROM consumer_owner
 WHERE consumer = $1 AND topic = $2 AND seen > now() - $3 * interval '1 second' ORDER BY owner COLLATE "C"`

// renewLeases renews what this process holds. It passes over rows that are locked: who locks one is at work in it,
// renews it when saving, and keeps everybody else from taking it until then. Leases that have run out are renewed too
// as long as nobody has taken the partition.
const renewLeases = `
WITH free AS (
  SELECT partition FROM position
   WHERE consumer = $1 AND topic = $2 AND owner = $3 FOR NO KEY UPDATE SKIP LOCKED)
UPDATE position p SET lease_until = now() + $4 * interval '1 second'
  FROM free WHERE p.consumer = $1 AND p.topic = $2 AND p.partition = free.partition`

const listPositions = `
SELECT partition, owner, epoch, halted <> '' FROM position
 WHERE consumer = $1 AND topic = $2 AND partition < $3 ORDER BY partition`

// look announces this process, renews its leases and reads the state of all partitions, in one round trip.
func (k *Keeper) look(ctx context.Context) (view, error) {
	var v view
	batch := &pgx.Batch{}
	batch.Queue(`SELECT set_config('synchronous_commit', 'off', true)`) // a renewal that a crash forgets is made again
	batch.Queue(announce, k.consumer, k.topic, k.owner)
	batch.Queue(forget, k.consumer, k.topic)
	batch.Queue(renewLeases, k.consumer, k.topic, k.owner, lease.Seconds())
	if len(k.keys) > 0 {
		batch.Queue(goOn, k.consumer, k.topic, k.owner, k.keys)
	}
	batch.Queue(listOwners, k.consumer, k.topic, lease.Seconds()).Query(func(rows pgx.Rows) error {
		var err error
		v.owners, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	batch.Queue(listPositions, k.consumer, k.topic, k.partitions).Query(func(rows pgx.Rows) error {
		var row leaseRow
		_, err := pgx.ForEachRow(rows, []any{&row.partition, &row.owner, &row.epoch, &row.halted}, func() error {
			v.rows = append(v.rows, row)
			return nil
		})
		return err
	})
	if err := k.db.SendBatch(ctx, batch).Close(); err != nil {
		return view{}, fmt.Errorf("renewing leases: %w", err)
	}
	return v, nil
}

const claimLeases = `
WITH free AS (
  SELECT partition FROM position
   WHERE consumer = $1 AND topic = $2 AND partition < $6 AND lease_until < now() AND partition <> ALL ($5::int[])
   ORDER BY partition LIMIT $4 FOR NO KEY UPDATE SKIP LOCKED)
UPDATE position p SET owner = $3, epoch = epoch + 1, lease_until = now() + $7 * interval '1 second'
  FROM free WHERE p.consumer = $1 AND p.topic = $2 AND p.partition = free.partition
RETURNING p.partition, p.owner, p.epoch, p.halted <> ''`

// claim takes up to n partitions whose lease has run out or was released, other than those given, and raises their
// epochs.
func (k *Keeper) claim(ctx context.Context, n int, except []int) ([]leaseRow, error) {
	rows, err := k.db.Query(ctx, claimLeases, k.consumer, k.topic, k.owner, n, except, k.partitions, lease.Seconds())
	if err != nil {
		return nil, fmt.Errorf("claiming partitions: %w", err)
	}
	var claimed []leaseRow
	var row leaseRow
	_, err = pgx.ForEachRow(rows, []any{&row.partition, &row.owner, &row.epoch, &row.halted}, func() error {
		claimed = append(claimed, row)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("claiming partitions: %w", err)
	}
	if len(claimed) > 0 {
		inject.Reach(inject.PositionAfterClaim)
	}
	return claimed, nil
}

const releaseLease = `
UPDATE position SET owner = '', lease_until = '-infinity'
 WHERE consumer = $1 AND topic = $2 AND partition = $3 AND epoch = $4 AND owner = $5`

// release lets another process have a partition at once.
func (k *Keeper) release(ctx context.Context, h Held) error {
	if _, err := k.db.Exec(ctx, releaseLease, h.Consumer, h.Topic, h.Partition, h.Epoch, k.owner); err != nil {
		return fmt.Errorf("releasing partition %d: %w", h.Partition, err)
	}
	return nil
}

// leave releases everything that this process holds and takes its name off the list.
func (k *Keeper) leave(ctx context.Context) error {
	batch := &pgx.Batch{}
	batch.Queue(`UPDATE position SET owner = '', lease_until = '-infinity' WHERE consumer = $1 AND topic = $2 AND owner = $3`, k.consumer, k.topic, k.owner)
	batch.Queue(`DELETE FROM consumer_owner WHERE consumer = $1 AND topic = $2 AND owner = $3`, k.consumer, k.topic, k.owner)
	if err := k.db.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("leaving: %w", err)
	}
	return nil
}

// goOn lets partitions go on that this process holds and that are halted for want of a key which it has.
const goOn = `
UPDATE position SET halted = '', halted_key = NULL, halted_record = NULL
 WHERE consumer = $1 AND topic = $2 AND owner = $3 AND halted_key = ANY ($4::smallint[])`

const haltPosition = `
UPDATE position SET halted = $5, halted_key = $6, halted_record = $7 WHERE consumer = $1 AND topic = $2 AND partition = $3 AND epoch = $4`

const markGap = `
INSERT INTO high_water (consumer, topic, partition, spool, seq, gap) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (consumer, topic, partition, spool) DO UPDATE SET gap = excluded.gap`

// Halt halts the partition, for the reason given, until an operator calls Resume, or
// where a record's key is missing until the process has that key. It gives ErrLost when
// another process holds the partition by now.
func (h Held) Halt(ctx context.Context, db *pgxpool.Pool, reason error) error {
	err := pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		var id *int16
		var hash []byte
		if missing := (*KeyError)(nil); errors.As(reason, &missing) {
			id, hash = new(int16(missing.Key)), missing.Hash[:]
		}
		tag, err := tx.Exec(ctx, haltPosition, h.Consumer, h.Topic, h.Partition, h.Epoch, reason.Error(), id, hash)
		if err != nil {
			return fmt.Errorf("writing the reason: %w", err)
		}
		if tag.RowsAffected() != 1 {
			return ErrLost
		}
		var gap *GapError
		if !errors.As(reason, &gap) {
			return nil
		}
		if _, err = tx.Exec(ctx, markGap, h.Consumer, h.Topic, h.Partition, gap.Spool[:], int64(gap.Want-1), int64(gap.Got)); err != nil {
			return fmt.Errorf("writing the gap: %w", err)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("halting %s on %s/%d: %w", h.Consumer, h.Topic, h.Partition, err)
	}
	return nil
}
