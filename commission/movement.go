package commission

import (
	"fmt"
	"time"

	"tributary/commission/ledger/chart"
	"tributary/partners/program"
)

// Cause is why a movement is made.
type Cause string

// The causes. Correction is what brings the books to where they should be when an event arrives late and changes what
// was posted for a time that has passed.
const (
	CauseSale    Cause = "sale"
	CauseRefund  Cause = "refund"
	CauseRelease Cause = "release"
	// CauseReview is what somebody has decided: to hold, to release or to decline.
	CauseReview Cause = "review"
	// CauseDispute is a dispute that is opened, or settled without taking anything back.
	CauseDispute    Cause = "dispute"
	CauseCorrection Cause = "correction"
	// CausePeriod is what the sums of a period pay or take back.
	CausePeriod Cause = "period"
	// CauseManual is a line that somebody entered.
	CauseManual Cause = "manual"
)

// Movement moves an amount, above zero, from a credited account to a debited one.
type Movement struct {
	// At is when it is true in the world, whatever the time at which it is written down.
	At            time.Time
	Cause         Cause
	Debit, Credit chart.Kind
	// Merchant owns both accounts, with Partner or Customer where the kind is a partner's or a member's; 0 and empty where
	// neither is.
	Merchant program.MerchantID
	Partner  program.PartnerID
	Customer string
	// Unit is what is moved: the order's currency, or that of a credit in another unit.
	Unit   string
	Amount int64
}

// Movements is the whole history of what should stand on the books for the order, in the order of time, once all holds
// that end at or before until are over; the zero time ends none. ByCredit gives those of each credit.
func (d *Decision) Movements(until time.Time) []Movement { return Together(d.ByCredit(until)) }

// Whose says for people whose movement it is.
func (m *Movement) Whose() string {
	if m.Customer != "" {
		return fmt.Sprintf("customer %q", m.Customer)
	}
	return fmt.Sprintf("partner %d", m.Partner)
}
