package partners

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/partners/program"
)

// NewState is where a partner is to stand in a program from a time on.
type NewState struct {
	Program program.ProgramID
	Partner program.PartnerID
	State   program.State
	// From is zero for as soon as possible: a minute from now.
	From time.Time
	// Author is who says so: the operator, or a log-in.
	Author, Note string
}

// SetState states where a partner stands in a program, in the caller's transaction, and gives from when on. It takes the place of what
// had been stated for that time and later. A step that the state by then does not allow, or not to whoever the transaction acts for
// (program.Steps), is a fault.Conflict.
func SetState(ctx context.Context, tx pgx.Tx, n NewState) (from time.Time, err error) {
	no, err := AddFact(ctx, tx, Fact{
		Program: n.Program, Partner: n.Partner, Author: n.Author, Note: n.Note,
		Fact: program.Fact{Kind: program.FactState, Value: string(n.State), From: n.From},
	})
	if err != nil {
		return from, err
	}
	// name: enrolment fact begins
	if err = tx.QueryRow(ctx, `SELECT effective_from FROM enrolment_fact WHERE no = $1`, no).Scan(&from); err != nil {
		return from, fmt.Errorf("reading when a state begins: %w", err)
	}
	return from.UTC(), nil
}

// OpenEnrolment has a partner invited to a program, or apply to it: the state is in force at once. A partner who is in the program
// already, or was, is a fault.Conflict.
func OpenEnrolment(ctx context.Context, tx pgx.Tx, n NewState) error {
	// name: enrolment opened
	var now time.Time
	err := tx.QueryRow(ctx, `INSERT INTO enrolment (program_id, partner_id) VALUES ($1, $2) RETURNING created_at`, n.Program, n.Partner).Scan(&now)
	if err != nil {
		return fmt.Errorf("opening an enrolment: %w", AsFault(err))
	}
	n.From = now
	_, err = SetState(ctx, tx, n)
	return err
}
