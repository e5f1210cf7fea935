package tracker

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func newTestAgents(tb testing.TB) *agents {
	tb.Helper()
	a, err := newAgents(1000)
	must(tb, err)
	return a
}

func lines(t *testing.T, r io.Reader) (all []string) {
	t.Helper()
	scanner := bufio.NewScanner(r)
	for scanner.Scan() {
		all = append(all, scanner.Text())
	}
	must(t, scanner.Err())
	return all
}

func sample(t *testing.T, name string) []string {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "agents", name))
	must(t, err)
	defer f.Close()
	return lines(t, f)
}

// wholeSet opens a file of the whole data sets, where they are at hand.
func wholeSet(t *testing.T, name string) io.Reader {
	t.Helper()
	dir := os.Getenv("TRIBUTARY_TEST_DATA")
	if dir == "" {
		t.Skip("TRIBUTARY_TEST_DATA does not name a folder with the whole sets")
	}
	f, err := os.Open(filepath.Join(dir, name))
	must(t, err)
	t.Cleanup(func() { f.Close() })
	if !strings.HasSuffix(name, ".gz") {
		return f
	}
	z, err := gzip.NewReader(f)
	must(t, err)
	return z
}

// tell counts the agents that are taken for bots, and holds that share.
func tell(t *testing.T, all []string, least, most float64) {
	t.Helper()
	a := newTestAgents(t)
	var bots, browsers []string
	for _, agent := range all {
		if a.of(agent).Bot != "" {
			bots = append(bots, agent)
		} else {
			browsers = append(browsers, agent)
		}
	}
	share := float64(len(bots)) / float64(len(all))
	t.Logf("%d of %d are bots", len(bots), len(all))
	if len(all) < 100 || share < least || share > most {
		t.Errorf("%.2f %% of %d are taken for bots, want %.2f to %.2f %%", 100*share, len(all), 100*least, 100*most)
		for _, agent := range append(bots[:min(len(bots), 10)], browsers[:min(len(browsers), 10)]...) {
			t.Log(agent)
		}
	}
}

func TestBotsAreTold(t *testing.T) {
	t.Parallel()
	tell(t, sample(t, "bots.txt"), 0.99, 1)
}

func TestBrowsersAreNotBots(t *testing.T) {
	t.Parallel()
	tell(t, sample(t, "browsers.txt"), 0, 0.001)
}

func TestAllKnownBotsAreTold(t *testing.T) {
	t.Parallel()
	var crawlers []struct {
		Instances []string `json:"instances"`
	}
	must(t, json.NewDecoder(wholeSet(t, "crawler-user-agents/crawler-user-agents.json")).Decode(&crawlers))
	var all []string
	for _, crawler := range crawlers {
		all = append(all, crawler.Instances...)
	}
	tell(t, all, 0.99, 1)
}

func TestAllKnownBrowsersAreNotBots(t *testing.T) {
	t.Parallel()
	pattern := regexp.MustCompile(`user_agent_string:\s*(.+?)\n\s+family:\s*(.+?)\n`)
	unquote := func(text string) string {
		text = strings.TrimSpace(text)
		if len(text) > 1 && (text[0] == '\'' || text[0] == '"') {
			text = text[1 : len(text)-1]
		}
		return strings.ReplaceAll(text, "''", "'")
	}
	var all []string
	for _, name := range []string{"test_device", "firefox_user_agent_strings", "opera_mini_user_agent_strings"} {
		text, err := io.ReadAll(wholeSet(t, "uap-core/"+name+".yaml.gz"))
		must(t, err)
		for _, m := range pattern.FindAllStringSubmatch(string(text), -1) {
			agent, family := unquote(m[1]), unquote(m[2])
			if family != "Spider" && (strings.HasPrefix(agent, "Mozilla/5.0 (") || strings.HasPrefix(agent, "Opera/")) {
				all = append(all, agent)
			}
		}
	}
	tell(t, all, 0, 0.001)
}

