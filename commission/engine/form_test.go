package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"tributary/commission"
	"tributary/commission/audit"
	"tributary/internal/event"
	"tributary/internal/postgres"
	"tributary/partners/program"
	"tributary/test/engines"
	"tributary/test/forms"
)

// judged is what Verify finds when it knows these forms.
func (w *world) judged(known commission.Forms) ([]audit.Finding, error) {
	w.t.Helper()
	verdict, err := audit.Verify(w.t.Context(), w.checkWith(known))
	if err != nil {
		return nil, err
	}
	return verdict.Findings, nil
}

func (w *world) checkWith(known commission.Forms) audit.Check {
	w.t.Helper()
	db, err := postgres.Open(w.t.Context(), engines.As(w.url, postgres.Operator), postgres.Operator, 4)
	check(w.t, err)
	w.t.Cleanup(db.Close)
	return audit.Check{
		DB: db, VerifyClick: verifyClick, Partitions: w.partitions, Now: w.clock(), Forms: known,
	}
}

// written counts the records of each form.
func (w *world) written(form int) int64 {
	w.t.Helper()
	return w.number(`SELECT count(*) FROM orders WHERE coalesce((decision ->> 'form')::int, 1) = $1`, form)
}

func TestEnginesOfTwoFormsTakeTurns(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 2)
	known, next := commission.KnownForms(), forms.Next()
	later := func(owner string) Config {
		cfg := w.config(owner)
		cfg.Forms = next
		return cfg
	}
	orders := func(from, to int) (all []*event.Event) {
		for n := from; n <= to; n++ {
			all = append(all, sale(1, fmt.Sprint("A", n), w.click(), 10_000, 333))
		}
		return all
	}
	stop := w.start(w.config("old"))
	w.send(orders(1, 20)...)
	w.waitIdle()
	stop()
	stop = w.start(later("new"))
	w.send(orders(21, 30)...)
	w.send(refund(1, "A1", "r1", day, 1000), refund(1, "A2", "r1", day, 0), refund(1, "A22", "r1", day, 500))
	w.waitIdle()
	stop()
	equal(t, "records of the old form", w.written(known.Current()), 18)
	equal(t, "records of the new form", w.written(next.Current()), 12)
	found, err := w.judged(next)
	check(t, err)
	if len(found) > 0 {
		t.Errorf("two forms beside one another: %v", found)
	}

	var newer *commission.NewerError
	if err := New(w.config("old again")).Run(t.Context()); !errors.As(err, &newer) {
		t.Errorf("an old engine starts where newer records are: %v", err)
	}
	if _, err := w.judged(known); !errors.As(err, &newer) {
		t.Errorf("an old verify judges newer records: %v", err)
	}

	// One that runs on, since it started before the first of them was written, takes in what it can and stops there.
	w.exec(`DELETE FROM record_form WHERE form > 1`)
	stop = w.start(w.config("left running"))
	w.send(sale(1, "A31", w.click(), 10_000))
	w.waitIdle()
	w.send(refund(1, "A3", "r1", day, 1000), refund(1, "A21", "r1", day, 1000), sale(1, "A32", w.click(), 10_000))
	w.eventually("the old engine has given up the lane", func() bool {
		return w.number(`SELECT count(*) FROM position WHERE consumer = $1 AND owner = ''`, Consumer) == 1
	})
	equal(t, "orders that it did not get to", w.number(`SELECT count(*) FROM orders WHERE order_id = 'A32'`), 0)
	equal(t, "failures counted against the record", w.number(`SELECT attempts FROM position WHERE consumer = $1`, Consumer), 0)
	equal(t, "dead letters", w.number(`SELECT count(*) FROM dead_letter`), 0)
	stop()
	w.start(later("new again"))
	w.waitIdle()
	found, err = w.judged(next)
	check(t, err)
	if len(found) > 0 {
		t.Errorf("after an old engine ran on: %v", found)
	}
}

func TestRedecideWritesTheSameInThePresentForm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	next := forms.Next()
	w.setClock(noon().Add(35 * day))
	history, _ := shoppingHistory(60)
	stop := w.start(w.config("old"))
	w.send(arrival(w, history, 1)...)
	w.send(sale(1, "WRONG", w.click(), 10_000, 500))
	w.waitIdle()
	stop()
	books := w.books(time.Time{})
	// A record that says what no version would decide is left as it is, and the order, line and rule are named.
	w.exec(`UPDATE orders SET decision = replace(decision::text, '"base":500,"net":50}', '"base":500,"net":51}')::json WHERE order_id = 'WRONG'`)
	total := w.number(`SELECT count(*) FROM orders`)
	var seen int64
	done, err := audit.Redecide(t.Context(), w.checkWith(next), func(done, total int64) { seen = done*1000 + total })
	check(t, err)
	equal(t, "orders looked at", done.Orders, total)
	equal(t, "records rewritten", done.Rewritten, total-1)
	equal(t, "progress", seen, total*1000+total)
	if len(done.Refused) == 0 || done.Broken != len(done.Refused) {
		t.Fatalf("nothing was refused: %+v", done)
	}
	for _, want := range []string{`"WRONG"`, "line 2", `rule "*"`} {
		if !strings.Contains(fmt.Sprint(done.Refused), want) {
			t.Errorf("the refusal does not name %s: %v", want, done.Refused)
		}
	}
	w.exec(`UPDATE orders SET decision = replace(decision::text, '"base":500,"net":51}', '"base":500,"net":50}')::json WHERE order_id = 'WRONG'`)
	again, err := audit.Redecide(t.Context(), w.checkWith(next), nil)
	check(t, err)
	equal(t, "records rewritten the second time", again.Rewritten, 1)
	equal(t, "records of the new form", w.written(next.Current()), total)
	var newer *commission.NewerError
	if err := New(w.config("old again")).Run(t.Context()); !errors.As(err, &newer) {
		t.Errorf("an old engine starts where records were rewritten: %v", err)
	}
	equal(t, "books", w.books(time.Time{}), books)
	found, err := w.judged(next)
	check(t, err)
	if len(found) > 0 {
		t.Errorf("after the records were rewritten: %v", found)
	}
}

