package dashboard

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tributary/commission"
	"tributary/commission/ledger/chart"
	"tributary/internal/event"
	"tributary/internal/money"
	"tributary/internal/text"
	"tributary/report"
)

// whyView explains one order: what is known of it, who earns on it and why, and what stands on the books.
type whyView struct {
	report.Explanation

	at          time.Time
	forMerchant bool
}

func (s *Server) why(c echo.Context, v *visit) error {
	no, ok := report.ParseID(c.Param("order"))
	if !ok {
		return notFound()
	}
	view := whyView{at: v.at, forMerchant: v.login.Merchant != 0}
	ctx := c.Request().Context()
	err := s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		view.Explanation, err = r.Explain(ctx, no)
		return err
	})
	if err != nil {
		return err
	}
	return s.page(c, v, v.text.WhyTitle(view.OrderID), whyPage(view))
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

// charged is what the network's fee is on, fee all of it.
func (view *whyView) charged() (sum int64) {
	for _, c := range view.Decision.Credits {
		if c.Role == commission.RolePartner {
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

// credit is the decision's first credit, or nil when nobody earns.
func (view *whyView) credit() *commission.Credit {
	if len(view.Decision.Credits) == 0 {
		return nil
	}
	return &view.Decision.Credits[0]
}

// winner is the touch that earned, or nil when none did, or when it was somebody else's than the reader's.
func (view *whyView) winner() *commission.Touch {
	for i := range view.Decision.Touches {
		if touch := &view.Decision.Touches[i]; touch.Won {
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
	text  string
	// mood is done, bad or empty for what is still to come.
	mood string
}

// history tells what happened to the order in the order of time, and what is still to come.
func (view *whyView) history(t *text.Printer) []milestone {
	d := view.Decision
	var list []milestone
	for _, touch := range d.Touches {
		if touch.Kind == commission.TouchClick && !touch.At.IsZero() {
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
		list = append(list, milestone{
			at: f.OccurredAt, title: t.WhyRefundOf(f.Ref), mood: "bad",
			text: t.WhyRefundReported(view.amount(view.takenBy(f.Ref)).text(), t.Second(f.ReceivedAt)),
		})
	}
	for i := range view.Earnings {
		list = append(list, view.holdEnd(t, &view.Earnings[i]))
	}
	slices.SortStableFunc(list, func(a, b milestone) int { return a.at.Compare(b.at) })
	return list
}

func (view *whyView) holdEnd(t *text.Printer, e *report.Earning) milestone {
	h := milestone{at: e.HoldUntil, title: t.WhyHoldEnd()}
	switch {
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
		if r.ID != ref {
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

// clockSentence says how a click's age was measured.
func clockSentence(t *text.Printer, touch *commission.Touch, o commission.Order) string {
	clock, end := t.WhyClockStated(), o.At
	switch {
	case touch.Clock == event.ReceiptClock:
		clock, end = t.WhyClockReceipt(), o.Received
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

// sentence is the whole explanation in one.
func (view *whyView) sentence(t *text.Printer) string {
	c := view.credit()
	if c == nil {
		return t.Reason(string(view.Decision.Outcome))
	}
	var said string
	earned := view.amount(c.Net).text()
	if touch := view.winner(); touch == nil {
		said = t.WhyYouEarnPart(earned)
	} else {
		age, window := t.Span(time.Duration(touch.AgeMillis)*time.Millisecond), t.Span(time.Duration(touch.WindowSeconds)*time.Second)
		link := orDash(view.Links[touch.Link])
		said = t.WhyYouEarn(age, earned, link, window)
		if view.forMerchant {
			said = t.WhyPartnerEarns(age, earned, link, orDash(view.Partners[c.Partner]), window)
		}
	}
	if c.Refunded > 0 {
		return t.WhyWasBeforeRefunds(view.amount(c.Gross).text(), said)
	}
	return said
}
