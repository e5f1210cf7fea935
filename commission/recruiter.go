package commission

import (
	"slices"

	"tributary/internal/money"
	"tributary/partners/program"
)

// rules3 reports whether the credits are divided by rules 3: where one of them is by terms that stand under these.
func (d *Decision) rules3() bool {
	return d.some(func(c *Credit) bool { return c.Terms.rules3() })
}

// width is how many numbers worths gives: one for each credit and, where recruiters are rounded together, one for each partner and
// level of recruiters.
func (d *Decision) width() int {
	n := len(d.Credits)
	if n < 3 || !d.some(func(c *Credit) bool { return c.recruits() && c.Terms.rules3() }) {
		return n
	}
	if partners := d.partners(); partners > 1 {
		n += 2 * partners // RoleRecruiter, then RoleRecruiter2
	}
	return n
}

// recruits reports whether the credit is for parts of the order that others brought.
func (c *Credit) recruits() bool {
	return len(c.From) > 0 && (c.Role == RoleRecruiter || c.Role == RoleRecruiter2)
}

// partners counts those who share the order: theirs are the first credits.
func (d *Decision) partners() int {
	n := 0
	for n < len(d.Credits) && d.Credits[n].Role == RolePartner {
		n++
	}
	return n
}

// value enters credit i in worths.
func (d *Decision) value(worths []int64, i int, of func(rule int) (base, units int64), gone set) {
	c, levelled := &d.Credits[i], worths[len(d.Credits):]
	if len(levelled) == 0 || !c.recruits() {
		worths[i] = d.full(i, of, gone)
		return
	}
	partners := d.partners()
	level := levelled[int(c.Role-RoleRecruiter)*partners:][:partners]
	for n := range c.Rules {
		r := &c.Rules[n]
		if r.Of != "" {
			continue
		}
		base, units := of(n)
		worth := c.worth(r, base, units)
		for p := range level {
			if slices.Contains(c.From[n], d.Credits[p].Partner) {
				level[p] += worth
			}
		}
	}
}

// payRecruiters adds to the credits of recruiters their parts of what worths says of each level, by the weights of the partners
// whom they brought in.
func (d *Decision) payRecruiters(parts []part, worths []int64, gone set) {
	levelled := worths[len(d.Credits):]
	if len(levelled) == 0 {
		return
	}
	partners := d.partners()
	weights := make([]int64, partners)
	for p := range weights {
		weights[p] = d.Credits[p].Weight
	}
	for n, role := range [...]Role{RoleRecruiter, RoleRecruiter2} {
		for p, share := range money.Blend(levelled[n*partners:][:partners], weights) {
			if gone.has(p) {
				continue
			}
			brought := func(of []program.PartnerID) bool { return slices.Contains(of, d.Credits[p].Partner) }
			for i := range d.Credits {
				if c := &d.Credits[i]; c.Role == role && c.recruits() && !gone.has(i) && slices.ContainsFunc(c.From, brought) {
					parts[i].net += share
				}
			}
		}
	}
}

// upline is what a rule pays of what others earn.
type upline struct {
	credit, rule int
	base, worth  int64
}

// uplines are what all rules pay that pay of what partners earn, whose parts are given. By rules 3 those who are paid by the same
// rule for several partners of the order are rounded together, and all that is paid of the fee is no more than the fee.
func (d *Decision) uplines(parts []part, gone set) []upline {
	var all []upline
	for i := range d.Credits {
		c := &d.Credits[i]
		for n := range c.Rules {
			if len(c.From) > 0 && c.Rules[n].Of != "" && !gone.has(i) {
				base := d.earnedBy(c, n, parts)
				all = append(all, upline{i, n, base, c.Rules[n].ofEarned(base)})
			}
		}
	}
	if len(all) > 1 && d.rules3() {
		d.roundTogether(all)
		d.keepWithinFee(all, parts)
	}
	return all
}

// roundTogether divides what a rule pays to several of one role for what their partners earn together, by largest remainder.
func (d *Decision) roundTogether(all []upline) {
	for n := range all {
		c := &d.Credits[all[n].credit]
		rule := &c.Rules[all[n].rule]
		var same []int
		var bases []int64
		sum := int64(0)
		for m := range all {
			o := &d.Credits[all[m].credit]
			if r := &o.Rules[all[m].rule]; o.Role == c.Role && r.ID == rule.ID && r.Scope == rule.Scope && r.Of == rule.Of && r.Rate == rule.Rate && r.Max == rule.Max {
				same, bases, sum = append(same, m), append(bases, all[m].base), sum+all[m].base
			}
		}
		if len(same) < 2 || same[0] != n {
			continue
		}
		for k, worth := range money.Split(rule.ofEarned(sum), bases) {
			all[same[k]].worth = worth
		}
	}
}

// keepWithinFee divides the network's fee among those who are paid of it, in proportion to what their rules give, where that would
// be more.
func (d *Decision) keepWithinFee(all []upline, parts []part) {
	var of []int
	var worths []int64
	sum, fee := int64(0), int64(0)
	for n := range all {
		if d.Credits[all[n].credit].Rules[all[n].rule].Of == program.OfFee {
			of, worths, sum = append(of, n), append(worths, all[n].worth), sum+all[n].worth
		}
	}
	for i := range d.Credits {
		if d.Credits[i].Role == RolePartner {
			fee += parts[i].fee
		}
	}
	if sum <= fee {
		return
	}
	for k, worth := range money.Split(fee, worths) {
		all[of[k]].worth = worth
	}
}
