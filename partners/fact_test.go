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

func group(s shop, value string, from time.Time) Fact {
	return Fact{Program: s.program, Partner: s.partner, Author: "operator", Fact: program.Fact{Kind: program.FactGroup, Value: value, From: from}}
}

// addFact adds a fact in a transaction of its own.
func addFact(tb testing.TB, db *pgxpool.Pool, n Fact) error {
	tb.Helper()
	return postgres.InTx(tb.Context(), db, func(tx pgx.Tx) error {
		_, err := AddFact(tb.Context(), tx, n)
		return err
	})
}

func TestFactsBeginAheadAndThenStay(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	s := newShop(t, db)
	soon := time.Now().Add(2 * time.Minute)
	must(t, addFact(t, db, group(s, "vip", soon)))
	must(t, addFact(t, db, group(s, "top", time.Time{})))
	for name, n := range map[string]Fact{
		"in the past":        group(s, "late", time.Now().Add(-time.Hour)),
		"within the minute":  group(s, "late", time.Now().Add(50*time.Second)),
		"twice at one time":  group(s, "vip", soon),
		"of another partner": {Program: s.program, Partner: s.partner + 1, Author: "x", Fact: program.Fact{Kind: program.FactGroup, Value: "vip"}},
		"of no program":      {Program: s.program + 1, Partner: s.partner, Author: "x", Fact: program.Fact{Kind: program.FactGroup, Value: "vip"}},
	} {
		if err := addFact(t, db, n); err == nil || fault.Of(err).Kind == fault.Internal {
			t.Errorf("a fact %s: %v", name, err)
		}
	}
	for _, change := range []string{`UPDATE enrolment_fact SET value = 'other'`, `DELETE FROM enrolment_fact`, `TRUNCATE enrolment_fact`} {
		if _, err := db.Exec(t.Context(), change); err == nil {
			t.Errorf("%s is taken", change)
		}
	}
	facts, err := ReadFacts(t.Context(), db, s.partner, s.program)
	must(t, err)
	var values []string
	for _, f := range facts[s.program] {
		values = append(values, f.Value)
	}
	if diff := cmp.Diff([]string{"top", "vip"}, values); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestACommitThatComesTooLateIsRefused(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	s := newShop(t, db)
	err := postgres.InTx(t.Context(), db, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), `ALTER TABLE enrolment_fact DISABLE TRIGGER begins_ahead`); err != nil {
			return err
		}
		_, err := AddFact(t.Context(), tx, group(s, "vip", time.Now().Add(-time.Second)))
		return err
	})
	if constraint(err) != "begins_ahead" {
		t.Errorf("%v", err)
	}
}

