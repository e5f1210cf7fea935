package tracker

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/internal/event"
	"tributary/internal/keyring"
	"tributary/internal/postgres"
	"tributary/partners"
	"tributary/partners/catalogue"
	"tributary/partners/program"
	"tributary/test/engines"
	"tributary/tracker/clickid"
	"tributary/tracker/spool"
)

func TestMain(m *testing.M) { engines.Main(m) }

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

const (
	partitions = 3
	day        = 24 * time.Hour
)

// edge is a tracker on loopback with a real spool and a real database, and two shops in it.
type edge struct {
	*Server

	url       string
	db        *pgxpool.Pool
	catalogue *catalogue.Catalogue
	spool     *spool.Spool
	ring      *clickid.Ring
	mine      shop
	theirs    shop
}

// shop is a merchant with a program, a partner, a link and a key.
type shop struct {
	merchant program.MerchantID
	program  program.ProgramID
	partner  program.PartnerID
	link     *partners.Link
	key      string
	keyID    program.KeyID
	// secret is that of the key signer.
	secret string
	signer program.KeyID
}

// newEdge starts a tracker; change may alter its configuration.
func newEdge(tb testing.TB, change func(*Config)) *edge {
	tb.Helper()
	e := &edge{db: engines.Postgres(tb)}
	e.mine = newShop(tb, e.db, "GBP", "JPY")
	e.theirs = newShop(tb, e.db, "EUR")
	e.start(tb, change)
	return e
}

// start starts a tracker on the network in e.db.
func (e *edge) start(tb testing.TB, change func(*Config)) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
	running := make(chan error, 3)
	run := func(f func(context.Context) error) { go func() { running <- f(ctx) }() }

	cfg := Config{Partitions: partitions, RedirectWait: 5 * time.Second, StoreWait: 10 * time.Second}
	var err error
	cfg.Catalogue = catalogue.New(e.db, quiet()).WithSigners()
	must(tb, cfg.Catalogue.Load(ctx))
	cfg.Spool, err = spool.Open(spool.Config{Dir: tb.TempDir(), Lanes: 2 * partitions})
	must(tb, err)
	key := keyring.Generate(1)
	cfg.Ring, err = clickid.NewRing([]keyring.Key{key})
	must(tb, err)
	if change != nil {
		change(&cfg)
	}
	e.catalogue, e.spool, e.ring = cfg.Catalogue, cfg.Spool, cfg.Ring
	e.Server, err = New(cfg)
	must(tb, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(tb, err)
	e.url = "http://" + l.Addr().String()
	run(e.catalogue.Run)
	run(e.spool.Run)
	run(func(ctx context.Context) error { return e.Serve(ctx, l) })
	tb.Cleanup(func() {
		cancel()
		for range cap(running) {
			if err := <-running; err != nil {
				tb.Error(err)
			}
		}
		must(tb, e.spool.Close())
	})
}

func newShop(tb testing.TB, db *pgxpool.Pool, currencies ...string) shop {
	tb.Helper()
	ctx := tb.Context()
	var s shop
	must(tb, postgres.InTx(ctx, db, func(tx pgx.Tx) (err error) {
		if s.merchant, err = partners.CreateMerchant(ctx, tx, "Shop"); err != nil {
			return err
		}
		s.program, err = partners.CreateProgram(ctx, tx, partners.NewProgram{
			Merchant: s.merchant, Name: "Partners", LandingURL: "https://shop.example/", Currencies: currencies,
			Terms: []program.Version{{Document: program.NewDocument(day, 0, 0, program.Rates{program.Site: {program.AnyCategory: 100_000}})}},
		})
		if err != nil {
			return err
		}
		if s.partner, err = partners.CreatePartner(ctx, tx, partners.NewPartner{Kind: program.Site, Name: "Blog"}); err != nil {
			return err
		}
		if err = partners.Enrol(ctx, tx, s.program, s.partner); err != nil {
			return err
		}
		if s.key, s.keyID, err = partners.IssueKey(ctx, tx, s.merchant, "", partners.Reporting); err != nil {
			return err
		}
		s.secret, s.signer, err = partners.IssueSigner(ctx, tx, s.merchant, "", partners.Reporting)
		return err
	}))
	s.link = s.newLink(tb, db, "https://shop.example/boots?colour=brown#size")
	return s
}

func (s *shop) newLink(tb testing.TB, db *pgxpool.Pool, target string) *partners.Link {
	tb.Helper()
	link, err := partners.CreateLink(tb.Context(), db, partners.NewLink{Program: s.program, Partner: s.partner, Target: target})
	must(tb, err)
	return link
}

// records reads everything that is in the spool at this moment.
func (e *edge) records(tb testing.TB) []*event.Event {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	cancel() // what is there is read; nothing more is waited for
	reader, err := e.spool.Reader(spool.Cursor{})
	must(tb, err)
	var events []*event.Event
	for {
		record, err := reader.Next(ctx)
		if errors.Is(err, context.Canceled) {
			must(tb, reader.Close())
			return events
		}
		must(tb, err)
		decoded, err := event.Decode(append([]byte(nil), record.Payload...))
		must(tb, err)
		want := e.Intake.touchLane(decoded.GetClick().GetClickId())
		switch {
		case decoded.GetSale() != nil:
			want = e.Intake.orderLane(decoded)
		case decoded.GetRefund() != nil:
			want = e.Intake.orderLane(decoded)
		}
		if record.Lane != want {
			tb.Errorf("a record is in lane %d, want %d", record.Lane, want)
		}
		events = append(events, decoded)
	}
}

// answer is what came back for a request.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask makes one request and follows no redirect. Headers come as name and value in turn; a name may come again.
func (e *edge) ask(tb testing.TB, method, path string, body io.Reader, headers ...string) answer {
	tb.Helper()
	r, err := http.NewRequestWithContext(tb.Context(), method, e.url+path, body)
	must(tb, err)
	r.Header.Set("User-Agent", firefox)
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "User-Agent" {
			r.Header.Del("User-Agent")
		}
		r.Header.Add(headers[i], headers[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	must(tb, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	must(tb, err)
	return answer{res.StatusCode, res.Header, string(text)}
}

const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// eventually waits for a condition, for at most a minute.
func eventually(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			tb.Fatalf("%s: not after a minute", what)
		case <-tick.C:
		}
	}
}
