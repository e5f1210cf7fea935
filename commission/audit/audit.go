package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/commission"
	"tributary/commission/evidence"
	"tributary/commission/fx"
	"tributary/commission/ledger"
	"tributary/commission/ledger/chart"
	"tributary/commission/period"
	"tributary/internal/clickhouse"
	"tributary/partners"
)

// Check is what Verify needs.
type Check struct {
	// DB acts in the operator's role, with at least two connections.
	DB *pgxpool.Pool
	// VerifyClick says what a click id says, as the engine's does.
	VerifyClick func(id string) commission.Click
	// Partitions of the topic orders.
	Partitions int
	// Forms are those in which records are read, as the engine's are: commission.KnownForms by default.
	Forms commission.Forms
	// Decide decides on orders as the engine's does: commission.Decide by default.
	Decide commission.Decider
	// Reports is ClickHouse, to compare the reports with the ledger; nil leaves that out.
	Reports clickhouse.Conn
	// Heads of the hash chain that were logged at some time.
	Heads []ledger.Head
	// Sources check the postings of each source: Sources by default.
	Sources map[chart.Source]Source
	// Limit bounds the findings that are kept: 1,000 by default.
	Limit int
	// Now is the engines' time, by which holds have ended: the present by default.
	Now time.Time
}

// fill sets what has a default.
func (c *Check) fill(now time.Time) {
	if c.Limit <= 0 {
		c.Limit = defaultFindings
	}
	if c.Sources == nil {
		c.Sources = Sources()
	}
	if c.Now.IsZero() {
		c.Now = now
	}
	if c.Decide == nil {
		c.Decide = commission.Decide
	}
	if len(c.Forms) == 0 {
		c.Forms = commission.KnownForms()
	}
}

// Verdict is what Verify has seen.
type Verdict struct {
	// Orders, Postings and Events counts what was gone through: Events are the facts that orders are folded from.
	Orders   int64 `json:"orders"`
	Postings int64 `json:"postings"`
	Events   int64 `json:"events"`
	// Head is the end of the hash chain as far as it is valid.
	Head string `json:"head"`
	// Findings are the first so many, More counts those left out, and Broken counts among all of them those that are.
	Findings []Finding `json:"findings"`
	More     int       `json:"more,omitempty"`
	Broken   int       `json:"broken"`
	// Took is how long it took.
	Took time.Duration `json:"took_ns"`
}

// IsBroken reports whether a promise does not hold.
func (v *Verdict) IsBroken() bool { return v.Broken > 0 }

// engine is the name of the engines among those who read topics, as package engine has it.
const engine = "engine"

// defaultFindings is how many findings are kept.
const defaultFindings = 1000

// Verification is one run of Verify: what a check has to work with.
type Verification struct {
	Check

	// Tx is a snapshot of the database, which every check reads.
	Tx pgx.Tx

	programs *partners.Programs
	rates    *fx.Table
	verdict  Verdict
	// counted are the sums of periods as orders add to them; nil where not all orders are gone through, or can be read.
	counted map[cellKey]period.Sums
	// disputed are the fees that a dispute keeps pending although the hold is over, as orders have them.
	disputed map[figuresKey]int64
	// followed are the lanes that follow the customers of merchants from their first orders on.
	followed map[lane]bool
	// recent is how many of the last ledger events of a lane the outbox is checked for; 0 stands for all.
	recent int
}

// Verify works everything out again from the immutable facts and compares it with what stands in the database: each
// order's fold, decision, commissions and postings; balances, checkpoints and the hash chain; positions; and, with
// Reports, what the reports add up to. It reads one snapshot, so engines may be at work meanwhile, and holds a page of
// orders in memory and a sum for each account. An error is about Verify itself; what it finds is in the verdict.
func Verify(ctx context.Context, check Check) (verdict *Verdict, err error) {
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, check.DB, options, func(tx pgx.Tx) error {
		verdict, err = VerifyIn(ctx, tx, check)
		return err
	})
	return verdict, err
}

// VerifyIn is Verify of what a transaction sees, its own changes included.
func VerifyIn(ctx context.Context, tx pgx.Tx, check Check) (*Verdict, error) {
	began := time.Now()
	check.fill(began)
	v := &Verification{Check: check, Tx: tx, programs: partners.NewPrograms(), rates: fx.NewTable()}
	if err := v.run(ctx); err != nil {
		return nil, fmt.Errorf("verifying: %w", err)
	}
	v.verdict.Took = time.Since(began)
	return &v.verdict, nil
}

func (v *Verification) run(ctx context.Context) error {
	// The first statement takes the snapshot. The programs may then be newer than the snapshot, which changes no
	// decision in it: terms reach forward only.
	if _, err := v.Tx.Exec(ctx, `SELECT set_config('work_mem', '32MB', true)`); err != nil {
		return err
	}
	if err := evidence.Knows(ctx, v.Tx, v.Forms); err != nil {
		return err
	}
	if err := v.refresh(ctx); err != nil {
		return err
	}
	for _, check := range []func(context.Context) error{
		v.sources, v.accounts, v.sums, v.trialBalance, v.checkpoints, v.chain, v.positions, v.holds, v.paths, v.clicks, v.views, v.clickUses, v.letters, v.reports,
	} {
		if err := check(ctx); err != nil {
			return err
		}
	}
	return nil
}

// refresh brings what is held in memory up to date.
func (v *Verification) refresh(ctx context.Context) error {
	if err := v.programs.Refresh(ctx, v.DB); err != nil {
		return err
	}
	return v.rates.Refresh(ctx, v.Tx) // one of the past may have been entered since, and its orders are nudged in no snapshot from before
}
