package loader

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/internal/event"
	"tributary/internal/position"
	"tributary/internal/stream"
	"tributary/test/engines"
)

func TestEverythingArrivesOnceAcrossRestarts(t *testing.T) {
	t.Parallel()
	r := newRiver(t, 2)
	const wave = 1200
	for restart := range 3 {
		stop := r.run(r.loader(owner()))
		from, to := restart*wave+1, (restart+1)*wave
		for partition := range r.lanes {
			shift := partition * 1_000_000
			r.send(event.Touches, partition, byte(partition+1), several(click, shift+from, shift+to)...)
			r.send(event.Orders, partition, byte(partition+1), several(sale, shift+from, shift+to)...)
			r.send(event.Decisions, partition, byte(partition+1), several(ledgerEvent, shift+from, shift+to)...)
		}
		if restart < 2 {
			// Stopped in the midst of it: what is planned and not done is left to the next.
			r.eventually("something is loaded", func() bool { return r.number("SELECT count() FROM touch") > int64(2*restart*wave) })
			stop()
		}
	}
	for _, topic := range []string{event.Touches, event.Orders, event.Decisions} {
		r.loaded(topic, 2*3*wave)
		r.once(topic, 2*3*wave)
	}
}

func TestRecordsThatAreInTheLogTwiceBecomeOneRow(t *testing.T) {
	t.Parallel()
	r := newRiver(t, 1)
	var records []stream.Record
	for _, seq := range []int{1, 2, 3, 2, 3, 4, 1, 2, 3, 4, 5} {
		records = append(records, record(t, 1, uint64(seq), click(seq)))
	}
	r.produce(event.Touches, 0, records...)
	r.run(r.loader(owner()))
	r.loaded(event.Touches, 11)
	r.once(event.Touches, 5)
}

func TestAGapHaltsItsPartitionAndNoOther(t *testing.T) {
	t.Parallel()
	r := newRiver(t, 2)
	r.run(r.loader(owner()))
	r.produce(event.Touches, 0, record(t, 1, 1, click(1)), record(t, 1, 2, click(2)), record(t, 1, 4, click(4)))
	r.send(event.Touches, 1, 1, several(click, 11, 20)...)
	r.eventually("the partition is halted", func() bool {
		return r.books(`SELECT count(*) FROM position WHERE consumer = 'loader' AND topic = 'touches' AND partition = 0 AND halted <> ''`) == 1
	})
	r.loaded(event.Touches, 12)
	r.once(event.Touches, 12) // what came before the gap is there
	// The missing record is sent again, and with it the one behind.
	if err := position.Resume(t.Context(), r.db, Consumer, event.Touches, 0, position.Refilled, 0); err != nil {
		t.Fatal(err)
	}
	r.produce(event.Touches, 0, record(t, 1, 3, click(3)), record(t, 1, 4, click(4)))
	r.loaded(event.Touches, 15)
	r.once(event.Touches, 14)
}

