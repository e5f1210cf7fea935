package audit

// P8: how customers stand follows from their orders, and each order is decided by it.

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/commission/evidence"
	"tributary/partners/program"
)

// customers adds to the evidence of a page of orders how their customers stood, as it is stored: that this follows from the
// customers' orders, views verifies.
func (v *Verification) customers(ctx context.Context, network evidence.Network, page []*order) error {
	var named []*order
	var places []evidence.Place
	var asked []evidence.Order
	for _, o := range page {
		if _, asks := v.programs.AsksForCustomers(o.folded.Merchant); !asks {
			continue
		}
		seen, ok := commission.SeenBy(&o.folded, &o.evidence)
		if !ok {
			continue
		}
		o.seen = &seen
		named = append(named, o)
		asked = append(asked, evidence.Order{Folded: &o.folded, Recorded: &o.recorded})
		places = append(places, evidence.Place{Customer: evidence.Customer{Merchant: o.folded.Merchant, ID: o.folded.Customer}, At: seen.At, Ref: seen.Ref})
	}
	if len(named) == 0 {
		return nil
	}
	if v.followed == nil {
		if err := v.readFollowed(ctx); err != nil {
			return err
		}
	}
	stored, err := evidence.Before(ctx, v.Tx, places)
	if err != nil {
		return err
	}
	resolved := make([]*commission.Evidence, len(named))
	for i, o := range named {
		if len(stored[i]) > 0 && stored[i][0].Compare(o.seen) == 0 {
			o.stored = &stored[i][0]
			o.evidence.Customer = o.stored.View
		}
		resolved[i] = &o.evidence
	}
	return network.Belong(ctx, v.Tx, asked, resolved)
}

// nudged marks orders that are about to be decided again: their decision may be by an earlier view.
func (v *Verification) nudged(ctx context.Context, page []*order) error {
	numbers := make([]int64, len(page))
	byNo := make(map[int64]*order, len(page))
	for i, o := range page {
		numbers[i], byNo[o.no] = o.no, o
	}
	rows, err := v.Tx.Query(ctx, `SELECT order_no FROM nudge WHERE order_no = ANY ($1)`, numbers)
	if err != nil {
		return err
	}
	var no int64
	_, err = pgx.ForEachRow(rows, []any{&no}, func() error {
		byNo[no].nudged = true
		return nil
	})
	return err
}

// seenAs compares what the customer fold has of an order with the order.
func (v *Verification) seenAs(o *order) {
	if o.seen == nil {
		return
	}
	at := Finding{Check: "customers follow from orders", Table: "customer_seen", Key: fmt.Sprintf("of order %d (merchant %d, %q)", o.no, o.merchant, o.id)}
	switch {
	case o.stored == nil:
		if !v.followed[lane{o.folded.Merchant, o.lane}] {
			return // the lane has yet to come to it
		}
		at.Want, at.Have = "a row of customer "+o.folded.Customer, "none"
		v.Find(at)
	case !o.stored.SameFacts(o.seen) || o.stored.No != o.no:
		at.Column, at.Want, at.Have = "sale, void, offer", factsOf(o.seen), factsOf(o.stored)
		v.Find(at)
	}
}

// factsOf are what an order says to the customer fold.
func factsOf(s *commission.Seen) string {
	return fmt.Sprintf("%t, %t, %s", s.Sale, s.Void, asText(s.Offer))
}

