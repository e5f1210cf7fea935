package dashboard

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"
	"golang.org/x/net/html"

	"tributary/internal/event"
	"tributary/internal/money"
	"tributary/internal/postgres"
	"tributary/partners"
	"tributary/partners/access"
	"tributary/partners/program"
)

// versions are the terms that a program of the world has.
func (w *world) versions(id program.ProgramID) []program.Version {
	w.t.Helper()
	list, err := partners.ReadTerms(w.t.Context(), w.owner, id)
	w.must(err)
	return list[id]
}

// fields are what a page's form would send: its inputs, selects and texts, as they are filled in.
func (r reply) fields(t *testing.T) url.Values {
	t.Helper()
	sent := url.Values{}
	for _, n := range r.find(t, func(n *html.Node) bool { return n.Data == "input" || n.Data == "textarea" }) {
		name, _ := attr(n, "name")
		value, _ := attr(n, "value")
		kind, _ := attr(n, "type")
		if _, ticked := attr(n, "checked"); kind == "checkbox" && !ticked {
			continue
		}
		if n.Data == "textarea" && n.FirstChild != nil {
			value = n.FirstChild.Data
		}
		sent.Set(name, value)
	}
	for _, n := range r.find(t, func(n *html.Node) bool { return n.Data == "select" }) {
		name, _ := attr(n, "name")
		for option := range n.ChildNodes() {
			value, _ := attr(option, "value")
			if _, chosen := attr(option, "selected"); chosen || !sent.Has(name) {
				sent.Set(name, value)
			}
		}
	}
	return sent
}

// termsPath is the page of the terms of the world's program.
func (w *world) termsPath() string {
	return "/merchant/programs/" + strconv.FormatInt(int64(w.program), 10) + "/terms"
}

func TestAMerchantSetsTermsFromADay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	shop, path := w.as("shop@example.net"), w.termsPath()
	shop.page("/merchant/programs").holds(t, "Set new terms")
	page := shop.page(path)
	page.holds(t, "New terms", "20 % of the commission. The operator of the network sets it.", "Version 2 In force", "Version 1 Past")
	form := page.fields(t)
	if form.Has("network_fee") || form.Get("window") != "30" || form.Get("window_unit") != "d" || form.Get("rule3_percent") != "9" || form.Get("rule1_value") != "books" || form.Get("rule1_percent") != "11" {
		t.Fatalf("the form is filled with %v", form)
	}
	tomorrow := w.now.Truncate(aDay).Add(aDay)
	if form.Get("from") != tomorrow.Format(formTime) && form.Get("from") != tomorrow.Add(aDay).Format(formTime) {
		t.Errorf("the form begins at %s", form.Get("from"))
	}

	from := w.now.Add(3 * aDay).Truncate(time.Hour)
	form.Set("do", "add partner")
	form = shop.post(path, form).fields(t)
	for name, value := range map[string]string{
		"from": from.Format(formTime), "window": "36", "window_unit": "h", "rule1_percent": "12.5", "network_fee": "0",
		"rule4_goods": "category", "rule4_value": " cafe\u0301 ", "rule4_kind": "member", "rule4_percent": "7.25 %", "example_category": "books", "do": "",
	} {
		form.Set(name, value)
	}
	sure := shop.post(path, form)
	if sure.status != http.StatusOK || len(w.versions(w.program)) != 2 {
		t.Fatalf("status %d, %d versions: %s", sure.status, len(w.versions(w.program)), sure.text())
	}
	sure.holds(t, "Confirm the terms", "1 day 12 hours", "An order of GBP 100.00", "The partner earns GBP 12.50.", "The network’s fee, on top: GBP 2.50. You pay GBP 15.00 in all.")

	again := sure.fields(t)
	again.Set("do", "edit")
	edited := shop.post(path, again)
	if form := edited.fields(t); edited.status != http.StatusOK || form.Get("rule1_percent") != "12.5" || strings.TrimSpace(form.Get("rule4_value")) != "cafe\u0301" || len(w.versions(w.program)) != 2 {
		t.Errorf("back at the form: %d, %v", edited.status, form)
	}

	again.Set("do", "set")
	if done := shop.post(path, again); done.status != http.StatusSeeOther || done.header.Get("Location") != "/merchant/programs" {
		t.Fatalf("status %d: %s", done.status, done.text())
	}
	versions := w.versions(w.program)
	set := versions[len(versions)-1]
	want := program.NewDocument(36*time.Hour, 30*aDay, 200_000, program.Rates{
		program.Site: {"*": 90_000, "books": 125_000, "gift cards": 0}, program.Member: {"*": 60_000, "café": 72_500},
	})
	v := program.Version{Number: 3, EffectiveFrom: from, Rules: 1, Document: want}
	if diff := cmp.Diff(v.Terms(), set.Terms(), cmpopts.IgnoreFields(program.Terms{}, "Document")); diff != "" || len(versions) != 3 {
		t.Errorf("%d versions (-want +got):\n%s", len(versions), diff)
	}
	shop.page("/merchant/programs").holds(t, "Version 3 is set. It takes effect", "Version 3 To come")
	shop.page(path).holds(t, "Version 3 To come")
	twice := shop.post(path, again)
	if twice.holds(t, "Other terms begin at that time: give another one."); twice.status != http.StatusUnprocessableEntity || len(w.versions(w.program)) != 3 {
		t.Errorf("sent twice: %d, %d versions", twice.status, len(w.versions(w.program)))
	}

	// Terms before those apply until they take over.
	again.Set("from", w.now.Add(aDay).Format(formTime))
	again.Set("do", "")
	shop.post(path, again).holds(t, "They apply until version 3 takes effect")
}

