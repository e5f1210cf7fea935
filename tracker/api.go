package tracker

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"tributary/internal/fault"
	"tributary/internal/text"
	"tributary/partners"
)

// maxBody is the largest body of a request, in bytes. What it says fits into an event whatever it is.
const maxBody = 64 << 10

// memory is what one report is read into and answered from.
type memory struct {
	body   []byte
	answer []byte
}

func (s *Server) memory() *memory {
	return s.bodies.Get().(*memory) //nolint:forcetypeassert // the pool holds nothing else
}

// read takes the body of a request that says to be of one of some types and in UTF-8, up to a size in bytes.
func (m *memory) read(c echo.Context, most int64, types ...string) error {
	r := c.Request()
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || !slices.Contains(types, media) || len(r.Header["Content-Type"]) > 1 {
		return fault.Detailed(fault.Unsupported, "unsupported_type", text.DetailUnsupportedType(), nil)
	}
	if charset, said := params["charset"]; said && !strings.EqualFold(charset, "utf-8") {
		return fault.Detailed(fault.Unsupported, "unsupported_charset", text.DetailUnsupportedCharset(cut(charset, 40)), nil)
	}
	if encodings := r.Header["Content-Encoding"]; len(encodings) > 1 || len(encodings) == 1 && encodings[0] != "" && !strings.EqualFold(encodings[0], "identity") {
		return fault.Detailed(fault.Unsupported, "unsupported_encoding", text.DetailUnsupportedEncoding(), nil)
	}
	limited := http.MaxBytesReader(c.Response(), r.Body, most)
	if m.body, err = readAll(m.body[:0], limited); err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return fault.Detailed(fault.TooLarge, "body_too_large", text.DetailBodyTooLarge(strconv.FormatInt(most, 10)), nil)
		}
		return fault.Detailed(fault.Malformed, "unreadable_body", text.DetailUnreadableBody(), err)
	}
	return nil
}

// readAll appends what r has to b.
func readAll(b []byte, r io.Reader) ([]byte, error) {
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err != nil {
			return b, err
		}
	}
}

// known remembers whose request it is, unless that is known already.
func (a *attempt) known(key partners.Key) {
	a.merchant, a.key = max(a.merchant, key.Merchant), max(a.key, key.ID)
}

// caller is who sends a report. Until the body of a signed one is there, it is only who they say they are.
type caller struct {
	partners.Key

	signed *signature
}

// receive reads a report into m: whose it is, and a body that is JSON. The key must have the scope. A merchant who sends too
// many is refused for now.
func (s *Server) receive(c echo.Context, a *attempt, m *memory, scope partners.Scope) (caller, error) {
	r := c.Request()
	who, err := s.authenticate(r, a)
	if who.signed == nil {
		a.known(who.Key)
	}
	if r.URL.RawQuery != "" {
		return caller{}, fault.Detailed(fault.Malformed, "unexpected_query", text.DetailUnexpectedQuery(), nil)
	}
	if err == nil && who.signed == nil {
		err = s.admit(who.Key, scope)
	}
	if err == nil {
		err = m.read(c, maxBody, echo.MIMEApplicationJSON)
	}
	if err == nil && who.signed != nil {
		if err = unsigned(); who.signed.fits(m.body) { // only who has proven it counts against the merchant's rate, and in the log
			a.known(who.Key)
			err = s.admit(who.Key, scope)
		}
	}
	if err == nil {
		m.body, err = checkJSON(m.body)
	}
	return who, err
}

// admit holds a key to its scopes and its merchant to the rate.
func (s *Server) admit(key partners.Key, scope partners.Scope) error {
	if key.Scopes&scope == 0 {
		return fault.Detailed(fault.Forbidden, "missing_scope", text.DetailMissingScope(key.Scopes.String(), scope.String()), nil)
	}
	now := time.Now()
	s.uses.note(key.ID, now)
	if _, ok := s.rates.admit(key.Merchant, now); !ok {
		return fault.Detailed(fault.TooMany, "too_many_reports", text.DetailTooManyReports(strconv.Itoa(s.cfg.MerchantRate)), nil)
	}
	return nil
}

