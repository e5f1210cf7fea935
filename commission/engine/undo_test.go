package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/commission"
	"tributary/commission/inbox"
	"tributary/internal/event"
	"tributary/internal/fault"
	"tributary/internal/postgres"
	"tributary/partners/access"
	"tributary/partners/program"
	"tributary/test/engines"
)

// pages is PostgreSQL as the pages have it.
func (w *world) pages() *access.DB {
	w.t.Helper()
	db, err := pgxpool.New(w.t.Context(), engines.As(w.url, postgres.Dashboard))
	check(w.t, err)
	w.t.Cleanup(db.Close)
	return access.New(db)
}

func kindOf(err error) fault.Kind { return fault.Of(err).Kind }

// What is said of somebody's share is refused where they have none, and the refusal tells who has; withdrawing twice tells what happened.
func TestAReviewOfAShareNamesWhoHasOne(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 2)
	w.start(w.config("one"))
	w.send(sale(1, "A1", w.click(), 10_000), sale(1, "nobody", "", 10_000))
	w.waitIdle()
	db := w.pages()
	say := func(order string, partner program.PartnerID) (no int64, err error) {
		err = db.Change(t.Context(), access.Scope{Network: true}, func(tx pgx.Tx) (err error) {
			no, err = ReviewOrder(t.Context(), tx, commission.Reviewed{Merchant: 1, Order: order, Verb: commission.Hold, Partner: int64(partner)}, "anna", "a trial")
			return err
		})
		return no, err
	}
	for _, row := range []struct {
		order   string
		partner program.PartnerID
		want    string
	}{
		{"A1", w.partners[1], fmt.Sprintf("partner %d has no share of the order (give one of %d)", w.partners[1], w.partners[0])},
		{"nobody", w.partners[0], "nobody has a share of the order"},
	} {
		if _, err := say(row.order, row.partner); kindOf(err) != fault.Invalid || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s of %d: %v, want %s", row.order, row.partner, err, row.want)
		}
	}
	no, err := say("A1", w.partners[0])
	check(t, err)
	undo := func() error {
		return db.Change(t.Context(), access.Scope{Network: true}, func(tx pgx.Tx) error { return UndoReview(t.Context(), tx, no, "anna", "a mistake") })
	}
	check(t, undo())
	if err := undo(); err == nil || !strings.Contains(err.Error(), "it was withdrawn already, at ") {
		t.Errorf("withdrawn twice: %v", err)
	}
}

// TestWhoMaySayWhatAboutAnOrder has pages write and withdraw reviews for each scope.
func TestWhoMaySayWhatAboutAnOrder(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	w.start(w.config("one"))
	w.send(sale(1, "A1", w.click(), 10_000))
	w.waitIdle()
	db := w.pages()
	merchant, other := access.Scope{Merchant: 1}, access.Scope{Merchant: 2}
	network, partner := access.Scope{Network: true}, access.Scope{Partner: w.partners[0]}
	say := func(scope access.Scope, order string) (no int64, err error) {
		err = db.Change(t.Context(), scope, func(tx pgx.Tx) (err error) {
			no, err = ReviewOrder(t.Context(), tx, commission.Reviewed{Merchant: 1, Order: order, Verb: commission.Void}, "anna", "a trial")
			return err
		})
		return no, err
	}
	undo := func(scope access.Scope, no int64) error {
		return db.Change(t.Context(), scope, func(tx pgx.Tx) error { return UndoReview(t.Context(), tx, no, "anna", "a mistake") })
	}
	for _, scope := range []access.Scope{other, partner} {
		if _, err := say(scope, "A1"); kindOf(err) != fault.NotFound {
			t.Errorf("%+v: %v", scope, err)
		}
	}
	if _, err := say(merchant, "A9"); kindOf(err) != fault.NotFound {
		t.Errorf("an order that nobody reported: %v", err)
	}
	mine, err := say(merchant, "A1")
	check(t, err)
	theirs, err := say(network, "A1")
	check(t, err)
	for _, row := range []struct {
		scope access.Scope
		no    int64
	}{{other, mine}, {partner, mine}, {network, mine}, {merchant, theirs}, {merchant, 99}} {
		if err := undo(row.scope, row.no); kindOf(err) != fault.NotFound {
			t.Errorf("%+v withdraws %d: %v", row.scope, row.no, err)
		}
	}
	check(t, undo(merchant, mine))
	check(t, undo(network, theirs))
	late, is := errors.AsType[*TooLateError](undo(merchant, mine))
	if !is || late.Effect != "withdrawn" || time.Since(late.Taken) > time.Minute {
		t.Errorf("withdrawn twice: %+v", late)
	}
	equal(t, "sides", w.number(`SELECT count(*) FROM inbox WHERE (no, side) IN (($1, 'merchant'), ($2, 'operator')) AND due = at + interval '10 seconds'`, mine, theirs), 2)
	equal(t, "withdrawals", w.number(`SELECT count(*) FROM inbox WHERE kind = 'undo' AND author = 'anna' AND note = 'a mistake'`), 2)
	w.waitIdle()
	equal(t, "outcome", w.outcome(1, "A1"), "credited")
}

