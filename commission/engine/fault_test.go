package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/commission/inbox"
	"tributary/internal/event"
	"tributary/internal/fault"
	"tributary/internal/position"
	"tributary/internal/postgres"
)

// letters are the engine's dead letters.
func (w *world) letters() []Letter {
	w.t.Helper()
	letters, err := Letters(w.t.Context(), w.db, true, 1000)
	check(w.t, err)
	return letters
}

// laneOf is the partition of an order.
func (w *world) laneOf(merchant int64, order string) int {
	return event.Lane(event.OrderKey(merchant, order), w.partitions)
}

func encode(tb testing.TB, e *event.Event) []byte {
	tb.Helper()
	data, err := e.MarshalVT()
	check(tb, err)
	return data
}

func TestAnUnreadableRecordIsEditedAndRetried(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := encode(t, sale(1, "A1", w.click(), 10_000))
	lane := w.laneOf(1, "A1")
	strange := sale(1, "A2", w.click(), 10_000)
	strange.GetSale().Currency = "XXQ"
	w.sendRaw(lane, good, []byte("rubbish"), nil, encode(t, strange), good[:len(good)-1])
	w.sendRaw((lane+1)%lanes, good) // the right order in the wrong partition
	w.start(w.config("one"))
	w.send(sale(1, "A3", w.click(), 10_000))
	w.waitIdle()
	equal(t, "books", w.books(time.Time{}), w.pending(2000, 400))
	letters := w.letters()
	if len(letters) != 5 {
		t.Fatalf("%d dead letters, want 5: %+v", len(letters), letters)
	}
	if n := len(w.verify()); n != 5 {
		t.Errorf("verify has %d findings, want one a letter", n)
	}
	strangeLetter := slices.IndexFunc(letters, func(l Letter) bool { return strings.Contains(l.Error, "XXQ") })
	wrong := slices.IndexFunc(letters, func(l Letter) bool { return strings.Contains(l.Error, "belongs to partition") })
	if strangeLetter < 0 || wrong < 0 {
		t.Fatalf("the errors do not say what is wrong: %+v", letters)
	}
	l := letters[strangeLetter]
	err := EditLetter(t.Context(), w.db, l.Partition, l.Offset, []byte("still rubbish"), lanes)
	if fault.Of(err).Kind != fault.Invalid {
		t.Errorf("editing with rubbish gives %v", err)
	}
	strange.GetSale().Currency = "GBP"
	edited := strange
	if w.laneOf(1, "A2") != lane {
		edited = sale(1, orderIn(w, lane), w.click(), 10_000)
	}
	check(t, EditLetter(t.Context(), w.db, l.Partition, l.Offset, encode(t, edited), lanes))
	for range 3 {
		check(t, RetryLetter(t.Context(), w.db, l.Partition, l.Offset, "a test"))
	}
	w.eventually("it is taken in", func() bool { return w.number(`SELECT count(*) FROM dead_letter WHERE state = 'returned'`) == 1 })
	w.waitIdle()
	equal(t, "books", w.books(time.Time{}), w.pending(3000, 600))
	if err := RetryLetter(t.Context(), w.db, l.Partition, l.Offset, "a test"); fault.Of(err).Kind != fault.Conflict {
		t.Errorf("retrying what was returned gives %v", err)
	}
	// A letter that is retried unchanged is open again.
	l = letters[wrong]
	check(t, RetryLetter(t.Context(), w.db, l.Partition, l.Offset, "a test"))
	w.eventually("it is open again", func() bool { return w.number(`SELECT count(*) FROM dead_letter WHERE state = 'returning'`) == 0 })
	equal(t, "rows without effect", w.number(`SELECT count(*) FROM inbox_taken WHERE problem LIKE '%belongs to partition%'`), 1)
	for _, l := range w.letters() {
		if l.State == LetterOpen {
			check(t, DiscardLetter(t.Context(), w.db, l.Partition, l.Offset, "a test"))
		}
	}
	if _, err := ShowLetter(t.Context(), w.db, 0, 4711); fault.Of(err).Kind != fault.NotFound {
		t.Errorf("an unknown letter gives %v", err)
	}
	w.clean()
}

// orderIn is the id of an order that belongs to a partition.
func orderIn(w *world, partition int) string {
	for i := 0; ; i++ {
		if id := fmt.Sprint("P", i); w.laneOf(1, id) == partition {
			return id
		}
	}
}

