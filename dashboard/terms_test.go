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

// fields are what a page's form would send: its inputs and selects, as they are filled in.
func (r reply) fields(t *testing.T) url.Values {
	t.Helper()
	sent := url.Values{}
	for _, n := range r.find(t, func(n *html.Node) bool { return n.Data == "input" }) {
		name, _ := attr(n, "name")
		value, _ := attr(n, "value")
		sent.Set(name, value)
	}
	for _, n := range r.find(t, func(n *html.Node) bool { _, ok := attr(n, "selected"); return ok }) {
		name, _ := attr(n.Parent, "name")
		value, _ := attr(n, "value")
		sent.Set(name, value)
	}
	return sent
}

func TestAMerchantSetsTermsFromADay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	shop := w.as("shop@example.net")
	path := "/merchant/programs/" + strconv.FormatInt(int64(w.program), 10) + "/terms"
	shop.page("/merchant/programs").holds(t, "Set new terms")
	page := shop.page(path)
	page.holds(t, "New terms", "20 % of the commission. The operator of the network sets it.", "Version 2 In force", "Version 1 Past")
	form := page.fields(t)
	if form.Has("network_fee") || form.Get("window") != "30" || form.Get("window_unit") != "d" || form.Get("site0") != "9" || form.Get("category1") != "books" || form.Get("site1") != "11" {
		t.Fatalf("the form is filled with %v", form)
	}
	tomorrow := w.now.Truncate(aDay).Add(aDay)
	if form.Get("from") != tomorrow.Format(formTime) && form.Get("from") != tomorrow.Add(aDay).Format(formTime) {
		t.Errorf("the form begins at %s", form.Get("from"))
	}

	from := w.now.Add(3 * aDay).Truncate(time.Hour)
	form.Set("from", from.Format(formTime))
	form.Set("window", "36")
	form.Set("window_unit", "h")
	form.Set("site1", "12.5")
	form.Set("category3", " cafe\u0301 ")
	form.Set("member3", "7.25 %")
	form.Set("network_fee", "0")
	sure := shop.post(path, form)
	if sure.status != http.StatusOK || len(w.versions(w.program)) != 2 {
		t.Fatalf("status %d, %d versions: %s", sure.status, len(w.versions(w.program)), sure.text())
	}
	sure.holds(t, "Confirm the terms", "1 day 12 hours",
		"An order of GBP 100.00 in books from a site earns GBP 12.50 to the partner, GBP 2.50 to the network",
		"An order of GBP 100.00 in café from a member earns GBP 7.25 to the partner, GBP 1.45 to the network",
		"An order of GBP 100.00 in any other category from a site earns GBP 9.00 to the partner, GBP 1.80 to the network")

	again := sure.fields(t)
	again.Set("do", "edit")
	edited := shop.post(path, again)
	if form := edited.fields(t); edited.status != http.StatusOK || form.Get("site1") != "12.5" || form.Get("category3") != "café" || len(w.versions(w.program)) != 2 {
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
	shop := w.as("shop@example.net")
	path := "/merchant/programs/" + strconv.FormatInt(int64(w.program), 10) + "/terms"
	filled := shop.page(path).fields(t)
	for _, row := range []struct{ name, field, value, says string }{
		{"no time", "from", "soon", `"soon" is not a time`},
		{"now", "from", time.Now().UTC().Format(formTime), "It is not a minute away"},
		{"no window", "window", "", `"" is not a whole number`},
		{"a window of nothing", "window", "0", "is not a number of seconds above zero"},
		{"a window in another unit", "window_unit", "y", "is not a whole number"},
		{"a negative hold", "hold", "-1", `"-1" is not a whole number`},
		{"a rate above the sale", "site0", "101", `"101" is not a percentage`},
		{"a rate that is no number", "member0", "five", `"five" is not a percentage`},
		{"a category without a rate", "category3", "maps", "The row has no rate"},
		{"a rate without a category", "site3", "5", "The row names no category"},
		{"a category twice", "category2", "books", "is about the same"},
		{"the category of all others", "category1", "*", `"*" is not a category`},
		{"a category that cannot be seen", "category1", "bo\u200boks", "that cannot be seen"},
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
	for _, name := range []string{"site0", "member0", "site1", "site2", "category1", "category2"} {
		form.Set(name, "")
	}
	shop.post(path, form).holds(t, "No order earns anything under these terms.")
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
		{w.program, 5 * aDay, 200_000, 3, false},
		{w.program, 5 * aDay, 200_000, 2, true},
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
