package dashboard

import (
	"encoding/csv"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"tributary/internal/event"
	"tributary/partners"
)

// customersWorld has customers whom a site, a member and nobody brought, some of whom came back; and orders that are in no figure.
func customersWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.bulk = true
	links := []*partners.Link{w.link, w.memberLink, nil}
	for i := range int64(90) {
		customer, first := "c-"+number10(i), w.now.Add(-time.Duration(i+1)*18*time.Hour)
		w.order(sale{id: "first-" + number10(i), link: links[i%3], customer: customer, at: first, lines: []*event.Line{{Number: 1, Quantity: 1, Amount: 1000 + 10*i, Category: "books"}}})
		for again := range i % 4 {
			w.order(sale{id: "again-" + number10(i) + "-" + number10(again), link: links[again%3], customer: customer, at: first.Add(time.Duration(again+1) * 9 * time.Hour)})
		}
	}
	w.order(sale{id: "nameless", link: w.link})
	w.order(sale{id: "a-lead", link: w.link, customer: "lead", change: func(s *event.Sale) { s.Goal = "lead" }})
	w.order(sale{id: "euro", link: w.link, customer: "c-1", currency: "EUR", at: w.now.Add(-400 * aDay)})
	w.order(sale{id: "theirs", merchant: w.rival, customer: "c-1", currency: "USD", link: w.foreign, at: w.now.Add(-aDay)})
	w.flush()
	return w
}

// The law of drilling down: the list behind a count has that many rows, and so has its file.
func TestTheListBehindACountHasThatManyRows(t *testing.T) {
	t.Parallel()
	w := customersWorld(t)
	shop, operator := w.as("shop@example.net"), w.as("operator@example.net")
	for _, of := range []struct {
		c    *client
		path string
	}{
		{shop, "/merchant/customers?days=30&currency=GBP"},
		{shop, "/merchant/customers?days=all&currency=GBP&by=partner"},
		{shop, "/merchant/customers/returning?days=90&currency=GBP"},
		{shop, "/merchant/customers/segments?currency=GBP"},
		{operator, "/network/merchants/customers/segments?currency=GBP"},
	} {
		counted, seen := 0, map[string]bool{}
		page := of.c.page(of.path)
		for _, a := range page.find(t, func(n *html.Node) bool {
			to, _ := attr(n, "href")
			return n.Data == "a" && (strings.Contains(to, "/list?") || strings.Contains(to, "/orders?"))
		}) {
			to, _ := attr(a, "href")
			figure := firstNumber(words(a))
			if drawn := holder(a, func(p *html.Node) bool { return p.Data == "svg" }) != nil; drawn || figure == "" || strings.Contains(words(a), "%") || seen[to] {
				continue
			}
			seen[to] = true
			counted++
			rows, _ := of.c.listed(t, to, "tr", "")
			path, query, _ := strings.Cut(to, "?")
			filed := len(of.c.page(path+".csv?"+query).records(t)) - 1
			if got := [2]string{number10(int64(rows)), number10(int64(filed))}; got != [2]string{figure, figure} {
				t.Errorf("%s: %q leads to rows and lines %v of %s", of.path, words(a), got, to)
			}
		}
		if counted < 4 {
			t.Errorf("%s has %d counts with a list", of.path, counted)
		}
	}
}

// firstNumber is the number in a text.
func firstNumber(text string) string {
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return (r < '0' || r > '9') && r != ',' }) {
		if strings.Trim(word, ",") != "" {
			return word
		}
	}
	return ""
}

func TestNewCustomersAreThoseWhoHadNotOrdered(t *testing.T) {
	t.Parallel()
	w := customersWorld(t)
	shop := w.as("shop@example.net")
	for path, want := range map[string][2]string{ // the first row of the file: customers, and who came again
		"days=all&currency=GBP":                                               {"90", "67"},
		"days=all&currency=GBP&source=member":                                 {"30", "22"},
		"days=all&currency=GBP&source=nobody":                                 {"30", "23"},
		"days=all&currency=EUR":                                               {"1", "0"},
		"days=all&currency=GBP&by=partner&partner=" + number10(int64(w.site)): {"30", "22"},
		"days=all&currency=GBP&by=link&link=" + number10(int64(w.link.ID)):    {"30", "22"},
		"days=all&currency=GBP&program=" + number10(int64(w.other)):           {"0", "0"},
		"days=all&currency=GBP&by=group&group=none":                           {"0", "0"},
	} {
		row := firstRow(t, shop.page("/merchant/customers.csv?"+path))
		if got := [2]string{row["new_customers"], row["again"]}; got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
	shop.page("/merchant/customers?days=all&currency=GBP").holds(t, "30 through members", "33.3%", "1 order in this currency names no customer", "Not compared with the books yet")
	w.as("rival@example.net").page("/merchant/customers?days=all&currency=USD").holds(t, "0 of 1", "Sites")
	if got := shop.get("/merchant/customers?merchant=" + number10(int64(w.rival))); got.status != http.StatusNotFound {
		t.Errorf("a merchant who names another gets %d", got.status)
	}
}

// firstRow is the first row of a file by its heading.
func firstRow(t *testing.T, r reply) map[string]string {
	t.Helper()
	records, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(r.body, "\ufeff"))).ReadAll()
	if err != nil || len(records) < 2 {
		t.Fatalf("%v in %q", err, r.body)
	}
	row := map[string]string{}
	for i, name := range records[0] {
		row[name] = records[1][i]
	}
	return row
}

// A partner sees the first orders credited to them alone, and of a customer who had ordered through another they see none.
func TestAPartnerSeesTheirOwnNewCustomersAlone(t *testing.T) {
	t.Parallel()
	w := customersWorld(t)
	for who, want := range map[string]int{"site@example.net": 31, "member@example.net": 30, "outsider@example.net": 1} { // one of the site's is in EUR
		c := w.as(who)
		records := c.page("/partner/customers.csv?days=all").records(t)
		if len(records)-1 != want {
			t.Errorf("%s has %d new customers, want %d", who, len(records)-1, want)
		}
		for _, r := range records[1:] {
			if strings.HasPrefix(r[0], "again-") {
				t.Errorf("%s: %s was no first order", who, r[0])
			}
		}
	}
}
