package dashboard

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/internal/event"
	"tributary/internal/postgres"
	"tributary/internal/text"
	"tributary/partners"
	"tributary/partners/program"
	"tributary/report"
	"tributary/test/schemes"
)

// records reads a CSV answer, heading first.
func (r reply) records(t *testing.T) [][]string {
	t.Helper()
	text, ok := strings.CutPrefix(r.body, "\ufeff")
	if !ok || r.header.Get("Content-Type") != "text/csv; charset=utf-8" {
		t.Fatalf("not a CSV file: %s %.80q", r.header.Get("Content-Type"), r.body)
	}
	if !strings.HasPrefix(r.header.Get("Content-Disposition"), `attachment; filename="tributary-`) {
		t.Errorf("Content-Disposition %q", r.header.Get("Content-Disposition"))
	}
	records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return records
}

func TestOverviewAddsUpByCurrency(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// Terms of two weeks ago pay 9 % on what is no book; one order a day before, in the period before it, of 8 %.
	line := func(amount int64) []*event.Line {
		return []*event.Line{{Number: 1, Quantity: 1, Amount: amount, Category: "home"}}
	}
	w.order(sale{id: "1", link: w.link, at: w.now.Add(-aDay), lines: line(10_000)})                                                // GBP 9.00
	w.order(sale{id: "2", link: w.link, at: w.now.Add(-2 * aDay), lines: line(20_001)})                                            // GBP 18.00 (18.0009)
	w.order(sale{id: "3", link: w.link, at: w.now.Add(-3 * aDay), lines: line(5_000), currency: "EUR"})                            // EUR 4.50
	w.order(sale{id: "4", link: w.link, at: w.now.Add(-40 * aDay), lines: line(1_000)})                                            // GBP 0.80, before, payable
	w.order(sale{id: "5", link: w.link, at: w.now.Add(-4 * aDay), lines: line(10_000), refunds: []*event.Refund{{Amount: 2_500}}}) // GBP 6.75
	w.order(sale{id: "6", link: w.memberLink, at: w.now.Add(-aDay), lines: line(10_000)})                                          // another partner's
	w.order(sale{id: "7", at: w.now.Add(-aDay), lines: line(10_000)})                                                              // nobody's
	w.order(sale{id: "8", link: w.link, at: w.now.Add(-aDay), clicked: w.now.Add(-40 * aDay), lines: line(10_000)})                // outside the window
	w.clicks(w.link, w.now.Add(-23*time.Hour), 150)
	w.clicks(w.link, w.now.Add(-40*aDay), 100)
	w.clicks(w.memberLink, w.now.Add(-aDay), 9)
	page := w.as("site@example.net").page("/partner?days=30")
	page.holds(t,
		"Earned GBP 33.75 EUR 4.50 in the period", "Pending GBP 33.75 EUR 4.50 in hold", "Payable GBP 0.80 EUR 0.00",
		"Earned per click GBP 0.2250 EUR 0.0300", "Clicks 150 +50 %", "Orders 4 +300 %", "Conversion rate 2.67 % before: 1.00 %", "Earned per order GBP 11.25 EUR 4.50",
		"as of", "newest click received")
	for _, d := range w.as("site@example.net").page("/partner/days.csv?days=30&currency=GBP").records(t)[1:] {
		if d[0] == w.now.Add(-2*aDay).Format(time.DateOnly) && !slices.Equal(d[1:], []string{"0", "1", "18.00", "GBP"}) {
			t.Errorf("the day of order 2: %q", d)
		}
	}
}

func TestANewPartnerIsToldWhatToDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fresh := w.partner(program.Site, "Fresh", "", w.program)
	w.login("fresh@example.net", "partner", fresh, 0)
	c := w.as("fresh@example.net")
	c.page("/partner").holds(t, "Make your first link", "No commissions yet")
	c.page("/partner/links").holds(t, "Make your first link")
	c.page("/partner/commissions").holds(t, "It begins with a link on your site.")
	w.newLink(w.program, fresh, "fresh-link", "")
	c.page("/partner").holds(t, "No clicks yet", "Put this link on your site", "https://go.example.net/c/fresh-link")
	alone := w.partner(program.Member, "Alone", "")
	w.login("alone@example.net", "partner", alone, 0)
	c = w.as("alone@example.net")
	c.page("/partner/programs").holds(t, "You are in no program yet")
	c.page("/partner/links/new").holds(t, "You are in no program yet")
}

