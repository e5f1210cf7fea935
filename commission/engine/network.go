package engine

import (
	"time"

	"tributary/commission"
	"tributary/partners"
	"tributary/partners/program"
)

// network is what there is to know about the clicks of orders beside the orders themselves.
type network struct {
	catalogue *partners.Catalogue
	verify    func(id string) commission.Click
}

// candidates gives a candidate for each click of an order, as of the order's time. recorded is the last decision on it, if
// there was one.
func (n network) candidates(o *commission.Order, recorded *commission.Decision) []commission.Candidate {
	ids := o.Clicks()
	candidates := make([]commission.Candidate, len(ids))
	for i, id := range ids {
		click := n.click(id, recorded)
		candidates[i].Click = click
		if click.Refused == "" {
			candidates[i].Offer = n.offer(click.Link, o.At)
		}
	}
	return candidates
}

// click verifies a click id. Keys are taken out of service one day: a click that was good when the order was first decided
// stays good, as the record of that decision holds what the id said.
func (n network) click(id string, recorded *commission.Decision) commission.Click {
	click := n.verify(id)
	if click.Refused != commission.UnknownClickKey {
		return click
	}
	for _, t := range recorded.Touches {
		if t.Kind == commission.TouchClick && t.ID == id && !t.At.IsZero() {
			return commission.Click{ID: t.ID, Link: t.Link, At: t.At}
		}
	}
	return click
}

// offer is what a link leads to at a time. Programs and partners are never deleted, so a link without them is as unknown as
// one that does not exist.
func (n network) offer(id program.LinkID, at time.Time) program.Offer {
	link, ok := n.catalogue.Link(id)
	if !ok {
		return program.Offer{}
	}
	sold, ok := n.catalogue.Program(link.Program)
	if !ok {
		return program.Offer{}
	}
	partner, ok := n.catalogue.Partner(link.Partner)
	if !ok {
		return program.Offer{}
	}
	return sold.Offer(link.ID, partner.ID, partner.Kind, at)
}
