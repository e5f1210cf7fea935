package dashboard

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"tributary/commission"
	"tributary/commission/engine"
	"tributary/dashboard/export"
	"tributary/internal/fault"
	"tributary/internal/text"
	"tributary/partners/program"
	"tributary/report"
)

// claimsView is what a list shows: a partner's own claims, or those of a merchant's orders.
type claimsView struct {
	merchant bool
	filter   report.ClaimFilter
	list     report.Page[report.Claim]
	programs []report.Choice
	partner  string // the list's, where it is of one
	at       time.Time
}

func (view *claimsView) path() string { return claimsPath(view.merchant) }

func claimsPath(merchant bool) string {
	if merchant {
		return "/merchant/claims"
	}
	return "/partner/claims"
}

func claimURL(no int64) string { return "/merchant/claims/" + strconv.FormatInt(no, 10) }

func (s *Server) claims(c echo.Context, v *visit) error {
	view, err := s.loadClaims(c, v)
	if err != nil {
		return err
	}
	keepAddress(c, view.path(), view.filter.Query())
	v.path = "/partner/commissions"
	if view.merchant {
		v.path = "/merchant/review"
	}
	return s.page(c, v, v.text.ClaimsTitle(), claimsPage(view))
}

func (s *Server) loadClaims(c echo.Context, v *visit) (view claimsView, err error) {
	view.merchant, view.at = v.login.Seat.Merchant != 0, v.at
	if view.filter, err = report.ParseClaims(c.QueryParams(), v.at); err != nil {
		return view, err
	}
	ctx := c.Request().Context()
	err = s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		if view.list, err = r.Claims(ctx, view.filter, report.PageSize); err != nil {
			return err
		}
		if view.merchant {
			if view.partner, err = r.PartnerName(ctx, view.filter.Partner); err != nil {
				return err
			}
			view.programs, err = r.OwnPrograms(ctx)
			return err
		}
		view.programs, err = r.EnrolledPrograms(ctx)
		return err
	})
	return view, err
}

func (s *Server) claimsCSV(c echo.Context, v *visit) error {
	f, err := report.ParseClaims(c.QueryParams(), v.at)
	if err != nil {
		return err
	}
	return listFile[report.Claim]{
		name:    "claims",
		heading: []string{"claim", "order", "program", "partner", "partner_id", "click_id", "claimed_at", "note", "outcome", "answered_at", "answer"},
		page: func(ctx context.Context, r *report.Snapshot, after string) (report.Page[report.Claim], error) {
			f.After = after
			return r.Claims(ctx, f, rowsAtOnce)
		},
		row: func(w *export.Writer, r *report.Claim) error {
			return w.Row(export.Number(strconv.FormatInt(r.No, 10)), export.Text(r.OrderID), export.Text(r.Program), export.Text(r.Partner),
				export.Number(strconv.FormatInt(r.PartnerID, 10)), export.Text(r.ClickID), export.Number(text.Machine(r.At)), export.Text(r.Note),
				export.Text(r.Outcome), timeCell(r.OutcomeAt), export.Text(r.OutcomeNote))
		},
	}.send(s, c, v)
}

// A claimForm is what a partner says of an order, or a merchant answers.
type claimForm struct {
	mistakes

	programs           []report.Choice
	Program            int64
	Order, Click, Note string
}

func (s *Server) newClaimPage(c echo.Context, v *visit) error {
	form, err := report.ParseNewClaim(c.QueryParams(), v.at)
	if err != nil {
		return err
	}
	return s.showNewClaim(c, v, http.StatusOK, claimForm{Program: form.Program, Order: form.Order})
}

func (s *Server) showNewClaim(c echo.Context, v *visit, status int, form claimForm) error {
	v.path = "/partner/commissions" // also where it answers a form
	ctx := c.Request().Context()
	err := s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		form.programs, err = r.EnrolledPrograms(ctx)
		return err
	})
	if err != nil {
		return err
	}
	return s.framed(c, v, status, v.text.ClaimsNew(), newClaimPage(form))
}

// claimOrder has a partner claim an order.
func (s *Server) claimOrder(c echo.Context, v *visit) error {
	form := claimForm{Order: c.FormValue("order"), Click: c.FormValue("click"), Note: c.FormValue("note")}
	var ok bool
	if form.Program, ok = report.ParseID(c.FormValue("program")); !ok {
		return notFound()
	}
	said := engine.NewClaim{Program: program.ProgramID(form.Program), Order: form.Order, Click: form.Click, Note: form.Note}
	_, err := s.desk.Claim(c.Request().Context(), v.scope(), said, v.login.Email)
	if f := fault.Of(err); err != nil && len(f.Fields) > 0 {
		form.problems = f.Fields
		return s.showNewClaim(c, v, f.Status(), form)
	}
	if err != nil {
		return err
	}
	s.flash(c, v.text.ClaimsMade())
	return s.redirect(c, claimsPath(false))
}

// claimView is one claim, as the merchant sees it.
type claimView struct {
	claim report.Claim
	form  claimForm
	at    time.Time
}

func (s *Server) claim(c echo.Context, v *visit) error {
	return s.showClaim(c, v, http.StatusOK, claimForm{})
}

func (s *Server) showClaim(c echo.Context, v *visit, status int, form claimForm) error {
	no, ok := report.ParseID(c.Param("claim"))
	if !ok {
		return notFound()
	}
	view := claimView{form: form, at: v.at}
	v.path = "/merchant/review" // also where it answers a form
	ctx := c.Request().Context()
	err := s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		view.claim, err = r.Claim(ctx, no)
		return err
	})
	if err != nil {
		return err
	}
	return s.framed(c, v, status, v.text.ClaimsOne(view.claim.OrderID), claimPage(view))
}

// settleClaim has a merchant grant or decline a claim.
func (s *Server) settleClaim(c echo.Context, v *visit) error {
	no, ok := report.ParseID(c.Param("claim"))
	if !ok {
		return notFound()
	}
	form := claimForm{Note: c.FormValue("note")}
	outcome := commission.ClaimOutcome(c.FormValue("outcome"))
	_, err := s.desk.Answer(c.Request().Context(), v.scope(), no, outcome, v.login.Email, form.Note)
	if f := fault.Of(err); err != nil && len(f.Fields) > 0 {
		form.problems = f.Fields
		return s.showClaim(c, v, f.Status(), form)
	}
	if err != nil {
		return err
	}
	if outcome == commission.ClaimIsGranted {
		s.flash(c, v.text.ClaimsGrantedSoon())
	} else {
		s.flash(c, v.text.ClaimsDeclinedSoon())
	}
	return s.redirect(c, claimURL(no))
}

// undoClaim has a merchant take an answer back that has not taken effect.
func (s *Server) undoClaim(c echo.Context, v *visit) error {
	no, ok := report.ParseID(c.Param("claim"))
	if !ok {
		return notFound()
	}
	ctx := c.Request().Context()
	var claim report.Claim
	err := s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		claim, err = r.Claim(ctx, no)
		return err
	})
	if err != nil {
		return err
	}
	if claim.OutcomeNo == nil {
		return fault.Coded(fault.Conflict, "claim_open", nil)
	}
	err = s.desk.TakeBack(ctx, v.scope(), *claim.OutcomeNo, v.login.Email)
	if _, late := errors.AsType[*engine.TooLateError](err); late {
		return fault.Coded(fault.Conflict, "answer_taken", nil)
	}
	if err != nil {
		return err
	}
	s.flash(c, v.text.ClaimsTakenBack())
	return s.redirect(c, claimURL(no))
}
