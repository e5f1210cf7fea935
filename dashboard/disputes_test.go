package dashboard

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/partners/access"
)

// takeDisputes notes what was said about disputes as an engine does that has taken it.
func (w *world) takeDisputes() {
	w.t.Helper()
	w.must1(w.owner.Exec(w.t.Context(), `INSERT INTO inbox_taken (no) SELECT no FROM inbox i WHERE kind = 'dispute' AND NOT EXISTS (SELECT FROM inbox_taken t WHERE t.no = i.no)`))
}

// dispute disputes an amount of an order of the shop's in minor units, as of a moment ago, and returns its number.
func (w *world) dispute(order string, amount int64) (no int64) {
	w.t.Helper()
	said := commission.Disputed{Merchant: int64(w.shop), Order: order, Dispute: "dp_" + order, Amount: amount}
	_, err := w.server.desk.OpenDispute(w.t.Context(), access.Scope{Merchant: w.shop}, said, "shop@example.net", "told by the bank")
	w.must(err)
	w.takeDisputes()
	w.must(w.owner.QueryRow(w.t.Context(), `SELECT max(no) FROM dispute`).Scan(&no))
	return no
}

// disputeAll disputes a part of every order.
func (w *world) disputeAll() {
	w.t.Helper()
	rows, err := w.owner.Query(w.t.Context(), `SELECT merchant_id, keys, order_id FROM orders WHERE occurred_at IS NOT NULL ORDER BY no`)
	w.must(err)
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct {
		Merchant int64
		Keys     int16
		Order    string
	}])
	w.must(err)
	for i, o := range all {
		said := commission.Disputed{Merchant: o.Merchant, Order: o.Order, Dispute: "dp_" + o.Order, Amount: int64(1 + i)}
		_, err := w.server.desk.OpenDispute(w.t.Context(), access.Scope{Network: true}, said, "operator@example.net", "")
		w.must(err)
	}
	w.takeDisputes()
}

