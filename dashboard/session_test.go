package dashboard

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"tributary/dashboard/password"
)

// sessions is what the database holds of a person's sessions.
func (w *world) sessions(email string) (hashes [][]byte, data []string) {
	w.t.Helper()
	rows, err := w.owner.Query(w.t.Context(), `SELECT s.token_hash, convert_from(s.data, 'UTF8') FROM session s JOIN login l ON l.id = s.login_id WHERE l.email = $1`, email)
	w.must(err)
	var hash []byte
	var text string
	_, err = pgx.ForEachRow(rows, []any{&hash, &text}, func() error {
		hashes, data = append(hashes, append([]byte{}, hash...)), append(data, text)
		return nil
	})
	w.must(err)
	return hashes, data
}

func TestASessionTokenThatWasThereBeforeSigningInIsNotUsed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client()
	planted := strings.Repeat("A", 43)
	c.cookies["session"] = &http.Cookie{Name: "session", Value: planted}
	c.get("/signin")
	c.post("/signin", url.Values{"email": {"site@example.net"}, "password": {thePassword}})
	if got := c.cookies["session"].Value; got == planted {
		t.Fatal("the planted token is the session's")
	}
	attacker := w.client()
	attacker.cookies["session"] = &http.Cookie{Name: "session", Value: planted}
	if got := attacker.get("/partner"); got.status != http.StatusSeeOther {
		t.Errorf("the planted token opens the page: status %d", got.status)
	}
}

func TestSigningInAgainGivesANewTokenAndEndsTheOldOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.as("site@example.net")
	old := c.cookies["session"].Value
	c.post("/signin", url.Values{"email": {"member@example.net"}, "password": {thePassword}})
	if c.cookies["session"].Value == old {
		t.Fatal("the token stayed the same")
	}
	thief := w.client()
	thief.cookies["session"] = &http.Cookie{Name: "session", Value: old}
	if got := thief.get("/partner"); got.status != http.StatusSeeOther {
		t.Errorf("the old token still opens the page: status %d", got.status)
	}
}

func TestTheDatabaseHoldsTheTokensHashOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.as("site@example.net")
	token := c.cookies["session"].Value
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) != 32 {
		t.Fatalf("the token has %d bytes of randomness (%v)", len(raw), err)
	}
	hashes, data := w.sessions("site@example.net")
	want := sha256.Sum256([]byte(token))
	if len(hashes) != 1 || string(hashes[0]) != string(want[:]) {
		t.Errorf("hashes %x, want %x", hashes, want)
	}
	if strings.Contains(strings.Join(data, ""), token) {
		t.Error("the session's data holds the token")
	}
	if cookie := c.cookies["session"]; !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.MaxAge != 0 || !cookie.Expires.IsZero() {
		t.Errorf("cookie %+v", cookie)
	}
}

func TestWhatEndsASession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, tc := range []struct {
		name string
		end  func(t *testing.T, c *client, email string)
	}{
		{"signing out", func(_ *testing.T, c *client, _ string) {
			token := *c.cookies["session"]
			c.post("/signout", nil)
			c.cookies["session"] = &token
		}},
		{"signing out everywhere, elsewhere", func(_ *testing.T, _ *client, email string) {
			w.as(email).post("/account/signout", nil)
		}},
		{"the person being disabled", func(t *testing.T, _ *client, email string) {
			t.Helper()
			w.must1(w.owner.Exec(t.Context(), `UPDATE login SET disabled_at = now() WHERE email = $1`, email))
		}},
		{"another password, set by an operator", func(t *testing.T, _ *client, email string) {
			t.Helper()
			hash, err := HashPassword("set by an operator")
			w.must(err)
			w.must1(w.owner.Exec(t.Context(), `UPDATE login SET password_hash = $2 WHERE email = $1`, email, hash))
		}},
		{"time without use", func(t *testing.T, _ *client, email string) {
			t.Helper()
			w.must1(w.owner.Exec(t.Context(), `UPDATE session SET expires_at = now() - interval '1 second' FROM login l WHERE l.id = login_id AND l.email = $1`, email))
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			email := strings.ReplaceAll(strings.ReplaceAll(tc.name, " ", "."), ",", "") + "@example.net"
			w.login(email, "partner", w.site, 0)
			c := w.as(email)
			c.page("/partner")
			tc.end(t, c, email)
			if got := c.get("/partner"); got.status != http.StatusSeeOther {
				t.Errorf("the session goes on: status %d", got.status)
			}
		})
	}
}

