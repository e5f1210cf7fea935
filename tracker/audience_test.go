package tracker

import (
	"net/http"
	"strings"
	"testing"
)

// audiences says for every route whether anybody may ask or a merchant only.
func audiences() map[string]bool {
	const anybody, merchant = false, true
	return map[string]bool{
		"GET /c/*": anybody, "HEAD /c/*": anybody, "GET /healthz": anybody, "GET /robots.txt": anybody, "GET /problems/:code": anybody,
		"GET /t.js": anybody, "GET /t/:version": anybody, "POST /v1/tag/click": anybody, // it sees for itself who may
		"POST /v1/conversions": merchant, "POST /v1/refunds": merchant,
	}
}

// TestEveryRouteHasItsAudience holds S11 and S28 at the edge: a route that is not in the table fails, and one for merchants
// answers nobody else, whatever they send, and stores nothing of theirs.
func TestEveryRouteHasItsAudience(t *testing.T) {
	t.Parallel()
	e := newEdge(t, nil)
	declared := audiences()
	guess := []byte(e.mine.key)
	guess[len(guess)-1] ^= 1 // another letter or sign, whatever the key ends with
	body := `{"order_id":"A-1","refund_id":"R-1","amount":1,"currency":"GBP"}`
	for _, route := range e.echo.Routes() {
		name := route.Method + " " + route.Path
		merchant, known := declared[name]
		if !known {
			t.Errorf("%s: nobody has said who may ask", name)
		}
		delete(declared, name)
		path := strings.NewReplacer("*", e.mine.link.Code, ":code", "unauthorized").Replace(route.Path)
		for who, headers := range map[string][]string{
			"nobody": nil, "no key": {"Authorization", "Bearer"}, "a guess": {"Authorization", "Bearer " + string(guess)},
			"a password": {"Authorization", "Basic " + e.mine.key}, "a cookie": {"Cookie", "key=" + e.mine.key}, "a bare number": {headerKey, "1"},
		} {
			got := e.ask(t, route.Method, path, strings.NewReader(body), append([]string{"Content-Type", "application/json"}, headers...)...)
			if refused := got.status == http.StatusUnauthorized; refused != merchant {
				t.Errorf("%s by %s: status %d", name, who, got.status)
			}
		}
	}
	for name := range declared {
		t.Errorf("%s is declared and does not exist", name)
	}
	for _, record := range e.records(t) {
		if record.GetClick() == nil {
			t.Errorf("stored: %v", record)
		}
	}
}