func TestACommissionIsOnTheListAsSoonAsItIsCommitted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bulk = true // ClickHouse has heard nothing of it yet
	c := w.as("site@example.net")
	c.page("/partner/commissions").holds(t, "No commissions yet")
	w.order(sale{id: "just-now", link: w.link})
	c.page("/partner/commissions").holds(t, "just-now", "Alder & Finch Home", "Sidebar", "GBP 6.60", "pending")
	c.page("/partner").holds(t, "just-now", "Pending GBP 6.60")
}

// TestPagesOfAListHoldEveryRowOnce follows a list from page to page in each order, with rows that are alike in what
// they are sorted by.
func TestPagesOfAListHoldEveryRowOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bulk = true
	const n = 2*report.PageSize + 7
	for i := range n {
		currency := "GBP"
		if i%3 == 0 {
			currency = "EUR"
		}
		w.order(sale{
			id: "o" + number10(int64(i)), link: w.link, currency: currency, at: w.now.Add(-time.Duration(i/4) * time.Hour),
			lines: []*event.Line{{Number: 1, Quantity: 1, Amount: int64(1000 * (i % 5))}},
		})
	}
	site, shop := w.as("site@example.net"), w.as("shop@example.net")
	for _, list := range []struct {
		c    *client
		path string
	}{
		{site, "/partner/commissions"}, {site, "/partner/commissions?sort=oldest"}, {site, "/partner/commissions?sort=largest"}, {shop, "/merchant/orders"},
	} {
		seen := map[string]int{}
		next, pages := list.path, 0
		for next != "" && pages < 10 {
			page := list.c.page(next)
			pages++
			for _, id := range page.rows() {
				seen[id]++
			}
			next = page.next()
		}
		if len(seen) != n || pages != 3 {
			t.Errorf("%s: %d orders on %d pages, want %d on 3", list.path, len(seen), pages, n)
		}
		for id, times := range seen {
			if times != 1 {
				t.Errorf("%s: order %s is there %d times", list.path, id, times)
			}
		}
	}
	if records := site.page("/partner/commissions.csv?sort=oldest").records(t); len(records) != n+1 || records[1][0] != "o"+number10(n-1) && !strings.HasPrefix(records[1][0], "o10") {
		t.Errorf("the file has %d rows and begins with %q", len(records), records[1])
	}
}

// rows is the names of a list's rows.
func (r reply) rows() []string {
	var list []string
	for _, part := range strings.Split(r.body, `<a class="row break"`)[1:] {
		_, text, _ := strings.Cut(part, ">")
		text, _, _ = strings.Cut(text, "<")
		list = append(list, strings.TrimSpace(text))
	}
	return list
}

// next is the address behind "Next page", or empty.
func (r reply) next() string {
	before, _, found := strings.Cut(r.body, "Next page")
	if !found {
		return ""
	}
	at := strings.LastIndex(before, `href="`)
	to, _, _ := strings.Cut(before[at+len(`href="`):], `"`)
	return strings.ReplaceAll(to, "&amp;", "&")
}

func TestCommissionsCanBeNarrowed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	second := w.newLink(w.program, w.site, "second", "Second")
	w.learn()
	w.order(sale{id: "recent", link: w.link, at: w.now.Add(-aDay)})
	w.order(sale{id: "released", link: w.link, at: w.now.Add(-45 * aDay)})
	w.order(sale{id: "taken-back", link: second, at: w.now.Add(-2 * aDay), refunds: []*event.Refund{{WholeOrder: true}}})
	w.order(sale{id: "in-euro_100%", link: second, at: w.now.Add(-3 * aDay), currency: "EUR"})
	c := w.as("site@example.net")
	yesterday := w.now.Add(-aDay).Format(time.DateOnly)
	for query, want := range map[string][]string{
		"":                                    {"recent", "taken-back", "in-euro_100%", "released"},
		"state=pending":                       {"recent", "in-euro_100%"},
		"state=payable":                       {"released"},
		"state=reversed":                      {"taken-back"},
		"state=payable&q=recent":              nil,
		"currency=EUR":                        {"in-euro_100%"},
		"q=RELEAS":                            {"released"},
		"q=_100%25":                           {"in-euro_100%"},
		"q=%25":                               {"in-euro_100%"},
		"from=" + yesterday:                   {"recent"},
		"to=" + yesterday + "&sort=oldest":    {"released", "in-euro_100%", "taken-back", "recent"},
		"link=" + number10(int64(second.ID)):  {"taken-back", "in-euro_100%"},
		"program=" + number10(int64(w.other)): nil,
	} {
		got := c.page("/partner/commissions?" + query)
		if ids := got.rows(); !slices.Equal(ids, want) {
			t.Errorf("%q lists %q, want %q", query, ids, want)
		}
		if len(want) == 0 {
			got.holds(t, "No results match")
		}
		if records := c.page("/partner/commissions.csv?" + query).records(t); len(records) != len(want)+1 {
			t.Errorf("%q: the file has %d rows", query, len(records)-1)
		}
	}
}

