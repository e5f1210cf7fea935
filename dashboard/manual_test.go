package dashboard

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/commission/engine"
	"tributary/internal/postgres"
	"tributary/partners"
	"tributary/partners/access"
)

// lineForm enters a manual line for the partner site at the shop.
func (w *world) lineForm(amount string) url.Values {
	return url.Values{"merchant": {number10(int64(w.shop))}, "to": {number10(int64(w.site))}, "amount": {amount}, "currency": {"GBP"}, "payer": {"merchant"}, "note": {"a photograph"}}
}

// enterLine enters a line of so many pence for the partner site, by somebody of the shop.
func (w *world) enterLine(author string, amount int64) (no int64) {
	w.t.Helper()
	line := commission.ManualLine{Merchant: w.shop, Partner: w.site, Unit: "GBP", Amount: amount, Payer: commission.MerchantPays, Note: "a photograph"}
	w.must(w.access.Change(w.t.Context(), access.Scope{Merchant: w.shop}, func(tx pgx.Tx) error {
		entered, err := engine.AddManualLine(w.t.Context(), tx, line, author)
		no = entered.No
		return err
	}))
	return no
}

// takeLines has the lines of manual lines be posted, as far as the pages see it.
func (w *world) takeLines() {
	w.t.Helper()
	w.must(postgres.InTx(w.t.Context(), w.owner, func(tx pgx.Tx) error {
		_, err := tx.Exec(w.t.Context(), `INSERT INTO inbox_taken (no) SELECT no FROM inbox WHERE kind = 'manual_line' ON CONFLICT DO NOTHING`)
		return err
	}))
}

// A manual line is for whom its author names, by name or number, and for nobody where that is not one partner of theirs.
func TestAManualLineNamesItsPartner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	shop, operator := w.as("shop@example.net"), w.as("operator@example.net")
	site := number10(int64(w.site))
	for _, row := range []struct {
		to     string
		status int
		says   string
	}{
		{"the slow kitchen", http.StatusSeeOther, ""},
		{" The Slow Kitchen ", http.StatusSeeOther, ""},
		{"The Slow Kitchen (" + site + ")", http.StatusSeeOther, ""},
		{site, http.StatusSeeOther, ""},
		{"", http.StatusUnprocessableEntity, "It is missing"},
		{"slow", http.StatusNotFound, "One partner matches. Choose it from the list."},
		{"Ridge Notes (" + site + ")", http.StatusNotFound, "No partner is called"},
		{"Ridge Notes", http.StatusNotFound, `No partner is called "Ridge Notes"`},
		{"987654", http.StatusNotFound, `No partner is called "987654"`},
	} {
		form := w.lineForm("5.00")
		form.Set("to", row.to)
		for path, c := range map[string]*client{"/merchant/manual": shop, "/network/manual": operator} {
			if got := c.post(path, form); got.status != row.status || !strings.Contains(got.text(), row.says) {
				t.Errorf("%q at %s: status %d, want %d and %q", row.to, path, got.status, row.status, row.says)
			}
		}
	}
	if got := shop.post("/merchant/manual", w.lineForm("5.00")); got.status != http.StatusSeeOther {
		t.Fatalf("status %d", got.status)
	}
	var lines, others int
	w.must(w.owner.QueryRow(t.Context(), `SELECT count(*), count(*) FILTER (WHERE partner_id <> $1 OR merchant_id <> $2) FROM manual_line`, int64(w.site), int64(w.shop)).Scan(&lines, &others))
	if lines != 9 || others != 0 {
		t.Errorf("%d lines, %d of them of others", lines, others)
	}
	page := shop.page("/merchant/manual?q=KITCH")
	page.holds(t, "GBP 5.00")
	if !strings.Contains(page.body, `<option value="The Slow Kitchen (`+site+`)"`) {
		t.Errorf("partners are not offered: %s", page.body)
	}
	shop.page("/merchant/manual?q=nobody").holds(t, "No results match")
}

