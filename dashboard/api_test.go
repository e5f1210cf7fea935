package dashboard

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"tributary/dashboard/api"
	"tributary/partners"
	"tributary/partners/program"
)

// caller makes a program that sends a new key of a merchant's.
func (w *world) caller(of program.MerchantID, label string, scopes partners.Scope) *client {
	w.t.Helper()
	key, _, err := partners.IssueKey(w.t.Context(), w.owner, of, label, scopes)
	w.must(err)
	c := w.client()
	c.header.Set("Authorization", "Bearer "+key)
	c.header.Set("Content-Type", "application/json")
	return c
}

// A call is a request to the API, and what must come of it: the status, and texts that the answer holds.
type call struct {
	method, path, body string
	status             int
	holds              string
}

func (c *client) calls(t *testing.T, calls map[string]call) {
	t.Helper()
	for name, row := range calls {
		answer := c.do(row.method, row.path, row.body)
		if answer.status != row.status {
			t.Errorf("%s: status %d: %s", name, answer.status, answer.body)
		}
		for text := range strings.SplitSeq(row.holds, " | ") {
			if !strings.Contains(answer.body, text) {
				t.Errorf("%s: no %s in %s", name, text, answer.body)
			}
		}
		if kind := answer.header.Get("Content-Type"); row.status >= 400 && kind != "application/problem+json" {
			t.Errorf("%s: an error of the type %q", name, kind)
		}
	}
}

func TestTheAPIKeepsCoupons(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	shop := w.caller(w.shop, "till", partners.ScopeCoupons)
	of, site := fmt.Sprintf(`"program":"prg_%d"`, w.program), fmt.Sprintf("prt_%d", w.site)

	made := shop.do(http.MethodPost, "/v1/coupons", `{`+of+`,"code":" Slow10 ","partner":"`+site+`","exclusive":true,"until":null,"note":"spring"}`)
	var coupon api.Coupon
	if err := json.Unmarshal([]byte(made.body), &coupon); err != nil || made.status != http.StatusCreated {
		t.Fatalf("status %d: %s: %v", made.status, made.body, err)
	}
	if coupon.Code != "Slow10" || coupon.Partner == nil || *coupon.Partner != site || coupon.State != "to_come" || !strings.HasPrefix(coupon.ID, "cpn_") {
		t.Errorf("added as %+v", coupon)
	}
	w.as("shop@example.net").page("/merchant/coupons").holds(t, "Slow10")
	shop.calls(t, map[string]call{
		"the same again": {"POST", "/v1/coupons", `{` + of + `,"code":"SLOW10","partner":"` + site + `","exclusive":true}`, 200, coupon.ID},
		"one":            {"GET", "/v1/coupons/" + coupon.ID, "", 200, `"note":"spring"`},
		"by its number":  {"GET", "/v1/coupons/" + strings.TrimPrefix(coupon.ID, "cpn_"), "", 200, coupon.ID},
		"a list":         {"GET", "/v1/coupons?state=to_come&partner=" + site, "", 200, `"data":[{ | ` + coupon.ID + ` | "as_of":"`},
		"nobody's":       {"GET", "/v1/coupons?state=ended", "", 200, `"data":[]`},
		"a batch": {
			"POST", "/v1/coupons/batch", `{` + of + `,"coupons":[{"code":"one"},{"code":"slow10"},{"code":"two","from":"soon"},{"code":"x","partner":"cpn_1"}]}`, 200,
			`{"index":0,"status":"added","id":"cpn_ | {"index":1,"status":"refused","errors":[{"field":"code" | {"index":2,"status":"refused","errors":[{"field":"from" | "field":"partner"`,
		},
	})
	shop.calls(t, map[string]call{
		"it ends": {"POST", "/v1/coupons/" + coupon.ID + "/end", `{"leaked_from":"2026-01-01T00:00:00Z","note":"leaked"}`, 200, `"leaked_from":"2026-01-01T00:00:00Z"`},
	})
	shop.calls(t, map[string]call{
		"twice": {"POST", "/v1/coupons/" + coupon.ID + "/end", `{}`, 409, `"code":"coupon_ended"`},
	})
}

