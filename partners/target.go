package partners

import (
	"fmt"
	"net"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"tributary/internal/fault"
	"tributary/internal/text"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// maxTarget is the longest address a link may lead to, in bytes, as the table has it.
const maxTarget = 2000

// CheckTarget checks an address that a link of the program is to lead to, and gives it in the form in which it is kept:
// scheme and host in lower case, the host in ASCII (IDNA), the rest as it came but for characters that an address may
// not hold raw, which become percent-encoded. It answers a fault.Invalid, about the field "target", when the address
// could take a visitor anywhere but to the program's own domains: another scheme than https, another host, a user name, a
// backslash, a control character.
//
// http is accepted only while the program itself lives on this machine, for trying things out.
func (p *Program) CheckTarget(raw string) (string, error) {
	address, host, err := normalTarget(raw)
	if err != nil {
		return "", err
	}
	if !p.leadsTo(host) {
		return "", badTarget(text.WrongTargetHost(host), text.FixTargetHost(strings.Join(p.Domains, ", ")))
	}
	if strings.HasPrefix(address, "http:") && (!isLocal(host) || !p.isLocal()) {
		return "", badTarget(text.WrongTargetPlain(), text.FixTargetPlain())
	}
	if !p.opensPort(address) {
		return "", badTarget(text.WrongTargetPort(), text.FixTargetPort())
	}
	return address, nil
}

// opensPort tells whether an address names no port but that of https, or the one of the landing page on its host: a host
// may answer other things than a shop on other ports.
func (p *Program) opensPort(target string) bool {
	u, err := url.Parse(target)
	if err != nil {
		return false
	}
	if port := u.Port(); port == "" || port == "443" {
		return true
	}
	landing, err := url.Parse(p.LandingURL)
	return err == nil && u.Port() == landing.Port() && u.Hostname() == landing.Hostname()
}

// leadsTo tells whether a host is one of the program's domains or below one.
func (p *Program) leadsTo(host string) bool { return within(p.Domains, host) }

// AllowsOrigin tells whether a site, as browsers name it in the header Origin, is one of the domains or below one, by https. By http
// it is only while the landing page is on this machine, too.
func AllowsOrigin(domains []string, landing, origin string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || !within(domains, u.Hostname()) {
		return false
	}
	home, err := url.Parse(landing)
	return u.Scheme == "https" || u.Scheme == "http" && err == nil && isLocal(u.Hostname()) && isLocal(home.Hostname())
}

// within tells whether a host is one of some domains or below one.
func within(domains []string, host string) bool {
	for _, domain := range domains {
		below, ok := strings.CutSuffix(host, domain)
		if ok && (below == "" || strings.HasSuffix(below, ".") && net.ParseIP(domain) == nil) {
			return true
		}
	}
	return false
}

func (p *Program) isLocal() bool {
	u, err := url.Parse(p.LandingURL)
	return err == nil && isLocal(u.Hostname())
}

// isLocal tells whether a host is this machine.
func isLocal(host string) bool { return host == "localhost" || host == "127.0.0.1" || host == "::1" }

func badTarget(problem, fix text.Message) error {
	return &fault.Error{
		Kind: fault.Invalid, Code: "bad_target",
		Fields: []fault.Field{fault.Wrong("target", problem, fix)},
	}
}

// normalTarget checks what holds for the targets of all programs, and gives the normal form and its host.
func normalTarget(raw string) (address, host string, err error) {
	raw = strings.Trim(raw, " ")
	switch {
	case raw == "":
		return "", "", badTarget(text.WrongNoAddress(), text.FixWholeAddress())
	case len(raw) > maxTarget:
		return "", "", badTarget(text.WrongAddressSize(int64(len(raw))), text.FixAddressSize(maxTarget))
	case !utf8.ValidString(raw):
		return "", "", badTarget(text.WrongAddressUtf8(), text.FixAddressUtf8())
	case strings.ContainsFunc(raw, invisible):
		return "", "", badTarget(text.WrongAddressInvisible(), text.FixAddressInvisible())
	case strings.Contains(raw, `\`):
		return "", "", badTarget(text.WrongAddressBackslash(), text.FixAddressBackslash())
	}
	scheme, rest, found := strings.Cut(raw, "://")
	scheme = strings.ToLower(scheme)
	if !found || scheme != "https" && scheme != "http" {
		return "", "", badTarget(text.WrongAddressScheme(), text.FixWholeAddress())
	}
	authority, path := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	host, port, err := normalAuthority(authority)
	if err != nil {
		return "", "", err
	}
	address = scheme + "://" + bracketed(host) + port + encodeRest(path)
	if u, err := url.Parse(address); err != nil || u.Hostname() != host || u.User != nil {
		return "", "", badTarget(text.WrongAddressUnreadable(), text.FixAddressUnreadable())
	}
	if len(address) > maxTarget {
		return "", "", badTarget(text.WrongAddressEncodedSize(int64(len(address))), text.FixAddressSize(maxTarget))
	}
	return address, host, nil
}

// normalAuthority reads host and port; the port comes with its colon, or empty.
func normalAuthority(authority string) (host, port string, err error) {
	if strings.Contains(authority, "@") {
		return "", "", badTarget(text.WrongAddressUser(), text.FixAddressUser())
	}
	host = authority
	if i := strings.LastIndexByte(authority, ':'); i >= 0 && !strings.HasSuffix(authority, "]") {
		host, port = authority[:i], authority[i:]
		if !validPort(port[1:]) {
			return "", "", badTarget(text.WrongAddressPort(port[1:]), text.FixRemoveOrCorrect())
		}
	}
	host, ok := openableHost(host)
	if !ok {
		return "", "", badTarget(text.WrongAddressHost(authority), text.FixSpelling())
	}
	return host, port, nil
}

func validPort(digits string) bool {
	n := 0
	for _, r := range digits {
		if r < '0' || r > '9' || len(digits) > 5 {
			return false
		}
		n = n*10 + int(r-'0')
	}
	return n >= 1 && n <= 65535
}

// openableHost is normalHost for all names that browsers open. Below a domain stand names that could not be registered,
// such as my_shop, qa--shop or r3---sn-a; plain ASCII names need not keep to the rules of registration.
func openableHost(raw string) (string, bool) {
	host := strings.TrimSuffix(strings.ToLower(raw), ".")
	if strings.Trim(host, letters+digits+"-_.") != "" || strings.Contains("."+host, ".xn--") {
		return normalHost(raw)
	}
	return host, validLabels(host)
}

// normalHost gives a host name in lower case and in ASCII, or an IP address without brackets.
func normalHost(raw string) (string, bool) {
	if inner, ok := strings.CutPrefix(raw, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		ip := net.ParseIP(inner)
		return ip.String(), ok && ip != nil && ip.To4() == nil
	}
	if strings.ContainsAny(raw, "%[]:<>") {
		return "", false
	}
	host, err := idna.Lookup.ToASCII(raw)
	if err != nil || host == "" {
		return "", false
	}
	host = strings.TrimSuffix(host, ".")
	return host, validLabels(host)
}

// validLabels tells whether a host in ASCII is an IP address or has labels as names have them.
func validLabels(host string) bool {
	if net.ParseIP(host) != nil {
		return true
	}
	// Browsers read a last label that is a number as an IPv4 address in one of its old spellings (0x7f.1, 2130706433).
	last := host[strings.LastIndexByte(host, '.')+1:]
	if last == "" || last[0] >= '0' && last[0] <= '9' {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
	}
	return len(host) <= 253
}

func bracketed(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// invisible tells of characters that have no business in an address: controls, line separators, text direction marks.
func invisible(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) || r == utf8.RuneError
}

// encodeRest percent-encodes what an address may not hold raw: blanks, quotes, angle brackets, anything beyond ASCII.
func encodeRest(path string) string {
	const raw = ` "<>^` + "`{|}"
	var b strings.Builder
	for i := range len(path) {
		c := path[i]
		if c >= utf8.RuneSelf || strings.IndexByte(raw, c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// normalDomain checks a domain that a program's links may lead to, and says what is wrong with it. A public suffix is
// refused, since everyone has hosts below it.
func normalDomain(raw string) (host string, problem text.Message, ok bool) {
	host, ok = normalHost(strings.TrimPrefix(strings.ToLower(strings.TrimSpace(raw)), "*."))
	if !ok {
		return "", text.WrongDomain(raw), false
	}
	if isLocal(host) || net.ParseIP(host) != nil {
		return host, problem, true
	}
	if suffix, _ := publicsuffix.PublicSuffix(host); suffix == host {
		return "", text.WrongDomainShared(host), false
	}
	return host, problem, true
}
