package dashboard

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/protobuf/proto"

	"tributary/commission"
	"tributary/commission/ledger"
	"tributary/commission/ledger/chart"
	"tributary/internal/clickhouse"
	"tributary/internal/event"
	"tributary/internal/money"
	"tributary/internal/postgres"
	"tributary/partners"
	"tributary/partners/access"
	"tributary/partners/catalogue"
	"tributary/partners/program"
	"tributary/report"
	"tributary/test/engines"
)

func TestMain(m *testing.M) { engines.Main(m) }

// A world is a network in fresh databases, with the rows that the stages before the pages would have written.
type world struct {
	t      testing.TB
	owner  *pgxpool.Pool
	pool   *pgxpool.Pool // the dashboard's own
	access *access.DB
	ch     clickhouse.Conn
	server *Server
	// network is reloaded by learn after changes.
	network  *catalogue.Catalogue
	programs *partners.Programs
	books    *ledger.Books
	now      time.Time
	serial   uint64
	// bulk keeps what goes to ClickHouse until flush is called.
	bulk bool
	// sub1 and referrer are those of the clicks to come.
	sub1, referrer                   string
	orderRows, ledgerRows, clickRows [][]any

	// said are reviews of the order of targets by the people of a log-in, and orderNo is that order.
	said    map[string]int64
	orderNo int64

	shop, rival          program.MerchantID
	program, other       program.ProgramID
	site, member, outsid program.PartnerID
	link, memberLink     *partners.Link
	foreign              *partners.Link
}

const thePassword = "correct horse battery"

// theHash is made once: a hash is meant to take long.
var theHash = sync.OnceValues(func() (string, error) { return HashPassword(thePassword) })

// newWorld makes two merchants: shop, with the partners site and member, and rival, with the partner outsid.
func newWorld(tb testing.TB) *world {
	tb.Helper()
	w := emptyWorld(tb)
	w.shop, w.rival = w.merchant("Alder & Finch"), w.merchant("Kestrel Outdoor")
	w.program = w.newProgram(w.shop, "Alder & Finch Home", "https://alder.example/", []string{"GBP", "EUR"})
	w.other = w.newProgram(w.rival, "Kestrel Trails", "https://kestrel.example/", []string{"USD"})
	w.site = w.partner(program.Site, "The Slow Kitchen", "https://slowkitchen.example", w.program)
	w.member = w.partner(program.Member, "Mira Okafor", "", w.program)
	w.outsid = w.partner(program.Site, "Ridge Notes", "https://ridge.example", w.other)
	w.link = w.newLink(w.program, w.site, "slow-kitchen", "Sidebar")
	w.memberLink = w.newLink(w.program, w.member, "mira", "")
	w.foreign = w.newLink(w.other, w.outsid, "ridge", "")
	w.login("site@example.net", "partner", w.site, 0)
	w.login("member@example.net", "partner", w.member, 0)
	w.login("outsider@example.net", "partner", w.outsid, 0)
	w.login("shop@example.net", "merchant", 0, w.shop)
	w.login("rival@example.net", "merchant", 0, w.rival)
	w.login("operator@example.net", "operator", 0, 0)
	w.learn()
	return w
}

