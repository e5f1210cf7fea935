package tracker

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"tributary/internal/event"
)

// TestNoColumnCanBeAssigned holds S28: the name of every column of every table, in every case that frameworks bind, is
// refused as a field of a report and of a line, and changes nothing as a header or as a parameter of a link.
func TestNoColumnCanBeAssigned(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	rows, err := e.db.Query(t.Context(), `SELECT DISTINCT column_name::text FROM information_schema.columns WHERE table_schema = 'public'
		UNION SELECT unnest(ARRAY['merchant', 'merchantId', 'partner', 'commission', 'rate', 'is_admin', 'role', '__proto__', 'constructor', 'OrderID', 'ORDER_ID'])`)
	must(t, err)
	var columns []string
	for rows.Next() {
		var name string
		must(t, rows.Scan(&name))
		columns = append(columns, name)
	}
	must(t, rows.Err())
	if len(columns) < 80 {
		t.Fatalf("only %d columns", len(columns))
	}
	known := map[string]bool{}
	for _, name := range []string{
		"order_id", "refund_id", "amount", "currency", "lines", "click_id", "coupon", "customer_id", "occurred_at", "line", "sku", "quantity", "category", "items", "reason",
	} {
		known[name] = true
	}
	link := "/c/" + e.mine.link.Code
	e.ask(t, "GET", link, nil, "User-Agent", firefox+" plain")
	plain := e.records(t)[0].GetClick()
	for _, name := range columns {
		if !known[name] {
			for path, body := range map[string]string{
				"/v1/conversions": `{"order_id":"1","amount":1,"currency":"GBP",%s}`, "/v1/refunds": `{"order_id":"1","refund_id":"1",%s}`,
				"/v1/conversions ": `{"order_id":"1","amount":1,"currency":"GBP","lines":[{"amount":1,%s}]}`, "/v1/refunds ": `{"order_id":"1","refund_id":"1","items":[{"line":1,%s}]}`,
			} {
				a := e.post(t, strings.TrimSpace(path), e.mine.key, fmt.Sprintf(body, fmt.Sprintf(`%q:%d`, name, e.theirs.merchant)))
				if a.status != 422 || !strings.Contains(a.body, name) {
					t.Errorf("%s as a field of %s: %d %s", name, path, a.status, a.body)
				}
			}
		}
		if a := e.ask(t, "GET", link+"?"+name+"=9&"+name+"=8", nil, "User-Agent", firefox+name, name, "9"); a.status != 302 || strings.Contains(strings.Replace(a.header.Get("Location"), "?", "&", 1), "&"+name+"=") {
			t.Errorf("%s as a parameter of a link: %d %s", name, a.status, a.header.Get("Location"))
		}
	}
	clicks := e.records(t)
	if len(clicks) != len(columns)+1 {
		t.Errorf("%d records, want %d clicks and no order", len(clicks), len(columns)+1)
	}
	for _, r := range clicks {
		if diff := cmp.Diff(plain, r.GetClick(), protocmp.Transform(), protocmp.IgnoreFields(&event.Click{}, "click_id", "user_agent", "sub1", "sub2", "sub3", "sub4", "sub5")); diff != "" {
			t.Errorf("a click (-plain +with a parameter):\n%s", diff)
		}
	}
}

// TestNothingIsSaidTwice holds S28: what may stand once and stands twice is refused, whichever of the two a server before
// this one would have believed.
func TestNothingIsSaidTwice(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	const order = `{"order_id":"1","amount":1,"currency":"GBP"}`
	bearer := "Bearer " + e.mine.key
	for _, row := range []struct {
		name    string
		path    string
		body    string
		headers []string
		status  int
	}{
		{"a parameter", "?order_id=2", order, nil, 400},
		{"a parameter twice", "?amount=1&amount=2", order, nil, 400},
		{"a key as a parameter", "?api_key=" + e.mine.key, order, nil, 400},
		{"a field twice", "", `{"order_id":"1","amount":1,"amount":1,"currency":"GBP"}`, nil, 422},
		{"a field twice, escaped", "", `{"order_id":"1","amount":1,"\u0061mount":9,"currency":"GBP"}`, nil, 422},
		{"a field twice, once null", "", `{"order_id":"1","amount":1,"amount":null,"currency":"GBP"}`, nil, 422},
		{"the key twice", "", order, []string{"Authorization", bearer}, 401},
		{"two content types", "", order, []string{"Content-Type", "text/plain"}, 415},
		{"a method in a header", "", order, []string{"X-HTTP-Method-Override", "DELETE"}, 200},
	} {
		for _, route := range []string{"/v1/conversions", "/v1/refunds"} {
			if route == "/v1/refunds" && row.status != 400 && row.status != 401 && row.status != 415 {
				continue
			}
			headers := append([]string{"Authorization", bearer, "Content-Type", "application/json"}, row.headers...)
			if a := e.ask(t, "POST", route+row.path, strings.NewReader(row.body), headers...); a.status != row.status {
				t.Errorf("%s at %s: %d %s, want %d", row.name, route, a.status, a.body, row.status)
			}
		}
	}
	head := "POST /v1/conversions HTTP/1.1\r\nHost: x\r\nAuthorization: " + bearer + "\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(order)) + "\r\n"
	raw(t, e, head+"Content-Length: 5\r\n\r\n"+order, head+"Host: y\r\n\r\n"+order)
	if n := len(e.records(t)); n != 1 {
		t.Errorf("%d records, want the one of the harmless header", n)
	}
}