func TestPuttingBackWhatArrivedOtherwiseChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lane := w.laneOf(1, "A1")
	w.sendRaw(lane, []byte("rubbish"))
	w.start(w.config("one"))
	e := sale(1, "A1", w.click(), 10_000)
	w.send(e)
	w.waitIdle()
	l := w.letters()[0]
	check(t, EditLetter(t.Context(), w.db, l.Partition, l.Offset, encode(t, e), lanes))
	check(t, RetryLetter(t.Context(), w.db, l.Partition, l.Offset, "a test"))
	w.eventually("it is taken in", func() bool { return w.letters()[0].State == LetterReturned })
	equal(t, "books", w.books(time.Time{}), w.pending(1000, 200))
	equal(t, "version", w.number(`SELECT version FROM orders`), 1)
	w.clean()
}

func TestARecordThatFailsBecomesADeadLetter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(`ALTER TABLE orders ADD CONSTRAINT poison CHECK (order_id NOT LIKE 'poison%')`)
	cfg := w.config("one")
	cfg.VerifyClick = func(id string) commission.Click {
		if id == "panic" {
			panic("a click id that nobody foresaw")
		}
		return verifyClick(id)
	}
	var events []*event.Event
	for i := range 60 {
		events = append(events, sale(1, fmt.Sprint("A", i), w.click(), 10_000))
	}
	events = slices.Insert(events, 20, sale(1, "poison1", w.click(), 10_000), sale(1, "bad click", "panic", 10_000))
	w.send(events...)
	w.start(cfg)
	w.waitIdle()
	equal(t, "books", w.books(time.Time{}), w.pending(60_000, 12_000))
	letters := w.letters()
	equal(t, "dead letters", len(letters), 2)
	for _, l := range letters {
		if !strings.Contains(l.Error, "failed 6 times") {
			t.Errorf("the letter says %q", l.Error)
		}
	}
	w.exec(`ALTER TABLE orders DROP CONSTRAINT poison`)
	for _, l := range letters {
		check(t, RetryLetter(t.Context(), w.db, l.Partition, l.Offset, "a test"))
	}
	w.eventually("one is taken in, the other open again", func() bool {
		return w.number(`SELECT count(*) FROM dead_letter WHERE state = 'returned'`) == 1 &&
			w.number(`SELECT count(*) FROM dead_letter WHERE state = 'open'`) == 1
	})
	equal(t, "books", w.books(time.Time{}), w.pending(61_000, 12_200))
	equal(t, "attempts", w.number(`SELECT sum(attempts) FROM position`), 0)
}

func TestTheCountOfFailuresOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	w.exec(`ALTER TABLE orders ADD CONSTRAINT poison CHECK (order_id <> 'poison')`)
	w.send(sale(1, "poison", w.click(), 10_000))
	ctx, cancel := context.WithCancel(t.Context())
	failed := atomic.Int64{}
	cfg := w.config("one")
	cfg.VerifyClick = func(id string) commission.Click {
		if failed.Add(1) == 5 {
			cancel() // in the middle of the fifth attempt
		}
		return verifyClick(id)
	}
	check(t, New(cfg).Run(ctx))
	equal(t, "attempts on record", w.number(`SELECT attempts FROM position WHERE consumer = 'engine'`), 4)
	cfg = w.config("two")
	tries := atomic.Int64{}
	cfg.VerifyClick = func(id string) commission.Click { tries.Add(1); return verifyClick(id) }
	w.start(cfg)
	w.waitIdle()
	equal(t, "tries of the second process", tries.Load(), 2)
	equal(t, "dead letters", len(w.letters()), 1)
}

func TestAGapHaltsItsPartitionOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(w.config("one"))
	w.send(sale(1, "A1", w.click(), 10_000))
	w.waitIdle()
	lane := w.laneOf(1, "A1")
	other := orderIn(w, (lane+1)%lanes)
	w.mu.Lock()
	w.seqs[lane] += 2 // two records were lost
	w.mu.Unlock()
	w.sendRaw(lane, encode(t, sale(1, orderIn(w, lane), w.click(), 10_000)))
	w.send(sale(1, other, w.click(), 10_000))
	w.eventually("the partition is halted", func() bool {
		return w.number(`SELECT count(*) FROM position WHERE halted <> '' AND partition = $1`, lane) == 1
	})
	w.eventually("the other one goes on", func() bool { return w.number(`SELECT count(*) FROM orders WHERE order_id = $1`, other) == 1 })
	equal(t, "books", w.books(time.Time{}), w.pending(2000, 400))
	check(t, position.Resume(t.Context(), w.db, Consumer, event.Orders, lane, position.AcceptLoss, 0))
	w.waitIdle()
	equal(t, "books", w.books(time.Time{}), w.pending(3000, 600))
	w.clean()
}

