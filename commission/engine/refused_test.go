package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"tributary/commission"
	"tributary/internal/event"
	"tributary/test/schemes"
)

// refusal is a kind of order that cannot be decided or booked through its own content: how it is decided, and what its dead
// letter says.
type refusal struct {
	decide commission.Decider
	says   string
}

// refusals are these kinds by the id of the order that is refused.
func (w *world) refusals() map[string]refusal {
	share, same := schemes.Split, schemes.Share{Weight: 1}
	return map[string]refusal{
		"a nameless customer":   {share(same, schemes.Share{Role: commission.RoleCustomer}), "it names no customer. Correct the terms"},
		"no account for it":     {unbookable, "an account merchant_receivable is of merchant, not of network"},
		"one partner twice":     {share(same, same), "two credits in the role of partner. Correct the terms"},
		"a weight below zero":   {share(same, schemes.Share{Partner: w.partners[1], Weight: -1}), "the weight of partner"},
		"two without weights":   {share(schemes.Share{}, schemes.Share{Partner: w.partners[1]}), "have no weights"},
		"too many":              {share(slices.Repeat([]schemes.Share{same}, commission.MaxCredits+1)...), fmt.Sprintf("more than %d. Correct the terms", commission.MaxCredits)},
		"a unit that is none":   {share(schemes.Share{Weight: 1, Unit: "BEAN"}), "neither a currency nor POINT. Correct the terms"},
		"terms of no use":       {unreadable, "a riddle. Correct the terms"},
		"a panic":               {panics, "it failed 6 times: panic: what nobody foresaw. Correct what the message names"},
		"what no table accepts": {negative, "commission_net"},
	}
}

func unreadable(commission.Order, commission.Evidence) (commission.Decision, error) {
	return commission.Decision{}, &commission.TermsError{Cause: errors.New("a riddle")}
}

func panics(commission.Order, commission.Evidence) (commission.Decision, error) {
	panic("what nobody foresaw")
}

// unbookable decides what the books have no account for.
func unbookable(order commission.Order, evidence commission.Evidence) (commission.Decision, error) {
	d, err := commission.Decide(order, evidence)
	if len(d.Credits) > 0 {
		d.Credits[0].Merchant = 0
	}
	return d, err
}

// negative decides what the database refuses.
func negative(order commission.Order, evidence commission.Evidence) (commission.Decision, error) {
	d, err := commission.Decide(order, evidence)
	if len(d.Credits) > 0 {
		d.Credits[0].Net = -5
	}
	return d, err
}

// Each kind of refusal becomes a dead letter that says what is wrong and how to fix it, and holds up nobody else. Retried by
// an engine that can decide it, it is in the books as if nothing had been.
func TestAnOrderThatIsRefusedBecomesADeadLetter(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 4)
	kinds := w.refusals()
	var events []*event.Event
	for kind := range kinds {
		events = append(events, sale(1, "before "+kind, w.click(), 10_000), sale(1, kind, w.click(), 10_000), sale(1, "after "+kind, w.click(), 10_000))
	}
	cfg := w.config("one")
	cfg.Decide = func(order commission.Order, evidence commission.Evidence) (commission.Decision, error) {
		if kind, refused := kinds[order.ID]; refused {
			return kind.decide(order, evidence)
		}
		return commission.Decide(order, evidence)
	}
	w.send(events...)
	stop := w.start(cfg)
	w.waitIdle()
	stop()
	equal(t, "orders in the books", w.number(`SELECT count(*) FROM orders`), int64(2*len(kinds)))
	letters := w.letters()
	equal(t, "dead letters", len(letters), len(kinds))
	for _, l := range letters {
		e, err := event.Decode(l.Value)
		check(t, err)
		kind := e.GetSale().GetOrderId()
		if !strings.Contains(l.Error, kinds[kind].says) || !strings.HasSuffix(l.Error, "then run tributary deadletters retry.") {
			t.Errorf("the letter of %q says %q, want %q", kind, l.Error, kinds[kind].says)
		}
		check(t, RetryLetter(t.Context(), w.db, l.Partition, l.Offset, "a test"))
	}
	w.start(w.config("two"))
	w.eventually("all are taken in", func() bool {
		return w.number(`SELECT count(*) FROM dead_letter WHERE state = 'returned'`) == int64(len(kinds))
	})
	w.waitIdle()
	equal(t, "commissions", w.number(`SELECT count(*) FROM commission WHERE net = 1000`), int64(3*len(kinds)))
	w.clean()
}

