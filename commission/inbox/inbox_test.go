package inbox

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/internal/postgres"
	"tributary/test/engines"
)

func TestMain(m *testing.M) { engines.Main(m) }

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func fact(lane int, kind Kind, ref string) Row {
	return Row{Lane: lane, Key: []byte("1|A1"), Kind: kind, Ref: ref, Content: []byte("what it says"), Author: "somebody", Note: "because"}
}

// drain takes all rows that there are, and gives their refs.
func drain(tb testing.TB, db *pgxpool.Pool, l *Lane) (refs string) {
	tb.Helper()
	for {
		row, found, err := l.Next(tb.Context(), db)
		check(tb, err)
		if !found {
			return refs
		}
		check(tb, postgres.InTx(tb.Context(), db, func(tx pgx.Tx) error {
			_, err := Take(tb.Context(), tx, row, "")
			return err
		}))
		refs += row.Ref + " "
	}
}

func TestALaneGivesEachOfItsRowsOnce(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	ctx := t.Context()
	for i := range 4 {
		check(t, Write(ctx, db, fact(i%2, Letter, strconv.Itoa(i))))
	}
	check(t, Write(ctx, db, fact(0, "of a later version", "x")))
	l := NewLane(0, Letter)
	row, found, err := l.Next(ctx, db)
	check(t, err)
	if !found || row.Ref != "0" || row.Lane != 0 || string(row.Key) != "1|A1" || string(row.Content) != "what it says" || row.Author != "somebody" ||
		row.Note != "because" || row.At.IsZero() {
		t.Errorf("the first row is %+v", row)
	}
	if got := drain(t, db, l); got != "0 2 " {
		t.Errorf("lane 0 gives %s", got)
	}
	check(t, postgres.InTx(ctx, db, func(tx pgx.Tx) error {
		if first, err := Take(ctx, tx, row, "a problem"); err != nil || first {
			t.Errorf("a row is taken twice: %v", err)
		}
		return nil
	}))
	if got := drain(t, db, NewLane(0, Letter, "of a later version")); got != "x " {
		t.Errorf("a version that knows the other kind gives %s", got)
	}
	if got := drain(t, db, NewLane(1, Letter)); got != "1 3 " {
		t.Errorf("lane 1 gives %s", got)
	}
}

// TestARowThatCommitsLateIsNotPassedOver has a row whose transaction began first and ends last.
func TestARowThatCommitsLateIsNotPassedOver(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	ctx := t.Context()
	slow, err := db.Begin(ctx)
	check(t, err)
	defer slow.Rollback(context.WithoutCancel(ctx))
	check(t, Write(ctx, slow, fact(0, Letter, "slow")))
	check(t, Write(ctx, db, fact(0, Letter, "fast")))
	l := NewLane(0, Letter)
	if got := drain(t, db, l); got != "fast " {
		t.Errorf("first there are %s", got)
	}
	check(t, Write(ctx, db, fact(0, Letter, "faster")))
	if got := drain(t, db, l); got != "faster " {
		t.Errorf("then there are %s", got)
	}
	check(t, slow.Commit(ctx))
	if got := drain(t, db, l); got != "slow " {
		t.Errorf("at last there are %s", got)
	}
}

func TestNobodyChangesWhatWasWritten(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	check(t, Write(t.Context(), db, fact(0, Letter, "1")))
	drain(t, db, NewLane(0, Letter))
	for _, sql := range []string{`UPDATE inbox SET note = 'other'`, `DELETE FROM inbox`, `TRUNCATE inbox, inbox_taken`, `UPDATE inbox_taken SET problem = 'x'`, `DELETE FROM inbox_taken`} {
		if _, err := db.Exec(t.Context(), sql); err == nil {
			t.Errorf("%s is possible", sql)
		}
	}
	if err := Write(t.Context(), db, Row{Kind: Letter, Key: []byte{}, Content: []byte{}}); err == nil {
		t.Error("a row without an author is written")
	}
}

// TestARowIsTakenOnceItIsDue has rows of earlier and later transactions around one that is to wait.
func TestARowIsTakenOnceItIsDue(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	waits := fact(0, Letter, "waits")
	waits.Due = time.Now().Add(700 * time.Millisecond)
	check(t, Write(t.Context(), db, waits))
	check(t, Write(t.Context(), db, fact(0, Letter, "now")))
	l := NewLane(0, Letter)
	if got := drain(t, db, l); got != "now " {
		t.Errorf("before it is due there are %s", got)
	}
	check(t, Write(t.Context(), db, fact(0, Letter, "later")))
	if got := drain(t, db, l); got != "later " {
		t.Errorf("a second time there are %s", got)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if got := drain(t, db, l); got == "waits " && !time.Now().Before(waits.Due) {
			return
		} else if got != "" || time.Now().After(deadline) {
			t.Fatalf("at last there are %q", got)
		}
	}
}
