package dashboard

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tributary/internal/fault"
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
	// example is what an order earns under the draft; nil where the draft or the order is not right.
	example *pricedExample
	// noCountry says that a condition on the country would match nothing, so far.
	noCountry bool
	// simulates says that what the draft would have paid is being found out.
	simulates bool
}

// path is the page's own.
func (view *termsView) path() string {
	return "/merchant/programs/" + strconv.FormatInt(int64(view.program.ID), 10) + "/terms"
}

// currency is what amounts are in where the terms name no currency.
func (view *termsView) currency() string { return view.program.Currencies[0] }

// findTerms reads the program that an address names.
func (s *Server) findTerms(c echo.Context, v *visit) (*termsView, error) {
	id, ok := report.ParseID(c.Param("program"))
	if !ok {
		return nil, notFound()
	}
	view := &termsView{visit: v}
	ctx := c.Request().Context()
	err := s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		if view.program, err = r.Program(ctx, program.ProgramID(id)); err != nil {
			return err
		}
		seen, err := r.CountrySeen(ctx)
		view.noCountry = !seen
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
	view.form = termsFormOf(view.before, view.currency(), v.at)
	if c.QueryParam("as") == "text" {
		view.asText(&view.before.Document)
	}
	if err := view.price(view.before.Document, true); err != nil {
		return err
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
	if err := view.around(effective(sent, v.at)); err != nil {
		return err
	}
	if view.form, err = readTermsForm(sent, &view.before.Document, view.currency()); err != nil {
		return err
	}
	if view.form.change(sent.Get("do")) {
		view.noCountry = false
		return s.showTerms(c, http.StatusOK, view)
	}
	return s.actOnTerms(c, view, sent.Get("do"))
}

// actOnTerms does what a button asks of terms that somebody wrote.
func (s *Server) actOnTerms(c echo.Context, view *termsView, do string) error {
	v := view.visit
	document, ok := view.form.document(&view.before.Document)
	if err := view.price(document, ok); err != nil {
		return err
	}
	if ok && do == "text" {
		view.asText(&document)
		return s.showTerms(c, http.StatusOK, view)
	}
	if ok && do == "form" {
		view.asForm(&document)
		return s.showTerms(c, http.StatusOK, view)
	}
	if do == "price" { // nothing is to be set yet, so nothing is told of when
		return s.showTerms(c, http.StatusOK, view)
	}
	view.draft = view.form.version(document, v.at)
	if view.before.EffectiveFrom.Equal(view.draft.EffectiveFrom) {
		view.form.note("from", text.WrongTimeTaken(), text.FixAnother())
	}
	switch {
	case view.form.wrongTerms():
		return s.showTerms(c, http.StatusUnprocessableEntity, view)
	case do == "edit":
		return s.showTerms(c, http.StatusOK, view)
	case do == "simulate":
		view.sure = true
		if in, ok := view.form.simulated(); ok {
			return s.simulate(c, view, in)
		}
		return s.showTerms(c, http.StatusUnprocessableEntity, view)
	case do != "set":
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

// price decides the example under a document that is right.
func (view *termsView) price(d program.Document, right bool) (err error) {
	view.form.withExample(view.visit.at, view.currency())
	view.noCountry = view.noCountry && d.AsksForCountry()
	if right {
		view.example, err = view.form.price(d, view.currency())
	}
	return err
}

// asText goes on with the document as text, and asForm with its fields. What is beside the document stays as it was typed.
func (view *termsView) asText(d *program.Document) {
	view.form.Text = true
	view.form.Values.Set("as", "text")
	view.form.Values.Set("document", indented(d))
}

func (view *termsView) asForm(d *program.Document) {
	was := view.form
	view.form = termsFormOf(&program.Version{Document: *d}, view.currency(), view.visit.at)
	for name := range was.Values {
		if name == "from" || name == "notice_days" || name == "needs_acceptance" || strings.HasPrefix(name, examplePrefix) {
			view.form.Values.Set(name, was.Values.Get(name))
		}
	}
}

// wrongTerms tells whether the terms cannot be set; what is wrong with the example does not matter.
func (f *termsForm) wrongTerms() bool {
	for _, p := range f.Problems {
		if !strings.HasPrefix(p.Name, examplePrefix) {
			return true
		}
	}
	return false
}

func (s *Server) showTerms(c echo.Context, status int, view *termsView) error {
	v := view.visit
	view.form.withExample(v.at, view.currency())
	view.form.withSimulation(v.at)
	if view.sure {
		return s.framed(c, v, status, v.text.TermsConfirm(), confirmTermsPage(view))
	}
	return s.framed(c, v, status, v.text.TermsNew(), newTermsView(view))
}
