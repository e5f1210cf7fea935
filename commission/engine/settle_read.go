package engine

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/commission/evidence"
	"tributary/commission/period"
	"tributary/partners/program"
)

//go:embed query/take_deltas.sql
var takeDeltas string

//go:embed query/periods_by_key.sql
var periodsByKey string

//go:embed query/periods_due.sql
var periodsDue string

// gatherPeriods takes what has changed about periods of the lane, and gives these periods and those with a hold that is over,
// with all that settling them needs, in the order of their keys.
func (l *lane) gatherPeriods(ctx context.Context, tx pgx.Tx, ranked bool) ([]*periodState, error) {
	changes, due, err := l.takeDeltas(ctx, tx, ranked)
	if err != nil {
		return nil, err
	}
	byKey := make(map[period.Key]*periodState, len(due))
	for _, p := range due {
		byKey[p.key] = p
	}
	var fresh []*periodState
	for i := range changes {
		c := &changes[i]
		p := byKey[c.Key]
		if p == nil {
			p = newPeriodState(c.Key)
			byKey[c.Key], fresh = p, append(fresh, p)
		}
	}
	if err := findPeriods(ctx, tx, fresh); err != nil {
		return nil, err
	}
	periods := slices.Concat(due, fresh)
	slices.SortFunc(periods, func(a, b *periodState) int { return a.key.Compare(b.key) })
	if err := completePeriods(ctx, tx, periods); err != nil {
		return nil, err
	}
	for i := range changes {
		byKey[changes[i].Key].add(changes[i].Cell, changes[i].Sums)
	}
	for _, p := range periods {
		if err := l.prepare(ctx, tx, p); err != nil {
			return nil, err
		}
	}
	return periods, nil
}

func newPeriodState(key period.Key) *periodState {
	return &periodState{key: key, cells: map[period.Cell]period.Sums{}, added: map[period.Cell]period.Sums{}}
}

// takeDeltas takes the oldest changes of sums, and reads the periods with a hold that is over.
func (l *lane) takeDeltas(ctx context.Context, tx pgx.Tx, ranked bool) (changes []period.Contribution, due []*periodState, err error) {
	batch := &pgx.Batch{}
	batch.Queue(pinPlans)
	batch.Queue(takeDeltas, l.held.Partition, ranked, settleDeltas).Query(func(rows pgx.Rows) error {
		var c period.Contribution
		var role string
		var says int64
		_, err := pgx.ForEachRow(rows, []any{
			&c.Key.Merchant, &c.Key.Program, &c.Key.Partner, &role, &c.Key.Rule, &c.Key.Span, &c.Key.Unit,
			&c.Cell.Day, &says, &c.Cell.Hold, &c.Cell.Effective, &c.Sums.Count, &c.Sums.Revenue, &c.Sums.Commission,
		}, func() (err error) {
			c.Cell.Rule = program.PeriodRuleID(says)
			c.Key.Role, err = commission.ParseRole(role)
			changes = append(changes, c)
			return err
		})
		return err
	})
	batch.Queue(periodsDue, l.held.Partition, ranked, l.cfg.Clock(), settlePeriods).Query(func(rows pgx.Rows) error {
		var key period.Key
		var role string
		var no int64
		var version int32
		var released *time.Time
		var record []byte
		_, err := pgx.ForEachRow(rows, []any{
			&no, &key.Merchant, &key.Program, &key.Partner, &role, &key.Rule, &key.Span, &key.Unit, &version, &released, &record,
		}, func() (err error) {
			key.Role, err = commission.ParseRole(role)
			p := newPeriodState(key)
			p.stood(no, version, released, record)
			due = append(due, p)
			return err
		})
		return err
	})
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return nil, nil, fmt.Errorf("taking what changes about periods: %w", err)
	}
	return changes, due, nil
}

// stood enters what stands in the database.
func (p *periodState) stood(no int64, version int32, released *time.Time, record []byte) {
	p.known, p.no, p.version, p.released = true, no, version, orZero(released)
	read, err := period.ReadRecord(record)
	p.recorded, p.problem = read.Settlement, err
}

// findPeriods reads what stands of periods by their keys, and numbers those that are new.
func findPeriods(ctx context.Context, tx pgx.Tx, periods []*periodState) error {
	if len(periods) == 0 {
		return nil
	}
	var programs, partners []int64
	var roles, rules, spans, units []string
	for _, p := range periods {
		programs, partners = append(programs, int64(p.key.Program)), append(partners, int64(p.key.Partner))
		roles, rules = append(roles, p.key.Role.String()), append(rules, p.key.Rule)
		spans, units = append(spans, p.key.Span), append(units, p.key.Unit)
	}
	rows, err := tx.Query(ctx, periodsByKey, programs, partners, roles, rules, spans, units)
	if err != nil {
		return fmt.Errorf("looking up %d periods: %w", len(periods), err)
	}
	var n, no int64
	var version int32
	var released *time.Time
	var record []byte
	_, err = pgx.ForEachRow(rows, []any{&n, &no, &version, &released, &record}, func() error {
		periods[n-1].stood(no, version, released, record)
		return nil
	})
	if err != nil {
		return fmt.Errorf("looking up %d periods: %w", len(periods), err)
	}
	fresh := slices.DeleteFunc(slices.Clone(periods), func(p *periodState) bool { return p.known })
	if len(fresh) == 0 {
		return nil
	}
	rows, err = tx.Query(ctx, `SELECT nextval('period_no') FROM generate_series(1, $1)`, len(fresh))
	if err != nil {
		return fmt.Errorf("numbering %d periods: %w", len(fresh), err)
	}
	numbers, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return fmt.Errorf("numbering %d periods: %w", len(fresh), err)
	}
	for i, p := range fresh {
		p.no = numbers[i]
	}
	return nil
}

// completePeriods reads the cells and the postings of periods, in one round trip.
func completePeriods(ctx context.Context, tx pgx.Tx, periods []*periodState) error {
	numbers := make([]int64, 0, len(periods))
	byNo := make(map[int64]*periodState, len(periods))
	for _, p := range periods {
		if p.known {
			numbers, byNo[p.no] = append(numbers, p.no), p
		}
	}
	if len(numbers) == 0 {
		return nil
	}
	batch := &pgx.Batch{}
	evidence.PeriodCells(batch, numbers, func(no int64, cell period.Cell, sums period.Sums) { byNo[no].cells[cell] = sums })
	evidence.PeriodPostings(batch, numbers, func(no int64, m commission.Movement) { byNo[no].posted = append(byNo[no].posted, m) })
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("reading what is known of %d periods: %w", len(numbers), err)
	}
	return nil
}

// prepare finds the rules of a period and, where these need them, its orders.
func (l *lane) prepare(ctx context.Context, tx pgx.Tx, p *periodState) (err error) {
	if p.rules, err = l.rules.get(ctx, tx, p.ruleIDs(), nil); err != nil {
		return err
	}
	if p.ranked = p.rules.Ranked(); p.ranked {
		first, last := p.days()
		p.orders, err = evidence.PeriodOrders(ctx, tx, l.cfg.Forms, p.key, first, last)
	}
	if unreadable, ok := errors.AsType[*evidence.RecordError](err); ok {
		p.problem, err = unreadable, nil
	}
	return err
}