func TestRecordsThatCannotBeRowsBecomeDeadLetters(t *testing.T) {
	t.Parallel()
	r := newRiver(t, 1)
	misdated := click(4)
	misdated.OccurredAt = -1
	r.produce(
		event.Touches, 0, record(t, 1, 1, click(1)),
		stream.Record{Spool: [16]byte{1}, Seq: 2, Key: []byte("k"), Value: []byte("not an event")},
		record(t, 1, 3, sale(3)), record(t, 1, 4, misdated), record(t, 1, 5, click(5)),
	)
	r.run(r.loader(owner()))
	r.loaded(event.Touches, 5)
	r.once(event.Touches, 2)
	rows, err := r.db.Query(t.Context(), `SELECT "offset", error FROM dead_letter WHERE consumer = 'loader' AND topic = 'touches' AND partition = 0 ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	type letter struct {
		Offset int64
		Error  string
	}
	got, err := pgx.CollectRows(rows, pgx.RowToStructByPos[letter])
	if err != nil {
		t.Fatal(err)
	}
	if len(got) > 0 && strings.HasPrefix(got[0].Error, "decoding an event of 12 bytes: ") {
		got[0].Error = "decoding" // the rest is the decoder's own words
	}
	want := []letter{
		{1, "decoding"},
		{2, "the topic touches does not carry *event.Event_Sale"},
		{3, "the time -1 lies outside the years 1970 to 2106"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("dead letters (-want +got):\n%s", diff)
	}
}

func TestARecordOfAnotherProgramIsForged(t *testing.T) {
	t.Parallel()
	r := newRiver(t, 1)
	r.produce(event.Touches, 0, record(t, 1, 1, click(1)))
	foreign := r.cluster.Foreign(t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err := foreign.ProduceSync(t.Context(), &kgo.Record{Topic: r.cluster.Prefix + event.Touches, Value: []byte("hello")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	r.produce(event.Touches, 0, record(t, 1, 2, click(2)))
	r.run(r.loader(owner()))
	r.loaded(event.Touches, 3)
	r.once(event.Touches, 2)
	r.equal("forged records", r.books(`SELECT count(*) FROM forged WHERE consumer = 'loader' AND "offset" = 1 AND value = 'hello' AND size = 5`), 1)
	r.equal("dead letters", r.books(`SELECT count(*) FROM dead_letter`), 0)
}

func TestConnectionsThatBreakChangeNothing(t *testing.T) {
	t.Parallel()
	r := newRiver(t, 1)
	admin, err := pgx.Connect(t.Context(), r.pgURL)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(context.Background())
	r.run(r.loader(owner()))
	const wave = 600
	for n := range 5 {
		r.send(event.Touches, 0, 1, several(click, n*wave+1, (n+1)*wave)...)
		r.eventually("rows arrive", func() bool { return r.number("SELECT count() FROM touch") > int64(n*wave) })
		_, err := admin.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
		if err != nil {
			t.Fatal(err)
		}
	}
	r.eventually("all is loaded", func() bool { return r.number("SELECT count() FROM touch") == 5*wave })
	r.eventually("nothing is open", func() bool {
		var open int64
		err := admin.QueryRow(t.Context(), `SELECT count(*) FROM clickhouse_batch WHERE state <> 'done'`).Scan(&open)
		return err == nil && open == 0
	})
	r.once(event.Touches, 5*wave)
}

func TestTheLoaderCountsWhatItDoes(t *testing.T) {
	t.Parallel()
	r := newRiver(t, 1)
	registry := prometheus.NewRegistry()
	l := New(r.loader(owner()).Config, slog.New(slog.DiscardHandler), registry)
	stop := r.run(l)
	r.send(event.Touches, 0, 1, several(click, 1, 30)...)
	r.produce(
		event.Touches, 0, record(t, 1, 30, click(30)),
		stream.Record{Spool: [16]byte{1}, Seq: 31, Key: []byte("k"), Value: []byte("?")}, record(t, 1, 33, click(33)),
	)
	r.eventually("the partition halts", func() bool { return r.books(`SELECT count(*) FROM position WHERE halted <> ''`) == 1 })
	r.loaded(event.Touches, 32)
	r.eventually("the halt is counted", func() bool { return l.keepers[0].Stats().Halted == 1 })
	if err := l.maintainOnce(t.Context(), keepDone); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if labels := m.GetLabel(); len(labels) > 0 && labels[len(labels)-1].GetValue() == event.Touches || f.GetName() == "tributary_loader_lag_records" && labels[1].GetValue() == event.Touches {
				got[f.GetName()] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	for name, want := range map[string]float64{
		"tributary_loader_rows_total": 30, "tributary_loader_duplicates_total": 1, "tributary_loader_dead_letters_total": 1,
		"tributary_halted_partitions": 1, "tributary_loader_lag_records": 1,
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	stop()
}

func TestABatchEndsWithTheMonth(t *testing.T) {
	t.Parallel()
	r := newRiver(t, 1)
	february := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	r.send(
		event.Touches, 0, 1, clickAt(1, february.Add(-time.Hour)), clickAt(2, february.Add(-time.Microsecond)),
		clickAt(3, february), clickAt(4, february.Add(time.Hour)), clickAt(5, february.Add(-time.Second)),
	)
	r.run(r.loader(owner()))
	r.loaded(event.Touches, 5)
	r.once(event.Touches, 5)
	r.equal("partitions of touch", r.number("SELECT uniqExact(_partition_id) FROM touch"), 2)
	rows, err := r.db.Query(t.Context(), `SELECT first_offset, last_offset FROM clickhouse_batch WHERE topic = 'touches' ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) ([2]int64, error) {
		var b [2]int64
		return b, row.Scan(&b[0], &b[1])
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][2]int64{{0, 1}, {2, 3}, {4, 4}}, got); diff != "" {
		t.Errorf("batches (-want +got):\n%s", diff)
	}
}

// stopAt is a step of a batch after which its loader is killed.
type stopAt int

const (
	afterCut stopAt = iota
	afterPlan
	afterInsert
	afterMark
)

