package dashboard

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"tributary/commission"
	"tributary/commission/period"
	"tributary/partners/program"
	"tributary/test/schemes"
)

// A period is shown, and explained, to its partner and its merchant, and to nobody else.
func TestAPeriodIsExplainedToItsTenants(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	rule := schemes.Rules(200_000, program.Period{ID: "volume", Period: program.Month, Measure: program.MeasureRevenue, Tiers: []program.Tier{{From: 20_000, Percent: 20_000}}})[0]
	rules := period.Rules{rule.ID: rule}
	day := commission.DayOf(time.Date(2026, time.March, 5, 12, 0, 0, 0, time.UTC), time.UTC)
	settled, err := period.Settle(rules, []period.Filled{{
		Cell: period.Cell{Bucket: period.Bucket{Day: day, Rule: rule.ID}, Effective: day}, Sums: period.Sums{Count: 2, Revenue: 50_000, Commission: 5_000},
	}})
	w.must(err)
	record := period.NewRecord(period.Key{Program: w.program, Partner: w.site, Rule: "volume", Span: "2026-03", Unit: "GBP"}, rules, &settled)
	written, err := record.JSON()
	w.must(err)
	w.must1(w.owner.Exec(t.Context(), `INSERT INTO period (no, merchant_id, program_id, partner_id, role, rule, span, unit, lane, version, ranked, first_day, last_day,
		net, fee, pending, payable, fee_pending, fee_earned, record) VALUES (7, $1, $2, $3, 'partner', 'volume', '2026-03', 'GBP', 0, 1, false, '2026-03-05', '2026-03-05',
		600, 120, 600, 0, 120, 0, $4)`, int64(w.shop), int64(w.program), int64(w.site), string(written)))
	for _, row := range []struct {
		who, at string
		status  int
		says    []string
	}{
		{"site@example.net", "/partner/periods", http.StatusOK, []string{"volume", "2026-03", "6.00"}},
		{"site@example.net", "/partner/periods.csv", http.StatusOK, []string{`"volume","2026-03","GBP",6.00,1.20,6.00,0.00`}},
		{"site@example.net", "/partner/periods/7", http.StatusOK, []string{"2 % of the revenue", "They add GBP 6.00.", "2 orders", "2026-03-05"}},
		{"shop@example.net", "/merchant/periods", http.StatusOK, []string{"The Slow Kitchen", "6.00"}},
		{"shop@example.net", "/merchant/periods/7", http.StatusOK, []string{"The Slow Kitchen", "They add GBP 6.00."}},
		{"outsider@example.net", "/partner/periods", http.StatusOK, []string{"No bonuses or caps"}},
		{"outsider@example.net", "/partner/periods/7", http.StatusNotFound, nil},
		{"rival@example.net", "/merchant/periods/7", http.StatusNotFound, nil},
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
