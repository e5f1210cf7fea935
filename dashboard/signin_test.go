package dashboard

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tributary/dashboard/password"
	"tributary/partners/access"
)

// derived is the hash of a password for the challenge that the database gives for an e-mail address.
func (w *world) derived(email, text string) string {
	w.t.Helper()
	hash, err := password.NewChecker(1, time.Minute).Derive(w.t.Context(), w.challenge(email), text)
	w.must(err)
	return hash
}

func (w *world) challenge(email string) (challenge string) {
	w.t.Helper()
	w.must(w.pool.QueryRow(w.t.Context(), `SELECT challenge FROM signin_challenge($1, '')`, email).Scan(&challenge))
	return challenge
}

// scalar asks, as the dashboard's log-in, for what is one text.
func (w *world) scalar(sql string, args ...any) (text string) {
	w.t.Helper()
	w.must(w.pool.QueryRow(w.t.Context(), `SELECT coalesce((`+sql+`)::text, '')`, args...).Scan(&text))
	return text
}

// An unknown or disabled name has a salt as every other: its own, always the same, at the cost of today's hashes.
func TestChallengesDoNotTellWhoIsKnown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must1(w.owner.Exec(t.Context(), `UPDATE login SET disabled_at = now() WHERE email = 'member@example.net'`))
	hash, err := HashPassword("another password")
	w.must(err)
	cost, seen := hash[:strings.LastIndex(hash[:strings.LastIndex(hash, "$")], "$")+1], map[string]string{}
	w.must1(w.owner.Exec(t.Context(), `UPDATE login SET password_hash = $1 WHERE email = 'shop@example.net'`, hash))
	for _, email := range []string{"site@example.net", "shop@example.net", "member@example.net", "nobody@example.net", "", "'; --", strings.Repeat("x", maxEmail)} {
		got := w.challenge(email)
		if !strings.HasPrefix(got, cost) || len(got) != strings.LastIndex(hash, "$") {
			t.Errorf("%q gets %q, which is unlike %q", email, got, hash)
		}
		if other, ok := seen[got]; ok {
			t.Errorf("%q and %q get %q", email, other, got)
		}
		seen[got] = email
		if again := w.challenge(email); again != got {
			t.Errorf("%q gets %q and then %q", email, got, again)
		}
	}
}

