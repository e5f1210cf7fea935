package engine

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"tributary/commission"
	"tributary/commission/audit"
	"tributary/internal/fault"
	"tributary/internal/postgres"
	"tributary/partners/access"
)

// manual enters a line for the first partner at merchant 1.
func (w *world) manual(db *access.DB, scope access.Scope, l commission.ManualLine, author string) (entered EnteredLine, err error) {
	w.t.Helper()
	if l.Merchant == 0 {
		l.Merchant = 1
	}
	if l.Partner == 0 {
		l.Partner = w.partners[0]
	}
	if l.Unit == "" {
		l.Unit = "GBP"
	}
	if l.Payer == "" {
		l.Payer = commission.MerchantPays
	}
	if l.Note == "" {
		l.Note = "a photograph"
	}
	err = db.Change(w.t.Context(), scope, func(tx pgx.Tx) (err error) {
		entered, err = AddManualLine(w.t.Context(), tx, l, author)
		return err
	})
	return entered, err
}

// verdict decides a line, and gives the code of why that is not possible.
func (w *world) verdict(db *access.DB, scope access.Scope, no int64, said ManualVerdict, author string) string {
	w.t.Helper()
	err := db.Change(w.t.Context(), scope, func(tx pgx.Tx) error {
		return DecideManualLine(w.t.Context(), tx, no, said, author, "")
	})
	if err == nil {
		return "done"
	}
	return fault.Of(err).Code
}

// makeDue has the ten seconds of all rows of the inbox be over, and waits until they are taken.
func (w *world) makeDue() {
	w.t.Helper()
	check(w.t, postgres.InTx(w.t.Context(), w.db, func(tx pgx.Tx) error {
		_, err := tx.Exec(w.t.Context(), `SET LOCAL session_replication_role = replica`)
		if err == nil {
			_, err = tx.Exec(w.t.Context(), `UPDATE inbox SET due = at WHERE due > at`)
		}
		return err
	}))
	w.eventually("the inbox is empty", func() bool {
		return w.number(`SELECT count(*) FROM inbox i WHERE NOT EXISTS (SELECT FROM inbox_taken t WHERE t.no = i.no)`) == 0
	})
}

func (w *world) lineStates() (states []string) {
	w.t.Helper()
	check(w.t, postgres.InTx(w.t.Context(), w.db, func(tx pgx.Tx) error {
		if err := access.ActAsNetwork(w.t.Context(), tx); err != nil {
			return err
		}
		rows, err := tx.Query(w.t.Context(), `SELECT no || ' ' || state FROM scoped_manual_line ORDER BY no`)
		if err == nil {
			states, err = pgx.CollectRows(rows, pgx.RowTo[string])
		}
		return err
	}))
	return states
}