// TestNotesAreTextThatADatabaseCanHold has people say things with notes that it cannot, or that are too long.
func TestNotesAreTextThatADatabaseCanHold(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	db, network := w.pages(), access.Scope{Network: true}
	for _, row := range []struct {
		name, note string
		refused    bool
	}{
		{"a NUL byte", "a\x00b", true}, {"no UTF-8", "a\xff", true}, {"too long", strings.Repeat("ä", commission.MaxNote+1), true}, {"as long as may be", strings.Repeat("ä", commission.MaxNote), false},
	} {
		for what, do := range map[string]func(tx pgx.Tx) error{
			"a review": func(tx pgx.Tx) error {
				_, err := ReviewOrders(t.Context(), tx, []commission.Reviewed{{Merchant: 1, Order: "A1", Verb: commission.Void}}, "anna", row.note)
				return err
			},
			"an undoing": func(tx pgx.Tx) error { return UndoReview(t.Context(), tx, 99, "anna", row.note) },
			"a binding": func(tx pgx.Tx) error {
				return Rebind(t.Context(), tx, inbox.Binding{Program: w.programs[0], Customer: "c"}, "anna", row.note, 1)
			},
			"an answer": func(tx pgx.Tx) error {
				_, err := SettleClaim(t.Context(), tx, 99, commission.ClaimIsGranted, "anna", row.note)
				return err
			},
		} {
			f := fault.Of(db.Change(t.Context(), network, do))
			named := slices.ContainsFunc(f.Fields, func(of fault.Field) bool { return of.Name == "note" })
			if f.Kind == fault.Internal && row.refused || named != row.refused {
				t.Errorf("%s with %s: %v", what, row.name, f)
			}
		}
	}
}

// TestSomethingIsSaidOfAThousandOrdersAtOnce also has one among them that is not there.
func TestSomethingIsSaidOfAThousandOrdersAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	w.start(w.config("one"))
	w.send(sale(1, "A1", w.click(), 10_000), sale(1, "A2", w.click(), 10_000))
	w.waitIdle()
	db := w.pages()
	say := func(n int) (numbers []int64, err error) {
		said := make([]commission.Reviewed, n)
		for i := range said {
			said[i] = commission.Reviewed{Merchant: 1, Order: []string{"A1", "A9", "A2"}[i%3], Verb: commission.Void}
		}
		err = db.Change(t.Context(), access.Scope{Merchant: 1}, func(tx pgx.Tx) (err error) {
			numbers, err = ReviewOrders(t.Context(), tx, said, "anna", "")
			return err
		})
		return numbers, err
	}
	if _, err := say(MaxReviewed + 1); kindOf(err) != fault.TooLarge {
		t.Errorf("one too many: %v", err)
	}
	numbers, err := say(MaxReviewed)
	check(t, err)
	if len(numbers) != MaxReviewed || numbers[0] == 0 || numbers[1] != 0 || numbers[2] <= numbers[0] {
		t.Errorf("%d numbers, the first are %v", len(numbers), numbers[:3])
	}
	equal(t, "rows", w.number(`SELECT count(*) FROM inbox`), 667)
}

// TestAReviewIsTakenOrWithdrawnNeverBoth withdraws reviews at the moment at which two engines take them.
func TestAReviewIsTakenOrWithdrawnNeverBoth(t *testing.T) {
	t.Parallel()
	const orders = 30
	w := newWorldOf(t, 2, 1)
	w.start(w.config("one"))
	w.start(w.config("two"))
	names := make([]string, orders)
	for i := range names {
		names[i] = string(rune('A'+i/10)) + string(rune('0'+i%10))
		w.send(sale(1, names[i], w.click(), 10_000))
	}
	w.waitIdle()
	for _, order := range names {
		check(t, postgres.InTx(t.Context(), w.db, func(tx pgx.Tx) error {
			return w.reviewIn(tx, commission.Reviewed{Merchant: 1, Order: order, Verb: commission.Void}, commission.ByOperator, time.Time{})
		}))
	}
	var undone sync.WaitGroup
	for no := range orders {
		undone.Go(func() {
			err := postgres.InTx(context.WithoutCancel(t.Context()), w.db, func(tx pgx.Tx) error {
				check(t, access.ActAsNetwork(t.Context(), tx))
				return UndoReview(t.Context(), tx, int64(no+1), "operator", "")
			})
			if _, late := errors.AsType[*TooLateError](err); err != nil && !late {
				t.Error(err)
			}
		})
	}
	undone.Wait()
	w.eventually("each is taken or withdrawn", func() bool {
		return w.number(`SELECT count(*) FROM inbox i WHERE NOT EXISTS (SELECT FROM inbox_taken t WHERE t.no = i.no)`) == 0
	})
	w.waitIdle()
	equal(t, "void orders", w.number(`SELECT count(*) FROM orders WHERE outcome = 'voided'`),
		w.number(`SELECT count(*) FROM inbox i JOIN inbox_taken t USING (no) WHERE i.kind = $1 AND t.problem = ''`, inbox.Review))
	equal(t, "withdrawn", w.number(`SELECT count(*) FROM inbox_taken WHERE problem = 'withdrawn'`), w.number(`SELECT count(*) FROM inbox WHERE kind = 'undo'`))
	w.clean()
}

// TestTheDatabaseHasTheKeysOfEveryKindOfOrder holds that what is said on pages of an order has the key that engines look for.
func TestTheDatabaseHasTheKeysOfEveryKindOfOrder(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	for kind := event.Live; kind <= event.Counted; kind++ {
		var key []byte
		check(t, w.db.QueryRow(t.Context(), `SELECT order_key(7, $1::smallint, 'Ä1')`, kind).Scan(&key))
		equal(t, "key", string(key), string(kind.Key(7, "Ä1")))
	}
}
