package fire

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"pgregory.net/rapid"

	"tributary/commission"
	"tributary/commission/ledger/chart"
	"tributary/commission/period"
	"tributary/internal/event"
	"tributary/internal/keyring"
	"tributary/internal/postgres"
	"tributary/partners"
	"tributary/partners/catalogue"
	"tributary/partners/program"
	"tributary/test/chaos/model"
	"tributary/test/engines"
)

// The model and the engine's own decision were written apart. They must say the same of every history of an order: what
// is earned, in which state, and on which accounts.
func TestTheModelAndTheEngineAgree(t *testing.T) {
	t.Parallel()
	url := engines.PostgresURL(t)
	world, err := NewWorld(t.Context(), engines.As(url, postgres.Operator), keyring.Generate(1))
	if err != nil {
		t.Fatal(err)
	}
	db, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	network := catalogue.New(db, slog.New(slog.DiscardHandler))
	if err := network.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	programs := partners.NewPrograms()
	if err := programs.Refresh(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC().Truncate(time.Second).Add(2 * time.Minute) // the second terms of a program are in force by then
	rapid.Check(t, func(t *rapid.T) {
		h := drawHistory(t, world, now)
		books := model.NewBooks(&world.World)
		books.Sell(h.sale)
		for _, r := range h.refunds {
			books.TakeBack(r)
		}
		for _, said := range h.said {
			books.Say(said)
		}
		orders, balances := books.Close(now)
		order, decided := h.decide(t, network, programs, now)
		if diff := cmp.Diff(orders[h.sale.OrderKey], order); diff != "" {
			t.Fatalf("the model and the engine disagree on %+v:\n%s", h, diff)
		}
		if diff := cmp.Diff(balances, sumOf(append(decided.Movements(now), monthOf(t, &decided, now)...))); diff != "" {
			t.Fatalf("the model and the engine disagree on the accounts after %+v:\n%s", h, diff)
		}
	})
}

// history is everything that was reported and said of one order.
type history struct {
	sale    model.Sale
	refunds []model.Refund
	said    []model.Said
}

func drawHistory(t *rapid.T, w *World, now time.Time) history {
	n := func(name string, low, high int64) int64 { return rapid.Int64Range(low, high).Draw(t, name) }
	merchant := rapid.SampledFrom(w.Merchants).Draw(t, "merchant")
	at := now.Add(-time.Duration(n("age of the order in ms", 0, 300_000)) * time.Millisecond)
	h := history{sale: model.Sale{
		OrderKey: model.OrderKey{Merchant: merchant.ID, Order: "A"}, At: at, Currency: rapid.SampledFrom(merchant.Currencies).Draw(t, "currency"),
		Received: at.Add(time.Duration(n("received after in ms", -1000, 3000)) * time.Millisecond), Imported: n("imported", 0, 4) == 0,
	}}
	if n("told late", 0, 2) == 0 {
		h.sale.Received = at.Add(time.Duration(n("late in ms", -400_000, 400_000)) * time.Millisecond)
	}
	sku := func(name string) string { return rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, name) }
	for range n("lines", 1, 4) {
		h.sale.Lines = append(h.sale.Lines, model.Line{
			SKU: sku("sku"), Category: rapid.SampledFrom([]string{"", "footwear", "toys", "service"}).Draw(t, "category"),
			Quantity: n("quantity", 1, 7), Amount: n("amount", 0, 100_000),
		})
	}
	if n("with a click", 0, 9) > 0 {
		place := rapid.SampledFrom(w.Places).Draw(t, "place")
		h.sale.Click = &model.Click{
			Link: place.Link, At: h.clicked(n("counted from", 0, 2), n("age of the click in ms", -2, 6000)),
			Forged: n("forged", 0, 19) == 0,
		}
	}
	for i := range n("refunds", 0, 5) {
		r := model.Refund{OrderKey: h.sale.OrderKey, ID: fmt.Sprint("r", 9-i), At: at.Add(time.Duration(n("after in ms", -3, 30)) * time.Millisecond)}
		if n("of an amount", 0, 2) == 0 {
			r.Amount = n("refunded amount", 1, 150_000)
		} else {
			for range n("items", 0, 3) {
				r.Items = append(r.Items, drawItem(t, n, sku))
			}
			r.Whole = len(r.Items) == 0
		}
		h.refunds = append(h.refunds, r)
	}
	h.drawSaid(t, w, n, now)
	return h
}

