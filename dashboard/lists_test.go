package dashboard

import (
	"cmp"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v4"
	"golang.org/x/net/html"

	"tributary/dashboard/export"
	"tributary/internal/event"
	"tributary/internal/postgres"
	"tributary/internal/text"
	"tributary/partners"
	"tributary/partners/program"
)

// sums are amounts added up by currency, in minor units.
type sums map[string]int64

// add adds an amount as it is written on a page or in a file: "-1,234.50".
func (s sums) add(t *testing.T, currency, figures string) {
	t.Helper()
	if figures == "" {
		return
	}
	minor, err := strconv.ParseInt(strings.NewReplacer(",", "", ".", "").Replace(figures), 10, 64)
	if err != nil {
		t.Fatalf("%q %q: %v", currency, figures, err)
	}
	if minor != 0 {
		s[currency] += minor
	}
}

func hasClass(n *html.Node, name string) bool {
	class, _ := attr(n, "class")
	return slices.Contains(strings.Fields(class), name)
}

// inList tells whether an element is of the page's list, and not of another table or of the list's sums.
func inList(n *html.Node) bool {
	return holder(n, func(p *html.Node) bool { return p.Data == "tfoot" }) == nil && holder(n, func(p *html.Node) bool { id, _ := attr(p, "id"); return id == "results" }) != nil
}

// listed adds up the cells of a label in the list of a page and of all that follow it, and counts their entries.
func (c *client) listed(t *testing.T, path, entry, label string) (n int, total sums) {
	t.Helper()
	total = sums{}
	for pages := 0; path != "" && pages < 20; pages++ {
		page := c.page(path)
		n += len(page.find(t, func(n *html.Node) bool {
			return n.Data == entry && inList(n) && (entry != "tr" || n.Parent.Data == "tbody")
		}))
		for _, money := range page.find(t, func(n *html.Node) bool { return hasClass(n, "money") && inList(n) }) {
			cell := holder(money, func(p *html.Node) bool { return p.Data == "td" })
			if of, _ := attr(cell, "data-label"); of == label {
				currency, figures, _ := strings.Cut(words(money), " ")
				total.add(t, currency, figures)
			}
		}
		path = page.next()
	}
	return n, total
}

// filed does the same for a file: its entries are told apart by the columns of key.
func (c *client) filed(t *testing.T, path string, key []string, column string) (n int, total sums) {
	t.Helper()
	records := c.page(path).records(t)
	at := func(name string) int { return slices.Index(records[0], name) }
	entries, total := map[string]bool{}, sums{}
	for _, r := range records[1:] {
		var id []string
		for _, name := range key {
			id = append(id, r[at(name)])
		}
		entries[strings.Join(id, "\x00")] = true
		if column != "" {
			total.add(t, r[at("currency")], r[at(column)])
		}
	}
	return len(entries), total
}