func TestAnAgentIsRead(t *testing.T) {
	t.Parallel()
	a := newTestAgents(t)
	const iPhone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
	const android = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) "
	const windows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
	for agent, want := range map[string]Agent{
		windows:                 {Browser: "Chrome", OS: "Windows", Device: "desktop"},
		windows + " Edg/142.0":  {Browser: "Edge", OS: "Windows", Device: "desktop"},
		windows + " OPR/120":    {Browser: "Opera", OS: "Windows", Device: "desktop"},
		windows + " Whale/4.31": {Browser: "Whale", OS: "Windows", Device: "desktop"},
		firefox:                 {Browser: "Firefox", OS: "Linux", Device: "desktop"},
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15":            {Browser: "Safari", OS: "macOS", Device: "desktop"},
		"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36":                   {Browser: "Chrome", OS: "ChromeOS", Device: "desktop"},
		"Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.6 Mobile/15E148 Safari/604.1":   {Browser: "Safari", OS: "iOS", Device: "tablet"},
		"Mozilla/5.0 (Linux; Android 13; SM-X910) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36":                   {Browser: "Chrome", OS: "Android", Device: "tablet"},
		"Opera/9.80 (Android; Opera Mini/36.2.2254/191.256; U; en) Presto/2.12.423 Version/12.16":                                          {Browser: "Opera Mini", OS: "Android", Device: "mobile"},
		"Mozilla/5.0 (Linux; U; Android 4.2.1; en-gb; CUBOT ONE Build/JOP40D) AppleWebKit/534.30 (KHTML, like Gecko) Mobile Safari/534.30": {Browser: "Android", OS: "Android", Device: "mobile"},
		iPhone + "Version/18.5 Mobile/15E148 Safari/604.1":                                                                                 {Browser: "Safari", OS: "iOS", Device: "mobile"},
		iPhone + "CriOS/142.0.0.0 Mobile/15E148 Safari/604.1":                                                                              {Browser: "Chrome", OS: "iOS", Device: "mobile"},
		iPhone + "Mobile/15E148 KAKAOTALK 11.2.0":                                                                                          {Browser: "KakaoTalk", OS: "iOS", Device: "mobile"},
		iPhone + "Mobile/15E148 NAVER(inapp; search; 2000; 12.12.1)":                                                                       {Browser: "NAVER", OS: "iOS", Device: "mobile"},
		iPhone + "Mobile/15E148 Safari Line/15.6.0":                                                                                        {Browser: "LINE", OS: "iOS", Device: "mobile"},
		iPhone + "Mobile/15E148 Instagram 380.0.0.28.104 (iPhone14,5; iOS 18_5)":                                                           {Browser: "Instagram", OS: "iOS", Device: "mobile"},
		iPhone + "Mobile/15E148 MicroMessenger/8.0.60(0x18003c2f) NetType/WIFI":                                                            {Browser: "WeChat", OS: "iOS", Device: "mobile"},
		iPhone + "Mobile/15E148 [FBAN/FBIOS;FBAV/500.0.0.0;FBCR/OrangeBotswana]":                                                           {Browser: "Facebook", OS: "iOS", Device: "mobile"},
		android + "SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36":                                                              {Browser: "Samsung Internet", OS: "Android", Device: "mobile"},
		android + "Version/4.0 Chrome/142.0.0.0 Mobile Safari/537.36 musical_ly_2024 BytedanceWebview/d8a21":                               {Browser: "TikTok", OS: "Android", Device: "mobile"},
		"": {Bot: "no agent", Device: "bot"},
		"Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.3; +https://openai.com/gptbot)":        {Bot: "GPTBot", Device: "bot"},
		"Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ClaudeBot/1.0; +claudebot@anthropic.com)":       {Bot: "ClaudeBot", Device: "bot"},
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/142.0.0.0 Safari/537.36": {Bot: "HeadlessChrome", Device: "bot"},
		"curl/8.15.0":                         {Bot: "curl", Device: "bot"},
		"python-requests/2.32.3":              {Bot: "python-requests", Device: "bot"},
		"Go-http-client/2.0":                  {Bot: "Go-http-client", Device: "bot"},
		"okhttp/4.12.0":                       {Bot: "okhttp", Device: "bot"},
		"WhatsApp/2.23.20.0":                  {Bot: "WhatsApp", Device: "bot"},
		"facebookexternalhit/1.1":             {Bot: "facebookexternalhit", Device: "bot"},
		"Slackbot-LinkExpanding 1.0":          {Bot: "Slackbot-LinkExpanding", Device: "bot"},
		"kakaotalk-scrap/1.0; +https://x.y/z": {Bot: "kakaotalk-scrap", Device: "bot"},
		"\x01\x02":                            {Bot: "unknown program", Device: "bot"},
	} {
		if diff := cmp.Diff(want, a.of(agent)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", agent, diff)
		}
	}
}

