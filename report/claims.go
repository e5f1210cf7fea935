package report

import (
	"context"
	_ "embed"
	"fmt"
	"math"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
)

// A Claim is a partner's claim that an order is theirs.
type Claim struct {
	No      int64
	OrderID string // as the partner wrote it
	// ProgramID and PartnerID are whose order it would be.
	ProgramID int64
	Program   string
	Merchant  string
	PartnerID int64
	Partner   string
	ClickID   string
	At        time.Time
	Note      string
	// Outcome is one of commission.ClaimOutcomes. A partner sees one once it has taken effect.
	Outcome string
	// The rest about it is nil while the claim is open: the number by which it can be withdrawn, when it was said, from when on it
	// is taken, and when it was.
	OutcomeNo     *int64
	OutcomeAt     *time.Time
	OutcomeDue    *time.Time
	OutcomeTaken  *time.Time
	OutcomeNote   string
	OutcomeAuthor string // for the merchant alone
	// OrderNo is the order, and PlacedAt when it was placed, or reported where that is later: for the merchant alone, nil where
	// there is no such order yet.
	OrderNo  *int64
	PlacedAt *time.Time
}

// Late tells that the claim was made too long after its order to be granted.
func (c *Claim) Late() bool {
	return c.PlacedAt != nil && c.At.After(c.PlacedAt.Add(commission.ClaimWithin))
}

// Open tells that nobody has granted or declined it.
func (c *Claim) Open() bool { return c.Outcome == string(commission.ClaimIsOpen) }

// Withdrawable tells that its outcome can still be withdrawn at a time.
func (c *Claim) Withdrawable(at time.Time) bool {
	return c.OutcomeTaken == nil && c.OutcomeDue != nil && at.Before(*c.OutcomeDue)
}

// A ClaimFilter is what a list of claims is narrowed to.
type ClaimFilter struct {
	Claim   int64 // one alone
	Program int64
	Partner int64
	Outcome string
	Text    string // in the order's id, or in the partner's name
	After   string
}

// ParseClaims reads the address of a list.
func ParseClaims(values url.Values, now time.Time) (ClaimFilter, error) {
	q := newQuery(values, now)
	f := ClaimFilter{Program: q.id("program"), Partner: q.id("partner"), Outcome: q.oneOf("outcome", ClaimOutcomes()...), Text: q.text("q"), After: q.get("after")}
	return f, q.err()
}

// A NewClaim is what the form of a claim begins with, where something led to it.
type NewClaim struct {
	Program int64
	Order   string
}

// ParseNewClaim reads the address of the form.
func ParseNewClaim(values url.Values, now time.Time) (NewClaim, error) {
	q := newQuery(values, now)
	c := NewClaim{Program: q.id("program"), Order: q.text("order")}
	return c, q.err()
}

// Query is the form's beginning as ParseNewClaim reads it.
func (c NewClaim) Query() url.Values {
	q := url.Values{}
	setID(q, "program", c.Program)
	set(q, "order", c.Order)
	return q
}

// ClaimOutcomes are those that a list can be narrowed to.
func ClaimOutcomes() []string {
	var names []string
	for _, outcome := range commission.ClaimOutcomes() {
		names = append(names, string(outcome))
	}
	return names
}

// Query is the filter as ParseClaims reads it.
func (f ClaimFilter) Query() url.Values {
	q := url.Values{}
	setID(q, "program", f.Program)
	setID(q, "partner", f.Partner)
	set(q, "outcome", f.Outcome)
	set(q, "q", f.Text)
	set(q, "after", f.After)
	return q
}

// Narrowed tells whether the filter leaves anything out.
func (f ClaimFilter) Narrowed() bool {
	f.After = ""
	return len(f.Query()) > 0
}

//go:embed query/claims.sql
var claimsSQL string

// Claims reads at most limit claims of the scope, newest first.
func (s *Snapshot) Claims(ctx context.Context, f ClaimFilter, limit int) (Page[Claim], error) {
	of := list{"claims", f.Query()}
	from, begun, err := of.after(f.After)
	if err != nil {
		return Page[Claim]{}, err
	}
	if !begun {
		from.ID = math.MaxInt64
	}
	partner := f.Partner
	if s.scope.Partner != 0 {
		partner = int64(s.scope.Partner)
	}
	rows, err := s.tx.Query(ctx, claimsSQL, pgx.NamedArgs{
		"merchant": int64(s.scope.Merchant), "partner": partner, "claim": f.Claim, "program": f.Program, "outcome": f.Outcome,
		"text": f.Text, "after": from.ID, "limit": limit + 1,
	})
	if err != nil {
		return Page[Claim]{}, fmt.Errorf("listing claims: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[Claim])
	if err != nil {
		return Page[Claim]{}, fmt.Errorf("listing claims: %w", err)
	}
	return cut(of, found, limit, func(c Claim) key { return key{ID: c.No} })
}

// Claim reads one claim of the scope; any other is not found.
func (s *Snapshot) Claim(ctx context.Context, no int64) (Claim, error) {
	page, err := s.Claims(ctx, ClaimFilter{Claim: no}, 1)
	if err != nil {
		return Claim{}, err
	}
	if len(page.Rows) == 0 {
		return Claim{}, notFound()
	}
	return page.Rows[0], nil
}