func TestProgramsKnowWhatIsKnownOfTheirPartners(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	ctx := t.Context()
	s := newShop(t, db)
	var recruiter, first program.PartnerID
	must(t, postgres.InTx(ctx, db, func(tx pgx.Tx) (err error) {
		for _, id := range []*program.PartnerID{&recruiter, &first} {
			if *id, err = CreatePartner(ctx, tx, NewPartner{Kind: program.Member, Name: "Member"}); err != nil {
				return err
			}
			if err = Enrol(ctx, tx, s.program, *id); err != nil {
				return err
			}
		}
		return nil
	}))
	p := NewPrograms()
	must(t, p.Refresh(ctx, db))
	soon := time.Now().Add(2 * time.Minute).UTC().Truncate(time.Microsecond)
	at := func(partner program.PartnerID, t time.Time) program.LinkTerms {
		return p.LinkTerms(s.program, 7, partner, program.Site, t)
	}
	recruited := func(partner, by program.PartnerID, from time.Time) Fact {
		return Fact{Program: s.program, Partner: partner, Author: "operator", Fact: program.Fact{Kind: program.FactRecruiter, Value: strconv.FormatInt(int64(by), 10), From: from}}
	}
	for _, n := range []Fact{
		group(s, "vip", soon), recruited(s.partner, recruiter, soon.Add(time.Second)), recruited(recruiter, first, soon.Add(2*time.Second)),
		recruited(first, recruiter, soon.Add(3*time.Second)),
	} {
		must(t, addFact(t, db, n))
		must(t, p.Refresh(ctx, db))
	}
	for _, row := range []struct {
		partner program.PartnerID
		at      time.Time
		want    program.Enrolment
	}{
		{s.partner, soon.Add(-time.Microsecond), program.Enrolment{}},
		{s.partner, soon, program.Enrolment{Groups: []string{"vip"}}},
		{s.partner, soon.Add(time.Second), program.Enrolment{Groups: []string{"vip"}, Recruiter: recruiter}},
		{s.partner, soon.Add(2 * time.Second), program.Enrolment{Groups: []string{"vip"}, Recruiter: recruiter, Recruiter2: first}},
		{recruiter, soon.Add(3 * time.Second), program.Enrolment{Recruiter: first}}, // who was recruited by them
		{first + 100, soon.Add(time.Hour), program.Enrolment{}},
	} {
		found := at(row.partner, row.at)
		if diff := cmp.Diff(row.want, found.Enrolment); diff != "" || found.NotAccepted || found.Terms == nil || found.Link != 7 || found.Merchant != s.merchant {
			t.Errorf("partner %d at %s: %+v (-want +got):\n%s", row.partner, row.at, found, diff)
		}
	}
	again := NewPrograms()
	must(t, again.Refresh(ctx, db))
	if diff := cmp.Diff(p.facts, again.facts, cmp.AllowUnexported(enrolled{})); diff != "" {
		t.Errorf("read bit by bit and at once they differ:\n%s", diff)
	}
}

// A recruiter is a partner of the program, as AddFact says and the table holds. What was written before that is nobody's.
func TestARecruiterIsAPartnerOfTheProgram(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	s, other := newShop(t, db), newShop(t, db)
	soon := time.Now().Add(2 * time.Minute).UTC().Truncate(time.Microsecond)
	for i, nobody := range []string{"987654", "999999999999999999", strconv.FormatInt(int64(other.partner), 10)} {
		at := soon.Add(time.Duration(i) * time.Second)
		n := Fact{Program: s.program, Partner: s.partner, Author: "x", Fact: program.Fact{Kind: program.FactRecruiter, Value: nobody, From: at}}
		if kind, fields := faultOf(addFact(t, db, n)); kind != fault.Invalid || !slices.Equal(fields, []string{"value"}) {
			t.Errorf("recruiter %s: %v %v", nobody, kind, fields)
		}
		_, err := db.Exec(t.Context(), `INSERT INTO enrolment_fact (program_id, partner_id, kind, value, effective_from, author) VALUES ($1, $2, 'recruiter', $3, $4, 'x')`,
			s.program, s.partner, nobody, at)
		if constraint(err) != "enrolment_fact_recruiter" {
			t.Errorf("the table takes recruiter %s: %v", nobody, err)
		}
	}
	_, err := db.Exec(t.Context(), `ALTER TABLE enrolment_fact DROP CONSTRAINT enrolment_fact_recruiter`)
	must(t, err)
	_, err = db.Exec(t.Context(), `INSERT INTO enrolment_fact (program_id, partner_id, kind, value, effective_from, author) VALUES ($1, $2, 'recruiter', '987654', $3, 'x')`,
		s.program, s.partner, soon)
	must(t, err)
	p := NewPrograms()
	must(t, p.Refresh(t.Context(), db))
	if who := p.LinkTerms(s.program, 7, s.partner, program.Site, soon).Enrolment.Recruiter; who != 0 {
		t.Errorf("partner %d, who is not there, is the recruiter", who)
	}
}

