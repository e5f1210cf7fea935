package ledger

import (
	"context"
	_ "embed"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"tributary/partners/program"
)

// Querier runs a query: a pool, a connection or a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Balance is what has been posted to an account.
type Balance struct {
	ID AccountID
	Account
	// Debits and Credits are sums in the smallest part of the account's unit.
	Debits, Credits int64
}

// Amount is the balance in the direction in which accounts of the kind grow: what a merchant owes, what a partner has
// earned. It is below zero when more was taken back than there was.
func (b Balance) Amount() int64 {
	if b.Kind.IsDebit() {
		return b.Debits - b.Credits
	}
	return b.Credits - b.Debits
}

//go:embed query/balances.sql
var balancesSQL string

// Balances gives the balances of accounts by number, those that exist, in the order of their numbers. asOf says up to
// which effective time; the zero time means everything that was posted. Sums that do not fit 64 bits are an error.
func Balances(ctx context.Context, q Querier, accounts []AccountID, asOf time.Time) ([]Balance, error) {
	ids := make([]int64, len(accounts))
	for i, id := range accounts {
		ids[i] = int64(id)
	}
	return balances(ctx, q, balancesSQL+` WHERE a.id = ANY ($2::bigint[]) ORDER BY a.id`, asOf, ids)
}

// PartnerBalances gives the balances of all of a partner's accounts, at every merchant and in every unit. asOf is as
// for Balances.
func PartnerBalances(ctx context.Context, q Querier, partner program.PartnerID, asOf time.Time) ([]Balance, error) {
	return balances(ctx, q, balancesSQL+` WHERE a.partner_id = $2 ORDER BY a.id`, asOf, int64(partner))
}

// MerchantBalances gives the balances of all accounts at a merchant: its own, the network's fees, and those of its
// partners. asOf is as for Balances.
func MerchantBalances(ctx context.Context, q Querier, merchant program.MerchantID, asOf time.Time) ([]Balance, error) {
	return balances(ctx, q, balancesSQL+` WHERE a.merchant_id = $2 ORDER BY a.id`, asOf, int64(merchant))
}

// AllBalances calls each for every account there is, in the order of their numbers, without holding them all in memory.
// asOf is as for Balances.
func AllBalances(ctx context.Context, q Querier, asOf time.Time, each func(Balance) error) error {
	rows, err := q.Query(ctx, balancesSQL+` ORDER BY a.id`, moment(asOf))
	if err != nil {
		return fmt.Errorf("reading balances: %w", err)
	}
	var b Balance
	_, err = pgx.ForEachRow(rows, targets(&b), func() error { return each(b) })
	if err != nil {
		return fmt.Errorf("reading balances: %w", err)
	}
	return nil
}

func balances(ctx context.Context, q Querier, sql string, asOf time.Time, which any) ([]Balance, error) {
	rows, err := q.Query(ctx, sql, moment(asOf), which)
	if err != nil {
		return nil, fmt.Errorf("reading balances: %w", err)
	}
	var all []Balance
	var b Balance
	_, err = pgx.ForEachRow(rows, targets(&b), func() error {
		all = append(all, b)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading balances: %w", err)
	}
	return all, nil
}

func targets(b *Balance) []any {
	return []any{&b.ID, &b.Kind, &b.Merchant, &b.Partner, &b.Unit, &b.Debits, &b.Credits}
}

// moment turns a time into the database's; the zero time into one that nothing is later than.
func moment(t time.Time) pgtype.Timestamptz {
	if t.IsZero() {
		return pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true}
	}
	return pgtype.Timestamptz{Time: t, Valid: true}
}

// Total is what all accounts of one kind and unit add up to.
type Total struct {
	Kind     Kind
	Unit     string
	Accounts int64
	// Debits and Credits are sums in the smallest part of the unit.
	Debits, Credits int64
}

//go:embed query/trial.sql
var trialSQL string

// TrialBalance adds up all accounts by unit and kind. Within a unit the debits and credits are equal, or the books are
// broken; a sum that does not fit 64 bits is given as math.MaxInt64. asOf is as for Balances.
func TrialBalance(ctx context.Context, q Querier, asOf time.Time) ([]Total, error) {
	rows, err := q.Query(ctx, trialSQL, moment(asOf))
	if err != nil {
		return nil, fmt.Errorf("reading the trial balance: %w", err)
	}
	var totals []Total
	var t Total
	_, err = pgx.ForEachRow(rows, []any{&t.Kind, &t.Unit, &t.Accounts, &t.Debits, &t.Credits}, func() error {
		totals = append(totals, t)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the trial balance: %w", err)
	}
	return totals, nil
}

// StatementLine is one posting as seen from one of its accounts.
type StatementLine struct {
	// Seq is the number of the posting: later ones have higher numbers.
	Seq     int64
	Source  Source
	No      int64
	Version int32
	N       int16
	// Other is the account on the other side.
	Other AccountID
	// Debit or Credit is the amount, the other one 0.
	Debit, Credit int64
	EffectiveAt   time.Time
	PostedAt      time.Time
}

//go:embed query/statement.sql
var statementSQL string

// Statement gives at most limit postings of an account, newest first: those before the number given, or the newest of
// all for 0.
func Statement(ctx context.Context, q Querier, account AccountID, before int64, limit int) ([]StatementLine, error) {
	if before <= 0 {
		before = math.MaxInt64
	}
	rows, err := q.Query(ctx, statementSQL, int64(account), before, limit)
	if err != nil {
		return nil, fmt.Errorf("reading the statement of account %d: %w", account, err)
	}
	var lines []StatementLine
	var l StatementLine
	_, err = pgx.ForEachRow(rows, []any{
		&l.Seq, &l.Source, &l.No, &l.Version, &l.N, &l.Other, &l.Debit, &l.Credit, &l.EffectiveAt, &l.PostedAt,
	}, func() error {
		lines = append(lines, l)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the statement of account %d: %w", account, err)
	}
	return lines, nil
}
