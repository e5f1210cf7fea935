package dashboard

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"tributary/commission"
	"tributary/dashboard/export"
	"tributary/internal/event"
	"tributary/internal/fault"
	"tributary/internal/money"
	"tributary/internal/text"
	"tributary/report"
)

// disputesView is what a list shows: the disputes of a merchant's orders, or to the operator those of all.
type disputesView struct {
	role   audience
	filter report.DisputeFilter
	list   report.Page[report.Dispute]
	open   int64 // how many are
}

func (view *disputesView) path() string { return reviewBase(view.role) + "/disputes" }

func (s *Server) disputes(c echo.Context, v *visit) (err error) {
	view := disputesView{role: v.who()}
	if view.filter, err = report.ParseDisputes(c.QueryParams(), v.at); err != nil {
		return err
	}
	ctx := c.Request().Context()
	err = s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		if view.list, err = r.Disputes(ctx, view.filter, report.PageSize); err != nil {
			return err
		}
		view.open, err = r.OpenDisputes(ctx)
		return err
	})
	if err != nil {
		return err
	}
	v.path = view.path()
	keepAddress(c, view.path(), view.filter.Query())
	return s.page(c, v, v.text.DisputesTitle(), disputesPage(view))
}

func (s *Server) disputesCSV(c echo.Context, v *visit) error {
	f, err := report.ParseDisputes(c.QueryParams(), v.at)
	if err != nil {
		return err
	}
	return listFile[report.Dispute]{
		name:    "disputes",
		heading: []string{"number", "dispute", "merchant", "order", "currency", "disputed", "whole", "opened_at", "opened_by", "note", "state", "ended_at", "ended_by", "end_note"},
		page: func(ctx context.Context, r *report.Snapshot, after string) (report.Page[report.Dispute], error) {
			f.After = after
			return r.Disputes(ctx, f, rowsAtOnce)
		},
		row: func(w *export.Writer, r *report.Dispute) error {
			disputed := ""
			if r.Amount != nil {
				disputed = amount{r.Currency, *r.Amount}.plain()
			}
			return w.Row(export.Number(strconv.FormatInt(r.No, 10)), export.Text(r.Ref), export.Text(r.Merchant), export.Text(r.OrderID), export.Text(r.Currency),
				export.Number(disputed), export.Number(strconv.FormatBool(r.Amount == nil)), export.Number(text.Machine(r.At)), export.Text(r.Author), export.Text(r.Note),
				export.Text(r.State), timeCell(r.OutcomeAt), export.Text(r.OutcomeAuthor), export.Text(r.OutcomeNote))
		},
	}.send(s, c, v)
}

// A disputeForm is what somebody says of a dispute of an order: that it is open or, where settle is its number, how it ended.
type disputeForm struct {
	mistakes

	Dispute, Amount, Whole, Note string
}

// said is the dispute that the form opens, of an order in a currency.
func (f *disputeForm) said(of commission.Reviewed, currency string) commission.Disputed {
	d := commission.Disputed{Merchant: of.Merchant, Keys: of.Keys, Order: of.Order, Dispute: f.Dispute, Whole: f.Whole == "yes"}
	if f.Amount == "" {
		if !d.Whole {
			f.problems = append(f.problems, fault.Wrong("amount", text.WrongNoDisputeAmount(), text.FixDisputeAmountTyped(exampleAmount(currency))))
		}
		return d
	}
	var err error
	if d.Amount, err = money.Parse(f.Amount, currency); err != nil || d.Amount <= 0 {
		d.Amount = 0
		f.problems = append(f.problems, fault.Wrong("amount", text.WrongAmountTyped(f.Amount), text.FixAmountTyped(exampleAmount(currency))))
	}
	return d
}

