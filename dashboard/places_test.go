package dashboard

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"tributary/commission"
	"tributary/commission/period"
	"tributary/internal/event"
	"tributary/internal/money"
	"tributary/partners/access"
	"tributary/partners/program"
	"tributary/report"
	"tributary/test/schemes"
)

const march = "2026-03"

// placesRules are tiers, marginal and for all, a goal, and caps on money and on orders.
func placesRules() []*program.Counting {
	const percent = money.One / 100
	tiers := []program.Tier{{From: 10_000, Percent: 2 * percent}, {From: 20_000, Percent: 4 * percent}}
	return schemes.Rules(
		200_000,
		program.Period{ID: "tiers", Period: program.Month, Measure: program.MeasureRevenue, Tiers: tiers},
		program.Period{ID: "all", Period: program.Month, Measure: program.MeasureRevenue, Mode: program.Retroactive, Tiers: tiers},
		program.Period{ID: "goal", Period: program.Month, Measure: program.MeasureCount, Tiers: []program.Tier{{From: 3, Once: 500}}},
		program.Period{ID: "money", Period: program.Month, Measure: program.MeasureCommission, Cap: 1_500},
		program.Period{ID: "two", Period: program.Month, Measure: program.MeasureCount, Cap: 2},
	)
}

// places are five orders of 80.00 in March: two on the 5th, told out of turn, one on the 6th, one that is shared on the 7th, and one
// that was refunded on the 8th.
func (w *world) places() map[string]int64 {
	w.t.Helper()
	at := func(day, hour int) time.Time { return time.Date(2026, 3, day, hour, 0, 0, 0, time.UTC) }
	lines := []*event.Line{{Number: 1, Sku: "A", Quantity: 1, Amount: 8_000, Category: "books"}}
	return w.counted(
		placesRules(),
		sale{id: "B", link: w.link, lines: lines, at: at(5, 13)},
		sale{id: "A", link: w.link, lines: lines, at: at(5, 12)},
		sale{id: "C", link: w.link, lines: lines, at: at(6, 12)},
		sale{id: "D", link: w.link, lines: lines, at: at(7, 12), decide: schemes.Split(schemes.Share{Weight: 1}, schemes.Share{Partner: w.member, Weight: 1})},
		sale{id: "E", link: w.link, lines: lines, at: at(8, 12), refunds: []*event.Refund{{WholeOrder: true}}},
	)
}

func (w *world) numberOf(order string) string {
	w.t.Helper()
	return w.texts(w.owner, `SELECT no::text FROM orders WHERE order_id = '`+order+`'`)[0]
}

