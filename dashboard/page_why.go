package dashboard

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tributary/commission"
	"tributary/commission/engine"
	"tributary/commission/ledger/chart"
	"tributary/internal/event"
	"tributary/internal/money"
	"tributary/internal/text"
	"tributary/partners/program"
	"tributary/report"
)

// whyView explains one order: what is known of it, who earns on it and why, and what stands on the books.
type whyView struct {
	report.Explanation

	at      time.Time
	written string // the explanation as JSON
	// forMerchant shows all of the order, as the merchant and the operator see it.
	forMerchant bool
	// role is the reader's.
	role audience
	// act is what somebody says of the order, where something is wrong with it, and late what happened to a review that somebody
	// wanted to withdraw.
	act  actForm
	late *engine.TooLateError
	// dispute is what somebody says of a dispute, where something is wrong with it.
	dispute disputeForm
}

func (s *Server) why(c echo.Context, v *visit) error {
	no, ok := report.ParseID(c.Param("order"))
	if !ok {
		return notFound()
	}
	return s.showWhy(c, v, http.StatusOK, no, whyView{})
}

// showWhy shows an order, also where that answers a form.
func (s *Server) showWhy(c echo.Context, v *visit, status int, no int64, view whyView) error {
	view.at, view.forMerchant, view.role = v.at, v.login.Seat.Partner == 0, v.who()
	v.path = strings.TrimSuffix(strings.TrimSuffix(v.path, "/review"), "/disputes")
	ctx := c.Request().Context()
	err := s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		view.Explanation, err = r.Explain(ctx, no)
		return err
	})
	if err != nil {
		return err
	}
	if view.written, err = view.JSON(); err != nil {
		return err
	}
	return s.framed(c, v, status, v.text.WhyTitle(view.OrderID), whyPage(view))
}

// earning is the commission of a credit as it stands.
func (view *whyView) earning(credit int) report.Earning {
	if credit < len(view.Earnings) {
		return view.Earnings[credit]
	}
	return report.Earning{}
}

// worth is what the whole order is worth to a credit.
func worth(c *commission.Credit) int64 {
	sum := int64(0)
	for _, r := range c.Rules {
		sum += r.Net
	}
	return sum
}

// charged is what the network's fee is on, fee all of it, and charge the credit that shows how it was reckoned: the first
// that carries it, nil where none does.
func (view *whyView) charged() (sum int64) {
	for i := range view.Decision.Credits {
		if c := &view.Decision.Credits[i]; view.Decision.Charges(c) {
			sum += c.Net
		}
	}
	return sum
}

func (view *whyView) fee() (sum int64) {
	for _, c := range view.Decision.Credits {
		sum += c.Fee
	}
	return sum
}

func (view *whyView) charge() *commission.Credit {
	for i := range view.Decision.Credits {
		if c := &view.Decision.Credits[i]; view.Decision.Charges(c) {
			return c
		}
	}
	return nil
}

// A whyTotal is what the credits in one unit that the reader sees come to, and when the last of their holds ends.
type whyTotal struct {
	unit                         string
	gross, net, pending, payable int64
	disputed, reviewed, capped   int64 // what of net is on hold for either, and what caps take of it

	credits, declined, lines int
	holdUntil                time.Time
}

// totals are those of each unit, in the order of its first credit.
func (view *whyView) totals() (all []whyTotal) {
	for i := range view.Decision.Credits {
		c, e := &view.Decision.Credits[i], view.earning(i)
		at := slices.IndexFunc(all, func(sum whyTotal) bool { return sum.unit == c.Unit })
		if at < 0 {
			at, all = len(all), append(all, whyTotal{unit: c.Unit})
		}
		sum := &all[at]
		sum.gross, sum.net, sum.credits, sum.lines = sum.gross+c.Gross, sum.net+c.Net, sum.credits+1, sum.lines+c.Lines
		sum.pending, sum.payable = sum.pending+e.Pending, sum.payable+e.Payable
		sum.capped += view.capped(c)
		if c.Declined {
			sum.declined++
		}
		if c.Held {
			sum.reviewed += c.Net
		} else {
			sum.disputed += c.Disputed
		}
		if c.HoldUntil.After(sum.holdUntil) {
			sum.holdUntil = c.HoldUntil
		}
	}
	return all
}

