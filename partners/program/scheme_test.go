package program

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// whole reads a document of all fields that there are.
func whole(t *testing.T, text string) Document {
	t.Helper()
	d, bad := readDocument([]byte(text))
	if bad = append(bad, d.CheckWhole("")...); len(bad) > 0 {
		t.Fatalf("%+v", bad)
	}
	return d
}

func TestWhoIsPaidByWhatRules(t *testing.T) {
	t.Parallel()
	v := Version{Document: whole(t, `{"schema":1,"currency":"EUR","attribution":{"touches":{"click":{}}},"hold":"30d","network_fee":0,
		"rules":[{"id":"all","pay":{"percent":1}}],
		"overrides":[{"group":"vip","rules":[{"id":"vip","pay":{"percent":2}}],"hold":"14d"},{"partner":17,"rules":[{"id":"17","pay":{"percent":3}}]},
			{"group":"top","rules":[{"id":"top","pay":{"percent":4}}],"hold":"0d","periods":[]}],
		"periods":[{"id":"cap","measure":"commission","period":"month","cap":100}]}`)}
	terms := v.Terms()
	seven := 7 * aDay
	own := &Override{Rules: []Rule{{ID: "own", Pay: Pay{Percent: 5}}}, Hold: &seven}
	for _, row := range []struct {
		name      string
		partner   PartnerID
		enrolment Enrolment
		rules     [][]string
		hold      time.Duration
		periods   int
	}{
		{"as all are", 1, Enrolment{}, [][]string{{"all"}}, 30 * day, 1},
		{"in a group that has nothing", 1, Enrolment{Groups: []string{"new"}}, [][]string{{"all"}}, 30 * day, 1},
		{"in a group", 1, Enrolment{Groups: []string{"vip"}}, [][]string{{"vip"}, {"all"}}, 14 * day, 1},
		{"in two groups", 1, Enrolment{Groups: []string{"top", "vip"}}, [][]string{{"vip", "top"}, {"all"}}, 14 * day, 0},
		{"by the document", 17, Enrolment{}, [][]string{{"17"}, {"all"}}, 30 * day, 1},
		{"by the document, in a group", 17, Enrolment{Groups: []string{"top"}}, [][]string{{"17"}, {"top"}, {"all"}}, 0, 0},
		{"as was agreed with them", 17, Enrolment{Own: own}, [][]string{{"own"}, {"all"}}, 7 * day, 1},
		{"as was agreed, in a group", 1, Enrolment{Own: own, Groups: []string{"vip"}}, [][]string{{"own"}, {"vip"}, {"all"}}, 7 * day, 1},
	} {
		var rules [][]string
		for _, scope := range terms.Scheme.Scopes(row.partner, &row.enrolment) {
			var ids []string
			for _, r := range scope.Rules {
				ids = append(ids, r.ID)
			}
			rules = append(rules, ids)
		}
		if diff := cmp.Diff(row.rules, rules); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.name, diff)
		}
		mine := terms.Document.For(row.partner, &row.enrolment)
		if n := len(mine.Overrides); n != len(row.rules)-1+len(row.enrolment.Groups)/2 {
			t.Errorf("%s %d overrides are shown", row.name, n)
		}
		if hold := terms.Scheme.Hold(row.partner, &row.enrolment); hold != row.hold {
			t.Errorf("%s the hold is %s", row.name, hold)
		}
		if periods := terms.Scheme.Periods(row.partner, &row.enrolment); len(periods) != row.periods {
			t.Errorf("%s there are %d periods", row.name, len(periods))
		}
	}
}

