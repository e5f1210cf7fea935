package audit

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

// Severity says how bad a finding is.
type Severity string

const (
	// Broken is a promise that does not hold: rows that contradict one another.
	Broken Severity = "broken"
	// Attention is something that waits for an operator, or for a later stage: an open dead letter, a halted partition,
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

// Find takes a finding down.
func (v *Verification) Find(f Finding) {
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

// Rows runs a query whose every row is a finding: table, key, column, want, have.
func (v *Verification) Rows(ctx context.Context, check string, severity Severity, sql string, args ...any) error {
	rows, err := v.Tx.Query(ctx, sql, args...)
	if err != nil {
		return fmt.Errorf("checking %s: %w", check, err)
	}
	f := Finding{Check: check, Severity: severity}
	_, err = pgx.ForEachRow(rows, []any{&f.Table, &f.Key, &f.Column, &f.Want, &f.Have}, func() error {
		v.Find(f)
		return nil
	})
	if err != nil {
		return fmt.Errorf("checking %s: %w", check, err)
	}
	return nil
}

// Compare takes down that two values differ.
func (v *Verification) Compare(at Finding, column, want, have string) {
	if want != have {
		at.Column, at.Want, at.Have = column, want, have
		v.Find(at)
	}
}

// CompareAmounts takes down that two amounts differ.
func (v *Verification) CompareAmounts(at Finding, column string, want, have int64) {
	if want != have {
		v.Compare(at, column, strconv.FormatInt(want, 10), strconv.FormatInt(have, 10))
	}
}

func show(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