// TestADisputeIsOpenedAndEndsOnAnOrdersPage has the merchant, then the operator, say so, with what is wrong, and take it back.
func TestADisputeIsOpenedAndEndsOnAnOrdersPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	no := w.order(sale{id: "A-1", link: w.link})
	shop, rival, site, operator := w.as("shop@example.net"), w.as("rival@example.net"), w.as("site@example.net"), w.as("operator@example.net")
	page, networks := string(whyURL(true, no)), "/network/orders/"+number10(no)
	other := w.order(sale{id: "A-2", link: w.link, currency: "EUR"})
	shop.page("/merchant/disputes").holds(t, "0 open disputes", "No disputes")
	for path, c := range map[string]*client{"/merchant/disputes": shop, "/merchant/claims": shop, "/network/disputes": operator} {
		if _, tab, _ := strings.Cut(c.page(path).body, `<a href="`+path[:strings.LastIndex(path, "/")]+`/review"`); !strings.HasPrefix(strings.TrimSpace(tab), `aria-current="page"`) {
			t.Errorf("%s is not within the tab Review", path)
		}
	}
	shop.page(page).holds(t, "Report a dispute")
	site.page(string(whyURL(false, no))).lacks(t, "Disputes")
	for want, form := range map[string]url.Values{
		"it is missing": {"amount": {"5.00"}},
		"it does not say how much is disputed: give the disputed amount, such as 12.50, or say": {"dispute": {"dp"}},
		"is not an amount above zero":         {"dispute": {"dp"}, "amount": {"-5"}},
		"it is more than the order comes to":  {"dispute": {"dp"}, "amount": {"500"}},
		"it gives an amount and says that it": {"dispute": {"dp"}, "amount": {"5"}, "whole": {"yes"}},
	} {
		if got := shop.post(page+"/disputes", form); got.status != http.StatusUnprocessableEntity || !strings.Contains(strings.ToLower(got.text()), want) {
			t.Errorf("%v: status %d: %s", form, got.status, got.text())
		}
	}
	opened := shop.post(page+"/disputes", url.Values{"dispute": {" dp_1 "}, "amount": {"12.50"}, "note": {"by bank"}})
	if opened.status != http.StatusSeeOther || opened.header.Get("Location") != page {
		t.Fatalf("opened: status %d: %s", opened.status, opened.text())
	}
	if got := rival.post(page+"/disputes", url.Values{"dispute": {"dp_2"}, "amount": {"1"}}); got.status != http.StatusNotFound {
		t.Errorf("somebody else disputes it: status %d", got.status)
	}
	shop.page(page).holds(t, "Dispute dp_1", "GBP 12.50 of the order is disputed. By shop@example.net, for the merchant. It takes effect in ten seconds", "by bank", "Undo")
	var dispute, row int64
	w.must(w.owner.QueryRow(t.Context(), `SELECT max(no) FROM dispute`).Scan(&dispute))
	settle := func(state string) url.Values { return url.Values{"settle": {number10(dispute)}, "state": {state}} }
	if got := shop.post(page+"/disputes", settle("lost")); got.status != http.StatusConflict || !strings.Contains(got.text(), "takes effect ten seconds after it was entered") {
		t.Errorf("ended at once: status %d: %s", got.status, got.text())
	}
	w.takeDisputes()
	if got := shop.post(string(whyURL(true, other))+"/disputes", settle("lost")); got.status != http.StatusNotFound {
		t.Errorf("ended as another order's: status %d", got.status)
	}
	if got := shop.post(page+"/disputes", settle("open")); got.status != http.StatusUnprocessableEntity || !strings.Contains(got.text(), "give won or lost") {
		t.Errorf("ended as open: status %d: %s", got.status, got.text())
	}
	shop.page("/merchant/disputes?state=open").holds(t, "1 open dispute", "A-1", "dp_1", "12.50", "open", "It was won", "It was lost")
	shop.page("/merchant/review").holds(t, "1 dispute of a payment is open", "Say how it ended")
	operator.page("/network/disputes?q=DP_").holds(t, "1 open dispute", "Alder & Finch", "12.50")
	rival.page("/merchant/disputes").lacks(t, "dp_1")
	if got := rival.post(page+"/disputes", settle("won")); got.status != http.StatusNotFound {
		t.Errorf("somebody else ends it: status %d", got.status)
	}
	if got := operator.post(networks+"/disputes", settle("lost")); got.status != http.StatusSeeOther || got.header.Get("Location") != networks {
		t.Fatalf("ended: status %d: %s", got.status, got.text())
	}
	if got := shop.post(page+"/disputes", settle("won")); got.status != http.StatusConflict {
		t.Errorf("ended twice: status %d", got.status)
	}
	operator.page(networks).holds(t, "Lost: the disputed amount is taken back. By operator@example.net, for the network.", "It takes effect in ten seconds", "Undo")
	w.must(w.owner.QueryRow(t.Context(), `SELECT max(no) FROM dispute_outcome`).Scan(&row))
	if got := operator.post("/network/review/undo", url.Values{"review": {number10(row)}, "order": {number10(no)}}); got.status != http.StatusSeeOther {
		t.Errorf("undone: status %d: %s", got.status, got.text())
	}
	shop.page("/merchant/disputes?state=lost").holds(t, "No results match")
	if got := shop.post(page+"/disputes", settle("won")); got.status != http.StatusSeeOther {
		t.Errorf("ended by the shop: status %d", got.status)
	}
	w.takeDisputes()
	shop.page("/merchant/disputes?state=won").holds(t, "0 open disputes", "dp_1", "won")
	if got := shop.get("/merchant/disputes?state=halved"); got.status != http.StatusUnprocessableEntity {
		t.Errorf("a state that there is not: status %d", got.status)
	}
}

// TestAPartnerReadsWhatIsDisputed shows what is held, and the dispute without who said so.
func TestAPartnerReadsWhatIsDisputed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	no := w.order(sale{id: "A-1", link: w.link, disputes: []commission.Dispute{{ID: "dp_1", At: w.now.Add(-time.Hour), Amount: 5999 / 2, State: commission.DisputeOpen}}})
	w.dispute("A-1", 5999/2)
	site := w.as("site@example.net").page(string(whyURL(false, no)))
	site.holds(t, "of it is on hold, disputed", "GBP 29.99 of the order is disputed.")
	site.lacks(t, "dp_", "takes effect ten seconds", "told by the bank", "shop@example.net", "Report a dispute")
	shop := w.as("shop@example.net").page(string(whyURL(true, no)))
	shop.holds(t, "of it is on hold, disputed", "told by the bank", "Dispute dp_A-1", "takes effect ten seconds", "By shop@example.net, for the merchant.")
}

