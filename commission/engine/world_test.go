package engine

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/commission"
	"tributary/internal/event"
	"tributary/internal/postgres"
	"tributary/internal/stream"
	"tributary/partners"
	"tributary/partners/program"
	"tributary/test/engines"
)

func TestMain(m *testing.M) { engines.Main(m) }

const (
	lanes = 3
	day   = 24 * time.Hour
)

// noon is when the orders of these tests are placed, unless they say otherwise.
func noon() time.Time { return time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC) }

// world is a network with two merchants, each with one program, and its engines. Site partners earn 10 %, the network 20 %
// of that; window and hold are 30 days. The clock stands at noon until a test moves it.
type world struct {
	t          testing.TB
	partitions int
	db         *pgxpool.Pool // as the owner of the tables
	url        string
	cluster    engines.Cluster
	kafka      *stream.Client
	programs   []program.ProgramID
	partners   []program.PartnerID
	links      []program.LinkID   // a link for each partner and program: partner p in program 0 is links[p]
	now        atomic.Int64       // microseconds
	decider    commission.Decider // of its engines and of verify, where it is not the product's
	made       int                // engines, so far
	said       int                // reviews, so far

	mu    sync.Mutex
	spool [16]byte
	seqs  []uint64
}

func newWorld(tb testing.TB) *world {
	tb.Helper()
	return newWorldOf(tb, lanes, 4)
}

func newWorldOf(tb testing.TB, partitions, sites int) *world {
	tb.Helper()
	ctx := tb.Context()
	w := &world{t: tb, partitions: partitions, url: engines.PostgresURL(tb), seqs: make([]uint64, partitions)}
	sum := sha256.Sum256([]byte(tb.Name()))
	copy(w.spool[:], sum[:])
	w.setClock(noon())
	db, err := pgxpool.New(ctx, w.url)
	check(tb, err)
	tb.Cleanup(db.Close)
	w.db = db
	w.cluster = engines.Kafka(tb)
	w.kafka = w.client()
	check(tb, w.kafka.CreateTopics(ctx, partitions, time.Hour))
	for m := range 2 {
		w.addMerchant(fmt.Sprintf("merchant %d", m+1))
	}
	for p := range sites {
		id, err := partners.CreatePartner(ctx, db, partners.NewPartner{Kind: program.Site, Name: fmt.Sprintf("site %d", p)})
		check(tb, err)
		w.partners = append(w.partners, id)
	}
	for _, programID := range w.programs {
		for _, p := range w.partners {
			w.links = append(w.links, w.addLink(programID, p))
		}
	}
	return w
}

func (w *world) addMerchant(name string) {
	w.t.Helper()
	w.addMerchantOn(name, program.NewDocument(30*day, 30*day, 200_000, program.Rates{program.Site: {"*": 100_000, "free": 0}}))
}

// addMerchantOn adds a merchant with a program on these terms.
func (w *world) addMerchantOn(name string, terms program.Document) {
	w.t.Helper()
	ctx := w.t.Context()
	merchant, err := partners.CreateMerchant(ctx, w.db, name)
	check(w.t, err)
	tx, err := w.db.Begin(ctx)
	check(w.t, err)
	defer tx.Rollback(ctx)
	programID, err := partners.CreateProgram(ctx, tx, partners.NewProgram{
		Merchant: merchant, Name: name, LandingURL: "https://shop.example/", Currencies: []string{"GBP", "EUR"},
		Terms: []program.Version{{EffectiveFrom: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), Document: terms}},
	})
	check(w.t, err)
	check(w.t, tx.Commit(ctx))
	w.programs = append(w.programs, programID)
}

func (w *world) addLink(programID program.ProgramID, partner program.PartnerID) program.LinkID {
	w.t.Helper()
	ctx := w.t.Context()
	check(w.t, partners.Enrol(ctx, w.db, programID, partner))
	link, err := partners.CreateLink(ctx, w.db, partners.NewLink{Program: programID, Partner: partner})
	check(w.t, err)
	return link.ID
}

func (w *world) client() *stream.Client {
	return w.cluster.Open(w.t)
}

func (w *world) setClock(t time.Time) { w.now.Store(t.UnixMicro()) }
func (w *world) clock() time.Time     { return time.UnixMicro(w.now.Load()).UTC() }

// config is what an engine of this world is made of, under the name given.
func (w *world) config(owner string) Config {
	w.t.Helper()
	db, err := postgres.Open(w.t.Context(), engines.As(w.url, postgres.Engine), postgres.Engine, 12)
	check(w.t, err)
	w.t.Cleanup(db.Close)
	return Config{
		DB: db, Kafka: w.client(), VerifyClick: verifyClick, Partitions: w.partitions,
		Owner: owner, Log: quiet(), Clock: w.clock, Decide: w.decider,
	}
}

