package engine

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tributary/commission/audit"
	"tributary/internal/event"
	"tributary/partners/program"
)

// addPathScheme is addScheme by position, under terms that count the earlier clicks of a visitor.
func (w *world) addPathScheme() []program.LinkID {
	w.t.Helper()
	return w.addScheme(program.Attribution{Model: program.ModelPosition, Path: true, Touches: program.Touches{Click: &program.Touching{}}})
}

// pathOf is what a resolver says of a click of an order of the third merchant; of no clicks, that they are lost.
func pathOf(order, click string, test bool, before ...string) *event.Event {
	p := &event.Path{MerchantId: 3, OrderId: order, ClickId: click, Incomplete: len(before) == 0, Test: test}
	for _, id := range before {
		p.Touches = append(p.Touches, &event.Touch{ClickId: id, Kind: uint32(event.PathClick)})
	}
	at := event.Micros(noon())
	return &event.Event{Id: idOf("path", order, click, len(before)), ReceivedAt: at, OccurredAt: at, Body: &event.Event_Path{Path: p}}
}

// TestAnOrderWaitsForItsPath has orders of one program whose terms count earlier clicks: none of them posts anything before
// its path is told, and all of them are shared then.
func TestAnOrderWaitsForItsPath(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 2, 3)
	links := w.addPathScheme()
	click := func(site int, before time.Duration) string { return clickOn(links[site], noon().Add(-before)) }
	report := func(order string, change func(s *event.Sale)) *event.Event {
		e := sale(3, order, click(2, time.Hour), 10_010)
		e.ApiKeyId = 7
		change(e.GetSale())
		e.GetSale().ContentHash = event.SaleHash(e.GetSale(), e.GetOccurredAt())
		return e
	}
	as := func(*event.Sale) {}
	bare := func(s *event.Sale) { s.ClickId = "" }
	later := report("added", as)
	later.Id = idOf("later")
	stop := w.start(w.config("one"))
	w.send(report("shared", as), report("lost", as), report("test", func(s *event.Sale) { s.Test = true }), report("refunded", as),
		report("bare", bare), report("added", bare), later, report("forged", func(s *event.Sale) { s.ClickId = "forged_click_id" }),
		refund(3, "refunded", "R", day, 0))
	w.waitIdle()
	outcomes := func() map[string]string {
		all := map[string]string{}
		for _, id := range []string{"shared", "lost", "test", "refunded", "bare", "added", "forged"} {
			all[id] = w.outcome(3, id)
		}
		return all
	}
	if diff := cmp.Diff(map[string]string{
		"shared": "awaiting_path", "lost": "awaiting_path", "test": "awaiting_path", "refunded": "awaiting_path", "added": "awaiting_path",
		"bare": "no_click", "forged": "forged_click_id",
	}, outcomes()); diff != "" {
		t.Errorf("before the paths are told (-want +got):\n%s", diff)
	}
	equal(t, "postings", w.number(`SELECT count(*) FROM posting`), 0)
	equal(t, "clicks asked for, each once", w.number(`SELECT count(*) FROM path_wanted WHERE click_id = $1 AND program_id = 3 AND partner_id = $2`,
		click(2, time.Hour), int64(w.partners[2])), 5)
	w.clean()

	earlier := []string{click(0, 3*time.Hour), click(1, 2*time.Hour)}
	stop()
	w.send(pathOf("shared", click(2, time.Hour), false, earlier...), pathOf("lost", click(2, time.Hour), false),
		pathOf("test", click(2, time.Hour), true, earlier...), pathOf("added", click(2, time.Hour), false, earlier...),
		// Twice, and with another answer: the first stands, and nobody hears of a conflict.
		pathOf("refunded", click(2, time.Hour), false, earlier...), pathOf("refunded", click(2, time.Hour), false, earlier...),
		pathOf("refunded", click(2, time.Hour), false))
	w.start(w.config("two"))
	w.waitIdle()
	if diff := cmp.Diff(map[string]string{
		"shared": "credited", "lost": "credited", "test": "test", "refunded": "credited", "added": "credited", "bare": "no_click", "forged": "forged_click_id",
	}, outcomes()); diff != "" {
		t.Errorf("when the paths are told (-want +got):\n%s", diff)
	}
	for order, want := range map[string][]int64{"shared": {401, 200, 400}, "added": {401, 200, 400}, "lost": {0, 0, 1001}, "refunded": {0, 0, 0}, "test": {0, 0, 0}} {
		var net []int64
		for _, p := range w.partners {
			net = append(net, w.number(`SELECT coalesce(sum(c.net), 0)::bigint FROM commission c JOIN orders o ON o.no = c.order_no WHERE o.order_id = $1 AND c.partner_id = $2`, order, int64(p)))
		}
		equal(t, order, net, want)
	}
	equal(t, "conflicts", w.number(`SELECT count(*) FROM order_conflict`), 0)
	equal(t, "records that say the path is incomplete", w.number(`SELECT count(*) FROM orders WHERE decision::jsonb #>> '{order,path_incomplete}' = 'true'`), 1)
	w.clean()
}

// TestAnOrderThatWaitsForLongIsFound holds that verify names an order whose path nobody tells.
func TestAnOrderThatWaitsForLongIsFound(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 2)
	links := w.addPathScheme()
	w.start(w.config("one"))
	w.send(sale(3, "A", clickOn(links[0], noon().Add(-time.Hour)), 10_000))
	w.waitIdle()
	w.clean()
	w.setClock(noon().Add(time.Hour))
	found := w.verify()
	if len(found) != 1 || found[0].Check != "paths are known" || found[0].Severity != audit.Attention {
		t.Errorf("verify finds %v", found)
	}
	waiting, err := ReadWaiting(t.Context(), w.db)
	check(t, err)
	if waiting.Paths != 1 || waiting.PathsOldest <= 0 {
		t.Errorf("waiting are %d paths, the oldest for %v", waiting.Paths, waiting.PathsOldest)
	}
}
