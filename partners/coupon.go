package partners

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/partners/program"
)

// A Coupon is a coupon or referral code of a program. A Coupon that is in force, or was, never changes.
type Coupon struct {
	ID       program.CouponID
	Merchant program.MerchantID
	Program  program.ProgramID
	// Code is as codes are compared (program.NormalCode), Written as its owner writes it.
	Code, Written string
	Kind          program.CouponKind
	// Partner is whose it is; 0 for a merchant's own, which credits nobody.
	Partner   program.PartnerID
	Exclusive bool
	// From is when it takes effect, Until when it no longer is in force, whether it was made so or ended; zero for no end.
	From, Until time.Time
}

// InForce tells whether the coupon is in force at a time.
func (c *Coupon) InForce(at time.Time) bool {
	return !at.Before(c.From) && (c.Until.IsZero() || at.Before(c.Until))
}

// A CouponKey asks for the coupons of a merchant's programs that have a code, as it was typed, at a time.
type CouponKey struct {
	Merchant program.MerchantID
	Code     string
	At       time.Time
}

//go:embed query/coupons_as_of.sql
var couponsAsOf string

// CouponsAsOf looks up codes as of a time each, all in one query: for each key the coupons that had begun by then, the latest
// one of each program, by the program's id. One that is not InForce has ended before; one that ended before it began never was.
// The answer to a time that is past never changes.
func CouponsAsOf(ctx context.Context, q Querier, keys []CouponKey) ([][]Coupon, error) {
	found := make([][]Coupon, len(keys))
	if len(keys) == 0 {
		return found, nil
	}
	merchants, codes, times := make([]int64, len(keys)), make([]string, len(keys)), make([]time.Time, len(keys))
	for i, k := range keys {
		merchants[i], codes[i], times[i] = int64(k.Merchant), program.NormalCode(k.Code), k.At
	}
	rows, err := q.Query(ctx, couponsAsOf, merchants, codes, times)
	if err != nil {
		return nil, fmt.Errorf("looking up %d coupons: %w", len(keys), err)
	}
	var key int
	var c Coupon
	var until *time.Time
	_, err = pgx.ForEachRow(rows, []any{&key, &c.ID, &c.Merchant, &c.Program, &c.Code, &c.Written, &c.Kind, &c.Partner, &c.Exclusive, &c.From, &until}, func() error {
		c.From, c.Until = c.From.UTC(), time.Time{}
		if until != nil {
			c.Until = until.UTC()
		}
		found[key-1] = append(found[key-1], c)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking up %d coupons: %w", len(keys), err)
	}
	return found, nil
}
