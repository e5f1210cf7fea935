package main

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// localHosts lets a listener that only this machine reaches answer by names of this machine alone, and by that of its public
// address: a page open in a browser here could otherwise read it by a name of its own that leads to 127.0.0.1 (DNS rebinding).
// A listener that others reach answers to every name.
func localHosts(listen, public string, next http.Handler) http.Handler {
	if !isLoopback(listen) {
		return next
	}
	known := ""
	if u, err := url.Parse(public); err == nil {
		known = u.Hostname()
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := hostOf(r.Host)
		ip, err := netip.ParseAddr(host)
		if host != "localhost" && (err != nil || !ip.IsLoopback()) && (known == "" || !strings.EqualFold(host, known)) {
			http.Error(w, "This address answers to the names of this machine and of its public address alone. Behind a proxy, have it send one of them as Host, or set the public address.", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hostOf gives a Host header without the port.
func hostOf(text string) string {
	if host, _, err := net.SplitHostPort(text); err == nil {
		return host
	}
	return strings.Trim(text, "[]")
}
