package outbound

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

func TestOnlyAddressesOfThePublicInternetArePublic(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"1.1.1.1": true, "93.184.215.14": true, "172.32.0.1": true, "100.128.0.1": true, "223.255.255.255": true, "2606:4700::1111": true, "2a00:1450::1": true,
		"0.0.0.0": false, "0.1.2.3": false, "127.0.0.1": false, "127.255.0.1": false, "10.0.0.1": false, "172.16.0.1": false, "172.31.255.255": false, "192.168.1.1": false,
		"169.254.169.254": false, "100.64.0.1": false, "100.127.255.255": false, "192.0.0.8": false, "192.0.2.1": false, "198.18.0.1": false, "198.51.100.7": false, "203.0.113.9": false,
		"224.0.0.1": false, "239.255.255.255": false, "240.0.0.1": false, "255.255.255.255": false, "192.88.99.1": false,
		"::": false, "::1": false, "fe80::1": false, "fec0::1": false, "fc00::1": false, "fd00::1": false, "ff02::1": false,
		"::ffff:10.0.0.1": false, "::ffff:1.1.1.1": false, "::10.0.0.1": false, "64:ff9b::7f00:1": false, "64:ff9b:1::1": false, "100::1": false,
		"2001::1": false, "2001:0:4136:e378:8000:63bf:3fff:fdd2": false, "2001:db8::1": false, "2002:7f00:1::1": false, "3fff::1": false, "5f00::1": false,
	} {
		if got := Public(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: public %v, want %v", address, got, want)
		}
	}
	if Public(netip.MustParseAddr("2606:4700::1111%eth0")) || Public(netip.Addr{}) {
		t.Error("an address with a zone, or none, is public")
	}
}

// get asks an address, whose answer does not matter.
func get(c *http.Client, address string) error {
	answer, err := c.Get(address)
	if err == nil {
		answer.Body.Close()
	}
	return err
}

// counted is a server on this machine that counts who comes.
func counted(t *testing.T, answer http.HandlerFunc) (*httptest.Server, *atomic.Int64) {
	t.Helper()
	var came atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		came.Add(1)
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s, &came
}

func TestAddressesThatNobodyMayNameAreNotAsked(t *testing.T) {
	t.Parallel()
	s, came := counted(t, func(http.ResponseWriter, *http.Request) {})
	port := s.URL[strings.LastIndex(s.URL, ":")+1:]
	for _, address := range []string{
		s.URL, "http://example.com/", "https://example.com:8443/", "https://user:secret@example.com/", "ftp://example.com/", "https://127.0.0.1/", "https://[::1]/", "https://169.254.169.254/latest",
		"https://[fd00::1]/", "https://[::ffff:10.0.0.1]/", "https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::1]/", "https://0.0.0.0/", "https://100.64.0.1/", "https://localhost/", "https://localhost:" + port + "/", "https://2130706433/", "https://0x7f.1/",
	} {
		answer, err := Client(Options{}).Get(address)
		if err == nil {
			answer.Body.Close()
			t.Errorf("%s answered %s", address, answer.Status)
		} else if named := !strings.Contains(address, "2130706433") && !strings.Contains(address, "0x7f"); named && !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", address, err)
		}
	}
	if n := came.Load(); n > 0 {
		t.Errorf("%d connections", n)
	}
}

// flipping is a resolver for which every name is one address at the first question of its kind, and another afterwards.
func flipping(t *testing.T, first, then [4]byte) *net.Resolver {
	t.Helper()
	at, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = at.Close() })
	go func() {
		asked := 0
		for buf := make([]byte, 1500); ; {
			n, from, err := at.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil {
				continue
			}
			m.Response, m.Additionals = true, nil
			if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
				a := dnsmessage.AResource{A: first}
				if asked++; asked > 1 {
					a.A = then
				}
				m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}, Body: &a}}
			}
			if packed, err := m.Pack(); err == nil {
				_, _ = at.WriteTo(packed, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", at.LocalAddr().String())
	}}
}

// Case 14: whoever looks a name up first, and then asks, is told another address the second time.
func TestANameThatFlipsIsRefusedWhenItConnects(t *testing.T) {
	t.Parallel()
	names := flipping(t, [4]byte{93, 184, 215, 14}, [4]byte{127, 0, 0, 1})
	seen, err := names.LookupNetIP(t.Context(), "ip4", "shop.example.")
	if err != nil || !Public(seen[0]) {
		t.Fatalf("the first look-up: %v, %v", seen, err)
	}
	err = get(client(Options{}, names), "https://shop.example./hook")
	if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "127.0.0.1:443") {
		t.Errorf("the second: %v", err)
	}
}

