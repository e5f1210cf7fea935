package loader

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"

	"tributary/internal/event"
	"tributary/internal/position"
)

// TestARowSaysWhatItsEventSaid fills every field of each kind of event with something of its own.
func TestARowSaysWhatItsEventSaid(t *testing.T) {
	t.Parallel()
	r := newRiver(t, 1)
	const received, occurred, ordered = 1_773_489_600_123_456, 1_773_489_500_000_001, 1_773_400_000_000_002
	of := func(topic int) *event.Event {
		return &event.Event{Id: id(topic, 77), ReceivedAt: received, OccurredAt: occurred}
	}
	visit, sold, refunded, booked := of(1), of(2), of(5), of(3)
	visit.Body = &event.Event_Click{Click: &event.Click{
		ClickId: "cl", MerchantId: 11, ProgramId: 12, PartnerId: 13, LinkId: 14, Marks: 5, Sub1: "s1", Sub2: "s2", Sub3: "s3", Sub4: "s4", Sub5: "s5",
		Referrer: "ref", UserAgent: "agent", IpPrefix: "10.1.2.0/24", Browser: "br", Os: "os", Device: "dev", Bot: "bot", Path: []string{"ca", "cb"}, Country: "SE", Channel: "tag",
	}}
	sold.Body = &event.Event_Sale{Sale: &event.Sale{
		MerchantId: 31, OrderId: "order", Currency: "JPY", ClickId: "cl2", Coupon: "SAVE", CustomerId: "cu", ContentHash: []byte("0123456789abcdef"),
		Goal: "lead", Test: true,
		Lines: []*event.Line{{Number: 1, Sku: "a", Quantity: 2, Amount: 300, Category: "books"}, {Number: 4, Sku: "ü", Quantity: 5, Amount: 6, Category: ""}},
	}}
	refunded.Body = &event.Event_Refund{Refund: &event.Refund{
		MerchantId: 41, OrderId: "order", RefundId: "re", Amount: 1000, Reason: "r", ContentHash: []byte("fedcba9876543210"),
		Items: []*event.RefundItem{{Line: 4, Quantity: 1, Amount: 50}, {Sku: "a", WholeLine: true}}, WholeOrder: true, Currency: "EUR",
	}}
	booked.Body = &event.Event_Ledger{Ledger: &event.Ledger{
		OrderNo: 51, Version: 2, Step: 3, MerchantId: 52, ProgramId: 53, PartnerId: 54, LinkId: 55, OrderId: "order", CustomerId: "cu", Currency: "EUR",
		OrderedAt: ordered, Cause: "refund", Orders: -1, Revenue: -2, Refunded: 3, Gross: -4, Net: -5, Fee: -6, Pending: -7, Payable: -8, FeePending: -9, FeeEarned: -10,
	}}
	further := of(6)
	further.Body = &event.Event_Ledger{Ledger: &event.Ledger{
		OrderNo: 51, Version: 2, Step: 4, MerchantId: 52, ProgramId: 53, PartnerId: 56, OrderId: "order", Currency: "EUR", OrderedAt: ordered, Cause: "sale",
		Orders: 1, Revenue: 2, Gross: 4, Net: 4, Pending: 4, Further: true, Role: "recruiter", Unit: "POINT", PeriodNo: 57,
		Accounts: []*event.AccountChange{{Kind: 1, Amount: 4}, {Kind: 2, Amount: -4}},
	}}
	// An engine of a later version says more than this one knows.
	booked.GetLedger().ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 200, protowire.VarintType), 7))
	sold.ApiKeyId, sold.IpPrefix, refunded.Imported = 17, "10.9.8.0/24", true
	r.send(event.Touches, 0, 9, visit)
	r.send(event.Orders, 0, 9, sold, refunded)
	r.send(event.Decisions, 0, 9, booked, further)
	r.run(r.loader(owner()))
	for topic, n := range map[string]int64{event.Touches: 1, event.Orders: 2, event.Decisions: 2} {
		r.loaded(topic, n)
	}
	const spool = `"_spool":"09000000-0000-0000-0000-000000000000"`
	const times = `"received_at":"2026-03-14 12:00:00.123456","occurred_at":"2026-03-14 11:58:20.000001"`
	for table, want := range map[string][]string{
		"touch": {
			`{"event_id":"01000000-0000-0000-0000-00000000004d","kind":"click",` + times + `,"merchant_id":11,"program_id":12,"partner_id":13,"link_id":14,` +
				`"click_id":"cl","marks":5,"sub1":"s1","sub2":"s2","sub3":"s3","sub4":"s4","sub5":"s5","referrer":"ref","user_agent":"agent","ip_prefix":"10.1.2.0/24",` +
				`"browser":"br","os":"os","device":"dev","bot":"bot","path":["ca","cb"],"country":"SE","channel":"tag","_partition":0,"_offset":0,` + spool + `,"_seq":1}`,
		},
		"order_event": {
			`{"event_id":"02000000-0000-0000-0000-00000000004d","kind":"sale",` + times + `,"merchant_id":31,"order_id":"order","ref":"","currency":"JPY","amount":306,` +
				`"click_id":"cl2","coupon":"SAVE","customer_id":"cu","goal":"lead","line.number":[1,4],"line.sku":["a","ü"],"line.quantity":[2,5],"line.amount":[300,6],"line.category":["books",""],` +
				`"line.whole":[false,false],"whole_order":false,"api_key_id":17,"ip_prefix":"10.9.8.0/24","imported":false,"test":true,"content_hash":"0123456789abcdef","_partition":0,"_offset":0,` + spool + `,"_seq":1}`,
			`{"event_id":"05000000-0000-0000-0000-00000000004d","kind":"refund",` + times + `,"merchant_id":41,"order_id":"order","ref":"re","currency":"EUR","amount":1050,` +
				`"click_id":"","coupon":"","customer_id":"","goal":"","line.number":[4,0],"line.sku":["","a"],"line.quantity":[1,0],"line.amount":[50,0],"line.category":["",""],` +
				`"line.whole":[false,true],"whole_order":true,"api_key_id":0,"ip_prefix":"","imported":true,"test":false,"content_hash":"fedcba9876543210","_partition":0,"_offset":1,` + spool + `,"_seq":2}`,
		},
		"ledger": {
			`{"event_id":"03000000-0000-0000-0000-00000000004d",` + times + `,"ordered_at":"2026-03-13 11:06:40.000002","order_no":51,"period_no":0,"version":2,"step":3,` +
				`"merchant_id":52,"program_id":53,"partner_id":54,"link_id":55,"order_id":"order","customer_id":"cu","currency":"EUR","further":false,"role":"partner","unit":"EUR","cause":"refund","orders":-1,` +
				`"revenue":-2,"refunded":3,"gross":-4,"net":-5,"fee":-6,"pending":-7,"payable":-8,"fee_pending":-9,"fee_earned":-10,"account.kind":[],"account.amount":[],"_partition":0,"_offset":0,` + spool + `,"_seq":1}`,
			`{"event_id":"06000000-0000-0000-0000-00000000004d",` + times + `,"ordered_at":"2026-03-13 11:06:40.000002","order_no":51,"period_no":57,"version":2,"step":4,` +
				`"merchant_id":52,"program_id":53,"partner_id":56,"link_id":0,"order_id":"order","customer_id":"","currency":"EUR","further":true,"role":"recruiter","unit":"POINT","cause":"sale","orders":1,` +
				`"revenue":2,"refunded":0,"gross":4,"net":4,"fee":0,"pending":4,"payable":0,"fee_pending":0,"fee_earned":0,"account.kind":[1,2],"account.amount":[4,-4],"_partition":0,"_offset":1,` + spool + `,"_seq":2}`,
		},
	} {
		var got []string
		err := r.ch.QueryRow(t.Context(), "SELECT groupArray(j) FROM (SELECT trimRight(formatRow('JSONEachRow', *)) AS j FROM "+table+
			" ORDER BY _offset SETTINGS output_format_json_quote_64bit_integers = 0, output_format_json_escape_forward_slashes = 0)").Scan(&got)
		if err != nil {
			t.Fatal(err)
		}
		for i := range got {
			got[i] = trimLine(got[i])
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("rows of %s (-want +got):\n%s", table, diff)
		}
	}
}

