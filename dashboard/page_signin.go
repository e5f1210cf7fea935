package dashboard

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"tributary/dashboard/password"
	"tributary/partners/access"
)

// signInForm is what the sign-in page shows.
type signInForm struct {
	Email, Next, Problem string
	// Said is what has just been done.
	Said string
}

func (s *Server) signInPage(c echo.Context, v *visit) error {
	next := localPath(c.QueryParam("next"), "")
	if v.signedIn() {
		return s.redirect(c, localPath(next, homeOf(v.who())))
	}
	return s.render(c, http.StatusOK, signInView(v, signInForm{Next: next}))
}

// signIn checks e-mail and password. An unknown account takes as long as a wrong password and reads the same.
func (s *Server) signIn(c echo.Context, v *visit) error {
	email := strings.ToLower(strings.TrimSpace(c.FormValue("email")))
	form := signInForm{Email: email, Next: localPath(c.FormValue("next"), "")}
	if len(email) > maxEmail {
		form.Email, form.Problem = "", v.text.SigninLong(maxEmail)
		return s.render(c, http.StatusUnprocessableEntity, signInView(v, form))
	}
	if email == "" || c.FormValue("password") == "" {
		form.Problem = v.text.SigninMissing()
		return s.render(c, http.StatusUnprocessableEntity, signInView(v, form))
	}
	p, outcome, wait, err := s.tryPassword(c, email, c.FormValue("password"), false)
	if err != nil {
		return err
	}
	status := http.StatusUnauthorized
	switch outcome {
	case passwordRight:
		if err := s.begin(c, p); err != nil {
			return err
		}
		v.login = p.login
		return s.redirect(c, localPath(form.Next, homeOf(v.who())))
	case passwordLimited:
		status = http.StatusTooManyRequests
		form.Problem = v.text.SigninLimited(v.text.Wait(wait))
	case passwordBusy:
		status = http.StatusServiceUnavailable
		form.Problem = v.text.SigninBusy()
	case passwordWrong:
		s.cfg.Log.Info("sign-in refused", "address", network(c.RealIP()), "request", v.id)
		if err := s.access.NoteFailure(c.Request().Context(), actor(c, access.Person{}), email); err != nil {
			s.cfg.Log.Warn("noting a refused sign-in", "request", v.id, "error", err)
		}
		form.Problem = v.text.SigninWrong()
	}
	if wait > 0 {
		c.Response().Header().Set(echo.HeaderRetryAfter, strconv.Itoa(int(wait.Seconds())+1))
	}
	return s.render(c, status, signInView(v, form))
}

// maxEmail bounds an e-mail address in bytes (RFC 5321, and the column's bound).
const maxEmail = 254

// An outcome is what became of a password that was entered.
type outcome string

// The outcomes. Where it was limited or busy the password was not compared.
const (
	passwordRight   outcome = "right"
	passwordWrong   outcome = "wrong"
	passwordLimited outcome = "limited"
	passwordBusy    outcome = "busy"
)

// newEntered counts outcomes, and registers that where there is a registry.
func newEntered(metrics prometheus.Registerer) *prometheus.CounterVec {
	entered := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tributary_dashboard_passwords_total",
		Help: "Passwords entered, by outcome: right, wrong, limited (tried too often) or busy (the queue was too long).",
	}, []string{"outcome"})
	for _, o := range []outcome{passwordRight, passwordWrong, passwordLimited, passwordBusy} {
		entered.WithLabelValues(string(o))
	}
	if metrics != nil {
		metrics.MustRegister(entered)
	}
	return entered
}

// A proof is a person with the hash that was derived from the password they entered: without it no function of the
// database starts a session or changes a password.
type proof struct {
	login access.Person
	hash  string
}

// tryPassword uses up a try and compares the password. wait is set with limited and busy. signedIn says that a session
// proves the device to be known; a cookie may, too.
func (s *Server) tryPassword(c echo.Context, email, text string, signedIn bool) (p proof, o outcome, wait time.Duration, err error) {
	defer func() {
		if err == nil {
			s.entered.WithLabelValues(string(o)).Inc()
		}
	}()
	ctx := c.Request().Context()
	challenge, known, err := s.access.Challenge(ctx, email, s.device(c))
	if err != nil {
		return proof{}, "", 0, err
	}
	known, checker := known || signedIn, s.checker
	if known {
		checker = s.owners
	}
	from := budgets(email, c.RealIP(), known)
	if wait, ok := s.tries.take(s.now(), from); !ok {
		return proof{}, passwordLimited, wait, nil
	}
	p.hash, err = checker.Derive(ctx, challenge, text)
	if err == nil {
		p.login, err = s.access.SignIn(ctx, email, p.hash)
	}
	switch {
	case errors.Is(err, password.ErrBusy):
		s.tries.giveBack(from)
		return proof{}, passwordBusy, patience, nil
	case err != nil:
		s.tries.giveBack(from)
		return proof{}, "", 0, err
	case p.login.ID == 0:
		return proof{}, passwordWrong, 0, nil
	}
	s.tries.succeeded(from)
	return p, passwordRight, 0, nil
}

// begin starts a session under a new token, whatever token the browser came with.
func (s *Server) begin(c echo.Context, p proof) error {
	ctx := c.Request().Context()
	if err := s.sessions.RenewToken(ctx); err != nil {
		return fmt.Errorf("starting a session: %w", err)
	}
	mark, err := s.access.OpenSession(ctx, actor(c, p.login), p.login.Email, p.hash, s.tokenHash(ctx), time.Now().Add(s.sessions.IdleTimeout))
	if err != nil {
		return err
	}
	if mark == nil {
		return s.sessions.Destroy(ctx) // the password was changed, or the seat ended, in this moment
	}
	s.sessions.Put(ctx, sessionLogin, p.login)
	c.SetCookie(&http.Cookie{ //nolint:gosec // Secure follows the configuration: demos run on plain http
		Name: s.cookieName("device"), Value: base64.RawURLEncoding.EncodeToString(mark), Path: "/", MaxAge: 365 * 24 * 3600,
		HttpOnly: true, Secure: s.cfg.SecureCookies, SameSite: http.SameSiteStrictMode,
	})
	if err := s.access.SweepSessions(ctx); err != nil {
		s.cfg.Log.Warn("sweeping sessions", "error", err)
	}
	if s.cfg.AuditDays > 0 {
		if err := s.access.SweepAudit(ctx, s.cfg.AuditDays); err != nil {
			s.cfg.Log.Warn("sweeping the audit log", "error", err)
		}
	}
	return nil
}

// device is the mark that shows that somebody signed in to the account from this browser. The database makes it of the
// password's hash, so it ends with the password, and it opens nothing: see triesPerDevice.
func (s *Server) device(c echo.Context) []byte {
	cookie, err := c.Cookie(s.cookieName("device"))
	if err != nil {
		return nil
	}
	mark, _ := tokenHash(cookie.Value)
	return mark
}

func (s *Server) signOut(c echo.Context, _ *visit) error {
	if err := s.sessions.Destroy(c.Request().Context()); err != nil {
		return fmt.Errorf("signing out: %w", err)
	}
	return s.redirect(c, "/signin")
}
