package commission

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"tributary/internal/money"
	"tributary/partners/program"
)

// Role is in what capacity somebody earns on an order. The zero value is that of most credits.
type Role uint8

// The roles. A customer's credit is of partner 0; all others are a partner's.
const (
	// RolePartner brought the customer. Only these credits carry the network's fee, those of them in the order's currency.
	RolePartner Role = iota
	// RoleRecruiter brought the partner into the network, RoleRecruiter2 that one.
	RoleRecruiter
	RoleRecruiter2
	// RoleCustomer is who bought.
	RoleCustomer
	// RoleStaff works for the merchant.
	RoleStaff
)

// String is the role as the record, the tables and the reports name it.
func (r Role) String() string {
	if names := roles(); int(r) < len(names) {
		return names[r]
	}
	return fmt.Sprintf("role %d", r)
}

func roles() [5]string { return [5]string{"partner", "recruiter", "recruiter2", "customer", "staff"} }

// ParseRole reads what String writes.
func ParseRole(text string) (Role, error) {
	names := roles()
	i := slices.Index(names[:], text)
	if i < 0 {
		return 0, fmt.Errorf("%q is not a role", text)
	}
	return Role(i), nil
}

// MarshalText writes the role's name.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads the role's name.
func (r *Role) UnmarshalText(text []byte) (err error) {
	*r, err = ParseRole(string(text))
	return err
}

// Earner names a credit within its order.
type Earner struct {
	Partner program.PartnerID
	Role    Role
	Unit    string
}

// Earner names the credit.
func (c *Credit) Earner() Earner { return Earner{c.Partner, c.Role, c.Unit} }

// MaxCredits bounds the credits of one order: those of nine partners, two recruiters of each, and the customer's in money and
// in points.
const MaxCredits = 29

// set is some of the credits of an order, by their indexes.
type set uint32

func (s set) has(i int) bool { return s>>i&1 != 0 }

func (s set) with(i int) set { return s | 1<<i }

// Share divides the order among its credits, whose rules are priced: it sets Gross, Net, Fee and FeeExact of each. Credits
// of one unit with a weight share the order by weight, each at its own price (money.Blend); one without has all that its
// rules give. The fee is rounded once, on what credits of RolePartner in the order's currency have together, and split over
// those by their weights. It refuses credits that cannot be told apart or shared out.
func (d *Decision) Share() error {
	if err := d.checkCredits(); err != nil {
		return err
	}
	var room scratch
	for i := range d.Credits {
		c := &d.Credits[i]
		if _, known := money.Exponent(c.Unit); !known {
			return fmt.Errorf("sharing an order: a credit is in %q, which is neither a currency nor %s", c.Unit, money.Points)
		}
		if c.Role == RoleCustomer && c.Customer == "" {
			return errors.New("sharing an order: its customer has a credit, and it names no customer")
		}
	}
	gone := d.declined()
	full := d.worths(room.full[:0], (*Credit).sold, 0)
	parts := d.parts(room.parts[:0], full, 0)
	for i := range d.Credits {
		d.Credits[i].Gross = parts[i].net
	}
	for _, u := range d.uplines(parts, 0) {
		d.Credits[u.credit].Rules[u.rule].Amount = u.base
	}
	if left := d.worths(room.left[:0], (*Credit).left, gone); gone != 0 || !slices.Equal(left, full) {
		parts = d.parts(parts[:0], left, gone)
	}
	for _, u := range d.uplines(parts, gone) {
		r := &d.Credits[u.credit].Rules[u.rule]
		r.Base, r.Exact, r.Net = u.base, r.Rate.Exact(u.base), u.worth
	}
	feeOn, first := int64(0), -1
	for i := range d.Credits {
		c := &d.Credits[i]
		c.Net, c.Fee, c.FeeExact = parts[i].net, parts[i].fee, money.Product{}
		if d.Charges(c) && !gone.has(i) {
			if feeOn += c.Net; first < 0 {
				first = i
			}
		}
	}
	if first >= 0 {
		d.Credits[first].FeeExact = d.Credits[first].Terms.NetworkFee.Exact(feeOn)
	}
	d.dispute()
	return nil
}

// Charges reports whether the network's fee is on a credit of the order, with all others that it is on: it goes by the weights
// alone, so also on a partner whose own part of the order earns nothing.
func (d *Decision) Charges(c *Credit) bool {
	return c.Role == RolePartner && c.Unit == d.Credits[0].Unit
}

// checkCredits refuses credits that cannot be told apart, shared out or charged the network's fee.
func (d *Decision) checkCredits() error {
	if len(d.Credits) > MaxCredits {
		return fmt.Errorf("sharing an order: there are %d credits, more than %d", len(d.Credits), MaxCredits)
	}
	var lead *Credit // the first that carries the fee
	for i := range d.Credits {
		c := &d.Credits[i]
		switch {
		case c.Weight < 0 || c.Weight > maxWeight:
			return fmt.Errorf("sharing an order: the weight of partner %d is %d", c.Partner, c.Weight)
		case (c.Partner == 0) != (c.Role == RoleCustomer):
			return fmt.Errorf("sharing an order: a credit in the role of %s is of partner %d", c.Role, c.Partner)
		case d.creditOf(c.Earner()) < i:
			return fmt.Errorf("sharing an order: partner %d has two credits in the role of %s", c.Partner, c.Role)
		case !d.Charges(c):
		case lead == nil:
			lead = c
		case lead.Weight == 0 || c.Weight == 0 || lead.Terms.NetworkFee != c.Terms.NetworkFee:
			return fmt.Errorf("sharing an order: partners %d and %d have no weights, or differ in the network's fee", lead.Partner, c.Partner)
		}
	}
	if len(d.Credits) > 0 && d.Credits[0].Role == RoleCustomer {
		return errors.New("sharing an order: the first credit is a customer's")
	}
	return nil
}

