package engine

import (
	"testing"

	"tributary/internal/event"
)

// Only what is committed is sent: ledger events in Kafka that the books have not numbered say that PostgreSQL was restored.
func TestBooksThatForgotWhatTheySentAreNotWrittenTo(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	stop := w.start(w.config("first"))
	w.send(sale(1, "a", clickOn(w.links[0], noon()), 10_000), sale(1, "b", clickOn(w.links[0], noon()), 10_000))
	w.waitIdle()
	stop()
	w.exec(`UPDATE position SET out_seq = out_seq - 1 WHERE consumer = 'engine'`)
	stop = w.start(w.config("second"))
	w.send(sale(1, "c", clickOn(w.links[0], noon()), 10_000))
	w.eventually("the partition halts", func() bool {
		return w.number(`SELECT count(*) FROM position WHERE consumer = 'engine' AND halted LIKE 'PostgreSQL was restored%'`) == 1
	})
	stop()
	if n := w.number(`SELECT count(*) FROM orders`); n != 2 {
		t.Errorf("%d orders are in the books, want the 2 from before", n)
	}
	// What Kafka holds is declared to be of a life that is over, as Align does.
	_, end, err := w.client().Offsets(t.Context(), event.Decisions, 0)
	check(t, err)
	w.exec(`INSERT INTO position (consumer, topic, partition, since) VALUES ('loader', 'ledger', 0, $1)`, end)
	w.exec(`UPDATE position SET halted = ''`)
	w.start(w.config("third"))
	w.waitIdle()
	if n := w.number(`SELECT count(*) FROM orders`); n != 3 {
		t.Errorf("%d orders are in the books, want 3", n)
	}
}
