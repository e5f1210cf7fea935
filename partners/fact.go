package partners

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tributary/internal/fault"
	"tributary/internal/text"
	"tributary/partners/program"
)

// Fact is something that is known of a partner in a program from a time on, and who said so.
type Fact struct {
	Program program.ProgramID
	Partner program.PartnerID
	program.Fact

	// Author is who says so: the operator, or a log-in.
	Author, Note string
}

// AddFact adds a fact that begins a minute from now or later, in the caller's transaction, and returns its number. The zero
// From is the earliest there is. The commit fails when it comes after that time.
func AddFact(ctx context.Context, tx pgx.Tx, f Fact) (no int64, err error) {
	if f.From.IsZero() {
		f.From = time.Now().Add(program.Ahead + factSlack)
	}
	if f.Kind == program.FactState {
		f.From = f.From.Truncate(time.Millisecond)
	}
	versions, err := ReadTerms(ctx, tx, f.Program)
	if err != nil {
		return 0, err
	}
	is, next := program.InForce(versions[f.Program], f.From)
	if is = cmp.Or(is, next); is == nil {
		return 0, fault.Coded(fault.NotFound, "not_found", nil)
	}
	bad := f.Check(f.Partner, &is.Document)
	if len(bad) == 0 {
		if bad, err = f.checkNamed(ctx, tx, versions[f.Program]); err != nil {
			return 0, err
		}
	}
	if len(f.Note) > maxNote {
		bad = append(bad, fault.Wrong("note", text.WrongLabelSize(int64(len(f.Note))), text.FixGiveAtMost("1000")))
	}
	if len(bad) > 0 {
		return 0, &fault.Error{Kind: fault.Invalid, Code: "bad_fact", Fields: bad}
	}
	// name: enrolment fact insert
	err = tx.QueryRow(ctx, `INSERT INTO enrolment_fact (program_id, partner_id, kind, value, ends, effective_from, author, note)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING no`, f.Program, f.Partner, f.Kind, f.Value, f.Ends, f.From, f.Author, f.Note).Scan(&no)
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch pg.ConstraintName {
		case "begins_ahead":
			return 0, &fault.Error{Kind: fault.Invalid, Code: "bad_fact", Fields: []fault.Field{fault.Wrong("from", text.WrongTooSoon(), text.FixTooSoon())}}
		case "enrolment_step":
			return 0, &fault.Error{Kind: fault.Conflict, Code: "bad_fact", Fields: []fault.Field{fault.Wrong("value", text.WrongStep(), text.FixStep())}}
		}
	}
	if err != nil {
		return 0, fmt.Errorf("adding a fact of an enrolment: %w", AsFault(err))
	}
	return no, nil
}

// checkNamed gives what is wrong with the version or the recruiter that a fact names: it may not be there.
func (f *Fact) checkNamed(ctx context.Context, q Querier, versions []program.Version) ([]fault.Field, error) {
	switch {
	case f.Kind == program.FactAccept && !slices.ContainsFunc(versions, func(v program.Version) bool {
		return v.NeedsAcceptance && strconv.Itoa(v.Number) == f.Value
	}):
		return []fault.Field{fault.Wrong("value", text.WrongUnknownName(), text.FixAnother())}, nil
	case f.Kind == program.FactRecruiter && !f.Ends:
		recruiter, _ := strconv.ParseInt(f.Value, 10, 64) // Check has read it
		if is, err := Enrolled(ctx, q, f.Program, program.PartnerID(recruiter)); is || err != nil {
			return nil, err
		}
		return []fault.Field{fault.Wrong("value", text.WrongNoRecruiter(f.Value), text.FixOneRecruiter())}, nil
	}
	return nil, nil
}

const (
	maxNote = 1000
	// factSlack is what the clocks of this machine and the database may differ by, and a transaction may take.
	factSlack = 5 * time.Second
)

// enrolled names an enrolment.
type enrolled struct {
	program program.ProgramID
	partner program.PartnerID
}

// readFacts reads the facts that a transaction at or after since has written, in the order in which they begin. A recruiter who is no
// partner, of facts from before the database refused such, is nobody: no account could be theirs.
func readFacts(ctx context.Context, q Querier, since uint64) (map[enrolled][]program.Fact, error) {
	// name: enrolment facts changed
	rows, err := q.Query(ctx, `SELECT program_id, partner_id, no, kind,
  CASE WHEN recruiter IS NULL OR EXISTS (SELECT FROM partner WHERE id = recruiter) THEN value ELSE '' END, ends, effective_from
  FROM enrolment_fact WHERE written >= $1 ORDER BY effective_from, no`, since)
	if err != nil {
		return nil, fmt.Errorf("reading facts of enrolments: %w", err)
	}
	return collectFacts(rows)
}

func collectFacts(rows pgx.Rows) (map[enrolled][]program.Fact, error) {
	facts := map[enrolled][]program.Fact{}
	var of enrolled
	var f program.Fact
	_, err := pgx.ForEachRow(rows, []any{&of.program, &of.partner, &f.No, &f.Kind, &f.Value, &f.Ends, &f.From}, func() error {
		f.From, f.Own, f.Unreadable = f.From.UTC(), nil, nil
		f.Read()
		facts[of] = append(facts[of], f)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading facts of enrolments: %w", err)
	}
	return facts, nil
}

// ReadFacts reads the facts of a partner in some programs, in the order in which they begin.
func ReadFacts(ctx context.Context, q Querier, partner program.PartnerID, ids ...program.ProgramID) (map[program.ProgramID][]Fact, error) {
	// name: enrolment facts
	rows, err := q.Query(ctx, `SELECT program_id, no, kind, value, ends, effective_from, author, note FROM enrolment_fact
WHERE program_id = ANY ($1) AND partner_id = $2 ORDER BY effective_from, no`, ids, partner)
	if err != nil {
		return nil, fmt.Errorf("reading facts of enrolments: %w", err)
	}
	facts := map[program.ProgramID][]Fact{}
	f := Fact{Partner: partner}
	_, err = pgx.ForEachRow(rows, []any{&f.Program, &f.No, &f.Kind, &f.Value, &f.Ends, &f.From, &f.Author, &f.Note}, func() error {
		f.From, f.Own, f.Unreadable = f.From.UTC(), nil, nil
		f.Read()
		facts[f.Program] = append(facts[f.Program], f)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading facts of enrolments: %w", err)
	}
	return facts, nil
}

// EnrolmentAt is program.EnrolmentAt.
func EnrolmentAt(facts []Fact, at time.Time) (program.Enrolment, error) {
	return program.EnrolmentAt(plain(facts), at) //nolint:wrapcheck // it names what cannot be read
}

// StateAt is program.StateAt.
func StateAt(facts []Fact, at time.Time) program.State { return program.StateAt(plain(facts), at) }

// plain are facts without who said them.
func plain(facts []Fact) []program.Fact {
	list := make([]program.Fact, len(facts))
	for i := range facts {
		list[i] = facts[i].Fact
	}
	return list
}

// takeIn adds facts to those that are known, of which some may be the same. Lists that readers hold are not changed.
func takeIn(known, more map[enrolled][]program.Fact) {
	for of, list := range more {
		all := slices.Concat(known[of], list)
		slices.SortFunc(all, func(a, b program.Fact) int { return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.No, b.No)) })
		known[of] = slices.CompactFunc(all, func(a, b program.Fact) bool { return a.No == b.No })
	}
}
