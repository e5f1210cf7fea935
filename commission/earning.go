package commission

import (
	"time"

	"tributary/partners/program"
)

// Earning is what stands of a credit: a row of the table commission.
type Earning struct {
	Earner

	Program program.ProgramID
	Link    program.LinkID
	// OrderedAt is when the order was placed.
	OrderedAt time.Time
	// Currency is that of the order.
	Currency string
	Lines    int
	// Leads marks the first credit of an order, under which the order is counted, Counts the first of each earner's. Clicks are
	// counted as no order.
	Leads, Counts bool
	// Minor units: the order's amounts in its currency, the rest in the unit. Pending, Payable, Held and Paid are what the
	// books hold; what is held of a customer's is pending there.
	Revenue, Refunded, Gross, Net, Fee, Pending, Payable, Held, Paid int64

	HoldUntil time.Time
	// Released says that the hold has been ended, whatever was left to become payable then.
	Released bool
	State    State
}

// Earning is the row of credit i once all holds that end at or before until are over.
func (d *Decision) Earning(i int, until time.Time) Earning {
	c := &d.Credits[i]
	e := Earning{
		Earner: c.Earner(), Program: c.Program, Link: c.Link, OrderedAt: c.OrderedAt, Currency: d.Order.Currency,
		Lines: c.Lines, Leads: i == 0 && d.Order.Clicks == nil, Counts: d.Counts(i), Revenue: c.Revenue, Refunded: c.Refunded,
		Gross: c.Gross, Net: c.Net, Fee: c.Fee, HoldUntil: c.HoldUntil, State: c.State(until), Released: c.Released(until),
	}
	held := c.Disputed
	switch {
	case c.Held:
		held = c.Net
	case e.Released:
		e.Payable = c.Net - held
	default:
		e.Pending = c.Net - held
	}
	if c.Role == RoleCustomer {
		e.Pending += held
	} else {
		e.Held = held
	}
	return e
}

// Counts reports whether no earlier credit is of the partner of credit i: where what partners brought is counted, an order
// counts once for each of them.
func (d *Decision) Counts(i int) bool {
	if d.Order.Clicks != nil {
		return false
	}
	for n := range i {
		if d.Credits[n].Partner == d.Credits[i].Partner {
			return false
		}
	}
	return true
}

// Gone is what is left of a row that the decision no longer knows. What was taken back whole stays so.
func (e *Earning) Gone() Earning {
	left := Earning{
		Earner: e.Earner, Program: e.Program, Link: e.Link, OrderedAt: e.OrderedAt, Currency: e.Currency,
		HoldUntil: e.HoldUntil, State: Declined, Released: true,
	}
	if e.State == Reversed {
		left.State = e.State
	}
	return left
}

// FindEarning finds the row of an earner, or nothing.
func FindEarning(rows []Earning, of Earner) *Earning {
	for i := range rows {
		if rows[i].Earner == of {
			return &rows[i]
		}
	}
	return nil
}
