package partners

import (
	"net/url"
	"strings"
	"testing"

	"tributary/internal/fault"
)

var shopRules = &Program{LandingURL: "https://shop.example/", Domains: []string{"shop.example", "xn--mnchen-3ya.example"}}

func TestATargetIsKeptAsItCame(t *testing.T) {
	t.Parallel()
	local := &Program{LandingURL: "http://localhost:8090/shop", Domains: []string{"localhost", "127.0.0.1"}}
	withPort := &Program{LandingURL: "https://shop.example:8443/", Domains: []string{"shop.example"}}
	for _, row := range []struct {
		program   *Program
		raw, want string
	}{
		{shopRules, "https://shop.example", "https://shop.example"},
		{shopRules, " https://shop.example/ ", "https://shop.example/"},
		{shopRules, "HTTPS://WWW.Shop.Example/Path?B=2&a=1#Frag", "https://www.shop.example/Path?B=2&a=1#Frag"},
		{shopRules, "https://shop.example./x", "https://shop.example/x"},
		{shopRules, "https://a.b.c.shop.example:443/x", "https://a.b.c.shop.example:443/x"},
		{withPort, "https://shop.example:8443/x", "https://shop.example:8443/x"},
		{withPort, "https://www.shop.example/x", "https://www.shop.example/x"},
		{shopRules, "https://r3---sn-a.shop.example/", "https://r3---sn-a.shop.example/"},
		{shopRules, "https://QA--shop.shop.example/", "https://qa--shop.shop.example/"},
		{shopRules, "https://my_shop.shop.example./", "https://my_shop.shop.example/"},
		{shopRules, "https://foo-.shop.example/", "https://foo-.shop.example/"},
		{shopRules, "https://-foo.shop.example/", "https://-foo.shop.example/"},
		{shopRules, "https://shop.example?b=%2F&a=+x%20y&&=&c", "https://shop.example?b=%2F&a=+x%20y&&=&c"},
		{shopRules, "https://shop.example/a b?q=\"x\"&r={y}", "https://shop.example/a%20b?q=%22x%22&r=%7By%7D"},
		{shopRules, "https://shop.example/café#größe", "https://shop.example/caf%C3%A9#gr%C3%B6%C3%9Fe"},
		{shopRules, "https://münchen.example/", "https://xn--mnchen-3ya.example/"},
		{shopRules, "https://www.MÜNCHEN.example/", "https://www.xn--mnchen-3ya.example/"},
		{shopRules, "https://shop。example/", "https://shop.example/"},
		{shopRules, "https://shop.example/?next=https://evil.example@x", "https://shop.example/?next=https://evil.example@x"},
		{shopRules, "https://shop.example//evil.example/", "https://shop.example//evil.example/"},
		{local, "http://localhost:8090/shop/1", "http://localhost:8090/shop/1"},
		{local, "http://127.0.0.1/", "http://127.0.0.1/"},
		{local, "https://localhost/", "https://localhost/"},
	} {
		got, err := row.program.CheckTarget(row.raw)
		if err != nil || got != row.want {
			t.Errorf("%q: %q, %v, want %q", row.raw, got, err, row.want)
		}
	}
}

// hostile are addresses that look as if they led to shop.example, or that browsers and servers read differently.
func hostile() []string {
	return []string{
		"", " ", "shop.example", "//shop.example", "/path", "?q", "#f", "https:", "https:/", "https://", "https:///", "https:///shop.example",
		"https:shop.example", "https:/shop.example", "https:\\\\shop.example", "https:/\\shop.example", "https://shop.example\\@evil.example",
		"https://evil.example\\.shop.example", "https://evil.example\\shop.example/", "https://evil.example/\\shop.example",
		"http://shop.example/", "ftp://shop.example/", "javascript:alert(1)", "javascript://shop.example/%0aalert(1)", "data:text/html,x",
		"vbscript:x", "file:///etc/passwd", "blob:https://shop.example/x", "intent://shop.example#Intent;end", "ws://shop.example/",
		"java\tscript:alert(1)", "\x00https://shop.example", "https://shop.example\x00.evil.example", "https://shop.example\r\nSet-Cookie: a=b",
		"https://shop.example/%0d%0a\nX: y", "https://shop.example/\u2028", "https://shop.example/\u202ex", "https://shop\u00ad.example/",
		"https://evil.example", "https://evil.example/shop.example", "https://evil.example?shop.example", "https://evil.example#shop.example",
		"https://shop.example.evil.example", "https://evilshop.example", "https://shop-example", "https://shop.example@evil.example",
		"https://shop.example:443@evil.example", "https://shop.example%40evil.example", "https://evil.example%2f.shop.example", "https://user:pass@shop.example/",
		"https://@shop.example", "https://shop.example:@evil.example/", "https://evil.example:80#@shop.example", "https://evil.example?@shop.example",
		"https://evil.example;.shop.example", "https://evil.example,.shop.example", "https://[::1]/", "https://[shop.example]/", "https://[::ffff:127.0.0.1]/",
		"https://127.0.0.1/", "https://2130706433/", "https://0x7f.0x0.0x0.0x1/", "https://017700000001/", "https://shop.example:0/", "https://shop.example:99999/",
		"https://xn--a.shop.example/", "https://shop_.evil.example/", "https://my_shop/",
		"https://shop.example:8o/", "https://shop.example:/", "https://.shop.example/", "https://..shop.example/", "https://shop.example../", "https://shop..example/",
		"https://shoр.example/", "https://ѕhop.example/", "https://shop.example\u3002evil.example/", "https://evil.example／.shop.example/", "https://evil.example？.shop.example/",
		"https://evil.example＃.shop.example/", "https://evil.example＠shop.example/", "https://sh%6fp.example/", "https://shop.exa mple/", "https://\xff\xfeshop.example/",
		"https://" + strings.Repeat("a", 64) + ".shop.example/", "https://shop.example/" + strings.Repeat("x", 2000), "https://shop.example/" + strings.Repeat("é", 500),
	}
}

