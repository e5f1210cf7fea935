package partners

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/internal/fault"
	"tributary/internal/postgres"
	"tributary/partners/program"
	"tributary/test/engines"
)

// state states a state in a transaction of its own, for the partner, the merchant, or the operator.
func (s shop) state(tb testing.TB, db *pgxpool.Pool, by program.Actor, state program.State, from time.Time) error {
	tb.Helper()
	return postgres.InTx(tb.Context(), db, func(tx pgx.Tx) error {
		s.actAs(tb, tx, by)
		_, err := SetState(tb.Context(), tx, NewState{Program: s.program, Partner: s.partner, State: state, From: from, Author: "somebody", Note: "why"})
		return err
	})
}

func (s shop) actAs(tb testing.TB, tx pgx.Tx, by program.Actor) {
	tb.Helper()
	id := map[program.Actor]int64{program.ByPartner: int64(s.partner), program.ByMerchant: int64(s.merchant)}[by]
	if by != "" {
		_, err := tx.Exec(tb.Context(), `SELECT set_config($1, $2, true)`, "app."+string(by), strconv.FormatInt(id, 10))
		must(tb, err)
	}
}

// stands gives what the row of the enrolment says.
func (s shop) stands(tb testing.TB, db *pgxpool.Pool) (state program.State) {
	tb.Helper()
	must(tb, db.QueryRow(tb.Context(), `SELECT state FROM enrolment WHERE program_id = $1 AND partner_id = $2`, s.program, s.partner).Scan(&state))
	return state
}

func TestTheDatabaseKnowsTheSameSteps(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	states := append(program.States(), program.Nobody)
	for _, from := range states {
		for _, to := range states {
			want := ""
			if i := slices.IndexFunc(program.Steps(), func(s program.Step) bool { return s.From == from && s.To == to }); i >= 0 {
				want = string(program.Steps()[i].By)
			}
			var got string
			must(t, db.QueryRow(t.Context(), `SELECT coalesce(enrolment_step($1, $2), '')`, from, to).Scan(&got))
			if got != want {
				t.Errorf("from %q to %q goes %q, not %q", from, to, got, want)
			}
		}
	}
}

// Case 21 of doors section 9: a state dated now or earlier is refused, except the first of a new enrolment.
func TestAStateBeginsAMinuteAhead(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	s := newShop(t, db)
	for name, from := range map[string]time.Time{"an hour ago": time.Now().Add(-time.Hour), "now": time.Now(), "in 50 s": time.Now().Add(50 * time.Second)} {
		if kind, fields := faultOf(s.state(t, db, program.ByMerchant, program.Paused, from)); kind != fault.Invalid || !slices.Equal(fields, []string{"from"}) {
			t.Errorf("%s: %v %v", name, kind, fields)
		}
		_, err := db.Exec(t.Context(), `INSERT INTO enrolment_fact (program_id, partner_id, kind, value, effective_from, author) VALUES ($1, $2, 'state', 'paused', $3, 'x')`,
			s.program, s.partner, from.Truncate(time.Millisecond))
		if constraint(err) != "begins_ahead" {
			t.Errorf("the table takes one of %s: %v", name, err)
		}
	}
	if got := s.stands(t, db); got != program.Approved {
		t.Errorf("what is refused makes it %q", got)
	}
	must(t, s.state(t, db, program.ByMerchant, program.Paused, time.Time{}))
	if got := s.stands(t, db); got != program.Paused {
		t.Errorf("it is %q", got)
	}
	fresh := shop{merchant: s.merchant, program: s.program}
	must(t, postgres.InTx(t.Context(), db, func(tx pgx.Tx) (err error) {
		if fresh.partner, err = CreatePartner(t.Context(), tx, NewPartner{Kind: program.Site, Name: "New"}); err != nil {
			return err
		}
		return OpenEnrolment(t.Context(), tx, NewState{Program: s.program, Partner: fresh.partner, State: program.Applied, Author: "login:1"})
	}))
	if got := fresh.stands(t, db); got != program.Applied {
		t.Errorf("a new enrolment is %q", got)
	}
	if kind, _ := faultOf(fresh.state(t, db, program.ByMerchant, program.Approved, time.Now())); kind != fault.Invalid {
		t.Errorf("the second fact is taken at once: %v", kind)
	}
	err := postgres.InTx(t.Context(), db, func(tx pgx.Tx) error {
		return OpenEnrolment(t.Context(), tx, NewState{Program: s.program, Partner: fresh.partner, State: program.Applied, Author: "login:1"})
	})
	if fault.Of(err).Kind != fault.Conflict {
		t.Errorf("applying twice: %v", err)
	}
}

