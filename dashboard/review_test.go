package dashboard

import (
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"tributary/commission"
	"tributary/internal/event"
	"tributary/partners/access"
	"tributary/test/schemes"
)

// say has the shop and the operator void an order, and gives the shop's act.
func (w *world) say(id string, order int64) (act string) {
	w.t.Helper()
	w.orderNo, w.said = order, map[string]int64{}
	for who, scope := range map[string]access.Scope{"shop": {Merchant: w.shop}, "operator": {Network: true}} {
		done, err := w.server.desk.Review(w.t.Context(), scope, []commission.Reviewed{{Merchant: int64(w.shop), Order: id, Verb: commission.Void}}, who+"@example.net", "a trial")
		w.must(err)
		if w.said[who] = done.Numbers[0]; who == "shop" {
			act = actOf(done.At)
		}
	}
	return act
}

// marked is a form that says something of orders that are marked.
func (w *world) marked(verb string, orders ...int64) url.Values {
	form := url.Values{"filter": {""}, "verb": {verb}, "code": {""}, "note": {"because"}}
	for _, no := range orders {
		form.Set(orderBox(no), "yes")
	}
	return form
}

// taken notes reviews as an engine does that has taken them: with a problem, or with why they do nothing in the order's record.
func (w *world) taken(order int64, problem string, noEffect commission.NoEffect) {
	w.t.Helper()
	w.must1(w.owner.Exec(w.t.Context(), `
		WITH said AS (SELECT i.no, i.ref, i.at, i.side, convert_from(i.content, 'UTF8')::json AS content FROM inbox i JOIN orders o ON i.key = order_key(o.merchant_id, o.keys, o.order_id)
			WHERE o.no = $1 AND i.kind = 'review' AND NOT EXISTS (SELECT FROM inbox_taken t WHERE t.no = i.no)),
		taking AS (INSERT INTO inbox_taken (no, problem) SELECT no, $2 FROM said)
		UPDATE orders SET decision = jsonb_set(decision::jsonb, '{order,reviews}', coalesce(decision::jsonb #> '{order,reviews}', '[]') || (
			SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('id', ref, 'at', at, 'verb', content ->> 'verb', 'code', content -> 'code', 'partner', content -> 'partner',
				'report', content -> 'report', 'by', side, 'no_effect', nullif($3, '')))), '[]') FROM said WHERE $2 = '')) WHERE no = $1`, order, problem, string(noEffect)))
}

// hold puts the commissions on an order on hold, as the engine does.
func (w *world) hold(orders ...int64) {
	w.t.Helper()
	w.must1(w.owner.Exec(w.t.Context(), `UPDATE commission SET state = 'held', held = pending + payable, pending = 0, payable = 0 WHERE order_no = ANY ($1)`, orders))
}

// last gives what was said last.
func (w *world) last() (said commission.Reviewed, side, author, note string) {
	w.t.Helper()
	var content, key []byte
	w.must(w.owner.QueryRow(w.t.Context(), `SELECT content, key, side, author, note FROM inbox WHERE kind = 'review' ORDER BY no DESC LIMIT 1`).Scan(&content, &key, &side, &author, &note))
	said, err := commission.ParseReviewed(content, key)
	w.must(err)
	return said, side, author, note
}

func TestAnOrderIsReviewedOnItsPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	shares := schemes.Split(schemes.Share{Weight: 1}, schemes.Share{Partner: w.member, Weight: 1})
	no := w.order(sale{id: "A-1", link: w.link, decide: shares})
	site := number10(int64(w.site))
	for _, row := range []struct {
		who, verb string
		form      url.Values
		want      commission.Reviewed
	}{
		{"shop", "hold", url.Values{"code": {"fraud"}}, commission.Reviewed{Code: "fraud"}},
		{"operator", "hold", url.Values{"partner": {site}}, commission.Reviewed{Partner: int64(w.site)}},
		{"shop", "unhold", url.Values{"code": {"fraud"}}, commission.Reviewed{}},
		{"shop", "decline", url.Values{"code": {"returned"}, "partner": {site}}, commission.Reviewed{Code: "returned", Partner: int64(w.site)}},
		{"operator", "approve", nil, commission.Reviewed{}},
		{"shop", "extend", url.Values{"until": {"2999-01-01T00:00"}}, commission.Reviewed{Until: time.Date(2999, 1, 1, 0, 0, 0, 0, time.UTC)}},
		{"shop", "extend", nil, commission.Reviewed{}},
		{"operator", "replace", url.Values{"report": {strings.Repeat("ab", 16)}}, commission.Reviewed{Report: strings.Repeat("ab", 16)}},
		{"shop", "void", nil, commission.Reviewed{}},
	} {
		person := w.as(row.who + "@example.net")
		path := string(orderURL(roleOf(row.who), no))
		form := url.Values{"verb": {row.verb}, "note": {"because " + row.verb}}
		maps.Copy(form, row.form)
		if done := person.post(path+"/review", form); done.status != http.StatusSeeOther || done.header.Get("Location") != path {
			t.Fatalf("%s: status %d: %s", row.verb, done.status, done.text())
		}
		row.want.Merchant, row.want.Order, row.want.Verb = int64(w.shop), "A-1", commission.Verb(row.verb)
		said, side, author, note := w.last()
		if diff := cmp.Diff(row.want, said); diff != "" || side != string(sideOf(roleOf(row.who))) || author != row.who+"@example.net" || note != "because "+row.verb {
			t.Errorf("%s by %s, %s: %q (-want +said):\n%s", row.verb, side, author, note, diff)
		}
		person.page(path).holds(t, "It takes effect in ten seconds", "because "+row.verb)
	}
	// Both sides' people read the author and the note, a partner the reason of what has taken effect.
	w.as("operator@example.net").page(string(orderURL(operatorOnly, no))).holds(t, "By shop@example.net, for the merchant.", "because hold")
	w.taken(no, "", "")
	page := w.as("site@example.net").page(string(whyURL(false, no)))
	page.holds(t, "Hold", "By the merchant.", "The order is a fraud.", "Decline", "What was bought was returned.")
	other := w.as("member@example.net").page(string(whyURL(false, no)))
	for what, of := range map[string]reply{"a note": page, "the share of another": other} {
		hidden := map[string]string{"a note": "because", "the share of another": "What was bought was returned."}[what]
		if strings.Contains(of.text(), hidden) || strings.Contains(of.text(), "shop@example.net") || strings.Contains(of.body, "/review") {
			t.Errorf("a partner sees %s: %s", what, of.text())
		}
	}
}

func TestWhatIsWrongWithAReviewIsSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	no := w.order(sale{id: "A-1", link: w.link})
	theirs := w.order(sale{id: "T-1", merchant: w.rival, currency: "USD", link: w.foreign})
	shop := w.as("shop@example.net")
	for name, row := range map[string]struct {
		order  int64
		form   url.Values
		status int
		says   string
	}{
		"no note":                {no, url.Values{"verb": {"hold"}, "note": {" "}}, http.StatusUnprocessableEntity, "say why"},
		"no reason of a decline": {no, url.Values{"verb": {"decline"}, "note": {"x"}}, http.StatusUnprocessableEntity, "fraud"},
		"a word that is no verb": {no, url.Values{"verb": {"forget"}, "note": {"x"}}, http.StatusUnprocessableEntity, ""},
		"no time":                {no, url.Values{"verb": {"extend"}, "until": {"soon"}, "note": {"x"}}, http.StatusUnprocessableEntity, ""},
		"another's order":        {theirs, url.Values{"verb": {"hold"}, "note": {"x"}}, http.StatusNotFound, ""},
		"no order":               {999_999, url.Values{"verb": {"hold"}, "note": {"x"}}, http.StatusNotFound, ""},
	} {
		answer := shop.post(string(whyURL(true, row.order))+"/review", row.form)
		if answer.status != row.status || !strings.Contains(answer.text(), row.says) {
			t.Errorf("%s: status %d: %s", name, answer.status, answer.text())
		}
	}
	var said int
	w.must(w.owner.QueryRow(t.Context(), `SELECT count(*) FROM inbox`).Scan(&said))
	if said != 0 {
		t.Errorf("%d rows are written", said)
	}
}

