package whatif

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"tributary/commission"
	"tributary/internal/event"
	"tributary/internal/text"
	"tributary/partners/program"
)

// theKey reports all orders: additions must come by the key of the first report.
const theKey = 1

// report takes in a line about an order.
func (w *world) report(e *entry) *LineError {
	switch {
	case e.Order != nil:
		return w.sale(e.Order)
	case e.Refund != nil:
		return w.refund(e.Refund)
	case e.Review != nil:
		return w.review(e.Review)
	case e.Claim != nil:
		return w.claim(e.Claim)
	case e.Dispute != nil:
		return w.dispute(e.Dispute)
	}
	return nil
}

// review takes in what somebody decided about an order.
func (w *world) review(r *reviewEntry) *LineError {
	switch {
	case r.At.IsZero():
		return wrong("review.at", text.WrongMissing(), text.FixMoment())
	case r.ID == "":
		return wrong("review.id", text.WrongMissing(), text.FixGiveID())
	case w.byID[r.Order] == nil:
		return wrong("review.order", text.WrongNotAbove(strconv.Quote(r.Order)), text.FixAddAbove())
	case r.Partner != 0 && w.partners[program.PartnerID(r.Partner)] == nil:
		return noPartner("review", r.Partner)
	}
	w.saw(r.At)
	o := w.byID[r.Order]
	said := commission.Reviewed{Verb: commission.Verb(r.Verb), Code: r.Code, Partner: r.Partner, Until: r.Until}
	if said.Verb == commission.Replace {
		return o.replace(r, said)
	}
	if bad := said.Check(); len(bad) > 0 {
		return within("review", bad[0])
	}
	o.said.Reviews = append(o.said.Reviews, said.Of(r.ID, r.At, commission.ByOperator))
	return nil
}

// replace has both sides ask for the last report of the order above the line.
func (o *order) replace(r *reviewEntry, said commission.Reviewed) *LineError {
	for _, e := range o.events {
		if e.GetSale() != nil {
			said.Report = hex.EncodeToString(e.Content())
		}
	}
	if bad := said.Check(); len(bad) > 0 {
		return within("review", bad[0])
	}
	for _, side := range []commission.Side{commission.ByMerchant, commission.ByOperator} {
		o.said.Reviews = append(o.said.Reviews, said.Of(r.ID+" "+string(side), r.At, side))
	}
	return nil
}

// claim takes in what was said about a claim, which may stand before its order. The partner's program is the file's.
func (w *world) claim(c *claimEntry) *LineError {
	outcome := commission.ClaimOutcome(cmp.Or(c.Outcome, string(commission.ClaimIsOpen)))
	switch {
	case c.At.IsZero():
		return wrong("claim.at", text.WrongMissing(), text.FixMoment())
	case c.ID == "":
		return wrong("claim.id", text.WrongMissing(), text.FixGiveID())
	case c.Order == "":
		return wrong("claim.order", text.WrongMissing(), text.FixGiveID())
	case !slices.Contains(commission.ClaimOutcomes(), outcome):
		return choice("claim.outcome", outcome, commission.ClaimOutcomes())
	case w.partners[program.PartnerID(c.Partner)] == nil:
		return noPartner("claim", c.Partner)
	}
	w.saw(c.At)
	w.claims[c.Order] = append(w.claims[c.Order], commission.Claim{
		ID: c.ID, At: c.At.UTC(), Program: theProgram, Partner: program.PartnerID(c.Partner), Outcome: outcome,
	})
	return nil
}

// dispute takes in what was said about a dispute. What is disputed is said when it is opened.
func (w *world) dispute(d *disputeEntry) *LineError {
	state := commission.DisputeState(cmp.Or(d.State, string(commission.DisputeOpen)))
	switch {
	case d.At.IsZero():
		return wrong("dispute.at", text.WrongMissing(), text.FixMoment())
	case d.ID == "":
		return wrong("dispute.id", text.WrongMissing(), text.FixGiveID())
	case w.byID[d.Order] == nil:
		return wrong("dispute.order", text.WrongNotAbove(strconv.Quote(d.Order)), text.FixAddAbove())
	case !slices.Contains(commission.DisputeStates(), state):
		return choice("dispute.state", state, commission.DisputeStates())
	}
	w.saw(d.At)
	o := w.byID[d.Order]
	said := commission.Disputed{Dispute: d.ID, State: state, Whole: d.WholeOrder}
	if d.Amount != nil {
		said.Amount = *d.Amount
	}
	if first := o.disputed(d.ID); first != nil && state != commission.DisputeOpen && d.Amount == nil && !d.WholeOrder {
		said.Amount, said.Whole = first.Amount, first.Whole
	}
	if bad := said.Check(); len(bad) > 0 {
		return within("dispute", bad[0])
	}
	o.said.Disputes = append(o.said.Disputes, said.Of(d.At))
	return nil
}

// disputed is what was said first of a dispute, nil where that is nothing.
func (o *order) disputed(id string) *commission.Dispute {
	if i := slices.IndexFunc(o.said.Disputes, func(d commission.Dispute) bool { return d.ID == id }); i >= 0 {
		return &o.said.Disputes[i]
	}
	return nil
}

// of finds an order, or begins it.
func (w *world) of(id string) *order {
	if o := w.byID[id]; o != nil {
		return o
	}
	o := &order{id: id}
	w.byID[id] = o
	w.orders = append(w.orders, o)
	return o
}

