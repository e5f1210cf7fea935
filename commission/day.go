package commission

import (
	"fmt"
	"sort"
	"time"
)

// Day is a day of the calendar, counted from 1970-01-01. Its text is "2026-09-07".
type Day int32

// DayOf is the day that it is in a zone.
func DayOf(t time.Time, zone *time.Location) Day { return dayOf(t.In(zone).Date()) }

func dayOf(year int, month time.Month, day int) Day {
	return Day(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / secondsOfDay)
}

const secondsOfDay = 24 * 60 * 60

// Date is the day as the calendar has it.
func (d Day) Date() (year int, month time.Month, day int) { return d.utc().Date() }

func (d Day) utc() time.Time { return time.Unix(int64(d)*secondsOfDay, 0).UTC() }

// Start is the first instant of the day in a zone, UTC. That of the next day is the end. Where a clock is put forward at
// midnight it is later than midnight; of a day that a zone leaves out it is the start of the one after it.
func (d Day) Start(zone *time.Location) time.Time {
	const zones = 36 * 60 * 60 // more than any zone lies from UTC
	from := d.utc().Add(-zones * time.Second)
	seconds := sort.Search(2*zones, func(n int) bool {
		return DayOf(from.Add(time.Duration(n)*time.Second), zone) >= d
	})
	return from.Add(time.Duration(seconds) * time.Second)
}

// String is the day as ISO 8601 writes it.
func (d Day) String() string { return string(d.append(make([]byte, 0, len(time.DateOnly)))) }

func (d Day) append(dst []byte) []byte { return d.utc().AppendFormat(dst, time.DateOnly) }

// MarshalText writes what String does.
func (d Day) MarshalText() ([]byte, error) { return d.append(nil), nil }

// UnmarshalText reads what String writes.
func (d *Day) UnmarshalText(text []byte) error {
	t, err := time.Parse(time.DateOnly, string(text))
	if err != nil {
		return fmt.Errorf("reading a day: %w", err)
	}
	*d = dayOf(t.Date())
	return nil
}
