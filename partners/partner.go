package partners

import (
	"context"
	"fmt"
)

// Kind says what sort of partner it is; terms pay each kind its own rates.
type Kind string

// The kinds of partner.
const (
	// Site is a web site that brings visitors.
	Site Kind = "site"
	// Member is a customer of the merchant who refers others.
	Member Kind = "member"
)

// Partner brings visitors and earns.
type Partner struct {
	ID   PartnerID
	Kind Kind
	Name string
	// SiteURL is empty for a member.
	SiteURL string
}

// NewPartner is a partner to be added.
type NewPartner struct {
	Kind    Kind
	Name    string
	SiteURL string
}

// CreatePartner adds a partner, who is in no program yet: see Enrol.
func CreatePartner(ctx context.Context, q Querier, p NewPartner) (PartnerID, error) {
	var id PartnerID
	// name: partner insert
	err := q.QueryRow(ctx, `INSERT INTO partner (kind, name, site_url) VALUES ($1, $2, $3) RETURNING id`,
		p.Kind, p.Name, p.SiteURL).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("creating a partner: %w", asFault(err))
	}
	return id, nil
}

// Enrol takes a partner into a program, so that it may have links there. Enrolling twice is without effect.
func Enrol(ctx context.Context, q Querier, program ProgramID, partner PartnerID) error {
	// name: enrolment insert
	_, err := q.Exec(ctx, `INSERT INTO enrolment (program_id, partner_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`, program, partner)
	if err != nil {
		return fmt.Errorf("enrolling a partner: %w", asFault(err))
	}
	return nil
}
