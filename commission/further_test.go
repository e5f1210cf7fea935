package commission

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"tributary/internal/event"
	"tributary/internal/money"
)

// drawFurther sets fields that came after form 1 in the events of an order that begin with its sale or lack it, and may make a
// test order of it, or add to it.
func drawFurther(t *rapid.T, events []*event.Event, tame func(string) string) []*event.Event {
	sale := events[0].GetSale()
	if rapid.Bool().Draw(t, "plain") || sale == nil {
		return events
	}
	word := rapid.Custom(func(t *rapid.T) string { return tame(rapid.StringN(0, 9, 36).Draw(t, "word")) })
	amount := rapid.Int64Range(0, 1_000_000)
	sale.Goal, sale.ReferralCode, sale.Coupons = word.Draw(t, "goal"), word.Draw(t, "code"), rapid.SliceOfN(word, 0, 3).Draw(t, "coupons")
	sale.CustomerStatus = rapid.SampledFrom(append(event.CustomerStatuses(), "")).Draw(t, "status")
	sale.Shipping, sale.ShippingTax = amount.Draw(t, "shipping"), amount.Draw(t, "shipping tax")
	sale.Country, sale.Device = rapid.SampledFrom([]string{"", "DE"}).Draw(t, "country"), rapid.SampledFrom(append(event.Devices(), "")).Draw(t, "device")
	sale.Metadata = map[string]string{"b": word.Draw(t, "value"), "a": "", "\"<&>": word.Draw(t, "other")}
	sale.CartedAt = rapid.Int64Range(0, 2).Draw(t, "cart") * 1_773_000_000_000_001
	for _, l := range sale.GetLines() {
		l.Tax, l.Discount, l.Part = amount.Draw(t, "tax"), amount.Draw(t, "discount"), word.Draw(t, "part")
		l.Country, l.Device = rapid.SampledFrom([]string{"", "AT"}).Draw(t, "line's country"), "mobile"
	}
	test := rapid.Bool().Draw(t, "test")
	sale.Test = test
	for _, e := range events[1:] {
		r := e.GetRefund()
		if r.Test = test; !r.GetWholeOrder() {
			r.Shipping = amount.Draw(t, "shipping back")
		}
	}
	if sale.GetCustomerId() == "" && rapid.Bool().Draw(t, "added to") {
		events = append(events, addition(events[0], time.Hour, func(s *event.Sale) { s.CustomerId = "c-1" }))
		events[0].ApiKeyId, events[len(events)-1].ApiKeyId = 7, 7
	}
	return events
}

// addition is another report of a sale some time later, by API key 7 as the first.
func addition(first *event.Event, after time.Duration, change func(s *event.Sale)) *event.Event {
	e := proto.CloneOf(first)
	e.ReceivedAt += after.Microseconds()
	e.ApiKeyId = 7
	change(e.GetSale())
	hash := event.SaleHash(e.GetSale(), 0)
	e.Id = hash
	if len(first.GetSale().GetContentHash()) > 0 {
		e.GetSale().ContentHash = hash
	}
	return e
}

// reported is the sale of sold with one line by API key 7, without a click.
func reported(change func(s *event.Sale)) *event.Event {
	e := sold(goods(1, "X", "", 1, 1000))
	e.ApiKeyId, e.GetSale().ClickId = 7, ""
	change(e.GetSale())
	return e
}

