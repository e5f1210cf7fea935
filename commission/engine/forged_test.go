package engine

import (
	"encoding/binary"
	"testing"
	"time"

	"tributary/internal/event"
	"tributary/internal/fault"
	"tributary/internal/keyring"
	"tributary/internal/position"
	"tributary/internal/postgres"
	"tributary/internal/stream"
	"tributary/test/engines"
)

// sequence is a header.
func sequence(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// TestNobodyIsBelievedForBeingOnKafka is an attacker who has the password of Kafka and not the keys: what it writes stands in
// the table forged, and what the trackers sent is decided as ever.
func TestNobodyIsBelievedForBeingOnKafka(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 2, 1)
	w.start(w.config("one"))
	genuine := encode(t, sale(1, "GENUINE", w.click(), 10_000))
	lane := event.Lane(event.OrderKey(1, "GENUINE"), 2)
	w.sendRaw(lane, genuine)
	w.waitIdle()
	stolen := w.cluster.Steal(t, event.Orders, int32(lane), 0)
	bought := *stolen
	bought.Value = encode(t, sale(1, "BOUGHT", w.click(), 100_000_000))

	w.cluster.Plant(t, event.Orders, int32(lane), &bought, map[string][]byte{event.HeaderSpool: nil, event.HeaderSequence: nil, event.HeaderFormat: nil, event.HeaderSeal: nil})
	w.cluster.Plant(t, event.Orders, int32(lane), &bought, map[string][]byte{event.HeaderSpool: []byte("a spool of theirs"[:16]), event.HeaderSeal: nil})
	w.cluster.Plant(t, event.Orders, int32(lane), &bought, nil) // with a signature of something else
	w.cluster.Plant(t, event.Orders, int32(lane), &bought, map[string][]byte{event.HeaderSequence: sequence(2)})
	w.cluster.Plant(t, event.Orders, int32(lane), stolen, map[string][]byte{event.HeaderSequence: sequence(2)}) // takes the next one's place
	w.cluster.Plant(t, event.Orders, int32(1-lane), stolen, nil)                                                // replayed elsewhere
	w.cluster.Plant(t, event.Decisions, int32(lane), stolen, nil)
	w.cluster.Plant(t, event.Orders, int32(lane), stolen, nil) // the genuine one once more

	victim := "VICTIM"
	for i := 0; event.Lane(event.OrderKey(1, victim), 2) != lane; i++ {
		victim += "I"
	}
	w.sendRaw(lane, encode(t, sale(1, victim, w.click(), 10_000)))
	w.waitIdle()
	equal(t, "forged records", w.number(`SELECT count(*) FROM forged WHERE consumer = 'engine'`), 6)
	equal(t, "of the other partition", w.number(`SELECT count(*) FROM forged WHERE partition = $1`, 1-lane), 1)
	equal(t, "orders", w.number(`SELECT count(*) FROM orders`), 2)
	equal(t, "the victim", w.number(`SELECT count(*) FROM orders WHERE order_id = $1 AND outcome = 'credited'`, victim), 1)
	equal(t, "books", w.books(time.Time{}), w.pending(2000, 400))
	equal(t, "dead letters", w.number(`SELECT count(*) FROM dead_letter`), 0)
	equal(t, "halted", w.number(`SELECT count(*) FROM position WHERE halted <> ''`), 0)
	equal(t, "marks", w.number(`SELECT count(*) FROM high_water WHERE consumer = 'engine'`), 1)
}

// TestAForgedLedgerEventDoesNotStopAnEngine begins an engine on a lane whose last records in Kafka are somebody else's.
func TestAForgedLedgerEventDoesNotStopAnEngine(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	stop := w.start(w.config("one"))
	w.send(sale(1, "A1", w.click(), 10_000))
	w.waitIdle()
	stop()
	stolen := w.cluster.Steal(t, event.Decisions, 0, 0)
	for n := range uint64(20) {
		w.cluster.Plant(t, event.Decisions, 0, stolen, map[string][]byte{event.HeaderSequence: sequence(1000 + n)})
	}
	l := w.laneHeld(New(w.config("two")), 0)
	check(t, l.introduce(t.Context()))
	last, err := l.lastSent(t.Context())
	check(t, err)
	equal(t, "the last one that was sent", last, 1)
	w.exec(`UPDATE position SET owner = '', lease_until = '-infinity'`)
	w.start(w.config("three"))
	w.send(sale(1, "A2", w.click(), 10_000))
	w.waitIdle()
	equal(t, "books", w.books(time.Time{}), w.pending(2000, 400))
}

