package engine

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/commission/ledger"
	"tributary/commission/ledger/chart"
	"tributary/commission/period"
	"tributary/internal/event"
	"tributary/internal/outbox"
	"tributary/internal/position"
)

//go:embed query/add_cells.sql
var addCells string

//go:embed query/upsert_periods.sql
var upsertPeriods string

// periodStep is one ledger event of a period: what changed at one effective time for the sales of one day.
type periodStep struct {
	step

	// sold stands for the day of the sales: noon in the program's zone, so that it is that day in most others.
	sold time.Time
}

// reportPeriod works out the ledger events of a settlement: what each bucket moves now less what it moved when the last record
// was written, each up to when holds had ended.
func reportPeriod(key *period.Key, was *period.Settlement, wasUntil time.Time, is *period.Settlement, isUntil time.Time) []periodStep {
	buckets := map[period.Bucket][2][]commission.Movement{}
	var order []*period.Paid
	for i := range was.Buckets {
		b := &was.Buckets[i]
		buckets[b.Bucket] = [2][]commission.Movement{b.Movements(key, wasUntil)}
		order = append(order, b)
	}
	for i := range is.Buckets {
		b := &is.Buckets[i]
		moves, known := buckets[b.Bucket]
		moves[1] = b.Movements(key, isUntil)
		if buckets[b.Bucket] = moves; !known {
			order = append(order, b)
		}
	}
	slices.SortStableFunc(order, func(a, b *period.Paid) int { return a.Bucket.Compare(b.Bucket) })
	of := owner{Earner: commission.Earner{Partner: key.Partner, Role: key.Role, Unit: key.Unit}, program: key.Program, further: true}
	var all []periodStep
	for _, b := range order {
		var changed steps
		changed.move(of, commission.Difference(buckets[b.Bucket][0], buckets[b.Bucket][1]))
		for _, s := range changed.all {
			if !s.isEmpty() {
				all = append(all, periodStep{s, b.Ends.Add(-12 * time.Hour)})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b periodStep) int { return a.at.Compare(b.at) })
	return all
}

// keepPeriods writes what follows for periods, and tells how many events leave. Where the database refuses it for what they say,
// each is written by itself, and one that is refused stays as it was.
func (l *lane) keepPeriods(ctx context.Context, tx pgx.Tx, at *position.Position, periods []*periodState) (events int, err error) {
	events, err = l.tryPeriods(ctx, tx, at, periods)
	if err == nil || verdict(err) != failed {
		return events, err
	}
	for i, p := range periods {
		one := periods[i : i+1]
		n, err := l.tryPeriods(ctx, tx, at, one)
		if err != nil && verdict(err) == failed {
			p.stay(err, l.cfg.Clock())
			n, err = l.tryPeriods(ctx, tx, at, one)
		}
		if err != nil {
			return events, err
		}
		events += n
	}
	return events, nil
}

// tryPeriods is postPeriods behind a savepoint: where it fails nothing is written, and the transaction goes on.
func (l *lane) tryPeriods(ctx context.Context, tx pgx.Tx, at *position.Position, periods []*periodState) (events int, err error) {
	before := at.Out
	err = pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) (err error) {
		events, err = l.postPeriods(ctx, tx, at, periods)
		return err
	})
	if err != nil {
		at.Out, events = before, 0
	}
	return events, err
}

// postPeriods writes everything that follows for periods, apart from the position, whose count of outgoing events it moves
// on, and tells how many those are.
func (l *lane) postPeriods(ctx context.Context, tx pgx.Tx, at *position.Position, periods []*periodState) (events int, err error) {
	if len(periods) == 0 {
		return 0, nil
	}
	batch := &pgx.Batch{}
	if err := queuePeriods(batch, l.held.Partition, periods); err != nil {
		return 0, err
	}
	out := outbox.Ledger().Pack(batch, l.held.Partition, &at.Out)
	var postings []ledger.Posting
	now := time.Now()
	var room telling
	for _, p := range periods {
		postings = p.appendPostings(postings)
		for n := range p.reported {
			e, err := p.ledgerEvent(n, now, &room)
			if err == nil {
				err = out.Add(event.PeriodKey(int64(p.key.Program), int64(p.key.Partner)), e)
			}
			if err != nil {
				return 0, fmt.Errorf("the ledger events of period %d: %w", p.no, err)
			}
		}
	}
	events = out.End()
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return 0, fmt.Errorf("writing %d periods: %w", len(periods), err)
	}
	return events, l.books.Post(ctx, tx, postings)
}

