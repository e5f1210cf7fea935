package dashboard

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"tributary/partners/access"
)

// permitted is the policy, written a second time: what each role may do besides looking.
func permitted() map[access.Org]map[access.Role][]access.Permission {
	return map[access.Org]map[access.Role][]access.Permission{
		access.OfNetwork: {
			access.Owner:   {access.SeeCustomers, access.ReadAudit, access.EditSeats, access.Recover, access.Review, access.BindCustomers, access.EditPartners, access.EnterLines},
			access.Admin:   {access.SeeCustomers, access.ReadAudit, access.EditSeats, access.Recover, access.Review, access.BindCustomers, access.EditPartners, access.EnterLines},
			access.Payouts: {access.EnterLines},
			access.Support: {access.SeeCustomers, access.ReadAudit, access.Recover},
			access.Auditor: {access.SeeCustomers, access.ReadAudit},
		},
		access.OfMerchant: {
			access.Owner:     {access.SeeCustomers, access.ReadAudit, access.EditSeats, access.Recover, access.Review, access.EditPartners, access.SetTerms, access.EnterLines, access.EditKeys},
			access.Manager:   {access.SeeCustomers, access.ReadAudit, access.Review, access.EditPartners, access.SetTerms, access.EnterLines},
			access.Finance:   {access.EnterLines},
			access.Developer: {access.EditKeys},
			access.Viewer:    {access.SeeCustomers},
		},
		access.OfPartner: {
			access.Owner:  {access.ReadAudit, access.EditSeats, access.EditLinks, access.Claim, access.Agree},
			access.Editor: {access.EditLinks, access.Claim},
			access.Viewer: nil,
		},
	}
}

// formPages are those that are a form and nothing else.
func formPages() []string {
	return []string{
		"/partner/claims/new", "/partner/links/new", "/merchant/coupons/new", "/merchant/coupons/file", "/merchant/programs/:program/terms",
		"/merchant/orders/:order/disputes/:dispute", "/network/orders/:order/disputes/:dispute",
	}
}

// Each route asks for a permission that its people hold, each permission is asked for, and looking asks for no more than that.
func TestEveryRouteNamesAPermission(t *testing.T) {
	t.Parallel()
	w := emptyWorld(t)
	asked := map[audience][]access.Permission{}
	for _, r := range w.server.routes() {
		want := map[audience]access.Permission{everyone: access.Anyone, anybodySignedIn: access.OwnAccount}[r.who]
		if r.method == http.MethodGet && want == "" {
			want = access.See
		}
		switch {
		case strings.Contains(r.path, "/audit"):
			want = access.ReadAudit
		case strings.Contains(r.path, "/customers") && r.who != partnerOnly && r.method == http.MethodGet:
			want = access.SeeCustomers
		case r.method == http.MethodGet && slices.Contains(formPages(), r.path):
			want = r.may // a page that is a form asks for what the form does
		}
		if r.may == "" || want != "" && r.may != want || want == "" && r.may == access.See {
			t.Errorf("%s %s asks for %q", r.method, r.path, r.may)
		}
		asked[r.who] = append(asked[r.who], r.may)
	}
	for org, roles := range permitted() {
		who := map[access.Org]audience{access.OfNetwork: operatorOnly, access.OfMerchant: merchantOnly, access.OfPartner: partnerOnly}[org]
		all := append([]access.Permission{access.See}, roles[access.Owner]...)
		for _, p := range asked[who] {
			if !slices.Contains(all, p) {
				t.Errorf("no %s holds %q", org, p)
			}
		}
		for _, p := range all {
			if !slices.Contains(asked[who], p) {
				t.Errorf("nothing of a %s asks for %q", org, p)
			}
		}
	}
}

// organisations are the scopes of the people of the matrix, and the pages that each has.
func (w *world) organisations() (scopes map[access.Org]access.Scope, pages map[access.Org]audience) {
	return map[access.Org]access.Scope{access.OfNetwork: {Network: true}, access.OfMerchant: {Merchant: w.shop}, access.OfPartner: {Partner: w.site}},
		map[access.Org]audience{access.OfNetwork: operatorOnly, access.OfMerchant: merchantOnly, access.OfPartner: partnerOnly}
}