// listWorld has lists of more than one page, in which amounts of every kind occur.
func listWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	second := w.newLink(w.program, w.site, "second", "Second")
	w.learn()
	w.bulk = true
	for _, order := range []string{"o-3", "o-7", "nowhere"} {
		w.claim(order)
	}
	for i := range int64(64) {
		at := w.now.Add(-time.Duration(i) * 14 * time.Hour)
		o := sale{
			id: "o-" + number10(i), link: []*partners.Link{w.link, w.memberLink, second, nil}[i%4], at: at, currency: []string{"GBP", "EUR"}[i%5/3],
			lines: []*event.Line{{Number: 1, Quantity: 1, Amount: 1000 + 137*i, Category: []string{"books", "home", "gift cards"}[i%3]}},
		}
		if i%7 == 0 {
			o.refunds = []*event.Refund{{Amount: 300 + i}}
		}
		if i%9 == 0 {
			o.late = 3 * aDay
		}
		if i%20 == 19 {
			o.noSale, o.refunds = true, []*event.Refund{{Amount: 100}}
		}
		if i%13 == 5 {
			o.refunds = []*event.Refund{{Amount: 99_999}}
		}
		no := w.order(o)
		w.seen(no, o.id, "c-"+number10(i%60), at, `{"nth":1}`)
		w.seen(no, o.id, "often", at, `{"nth":1}`)
		if i%3 == 0 && !o.noSale {
			w.conflict(no, sale{id: o.id, at: at, currency: "USD"})
		}
	}
	w.order(sale{id: "theirs", merchant: w.rival, currency: "USD", link: w.foreign, at: w.now.Add(-aDay), late: 3 * aDay})
	for i := range int64(70) {
		w.period([]*partners.Link{w.memberLink, w.link, w.link, w.link, w.link}[i%5], []string{"GBP", "EUR"}[i%2], time.March-time.Month(i), 30_000+137*i)
	}
	w.period(w.foreign, "USD", time.March, 30_000)
	w.clicks(w.link, w.now.Add(-aDay), 5)
	w.flush()
	w.must(postgres.InTx(t.Context(), w.owner, func(tx pgx.Tx) error {
		list := make([]partners.NewCoupon, 70)
		for i := range list {
			list[i] = partners.NewCoupon{Code: "CODE" + number10(int64(i)), Partner: []program.PartnerID{w.site, 0}[i%2]}
		}
		_, err := partners.AddCoupons(t.Context(), tx, w.program, "a test", list)
		return err
	}))
	for amount := range int64(70) {
		w.enterLine("shop@example.net", 100+amount)
	}
	w.takeLines()
	w.disputeAll()
	w.refuse(w.shop, 70)
	w.refuse(w.rival, 1)
	_, _, err := partners.IssueKey(t.Context(), w.owner, w.shop, "server", partners.Reporting)
	w.must(err)
	return w
}

