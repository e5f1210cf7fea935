package tracker

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"tributary/internal/event"
	"tributary/internal/fault"
	"tributary/internal/keyring"
	"tributary/internal/proxy"
	"tributary/partners"
	"tributary/partners/catalogue"
	"tributary/tracker/clickid"
)

// post sends a report as a merchant's server does.
func (e *edge) post(tb testing.TB, path, key, body string) answer {
	tb.Helper()
	return e.ask(tb, "POST", path, strings.NewReader(body), "Content-Type", "application/json", "Authorization", "Bearer "+key)
}

// problem reads an answer that must be problem details.
func problem(tb testing.TB, a answer) fault.Problem {
	tb.Helper()
	if got := a.header.Get("Content-Type"); got != fault.ProblemType {
		tb.Fatalf("%d with content type %q: %s", a.status, got, a.body)
	}
	var p fault.Problem
	must(tb, json.Unmarshal([]byte(a.body), &p))
	if p.Status != a.status || p.Title != http.StatusText(a.status) || p.Code == "" || p.Detail == "" || p.Instance == "" || p.Type != "/problems/"+p.Code {
		tb.Errorf("problem %+v with status %d", p, a.status)
	}
	return p
}

func TestAnOrderIsStoredAsItWasUnderstood(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	e := newEdge(t, func(cfg *Config) { cfg.Now = func() time.Time { return now } })
	click := e.ring.Mint(int64(e.mine.link.ID), now.Add(-time.Hour))
	a := e.post(t, "/v1/conversions", e.mine.key, `{
		"order_id": " A-1001 ", "amount": 15098, "currency": "GBP", "click_id": "`+click+`", "customer_id": "cafe\u0301", "coupon": "W10",
		"occurred_at": "2026-11-22T12:30:00.5+01:00",
		"lines": [{"sku": "BOOT <41>", "quantity": 1, "amount": 12900, "category": "footwear"}, {"sku": "SOCK-3", "quantity": 2, "amount": 2198, "category": null}]}`)
	got := e.records(t)
	if a.status != http.StatusOK || len(got) != 1 {
		t.Fatalf("%d %s, %d records", a.status, a.body, len(got))
	}
	sale := got[0].GetSale()
	want := `{"stored":true,"order_id":"A-1001","amount":15098,"currency":"GBP","lines":[` +
		`{"line":1,"sku":"BOOT \u003c41\u003e","quantity":1,"amount":12900,"category":"footwear"},{"line":2,"sku":"SOCK-3","quantity":2,"amount":2198,"category":""}],` +
		`"coupon":"W10","customer_id":"caf` + "\u00e9" + `","occurred_at":"2026-11-22T11:30:00.5Z","click":{"valid":true,"at":"2026-11-22T11:00:00Z"},` +
		fmt.Sprintf(`"content":"%x","warnings":[],"received_at":%q}`, sale.GetContentHash(), now.UTC().Format(time.RFC3339Nano)) + "\n"
	if diff := cmp.Diff(want, a.body); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	if !json.Valid([]byte(a.body)) {
		t.Error("the answer is not JSON")
	}
	stored := &event.Event{
		Id: got[0].GetId(), ReceivedAt: event.Micros(now), OccurredAt: event.Micros(now.Add(-30*time.Minute + 500*time.Millisecond)),
		ApiKeyId: int64(e.mine.keyID), IpPrefix: "127.0.0.0/24",
		Body: &event.Event_Sale{Sale: &event.Sale{
			MerchantId: int64(e.mine.merchant), OrderId: "A-1001", Currency: "GBP", ClickId: click, Coupon: "W10", CustomerId: "caf\u00e9",
			Lines: []*event.Line{{Number: 1, Sku: "BOOT <41>", Quantity: 1, Amount: 12900, Category: "footwear"}, {Number: 2, Sku: "SOCK-3", Quantity: 2, Amount: 2198}},
		}},
	}
	stored.GetSale().ContentHash = event.SaleHash(stored.GetSale(), stored.GetOccurredAt())
	if diff := cmp.Diff(stored, got[0], protocmp.Transform()); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
	if id := a.header.Get("Tributary-Event"); strings.ReplaceAll(id, "-", "") != hex.EncodeToString(got[0].GetId()) {
		t.Errorf("event %s, want %x", id, got[0].GetId())
	}
	if a.header.Get("Content-Type") != "application/json" || a.header.Get("Cache-Control") != "no-store" || a.header.Get("X-Request-ID") == "" {
		t.Errorf("headers %v", a.header)
	}
}