// A review is undone until somebody has taken it; then the answer is what happened.
func TestAReviewIsUndoneUntilItIsTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	no := w.order(sale{id: "A-1", link: w.link})
	shop, path := w.as("shop@example.net"), string(whyURL(true, no))
	undo := func(c *client, base string) reply {
		var review int64
		w.must(w.owner.QueryRow(t.Context(), `SELECT max(no) FROM inbox WHERE kind = 'review'`).Scan(&review))
		return c.post(base+"/review/undo", url.Values{"review": {number10(review)}, "order": {number10(no)}})
	}
	hold := func() { shop.post(path+"/review", url.Values{"verb": {"hold"}, "note": {"look"}}) }
	hold()
	if other := undo(w.as("operator@example.net"), "/network"); other.status != http.StatusNotFound {
		t.Errorf("another side undoes it: %d", other.status)
	}
	if other := undo(w.as("rival@example.net"), "/merchant"); other.status != http.StatusNotFound {
		t.Errorf("another merchant undoes it: %d", other.status)
	}
	if done := undo(shop, "/merchant"); done.status != http.StatusSeeOther {
		t.Fatalf("status %d: %s", done.status, done.text())
	}
	shop.page(path).holds(t, "It is undone.", "Undone before it took effect.")
	for _, row := range []struct {
		name string
		take func()
		says string
	}{
		{"undone", func() {}, "It was undone already"},
		{"taken", func() { hold(); w.taken(no, "", "") }, "Too late to undo: it took effect at"},
		{"in vain", func() { hold(); w.taken(no, "", commission.AlreadyHeld) }, "had no effect. It was on hold already."},
	} {
		row.take()
		late := undo(shop, "/merchant")
		if late.status != http.StatusConflict || !strings.Contains(late.text(), row.says) {
			t.Errorf("%s: status %d: %s", row.name, late.status, late.text())
		}
	}
	shop.page(path).holds(t, "Without effect: It was on hold already.")
}

func TestOrdersThatAwaitADecisionAreListed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	held := w.order(sale{id: "held", link: w.link, at: w.now.Add(-3 * time.Hour)})
	again := w.order(sale{id: "again", link: w.link, at: w.now.Add(-4 * time.Hour)})
	asked := w.order(sale{id: "asked", link: w.link, at: w.now.Add(-5 * time.Hour)})
	decided := w.order(sale{id: "decided", link: w.link})
	w.order(sale{id: "plain", link: w.link})
	theirs := w.order(sale{id: "theirs", merchant: w.rival, currency: "USD", link: w.foreign})
	w.hold(held, theirs)
	for _, no := range []int64{again, asked, decided} {
		w.conflict(no, sale{id: map[int64]string{again: "again", asked: "asked", decided: "decided"}[no], lines: []*event.Line{{Number: 1, Quantity: 1, Amount: 1}}})
	}
	say := func(id string, verb commission.Verb, noEffect commission.NoEffect, no int64) {
		said := commission.Reviewed{Merchant: int64(w.shop), Order: id, Verb: verb}
		if verb == commission.Replace {
			said.Report = strings.Repeat("ab", 16)
		}
		_, err := w.server.desk.Review(t.Context(), access.Scope{Merchant: w.shop}, []commission.Reviewed{said}, "anna", "x")
		w.must(err)
		w.taken(no, "", noEffect)
	}
	say("asked", commission.Replace, commission.NeedsOtherSide, asked)
	say("decided", commission.Hold, "", decided)
	shop, operator := w.as("shop@example.net"), w.as("operator@example.net")
	for query, want := range map[string]string{
		"": "held again asked", "?why=held": "held", "?why=conflict": "again", "?why=asked": "asked", "?q=AGA": "again", "?from=2200-01-01": "",
	} {
		listed, _ := shop.listed(t, "/merchant/review"+query, "tr", "")
		page := shop.page("/merchant/review" + query).text()
		for id := range strings.FieldsSeq(want) {
			if !strings.Contains(page, "Mark order "+id) && !strings.Contains(page, id) {
				t.Errorf("%q does not list %s", query, id)
			}
		}
		if filed := strings.Count(shop.page("/merchant/review.csv"+query).body, "\n") - 1; listed != len(strings.Fields(want)) || filed != listed {
			t.Errorf("%q lists %d orders, its file %d, want %s", query, listed, filed, want)
		}
	}
	shop.page("/merchant/review").holds(t, "The merchant has asked that another report stand.")
	shop.page(string(whyURL(true, held))).holds(t, "It is on hold for review, and becomes payable once it is released.")
	operator.page("/network/review").holds(t, "theirs", "held", "Kestrel Outdoor")
	if listed, _ := operator.listed(t, "/network/review?merchant="+number10(int64(w.rival)), "tr", ""); listed != 1 {
		t.Errorf("%d orders of the rival", listed)
	}
	if refused := shop.get("/merchant/review?why=boredom"); refused.status != http.StatusUnprocessableEntity {
		t.Errorf("a filter that cannot be: %d", refused.status)
	}
}

