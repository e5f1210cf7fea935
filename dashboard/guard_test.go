package dashboard

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
	"golang.org/x/net/html"

	"tributary/internal/event"
	"tributary/partners"
)

func TestFormsOfAnotherSiteChangeNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	named := w.targets()
	for _, tc := range []struct {
		name    string
		header  map[string]string
		refused bool
	}{
		{"cross-site", map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, true},
		{"same-site, such as a sister domain", map[string]string{"Sec-Fetch-Site": "same-site", "Origin": "http://www.example.net"}, true},
		{"another origin from an old browser", map[string]string{"Origin": "https://evil.example"}, true},
		{"a sandboxed frame", map[string]string{"Origin": "null"}, true},
		{"same origin", map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": "http://portal.example.net"}, false},
		{"typed by the user", map[string]string{"Sec-Fetch-Site": "none"}, false},
		{"the same host from an old browser", map[string]string{"Origin": "http://portal.example.net"}, false},
		{"a program, which sends neither header", nil, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			people := map[audience]*client{}
			for _, r := range w.server.routes() {
				if r.method == http.MethodGet {
					continue
				}
				c := people[r.who]
				if c == nil || r.who == anybodySignedIn { // whose forms end sessions
					c = w.as(map[audience]string{partnerOnly: "site", merchantOnly: "shop"}[r.who] + emailOr(r.who))
					people[r.who] = c
				}
				for name, value := range tc.header {
					c.header.Set(name, value)
				}
				path, _ := named.path(r.path)
				got := c.do(r.method, path, "")
				if (got.status == http.StatusForbidden) != tc.refused {
					t.Errorf("%s %s: status %d, refused should be %v", r.method, path, got.status, tc.refused)
				}
			}
		})
	}
}

// emailOr completes the address of the person whom a route is for.
func emailOr(who audience) string {
	if who == partnerOnly || who == merchantOnly {
		return "@example.net"
	}
	return "operator@example.net"
}

func TestAFormOverHTTPChangesNothingOnAnHTTPSSite(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg := w.server.cfg
	cfg.SecureCookies = true
	server, err := New(cfg)
	w.must(err)
	for _, tc := range []struct {
		origin, site string
		status       int
	}{
		{"http://portal.example.net", "", http.StatusForbidden},
		{"http://portal.example.net", "same-origin", http.StatusForbidden},
		{"HTTP://portal.example.net", "", http.StatusForbidden},
		{"null", "none", http.StatusForbidden},
		{"https://portal.example.net", "", http.StatusSeeOther},
		{"https://portal.example.net", "same-origin", http.StatusSeeOther},
		{"", "", http.StatusSeeOther},
	} {
		w.server = server
		c := w.client()
		for name, value := range map[string]string{"Origin": tc.origin, "Sec-Fetch-Site": tc.site} {
			if value != "" {
				c.header.Set(name, value)
			}
		}
		got := c.post("/signin", url.Values{"email": {"site@example.net"}, "password": {thePassword}})
		if got.status != tc.status {
			t.Errorf("from %q, %q: status %d, want %d", tc.origin, tc.site, got.status, tc.status)
		}
	}
}

func TestACrossSiteFormLeavesTheLinkOpen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.as("site@example.net")
	c.header.Set("Sec-Fetch-Site", "cross-site")
	if got := c.post("/partner/links/"+number10(int64(w.link.ID))+"/close", nil); got.status != http.StatusForbidden {
		t.Fatalf("status %d", got.status)
	}
	var closed bool
	w.must(w.owner.QueryRow(t.Context(), `SELECT closed_at IS NOT NULL FROM link WHERE id = $1`, int64(w.link.ID)).Scan(&closed))
	if closed {
		t.Error("the link was closed")
	}
}