// Each page of a list and its file come from one read: as many entries, and the same sums by currency.
func TestEachPagesRowsAreThoseOfItsFile(t *testing.T) {
	t.Parallel()
	w := listWorld(t)
	people := map[string]*client{}
	for _, who := range []string{"site", "shop", "operator"} {
		people[who] = w.as(who + "@example.net")
	}
	tested := map[string]bool{
		"/partner/days.csv": true, "/merchant/days.csv": true, // TestEachDayIsThatOfItsFile
		"/partner/customers.csv":            true,                                             // TestAPartnerSeesTheirOwnNewCustomersAlone
		"/partner/periods/:period/over.csv": true, "/merchant/periods/:period/over.csv": true, // TestOrdersOverACapAreListed
	}
	for _, tc := range []struct {
		who, path, query string
		entry            string   // element of an entry, a row where empty
		key              []string // columns that tell entries of the file apart
		label, column    string   // of an amount
	}{
		{"site", "/partner/commissions", "", "", []string{"order"}, "Commission", "commission"},
		{"site", "/partner/commissions", "sort=largest&state=pending", "", []string{"order"}, "Order amount", "order_amount"},
		{"site", "/partner/links", "days=90", "", []string{"link"}, "Earned", "earned"},
		{"site", "/partner/periods", "", "", []string{"period"}, "Amount", "amount"},
		{"shop", "/merchant/periods", "", "", []string{"period"}, "Amount", "amount"},
		{"shop", "/merchant/orders", "", "", []string{"order"}, "Amount", "amount"},
		{"shop", "/merchant/orders", "outcome=credited", "", []string{"order"}, "Commission", "commission"},
		{"shop", "/merchant/orders", "oddity=over_refund", "", []string{"order"}, "Amount", "amount"},
		{"shop", "/merchant/partners", "days=90", "", []string{"partner"}, "Revenue", "revenue"},
		{"shop", "/merchant/partners", "days=7&sort=name", "", []string{"partner"}, "Commission", "commission"},
		{"shop", "/merchant/partners", "days=30&sort=clicks", "", []string{"partner"}, "Cost with fee", "cost"},
		{"shop", "/merchant/conflicts", "", "article", []string{"order", "refund", "received_at"}, "", ""},
		{"shop", "/merchant/refusals", "", "", []string{"number"}, "", ""},
		{"shop", "/merchant/refusals", "code=invalid_conversion", "", []string{"number"}, "", ""},
		{"shop", "/merchant/review", "", "", []string{"order"}, "", ""},
		{"operator", "/network/review", "", "", []string{"merchant", "order"}, "", ""},
		{"shop", "/merchant/disputes", "state=open", "", []string{"dispute"}, "Disputed", "disputed"},
		{"operator", "/network/disputes", "", "", []string{"merchant", "order", "dispute"}, "Disputed", "disputed"},
		{"site", "/partner/claims", "", "", []string{"claim"}, "", ""},
		{"shop", "/merchant/claims", "outcome=open", "", []string{"claim"}, "", ""},
		{"shop", "/merchant/coupons", "state=to_come", "", []string{"code"}, "", ""},
		{"site", "/partner/manual", "", "", []string{"line"}, "Amount", "amount"},
		{"shop", "/merchant/manual", "", "", []string{"line"}, "Amount", "amount"},
		{"operator", "/network/manual", "state=posted", "", []string{"line"}, "Amount", "amount"},
		{"site", "/partner/people", "", "", []string{"person"}, "", ""},
		{"shop", "/merchant/people", "q=shop", "", []string{"person"}, "", ""},
		{"operator", "/network/people", "", "", []string{"person"}, "", ""},
		{"site", "/partner/audit", "", "", []string{"entry"}, "", ""},
		{"shop", "/merchant/audit", "kind=session", "", []string{"entry"}, "", ""},
		{"operator", "/network/audit", "q=example.net", "", []string{"entry"}, "", ""},
		{"site", "/partner/coupons", "kind=coupon", "", []string{"code"}, "", ""},
		{"operator", "/network", "days=90", "", []string{"merchant"}, text.English().NetworkCosts(), "cost"},
		{"operator", "/network/partners", "", "", []string{"partner", "program"}, "", ""},
		{"operator", "/network/partners", "state=approved&q=kitchen", "", []string{"partner", "program"}, "", ""},
		{"operator", "/network/customers", "", "", []string{"customer"}, "", ""},
		{"operator", "/network/customers", "merchant=" + number10(int64(w.shop)) + "&customer=often", "", []string{"order"}, "Amount", "amount"},
		{"operator", "/network/late", "", "", []string{"merchant", "order"}, "Amount", "amount"},
		{"operator", "/network/late", "merchant=" + number10(int64(w.shop)), "", []string{"merchant", "order"}, "Commission", "commission"},
	} {
		tested[tc.path+".csv"] = true
		c := people[tc.who]
		listed, shown := c.listed(t, tc.path+"?"+tc.query, cmp.Or(tc.entry, "tr"), tc.label)
		filed, written := c.filed(t, tc.path+".csv?"+tc.query, tc.key, tc.column)
		if listed != filed || listed == 0 || !maps.Equal(shown, written) || tc.label != "" && len(shown) == 0 {
			t.Errorf("%s?%s: the page has %d entries of %v, the file %d of %v", tc.path, tc.query, listed, shown, filed, written)
		}
	}
	for _, r := range w.server.routes() {
		ofCustomers := strings.HasPrefix(r.path, merchantCustomers) || strings.HasPrefix(r.path, networkCustomers) // TestTheListBehindACountHasThatManyRows
		if strings.HasSuffix(r.path, ".csv") && !tested[r.path] && !ofCustomers {
			t.Errorf("%s is not compared with its page", r.path)
		}
	}
}