func TestTheSameOrderGetsTheSameAnswer(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	click := e.ring.Mint(int64(e.mine.link.ID), time.Now().Add(-time.Hour))
	for _, body := range []string{
		`{"order_id":"1","amount":100,"currency":"GBP"}`,
		`{"order_id":"2","amount":100,"currency":"GBP","click_id":"` + click + `","lines":[{"amount":60},{"amount":40}]}`,
		`{"order_id":"3","amount":100,"currency":"GBP","click_id":"junk","occurred_at":"` + time.Now().UTC().Format(time.RFC3339Nano) + `"}`,
	} {
		first, second := e.post(t, "/v1/conversions", e.mine.key, body), e.post(t, "/v1/conversions", e.mine.key, body)
		if first.status != 200 || said(first.body) != said(second.body) {
			t.Errorf("%s:\n%s%s", body, first.body, second.body)
		}
		if first.header.Get("Tributary-Event") == second.header.Get("Tributary-Event") {
			t.Errorf("%s: one event id for two records", body)
		}
	}
	hashes := map[string]int{}
	for _, r := range e.records(t) {
		hashes[string(r.GetSale().GetContentHash())]++
	}
	if len(hashes) != 3 {
		t.Errorf("%d contents among three orders, want 3", len(hashes))
	}
	other := e.post(t, "/v1/conversions", e.mine.key, `{"order_id":"1","amount":101,"currency":"GBP"}`)
	if other.status != 200 {
		t.Errorf("the same order with other content: %d", other.status)
	}
}

// TestWhoReportsIsKeptAndNoContent holds that each report names the key and network it came by, and that the same said by
// another key is the same content.
func TestWhoReportsIsKeptAndNoContent(t *testing.T) {
	t.Parallel()
	e := newEdge(t, func(cfg *Config) { cfg.TrustedProxies = proxy.Trusted{netip.MustParsePrefix("127.0.0.0/8")} })
	other, otherID, err := partners.IssueKey(t.Context(), e.db, e.mine.merchant, "", partners.Reporting)
	must(t, err)
	hash, _ := partners.KeyHash(other)
	eventually(t, "the other key is seen", func() bool { _, ok := e.catalogue.Key(hash); return ok })
	for path, body := range map[string]string{
		"/v1/conversions": `{"order_id":"1","amount":100,"currency":"GBP"}`, "/v1/refunds": `{"order_id":"1","refund_id":"R","whole_order":true}`,
	} {
		before := len(e.records(t))
		for address, key := range map[string]string{"203.0.113.77": e.mine.key, "2001:db8:1:2::3": other} {
			a := e.ask(t, "POST", path, strings.NewReader(body), "Authorization", "Bearer "+key, "Content-Type", "application/json", "X-Forwarded-For", address)
			if a.status != http.StatusOK {
				t.Fatalf("%s: %d %s", path, a.status, a.body)
			}
		}
		came := map[int64]string{}
		contents := map[string]bool{}
		for _, r := range e.records(t)[before:] {
			came[r.GetApiKeyId()] = r.GetIpPrefix()
			contents[string(r.GetSale().GetContentHash())+string(r.GetRefund().GetContentHash())] = true
			if r.GetImported() {
				t.Errorf("%s: a merchant's report is marked as an import", path)
			}
		}
		if diff := cmp.Diff(map[int64]string{int64(e.mine.keyID): "203.0.113.0/24", int64(otherID): "2001:db8:1::/48"}, came); diff != "" || len(contents) != 1 {
			t.Errorf("%s: %d contents, who sent them (-want +got):\n%s", path, len(contents), diff)
		}
	}
}

// said is an answer up to when the report was received, in which copies differ.
func said(answer string) string {
	before, _, _ := strings.Cut(answer, `,"received_at"`)
	return before
}

// Members that come in another order, blanks, and the ways to write a character do not make another content.
func TestContentIsWhatIsSaidNotHow(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	var answers []string
	for _, body := range []string{
		`{"order_id":"é","amount":100,"currency":"GBP","customer_id":"c"}`,
		` { "customer\u005fid" : "\u0063" , "currency":"GBP", "order_id":"e\u0301 ", "amount" : 100, "coupon": null, "click_id": "" } `,
		`{"order_id":"\u00e9","amount":100,"currency":"GBP","customer_id":"c","lines":[{"line":1,"quantity":1,"amount":100,"sku":""}]}`,
	} {
		a := e.post(t, "/v1/conversions", e.mine.key, body)
		answers = append(answers, a.body)
		if a.status != 200 || said(a.body) != said(answers[0]) {
			t.Errorf("%s:\n%s%s", body, answers[0], a.body)
		}
	}
}

func TestEverythingWrongWithAnOrderIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	long := strings.Repeat("x", 129)
	old, ahead := time.Now().Add(-91*24*time.Hour).Format(time.RFC3339), time.Now().Add(6*time.Minute).Format(time.RFC3339)
	for _, row := range []struct {
		name string
		body string
		want string // the fields, each with a word of its problem or fix
	}{
		{"nothing", `{}`, "amount: missing; currency: GBP, JPY; order_id: missing"},
		{"nulls", `{"order_id":null,"amount":null,"currency":null}`, "amount: it is null; currency: missing; order_id: missing"},
		{"no list of lines", `{"order_id":"1","amount":1,"currency":"GBP","lines":null}`, "lines: it is null"},
		{"nulls in a line", `{"order_id":"1","amount":1,"currency":"GBP","lines":[{"amount":1,"line":null,"quantity":null}]}`, "lines[0].line: it is null; lines[0].quantity: it is null"},
		{"an empty order id", `{"order_id":"  ","amount":1,"currency":"GBP"}`, "order_id: missing"},
		{"an order id too long", `{"order_id":"` + long + `","amount":1,"currency":"GBP"}`, "order_id: 129 bytes"},
		{"an order id with a control character", `{"order_id":"a\u0000b","amount":1,"currency":"GBP"}`, "order_id: U+0000"},
		{"an order id that is a number", `{"order_id":17,"amount":1,"currency":"GBP"}`, "order_id: quotes"},
		{"an order id with half a character", `{"order_id":"\ud800","amount":1,"currency":"GBP"}`, "order_id: escape"},
		{"a decimal amount", `{"order_id":"1","amount":150.98,"currency":"GBP"}`, "amount: send 15098, which is GBP 150.98"},
		{"a quoted decimal amount", `{"order_id":"1","amount":"150.98","currency":"GBP"}`, "amount: send 15098"},
		{"a quoted integer amount", `{"order_id":"1","amount":"15098","currency":"GBP"}`, "amount: or 15098 without quotes and without a point if that is GBP 150.98"},
		{"a quoted amount of yen", `{"order_id":"1","amount":"150","currency":"JPY"}`, "amount: send 150, which is JPY 150"},
		{"an amount with an exponent", `{"order_id":"1","amount":1e3,"currency":"GBP"}`, "amount: integer of minor units"},
		{"an amount below zero", `{"order_id":"1","amount":-5,"currency":"GBP"}`, "amount: refund"},
		{"an amount beyond all bounds", `{"order_id":"1","amount":1000000000000001,"currency":"GBP"}`, "amount: more than"},
		{"an amount that is no number", `{"order_id":"1","amount":[1],"currency":"GBP"}`, "amount: integer"},
		{"a whole amount with a point", `{"order_id":"1","amount":1999.0,"currency":"GBP"}`, "amount: or 1999 without quotes and without a point if that is GBP 19.99"},
		{"a whole amount of yen with a point", `{"order_id":"1","amount":1999.0,"currency":"JPY"}`, "amount: send 1999, which is JPY 1,999"},
		{"a quoted decimal amount of yen", `{"order_id":"1","amount":"5550.00","currency":"JPY"}`, "amount: send 5550, which is JPY 5,550"},
		{"a discount as a line", `{"order_id":"1","amount":9000,"currency":"GBP","lines":[{"amount":10000},{"amount":-1000}]}`, "lines[1].amount: take a discount off the lines it is for"},
		{"a discount beside the lines", `{"order_id":"1","amount":9000,"currency":"GBP","lines":[{"amount":10000}]}`, "amount: take a discount off the lines it is for"},
		{"an order id that cannot be seen", `{"order_id":"\u200b","amount":1,"currency":"GBP"}`, "order_id: U+200B"},
		{"an order id that turns the writing", `{"order_id":"rlo\u202e-1","amount":1,"currency":"GBP"}`, "order_id: U+202E"},
		{"other texts that cannot be seen", `{"order_id":"1","amount":1,"currency":"GBP","coupon":"A\u00ad","customer_id":"\u3164","lines":[{"amount":1,"sku":"\ufeffx","category":"a\u2066b"}]}`, "coupon: U+00AD; customer_id: U+3164; lines[0].category: U+2066; lines[0].sku: U+FEFF"},
		{"a currency that no program has", `{"order_id":"1","amount":1,"currency":"EUR"}`, "currency: GBP, JPY"},
		{"a currency in small letters", `{"order_id":"1","amount":1,"currency":"gbp"}`, "currency: not an ISO 4217"},
		{"a withdrawn currency", `{"order_id":"1","amount":1,"currency":"DEM"}`, "currency: not an ISO 4217"},
		{"a sum that differs", `{"order_id":"1","amount":100,"currency":"GBP","lines":[{"amount":60},{"amount":30}]}`, "amount: send 90"},
		{"no lines in the list", `{"order_id":"1","amount":100,"currency":"GBP","lines":[]}`, "lines: empty"},
		{"lines that are no list", `{"order_id":"1","amount":100,"currency":"GBP","lines":{}}`, "lines: brackets"},
		{"a line that is no object", `{"order_id":"1","amount":100,"currency":"GBP","lines":[5]}`, "lines[0]: object"},
		{"a line without an amount", `{"order_id":"1","amount":100,"currency":"GBP","lines":[{"amount":100},{"sku":"x"}]}`, "lines[1].amount: missing"},
		{"no pieces", `{"order_id":"1","amount":100,"currency":"GBP","lines":[{"amount":100,"quantity":0}]}`, "lines[0].quantity: leave the line out"},
		{"half a piece", `{"order_id":"1","amount":100,"currency":"GBP","lines":[{"amount":100,"quantity":1.5}]}`, "lines[0].quantity: amount is for all of it"},
		{"a decimal line", `{"order_id":"1","amount":1000,"currency":"GBP","lines":[{"amount":10.00}]}`, "lines[0].amount: or 10 without quotes and without a point if that is GBP 0.10"},
		{"two lines with one number", `{"order_id":"1","amount":2,"currency":"GBP","lines":[{"line":3,"amount":1},{"line":3,"amount":1}]}`, "lines[1].line: another"},
		{"some lines with a number", `{"order_id":"1","amount":2,"currency":"GBP","lines":[{"line":3,"amount":1},{"amount":1}]}`, "lines: all of them or none"},
		{"a line number of zero", `{"order_id":"1","amount":1,"currency":"GBP","lines":[{"line":0,"amount":1}]}`, "lines[0].line: number the lines from 1"},
		{"a time that is none", `{"order_id":"1","amount":1,"currency":"GBP","occurred_at":"yesterday"}`, "occurred_at: RFC 3339"},
		{"a time in seconds", `{"order_id":"1","amount":1,"currency":"GBP","occurred_at":1795320000}`, "occurred_at: RFC 3339"},
		{"a time without a zone", `{"order_id":"1","amount":1,"currency":"GBP","occurred_at":"2026-11-22T10:00:00"}`, "occurred_at: zone"},
		{"a time too long ago", `{"order_id":"1","amount":1,"currency":"GBP","occurred_at":"` + old + `"}`, "occurred_at: 90 days"},
		{"a time ahead", `{"order_id":"1","amount":1,"currency":"GBP","occurred_at":"` + ahead + `"}`, "occurred_at: future"},
		{"a field that is not known", `{"order_id":"1","amount":1,"currency":"GBP","orderId":"2"}`, `orderId: did you mean "order_id"`},
		{"what others call fields of ours", `{"order_id":"1","amount":1,"currency":"GBP","created_at":1,"total":1,"is_new":true,"customerType":"x"}`, `created_at: did you mean "occurred_at"; customerType: did you mean "customer_status"; is_new: did you mean "customer_status"; total: did you mean "amount"`},
		{"a line's field beside the lines", `{"order_id":"1","amount":1,"currency":"GBP","part":"x"}`, "part: the fields are order_id"},
		{"a field that is like no other", `{"order_id":"1","amount":1,"currency":"GBP","zzzzzzzz":"2"}`, "zzzzzzzz: the fields are order_id"},
		{"a line's field that is not known", `{"order_id":"1","amount":1,"currency":"GBP","lines":[{"amount":1,"qty":2,"quantty":1}]}`, `lines[0].qty: remove it; lines[0].quantty: did you mean "quantity"`},
		{"a field given twice", `{"order_id":"1","amount":1,"currency":"GBP","amount":2}`, "amount: twice"},
		{"a field of the tables", `{"order_id":"1","amount":1,"currency":"GBP","merchant_id":9,"lane":1,"received_at":1,"event_id":"x","stored":true}`, "event_id: remove; lane: remove; merchant_id: remove; received_at: ; stored: remove"},
		{"several at once", `{"order_id":5,"amount":"x","currency":"EUR","lines":[{"amount":1.5,"sku":7}],"x":1}`, "amount: integer; currency: GBP; lines[0].amount: integer; lines[0].sku: quotes; order_id: quotes; x: remove"},
	} {
		a := e.post(t, "/v1/conversions", e.mine.key, row.body)
		p := problem(t, a)
		if a.status != http.StatusUnprocessableEntity || p.Code != "invalid_conversion" {
			t.Errorf("%s: %d %s", row.name, a.status, a.body)
		}
		if missing := unsaid(row.want, p.Errors); missing != "" {
			t.Errorf("%s: %s is not among\n%s", row.name, missing, a.body)
		}
	}
	if n := len(e.records(t)); n != 0 {
		t.Errorf("%d records", n)
	}
}

