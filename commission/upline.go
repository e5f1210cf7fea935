package commission

import (
	"cmp"
	"slices"

	"tributary/internal/money"
	"tributary/partners/program"
)

// credit gives those who win the order their credits, and those whom these bring in or who buy theirs. Where nobody can have
// one the outcome says why.
func (d *Decision) credit(winners []winner, e *Evidence) {
	full := false
	for _, w := range winners {
		found := &e.Candidates[w.candidate].Link
		if full = full || found.Terms.Scheme != nil; full {
			break
		}
		d.Credits = append(d.Credits, Credit{Weight: w.weight})
		d.Credits[len(d.Credits)-1].pricePlain(&d.Order, found)
	}
	if full {
		f := *d // what pricers refer to; a decision by plain terms needs no such place
		f.Credits, f.Order.Refunds = nil, d.Order.refundsInFull()
		if why := f.creditInFull(winners, e); why != "" {
			f.Outcome, f.Credits = why, nil
		}
		*d = f
	}
}

// creditInFull gives the credits of an order of which some partner is paid by a full document, or the reason why nobody earns.
func (d *Decision) creditInFull(winners []winner, e *Evidence) (why Reason) {
	pricers := make([]pricer, len(winners)) // of partners by a full document whom no rule forbids to be paid
	d.Credits = make([]Credit, 0, len(winners))
	unpaid := NoRule
	for i, w := range winners {
		found := &e.Candidates[w.candidate].Link
		c := Credit{}
		if found.Terms.Scheme == nil {
			c.pricePlain(&d.Order, found)
			unpaid = ""
		} else {
			var p pricer
			var failed Reason
			p, c, failed = d.priceInFull(pricers[:i], e, found)
			switch {
			case failed != "":
				return failed
			case c.Unpaid == "":
				pricers[i], unpaid = p, ""
			case c.Unpaid == NoRule:
				pricers[i] = p // others may have rules of their own
			case unpaid == NoRule:
				unpaid = c.Unpaid
			}
		}
		c.Weight = w.weight
		d.Credits = append(d.Credits, c)
	}
	if d.some(func(c *Credit) bool { return !c.sharesWith(&d.Credits[0]) }) {
		return CannotBePriced // partners under versions of the terms that nothing can be shared by
	}
	if !d.addUplines(pricers) {
		return CannotBePriced
	}
	if unpaid != "" && !d.some((*Credit).earnsOfOrder) {
		return unpaid
	}
	for i, p := range pricers {
		if p.pricing != nil && d.Credits[i].Unpaid == "" {
			p.count(&d.Credits[i], program.ToPartner)
		}
	}
	return ""
}

// priceInFull prices the order by a full document for the next partner who shares it. It is worth the same to those to whom the
// terms are the same.
func (d *Decision) priceInFull(before []pricer, e *Evidence, found *program.LinkTerms) (p pricer, c Credit, failed Reason) {
	for i := range before {
		if before[i].prices(found) {
			p = pricer{before[i].pricing, found}
			return p, p.of(d.Credits[i]), ""
		}
	}
	if p, failed = newPricer(&d.Order, e, found); failed == "" {
		c, failed = p.forPartner()
	}
	return p, c, failed
}

// some reports whether something is so of a credit.
func (d *Decision) some(is func(c *Credit) bool) bool {
	for i := range d.Credits {
		if is(&d.Credits[i]) {
			return true
		}
	}
	return false
}

// sharesWith reports whether two partners can share an order by their terms.
func (c *Credit) sharesWith(o *Credit) bool {
	return c.Unit == o.Unit && c.Terms.NetworkFee == o.Terms.NetworkFee
}

// earnsOfOrder reports whether a rule pays for the credit, whatever others earn.
func (c *Credit) earnsOfOrder() bool {
	return slices.ContainsFunc(c.Rules, func(r Rule) bool { return r.Of == "" })
}

// addUplines adds the credits of recruiters, each with one however many of the order's partners they brought in, and of the
// customer, by the rules for the first of these partners. It is not ok where they cannot be counted.
func (d *Decision) addUplines(pricers []pricer) (ok bool) {
	var first hanging
	ok = true
	for i, p := range pricers {
		if p.pricing == nil || p.found.Terms.Scheme.PartnersOnly(&p.found.Enrolment) {
			continue
		}
		h := hanging{p: p, earned: d.full(i, d.Credits[i].sold, 0), of: []program.PartnerID{d.Credits[i].Partner}}
		if first.p.pricing == nil {
			first = h
		} else {
			first.of = append(slices.Clone(first.of), h.of...)
		}
		if who := p.found.Enrolment.Recruiter; who != 0 {
			ok = ok && d.hang(h, program.ToRecruiter, RoleRecruiter, who, "")
		}
		if who := p.found.Enrolment.Recruiter2; who != 0 {
			ok = ok && d.hang(h, program.ToRecruiter2, RoleRecruiter2, who, "")
		}
	}
	if first.p.pricing != nil && d.Order.Customer != "" {
		for _, unit := range [...]string{"", money.Points} {
			ok = ok && d.hang(first, program.ToCustomer, RoleCustomer, 0, unit)
		}
	}
	return ok && len(d.Credits) <= MaxCredits
}

