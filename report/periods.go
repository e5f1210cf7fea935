package report

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/commission/period"
	"tributary/internal/fault"
	"tributary/partners/access"
	"tributary/partners/program"
)

// PeriodPaid is what a rule on periods pays a partner for one of them, or, below zero, takes back. Amounts are minor units of Unit.
type PeriodPaid struct {
	No        int64
	ProgramID program.ProgramID
	Program   string
	PartnerID program.PartnerID
	Partner   string
	Role      string
	// Rule is what the terms call the rule, Span names the period: "2026-09".
	Rule, Span, Unit           string
	LastDay                    time.Time
	Net, Fee, Pending, Payable int64
}

// Kind is what the period is: a bonus, or a cap that takes back; empty where it comes to nothing, which either may.
func (p *PeriodPaid) Kind() string {
	switch {
	case p.Net > 0:
		return PeriodBonus
	case p.Net < 0:
		return PeriodCap
	}
	return ""
}

// What a period can be.
const (
	PeriodBonus = "bonus"
	PeriodCap   = "cap"
)

// PeriodFilter is what a list of periods is narrowed to.
type PeriodFilter struct {
	Program int64
	Partner int64  // for a merchant
	State   string // of PeriodStates
	All     bool   // those that come to nothing too
	After   string
}

// PeriodStates are those that a period can be in: something of it is pending, or nothing is any more.
func PeriodStates() []string { return []string{string(commission.Pending), string(commission.Payable)} }

// ParsePeriods reads the address of a list.
func ParsePeriods(values url.Values, now time.Time) (PeriodFilter, error) {
	q := newQuery(values, now)
	f := PeriodFilter{Program: q.id("program"), Partner: q.id("partner"), State: q.oneOf("state", PeriodStates()...), All: q.oneOf("amounts", allAmounts) != "", After: q.get("after")}
	return f, q.err()
}

// allAmounts asks a list for the rows of no amount as well.
const allAmounts = "all"

// Query is the filter as ParsePeriods reads it.
func (f PeriodFilter) Query() url.Values {
	q := url.Values{}
	setID(q, "program", f.Program)
	setID(q, "partner", f.Partner)
	set(q, "state", f.State)
	if f.All {
		q.Set("amounts", allAmounts)
	}
	set(q, "after", f.After)
	return q
}

// Narrowed tells whether the filter leaves anything out besides what comes to nothing.
func (f PeriodFilter) Narrowed() bool { return f != PeriodFilter{All: f.All, After: f.After} }

const periodColumns = `SELECT p.no, p.program_id, coalesce(g.name, '') AS program, p.partner_id, coalesce(a.name, '') AS partner, p.role, p.rule, p.span, p.unit,
	       p.last_day::timestamptz AS last_day, p.net, p.fee, p.pending, p.payable
	  FROM period p LEFT JOIN program g ON g.id = p.program_id LEFT JOIN partner a ON a.id = p.partner_id`

// periodsOf is the list of the periods of a scope's partner, or else merchant, $1, each read by an index of its own, narrowed to
// program $5 and partner $6, 0 for all, to what is pending $7, NULL for either, and to what comes to something unless all are asked for $8.
func periodsOf(scope access.Scope) string {
	whose := "p.merchant_id"
	if scope.Partner != 0 {
		whose = "p.partner_id"
	}
	return periodColumns + ` WHERE ` + whose + ` = $1 AND (p.last_day, p.no) < ($2::date, $3) AND ($5 = 0 OR p.program_id = $5) AND ($6 = 0 OR p.partner_id = $6)
		AND ($7::boolean IS NULL OR (p.pending <> 0) = $7) AND ($8 OR (p.net, p.pending, p.payable) <> (0, 0, 0)) ORDER BY p.last_day DESC, p.no DESC LIMIT $4`
}

// Periods reads at most limit periods of the scope, those with the latest sales first.
func (s *Snapshot) Periods(ctx context.Context, f PeriodFilter, limit int) (Page[PeriodPaid], error) {
	of := list{"periods", f.Query()}
	from, begun, err := of.after(f.After)
	if err != nil {
		return Page[PeriodPaid]{}, err
	}
	if !begun {
		from = key{At: endOfTime()}
	}
	var pending *bool
	if f.State != "" {
		pending = new(f.State == string(commission.Pending))
	}
	// name: periods
	rows, err := s.tx.Query(ctx, periodsOf(s.scope), cmp.Or(int64(s.scope.Partner), int64(s.scope.Merchant)), from.At, from.ID, limit+1, f.Program, f.Partner, pending, f.All)
	if err != nil {
		return Page[PeriodPaid]{}, fmt.Errorf("listing periods: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[PeriodPaid])
	if err != nil {
		return Page[PeriodPaid]{}, fmt.Errorf("listing periods: %w", err)
	}
	return cut(of, found, limit, func(p PeriodPaid) key { return key{At: p.LastDay, ID: p.No} })
}

// PeriodExplained is a period with the record of why it is paid what it is.
type PeriodExplained struct {
	PeriodPaid

	Record period.Record
	// Rules are those of the record, in its order.
	Rules []*program.Counting
}

// Kind is what the period is, by its rules.
func (e *PeriodExplained) Kind() string {
	if slices.ContainsFunc(e.Rules, func(r *program.Counting) bool { return r.Period.Cap > 0 }) {
		return PeriodCap
	}
	return PeriodBonus
}

// ExplainPeriod reads a period of the scope with its record.
func (s *Snapshot) ExplainPeriod(ctx context.Context, no int64) (e PeriodExplained, err error) {
	rows, err := s.tx.Query(ctx, periodColumns+` WHERE p.no = $1 AND (p.partner_id = $2 OR p.merchant_id = $3)`, no, int64(s.scope.Partner), int64(s.scope.Merchant))
	if err != nil {
		return e, fmt.Errorf("reading period %d: %w", no, err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[PeriodPaid])
	if err != nil {
		return e, fmt.Errorf("reading period %d: %w", no, err)
	}
	if len(found) == 0 {
		return e, fault.Coded(fault.NotFound, "not_found", nil)
	}
	e.PeriodPaid = found[0]
	var record []byte
	if err := s.tx.QueryRow(ctx, `SELECT record::text FROM period WHERE no = $1`, no).Scan(&record); err != nil {
		return e, fmt.Errorf("reading period %d: %w", no, err)
	}
	if e.Record, err = period.ReadRecord(record); err != nil {
		return e, err
	}
	for _, said := range e.Record.Rules {
		rule, err := program.ParsePeriodRule(said.Says)
		if err != nil {
			return e, fmt.Errorf("reading period %d: %w", no, err)
		}
		e.Rules = append(e.Rules, rule)
	}
	return e, nil
}
