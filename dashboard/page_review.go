package dashboard

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tributary/commission"
	"tributary/commission/engine"
	"tributary/dashboard/export"
	"tributary/internal/fault"
	"tributary/internal/text"
	"tributary/report"
)

// reviewView is what the list of orders that await a decision shows.
type reviewView struct {
	role   audience
	filter report.ReviewFilter
	list   report.Page[report.Awaiting]
	// claims are the newest that a merchant has not answered.
	claims report.Page[report.Claim]
	// disputes counts those that are open.
	disputes int64
	// merchants are the operator's to choose from.
	merchants []report.Choice
	form      bulkForm
}

// claimsShown is how many claims are shown above the orders.
const claimsShown = 5

// reviewBase is where a role's pages of orders begin.
func reviewBase(role audience) string {
	if role == operatorOnly {
		return "/network"
	}
	return "/merchant"
}

func baseOf(v *visit) string { return reviewBase(v.who()) }

func (s *Server) review(c echo.Context, v *visit) error {
	f, err := report.ParseReview(c.QueryParams(), v.at)
	if err != nil {
		return err
	}
	keepAddress(c, baseOf(v)+"/review", f.Query())
	return s.showReview(c, v, http.StatusOK, f, bulkForm{})
}

func (s *Server) showReview(c echo.Context, v *visit, status int, f report.ReviewFilter, form bulkForm) error {
	view, ctx := reviewView{role: v.who(), filter: f, form: form}, c.Request().Context()
	view.form.action, view.form.Filter = baseOf(v)+"/review", without(f.Query(), "after").Encode()
	err := s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		if view.list, err = r.Awaiting(ctx, f, report.PageSize); err != nil {
			return err
		}
		if view.disputes, err = r.OpenDisputes(ctx); err != nil {
			return err
		}
		if view.role == merchantOnly {
			view.claims, err = r.Claims(ctx, report.ClaimFilter{Outcome: string(commission.ClaimIsOpen)}, claimsShown)
			return err
		}
		view.merchants, err = r.MerchantsAwaiting(ctx)
		return err
	})
	if err != nil {
		return err
	}
	return s.framed(c, v, status, v.text.ReviewTitle(), reviewPage(view))
}

func (s *Server) reviewCSV(c echo.Context, v *visit) error {
	f, err := report.ParseReview(c.QueryParams(), v.at)
	if err != nil {
		return err
	}
	return listFile[report.Awaiting]{
		name:    "review",
		heading: []string{"merchant", "order", "ordered_at", "why", "currency", "amount", "outcome", "partner", "commission", "state"},
		page: func(ctx context.Context, r *report.Snapshot, after string) (report.Page[report.Awaiting], error) {
			f.After = after
			return r.Awaiting(ctx, f, rowsAtOnce)
		},
		row: func(w *export.Writer, r *report.Awaiting) error {
			in := inCurrency(r.Currency)
			return w.Row(export.Text(r.Merchant), export.Text(r.OrderID), export.Number(text.Machine(r.OccurredAt)), export.Text(strings.Join(r.Why, " ")), export.Text(r.Currency),
				in(r.Amount), export.Text(r.Outcome), export.Text(r.Partner), in(r.Net), export.Text(r.State))
		},
	}.send(s, c, v)
}

// A bulkForm is what is said of several orders of a list at once: of those that are marked, or of all that match its filter.
type bulkForm struct {
	action string // where it is sent
	Filter string // of the list, as its address has it
	actForm

	all    bool
	chosen map[int64]bool
}

// bulkVerbs are what can be said of several orders at once.
func bulkVerbs() []commission.Verb {
	return []commission.Verb{commission.Hold, commission.Unhold, commission.Decline, commission.Extend, commission.Approve, commission.Void}
}

// orderField names the field that marks an order of a list: forms name nothing twice.
const orderField = "order-"

func readBulk(c echo.Context) (f bulkForm, ok bool) {
	f = bulkForm{Filter: c.FormValue("filter"), actForm: readAct(c), all: c.FormValue("all") == "yes", chosen: map[int64]bool{}}
	for name := range c.Request().PostForm {
		if number, is := strings.CutPrefix(name, orderField); is {
			no, ok := report.ParseID(number)
			if !ok {
				return f, false
			}
			f.chosen[no] = true
		}
	}
	return f, slices.Contains(bulkVerbs(), commission.Verb(f.Verb))
}

// numbers are the orders that the form is about: those that are marked or, where it asks for all, those that match.
func (f *bulkForm) numbers(matching func() ([]int64, error)) ([]int64, error) {
	if f.all {
		return matching()
	}
	numbers := make([]int64, 0, len(f.chosen))
	for no := range f.chosen {
		numbers = append(numbers, no)
	}
	slices.Sort(numbers)
	if len(numbers) > engine.MaxReviewed {
		return nil, fault.Coded(fault.TooLarge, "too_many_orders", nil)
	}
	return numbers, nil
}