// oneHold tells whether all holds end at the same time.
func (view *whyView) oneHold() bool {
	credits := view.Decision.Credits
	return !slices.ContainsFunc(credits, func(c commission.Credit) bool { return !c.HoldUntil.Equal(credits[0].HoldUntil) })
}

// alike are the credits that are reckoned as one is: it, and those behind it in the same unit with the same prices.
func (view *whyView) alike(first int) []commission.Credit {
	credits := view.Decision.Credits[first:]
	end := 1
	for end < len(credits) && samePrices(&credits[end], &credits[end-1]) {
		end++
	}
	return credits[:end]
}

// samePrices reports whether an order is explained in the same way for two credits.
func samePrices(a, b *commission.Credit) bool {
	return a.Unit == b.Unit && a.Unpaid == b.Unpaid && a.SamePrices(b)
}

// states are those of the commissions, each once; of an order on which nobody earns any more, of those that were.
func (view *whyView) states() (list []string) {
	for i := range view.Earnings {
		if i < max(len(view.Decision.Credits), 1) && !slices.Contains(list, view.Earnings[i].State) {
			list = append(list, view.Earnings[i].State)
		}
	}
	return list
}

// winner is the touch by which a credit was won; nil for one that hangs on another's, as a recruiter's does.
func (view *whyView) winner(c *commission.Credit) *commission.Touch {
	for i := range view.Decision.Touches {
		if touch := &view.Decision.Touches[i]; touch.Won && touch.Partner == c.Partner && touch.Link == c.Link {
			return touch
		}
	}
	return nil
}

func (view *whyView) amount(minor int64) amount {
	return amount{view.Decision.Order.Currency, minor}
}

// exact writes a product before rounding in units of its currency, with every decimal it has: 79.92 pence as 0.7992.
func exact(p money.Product, currency string) string {
	digits, known := money.Exponent(currency)
	whole, fraction, _ := strings.Cut(p.String(), ".")
	if !known || digits == 0 {
		return strings.TrimSuffix(whole+"."+fraction, ".")
	}
	sign := ""
	if whole[0] == '-' {
		sign, whole = "-", whole[1:]
	}
	if missing := digits + 1 - len(whole); missing > 0 {
		whole = strings.Repeat("0", missing) + whole
	}
	cut := len(whole) - digits
	return sign + text.Thousands(whole[:cut]) + "." + whole[cut:] + fraction
}

// accountName says whose account it is; those that the reader may not see are the merchant's.
func accountName(t *text.Printer, kind string) string {
	return t.AccountKind(cmp.Or(kind, string(chart.MerchantReceivable)))
}

// A milestone is an entry of the order's history.
type milestone struct {
	at    time.Time
	title string
	of    string // whose it is, where it is not the whole order's
	text  string
	note  string // what somebody wrote beside it
	// mood is done, bad or empty for what is still to come.
	mood string
}

