package money

import (
	"fmt"
	"strconv"
	"strings"
)

// Parse reads a decimal such as "1234.5" or "-0.05" as minor units of a currency: 123450 and -5 in GBP. It takes digits,
// a sign in front and a decimal point between digits; never more decimals than the currency has, no grouping, exponent or
// spaces, and nothing beyond MaxAmount. Errors say what is wrong with the text.
func Parse(text, currency string) (int64, error) {
	digits, known := Exponent(currency)
	if !known {
		return 0, fmt.Errorf("reading an amount: %q is not a currency in force", currency)
	}
	unsigned, negative := strings.CutPrefix(text, "-")
	whole, fraction, point := strings.Cut(unsigned, ".")
	if !allDigits(whole) || point && !allDigits(fraction) {
		return 0, fmt.Errorf("reading the amount %q: it must be digits, such as %q", text, plain(123456, digits))
	}
	if len(fraction) > digits {
		return 0, fmt.Errorf("reading the amount %q: %s has %d decimals, not %d", text, currency, digits, len(fraction))
	}
	units, err := strconv.ParseInt(whole+fraction+strings.Repeat("0", digits-len(fraction)), 10, 64)
	if err != nil || units > MaxAmount {
		return 0, fmt.Errorf("reading the amount %q: it is beyond %s", text, Format(MaxAmount, currency))
	}
	if negative {
		units = -units
	}
	return units, nil
}

// Format writes minor units for people, exactly: "GBP 1,234.50", "JPY -1,234". An amount of a currency that is not known
// is written in minor units and says so.
func Format(amount int64, currency string) string {
	digits, known := Exponent(currency)
	unit := ""
	if !known {
		unit = " minor units"
	}
	sign := ""
	if amount < 0 {
		sign = "-"
	}
	whole, fraction, point := strings.Cut(plain(magnitude(amount), digits), ".")
	var b strings.Builder
	b.WriteString(currency + " " + sign)
	for i, digit := range []byte(whole) {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteByte(digit)
	}
	if point {
		b.WriteString("." + fraction)
	}
	b.WriteString(unit)
	return b.String()
}

// String writes the rate as an exact percentage without needless zeros: "7.25 %", "10 %".
func (r Rate) String() string {
	text := plain(magnitude(int64(r)), 4)
	text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	if r < 0 {
		text = "-" + text
	}
	return text + " %"
}

// ParseRate reads a number of percent from 0 to 100, such as "8", "12.5" or "7.25 %", with at most four decimals: a millionth each.
func ParseRate(text string) (Rate, error) {
	whole, decimals, _ := strings.Cut(strings.TrimSpace(strings.TrimSuffix(text, "%")), ".")
	if len(decimals) <= 4 && whole != "" && len(whole) <= 3 {
		decimals += strings.Repeat("0", 4-len(decimals))
		if n, err := strconv.ParseUint(whole+decimals, 10, 32); err == nil && n <= uint64(One) {
			return Rate(n), nil
		}
	}
	return 0, fmt.Errorf("%q is not a number of percent such as 8 or 12.5", text)
}

// plain writes a number of minor units with its decimals: 123450 with 2 digits is "1234.50".
func plain(units uint64, digits int) string {
	text := strconv.FormatUint(units, 10)
	if digits == 0 {
		return text
	}
	if missing := digits + 1 - len(text); missing > 0 {
		text = strings.Repeat("0", missing) + text
	}
	return text[:len(text)-digits] + "." + text[len(text)-digits:]
}

func allDigits(text string) bool {
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return text != ""
}
