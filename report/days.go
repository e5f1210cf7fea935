package report

import (
	"cmp"
	"net/url"
	"strconv"
	"time"

	"tributary/internal/text"
)

// Days are whole days of a zone, from the first up to but not including To. A zero From or To leaves that end open.
type Days struct{ From, To time.Time }

// days reads from and to, which are days that are both included.
func (q *query) days() Days {
	d := Days{From: q.day("from")}
	if to := q.day("to"); !to.IsZero() {
		d.To = dayAfter(to, 1)
	}
	if !d.From.IsZero() && !d.To.IsZero() && !d.From.Before(d.To) {
		q.refuse("to", text.WrongDaysOrder(), text.FixDaysOrder())
	}
	return d
}

// set is the opposite of days.
func (d Days) set(q url.Values) {
	if !d.From.IsZero() {
		q.Set("from", d.From.Format(time.DateOnly))
	}
	if !d.To.IsZero() {
		q.Set("to", d.Last().Format(time.DateOnly))
	}
}

// Last is the last day within, zero where that end is open.
func (d Days) Last() time.Time {
	if d.To.IsZero() {
		return d.To
	}
	return dayAfter(d.To, -1)
}

func (d Days) open() bool { return d.From.IsZero() && d.To.IsZero() }

// bounds are the ends for a query.
func (d Days) bounds() (from, to time.Time) {
	return orTime(d.From, firstTime()), orTime(d.To, endOfTime())
}

// No event is dated before the first or at the second of these: see commission.Check.
func firstTime() time.Time { return time.Unix(0, 0).UTC().AddDate(0, 0, -1) }
func endOfTime() time.Time { return time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC) }

func orTime(t, otherwise time.Time) time.Time {
	if t.IsZero() {
		return otherwise
	}
	return t
}

// A Period is whole days of a zone, from its first day up to but not including the day To. The zone is that of its times.
type Period struct {
	From, To time.Time
	// Preset is 7, 30 or 90 where the last so many days were asked for, up to today; 0 for days chosen freely.
	Preset int
}

// maxDays bounds a period to what a chart can show.
const maxDays = 366

// Presets are the periods offered by name, in days.
func Presets() []int { return []int{7, 30, 90} }

// ParsePeriod reads the address of figures by day: days=7, or from=2026-01-31 with to=2026-02-28; also is what else that
// address may hold. With none of it the period is the last 30 days. now is in the viewer's zone.
func ParsePeriod(values url.Values, now time.Time, also ...string) (Period, error) {
	q := newQuery(values, now)
	p := q.period()
	q.known = append(q.known, also...)
	return p, q.err()
}

func (q *query) period() Period {
	tomorrow := dayAfter(q.now, 1)
	refused := len(q.fields)
	preset := q.oneOf("days", "7", "30", "90")
	d := q.days()
	if len(q.fields) > refused {
		return Period{}
	}
	if d.open() {
		n, _ := strconv.Atoi(cmp.Or(preset, "30"))
		return Period{From: dayAfter(tomorrow, -n), To: tomorrow, Preset: n}
	}
	p := Period{From: d.From, To: d.To}
	switch {
	case preset != "":
		q.refuse("days", text.WrongDaysToo(), text.FixOneOrOther())
	case d.From.IsZero():
		q.refuse("from", text.WrongNoFirstDay(), text.FixBoth())
	case d.To.IsZero():
		q.refuse("to", text.WrongNoLastDay(), text.FixBoth())
	case p.Days() > maxDays:
		q.refuse("from", text.WrongPeriodSize(int64(p.Days())), text.FixGiveAtMost(strconv.Itoa(maxDays)))
	case civil(p.To) > civil(tomorrow)+maxDays:
		q.refuse("to", text.WrongFarAhead(), text.FixEarlierDay())
	}
	return p
}

// Query is the period as ParsePeriod reads it.
func (p Period) Query() url.Values {
	if p.Preset > 0 {
		return url.Values{"days": {strconv.Itoa(p.Preset)}}
	}
	q := url.Values{}
	p.Span().set(q)
	return q
}

// Span is the period as the days of a list.
func (p Period) Span() Days { return Days{From: p.From, To: p.To} }

// Before is the period of the same length that ends where this one begins.
func (p Period) Before() Period { return Period{From: dayAfter(p.From, -p.Days()), To: p.From} }

// Days is how many days the period has.
func (p Period) Days() int { return civil(p.To) - civil(p.From) }

// Day is the beginning of the period's day i, counted from 0.
func (p Period) Day(i int) time.Time { return dayAfter(p.From, i) }

// Last is the last day within.
func (p Period) Last() time.Time { return dayAfter(p.To, -1) }

// Open is how many days of the period are not over.
func (p Period) Open(now time.Time) int {
	return max(0, min(p.Days(), civil(p.To)-civil(now.In(p.From.Location()))))
}

// zone is the name by which ClickHouse knows the period's zone.
func (p Period) zone() string { return p.From.Location().String() }

// civil numbers the day that a time falls on in its own zone.
func civil(t time.Time) int {
	year, month, day := t.Date()
	return int(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / (24 * 60 * 60))
}

// dayAfter is the beginning of the day that is n days after t's. Where a zone skips midnight it is the first moment behind.
func dayAfter(t time.Time, n int) time.Time {
	year, month, day := t.Date()
	begin := time.Date(year, month, day+n, 0, 0, 0, 0, t.Location())
	for civil(begin) < civil(t)+n {
		begin = begin.Add(15 * time.Minute)
	}
	return begin
}