// start runs an engine until stop is called or the test ends.
func (w *world) start(cfg Config) (stop func()) {
	w.t.Helper()
	e := New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("the engine ended with %v", err)
		}
	})
	w.t.Cleanup(stop)
	return stop
}

// clickOn is the text of a click id of these tests: the link and when.
func clickOn(link program.LinkID, at time.Time) string {
	return fmt.Sprintf("%d@%d", link, at.UnixMilli())
}

// verifyClick reads what clickOn has written; anything else is refused for the reason it names.
func verifyClick(id string) commission.Click {
	link, at, ok := strings.Cut(id, "@")
	n, err := strconv.ParseInt(link, 10, 64)
	ms, err2 := strconv.ParseInt(at, 10, 64)
	if !ok || err != nil || err2 != nil {
		return commission.Click{ID: id, Refused: commission.Reason(id)}
	}
	return commission.Click{ID: id, Link: program.LinkID(n), At: time.UnixMilli(ms).UTC()}
}

// sale is an order of a merchant (1 or 2) placed at noon with the given lines of 100.00 each.
func sale(merchant int64, order, click string, amounts ...int64) *event.Event {
	s := &event.Sale{MerchantId: merchant, OrderId: order, Currency: "GBP", ClickId: click}
	for i, a := range amounts {
		s.Lines = append(s.Lines, &event.Line{Number: int64(i + 1), Sku: fmt.Sprintf("SKU-%d", i+1), Quantity: 2, Amount: a, Category: "goods"})
	}
	e := &event.Event{Id: idOf("sale", merchant, order), ReceivedAt: event.Micros(noon()), OccurredAt: event.Micros(noon()), Body: &event.Event_Sale{Sale: s}}
	s.ContentHash = event.SaleHash(s, e.GetOccurredAt())
	return e
}

// refund takes an amount of an order back, some time after noon, or with 0 all of it.
func refund(merchant int64, order, id string, after time.Duration, amount int64) *event.Event {
	r := &event.Refund{MerchantId: merchant, OrderId: order, RefundId: id, Amount: amount, WholeOrder: amount == 0}
	at := event.Micros(noon().Add(after))
	e := &event.Event{Id: idOf("refund", merchant, order, id), ReceivedAt: at, OccurredAt: at, Body: &event.Event_Refund{Refund: r}}
	r.ContentHash = event.RefundHash(r, at)
	return e
}

// idOf is an event id made from what it names.
func idOf(parts ...any) []byte {
	sum := sha256.Sum256(fmt.Append(nil, parts...))
	return sum[:16]
}

// send puts events into Kafka as the relay would, in their order.
func (w *world) send(events ...*event.Event) {
	w.t.Helper()
	values := make([][]byte, len(events))
	lane := make([]int, len(events))
	for i, e := range events {
		data, err := e.MarshalVT()
		check(w.t, err)
		values[i] = data
		lane[i] = event.Lane(e.Fact().Key(), w.partitions)
	}
	for p := range w.partitions {
		var mine [][]byte
		for i := range values {
			if lane[i] == p {
				mine = append(mine, values[i])
			}
		}
		w.sendRaw(p, mine...)
	}
}

// sendRaw puts records into a partition, numbered as a spool would.
func (w *world) sendRaw(partition int, values ...[]byte) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(values) > 0 {
		n := min(len(values), 500)
		records := make([]stream.Record, n)
		for i, v := range values[:n] {
			w.seqs[partition]++
			records[i] = stream.Record{Key: []byte("k"), Value: v, Spool: w.spool, Seq: w.seqs[partition]}
		}
		check(w.t, w.kafka.Produce(w.t.Context(), event.Orders, partition, records))
		values = values[n:]
	}
}

// waitIdle waits until the engines have nothing left to do, and Kafka has what they had to say.
func (w *world) waitIdle() {
	w.t.Helper()
	var left Backlog
	defer func() {
		if !left.IsEmpty() {
			w.t.Logf("left: %+v", left)
		}
	}()
	w.eventually("nothing is left to do", func() (empty bool) {
		var err error
		left, err = ReadBacklog(w.t.Context(), w.db, w.kafka, w.partitions, w.clock())
		check(w.t, err)
		return left.IsEmpty()
	})
}

// eventually waits until a condition holds, for at most a minute and a half.
func (w *world) eventually(what string, holds func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(90 * time.Second); ; {
		if holds() {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("timed out waiting until %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (w *world) number(sql string, args ...any) int64 {
	w.t.Helper()
	var n int64
	check(w.t, w.db.QueryRow(w.t.Context(), sql, args...).Scan(&n))
	return n
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	_, err := w.db.Exec(w.t.Context(), sql, args...)
	check(w.t, err)
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