// harmed verifies books to which something was done, and gives what a check finds.
func (w *world) harmed(harm, check string) (found []string) {
	w.t.Helper()
	tx, err := w.db.Begin(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	defer tx.Rollback(w.t.Context())
	if _, err := tx.Exec(w.t.Context(), `SET LOCAL session_replication_role = replica; `+harm); err != nil {
		w.t.Fatal(err)
	}
	verdict, err := audit.VerifyIn(w.t.Context(), tx, w.audited())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range verdict.Findings {
		if f.Check == check {
			found = append(found, f.String())
		}
	}
	return found
}

func TestManualLinesArePostedOnceAndWithTwoPeople(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	w.setClock(time.Now().Add(time.Hour)) // lines are entered by the clock of the database
	w.start(w.config("one"))
	db := w.pages()
	merchant, network := access.Scope{Merchant: 1}, access.Scope{Network: true}
	must := func(scope access.Scope, l commission.ManualLine, author string) int64 {
		t.Helper()
		entered, err := w.manual(db, scope, l, author)
		check(t, err)
		return entered.No
	}
	small := must(merchant, commission.ManualLine{Amount: 10_000}, "anna")
	large := must(merchant, commission.ManualLine{Amount: 10_001}, "anna")
	back := must(network, commission.ManualLine{Amount: -2_500}, "olga")
	gift := must(network, commission.ManualLine{Amount: 700, Payer: commission.NetworkPays}, "olga")
	gone := must(merchant, commission.ManualLine{Amount: 99}, "carl")
	refused := must(merchant, commission.ManualLine{Amount: 20_000}, "anna")
	for _, row := range []struct {
		scope  access.Scope
		no     int64
		said   ManualVerdict
		author string
		want   string
	}{
		{merchant, large, ApproveLine, "anna", "manual_same_person"},
		{merchant, small, ApproveLine, "bert", "manual_not_waiting"},
		{merchant, gift, WithdrawLine, "anna", "manual_not_yours"},
		{access.Scope{Merchant: 2}, large, ApproveLine, "bert", "not_found"},
		{access.Scope{Partner: w.partners[0]}, large, ApproveLine, "bert", "not_found"},
		{network, small, WithdrawLine, "olga", "manual_not_yours"},
		{merchant, gone, WithdrawLine, "anna", "done"},
		{merchant, gone, WithdrawLine, "anna", "done"},
		{merchant, gone, DeclineLine, "bert", "manual_not_waiting"},
		{network, refused, DeclineLine, "olga", "done"},
		{network, refused, ApproveLine, "olga", "manual_not_waiting"},
	} {
		if got := w.verdict(db, row.scope, row.no, row.said, row.author); got != row.want {
			t.Errorf("%s says %s of line %d: %s, want %s", row.author, row.said, row.no, got, row.want)
		}
	}
	equal(t, "payable at first", w.owed(), 0)
	w.makeDue()
	equal(t, "payable", w.owed(), 10_000-2_500+700)
	equal(t, "states", w.lineStates(), []string{
		fmt.Sprintf("%d posted", small), fmt.Sprintf("%d waiting", large), fmt.Sprintf("%d posted", back), fmt.Sprintf("%d posted", gift),
		fmt.Sprintf("%d withdrawn", gone), fmt.Sprintf("%d declined", refused),
	})
	equal(t, "approval", w.verdict(db, merchant, large, ApproveLine, "bert"), "done")
	w.makeDue()
	equal(t, "payable with the second person's", w.owed(), 18_201)
	equal(t, "too late", w.verdict(db, merchant, small, WithdrawLine, "anna"), "manual_too_late")
	equal(t, "what the network paid", w.number(`SELECT sum(amount) FROM posting p JOIN account a ON a.id = p.debit WHERE a.kind = 'promotion'`), 700)
	w.sealAll(5)
	equal(t, "findings", len(w.verify()), 0)
}

func TestAManualLineIsOfThoseWhoMayEnterIt(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	db := w.pages()
	merchant, network := access.Scope{Merchant: 1}, access.Scope{Network: true}
	for name, row := range map[string]struct {
		scope access.Scope
		line  commission.ManualLine
		want  string
	}{
		"another merchant":            {access.Scope{Merchant: 2}, commission.ManualLine{Amount: 1}, "not_found"},
		"a partner":                   {access.Scope{Partner: w.partners[0]}, commission.ManualLine{Amount: 1}, "not_found"},
		"a merchant for the network":  {merchant, commission.ManualLine{Amount: 1, Payer: commission.NetworkPays}, "not_found"},
		"a partner of nobody":         {network, commission.ManualLine{Amount: 1, Partner: 4711}, "not_found"},
		"a period of nobody":          {network, commission.ManualLine{Amount: 1, Period: 4711}, "not_found"},
		"nothing":                     {merchant, commission.ManualLine{}, "bad_manual_line"},
		"points":                      {merchant, commission.ManualLine{Amount: 1, Unit: "POINT"}, "bad_manual_line"},
		"no payer that there is":      {merchant, commission.ManualLine{Amount: 1, Payer: "nobody"}, "bad_manual_line"},
		"more than there is of money": {merchant, commission.ManualLine{Amount: 1 << 60}, "bad_manual_line"},
		"no reason":                   {merchant, commission.ManualLine{Amount: 1, Note: " "}, "bad_manual_line"},
	} {
		if made, err := w.manual(db, row.scope, row.line, "anna"); made.No != 0 || fault.Of(err).Code != row.want {
			t.Errorf("%s: line %d, %v", name, made.No, err)
		}
	}
}

// TestWhatOnePersonEntersInADayIsOneAmount enters lines one after the other: the first that takes a person above 100.00 in 24 hours
// waits for a second person, in however many pieces.
func TestWhatOnePersonEntersInADayIsOneAmount(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 2)
	db, merchant, network := w.pages(), access.Scope{Merchant: 1}, access.Scope{Network: true}
	enter := func(scope access.Scope, l commission.ManualLine, author string) EnteredLine {
		t.Helper()
		made, err := w.manual(db, scope, l, author)
		check(t, err)
		return made
	}
	var last EnteredLine
	for i, row := range []struct {
		line   commission.ManualLine
		author string
		waits  bool
	}{
		{commission.ManualLine{Amount: 9_900}, "anna", false},
		{commission.ManualLine{Amount: 9_900}, "anna", true},
		{commission.ManualLine{Amount: -101}, "anna", true}, // what is taken back is entered, too
		{commission.ManualLine{Amount: 100}, "anna", false}, // those that waited do not count
		{commission.ManualLine{Amount: 1}, "anna", true},
		{commission.ManualLine{Amount: 9_900, Partner: w.partners[1]}, "anna", false},
		{commission.ManualLine{Amount: 9_900}, "bert", false},
		{commission.ManualLine{Amount: 9_900, Unit: "EUR"}, "anna", false},
		{commission.ManualLine{Amount: 9_999, Unit: "JPY"}, "anna", false},
		{commission.ManualLine{Amount: 2, Unit: "JPY"}, "anna", true},
	} {
		if last = enter(merchant, row.line, row.author); last.Waits != row.waits {
			t.Errorf("line %d: waits %v, want %v", i, last.Waits, row.waits)
		}
	}
	gone := enter(merchant, commission.ManualLine{Amount: 10_000}, "carl")
	equal(t, "withdrawal", w.verdict(db, merchant, gone.No, WithdrawLine, "carl"), "done")
	equal(t, "a line after one that was withdrawn", enter(merchant, commission.ManualLine{Amount: 10_000}, "carl").Waits, false)
	equal(t, "a line of the same person for another side", enter(network, commission.ManualLine{Amount: 1}, "carl").Waits, true)
	check(t, postgres.InTx(t.Context(), w.db, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `SET LOCAL session_replication_role = replica; UPDATE manual_line SET at = at - interval '24 hours'`)
		return err
	}))
	equal(t, "a line of the next day", enter(merchant, commission.ManualLine{Amount: 9_900}, "anna").Waits, false)
}