// history tells what happened to the order in the order of time, and what is still to come.
func (view *whyView) history(t *text.Printer) []milestone {
	d := view.Decision
	var list []milestone
	for _, touch := range d.Touches {
		if (touch.Kind == commission.TouchClick || touch.Kind == commission.TouchSoft) && !touch.At.IsZero() {
			list = append(list, milestone{at: touch.At, title: t.WhyClick(), text: t.WhyClickOn(orDash(view.Links[touch.Link])), mood: "done"})
		}
	}
	for _, f := range view.Facts {
		if f.Kind.IsSale() {
			list = append(list, milestone{
				at: f.OccurredAt, title: t.WhyPlaced(), mood: "done",
				text: t.WhyPlacedReported(view.amount(d.Order.Amount).text(), t.Second(f.ReceivedAt)),
			})
			continue
		}
		if f.Kind == event.KindAddition {
			list = append(list, milestone{at: f.ReceivedAt, title: t.WhyAddition(), text: t.WhyAdditionReported(t.Second(f.ReceivedAt)), mood: "done"})
			continue
		}
		if f.Kind == event.KindPath {
			list = append(list, milestone{at: f.ReceivedAt, title: t.WhyPath(), text: view.pathText(t), mood: "done"})
			continue
		}
		list = append(list, milestone{
			at: f.OccurredAt, title: t.WhyRefundOf(f.Ref), mood: "bad",
			text: t.WhyRefundReported(view.amount(view.takenBy(f.Ref)).text(), t.Second(f.ReceivedAt)),
		})
	}
	for i := range view.Reviews {
		list = append(list, view.reviewed(t, &view.Reviews[i]))
	}
	for i := range view.Disputes {
		list = append(list, view.disputed(t, &view.Disputes[i])...)
	}
	for i := range view.Earnings {
		end := view.holdEnd(t, i)
		if len(view.Earnings) > 1 {
			end.of = view.Partners[program.PartnerID(view.Earnings[i].PartnerID)]
		}
		list = append(list, end)
	}
	slices.SortStableFunc(list, func(a, b milestone) int { return a.at.Compare(b.at) })
	return list
}

// pathText says what looking up the visitor's earlier clicks has brought.
func (view *whyView) pathText(t *text.Printer) string {
	if view.Decision.Order.PathIncomplete {
		return t.WhyPathLost()
	}
	return t.WhyPathKnown()
}

// holdEnd is the end of the hold of an earning, by its place among them.
func (view *whyView) holdEnd(t *text.Printer, i int) milestone {
	e := &view.Earnings[i]
	h := milestone{at: e.HoldUntil, title: t.WhyHoldEnd()}
	switch credits := view.Decision.Credits; {
	case e.State == string(commission.Held) && i < len(credits) && credits[i].Disputed > 0 && !credits[i].Held:
		h.text = t.WhyHoldDisputed()
	case e.State == string(commission.Held):
		h.text = t.WhyHoldHeld()
	case e.State == string(commission.Declined):
		h.text = t.WhyHoldDeclined()
	case e.State != string(commission.Reversed) && e.Pending == 0 && e.Payable == 0:
		h.text = t.WhyHoldNone()
	case e.State == string(commission.Pending) && e.HoldUntil.After(view.at):
		h.text = t.WhyHoldThen()
	case e.State == string(commission.Pending):
		h.text = t.WhyHoldShortly()
	case e.State == string(commission.Reversed):
		h.text, h.mood = t.WhyHoldReversed(), "done"
	default:
		h.text, h.mood = t.WhyHoldDone(), "done"
	}
	return h
}

// takenBy is what a refund took from the order's lines.
func (view *whyView) takenBy(ref string) int64 {
	total := int64(0)
	for _, r := range view.Decision.Order.Refunds {
		if r.ID != ref || r.Dispute {
			continue
		}
		for _, t := range r.Taken {
			total += t.Amount
		}
	}
	return total
}

// received says when an order's report came.
func received(t *text.Printer, o commission.Order) string {
	if o.Imported {
		return t.WhyReceivedImport(t.Second(o.Received))
	}
	return t.Second(o.Received)
}

// touchReason says why a touch earns or does not. The last click is said to be that, and of others what rank they have.
func (view *whyView) touchReason(t *text.Printer, touch *commission.Touch) string {
	last := touch.Part == "" || touch.Part == commission.Closer
	if touch.Won && !view.won(touch) {
		return reasonText(t, view.Decision.Outcome)
	}
	if touch.Won && (!last || touch.Ranked() != commission.RankClick || len(view.Decision.Credits) > 1) {
		return t.Won(touch.Ranked().String())
	}
	return t.Reason(string(touch.Reason))
}

// severalOf says who of several touches of a rank earns.
func severalOf(t *text.Printer, r commission.Ranking) string {
	if r.Split {
		return t.WhyRankModel()
	}
	return t.WhyRankLast()
}

