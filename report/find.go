package report

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/text/unicode/norm"

	"tributary/commission"
	"tributary/partners/program"
)

// A FoundOrder is an order that a partner has looked up by the shop's id, as far as it concerns the partner.
type FoundOrder struct {
	No         int64     `json:"-"`
	Merchant   string    `json:"merchant"`
	OrderID    string    `json:"order"`
	Test       bool      `json:"test,omitempty"`
	PlacedAt   time.Time `json:"at"`
	ReportedAt time.Time `json:"-"` // or placed, where that is later
	// Earns tells that there is, or was, a commission of the partner's on it: its page explains it.
	Earns bool `json:"-"`
	// Outcome is what became of the order as a whole, where that is why the partner earns nothing; else each touch says why.
	Outcome commission.Reason `json:"outcome,omitempty"`
	// Touches are the partner's own, but for claims and without who the customer is.
	Touches []commission.Touch `json:"touches"`

	Links map[program.LinkID]string `json:"-"` // their names
}

// Claimable tells whether the partner may claim the order at a time.
func (o *FoundOrder) Claimable(at time.Time) bool {
	return !o.Earns && !o.Test && o.Outcome != commission.Voided && !o.Late(at)
}

// Late tells that it is too late to claim the order.
func (o *FoundOrder) Late(at time.Time) bool {
	return at.After(o.ReportedAt.Add(commission.ClaimWithin))
}

// Program is that of the partner's last touch, 0 where none is of a program.
func (o *FoundOrder) Program() program.ProgramID {
	for _, t := range slices.Backward(o.Touches) {
		if t.Program != 0 {
			return t.Program
		}
	}
	return 0
}

// JSON is what the partner reads of the order, for programs.
func (o *FoundOrder) JSON() (string, error) {
	return written(o)
}

// ParseFind reads the address of a look-up: the order's id, empty where none is asked for yet.
func ParseFind(values url.Values, now time.Time) (order string, err error) {
	q := newQuery(values, now)
	order = norm.NFC.String(q.text("q")) // as reports have it
	return order, q.err()
}

// FindQuery is the address as ParseFind reads it.
func FindQuery(order string) url.Values {
	q := url.Values{}
	set(q, "q", order)
	return q
}

// FindOrder looks an order up by the shop's id, in the shops whose programs the scope's partner is in. It finds those on which the
// partner earns, and those of which it has a touch; any other is as if there were none.
func (s *Snapshot) FindOrder(ctx context.Context, order string) ([]FoundOrder, error) {
	// name: orders that a partner looks up
	rows, err := s.tx.Query(ctx, `SELECT no, merchant, order_id, test, placed_at, reported_at, earns, record FROM find_order($1)`, order)
	if err != nil {
		return nil, fmt.Errorf("looking up an order: %w", err)
	}
	all := Explanation{}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (o FoundOrder, err error) {
		var record []byte
		if err := row.Scan(&o.No, &o.Merchant, &o.OrderID, &o.Test, &o.PlacedAt, &o.ReportedAt, &o.Earns, &record); err != nil {
			return o, err
		}
		d, err := commission.UnmarshalRecord(record)
		o.Outcome, o.Touches = d.Outcome, d.Touches
		all.Decision.Touches = append(all.Decision.Touches, o.Touches...)
		return o, err
	})
	if err != nil {
		return nil, fmt.Errorf("looking up an order: %w", err)
	}
	if err := s.readNames(ctx, &all); err != nil {
		return nil, err
	}
	for i := range found {
		found[i].Links = all.Links
	}
	return found, nil
}