// drawSaid draws what people have said of the order, about the end of its hold more often than not.
func (h *history) drawSaid(t *rapid.T, w *World, n func(string, int64, int64) int64, now time.Time) {
	place := rapid.SampledFrom(w.Places).Draw(t, "claimed by")
	for i := range n("said", 0, 5) {
		s := model.Said{
			OrderKey: h.sale.OrderKey, ID: fmt.Sprint("s", 9-i), At: h.sale.At.Add(time.Duration(n("said after in ms", -1000, 25_000)) * time.Millisecond),
			Verb: rapid.SampledFrom([]string{"hold", "hold", "unhold", "unhold", "decline", "approve", "extend", "extend", "void", "grant", "refuse"}).Draw(t, "verb"),
		}
		if s.At.After(now) {
			s.At = now
		}
		switch s.Verb {
		case "grant", "refuse":
			link := w.Links[place.Link]
			s.Program, s.Partner = link.Program, link.Partner
			if place.Merchant != h.sale.Merchant || slices.ContainsFunc(h.said, func(o model.Said) bool { return o.Program != 0 }) {
				continue
			}
		case "extend":
			if n("to a time", 0, 1) == 0 {
				s.Until = h.sale.At.Add(time.Duration(n("until in ms", 0, 30_000)) * time.Millisecond)
			}
		case "hold", "unhold", "decline", "approve":
			if n("a share", 0, 2) == 0 {
				s.Partner = w.Links[place.Link].Partner
			}
		}
		h.said = append(h.said, s)
	}
	for i := range n("disputes", 0, 3) {
		d := model.Said{OrderKey: h.sale.OrderKey, ID: fmt.Sprint("d", 9-i), At: h.sale.At.Add(time.Duration(n("disputed after in ms", -1000, 25_000)) * time.Millisecond), Verb: "dispute"}
		if n("a part", 0, 2) > 0 {
			d.Amount = n("disputed amount", 1, 120_000)
		}
		h.said = append(h.said, d)
		if became := rapid.SampledFrom([]string{"", "won", "lost"}).Draw(t, "became"); became != "" {
			d.Verb, d.At = became, d.At.Add(time.Duration(n("settled after in ms", 1, 10_000))*time.Millisecond)
			h.said = append(h.said, d)
		}
	}
}

// told is what people said, as the engine reads it.
func (h *history) told() (all commission.Said) {
	states := map[string]commission.DisputeState{"dispute": commission.DisputeOpen, "won": commission.DisputeWon, "lost": commission.DisputeLost}
	for _, s := range h.said {
		if state, is := states[s.Verb]; is {
			all.Disputes = append(all.Disputes, commission.Dispute{ID: s.ID, At: s.At, Amount: s.Amount, Whole: s.Amount == 0, State: state})
			continue
		}
		if s.Program == 0 {
			all.Reviews = append(all.Reviews, commission.Review{ID: s.ID, At: s.At, Verb: commission.Verb(s.Verb), Partner: program.PartnerID(s.Partner), Until: s.Until})
			continue
		}
		became := commission.ClaimIsGranted
		if s.Verb == "refuse" {
			became = commission.ClaimIsDeclined
		}
		all.Claims = append(all.Claims, commission.Claim{ID: "claim", At: s.At, Program: program.ProgramID(s.Program), Partner: program.PartnerID(s.Partner), Outcome: became})
	}
	return all
}

// clicked is about so long before one of the times from which clicks are counted.
func (h *history) clicked(counted, age int64) time.Time {
	from := []time.Time{h.sale.At, h.sale.Received, h.sale.At.Add(5 * time.Minute)}[counted]
	return from.Add(-time.Duration(age) * time.Millisecond).Truncate(time.Millisecond)
}

func drawItem(t *rapid.T, n func(string, int64, int64) int64, sku func(string) string) model.Item {
	item := model.Item{Line: int(n("line", 1, 5))}
	if rapid.Bool().Draw(t, "by sku") {
		item = model.Item{SKU: sku("item's sku")}
	}
	switch n("how much", 0, 2) {
	case 0:
		item.Quantity = n("pieces", 1, 8)
	case 1:
		item.Amount = n("item's amount", 1, 120_000)
	default:
		item.Whole = true
	}
	return item
}

