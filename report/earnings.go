package report

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission/ledger"
	"tributary/commission/ledger/chart"
	"tributary/partners/program"
)

// Money is what commissions came to in one currency, by the day of their orders, in a period and in the one before. All but
// the balances is net of refunds and in minor units.
type Money struct {
	Currency string
	Orders   int64
	// Revenue is what the orders brought the merchant.
	Revenue, RevenueBefore int64
	// Commission is what partners earned, Fee the network's, and Cost the two together.
	Commission, CommissionBefore int64
	Fee                          int64
	Cost, CostBefore             int64
	// Pending and Payable are a partner's balances as they stand now, of all time.
	Pending, Payable int64 `db:"-"`
}

// The commissions of a scope: a merchant's are looked for by its programs, for which there is an index.
const (
	commissionsOfPartner  = `partner_id = @partner`
	commissionsOfMerchant = `merchant_id = @merchant AND program_id IN (SELECT id FROM program WHERE merchant_id = @merchant)
		AND (@partner::bigint = 0 OR partner_id = @partner)`
)

// Money reads the scope's money by currency: orders and revenue by that of the order, each order counted once, and what is earned by
// that in which it is paid, points apart; a merchant's is that of one partner where one is given. A partner's has the
// balances of the books.
func (s *Snapshot) Money(ctx context.Context, p Period, partner program.PartnerID) ([]Money, error) {
	of := commissionsOfMerchant
	if s.scope.Partner != 0 {
		of = commissionsOfPartner
	}
	// name: money by currency
	rows, err := s.tx.Query(ctx, `SELECT currency, count(*) FILTER (WHERE now AND counted) AS orders,
			coalesce(sum(revenue) FILTER (WHERE now), 0)::bigint AS revenue,
			coalesce(sum(revenue) FILTER (WHERE NOT now), 0)::bigint AS revenue_before,
			coalesce(sum(net) FILTER (WHERE now), 0)::bigint AS commission, coalesce(sum(net) FILTER (WHERE NOT now), 0)::bigint AS commission_before,
			coalesce(sum(fee) FILTER (WHERE now), 0)::bigint AS fee,
			coalesce(sum(net + fee) FILTER (WHERE now), 0)::bigint AS cost, coalesce(sum(net + fee) FILTER (WHERE NOT now), 0)::bigint AS cost_before
		FROM (SELECT currency, true AS counted, revenue - refunded AS revenue, 0::bigint AS net, 0::bigint AS fee, occurred_at >= @from AS now
				FROM commission WHERE `+of+` AND CASE WHEN @partner::bigint = 0 THEN leads ELSE counts END AND occurred_at >= @before AND occurred_at < @to
			UNION ALL SELECT unit, false, 0, net, fee, occurred_at >= @from
				FROM commission WHERE `+of+` AND unit <> @points AND occurred_at >= @before AND occurred_at < @to) c
		GROUP BY currency`, pgx.NamedArgs{
		"merchant": int64(s.scope.Merchant), "partner": int64(cmp.Or(s.scope.Partner, partner)),
		"before": p.Before().From, "from": p.From, "to": p.To, "points": program.UnitPoint,
	})
	if err != nil {
		return nil, fmt.Errorf("reading money: %w", err)
	}
	money, err := pgx.CollectRows(rows, pgx.RowToStructByName[Money])
	if err != nil {
		return nil, fmt.Errorf("reading money: %w", err)
	}
	if s.scope.Partner != 0 {
		if money, err = s.withBalances(ctx, money); err != nil {
			return nil, err
		}
	}
	order, err := s.currencies(ctx)
	slices.SortFunc(money, func(a, b Money) int { return order.compare(a.Currency, b.Currency) })
	return money, err
}

func (s *Snapshot) withBalances(ctx context.Context, money []Money) ([]Money, error) {
	balances, err := ledger.PartnerBalances(ctx, s.tx, s.scope.Partner, time.Time{})
	if err != nil {
		return nil, fmt.Errorf("reading balances: %w", err)
	}
	for _, b := range balances {
		i := slices.IndexFunc(money, func(m Money) bool { return m.Currency == b.Unit })
		if i < 0 {
			i, money = len(money), append(money, Money{Currency: b.Unit})
		}
		switch b.Kind {
		case chart.PartnerPending:
			money[i].Pending += b.Amount()
		case chart.PartnerPayable:
			money[i].Payable += b.Amount()
		default: // nothing that the figures tell
		}
	}
	return money, nil
}

// MainCurrency is the one asked for where there is any of it, else the one with most orders; empty where there is no money.
func MainCurrency(money []Money, asked string) string {
	main := Money{Orders: -1}
	for _, m := range money {
		if m.Currency == asked {
			return asked
		}
		if m.Orders > main.Orders || m.Orders == main.Orders && m.Currency < main.Currency {
			main = m
		}
	}
	return main.Currency
}

// Books is the trial balance of one currency, in minor units.
type Books struct {
	Currency                                    string
	Receivable, Pending, Payable, Fees, FeesDue int64
	Debits, Credits                             int64
}

// Balanced tells whether debits equal credits.
func (b Books) Balanced() bool { return b.Debits == b.Credits }

// Books reads the network's trial balance by currency.
func (s *Snapshot) Books(ctx context.Context) ([]Books, error) {
	totals, err := ledger.TrialBalance(ctx, s.tx, time.Time{})
	if err != nil {
		return nil, fmt.Errorf("reading the books: %w", err)
	}
	order, err := s.currencies(ctx)
	if err != nil {
		return nil, err
	}
	books := booksOf(totals)
	slices.SortFunc(books, func(a, b Books) int { return order.compare(a.Currency, b.Currency) })
	return books, nil
}

// booksOf sorts a trial balance by currency.
func booksOf(totals []ledger.Total) []Books {
	var books []Books
	for _, t := range totals {
		if len(books) == 0 || books[len(books)-1].Currency != t.Unit {
			books = append(books, Books{Currency: t.Unit})
		}
		b := &books[len(books)-1]
		b.Debits += t.Debits
		b.Credits += t.Credits
		switch amount := t.Kind.Amount(t.Debits, t.Credits); t.Kind {
		case chart.MerchantReceivable:
			b.Receivable = amount
		case chart.PartnerPending:
			b.Pending = amount
		case chart.PartnerPayable:
			b.Payable = amount
		case chart.FeePending:
			b.FeesDue = amount
		case chart.FeeEarned:
			b.Fees = amount
		default: // nothing that the figures tell
		}
	}
	return books
}

// ParseOverview reads the address of an overview: a period, and the currency that is asked for, empty for none.
func ParseOverview(values url.Values, now time.Time) (Period, string, error) {
	q := newQuery(values, now)
	p, currency := q.period(), q.currency("currency")
	return p, currency, q.err()
}
