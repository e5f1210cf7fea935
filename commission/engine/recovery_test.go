package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"tributary/commission"
	"tributary/commission/audit"
	"tributary/internal/event"
	"tributary/internal/fault"
	"tributary/internal/outbox"
	"tributary/internal/postgres"
	"tributary/internal/stream"
	"tributary/test/engines"
)

// gauge reads a gauge of a registry, summed over its labels.
func gauge(tb testing.TB, registry *prometheus.Registry, name string) float64 {
	tb.Helper()
	families, err := registry.Gather()
	check(tb, err)
	sum := 0.0
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name {
				sum += m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

func TestAnOrderThatCannotBeDecidedDoesNotHoldUpTheOthers(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	registry := prometheus.NewRegistry()
	cfg := w.config("one")
	cfg.Metrics = registry
	w.start(cfg)
	for i := range 60 {
		w.send(sale(1, fmt.Sprint("A", i), w.click(), 10_000))
	}
	w.waitIdle()
	// Two records of decisions that nothing can read.
	w.exec(`UPDATE orders SET decision = '{"outcome": 5}' WHERE order_id IN ('A7', 'A41')`)
	w.setClock(noon().Add(40 * day))
	w.eventually("the others' holds have ended", func() bool { return w.number(`SELECT count(*) FROM commission WHERE state = 'payable'`) == 58 })
	w.eventually("two are stuck", func() bool { return gauge(t, registry, "tributary_engine_stuck_orders") == 2 })
	overdue := 0
	for _, f := range w.verify() {
		if f.Check == "holds end" {
			overdue++
		}
	}
	equal(t, "overdue for verify", overdue, 2)
}

func TestAClickKeyAddedLaterCreditsWhatWasRefusedForIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	without := w.config("without the key")
	without.VerifyClick = w.verifies(commission.UnknownClickKey)
	without.SliceSize = 3
	stop := w.start(without)
	for i := range 20 {
		w.send(sale(1, fmt.Sprint("A", i), w.click(), 10_000))
	}
	w.send(sale(1, "forged", "unknown_click_key", 10_000), refund(1, "A3", "r", day, 1000))
	w.waitIdle()
	stop()
	equal(t, "refused", w.number(`SELECT count(*) FROM orders WHERE outcome = 'unknown_click_key'`), 21)
	// Verify holds the key: what it finds waits for an engine that does.
	found := w.verify()
	equal(t, "findings", len(found), 20)
	for _, f := range found {
		if f.Severity != audit.Attention || f.Column != "outcome" {
			t.Errorf("found %s", f)
		}
	}
	with := w.config("with the key")
	with.SliceSize = 3
	w.start(with)
	w.eventually("they are credited", func() bool { return w.number(`SELECT count(*) FROM orders WHERE outcome = 'credited'`) == 20 })
	w.waitIdle()
	equal(t, "books", w.books(time.Time{}), w.pending(19_900, 3980))
	equal(t, "still refused", w.outcome(1, "forged"), "unknown_click_key")
	w.clean()
}

func TestLedgerEventsAreKeptAndSentAgain(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	e := New(w.config("one"))
	l := w.laneHeld(e, 0)
	if err := outbox.Ledger().Rewind(t.Context(), w.db, 0, 1); fault.Of(err).Kind != fault.NotFound {
		t.Errorf("an empty outbox is set back: %v", err)
	}
	for i := range 10 {
		w.send(sale(1, fmt.Sprint("A", i), w.click(), 10_000), sale(1, fmt.Sprint("B", i), w.click(), 10_000))
		_, err := l.apply(t.Context(), w.facts(0)[2*i:])
		check(t, err)
	}
	drain := func() (sent int) {
		for {
			n, err := l.sender().SendOnce(t.Context())
			check(t, err)
			if n == 0 {
				return sent
			}
			sent += n
		}
	}
	equal(t, "sent", drain(), 20)
	operator, err := postgres.Open(t.Context(), engines.As(w.url, postgres.Operator), postgres.Operator, 1)
	check(t, err)
	defer operator.Close()
	check(t, outbox.Ledger().Rewind(t.Context(), operator, 0, 14))
	equal(t, "to be sent again", w.number(`SELECT sum(last_seq - first_seq + 1) FROM ledger_unsent`), 8)
	w.clean()
	equal(t, "sent again, in whole rows", drain(), 8)
	equal(t, "distinct events in the log", len(w.ledgerEvents()), 20)
	_, end, err := w.kafka.Offsets(t.Context(), event.Decisions, 0)
	check(t, err)
	equal(t, "records in the log", end, 28)

	w.exec(`UPDATE ledger_outbox SET at = now() - interval '49 hours' WHERE last_seq <= 10`)
	w.exec(`UPDATE ledger_sent SET through_seq = 8`)
	check(t, l.sender().Trim(t.Context()))
	equal(t, "the oldest that is kept: not sent, though old", w.number(`SELECT min(first_seq) FROM ledger_outbox`), 9)
	for _, seq := range []int64{0, 8, 21} {
		if err := outbox.Ledger().Rewind(t.Context(), operator, 0, seq); fault.Of(err).Kind != fault.NotFound {
			t.Errorf("lane 0 is set back to %d: %v", seq, err)
		}
	}
	equal(t, "sent", drain(), 12)
	w.clean()
}

func TestARestartSendsOnWhereTheLastOneEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 4 {
		stop := w.start(w.config(fmt.Sprint("engine ", i)))
		for j := range 5 {
			w.send(sale(1, fmt.Sprintf("A%d-%d", i, j), w.click(), 10_000))
		}
		w.waitIdle()
		stop()
	}
	total := int64(0)
	for p := range lanes {
		_, end, err := w.kafka.Offsets(t.Context(), event.Decisions, p)
		check(t, err)
		total += end
	}
	if total > 20+5*3 { // each mark may be lost once
		t.Errorf("%d records carry 20 ledger events", total)
	}
	equal(t, "events", len(w.ledgerEvents()), 20)
}