// The matrix of every role and every form: 403 where the role does not hold the permission, and something else where it does.
func TestEveryRoleMayDoWhatItsTableSays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	scopes, pages := w.organisations()
	for org, roles := range permitted() {
		if got := access.RolesOf(org); len(got) != len(roles) {
			t.Errorf("a %s has the roles %v", org, got)
		}
		for role, holds := range roles {
			email := string(org) + "-" + string(role) + "@example.net"
			w.person(email, role, scopes[org])
			c := w.as(email)
			for _, r := range w.server.routes() {
				if r.who == everyone || strings.HasSuffix(r.path, "/signout") || r.method == http.MethodGet && r.may == access.See && r.path != homeOf(r.who) {
					continue // every role may look: one page of each audience tells
				}
				may := r.who == anybodySignedIn || r.who == pages[org] && (r.may == access.See || slices.Contains(holds, r.may))
				if status := c.do(r.method, strings.ReplaceAll(r.path, ":", "0"), "").status; (status != http.StatusForbidden) != may {
					t.Errorf("%s of a %s: %s %s answers %d", role, org, r.method, r.path, status)
				}
			}
		}
	}
}

// routeOf is the route that an address has, or nil.
func (w *world) routeOf(method, path string) *route {
	path, _, _ = strings.Cut(path, "?")
	path, _, _ = strings.Cut(path, "#")
	parts := strings.Split(path, "/")
	for _, r := range w.server.routes() {
		pattern := strings.Split(r.path, "/")
		fits := r.method == method && len(pattern) == len(parts)
		for i := range pattern {
			fits = fits && (pattern[i] == parts[i] || strings.HasPrefix(pattern[i], ":") && parts[i] != "new" && parts[i] != "file")
		}
		if fits {
			return &r
		}
	}
	return nil
}

// No page offers a role a form that would be refused, nor leads to a page that would be.
func TestNoPageOffersARoleWhatItMayNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustAccept(9)
	named := w.targets()
	scopes, pages := w.organisations()
	offered := 0
	for org, roles := range permitted() {
		for role, holds := range roles {
			email := string(org) + "-" + string(role) + "@example.net"
			w.person(email, role, scopes[org])
			c := w.as(email)
			for _, r := range w.server.routes() {
				path, _ := named.path(r.path)
				if r.method != http.MethodGet || r.who != pages[org] && r.who != anybodySignedIn || strings.HasSuffix(path, ".csv") || !access.May(org, role, r.may) {
					continue
				}
				for _, n := range c.page(path).find(t, func(n *html.Node) bool { return n.Data == "form" || n.Data == "a" }) {
					method, _ := attr(n, "method")
					to, _ := attr(n, "action")
					if n.Data == "a" {
						to, _ = attr(n, "href")
					}
					leads := w.routeOf(strings.ToUpper(cmp.Or(method, http.MethodGet)), to)
					if leads == nil || leads.who != pages[org] || leads.may == access.See {
						continue
					}
					offered++
					if !slices.Contains(holds, leads.may) {
						t.Errorf("%s offers %s of a %s %s %s, which asks for %q", path, role, org, leads.method, to, leads.may)
					}
				}
			}
		}
	}
	if offered < 100 {
		t.Errorf("%d forms and links were looked at", offered)
	}
}

// Every form that is sent says from which seat, on every page.
func TestEveryFormCarriesItsSeat(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	named, forms := w.targets(), 0
	_, pages := w.organisations()
	for org, email := range map[access.Org]string{access.OfNetwork: "operator@example.net", access.OfMerchant: "shop@example.net", access.OfPartner: "site@example.net"} {
		seat := w.seatOf(email)
		all := w.pagesOf(email, pages[org], named)
		if org == access.OfMerchant { // an answer that carries on what was sent
			form := all[w.termsPath()].fields(t)
			form.Set("do", "")
			sure := w.as(email).post(w.termsPath(), form)
			sure.holds(t, "Confirm the terms")
			all["POST "+w.termsPath()] = sure
		}
		for path, page := range all {
			for _, form := range page.find(t, func(n *html.Node) bool { method, _ := attr(n, "method"); return n.Data == "form" && method == "post" }) {
				forms++
				carried := 0
				for n := range form.Descendants() {
					name, _ := attr(n, "name")
					value, _ := attr(n, "value")
					if n.Data == "input" && name == seatField && value == seat {
						carried++
					}
				}
				if carried != 1 {
					t.Errorf("%s: a form carries %d seats", path, carried)
				}
			}
		}
	}
	if forms < 50 {
		t.Errorf("%d forms", forms)
	}
}