// reviewMany says something of several orders of the list of those that await a decision.
func (s *Server) reviewMany(c echo.Context, v *visit) error {
	form, ok := readBulk(c)
	if !ok {
		return notFound()
	}
	q, err := url.ParseQuery(form.Filter)
	if err != nil {
		return notFound()
	}
	f, err := report.ParseReview(q, v.at)
	if err != nil {
		return err
	}
	matching := func(ctx context.Context, r *report.Snapshot) (numbers []int64, err error) {
		list, err := r.Awaiting(ctx, f, engine.MaxReviewed)
		for i := range list.Rows {
			numbers = append(numbers, list.Rows[i].No)
		}
		return numbers, err
	}
	return s.act(c, v, &form, matching, func(status int) error { return s.showReview(c, v, status, f, form) })
}

// reviewOrders says something of several orders of the list of all, as of those that named a coupon that has leaked.
func (s *Server) reviewOrders(c echo.Context, v *visit) error {
	form, ok := readBulk(c)
	if !ok {
		return notFound()
	}
	q, err := url.ParseQuery(form.Filter)
	if err != nil {
		return notFound()
	}
	f, err := report.ParseOrders(q, v.at)
	if err != nil {
		return err
	}
	matching := func(ctx context.Context, r *report.Snapshot) (numbers []int64, err error) {
		list, err := r.Orders(ctx, f, engine.MaxReviewed)
		for i := range list.Rows {
			numbers = append(numbers, list.Rows[i].No)
		}
		return numbers, err
	}
	return s.act(c, v, &form, matching, func(status int) error { return s.showOrders(c, v, status, f, form) })
}

// act says of orders what a form says, and goes on to what becomes of it. again shows the form with what is wrong with it.
func (s *Server) act(c echo.Context, v *visit, form *bulkForm, matching func(context.Context, *report.Snapshot) ([]int64, error), again func(status int) error) error {
	ctx := c.Request().Context()
	var numbers []int64
	var named map[int64]commission.Reviewed
	err := s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		if numbers, err = form.numbers(func() ([]int64, error) { return matching(ctx, r) }); err != nil {
			return err
		}
		named, err = r.Named(ctx, numbers)
		return err
	})
	if err != nil {
		return err
	}
	var said []commission.Reviewed
	for _, no := range numbers {
		if of, there := named[no]; there {
			said = append(said, form.of(of))
		}
	}
	if len(numbers) == 0 {
		form.problems = append(form.problems, fault.Wrong("orders", text.WrongNoneChosen(), text.FixChooseOrders()))
	} else if len(said) == 0 {
		return notFound()
	}
	if len(form.problems) > 0 {
		return again(http.StatusUnprocessableEntity)
	}
	done, err := s.desk.Review(ctx, v.scope(), said, v.login.Email, form.Note)
	if err != nil {
		f := fault.Of(err)
		if form.problems = f.Fields; len(f.Fields) == 0 {
			return err
		}
		return again(f.Status())
	}
	if missing := len(numbers) - len(said); missing > 0 {
		s.flash(c, v.text.ReviewMissing(int64(missing)))
	}
	return s.redirect(c, actURL(baseOf(v), done.At))
}

// actURL leads to what was said of several orders at a time, which the database knows to the microsecond.
func actURL(base string, at time.Time) string { return base + "/review/acts/" + actOf(at) }

func actOf(at time.Time) string { return strconv.FormatInt(at.UnixMicro(), 10) }

func parseAct(given string) (at time.Time, ok bool) {
	micros, ok := report.ParseID(given)
	return time.UnixMicro(micros).UTC(), ok && micros < maxMicros
}

// maxMicros is in the year 2300.
const maxMicros = 10_413_792_000_000_000

// actView is what was said of several orders, and what has become of it.
type actView struct {
	role audience
	at   time.Time
	done []report.Done
	now  time.Time
	// undone and late count what somebody has just withdrawn, and what it was too late for.
	undone, late int
}

// mine tells whether the reader's side has said it, and so may undo it.
func (view *actView) mine() bool { return view.done[0].Side == string(sideOf(view.role)) }

// count tells of how many something has become.
func (view *actView) count(became string) (n int64) {
	for i := range view.done {
		if view.done[i].Became() == became {
			n++
		}
	}
	return n
}

func (s *Server) acted(c echo.Context, v *visit) error {
	at, ok := parseAct(c.Param("act"))
	if !ok {
		return notFound()
	}
	return s.showActed(c, v, http.StatusOK, actView{at: at})
}

