package dashboard

import (
	"strconv"

	"tributary/report"
)

// periodWords is a period in a sentence of its own.
func periodWords(p report.Period) string {
	if p.Preset > 0 {
		return "Last " + strconv.Itoa(p.Preset) + " days"
	}
	return date(p.From) + " to " + date(p.Last())
}

// periodPhrase is a period within a sentence.
func periodPhrase(p report.Period) string {
	if p.Preset > 0 {
		return "last " + strconv.Itoa(p.Preset) + " days"
	}
	return periodWords(p)
}
