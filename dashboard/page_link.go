package dashboard

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tributary/internal/fault"
	"tributary/partners"
	"tributary/partners/program"
	"tributary/report"
)

// linkView is one link with its figures.
type linkView struct {
	link           report.Link
	url            string
	period         report.Period
	clicks, orders report.Series
	missing        bool
	at             time.Time
	latest         []report.Commission
	by             report.Origin
	origins        []report.OriginCount
}

func (s *Server) linkPage(c echo.Context, v *visit) error {
	id, ok := report.ParseID(c.Param("link"))
	if !ok {
		return notFound()
	}
	period, by, err := report.ParseOrigins(c.QueryParams(), v.at)
	if err != nil {
		return err
	}
	view := linkView{period: period, at: v.at, by: by}
	ctx := c.Request().Context()
	err = s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) error {
		list, err := r.Links(ctx, report.LinkFilter{Link: id, Period: period}, 1)
		if err != nil {
			return err
		}
		if len(list.Rows) == 0 {
			return notFound()
		}
		view.link, view.url = list.Rows[0], s.trackingURL(list.Rows[0].Code)
		latest, err := r.Commissions(ctx, report.CommissionFilter{Link: id}, 10)
		view.latest = latest.Rows
		return err
	})
	if err != nil {
		return err
	}
	q := report.Question{Scope: v.scope(), Period: period, Link: id}
	view.missing = s.isMissing(v, s.countLink(ctx, q, &view))
	return s.page(c, v, v.text.LinkTitle(view.link.Title()), linkPageView(view))
}

func (s *Server) countLink(ctx context.Context, q report.Question, view *linkView) (err error) {
	if view.clicks, err = s.reports.Daily(ctx, q, report.Clicks()); err != nil {
		return err
	}
	if view.orders, err = s.reports.Daily(ctx, q, report.CreditedOrders()); err != nil {
		return err
	}
	view.origins, err = s.reports.ClicksByOrigin(ctx, q, view.by)
	return err
}

// path is the link's own page.
func (view linkView) path() string { return "/partner/links/" + strconv.FormatInt(view.link.ID, 10) }

// newLinkForm is what the form for a new link holds.
type newLinkForm struct {
	programs []report.Program
	Program  int64
	Target   string
	Code     string
	Label    string
	problem  *fault.Error
	tracker  string
	at       time.Time
	// kind is the partner's, whose rates are shown.
	kind program.Kind
}

// chosen is the program that the form is about, nil when the partner is in none.
func (f newLinkForm) chosen() *report.Program {
	for i := range f.programs {
		if int64(f.programs[i].ID) == f.Program {
			return &f.programs[i]
		}
	}
	if len(f.programs) > 0 {
		return &f.programs[0]
	}
	return nil
}

// wrong is what is wrong with a field, or nil.
func (f newLinkForm) wrong(name string) *fault.Field {
	if f.problem == nil {
		return nil
	}
	for i := range f.problem.Fields {
		if f.problem.Fields[i].Name == name {
			return &f.problem.Fields[i]
		}
	}
	return nil
}

func (s *Server) newLinkPage(c echo.Context, v *visit) error {
	program, err := report.ParseProgram(c.QueryParams())
	if err != nil {
		return err
	}
	return s.showNewLink(c, v, http.StatusOK, newLinkForm{Program: program})
}

func (s *Server) showNewLink(c echo.Context, v *visit, status int, form newLinkForm) error {
	_, form.tracker, _ = strings.Cut(s.trackingURL(""), "://")
	form.at = v.at
	ctx := c.Request().Context()
	err := s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		if form.kind, err = r.PartnerKind(ctx); err != nil {
			return err
		}
		form.programs, err = r.Programs(ctx)
		return err
	})
	if err != nil {
		return err
	}
	if form.Program == 0 && len(form.programs) > 0 {
		form.Program = int64(form.programs[0].ID)
	}
	return s.framed(c, v, status, v.text.NewLinkTitle(), newLinkPage(form))
}

// createLink makes a link of the partner, in a program that the partner is in.
func (s *Server) createLink(c echo.Context, v *visit) error {
	form := newLinkForm{Target: c.FormValue("target"), Code: c.FormValue("code"), Label: c.FormValue("label")}
	var ok bool
	if form.Program, ok = report.ParseID(c.FormValue("program")); !ok {
		return notFound()
	}
	made, err := s.access.CreateLink(c.Request().Context(), v.scope(), partners.NewLink{
		Program: program.ProgramID(form.Program), Target: form.Target, Code: form.Code, Label: form.Label,
	})
	if err != nil {
		f := fault.Of(err)
		if len(f.Fields) == 0 {
			return err
		}
		form.problem = f
		return s.showNewLink(c, v, f.Status(), form)
	}
	s.flash(c, v.text.LinkReady())
	return s.redirect(c, "/partner/links/"+strconv.FormatInt(int64(made.ID), 10))
}

// closeLink ends a link: it leads nowhere any more, but clicks of before still earn.
func (s *Server) closeLink(c echo.Context, v *visit) error {
	id, ok := report.ParseID(c.Param("link"))
	if !ok {
		return notFound()
	}
	if err := s.access.CloseLink(c.Request().Context(), v.scope(), program.LinkID(id)); err != nil {
		return err
	}
	s.flash(c, v.text.LinkWasClosed())
	return s.redirect(c, "/partner/links/"+strconv.FormatInt(id, 10))
}
