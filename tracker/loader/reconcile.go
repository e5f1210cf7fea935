package loader

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/internal/clickhouse"
	"tributary/internal/event"
	"tributary/internal/fault"
	"tributary/internal/position"
	"tributary/internal/postgres"
	"tributary/internal/stream"
	"tributary/internal/text"
)

// readLife reads the generation of the partition's new batches.
func (l *lane) readLife(ctx context.Context, tx pgx.Tx) error {
	err := tx.QueryRow(ctx, `SELECT life FROM position WHERE consumer = $1 AND topic = $2 AND partition = $3`,
		l.held.Consumer, l.held.Topic, l.held.Partition).Scan(&l.life)
	if err != nil {
		return fmt.Errorf("reading the life of the position: %w", err)
	}
	return nil
}

// skew is what the clocks of PostgreSQL and ClickHouse may differ by.
const skew = time.Hour

// remembered makes sure that ClickHouse holds no record behind the marks of the position: a batch is planned before it is
// sent, so such a record says that PostgreSQL has forgotten. Parts that were written before the last plan are passed over.
func (l *lane) remembered(ctx context.Context, at *position.Position) error {
	var since time.Time
	err := l.persist(ctx, func() error {
		return l.db.QueryRow(ctx, `SELECT coalesce(max(planned_at) - $1 * interval '1 second', 'epoch') FROM clickhouse_batch`,
			skew.Seconds()).Scan(&since)
	})
	if err != nil {
		return err
	}
	wait := newBackoff()
	for {
		ahead, err := l.ahead(ctx, at, since)
		if err == nil {
			l.clickhouseAway.over()
			return ahead
		}
		l.clickhouseAway.report(ctx, err)
		if err := wait.sleep(ctx); err != nil {
			return err
		}
	}
}

