package demo

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/commission"
	"tributary/commission/engine"
	"tributary/partners/access"
	"tributary/partners/program"
)

// The log-ins of who says something about orders.
const (
	firstPartner  = "partner@demo.example"
	firstMerchant = "merchant@demo.example"
)

// What they say.
const (
	claimNote   = "They bought from our November newsletter and paid by bank transfer, so the shop never saw the click."
	grantedNote = "The customer wrote to us before buying; we sent our link by mail."
	grantedWhy  = "Their mail names your link. Thank you for telling us."
	heldNote    = "The customer wants their money back. We wait for the parcel."
	declinedWhy = "The bank has taken the payment back."
	disputeNote = "The customer tells the bank that the parcel never came. The carrier has a signature."
)

// Say has the first partner and the first merchant say something of orders of the history, once those are in the books: a claim
// waits, another is granted, an order is put on hold, one is declined, and of one the customer disputes the payment. What was said by an earlier start is not said again.
// The database is read as its operator.
func (n *Network) Say(ctx context.Context, db *pgxpool.Pool, desk *engine.Desk) error {
	var of subject
	if err := of.find(ctx, db, n.merchants[0].name, n.partners[0].name); err != nil {
		return err
	}
	partner, merchant := access.Scope{Partner: of.partner}, access.Scope{Merchant: of.merchant}
	claim := func(order, note string) (no int64, err error) {
		return desk.Claim(ctx, partner, engine.NewClaim{Program: of.program, Order: order, Note: note}, firstPartner)
	}
	review := func(order, note string, said commission.Reviewed) error {
		said.Merchant, said.Order = int64(of.merchant), order
		_, err := desk.Review(ctx, merchant, []commission.Reviewed{said}, firstMerchant, note)
		return err
	}
	for _, one := range []struct {
		note string
		say  func() error
	}{
		{claimNote, func() error {
			_, err := claim(of.unpaid[0], claimNote)
			return err
		}},
		{grantedNote, func() error {
			no, err := claim(of.unpaid[1], grantedNote)
			if err == nil {
				_, err = desk.Answer(ctx, merchant, no, commission.ClaimIsGranted, firstMerchant, grantedWhy)
			}
			return err
		}},
		{heldNote, func() error {
			return review(of.paid[0], heldNote, commission.Reviewed{Verb: commission.Hold, Code: "returned"})
		}},
		{declinedWhy, func() error {
			return review(of.paid[1], declinedWhy, commission.Reviewed{Verb: commission.Decline, Code: "not_paid"})
		}},
		{disputeNote, func() error {
			said := commission.Disputed{Merchant: int64(of.merchant), Order: of.paid[2], Dispute: "dp_20417", Whole: true}
			_, err := desk.OpenDispute(ctx, merchant, said, firstMerchant, disputeNote)
			return err
		}},
	} {
		var said bool
		if err := db.QueryRow(ctx, `SELECT EXISTS (SELECT FROM inbox WHERE note = $1)`, one.note).Scan(&said); err != nil {
			return fmt.Errorf("looking for what was said: %w", err)
		}
		if said {
			continue
		}
		if err := one.say(); err != nil {
			return fmt.Errorf("saying %q: %w", one.note, err)
		}
	}
	return nil
}

// A subject is what the demo's people speak of.
type subject struct {
	merchant program.MerchantID
	program  program.ProgramID
	partner  program.PartnerID
	// unpaid are orders that nobody earns on, paid such that the partner does; the latest that are some days old.
	unpaid, paid []string
}

func (s *subject) find(ctx context.Context, db *pgxpool.Pool, merchant, partner string) error {
	// name: who speaks in the demo
	err := db.QueryRow(ctx, `SELECT m.id, g.id, p.id FROM merchant m JOIN program g ON g.merchant_id = m.id, partner p WHERE m.name = $1 AND p.name = $2 ORDER BY m.id, g.id, p.id LIMIT 1`,
		merchant, partner).Scan(&s.merchant, &s.program, &s.partner)
	if err != nil {
		return fmt.Errorf("finding who speaks in the demo: %w", err)
	}
	const orders = `SELECT order_id FROM orders o WHERE merchant_id = $1 AND keys = 0 AND refunded = 0 AND occurred_at < now() - interval '3 days'
		AND NOT EXISTS (SELECT FROM order_conflict x WHERE x.order_no = o.no) AND `
	if s.unpaid, err = latest(ctx, db, 2, orders+`outcome = 'no_click' AND $2 > 0`, s); err != nil {
		return err
	}
	s.paid, err = latest(ctx, db, 3, orders+`EXISTS (SELECT FROM commission c WHERE c.order_no = o.no AND c.partner_id = $2 AND c.state = 'pending' AND c.net > 0)`, s)
	return err
}

// latest reads so many of the latest orders.
func latest(ctx context.Context, db *pgxpool.Pool, n int, sql string, s *subject) ([]string, error) {
	rows, err := db.Query(ctx, sql+` ORDER BY occurred_at DESC, order_id LIMIT $3`, int64(s.merchant), int64(s.partner), n)
	if err != nil {
		return nil, fmt.Errorf("finding orders to speak of: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err == nil && len(found) < n {
		err = fmt.Errorf("there are %d of them", len(found))
	}
	if err != nil {
		return nil, fmt.Errorf("finding orders to speak of: %w", err)
	}
	return found, nil
}
