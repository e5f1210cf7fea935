package dashboard

import (
	"errors"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"tributary/commission"
	"tributary/internal/event"
	"tributary/partners"
	"tributary/partners/access"
	"tributary/partners/program"
	"tributary/report"
	"tributary/test/schemes"
)

// lookedUp stores orders of the shop's: those in which the site has a part, and others.
func (w *world) lookedUp() {
	w.t.Helper()
	// beside has another partner's click, or a claim, beside the order's own click.
	beside := func(kind commission.TouchKind, l *partners.Link, before time.Duration, refused commission.Reason) commission.Decider {
		return func(o commission.Order, ev commission.Evidence) (commission.Decision, error) {
			other := ev.Candidates[0]
			other.Kind, other.Code, other.Refused = kind, "k-1", refused
			other.Click.ID, other.Click.Link, other.Click.At = "v1.k1."+l.Code+"-9999", l.ID, ev.Candidates[0].Click.At.Add(-before)
			other.Link.Link, other.Link.Partner = l.ID, l.Partner
			ev.Candidates = append(ev.Candidates, other)
			if kind == commission.TouchClick {
				o.Path = []commission.PathTouch{{ClickID: other.Click.ID, Kind: event.PathClick}}
			}
			return commission.Decide(o, ev)
		}
	}
	void := func(o commission.Order, ev commission.Evidence) (commission.Decision, error) {
		o.Reviews = []commission.Review{{ID: "r", At: o.At, Verb: commission.Void, By: commission.ByMerchant}}
		return commission.Decide(o, ev)
	}
	paysNothing := func(o commission.Order, ev commission.Evidence) (commission.Decision, error) {
		ev.Candidates[0].Link = scheme("", ev.Candidates[0].Link)
		ev.Candidates[0].Link.Terms.Scheme.Document.Zero = []program.Zero{{ID: "none", Code: "staff"}}
		return commission.Decide(o, ev)
	}
	w.order(sale{id: "EARNS", link: w.link})
	w.order(sale{id: "SHARED", link: w.memberLink, decide: schemes.Split(schemes.Share{Weight: 1}, schemes.Share{Partner: w.site, Weight: 1})})
	w.order(sale{id: "LOST", link: w.memberLink, customer: "c-77", coupon: "SECRET10", decide: beside(commission.TouchClick, w.link, time.Hour, "")})
	w.order(sale{id: "OLD", link: w.link, at: w.now.Add(-aDay), clicked: w.now.Add(-300 * aDay)})
	w.order(sale{id: "ANCIENT", link: w.link, at: w.now.Add(-100 * aDay), clicked: w.now.Add(-400 * aDay)})
	w.order(sale{id: "VOID", link: w.link, decide: void})
	w.order(sale{id: "TRIAL", link: w.link, change: func(s *event.Sale) { s.Test = true }})
	w.order(sale{id: "ZERO", link: w.link, decide: paysNothing})
	w.order(sale{id: "THEIRS", link: w.memberLink, customer: "c-77"})
	w.order(sale{id: "PLAIN"})
	w.order(sale{id: "CLAIMED", link: w.memberLink, decide: beside(commission.TouchClaim, w.link, 0, commission.ClaimOpen)})
	w.order(sale{id: "DECLINED", link: w.memberLink, decide: beside(commission.TouchClaim, w.link, 0, commission.ClaimDeclined)})
	w.order(sale{id: "ELSEWHERE", merchant: w.rival, currency: "USD", link: w.foreign})
	w.order(sale{id: "WRONG-SHOP", merchant: w.rival, currency: "USD", link: w.link})
}

func find(order string) string { return string(findURL(order)) }

