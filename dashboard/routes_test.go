package dashboard

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/dashboard/api"
	"tributary/dashboard/asset"
	"tributary/partners"
	"tributary/partners/access"
)

// everyoneWho are the people of the authorization matrix, by what they are to the rows that the routes name: the owner
// of the partner's rows, another partner of the same merchant, a partner elsewhere, the owner of the merchant's rows,
// another merchant, the operator, and nobody.
func everyoneWho() []string {
	return []string{"site", "member", "outsider", "shop", "rival", "operator", "nobody"}
}

// roles of the people above.
func roleOf(who string) audience {
	switch who {
	case "site", "member", "outsider":
		return partnerOnly
	case "shop", "rival":
		return merchantOnly
	case "operator":
		return operatorOnly
	}
	return ""
}

func TestEveryRouteOfTheRouterIsInTheTableWithItsAudience(t *testing.T) {
	t.Parallel()
	w := emptyWorld(t)
	declared := map[string]audience{"GET " + asset.Prefix + "*": everyone}
	for _, r := range w.server.routes() {
		if !slices.Contains([]audience{everyone, anybodySignedIn, partnerOnly, merchantOnly, operatorOnly}, r.who) {
			t.Errorf("%s %s names no audience", r.method, r.path)
		}
		if r.page == nil {
			t.Errorf("%s %s has no page", r.method, r.path)
		}
		if home := strings.TrimPrefix(homeOf(r.who), "/"); strings.HasPrefix(r.path, "/"+home) && r.who == everyone && home != "account" {
			t.Errorf("%s %s is open to everyone below a role's pages", r.method, r.path)
		}
		declared[r.method+" "+r.path] = r.who
	}
	for _, r := range w.server.router().Routes() {
		if r.Method == "echo_route_not_found" {
			continue
		}
		if strings.HasPrefix(r.Path, api.Prefix+"/") { // who may call it, its key says; a method that it has not is nobody's
			if got := w.client().do(r.Method, r.Path, "{}"); got.status != http.StatusUnauthorized && got.status != http.StatusMethodNotAllowed {
				t.Errorf("%s %s answers %d without a key", r.Method, r.Path, got.status)
			}
			continue
		}
		if _, ok := declared[r.Method+" "+r.Path]; !ok {
			t.Errorf("%s %s is served without a declared audience", r.Method, r.Path)
		}
	}
	for _, r := range w.server.routes() {
		for prefix, who := range map[string]audience{"/partner": partnerOnly, "/merchant": merchantOnly, "/network": operatorOnly} {
			if strings.HasPrefix(r.path, prefix) && r.who != who {
				t.Errorf("%s %s is for %q, not for %q", r.method, r.path, r.who, who)
			}
		}
	}
}

// targets are what the routes with a parameter name, and who may see each: anybody else must not learn that it exists.
type targets struct {
	values map[string]string
	owners map[string][]string
}

