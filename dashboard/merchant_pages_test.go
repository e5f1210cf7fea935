package dashboard

import (
	"cmp"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tributary/internal/event"
	"tributary/internal/postgres"
	"tributary/internal/text"
	"tributary/partners"
	"tributary/partners/access"
	"tributary/partners/program"
	"tributary/report"
)

func TestMerchantOverviewComparesPartnersWithAllOrders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	line := []*event.Line{{Number: 1, Quantity: 1, Amount: 10_000, Category: "home"}}
	w.order(sale{id: "1", link: w.link, at: w.now.Add(-aDay), lines: line, customer: "new"})
	w.order(sale{id: "2", link: w.link, at: w.now.Add(-2 * aDay), lines: line, customer: "known"})
	w.order(sale{id: "3", at: w.now.Add(-50 * aDay), lines: line, customer: "known"})
	w.order(sale{id: "4", at: w.now.Add(-aDay), lines: line})
	w.order(sale{id: "5", link: w.memberLink, at: w.now.Add(-aDay), lines: line, currency: "EUR"})
	w.order(sale{id: "6", link: w.link, at: w.now.Add(-aDay), lines: line, refunds: []*event.Refund{{WholeOrder: true}}})
	w.order(sale{id: "7", merchant: w.rival, currency: "USD", link: w.foreign, at: w.now.Add(-aDay), lines: line, customer: "new"})
	w.clicks(w.link, w.now.Add(-aDay), 90)
	w.clicks(w.memberLink, w.now.Add(-aDay), 10)
	_, _, err := partners.IssueKey(t.Context(), w.owner, w.shop, "server", partners.Reporting)
	w.must(err)
	c := w.as("shop@example.net")
	// Three sites' orders of GBP 100.00, one of them taken back: 9 % of each, and 20 % of that on top.
	c.page("/merchant").holds(t,
		"Clicks 100", "Orders from partners 4", "Share of all orders 80.00 % of 5 orders", "First orders 1 50.00 % new, 1 repeat",
		"Revenue from partners GBP 200.00 EUR 100.00", "Cost: commission and fee GBP 21.60 EUR 7.20", "Cost per order GBP 7.20 EUR 7.20", "Cost of revenue GBP 10.80 % EUR 7.20 %",
		"The Slow Kitchen site slowkitchen.example 90 3 3.33 % GBP 200.00 GBP 18.00 GBP 21.60", "Mira Okafor member 10 1 10.00 % EUR 100.00 EUR 6.00 EUR 7.20")
	c.page("/merchant/partners/"+number10(int64(w.site))).holds(t, "The Slow Kitchen", "Clicks 90", "Orders 3", "Revenue GBP 200.00", "Cost: commission and fee GBP 21.60", "slow-kitchen https://alder.example/ 90")
	days := c.page("/merchant/days.csv?currency=GBP").records(t)
	yesterday := slices.IndexFunc(days, func(d []string) bool { return strings.HasPrefix(w.now.Add(-aDay).Format("2006-01-02"), d[0]) })
	if yesterday < 0 || !slices.Equal(days[yesterday][1:], []string{"100", "3", "100.00", "GBP"}) {
		t.Errorf("days %q", days)
	}
}

func TestPartnersCanBeNarrowedAndSorted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	zero := w.partner(program.Site, "aardvark news", "https://aardvark.example", w.program)
	w.order(sale{id: "1", link: w.memberLink, at: w.now.Add(-aDay)})
	w.clicks(w.link, w.now.Add(-aDay), 20)
	w.clicks(w.memberLink, w.now.Add(-aDay), 10)
	c := w.as("shop@example.net")
	for query, want := range map[string][]string{
		"":                 {"Mira Okafor", "The Slow Kitchen", "aardvark news"},
		"sort=clicks":      {"The Slow Kitchen", "Mira Okafor", "aardvark news"},
		"sort=name":        {"aardvark news", "Mira Okafor", "The Slow Kitchen"},
		"kind=member":      {"Mira Okafor"},
		"q=SLOWKITCHEN.EX": {"The Slow Kitchen"},
		"q=%25":            nil,
	} {
		if got := c.page("/merchant/partners?" + query).rows(); !slices.Equal(got, want) {
			t.Errorf("%q lists %q, want %q", query, got, want)
		}
	}
	if records := c.page("/merchant/partners.csv?sort=name").records(t); len(records) != 4 || records[2][0] != "Mira Okafor" || records[2][5] != "1" {
		t.Errorf("the file: %q", records)
	}
	if got := w.as("rival@example.net").get("/merchant/partners/" + number10(int64(zero))); got.status != http.StatusNotFound {
		t.Errorf("another merchant's partner: status %d", got.status)
	}
}