func TestWhatAddsToASale(t *testing.T) {
	t.Parallel()
	nothing := func(*event.Sale) {}
	click := func(s *event.Sale) { s.ClickId = "click" }
	path := func(ids ...string) func(*event.Sale) {
		return func(s *event.Sale) {
			for _, id := range ids {
				s.Path = append(s.Path, &event.Touch{ClickId: id, Kind: uint32(event.PathClick)})
			}
		}
	}
	coupons := func(first string, others ...string) func(*event.Sale) {
		return func(s *event.Sale) { s.Coupon, s.Coupons = first, others }
	}
	for name, row := range map[string]struct {
		first, second func(*event.Sale)
		after         time.Duration
		envelope      func(e *event.Event)
		added         []string // field and value; none: it is no addition
	}{
		"a click id":                       {nothing, click, time.Hour, nil, []string{"click_id", "click"}},
		"a path":                           {click, path("a", "b"), time.Hour, nil, []string{"path", "a, b"}},
		"a coupon":                         {nothing, coupons("SPRING"), time.Hour, nil, []string{"coupons", "SPRING"}},
		"further coupons":                  {coupons("A"), coupons("A", "B", "C"), time.Hour, nil, []string{"coupons", "B, C"}},
		"a coupon that comes first":        {coupons("A"), coupons("B", "A"), time.Hour, nil, []string{"coupons", "B"}},
		"a referral code":                  {nothing, func(s *event.Sale) { s.ReferralCode = "MAYA" }, time.Hour, nil, []string{"referral_code", "MAYA"}},
		"a customer":                       {nothing, func(s *event.Sale) { s.CustomerId = "c-1" }, time.Hour, nil, []string{"customer_id", "c-1"}},
		"several things":                   {nothing, func(s *event.Sale) { s.ClickId, s.CustomerId = "click", "c-1" }, time.Hour, nil, []string{"click_id", "click", "customer_id", "c-1"}},
		"less, and something more":         {coupons("A"), click, time.Hour, nil, []string{"click_id", "click"}},
		"at the end of a day":              {nothing, click, AddWithin, nil, []string{"click_id", "click"}},
		"taken after, received before":     {nothing, click, -time.Hour, nil, []string{"click_id", "click"}},
		"after a day":                      {nothing, click, AddWithin + time.Microsecond, nil, nil},
		"by another key":                   {nothing, click, time.Hour, func(e *event.Event) { e.ApiKeyId = 8 }, nil},
		"by no key":                        {nothing, click, time.Hour, func(e *event.Event) { e.ApiKeyId = 0 }, nil},
		"nothing new":                      {click, click, time.Hour, nil, nil},
		"less":                             {click, nothing, time.Hour, nil, nil},
		"another click id":                 {click, func(s *event.Sale) { s.ClickId, s.CustomerId = "other", "c-1" }, time.Hour, nil, nil},
		"another coupon":                   {coupons("A"), coupons("B"), time.Hour, nil, nil},
		"a click id, and another amount":   {nothing, func(s *event.Sale) { s.ClickId = "click"; s.Lines[0].Amount++ }, time.Hour, nil, nil},
		"a click id, and another currency": {nothing, func(s *event.Sale) { s.ClickId, s.Currency = "click", "EUR" }, time.Hour, nil, nil},
		"a click id, and another goal":     {nothing, func(s *event.Sale) { s.ClickId, s.Goal = "click", "lead" }, time.Hour, nil, nil},
		"a click id, and a country":        {nothing, func(s *event.Sale) { s.ClickId, s.Country = "click", "DE" }, time.Hour, nil, nil},
	} {
		first := reported(row.first)
		second := reported(nothing)
		row.second(second.GetSale())
		second.Id, second.ReceivedAt = idOf("second"), second.GetReceivedAt()+row.after.Microseconds()
		if row.envelope != nil {
			row.envelope(second)
		}
		if got := Adds(first, second); got != (row.added != nil) {
			t.Errorf("%s: an addition is %t, want %t", name, got, row.added != nil)
		}
		o := mustFold(t, first, second)
		var added []string
		for _, a := range o.Added {
			added = append(added, a.Field, a.Value)
			if !a.At.Equal(event.Time(second.GetReceivedAt())) {
				t.Errorf("%s: added at %s", name, a.At)
			}
		}
		if diff := cmp.Diff(row.added, added); diff != "" {
			t.Errorf("%s: added (-want +got):\n%s", name, diff)
		}
	}
}

// An addition states the time of the first report, or none where that states none.
func TestAnAdditionStatesTheSameTime(t *testing.T) {
	t.Parallel()
	const none, at, other = int64(0), int64(1_773_489_600_000_000), int64(1_773_489_600_000_001)
	said := func(stated int64, ahead bool, change func(s *event.Sale)) *event.Event {
		e := reported(change)
		if e.GetSale().ContentHash = event.SaleHash(e.GetSale(), stated); stated != none && !ahead {
			e.OccurredAt = stated
		}
		return e
	}
	for name, row := range map[string]struct {
		first, second           int64
		firstAhead, secondAhead bool
		adds                    bool
	}{
		"none and none":                   {none, none, false, false, true},
		"the same":                        {at, at, false, false, true},
		"another":                         {at, other, false, false, false},
		"none, then one":                  {none, at, false, false, false},
		"one, then none":                  {at, none, false, false, false},
		"one ahead, then the same":        {at, at, true, false, true},
		"one ahead, then another":         {at, other, true, false, false},
		"the same, both ahead":            {at, at, true, true, true},
		"none, then one ahead":            {none, at, false, true, false},
		"one of the past, then one ahead": {other, at, false, true, false},
		"one ahead, then none":            {at, none, true, false, false},
	} {
		first := said(row.first, row.firstAhead, func(*event.Sale) {})
		second := said(row.second, row.secondAhead, func(s *event.Sale) { s.ClickId = "click" })
		if got := Adds(first, second); got != row.adds {
			t.Errorf("%s: an addition is %t, want %t", name, got, row.adds)
		}
	}
}

