package engine

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"tributary/commission"
)

// TestOrdersWithoutAClickKeyAreKnownInEveryForm stores the records of all forms, and compares what the table says with what
// the record does.
func TestOrdersWithoutAClickKeyAreKnownInEveryForm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	files, err := filepath.Glob("../testdata/records/*/*.json")
	check(t, err)
	keyless := func(record []byte) (is bool) {
		check(t, w.db.QueryRow(t.Context(), `INSERT INTO orders (no, merchant_id, order_id, lane, version, outcome, decision)
			SELECT n, 1, n::text, 0, 1, 'x', $1::json FROM nextval('order_no') n RETURNING keyless`, string(record)).Scan(&is))
		return is
	}
	found := 0
	for _, file := range files {
		record, err := os.ReadFile(file)
		check(t, err)
		d, err := commission.UnmarshalRecord(bytes.TrimSpace(record))
		check(t, err)
		want := len(d.Keyless()) > 0
		if want {
			found++
		}
		equal(t, file, keyless(record), want)
	}
	if found == 0 {
		t.Errorf("none of %d records is without a click key", len(files))
	}
	// The words count where the record has them, not where a shop sends them.
	d := commission.Decision{Outcome: commission.NoClick, Touches: []commission.Touch{
		{Kind: commission.TouchCoupon, ID: `"reason":"unknown_click_key"`, Reason: commission.CouponNotCredited},
	}}
	equal(t, "a coupon of these words", keyless(d.AppendJSON(nil)), false)
}

// TestAnyTouchWithoutItsKeyIsReconsidered has a credited order whose record names a second click, of a key that was missing.
func TestAnyTouchWithoutItsKeyIsReconsidered(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 1)
	w.send(sale(1, "A1", w.click(), 10_000), sale(1, "A2", w.click(), 10_000), sale(1, "A3", "unknown_click_key", 10_000))
	l := w.laneHeld(New(w.config("one")), 0)
	_, err := l.apply(t.Context(), w.facts(0))
	check(t, err)
	for order, click := range map[string]string{"A1": w.click(), "A2": "unknown_click_key"} {
		w.exec(`UPDATE orders SET decision = replace(decision::text, '"touches":[', '"touches":[{"kind":"coupon","id":"c","reason":"coupon_not_credited"},{"kind":"click","id":"' || $2 ||
			'","reason":"unknown_click_key"},')::json WHERE order_id = $1`, order, click)
	}
	equal(t, "orders without a key", w.number(`SELECT count(*) FROM orders WHERE keyless`), 3)
	more, err := l.reconsider(t.Context())
	check(t, err)
	equal(t, "more", more, false)
	_, err = l.decideNudged(t.Context())
	check(t, err)
	equal(t, "nudges left", w.number(`SELECT count(*) FROM nudge`), 0)
	equal(t, "decided again", w.number(`SELECT count(*) FROM orders WHERE version = 2 AND order_id = 'A1' AND NOT keyless`), 1)
	equal(t, "still without a key", w.number(`SELECT count(*) FROM orders WHERE version = 1 AND keyless AND order_id IN ('A2', 'A3')`), 2)
}