// unsaid checks problems against "field: words; field: words": the same fields in order, each with its words in what is
// said. It gives the first that is not there.
func unsaid(want string, fields []fault.Field) string {
	parts := strings.Split(want, "; ")
	for i, part := range parts {
		name, words, _ := strings.Cut(part, ": ")
		if i >= len(fields) || fields[i].Name != name || !strings.Contains(fields[i].Problem+" "+fields[i].Fix, words) || fields[i].Problem == "" || fields[i].Fix == "" {
			return part
		}
	}
	if len(fields) > len(parts) {
		return "only " + want
	}
	return ""
}

func TestWhatIsNoReportIsRefused(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	const order = `{"order_id":"1","amount":1,"currency":"GBP"}`
	bearer := "Bearer " + e.mine.key
	for _, row := range []struct {
		name    string
		body    string
		headers []string
		status  int
		code    string
	}{
		{"no content type", order, []string{"Authorization", bearer}, 415, "unsupported_type"},
		{"a form", "order_id=1", []string{"Authorization", bearer, "Content-Type", "application/x-www-form-urlencoded"}, 415, "unsupported_type"},
		{"compressed", order, []string{"Authorization", bearer, "Content-Type", "application/json", "Content-Encoding", "gzip"}, 415, "unsupported_encoding"},
		{"nothing", "", []string{"Authorization", bearer, "Content-Type", "application/json"}, 400, "malformed_json"},
		{"half an object", order[:20], []string{"Authorization", bearer, "Content-Type", "application/json"}, 400, "malformed_json"},
		{"two objects", order + order, []string{"Authorization", bearer, "Content-Type", "application/json"}, 400, "malformed_json"},
		{"a list", "[" + order + "]", []string{"Authorization", bearer, "Content-Type", "application/json"}, 400, "malformed_json"},
		{"null", "null", []string{"Authorization", bearer, "Content-Type", "application/json"}, 400, "malformed_json"},
		{"not UTF-8", "{\"order_id\":\"\xff\"}", []string{"Authorization", bearer, "Content-Type", "application/json"}, 400, "malformed_json"},
		{"too large", `{"order_id":"` + strings.Repeat("x", maxBody) + `"}`, []string{"Authorization", bearer, "Content-Type", "application/json"}, 413, "body_too_large"},
		{"no key", order, []string{"Content-Type", "application/json"}, 401, "unauthorized"},
		{"an empty key", order, []string{"Content-Type", "application/json", "Authorization", "Bearer "}, 401, "unauthorized"},
		{"another scheme", order, []string{"Content-Type", "application/json", "Authorization", "Basic " + e.mine.key}, 401, "unauthorized"},
		{"a key that was never issued", order, []string{"Content-Type", "application/json", "Authorization", "Bearer tk_live_" + strings.Repeat("0", 49)}, 401, "unauthorized"},
		{"a key with one letter changed", order, []string{"Content-Type", "application/json", "Authorization", bearer[:len(bearer)-1] + "!"}, 401, "unauthorized"},
		{"two keys", order, []string{"Content-Type", "application/json", "Authorization", bearer, "Authorization", "Bearer " + e.theirs.key}, 401, "unauthorized"},
	} {
		for _, path := range []string{"/v1/conversions", "/v1/refunds"} {
			a := e.ask(t, "POST", path, strings.NewReader(row.body), row.headers...)
			if p := problem(t, a); a.status != row.status || p.Code != row.code {
				t.Errorf("%s to %s: %d %s, want %d %s", row.name, path, a.status, p.Code, row.status, row.code)
			}
			if (a.header.Get("WWW-Authenticate") != "") != (a.status == 401) {
				t.Errorf("%s: WWW-Authenticate %q", row.name, a.header.Get("WWW-Authenticate"))
			}
		}
	}
	if n := len(e.records(t)); n != 0 {
		t.Errorf("%d records", n)
	}
}

