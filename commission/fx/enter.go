package fx

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/internal/event"
)

// Entered counts what Enter did.
type Entered struct {
	// Added are new. Known were there already. Late lie in the past, and orders have been converted without them.
	Added, Known, Late int
	// Again counts the orders that are decided again, since they may be converted now.
	Again int64
	// Against is why the first of those that are late is.
	Against *Against
}

// Against is an order that a rate of the past would have changed.
type Against struct {
	Rate commission.Rate
	// Order is the merchant's id of it, From its currency, and To what its commission is in.
	Merchant        int64
	Order, From, To string
	At              time.Time
}

// ahead is after which time a rate begins that may not begin in the past.
const ahead = 2 * time.Minute

// Enter enters rates for an author, within tx, in which nothing else should take time: those that do not begin in the past begin two
// minutes ahead at the latest. One of the past begins when it was published if there is no order, or no commission that it would have
// converted; orders on which nobody has a commission for want of it are decided again. Else the newest of its pair begins two minutes
// ahead, and the others are left out. One that its source has published otherwise for the same day is a *DiffersError, and nothing is
// entered.
func Enter(ctx context.Context, tx pgx.Tx, entries []Entry, author, note string) (done Entered, err error) {
	for i := range entries {
		if err := entries[i].check(); err != nil {
			return done, err
		}
	}
	if err := refuseOther(ctx, tx, entries); err != nil {
		return done, err
	}
	fresh, err := unknown(ctx, tx, entries)
	if err != nil {
		return done, err
	}
	done.Known = len(entries) - len(fresh)
	var now time.Time
	var orders bool
	if err := tx.QueryRow(ctx, `SELECT now(), EXISTS (SELECT FROM orders)`).Scan(&now, &orders); err != nil {
		return done, fmt.Errorf("looking for orders: %w", err)
	}
	var past []stretch
	if orders {
		if fresh, past, err = place(ctx, tx, fresh, now, &done); err != nil {
			return done, err
		}
	}
	c := columnsOf(fresh)
	tag, err := tx.Exec(ctx, enterRates, c.bases, c.quotes, c.sources, c.days, c.nums, c.dens, c.published, author, note)
	if err != nil {
		return done, fmt.Errorf("entering rates: %w", err)
	}
	done.Added = int(tag.RowsAffected())
	done.Late = len(entries) - done.Known - done.Added
	done.Again, err = decideAgain(ctx, tx, past)
	return done, err
}

const enterRates = `
INSERT INTO fx_rate (base, quote, source, day, num, den, effective_from, author, note)
SELECT g.base, g.quote, g.source, g.day, g.num, g.den, g.at, $8, $9
  FROM unnest($1::text[], $2::text[], $3::text[], $4::date[], $5::bigint[], $6::bigint[], $7::timestamptz[])
       g (base, quote, source, day, num, den, at) ON CONFLICT DO NOTHING`

// columns are entries, column by column.
type columns struct {
	bases, quotes, sources []string
	days, published        []time.Time
	nums, dens             []int64
}

func columnsOf(entries []Entry) (c columns) {
	for i := range entries {
		e := &entries[i]
		c.bases, c.quotes, c.sources = append(c.bases, e.Base), append(c.quotes, e.Quote), append(c.sources, e.Source)
		c.days, c.published = append(c.days, e.Day), append(c.published, e.Published)
		c.nums, c.dens = append(c.nums, e.Num), append(c.dens, e.Den)
	}
	return c
}

const differing = `
SELECT g.base, g.quote, g.source, g.day, r.num, r.den
  FROM unnest($1::text[], $2::text[], $3::text[], $4::date[], $5::bigint[], $6::bigint[]) g (base, quote, source, day, num, den)
  JOIN fx_rate r USING (base, quote, source, day)
 WHERE g.num::numeric * r.den <> r.num::numeric * g.den ORDER BY g.day, g.base, g.quote LIMIT 1`