func TestAHostileTargetIsRefusedWithItsFix(t *testing.T) {
	t.Parallel()
	table := hostile()
	if len(table) < 60 {
		t.Fatalf("only %d addresses", len(table))
	}
	for _, raw := range table {
		got, err := shopRules.CheckTarget(raw)
		if err == nil {
			t.Errorf("%q was kept as %q", raw, got)
			continue
		}
		f := fault.Of(err)
		if f.Kind != fault.Invalid || len(f.Fields) != 1 || f.Fields[0].Name != "target" || f.Fields[0].Problem == "" || f.Fields[0].Fix == "" {
			t.Errorf("%q: %+v", raw, f)
		}
	}
}

func TestALinkOpensNoOtherPort(t *testing.T) {
	t.Parallel()
	withPort := &Program{LandingURL: "https://shop.example:8443/", Domains: []string{"shop.example"}}
	local := &Program{LandingURL: "http://localhost:8090/", Domains: []string{"localhost"}}
	for _, row := range []struct {
		program *Program
		raw     string
	}{
		{shopRules, "https://shop.example:22/"},
		{shopRules, "https://shop.example:80/"},
		{shopRules, "https://www.shop.example:8443/"},
		{withPort, "https://www.shop.example:8443/"},
		{withPort, "https://shop.example:8444/"},
		{local, "http://localhost:8091/"},
	} {
		if got, err := row.program.CheckTarget(row.raw); fault.Of(err).Code != "bad_target" {
			t.Errorf("%s with the landing page %s: %q, %v", row.raw, row.program.LandingURL, got, err)
		}
	}
}

func TestHTTPIsForThisMachineOnly(t *testing.T) {
	t.Parallel()
	mixed := &Program{LandingURL: "https://shop.example/", Domains: []string{"shop.example", "localhost"}}
	if got, err := mixed.CheckTarget("http://localhost/"); err == nil {
		t.Errorf("a program of the world kept %q", got)
	}
	local := &Program{LandingURL: "http://localhost/", Domains: []string{"localhost", "shop.example"}}
	if got, err := local.CheckTarget("http://shop.example/"); err == nil {
		t.Errorf("a program of this machine kept %q", got)
	}
	address := &Program{LandingURL: "http://127.0.0.1/", Domains: []string{"127.0.0.1"}}
	if got, err := address.CheckTarget("http://x.127.0.0.1/"); err == nil {
		t.Errorf("a host below an address was kept as %q", got)
	}
}

// FuzzTarget holds that whatever is kept leads, as a browser would read it, to the program's domains, is safe in a header,
// and is kept unchanged when given again.
func FuzzTarget(f *testing.F) {
	for _, raw := range hostile() {
		f.Add(raw)
	}
	f.Add("https://WWW.shop.example:8443/a b?q=é#x")
	f.Fuzz(func(t *testing.T, raw string) {
		kept, err := shopRules.CheckTarget(raw)
		if err != nil {
			return
		}
		if strings.ContainsFunc(kept, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' }) {
			t.Errorf("%q is kept as %q", raw, kept)
		}
		u, err := url.Parse(kept)
		if err != nil {
			t.Fatalf("%q is kept as %q: %v", raw, kept, err)
		}
		if host := u.Hostname(); u.Scheme != "https" || u.User != nil || !shopRules.leadsTo(host) || strings.ToLower(host) != host {
			t.Errorf("%q is kept as %q, which leads to %q", raw, kept, host)
		}
		if again, err := shopRules.CheckTarget(kept); err != nil || again != kept {
			t.Errorf("%q is kept as %q, and that as %q, %v", raw, kept, again, err)
		}
	})
}
