// Package tracker is the HTTP edge: step 1 of the life of a click, where a visitor follows a partner's link and is sent on
// with a signed click id, and step 4, where the merchant reports the order and what comes back of it.
//
// Behind the routes stands the Intake, which judges and checks what comes in, makes an event of it and appends that to
// the spool. A redirect waits a few milliseconds for the disk and then answers all the same; an order is answered 200 only
// when its bytes are durable. Whoever brings events in without HTTP (a replay, a demonstration) uses the Intake too.
package tracker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"tributary/internal/proxy"
	"tributary/partners/catalogue"
	"tributary/tracker/clickid"
	"tributary/tracker/country"
	"tributary/tracker/spool"
	"tributary/tracker/tag"
)

// Config is what a tracker is made of. Catalogue, Spool, Ring and Partitions must be given; zero stands for the default
// of the rest.
type Config struct {
	Catalogue *catalogue.Catalogue
	// Spool has twice as many lanes as there are partitions: those of the touches, then those of the orders. Its Run must
	// go on until Serve has returned.
	Spool *spool.Spool
	Ring  *clickid.Ring
	// Partitions is how many each Kafka topic has.
	Partitions int

	// TrustedProxies are the networks whose X-Forwarded-For is believed. By default nobody's is.
	TrustedProxies proxy.Trusted
	// Secure says that visitors come by https: the cookie of their path is for https alone.
	Secure bool
	// Country knows where visitors are; nil knows nothing.
	Country *country.Database
	// DuplicateWindow is how long a further click of one visitor on one link is a duplicate; 1 hour.
	DuplicateWindow time.Duration
	// RedirectWait is the longest that a redirect waits for its record to be durable; 15 ms.
	RedirectWait time.Duration
	// MerchantRate is how many reports a second one merchant may send to this tracker, with twice as many at once; 0 for no
	// bound.
	MerchantRate int
	// StoreWait is the longest that an order waits for its record to be durable; 2 s.
	StoreWait time.Duration

	// Metrics registers the counters; none are registered without one.
	Metrics prometheus.Registerer
	// Log is discarded without one.
	Log *slog.Logger
	// Now is the clock; time.Now by default.
	Now func() time.Time
}

