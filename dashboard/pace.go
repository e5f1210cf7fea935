package dashboard

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/labstack/echo/v4"

	"tributary/internal/fault"
	"tributary/partners/program"
)

// How much one person may ask for, or one address where nobody is signed in. Somebody who looks at a page asks for a list
// every four seconds.
const (
	paceBurst = 240                    // requests at once
	paceEvery = 100 * time.Millisecond // in which one comes back
	paceKept  = 20_000                 // people and addresses remembered
	// filesAtOnce bounds the lists that are being made into files for everyone: each takes a connection to PostgreSQL.
	filesAtOnce = 4
)

// pace keeps one visitor from taking the time of the others. It remembers a bounded number of them, in this process.
type pace struct {
	mu    sync.Mutex
	until *lru.Cache[string, time.Time] // when everything asked for so far has come back
	files chan struct{}
	// theirs are the people a file is being made for.
	theirs map[program.LoginID]bool
}

func newPace() *pace {
	until, err := lru.New[string, time.Time](paceKept)
	if err != nil {
		panic(err) // the size is a constant above zero
	}
	return &pace{until: until, files: make(chan struct{}, filesAtOnce), theirs: map[program.LoginID]bool{}}
}

// take counts a request and tells how long to wait before the next when it is one too many. A block may ask for as many
// times as much.
func (p *pace) take(now time.Time, who block) (wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	until, ok := p.until.Get(who.name)
	if !ok || until.Before(now) {
		until = now
	}
	until = until.Add(paceEvery / time.Duration(who.times))
	if wait = until.Sub(now) - paceBurst*paceEvery; wait > 0 {
		return wait
	}
	p.until.Add(who.name, until)
	return 0
}

// beginFile tells whether a person may have a file made now: one for each, filesAtOnce for all. end must follow.
func (p *pace) beginFile(login program.LoginID) (end func(), ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.theirs[login] {
		return nil, false
	}
	select {
	case p.files <- struct{}{}:
	default:
		return nil, false
	}
	p.theirs[login] = true
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.theirs, login)
		<-p.files
	}, true
}

// within runs a page within the pace of who asks for it.
func (s *Server) within(c echo.Context, v *visit, r route) error {
	asking := networks(c.RealIP())
	if v.signedIn() {
		asking = []block{{"person " + strconv.FormatInt(int64(v.login.ID), 10), 1}}
	}
	for _, who := range asking {
		if wait := s.pace.take(s.now(), who); wait > 0 {
			return tooMany(c, wait, "too_many")
		}
	}
	if !strings.HasSuffix(r.path, ".csv") {
		return r.page(c, v)
	}
	end, ok := s.pace.beginFile(v.login.ID)
	if !ok {
		return tooMany(c, 5*time.Second, "too_many_files")
	}
	defer end()
	return r.page(c, v)
}

func tooMany(c echo.Context, wait time.Duration, code string) error {
	c.Response().Header().Set(echo.HeaderRetryAfter, strconv.Itoa(int(wait/time.Second)+1))
	return fault.Coded(fault.TooMany, code, nil)
}

// onceEach refuses a request that names something twice, where one part of it could be checked and another used, and a
// form that has anything in its address, where it would be written down by whatever is in between.
func onceEach(r *http.Request) error {
	if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); kind != "" && kind != echo.MIMEApplicationForm && r.Method != http.MethodGet {
		return fault.Coded(fault.Unsupported, "not_a_form", nil)
	}
	if err := r.ParseForm(); err != nil {
		if _, tooLarge := errors.AsType[*echo.HTTPError](err); tooLarge {
			return err //nolint:wrapcheck // the limit of the body's size, in its own words
		}
		return fault.Coded(fault.Malformed, "unreadable", err)
	}
	if r.Method != http.MethodGet && r.URL.RawQuery != "" {
		return fault.Coded(fault.Malformed, "query_of_form", nil)
	}
	for _, values := range r.Form {
		if len(values) > 1 {
			return fault.Coded(fault.Malformed, "repeated", nil)
		}
	}
	return nil
}