// emptyWorld is databases without a network.
func emptyWorld(tb testing.TB) *world {
	tb.Helper()
	url := engines.PostgresURL(tb)
	w := &world{t: tb, books: ledger.NewBooks(), now: time.Now().UTC().Truncate(time.Second)}
	var err error
	w.owner, err = pgxpool.New(tb.Context(), url)
	w.must(err)
	pool, err := postgres.Open(context.Background(), engines.As(url, postgres.Dashboard), postgres.Dashboard, 8)
	w.must(err)
	w.ch, err = clickhouse.Open(engines.ClickHouseMigrated(tb), 4)
	w.must(err)
	tb.Cleanup(func() {
		w.owner.Close()
		pool.Close()
		_ = w.ch.Close()
	})
	w.network, w.programs = catalogue.New(w.owner, slog.New(slog.DiscardHandler)), partners.NewPrograms()
	w.pool, w.access = pool, access.New(pool)
	w.server, err = New(Config{
		Access: w.access, Reports: report.New(w.access, w.ch), Partitions: 8, URL: "https://network.example.net", TrackerURL: "https://go.example.net", Log: slog.New(slog.NewTextHandler(tb.Output(), nil)),
	})
	w.must(err)
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// must1 is must for a statement whose effect is of no matter.
func (w *world) must1(_ any, err error) {
	w.t.Helper()
	w.must(err)
}

const aDay = 24 * time.Hour

func orTime(t, otherwise time.Time) time.Time {
	if t.IsZero() {
		return otherwise
	}
	return t
}

func number10(n int64) string { return strconv.FormatInt(n, 10) }

// learn makes what was written to the network known to decisions.
func (w *world) learn() {
	w.must(w.network.Load(w.t.Context()))
	w.must(w.programs.Refresh(w.t.Context(), w.owner))
}

func (w *world) merchant(name string) program.MerchantID {
	id, err := partners.CreateMerchant(w.t.Context(), w.owner, name)
	w.must(err)
	return id
}

// newProgram pays sites 8 % (10 % on books) and members 5 %, since forever; from two weeks before today a point more.
func (w *world) newProgram(id program.MerchantID, name, landing string, currencies []string) program.ProgramID {
	terms := func(from time.Time, more money.Rate) program.Version {
		return program.Version{EffectiveFrom: from, Document: program.NewDocument(30*aDay, 30*aDay, 200_000, program.Rates{
			program.Site:   {program.AnyCategory: 80_000 + more, "books": 100_000 + more, "gift cards": 0},
			program.Member: {program.AnyCategory: 50_000 + more},
		})}
	}
	return w.newProgramOf(partners.NewProgram{
		Merchant: id, Name: name, LandingURL: landing, Currencies: currencies,
		Terms: []program.Version{terms(w.now.Add(-400*aDay), 0), terms(w.now.Truncate(aDay).Add(-14*aDay), 10_000)},
	})
}

func (w *world) newProgramOf(n partners.NewProgram) (id program.ProgramID) {
	w.must(postgres.InTx(w.t.Context(), w.owner, func(tx pgx.Tx) (err error) {
		id, err = partners.CreateProgram(w.t.Context(), tx, n)
		return err
	}))
	return id
}

func (w *world) partner(kind program.Kind, name, site string, programs ...program.ProgramID) program.PartnerID {
	id, err := partners.CreatePartner(w.t.Context(), w.owner, partners.NewPartner{Kind: kind, Name: name, SiteURL: site})
	w.must(err)
	for _, p := range programs {
		w.must(partners.Enrol(w.t.Context(), w.owner, p, id))
	}
	return id
}

func (w *world) newLink(programID program.ProgramID, partner program.PartnerID, code, label string) *partners.Link {
	l, err := partners.CreateLink(w.t.Context(), w.owner, partners.NewLink{Program: programID, Partner: partner, Code: code, Label: label})
	w.must(err)
	return l
}

// login makes an owner of a partner, of a merchant, or of the network.
func (w *world) login(email, who string, partner program.PartnerID, merchant program.MerchantID) program.LoginID {
	return w.person(email, access.Owner, access.Scope{Network: audience(who) == operatorOnly, Partner: partner, Merchant: merchant})
}

// person makes somebody with a role in an organisation.
func (w *world) person(email string, role access.Role, in access.Scope) program.LoginID {
	hash, err := theHash()
	w.must(err)
	id, err := access.CreateLogin(w.t.Context(), w.owner, access.NewLogin{Email: email, Name: email, PasswordHash: hash, Seat: access.NewSeat{Scope: in, Role: role}})
	w.must(err)
	return id
}

// seatOf is the number of somebody's first seat.
func (w *world) seatOf(email string) (id string) {
	w.must(w.owner.QueryRow(w.t.Context(), `SELECT min(t.id)::text FROM seat t JOIN login l ON l.id = t.login_id WHERE l.email = $1`, email).Scan(&id))
	return id
}

// seat gives somebody a further seat.
func (w *world) seat(email string, role access.Role, in access.Scope) program.SeatID {
	id, err := access.AddSeat(w.t.Context(), w.owner, email, access.NewSeat{Scope: in, Role: role})
	w.must(err)
	return id
}

// A sale is an order to be reported; zero fields get plain values.
type sale struct {
	disputes []commission.Dispute
	reviews  []commission.Review
	merchant program.MerchantID
	id       string
	at       time.Time
	currency string
	lines    []*event.Line
	link     *partners.Link // clicked; nil for an order without a click
	clicked  time.Time      // an hour before the order when zero
	coupon   string
	customer string
	refunds  []*event.Refund // at the time of their map's entry in refundedAt
	refunded time.Time       // an hour after the order when zero
	noSale   bool            // only the refunds are known
	late     time.Duration   // from the order to its receipt; a second when zero
	imported bool
	key      program.KeyID // that reported it, from the network
	network  string
	decide   commission.Decider // commission.Decide when nil
	change   func(*event.Sale)  // what else the report says
	adds     func(*event.Sale)  // what another report says an hour later
}

// order writes what the engine and the loader would have made of an order, and returns its number.
func (w *world) order(o sale) int64 {
	w.t.Helper()
	if o.merchant == 0 {
		o.merchant = w.shop
	}
	if o.currency == "" {
		o.currency = "GBP"
	}
	if o.lines == nil {
		o.lines = []*event.Line{{Number: 1, Sku: "A-1", Quantity: 2, Amount: 5999, Category: "books"}}
	}
	if o.at.IsZero() {
		o.at = w.now.Add(-2 * time.Hour)
	}
	events := w.events(o)
	folded, err := commission.Fold(events, commission.Said{Reviews: o.reviews, Disputes: o.disputes})
	w.must(err)
	var evidence commission.Evidence
	if l := o.link; l != nil {
		sold, _ := w.programs.Program(l.Program)
		partner, _ := w.network.Partner(l.Partner)
		evidence.Candidates = append(evidence.Candidates, commission.Candidate{
			Kind:  commission.TouchClick,
			Click: commission.Click{ID: folded.ClickID, Link: l.ID, At: orTime(o.clicked, o.at.Add(-time.Hour)).Truncate(time.Millisecond)},
			Link:  sold.LinkTerms(l.ID, l.Partner, partner.Kind, folded.At),
		})
	}
	for _, v := range folded.Visits()[len(evidence.Candidates):] {
		evidence.Candidates = append(evidence.Candidates, commission.Candidate{
			Kind: v.TouchKind(), Click: commission.Click{ID: v.ClickID, Refused: commission.MalformedClickID},
		})
	}
	if o.decide == nil {
		o.decide = commission.Decide
	}
	d, err := o.decide(folded, evidence)
	w.must(err)
	var no int64
	w.must(postgres.InTx(w.t.Context(), w.owner, func(tx pgx.Tx) error {
		if err := tx.QueryRow(w.t.Context(), `SELECT nextval('order_no')`).Scan(&no); err != nil {
			return err
		}
		return w.write(tx, no, d, events)
	}))
	w.report(no, d, events)
	return no
}

// events are what the shop reports of a sale.
func (w *world) events(o sale) []*event.Event {
	var events []*event.Event
	add := func(at time.Time) *event.Event {
		e, err := event.New(at.Add(time.Second), at)
		w.must(err)
		e.ApiKeyId, e.IpPrefix, e.Imported = int64(o.key), o.network, o.imported
		events = append(events, e)
		return e
	}
	if !o.noSale {
		s := &event.Sale{
			MerchantId: int64(o.merchant), OrderId: o.id, Currency: o.currency, Lines: o.lines, Coupon: o.coupon, CustomerId: o.customer,
		}
		if o.link != nil {
			w.serial++
			s.ClickId = fmt.Sprintf("v1.k1.%s-%04d", o.link.Code, w.serial)
		}
		if o.change != nil {
			o.change(s)
		}
		s.ContentHash = event.SaleHash(s, 0)
		e := add(o.at)
		e.Body = &event.Event_Sale{Sale: s}
		if o.late > 0 {
			e.ReceivedAt = event.Micros(o.at.Add(o.late))
		}
		if o.adds != nil {
			more := proto.CloneOf(s)
			o.adds(more)
			more.ContentHash = event.SaleHash(more, 0)
			e := add(o.at)
			e.Body, e.ReceivedAt = &event.Event_Sale{Sale: more}, event.Micros(o.at.Add(time.Hour))
		}
	}
	for i, r := range o.refunds {
		r.MerchantId, r.OrderId = int64(o.merchant), o.id
		if r.GetRefundId() == "" {
			r.RefundId = "R-" + strconv.Itoa(i+1)
		}
		r.ContentHash = event.RefundHash(r, 0)
		add(orTime(o.refunded, o.at.Add(time.Hour))).Body = &event.Event_Refund{Refund: r}
	}
	return events
}

// write stores an order as the engine does.
func (w *world) write(tx pgx.Tx, no int64, d commission.Decision, events []*event.Event) error {
	ctx, o := w.t.Context(), &d.Order
	var at, received *time.Time
	if o.Placed() {
		at, received = &o.At, &o.Received
	}
	customer := ""
	for _, t := range d.Touches {
		if t.Kind == commission.TouchCustomer {
			customer = t.ID
		}
	}
	_, err := tx.Exec(ctx, `INSERT INTO orders (no, merchant_id, order_id, lane, version, occurred_at, currency, lines, amount, refunded, customer_id, outcome, over_refund, decision, received_at, late, refund_oddities, keys, goal)
		VALUES ($1, $2, $3, 0, 1, $4, nullif($5, ''), $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`, no, int64(o.Merchant), o.ID, at, o.Currency, len(o.Lines), o.Amount,
		o.Refunded, customer, string(d.Outcome), o.OverRefund, d.AppendJSON(nil), received, o.Late, len(o.Excess), events[0].Fact().Keys, o.Goal)
	if err != nil {
		return err
	}
	for i, e := range events {
		fact := e.Fact()
		if i > 0 && fact.Kind.IsSale() {
			fact.Kind, fact.Ref = event.KindAddition, event.AdditionRef(e.Content())
		}
		if err := w.writeEvent(tx, `INSERT INTO order_event (order_no, kind, ref, event_id, occurred_at, received_at, content_hash, payload, api_key_id, ip_prefix, imported) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`, no, e, fact); err != nil {
			return err
		}
	}
	for i := range d.Credits {
		c := &d.Credits[i]
		pending, payable := c.Net, int64(0)
		if c.Released(w.now) {
			pending, payable = 0, c.Net
		}
		_, err := tx.Exec(ctx, `INSERT INTO commission (order_no, partner_id, merchant_id, program_id, link_id, lane, occurred_at, currency, lines, revenue, refunded, gross, net, fee, hold_until, state, pending, payable, role, unit, leads, counts)
			VALUES ($1, $2, $3, $4, $5, 0, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, true)`, no, int64(c.Partner), int64(c.Merchant), int64(c.Program), int64(c.Link),
			c.OrderedAt, o.Currency, c.Lines, c.Revenue, c.Refunded, c.Gross, c.Net, c.Fee, c.HoldUntil, string(c.State(w.now)), pending, payable,
			c.Role.String(), c.Unit, i == 0)
		if err != nil {
			return err
		}
	}
	return w.post(tx, no, d.Movements(w.now))
}

func (w *world) writeEvent(tx pgx.Tx, sql string, no int64, e *event.Event, fact event.Fact) error {
	payload, err := e.MarshalVT()
	if err != nil {
		return err
	}
	_, err = tx.Exec(w.t.Context(), sql, no, fact.Kind, fact.Ref, uuid.UUID(e.GetId()), event.Time(e.GetOccurredAt()), event.Time(e.GetReceivedAt()), e.Content(), payload, e.GetApiKeyId(), e.GetIpPrefix(), e.GetImported())
	return err
}

func (w *world) post(tx pgx.Tx, no int64, movements []commission.Movement) error {
	account := func(kind chart.Kind, m commission.Movement) ledger.Account {
		a := ledger.Account{Kind: kind, Merchant: m.Merchant, Unit: m.Unit}
		if kind.Entry().Owner.HasPartner() {
			a.Partner = m.Partner
		}
		if kind.Entry().Owner.HasMember() {
			a.Customer = m.Customer
		}
		return a
	}
	postings := make([]ledger.Posting, len(movements))
	for i, m := range movements {
		postings[i] = ledger.Posting{
			Source: chart.OfOrder, No: no, Version: 1, N: int16(i), Debit: account(m.Debit, m), Credit: account(m.Credit, m),
			Amount: m.Amount, EffectiveAt: m.At,
		}
	}
	return w.books.Post(w.t.Context(), tx, postings)
}

// report writes an order to ClickHouse as the loader does, or keeps it for flush.
func (w *world) report(no int64, d commission.Decision, events []*event.Event) {
	customer := ""
	for _, t := range d.Touches {
		if t.Kind == commission.TouchCustomer {
			customer = t.ID
		}
	}
	for _, e := range events {
		if s := e.GetSale(); s != nil {
			w.orderRows = append(w.orderRows, []any{
				uuid.UUID(e.GetId()), "sale", event.Time(e.GetReceivedAt()), event.Time(e.GetOccurredAt()),
				s.GetMerchantId(), s.GetOrderId(), s.GetCurrency(), d.Order.Amount, s.GetCustomerId(), s.GetGoal(), s.GetTest(),
			})
		}
	}
	if o := &d.Order; o.Placed() && len(d.Credits) == 0 && !o.Test {
		// The engine reports orders on which nobody earns under partner 0.
		w.ledgerRows = append(w.ledgerRows, []any{
			uuid.New(), o.At, o.At, o.At, no, int32(1), int64(o.Merchant), int64(0), int64(0), int64(0),
			o.ID, customer, o.Currency, "sale", int32(1), o.Amount, o.Refunded, int64(0), int64(0), int64(0), int64(0), false,
		})
	}
	for i := range d.Credits {
		c := &d.Credits[i]
		w.ledgerRows = append(w.ledgerRows, []any{
			uuid.New(), c.OrderedAt, c.OrderedAt, c.OrderedAt, no, int32(1), int64(c.Merchant), int64(c.Program), int64(c.Partner), int64(c.Link),
			d.Order.ID, customer, c.Unit, "sale", int32(1), c.Revenue, c.Refunded, c.Gross, c.Net, c.Fee, c.Net, i > 0,
		})
	}
	if !w.bulk {
		w.flush()
	}
}

// flush sends what is kept for ClickHouse.
func (w *world) flush() {
	w.insert("order_event (event_id, kind, received_at, occurred_at, merchant_id, order_id, currency, amount, customer_id, goal, test)", w.orderRows)
	w.insert("ledger (event_id, received_at, occurred_at, ordered_at, order_no, version, merchant_id, program_id, partner_id, link_id, order_id, customer_id, currency, cause, orders, revenue, refunded, gross, net, fee, pending, further)", w.ledgerRows)
	w.insert("touch (event_id, kind, received_at, occurred_at, merchant_id, program_id, partner_id, link_id, click_id, sub1, referrer)", w.clickRows)
	w.orderRows, w.ledgerRows, w.clickRows = nil, nil, nil
}

func (w *world) insert(into string, rows [][]any) {
	if len(rows) == 0 {
		return
	}
	batch, err := w.ch.PrepareBatch(w.t.Context(), "INSERT INTO "+into)
	w.must(err)
	defer func() { _ = batch.Close() }()
	for _, r := range rows {
		w.must(batch.Append(r...))
	}
	w.must(batch.Send())
}

// conflict stores a second report of an order that says something else.
func (w *world) conflict(no int64, o sale) {
	if o.merchant == 0 {
		o.merchant = w.shop
	}
	o.at = orTime(o.at, w.now.Add(-time.Hour))
	for _, e := range w.events(o) {
		w.must(postgres.InTx(w.t.Context(), w.owner, func(tx pgx.Tx) error {
			payload, err := e.MarshalVT()
			if err != nil {
				return err
			}
			hash := binary.BigEndian.AppendUint64(e.GetSale().GetContentHash()[:8:8], w.serial)
			_, err = tx.Exec(w.t.Context(), `INSERT INTO order_conflict (order_no, merchant_id, kind, ref, content_hash, event_id, received_at, payload, api_key_id, ip_prefix, imported) VALUES ($1, $2, 1, '', $3, $4, $5, $6, $7, $8, $9)`,
				no, int64(o.merchant), hash, uuid.UUID(e.GetId()), event.Time(e.GetReceivedAt()), payload, e.GetApiKeyId(), e.GetIpPrefix(), e.GetImported())
			return err
		}))
	}
}

// clicks writes n clicks on a link at a time, or keeps them for flush.
func (w *world) clicks(l *partners.Link, at time.Time, n int) {
	for range n {
		w.clickRows = append(w.clickRows, []any{uuid.New(), "click", at, at, int64(l.Merchant), int64(l.Program), int64(l.Partner), int64(l.ID), "c", w.sub1, w.referrer})
	}
	if !w.bulk {
		w.flush()
	}
}
