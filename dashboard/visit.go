package dashboard

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v4"

	"tributary/dashboard/asset"
	"tributary/partners"
)

// A login is a person who signs in, with the partner or merchant they act for.
type login struct {
	ID           int64
	Email        string
	Name         string
	Role         string
	PasswordHash string
	Partner      partners.PartnerID
	Merchant     partners.MerchantID
	// Of is the name of the partner or merchant.
	Of string
}

// A visit is one request: who makes it, and what every page needs to know.
type visit struct {
	login login
	theme string // "light", "dark", or empty for the system's
	flash string
	path  string
	at    time.Time
	id    string // the request's
	asset *asset.Set
}

const visitKey = "visit"

func (v *visit) signedIn() bool { return v.login.ID != 0 }

// scope is what the person may see.
func (v *visit) scope() scope {
	return scope{partner: v.login.Partner, merchant: v.login.Merchant, operator: v.login.Role == string(operatorOnly)}
}

// readLogin is the columns of a login; a row of a person who may sign in.
const readLogin = `SELECT l.id, l.email, l.name, l.role, l.password_hash, coalesce(l.partner_id, 0), coalesce(l.merchant_id, 0),
	coalesce(p.name, m.name, 'Network')
	FROM login l LEFT JOIN partner p ON p.id = l.partner_id LEFT JOIN merchant m ON m.id = l.merchant_id
	WHERE l.disabled_at IS NULL AND `

func (s *Server) findLogin(ctx context.Context, condition string, value any) (login, bool, error) {
	var l login
	err := s.cfg.Postgres.QueryRow(ctx, readLogin+condition, value).
		Scan(&l.ID, &l.Email, &l.Name, &l.Role, &l.PasswordHash, &l.Partner, &l.Merchant, &l.Of)
	if errors.Is(err, pgx.ErrNoRows) {
		return login{}, false, nil
	}
	if err != nil {
		return login{}, false, fmt.Errorf("finding a login: %w", unavailable(err))
	}
	return l, true, nil
}

// visit finds out who is there. A session made with another password than today's belongs to nobody.
func (s *Server) visit(c echo.Context) (*visit, error) {
	v := s.anonymous(c)
	ctx := c.Request().Context()
	id, ok := s.sessions.Get(ctx, sessionLogin).(int64)
	if !ok {
		return v, nil
	}
	l, found, err := s.findLogin(ctx, "l.id = $1", id)
	if err != nil || !found || s.sessions.GetString(ctx, sessionPrint) != fingerprint(l.PasswordHash) {
		return v, err
	}
	v.login = l
	v.flash = s.sessions.PopString(ctx, sessionFlash)
	return v, nil
}

// anonymous is a visit before anything is known of the person.
func (s *Server) anonymous(c echo.Context) *visit {
	v := &visit{path: c.Request().URL.Path, at: s.now(), asset: s.assets}
	v.id, _ = c.Get(requestID).(string)
	if cookie, err := c.Cookie("theme"); err == nil && (cookie.Value == "light" || cookie.Value == "dark") {
		v.theme = cookie.Value
	}
	return v
}

// fingerprint tells password hashes apart without holding one.
func fingerprint(hash string) string {
	sum := sha256.Sum256([]byte(hash))
	return hex.EncodeToString(sum[:8])
}

// render sends a whole page, or an error if it cannot be made: never half of one.
func (s *Server) render(c echo.Context, status int, page templ.Component) error {
	var b bytes.Buffer
	if err := page.Render(c.Request().Context(), &b); err != nil {
		return fmt.Errorf("rendering %s: %w", c.Path(), err)
	}
	return c.HTMLBlob(status, b.Bytes())
}

// page sends a page in the frame of the signed-in.
func (s *Server) page(c echo.Context, v *visit, title string, content templ.Component) error {
	return s.render(c, http.StatusOK, frame(v, title, content))
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
		return s.redirect(c, "/signin")
	}
	return s.redirect(c, homeOf(v.login.Role))
}
