package dashboard

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"tributary/internal/event"
)

// form is a form of a coupon in the world's program.
func (w *world) couponForm(more ...string) url.Values {
	form := url.Values{"program": {number10(int64(w.program))}}
	for i := 0; i < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return form
}

func TestAMerchantAddsAndEndsACoupon(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	shop := w.as("shop@example.net")
	shop.page("/merchant/coupons").holds(t, "No coupons")
	site := number10(int64(w.site))
	shop.page("/merchant/coupons/new").holds(t, "The Slow Kitchen", "no partner", "Save10, SAVE10 and save10 are the same code.")

	made := shop.post("/merchant/coupons", w.couponForm("code", " Slow10 ", "kind", "coupon", "partner", site, "exclusive", "yes", "note", "spring"))
	if made.status != http.StatusSeeOther {
		t.Fatalf("status %d: %s", made.status, made.text())
	}
	path := made.header.Get("Location")
	shop.page(path).holds(t, "Slow10 coupon", "to come", "The coupon is added.", "The Slow Kitchen exclusive", "by shop@example.net", "spring", "no end")
	shop.page("/merchant/coupons?q=SLOW1&state=to_come&kind=coupon&partner="+site).holds(t, "Slow10", "The Slow Kitchen", "to come")
	shop.page("/merchant/coupons?state=ended").holds(t, "No results match")

	for name, row := range map[string]struct {
		form url.Values
		want string
	}{
		"the code of another": {w.couponForm("code", "SLOW10", "kind", "coupon"), "has another coupon at that time"},
		"no code":             {w.couponForm("code", " ", "kind", "coupon"), "names no code"},
		"of nobody":           {w.couponForm("code", "x", "kind", "code"), "a partner's"},
		"yesterday":           {w.couponForm("code", "x", "kind", "coupon", "from", "2020-01-01T00:00"), "not a minute away"},
		"no time":             {w.couponForm("code", "x", "kind", "coupon", "until", "soon"), "Soon"},
	} {
		answer := shop.post("/merchant/coupons", row.form)
		if answer.status != http.StatusUnprocessableEntity || !strings.Contains(strings.ToLower(answer.text()), strings.ToLower(row.want)) {
			t.Errorf("%s: status %d: %s", name, answer.status, answer.text())
		}
	}
	if again := shop.post("/merchant/coupons", w.couponForm("code", "slow10", "kind", "coupon", "partner", site, "exclusive", "yes")); again.header.Get("Location") != path {
		t.Errorf("the same again leads to %q", again.header.Get("Location"))
	}

	leak := w.now.Add(-24 * time.Hour)
	ended := shop.post(path+"/end", url.Values{"leaked_from": {leak.Format(formTime)}, "note": {"on a coupon site"}})
	if ended.status != http.StatusSeeOther {
		t.Fatalf("status %d: %s", ended.status, ended.text())
	}
	page := shop.page(path)
	page.holds(t, "leaked", "on a coupon site", "Orders since the leak")
	if strings.Contains(page.body, path+"/end") {
		t.Error("it can be ended twice")
	}
	if again := shop.post(path+"/end", url.Values{}); again.status != http.StatusConflict {
		t.Errorf("ending it again gives %d", again.status)
	}
	// Nobody else's.
	rival := w.as("rival@example.net")
	if rival.get(path).status != http.StatusNotFound || rival.post(path+"/end", url.Values{}).status != http.StatusNotFound ||
		rival.post("/merchant/coupons", w.couponForm("code", "y", "kind", "coupon")).status != http.StatusNotFound {
		t.Error("another merchant has a hand in it")
	}
}