// TestAKeyServesItsMerchantOnly holds S9 and S18: whose order it is follows from the key alone, and a revoked key ends.
func TestAKeyServesItsMerchantOnly(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	if a := e.post(t, "/v1/conversions", e.theirs.key, `{"order_id":"1","amount":1,"currency":"GBP"}`); a.status != 422 {
		t.Errorf("an order in another merchant's currency: %d", a.status)
	}
	if a := e.post(t, "/v1/conversions", e.theirs.key, `{"order_id":"1","amount":1,"currency":"EUR"}`); a.status != 200 {
		t.Errorf("their own order: %d", a.status)
	}
	if got := e.records(t); len(got) != 1 || got[0].GetSale().GetMerchantId() != int64(e.theirs.merchant) {
		t.Errorf("records %v", got)
	}
	must(t, partners.RevokeKey(t.Context(), e.db, e.theirs.merchant, e.theirs.keyID))
	began := time.Now()
	eventually(t, "the revoked key is refused", func() bool {
		return e.post(t, "/v1/conversions", e.theirs.key, `{}`).status == 401
	})
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("a revoked key worked for %s", took)
	}
	before := len(e.records(t))
	if a := e.post(t, "/v1/conversions", e.theirs.key, `{"order_id":"2","amount":1,"currency":"EUR"}`); a.status != 401 || len(e.records(t)) != before {
		t.Errorf("a revoked key: %d", a.status)
	}
}

