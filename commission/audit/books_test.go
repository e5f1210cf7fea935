package audit_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/commission"
	"tributary/commission/audit"
	"tributary/commission/engine"
	"tributary/commission/ledger"
	"tributary/internal/event"
	"tributary/internal/postgres"
	"tributary/internal/stream"
	"tributary/partners"
	"tributary/partners/program"
	"tributary/test/engines"
	"tributary/test/schemes"
)

func TestMain(m *testing.M) { engines.Main(m) }

const (
	lanes = 2
	day   = 24 * time.Hour
)

// noon is when the orders of these tests are placed.
func noon() time.Time { return time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC) }

// books are those of a merchant of whose orders a site earns 10 %, the network 20 % of that, with a hold of 30 days that is
// over. Order A1 of 100.00 had 10.00 refunded, and of D1 a second site and the customer have as much in points. An engine has
// made them.
type books struct {
	t       *testing.T
	db      *pgxpool.Pool // as the owner of the tables
	kafka   *stream.Client
	link    program.LinkID
	partner [2]program.PartnerID
	check   audit.Check
	sent    int64 // reports
}

// newBooks has an engine take in 30 orders and A1 and D1, which count by rules on periods if there are any, and seals the books.
func newBooks(t *testing.T, rules ...*program.Counting) *books {
	t.Helper()
	url := engines.PostgresURL(t)
	db, err := pgxpool.New(t.Context(), url)
	must(t, err)
	t.Cleanup(db.Close)
	b := &books{t: t, db: db, kafka: engines.Kafka(t).Open(t)}
	must(t, b.kafka.CreateTopics(t.Context(), lanes, time.Hour))
	b.found()
	three := schemes.Split(schemes.Share{}, schemes.Share{Partner: b.partner[1], Role: commission.RoleRecruiter, Unit: "POINT"},
		schemes.Share{Role: commission.RoleCustomer, Unit: "POINT"})
	b.check = audit.Check{
		DB: db, VerifyClick: b.click, Partitions: lanes, Limit: 100, Now: noon().Add(35 * day),
		Decide: func(order commission.Order, evidence commission.Evidence) (commission.Decision, error) {
			if order.ID == "D1" {
				return three(order, evidence)
			}
			return commission.Decide(order, evidence)
		},
	}
	if rules != nil {
		b.check.Decide = schemes.Counting(b.check.Decide, rules...)
	}
	var events []*event.Event
	for i := range 30 {
		events = append(events, sale(strconv.Itoa(i), 5_000))
	}
	b.send(append(events, sale("A1", 10_000), refund("A1", "r1", 1_000), sale("D1", 10_000))...)
	b.run(url)
	sealer := ledger.NewSealer(db, slog.New(slog.DiscardHandler))
	sealer.BlockRows, sealer.CheckpointEvery = 40, 50
	_, err = sealer.Seal(t.Context())
	must(t, err)
	if found := b.verify(); len(found) > 0 {
		t.Fatalf("sound books are broken: %v", found)
	}
	return b
}

// found founds the network.
func (b *books) found() {
	b.t.Helper()
	ctx := b.t.Context()
	merchant, err := partners.CreateMerchant(ctx, b.db, "a merchant")
	must(b.t, err)
	tx, err := b.db.Begin(ctx)
	must(b.t, err)
	defer tx.Rollback(ctx)
	terms := program.NewDocument(30*day, 30*day, 200_000, program.Rates{program.Site: {"*": 100_000}})
	id, err := partners.CreateProgram(ctx, tx, partners.NewProgram{
		Merchant: merchant, Name: "a program", LandingURL: "https://shop.example/", Currencies: []string{"GBP"},
		Terms: []program.Version{{EffectiveFrom: noon().AddDate(-1, 0, 0), Document: terms}},
	})
	must(b.t, err)
	for i := range b.partner {
		b.partner[i], err = partners.CreatePartner(ctx, tx, partners.NewPartner{Kind: program.Site, Name: fmt.Sprint("site ", i)})
		must(b.t, err)
		must(b.t, partners.Enrol(ctx, tx, id, b.partner[i]))
	}
	link, err := partners.CreateLink(ctx, tx, partners.NewLink{Program: id, Partner: b.partner[0]})
	must(b.t, err)
	b.link = link.ID
	must(b.t, tx.Commit(ctx))
}

// click is what every click id of these orders says: the first site's link, a day before.
func (b *books) click(id string) commission.Click {
	return commission.Click{ID: id, Link: b.link, At: noon().Add(-day)}
}

// leftToDo counts reports that are not taken in, of as many as were sent, holds that have not ended, and ledger events that
// Kafka does not have.
const leftToDo = `
SELECT $1 - (SELECT coalesce(sum(next_offset), 0)::bigint FROM position WHERE consumer = 'engine') +
       (SELECT count(*) FROM commission WHERE NOT released) + (SELECT count(*) FROM period_delta) +
       (SELECT count(*) FROM period WHERE release_at < '2026-04-05') + (SELECT count(*) FROM ledger_unsent)`