// A cap leads to the form that pays what is over it, which says how much that is.
func TestACapLeadsToTheFormThatPaysIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	no := number10(w.capped())
	shop := w.as("shop@example.net")
	page := shop.page("/merchant/periods/" + no)
	page.holds(t, "Cap, March 2026", "Taken back by the cap GBP 12.00", "Pay it by hand")
	if !strings.Contains(page.body, `href="/merchant/manual?period=`+no+`"`) {
		t.Errorf("it leads to no form: %s", page.body)
	}
	form := shop.page("/merchant/manual?period=" + no)
	form.holds(t, "Pays for March 2026, where the cap took back GBP 12.00.", "No manual line for this period yet", "One that is entered above pays for it", "Show all")
	if !strings.Contains(form.body, `value="The Slow Kitchen (`+number10(int64(w.site))+`)"`) {
		t.Errorf("it names nobody: %s", form.body)
	}
	if site := w.as("site@example.net").page("/partner/periods/" + no); strings.Contains(site.text(), "Pay it by hand") {
		t.Error("a partner is led to it")
	}
}

func TestAManualLineIsEnteredAndApprovedOnPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.login("second@example.net", "merchant", 0, w.shop)
	shop, second, operator, site := w.as("shop@example.net"), w.as("second@example.net"), w.as("operator@example.net"), w.as("site@example.net")
	shop.page("/merchant/manual").holds(t, "Such as EUR 12.50. Below zero takes back.", "No manual lines", "A second person approves what is above EUR 100.00, GBP 100.00 in 24 hours.")
	site.page("/partner/manual").holds(t, "No manual lines")
	for amount, says := range map[string]string{"1.234": "is no amount of GBP", "much": "is no amount of GBP", "0": "It moves nothing", "": "is no amount of GBP"} {
		if answer := shop.post("/merchant/manual", w.lineForm(amount)); answer.status != http.StatusUnprocessableEntity || !strings.Contains(answer.text(), says) {
			t.Errorf("%q: status %d: %s", amount, answer.status, answer.text())
		}
	}
	for _, amount := range []string{"25.00", "250.00"} {
		if made := shop.post("/merchant/manual", w.lineForm(amount)); made.status != http.StatusSeeOther {
			t.Fatalf("status %d: %s", made.status, made.text())
		}
	}
	shop.page("/merchant/manual").holds(t, "GBP 25.00", "posted in seconds", "GBP 250.00", "waits for a second person", "a photograph")
	lines := map[string]int64{}
	rows, err := w.owner.Query(t.Context(), `SELECT no, amount::text FROM manual_line`)
	w.must(err)
	var no int64
	var amount string
	_, err = pgx.ForEachRow(rows, []any{&no, &amount}, func() error { lines[amount] = no; return nil })
	w.must(err)
	say := func(c *client, path string, no int64, said string) int {
		return c.post(path+"/"+number10(no), url.Values{"said": {said}}).status
	}
	for _, row := range []struct {
		c      *client
		path   string
		line   string
		said   string
		status int
	}{
		{shop, "/merchant/manual", "25000", "approve", http.StatusConflict},
		{w.as("rival@example.net"), "/merchant/manual", "25000", "approve", http.StatusNotFound},
		{operator, "/network/manual", "25000", "withdraw", http.StatusConflict},
		{second, "/merchant/manual", "25000", "do", http.StatusNotFound},
		{second, "/merchant/manual", "25000", "approve", http.StatusSeeOther},
		{shop, "/merchant/manual", "25000", "decline", http.StatusConflict},
		{shop, "/merchant/manual", "2500", "withdraw", http.StatusSeeOther},
	} {
		if status := say(row.c, row.path, lines[row.line], row.said); status != row.status {
			t.Errorf("%s of line %s: status %d, want %d", row.said, row.line, status, row.status)
		}
	}
	if strings.Contains(site.page("/partner/manual").body, "250.00") {
		t.Error("a partner sees what is not posted")
	}
	w.takeLines()
	page := site.page("/partner/manual")
	page.holds(t, "GBP 250.00", "Alder & Finch")
	for _, hidden := range []string{"a photograph", "shop@example.net", "25.00 "} {
		if strings.Contains(page.text(), hidden) {
			t.Errorf("a partner sees %q: %s", hidden, page.text())
		}
	}
	operator.page("/network/manual?state=posted").holds(t, "GBP 250.00", "decided by second@example.net")
}