// TestWhatADisputeAloneHoldsIsNotListed has it await nobody but the bank: an order that a person holds is listed beside its dispute.
func TestWhatADisputeAloneHoldsIsNotListed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := w.now.Add(-time.Hour)
	disputes := []commission.Dispute{{ID: "dp", At: at, Whole: true, State: commission.DisputeOpen}}
	hold := commission.Review{ID: "1", At: at, Verb: commission.Hold, By: commission.ByMerchant}
	unhold := commission.Review{ID: "2", At: at.Add(time.Minute), Verb: commission.Unhold, By: commission.ByMerchant}
	idle := commission.Review{ID: "3", At: at.Add(2 * time.Minute), Verb: commission.Unhold, By: commission.ByMerchant, Partner: 99}
	for id, reviews := range map[string][]commission.Review{
		"HELD": {hold}, "HELD-STILL": {hold, idle}, "LET-GO": {hold, unhold}, "DISPUTED": nil,
	} {
		w.order(sale{id: id, link: w.link, disputes: disputes, reviews: reviews})
		said := commission.Disputed{Merchant: int64(w.shop), Order: id, Dispute: "dp", Whole: true}
		_, err := w.server.desk.OpenDispute(t.Context(), access.Scope{Merchant: w.shop}, said, "anna", "")
		w.must(err)
	}
	w.takeDisputes()
	shop := w.as("shop@example.net")
	if listed, _ := shop.listed(t, "/merchant/review?why=held", "tr", ""); listed != 2 {
		t.Errorf("%d orders are listed, not the 2 that a person holds", listed)
	}
	shop.page("/merchant/review?why=held").holds(t, "HELD", "HELD-STILL", "Review 6 waiting for you")
}