func TestOfTwoAdditionsToAFieldTheFirstStands(t *testing.T) {
	t.Parallel()
	sale := reported(func(*event.Sale) {})
	facts := []*event.Event{
		sale,
		addition(sale, 2*time.Hour, func(s *event.Sale) { s.ClickId, s.CustomerId = "late", "c-1" }),
		addition(sale, time.Hour, func(s *event.Sale) { s.ClickId, s.Coupon = "early", "A" }),
		addition(sale, 3*time.Hour, func(s *event.Sale) { s.Coupon, s.Coupons, s.ReferralCode = "A", []string{"B"}, "MAYA" }),
		refunded("R", day, 10),
	}
	permutations := 0
	permute(facts[1:], func(rest []*event.Event) {
		for n := range len(rest) + 1 { // the sale stands wherever no other report of it is taken before
			if n > 0 && rest[n-1].GetSale() != nil {
				break
			}
			permutations++
			o := mustFold(t, slices.Insert(slices.Clone(rest), n, sale)...)
			var fields []string
			for _, a := range o.Added {
				fields = append(fields, a.Field+"="+a.Value+" "+a.At.Sub(noon()).String())
			}
			want := []string{"click_id=early 1h0m0s", "coupons=A 1h0m0s", "customer_id=c-1 2h0m0s", "referral_code=MAYA 3h0m0s"}
			if diff := cmp.Diff(want, fields); diff != "" {
				t.Fatalf("added (-want +got):\n%s", diff)
			}
			if o.ClickID != "early" || o.Customer != "c-1" || o.ReferralCode != "MAYA" || !slices.Equal(o.Coupons, []string{"A"}) || o.Refunded != 10 {
				t.Fatalf("the order is %+v", o)
			}
		}
	})
	if permutations != 30 {
		t.Errorf("%d orders of arrival were tried", permutations)
	}
}

// An order is the same in whatever order its facts are taken after the sale that stands, with copies of them.
func TestFactsOfAnOrderFoldAlikeInAnyOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		events := drawFacts(t)
		events[0].ApiKeyId = 7
		click := rapid.SampledFrom([]string{"", "a", "b"})
		coupon := rapid.SampledFrom([]string{"", "A", "B"})
		events[0].GetSale().ClickId = click.Draw(t, "first click")
		for n := range rapid.IntRange(0, 4).Draw(t, "reports") {
			e := addition(events[0], time.Duration(n%3)*13*time.Hour, func(s *event.Sale) {
				s.ClickId, s.Coupon = click.Draw(t, "click"), coupon.Draw(t, "coupon")
				s.Country = rapid.SampledFrom([]string{"", "", "DE"}).Draw(t, "country")
			})
			// Reports of equal content but another receipt keep their order.
			if !slices.ContainsFunc(events, func(o *event.Event) bool { return bytes.Equal(o.Content(), e.Content()) }) {
				events = append(events, e)
			}
		}
		want := record(mustFold(t, events...))
		rest := rapid.Permutation(events[1:]).Draw(t, "order")
		if n := len(events); rapid.Bool().Draw(t, "copies") {
			rest = append(rest, rapid.SliceOfN(rapid.SampledFrom(events), 0, n).Draw(t, "copied")...)
		}
		got := record(mustFold(t, append(events[:1:1], rest...)...))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("in another order (-want +got):\n%s", diff)
		}
	})
}

// record is the order as a decision on it without evidence records it, with how its customer came.
func record(o Order) string {
	return string(o.appendJSON(nil)) + strings.Join(append([]string{o.ClickID, pathText(&o), o.ReferralCode, o.Customer}, o.Coupons...), "|")
}

