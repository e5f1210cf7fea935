package report

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/fault"
	"tributary/partners"
	"tributary/partners/program"
)

// Standing is where a partner stands in a program.
type Standing struct {
	Program program.ProgramID
	Partner program.PartnerID
	// Names of the three.
	ProgramName, PartnerName, MerchantName string
	// Joined is when the enrolment was made.
	Joined time.Time
	// State is the one at present, and Since the fact that says so: nil for always.
	State program.State
	Since *partners.Fact
	// Facts are all that was stated, as it begins, also what was planned and something else took the place of.
	Facts []partners.Fact
	// Open is what the partner has pending or payable in the program, by unit.
	Open []OpenMoney
}

// OpenMoney is what a partner has pending or payable in a unit, on so many orders.
type OpenMoney struct {
	Unit           string
	Orders, Amount int64
}

// Standing reads where the partner, or a partner of the scope's merchant, stands in a program.
func (s *Snapshot) Standing(ctx context.Context, id program.ProgramID, partner program.PartnerID, now time.Time) (*Standing, error) {
	if s.scope.Partner != 0 {
		partner = s.scope.Partner
	}
	st := &Standing{Program: id, Partner: partner}
	// name: standing of a partner
	err := s.tx.QueryRow(ctx, `SELECT g.name, p.name, m.name, e.created_at FROM enrolment e JOIN program g ON g.id = e.program_id JOIN partner p ON p.id = e.partner_id JOIN merchant m ON m.id = g.merchant_id
WHERE e.program_id = $1 AND e.partner_id = $2`, id, partner).Scan(&st.ProgramName, &st.PartnerName, &st.MerchantName, &st.Joined)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, fault.Coded(fault.NotFound, "not_found", nil)
	}
	if err != nil {
		return nil, fmt.Errorf("reading a partner of a program: %w", err)
	}
	facts, err := partners.ReadFacts(ctx, s.tx, partner, id)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what it read
	}
	st.State = partners.StateAt(facts[id], now)
	for _, f := range facts[id] {
		if f.Kind != program.FactState {
			continue
		}
		st.Facts = append(st.Facts, f)
		if !f.From.After(now) && (st.Since == nil || f.No > st.Since.No) {
			st.Since = &f
		}
	}
	// name: open commissions of a partner
	rows, err := s.tx.Query(ctx, `SELECT unit, count(DISTINCT order_no), sum(pending + payable)::bigint FROM commission
WHERE program_id = $1 AND partner_id = $2 AND state IN ('pending', 'payable') GROUP BY unit ORDER BY unit`, id, partner)
	if err == nil {
		st.Open, err = pgx.CollectRows(rows, pgx.RowToStructByPos[OpenMoney])
	}
	if err != nil {
		return nil, fmt.Errorf("reading what a partner has open: %w", err)
	}
	return st, nil
}

// Ahead are the state at present and those that are planned.
func (st *Standing) Ahead(now time.Time) []program.State {
	states := []program.State{st.State}
	for i := range st.Facts {
		if f := &st.Facts[i]; f.From.After(now) && !st.Replaced(f) {
			states = append(states, program.State(f.Value))
		}
	}
	return states
}

// Replaced tells whether something that was stated later took the place of a fact of Facts.
func (st *Standing) Replaced(f *partners.Fact) bool {
	for i := range st.Facts {
		if g := &st.Facts[i]; g.No > f.No && !g.From.After(f.From) {
			return true
		}
	}
	return false
}
