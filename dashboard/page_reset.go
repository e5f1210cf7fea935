package dashboard

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"tributary/dashboard/password"
	"tributary/partners/access"
	"tributary/partners/program"
	"tributary/report"
)

// offerReset makes a link for a person's other password, and shows it on the answer itself: it is kept nowhere.
func (s *Server) offerReset(c echo.Context, v *visit) error {
	id, ok := report.ParseID(c.Param("seat"))
	if !ok {
		return notFound()
	}
	link, err := s.access.OfferReset(c.Request().Context(), v.scope(), program.SeatID(id))
	if err != nil {
		return err
	}
	return s.showPeople(c, v, http.StatusCreated, &peopleView{link: s.cfg.URL + "/reset/" + string(link), use: v.text.ResetLinkUse()})
}

// resetPage asks for another password. It spends nothing.
func (s *Server) resetPage(c echo.Context, v *visit) error {
	view, err := s.findTicket(c, v, "reset")
	if err != nil {
		return err
	}
	return s.render(c, http.StatusOK, resetView(v, view))
}

// reset spends the link on another password, with which the person then signs in.
func (s *Server) reset(c echo.Context, v *visit) error {
	view, err := s.findTicket(c, v, "reset")
	if err != nil {
		return err
	}
	if view.ticket.State != "open" {
		return s.render(c, http.StatusConflict, resetView(v, view))
	}
	if view.Problem = passwordProblem(v.text, c.FormValue("password"), view.ticket.Email); view.Problem != "" {
		return s.render(c, http.StatusUnprocessableEntity, resetView(v, view))
	}
	hash, err := password.Hash(c.FormValue("password"))
	if err != nil {
		return err
	}
	if err := s.access.ResetPassword(c.Request().Context(), actor(c, access.Person{}), access.Link(c.Param("link")), hash); err != nil {
		return err
	}
	return s.render(c, http.StatusOK, signInView(v, signInForm{Email: view.ticket.Email, Said: v.text.ResetDone()}))
}
