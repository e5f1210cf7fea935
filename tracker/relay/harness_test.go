package relay

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"tributary/internal/event"
	"tributary/internal/keyring"
	"tributary/internal/position"
	"tributary/internal/stream"
	"tributary/test/engines"
	"tributary/tracker/spool"
)

func TestMain(m *testing.M) { engines.Main(m) }

// broker is Kafka in this process, which a test can take away, bring back on the same address with the same data, and
// make to forget its answers.
type broker struct {
	t    testing.TB
	dir  string
	port int
	mute atomic.Bool // answers are lost, and the connection with them
	now  *kfake.Cluster
}

func startBroker(tb testing.TB) *broker {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	b := &broker{t: tb, dir: tb.TempDir(), port: l.Addr().(*net.TCPAddr).Port}
	if err := l.Close(); err != nil {
		tb.Fatal(err)
	}
	b.back()
	tb.Cleanup(b.away)
	return b
}

func (b *broker) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(b.port)) }

func (b *broker) away() {
	if b.now != nil {
		b.now.Close()
	}
	b.now = nil
}

func (b *broker) back() {
	b.t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(b.port), kfake.DataDir(b.dir), kfake.ListenFn(b.listen))
	if err != nil {
		b.t.Fatal(err)
	}
	b.now = cluster
}

func (b *broker) listen(network, address string) (net.Listener, error) {
	l, err := net.Listen(network, address)
	return lossyListener{l, b}, err
}

type lossyListener struct {
	net.Listener

	broker *broker
}

func (l lossyListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return lossyConn{conn, l.broker}, nil
}

// lossyConn loses answers now and then while its broker is mute.
type lossyConn struct {
	net.Conn

	broker *broker
}

func (c lossyConn) Write(answer []byte) (int, error) {
	if c.broker.mute.Load() && rand.IntN(10) < 3 {
		_ = c.Conn.Close()
		return len(answer), nil
	}
	return c.Conn.Write(answer)
}

func client(tb testing.TB, address, prefix string) *stream.Client {
	tb.Helper()
	return engines.Cluster{Cluster: stream.Cluster{Brokers: []string{address}, Prefix: prefix, Keys: []keyring.Key{keyring.Generate(1)}}}.Open(tb)
}

// river is a spool, a relay and what they left in Kafka.
type river struct {
	t          testing.TB
	dir        string
	partitions int
	spool      *spool.Spool
	kafka      *stream.Client
	memory     int64
	limits     limits

	relay    *Relay
	stop     func()
	appended []uint64 // of each lane
}

func newRiver(tb testing.TB, kafka *stream.Client, partitions int) *river {
	tb.Helper()
	r := &river{t: tb, dir: tb.TempDir(), partitions: partitions, kafka: kafka, appended: make([]uint64, 2*partitions)}
	r.openSpool()
	return r
}

// openSpool opens the river's spool and runs it until the test ends.
func (r *river) openSpool() {
	r.t.Helper()
	s, err := spool.Open(spool.Config{Dir: filepath.Join(r.dir, "spool"), Lanes: 2 * r.partitions, SegmentBytes: 1 << 20, PendingBytes: 32 << 20})
	if err != nil {
		r.t.Fatal(err)
	}
	r.spool = s
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	r.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Error(err)
		}
		if err := s.Close(); err != nil {
			r.t.Error(err)
		}
	})
}

func (r *river) file() string { return filepath.Join(r.dir, "cursors.json") }

// start runs a relay; the function that it sets as stop ends it.
func (r *river) start() {
	r.t.Helper()
	r.relay = New(Config{Spool: r.spool, Kafka: r.kafka, Partitions: r.partitions, File: r.file(), Memory: r.memory, Log: slog.New(slog.DiscardHandler)})
	if r.limits != (limits{}) {
		r.relay.limits = r.limits
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	relay := r.relay
	go func() { done <- relay.Run(ctx) }()
	var once sync.Once
	r.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				r.t.Error(err)
			}
		})
	}
	r.t.Cleanup(r.stop)
}

// fill appends n records to each of the lanes and waits until they are on the disk.
func (r *river) fill(n int, lanes ...int) {
	r.t.Helper()
	var last spool.Ticket
	for range n {
		for _, lane := range lanes {
			r.appended[lane]++
			ticket, err := r.spool.Append(lane, spool.Live, payload(lane, r.appended[lane]))
			if err != nil {
				r.t.Fatal(err)
			}
			last = ticket
		}
	}
	if err := last.Wait(context.Background()); err != nil {
		r.t.Fatal(err)
	}
}

func (r *river) lanes() []int {
	lanes := make([]int, 2*r.partitions)
	for i := range lanes {
		lanes[i] = i
	}
	return lanes
}

// payload is an event of a lane, which carries its sequence as a text of its own.
func payload(lane int, seq uint64) []byte {
	e := &event.Event{Id: make([]byte, 16), Body: &event.Event_Click{Click: &event.Click{
		ClickId: "click-" + strconv.Itoa(lane) + "-" + strconv.FormatUint(seq, 10), Sub1: strings.Repeat("s", 150), MerchantId: 7,
	}}}
	data, err := e.MarshalVT()
	if err != nil {
		panic(err)
	}
	return data
}

// drain reads a lane's partition until it has the records up to the last one appended, applying the sequence rule, and
// tells how many copies there were.
func (r *river) drain(lane int) (copies int) {
	r.t.Helper()
	p := &position.Position{}
	topic := event.Touches
	if lane >= r.partitions {
		topic = event.Orders
	}
	deadline := time.Now().Add(60 * time.Second)
	id := [16]byte(r.spool.ID())
	for p.Marks[id] < r.appended[lane] {
		if time.Now().After(deadline) {
			r.t.Fatalf("lane %d: only %d of %d records came; %+v", lane, p.Marks[id], r.appended[lane], r.relay.Stats())
		}
		records, err := r.kafka.Fetch(r.t.Context(), topic, lane%r.partitions, p.Next, 1<<20, 200*time.Millisecond)
		if position.IsGap(err) {
			r.t.Fatal(err)
		}
		for _, record := range records {
			verdict, err := p.Admit(record)
			if err != nil {
				r.t.Fatal(err)
			}
			if verdict != position.Next {
				copies++
				continue
			}
			r.check(lane, record)
		}
	}
	return copies
}

// check compares a record with what was appended under its sequence.
func (r *river) check(lane int, record stream.Record) {
	r.t.Helper()
	if want := payload(lane, record.Seq); string(record.Value) != string(want) {
		r.t.Fatalf("lane %d, sequence %d: the record is %q", lane, record.Seq, record.Value)
	}
	if want := "click-" + strconv.Itoa(lane) + "-" + strconv.FormatUint(record.Seq, 10); string(record.Key) != want {
		r.t.Fatalf("lane %d, sequence %d: the key is %q", lane, record.Seq, record.Key)
	}
}

func (r *river) drainAll() (copies int) {
	r.t.Helper()
	for lane := range r.appended {
		copies += r.drain(lane)
	}
	return copies
}

// awaitAcknowledged waits until the relay knows that Kafka has all, which is a little later than Kafka has it.
func (r *river) awaitAcknowledged() {
	r.t.Helper()
	until(r.t, 30*time.Second, "all is acknowledged", func() bool { return slices.Equal(r.relay.Stats().Acknowledged, r.appended) })
}

// until waits for a condition.
func until(tb testing.TB, limit time.Duration, what string, condition func() bool) {
	tb.Helper()
	start := time.Now()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		if time.Since(start) > limit {
			tb.Fatalf("not within %v: %s", limit, what)
		}
		<-tick.C
	}
}