func TestOrdersSayWhyNobodyEarned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := w.now.Add(-aDay)
	w.order(sale{id: "paid-for", link: w.link, at: at, customer: "c-1"})
	w.order(sale{id: "no-click", at: at})
	w.order(sale{id: "too-late", link: w.link, at: at, clicked: at.Add(-31 * aDay)})
	w.order(sale{id: "dollars", link: w.link, at: at, currency: "USD"})
	w.order(sale{id: "wrong-shop", link: w.foreign, at: at})
	w.order(sale{id: "before-click", link: w.link, at: at, clicked: at.Add(aDay / 24)})
	w.order(sale{id: "too-much-back", link: w.link, at: at.Add(-aDay), refunds: []*event.Refund{{Amount: 99_999}}})
	w.order(sale{id: "wrong-sku-back", link: w.link, at: at.Add(-aDay), refunds: []*event.Refund{{Items: []*event.RefundItem{{Sku: "a-1", Quantity: 1}}}}})
	w.order(sale{id: "euros-back", at: at.Add(-aDay), refunds: []*event.Refund{{Amount: 100, Currency: "EUR"}}})
	waiting := w.order(sale{id: "refund-only", noSale: true, refunds: []*event.Refund{{WholeOrder: true}}})
	twice := w.order(sale{id: "told-twice", link: w.link, at: at.Add(-2 * aDay)})
	w.conflict(twice, sale{id: "told-twice"})
	c := w.as("shop@example.net")
	c.page("/merchant/orders").holds(t, "1 order only known by a refund", "too-much-back over-refund", "wrong-sku-back over-refund", "euros-back over-refund", "told-twice conflict", "no click", "outside window",
		"currency not taken", "another merchant's link", "click after order", "paid-for customer c-1")
	for query, want := range map[string][]string{
		"outcome=credited":       {"paid-for", "too-much-back", "told-twice", "wrong-sku-back"},
		"outcome=nobody":         {"refund-only", "before-click", "wrong-shop", "dollars", "too-late", "no-click", "euros-back"},
		"outcome=outside_window": {"too-late"},
		"outcome=awaiting_sale":  {"refund-only"},
		"": {
			"paid-for", "no-click", "too-late", "dollars", "wrong-shop", "before-click", "too-much-back", "wrong-sku-back", "euros-back", "refund-only", "told-twice",
		},
		"q=refund-only":                            {"refund-only"},
		"oddity=conflict":                          {"told-twice"},
		"oddity=over_refund":                       {"too-much-back", "wrong-sku-back", "euros-back"},
		"q=c-1":                                    {"paid-for"},
		"partner=" + number10(int64(w.site)):       {"paid-for", "too-much-back", "told-twice", "wrong-sku-back"},
		"partner=" + number10(int64(w.member)):     nil,
		"to=" + at.Add(-aDay).Format("2006-01-02"): {"too-much-back", "told-twice", "wrong-sku-back", "euros-back"},
	} {
		got := c.page("/merchant/orders?" + query).rows()
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%q lists %q, want %q", query, got, want)
		}
		if records := c.page("/merchant/orders.csv?" + query).records(t); len(records) != len(want)+1 {
			t.Errorf("%q: the file has %d rows, want %d", query, len(records)-1, len(want))
		}
	}
	c.page("/merchant/conflicts").holds(t, "Refunds of 3 orders asked for something that the order does not have.")
	c.page("/merchant/orders/"+number10(waiting)).holds(t, "A refund of this order has arrived, the order itself has not.", "not reported yet", "Nothing is posted")
	c.page("/merchant/orders/"+number10(twice)).holds(t, "reported again with other content", "Compare both versions")
}

// A list by time goes on through what has no time, page by page, and leaves it out only where days are asked for.
func TestOrdersWithoutATimeComeLast(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bulk = true
	const timed, timeless = report.PageSize - 2, report.PageSize + 3
	for i := range timed + timeless {
		o := sale{id: "o-" + number10(int64(i))}
		if i >= timed {
			o.noSale, o.refunds = true, []*event.Refund{{Amount: 100}}
		}
		w.order(o)
	}
	w.flush()
	c := w.as("shop@example.net")
	seen := map[string]bool{}
	for path := "/merchant/orders"; path != ""; {
		page := c.page(path)
		for _, id := range page.rows() {
			if seen[id] {
				t.Errorf("%s is listed twice", id)
			}
			seen[id] = true
		}
		path = page.next()
	}
	if len(seen) != timed+timeless {
		t.Errorf("%d orders are listed, want %d", len(seen), timed+timeless)
	}
	if got := c.page("/merchant/orders?from=2000-01-01").rows(); len(got) != timed {
		t.Errorf("%d orders have a day, want %d", len(got), timed)
	}
}

