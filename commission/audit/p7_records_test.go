package audit_test

import "testing"

func TestP7ARecordThatSaysSomethingElse(t *testing.T) {
	t.Parallel()
	newBooks(t).findEach([]harm{
		{`UPDATE orders SET decision = replace(decision::text, '"rate":100000', '"rate":100001')::json WHERE no = $no`, "order", "$no (merchant 1, \"A1\")", "decision", `"rate":100000`, `"rate":100001`},
		{`UPDATE orders SET decision = replace(decision::text, '"outcome":', '"outcome": ')::json WHERE no = $no`, "order", "$no", "decision", "", ""},
		{`UPDATE orders SET decision = replace(decision::text, '"unit":"POINT"', '"unit":"EUR"')::json WHERE order_id = 'D1'`, "order", `"D1"`, "decision", `"unit":"POINT"`, `"unit":"EUR"`},
		{`UPDATE orders SET decision = replace(decision::text, '"unit":"POINT",', '')::json WHERE order_id = 'D1'`, "order", `"D1"`, "decision", `"unit":"POINT"`, ""},
		{`UPDATE orders SET decision = '[]' WHERE no = $no`, "order", "$no", "decision", "the record of a decision", "reading the record"},
		{`UPDATE orders SET decision = '{"form":99}' WHERE no = $no`, "order", "$no", "", "what this version knows", "number 99"},
	})
}
