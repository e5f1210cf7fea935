package dashboard

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"tributary/commission"
	"tributary/internal/event"
	"tributary/report"
)

// pagesOf are the pages of somebody, by address; orders have the same page for partners and merchants.
func (w *world) pagesOf(email string, who audience, named targets) map[string]reply {
	c := w.as(email)
	pages := map[string]reply{}
	for _, r := range w.server.routes() {
		if r.method == http.MethodGet && r.who == who && !strings.HasSuffix(r.path, ".csv") {
			path, _ := named.path(r.path)
			pages[path] = c.page(path)
		}
	}
	return pages
}

// find gives the elements of a page that satisfy.
func (r reply) find(t *testing.T, satisfies func(n *html.Node) bool) []*html.Node {
	t.Helper()
	root, err := html.Parse(strings.NewReader(r.body))
	if err != nil {
		t.Fatal(err)
	}
	var list []*html.Node
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && satisfies(n) {
			list = append(list, n)
		}
	}
	return list
}

func attr(n *html.Node, name string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

// holder is the nearest element around one that satisfies, or nil.
func holder(n *html.Node, satisfies func(n *html.Node) bool) *html.Node {
	for p := n.Parent; p != nil; p = p.Parent {
		if satisfies(p) {
			return p
		}
	}
	return nil
}

// On paper a page says what it is, whose, and from when; its icons have names, and its dialogs open on what changes nothing.
func TestEveryPageCanBePrintedNamedAndLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	named := w.targets()
	dialogs := 0
	for _, person := range []struct {
		email, of string
		who       audience
	}{
		{"site@example.net", "The Slow Kitchen", partnerOnly},
		{"shop@example.net", "Alder & Finch", merchantOnly},
		{"operator@example.net", "Network", operatorOnly},
	} {
		for path, page := range w.pagesOf(person.email, person.who, named) {
			paper := page.find(t, func(n *html.Node) bool { class, _ := attr(n, "class"); return class == "print-only" })
			title := regexp.MustCompile(`<title>(.*) · Tributary</title>`).FindStringSubmatch(page.body)
			if len(paper) != 1 || title == nil {
				t.Fatalf("%s has %d headings for paper", path, len(paper))
			}
			want := regexp.MustCompile(`^Tributary · ` + regexp.QuoteMeta(person.of) + ` · ` + regexp.QuoteMeta(html.UnescapeString(title[1])) + ` · \d+ \w{3} \d{4}, \d\d:\d\d:\d\d UTC$`)
			if text := words(paper[0]); !want.MatchString(text) {
				t.Errorf("%s is printed under %q, want %s", path, text, want)
			}
			for _, n := range page.find(t, isIconButton) {
				label, _ := attr(n, "aria-label")
				tip, _ := attr(n, "title")
				if label == "" || tip != label || !strings.HasPrefix(label, words(n)) || words(n) == "" {
					t.Errorf("%s: an icon is labelled %q, says %q and shows %q", path, label, tip, words(n))
				}
			}
			for _, n := range page.find(t, func(n *html.Node) bool { _, ok := attr(n, "popover"); return ok && !isNavigation(n) }) {
				dialogs++
				checkDialog(t, path, page, n)
			}
		}
	}
	if dialogs != 2 {
		t.Errorf("%d dialogs", dialogs)
	}
}

func isIconButton(n *html.Node) bool {
	class, _ := attr(n, "class")
	return slices.Contains(strings.Fields(class), "icon-btn")
}

// isNavigation tells that an element is the rail, which opens on a phone, or the look-up: they ask nothing.
func isNavigation(n *html.Node) bool {
	id, _ := attr(n, "id")
	return id == "rail" || id == "finder"
}

func checkDialog(t *testing.T, path string, page reply, dialog *html.Node) {
	t.Helper()
	id, _ := attr(dialog, "id")
	named, _ := attr(dialog, "aria-labelledby")
	if role, _ := attr(dialog, "role"); role != "dialog" || !strings.Contains(page.body, `<h2 id="`+named+`">`) {
		t.Errorf("%s: the dialog %s has the role %q and the name %q", path, id, role, named)
	}
	var focused []*html.Node
	for n := range dialog.Descendants() {
		if _, ok := attr(n, "autofocus"); ok {
			focused = append(focused, n)
		}
	}
	if len(focused) != 1 {
		t.Fatalf("%s: %d elements of the dialog %s want the focus", path, len(focused), id)
	}
	kind, _ := attr(focused[0], "type")
	does, _ := attr(focused[0], "popovertargetaction")
	if kind != "button" || does != "hide" {
		t.Errorf("%s: the dialog %s opens on a button of type %q that does %q", path, id, kind, does)
	}
}

// words is the text of an element.
func words(n *html.Node) string {
	var list []string
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			list = append(list, strings.Fields(d.Data)...)
		}
	}
	return strings.Join(list, " ")
}

