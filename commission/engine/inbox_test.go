package engine

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"tributary/commission/inbox"
)

// retryLetters makes so many dead letters, edits each into an order of 100.00, and retries it. It gives the lane.
func (w *world) retryLetters(records int) *lane {
	w.t.Helper()
	for range records {
		w.sendRaw(0, []byte("rubbish"))
	}
	l := w.laneHeld(New(w.config("one")), 0)
	_, err := l.apply(w.t.Context(), w.facts(0))
	check(w.t, err)
	for i, letter := range w.letters() {
		check(w.t, EditLetter(w.t.Context(), w.db, 0, letter.Offset, encode(w.t, sale(1, fmt.Sprint("A", i), w.click(), 10_000)), 1))
		check(w.t, RetryLetter(w.t.Context(), w.db, 0, letter.Offset, "a test"))
	}
	equal(w.t, "rows in the inbox", w.number(`SELECT count(*) FROM inbox WHERE lane = 0 AND kind = 'dead_letter' AND author = 'a test' AND note = 'edited'`), int64(records))
	return l
}

// TestKillsLoseAndDoubleNothingOfTheInbox ends the engine's session for each row three times before it comes through: behind
// the entry that the row is taken, behind the order's events, and in the commit. Another owner takes over each time.
func TestKillsLoseAndDoubleNothingOfTheInbox(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	const rows = 5
	l := w.retryLetters(rows)
	w.exec(`
CREATE SEQUENCE steps;
GRANT USAGE ON steps TO tributary_engine;
CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF nextval('steps') % 9 IN (1, 3, 6) THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER die AFTER INSERT ON inbox_taken FOR EACH ROW EXECUTE FUNCTION die();
CREATE TRIGGER die AFTER INSERT ON order_event FOR EACH ROW EXECUTE FUNCTION die();
CREATE CONSTRAINT TRIGGER die AFTER UPDATE ON dead_letter DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die()`)
	killed := 0
	for more := true; more; {
		var err error
		if more, err = l.takeFromInbox(t.Context()); err != nil {
			equal(t, "what to do about "+err.Error(), verdict(err), again)
			killed++
			more = true
			l = w.laneHeld(New(w.config(fmt.Sprint("successor ", killed))), 0)
		}
		taken := w.number(`SELECT count(*) FROM inbox_taken`)
		equal(t, "orders", w.number(`SELECT count(*) FROM orders`), taken)
		equal(t, "returned letters", w.number(`SELECT count(*) FROM dead_letter WHERE state = 'returned'`), taken)
	}
	equal(t, "kills", killed, 3*rows)
	equal(t, "taken", w.number(`SELECT count(*) FROM inbox_taken WHERE problem = ''`), rows)
	equal(t, "books", w.books(time.Time{}), w.pending(rows*1000, rows*200))
	w.clean()
}

func TestManyHandsTakeEachRowOfTheInboxOnce(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	const rows, hands = 12, 4
	first := w.retryLetters(rows)
	var group errgroup.Group
	for range hands {
		e := New(w.config("one"))
		check(t, e.introduce(t.Context()))
		l := &lane{Engine: e, held: first.held, log: quiet(), inbox: inbox.NewLane(0, inbox.Letter, inbox.Review), fetched: make(chan fetchResult, 1), unsent: make(chan struct{}, 1)}
		group.Go(func() error {
			for {
				if more, err := l.takeFromInbox(t.Context()); err != nil || !more {
					return err
				}
			}
		})
	}
	check(t, group.Wait())
	equal(t, "books", w.books(time.Time{}), w.pending(rows*1000, rows*200))
	equal(t, "events", w.number(`SELECT count(*) FROM order_event`), rows)
	equal(t, "versions beyond the first", w.number(`SELECT count(*) FROM orders WHERE version > 1`), 0)
	w.clean()
}
