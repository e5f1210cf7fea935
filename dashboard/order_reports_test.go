package dashboard

import (
	"slices"
	"strings"
	"testing"
	"time"

	"tributary/internal/event"
	"tributary/internal/text"
	"tributary/partners"
	"tributary/partners/program"
)

// Whatever a key reported, with effect or without, is found by it, and says so itself.
func TestOrdersAreFoundByTheKeyThatReported(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	issue := func(of program.MerchantID, label string) program.KeyID {
		_, id, err := partners.IssueKey(t.Context(), w.owner, of, label, partners.Reporting)
		w.must(err)
		return id
	}
	till, web, theirs := issue(w.shop, "till"), issue(w.shop, "web"), issue(w.rival, "theirs")
	w.order(sale{id: "by-till", key: till, network: "192.0.2.0/24"})
	twice := w.order(sale{id: "twice", link: w.link, key: till, network: "192.0.2.0/24"})
	w.conflict(twice, sale{id: "twice", key: web, network: "2001:db8::/48"})
	back := w.order(sale{id: "given-back", key: web, network: "2001:db8::/48", refunds: []*event.Refund{{RefundId: "R-9", WholeOrder: true}}})
	imported := w.order(sale{id: "brought", imported: true, late: 90 * aDay, at: w.now.Add(-91 * aDay)})
	w.order(sale{id: "theirs", merchant: w.rival, currency: "USD", key: theirs})
	c := w.as("shop@example.net")
	for _, fact := range []struct {
		key  program.KeyID
		want []string
	}{
		{till, []string{"by-till", "twice"}},
		{web, []string{"given-back", "twice"}},
		{theirs, nil},
		{theirs + 1000, nil},
	} {
		query := "?key=" + number10(int64(fact.key))
		got := c.page("/merchant/orders" + query).rows()
		slices.Sort(got)
		if !slices.Equal(got, fact.want) {
			t.Errorf("key %d lists %q, want %q", fact.key, got, fact.want)
		}
		if records := c.page("/merchant/orders.csv" + query).records(t); len(records) != len(fact.want)+1 {
			t.Errorf("key %d: the file has %d rows, want %d", fact.key, len(records)-1, len(fact.want))
		}
	}
	c.page("/merchant/orders").holds(t, "till, key "+number10(int64(till)), "web, key "+number10(int64(web)))
	for no, want := range map[int64]string{
		twice: "Order TIME till key " + number10(int64(till)) + ", its orders 192.0.2.0/24 Order without effect TIME web key " + number10(int64(web)) + ", its orders 2001:db8::/48",
		back:  "Refund R-9 TIME web key " + number10(int64(web)) + ", its orders 2001:db8::/48",
		// An import is no report of a key, and not late.
		imported: "Order import TIME none –",
	} {
		said := c.page("/merchant/orders/" + number10(no)).text()
		for _, at := range []time.Duration{-2*time.Hour + time.Second, -time.Hour + time.Second, -aDay} {
			said = strings.ReplaceAll(said, text.English().Second(w.now.Add(at)), "TIME")
		}
		if !strings.Contains(said, want) {
			t.Errorf("order %d does not say %q; it says: %s", no, want, said)
		}
	}
	if body := w.as("site@example.net").page("/partner/commissions/" + number10(twice)).body; strings.Contains(body, "192.0.2.0") || strings.Contains(body, "till") {
		t.Error("a partner reads which key and network a report came from")
	}
}

// An order is late by more than 48 hours. The lists mark it, and each count leads to a list of as many.
func TestLateOrdersAreMarkedListedAndCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, key, err := partners.IssueKey(t.Context(), w.owner, w.shop, "till", partners.Reporting)
	w.must(err)
	at := w.now.Add(-5 * aDay)
	w.order(sale{id: "in-time", link: w.link, at: at, late: 2 * aDay})
	late := w.order(sale{id: "tardy", link: w.link, at: at, late: 2*aDay + time.Second, key: key, network: "192.0.2.0/24"})
	w.order(sale{id: "late-no-click", at: at, late: 3 * aDay})
	w.order(sale{id: "late-long-ago", at: at.Add(-60 * aDay), late: 3 * aDay})
	w.order(sale{id: "brought", at: at, late: 3 * aDay, imported: true})
	w.order(sale{id: "theirs", merchant: w.rival, currency: "USD", link: w.foreign, at: at, late: 4 * aDay})
	shop, site, operator := w.as("shop@example.net"), w.as("site@example.net"), w.as("operator@example.net")
	for _, fact := range []struct {
		who        *client
		path, want string
	}{
		{shop, "/merchant/orders", "tardy late"},
		{shop, "/merchant/orders", "late-no-click late"},
		{shop, "/merchant/developers", "Order tardy late"},
		{shop, "/merchant/partners/" + number10(int64(w.site)), "tardy late"},
		{shop, "/merchant/orders/" + number10(late), "Order late"},
		{shop, "/merchant?days=30", "2 orders reported more than 48 hours after the purchase."},
		{shop, "/merchant?days=90", "3 orders reported more than 48 hours after the purchase."},
		{site, "/partner/commissions", "tardy late"},
		{operator, "/network/late", "tardy Alder & Finch"},
		{operator, "/network/late", "2 days later key " + number10(int64(key)) + " 192.0.2.0/24"},
	} {
		fact.who.page(fact.path).holds(t, fact.want)
	}
	if n := strings.Count(shop.page("/merchant/orders").body, ">late</span>"); n != 3 {
		t.Errorf("%d orders are marked", n)
	}
	for _, fact := range []struct {
		path string // a page with a count
		list string // where the count leads to
		want int
	}{
		{"/merchant?days=30", "/merchant/orders", 2},
		{"/merchant?days=90", "/merchant/orders", 3},
	} {
		link := linkTo(shop.page(fact.path), fact.list+"?", "oddity=late")
		if got := shop.page(link).rows(); len(got) != fact.want {
			t.Errorf("%s leads to %s with %q", fact.path, link, got)
		}
	}
	for days, want := range map[string][2]int{"30": {2, 1}, "90": {3, 1}} {
		records := operator.page("/network.csv?days=" + days).records(t)
		for _, record := range records[1:] {
			i := slices.Index([]string{"Alder & Finch", "Kestrel Outdoor"}, record[0])
			if record[5] != number10(int64(want[i])) {
				t.Errorf("%s days of %s: %s late", days, record[0], record[5])
			}
			id := []program.MerchantID{w.shop, w.rival}[i]
			link := linkTo(operator.page("/network?days="+days), "/network/late?from=", "merchant="+number10(int64(id)))
			if got := operator.page(strings.Replace(link, "late?", "late.csv?", 1)).records(t); len(got) != want[i]+1 {
				t.Errorf("%s leads to %q, want %d", link, got, want[i])
			}
		}
	}
}

// linkTo is the first address on a page that holds all of these.
func linkTo(r reply, parts ...string) string {
	for _, piece := range strings.Split(r.body, `href="`)[1:] {
		address, _, _ := strings.Cut(piece, `"`)
		address = strings.ReplaceAll(address, "&amp;", "&")
		if !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(address, part) }) {
			return address
		}
	}
	return "/no-link"
}
