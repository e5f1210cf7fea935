package dashboard

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"tributary/commission"
	"tributary/commission/period"
	"tributary/internal/event"
	"tributary/internal/text"
	"tributary/partners"
	"tributary/partners/program"
	"tributary/test/schemes"
)

// period stores what a bonus on volume pays the partner of a link for a month of 2026, given the month's revenue in minor units
// of the unit, as the engine does, and returns its number. Months before January are those of the years before.
func (w *world) period(l *partners.Link, unit string, month time.Month, revenue int64) (no int64) {
	w.t.Helper()
	rule := schemes.Rules(200_000, program.Period{ID: "volume", Period: program.Month, Measure: program.MeasureRevenue, Tiers: []program.Tier{{From: 20_000, Percent: 20_000}}})[0]
	rules := period.Rules{rule.ID: rule}
	at := time.Date(2026, month, 5, 12, 0, 0, 0, time.UTC)
	day := commission.DayOf(at, time.UTC)
	settled, err := period.Settle(rules, []period.Filled{{
		Cell: period.Cell{Bucket: period.Bucket{Day: day, Rule: rule.ID}, Effective: day}, Sums: period.Sums{Count: 2, Revenue: revenue, Commission: revenue / 10},
	}})
	w.must(err)
	span := at.Format("2006-01")
	record := period.NewRecord(period.Key{Program: l.Program, Partner: l.Partner, Rule: "volume", Span: span, Unit: unit}, rules, &settled)
	written, err := record.JSON()
	w.must(err)
	w.must(w.owner.QueryRow(w.t.Context(), `INSERT INTO period (no, merchant_id, program_id, partner_id, role, rule, span, unit, lane, version, ranked, first_day, last_day,
		net, fee, pending, payable, fee_pending, fee_earned, record)
		SELECT nextval('period_no'), merchant_id, id, $2, 'partner', 'volume', $3, $4, 0, 1, false, $5::date, $5::date, $6, $7, $6, 0, $7, 0, $8 FROM program WHERE id = $1 RETURNING no`,
		int64(l.Program), int64(l.Partner), span, unit, at, settled.Amount, settled.Fee, string(written)).Scan(&no))
	return no
}

// A period is shown, and explained, to its partner and its merchant, and to nobody else.
func TestAPeriodIsExplainedToItsTenants(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	no := number10(w.period(w.link, "GBP", time.March, 50_000))
	for _, row := range []struct {
		who, at string
		status  int
		says    []string
	}{
		{"site@example.net", "/partner/periods", http.StatusOK, []string{"volume", "Bonus, March 2026", "6.00"}},
		{"site@example.net", "/partner/periods.csv", http.StatusOK, []string{`"volume","2026-03","GBP",6.00,1.20,6.00,0.00`}},
		{"site@example.net", "/partner/periods/" + no, http.StatusOK, []string{"2 % of the revenue", "Bonus, March 2026", "2 orders", "5 Mar 2026"}},
		{"shop@example.net", "/merchant/periods", http.StatusOK, []string{"The Slow Kitchen", "6.00"}},
		{"shop@example.net", "/merchant/periods/" + no, http.StatusOK, []string{"The Slow Kitchen", ", The Slow Kitchen as partner", "2 orders", "GBP 500.00 of revenue", "GBP 50.00 of commission"}},
		{"shop@example.net", "/merchant/periods?state=pending&partner=" + number10(int64(w.site)), http.StatusOK, []string{"volume", "6.00"}},
		{"shop@example.net", "/merchant/periods?state=payable", http.StatusOK, []string{"No results match"}},
		{"shop@example.net", "/merchant/periods?program=987654", http.StatusOK, []string{"No results match"}},
		{"shop@example.net", "/merchant/periods?state=held", http.StatusUnprocessableEntity, nil},
		{"shop@example.net", "/merchant/periods.csv?state=payable", http.StatusOK, []string{"span"}},
		{"outsider@example.net", "/partner/periods", http.StatusOK, []string{"No bonuses or caps"}},
		{"outsider@example.net", "/partner/periods/" + no, http.StatusNotFound, nil},
		{"rival@example.net", "/merchant/periods/" + no, http.StatusNotFound, nil},
	} {
		got := w.as(row.who).get(row.at)
		if got.status != row.status {
			t.Errorf("%s at %s: status %d", row.who, row.at, got.status)
		}
		for _, said := range row.says {
			if !strings.Contains(got.body, said) {
				t.Errorf("%s at %s: %q is not there:\n%s", row.who, row.at, said, got.body)
			}
		}
	}
}

