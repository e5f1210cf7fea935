package commission

import "slices"

// State is where a commission is on its way from earned to paid.
type State string

// The states.
const (
	// Pending is in its hold.
	Pending State = "pending"
	// Approved has come out of its hold and is payable.
	Approved State = "approved"
	// Paid has left in a payout.
	Paid State = "paid"
	// Held is kept back past its hold, because of a risk.
	Held State = "held"
	// Rejected was refused by the merchant or the network.
	Rejected State = "rejected"
	// Reversed has been taken back whole by refunds.
	Reversed State = "reversed"
)

// next lists the states that may follow a state.
func (s State) next() []State {
	switch s {
	case Pending:
		return []State{Approved, Held, Rejected, Reversed}
	case Approved:
		return []State{Paid, Held, Rejected, Reversed}
	case Held:
		return []State{Pending, Approved, Rejected, Reversed}
	case Paid:
		return []State{Reversed} // what was paid is then a debt, netted from the next payout
	case Rejected, Reversed:
		return nil
	}
	return nil
}

// MayBecome tells whether a commission may go from one state to another. Staying is always allowed; rejected and
// reversed are final.
func (s State) MayBecome(to State) bool {
	return s == to || slices.Contains(s.next(), to)
}

// State is where the facts alone put the credit: reversed when refunds have taken all that was earned, else approved once
// released, else pending.
func (c *Credit) State(released bool) State {
	switch {
	case c.Gross > 0 && c.Net == 0:
		return Reversed
	case released:
		return Approved
	}
	return Pending
}
