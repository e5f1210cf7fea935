package engine

import (
	"testing"

	"tributary/internal/event"
	"tributary/internal/stream"
)

func TestAReportThatVanishedIsFoundInItsSpool(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	w.start(w.config("one"))
	var kept []stream.Record
	keep := func(value []byte) {
		kept = append(kept, stream.Record{Value: value, Spool: w.spool, Seq: uint64(len(kept) + 1)})
	}
	told := sale(1, "A1", w.click(), 10_000)
	added, again, trial := sale(1, "A1", w.click(), 10_000), sale(1, "A1", w.click(), 10_000), sale(1, "A1", w.click(), 10_000)
	for i, e := range []*event.Event{added, again} {
		e.Id, e.GetSale().CustomerId = idOf("addition", i), "c-1"
		e.GetSale().ContentHash = event.SaleHash(e.GetSale(), e.GetOccurredAt())
	}
	trial.Id, trial.GetSale().Test = idOf("trial"), true
	for _, e := range []*event.Event{told, added, again, trial} {
		e.ApiKeyId = 7
	}
	first := encode(t, told)
	for _, value := range [][]byte{
		first,
		first,                                // sent twice: the same content
		encode(t, sale(1, "A1", "", 20_000)), // a conflict
		[]byte("rubbish"),                    // a dead letter
		encode(t, refund(1, "A1", "r", day, 1000)),
		encode(t, added),
		encode(t, again), // the same addition by another receipt
		encode(t, trial), // of the same id as an order
	} {
		keep(value)
		w.sendRaw(0, value)
	}
	victim := encode(t, sale(1, "VICTIM", w.click(), 50_000))
	keep(victim)
	compare := func() []Vanished {
		t.Helper()
		found, err := CompareKept(t.Context(), w.db, kept, 1)
		check(t, err)
		return found
	}
	w.waitIdle()
	equal(t, "before the last was sent", len(compare()), 0)
	// Somebody takes the victim's sequence, so that the genuine record passes for a duplicate.
	w.sendRaw(0, encode(t, sale(1, "FORGED", w.click(), 1)))
	w.waitIdle()
	vanished := compare()
	if len(vanished) != 1 || vanished[0].Seq != 9 || vanished[0].Order != "VICTIM" {
		t.Errorf("vanished are %v", vanished)
	}
	// The genuine one comes late. It is no duplicate: it lies aside until an operator puts it back.
	check(t, w.kafka.Produce(t.Context(), event.Orders, 0, []stream.Record{{Value: victim, Spool: w.spool, Seq: 9}, {Value: first, Spool: w.spool, Seq: 1}}))
	w.waitIdle()
	equal(t, "vanished", len(compare()), 0)
	letters := w.letters()
	last := letters[len(letters)-1]
	equal(t, "dead letters", len(letters), 2)
	equal(t, "why", last.Error, errTaken.Error()+". Stop one of the two; then run tributary deadletters retry.")
	check(t, RetryLetter(t.Context(), w.db, last.Partition, last.Offset, "a test"))
	w.eventually("the victim is in", func() bool {
		return w.number(`SELECT count(*) FROM orders WHERE order_id = 'VICTIM' AND outcome = 'credited'`) == 1
	})
}
