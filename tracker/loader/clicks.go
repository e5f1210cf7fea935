package loader

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tributary/internal/clickhouse"
	"tributary/internal/event"
)

// The click counter answers what an engine wants to know of a day: how many clicks that count each partner of a program brought.
// It counts when ClickHouse has all that trackers had stored as the day ended, and says it as orders, one for each partner: a line
// for each country and device, with as many pieces as there were clicks. A day is cut where the terms changed, and each part has
// orders of its own, placed as it ended, so that what is clicked is paid by the terms of its time.

const (
	// countDays is how many days of programs are counted in one go.
	countDays = 20
	// gone is how long a tracker says nothing until its clicks are counted without: longer than for paths, since these are paid for.
	gone = 24 * time.Hour
	// clockRoom is how much later than the day's end it is counted: the clocks of trackers may be off by so much.
	clockRoom = 10 * time.Minute
)

// clickDay is a day of a program whose clicks are to be counted.
type clickDay struct {
	program, merchant int64
	day, asked        time.Time
	currency          string
	cuts              []time.Time // within the day, ascending
}

// clickPart is a part of a day under one version of the terms: from a time up to before another.
type clickPart struct {
	*clickDay

	from, to time.Time
}

func (d *clickDay) parts() (parts []clickPart) {
	from := d.day
	for _, cut := range d.cuts {
		parts = append(parts, clickPart{d, from, cut})
		from = cut
	}
	return append(parts, clickPart{d, from, d.ends()})
}

// ends is when the day is over, in UTC.
func (d *clickDay) ends() time.Time { return d.day.Add(24 * time.Hour) }

// countClicks counts the days that can be counted, and tells whether there may be more.
func (p *producer) countClicks(ctx context.Context) (more bool, err error) {
	rows, err := p.db.Query(ctx, `SELECT program_id, merchant_id, day, currency, cuts, asked_at FROM click_day
		WHERE lane = $1 AND counted_at IS NULL ORDER BY day, program_id LIMIT $2`, p.held.Partition, countDays)
	if err != nil {
		return false, fmt.Errorf("listing days whose clicks are to be counted: %w", err)
	}
	days, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (d clickDay, err error) {
		err = row.Scan(&d.program, &d.merchant, &d.day, &d.currency, &d.cuts, &d.asked)
		return d, err
	})
	if err != nil {
		return false, fmt.Errorf("listing days whose clicks are to be counted: %w", err)
	}
	if len(days) == 0 {
		return false, nil
	}
	loaded, err := p.allLoaded(ctx)
	if err != nil {
		return false, err
	}
	for i := range days {
		if !loaded.until.After(days[i].ends().Add(clockRoom)) || !loaded.noted.After(days[i].asked) {
			return false, nil // nor are those after it
		}
		if err := p.countDay(ctx, &days[i]); err != nil {
			return false, err
		}
	}
	return len(days) == countDays, nil
}

// allLoaded is up to when all lanes of touches are loaded.
func (p *producer) allLoaded(ctx context.Context) (all reached, err error) {
	for lane := range p.Partitions {
		r, err := p.loadedUpTo(ctx, lane, gone)
		if err != nil {
			return all, err
		}
		if lane == 0 || r.until.Before(all.until) {
			all.until = r.until
		}
		if lane == 0 || r.noted.Before(all.noted) {
			all.noted = r.noted
		}
	}
	return all, nil
}

// countDay counts a day and says what it comes to for the orders of this lane.
func (p *producer) countDay(ctx context.Context, d *clickDay) error {
	var said []saying
	clicks := int64(0)
	for _, part := range d.parts() {
		orders, err := p.clicksOf(ctx, part)
		if err != nil {
			return err
		}
		for _, s := range orders {
			e := part.event(s)
			key := e.Fact().Key()
			if event.Lane(key, p.Partitions) != p.held.Partition {
				continue
			}
			said = append(said, saying{key, e})
			for _, l := range s.GetLines() {
				clicks += l.GetQuantity()
			}
		}
	}
	err := p.say(ctx, said, func(batch *pgx.Batch) {
		batch.Queue(`UPDATE click_day SET counted_at = now(), orders = $4, clicks = $5 WHERE lane = $1 AND program_id = $2 AND day = $3`,
			p.held.Partition, d.program, d.day, len(said), clicks)
	})
	if err == nil {
		p.metrics.said.WithLabelValues("clicks").Add(float64(len(said)))
	}
	return err
}

// clicksOf counts the clicks of a part of a day, one sale for each partner who had some. What no redirect has seen, anybody could
// have said: it is not paid by the piece.
func (p *producer) clicksOf(ctx context.Context, d clickPart) ([]*event.Sale, error) {
	rows, err := p.ClickHouse.Query(ctx, `SELECT partner_id, country, if(device IN (?), toString(device), '') AS used, toInt64(count()) FROM touch
		WHERE kind = 'click' AND marks = 0 AND channel = '' AND merchant_id = ? AND program_id = ?
		  AND occurred_at >= fromUnixTimestamp64Micro(?, 'UTC') AND occurred_at < fromUnixTimestamp64Micro(?, 'UTC')
		GROUP BY partner_id, country, used ORDER BY partner_id, country, used`,
		event.Devices(), d.merchant, d.program, event.Micros(d.from), event.Micros(d.to))
	if err != nil {
		return nil, fmt.Errorf("counting clicks: %w", err)
	}
	var all []*event.Sale
	var partner, clicks int64
	var country, device string
	err = clickhouse.ForEachRow(rows, []any{&partner, &country, &device, &clicks}, func() {
		if len(all) == 0 || all[len(all)-1].GetCounted().GetPartnerId() != partner {
			all = append(all, &event.Sale{
				MerchantId: d.merchant, OrderId: fmt.Sprintf("clicks/%s/%d/%d", d.name(), d.program, partner), Currency: d.currency, Goal: "click",
				Counted: &event.CountedClicks{ProgramId: d.program, PartnerId: partner, Day: d.day.Format(time.DateOnly)},
			})
		}
		s := all[len(all)-1]
		if !event.IsCountry(country) {
			country = ""
		}
		s.Lines = append(s.Lines, &event.Line{Number: int64(len(s.GetLines()) + 1), Quantity: clicks, Country: country, Device: device})
	})
	if err != nil {
		return nil, fmt.Errorf("counting clicks: %w", err)
	}
	return all, nil
}

// name is what the ids of a part's orders have of it: the day of its last, the end of any other.
func (d *clickPart) name() string {
	if d.to.Equal(d.ends()) {
		return d.day.Format(time.DateOnly)
	}
	return d.to.UTC().Format(time.RFC3339Nano)
}

// event is the order of a partner, placed as the part of the day ended. Its id follows from its key, so that a day that is counted
// again, as after PostgreSQL was restored, is the same orders.
func (d *clickPart) event(s *event.Sale) *event.Event {
	at := event.Micros(d.to) - 1
	e := &event.Event{ReceivedAt: event.Micros(time.Now()), OccurredAt: at, Body: &event.Event_Sale{Sale: s}}
	s.ContentHash = event.SaleHash(s, at)
	id := uuid.NewSHA1(uuid.Nil, slices.Concat([]byte("tributary "), e.Fact().Key()))
	e.Id = id[:]
	return e
}