// decide asks the engine's rules, and gives the answer in the model's words.
func (h *history) decide(t *rapid.T, network *catalogue.Catalogue, programs *partners.Programs, now time.Time) (model.Order, commission.Decision) {
	folded, err := commission.Fold(h.events(), h.told())
	if err != nil {
		t.Fatal(err)
	}
	visits, claims := len(folded.Visits()), folded.Claims
	candidates := make([]commission.Candidate, visits+len(claims))
	for i := range candidates[:visits] {
		c := h.sale.Click
		candidates[i].Kind = commission.TouchClick
		candidates[i].Click = commission.Click{ID: "click", Link: program.LinkID(c.Link), At: c.At}
		if c.Forged {
			candidates[i].Click.Refused = commission.ForgedClickID
		} else if link, ok := network.Link(program.LinkID(c.Link)); ok {
			partner, _ := network.Partner(link.Partner)
			candidates[i].Link = programs.LinkTerms(link.Program, link.ID, partner.ID, partner.Kind, folded.At)
		}
	}
	for i := range claims {
		c := &claims[i]
		partner, _ := network.Partner(c.Partner)
		candidates[visits+i] = commission.Candidate{
			Kind: commission.TouchClaim, Code: c.ID, Refused: c.Refused(&folded), Link: programs.LinkTerms(c.Program, 0, partner.ID, partner.Kind, folded.At),
		}
	}
	d, err := commission.Decide(folded, commission.Evidence{Candidates: candidates})
	if err != nil {
		t.Fatal(err)
	}
	o := model.Order{Placed: folded.Placed(), Credited: d.Outcome == commission.Credited, Void: d.Outcome == commission.Voided, Amount: folded.Amount, Refunded: folded.Refunded}
	if !o.Credited {
		return o, d
	}
	for i := range d.Credits {
		c := &d.Credits[i]
		said := model.Commission{
			Partner: int64(c.Partner), Role: c.Role.String(), Program: int64(c.Program), Link: int64(c.Link), Currency: c.Unit, Lines: c.Lines,
			Revenue: c.Revenue, Refunded: c.Refunded, Gross: c.Gross, Net: c.Net, Fee: c.Fee, State: string(c.State(now)),
		}
		e := d.Earning(i, now)
		said.Pending, said.Payable, said.Held = e.Pending, e.Payable, e.Held
		o.Commissions = append(o.Commissions, said)
	}
	return o, d
}

// monthOf is what a month in which there was nothing but a decision comes to.
func monthOf(t *rapid.T, d *commission.Decision, now time.Time) (all []commission.Movement) {
	var book period.Book
	book.Add(d)
	err := book.Settle(func(of period.Key, _ period.Rules, s *period.Settlement) { all = append(all, s.Movements(of, now)...) })
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// events are the history as the tracker writes it.
func (h *history) events() []*event.Event {
	s := &event.Sale{MerchantId: h.sale.Merchant, OrderId: h.sale.Order, Currency: h.sale.Currency}
	if h.sale.Click != nil {
		s.ClickId = "click"
	}
	for n, l := range h.sale.Lines {
		s.Lines = append(s.Lines, &event.Line{Number: int64(n + 1), Sku: l.SKU, Category: l.Category, Quantity: l.Quantity, Amount: l.Amount})
	}
	stamped := func(at time.Time) *event.Event {
		id := uuid.New()
		return &event.Event{Id: id[:], ReceivedAt: event.Micros(at), OccurredAt: event.Micros(at)}
	}
	sale := stamped(h.sale.At)
	sale.ReceivedAt, sale.Imported = event.Micros(h.sale.Received), h.sale.Imported
	sale.Body = &event.Event_Sale{Sale: s}
	events := []*event.Event{sale}
	if s.GetClickId() != "" { // a resolver has looked, and the visitor came once
		path := stamped(h.sale.At)
		path.Body = &event.Event_Path{Path: &event.Path{MerchantId: s.GetMerchantId(), OrderId: s.GetOrderId(), ClickId: s.GetClickId(), Touches: []*event.Touch{{ClickId: s.GetClickId(), Kind: uint32(event.PathClick)}}}}
		events = append(events, path)
	}
	for _, r := range h.refunds {
		back := &event.Refund{MerchantId: r.Merchant, OrderId: r.Order, RefundId: r.ID, Amount: r.Amount, WholeOrder: r.Whole}
		for _, item := range r.Items {
			back.Items = append(back.Items, &event.RefundItem{Line: int64(item.Line), Sku: item.SKU, Quantity: item.Quantity, Amount: item.Amount, WholeLine: item.Whole})
		}
		e := stamped(r.At)
		e.Body = &event.Event_Refund{Refund: back}
		events = append(events, e)
	}
	return events
}

// sumOf adds up movements by account.
func sumOf(movements []commission.Movement) map[model.Account]int64 {
	sums := map[model.Account]int64{}
	add := func(kind chart.Kind, m commission.Movement, amount int64) {
		a := model.Account{Kind: string(kind), Merchant: int64(m.Merchant), Currency: m.Unit}
		if kind == chart.PartnerPending || kind == chart.PartnerPayable || kind == chart.PartnerHeld {
			a.Partner = int64(m.Partner)
		}
		if kind != chart.MerchantReceivable { // all others grow by credits
			amount = -amount
		}
		if sums[a] += amount; sums[a] == 0 {
			delete(sums, a)
		}
	}
	for _, m := range movements {
		add(m.Debit, m, m.Amount)
		add(m.Credit, m, -m.Amount)
	}
	return sums
}
