package evidence

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/partners"
	"tributary/partners/program"
)

// code is a coupon or referral code that an order names.
type code struct {
	order   int
	kind    commission.TouchKind
	written string
	// known says that it is told when nobody has the code.
	known bool
}

// codes adds coupons and referral codes to the evidence of orders whose merchants have terms that credit such, as of the
// orders' times. A code may be that of a coupon in several programs of its merchant.
func (n Network) codes(ctx context.Context, q partners.Querier, orders []Order, all []commission.Evidence) error {
	var asked []code
	var keys []partners.CouponKey
	for i, o := range orders {
		if len(o.Folded.Coupons) == 0 && o.Folded.ReferralCode == "" || !o.Folded.Placed() {
			continue
		}
		credited, known := n.Programs.CreditsCodes(o.Folded.Merchant, o.Folded.At)
		if !credited {
			continue
		}
		ask := func(kind commission.TouchKind, written string) {
			asked = append(asked, code{i, kind, written, known})
			keys = append(keys, partners.CouponKey{Merchant: o.Folded.Merchant, Code: written, At: o.Folded.At})
		}
		for _, coupon := range o.Folded.Coupons {
			ask(commission.TouchCoupon, coupon)
		}
		if o.Folded.ReferralCode != "" {
			ask(commission.TouchCode, o.Folded.ReferralCode)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	found, err := partners.CouponsAsOf(ctx, q, keys)
	if err != nil {
		return err
	}
	kinds, err := n.owners(ctx, q, found)
	if err != nil {
		return err
	}
	for i := range asked {
		e := &all[asked[i].order]
		e.Candidates = n.withCode(e.Candidates, &asked[i], &keys[i], found[i], kinds)
	}
	return nil
}

// withCode appends a candidate for each partner who has a code, or one that is nobody's.
func (n Network) withCode(to []commission.Candidate, of *code, key *partners.CouponKey, coupons []partners.Coupon, kinds map[program.PartnerID]program.Kind) []commission.Candidate {
	before := len(to)
	for i := range coupons {
		c := &coupons[i]
		if c.Partner == 0 {
			continue
		}
		candidate := commission.Candidate{
			Kind: commission.TouchCoupon, Code: of.written, Exclusive: c.Exclusive,
			Link: n.Programs.LinkTerms(c.Program, 0, c.Partner, kinds[c.Partner], key.At),
		}
		if c.Kind == program.ReferralCode {
			candidate.Kind = commission.TouchCode
		}
		if !c.InForce(key.At) {
			candidate.Refused = commission.CouponNotInForce
		}
		to = append(to, candidate)
	}
	if len(to) == before && of.known {
		to = append(to, commission.Candidate{Kind: of.kind, Code: of.written, Refused: commission.UnknownCoupon})
	}
	return to
}

// owners finds out what kinds of partner have coupons. A program may have been made since the programs were last refreshed.
func (n Network) owners(ctx context.Context, q partners.Querier, found [][]partners.Coupon) (map[program.PartnerID]program.Kind, error) {
	kinds := map[program.PartnerID]program.Kind{}
	behind := false
	for _, coupons := range found {
		for i := range coupons {
			if _, known := n.Programs.Program(coupons[i].Program); !known {
				behind = true
			}
			if coupons[i].Partner != 0 {
				kinds[coupons[i].Partner] = ""
			}
		}
	}
	if behind {
		if err := n.Programs.Refresh(ctx, q); err != nil {
			return nil, err
		}
	}
	return kinds, readKinds(ctx, q, kinds)
}

// readKinds fills in what kinds of partner those are.
func readKinds(ctx context.Context, q partners.Querier, kinds map[program.PartnerID]program.Kind) error {
	if len(kinds) == 0 {
		return nil
	}
	ids := make([]int64, 0, len(kinds))
	for id := range kinds {
		ids = append(ids, int64(id))
	}
	// name: partners kinds
	rows, err := q.Query(ctx, `SELECT k.id, p.kind FROM unnest($1::bigint[]) k (id) CROSS JOIN LATERAL (SELECT kind FROM partner WHERE id = k.id OFFSET 0) p`, ids)
	if err != nil {
		return fmt.Errorf("looking up %d partners: %w", len(kinds), err)
	}
	var id program.PartnerID
	var kind program.Kind
	_, err = pgx.ForEachRow(rows, []any{&id, &kind}, func() error {
		kinds[id] = kind
		return nil
	})
	if err != nil {
		return fmt.Errorf("looking up %d partners: %w", len(kinds), err)
	}
	return nil
}
