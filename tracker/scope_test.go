package tracker

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/postgres"
	"tributary/partners"
	"tributary/partners/program"
)

// TestAKeyReportsWhatItMay is the matrix of S18: each form of key, each choice of scopes, each route.
func TestAKeyReportsWhatItMay(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	stored := 0
	for _, scopes := range []partners.Scope{partners.ScopeOrders, partners.ScopeRefunds, partners.Reporting} {
		key, _, err := partners.IssueKey(t.Context(), e.db, e.mine.merchant, "", scopes)
		must(t, err)
		var secret string
		var signer program.KeyID
		must(t, postgres.InTx(t.Context(), e.db, func(tx pgx.Tx) (err error) {
			secret, signer, err = partners.IssueSigner(t.Context(), tx, e.mine.merchant, "", scopes)
			return err
		}))
		must(t, e.catalogue.Refresh(t.Context(), e.db))
		for _, route := range []struct {
			path, body string
			scope      partners.Scope
		}{
			{"/v1/conversions", fmt.Sprintf(`{"order_id":"A-%d","amount":100,"currency":"GBP"}`, scopes), partners.ScopeOrders},
			{"/v1/refunds", fmt.Sprintf(`{"order_id":"A-%d","refund_id":"R","whole_order":true}`, scopes), partners.ScopeRefunds},
		} {
			for form, headers := range map[string][]string{
				"sent":  {"Content-Type", "application/json", "Authorization", "Bearer " + key},
				"signs": signWith(secret, signer, "m", time.Now(), route.body),
			} {
				got := e.ask(t, http.MethodPost, route.path, strings.NewReader(route.body), headers...)
				want, code := http.StatusOK, ""
				if scopes&route.scope == 0 {
					want, code = http.StatusForbidden, "missing_scope"
				} else {
					stored++
				}
				if got.status != want || !strings.Contains(got.body, code) {
					t.Errorf("a key for %s that is %s, %s: %d %s", scopes, form, route.path, got.status, got.body)
				}
			}
		}
	}
	if n := len(e.records(t)); n != stored {
		t.Errorf("%d records, want %d", n, stored)
	}
}

func TestWhenAKeyWasLastUsedIsWrittenDown(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	used := func(key program.KeyID) (at time.Time) {
		t.Helper()
		var found *time.Time
		must(t, e.db.QueryRow(t.Context(), `SELECT max(used_at) FROM key_use WHERE key_id = $1`, key).Scan(&found))
		if found != nil {
			at = *found
		}
		return at
	}
	const body = `{"order_id":"A","amount":100,"currency":"GBP"}`
	headers := func(key string) []string {
		return []string{"Content-Type", "application/json", "Authorization", "Bearer " + key}
	}
	before := time.Now().Truncate(time.Second)
	e.ask(t, http.MethodPost, "/v1/conversions", strings.NewReader(body), headers(e.mine.key)...)
	e.ask(t, http.MethodPost, "/v1/conversions", strings.NewReader(body), headers(e.mine.key[:56]+"x")...)
	must(t, e.uses.tell(t.Context(), e.db))
	first := used(e.mine.keyID)
	if first.Before(before) || first.After(time.Now()) {
		t.Errorf("used at %s, want %s or a moment later", first, before)
	}
	if at := used(e.theirs.keyID); !at.IsZero() {
		t.Errorf("a key that nobody used was used at %s", at)
	}
	// Another tracker knows of an earlier use, of a later one, and of a key that PostgreSQL has lost since.
	var other uses
	for _, row := range []struct {
		at   time.Time
		want time.Time
	}{{first.Add(-time.Hour), first}, {first.Add(time.Hour), first.Add(time.Hour)}} {
		other.note(e.mine.keyID, row.at)
		other.note(1<<40, row.at)
		must(t, other.tell(t.Context(), e.db))
		if got := used(e.mine.keyID); !got.Equal(row.want) {
			t.Errorf("used at %s, want %s", got, row.want)
		}
	}
}