// addTerms adds terms to a program: those it has with more in the document.
func (w *world) addTerms(id program.ProgramID, from time.Time, rules int, more string) {
	w.t.Helper()
	w.exec(`INSERT INTO terms (program_id, version, effective_from, rules, document)
		SELECT program_id, 2, $2, $3, document || $4 FROM terms WHERE program_id = $1`, id, from, rules, more)
}

// soldAt is an order of merchant 2 placed at a time, with a click on its first link.
func (w *world) soldAt(order string, at time.Time) *event.Event {
	e := sale(2, order, clickOn(w.links[len(w.partners)], at), 10_000)
	e.OccurredAt, e.ReceivedAt = event.Micros(at.Add(time.Hour)), event.Micros(at.Add(time.Hour))
	return e
}

func TestNewerRulesStopALaneBeforeItDecides(t *testing.T) {
	t.Parallel()
	for name, more := range map[string]string{
		"a document of today": `{}`, "a document of later": `{"minimum_order": 500, "rules": [{"pay": {"amount": 5}}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorldOf(t, 1, 2)
			stop := w.start(w.config("one"))
			w.send(sale(1, "A1", w.click(), 10_000))
			w.waitIdle()
			from := time.Now().Add(2 * time.Minute)
			w.addTerms(w.programs[1], from, commission.Rules+1, more)
			// Everyone goes on under the terms of before, and the other merchant after them, also with a click that led elsewhere.
			after := w.soldAt("A2", from)
			after.GetSale().MerchantId = 1
			w.send(sale(1, "A3", w.click(), 10_000), w.soldAt("B1", noon()), after)
			w.waitIdle()
			equal(t, "orders", w.number(`SELECT count(*) FROM orders`), 4)
			// The lane stops at the first order under those that it does not know.
			w.send(w.soldAt("B2", from))
			w.eventually("the lane is given up", func() bool {
				return w.number(`SELECT count(*) FROM position WHERE consumer = $1 AND owner = ''`, Consumer) == 1
			})
			equal(t, "orders", w.number(`SELECT count(*) FROM orders`), 4)
			equal(t, "failures counted against the record", w.number(`SELECT attempts FROM position WHERE consumer = $1`, Consumer), 0)
			equal(t, "dead letters", w.number(`SELECT count(*) FROM dead_letter`), 0)
			stop()
			var newer *commission.NewerError
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := New(w.config("two")).Run(ctx); !errors.As(err, &newer) {
				t.Errorf("an engine starts where rules are that it does not know: %v", err)
			}
		})
	}
}

// TestWhatALaterVersionTookInStopsALane holds that an order about which a later version took something in is not decided without it.
func TestWhatALaterVersionTookInStopsALane(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	w.start(w.config("one"))
	w.send(sale(1, "A1", w.click(), 10_000))
	w.waitIdle()
	w.exec(`WITH said AS (INSERT INTO inbox (lane, key, kind, ref, content, author) VALUES (0, '1|A1', 'dispute', 'd', '{"merchant":1,"order":"A1","dispute":"d","state":"halved","amount":1}', 'a test') RETURNING no)
		INSERT INTO inbox_taken (no) SELECT no FROM said`)
	w.send(refund(1, "A1", "r", day, 4_000))
	w.eventually("the lane is given up", func() bool {
		return w.number(`SELECT count(*) FROM position WHERE consumer = $1 AND owner = ''`, Consumer) == 1
	})
	equal(t, "events", w.number(`SELECT count(*) FROM order_event`), 1)
	equal(t, "failures counted against the record", w.number(`SELECT attempts FROM position WHERE consumer = $1`, Consumer), 0)
	equal(t, "dead letters", w.number(`SELECT count(*) FROM dead_letter`), 0)
}

func TestUnreadableTermsStopTheirOwnOrdersOnly(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 2)
	from := time.Now().Add(2 * time.Minute)
	w.addTerms(w.programs[1], from, commission.Rules, `{"minimum_order": 500}`)
	w.start(w.config("one"))
	w.send(w.soldAt("B1", from), sale(1, "A1", w.click(), 10_000), w.soldAt("B2", noon()), w.soldAt("B3", from), sale(1, "A2", w.click(), 10_000))
	w.waitIdle()
	equal(t, "orders under other terms", w.number(`SELECT count(*) FROM orders WHERE order_id IN ('A1', 'A2', 'B2')`), 3)
	equal(t, "orders", w.number(`SELECT count(*) FROM orders`), 3)
	equal(t, "dead letters with the reason", w.number(`SELECT count(*) FROM dead_letter
		WHERE error LIKE '%version 2 of the terms of program 2 cannot be read%minimum_order%'`), 2)
	// Once the terms are corrected they are taken in.
	w.exec(`UPDATE terms SET document = document - 'minimum_order' WHERE version = 2`)
	letters, err := Letters(t.Context(), w.db, false, 10)
	check(t, err)
	for _, l := range letters {
		check(t, RetryLetter(t.Context(), w.db, l.Partition, l.Offset, "operator"))
	}
	w.eventually("the orders are taken in", func() bool { return w.number(`SELECT count(*) FROM orders`) == 5 })
}
