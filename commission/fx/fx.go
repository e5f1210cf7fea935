// Package fx holds what currencies are worth in one another: rates that a source has published for a day, or that a person
// entered. Step 5 in the life of a click asks it for orders in another currency than their program's terms. A rate begins when
// it is published, or where that is past a moment after it is entered, and stays: what an order was converted by once, it is
// converted by for ever.
package fx

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/internal/money"
)

// Entry is a rate as it is entered. One with a Num of 0 says that there is no rate from here on.
type Entry struct {
	commission.Rate

	// Published is when it may be used from.
	Published time.Time
}

// MaxText bounds the names of sources and authors, in bytes.
const MaxText = 64

// check refuses what is no rate.
func (e *Entry) check() error {
	switch {
	case !money.Known(e.Base) || !money.Known(e.Quote):
		return fmt.Errorf("%s/%s: one of them is not a currency in force", e.Base, e.Quote)
	case e.Base == e.Quote:
		return fmt.Errorf("%s/%s: a currency is worth one of itself", e.Base, e.Quote)
	case e.Num < 0 || e.Den <= 0:
		return fmt.Errorf("%s/%s: a rate of %d / %d", e.Base, e.Quote, e.Num, e.Den)
	case e.Source == "" || len(e.Source) > MaxText:
		return fmt.Errorf("%s/%s: the name of the source has %d bytes, not 1 to %d", e.Base, e.Quote, len(e.Source), MaxText)
	}
	return nil
}

// DiffersError says that a source's rate for a day stands otherwise than it was to be entered.
type DiffersError struct{ Stands commission.Rate }

// Error names the rate and what to do.
func (e *DiffersError) Error() string {
	return fmt.Sprintf("%s/%s of %s for %s stands as %d/%d, and a rate that stands is never changed: enter one for a later day",
		e.Stands.Base, e.Stands.Quote, e.Stands.Source, e.Stands.Day.Format(time.DateOnly), e.Stands.Num, e.Stands.Den)
}

// Entered counts what Enter did.
type Entered struct {
	// Added are new. Known were there already, and Late lie in the past, where orders have been converted without them.
	Added, Known, Late int
}

const differing = `
SELECT g.base, g.quote, g.source, g.day, r.num, r.den
  FROM unnest($1::text[], $2::text[], $3::text[], $4::date[], $5::bigint[], $6::bigint[]) g (base, quote, source, day, num, den)
  JOIN fx_rate r USING (base, quote, source, day)
 WHERE g.num::numeric * r.den <> r.num::numeric * g.den ORDER BY g.day, g.base, g.quote LIMIT 1`

const alreadyThere = `
SELECT count(*)
  FROM unnest($1::text[], $2::text[], $3::text[], $4::date[]) g (base, quote, source, day) JOIN fx_rate r USING (base, quote, source, day)`

// enterRates enters what is published from now on as it is. Of what was published before, everything while there are no orders,
// and else the newest of each pair, from a moment ahead.
const enterRates = `
INSERT INTO fx_rate (base, quote, source, day, num, den, effective_from, author, note)
SELECT base, quote, source, day, num, den, CASE WHEN late THEN greatest(published, now() + interval '2 minutes') ELSE published END, $8, $9
  FROM (SELECT base, quote, source, day, num, den, published, EXISTS (SELECT FROM orders) AS late,
               max(day) FILTER (WHERE published < now() + interval '2 minutes') OVER (PARTITION BY base, quote, source) AS newest
          FROM unnest($1::text[], $2::text[], $3::text[], $4::date[], $5::bigint[], $6::bigint[], $7::timestamptz[])
               g (base, quote, source, day, num, den, published)) g
 WHERE NOT late OR published >= now() + interval '2 minutes'
    OR day = newest AND day > coalesce((SELECT max(r.day) FROM fx_rate r WHERE (r.base, r.quote, r.source) = (g.base, g.quote, g.source)), '-infinity')
    ON CONFLICT DO NOTHING`

// Enter enters rates for an author, within tx, in which nothing else should take time: they begin two minutes ahead at the
// latest. One that its source has published otherwise for the same day is a *DiffersError, and nothing is entered.
func Enter(ctx context.Context, tx pgx.Tx, entries []Entry, author, note string) (Entered, error) {
	var bases, quotes, sources []string
	var days, published []time.Time
	var nums, dens []int64
	for i := range entries {
		e := &entries[i]
		if err := e.check(); err != nil {
			return Entered{}, err
		}
		bases, quotes, sources = append(bases, e.Base), append(quotes, e.Quote), append(sources, e.Source)
		days, published = append(days, e.Day), append(published, e.Published)
		nums, dens = append(nums, e.Num), append(dens, e.Den)
	}
	if err := refuseOther(ctx, tx, bases, quotes, sources, days, nums, dens); err != nil {
		return Entered{}, err
	}
	var done Entered
	if err := tx.QueryRow(ctx, alreadyThere, bases, quotes, sources, days).Scan(&done.Known); err != nil {
		return Entered{}, fmt.Errorf("looking for rates: %w", err)
	}
	tag, err := tx.Exec(ctx, enterRates, bases, quotes, sources, days, nums, dens, published, author, note)
	if err != nil {
		return Entered{}, fmt.Errorf("entering rates: %w", err)
	}
	done.Added = int(tag.RowsAffected())
	done.Late = len(entries) - done.Known - done.Added
	return done, nil
}

// refuseOther refuses rates that are not what stands for their day.
func refuseOther(ctx context.Context, tx pgx.Tx, columns ...any) error {
	rows, err := tx.Query(ctx, differing, columns...)
	if err != nil {
		return fmt.Errorf("comparing rates: %w", err)
	}
	var r commission.Rate
	_, err = pgx.ForEachRow(rows, []any{&r.Base, &r.Quote, &r.Source, &r.Day, &r.Num, &r.Den}, func() error {
		return &DiffersError{r}
	})
	if err != nil {
		return fmt.Errorf("comparing rates: %w", err)
	}
	return nil
}