// authenticate finds the merchant whose API key a request carries, or who says to have signed it.
func (s *Server) authenticate(r *http.Request, a *attempt) (caller, error) {
	values := r.Header["Authorization"]
	if signed(r.Header) {
		if values != nil {
			return caller{}, unauthorized(text.DetailKeyAndSignature())
		}
		return s.readSignature(r.Header)
	}
	if len(values) != 1 {
		return caller{}, unauthorized(text.DetailNoKey())
	}
	scheme, key, _ := strings.Cut(values[0], " ")
	sum, formed := partners.KeyHash(strings.TrimSpace(key))
	if !strings.EqualFold(scheme, "Bearer") || !formed {
		return caller{}, unauthorized(text.DetailMalformedKey())
	}
	// The look-up is by hash, so how long it takes tells nothing about any key.
	known, found := s.cfg.Catalogue.Key(sum)
	if !found {
		if revoked, was := s.cfg.Catalogue.RevokedKey(sum); was {
			a.merchant, a.key, a.code = revoked.Merchant, revoked.ID, CodeRevokedKey
		}
		return caller{}, unauthorized(text.DetailUnknownKey())
	}
	return caller{Key: known}, nil
}

func unauthorized(detail text.Message) error {
	return fault.Detailed(fault.Unauthorized, "unauthorized", detail, nil)
}

// requestKey holds the id of a request in its context.
const requestKey = "request"

// named gives a request of a program an id, by which the log knows it, counts and times its answer, and remembers a refusal.
func (s *Server) named(next func(c echo.Context, a *attempt) error) echo.HandlerFunc {
	return func(c echo.Context) error {
		began := time.Now()
		id := rand.Text()
		c.Set(requestKey, id)
		c.Response().Header().Set("X-Request-ID", id)
		a := &attempt{}
		err := s.guard(func(c echo.Context) error { return next(c, a) })(c)
		s.metrics.report(c.Path(), err, time.Since(began))
		if err != nil {
			s.refusals.note(c.Path(), a, fault.Of(err), s.cfg.Now())
		}
		return err
	}
}

// guard turns a panic into an error, so that one request cannot end the process.
func (s *Server) guard(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			if broken := recover(); broken != nil {
				if broken == http.ErrAbortHandler { //nolint:errorlint,err113 // net/http compares it so
					panic(broken)
				}
				err = fmt.Errorf("panic: %v\n%s", broken, debug.Stack())
			}
		}()
		return next(c)
	}
}

// fail is the one place where an error becomes an answer: problem+json for programs, a page for people. What is wrong on
// our side goes to the log, with neither query nor headers, and is only hinted at in the answer.
func (s *Server) fail(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	if errors.Is(err, echo.ErrNotFound) {
		if err = s.guard(s.lost)(c); err == nil {
			return
		}
	}
	f, status := describe(err)
	id, _ := c.Get(requestKey).(string)
	switch {
	case status == http.StatusServiceUnavailable: // the counters tell of these; under pressure there are thousands
		s.cfg.Log.Debug("a request was refused for now", "route", c.Path(), "request", id, "error", err)
	case status >= http.StatusInternalServerError:
		s.cfg.Log.Error("a request failed", "route", c.Path(), "status", status, "request", id, "error", err)
	}
	h := c.Response().Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	switch status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="tributary"`)
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		h.Set("Retry-After", "1")
	}
	if !strings.HasPrefix(c.Request().URL.Path, "/v1/") {
		err = s.pages.write(c, status)
	} else {
		problem := f.Problem(id)
		problem.Status, problem.Title = status, http.StatusText(status)
		h.Set("Content-Type", fault.ProblemType)
		err = c.JSON(status, problem)
	}
	if err != nil { // the peer has gone
		s.cfg.Log.Debug("an answer could not be written", "route", c.Path(), "error", err)
	}
}

// describe gives the fault in an error and the status of its answer. echo's own errors are about routes.
func describe(err error) (f *fault.Error, status int) {
	routing, ok := errors.AsType[*echo.HTTPError](err)
	if !ok {
		f = fault.Of(err)
		return f, f.Status()
	}
	switch routing.Code {
	case http.StatusNotFound:
		f = fault.Detailed(fault.NotFound, "unknown_route", text.DetailUnknownRoute(), nil)
	case http.StatusMethodNotAllowed:
		f = fault.Detailed(fault.Malformed, "wrong_method", text.DetailWrongMethod(), nil)
	default:
		f = fault.Detailed(fault.Internal, "http_"+strconv.Itoa(routing.Code), text.DetailStatus(http.StatusText(routing.Code)), err)
	}
	return f, routing.Code
}