func (p *periodState) appendPostings(dst []ledger.Posting) []ledger.Posting {
	return appendPostings(dst, chart.OfPeriod, p.no, p.version, p.due)
}

func (p *periodState) ledgerEvent(n int, postedAt time.Time, room *telling) (*event.Event, error) {
	s := &p.reported[n]
	e, err := event.New(postedAt, s.at)
	if err != nil {
		return nil, err
	}
	l := s.ledger(p.key.Unit, room)
	l.Version, l.Step, l.MerchantId = p.version, int32(n), int64(p.key.Merchant)
	l.Currency, l.OrderedAt = p.key.Unit, event.Micros(s.sold)
	l.PeriodNo, l.Rule, l.Span = p.no, p.key.Rule, p.key.Span
	e.Body = &room.body
	return e, nil
}

// queuePeriods queues the new state of periods and of their cells.
func queuePeriods(batch *pgx.Batch, lane int, periods []*periodState) error {
	var c periodColumns
	var cells cellColumns
	for _, p := range periods {
		cells.add(p)
		if p.known && p.problem != nil {
			batch.Queue(`UPDATE period SET release_at = $2 WHERE no = $1`, p.no, p.next)
			continue
		}
		if err := c.add(p, lane); err != nil {
			return err
		}
	}
	batch.Queue(upsertPeriods, c.no, c.merchant, c.program, c.partner, c.role, c.rule, c.span, c.unit, c.lane, c.version, c.ranked, c.first, c.last,
		c.net, c.fee, c.pending, c.payable, c.feePending, c.feeEarned, c.released, c.next, c.record)
	if len(cells.no) > 0 {
		batch.Queue(addCells, cells.no, cells.day, cells.says, cells.hold, cells.effective, cells.count, cells.revenue, cells.commission)
	}
	return nil
}

// periodColumns are periods, column by column.
type periodColumns struct {
	no, merchant, program, partner                    []int64
	role, rule, span, unit, record                    []string
	lane                                              []int16
	version, first, last                              []int32
	ranked                                            []bool
	net, fee, pending, payable, feePending, feeEarned []int64
	released, next                                    []*time.Time
}

func (c *periodColumns) add(p *periodState, lane int) error {
	written := period.NewRecord(p.key, p.rules, &p.settled)
	record, err := written.JSON()
	if err != nil {
		return err
	}
	first, last := p.days()
	c.no, c.merchant = append(c.no, p.no), append(c.merchant, int64(p.key.Merchant))
	c.program, c.partner = append(c.program, int64(p.key.Program)), append(c.partner, int64(p.key.Partner))
	c.role, c.rule = append(c.role, p.key.Role.String()), append(c.rule, p.key.Rule)
	c.span, c.unit = append(c.span, p.key.Span), append(c.unit, p.key.Unit)
	c.record, c.lane = append(c.record, string(record)), append(c.lane, int16(lane))
	c.version, c.ranked = append(c.version, p.version), append(c.ranked, p.ranked)
	c.first, c.last = append(c.first, int32(first)), append(c.last, int32(last))
	c.net, c.fee = append(c.net, p.standing.Net), append(c.fee, p.standing.Fee)
	c.pending, c.payable = append(c.pending, p.standing.Pending), append(c.payable, p.standing.Payable)
	c.feePending, c.feeEarned = append(c.feePending, p.standing.FeePending), append(c.feeEarned, p.standing.FeeEarned)
	c.released, c.next = append(c.released, orNull(p.released)), append(c.next, orNull(p.next))
	return nil
}

// orNull is a time that may be zero, as the database has it.
func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// cellColumns are changes of cells, column by column.
type cellColumns struct {
	no, says, hold             []int64
	day, effective             []int32
	count, revenue, commission []int64
}

func (c *cellColumns) add(p *periodState) {
	for cell, sums := range p.added {
		c.no, c.says, c.hold = append(c.no, p.no), append(c.says, int64(cell.Rule)), append(c.hold, cell.Hold)
		c.day, c.effective = append(c.day, int32(cell.Day)), append(c.effective, int32(cell.Effective))
		c.count, c.revenue = append(c.count, sums.Count), append(c.revenue, sums.Revenue)
		c.commission = append(c.commission, sums.Commission)
	}
}