func TestAnAgentIsReadOnceAndUpToItsLimit(t *testing.T) {
	t.Parallel()
	a := newTestAgents(t)
	long := firefox + strings.Repeat(" x", 1000) + " Googlebot/2.1"
	if got := a.of(long); got.Bot != "" || got.Browser != "Firefox" {
		t.Errorf("what stands behind 512 bytes was read: %+v", got)
	}
	if keys := a.known.Keys(); len(keys) != 1 || len(keys[0]) != maxAgent {
		t.Errorf("remembered %d, the first of %d bytes", len(keys), len(keys[0]))
	}
	for n := range 3000 {
		a.of(firefox + strings.Repeat("x", n%400) + string(rune('a'+n/400)))
	}
	if n := a.known.Len(); n != 1000 {
		t.Errorf("%d agents are remembered, want the limit of 1000", n)
	}
}

func FuzzAgent(f *testing.F) {
	for _, agent := range []string{"", firefox, "curl/8", "Mozilla/5.0 (compatible; x)", strings.Repeat("é", 400), "\xff\x00((", "\xff\xffGooglebot", "\u0130\u212aGooglebot"} {
		f.Add(agent)
	}
	a := newTestAgents(f)
	f.Fuzz(func(t *testing.T, text string) {
		got := a.of(text)
		if (got.Bot != "") != (got.Device == "bot") || len(got.Bot) > 64 || len(got.Browser) > 64 {
			t.Errorf("%q is read as %+v", text, got)
		}
		if kept := plain(text, maxAgent); len(kept) > maxAgent || !utf8.ValidString(kept) || strings.ContainsFunc(kept, func(r rune) bool { return r < ' ' }) {
			t.Errorf("%q is kept as %q", text, kept)
		}
	})
}

func BenchmarkReadAgent(b *testing.B) {
	a := newTestAgents(b)
	for b.Loop() {
		_ = a.read(firefox)
	}
}

// TestWhoIsBehindAnAgent holds single agents that were told wrong.
func TestWhoIsBehindAnAgent(t *testing.T) {
	t.Parallel()
	a := newTestAgents(t)
	const android = "Mozilla/5.0 (Linux; Android 14; SM-S921B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0 Mobile Safari/537.36"
	for _, agent := range []string{
		"[FBAN/FB4A;FBAV/567.1.0.52.74;FBPN/com.facebook.katana;FBDV/SM-S921B;FBSV/16;]",
		android + " CamScanner/4.5.0",
		"Job Search/24.4.0 " + android,
		"Android 13) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/125.0 Mobile DuckDuckGo/5 Safari/537.36",
		android + " Initiator: https://shop.example",
		android + " Initiator: http://shop.example/ more",
	} {
		if got := a.of(agent); got.Bot != "" || got.Device == "bot" {
			t.Errorf("%s is taken for the program %q", agent, got.Bot)
		}
	}
	const chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.4 (KHTML, like Gecko) Chrome/98 Safari/537.4"
	for _, agent := range []string{
		chrome + " (StatusCake)", "Mozilla/5.0 (X11; Linux x86_64; Devin/1.0; +devin.ai)", chrome + " Catchpoint", chrome + " GomezAgent 3.0",
		chrome + " CloudflareObservatory/1.0", chrome + " site24x7", "Mozilla/5.0 (compatible; Google Search Console)", chrome + " google-adwords-express",
		android + " Googlebot/2.1", "Initiator: https://shop.example python-requests/2.31",
	} {
		if got := a.of(agent); got.Bot == "" {
			t.Errorf("%s is taken for a person's browser", agent)
		}
	}
}