func TestRedirectsAreFollowedWithinADomainAndNoFurther(t *testing.T) {
	t.Parallel()
	var to string
	secret, came := counted(t, func(http.ResponseWriter, *http.Request) {})
	s, _ := counted(t, func(w http.ResponseWriter, r *http.Request) {
		switch n, _ := strconv.Atoi(r.URL.Query().Get("left")); {
		case r.URL.Path == "/away":
			http.Redirect(w, r, to, http.StatusFound)
		case n > 0:
			http.Redirect(w, r, "/?left="+strconv.Itoa(n-1), http.StatusFound)
		}
	})
	allow, err := ParseOrigins(s.URL + ", " + secret.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := Client(Options{Allow: allow[:1], Redirects: 3})
	for left, want := range map[string]bool{"0": true, "3": true, "4": false} {
		answer, err := c.Get(s.URL + "/?left=" + left)
		if (err == nil) != want || err != nil && !errors.Is(err, ErrRefused) {
			t.Errorf("%s redirects: %v", left, err)
		}
		if err == nil {
			answer.Body.Close()
		}
	}
	for _, to = range []string{"http://169.254.169.254/latest/meta-data", "https://169.254.169.254/", secret.URL, "https://other.example/", "file:///etc/passwd"} {
		if err := get(c, s.URL+"/away"); !errors.Is(err, ErrRefused) {
			t.Errorf("a redirect to %s: %v", to, err)
		}
	}
	answer, err := Client(Options{Allow: allow}).Get(s.URL + "/away")
	if err != nil || answer.StatusCode != http.StatusFound {
		t.Fatalf("a client that follows none: %v, %v", answer, err)
	}
	answer.Body.Close()
	if n := came.Load(); n > 0 {
		t.Errorf("%d connections to what a redirect named", n)
	}
}

func TestAnAnswerIsCutAndItsSlotGivenBack(t *testing.T) {
	t.Parallel()
	s, _ := counted(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", 10*MaxBody))
	})
	allow, err := ParseOrigins(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := Client(Options{Allow: allow})
	for range AtOnce + 2 { // as many as there are slots, and more
		answer, err := c.Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		read, err := io.ReadAll(answer.Body)
		if err != nil || len(read) != MaxBody {
			t.Fatalf("%d bytes, %v", len(read), err)
		}
		answer.Body.Close()
		answer.Body.Close()
	}
}

func TestAnEnvironmentsProxyIsNotUsed(t *testing.T) {
	proxy, came := counted(t, func(http.ResponseWriter, *http.Request) {})
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("HTTPS_PROXY", proxy.URL)
	s, _ := counted(t, func(http.ResponseWriter, *http.Request) {})
	allow, err := ParseOrigins(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := Client(Options{Allow: allow}).Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if err := get(Client(Options{}), "https://10.0.0.1/"); err == nil || !strings.Contains(err.Error(), ": 10.0.0.1:443 is not public") {
		t.Errorf("it went for the proxy: %v", err)
	}
	if n := came.Load(); n > 0 {
		t.Errorf("%d requests to the proxy", n)
	}
}

func TestOriginsAreReadStrictly(t *testing.T) {
	t.Parallel()
	got, err := ParseOrigins(" http://Shop.internal:8080/ ,https://a.example,")
	if err != nil || len(got) != 2 || got[0] != "http://shop.internal:8080" || got[1] != "https://a.example:443" {
		t.Errorf("%v, %v", got, err)
	}
	for _, text := range []string{"shop.internal", "ftp://a.example", "https://a.example/path", "https://u@a.example", "https://", "https://a.example?x=1"} {
		if got, err := ParseOrigins(text); err == nil {
			t.Errorf("%q reads as %v", text, got)
		}
	}
}

func TestDomainIsWhatSomebodyRegistered(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{"www.example.co.uk": "example.co.uk", "Shop.Example.com.": "example.com", "blog.github.io": "blog.github.io", "127.0.0.1": "127.0.0.1", "localhost": "localhost"} {
		if got := Domain(host); got != want {
			t.Errorf("%s: %s, want %s", host, got, want)
		}
	}
}
