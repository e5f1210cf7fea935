package engine

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/internal/event"
	"tributary/internal/postgres"
	"tributary/partners/program"
)

// watchful are terms that look at how click ids are used.
func watchful() program.Document {
	d := program.NewDocument(30*day, 30*day, 200_000, program.Rates{program.Site: {"*": 100_000}})
	d.Signs = []program.Sign{program.SignManyOrders, program.SignManyCustomers}
	return d
}

// signs says of each order of the keeper's, in the order of their ids, how its click id had been used and which signs it has.
func (w *world) signs() string {
	w.t.Helper()
	var text string
	check(w.t, w.db.QueryRow(w.t.Context(), `SELECT coalesce(string_agg(o.order_id || ' ' || coalesce(u.use #>> '{orders}', '0') || coalesce(' ' || (
		SELECT string_agg(s.name, '+' ORDER BY n) FROM json_array_elements_text(o.decision #> '{touches,0,signs}') WITH ORDINALITY s (name, n)), ''), ', ' ORDER BY o.order_id), '')
		FROM orders o LEFT JOIN click_use u ON u.order_no = o.no WHERE o.merchant_id = $1`, keeper).Scan(&text))
	return text
}

// named is an order of the keeper's by a click id of its first partner's, some time after noon of the day after tomorrow.
func (w *world) named(order, customer, click string, after time.Duration) *event.Event {
	e := w.bought(order, customer, -1, 0)
	at := w.later().Add(after)
	e.OccurredAt, e.ReceivedAt = event.Micros(at), event.Micros(at)
	e.GetSale().ClickId = click
	e.GetSale().ContentHash = event.SaleHash(e.GetSale(), e.GetOccurredAt())
	return e
}

// later is a time after the terms have begun to count.
func (w *world) later() time.Time { return time.Now().UTC().Truncate(24 * time.Hour).Add(2 * day) }

func TestManyOrdersOfAClickIDAreASign(t *testing.T) {
	t.Parallel()
	w := keeping(t, lanes, watchful())
	w.start(w.config("one"))
	click := clickOn(w.links[8], w.later().Add(-time.Hour))
	for i, customer := range []string{"a", "", "b", "c", "a"} {
		w.send(w.named(fmt.Sprint("o", i+1), customer, click, time.Duration(i+1)*time.Hour))
	}
	w.waitIdle()
	equal(t, "as they come", w.signs(), "o1 1, o2 2, o3 3, o4 4 many_orders_per_click+many_customers_per_click, o5 4 many_orders_per_click")
	w.send(w.named("o0", "d", click, 0)) // an earlier order arrives later
	w.waitIdle()
	held := func() int64 {
		return w.number(`SELECT count(*) FROM commission WHERE merchant_id = $1 AND state = 'held' AND held = net`, keeper)
	}
	equal(t, "held", held(), 3)
	equal(t, "with an earlier one", w.signs(), "o0 1, o1 2, o2 3, o3 4 many_orders_per_click+many_customers_per_click, o4 4 many_orders_per_click+many_customers_per_click, o5 4 many_orders_per_click")
	w.clean()
	check(t, postgres.InTx(t.Context(), w.db, func(tx pgx.Tx) error {
		return w.reviewIn(tx, commission.Reviewed{Merchant: keeper, Order: "o0", Verb: commission.Void}, commission.ByOperator, time.Time{})
	}))
	w.quietly()
	equal(t, "held then", held(), 2)
	equal(t, "which never was", w.signs(), "o0 0, o1 1, o2 2, o3 3, o4 4 many_orders_per_click+many_customers_per_click, o5 4 many_orders_per_click")
	w.clean()
	check(t, postgres.InTx(t.Context(), w.db, func(tx pgx.Tx) error {
		return w.reviewIn(tx, commission.Reviewed{Merchant: keeper, Order: "o5", Verb: commission.Unhold}, commission.ByMerchant, w.later().Add(day))
	}))
	w.quietly()
	equal(t, "held at last", held(), 1)
	w.clean()
}

