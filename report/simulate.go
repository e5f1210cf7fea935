package report

import (
	"context"
	"fmt"

	"tributary/commission/rerun"
	"tributary/partners/program"
)

// Simulated is what a program would have paid under other terms.
type Simulated struct {
	*rerun.Result

	// Names are those of the partners in it.
	Names map[program.PartnerID]string
}

// Simulate says what a program of the scope's merchant would have paid: see rerun.Simulate.
func (s *Snapshot) Simulate(ctx context.Context, asked rerun.Asked) (*Simulated, error) {
	result, err := rerun.Simulate(ctx, s.tx, asked)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what it did
	}
	ids := make([]int64, len(result.Partners))
	for i := range result.Partners {
		ids[i] = int64(result.Partners[i].Partner)
	}
	// name: partners of a simulation
	list, err := s.choices(ctx, `SELECT id, name FROM partner WHERE id = ANY ($1)`, ids)
	if err != nil {
		return nil, fmt.Errorf("naming the partners of a simulation: %w", err)
	}
	names := make(map[program.PartnerID]string, len(list))
	for _, p := range list {
		names[program.PartnerID(p.ID)] = p.Name
	}
	return &Simulated{result, names}, nil
}

// CountrySeen tells whether a condition on the country can match: a tracker knows the countries of clicks, or one of the last
// thousand orders of the scope's merchant names one.
func (s *Snapshot) CountrySeen(ctx context.Context) (seen bool, err error) {
	if seen, err = s.CountryKnown(ctx); err != nil || seen {
		return seen, err
	}
	// name: orders that name a country
	err = s.tx.QueryRow(ctx, `SELECT coalesce(bool_or(record::text LIKE '%"country":"%'), false)
		FROM scoped_order JOIN (SELECT no FROM orders WHERE merchant_id = $1 ORDER BY occurred_at DESC, no DESC LIMIT 1000) o USING (no)`, int64(s.scope.Merchant)).Scan(&seen)
	if err != nil {
		return false, fmt.Errorf("looking for orders that name a country: %w", err)
	}
	return seen, nil
}