// TestAnOrderThatSeveralEarnOn is counted once for the merchant, who sees every commission on it, and shows each partner
// its own and nothing of the others.
func TestAnOrderThatSeveralEarnOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	second := w.partner(program.Site, "Trail Diary", "https://trail.example", w.program)
	w.login("second@example.net", "partner", second, 0)
	w.learn()
	at := w.now.Add(-2 * aDay)
	split := schemes.Split(
		schemes.Share{Weight: 50},
		schemes.Share{Partner: w.member, Role: commission.RoleRecruiter, Weight: 30, Longer: 10 * aDay},
		schemes.Share{Partner: second, Weight: 20},
	)
	no := w.order(sale{
		id: "shared-1", link: w.link, at: at, lines: []*event.Line{{Number: 1, Sku: "A", Quantity: 1, Amount: 10_000}}, coupon: "AUTUMN10", customer: "c-7",
		decide: func(o commission.Order, evidence commission.Evidence) (commission.Decision, error) {
			d, err := split(o, evidence)
			d.Touches = slices.Insert(d.Touches, 0, commission.Touch{ // of the recruiter, before the one that won
				Kind: commission.TouchClick, ID: "v1.k1.mira-0001", Reason: commission.EarlierTouch, At: at.Add(-50 * time.Hour),
				AgeMillis: (50 * time.Hour).Milliseconds(), WindowSeconds: int64(30 * aDay / time.Second), Link: w.memberLink.ID, Program: w.program, Partner: w.member,
			})
			return d, err
		},
	})
	heldUntil := at.Add(time.Second + 30*aDay)
	clicked := "Clicked " + text.English().Second(at.Add(-time.Hour)) + " Click to order 1 hour; the window is 30 days."
	merchant := w.as("shop@example.net")
	merchant.page("/merchant/orders").holds(t, "shared-1", "Mira Okafor, The Slow Kitchen, Trail Diary", "GBP 9.00")
	merchant.page("/merchant").holds(t, "1 order")
	merchant.page("/merchant/orders/"+number10(no)).holds(t,
		"3 commissions on this order come to GBP 9.00. Each is listed below.",
		"Commission GBP 9.00 nothing refunded", "Pending GBP 9.00 last hold ends "+text.English().Day(heldUntil.Add(10*aDay)),
		"Who earns", "The Slow Kitchen partner 50 of 100 GBP 4.50 0.90 pending hold ends "+text.English().Day(heldUntil),
		"Mira Okafor recruiter 30 of 100 GBP 2.70 0.00 pending hold ends "+text.English().Day(heldUntil.Add(10*aDay)), "Trail Diary partner 20 of 100 GBP 1.80 0.36 pending",
		"v1.k1.mira-0001", "v1.k1.slow-kitchen", clicked, "Network fee: GBP 1.26", "rounded once: 6.30 × 20 % = 1.26 , so GBP 1.26.")
	for email, fact := range map[string]struct{ holds, lacks []string }{
		"site@example.net": {
			[]string{
				"You earn GBP 4.50 on this order: the customer came through link “Sidebar” (slow-kitchen) 1 hour before ordering", "Commission GBP 4.50", clicked,
				"The Slow Kitchen partner 50 of 100 GBP 4.50 0.90", "v1.k1.slow-kitchen", "coupon known to the merchant",
			}, []string{"Mira Okafor", "Trail Diary", "mira", "2.70", "1.80", "6.30", "Each is listed below"},
		},
		"member@example.net": {
			[]string{
				"You earn GBP 2.70 on this order: you recruited a partner who earns on it.", "Commission GBP 2.70", "Mira Okafor recruiter 30 of 100 GBP 2.70 0.00",
				"v1.k1.mira-0001",
			}, []string{"The Slow Kitchen", "Trail Diary", "slow-kitchen", "4.50", "1.80", "0.90", "came through link", "Click to order", "Network fee 20 %"},
		},
		"second@example.net": {
			[]string{
				"You earn GBP 1.80 of the commission on this order. The click that led to it was not on a link of yours.", "Commission GBP 1.80",
				"Trail Diary partner 20 of 100 GBP 1.80 0.36",
			}, []string{"The Slow Kitchen", "Mira Okafor", "slow-kitchen", "mira", "4.50", "2.70", "came through link", "Click to order"},
		},
	} {
		partner := w.as(email)
		partner.page("/partner/commissions").holds(t, "shared-1")
		why := partner.page("/partner/commissions/" + number10(no))
		why.holds(t, fact.holds...)
		for _, secret := range append(fact.lacks, "AUTUMN10", "c-7") {
			if strings.Contains(why.text(), secret) {
				t.Errorf("%s reads %q of somebody else's: %s", email, secret, why.text())
			}
		}
	}
}