// TestNobodyCountsClicksWithoutNeed has merchants whose terms do not look, and orders of before the terms.
func TestNobodyCountsClicksWithoutNeed(t *testing.T) {
	t.Parallel()
	w := keeping(t, 1, watchful())
	w.start(w.config("one"))
	w.send(sale(1, "A1", w.click(), 10_000), w.bought("old", "c", 0, 0))
	w.waitIdle()
	equal(t, "rows", w.number(`SELECT (SELECT count(*) FROM click_use) + (SELECT count(*) FROM click_touched)`), 0)
	w.clean()
}

// TestHowClickIDsAreUsedNeverDependsOnArrival has orders of few click ids, many of one moment, arrive in any order in all lanes at
// once, while engines and their sessions come to an end at any moment.
func TestHowClickIDsAreUsedNeverDependsOnArrival(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		random := rand.New(rand.NewPCG(seed, 7))
		w := keeping(t, lanes, watchful())
		base := w.later()
		var events []*event.Event
		clicks := map[string][]commission.Used{}
		for i := range 120 {
			click := clickOn(w.links[8+random.IntN(2)], base.Add(-time.Duration(1+random.IntN(2))*time.Hour))
			id, customer, after := fmt.Sprintf("o%03d", i), []string{"", "a", "b", "c"}[random.IntN(4)], time.Duration(random.IntN(10))*time.Hour
			events = append(events, w.named(id, customer, click, after))
			clicks[click] = append(clicks[click], commission.Used{At: base.Add(after), Ref: id, Customer: customer})
		}
		cfg := w.config("")
		cfg.SliceSize = 1 + random.IntN(20)
		stop := w.startTwo(cfg)
		random.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		for len(events) > 0 {
			k := min(1+random.IntN(12), len(events))
			w.send(events[:k]...)
			events = events[k:]
			switch random.IntN(6) {
			case 0:
				w.exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
					WHERE datname = current_database() AND application_name = $1 AND random() < 0.5`, string(postgres.Engine))
			case 1:
				stop()
				stop = w.startTwo(cfg)
			case 2:
				w.waitIdle()
			}
		}
		w.waitIdle()
		stop()
		equal(t, fmt.Sprint("signs, seed ", seed), w.signs(), expectedSigns(clicks))
		w.clean()
	}
}

// expectedSigns is what signs should say, by the fold of all orders.
func expectedSigns(clicks map[string][]commission.Used) string {
	var all []string
	for _, orders := range clicks {
		commission.FoldClick(orders)
		for _, u := range orders {
			said := fmt.Sprintf("%s %d", u.Ref, u.Use.Orders)
			var signs []string
			if u.Use.Orders > commission.ManyOrders {
				signs = append(signs, string(program.SignManyOrders))
			}
			if u.Use.Other {
				signs = append(signs, string(program.SignManyCustomers))
			}
			if len(signs) > 0 {
				said += " " + strings.Join(signs, "+")
			}
			all = append(all, said)
		}
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// TestVerifyFindsAUseThatDoesNotFollow changes how a click id is said to have been used.
func TestVerifyFindsAUseThatDoesNotFollow(t *testing.T) {
	t.Parallel()
	w := keeping(t, 1, watchful())
	stop := w.start(w.config("one"))
	w.send(w.named("o1", "a", clickOn(w.links[8], w.later().Add(-time.Hour)), 0))
	w.waitIdle()
	stop()
	w.clean()
	use, err := json.Marshal(commission.Use{Orders: 2})
	check(t, err)
	w.exec(`UPDATE click_use SET use = $1, customer_id = 'b'`, string(use))
	checks := map[string]bool{}
	for _, f := range w.verify() {
		checks[f.Table+" "+f.Column] = true
	}
	if !checks["click_use "] || !checks["click_use use"] {
		t.Errorf("verify finds %v", checks)
	}
}
