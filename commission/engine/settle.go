package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/commission/period"
	"tributary/internal/fault/inject"
	"tributary/internal/postgres"
	"tributary/partners/program"
)

const (
	// settleDeltas bounds the changes of sums that one transaction adds up, settlePeriods the periods whose holds it ends.
	settleDeltas  = 20_000
	settlePeriods = 1_000
	// settleShare bounds what settling takes of a lane's time: after each transaction it rests this many times as long.
	settleShare = 20
)

// settling is what a lane remembers of one sort of its periods: those that sums settle, and those that need their orders.
type settling struct {
	ranked bool
	// next is when to look again.
	next time.Time
}

// settleSums settles periods that sums settle, rankOrders those that need their orders.
func (l *lane) settleSums(ctx context.Context) (bool, error) { return l.settle(ctx, &l.sums) }
func (l *lane) rankOrders(ctx context.Context) (bool, error) { return l.settle(ctx, &l.ranks) }

// settle adds up what orders have changed about periods of the lane, ends holds that are over, and posts what follows, in one
// transaction that holds the partition. It rests for settleShare times as long as it took and at least SettleRest, so
// that what it costs is bounded however many orders a period has.
func (l *lane) settle(ctx context.Context, s *settling) (more bool, err error) {
	began := time.Now()
	if began.Before(s.next) {
		return false, nil
	}
	if waits, err := l.periodsWait(ctx, s.ranked); err != nil || !waits {
		return false, err
	}
	began = time.Now()
	var t txSummary
	var done settled
	err = postgres.InTx(ctx, l.cfg.DB, func(tx pgx.Tx) error {
		return guard(func() error {
			p, err := l.held.Lock(ctx, tx)
			if err != nil {
				return err
			}
			t, done = txSummary{}, settled{}
			periods, err := l.gatherPeriods(ctx, tx, s.ranked)
			if err != nil {
				return err
			}
			for _, p := range periods {
				p.settle(l.cfg.Clock())
			}
			if t.events, err = l.keepPeriods(ctx, tx, p, periods); err != nil {
				return err
			}
			done.count(periods)
			if err := l.held.Save(ctx, tx, p); err != nil {
				return err
			}
			inject.Reach(inject.EngineBeforeSettle)
			return nil
		})
	})
	took := time.Since(began)
	s.next = time.Now().Add(max(settleShare*took, l.cfg.SettleRest))
	if err != nil {
		return false, fmt.Errorf("settling periods: %w", err)
	}
	inject.Reach(inject.EngineAfterSettle)
	l.metrics.settled(&done, took)
	for _, problem := range done.problems {
		l.metrics.failures.Inc()
		l.log.Error("a period cannot be settled; it is retried in some minutes", "error", problem)
	}
	l.announce(&t)
	return false, nil // what is left waits for its share of the time
}

// periodsWait reports whether there is anything to settle.
func (l *lane) periodsWait(ctx context.Context, ranked bool) (waits bool, err error) {
	err = l.cfg.DB.QueryRow(ctx, `SELECT EXISTS (SELECT FROM period_delta WHERE lane = $1 AND ranked = $2)
		OR EXISTS (SELECT FROM period WHERE lane = $1 AND ranked = $2 AND release_at <= $3)`,
		l.held.Partition, ranked, l.cfg.Clock()).Scan(&waits)
	if err != nil {
		return false, fmt.Errorf("looking for periods to settle: %w", err)
	}
	return waits, nil
}

// settled is what one transaction has settled.
type settled struct {
	periods  int
	problems []error
}

func (s *settled) count(periods []*periodState) {
	s.periods = len(periods)
	for _, p := range periods {
		if p.problem != nil {
			s.problems = append(s.problems, fmt.Errorf("period %d, %+v: %w", p.no, p.key, p.problem))
		}
	}
}

// periodState is one period within a transaction: what stood in the database, what has arrived, and what follows.
type periodState struct {
	no    int64
	key   period.Key
	known bool

	version  int32
	released time.Time         // up to when holds have ended
	recorded period.Settlement // of the record; of a new period the zero value
	cells    map[period.Cell]period.Sums
	added    map[period.Cell]period.Sums // among the cells, what has arrived
	rules    period.Rules
	ranked   bool
	orders   []period.Order // where it is ranked
	posted   []commission.Movement

	settled  period.Settlement
	next     time.Time             // when the next hold ends, or a period that cannot be settled is tried again
	due      []commission.Movement // to be posted
	standing period.Standing       // as the books will hold it
	reported []periodStep          // what the ledger events will say
	// problem is why it cannot be settled; it then stays as it was, until orders change it or some minutes have passed.
	problem error
}

// settle settles a period, read with all that it needs, as of now, and works out what has to be written.
func (p *periodState) settle(now time.Time) {
	before := p.released
	p.version++
	settled, err := p.resettle()
	if err != nil {
		p.problem, p.next = err, now.Add(stuckFor)
		return
	}
	p.settled = settled
	p.released, p.next = settled.Until(before, now)
	desired := settled.Movements(p.key, p.released)
	p.due = commission.Difference(p.posted, desired)
	p.version += furtherVersions(len(p.due))
	p.standing = period.StandingOf(desired)
	p.reported = reportPeriod(&p.key, &p.recorded, before, &settled, p.released)
}

// stay has a period that the database has refused stay as it was.
func (p *periodState) stay(refused error, now time.Time) {
	p.problem, p.next = refused, now.Add(stuckFor)
	p.settled, p.standing, p.due, p.reported, p.released = period.Settlement{}, period.Standing{}, nil, nil, time.Time{}
}

// resettle is what the period comes to now.
func (p *periodState) resettle() (settled period.Settlement, err error) {
	if p.problem != nil {
		return settled, p.problem
	}
	err = guard(func() (err error) {
		if p.ranked {
			settled, err = period.Rank(p.rules, p.orders)
			return err
		}
		cells := make([]period.Filled, 0, len(p.cells))
		for cell, sums := range p.cells {
			cells = append(cells, period.Filled{Cell: cell, Sums: sums})
		}
		settled, err = period.Settle(p.rules, cells)
		return err
	})
	return settled, err
}

// add adds a change to the period's cells.
func (p *periodState) add(cell period.Cell, sums period.Sums) {
	p.cells[cell] = p.cells[cell].Plus(sums)
	p.added[cell] = p.added[cell].Plus(sums)
}

// ruleIDs are those by which its cells count.
func (p *periodState) ruleIDs() []program.PeriodRuleID {
	ids := map[program.PeriodRuleID]bool{}
	for cell, sums := range p.cells {
		if sums != (period.Sums{}) {
			ids[cell.Rule] = true
		}
	}
	return slices.Sorted(maps.Keys(ids))
}

// days are the first and the last day of its sales.
func (p *periodState) days() (first, last commission.Day) {
	begun := false
	for cell := range p.cells {
		if !begun {
			first, last, begun = cell.Day, cell.Day, true
		}
		first, last = min(first, cell.Day), max(last, cell.Day)
	}
	return first, last
}
