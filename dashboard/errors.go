package dashboard

import (
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"tributary/internal/fault"
)

// fail is where every error of a request ends: as a page, or as problem+json for a program, and in the log when it is
// ours to fix.
func (s *Server) fail(err error, c echo.Context) {
	if c.Response().Committed {
		s.cfg.Log.Error("request broke off", "path", c.Path(), "request", c.Get(requestID), "error", err)
		panic(http.ErrAbortHandler) // or what was sent would look whole
	}
	f := faultOf(err)
	v, ok := c.Get(visitKey).(*visit)
	if !ok {
		v = s.anonymous(c)
	}
	if f.Status() >= http.StatusInternalServerError {
		s.cfg.Log.Error("request failed", "method", c.Request().Method, "path", c.Path(), "request", v.id, "error", err)
	}
	if f.Kind == fault.Unavailable {
		c.Response().Header().Set(echo.HeaderRetryAfter, "10")
	}
	if err := s.render(c, f.Status(), errorPage(v, f)); err != nil {
		s.cfg.Log.Error("showing an error", "request", v.id, "error", err)
	}
}

// failPlainly answers where there is no page to be had: outside of echo.
func (s *Server) failPlainly(w http.ResponseWriter, r *http.Request, err error) {
	f := faultOf(err)
	s.cfg.Log.Error("request failed", "method", r.Method, "path", r.URL.Path, "request", w.Header().Get(echo.HeaderXRequestID), "error", err)
	http.Error(w, s.text.Problem(f.Code), f.Status())
}

// faultOf reads what echo itself refuses as the fault it is.
func faultOf(err error) *fault.Error {
	if own, ok := errors.AsType[*fault.Error](err); ok {
		return own
	}
	he, ok := errors.AsType[*echo.HTTPError](err)
	if !ok {
		return fault.Of(err)
	}
	switch he.Code {
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return fault.Coded(fault.NotFound, "no_page", nil)
	case http.StatusRequestEntityTooLarge:
		return fault.Coded(fault.TooLarge, "too_large", nil)
	case http.StatusBadRequest, http.StatusUnsupportedMediaType:
		return fault.Coded(fault.Malformed, "unreadable", nil)
	}
	return fault.Of(err)
}

// notFound is the answer for what does not exist and for what belongs to somebody else alike.
func notFound() error {
	return fault.Coded(fault.NotFound, "not_found", nil)
}