func (w *world) targets() targets {
	order := w.order(sale{id: "A-1", link: w.link})
	act := w.say("A-1", order)
	_, key, err := partners.IssueKey(w.t.Context(), w.owner, w.shop, "server", partners.Reporting)
	w.must(err)
	coupon, err := w.access.AddCoupon(w.t.Context(), access.Scope{Merchant: w.shop}, w.program, "a test", partners.NewCoupon{Code: "KITCHEN10", Partner: w.site})
	w.must(err)
	claim := w.claim("A-1")
	dispute := w.dispute("A-1", 500)
	people := w.colleagues()
	return targets{
		values: map[string]string{
			"partner:seat": people.seats[0], "merchant:seat": people.seats[1], "network:seat": people.seats[2],
			"partner:invitation": people.invitations[0], "merchant:invitation": people.invitations[1], "network:invitation": people.invitations[2],
			":claim":   number10(claim),
			":dispute": number10(dispute),
			":act":     act,
			":order":   strconv.FormatInt(order, 10), ":link": strconv.FormatInt(int64(w.link.ID), 10),
			":partner": strconv.FormatInt(int64(w.site), 10), "invite:link": people.link, "reset:link": people.reset, ":key": strconv.FormatInt(int64(key), 10),
			":program": strconv.FormatInt(int64(w.program), 10), ":coupon": strconv.FormatInt(int64(coupon.ID), 10),
			":period": strconv.FormatInt(w.period(w.link, "GBP", time.March, 50_000), 10), ":line": number10(w.enterLine("shop@example.net", 50_000)),
		},
		owners: map[string][]string{
			"partner:seat": {"site"}, "merchant:seat": {"shop"}, "network:seat": {"operator"}, "partner:invitation": {"site"}, "merchant:invitation": {"shop"}, "network:invitation": {"operator"},
			":order": {"site", "shop", "operator"}, ":link": {"site"}, ":partner": {"shop"}, ":key": {"shop"}, ":program": {"shop"}, ":coupon": {"shop"}, ":claim": {"shop"}, ":period": {"site", "shop"}, ":line": {"shop", "operator"},
			":act": {"shop", "operator"}, ":dispute": {"shop", "operator"},
		},
	}
}

func (r targets) path(pattern string) (path string, owners []string) {
	parts := strings.Split(pattern, "/")
	for i, part := range parts {
		for _, name := range []string{part, parts[1] + part} {
			if value, ok := r.values[name]; ok {
				parts[i], owners = value, r.owners[name]
			}
		}
	}
	return strings.Join(parts, "/"), owners
}

