package commission

import (
	"fmt"
	"slices"
	"time"
)

// State is where a commission is on its way from earned to paid.
type State string

// The states.
const (
	// Pending is in its hold.
	Pending State = "pending"
	// Payable has come out of its hold.
	Payable State = "payable"
	// Paid has left in a payout.
	Paid State = "paid"
	// Held is kept back past its hold, because of a risk.
	Held State = "held"
	// Declined was refused by the merchant or the network, or is no longer earned.
	Declined State = "declined"
	// Reversed has been taken back whole by refunds.
	Reversed State = "reversed"
)

// next lists the states that may follow a state.
func (s State) next() []State {
	switch s {
	case Pending:
		return []State{Payable, Held, Declined, Reversed}
	case Payable:
		// It is pending again when an extension that was made in the hold is taken in after it.
		return []State{Pending, Paid, Held, Declined, Reversed}
	case Held:
		return []State{Pending, Payable, Declined, Reversed}
	case Paid:
		return []State{Declined, Reversed} // what was paid is then a debt, netted from the next payout
	case Reversed:
		// A share of nothing may become one again: shares are rounded by largest remainder. And what is taken back whole may be
		// held or declined all the same.
		return []State{Pending, Payable, Held, Declined}
	case Declined:
		// What was declined comes back when a later fact makes the decision credit it again: a review is withdrawn, a claim
		// granted, a missing click key added. Nothing else can, since states follow from decisions; and what was paid comes
		// back as a debt or a credit of the next payout, never as paid.
		return []State{Pending, Payable, Held, Reversed}
	}
	return nil
}

// MayBecome reports whether a commission may go from one state to another. Staying is always allowed.
func (s State) MayBecome(to State) bool {
	return s == to || slices.Contains(s.next(), to)
}

// TransitionError says that a commission cannot go from one state to another.
type TransitionError struct{ From, To State }

// Error names both states.
func (e *TransitionError) Error() string {
	return fmt.Sprintf("a commission that is %s cannot become %s", e.From, e.To)
}

// State is where the facts alone put the credit once all holds that end at or before until are over: declined, reversed when
// refunds have taken all that was earned and charged, held, else payable once its own hold is over, else pending.
func (c *Credit) State(until time.Time) State {
	switch {
	case c.Declined:
		return Declined
	case c.Gross > 0 && c.Net == 0 && c.Fee == 0:
		return Reversed
	case c.Held || c.Net > 0 && c.Disputed == c.Net:
		return Held
	case c.Released(until):
		return Payable
	}
	return Pending
}