// Amounts are typed, refused, limited and shown with the decimals of their currency.
func TestAManualLineHasTheDecimalsOfItsCurrency(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.newProgram(w.shop, "Alder Abroad", "https://alder.example/", []string{"JPY", "KWD"})
	w.must(partners.Enrol(t.Context(), w.owner, id, w.site))
	shop := w.as("shop@example.net")
	shop.page("/merchant/manual").holds(t, "Such as EUR 12.50, JPY 1250, KWD 1.250. Below zero takes back.", "above EUR 100.00, GBP 100.00, JPY 10,000, KWD 10.000 in 24 hours")
	for _, row := range []struct {
		currency, amount string
		status           int
		says             string
	}{
		{"JPY", "12.50", http.StatusUnprocessableEntity, `"12.50" is no amount of JPY: give digits, such as 1250`},
		{"KWD", "1.2345", http.StatusUnprocessableEntity, `"1.2345" is no amount of KWD: give digits, such as 1.250`},
		{"", "5", http.StatusUnprocessableEntity, "It is missing: choose a currency"},
		{"JPY", "10000", http.StatusSeeOther, "JPY 10,000 posted in seconds"},
		{"JPY", "1", http.StatusSeeOther, "JPY 1 waits for a second person"},
		{"KWD", "10", http.StatusSeeOther, "KWD 10.000 posted in seconds"},
		{"KWD", "-0.001", http.StatusSeeOther, "KWD -0.001 waits for a second person"},
	} {
		form := w.lineForm(row.amount)
		form.Set("currency", row.currency)
		answer := shop.post("/merchant/manual", form)
		if answer.status != row.status {
			t.Errorf("%s %s: status %d: %s", row.currency, row.amount, answer.status, answer.text())
		}
		if answer.status == http.StatusSeeOther {
			answer = shop.page("/merchant/manual")
		}
		answer.holds(t, row.says)
	}
}

// A line that settles a period is of its partner and its currency: the form leaves nothing else to choose, and nothing else is taken.
func TestAManualLineSettlesAPeriodInItsCurrency(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	no := number10(w.period(w.link, "USD", time.March, 50_000))
	for _, at := range []struct{ who, path string }{{"shop@example.net", "/merchant/manual"}, {"operator@example.net", "/network/manual"}} {
		c := w.as(at.who)
		page := c.page(at.path + "?period=" + no)
		page.holds(t, "Belongs to March 2026.")
		if !strings.Contains(page.body, `<option value="USD" selected`) || strings.Contains(page.body, `<option value="GBP"`) {
			t.Errorf("%s: the currencies of a line for a period in USD: %s", at.path, page.body)
		}
		form := w.lineForm("5.00")
		form.Set("period", no)
		if answer := c.post(at.path, form); answer.status != http.StatusUnprocessableEntity || !strings.Contains(answer.text(), "The period is not in GBP") {
			t.Errorf("%s: status %d: %s", at.path, answer.status, answer.text())
		}
		form.Set("currency", "USD")
		if answer := c.post(at.path, form); answer.status != http.StatusSeeOther {
			t.Errorf("%s: status %d: %s", at.path, answer.status, answer.text())
		}
	}
	if answer := w.as("rival@example.net").get("/merchant/manual?period=" + no); answer.status != http.StatusNotFound {
		t.Errorf("another merchant's period: status %d", answer.status)
	}
}