// A partner may earn twice on one order, and a recruiter alone.
func TestWhyHasASentenceForEachRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lines := []*event.Line{{Number: 1, Sku: "A", Quantity: 1, Amount: 10_000}}
	both := w.order(sale{id: "both", link: w.link, lines: lines, decide: schemes.Split(
		schemes.Share{Weight: 60}, schemes.Share{Partner: w.site, Role: commission.RoleRecruiter, Weight: 40})})
	w.as("site@example.net").page("/partner/commissions/"+number10(both)).holds(t, "You earn GBP 5.40 on this order: the customer came through link",
		"You earn GBP 3.60 on this order: you recruited a partner who earns on it.", "Commission GBP 9.00")
	for role, says := range map[commission.Role]struct{ merchant, partner string }{
		commission.RoleRecruiter:  {"Mira Okafor earns GBP 9.00 on this order: it recruited a partner", "You earn GBP 9.00 on this order: you recruited a partner"},
		commission.RoleRecruiter2: {"Mira Okafor earns GBP 9.00 on this order: it recruited the recruiter", "You earn GBP 9.00 on this order: you recruited the recruiter"},
		commission.RoleStaff:      {"Mira Okafor earns GBP 9.00 on this order as staff", "You earn GBP 9.00 on this order as staff"},
	} {
		no := w.order(sale{id: role.String(), link: w.link, lines: lines, decide: schemes.Split(schemes.Share{Partner: w.member, Role: role, Weight: 1})})
		w.as("shop@example.net").page("/merchant/orders/"+number10(no)).holds(t, says.merchant)
		w.as("member@example.net").page("/partner/commissions/"+number10(no)).holds(t, says.partner)
	}
}

// What is earned in points is never added to money, and the parts of an order are those of its own unit.
func TestWhyTellsUnitsApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	no := number10(w.order(sale{
		id: "units", link: w.link, customer: "c-7", lines: []*event.Line{{Number: 1, Sku: "A", Quantity: 1, Amount: 10_000}},
		decide: schemes.Split(
			schemes.Share{Weight: 60}, schemes.Share{Partner: w.outsid, Weight: 40},
			schemes.Share{Partner: w.member, Role: commission.RoleRecruiter, Weight: 7, Unit: "POINT"},
			schemes.Share{Role: commission.RoleCustomer, Unit: "POINT"},
		),
	}))
	w.as("shop@example.net").page("/merchant/orders/"+no).holds(t,
		"2 commissions on this order come to GBP 9.00.", "2 commissions on this order come to POINT 1,800.", "Commission GBP 9.00", "Commission POINT 1,800",
		"partner 60 of 100 GBP 5.40 1.08", "recruiter 7 of 7 POINT 900 0", "customer – POINT 900 0", "Commission, POINT",
		"Commission The Slow Kitchen – For each rule", "Commission Mira Okafor recruiter – customer For each rule", "9.00 × 20 % = 1.80", "Merchant gives to customers Customer, pending POINT 900")
	w.as("member@example.net").page("/partner/commissions/"+no).holds(t, "You earn POINT 900 on this order: you recruited a partner", "Commission POINT 900", "7 of 7")
}