func TestAKillBetweenTheStepsOfABatchLeavesOneCopy(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]stopAt{"cut": afterCut, "plan": afterPlan, "insert": afterInsert, "mark": afterMark} {
		t.Run("killed after "+name, func(t *testing.T) {
			t.Parallel()
			r := newRiver(t, 1)
			r.send(event.Touches, 0, 1, several(click, 1, 40)...)
			ctx, h, release := r.hold(event.Touches, owner())
			l := r.lane(r.loader(owner()), event.Touches, h)
			b := r.cut(ctx, l, 30)
			steps := []func() error{
				func() error { return l.plan(ctx, b) },
				func() error {
					return l.insert(b).send(ctx, r.ch)
				},
				func() error { return l.done(ctx, b) },
			}
			for _, step := range steps[:at] {
				if err := step(); err != nil {
					t.Fatal(err)
				}
			}
			release()
			r.run(r.loader(owner()))
			r.loaded(event.Touches, 40)
			r.once(event.Touches, 40)
			want := int64(1)
			if at == afterCut {
				want = 0
			}
			r.equal("batches as they were planned", r.books(`SELECT count(*) FROM clickhouse_batch WHERE first_offset = 0 AND last_offset = 29`), want)
		})
	}
}

func TestAPlannedBatchIsCutAgainAsItWas(t *testing.T) {
	t.Parallel()
	r := newRiver(t, 1)
	r.produce(
		event.Touches, 0, record(t, 1, 1, click(1)), record(t, 1, 2, click(2)), record(t, 2, 1, click(101)),
		// The batch begins here: a duplicate, rows of two spools, a dead letter, another duplicate.
		record(t, 1, 2, click(2)), record(t, 1, 3, click(3)), record(t, 2, 2, click(102)), record(t, 1, 4, sale(4)),
		record(t, 2, 2, click(102)), record(t, 1, 5, click(5)), record(t, 1, 6, click(6)),
	)
	ctx, h, release := r.hold(event.Touches, owner())
	l := r.lane(r.loader(owner()), event.Touches, h)
	before := r.cut(ctx, l, 3)
	if err := errors.Join(l.plan(ctx, before), l.load(ctx, before, true)); err != nil {
		t.Fatal(err)
	}
	b := r.cut(ctx, l, 6)
	if err := l.plan(ctx, b); err != nil {
		t.Fatal(err)
	}
	plans, err := l.open(ctx)
	if err != nil || len(plans) != 1 {
		t.Fatalf("open() = %v, %v; want one plan", plans, err)
	}
	again, err := l.recall(ctx, plans[0])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.rows.columns(nil, 0, b.n), again.rows.columns(nil, 0, again.n)); diff != "" {
		t.Errorf("rows (-first +again):\n%s", diff)
	}
	if b.n != 3 || b.token(event.Touches, 0) != again.token(event.Touches, 0) || !cmp.Equal(b.after.Marks, again.after.Marks) {
		t.Errorf("cut again: %d rows, token %s, marks %v; first %d rows, token %s, marks %v",
			again.n, again.token(event.Touches, 0), again.after.Marks, b.n, b.token(event.Touches, 0), b.after.Marks)
	}
	release()
}

func TestAFrozenLoaderCannotDoubleRows(t *testing.T) {
	t.Parallel()
	r := newRiver(t, 1)
	r.send(event.Touches, 0, 1, several(click, 1, 60)...)
	_, h, release := r.hold(event.Touches, "frozen")
	ctx := t.Context() // it does not learn that its lease is lost
	frozen := r.lane(r.loader("frozen"), event.Touches, h)
	b := r.cut(ctx, frozen, 20)
	if err := frozen.plan(ctx, b); err != nil {
		t.Fatal(err)
	}
	next := r.cut(ctx, frozen, 20)
	// Another takes over, since nobody renews the lease of one that is frozen, and finishes the work.
	if _, err := r.db.Exec(ctx, `UPDATE position SET owner = 'other', epoch = epoch + 1, lease_until = now() + interval '1 hour' WHERE consumer = 'loader' AND topic = 'touches'`); err != nil {
		t.Fatal(err)
	}
	h.Epoch++
	other := r.lane(r.loader("other"), event.Touches, h)
	if err := other.finish(ctx); err != nil {
		t.Fatal(err)
	}
	rest := r.cut(ctx, other, 40)
	if err := errors.Join(other.plan(ctx, rest), other.load(ctx, rest, true)); err != nil {
		t.Fatal(err)
	}
	// It wakes, and goes on where it was; after more than freshPlan it would look first.
	if err := frozen.load(ctx, b, true); err != nil && !errors.Is(err, position.ErrLost) {
		t.Errorf("sending the planned batch once more: %v", err)
	}
	if err := frozen.plan(ctx, next); !errors.Is(err, position.ErrLost) {
		t.Errorf("planning under a lost lease: %v, want %v", err, position.ErrLost)
	}
	// Had it slept for longer than a plan counts as fresh, it would have asked first.
	b.planned = time.Now().Add(-time.Minute)
	if err := frozen.load(ctx, b, true); !errors.Is(err, position.ErrLost) {
		t.Errorf("sending after a long sleep: %v, want %v", err, position.ErrLost)
	}
	release()
	r.once(event.Touches, 60)
}

