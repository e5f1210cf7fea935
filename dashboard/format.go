package dashboard

import (
	"fmt"
	"math"
	"strings"

	"tributary/internal/money"
	"tributary/internal/text"
	"tributary/report"
)

// An amount is money of one currency, in minor units, as pages write it.
type amount report.Amount

// figures is the amount's number, as in "1,234.50"; its currency is shown beside it.
func (a amount) figures() string {
	return strings.TrimPrefix(money.Format(a.Minor, a.Currency), a.Currency+" ")
}

// plain is the amount's number for a file, as in "-1234.50"; nothing without a unit that says how many decimals it has.
func (a amount) plain() string {
	if _, known := money.Exponent(a.Currency); !known {
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
		return text.Dash
	}
	return amount{a.Currency, money.Scale(a.Minor, 1, n)}.figures()
}

// per is an amount for each of n, with two decimals more than the currency has, as its number.
func (a amount) per(n int64) string {
	if n <= 0 || a.Minor > money.MaxAmount || a.Minor < -money.MaxAmount {
		return text.Dash
	}
	hundredths := money.Scale(a.Minor, 100, n)
	digits, _ := money.Exponent(a.Currency)
	sign := ""
	if hundredths < 0 {
		sign, hundredths = "-", -hundredths
	}
	digits10 := fmt.Sprintf("%0*d", digits+3, hundredths)
	cut := len(digits10) - digits - 2
	return sign + text.Thousands(digits10[:cut]) + "." + digits10[cut:]
}

// A change compares a figure with the one of the period before.
type change struct {
	text string
	mood string // up, down or neither
}

// changeOf writes the change in whole per cent.
func changeOf(t *text.Printer, now, before int64) change {
	switch {
	case now == before:
		return change{text: t.ChangeSame()}
	case before <= 0 || now > math.MaxInt64/100 || now < 0:
		return change{text: t.ChangeFrom(t.Count(before))}
	}
	percent := money.Scale(now-before, 100, before)
	switch {
	case percent == 0:
		return change{text: t.ChangeAbout()}
	case percent > 999:
		return change{text: t.ChangeTimes(), mood: "up"}
	case now > before:
		return change{text: fmt.Sprintf("+%d %%", percent), mood: "up"}
	}
	return change{text: fmt.Sprintf("−%d %%", -percent), mood: "down"}
}