func asText(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// lane is a merchant's orders of a lane.
type lane struct {
	merchant program.MerchantID
	lane     int16
}

// readFollowed reads which lanes have gone through the orders that merchants had before their terms asked about customers.
func (v *Verification) readFollowed(ctx context.Context) error {
	rows, err := v.Tx.Query(ctx, `SELECT merchant_id, lane FROM customer_backfill WHERE done`)
	if err != nil {
		return err
	}
	v.followed = map[lane]bool{}
	var l lane
	_, err = pgx.ForEachRow(rows, []any{&l.merchant, &l.lane}, func() error {
		v.followed[l] = true
		return nil
	})
	return err
}

// views verifies that how each customer stood by each of their orders follows from the order before it and from what operators
// said. Customers whose orders are to be looked at yet are passed over.
func (v *Verification) views(ctx context.Context) error {
	touched, err := v.touchedCustomers(ctx)
	if err != nil {
		return fmt.Errorf("checking how customers stand: %w", err)
	}
	binds, err := v.allBinds(ctx)
	if err != nil {
		return fmt.Errorf("checking how customers stand: %w", err)
	}
	rows, err := v.Tx.Query(ctx, `SELECT merchant_id, customer_id, order_no, at, ref, sale, void, offer, view
		FROM customer_seen ORDER BY merchant_id, customer_id, at, ref`)
	if err != nil {
		return fmt.Errorf("checking how customers stand: %w", err)
	}
	var customer, last evidence.Customer
	var s, before commission.Seen
	var offer, view []byte
	_, err = pgx.ForEachRow(rows, []any{&customer.Merchant, &customer.ID, &s.No, &s.At, &s.Ref, &s.Sale, &s.Void, &offer, &view}, func() error {
		s.At, s.Offer, s.View = s.At.UTC(), nil, commission.View{}
		if err := evidence.ReadSeen(&s, offer, view); err != nil {
			return err
		}
		var prev *commission.Seen
		if customer == last {
			prev = &before
		}
		if want := s.Follow(prev, binds[customer]); !touched[customer] && !want.Equal(&s.View) {
			v.Find(Finding{
				Check: "customers follow from orders", Table: "customer_seen", Key: fmt.Sprintf("of order %d (merchant %d, %q)", s.No, customer.Merchant, s.Ref),
				Column: "view", Want: asText(want), Have: asText(s.View),
			})
		}
		last, before = customer, s
		return nil
	})
	if err != nil {
		return fmt.Errorf("checking how customers stand: %w", err)
	}
	return v.customerRows(ctx)
}

// touchedCustomers are those whose orders are to be looked at.
func (v *Verification) touchedCustomers(ctx context.Context) (map[evidence.Customer]bool, error) {
	rows, err := v.Tx.Query(ctx, `SELECT merchant_id, customer_id FROM customer_touched
		UNION SELECT m, c FROM customer_change, unnest(merchants, customers) p (m, c) WHERE compared IS NULL`)
	if err != nil {
		return nil, err
	}
	touched := map[evidence.Customer]bool{}
	var c evidence.Customer
	_, err = pgx.ForEachRow(rows, []any{&c.Merchant, &c.ID}, func() error {
		touched[c] = true
		return nil
	})
	return touched, err
}

// allBinds is what operators said, in its order.
func (v *Verification) allBinds(ctx context.Context) (map[evidence.Customer][]commission.Bind, error) {
	rows, err := v.Tx.Query(ctx, `SELECT merchant_id, customer_id, from_at, no, program_id, partner_id, months FROM customer_event ORDER BY from_at, no`)
	if err != nil {
		return nil, err
	}
	binds := map[evidence.Customer][]commission.Bind{}
	var c evidence.Customer
	var b commission.Bind
	_, err = pgx.ForEachRow(rows, []any{&c.Merchant, &c.ID, &b.From, &b.No, &b.To.Program, &b.To.Partner, &b.To.Months}, func() error {
		b.From = b.From.UTC()
		binds[c] = append(binds[c], b)
		return nil
	})
	return binds, err
}

// customerRows looks for rows of no order, and for work that is left undone.
func (v *Verification) customerRows(ctx context.Context) error {
	err := v.Rows(ctx, "customers follow from orders", Broken, `
SELECT 'customer_seen', format('of order %s (merchant %s, %s)', s.order_no, s.merchant_id, s.ref), 'merchant_id, customer_id, at, ref',
       coalesce(format('%s, %s, %s, %s', o.merchant_id, o.customer_id, o.occurred_at, o.order_id), 'an order'),
       format('%s, %s, %s, %s', s.merchant_id, s.customer_id, s.at, s.ref)
  FROM customer_seen s LEFT JOIN orders o ON o.no = s.order_no
 WHERE (o.merchant_id, o.customer_id, o.occurred_at, o.order_id) IS DISTINCT FROM (s.merchant_id, s.customer_id, s.at, s.ref) LIMIT $1`, v.Limit)
	if err != nil {
		return err
	}
	return v.Rows(ctx, "customers are looked at", Attention, `
SELECT 'customer_touched', format('of merchant %s, customer %s', merchant_id, customer_id), 'written', 'looked at since', written::text
  FROM customer_touched WHERE written < now() - $1 * interval '1 second'
UNION ALL
SELECT 'customer_change', format('of merchant %s, customer %s', merchants[1], customers[1]), 'written', 'looked at since', written::text
  FROM customer_change WHERE compared IS NULL AND written < now() - $1 * interval '1 second'
UNION ALL
SELECT 'nudge', format('of order %s', order_no), 'written', 'decided again since', written::text
  FROM nudge WHERE written < now() - $1 * interval '1 second' LIMIT $2`, overdue.Seconds(), v.Limit)
}
