package audit_test

import "testing"

func TestP4BooksThatDoNotBalance(t *testing.T) {
	t.Parallel()
	newBooks(t).findEach([]harm{
		{`UPDATE posting SET unit = 'EUR' WHERE source_no = $no AND n = 1`, "postings fit their accounts", "(1, $no, ", "", "", "EUR"},
		{`UPDATE posting SET debit = 999999 WHERE source_no = $no AND n = 1`, "postings fit their accounts", "(1, $no, ", "", "", "account 999999 (none)"},
		{
			`UPDATE posting SET credit = (SELECT id FROM account WHERE kind = 'partner_payable' AND partner_id <> $p) WHERE source_no = $no
			 AND debit IN (SELECT id FROM account WHERE kind = 'partner_pending') AND credit IN (SELECT id FROM account WHERE kind = 'partner_payable')`,
			"postings fit their accounts", "(1, $no, ", "", "two accounts of one owner and of the unit", "POINT",
		},
		{`UPDATE posting SET source = 7 WHERE source_no = $no AND n = 1`, "every posting has a check", "(7, $no, ", "source", "", "7"},
		{
			`UPDATE checkpoint SET debits = debits + 1 WHERE (account_id, through_seq) = (SELECT account_id, through_seq FROM checkpoint ORDER BY 2, 1 LIMIT 1)`,
			"checkpoints equal sums", "(", "debits, credits, latest", "", "",
		},
		{
			`UPDATE checkpoint SET debits = debits + 1 WHERE (account_id, through_seq) = (SELECT account_id, max(through_seq) FROM checkpoint GROUP BY 1 LIMIT 1)`,
			"books balance", "all of GBP", "credits", "", "",
		},
		{
			`UPDATE posting SET amount = 9000000000000000000 WHERE seq IN (SELECT seq FROM posting WHERE debit = (SELECT debit FROM posting WHERE source_no = $no AND n = 0 LIMIT 1) LIMIT 2)`,
			"sums fit", "", "debits", "at most 9223372036854775807", "",
		},
	})
}
