package access

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tributary/internal/fault"
	"tributary/partners"
	"tributary/partners/program"
)

// OfferReset makes a link by which the person of a seat sets another password, once and within a day. It is Forbidden not_permitted
// for a person of the network's unless its owner asks, and Forbidden seat_elsewhere for one with a seat outside the scope.
func (db *DB) OfferReset(ctx context.Context, scope Scope, seat program.SeatID) (link Link, err error) {
	err = db.Change(ctx, scope, func(tx pgx.Tx) (err error) {
		link, err = offerReset(ctx, tx, seat)
		return err
	})
	return link, err
}

func offerReset(ctx context.Context, q partners.Querier, seat program.SeatID) (Link, error) {
	link, said := newLink(), ""
	// name: reset offer
	err := q.QueryRow(ctx, `SELECT reset_offer($1, $2)`, seat, link.hash()).Scan(&said)
	if err == nil {
		err = outcome(said)
	}
	if err != nil {
		return "", fmt.Errorf("making a link for another password: %w", partners.AsFault(err))
	}
	return link, nil
}

// OfferResetTo is OfferReset for the person of an e-mail address, at the console.
func OfferResetTo(ctx context.Context, tx pgx.Tx, email string) (Link, error) {
	if err := ActAsNetwork(ctx, tx); err != nil {
		return "", err
	}
	var seat program.SeatID
	// name: seat of an address
	err := tx.QueryRow(ctx, `SELECT t.id FROM seat t JOIN login l ON l.id = t.login_id WHERE l.email = lower($1) AND t.ended_at IS NULL ORDER BY t.id LIMIT 1`, email).Scan(&seat)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", fault.Coded(fault.NotFound, "not_found", nil)
	}
	if err != nil {
		return "", fmt.Errorf("looking for a person: %w", err)
	}
	return offerReset(ctx, tx, seat)
}

// ResetPassword spends a link on another password, which ends every session of the person. It is Conflict link_spent where the link
// does not hold.
func (db *DB) ResetPassword(ctx context.Context, by Actor, link Link, passwordHash string) error {
	return db.acting(ctx, by, func(tx pgx.Tx) error {
		set := false
		// name: reset use
		err := tx.QueryRow(ctx, `SELECT reset_use($1, $2)`, link.hash(), passwordHash).Scan(&set)
		if err == nil && !set {
			err = outcome("spent")
		}
		return err
	})
}
