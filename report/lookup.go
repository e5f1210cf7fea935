package report

import (
	"context"
	_ "embed"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"tributary/partners/program"
)

// The kinds of what Lookup finds.
const (
	LookupOrder    = "order"
	LookupLink     = "link"
	LookupPartner  = "partner"
	LookupMerchant = "merchant"
	LookupProgram  = "program"
	LookupCoupon   = "coupon"
)

// LookupMost bounds what Lookup finds of each kind.
const LookupMost = 6

// A Match is a row that somebody looks for by its name or id.
type Match struct {
	Kind string
	ID   int64
	Name string
	// Of is whose it is: an order's and a program's merchant, a link's partner or program, a coupon's program, a partner's site.
	Of string
	// Partner is whose link it is; else 0.
	Partner int64
	// Earns tells of a partner's order that they have, or had, a commission on it; its page explains that.
	Earns bool `db:"-"`
}

//go:embed query/lookup.sql
var lookupSQL string

// Lookup finds rows of the scope by a text: orders, links and coupons by their whole id or code, of a partner's own links and of
// what has a name any part of it. There are at most LookupMost of each kind.
func (s *Snapshot) Lookup(ctx context.Context, text string) ([]Match, error) {
	matches, err := s.lookupOrders(ctx, text)
	if err != nil {
		return nil, err
	}
	rows, err := s.tx.Query(ctx, lookupSQL, pgx.NamedArgs{
		"partner": int64(s.scope.Partner), "merchant": int64(s.scope.Merchant), "text": text, "code": program.NormalCode(text),
		"whole": []string{text, strings.ToUpper(text), strings.ToLower(text)}, "most": LookupMost,
	})
	if err != nil {
		return nil, fmt.Errorf("looking up %q: %w", text, err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[Match])
	if err != nil {
		return nil, fmt.Errorf("looking up %q: %w", text, err)
	}
	return append(matches, found...), nil
}

// lookupOrders finds orders of the scope's partner.
func (s *Snapshot) lookupOrders(ctx context.Context, text string) ([]Match, error) {
	if s.scope.Partner == 0 {
		return nil, nil
	}
	found, err := s.FindOrder(ctx, text)
	if err != nil {
		return nil, err
	}
	matches := make([]Match, 0, len(found))
	for _, o := range found[:min(len(found), LookupMost)] {
		matches = append(matches, Match{Kind: LookupOrder, ID: o.No, Name: o.OrderID, Of: o.Merchant, Earns: o.Earns})
	}
	return matches, nil
}