// Many orders are reviewed at once: those that are marked, or all that match, without a script.
func TestManyOrdersAreReviewedAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var ours []int64
	for i := range 60 {
		ours = append(ours, w.order(sale{id: "A-" + number10(int64(i)), link: w.link, at: w.now.Add(-time.Duration(i+2) * time.Hour)}))
	}
	theirs := w.order(sale{id: "T-1", merchant: w.rival, currency: "USD", link: w.foreign})
	w.hold(append(ours[:55:55], theirs)...)
	shop := w.as("shop@example.net")
	shop.page("/merchant/review").holds(t, "All that match the filter", "With those marked")
	rows := func() (n int64) {
		w.must(w.owner.QueryRow(t.Context(), `SELECT count(*) FROM inbox WHERE kind = 'review'`).Scan(&n))
		return n
	}
	for name, form := range map[string]url.Values{
		"nothing is marked": w.marked("unhold"), "no note": {"verb": {"unhold"}, orderBox(ours[0]): {"yes"}, "filter": {""}},
		"no reason": w.marked("decline", ours[0]),
	} {
		if got := shop.post("/merchant/review", form); got.status != http.StatusUnprocessableEntity || !strings.Contains(got.text(), "Nothing was done yet.") {
			t.Errorf("%s: status %d: %s", name, got.status, got.text())
		}
	}
	for name, form := range map[string]url.Values{
		"another's order alone": w.marked("unhold", theirs), "no verb": w.marked("replace", ours[0]), "no order": {"verb": {"hold"}, "note": {"x"}, "order-x": {"yes"}},
	} {
		if got := shop.post("/merchant/review", form); got.status != http.StatusNotFound {
			t.Errorf("%s: status %d", name, got.status)
		}
	}
	if rows() != 0 {
		t.Errorf("%d rows are written", rows())
	}

	mixed := shop.post("/merchant/review", w.marked("unhold", ours[0], ours[1], theirs))
	if mixed.status != http.StatusSeeOther || rows() != 2 {
		t.Fatalf("status %d, %d rows: %s", mixed.status, rows(), mixed.text())
	}
	act := mixed.header.Get("Location")
	shop.page(act).holds(t, "1 order that you chose is not there", "Release: what was done", "2 orders", "0 done, 0 without effect, 2 not yet, 0 undone", "A-0", "A-1", "because")
	w.taken(ours[0], "", commission.NotHeld)
	shop.page(act).holds(t, "0 done, 1 without effect, 1 not yet, 0 undone", "It was not on hold.")
	undo := url.Values{"act": {act[strings.LastIndex(act, "/")+1:]}}
	late := shop.post("/merchant/review/undo", undo)
	if late.status != http.StatusConflict {
		t.Errorf("status %d", late.status)
	}
	late.holds(t, "It was too late for 1 order", "Undone: 1.", "0 done, 1 without effect, 0 not yet, 1 undone")
	// The operator reads what was done, and cannot undo it; another merchant does not find it.
	w.as("operator@example.net").page(strings.Replace(act, "/merchant", "/network", 1)).holds(t, "By shop@example.net")
	if got := w.as("operator@example.net").post("/network/review/undo", undo); got.status != http.StatusNotFound {
		t.Errorf("the operator undoes it: %d", got.status)
	}
	if got := w.as("rival@example.net").get(act); got.status != http.StatusNotFound {
		t.Errorf("another merchant reads it: %d", got.status)
	}

	all := shop.post("/merchant/review", url.Values{"filter": {"why=held"}, "all": {"yes"}, "verb": {"decline"}, "code": {"fraud"}, "note": {"a ring"}})
	if all.status != http.StatusSeeOther || rows() != 57 {
		t.Fatalf("status %d, %d rows", all.status, rows())
	}
	shop.page(all.header.Get("Location")).holds(t, "55 orders", "The order is a fraud.", "a ring")
	if done := shop.post("/merchant/review/undo", url.Values{"act": {all.header.Get("Location")[len("/merchant/review/acts/"):]}}); done.status != http.StatusSeeOther {
		t.Errorf("undoing all: %d", done.status)
	}
	shop.page(all.header.Get("Location")).holds(t, "It is undone for 55 orders.", "55 undone")
}

// The orders that named a coupon since it leaked are declined at once.
func TestTheOrdersOfALeakedCouponAreDeclined(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, id := range []string{"one", "two"} {
		w.order(sale{id: id, coupon: "SLOW10", link: w.link})
	}
	w.order(sale{id: "other", coupon: "SLOW100", link: w.link})
	shop := w.as("shop@example.net")
	list := shop.page("/merchant/orders?coupon=slow10")
	list.holds(t, "All that match the filter")
	done := shop.post("/merchant/orders/review", url.Values{"filter": {"coupon=slow10"}, "all": {"yes"}, "verb": {"decline"}, "code": {"coupon_misused"}, "note": {"leaked"}})
	if done.status != http.StatusSeeOther {
		t.Fatalf("status %d: %s", done.status, done.text())
	}
	page := shop.page(done.header.Get("Location"))
	page.holds(t, "2 orders", "one", "two", "leaked")
	if strings.Contains(page.text(), "other") {
		t.Error("an order with another coupon is declined")
	}
	if strings.Contains(shop.page("/merchant/orders").body, `id="bulk"`) {
		t.Error("the list of all orders can be reviewed at once")
	}
}