// genuine is the first record of a spool, as Kafka has it at offset 0.
func genuine(spool byte, value string) stream.Record {
	return stream.Record{Value: []byte(value), Spool: [16]byte{spool}, Seq: 1, Seal: stream.Genuine}
}

func TestLettersOfARecreatedTopicDoNotCollide(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	l := w.laneHeld(New(w.config("one")), 0)
	topics := [][]fact{
		{read(genuine(1, "rubbish"), 1)},
		{read(genuine(2, "rubbish"), 1)},
		{read(genuine(2, "rubbish"), 1)}, // the same once more
		{read(genuine(3, "more rubbish"), 1)},
	}
	for _, facts := range topics {
		w.exec(`UPDATE position SET next_offset = 0`)
		_, err := l.apply(t.Context(), facts)
		check(t, err)
	}
	equal(t, "letters", len(w.letters()), 3)
	// Each of them can be dealt with, the newest first.
	var values []string
	for range 3 {
		letter, err := ShowLetter(t.Context(), w.db, 0, 0)
		check(t, err)
		values = append(values, string(letter.Value))
		check(t, DiscardLetter(t.Context(), w.db, 0, 0, "a test"))
	}
	equal(t, "values", values, []string{"more rubbish", "rubbish", "rubbish"})
	if err := DiscardLetter(t.Context(), w.db, 0, 0, "once more"); fault.Of(err).Kind != fault.Conflict {
		t.Errorf("a closed letter is discarded: %v", err)
	}
	// A letter that is retried is the one that was shown, whatever else lies at its offset.
	w.exec(`UPDATE position SET next_offset = 0`)
	_, err := l.apply(t.Context(), []fact{read(genuine(4, "again"), 1)})
	check(t, err)
	check(t, EditLetter(t.Context(), w.db, 0, 0, encode(t, sale(1, "A1", w.click(), 10_000)), 1))
	check(t, RetryLetter(t.Context(), w.db, 0, 0, "a test"))
	_, err = l.takeFromInbox(t.Context())
	check(t, err)
	equal(t, "returned", w.number(`SELECT count(*) FROM dead_letter WHERE state = 'returned' AND spool = $1`, append([]byte{4}, make([]byte, 15)...)), 1)
	equal(t, "books", w.books(time.Time{}), w.pending(1000, 200))
}

