package dashboard

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
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
	w.must1(w.owner.Exec(t.Context(), `INSERT INTO dead_letter (consumer, topic, partition, "offset", key, value, error) VALUES ('engine', 'orders', 1, 1, 'k', 'v', 'e')`))
	_, err = access.AddSeat(t.Context(), console, "site@example.net", access.NewSeat{Scope: access.Scope{Merchant: w.shop}, Role: access.Viewer})
	w.must(err)
	w.as("operator@example.net").page("/network/audit").holds(t, "Operator at the console", "Gave a seat", "Changed a password or an e-mail address, or disabled or enabled a log-in", "disabled_at")
	w.as("shop@example.net").page("/merchant/audit").holds(t, "Operator at the console", "Gave a seat")
	for _, sql := range []string{
		`INSERT INTO fx_rate (base, quote, source, day, num, den, effective_from, author) VALUES ('EUR', 'USD', 'ECB', current_date, 11, 10, now() + interval '2 minutes', 'operator')`,
		`INSERT INTO forged_declaration (topic, partition, hash, note) VALUES ('orders', 1, sha256('x'), 'nobody sent it')`,
		`UPDATE dead_letter SET value = 'a secret', note = 'edited'`, `UPDATE dead_letter SET state = 'discarded', note = 'of no use'`,
		`UPDATE login SET email = 'outsider@elsewhere.example' WHERE email = 'outsider@example.net'`,
	} {
		w.must1(console.Exec(t.Context(), sql))
	}
	log := w.as("operator@example.net").page("/network/audit")
	log.holds(t, "Entered an exchange rate", "ECB", "Declared a record forged", "nobody sent it", "Edited, returned or discarded a dead letter", "of no use", "o***@example.net", "o***@elsewhere.example")
	if strings.Contains(log.text(), "a secret") || strings.Contains(log.text(), "outsider@") {
		t.Errorf("the log copies what a record holds, or an address: %s", log.text())
	}
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

// Wrong passwords are noted where their person works, twenty in a day; a change of the seat in the organisation that is entered.
func TestWrongPasswordsAndSeatsAreNoted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.seat("site@example.net", access.Viewer, access.Scope{Merchant: w.shop})
	for _, email := range []string{"site@example.net", "nobody@example.net"} {
		if got := w.client().post("/signin", url.Values{"email": {email}, "password": {"not the password"}}); got.status != http.StatusUnauthorized {
			t.Errorf("%s: status %d", email, got.status)
		}
	}
	site := w.as("site@example.net")
	site.page("/partner/audit").holds(t, "Entered a wrong password", "192.0.2.0/24")
	site.post("/account/seat", url.Values{"to": {number10(int64(w.shopSeat("site@example.net")))}})
	w.as("shop@example.net").page("/merchant/audit").holds(t, "Changed to this organisation", "site@example.net")
	for range 30 {
		w.must(w.access.NoteFailure(t.Context(), access.Actor{}, "site@example.net"))
	}
	var notes, all int
	w.must(w.owner.QueryRow(t.Context(), `SELECT count(*) FILTER (WHERE login_id = (SELECT id FROM login WHERE email = 'site@example.net')), count(*) FROM audit WHERE kind = 'signin_failed'`).Scan(&notes, &all))
	if notes != 20 || all != 20 {
		t.Errorf("%d notes of the person, %d in all", notes, all)
	}
}

// The log is kept for 400 days whatever is asked for, and its end says how much was removed.
func TestOldNotesAreRemovedAndThatIsNoted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must1(w.owner.Exec(t.Context(), `INSERT INTO audit (at, address, request, kind, id, made)
		SELECT now() - interval '1 day' * n, '', 'aged', 'link', n::text, true FROM unnest(ARRAY[399, 401, 500]) n`))
	for _, row := range []struct{ days, left int }{{0, 3}, {399, 3}, {450, 2}, {400, 1}, {400, 1}} {
		w.must(w.access.SweepAudit(t.Context(), row.days))
		var left int
		w.must(w.owner.QueryRow(t.Context(), `SELECT count(*) FROM audit WHERE request = 'aged'`).Scan(&left))
		if left != row.left {
			t.Errorf("%d days: %d are left, want %d", row.days, left, row.left)
		}
	}
	w.as("operator@example.net").page("/network/audit?kind=audit").holds(t, "Removed what was older than the log is kept", "removed", "450")
}

// However long the log is, a page of it is read from the end of an index: all of it, a merchant's or a partner's.
func TestTheLogIsReadByItsIndexes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must1(w.owner.Exec(t.Context(), `INSERT INTO audit (merchant_id, partner_id, address, request, kind, id, made)
		SELECT n % 50 + 100, n % 70 + 100, '', '', 'link', n::text, true FROM generate_series(1, 60000) n`))
	w.must1(w.owner.Exec(t.Context(), `ANALYZE audit`))
	for index, scope := range map[string]access.Scope{"audit_pkey": {Network: true}, "audit_merchant": {Merchant: 120}, "audit_partner": {Partner: 120}} {
		var plan []string
		var rows int
		w.must(w.access.Read(t.Context(), scope, func(tx pgx.Tx) error {
			lines, err := tx.Query(t.Context(), `EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT no, at, email, "of", request FROM scoped_audit WHERE no < 9000000000 ORDER BY no DESC LIMIT 51`)
			if err != nil {
				return err
			}
			plan, err = pgx.CollectRows(lines, pgx.RowTo[string])
			return err
		}))
		_, counted, _ := strings.Cut(plan[0], "rows=")
		_, err := fmt.Sscanf(counted, "%d", &rows)
		w.must(err)
		read := strings.Join(plan, "\n")
		for line := range strings.Lines(read) {
			if strings.Contains(line, "Seq Scan on audit") && !strings.Contains(line, "never executed") || strings.Contains(line, " on audit") && strings.Contains(line, "rows=60") {
				t.Errorf("%s: the log is read as a whole: %s", index, line)
			}
		}
		if rows != 51 || !strings.Contains(read, index) {
			t.Errorf("%s: %d rows by\n%s", index, rows, read)
		}
	}
}
