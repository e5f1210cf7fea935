package tracker

import (
	_ "embed"
	"strings"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/mssola/useragent"
)

// maxAgent is how much of an agent is looked at and kept, in bytes.
const maxAgent = 512

// Agent is what a user agent string says about who made a request.
type Agent struct {
	// Browser is its name, such as "Chrome" or "KakaoTalk", or empty.
	Browser string
	// OS is the family: Android, iOS, Windows, macOS, ChromeOS, Linux, or empty.
	OS string
	// Device is desktop, mobile, tablet, bot, or empty.
	Device string
	// Bot is the name of the program when no person is behind the request, else empty.
	Bot string
}

//go:embed bots.txt
var botWords string

// agents tells who is behind an agent string, and remembers the answers: most requests come with an agent that was seen
// before, and reading one takes some ten microseconds.
type agents struct {
	words []string
	known *lru.Cache[string, Agent]
}

func newAgents(remember int) (*agents, error) {
	known, err := lru.New[string, Agent](remember)
	if err != nil {
		return nil, err
	}
	a := &agents{known: known}
	for line := range strings.Lines(botWords) {
		if word := strings.TrimSpace(line); word != "" && word[0] != '#' {
			a.words = append(a.words, word)
		}
	}
	return a, nil
}

// of tells who is behind an agent string, of which only the first maxAgent bytes count.
func (a *agents) of(text string) Agent {
	text = cut(text, maxAgent)
	if agent, ok := a.known.Get(text); ok {
		return agent
	}
	agent := a.read(text)
	a.known.Add(strings.Clone(text), agent)
	return agent
}

func (a *agents) read(text string) Agent {
	parsed := useragent.New(text)
	browser, _ := parsed.Browser()
	if bot := a.bot(text, parsed, browser); bot != "" {
		return Agent{Bot: bot, Device: "bot"}
	}
	return Agent{Browser: browserName(text, browser), OS: osFamily(text), Device: deviceClass(text, parsed.Mobile())}
}

// bot names the program behind an agent string, or gives "" for a person's browser.
func (a *agents) bot(text string, parsed *useragent.UserAgent, browser string) string {
	if strings.TrimSpace(text) == "" {
		return "no agent"
	}
	lower := withoutNames(lowerASCII(text))
	for _, word := range a.words {
		if strings.Contains(lower, word) {
			return botName(text, word)
		}
	}
	if parsed.Bot() {
		return cut(browser, 64)
	}
	if !browserLike(lower) {
		return botName(text, "")
	}
	return ""
}

// withoutNames takes out what spells a sign of a program by chance: Cubot makes telephones, Facebook names the carrier, such as
// Orange Botswana, CamScanner is an app with a browser in it, and an extension names the page it was asked from.
func withoutNames(lower string) string {
	for _, name := range []string{"cubot", "botswana", "camscanner"} {
		lower = strings.ReplaceAll(lower, name, "")
	}
	const initiator = "initiator: http"
	if before, after, found := strings.Cut(lower, initiator); found {
		_, rest, _ := strings.Cut(after, " ")
		lower = before + rest
	}
	return lower
}

// browserLike tells of the ways in which browsers begin. Every browser of today says Mozilla/5.0, behind the name of the app
// that it is in, perhaps, or says that app alone; telephones of before and Opera Mini say other things; programs that are not
// listed anywhere say just their name.
func browserLike(lower string) bool {
	// "compatible" without the browser it is compatible with is how crawlers begin.
	if strings.HasPrefix(lower, "mozilla/") && !strings.Contains(lower, "compatible") {
		return true
	}
	for _, engine := range []string{"mozilla/5.0 (linux; android", "mozilla/5.0 (iphone", "mozilla/5.0 (ipad", ") applewebkit/", "[fban/", "[fbav/"} {
		if strings.Contains(lower, engine) {
			return true
		}
	}
	for _, sign := range []string{
		"msie", "konqueror", "opera/", "opera mini", "ucweb/", "ucbrowser", "midp", "teleca", "blackberry", "up.browser", "up.link", "symbian", "netfront", "obigo", "nokia",
	} {
		if strings.Contains(lower, sign) {
			return true
		}
	}
	return false
}

