package dashboard

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/labstack/echo/v4"

	"tributary/internal/fault"
)

// contentPolicy lets pages load only what this server gives them, and be framed by nobody.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
	"frame-ancestors 'none'; base-uri 'none'; form-action 'self'"

// withHeaders sets what a browser is to refuse on our behalf. Nothing but the assets may be stored by anyone.
func (s *Server) withHeaders(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin") // not "no-referrer": forms would then post with Origin: null
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if s.cfg.SecureCookies {
			h.Set("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
		}
		return next(c)
	}
}

// requestID is the context key of the id under which a request is logged and shown on error pages.
const requestID = "request_id"

func requestOf(c echo.Context) string {
	id, _ := c.Get(requestID).(string)
	return id
}

func (s *Server) withRequestID(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		id := rand.Text()[:16]
		c.Set(requestID, id)
		c.Response().Header().Set(echo.HeaderXRequestID, id)
		return next(c)
	}
}

// withRecovery turns a panic into an error, with its stack in the log.
func (s *Server) withRecovery(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			if r := recover(); r != nil {
				if abort, ok := r.(error); ok && errors.Is(abort, http.ErrAbortHandler) {
					panic(r)
				}
				err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
			}
		}()
		return next(c)
	}
}

// sameOriginOnly refuses what another site makes a browser send: anything but GET, HEAD and OPTIONS. A site over https has no
// forms of its own over http: who can change what http carries could have written them.
func (s *Server) sameOriginOnly(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		err := s.origins.Check(r)
		if err == nil && s.cfg.SecureCookies && r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodOptions &&
			!strings.HasPrefix(cmp.Or(r.Header.Get("Origin"), "https:"), "https:") {
			err = errors.New("a form over http for a site over https")
		}
		if err != nil {
			return fault.Coded(fault.Forbidden, "cross_origin", err)
		}
		return next(c)
	}
}

// guard lets a request through to a route's page when the person may open it.
func (s *Server) guard(r route) echo.HandlerFunc {
	return func(c echo.Context) error {
		v := s.visit(c)
		c.Set(visitKey, v)
		if err := onceEach(c.Request()); err != nil {
			return err
		}
		from := takeFrom(c.Request())
		switch {
		case r.who == everyone:
		case !v.signedIn():
			return s.askToSignIn(c)
		case !sentFromHere(c.Request().Method, from, r.who, v):
			return fault.Coded(fault.Conflict, "other_seat", nil)
		case r.who != anybodySignedIn && r.who != v.who():
			return fault.Coded(fault.Forbidden, "not_for_you", nil)
		}
		if !v.login.Seat.May(r.may) {
			return fault.Coded(fault.Forbidden, "not_permitted", nil)
		}
		return s.within(c, v, r)
	}
}
