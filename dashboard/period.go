package dashboard

import (
	"net/url"
	"strconv"
	"time"
)

// A period is whole days in UTC, from its first day up to but not including the day To.
type period struct {
	From, To time.Time
	// Days is 7, 30 or 90 where that was asked for, up to today; 0 for days chosen freely.
	Preset int
}

const (
	aDay = 24 * time.Hour
	// maxDays bounds a period to what a chart can show.
	maxDays = 366
)

// presets are the periods offered by name.
func presets() []int { return []int{7, 30, 90} }

// readPeriod reads the query of an overview: days=7, or from=2026-01-31 with to=2026-02-28. What cannot be read gives
// the last 30 days.
func readPeriod(q url.Values, now time.Time) period {
	tomorrow := now.UTC().Truncate(aDay).Add(aDay)
	from, errFrom := time.Parse(time.DateOnly, q.Get("from"))
	to, errTo := time.Parse(time.DateOnly, q.Get("to"))
	if errFrom == nil && errTo == nil && !from.After(to) && from.Year() >= 2000 && to.Before(tomorrow.Add(maxDays*aDay)) {
		to = to.Add(aDay)
		if to.Sub(from) > maxDays*aDay {
			from = to.Add(-maxDays * aDay)
		}
		return period{From: from, To: to}
	}
	days := 30
	for _, n := range presets() {
		if q.Get("days") == strconv.Itoa(n) {
			days = n
		}
	}
	return period{From: tomorrow.Add(-time.Duration(days) * aDay), To: tomorrow, Preset: days}
}

// before is the period of the same length that ends where this one begins.
func (p period) before() period { return period{From: p.From.Add(p.From.Sub(p.To)), To: p.From} }

func (p period) days() int { return int(p.To.Sub(p.From) / aDay) }

// last is the last day within.
func (p period) last() time.Time { return p.To.Add(-aDay) }

// open is how many days of the period are not over.
func (p period) open(now time.Time) int {
	return max(0, min(p.days(), int(p.To.Sub(now.UTC().Truncate(aDay))/aDay)))
}

// query is the period as readPeriod reads it.
func (p period) query() url.Values {
	if p.Preset > 0 {
		return url.Values{"days": {strconv.Itoa(p.Preset)}}
	}
	return url.Values{"from": {p.From.Format(time.DateOnly)}, "to": {p.last().Format(time.DateOnly)}}
}

// words is the period in a sentence.
func (p period) words() string {
	if p.Preset > 0 {
		return "Last " + strconv.Itoa(p.Preset) + " days"
	}
	return day(p.From) + " to " + day(p.last())
}

// phrase is the period within a sentence.
func (p period) phrase() string {
	if p.Preset > 0 {
		return "last " + strconv.Itoa(p.Preset) + " days"
	}
	return p.words()
}

// index is the day of the period that a time falls on.
func (p period) index(t time.Time) (int, bool) {
	i := int(t.Sub(p.From) / aDay)
	return i, !t.Before(p.From) && t.Before(p.To)
}
