package report

import (
	"context"
	_ "embed"
	"fmt"
	"math"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"
)

//go:embed query/people.sql
var peopleSQL string

// A Seated is a person in an organisation.
type Seated struct {
	SeatID int64
	Email  string
	Name   string
	Role   string
	// Org is "network", "merchant" or "partner", and Of its name.
	Org, Of   string
	CreatedAt time.Time
	// UsedAt is when the seat was last taken; nil: never.
	UsedAt   *time.Time
	Disabled bool
}

// An Invitation is one that is open.
type Invitation struct {
	ID          int64
	Email, Role string
	Org, Of     string
	CreatedAt   time.Time
	ExpiresAt   time.Time
}

// A PeopleFilter is what the list of people is narrowed to.
type PeopleFilter struct {
	Text  string // in the address, the name or the organisation
	After string
}

// ParsePeople reads the address of the list.
func ParsePeople(values url.Values, now time.Time) (PeopleFilter, error) {
	q := newQuery(values, now)
	f := PeopleFilter{Text: q.text("q"), After: q.get("after")}
	return f, q.err()
}

// Query is the filter as ParsePeople reads it.
func (f PeopleFilter) Query() url.Values {
	q := url.Values{}
	set(q, "q", f.Text)
	set(q, "after", f.After)
	return q
}

// People lists who has a seat in the scope, latest first.
func (s *Snapshot) People(ctx context.Context, f PeopleFilter, limit int) (Page[Seated], error) {
	of := list{"people", f.Query()}
	from, begun, err := of.after(f.After)
	if err != nil {
		return Page[Seated]{}, err
	}
	if !begun {
		from = key{ID: math.MaxInt64}
	}
	rows, err := s.tx.Query(ctx, peopleSQL, pgx.NamedArgs{"text": f.Text, "seat": from.ID, "limit": limit + 1})
	if err != nil {
		return Page[Seated]{}, fmt.Errorf("reading the people: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[Seated])
	if err != nil {
		return Page[Seated]{}, fmt.Errorf("reading the people: %w", err)
	}
	return cut(of, found, limit, func(p Seated) key { return key{ID: p.SeatID} })
}

// MaxInvitations bounds the invitations that are listed.
const MaxInvitations = 200

// Invitations lists those that are open, latest first.
func (s *Snapshot) Invitations(ctx context.Context) ([]Invitation, error) {
	rows, err := s.tx.Query(ctx, `SELECT id, email, role, CASE WHEN network THEN 'network' WHEN merchant_id <> 0 THEN 'merchant' ELSE 'partner' END AS org, "of", created_at, expires_at
FROM scoped_invitation ORDER BY id DESC LIMIT $1`, MaxInvitations)
	if err != nil {
		return nil, fmt.Errorf("reading the invitations: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[Invitation])
	if err != nil {
		return nil, fmt.Errorf("reading the invitations: %w", err)
	}
	return found, nil
}

// Organisation gives the number of the merchant or partner, as org says, of a name in any letter case; 0 where none of the scope, or
// more than one, is called so.
func (s *Snapshot) Organisation(ctx context.Context, org, name string) (id int64, err error) {
	// name: organisation by name
	err = s.tx.QueryRow(ctx, `SELECT CASE WHEN count(*) = 1 THEN max(id) ELSE 0 END FROM (
    SELECT id FROM merchant WHERE $1 = 'merchant' AND lower(name) = lower($2)
    UNION ALL SELECT id FROM partner WHERE $1 = 'partner' AND lower(name) = lower($2)) named`, org, name).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("looking for the %s called %q: %w", org, name, err)
	}
	return id, nil
}
