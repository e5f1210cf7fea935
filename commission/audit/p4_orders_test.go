package audit_test

import (
	"testing"

	"tributary/commission/audit"
)

func TestP4WhatOrdersPostedAndEarned(t *testing.T) {
	t.Parallel()
	const first = `source_no = $no AND n = 0 AND version = (SELECT min(version) FROM posting WHERE source_no = $no)`
	const ofA1, follows = "($no, $p, partner, GBP)", "commission follows from events"
	newBooks(t).findEach([]harm{
		{`UPDATE posting SET amount = amount + 1 WHERE ` + first, "postings follow from events", "of order $no from partner_pending to merchant_receivable, partner $p", "amount", "1000", "1001"},
		{`UPDATE posting SET amount = amount + 1 WHERE ` + first, "commissions equal balances", "merchant_receivable of merchant 1", "balance", "", ""},
		{`UPDATE posting SET effective_at = effective_at + interval '1 second' WHERE ` + first, "postings follow from events", "effective 2026-03-01T12:00:01Z", "amount", "0", ""},
		{`DELETE FROM posting WHERE ` + first, "postings follow from events", "of order $no", "amount", "", "0"},
		{`DELETE FROM posting WHERE ` + first, "versions", "(1, $no, ", "n", "0", "1"},
		{
			`INSERT INTO posting (source, source_no, version, n, debit, credit, amount, unit, effective_at)
			 SELECT source, source_no, version, 99, debit, credit, amount, unit, effective_at FROM posting WHERE ` + first,
			"postings follow from events", "of order $no from partner_pending to merchant_receivable", "amount", "1000", "2000",
		},
		{
			`WITH a AS (INSERT INTO account (kind, unit) VALUES ('bank', 'GBP') RETURNING id) UPDATE posting SET debit = a.id FROM a WHERE source_no = $no AND n = 1`,
			"postings follow from events", "of order $no", "amount", "", "",
		},
		{`UPDATE posting SET source_no = 999999 WHERE source_no = $no AND n = 1`, "every row belongs to an order", "(1, 999999, ", "", "an order", "none"},
		{`UPDATE posting SET version = 77 WHERE source_no = $no AND n = 1`, "versions", "(1, $no, 77", "version", "", "77"},
		{`UPDATE commission SET net = net + 7, payable = payable + 7 WHERE order_no = $no`, follows, ofA1, "net", "900", "907"},
		{`UPDATE commission SET gross = gross + 7 WHERE order_no = $no`, follows, ofA1, "gross", "1000", "1007"},
		{`UPDATE commission SET state = 'pending' WHERE order_no = $no`, follows, ofA1, "state", "payable", "pending"},
		{`UPDATE commission SET state = 'paid' WHERE order_no = $no`, follows, ofA1, "state", "payable", "paid"},
		{`UPDATE commission SET state = 'held' WHERE order_no = $no`, follows, ofA1, "state", "payable", "held"},
		{`UPDATE commission SET released = false WHERE order_no = $no`, follows, ofA1, "released", "true", "false"},
		{`UPDATE commission SET hold_until = hold_until + interval '1 day' WHERE order_no = $no`, follows, ofA1, "hold_until", "", ""},
		{`UPDATE commission SET unit = 'EUR' WHERE order_no = $no`, follows, ofA1, "", "a net of 900 GBP", "no row"},
		{`UPDATE commission SET gross = gross + 7 WHERE role = 'recruiter'`, follows, "recruiter, POINT)", "gross", "1000", "1007"},
		{`DELETE FROM commission WHERE role = 'recruiter'`, "commissions equal balances", "merchant_receivable of merchant 1, partner none, POINT", "balance", "0", "-1000"},
		{`DELETE FROM commission WHERE role = 'customer'`, "commissions equal balances", "wallet of merchant 1, customer 1, POINT", "balance", "0", "1000"},
		{
			`UPDATE posting SET amount = amount + 1 WHERE credit = (SELECT id FROM account WHERE kind = 'wallet')`,
			"postings follow from events", `from wallet to wallet_pending, customer "c-D1"`, "amount", "", "",
		},
		{`DELETE FROM commission WHERE order_no = $no`, follows, ofA1, "", "", "no row"},
		{`UPDATE commission SET merchant_id = 2 WHERE order_no = $no`, "every row belongs to an order", ofA1, "merchant_id, lane", "", ""},
	})
}

// TestP4OrdersToBeDecidedAgainAreCheckedByTheirRecords has all of them wait for it.
func TestP4OrdersToBeDecidedAgainAreCheckedByTheirRecords(t *testing.T) {
	t.Parallel()
	const nudged, follows = `INSERT INTO nudge (lane, order_no) SELECT lane, no FROM orders; `, "commission follows from events"
	b := newBooks(t, monthly()...)
	for _, sql := range []string{nudged, nudged + `UPDATE orders SET goal = 'another'`} {
		if found := b.tamper(sql); len(found) > 0 {
			t.Errorf("%s\nthere is nothing wrong with money, yet found are %v", sql, found)
		}
	}
	b.findEach([]harm{
		{nudged + `UPDATE posting SET amount = amount + 1 WHERE source_no = $no AND n = 0`, "postings follow from events", "of order $no", "amount", "", ""},
		{nudged + `UPDATE commission SET gross = gross + 7 WHERE order_no = $no`, follows, "($no, $p, partner, GBP)", "gross", "1000", "1007"},
		{nudged + `UPDATE period_cell SET count = count + 1 WHERE period = (SELECT no FROM period WHERE rule = 'volume')`, "sums of periods follow from orders", "volume", "count", "32", "33"},
	})
}

// TestP4RecordsOfALaterVersionDoNotBreakSums has this version meet one whose contribution it cannot know.
func TestP4RecordsOfALaterVersionDoNotBreakSums(t *testing.T) {
	t.Parallel()
	found := newBooks(t, monthly()...).tamper(`UPDATE orders SET decision = '{"form":99,"outcome":"credited"}' WHERE order_id = 'A1'`)
	if len(found) == 0 {
		t.Error("nobody is told of the record")
	}
	for _, f := range found {
		if f.Severity == audit.Broken {
			t.Errorf("found is %s", f)
		}
	}
}
