package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"tributary/internal/event"
	"tributary/partners"
	"tributary/partners/program"
)

// clickTerms pay an amount for each click and 10 % of sales, from a time on.
func clickTerms(from time.Time, each int64) program.Version {
	document := program.NewDocument(30*day, 30*day, 200_000, program.Rates{program.Site: {"*": 100_000}})
	document.Currency = "GBP"
	document.Rules = append(document.Rules, program.Rule{
		Where: program.All(program.Test{Key: program.KeyGoal, Texts: []string{program.GoalClick}}), Pay: program.Pay{Fixed: each, Per: program.PerClick},
	})
	return program.Version{EffectiveFrom: from, Document: document}
}

// addClickScheme adds a merchant's program that pays 5 for each click and 10 % of sales, from a time on, and what later terms say.
func (w *world) addClickScheme(from time.Time, later ...program.Version) program.ProgramID {
	w.t.Helper()
	ctx := w.t.Context()
	merchant, err := partners.CreateMerchant(ctx, w.db, "clicks")
	check(w.t, err)
	tx, err := w.db.Begin(ctx)
	check(w.t, err)
	defer tx.Rollback(ctx)
	id, err := partners.CreateProgram(ctx, tx, partners.NewProgram{
		Merchant: merchant, Name: "clicks", LandingURL: "https://shop.example/", Currencies: []string{"EUR", "GBP"},
		Terms: append([]program.Version{clickTerms(from, 5)}, later...),
	})
	check(w.t, err)
	for _, p := range w.partners {
		check(w.t, partners.Enrol(ctx, tx, id, p))
	}
	check(w.t, tx.Commit(ctx))
	return id
}

// clicksOf is what a counter says of a partner's clicks on a day.
func clicksOf(id program.ProgramID, partner program.PartnerID, date string, clicks ...int64) *event.Event {
	ended, err := time.Parse(time.DateOnly, date)
	if err != nil {
		panic(err)
	}
	at := event.Micros(ended.Add(day)) - 1
	s := &event.Sale{
		MerchantId: 3, OrderId: fmt.Sprintf("clicks/%s/%d/%d", date, id, partner), Currency: "GBP", Goal: program.GoalClick,
		Counted: &event.CountedClicks{ProgramId: int64(id), PartnerId: int64(partner), Day: date},
	}
	for i, n := range clicks {
		s.Lines = append(s.Lines, &event.Line{Number: int64(i + 1), Quantity: n, Device: event.Devices()[i]})
	}
	s.ContentHash = event.SaleHash(s, at)
	return &event.Event{Id: idOf(s.GetOrderId()), ReceivedAt: event.Micros(noon().Add(9 * day)), OccurredAt: at, Body: &event.Event_Sale{Sale: s}}
}

// TestDaysThatAreOverAreAskedFor holds that each lane asks once for each day since the terms that pay for clicks.
func TestDaysThatAreOverAreAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 2, 1)
	id := w.addClickScheme(noon().Add(-3 * day))
	asked := func() (days []string) {
		rows, err := w.db.Query(t.Context(), `SELECT lane || ' ' || day || ' ' || merchant_id || ' ' || currency FROM click_day WHERE program_id = $1 ORDER BY lane, day`, id)
		check(t, err)
		days, err = pgx.CollectRows(rows, pgx.RowTo[string])
		check(t, err)
		return days
	}
	want := []string{"0 2026-02-26 3 GBP", "0 2026-02-27 3 GBP", "0 2026-02-28 3 GBP", "1 2026-02-26 3 GBP", "1 2026-02-27 3 GBP", "1 2026-02-28 3 GBP"}
	stop := w.start(w.config("one"))
	w.eventually("the days are asked for", func() bool { return len(asked()) >= 6 })
	stop()
	if diff := cmp.Diff(want, asked()); diff != "" {
		t.Errorf("asked for (-want +got):\n%s", diff)
	}
	w.setClock(noon().Add(12 * time.Hour))
	w.start(w.config("two"))
	w.eventually("the next day is asked for", func() bool { return len(asked()) >= 8 })
	equal(t, "rows", w.number(`SELECT count(*) FROM click_day WHERE day = '2026-03-01'`), 2)
}