func TestAuthorizationMatrix(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	named := w.targets()
	w.mustAccept(9)
	// Forms that would succeed for those who may send them.
	forms := map[string]url.Values{
		"/partner/links":          {"program": {strconv.FormatInt(int64(w.program), 10)}},
		"/partner/claims":         w.claimForm("A-2"),
		"/merchant/claims/:claim": {"outcome": {"declined"}, "note": {"not theirs"}},
		"/merchant/keys":          {"label": {"another server"}},
		"/merchant/coupons":       w.couponForm("code", "NEW10", "kind", "coupon"),
		"/merchant/coupons/file":  w.couponForm("file", "code\nNEW20\n"),
		"/merchant/programs/:program/terms": {
			"from": {w.now.Add(aDay).Format(formTime)}, "click": {"yes"}, "window": {"30"}, "window_unit": {"d"}, "hold": {"0"}, "hold_unit": {"d"}, "rule0_to": {"partner"}, "rule0_percent": {"5"}, "do": {"set"},
		},
		"/merchant/partners/:partner/terms/:program": {"kind": {"property"}, "value": {"blog"}},
		"/partner/programs/:program/terms/accept":    {"version": {"9"}},
		"/partner/programs/:program/state":           {"state": {"left"}, "from": {w.now.Add(2 * aDay).Format(formTime)}},
		"/merchant/partners/:partner/state/:program": {"state": {"paused"}, "note": {"the budget is spent"}, "from": {w.now.Add(aDay).Format(formTime)}, "sure": {""}},
		"/network/partners/:partner/state/:program":  {"state": {"paused"}, "note": {"the budget is spent"}, "from": {w.now.Add(3 * aDay).Format(formTime)}},
		"/merchant/orders/:order/disputes":           {"dispute": {"dp-1"}, "amount": {"5.00"}, "whole": {""}},
		"/network/orders/:order/disputes":            {"dispute": {"dp-2"}, "amount": {""}, "whole": {"yes"}},
		"/merchant/orders/:order/review":             {"verb": {"void"}, "note": {"a trial"}},
		"/network/orders/:order/review":              {"verb": {"void"}, "note": {"a trial"}},
		"/merchant/orders/review":                    w.marked("void", w.orderNo),
		"/merchant/review":                           w.marked("void", w.orderNo),
		"/network/review":                            w.marked("void", w.orderNo),
		"/merchant/review/undo":                      {"review": {number10(w.said["shop"])}, "order": {number10(w.orderNo)}},
		"/network/review/undo":                       {"review": {number10(w.said["operator"])}, "order": {number10(w.orderNo)}},
		"/network/customers": {
			"merchant": {number10(int64(w.shop))}, "customer": {"c-1"}, "to": {bindTo(int64(w.program), 0)}, "from": {w.now.Add(-aDay).Format(formTime)}, "note": {"they asked"},
		},
		"/merchant/manual":       w.lineForm("5.00"),
		"/merchant/manual/:line": {"said": {"decline"}},
		"/network/manual":        w.lineForm("5.00"),
		"/network/manual/:line":  {"said": {"decline"}},
		"/partner/people":        {"email": {"new@colleague.example"}, "as": {"partner:viewer"}},
		"/merchant/people":       {"email": {"new@colleague.example"}, "as": {"merchant:viewer"}},
		"/network/people":        {"email": {"new@colleague.example"}, "as": {"network:auditor"}},
		"/account/seat":          {"to": {w.seatOf("site@example.net")}},
		"/account/password":      {"old": {"not the password"}, "new": {"quite another sentence"}},
	}
	// A form that names a program answers as if it did not exist for partners who are not in it, and other merchants.
	enrolledIn := map[string][]string{
		"POST /account/seat":  {"site"},
		"POST /partner/links": {"site", "member"}, "POST /partner/claims": {"site", "member"}, "GET /partner/programs/:program/terms": {"site", "member"}, "POST /partner/programs/:program/terms/accept": {"site", "member"},
		"GET /partner/programs/:program/state": {"site", "member"}, "POST /partner/programs/:program/state": {"site", "member"}, "GET /network/partners/:partner/state/:program": {"operator"}, "POST /network/partners/:partner/state/:program": {"operator"},
		"POST /merchant/manual": {"shop"}, "POST /merchant/coupons": {"shop"}, "POST /merchant/coupons/file": {"shop"},
		"POST /merchant/orders/review": {"shop"}, "POST /merchant/review": {"shop"}, "POST /merchant/review/undo": {"shop"},
	}
	for _, who := range everyoneWho() {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			c := w.client()
			if who != "nobody" {
				c = w.as(who + "@example.net")
			}
			routes := w.server.routes()
			// Reading comes first: some forms end every session of the person.
			slices.SortStableFunc(routes, func(a, b route) int { return strings.Compare(a.method, b.method) })
			for _, r := range routes {
				if who != "nobody" && r.method == http.MethodPost && r.who == anybodySignedIn { // the form before it may have ended the session
					c = w.as(who + "@example.net")
				}
				path, owners := named.path(r.path)
				if strings.Contains(path, ":") {
					t.Fatalf("%s has a parameter that this test knows no row for", r.path)
				}
				if of := enrolledIn[r.method+" "+r.path]; of != nil {
					owners = of
				}
				got := c.do(r.method, path, forms[r.path].Encode())
				want := wanted(r, who, owners)
				if !want.allows(got) {
					t.Errorf("%s %s as %s: status %d to %q, want %s", r.method, path, who, got.status, got.header.Get("Location"), want)
				}
			}
		})
	}
}

// wish is what a route must answer.
type wish struct {
	statuses []int
	to       string // the beginning of where it redirects to
}

func (w wish) String() string { return fmt.Sprint(w.statuses, " ", w.to) }

func (w wish) allows(r reply) bool {
	return slices.Contains(w.statuses, r.status) && strings.HasPrefix(r.header.Get("Location"), w.to)
}