func TestShippingIsTakenBack(t *testing.T) {
	t.Parallel()
	sale := sold(goods(1, "X", "", 1, 1000))
	sale.GetSale().Shipping = 500
	back := func(id string, after time.Duration, amount, shipping int64) *event.Event {
		e := refunded(id, after, amount)
		e.GetRefund().Shipping, e.GetRefund().WholeOrder = shipping, amount == 0 && shipping == 0
		return e
	}
	for name, row := range map[string]struct {
		refunds                     []*event.Event
		lines, shipping, overRefund int64
		excess                      []Excess
	}{
		"nothing":                  {nil, 0, 0, 0, nil},
		"a part of it alone":       {[]*event.Event{back("R", day, 0, 200)}, 0, 200, 0, nil},
		"beside an amount":         {[]*event.Event{back("R", day, 300, 200)}, 300, 200, 0, nil},
		"an amount leaves it":      {[]*event.Event{back("R", day, 1000, 0)}, 1000, 0, 0, nil},
		"the whole order has it":   {[]*event.Event{back("R", day, 0, 200), back("S", 2*day, 0, 0)}, 1000, 500, 0, nil},
		"twice, and more than all": {[]*event.Event{back("R", day, 0, 400), back("S", 2*day, 0, 150)}, 0, 500, 50, []Excess{{Refund: "S", Amount: 50, Reason: NothingLeft, Shipping: true}}},
		"in another currency":      {[]*event.Event{inCurrency("EUR", back("R", day, 0, 400))}, 0, 0, 0, []Excess{{Refund: "R", Amount: 400, Currency: "EUR", Reason: OtherCurrency}}},
	} {
		o := mustFold(t, append([]*event.Event{sale}, row.refunds...)...)
		if o.Refunded != row.lines || o.ShippingRefunded != row.shipping || o.OverRefund != row.overRefund {
			t.Errorf("%s: of lines %d, of shipping %d, too much %d", name, o.Refunded, o.ShippingRefunded, o.OverRefund)
		}
		if diff := cmp.Diff(row.excess, o.Excess); diff != "" {
			t.Errorf("%s: excess (-want +got):\n%s", name, diff)
		}
	}
}

func TestATestOrderMovesNothing(t *testing.T) {
	t.Parallel()
	live := sold(goods(1, "X", "product", 1, 1000))
	trial := sold(goods(1, "X", "product", 1, 1000))
	trial.GetSale().Test = true
	want, d := decide(mustFold(t, live), clicked(time.Hour), tenPercent()), decide(mustFold(t, trial), clicked(time.Hour), tenPercent())
	if d.Outcome != Test || len(d.Credits) != 0 || len(d.Movements(ended())) != 0 || !d.Order.Test {
		t.Errorf("a test order is decided as %s", d.AppendJSON(nil))
	}
	if diff := cmp.Diff(want.Credits, d.Would, cmp.AllowUnexported(money.Product{})); diff != "" {
		t.Errorf("what it would earn (-want +got):\n%s", diff)
	}
	mixed := refunded("R", day, 10)
	if _, err := Fold([]*event.Event{trial, mixed}, Said{}); err == nil {
		t.Error("a refund of the order is folded into the test order of its id")
	}
}

func TestAVoidOrderMovesNothing(t *testing.T) {
	t.Parallel()
	said := Review{ID: "b", At: noon().Add(day), Verb: Void}
	events := []*event.Event{sold(goods(1, "X", "product", 1, 1000)), refunded("R", day, 10)}
	o, err := Fold(events, Said{Reviews: []Review{said, {ID: "a", At: said.At, Verb: Void}, {ID: "c", At: noon(), Verb: Void}}})
	if err != nil || !o.IsVoid() || o.Counts() || o.Reviews[0].ID != "c" || o.Reviews[1].ID != "a" {
		t.Fatalf("%v: the reviews are %+v", err, o.Reviews)
	}
	d := decide(o, clicked(time.Hour), tenPercent())
	if d.Outcome != Voided || len(d.Credits)+len(d.Would) != 0 || len(d.Movements(ended())) != 0 || d.Touches[0].Won || d.Touches[0].Reason != Voided {
		t.Errorf("a void order is decided as %s", d.AppendJSON(nil))
	}
	o, err = Fold(events[1:], Said{Reviews: []Review{said}})
	if d := decide(o, Click{}, tenPercent()); err != nil || d.Outcome != AwaitingSale {
		t.Errorf("%v: without its sale it is decided as %s", err, d.Outcome)
	}
	for name, content := range map[string]string{
		"another verb": `{"merchant":1,"order":"A1","verb":"praise"}`, "another order": `{"merchant":1,"order":"A2","verb":"void"}`,
		"a test order": `{"merchant":1,"keys":1,"order":"A1","verb":"void"}`, "nothing": `{}`, "no verb": `{"merchant":1,"order":"A1"}`, "no JSON": `{`,
	} {
		r, err := ParseReviewed([]byte(content), event.OrderKey(1, "A1"))
		if _, newer := errors.AsType[*NewerError](err); err == nil || newer != (name == "another verb") {
			t.Errorf("%s is read as %+v: %v", name, r, err)
		}
	}
}

