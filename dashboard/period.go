package dashboard

import (
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
