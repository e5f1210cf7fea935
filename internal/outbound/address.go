package outbound

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
)

// unicast is where IPv6 addresses of the public internet are. What else there is embeds an address of IPv4 (NAT64, mapped), or is
// local: loopback, link-local, fc00::/7, multicast.
var unicast = netip.MustParsePrefix("2000::/3") //nolint:gochecknoglobals // a constant

// special are the blocks of IANA's registries of special addresses that no server of others' is in.
var special = prefixes( //nolint:gochecknoglobals // a table
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
	"192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"2001::/23",     // protocols, of which 2001::/32 is Teredo
	"2001:db8::/32", // documentation
	"2002::/16",     // 6to4
	"3fff::/20",     // documentation
)

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, t := range texts {
		list[i] = netip.MustParsePrefix(t)
	}
	return list
}

// Public reports whether an address is one of the public internet, and names no other address inside.
func Public(a netip.Addr) bool {
	if !a.IsValid() || a.Is4In6() || a.Zone() != "" || a.Is6() && !unicast.Contains(a) {
		return false
	}
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// publicOnly is a net.Dialer's Control: it sees the address that is about to be connected to, whatever a name meant before.
func publicOnly(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !Public(at.Addr()) {
		return fmt.Errorf("%w: %s is not public", ErrRefused, address)
	}
	return nil
}

// An Origin is a scheme, a host and a port, such as "http://shop.internal:8080".
type Origin string

// ParseOrigins reads a list of origins that are separated by commas.
func ParseOrigins(list string) ([]Origin, error) {
	var origins []Origin
	for text := range strings.SplitSeq(list, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		u, err := url.Parse(text)
		if err != nil || originOf(u) == "" || u.User != nil || strings.TrimSuffix(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
			return nil, fmt.Errorf("%q is not an origin such as http://shop.internal:8080", text)
		}
		origins = append(origins, originOf(u))
	}
	return origins, nil
}

// originOf is where an address begins; empty for one that is not of the web.
func originOf(u *url.URL) Origin {
	port := u.Port()
	switch {
	case u.Hostname() == "":
		return ""
	case u.Scheme == "https" && port == "":
		port = "443"
	case u.Scheme == "http" && port == "":
		port = "80"
	case u.Scheme != "https" && u.Scheme != "http":
		return ""
	}
	return Origin(u.Scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port))
}
