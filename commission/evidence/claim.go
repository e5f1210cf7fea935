package evidence

import (
	"context"

	"tributary/commission"
	"tributary/partners"
	"tributary/partners/program"
)

// claims adds to the evidence of orders what partners claim of them, with the terms in force for these as of the orders' times.
func (n Network) claims(ctx context.Context, q partners.Querier, orders []Order, all []commission.Evidence) error {
	kinds := map[program.PartnerID]program.Kind{}
	for _, o := range orders {
		for i := range o.Folded.Claims {
			kinds[o.Folded.Claims[i].Partner] = ""
		}
	}
	if err := readKinds(ctx, q, kinds); err != nil {
		return err
	}
	for i, o := range orders {
		if !o.Folded.Placed() {
			continue
		}
		for j := range o.Folded.Claims {
			c := &o.Folded.Claims[j]
			all[i].Candidates = append(all[i].Candidates, commission.Candidate{
				Kind: commission.TouchClaim, Code: c.ID, Refused: c.Refused(o.Folded),
				Link: n.Programs.LinkTerms(c.Program, 0, c.Partner, kinds[c.Partner], o.Folded.At),
			})
		}
	}
	return nil
}
