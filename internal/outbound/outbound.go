// Package outbound asks servers whose address somebody else supplied: a partner's site, a webhook. Its client reaches public
// addresses over https on port 443 alone, compares the address with that rule when it connects, so that a name which means
// something else by then helps nobody, and gives up on whatever is slow, long or leads elsewhere.
package outbound

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"
)

// The limits of a request.
const (
	// Timeout is from its beginning to the last byte of its answer, redirects included.
	Timeout = 10 * time.Second
	// MaxBody is how much of an answer is read; the rest is cut off.
	MaxBody = 64 << 10
	// AtOnce is how many requests a client has on their way. Others wait, within their timeout.
	AtOnce = 20
)

// ErrRefused is why a request was not sent: its address, or that of a redirect, is not one that others may name.
var ErrRefused = errors.New("address refused")

// Options are what a client may do beyond one request to a public address.
type Options struct {
	// Allow are origins that the operator vouches for: they may be http, on another port, and not public.
	Allow []Origin
	// Redirects is how many are followed within the registrable domain of the first address. The answer is otherwise the redirect
	// itself.
	Redirects int
}

// Client makes a client that is safe to send to an address which somebody else supplied. It uses no proxy of the environment.
func Client(o Options) *http.Client { return client(o, nil) }

// client makes one that asks a resolver for names; nil for the system's.
func client(o Options, names *net.Resolver) *http.Client {
	public := net.Dialer{Timeout: Timeout, Control: publicOnly, Resolver: names}
	vouched := net.Dialer{Timeout: Timeout, Resolver: names}
	return &http.Client{
		Timeout:       Timeout,
		Transport:     &guard{allow: o.Allow, slots: make(chan struct{}, AtOnce), public: transport(&public), vouched: transport(&vouched)},
		CheckRedirect: followWithin(o.Redirects),
	}
}

func transport(d *net.Dialer) *http.Transport {
	return &http.Transport{
		DialContext: d.DialContext, DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: MaxBody,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, TLSHandshakeTimeout: Timeout,
	}
}

// guard refuses addresses before it asks, and bounds what comes back.
type guard struct {
	allow           []Origin
	slots           chan struct{}
	public, vouched http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (g *guard) RoundTrip(r *http.Request) (*http.Response, error) {
	next, origin := g.public, originOf(r.URL)
	switch {
	case r.URL.User != nil || origin == "":
		return nil, refused(r.URL)
	case slices.Contains(g.allow, origin):
		next = g.vouched
	case r.URL.Scheme != "https" || !strings.HasSuffix(string(origin), ":443"):
		return nil, refused(r.URL)
	}
	select {
	case g.slots <- struct{}{}:
	case <-r.Context().Done():
		return nil, context.Cause(r.Context())
	}
	answer, err := next.RoundTrip(r)
	if err != nil {
		<-g.slots
		return nil, err //nolint:wrapcheck // the client names the address
	}
	answer.Body = &body{Reader: io.LimitReader(answer.Body, MaxBody), closer: answer.Body, slots: g.slots}
	return answer, nil
}

func refused(u *url.URL) error {
	return fmt.Errorf("%w: %s://%s is not https on port 443", ErrRefused, u.Scheme, u.Host)
}

// body is an answer's, which holds its request's slot until it is closed.
type body struct {
	io.Reader

	closer io.Closer
	slots  chan struct{}
}

func (b *body) Close() error {
	if b.slots != nil {
		<-b.slots
		b.slots = nil
	}
	return b.closer.Close() //nolint:wrapcheck // nothing to add
}

// followWithin follows some redirects, each within the registrable domain of the first address. RoundTrip looks at each again.
func followWithin(most int) func(r *http.Request, via []*http.Request) error {
	return func(r *http.Request, via []*http.Request) error {
		switch {
		case most == 0:
			return http.ErrUseLastResponse
		case len(via) > most:
			return fmt.Errorf("%w: more than %d redirects", ErrRefused, most)
		case Domain(r.URL.Hostname()) != Domain(via[0].URL.Hostname()):
			return fmt.Errorf("%w: a redirect to %s", ErrRefused, r.URL.Hostname())
		}
		return nil
	}
}

// Domain is the part of a host name that somebody registered, such as "example.co.uk" of "www.example.co.uk"; the host itself where
// there is none.
func Domain(host string) string {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if domain, err := publicsuffix.EffectiveTLDPlusOne(host); err == nil {
		return domain
	}
	return host
}
