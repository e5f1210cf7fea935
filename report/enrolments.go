package report

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/partners/program"
)

// An Enrolment is a partner in a program, in the operator's list.
type Enrolment struct {
	ProgramID, PartnerID       int64
	Program, Partner, Merchant string
	SortName                   string
	// State is the one at present, and Since from when on; nil where nobody has stated any.
	State program.State
	Since *time.Time
}

// An EnrolmentFilter is what the list of enrolments is narrowed to.
type EnrolmentFilter struct {
	// Text is in the name of the partner, the program or the merchant.
	Text  string
	State string
	After string
}

// ParseEnrolments reads the address of the list.
func ParseEnrolments(values url.Values, now time.Time) (EnrolmentFilter, error) {
	states := make([]string, 0, len(program.States()))
	for _, s := range program.States() {
		states = append(states, string(s))
	}
	q := newQuery(values, now)
	f := EnrolmentFilter{Text: q.text("q"), State: q.oneOf("state", states...), After: q.get("after")}
	return f, q.err()
}

// Query is the filter as ParseEnrolments reads it.
func (f EnrolmentFilter) Query() url.Values {
	q := url.Values{}
	set(q, "q", f.Text)
	set(q, "state", f.State)
	set(q, "after", f.After)
	return q
}

// Narrowed reports whether the filter leaves anything out.
func (f EnrolmentFilter) Narrowed() bool { return f.Text != "" || f.State != "" }

// Enrolments reads at most limit enrolments of the network, by the partner's name.
func (s *Snapshot) Enrolments(ctx context.Context, f EnrolmentFilter, limit int) (Page[Enrolment], error) {
	of := list{"enrolments", f.Query()}
	from, _, err := of.after(f.After)
	if err != nil {
		return Page[Enrolment]{}, err
	}
	// name: enrolments of the network
	rows, err := s.tx.Query(ctx, `SELECT g.id AS program_id, p.id AS partner_id, g.name AS program, p.name AS partner, m.name AS merchant, lower(p.name) AS sort_name,
			coalesce(f.value, 'approved') AS state, f.effective_from AS since
		FROM enrolment e JOIN partner p ON p.id = e.partner_id JOIN program g ON g.id = e.program_id JOIN merchant m ON m.id = g.merchant_id
		LEFT JOIN LATERAL (SELECT f.value, f.effective_from FROM enrolment_fact f WHERE f.program_id = g.id AND f.partner_id = p.id AND f.kind = 'state' AND f.effective_from <= now()
			ORDER BY f.no DESC LIMIT 1) f ON true
		WHERE (@text::text = '' OR position(lower(@text) IN lower(p.name || ' ' || g.name || ' ' || m.name)) > 0)
			AND (@state::text = '' OR coalesce(f.value, 'approved') = @state) AND (lower(p.name), p.id, g.id) > (@name::text, @partner::bigint, @id::bigint)
		ORDER BY lower(p.name), p.id, g.id LIMIT @limit`, pgx.NamedArgs{
		"text": f.Text, "state": f.State, "name": from.Text, "partner": from.A, "id": from.ID, "limit": limit + 1,
	})
	if err != nil {
		return Page[Enrolment]{}, fmt.Errorf("listing enrolments: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[Enrolment])
	if err != nil {
		return Page[Enrolment]{}, fmt.Errorf("listing enrolments: %w", err)
	}
	return cut(of, found, limit, func(e Enrolment) key { return key{Text: e.SortName, A: e.PartnerID, ID: e.ProgramID} })
}
