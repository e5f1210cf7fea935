package engine

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/partners"
	"tributary/partners/program"
)

// network is what there is to know about the clicks of orders beside the orders themselves. Programs are held in memory;
// links, of which there may be millions, are looked up for the orders at hand.
type network struct {
	programs *partners.Programs
	verify   func(id string) commission.Click
}

// destination is what a link leads to, which never changes.
type destination struct {
	program program.ProgramID
	partner program.PartnerID
	kind    program.Kind
}

//go:embed query/links.sql
var linksByID string

// resolve gives folded orders a candidate for each of their clicks, as of the order's time, with one query for all links.
func (n network) resolve(ctx context.Context, q querier, orders []*order) error {
	links := make(map[program.LinkID]destination)
	for _, o := range orders {
		ids := o.folded.Clicks()
		o.candidates = make([]commission.Candidate, len(ids))
		for i, id := range ids {
			click := n.click(id, &o.recorded)
			if o.candidates[i].Click = click; click.Refused == "" {
				links[click.Link] = destination{}
			}
		}
	}
	if len(links) == 0 {
		return nil
	}
	if err := n.look(ctx, q, links); err != nil {
		return fmt.Errorf("looking up %d links: %w", len(links), err)
	}
	for _, o := range orders {
		for i := range o.candidates {
			if c := &o.candidates[i]; c.Click.Refused == "" {
				c.Offer = n.offer(c.Click.Link, links[c.Click.Link], o.folded.At)
			}
		}
	}
	return nil
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

// look fills in where the links lead. A link may have been made, with its program, since the programs were last refreshed.
func (n network) look(ctx context.Context, q querier, links map[program.LinkID]destination) error {
	ids := make([]int64, 0, len(links))
	for id := range links {
		ids = append(ids, int64(id))
	}
	rows, err := q.Query(ctx, linksByID, ids)
	if err != nil {
		return err
	}
	behind := false
	var link program.LinkID
	var to destination
	_, err = pgx.ForEachRow(rows, []any{&link, &to.program, &to.partner, &to.kind}, func() error {
		links[link] = to
		_, known := n.programs.Program(to.program)
		behind = behind || !known
		return nil
	})
	if err != nil || !behind {
		return err
	}
	return n.programs.Refresh(ctx, q)
}

// offer is what a link leads to at a time; nothing where there is no such link.
func (n network) offer(link program.LinkID, to destination, at time.Time) program.Offer {
	sold, ok := n.programs.Program(to.program)
	if !ok {
		return program.Offer{}
	}
	return sold.Offer(link, to.partner, to.kind, at)
}
