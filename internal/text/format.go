package text

import (
	"fmt"
	"math"
	"strings"
	"time"

	"tributary/internal/money"
)

// Dash stands where there is nothing to show.
const Dash = "–"

// own marks a text that this package made as said, in the pseudo-locale.
func (p *Printer) own(s string) string {
	if p.language.pseudo {
		return "⟦" + s + "⟧"
	}
	return s
}

// Count writes a whole number with separators: 1,234.
func (p *Printer) Count(n int64) string {
	var written [len("-9,223,372,036,854,775,808")]byte
	at, rest := len(written), uint64(n)
	if n < 0 {
		rest = -rest
	}
	for digits := 0; rest > 0 || digits == 0; digits++ {
		if digits > 0 && digits%3 == 0 {
			at--
			written[at] = ','
		}
		at--
		written[at] = byte('0' + rest%10)
		rest /= 10
	}
	if n < 0 {
		at--
		written[at] = '-'
	}
	return string(written[at:])
}

// Thousands sets commas between the digits of a whole number.
func Thousands(digits string) string {
	if len(digits) <= 3 {
		return digits
	}
	var b strings.Builder
	b.Grow(len(digits) + (len(digits)-1)/3)
	for i, d := range []byte(digits) {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteByte(d)
	}
	return b.String()
}

// Share writes part of whole in per cent with two decimals, or a dash of nothing.
func (p *Printer) Share(part, whole int64) string {
	if whole <= 0 || part < 0 || part > math.MaxInt64/10_000 {
		return Dash
	}
	hundredths := money.Scale(part, 10_000, whole)
	return fmt.Sprintf("%s.%02d %%", p.Count(hundredths/100), hundredths%100)
}

// The forms of a time: to the minute on lists, to the second where order matters, the day or the time of day alone. All
// are UTC and say so.

// Minute writes a time as "2 Jan 2006, 15:04 UTC".
func (p *Printer) Minute(t time.Time) string { return p.own(t.UTC().Format("2 Jan 2006, 15:04 UTC")) }

// Second writes a time as "2 Jan 2006, 15:04:05 UTC".
func (p *Printer) Second(t time.Time) string {
	return p.own(t.UTC().Format("2 Jan 2006, 15:04:05 UTC"))
}

// Day writes a day as "2 Jan 2006".
func (p *Printer) Day(t time.Time) string { return p.own(t.UTC().Format("2 Jan 2006")) }

// Date writes the day that a time falls on in its own zone, as "2 Jan 2006".
func (p *Printer) Date(t time.Time) string { return p.own(t.Format("2 Jan 2006")) }

// Month writes the month that a time falls on in its own zone, as "January 2006".
func (p *Printer) Month(t time.Time) string { return p.own(t.Format("January 2006")) }

// Weekday writes that day in full, as "Monday, 2 January 2006".
func (p *Printer) Weekday(t time.Time) string { return p.own(t.Format("Monday, 2 January 2006")) }

// ShortDay writes it where room is scarce, as "2 Jan".
func (p *Printer) ShortDay(t time.Time) string { return p.own(t.Format("2 Jan")) }

// Clock writes the time of day as "15:04:05 UTC".
func (p *Printer) Clock(t time.Time) string { return p.own(t.UTC().Format("15:04:05 UTC")) }

// Machine writes a time for the attribute datetime and for files: RFC 3339.
func Machine(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Span writes a length of time exactly in its two largest units that are not zero: "30 days", "1 hour 5 minutes".
func (p *Printer) Span(d time.Duration) string {
	if d < 0 {
		return p.SpanMinus(p.Span(-d))
	}
	units := []struct {
		size time.Duration
		say  func(int64) string
	}{{24 * time.Hour, p.SpanDays}, {time.Hour, p.SpanHours}, {time.Minute, p.SpanMinutes}, {time.Second, p.SpanSeconds}, {time.Millisecond, p.SpanMilliseconds}}
	for i, u := range units {
		n, rest := d/u.size, d%u.size
		if n == 0 {
			continue
		}
		if i+1 < len(units) {
			if next := rest / units[i+1].size; next > 0 {
				return p.SpanTwo(u.say(int64(n)), units[i+1].say(int64(next)))
			}
		}
		return u.say(int64(n))
	}
	return p.SpanSeconds(0)
}

// Wait writes a wait, rounded up to whole minutes.
func (p *Printer) Wait(d time.Duration) string {
	return p.Span(max(time.Minute, (d + time.Minute - 1).Truncate(time.Minute)))
}
