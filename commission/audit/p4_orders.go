package audit

// P4: every accepted order event changes the ledger exactly once.

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
)

// posted reads the orders' postings.
func (v *Verification) posted(rows pgx.Rows, byNo map[int64]*order) error {
	var no int64
	var p posted
	var m commission.Movement
	_, err := pgx.ForEachRow(rows, []any{&no, &p.version, &p.n, &m.Debit, &m.Credit, &m.Merchant, &m.Partner, &m.Customer, &m.Unit, &m.Amount, &m.At}, func() error {
		v.verdict.Postings++
		m.At = m.At.UTC()
		byNo[no].posted = append(byNo[no].posted, m)
		byNo[no].numbered = append(byNo[no].numbered, p)
		return nil
	})
	return err
}

// numbering verifies that the order's postings are numbered without holes under versions that the order has had.
func (v *Verification) numbering(o *order) {
	for i, p := range o.numbered {
		at := Finding{Check: "versions", Table: "posting", Key: fmt.Sprintf("(1, %d, %d, %d)", o.no, p.version, p.n)}
		want := posted{p.version, 0}
		if i > 0 && o.numbered[i-1].version == p.version {
			want.n = o.numbered[i-1].n + 1
		}
		v.Compare(at, "n", strconv.Itoa(int(want.n)), strconv.Itoa(int(p.n)))
		if p.version < 1 || p.version > o.version {
			at.Column, at.Want, at.Have = "version", fmt.Sprintf("1 to %d", o.version), strconv.Itoa(int(p.version))
			v.Find(at)
		}
	}
}

// postings compares what the books hold for an order with what they should.
func (v *Verification) postings(o *order) {
	for _, m := range commission.Mismatches(o.posted, o.decided.Movements(o.released)) {
		v.misposted(fmt.Sprintf("order %d", o.no), m)
	}
}

// misposted reports an amount that is missing at one time and pair of accounts, or too much.
func (v *Verification) misposted(of string, m commission.Mismatch) {
	v.Find(Finding{
		Check: "postings follow from events", Table: "posting",
		Key: fmt.Sprintf("of %s from %s to %s, %s, merchant %d, %s, effective %s", of, m.Credit, m.Debit, m.Whose(),
			m.Merchant, m.Unit, show(m.At)),
		Column: "amount", Want: strconv.FormatInt(m.Want, 10), Have: strconv.FormatInt(m.Have, 10),
	})
}

// earned reads the orders' commissions.
func (v *Verification) earned(rows pgx.Rows, byNo map[int64]*order) error {
	var no int64
	var c commission.Earning
	var role string
	_, err := pgx.ForEachRow(rows, []any{
		&no, &c.Partner, &role, &c.Unit, &c.Program, &c.Link, &c.OrderedAt, &c.Currency, &c.Lines, &c.Leads, &c.Counts, &c.Revenue, &c.Refunded,
		&c.Gross, &c.Net, &c.Fee, &c.Pending, &c.Payable, &c.Held, &c.Paid, &c.HoldUntil, &c.Released, &c.State,
	}, func() (err error) {
		if c.Role, err = commission.ParseRole(role); err != nil {
			return fmt.Errorf("a commission on order %d: %w", no, err)
		}
		byNo[no].earnings = append(byNo[no].earnings, c)
		return nil
	})
	return err
}

// earnings compares the rows of an order's commissions with the decision.
func (v *Verification) earnings(o *order) {
	at := Finding{Check: "commission follows from events", Table: "commission"}
	for i := range o.decided.Credits {
		want := o.decided.Earning(i, o.released)
		have := commission.FindEarning(o.earnings, want.Earner)
		at.Key = fmt.Sprintf("(%d, %d, %s, %s)", o.no, want.Partner, want.Role, want.Unit)
		if have == nil {
			at.Want, at.Have = fmt.Sprintf("a net of %d %s", want.Net, want.Unit), "no row"
			v.Find(at)
			at.Want, at.Have = "", ""
			continue
		}
		v.earning(at, &want, have)
	}
	for i := range o.earnings {
		have := &o.earnings[i]
		if slices.ContainsFunc(o.decided.Credits, func(c commission.Credit) bool { return c.Earner() == have.Earner }) {
			continue
		}
		at.Key = fmt.Sprintf("(%d, %d, %s, %s)", o.no, have.Partner, have.Role, have.Unit)
		none := have.Gone()
		v.earning(at, &none, have)
	}
}

func (v *Verification) earning(at Finding, want, have *commission.Earning) {
	for _, c := range [...]struct {
		column     string
		want, have int64
	}{
		{"program_id", int64(want.Program), int64(have.Program)},
		{"link_id", int64(want.Link), int64(have.Link)},
		{"lines", int64(want.Lines), int64(have.Lines)},
		{"revenue", want.Revenue, have.Revenue},
		{"refunded", want.Refunded, have.Refunded},
		{"gross", want.Gross, have.Gross},
		{"net", want.Net, have.Net},
		{"fee", want.Fee, have.Fee},
		{"pending", want.Pending, have.Pending},
		{"payable", want.Payable, have.Payable},
		{"held", want.Held, have.Held},
		{"paid", want.Paid, have.Paid},
	} {
		v.CompareAmounts(at, c.column, c.want, c.have)
	}
	v.Compare(at, "currency", want.Currency, have.Currency)
	v.Compare(at, "leads, counts", fmt.Sprintf("%t, %t", want.Leads, want.Counts), fmt.Sprintf("%t, %t", have.Leads, have.Counts))
	v.Compare(at, "occurred_at", show(want.OrderedAt), show(have.OrderedAt))
	v.Compare(at, "hold_until", show(want.HoldUntil), show(have.HoldUntil))
	v.Compare(at, "released", strconv.FormatBool(want.Released), strconv.FormatBool(have.Released))
	v.Compare(at, "state", string(want.State), string(have.State))
}

//go:embed query/strays.sql
var straysSQL string

// strays looks for rows that belong to no order, or to another than they say.
func (v *Verification) strays(ctx context.Context) error {
	return v.Rows(ctx, "every row belongs to an order", Broken, straysSQL)
}

//go:embed query/commissions.sql
var commissionsSQL string

// commissions verifies that the commissions of each partner, and the fees on them, add up to what orders have posted to the
// accounts.
func (v *Verification) commissions(ctx context.Context) error {
	return v.Rows(ctx, "commissions equal balances", Broken, commissionsSQL, v.Limit)
}
