package report

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// SumsUpTo bounds the rows that a list is summed over: a page asks for the sums each time it is shown.
const SumsUpTo = 2000

// Sums are what a whole list adds up to, by currency, whatever part of it a page shows.
type Sums struct {
	// Rows counts the list; with More, those up to SumsUpTo, and there are no sums.
	Rows int64
	More bool
	// Amounts are those of the orders, less refunds; Net and Fees the commissions and the network's fees.
	Amounts, Net, Fees []Amount
}

// sumOf is one currency's part of the sums.
type sumOf struct {
	Currency               string
	Rows, Amount, Net, Fee int64
}

// CommissionSums adds up what Commissions lists by a filter: the commissions net of refunds, by unit.
func (s *Snapshot) CommissionSums(ctx context.Context, f CommissionFilter) (Sums, error) {
	begin, end := f.Days.bounds()
	return s.sums(ctx, `SELECT unit AS currency, count(*) AS rows, 0::bigint AS amount, sum(net)::bigint AS net, sum(fee)::bigint AS fee
		FROM (`+commissionsSQL+` LIMIT @limit) page GROUP BY unit`, pgx.NamedArgs{
		"merchant": int64(s.scope.Merchant), "partner": int64(cmp.Or(s.scope.Partner, f.Partner)), "state": f.State, "program": f.Program,
		"link": f.Link, "currency": f.Currency, "text": f.Text, "limit": SumsUpTo + 1, "from": begin, "to": end,
	})
}

// OrderSums adds up what Orders lists by a filter, by currency of the order. An order of which only a refund is known has no
// amount.
func (s *Snapshot) OrderSums(ctx context.Context, f OrderFilter) (Sums, error) {
	args := f.args(s.scope)
	args["limit"], args["timeless"] = SumsUpTo+1, f.Days.open()
	return s.sums(ctx, `SELECT currency, count(*) AS rows, sum(CASE WHEN occurred_at IS NULL THEN 0 ELSE amount - refunded END)::bigint AS amount, sum(net)::bigint AS net, sum(fee)::bigint AS fee
		FROM (`+ordersSQL+` AND (o.occurred_at >= @from AND o.occurred_at < @to OR o.occurred_at IS NULL AND @timeless) LIMIT @limit) page GROUP BY currency`, args)
}

func (s *Snapshot) sums(ctx context.Context, sql string, args pgx.NamedArgs) (Sums, error) {
	rows, err := s.tx.Query(ctx, sql, args)
	if err != nil {
		return Sums{}, fmt.Errorf("adding up a list: %w", err)
	}
	parts, err := pgx.CollectRows(rows, pgx.RowToStructByName[sumOf])
	if err != nil {
		return Sums{}, fmt.Errorf("adding up a list: %w", err)
	}
	order, err := s.currencies(ctx)
	if err != nil {
		return Sums{}, err
	}
	slices.SortFunc(parts, func(a, b sumOf) int { return order.compare(a.Currency, b.Currency) })
	var sums Sums
	for _, p := range parts {
		sums.Rows += p.Rows
		if p.Currency != "" {
			sums.Amounts = append(sums.Amounts, Amount{p.Currency, p.Amount})
			sums.Net = append(sums.Net, Amount{p.Currency, p.Net})
			sums.Fees = append(sums.Fees, Amount{p.Currency, p.Fee})
		}
	}
	if sums.Rows > SumsUpTo {
		return Sums{Rows: SumsUpTo, More: true}, nil
	}
	return sums, nil
}
