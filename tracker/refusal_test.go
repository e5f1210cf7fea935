package tracker

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/internal/fault"
	"tributary/partners"
)

// Each way in which a report is refused is one line of its merchant's log, without what it said.
func TestWhatIsRefusedIsLogged(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	orders, ordersID, err := partners.IssueKey(t.Context(), e.db, e.mine.merchant, "", partners.ScopeOrders)
	must(t, err)
	revoked, revokedID, err := partners.IssueKey(t.Context(), e.db, e.theirs.merchant, "", partners.Reporting)
	must(t, err)
	must(t, partners.RevokeKey(t.Context(), e.db, e.theirs.merchant, revokedID))
	must(t, e.catalogue.Refresh(t.Context(), e.db))
	bearer := func(key string) []string {
		return []string{"Content-Type", "application/json", "Authorization", "Bearer " + key}
	}
	for _, sent := range []struct {
		path, body string
		headers    []string
		times      int
	}{
		{"/v1/conversions", `{"order_id":"A-1","amount":-5,"currency":"GBP","customer_id":"secret"}`, bearer(e.mine.key), 3},
		{"/v1/conversions", `{"order_id":"A-2",`, bearer(e.mine.key), 1},
		{"/v1/conversions?key=secret", `{}`, bearer(e.mine.key), 1},
		{"/v1/refunds", `{"order_id":"A-3","refund_id":"R","whole_order":true}`, bearer(orders), 1},
		{"/v1/conversions", `{"order_id":"A-4","amount":5,"currency":"EUR"}`, bearer(revoked), 2},
		{"/v1/conversions", `{"order_id":"A-5","amount":5,"currency":"GBP"}`, signWith("whsec_c2VjcmV0", e.mine.signer, "m", time.Now(), ""), 1}, // anybody's
		{"/v1/conversions", `{"order_id":"A-6","amount":5,"currency":"GBP"}`, bearer(e.mine.key[:56] + "x"), 1},                                  // nobody's
		{"/v1/conversions", `{"order_id":"A-7","amount":5,"currency":"GBP"}`, bearer(e.mine.key), 1},                                             // stored
	} {
		for range sent.times {
			e.ask(t, http.MethodPost, sent.path, strings.NewReader(sent.body), sent.headers...)
		}
	}
	must(t, e.refusals.tell(t.Context(), e.db, time.Now()))
	want := []string{
		fmt.Sprintf("%d /v1/conversions invalid_conversion amount A-1 %d 3", e.mine.merchant, e.mine.keyID),
		fmt.Sprintf("%d /v1/conversions malformed_json body  %d 1", e.mine.merchant, e.mine.keyID),
		fmt.Sprintf("%d /v1/conversions revoked_key   %d 2", e.theirs.merchant, revokedID),
		fmt.Sprintf("%d /v1/conversions unexpected_query   %d 1", e.mine.merchant, e.mine.keyID),
		fmt.Sprintf("%d /v1/refunds missing_scope   %d 1", e.mine.merchant, ordersID),
	}
	slices.Sort(want)
	if got := e.logged(t); !slices.Equal(got, want) {
		t.Errorf("the log has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// logged is every line of the log.
func (e *edge) logged(t *testing.T) []string {
	t.Helper()
	rows, err := e.db.Query(t.Context(), `SELECT concat_ws(' ', merchant_id, route, code, field, order_id, nullif(origin, ''), key_id, times) FROM refusal`)
	must(t, err)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must(t, err)
	slices.Sort(lines)
	return lines
}

// Of one merchant a thousand a minute are told apart. The rest is counted, and nothing is lost while PostgreSQL is away.
func TestTheLogOfRefusalsIsBounded(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	at := time.Now().Truncate(time.Minute)
	wrong := fault.Of(fault.Coded(fault.Invalid, "invalid_conversion", nil))
	for i := range 3 * merchantRefusals {
		e.refusals.note("/v1/conversions", &attempt{merchant: e.mine.merchant, order: fmt.Sprint("A-", i)}, wrong, at)
	}
	e.refusals.note("/v1/conversions", &attempt{merchant: e.theirs.merchant, order: "B"}, wrong, at)
	e.refusals.note("/v1/conversions", &attempt{merchant: e.mine.merchant, order: "next"}, wrong, at.Add(time.Minute))
	e.refusals.note("/v1/conversions", &attempt{merchant: e.mine.merchant}, fault.Of(nil), at)
	e.refusals.note("/v1/conversions", &attempt{}, wrong, at)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := e.refusals.tell(gone, e.db, at); err == nil {
		t.Fatal("nobody writes without a database")
	}
	must(t, e.refusals.tell(t.Context(), e.db, at))
	var lines, times, of int64
	must(t, e.db.QueryRow(t.Context(), `SELECT count(*), sum(times), max(times) FROM refusal`).Scan(&lines, &times, &of))
	if lines != merchantRefusals+3 || times != 3*merchantRefusals+2 || of != 2*merchantRefusals {
		t.Errorf("%d lines of %d refusals, %d of them in one", lines, times, of)
	}
	_, err := e.db.Exec(t.Context(), `INSERT INTO refusal (merchant_id, at, route, code, field, order_id, origin, key_id, times)
		SELECT $1, $2, '/v1/refunds', 'x', '', '', '', 0, 1 FROM generate_series(1, $3)`, e.mine.merchant, at, keptRefusals-1)
	must(t, err)
	e.refusals.note("/v1/conversions", &attempt{merchant: e.mine.merchant, order: "last"}, wrong, at)
	must(t, e.refusals.tell(t.Context(), e.db, at))
	var others int64
	must(t, e.db.QueryRow(t.Context(), `SELECT count(*), count(*) FILTER (WHERE order_id = 'last'), (SELECT count(*) FROM refusal WHERE merchant_id = $2) FROM refusal WHERE merchant_id = $1`,
		e.mine.merchant, e.theirs.merchant).Scan(&lines, &of, &others))
	if lines != keptRefusals || of != 1 || others != 1 {
		t.Errorf("%d lines of a merchant, %d of them the last, and %d of another", lines, of, others)
	}
	must(t, e.refusals.tell(t.Context(), e.db, at.Add(refusalsKept+2*time.Hour)))
	if left := e.logged(t); len(left) != 0 {
		t.Errorf("after 30 days the log has %v", left)
	}
}