// What stands without quotes in any file is a number, a time, yes or no, or nothing.
func TestUnquotedCellsOfFilesHoldNumbersOrNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := w.now.Add(-aDay)
	w.order(sale{id: "x;=1+1", link: w.link, at: at})
	w.order(sale{id: "dollars", link: w.link, at: at, currency: "USD"})
	w.order(sale{id: "euros", link: w.link, at: at, currency: "EUR"})
	w.order(sale{id: "refund-only", noSale: true, refunds: []*event.Refund{{Amount: 5}}})
	twice := w.order(sale{id: "told-twice", link: w.link, at: at})
	w.conflict(twice, sale{id: "told-twice"})
	w.clicks(w.link, at, 3)
	value := regexp.MustCompile(`^(-?\d+(\.\d+)?|\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d+)?Z)?|true|false|)$`)
	quoted := regexp.MustCompile(`"(?:[^"]|"")*"`)
	files := 0
	for _, r := range w.server.routes() {
		if !strings.HasSuffix(r.path, ".csv") || strings.Contains(r.path, ":") { // those of one entry: TestOrdersOverACapAreListed
			continue
		}
		files++
		body := strings.TrimPrefix(w.as(map[audience]string{partnerOnly: "site", merchantOnly: "shop", operatorOnly: "operator"}[r.who]+"@example.net").page(r.path).body, "\ufeff")
		for line := range strings.SplitSeq(quoted.ReplaceAllString(body, "\"\""), "\r\n") {
			for cell := range strings.SplitSeq(line, ",") {
				if cell != `""` && !value.MatchString(cell) {
					t.Errorf("%s holds the cell %q: %s", r.path, cell, line)
				}
			}
		}
	}
	if files < 7 {
		t.Errorf("%d files", files)
	}
	for _, record := range w.as("operator@example.net").page("/network.csv").records(t)[1:] {
		if len(record[6]) > 3 {
			t.Errorf("a cell of several currencies: %q", record)
		}
	}
}

func TestConflictsStandSideBySide(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	no := w.order(sale{id: "c-100", link: w.link, customer: "c-7", lines: []*event.Line{{Number: 1, Sku: "A", Quantity: 1, Amount: 4250}, {Number: 2, Sku: "B", Quantity: 1, Amount: 100}}})
	w.conflict(no, sale{id: "c-100", currency: "GBP", customer: "c-7", lines: []*event.Line{{Number: 1, Sku: "A", Quantity: 2, Amount: 8500}}})
	c := w.as("shop@example.net")
	if order := c.page("/merchant/orders/" + number10(no)); strings.Contains(order.body, "Sidebar") {
		t.Error("a merchant reads the partner's own name of a link")
	}
	page := c.page("/merchant/conflicts")
	page.holds(t, "Order c-100", "Amount GBP 43.50 GBP 85.00", "Line 1 GBP 42.50 · 1 piece · A GBP 85.00 · 2 pieces · A", "Line 2 GBP 1.00 · 1 piece · B –", "Customer c-7")
	if same := regexp.MustCompile(`class="[^"]*diff[^"]*"( translate="no")?>c-7<`).FindString(page.body); same != "" {
		t.Errorf("what is the same is marked: %q", same)
	}
	if !strings.Contains(page.body, `<span class="diff" translate="no">GBP 85.00</span>`) {
		t.Error("what differs is not marked")
	}
	if got := c.page("/merchant/conflicts?q=nothing").text(); !strings.Contains(got, "No results match") {
		t.Error("the filter does not narrow")
	}
	records := c.page("/merchant/conflicts.csv?q=c-100").records(t)
	if i := slices.IndexFunc(records, func(r []string) bool { return r[4] == "Amount" }); i < 0 || !slices.Equal(records[i][5:], []string{"GBP 43.50", "GBP 85.00"}) {
		t.Errorf("the file: %q", records)
	}
	w.as("rival@example.net").page("/merchant/conflicts").holds(t, "No conflicts")
}

