package partners

import (
	"context"
	"fmt"

	"tributary/partners/program"
)

// Partner brings visitors and earns.
type Partner struct {
	ID   program.PartnerID
	Kind program.Kind
	Name string
	// SiteURL is empty for a member.
	SiteURL string
}

// NewPartner is a partner to be added.
type NewPartner struct {
	Kind    program.Kind
	Name    string
	SiteURL string
}

// CreatePartner adds a partner, who is in no program yet: see Enrol.
func CreatePartner(ctx context.Context, q Querier, p NewPartner) (program.PartnerID, error) {
	var id program.PartnerID
	// name: partner insert
	err := q.QueryRow(ctx, `INSERT INTO partner (kind, name, site_url) VALUES ($1, $2, $3) RETURNING id`,
		p.Kind, p.Name, p.SiteURL).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("creating a partner: %w", AsFault(err))
	}
	return id, nil
}

// Enrol takes a partner into a program, so that it may have links there. Enrolling twice is without effect.
func Enrol(ctx context.Context, q Querier, programID program.ProgramID, partner program.PartnerID) error {
	// name: enrolment insert
	_, err := q.Exec(ctx, `INSERT INTO enrolment (program_id, partner_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`, programID, partner)
	if err != nil {
		return fmt.Errorf("enrolling a partner: %w", AsFault(err))
	}
	return nil
}

// Enrolled tells whether a partner is in a program.
func Enrolled(ctx context.Context, q Querier, id program.ProgramID, partner program.PartnerID) (is bool, err error) {
	// name: enrolment
	err = q.QueryRow(ctx, `SELECT EXISTS (SELECT FROM enrolment WHERE partner_id = $1 AND program_id = $2)`, partner, id).Scan(&is)
	if err != nil {
		return false, fmt.Errorf("looking for an enrolment: %w", err)
	}
	return is, nil
}