func trimLine(s string) string {
	for len(s) > 0 && s[len(s)-1] == '\n' {
		s = s[:len(s)-1]
	}
	return s
}

func TestBatchesArePacedAndLoneRecordsAreNot(t *testing.T) {
	t.Parallel()
	const linger = time.Second
	for _, c := range []struct {
		name      string
		sinceLast time.Duration // from the last batch to the first record of this one
		waits     time.Duration // from then on
	}{
		{"after an hour", time.Hour, 200 * time.Millisecond},
		{"after a second", time.Second, 200 * time.Millisecond},
		{"after 900 ms", 900 * time.Millisecond, 200 * time.Millisecond},
		{"after 800 ms", 800 * time.Millisecond, 200 * time.Millisecond},
		{"after 300 ms", 300 * time.Millisecond, 700 * time.Millisecond},
		{"at once", 0, time.Second},
	} {
		began := noon()
		if got := due(began, began.Add(-c.sinceLast), linger).Sub(began); got != c.waits {
			t.Errorf("%s: waits %v, want %v", c.name, got, c.waits)
		}
	}
	if got := due(noon(), time.Time{}, linger).Sub(noon()); got != 200*time.Millisecond {
		t.Errorf("the first batch waits %v", got)
	}
}

func TestMarksComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		spool := rapid.Custom(func(t *rapid.T) [16]byte {
			return [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "spool"))
		})
		want := &position.Position{
			Next:  rapid.Int64Min(0).Draw(t, "next"),
			Marks: rapid.MapOf(spool, rapid.Uint64()).Draw(t, "marks"),
			Gaps:  map[[16]byte]uint64{},
		}
		for s := range want.Marks {
			if gap := rapid.Uint64().Draw(t, "gap"); gap%3 == 1 {
				want.Gaps[s] = gap
			}
		}
		data, err := encodeMarks(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeMarks(want.Next, data)
		if err != nil {
			t.Fatal(err)
		}
		if got.Next != want.Next || !cmp.Equal(got.Marks, want.Marks) || !cmp.Equal(got.Gaps, want.Gaps) {
			t.Errorf("came back as %v %v, want %v %v", got.Marks, got.Gaps, want.Marks, want.Gaps)
		}
	})
}

func TestColumnsThatAreUsedAgainHoldOnlyTheNewRows(t *testing.T) {
	t.Parallel()
	for _, tb := range tables() {
		fill := func(rows rows, n int) {
			e := canaryEvent(tb.topic)
			e.Id = id(1, n)
			r := record(t, byte(n), uint64(n), e)
			if err := rows.add(e, &r); err != nil {
				t.Fatal(err)
			}
		}
		used, fresh := tb.take(), tb.make()
		fill(used, 1)
		tb.give(used)
		again := tb.take()
		if again != used {
			t.Errorf("%s: the columns were not kept", tb.name)
		}
		fill(again, 2)
		fill(fresh, 2)
		if diff := cmp.Diff(fresh.columns(nil, 0, 1), again.columns(nil, 0, 1)); diff != "" {
			t.Errorf("%s (-fresh +used again):\n%s", tb.name, diff)
		}
	}
}
