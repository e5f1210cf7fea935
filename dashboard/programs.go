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

	"tributary/internal/money"
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
	for i := range list {
		if list[i].Terms, err = listTerms(ctx, tx, list[i].ID); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// listTerms reads all versions of a program's terms.
func listTerms(ctx context.Context, tx pgx.Tx, id program.ProgramID) ([]program.Terms, error) {
	// name: terms of a program
	rows, err := tx.Query(ctx, `SELECT t.version, t.effective_from, t.window_seconds, t.hold_seconds, t.network_fee_ppm,
			coalesce(r.partner_kind, ''), coalesce(r.category, ''), coalesce(r.rate_ppm, 0)
		FROM terms t LEFT JOIN terms_rate r ON r.program_id = t.program_id AND r.version = t.version
		WHERE t.program_id = $1 ORDER BY t.effective_from, t.version`, int64(id))
	if err != nil {
		return nil, fmt.Errorf("reading terms: %w", err)
	}
	var list []program.Terms
	var version int
	var from time.Time
	var window, hold, fee, rate int64
	var kind program.Kind
	var category string
	_, err = pgx.ForEachRow(rows, []any{&version, &from, &window, &hold, &fee, &kind, &category, &rate}, func() error {
		if len(list) == 0 || list[len(list)-1].Version != version {
			list = append(list, program.Terms{
				Version: version, EffectiveFrom: from.UTC(), Window: time.Duration(window) * time.Second, Hold: time.Duration(hold) * time.Second,
				NetworkFee: money.Rate(fee), Rates: map[program.Kind]map[string]money.Rate{},
			})
		}
		rates := list[len(list)-1].Rates
		if kind != "" {
			if rates[kind] == nil {
				rates[kind] = map[string]money.Rate{}
			}
			rates[kind][category] = money.Rate(rate)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading terms: %w", err)
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
