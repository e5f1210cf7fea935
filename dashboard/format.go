package dashboard

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"tributary/internal/money"
	"tributary/report"
)

// An amount is money of one currency, in minor units, as pages write it.
type amount report.Amount

// figures is the amount's number, as in "1,234.50"; its currency is shown beside it.
func (a amount) figures() string {
	return strings.TrimPrefix(money.Format(a.Minor, a.Currency), a.Currency+" ")
}

// plain is the amount's number for a file, as in "-1234.50"; nothing without a currency that says how many decimals it has.
func (a amount) plain() string {
	if !money.Known(a.Currency) {
		return ""
	}
	return strings.ReplaceAll(a.figures(), ",", "")
}

// short is the number without needless decimals, for the axis of a chart.
func (a amount) short() string {
	whole, fraction, _ := strings.Cut(a.figures(), ".")
	if strings.Trim(fraction, "0") == "" {
		return whole
	}
	return a.figures()
}

// wholeUnit is one unit of the currency in minor units: 100 for GBP.
func wholeUnit(currency string) int64 {
	digits, known := money.Exponent(currency)
	if !known {
		return 1
	}
	unit := int64(1)
	for range digits {
		unit *= 10
	}
	return unit
}

// each is an amount divided by n, rounded to the currency; a dash for none.
func (a amount) each(n int64) string {
	if n <= 0 {
		return "–"
	}
	return amount{a.Currency, money.Scale(a.Minor, 1, n)}.figures()
}

// per is an amount for each of n, with two decimals more than the currency has, as its number.
func (a amount) per(n int64) string {
	if n <= 0 || a.Minor > money.MaxAmount || a.Minor < -money.MaxAmount {
		return "–"
	}
	hundredths := money.Scale(a.Minor, 100, n)
	digits, _ := money.Exponent(a.Currency)
	sign := ""
	if hundredths < 0 {
		sign, hundredths = "-", -hundredths
	}
	text := fmt.Sprintf("%0*d", digits+3, hundredths)
	cut := len(text) - digits - 2
	return sign + thousands(text[:cut]) + "." + text[cut:]
}

// count writes a whole number with commas.
func count(n int64) string {
	if n < 0 {
		return "-" + thousands(strconv.FormatUint(uint64(-n), 10))
	}
	return thousands(strconv.FormatInt(n, 10))
}

func thousands(digits string) string {
	var b strings.Builder
	for i, d := range []byte(digits) {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteByte(d)
	}
	return b.String()
}

// share writes part of whole in per cent with two decimals, or a dash of nothing.
func share(part, whole int64) string {
	if whole <= 0 || part < 0 || part > math.MaxInt64/10_000 {
		return "–"
	}
	hundredths := money.Scale(part, 10_000, whole)
	return fmt.Sprintf("%s.%02d %%", count(hundredths/100), hundredths%100)
}

// A change compares a figure with the one of the period before.
type change struct {
	text string
	mood string // up, down or neither
}

// changeOf writes the change in whole per cent.
func changeOf(now, before int64) change {
	switch {
	case now == before:
		return change{text: "no change"}
	case before <= 0 || now > math.MaxInt64/100 || now < 0:
		return change{text: "from " + count(before)}
	}
	percent := money.Scale(now-before, 100, before)
	switch {
	case percent == 0:
		return change{text: "about the same"}
	case percent > 999:
		return change{text: "over 10 times", mood: "up"}
	case now > before:
		return change{text: fmt.Sprintf("+%d %%", percent), mood: "up"}
	}
	return change{text: fmt.Sprintf("−%d %%", -percent), mood: "down"}
}

// The forms of a time: to the minute on lists, to the second where order matters, the day alone. All are UTC and say so.
func minute(t time.Time) string { return t.UTC().Format("2 Jan 2006, 15:04 UTC") }
func second(t time.Time) string { return t.UTC().Format("2 Jan 2006, 15:04:05 UTC") }
func day(t time.Time) string    { return t.UTC().Format("2 Jan 2006") }

// date is the day that a time falls on in its own zone.
func date(t time.Time) string { return t.Format("2 Jan 2006") }

func clock(t time.Time) string { return t.UTC().Format("15:04:05 UTC") }

// machine is the form for the datetime attribute and for files.
func machine(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// span writes a length of time exactly in its two largest units that are not zero: "30 days", "1 hour 5 minutes".
func span(d time.Duration) string {
	if d < 0 {
		return "minus " + span(-d)
	}
	units := []struct {
		name string
		size time.Duration
	}{{"day", 24 * time.Hour}, {"hour", time.Hour}, {"minute", time.Minute}, {"second", time.Second}, {"millisecond", time.Millisecond}}
	var parts []string
	for _, u := range units {
		n := d / u.size
		d %= u.size
		if n == 0 {
			if len(parts) > 0 {
				break
			}
			continue
		}
		name := u.name
		if n > 1 {
			name += "s"
		}
		if parts = append(parts, count(int64(n))+" "+name); len(parts) == 2 {
			break
		}
	}
	if len(parts) == 0 {
		return "0 seconds"
	}
	return strings.Join(parts, " ")
}

// plural is the number with its noun.
func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return count(n) + " " + noun + "s"
}
