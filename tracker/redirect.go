package tracker

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"tributary/internal/event"
	"tributary/internal/fault"
	"tributary/internal/text"
	"tributary/partners"
	"tributary/partners/catalogue"
)

// click is GET /c/{code}: it sends the visitor on and records the visit. It waits a moment for the record to be durable,
// and answers all the same when that takes too long: the click id carries what a later order needs.
//
// What a browser fetches ahead of a visit is refused. It then asks again when the person goes there, which is the visit
// that counts; if the redirect were handed out ahead, nobody could tell whether it was ever followed. That a refused
// prefetch is not used is held by https://github.com/web-platform-tests/wpt speculation-rules/prefetch.
func (s *Server) click(c echo.Context) error {
	began := s.cfg.Now()
	link, program, err := s.find(c)
	if err != nil {
		return err
	}
	r, h := c.Request(), c.Response().Header()
	if speculative(r.Header) {
		s.metrics.speculative.Inc()
		h["Cache-Control"] = s.noStore
		return c.NoContent(http.StatusServiceUnavailable)
	}
	click := s.judge(link, s.visit(r, began))
	agreed := !withoutConsent(r.URL.RawQuery)
	if !agreed {
		click.IPPrefix = ""
	}
	keeps := program.Path(began) && click.Earns() && agreed && !refusesPath(r.Header)
	var path []step
	if keeps {
		path = s.readPath(r, began)
		click.Path = idsOf(path, link.Merchant)
	}
	id, err := s.Intake.Click(click, s.cfg.RedirectWait)
	if err != nil {
		s.metrics.unstored.Inc()
		h["Tributary-Unstored"] = []string{"1"} // for whoever measures; a browser does not care
	}
	if !click.Earns() || !agreed {
		id = ""
	}
	if keeps {
		s.writePath(h, extend(path, &click, id, program.Window), began)
	}
	s.sendOn(c, link.Target, program.ClickParam, id)
	s.metrics.click(click.Marks, s.cfg.Now().Sub(began))
	return nil
}

// judge judges a visit, and marks one of a partner who is not in the program at its time.
func (s *Server) judge(link *partners.Link, v Visit) Click {
	click := s.Intake.Judge(link, v)
	if !s.cfg.Catalogue.InProgram(link.Program, link.Partner, v.At) {
		click.Marks |= event.MarkNotEnrolled
	}
	return click
}

// clickHead is HEAD /c/{code}: where the link leads, for who only looks. It is no visit.
func (s *Server) clickHead(c echo.Context) error {
	link, program, err := s.find(c)
	if err != nil {
		return err
	}
	s.sendOn(c, link.Target, program.ClickParam, "")
	return nil
}

// find finds the open link of a request. Most addresses come as they were given out; only what that finds nothing for is
// read again with more patience.
func (s *Server) find(c echo.Context) (*partners.Link, *catalogue.Listing, error) {
	link, found := s.cfg.Catalogue.LinkByCode(c.Param("*"))
	if !found {
		u := c.Request().URL
		if code, query, ok := understand(u.EscapedPath()); ok {
			link, found = s.cfg.Catalogue.LinkByCode(code)
			if query != "" {
				u.RawQuery = query + "&" + u.RawQuery
			}
		}
	}
	if found && !link.Closed {
		if program, ok := s.cfg.Catalogue.Program(link.Program); ok {
			return link, program, nil
		}
	}
	s.metrics.unknown.Inc()
	return nil, nil, fault.Detailed(fault.NotFound, "unknown_link", text.DetailUnknownLink(), nil)
}

// lost is what becomes of a request that no route is for: it may still be a click, with "/C/" or "//c/" in its address.
func (s *Server) lost(c echo.Context) error {
	if _, _, ok := understand(c.Request().URL.EscapedPath()); !ok {
		return echo.ErrNotFound
	}
	switch c.Request().Method {
	case http.MethodGet:
		return s.click(c)
	case http.MethodHead:
		return s.clickHead(c)
	}
	return echo.ErrNotFound
}

// sendOn answers 302. That is not cacheable unasked, and no-store says so to everyone who caches more than they should.
func (s *Server) sendOn(c echo.Context, target, param, id string) {
	var buf [512]byte
	h := c.Response().Header()
	h["Location"] = []string{string(appendLocation(buf[:0], target, param, id))}
	h["Cache-Control"] = s.noStore
	h["Referrer-Policy"] = s.referrerPolicy
	c.Response().WriteHeader(http.StatusFound)
}