func TestPlainDocumentsNeedNoScheme(t *testing.T) {
	t.Parallel()
	base, bad := readDocument([]byte(plain))
	if len(bad) > 0 {
		t.Fatal(bad)
	}
	for name, change := range map[string]func(*Document){
		"currency":      func(d *Document) { d.Currency = "EUR" },
		"zone":          func(d *Document) { d.Zone = "UTC" },
		"extension":     func(d *Document) { d.Extension = aDay },
		"refund window": func(d *Document) { d.RefundWindow = aDay },
		"model":         func(d *Document) { d.Attribution.Model = ModelFirst },
		"path":          func(d *Document) { d.Attribution.Path = true },
		"coupons":       func(d *Document) { d.Attribution.Touches.Coupon = &Touching{} },
		"no clicks":     func(d *Document) { d.Attribution.Touches.Click = nil },
		"age":           func(d *Document) { d.Attribution.Touches.Click = &Touching{Window: aDay, MinAge: 1} },
		"base":          func(d *Document) { d.Base.Tax = true },
		"zero":          func(d *Document) { d.Zero = []Zero{{Code: "x"}} },
		"override":      func(d *Document) { d.Overrides = []Override{{Group: "x"}} },
		"period":        func(d *Document) { d.Periods = []Period{{ID: "x"}} },
		"signs":         func(d *Document) { d.Signs = []Sign{SignFast} },
		"goals":         func(d *Document) { d.Goals = []string{"x"} },
		"id":            func(d *Document) { d.Rules = []Rule{{ID: "x"}} },
		"payee":         func(d *Document) { d.Rules = []Rule{{To: ToRecruiter}} },
		"adds":          func(d *Document) { d.Rules = []Rule{{Adds: true}} },
		"fixed":         func(d *Document) { d.Rules = []Rule{{Pay: Pay{Fixed: 1}}} },
		"two":           func(d *Document) { d.Rules = []Rule{{Where: Cond{{Key: KeyCategory, Texts: []string{"a", "b"}}}}} },
		"sku":           func(d *Document) { d.Rules = []Rule{{Where: Cond{{Key: KeySKU, Texts: []string{"a"}}}}} },
	} {
		v := Version{Document: base}
		change(&v.Document)
		if terms := v.Terms(); terms.Scheme == nil || terms.Rates != nil {
			t.Errorf("with %s it counts as plain", name)
		}
		if v.LeastRules() != 3 {
			t.Errorf("with %s it stands under rules %d", name, v.LeastRules())
		}
	}
	v := Version{Document: base}
	terms := v.Terms()
	if terms.Scheme != nil || terms.Window != 30*day || len(terms.Rates) != 2 {
		t.Errorf("the plain document is %+v", terms)
	}
	if must := (&Version{Document: base, NeedsAcceptance: true}); v.LeastRules() != 1 || must.LeastRules() != 3 {
		t.Errorf("the plain document stands under rules %d, under %d where it must be accepted", v.LeastRules(), must.LeastRules())
	}
	if whole := terms.Whole(); whole.Scheme == nil || whole.Scheme.Document != terms.Document || terms.Scheme != nil {
		t.Errorf("for own rules it is %+v", whole)
	}
	named, others := base.Categories()
	if diff := cmp.Diff([]string{"books"}, named); diff != "" || !others {
		t.Errorf("others %t: %s", others, diff)
	}
}