// An order counts in its own currency, and what it earns in that in which it is paid.
func TestOrdersPaidInAnotherCurrencyCount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.order(sale{
		id: "converted", link: w.link, lines: []*event.Line{{Number: 1, Sku: "A", Quantity: 1, Amount: 10_000}},
		decide: schemes.Split(schemes.Share{Weight: 1, Unit: "USD"}),
	})
	for who, paths := range map[string][]string{"site": {"/partner"}, "shop": {"/merchant", "/merchant/partners"}} {
		for _, path := range paths {
			w.as(who+"@example.net").page(path).holds(t, "GBP 100.00", "USD")
		}
	}
}

func TestWhyExplainsEveryCent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := time.Date(w.now.Year(), w.now.Month(), w.now.Day(), 3, 4, 1, 0, time.UTC).Add(-2 * aDay)
	no := w.order(sale{
		id: "20871", link: w.link, at: at, clicked: at.Add(-26 * time.Hour), customer: "c-7", coupon: "AUTUMN10",
		lines: []*event.Line{
			{Number: 1, Sku: "CARAFE-1L", Quantity: 1, Amount: 2125, Category: "kitchen"},
			{Number: 2, Sku: "BK-SALT", Quantity: 3, Amount: 5997, Category: "books"},
			{Number: 3, Sku: "GC-50", Quantity: 1, Amount: 5000, Category: "gift cards"},
			{Number: 4, Sku: "CARAFE-1L", Quantity: 1, Amount: 2125, Category: "kitchen"},
		},
		refunds: []*event.Refund{{Items: []*event.RefundItem{{Line: 2, Quantity: 1}, {Sku: "NOT-THERE", Quantity: 2}}}},
	})
	path := number10(no)
	site := w.as("site@example.net").page("/partner/commissions/" + path)
	site.holds(t,
		"You earn GBP 8.23 on this order: the customer came through link “Sidebar” (slow-kitchen) 1 day 2 hours before ordering, within the window of 30 days. Before refunds it was GBP 10.43.",
		"Version 2, in force from", "30 days from the receipt of the order, until "+text.English().Second(at.Add(30*aDay+time.Second)), "1 day 2 hours; the window is 30 days. It is measured to the receipt of the order",
		"row for all other categories 2 lines 42.50 9 % 42.50 × 9 % = 3.825 3.83", "row “books” 1 line 39.98 11 % 39.98 × 11 % = 4.3978 4.40",
		"50.00 × 0 % = 0.00 0.00", "21.25 – 21.25 9 % row for all other categories 1.92", "21.25 – 21.25 9 % row for all other categories 1.91",
		"152.47 19.99 132.48 GBP 8.23", "Network fee: GBP 1.65", "rounded once: 8.23 × 20 % = 1.646 , so GBP 1.65.",
		"It earns the commission", "coupon known to the merchant", "do not credit coupons", "customer known to the merchant",
		"NOT-THERE 2 pieces", "The order has no such line.",
		"Merchant owes Partner, pending GBP 10.43", "Partner, pending Merchant owes GBP 2.20",
		"Click "+text.English().Second(at.Add(-26*time.Hour)), "Order placed "+text.English().Second(at), "Refund R-1 "+text.English().Second(at.Add(time.Hour)), "GBP 19.99 taken back", "Hold ends "+text.English().Second(at.Add(30*aDay+time.Second)),
	)
	for _, secret := range []string{"c-7", "AUTUMN10", "Network fee, pending"} {
		if strings.Contains(site.body, secret) {
			t.Errorf("the partner sees %q", secret)
		}
	}
	w.as("shop@example.net").page("/merchant/orders/"+path).holds(t,
		"The Slow Kitchen earns GBP 8.23 on this order", "customer c-7", "coupon AUTUMN10", "Merchant owes Network fee, pending GBP 2.09", `"outcome":"credited"`)
}

func TestWhySaysByWhichClockAndFromWhen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := w.now.Add(-10 * aDay)
	for _, fact := range []struct {
		name  string
		sale  sale
		words []string
	}{
		{"told late", sale{link: w.link, late: 3 * aDay}, []string{
			"reported 3 days after it was placed", "It is measured to the time that the shop stated.",
			"30 days from the receipt of the order, until " + text.English().Second(at.Add(33*aDay)),
		}},
		{"by a clock behind", sale{link: w.link, clicked: at.Add(4 * time.Minute), late: 2 * time.Minute}, []string{
			"It is measured to the receipt of the order", "up to 5 minutes later, which counts as no time",
		}},
		{"an import", sale{link: w.link, late: 3 * aDay, imported: true}, []string{
			"imported by the operator, with its times as stated", "It is measured to the time that the import stated.",
			"30 days from the order, until " + text.English().Second(at.Add(30*aDay)),
		}},
	} {
		fact.sale.id, fact.sale.at = fact.name, at
		w.as("site@example.net").page("/partner/commissions/"+number10(w.order(fact.sale))).holds(t, fact.words...)
	}
}

