package dashboard

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tributary/internal/fault"
	"tributary/internal/text"
	"tributary/partners"
	"tributary/partners/access"
	"tributary/partners/program"
	"tributary/report"
)

// standingView is where a partner stands in a program, as the partner, the merchant or the operator sees it.
type standingView struct {
	visit    *visit
	standing *report.Standing
	// asked is what somebody is stating, from is how they wrote the time, and problem what is wrong with it.
	asked   partners.NewState
	from    string
	problem *fault.Error
}

// partner tells that the partner is looking.
func (view *standingView) partner() bool { return view.visit.login.Seat.Partner != 0 }

// path is the page's own.
func (view *standingView) path() string {
	id, partner := strconv.FormatInt(int64(view.standing.Program), 10), strconv.FormatInt(int64(view.standing.Partner), 10)
	switch {
	case view.partner():
		return "/partner/programs/" + id + "/state"
	case view.visit.login.Seat.Merchant != 0:
		return "/merchant/partners/" + partner + "/state/" + id
	}
	return "/network/partners/" + partner + "/state/" + id
}

// title is the page's.
func (view *standingView) title() string {
	if view.partner() {
		return view.visit.text.StandingTitleOwn(view.standing.ProgramName)
	}
	return view.visit.text.StandingTitle(view.standing.PartnerName, view.standing.ProgramName)
}

// operator tells that the network is looking.
func (view *standingView) operator() bool { return view.visit.login.Seat.Network }

// steps are the states that whoever looks may state next, by the page: what may follow the state at present, or one that is planned,
// where the form gives a later time. The operator may take anybody's steps.
func (view *standingView) steps() (states []program.State) {
	if !view.visit.may(view.permission()) {
		return nil
	}
	ahead := view.standing.Ahead(view.visit.at)
	for _, step := range program.Steps() {
		again := step.To == program.Applied && step.From != program.Left // they apply with answers, which this form has no room for
		mine := view.operator() || view.partner() == (step.By == program.ByPartner)
		if mine && !again && slices.Contains(ahead, step.From) && !slices.Contains(states, step.To) {
			states = append(states, step.To)
		}
	}
	return states
}

// permission is what stating a state asks for.
func (view *standingView) permission() access.Permission {
	if view.partner() {
		return access.Agree
	}
	return access.EditPartners
}

// wrong is what is wrong with a field, or nil.
func (view *standingView) wrong(name string) *fault.Field {
	if view.problem == nil {
		return nil
	}
	if i := slices.IndexFunc(view.problem.Fields, func(f fault.Field) bool { return f.Name == name }); i >= 0 {
		return &view.problem.Fields[i]
	}
	return nil
}

// stateWord and stateMeans say a state, by its name and by what follows from it.
func stateWord(t *text.Printer, s program.State) string  { return t.EnrolmentState(stateCode(s)) }
func stateMeans(t *text.Printer, s program.State) string { return t.EnrolmentMeans(stateCode(s)) }

// stateMood is that of the notice which says what a state means.
func stateMood(s program.State) string {
	switch {
	case s == program.Approved:
		return "good"
	case s.Removed():
		return "bad"
	}
	return "wait"
}

func stateCode(s program.State) string { return strings.ReplaceAll(string(s), ":", "_") }

// findStanding reads what an address names.
func (s *Server) findStanding(c echo.Context, v *visit) (*standingView, error) {
	id, ok := report.ParseID(c.Param("program"))
	partner := int64(v.login.Seat.Partner)
	if partner == 0 && ok {
		partner, ok = report.ParseID(c.Param("partner"))
	}
	if !ok {
		return nil, notFound()
	}
	view := &standingView{visit: v}
	ctx := c.Request().Context()
	err := s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		view.standing, err = r.Standing(ctx, program.ProgramID(id), program.PartnerID(partner), v.at)
		return err
	})
	return view, err
}

// standing shows where a partner stands in a program.
func (s *Server) standing(c echo.Context, v *visit) error {
	view, err := s.findStanding(c, v)
	if err != nil {
		return err
	}
	return s.page(c, v, view.title(), standingPage(view))
}

// setStanding has somebody state where a partner stands in a program.
func (s *Server) setStanding(c echo.Context, v *visit) error {
	view, err := s.findStanding(c, v)
	if err != nil {
		return err
	}
	view.from = c.FormValue("from")
	view.asked = partners.NewState{
		Program: view.standing.Program, Partner: view.standing.Partner, State: program.State(c.FormValue("state")),
		Author: author(v), Note: strings.TrimSpace(c.FormValue("note")),
	}
	begins, err := s.stateAsked(c, view)
	if problem := fault.Of(err); err != nil && len(problem.Fields) > 0 {
		view.problem = problem
		return s.framed(c, v, http.StatusUnprocessableEntity, view.title(), standingPage(view))
	}
	if err != nil {
		return err
	}
	s.flash(c, v.text.StandingDone(v.text.Second(begins), stateWord(v.text, view.asked.State)))
	return s.redirect(c, view.path())
}

// stateAsked states what a form asks for, and gives from when on it holds.
func (s *Server) stateAsked(c echo.Context, view *standingView) (begins time.Time, err error) {
	if view.from != "" {
		if view.asked.From, err = time.Parse(formTime, view.from); err != nil {
			return begins, &fault.Error{Kind: fault.Invalid, Code: "bad_fact", Fields: []fault.Field{fault.Wrong("from", text.WrongRfc3339(strconv.Quote(view.from)), text.FixMoment())}}
		}
	}
	if view.asked.State.Removed() && c.FormValue("sure") == "" {
		return begins, &fault.Error{Kind: fault.Invalid, Code: "bad_fact", Fields: []fault.Field{fault.Wrong("sure", text.WrongNotConfirmed(), text.FixConfirm())}}
	}
	return s.access.SetState(c.Request().Context(), view.visit.scope(), view.asked) //nolint:wrapcheck // it says what is wrong
}
