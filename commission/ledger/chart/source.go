package chart

import "fmt"

// Source says what sort of thing caused a transaction of the books. The number of that thing, its version and the place
// within the transaction make a posting unique.
type Source int16

// The sources, numbered for ever; 6 is reserved.
const (
	// OfOrder marks what an order caused; the number is the order's within the installation, the version the order's.
	OfOrder Source = 1
	// OfPeriod marks what the sums of a partner's period caused.
	OfPeriod Source = 2
	// OfPayoutLine marks what a line of a payout batch caused.
	OfPayoutLine Source = 3
	// OfJournal marks what a person entered.
	OfJournal Source = 4
	// OfBankLine marks what a line of a bank statement caused.
	OfBankLine Source = 5
	// OfPoints marks what members' points caused.
	OfPoints Source = 7
	// OfStoredValue marks what stored value caused.
	OfStoredValue Source = 8
)

// SourceEntry is the line of a source in the chart.
type SourceEntry struct {
	Source Source
	// Name is how messages call what caused a posting.
	Name string
}

//nolint:gochecknoglobals // it never changes
var sources = [...]SourceEntry{
	{OfOrder, "order"},
	{OfPeriod, "period"},
	{OfPayoutLine, "payout line"},
	{OfJournal, "journal"},
	{OfBankLine, "bank line"},
	{OfPoints, "points"},
	{OfStoredValue, "stored value"},
}

// Sources lists every source that may post, in the order of the numbers.
func Sources() []SourceEntry { return sources[:] }

// String is the source's name, or its number when the chart does not have it.
func (s Source) String() string {
	for i := range sources {
		if sources[i].Source == s {
			return sources[i].Name
		}
	}
	return fmt.Sprintf("source %d", int16(s))
}
