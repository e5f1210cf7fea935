package position_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/internal/position"
	"tributary/internal/postgres"
	"tributary/internal/stream"
)

// hold claims all partitions of a topic and gives the first one, leased until the test ends.
func hold(t *testing.T, db *pgxpool.Pool, consumer string) position.Held {
	t.Helper()
	k := position.NewKeeper(db, consumer, "orders", 1, "here", slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	held, done := make(chan position.Held), make(chan struct{})
	go func() {
		defer close(done)
		_ = k.Run(ctx, func(ctx context.Context, h position.Held) error {
			held <- h
			<-ctx.Done()
			return ctx.Err()
		})
	}()
	t.Cleanup(func() { cancel(); <-done })
	return <-held
}

func TestAPositionComesBackAsItWasSaved(t *testing.T) {
	t.Parallel()
	for consumer, role := range map[string]postgres.Role{"loader": postgres.Loader, "engine": postgres.Engine} {
		t.Run(consumer, func(t *testing.T) {
			t.Parallel()
			db, _ := open(t, role)
			h := hold(t, db, consumer)
			want := &position.Position{Marks: map[[16]byte]uint64{}, Gaps: map[[16]byte]uint64{}}
			for range 3 {
				for _, spool := range []byte{7, 9} {
					r := stream.Record{Seal: stream.Genuine, Offset: want.Next, Spool: [16]byte{spool}, Seq: want.Marks[[16]byte{spool}] + 1}
					if _, err := want.Admit(r); err != nil {
						t.Fatal(err)
					}
				}
				want.Out += 5
				want.Attempts++
				if err := save(t, db, h, want); err != nil {
					t.Fatal(err)
				}
				got, err := read(t, db, h)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(position.Position{})); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func save(t *testing.T, db *pgxpool.Pool, h position.Held, p *position.Position) error {
	t.Helper()
	return pgx.BeginFunc(t.Context(), db, func(tx pgx.Tx) error {
		locked, err := h.Lock(t.Context(), tx)
		if err != nil {
			return err
		}
		_ = locked
		return h.Save(t.Context(), tx, p)
	})
}

func read(t *testing.T, db *pgxpool.Pool, h position.Held) (p *position.Position, err error) {
	t.Helper()
	err = pgx.BeginFunc(t.Context(), db, func(tx pgx.Tx) error {
		p, err = h.Lock(t.Context(), tx)
		return err
	})
	return p, err
}

func TestACloneIsSavedWhileTheOriginalGoesOn(t *testing.T) {
	t.Parallel()
	db, _ := open(t, postgres.Loader)
	h := hold(t, db, "loader")
	spool := [16]byte{3}
	p := &position.Position{}
	for seq := uint64(1); seq <= 9; seq += 3 {
		admit(t, p, spool, seq, seq+1)
		copied := p.Clone()
		admit(t, p, spool, seq+2)
		if err := save(t, db, h, copied); err != nil {
			t.Fatal(err)
		}
		got, err := read(t, db, h)
		if err != nil {
			t.Fatal(err)
		}
		if got.Next != int64(seq+1) || got.Marks[spool] != seq+1 {
			t.Errorf("saved is offset %d, mark %d; want %d for both", got.Next, got.Marks[spool], seq+1)
		}
	}
	if p.Next != 9 || p.Marks[spool] != 9 {
		t.Errorf("the original is at offset %d, mark %d; want 9 for both", p.Next, p.Marks[spool])
	}
}

func TestAStaleEpochCanNeitherLockNorSaveNorHalt(t *testing.T) {
	t.Parallel()
	db, _ := open(t, postgres.Engine)
	h := hold(t, db, "engine")
	stale := h
	stale.Epoch--
	if _, err := read(t, db, stale); !errors.Is(err, position.ErrLost) {
		t.Errorf("Lock gave %v, want ErrLost", err)
	}
	err := pgx.BeginFunc(t.Context(), db, func(tx pgx.Tx) error {
		return stale.Save(t.Context(), tx, &position.Position{Next: 99})
	})
	if !errors.Is(err, position.ErrLost) {
		t.Errorf("Save gave %v, want ErrLost", err)
	}
	if err := stale.Halt(t.Context(), db, errors.New("no")); !errors.Is(err, position.ErrLost) {
		t.Errorf("Halt gave %v, want ErrLost", err)
	}
	p, err := read(t, db, h)
	if err != nil {
		t.Fatal(err)
	}
	if p.Next != 0 {
		t.Errorf("the stale epoch moved the position to %d", p.Next)
	}
}

func TestAHaltedPartitionGoesOnByEachRemedy(t *testing.T) {
	t.Parallel()
	spool := [16]byte{5}
	for _, c := range []struct {
		name   string
		remedy position.Remedy
		// then are the sequences of the log from the halted place on, accepted those that have an effect.
		then, accepted []uint64
		gap            bool
		next           int64
	}{
		{name: "retry meets the gap again", remedy: position.Retry, then: []uint64{5}, gap: true, next: 3},
		{name: "refilled drops what comes again", remedy: position.Refilled, then: []uint64{5, 6, 3, 4, 5, 6, 7}, accepted: []uint64{3, 4, 5, 6, 7}, next: 10},
		{name: "accepted loss goes on behind it", remedy: position.AcceptLoss, then: []uint64{5, 6}, accepted: []uint64{5, 6}, next: 5},
		{name: "from the first offset", remedy: position.FromFirst, then: []uint64{1, 2, 3}, accepted: []uint64{3}, next: 103},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			db, url := open(t, postgres.Loader)
			operator := openURL(t, url, postgres.Operator)
			h := hold(t, db, "loader")
			p := &position.Position{Next: 1, Marks: map[[16]byte]uint64{}}
			admit(t, p, spool, 1, 2)
			_, gap := p.Admit(stream.Record{Seal: stream.Genuine, Offset: p.Next, Spool: spool, Seq: 5})
			if err := save(t, db, h, p); err != nil {
				t.Fatal(err)
			}
			if err := h.Halt(t.Context(), db, gap); err != nil {
				t.Fatal(err)
			}
			if _, err := read(t, db, h); !errors.Is(err, position.ErrHalted) {
				t.Fatalf("Lock of a halted partition gave %v", err)
			}
			if err := position.Resume(t.Context(), operator, "loader", "orders", 0, c.remedy, 100); err != nil {
				t.Fatal(err)
			}
			p, err := read(t, db, h)
			if err != nil {
				t.Fatal(err)
			}
			accepted, err := admit(t, p, spool, c.then...)
			if position.IsGap(err) != c.gap {
				t.Errorf("going on gave %v", err)
			}
			if diff := cmp.Diff(c.accepted, accepted); diff != "" {
				t.Error(diff)
			}
			if p.Next != c.next {
				t.Errorf("next offset is %d, want %d", p.Next, c.next)
			}
			if err := position.Resume(t.Context(), operator, "loader", "orders", 0, c.remedy, 100); !errors.Is(err, position.ErrNotHalted) {
				t.Errorf("resuming twice gave %v", err)
			}
		})
	}
}

func admit(t *testing.T, p *position.Position, spool [16]byte, seqs ...uint64) (accepted []uint64, err error) {
	t.Helper()
	for _, seq := range seqs {
		verdict, err := p.Admit(stream.Record{Seal: stream.Genuine, Offset: p.Next, Spool: spool, Seq: seq})
		if err != nil {
			return accepted, err
		}
		if verdict == position.Next {
			accepted = append(accepted, seq)
		}
	}
	return accepted, nil
}

func TestRefillingSurvivesARestart(t *testing.T) {
	t.Parallel()
	db, url := open(t, postgres.Loader)
	operator := openURL(t, url, postgres.Operator)
	h := hold(t, db, "loader")
	fresh := [16]byte{6}
	gap := &position.GapError{Spool: fresh, Want: 1, Got: 4} // a spool never seen before that starts at 4
	if err := h.Halt(t.Context(), db, gap); err != nil {
		t.Fatal(err)
	}
	if err := position.Resume(t.Context(), operator, "loader", "orders", 0, position.Refilled, 0); err != nil {
		t.Fatal(err)
	}
	var accepted []uint64
	for _, seq := range []uint64{4, 5, 1, 2, 3, 4, 5, 6} {
		p, err := read(t, db, h)
		if err != nil {
			t.Fatal(err)
		}
		taken, err := admit(t, p, fresh, seq)
		if err != nil {
			t.Fatal(err)
		}
		accepted = append(accepted, taken...)
		if err := save(t, db, h, p); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]uint64{1, 2, 3, 4, 5, 6}, accepted); diff != "" {
		t.Error(diff)
	}
}
