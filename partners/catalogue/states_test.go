package catalogue

import (
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/internal/postgres"
	"tributary/partners"
	"tributary/partners/program"
	"tributary/test/engines"
)

// stateOf states a state of a shop's partner, of the past too.
func stateOf(tb testing.TB, db *pgxpool.Pool, s shop, state program.State, in time.Duration) {
	tb.Helper()
	must(tb, postgres.InTx(tb.Context(), db, func(tx pgx.Tx) error {
		if _, err := tx.Exec(tb.Context(), `ALTER TABLE enrolment_fact DISABLE TRIGGER begins_ahead; ALTER TABLE enrolment_fact DISABLE TRIGGER begins_in_time`); err != nil {
			return err
		}
		_, err := partners.SetState(tb.Context(), tx, partners.NewState{Program: s.program, Partner: s.partner, State: state, From: time.Now().Add(in), Author: "operator"})
		return err
	}))
}

func TestACatalogueKnowsWhoIsNotInAProgram(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	s, other := newShop(t, db), newShop(t, db)
	c := newCatalogue(t, db)
	for _, step := range []struct {
		name   string
		state  program.State
		in     time.Duration
		now    bool // in the program after it
		later  bool // an hour later
		states int
	}{
		{"paused some time ago", program.Paused, -time.Hour, false, false, 1},
		{"to be resumed", program.Approved, time.Minute, false, true, 1},
		{"resumed earlier than that", program.Approved, -time.Second, true, true, 0},
		{"to leave", program.Left, time.Minute, true, false, 1},
		{"removed instead", program.RemovedForBreach, 0, false, false, 1},
	} {
		stateOf(t, db, s, step.state, step.in)
		refresh(t, c)
		fresh := newCatalogue(t, db)
		for name, known := range map[string]*Catalogue{"followed": c, "loaded": fresh} {
			now := time.Now()
			if got := [2]bool{known.InProgram(s.program, s.partner, now), known.InProgram(s.program, s.partner, now.Add(time.Hour))}; got != [2]bool{step.now, step.later} {
				t.Errorf("%s, %s: now and later %v", step.name, name, got)
			}
			if n := len(*known.states.Load()); n != step.states {
				t.Errorf("%s, %s: %d states are held", step.name, name, n)
			}
			if !known.InProgram(other.program, other.partner, now) {
				t.Errorf("%s, %s: another shop's partner is not in theirs", step.name, name)
			}
		}
	}
}

// BenchmarkInProgram is what each click asks, where nobody is out of a program and where a thousand are.
func BenchmarkInProgram(b *testing.B) {
	for name, out := range map[string]int{"nobody": 0, "thousand": 1000} {
		b.Run(name, func(b *testing.B) {
			c := New(nil, slog.New(slog.DiscardHandler))
			known := states{}
			for i := range out {
				known[enrolled{1, program.PartnerID(i)}] = []program.Fact{{No: 1, Kind: program.FactState, Value: string(program.Paused)}}
			}
			c.states.Store(&known)
			now := time.Now()
			for b.Loop() {
				if !c.InProgram(1, 5000, now) {
					b.Fatal("a partner of whom nothing is stated is out")
				}
			}
		})
	}
}