// A partner finds an order in which it has a part by the shop's id, and why it earned nothing, without anything of others.
func TestAPartnerFindsAnOrderByItsID(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lookedUp()
	site := w.as("site@example.net")
	site.page("/partner/find").holds(t, "Find an order", "by its whole id, as the shop or your customer has it")
	for order, says := range map[string]struct{ holds, lacks []string }{
		"EARNS":   {[]string{"EARNS at Alder & Finch", "You have a commission on this order.", "See why"}, []string{"It earned you nothing", "Claim this order"}},
		"SHARED":  {[]string{"You have a commission on this order."}, []string{"Mira"}},
		"LOST":    {[]string{"It earned you nothing. Each of your touches below says why", "click on link “Sidebar” (slow-kitchen)", "v1.k1.slow-kitchen-9999", "earlier", "Claim this order"}, []string{"credited"}},
		"OLD":     {[]string{"It earned you nothing.", "The click was longer before the order than the program's window allows.", "Claim this order"}, nil},
		"ANCIENT": {[]string{"It was placed more than 90 days ago"}, []string{"Claim this order"}},
		"VOID":    {[]string{"It earned you nothing.", "never was"}, []string{"Claim this order"}},
		"TRIAL":   {[]string{"a test order", "It earned you nothing."}, []string{"Claim this order"}},
		"ZERO":    {[]string{"It earned you nothing.", "The terms’ own code is staff.", "restricted"}, nil},
	} {
		page := site.page(find(order))
		page.holds(t, says.holds...)
		for _, secret := range append(says.lacks, "Mira", "v1.k1.mira", "c-77", "SECRET10", "119.98", "introducer", "influencer", "closer") {
			if strings.Contains(page.text(), secret) {
				t.Errorf("%s: the page says %q: %s", order, secret, page.text())
			}
		}
	}
	// The claim begins with what was looked up.
	page := site.page(find(" LOST "))
	if link := "/partner/claims/new?order=LOST&amp;program=" + number10(int64(w.program)); !strings.Contains(page.body, link) {
		t.Errorf("the page does not lead to %s", link)
	}
	if form := site.page("/partner/claims/new?order=LOST&program=" + number10(int64(w.program))); !strings.Contains(form.body, `value="LOST"`) {
		t.Error("the form of a claim does not begin with the order")
	}
	w.claim("LOST")
	site.page(find("LOST")).holds(t, "You have claimed this order.", "Your claims of it")
	site.page("/partner/commissions?q=LOST").holds(t, "look it up by its whole id")
	if got := site.get("/partner/find?q=A&order=B"); got.status != http.StatusUnprocessableEntity {
		t.Errorf("a name that is not known: status %d", got.status)
	}
}

// Of an order in which a partner has no part the answer is, to the letter, that of an order that is not there; so it is of one that
// the partner has only claimed, else a claim would tell.
func TestAnOrderOfOthersIsAsIfItWereNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lookedUp()
	w.server.now = func() time.Time { return w.now }
	for who, orders := range map[string][]string{
		"site":     {"THEIRS", "PLAIN", "CLAIMED", "DECLINED", "ELSEWHERE", "WRONG-SHOP", "lost", "LOST%", "LOS"},
		"member":   {"EARNS", "OLD", "VOID", "TRIAL", "ZERO", "PLAIN", "ELSEWHERE"},
		"outsider": {"EARNS", "THEIRS", "LOST", "PLAIN"},
	} {
		c := w.as(who + "@example.net")
		nowhere := strings.ReplaceAll(c.page(find("NOWHERE")).text(), "NOWHERE", "")
		if !strings.Contains(nowhere, "No order of yours has this id") || !strings.Contains(nowhere, "Claim this order") {
			t.Fatalf("%s reads %s", who, nowhere)
		}
		for _, order := range orders {
			if got := strings.ReplaceAll(c.page(find(order)).text(), order, ""); got != nowhere {
				t.Errorf("%s reads of %s:\n%s\nand of one that is not there:\n%s", who, order, got, nowhere)
			}
		}
	}
	// Where the partner claimed both, it reads that of both.
	w.claim("PLAIN")
	w.claim("NOWHERE")
	c := w.as("site@example.net")
	if a, b := c.page(find("PLAIN")).text(), c.page(find("NOWHERE")).text(); strings.ReplaceAll(a, "PLAIN", "") != strings.ReplaceAll(b, "NOWHERE", "") {
		t.Errorf("a claimed order reads\n%s\nand one that is not there\n%s", a, b)
	}
	// Nobody but a partner looks up anything, also below the pages.
	for name, scope := range map[string]access.Scope{"the shop": {Merchant: w.shop}, "the network": {Network: true}, "another partner": {Partner: w.outsid}} {
		for _, order := range []string{"EARNS", "LOST", "OLD"} {
			if found := w.textsOf(scope, `SELECT order_id FROM find_order('`+order+`')`); len(found) > 0 {
				t.Errorf("%s finds %q", name, found)
			}
		}
	}
	if found := w.texts(w.pool, `SELECT order_id FROM find_order('EARNS')`); len(found) > 0 {
		t.Errorf("without a tenant %q is found", found)
	}
}

