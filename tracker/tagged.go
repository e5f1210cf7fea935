package tracker

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"tributary/internal/fault"
	"tributary/internal/text"
	"tributary/partners"
	"tributary/partners/catalogue"
	"tributary/partners/program"
)

// What a tag on a merchant's pages says comes from browsers, which anybody can be: it must come from the program's own domains,
// within the bounds of its network, and is a soft touch at the most.

// maxTagBody is the largest body of a tag's request, in bytes.
const maxTagBody = 8 << 10

// The channels of what a tag reports, as event.Click has them.
const (
	channelTag     = "tag"
	channelSandbox = "sandbox"
)

// tagged is what every request of a tag says.
type tagged struct {
	program *catalogue.Listing
	channel string
}

// tagRoute opens a route to the scripts of all sites: who may use it, it sees for itself, and a refusal that a script cannot read
// would be sent again.
func (s *Server) tagRoute(next func(c echo.Context, a *attempt) error) echo.HandlerFunc {
	named := s.named(next)
	return func(c echo.Context) error {
		c.Response().Header().Set("Access-Control-Allow-Origin", "*")
		return named(c)
	}
}

// tagClick is POST /v1/tag/click: a visitor came to the merchant's page with a partner's code in its address. The answer is the id
// of a soft click, also where it could not be stored in time: as that of a redirect it carries what an order needs.
func (s *Server) tagClick(c echo.Context, a *attempt) error {
	m := s.memory()
	defer s.bodies.Put(m)
	began := s.cfg.Now()
	if err := s.readTag(c, m, s.tagClicks); err != nil {
		return err
	}
	r := &review{}
	v := r.object(place{}, trimSpace(m.body), []string{"program", "code", "url", "referrer"})
	said := [4]string{}
	for i, name := range []string{"program", "code", "url", "referrer"} {
		said[i] = r.text(place{name: name}, v[i])
	}
	t, err := s.tagged(c, a, r, said[0], text.DetailInvalidClick)
	if err != nil {
		return err
	}
	link, found := s.cfg.Catalogue.LinkByCode(strings.ToLower(strings.TrimSpace(said[1])))
	if !found || link.Closed || link.Program != t.program.ID {
		return fault.Detailed(fault.NotFound, "unknown_code", text.DetailUnknownCode(), nil)
	}
	visit := s.visit(c.Request(), began)
	_, query, _ := strings.Cut(said[2], "?")
	query, _, _ = strings.Cut(query, "#")
	visit.Referrer, visit.Subs, visit.Embedded = said[3], subIDs(query), false
	click := s.judge(link, visit)
	click.Channel = t.channel
	id, err := s.Intake.Click(click, s.cfg.RedirectWait)
	if err != nil {
		s.metrics.unstored.Inc()
	}
	if !click.Earns() {
		id = ""
	}
	s.metrics.clicks[click.Marks].Inc()
	return tagAnswer(c, http.StatusOK, append(appendText(append(m.answer[:0], `{"click_id":`...), id), "}\n"...))
}

// readTag reads a request of a tag into m, as far as its network may send one: JSON that calls itself text, so that the browser need
// not ask first.
func (s *Server) readTag(c echo.Context, m *memory, of *crowd) error {
	r := c.Request()
	if speculative(r.Header) {
		return fault.Detailed(fault.Unavailable, "not_visited_yet", text.DetailNotVisitedYet(), nil)
	}
	if dest := first(r.Header, "Sec-Fetch-Dest"); dest != "" && dest != "empty" {
		return fault.Detailed(fault.Forbidden, "not_from_a_script", text.DetailNotFromAScript(), nil)
	}
	if !of.admit(s.cfg.TrustedProxies.Client(r), s.cfg.Now()) {
		return fault.Detailed(fault.TooMany, "too_many_of_network", text.DetailTooManyOfNetwork(strconv.Itoa(of.most)), nil)
	}
	err := m.read(c, maxTagBody, echo.MIMETextPlain, echo.MIMEApplicationJSON)
	if err == nil {
		m.body, err = checkJSON(m.body)
	}
	return err
}

// tagged finds the program that a tag is of, whose domain it must be on. A sandboxed page has no origin: it is taken, and marked.
func (s *Server) tagged(c echo.Context, a *attempt, r *review, said string, detail func(n int64) text.Message) (t tagged, err error) {
	a.origin = strings.Join(c.Request().Header["Origin"], ", ")
	listing, known := s.programOf(said)
	if known {
		a.merchant = listing.Merchant
	} else {
		r.note(place{name: "program"}, text.WrongProgramOfTag(), text.FixProgramOfTag())
	}
	if len(r.problems) > 0 {
		return t, invalid("invalid_click", detail, r)
	}
	t = tagged{program: listing, channel: channelTag}
	switch {
	case a.origin == "" || a.origin == "null":
		t.channel = channelSandbox
	case !partners.AllowsOrigin(listing.Domains, listing.LandingURL, a.origin):
		return t, fault.Detailed(fault.Forbidden, "origin_not_allowed", text.DetailOriginNotAllowed(plain(a.origin, maxOrigin)), nil)
	}
	return t, nil
}

// programOf finds a program by its name on pages: prg_ and its number.
func (s *Server) programOf(said string) (*catalogue.Listing, bool) {
	digits, marked := strings.CutPrefix(strings.TrimSpace(said), partners.ProgramMark)
	id, err := strconv.ParseInt(digits, 10, 64)
	if !marked || err != nil || strconv.FormatInt(id, 10) != digits {
		return nil, false
	}
	return s.cfg.Catalogue.Program(program.ProgramID(id))
}

func tagAnswer(c echo.Context, status int, answer []byte) error {
	h := c.Response().Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	return c.Blob(status, echo.MIMEApplicationJSON, answer)
}

// script is GET /t.js, the tag as it is now, and GET /t/{version}.js, that version for as long as it is served: a page that names it
// with its hash runs no other.
func (s *Server) script(c echo.Context) error {
	t := &s.tag
	h := c.Response().Header()
	h.Set("Cache-Control", "public, max-age=3600, stale-while-revalidate=86400")
	if version := c.Param("version"); version != "" {
		if version != t.Version+".js" {
			return echo.ErrNotFound
		}
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("Access-Control-Allow-Origin", "*") // a page that names the hash must be let read it
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Vary", "Accept-Encoding")
	h.Set("ETag", `"`+t.Version+`"`)
	if first(c.Request().Header, "If-None-Match") == `"`+t.Version+`"` {
		return c.NoContent(http.StatusNotModified)
	}
	body := t.Plain
	if strings.Contains(first(c.Request().Header, "Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = t.Gzip
	}
	return c.Blob(http.StatusOK, "text/javascript; charset=utf-8", body)
}

// Bounds of what the browsers of one network may send within a minute.
const networkClicks = 60