// counted stores orders that count by rules on periods, and the periods as the engine does. It gives the numbers of the periods by
// partner, rule and span.
func (w *world) counted(rules []*program.Counting, sales ...sale) map[string]int64 {
	w.t.Helper()
	book := period.Book{Keeps: func(*period.Key) bool { return true }}
	for _, o := range sales {
		decide := o.decide
		if decide == nil {
			decide = commission.Decide
		}
		decide = schemes.Counting(decide, rules...)
		o.decide = func(order commission.Order, evidence commission.Evidence) (commission.Decision, error) {
			d, err := decide(order, evidence)
			if err == nil {
				book.Add(&d)
			}
			return d, err
		}
		w.order(o)
	}
	numbers := map[string]int64{}
	w.must(book.Settle(func(of period.Key, says period.Rules, s *period.Settlement) {
		record := period.NewRecord(of, says, s)
		written, err := record.JSON()
		w.must(err)
		var no int64
		w.must(w.owner.QueryRow(w.t.Context(), `INSERT INTO period (no, merchant_id, program_id, partner_id, role, rule, span, unit, lane, version, ranked, first_day, last_day,
			net, fee, pending, payable, fee_pending, fee_earned, record)
			VALUES (nextval('period_no'), $1, $2, $3, $4, $5, $6, $7, 0, 1, $8, $9, $10, $11, $12, $11, 0, $12, 0, $13) RETURNING no`,
			int64(of.Merchant), int64(of.Program), int64(of.Partner), of.Role.String(), of.Rule, of.Span, of.Unit, says.Ranked(),
			s.Buckets[0].Day.String(), s.Buckets[len(s.Buckets)-1].Day.String(), s.Amount, s.Fee, string(written)).Scan(&no))
		numbers[fmt.Sprintf("%d %s %s", of.Partner, of.Rule, of.Span)] = no
	}))
	return numbers
}

// capped stores orders that count in a month with a cap of two. The refund is of all that an order had.
func (w *world) capped() (no int64) {
	w.t.Helper()
	var sales []sale
	for i, id := range []string{"first", "second", "third", "fourth", "back"} {
		o := sale{id: id, link: w.link, at: time.Date(2026, 3, 5+i, 12, 0, 0, 0, time.UTC)}
		if id == "back" {
			o.refunds = []*event.Refund{{WholeOrder: true}}
		}
		sales = append(sales, o)
	}
	rules := schemes.Rules(200_000, program.Period{ID: "first two", Period: program.Month, Measure: program.MeasureCount, Cap: 2})
	return w.counted(rules, sales...)[fmt.Sprintf("%d first two 2026-03", w.site)]
}

// The orders over a cap are those from its boundary on of which something is left, and what they earned is what the cap takes back.
func TestOrdersOverACapAreListed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	no := number10(w.capped())
	for who, base := range map[string]string{"site": "/partner", "shop": "/merchant"} {
		c := w.as(who + "@example.net")
		path := base + "/periods/" + no
		for query, want := range map[string][]string{"": {"third", "fourth"}, "?q=THIR": {"third"}, "?from=2026-03-08": {"fourth"}, "?q=first": nil} {
			listed, _ := c.listed(t, path+query, "tr", "")
			filed, sum := c.filed(t, path+"/over.csv"+query, []string{"order"}, "commission")
			if listed != len(want) || filed != len(want) {
				t.Errorf("%s%s lists %d orders and its file %d, want %v", path, query, listed, filed, want)
			}
			if query == "" && sum["GBP"] != 2*600 {
				t.Errorf("they earned %v", sum)
			}
			c.page(path+query).holds(t, want...)
		}
		c.page(path).holds(t, "Orders over the cap", "over the cap", "Taken back by the cap GBP 12.00")
	}
	var third, second string
	w.must(w.owner.QueryRow(t.Context(), `SELECT (SELECT no FROM orders WHERE order_id = 'third')::text, (SELECT no FROM orders WHERE order_id = 'second')::text`).Scan(&third, &second))
	for who, path := range map[string]string{"site": "/partner/commissions/", "shop": "/merchant/orders/", "operator": "/network/orders/"} {
		c := w.as(who + "@example.net")
		c.page(path+third).holds(t, "over the cap")
		if strings.Contains(c.page(path+second).text(), "over the cap") {
			t.Errorf("%s reads that an order within the cap is over it", who)
		}
	}
	if got := w.as("rival@example.net").get("/merchant/periods/" + no + "/over.csv"); got.status != http.StatusNotFound {
		t.Errorf("another merchant's: %d", got.status)
	}
}

// A period that comes to nothing is listed when it is asked for, on the page and in its file.
func TestPeriodsOfNoAmountAreListedOnRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.as("shop@example.net")
	w.period(w.link, "GBP", time.February, 10_000)
	c.page("/merchant/periods").holds(t, "No bonuses or caps yet", "Show all periods")
	w.period(w.link, "GBP", time.March, 50_000)
	for query, want := range map[string]int{"": 1, "?amounts=all": 2, "?amounts=all&state=pending": 1} {
		listed, _ := c.listed(t, "/merchant/periods"+query, "tr", "")
		filed, _ := c.filed(t, "/merchant/periods.csv"+query, []string{"period"}, "amount")
		if listed != want || filed != want {
			t.Errorf("%q lists %d periods and files %d, want %d", query, listed, filed, want)
		}
	}
	if got := c.get("/merchant/periods?amounts=some"); got.status != http.StatusUnprocessableEntity {
		t.Errorf("status %d", got.status)
	}
}

func TestSpansAreSaidInWords(t *testing.T) {
	t.Parallel()
	for span, want := range map[string]string{
		"2026-09-07": "7 Sep 2026", "2026-W37": "week 37 of 2026", "2026-W01": "week 1 of 2026", "2026-09": "September 2026", "2026-Q3": "Q3 2026", "2026": "2026", "ever": "all time", "20261": "20261",
	} {
		if got := spanWords(text.English(), span); got != want {
			t.Errorf("%s is %q, want %q", span, got, want)
		}
	}
}