func TestFurtherFieldsThatCannotBeFolded(t *testing.T) {
	t.Parallel()
	many := func(n int) map[string]string {
		marks := map[string]string{}
		for i := range n {
			marks[strings.Repeat("k", i+1)] = "v"
		}
		return marks
	}
	touch := func(change func(*event.Touch)) func(*event.Sale) {
		return func(s *event.Sale) {
			s.Path = []*event.Touch{{ClickId: "a", Kind: 1}}
			change(s.GetPath()[0])
		}
	}
	for name, change := range map[string]func(s *event.Sale){
		"a goal of 65 bytes":            func(s *event.Sale) { s.Goal = strings.Repeat("x", 65) },
		"a goal that is no text":        func(s *event.Sale) { s.Goal = "a\x00" },
		"a code of 129 bytes":           func(s *event.Sale) { s.ReferralCode = strings.Repeat("x", 129) },
		"21 coupons":                    func(s *event.Sale) { s.Coupons = slices.Repeat([]string{"A"}, 21) },
		"a coupon of 129 bytes":         func(s *event.Sale) { s.Coupons = []string{strings.Repeat("x", 129)} },
		"9 touches":                     func(s *event.Sale) { s.Path = slices.Repeat([]*event.Touch{{ClickId: "a", Kind: 1}}, 9) },
		"a touch without an id":         touch(func(t *event.Touch) { t.ClickId = "" }),
		"a touch of no kind":            touch(func(t *event.Touch) { t.Kind = 0 }),
		"a touch of an unknown kind":    touch(func(t *event.Touch) { t.Kind = 4 }),
		"a touch before 1970":           touch(func(t *event.Touch) { t.At = -1 }),
		"a status that there is not":    func(s *event.Sale) { s.CustomerStatus = "old" },
		"shipping below zero":           func(s *event.Sale) { s.Shipping = -1 },
		"shipping beyond an amount":     func(s *event.Sale) { s.Shipping = money.MaxAmount + 1 },
		"tax that adds up to too much":  func(s *event.Sale) { s.ShippingTax, s.Lines[0].Tax = money.MaxAmount, 1 },
		"a discount below zero":         func(s *event.Sale) { s.Lines[0].Discount = -1 },
		"a country in small letters":    func(s *event.Sale) { s.Country = "de" },
		"a device that there is not":    func(s *event.Sale) { s.Device = "fridge" },
		"a line's country of 3 letters": func(s *event.Sale) { s.Lines[0].Country = "DEU" },
		"a line's group of 129 bytes":   func(s *event.Sale) { s.Lines[0].Part = strings.Repeat("x", 129) },
		"21 marks":                      func(s *event.Sale) { s.Metadata = many(21) },
		"a mark's name of 41 bytes":     func(s *event.Sale) { s.Metadata = map[string]string{strings.Repeat("x", 41): ""} },
		"a mark's value of 201 bytes":   func(s *event.Sale) { s.Metadata = map[string]string{"x": strings.Repeat("x", 201)} },
		"a mark without a name":         func(s *event.Sale) { s.Metadata = map[string]string{"": "x"} },
		"a cart of before 1970":         func(s *event.Sale) { s.CartedAt = -1 },
		"a cart of after 2200":          func(s *event.Sale) { s.CartedAt = endOfTime },
	} {
		if o, err := Fold([]*event.Event{reported(change)}, Said{}); err == nil {
			t.Errorf("%s: it is folded to %+v", name, o)
		}
	}
	for name, change := range map[string]func(r *event.Refund){
		"shipping below zero":         func(r *event.Refund) { r.Shipping = -1 },
		"shipping beyond an amount":   func(r *event.Refund) { r.Shipping = money.MaxAmount },
		"shipping of the whole order": func(r *event.Refund) { r.Amount, r.Shipping, r.WholeOrder = 0, 1, true },
		"nothing at all":              func(r *event.Refund) { r.Amount = 0 },
	} {
		e := refunded("R", day, 1)
		change(e.GetRefund())
		if err := Check(e); err == nil {
			t.Errorf("%s: it is let through", name)
		}
	}
}
