// Package proxy tells where a request came from when proxies stand in front of a role. Tracker and dashboard read one
// setting with it, in one way.
package proxy

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Trusted are the networks of the proxies whose X-Forwarded-For is believed. Without any, nobody's is.
type Trusted []netip.Prefix

// Parse reads networks such as "10.0.0.0/8".
func Parse(networks []string) (Trusted, error) {
	var trusted Trusted
	for _, text := range networks {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("reading the trusted proxies: %w", err)
		}
		trusted = append(trusted, network)
	}
	return trusted, nil
}

// Client is where a request came from: the peer, or, when the peer is a trusted proxy, the first address from the right
// in X-Forwarded-For that is not one. What stands further left, anyone can write. Without an address the result is not
// valid.
func (t Trusted) Client(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := peer.Addr().Unmap().WithZone("")
	if !t.Contains(addr) {
		return addr
	}
	for _, line := range slices.Backward(r.Header["X-Forwarded-For"]) {
		for rest := line; rest != ""; {
			var hop string
			if comma := strings.LastIndexByte(rest, ','); comma >= 0 {
				rest, hop = rest[:comma], rest[comma+1:]
			} else {
				rest, hop = "", rest
			}
			next, ok := parseHop(strings.TrimSpace(hop))
			if !ok {
				return addr
			}
			if addr = next; !t.Contains(addr) {
				return addr
			}
		}
	}
	return addr
}

// Contains tells whether an address is that of a trusted proxy.
func (t Trusted) Contains(addr netip.Addr) bool {
	return slices.ContainsFunc(t, func(network netip.Prefix) bool { return network.Contains(addr) })
}

// parseHop reads an address of X-Forwarded-For, which some proxies write with the port.
func parseHop(text string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(text)
	if err != nil {
		withPort, err := netip.ParseAddrPort(text)
		if err != nil {
			return netip.Addr{}, false
		}
		addr = withPort.Addr()
	}
	return addr.Unmap().WithZone(""), true
}
