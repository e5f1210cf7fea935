package relay

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/goleak"

	"tributary/internal/event"
	"tributary/internal/position"
	"tributary/test/engines"
	"tributary/tracker/spool"
)

func TestStoppingLeavesNothingBehind(t *testing.T) {
	c := engines.Kafka(t).Open(t)
	if err := c.CreateTopics(t.Context(), 2, time.Hour); err != nil {
		t.Fatal(err)
	}
	r := newRiver(t, c, 2)
	before := goleak.IgnoreCurrent()
	r.start()
	r.fill(100, r.lanes()...)
	r.drainAll()
	r.stop()
	c.Close()
	goleak.VerifyNone(t, before)
}

func TestEverythingArrivesOnceAndInOrder(t *testing.T) {
	t.Parallel()
	c := engines.Kafka(t).Open(t)
	if err := c.CreateTopics(t.Context(), 3, time.Hour); err != nil {
		t.Fatal(err)
	}
	r := newRiver(t, c, 3)
	r.fill(5000, 0, 1, 2)
	r.start()
	r.fill(500, r.lanes()...)
	r.fill(1, 4)
	if copies := r.drainAll(); copies != 0 {
		t.Errorf("%d records came twice although nothing went wrong", copies)
	}
	until(t, 5*time.Second, "the figures are those of a relay that is done", func() bool {
		s := r.relay.Stats()
		return s.Sent == 5000*3+500*6+1 && s.Queued == 0 && s.Backlog == 0 && s.Failing+s.Parked+s.Detached == 0 && s.Missing == 0
	})
}

func TestKafkaAwayDelaysAndLosesNothing(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	c := client(t, b.address(), "")
	if err := c.CreateTopics(t.Context(), 2, time.Hour); err != nil {
		t.Fatal(err)
	}
	r := newRiver(t, c, 2)
	r.memory = 1 << 20
	r.start()
	r.fill(200, r.lanes()...)
	r.drainAll()
	b.away()
	r.fill(5000, r.lanes()...) // 4 MiB and more, with 1 MiB of memory
	until(t, 20*time.Second, "all lanes fail", func() bool { return r.relay.Stats().Failing == 4 })
	if s := r.relay.Stats(); s.Queued > r.memory+1<<15 || s.Detached != 0 {
		t.Errorf("with Kafka away %d bytes wait in memory, and %d lanes read for themselves", s.Queued, s.Detached)
	}
	b.back()
	r.drainAll()
	until(t, 10*time.Second, "no lane fails any more", func() bool { return r.relay.Stats().Failing == 0 })
}

// It runs alone: what other tests take is not to be counted.
func TestWhatWaitsForKafkaTakesTheMemoryItMayTake(t *testing.T) { //nolint:paralleltest // see above
	r := newRiver(t, client(t, "127.0.0.1:1", ""), 2) // where nobody listens
	r.memory = 8 << 20
	for range 10 {
		r.fill(1500, r.lanes()...)
	}
	before := heap()
	r.start()
	until(t, 30*time.Second, "the memory is full", func() bool { return r.relay.Stats().Queued >= r.memory })
	// A request that is being tried has a buffer of its own for that moment, up to 1.5 MiB a lane: the least of several looks is
	// what the waiting records take.
	took := heap() - before
	for range 20 {
		took = min(took, heap()-before)
	}
	if took > r.memory*5/4 {
		t.Errorf("records of %d bytes take %d bytes of memory", r.memory, took)
	}
}

// heap is the memory in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestLostAnswersMakeCopiesThatTheSequenceRuleDrops(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	c := client(t, b.address(), "")
	if err := c.CreateTopics(t.Context(), 2, time.Hour); err != nil {
		t.Fatal(err)
	}
	r := newRiver(t, c, 2)
	r.start()
	b.mute.Store(true)
	for range 40 {
		r.fill(20, r.lanes()...)
		sent := r.relay.Stats().Sent
		until(t, 20*time.Second, "something arrives in spite of it", func() bool { return r.relay.Stats().Sent > sent })
	}
	b.mute.Store(false)
	if copies := r.drainAll(); copies == 0 {
		t.Error("no record came twice: the test lost no answer")
	}
}