func TestTwoLoadersShareTheWork(t *testing.T) {
	t.Parallel()
	r := newRiver(t, 4)
	stop := r.run(r.loader(owner()))
	r.run(r.loader(owner()))
	for partition := range r.lanes {
		r.send(event.Touches, partition, 1, several(click, partition*1000+1, partition*1000+300)...)
	}
	r.eventually("each has two partitions", func() bool {
		return r.books(`SELECT count(*) FROM (SELECT owner FROM position WHERE topic = 'touches' AND owner <> '' GROUP BY owner HAVING count(*) = 2) AS o`) == 2
	})
	r.loaded(event.Touches, 1200)
	stop()
	for partition := range r.lanes {
		r.send(event.Touches, partition, 1, several(click, partition*1000+301, partition*1000+600)...)
	}
	r.loaded(event.Touches, 2400)
	r.once(event.Touches, 2400)
}

func TestTheManifestIsTrimmed(t *testing.T) {
	t.Parallel()
	r := newRiver(t, 1)
	l := r.loader(owner())
	stop := r.run(l)
	r.send(event.Touches, 0, 1, several(click, 1, 500)...)
	r.loaded(event.Touches, 500)
	stop()
	_, err := r.db.Exec(t.Context(), `UPDATE clickhouse_batch SET done_at = now() - interval '49 hours', planned_at = now() - interval '49 hours' WHERE first_offset < 400`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.db.Exec(t.Context(), `UPDATE clickhouse_batch SET state = 'parked', problem = 'for the test' WHERE first_offset = 0`); err != nil {
		t.Fatal(err)
	}
	if err := l.maintainOnce(t.Context(), keepDone); err != nil {
		t.Fatal(err)
	}
	r.equal("batches left of those that were old", r.books(`SELECT count(*) FROM clickhouse_batch WHERE first_offset < 400`), 1)
	r.equal("whatever is parked stays", r.books(`SELECT count(*) FROM clickhouse_batch WHERE state = 'parked'`), 1)
	if r.books(`SELECT count(*) FROM clickhouse_batch WHERE first_offset >= 400`) == 0 {
		t.Error("batches that are not old were removed")
	}
	stats, err := l.Stats(t.Context())
	if err != nil || stats.Parked != 1 || stats.Open != 0 || len(stats.Lags) != 3 {
		t.Errorf("Stats() = %+v, %v; want one parked batch and three partitions", stats, err)
	}
}

func TestARecreatedTopicIsLoadedFromItsFirstRecord(t *testing.T) {
	t.Parallel()
	r := newRiver(t, 1)
	r.send(event.Touches, 0, 1, several(click, 1, 40)...)
	stop := r.run(r.loader(owner()))
	r.loaded(event.Touches, 40)
	stop()

	// Kafka has lost everything, and the offsets begin again.
	r.kafka = engines.Kafka(t).Open(t)
	if err := r.kafka.CreateTopics(t.Context(), 1, time.Hour); err != nil {
		t.Fatal(err)
	}
	for n := 41; n <= 70; n++ {
		r.send(event.Touches, 0, 1, clickAt(n, noon().Add(time.Duration(n-40)*time.Second))) // received as those of the other log were
	}
	r.run(r.loader(owner()))
	r.eventually("the partition halts", func() bool { return r.books(`SELECT count(*) FROM position WHERE halted <> ''`) == 1 })
	if err := position.Resume(t.Context(), r.db, Consumer, event.Touches, 0, position.FromFirst, 0); err != nil {
		t.Fatal(err)
	}
	r.eventually("the rest is loaded", func() bool {
		return r.books(`SELECT count(*) FROM clickhouse_batch WHERE topic = 'touches' AND last_offset = 29 AND state = 'done'`) == 1
	})
	r.once(event.Touches, 70) // Check tells the rows of the two logs apart, whose offsets are the same

	// So does a batch whose outcome is not known.
	if err := Retry(t.Context(), r.db, event.Touches, 0, 0); err != nil {
		t.Fatal(err)
	}
	r.eventually("the batch is settled again", func() bool { return r.books(`SELECT count(*) FROM clickhouse_batch WHERE state <> 'done'`) == 0 })
	r.once(event.Touches, 70)
}

func TestBatchesOfTheSameOffsetsInAnotherLogHaveOtherTokens(t *testing.T) {
	t.Parallel()
	of := func(from, to int64) string {
		return (&batch{
			generation: 1, before: &position.Position{Next: 0}, after: &position.Position{Next: 10}, earliest: from, latest: to,
		}).token(event.Touches, 0)
	}
	if of(1, 5) == of(6, 9) {
		t.Errorf("both have the token %s, so ClickHouse would drop the later one", of(1, 5))
	}
}
