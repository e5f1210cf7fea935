package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/commission"
	"tributary/commission/evidence"
	"tributary/commission/ledger"
	"tributary/internal/clickhouse"
	"tributary/partners"
)

// Severity says how bad a finding is.
type Severity string

const (
	// Broken is a promise that does not hold: rows that contradict one another.
	Broken Severity = "broken"
	// Attention is something that waits for a person, or for a stage behind: an open dead letter, a halted partition,
	// reports that have not caught up yet.
	Attention Severity = "attention"
)

// Finding is something that Verify found: one row, what should stand there, and what does.
type Finding struct {
	// Check names the invariant.
	Check    string   `json:"check"`
	Severity Severity `json:"severity"`
	// Table and Key name the row, Column the value if it is one.
	Table  string `json:"table"`
	Key    string `json:"key"`
	Column string `json:"column,omitempty"`
	// Want is what follows from the other rows, Have what is there.
	Want string `json:"want"`
	Have string `json:"have"`
}

// String is the finding on one line.
func (f Finding) String() string {
	row := f.Table + " " + f.Key
	if f.Column != "" {
		row += ", " + f.Column
	}
	return fmt.Sprintf("%s: %s: %s: want %s, have %s", f.Severity, f.Check, row, f.Want, f.Have)
}

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
	// Reports is ClickHouse, to compare the reports with the ledger; nil leaves that out.
	Reports clickhouse.Conn
	// Heads of the hash chain that were logged at some time.
	Heads []ledger.Head
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
	if c.Now.IsZero() {
		c.Now = now
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

// IsBroken tells whether a promise does not hold.
func (v *Verdict) IsBroken() bool { return v.Broken > 0 }

// defaultFindings is how many findings are kept.
const defaultFindings = 1000

// verification is one run of Verify, in one snapshot of the database.
type verification struct {
	Check

	tx       pgx.Tx
	programs *partners.Programs
	verdict  Verdict
	// recent is how many of the last ledger events of a lane the outbox is checked for; 0 stands for all.
	recent int
}

// Verify works everything out again from the immutable facts and compares it with what stands in the database: each
// order's fold, decision, commissions and postings; balances, checkpoints and the hash chain; positions; and, with
// Reports, what the reports add up to. It reads one snapshot, so engines may be at work meanwhile, and holds a page of
// orders in memory and a sum for each account. An error is about Verify itself; what it finds is in the verdict.
func Verify(ctx context.Context, check Check) (*Verdict, error) {
	began := time.Now()
	check.fill(began)
	if err := evidence.Knows(ctx, check.DB, check.Forms); err != nil {
		return nil, err
	}
	v := &verification{Check: check, programs: partners.NewPrograms()}
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, check.DB, options, func(tx pgx.Tx) error {
		v.tx = tx
		return v.run(ctx)
	})
	if err != nil {
		return nil, fmt.Errorf("verifying: %w", err)
	}
	v.verdict.Took = time.Since(began)
	return &v.verdict, nil
}

func (v *verification) run(ctx context.Context) error {
	// The first statement takes the snapshot. The programs may then be newer than the snapshot, which changes no
	// decision in it: terms reach forward only.
	if _, err := v.tx.Exec(ctx, `SELECT set_config('work_mem', '32MB', true)`); err != nil {
		return err
	}
	if err := v.programs.Refresh(ctx, v.DB); err != nil {
		return err
	}
	for _, check := range []func(context.Context) error{
		v.orders, v.strays, v.accounts, v.sums, v.trialBalance, v.commissions, v.checkpoints, v.chain, v.positions, v.holds, v.letters, v.reports,
	} {
		if err := check(ctx); err != nil {
			return err
		}
	}
	return nil
}

// find takes a finding down.
func (v *verification) find(f Finding) {
	if f.Severity == "" {
		f.Severity = Broken
	}
	if f.Severity == Broken {
		v.verdict.Broken++
	}
	if len(v.verdict.Findings) >= v.Limit {
		v.verdict.More++
		return
	}
	v.verdict.Findings = append(v.verdict.Findings, f)
}

// chain verifies the hash chain.
func (v *verification) chain(ctx context.Context) error {
	head, err := ledger.VerifyChain(ctx, v.tx, v.Heads...)
	v.verdict.Head = head.String()
	if broken, ok := errors.AsType[*ledger.BreakError](err); ok {
		v.find(chainFinding(broken))
		return nil
	}
	return err
}

func chainFinding(broken *ledger.BreakError) Finding {
	return Finding{
		Check: "hash chain", Table: "chain", Key: fmt.Sprintf("block %d (postings %d to %d)", broken.Block, broken.After+1, broken.Through),
		Want: "what was sealed", Have: broken.Problem,
	}
}

// rows runs a query whose every row is a finding: table, key, column, want, have.
func (v *verification) rows(ctx context.Context, check string, severity Severity, sql string, args ...any) error {
	rows, err := v.tx.Query(ctx, sql, args...)
	if err != nil {
		return fmt.Errorf("checking %s: %w", check, err)
	}
	f := Finding{Check: check, Severity: severity}
	_, err = pgx.ForEachRow(rows, []any{&f.Table, &f.Key, &f.Column, &f.Want, &f.Have}, func() error {
		v.find(f)
		return nil
	})
	if err != nil {
		return fmt.Errorf("checking %s: %w", check, err)
	}
	return nil
}