// hanging is what credits hang on: what the partners of other credits bring.
type hanging struct {
	p pricer
	// earned is what the partner would earn with all of the order.
	earned int64
	of     []program.PartnerID
}

// hang adds what somebody gets for what others bring: to the credit they have already, or with one. It is not ok where that
// cannot be counted.
func (d *Decision) hang(h hanging, to program.Payee, role Role, who program.PartnerID, unit string) (ok bool) {
	c, ok := h.p.pay(to, unit, h.earned)
	onlyCounts := ok && len(c.Rules) == 0 && h.p.countsAlone(to)
	if !ok || len(c.Rules) == 0 && !onlyCounts {
		return ok
	}
	c.Partner, c.Role, c.Link = who, role, 0
	for range max(1, len(c.Rules)) {
		c.From = append(c.From, h.of)
	}
	if onlyCounts {
		c.Unpaid = NoRule
	}
	at := d.creditOf(c.Earner())
	if at < 0 {
		if h.p.count(&c, to); c.Counted != nil || !onlyCounts {
			d.Credits = append(d.Credits, c)
		}
	} else {
		d.Credits[at].merge(&c)
	}
	return true
}

// creditOf is the index of an earner's credit, below zero where there is none.
func (d *Decision) creditOf(of Earner) int {
	for i := range d.Credits {
		if d.Credits[i].Earner() == of {
			return i
		}
	}
	return -1
}

// countsAlone reports whether a recruiter has a credit for periods alone: where no rule of the terms is for them, whatever it
// is about.
func (p *pricer) countsAlone(to program.Payee) bool {
	if to == program.ToCustomer || !p.template.Terms.rules3() {
		return false
	}
	for _, scope := range p.scopes {
		if slices.ContainsFunc(scope.Rules, func(r program.Rule) bool { return r.To == to }) {
			return false
		}
	}
	return true
}

// merge adds the rules of a further partner whom the credit's owner has brought in. A rule that prices the same lines for both
// is one.
func (c *Credit) merge(o *Credit) {
	switch {
	case c.Unpaid != "" && o.Unpaid != "":
		c.From[0] = append(slices.Clone(c.From[0]), o.From[0]...)
		return
	case o.Unpaid != "":
		return
	case c.Unpaid != "":
		c.Unpaid, c.From = "", nil // it has rules of its own
	}
	for i := range o.Rules {
		same := slices.IndexFunc(c.Rules, func(r Rule) bool { return r == o.Rules[i] })
		if same >= 0 && slices.Equal(c.linesOf(same), o.linesOf(i)) {
			c.From[same] = append(slices.Clone(c.From[same]), o.From[i]...)
			continue
		}
		for _, p := range o.Priced {
			if p.Rule == i {
				p.Rule = len(c.Rules)
				c.Priced = append(c.Priced, p)
			}
		}
		c.Rules, c.From = append(c.Rules, o.Rules[i]), append(c.From, o.From[i])
	}
	slices.SortStableFunc(c.Priced, func(a, b Priced) int { return cmp.Compare(a.Line, b.Line) })
	c.Lines = max(c.Lines, o.Lines)
	if o.HoldUntil.After(c.HoldUntil) {
		c.HoldUntil, c.Terms.HoldSeconds, c.RefundsUntil = o.HoldUntil, o.Terms.HoldSeconds, o.RefundsUntil
	}
}

// linesOf are the numbers of the lines that a rule prices.
func (c *Credit) linesOf(rule int) (lines []int64) {
	for _, p := range c.Priced {
		if p.Rule == rule {
			lines = append(lines, p.Line)
		}
	}
	return lines
}

// share is what a rule's partners have of the order, but for those that are gone, in parts of the whole; both 0 where that is all
// of it.
func (d *Decision) share(c *Credit, rule int, gone set) (part, whole int64) {
	if len(c.From) == 0 || c.Role == RoleCustomer {
		return 0, 0
	}
	for i := range d.Credits {
		if o := &d.Credits[i]; o.Role == RolePartner {
			whole += o.Weight
			if !gone.has(i) && slices.Contains(c.From[rule], o.Partner) {
				part += o.Weight
			}
		}
	}
	return part, whole
}

// earnedBy is what the partners of a rule earn, or are charged for, of what rules of that kind pay.
func (d *Decision) earnedBy(c *Credit, rule int, parts []part) (sum int64) {
	for i := range d.Credits {
		if o := &d.Credits[i]; o.Role == RolePartner && slices.Contains(c.From[rule], o.Partner) {
			if c.Rules[rule].Of == program.OfFee {
				sum += parts[i].fee
			} else {
				sum += parts[i].net
			}
		}
	}
	return sum
}

// ofEarned is what a rule gives of what others earn.
func (r *Rule) ofEarned(base int64) int64 {
	worth := r.Rate.Of(base)
	if r.Max > 0 {
		worth = min(worth, r.Max)
	}
	return worth
}