func TestARelayGoesOnWhereAnEarlierOneStopped(t *testing.T) {
	t.Parallel()
	c := engines.Kafka(t).Open(t)
	if err := c.CreateTopics(t.Context(), 2, time.Hour); err != nil {
		t.Fatal(err)
	}
	r := newRiver(t, c, 2)
	for range 5 {
		r.fill(3000, r.lanes()...)
		r.start()
		r.stop() // in the middle, or before its first record, or after its last
	}
	r.start()
	r.drainAll()
	r.awaitAcknowledged()
	r.stop()
	// All is acknowledged and written down, so nothing is sent again.
	r.start()
	r.fill(1, 0)
	until(t, 10*time.Second, "the new record is sent", func() bool { return r.relay.Stats().Sent > 0 })
	if s := r.relay.Stats(); s.Sent != 1 || s.Missing != 0 {
		t.Errorf("after a restart %+v", s)
	}
}

func TestLosingTheCursorsOnlyMakesCopies(t *testing.T) {
	t.Parallel()
	c := engines.Kafka(t).Open(t)
	if err := c.CreateTopics(t.Context(), 1, time.Hour); err != nil {
		t.Fatal(err)
	}
	r := newRiver(t, c, 1)
	r.fill(1000, r.lanes()...)
	r.start()
	r.awaitAcknowledged()
	r.stop()
	if err := os.Remove(r.file()); err != nil {
		t.Fatal(err)
	}
	r.start()
	r.fill(1, r.lanes()...)
	if copies := r.drainAll(); copies != 2000 {
		t.Errorf("%d records came twice, want all 2000 of before", copies)
	}
}

func TestAStuckLaneReadsForItselfAndTheOthersGoOn(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	c := client(t, b.address(), "")
	if err := c.CreateTopics(t.Context(), 3, time.Hour); err != nil {
		t.Fatal(err)
	}
	stuck := b.now.Fault(kfake.Fault{Topic: event.Touches, Partitions: []int32{2}, Err: kerr.NotLeaderForPartition, Count: -1})
	r := newRiver(t, c, 3)
	r.memory = 256 << 10
	r.limits = limits{stuckAfter: 100 * time.Millisecond, parkedPause: time.Second}
	r.start()
	r.fill(10_000, 0, 2)
	until(t, 30*time.Second, "the lane is on its own", func() bool { return r.relay.Stats().Detached == 1 })
	r.fill(1000, 0, 1, 2, 3, 4)
	for _, lane := range []int{0, 1, 3, 4} {
		r.drain(lane)
	}
	stuck.Remove()
	r.drain(2)
	until(t, 20*time.Second, "the lane is with the others again", func() bool { return r.relay.Stats().Detached == 0 })
	r.fill(100, r.lanes()...)
	if copies := r.drainAll(); copies != 0 {
		t.Errorf("%d records came twice although every request was refused or answered", copies)
	}
	until(t, 10*time.Second, "all is acknowledged", func() bool { return r.relay.Stats().Unsent == 0 })
	if s := r.relay.Stats(); s.Missing != 0 || s.Queued != 0 {
		t.Errorf("at the end %+v", s)
	}
}