func TestAFileOfCouponsIsReportedLineByLine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	shop := w.as("shop@example.net")
	file := "Code;Partner;Exclusive;Until;Note\r\n" +
		"KITCHEN5;The Slow Kitchen;yes;2999-12-31;\r\n" +
		"\"TWO;PARTS\";;;;\"a \"\"quoted\"\" note\"\r\n" +
		"GONE;Nobody Such;;;\r\n" +
		"kitchen5;;;;\r\n" +
		"MAYBE;;perhaps;someday;\r\n"
	send := func(file string) reply { return shop.post("/merchant/coupons/file", w.couponForm("file", file)) }
	answer := send(file)
	if answer.status != http.StatusUnprocessableEntity {
		t.Errorf("status %d", answer.status)
	}
	answer.holds(t, "2 added, 0 there already, 3 not added", "4 GONE Nobody Such", "No partner of the program is called \"Nobody Such\"",
		"5 kitchen5 no partner", "has another coupon at that time", "perhaps\" is neither yes nor no", "someday\" is no day or time", "2 KITCHEN5 exclusive The Slow Kitchen", "3 TWO;PARTS")
	list := shop.page("/merchant/coupons")
	list.holds(t, "KITCHEN5", "TWO;PARTS", "1 Jan 3000")
	if strings.Contains(list.body, "GONE") {
		t.Error("a line that is wrong was added")
	}
	send(file).holds(t, "0 added, 2 there already, 3 not added")
	for name, row := range map[string]struct{ file, want string }{
		"no heading":     {"SAVE10\nSAVE20\n", "column \"save10\" is missing, unknown or there twice"},
		"no code":        {"partner,from\n1,2026-01-01\n", "column \"code\" is missing, unknown or there twice"},
		"an open quote":  {"code\nA\n\"B\n", "A quotation mark does not fit"},
		"not UTF-8":      {"code\nA\xff\n", "UTF-8"},
		"nothing at all": {"\n", "It has no lines"},
	} {
		if text := send(row.file).text(); !strings.Contains(text, row.want) {
			t.Errorf("%s: %s", name, text)
		}
	}
}

// The orders that named a coupon since it leaked are those that somebody has to look at.
func TestALeakedCouponListsItsOrders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for id, o := range map[string]sale{
		"before": {coupon: "SLOW10", at: w.now.Add(-72 * time.Hour)}, "since": {coupon: " slow10", at: w.now.Add(-12 * time.Hour)},
		"other": {coupon: "SLOW100", at: w.now.Add(-12 * time.Hour)}, "none": {at: w.now.Add(-12 * time.Hour)}, "clicked": {coupon: "Slow10", link: w.link, at: w.now.Add(-13 * time.Hour)},
	} {
		o.id, o.lines = id, []*event.Line{{Number: 1, Quantity: 1, Amount: 1000}}
		w.order(o)
	}
	w.flush()
	shop := w.as("shop@example.net")
	made := shop.post("/merchant/coupons", w.couponForm("code", "Slow10", "kind", "coupon", "partner", number10(int64(w.site))))
	path := made.header.Get("Location")
	shop.post(path+"/end", url.Values{"leaked_from": {w.now.Add(-30 * time.Hour).Format(formTime)}})
	link := linkTo(shop.page(path), "/merchant/orders?", "coupon=Slow10")
	list, query, _ := strings.Cut(link, "?")
	listed, _ := shop.listed(t, link, "tr", "")
	filed, sum := shop.filed(t, list+".csv?"+query, []string{"order"}, "amount")
	page := shop.page(link)
	page.holds(t, "since", "clicked")
	if listed != 2 || filed != 2 || sum["GBP"] != 2000 || strings.Contains(page.text(), "before") {
		t.Errorf("%s lists %d orders and its file %d of %v: %s", link, listed, filed, sum, page.text())
	}
	if listed, _ := shop.listed(t, "/merchant/orders?coupon=SLOW10", "tr", ""); listed != 3 {
		t.Errorf("%d orders name the code at any time", listed)
	}
}

func TestAPartnerSeesItsOwnCoupons(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	shop := w.as("shop@example.net")
	for code, owner := range map[string]string{"Mine10": number10(int64(w.site)), "Nobodys10": ""} {
		if made := shop.post("/merchant/coupons", w.couponForm("code", code, "kind", "coupon", "partner", owner, "note", "between us")); made.status != http.StatusSeeOther {
			t.Fatalf("status %d: %s", made.status, made.text())
		}
	}
	site := w.as("site@example.net")
	page := site.page("/partner/coupons")
	page.holds(t, "Mine10", "to come")
	file := site.page("/partner/coupons.csv")
	for _, answer := range []reply{page, file} {
		if strings.Contains(answer.body, "Nobodys10") || strings.Contains(answer.body, "between us") {
			t.Errorf("it holds what is none of the partner's: %s", answer.body)
		}
	}
	site.page("/partner/coupons?state=ended").holds(t, "No results match")
	w.as("member@example.net").page("/partner/coupons").holds(t, "No coupons", "Ask them for it.")
}