func TestEachMistakeInTermsIsToldAtItsField(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	shop, path := w.as("shop@example.net"), w.termsPath()
	filled := shop.page(path).fields(t)
	for _, row := range []struct{ name, field, value, says string }{
		{"no time", "from", "soon", `"soon" is not a time`},
		{"now", "from", time.Now().UTC().Format(formTime), "It is not a minute away"},
		{"a notice that is longer", "notice_days", "99", "It is less than 99 days of notice away"},
		{"a notice in words", "notice_days", "some", `"some" is not a whole number`},
		{"a window of nothing", "window", "0", "0"},
		{"a window in another unit", "window_unit", "y", "is not a whole number"},
		{"a negative hold", "hold", "-1", `"-1" is not a whole number`},
		{"a rate above the sale", "rule0_percent", "101", `"101" is not a percentage`},
		{"a rule without a rate", "rule0_percent", "", "The rule says neither a percentage nor an amount"},
		{"a category twice", "rule2_value", "books", "is about the same"},
		{"the category of all others", "rule1_value", "*", `"*" is not a category`},
		{"a category that cannot be seen", "rule1_value", "bo\u200boks", "that cannot be seen"},
	} {
		form := maps.Clone(filled)
		form.Set(row.field, row.value)
		for _, do := range []string{"", "set", "edit"} {
			form.Set("do", do)
			got := shop.post(path, form)
			if got.status != http.StatusUnprocessableEntity || !strings.Contains(got.text(), row.says) || strings.Count(got.body, `class="wrong"`) != 1 {
				t.Errorf("%s, to %q: status %d, %s", row.name, do, got.status, got.text())
			}
			if kept := got.fields(t); row.field != "window_unit" && kept.Get(row.field) != row.value {
				t.Errorf("%s: the form forgets what was written: %q", row.name, kept.Get(row.field))
			}
		}
	}
	if n := len(w.versions(w.program)); n != 2 {
		t.Errorf("%d versions", n)
	}
	form := shop.page(path).fields(t)
	for range 4 {
		form.Set("do", "drop rule0_")
		form = shop.post(path, form).fields(t)
	}
	form.Del("do")
	shop.post(path, form).holds(t, "No order earns anything under these terms.")
}

