package dashboard

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"tributary/commission"
	"tributary/commission/period"
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
		{"site@example.net", "/partner/periods", http.StatusOK, []string{"volume", "2026-03", "6.00"}},
		{"site@example.net", "/partner/periods.csv", http.StatusOK, []string{`"volume","2026-03","GBP",6.00,1.20,6.00,0.00`}},
		{"site@example.net", "/partner/periods/" + no, http.StatusOK, []string{"2 % of the revenue", "Bonus: GBP 6.00.", "2 orders", "2026-03-05"}},
		{"shop@example.net", "/merchant/periods", http.StatusOK, []string{"The Slow Kitchen", "6.00"}},
		{"shop@example.net", "/merchant/periods/" + no, http.StatusOK, []string{"The Slow Kitchen", ", The Slow Kitchen as partner", "2 orders, GBP 500.00 of revenue and GBP 50.00 of commission count. Bonus: GBP 6.00."}},
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
