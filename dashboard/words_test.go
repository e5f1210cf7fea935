package dashboard

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/net/html"

	"tributary/internal/event"
	"tributary/internal/text"
)

// shown are the attributes that a person reads or hears.
func shown() []string {
	return []string{"aria-label", "title", "placeholder", "alt", "data-label", "data-system", "data-light", "data-dark", "news"}
}

// untold finds what a page in the pseudo-locale shows that no message says: letters outside of ⟦ and ⟧ which are not data,
// that is, within an element with translate="no".
func untold(t *testing.T, page string) []string {
	t.Helper()
	root, err := html.ParseWithOptions(strings.NewReader(page), html.ParseOptionEnableScripting(false))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	depth := 0
	look := func(s string) {
		var outside strings.Builder
		for _, r := range s {
			switch {
			case r == '⟦':
				depth++
			case r == '⟧':
				depth--
			case depth == 0:
				outside.WriteRune(r)
			}
		}
		if strings.ContainsFunc(outside.String(), unicode.IsLetter) {
			found = append(found, strings.Join(strings.Fields(outside.String()), " "))
		}
	}
	var walk func(n *html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.TextNode {
			look(n.Data)
		}
		if n.Type == html.ElementNode {
			if v, _ := attr(n, "translate"); v == "no" || n.Data == "script" || n.Data == "style" {
				return
			}
			for _, name := range shown() {
				if v, ok := attr(n, name); ok {
					around := depth
					depth = 0
					look(v)
					depth = around
				}
			}
		}
		for c := range n.ChildNodes() {
			walk(c)
		}
	}
	walk(root)
	if depth != 0 {
		found = append(found, "a ⟦ without its ⟧")
	}
	return found
}

func TestUntoldFindsWhatIsNotAMessage(t *testing.T) {
	t.Parallel()
	for page, want := range map[string][]string{
		`<title>⟦Ñéẋţ⟧ · 1</title><p title="⟦x⟧">⟦a <b>b</b> ⟦c⟧⟧ – 5 %</p>`: nil,
		`<p>⟦a⟧ plain</p>`: {"plain"},
		`<p><b>⟦a</b> b⟧ words <i title="hint">⟦c⟧</i></p>`:         {"words", "hint"},
		`<p translate="no">data <b title="data">x</b></p><p>⟦a</p>`: {"a ⟦ without its ⟧"},
		`<noscript><button>Apply</button></noscript>`:               {"Apply"},
		`<svg aria-label="chart"><text>day</text></svg>`:            {"chart", "day"},
	} {
		if got := untold(t, page); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", page, got, want)
		}
	}
}

// say fails the test for what a page shows that no message says.
func (r reply) say(t *testing.T, where string) {
	t.Helper()
	body := r.body
	if strings.HasPrefix(r.header.Get("Content-Type"), "text/csv") {
		body, _, _ = strings.Cut(strings.TrimPrefix(body, "\ufeff"), "\n")
	}
	for _, words := range untold(t, body) {
		t.Errorf("%s shows %q, which no message says", where, words)
	}
}

// saysAll sets the fields that a page shows of an order beside its lines.
func saysAll(s *event.Sale) {
	s.Goal, s.ReferralCode, s.Coupons, s.CustomerStatus, s.Country, s.Device = "lead", "MAYA20", []string{"VIP"}, "returning", "DE", "mobile"
	s.Shipping, s.ShippingTax, s.CartedAt, s.Metadata = 495, 94, 1_795_000_000_000_000, map[string]string{"plan": "yearly"}
	s.Path = []*event.Touch{{ClickId: "AQEA", Kind: uint32(event.PathClick)}}
}

// everything happens in a world that shows each kind of row and notice.
func (w *world) everything() targets {
	named := w.targets()
	w.river()
	w.clicks(w.link, w.now, 3)
	w.sub1, w.referrer = "newsletter", "blog.example"
	w.clicks(w.link, w.now.Add(-aDay), 2)
	whole := []*event.Refund{{WholeOrder: true}}
	w.order(sale{id: "late", link: w.link, at: w.now.Add(-5 * aDay), late: 3 * aDay, customer: "c-1", network: "192.0.2.0"})
	w.order(sale{id: "old", link: w.link, at: w.now.Add(-40 * aDay), currency: "EUR"})
	w.order(sale{id: "gone", link: w.memberLink, refunds: whole})
	w.order(sale{id: "waiting", noSale: true, refunds: whole})
	w.order(sale{id: "coupon", coupon: "AUTUMN", customer: "c-2"})
	w.order(sale{id: "card", link: w.link, lines: []*event.Line{{Number: 1, Sku: "G", Quantity: 1, Amount: 5000, Category: "gift cards"}}})
	w.order(sale{id: "tried", link: w.link, change: func(s *event.Sale) { s.Test = true }})
	w.order(sale{id: "told more", key: 7, change: saysAll, adds: func(s *event.Sale) { s.CustomerId = "c-3" }})
	odd := w.order(sale{id: "odd", link: w.link, refunds: []*event.Refund{{Items: []*event.RefundItem{{Line: 9, Quantity: 1}}}}})
	w.conflict(odd, sale{id: "odd", coupon: "OTHER", lines: []*event.Line{{Number: 1, Sku: "A-1", Quantity: 1, Amount: 1}}})
	return named
}

