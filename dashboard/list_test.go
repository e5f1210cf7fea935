package dashboard

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"tributary/internal/event"
	"tributary/report"
)

// within gives what an element of a page says; empty where the page has none.
func (r reply) within(t *testing.T, name string) string {
	t.Helper()
	for _, n := range r.find(t, func(n *html.Node) bool { return n.Data == name }) {
		return words(n)
	}
	return ""
}

// The foot of a list adds up all of what its filter leaves, also what stands on other pages.
func TestAListAddsUpAllOfItsRows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bulk = true
	for i := range report.PageSize + 4 {
		currency := []string{"GBP", "EUR"}[i%2]
		w.order(sale{
			id: "sum-" + number10(int64(i)), link: w.link, currency: currency, at: w.now.Add(-time.Duration(i) * time.Minute),
			lines: []*event.Line{{Number: 1, Quantity: 1, Amount: 10_000, Category: "home"}},
		})
	}
	for _, fact := range []struct{ who, path, says string }{
		{"site", "/partner/commissions", "Sum of all 54 rows GBP 243.00 EUR 243.00"}, // 9 % of 27 orders of 100.00 each
		{"site", "/partner/commissions?currency=EUR", "Sum of all 27 rows EUR 243.00"},
		{"site", "/partner/commissions?q=sum-7", "Sum of 1 row EUR 9.00"},
		{"shop", "/merchant/orders", "Sum of all 54 rows GBP 2,700.00 EUR 2,700.00 GBP 243.00 EUR 243.00"},
		{"shop", "/merchant/orders?q=sum-7", "Sum of 1 row EUR 100.00 EUR 9.00"},
		{"shop", "/merchant/orders?q=nothing", ""},
	} {
		page := w.as(fact.who + "@example.net").page(fact.path)
		if got := page.within(t, "tfoot"); got != fact.says {
			t.Errorf("%s adds up to %q, want %q", fact.path, got, fact.says)
		}
		if fact.says != "" && !strings.Contains(page.body, strings.Replace(fact.path, "?", ".csv?", 1)) && !strings.Contains(page.body, fact.path+".csv") {
			t.Errorf("%s does not lead to its file", fact.path)
		}
	}
}

// A heading sorts by its column, down at first, and says how the list is sorted.
func TestHeadingsSortAList(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.order(sale{id: "first", link: w.link, at: w.now.Add(-2 * time.Hour)})
	w.order(sale{id: "last", link: w.link, at: w.now.Add(-time.Hour)})
	for _, fact := range []struct{ who, path, sorted, leads string }{
		{"site", "/partner/commissions", "descending Ordered", "/partner/commissions?sort=oldest /partner/commissions?sort=largest"},
		{"site", "/partner/commissions?sort=oldest&state=pending", "ascending Ordered", "/partner/commissions?sort=newest&state=pending /partner/commissions?sort=largest&state=pending"},
		{"site", "/partner/commissions?sort=largest", "descending Commission", "/partner/commissions?sort=newest"},
		{"shop", "/merchant/partners?days=7", "descending Orders", "/merchant/partners?days=7&sort=name /merchant/partners?days=7&sort=clicks"},
		{"shop", "/merchant/partners?days=7&sort=name", "ascending Partner", "/merchant/partners?days=7&sort=clicks /merchant/partners?days=7&sort=orders"},
		{"shop", "/merchant", "", ""},
	} {
		c := w.as(fact.who + "@example.net")
		page := c.page(fact.path)
		var sorted, leads []string
		for _, th := range page.find(t, func(n *html.Node) bool { return n.Data == "th" }) {
			if is, ok := attr(th, "aria-sort"); ok {
				sorted = append(sorted, is+" "+words(th))
			}
			for a := range th.Descendants() {
				if href, ok := attr(a, "href"); ok {
					leads = append(leads, href)
					c.page(href)
				}
			}
		}
		if strings.Join(sorted, ", ") != fact.sorted || strings.Join(leads, " ") != fact.leads {
			t.Errorf("%s is sorted %q and leads to %q", fact.path, sorted, leads)
		}
	}
}