// What the dashboard's log-in can do at most: without a password it starts no session and changes no password.
func TestNothingOpensWithoutAPassword(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const email, token = "site@example.net", `sha256('a token')`
	own, err := HashPassword(thePassword) // all others have one hash
	w.must(err)
	w.must1(w.owner.Exec(t.Context(), `UPDATE login SET password_hash = $2 WHERE email = $1`, email, own))
	seat := w.seatOf(email)
	right, wrong := w.derived(email, thePassword), w.derived(email, "a guess")
	w.must1(w.owner.Exec(t.Context(), `UPDATE login SET disabled_at = now() WHERE email = 'member@example.net'`))
	disabled := w.derived("member@example.net", thePassword)
	mark := w.scalar(`encode(session_open($1, $2, $3, sha256('first'), now() + interval '1 hour'), 'hex')`, email, right, seat)
	if len(mark) != 64 {
		t.Fatalf("with the right hash the mark of the device is %q", mark)
	}
	for _, row := range []struct {
		name, sql string
		args      []any
		want      string
	}{
		{"sign in", `SELECT email FROM signin($1, $2)`, []any{email, right}, email},
		{"sign in with a wrong hash", `SELECT email FROM signin($1, $2)`, []any{email, wrong}, ""},
		{"sign in as another", `SELECT email FROM signin($1, $2)`, []any{"shop@example.net", right}, ""},
		{"sign in while disabled", `SELECT email FROM signin($1, $2)`, []any{"member@example.net", disabled}, ""},
		{"sign in as nobody", `SELECT email FROM signin('', '')`, nil, ""},
		{"open with a wrong hash", `SELECT session_open($1, $2, $3, ` + token + `, now() + interval '1 hour')`, []any{email, wrong, seat}, ""},
		{"open in a seat of another", `SELECT session_open($1, $2, $3, ` + token + `, now() + interval '1 hour')`, []any{email, right, w.seatOf("shop@example.net")}, ""},
		{"take a seat of another", `SELECT session_seat(sha256('first'), $1)`, []any{w.seatOf("shop@example.net")}, "false"},
		{"take a seat without a session", `SELECT session_seat(` + token + `, $1)`, []any{seat}, "false"},
		{"take one's seat", `SELECT session_seat(sha256('first'), $1)`, []any{seat}, "true"},
		{"open while disabled", `SELECT session_open($1, $2, $3, ` + token + `, now() + interval '1 hour')`, []any{"member@example.net", disabled, w.seatOf("member@example.net")}, ""},
		{"find what was not opened", `SELECT email FROM session_find(` + token + `)`, nil, ""},
		{"find what was opened", `SELECT email FROM session_find(sha256('first'))`, nil, email},
		{"list without a session", `SELECT count(*) FROM session_list(` + token + `)`, nil, "0"},
		{"change a password with a wrong hash", `SELECT password_change($1, $2, $3)`, []any{email, wrong, right}, "false"},
		{"a device that is known", `SELECT known FROM signin_challenge($1, decode($2, 'hex'))`, []any{email, mark}, "true"},
		{"a device of another", `SELECT known FROM signin_challenge('shop@example.net', decode($1, 'hex'))`, []any{mark}, "false"},
		{"a device of nobody", `SELECT known FROM signin_challenge('nobody@example.net', decode($1, 'hex'))`, []any{mark}, "false"},
		{"no device", `SELECT known FROM signin_challenge($1, NULL)`, []any{email}, "false"},
		{"change a password", `SELECT password_change($1, $2, $2)`, []any{email, right}, "true"},
	} {
		if got := w.scalar(row.sql, row.args...); got != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}

// A table of one's own stands in for none that the functions read.
func TestSignInReadsNoTemporaryTables(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tx, err := w.pool.Begin(t.Context())
	w.must(err)
	defer tx.Rollback(t.Context())
	w.must1(tx.Exec(t.Context(), `CREATE TEMPORARY TABLE login (id bigint, email text, name text, role text, password_hash text, partner_id bigint, merchant_id bigint, disabled_at timestamptz)`))
	w.must1(tx.Exec(t.Context(), `INSERT INTO pg_temp.login VALUES (1, 'x@example.net', 'X', 'operator', 'x')`))
	w.must1(tx.Exec(t.Context(), `GRANT ALL ON pg_temp.login TO PUBLIC`))
	var found int
	w.must(tx.QueryRow(t.Context(), `SELECT count(*) FROM signin('x@example.net', 'x')`).Scan(&found))
	if found != 0 {
		t.Error("the temporary table was read")
	}
}

// A sign-in with the old password that is under way while the password changes starts no session.
func TestAPasswordChangeEndsSignInsUnderWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const email = "site@example.net"
	old, seat := w.derived(email, thePassword), w.seatOf(email)
	next, err := HashPassword("quite a long sentence")
	w.must(err)
	tx, err := w.pool.Begin(t.Context())
	w.must(err)
	defer tx.Rollback(t.Context())
	w.must1(tx.Exec(t.Context(), `SELECT password_change($1, $2, $3)`, email, old, next))
	opened := make(chan []byte, 1)
	go func() {
		var mark []byte
		if err := w.pool.QueryRow(t.Context(), `SELECT session_open($1, $2, $3, sha256('late'), now() + interval '1 hour')`, email, old, seat).Scan(&mark); err != nil {
			t.Error(err)
		}
		opened <- mark
	}()
	awaitLock(t, w.owner)
	w.must(tx.Commit(t.Context()))
	if mark := <-opened; mark != nil {
		t.Error("a session was started with the old password")
	}
	if hashes, _ := w.sessions(email); len(hashes) != 0 {
		t.Errorf("%d sessions", len(hashes))
	}
}

// awaitLock waits until somebody in this database waits for a lock.
func awaitLock(t *testing.T, db *pgxpool.Pool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for waiting := false; !waiting; {
		err := db.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')`).Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Each tenant sees the merchants and partners it works with, the operator all, and nobody else any.
func TestTenantsSeeTheirOwnMerchantsAndPartners(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, row := range map[string]struct {
		scope access.Scope
		want  string
	}{
		"a partner":         {access.Scope{Partner: w.site}, "Alder & Finch; The Slow Kitchen"},
		"another partner":   {access.Scope{Partner: w.outsid}, "Kestrel Outdoor; Ridge Notes"},
		"a merchant":        {access.Scope{Merchant: w.shop}, "Alder & Finch; Mira Okafor, The Slow Kitchen"},
		"another merchant":  {access.Scope{Merchant: w.rival}, "Kestrel Outdoor; Ridge Notes"},
		"an operator":       {access.Scope{Network: true}, "Alder & Finch, Kestrel Outdoor; Mira Okafor, Ridge Notes, The Slow Kitchen"},
		"an unknown tenant": {access.Scope{Merchant: 99}, "; "},
	} {
		got := ""
		w.must(w.access.Read(t.Context(), row.scope, func(tx pgx.Tx) error {
			return tx.QueryRow(t.Context(), `SELECT coalesce((SELECT string_agg(name, ', ' ORDER BY name) FROM merchant), '') || '; ' ||
				coalesce((SELECT string_agg(name, ', ' ORDER BY name) FROM partner), '')`).Scan(&got)
		}))
		if got != row.want {
			t.Errorf("%s sees %q, want %q", name, got, row.want)
		}
	}
}
