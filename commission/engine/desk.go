package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/commission/inbox"
	"tributary/internal/fault"
	"tributary/partners/access"
)

// A Desk is where people on pages say what is to become of orders and customers, each within a scope.
type Desk struct {
	// DB is PostgreSQL as people may use it.
	DB *access.DB
	// Partitions are those of the topic orders.
	Partitions int
}

// Bind is Rebind for an operator on a page.
func (d *Desk) Bind(ctx context.Context, scope access.Scope, b inbox.Binding, author, note string) error {
	if !scope.Network {
		return fault.Coded(fault.NotFound, "not_found", nil)
	}
	return d.DB.Change(ctx, scope, func(tx pgx.Tx) error { return Rebind(ctx, tx, b, author, note, d.Partitions) })
}

// EnterLine is AddManualLine on a page.
func (d *Desk) EnterLine(ctx context.Context, scope access.Scope, l commission.ManualLine, author string) (entered EnteredLine, err error) {
	err = d.DB.Change(ctx, scope, func(tx pgx.Tx) (err error) {
		entered, err = AddManualLine(ctx, tx, l, author)
		return err
	})
	return entered, err
}

// DecideLine is DecideManualLine on a page.
func (d *Desk) DecideLine(ctx context.Context, scope access.Scope, no int64, said ManualVerdict, author, note string) error {
	return d.DB.Change(ctx, scope, func(tx pgx.Tx) error { return DecideManualLine(ctx, tx, no, said, author, note) })
}

// An Act is what somebody has said of several orders at once.
type Act struct {
	// At is when, by the database's clock: the time of each of its reviews.
	At time.Time
	// Numbers are those of the reviews, 0 for an order that is not there or not the scope's to review.
	Numbers []int64
}

// Review is ReviewOrders for somebody on a page, with a note of why, which there has to be.
func (d *Desk) Review(ctx context.Context, scope access.Scope, said []commission.Reviewed, author, note string) (act Act, err error) {
	if wrong := wrongReason(note); len(wrong) > 0 {
		return act, &fault.Error{Kind: fault.Invalid, Code: "refused", Fields: wrong}
	}
	err = d.DB.Change(ctx, scope, func(tx pgx.Tx) (err error) {
		if act.Numbers, err = ReviewOrders(ctx, tx, said, author, note); err != nil {
			return err
		}
		// name: time of an act
		if err := tx.QueryRow(ctx, `SELECT now()`).Scan(&act.At); err != nil {
			return fmt.Errorf("asking for the time: %w", err)
		}
		act.At = act.At.UTC()
		return nil
	})
	return act, err
}

// An Undoing is what became of withdrawing a review.
type Undoing struct {
	Review int64
	// TooLate is nil where the review is withdrawn.
	TooLate *TooLateError
}

// Undo withdraws reviews of the scope's side, as far as the engine has not taken them. One that is not there, or another
// side's, is not found.
func (d *Desk) Undo(ctx context.Context, scope access.Scope, reviews []int64, author, note string) (all []Undoing, err error) {
	err = d.DB.Change(ctx, scope, func(tx pgx.Tx) error {
		all = make([]Undoing, len(reviews))
		for i, no := range reviews {
			all[i].Review = no
			err := UndoReview(ctx, tx, no, author, note)
			if late, is := errors.AsType[*TooLateError](err); is {
				all[i].TooLate, err = late, nil
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return all, err
}
