package loader

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tributary/internal/position"
	"tributary/internal/postgres"
)

// A batch that was planned and not stored needs its records from Kafka once more. When Kafka does not hold them any more,
// because retention has passed them or the topic was recreated, they are still in the spool. So the plan is taken back, and
// the marks with it: the sequence rule then asks for these records like for any others that are missing, and takes them in
// when they are sent again.

// keepClear deals with batches that lie behind the position: it was set back, so they are of a topic that is no more, and
// offsets will come in which they stand in the way.
func (l *lane) keepClear(ctx context.Context, at *position.Position) error {
	var open []plan
	err := l.persist(ctx, func() error {
		if err := l.writeOff(ctx, at.Next); err != nil {
			return err
		}
		var err error
		open, err = l.open(ctx)
		return err
	})
	if err != nil {
		return err
	}
	for _, p := range open {
		if p.first >= at.Next {
			return l.unplan(ctx, p, "the topic was recreated")
		}
	}
	return nil
}

// writeOff turns parked batches from an offset on into dead letters, which are as much of an alarm and not in the way.
func (l *lane) writeOff(ctx context.Context, from int64) error {
	err := postgres.InTx(ctx, l.db, func(tx pgx.Tx) error {
		if _, err := l.held.Lock(ctx, tx); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `
			WITH gone AS (DELETE FROM clickhouse_batch WHERE topic = $2 AND partition = $3 AND first_offset >= $4 AND state = 'parked' RETURNING *)
			INSERT INTO dead_letter (consumer, topic, partition, "offset", spool, seq, key, value, error)
			SELECT $1, topic, partition, first_offset, uuid_send(gen_random_uuid()), 0, '', convert_to(before::text, 'UTF8'),
			       format('the %s rows of offsets %s to %s of a topic that was recreated since: %s; the value holds the marks before them', rows, first_offset, last_offset, problem)
			  FROM gone`, Consumer, l.table.topic, l.held.Partition, from)
		return err
	})
	if err != nil {
		return fmt.Errorf("writing off parked batches: %w", err)
	}
	return nil
}

// unplan takes back an open batch whose records Kafka does not hold, and those behind it: as long as none of them is
// stored. Otherwise the batch is parked.
func (l *lane) unplan(ctx context.Context, p plan, why string) error {
	before, err := decodeMarks(p.first, p.before)
	if err != nil {
		return l.abandon(ctx, p.first, p.generation, err.Error())
	}
	stored, err := l.anyOf(ctx, before)
	if err != nil {
		return err
	}
	if stored > 0 {
		return l.abandon(ctx, p.first, p.generation, fmt.Sprintf("%s, and %s holds %d rows of offset %d and behind it", why, l.table.name, stored, p.first))
	}
	var taken, others int64
	err = l.persist(ctx, func() error {
		return postgres.InTx(ctx, l.db, func(tx pgx.Tx) error {
			var err error
			taken, others, err = l.takeBackPlans(ctx, tx, before)
			return err
		})
	})
	switch {
	case err != nil:
		return err
	case others > 0:
		return l.abandon(ctx, p.first, p.generation, why)
	case taken == 0:
		return nil // somebody has dealt with it
	}
	l.log.Warn("a plan is withdrawn: its records must be sent again from their spool", "first_offset", p.first, "reason", why)
	return fmt.Errorf("taking back the plan of offset %d: %w", p.first, errMoved)
}

// takeBackPlans removes the open batches from a position on, and sets the marks back to it; the offset stays. others are
// batches there that are not open, because of which nothing was done.
func (l *lane) takeBackPlans(ctx context.Context, tx pgx.Tx, before *position.Position) (taken, others int64, err error) {
	if _, err := l.held.Lock(ctx, tx); err != nil {
		return 0, 0, err
	}
	where := []any{l.table.topic, l.held.Partition, before.Next}
	err = tx.QueryRow(ctx, `SELECT count(*) FROM clickhouse_batch WHERE topic = $1 AND partition = $2 AND first_offset >= $3 AND state <> 'planned'`,
		where...).Scan(&others)
	if err != nil || others > 0 {
		return 0, others, err
	}
	tag, err := tx.Exec(ctx, `DELETE FROM clickhouse_batch WHERE topic = $1 AND partition = $2 AND first_offset >= $3`, where...)
	if err != nil || tag.RowsAffected() == 0 {
		return 0, 0, err
	}
	spools, seqs, gaps := make([][]byte, 0, len(before.Marks)), make([]int64, 0, len(before.Marks)), make([]int64, 0, len(before.Marks))
	for spool, seq := range before.Marks {
		spools, seqs, gaps = append(spools, spool[:]), append(seqs, int64(seq)), append(gaps, int64(before.Gaps[spool]))
	}
	_, err = tx.Exec(ctx, `
		UPDATE high_water h SET seq = coalesce(b.seq, 0), gap = coalesce(b.gap, 0)
		  FROM high_water o LEFT JOIN unnest($4::bytea[], $5::bigint[], $6::bigint[]) AS b (spool, seq, gap) ON b.spool = o.spool
		 WHERE (o.consumer, o.topic, o.partition) = ($1, $2, $3)
		   AND (h.consumer, h.topic, h.partition, h.spool) = (o.consumer, o.topic, o.partition, o.spool)`,
		Consumer, l.table.topic, l.held.Partition, spools, seqs, gaps)
	return tag.RowsAffected(), 0, err
}

// anyOf counts the rows of records that were not seen before a position, until the server has given an answer.
func (l *lane) anyOf(ctx context.Context, before *position.Position) (n uint64, err error) {
	wait := newBackoff()
	for {
		n, err := l.askAnyOf(ctx, before)
		if err == nil {
			l.clickhouseAway.over()
			return n, nil
		}
		l.clickhouseAway.report(ctx, err)
		if err := wait.sleep(ctx); err != nil {
			return 0, err
		}
	}
}

func (l *lane) askAnyOf(ctx context.Context, before *position.Position) (n uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	err = l.ClickHouse.QueryRow(ctx, "SELECT count() FROM "+l.table.name+" WHERE _partition = ? AND "+behind(before), l.held.Partition).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("counting the rows behind offset %d: %w", before.Next, err)
	}
	return n, nil
}
