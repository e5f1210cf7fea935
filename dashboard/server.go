// Package dashboard is step 7 in the life of a click: the pages on which a partner sees what a link earned and why, a
// merchant sees what its programs bring and cost, and the network's operator sees all of it. HTML is made here, on the
// server; scripts only add comfort.
//
// Each page is a file named after it: page_x.go reads the address strictly, asks package report, and shows the answer by
// page_x.templ. A file is made of the same read as the page. Nothing here knows the databases.
package dashboard

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	"github.com/prometheus/client_golang/prometheus"

	"tributary/commission/engine"
	"tributary/dashboard/api"
	"tributary/dashboard/asset"
	"tributary/dashboard/password"
	"tributary/internal/proxy"
	"tributary/internal/text"
	"tributary/partners/access"
	"tributary/report"
)

// Config is what the pages need.
type Config struct {
	// Access is where people sign in and what they change.
	Access *access.DB
	// Reports are what the pages show. Where ClickHouse is away they say that counts are missing.
	Reports *report.Reader
	// Partitions are those of the topic orders, in whose lanes what people say of orders and customers is taken in.
	Partitions int
	// URL is where these pages are, such as "https://network.example.net", without a slash at the end: one-time links begin so.
	URL string
	// TrackerURL is where tracking links begin, such as "https://go.example.net", without a slash at the end.
	TrackerURL string
	Log        *slog.Logger
	// SessionIdle ends a session that nobody uses. 30 minutes when zero.
	SessionIdle time.Duration
	// SessionLifetime ends every session. 12 hours when zero.
	SessionLifetime time.Duration
	// AuditDays is for how long the audit log is kept, access.MinAuditDays or more; 0: for ever.
	AuditDays int
	// SecureCookies is for pages served over https: cookies are then bound to it (and to this very host).
	SecureCookies bool
	// Metrics may be nil.
	Metrics prometheus.Registerer
	// TrustedProxies are those whose X-Forwarded-For is believed. With none the peer is the client.
	TrustedProxies proxy.Trusted
	// TrustedOrigins may post forms besides the pages' own origin, such as "https://portal.example.net" where a proxy
	// rewrites the Host header.
	TrustedOrigins []string
}

// Server serves the pages.
type Server struct {
	cfg      Config
	access   *access.DB
	desk     engine.Desk
	reports  *report.Reader
	assets   *asset.Set
	sessions *scs.SessionManager
	checker  *password.Checker // for whoever comes
	owners   *password.Checker // for devices that are known: strangers cannot fill its queue
	tries    *tries
	pace     *pace
	origins  *http.CrossOriginProtection
	now      func() time.Time
	entered  *prometheus.CounterVec
	zipper   zipper
	text     *text.Printer // in which the pages are written
}

// patience is how long a sign-in waits for its turn to be checked.
const patience = 10 * time.Second

// New makes a server that does nothing yet: see Handler. The error is about the configuration.
func New(cfg Config) (*Server, error) {
	assets, err := asset.New()
	if err != nil {
		return nil, fmt.Errorf("making the dashboard: %w", err)
	}
	s := &Server{
		cfg: cfg, access: cfg.Access, desk: engine.Desk{DB: cfg.Access, Partitions: cfg.Partitions}, reports: cfg.Reports, assets: assets, checker: password.NewChecker(2, patience), owners: password.NewChecker(1, patience), tries: newTries(), pace: newPace(),
		origins: http.NewCrossOriginProtection(), now: func() time.Time { return time.Now().UTC() },
		entered: newEntered(cfg.Metrics), text: text.English(),
	}
	for _, origin := range cfg.TrustedOrigins {
		if err := s.origins.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("reading the trusted origin %q: %w", origin, err)
		}
	}
	s.sessions = s.newSessions()
	return s, nil
}

// HashPassword gives the argon2id hash, as PHC text, that a login row holds for a password.
func HashPassword(text string) (string, error) { return password.Hash(text) }

// maxBody bounds a form: the longest document of terms fits, however it is written. No page takes files.
const maxBody = "256K"

// bodyLimit bounds forms. The API bounds what programs send.
func bodyLimit() echo.MiddlewareFunc {
	return middleware.BodyLimitWithConfig(middleware.BodyLimitConfig{
		Limit:   maxBody,
		Skipper: func(c echo.Context) bool { return strings.HasPrefix(c.Request().URL.Path, api.Prefix+"/") },
	})
}

// Handler serves the pages and their assets.
func (s *Server) Handler() http.Handler {
	return s.router()
}

func (s *Server) router() *echo.Echo {
	e := echo.New()
	e.HTTPErrorHandler = s.fail
	// Echo believes X-Forwarded-For of anyone unless told.
	e.IPExtractor = func(r *http.Request) string { return s.cfg.TrustedProxies.Client(r).String() }
	e.Use(s.withRequestID, s.withHeaders, s.withRecovery, bodyLimit(), s.sameOriginOnly)
	e.GET(asset.Prefix+"*", echo.WrapHandler(s.assets))
	(&api.API{Access: s.access, Reports: s.reports, Log: s.cfg.Log, Now: s.now, Request: requestOf}).Routes(e)
	pages := e.Group("", echo.WrapMiddleware(markUnattended), echo.WrapMiddleware(s.sessions.LoadAndSave))
	for _, r := range s.routes() {
		pages.Add(r.method, r.path, s.guard(r))
	}
	// An address without a page is said within the navigation of whoever is signed in.
	pages.RouteNotFound("/*", s.guard(route{who: everyone, entry: entry{may: access.Anyone, page: func(echo.Context, *visit) error { return echo.ErrNotFound }}}))
	return e
}
