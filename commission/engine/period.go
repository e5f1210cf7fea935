package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"

	"tributary/commission/evidence"
	"tributary/commission/period"
	"tributary/internal/event"
	"tributary/internal/pgcopy"
	"tributary/partners/program"
)

// periodRules are the rules on periods that are stored, as far as this process has met them. They never change.
type periodRules struct {
	mu    sync.RWMutex
	known map[program.PeriodRuleID]*program.Counting
}

func newPeriodRules() *periodRules {
	return &periodRules{known: map[program.PeriodRuleID]*program.Counting{}}
}

// get gives the rules of some ids, and stores those that only a decision at hand has. One that is nowhere is left out.
func (r *periodRules) get(ctx context.Context, tx pgx.Tx, ids []program.PeriodRuleID, says map[program.PeriodRuleID]*program.Counting) (period.Rules, error) {
	found := period.Rules{}
	missing := r.take(found, ids)
	if len(missing) == 0 {
		return found, nil
	}
	if err := r.read(ctx, tx, missing); err != nil {
		return nil, err
	}
	var numbers []int64
	var texts []string
	for _, id := range r.take(found, missing) {
		if rule := says[id]; rule != nil {
			found[id] = rule
			numbers, texts = append(numbers, int64(id)), append(texts, string(rule.JSON()))
		}
	}
	if len(numbers) == 0 {
		return found, nil
	}
	_, err := tx.Exec(ctx, `INSERT INTO period_rule (id, says) SELECT n, says::json FROM unnest($1::bigint[], $2::text[]) r (n, says)
		ORDER BY n ON CONFLICT DO NOTHING`, numbers, texts)
	if err != nil {
		return nil, fmt.Errorf("storing %d rules on periods: %w", len(numbers), err)
	}
	return found, nil
}

// take gives those that are known, and tells which are not.
func (r *periodRules) take(found period.Rules, ids []program.PeriodRuleID) (missing []program.PeriodRuleID) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, id := range ids {
		switch {
		case r.known[id] != nil:
			found[id] = r.known[id]
		case !slices.Contains(missing, id):
			missing = append(missing, id)
		}
	}
	return missing
}

// read reads rules that are stored.
func (r *periodRules) read(ctx context.Context, tx pgx.Tx, ids []program.PeriodRuleID) error {
	read, err := evidence.PeriodRules(ctx, tx, ids)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.Copy(r.known, read)
	return nil
}

const copyDeltas = `COPY period_delta (lane, ranked, merchant_id, program_id, partner_id, role, rule, span, unit, day, says, hold_s, effective,
	count, revenue, commission) FROM STDIN BINARY`

// writeDeltas writes what orders change about the sums of periods, for the owners of their lanes to add up.
func (e *Engine) writeDeltas(ctx context.Context, tx pgx.Tx, changes []period.Contribution, buf *pgcopy.Rows) error {
	if changes = period.Sum(changes); len(changes) == 0 {
		return nil
	}
	var ids []program.PeriodRuleID
	says := map[program.PeriodRuleID]*program.Counting{}
	for i := range changes {
		c := &changes[i]
		if !slices.Contains(ids, c.Cell.Rule) {
			ids = append(ids, c.Cell.Rule)
		}
		if c.Says != nil {
			says[c.Cell.Rule] = c.Says
		}
	}
	rules, err := e.rules.get(ctx, tx, ids, says)
	if err != nil {
		return err
	}
	buf.Reset(16)
	for i := range changes {
		c := &changes[i]
		rule := rules[c.Cell.Rule]
		if rule == nil {
			return &recordError{cause: fmt.Errorf("counting orders in periods: rule %s is not stored", c.Cell.Rule)}
		}
		ranked := period.IsRanked(&rule.Period)
		if c.Sums == (period.Sums{}) && !ranked { // one order's change undoes another's; where orders are ranked it still matters
			continue
		}
		buf.Row()
		buf.Int2(int16(e.laneOfPeriod(&c.Key)))
		buf.Bool(ranked)
		buf.Int8(int64(c.Key.Merchant))
		buf.Int8(int64(c.Key.Program))
		buf.Int8(int64(c.Key.Partner))
		buf.Text(c.Key.Role.String())
		buf.Text(c.Key.Rule)
		buf.Text(c.Key.Span)
		buf.Text(c.Key.Unit)
		buf.Date(int32(c.Cell.Day))
		buf.Int8(int64(c.Cell.Rule))
		buf.Int8(c.Cell.Hold)
		buf.Date(int32(c.Cell.Effective))
		buf.Int8(c.Sums.Count)
		buf.Int8(c.Sums.Revenue)
		buf.Int8(c.Sums.Commission)
	}
	if err := buf.Send(ctx, tx, copyDeltas); err != nil {
		return fmt.Errorf("writing what changes about periods: %w", err)
	}
	return nil
}

// laneOfPeriod is the lane whose owner settles a period: all periods of a partner in a program have one.
func (e *Engine) laneOfPeriod(k *period.Key) int {
	return event.Lane(event.PeriodKey(int64(k.Program), int64(k.Partner)), e.cfg.Partitions)
}
