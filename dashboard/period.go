package dashboard

import (
	"strings"
	"time"

	"tributary/internal/text"
	"tributary/report"
)

// periodWords is a period in a sentence of its own.
func periodWords(t *text.Printer, p report.Period) string {
	if p.Preset > 0 {
		return t.PeriodLast(int64(p.Preset))
	}
	return t.PeriodBetween(t.Date(p.From), t.Date(p.Last()))
}

// periodPhrase is a period within a sentence.
func periodPhrase(t *text.Printer, p report.Period) string {
	if p.Preset > 0 {
		return t.PeriodLastWithin(int64(p.Preset))
	}
	return periodWords(t, p)
}

// spanWords names a period of the books (commission.SpanOf) as people say it: "September 2026" for "2026-09".
func spanWords(t *text.Printer, span string) string {
	if day, err := time.Parse(time.DateOnly, span); err == nil {
		return t.Day(day)
	}
	if month, err := time.Parse("2006-01", span); err == nil {
		return t.Month(month)
	}
	year, part, _ := strings.Cut(span, "-")
	if week, ok := strings.CutPrefix(part, "W"); ok {
		return t.PeriodWeek(strings.TrimPrefix(week, "0"), year)
	}
	switch part {
	case "Q1", "Q2", "Q3", "Q4":
		return t.PeriodQuarter(part, year)
	}
	if span == "ever" {
		return t.PeriodEver()
	}
	return span
}

// periodName is what a period is called: a bonus or a cap, and of when.
func periodName(t *text.Printer, kind, span string) string {
	switch kind {
	case report.PeriodBonus:
		return t.PeriodBonusOf(spanWords(t, span))
	case report.PeriodCap:
		return t.PeriodCapOf(spanWords(t, span))
	}
	return spanWords(t, span)
}
