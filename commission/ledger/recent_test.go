package ledger

import (
	"errors"
	"testing"
)

func TestAFirstLookAtTheChainGoesBackSoFarAndNoFurther(t *testing.T) {
	t.Parallel()
	owner, db := open(t)
	postings := make([]Posting, 0, recentPostings+30_000)
	for i := range cap(postings) {
		postings = append(postings, earned(int64(i+1), 1, 5, noon()))
	}
	post(t, db, NewBooks(), postings...)
	sealed, err := NewSealer(db, quiet()).Seal(t.Context())
	check(t, err)
	equal(t, "blocks", sealed.Blocks, 4)
	all, err := VerifyChain(t.Context(), owner)
	check(t, err)
	for _, row := range []struct {
		name  string
		seq   int64
		since Head
		block int64 // that is found broken; 0 for none
	}{
		{"nothing is changed", 0, Head{}, 0},
		{"the last posting that is too far back", 20_000, Head{}, 0},
		{"the first one that is not", 20_001, Head{}, 2},
		{"the newest", 80_000, Head{}, 4},
		{"the newest, verified before", 80_000, all, 0},
	} {
		tx, err := owner.Begin(t.Context())
		check(t, err)
		_, err = tx.Exec(t.Context(), `SET LOCAL session_replication_role = replica`)
		check(t, err)
		_, err = tx.Exec(t.Context(), `UPDATE posting SET amount = amount + 1 WHERE seq = $1`, row.seq)
		check(t, err)
		head, err := VerifyChainSince(t.Context(), tx, row.since)
		var broken *BreakError
		switch {
		case row.block != 0 && (!errors.As(err, &broken) || broken.Block != row.block):
			t.Errorf("%s: got %v, want block %d", row.name, err, row.block)
		case row.block == 0 && (err != nil || head != all):
			t.Errorf("%s: got head %v and %v, want %v", row.name, head, err, all)
		}
		check(t, tx.Rollback(t.Context()))
	}
}