func TestAnOddClickIDIsWarnedOfAndStored(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	now := time.Now()
	other, err := clickid.NewRing([]keyring.Key{keyring.Generate(1)})
	must(t, err)
	strange, err := clickid.NewRing([]keyring.Key{keyring.Generate(200)})
	must(t, err)
	good := e.ring.Mint(int64(e.mine.link.ID), now)
	for _, row := range []struct {
		name  string
		click string
		extra string
		valid string // what the answer says of it
		words string // of the warning
		kept  string
	}{
		{"a good one", good, "", `"click":{"valid":true`, "", good},
		{"none", "", "", "", "", ""},
		{"a good one with blanks", " " + good + " ", "", `"click":{"valid":true`, "", good},
		{"junk", "abc", "", `"click":{"valid":false}`, "not a click id", "abc"},
		{"junk too long to keep", strings.Repeat("z", 500), "", `"click":{"valid":false}`, "not a click id", strings.Repeat("z", 128)},
		{"junk with a control character", `a\u0000b`, "", `"click":{"valid":false}`, "not a click id", "a b"},
		{"a forged one", other.Mint(int64(e.mine.link.ID), now), "", `"click":{"valid":false}`, "not made by this network", ""},
		{"one of a key that is gone", strange.Mint(int64(e.mine.link.ID), now), "", `"click":{"valid":false}`, "not made by this network", ""},
		{"one of a link that is not known", e.ring.Mint(999, now), "", `"click":{"valid":true`, "link is not known", ""},
		{"one of another merchant's link", e.ring.Mint(int64(e.theirs.link.ID), now), "", `"click":{"valid":true`, "not one of your programs", ""},
		{"one from after the order", e.ring.Mint(int64(e.mine.link.ID), now), `,"occurred_at":"` + now.Add(-time.Hour).Format(time.RFC3339) + `"`, `"click":{"valid":true`, "after the order", ""},
		{"a good one, by a clock that is behind", good, `,"occurred_at":"` + now.Add(-4*time.Minute).Format(time.RFC3339) + `"`, `"click":{"valid":true`, "", good},
	} {
		before := len(e.records(t))
		a := e.post(t, "/v1/conversions", e.mine.key, `{"order_id":"1","amount":1,"currency":"GBP","click_id":"`+row.click+`"`+row.extra+`}`)
		var got struct {
			Warnings []fault.Field `json:"warnings"`
		}
		must(t, json.Unmarshal([]byte(a.body), &got))
		if a.status != 200 || !strings.Contains(a.body, row.valid) || (row.valid == "") == strings.Contains(a.body, `"click"`) {
			t.Errorf("%s: %d %s", row.name, a.status, a.body)
		}
		if row.words == "" && len(got.Warnings) != 0 || row.words != "" && unsaid("click_id: "+row.words, got.Warnings) != "" {
			t.Errorf("%s: warnings %v", row.name, got.Warnings)
		}
		added := e.records(t)[before:]
		if len(added) != 1 || row.kept != "" && added[0].GetSale().GetClickId() != row.kept {
			t.Errorf("%s: kept %v", row.name, added)
		}
	}
}

func TestATimeSlightlyAheadIsThePresent(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	e := newEdge(t, func(cfg *Config) { cfg.Now = func() time.Time { return now } })
	for i, row := range []struct {
		stated string
		want   time.Time
	}{
		{"2026-11-22T12:05:00Z", now},
		{"2026-11-22T11:59:59.123456789Z", time.Date(2026, 11, 22, 11, 59, 59, 123_456_000, time.UTC)},
		{"2026-08-24T12:00:00Z", time.Date(2026, 8, 24, 12, 0, 0, 0, time.UTC)},
	} {
		body := fmt.Sprintf(`{"order_id":"%d","amount":1,"currency":"GBP","occurred_at":%q}`, i, row.stated)
		if a := e.post(t, "/v1/conversions", e.mine.key, body); a.status != 200 {
			t.Fatalf("%s: %d %s", row.stated, a.status, a.body)
		}
	}
	got := map[string]time.Time{}
	for _, r := range e.records(t) {
		got[r.GetSale().GetOrderId()] = event.Time(r.GetOccurredAt())
	}
	want := map[string]time.Time{"0": now, "1": time.Date(2026, 11, 22, 11, 59, 59, 123_456_000, time.UTC), "2": time.Date(2026, 8, 24, 12, 0, 0, 0, time.UTC)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("times (-want +got):\n%s", diff)
	}
}

func TestSixtyFourPostsOfOneOrderAtOnce(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	bodies := make([]string, 64)
	var wg sync.WaitGroup
	for i := range bodies {
		wg.Go(func() {
			a := e.post(t, "/v1/conversions", e.mine.key, `{"order_id":"one","amount":300,"currency":"GBP","lines":[{"sku":"a","amount":100},{"sku":"b","amount":200}]}`)
			bodies[i] = fmt.Sprint(a.status, a.body)
		})
	}
	wg.Wait()
	for _, body := range bodies {
		if said(body) != said(bodies[0]) || !strings.HasPrefix(body, "200") {
			t.Fatalf("answers differ:\n%s%s", bodies[0], body)
		}
	}
	got := e.records(t)
	ids := map[string]bool{}
	for _, r := range got {
		ids[string(r.GetId())] = true
		if !bytes.Equal(r.GetSale().GetContentHash(), got[0].GetSale().GetContentHash()) {
			t.Error("contents differ")
		}
	}
	if len(got) != 64 || len(ids) != 64 {
		t.Errorf("%d records with %d ids, want 64", len(got), len(ids))
	}
}

