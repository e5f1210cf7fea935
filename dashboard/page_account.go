package dashboard

import (
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"

	"tributary/dashboard/password"
	"tributary/partners/access"
)

// accountView is a person's own page.
type accountView struct {
	login    access.Person
	sessions []access.Session
	problem  string
	people   string // the path of their colleagues
	audit    string // the path of the log
}

func (s *Server) accountPage(c echo.Context, v *visit) error {
	return s.showAccount(c, v, http.StatusOK, "")
}

func (s *Server) showAccount(c echo.Context, v *visit, status int, problem string) error {
	view := accountView{login: v.login, problem: problem, people: peoplePath(v), audit: auditPath(v)}
	ctx := c.Request().Context()
	var err error
	if view.sessions, err = s.access.Sessions(ctx, s.tokenHash(ctx)); err != nil {
		return err
	}
	return s.framed(c, v, status, v.text.AccountTitle(), accountPageView(view))
}

// changePassword asks for the old password again, and ends every session but a new one.
func (s *Server) changePassword(c echo.Context, v *visit) error {
	p, outcome, wait, err := s.tryPassword(c, v.login.Email, c.FormValue("old"), true)
	if err != nil {
		return err
	}
	next := c.FormValue("new")
	switch {
	case outcome == passwordBusy:
		return s.showAccount(c, v, http.StatusServiceUnavailable, v.text.SigninBusy())
	case outcome == passwordLimited:
		return s.showAccount(c, v, http.StatusTooManyRequests, v.text.SigninLimited(v.text.Wait(wait)))
	case outcome == passwordWrong:
		return s.showAccount(c, v, http.StatusUnprocessableEntity, v.text.AccountWrong())
	case passwordProblem(v.text, next, v.login.Email) != "":
		return s.showAccount(c, v, http.StatusUnprocessableEntity, passwordProblem(v.text, next, v.login.Email))
	case next == c.FormValue("old"):
		return s.showAccount(c, v, http.StatusUnprocessableEntity, v.text.AccountSame())
	}
	p.login = v.login // in the seat that they are in, not that of the last time
	if p.hash, err = s.setPassword(c, p, next); err != nil {
		return err
	}
	if err := s.begin(c, p); err != nil {
		return err
	}
	s.flash(c, v.text.AccountChanged())
	return s.redirect(c, "/account")
}

// setPassword gives the person another password, which ends their sessions, and tells its hash.
func (s *Server) setPassword(c echo.Context, p proof, next string) (string, error) {
	hash, err := password.Hash(next)
	if err != nil {
		return "", err
	}
	return hash, s.access.ChangePassword(c.Request().Context(), actor(c, p.login), p.login.Email, p.hash, hash)
}

func (s *Server) signOutEverywhere(c echo.Context, _ *visit) error {
	ctx := c.Request().Context()
	if err := s.access.EndSessions(ctx, s.tokenHash(ctx)); err != nil {
		return err
	}
	if err := s.sessions.Destroy(ctx); err != nil {
		return fmt.Errorf("signing out: %w", err)
	}
	return s.redirect(c, "/signin")
}
