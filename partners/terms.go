package partners

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/fault"
	"tributary/partners/program"
)

// AddTerms adds terms that take effect a minute from now or later, in the caller's transaction, and returns their number. The
// commit fails when it comes after the time at which they take effect.
func AddTerms(ctx context.Context, tx pgx.Tx, id program.ProgramID, v program.Version) (number int, err error) {
	if bad := v.Check(time.Now()); len(bad) > 0 {
		return 0, &fault.Error{Kind: fault.Invalid, Code: "bad_terms", Fields: bad}
	}
	return insertTerms(ctx, tx, id, v)
}

// insertTerms writes the next version, under rules that all who could decide by it know. Of two at the same moment one is a conflict.
func insertTerms(ctx context.Context, tx pgx.Tx, id program.ProgramID, v program.Version) (number int, err error) {
	// name: terms insert
	err = tx.QueryRow(ctx, `INSERT INTO terms (program_id, version, effective_from, rules, document, notice_days, needs_acceptance)
SELECT $1, coalesce(max(version), 0) + 1, $2, $3, $4, $5, $6 FROM terms WHERE program_id = $1 RETURNING version`,
		id, v.EffectiveFrom, max(v.Rules, v.LeastRules()), v.Document.JSON(), v.NoticeDays, v.NeedsAcceptance).Scan(&number)
	if err != nil {
		return 0, fmt.Errorf("adding terms: %w", AsFault(err))
	}
	return number, nil
}

// ReadTerms reads all versions of the terms of programs, those of each by EffectiveFrom. One that cannot be read whole is a
// fault "later_terms".
func ReadTerms(ctx context.Context, q Querier, ids ...program.ProgramID) (map[program.ProgramID][]program.Version, error) {
	terms, err := ReadKnownTerms(ctx, q, ids...)
	if err != nil {
		return nil, err
	}
	for id, versions := range terms {
		for i := range versions {
			if v := &versions[i]; v.Unreadable != nil {
				return nil, fault.Coded(fault.Conflict, "later_terms", fmt.Errorf("reading version %d of the terms of program %d: %w", v.Number, id, v.Unreadable))
			}
		}
	}
	return terms, nil
}

// ReadKnownTerms reads terms as ReadTerms does. One that cannot be read whole, as when a later version wrote it, says so in
// Unreadable: it is the business of its own program's orders only.
func ReadKnownTerms(ctx context.Context, q Querier, ids ...program.ProgramID) (map[program.ProgramID][]program.Version, error) {
	// name: terms of programs
	rows, err := q.Query(ctx, `SELECT program_id, version, effective_from, rules, document, notice_days, needs_acceptance FROM terms
WHERE program_id = ANY ($1) ORDER BY program_id, effective_from`, ids)
	if err != nil {
		return nil, fmt.Errorf("reading terms: %w", err)
	}
	terms := make(map[program.ProgramID][]program.Version, len(ids))
	var id program.ProgramID
	var v program.Version
	var document []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &v.Number, &v.EffectiveFrom, &v.Rules, &document, &v.NoticeDays, &v.NeedsAcceptance}, func() error {
		v.Document, v.Unreadable = program.ParseDocument(document)
		v.EffectiveFrom = v.EffectiveFrom.UTC()
		terms[id] = append(terms[id], v)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading terms: %w", err)
	}
	return terms, nil
}
