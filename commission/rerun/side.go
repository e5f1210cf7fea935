package rerun

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/commission/evidence"
	"tributary/partners"
	"tributary/partners/program"
)

// side decides a history under some terms.
type side struct {
	network  evidence.Network
	merchant program.MerchantID
	// asks says that the terms ask how customers stand.
	asks bool
	// customer is whose orders are gone through, and last the one of them at which it stands.
	customer string
	last     *commission.Seen
}

func newSide(programs *partners.Programs, network evidence.Network, merchant program.MerchantID) *side {
	s := &side{network: network, merchant: merchant}
	s.network.Programs = programs
	_, s.asks = programs.AsksForCustomers(merchant)
	return s
}

// customers is what is known of customers of a batch beside the orders of the range: the last order of each before it, and what
// operators said.
type customers struct {
	before map[string]*commission.Seen
	binds  map[evidence.Customer][]commission.Bind
}

// resolve gives each of the next orders its evidence, how its customer stood among it.
func (s *side) resolve(ctx context.Context, tx pgx.Tx, orders []*past, known *customers) ([]commission.Evidence, error) {
	asked := make([]evidence.Order, len(orders))
	for i, o := range orders {
		asked[i] = evidence.Order{Folded: &o.folded, Recorded: &commission.Decision{}}
	}
	all, err := s.network.Resolve(ctx, tx, asked)
	if err == nil {
		err = s.uses(ctx, tx, orders, all)
	}
	if err != nil || !s.asks {
		return all, err
	}
	var named []evidence.Order
	var standing []*commission.Evidence
	for i, o := range orders {
		seen, is := commission.SeenBy(&o.folded, &all[i])
		if !is {
			continue
		}
		s.follow(&seen, o, known)
		all[i].Customer = seen.View
		named, standing = append(named, asked[i]), append(standing, &all[i])
	}
	return all, s.network.Belong(ctx, tx, named, standing)
}

// uses adds to the evidence how the click ids of orders were used, as it is stored: terms that begin to look at it never look at
// orders of before.
func (s *side) uses(ctx context.Context, tx pgx.Tx, orders []*past, all []commission.Evidence) error {
	var numbers []int64
	index := map[int64]int{}
	for i, o := range orders {
		if s.network.Programs.CountsClicks(s.merchant, o.folded.At) {
			numbers, index[o.no] = append(numbers, o.no), i
		}
	}
	if len(numbers) == 0 {
		return nil
	}
	rows, err := tx.Query(ctx, `SELECT order_no, use FROM order_use WHERE order_no = ANY ($1)`, numbers)
	if err != nil {
		return fmt.Errorf("reading how click ids are used: %w", err)
	}
	var no int64
	var use []byte
	_, err = pgx.ForEachRow(rows, []any{&no, &use}, func() (err error) {
		all[index[no]].Use, err = evidence.ReadUse(use)
		return err
	})
	if err != nil {
		return fmt.Errorf("reading how click ids are used: %w", err)
	}
	return nil
}

// follow gives the next order of a customer its view.
func (s *side) follow(seen *commission.Seen, o *past, known *customers) {
	customer := o.folded.Customer
	if s.customer != customer {
		s.customer, s.last = customer, known.before[customer]
		if s.last == nil && o.earlier {
			s.last = &commission.Seen{Sale: true, View: commission.View{Nth: 2}}
		}
	}
	seen.View = seen.Follow(s.last, known.binds[evidence.Customer{Merchant: s.merchant, ID: customer}])
	s.last = seen
}

// knownCustomers reads what is known of the customers of some orders, of a merchant whose orders are followed as they come.
func knownCustomers(ctx context.Context, tx pgx.Tx, merchant program.MerchantID, in Range, orders []*past) (*customers, error) {
	known := &customers{before: map[string]*commission.Seen{}}
	var all []evidence.Customer
	var places []evidence.Place
	for i, o := range orders {
		c := evidence.Customer{Merchant: merchant, ID: o.folded.Customer}
		if c.ID == "" || i > 0 && c.ID == orders[i-1].folded.Customer {
			continue
		}
		all = append(all, c)
		places = append(places, evidence.Place{Customer: c, At: in.From})
	}
	if len(all) == 0 {
		return known, nil
	}
	var err error
	if known.binds, err = evidence.Binds(ctx, tx, all); err != nil {
		return nil, err
	}
	before, err := evidence.Before(ctx, tx, places)
	if err != nil {
		return nil, err
	}
	for i := range before {
		if len(before[i]) > 0 {
			known.before[all[i].ID] = &before[i][0]
		}
	}
	return known, nil
}

// clicks says what the click ids of the orders at hand say, each worked out once.
type clicks struct {
	verify func(id string) commission.Click
	known  map[string]commission.Click
}

// of gives what an id says.
func (c *clicks) of(id string) commission.Click { return c.known[id] }

// read works the ids of some orders out. One whose key is not at hand says what was recorded when its order was decided.
func (c *clicks) read(ctx context.Context, tx pgx.Tx, orders []*past) error {
	if c.known == nil {
		c.known = map[string]commission.Click{}
	}
	clear(c.known)
	var keyless []int64
	for _, o := range orders {
		before := len(keyless)
		for _, v := range o.folded.Visits() {
			click, known := c.known[v.ClickID]
			if !known {
				click = commission.Click{ID: v.ClickID, Refused: commission.UnknownClickKey}
				if c.verify != nil {
					click = c.verify(v.ClickID)
				}
				c.known[v.ClickID] = click
			}
			if click.Refused == commission.UnknownClickKey && len(keyless) == before {
				keyless = append(keyless, o.no)
			}
		}
	}
	if len(keyless) == 0 {
		return nil
	}
	rows, err := tx.Query(ctx, `SELECT t FROM unnest($1::bigint[]) k (no)
 CROSS JOIN LATERAL (SELECT decision -> 'touches' AS t FROM orders WHERE no = k.no OFFSET 0) o WHERE t IS NOT NULL`, keyless)
	if err != nil {
		return fmt.Errorf("reading what click ids said: %w", err)
	}
	var touches []commission.Touch
	_, err = pgx.ForEachRow(rows, []any{&touches}, func() error {
		for i := range touches {
			if said, is := touches[i].Visited(); is && c.known[said.ID].Refused == commission.UnknownClickKey {
				c.known[said.ID] = said
			}
		}
		touches = nil
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading what click ids said: %w", err)
	}
	return nil
}
