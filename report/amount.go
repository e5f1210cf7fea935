package report

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// An Amount is money of one currency, in minor units. Lists of amounts have one of each currency, in the order in which the
// scope's programs name them.
type Amount struct {
	Currency string
	Minor    int64
}

// currencies is that order: the programs', as their merchants listed them, then by code.
type currencies []string

// currencies reads the order from the programs that the scope may see.
func (s *Snapshot) currencies(ctx context.Context) (currencies, error) {
	// name: currencies of programs
	rows, err := s.tx.Query(ctx, `SELECT currencies FROM program ORDER BY id LIMIT 200`)
	if err != nil {
		return nil, fmt.Errorf("reading currencies: %w", err)
	}
	lists, err := pgx.CollectRows(rows, pgx.RowTo[[]string])
	if err != nil {
		return nil, fmt.Errorf("reading currencies: %w", err)
	}
	var order currencies
	for _, code := range slices.Concat(lists...) {
		if !slices.Contains(order, code) {
			order = append(order, code)
		}
	}
	return order, nil
}

func (order currencies) compare(a, b string) int {
	place := func(code string) int {
		if i := slices.Index(order, code); i >= 0 {
			return i
		}
		return len(order)
	}
	return cmp.Or(cmp.Compare(place(a), place(b)), strings.Compare(a, b))
}

// amounts pairs currencies with their sums, in the order.
func (order currencies) amounts(codes []string, minor []int64) []Amount {
	list := make([]Amount, len(codes))
	for i, code := range codes {
		list[i] = Amount{code, minor[i]}
	}
	slices.SortFunc(list, func(a, b Amount) int { return order.compare(a.Currency, b.Currency) })
	return list
}