// refuseOther refuses rates that are not what stands for their day.
func refuseOther(ctx context.Context, tx pgx.Tx, entries []Entry) error {
	c := columnsOf(entries)
	rows, err := tx.Query(ctx, differing, c.bases, c.quotes, c.sources, c.days, c.nums, c.dens)
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

// notThere are the places of the rates that are not entered yet.
const notThere = `
SELECT g.n FROM unnest($1::text[], $2::text[], $3::text[], $4::date[]) WITH ORDINALITY g (base, quote, source, day, n)
 WHERE NOT EXISTS (SELECT FROM fx_rate r WHERE (r.base, r.quote, r.source, r.day) = (g.base, g.quote, g.source, g.day)) ORDER BY g.n`

// unknown are the entries that are not there.
func unknown(ctx context.Context, tx pgx.Tx, entries []Entry) (fresh []Entry, err error) {
	c := columnsOf(entries)
	rows, err := tx.Query(ctx, notThere, c.bases, c.quotes, c.sources, c.days)
	if err != nil {
		return nil, fmt.Errorf("looking for rates: %w", err)
	}
	var n int
	_, err = pgx.ForEachRow(rows, []any{&n}, func() error {
		fresh = append(fresh, entries[n-1])
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking for rates: %w", err)
	}
	return fresh, nil
}

// stretch is a time of the past in which rates of a pair are used that were not there.
type stretch struct {
	pair

	begins time.Time
	// until is as PostgreSQL writes it: it may be infinity.
	until string
}

// place says when each entry begins, now that there are orders, and leaves those out that may not begin at all.
func place(ctx context.Context, tx pgx.Tx, entries []Entry, now time.Time, done *Entered) (placed []Entry, past []stretch, err error) {
	var before, late []Entry
	for _, e := range entries {
		switch {
		case e.Published.Before(now):
			before = append(before, e)
		case e.Published.Before(now.Add(ahead)):
			late = append(late, e)
		default:
			placed = append(placed, e)
		}
	}
	newest := map[pair]time.Time{}
	for _, e := range slices.Concat(before, late) {
		if p := e.pair(); e.Day.After(newest[p]) {
			newest[p] = e.Day
		}
	}
	if len(before) > 0 {
		var fits, refused []Entry
		if fits, refused, past, err = sift(ctx, tx, before, done); err != nil {
			return nil, nil, err
		}
		placed, late = append(placed, fits...), append(late, refused...)
	}
	late = slices.DeleteFunc(late, func(e Entry) bool { return !e.Day.Equal(newest[e.pair()]) })
	for _, e := range late {
		var older bool
		err := tx.QueryRow(ctx, `SELECT NOT EXISTS (SELECT FROM fx_rate WHERE (base, quote, source) = ($1, $2, $3) AND day >= $4)`, e.Base, e.Quote, e.Source, e.Day).Scan(&older)
		if err != nil {
			return nil, nil, fmt.Errorf("looking for newer rates: %w", err)
		}
		if older {
			e.Published = now.Add(ahead)
			placed = append(placed, e)
		}
	}
	return placed, past, nil
}

func (e *Entry) pair() pair { return pair{e.Base, e.Quote, e.Source} }

// holdDecisions keeps all engines from deciding orders until the transaction ends, and waits for those that do.
const holdDecisions = `SELECT FROM position WHERE consumer = 'engine' AND topic = $1 ORDER BY partition FOR NO KEY UPDATE`

// sift tells of rates of the past which ones may begin then: those that change nothing on the books.
func sift(ctx context.Context, tx pgx.Tx, entries []Entry, done *Entered) (fits, refused []Entry, past []stretch, err error) {
	if _, err := tx.Exec(ctx, holdDecisions, event.Orders); err != nil {
		return nil, nil, nil, fmt.Errorf("waiting for decisions: %w", err)
	}
	c := columnsOf(entries)
	rows, err := tx.Query(ctx, `SELECT n, until::text, converted, coalesce(order_no, 0) FROM past_rates($1, $2, $3, $4) ORDER BY n`, c.bases, c.quotes, c.sources, c.published)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("looking for orders that were converted: %w", err)
	}
	begins := map[stretch]time.Time{}
	var n int
	var until string
	var converted *time.Time
	var order, against int64
	_, err = pgx.ForEachRow(rows, []any{&n, &until, &converted, &order}, func() error {
		e := entries[n-1]
		if converted != nil && !converted.Before(e.Published) {
			if refused = append(refused, e); len(refused) == 1 {
				against = order
			}
			return nil
		}
		fits = append(fits, e)
		s := stretch{pair: e.pair(), until: until}
		if first, ok := begins[s]; !ok || e.Published.Before(first) {
			begins[s] = e.Published
		}
		return nil
	})
	if err != nil {
		return nil, nil, nil, fmt.Errorf("looking for orders that were converted: %w", err)
	}
	for s, first := range begins {
		s.begins = first
		past = append(past, s)
	}
	slices.SortFunc(past, func(a, b stretch) int {
		return cmp.Or(cmp.Compare(a.base, b.base), cmp.Compare(a.quote, b.quote), cmp.Compare(a.source, b.source), a.begins.Compare(b.begins))
	})
	if len(refused) > 0 {
		done.Against, err = readAgainst(ctx, tx, refused[0].Rate, against)
	}
	return fits, refused, past, err
}

// readAgainst reads of the order what its merchant knows it by.
func readAgainst(ctx context.Context, tx pgx.Tx, rate commission.Rate, order int64) (*Against, error) {
	a := &Against{Rate: rate}
	err := tx.QueryRow(ctx, `
		SELECT o.merchant_id, o.order_id, c.currency, c.unit, c.occurred_at FROM commission c JOIN orders o ON o.no = c.order_no
		 WHERE c.order_no = $1 AND c.unit <> c.currency AND c.unit <> 'POINT' ORDER BY c.leads DESC LIMIT 1`, order).
		Scan(&a.Merchant, &a.Order, &a.From, &a.To, &a.At)
	if err != nil {
		return nil, fmt.Errorf("reading the order %d that was converted: %w", order, err)
	}
	a.At = a.At.UTC()
	return a, nil
}

// decideAgain has orders decided again that may be converted now.
func decideAgain(ctx context.Context, tx pgx.Tx, past []stretch) (orders int64, err error) {
	if len(past) == 0 {
		return 0, nil
	}
	var bases, quotes, sources, untils []string
	var begins []time.Time
	for _, s := range past {
		bases, quotes, sources = append(bases, s.base), append(quotes, s.quote), append(sources, s.source)
		begins, untils = append(begins, s.begins), append(untils, s.until)
	}
	err = tx.QueryRow(ctx, `SELECT nudge_unconverted($1, $2, $3, $4, $5::text[]::timestamptz[])`, bases, quotes, sources, begins, untils).Scan(&orders)
	if err != nil {
		return 0, fmt.Errorf("having orders decided again: %w", err)
	}
	return orders, nil
}