// TestAnUnknownKeyHaltsUntilItIsHeldOrDeclared holds both ways on.
func TestAnUnknownKeyHaltsUntilItIsHeldOrDeclared(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	operator, err := postgres.Open(t.Context(), engines.As(w.url, postgres.Operator), postgres.Operator, 2)
	check(t, err)
	t.Cleanup(operator.Close)
	stop := w.start(w.config("one"))
	halted := func() bool {
		return w.number(`SELECT count(*) FROM position WHERE consumer = 'engine' AND halted_key = 9 AND halted <> ''`) == 1
	}
	w.send(sale(1, "A1", w.click(), 10_000))
	w.waitIdle()
	stolen := w.cluster.Steal(t, event.Orders, 0, 0)
	w.cluster.Plant(t, event.Orders, 0, stolen, map[string][]byte{event.HeaderSeal: append([]byte{9}, make([]byte, 16)...)})
	w.send(sale(1, "A2", w.click(), 10_000))
	w.eventually("the partition halts", halted)
	equal(t, "orders", w.number(`SELECT count(*) FROM orders`), 1)

	if _, err := position.Declare(t.Context(), operator, Consumer, event.Orders, 1, "not that one"); fault.Of(err).Kind != fault.NotFound {
		t.Errorf("declaring of a partition that does not stand still: %v", err)
	}
	_, err = position.Declare(t.Context(), operator, Consumer, event.Orders, 0, "written by a thief")
	check(t, err)
	w.waitIdle()
	equal(t, "orders", w.number(`SELECT count(*) FROM orders`), 2)
	all, err := position.ListForged(t.Context(), operator, 10)
	check(t, err)
	if len(all) != 1 || all[0].Note != "written by a thief" || all[0].Offset != 1 {
		t.Errorf("forged are %+v", all)
	}

	// A declaration is of one record: the next under the same key halts again, and goes on where the key is added.
	second := w.cluster
	second.Keys = []keyring.Key{keyring.Generate(9)}
	check(t, second.Open(t).Produce(t.Context(), event.Orders, 0, []stream.Record{{
		Value: encode(t, sale(1, "A3", w.click(), 10_000)), Spool: [16]byte{9}, Seq: 1,
	}}))
	w.eventually("the partition halts again", halted)
	stop()
	w.cluster.Keys = append(w.cluster.Keys, second.Keys...)
	w.start(w.config("two"))
	w.waitIdle()
	equal(t, "orders", w.number(`SELECT count(*) FROM orders`), 3)
	equal(t, "books", w.books(time.Time{}), w.pending(3000, 600))
	equal(t, "halted", w.number(`SELECT count(*) FROM position WHERE halted <> '' OR halted_key IS NOT NULL`), 0)
}

// TestAFloodOfForgedRecordsIsBounded stores so many a day, and a part of each.
func TestAFloodOfForgedRecordsIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	l := w.laneHeld(New(w.config("one")), 0)
	offset := int64(0)
	for range 3 {
		facts := make([]fact, 600)
		for i := range facts {
			facts[i] = receive(stream.Record{Offset: offset, Value: make([]byte, 10_000), Headers: make([]byte, 5000)}, 1)
			offset++
		}
		_, err := l.apply(t.Context(), facts)
		check(t, err)
	}
	equal(t, "stored", w.number(`SELECT count(*) FROM forged`), 1000)
	equal(t, "bytes of each", w.number(`SELECT max(octet_length(value) + octet_length(headers)) FROM forged`), 5120)
	equal(t, "size of each", w.number(`SELECT min(size) FROM forged`), 10_000)
	equal(t, "position", w.number(`SELECT next_offset FROM position WHERE consumer = 'engine'`), 1800)
}