func TestChangingThePasswordKeepsThisSessionAndEndsTheOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	here, there := w.as("site@example.net"), w.as("site@example.net")
	for _, tc := range []struct{ old, next, says string }{
		{"wrong", "quite a long sentence", "The current password is not right."},
		{thePassword, "short", "at least 12 characters"},
		{thePassword, thePassword, "not the current one"},
		{thePassword, "qwerty123456", "among the first that anybody would try"},
	} {
		got := here.post("/account/password", url.Values{"old": {tc.old}, "new": {tc.next}})
		if got.status != http.StatusUnprocessableEntity {
			t.Errorf("%+v: status %d", tc, got.status)
		}
		got.holds(t, tc.says)
	}
	there.page("/partner")
	if got := here.post("/account/password", url.Values{"old": {thePassword}, "new": {"quite a long sentence"}}); got.status != http.StatusSeeOther {
		t.Fatalf("status %d: %s", got.status, got.text())
	}
	here.page("/account").holds(t, "The password is changed")
	if got := there.get("/partner"); got.status != http.StatusSeeOther {
		t.Errorf("the other session goes on: status %d", got.status)
	}
	if got := w.client().post("/signin", url.Values{"email": {"site@example.net"}, "password": {thePassword}}); got.status != http.StatusUnauthorized {
		t.Errorf("the old password still signs in: status %d", got.status)
	}
}

// A request that was under way while the session was ended writes the session back; that must not revive it.
func TestARequestUnderWayDoesNotReviveASession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.as("site@example.net")
	c.page("/partner")
	store := &sessionStore{db: w.access}
	hash := sha256.Sum256([]byte(c.cookies["session"].Value))
	token := base64.RawURLEncoding.EncodeToString(hash[:])
	data, found, err := store.FindCtx(t.Context(), token)
	if err != nil || !found {
		t.Fatalf("found %v: %v", found, err)
	}
	c.post("/signout", nil)
	// What the manager does at the end of the other request: it read the session before, and writes it now.
	deadline, values, err := sessionCodec{}.Decode(data)
	w.must(err)
	again, err := sessionCodec{}.Encode(deadline, values)
	w.must(err)
	w.must(store.CommitCtx(t.Context(), token, again, w.now.Add(time.Hour)))
	if _, found, _ := store.FindCtx(t.Context(), token); found {
		t.Error("the session is back")
	}
}

func TestAListThatRefreshesItselfDoesNotKeepTheSessionAwake(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.as("site@example.net")
	c.page("/partner")
	seen := func() (at time.Time) {
		w.must(w.owner.QueryRow(t.Context(), `SELECT s.seen_at FROM session s JOIN login l ON l.id = s.login_id WHERE l.email = 'site@example.net'`).Scan(&at))
		return at
	}
	before := seen()
	c.header.Set("X-Background", "1")
	c.page("/partner/commissions")
	if after := seen(); !after.Equal(before) {
		t.Errorf("seen at %s, then at %s", before, after)
	}
	c.header.Del("X-Background")
	c.page("/partner/commissions")
	if after := seen(); !after.After(before) {
		t.Errorf("a page somebody opened did not count: %s", after)
	}
}

func TestHtmxIsToldToSignInWhenTheSessionIsOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client()
	c.header.Set("Hx-Request", "true")
	got := c.get("/partner/commissions?state=pending")
	if to := got.header.Get("Hx-Redirect"); got.status != http.StatusOK || to != "/signin?next=%2Fpartner%2Fcommissions%3Fstate%3Dpending" {
		t.Errorf("status %d, Hx-Redirect %q", got.status, to)
	}
}

func TestSignInLeadsOnlyToPagesOfThisServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for next, want := range map[string]string{
		"":                         "/partner",
		"/partner/links?x=1":       "/partner/links?x=1",
		"https://evil.example":     "/partner",
		"//evil.example":           "/partner",
		`/\evil.example`:           "/partner",
		"/\t/evil.example":         "/partner",
		"javascript:alert(1)":      "/partner",
		"http:/evil.example":       "/partner",
		"evil":                     "/partner",
		"/ok\r\nSet-Cookie: a=b":   "/partner",
		"https:evil.example/x":     "/partner",
		"//[::1]/":                 "/partner",
		"/%2f/evil.example":        "/%2f/evil.example",
		"/partner//evil.example":   "/partner//evil.example",
		"////evil.example/%2e%2e":  "/partner",
		"\\\\evil.example\\x":      "/partner",
		"/partner/../../@evil.com": "/partner/../../@evil.com",
	} {
		got := w.client().post("/signin", url.Values{"email": {"site@example.net"}, "password": {thePassword}, "next": {next}})
		if to := got.header.Get("Location"); to != want {
			t.Errorf("next %q leads to %q, want %q", next, to, want)
		}
	}
}

