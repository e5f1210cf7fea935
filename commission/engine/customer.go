package engine

import (
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/commission/evidence"
	"tributary/internal/event"
	"tributary/internal/pgcopy"
)

// Who a customer belongs to follows from all their orders, which are in as many lanes. No lane waits for another: an order's
// transaction looks at what is committed of the customer's other orders, and decides. Where the next one stands otherwise by it, it leaves
// a row in customer_touched, and in any case what it has changed (changes); who holds the customer's lane works out what that changes for the
// others (sweep), and their lanes decide those again (nudge).

// seen is an order as the customer fold is to have it from this transaction on.
type seen struct {
	commission.Seen

	customer evidence.Customer
	// stored says that there is a row for it, changed that the row is to be written.
	stored, changed bool
	before, behind  *commission.Seen // the orders next to it that are committed
	unsettles       bool             // the order behind it has a view that does not follow from it
	snapshot        string           // what was committed at least when these were read
}

// customers gives orders of merchants whose terms ask how their customers stood and whom these belonged to, by the orders before
// them: those that are committed, and those of this transaction.
func (e *Engine) customers(ctx context.Context, tx pgx.Tx, network evidence.Network, orders []*order) error {
	var named []*seen
	var places []evidence.Place
	var customers []evidence.Customer
	var asked []evidence.Order
	var resolved []*commission.Evidence
	for _, o := range orders {
		if _, asks := e.programs.AsksForCustomers(o.folded.Merchant); !asks {
			continue
		}
		s, ok := commission.SeenBy(&o.folded, &o.evidence)
		o.left = o.leaves(s, ok)
		if !ok {
			continue
		}
		s.No = o.no
		o.seen = &seen{Seen: s, customer: evidence.Customer{Merchant: o.folded.Merchant, ID: o.folded.Customer}, changed: true}
		named = append(named, o.seen)
		places = append(places, evidence.PlaceOf(o.seen.customer, &s))
		customers = append(customers, o.seen.customer)
		asked = append(asked, evidence.Order{Folded: &o.folded, Recorded: &o.recorded})
		resolved = append(resolved, &o.evidence)
	}
	if len(named) == 0 {
		return nil
	}
	seenBefore, err := snapshot(ctx, tx)
	if err != nil {
		return err
	}
	before, behind, err := evidence.Around(ctx, tx, places)
	if err != nil {
		return err
	}
	binds, err := evidence.Binds(ctx, tx, customers)
	if err != nil {
		return err
	}
	for i, s := range named {
		s.snapshot, s.behind = seenBefore, behind[i]
		s.meet(before[i])
	}
	view(named, binds)
	for i, s := range named {
		resolved[i].Customer = s.View
	}
	return network.Belong(ctx, tx, asked, resolved)
}

// leaves gives the places among the orders of customers that an order may have had before people put another report in place of the
// one that stood: those of all its reports but for the place at which it now is, if there is one.
func (o *order) leaves(now commission.Seen, named bool) (places []evidence.Place) {
	if !slices.ContainsFunc(o.said.Reviews, func(r commission.Review) bool { return r.Verb == commission.Replace }) {
		return nil
	}
	reports := slices.Clone(o.events)
	for _, r := range o.said.Reviews {
		reports = append(reports, r.Reported)
	}
	for _, e := range reports {
		sale := e.GetSale()
		if sale.GetCustomerId() == "" {
			continue
		}
		p := evidence.Place{
			Customer: evidence.Customer{Merchant: o.folded.Merchant, ID: sale.GetCustomerId()}, At: event.Time(e.GetOccurredAt()), Ref: o.key.id,
		}
		if stays := named && p == evidence.PlaceOf(evidence.Customer{Merchant: o.folded.Merchant, ID: o.folded.Customer}, &now); !stays && !slices.Contains(places, p) {
			places = append(places, p)
		}
	}
	return places
}

// meet compares an order with what is stored of it and takes down which comes before it. One that is stored as it is keeps the
// view that it was last given, which may be newer than that of its last decision.
func (s *seen) meet(rows []commission.Seen) {
	if len(rows) > 0 && rows[0].Compare(&s.Seen) == 0 {
		s.stored, s.changed = true, !rows[0].SameFacts(&s.Seen)
		s.View = rows[0].View
		rows = rows[1:]
	}
	if len(rows) > 0 {
		s.before = &rows[0]
	}
}

// view gives each order that is to be written its view, by the order before it, and holds that against the view of the order behind it:
// either is one that is committed, or another of these. Whom that view does not concern has nobody looked at: where each order follows
// from the one before it, all do.
func view(orders []*seen, binds map[evidence.Customer][]commission.Bind) {
	orders = slices.Clone(orders)
	slices.SortFunc(orders, func(a, b *seen) int {
		return cmp.Or(cmp.Compare(a.customer.Merchant, b.customer.Merchant), cmp.Compare(a.customer.ID, b.customer.ID), a.Compare(&b.Seen))
	})
	for i, s := range orders {
		if !s.changed {
			continue
		}
		prev := s.before
		if i > 0 && orders[i-1].customer == s.customer && (prev == nil || orders[i-1].Compare(prev) > 0) {
			prev = &orders[i-1].Seen
		}
		s.View = s.Follow(prev, binds[s.customer])
	}
	for i, s := range orders {
		next := s.behind
		if i+1 < len(orders) && orders[i+1].customer == s.customer && (next == nil || orders[i+1].Compare(next) <= 0) {
			next = &orders[i+1].Seen
		}
		if s.changed && next != nil {
			view := next.Follow(&s.Seen, binds[s.customer])
			s.unsettles = !view.Equal(&next.View)
		}
	}
}