// laneHeld is a lane of an engine that nothing runs, under the epoch that the database has.
func (w *world) laneHeld(e *Engine, partition int) *lane {
	w.t.Helper()
	held := position.Held{Consumer: Consumer, Topic: event.Orders, Partition: partition}
	w.exec(`INSERT INTO position (consumer, topic, partition) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, Consumer, event.Orders, partition)
	held.Epoch = w.number(`UPDATE position SET epoch = epoch + 1 WHERE consumer = $1 AND topic = $2 AND partition = $3 RETURNING epoch`, Consumer, event.Orders, partition)
	check(w.t, e.introduce(w.t.Context()))
	return &lane{Engine: e, held: held, log: quiet(), ranks: settling{ranked: true}, inbox: inbox.NewLane(partition, inbox.Letter, inbox.Review, inbox.Claim, inbox.Dispute, inbox.Bind), fetched: make(chan fetchResult, 1), unsent: make(chan struct{}, 1)}
}

// facts reads what was sent to a partition, as fetch does.
func (w *world) facts(partition int) []fact {
	w.t.Helper()
	records, err := w.kafka.Fetch(w.t.Context(), event.Orders, partition, 0, 1<<20, time.Second)
	check(w.t, err)
	var all []fact
	for _, r := range records {
		all = append(all, read(r, w.partitions))
	}
	return all
}

func TestAnEngineThatLostItsLeaseCannotWrite(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 2)
	w.send(sale(1, "A1", w.click(), 10_000), sale(1, "A2", w.click(), 10_000))
	frozen := w.laneHeld(New(w.config("frozen")), 0) // it has fetched, and stops before its transaction
	facts := w.facts(0)
	other := w.laneHeld(New(w.config("other")), 0)
	done, err := other.apply(t.Context(), w.facts(0)[:1])
	check(t, err)
	equal(t, "taken in", done, 1)
	if _, err := frozen.apply(t.Context(), facts); !errors.Is(err, position.ErrLost) || verdict(err) != leave {
		t.Errorf("the frozen engine gets %v, want %v", err, position.ErrLost)
	}
	if _, err := frozen.release(t.Context()); err != nil {
		t.Errorf("nothing is due: %v", err)
	}
	w.setClock(noon().Add(40 * day))
	if _, err := frozen.release(t.Context()); !errors.Is(err, position.ErrLost) {
		t.Errorf("ending holds, the frozen engine gets %v, want %v", err, position.ErrLost)
	}
	equal(t, "orders", w.number(`SELECT count(*) FROM orders`), 1)
	_, err = other.apply(t.Context(), facts[1:])
	check(t, err)
	equal(t, "orders", w.number(`SELECT count(*) FROM orders`), 2)
	_, err = other.release(t.Context())
	check(t, err)
	w.clean()
}

func TestAnEngineFrozenWithinItsTransactionIsOvertaken(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 2)
	w.send(sale(1, "A1", w.click(), 10_000))
	reached, frozen := make(chan struct{}), make(chan struct{})
	cfg := w.config("frozen")
	var once sync.Once
	cfg.VerifyClick = func(id string) commission.Click {
		once.Do(func() { close(reached); <-frozen })
		return verifyClick(id)
	}
	w.start(cfg)
	thaw := sync.OnceFunc(func() { close(frozen) })
	t.Cleanup(thaw) // also when the test fails: the engine could not stop
	<-reached
	w.start(w.config("another")) // which comes before "frozen" in the sharing of partitions
	// Its session ends, as idle_in_transaction_session_timeout would end it, and its lease with it.
	w.exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'`)
	w.eventually("the lease is over", func() bool {
		w.exec(`UPDATE position SET lease_until = '-infinity', owner = '' WHERE owner = 'frozen'`)
		return w.number(`SELECT count(*) FROM orders`) == 1
	})
	thaw()
	w.waitIdle()
	w.send(sale(1, "A2", w.click(), 10_000))
	w.waitIdle()
	equal(t, "books", w.books(time.Time{}), w.pending(2000, 400))
	w.clean()
}

