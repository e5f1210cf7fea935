package dashboard

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/internal/postgres"
	"tributary/partners/access"
	"tributary/test/engines"
)

// What people do on pages is noted with who they are; another organisation sees that it was done, and no name.
func TestWhatPeopleDoIsInTheLogsOfThoseItConcerns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	site, shop, operator := w.as("site@example.net"), w.as("shop@example.net"), w.as("operator@example.net")
	site.post("/partner/links", url.Values{"program": {number10(int64(w.program))}, "code": {"noted-link"}, "label": {"ours alone"}})
	key := regexp.MustCompile(`tk_live_[0-9A-Za-z]{49}`).FindString(shop.post("/merchant/keys", url.Values{"label": {"till"}}).body)
	shop.post("/merchant/keys/1/revoke", nil)
	site.post("/account/password", url.Values{"old": {thePassword}, "new": {"quite another sentence"}})
	partners, merchants, all := site.page("/partner/audit"), shop.page("/merchant/audit"), operator.page("/network/audit")
	partners.holds(t, "Made a link", "noted-link", "Signed in", "Changed a password", "site@example.net", "192.0.2.0/24")
	merchants.holds(t, "Made a link", "The Slow Kitchen", "Issued an API key", "Revoked an API key", "shop@example.net", "till")
	all.holds(t, "Made a link", "noted-link", "Issued an API key", "site@example.net", "shop@example.net", "operator@example.net", "Network")
	if strings.Contains(partners.text(), "shop@example.net") {
		t.Error("a partner reads who works for a merchant")
	}
	for text, page := range map[string]reply{"ours alone": merchants, "site@example.net": merchants, "operator@example.net": merchants} {
		if strings.Contains(page.text(), text) {
			t.Errorf("a log of another organisation says %q", text)
		}
	}
	if got := w.as("outsider@example.net").page("/partner/audit").text(); strings.Contains(got, "noted-link") || strings.Contains(got, "Slow") {
		t.Errorf("another partner reads %s", got)
	}
	var dump string
	w.must(w.owner.QueryRow(t.Context(), `SELECT string_agg(t::text, E'\n') FROM audit t`).Scan(&dump))
	for _, secret := range []string{key, "argon2id", "\\x", thePassword} {
		if key == "" || strings.Contains(dump, secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
	if got := operator.page("/network/audit?kind=key&q=alder").text(); !strings.Contains(got, "Issued an API key") || strings.Contains(got, "noted-link") {
		t.Errorf("the narrowed log says %s", got)
	}
	if got := operator.page("/network/audit.csv").body; strings.Count(got, "\n") < 9 || !strings.Contains(got, `"site@example.net"`) {
		t.Errorf("the file is %s", got)
	}
}

// At the console there is no log-in: the note says so. It stands whatever happens, and cannot be changed.
func TestTheConsoleIsInTheLogAndTheLogStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	console, err := pgxpool.New(t.Context(), engines.As(w.owner.Config().ConnString(), postgres.Operator))
	w.must(err)
	defer console.Close()
	w.must(access.Disable(t.Context(), console, "member@example.net"))
	_, err = access.AddSeat(t.Context(), console, "site@example.net", access.NewSeat{Scope: access.Scope{Merchant: w.shop}, Role: access.Viewer})
	w.must(err)
	w.as("operator@example.net").page("/network/audit").holds(t, "Operator at the console", "Gave a seat", "Changed a password, or disabled or enabled a log-in", "disabled_at")
	w.as("shop@example.net").page("/merchant/audit").holds(t, "Operator at the console", "Gave a seat")
	for _, sql := range []string{`UPDATE audit SET address = ''`, `DELETE FROM audit`, `TRUNCATE audit`} {
		if _, err := w.owner.Exec(t.Context(), sql); err == nil {
			t.Errorf("%s is taken", sql)
		}
	}
}

// What is refused leaves no note, and what the stages write is none of it.
func TestOnlyWhatWasDoneIsNoted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.as("site@example.net")
	before := w.contents()["audit"]
	if got := c.post("/partner/links", url.Values{"program": {number10(int64(w.other))}}); got.status != http.StatusNotFound {
		t.Errorf("status %d", got.status)
	}
	w.order(sale{id: "A-1", link: w.link})
	w.newLink(w.program, w.member, "by-the-owner", "")
	if w.contents()["audit"] != before {
		t.Error("the log has another note")
	}
	w.must(w.access.CloseLink(t.Context(), access.Scope{Partner: w.site}, w.link.ID))
	if w.contents()["audit"] == before {
		t.Error("the log has no note of what was done")
	}
}
