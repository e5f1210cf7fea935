package program

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tributary/internal/fault"
	"tributary/internal/money"
)

const (
	day   = 24 * time.Hour
	plain = `{"schema":1,"attribution":{"touches":{"click":{"window":"30d"}}},"hold":"36h","network_fee":200000,` +
		`"rules":[{"where":{"partner_kind":"site","category":"books"},"pay":{"percent":100000}},{"pay":{"percent":80000}}]}`
)

// document is a text with the path of the one field that is wrong with it, if there is one.
type document struct {
	name, text, wrong string
	// beyondSchema is what a schema cannot say.
	beyondSchema bool
	// whole documents have fields on which nothing acts yet.
	whole bool
}

// documents have each mistake that can be made.
func documents() []document {
	list := full()
	edit := func(name, from, to, wrong string) document {
		return document{name: name, text: strings.Replace(plain, from, to, 1), wrong: wrong}
	}
	beyond := func(d document) document {
		d.beyondSchema = true
		return d
	}
	return append(list, []document{
		{name: "as it should be", text: plain},
		edit("no hold at all", `"36h"`, `"0d"`, ""),
		{name: "no rule", text: strings.SplitAfter(plain, `"rules":[`)[0] + `]}`},
		edit("conditions without any", `{"pay"`, `{"where":{},"pay"`, ""),
		{name: "no JSON", text: plain[1:], wrong: "document"},
		{name: "more than one", text: plain + plain, wrong: "document"},
		{name: "a list", text: `[]`, wrong: "document"},
		{name: "null", text: `null`, wrong: "document"},
		beyond(document{name: "no UTF-8", text: strings.Replace(plain, "books", "b\xff", 1), wrong: "document"}),
		edit("another form", `"schema":1`, `"schema":2`, "schema"),
		edit("no form", `"schema":1,`, ``, "schema"),
		edit("an unknown field", `"schema"`, `"bonus":5,"schema"`, "bonus"),
		edit("an unknown field deep in it", `"window"`, `"Window":"1d","window"`, "attribution.touches.click.Window"),
		edit("an unknown field of a rule", `{"pay":{`, `{"pay":{"flat":1,`, "rules[1].pay.flat"),
		beyond(edit("a field twice", `"hold"`, `"hold":"1d","hold"`, "hold")),
		edit("the window of every program", `"window":"30d"`, ``, ""),
		edit("a window of nothing", `"30d"`, `"0s"`, "attribution.touches.click.window"),
		edit("a window in a unit that there is not", `"30d"`, `"1y"`, "attribution.touches.click.window"),
		edit("a window of a fraction", `"30d"`, `"1.5d"`, "attribution.touches.click.window"),
		edit("a window with a leading zero", `"30d"`, `"030d"`, "attribution.touches.click.window"),
		beyond(edit("a window beyond all time", `"30d"`, `"9999999999d"`, "attribution.touches.click.window")),
		edit("a negative hold", `"36h"`, `"-1d"`, "hold"),
		edit("a hold as a number", `"36h"`, `36`, "hold"),
		edit("a null", `"36h"`, `null`, "hold"),
		edit("a fee as a text", `200000`, `"20 %"`, "network_fee"),
		edit("a fee as a fraction", `200000`, `0.2`, "network_fee"),
		edit("a fee above the commission", `200000`, `1000001`, "network_fee"),
		edit("a negative fee", `200000`, `-1`, "network_fee"),
		edit("no rules", `,"rules":[{"where":{"partner_kind":"site","category":"books"},"pay":{"percent":100000}},{"pay":{"percent":80000}}]`, ``, "rules"),
		edit("rules that are no list", `[{"where"`, `{"where"`, "document"),
		edit("a rule that is a number", `{"pay":{"percent":80000}}`, `5`, "rules[1]"),
		edit("a rule that pays nothing said", `,{"pay":{"percent":80000}}`, `,{}`, "rules[1].pay"),
		edit("a rule without a rate", `{"percent":80000}`, `{}`, "rules[1].pay.percent"),
		edit("a rate above the sale", `80000`, `1000001`, "rules[1].pay.percent"),
		edit("a kind that there is not", `"site"`, `"shop"`, "rules[0].where.partner_kind"),
		edit("a kind that is empty", `"site"`, `""`, "rules[0].where.partner_kind"),
		edit("a category that is empty", `"books"`, `""`, "rules[0].where.category"),
		edit("a category that is a number", `"books"`, `7`, "rules[0].where.category"),
		beyond(edit("the category of all others", `"books"`, `"*"`, "rules[0].where.category")),
		edit("a category that is too long", `books`, strings.Repeat("b", maxText+1), "rules[0].where.category"),
		beyond(edit("a category with a blank at its end", `"books"`, `"books "`, "rules[0].where.category")),
		beyond(edit("a category with what cannot be seen", `"books"`, `"bo\u0000oks"`, "rules[0].where.category")),
		beyond(edit("a category in another form of Unicode", `"books"`, `"cafe\u0301"`, "rules[0].where.category")),
		beyond(edit("two rules about the same", `{"pay"`, `{"pay":{"percent":1}},{"where":{},"pay"`, "rules[2].where")),
		edit("rules without end", `{"pay":{"percent":80000}}`, strings.Repeat(`{"pay":{"percent":80000}},`, maxRules)+`{"pay":{"percent":1}}`, "rules"),
	}...)
}

