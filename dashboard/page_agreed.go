package dashboard

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"tributary/internal/fault"
	"tributary/partners"
	"tributary/partners/program"
	"tributary/report"
)

// agreedView is what a partner is paid by in a program at a time, as the partner and the merchant see it.
type agreedView struct {
	visit  *visit
	agreed *report.Agreed
	// fact is what the merchant is saying of the partner, and problem what is wrong with it.
	fact    partners.Fact
	problem *fault.Error
}

// merchant tells that the merchant is looking.
func (view *agreedView) merchant() bool { return view.visit.login.Seat.Merchant != 0 }

// path is the page's own.
func (view *agreedView) path() string {
	id := strconv.FormatInt(int64(view.agreed.Program.ID), 10)
	if view.merchant() {
		return "/merchant/partners/" + strconv.FormatInt(int64(view.agreed.Partner), 10) + "/terms/" + id
	}
	return "/partner/programs/" + id + "/terms"
}

// wrong is what is wrong with a field, or nil.
func (view *agreedView) wrong(name string) *fault.Field {
	if view.problem == nil {
		return nil
	}
	for i := range view.problem.Fields {
		if f := &view.problem.Fields[i]; f.Name == name {
			return f
		}
	}
	return nil
}

// within are the problems that lie in the value, as in rules of the partner's own, each by its path.
func (view *agreedView) within() (list []fault.Field) {
	if view.problem == nil {
		return nil
	}
	for _, p := range view.problem.Fields {
		if !slices.Contains([]string{"kind", "value", "ends", "note"}, p.Name) {
			list = append(list, p)
		}
	}
	return list
}

// recruiter is the name of who recruited the partner, or else their number.
func (view *agreedView) recruiter() string {
	number := strconv.FormatInt(int64(view.agreed.Enrolment.Recruiter), 10)
	return cmp.Or(view.agreed.Recruiters[number], number)
}

// said are the facts that have no page of their own, as states have.
func (view *agreedView) said() []partners.Fact {
	return slices.DeleteFunc(slices.Clone(view.agreed.Facts), func(f partners.Fact) bool { return f.Kind == program.FactState })
}

// findAgreed reads what an address names, as of its time or of now.
func (s *Server) findAgreed(c echo.Context, v *visit) (*agreedView, error) {
	id, ok := report.ParseID(c.Param("program"))
	if !ok {
		return nil, notFound()
	}
	partner := int64(v.login.Seat.Partner)
	if v.login.Seat.Merchant != 0 {
		if partner, ok = report.ParseID(c.Param("partner")); !ok {
			return nil, notFound()
		}
	}
	at, err := report.ParseOn(c.QueryParams(), v.at)
	if err != nil {
		return nil, err
	}
	view := &agreedView{visit: v}
	ctx := c.Request().Context()
	err = s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		view.agreed, err = r.Agreed(ctx, program.ProgramID(id), program.PartnerID(partner), at)
		return err
	})
	return view, err
}

// agreedPage shows what a partner is paid by.
func (s *Server) agreedPage(c echo.Context, v *visit) error {
	view, err := s.findAgreed(c, v)
	if err != nil {
		return err
	}
	return s.page(c, v, v.text.AgreedTitle(view.agreed.Program.Name), agreedTerms(view))
}

// acceptTerms has a partner accept a version of the terms.
func (s *Server) acceptTerms(c echo.Context, v *visit) error {
	id, ok := report.ParseID(c.Param("program"))
	version, err := strconv.Atoi(c.FormValue("version"))
	if !ok || err != nil {
		return notFound()
	}
	if err := s.access.AcceptTerms(c.Request().Context(), v.scope(), author(v), program.ProgramID(id), version); err != nil {
		return err
	}
	s.flash(c, v.text.AgreedAccepted(strconv.Itoa(version)))
	return s.redirect(c, "/partner/programs/"+strconv.FormatInt(id, 10)+"/terms")
}

// author is how facts name the person who says them.
func author(v *visit) string { return "login:" + strconv.FormatInt(int64(v.login.ID), 10) }

// addFact has a merchant say what holds for one partner.
func (s *Server) addFact(c echo.Context, v *visit) error {
	view, err := s.findAgreed(c, v)
	if err != nil {
		return err
	}
	view.fact = partners.Fact{
		Program: view.agreed.Program.ID, Partner: view.agreed.Partner, Author: author(v), Note: strings.TrimSpace(c.FormValue("note")),
		Fact: program.Fact{Kind: program.FactKind(c.FormValue("kind")), Value: strings.TrimSpace(c.FormValue("value")), Ends: c.FormValue("ends") != ""},
	}
	err = s.access.AddFact(c.Request().Context(), v.scope(), view.fact)
	if problem := fault.Of(err); err != nil && len(problem.Fields) > 0 {
		view.problem = problem
		return s.framed(c, v, http.StatusUnprocessableEntity, v.text.AgreedTitle(view.agreed.Program.Name), agreedTerms(view))
	}
	if err != nil {
		return err
	}
	s.flash(c, v.text.AgreedSaid())
	return s.redirect(c, view.path())
}

// saidKinds are those that a merchant says of a partner.
func saidKinds() []program.FactKind {
	kinds := []program.FactKind{program.FactGroup, program.FactProperty, program.FactRecruiter}
	if program.OwnRules() {
		kinds = append(kinds, program.FactOwn)
	}
	return kinds
}