// wanted is the policy, written a second time and without looking at the code that enforces it.
func wanted(r route, who string, owners []string) wish {
	success := wish{statuses: []int{http.StatusOK, http.StatusCreated, http.StatusSeeOther, http.StatusUnprocessableEntity}}
	switch {
	case r.path == "/setup": // somebody owns the network
		return wish{statuses: []int{http.StatusNotFound}}
	case r.path == "/invite/:link": // which its organisation takes back meanwhile
		return wish{statuses: append(success.statuses, http.StatusConflict)}
	case r.who == everyone, strings.HasPrefix(r.path, "/network/partners") && r.method == http.MethodPost && who == "operator": // whom the partner leaves meanwhile
		return success
	case who == "nobody":
		return wish{statuses: []int{http.StatusSeeOther}, to: "/signin"}
	case r.who == anybodySignedIn && (owners == nil || slices.Contains(owners, who)):
		return success
	case r.who != anybodySignedIn && roleOf(who) != r.who:
		return wish{statuses: []int{http.StatusForbidden}}
	case owners != nil && !slices.Contains(owners, who):
		return wish{statuses: []int{http.StatusNotFound}}
	}
	return wish{statuses: []int{http.StatusOK, http.StatusCreated, http.StatusSeeOther}}
}

func TestNothingOfAnotherTenantIsOnAnyPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.order(sale{id: "ours-1", link: w.link, customer: "ours-customer"})
	no := w.order(sale{id: "theirs-1", merchant: w.rival, currency: "USD", link: w.foreign, customer: "theirs-customer"})
	w.conflict(no, sale{id: "theirs-1", merchant: w.rival, currency: "USD", customer: "theirs-other"})
	w.clicks(w.foreign, w.now, 7)
	w.period(w.link, "GBP", time.March, 50_000)
	w.period(w.foreign, "USD", time.March, 50_000)
	_, _, err := partners.IssueKey(t.Context(), w.owner, w.rival, "theirs-key", partners.Reporting)
	w.must(err)
	theirs := []string{"theirs-", "Kestrel", "Ridge Notes", "ridge"}
	for _, who := range []string{"site", "member", "shop"} {
		c := w.as(who + "@example.net")
		for _, r := range w.server.routes() {
			if r.method != http.MethodGet || r.who != roleOf(who) || strings.Contains(r.path, ":") {
				continue
			}
			got := c.page(r.path)
			for _, text := range theirs {
				if strings.Contains(got.body, text) {
					t.Errorf("%s sees %q on %s", who, text, r.path)
				}
			}
		}
	}
	// The partner member is in the same program as site, and sees nothing of site's either.
	c := w.as("member@example.net")
	for _, path := range []string{"/partner", "/partner/commissions", "/partner/commissions.csv", "/partner/links", "/partner/links.csv", "/partner/periods", "/partner/periods.csv"} {
		if body := c.page(path).body; strings.Contains(body, "ours-1") || strings.Contains(body, "slow-kitchen") || strings.Contains(body, "2026-03") {
			t.Errorf("a partner of the same program sees another's rows on %s", path)
		}
	}
}

// S11.
func TestQueriesWithoutATenantSeeNoRows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.conflict(w.order(sale{id: "A-1", link: w.link}), sale{id: "A-1"})
	w.period(w.link, "GBP", time.March, 50_000)
	_, _, err := partners.IssueKey(t.Context(), w.owner, w.shop, "server", partners.Reporting)
	w.must(err)
	for _, table := range []string{"api_key", "link", "orders", "order_event", "order_conflict", "commission", "period", "account", "posting", "enrolment", "program", "terms"} {
		var n int
		w.must(w.owner.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n))
		if n == 0 {
			t.Fatalf("%s has no rows to be hidden", table)
		}
		w.must(w.pool.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n))
		if n != 0 {
			t.Errorf("without a tenant %s has %d rows", table, n)
		}
	}
}

