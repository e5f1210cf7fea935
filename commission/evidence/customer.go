package evidence

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/internal/event"
	"tributary/partners"
	"tributary/partners/program"
)

// Customer names a customer as their merchant does.
type Customer struct {
	Merchant program.MerchantID
	ID       string
}

// CustomerOf is a customer of the merchant of a number.
func CustomerOf(merchant int64, id string) Customer {
	return Customer{Merchant: program.MerchantID(merchant), ID: id}
}

// Lane is the partition of the topic orders, of so many, whose holder works the customer's views out.
func (c Customer) Lane(partitions int) int {
	return event.Lane(event.OrderKey(int64(c.Merchant), c.ID), partitions)
}

// Place is somewhere among the orders of a customer: at one of them, or between two.
type Place struct {
	Customer Customer
	At       time.Time
	Ref      string
}

// PlaceOf is where an order stands among those of its customer.
func PlaceOf(customer Customer, s *commission.Seen) Place {
	return Place{Customer: customer, At: s.At, Ref: s.Ref}
}

// Before tells which of two places of one customer comes first.
func (p Place) Before(o Place) bool {
	return cmp.Or(p.At.Compare(o.At), strings.Compare(p.Ref, o.Ref)) < 0
}

//go:embed query/customer_before.sql
var customerBefore string

//go:embed query/customer_around.sql
var customerAround string

//go:embed query/customer_last.sql
var customerLast string

//go:embed query/customer_from.sql
var customerFrom string

//go:embed query/customer_binds.sql
var customerBinds string

// Before gives for each place the orders of the customer at it and before it, the later first: two at most.
func Before(ctx context.Context, q partners.Querier, places []Place) ([][]commission.Seen, error) {
	return seen(ctx, q, customerBefore, places)
}

// Around gives for each place what Before does, and the customer's order behind it, nil where there is none. It looks at the customers'
// last orders, and further only where these do not come before the place.
func Around(ctx context.Context, q partners.Querier, places []Place) (before [][]commission.Seen, behind []*commission.Seen, err error) {
	before, err = seen(ctx, q, customerLast, places)
	if err != nil {
		return nil, nil, err
	}
	behind = make([]*commission.Seen, len(places))
	var within []Place
	var which []int
	for i, p := range places {
		if len(before[i]) > 0 && !PlaceOf(p.Customer, &before[i][0]).Before(p) {
			within, which = append(within, p), append(which, i)
		}
	}
	if len(within) == 0 {
		return before, behind, nil
	}
	found, err := seen(ctx, q, customerAround, within)
	if err != nil {
		return nil, nil, err
	}
	for n, i := range which {
		before[i] = found[n]
		if all := found[n]; len(all) > 0 && within[n].Before(PlaceOf(within[n].Customer, &all[0])) {
			behind[i], before[i] = &all[0], all[1:]
		}
	}
	return before, behind, nil
}

// From gives for each place the order of the customer before it, if there is one, and at most limit from it on, in their order.
func From(ctx context.Context, q partners.Querier, places []Place, limit int) ([][]commission.Seen, error) {
	return seen(ctx, q, customerFrom, places, limit)
}

func seen(ctx context.Context, q partners.Querier, sql string, places []Place, more ...any) ([][]commission.Seen, error) {
	merchants, customers := make([]int64, len(places)), make([]string, len(places))
	at, refs := make([]time.Time, len(places)), make([]string, len(places))
	for i, p := range places {
		merchants[i], customers[i], at[i], refs[i] = int64(p.Customer.Merchant), p.Customer.ID, p.At, p.Ref
	}
	rows, err := q.Query(ctx, sql, append([]any{merchants, customers, at, refs}, more...)...)
	if err != nil {
		return nil, fmt.Errorf("reading the orders of customers at %d places: %w", len(places), err)
	}
	all := make([][]commission.Seen, len(places))
	var n int64
	var s commission.Seen
	var offer, view []byte
	_, err = pgx.ForEachRow(rows, []any{&n, &s.No, &s.At, &s.Ref, &s.Sale, &s.Void, &offer, &view}, func() error {
		s.At, s.Offer, s.View = s.At.UTC(), nil, commission.View{}
		all[n-1] = append(all[n-1], s)
		return ReadSeen(&all[n-1][len(all[n-1])-1], offer, view)
	})
	if err != nil {
		return nil, fmt.Errorf("reading the orders of customers at %d places: %w", len(places), err)
	}
	return all, nil
}

// ReadSeen reads the columns offer and view of a row of customer_seen.
func ReadSeen(s *commission.Seen, offer, view []byte) (err error) {
	if s.View, err = commission.ReadView(view); err == nil && offer != nil {
		s.Offer, err = commission.ReadOffer(offer)
	}
	if err != nil {
		return fmt.Errorf("order %d: %w", s.No, err)
	}
	return nil
}

// Binds gives what operators said about customers, in its order; of those about whom nobody said anything there is no entry.
func Binds(ctx context.Context, q partners.Querier, customers []Customer) (map[Customer][]commission.Bind, error) {
	customers = slices.Clone(customers)
	slices.SortFunc(customers, func(a, b Customer) int {
		return cmp.Or(cmp.Compare(a.Merchant, b.Merchant), strings.Compare(a.ID, b.ID))
	})
	customers = slices.Compact(customers)
	merchants, ids := make([]int64, len(customers)), make([]string, len(customers))
	for i, c := range customers {
		merchants[i], ids[i] = int64(c.Merchant), c.ID
	}
	rows, err := q.Query(ctx, customerBinds, merchants, ids)
	if err != nil {
		return nil, fmt.Errorf("reading what was said about %d customers: %w", len(customers), err)
	}
	binds := map[Customer][]commission.Bind{}
	var n int64
	var b commission.Bind
	_, err = pgx.ForEachRow(rows, []any{&n, &b.From, &b.No, &b.To.Program, &b.To.Partner, &b.To.Months}, func() error {
		b.From = b.From.UTC()
		binds[customers[n-1]] = append(binds[customers[n-1]], b)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading what was said about %d customers: %w", len(customers), err)
	}
	return binds, nil
}

// Belong adds to the evidence of orders whom their customers belong to, as views of them say, with the terms that are in force
// for that partner as of the order's time.
func (n Network) Belong(ctx context.Context, q partners.Querier, orders []Order, all []*commission.Evidence) error {
	kinds := map[program.PartnerID]program.Kind{}
	for i := range all {
		if b := all[i].Customer.Bound; b != nil {
			kinds[b.Partner] = ""
		}
	}
	if err := readKinds(ctx, q, kinds); err != nil {
		return err
	}
	for i, o := range orders {
		view := &all[i].Customer
		c := commission.Candidate{Kind: commission.TouchCustomer, Code: o.Folded.Customer}
		switch b := view.Bound; {
		case b != nil:
			c.Link = n.Programs.LinkTerms(b.Program, b.Link, b.Partner, kinds[b.Partner], o.Folded.At)
		case view.Ended:
			c.Refused = commission.BindEnded
		default:
			continue
		}
		all[i].Candidates = append(all[i].Candidates, c)
	}
	return nil
}
