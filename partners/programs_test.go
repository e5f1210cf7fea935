package partners

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"tributary/internal/postgres"
	"tributary/partners/program"
	"tributary/test/engines"
)

func TestProgramsFollowARestoredDatabase(t *testing.T) {
	t.Parallel()
	db := engines.Postgres(t)
	ctx := t.Context()
	first := newShop(t, db)
	p := NewPrograms()
	must(t, p.Refresh(ctx, db))
	add := func() (id program.ProgramID) {
		must(t, postgres.InTx(ctx, db, func(tx pgx.Tx) (err error) {
			id, err = CreateProgram(ctx, tx, shopProgram(first.merchant))
			return err
		}))
		return id
	}
	has := func(when string, ids ...program.ProgramID) {
		t.Helper()
		must(t, p.Refresh(ctx, db))
		for _, id := range ids {
			if found, ok := p.Program(id); !ok || len(found.Terms) == 0 || found.Merchant != first.merchant {
				t.Errorf("%s, program %d is %+v", when, id, found)
			}
		}
	}
	second := add()
	has("after another was made", first.program, second)
	before := p.Version()
	has("when nothing has changed", first.program, second)
	if p.Version() != before {
		t.Errorf("the version went from %d to %d by itself", before, p.Version())
	}
	// A database of an earlier time counts transactions and versions from there.
	p.mark, second = p.mark+1_000_000, add()
	_, err := db.Exec(ctx, `UPDATE catalogue SET version = 1`)
	must(t, err)
	has("after the restore", first.program, second)
	has("and when one is made there", add())
}