// S11: whatever says whose it is shows the pages nothing but that tenant's rows, also a table that does not exist today.
func TestEveryTableWithATenantHasItsPolicy(t *testing.T) {
	t.Parallel()
	w := emptyWorld(t)
	rows, err := w.owner.Query(t.Context(), `
		SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (SELECT FROM pg_policy p
			WHERE p.polrelid = c.oid AND 'tributary_dashboard'::regrole = ANY (p.polroles) AND pg_get_expr(p.polqual, c.oid) <> 'true'),
			bool_or(has_column_privilege('tributary_dashboard', c.oid, a.attnum, 'SELECT'))
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
		WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
		GROUP BY c.oid, c.relname HAVING bool_or(a.attname IN ('merchant_id', 'partner_id', 'program_id', 'account_id', 'order_no', 'debit'))`)
	w.must(err)
	found := 0
	var table string
	var guarded, readable bool
	_, err = pgx.ForEachRow(rows, []any{&table, &guarded, &readable}, func() error {
		found++
		if readable && !guarded {
			t.Errorf("the pages may read %s, which has a tenant and no policy for them", table)
		}
		return nil
	})
	w.must(err)
	if found < 13 {
		t.Errorf("only %d tables have a tenant", found)
	}
	var owns, may bool
	w.must(w.owner.QueryRow(t.Context(), `SELECT rolsuper OR rolbypassrls, EXISTS (SELECT FROM pg_class WHERE relowner = r.oid)
		FROM pg_roles r WHERE rolname = 'tributary_dashboard'`).Scan(&may, &owns))
	if may || owns {
		t.Errorf("the pages' role goes round policies (%v) or owns tables (%v)", may, owns)
	}
}

// S11: an id of somebody else's in a query or in a form is as if there were none of that number.
func TestIDsOfOthersInQueriesAndFormsShowNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.order(sale{id: "ours-1", link: w.link})
	w.order(sale{id: "mira-1", link: w.memberLink})
	w.order(sale{id: "theirs-1", merchant: w.rival, currency: "USD", link: w.foreign})
	wrong := w.order(sale{id: "wrong-shop", link: w.foreign})
	w.clicks(w.foreign, w.now, 5)
	id := number10
	secrets := []string{"theirs-1", "Kestrel", "Ridge", "USD"}
	for _, tc := range []struct{ who, path string }{
		{"site", "/partner/commissions?program=" + id(int64(w.other))},
		{"site", "/partner/commissions?link=" + id(int64(w.foreign.ID))},
		{"site", "/partner/commissions.csv?link=" + id(int64(w.foreign.ID))},
		{"site", "/partner/links?program=" + id(int64(w.other))},
		{"site", "/partner/links.csv?program=" + id(int64(w.other))},
		{"site", "/partner/links/new?program=" + id(int64(w.other))},
		{"site", "/partner?currency=USD&days=7"},
		{"member", "/partner/commissions?link=" + id(int64(w.link.ID))},
		{"shop", "/merchant/orders?partner=" + id(int64(w.outsid))},
		{"shop", "/merchant/orders.csv?partner=" + id(int64(w.outsid))},
		{"shop", "/merchant/conflicts?q=theirs"},
		{"shop", "/merchant/partners?q=Ridge"},
		{"shop", "/merchant/orders/" + id(wrong)},
	} {
		text := w.as(tc.who + "@example.net").page(tc.path).text()
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%s sees %q on %s: %s", tc.who, secret, tc.path, text)
			}
		}
		if tc.who == "member" && (strings.Contains(text, "ours-1") || strings.Contains(text, "Sidebar")) {
			t.Errorf("a partner of the same program sees another's rows on %s", tc.path)
		}
	}
	site := w.as("site@example.net")
	if got := site.post("/partner/links", url.Values{"program": {id(int64(w.other))}}); got.status != http.StatusNotFound {
		t.Errorf("a link in a program one is not in: status %d", got.status)
	}
	// Whose it is to be cannot be said in a form.
	got := site.post("/partner/links", url.Values{"program": {id(int64(w.program))}, "partner": {id(int64(w.member))}, "partner_id": {id(int64(w.member))}, "code": {"whose-is-it"}})
	if got.status != http.StatusSeeOther {
		t.Fatalf("status %d: %s", got.status, got.text())
	}
	var owner int64
	w.must(w.owner.QueryRow(t.Context(), `SELECT partner_id FROM link WHERE code = 'whose-is-it'`).Scan(&owner))
	if owner != int64(w.site) {
		t.Errorf("the link is partner %d's", owner)
	}
}