// The example is priced by what was typed, also where nothing can be set yet, and nothing is set.
func TestAnExampleIsPricedAsTermsAreTyped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	shop, path := w.as("shop@example.net"), w.termsPath()
	filled := shop.page(path)
	filled.holds(t, "The partner earns GBP 9.00.", "on top: GBP 1.80", "You pay GBP 10.80 in all.")
	for _, row := range []struct {
		name  string
		typed map[string]string
		says  []string
	}{
		{"another rate", map[string]string{"rule3_percent": "10"}, []string{"The partner earns GBP 10.00."}},
		{"a time that is over", map[string]string{"from": "2020-01-01T00:00"}, []string{"The partner earns GBP 9.00."}},
		{"another order", map[string]string{"example_amount": "33.30", "example_category": "books"}, []string{"The partner earns GBP 3.66.", "books 11 %"}},
		{"a coupon that earns nothing", map[string]string{"example_by": "coupon"}, []string{"do not credit coupons"}},
		{"a coupon that does", map[string]string{"example_by": "coupon", "coupon": "yes"}, []string{"The partner earns GBP 9.00."}},
		{"a code that does", map[string]string{"example_by": "code", "example_code": "MAYA", "code": "yes"}, []string{"The partner earns GBP 9.00."}},
		{"a member", map[string]string{"example_kind": "member"}, []string{"The partner earns GBP 6.00."}},
		{"a lead", map[string]string{"example_goal": "lead"}, []string{"terms pays for this, as for a lead"}},
		{"a recruiter", map[string]string{
			"rule0_to": "recruiter", "rule0_kind": "", "rule0_of": "commission", "rule0_name": "up", "rule0_percent": "10",
		}, []string{"The partner earns GBP 9.00.", "Their recruiter earns GBP 0.90.", "up 10 % of"}},
		{"points for the customer", map[string]string{
			"rule0_to": "customer", "rule0_kind": "", "rule0_points": "yes", "rule0_fixed": "500", "rule0_percent": "", "rule0_customer": "new",
		}, []string{"The customer gets POINT 500."}},
		{"none for one who came before", map[string]string{
			"rule0_to": "customer", "rule0_kind": "", "rule0_points": "yes", "rule0_fixed": "500", "rule0_percent": "", "rule0_customer": "new", "example_customer": "returning",
		}, []string{"The partner earns GBP 9.00."}},
		{"a rule that loses", map[string]string{"rule0_kind": "", "rule0_percent": "1", "rule0_name": "low", "rule3_name": "high"}, []string{"low does not pay: The other rule is closer"}},
		{"tiers", map[string]string{
			"currency": "GBP", "example_orders": "50", "period0_name": "vol", "period0_measure": "revenue", "period0_length": "month", "period0_pays": "marginal",
			"period0_tier0_from": "2000", "period0_tier0_kind": "percent", "period0_tier0_value": "2", "example_day": "2026-11-03",
		}, []string{"50 such orders on that day", "The partner earns GBP 450.00.", "vol (November 2026) Bonus: GBP 60.00."}},
		{"a cap", map[string]string{
			"currency": "GBP", "example_orders": "3", "period0_name": "cap", "period0_measure": "commission", "period0_length": "day", "period0_pays": "cap", "period0_cap": "20",
		}, []string{"The partner earns GBP 27.00.", "The cap takes back GBP 7.00."}},
		{"what is wrong with the order", map[string]string{"example_amount": "much"}, []string{`"much" is not an amount`, "Fix what is marked"}},
		{"what is wrong with a rule", map[string]string{"rule0_percent": "101"}, []string{`"101" is not a percentage`, "Fix what is marked"}},
		{"a group that cannot be", map[string]string{"example_group": "a\u200bb"}, []string{"that cannot be seen"}},
		{"too many orders", map[string]string{"example_orders": "1001"}, []string{"is not within 1 and 1000"}},
		{"no day", map[string]string{"example_day": "x"}, []string{"x"}},
	} {
		form := filled.fields(t)
		for name, value := range row.typed {
			form.Set(name, value)
		}
		form.Set("do", "price")
		got := shop.post(path, form)
		if got.status != http.StatusOK {
			t.Errorf("%s: status %d", row.name, got.status)
		}
		for _, said := range row.says {
			if !strings.Contains(got.text(), said) {
				_, example, _ := strings.Cut(got.text(), "An order, priced")
				t.Errorf("%s: %q is not there:\n%s", row.name, said, example)
			}
		}
	}
	if n := len(w.versions(w.program)); n != 2 {
		t.Errorf("%d versions", n)
	}
}

