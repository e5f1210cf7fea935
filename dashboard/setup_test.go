package dashboard

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"tributary/partners/access"
)

func (w *world) code() access.Code {
	code, err := w.access.OfferSetup(w.t.Context())
	w.must(err)
	return code
}

// ownerForm is the second step's, filled in.
func ownerForm(code access.Code, email string) url.Values {
	return url.Values{"code": {string(code)}, "step": {"owner"}, "network": {"Harbour"}, "name": {"Ada"}, "email": {email}, "password": {thePassword}}
}

func TestAnEmptyNetworkIsSetUpWithItsCode(t *testing.T) {
	t.Parallel()
	w := emptyWorld(t)
	old, code := w.code(), w.code()
	c := w.client()
	if got := c.get("/"); got.header.Get("Location") != "/setup" {
		t.Errorf("an empty network begins at %q", got.header.Get("Location"))
	}
	c.page("/setup").holds(t, "Set up this network", "tributary admin setup-code")
	if got := c.post("/setup", url.Values{"code": {string(old)}}); got.status != http.StatusForbidden || !strings.Contains(got.text(), "not the code") {
		t.Errorf("an ended code: status %d: %s", got.status, got.text())
	}
	typed := strings.ReplaceAll(strings.ToLower(string(code)), "-", " ")
	if got := c.post("/setup", url.Values{"code": {typed}}); got.status != http.StatusOK || got.fields(t).Get("code") != typed {
		t.Fatalf("the code: status %d: %s", got.status, got.text())
	}
	for name, value := range map[string]string{"network": "", "name": strings.Repeat("x", 101), "email": "nobody", "password": "short"} {
		form := ownerForm(code, "ada@harbour.example")
		form.Set(name, value)
		if got := c.post("/setup", form); got.status != http.StatusUnprocessableEntity {
			t.Errorf("%s %q: status %d", name, value, got.status)
		}
	}
	if got := c.post("/setup", ownerForm(code, "Ada@harbour.example")); got.status != http.StatusSeeOther || got.header.Get("Location") != "/network" {
		t.Fatalf("status %d to %q: %s", got.status, got.header.Get("Location"), got.text())
	}
	c.page("/network").holds(t, "Harbour is set up, and you own it.", "network, owner")
	for _, got := range []reply{w.client().get("/setup"), w.client().post("/setup", ownerForm(code, "eve@harbour.example"))} {
		if got.status != http.StatusNotFound {
			t.Errorf("set up already: status %d", got.status)
		}
	}
	if w.code() != "" {
		t.Error("a network with an owner offers a code")
	}
}

// Of two who set the same network up at once one owns it.
func TestTwoSetUpsAtOnceMakeOneOwner(t *testing.T) {
	t.Parallel()
	w := emptyWorld(t)
	code := w.code()
	statuses := [2]int{}
	var group sync.WaitGroup
	for i, email := range []string{"ada@harbour.example", "eve@harbour.example"} {
		group.Go(func() { statuses[i] = w.client().post("/setup", ownerForm(code, email)).status })
	}
	group.Wait()
	var owners int
	w.must(w.owner.QueryRow(t.Context(), `SELECT count(*) FROM seat WHERE network AND role = 'owner'`).Scan(&owners))
	if a, b := min(statuses[0], statuses[1]), max(statuses[0], statuses[1]); owners != 1 || a != http.StatusSeeOther || b != http.StatusNotFound {
		t.Errorf("%d owners, statuses %v", owners, statuses)
	}
}

func TestAnAddressTriesTenCodesAnHour(t *testing.T) {
	t.Parallel()
	w := emptyWorld(t)
	code := w.code()
	c := w.client()
	for n := range codesPerAddress {
		if got := c.post("/setup", url.Values{"code": {"00000-00000-00000-00000"}}); got.status != http.StatusForbidden {
			t.Fatalf("wrong code %d: status %d", n+1, got.status)
		}
	}
	if got := c.post("/setup", url.Values{"code": {string(code)}}); got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") == "" {
		t.Errorf("the 11th: status %d", got.status)
	}
}
