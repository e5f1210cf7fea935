package partners

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/fault"
	"tributary/partners/program"
)

// AddTerms adds terms that take effect a minute from now or later, in the caller's transaction, and returns their version. The
// commit fails when it comes after the time at which they take effect.
func AddTerms(ctx context.Context, tx pgx.Tx, id program.ProgramID, t program.Terms) (version int, err error) {
	if bad := t.Check(""); len(bad) > 0 {
		return 0, &fault.Error{Kind: fault.Invalid, Code: "bad_terms", Detail: "The terms cannot be added as they stand.", Fields: bad}
	}
	// name: program lock, so that two new versions do not take one number
	err = tx.QueryRow(ctx, `SELECT id FROM program WHERE id = $1 FOR UPDATE`, id).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, fault.New(fault.NotFound, "unknown_program", "There is no such program.")
	}
	if err != nil {
		return 0, fmt.Errorf("locking a program: %w", err)
	}
	// name: terms next version
	err = tx.QueryRow(ctx, `SELECT coalesce(max(version), 0) + 1 FROM terms WHERE program_id = $1`, id).Scan(&t.Version)
	if err != nil {
		return 0, fmt.Errorf("numbering terms: %w", err)
	}
	return t.Version, insertTerms(ctx, tx, id, t)
}

func insertTerms(ctx context.Context, tx pgx.Tx, id program.ProgramID, t program.Terms) error {
	// name: terms insert
	_, err := tx.Exec(ctx, `INSERT INTO terms (program_id, version, effective_from, window_seconds, hold_seconds, network_fee_ppm, rules)
VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		id, t.Version, t.EffectiveFrom, int64(t.Window/time.Second), int64(t.Hold/time.Second), int64(t.NetworkFee), max(t.Rules, 1))
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
SELECT $1, $2, * FROM unnest($3::text[], $4::text[], $5::bigint[])`, id, t.Version, kinds, categories, rates)
	if err != nil {
		return fmt.Errorf("adding rates: %w", asFault(err))
	}
	return nil
}
