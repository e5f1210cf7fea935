package audit_test

import (
	"testing"

	"tributary/internal/clickhouse"
	"tributary/partners/program"
	"tributary/test/engines"
	"tributary/test/schemes"
)

// monthly are rules on periods: 2 % of what is above 200.00, and caps of 25.00 of commission and of two orders.
func monthly() []*program.Counting {
	return schemes.Rules(
		200_000,
		program.Period{ID: "volume", Period: program.Month, Measure: program.MeasureRevenue, Tiers: []program.Tier{{From: 20_000, Percent: 20_000}}},
		program.Period{ID: "cap", Period: program.Month, Measure: program.MeasureCommission, Cap: 2_500},
		program.Period{ID: "first two", Period: program.Month, Measure: program.MeasureCount, Cap: 2},
	)
}

func TestP4WhatPeriodsCountedAndPosted(t *testing.T) {
	t.Parallel()
	const first, sums, of = `(SELECT no FROM period WHERE rule = 'volume')`, "sums of periods follow from orders", `"volume" 2026-03 of program 1`
	newBooks(t, monthly()...).findEach([]harm{
		{`UPDATE period_cell SET revenue = revenue + 1 WHERE period = ` + first, sums, of, "revenue", "", ""},
		{`UPDATE period_cell SET count = count + 1 WHERE period = ` + first, sums, of, "count", "32", "33"},
		{`DELETE FROM period_cell WHERE period = ` + first, sums, of, "commission", "", "0"},
		{
			`INSERT INTO period_delta (lane, ranked, merchant_id, program_id, partner_id, role, rule, span, unit, day, says, hold_s, effective, count, revenue, commission)
			 SELECT lane, ranked, merchant_id, program_id, partner_id, role, rule, span, unit, first_day, 5, 0, first_day, 1, 0, 0 FROM period WHERE no = ` + first,
			sums, "rule 0000000000000005", "count", "0", "1",
		},
		{`UPDATE period_cell SET says = 7`, "every row belongs to a period", "7", "says", "a rule", "7"},
		{`UPDATE posting SET amount = amount + 1 WHERE source = 2 AND source_no = ` + first, "postings follow from events", "of period", "amount", "", ""},
		{`DELETE FROM posting WHERE source = 2 AND source_no = ` + first, "postings follow from events", "of period", "amount", "", "0"},
		{`UPDATE posting SET effective_at = effective_at + interval '1 second' WHERE source = 2`, "postings follow from events", "of period", "amount", "0", ""},
		{`UPDATE posting SET source_no = 4711 WHERE source = 2 AND source_no = ` + first, "every row belongs to a period", "(2, 4711", "", "a period", "none"},
		{`UPDATE period SET net = net + 1, payable = payable + 1 WHERE no = ` + first, "period", of, "net", "", ""},
		{`UPDATE period SET fee = fee + 1, fee_earned = fee_earned + 1 WHERE no = ` + first, "period", of, "fee_earned", "", ""},
		{`UPDATE period SET pending = pending + 1, payable = payable - 1 WHERE no = ` + first, "period", of, "payable", "", ""},
		{`UPDATE period SET lane = 1 - lane WHERE no = ` + first, "period", of, "lane", "", ""},
		{`UPDATE period SET ranked = NOT ranked WHERE no = ` + first, "period", of, "ranked", "false", "true"},
		{`UPDATE period SET last_day = last_day + 1 WHERE no = ` + first, "period", of, "first_day, last_day", "", ""},
		{`UPDATE period SET release_at = '2020-01-01' WHERE no = ` + first, "period", of, "release_at", "", "2020-01-01"},
		{`UPDATE period SET release_at = '2020-01-01' WHERE no = ` + first, "holds end", "", "release_at", "", "pending"},
		{`UPDATE period SET record = replace(record::text, '"version":1', '"version":2')::json WHERE no = ` + first, "period", of, "record", "", ""},
		{`UPDATE period_rule SET says = replace(says::text, '20000', '20001')::json`, "period", of, "", "what can be settled", "is not known"},
	})
}

func TestP5ReportsHaveWhatPeriodsPaid(t *testing.T) {
	t.Parallel()
	b := newBooks(t, monthly()...)
	reports, err := clickhouse.Open(engines.ClickHouseMigrated(t), 2)
	must(t, err)
	defer reports.Close()
	b.check.Reports = reports
	load(t, reports, b.ledgerEvents())
	if found := b.verify(); len(found) > 0 {
		t.Errorf("sound reports are broken: %v", found)
	}
	must(t, reports.Exec(t.Context(), `ALTER TABLE ledger DELETE WHERE cause = 'period' SETTINGS mutations_sync = 1`))
	if found := b.verify(); len(found) == 0 {
		t.Error("nobody misses what periods paid")
	}
}
