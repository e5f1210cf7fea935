package engine

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission/fx"
	"tributary/internal/event"
	"tributary/internal/postgres"
	"tributary/partners"
	"tributary/partners/program"
)

// Terms that pay in dollars, for orders in pounds and euros: what was published before an order was placed converts it, a later
// rate does not, and an order without a rate is kept with that reason.
func TestOrdersAreConvertedAsOfTheirTime(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
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
	entries, err := fx.Read(strings.NewReader("base,quote,day,rate,from\n"+
		"EUR,USD,2026-02-27,1.10,2026-02-27T15:00:00Z\nEUR,USD,2026-03-01,1.50,2026-03-01T12:00:01Z\n"), "Treasury")
	check(t, err)
	check(t, postgres.InTx(t.Context(), w.db, func(tx pgx.Tx) error {
		_, err := fx.Enter(t.Context(), tx, entries, "a test", "")
		return err
	}))
	w.start(w.config("one"))
	in := func(order, currency string) *event.Event {
		e := sale(1, order, clickOn(link, noon().Add(-day)), 10_000)
		e.GetSale().Currency = currency
		e.GetSale().ContentHash = event.SaleHash(e.GetSale(), e.GetOccurredAt())
		return e
	}
	w.send(in("euros", "EUR"), in("pounds", "GBP"))
	w.waitIdle()
	equal(t, "outcome", w.outcome(1, "euros"), "credited")
	equal(t, "commission", w.number(`SELECT net FROM commission WHERE unit = 'USD' AND currency = 'EUR'`), 1100)
	equal(t, "without a rate", w.outcome(1, "pounds"), "no_rate")
	w.setClock(noon().Add(40 * 24 * time.Hour))
	w.eventually("its hold ends", func() bool { return w.number(`SELECT count(*) FROM commission WHERE payable = 1100`) == 1 })
	w.waitIdle()
	w.clean()
}
