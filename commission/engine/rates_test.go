package engine

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/commission/fx"
	"tributary/internal/event"
	"tributary/internal/postgres"
	"tributary/partners"
	"tributary/partners/program"
	"tributary/test/engines"
)

// Terms that pay in dollars, for orders in pounds and euros: what was published before an order was placed converts it, a later
// rate does not, and an order without a rate is kept with that reason until the rate is entered. One that would have converted what
// stands is refused.
func TestOrdersAreConvertedAsOfTheirTime(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	operator, err := postgres.Open(t.Context(), engines.As(w.url, postgres.Operator), postgres.Operator, 2)
	check(t, err)
	defer operator.Close()
	document, err := program.ParseDocument([]byte(`{"schema":1,"currency":"USD","hold":"30d","network_fee":200000,
		"attribution":{"touches":{"click":{"window":"30d"}}},"rules":[{"id":"all","pay":{"percent":100000}}]}`))
	check(t, err)
	var link program.LinkID
	check(t, postgres.InTx(t.Context(), w.db, func(tx pgx.Tx) error {
		id, err := partners.CreateProgram(t.Context(), tx, partners.NewProgram{
			Merchant: 1, Name: "in dollars", LandingURL: "https://shop.example/", Currencies: []string{"GBP", "EUR"},
			Terms: []program.Version{{EffectiveFrom: noon().AddDate(0, 0, -10), Document: document}},
		})
		check(t, err)
		check(t, partners.Enrol(t.Context(), tx, id, w.partners[0]))
		made, err := partners.CreateLink(t.Context(), tx, partners.NewLink{Program: id, Partner: w.partners[0]})
		check(t, err)
		link = made.ID
		return nil
	}))
	enter := func(rates string) (done fx.Entered) {
		t.Helper()
		entries, err := fx.Read(strings.NewReader("base,quote,day,rate,from\n"+rates), "Treasury")
		check(t, err)
		check(t, postgres.InTx(t.Context(), operator, func(tx pgx.Tx) (err error) {
			done, err = fx.Enter(t.Context(), tx, entries, "a test", "")
			return err
		}))
		return done
	}
	enter("EUR,USD,2026-02-27,1.10,2026-02-27T15:00:00Z\nEUR,USD,2026-03-01,1.50,2026-03-01T12:00:01Z\n")
	w.start(w.config("one"))
	in := func(order, currency string) *event.Event {
		e := sale(1, order, clickOn(link, noon().Add(-day)), 10_000)
		e.GetSale().Currency = currency
		e.GetSale().ContentHash = event.SaleHash(e.GetSale(), e.GetOccurredAt())
		return e
	}
	test := in("a test", "GBP")
	test.GetSale().Test = true
	test.GetSale().ContentHash = event.SaleHash(test.GetSale(), test.GetOccurredAt())
	w.send(in("euros", "EUR"), in("pounds", "GBP"), test)
	w.waitIdle()
	equal(t, "outcome", w.outcome(1, "euros"), "credited")
	equal(t, "commission", w.number(`SELECT net FROM commission WHERE unit = 'USD' AND currency = 'EUR'`), 1100)
	equal(t, "without a rate", w.outcome(1, "pounds"), "no_rate")
	lacks := func() []fx.Waiting {
		lacks, err := fx.ReadWaiting(t.Context(), operator)
		check(t, err)
		return lacks
	}
	placed := noon().Truncate(day)
	equal(t, "what is lacking", lacks(), []fx.Waiting{{From: "GBP", To: "USD", First: placed, Last: placed, Orders: 2}})

	done := enter("GBP,USD,2026-02-27,1.25,2026-02-27T15:00:00Z\n")
	equal(t, "entered", done, fx.Entered{Added: 1, Again: 2})
	w.waitIdle()
	equal(t, "with the rate", w.outcome(1, "pounds"), "credited")
	equal(t, "of a test order", w.outcome(1, "a test"), "test")
	equal(t, "its commission", w.number(`SELECT net FROM commission WHERE unit = 'USD' AND currency = 'GBP'`), 1250)
	equal(t, "its postings", w.number(`SELECT count(*) FROM posting p JOIN orders o ON o.no = p.source_no WHERE p.source = 1 AND o.order_id = 'pounds'`), 2)
	equal(t, "its decisions", w.number(`SELECT version FROM orders WHERE order_id = 'pounds'`), 2)
	equal(t, "what is lacking", len(lacks()), 0)

	done = enter("EUR,USD,2026-02-28,1.20,2026-02-28T15:00:00Z\n")
	equal(t, "one that would have converted an order", done, fx.Entered{Late: 1, Against: &fx.Against{
		Rate: commission.Rate{Base: "EUR", Quote: "USD", Day: placed.Add(-day), Source: "Treasury", Num: 120, Den: 100}, Merchant: 1, Order: "euros", From: "EUR", To: "USD", At: noon(),
	}})
	w.setClock(noon().Add(40 * 24 * time.Hour))
	w.eventually("its hold ends", func() bool { return w.number(`SELECT count(*) FROM commission WHERE payable = 1100`) == 1 })
	w.waitIdle()
	w.clean()
}
