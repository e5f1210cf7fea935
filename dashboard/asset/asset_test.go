package asset_test

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tributary/dashboard/asset"
)

func names() []string {
	return []string{"app.css", "app.js", "htmx.min.js", "inter.woff2", "favicon.svg"}
}

func serve(t *testing.T, url, encoding string) *httptest.ResponseRecorder {
	t.Helper()
	s, err := asset.New()
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, url, nil)
	r.Header.Set("Accept-Encoding", encoding)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func urlOf(t *testing.T, name string) string {
	t.Helper()
	s, err := asset.New()
	if err != nil {
		t.Fatal(err)
	}
	return s.URL(name)
}

func TestAssetsAreNamedByTheirHashAndKeptForEver(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^/assets/[a-z.]+\.[0-9a-f]{12}\.(css|js|svg|woff2)$`)
	for _, name := range names() {
		url := urlOf(t, name)
		if !form.MatchString(url) {
			t.Errorf("%s is at %q", name, url)
		}
		answer := serve(t, url, "")
		if answer.Code != http.StatusOK || answer.Header().Get("Cache-Control") != "public, max-age=31536000, immutable" {
			t.Errorf("%s: status %d, %v", name, answer.Code, answer.Header())
		}
		plain, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		if name == "inter.woff2" { // compressed as it is
			continue
		}
		zipped, err := gzip.NewReader(serve(t, url, "gzip, br").Body)
		if err != nil {
			t.Fatal(err)
		}
		unzipped, err := io.ReadAll(zipped)
		if err != nil || string(unzipped) != string(plain) {
			t.Errorf("%s differs when compressed (%v)", name, err)
		}
	}
	if answer := serve(t, asset.Prefix+"app.000000000000.css", ""); answer.Code != http.StatusNotFound {
		t.Errorf("an old hash: status %d", answer.Code)
	}
	if answer := serve(t, asset.Prefix+"../asset.go", ""); answer.Code != http.StatusNotFound {
		t.Errorf("a path upwards: status %d", answer.Code)
	}
}

func TestAssetsAskNobodyElseForAnything(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"app.css", "app.js"} {
		data, err := os.ReadFile("static/" + name)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(data), "http://www.w3.org/2000/svg", "")
		if found := regexp.MustCompile(`https?://|//[a-z]+\.[a-z]|@import|eval\(|innerHTML`).FindString(text); found != "" {
			t.Errorf("%s holds %q", name, found)
		}
	}
}

// TestAssetsLeaveAPageItsSize bounds what a first visit loads beside the page, in bytes as sent: with 80 KB for all, a page has
// 24 KB of HTML, which is some 250 KB before it is compressed.
func TestAssetsLeaveAPageItsSize(t *testing.T) {
	t.Parallel()
	most := map[string]int{"app.css": 12 << 10, "app.js": 4 << 10, "htmx.min.js": 14 << 10, "inter.woff2": 25 << 10, "favicon.svg": 1 << 10}
	total := 0
	for _, name := range names() {
		size := serve(t, urlOf(t, name), "gzip").Body.Len()
		total += size
		if size > most[name] {
			t.Errorf("%s: %d bytes, at most %d", name, size, most[name])
		}
	}
	if total > 56<<10 {
		t.Errorf("%d bytes in all", total)
	}
}

// TestTheStyleSheetLoadsTheFont finds the font under its hashed name, which alone is served.
func TestTheStyleSheetLoadsTheFont(t *testing.T) {
	t.Parallel()
	css := serve(t, urlOf(t, "app.css"), "").Body.String()
	url := regexp.MustCompile(`@font-face [^}]*url\(([^)]*)\)[^}]*unicode-range:`).FindStringSubmatch(css)
	if url == nil || url[1] != urlOf(t, "inter.woff2") {
		t.Fatalf("the font is at %q", url)
	}
	font := serve(t, url[1], "gzip")
	if !strings.HasPrefix(font.Body.String(), "wOF2") || font.Header().Get("Content-Type") != "font/woff2" || font.Header().Get("Content-Encoding") != "" {
		t.Errorf("%v", font.Header())
	}
}

// TestTypeHasSevenSteps holds the sizes and line heights of letters, in pixels, and their weights. A line height of 1 is of a
// control, which is as high as it says.
func TestTypeHasSevenSteps(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("static/app.css")
	if err != nil {
		t.Fatal(err)
	}
	css := regexp.MustCompile(`(?s)/\*.*?\*/|@font-face \{.*?\}`).ReplaceAllString(string(data), "")
	steps := map[string]string{"12": "16px", "13": "20px", "14": "20px", "16": "24px", "20": "28px", "24": "32px", "36": "44px"}
	found := 0
	for _, rule := range regexp.MustCompile(`\{([^{}]*)\}`).FindAllStringSubmatch(css, -1) {
		for _, size := range regexp.MustCompile(`font(?:-size)?: (?:\d{3} )?([\d.]+)(px|em)(?:/([\d.a-z]+))?`).FindAllStringSubmatch(rule[1], -1) {
			found++
			line := size[3]
			if apart := regexp.MustCompile(`line-height: ([\d.a-z]+)`).FindStringSubmatch(rule[1]); apart != nil {
				line = apart[1]
			}
			if want, ok := steps[size[1]]; size[2] == "px" && (!ok || line != "" && line != want && line != "1") {
				t.Errorf("{%s}: %s px on a line of %s", rule[1], size[1], line)
			}
		}
		for _, weight := range regexp.MustCompile(`font(?:-weight)?: (\d{3})\b`).FindAllStringSubmatch(rule[1], -1) {
			if !slices.Contains([]string{"400", "500", "600"}, weight[1]) {
				t.Errorf("{%s}: weight %s", rule[1], weight[1])
			}
		}
	}
	if found < 40 {
		t.Errorf("only %d sizes read", found)
	}
}

