package audit_test

import "testing"

func TestP5WhatRaisesAnAlarm(t *testing.T) {
	t.Parallel()
	newBooks(t).findEach([]harm{
		{`UPDATE posting SET amount = amount + 1 WHERE source_no = $no AND n = 0`, "hash chain", "block ", "", "what was sealed", ""},
		{`UPDATE chain SET hash = sha256('x') WHERE block = 2`, "hash chain", "block 2", "", "", ""},
		{`DELETE FROM chain WHERE block = 2`, "hash chain", "block 3", "", "", "block 2 is missing"},
		{`UPDATE commission SET state = 'pending', released = false WHERE order_no = $no`, "holds end", "($no, $p, partner, GBP)", "state", "payable since", "pending"},
		{`UPDATE position SET halted = 'a gap' WHERE partition = 1`, "partitions move", "(engine, orders, 1)", "halted", "not halted", "a gap"},
		{`UPDATE high_water SET gap = 99 WHERE partition = 1`, "partitions move", "(engine, orders, 1, ", "gap", "sequence ", "sequence 99"},
		{`UPDATE ledger_sent SET through_seq = 999999 WHERE lane = 1`, "outbox is dense", "1", "through_seq", "at most", "999999"},
		{`INSERT INTO ledger_outbox VALUES (1, 5, 6, '')`, "outbox is dense", "(1, 5)", "last_seq", "", "6"},
		{
			`INSERT INTO dead_letter (consumer, topic, partition, "offset", key, value, error) VALUES ('engine', 'orders', 1, 5, '', '', 'why')`,
			"dead letters are settled", "(engine, orders, 1, 5)", "state", "", "open: why",
		},
	})
}
