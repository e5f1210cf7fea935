package loader

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/internal/clickhouse"
	"tributary/internal/event"
	"tributary/internal/position"
	"tributary/internal/postgres"
	"tributary/internal/stream"
	"tributary/test/engines"
)

func TestMain(m *testing.M) { engines.Main(m) }

// patience bounds every wait of the tests.
const patience = 2 * time.Minute

// noon is when the events of the tests happened, if nothing else is said.
func noon() time.Time { return time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC) }

// river is what a loader stands in: Kafka before it, ClickHouse behind it, PostgreSQL beside it.
type river struct {
	t     testing.TB
	pgURL string
	db    *pgxpool.Pool
	ch    clickhouse.Conn
	kafka *stream.Client
	// cluster is what kafka was opened with.
	cluster engines.Cluster
	lanes   int
	sent    map[string]uint64 // last sequence by topic, partition and spool
}

func newRiver(tb testing.TB, partitions int) *river {
	tb.Helper()
	return newRiverTo(tb, partitions, engines.ClickHouseMigrated(tb))
}

func newRiverTo(tb testing.TB, partitions int, clickhouseURL string) *river {
	tb.Helper()
	pgURL := engines.PostgresURL(tb)
	db, err := postgres.Open(tb.Context(), engines.As(pgURL, postgres.Loader), postgres.Loader, 12)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(db.Close)
	ch, err := clickhouse.Open(clickhouseURL, 6)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = ch.Close() })
	// The tokens of a part go with it when the server tidies up empty ones, in one table before the other: tests that remove
	// rows mean a loss that leaves the tokens.
	for _, table := range []string{"touch", "touch_15m", "order_event", "ledger", "ledger_15m", "customer_order"} {
		if err := ch.Exec(tb.Context(), "ALTER TABLE "+table+" MODIFY SETTING remove_empty_parts = 0"); err != nil {
			tb.Fatal(err)
		}
	}
	cluster := engines.Kafka(tb)
	kafka := cluster.Open(tb)
	if err := kafka.CreateTopics(tb.Context(), partitions, time.Hour); err != nil {
		tb.Fatal(err)
	}
	return &river{t: tb, pgURL: pgURL, cluster: cluster, db: db, ch: ch, kafka: kafka, lanes: partitions, sent: make(map[string]uint64)}
}

// loader makes a loader that cuts small batches and does not wait long.
func (r *river) loader(owner string) *Loader {
	r.t.Helper()
	return New(Config{
		DB: r.db, ClickHouse: r.ch, Kafka: r.kafka, Partitions: r.lanes, Owner: owner,
		MaxRows: 100, Linger: 30 * time.Millisecond, Budget: 4 << 20,
	}, slog.New(slog.NewTextHandler(r.t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})), nil)
}

// run runs a loader until stop is called or the test ends.
func (r *river) run(l *Loader) (stop func()) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			r.t.Errorf("Run() = %v", err)
		}
	}
	r.t.Cleanup(stop)
	return stop
}

// hold takes the lease of the only partition of a topic, and gives it back when the test ends or release is called. ctx ends
// when the lease is lost.
func (r *river) hold(topic, owner string) (ctx context.Context, h position.Held, release func()) {
	r.t.Helper()
	keeping, cancel := context.WithCancel(r.t.Context())
	type tenure struct {
		ctx context.Context
		h   position.Held
	}
	held, ended := make(chan tenure, 1), make(chan error, 1)
	go func() {
		k := position.NewKeeper(r.db, Consumer, topic, 1, owner, slog.New(slog.DiscardHandler))
		ended <- k.Run(keeping, func(ctx context.Context, h position.Held) error {
			held <- tenure{ctx, h}
			<-ctx.Done()
			return nil
		})
	}()
	release = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			r.t.Errorf("holding %s: %v", topic, err)
		}
	})
	r.t.Cleanup(release)
	select {
	case got := <-held:
		return got.ctx, got.h, release
	case <-time.After(patience):
		r.t.Fatalf("nobody gave us the lease of %s", topic)
		panic("unreachable")
	}
}

// lane is a loader's hand on one partition, for tests that stop between its steps.
func (r *river) lane(l *Loader, topic string, h position.Held) *lane {
	r.t.Helper()
	if err := l.prove(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	i := slices.IndexFunc(l.tables, func(t *table) bool { return t.topic == topic })
	return &lane{Loader: l, table: l.tables[i], held: h, log: l.log}
}

// cut reads what is in the partition, up to n records, and cuts one batch of it.
func (r *river) cut(ctx context.Context, l *lane, n int64) *batch {
	r.t.Helper()
	at, err := l.begin(ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	b := newBatch(at, l.table.take(), l.life)
	if err := l.refill(ctx, b, at, at.Next+n-1); err != nil {
		r.t.Fatal(err)
	}
	b.after = at
	return b
}

// send puts events into a partition, as records of a spool with the next sequences.
func (r *river) send(topic string, partition int, spool byte, events ...*event.Event) {
	r.t.Helper()
	key := fmt.Sprint(topic, partition, spool)
	for len(events) > 0 {
		n := min(len(events), 500)
		records := make([]stream.Record, 0, n)
		for _, e := range events[:n] {
			r.sent[key]++
			records = append(records, record(r.t, spool, r.sent[key], e))
		}
		r.produce(topic, partition, records...)
		events = events[n:]
	}
}

func (r *river) produce(topic string, partition int, records ...stream.Record) {
	r.t.Helper()
	if err := r.kafka.Produce(r.t.Context(), topic, partition, records); err != nil {
		r.t.Fatal(err)
	}
}

func record(tb testing.TB, spool byte, seq uint64, e *event.Event) stream.Record {
	tb.Helper()
	value, err := e.MarshalVT()
	if err != nil {
		tb.Fatal(err)
	}
	return stream.Record{Spool: [16]byte{spool}, Seq: seq, Key: []byte("k"), Value: value}
}

// number asks ClickHouse for one number.
func (r *river) number(query string, args ...any) int64 {
	r.t.Helper()
	var n int64
	if err := r.ch.QueryRow(r.t.Context(), "SELECT toInt64(("+query+"))", args...).Scan(&n); err != nil {
		r.t.Fatalf("%s: %v", query, err)
	}
	return n
}

// books asks PostgreSQL for one number.
func (r *river) books(query string, args ...any) int64 {
	r.t.Helper()
	var n int64
	if err := r.db.QueryRow(r.t.Context(), query, args...).Scan(&n); err != nil {
		r.t.Fatalf("%s: %v", query, err)
	}
	return n
}

func (r *river) exec(query string, args ...any) {
	r.t.Helper()
	if err := r.ch.Exec(r.t.Context(), query, args...); err != nil {
		r.t.Fatalf("%s: %v", query, err)
	}
}

// eventually waits until the condition holds.
func (r *river) eventually(what string, holds func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("waited %v: %s", patience, what)
		}
	}
}