// TestTwoLinesAtOnceAreOneAmountToo enters two lines of one person at the same time: the second sees the first.
func TestTwoLinesAtOnceAreOneAmountToo(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	db := w.pages()
	var waits atomic.Int64
	var all errgroup.Group
	for range 8 {
		all.Go(func() error {
			made, err := w.manual(db, access.Scope{Merchant: 1}, commission.ManualLine{Amount: 6_000}, "anna")
			if made.Waits {
				waits.Add(1)
			}
			return err
		})
	}
	check(t, all.Wait())
	equal(t, "lines that wait", waits.Load(), 7)
}

func TestP4ManualLinesAreWhatWasPosted(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	w.start(w.config("one"))
	db, merchant := w.pages(), access.Scope{Merchant: 1}
	for _, amount := range []int64{500, -300, 50_000} {
		made, err := w.manual(db, merchant, commission.ManualLine{Amount: amount}, "anna")
		check(t, err)
		w.verdict(db, merchant, made.No, ApproveLine, "bert")
	}
	w.makeDue()
	w.sealAll(5)
	for harm, want := range map[string]string{
		`DELETE FROM posting WHERE source = 4 AND source_no = 1`:                                 "posting (4, 1, 1, 0)",
		`UPDATE manual_line SET amount = 400 WHERE no = 1`:                                       "posting (4, 1, 1, 0)",
		`UPDATE manual_line SET amount = 300 WHERE no = 2`:                                       "posting (4, 2, 1, 0)",
		`UPDATE manual_line SET payer = 'network' WHERE no = 1`:                                  "posting (4, 1, 1, 0)",
		`UPDATE inbox_taken SET problem = 'x' WHERE no = (SELECT no FROM inbox WHERE ref = '2')`: "posting (4, 2, 1, 0)",
		`DELETE FROM manual_verdict`:                                                             "manual_line 3, approval",
		`UPDATE manual_verdict SET author = 'anna'`:                                              "manual_line 3, approval",
	} {
		if got := w.harmed(harm, "manual lines are posted"); !strings.Contains(strings.Join(got, "\n"), want) {
			t.Errorf("%s: %v", harm, got)
		}
	}
}