// Terms go from fields to text and back with what was typed, and what fields do not show stays.
func TestTermsGoFromFieldsToTextAndBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	shop, path := w.as("shop@example.net"), w.termsPath()
	form := shop.page(path).fields(t)
	for name, value := range map[string]string{"do": "text", "rule0_percent": "6.5", "notice_days": "7", "needs_acceptance": "yes", "example_amount": "50"} {
		form.Set(name, value)
	}
	page := shop.post(path, form)
	page.holds(t, "Reference of terms", "attribution.touches.click.window")
	written := page.fields(t)
	if !strings.Contains(written.Get("document"), `"percent": 65000`) || written.Get("notice_days") != "7" || written.Get("needs_acceptance") != "yes" || written.Get("example_amount") != "50" {
		t.Errorf("as text: %v", written)
	}
	written.Set("document", strings.Replace(written.Get("document"), `"rules"`, `"zero": [{"where": {"coupon": "STAFF"}, "code": "staff"}], "rules"`, 1))
	written.Set("do", "form")
	back := shop.post(path, written)
	back.holds(t, "The form does not show all of these terms", "zero")
	form = back.fields(t)
	if form.Get("rule0_percent") != "6.5" || form.Get("notice_days") != "7" || form.Get("needs_acceptance") != "yes" || form.Get("example_amount") != "50" {
		t.Errorf("as a form: %v", form)
	}
	form.Set("from", w.now.Add(9*aDay).Format(formTime))
	form.Set("do", "set")
	if done := shop.post(path, form); done.status != http.StatusSeeOther {
		t.Fatalf("status %d: %s", done.status, done.text())
	}
	versions := w.versions(w.program)
	if v := versions[len(versions)-1]; len(v.Document.Zero) != 1 || v.NoticeDays != 7 || !v.NeedsAcceptance || v.Document.NetworkFee != 200_000 {
		t.Errorf("%+v", v)
	}
	form.Set("laid_out", "{}")
	if got := shop.post(path, form); got.status != http.StatusBadRequest {
		t.Errorf("a form laid out from nothing: status %d", got.status)
	}
}

// What terms would have paid is shown before they are set, and nothing is written.
func TestTermsAreSimulatedBeforeTheyAreSet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.order(sale{id: "one", link: w.link})
	w.order(sale{id: "two", link: w.link, lines: []*event.Line{{Number: 1, Sku: "B", Quantity: 1, Amount: 10_000, Category: "books"}}})
	shop, path := w.as("shop@example.net"), w.termsPath()
	form := shop.page(path).fields(t)
	form.Set("rule1_percent", "22")
	sure := shop.post(path, form)
	sure.holds(t, "What would these terms have paid?", "Nothing is written.")
	form = sure.fields(t)
	form.Set("do", "simulate")
	got := shop.post(path, form)
	got.holds(t, "2 orders were gone through.", "2 of them would earn otherwise.", "The Slow Kitchen", "books GBP 17.60 GBP 35.20 GBP 17.60", "two GBP 11.00 GBP 22.00 GBP 11.00")
	if got.status != http.StatusOK || len(w.versions(w.program)) != 2 || !strings.HasSuffix(strings.TrimSpace(got.body), "</html>") {
		t.Errorf("status %d, %d versions", got.status, len(w.versions(w.program)))
	}
	if again := got.fields(t); again.Get("rule1_percent") != "22" {
		t.Errorf("the page forgets the terms: %v", again)
	}
	for _, row := range []struct{ from, to, says string }{
		{"2026-01-01", "x", "is not a day"}, {"2026-02-02", "2026-01-01", "before"}, {"2020-01-01", "2026-01-01", "These are more than 366 days"},
	} {
		form.Set("simulate_from", row.from)
		form.Set("simulate_to", row.to)
		if wrong := shop.post(path, form); wrong.status != http.StatusUnprocessableEntity || strings.Count(wrong.body, `class="wrong"`) != 1 {
			t.Errorf("%s to %s: %d %s", row.from, row.to, wrong.status, wrong.text())
		}
	}
	form.Del(seatField)
	if theirs := w.as("rival@example.net").post(path, form); theirs.status != http.StatusNotFound {
		t.Errorf("a rival simulates: %d", theirs.status)
	}
}

// Who writes a condition on the country is told where it would match nothing.
func TestACountryThatNothingNamesIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	shop, path := w.as("shop@example.net"), w.termsPath()
	form := shop.page(path).fields(t)
	form.Set("rule0_country", "DE")
	warns := func() bool {
		return strings.Contains(shop.post(path, form).body, "A condition on the country matches nothing so far")
	}
	if !warns() {
		t.Error("nothing is said where no order names a country")
	}
	w.order(sale{id: "german", link: w.link, change: func(s *event.Sale) { s.Country = "DE" }})
	if warns() {
		t.Error("it is said though an order names a country")
	}
	form.Del("rule0_country")
	if fresh := newWorld(t); strings.Contains(fresh.as("shop@example.net").page(path).body, "matches nothing so far") {
		t.Error("it is said of terms without a country")
	}
}

