package program

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// condition reads a condition that is right.
func condition(t interface {
	Fatalf(format string, args ...any)
}, text string,
) Cond {
	var d decoder
	c := d.cond("where", json.RawMessage(text), 1)
	if len(d.bad) > 0 {
		t.Fatalf("%s: %+v", text, d.bad)
	}
	return c
}

func TestWhatConditionsHoldFor(t *testing.T) {
	t.Parallel()
	line := Facts{
		SKU: "A", Category: "gold", Part: "p", Customer: "new", MonthsBound: -1, Country: "DE", Device: "mobile", Coupons: []string{"Summer ", "STAFF"},
		Link: 7, OrderAmount: 3000, Partner: 17, PartnerKind: Site, Groups: []string{"vip"}, Properties: []string{"coupon_site"}, Metadata: map[string]string{"gift": "yes"},
	}
	for text, want := range map[string]bool{
		`{}`:                                    true,
		`{"category":"gold"}`:                   true,
		`{"category":["silver","gold"]}`:        true,
		`{"category":"Gold"}`:                   false,
		`{"category":"gold","sku":"B"}`:         false,
		`{"goal":"sale"}`:                       true,
		`{"goal":"lead"}`:                       false,
		`{"customer":"returning"}`:              false,
		`{"months_bound":{"max":11}}`:           false, // nobody is bound
		`{"months_bound":{"min":0}}`:            false,
		`{"coupon":"SUMMER"}`:                   true,
		`{"coupon":["staff"]}`:                  true,
		`{"coupon":"WINTER"}`:                   false,
		`{"link":[6,7]}`:                        true,
		`{"link":6}`:                            false,
		`{"partner":17}`:                        true,
		`{"partner_kind":"member"}`:             false,
		`{"partner_group":["top","vip"]}`:       true,
		`{"property":"toolbar"}`:                false,
		`{"order_amount":{"min":3000}}`:         true,
		`{"order_amount":{"min":3001}}`:         false,
		`{"order_amount":{"max":3000}}`:         true,
		`{"order_amount":{"max":2999}}`:         false,
		`{"meta.gift":"yes"}`:                   true,
		`{"meta.gift":"no"}`:                    false,
		`{"meta.colour":"red"}`:                 false,
		`{"not":{"meta.colour":"red"}}`:         true,
		`{"not":{}}`:                            false,
		`{"any":[{"sku":"B"},{"part":"p"}]}`:    true,
		`{"any":[{"sku":"B"},{"part":"q"}]}`:    false,
		`{"not":{"country":"DE","sku":"B"}}`:    true,
		`{"not":{"country":"DE","sku":"A"}}`:    false,
		`{"any":[{"not":{"device":"mobile"}}]}`: false,
	} {
		if got := condition(t, text).Holds(&line); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
	bound := Facts{MonthsBound: 11}
	if c := condition(t, `{"months_bound":{"max":11}}`); !c.Holds(&bound) || c.Holds(&Facts{MonthsBound: 12}) {
		t.Error("the last month is not the eleventh")
	}
}

// TestCaseSixtyFour is the case of that number of the design: (DE or mobile) and not returning.
func TestCaseSixtyFour(t *testing.T) {
	t.Parallel()
	c := condition(t, `{"any":[{"country":"DE"},{"device":"mobile"}],"not":{"customer":"returning"}}`)
	var got []bool
	for _, f := range []Facts{{Country: "DE"}, {Country: "FR", Device: "mobile", Customer: "new"}, {Country: "FR", Device: "desktop"}, {Country: "DE", Customer: "returning"}} {
		got = append(got, c.Holds(&f))
	}
	if diff := cmp.Diff([]bool{true, true, false, false}, got); diff != "" {
		t.Error(diff)
	}
}

func TestHowCloseConditionsAre(t *testing.T) {
	t.Parallel()
	ascending := []string{
		`{}`,
		`{"country":"DE"}`,
		`{"country":"DE","device":"mobile"}`,
		`{"category":"gold"}`,
		`{"category":"gold","customer":"returning"}`,
		`{"category":"gold","part":"p","customer":"new"}`,
		`{"sku":"A"}`,
		`{"sku":"A","category":"gold"}`,
	}
	for i := range ascending {
		for j := range ascending {
			a, b := condition(t, ascending[i]).Closeness(), condition(t, ascending[j]).Closeness()
			if got := a.Compare(b); (got > 0) != (i > j) || (got == 0) != (i == j) {
				t.Errorf("%s to %s: %d", ascending[i], ascending[j], got)
			}
		}
	}
	for text, want := range map[string]Closeness{
		`{"any":[{"sku":"A"},{"device":"tablet"}]}`:                                  {0, 1},
		`{"any":[{"sku":"A"},{"category":"gold","device":"tablet"}],"country":"DE"}`: {1, 2},
		`{"not":{"sku":"A","device":"tablet"},"category":["a","b"]}`:                 {1, 2},
		`{"not":{}}`: {0, 0},
	} {
		if got := condition(t, text).Closeness(); got != want {
			t.Errorf("%s is %+v", text, got)
		}
	}
}

// naive says whether a condition as JSON reads it holds, from what is known by key.
func naive(c map[string]any, known map[string]any) bool {
	one := func(value any, is func(any) bool) bool {
		if list, many := value.([]any); many {
			return slices.ContainsFunc(list, is)
		}
		return is(value)
	}
	for key, value := range c {
		var holds bool
		switch key {
		case "any":
			holds = one(value, func(inner any) bool { return naive(inner.(map[string]any), known) })
		case "not":
			holds = !naive(value.(map[string]any), known)
		case "months_bound", "order_amount":
			bounds := value.(map[string]any)
			n := known[key].(float64)
			low, hasLow := bounds["min"].(float64)
			high, hasHigh := bounds["max"].(float64)
			holds = n >= 0 && (!hasLow || low <= n) && (!hasHigh || n <= high)
		default:
			holds = one(value, func(v any) bool {
				return one(known[key], func(k any) bool { return v == k || key == "coupon" && strings.EqualFold(v.(string), k.(string)) })
			})
		}
		if !holds {
			return false
		}
	}
	return true
}

// drawCond draws a condition as JSON reads it, of few values, so that some hold.
func drawCond(t *rapid.T, depth int) map[string]any {
	values := map[string][]any{
		"partner_kind": {"site", "member"}, "category": {"a", "b"}, "goal": {"sale", "lead"}, "sku": {"a", "b"}, "part": {"a"}, "customer": {"new", "returning"},
		"country": {"DE", "FR"}, "device": {"tv", "mobile"}, "coupon": {"X", "y"}, "link": {1.0, 2.0}, "partner": {1.0, 2.0}, "partner_group": {"g", "h"},
		"property": {"p", "q"}, "meta.k": {"v", "w"}, "meta.l": {"v"},
	}
	keys := append(slices.Sorted(func(yield func(string) bool) {
		for k := range values {
			if !yield(k) {
				return
			}
		}
	}), "months_bound", "order_amount", "any", "not")
	c := map[string]any{}
	for _, key := range rapid.SliceOfNDistinct(rapid.SampledFrom(keys), 0, 3, rapid.ID[string]).Draw(t, "keys") {
		switch {
		case key == "months_bound" || key == "order_amount":
			c[key] = map[string]any{rapid.SampledFrom([]string{"min", "max"}).Draw(t, "bound"): float64(rapid.IntRange(0, 3).Draw(t, "n"))}
		case (key == "any" || key == "not") && depth == 0:
		case key == "any":
			list := []any{}
			for range rapid.IntRange(1, 3).Draw(t, "alternatives") {
				list = append(list, drawCond(t, depth-1))
			}
			c[key] = list
		case key == "not":
			c[key] = drawCond(t, depth-1)
		default:
			if list := rapid.SliceOfNDistinct(rapid.SampledFrom(values[key]), 1, 2, rapid.ID[any]).Draw(t, key); len(list) == 1 {
				c[key] = list[0]
			} else {
				c[key] = list
			}
		}
	}
	return c
}

func TestConditionsHoldAsTheirWordsSay(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		drawn := drawCond(t, 3)
		text, err := json.Marshal(drawn)
		if err != nil {
			t.Fatal(err)
		}
		c := condition(t, string(text))
		some := func(name string, of ...string) []string {
			return rapid.SliceOfNDistinct(rapid.SampledFrom(of), 0, len(of), rapid.ID[string]).Draw(t, name)
		}
		pick := func(name string, of ...string) string { return rapid.SampledFrom(of).Draw(t, name) }
		f := Facts{
			Goal: pick("goal", "", "lead"), SKU: pick("sku", "", "a", "b"), Category: pick("category", "", "a", "b"), Part: pick("part", "", "a"), Customer: pick("customer", "", "new", "returning"),
			MonthsBound: rapid.IntRange(-1, 3).Draw(t, "months"), Country: pick("country", "", "DE", "FR"), Device: pick("device", "", "tv", "mobile"), Coupons: some("coupons", "x", "Y"),
			Link: LinkID(rapid.IntRange(0, 2).Draw(t, "link")), OrderAmount: int64(rapid.IntRange(0, 3).Draw(t, "amount")), Partner: PartnerID(rapid.IntRange(1, 2).Draw(t, "partner")),
			PartnerKind: Kind(pick("kind", "site", "member")), Groups: some("groups", "g", "h"), Properties: some("properties", "p", "q"), Metadata: map[string]string{},
		}
		for _, key := range some("meta", "k", "l") {
			f.Metadata[key] = pick("value", "v", "w")
		}
		list := func(texts []string) (all []any) {
			for _, text := range texts {
				all = append(all, text)
			}
			return all
		}
		known := map[string]any{
			"partner_kind": string(f.PartnerKind), "category": f.Category, "goal": f.Goal, "sku": f.SKU, "part": f.Part, "customer": f.Customer, "country": f.Country, "device": f.Device,
			"coupon": list(f.Coupons), "link": float64(f.Link), "partner": float64(f.Partner), "partner_group": list(f.Groups), "property": list(f.Properties),
			"months_bound": float64(f.MonthsBound), "order_amount": float64(f.OrderAmount), "meta.k": f.Metadata["k"], "meta.l": f.Metadata["l"],
		}
		if f.Goal == "" {
			known["goal"] = "sale"
		}
		if got, want := c.Holds(&f), naive(drawn, known); got != want {
			t.Fatalf("%s of %+v: %t, want %t", text, f, got, want)
		}
		if again := condition(t, string(written(c))); cmp.Diff(c, again) != "" {
			t.Fatalf("%s is written as %s", text, written(c))
		}
	})
}

func TestWhetherTermsGoByTheCountry(t *testing.T) {
	t.Parallel()
	in, not := Test{Key: KeyCountry, Texts: []string{"DE"}}, Test{Key: KeyDevice, Texts: []string{"mobile"}}
	inside := All(Test{Key: KeyAny, Conds: []Cond{All(not), All(Test{Key: KeyNot, Conds: []Cond{All(in)}})}})
	for name, row := range map[string]struct {
		document Document
		want     bool
	}{
		"nothing":               {Document{}, false},
		"another condition":     {Document{Rules: []Rule{{Where: All(not)}}}, false},
		"a rule":                {Document{Rules: []Rule{{Where: All(not)}, {Where: All(not, in)}}}, true},
		"inside any and not":    {Document{Rules: []Rule{{Where: inside}}}, true},
		"where nothing is paid": {Document{Zero: []Zero{{Where: All(in)}}}, true},
		"a period":              {Document{Periods: []Period{{Where: All(in)}}}, true},
		"a partner's own rule":  {Document{Overrides: []Override{{Rules: []Rule{{Where: All(in)}}}}}, true},
	} {
		if got := row.document.AsksForCountry(); got != row.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
