package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/postgres"
	"tributary/partners"
	"tributary/partners/program"
)

const (
	// askClicksEvery is how often a lane looks whether a day is over.
	askClicksEvery = time.Minute
	// askedDays bounds the days that it asks for at once, of each program.
	askedDays = 400
	// maxParts bounds the parts in which a day is counted. What terms change after as many counts as of the day's end.
	maxParts = 24
)

// askClickDay asks for a day in the parts that another lane has asked for it in: a part that some lanes know alone would be paid twice,
// or by nobody.
const askClickDay = `INSERT INTO click_day (lane, program_id, day, merchant_id, currency, cuts)
VALUES ($1, $2, $3, $4, $5, coalesce((SELECT cuts FROM click_day WHERE program_id = $2 AND day = $3 ORDER BY lane LIMIT 1), $6))`

// aDay is a day of UTC: the zone of terms may change, and no day may be counted twice or left out.
const aDay = 24 * time.Hour

// askForClicks asks for the clicks of days that are over, in programs that pay for such: who holds the lane's place among the
// producers counts those of which the lane will have the orders.
func (l *lane) askForClicks(ctx context.Context) (more bool, err error) {
	if time.Now().Before(l.asksClicks) {
		return false, nil
	}
	err = postgres.InTx(ctx, l.cfg.DB, func(tx pgx.Tx) error {
		if _, err := l.held.Lock(ctx, tx); err != nil {
			return err
		}
		if _, err := l.gather(ctx, tx, nil); err != nil { // the programs are up to date
			return err
		}
		paying := l.programs.PayClicks()
		if len(paying) == 0 {
			return nil
		}
		last, err := l.askedDays(ctx, tx)
		if err != nil {
			return err
		}
		batch := &pgx.Batch{}
		for i := range paying {
			p := &paying[i]
			days := l.daysToAsk(p, last[p.Program])
			for _, day := range days {
				batch.Queue(askClickDay,
					l.held.Partition, p.Program, day, p.Merchant, p.Currency, cutsOf(p.Changes, day))
			}
			more = more || len(days) == askedDays
		}
		if batch.Len() == 0 {
			return nil
		}
		if err := tx.SendBatch(ctx, batch).Close(); err != nil {
			return fmt.Errorf("asking for the clicks of days: %w", err)
		}
		return nil
	})
	if err == nil && !more {
		l.asksClicks = time.Now().Add(askClicksEvery)
	}
	return more, err
}

// askedDays gives the last day of each program for which the lane has asked.
func (l *lane) askedDays(ctx context.Context, q querier) (map[program.ProgramID]time.Time, error) {
	rows, err := q.Query(ctx, `SELECT program_id, max(day) FROM click_day WHERE lane = $1 GROUP BY program_id`, l.held.Partition)
	if err != nil {
		return nil, fmt.Errorf("reading for which days was asked: %w", err)
	}
	last := map[program.ProgramID]time.Time{}
	var id program.ProgramID
	var day time.Time
	_, err = pgx.ForEachRow(rows, []any{&id, &day}, func() error {
		last[id] = day
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading for which days was asked: %w", err)
	}
	return last, nil
}

// daysToAsk are the days behind the last one, or from the first on for which the program pays, that are over.
func (l *lane) daysToAsk(p *partners.PaysClicks, last time.Time) (days []time.Time) {
	next := p.From.UTC().Truncate(aDay)
	if !last.IsZero() {
		next = last.UTC().Add(aDay)
	}
	for now := l.cfg.Clock(); !next.Add(aDay).After(now) && len(days) < askedDays; next = next.Add(aDay) {
		days = append(days, next)
	}
	return days
}

// cutsOf are the times within a day at which terms changed: what was clicked before is paid by those of before.
func cutsOf(changes []time.Time, day time.Time) []time.Time {
	cuts := []time.Time{}
	for _, at := range changes {
		if at.After(day) && at.Before(day.Add(aDay)) && len(cuts) < maxParts-1 {
			cuts = append(cuts, at)
		}
	}
	return cuts
}
