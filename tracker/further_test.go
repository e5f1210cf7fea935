package tracker

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"tributary/internal/event"
)

// order is a report of one pound, with more.
func order(more string) string {
	return `{"order_id":"1","amount":100,"currency":"GBP"` + more + `}`
}

// sayAll is every field that came after form 1, as a report has it, as the answer has it, and as it is stored.
const (
	saysAll = `,"goal":" trial ","referral_code":" MAYA20 ","coupons":["SPRING","VIP","SPRING","",null],"path":["a","b"],"customer_status":"Returning","shipping":495,"shipping_tax":94,
		"country":"de","device":"MOBILE","metadata":{"seats":"5","plan":"yearly","none":null},"carted_at":"2026-11-20T10:00:00+01:00","test":true,
		"lines":[{"amount":100,"tax":19,"discount":10,"part":"gold","country":"at","device":"desktop"}]`
	answersAll = `"lines":[{"line":1,"sku":"","quantity":1,"amount":100,"category":"","tax":19,"discount":10,"part":"gold","country":"AT","device":"desktop"}],` +
		`"goal":"trial","referral_code":"MAYA20","coupons":["SPRING","VIP"],"path":["a","b"],"customer_status":"returning","shipping":495,"shipping_tax":94,` +
		`"country":"DE","device":"mobile","metadata":{"plan":"yearly","seats":"5"},"carted_at":"2026-11-20T09:00:00Z","test":true,`
)

func storesAll() *event.Sale {
	return &event.Sale{
		OrderId: "1", Currency: "GBP", Goal: "trial", ReferralCode: "MAYA20", Coupons: []string{"SPRING", "VIP"},
		Path:           []*event.Touch{{ClickId: "a", Kind: 1}, {ClickId: "b", Kind: 1}},
		CustomerStatus: "returning", Shipping: 495, ShippingTax: 94, Country: "DE", Device: "mobile", Metadata: map[string]string{"plan": "yearly", "seats": "5"},
		CartedAt: event.Micros(time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)), Test: true,
		Lines: []*event.Line{{Number: 1, Quantity: 1, Amount: 100, Tax: 19, Discount: 10, Part: "gold", Country: "AT", Device: "desktop"}},
	}
}

func TestWhatAnOrderSaysFurtherIsStored(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	e := newEdge(t, func(cfg *Config) { cfg.Now = func() time.Time { return now } })
	plain := &event.Sale{OrderId: "1", Currency: "GBP", Lines: []*event.Line{{Number: 1, Quantity: 1, Amount: 100}}}
	with := func(change func(s *event.Sale)) *event.Sale {
		s := proto.CloneOf(plain)
		change(s)
		return s
	}
	for _, row := range []struct {
		name, body string
		want       *event.Sale
	}{
		{"everything", order(saysAll), storesAll()},
		{"nothing, in every way", order(`,"goal":"","referral_code":null,"coupons":[],"path":[],"customer_status":null,"shipping":0,"shipping_tax":0,"country":"","device":null,"metadata":{},"test":false`), plain},
		{"nothing, written with blanks", order(`,"coupons":[ ],"path":[  ],"metadata":{"a":"","b":" ","c":null}`), plain},
		{"a sale by its name", order(`,"goal":"Sale"`), plain},
		{"the United Kingdom, as it is called", order(`,"country":"uk"`), with(func(s *event.Sale) { s.Country = "GB" })},
		{"marks that are null", order(`,"metadata":null`), plain},
		{"a lead without an amount", `{"order_id":"1","currency":"GBP","goal":"lead"}`, with(func(s *event.Sale) { s.Goal, s.Lines[0].Amount = "lead", 0 })},
		{"a lead with lines alone", `{"order_id":"1","currency":"GBP","goal":"lead","lines":[{"amount":60},{"amount":40}]}`, with(func(s *event.Sale) {
			s.Goal, s.Lines = "lead", []*event.Line{{Number: 1, Quantity: 1, Amount: 60}, {Number: 2, Quantity: 1, Amount: 40}}
		})},
		{"an amount of tax that is 0", order(`,"lines":[{"amount":100,"tax":0,"discount":0,"part":"","country":null}]`), plain},
	} {
		before := len(e.records(t))
		a := e.post(t, "/v1/conversions", e.mine.key, row.body)
		got := e.records(t)
		if a.status != http.StatusOK || len(got) != before+1 {
			t.Errorf("%s: %d %s", row.name, a.status, a.body)
			continue
		}
		row.want.MerchantId = int64(e.mine.merchant)
		row.want.ContentHash = event.SaleHash(row.want, 0)
		stored := got[before].GetSale()
		if diff := cmp.Diff(row.want, stored, protocmp.Transform()); diff != "" {
			t.Errorf("%s: stored (-want +got):\n%s", row.name, diff)
		}
		if row.name == "everything" && !strings.Contains(a.body, answersAll) {
			t.Errorf("%s: the answer is\n%s, want in it\n%s", row.name, a.body, answersAll)
		}
	}
}