func TestAnUnknownAccountReadsLikeAWrongPassword(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wrong := w.client().post("/signin", url.Values{"email": {"site@example.net"}, "password": {"wrong"}})
	unknown := w.client().post("/signin", url.Values{"email": {"nobody@example.net"}, "password": {"wrong"}})
	w.must1(w.owner.Exec(t.Context(), `UPDATE login SET disabled_at = now() WHERE email = 'member@example.net'`))
	disabled := w.client().post("/signin", url.Values{"email": {"member@example.net"}, "password": {thePassword}})
	for name, got := range map[string]reply{"wrong password": wrong, "unknown account": unknown, "disabled account": disabled} {
		if got.status != http.StatusUnauthorized {
			t.Errorf("%s: status %d", name, got.status)
		}
		got.holds(t, "E-mail and password do not match an account.")
	}
	if a, b := strings.ReplaceAll(wrong.text(), "site@", "x@"), strings.ReplaceAll(unknown.text(), "nobody@", "x@"); a != b {
		t.Errorf("the answers differ: %q and %q", a, b)
	}
}

// Nobody is kept out by somebody else's guesses: neither a known device nor, while guesses come from few networks, a new one.
func TestGuessesKeepNobodyElseOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	now := w.now
	w.server.now = func() time.Time { return now }
	device := w.as("site@example.net").cookies["device"]
	try := func(from, password string, cookie *http.Cookie) reply {
		c := w.client()
		c.addr = from
		if cookie != nil {
			c.cookies["device"] = cookie
		}
		return c.post("/signin", url.Values{"email": {"site@example.net"}, "password": {password}})
	}
	for i := range triesPerNetwork {
		if got := try("198.51.100."+number10(int64(i))+":1", "a guess", nil); got.status != http.StatusUnauthorized {
			t.Fatalf("guess %d: status %d", i, got.status)
		}
	}
	got := try("198.51.100.99:1", thePassword, nil)
	if got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") == "" {
		t.Errorf("from the guesser's network: status %d, Retry-After %q", got.status, got.header.Get("Retry-After"))
	}
	got.holds(t, "Please wait", "nothing is locked for good")
	for from, cookie := range map[string]*http.Cookie{"203.0.113.1:1": nil, "[2001:db8::1]:1": nil, "198.51.100.1:1": device} {
		if got := try(from, thePassword, cookie); got.status != http.StatusSeeOther {
			t.Errorf("the owner at %s: status %d", from, got.status)
		}
	}
	now = now.Add(triesEvery/triesPerNetwork + time.Second)
	if got := try("198.51.100.99:1", thePassword, nil); got.status != http.StatusSeeOther {
		t.Errorf("after a while: status %d", got.status)
	}
}

func TestAKnownDeviceIsNotHeldByItsAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	now := w.now
	w.server.now = func() time.Time { return now }
	owner := w.as("site@example.net")
	for i := range triesPerAddress {
		w.server.tries.take(now, budgets(number10(int64(i))+"@example.net", "192.0.2.1", false))
	}
	form := url.Values{"email": {"site@example.net"}, "password": {thePassword}}
	if got := w.client().post("/signin", form); got.status != http.StatusTooManyRequests {
		t.Errorf("a new device: status %d", got.status)
	}
	device := w.client()
	device.cookies["device"] = owner.cookies["device"]
	if got := device.post("/signin", form); got.status != http.StatusSeeOther {
		t.Errorf("a known device: status %d", got.status)
	}
	delete(owner.cookies, "device") // the session says as much
	if got := owner.post("/account/password", url.Values{"old": {thePassword}, "new": {"quite a long sentence"}}); got.status != http.StatusSeeOther {
		t.Errorf("changing the password: status %d", got.status)
	}
}

// The bound of what strangers may do together: at one account, from one network, from one address.
func TestTriesLetThroughWhatTheirLimitsSay(t *testing.T) {
	t.Parallel()
	// 100,000 tries within an hour from 500 networks at 100 accounts.
	tr := newTries()
	start := time.Now()
	accounts, pairs, addresses := map[string]int{}, map[string]int{}, map[string]int{}
	for i := range 100_000 {
		account, address := number10(int64(i%100)), fmt.Sprintf("10.%d.%d.1", i/100%500/250, i/100%250)
		if _, ok := tr.take(start.Add(time.Duration(i)*time.Hour/100_000), budgets(account, address, false)); ok {
			accounts[account]++
			pairs[account+address]++
			addresses[address]++
		}
	}
	for name, tc := range map[string]struct {
		got   map[string]int
		limit int
	}{"account": {accounts, triesPerAccount}, "network": {pairs, triesPerNetwork}, "address": {addresses, triesPerAddress}} {
		for of, n := range tc.got {
			if n > 2*tc.limit {
				t.Errorf("%d tries by %s %s in an hour", n, name, of)
			}
		}
	}
	if _, ok := tr.take(start.Add(24*time.Hour), budgets("1", "10.0.1.1", false)); !ok {
		t.Error("tries do not come back")
	}
}