// ahead gives a *position.BehindError where ClickHouse holds a record behind the marks, as its first result.
func (l *lane) ahead(ctx context.Context, at *position.Position, since time.Time) (ahead, err error) {
	ctx, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	rows, err := l.ClickHouse.Query(ctx, "SELECT _spool, max(_seq) FROM "+l.table.name+
		" WHERE _partition = ? AND _part IN (SELECT name FROM system.parts WHERE database = currentDatabase() AND table = ? AND active AND modification_time >= ?)"+
		" GROUP BY _spool", l.held.Partition, l.table.name, since)
	if err != nil {
		return nil, fmt.Errorf("asking for the last sequences in %s: %w", l.table.name, err)
	}
	var spool uuid.UUID
	var seq uint64
	err = clickhouse.ForEachRow(rows, []any{&spool, &seq}, func() {
		if mark := at.Marks[spool]; seq > mark {
			ahead = &position.BehindError{Found: fmt.Sprintf("the table %s has sequence %d of spool %x, partition %d, and only %d is known to be sent",
				l.table.name, seq, spool[:], l.held.Partition, mark)}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("asking for the last sequences in %s: %w", l.table.name, err)
	}
	return ahead, nil
}

// Reconciliation is what Reconcile finds and does in one partition. Partitions in which there is nothing to do have none.
type Reconciliation struct {
	Topic     string
	Partition int
	// Removed rows of ClickHouse are of batches that the manifest does not know, or not as done.
	Removed int64
	// Again is the number of batches that are sent again, because their rows were removed or are missing.
	Again int64
	// Orphans is the number of ledger events in Kafka that the books know nothing of, and that are passed over.
	Orphans int64
	// Letters is the number of dead letters that were retried, and whose rows are sent again.
	Letters int64
}

// String is the reconciliation in one line.
func (a Reconciliation) String() string {
	line := fmt.Sprintf("%s/%d: %d rows of ClickHouse are beyond what PostgreSQL knows, %d batches go again, %d ledger events are of a life that is over",
		a.Topic, a.Partition, a.Removed, a.Again, a.Orphans)
	if a.Letters > 0 {
		line += fmt.Sprintf(", %d dead letters are retried again", a.Letters)
	}
	return line
}

// Reconciler brings the servers in line after one of them was restored from a backup.
type Reconciler struct {
	DB         *pgxpool.Pool // as tributary_loader
	ClickHouse clickhouse.Conn
	Kafka      *stream.Client
	Partitions int
	// Now names the new life: restorations must lie a second apart.
	Now time.Time
}

// Reconcile makes ClickHouse and the topic of ledger events agree with PostgreSQL, whichever of them was restored to an earlier
// time, as long as Kafka still holds the records since then. What ClickHouse has beyond the loader's positions is
// removed and comes again from Kafka; batches that it has lost are sent again; ledger events that the books do not know are
// passed over. Without apply it only tells. It may be run again after a failure. No loader or engine may run.
func (a Reconciler) Reconcile(ctx context.Context, apply bool) ([]Reconciliation, error) {
	unlock, err := a.alone(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := a.idle(ctx); err != nil {
		return nil, err
	}
	var all []Reconciliation
	for _, t := range tables() {
		found, err := a.table(ctx, t, apply)
		if err != nil {
			return nil, fmt.Errorf("reconciling %s: %w", t.topic, err)
		}
		all = append(all, found...)
	}
	if !apply {
		return all, nil
	}
	_, err = a.DB.Exec(ctx, `UPDATE position SET halted = '' WHERE right(halted, length($1)) = $1`, position.Reconcile)
	if err != nil {
		return nil, fmt.Errorf("letting partitions go on: %w", err)
	}
	return all, position.Alone(ctx, a.DB, Consumer, func(ctx context.Context) error { return RebuildRollups(ctx, a.ClickHouse) })
}

// reconcileLock is the advisory lock of whoever reconciles.
const reconcileLock = 8402911474

// alone refuses to work beside another reconciliation: what one has looked at before the other ended, and loaders went on, is no
// longer so. The lock ends with its connection at the latest.
func (a Reconciler) alone(ctx context.Context) (unlock func(), err error) {
	conn, err := a.DB.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("connecting to PostgreSQL: %w", err)
	}
	var mine bool
	if err := conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1)`, int64(reconcileLock)).Scan(&mine); err != nil || !mine {
		conn.Release()
		if err != nil {
			return nil, fmt.Errorf("looking for other reconciliations: %w", err)
		}
		return nil, fault.Detailed(fault.Conflict, "not_alone", text.DetailReconcileRunning(), nil)
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		// The server ends a session some time after its connection: a reconciliation at once after this one would meet the lock.
		if _, err := conn.Exec(ctx, `SELECT pg_advisory_unlock($1)`, int64(reconcileLock)); err != nil {
			_ = conn.Conn().Close(ctx) // and the lock with it
		}
		conn.Release()
	}, nil
}

// idle refuses to work beside a loader or an engine.
func (a Reconciler) idle(ctx context.Context) error {
	var owner string
	err := a.DB.QueryRow(ctx, `SELECT consumer || ' ' || owner FROM consumer_owner WHERE seen > now() - interval '10 seconds' LIMIT 1`).Scan(&owner)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err != nil:
		return fmt.Errorf("looking for those who run: %w", err)
	}
	return fault.Detailed(fault.Conflict, "not_idle", text.DetailNotIdle(owner), nil)
}

// span is what there is to do in one partition.
type span struct {
	Reconciliation

	at     *position.Position
	from   int64    // the first offset of what is not known to be stored
	beyond string   // the condition for rows of that
	lost   []int64  // first offsets of batches before it whose rows are not as the manifest has them
	stale  []string // the conditions for rows of those of them that have some
	end    int64    // of the log
}

func (a Reconciler) table(ctx context.Context, t *table, apply bool) ([]Reconciliation, error) {
	var all []Reconciliation
	var doomed []string
	var spans []*span
	for partition := range a.Partitions {
		s, err := a.look(ctx, t, partition)
		if err != nil {
			return nil, fmt.Errorf("partition %d: %w", partition, err)
		}
		spans = append(spans, s)
		if s.Removed > 0 {
			doomed = append(doomed, fmt.Sprintf("(_partition = %d AND %s)", partition, s.beyond))
		}
		doomed = append(doomed, s.stale...)
	}
	if apply && len(doomed) > 0 { // before the positions change: a second run finds the rest
		err := a.ClickHouse.Exec(ctx, "ALTER TABLE "+t.name+" DELETE WHERE "+strings.Join(doomed, " OR ")+" SETTINGS mutations_sync = 2")
		if err != nil {
			return nil, fmt.Errorf("removing rows: %w", err)
		}
	}
	for _, s := range spans {
		if err := a.resume(ctx, t, s, apply); err != nil {
			return nil, fmt.Errorf("partition %d: %w", s.Partition, err)
		}
		if err := a.letters(ctx, t, s, apply); err != nil {
			return nil, fmt.Errorf("dead letters of partition %d: %w", s.Partition, err)
		}
		if s.Removed > 0 || s.Again > 0 || s.Orphans > 0 || s.Letters > 0 {
			all = append(all, s.Reconciliation)
		}
	}
	return all, nil
}

// look finds out what there is to do in a partition.
func (a Reconciler) look(ctx context.Context, t *table, partition int) (*span, error) {
	s := &span{Reconciliation: Reconciliation{Topic: t.topic, Partition: partition}}
	err := postgres.InTx(ctx, a.DB, func(tx pgx.Tx) (err error) {
		if _, s.at, err = a.lock(ctx, tx, t.topic, partition); err != nil {
			return err
		}
		return errOnlyLooking
	})
	if !errors.Is(err, errOnlyLooking) {
		return nil, err
	}
	if err := a.bound(ctx, s); err != nil {
		return nil, err
	}
	first, end, err := a.Kafka.Offsets(ctx, t.topic, partition)
	if err != nil {
		return nil, err
	}
	s.end = end
	if err := a.missing(ctx, t, s); err != nil {
		return nil, err
	}
	need := s.from
	if len(s.lost) > 0 {
		need = min(need, s.lost[0])
	}
	if need < first || s.at.Next > end {
		return nil, fmt.Errorf("reading offsets from %d on, of which Kafka holds %d to %d: restore later copies", need, first, end)
	}
	var removed uint64
	err = a.ClickHouse.QueryRow(ctx, "SELECT count() FROM "+t.name+" WHERE _partition = ? AND "+s.beyond, partition).Scan(&removed)
	if err != nil {
		return nil, fmt.Errorf("counting rows: %w", err)
	}
	s.Removed = int64(removed)
	return s, nil
}

// bound finds where what is known to be stored ends: at the first batch that is not done, or at the position.
func (a Reconciler) bound(ctx context.Context, s *span) error {
	var before []byte
	known := s.at
	err := a.DB.QueryRow(ctx, `SELECT first_offset, before FROM clickhouse_batch WHERE topic = $1 AND partition = $2 AND state <> 'done'
		ORDER BY first_offset LIMIT 1`, s.Topic, s.Partition).Scan(&s.from, &before)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		s.from = s.at.Next
	case err != nil:
		return fmt.Errorf("looking for open batches: %w", err)
	default:
		if known, err = decodeMarks(s.from, before); err != nil {
			return err
		}
	}
	s.beyond = behind(known)
	return nil
}

// missing lists the batches whose rows are not all there, though they are marked as done.
func (a Reconciler) missing(ctx context.Context, t *table, s *span) error {
	c := &checker{db: a.DB, conn: a.ClickHouse}
	after := line{first: -1}
	for {
		rows, err := a.DB.Query(ctx, `SELECT partition, first_offset, last_offset, rows, state, problem, false FROM clickhouse_batch
			WHERE topic = $1 AND partition = $2 AND first_offset > $3 AND first_offset < $4 ORDER BY first_offset LIMIT $5`,
			t.topic, s.Partition, after.first, s.from, rangesAtOnce)
		if err != nil {
			return fmt.Errorf("reading the manifest: %w", err)
		}
		lines, err := pgx.CollectRows(rows, scanLine)
		if err != nil {
			return fmt.Errorf("reading the manifest: %w", err)
		}
		if len(lines) == 0 {
			return nil
		}
		stored, err := c.stored(ctx, t, lines)
		if err != nil {
			return err
		}
		for _, l := range lines {
			if stored[l.first] == l.rows {
				continue
			}
			s.lost = append(s.lost, l.first)
			if stored[l.first] == 0 {
				continue
			}
			before, err := c.marks(ctx, t, l)
			if err != nil {
				return err
			}
			s.stale = append(s.stale, fmt.Sprintf("(_partition = %d AND _offset BETWEEN %d AND %d AND %s)", l.partition, l.first, l.last, behind(before)))
		}
		after = lines[len(lines)-1]
	}
}

// lock locks a partition's position for the rest of tx, whoever held it last, and lets it go on if it was halted because
// PostgreSQL is behind.
func (a Reconciler) lock(ctx context.Context, tx pgx.Tx, topic string, partition int) (position.Held, *position.Position, error) {
	h := position.Held{Consumer: Consumer, Topic: topic, Partition: partition}
	err := tx.QueryRow(ctx, `INSERT INTO position AS p (consumer, topic, partition) VALUES ($1, $2, $3)
		ON CONFLICT (consumer, topic, partition) DO UPDATE SET halted = CASE WHEN right(p.halted, length($4)) = $4 THEN '' ELSE p.halted END
		RETURNING epoch`, h.Consumer, topic, partition, position.Reconcile).Scan(&h.Epoch)
	if err != nil {
		return h, nil, fmt.Errorf("locking the position: %w", err)
	}
	at, err := h.Lock(ctx, tx)
	return h, at, err
}

// resume has the partition go on from what both databases hold now. A loader that was frozen meanwhile no longer holds it.
func (a Reconciler) resume(ctx context.Context, t *table, s *span, apply bool) error {
	life := int(a.Now.Unix())
	err := postgres.InTx(ctx, a.DB, func(tx pgx.Tx) error {
		held, at, err := a.lock(ctx, tx, s.Topic, s.Partition)
		if err != nil {
			return err
		}
		s.Orphans = 0
		if t.topic == event.Decisions {
			if err := a.passOver(ctx, tx, t, s, at, life); err != nil {
				return err
			}
		}
		tag, err := tx.Exec(ctx, `UPDATE clickhouse_batch SET state = 'planned', done_at = NULL, problem = '', generation = $5
			WHERE topic = $1 AND partition = $2 AND (first_offset >= $3 OR first_offset = ANY ($4)) AND rows > 0`,
			t.topic, s.Partition, s.from, slices.Concat([]int64{}, s.lost), life)
		if err != nil {
			return fmt.Errorf("planning batches again: %w", err)
		}
		s.Again = tag.RowsAffected()
		if !apply {
			return errOnlyLooking
		}
		if err := held.Save(ctx, tx, at); err != nil {
			return err
		}
		since := int64(0)
		if s.Orphans > 0 {
			since = s.end
		}
		_, err = tx.Exec(ctx, `UPDATE position SET life = $4, since = greatest(since, $5), owner = '', lease_until = '-infinity', epoch = epoch + 1
			WHERE consumer = $1 AND topic = $2 AND partition = $3`, Consumer, t.topic, s.Partition, life, since)
		if err != nil {
			return fmt.Errorf("beginning a new life: %w", err)
		}
		return nil
	})
	if errors.Is(err, errOnlyLooking) {
		return nil
	}
	return err
}

// letters puts dead letters back again whose rows were lost or removed: they are in no batch, and nothing else brings them.
func (a Reconciler) letters(ctx context.Context, t *table, s *span, apply bool) error {
	rows, err := a.DB.Query(ctx, `SELECT no, "offset", spool, seq FROM dead_letter
		WHERE consumer = $1 AND topic = $2 AND partition = $3 AND state = 'returned'`, Consumer, t.topic, s.Partition)
	if err != nil {
		return fmt.Errorf("listing: %w", err)
	}
	returned, err := pgx.CollectRows(rows, scanReturning)
	if err != nil {
		return fmt.Errorf("listing: %w", err)
	}
	var lost []int64
	for _, d := range returned {
		var n uint64
		err := a.ClickHouse.QueryRow(ctx, "SELECT count() FROM "+t.name+" WHERE _partition = ? AND _offset = ? AND _spool = ? AND _seq = ? AND NOT ("+s.beyond+")",
			s.Partition, uint64(d.record.Offset), uuid.UUID(d.record.Spool), d.record.Seq).Scan(&n)
		if err != nil {
			return fmt.Errorf("counting the rows of number %d: %w", d.no, err)
		}
		if n == 0 {
			lost = append(lost, d.no)
		}
	}
	if s.Letters = int64(len(lost)); s.Letters == 0 || !apply {
		return nil
	}
	_, err = a.DB.Exec(ctx, `UPDATE dead_letter SET state = 'returning', settled_at = now(), life = $2 WHERE no = ANY ($1) AND state = 'returned'`,
		lost, int(a.Now.Unix()))
	if err != nil {
		return fmt.Errorf("retrying dead letters: %w", err)
	}
	return nil
}

// scanReturning reads the number, offset, spool and sequence of a letter.
func scanReturning(row pgx.CollectableRow) (d returning, err error) {
	var spool []byte
	err = row.Scan(&d.no, &d.record.Offset, &spool, &d.record.Seq)
	copy(d.record.Spool[:], spool)
	d.record.Offset |= letterOffsets
	return d, err
}

// errOnlyLooking rolls a transaction back that was only to tell.
var errOnlyLooking = errors.New("nothing was changed")

// passOver plans what the topic of ledger events holds up to the first that the books do not know, and moves the position
// behind those: the books send their own under the same sequences.
func (a Reconciler) passOver(ctx context.Context, tx pgx.Tx, t *table, s *span, at *position.Position, life int) error {
	spool, known, err := a.known(ctx, tx, s.Partition)
	if err != nil {
		return err
	}
	declared, err := position.Held{Consumer: Consumer, Topic: t.topic, Partition: s.Partition}.Declared(ctx, tx)
	if err != nil {
		return err
	}
	var cut []*batch
	var forged []stream.Record // among the orphans
	b := newBatch(at, t.make(), life)
	for next := at.Next; next < s.end; {
		records, err := a.Kafka.Fetch(ctx, t.topic, s.Partition, next, fetchBytes, idleWait)
		if err != nil {
			return err
		}
		declared.Judge(records)
		for i := range records {
			r := &records[i]
			if next = r.Offset + 1; r.Offset >= s.end {
				break
			}
			if r.Seal == stream.Genuine && (s.Orphans > 0 || r.Spool == spool && r.Seq > known) {
				s.Orphans++
				continue
			}
			if s.Orphans > 0 {
				forged = append(forged, *r)
				continue
			}
			fits, err := b.take(at, r)
			if err == nil && (!fits || b.n >= 4*chunk) {
				b.after = at.Clone()
				cut, b = append(cut, b), newBatch(at, t.make(), life)
				if !fits {
					_, err = b.take(at, r)
				}
			}
			if err != nil {
				return err
			}
		}
	}
	if s.Orphans == 0 {
		*at = *s.at.Clone() // the loader takes them in as ever
		return nil
	}
	b.after = at.Clone()
	cut = append(cut, b)
	rest := newBatch(at, nil, life)
	at.Next = s.end
	rest.after, rest.forged = at, forged
	return a.plan(ctx, tx, t.topic, s.Partition, append(cut, rest))
}

// known reads up to where the books have numbered a lane's ledger events, and under which name.
func (a Reconciler) known(ctx context.Context, tx pgx.Tx, partition int) (spool [16]byte, known uint64, err error) {
	err = tx.QueryRow(ctx, `SELECT s.value::uuid, coalesce((SELECT out_seq FROM position WHERE consumer = 'engine' AND topic = $1 AND partition = $2), 0)
		FROM setting s WHERE s.name = 'ledger_spool'`, event.Orders, partition).Scan(&spool, &known)
	if err != nil {
		return spool, 0, fmt.Errorf("reading the sequence of the books: %w", err)
	}
	return spool, known, nil
}

// plan writes batches down; those without rows are done.
func (a Reconciler) plan(ctx context.Context, tx pgx.Tx, topic string, partition int, batches []*batch) error {
	for _, b := range batches {
		if b.last() < b.first() {
			continue
		}
		marks, err := encodeMarks(b.before)
		if err != nil {
			return err
		}
		state := "planned"
		if b.n == 0 {
			state = "done"
		}
		if _, err := tx.Exec(ctx, insertPlan, topic, partition, b.first(), b.last(), b.n, marks, b.generation, state); err != nil {
			return fmt.Errorf("planning offsets %d to %d: %w", b.first(), b.last(), err)
		}
		for _, d := range b.letters {
			_, err := tx.Exec(ctx, insertLetter, Consumer, topic, partition, d.record.Offset, d.record.Spool[:], int64(d.record.Seq),
				notNull(d.record.Key), notNull(d.record.Value), d.cause.Error())
			if err != nil {
				return fmt.Errorf("setting offset %d aside: %w", d.record.Offset, err)
			}
		}
		batch := &pgx.Batch{}
		position.Held{Consumer: Consumer, Topic: topic, Partition: partition}.QueueForged(batch, b.forged)
		if err := tx.SendBatch(ctx, batch).Close(); err != nil {
			return fmt.Errorf("storing forged records: %w", err)
		}
	}
	return nil
}