// clockSentence says how a click's age was measured.
func clockSentence(t *text.Printer, touch *commission.Touch, o commission.Order) string {
	clock, end := t.WhyClockStated(), o.At
	switch {
	case touch.Clock == event.ReceiptClock:
		clock, end = t.WhyClockReceipt(), o.Received
	case touch.Clock == event.CartClock:
		clock, end = t.WhyClockCart(), o.CartedAt
	case o.Imported:
		clock = t.WhyClockImport()
	}
	if touch.At.After(end) && touch.AgeMillis == 0 {
		return t.WhyClockAhead(clock)
	}
	return clock
}

// holdSentence says where a hold begins and ends.
func holdSentence(t *text.Printer, c *commission.Credit, o commission.Order) string {
	hold, until := t.Span(time.Duration(c.Terms.HoldSeconds)*time.Second), t.Second(c.HoldUntil)
	if !o.Imported && o.Received.After(o.At) {
		return t.WhyHoldReceipt(hold, until)
	}
	return t.WhyHoldOrder(hold, until)
}

func (a amount) text() string { return a.Currency + " " + a.figures() }

func orDash(name string) string {
	return cmp.Or(name, text.Dash)
}

// sentences are the whole explanation in short: one for each credit of a partner's, and one of all in a unit for the merchant.
func (view *whyView) sentences(t *text.Printer) (list []string) {
	credits := view.Decision.Credits
	if len(credits) == 0 {
		return []string{reasonText(t, view.Decision.Outcome)}
	}
	if view.forMerchant && len(credits) > 1 {
		for _, sum := range view.totals() {
			said := view.beforeCap(t, t.WhySeveralEarn(int64(sum.credits), amount{sum.unit, sum.net - sum.capped}.text()), amount{sum.unit, sum.net}, sum.capped)
			list = append(list, view.beforeRefunds(t, said, amount{sum.unit, sum.gross}))
		}
		return list
	}
	for i := range credits {
		c := &credits[i]
		said := view.beforeCap(t, view.sentence(t, c), amount{c.Unit, c.Net}, view.capped(c))
		list = append(list, view.beforeRefunds(t, said, amount{c.Unit, c.Gross}))
	}
	return list
}

// sentence says what a credit earns and why, as fits its role.
func (view *whyView) sentence(t *text.Printer, c *commission.Credit) string {
	earned, partner := amount{c.Unit, c.Net - view.capped(c)}.text(), orDash(view.Partners[c.Partner])
	touch := view.winner(c)
	switch {
	case touch == nil && view.forMerchant:
		return t.PartnerEarnsAs(c.Role.String(), earned, partner)
	case touch == nil:
		return t.YouEarnAs(c.Role.String(), earned)
	}
	if touch.At.IsZero() {
		if view.forMerchant {
			return t.PartnerEarnsBy(string(touch.Kind), earned, touch.ID, partner)
		}
		return t.YouEarnBy(string(touch.Kind), earned, touch.ID)
	}
	age, window := t.Span(time.Duration(touch.AgeMillis)*time.Millisecond), t.Span(time.Duration(touch.WindowSeconds)*time.Second)
	link := orDash(view.Links[touch.Link])
	if view.forMerchant {
		return t.WhyPartnerEarns(age, earned, link, partner, window)
	}
	return t.WhyYouEarn(age, earned, link, window)
}

// beforeCap adds to a sentence what it was before caps took something of it.
func (*whyView) beforeCap(t *text.Printer, said string, net amount, taken int64) string {
	if taken != 0 {
		return t.WhyWasBeforeCap(net.text(), said)
	}
	return said
}

// beforeRefunds adds to a sentence what it was before the order's refunds, if it had any.
func (view *whyView) beforeRefunds(t *text.Printer, said string, gross amount) string {
	if view.Decision.Order.Refunded > 0 {
		return t.WhyWasBeforeRefunds(gross.text(), said)
	}
	return said
}
