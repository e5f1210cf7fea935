// Package fx holds what currencies are worth in one another: rates that a source has published for a day, or that a person
// entered. Step 5 in the life of a click asks it for orders in another currency than their program's terms. A rate begins when
// it is published, unless orders have been converted without it since: then a moment after it is entered. It stays: what an order was
// converted by once, it is converted by for ever.
package fx

import (
	"fmt"
	"time"

	"tributary/commission"
	"tributary/internal/money"
)

// Entry is a rate as it is entered. One with a Num of 0 says that there is no rate from here on.
type Entry struct {
	commission.Rate

	// Published is when it may be used from.
	Published time.Time
}

// MaxText bounds the names of sources and authors, in bytes.
const MaxText = 64

// check refuses what is no rate.
func (e *Entry) check() error {
	switch {
	case !money.Known(e.Base) || !money.Known(e.Quote):
		return fmt.Errorf("%s/%s: one of them is not a currency in force", e.Base, e.Quote)
	case e.Base == e.Quote:
		return fmt.Errorf("%s/%s: a currency is worth one of itself", e.Base, e.Quote)
	case e.Num < 0 || e.Den <= 0:
		return fmt.Errorf("%s/%s: a rate of %d / %d", e.Base, e.Quote, e.Num, e.Den)
	case e.Source == "" || len(e.Source) > MaxText:
		return fmt.Errorf("%s/%s: the name of the source has %d bytes, not 1 to %d", e.Base, e.Quote, len(e.Source), MaxText)
	}
	return nil
}

// DiffersError says that a source's rate for a day stands otherwise than it was to be entered.
type DiffersError struct{ Stands commission.Rate }

// Error names the rate and what to do.
func (e *DiffersError) Error() string {
	return fmt.Sprintf("%s/%s of %s for %s stands as %d/%d, and a rate that stands is never changed: enter one for a later day",
		e.Stands.Base, e.Stands.Quote, e.Stands.Source, e.Stands.Day.Format(time.DateOnly), e.Stands.Num, e.Stands.Den)
}
