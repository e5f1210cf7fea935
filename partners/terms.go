package partners

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/fault"
	"tributary/internal/money"
)

// AnyCategory is the rate row that serves every category without a row of its own.
const AnyCategory = "*"

// Terms are one version of what a program pays.
type Terms struct {
	// Version counts from 1 within the program.
	Version       int
	EffectiveFrom time.Time
	// Rules numbers the rules by which orders under these terms are decided (commission.Rules); 0 stands for 1 in terms
	// that are still to be added.
	Rules int
	// Window is how old a click may be at the order's time; exactly this old still earns. Whole seconds.
	Window time.Duration
	// Hold is how long a commission stays pending from the order's time on. Whole seconds.
	Hold time.Duration
	// NetworkFee is the network's share: a rate of the commission, owed by the merchant on top of it.
	NetworkFee money.Rate
	// Rates gives for each kind of partner the rate by category of goods.
	Rates map[Kind]map[string]money.Rate
}

// Rate is what a partner of a kind earns on goods of a category, and the category of the row that says so: the
// category itself, AnyCategory, or "" when no row applies and the rate is 0.
func (t *Terms) Rate(kind Kind, category string) (rate money.Rate, matched string) {
	rates := t.Rates[kind]
	if rate, ok := rates[category]; ok {
		return rate, category
	}
	if rate, ok := rates[AnyCategory]; ok {
		return rate, AnyCategory
	}
	return 0, ""
}

// AddTerms adds terms that take effect a minute from now or later, in the caller's transaction, and returns their version. The
// commit fails when it comes after the time at which they take effect.
func AddTerms(ctx context.Context, tx pgx.Tx, program ProgramID, t Terms) (version int, err error) {
	if bad := t.check(""); len(bad) > 0 {
		return 0, &fault.Error{Kind: fault.Invalid, Code: "bad_terms", Detail: "The terms cannot be added as they stand.", Fields: bad}
	}
	// name: program lock, so that two new versions do not take one number
	err = tx.QueryRow(ctx, `SELECT id FROM program WHERE id = $1 FOR UPDATE`, program).Scan(&program)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, fault.New(fault.NotFound, "unknown_program", "There is no such program.")
	}
	if err != nil {
		return 0, fmt.Errorf("locking a program: %w", err)
	}
	// name: terms next version
	err = tx.QueryRow(ctx, `SELECT coalesce(max(version), 0) + 1 FROM terms WHERE program_id = $1`, program).Scan(&t.Version)
	if err != nil {
		return 0, fmt.Errorf("numbering terms: %w", err)
	}
	return t.Version, insertTerms(ctx, tx, program, t)
}

// check gives what is wrong with terms, each field's name behind prefix.
func (t *Terms) check(prefix string) []fault.Field {
	var bad []fault.Field
	note := func(name, problem, mend string) {
		bad = append(bad, fault.Field{Name: prefix + name, Problem: problem, Mend: mend})
	}
	if t.Window <= 0 || t.Window%time.Second != 0 {
		note("window", fmt.Sprintf("%s is not a number of seconds above zero", t.Window), "give whole seconds, such as 720h")
	}
	if t.Hold < 0 || t.Hold%time.Second != 0 {
		note("hold", fmt.Sprintf("%s is not a number of seconds", t.Hold), "give whole seconds, or 0")
	}
	rate := func(name string, r money.Rate) {
		if r < 0 || r > 1_000_000 {
			note(name, fmt.Sprintf("%s is not between 0 %% and 100 %%", r), "give parts per million from 0 to 1000000")
		}
	}
	rate("network_fee", t.NetworkFee)
	for kind, rates := range t.Rates {
		if kind != Site && kind != Member {
			note("rates", fmt.Sprintf("%q is not a kind of partner", kind), `use "site" or "member"`)
		}
		for category, r := range rates {
			rate(fmt.Sprintf("rates.%s.%s", kind, category), r)
		}
	}
	slices.SortFunc(bad, func(a, b fault.Field) int { return strings.Compare(a.Name, b.Name) })
	return bad
}

func insertTerms(ctx context.Context, tx pgx.Tx, program ProgramID, t Terms) error {
	// name: terms insert
	_, err := tx.Exec(ctx, `INSERT INTO terms (program_id, version, effective_from, window_seconds, hold_seconds, network_fee_ppm, rules)
VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		program, t.Version, t.EffectiveFrom, int64(t.Window/time.Second), int64(t.Hold/time.Second), int64(t.NetworkFee), max(t.Rules, 1))
	if err != nil {
		return fmt.Errorf("adding terms: %w", asFault(err))
	}
	var kinds, categories []string
	var rates []int64
	for kind, byCategory := range t.Rates {
		for category, rate := range byCategory {
			kinds, categories, rates = append(kinds, string(kind)), append(categories, category), append(rates, int64(rate))
		}
	}
	// name: terms rates insert
	_, err = tx.Exec(ctx, `INSERT INTO terms_rate (program_id, version, partner_kind, category, rate_ppm)
SELECT $1, $2, * FROM unnest($3::text[], $4::text[], $5::bigint[])`, program, t.Version, kinds, categories, rates)
	if err != nil {
		return fmt.Errorf("adding rates: %w", asFault(err))
	}
	return nil
}
