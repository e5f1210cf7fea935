package dashboard

import (
	"testing"

	"tributary/partners"
	"tributary/partners/program"
)

// refuse writes refusals of a merchant's requests into the log, as a tracker does: of every third the order is known.
func (w *world) refuse(merchant program.MerchantID, n int) {
	w.t.Helper()
	w.must1(w.owner.Exec(w.t.Context(), `INSERT INTO refusal (merchant_id, at, route, code, field, order_id, origin, key_id, times)
		SELECT $1::bigint, now() - i * interval '1 minute', (ARRAY['/v1/conversions', '/v1/refunds'])[1 + i % 2], (ARRAY['invalid_conversion', 'missing_scope', 'revoked_key'])[1 + i % 3],
			CASE i % 3 WHEN 0 THEN 'lines[0].amount' ELSE '' END, CASE i % 3 WHEN 0 THEN 'no-' || $1::bigint || '-' || i ELSE '' END, '', 0, 1 + i
		FROM generate_series(0, $2 - 1) i`, merchant, n))
}

func TestTheLogOfRefusalsNarrows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.as("shop@example.net")
	c.page("/merchant/refusals").holds(t, "Nothing was refused")
	w.refuse(w.shop, 6)
	w.refuse(w.rival, 1)
	_, key, err := partners.IssueKey(t.Context(), w.owner, w.shop, "till 4", partners.Reporting)
	w.must(err)
	w.must1(w.owner.Exec(t.Context(), `INSERT INTO refusal (merchant_id, at, route, code, field, order_id, origin, key_id, times)
		VALUES ($1, now() - interval '3 days', '/v1/conversions', 'malformed_json', 'body', '', '', $2, 4)`, w.shop, key))
	for query, want := range map[string]int{
		"": 7, "code=invalid_conversion": 2, "code=revoked_key": 2, "route=/v1/refunds": 3, "q=NO-": 2, "q=nothing": 0,
		"to=" + w.now.Add(-2*aDay).Format("2006-01-02"): 1,
	} {
		if records := c.page("/merchant/refusals.csv?" + query).records(t); len(records) != want+1 {
			t.Errorf("%q: the file has %d rows, want %d", query, len(records)-1, want)
		}
	}
	c.page("/merchant/refusals").holds(t, "21 requests were refused within the last 24 hours", "lines[0].amount", "carries a key that was revoked",
		"key "+number10(int64(key))+" till 4", "The body is not a JSON object")
	c.page("/merchant/developers").holds(t, "21 requests were refused within the last 24 hours")
	w.as("rival@example.net").page("/merchant/refusals").holds(t, "1 request was refused")
}