func TestEachMistakeIsToldByItsField(t *testing.T) {
	t.Parallel()
	for _, row := range documents() {
		d, bad := readDocument([]byte(row.text))
		if len(bad) == 0 {
			bad = d.CheckWhole("")
		}
		var got []string
		for _, f := range bad {
			if got = append(got, f.Name); f.Problem == "" || f.Fix == "" {
				t.Errorf("%s: %+v", row.name, f)
			}
		}
		if diff := cmp.Diff(row.wrong, strings.Join(got, ", ")); diff != "" {
			t.Errorf("%s: %+v (-want +got):\n%s", row.name, bad, diff)
		}
	}
}

func TestWhatNothingActsOnIsRefused(t *testing.T) {
	t.Parallel()
	left := notBuilt()
	for _, row := range documents() {
		d, err := ParseDocument([]byte(row.text))
		if row.wrong == "" && (err == nil) == (row.whole && len(left) > 0) {
			t.Errorf("%s: %v", row.name, err)
		}
		if row.wrong != "" && err == nil && len(d.Check("")) == 0 {
			t.Errorf("%s is taken", row.name)
		}
	}
	texts := []string{example, strings.Replace(plain, `"touches"`, `"model":"decay","half_life":"7d","touches"`, 1)}
	for _, test := range []string{
		`"partner_kind":["site","member"]`, `"category":["a","b"]`, `"goal":"lead"`, `"sku":"A"`, `"part":"p"`, `"customer":"new"`, `"months_bound":{"max":1}`, `"country":"DE"`,
		`"device":"tablet"`, `"coupon":"X"`, `"link":1`, `"order_amount":{"min":1}`, `"partner":1`, `"partner_group":"g"`, `"property":"p"`, `"meta.k":"v"`, `"any":[{}]`, `"not":{}`,
	} {
		texts = append(texts, strings.Replace(plain, `{"pay"`, `{"where":{`+test+`},"pay"`, 1))
	}
	refused := map[string]bool{}
	for _, text := range texts {
		_, err := ParseDocument([]byte(text))
		for _, f := range fault.Of(err).Fields {
			name := regexp.MustCompile(`\[\d+\]`).ReplaceAllString(f.Name, "[]")
			if _, key, within := strings.Cut(name, "where."); within {
				if name = "where." + key; strings.HasPrefix(key, metaPrefix) {
					name = "where.meta"
				}
				if !left[name] {
					name += "[]"
				}
			}
			if refused[name] = true; !left[name] {
				t.Errorf("%s is refused as %s, which is built", f.Name, name)
			}
		}
	}
	for name := range left {
		if !refused[name] {
			t.Errorf("%s is not refused", name)
		}
	}
}

func TestWhatNoOrderCanBeIsReadAndNotAdded(t *testing.T) {
	t.Parallel()
	for rules, want := range map[string]string{
		`{"where":{"goal":"lead"},"pay":{"fixed":1,"per":"piece"}}`:                           "",
		`{"where":{"category":"click"},"pay":{"fixed":1}}`:                                    "",
		`{"where":{"goal":"click"},"pay":{"fixed":1,"per":"click"}}`:                          "",
		`{"where":{"goal":"impression"},"pay":{"fixed":1}}`:                                   "rules[0].where.goal",
		`{"where":{"goal":["sale","impression"]},"pay":{"fixed":1}}`:                          "rules[0].where.goal[1]",
		`{"where":{"any":[{"goal":"lead"},{"not":{"goal":"impression"}}]},"pay":{"fixed":1}}`: "rules[0].where.any[1].not.goal",
		`{"pay":{"fixed":1,"per":"click"}},{"adds":true,"pay":{"fixed":1,"per":"mille"}}`:     "rules[1].pay.per",
	} {
		d, err := ParseDocument([]byte(`{"schema":1,"currency":"USD","hold":"30d","network_fee":0,"attribution":{"touches":{"click":{}}},"rules":[` + rules + `]}`))
		must(t, err)
		if bad := d.CheckWhole(""); len(bad) > 0 {
			t.Errorf("%s: whole, it has %+v", rules, bad)
		}
		own, err := ParseOverride([]byte(`{"rules":[` + rules + `]}`))
		must(t, err)
		for _, bad := range [][]fault.Field{d.Check(""), own.Check("", &d)} {
			var got []string
			for _, f := range bad {
				got = append(got, f.Name)
			}
			if diff := cmp.Diff(want, strings.Join(got, ", ")); diff != "" {
				t.Errorf("%s (-want +got):\n%s", rules, diff)
			}
		}
	}
}