// TestBusyPlansStayOnIndexes explains the statements that run over and over beside the slices, on tables that hold rows.
func TestBusyPlansStayOnIndexes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(w.config("one"))
	w.sendMany(2000)
	w.waitIdle()
	for name, sql := range map[string]string{
		"unsent": `EXPLAIN SELECT * FROM ledger_unsent`,
	} {
		check(t, pgx.BeginFunc(t.Context(), w.db, func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), `SET LOCAL enable_seqscan = off`)
			check(t, err)
			results, err := tx.Conn().PgConn().Exec(t.Context(), sql).ReadAll()
			check(t, err)
			var text strings.Builder
			for _, r := range results {
				for _, row := range r.Rows {
					text.WriteString(string(row[0]) + "\n")
				}
			}
			plan := text.String()
			if !strings.Contains(plan, "ledger_outbox_pkey") || strings.Contains(plan, "Seq Scan on ledger_outbox") {
				t.Errorf("%s does not look up its rows:\n%s", name, plan)
			}
			return nil
		}))
	}
}

// The lease keeps two engines apart; the lock of the position does even where it fails to, as between two that take
// themselves for the same owner.
func TestManyHandsOnOneLaneCreditAndReleaseOnce(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	for i := range 30 {
		w.send(sale(1, fmt.Sprint("A", i), w.click(), 10_000))
	}
	first := w.laneHeld(New(w.config("one")), 0)
	facts := w.facts(0)
	const hands = 6
	all := func(work func(*lane) error) {
		var group errgroup.Group
		for range hands {
			e := New(w.config("one"))
			check(t, e.introduce(t.Context()))
			l := &lane{Engine: e, held: first.held, log: quiet(), fetched: make(chan fetchResult, 1), unsent: make(chan struct{}, 1)}
			group.Go(func() error { return work(l) })
		}
		check(t, group.Wait())
	}
	all(func(l *lane) error {
		_, err := l.apply(t.Context(), slices.Clone(facts))
		return err
	})
	equal(t, "credited", w.books(time.Time{}), w.pending(30_000, 6_000))
	w.setClock(noon().Add(40 * day))
	all(func(l *lane) error {
		_, err := l.release(t.Context())
		return err
	})
	equal(t, "released", w.books(time.Time{}), w.payable(30_000, 6_000))
	equal(t, "postings", w.number(`SELECT count(*) FROM posting`), 30*4)
	w.clean()
}

func TestWhatIsUnsentIsLookedUpWithoutReadingTheWholeOutbox(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	w.exec(`INSERT INTO position (consumer, topic, partition, out_seq) SELECT 'engine', 'orders', n, 60000 FROM generate_series(0, 2) n`)
	w.exec(`INSERT INTO ledger_outbox (lane, first_seq, last_seq, events) SELECT n % 3, n / 3 * 3 + 1, n / 3 * 3 + 3, decode(repeat('ab', 200), 'hex') FROM generate_series(0, 59999) n`)
	w.exec(`INSERT INTO ledger_sent SELECT lane, max(last_seq) - 6 FROM ledger_outbox GROUP BY lane`)
	w.exec(`ANALYZE ledger_outbox, ledger_sent, position`)
	equal(t, "unsent events", w.number(`SELECT sum(last_seq - first_seq + 1) FROM ledger_unsent`), 18)
	rows, err := w.db.Query(t.Context(), `EXPLAIN SELECT min(at) FROM ledger_unsent`)
	check(t, err)
	plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
	check(t, err)
	if text := strings.Join(plan, "\n"); strings.Contains(text, "Seq Scan on ledger_outbox") {
		t.Errorf("the whole outbox is read:\n%s", text)
	}
}