// A filter offers the states that a credit can have, and no other.
func TestFiltersOfferTheStatesThatOccur(t *testing.T) {
	t.Parallel()
	occur, noon := map[string]bool{}, time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	for _, gross := range []int64{0, 100} {
		for _, net := range []int64{0, gross} {
			for _, until := range []time.Time{noon.Add(-time.Hour), noon} {
				for _, c := range []commission.Credit{{}, {Held: true}, {Declined: true}} {
					c.Gross, c.Net, c.HoldUntil = gross, net, noon
					occur[string(c.State(until))] = true
				}
			}
		}
	}
	offered := report.States()
	for _, s := range offered {
		if !occur[s] {
			t.Errorf("%q is offered and never occurs", s)
		}
		delete(occur, s)
	}
	if len(occur) > 0 {
		t.Errorf("%v occur and are not offered", occur)
	}
	w := newWorld(t)
	w.order(sale{id: "A-1", link: w.link})
	page := w.as("site@example.net").page("/partner/commissions")
	options := page.find(t, func(n *html.Node) bool {
		return n.Data == "option" && holder(n, func(p *html.Node) bool { id, _ := attr(p, "id"); return id == "state" }) != nil
	})
	var got []string
	for _, o := range options {
		value, _ := attr(o, "value")
		got = append(got, value)
	}
	if !slices.Equal(got, append([]string{""}, offered...)) || len(page.rows()) != 1 {
		t.Errorf("the page offers %q and lists %q", got, page.rows())
	}
}

// Amounts of different currencies cannot be compared: "Largest first" sorts within each, over the end of a page too.
func TestLargestFirstSortsWithinACurrency(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bulk = true
	type of struct {
		currency string
		amount   int64
	}
	want := map[string]of{}
	for i := range report.PageSize + 10 {
		o := of{[]string{"GBP", "EUR"}[i%2], int64(1000 + i*i%37*100)}
		id := "o-" + number10(int64(i))
		want[id] = o
		w.order(sale{
			id: id, link: w.link, currency: o.currency, at: w.now.Add(-time.Duration(i) * time.Minute),
			lines: []*event.Line{{Number: 1, Quantity: 1, Amount: o.amount, Category: "home"}},
		})
	}
	c := w.as("site@example.net")
	var listed []of
	pages := 0
	for path := "/partner/commissions?sort=largest"; path != "" && pages < 5; pages++ {
		page := c.page(path)
		for _, id := range page.rows() {
			listed = append(listed, want[id])
			delete(want, id)
		}
		path = page.next()
	}
	if len(want) > 0 || pages != 2 {
		t.Errorf("%d pages leave %v out", pages, want)
	}
	for i := range listed[1:] {
		a, b := listed[i], listed[i+1]
		if a.currency > b.currency || a.currency == b.currency && a.amount < b.amount {
			t.Errorf("%v comes before %v", a, b)
		}
	}
}

func TestAPageIsWithinTheInnermostTab(t *testing.T) {
	t.Parallel()
	for _, fact := range []struct {
		who        audience
		path, want string
	}{
		{"operator", "/network", "/network"},
		{"operator", "/network/late", "/network"},
		{"operator", "/network/health", "/network/health"},
		{"merchant", "/merchant/orders/7", "/merchant/orders"},
		{"merchant", "/merchant/ordersome", "/merchant"},
		{"partner", "/partner", "/partner"},
		{"partner", "/account", ""},
		{"operator", "/networks", ""},
	} {
		if got := tabOf(fact.who, fact.path); got != fact.want {
			t.Errorf("%s on %s is within %q, want %q", fact.who, fact.path, got, fact.want)
		}
	}
}

// A row of which nothing is left, since another credit took its place, is found by its order or its state, and not listed among the rest.
func TestWhatIsGoneIsNotListed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.order(sale{id: "STAYS", link: w.link})
	gone := w.order(sale{id: "GONE", link: w.link})
	w.must1(w.owner.Exec(t.Context(), `UPDATE commission SET state = 'declined', lines = 0, revenue = 0, refunded = 0, gross = 0, net = 0, fee = 0, pending = 0, payable = 0 WHERE order_no = $1`, gone))
	c := w.as("site@example.net")
	for query, want := range map[string]string{"": "STAYS", "?state=declined": "GONE", "?q=gone": "GONE"} {
		rows := c.page("/partner/commissions" + query).rows()
		if len(rows) != 1 || !strings.Contains(rows[0], want) {
			t.Errorf("%q lists %q, want %s alone", query, rows, want)
		}
		if filed, _ := c.filed(t, "/partner/commissions.csv"+query, []string{"order"}, "commission"); filed != 1 {
			t.Errorf("%q files %d", query, filed)
		}
	}
}