// FuzzConversionJSON holds that any body is answered, that what is accepted is as encoding/json reads it, and that its
// answer is JSON which, sent again as a report, means the same.
func FuzzConversionJSON(f *testing.F) {
	for _, body := range []string{
		`{"order_id":"1","amount":1,"currency":"GBP"}`,
		`{"order_id":"1","amount":3,"currency":"GBP","lines":[{"line":2,"sku":"a\"\\\/\u00e9","quantity":2,"amount":3,"category":"x"}],"click_id":"y","coupon":"z","customer_id":"c","occurred_at":"2026-11-22T10:00:00+01:00"}`,
		`{"order_id":"\ud83d\ude00","amount":0,"currency":"GBP","lines":[{"amount":0},{"amount":0}]}`,
		`{}`, `[]`, `{"lines":[[],{},null,1,"x"]}`, `{"amount":1e999,"order_id":{"a":[1,{"b":"}"}]}}`, ` {"a" : [ ] , "b":{ } } `, `{"":"","":""}`,
	} {
		f.Add([]byte(body))
	}
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	in := &Intake{catalogue: catalogue.New(nil, quiet()), now: func() time.Time { return now }}
	f.Fuzz(func(t *testing.T, body []byte) {
		body, err := checkJSON(body)
		if err != nil {
			return
		}
		r := &review{}
		report := readSale(body, r)
		report.check(r, []string{"GBP", "JPY"})
		r.checkTime(report.OccurredAt, now)
		if len(r.problems) > 0 {
			for _, p := range r.problems {
				if p.Problem == "" || p.Fix == "" {
					t.Errorf("problem %+v", p)
				}
			}
			return
		}
		var plain struct {
			OrderID string `json:"order_id"`
			Amount  int64  `json:"amount"`
			Lines   []struct {
				Amount int64 `json:"amount"`
			} `json:"lines"`
		}
		must(t, json.Unmarshal(body, &plain))
		if strings.TrimSpace(plain.OrderID) != plain.OrderID {
			plain.OrderID = report.OrderID
		}
		sum := int64(0)
		for _, l := range report.Lines {
			sum += l.Amount
		}
		if plain.Amount != report.Amount || sum != report.Amount || len(plain.Lines) > 0 && len(plain.Lines) != len(report.Lines) {
			t.Errorf("%s is read as %+v", body, report)
		}
		report.ClickID = "" // the answer does not repeat it
		_, receipt := in.saleEvent(1, report, now)
		text := appendSale(nil, report, receipt)
		if !json.Valid(text) {
			t.Fatalf("the answer is not JSON: %s", text)
		}
		var again map[string]json.RawMessage
		must(t, json.Unmarshal(text, &again))
		for _, ours := range []string{"stored", "content", "warnings", "received_at"} {
			delete(again, ours)
		}
		text, err = json.Marshal(again)
		must(t, err)
		r = &review{}
		repeated := readSale(text, r)
		repeated.check(r, []string{"GBP", "JPY"})
		if diff := cmp.Diff(report, repeated); diff != "" || len(r.problems) > 0 {
			t.Errorf("%s read again (-want +got):\n%s%v", text, diff, r.problems)
		}
	})
}

func BenchmarkReadSale(b *testing.B) {
	body := []byte(benchOrder)
	b.ReportAllocs()
	for b.Loop() {
		_, err := checkJSON(body)
		must(b, err)
		r := &review{}
		report := readSale(body, r)
		if report.check(r, []string{"GBP"}); len(r.problems) > 0 {
			b.Fatal(r.problems)
		}
	}
}

const benchOrder = `{"order_id":"A-1001","amount":15098,"currency":"GBP","click_id":"AQkBAgMEBQYHCAGiAyCie_Dx8vP09fb3KICGztsI5ycfftC5-k3XyA","customer_id":"c-77",` +
	`"lines":[{"sku":"BOOT-41","quantity":1,"amount":12000,"category":"footwear"},{"sku":"SOCK-3","quantity":1,"amount":2198,"category":"clothing"},{"sku":"LACE-1","quantity":2,"amount":900,"category":"clothing"}]}`

