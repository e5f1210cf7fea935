package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission/ledger/chart"
	"tributary/internal/pgcopy"
)

// Posting moves an amount from the credited account to the debited one. Source, No and Version name the transaction
// that it belongs to, N (from 0) the posting within it.
type Posting struct {
	Source  chart.Source
	No      int64
	Version int32
	N       int16
	Debit   Account
	Credit  Account
	// Amount is above zero, in the smallest part of the accounts' unit.
	Amount int64
	// EffectiveAt is when it is true in the world; balances are as of this time. Whole microseconds.
	EffectiveAt time.Time
}

const copyPostings = `COPY posting (source, source_no, version, n, debit, credit, amount, unit, effective_at) FROM STDIN BINARY`

// Post writes postings within tx, in one bulk, creating the accounts that do not exist yet. Several transactions may
// post at the same time, to the same accounts too. A posting that does not fit its accounts is a *PostingError before
// anything is sent; one that was posted already is a unique violation of the database. Call it once in a transaction.
func (b *Books) Post(ctx context.Context, tx pgx.Tx, postings []Posting) error {
	if len(postings) == 0 {
		return nil
	}
	for i := range postings {
		if err := postings[i].check(); err != nil {
			return &PostingError{postings[i].Source, postings[i].No, postings[i].Version, err}
		}
	}
	found, err := b.resolve(ctx, tx, postings)
	if err != nil {
		return fmt.Errorf("posting: %w", err)
	}
	var rows pgcopy.Rows
	rows.Reset(9)
	b.mu.RLock()
	for i := range postings {
		p := &postings[i]
		rows.Row()
		rows.Int2(int16(p.Source))
		rows.Int8(p.No)
		rows.Int4(p.Version)
		rows.Int2(p.N)
		rows.Int8(int64(b.number(&p.Debit, found)))
		rows.Int8(int64(b.number(&p.Credit, found)))
		rows.Int8(p.Amount)
		rows.Text(p.Debit.Unit)
		rows.Time(p.EffectiveAt)
	}
	b.mu.RUnlock()
	if err := rows.Send(ctx, tx, copyPostings); err != nil {
		return fmt.Errorf("posting: %w", err)
	}
	return nil
}

// number is the account's number, as remembered or as found in this transaction. b.mu is held.
func (b *Books) number(a *Account, found map[Account]AccountID) AccountID {
	if id, ok := b.ids[*a]; ok {
		return id
	}
	return found[*a] // 0, which the database refuses, if somebody called Forget in between
}

func (p *Posting) check() error {
	switch {
	case p.Amount <= 0:
		return fmt.Errorf("an amount of %d %s cannot be moved", p.Amount, p.Debit.Unit)
	case p.Debit.Unit != p.Credit.Unit:
		return fmt.Errorf("the debited account holds %s, the credited one %s", p.Debit.Unit, p.Credit.Unit)
	case p.Debit == p.Credit:
		return errors.New("an account cannot pay itself")
	}
	return errors.Join(p.Debit.check(), p.Credit.check())
}

// PostingError says that a posting cannot be written, whatever stands in the books.
type PostingError struct {
	Source  chart.Source
	No      int64
	Version int32
	Cause   error
}

// Error names the transaction and what is wrong with a posting of it.
func (e *PostingError) Error() string {
	return fmt.Sprintf("posting %s %d, version %d: %v", e.Source, e.No, e.Version, e.Cause)
}

// Unwrap gives the cause.
func (e *PostingError) Unwrap() error { return e.Cause }