func TestEverythingWrongWithFurtherFieldsIsNamed(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	many := func(n int) string {
		return `["` + strings.Join(strings.Fields(strings.Repeat("x ", n)), `","`) + `"]`
	}
	distinct := make([]string, 21)
	for i := range distinct {
		distinct[i] = fmt.Sprintf("%q", fmt.Sprint("C", i))
	}
	marks := make([]string, 21)
	for i := range marks {
		marks[i] = fmt.Sprintf("%q:%q", fmt.Sprint("k", i), "v")
	}
	ahead := time.Now().Add(6 * time.Minute).Format(time.RFC3339)
	for _, row := range []struct{ name, body, want string }{
		{"a goal that is no text", order(`,"goal":7`), "goal: quotes"},
		{"a click", order(`,"goal":"click"`), "goal: counted by the network itself"},
		{"an impression in capital letters", order(`,"goal":" Impression "`), "goal: counted by the network itself"},
		{"a goal too long", order(`,"goal":"` + strings.Repeat("x", 65) + `"`), "goal: at most 64"},
		{"a goal that cannot be seen", order(`,"goal":"a\u200b"`), "goal: U+200B"},
		{"a sale without an amount", `{"order_id":"1","currency":"GBP","goal":"sale"}`, "amount: missing"},
		{"a lead without a currency", `{"order_id":"1","goal":"lead"}`, "currency: missing"},
		{"a lead whose lines are another sum", `{"order_id":"1","currency":"GBP","goal":"lead","amount":5,"lines":[{"amount":6}]}`, "amount: send 6"},
		{"a lead of 0 whose lines are more", `{"order_id":"1","currency":"GBP","goal":"lead","amount":0,"lines":[{"amount":60}]}`, "amount: send 60"},
		{"a lead of null", `{"order_id":"1","currency":"GBP","goal":"lead","amount":null}`, "amount: it is null"},
		{"a code too long", order(`,"referral_code":"` + strings.Repeat("x", 129) + `"`), "referral_code: at most 128"},
		{"coupons of null", order(`,"coupons":null`), "coupons: it is null"},
		{"coupons that are no list", order(`,"coupons":"A"`), "coupons: brackets"},
		{"a coupon that is no text", order(`,"coupons":["A",5]`), "coupons[1]: quotes"},
		{"a coupon that cannot be seen", order(`,"coupons":["A","B\u202e"]`), "coupons[1]: U+202E"},
		{"21 coupons", order(`,"coupons":[` + strings.Join(distinct, ",") + `]`), "coupons: at most 20"},
		{"9 clicks", order(`,"path":` + many(9)), "path: at most 8"},
		{"a status that there is not", order(`,"customer_status":"old"`), "customer_status: new, returning, lapsed"},
		{"decimal shipping", order(`,"shipping":4.95`), "shipping: send 495"},
		{"shipping below zero", order(`,"shipping":-5`), "shipping: without the minus"},
		{"shipping of null", order(`,"shipping":null,"shipping_tax":null`), "shipping: it is null; shipping_tax: it is null"},
		{"a country in words", order(`,"country":"Germany"`), "country: two letters"},
		{"a device that there is not", order(`,"device":"fridge"`), "device: desktop, mobile, tablet"},
		{"marks that are no object", order(`,"metadata":["a"]`), "metadata: object"},
		{"a mark that is no text", order(`,"metadata":{"seats":5}`), "metadata.seats: quotes"},
		{"a mark named twice", order(`,"metadata":{"a":"1","a":"2"}`), "metadata.a: twice"},
		{"marks of one name but for a blank", order(`,"metadata":{"a":"1"," a":"2"}`), "metadata.a: twice"},
		{"a mark without a name", order(`,"metadata":{"":"1"}`), "metadata.: empty"},
		{"a mark's name too long", order(`,"metadata":{"` + strings.Repeat("k", 41) + `":"1"}`), "metadata." + strings.Repeat("k", 40) + ": at most 40"},
		{"a mark too long", order(`,"metadata":{"a":"` + strings.Repeat("x", 201) + `"}`), "metadata.a: at most 200"},
		{"21 marks", order(`,"metadata":{` + strings.Join(marks, ",") + `}`), "metadata: at most 20"},
		{"a cart ahead", order(`,"carted_at":"` + ahead + `"`), "carted_at: future"},
		{"a cart without a zone", order(`,"carted_at":"2026-11-22T10:00:00"`), "carted_at: zone"},
		{"a test that is neither", order(`,"test":"yes"`), "test: true or false"},
		{"a line's money", order(`,"lines":[{"amount":100,"tax":1.5,"discount":-1}]`), "lines[0].discount: without the minus; lines[0].tax: integer"},
		{"a line's place", order(`,"lines":[{"amount":100,"country":"D","device":"x","part":"` + strings.Repeat("x", 129) + `"}]`), "lines[0].country: two letters; lines[0].device: desktop; lines[0].part: at most 128"},
		{"more beside than an amount can be", order(`,"shipping":10000000000000,"shipping_tax":10000000000000,"lines":[{"amount":100}]`), "shipping: more than an order can hold"},
		{"too much tax", order(`,"shipping":1,"lines":[{"amount":100,"tax":10000000000000}]`), "lines[0].tax: more than an order can hold"},
		{"more beside it without lines", order(`,"shipping":10000000000000,"shipping_tax":10000000000000`), "shipping: more than an order can hold"},
	} {
		p := problem(t, e.post(t, "/v1/conversions", e.mine.key, row.body))
		if missing := unsaid(row.want, p.Errors); missing != "" || p.Status != 422 {
			t.Errorf("%s: %s is not among %+v", row.name, missing, p.Errors)
		}
	}
	for _, row := range []struct{ name, body, want string }{
		{"shipping below zero", `"shipping":-5`, "shipping: without the minus"},
		{"decimal shipping", `"shipping":4.95`, "shipping: integer"},
		{"shipping of 0 alone", `"shipping":0`, "amount: what comes back"},
		{"shipping with the whole order", `"whole_order":true,"shipping":5`, "shipping: the whole order includes it"},
		{"an amount and items, with shipping", `"amount":1,"items":[{"line":1,"quantity":1}],"shipping":5`, "amount: just one of them"},
		{"a test that is neither", `"whole_order":true,"test":1`, "test: true or false"},
	} {
		p := problem(t, e.post(t, "/v1/refunds", e.mine.key, `{"order_id":"1","refund_id":"R",`+row.body+`}`))
		if missing := unsaid(row.want, p.Errors); missing != "" || p.Status != 422 {
			t.Errorf("a refund of %s: %s is not among %+v", row.name, missing, p.Errors)
		}
	}
	if n := len(e.records(t)); n != 0 {
		t.Errorf("%d records", n)
	}
}