// botName takes from an agent string the word in which a sign was found, or its first word.
func botName(text, sign string) string {
	start := strings.Index(lowerASCII(text), sign)
	if start < 0 || strings.HasPrefix(sign, "http") || strings.HasPrefix(sign, "+http") {
		start = 0
	}
	part := func(c byte) bool {
		return c == '-' || c == '_' || c == '.' || c == '!' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
	}
	for start < len(text) && !part(text[start]) {
		start++
	}
	for start > 0 && part(text[start-1]) {
		start--
	}
	end := start
	for end < len(text) && part(text[end]) {
		end++
	}
	if end == start {
		return "unknown program"
	}
	return cut(text[start:end], 64)
}

// browserName tells apart the browsers inside apps and the ones that mssola takes for another.
func browserName(text, parsed string) string {
	for _, app := range [][2]string{
		{"KAKAOTALK", "KakaoTalk"},
		{"NAVER(inapp", "NAVER"},
		{" Line/", "LINE"},
		{"MicroMessenger", "WeChat"},
		{"Weibo", "Weibo"},
		{"Instagram", "Instagram"},
		{"musical_ly", "TikTok"},
		{"BytedanceWebview", "TikTok"},
		{"TikTok", "TikTok"},
		{"FBAN/", "Facebook"},
		{"FBAV/", "Facebook"},
		{"Pinterest", "Pinterest"},
		{"Snapchat", "Snapchat"},
		{"Twitter for", "X"},
		{"LinkedInApp", "LinkedIn"},
		{"GSA/", "Google app"},
		{"SamsungBrowser/", "Samsung Internet"},
		{"EdgA/", "Edge"},
		{"EdgiOS/", "Edge"},
		{"FxiOS/", "Firefox"},
		{"CriOS/", "Chrome"},
		{"OPR/", "Opera"},
		{"OPiOS/", "Opera"},
		{"Opera Mini", "Opera Mini"},
		{"YaBrowser/", "Yandex Browser"},
		{"UCBrowser", "UC Browser"},
		{"UCWEB", "UC Browser"},
		{"MiuiBrowser/", "Mi Browser"},
		{"HuaweiBrowser/", "Huawei Browser"},
		{"Whale/", "Whale"},
		{"Vivaldi/", "Vivaldi"},
		{"DuckDuckGo/", "DuckDuckGo"},
		{"Silk/", "Silk"},
		{"MQQBrowser/", "QQ Browser"},
		{"QQBrowser/", "QQ Browser"},
	} {
		if strings.Contains(text, app[0]) {
			return app[1]
		}
	}
	return cut(parsed, 64)
}

// osFamily gives the family, since browsers have frozen the versions.
func osFamily(text string) string {
	for _, family := range [][2]string{
		{"Windows", "Windows"},
		{"Android", "Android"},
		{"iPhone", "iOS"},
		{"iPad", "iOS"},
		{"iPod", "iOS"},
		{"CrOS", "ChromeOS"},
		{"Macintosh", "macOS"},
		{"Mac OS", "macOS"},
		{"Linux", "Linux"},
		{"X11", "Linux"},
	} {
		if strings.Contains(text, family[0]) {
			return family[1]
		}
	}
	return ""
}

func deviceClass(text string, mobile bool) string {
	android := strings.Contains(text, "Android")
	switch {
	case strings.Contains(text, "iPad"), strings.Contains(text, "Tablet"), strings.Contains(text, "Kindle"), strings.Contains(text, "Silk/") && !strings.Contains(text, "Mobile"):
		return "tablet"
	case android && !strings.Contains(text, "Mobile") && !strings.Contains(text, "Opera Mini"):
		return "tablet"
	case mobile, android, strings.Contains(text, "iPhone"), strings.Contains(text, "iPod"), strings.Contains(text, "Opera Mini"):
		return "mobile"
	case osFamily(text) != "":
		return "desktop"
	}
	return ""
}

// lowerASCII keeps the length of a text, whatever its bytes are, so that a place in one is a place in the other.
func lowerASCII(text string) string {
	lower := []byte(text)
	for i, c := range lower {
		if c >= 'A' && c <= 'Z' {
			lower[i] = c | 0x20
		}
	}
	return string(lower)
}

// cut shortens a text to at most limit bytes, at the end of a character.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && text[limit]&0xc0 == 0x80 {
		limit--
	}
	return text[:limit]
}