// micros is a time as events hold it; 0 for none.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// received is when a report was: at its own time unless it says otherwise.
func received(at, said time.Time) time.Time {
	if said.IsZero() {
		return at
	}
	return said
}

func (w *world) sale(o *orderEntry) *LineError {
	switch {
	case o.ID == "":
		return wrong("order.id", text.WrongMissing(), text.FixGiveID())
	case o.At.IsZero():
		return wrong("order.at", text.WrongMissing(), text.FixMoment())
	case o.CartedAt.After(o.At):
		return wrong("order.carted_at", text.WrongCartedLater(), text.FixCartedLater())
	case o.Click != "" && w.clicks[o.Click] == nil:
		return wrong("order.click", text.WrongNotInFile(strconv.Quote(o.Click)), text.FixAddLine())
	}
	w.saw(o.At)
	w.saw(o.Received)
	if !slices.Contains(w.currencies, o.Currency) {
		w.currencies = append(w.currencies, o.Currency)
	}
	s := &event.Sale{
		MerchantId: int64(theMerchant), OrderId: o.ID, Currency: o.Currency, Goal: o.Goal, ClickId: o.Click,
		ReferralCode: o.ReferralCode, CustomerId: o.Customer, CustomerStatus: o.CustomerStatus, Shipping: o.Shipping,
		ShippingTax: o.ShippingTax, Country: o.Country, Device: o.Device, Metadata: o.Metadata, CartedAt: micros(o.CartedAt), Test: o.Test,
	}
	if s.GetGoal() == "sale" {
		s.Goal = "" // a sale names no goal
	}
	if len(o.Coupons) > 0 {
		s.Coupon, s.Coupons = o.Coupons[0], o.Coupons[1:]
	}
	if c := w.clicks[o.Click]; c != nil && kindsOfClick()[c.Kind] != event.PathClick {
		s.ClickId = ""
		s.Path = append(s.Path, w.touch(o.Click))
	}
	for i, id := range o.Path {
		if w.clicks[id] == nil {
			return wrong(fmt.Sprintf("order.path[%d]", i), text.WrongNotInFile(strconv.Quote(id)), text.FixAddLine())
		}
		s.Path = append(s.Path, w.touch(id))
	}
	for i, l := range o.Lines {
		quantity := int64(1)
		if l.Quantity != nil {
			quantity = *l.Quantity
		}
		s.Lines = append(s.Lines, &event.Line{
			Number: cmp.Or(l.N, int64(i+1)), Sku: l.SKU, Category: l.Category, Part: l.Part, Quantity: quantity, Amount: l.Amount,
			Tax: l.Tax, Discount: l.Discount, Country: l.Country, Device: l.Device,
		})
	}
	s.ContentHash = event.SaleHash(s, micros(o.At))
	return w.take("order", o.ID, &event.Event{
		OccurredAt: micros(o.At), ReceivedAt: micros(received(o.At, o.Received)), Imported: o.Imported, ApiKeyId: theKey,
		Body: &event.Event_Sale{Sale: s},
	})
}

// touch is a click as a path holds it.
func (w *world) touch(id string) *event.Touch {
	c := w.clicks[id]
	t := &event.Touch{ClickId: id, Kind: uint32(kindsOfClick()[c.Kind]), At: micros(c.At), Marks: c.marks}
	return t
}

func (w *world) refund(r *refundEntry) *LineError {
	switch {
	case r.Order == "":
		return wrong("refund.order", text.WrongMissing(), text.FixGiveID())
	case r.At.IsZero():
		return wrong("refund.at", text.WrongMissing(), text.FixMoment())
	}
	w.saw(r.At)
	w.saw(r.Received)
	said := &event.Refund{
		MerchantId: int64(theMerchant), OrderId: r.Order, RefundId: r.ID, Amount: r.Amount, WholeOrder: r.WholeOrder, Shipping: r.Shipping,
	}
	for _, l := range r.Lines {
		said.Items = append(said.Items, &event.RefundItem{Line: l.N, Quantity: l.Quantity, Amount: l.Amount})
	}
	said.Test = w.tests[r.Order]
	said.ContentHash = event.RefundHash(said, micros(r.At))
	return w.take("refund", r.Order, &event.Event{
		OccurredAt: micros(r.At), ReceivedAt: micros(received(r.At, r.Received)), ApiKeyId: theKey,
		Body: &event.Event_Refund{Refund: said},
	})
}

// refunded refuses a refund of lines that its order does not have.
func (w *world) refunded(r *refundEntry) *LineError {
	if r == nil {
		return nil
	}
	at := slices.IndexFunc(w.byID[r.Order].events, func(e *event.Event) bool { return e.GetSale() != nil })
	if at < 0 {
		return nil
	}
	sold := w.byID[r.Order].events[at].GetSale().GetLines()
	for i, l := range r.Lines {
		if !slices.ContainsFunc(sold, func(s *event.Line) bool { return s.GetNumber() == l.N }) {
			return wrong(fmt.Sprintf("refund.lines[%d].n", i), text.WrongNotOfOrder(strconv.FormatInt(l.N, 10)), text.FixLineOfOrder())
		}
	}
	return nil
}

// take adds a report to its order. The fold has the first of each fact stand, and later reports of a sale add to it.
func (w *world) take(member, id string, e *event.Event) *LineError {
	if err := commission.Check(e); err != nil {
		return wrong(member, text.WrongUnfit(errors.Unwrap(err).Error()), text.FixRemoveOrCorrect()) // without the event's id, of which there is none
	}
	o := w.of(id)
	o.events = append(o.events, e)
	return nil
}
