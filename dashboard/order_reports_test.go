package dashboard

import (
	"slices"
	"strings"
	"testing"
	"time"

	"tributary/internal/event"
	"tributary/partners"
)

// Whatever a key reported, with effect or without, is found by it, and says so itself.
func TestOrdersAreFoundByTheKeyThatReported(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	issue := func(of partners.MerchantID, label string) partners.KeyID {
		_, id, err := partners.IssueKey(t.Context(), w.owner, of, label, partners.AllScopes)
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
		key  partners.KeyID
		want []string
	}{
		{0, []string{"brought", "by-till", "given-back", "twice"}},
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
		text := c.page("/merchant/orders/" + number10(no)).text()
		for _, at := range []time.Duration{-2*time.Hour + time.Second, -time.Hour + time.Second, -aDay} {
			text = strings.ReplaceAll(text, second(w.now.Add(at)), "TIME")
		}
		if !strings.Contains(text, want) {
			t.Errorf("order %d does not say %q; it says: %s", no, want, text)
		}
	}
	if body := w.as("site@example.net").page("/partner/commissions/" + number10(twice)).body; strings.Contains(body, "192.0.2.0") || strings.Contains(body, "till") {
		t.Error("a partner reads which key and network a report came from")
	}
}
