package dashboard

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"tributary/partners"
	"tributary/partners/program"
)

// mustAccept adds a version of the program's terms that partners must accept, in force from the day after tomorrow.
func (w *world) mustAccept(version int) {
	w.t.Helper()
	_, err := w.owner.Exec(w.t.Context(), `INSERT INTO terms (program_id, version, effective_from, rules, document, needs_acceptance, notice_days)
SELECT program_id, $2, now() + interval '2 days', rules, document, true, 1 FROM terms WHERE program_id = $1 AND version = 1`, w.program, version)
	w.must(err)
}

func TestBothSidesSeeTheTermsOfAnyTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, partner := strconv.FormatInt(int64(w.program), 10), strconv.FormatInt(int64(w.site), 10)
	for who, path := range map[string]string{"site": "/partner/programs/" + id + "/terms", "shop": "/merchant/partners/" + partner + "/terms/" + id} {
		reader := w.as(who + "@example.net")
		reader.page(path).holds(t, "Version 2")
		reader.page(path+"?on="+w.now.AddDate(-20, 0, 0).Format(formTime)).holds(t, "No terms are in force")
		if wrong := reader.do(http.MethodGet, path+"?on=yesterday", ""); wrong.status != http.StatusUnprocessableEntity {
			t.Errorf("%s is shown terms of no time: %d", who, wrong.status)
		}
	}
}

func TestAPartnerAcceptsTerms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustAccept(9)
	id := strconv.FormatInt(int64(w.program), 10)
	path := "/partner/programs/" + id + "/terms"
	site := w.as("site@example.net")
	for _, page := range []string{"/partner", "/partner/programs"} {
		site.page(page).holds(t, "Version 9 of the terms of Alder & Finch Home needs your acceptance by", "After that, orders earn nothing", "Review these terms")
		if theirs := w.as("outsider@example.net").page(page); strings.Contains(theirs.body, "needs your acceptance") {
			t.Errorf("%s asks whom the terms do not concern", page)
		}
	}
	after := path + "?on=" + w.now.Add(4*aDay).Format(formTime)
	site.page(after).holds(t, "Version 9 needs to be accepted", "Orders earn nothing until they are.")
	if refused := site.post(path+"/accept", url.Values{"version": {"1"}}); refused.status < 400 {
		t.Errorf("what nobody need accept is accepted: %d", refused.status)
	}
	if done := site.post(path+"/accept", url.Values{"version": {"9"}}); done.status != http.StatusSeeOther {
		t.Fatalf("status %d: %s", done.status, done.text())
	}
	site.page(path).holds(t, "You accepted version 9.")
	got := site.page(after)
	got.holds(t, "Version 9")
	for _, page := range []string{"/partner", "/partner/programs"} {
		if asks := site.page(page); strings.Contains(asks.body, "needs your acceptance") {
			t.Errorf("%s asks again", page)
		}
	}
	if strings.Contains(got.body, "needs to be accepted") || strings.Contains(got.body, "orders earn nothing") {
		t.Error("what was accepted is still open")
	}
	w.as("member@example.net").page(path).holds(t, "Version 9 needs to be accepted")
}

func TestAMerchantSaysWhatHoldsForOnePartner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, partner := strconv.FormatInt(int64(w.program), 10), strconv.FormatInt(int64(w.site), 10)
	path := "/merchant/partners/" + partner + "/terms/" + id
	shop := w.as("shop@example.net")
	shop.page("/merchant/partners/"+partner).holds(t, "Terms at any time")
	for _, row := range []struct {
		kind, value, ends, says string
	}{
		{"group", "", "", "0 bytes"},
		{"recruiter", partner, "", "Nobody recruits themselves"},
		{"recruiter", "987654", "", "Partner 987654 is not in the program"},
		{"friend", "x", "", "is not one of the known values"},
		{"accept", "1", "", ""},
	} {
		refused := shop.post(path, url.Values{"kind": {row.kind}, "value": {row.value}})
		if refused.status < 400 {
			t.Errorf("%s %q is taken: %d", row.kind, row.value, refused.status)
		}
		if row.says != "" {
			refused.holds(t, row.says)
		}
	}
	for _, value := range []string{"vip", "new"} {
		if done := shop.post(path, url.Values{"kind": {"group"}, "value": {value}, "note": {"as we agreed"}}); done.status != http.StatusSeeOther {
			t.Fatalf("status %d: %s", done.status, done.text())
		}
	}
	later := "?on=" + w.now.Add(aDay).Format(formTime)
	shop.page(path+later).holds(t, "vip, new", "as we agreed")
	theirs := w.as("site@example.net").page("/partner/programs/" + id + "/terms" + later)
	theirs.holds(t, "vip, new")
	if strings.Contains(theirs.body, "as we agreed") {
		t.Error("the partner reads the merchant's note")
	}
	facts, err := partners.ReadFacts(t.Context(), w.owner, w.site, w.program)
	w.must(err)
	if list := facts[w.program]; len(list) != 2 || list[0].Kind != program.FactGroup || list[0].Author == "operator" {
		t.Errorf("%+v", list)
	}
}

func TestAMerchantWritesTermsAsADocument(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	shop := w.as("shop@example.net")
	path := "/merchant/programs/" + strconv.FormatInt(int64(w.program), 10) + "/terms"
	shop.page(path).holds(t, "Show as text")
	shop.page(path+"?as=text").holds(t, `"network_fee": 200000`, "Show as a form")
	document := `{"schema":1,"attribution":{"touches":{"click":{"window":"7d"}}},"hold":"3d","network_fee":0,"rules":[{"pay":{"percent":50000}}]}`
	form := url.Values{"from": {w.now.Add(3 * aDay).Format(formTime)}, "as": {"text"}, "document": {`{"schema":1,"rules":[{"pay":{"percents":1}}]}`}}
	shop.post(path, form).holds(t, "rules[0].pay.percents", "There is no such field", "hold")
	form.Set("document", document)
	sure := shop.post(path, form)
	sure.holds(t, "Confirm the terms", "5 %")
	again := sure.fields(t)
	again.Set("do", "set")
	if done := shop.post(path, again); done.status != http.StatusSeeOther {
		t.Fatalf("status %d: %s", done.status, done.text())
	}
	versions := w.versions(w.program)
	want := program.NewDocument(7*aDay, 3*aDay, 200_000, nil)
	want.Rules = []program.Rule{program.PercentRule("", "", 50_000)}
	if set := versions[len(versions)-1]; string(set.Document.JSON()) != string(want.JSON()) {
		t.Errorf("%s", set.Document.JSON())
	}
}
