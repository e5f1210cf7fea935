package dashboard

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"tributary/partners/access"
)

// lookedFor are the addresses that a look-up leads to.
func (c *client) lookedFor(t *testing.T, asked string) (paths []string) {
	t.Helper()
	page := c.page(withQuery(lookupPath, url.Values{"q": {asked}}))
	for _, n := range page.find(t, func(n *html.Node) bool { class, _ := attr(n, "class"); return class == "found" }) {
		for a := range n.Descendants() {
			if href, ok := attr(a, "href"); ok {
				paths = append(paths, href)
			}
		}
	}
	return paths
}

// Each finds what is theirs by what they know of it, and nothing of anybody else.
func TestAnythingIsFoundByThoseWhoseItIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lookedUp()
	no := func(order string) (no string) {
		w.must(w.owner.QueryRow(t.Context(), `SELECT no::text FROM orders WHERE order_id = $1`, order).Scan(&no))
		return no
	}
	coupon := w.as("shop@example.net").post("/merchant/coupons", w.couponForm("code", "Slow10", "kind", "coupon")).header.Get("Location")
	link, member, program := number10(int64(w.link.ID)), number10(int64(w.member)), number10(int64(w.program))
	for _, fact := range []struct {
		who, asked string
		finds      []string // besides the list
	}{
		{"site", "EARNS", []string{"/partner/commissions/" + no("EARNS")}},
		{"site", "LOST", []string{"/partner/find?q=LOST"}},
		{"site", "THEIRS", nil},
		{"site", "sidebar", []string{"/partner/links/" + link}},
		{"site", "ridge", nil},
		{"site", "Mira", nil},
		{"site", "alder", []string{"/partner/links/" + link, "/partner/programs/" + program + "/terms"}}, // the link leads to the shop
		{"site", "claim an", []string{"/partner/claims/new"}},
		{"site", "audit", []string{"/partner/audit"}},
		{"shop", "earns", []string{"/merchant/orders/" + no("EARNS")}},
		{"shop", "ELSEWHERE", nil},
		{"shop", "mira", []string{"/merchant/partners/" + member, "/merchant/partners/" + member}}, // the link of this code, and its partner
		{"shop", "ridge", nil},
		{"shop", "Slow10", []string{coupon}},
		{"rival", "Slow10", nil},
		{"rival", "EARNS", nil},
		{"operator", "EARNS", []string{"/network/orders/" + no("EARNS")}},
		{"operator", "Ridge Notes", []string{"/network/partners?q=Ridge+Notes"}},
		{"operator", "kestrel", []string{"/network/merchants/customers?days=90&merchant=" + number10(int64(w.rival))}},
		{"operator", "Slow10", nil},
	} {
		got := w.as(fact.who+"@example.net").lookedFor(t, fact.asked)
		if len(got) == 0 || !strings.Contains(got[len(got)-1], "?q=") {
			t.Fatalf("%s asks for %q, and the list is not offered: %q", fact.who, fact.asked, got)
		}
		if strings.Join(got[:len(got)-1], " ") != strings.Join(fact.finds, " ") {
			t.Errorf("%s asks for %q: %q, want %q", fact.who, fact.asked, got[:len(got)-1], fact.finds)
		}
	}
}

// An action is offered to roles that may do it, and the page works with nothing asked and with what nobody has.
func TestALookUpOffersWhatARoleMayDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person("viewer@example.net", access.Viewer, access.Scope{Partner: w.site})
	for who, want := range map[string]string{"site": "/partner/links/new", "viewer": ""} {
		got := w.as(who+"@example.net").lookedFor(t, "new link")
		if strings.Join(got[:len(got)-1], " ") != want {
			t.Errorf("%s is offered %q, want %q", who, got, want)
		}
	}
	w.person("payer@example.net", access.Payouts, access.Scope{Network: true})
	if got := w.as("payer@example.net").lookedFor(t, "kestrel"); len(got) != 2 || got[0] != "/network?q=Kestrel+Outdoor" {
		t.Errorf("who may not see customers is led to %q", got)
	}
	w.as("payer@example.net").page("/network?q=Kestrel+Outdoor").holds(t, "Kestrel Outdoor")
	c := w.as("site@example.net")
	if got := c.lookedFor(t, ""); got != nil {
		t.Errorf("nothing asked finds %q", got)
	}
	c.page("/find").holds(t, "Find anything", "by the whole of them")
	if got := c.get("/find?q=" + strings.Repeat("x", 200)); got.status != http.StatusUnprocessableEntity {
		t.Errorf("too long a text: status %d", got.status)
	}
}
