package dashboard

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tributary/internal/fault"
)

// signInForm is what the sign-in page shows.
type signInForm struct {
	Email, Next, Problem string
}

func (s *Server) signInPage(c echo.Context, v *visit) error {
	next := localPath(c.QueryParam("next"), "")
	if v.signedIn() {
		return s.redirect(c, localPath(next, homeOf(v.login.Role)))
	}
	return s.render(c, http.StatusOK, signInView(v, signInForm{Next: next}))
}

// signIn checks e-mail and password. An unknown account takes as long as a wrong password and reads the same.
func (s *Server) signIn(c echo.Context, v *visit) error {
	email := strings.ToLower(strings.TrimSpace(c.FormValue("email")))
	form := signInForm{Email: email, Next: localPath(c.FormValue("next"), "")}
	if email == "" || c.FormValue("password") == "" {
		form.Problem = "Please enter your e-mail address and your password."
		return s.render(c, http.StatusUnprocessableEntity, signInView(v, form))
	}
	l, right, wait, err := s.tryPassword(c, email, c.FormValue("password"))
	switch {
	case err != nil:
		return err
	case wait > 0:
		c.Response().Header().Set(echo.HeaderRetryAfter, strconv.Itoa(int(wait.Seconds())+1))
		form.Problem = fmt.Sprintf("That was tried too often. Please wait %s and try again; nothing is locked for good.", roughly(wait))
		return s.render(c, http.StatusTooManyRequests, signInView(v, form))
	case !right:
		s.cfg.Log.Info("sign-in refused", "address", network(c.RealIP()), "request", v.id)
		form.Problem = "E-mail and password do not match an account. Check both and try again."
		return s.render(c, http.StatusUnauthorized, signInView(v, form))
	}
	if err := s.begin(c, l); err != nil {
		return err
	}
	return s.redirect(c, localPath(form.Next, homeOf(l.Role)))
}

// tryPassword uses up a try and compares the password. wait is set, and nothing compared, when there are none left.
func (s *Server) tryPassword(c echo.Context, email, text string) (l login, right bool, wait time.Duration, err error) {
	ctx := c.Request().Context()
	l, found, err := s.findLogin(ctx, "l.email = $1", email)
	if err != nil {
		return login{}, false, 0, err
	}
	account := "account " + email
	if found && s.knowsDevice(c, l) {
		account = "device " + email
	}
	address := "address " + network(c.RealIP())
	if wait, ok := s.tries.take(s.now(), map[string]int{account: triesPerAccount, address: triesPerAddress}); !ok {
		return login{}, false, wait, nil
	}
	right, err = s.matches(ctx, l.PasswordHash, text)
	if err != nil {
		return login{}, false, 0, err
	}
	if right {
		s.tries.succeeded(account, address)
	}
	return l, right, 0, nil
}

func (s *Server) matches(ctx context.Context, hash, text string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	right, err := s.checker.Matches(ctx, hash, text)
	if ctx.Err() != nil {
		return false, &fault.Error{
			Kind: fault.Unavailable, Code: "busy", Cause: err,
			Detail: "Too many people are signing in at this moment. Please try again shortly.",
		}
	}
	return right, err
}

// begin starts a session under a new token, whatever token the browser came with.
func (s *Server) begin(c echo.Context, l login) error {
	ctx := c.Request().Context()
	if err := s.sessions.RenewToken(ctx); err != nil {
		return fmt.Errorf("starting a session: %w", err)
	}
	s.sessions.Put(ctx, sessionLogin, l.ID)
	s.sessions.Put(ctx, sessionPrint, fingerprint(l.PasswordHash))
	s.sessions.Put(ctx, sessionFresh, true)
	c.SetCookie(&http.Cookie{ //nolint:gosec // Secure follows the configuration: demos run on plain http
		Name: s.cookieName("device"), Value: deviceMark(l), Path: "/", MaxAge: 365 * 24 * 3600,
		HttpOnly: true, Secure: s.cfg.SecureCookies, SameSite: http.SameSiteStrictMode,
	})
	if err := (&sessionStore{db: s.cfg.Postgres}).sweep(ctx); err != nil {
		s.cfg.Log.Warn("sweeping sessions", "error", err)
	}
	return nil
}

// deviceMark shows that somebody signed in to the account from this browser. It is keyed by the password's hash, so it
// ends with the password, and it opens nothing: see triesPerAccount.
func deviceMark(l login) string {
	mac := hmac.New(sha256.New, []byte(l.PasswordHash))
	mac.Write([]byte("device " + strconv.FormatInt(l.ID, 10)))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func (s *Server) knowsDevice(c echo.Context, l login) bool {
	cookie, err := c.Cookie(s.cookieName("device"))
	return err == nil && hmac.Equal([]byte(cookie.Value), []byte(deviceMark(l)))
}

func (s *Server) signOut(c echo.Context, _ *visit) error {
	if err := s.sessions.Destroy(c.Request().Context()); err != nil {
		return fmt.Errorf("signing out: %w", err)
	}
	return s.redirect(c, "/signin")
}