// Only its merchant sets a program's terms, whatever a page does: the row policies hold it.
func TestOnlyItsMerchantSetsTerms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	v := program.Version{EffectiveFrom: w.now.Add(aDay), Document: program.NewDocument(aDay, 0, 200_000, nil)}
	for name, row := range map[string]struct {
		scope access.Scope
		may   bool
	}{
		"its merchant":        {access.Scope{Merchant: w.shop}, true},
		"another merchant":    {access.Scope{Merchant: w.rival}, false},
		"a partner in it":     {access.Scope{Partner: w.site}, false},
		"a partner elsewhere": {access.Scope{Partner: w.outsid}, false},
		"the operator's page": {access.Scope{Network: true}, false},
	} {
		err := w.access.Change(t.Context(), row.scope, func(tx pgx.Tx) error {
			_, err := partners.AddTerms(t.Context(), tx, w.program, v)
			return err
		})
		if (err == nil) != row.may {
			t.Errorf("%s writes terms: %v", name, err)
		}
		v.EffectiveFrom = v.EffectiveFrom.Add(aDay)
		if _, err := w.access.SetTerms(t.Context(), row.scope, w.program, v); (err == nil) != row.may {
			t.Errorf("%s sets terms: %v", name, err)
		}
		v.EffectiveFrom = v.EffectiveFrom.Add(aDay)
	}
}

// What the network takes, and by which rules orders are decided, is that of the terms in force then: SetTerms sees to it, and
// the database refuses any other to the pages.
func TestAMerchantKeepsTheNetworksFeeAndRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	later := program.Version{EffectiveFrom: w.now.Add(10 * aDay), Rules: 2, Document: program.NewDocument(aDay, 0, 250_000, nil)}
	w.must(postgres.InTx(t.Context(), w.owner, func(tx pgx.Tx) error {
		_, err := partners.AddTerms(t.Context(), tx, w.program, later)
		return err
	}))
	fresh := w.newProgramOf(partners.NewProgram{Merchant: w.shop, Name: "To come", LandingURL: "https://alder.example/", Currencies: []string{"GBP"}, Terms: []program.Version{later}})
	for i, row := range []struct {
		program program.ProgramID
		from    time.Duration
		fee     money.Rate
		rules   int
		may     bool
	}{
		{w.program, 5 * aDay, 200_000, 1, true},
		{w.program, 5 * aDay, 0, 1, false},
		{w.program, 5 * aDay, 250_000, 1, false},
		{w.program, 5 * aDay, 200_000, 4, false},
		{w.program, 5 * aDay, 200_000, 2, true},
		{w.program, 5 * aDay, 200_000, 1, false},
		{w.program, 5 * aDay, 200_000, 3, true},
		{w.program, 5 * aDay, 200_000, 2, false},
		{w.program, 15 * aDay, 250_000, 2, true},
		{w.program, 15 * aDay, 250_000, 1, false},
		{w.program, 15 * aDay, 200_000, 2, false},
		{fresh, 5 * aDay, 250_000, 2, true},
		{fresh, 5 * aDay, 200_000, 1, false},
	} {
		v := program.Version{
			EffectiveFrom: w.now.Add(row.from + time.Duration(i)*time.Hour), Rules: row.rules, Document: program.NewDocument(aDay, 0, row.fee, nil),
		}
		err := w.access.Change(t.Context(), access.Scope{Merchant: w.shop}, func(tx pgx.Tx) error {
			_, err := partners.AddTerms(t.Context(), tx, row.program, v)
			return err
		})
		if (err == nil) != row.may {
			t.Errorf("row %d: %v", i, err)
		}
		v.EffectiveFrom = v.EffectiveFrom.Add(time.Minute)
		number, err := w.access.SetTerms(t.Context(), access.Scope{Merchant: w.shop}, row.program, v)
		w.must(err)
		set := w.versions(row.program)
		n := slices.IndexFunc(set, func(v program.Version) bool { return v.Number == number })
		if before := set[max(n-1, 0)]; n < 0 || set[n].Rules != before.Rules || set[n].Document.NetworkFee != before.Document.NetworkFee {
			t.Errorf("row %d sets %+v", i, set)
		}
	}
}
