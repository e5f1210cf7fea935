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
