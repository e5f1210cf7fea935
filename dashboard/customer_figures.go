package dashboard

import (
	"fmt"
	"strconv"

	"tributary/dashboard/export"
	"tributary/internal/money"
	"tributary/internal/text"
	"tributary/report"
)

// fewCases is how many cases a share needs to be written in per cent.
const fewCases = 30

// share writes a ratio of cases in per cent with one decimal, or as "2 of 7" of few.
func share(t *text.Printer, r report.Ratio) string {
	if r.Of > 0 && r.Of < fewCases {
		return t.AcquiredOfCases(t.Count(r.Sum), t.Count(r.Of))
	}
	return percent(t, r)
}

// percent writes a ratio in per cent with one decimal.
func percent(t *text.Printer, r report.Ratio) string {
	if r.Of <= 0 {
		return text.Dash
	}
	tenths, sign := money.Scale(r.Sum, 1000, r.Of), ""
	if tenths < 0 {
		tenths, sign = -tenths, "−"
	}
	return fmt.Sprintf("%s%s.%d%%", sign, t.Count(tenths/10), tenths%10)
}

// cases names the two numbers of a ratio.
func cases(t *text.Printer, r report.Ratio) string {
	return t.AcquiredOfCases(t.Count(r.Sum), t.Count(r.Of))
}

// twoDecimals writes a ratio with two decimals.
func twoDecimals(t *text.Printer, r report.Ratio) string {
	if r.Of <= 0 {
		return text.Dash
	}
	hundredths := money.Scale(r.Sum, 100, r.Of)
	sign := ""
	if hundredths < 0 {
		hundredths, sign = -hundredths, "−"
	}
	return fmt.Sprintf("%s%s.%02d", sign, t.Count(hundredths/100), hundredths%100)
}

const daySeconds = 24 * 60 * 60

// medianDays writes a median of seconds in days with one decimal.
func medianDays(t *text.Printer, of int64, h report.Half) string {
	if of == 0 {
		return text.Dash
	}
	tenths := money.Scale(h.Twice, 10, 2*daySeconds)
	return t.AcquiredDays(fmt.Sprintf("%s.%d", t.Count(tenths/10), tenths%10))
}

// mean is a sum of money over cases, in its currency.
func mean(currency string, r report.Ratio) string { return amount{currency, r.Sum}.each(r.Of) }

// median is a median of money, rounded to the currency.
func median(currency string, of int64, h report.Half) string {
	if of == 0 {
		return text.Dash
	}
	return amount{currency, money.Scale(h.Twice, 1, 2)}.figures()
}

// inCurrencyText puts a number behind its currency.
func inCurrencyText(currency, figures string) string { return currency + " " + figures }

// exactRatio writes a ratio for a file with four decimals, nothing without cases.
func exactRatio(r report.Ratio) export.Cell {
	if r.Of <= 0 {
		return export.Number("")
	}
	n, sign := money.Scale(r.Sum, 10_000, r.Of), ""
	if n < 0 {
		n, sign = -n, "-"
	}
	return export.Number(fmt.Sprintf("%s%d.%04d", sign, n/10_000, n%10_000))
}

// exactMoney is exactRatio of minor units, in whole units of the currency.
func exactMoney(currency string, r report.Ratio) export.Cell {
	return exactRatio(report.Ratio{Sum: r.Sum, Of: r.Of * wholeUnit(currency)})
}

// exactMedian is a median of money.
func exactMedian(currency string, of int64, h report.Half) export.Cell {
	if of == 0 {
		return export.Number("")
	}
	return exactRatio(report.Ratio{Sum: h.Twice, Of: 2 * wholeUnit(currency)})
}

// exactDays is a ratio of seconds, in days.
func exactDays(r report.Ratio) export.Cell {
	return exactRatio(report.Ratio{Sum: r.Sum, Of: r.Of * daySeconds})
}

func countIn(n int64) export.Cell { return export.Number(strconv.FormatInt(n, 10)) }
