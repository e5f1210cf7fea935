package evidence

import (
	"context"
	_ "embed"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/commission/period"
	"tributary/partners"
	"tributary/partners/program"
)

// PeriodRules gives rules on periods by their ids, as far as they are stored and say what their ids name.
func PeriodRules(ctx context.Context, q partners.Querier, ids []program.PeriodRuleID) (period.Rules, error) {
	numbers := make([]int64, len(ids))
	for i, id := range ids {
		numbers[i] = int64(id)
	}
	rows, err := q.Query(ctx, `SELECT id, says::text FROM period_rule WHERE id = ANY ($1)`, numbers)
	if err != nil {
		return nil, fmt.Errorf("reading rules on periods: %w", err)
	}
	rules := period.Rules{}
	var number int64
	var says []byte
	_, err = pgx.ForEachRow(rows, []any{&number, &says}, func() error {
		if rule, err := program.ParsePeriodRule(says); err == nil && rule.ID == program.PeriodRuleID(number) {
			rules[rule.ID] = rule
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading rules on periods: %w", err)
	}
	return rules, nil
}

//go:embed query/cells.sql
var cellsOf string

// PeriodCells queues reading the cells of periods by their numbers, each of which is handed over.
func PeriodCells(batch *pgx.Batch, numbers []int64, each func(no int64, cell period.Cell, sums period.Sums)) {
	batch.Queue(cellsOf, numbers).Query(func(rows pgx.Rows) error {
		var no, says int64
		var cell period.Cell
		var sums period.Sums
		_, err := pgx.ForEachRow(rows, []any{&no, &cell.Day, &says, &cell.Hold, &cell.Effective, &sums.Count, &sums.Revenue, &sums.Commission}, func() error {
			cell.Rule = program.PeriodRuleID(says)
			each(no, cell, sums)
			return nil
		})
		return err
	})
}

//go:embed query/posted_periods.sql
var postedPeriods string

// PeriodPostings queues reading what the books hold for periods by their numbers, added up by time and accounts.
func PeriodPostings(batch *pgx.Batch, numbers []int64, each func(no int64, m commission.Movement)) {
	batch.Queue(postedPeriods, numbers).Query(func(rows pgx.Rows) error {
		var no int64
		var m commission.Movement
		_, err := pgx.ForEachRow(rows, []any{&no, &m.Debit, &m.Credit, &m.Merchant, &m.Partner, &m.Unit, &m.Amount, &m.At}, func() error {
			m.At = m.At.UTC()
			each(no, m)
			return nil
		})
		return err
	})
}

//go:embed query/ranked_orders.sql
var rankedOrders string

// RecordError says that the record of an order cannot be read.
type RecordError struct {
	No    int64
	Cause error
}

// Error names the order and what is wrong with its record.
func (e *RecordError) Error() string { return fmt.Sprintf("the record of order %d: %v", e.No, e.Cause) }

// Unwrap gives the cause.
func (e *RecordError) Unwrap() error { return e.Cause }

// PeriodOrders reads the orders that count in a period with sales of some days, in no order. A record that cannot be read is a
// *RecordError.
func PeriodOrders(ctx context.Context, q partners.Querier, forms commission.Forms, key period.Key, first, last commission.Day) ([]period.Order, error) {
	rows, err := q.Query(ctx, rankedOrders, int64(key.Partner), int64(key.Program), key.Role.String(), key.Unit, int32(first), int32(last))
	if err != nil {
		return nil, fmt.Errorf("reading the orders of a period: %w", err)
	}
	earner := commission.Earner{Partner: key.Partner, Role: key.Role, Unit: key.Unit}
	var orders []period.Order
	var no int64
	var record []byte
	_, err = pgx.ForEachRow(rows, []any{&no, &record}, func() error {
		d, err := forms.Read(record)
		if err != nil {
			return &RecordError{No: no, Cause: err}
		}
		i := slices.IndexFunc(d.Credits, func(c commission.Credit) bool { return c.Earner() == earner })
		if i < 0 {
			return nil
		}
		if o := period.OrderOf(&d, i, key); len(o.Cells) > 0 {
			o.No = no
			orders = append(orders, o)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the orders of a period: %w", err)
	}
	return orders, nil
}
