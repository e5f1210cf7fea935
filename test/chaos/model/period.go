package model

// month is what a partner's orders of a month come to.
type month struct {
	rule  Period
	total int64
}

// Bonuses works out what the months of all orders that Close gave come to; those that come to nothing are left out.
func (b *Books) Bonuses(orders map[OrderKey]Order) map[Bonus]int64 {
	months := map[Bonus]month{}
	for key, o := range orders {
		for _, c := range o.Commissions {
			s := b.sales[key]
			for _, rule := range b.terms(s, c.Program).Periods {
				of := Bonus{key.Merchant, c.Program, c.Partner, rule.ID, s.At.UTC().Format("2006-01"), c.Currency}
				m := months[of]
				m.rule = rule
				m.total += measure(rule.Measure, &o, &c)
				months[of] = m
			}
		}
	}
	all := map[Bonus]int64{}
	for of, m := range months {
		if amount := m.rule.pays(m.total); amount != 0 {
			all[of] = amount
		}
	}
	return all
}

// measure is what an order adds to its month, and what is declined does not. Orders of programs with months are one partner's.
func measure(what string, o *Order, c *Commission) int64 {
	switch {
	case c.State == "declined":
		return 0
	case what == "commission":
		return c.Net
	case what == "revenue":
		return o.Amount - o.Refunded
	case o.Amount > o.Refunded:
		return 1
	}
	return 0
}

// pays is what a month of so much is paid, below zero where something is taken back.
func (p *Period) pays(total int64) (amount int64) {
	if p.Cap > 0 {
		return -max(0, total-p.Cap)
	}
	for n, tier := range p.Tiers {
		if total < tier.From {
			break
		}
		reached := total
		if n+1 < len(p.Tiers) {
			reached = min(total, p.Tiers[n+1].From)
		}
		switch {
		case tier.Once > 0:
			amount += tier.Once
		case p.Retroactive:
			amount = part(total, tier.Percent)
		default:
			amount += part(reached-tier.From, tier.Percent)
		}
	}
	return amount
}