func (s *Server) showActed(c echo.Context, v *visit, status int, view actView) error {
	v.path = baseOf(v) + "/review" // also where it answers a form
	view.role, view.now = v.who(), v.at
	ctx := c.Request().Context()
	err := s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		view.done, err = r.Act(ctx, view.at)
		return err
	})
	if err != nil {
		return err
	}
	return s.framed(c, v, status, v.text.ReviewActed(v.text.Verb(view.done[0].Verb)), actedPage(view))
}

// undoReview withdraws what was said of one order or, with its time, of several, as far as that has not taken effect.
func (s *Server) undoReview(c echo.Context, v *visit) error {
	if c.FormValue("review") != "" {
		return s.undoOne(c, v)
	}
	at, ok := parseAct(c.FormValue("act"))
	if !ok {
		return notFound()
	}
	ctx, side := c.Request().Context(), sideOf(v.who())
	var done []report.Done
	err := s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		done, err = r.Act(ctx, at)
		return err
	})
	if err != nil {
		return err
	}
	var open []int64
	for i := range done {
		if done[i].Side == string(side) {
			open = append(open, done[i].No)
		}
	}
	if len(open) == 0 {
		return notFound()
	}
	all, err := s.desk.Undo(ctx, v.scope(), open, v.login.Email, "")
	if err != nil {
		return err
	}
	view := actView{at: at}
	for _, u := range all {
		if u.TooLate == nil {
			view.undone++
		} else {
			view.late++
		}
	}
	if view.late > 0 {
		return s.showActed(c, v, http.StatusConflict, view)
	}
	s.flash(c, v.text.ReviewUndone(int64(view.undone)))
	return s.redirect(c, actURL(baseOf(v), at))
}

// undoOne withdraws what was said of one order, and shows the order with what happened where it is too late.
func (s *Server) undoOne(c echo.Context, v *visit) error {
	no, ok := report.ParseID(c.FormValue("review"))
	order, there := report.ParseID(c.FormValue("order"))
	if !ok || !there {
		return notFound()
	}
	all, err := s.desk.Undo(c.Request().Context(), v.scope(), []int64{no}, v.login.Email, "")
	if err != nil {
		return err
	}
	if late := all[0].TooLate; late != nil {
		return s.showWhy(c, v, http.StatusConflict, order, whyView{late: late})
	}
	s.flash(c, v.text.ReviewUndone(1))
	return s.redirect(c, string(orderURL(v.who(), order)))
}

// An actForm is what somebody says of an order.
type actForm struct {
	mistakes

	Verb, Code, Partner, Until, Report, Note string
}

func readAct(c echo.Context) actForm {
	return actForm{
		Verb: c.FormValue("verb"), Code: c.FormValue("code"), Partner: c.FormValue("partner"), Until: c.FormValue("until"), Report: c.FormValue("report"),
		Note: strings.TrimSpace(c.FormValue("note")),
	}
}

// of is what the form says of an order, without what is not asked of its verb.
func (f *actForm) of(order commission.Reviewed) commission.Reviewed {
	order.Verb = commission.Verb(f.Verb)
	switch order.Verb {
	case commission.Hold, commission.Decline:
		order.Code = f.Code
	case commission.Extend:
		if f.Until != "" {
			until, err := time.Parse(formTime, f.Until)
			if err != nil && f.wrong("until") == nil {
				f.problems = append(f.problems, fault.Wrong("until", text.WrongTime(f.Until), text.FixTime()))
			}
			order.Until = until
		}
	case commission.Replace:
		order.Report = f.Report
	case commission.Void, commission.Unhold, commission.Approve:
	}
	if partner, ok := report.ParseID(f.Partner); ok {
		order.Partner = partner
	}
	return order
}

// reviewOrder says something of one order.
func (s *Server) reviewOrder(c echo.Context, v *visit) error {
	no, ok := report.ParseID(c.Param("order"))
	if !ok {
		return notFound()
	}
	ctx, form := c.Request().Context(), readAct(c)
	var named map[int64]commission.Reviewed
	err := s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		named, err = r.Named(ctx, []int64{no})
		return err
	})
	if err != nil {
		return err
	}
	order, there := named[no]
	if !there {
		return notFound()
	}
	said := form.of(order)
	if len(form.problems) == 0 {
		_, err := s.desk.Review(ctx, v.scope(), []commission.Reviewed{said}, v.login.Email, form.Note)
		if err == nil {
			return s.redirect(c, string(orderURL(v.who(), no)))
		}
		if form.problems = fault.Of(err).Fields; len(form.problems) == 0 {
			return err
		}
	}
	return s.showWhy(c, v, http.StatusUnprocessableEntity, no, whyView{act: form})
}

// whyNothing says why a review did nothing.
func whyNothing(t *text.Printer, problem, noEffect string) string {
	return cmp.Or(t.NoEffect(noEffect), problem)
}

func orderBox(no int64) string { return orderField + strconv.FormatInt(no, 10) }