// A person with two seats acts in one at a time, and a form of the other is refused.
func TestASeatIsChangedAndAFormOfTheOtherRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const email = "site@example.net"
	first, second := w.seatOf(email), number10(int64(w.seat(email, access.Viewer, access.Scope{Merchant: w.shop})))
	foreign := w.seatOf("rival@example.net")
	c := w.as(email)
	c.page("/partner").holds(t, "The Slow Kitchen", "partner, owner", "Change organisation", "Alder & Finch", "merchant, viewer")
	if got := c.post("/account/seat", url.Values{"to": {foreign}}); got.status != http.StatusNotFound {
		t.Errorf("another's seat: status %d", got.status)
	}
	if got := c.get("/merchant"); got.status != http.StatusForbidden {
		t.Errorf("pages of the other seat before the change: status %d", got.status)
	}
	if got := c.post("/account/seat", url.Values{"to": {second}}); got.status != http.StatusSeeOther || got.header.Get("Location") != "/merchant" {
		t.Fatalf("status %d to %q", got.status, got.header.Get("Location"))
	}
	c.page("/merchant").holds(t, "Alder & Finch", "merchant, viewer")
	before := w.contents()
	for seat, status := range map[string]int{first: http.StatusConflict, foreign: http.StatusConflict, "x": http.StatusConflict, second: http.StatusForbidden} {
		form := url.Values{"program": {number10(int64(w.program))}, "code": {"in-tab-one"}, "seat": {seat}}
		if got := c.post("/partner/links", form); got.status != status {
			t.Errorf("a form from the seat %s: status %d, want %d", seat, got.status, status)
		}
	}
	c.seat = nil
	for _, path := range []string{"/merchant/people", "/account/password", "/signout"} {
		if got := c.post(path, nil); got.status != http.StatusConflict {
			t.Errorf("%s from no seat: status %d", path, got.status)
		}
	}
	c.seat = w.sessionSeat
	if got := c.post("/merchant/keys", url.Values{"label": {"x"}, "seat": {second}}); got.status != http.StatusForbidden {
		t.Errorf("a viewer issues a key: status %d", got.status)
	}
	if after := w.contents(); !maps.Equal(before, after) {
		t.Errorf("tables before %v, after %v", before, after)
	}
	if got := w.client().post("/signin", url.Values{"email": {email}, "password": {thePassword}}); got.header.Get("Location") != "/merchant" {
		t.Errorf("signing in leads to %q, not to the seat of the last time", got.header.Get("Location"))
	}
	c.post("/account/seat", url.Values{"to": {first}})
	if got := c.post("/partner/links", url.Values{"program": {number10(int64(w.program))}, "code": {"in-tab-two"}, "seat": {first}}); got.status != http.StatusSeeOther {
		t.Errorf("a form of the seat one is in: status %d", got.status)
	}
}

// A seat that ends takes its sessions with it; who has none left cannot sign in.
func TestAnEndedSeatEndsItsSessions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const email = "site@example.net"
	w.seat(email, access.Viewer, access.Scope{Merchant: w.shop})
	c, other := w.as(email), w.as("member@example.net")
	w.must(access.EndSeat(t.Context(), w.owner, email, access.Scope{Partner: w.site}))
	if got := c.get("/partner"); got.status != http.StatusSeeOther {
		t.Errorf("a session in an ended seat: status %d", got.status)
	}
	if got := other.get("/partner"); got.status != http.StatusOK {
		t.Errorf("another's session: status %d", got.status)
	}
	w.as(email).page("/merchant")
	w.must(access.EndSeat(t.Context(), w.owner, email, access.Scope{Merchant: w.shop}))
	if got := w.client().post("/signin", url.Values{"email": {email}, "password": {thePassword}}); got.status != http.StatusUnauthorized {
		t.Errorf("without a seat: status %d", got.status)
	}
}