// run has an engine take all in and end the holds.
func (b *books) run(url string) {
	b.t.Helper()
	db, err := postgres.Open(b.t.Context(), engines.As(url, postgres.Engine), postgres.Engine, 6)
	must(b.t, err)
	defer db.Close()
	now := func() time.Time { return b.check.Now }
	ctx, cancel := context.WithCancel(b.t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- engine.New(engine.Config{
			DB: db, Kafka: b.kafka, VerifyClick: b.click, Decide: b.check.Decide, Partitions: lanes, Owner: "one", Log: slog.New(slog.DiscardHandler), Clock: now,
		}).Run(ctx)
	}()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		var left int64
		must(b.t, b.db.QueryRow(ctx, leftToDo, b.sent).Scan(&left))
		if left == 0 {
			break
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("the engine does not come to an end: %d things are left", left)
		}
	}
	cancel()
	must(b.t, <-ended)
}

// send puts reports into Kafka as the relay would.
func (b *books) send(events ...*event.Event) {
	b.t.Helper()
	var lane [lanes][]stream.Record
	for _, e := range events {
		value, err := e.MarshalVT()
		must(b.t, err)
		n := event.Lane(e.Fact().Key(), lanes)
		lane[n] = append(lane[n], stream.Record{Key: []byte("k"), Value: value, Spool: [16]byte{1}, Seq: uint64(len(lane[n]) + 1)})
	}
	b.sent += int64(len(events))
	for n := range lane {
		must(b.t, b.kafka.Produce(b.t.Context(), event.Orders, n, lane[n]))
	}
}

func sale(order string, amount int64) *event.Event {
	s := &event.Sale{MerchantId: 1, OrderId: order, Currency: "GBP", ClickId: "click", CustomerId: "c-" + order, Lines: []*event.Line{{Number: 1, Quantity: 1, Amount: amount}}}
	e := &event.Event{Id: idOf(order), ReceivedAt: event.Micros(noon()), OccurredAt: event.Micros(noon()), Body: &event.Event_Sale{Sale: s}}
	s.ContentHash = event.SaleHash(s, e.GetOccurredAt())
	return e
}

// refund takes an amount back a day later.
func refund(order, id string, amount int64) *event.Event {
	r := &event.Refund{MerchantId: 1, OrderId: order, RefundId: id, Amount: amount}
	at := event.Micros(noon().Add(day))
	r.ContentHash = event.RefundHash(r, at)
	return &event.Event{Id: idOf(order + "/" + id), ReceivedAt: at, OccurredAt: at, Body: &event.Event_Refund{Refund: r}}
}

func idOf(name string) []byte {
	sum := sha256.Sum256([]byte(name))
	return sum[:16]
}

func (b *books) verify() []audit.Finding {
	b.t.Helper()
	verdict, err := audit.Verify(b.t.Context(), b.check)
	must(b.t, err)
	return verdict.Findings
}

// no is the number of an order.
func (b *books) no(order string) (no int64) {
	b.t.Helper()
	must(b.t, b.db.QueryRow(b.t.Context(), `SELECT no FROM orders WHERE order_id = $1`, order).Scan(&no))
	return no
}

// A harm is a change of rows that nobody may make, and the finding by which it is to be found: parts of its texts.
type harm struct{ sql, check, key, column, want, have string }

// findEach does each harm and looks for what Verify finds then. $no is the number of order A1, $p its partner's.
func (b *books) findEach(harms []harm) {
	b.t.Helper()
	here := strings.NewReplacer("$no", strconv.FormatInt(b.no("A1"), 10), "$p", strconv.FormatInt(int64(b.partner[0]), 10))
	for _, h := range harms {
		found := b.tamper(here.Replace(h.sql))
		ok := false
		for _, f := range found {
			ok = ok || f.Check == h.check && strings.Contains(f.Key, here.Replace(h.key)) && (h.column == "" || f.Column == h.column) &&
				strings.Contains(f.Want, h.want) && strings.Contains(f.Have, h.have)
		}
		if !ok {
			b.t.Errorf("%s\nis not found as %+v, but as:", here.Replace(h.sql), h)
			for _, f := range found {
				b.t.Errorf("  %s", f)
			}
		}
	}
}

// tamper changes rows as a superuser who has switched the triggers off, for the length of one transaction that is always
// rolled back, and gives what Verify finds in it.
func (b *books) tamper(sql string) []audit.Finding {
	b.t.Helper()
	ctx := b.t.Context()
	tx, err := b.db.Begin(ctx)
	must(b.t, err)
	defer tx.Rollback(ctx)
	_, err = tx.Exec(ctx, `SET LOCAL session_replication_role = replica`)
	must(b.t, err)
	tag, err := tx.Exec(ctx, sql)
	must(b.t, err)
	if tag.RowsAffected() == 0 {
		b.t.Fatalf("%s changed nothing", sql)
	}
	verdict, err := audit.VerifyIn(ctx, tx, b.check)
	must(b.t, err)
	return verdict.Findings
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