// TestTheLargestReportIsStored holds F19: whatever stands in 64 KiB of JSON fits into an event.
func TestTheLargestReportIsStored(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	// A character whose normal form is three times as long in UTF-8.
	widest := strings.Repeat("\U0001D163", 10)
	for name, element := range map[string]string{"many lines": `{"amount":0}`, "long texts": `{"amount":0,"sku":"` + widest + `","category":"` + widest + `"}`} {
		head := `{"order_id":"` + name + `","amount":0,"currency":"GBP","lines":[` + element
		body := head + strings.Repeat(","+element, (maxBody-len(head)-2)/(len(element)+1)) + "]}"
		a := e.post(t, "/v1/conversions", e.mine.key, body)
		if a.status != http.StatusOK || len(body) < maxBody-200 {
			t.Errorf("%s: %d bytes: %d %.300s", name, len(body), a.status, a.body)
		}
		item := strings.Replace(element, `"amount":0`, `"amount":1,"line":9223372036854775807`, 1)
		if strings.Contains(item, "sku") {
			item = `{"amount":1,"sku":"` + widest + `"}`
		}
		head = `{"order_id":"` + name + `","refund_id":"R","items":[` + item
		body = head + strings.Repeat(","+item, (maxBody-len(head)-2)/(len(item)+1)) + "]}"
		if a := e.post(t, "/v1/refunds", e.mine.key, body); a.status != http.StatusOK || len(body) < maxBody-200 {
			t.Errorf("%s: refund of %d bytes: %d %.300s", name, len(body), a.status, a.body)
		}
	}
	for _, r := range e.records(t) {
		if size := r.SizeVT(); size < maxBody/3 || size > event.MaxBytes {
			t.Errorf("an event of %d bytes", size)
		}
	}
}

// TestAReportLargerThanARecordIsRefused: one that no 64 KiB of JSON can hold may still come from an import. What is refused
// was not stored, and what just fits is.
func TestAReportLargerThanARecordIsRefused(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	bulk := e.Intake.Bulk()
	sale := func(n int) error {
		r := &SaleReport{OrderID: "large", Currency: "GBP", Lines: make([]Line, n)}
		for i := range r.Lines {
			r.Lines[i] = Line{SKU: strings.Repeat("s", maxID), Category: strings.Repeat("c", maxID), Quantity: 1}
		}
		_, err := e.Intake.Sale(t.Context(), e.mine.merchant, r)
		return err
	}
	refund := func(n int) error {
		r := &RefundReport{OrderID: "large", RefundID: "R", Items: make([]RefundItem, n)}
		for i := range r.Items {
			r.Items[i] = RefundItem{SKU: strings.Repeat("s", maxID), Amount: 1}
		}
		if _, err := e.Intake.Refund(t.Context(), e.mine.merchant, r); err != nil {
			return err
		}
		_, err := bulk.Refund(t.Context(), e.mine.merchant, r)
		must(t, bulk.Wait(t.Context()))
		return err
	}
	for _, row := range []struct {
		name, says string
		report     func(n int) error
		most       int // lines or items that fit
	}{
		{"a sale", "report several lines as one", sale, event.MaxBytes / 270},
		{"a refund", "as refunds of their own", refund, event.MaxBytes / 138},
	} {
		before := len(e.records(t))
		must(t, row.report(row.most))
		stored := len(e.records(t))
		if stored == before {
			t.Errorf("%s that fits is not stored", row.name)
		}
		if f := fault.Of(row.report(row.most + row.most/10)); f.Kind != fault.TooLarge || f.Code != "report_too_large" || !strings.Contains(f.Detail, row.says) || !strings.Contains(f.Detail, "196608 fit") {
			t.Errorf("%s that is too large: %v", row.name, f)
		}
		if n := len(e.records(t)); n != stored {
			t.Errorf("%s that was refused left %d records", row.name, n-stored)
		}
	}
}

func TestAReportIsTakenAsItWasMeant(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	const order = `"amount":100,"currency":"GBP"`
	at := time.Now().UTC().Add(-time.Hour).Truncate(time.Second)
	in := at.In(time.FixedZone("", 3600))
	for name, c := range map[string]struct{ body, says string }{
		"a byte order mark":       {"\ufeff{\"order_id\":\"bom\"," + order + "}", `"order_id":"bom"`},
		"a quantity with a point": {`{"order_id":"q",` + order + `,"lines":[{"amount":100,"quantity":1.0}]}`, `"quantity":1,`},
		"a number of 64 bits":     {`{"order_id":"n",` + order + `,"lines":[{"amount":100,"line":14632938340631}]}`, `"line":14632938340631`},
		"small letters":           {`{"order_id":"t1",` + order + `,"occurred_at":"` + strings.ToLower(at.Format(time.RFC3339)) + `"}`, at.Format(time.RFC3339)},
		"a zone without a colon":  {`{"order_id":"t2",` + order + `,"occurred_at":"` + in.Format("2006-01-02T15:04:05-0700") + `"}`, at.Format(time.RFC3339)},
		"a blank for the T":       {`{"order_id":"t3",` + order + `,"occurred_at":"` + in.Format("2006-01-02 15:04:05-07:00") + `"}`, at.Format(time.RFC3339)},
		"texts that are null":     {`{"order_id":"c",` + order + `,"coupon":null,"customer_id":null,"click_id":null}`, `"order_id":"c"`},
	} {
		a := e.ask(t, "POST", "/v1/conversions", strings.NewReader(c.body), "Authorization", "Bearer "+e.mine.key, "Content-Type", "application/json", "Content-Encoding", "IDENTITY")
		if a.status != http.StatusOK || !strings.Contains(a.body, c.says) {
			t.Errorf("%s: %d %s; want %s", name, a.status, a.body, c.says)
		}
	}
}