// A letter that is retried too early, and a hold that ends on an order that cannot be booked any more, hold up nobody either.
func TestARefusalHoldsUpNeitherLettersNorHolds(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 4)
	var refuse atomic.Bool
	cfg := w.config("one")
	cfg.Decide = func(order commission.Order, evidence commission.Evidence) (commission.Decision, error) {
		if order.ID == "always" || order.ID == "later" && refuse.Load() {
			return unbookable(order, evidence)
		}
		return commission.Decide(order, evidence)
	}
	w.start(cfg)
	w.send(sale(1, "always", w.click(), 10_000), sale(1, "later", w.click(), 10_000))
	for i := range 5 {
		w.send(sale(1, fmt.Sprint("A", i), w.click(), 10_000))
	}
	w.waitIdle()
	letter := w.letters()[0]
	check(t, RetryLetter(t.Context(), w.db, letter.Partition, letter.Offset, "a test"))
	w.eventually("the letter is open again", func() bool {
		return w.number(`SELECT count(*) FROM dead_letter WHERE state = 'open'`) == 1 && w.number(`SELECT count(*) FROM inbox_taken WHERE problem <> ''`) == 1
	})
	refuse.Store(true)
	w.setClock(noon().Add(35 * day))
	w.eventually("the other holds end", func() bool { return w.number(`SELECT count(*) FROM commission WHERE state = 'payable'`) == 5 })
	equal(t, "holds that cannot end", w.number(`SELECT count(*) FROM commission WHERE NOT released`), 1)
}

// What is nobody's order's fault is tried until it is over, and sets nothing aside.
func TestAFailureOfTheSurroundingsSetsNothingAside(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 4)
	for i, broken := range []struct{ begin, end string }{
		{`ALTER TABLE commission RENAME TO elsewhere`, `ALTER TABLE elsewhere RENAME TO commission`},
		{`REVOKE INSERT ON posting FROM tributary_engine`, `GRANT INSERT ON posting TO tributary_engine`},
	} {
		w.exec(broken.begin)
		var tries atomic.Int64
		cfg := w.config(fmt.Sprint("engine ", i))
		cfg.VerifyClick = func(id string) commission.Click {
			tries.Add(1)
			return verifyClick(id)
		}
		stop := w.start(cfg)
		w.send(sale(1, fmt.Sprint("A", i), w.click(), 10_000))
		w.eventually("it was tried more often than a record's own failure is", func() bool { return tries.Load() > deadLetterAfter })
		w.exec(broken.end)
		w.waitIdle()
		stop()
	}
	equal(t, "dead letters", len(w.letters()), 0)
	equal(t, "orders", w.number(`SELECT count(*) FROM orders`), 2)
	w.clean()
}

// A commission that the decision took back is credited again once the decision says so.
func TestWhatWasDeclinedComesBackWhenDecidedSo(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 4)
	decide := func(forged bool) Config {
		cfg := w.config(fmt.Sprint("forged ", forged))
		cfg.VerifyClick = func(id string) commission.Click {
			if forged {
				return commission.Click{ID: id, Refused: commission.ForgedClickID}
			}
			return verifyClick(id)
		}
		return cfg
	}
	for step, want := range []struct {
		forged bool
		days   int
		state  string
	}{{false, 0, "pending 1000 0"}, {true, 1, "declined 0 0"}, {false, 2, "pending 800 0"}, {true, 3, "declined 0 0"}, {false, 40, "payable 0 600"}} {
		w.setClock(noon().AddDate(0, 0, want.days))
		stop := w.start(decide(want.forged))
		if step == 0 {
			w.send(sale(1, "A1", w.click(), 10_000))
		} else {
			w.send(refund(1, "A1", fmt.Sprint("r", step), day, 1000)) // a fact has it decided again
		}
		w.waitIdle()
		stop()
		var state string
		check(t, w.db.QueryRow(t.Context(), `SELECT state || ' ' || pending || ' ' || payable FROM commission`).Scan(&state))
		equal(t, fmt.Sprint("after step ", step), state, want.state)
	}
	w.clean()
}
