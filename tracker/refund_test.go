package tracker

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"tributary/internal/event"
)

func TestARefundIsStoredAsItWasUnderstood(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	e := newEdge(t, func(cfg *Config) { cfg.Now = func() time.Time { return now } })
	for _, row := range []struct {
		body   string
		answer string // after the ids
		want   *event.Refund
		at     time.Time
	}{
		{
			`{"order_id":"A","refund_id":"R1","whole_order":true}`, `"whole_order":true,`,
			&event.Refund{RefundId: "R1", WholeOrder: true}, now,
		},
		{
			`{"order_id":"A","refund_id":" R2 ","amount":500,"reason":"late \"parcel\"","occurred_at":"2026-11-22T11:00:00Z"}`,
			`"amount":500,"whole_order":false,"reason":"late \"parcel\"","occurred_at":"2026-11-22T11:00:00Z",`,
			&event.Refund{RefundId: "R2", Amount: 500, Reason: `late "parcel"`}, now.Add(-time.Hour),
		},
		{
			`{"order_id":"A","refund_id":"R3","items":[{"sku":"SOCK-3","quantity":1},{"line":2,"amount":99},{"line":14632938340631,"whole_line":true}],"whole_order":false}`,
			`"items":[{"sku":"SOCK-3","quantity":1},{"line":2,"amount":99},{"line":14632938340631,"whole_line":true}],"whole_order":false,`,
			&event.Refund{RefundId: "R3", Items: []*event.RefundItem{{Sku: "SOCK-3", Quantity: 1}, {Line: 2, Amount: 99}, {Line: 14632938340631, WholeLine: true}}}, now,
		},
		{
			`{"order_id":"A","refund_id":"R4","amount":500,"currency":"JPY"}`, `"amount":500,"whole_order":false,"currency":"JPY",`,
			&event.Refund{RefundId: "R4", Amount: 500, Currency: "JPY"}, now,
		},
	} {
		before := len(e.records(t))
		a := e.post(t, "/v1/refunds", e.mine.key, row.body)
		added := e.records(t)[before:]
		if a.status != http.StatusOK || len(added) != 1 {
			t.Fatalf("%s: %d %s, %d records", row.body, a.status, a.body, len(added))
		}
		row.want.MerchantId, row.want.OrderId = int64(e.mine.merchant), "A"
		stated := int64(0)
		if !row.at.Equal(now) {
			stated = event.Micros(row.at)
		}
		row.want.ContentHash = event.RefundHash(row.want, stated)
		if diff := cmp.Diff(row.want, added[0].GetRefund(), protocmp.Transform()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.body, diff)
		}
		if got := event.Time(added[0].GetOccurredAt()); !got.Equal(row.at) {
			t.Errorf("%s: at %s, want %s", row.body, got, row.at)
		}
		answer := fmt.Sprintf(`{"stored":true,"order_id":"A","refund_id":%q,%s"content":"%x","warnings":[],"received_at":%q}`+"\n", row.want.GetRefundId(), row.answer, row.want.GetContentHash(), now.Format(time.RFC3339Nano))
		if diff := cmp.Diff(answer, a.body); diff != "" {
			t.Errorf("%s: answer (-want +got):\n%s", row.body, diff)
		}
		if again := e.post(t, "/v1/refunds", e.mine.key, row.body); again.body != a.body {
			t.Errorf("%s again: %s", row.body, again.body)
		}
	}
}

func TestEverythingWrongWithARefundIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	for _, row := range []struct {
		name, key, body, want string
	}{
		{"nothing", e.mine.key, `{}`, "amount: it does not say what comes back; order_id: missing; refund_id: missing"},
		{"no items in the list", e.mine.key, `{"order_id":"A","refund_id":"R","items":[]}`, "items: a refund of nothing needs no report"},
		{"an amount of zero", e.mine.key, `{"order_id":"A","refund_id":"R","amount":0}`, "amount: a refund of nothing needs no report"},
		{"nothing that comes back", e.mine.key, `{"order_id":"A","refund_id":"R"}`, `amount: say items, amount or "whole_order": true`},
		{"an amount that is null", e.mine.key, `{"order_id":"A","refund_id":"R","amount":null}`, "amount: it is null"},
		{"items that are null", e.mine.key, `{"order_id":"A","refund_id":"R","items":null}`, "items: it is null"},
		{"a whole order that is null", e.mine.key, `{"order_id":"A","refund_id":"R","whole_order":null}`, "whole_order: it is null"},
		{"pieces that are null", e.mine.key, `{"order_id":"A","refund_id":"R","items":[{"sku":"A","quantity":null}]}`, "items[0].quantity: it is null"},
		{"a whole line that is null", e.mine.key, `{"order_id":"A","refund_id":"R","items":[{"sku":"A","whole_line":null}]}`, "items[0].whole_line: it is null"},
		{"an amount that is null beside the whole order", e.mine.key, `{"order_id":"A","refund_id":"R","amount":null,"whole_order":true}`, "amount: it is null"},
		{"a whole order that is no truth", e.mine.key, `{"order_id":"A","refund_id":"R","whole_order":"true"}`, "whole_order: neither true nor false"},
		{"not the whole order, and nothing else", e.mine.key, `{"order_id":"A","refund_id":"R","whole_order":false}`, "amount: it does not say what comes back"},
		{"an amount and the whole order", e.mine.key, `{"order_id":"A","refund_id":"R","amount":5,"whole_order":true}`, "amount: just one of them"},
		{"pieces and the whole line", e.mine.key, `{"order_id":"A","refund_id":"R","items":[{"line":1,"quantity":1,"whole_line":true}]}`, "items[0]: just one of them"},
		{"a part of a piece", e.mine.key, `{"order_id":"A","refund_id":"R","items":[{"line":1,"quantity":0.5}]}`, "items[0].quantity: send whole pieces, or the amount"},
		{"pieces below zero", e.mine.key, `{"order_id":"A","refund_id":"R","items":[{"line":1,"quantity":-1}]}`, "items[0].quantity: without the minus"},
		{"a refund id that cannot be seen", e.mine.key, `{"order_id":"A","refund_id":"\u200b","whole_order":true}`, "refund_id: U+200B"},
		{"a currency that is null", e.mine.key, `{"order_id":"A","refund_id":"R","amount":5,"currency":null}`, "currency: it is null"},
		{"an empty currency", e.mine.key, `{"order_id":"A","refund_id":"R","amount":5,"currency":""}`, "currency: it is empty"},
		{"a currency that no program has", e.mine.key, `{"order_id":"A","refund_id":"R","amount":5,"currency":"USD"}`, "currency: GBP, JPY"},
		{"items and an amount", e.mine.key, `{"order_id":"A","refund_id":"R","amount":5,"items":[{"line":1,"quantity":1}]}`, "amount: refund of its own"},
		{"an item of nothing", e.mine.key, `{"order_id":"A","refund_id":"R","items":[{}]}`, "items[0]: neither"},
		{"an item of two things", e.mine.key, `{"order_id":"A","refund_id":"R","items":[{"line":1,"sku":"x"}]}`, "items[0]: a line and a sku"},
		{"pieces and an amount", e.mine.key, `{"order_id":"A","refund_id":"R","items":[{"line":1,"quantity":1,"amount":1}]}`, "items[0]: just one of them"},
		{"no pieces", e.mine.key, `{"order_id":"A","refund_id":"R","items":[{"line":1,"quantity":0}]}`, "items[0].quantity: a refund of nothing needs no report"},
		{"an item's amount of zero", e.mine.key, `{"order_id":"A","refund_id":"R","items":[{"line":1,"amount":0}]}`, "items[0].amount: a refund of nothing needs no report"},
		{"an item that is none", e.mine.key, `{"order_id":"A","refund_id":"R","items":["SOCK"]}`, "items[0]: object"},
		{"a decimal, of a merchant with two currencies", e.mine.key, `{"order_id":"A","refund_id":"R","amount":1.50}`, "amount: such as 1050"},
		{"a decimal, of a merchant with one currency", e.theirs.key, `{"order_id":"A","refund_id":"R","amount":1.50}`, "amount: send 150, which is EUR 1.50"},
		{"unknown fields", e.mine.key, `{"order_id":"A","refundId":"R","refund_id":"R","items":[{"line":1,"qantity":2}]}`, `items[0]: does not say; items[0].qantity: "quantity"; refundId: "refund_id"`},
		{"several at once", e.mine.key, `{"order_id":"A","amount":-1,"reason":7,"occurred_at":"2010-01-01T00:00:00Z"}`, "amount: without the minus; occurred_at: 90 days; reason: quotes; refund_id: missing"},
	} {
		a := e.post(t, "/v1/refunds", row.key, row.body)
		p := problem(t, a)
		if a.status != http.StatusUnprocessableEntity || p.Code != "invalid_refund" {
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

func TestABulkTakesReportsOfAnyTime(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	ctx := t.Context()
	long := time.Date(2010, 12, 1, 8, 26, 0, 0, time.UTC)
	b := e.Intake.Bulk()
	sale := &SaleReport{OrderID: "536365", Currency: "GBP", Amount: 100, OccurredAt: long, EventID: identify([16]byte{}, 0)}
	for range 2 {
		_, err := b.Sale(ctx, e.mine.merchant, sale)
		must(t, err)
	}
	_, err := b.Refund(ctx, e.mine.merchant, &RefundReport{OrderID: "536365", RefundID: "C1", OccurredAt: long.Add(time.Hour), Items: []RefundItem{{Line: 1, Quantity: 1}}})
	must(t, err)
	if _, err := b.Sale(ctx, e.mine.merchant, &SaleReport{OrderID: "x", Currency: "USD", Amount: 1}); err == nil {
		t.Error("an order in a currency that no program has was taken")
	}
	if _, err := b.Refund(ctx, e.mine.merchant, &RefundReport{OrderID: "x"}); err == nil {
		t.Error("a refund without an id was taken")
	}
	must(t, b.Wait(ctx))
	got := e.records(t)
	if len(got) != 3 {
		t.Fatalf("%d records, want 3", len(got))
	}
	for i, r := range got {
		want := long
		if i == 2 {
			want = long.Add(time.Hour)
		}
		if !event.Time(r.GetOccurredAt()).Equal(want) {
			t.Errorf("record %d at %s, want %s", i, event.Time(r.GetOccurredAt()), want)
		}
		if !r.GetImported() || r.GetApiKeyId() != 0 || r.GetIpPrefix() != "" {
			t.Errorf("record %d is not marked as an import", i)
		}
	}
	if string(got[0].GetId()) != string(sale.EventID[:]) || string(got[1].GetId()) != string(sale.EventID[:]) {
		t.Error("the event id that was stated is not kept")
	}
}

// FuzzRefundJSON holds that any body is answered, and that what is accepted takes back something definite.
func FuzzRefundJSON(f *testing.F) {
	for _, body := range []string{
		`{"order_id":"A","refund_id":"R"}`, `{"order_id":"A","refund_id":"R","whole_order":true}`, `{"order_id":"A","refund_id":"R","whole_order":null,"amount":null}`,
		`{"order_id":"A","refund_id":"R","items":[{"line":14632938340631,"whole_line":true},{"sku":"a","quantity":1.0}],"currency":"EUR"}`,
		"\ufeff{\"order_id\":\"A\\u200b\",\"refund_id\":\"R\",\"amount\":-0}", `{"order_id":"A","refund_id":"R","amount":5,"reason":"x","occurred_at":"2026-11-22T10:00:00Z"}`,
		`{"order_id":"A","refund_id":"R","items":[{"line":1,"quantity":2},{"sku":"x","amount":3},{"sku":"y"}]}`, `{"items":[{},[],null,{"line":1,"line":1}]}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		body, err := checkJSON(body)
		if err != nil {
			return
		}
		r := &review{}
		report := readRefund(body, r, "EUR")
		if report.check(r, []string{"GBP", "JPY"}); len(r.problems) > 0 {
			return
		}
		one := func(choices ...bool) bool {
			made := 0
			for _, choice := range choices {
				if choice {
					made++
				}
			}
			return made == 1
		}
		if report.OrderID == "" || report.RefundID == "" || report.Amount < 0 || !one(report.Amount > 0, len(report.Items) > 0, report.WholeOrder) {
			t.Errorf("%s is read as %+v", body, report)
		}
		for _, item := range report.Items {
			if (item.Line > 0) == (item.SKU != "") || item.Quantity < 0 || item.Amount < 0 || !one(item.Quantity > 0, item.Amount > 0, item.WholeLine) {
				t.Errorf("%s is read as %+v", body, report)
			}
		}
		// Nothing that was left out, or that is null, takes back everything.
		var sent map[string]json.RawMessage
		must(t, json.Unmarshal(body, &sent))
		for _, name := range []string{"amount", "items", "whole_order"} {
			if string(sent[name]) == "null" || report.WholeOrder && string(sent["whole_order"]) != "true" {
				t.Errorf("%s is taken", body)
			}
		}
		if answer := appendRefund(nil, report, &Receipt{}); !json.Valid(answer) {
			t.Errorf("the answer is not JSON: %s", answer)
		}
	})
}
