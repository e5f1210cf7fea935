// Package schemes gives tests ways to share an order that no terms have yet.
package schemes

import (
	"cmp"
	"time"

	"tributary/commission"
	"tributary/internal/money"
	"tributary/partners/program"
)

// Share is somebody's part of an order.
type Share struct {
	// Partner has it; 0 is whom the click credits, and of RoleCustomer the customer.
	Partner program.PartnerID
	Role    commission.Role
	// Unit is what it is in, as many as there would be in the order's currency; empty for that.
	Unit string
	// Weight is in parts of the sum of all weights.
	Weight int64
	// Longer is how much longer than the terms say it is held.
	Longer time.Duration
}

// Split decides as the product does, and divides what one partner would earn: by the rates of that one.
func Split(shares ...Share) commission.Decider {
	return func(order commission.Order, evidence commission.Evidence) (commission.Decision, error) {
		d, err := commission.Decide(order, evidence)
		if err != nil || len(d.Credits) == 0 {
			return d, err
		}
		whole := d.Credits[0]
		d.Credits = make([]commission.Credit, 0, len(shares))
		for _, s := range shares {
			c := whole
			c.Role, c.Weight, c.HoldUntil = s.Role, s.Weight, c.HoldUntil.Add(s.Longer)
			if s.Partner != 0 || s.Role == commission.RoleCustomer {
				c.Partner, c.Link = s.Partner, 0
			}
			c.Unit = cmp.Or(s.Unit, c.Unit)
			d.Credits = append(d.Credits, c)
		}
		return d, d.Share()
	}
}

// Counting decides as another decider does, and counts the partners' credits by rules on periods.
func Counting(decide commission.Decider, rules ...*program.Counting) commission.Decider {
	return func(order commission.Order, evidence commission.Evidence) (commission.Decision, error) {
		d, err := decide(order, evidence)
		for i := range d.Credits {
			if c := &d.Credits[i]; c.Role == commission.RolePartner {
				c.Count(&d.Order, rules, func(*program.Counting, int) bool { return true })
			}
		}
		return d, err
	}
}

// Rules are rules on periods as the first version of terms in UTC has them, with the network's fee.
func Rules(fee money.Rate, periods ...program.Period) []*program.Counting {
	rules := make([]*program.Counting, 0, len(periods))
	for _, p := range periods {
		rule, err := (&program.PeriodRule{Version: 1, NetworkFee: fee, Period: p}).Compile()
		if err != nil {
			panic(err) // UTC is a zone
		}
		rules = append(rules, rule)
	}
	return rules
}