// The page of an order says to partner, merchant and operator alike where it stands in the periods in which it counts.
func TestWhereAnOrderStandsInItsPeriods(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	numbers := w.places()
	for order, says := range map[string][]string{
		"A": {
			"tiers March 2026 · counts revenue GBP 0.00 GBP 80.00 GBP 80.00 Below the first tier, which starts at GBP 100.00 of revenue: GBP 80.00.",
			"After this order, GBP 20.00 to go to the next tier: “From GBP 100.00 of revenue on: 2 % of the revenue”. The whole period comes to GBP 280.00 of revenue.",
			"this order is priced again with all others. Tier reached: “From GBP 200.00 of revenue on: 4 % of the revenue”.",
			"The cap is GBP 15.00 of commission. Before this order, GBP 0.00 counted towards it. The whole order is within the cap.",
			"Commission GBP 8.00 nothing refunded",
		},
		"B": {
			"tiers March 2026 · counts revenue GBP 80.00 GBP 80.00 GBP 160.00 Below the first tier, which starts at GBP 100.00 of revenue: GBP 20.00.",
			"In the tier “From GBP 100.00 of revenue on: 2 % of the revenue”: GBP 60.00.",
			"money March 2026 · counts commission partly over the cap GBP 8.00",
			"GBP 1.00 is over the cap and is taken back.",
			"GBP 7.00 on this order", "Commission GBP 7.00 8.00 before the cap", "GBP 8.00 before the cap, which is posted for the period",
		},
		"C": {
			"tiers March 2026 · counts revenue GBP 160.00 GBP 80.00 GBP 240.00 In the tier “From GBP 100.00 of revenue on: 2 % of the revenue”: GBP 40.00.",
			"In the tier “From GBP 200.00 of revenue on: 4 % of the revenue”: GBP 40.00.",
			"This reaches the goal of 3 orders, which pays GBP 5.00 once.", "The whole period comes to 4 orders.",
			"two March 2026 · counts orders over the cap 2 orders 1 order 3 orders The cap is 2 orders. Before this order, 2 orders counted towards it.",
			"Over the cap: 1 order. That takes back GBP 8.00 of the commission.",
		},
	} {
		for who, path := range map[string]string{"site": "/partner/commissions/", "shop": "/merchant/orders/", "operator": "/network/orders/"} {
			page := w.as(who + "@example.net").page(path + w.numberOf(order))
			page.holds(t, says...)
			if link := fmt.Sprintf(`/periods/%d"`, numbers[fmt.Sprintf("%d tiers %s", w.site, march)]); strings.Contains(page.body, link) != (who != "operator") {
				t.Errorf("%s is led to the period by the page of %s: %v", who, order, !strings.Contains(page.body, link))
			}
		}
	}
	// The part of an order that is shared is the difference of what others have: the partner reads of the day.
	w.as("shop@example.net").page("/merchant/orders/"+w.numberOf("D")).holds(t, "GBP 240.00 GBP 40.00 GBP 280.00", "Mira Okafor")
	shared := w.as("site@example.net").page("/partner/commissions/" + w.numberOf("D"))
	shared.holds(t, "These figures are of 7 Mar 2026 as a whole (1 order).", "all orders of 7 Mar 2026", "GBP 240.00", "over the cap", "All goals were reached before this order.", "before the cap, which takes from the day’s orders together")
	if strings.Contains(shared.text(), "Mira") {
		t.Error("the partner reads who shares the order")
	}
	w.as("site@example.net").page("/partner/commissions/"+w.numberOf("E")).holds(t, "Nothing of this order counts any more")
}

// What is not counted yet, of an order's day or before, leaves it without a place; what comes after does not.
func TestAnOrderHasNoPlaceUntilItIsSettled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.places()
	wait := func(rule, day string) {
		w.must1(w.owner.Exec(t.Context(), `INSERT INTO period_delta (lane, ranked, merchant_id, program_id, partner_id, role, rule, span, unit, day, says, hold_s, effective, count, revenue, commission)
			VALUES (0, false, $1, $2, $3, 'partner', $4, '2026-03', 'GBP', $5::date, 1, 0, $5::date, 1, 100, 10)`, int64(w.shop), int64(w.program), int64(w.site), rule, day))
	}
	states := func(order string, scope access.Scope) map[string]report.PositionState {
		e := w.explained(order, scope)
		all := map[string]report.PositionState{}
		for _, p := range e.Positions {
			all[p.Rule] = p.State
		}
		return all
	}
	wait("tiers", "2026-03-06")
	w.must1(w.owner.Exec(t.Context(), `DELETE FROM period WHERE rule = 'goal'`))
	for _, scope := range []access.Scope{{Partner: w.site}, {Merchant: w.shop}, {Network: true}} {
		for order, tiers := range map[string]report.PositionState{"A": report.PositionSettled, "B": report.PositionSettled, "C": report.PositionWaits} {
			want := map[string]report.PositionState{
				"tiers": tiers, "all": report.PositionSettled, "goal": report.PositionWaits, "money": report.PositionSettled, "two": report.PositionSettled,
			}
			if diff := cmp.Diff(want, states(order, scope)); diff != "" {
				t.Errorf("order %s for %+v (-want +got):\n%s", order, scope, diff)
			}
		}
	}
	w.as("site@example.net").page("/partner/commissions/"+w.numberOf("C")).holds(t, "Not settled yet: orders up to this one are still being counted.")
	if found := w.texts(w.pool, `SELECT rule FROM period_waiting`); len(found) > 0 {
		t.Errorf("without a tenant %q is read", found)
	}
	if diff := cmp.Diff(0, len(w.textsOf(access.Scope{Merchant: w.rival}, `SELECT rule FROM period_waiting`))); diff != "" {
		t.Errorf("another merchant reads what waits: %s", diff)
	}
}

