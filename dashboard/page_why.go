package dashboard

import (
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tributary/commission"
	"tributary/internal/event"
	"tributary/internal/money"
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
		return notFound("order")
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
	return s.page(c, v, "Why: order "+view.OrderID, whyPage(view))
}

// credit is the decision's credit, or nil when nobody earns.
func (view *whyView) credit() *commission.Credit {
	if len(view.Decision.Credits) == 0 {
		return nil
	}
	return &view.Decision.Credits[0]
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
	return sign + thousands(whole[:cut]) + "." + whole[cut:] + fraction
}

// accountName says whose account it is, in words.
func accountName(kind string) string {
	switch commission.AccountKind(kind) {
	case commission.MerchantReceivable:
		return "Merchant owes"
	case commission.PartnerPending:
		return "Partner, pending"
	case commission.PartnerPayable:
		return "Partner, payable"
	case commission.FeePending:
		return "Network fee, pending"
	case commission.FeeEarned:
		return "Network fee, earned"
	}
	return "Merchant owes"
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
func (view *whyView) history() []milestone {
	d := view.Decision
	var list []milestone
	for _, t := range d.Touches {
		if t.Kind == commission.TouchClick && !t.At.IsZero() {
			list = append(list, milestone{at: t.At, title: "Click", text: "On link " + orDash(view.Links[t.Link]) + ".", mood: "done"})
		}
	}
	for _, f := range view.Facts {
		if f.Sale {
			list = append(list, milestone{
				at: f.OccurredAt, title: "Order placed", mood: "done",
				text: view.amount(d.Order.Amount).text() + ", reported " + second(f.ReceivedAt) + ".",
			})
			continue
		}
		list = append(list, milestone{
			at: f.OccurredAt, title: "Refund " + f.Ref, mood: "bad",
			text: view.amount(view.takenBy(f.Ref)).text() + " taken back, reported " + second(f.ReceivedAt) + ".",
		})
	}
	if e := view.Earning; e != nil {
		list = append(list, view.holdEnd(e))
	}
	slices.SortStableFunc(list, func(a, b milestone) int { return a.at.Compare(b.at) })
	return list
}

func (view *whyView) holdEnd(e *report.Earning) milestone {
	h := milestone{at: e.HoldUntil, title: "Hold ends"}
	switch {
	case e.State != string(commission.Reversed) && e.Pending == 0 && e.Payable == 0:
		h.text = "Nothing was earned, so nothing becomes payable."
	case e.State == string(commission.Pending) && e.HoldUntil.After(view.at):
		h.text = "What is pending then becomes payable."
	case e.State == string(commission.Pending):
		h.text = "What is pending becomes payable shortly."
	case e.State == string(commission.Reversed):
		h.text, h.mood = "Nothing was left to become payable.", "done"
	default:
		h.text, h.mood = "The commission became payable.", "done"
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
func received(o commission.Order) string {
	if o.Imported {
		return second(o.Received) + ", as an import of the operator's: times are taken as stated"
	}
	return second(o.Received)
}

// clockSentence says how a click's age was measured.
func clockSentence(t commission.Touch, o commission.Order) string {
	text := "It is measured to the time that the shop stated."
	end := o.At
	switch {
	case t.Clock == event.ReceiptClock:
		text, end = "It is measured to the receipt of the order, since the shop's clock is within 5 minutes of ours.", o.Received
	case o.Imported:
		text = "It is measured to the time that the import stated."
	}
	if t.At.After(end) && t.AgeMillis == 0 {
		text += " The click is up to 5 minutes later, which counts as no time."
	}
	return text
}

// heldFrom says where a hold begins.
func heldFrom(o commission.Order) string {
	if !o.Imported && o.Received.After(o.At) {
		return "the receipt of the order"
	}
	return "the order"
}

// excessSentence says why a refund took nothing.
func excessSentence(e commission.Excess, currency string) string {
	switch e.Reason {
	case commission.NoSuchLine:
		return "The order has no such line."
	case commission.FreePieces:
		return "Only pieces that cost nothing were left of this SKU. Name the line that came back."
	case commission.OtherCurrency:
		return "The refund is in " + e.Currency + ", the order in " + currency + "."
	case commission.NothingLeft:
		return "Nothing was left to take back."
	}
	return string(e.Reason)
}

func (a amount) text() string { return a.Currency + " " + a.figures() }

func orDash(text string) string {
	if text == "" {
		return "–"
	}
	return text
}

// visibleID is a touch's id as far as the reader may see it: a customer's and a coupon's are the merchant's matter.
func (view *whyView) visibleID(t commission.Touch) string {
	if !view.forMerchant && t.Kind != commission.TouchClick {
		return "known to the merchant"
	}
	return t.ID
}

// sentence is the whole explanation in one.
func (view *whyView) sentence() string {
	c := view.credit()
	if c == nil {
		return view.Decision.Outcome.Sentence()
	}
	who := "You earn "
	if view.forMerchant {
		who = orDash(view.Partners[c.Partner]) + " earns "
	}
	touch := view.Decision.Touches[slices.IndexFunc(view.Decision.Touches, func(t commission.Touch) bool { return t.Won })]
	text := who + view.amount(c.Net).text() + " on this order: the customer came through link " + orDash(view.Links[c.Link]) + " " +
		span(time.Duration(touch.AgeMillis)*time.Millisecond) + " before ordering, within the window of " +
		span(time.Duration(touch.WindowSeconds)*time.Second) + "."
	if c.Refunded > 0 {
		text += " Before refunds it was " + view.amount(c.Gross).text() + "."
	}
	return text
}