func TestWhyOfAReleasedCommissionShowsWhereItWent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	no := w.order(sale{id: "old", link: w.link, at: w.now.Add(-40 * aDay), refunded: w.now.Add(-5 * aDay), refunds: []*event.Refund{{Amount: 1000}}})
	w.as("site@example.net").page("/partner/commissions/"+number10(no)).holds(t,
		"Partner, pending Partner, payable GBP 6.00", "Partner, payable Merchant owes GBP 1.00", "The commission became payable.", "Payable GBP 5.00", "Version 1")
}

func TestLinksListWhatEachBrought(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	second := w.newLink(w.program, w.site, "second-link", "Second, with words")
	w.learn()
	w.order(sale{id: "1", link: w.link, at: w.now.Add(-aDay)})
	w.order(sale{id: "2", link: w.link, at: w.now.Add(-aDay), currency: "EUR"})
	w.order(sale{id: "3", link: w.link, at: w.now.Add(-60 * aDay)})
	w.clicks(w.link, w.now.Add(-aDay), 40)
	w.clicks(second, w.now.Add(-aDay), 3)
	w.clicks(w.link, w.now.Add(-60*aDay), 7)
	c := w.as("site@example.net")
	c.page("/partner/links").holds(t, "Sidebar https://go.example.net/c/slow-kitchen Alder & Finch Home Alder & Finch 40 2 5.00 % GBP 6.60 EUR 6.60", "Second, with words")
	c.page("/partner/links?days=90").holds(t, "47 3 6.38 %")
	if got := c.page("/partner/links?q=words").rows(); !slices.Equal(got, []string{"Second, with words"}) {
		t.Errorf("q=words lists %q", got)
	}
	records := c.page("/partner/links.csv").records(t)
	if len(records) != 4 || !slices.Equal(records[2][7:], []string{"40", "2", "GBP", "6.60"}) {
		t.Errorf("the file: %q", records)
	}
}

func TestALinkIsMadeAndWorks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.as("site@example.net")
	program := number10(int64(w.program))
	got := c.post("/partner/links", url.Values{"program": {program}, "target": {"https://www.alder.example/sale?x=1"}, "label": {"Autumn"}, "code": {"autumn-sale"}})
	if got.status != http.StatusSeeOther {
		t.Fatalf("status %d: %s", got.status, got.text())
	}
	c.page(got.header.Get("Location")).holds(t, "The link is ready", "https://go.example.net/c/autumn-sale", "leads to https://www.alder.example/sale?x=1", "sub5")
	w.learn()
	l, ok := w.network.LinkByCode("autumn-sale")
	if !ok || l.Partner != w.site || l.Program != w.program {
		t.Errorf("the tracker would find %+v (%v)", l, ok)
	}
}

func TestALinkThatCannotBeMadeSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.as("site@example.net")
	program := number10(int64(w.program))
	for _, tc := range []struct {
		form   url.Values
		status int
		says   string
	}{
		{url.Values{"program": {program}, "target": {"https://evil.example/"}}, http.StatusUnprocessableEntity, "is not one of the program's"},
		{url.Values{"program": {program}, "target": {"javascript:alert(1)"}}, http.StatusUnprocessableEntity, "does not begin with https://"},
		{url.Values{"program": {program}, "code": {"No Good"}}, http.StatusUnprocessableEntity, "cannot be a code"},
		{url.Values{"program": {program}, "code": {"ridge"}}, http.StatusConflict, "is taken"},
		{url.Values{"program": {program}, "label": {strings.Repeat("x", 300)}}, http.StatusUnprocessableEntity, "use at most 200"},
		{url.Values{"program": {number10(int64(w.other))}}, http.StatusNotFound, "There is no such thing here"},
		{url.Values{"program": {"12345"}}, http.StatusNotFound, "There is no such thing here"},
		{url.Values{}, http.StatusNotFound, "There is no such thing here"},
	} {
		got := c.post("/partner/links", tc.form)
		if got.status != tc.status {
			t.Errorf("%v: status %d, want %d", tc.form, got.status, tc.status)
		}
		got.holds(t, tc.says)
	}
	var n int
	w.must(w.owner.QueryRow(t.Context(), `SELECT count(*) FROM link WHERE partner_id = $1`, int64(w.site)).Scan(&n))
	if n != 1 {
		t.Errorf("%d links", n)
	}
}

