package ledger

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"tributary/commission/ledger/chart"
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
func (b Balance) Amount() int64 { return b.Kind.Amount(b.Debits, b.Credits) }

//go:embed query/balances.sql
var balancesSQL string

// PartnerBalances gives the balances of all of a partner's accounts, at every merchant and in every unit, in the order of their
// numbers. asOf says up to which effective time; the zero time means everything that was posted. Sums that do not fit 64 bits
// are an error.
func PartnerBalances(ctx context.Context, q Querier, partner program.PartnerID, asOf time.Time) ([]Balance, error) {
	return balances(ctx, q, balancesSQL+` WHERE a.partner_id = $2 ORDER BY a.id`, asOf, int64(partner))
}

// MerchantBalances gives the balances of the accounts at a merchant: its own, the network's fees, and those of its partners,
// but not those of its customers, who are many. asOf is as for PartnerBalances.
func MerchantBalances(ctx context.Context, q Querier, merchant program.MerchantID, asOf time.Time) ([]Balance, error) {
	return balances(ctx, q, balancesSQL+` WHERE a.merchant_id = $2 AND a.customer_no IS NULL ORDER BY a.id`, asOf, int64(merchant))
}

// CustomerBalances gives the balances of the accounts of one of a merchant's customers. asOf is as for PartnerBalances.
func CustomerBalances(ctx context.Context, q Querier, merchant program.MerchantID, customer string, asOf time.Time) ([]Balance, error) {
	return balances(ctx, q, balancesSQL+` WHERE k.merchant_id = $2 AND k.customer_id = $3 ORDER BY a.id`, asOf, int64(merchant), customer)
}

func balances(ctx context.Context, q Querier, sql string, asOf time.Time, which ...any) ([]Balance, error) {
	rows, err := q.Query(ctx, sql, append([]any{moment(asOf)}, which...)...)
	if err != nil {
		return nil, fmt.Errorf("reading balances: %w", err)
	}
	var all []Balance
	var b Balance
	_, err = pgx.ForEachRow(rows, []any{&b.ID, &b.Kind, &b.Merchant, &b.Partner, &b.Customer, &b.Unit, &b.Debits, &b.Credits}, func() error {
		all = append(all, b)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading balances: %w", err)
	}
	return all, nil
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
	Kind     chart.Kind
	Unit     string
	Accounts int64
	// Debits and Credits are sums in the smallest part of the unit.
	Debits, Credits int64
}

//go:embed query/trial.sql
var trialSQL string

// TrialBalance adds up all accounts by unit and kind. Within a unit the debits and credits are equal, or the books are
// broken; a sum that does not fit 64 bits is given as math.MaxInt64. asOf is as for PartnerBalances.
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