func TestARefundTooManyIsShownWithItsReason(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	no := w.order(sale{id: "much-refunded", link: w.link})
	payload, err := (&event.Event{Body: &event.Event_Refund{Refund: &event.Refund{RefundId: "r-1001", Amount: 77}}}).MarshalVT()
	w.must(err)
	_, err = w.owner.Exec(t.Context(), `INSERT INTO order_conflict (order_no, merchant_id, kind, ref, content_hash, event_id, received_at, payload, reason)
		SELECT no, merchant_id, 2, 'r-1001', '\x01', $2, now(), $3, 'too_many_refunds' FROM orders WHERE no = $1`, no, uuid.New(), payload)
	w.must(err)
	w.as("shop@example.net").page("/merchant/conflicts").holds(t, "Order much-refunded refund r-1001", "the order has 1,000 refunds already")
}

func TestPagesOfConflictsHoldEveryOneOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bulk = true
	const n, each = 9, 5
	for i := range int64(n) {
		no := w.order(sale{id: "x" + number10(i), link: w.link, at: w.now.Add(-aDay)})
		for range each { // all received in one microsecond
			w.conflict(no, sale{id: "x" + number10(i), link: w.link, at: w.now.Add(-aDay)})
		}
	}
	c := w.as("shop@example.net")
	seen := map[string]int{}
	pages := 0
	for next := "/merchant/conflicts"; next != "" && pages < 9; pages++ {
		page := c.page(next)
		for _, m := range regexp.MustCompile(`">Order (x\d+)</a>`).FindAllStringSubmatch(page.body, -1) {
			seen[m[1]]++
		}
		next = page.next()
	}
	for order, times := range seen {
		if times != each {
			t.Errorf("%d conflicts of %s, want %d", times, order, each)
		}
	}
	if len(seen) != n || pages != 3 {
		t.Errorf("conflicts of %d orders on %d pages", len(seen), pages)
	}
}

func TestAKeyIsShownOnceAndWorksUntilRevoked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.as("shop@example.net")
	c.page("/merchant").holds(t, "Connect your shop")
	c.page("/merchant/developers").holds(t, "No key yet", "Waiting for the first report", "curl https://go.example.net/v1/conversions", "Bearer YOUR_KEY", `"category": "books"`, "tclid")
	got := c.post("/merchant/keys", url.Values{"label": {"shop server"}})
	key := regexp.MustCompile(`tk_live_[0-9A-Za-z]{49}`).FindString(got.body)
	if got.status != http.StatusCreated || key == "" {
		t.Fatalf("status %d: %s", got.status, got.text())
	}
	got.holds(t, "shown this once", "Bearer "+key)
	reloaded := c.post("/merchant/keys", url.Values{"label": {"shop server"}})
	reloaded.holds(t, "There is a live key with this label")
	if reloaded.status != http.StatusConflict || strings.Contains(reloaded.body, "shown this once") {
		t.Errorf("the form sent again: status %d", reloaded.status)
	}
	sum, ok := partners.KeyHash(key)
	if !ok {
		t.Fatalf("%q is not a key", key)
	}
	w.learn()
	if owner, found := w.network.Key(sum); !found || owner.Merchant != w.shop {
		t.Errorf("the key belongs to %d (%v)", owner, found)
	}
	again := c.page("/merchant/developers")
	again.holds(t, "shop server", key[:12]+"…", "live")
	if strings.Contains(again.body, key) {
		t.Error("the key is shown again")
	}
	var id int64
	w.must(w.owner.QueryRow(t.Context(), `SELECT id FROM api_key WHERE merchant_id = $1`, int64(w.shop)).Scan(&id))
	if got := w.as("rival@example.net").post("/merchant/keys/"+number10(id)+"/revoke", nil); got.status != http.StatusNotFound {
		t.Errorf("another merchant revokes it: status %d", got.status)
	}
	c.post("/merchant/keys/"+number10(id)+"/revoke", nil)
	c.page("/merchant/developers").holds(t, "The key is revoked", "revoked "+text.English().Day(w.now))
	w.learn()
	if _, found := w.network.Key(sum); found {
		t.Error("a revoked key is still known")
	}
}

func TestKeysNeedALabelAndHaveALimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.as("shop@example.net")
	if got := c.post("/merchant/keys", url.Values{"label": {"  "}}); got.status != http.StatusUnprocessableEntity {
		t.Errorf("no label: status %d", got.status)
	}
	for range access.MaxKeys {
		_, _, err := partners.IssueKey(t.Context(), w.owner, w.shop, "x", partners.Reporting)
		w.must(err)
	}
	got := c.post("/merchant/keys", url.Values{"label": {"one more"}})
	if got.status != http.StatusConflict {
		t.Errorf("one too many: status %d", got.status)
	}
	got.holds(t, "Revoke one that is not used any more")
}

func TestAKeyIsForWhatWasChosenAndSaysWhenItWasUsed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.as("shop@example.net")
	for _, scopes := range []string{"", "orders", "refunds", "orders refunds"} {
		label := "key for " + scopes
		got := c.post("/merchant/keys", url.Values{"label": {label}, "may": {scopes}})
		var kept []string
		w.must(w.owner.QueryRow(t.Context(), `SELECT scopes FROM api_key WHERE label = $1`, strings.TrimSpace(label)).Scan(&kept))
		if want := strings.Fields(cmp.Or(scopes, "orders refunds")); got.status != http.StatusCreated || !slices.Equal(kept, want) {
			t.Errorf("%q: status %d, the key is for %q", scopes, got.status, kept)
		}
	}
	if got := c.post("/merchant/keys", url.Values{"label": {"x"}, "may": {"payouts"}}); got.status != http.StatusUnprocessableEntity {
		t.Errorf("a scope that there is not: status %d", got.status)
	}
	c.page("/merchant/developers").holds(t, "orders and refunds", "not yet")
	_, theirs, err := partners.IssueKey(t.Context(), w.owner, w.rival, "theirs", partners.Reporting)
	w.must(err)
	_, err = w.owner.Exec(t.Context(), `INSERT INTO key_use SELECT id, $1 FROM api_key`, w.now.Add(-3*aDay))
	w.must(err)
	page := c.page("/merchant/developers")
	page.holds(t, text.English().Day(w.now.Add(-3*aDay)))
	if strings.Contains(page.body, "not yet") {
		t.Error("a key that was used is said to be unused")
	}
	err = w.access.Read(t.Context(), access.Scope{Merchant: w.shop}, func(tx pgx.Tx) error {
		var seen, own int
		err := tx.QueryRow(t.Context(), `SELECT count(*) FILTER (WHERE key_id = $1), count(*) FROM key_use`, theirs).Scan(&seen, &own)
		if seen != 0 || own != 4 {
			t.Errorf("of the uses of keys a merchant sees %d of another's, and %d", seen, own)
		}
		return err
	})
	w.must(err)
}

func TestAKeyThatSignsIsIssuedOnThePage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.as("shop@example.net").post("/merchant/keys", url.Values{"label": {"till"}, "use": {"sign"}})
	if got.status != http.StatusCreated {
		t.Errorf("status %d", got.status)
	}
	var key int64
	var secret []byte
	w.must(w.owner.QueryRow(t.Context(), `SELECT key_id, secret FROM signing_secret JOIN api_key ON id = key_id WHERE label = 'till' AND merchant_id = $1`,
		int64(w.shop)).Scan(&key, &secret))
	got.holds(t, "Tributary-Key: "+number10(key), partners.SecretMark+base64.StdEncoding.EncodeToString(secret), "number "+number10(key)+", signs", "Bearer YOUR_KEY")

	if !regexp.MustCompile(`href="/merchant/developers"\s+aria-current="page"`).MatchString(got.body) {
		t.Error("the answer to the form is not under Developers")
	}

	// Whoever serves the pages writes down no secret for a key of somebody else, and reads none.
	var theirs program.KeyID
	w.must(postgres.InTx(t.Context(), w.owner, func(tx pgx.Tx) (err error) {
		_, theirs, err = partners.IssueSigner(t.Context(), tx, w.rival, "theirs", partners.Reporting)
		return err
	}))
	for statement, want := range map[string]string{
		`INSERT INTO signing_secret (key_id, secret) VALUES (` + number10(int64(theirs)) + `, sha256(''))`: "row-level security",
		`SELECT secret FROM signing_secret`: "permission denied",
	} {
		err := w.access.Change(t.Context(), access.Scope{Merchant: w.shop}, func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), statement)
			return err
		})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", statement, err, want)
		}
	}
}

func TestANewMerchantIsToldWhatToDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.login("fresh@example.net", "merchant", 0, w.merchant("Fresh Shop"))
	c := w.as("fresh@example.net")
	for path, says := range map[string]string{
		"/merchant": "Connect your shop", "/merchant/orders": "No orders yet", "/merchant/partners": "No partners yet", "/merchant/conflicts": "No conflicts",
		"/merchant/programs": "No program yet", "/merchant/developers": "No key yet",
	} {
		c.page(path).holds(t, says)
	}
}

