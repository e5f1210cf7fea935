package dashboard

import (
	"crypto/sha256"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// A client is a browser with its cookies, as far as these tests need one.
type client struct {
	t       testing.TB
	handler http.Handler
	cookies map[string]*http.Cookie
	// header is sent with every request.
	header http.Header
	addr   string
	// seat gives the seat of a session, which every form that is sent names; nil: the forms of this browser name none.
	seat func(token string) string
}

// client makes a browser in which nobody is signed in.
func (w *world) client() *client {
	return &client{t: w.t, handler: w.server.Handler(), cookies: map[string]*http.Cookie{}, header: http.Header{}, addr: "192.0.2.1:4000", seat: w.sessionSeat}
}

// sessionSeat is the seat of the session that a cookie's token opens; empty for none.
func (w *world) sessionSeat(token string) (seat string) {
	hash := sha256.Sum256([]byte(token))
	w.must(w.owner.QueryRow(w.t.Context(), `SELECT coalesce(max(seat_id)::text, '') FROM session WHERE token_hash = $1`, hash[:]).Scan(&seat))
	return seat
}

// as makes a browser in which somebody is signed in.
func (w *world) as(email string) *client {
	w.t.Helper()
	c := w.client()
	r := c.post("/signin", url.Values{"email": {email}, "password": {thePassword}})
	if r.status != http.StatusSeeOther || c.cookies["session"] == nil {
		w.t.Fatalf("signing in as %s: status %d: %s", email, r.status, r.body)
	}
	return c
}

// A reply is an answer read whole.
type reply struct {
	status int
	body   string
	header http.Header
}

func (c *client) get(path string) reply { return c.do(http.MethodGet, path, "") }

func (c *client) post(path string, form url.Values) reply {
	return c.do(http.MethodPost, path, form.Encode())
}

func (c *client) do(method, path, body string) reply {
	c.t.Helper()
	if session := c.cookies["session"]; method == http.MethodPost && c.seat != nil && session != nil && !strings.Contains(body, seatField+"=") {
		if seat := c.seat(session.Value); seat != "" {
			body += "&" + seatField + "=" + seat
		}
	}
	r := httptest.NewRequest(method, "http://portal.example.net"+path, strings.NewReader(body))
	r.RemoteAddr = c.addr
	if method == http.MethodPost && c.header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	maps.Copy(r.Header, c.header)
	for _, cookie := range c.cookies {
		r.AddCookie(cookie)
	}
	recorder := httptest.NewRecorder()
	c.handler.ServeHTTP(recorder, r)
	answer := recorder.Result()
	for _, cookie := range answer.Cookies() {
		c.cookies[cookie.Name] = cookie
		if cookie.MaxAge < 0 {
			delete(c.cookies, cookie.Name)
		}
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return reply{status: answer.StatusCode, body: string(text), header: answer.Header}
}

// page is get of a page that must be there.
func (c *client) page(path string) reply {
	c.t.Helper()
	r := c.get(path)
	if r.status != http.StatusOK {
		c.t.Fatalf("GET %s: status %d: %s", path, r.status, r.text())
	}
	return r
}

// text is what a person reads of a page, with single spaces.
func (r reply) text() string {
	root, err := html.Parse(strings.NewReader(r.body))
	if err != nil {
		return r.body
	}
	var words []string
	for n := range root.Descendants() {
		if n.Type == html.TextNode && n.Parent.Data != "script" && n.Parent.Data != "title" {
			words = append(words, strings.Fields(n.Data)...)
		}
	}
	return strings.Join(words, " ")
}

// holds fails the test for each text that a person does not read on the page.
func (r reply) holds(t testing.TB, texts ...string) { //nolint:thelper // texts are the point
	t.Helper()
	page := r.text()
	for _, text := range texts {
		if !strings.Contains(page, text) {
			t.Errorf("the page does not say %q; it says: %s", text, page)
		}
	}
}
