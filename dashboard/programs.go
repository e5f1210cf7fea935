package dashboard

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/partners"
	"tributary/partners/program"
)

// programView is a program with its terms, as pages show it.
type programView struct {
	partners.Program

	MerchantName string
	PartnerCount int64
}

//go:embed query/programs.sql
var programsSQL string

// listPrograms reads the programs of a merchant, or those a partner is in, with all their terms.
func listPrograms(ctx context.Context, tx pgx.Tx, sc scope) ([]programView, error) {
	rows, err := tx.Query(ctx, programsSQL, pgx.NamedArgs{"merchant": int64(sc.merchant), "partner": int64(sc.partner)})
	if err != nil {
		return nil, fmt.Errorf("listing programs: %w", err)
	}
	var list []programView
	var p programView
	_, err = pgx.ForEachRow(rows, []any{
		&p.ID, &p.Merchant, &p.Name, &p.LandingURL, &p.Domains, &p.ClickParam, &p.Currencies, &p.CreatedAt, &p.MerchantName, &p.PartnerCount,
	}, func() error {
		list = append(list, p)
		p.Domains, p.Currencies = nil, nil
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing programs: %w", err)
	}
	ids := make([]program.ProgramID, len(list))
	for i := range list {
		ids[i] = list[i].ID
	}
	terms, err := partners.ReadTerms(ctx, tx, ids...)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what it read
	}
	for i := range list {
		for _, v := range terms[list[i].ID] {
			list[i].Terms = append(list[i].Terms, v.Terms())
		}
	}
	return list, nil
}

// currencies is the order in which a person's pages name them: the programs', as their merchants listed them, then by code.
type currencies []string

// readCurrencies reads the order from the programs that the transaction's tenant may see.
func readCurrencies(ctx context.Context, tx pgx.Tx) (currencies, error) {
	// name: currencies of programs
	rows, err := tx.Query(ctx, `SELECT currencies FROM program ORDER BY id LIMIT 200`)
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

// sortAmounts puts amounts of different currencies into that order.
func (order currencies) sortAmounts(list []amount) []amount {
	slices.SortFunc(list, func(a, b amount) int { return order.compare(a.Currency, b.Currency) })
	return list
}

// A rateRow is a line of a table of rates.
type rateRow struct {
	category string
	site     string
	member   string
}

// rateRows lays terms out by category, all others last.
func rateRows(t *program.Terms) []rateRow {
	categories := map[string]bool{}
	for _, rates := range t.Rates {
		for category := range rates {
			categories[category] = true
		}
	}
	rest := categories[program.AnyCategory]
	delete(categories, program.AnyCategory)
	sorted := slices.Sorted(maps.Keys(categories))
	if rest {
		sorted = append(sorted, program.AnyCategory)
	}
	rows := make([]rateRow, len(sorted))
	for i, category := range sorted {
		rows[i] = rateRow{category: categoryName(category), site: rateText(t, program.Site, category), member: rateText(t, program.Member, category)}
	}
	return rows
}

func rateText(t *program.Terms, kind program.Kind, category string) string {
	rate, matched := t.Rate(kind, category)
	if matched == "" {
		return "nothing"
	}
	return rate.String()
}

func categoryName(category string) string {
	if category == program.AnyCategory {
		return "all others"
	}
	return category
}

// inForce is the index of the terms in force, -1 for none.
func (p programView) inForce(now time.Time) int {
	current, ok := p.TermsAt(now)
	if !ok {
		return -1
	}
	return slices.IndexFunc(p.Terms, func(t program.Terms) bool { return t.Version == current.Version })
}