// A record of a later form is read as one, and not as if it were of this version's.
func TestAFoundOrderOfALaterFormIsNotRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lookedUp()
	w.must1(w.owner.Exec(t.Context(), `UPDATE orders SET decision = ('{"form":99,' || ltrim(decision::text, '{'))::json WHERE order_id = 'LOST'`))
	err := w.server.reports.Snapshot(t.Context(), access.Scope{Partner: w.site}, func(r *report.Snapshot) error {
		_, err := r.FindOrder(t.Context(), "LOST")
		return err
	})
	if _, newer := errors.AsType[*commission.NewerError](err); !newer {
		t.Errorf("it is read with %v", err)
	}
}

// What programs read of an order that earned nothing has the partner's own touches, without who the customer is, and no more.
func TestAFoundOrderHasNothingOfOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lookedUp()
	for order, want := range map[string]struct {
		outcome commission.Reason
		reasons []commission.Reason
	}{
		"LOST": {"", []commission.Reason{commission.EarlierTouch}},
		"OLD":  {"", []commission.Reason{commission.OutsideWindow}},
		"VOID": {commission.Voided, []commission.Reason{commission.Voided}},
		"ZERO": {commission.Restricted("staff"), []commission.Reason{commission.Credited}},
	} {
		w.must(w.server.reports.Snapshot(t.Context(), access.Scope{Partner: w.site}, func(r *report.Snapshot) error {
			found, err := r.FindOrder(t.Context(), order)
			if err != nil || len(found) != 1 {
				t.Fatalf("%s: %d found: %v", order, len(found), err)
			}
			var reasons []commission.Reason
			for _, touch := range found[0].Touches {
				reasons = append(reasons, touch.Reason)
				if touch.Partner != w.site {
					t.Errorf("%s: it has a touch of partner %d", order, touch.Partner)
				}
			}
			if found[0].Outcome != want.outcome || !slices.Equal(reasons, want.reasons) {
				t.Errorf("%s: %q and %q, want %q and %q", order, found[0].Outcome, reasons, want.outcome, want.reasons)
			}
			return nil
		}))
	}
}

// Looking up an order of others takes as long as looking up none. Medians of pairs taken in turn; on a machine that is busy with
// other things they tell nothing, so it runs when asked for.
func TestAnOrderOfOthersTakesAsLongAsNone(t *testing.T) {
	t.Parallel()
	if os.Getenv("TRIBUTARY_FULL") == "" {
		t.Skip("TRIBUTARY_FULL is not set: a comparison of times needs a quiet machine")
	}
	w := newWorld(t)
	w.lookedUp()
	c := w.as("site@example.net")
	times := map[string][]time.Duration{}
	for range 301 {
		for _, order := range []string{"THEIRS", "NOWHERE"} {
			begun := time.Now()
			c.page(find(order))
			times[order] = append(times[order], time.Since(begun))
		}
	}
	median := func(order string) time.Duration {
		slices.Sort(times[order])
		return times[order][len(times[order])/2]
	}
	theirs, none := median("THEIRS"), median("NOWHERE")
	t.Logf("an order of others %s, none %s", theirs, none)
	if ratio := float64(theirs) / float64(none); ratio < 0.9 || ratio > 1.1 {
		t.Errorf("an order of others takes %.3f of none", ratio)
	}
}
