package audit

// P4 and P7 of periods: their sums are what their orders add, what they have posted follows from the sums, and their records
// say why.

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tributary/commission"
	"tributary/commission/evidence"
	"tributary/commission/period"
	"tributary/internal/event"
	"tributary/partners/program"
)

// cellKey names a cell of a period.
type cellKey struct {
	key  period.Key
	cell period.Cell
}

// counts adds to the sums what an order adds by its record, which is what its transaction wrote. Where that cannot be read,
// nobody can say what the sums should be.
func (v *Verification) counts(o *order) {
	if o.unreadable != nil {
		v.counted = nil
	}
	if v.counted == nil {
		return
	}
	for i := range o.recorded.Credits {
		for _, c := range period.Contributions(&o.recorded, i) {
			at := cellKey{c.Key, c.Cell}
			v.counted[at] = v.counted[at].Plus(c.Sums)
		}
	}
}

// ofPeriods checks the source period. It comes after the orders, which say what the sums should be.
func (v *Verification) ofPeriods(ctx context.Context) error {
	for _, check := range []func(context.Context) error{v.cells, v.periods, v.strayPeriods} {
		if err := check(ctx); err != nil {
			return err
		}
	}
	return nil
}

//go:embed query/counted.sql
var countedSQL string

// cells verifies that the sums of periods are what orders add to them.
func (v *Verification) cells(ctx context.Context) error {
	if v.counted == nil { // not all orders were looked at and could be read
		return nil
	}
	rows, err := v.Tx.Query(ctx, countedSQL)
	if err != nil {
		return fmt.Errorf("adding up the cells of periods: %w", err)
	}
	var at cellKey
	var sums period.Sums
	var role string
	var says int64
	_, err = pgx.ForEachRow(rows, []any{
		&at.key.Merchant, &at.key.Program, &at.key.Partner, &role, &at.key.Rule, &at.key.Span, &at.key.Unit,
		&at.cell.Day, &says, &at.cell.Hold, &at.cell.Effective, &sums.Count, &sums.Revenue, &sums.Commission,
	}, func() (err error) {
		at.cell.Rule = program.PeriodRuleID(says)
		if at.key.Role, err = commission.ParseRole(role); err != nil {
			return err
		}
		v.cell(at, v.counted[at], sums)
		delete(v.counted, at)
		return nil
	})
	if err != nil {
		return fmt.Errorf("adding up the cells of periods: %w", err)
	}
	for at, want := range v.counted {
		v.cell(at, want, period.Sums{})
	}
	return nil
}

func (v *Verification) cell(at cellKey, want, have period.Sums) {
	finding := Finding{
		Check: "sums of periods follow from orders", Table: "period_cell",
		Key: fmt.Sprintf("of %s, %s, rule %s, hold %d s, effective %s", nameOf(&at.key), at.cell.Day, at.cell.Rule, at.cell.Hold, at.cell.Effective),
	}
	v.CompareAmounts(finding, "count", want.Count, have.Count)
	v.CompareAmounts(finding, "revenue", want.Revenue, have.Revenue)
	v.CompareAmounts(finding, "commission", want.Commission, have.Commission)
}

// nameOf is a period in words.
func nameOf(k *period.Key) string {
	return fmt.Sprintf("%q %s of program %d, partner %d as %s, %s", k.Rule, k.Span, k.Program, k.Partner, k.Role, k.Unit)
}

// periodRow is a period as the tables have it.
type periodRow struct {
	no          int64
	key         period.Key
	lane        int
	version     int32
	ranked      bool
	first, last commission.Day
	standing    period.Standing
	released    time.Time
	releaseAt   time.Time
	record      []byte
	open        bool // orders have changed it, and nobody has added that up
	cells       []period.Filled
	posted      []commission.Movement
}

const periodsPage = `
SELECT no, merchant_id, program_id, partner_id, role, rule, span, unit, lane, version, ranked, first_day - date '1970-01-01', last_day - date '1970-01-01',
       net, fee, pending, payable, fee_pending, fee_earned, released_until, release_at, record::text,
       EXISTS (SELECT FROM period_delta d WHERE (d.program_id, d.partner_id, d.role, d.rule, d.span, d.unit)
                                              = (p.program_id, p.partner_id, p.role, p.rule, p.span, p.unit))
  FROM period p WHERE no > $1 ORDER BY no LIMIT $2`

// periods verifies every period.
func (v *Verification) periods(ctx context.Context) error {
	for last := int64(0); ; {
		page, err := v.periodPage(ctx, last)
		if err != nil {
			return fmt.Errorf("checking periods after %d: %w", last, err)
		}
		if len(page) == 0 {
			return nil
		}
		last = page[len(page)-1].no
	}
}

// periodPage reads the next periods with all that belongs to them, and verifies them.
func (v *Verification) periodPage(ctx context.Context, after int64) ([]*periodRow, error) {
	rows, err := v.Tx.Query(ctx, periodsPage, after, pageSize)
	if err != nil {
		return nil, err
	}
	page, err := pgx.CollectRows(rows, scanPeriod)
	if err != nil || len(page) == 0 {
		return nil, err
	}
	numbers := make([]int64, len(page))
	byNo := make(map[int64]*periodRow, len(page))
	for i, p := range page {
		numbers[i], byNo[p.no] = p.no, p
	}
	ids := map[program.PeriodRuleID]bool{}
	batch := &pgx.Batch{}
	evidence.PeriodCells(batch, numbers, func(no int64, cell period.Cell, sums period.Sums) {
		byNo[no].cells = append(byNo[no].cells, period.Filled{Cell: cell, Sums: sums})
		ids[cell.Rule] = true
	})
	evidence.PeriodPostings(batch, numbers, func(no int64, m commission.Movement) { byNo[no].posted = append(byNo[no].posted, m) })
	if err := v.Tx.SendBatch(ctx, batch).Close(); err != nil {
		return nil, err
	}
	rules, err := evidence.PeriodRules(ctx, v.Tx, slices.Sorted(maps.Keys(ids)))
	if err != nil {
		return nil, err
	}
	for _, p := range page {
		if err := v.period(ctx, p, rules); err != nil {
			return nil, err
		}
	}
	return page, nil
}