// Another report stands once both sides have asked; until then the page says who has and who must.
func TestBothSidesAskForAnotherReport(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	no := w.order(sale{id: "A-1", link: w.link})
	w.conflict(no, sale{id: "A-1", currency: "GBP", lines: []*event.Line{{Number: 1, Quantity: 1, Amount: 7_77}}})
	shop, operator := w.as("shop@example.net"), w.as("operator@example.net")
	path, theirs := string(whyURL(true, no)), string(orderURL(operatorOnly, no))
	report := regexp.MustCompile(`name="report" value="([0-9a-f]{32})"`)
	ask := func(c *client, path string) {
		hash := report.FindStringSubmatch(c.page(path).body)
		if hash == nil {
			t.Fatalf("%s cannot ask: %s", path, c.page(path).text())
		}
		if done := c.post(path+"/review", url.Values{"verb": {"replace"}, "report": {hash[1]}, "note": {"it is right"}}); done.status != http.StatusSeeOther {
			t.Fatalf("status %d: %s", done.status, done.text())
		}
	}
	shop.page(path).holds(t, "GBP 7.77", "Nobody has asked that this report stand. You and the network both have to.")
	ask(shop, path)
	w.taken(no, "", commission.NeedsOtherSide)
	if page := shop.page(path); report.MatchString(page.body) {
		t.Error("the merchant asks twice")
	} else {
		page.holds(t, "You have asked that this report stand. The network has to ask for it, too.")
	}
	operator.page(theirs).holds(t, "The merchant has asked that this report stand. It does once the network asks for it, too. Content hash: ")
	ask(operator, theirs)
	operator.page(theirs).holds(t, "Merchant and network have both asked for it")
	w.taken(no, "", "")
	shop.page(path).holds(t, "This report counts now, in place of the first. The first report, received", "Nobody has asked that this report stand. You and the network both have to.")
	ask(shop, path)
	w.taken(no, "", commission.NeedsOtherSide)
	operator.page(theirs).holds(t, "This report counts now", "The merchant has asked that this report stand. It does once the network asks for it, too.")
	ask(operator, theirs)
	w.taken(no, "", "")
	page := shop.page(path)
	page.holds(t, "Nobody has asked that this report stand.")
	if strings.Contains(page.text(), "This report counts now") {
		t.Error("the report stands that both sides took back")
	}
}

// A merchant's tab Review counts what awaits a decision, once for each order, and the page has all of it.
func TestWhatAwaitsAMerchantIsCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	shop, rival, operator := w.as("shop@example.net"), w.as("rival@example.net"), w.as("operator@example.net")
	counted := func(c *client, path string) string {
		_, said, _ := strings.Cut(c.page(path).text(), "Review ")
		count, _, found := strings.Cut(said, " waiting for you ")
		if !found {
			return "none"
		}
		return count
	}
	equals := func(want string) {
		t.Helper()
		for _, path := range []string{"/merchant", "/merchant/review", "/merchant/manual"} {
			if got := counted(shop, path); got != want {
				t.Errorf("%s counts %s, want %s", path, got, want)
			}
		}
	}
	equals("none")
	held, both, plain := w.order(sale{id: "HELD-1", link: w.link}), w.order(sale{id: "BOTH-1", link: w.link}), w.order(sale{id: "PLAIN-1", link: w.link})
	w.hold(held, both)
	w.conflict(both, sale{id: "BOTH-1", link: w.link, customer: "another"})
	w.conflict(both, sale{id: "BOTH-1", link: w.link, customer: "a third"})
	equals("2")
	claim := w.claim("PLAIN-1")
	w.claim("NOWHERE-1")
	equals("4")
	shop.page("/merchant/review").holds(t, "Claims that wait for your answer", "The Slow Kitchen claims order PLAIN-1", "HELD-1", "BOTH-1")
	if got := shop.post(claimURL(claim), url.Values{"outcome": {"declined"}, "note": {"not theirs"}}); got.status != http.StatusSeeOther {
		t.Fatalf("status %d", got.status)
	}
	equals("3")
	if got := shop.post(claimURL(claim)+"/undo", nil); got.status != http.StatusSeeOther {
		t.Fatalf("status %d", got.status)
	}
	equals("4")
	for _, c := range []*client{rival, operator} {
		if page := c.page("/account").text(); strings.Contains(page, "waiting for you") {
			t.Errorf("it counts what is of another: %s", page)
		}
	}
	w.must1(w.owner.Exec(t.Context(), `INSERT INTO order_conflict (order_no, merchant_id, kind, ref, content_hash, event_id, received_at, payload)
		SELECT $1, merchant_id, kind, ref, decode(md5(event_id::text || n), 'hex'), gen_random_uuid(), received_at, payload FROM order_conflict, generate_series(1, 400) n WHERE order_no = $2`, plain, both))
	equals("99+")
}