func TestTermsBindThoseWhoAccept(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)
	p := NewPrograms()
	document := program.NewDocument(time.Hour, 0, 0, nil)
	sold := &Program{ID: 1, needsAcceptance: true}
	for i, v := range []program.Version{
		{Number: 1, EffectiveFrom: began, Document: document},
		{Number: 2, EffectiveFrom: began.AddDate(0, 1, 0), Document: document, NeedsAcceptance: true, NoticeDays: 7},
	} {
		sold.Terms = append(sold.Terms, v.Terms())
		sold.Terms[i].Rules = 1
	}
	p.programs[1] = sold
	seven := program.Duration(7 * 24 * time.Hour)
	takeIn(p.facts, map[enrolled][]program.Fact{
		{1, 17}: {{No: 1, Kind: program.FactAccept, Value: "2", From: began.AddDate(0, 1, 3)}},
		{1, 18}: {{No: 2, Kind: program.FactOwn, Own: &program.Override{Hold: &seven}, From: began}},
	})
	for _, row := range []struct {
		partner program.PartnerID
		at      time.Time
		version int
		refused bool
		scheme  bool
	}{
		{16, began.AddDate(0, 1, 6), 1, false, false},
		{16, began.AddDate(0, 1, 7), 1, true, false},
		{17, began.AddDate(0, 1, 2), 1, false, false},
		{17, began.AddDate(0, 1, 3), 2, false, false},
		{18, began, 1, false, true},
	} {
		found := p.LinkTerms(1, 7, row.partner, program.Site, row.at)
		if found.Terms.Version != row.version || found.NotAccepted != row.refused || (found.Terms.Scheme != nil) != row.scheme {
			t.Errorf("partner %d at %s: version %d, refused %t, scheme %v", row.partner, row.at, found.Terms.Version, found.NotAccepted, found.Terms.Scheme)
		}
	}
}

func TestNoticeAndAcceptanceAreKept(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	ctx := t.Context()
	s := newShop(t, db)
	begins := time.Now().Add(49 * time.Hour).UTC().Truncate(time.Microsecond)
	add := func(notice int) error {
		return postgres.InTx(ctx, db, func(tx pgx.Tx) error {
			_, err := AddTerms(ctx, tx, s.program, program.Version{
				EffectiveFrom: begins, Document: program.NewDocument(time.Hour, 0, 200_000, nil), NeedsAcceptance: true, NoticeDays: notice,
			})
			return err
		})
	}
	if kind, fields := faultOf(add(3)); kind != fault.Invalid || !slices.Equal(fields, []string{"effective_from"}) {
		t.Errorf("three days of notice, two days ahead: %v", fields)
	}
	must(t, add(2))
	_, err := db.Exec(ctx, `INSERT INTO terms (program_id, version, effective_from, document, notice_days) SELECT program_id, 9, now() + interval '1 day', document, 2 FROM terms WHERE version = 1`)
	if err == nil {
		t.Error("the table takes terms without their notice")
	}
	p := NewPrograms()
	must(t, p.Refresh(ctx, db))
	at := func(t time.Time) program.LinkTerms { return p.LinkTerms(s.program, 7, s.partner, program.Site, t) }
	if during, after := at(begins), at(begins.Add(48*time.Hour)); during.Terms.Version != 1 || during.NotAccepted || after.Terms.Version != 1 || !after.NotAccepted {
		t.Errorf("not accepted: version %d, %t; and after the notice %d, %t", during.Terms.Version, during.NotAccepted, after.Terms.Version, after.NotAccepted)
	}
	accept := func(version string) error {
		return addFact(t, db, Fact{Program: s.program, Partner: s.partner, Author: "login:1", Fact: program.Fact{Kind: program.FactAccept, Value: version}})
	}
	if err := accept("1"); fault.Of(err).Kind != fault.Invalid {
		t.Errorf("accepting what nobody need accept: %v", err)
	}
	must(t, accept("2"))
	must(t, p.Refresh(ctx, db))
	if before, from := at(begins.Add(-time.Microsecond)), at(begins); before.Terms.Version != 1 || from.Terms.Version != 2 || from.NotAccepted {
		t.Errorf("accepted: version %d, then %d", before.Terms.Version, from.Terms.Version)
	}
}