func TestARefusedRequestParksItsLaneAndIsNeverSkipped(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	c := client(t, b.address(), "")
	if err := c.CreateTopics(t.Context(), 1, time.Hour); err != nil {
		t.Fatal(err)
	}
	refused := b.now.Fault(kfake.Fault{Topic: event.Touches, Partitions: []int32{0}, Err: kerr.PolicyViolation, Count: -1})
	r := newRiver(t, c, 1)
	r.limits = limits{stuckAfter: time.Minute, parkedPause: 200 * time.Millisecond}
	r.start()
	r.fill(500, 0, 1)
	until(t, 20*time.Second, "the lane is parked", func() bool { return r.relay.Stats().Parked == 1 })
	until(t, 20*time.Second, "the other lane is done", func() bool { return r.relay.Stats().Acknowledged[1] == 500 })
	if s := r.relay.Stats(); s.Acknowledged[0] != 0 {
		t.Errorf("the parked lane has %d acknowledged", s.Acknowledged[0])
	}
	refused.Remove()
	if copies := r.drain(0); copies != 0 {
		t.Errorf("%d refused records are there twice", copies)
	}
	until(t, 10*time.Second, "the lane is not parked any more", func() bool { return r.relay.Stats().Parked == 0 })
}

func TestARequestThatIsTooLargeIsSentInParts(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	c := client(t, b.address(), "")
	// About fifty records fit into one request.
	if err := b.now.CreateTopic(event.Touches, 1, map[string]string{"max.message.bytes": "20000"}); err != nil {
		t.Fatal(err)
	}
	r := newRiver(t, c, 1)
	r.fill(3000, 0)
	r.start()
	r.drain(0)
}