// The days beside a chart are those of its file, figure by figure.
func TestEachDayIsThatOfItsFile(t *testing.T) {
	t.Parallel()
	w := listWorld(t)
	for who, path := range map[string]string{"site": "/partner", "shop": "/merchant"} {
		c := w.as(who + "@example.net")
		page := c.page(path + "?days=90&currency=EUR")
		records := c.page(path + "/days.csv?days=90&currency=EUR").records(t)[1:]
		rows := page.find(t, func(n *html.Node) bool {
			return n.Data == "tr" && n.Parent.Data == "tbody" && holder(n, func(p *html.Node) bool { return hasClass(p, "figures") }) != nil
		})
		if len(rows) != 90 || len(records) != 90 {
			t.Fatalf("%s: %d days on the page, %d in the file", path, len(rows), len(records))
		}
		earned := sums{}
		for i, row := range rows {
			var figures []string
			for cell := range row.ChildNodes() {
				if cell.Type == html.ElementNode {
					figures = append(figures, strings.ReplaceAll(words(cell), ",", ""))
				}
			}
			date, err := time.Parse("2 Jan 2006", figures[0])
			w.must(err)
			figures[0] = date.Format(time.DateOnly)
			if !slices.Equal(figures, records[i][:4]) || records[i][4] != "EUR" {
				t.Errorf("%s: the page has %q, the file %q", path, figures, records[i])
			}
			earned.add(t, "EUR", records[i][3])
		}
		if earned["EUR"] == 0 {
			t.Errorf("%s: nothing was earned", path)
		}
	}
}

// Where a figure leads to a list, the list has as many entries, and so has its file.
func TestAFigureLeadsToAsManyEntries(t *testing.T) {
	t.Parallel()
	w := listWorld(t)
	shop, operator := w.as("shop@example.net"), w.as("operator@example.net")
	for _, tc := range []struct {
		who    *client
		page   string
		figure string   // finds the figure in what a person reads
		link   []string // are in the address it leads to
	}{
		{shop, "/merchant?days=7", `(\d+) orders reported more than 48 hours`, []string{"/merchant/orders?", "oddity=late"}},
		{shop, "/merchant?days=90", `(\d+) orders reported more than 48 hours`, []string{"/merchant/orders?", "oddity=late"}},
		{shop, "/merchant/orders", `(\d+) orders only known by a refund`, []string{"/merchant/orders?", "outcome=awaiting_sale"}},
		{shop, "/merchant/conflicts", `Refunds of (\d+) orders asked for something`, []string{"/merchant/orders?", "oddity=over_refund"}},
		{operator, "/network?days=7&q=alder", `Alder & Finch \d+ \d+ \d+ \d+ (\d+)`, []string{"/network/late?", "merchant=" + number10(int64(w.shop))}},
		{operator, "/network?days=90&q=kestrel", `Kestrel Outdoor \d+ \d+ \d+ \d+ (\d+)`, []string{"/network/late?", "merchant=" + number10(int64(w.rival))}},
	} {
		page := tc.who.page(tc.page)
		found := regexp.MustCompile(tc.figure).FindStringSubmatch(page.text())
		if found == nil {
			t.Errorf("%s does not say %q: %s", tc.page, tc.figure, page.text())
			continue
		}
		link := linkTo(page, tc.link...)
		list, query, _ := strings.Cut(link, "?")
		listed, _ := tc.who.listed(t, link, "tr", "")
		filed, _ := tc.who.filed(t, list+".csv?"+query, []string{"order"}, "")
		if figure := number10(int64(listed)); figure != found[1] || listed != filed || listed == 0 {
			t.Errorf("%s says %s; %s lists %d and its file %d", tc.page, found[1], link, listed, filed)
		}
	}
}

