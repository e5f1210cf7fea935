package dashboard

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v4"

	"tributary/dashboard/password"
)

// accountView is a person's own page.
type accountView struct {
	login    login
	sessions []sessionRow
	problem  string
}

// sessionRow is a place where the person is signed in.
type sessionRow struct {
	Here      bool
	CreatedAt time.Time
	SeenAt    time.Time
}

func (s *Server) accountPage(c echo.Context, v *visit) error {
	return s.showAccount(c, v, http.StatusOK, "")
}

func (s *Server) showAccount(c echo.Context, v *visit, status int, problem string) error {
	view := accountView{login: v.login, problem: problem}
	ctx := c.Request().Context()
	here := sha256.Sum256([]byte(s.sessions.Token(ctx)))
	// name: sessions of a person
	rows, err := s.cfg.Postgres.Query(ctx, `SELECT token_hash = $2 AS here, created_at, seen_at FROM session
		WHERE login_id = $1 AND expires_at > now() ORDER BY seen_at DESC LIMIT 50`, v.login.ID, here[:])
	if err != nil {
		return fmt.Errorf("listing sessions: %w", err)
	}
	if view.sessions, err = pgx.CollectRows(rows, pgx.RowToStructByName[sessionRow]); err != nil {
		return fmt.Errorf("listing sessions: %w", err)
	}
	return s.render(c, status, frame(v, "Account", accountPageView(view)))
}

// changePassword asks for the old password again, and ends every session but a new one.
func (s *Server) changePassword(c echo.Context, v *visit) error {
	_, outcome, wait, err := s.tryPassword(c, v.login.Email, c.FormValue("old"), true)
	if err != nil {
		return err
	}
	next := c.FormValue("new")
	switch {
	case outcome == passwordBusy:
		return s.showAccount(c, v, http.StatusServiceUnavailable, "Too many people are signing in at this moment. Please try again shortly.")
	case outcome == passwordLimited:
		return s.showAccount(c, v, http.StatusTooManyRequests, "That was tried too often. Please wait "+roughly(wait)+" and try again.")
	case outcome == passwordWrong:
		return s.showAccount(c, v, http.StatusUnprocessableEntity, "The present password is another one.")
	case password.Weakness(next, v.login.Email) != "":
		return s.showAccount(c, v, http.StatusUnprocessableEntity, password.Weakness(next, v.login.Email))
	case next == c.FormValue("old"):
		return s.showAccount(c, v, http.StatusUnprocessableEntity, "Please choose a password that is not the present one.")
	}
	l := v.login
	if l.PasswordHash, err = password.Hash(next); err != nil {
		return err
	}
	ctx := c.Request().Context()
	if err := s.setPassword(ctx, l); err != nil {
		return err
	}
	if err := s.begin(c, l); err != nil {
		return err
	}
	s.flash(c, "The password is changed, and every other session is ended.")
	return s.redirect(c, "/account")
}

func (s *Server) setPassword(ctx context.Context, l login) error {
	if _, err := s.cfg.Postgres.Exec(ctx, `UPDATE login SET password_hash = $2 WHERE id = $1`, l.ID, l.PasswordHash); err != nil {
		return fmt.Errorf("changing a password: %w", err)
	}
	return (&sessionStore{db: s.cfg.Postgres}).endAll(ctx, l.ID)
}

func (s *Server) signOutEverywhere(c echo.Context, v *visit) error {
	ctx := c.Request().Context()
	if err := (&sessionStore{db: s.cfg.Postgres}).endAll(ctx, v.login.ID); err != nil {
		return err
	}
	if err := s.sessions.Destroy(ctx); err != nil {
		return fmt.Errorf("signing out: %w", err)
	}
	return s.redirect(c, "/signin")
}