func TestRewindingFillsAKafkaThatLostRecords(t *testing.T) {
	t.Parallel()
	lost := startBroker(t)
	c := client(t, lost.address(), "")
	if err := c.CreateTopics(t.Context(), 1, time.Hour); err != nil {
		t.Fatal(err)
	}
	r := newRiver(t, c, 1)
	r.start()
	r.fill(1000, 0)
	until(t, 10*time.Second, "all is acknowledged", func() bool { return r.relay.Stats().Acknowledged[0] == 1000 })
	r.stop()

	// Another Kafka in its place, with nothing in it: what the relay sends next begins at sequence 1001.
	r.kafka = client(t, startBroker(t).address(), "")
	if err := r.kafka.CreateTopics(t.Context(), 1, time.Hour); err != nil {
		t.Fatal(err)
	}
	r.start()
	r.fill(10, 0)
	until(t, 10*time.Second, "the new records are there", func() bool { return r.relay.Stats().Sent == 10 })
	r.stop()
	id := [16]byte(r.spool.ID())
	consumer := &position.Position{Marks: map[[16]byte]uint64{id: 600}}
	records, err := r.kafka.Fetch(t.Context(), event.Touches, 0, 0, 1<<20, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	var gap *position.GapError
	if _, err := consumer.Admit(records[0]); !errors.As(err, &gap) || gap.Want != 601 || gap.Got != 1001 {
		t.Fatalf("the consumer met %v", err)
	}
	for _, bad := range []struct {
		lane int
		seq  uint64
	}{{0, 0}, {0, 1011}, {-1, 1}, {2, 1}, {1, 1}} {
		if err := Rewind(r.file(), bad.lane, bad.seq); err == nil {
			t.Errorf("lane %d was rewound to %d", bad.lane, bad.seq)
		}
	}
	if err := Rewind(r.file(), 0, gap.Want); err != nil {
		t.Fatal(err)
	}
	r.start()
	consumer.Gaps = map[[16]byte]uint64{id: gap.Got} // what position.Refilled sets
	var taken uint64
	for consumer.Marks[id] < 1010 {
		records, err := r.kafka.Fetch(t.Context(), event.Touches, 0, consumer.Next, 1<<20, 5*time.Second)
		if err != nil || len(records) == 0 {
			t.Fatalf("after %d: %d records, %v", consumer.Marks[id], len(records), err)
		}
		for _, record := range records {
			verdict, err := consumer.Admit(record)
			if err != nil {
				t.Fatal(err)
			}
			if verdict == position.Next {
				taken++
			}
		}
	}
	if taken != 410 {
		t.Errorf("the consumer took %d records, want 410", taken)
	}
}

func TestRecordsThatTheSpoolNoLongerKeepsAreCounted(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	c := client(t, b.address(), "")
	if err := c.CreateTopics(t.Context(), 1, time.Hour); err != nil {
		t.Fatal(err)
	}
	r := newRiver(t, c, 1)
	r.start()
	for range 10 {
		r.fill(500, 0) // more than a segment
	}
	until(t, 10*time.Second, "all is acknowledged", func() bool { return r.relay.Stats().Acknowledged[0] == 5000 })
	r.stop()
	if err := r.spool.Prune(r.spool.End(), time.Now().Add(1000*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := Rewind(r.file(), 0, 1); err != nil {
		t.Fatal(err)
	}
	r.start()
	until(t, 10*time.Second, "what is kept is sent again", func() bool { return r.relay.Stats().Acknowledged[0] == 5000 })
	if s := r.relay.Stats(); s.Missing == 0 || s.Missing+s.Sent != 5000 {
		t.Errorf("%d records are missing and %d were sent, of 5000", s.Missing, s.Sent)
	}
}

func TestASpoolThatLostItsEndIsRefused(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	r := newRiver(t, client(t, b.address(), ""), 1)
	r.fill(10, 0)
	p := &places{Spool: r.spool.ID(), Lanes: []place{{Sent: 11}, {}}}
	if err := p.write(r.file()); err != nil {
		t.Fatal(err)
	}
	relay := New(Config{Spool: r.spool, Kafka: r.kafka, Partitions: 1, File: r.file(), Log: slog.New(slog.DiscardHandler)})
	if err := relay.Run(t.Context()); !errors.Is(err, ErrShortened) {
		t.Errorf("Run gave %v, want ErrShortened", err)
	}
	if err := os.WriteFile(r.file(), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := relay.Run(t.Context()); err == nil {
		t.Error("Run took a cursor file that is no JSON")
	}
}

func TestAcknowledgedSegmentsMayGoAlsoWhereALaneIsIdle(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	c := client(t, b.address(), "")
	if err := c.CreateTopics(t.Context(), 2, time.Hour); err != nil {
		t.Fatal(err)
	}
	r := newRiver(t, c, 2)
	r.start()
	r.fill(1, r.lanes()...)
	r.fill(5000, 0)
	r.drainAll()
	until(t, 5*time.Second, "all lanes are at the end of the spool", func() bool {
		return r.relay.lowest() == r.spool.End()
	})
	until(t, 5*time.Second, "the file says so", func() bool {
		p, err := readPlaces(r.file())
		return err == nil && p != nil && p.Lanes[3] == place{Cursor: r.spool.End(), Sent: 1}
	})
}

// A lane that leaves its own reader with records in hand is asked for its place at that moment, as each scrape and each save
// does. It is not as far as the common reader before Kafka has them.
func TestALaneThatHasCaughtUpIsNotIdle(t *testing.T) {
	t.Parallel()
	r := newRiver(t, client(t, startBroker(t).address(), ""), 1)
	r.fill(5, 0)
	relay := New(Config{Spool: r.spool, Partitions: 1, File: filepath.Join(t.TempDir(), "cursor"), Log: slog.New(slog.DiscardHandler)})
	relay.publish(r.spool.End())
	l := relay.lanes[0]
	l.detached, l.skipped = true, r.spool.End()
	c := relay.newChunk()
	for len(c.records) < 5 {
		record, found, err := l.poll()
		if err != nil || !found {
			t.Fatalf("after %d records: %t, %v", len(c.records), found, err)
		}
		l.adopt(c, record)
	}
	if _, found, err := l.poll(); found || err != nil {
		t.Fatalf("more than was written: %v", err)
	}
	if !l.attach(c) {
		t.Fatal("it has not caught up")
	}
	if at := relay.places()[0]; at.Sent != 0 || at.Cursor != (spool.Cursor{}) {
		t.Errorf("with 5 records in hand and none acknowledged its place is %+v", at)
	}
}