// TestWhatIsTakenBackIsSaidBeforehand asks for confirmation that a dispute was lost.
func TestWhatIsTakenBackIsSaidBeforehand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := w.now.Add(-time.Hour)
	no := w.order(sale{id: "A-1", link: w.link, disputes: []commission.Dispute{{ID: "dp_A-1", At: at, Amount: 3000, State: commission.DisputeOpen}}})
	unearned := w.order(sale{id: "A-2", disputes: []commission.Dispute{{ID: "dp_A-2", At: at, Whole: true, State: commission.DisputeOpen}}})
	other := w.order(sale{id: "A-3", link: w.link})
	dispute, ofNobody := w.dispute("A-1", 3000), w.dispute("A-2", 5999)
	shop, operator := w.as("shop@example.net"), w.as("operator@example.net")
	order := string(whyURL(true, no))
	sure := order + "/disputes/" + number10(dispute)
	for _, path := range []string{order, "/merchant/disputes"} {
		if page := shop.page(path); !strings.Contains(page.body, `href="`+sure+`"`) {
			t.Errorf("%s does not lead to %s", path, sure)
		}
	}
	page := shop.page(sure)
	page.holds(t, "Was dispute dp_A-1 lost?", "the disputed GBP 30.00 counts as refunded", "The Slow Kitchen partner GBP 6.60 3.30 3.30", "Network fee GBP 1.32 0.66 0.66", "Confirm: it was lost")
	operator.page("/network/orders/"+number10(no)+"/disputes/"+number10(dispute)).holds(t, "The Slow Kitchen partner GBP 6.60 3.30 3.30")
	shop.page(string(whyURL(true, unearned))+"/disputes/"+number10(ofNobody)).holds(t, "Nobody earns on what is disputed")
	for _, path := range []string{string(whyURL(true, other)) + "/disputes/" + number10(dispute), order + "/disputes/x", order + "/disputes/987654"} {
		if got := shop.get(path); got.status != http.StatusNotFound {
			t.Errorf("%s: status %d", path, got.status)
		}
	}
	if got := shop.post(order+"/disputes", url.Values{"settle": {number10(dispute)}, "state": {"lost"}, "note": {"no proof"}}); got.status != http.StatusSeeOther {
		t.Fatalf("status %d: %s", got.status, got.text())
	}
	if got := shop.get(sure); got.status != http.StatusSeeOther || got.header.Get("Location") != order {
		t.Errorf("once it has ended: status %d", got.status)
	}
	shop.page(order).holds(t, "Lost: the disputed amount is taken back. By shop@example.net, for the merchant.", "no proof")
}

// TestAnOrderIsOnHoldUntilItsDisputeEnds says what its hold waits for, and how amounts of its currency are typed.
func TestAnOrderIsOnHoldUntilItsDisputeEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := w.now.Add(-time.Hour)
	disputes := []commission.Dispute{{ID: "dp", At: at, Whole: true, State: commission.DisputeOpen}}
	alone := w.order(sale{id: "A-1", link: w.link, disputes: disputes})
	both := w.order(sale{id: "A-2", link: w.link, disputes: disputes, reviews: []commission.Review{{ID: "1", At: at, Verb: commission.Hold}}})
	yen := w.order(sale{id: "A-3", currency: "JPY"})
	const disputed, held = "It is on hold until the dispute ends.", "It is on hold for review"
	shop := w.as("shop@example.net")
	page := shop.page(string(whyURL(true, alone)))
	page.holds(t, disputed)
	page.lacks(t, held)
	page = shop.page(string(whyURL(true, both)))
	page.holds(t, held)
	page.lacks(t, disputed)
	shop.page(string(whyURL(true, yen))).holds(t, "Such as 1250, or mark")
	for form, says := range map[string]string{"": "such as 1250, or say", "12.50": "give an amount such as 1250"} {
		if got := shop.post(string(whyURL(true, yen))+"/disputes", url.Values{"dispute": {"dp"}, "amount": {form}}); !strings.Contains(got.text(), says) || strings.Contains(got.text(), "minor units") {
			t.Errorf("%q: %s", form, got.text())
		}
	}
}

// lacks says which texts a person reads all the same.
func (r reply) lacks(t *testing.T, texts ...string) {
	t.Helper()
	read := r.text()
	for _, hidden := range texts {
		if strings.Contains(read, hidden) {
			t.Errorf("it says %q", hidden)
		}
	}
}