func TestShippingAndTestsAreRefunded(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	for _, row := range []struct {
		body, answer string
		want         *event.Refund
	}{
		{`"shipping":495`, `"whole_order":false,"shipping":495,`, &event.Refund{Shipping: 495}},
		{`"shipping":495,"amount":100,"test":true`, `"amount":100,"whole_order":false,"shipping":495,"test":true,`, &event.Refund{Shipping: 495, Amount: 100, Test: true}},
		{`"shipping":0,"whole_order":true`, `"whole_order":true,"content"`, &event.Refund{WholeOrder: true}},
	} {
		before := len(e.records(t))
		a := e.post(t, "/v1/refunds", e.mine.key, `{"order_id":"1","refund_id":"R",`+row.body+`}`)
		got := e.records(t)
		if a.status != http.StatusOK || len(got) != before+1 || !strings.Contains(a.body, row.answer) {
			t.Errorf("%s: %d %s", row.body, a.status, a.body)
			continue
		}
		row.want.MerchantId, row.want.OrderId, row.want.RefundId = int64(e.mine.merchant), "1", "R"
		row.want.ContentHash = event.RefundHash(row.want, 0)
		if diff := cmp.Diff(row.want, got[before].GetRefund(), protocmp.Transform()); diff != "" {
			t.Errorf("%s: stored (-want +got):\n%s", row.body, diff)
		}
	}
}