func TestStepsAreTakenByWhoMayAndInOrder(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	s := newShop(t, db)
	on := func(days int) time.Time { return time.Now().Add(time.Duration(days)*24*time.Hour + 2*time.Minute) }
	for n, row := range []struct {
		by    program.Actor
		state program.State
		day   int
		want  fault.Kind
	}{
		{program.ByPartner, program.Paused, 0, fault.Conflict},
		{program.ByMerchant, program.Left, 0, fault.Conflict},
		{program.ByMerchant, program.Declined, 0, fault.Conflict},
		{program.ByMerchant, program.Paused, 0, 0},
		{program.ByMerchant, program.Paused, 1, fault.Conflict},
		{program.ByPartner, program.Approved, 1, fault.Conflict},
		{program.ByMerchant, program.Approved, 1, 0},
		{program.ByPartner, program.Left, 10, 0},
		{program.ByMerchant, program.Paused, 11, fault.Conflict},
		{program.ByMerchant, program.Paused, 5, 0}, // in the place of leaving
		{program.ByPartner, program.Left, 6, 0},
		{program.ByPartner, program.Left, 3, fault.Conflict}, // the same step again
		{program.ByPartner, program.Applied, 7, 0},
		{"", program.Declined, 8, 0}, // the operator
		{program.ByPartner, program.Applied, 20, fault.Conflict},
		{program.ByPartner, program.Applied, 39, 0},
		{program.ByMerchant, program.Approved, 40, 0},
		{program.ByMerchant, program.RemovedForFraud, 41, 0},
		{program.ByPartner, program.Left, 40, fault.Conflict}, // in the place of a removal
		{"", program.Approved, 42, fault.Conflict},
	} {
		err := s.state(t, db, row.by, row.state, on(row.day))
		if kind := kindOf(err); kind != row.want {
			t.Errorf("step %d, %s by %q: %v", n, row.state, row.by, err)
		}
		if got := s.stands(t, db); err == nil && got != row.state {
			t.Errorf("step %d: the enrolment is %q", n, got)
		}
	}
	facts, err := ReadFacts(t.Context(), db, s.partner, s.program)
	must(t, err)
	var got []program.State
	for _, day := range []int{-1, 0, 1, 4, 5, 6, 7, 10, 39, 40, 41} {
		got = append(got, StateAt(facts[s.program], on(day).Add(time.Second)))
	}
	want := []program.State{
		program.Approved, program.Paused, program.Approved, program.Approved, program.Paused, program.Left, program.Applied, program.Declined,
		program.Applied, program.Approved, program.RemovedForFraud,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// kindOf is the kind of a fault, 0 of none.
func kindOf(err error) (kind fault.Kind) {
	if err != nil {
		kind = fault.Of(err).Kind
	}
	return kind
}

func TestProgramsKnowTheStatesOfTheirPartners(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	s := newShop(t, db)
	soon := time.Now().Add(2 * time.Minute).UTC().Truncate(time.Millisecond)
	p := NewPrograms()
	must(t, p.Refresh(t.Context(), db))
	if found := p.LinkTerms(s.program, 7, s.partner, program.Site, soon); found.Facts != nil || p.RemovedForFraud(s.program, s.partner) != 0 {
		t.Errorf("of a partner of whom nothing is known: %+v", found.Facts)
	}
	must(t, s.state(t, db, program.ByMerchant, program.RemovedForFraud, soon))
	must(t, p.Refresh(t.Context(), db))
	found := p.LinkTerms(s.program, 7, s.partner, program.Site, soon.Add(-time.Hour))
	if program.StateAt(found.Facts, soon) != program.RemovedForFraud || program.StateAt(found.Facts, soon.Add(-1)) != program.Approved {
		t.Errorf("%+v", found.Facts)
	}
	if no := p.RemovedForFraud(s.program, s.partner); no != found.Facts[0].No {
		t.Errorf("removed by fact %d, not %d", no, found.Facts[0].No)
	}
}

func TestAPausedPartnerMakesNoLinks(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	s := newShop(t, db)
	must(t, s.state(t, db, program.ByMerchant, program.Paused, time.Time{}))
	if _, err := CreateLink(t.Context(), db, NewLink{Program: s.program, Partner: s.partner}); err != nil {
		t.Errorf("before the pause: %v", err)
	}
	_, err := db.Exec(t.Context(), `ALTER TABLE enrolment_fact DISABLE TRIGGER USER; UPDATE enrolment_fact SET effective_from = date_trunc('milliseconds', now())`)
	must(t, err)
	_, err = CreateLink(t.Context(), db, NewLink{Program: s.program, Partner: s.partner})
	if kind, fields := faultOf(err); kind != fault.Invalid || !slices.Equal(fields, []string{"program"}) {
		t.Errorf("a paused partner makes a link: %v", err)
	}
}