//go:embed query/update_seen.sql
var updateSeen string

const (
	copySeen    = `COPY customer_seen (merchant_id, customer_id, at, ref, order_no, sale, void, offer, view) FROM STDIN BINARY`
	copyTouched = `COPY customer_touched (lane, merchant_id, customer_id, at, ref) FROM STDIN BINARY`
)

// writeSeen writes what the customer fold is to have of orders, that customers are to be looked at who have later orders, and what it
// has changed.
func (e *Engine) writeSeen(ctx context.Context, tx pgx.Tx, orders []*order, buf *rows) error {
	buf.seen.Reset(9)
	buf.touched.Reset(5)
	var changed seenColumns
	made, seenBefore := changes{}, ""
	for _, o := range orders {
		s := o.seen
		if s == nil || !s.changed {
			continue
		}
		if s.stored {
			changed.add(s)
		} else {
			copyOneSeen(&buf.seen, s)
		}
		place := evidence.PlaceOf(s.customer, &s.Seen)
		if s.unsettles {
			copyTouch(&buf.touched, place, e.cfg.Partitions)
		}
		made.add(changedPlace{place, !s.stored && !s.Moves()}, e.cfg.Partitions)
		seenBefore = s.snapshot
	}
	if err := buf.seen.Send(ctx, tx, copySeen); err != nil {
		return fmt.Errorf("writing orders of customers: %w", err)
	}
	if err := changed.write(ctx, tx); err != nil {
		return err
	}
	if err := buf.touched.Send(ctx, tx, copyTouched); err != nil {
		return fmt.Errorf("writing which customers to look at: %w", err)
	}
	if err := made.write(ctx, tx, seenBefore); err != nil {
		return err
	}
	return e.leavePlaces(ctx, tx, orders)
}

//go:embed query/leave_places.sql
var leavePlaces string

// leavePlaces takes orders off the places that they have left, and has their customers looked at.
func (e *Engine) leavePlaces(ctx context.Context, tx pgx.Tx, orders []*order) error {
	var c seenColumns
	made := changes{}
	for _, o := range orders {
		for _, p := range o.left {
			made.add(changedPlace{Place: p}, e.cfg.Partitions)
			c.lane = append(c.lane, p.Customer.Lane(e.cfg.Partitions))
			c.merchant, c.customer = append(c.merchant, int64(p.Customer.Merchant)), append(c.customer, p.Customer.ID)
			c.at, c.ref = append(c.at, p.At), append(c.ref, p.Ref)
		}
	}
	if len(c.merchant) == 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, leavePlaces, c.lane, c.merchant, c.customer, c.at, c.ref); err != nil {
		return fmt.Errorf("taking orders off %d places: %w", len(c.merchant), err)
	}
	return made.writeNow(ctx, tx)
}

func copyTouch(r *pgcopy.Rows, p evidence.Place, partitions int) {
	r.Row()
	r.Int4(int32(p.Customer.Lane(partitions)))
	r.Int8(int64(p.Customer.Merchant))
	r.Text(p.Customer.ID)
	r.Time(p.At)
	r.Text(p.Ref)
}

func copyOneSeen(r *pgcopy.Rows, s *seen) {
	r.Row()
	r.Int8(int64(s.customer.Merchant))
	r.Text(s.customer.ID)
	r.Time(s.At)
	r.Text(s.Ref)
	r.Int8(s.No)
	r.Bool(s.Sale)
	r.Bool(s.Void)
	var room [512]byte
	if s.Offer == nil {
		r.Null()
	} else {
		r.Bytes(s.Offer.AppendJSON(room[:0]))
	}
	r.Bytes(s.View.AppendJSON(room[:0]))
}

// asJSON is an offer or a view as customer_seen keeps it.
func asJSON(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic("engine: writing how a customer stands: " + err.Error()) // numbers and times alone
	}
	return data
}

// seenColumns are orders that the customer fold has seen already and that have changed, column by column.
type seenColumns struct {
	lane                []int
	merchant            []int64
	customer, ref, view []string
	at                  []time.Time
	sale, void          []bool
	offer               []*string
}

func (c *seenColumns) add(s *seen) {
	c.merchant = append(c.merchant, int64(s.customer.Merchant))
	c.customer = append(c.customer, s.customer.ID)
	c.at = append(c.at, s.At)
	c.ref = append(c.ref, s.Ref)
	c.sale = append(c.sale, s.Sale)
	c.void = append(c.void, s.Void)
	var offer *string
	if s.Offer != nil {
		offer = new(string(s.Offer.AppendJSON(nil)))
	}
	c.offer = append(c.offer, offer)
	c.view = append(c.view, string(s.View.AppendJSON(nil)))
}

func (c *seenColumns) write(ctx context.Context, tx pgx.Tx) error {
	if len(c.merchant) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, updateSeen, c.merchant, c.customer, c.at, c.ref, c.sale, c.void, c.offer, c.view)
	if err != nil {
		return fmt.Errorf("changing %d orders of customers: %w", len(c.merchant), err)
	}
	return nil
}
