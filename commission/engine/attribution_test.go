package engine

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tributary/commission/audit"
	"tributary/internal/event"
	"tributary/partners"
	"tributary/partners/program"
)

// addScheme adds a merchant's program, its third, with an attribution; sites earn 10 %. It gives a link of each site, and gives
// the first an exclusive coupon and the second a shared one.
func (w *world) addScheme(a program.Attribution) []program.LinkID {
	w.t.Helper()
	ctx := w.t.Context()
	merchant, err := partners.CreateMerchant(ctx, w.db, "scheme")
	check(w.t, err)
	document := program.NewDocument(30*day, 30*day, 200_000, program.Rates{program.Site: {"*": 100_000}})
	document.Attribution = a
	long := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	tx, err := w.db.Begin(ctx)
	check(w.t, err)
	defer tx.Rollback(ctx)
	id, err := partners.CreateProgram(ctx, tx, partners.NewProgram{
		Merchant: merchant, Name: "scheme", LandingURL: "https://shop.example/", Currencies: []string{"GBP"},
		Terms: []program.Version{{EffectiveFrom: long, Document: document}},
	})
	check(w.t, err)
	for _, p := range w.partners {
		check(w.t, partners.Enrol(ctx, tx, id, p))
	}
	_, err = tx.Exec(ctx, `INSERT INTO coupon (program_id, code, written, kind, partner_id, exclusive, effective_from, effective_until, author)
		VALUES ($1, 'alone', 'ALONE', 'coupon', $2, true, $4, NULL, 'test'), ($1, 'shared', 'SHARED', 'coupon', $3, false, $4, NULL, 'test'),
		       ($1, 'over', 'OVER', 'coupon', $3, false, $4, $5, 'test'), ($1, 'shop', 'SHOP', 'coupon', NULL, false, $4, NULL, 'test')`,
		id, int64(w.partners[0]), int64(w.partners[1]), long, noon().Add(-time.Second))
	check(w.t, err)
	check(w.t, tx.Commit(ctx))
	var links []program.LinkID
	for _, p := range w.partners {
		links = append(links, w.addLink(id, p))
	}
	return links
}

// TestOrdersAreSharedByTheirTouches goes the whole way: reports with paths and coupons through Kafka and PostgreSQL to the books,
// which are verified.
func TestOrdersAreSharedByTheirTouches(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 3)
	links := w.addScheme(program.Attribution{
		Model: program.ModelPosition,
		Touches: program.Touches{
			Click: &program.Touching{MinAge: program.Duration(15 * time.Second)}, Soft: &program.Touching{}, Coupon: &program.Touching{},
		},
	})
	w.start(w.config("one"))
	click := func(site int, before time.Duration) string { return clickOn(links[site], noon().Add(-before)) }
	path := func(kind event.TouchKind, ids ...string) (list []*event.Touch) {
		for _, id := range ids {
			list = append(list, &event.Touch{ClickId: id, Kind: uint32(kind)})
		}
		return list
	}
	report := func(order string, change func(s *event.Sale)) *event.Event {
		e := sale(3, order, "", 10_010)
		change(e.GetSale())
		e.GetSale().ContentHash = event.SaleHash(e.GetSale(), e.GetOccurredAt())
		return e
	}
	for _, fact := range []struct {
		order   string
		sale    func(s *event.Sale)
		outcome string
		net     map[int]int64 // by site
	}{
		{"three by position", func(s *event.Sale) {
			s.ClickId = click(2, time.Hour)
			s.Path = path(event.PathClick, click(0, 3*time.Hour), click(1, 2*time.Hour), click(2, time.Hour))
		}, "credited", map[int]int64{0: 401, 1: 200, 2: 400}},
		{"too fast", func(s *event.Sale) { s.ClickId = click(0, 14*time.Second) }, "too_fast", nil},
		{"a soft click", func(s *event.Sale) { s.Path = path(event.PathSoft, click(1, time.Hour)) }, "credited", map[int]int64{1: 1001}},
		{"an exclusive coupon", func(s *event.Sale) { s.ClickId, s.Coupon = click(2, time.Hour), " alone" }, "credited", map[int]int64{0: 1001}},
		{"a shared coupon", func(s *event.Sale) { s.Coupons = []string{"Shared"} }, "credited", map[int]int64{1: 1001}},
		{"behind a click", func(s *event.Sale) { s.ClickId, s.Coupon = click(2, time.Hour), "SHARED" }, "credited", map[int]int64{2: 1001}},
		{"a coupon that is over", func(s *event.Sale) { s.Coupon = "OVER" }, "coupon_not_in_force", nil},
		{"the shop's own", func(s *event.Sale) { s.Coupon = "SHOP" }, "no_click", nil},
		{"nobody's", func(s *event.Sale) { s.Coupon = "NONE" }, "no_click", nil},
	} {
		w.send(report(fact.order, fact.sale))
		w.waitIdle()
		var outcome string
		check(t, w.db.QueryRow(t.Context(), `SELECT outcome FROM orders WHERE order_id = $1`, fact.order).Scan(&outcome))
		net := map[int]int64{}
		for site, p := range w.partners {
			n := w.number(`SELECT coalesce(sum(c.net), 0) FROM commission c JOIN orders o ON o.no = c.order_no WHERE o.order_id = $1 AND c.partner_id = $2`, fact.order, int64(p))
			if n != 0 {
				net[site] = n
			}
		}
		if fact.net == nil {
			fact.net = map[int]int64{}
		}
		if diff := cmp.Diff(fact.net, net); diff != "" || outcome != fact.outcome {
			t.Errorf("%s: %s, want %s; net (-want +got):\n%s", fact.order, outcome, fact.outcome, diff)
		}
	}
	verdict, err := audit.Verify(t.Context(), w.audited())
	if check(t, err); len(verdict.Findings) > 0 {
		t.Errorf("the books are not as they should be: %+v", verdict.Findings)
	}
}