// loaded waits until so many records of a topic are dealt with.
func (r *river) loaded(topic string, records int64) {
	r.t.Helper()
	r.eventually(fmt.Sprintf("%d records of %s dealt with", records, topic), func() bool {
		return r.books(`SELECT coalesce(sum(last_offset - first_offset + 1), 0)::bigint FROM clickhouse_batch WHERE topic = $1 AND state = 'done'`, topic) >= records
	})
}

// once checks that the topic's table has so many rows, each once, and the rollups the same.
func (r *river) once(topic string, rows int64) {
	r.t.Helper()
	switch topic {
	case event.Touches:
		r.equal("rows of touch", r.number("SELECT count() FROM touch"), rows)
		r.equal("events of touch", r.number("SELECT uniqExact(event_id) FROM touch"), rows)
		r.equal("clicks of touch_15m", r.number("SELECT sum(clicks + marked + impressions) FROM touch_15m"), rows)
	case event.Orders:
		r.equal("rows of order_event", r.number("SELECT count() FROM order_event"), rows)
	case event.Decisions:
		r.equal("rows of ledger", r.number("SELECT count() FROM ledger"), rows)
		r.equal("orders of ledger_15m", r.number("SELECT sum(orders) FROM ledger_15m"), rows)
		r.equal("orders of customer_order", r.number("SELECT sum(orders) FROM customer_order"), rows)
	}
	r.sound()
}

func (r *river) equal(what string, got, want int64) {
	r.t.Helper()
	if got != want {
		r.t.Errorf("%s: %d, want %d", what, got, want)
	}
}

// sound checks that Check has nothing to say.
func (r *river) sound() {
	r.t.Helper()
	findings, err := Check(r.t.Context(), r.db, r.ch)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range findings {
		r.t.Errorf("found: %v", f)
	}
}

// id is an event id for tests.
func id(topic, n int) []byte {
	var b [16]byte
	b[0] = byte(topic)
	binary.BigEndian.PutUint64(b[8:], uint64(n))
	return b[:]
}

func click(n int) *event.Event { return clickAt(n, noon().Add(time.Duration(n)*time.Second)) }

func clickAt(n int, at time.Time) *event.Event {
	return &event.Event{
		Id: id(1, n), ReceivedAt: event.Micros(at), OccurredAt: event.Micros(at),
		Body: &event.Event_Click{Click: &event.Click{
			ClickId: fmt.Sprintf("click-%d", n), MerchantId: 1, ProgramId: 2, PartnerId: int64(n % 7), LinkId: int64(n % 11),
			Marks: uint32(n % 3 % 2), Referrer: "blog.example/post", UserAgent: "Mozilla/5.0", Browser: "Firefox", Os: "Linux", Device: "desktop",
		}},
	}
}

func sale(n int) *event.Event {
	return &event.Event{
		Id: id(2, n), ReceivedAt: event.Micros(noon()), OccurredAt: event.Micros(noon()),
		Body: &event.Event_Sale{Sale: &event.Sale{
			MerchantId: 1, OrderId: fmt.Sprintf("o-%d", n), Currency: "EUR", ContentHash: make([]byte, 16),
			Lines: []*event.Line{{Number: 1, Sku: "a", Quantity: 2, Amount: 500, Category: "books"}, {Number: 2, Sku: "b", Quantity: 1, Amount: 99}},
		}},
	}
}

func ledgerEvent(n int) *event.Event {
	return &event.Event{
		Id: id(3, n), ReceivedAt: event.Micros(noon()), OccurredAt: event.Micros(noon()),
		Body: &event.Event_Ledger{Ledger: &event.Ledger{
			OrderNo: int64(n), Version: 1, MerchantId: 1, ProgramId: 2, PartnerId: int64(n % 5), LinkId: 4, OrderId: fmt.Sprintf("o-%d", n),
			Currency: "EUR", OrderedAt: event.Micros(noon()), Cause: "sale", Orders: 1, Revenue: 599, Gross: 60, Net: 60, Fee: 12, Pending: 60, FeePending: 12,
		}},
	}
}

// several makes events from a to z.
func several(of func(n int) *event.Event, a, z int) []*event.Event {
	events := make([]*event.Event, 0, z-a+1)
	for n := a; n <= z; n++ {
		events = append(events, of(n))
	}
	return events
}

// owner is a name that no other process has.
func owner() string { return uuid.NewString() }
