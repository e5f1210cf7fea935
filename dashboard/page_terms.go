package dashboard

import (
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"tributary/internal/fault"
	"tributary/internal/money"
	"tributary/internal/text"
	"tributary/partners/program"
	"tributary/report"
)

// termsView is a program and the terms that its merchant is setting.
type termsView struct {
	visit   *visit
	program *report.Program
	form    termsForm
	// draft is what the form says, and before what is in force at the time from which it takes effect. next follows draft, if
	// there is one.
	draft        program.Version
	before, next *program.Version
	// sure says that the form is right and waits for confirmation.
	sure bool
}

// path is the page's own.
func (view *termsView) path() string {
	return "/merchant/programs/" + strconv.FormatInt(int64(view.program.ID), 10) + "/terms"
}

// findTerms reads the program that an address names.
func (s *Server) findTerms(c echo.Context, v *visit) (*termsView, error) {
	id, ok := report.ParseID(c.Param("program"))
	if !ok {
		return nil, notFound()
	}
	view := &termsView{visit: v}
	ctx := c.Request().Context()
	err := s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		view.program, err = r.Program(ctx, program.ProgramID(id))
		return err
	})
	if err == nil && len(view.program.Versions) == 0 {
		err = notFound()
	}
	return view, err
}

// around finds what is in force at a time and what follows. New terms go by those in force, so these must be readable.
func (view *termsView) around(at time.Time) error {
	view.before, view.next = program.InForce(view.program.Versions, at)
	if view.before == nil { // from before the first
		view.before = view.next
	}
	if cause := view.before.Unreadable; cause != nil {
		return fault.Coded(fault.Conflict, "later_terms", cause)
	}
	return nil
}

// newTermsPage shows the form, filled with what is in force.
func (s *Server) newTermsPage(c echo.Context, v *visit) error {
	view, err := s.findTerms(c, v)
	if err != nil {
		return err
	}
	if err := view.around(v.at); err != nil {
		return err
	}
	view.form = termsFormOf(view.before, v.at)
	if c.QueryParam("as") == "text" || !view.before.Document.Plain() {
		view.form.Document = indented(&view.before.Document)
	}
	return s.showTerms(c, http.StatusOK, view)
}

// setTerms checks the form, shows what it means, and adds the terms once that is confirmed.
func (s *Server) setTerms(c echo.Context, v *visit) error {
	view, err := s.findTerms(c, v)
	if err != nil {
		return err
	}
	sent, err := c.FormParams()
	if err != nil {
		return fault.Coded(fault.Malformed, "unreadable", err)
	}
	view.form = readTermsForm(sent)
	if err := view.around(view.form.effective(v.at)); err != nil {
		return err
	}
	view.draft = view.form.version(view.before.Document, v.at)
	if view.before.EffectiveFrom.Equal(view.draft.EffectiveFrom) {
		view.form.note("from", text.WrongTimeTaken(), text.FixAnother())
	}
	switch {
	case len(view.form.problems) > 0:
		return s.showTerms(c, http.StatusUnprocessableEntity, view)
	case sent.Get("do") == "edit":
		return s.showTerms(c, http.StatusOK, view)
	case sent.Get("do") != "set":
		view.sure = true
		return s.showTerms(c, http.StatusOK, view)
	}
	number, err := s.access.SetTerms(c.Request().Context(), v.scope(), view.program.ID, view.draft)
	if err != nil {
		return err
	}
	s.flash(c, v.text.TermsSet(v.text.Second(view.draft.EffectiveFrom), strconv.Itoa(number)))
	return s.redirect(c, "/merchant/programs")
}

func (s *Server) showTerms(c echo.Context, status int, view *termsView) error {
	v := view.visit
	if view.sure {
		return s.render(c, status, frame(v, v.text.TermsConfirm(), confirmTermsPage(view)))
	}
	view.form.withSpare()
	return s.render(c, status, frame(v, v.text.TermsNew(), newTermsView(view)))
}

// A termsExample is what an order would earn.
type termsExample struct {
	category        string
	kind            program.Kind
	commission, fee int64
}

// examples are what an order of 100.00 of each category earns under the draft, by kind of partner.
func (view *termsView) examples() (order int64, currency string, list []termsExample) {
	currency = view.program.Currencies[0]
	digits, _ := money.Exponent(currency)
	for order = 100; digits > 0; digits-- {
		order *= 10
	}
	terms := view.draft.Terms()
	for _, category := range categoriesOf(&terms) {
		for _, kind := range program.Kinds() {
			if rate, matched := terms.Rate(kind, category); matched != "" {
				commission := rate.Of(order)
				list = append(list, termsExample{category, kind, commission, terms.NetworkFee.Of(commission)})
			}
		}
	}
	return order, currency, list
}