func TestTrustedOriginsMayPost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg := w.server.cfg
	cfg.TrustedOrigins = []string{"https://portal.example.org"}
	server, err := New(cfg)
	w.must(err)
	w.server = server
	c := w.as("site@example.net")
	c.header.Set("Origin", "https://portal.example.org")
	if got := c.post("/signout", nil); got.status != http.StatusSeeOther {
		t.Errorf("status %d", got.status)
	}
	cfg.TrustedOrigins = []string{"portal"}
	if _, err := New(cfg); err == nil {
		t.Error("an origin that is none was taken")
	}
}

func TestEveryPageHasTheSecurityHeaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	named := w.targets()
	want := map[string]string{
		"Content-Security-Policy": contentPolicy, "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
		"Referrer-Policy": "same-origin", "Cache-Control": "no-store", "Cross-Origin-Opener-Policy": "same-origin",
		"Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
	}
	for _, who := range []string{"site", "shop", "operator", "nobody"} {
		c := w.client()
		if who != "nobody" {
			c = w.as(who + "@example.net")
		}
		paths := []string{"/nowhere", "/partner/commissions/999999", "/signin"}
		for _, r := range w.server.routes() {
			if path, _ := named.path(r.path); r.method == http.MethodGet {
				paths = append(paths, path)
			}
		}
		for _, path := range paths {
			got := c.get(path)
			for name, value := range want {
				if name == "Referrer-Policy" && (strings.HasPrefix(path, "/invite/") || strings.HasPrefix(path, "/reset/")) {
					value = "strict-origin" // the address itself is a secret
				}
				// The session middleware adds its own word about caching its cookie.
				if !strings.HasPrefix(got.header.Get(name), value) {
					t.Errorf("%s as %s: %s is %q, want %q", path, who, name, got.header.Get(name), value)
				}
			}
			if id := got.header.Get(echo.HeaderXRequestID); len(id) != 16 {
				t.Errorf("%s as %s: request id %q", path, who, id)
			}
			if hsts := got.header.Get("Strict-Transport-Security"); hsts != "" {
				t.Errorf("%s as %s: %q over plain http", path, who, hsts)
			}
		}
	}
}

func TestOverHTTPSCookiesAreBoundToTheHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg := w.server.cfg
	cfg.SecureCookies = true
	server, err := New(cfg)
	w.must(err)
	w.server = server
	c := w.client()
	got := c.post("/signin", url.Values{"email": {"site@example.net"}, "password": {thePassword}})
	if hsts := got.header.Get("Strict-Transport-Security"); !strings.Contains(hsts, "max-age=63072000") {
		t.Errorf("Strict-Transport-Security is %q", hsts)
	}
	for _, name := range []string{"__Host-session", "__Host-device"} {
		cookie := c.cookies[name]
		if cookie == nil {
			t.Fatalf("there is no cookie %s: %v", name, c.cookies)
		}
		if !cookie.Secure || !cookie.HttpOnly || cookie.Path != "/" || cookie.Domain != "" || cookie.SameSite == http.SameSiteNoneMode || cookie.SameSite == 0 {
			t.Errorf("cookie %s: %+v", name, cookie)
		}
	}
}

// payloads are texts that become code where a page forgets to escape them: some wholes, and each of what runs in each of
// what it could break out of. test/e2e/payloads.test.mjs puts them before a browser.
func payloads() []string {
	list := []string{
		`javascript:alert(1)`, `{{constructor.constructor('alert(1)')()}}`, `${alert(1)}`, `&lt;script&gt;alert(1)`, `<style>*{display:none}</style>`,
		`<base href=//evil.example>`, `<form action=//evil.example><button>`, `" hx-get="/signout" hx-trigger="load`, "\u202e<script>alert(1)</script>",
		`%3Cscript%3Ealert(1)%3C/script%3E`, `\u003cscript\u003ealert(1)`, `<scr<script>ipt>alert(1)</scr</script>ipt>`,
	}
	runs := []string{
		`<script>alert(1)</script>`, `<img src=x onerror=alert(1)>`, `<svg/onload=alert(1)>`, `<svg><script href=data:,alert(1) /></svg>`,
		`<iframe srcdoc="<script>alert(1)</script>">`, `<details open ontoggle=alert(1)>`, `<a href="javascript:alert(1)">x</a>`, `<input autofocus onfocus=alert(1)>`,
		`<math><mtext><script>alert(1)</script>`, `<object data="javascript:alert(1)">`, `<div hx-on:load="alert(1)">`, `<meta http-equiv=refresh content="0;url=javascript:alert(1)">`,
	}
	for _, out := range []string{``, `">`, `'>`, `</title>`, `</textarea>`, `</script>`, `-->`, `]]>`, "`>"} {
		for _, run := range runs {
			list = append(list, out+run)
		}
	}
	return list
}

