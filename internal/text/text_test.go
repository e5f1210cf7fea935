package text

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"tributary/internal/text/catalogue"
)

func TestEveryMessageIsSaidSomewhere(t *testing.T) {
	t.Parallel()
	called := map[string]bool{}
	call := regexp.MustCompile(`\.([A-Z]\w+)\b`)
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		name := d.Name()
		if err != nil || d.IsDir() && (name == "bin" || strings.HasPrefix(name, ".") && len(name) > 2) {
			return filepath.SkipDir
		}
		generated := strings.HasSuffix(name, "_gen.go") || strings.HasSuffix(name, "_templ.go") || strings.HasSuffix(name, "_test.go")
		if generated || filepath.Ext(name) != ".go" && filepath.Ext(name) != ".templ" {
			return nil
		}
		source, err := os.ReadFile(path)
		for _, found := range call.FindAllStringSubmatch(string(source), -1) {
			called[found[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	generated, err := os.ReadFile("accessor_gen.go")
	if err != nil {
		t.Fatal(err)
	}
	methods := regexp.MustCompile(`(?m)^func (?:\(p \*Printer\) )?(\w+)`).FindAllStringSubmatch(string(generated), -1)
	if len(methods) < 50 {
		t.Fatalf("only %d messages", len(methods))
	}
	for _, m := range methods {
		if !called[m[1]] && !strings.HasSuffix(m[1], "Codes") { // those are for tests
			t.Errorf("nothing says %s", m[1])
		}
	}
}

func TestPlaceholdersAgreeInEveryForm(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ file, problem string }{
		{`{"a.b": {"one": "{n} row of {list}", "other": "{n} rows of {list}"}}`, ""},
		{`{"a.b": {"one": "a row of {list}", "other": "{n} rows of {list}"}}`, ""},
		{`{"a.b": {"one": "{n} row", "other": "{n} rows of {list}"}}`, "placeholders"},
		{`{"a.b": {"one": "a row", "other": "rows"}}`, "{n}"},
		{`{"a.b": {"few": "{n} row", "other": "{n} rows"}}`, "few"},
		{`{"a.b": {"one": "{n} row"}}`, "other is missing"},
		{`{"a.b": "one {"}`, "neither"},
		{`{"a.b": "<i>words</i>"}`, "neither"},
		{`{"a.b": "<b>words"}`, "does not end"},
		{`{"a.b": "words</b>"}`, "did not begin"},
		{`{"a.b": "<b>x<a>y</a></b>"}`, "within"},
		{`{"a.b": "<a>x</a> <a>y</a>"}`, "one link"},
		{`{"ab": "x"}`, "area"},
		{`{"a.b": "x", "a.b": "y"}`, "twice"},
		{`{"a.b": 1}`, "neither"},
		{`{"a.b": "x"} {}`, "follows"},
	} {
		_, err := catalogue.Parse([]byte(tc.file))
		if tc.problem == "" && err != nil || tc.problem != "" && (err == nil || !strings.Contains(err.Error(), tc.problem)) {
			t.Errorf("%s: %v, want %q", tc.file, err, tc.problem)
		}
	}
}

func TestTheOrderOfPlaceholdersIsNotThatOfTheWords(t *testing.T) {
	t.Parallel()
	list, err := catalogue.Parse([]byte(`{"a.b": {"one": "x {zone} {n} {area}", "other": "{zone} {area} {n} {zone}"}}`))
	if err != nil || !reflect.DeepEqual(list[0].Values(), []string{"n", "area", "zone"}) {
		t.Errorf("%v, %v", list, err)
	}
}

func TestCountsChooseTheirForm(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 days", 1: "1 day", -1: "-1 day", 2: "2 days", 1234567: "1,234,567 days"} {
		if got := English().SpanDays(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func TestMarksAreKeptAndWordsAreEscaped(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := English().FaultRequest(`<script>"&`).Render(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != `Request <code translate="no">&lt;script&gt;&#34;&amp;</code>` {
		t.Error(got)
	}
}

func TestTheContextSaysInWhichLanguage(t *testing.T) {
	t.Parallel()
	if Of(context.Background()) != English() {
		t.Error("English is not the language where none is set")
	}
	p := Pseudo()
	if Of(With(context.Background(), p)) != p || p.Tag() != "en-XA" || English().Tag() != "en" {
		t.Error("the printer is lost on its way")
	}
}

func TestThePseudoLocaleMarksWhatItSays(t *testing.T) {
	t.Parallel()
	p := Pseudo()
	for got, want := range map[string]string{
		p.AccountTitle():            "⟦Áççöûñt ~~~⟧",
		p.SpanDays(2):               "⟦2 dáýs ~~⟧",
		p.Role("nobody knows"):      "nobody knows",
		p.Day(time.Unix(0, 0)):      "⟦1 Jan 1970⟧",
		p.Span(90 * time.Second):    "⟦⟦1 mîñûté ~~~⟧ ⟦30 séçöñds ~~~~⟧ ~⟧",
		English().Org("merchant"):   "merchant",
		English().Role("unheardof"): "unheardof",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if long, short := p.SigninHelp(), English().SigninHelp(); len([]rune(long)) < len([]rune(short))*14/10 {
		t.Errorf("%q is not 40 %% longer than %q", long, short)
	}
}

func TestSpansNameTheirTwoLargestUnits(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for d, want := range map[time.Duration]string{
		0: "0 seconds", time.Second: "1 second", 90 * time.Minute: "1 hour 30 minutes", 30 * day: "30 days", 30*day + time.Second: "30 days",
		26*time.Hour + 3*time.Minute: "1 day 2 hours", 400 * time.Millisecond: "400 milliseconds", -time.Hour: "minus 1 hour", 1200 * day: "1,200 days",
	} {
		if got := English().Span(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
	for d, want := range map[time.Duration]string{0: "1 minute", 59 * time.Second: "1 minute", 61 * time.Second: "2 minutes", time.Hour: "1 hour"} {
		if got := English().Wait(d); got != want {
			t.Errorf("a wait of %s: %q, want %q", d, got, want)
		}
	}
}

func TestShares(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		part, whole int64
		want        string
	}{{1, 3, "33.33 %"}, {92, 5930, "1.55 %"}, {0, 10, "0.00 %"}, {5, 0, "–"}, {30, 10, "300.00 %"}, {1, 100000, "0.00 %"}} {
		if got := English().Share(tc.part, tc.whole); got != tc.want {
			t.Errorf("%d of %d: %q, want %q", tc.part, tc.whole, got, tc.want)
		}
	}
}

// BenchmarkMessage holds a message with a count to 100 ns or so.
func BenchmarkMessage(b *testing.B) {
	p := English()
	for b.Loop() {
		_ = p.SpanDays(1234)
	}
}