// An amount leads to the entries that it is the sum of, on the page as in the file.
func TestAnAmountLeadsToItsSum(t *testing.T) {
	t.Parallel()
	w := listWorld(t)
	type column struct {
		name string
		sign int64
	}
	earned, revenue, cost := []column{{"commission", 1}}, []column{{"amount", 1}, {"refunded", -1}}, []column{{"commission", 1}, {"fee", 1}}
	english := text.English()
	for _, tc := range []struct {
		who, page string
		figures   map[string][]column // by their label: what to add up of the list
	}{
		{"site", "/partner?days=90", map[string][]column{"Earned": earned, "Pending": earned, "Payable": earned}},
		{"site", "/partner?days=7", map[string][]column{"Earned": earned}},
		{"site", "/partner/links?days=30", map[string][]column{"Earned": earned}},
		{"site", "/partner/links/" + number10(int64(w.link.ID)) + "?days=30", map[string][]column{"Earned": earned}},
		{"shop", "/merchant?days=90", map[string][]column{
			english.MerchantRevenue(): revenue, english.ColumnCosts(): cost, "Revenue": revenue, "Commission": earned, english.ColumnCost(): cost,
		}},
		{"shop", "/merchant/partners?days=7", map[string][]column{"Revenue": revenue, "Commission": earned, english.ColumnCost(): cost}},
		{"shop", "/merchant/partners/" + number10(int64(w.site)) + "?days=30", map[string][]column{"Revenue": revenue, english.ColumnCosts(): cost}},
	} {
		c := w.as(tc.who + "@example.net")
		page := c.page(tc.page)
		seen := map[string]bool{}
		orders := map[*html.Node]int{}
		for _, link := range page.find(t, func(n *html.Node) bool { return n.Data == "a" && hasClass(n, "sum") }) {
			label := labelOf(link)
			columns, ok := tc.figures[label]
			if !ok {
				continue
			}
			seen[label] = true
			to, _ := attr(link, "href")
			shown := sums{}
			currency, figures, _ := strings.Cut(words(link), " ")
			shown.add(t, currency, figures)
			list, query, _ := strings.Cut(to, "?")
			listed, _ := c.listed(t, to, "tr", "")
			summed, filed := sums{}, 0
			for _, column := range columns {
				n, sum := c.filed(t, list+".csv?"+query, []string{"order"}, column.name)
				filed = n
				summed[currency] += column.sign * sum[currency]
				delete(sum, currency)
				if len(sum) > 0 {
					t.Errorf("%s has entries of %v", to, sum)
				}
			}
			if !maps.Equal(shown, summed) || listed != filed || listed == 0 {
				t.Errorf("%s says %s %v; %s lists %d and its file %d with the sum %v", tc.page, label, shown, to, listed, filed, summed)
			}
			if label == "Revenue" {
				orders[holder(link, func(p *html.Node) bool { return p.Data == "tr" })] += listed
			}
		}
		for label := range tc.figures {
			if !seen[label] {
				t.Errorf("%s has no amount %q that leads anywhere: %s", tc.page, label, page.text())
			}
		}
		for row, listed := range orders {
			if row == nil {
				continue
			}
			for cell := range row.ChildNodes() {
				if of, _ := attr(cell, "data-label"); of == "Orders" && words(cell) != number10(int64(listed)) {
					t.Errorf("%s says %s orders of a partner, whose revenue is of %d", tc.page, words(cell), listed)
				}
			}
		}
	}
}

// labelOf is what a figure is called: in its table, or above it.
func labelOf(figure *html.Node) string {
	if cell := holder(figure, func(p *html.Node) bool { return p.Data == "td" }); cell != nil {
		label, _ := attr(cell, "data-label")
		return label
	}
	stat := holder(figure, func(p *html.Node) bool { return hasClass(p, "stat") })
	for n := range stat.ChildNodes() {
		if n.Data == "dt" {
			return words(n)
		}
	}
	return ""
}

// A file that breaks off does not look whole to whoever asked for it.
func TestAFileThatBreaksOffIsNotTakenForWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.server.router()
	e.GET("/broken.csv", func(c echo.Context) error {
		return w.server.sendCSV(c, "broken", []string{"order"}, func(f *export.Writer) error {
			if err := f.Row(export.Text("o-1")); err != nil {
				return err
			}
			return errors.New("PostgreSQL has gone away")
		})
	})
	listener := httptest.NewServer(e)
	defer listener.Close()
	answer, err := http.Get(listener.URL + "/broken.csv")
	if err != nil {
		return // broken off before its first byte
	}
	defer answer.Body.Close()
	if data, err := io.ReadAll(answer.Body); err == nil {
		t.Errorf("it ends as a file does: %q", data)
	}
}
