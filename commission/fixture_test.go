package commission

import (
	"crypto/sha256"
	"slices"
	"time"

	"pgregory.net/rapid"

	"tributary/commission/ledger/chart"
	"tributary/internal/event"
	"tributary/internal/money"
	"tributary/partners"
	"tributary/partners/program"
)

// noon is when the orders of these tests are placed, unless they say otherwise.
func noon() time.Time { return time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC) }

const day = 24 * time.Hour

// ended is later than all holds of these tests.
func ended() time.Time { return noon().AddDate(100, 0, 0) }

// until ends all holds, or none.
func until(released bool) time.Time {
	if released {
		return ended()
	}
	return time.Time{}
}

// goods are a line of so many pieces for an amount.
func goods(number int64, sku, category string, quantity, amount int64) *event.Line {
	return &event.Line{Number: number, Sku: sku, Category: category, Quantity: quantity, Amount: amount}
}

// sold is the sale of order "A1" of merchant 1 at noon, in GBP, with a click.
func sold(lines ...*event.Line) *event.Event {
	return &event.Event{
		Id: idOf("sale"), ReceivedAt: event.Micros(noon()), OccurredAt: event.Micros(noon()),
		Body: &event.Event_Sale{Sale: &event.Sale{MerchantId: 1, OrderId: "A1", Currency: "GBP", Lines: lines, ClickId: "click"}},
	}
}

// refunded is a refund of order "A1" some time after noon: of an amount, of items, or of all that is left.
func refunded(id string, after time.Duration, amount int64, items ...*event.RefundItem) *event.Event {
	at := event.Micros(noon().Add(after))
	return &event.Event{
		Id: idOf(id), ReceivedAt: at, OccurredAt: at,
		Body: &event.Event_Refund{Refund: &event.Refund{MerchantId: 1, OrderId: "A1", RefundId: id, Amount: amount, Items: items, WholeOrder: amount == 0 && len(items) == 0}},
	}
}

func piecesOf(line int64, quantity int64) *event.RefundItem {
	return &event.RefundItem{Line: line, Quantity: quantity}
}

func wholeLine(line int64) *event.RefundItem {
	return &event.RefundItem{Line: line, WholeLine: true}
}

func amountOf(line int64, amount int64) *event.RefundItem {
	return &event.RefundItem{Line: line, Amount: amount}
}

// idOf is an event id made from a name.
func idOf(name string) []byte {
	sum := sha256.Sum256([]byte(name))
	return sum[:16]
}

// rates pays a site by category.
func rates(byCategory map[string]money.Rate) program.Rates {
	return program.Rates{program.Site: byCategory}
}

// linkTerms is link 7 of partner 3, a site, in program 2 of merchant 1, under the given terms. Terms without a date are in
// force since 2020, with a window and a hold of 30 days.
func linkTerms(at time.Time, terms ...program.Terms) program.LinkTerms {
	for i := range terms {
		t := &terms[i]
		if t.EffectiveFrom.IsZero() {
			t.EffectiveFrom = time.Date(2020, time.January, 1, 0, 0, 0, 0, time.UTC)
		}
		t.Version = i + 1
		if t.Window == 0 {
			t.Window, t.Hold = 30*day, 30*day
		}
	}
	sold := &partners.Program{ID: 2, Merchant: 1, Currencies: []string{"EUR", "GBP"}, Terms: terms}
	return sold.LinkTerms(7, 3, program.Site, at)
}

// tenPercent pays a site 10 % of everything, the network 20 % of that.
func tenPercent() program.LinkTerms {
	return linkTerms(noon(), program.Terms{NetworkFee: 200_000, Rates: rates(map[string]money.Rate{"*": 100_000})})
}

// clicked is a click on link 7 some time before noon.
func clicked(before time.Duration) Click {
	return Click{ID: "click", Link: 7, At: noon().Add(-before).Truncate(time.Millisecond)}
}

func mustFold(t rapid.TB, events ...*event.Event) Order {
	t.Helper()
	o, err := Fold(events, Said{})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// decide decides on an order with one click.
func decide(o Order, click Click, found program.LinkTerms) Decision {
	var e Evidence
	if len(o.Visits()) > 0 {
		e.Candidates = []Candidate{{Kind: TouchClick, Click: click, Link: found}}
	}
	d, err := Decide(o, e)
	if err != nil {
		panic(err)
	}
	return d
}

// mustDecide is the decision on the events with a click an hour before noon.
func mustDecide(t rapid.TB, found program.LinkTerms, events ...*event.Event) Decision {
	t.Helper()
	return decide(mustFold(t, events...), clicked(time.Hour), found)
}

// account names an account of the books of these tests.
type account struct {
	kind     chart.Kind
	merchant program.MerchantID
	partner  program.PartnerID
	unit     string
}

// balances are credits less debits of each account as of a time, without those at zero.
func balances(movements []Movement, asOf time.Time) map[account]int64 {
	sums := map[account]int64{}
	for _, m := range movements {
		if m.At.After(asOf) {
			continue
		}
		sums[accountOf(m, m.Debit)] -= m.Amount
		sums[accountOf(m, m.Credit)] += m.Amount
	}
	for a, sum := range sums {
		if sum == 0 {
			delete(sums, a)
		}
	}
	return sums
}

func accountOf(m Movement, kind chart.Kind) account {
	a := account{kind: kind, merchant: m.Merchant, unit: m.Unit}
	if kind.Entry().Owner.HasPartner() {
		a.partner = m.Partner
	}
	return a
}

// instants are all the times at which one of the movements takes effect, and one before them.
func instants(lists ...[]Movement) []time.Time {
	at := []time.Time{{}}
	for _, list := range lists {
		for _, m := range list {
			at = append(at, m.At)
		}
	}
	slices.SortFunc(at, time.Time.Compare)
	return slices.CompactFunc(at, time.Time.Equal)
}

// holds sums the accounts of a kind.
func holds(movements []Movement, asOf time.Time, kind chart.Kind) int64 {
	sum := int64(0)
	for a, balance := range balances(movements, asOf) {
		if a.kind == kind {
			sum += balance
		}
	}
	return sum
}
