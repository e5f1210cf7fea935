package catalogue

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/partners"
	"tributary/partners/program"
)

// enrolled names an enrolment.
type enrolled struct {
	program program.ProgramID
	partner program.PartnerID
}

// states are the states of partners who are not in a program, or will not be: of all others there are none. They ascend by From and
// No. The map is replaced as a whole.
type states map[enrolled][]program.Fact

// InProgram tells whether a partner is in a program at a time, so that visitors who follow the partner's links are given a click id.
func (c *Catalogue) InProgram(id program.ProgramID, partner program.PartnerID, at time.Time) bool {
	known := *c.states.Load()
	if len(known) == 0 {
		return true
	}
	facts := known[enrolled{id, partner}]
	return len(facts) == 0 || program.StateAt(facts, at) == program.Approved
}

// hear takes in what was read of enrolments, in place of all that is known where it is everything. Partners who are in their program,
// and about whom nothing else is stated for later, are forgotten.
func (c *Catalogue) hear(more states, everything bool, now time.Time) {
	if len(more) == 0 && !everything {
		return
	}
	next := states{}
	if !everything {
		next = maps.Clone(*c.states.Load())
	}
	maps.Copy(next, more)
	maps.DeleteFunc(next, func(_ enrolled, facts []program.Fact) bool {
		last := slices.MaxFunc(facts, func(a, b program.Fact) int { return cmp.Compare(a.No, b.No) })
		return program.State(last.Value) == program.Approved && !last.From.After(now)
	})
	c.states.Store(&next)
}

// readStates reads all states of enrolments of which a transaction at or after since has written one, the first time only of those who
// are not in their program for good.
func readStates(ctx context.Context, q partners.Querier, since uint64) (states, error) {
	// name: enrolment states changed
	rows, err := q.Query(ctx, `SELECT f.program_id, f.partner_id, f.no, f.value, f.effective_from
FROM enrolment_fact f JOIN enrolment e ON e.program_id = f.program_id AND e.partner_id = f.partner_id
WHERE f.kind = 'state' AND (f.program_id, f.partner_id) IN (SELECT program_id, partner_id FROM enrolment_fact WHERE kind = 'state' AND written >= $1)
  AND ($1::xid8 > '0' OR e.state <> 'approved' OR e.state_from > now())
ORDER BY f.effective_from, f.no`, since)
	if err != nil {
		return nil, fmt.Errorf("reading the states of enrolments: %w", err)
	}
	found := states{}
	var of enrolled
	f := program.Fact{Kind: program.FactState}
	_, err = pgx.ForEachRow(rows, []any{&of.program, &of.partner, &f.No, &f.Value, &f.From}, func() error {
		f.From = f.From.UTC()
		found[of] = append(found[of], f)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the states of enrolments: %w", err)
	}
	return found, nil
}

func (w *copyWriter) states(known states) {
	w.number(int64(len(known)))
	for of, facts := range known {
		w.number(int64(of.program))
		w.number(int64(of.partner))
		w.number(int64(len(facts)))
		for i := range facts {
			w.number(facts[i].No)
			w.text(facts[i].Value)
			w.number(facts[i].From.UnixMilli())
		}
	}
}

func (r *copyReader) states() states {
	known := states{}
	for range r.count() {
		of := enrolled{program.ProgramID(r.number()), program.PartnerID(r.number())}
		var facts []program.Fact
		for range r.count() {
			facts = append(facts, program.Fact{Kind: program.FactState, No: r.number(), Value: r.text(), From: time.UnixMilli(r.number()).UTC()})
		}
		if len(facts) > 0 {
			known[of] = slices.Clip(facts)
		}
	}
	return known
}