func TestTheSameSliceAgainAfterALostAnswerIsWithoutEffect(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 2)
	w.send(sale(1, "A1", w.click(), 10_000), sale(1, "A2", w.click(), 10_000))
	l := w.laneHeld(New(w.config("one")), 0)
	facts := w.facts(0)
	for range 3 {
		done, err := l.apply(t.Context(), facts)
		check(t, err)
		equal(t, "taken in", done, 2)
	}
	equal(t, "books", w.books(time.Time{}), w.pending(2000, 400))
	equal(t, "events to be sent", w.number(`SELECT out_seq FROM position WHERE consumer = 'engine'`), 2)
	w.clean()
}

func TestAPositionThatWasSetBackIsReadAgain(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 2)
	w.send(sale(1, "A1", w.click(), 10_000), sale(1, "A2", w.click(), 10_000))
	l := w.laneHeld(New(w.config("one")), 0)
	_, err := l.apply(t.Context(), w.facts(0)[1:])
	if !errors.Is(err, errBehind) || verdict(err) != leave || position.IsGap(err) {
		t.Errorf("got %v, want to begin again at the position", err)
	}
}

// TestBooksOutliveKills ends database sessions and engines at random moments, and expects the books of an undisturbed
// engine.
func TestBooksOutliveKills(t *testing.T) {
	t.Parallel()
	history, times := shoppingHistory(250)
	calm := newWorld(t)
	calm.setClock(noon().Add(35 * day))
	calm.start(calm.config("calm"))
	calm.send(arrival(calm, history, 0)...)
	calm.waitIdle()

	w := newWorld(t)
	w.setClock(noon().Add(35 * day))
	cfg := w.config("")
	cfg.SliceSize = 9
	ctx, cancel := context.WithCancel(t.Context())
	var disturbing sync.WaitGroup
	disturbing.Go(func() {
		for ctx.Err() == nil {
			_, err := w.db.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
				WHERE datname = current_database() AND application_name = $1 AND state <> 'idle' AND random() < 0.3`, string(postgres.Engine))
			if err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			time.Sleep(rand.N(80 * time.Millisecond))
		}
	})
	disturbing.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			cfg.Owner = fmt.Sprint("engine ", i)
			life, end := context.WithTimeout(ctx, 2*time.Second+rand.N(2*time.Second))
			if err := New(cfg).Run(life); err != nil {
				t.Error(err)
			}
			end()
		}
	})
	events := arrival(w, history, 5)
	for len(events) > 0 {
		n := min(60, len(events))
		w.send(events[:n]...)
		events = events[n:]
		time.Sleep(100 * time.Millisecond) // so that there is always something on its way
	}
	w.waitIdle()
	cancel()
	disturbing.Wait()
	w.clean()
	for _, at := range times {
		equal(t, "books as of "+at.String(), w.books(at), calm.books(at))
	}
	equal(t, "dead letters", len(w.letters()), 0)
	w.ledgerEvents() // dense
}

func TestTwoSendersOfOneLaneLeaveNoHole(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 2)
	e := New(w.config("one"))
	l := w.laneHeld(e, 0)
	for i := range 40 {
		w.send(sale(1, fmt.Sprint("A", i), w.click(), 10_000))
		facts := w.facts(0)
		_, err := l.apply(t.Context(), facts[i:])
		check(t, err)
	}
	equal(t, "rows to be sent", w.number(`SELECT count(*) FROM ledger_unsent`), 40)
	ctx, cancel := context.WithCancel(t.Context())
	var senders sync.WaitGroup
	for range 3 {
		senders.Go(func() {
			if err := l.send(ctx); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	w.eventually("all is sent", func() bool { return w.number(`SELECT count(*) FROM ledger_unsent`) == 0 })
	cancel()
	senders.Wait()
	equal(t, "events", len(w.ledgerEvents()), 40)
}

func TestManyEventsArePackedInBoundedRows(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	l := w.laneHeld(New(w.config("one")), 0)
	var orders []*order
	for i := range 6000 {
		orders = append(orders, &order{
			no: int64(i), key: orderKey{1, event.Live, strings.Repeat("x", 120)},
			reported: []step{{at: noon(), orders: 1, cause: commission.CauseSale}},
		})
	}
	p := &position.Position{Out: 7}
	check(t, pgx.BeginFunc(t.Context(), w.db, func(tx pgx.Tx) error {
		batch := &pgx.Batch{}
		n, err := l.pack(batch, p, orders, noon())
		check(t, err)
		equal(t, "events", n, 6000)
		return tx.SendBatch(t.Context(), batch).Close()
	}))
	equal(t, "last sequence", p.Out, 6007)
	if rows := w.number(`SELECT count(*) FROM ledger_outbox`); rows < 2 {
		t.Errorf("%d rows hold %d bytes", rows, w.number(`SELECT sum(length(events)) FROM ledger_outbox`))
	}
	w.exec(`INSERT INTO ledger_sent (lane, through_seq) VALUES (0, 7)`) // what was before
	for {
		n, err := l.sender().SendOnce(t.Context())
		check(t, err)
		if n == 0 {
			break
		}
	}
	records, err := w.kafka.Fetch(t.Context(), event.Decisions, 0, 0, 8<<20, time.Second)
	check(t, err)
	equal(t, "first sequence", records[0].Seq, 8)
	equal(t, "key", string(records[0].Key), "1|"+strings.Repeat("x", 120))
}

func TestAnOrderTakesABoundedAmountOfRefunds(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	w.start(w.config("one"))
	const sent = 60
	refunds := make([]*event.Event, sent)
	for i := range refunds {
		refunds[i] = refund(1, "long", fmt.Sprintf("r-%05d", i), time.Duration(i+1)*time.Second, 0)
		r := refunds[i].GetRefund()
		r.WholeOrder = false
		for n := range 100 {
			r.Items = append(r.Items, &event.RefundItem{Sku: fmt.Sprint(strings.Repeat("S", 90), n), Amount: 1})
		}
		r.ContentHash = event.RefundHash(r, refunds[i].GetOccurredAt())
	}
	fit := int64(commission.MaxRefundBytes / refunds[0].SizeVT())
	if fit >= sent {
		t.Fatalf("all %d refunds fit", sent)
	}
	w.send(refunds[:sent/2]...)
	w.waitIdle()
	w.send(append(refunds[sent/2:], refund(1, "long", "short", time.Hour, 1))...)
	w.send(refunds...)
	w.waitIdle()
	equal(t, "refunds kept", w.number(`SELECT count(*) FROM order_event WHERE ref <> 'short'`), fit)
	equal(t, "a short one behind them", w.number(`SELECT count(*) FROM order_event WHERE ref = 'short'`), 1)
	equal(t, "refused", w.number(`SELECT count(*) FROM order_conflict WHERE reason = 'too_many_refunds'`), sent-fit)
	w.clean()
}

func TestAnOrderTakesABoundedNumberOfRefunds(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	w.start(w.config("one"))
	refunds := make([]*event.Event, commission.MaxRefunds+3)
	for i := range refunds {
		refunds[i] = refund(1, "many", fmt.Sprintf("r-%05d", i), time.Duration(i+1)*time.Second, 1)
	}
	w.send(refunds...)
	w.waitIdle()
	click := clickOn(w.links[0], noon().Add(-time.Hour))
	w.send(sale(1, "many", click, 1_000_000), sale(1, "next", click, 10_000))
	w.send(refunds...)
	w.waitIdle()
	equal(t, "net", w.number(`SELECT net FROM commission c JOIN orders o ON o.no = c.order_no WHERE order_id = 'many'`), 99_900)
	equal(t, "refused", w.number(`SELECT count(*) FROM order_conflict x JOIN orders o ON o.no = x.order_no
		WHERE order_id = 'many' AND reason = 'too_many_refunds' AND kind = 2 AND ref >= 'r-01000'`), 3)
	equal(t, "conflicts", w.number(`SELECT count(*) FROM order_conflict`), 3)
	// The end of the hold takes each refund of after it from the other account: the most postings a version can have.
	w.setClock(noon().Add(40 * day))
	w.eventually("holds have ended", func() bool { return w.number(`SELECT count(*) FROM commission WHERE NOT released`) == 0 })
	w.waitIdle()
	w.clean()
}
