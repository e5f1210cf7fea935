package ledger

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/internal/fault/inject"
	"tributary/internal/pgcopy"
	"tributary/internal/postgres"
)

const (
	// sealEvery is how often the Sealer looks for new postings.
	sealEvery = 5 * time.Second
	// headEvery is how often at most the head of the chain is logged.
	headEvery = 10 * time.Minute
	// blockRows and checkpointEvery are a Sealer's defaults.
	blockRows       = 20_000
	checkpointEvery = 1_000
	// rememberedAccounts bounds the accounts whose running sums are kept between blocks.
	rememberedAccounts = 200_000
	// insertingLimit bounds the wait for transactions that were posting when a boundary was taken.
	insertingLimit = 2 * time.Second
	insertingPause = 5 * time.Millisecond
)

// Head is the end of the hash chain. Written down elsewhere it proves later that nothing before it was changed.
type Head struct {
	// Block counts from 1; 0 is an empty chain.
	Block int64
	Hash  [32]byte
	// Through is the number of the last posting that is sealed.
	Through int64
}

// String is the head as it is logged: the block, a colon, and the hash in hex.
func (h Head) String() string { return fmt.Sprintf("%d:%s", h.Block, hex.EncodeToString(h.Hash[:])) }

// Sealed is what one round of sealing has done.
type Sealed struct {
	Blocks, Rows, Checkpoints int
}

// Sealer adds blocks to the hash chain and checkpoints to busy accounts, off the path of whoever posts: it takes no
// lock that a posting waits for. Any number of processes may run one; at any time one of them seals.
type Sealer struct {
	// BlockRows bounds a block of the chain and the memory that sealing takes: 20,000.
	BlockRows int
	// CheckpointEvery is how many postings an account has behind its last checkpoint at least to get one: 1,000.
	CheckpointEvery int

	db  *pgxpool.Pool
	log *slog.Logger

	// What this process remembers of the accounts holds for the block after this one only.
	after    int64
	accounts map[AccountID]*running
}

// running is what an account's postings add up to.
type running struct {
	debits, credits int64
	latest          time.Time
	behind          int  // postings behind the last checkpoint
	due             bool // for a checkpoint at the end of the block
	full            bool // a sum does not fit 64 bits: there are no further checkpoints
}

// NewSealer makes a sealer of the books in db, in the engine's role. It does nothing until Run.
func NewSealer(db *pgxpool.Pool, log *slog.Logger) *Sealer {
	return &Sealer{BlockRows: blockRows, CheckpointEvery: checkpointEvery, db: db, log: log, accounts: make(map[AccountID]*running)}
}

