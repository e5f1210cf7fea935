package report

import (
	"context"
	_ "embed"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/fault"
	"tributary/partners"
	"tributary/partners/program"
)

// A Program is a program with all its terms.
type Program struct {
	partners.Program

	MerchantName string
	PartnerCount int64
	// Versions are the terms as they were agreed, where Terms are what follows from them. Either says of those that a later
	// version of this program wrote that they are Unreadable.
	Versions []program.Version
	// Unaccepted are the terms that the scope's partner must accept and has not.
	Unaccepted []program.Terms
	// State is where the scope's partner stands.
	State program.State
}

//go:embed query/programs.sql
var programsSQL string

// Programs reads the programs of the scope's merchant, or those that its partner is in. A partner's terms name what others
// have agreed nowhere: they are as the partner is paid now.
func (s *Snapshot) Programs(ctx context.Context) ([]Program, error) {
	return s.programs(ctx, time.Now())
}

// programs reads them as their partner is paid at a time.
func (s *Snapshot) programs(ctx context.Context, at time.Time) ([]Program, error) {
	rows, err := s.tx.Query(ctx, programsSQL, pgx.NamedArgs{"merchant": int64(s.scope.Merchant), "partner": int64(s.scope.Partner)})
	if err != nil {
		return nil, fmt.Errorf("listing programs: %w", err)
	}
	var programs []Program
	var p Program
	_, err = pgx.ForEachRow(rows, []any{
		&p.ID, &p.Merchant, &p.Name, &p.LandingURL, &p.Domains, &p.ClickParam, &p.Currencies, &p.CreatedAt, &p.MerchantName, &p.PartnerCount,
	}, func() error {
		programs = append(programs, p)
		p.Domains, p.Currencies = nil, nil
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing programs: %w", err)
	}
	ids := make([]program.ProgramID, len(programs))
	for i := range programs {
		ids[i] = programs[i].ID
	}
	terms, err := partners.ReadKnownTerms(ctx, s.tx, ids...)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what it read
	}
	facts := map[program.ProgramID][]partners.Fact{}
	if s.scope.Partner != 0 {
		if facts, err = partners.ReadFacts(ctx, s.tx, s.scope.Partner, ids...); err != nil {
			return nil, err //nolint:wrapcheck // it says what it read
		}
	}
	for i := range programs {
		p := &programs[i]
		p.Versions = terms[p.ID]
		enrolment, _ := partners.EnrolmentAt(facts[p.ID], at) // without own rules where they cannot be read
		for n := range p.Versions {
			if s.scope.Partner != 0 {
				p.Versions[n].Document = p.Versions[n].Document.For(s.scope.Partner, &enrolment)
			}
			p.Terms = append(p.Terms, p.Versions[n].Terms())
		}
		if s.scope.Partner != 0 {
			p.Unaccepted = program.Unaccepted(p.Terms, acceptedBy(facts[p.ID]), at)
			p.State = partners.StateAt(facts[p.ID], at)
		}
	}
	return programs, nil
}

// Program reads one program of the scope's merchant, or one that its partner is in.
func (s *Snapshot) Program(ctx context.Context, id program.ProgramID) (*Program, error) {
	programs, err := s.Programs(ctx)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(programs, func(p Program) bool { return p.ID == id }); i >= 0 {
		return &programs[i], nil
	}
	return nil, fault.Coded(fault.NotFound, "not_found", nil)
}

// PartnerKind is the kind of the scope's partner, which says what rates apply.
func (s *Snapshot) PartnerKind(ctx context.Context) (kind program.Kind, err error) {
	if err := s.tx.QueryRow(ctx, `SELECT kind FROM partner WHERE id = $1`, int64(s.scope.Partner)).Scan(&kind); err != nil {
		return "", fmt.Errorf("reading a partner's kind: %w", err)
	}
	return kind, nil
}

// EnrolledPrograms lists the programs that the scope's partner is in, by name.
func (s *Snapshot) EnrolledPrograms(ctx context.Context) ([]Choice, error) {
	// name: enrolled programs
	return s.choices(ctx, `SELECT g.id, g.name FROM program g JOIN enrolment e ON e.program_id = g.id
		WHERE e.partner_id = $1 ORDER BY g.name LIMIT 500`, int64(s.scope.Partner))
}

// ParseProgram reads an address that may name a program, 0 for none.
func ParseProgram(values url.Values) (int64, error) {
	q := newQuery(values, time.Time{})
	program := q.id("program")
	return program, q.err()
}
