package engine

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/commission/inbox"
	"tributary/internal/fault/inject"
	"tributary/internal/position"
	"tributary/internal/postgres"
	"tributary/internal/stream"
)

// effect is what a row of the inbox does, in the transaction in which it is taken.
type effect func(ctx context.Context, tx pgx.Tx, p *position.Position, t *txSummary) error

// effectOf reads a row of the inbox.
func (l *lane) effectOf(row inbox.Row) (effect, error) {
	switch row.Kind {
	case inbox.Bind:
		b, err := row.Binding()
		return func(ctx context.Context, tx pgx.Tx, _ *position.Position, _ *txSummary) error {
			return l.bind(ctx, tx, row.No, b)
		}, err
	case inbox.Review:
		said, err := commission.ParseReviewed(row.Content, row.Key)
		return func(ctx context.Context, tx pgx.Tx, p *position.Position, t *txSummary) error {
			return l.redecide(ctx, tx, p, orderKey{said.Merchant, said.Keys, said.Order}, t)
		}, err
	case inbox.Claim:
		said, err := commission.ParseClaimed(row.Content, row.Key)
		return func(ctx context.Context, tx pgx.Tx, p *position.Position, t *txSummary) error {
			return l.claim(ctx, tx, p, row, said, t)
		}, err
	case inbox.Dispute:
		said, err := commission.ParseDisputed(row.Content, row.Key)
		return func(ctx context.Context, tx pgx.Tx, p *position.Position, t *txSummary) error {
			return l.redecide(ctx, tx, p, orderKey{said.Merchant, said.Keys, said.Order}, t)
		}, err
	case inbox.Manual:
		return func(ctx context.Context, tx pgx.Tx, p *position.Position, _ *txSummary) error {
			return l.manualLine(ctx, tx, p, row)
		}, nil
	case inbox.Removal:
		removal, err := strconv.ParseInt(row.Ref, 10, 64)
		return func(ctx context.Context, tx pgx.Tx, _ *position.Position, _ *txSummary) error {
			return holdRemoved(ctx, tx, removal, nil)
		}, err
	case inbox.Letter:
	}
	f := read(stream.Record{Partition: l.held.Partition, Key: row.Key, Value: row.Content}, l.cfg.Partitions)
	return func(ctx context.Context, tx pgx.Tx, p *position.Position, t *txSummary) error {
		orders, err := l.fold(ctx, tx, []*fact{&f}, t)
		if err != nil {
			return err
		}
		if err := l.post(ctx, tx, p, orders, admitted{}, t); err != nil {
			return err
		}
		return setLetterState(ctx, tx, row, LetterReturned, nil)
	}, f.unreadable
}

// takeFromInbox takes in the first fact of the lane that somebody has made and nobody taken, in one transaction: it is folded
// like any other, so a second time would change nothing. One that fails is taken all the same, with the reason; one that a later
// version wrote waits for an engine that knows it.
func (l *lane) takeFromInbox(ctx context.Context) (more bool, err error) {
	row, found, err := l.inbox.Next(ctx, l.cfg.DB)
	if err != nil || !found {
		return false, err
	}
	take, err := l.effectOf(row)
	if verdict(err) == leave {
		return false, fmt.Errorf("reading row %d of the inbox: %w", row.No, err)
	}
	if err != nil {
		return true, l.refuse(ctx, row, err)
	}
	var t txSummary
	err = postgres.InTx(ctx, l.cfg.DB, func(tx pgx.Tx) error {
		return guard(func() error {
			p, err := l.held.Lock(ctx, tx)
			if err != nil {
				return err
			}
			t = txSummary{}
			first, err := inbox.Take(ctx, tx, row, "")
			if err != nil || !first {
				return err
			}
			if err := take(ctx, tx, p, &t); err != nil {
				return err
			}
			if err := l.held.Save(ctx, tx, p); err != nil {
				return err
			}
			inject.Reach(inject.EngineBeforeCommit)
			return nil
		})
	})
	if verdict(err) == failed {
		return true, l.refuse(ctx, row, err)
	}
	if err != nil {
		return false, fmt.Errorf("taking row %d of the inbox: %w", row.No, err)
	}
	inject.Reach(inject.EngineAfterCommit)
	l.announce(&t)
	return true, nil
}

// redecide decides an order again with what somebody said about it.
func (l *lane) redecide(ctx context.Context, tx pgx.Tx, p *position.Position, of orderKey, t *txSummary) error {
	orders, err := l.gather(ctx, tx, []orderKey{of})
	if err != nil {
		return err
	}
	if !orders[0].known {
		return &recordError{cause: fmt.Errorf("order %q of merchant %d was never reported", of.id, of.merchant)}
	}
	if err := l.decide(ctx, tx, orders); err != nil {
		return err
	}
	return l.post(ctx, tx, p, orders, admitted{}, t)
}

// refuse takes a row that can have no effect, and opens its letter again.
func (l *lane) refuse(ctx context.Context, row inbox.Row, cause error) error {
	err := postgres.InTx(ctx, l.cfg.DB, func(tx pgx.Tx) error {
		if _, err := l.held.Lock(ctx, tx); err != nil {
			return err
		}
		if first, err := inbox.Take(ctx, tx, row, cause.Error()); err != nil || !first {
			return err
		}
		return setLetterState(ctx, tx, row, LetterOpen, cause)
	})
	if err != nil {
		return fmt.Errorf("refusing row %d of the inbox: %w", row.No, err)
	}
	l.log.Error("a row of the inbox cannot be processed", "kind", row.Kind, "ref", row.Ref, "author", row.Author, "error", cause)
	return nil
}