// TestADayIsAskedForInPartsOfItsTerms changes the terms at noon: what was clicked before is paid by those of before.
func TestADayIsAskedForInPartsOfItsTerms(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	cut := noon().Add(-day)
	id := w.addClickScheme(noon().Add(-3*day), clickTerms(cut, 1))
	w.start(w.config("one"))
	w.eventually("the days are asked for", func() bool { return w.number(`SELECT count(*) FROM click_day WHERE program_id = $1`, id) == 3 })
	rows, err := w.db.Query(t.Context(), `SELECT day || ' ' || coalesce((SELECT string_agg(to_char(c AT TIME ZONE 'UTC', 'HH24:MI'), ' ') FROM unnest(cuts) c), '') FROM click_day ORDER BY day`)
	check(t, err)
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	check(t, err)
	if diff := cmp.Diff([]string{"2026-02-26 12:00", "2026-02-27 ", "2026-02-28 12:00"}, got); diff != "" {
		t.Errorf("asked for (-want +got):\n%s", diff)
	}
	morning := clicksOf(id, w.partners[0], "2026-02-28", 10)
	morning.Id = idOf("morning")
	s := morning.GetSale()
	s.OrderId, morning.OccurredAt = "clicks/2026-02-28T12:00:00Z/1/1", event.Micros(cut)-1
	s.ContentHash = event.SaleHash(s, morning.GetOccurredAt())
	w.send(morning, clicksOf(id, w.partners[0], "2026-02-28", 10))
	w.waitIdle()
	equal(t, "earned by the terms of the morning and of the evening", w.number(`SELECT sum(net) FROM commission`), 10*5+10*1)
	w.clean()
}

// TestTheCutsOfADayAreBounded has terms that change every minute.
func TestTheCutsOfADayAreBounded(t *testing.T) {
	t.Parallel()
	today := noon().Truncate(aDay)
	var changes []time.Time
	for n := range 3 * 24 * 60 {
		changes = append(changes, today.Add(-aDay).Add(time.Duration(n)*time.Minute))
	}
	cuts := cutsOf(changes, today)
	equal(t, "cuts", len(cuts), maxParts-1)
	equal(t, "the first", cuts[0], today.Add(time.Minute))
}

// TestClicksArePaidAndAreNoOrders goes the whole way from what a counter says, twice, to the books and the ledger events.
func TestClicksArePaidAndAreNoOrders(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 2, 2)
	id := w.addClickScheme(noon().Add(-300 * day))
	w.start(w.config("one"))
	first, again := clicksOf(id, w.partners[0], "2026-02-27", 10, 3), clicksOf(id, w.partners[0], "2026-02-27", 10, 3)
	// A merchant's order may be called so.
	named := sale(3, first.GetSale().GetOrderId(), "", 10_000)
	w.send(first, again, clicksOf(id, w.partners[1], "2026-02-27", 100), named)
	w.waitIdle()
	rows, err := w.db.Query(t.Context(), `SELECT o.keys || ' ' || o.outcome || ' ' || coalesce(c.net::text, '-') || CASE WHEN c.counts OR c.leads OR o.late THEN ' counts, or is late' ELSE '' END
		FROM orders o LEFT JOIN commission c ON c.order_no = o.no WHERE o.merchant_id = 3 ORDER BY o.keys, o.order_id`)
	check(t, err)
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	check(t, err)
	if diff := cmp.Diff([]string{"0 no_click -", "2 credited 65", "2 credited 500"}, got); diff != "" {
		t.Errorf("orders (-want +got):\n%s", diff)
	}
	equal(t, "events", w.number(`SELECT count(*) FROM order_event`), 3)
	equal(t, "conflicts", w.number(`SELECT count(*) FROM order_conflict`), 0)
	orders, gross := int64(0), int64(0)
	for _, r := range w.ledgerEvents() {
		e, err := event.Decode(r.Value)
		check(t, err)
		if l := e.GetLedger(); l.GetPartnerId() != 0 {
			orders += int64(l.GetOrders())
			gross += l.GetGross()
		}
	}
	equal(t, "orders in the ledger events", orders, 0)
	equal(t, "commission in the ledger events", gross, 565)
	equal(t, "held until", w.number(`SELECT count(*) FROM commission WHERE hold_until = '2026-03-29 23:59:59.999999Z'`), 2)
	w.clean()
}