// A partner's orders are counted by the periods of the nearest scope that has some; each rule keeps its id as long as what it
// says stays.
func TestByWhichPeriodsAPartnerIsCounted(t *testing.T) {
	t.Parallel()
	terms := (&Version{Number: 3, Document: whole(t, example)}).Terms()
	of := func(partner PartnerID, e Enrolment) string {
		var ids []string
		for _, rule := range terms.Scheme.Counting(partner, &e) {
			ids = append(ids, fmt.Sprintf("%s v%d fee %d %s", rule.Period.ID, rule.Version, rule.NetworkFee, rule.Zone))
		}
		return strings.Join(ids, ", ")
	}
	own := Override{Periods: []Period{{ID: "own", Measure: MeasureCount, Period: Month, Cap: 5}}}
	for _, row := range []struct{ name, got, want string }{
		{"most", of(1, Enrolment{}), "vol v3 fee 200000 America/New_York, goal v3 fee 200000 America/New_York, boost v3 fee 0 America/New_York, step v3 fee 200000 America/New_York, cap v3 fee 200000 America/New_York"},
		{"a group without any", of(1, Enrolment{Groups: []string{"vip"}}), ""},
		{"an own one", of(1, Enrolment{Own: &own}), "own v3 fee 200000 America/New_York"},
	} {
		if row.got != row.want {
			t.Errorf("%s: %s, want %s", row.name, row.got, row.want)
		}
	}
	for _, rule := range terms.Scheme.Counting(1, &Enrolment{Own: &own}) {
		read, err := ParsePeriodRule(rule.JSON())
		if err != nil || read.ID != rule.ID || read.Zone.String() != rule.Zone.String() {
			t.Errorf("%s reads back as %+v, %v", rule.JSON(), read, err)
		}
	}
	for _, rule := range terms.Scheme.Counting(1, &Enrolment{}) {
		read, err := ParsePeriodRule(rule.JSON())
		if err != nil || read.ID != rule.ID {
			t.Errorf("%s reads back as %+v, %v", rule.JSON(), read, err)
		}
	}
}

// TestWhatTreatsPartnersAlike asks of documents whether they are the same to two partners, and whether they pay partners alone.
func TestWhatTreatsPartnersAlike(t *testing.T) {
	t.Parallel()
	const every = `"rules":[{"id":"any","pay":{"percent":100000}}`
	for _, row := range []struct {
		name, parts         string
		alike, partnersOnly bool
	}{
		{"one rule", every + `]`, true, true},
		{"by what was bought", every + `,{"id":"new","where":{"customer":"new","category":"a","not":{"country":"SE"}},"pay":{"percent":1}}]`, true, true},
		{"by kind of partner, deep within", every + `,{"id":"site","where":{"any":[{"not":{"partner_kind":"site"}}]},"pay":{"percent":1}}]`, false, true},
		{"by link", every + `,{"id":"link","where":{"link":7},"pay":{"percent":1}}]`, false, true},
		{"by property", every + `,{"id":"property","where":{"property":"coupon_site"},"pay":{"percent":1}}]`, false, true},
		{"by time bound", every + `,{"id":"bound","where":{"months_bound":{"min":1}},"pay":{"percent":1}}]`, false, true},
		{"nothing for some", every + `],"zero":[{"where":{"partner":9},"code":"no"}]`, false, true},
		{"an override", every + `],"overrides":[{"group":"vip","rules":[{"id":"vip","pay":{"percent":1}}]}]`, false, false},
		{"a recruiter", every + `,{"id":"up","to":"recruiter","pay":{"percent":1}}]`, true, false},
		{"a period of a recruiter", every + `],"periods":[{"id":"up","to":"recruiter","measure":"count","period":"month","tiers":[{"from":1,"percent":1}]}]`, true, false},
		{"a period of some", every + `],"periods":[{"id":"some","where":{"partner_group":"vip"},"measure":"count","period":"month","tiers":[{"from":1,"percent":1}]}]`, false, true},
	} {
		d, err := ParseDocument([]byte(`{"schema":1,"currency":"GBP","hold":"30d","network_fee":0,"attribution":{"touches":{"click":{"window":"30d"}}},` + row.parts + `}`))
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		v := Version{Number: 1, Document: d}
		scheme := v.Terms().Scheme
		if scheme == nil { // a plain document
			t.Errorf("%s: it is plain", row.name)
			continue
		}
		plain, own := Enrolment{Groups: []string{"vip"}}, Enrolment{Own: &Override{}}
		if alike, only := scheme.Alike(&plain, &Enrolment{}), scheme.PartnersOnly(&plain); alike != row.alike || only != row.partnersOnly {
			t.Errorf("%s: alike %t, partners only %t", row.name, alike, only)
		}
		if scheme.Alike(&plain, &own) || scheme.Alike(&own, &plain) || scheme.PartnersOnly(&own) {
			t.Errorf("%s: what was agreed with one partner alone is left out", row.name)
		}
	}
}