func TestALaterSchemaIsAllThatIsTold(t *testing.T) {
	t.Parallel()
	d, err := ParseDocument([]byte(strings.Replace(plain, `"schema":1`, `"schema":2,"minimum_order":500`, 1)))
	if bad := fault.Of(err).Fields; len(bad) != 1 || bad[0].Name != "schema" {
		t.Errorf("%+v", bad)
	}
	if d.Schema != 2 || len(d.Rules) != 2 || *d.Attribution.Touches.Click != (Touching{Window: Duration(30 * day)}) {
		t.Errorf("what could be read of it is %+v", d)
	}
}

func TestAllMistakesAreToldAtOnce(t *testing.T) {
	t.Parallel()
	_, err := ParseDocument([]byte(`{"schema":1,"hold":5,"fee":0,"rules":[{"pay":{}},{"when":{},"pay":{"percent":"8"}}]}`))
	var got []string
	for _, f := range fault.Of(err).Fields {
		got = append(got, f.Name)
	}
	want := []string{"hold", "fee", "rules[0].pay.percent", "rules[1].when", "rules[1].pay.percent", "attribution", "network_fee"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestADocumentIsWrittenAsItWasRead(t *testing.T) {
	t.Parallel()
	d, err := ParseDocument([]byte(plain))
	must(t, err)
	if diff := cmp.Diff(plain, string(d.JSON())); diff != "" {
		t.Errorf("(-read +written):\n%s", diff)
	}
}

func TestTheCloserRulePays(t *testing.T) {
	t.Parallel()
	rule := PercentRule
	rules := []Rule{
		rule("", "", 1), rule(Site, "", 2), rule("", "books", 3), rule(Member, "books", 4), rule(Site, "gold", 5),
	}
	for _, row := range []struct {
		rules    []Rule
		kind     Kind
		category string
		rate     money.Rate
		matched  string
	}{
		{rules, Site, "tea", 2, "*"},
		{rules, Member, "tea", 1, "*"},
		{rules, Site, "books", 3, "books"}, // the category before the kind
		{rules, Member, "books", 4, "books"},
		{rules, Site, "gold", 5, "gold"},
		{rules, Member, "gold", 1, "*"},
		{rules, Site, "", 2, "*"},
		{rules[3:], Site, "books", 0, ""},
		{rules[3:], Member, "gold", 0, ""},
		{nil, Site, "books", 0, ""},
	} {
		for _, reversed := range []bool{false, true} {
			v := Version{Document: NewDocument(day, day, 0, nil)}
			v.Document.Rules = slices.Clone(row.rules)
			if reversed {
				slices.Reverse(v.Document.Rules)
			}
			terms := v.Terms()
			if rate, matched := terms.Rate(row.kind, row.category); rate != row.rate || matched != row.matched {
				t.Errorf("%s, %q of %v gives %d by %q; want %d by %q", row.kind, row.category, v.Document.Rules, rate, matched, row.rate, row.matched)
			}
		}
	}
}

func TestRatesSurviveADocument(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Custom(func(t *rapid.T) money.Rate { return money.Rate(rapid.Int64Range(0, int64(money.One)).Draw(t, "rate")) })
		seconds := rapid.Custom(func(t *rapid.T) time.Duration {
			return time.Duration(rapid.Int64Range(1, 1e9).Draw(t, "seconds")) * time.Second
		})
		rates := Rates{}
		for _, kind := range Kinds() {
			if byCategory := rapid.MapOf(rapid.SampledFrom([]string{"*", "a", "b", "*a", "é"}), rate).Draw(t, string(kind)); len(byCategory) > 0 {
				rates[kind] = byCategory
			}
		}
		want := Terms{Version: 3, EffectiveFrom: time.Unix(1, 0), Rules: 1, Schema: Schema, Window: seconds.Draw(t, "window"), Hold: seconds.Draw(t, "hold"), NetworkFee: rate.Draw(t, "fee"), Rates: rates}
		written := NewDocument(want.Window, want.Hold, want.NetworkFee, rates)
		if bad := written.Check(""); len(bad) > 0 {
			t.Fatalf("%+v", bad)
		}
		read, err := ParseDocument(written.JSON())
		if err != nil {
			t.Fatal(err)
		}
		want.Document = &read
		v := Version{Number: 3, EffectiveFrom: want.EffectiveFrom, Rules: 1, Document: read}
		if diff := cmp.Diff(want, v.Terms()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func FuzzDocument(f *testing.F) {
	for _, row := range documents() {
		f.Add([]byte(row.text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if d, err := ParseDocument(text); err != nil && len(fault.Of(err).Fields) == 0 {
			t.Fatalf("%q is refused without a field: %v, and reads as %+v", text, err, d)
		}
		d, bad := readDocument(text)
		if len(bad) > 0 {
			return
		}
		again, bad := readDocument(d.JSON())
		if diff := cmp.Diff(d, again); len(bad) > 0 || diff != "" {
			t.Fatalf("%q reads as %s, and that as another (-first +second): %v\n%s", text, d.JSON(), bad, diff)
		}
		d.CheckWhole("")
	})
}