func TestAClosedLinkStaysClosed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.as("site@example.net")
	path := "/partner/links/" + number10(int64(w.link.ID))
	if got := w.as("member@example.net").post(path+"/close", nil); got.status != http.StatusNotFound {
		t.Errorf("another partner: status %d", got.status)
	}
	c.post(path+"/close", nil)
	c.page(path).holds(t, "The link is closed", "closed")
	var first, again time.Time
	closedAt := func(at *time.Time) {
		w.must(w.owner.QueryRow(t.Context(), `SELECT closed_at FROM link WHERE id = $1`, int64(w.link.ID)).Scan(at))
	}
	closedAt(&first)
	c.post(path+"/close", nil)
	if closedAt(&again); !again.Equal(first) {
		t.Errorf("closed at %s, then at %s", first, again)
	}
	if got := c.page("/partner/links?state=open").rows(); len(got) != 0 {
		t.Errorf("open links: %q", got)
	}
}

func TestWhereClicksCameFrom(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sub1, w.referrer = "newsletter", "slowkitchen.example/guide"
	w.clicks(w.link, w.now.Add(-aDay), 3)
	w.sub1, w.referrer = "", ""
	w.clicks(w.link, w.now.Add(-aDay), 1)
	w.sub1 = "someone else's"
	w.clicks(w.memberLink, w.now.Add(-aDay), 5)
	c := w.as("site@example.net")
	path := "/partner/links/" + number10(int64(w.link.ID))
	c.page(path).holds(t, "slowkitchen.example/guide 3 75.00 %", "not given 1 25.00 %")
	c.page(path+"?by=sub1").holds(t, "newsletter 3 75.00 %")
	c.get(path+"?by=ip_prefix").holds(t, "by : “ip_prefix” is not one of the known values")
	if body := c.page(path + "?by=sub1").body; strings.Contains(body, "someone else") {
		t.Error("another partner's sub-id is on the page")
	}
}

func TestProgramsShowTermsOfAnyDate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(postgres.InTx(t.Context(), w.owner, func(tx pgx.Tx) error {
		_, err := partners.AddTerms(t.Context(), tx, w.program, program.Version{EffectiveFrom: w.now.Add(10 * aDay), Document: program.NewDocument(7*aDay, 0, 150_000, nil)})
		return err
	}))
	w.as("site@example.net").page("/partner/programs").holds(t, "Alder & Finch Home", "Version 2 In force", "Version 3 To come", "Version 1 Past",
		"books 11 %", "all others 9 %", "books 10 %", "A click counts for 7 days", "15 % of the commission")
	if text := w.as("site@example.net").page("/partner/programs").text(); strings.Contains(text, "Members") {
		t.Error("a site is shown the rates of members")
	}
	w.as("member@example.net").page("/partner/programs").holds(t, "Members", "all others 6 %")
	w.as("shop@example.net").page("/merchant/programs").holds(t, "Sites Members", "3 versions", "Click id parameter tclid", "2 partners")
}

func TestWithoutClickHouseMoneyIsStillShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	order := w.order(sale{id: "A-1", link: w.link})
	site, shop, operator := w.as("site@example.net"), w.as("shop@example.net"), w.as("operator@example.net")
	_ = w.ch.Close()
	site.page("/partner").holds(t, "Counts of clicks and orders cannot be read at the moment", "Pending GBP 6.60", "Clicks –", "A-1")
	site.page("/partner/links").holds(t, "Counts of clicks and orders cannot be read", "GBP 6.60")
	site.page("/partner/links/"+number10(int64(w.link.ID))).holds(t, "Counts of clicks and orders cannot be read", "Earned GBP 6.60")
	site.page("/partner/commissions/"+number10(order)).holds(t, "You earn GBP 6.60")
	shop.page("/merchant").holds(t, "Counts of clicks and orders cannot be read", "Revenue from partners GBP 59.99")
	shop.page("/merchant/partners").holds(t, "The Slow Kitchen", "GBP 59.99")
	shop.page("/merchant/partners/"+number10(int64(w.site))).holds(t, "Revenue GBP 59.99")
	operator.page("/network").holds(t, "Merchants owe", "7.92", "balanced")
	if got := site.get("/partner/days.csv"); got.status != http.StatusServiceUnavailable {
		t.Errorf("a file of counts: status %d", got.status)
	}
}