// disputeOrder says that the customer disputes an order, or how a dispute of it ended.
func (s *Server) disputeOrder(c echo.Context, v *visit) error {
	no, ok := report.ParseID(c.Param("order"))
	if !ok {
		return notFound()
	}
	if c.FormValue("settle") != "" {
		return s.settleDispute(c, v, no)
	}
	ctx := c.Request().Context()
	form := disputeForm{
		Dispute: c.FormValue("dispute"), Amount: strings.TrimSpace(c.FormValue("amount")), Whole: c.FormValue("whole"), Note: strings.TrimSpace(c.FormValue("note")),
	}
	var named map[int64]commission.Reviewed
	var currency string
	err := s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		if named, err = r.Named(ctx, []int64{no}); err != nil || named[no].Order == "" {
			return err
		}
		currency, err = r.OrderCurrency(ctx, no)
		return err
	})
	if err != nil {
		return err
	}
	order, there := named[no]
	if !there || order.Keys > event.Trial {
		return notFound()
	}
	if said := form.said(order, currency); len(form.problems) == 0 {
		_, err = s.desk.OpenDispute(ctx, v.scope(), said, v.login.Email, form.Note)
		if f := fault.Of(err); err != nil && len(f.Fields) == 0 {
			return err
		} else if err != nil {
			form.problems = f.Fields
		}
	}
	if len(form.problems) > 0 {
		return s.showWhy(c, v, http.StatusUnprocessableEntity, no, whyView{dispute: form})
	}
	return s.redirect(c, string(orderURL(v.who(), no)))
}

func (s *Server) settleDispute(c echo.Context, v *visit, order int64) error {
	no, ok := report.ParseID(c.FormValue("settle"))
	if !ok {
		return notFound()
	}
	ctx := c.Request().Context()
	of := false
	err := s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) error {
		page, err := r.Disputes(ctx, report.DisputeFilter{Order: order}, report.MaxShownDisputes)
		of = slices.ContainsFunc(page.Rows, func(d report.Dispute) bool { return d.No == no })
		return err
	})
	if err != nil {
		return err
	}
	if !of {
		return notFound()
	}
	state := commission.DisputeState(c.FormValue("state"))
	_, err = s.desk.SettleDispute(ctx, v.scope(), no, state, v.login.Email, c.FormValue("note"))
	if err != nil {
		return err
	}
	return s.redirect(c, string(orderURL(v.who(), order)))
}

// undoes are the acts about a dispute that the reader's side can still undo: its end, or the dispute itself.
func (view *whyView) undoes(d *report.Dispute) (row int64, is bool) {
	side := string(view.side())
	switch {
	case !view.forMerchant:
		return 0, false
	case d.OutcomeNo != nil:
		return *d.OutcomeNo, d.OutcomeTaken == nil && d.OutcomeSide == side
	}
	return d.No, d.TakenAt == nil && d.Side == side
}

// disputed are a dispute and its end as entries of the order's history.
func (view *whyView) disputed(t *text.Printer, d *report.Dispute) []milestone {
	what := t.DisputesAllDisputed()
	if d.Amount != nil {
		what = t.DisputesAmount(amount{d.Currency, *d.Amount}.text())
	}
	opened, ended := t.DisputesOpened(d.Ref), t.DisputesEnded(d.Ref)
	if !view.forMerchant {
		opened, ended = t.DisputesOne(), t.DisputesOneEnded()
	}
	list := []milestone{{at: d.At, title: opened, text: what + saidBy(t, d.Side, d.Author), note: d.Note, mood: "bad"}}
	if d.TakenAt == nil {
		list[0].text, list[0].mood = list[0].text+" "+takesEffect(t, d.Due, view.at), ""
	}
	if d.OutcomeAt == nil {
		return list
	}
	end := milestone{at: *d.OutcomeAt, title: ended, text: t.DisputeEnd(d.State) + saidBy(t, d.OutcomeSide, d.OutcomeAuthor), note: d.OutcomeNote, mood: "done"}
	if d.State == string(commission.DisputeLost) {
		end.mood = "bad"
	}
	if d.OutcomeTaken == nil {
		end.text, end.mood = end.text+" "+takesEffect(t, *d.OutcomeDue, view.at), ""
	}
	return append(list, end)
}

// saidBy says who said something, to those who may know.
func saidBy(t *text.Printer, side, author string) string {
	if author == "" {
		return ""
	}
	return " " + t.ReviewByWhom(side, author)
}

// exampleAmount is an amount of a currency, as somebody types one.
func exampleAmount(currency string) string { return amount{currency, 1250}.plain() }

// disputable tells whether the reader may say that the order is disputed.
func (view *whyView) disputable() bool {
	o := &view.Decision.Order
	return view.forMerchant && o.Placed() && o.Clicks == nil && !o.IsVoid() && len(view.Disputes) < commission.MaxDisputes
}
