// Package evidence resolves what a decision reads beside the facts of its order: what its click ids say, where their links
// lead, and the terms in force. Whoever decides an order, and whoever checks such a decision, asks it here.
package evidence

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/commission/fx"
	"tributary/partners"
	"tributary/partners/program"
)

// Network is what there is to know about the clicks of orders beside the orders themselves. Programs are held in memory;
// links, of which there may be millions, are looked up for the orders at hand.
type Network struct {
	Programs *partners.Programs
	// Rates are those of currencies, held in memory, too.
	Rates *fx.Table
	// VerifyClick says what a click id says.
	VerifyClick func(id string) commission.Click
	// Links, unless nil, keeps where links lead for the next orders, by one who reads one snapshot.
	Links Links
}

// Links are where links lead that were looked up: a hundred thousand or so at most.
type Links map[program.LinkID]destination

const keptLinks = 100_000

// Order is an order that is about to be decided.
type Order struct {
	Folded *commission.Order
	// Recorded is the last decision, the zero value of an order that has none.
	Recorded *commission.Decision
}

// destination is what a link leads to, which never changes.
type destination struct {
	program program.ProgramID
	partner program.PartnerID
	kind    program.Kind
}

//go:embed query/links.sql
var linksByID string

// Resolve gives each order its evidence as of the order's time, with one query for all links and, where terms credit coupons,
// one for these and one for whose they are.
func (n Network) Resolve(ctx context.Context, q partners.Querier, orders []Order) ([]commission.Evidence, error) {
	links := n.Links
	switch {
	case links == nil:
		links = Links{}
	case len(links) > keptLinks:
		clear(links)
	}
	var unknown []int64
	all := make([]commission.Evidence, len(orders))
	for i, o := range orders {
		visits := o.Folded.Visits()
		if len(visits) > 0 {
			all[i].Candidates = make([]commission.Candidate, 0, len(visits))
		}
		for _, v := range visits {
			c := commission.Candidate{Kind: v.TouchKind(), Click: n.click(v.ClickID, o.Recorded), Marks: v.Marks}
			all[i].Candidates = append(all[i].Candidates, c)
			if _, known := links[c.Click.Link]; !known && c.Click.Refused == "" {
				links[c.Click.Link] = destination{}
				unknown = append(unknown, int64(c.Click.Link))
			}
		}
	}
	if len(unknown) > 0 {
		if err := n.look(ctx, q, unknown, links); err != nil {
			return nil, fmt.Errorf("looking up %d links: %w", len(unknown), err)
		}
	}
	for i, o := range orders {
		for j := range all[i].Candidates {
			if c := &all[i].Candidates[j]; c.Click.Refused == "" {
				to := links[c.Click.Link]
				c.Link = n.Programs.LinkTerms(to.program, c.Click.Link, to.partner, to.kind, o.Folded.At)
			}
		}
	}
	if err := n.codes(ctx, q, orders, all); err != nil {
		return nil, err
	}
	if err := n.claims(ctx, q, orders, all); err != nil {
		return nil, err
	}
	if err := n.clicks(ctx, q, orders, all); err != nil {
		return nil, err
	}
	for i, o := range orders {
		all[i].Rates = n.rates(o.Folded, all[i].Candidates)
	}
	return all, nil
}

// clicks gives orders that stand for clicks whose these were.
func (n Network) clicks(ctx context.Context, q partners.Querier, orders []Order, all []commission.Evidence) error {
	kinds := map[program.PartnerID]program.Kind{}
	for i := range orders {
		if of := orders[i].Folded.Clicks; of != nil {
			kinds[of.Partner] = ""
		}
	}
	if err := readKinds(ctx, q, kinds); err != nil {
		return err
	}
	for i := range orders {
		o := orders[i].Folded
		if o.Clicks != nil {
			all[i].Candidates = append(all[i].Candidates, commission.Candidate{
				Kind: commission.TouchClicks, Code: o.ID, Link: n.Programs.LinkTerms(o.Clicks.Program, 0, o.Clicks.Partner, kinds[o.Clicks.Partner], o.At),
			})
		}
	}
	return nil
}

// rates are those by which an order may have to be converted: to the currency of each document that it may fall under.
func (n Network) rates(o *commission.Order, candidates []commission.Candidate) (all []commission.Rate) {
	for i := range candidates {
		terms := candidates[i].Link.Terms
		if terms == nil || terms.Scheme == nil {
			continue
		}
		if unit := terms.Scheme.Document.Currency; unit != "" && unit != o.Currency {
			all = append(all, n.Rates.At(o.At, o.Currency, unit)...)
		}
	}
	return all
}

// Knows gives a *commission.NewerError when a later version has written records, or terms, that this one cannot know.
func Knows(ctx context.Context, q partners.Querier, forms commission.Forms) error {
	var form, rules int
	err := q.QueryRow(ctx, `SELECT coalesce((SELECT max(form) FROM record_form), 1), coalesce((SELECT max(rules) FROM terms), 1)`).Scan(&form, &rules)
	switch {
	case err != nil:
		return fmt.Errorf("reading which forms and rules there are: %w", err)
	case form > forms.Current():
		return &commission.NewerError{What: "record of a decision", Number: form, Known: forms.Current()}
	case rules > commission.Rules:
		return &commission.NewerError{What: "rules of the terms", Number: rules, Known: commission.Rules}
	}
	return nil
}

// Enter enters the form in which records are about to be written among those that there are (see Knows).
func Enter(ctx context.Context, q partners.Querier, forms commission.Forms) error {
	if _, err := q.Exec(ctx, `INSERT INTO record_form (form) VALUES ($1) ON CONFLICT DO NOTHING`, forms.Current()); err != nil {
		return fmt.Errorf("entering the form of records: %w", err)
	}
	return nil
}

// click verifies a click id. Keys are taken out of service one day: a click that was good when the order was first decided
// stays good, as the record of that decision holds what the id said.
func (n Network) click(id string, recorded *commission.Decision) commission.Click {
	click := n.VerifyClick(id)
	if click.Refused != commission.UnknownClickKey {
		return click
	}
	for _, t := range recorded.Touches {
		if t.ID == id && !t.At.IsZero() {
			return commission.Click{ID: t.ID, Link: t.Link, At: t.At}
		}
	}
	return click
}

// look fills in where links lead. A link may have been made, with its program, since the programs were last refreshed.
func (n Network) look(ctx context.Context, q partners.Querier, ids []int64, links Links) error {
	rows, err := q.Query(ctx, linksByID, ids)
	if err != nil {
		return err
	}
	behind := false
	var link program.LinkID
	var to destination
	_, err = pgx.ForEachRow(rows, []any{&link, &to.program, &to.partner, &to.kind}, func() error {
		links[link] = to
		_, known := n.Programs.Program(to.program)
		behind = behind || !known
		return nil
	})
	if err != nil || !behind {
		return err
	}
	return n.Programs.Refresh(ctx, q)
}