// explained is what a scope reads of an order.
func (w *world) explained(order string, scope access.Scope) (e report.Explanation) {
	w.t.Helper()
	no, _ := report.ParseID(w.numberOf(order))
	w.must(w.server.reports.Snapshot(w.t.Context(), scope, func(r *report.Snapshot) (err error) {
		e, err = r.Explain(w.t.Context(), no)
		return err
	}))
	return e
}

// Places are those that the engine's own ranking of the same orders gives, and follow on one another.
func TestPlacesAreThoseOfTheEngine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.places()
	for _, scope := range []access.Scope{{Partner: w.site}, {Merchant: w.shop}} {
		orders := map[string][]period.Order{}
		places := map[string][]period.Place{}
		rules := map[string]period.Rules{}
		for _, id := range []string{"A", "B", "C", "D"} {
			whole, e := w.explained(id, access.Scope{Merchant: w.shop}), w.explained(id, scope)
			for _, p := range e.Positions {
				if p.Partner != w.site {
					continue
				}
				key := period.Key{Merchant: w.shop, Program: w.program, Partner: w.site, Rule: p.Rule, Span: p.Span, Unit: p.Unit}
				orders[p.Rule] = append(orders[p.Rule], period.OrderOf(&whole.Decision, 0, key))
				places[p.Rule] = append(places[p.Rule], *p.Place)
				rules[p.Rule] = period.Rules{p.Counting.ID: p.Counting}
			}
		}
		if len(orders) != 5 {
			t.Fatalf("there are places in %d periods", len(orders))
		}
		for rule, list := range orders {
			settled, err := period.Rank(rules[rule], list)
			w.must(err)
			for i, r := range settled.Orders {
				for _, says := range rules[rule] {
					if want, got := period.PlaceOf(&says.Period, r.Before, r.Sums), places[rule][i]; !cmp.Equal(want, got) {
						t.Errorf("%+v: order %s lies in %q at %+v, want %+v", scope, list[r.Order].ID, rule, got, want)
					}
				}
			}
		}
	}
}

// The explanation as JSON has the record as it is kept, and the places; a partner's has nothing of others.
func TestTheExplanationIsThereAsJSON(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.places()
	for who, path := range map[string]string{"site": "/partner/commissions/", "shop": "/merchant/orders/", "operator": "/network/orders/"} {
		page := w.as(who + "@example.net").page(path + w.numberOf("D"))
		written := page.find(t, func(n *html.Node) bool { id, _ := attr(n, "id"); return id == "record" })
		if len(written) != 1 {
			t.Fatalf("%s finds %d records", who, len(written))
		}
		var read struct {
			Record  json.RawMessage  `json:"record"`
			Periods []map[string]any `json:"periods"`
		}
		w.must(json.Unmarshal([]byte(words(written[0])), &read))
		d, err := commission.UnmarshalRecord(read.Record)
		w.must(err)
		if n := map[string]int{"site": 5}[who]; len(read.Periods) != n && (n > 0 || len(read.Periods) != 10) {
			t.Errorf("%s reads places in %d periods", who, len(read.Periods))
		}
		for _, c := range d.Credits {
			if who == "site" && c.Partner != w.site {
				t.Errorf("the partner reads the credit of partner %d", c.Partner)
			}
		}
		if kept := w.texts(w.owner, `SELECT decision::text FROM orders WHERE order_id = 'D'`)[0]; who != "site" && string(read.Record) != kept {
			t.Errorf("%s reads\n%s\nkept is\n%s", who, read.Record, kept)
		}
	}
}