func (c Config) withDefaults() (Config, error) {
	if c.DuplicateWindow == 0 {
		c.DuplicateWindow = time.Hour
	}
	if c.RedirectWait == 0 {
		c.RedirectWait = 15 * time.Millisecond
	}
	if c.StoreWait == 0 {
		c.StoreWait = 2 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	switch {
	case c.Catalogue == nil || c.Spool == nil || c.Ring == nil:
		return c, errors.New("making a tracker: it needs a catalogue, a spool and a ring of keys")
	case c.Partitions < 1 || len(c.Spool.Sequences()) != 2*c.Partitions:
		return c, fmt.Errorf("making a tracker: the spool has %d lanes, want two for each of %d partitions", len(c.Spool.Sequences()), c.Partitions)
	case c.DuplicateWindow < time.Second || c.DuplicateWindow > maxWindow:
		return c, fmt.Errorf("making a tracker: a duplicate window of %s, want 1s to %s", c.DuplicateWindow, maxWindow)
	case c.RedirectWait < 0 || c.StoreWait < 0 || c.MerchantRate < 0 || c.MerchantRate > maxMerchantRate:
		return c, fmt.Errorf("making a tracker: a wait is negative, or a merchant's rate not within 0 and %d", maxMerchantRate)
	}
	return c, nil
}

// maxMerchantRate is far above what one tracker does.
const maxMerchantRate = 1_000_000

// Server answers visitors and merchants.
type Server struct {
	// Intake is what the routes feed.
	Intake *Intake

	cfg      Config
	echo     *echo.Echo
	handler  http.Handler // the echo, asked by the one form of each path
	metrics  *metrics
	pages    pages
	rates    *rates
	uses     uses
	refusals *refusals
	// tagClicks bounds the clicks that tags report.
	tagClicks *crowd
	tag       tag.Script
	bodies    sync.Pool // of *memory

	// Values of headers that every redirect has, shared by all of them.
	noStore, referrerPolicy []string
}

// New makes a tracker that does nothing until its handler is asked. It answers an error for a Config that cannot work.
func New(cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	intake, err := NewIntake(cfg)
	if err != nil {
		return nil, err
	}
	s := &Server{
		Intake: intake, cfg: cfg, echo: echo.New(), metrics: newMetrics(cfg.Metrics), pages: newPages(), rates: newRates(cfg.MerchantRate), refusals: newRefusals(), tagClicks: newCrowd(networkClicks), tag: tag.New(),
		noStore: []string{"no-store"}, referrerPolicy: []string{"strict-origin-when-cross-origin"},
	}
	s.bodies.New = func() any { return &memory{} }
	s.echo.HTTPErrorHandler = s.fail
	s.echo.IPExtractor = func(r *http.Request) string { return s.cfg.TrustedProxies.Client(r).String() }
	s.route()
	s.handler = normalized(s.echo)
	return s, nil
}

// route is the table of everything that is answered. All but the /v1 routes are open to anyone; those ask for a
// merchant's API key themselves.
func (s *Server) route() {
	e := s.echo
	for _, r := range []struct {
		method, path string
		handler      echo.HandlerFunc
	}{
		{http.MethodGet, "/c/*", s.guard(s.click)},
		{http.MethodHead, "/c/*", s.guard(s.clickHead)},
		{http.MethodPost, "/v1/conversions", s.named(s.conversion)},
		{http.MethodPost, "/v1/refunds", s.named(s.refund)},
		{http.MethodPost, "/v1/tag/click", s.tagRoute(s.tagClick)},
		{http.MethodGet, "/t.js", s.guard(s.script)},
		{http.MethodGet, "/t/:version", s.guard(s.script)},
		{http.MethodGet, "/healthz", s.guard(healthy)},
		{http.MethodGet, "/robots.txt", s.guard(robots)},
		{http.MethodGet, "/problems/:code", s.guard(s.problem)},
	} {
		e.Add(r.method, r.path, r.handler)
	}
}

func healthy(c echo.Context) error { return plainText(c, "ok\n") }

// plainText answers with a text that a browser may take for nothing else.
func plainText(c echo.Context, text string) error {
	c.Response().Header().Set("X-Content-Type-Options", "nosniff")
	return c.String(http.StatusOK, text)
}

// robotsText keeps crawlers that ask from following links, so that their visits need not be told from people's. What makes
// the cards of links in posts and messages may follow them, or a partner's post has none; it is marked as a bot all the
// same. The names are those that the services document for their fetchers.
const robotsText = `User-agent: Twitterbot
User-agent: LinkedInBot
User-agent: facebookexternalhit
User-agent: facebookcatalog
User-agent: Slackbot
User-agent: Slackbot-LinkExpanding
User-agent: Slack-ImgProxy
User-agent: Discordbot
User-agent: TelegramBot
User-agent: WhatsApp
User-agent: Pinterestbot
User-agent: redditbot
User-agent: SkypeUriPreview
User-agent: Iframely
User-agent: Embedly
User-agent: vkShare
User-agent: Viber
User-agent: Line
User-agent: kakaotalk-scrap
User-agent: Applebot
User-agent: Bluesky
User-agent: Mastodon
Allow: /c/
Disallow: /

User-agent: *
Disallow: /
`

func robots(c echo.Context) error { return plainText(c, robotsText) }

// Handler answers requests. It sets no limits on headers and times: Serve does.
func (s *Server) Handler() http.Handler { return s.handler }

// Limits on what one connection may take. The server itself limits no bodies and answers: a redirect has no body, and
// setting those limits costs each one a few percent. The routes that read a body limit its size themselves, and bounded
// its time. An answer is a few kilobytes, which the kernel takes at once, unless someone asks again and again and reads
// nothing: the connection bounds that.
const (
	maxHeader         = 16 << 10
	readHeaderTimeout = 5 * time.Second
	readBodyTimeout   = 10 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = 2 * time.Minute
	stopTimeout       = 10 * time.Second
)

// bounded gives each body readBodyTimeout, also one that no route reads: net/http reads that itself before the answer goes
// out, and would wait for it for ever.
func bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(readBodyTimeout)) // fails where the peer has gone
		}
		next.ServeHTTP(w, r)
	})
}

// Serve answers requests that come in on l until ctx ends; then it takes no more, answers those it has, within 10 s, and
// returns. It closes l.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler:           bounded(proxy.Unambiguous(s.handler)),
		MaxHeaderBytes:    maxHeader,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug),
	}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		stopped <- server.Shutdown(grace)
	})
	err := server.Serve(frugal{l, writeTimeout})
	if stop() { // ctx has not ended: the listener failed
		return fmt.Errorf("serving: %w", err)
	}
	if err := <-stopped; err != nil {
		return fmt.Errorf("stopping the tracker: %w", err)
	}
	return nil
}
