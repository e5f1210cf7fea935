package audit_test

import "testing"

func TestP8OrdersThatDoNotFollowFromTheirEvents(t *testing.T) {
	t.Parallel()
	const refund, who = `WHERE order_no = $no AND kind = 2`, "api_key_id, ip_prefix, imported"
	newBooks(t).findEach([]harm{
		{`UPDATE orders SET amount = amount + 5 WHERE no = $no`, "order", "$no (merchant 1, \"A1\")", "amount", "10000", "10005"},
		{`UPDATE orders SET outcome = 'no_click' WHERE no = $no`, "order", "$no", "outcome", "credited", "no_click"},
		{`UPDATE orders SET late = true WHERE no = $no`, "order", "$no", "late", "false", "true"},
		{`UPDATE orders SET received_at = received_at + interval '1 second' WHERE no = $no`, "order", "$no", "received_at", "", ""},
		{`UPDATE orders SET refund_oddities = 1 WHERE no = $no`, "order", "$no", "refund_oddities", "0", "1"},
		{`UPDATE orders SET customer_id = 'somebody' WHERE no = $no`, "order", "$no", "customer_id", "c-A1", "somebody"},
		{`UPDATE orders SET lane = lane + 1 WHERE no = $no`, "order", "$no", "lane", "", ""},
		{`DELETE FROM orders WHERE no = $no`, "every row belongs to an order", "($no, 1, '')", "", "an order", "none"},
		{`DELETE FROM order_event ` + refund, "order", "$no", "refunded", "0", "1000"},
		{`DELETE FROM order_event WHERE order_no = $no`, "order", "$no", "", "events that it is folded from", "none"},
		{`UPDATE order_event SET ref = 'other' ` + refund, "event", `($no, 2, "other")`, "ref", `2 "r1"`, `2 "other"`},
		{`UPDATE order_event SET payload = substr(payload, 1, 20) ` + refund, "event", `($no, 2, "r1")`, "payload", "an event of this order", ""},
		{`UPDATE order_event SET content_hash = '\x00' ` + refund, "event", `($no, 2, "r1")`, "content_hash", "", "00"},
		{`UPDATE order_event SET api_key_id = 9 ` + refund, "event", `($no, 2, "r1")`, who, `0, "", false`, `9, "", false`},
		{`UPDATE order_event SET ip_prefix = 'x' ` + refund, "event", `($no, 2, "r1")`, who, "", `"x"`},
		{`UPDATE order_event SET imported = true ` + refund, "event", `($no, 2, "r1")`, who, "", "true"},
	})
}
