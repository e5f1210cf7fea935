package commission

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"tributary/internal/event"
	"tributary/internal/money"
)

func TestTheRecordOfADecision(t *testing.T) {
	t.Parallel()
	e := sold(goods(1, "85123A", "product", 6, 1_530), goods(2, "POST", "service", 1, 1_800))
	e.GetSale().Coupon = "SPRING"
	d := mustDecide(t, tenPercent(), e, refunded("R", day, 0, piecesOf(1, 1), piecesOf(9, 2)))
	want := `{"outcome":"credited","order":{"merchant":1,"id":"A1","at":"2026-03-01T12:00:00Z","received_at":"2026-03-01T12:00:00Z","currency":"GBP",` +
		`"lines":[{"n":1,"sku":"85123A","category":"product","quantity":6,"amount":1530,"refunded":255},` +
		`{"n":2,"sku":"POST","category":"service","quantity":1,"amount":1800}],"amount":3330,"refunded":255,` +
		`"refunds":[{"id":"R","at":"2026-03-02T12:00:00Z","effective":"2026-03-02T12:00:00Z","taken":[{"n":1,"amount":255}]}],` +
		`"excess":[{"refund":"R","n":9,"quantity":2,"reason":"no_such_line"}]},` +
		`"touches":[{"kind":"click","id":"click","won":true,"reason":"credited","at":"2026-03-01T11:00:00Z","age_ms":3600000,"clock":"receipt",` +
		`"window_s":2592000,"link":7,"program":2,"partner":3},{"kind":"coupon","id":"SPRING","reason":"coupon_not_credited"}],` +
		`"credits":[{"program":2,"partner":3,"link":7,` +
		`"terms":{"version":1,"effective_from":"2020-01-01T00:00:00Z","hold_s":2592000,"network_fee":200000,"kind":"site"},` +
		`"hold_until":"2026-03-31T12:00:00Z","lines":2,"gross":333,"net":308,"fee":62,"fee_exact":"61.6",` +
		`"rules":[{"matched":"*","rate":100000,"amount":3330,"base":3075,"exact":"307.5","net":308}],` +
		`"priced":[{"n":1,"rule":0,"base":1275,"net":128},{"n":2,"rule":0,"base":1800,"net":180}]}]}`
	if diff := cmp.Diff(want, string(d.AppendJSON(nil))); diff != "" {
		t.Errorf("the record (-want +got):\n%s", diff)
	}
}