// 20 networks are what it takes to use an account up for a stranger; a known device is not concerned.
func TestAnAccountTakesAHundredGuessesOfStrangers(t *testing.T) {
	t.Parallel()
	tr, now, n := newTries(), time.Now(), 0
	for i := range 1000 {
		if _, ok := tr.take(now, budgets("a@example.net", fmt.Sprintf("10.0.%d.1", i%250), false)); ok {
			n++
		}
		if want := i < 95; want {
			if _, ok := tr.take(now, budgets("b@example.net", fmt.Sprintf("10.0.%d.1", i%19), false)); !ok {
				t.Fatalf("guess %d of 19 networks is refused", i)
			}
		}
	}
	if n != triesPerAccount {
		t.Errorf("%d guesses, want %d", n, triesPerAccount)
	}
	if wait, ok := tr.take(now, budgets("a@example.net", "2001:db8::1", false)); ok || wait > 36*time.Second {
		t.Errorf("a stranger waits %s", wait)
	}
	for _, free := range [][]budget{budgets("a@example.net", "10.0.1.1", true), budgets("b@example.net", "2001:db8::1", false)} {
		if _, ok := tr.take(now, free); !ok {
			t.Error("somebody is kept out by others")
		}
	}
}

func TestOneAddressCannotTryManyAccounts(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, tc := range map[string]struct {
		address func(i int) string
		want    int
	}{
		"one IPv4 address": {func(int) string { return "192.0.2.1" }, triesPerAddress},
		"one /64":          {func(i int) string { return fmt.Sprintf("2001:db8:0:1::%x", i) }, triesPerAddress},
		"one /56":          {func(i int) string { return fmt.Sprintf("2001:db8:0:%x::1", i%200) }, 2 * triesPerAddress},
		"one /48":          {func(i int) string { return fmt.Sprintf("2001:db8:0:%x::1", i*256) }, 4 * triesPerAddress},
	} {
		tr, n := newTries(), 0
		for i := range 250 {
			from := budgets(number10(int64(i)), tc.address(i), false)
			if _, ok := tr.take(now, from); ok {
				n++
				// Success with an account of one's own gives one try back, not all of them.
				if i == 10 {
					tr.succeeded(from)
				}
			}
		}
		if n != tc.want+1 {
			t.Errorf("%s: %d tries, want %d", name, n, tc.want+1)
		}
	}
}

func TestAddressesAreToldApartByWhatOneCustomerHas(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "::ffff:192.0.2.7": "192.0.2.7", "2001:db8:1:2:3::4": "2001:db8:1:2::/64", "2001:db8:1:2:ffff::": "2001:db8:1:2::/64",
		"fe80::1%eth0": "fe80::/64", "": "unknown", "nonsense": "unknown",
	} {
		if got := network(address); got != want {
			t.Errorf("%q: %q, want %q", address, got, want)
		}
	}
}

func TestALongNameIsRefusedBeforeAnything(t *testing.T) {
	t.Parallel()
	w := emptyWorld(t)
	w.pool.Close() // nobody is looked for
	got := w.client().post("/signin", url.Values{"email": {strings.Repeat("x", 255)}, "password": {"a guess"}})
	if got.status != http.StatusUnprocessableEntity || w.server.tries.buckets.Len() != 0 || strings.Contains(got.body, "xxx") {
		t.Errorf("status %d, %d budgets", got.status, w.server.tries.buckets.Len())
	}
	got.holds(t, "at most 254 characters")
	if got := w.client().post("/signin", url.Values{"email": {strings.Repeat("x", 254)}, "password": {"a guess"}}); got.status != http.StatusServiceUnavailable {
		t.Errorf("254 bytes: status %d", got.status)
	}
}

// Where strangers fill the queue, each is told so at once and loses no try; owners have a queue of their own, and the log
// stays readable.
func TestAFullQueueIsSaidAtOnceAndToStrangersOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	owner := w.as("site@example.net")
	var log bytes.Buffer
	w.server.cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	w.server.checker = password.NewChecker(0, time.Minute) // no turn ever comes
	form := url.Values{"email": {"site@example.net"}, "password": {thePassword}}
	for range triesPerNetwork + 1 {
		got := w.client().post("/signin", form)
		if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
			t.Fatalf("status %d, Retry-After %q", got.status, got.header.Get("Retry-After"))
		}
		got.holds(t, "Too many people are signing in")
	}
	device := w.client()
	device.cookies["device"] = owner.cookies["device"]
	if got := device.post("/signin", form); got.status != http.StatusSeeOther {
		t.Errorf("the owner on a known device: status %d", got.status)
	}
	if n := testutil.ToFloat64(w.server.entered.WithLabelValues("busy")); n != triesPerNetwork+1 || log.Len() > 0 {
		t.Errorf("%g are counted; the log says %s", n, log.String())
	}
}