// What is embedded is dist/htmx.min.js of htmx.org 4.0.1, unchanged.
func TestHtmxIsAsPublished(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("static/htmx.min.js")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	if got, want := hex.EncodeToString(sum[:]), "a0abb04f2f45a1f89d1d4844023245537e5e6014c87b144553e0607b4cc32130"; got != want {
		t.Errorf("SHA-256 %s, want %s", got, want)
	}
}

// TestColoursCanBeRead compares every colour of letters with the grounds it stands on, in both themes (WCAG 2.2, 1.4.3:
// at least 4.5 to 1).
func TestColoursCanBeRead(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("static/app.css")
	if err != nil {
		t.Fatal(err)
	}
	colours := tokens(string(data))
	for letters, grounds := range map[string][]string{
		"ink": {"bg", "surface", "rail", "sunken", "hover", "accent-soft"}, "ink-2": {"bg", "surface", "rail", "sunken", "hover", "accent-soft"},
		"ink-3": {"bg", "surface", "rail", "sunken", "hover"}, "accent": {"bg", "surface", "rail", "sunken", "hover", "accent-soft"}, "good": {"surface", "good-soft"}, "wait": {"surface", "wait-soft"},
		"bad": {"surface", "bad-soft"}, "note": {"surface", "note-soft"}, "on-accent": {"accent", "accent-strong"}, "surface": {"bad"},
	} {
		for _, ground := range grounds {
			for theme := range 2 {
				a, b := colours[letters][theme], colours[ground][theme]
				if a == "" || b == "" {
					t.Fatalf("%s or %s is not among the tokens", letters, ground)
				}
				if ratio := contrast(t, a, b); ratio < 4.5 {
					t.Errorf("%s (#%s) on %s (#%s): %.2f to 1", letters, a, ground, b, ratio)
				}
			}
		}
	}
}

// tokens are the colours of the style sheet by name, light and dark.
func tokens(css string) map[string][2]string {
	colours := map[string][2]string{}
	for _, m := range regexp.MustCompile(`--([a-z0-9-]+): light-dark\(#([0-9a-f]{6}), #([0-9a-f]{6})\)`).FindAllStringSubmatch(css, -1) {
		colours[m[1]] = [2]string{m[2], m[3]}
	}
	return colours
}

// TestShapesCanBeSeen compares the colours that fields, bars and lines of charts are drawn in with what is around them, in
// both themes (WCAG 2.2, 1.4.11: at least 3 to 1). The colours are those that the rules themselves name.
func TestShapesCanBeSeen(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("static/app.css")
	if err != nil {
		t.Fatal(err)
	}
	css := string(data)
	colours := tokens(css)
	for _, fact := range []struct {
		selector, property string
		grounds            []string
	}{
		{"input, select, textarea", "border", []string{"surface", "bg", "sunken"}},
		{".with-prefix > span", "border", []string{"surface", "sunken"}},
		{`input[aria-invalid="true"], select[aria-invalid="true"], textarea[aria-invalid="true"]`, "border-color", []string{"surface"}},
		{":focus-visible", "outline", []string{"surface", "bg", "sunken", "hover"}},
		{".chart .bar", "fill", []string{"surface"}},
		{".chart .bar.open", "stroke", []string{"surface"}},
		{".chart .day:hover .bar, .chart .day.on .bar", "fill", []string{"surface"}},
		{".chart .line, .chart .before", "stroke", []string{"surface"}},
		{".chart .before", "stroke", []string{"surface"}},
		{".legend i", "background", []string{"surface"}},
		{".legend i.bars", "background", []string{"surface"}},
		{".legend i.open", "border", []string{"surface"}},
		{".legend i.dashed", "background", []string{"surface"}},
		{".legend i.line-open", "background", []string{"surface"}},
	} {
		rule := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(fact.selector) + ` \{[^}]*[ ;]` + fact.property + `: [^;}]*?var\(--([a-z0-9-]+)\)[^;}]*[;}]`).FindStringSubmatch(css)
		if rule == nil {
			t.Errorf("%s has no %s of a token", fact.selector, fact.property)
			continue
		}
		for _, ground := range fact.grounds {
			for theme := range 2 {
				a, b := colours[rule[1]][theme], colours[ground][theme]
				if ratio := contrast(t, a, b); ratio < 3 {
					t.Errorf("%s of %s (#%s) on %s (#%s): %.2f to 1", fact.property, fact.selector, a, ground, b, ratio)
				}
			}
		}
	}
	for _, series := range []string{"series", "series-2", "series-3"} {
		for theme := range 2 {
			if ratio := contrast(t, colours[series][theme], colours["surface"][theme]); ratio < 3 {
				t.Errorf("%s on a card: %.2f to 1", series, ratio)
			}
		}
	}
	if see := regexp.MustCompile(`\.(chart \.(line|before|bar)|legend)[^{]*\{[^}]*opacity`).FindString(css); see != "" {
		t.Errorf("one sees through %q", see)
	}
}

func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	la, lb := luminance(t, a), luminance(t, b)
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

// luminance is the relative luminance of WCAG 2.
func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	rgb, err := hex.DecodeString(colour)
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		c := float64(rgb[i]) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}