// A partner reads of reviews what concerns it: not which report people would have stand, nor what did nothing.
func TestAPartnerReadsTheReviewsThatConcernIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	no := w.order(sale{id: "A-1", link: w.link})
	for _, row := range []struct {
		said     commission.Reviewed
		noEffect commission.NoEffect
	}{
		{commission.Reviewed{Verb: commission.Hold}, ""},
		{commission.Reviewed{Verb: commission.Hold}, commission.AlreadyHeld},
		{commission.Reviewed{Verb: commission.Replace, Report: strings.Repeat("ab", 16)}, ""},
		{commission.Reviewed{Verb: commission.Decline, Code: "fraud", Partner: 4711}, ""},
		{commission.Reviewed{Verb: commission.Unhold, Partner: int64(w.site)}, ""},
	} {
		row.said.Merchant, row.said.Order = int64(w.shop), "A-1"
		_, err := w.server.desk.Review(t.Context(), access.Scope{Merchant: w.shop}, []commission.Reviewed{row.said}, "anna", "x")
		w.must(err)
		w.taken(no, "", row.noEffect)
	}
	const all = "hold+hold+replace+decline+unhold"
	for scope, want := range map[access.Scope]string{
		{Partner: w.site}: "hold+unhold", {Partner: w.site + 1000}: "", {Merchant: w.shop}: all, {Network: true}: all,
	} {
		var verbs []string
		w.must(w.access.Change(t.Context(), scope, func(tx pgx.Tx) error {
			rows, err := tx.Query(t.Context(), `SELECT verb FROM scoped_review WHERE order_no = $1 ORDER BY no`, no)
			if err == nil {
				verbs, err = pgx.CollectRows(rows, pgx.RowTo[string])
			}
			return err
		}))
		if got := strings.Join(verbs, "+"); got != want {
			t.Errorf("%+v reads %q, want %q", scope, got, want)
		}
	}
}

// What was declined was not refunded: neither the page of the order nor the list says so.
func TestADeclinedCommissionIsNotSaidToBeRefunded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	no := w.order(sale{id: "D-1", link: w.link, reviews: []commission.Review{{ID: "1", At: w.now.Add(-time.Hour), Verb: commission.Decline, Code: "fraud"}}})
	for who, pages := range map[string][]string{
		"shop": {string(orderURL(merchantOnly, no))},
		"site": {string(whyURL(false, no)), "/partner/commissions?state=declined"},
	} {
		for _, path := range pages {
			page := w.as(who + "@example.net").page(path)
			page.holds(t, "D-1", "declined")
			if said := page.text(); strings.Contains(said, "all of it was refunded") || strings.Contains(said, "before refunds") {
				t.Errorf("%s reads on %s of a refund that was none: %s", who, path, said)
			}
		}
	}
}

// A page is shown without the count of what awaits a decision where that cannot be counted.
func TestAPageIsShownWithoutItsCounter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must1(w.owner.Exec(t.Context(), `REVOKE SELECT ON newest_open_claim FROM tributary_dashboard`))
	shop := w.as("shop@example.net")
	for _, path := range []string{"/merchant", "/merchant/orders", "/merchant/programs"} {
		shop.page(path)
	}
}