// maxWeight bounds a weight so that the sum of MaxCredits of them fits an int64, and the touches of a path that are all one
// partner's have together no more.
const maxWeight = 1 << 44

// full is what credit i would have if it took all, of what its rules do not pay of what others earn. of says for each rule what
// counts of its lines, gone which credits are declined.
func (d *Decision) full(i int, of func(rule int) (base, units int64), gone set) int64 {
	c, sum := &d.Credits[i], int64(0)
	for n := range c.Rules {
		r := &c.Rules[n]
		if r.Of != "" {
			continue
		}
		base, units := of(n)
		worth := c.worth(r, base, units)
		if part, whole := d.share(c, n, gone); whole > 0 {
			worth = money.Scale(worth, part, whole)
		}
		sum += worth
	}
	return sum
}

// sold and left are what counts of a rule's lines before and after refunds.
func (c *Credit) sold(rule int) (base, units int64) { return c.Rules[rule].Amount, c.Rules[rule].Units }

func (c *Credit) left(rule int) (base, units int64) { return c.Rules[rule].Base, c.Rules[rule].Left }

// worths appends what the credits are worth as parts takes it: for each what it would have if it took all, of what of says counts
// of the lines of a rule; then, where recruiters are rounded together, what they would have of each partner's order. gone are the
// credits that are declined.
func (d *Decision) worths(dst []int64, of func(c *Credit, rule int) (base, units int64), gone set) []int64 {
	from := len(dst)
	dst = append(dst, make([]int64, d.width())...)
	for i := range d.Credits {
		c := &d.Credits[i]
		d.value(dst[from:], i, func(rule int) (base, units int64) { return of(c, rule) }, gone)
	}
	return dst
}

// part is what a credit has of its order at some time.
type part struct{ net, fee int64 }

// scratch is room for what most orders need.
type scratch struct {
	at         [2]time.Time
	parts      [4]part
	full, left [4]int64
}

// parts appends what each credit has by what worths gives. Those that are gone have nothing, and nobody else has it.
func (d *Decision) parts(dst []part, full []int64, gone set) []part {
	if len(d.Credits) == 1 {
		if gone.has(0) {
			return append(dst, part{})
		}
		p := part{net: full[0]}
		if c := &d.Credits[0]; d.Charges(c) {
			p.fee = c.Terms.NetworkFee.Of(p.net)
		}
		return append(dst, p)
	}
	from := len(dst)
	dst = append(dst, make([]part, len(d.Credits))...)
	parts := dst[from:]
	for i := range parts {
		parts[i].net = full[i]
	}
	var done set
	for i := range d.Credits {
		if unit := d.Credits[i].Unit; !done.has(i) {
			sharing := d.those(func(c *Credit) bool { return c.Unit == unit })
			done |= sharing
			d.blend(parts, full, sharing&d.those((*Credit).shares))
		}
	}
	for i := range parts {
		if gone.has(i) {
			parts[i].net = 0
		}
	}
	d.chargeFee(parts, d.those(d.Charges)&^gone)
	d.payRecruiters(parts, full, gone)
	for _, u := range d.uplines(parts, gone) {
		c := &d.Credits[u.credit]
		parts[u.credit].net += u.worth
		if c.Rules[u.rule].Of == program.OfFee {
			parts[u.credit].fee -= u.worth
		}
	}
	return dst
}

// those are the credits of which something is so.
func (d *Decision) those(is func(c *Credit) bool) (all set) {
	for i := range d.Credits {
		if is(&d.Credits[i]) {
			all = all.with(i)
		}
	}
	return all
}

// shares reports whether the credit has a part of the order, beside others.
func (c *Credit) shares() bool { return c.Weight > 0 }

// blend divides the order among credits of one unit by their weights, each at its own price.
func (d *Decision) blend(parts []part, full []int64, among set) {
	var room [2][4]int64
	amounts, weights := room[0][:0], room[1][:0]
	for i := range d.Credits {
		if among.has(i) {
			amounts, weights = append(amounts, full[i]), append(weights, d.Credits[i].Weight)
		}
	}
	if among == 0 {
		return
	}
	shares := money.Blend(amounts, weights)
	for i := range parts {
		if among.has(i) {
			parts[i].net, shares = shares[0], shares[1:]
		}
	}
}

// chargeFee divides the network's fee on what credits have together among them by their weights.
func (d *Decision) chargeFee(parts []part, among set) {
	var room [4]int64
	weights := room[:0]
	feeOn, rate := int64(0), money.Rate(0)
	for i := range d.Credits {
		if among.has(i) {
			feeOn, rate, weights = feeOn+parts[i].net, d.Credits[i].Terms.NetworkFee, append(weights, d.Credits[i].Weight)
		}
	}
	shares := money.Split(rate.Of(feeOn), weights)
	for i := range parts {
		if among.has(i) {
			parts[i].fee, shares = shares[0], shares[1:]
		}
	}
}

// Released reports whether the credit's hold is over once all holds that end at or before until are.
func (c *Credit) Released(until time.Time) bool { return !until.Before(c.HoldUntil) }