func TestTheAPIRefusesWithAReason(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	shop := w.caller(w.shop, "till", partners.ScopeCoupons)
	of := fmt.Sprintf(`"program":%d`, w.program)
	shop.calls(t, map[string]call{
		"no such field": {"POST", "/v1/coupons", `{` + of + `,"cod":"x"}`, 422, `"field":"cod","problem":"there is no such field"`},
		"no code":       {"POST", "/v1/coupons", `{` + of + `}`, 422, `"code":"bad_coupon" | "field":"code"`},
		"no program":    {"POST", "/v1/coupons", `{"code":"x"}`, 422, `"field":"program","problem":"it is missing"`},
		"no true":       {"POST", "/v1/coupons", `{` + of + `,"code":"x","exclusive":"yes"}`, 422, `"field":"exclusive"`},
		"no text":       {"POST", "/v1/coupons", `{` + of + `,"code":7}`, 422, `"field":"code","problem":"it is not text"`},
		"all that is wrong": {
			"POST", "/v1/coupons", `{"program":"cpn_1","code":"","kind":"x","from":"soon","until":"later"}`, 422,
			`"field":"program" | "field":"code" | "field":"kind" | "field":"from" | "field":"until"`,
		},
		"all that does not fit": {"POST", "/v1/coupons", `{` + of + `,"cod":1,"code":7,"exclusive":"yes","note":[]}`, 422, `"field":"cod" | "field":"code" | "field":"exclusive" | "field":"note"`},
		"all of one of a batch": {"POST", "/v1/coupons/batch", `{` + of + `,"coupons":[{"from":"soon","kind":"x"}]}`, 200, `"field":"from" | "field":"code" | "field":"kind"`},
		"both at once": {
			"POST", "/v1/coupons", `{"code":"","program":"x","zz":1,"until":"y","exclusive":"maybe","kind":7}`, 422,
			`"code":"bad_request" | "field":"zz" | "field":"exclusive" | "field":"kind" | "field":"until" | "field":"program" | "field":"code"`,
		},
		"some of a batch": {
			"POST", "/v1/coupons/batch", `{` + of + `,"coupons":[{"zz":1,"code":"a1","from":"y"},7,{"code":"a2"}]}`, 200,
			`{"index":0,"status":"refused","errors":[{"field":"zz" | "field":"from" | {"index":1,"status":"refused","errors":[{"field":"body" | {"index":2,"status":"added"`,
		},
		"a wrong end":       {"POST", "/v1/coupons/cpn_1/end", `{"until":1,"leaked_from":"y"}`, 422, `"field":"until" | "field":"leaked_from"`},
		"several filters":   {"GET", "/v1/coupons?zz=1&state=foo&program=xx", "", 422, `"field":"program" | "field":"state"`},
		"no JSON":           {"POST", "/v1/coupons", `{"code":"x"`, 422, `closed`},
		"a list":            {"POST", "/v1/coupons", `[]`, 400, `"code":"malformed_json"`},
		"an empty batch":    {"POST", "/v1/coupons/batch", `{` + of + `,"coupons":[]}`, 422, `"field":"coupons"`},
		"a large batch":     {"POST", "/v1/coupons/batch", `{` + of + `,"coupons":[` + strings.Repeat(`{"code":"x"},`, 1000) + `{"code":"x"}]}`, 422, `1,001 entries`},
		"a large body":      {"POST", "/v1/coupons/batch", `{"x":"` + strings.Repeat("x", 2<<20) + `"}`, 413, `"code":"body_too_large"`},
		"a filter":          {"GET", "/v1/coupons?stat=ended", "", 422, `"code":"bad_filter" | "field":"stat"`},
		"an id of a filter": {"GET", "/v1/coupons?program=prt_1", "", 422, `"field":"program"`},
		"no coupon":         {"GET", "/v1/coupons/cpn_4711", "", 404, `"code":"unknown_coupon"`},
		"no id":             {"GET", "/v1/coupons/x", "", 404, `"code":"unknown_coupon"`},
		"no address":        {"GET", "/v1/coupon", "", 404, `"code":"unknown_route"`},
	})
	for path, allow := range map[string]string{"/v1/coupons": "GET, POST", "/v1/coupons/batch": "POST", "/v1/coupons/cpn_1": "GET", "/v1/coupons/cpn_1/end": "POST"} {
		answer := shop.do(http.MethodDelete, path, "")
		if answer.status != http.StatusMethodNotAllowed || answer.header.Get("Allow") != allow || !strings.Contains(answer.body, `"code":"wrong_method"`) {
			t.Errorf("DELETE %s: status %d, Allow %q: %s", path, answer.status, answer.header.Get("Allow"), answer.body)
		}
	}
	form := w.caller(w.shop, "form", partners.ScopeCoupons)
	form.header.Set("Content-Type", "application/x-www-form-urlencoded")
	form.calls(t, map[string]call{"a form": {"POST", "/v1/coupons", `code=x`, 415, `"code":"unsupported_type"`}})
}

func TestTheAPIAnswersTheKeysOwnMerchant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	made := w.caller(w.shop, "till", partners.ScopeCoupons).do(http.MethodPost, "/v1/coupons", fmt.Sprintf(`{"program":%d,"code":"mine"}`, w.program))
	var coupon api.Coupon
	if err := json.Unmarshal([]byte(made.body), &coupon); err != nil {
		t.Fatal(err)
	}
	w.caller(w.rival, "till", partners.AllScopes).calls(t, map[string]call{
		"a list":   {"GET", "/v1/coupons", "", 200, `"data":[]`},
		"one":      {"GET", "/v1/coupons/" + coupon.ID, "", 404, "unknown_coupon"},
		"its end":  {"POST", "/v1/coupons/" + coupon.ID + "/end", `{}`, 404, "unknown_coupon"},
		"one more": {"POST", "/v1/coupons", fmt.Sprintf(`{"program":%d,"code":"y"}`, w.program), 404, "unknown_program"},
	})
	w.caller(w.shop, "reporter", partners.Reporting).calls(t, map[string]call{
		"a key for reports": {"GET", "/v1/coupons", "", 403, `"code":"missing_scope" | orders and refunds`},
	})
	revoked, number, err := partners.IssueKey(t.Context(), w.owner, w.shop, "old", partners.AllScopes)
	w.must(err)
	w.must(partners.RevokeKey(t.Context(), w.owner, w.shop, number))
	for name, header := range map[string]string{"no key": "", "no key of ours": "Bearer x", "a key that was revoked": "Bearer " + revoked, "another scheme": "Basic " + revoked} {
		c := w.client()
		if header != "" {
			c.header.Set("Authorization", header)
		}
		c.calls(t, map[string]call{name: {"GET", "/v1/coupons", "", 401, `"code":"unauthorized"`}})
	}
}

func TestTheAPIBoundsTheRateOfAKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	shop := w.caller(w.shop, "till", partners.ScopeCoupons)
	for range 500 {
		if answer := shop.do(http.MethodGet, "/v1/coupons", ""); answer.status == http.StatusTooManyRequests {
			if answer.header.Get("Retry-After") == "" || !strings.Contains(answer.body, "too_many_requests") {
				t.Errorf("refused with %v %s", answer.header, answer.body)
			}
			return
		}
	}
	t.Error("500 requests at once were taken")
}
