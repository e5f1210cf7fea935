package tracker

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"tributary/internal/event"
	"tributary/partners/program"
	"tributary/tracker/clickid"
)

// A visitor's path is kept with the visitor, in a cookie of the tracker's own domain that nobody else reads. It holds the ids
// of the last clicks, oldest first, and nothing else: no number of the visitor. Only a click on a link of a program whose terms
// ask for the path reads and renews it.
const (
	pathCookie = "tributary_path"
	// pathClicks is how many clicks it holds.
	pathClicks    = 8
	pathSeparator = "."
	maxPath       = pathClicks*(clickid.TextLength+len(pathSeparator)) - len(pathSeparator)
	// maxPathAge is the longest that browsers keep a cookie
	// (https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#section-5.5).
	maxPathAge = 400 * 24 * time.Hour
)

// step is a click of a path.
type step struct {
	id    string
	link  program.LinkID
	of    program.MerchantID
	until time.Time // when it can earn nothing any more
}

// pathCookieName has the prefix with which browsers take a cookie from this host alone, where that can be
// (https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#section-4.1.3).
func (s *Server) pathCookieName() string {
	if s.cfg.Secure {
		return "__Host-" + pathCookie
	}
	return pathCookie
}

// refusesPath tells of visitors who want none kept: the browser says so for all sites (https://w3c.github.io/gpc). Their cookie is
// neither read nor written; one of before ends by itself.
func refusesPath(h http.Header) bool { return slices.Contains(h["Sec-Gpc"], "1") }

// withoutConsent tells of visitors who have not agreed, as the page that the link stands on says by cons=0. They have no path
// either, and are sent on without an id.
func withoutConsent(query string) bool {
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(strings.TrimPrefix(pair, "amp;"), "=")
		if unescape(name, true) == "cons" && unescape(value, true) == "0" {
			return true
		}
	}
	return false
}

// readPath reads the path that a request brings, oldest first.
func (s *Server) readPath(r *http.Request, now time.Time) []step {
	cookie, err := r.Cookie(s.pathCookieName())
	if err != nil {
		return nil
	}
	return s.steps(cookie.Value, now)
}

// steps reads a path. What is no click id of this network, or can earn nothing any more, is passed over: a visitor may send
// anything.
func (s *Server) steps(value string, now time.Time) []step {
	if len(value) > maxPath {
		return nil
	}
	var path []step
	for id := range strings.SplitSeq(value, pathSeparator) {
		known := slices.ContainsFunc(path, func(st step) bool { return st.id == id })
		if st, ok := s.step(id, now); ok && !known {
			path = append(path, st)
		}
	}
	return path
}

// step looks at one click id.
func (s *Server) step(id string, now time.Time) (step, bool) {
	said, err := s.cfg.Ring.Verify(id)
	if err != nil {
		return step{}, false
	}
	link, known := s.cfg.Catalogue.Link(program.LinkID(said.Link))
	if !known {
		return step{}, false
	}
	listing, known := s.cfg.Catalogue.Program(link.Program)
	if !known || !listing.Path(now) {
		return step{}, false
	}
	st := step{id: id, link: link.ID, of: link.Merchant, until: said.At.Add(listing.Window)}
	return st, st.until.After(now)
}

// idsOf gives the clicks of a path that led to a merchant: one merchant's records say nothing about visits of another's shop.
func idsOf(path []step, merchant program.MerchantID) []string {
	var ids []string
	for _, st := range path {
		if st.of == merchant {
			ids = append(ids, st.id)
		}
	}
	return ids
}

// extend adds a click to the path that it came with. A click that repeats one of the path is left out, or whoever clicks often
// would push out the others and count for more.
func extend(path []step, click *Click, id string, window time.Duration) []step {
	repeats := func(st step) bool { return st.link == click.Link.ID }
	if click.Marks&event.MarkDuplicate == 0 || !slices.ContainsFunc(path, repeats) {
		path = append(path, step{id: id, link: click.Link.ID, of: click.Link.Merchant, until: click.At.Add(window)})
	}
	return path[max(0, len(path)-pathClicks):]
}

// writePath gives the visitor the path to keep, until the last of its clicks can earn nothing any more.
func (s *Server) writePath(h http.Header, path []step, now time.Time) {
	ids := make([]string, len(path))
	var age time.Duration
	for i, st := range path {
		ids[i], age = st.id, max(age, st.until.Sub(now))
	}
	cookie := http.Cookie{ //nolint:gosec // Secure wherever visitors come by https
		Name: s.pathCookieName(), Value: strings.Join(ids, pathSeparator), Path: "/", MaxAge: int(min(age, maxPathAge) / time.Second),
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: s.cfg.Secure,
	}
	h["Set-Cookie"] = []string{cookie.String()}
}