// Run seals until ctx ends. Errors are logged when they begin and when they are over.
func (s *Sealer) Run(ctx context.Context) error {
	tick := time.NewTicker(sealEvery)
	defer tick.Stop()
	var logged time.Time
	failing := false
	for {
		sealed, err := s.Seal(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !failing:
			s.log.Warn("the books cannot be sealed; trying again", "error", err)
		case err == nil && failing:
			s.log.Info("the books are sealed again")
		}
		failing = err != nil
		if sealed.Blocks > 0 && time.Since(logged) >= headEvery {
			if head, err := ChainHead(ctx, s.db); err == nil {
				s.log.Info("books sealed", "head", head.String(), "through", head.Through)
				logged = time.Now()
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// Seal seals what has been posted so far, once. It must not be called while Run is at work.
func (s *Sealer) Seal(ctx context.Context) (Sealed, error) {
	var done Sealed
	boundary, err := s.boundary(ctx)
	if err != nil {
		return done, err
	}
	for {
		rows, checkpoints, err := s.seal(ctx, boundary)
		if err != nil {
			s.forget()
			return done, err
		}
		if rows == 0 {
			return done, nil
		}
		done.Blocks++
		done.Rows += rows
		done.Checkpoints += checkpoints
	}
}

func (s *Sealer) forget() {
	s.after = 0
	clear(s.accounts)
}

// postingNow lists the transactions that may be inserting postings: whoever inserts holds this lock from before it
// takes its first number until it ends.
const postingNow = `
SELECT DISTINCT virtualtransaction FROM pg_locks
 WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND granted AND relation = 'posting'::regclass
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND ($1::text[] IS NULL OR virtualtransaction = ANY ($1))`

var errInserting = errors.New("a transaction that posts does not end")

// boundary gives a number at or below which no posting can be added any more. It reads the highest number there is, and
// waits until each transaction that was inserting then has ended: an insert that took a lower number had begun before,
// and those that begin later take higher ones. This is how an index is built concurrently; locking the table instead
// would make everybody who posts wait for the slowest of them.
func (s *Sealer) boundary(ctx context.Context) (int64, error) {
	var highest int64
	if err := s.db.QueryRow(ctx, `SELECT coalesce(max(seq), 0) FROM posting`).Scan(&highest); err != nil {
		return 0, fmt.Errorf("reading the highest posting: %w", err)
	}
	var inserting []string // nil asks for all
	for deadline := time.Now().Add(insertingLimit); ; {
		rows, err := s.db.Query(ctx, postingNow, inserting)
		if err != nil {
			return 0, fmt.Errorf("looking who is posting: %w", err)
		}
		if inserting, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
			return 0, fmt.Errorf("looking who is posting: %w", err)
		}
		if len(inserting) == 0 {
			return highest, nil
		}
		if time.Now().After(deadline) {
			return 0, fmt.Errorf("%w: %d after %s", errInserting, len(inserting), insertingLimit)
		}
		select {
		case <-time.After(insertingPause):
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

// sealLock keeps two processes from sealing the same block; the table's key would too, by an error.
const sealLock = 7302911

// seal adds one block of postings up to the boundary, with the checkpoints of the accounts that are due, in one
// transaction. It gives the number of rows, 0 when there are none or another process is at it.
func (s *Sealer) seal(ctx context.Context, boundary int64) (rows, checkpoints int, err error) {
	err = postgres.InTx(ctx, s.db, func(tx pgx.Tx) error {
		rows, checkpoints = 0, 0
		var mine bool
		if err := tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock($1)`, sealLock).Scan(&mine); err != nil || !mine {
			return err
		}
		head, err := ChainHead(ctx, tx)
		if err != nil {
			return err
		}
		if head.Through != s.after || len(s.accounts) > rememberedAccounts {
			s.forget()
		}
		block, err := readBlock(ctx, tx, head, boundary, s.BlockRows)
		if err != nil || block.rows == 0 {
			return err
		}
		if err := s.recall(ctx, tx, head.Through, block.postings); err != nil {
			return err
		}
		due, full := s.add(block.postings)
		for _, id := range full {
			s.log.Error("the sums of an account do not fit 64 bits: its balance cannot be read, and it gets no checkpoints", "account", id)
		}
		if _, err := tx.Exec(ctx, `INSERT INTO chain (block, after_seq, through_seq, rows, previous, hash) VALUES ($1, $2, $3, $4, $5, $6)`,
			head.Block+1, head.Through, block.through, block.rows, head.Hash[:], block.hash[:]); err != nil {
			return fmt.Errorf("adding block %d: %w", head.Block+1, err)
		}
		rows, checkpoints = block.rows, len(due)
		s.after = block.through
		if err := s.checkpoint(ctx, tx, block.through, due); err != nil {
			return err
		}
		inject.Reach(inject.SealBeforeCommit)
		return nil
	})
	if err == nil && rows > 0 {
		inject.Reach(inject.SealAfterCommit)
	}
	return rows, checkpoints, err
}

// recallSums gives, for accounts, what their postings up to $2 add up to, at most the largest int64, and how many are behind
// the last checkpoint.
const recallSums = `
SELECT k.id, least(coalesce(c.debits, 0) + p.debits, 9223372036854775807)::bigint, least(coalesce(c.credits, 0) + p.credits, 9223372036854775807)::bigint,
       coalesce(greatest(c.latest, p.latest), '-infinity'), p.rows
  FROM unnest($1::bigint[]) k (id)
  LEFT JOIN LATERAL (SELECT through_seq, latest, debits, credits FROM checkpoint
                      WHERE account_id = k.id ORDER BY through_seq DESC LIMIT 1) c ON true
 CROSS JOIN LATERAL (
       SELECT coalesce(sum(debit), 0) AS debits, coalesce(sum(credit), 0) AS credits, max(effective_at) AS latest, count(*) AS rows FROM (
         SELECT amount AS debit, 0 AS credit, effective_at FROM posting WHERE debit = k.id AND seq > coalesce(c.through_seq, 0) AND seq <= $2
         UNION ALL
         SELECT 0, amount, effective_at FROM posting WHERE credit = k.id AND seq > coalesce(c.through_seq, 0) AND seq <= $2) both_sides) p`

// recall works out the sums, up to the block before, of the accounts that are not remembered from it.
func (s *Sealer) recall(ctx context.Context, tx pgx.Tx, through int64, postings []postingRow) error {
	var missing []int64
	for i := range postings {
		for _, id := range [2]AccountID{postings[i].debit, postings[i].credit} {
			if s.accounts[id] == nil {
				s.accounts[id] = &running{}
				missing = append(missing, int64(id))
			}
		}
	}
	if len(missing) == 0 || through == 0 {
		return nil
	}
	rows, err := tx.Query(ctx, recallSums, missing, through)
	if err != nil {
		return fmt.Errorf("recalling %d accounts: %w", len(missing), err)
	}
	var id AccountID
	var debits, credits int64
	var latest pgtype.Timestamptz // -infinity, which has the zero time, where there are none
	var behind int
	_, err = pgx.ForEachRow(rows, []any{&id, &debits, &credits, &latest, &behind}, func() error {
		*s.accounts[id] = running{debits: debits, credits: credits, latest: latest.Time, behind: behind, full: max(debits, credits) == math.MaxInt64}
		return nil
	})
	if err != nil {
		return fmt.Errorf("recalling %d accounts: %w", len(missing), err)
	}
	return nil
}

// add adds a block's postings to the sums. It gives the accounts that are due for a checkpoint, and those whose sums fit 64
// bits no longer: a sum that has wrapped around would be a wrong balance that nobody notices, so that they get no further
// checkpoints, and their postings are sealed all the same.
func (s *Sealer) add(postings []postingRow) (due, full []AccountID) {
	count := func(id AccountID, debit, credit int64, at time.Time) {
		r := s.accounts[id]
		if r.full {
			return
		}
		if debit > math.MaxInt64-r.debits || credit > math.MaxInt64-r.credits {
			r.full = true
			full = append(full, id)
			return
		}
		r.debits += debit
		r.credits += credit
		if at.After(r.latest) {
			r.latest = at
		}
		if r.behind++; r.behind >= s.CheckpointEvery && !r.due {
			r.due = true
			due = append(due, id)
		}
	}
	for i := range postings {
		p := &postings[i]
		count(p.debit, p.amount, 0, p.at)
		count(p.credit, 0, p.amount, p.at)
	}
	return slices.DeleteFunc(due, func(id AccountID) bool { return s.accounts[id].full }), full
}

// checkpoint writes checkpoints as of the end of the block.
func (s *Sealer) checkpoint(ctx context.Context, tx pgx.Tx, through int64, due []AccountID) error {
	var rows pgcopy.Rows
	rows.Reset(5)
	for _, id := range due {
		r := s.accounts[id]
		r.behind, r.due = 0, false
		rows.Row()
		rows.Int8(int64(id))
		rows.Int8(through)
		rows.Time(r.latest)
		rows.Int8(r.debits)
		rows.Int8(r.credits)
	}
	if err := rows.Send(ctx, tx, `COPY checkpoint (account_id, through_seq, latest, debits, credits) FROM STDIN BINARY`); err != nil {
		return fmt.Errorf("writing checkpoints: %w", err)
	}
	return nil
}