func scanPeriod(row pgx.CollectableRow) (*periodRow, error) {
	p := &periodRow{}
	var role string
	var released, releaseAt *time.Time
	err := row.Scan(&p.no, &p.key.Merchant, &p.key.Program, &p.key.Partner, &role, &p.key.Rule, &p.key.Span, &p.key.Unit, &p.lane, &p.version,
		&p.ranked, &p.first, &p.last, &p.standing.Net, &p.standing.Fee, &p.standing.Pending, &p.standing.Payable, &p.standing.FeePending,
		&p.standing.FeeEarned, &released, &releaseAt, &p.record, &p.open)
	if err != nil {
		return nil, err
	}
	if released != nil {
		p.released = released.UTC()
	}
	if releaseAt != nil {
		p.releaseAt = releaseAt.UTC()
	}
	p.key.Role, err = commission.ParseRole(role)
	return p, err
}

// period verifies one period. What its orders come to may be ahead of it where they have changed and nobody has added that up.
func (v *Verification) period(ctx context.Context, p *periodRow, all period.Rules) error {
	at := Finding{Check: "period", Table: "period", Key: fmt.Sprintf("%d (%s)", p.no, nameOf(&p.key))}
	v.CompareAmounts(at, "lane", int64(event.Lane(event.PeriodKey(int64(p.key.Program), int64(p.key.Partner)), v.Partitions)), int64(p.lane))
	rules := period.Rules{}
	first, last := p.first, p.last
	for i, c := range p.cells {
		if c.Sums != (period.Sums{}) && all[c.Cell.Rule] != nil {
			rules[c.Cell.Rule] = all[c.Cell.Rule]
		}
		if i == 0 {
			first, last = c.Cell.Day, c.Cell.Day
		}
		first, last = min(first, c.Cell.Day), max(last, c.Cell.Day)
	}
	v.Compare(at, "ranked", strconv.FormatBool(rules.Ranked()), strconv.FormatBool(p.ranked))
	v.Compare(at, "first_day, last_day", fmt.Sprintf("%s, %s", first, last), fmt.Sprintf("%s, %s", p.first, p.last))
	if p.ranked && p.open {
		return nil
	}
	settled, err := v.settle(ctx, p, rules)
	if err == nil {
		v.settlement(at, p, rules, &settled)
		return nil
	}
	if pg := (*pgconn.PgError)(nil); errors.As(err, &pg) || ctx.Err() != nil {
		return err
	}
	at.Want, at.Have = "what can be settled", err.Error()
	if newer := (*commission.NewerError)(nil); errors.As(err, &newer) {
		at.Severity, at.Want = Attention, "what this version knows"
	}
	v.Find(at)
	return nil
}

// settle says again what a period comes to.
func (v *Verification) settle(ctx context.Context, p *periodRow, rules period.Rules) (period.Settlement, error) {
	if !p.ranked {
		return period.Settle(rules, p.cells)
	}
	orders, err := evidence.PeriodOrders(ctx, v.Tx, v.Forms, p.key, p.first, p.last)
	if err != nil {
		return period.Settlement{}, err
	}
	return period.Rank(rules, orders)
}

// settlement compares a period with what it comes to: its postings, its columns, its record.
func (v *Verification) settlement(at Finding, p *periodRow, rules period.Rules, settled *period.Settlement) {
	desired := settled.Movements(p.key, p.released)
	for _, m := range commission.Mismatches(p.posted, desired) {
		v.misposted(fmt.Sprintf("period %d", p.no), m)
	}
	standing := period.StandingOf(desired)
	for _, c := range [...]struct {
		column     string
		want, have int64
	}{
		{"net", standing.Net, p.standing.Net},
		{"fee", standing.Fee, p.standing.Fee},
		{"pending", standing.Pending, p.standing.Pending},
		{"payable", standing.Payable, p.standing.Payable},
		{"fee_pending", standing.FeePending, p.standing.FeePending},
		{"fee_earned", standing.FeeEarned, p.standing.FeeEarned},
	} {
		v.CompareAmounts(at, c.column, c.want, c.have)
	}
	_, next := settled.Until(p.released, p.released)
	v.Compare(at, "release_at", show(next), show(p.releaseAt))
	record := period.NewRecord(p.key, rules, settled)
	want, err := record.JSON()
	if err != nil || !bytes.Equal(want, p.record) {
		v.Compare(at, "record", string(want), string(p.record))
	}
}

//go:embed query/stray_periods.sql
var strayPeriodsSQL string

// strayPeriods looks for rows that belong to no period, or name no rule.
func (v *Verification) strayPeriods(ctx context.Context) error {
	return v.Rows(ctx, "every row belongs to a period", Broken, strayPeriodsSQL, v.Limit)
}