func TestTheOperatorSeesTheWholeNetworkAndItsBooks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.order(sale{id: "1", link: w.link, at: w.now.Add(-aDay)})
	w.order(sale{id: "2", link: w.link, at: w.now.Add(-40 * aDay)})
	w.order(sale{id: "3", merchant: w.rival, currency: "USD", link: w.foreign, at: w.now.Add(-aDay)})
	w.order(sale{id: "4", noSale: true, refunds: []*event.Refund{{WholeOrder: true}}})
	w.clicks(w.foreign, w.now.Add(-aDay), 12)
	c := w.as("operator@example.net")
	c.page("/network").holds(t, "Alder & Finch 1 2 0 1 0 GBP 7.92", "Kestrel Outdoor 1 1 12 1 0 USD 7.92", "Clicks 12", "Orders credited 2",
		"GBP 15.12 6.60 6.00 1.32 1.20 balanced", "USD 7.92 6.60 0.00 1.32 0.00 balanced", "1 order that no sale has arrived for")
	c.page("/network?q=kestrel").holds(t, "1 merchant")
	if records := c.page("/network.csv").records(t); len(records) != 3 || records[1][0] != "Alder & Finch" {
		t.Errorf("the file: %q", records)
	}
	empty := emptyWorld(t)
	empty.login("operator@example.net", "operator", 0, 0)
	empty.as("operator@example.net").page("/network").holds(t, "No merchants yet", "Nothing is posted yet")
}

func TestOrdersThatAreNoPlainSales(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.order(sale{id: "plain", link: w.link})
	tried := w.order(sale{id: "plain", link: w.link, change: func(s *event.Sale) { s.Test = true }})
	w.order(sale{id: "lead-1", link: w.link, change: func(s *event.Sale) { s.Goal = "lead" }})
	w.order(sale{id: "trial-1", change: func(s *event.Sale) { s.Goal = "trial" }})
	more := w.order(sale{id: "told-more", key: 7, change: saysAll, adds: func(s *event.Sale) { s.CustomerId = "c-3" }})
	c := w.as("shop@example.net")
	for query, want := range map[string][]string{
		"goal=sale":    {"plain", "plain"},
		"goal=lead":    {"lead-1", "told-more"},
		"goal=trial":   {"trial-1"},
		"goal=none":    nil,
		"oddity=test":  {"plain"},
		"oddity=added": {"told-more"},
	} {
		got := c.page("/merchant/orders?" + query).rows()
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%q lists %q, want %q", query, got, want)
		}
	}
	c.page("/merchant/orders").holds(t, "plain test", "lead-1 lead", "told-more lead additions", "All goals", "trial")
	c.page(string(whyURL(true, tried))).holds(t, "This is a test order", "What it would earn", "Nothing is posted for this order")
	c.page(string(whyURL(true, more))).holds(t, "Added after the first report", "Customer c-3", "Goal lead", "Customer status returning", "Delivery GBP 4.95", "plan=yearly", "Addition to the order")
	records := c.page("/merchant/orders.csv?oddity=test").records(t)
	if last := records[len(records)-1]; len(records) != 2 || last[len(last)-1] != "true" || last[len(last)-2] != "sale" {
		t.Errorf("the file of test orders is %q", records)
	}
}

func TestClicksOfADayAreShownAsSuch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := w.now.UTC().Truncate(24 * time.Hour).Add(-time.Microsecond)
	day := at.Format(time.DateOnly)
	counted := w.order(sale{id: "clicks/" + day + "/1/1", at: at, lines: []*event.Line{{Number: 1, Quantity: 812, Country: "DE"}}, change: func(s *event.Sale) {
		s.Goal, s.ClickId = "click", ""
		s.Counted = &event.CountedClicks{ProgramId: int64(w.program), PartnerId: 1, Day: day}
	}})
	w.order(sale{id: "clicks/" + day + "/7", at: at})
	c := w.as("shop@example.net")
	said := "Clicks of " + at.Format("2 Jan 2006")
	page := c.page("/merchant/orders")
	page.holds(t, said, "clicks/"+day+"/7")
	if strings.Contains(page.text(), "clicks/"+day+"/1/1") {
		t.Error("the list names the clicks as an order")
	}
	c.page(string(whyURL(true, counted))).holds(t, said)
}