func TestEveryWordOfEveryPageIsAMessage(t *testing.T) {
	t.Parallel()
	full, bare := newWorld(t), newWorld(t)
	named := full.everything()
	for name, w := range map[string]*world{"full": full, "empty": bare} {
		w.server.text = text.Pseudo()
		for _, who := range everyoneWho() {
			t.Run(name+" "+who, func(t *testing.T) {
				t.Parallel()
				c := w.client()
				if who != "nobody" {
					c = w.as(who + "@example.net")
				}
				for _, r := range w.server.routes() {
					if path, _ := named.path(r.path); r.method == http.MethodGet {
						c.get(path).say(t, path+" for "+who)
					}
				}
			})
		}
	}
}

func TestEveryWordOfAnAnswerToAFormIsAMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	named := w.everything()
	w.server.text = text.Pseudo()
	program := number10(int64(w.program))
	for _, tc := range []struct {
		who, path string
		forms     []url.Values
	}{
		{"nobody", "/signin", []url.Values{{}, {"email": {strings.Repeat("a", 300)}}, {"email": {"site@example.net"}, "password": {"wrong"}}}},
		{"site", "/account/password", []url.Values{{"old": {"wrong"}}, {"old": {thePassword}, "new": {"short"}}, {"old": {thePassword}, "new": {thePassword}}}},
		{"site", "/partner/links", []url.Values{
			{"program": {program}, "target": {"https://elsewhere.example/"}},
			{"program": {program}, "target": {`http:\\alder.example`}},
			{"program": {program}, "code": {"no code!"}},
			{"program": {program}, "code": {"slow-kitchen"}},
			{"program": {program}, "label": {strings.Repeat("a", 201)}},
			{"program": {"999999"}},
			{"program": {program}, "code": {"a-new-one"}},
		}},
		{"site", "/partner/claims", []url.Values{
			{"program": {program}, "order": {" "}, "note": {strings.Repeat("a", 501)}, "click": {"A\u200b"}},
			{"program": {program}, "order": {"A-1"}, "note": {"again"}},
			{"program": {"999999"}, "order": {"A-1"}, "note": {"of another program"}},
			{"program": {program}, "order": {"A-2"}, "note": {"by mail"}},
		}},
		{"shop", "/merchant/claims/:claim", []url.Values{{"outcome": {"granted"}}, {"outcome": {"declined"}, "note": {"not theirs"}}, {"outcome": {"granted"}, "note": {"again"}}}},
		{"shop", "/merchant/claims/:claim/undo", []url.Values{{}, {}}},
		{"shop", "/merchant/orders/:order/disputes", []url.Values{
			{},
			{"dispute": {"dp"}, "amount": {"much"}},
			{"dispute": {"dp"}, "amount": {"99999"}},
			{"dispute": {"dp"}, "amount": {"5"}, "whole": {"yes"}},
			{"dispute": {"dp"}, "amount": {"5"}},
			{"dispute": {"dp"}, "whole": {"yes"}},
			{"settle": {"7"}, "state": {"won"}},
		}},
		{"shop", "/merchant/keys", []url.Values{{}, {"label": {"server"}}, {"label": {"another"}, "may": {"all"}}, {"label": {"another"}}, {"label": {"signer"}, "use": {"sign"}}}},
		{"shop", "/merchant/keys/:key/revoke", []url.Values{{}}},
		{"shop", "/merchant/coupons", []url.Values{
			{"program": {program}},
			{"program": {program}, "code": {"A\u200b"}, "kind": {"x"}, "exclusive": {"yes"}, "from": {"2020-01-01T00:00"}, "until": {"x"}},
			{"program": {program}, "code": {strings.Repeat("A", 65)}, "kind": {"code"}, "until": {"2020-01-01T00:00"}},
			{"program": {program}, "code": {"kitchen10"}, "kind": {"coupon"}},
			{"program": {program}, "code": {"WELCOME"}, "kind": {"coupon"}, "note": {"ours"}},
			{"program": {program}, "code": {"WELCOME"}, "kind": {"coupon"}},
		}},
		{"shop", "/merchant/coupons/file", []url.Values{
			{"program": {program}, "file": {"codes\n"}},
			{"program": {program}, "file": {"code,partner,exclusive,from\nKITCHEN10\nA,Nobody,perhaps,soon\nB,,,,,more\n\"C"}},
			{"program": {program}, "file": {"code,partner,exclusive\nKITCHEN11,The Slow Kitchen,yes"}},
		}},
		{"shop", "/merchant/coupons/:coupon/end", []url.Values{{"from": {"x"}, "leaked_from": {"2200-01-01T00:00"}}, {"leaked_from": {"2026-01-01T00:00"}, "note": {"leaked"}}, {}}},
		{"shop", "/merchant/manual", []url.Values{
			w.lineForm("1.234"), w.lineForm("0"), {"to": {"slow"}, "amount": {"5"}, "currency": {"GBP"}, "payer": {"merchant"}, "note": {"x"}}, {"to": w.lineForm("")["to"], "amount": {"5"}, "currency": {"GBP"}, "payer": {"merchant"}, "note": {" "}}, w.lineForm("5.00"), w.lineForm("500.00"),
		}},
		{"operator", "/network/customers", []url.Values{
			{"merchant": {"1"}, "customer": {"c-1"}, "to": {program + "-0"}},
			{"merchant": {"1"}, "customer": {"c-1"}, "to": {program + "-" + number10(int64(w.site))}, "from": {"2200-01-01T00:00"}, "note": {"x"}},
			{"merchant": {"1"}, "customer": {"c-1"}, "to": {program + "-0"}, "from": {"2026-01-01T00:00"}, "note": {"x"}},
		}},
		{"shop", "/merchant/programs/:program/terms", []url.Values{
			{},
			{
				"from": {"2020-01-01T00:00"}, "notice_days": {"x"}, "window": {"x"}, "window_unit": {"d"}, "hold": {"1"}, "hold_unit": {"d"}, "currency": {"GBP"}, "goals": {"trial"},
				"rule0_to": {"partner"}, "rule0_percent": {"200"}, "rule0_fixed": {"x"}, "rule0_goal": {"trial"}, "rule0_months": {"0"}, "rule1_to": {"customer"}, "rule1_points": {"yes"},
				"period0_measure": {"count"}, "period0_pays": {"marginal"}, "period0_tier0_from": {"x"}, "period1_measure": {"revenue"}, "period1_pays": {"cap"}, "period1_cap": {"x"},
				"example_amount": {"x"}, "do": {"price"},
			},
			{
				"from": {"2200-01-01T00:00"}, "notice_days": {"14"}, "needs_acceptance": {"yes"}, "click": {"yes"}, "hold": {"1"}, "hold_unit": {"d"}, "currency": {"GBP"},
				"rule0_to": {"partner"}, "rule0_percent": {"8"}, "rule1_to": {"customer"}, "rule1_points": {"yes"}, "rule1_fixed": {"5"}, "rule2_to": {"recruiter"}, "rule2_of": {"commission"}, "rule2_percent": {"1"},
				"rule3_to": {"partner"}, "rule3_fixed": {"1"}, "rule3_goods": {"sku"}, "rule3_value": {"A"}, "period0_measure": {"count"}, "period0_length": {"day"}, "period0_pays": {"cap"}, "period0_cap": {"1"}, "period0_name": {"cap"},
				"example_amount": {"9"}, "example_sku": {"A"}, "example_orders": {"3"},
			},
			{"from": {"2200-01-01T00:00"}, "click": {"yes"}, "hold": {"1"}, "hold_unit": {"d"}, "rule0_to": {"partner"}, "rule0_percent": {"8"}, "do": {"simulate"}, "simulate_from": {"2026-01-01"}, "simulate_to": {"2026-12-31"}},
			{"from": {"2200-01-01T00:00"}, "click": {"yes"}, "hold": {"1"}, "hold_unit": {"d"}, "rule0_to": {"partner"}, "rule0_percent": {"8"}, "do": {"simulate"}, "simulate_from": {"2026-01-01"}, "simulate_to": {"x"}},
			{"from": {"2200-01-01T00:00"}, "as": {"text"}, "document": {`{"schema":1}`}},
			{"from": {"2200-01-01T00:00"}, "as": {"text"}, "document": {`{"schema":1,"attribution":{"touches":{"click":{}}},"hold":"0d","network_fee":0,"signs":["x"],"zero":[{"code":"x"}],"rules":[]}`}},
			{"from": {"2200-01-01T00:00"}, "as": {"text"}, "do": {"form"}, "document": {`{"schema":1,"attribution":{"touches":{"click":{"min_age":"1s"}}},"hold":"0d","network_fee":0,"zero":[{"where":{"coupon":"A"},"code":"x"}],"rules":[{"where":{"device":"mobile"},"pay":{"percent":0}}]}`}},
		}},
	} {
		c := w.client()
		if tc.who != "nobody" {
			c = w.as(tc.who + "@example.net")
		}
		path, _ := named.path(tc.path)
		for _, form := range tc.forms {
			got := c.post(path, form)
			got.say(t, path+" "+form.Encode())
			if to := got.header.Get("Location"); to != "" {
				c.get(to).say(t, to+" after "+path)
			}
		}
	}
	for _, path := range []string{"/partner/commissions?state=none", "/partner/commissions?q=nothing", "/partner/links?after=x&from=1", "/partner?from=2026-01-01", "/nowhere"} {
		w.as("site@example.net").get(path).say(t, path)
	}
}
