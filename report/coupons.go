package report

import (
	"context"
	_ "embed"
	"fmt"
	"math"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/fault"
	"tributary/partners/program"
)

// A Coupon is a coupon or referral code of a merchant's program.
type Coupon struct {
	ID            int64
	Code, Written string
	Kind          string
	ProgramID     int64
	Program       string
	// Partner is whose it is, PartnerID 0 where it is the merchant's own.
	PartnerID int64
	Partner   string
	Exclusive bool
	Begins    time.Time
	Ends      *time.Time // nil for no end
	Author    string
	Note      string
	CreatedAt time.Time
	// The rest is about its end, where somebody has set one later: since when it had leaked, who ended it, when and why.
	LeakedFrom *time.Time
	EndedBy    string
	EndNote    string
	EndedAt    *time.Time
}

// The states of a coupon.
const (
	CouponToCome  = "to_come"
	CouponInForce = "in_force"
	CouponEnded   = "ended"
)

// CouponStates lists them.
func CouponStates() []string { return []string{CouponInForce, CouponToCome, CouponEnded} }

// State is the coupon's state at a time.
func (c *Coupon) State(now time.Time) string {
	switch {
	case c.Ends != nil && !now.Before(*c.Ends):
		return CouponEnded
	case now.Before(c.Begins):
		return CouponToCome
	}
	return CouponInForce
}

// Uses leads to the orders that named the coupon's code since a day.
func (c *Coupon) Uses(since time.Time) OrderFilter {
	return OrderFilter{Coupon: c.Written, Days: Days{From: dayAfter(since, 0)}}
}

// A CouponFilter is what a list of coupons is narrowed to.
type CouponFilter struct {
	Coupon  int64 // one alone
	Program int64
	Partner int64
	Kind    string
	State   string
	Text    string // in the code, or in the partner's name
	After   string
	now     time.Time
}

// ParseCoupons reads the address of a merchant's list.
func ParseCoupons(values url.Values, now time.Time) (CouponFilter, error) {
	var kinds []string
	for _, k := range program.CouponKinds() {
		kinds = append(kinds, string(k))
	}
	q := newQuery(values, now)
	f := CouponFilter{
		Program: q.id("program"), Partner: q.id("partner"), Kind: q.oneOf("kind", kinds...), State: q.oneOf("state", CouponStates()...),
		Text: q.text("q"), After: q.get("after"), now: now,
	}
	return f, q.err()
}

// Query is the filter as ParseCoupons reads it.
func (f CouponFilter) Query() url.Values {
	q := url.Values{}
	setID(q, "program", f.Program)
	setID(q, "partner", f.Partner)
	set(q, "kind", f.Kind)
	set(q, "state", f.State)
	set(q, "q", f.Text)
	set(q, "after", f.After)
	return q
}

// Narrowed tells whether the filter leaves anything out.
func (f CouponFilter) Narrowed() bool {
	f.After = ""
	return len(f.Query()) > 0
}

//go:embed query/coupons.sql
var couponsSQL string

// Coupons reads at most limit coupons of the scope's merchant or partner, newest first.
func (s *Snapshot) Coupons(ctx context.Context, f CouponFilter, limit int) (Page[Coupon], error) {
	of := list{"coupons", f.Query()}
	from, begun, err := of.after(f.After)
	if err != nil {
		return Page[Coupon]{}, err
	}
	if !begun {
		from.ID = math.MaxInt64
	}
	rows, err := s.tx.Query(ctx, couponsSQL, pgx.NamedArgs{
		"merchant": int64(s.scope.Merchant), "own": int64(s.scope.Partner), "coupon": f.Coupon, "program": f.Program, "partner": f.Partner, "kind": f.Kind, "state": f.State,
		"text": f.Text, "code": program.NormalCode(f.Text), "now": f.now, "after": from.ID, "limit": limit + 1,
	})
	if err != nil {
		return Page[Coupon]{}, fmt.Errorf("listing coupons: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[Coupon])
	if err != nil {
		return Page[Coupon]{}, fmt.Errorf("listing coupons: %w", err)
	}
	return cut(of, found, limit, func(c Coupon) key { return key{ID: c.ID} })
}

// Coupon reads one coupon of the scope's merchant; any other is not found.
func (s *Snapshot) Coupon(ctx context.Context, id int64) (Coupon, error) {
	page, err := s.Coupons(ctx, CouponFilter{Coupon: id}, 1)
	if err != nil {
		return Coupon{}, err
	}
	if len(page.Rows) == 0 {
		return Coupon{}, fault.Coded(fault.NotFound, "unknown_coupon", nil)
	}
	return page.Rows[0], nil
}

// Owners lists the partners of the scope's merchant's programs who may own coupons, by name.
func (s *Snapshot) Owners(ctx context.Context) ([]Choice, error) {
	// name: owners of coupons
	return s.choices(ctx, `SELECT p.id, p.name FROM partner p WHERE EXISTS (
		SELECT FROM enrolment e JOIN program g ON g.id = e.program_id WHERE e.partner_id = p.id AND g.merchant_id = $1) ORDER BY lower(p.name), p.id LIMIT 500`,
		int64(s.scope.Merchant))
}

// OwnPrograms lists the programs of the scope's merchant, by name.
func (s *Snapshot) OwnPrograms(ctx context.Context) ([]Choice, error) {
	// name: programs of a merchant
	return s.choices(ctx, `SELECT id, name FROM program WHERE merchant_id = $1 ORDER BY lower(name), id LIMIT 500`, int64(s.scope.Merchant))
}
