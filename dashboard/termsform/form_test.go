package termsform_test

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tributary/dashboard/termsform"
	"tributary/internal/money"
	"tributary/partners/program"
)

// sent is what a browser sends of a form: its fields as texts.
func sent(t interface {
	Fatalf(format string, args ...any)
}, f *termsform.Form,
) *termsform.Form {
	again, err := url.ParseQuery(f.Values.Encode())
	if err != nil {
		t.Fatalf("%v", err)
	}
	read, err := termsform.Read(again, "GBP")
	if err != nil {
		t.Fatalf("reading the form: %v", err)
	}
	return read
}

// A document comes back from the form as it was laid out, whatever it says.
func TestADocumentComesBackFromTheForm(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := document(t)
		if bad := d.Check(""); len(bad) > 0 {
			t.Skip("no terms", bad)
		}
		f := sent(t, termsform.Of(&d, "GBP"))
		back := f.Document()
		if diff := cmp.Diff(string(d.JSON()), string(back.JSON())); diff != "" || len(f.Problems) > 0 {
			t.Fatalf("%+v (-laid out +read):\n%s", f.Problems, diff)
		}
	})
}

// What the form does not show stays, and is told, while what it shows is changed.
func TestWhatTheFormDoesNotShowStays(t *testing.T) {
	t.Parallel()
	d := parse(t, `{"schema":1,"currency":"EUR","attribution":{"touches":{"click":{"window":"30d","min_age":"15s"},"soft":{}}},"hold":"30d","network_fee":0,
		"zero":[{"where":{"coupon":"STAFF"},"code":"staff"}],
		"rules":[{"id":"a","where":{"category":"gold","device":"mobile","order_amount":{"min":100,"max":200}},"pay":{"percent":1}},{"pay":{"percent":2}}],
		"overrides":[{"group":"vip","hold":"7d"}],"periods":[{"id":"p","where":{"goal":"lead"},"measure":"count","period":"month","tiers":[{"from":10,"each":50}]}]}`)
	f := termsform.Of(&d, "GBP")
	want := []string{
		"zero", "overrides", "attribution.touches.soft", "attribution.touches.click.min_age", "rules[0].where.device", "rules[0].where.order_amount", "periods[0].where",
	}
	if diff := cmp.Diff(want, f.TextOnly()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	f.Values.Set("rule0_percent", "3")
	f.Values.Set("rule0_value", "gold, silver")
	f.Values.Set("rule0_customer", "new")
	f.Values.Set("period0_tier0_value", "0.75")
	f.Values.Set("window", "")
	f.Drop("rule1_")
	f.AddRule(program.ToCustomer)
	f.Values.Set("rule1_fixed", "5")
	f.Values.Set("rule1_points", "yes")
	f = sent(t, f)
	back := f.Document()
	f.Locate(back.Check(""))
	changed := strings.NewReplacer(
		`{"window":"30d","min_age":"15s"}`, `{"min_age":"15s"}`, `"category":"gold"`, `"category":["gold","silver"],"customer":"new"`, `"percent":1}}`, `"percent":30000}}`, `"each":50`, `"each":75`,
		`{"pay":{"percent":2}}`, `{"to":"customer","where":{"customer":"new"},"pay":{"fixed":5,"unit":"POINT"}}`,
	).Replace(string(d.JSON()))
	if diff := cmp.Diff(changed, string(back.JSON())); diff != "" || len(f.Problems) > 0 {
		t.Errorf("%+v (-want +got):\n%s", f.Problems, diff)
	}
}

func TestEachMistakeIsToldAtItsField(t *testing.T) {
	t.Parallel()
	d := parse(t, `{"schema":1,"currency":"GBP","attribution":{"touches":{"click":{"window":"30d"}}},"hold":"30d","network_fee":0,
		"rules":[{"id":"books","where":{"category":"books"},"pay":{"percent":100000,"max":500}},{"id":"rest","pay":{"percent":50000}}],
		"periods":[{"id":"vol","measure":"revenue","period":"month","tiers":[{"from":10000,"percent":10000},{"from":20000,"percent":20000}]},
			{"id":"cap","measure":"count","period":"day","cap":10}]}`)
	for _, row := range []struct{ name, field, value, wrong string }{
		{"nothing", "zone", "", ""},
		{"a window that is no number", "window", "some", "window"},
		{"a window of nothing", "window", "0", "window"},
		{"no hold", "hold", "", "hold"},
		{"a negative hold", "hold", "-1", "hold"},
		{"refunds for no time", "refund_window", "0", "refund_window"},
		{"a zone that is none", "zone", "Mars", "zone"},
		{"a currency that is none", "currency", "XXQ", "currency"},
		{"amounts without a currency", "currency", "", "currency"},
		{"decay without a half-life", "model", "decay", "half_life"},
		{"bound for no time", "bind", "months", "bind_months"},
		{"a goal of every program", "goals", "sale", "goals"},
		{"a rate above the sale", "rule0_percent", "101", "rule0_percent"},
		{"a rule that pays nothing said", "rule0_percent", "", "rule0_percent"},
		{"an amount in words", "rule0_max", "five", "rule0_max"},
		{"too many decimals", "rule0_fixed", "0.005", "rule0_fixed"},
		{"an amount beyond all orders", "rule0_fixed", "999999999999", "rule0_fixed"},
		{"goods of nothing", "rule0_goods", "", "rule0_goods"},
		{"nothing of goods", "rule0_value", "", "rule0_value"},
		{"the category of all", "rule0_value", "*", "rule0_value"},
		{"a category that cannot be seen", "rule0_value", "bo\u200boks", "rule0_value"},
		{"a rule about the same", "rule1_goods", "category", "rule1_value"},
		{"a name twice", "rule1_name", "books", "rule1_name"},
		{"a name with blanks", "rule1_name", "all others", "rule1_name"},
		{"a country that is none", "rule1_country", "DE, ZZ", "rule1_country"},
		{"a kind of partner that is none", "rule1_kind", "shop", "rule1_kind"},
		{"a goal that is not listed", "rule1_goal", "trial", "rule1_goal"},
		{"no month", "rule1_months", "0", "rule1_months"},
		{"a minimum of nothing", "rule1_min", "0", "rule1_min"},
		{"a commission of itself", "rule1_of", "commission", "rule1_of"},
		{"points for a partner", "rule1_points", "yes", "rule1_points"},
		{"a payee that there is not", "rule1_to", "uncle", "rule1_to"},
		{"a period without a name", "period0_name", "", "period0_name"},
		{"a period's name twice", "period1_name", "vol", "period1_name"},
		{"a tier that does not ascend", "period0_tier1_from", "100", "period0_tier1_from"},
		{"a tier from nowhere", "period0_tier1_from", "", "period0_tier1_from"},
		{"a tier that pays too much", "period0_tier1_value", "101", "period0_tier1_value"},
		{"a tier that pays nothing said", "period0_tier0_value", "", "period0_tier0_value"},
		{"a cap of nothing", "period1_cap", "0", "period1_cap"},
		{"a cap in words", "period1_cap", "some", "period1_cap"},
		{"a measure that there is not", "period1_measure", "clicks", "period1_measure"},
		{"a length that there is not", "period1_length", "fortnight", "period1_length"},
	} {
		f := termsform.Of(&d, "GBP")
		f.Values.Set(row.field, row.value)
		f = sent(t, f)
		back := f.Document()
		f.Locate(back.Check(""))
		var got []string
		for _, p := range f.Problems {
			got = append(got, p.Name)
		}
		if diff := cmp.Diff(row.wrong, strings.Join(got, ", ")); diff != "" {
			t.Errorf("%s: %+v (-want +got):\n%s", row.name, f.Problems, diff)
		}
		if list := f.Unshown(); len(list) > 0 {
			t.Errorf("%s is shown nowhere: %+v", row.name, list)
		}
		if f.Values.Get(row.field) != row.value {
			t.Errorf("%s: the form forgets what was typed", row.name)
		}
	}
}

func TestRowsAreAddedAndDropped(t *testing.T) {
	t.Parallel()
	d := parse(t, `{"schema":1,"attribution":{"touches":{"click":{}}},"hold":"0d","network_fee":0,"rules":[{"id":"a","pay":{"percent":1}},{"id":"b","where":{"category":"x"},"pay":{"percent":2}}]}`)
	f := termsform.Of(&d, "GBP")
	f.AddPeriod(termsform.Cap)
	f.AddPeriod(termsform.Cap)
	f.AddRule(program.ToRecruiter)
	f.Drop("rule0_")
	f.Drop("rule7_")
	f.Drop("period0_")
	var got []string
	for _, row := range append(f.Rules(), f.Periods()...) {
		got = append(got, f.Get(row.Prefix+"name")+"/"+f.Get(row.Prefix+"at")+"/"+f.Get(row.Prefix+"to"))
	}
	if diff := cmp.Diff([]string{"b/1/partner", "//recruiter", "cap-2//partner"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	back := f.Document()
	if diff := cmp.Diff(`[{"id":"b","where":{"category":"x"},"pay":{"percent":2}}]`, rules(back)); diff != "" {
		t.Errorf("rows without anything count (-want +got):\n%s", diff)
	}
}

func rules(d program.Document) string {
	_, after, _ := strings.Cut(string(d.JSON()), `"rules":`)
	return strings.TrimSuffix(after, "}")
}

func parse(t *testing.T, text string) program.Document {
	t.Helper()
	d, err := program.ParseDocument([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// document draws terms of any kind; some are none.
func document(t *rapid.T) program.Document {
	some := func(name string) bool { return rapid.Bool().Draw(t, name) }
	days := func(name string) program.Duration {
		return program.Duration(rapid.Int64Range(1, 400).Draw(t, name) * 3600_000_000_000)
	}
	d := program.Document{Schema: program.Schema, Hold: days("hold"), NetworkFee: 200_000, Rules: []program.Rule{}}
	d.Currency = rapid.SampledFrom([]string{"", "USD", "JPY", "KWD"}).Draw(t, "currency")
	d.Zone = rapid.SampledFrom([]string{"", "Europe/Berlin"}).Draw(t, "zone")
	d.Goals = rapid.SampledFrom([][]string{nil, {"trial"}, {"trial", "free, for all"}}).Draw(t, "goals")
	d.Base = program.Base{Tax: some("tax"), Shipping: some("shipping"), BeforeDiscount: some("before")}
	if some("refunds") {
		d.RefundWindow = days("refund window")
	}
	a := &d.Attribution
	a.Model = rapid.SampledFrom(append(program.Models(), "")).Draw(t, "model")
	if a.Model == program.ModelDecay {
		a.HalfLife = days("half-life")
	}
	a.Bind = rapid.SampledFrom([]*program.Bind{nil, {Months: 12}, {Life: true, Only: "new"}}).Draw(t, "bind")
	a.ExclusiveCodes = some("exclusive codes")
	for name, to := range map[string]**program.Touching{"click": &a.Touches.Click, "soft": &a.Touches.Soft} {
		*to = rapid.SampledFrom([]*program.Touching{nil, {}, {Window: days("window"), MinAge: program.Duration(15_000_000_000)}}).Draw(t, name)
	}
	for name, to := range map[string]**program.Touching{"coupon": &a.Touches.Coupon, "code": &a.Touches.Code} {
		*to = rapid.SampledFrom([]*program.Touching{nil, {}}).Draw(t, name)
	}
	for n := range rapid.IntRange(0, 4).Draw(t, "rules") {
		d.Rules = append(d.Rules, rule(t, n, d.Currency != ""))
	}
	for n := range rapid.IntRange(0, 3).Draw(t, "periods") {
		d.Periods = append(d.Periods, period(t, n))
	}
	if some("overrides") {
		d.Overrides = []program.Override{{Group: "vip", Rules: []program.Rule{rule(t, 0, d.Currency != "")}}}
	}
	if some("zero") {
		d.Zero = []program.Zero{{Where: cond(t), Code: "none"}}
	}
	return d
}

func rule(t *rapid.T, n int, amounts bool) program.Rule {
	r := program.Rule{Adds: rapid.Bool().Draw(t, "adds"), Where: cond(t)}
	r.ID = rapid.SampledFrom([]string{"", fmt.Sprintf("rule-%d", n)}).Draw(t, "id")
	r.To = rapid.SampledFrom([]program.Payee{"", program.ToPartner, program.ToRecruiter, program.ToCustomer}).Draw(t, "to")
	r.Pay.Percent = money.Rate(rapid.Int64Range(0, int64(money.One)).Draw(t, "percent"))
	if r.Pay.Percent != 0 {
		r.Pay.Of = rapid.SampledFrom([]program.Of{"", program.OfSale}).Draw(t, "of")
	}
	if amounts && rapid.Bool().Draw(t, "fixed?") {
		r.Pay.Fixed = rapid.Int64Range(1, 9_000_000).Draw(t, "fixed")
		r.Pay.Per = rapid.SampledFrom([]program.Per{"", program.PerOrder, program.PerLine, program.PerPiece}).Draw(t, "per")
		if r.To == program.ToCustomer && r.Pay.Percent == 0 {
			r.Pay.Unit = rapid.SampledFrom([]string{"", program.UnitPoint}).Draw(t, "unit")
		}
	}
	if amounts && rapid.Bool().Draw(t, "max?") {
		r.Pay.Max = rapid.Int64Range(1, int64(money.MaxAmount)).Draw(t, "max")
	}
	return r
}

func period(t *rapid.T, n int) program.Period {
	p := program.Period{ID: fmt.Sprintf("period-%d", n), SkipHold: rapid.Bool().Draw(t, "skip"), Where: cond(t)}
	p.To = rapid.SampledFrom([]program.Payee{"", program.ToPartner, program.ToRecruiter}).Draw(t, "to")
	p.Measure = rapid.SampledFrom(program.Measures()).Draw(t, "measure")
	p.Period = rapid.SampledFrom(program.Lengths()).Draw(t, "length")
	if rapid.Bool().Draw(t, "cap?") {
		p.Cap = rapid.Int64Range(1, 1_000_000).Draw(t, "cap")
		return p
	}
	p.Mode = rapid.SampledFrom([]program.Mode{"", program.Marginal, program.Retroactive}).Draw(t, "mode")
	for i := range rapid.IntRange(1, 3).Draw(t, "tiers") {
		tier := program.Tier{From: int64(i+1) * rapid.Int64Range(1000, 1999).Draw(t, "from")}
		amount := rapid.Int64Range(1, 1_000_000).Draw(t, "tier")
		rapid.SampledFrom([]func(){
			func() {}, func() { tier.Percent = money.Rate(amount) }, func() { tier.OfCommission = money.Rate(amount) }, func() { tier.Each = amount }, func() { tier.Once = amount },
		}).Draw(t, "kind")()
		p.Tiers = append(p.Tiers, tier)
	}
	return p
}

func cond(t *rapid.T) program.Cond {
	number := func(name string) *int64 {
		return rapid.SampledFrom([]*int64{nil, new(rapid.Int64Range(1, 99).Draw(t, name))}).Draw(t, name+"?")
	}
	tests := map[string]program.Test{
		"category": {Key: program.KeyCategory, Texts: []string{"books"}}, "categories": {Key: program.KeyCategory, Texts: []string{"books", "maps, old"}},
		"sku": {Key: program.KeySKU, Texts: []string{"A", "B"}}, "kind": {Key: program.KeyPartnerKind, Texts: []string{"site"}}, "kinds": {Key: program.KeyPartnerKind, Texts: []string{"site", "member"}},
		"customer": {Key: program.KeyCustomer, Texts: []string{"new"}}, "goal": {Key: program.KeyGoal, Texts: []string{"lead"}}, "country": {Key: program.KeyCountry, Texts: []string{"AT", "DE"}},
		"coupon": {Key: program.KeyCoupon, Texts: []string{"X, Y"}}, "group": {Key: program.KeyPartnerGroup, Texts: []string{"vip"}}, "device": {Key: program.KeyDevice, Texts: []string{"mobile"}},
		"months": {Key: program.KeyMonthsBound, Range: program.Range{Min: number("min"), Max: new(rapid.Int64Range(100, 200).Draw(t, "max"))}},
		"amount": {Key: program.KeyOrderAmount, Range: program.Range{Min: new(rapid.Int64Range(0, 99).Draw(t, "min")), Max: number("max")}},
		"not":    {Key: program.KeyNot, Conds: []program.Cond{{{Key: program.KeyDevice, Texts: []string{"tablet"}}}}},
	}
	byKey := map[program.Key]program.Test{}
	for _, name := range rapid.SliceOfN(rapid.SampledFrom(slices.Sorted(maps.Keys(tests))), 0, 4).Draw(t, "tests") {
		byKey[tests[name].Key] = tests[name]
	}
	return program.All(slices.Collect(maps.Values(byKey))...)
}
