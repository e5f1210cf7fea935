package proxy_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"tributary/internal/proxy"
)

// TestNobodyChoosesTheirOwnAddress holds S26.
func TestNobodyChoosesTheirOwnAddress(t *testing.T) {
	t.Parallel()
	proxies := proxy.Trusted{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	for _, row := range []struct {
		name    string
		trusted proxy.Trusted
		peer    string
		headers []string
		want    string
	}{
		{"nobody is trusted", nil, "198.51.100.1:9", []string{"203.0.113.1"}, "198.51.100.1"},
		{"nobody is trusted, loopback neither", nil, "127.0.0.1:9", []string{"203.0.113.1"}, "127.0.0.1"},
		{"the peer is not a proxy", proxies, "198.51.100.1:9", []string{"203.0.113.1"}, "198.51.100.1"},
		{"one proxy", proxies, "10.0.0.1:9", []string{"203.0.113.1"}, "203.0.113.1"},
		{"one proxy, and a forged entry in front", proxies, "10.0.0.1:9", []string{"1.2.3.4, 203.0.113.1"}, "203.0.113.1"},
		{"two proxies", proxies, "10.0.0.1:9", []string{"1.2.3.4, 203.0.113.1, 10.0.0.2"}, "203.0.113.1"},
		{"two header lines", proxies, "10.0.0.1:9", []string{"1.2.3.4", "203.0.113.1"}, "203.0.113.1"},
		{"a proxy that says nothing", proxies, "10.0.0.1:9", nil, "10.0.0.1"},
		{"an entry that is no address", proxies, "10.0.0.1:9", []string{"203.0.113.1, unknown"}, "10.0.0.1"},
		{"an entry that is no address further left", proxies, "10.0.0.1:9", []string{"junk, 203.0.113.1"}, "203.0.113.1"},
		{"only proxies", proxies, "10.0.0.1:9", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"entries with ports", proxies, "10.0.0.1:9", []string{"203.0.113.1:5060, [2001:db8::7]:1"}, "203.0.113.1"},
		{"an IPv6 visitor", proxies, "[2001:db8::1]:9", []string{"2a00::5"}, "2a00::5"},
		{"an IPv4 address in IPv6", proxies, "[::ffff:10.0.0.1]:9", []string{"::ffff:203.0.113.1"}, "203.0.113.1"},
		{"a zone", nil, "[fe80::1%eth0]:9", nil, "fe80::1"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.RemoteAddr = row.peer
		r.Header["X-Forwarded-For"] = row.headers
		r.Header.Set("X-Real-IP", "6.6.6.6")
		if got := row.trusted.Client(r); got.String() != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
	}
}