// S13: the browser's own half is test/e2e/payloads.test.mjs.
func TestThereAreEnoughPayloads(t *testing.T) {
	t.Parallel()
	if list := payloads(); len(list) < 120 || len(slices.Compact(slices.Sorted(slices.Values(list)))) != len(list) {
		t.Errorf("%d payloads", len(list))
	}
}

// S13: TestTextsOfOthersNeverBecomeMarkup stores each payload in every text that comes from outside, and reads every page as
// a browser does: whatever is there, it is text.
func TestTextsOfOthersNeverBecomeMarkup(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var paths []string
	var orders []int64
	for i, p := range payloads() {
		id := "x" + number10(int64(i)) + p
		l := w.newLink(w.program, w.site, "", p)
		w.learn()
		no := w.order(sale{
			id: id, link: l, customer: p, coupon: p,
			lines:   []*event.Line{{Number: 1, Sku: p, Category: p, Quantity: 1, Amount: 1000}},
			refunds: []*event.Refund{{RefundId: p, Reason: p, Items: []*event.RefundItem{{Sku: p + "other", Quantity: 1}}}},
		})
		w.conflict(no, sale{id: id, customer: p + "2", lines: []*event.Line{{Number: 1, Sku: p + "2", Quantity: 1, Amount: 1}}})
		orders = append(orders, no)
		w.sub1, w.referrer = p, p
		w.clicks(l, w.now.Add(-aDay), 1)
		w.must1(w.owner.Exec(t.Context(), `UPDATE partner SET name = $1, site_url = $1 WHERE id = $2`, p, int64(w.member)))
		_, _, err := partners.IssueKey(t.Context(), w.owner, w.shop, p, partners.Reporting)
		w.must(err)
		paths = append(paths, "/partner/commissions/"+number10(no), "/partner/links/"+number10(int64(l.ID))+"?by=sub1")
		if i%10 == 0 {
			paths = append(paths, "/partner/commissions?q="+url.QueryEscape(p), "/partner/links?q="+url.QueryEscape(p))
		}
		if i == 0 {
			paths = append(paths, "/partner", "/partner/links/new", "/partner/programs", "/account", "/partner/links?state=open")
		}
	}
	w.must1(w.owner.Exec(t.Context(), `UPDATE program SET name = $1 WHERE id = $2`, payloads()[0], int64(w.program)))
	w.must1(w.owner.Exec(t.Context(), `UPDATE merchant SET name = $1 WHERE id = $2`, payloads()[2], int64(w.shop)))
	w.must1(w.owner.Exec(t.Context(), `UPDATE partner SET name = $1 WHERE id = $2`, payloads()[4], int64(w.site)))
	c := w.as("site@example.net")
	for _, path := range paths {
		w.server.pace = newPace() // these are more pages than a person opens
		harmless(t, path, c.page(path).body)
	}
	w.server.pace = newPace()
	shop := w.as("shop@example.net")
	for _, path := range []string{
		"/merchant", "/merchant/orders", "/merchant/partners", "/merchant/partners/" + number10(int64(w.member)), "/merchant/conflicts",
		"/merchant/developers", "/merchant/programs", "/merchant/orders?partner=" + number10(int64(w.site)),
	} {
		harmless(t, path, shop.page(path).body)
	}
	for i, p := range payloads() {
		page := shop.page("/merchant/orders/" + number10(orders[i]))
		harmless(t, "order with "+p, page.body)
		page.holds(t, "Order x"+number10(int64(i))+strings.Join(strings.Fields(p), " "), "customer "+strings.Join(strings.Fields(p), " "))
	}
	harmless(t, "/network", w.as("operator@example.net").page("/network").body)
	harmless(t, "404", c.get("/"+url.PathEscape(payloads()[0])).body)
	harmless(t, "sign-in", w.client().post("/signin", url.Values{"email": {payloads()[2]}, "next": {payloads()[5]}}).body)
}

