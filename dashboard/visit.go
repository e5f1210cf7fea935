package dashboard

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"

	"tributary/dashboard/asset"
	"tributary/internal/text"
	"tributary/partners/access"
	"tributary/report"
)

// A visit is one request: who makes it, and what every page needs to know.
type visit struct {
	login access.Person
	by    access.Actor
	theme string // "light", "dark", or empty for the system's
	flash string
	path  string
	at    time.Time
	id    string // the request's
	asset *asset.Set
	text  *text.Printer
	// waiting counts what awaits a decision of the person, up to report.WaitingUpTo.
	waiting int64
}

const visitKey = "visit"

func (v *visit) signedIn() bool { return v.login.ID != 0 }

// may tells whether the person's role holds a permission.
func (v *visit) may(p access.Permission) bool { return v.login.Seat.May(p) }

// visitContext is the context key under which a page that is rendered finds whose visit it is.
type visitContext struct{}

// may tells a page that is rendered whether its reader's role holds a permission: it offers no form that would be refused.
func may(ctx context.Context, p access.Permission) bool {
	v, _ := ctx.Value(visitContext{}).(*visit)
	return v != nil && v.may(p)
}

// scope is what the person may see, and who they are where they change it.
func (v *visit) scope() access.Scope {
	s := v.login.Seat.Scope()
	s.By = v.by
	return s
}

// actor is a person as the audit log names them.
func actor(c echo.Context, p access.Person) access.Actor {
	return access.Actor{Login: p.ID, Seat: p.Seat.ID, Address: prefixOf(c.RealIP(), 24, 48), Request: requestOf(c)}
}

// who is the audience that the person belongs to in their seat.
func (v *visit) who() audience {
	switch v.login.Seat.Org() {
	case access.OfNetwork:
		return operatorOnly
	case access.OfMerchant:
		return merchantOnly
	case access.OfPartner:
		return partnerOnly
	}
	return everyone
}

// visit finds out who is there.
func (s *Server) visit(c echo.Context) *visit {
	v := s.anonymous(c)
	ctx := c.Request().Context()
	if l, ok := s.sessions.Get(ctx, sessionLogin).(access.Person); ok {
		v.login, v.by = l, actor(c, l)
		v.flash = s.sessions.PopString(ctx, sessionFlash)
	}
	return v
}

// anonymous is a visit before anything is known of the person.
func (s *Server) anonymous(c echo.Context) *visit {
	v := &visit{path: c.Request().URL.Path, at: s.now(), asset: s.assets, text: s.text}
	v.id, _ = c.Get(requestID).(string)
	if cookie, err := c.Cookie("theme"); err == nil && (cookie.Value == "light" || cookie.Value == "dark") {
		v.theme = cookie.Value
	}
	return v
}

// render sends a whole page, or an error if it cannot be made: never half of one.
func (s *Server) render(c echo.Context, status int, page templ.Component) error {
	var b bytes.Buffer
	v, _ := c.Get(visitKey).(*visit)
	ctx := context.WithValue(c.Request().Context(), visitContext{}, v)
	if err := page.Render(text.With(ctx, s.text), &b); err != nil {
		return fmt.Errorf("rendering %s: %w", c.Path(), err)
	}
	body := b.Bytes()
	if v != nil && v.signedIn() {
		body = carrySeat(body, v.login.Seat.ID)
	}
	h := c.Response().Header()
	h.Add(echo.HeaderVary, "Accept-Encoding, Sec-Fetch-Site")
	if !mayCompress(c.Request()) {
		return c.HTMLBlob(status, body)
	}
	zipped, err := s.zipper.compress(body)
	if err != nil {
		return fmt.Errorf("compressing %s: %w", c.Path(), err)
	}
	h.Set(echo.HeaderContentEncoding, "gzip")
	return c.HTMLBlob(status, zipped)
}

// page sends a page in the frame of the signed-in.
func (s *Server) page(c echo.Context, v *visit, title string, content templ.Component) error {
	return s.framed(c, v, http.StatusOK, title, content)
}

// framed sends a page in the frame of the signed-in, with what awaits them.
func (s *Server) framed(c echo.Context, v *visit, status int, title string, content templ.Component) error {
	s.count(c, v)
	return s.render(c, status, frame(v, title, content))
}

// count counts what awaits a decision of a merchant, unless a script asks, which takes a part of the page alone.
func (s *Server) count(c echo.Context, v *visit) {
	if h := c.Request().Header; h.Get("Hx-Request") == "" && h.Get("X-Background") == "" {
		v.waiting = s.waiting(c, v).All()
	}
}

// waiting is what awaits a decision of the visit's merchant. A page is shown without it where it cannot be counted.
func (s *Server) waiting(c echo.Context, v *visit) (waiting report.Waiting) {
	if v.login.Seat.Merchant == 0 {
		return waiting
	}
	ctx := c.Request().Context()
	err := s.reports.Snapshot(ctx, v.scope(), func(r *report.Snapshot) (err error) {
		waiting, err = r.Waiting(ctx)
		return err
	})
	if err != nil {
		s.cfg.Log.Warn("what awaits a decision cannot be counted; a page is shown without", "path", c.Path(), "request", v.id, "error", err)
	}
	return waiting
}

// redirect goes on with a GET.
func (s *Server) redirect(c echo.Context, to string) error {
	return c.Redirect(http.StatusSeeOther, to)
}

// flash leaves a sentence for the next page.
func (s *Server) flash(c echo.Context, sentence string) {
	s.sessions.Put(c.Request().Context(), sessionFlash, sentence)
}

// askToSignIn sends the person to the sign-in page and back afterwards.
func (s *Server) askToSignIn(c echo.Context) error {
	to := "/signin"
	if r := c.Request(); r.Method == http.MethodGet && r.URL.Path != "/" {
		to += "?next=" + url.QueryEscape(r.URL.RequestURI())
	}
	if c.Request().Header.Get("Hx-Request") != "" {
		c.Response().Header().Set("Hx-Redirect", to)
		return c.NoContent(http.StatusOK)
	}
	return s.redirect(c, to)
}

// localPath gives a path of this server to go on to, or the fallback for anything that leads elsewhere.
func localPath(next, fallback string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(next, "/") ||
		strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") {
		return fallback
	}
	return next
}

func (s *Server) home(c echo.Context, v *visit) error {
	if !v.signedIn() {
		empty, err := s.access.Empty(c.Request().Context())
		if err != nil {
			return err
		}
		if empty {
			return s.redirect(c, "/setup")
		}
		return s.redirect(c, "/signin")
	}
	return s.redirect(c, homeOf(v.who()))
}
