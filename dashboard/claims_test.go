package dashboard

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"tributary/commission/engine"
	"tributary/partners/access"
)

// claim has the site claim an order of the shop's, and gives the claim's number.
func (w *world) claim(order string) int64 {
	w.t.Helper()
	no, err := w.server.desk.Claim(w.t.Context(), access.Scope{Partner: w.site}, engine.NewClaim{Program: w.program, Order: order, Click: "c-1", Note: "sent by mail"}, "site@example.net")
	w.must(err)
	return no
}

// claimForm is that by which a partner claims an order.
func (w *world) claimForm(order string) url.Values {
	return url.Values{"program": {number10(int64(w.program))}, "order": {order}, "click": {""}, "note": {"by mail"}}
}

// TestAClaimIsMadeAndAnswered has a partner claim an order that is there and one that is not, and the merchant answer.
func TestAClaimIsMadeAndAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	site, shop, rival := w.as("site@example.net"), w.as("shop@example.net"), w.as("rival@example.net")
	site.page("/partner/claims").holds(t, "No claims", "claim it with the order's id")
	shop.page("/merchant/claims").holds(t, "No claims", "When a partner says that one of your orders is theirs")
	order := w.order(sale{id: "THEIRS-1"})
	site.page("/partner/claims/new").holds(t, "Claim an order", "within 90 days")
	for _, id := range []string{" THEIRS-1 ", "NOWHERE-1"} {
		if made := site.post("/partner/claims", w.claimForm(id)); made.status != http.StatusSeeOther || made.header.Get("Location") != "/partner/claims" {
			t.Fatalf("%s: status %d: %s", id, made.status, made.text())
		}
		if again := site.post("/partner/claims", w.claimForm(id)); again.status != http.StatusUnprocessableEntity || !strings.Contains(again.text(), "You have claimed this order already") {
			t.Errorf("%s again: status %d: %s", id, again.status, again.text())
		}
	}
	list := site.page("/partner/claims")
	list.holds(t, "THEIRS-1", "NOWHERE-1", "by mail")
	if strings.Contains(list.text(), "declined") && strings.Contains(list.text(), "Order placed") {
		t.Error("the partner is told whether there is such an order")
	}
	site.page("/partner/claims?outcome=granted").holds(t, "No results match")
	shop.page("/merchant/orders").holds(t, "2 open claims")
	shop.page("/merchant/claims?q=their&outcome=open").holds(t, "THEIRS-1", "The Slow Kitchen")
	var there, nowhere int64
	w.must(w.owner.QueryRow(t.Context(), `SELECT max(no) FILTER (WHERE order_id = 'THEIRS-1'), max(no) FILTER (WHERE order_id = 'NOWHERE-1') FROM claim`).Scan(&there, &nowhere))
	page := shop.page(claimURL(there))
	page.holds(t, "The Slow Kitchen claims order THEIRS-1", "Grant", "Decline")
	if !strings.Contains(page.body, "/merchant/orders/"+number10(order)) {
		t.Error("the claim does not lead to its order")
	}
	shop.page(claimURL(nowhere)).holds(t, "No such order was reported yet", "Decline")
	answer := url.Values{"outcome": {"granted"}, "note": {"it was by mail"}}
	if got := shop.post(claimURL(nowhere), answer); got.status != http.StatusConflict {
		t.Errorf("a claim without an order is granted: %d", got.status)
	}
	if got := rival.post(claimURL(there), answer); got.status != http.StatusNotFound {
		t.Errorf("another merchant answers: %d", got.status)
	}
	if got := shop.post(claimURL(there), url.Values{"outcome": {"granted"}}); got.status != http.StatusUnprocessableEntity {
		t.Errorf("without a reason: %d", got.status)
	}
	if got := shop.post(claimURL(there), answer); got.status != http.StatusSeeOther {
		t.Fatalf("granting: %d: %s", got.status, got.text())
	}
	shop.page(claimURL(there)).holds(t, "granted", "it was by mail", "Take it back", "shop@example.net")
	if got := shop.post(claimURL(there), answer); got.status != http.StatusConflict {
		t.Errorf("granted twice: %d", got.status)
	}
	if got := shop.post(claimURL(there)+"/undo", nil); got.status != http.StatusSeeOther {
		t.Errorf("taking back: %d: %s", got.status, got.text())
	}
	if got := shop.post(claimURL(there)+"/undo", nil); got.status != http.StatusConflict {
		t.Errorf("taking back twice: %d", got.status)
	}
	shop.page(claimURL(there)).holds(t, "open", "Grant")
}