// harmless fails the test when a page holds anything that the policy of contentPolicy is there to stop.
func harmless(t *testing.T, path, body string) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		switch n.Data {
		case "iframe", "object", "embed", "base", "style", "math":
			t.Errorf("%s holds an element %s", path, n.Data)
		case "script":
			if n.FirstChild != nil {
				t.Errorf("%s holds an inline script: %s", path, n.FirstChild.Data)
			}
		}
		for _, a := range n.Attr {
			value := strings.ToLower(strings.TrimSpace(a.Val))
			switch {
			case strings.HasPrefix(a.Key, "on"), strings.HasPrefix(a.Key, "hx-on"), a.Key == "style", a.Key == "srcdoc":
				t.Errorf("%s: <%s %s=%q>", path, n.Data, a.Key, a.Val)
			case (a.Key == "href" || a.Key == "src" || a.Key == "action" || a.Key == "formaction" || strings.HasPrefix(a.Key, "hx-get")) && !strings.HasPrefix(value, "/") && !strings.HasPrefix(value, "#"):
				t.Errorf("%s: <%s %s=%q> leads elsewhere", path, n.Data, a.Key, a.Val)
			}
		}
	}
}

func TestErrorsArePagesForPeopleAndProblemsForPrograms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.as("site@example.net")
	for _, tc := range []struct {
		path   string
		status int
		text   string
	}{
		{"/partner/commissions/12345", http.StatusNotFound, "There is no such thing here, or it is not yours to see."},
		{"/merchant", http.StatusForbidden, "your role may not open it"},
		{"/nowhere", http.StatusNotFound, "There is no page at this address."},
	} {
		got := c.get(tc.path)
		if got.status != tc.status {
			t.Errorf("%s: status %d, want %d", tc.path, got.status, tc.status)
		}
		got.holds(t, tc.text, got.header.Get(echo.HeaderXRequestID))
	}
	// Who is signed in keeps the navigation; nobody has none.
	c.get("/nowhere").holds(t, "The Slow Kitchen", "Commissions", "Programs")
	if got := w.client().get("/nowhere"); strings.Contains(got.text(), "Programs") {
		t.Errorf("navigation for nobody: %s", got.text())
	}
}

func TestInternalErrorsAreBlandOnThePage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.as("site@example.net")
	w.must1(w.owner.Exec(t.Context(), `ALTER TABLE commission RENAME TO secret_name_of_a_table`))
	got := c.get("/partner/commissions")
	if got.status != http.StatusInternalServerError || strings.Contains(got.body, "secret_name") || strings.Contains(got.body, "SQLSTATE") {
		t.Errorf("status %d: %s", got.status, got.text())
	}
	got.holds(t, "Something went wrong")
}

func TestPostgresAwayIsSaidKindly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.as("site@example.net")
	w.pool.Close()
	if got := c.get("/partner"); got.status != http.StatusServiceUnavailable {
		t.Errorf("status %d: %s", got.status, got.body)
	}
}

func TestAFormLargerThanAnyPageNeedsIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.client().post("/signin", url.Values{"email": {strings.Repeat("x", 300_000)}})
	if got.status != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d", got.status)
	}
}
