package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"pgregory.net/rapid"

	"tributary/commission/ledger/chart"
	"tributary/internal/postgres"
	"tributary/partners/program"
	"tributary/test/engines"
)

func TestMain(m *testing.M) { engines.Main(m) }

func noon() time.Time { return time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC) }

// open gives a database with two merchants and five partners, as its owner and in the engine's role.
func open(tb testing.TB) (owner, engine *pgxpool.Pool) {
	tb.Helper()
	url := engines.PostgresURL(tb)
	owner, err := pgxpool.New(tb.Context(), url)
	check(tb, err)
	tb.Cleanup(owner.Close)
	_, err = owner.Exec(tb.Context(), `INSERT INTO merchant (name) SELECT 'm' || n FROM generate_series(1, 2) n`)
	check(tb, err)
	_, err = owner.Exec(tb.Context(), `INSERT INTO partner (kind, name) SELECT 'site', 'p' || n FROM generate_series(1, 5) n`)
	check(tb, err)
	engine, err = postgres.Open(tb.Context(), engines.As(url, postgres.Engine), postgres.Engine, 10)
	check(tb, err)
	tb.Cleanup(engine.Close)
	return owner, engine
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// receivable and pending are the two accounts that most of these tests post between.
func receivable(unit string) Account {
	return Account{Kind: chart.MerchantReceivable, Merchant: 1, Unit: unit}
}

func pending(partner int, unit string) Account {
	return Account{Kind: chart.PartnerPending, Merchant: 1, Partner: program.PartnerID(partner), Unit: unit}
}

// earned is a posting of an order's first version.
func earned(no int64, partner int, amount int64, at time.Time) Posting {
	return Posting{Source: chart.OfOrder, No: no, Version: 1, Debit: receivable("GBP"), Credit: pending(partner, "GBP"), Amount: amount, EffectiveAt: at}
}

func post(tb testing.TB, db *pgxpool.Pool, b *Books, postings ...Posting) {
	tb.Helper()
	check(tb, postgres.InTx(tb.Context(), db, func(tx pgx.Tx) error { return b.Post(tb.Context(), tx, postings) }))
}

// amounts are the balances by account that are not zero.
func amounts(tb testing.TB, db *pgxpool.Pool, asOf time.Time) map[Account]int64 {
	tb.Helper()
	all := make(map[Account]int64)
	rows, err := db.Query(tb.Context(), `SELECT DISTINCT merchant_id FROM account WHERE merchant_id IS NOT NULL`)
	check(tb, err)
	merchants, err := pgx.CollectRows(rows, pgx.RowTo[program.MerchantID])
	check(tb, err)
	for _, merchant := range merchants {
		balances, err := MerchantBalances(tb.Context(), db, merchant, asOf)
		check(tb, err)
		for _, b := range balances {
			if b.Amount() != 0 {
				all[b.Account] = b.Amount()
			}
		}
	}
	return all
}

func equal[T any](tb testing.TB, what string, got, want T) {
	tb.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		tb.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestPostingsMakeBalances(t *testing.T) {
	t.Parallel()
	_, db := open(t)
	b := NewBooks()
	post(t, db, b, earned(1, 1, 1000, noon()), earned(2, 2, 500, noon().Add(time.Hour)))
	back := Posting{Source: chart.OfOrder, No: 1, Version: 2, Debit: pending(1, "GBP"), Credit: receivable("GBP"), Amount: 400, EffectiveAt: noon().Add(2 * time.Hour)}
	post(t, db, b, back)
	equal(t, "now", amounts(t, db, time.Time{}), map[Account]int64{receivable("GBP"): 1100, pending(1, "GBP"): 600, pending(2, "GBP"): 500})
	equal(t, "at noon", amounts(t, db, noon()), map[Account]int64{receivable("GBP"): 1000, pending(1, "GBP"): 1000})
	equal(t, "before", amounts(t, db, noon().Add(-time.Microsecond)), map[Account]int64{})
	mine, err := PartnerBalances(t.Context(), db, 1, time.Time{})
	check(t, err)
	equal(t, "of partner 1", mine, []Balance{{ID: mine[0].ID, Account: pending(1, "GBP"), Debits: 400, Credits: 1000}})
	all, err := MerchantBalances(t.Context(), db, 1, time.Time{})
	check(t, err)
	equal(t, "accounts at merchant 1", len(all), 3)
	totals, err := TrialBalance(t.Context(), db, time.Time{})
	check(t, err)
	equal(t, "trial balance", totals, []Total{
		{Kind: chart.MerchantReceivable, Unit: "GBP", Accounts: 1, Debits: 1500, Credits: 400},
		{Kind: chart.PartnerPending, Unit: "GBP", Accounts: 2, Debits: 400, Credits: 1500},
	})
	then, err := PartnerBalances(t.Context(), db, 1, noon())
	check(t, err)
	equal(t, "of partner 1 at noon", then, []Balance{{ID: mine[0].ID, Account: pending(1, "GBP"), Credits: 1000}})
}

func TestWhatCannotStandInTheBooks(t *testing.T) {
	t.Parallel()
	_, db := open(t)
	b := NewBooks()
	post(t, db, b, earned(1, 1, 1000, noon()))
	good := earned(2, 1, 1000, noon())
	bad := map[string]func(p *Posting){
		"nothing":                           func(p *Posting) { p.Amount = 0 },
		"less than nothing":                 func(p *Posting) { p.Amount = -5 },
		"two units":                         func(p *Posting) { p.Debit.Unit = "EUR" },
		"to itself":                         func(p *Posting) { p.Debit = p.Credit },
		"the same again":                    func(p *Posting) { p.No = 1 },
		"to a merchant that is not there":   func(p *Posting) { p.Debit.Merchant = 99 },
		"a kind of account nobody knows":    func(p *Posting) { p.Debit.Kind = "petty_cash" },
		"a partner's account of nobody":     func(p *Posting) { p.Credit.Partner = 0 },
		"a merchant's account of a partner": func(p *Posting) { p.Debit.Partner = 1 },
	}
	for name, change := range bad {
		p := good
		change(&p)
		err := postgres.InTx(t.Context(), db, func(tx pgx.Tx) error { return b.Post(t.Context(), tx, []Posting{p}) })
		if err == nil {
			t.Errorf("%s was posted", name)
		}
	}
	equal(t, "books", amounts(t, db, time.Time{}), map[Account]int64{receivable("GBP"): 1000, pending(1, "GBP"): 1000})
	post(t, db, b, good)
}

// TestTheDatabaseItselfGuardsTheBooks does by hand what no code of this module does.
func TestTheDatabaseItselfGuardsTheBooks(t *testing.T) {
	t.Parallel()
	owner, engine := open(t)
	post(t, engine, NewBooks(), earned(1, 1, 1000, noon()),
		Posting{Source: chart.OfOrder, No: 2, Version: 1, Debit: receivable("EUR"), Credit: pending(1, "EUR"), Amount: 5, EffectiveAt: noon()})
	var debit, credit, euro int64
	check(t, owner.QueryRow(t.Context(), `SELECT debit, credit FROM posting WHERE source_no = 1`).Scan(&debit, &credit))
	check(t, owner.QueryRow(t.Context(), `SELECT credit FROM posting WHERE source_no = 2`).Scan(&euro))
	row := func(debit, credit, amount any, unit string) string {
		return fmt.Sprintf(`INSERT INTO posting (source, source_no, version, n, debit, credit, amount, unit, effective_at)
			VALUES (1, 99, 1, 0, %v, %v, %v, '%s', now())`, debit, credit, amount, unit)
	}
	facts := []struct{ name, sql, code string }{
		{"one side only", row(debit, "NULL", 5, "GBP"), "23502"},
		{"no amount", row(debit, credit, 0, "GBP"), "23514"},
		{"a negative amount", row(debit, credit, -5, "GBP"), "23514"},
		{"an account to itself", row(debit, debit, 5, "GBP"), "23514"},
		{"another unit than the accounts'", row(debit, credit, 5, "EUR"), "23503"},
		{"accounts of two units", row(debit, euro, 5, "GBP"), "23503"},
		{"an account that does not exist", row(debit, 4711, 5, "GBP"), "23503"},
		{"the same posting again", strings.Replace(row(debit, credit, 5, "GBP"), "99, 1, 0", "1, 1, 0", 1), "23505"},
		{"a number of its own choice", strings.Replace(row(debit, credit, 5, "GBP"), "(source,", "(seq, source,", 1), "42601"},
	}
	changes := []struct{ name, sql string }{
		{"a changed amount", `UPDATE posting SET amount = 1`},
		{"a deleted posting", `DELETE FROM posting`},
		{"no postings at all", `TRUNCATE posting`},
		{"another unit of an account", `UPDATE account SET unit = 'EUR'`},
		{"a deleted account", `DELETE FROM account`},
		{"a changed event", `UPDATE order_event SET payload = ''`},
		{"a deleted event", `DELETE FROM order_event`},
		{"another hash", `UPDATE chain SET hash = ''`},
		{"another checkpoint", `UPDATE checkpoint SET debits = 0`},
	}
	for _, f := range facts {
		expectCode(t, "the engine: "+f.name, engine, f.sql, f.code)
		expectCode(t, "the owner: "+f.name, owner, f.sql, f.code)
	}
	for _, f := range changes {
		expectCode(t, "the engine: "+f.name, engine, f.sql, "42501")
		if !strings.Contains(f.sql, "chain") && !strings.Contains(f.sql, "checkpoint") {
			expectCode(t, "the owner: "+f.name, owner, f.sql, "23000")
		}
	}
	expectCode(t, "the engine: switching the triggers off", engine, `SET session_replication_role = replica`, "42501")
	expectCode(t, "the engine: dropping the trigger", engine, `ALTER TABLE posting DISABLE TRIGGER ALL`, "42501")
	equal(t, "books", amounts(t, owner, time.Time{}), map[Account]int64{
		receivable("GBP"): 1000, pending(1, "GBP"): 1000, receivable("EUR"): 5, pending(1, "EUR"): 5,
	})
}

func expectCode(tb testing.TB, name string, db *pgxpool.Pool, sql, code string) {
	tb.Helper()
	_, err := db.Exec(tb.Context(), sql)
	var pg *pgconn.PgError
	switch {
	case strings.Contains(name, "number of its own choice") && err != nil:
		// refused before the rows are looked at; which code depends on how it is asked for
	case !errors.As(err, &pg) || pg.Code != code:
		tb.Errorf("%s gives %v, want code %s", name, err, code)
	}
}

func TestAccountsOfATransactionThatWasRolledBackAreNotRemembered(t *testing.T) {
	t.Parallel()
	_, db := open(t)
	b := NewBooks()
	tx, err := db.Begin(t.Context())
	check(t, err)
	check(t, b.Post(t.Context(), tx, []Posting{earned(1, 1, 1000, noon())}))
	check(t, tx.Rollback(t.Context()))
	post(t, db, b, earned(1, 1, 1000, noon()))
	post(t, db, b, earned(2, 1, 1000, noon()))
	equal(t, "remembered", len(b.ids), 2)
	b.Forget()
	post(t, db, b, earned(3, 1, 1000, noon()))
	equal(t, "books", amounts(t, db, time.Time{}), map[Account]int64{receivable("GBP"): 3000, pending(1, "GBP"): 3000})
}

func TestSixtyFourTransactionsOpenOneAccount(t *testing.T) {
	t.Parallel()
	owner, db := open(t)
	var work sync.WaitGroup
	for i := range 64 {
		work.Go(func() {
			b := NewBooks()
			postings := []Posting{earned(int64(i), 1+i%5, 10, noon()), earned(int64(i), 1+(i+1)%5, 10, noon())}
			postings[1].N = 1
			err := postgres.InTx(context.Background(), db, func(tx pgx.Tx) error { return b.Post(context.Background(), tx, postings) })
			if err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
	var accounts int
	check(t, owner.QueryRow(t.Context(), `SELECT count(*) FROM account`).Scan(&accounts))
	equal(t, "accounts", accounts, 6)
	equal(t, "owed", amounts(t, owner, time.Time{})[receivable("GBP")], int64(64*20))
}

// TestBalancesWithCheckpointsAreThoseWithout posts at random effective times, seals at random moments, and compares every
// balance as of random times with the plain sum of the postings.
func TestBalancesWithCheckpointsAreThoseWithout(t *testing.T) {
	t.Parallel()
	owner, db := open(t)
	next := int64(0)
	rapid.Check(t, func(rt *rapid.T) {
		b := NewBooks()
		sealer := NewSealer(db, quiet())
		for range rapid.IntRange(1, 4).Draw(rt, "rounds") {
			var postings []Posting
			for range rapid.IntRange(1, 30).Draw(rt, "postings") {
				next++
				p := earned(next, rapid.IntRange(1, 3).Draw(rt, "partner"), rapid.Int64Range(1, 1000).Draw(rt, "amount"),
					noon().Add(time.Duration(rapid.IntRange(-100, 100).Draw(rt, "hours"))*time.Hour))
				if rapid.Bool().Draw(rt, "back") {
					p.Debit, p.Credit = p.Credit, p.Debit
				}
				postings = append(postings, p)
			}
			check(t, postgres.InTx(t.Context(), db, func(tx pgx.Tx) error { return b.Post(t.Context(), tx, postings) }))
			sealer.CheckpointEvery = rapid.IntRange(1, 20).Draw(rt, "every")
			sealer.BlockRows = rapid.IntRange(1, 40).Draw(rt, "block")
			if rapid.Bool().Draw(rt, "another process") {
				sealer.forget()
			}
			_, err := sealer.Seal(t.Context())
			check(t, err)
		}
		at := noon().Add(time.Duration(rapid.IntRange(-101, 101).Draw(rt, "as of")) * time.Hour)
		for _, asOf := range []time.Time{at, {}} {
			want := plainSums(t, owner, asOf)
			if diff := cmp.Diff(want, amounts(t, db, asOf)); diff != "" {
				rt.Fatalf("as of %s (-sum of postings +balance):\n%s", asOf, diff)
			}
		}
		if _, err := VerifyChain(t.Context(), owner); err != nil {
			rt.Fatal(err)
		}
	})
}

// plainSums adds postings up without checkpoints.
func plainSums(tb testing.TB, db *pgxpool.Pool, asOf time.Time) map[Account]int64 {
	tb.Helper()
	rows, err := db.Query(tb.Context(), `
SELECT a.kind, coalesce(a.merchant_id, 0), coalesce(a.partner_id, 0), a.unit, sum(CASE WHEN p.debit = a.id THEN p.amount ELSE -p.amount END)
  FROM posting p JOIN account a ON a.id IN (p.debit, p.credit) WHERE p.effective_at <= $1 GROUP BY a.id`, moment(asOf))
	check(tb, err)
	all := make(map[Account]int64)
	var a Account
	var sum int64
	_, err = pgx.ForEachRow(rows, []any{&a.Kind, &a.Merchant, &a.Partner, &a.Unit, &sum}, func() error {
		if a.Kind.Entry().Grows == chart.Credit {
			sum = -sum
		}
		if sum != 0 {
			all[a] = sum
		}
		return nil
	})
	check(tb, err)
	return all
}

func TestSealingWaitsForPostingsOnTheirWay(t *testing.T) {
	t.Parallel()
	owner, db := open(t)
	b := NewBooks()
	post(t, db, b, earned(1, 1, 10, noon()))
	slow, err := db.Begin(t.Context())
	check(t, err)
	check(t, b.Post(t.Context(), slow, []Posting{earned(2, 1, 10, noon())})) // a lower number, committed later
	post(t, db, b, earned(3, 1, 10, noon()))
	sealer := NewSealer(db, quiet())
	sealer.CheckpointEvery = 1
	done := make(chan error, 1)
	go func() {
		sealed, err := sealer.Seal(context.Background())
		if err == nil && sealed.Rows != 3 {
			err = fmt.Errorf("%d rows were sealed", sealed.Rows)
		}
		done <- err
	}()
	waiting(t, owner, done)
	post(t, db, b, earned(4, 1, 10, noon())) // nobody who posts waits for the sealer
	check(t, slow.Commit(t.Context()))
	check(t, <-done)
	head, err := VerifyChain(t.Context(), owner)
	check(t, err)
	equal(t, "sealed through", head.Through, int64(3))
	equal(t, "books", amounts(t, db, time.Time{})[receivable("GBP")], int64(40))
}

// waiting returns once the sealer has asked at least twice who is posting.
func waiting(tb testing.TB, owner *pgxpool.Pool, done chan error) {
	tb.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		select {
		case err := <-done:
			tb.Fatalf("sealing did not wait: %v", err)
		default:
		}
		var n int
		check(tb, owner.QueryRow(tb.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_locks%' AND pid <> pg_backend_pid()`).Scan(&n))
		if n > 0 {
			return
		}
	}
	tb.Fatal("the sealer did not come")
}

func TestSealingGivesUpOnATransactionThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	_, db := open(t)
	b := NewBooks()
	slow, err := db.Begin(t.Context())
	check(t, err)
	defer slow.Rollback(t.Context())
	check(t, b.Post(t.Context(), slow, []Posting{earned(1, 1, 10, noon())}))
	if _, err := NewSealer(db, quiet()).Seal(t.Context()); !errors.Is(err, errInserting) {
		t.Errorf("got %v, want %v", err, errInserting)
	}
}

func TestTheChainNamesTheFirstBlockThatWasChanged(t *testing.T) {
	t.Parallel()
	owner, db := open(t)
	b := NewBooks()
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 10 {
		var postings []Posting
		for j := range 10 {
			postings = append(postings, earned(int64(i*10+j+1), 1+random.IntN(5), 1+random.Int64N(1000), noon()))
		}
		post(t, db, b, postings...)
	}
	sealer := NewSealer(db, quiet())
	sealer.BlockRows = 10
	sealed, err := sealer.Seal(t.Context())
	check(t, err)
	equal(t, "sealed", sealed, Sealed{Blocks: 10, Rows: 100})
	again, err := sealer.Seal(t.Context())
	check(t, err)
	equal(t, "sealed again", again, Sealed{})
	head, err := VerifyChain(t.Context(), owner)
	check(t, err)
	logged, err := ParseHead(head.String())
	check(t, err)
	fifth := Head{Block: 5}
	var sum []byte
	check(t, owner.QueryRow(t.Context(), `SELECT hash FROM chain WHERE block = 5`).Scan(&sum))
	copy(fifth.Hash[:], sum)
	_, err = VerifyChain(t.Context(), owner, logged, fifth)
	check(t, err)
	facts := []struct {
		name, sql string
		block     int64
	}{
		{"an amount", `UPDATE posting SET amount = amount + 1 WHERE seq = 42`, 5},
		{"a time", `UPDATE posting SET effective_at = effective_at + interval '1 us' WHERE seq = 31`, 4},
		{"who is credited", `UPDATE posting SET credit = CASE WHEN credit = (SELECT min(credit) FROM posting) THEN credit + 1 ELSE (SELECT min(credit) FROM posting) END WHERE seq = 100`, 10},
		{"a row less", `DELETE FROM posting WHERE seq = 10`, 1},
		{"a row elsewhere", `UPDATE posting SET source_no = 4711 WHERE seq = 77`, 8},
		{"a hash", `UPDATE chain SET hash = sha256('x') WHERE block = 3`, 3},
		{"a count", `UPDATE chain SET rows = 9 WHERE block = 3`, 3},
		{"a block less", `DELETE FROM chain WHERE block = 7`, 8},
		{"all blocks after the fourth", `DELETE FROM chain WHERE block > 4`, 10},
		{"a recomputed chain", `UPDATE chain SET previous = sha256('x'), hash = sha256('y') WHERE block = 5`, 5},
	}
	for _, f := range facts {
		tx, err := owner.Begin(t.Context())
		check(t, err)
		_, err = tx.Exec(t.Context(), `SET LOCAL session_replication_role = replica`)
		check(t, err)
		tag, err := tx.Exec(t.Context(), f.sql)
		check(t, err)
		if tag.RowsAffected() == 0 {
			t.Errorf("%s: nothing was changed", f.name)
		}
		_, err = VerifyChain(t.Context(), tx, logged)
		var broken *BreakError
		if !errors.As(err, &broken) || broken.Block != f.block {
			t.Errorf("%s: got %v, want block %d", f.name, err, f.block)
		}
		check(t, tx.Rollback(t.Context()))
	}
	for _, text := range []string{"", "5", "x:00", "5:00", "0:" + strings.Repeat("00", 32)} {
		if _, err := ParseHead(text); err == nil {
			t.Errorf("%q was read as a head", text)
		}
	}
}

func TestTwoSealersMakeOneChain(t *testing.T) {
	t.Parallel()
	owner, db := open(t)
	var work sync.WaitGroup
	var stopped atomic.Bool
	for range 2 {
		work.Go(func() {
			sealer := NewSealer(db, quiet())
			sealer.BlockRows, sealer.CheckpointEvery = 7, 3
			for !stopped.Load() {
				if _, err := sealer.Seal(t.Context()); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for lane := range 3 {
		b := NewBooks()
		for i := range 40 {
			post(t, db, b, earned(int64(lane*1000+i), 1+i%5, 10, noon()), earned(int64(lane*1000+500+i), 1, 5, noon()))
		}
	}
	stopped.Store(true)
	work.Wait()
	sealer := NewSealer(db, quiet())
	_, err := sealer.Seal(t.Context())
	check(t, err)
	head, err := VerifyChain(t.Context(), owner)
	check(t, err)
	var last int64
	check(t, owner.QueryRow(t.Context(), `SELECT max(seq) FROM posting`).Scan(&last))
	equal(t, "sealed through", head.Through, last)
	equal(t, "balances", amounts(t, db, time.Time{}), plainSums(t, owner, time.Time{}))
}

func TestASumThatDoesNotFitStopsNobodyElse(t *testing.T) {
	t.Parallel()
	owner, db := open(t)
	b := NewBooks()
	const most = math.MaxInt64 / 4
	at := noon()
	for no := range int64(8) { // partner 1's credits run over with the fifth
		post(t, db, b, earned(2*no+1, 1, most, at), earned(2*no+2, 2, 5, at))
		if no%2 == 1 {
			continue
		}
		sealer := NewSealer(db, quiet()) // another process each time, which recalls the sums
		sealer.CheckpointEvery = 1
		_, err := sealer.Seal(t.Context())
		check(t, err)
	}
	sealer := NewSealer(db, quiet())
	sealer.CheckpointEvery = 1
	_, err := sealer.Seal(t.Context())
	check(t, err)
	head, err := VerifyChain(t.Context(), owner)
	check(t, err)
	equal(t, "sealed through", head.Through, 16)
	other, err := PartnerBalances(t.Context(), db, 2, time.Time{})
	check(t, err)
	equal(t, "another account", other[0].Credits, 40)
	var behind int
	check(t, owner.QueryRow(t.Context(), `SELECT max(through_seq) FROM checkpoint WHERE account_id = $1`, int64(other[0].ID)).Scan(&behind))
	equal(t, "its last checkpoint", behind, 16)
	if _, err := PartnerBalances(t.Context(), db, 1, time.Time{}); err == nil {
		t.Error("a balance that fits no int64 was given")
	}
	totals, err := TrialBalance(t.Context(), db, time.Time{})
	check(t, err)
	for _, total := range totals {
		if total.Debits+total.Credits != math.MaxInt64 {
			t.Errorf("the trial balance has %+v", total)
		}
	}
}

// TestABalanceOfFewPostingsIsNotReadFromEndToEnd holds that an account with little on it is looked up by its index where two
// accounts have nearly all postings: the planner takes the average for each.
func TestABalanceOfFewPostingsIsNotReadFromEndToEnd(t *testing.T) {
	t.Parallel()
	owner, db := open(t)
	b := NewBooks()
	postings := make([]Posting, 20_000)
	for i := range postings {
		postings[i] = earned(int64(i+1), 1, 5, noon())
	}
	post(t, db, b, postings...)
	_, err := owner.Exec(t.Context(), `ANALYZE posting`)
	check(t, err)
	for name, sql := range map[string]string{
		"recall":  `PREPARE recall AS ` + recallSums + `; EXPLAIN EXECUTE recall('{77}', 19000)`,
		"balance": `PREPARE balance AS ` + balancesSQL + ` WHERE a.partner_id = $2; EXPLAIN EXECUTE balance('infinity', 77)`,
	} {
		conn, err := owner.Acquire(t.Context())
		check(t, err)
		results, err := conn.Conn().PgConn().Exec(t.Context(), sql).ReadAll()
		conn.Release()
		check(t, err)
		var plan strings.Builder
		for _, row := range results[len(results)-1].Rows {
			plan.WriteString(string(row[0]) + "\n")
		}
		if got := plan.String(); !strings.Contains(got, "posting_debit") || !strings.Contains(got, "posting_credit") {
			t.Errorf("%s:\n%s", name, got)
		}
	}
}

func FuzzHead(f *testing.F) {
	f.Add(Head{Block: 17, Hash: [32]byte{1, 2}}.String())
	f.Add(" 1:" + strings.Repeat("AB", 32) + "\n")
	f.Add("0:")
	f.Fuzz(func(t *testing.T, text string) {
		head, err := ParseHead(text)
		if err != nil {
			return
		}
		if again, err := ParseHead(head.String()); err != nil || again != head {
			t.Errorf("%q is %v, which is %v: %v", text, head, again, err)
		}
	})
}
