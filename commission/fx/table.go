package fx

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
)

// Querier runs a query: a pool, a connection or a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Table is all rates in memory, about 50 bytes each. It is safe for several goroutines.
type Table struct {
	version    atomic.Int64 // of the catalogue, as of the last refresh
	refreshing sync.Mutex   // held for the length of a refresh
	mark       uint64       // the transactions before it are read

	mu    sync.RWMutex
	pairs map[pair][]quoted
	// of are the pairs that each currency is in.
	of map[string][]pair
}

// pair names the rates of a source between two currencies.
type pair struct{ base, quote, source string }

// other is the other currency of the pair.
func (p pair) other(than string) string {
	if p.base == than {
		return p.quote
	}
	return p.base
}

// quoted is a rate of a pair, and from when it is used.
type quoted struct {
	from, day time.Time
	num, den  int64
}

// NewTable makes a table without rates.
func NewTable() *Table {
	return &Table{pairs: make(map[pair][]quoted), of: make(map[string][]pair)}
}

// Version is that of the catalogue when the table was last refreshed; 0 before.
func (t *Table) Version() int64 { return t.version.Load() }

// Refresh reads the rates that were entered since the last time, if the catalogue has changed.
func (t *Table) Refresh(ctx context.Context, q Querier) error {
	t.refreshing.Lock()
	defer t.refreshing.Unlock()
	var version int64
	var mark uint64
	err := q.QueryRow(ctx, `SELECT version, pg_snapshot_xmin(pg_current_snapshot()) FROM catalogue`).Scan(&version, &mark)
	if err != nil {
		return fmt.Errorf("looking at the catalogue: %w", err)
	}
	if version == t.Version() {
		return nil
	}
	since := t.mark
	if version < t.Version() || mark < since { // PostgreSQL was put back to an earlier time, where transactions had other numbers
		since = 0
	}
	rows, err := q.Query(ctx, `SELECT base, quote, source, day, num, den, effective_from FROM fx_rate WHERE written >= $1`, since)
	if err != nil {
		return fmt.Errorf("reading rates: %w", err)
	}
	entries, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (e Entry, err error) {
		err = row.Scan(&e.Base, &e.Quote, &e.Source, &e.Day, &e.Num, &e.Den, &e.Published)
		e.Published = e.Published.UTC()
		return e, err
	})
	if err != nil {
		return fmt.Errorf("reading rates: %w", err)
	}
	t.add(entries)
	t.mark = mark
	t.version.Store(version)
	return nil
}

// add adds entries, those again that it has.
func (t *Table) add(entries []Entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	touched := make(map[pair]struct{})
	for i := range entries {
		e := &entries[i]
		p := pair{e.Base, e.Quote, e.Source}
		if _, known := t.pairs[p]; !known {
			t.of[p.base], t.of[p.quote] = append(t.of[p.base], p), append(t.of[p.quote], p)
		}
		t.pairs[p] = append(t.pairs[p], quoted{e.Published, e.Day, e.Num, e.Den})
		touched[p] = struct{}{}
	}
	for p := range touched {
		all := t.pairs[p]
		slices.SortFunc(all, func(a, b quoted) int { return cmp.Or(a.from.Compare(b.from), a.day.Compare(b.day)) })
		t.pairs[p] = slices.CompactFunc(all, func(a, b quoted) bool { return a.day.Equal(b.day) && a.from.Equal(b.from) })
	}
}

// At gives the rates by which a currency can be converted to another at a time, each the last that its source had published
// by then: those between the two, then those of each source between them and a third currency, two by two. The newest come
// first, of equal ones by the name of the source.
func (t *Table) At(at time.Time, from, to string) []commission.Rate {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var ways [][]commission.Rate // of one rate, or of two
	for _, p := range t.of[from] {
		first, ok := t.last(p, at)
		if !ok {
			continue
		}
		through := p.other(from)
		if through == to {
			ways = append(ways, []commission.Rate{first})
			continue
		}
		for _, q := range t.of[to] {
			if q.source != p.source || q.other(to) != through {
				continue
			}
			if second, ok := t.last(q, at); ok {
				ways = append(ways, []commission.Rate{first, second})
			}
		}
	}
	slices.SortFunc(ways, func(a, b []commission.Rate) int {
		return cmp.Or(cmp.Compare(len(a), len(b)), older(b).Compare(older(a)), cmp.Compare(a[0].Source, b[0].Source), cmp.Compare(a[0].Base, b[0].Base))
	})
	return slices.Concat(ways...)
}

// A Listed rate is one that is in use, or will be.
type Listed struct {
	commission.Rate

	// Begins is from when it is used: zero for one that is.
	Begins time.Time
}

// List gives the rate of each pair in use at a time and those that begin after it, in the order of the currencies, sources and
// times.
func (t *Table) List(at time.Time) []Listed {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var all []Listed
	for p, quotes := range t.pairs {
		if r, ok := t.last(p, at); ok {
			all = append(all, Listed{Rate: r})
		}
		for _, q := range quotes {
			if q.from.After(at) && q.num != 0 {
				all = append(all, Listed{p.rate(q), q.from})
			}
		}
	}
	slices.SortFunc(all, func(a, b Listed) int {
		return cmp.Or(cmp.Compare(a.Base, b.Base), cmp.Compare(a.Quote, b.Quote), cmp.Compare(a.Source, b.Source), a.Begins.Compare(b.Begins))
	})
	return all
}

// rate is what one of the pair's is.
func (p pair) rate(q quoted) commission.Rate {
	return commission.Rate{Base: p.base, Quote: p.quote, Day: q.day, Source: p.source, Num: q.num, Den: q.den}
}

// older is the day of a way: that of its older rate.
func older(way []commission.Rate) time.Time {
	day := way[0].Day
	for _, r := range way[1:] {
		if r.Day.Before(day) {
			day = r.Day
		}
	}
	return day
}

// last is the rate of a pair in use at a time.
func (t *Table) last(p pair, at time.Time) (commission.Rate, bool) {
	all := t.pairs[p]
	n, _ := slices.BinarySearchFunc(all, at, func(r quoted, at time.Time) int {
		if r.from.After(at) {
			return 1
		}
		return -1
	})
	if n == 0 || all[n-1].num == 0 {
		return commission.Rate{}, false
	}
	return p.rate(all[n-1]), true
}