// recordIsTheDecision says that a record is the JSON that the library would write, reads back as the decision, and moves
// the same money.
func recordIsTheDecision(t *rapid.T) {
	events := drawFacts(t)
	sale := events[0].GetSale()
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "A1", `"`, `\`, "\u2028", "<&>", "\x01\b\f\n\r\t\x7f", "日本", "�"}))
	tame := func(s string) string { return strings.ReplaceAll(strings.ToValidUTF8(s, ""), "\x00", "") }
	sale.Coupon, sale.CustomerId = tame(text.Draw(t, "coupon")), tame(text.Draw(t, "customer"))
	for _, l := range sale.GetLines() {
		l.Sku, l.Category = tame(text.Draw(t, "sku")), tame(text.Draw(t, "category"))
	}
	events[0].Imported = rapid.Bool().Draw(t, "imported")
	events[0].ReceivedAt += rapid.SampledFrom([]int64{0, 1, 3 * day.Microseconds()}).Draw(t, "received later")
	events = events[rapid.SampledFrom([]int{0, 0, 0, min(1, len(events)-1)}).Draw(t, "from"):]
	if r := events[len(events)-1].GetRefund(); r != nil {
		r.Currency = rapid.SampledFrom([]string{"", "GBP", "EUR"}).Draw(t, "refund's currency")
	}
	events = drawFurther(t, events, tame)
	click := clicked(time.Duration(rapid.IntRange(-1, 50).Draw(t, "hours")) * time.Hour)
	click.Refused = rapid.SampledFrom([]Reason{"", "", "", ForgedClickID}).Draw(t, "refused")
	o, err := Fold(events, Said{Disputes: drawDisputes(t, tame)})
	if err != nil {
		t.Fatal(err)
	}
	for n := range rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "reviews") {
		o.Reviews = append(o.Reviews, Review{ID: fmt.Sprint("v", n), At: noon().Add(day), Verb: Void, Code: tame(text.Draw(t, "code"))})
	}
	d := decide(o, click, drawTerms(t))
	if unit := rapid.SampledFrom([]string{"", "", "GBP", money.Points, "EUR"}).Draw(t, "a second credit in"); unit != "" && len(d.Credits) > 0 {
		second := d.Credits[0]
		second.Partner, second.Role, second.Unit = second.Partner+1, RoleRecruiter, unit
		d.Credits = append(d.Credits, second)
		if err := d.Share(); err != nil {
			t.Fatal(err)
		}
	}

	checkRecord(t, &d)
}

// checkRecord holds that the record of a decision is what the library would write, and reads back as the decision.
func checkRecord(t *rapid.T, d *Decision) {
	t.Helper()
	record := d.AppendJSON([]byte("before "))
	record, found := bytes.CutPrefix(record, []byte("before "))
	var library bytes.Buffer
	encoder := json.NewEncoder(&library)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(asWritten(*d)); err != nil || !found {
		t.Fatalf("writing with the library: %v", err)
	}
	if diff := cmp.Diff(strings.TrimSuffix(library.String(), "\n"), string(record)); diff != "" {
		t.Fatalf("the library writes otherwise (-library +ours):\n%s", diff)
	}
	read, err := UnmarshalRecord(record)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(*d, read, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(Line{}, Refund{}, Taken{}), cmpopts.IgnoreFields(Order{}, "ClickID", "Coupons", "ReferralCode", "Path"), cmpopts.EquateComparable(money.Product{})); diff != "" {
		t.Fatalf("what was read is not what was written:\n%s", diff)
	}
	for _, released := range []bool{false, true} {
		if diff := cmp.Diff(d.Movements(until(released)), read.Movements(until(released)), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("the record moves other money:\n%s", diff)
		}
	}
}

// asWritten leaves out what a record does not repeat: a unit that is the order's currency, and prices and
// terms of the credit before.
func asWritten(d Decision) Decision {
	written := func(all []Credit) []Credit {
		credits := slices.Clone(all)
		for i := range credits {
			c := &credits[i]
			if c.Unit == d.Order.Currency {
				c.Unit = ""
			}
			if i > 0 && all[i].SamePrices(&all[i-1]) {
				c.Rules, c.Priced, c.Lost = nil, nil, nil
			}
			if i > 0 && c.Terms.Full && all[i].sameTerms(&all[i-1]) {
				c.Terms, c.HoldUntil, c.RefundsUntil, c.Rate = TermsApplied{}, time.Time{}, time.Time{}, nil
			}
		}
		return credits
	}
	d.Credits, d.Would = written(d.Credits), written(d.Would)
	return d
}

func TestTheRecordIsTheDecision(t *testing.T) {
	t.Parallel()
	rapid.Check(t, recordIsTheDecision)
}

func FuzzRecord(f *testing.F) { f.Fuzz(rapid.MakeFuzz(recordIsTheDecision)) }

func TestWhatIsNoRecord(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "{", "[]", `{"credits":[{"rules":[{"exact":"one"}]}]}`, `{"order":{"at":"noon"}}`,
		`{"order":{"lines":[{"n":1}]},"credits":[{"priced":[{"n":1,"rule":0}]}]}`,
		`{"order":{"lines":[{"n":1}]},"credits":[{"rules":[{"rate":1}],"priced":[{"n":1,"rule":-1}]}]}`,
		`{"order":{"lines":[{"n":1}]},"credits":[{"program":1}]}`, `{"order":{"refunds":[{"id":"R","taken":[{"n":1}]}]}}`,
		`{"order":{"test":true},"credits":[{"partner":1}]}`, `{"order":{},"would":[{"partner":1}]}`,
		`{"order":{"lines":[{"n":1}],"test":true},"would":[{"partner":1,"priced":[{"n":1,"rule":1}]}]}`,
	} {
		if d, err := UnmarshalRecord([]byte(text)); err == nil {
			t.Errorf("%q was read as %+v", text, d)
		}
	}
}

// FuzzDecide reads events off the wire, as they might come from Kafka, and decides on them.
func FuzzDecide(f *testing.F) {
	for _, events := range [][]*event.Event{
		{sold(goods(1, "X", "product", 3, 1_000), goods(2, "Y", "service", 1, 1))},
		{sold(goods(1, "X", "product", 3, 1_000)), refunded("R", day, 0, piecesOf(1, 2)), refunded("S", 40*day, 7)},
		{refunded("R", day, 0), sold()},
	} {
		var wire []byte
		for _, e := range events {
			data, err := e.MarshalVT()
			if err != nil {
				f.Fatal(err)
			}
			wire = append(wire, byte(len(data)>>8), byte(len(data)))
			wire = append(wire, data...)
		}
		f.Add(wire, int64(3_600_000), uint32(72_500), uint32(200_000))
	}
	f.Fuzz(func(t *testing.T, wire []byte, age int64, rate, fee uint32) {
		var events []*event.Event
		for len(wire) >= 2 {
			n := min(int(wire[0])<<8|int(wire[1]), len(wire)-2)
			if e, err := event.Decode(wire[2 : 2+n]); err == nil {
				events = append(events, e)
			}
			wire = wire[2+n:]
		}
		o, err := Fold(events, Said{})
		if err != nil {
			return
		}
		found := tenPercent()
		found.Merchant, found.Currencies = o.Merchant, []string{o.Currency}
		found.Terms.NetworkFee = money.Rate(fee) % (money.One + 1)
		found.Terms.Rates = rates(map[string]money.Rate{"*": money.Rate(rate) % (money.One + 1)})
		d := decide(o, Click{ID: o.ClickID, Link: 7, At: time.UnixMilli(o.At.UnixMilli() - age%(31*86_400_000)).UTC()}, found)
		checkHonest(t, &d)
		record := d.AppendJSON(nil)
		read, err := UnmarshalRecord(record)
		if err != nil {
			t.Fatalf("reading %s: %v", record, err)
		}
		if diff := cmp.Diff(d.Movements(ended()), read.Movements(ended()), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("the record moves other money:\n%s", diff)
		}
	})
}

// FuzzUnmarshalRecord holds that a record of any bytes is refused or stands: what follows from it is worked out, and it is
// written again.
func FuzzUnmarshalRecord(f *testing.F) {
	events := lifeOfAnOrder()
	for n := range events {
		d := decide(mustFold(f, events[:n+1]...), clicked(time.Hour), termsOfALife())
		f.Add(d.AppendJSON(nil))
	}
	f.Add([]byte(`{"credits":[{"rules":[{"rate":-1}],"priced":[{"n":1}],"net":-5}],"order":{"lines":[{"n":1,"amount":-7}],"refunds":[{"taken":[{"n":1,"amount":9}]}]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := UnmarshalRecord(data)
		if err != nil {
			return
		}
		d.Movements(ended())
		again, err := UnmarshalRecord(d.AppendJSON(nil))
		if err != nil {
			t.Fatalf("%s is written as what cannot be read: %v", data, err)
		}
		if got, want := again.AppendJSON(nil), d.AppendJSON(nil); !bytes.Equal(got, want) {
			t.Errorf("%s is written as %s, and then as %s", data, want, got)
		}
	})
}
