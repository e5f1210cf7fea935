package dashboard

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"tributary/partners"
	"tributary/partners/access"
	"tributary/partners/program"
)

// begun has everything that was stated have begun.
func (w *world) begun() {
	w.t.Helper()
	_, err := w.owner.Exec(w.t.Context(), `ALTER TABLE enrolment_fact DISABLE TRIGGER USER;
UPDATE enrolment_fact SET effective_from = date_trunc('milliseconds', now() - interval '1 second') WHERE effective_from > now(); ALTER TABLE enrolment_fact ENABLE TRIGGER USER`)
	w.must(err)
}

func TestAMerchantPausesAndRemovesAPartner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.order(sale{id: "o-1", link: w.link})
	id, partner := number10(int64(w.program)), number10(int64(w.site))
	path, theirs := "/merchant/partners/"+partner+"/state/"+id, "/partner/programs/"+id+"/state"
	shop, site, operator := w.as("shop@example.net"), w.as("site@example.net"), w.as("operator@example.net")
	shop.page("/merchant/partners/"+partner).holds(t, "State:")
	shop.page(path).holds(t, "Approved", "Joined the program", "Open commissions", "on 1 order", "Removed for fraud", "Open commissions are held until a person decides on each")
	for _, row := range []struct {
		form url.Values
		says string
	}{
		{url.Values{"state": {"left"}}, "cannot follow"},
		{url.Values{"state": {"gone"}}, "is not one of the known values"},
		{url.Values{"state": {"paused"}, "from": {"soon"}}, "soon"},
		{url.Values{"state": {"paused"}, "from": {w.now.Add(-aDay).Format(formTime)}}, "not a minute away"},
		{url.Values{"state": {"removed:fraud"}}, "tick the box"},
	} {
		refused := shop.post(path, row.form)
		if refused.status < 400 {
			t.Errorf("%v is taken: %d", row.form, refused.status)
		}
		refused.holds(t, row.says)
	}
	if done := shop.post(path, url.Values{"state": {"paused"}, "note": {"the budget is spent"}}); done.status != http.StatusSeeOther {
		t.Fatalf("status %d: %s", done.status, done.text())
	}
	shop.page(path).holds(t, "Approved", "Paused", "planned", "the budget is spent")
	if early := site.page(theirs); strings.Contains(early.text(), "Paused") {
		t.Errorf("the partner reads a state that does not hold yet: %s", early.text())
	}
	w.begun()
	shop.page(path).holds(t, "Paused Since", "Links lead visitors on to the shop without a click id")
	shop.page("/merchant/partners/"+partner).holds(t, "Paused")
	operator.page("/network/partners/"+partner+"/state/"+id).holds(t, "Paused Since", "the budget is spent")
	if list := site.page("/partner/programs"); !strings.Contains(list.text(), "Paused") || strings.Contains(list.body, "/partner/links/new?program="+id) {
		t.Errorf("the list of programs offers links where the partner is paused: %s", list.text())
	}
	mine := site.page(theirs)
	mine.holds(t, "Paused Since", "Leave the program")
	if strings.Contains(mine.body, "the budget is spent") {
		t.Error("the partner reads the merchant's note")
	}
	if refused := site.post("/partner/links", url.Values{"program": {id}}); refused.status != http.StatusUnprocessableEntity {
		t.Errorf("a paused partner makes a link: %d", refused.status)
	} else {
		refused.holds(t, "not in the program at present")
	}
	if done := shop.post(path, url.Values{"state": {"removed:fraud"}, "sure": {"yes"}, "note": {"stolen cards"}}); done.status != http.StatusSeeOther {
		t.Fatalf("status %d: %s", done.status, done.text())
	}
	w.begun()
	shop.page(path).holds(t, "Removed for fraud", "No change of state is yours to make from here")
	site.page(theirs).holds(t, "Removed for fraud", "Orders placed from then on earn nothing")
	facts, err := partners.ReadFacts(t.Context(), w.owner, w.site, w.program)
	w.must(err)
	if list := facts[w.program]; len(list) != 2 || list[0].Kind != program.FactState || list[0].Author == "operator" {
		t.Errorf("%+v", list)
	}
}

func TestAPartnerLeavesAProgram(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := number10(int64(w.program))
	path := "/partner/programs/" + id + "/state"
	site := w.as("site@example.net")
	site.page("/partner/programs").holds(t, "State")
	for _, state := range []string{"paused", "removed:breach", "approved"} {
		if refused := site.post(path, url.Values{"state": {state}, "sure": {"yes"}}); refused.status < 400 {
			t.Errorf("a partner states %s: %d", state, refused.status)
		}
	}
	if done := site.post(path, url.Values{"state": {"left"}}); done.status != http.StatusSeeOther {
		t.Fatalf("status %d: %s", done.status, done.text())
	}
	site.page(path).holds(t, "Left", "planned")
	w.begun()
	site.page(path).holds(t, "Left Since", "Orders that come of clicks from before still earn")
	w.as("shop@example.net").page("/merchant/partners/"+number10(int64(w.site))).holds(t, "Left")
	for _, who := range []string{"rival", "outsider"} {
		for _, theirs := range []string{"/partner/programs/" + id + "/state", "/merchant/partners/" + number10(int64(w.site)) + "/state/" + id} {
			if got := w.as(who + "@example.net").get(theirs); got.status != http.StatusNotFound && got.status != http.StatusForbidden {
				t.Errorf("%s sees %s: %d", who, theirs, got.status)
			}
		}
	}
}

// The operator takes the steps of either side, from the page: also one that only a planned state allows.
func TestTheOperatorStatesWhereAPartnerStands(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := "/network/partners/" + number10(int64(w.site)) + "/state/" + number10(int64(w.program))
	operator := w.as("operator@example.net")
	w.person("auditor@example.net", access.Auditor, access.Scope{Network: true})
	auditor := w.as("auditor@example.net")
	if page := auditor.page(path); strings.Contains(page.body, `action="`+path) {
		t.Error("an auditor finds a form")
	}
	later := func(days int) string { return w.now.Add(time.Duration(days) * aDay).Format(formTime) }
	if page := operator.page(path); strings.Contains(page.body, `value="applied"`) {
		t.Error("approved may become applied")
	}
	for _, row := range []struct {
		state, from string
		status      int
	}{
		{"applied", later(2), http.StatusUnprocessableEntity},
		{"left", later(1), http.StatusSeeOther},
		{"applied", "", http.StatusUnprocessableEntity},
		{"applied", later(2), http.StatusSeeOther},
		{"approved", later(3), http.StatusSeeOther},
	} {
		if got := operator.post(path, url.Values{"state": {row.state}, "from": {row.from}, "note": {"by letter"}}); got.status != row.status {
			t.Errorf("%s from %q: status %d: %s", row.state, row.from, got.status, got.text())
		}
	}
	page := operator.page(path)
	page.holds(t, "Approved", "Left", "Applied", "planned", "by letter")
	if !strings.Contains(page.body, `value="applied"`) {
		t.Error("what may follow a planned state is not offered")
	}
}
