package report

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/fault"
	"tributary/internal/text"
	"tributary/partners"
	"tributary/partners/program"
)

// Agreed is what a partner is paid by in a program as of a time.
type Agreed struct {
	Program Program
	Partner program.PartnerID
	// Name and Kind are the partner's.
	Name string
	Kind program.Kind
	At   time.Time
	// Terms are those in force for the partner, as they are for the partner alone; nil before the program's first.
	Terms *program.Terms
	// Accepted is false where the partner should have accepted later terms by then, and earns nothing.
	Accepted bool
	// Enrolment is what is known of the partner at that time, Unreadable why not all of it is.
	Enrolment  program.Enrolment
	Unreadable error
	// Facts are all that there are, also later ones, as they begin.
	Facts []partners.Fact
	// Recruiters are the names of recruiters by their numbers, for a merchant.
	Recruiters map[string]string
	// Open are the versions, in force or to come, that the partner has not accepted and must.
	Open []program.Terms
}

// Agreed reads what the partner, or a partner of the scope's merchant, is paid by in a program at a time.
func (s *Snapshot) Agreed(ctx context.Context, id program.ProgramID, partner program.PartnerID, at time.Time) (*Agreed, error) {
	if s.scope.Partner != 0 {
		partner = s.scope.Partner
	}
	programs, err := s.programs(ctx, at)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(programs, func(p Program) bool { return p.ID == id })
	if i < 0 {
		return nil, fault.Coded(fault.NotFound, "not_found", nil)
	}
	a := &Agreed{Program: programs[i], Partner: partner, At: at}
	// name: enrolled partner
	err = s.tx.QueryRow(ctx, `SELECT p.name, p.kind FROM enrolment e JOIN partner p ON p.id = e.partner_id WHERE e.program_id = $1 AND e.partner_id = $2`,
		id, partner).Scan(&a.Name, &a.Kind)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, fault.Coded(fault.NotFound, "not_found", nil)
	}
	if err != nil {
		return nil, fmt.Errorf("reading a partner of a program: %w", err)
	}
	facts, err := partners.ReadFacts(ctx, s.tx, partner, id)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what it read
	}
	a.Facts = facts[id]
	a.Enrolment, a.Unreadable = partners.EnrolmentAt(a.Facts, at)
	a.settle()
	return a, a.recruiters(ctx, s)
}

// settle finds the terms by what is known of the partner.
func (a *Agreed) settle() {
	is, accepted := program.InForceFor(a.Program.Terms, &a.Enrolment, a.At)
	a.Accepted = accepted
	if is != nil {
		v := program.Version{
			Number: is.Version, EffectiveFrom: is.EffectiveFrom, Rules: is.Rules, Unreadable: is.Unreadable,
			Document: is.Document.For(a.Partner, &a.Enrolment), NoticeDays: is.NoticeDays, NeedsAcceptance: is.NeedsAcceptance,
		}
		terms := v.Terms()
		a.Terms = &terms
	}
	a.Open = program.Unaccepted(a.Program.Terms, acceptedBy(a.Facts), a.At)
}

// acceptedBy are the versions that facts say are accepted, also those that are so only in a minute.
func acceptedBy(facts []partners.Fact) (versions []int) {
	for i := range facts {
		if version, err := strconv.Atoi(facts[i].Value); err == nil && facts[i].Kind == program.FactAccept {
			versions = append(versions, version)
		}
	}
	return versions
}

// recruiters reads the names of those who recruited the partner, as facts say, for the partner's merchant.
func (a *Agreed) recruiters(ctx context.Context, s *Snapshot) error {
	var ids []int64
	for i := range a.Facts {
		if id, ok := ParseID(a.Facts[i].Value); ok && a.Facts[i].Kind == program.FactRecruiter {
			ids = append(ids, id)
		}
	}
	if s.scope.Merchant == 0 || len(ids) == 0 {
		return nil
	}
	// name: recruiters
	list, err := s.choices(ctx, `SELECT id, name FROM partner WHERE id = ANY ($1)`, ids)
	a.Recruiters = map[string]string{}
	for _, p := range list {
		a.Recruiters[strconv.FormatInt(p.ID, 10)] = p.Name
	}
	return err
}

// ParseOn reads an address that may name a minute, in UTC; now otherwise.
func ParseOn(values url.Values, now time.Time) (time.Time, error) {
	q := newQuery(values, now)
	given := q.get("on")
	if given == "" {
		return now, q.err()
	}
	at, err := time.Parse("2006-01-02T15:04", given)
	if err != nil {
		q.refuse("on", text.WrongTime(given), text.FixTime())
	}
	return at, q.err()
}