func TestACommissionOfNothingSaysWhy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	line := func(category string, amount int64) []*event.Line {
		return []*event.Line{{Number: 1, Quantity: 1, Amount: amount, Category: category}}
	}
	card := w.order(sale{id: "gift", link: w.link, lines: line("gift cards", 5000)})
	w.order(sale{id: "penny", link: w.link, lines: line("books", 1)})
	w.order(sale{id: "back", link: w.link, lines: line("books", 5000), refunds: []*event.Refund{{WholeOrder: true}}})
	w.order(sale{id: "earns", link: w.link, lines: line("books", 5000)})
	c := w.as("site@example.net")
	page := c.page("/partner/commissions")
	page.holds(t, "earns nothing the terms pay 0 % on what was bought", "earns nothing its share rounds to nothing", "GBP 5.50 pending until", "reversed")
	if n := strings.Count(page.text(), "until"); n != 1 {
		t.Errorf("%d commissions are pending until some day: %s", n, page.text())
	}
	c.page("/partner/commissions/"+number10(card)).holds(t, "earns nothing: the terms pay 0 %", "Nothing was earned, so nothing becomes payable.")
	w.as("shop@example.net").page("/merchant/orders").holds(t, "GBP 0.00 earns nothing")
}

func TestCurrenciesStandInTheProgramsOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// The program names GBP before EUR; orders in EUR are more, and sort before GBP by code.
	for i := range 3 {
		w.order(sale{id: fmt.Sprint("e", i), link: w.link, currency: "EUR", at: w.now.Add(-time.Hour)})
	}
	w.order(sale{id: "g", link: w.link, at: w.now.Add(-2 * time.Hour)})
	for who, paths := range map[string]map[string]string{
		"site": {
			"/partner": "Earned GBP 6.60 EUR 19.80 in the period Pending GBP 6.60 EUR 19.80", "/partner/links": "GBP 6.60 EUR 19.80",
			"/partner/links/" + number10(int64(w.link.ID)): "Earned GBP 6.60 EUR 19.80",
		},
		"shop": {
			"/merchant": "Revenue from partners GBP 59.99 EUR 179.97", "/merchant/partners": "GBP 59.99 EUR 179.97 GBP 6.60 EUR 19.80",
			"/merchant/partners/" + number10(int64(w.site)): "Revenue GBP 59.99 EUR 179.97",
		},
		"operator": {"/network": "GBP 7.92 EUR 23.76"},
	} {
		c := w.as(who + "@example.net")
		for path, want := range paths {
			c.page(path).holds(t, want)
		}
	}
	// The chart begins with the currency of most orders all the same.
	w.clicks(w.link, w.now, 1)
	w.as("site@example.net").page("/partner").holds(t, "Earned, EUR")
}

func TestTodayIsDrawnAsUnfinished(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.clicks(w.link, w.now, 3)
	c := w.as("site@example.net")
	c.page("/partner").holds(t, "Today, not over yet")
	over := w.now.Add(-aDay).Format(time.DateOnly)
	if page := c.page("/partner?from=" + over + "&to=" + over); strings.Contains(page.text(), "not over yet") {
		t.Error("yesterday is not over")
	}
}

func TestANewLinksHintIsOfTheChosenProgram(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	second := w.newProgram(w.shop, "Alder & Finch Garden", "https://garden.example/", []string{"GBP"})
	w.must(partners.Enrol(t.Context(), w.owner, second, w.site))
	c := w.as("site@example.net")
	for program, want := range map[program.ProgramID][2]string{w.program: {"alder.example", "garden.example"}, second: {"garden.example", "alder.example"}} {
		page := c.page("/partner/links/new?program=" + number10(int64(program)))
		page.holds(t, "any page on "+want[0])
		if strings.Contains(page.text(), "any page on "+want[1]) || strings.Contains(page.text(), want[1]+".") {
			t.Errorf("the hint of %s names %s: %s", want[0], want[1], page.text())
		}
	}
}
