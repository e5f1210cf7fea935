package chart

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tributary/internal/text"
)

func TestTicks(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		least, greatest, unit int64
		want                  []int64
	}{
		{0, 0, 1, []int64{0, 1}},
		{0, 1, 1, []int64{0, 1}},
		{0, 3, 1, []int64{0, 1, 2, 3}},
		{0, 9, 1, []int64{0, 2, 4, 6, 8, 10}},
		{0, 100, 1, []int64{0, 20, 40, 60, 80, 100}},
		{3, 47, 1, []int64{0, 10, 20, 30, 40, 50}},
		{0, 40, 100, []int64{0, 100}},
		{0, 123456, 100, []int64{0, 50000, 100000, 150000}},
		{-250, 900, 100, []int64{-500, 0, 500, 1000}},
		{-7, -2, 1, []int64{-8, -6, -4, -2, 0}},
	} {
		got := ticks(tc.least, tc.greatest, tc.unit)
		if len(got) != len(tc.want) {
			t.Errorf("ticks(%d, %d, %d) = %d, want %d", tc.least, tc.greatest, tc.unit, got, tc.want)
			continue
		}
		for i := range got {
			if got[i] != tc.want[i] {
				t.Errorf("ticks(%d, %d, %d) = %d, want %d", tc.least, tc.greatest, tc.unit, got, tc.want)
				break
			}
		}
	}
}

func TestTicksCoverTheDataEvenlyAndHoldZero(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const most = 1_000_000_000_000_000 // money.MaxAmount
		least, greatest := rapid.Int64Range(-most, most).Draw(t, "least"), rapid.Int64Range(-most, most).Draw(t, "greatest")
		unit := rapid.SampledFrom([]int64{1, 100, 1000}).Draw(t, "unit")
		least, greatest = min(least, greatest), max(least, greatest)
		marks := ticks(least, greatest, unit)
		if marks[0] > least || marks[len(marks)-1] < greatest {
			t.Fatalf("%d do not cover %d to %d", marks, least, greatest)
		}
		if len(marks) < 2 || len(marks) > 8 {
			t.Fatalf("%d marks", len(marks))
		}
		zero := false
		for i, m := range marks {
			zero = zero || m == 0
			if i > 0 && m-marks[i-1] != marks[1]-marks[0] {
				t.Fatalf("%d are not even", marks)
			}
			if m%unit != 0 {
				t.Fatalf("%d are not whole units of %d", marks, unit)
			}
		}
		if !zero {
			t.Fatalf("%d leave 0 out", marks)
		}
	})
}

// days draws a chart of any figures.
func days(t *rapid.T) Days {
	n := rapid.IntRange(1, 400).Draw(t, "days")
	values := rapid.SliceOfN(rapid.Int64Range(-1_000_000, 1_000_000_000), n, n)
	d := Days{Title: "Earnings", Description: "of a test", Open: rapid.IntRange(0, n+1).Draw(t, "open"), First: time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)}
	for i := range rapid.IntRange(1, 3).Draw(t, "panels") {
		p := Panel{Name: "Panel " + strconv.Itoa(i), Values: values.Draw(t, "values"), Bars: i%2 == 1, Height: 100, Unit: 100, Text: decimal}
		if rapid.Bool().Draw(t, "compared") {
			p.Before = values.Draw(t, "before")
		}
		d.Panels = append(d.Panels, p)
	}
	return d
}

func decimal(v int64) string { return strconv.FormatInt(v, 10) }

func TestADrawingIsWellFormedAndStaysInItsFrame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := days(t)
		var b bytes.Buffer
		if err := d.Draw().Render(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(b.String(), "NaN") || strings.Contains(b.String(), "Inf") || strings.Contains(b.String(), "style=") {
			t.Fatal("the drawing has a place that is none, or an inline style")
		}
		_, height := d.layout()
		groups := 0
		decoder := xml.NewDecoder(&b)
		for {
			token, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			element, ok := token.(xml.StartElement)
			if !ok {
				continue
			}
			if element.Name.Local == "g" {
				groups++
			}
			for _, a := range element.Attr {
				inside(t, element.Name.Local, a, height)
			}
		}
		if groups != d.count() {
			t.Fatalf("%d groups for %d days", groups, d.count())
		}
	})
}

// inside fails when a place is outside of the drawing.
func inside(t *rapid.T, element string, a xml.Attr, height int) {
	if element == "path" || element == "svg" || element == "day-chart" {
		return
	}
	switch a.Name.Local {
	case "x", "x1", "x2", "cx", "width":
		v, err := strconv.ParseFloat(strings.TrimSuffix(a.Value, "%"), 64)
		if err != nil || v < 0 || v > 100.01 {
			t.Fatalf("<%s %s=%q>", element, a.Name.Local, a.Value)
		}
	case "y", "y1", "y2", "cy":
		v, err := strconv.ParseFloat(a.Value, 64)
		if err != nil || v < 0 || v > float64(height) {
			t.Fatalf("<%s %s=%q> in a height of %d", element, a.Name.Local, a.Value, height)
		}
	}
}

func TestALineRunsFromTheScalesBottomToItsTop(t *testing.T) {
	t.Parallel()
	p := plot{Panel: Panel{Values: []int64{0, 50, 100}, Height: 200}, top: 10, scale: scaleOf([]int64{0, 50, 100})}
	if got := p.line(p.Values, 0, 3); got != "M0.5 100L1.5 50L2.5 0" {
		t.Errorf("line %q", got)
	}
	if got := p.area(3); got != "M0.5 100L1.5 50L2.5 0L2.5 100L0.5 100Z" {
		t.Errorf("area %q", got)
	}
	if got := p.y(50); got != "110" {
		t.Errorf("y %q", got)
	}
	if top, height := p.bar(50); top != "110" || height != "100" {
		t.Errorf("bar %s %s", top, height)
	}
	if _, height := p.bar(0); height != "0" {
		t.Errorf("a bar of nothing has height %s", height)
	}
	small := plot{Panel: Panel{Height: 200}, scale: scale{low: 0, high: 1_000_000}}
	if _, height := small.bar(1); height != "1.5" {
		t.Errorf("a bar of almost nothing has height %s", height)
	}
}

func TestALabelNamesTheDayAndEveryMeasure(t *testing.T) {
	t.Parallel()
	d := Days{First: time.Date(2026, 2, 27, 0, 0, 0, 0, time.UTC), Panels: []Panel{
		{Name: "Earnings", Values: []int64{1, 2, 3}, Before: []int64{7, 8, 9}, Text: decimal},
		{Name: "Clicks", Values: []int64{4, 5, 6}, Text: decimal},
	}}
	if got, want := d.label(text.English(), 2), "Sunday, 1 March 2026\nEarnings: 3 (before: 9)\nClicks: 6"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// Every kind of line and bar that is drawn is in the legend, once for each measure, and nothing else is.
func TestTheLegendNamesWhatIsDrawn(t *testing.T) {
	t.Parallel()
	line := Panel{Name: "Earnings", Values: []int64{1, 2, 3}, Height: 100, Text: decimal}
	before := Panel{Name: "Revenue", Values: []int64{1, 2, 3}, Before: []int64{7, 8, 9}, Height: 100, Text: decimal}
	bars := Panel{Name: "Clicks", Values: []int64{4, 5, 6}, Bars: true, Height: 50, Text: decimal}
	more := Panel{Name: "Orders", Values: []int64{4, 5, 6}, Bars: true, Height: 50, Text: decimal}
	drawn := map[string]string{
		"line": `<path class="line" `, "dashed": `<path class="before"`, "bars": `<rect class="bar" `, "line-open": `<path class="line open"`, "open": `<rect class="bar open"`,
	}
	for _, fact := range []struct {
		name   string
		panels []Panel
		open   int
		want   string
	}{
		{"a line", []Panel{line}, 0, "line Earnings"},
		{"a line and the one before", []Panel{before}, 0, "line Revenue, dashed Period before"},
		{"bars", []Panel{bars}, 0, "bars Clicks"},
		{"bars of today", []Panel{bars}, 1, "bars Clicks, open Today, not over yet"},
		{"a line and bars, of today", []Panel{before, bars}, 1, "line Revenue, dashed Period before, bars Clicks, line-open open Today, not over yet"},
		{"two of each", []Panel{before, line, bars, more}, 0, "line Revenue, dashed Period before, line Earnings, bars Clicks, bars Orders"},
	} {
		d := Days{First: time.Date(2026, 2, 27, 0, 0, 0, 0, time.UTC), Open: fact.open, Panels: fact.panels}
		var entries []string
		named := map[string]bool{}
		for _, e := range d.legend(text.English()) {
			entries = append(entries, strings.Join(e.marks, " ")+" "+e.text)
			for _, mark := range e.marks {
				named[mark] = true
			}
		}
		if got := strings.Join(entries, ", "); got != fact.want {
			t.Errorf("%s: the legend is %q, want %q", fact.name, got, fact.want)
		}
		var b strings.Builder
		if err := d.Draw().Render(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		for mark, element := range drawn {
			if strings.Contains(b.String(), element) != named[mark] {
				t.Errorf("%s: %s is drawn %v, in the legend %v", fact.name, mark, !named[mark], named[mark])
			}
		}
	}
}

func TestADayThatIsNotOverIsDrawnAsUnfinished(t *testing.T) {
	t.Parallel()
	panels := []Panel{{Name: "Earnings", Values: []int64{100, 100, 10, 0}, Height: 100, Text: decimal}, {Name: "Clicks", Values: []int64{9, 9, 1, 0}, Bars: true, Height: 50, Text: decimal}}
	for open, want := range map[int]struct {
		line, dashes string
		bars         int
		label        bool
	}{
		0: {`d="M0.5 0L1.5 0L2.5 90L3.5 100"`, "", 0, false},
		1: {`d="M0.5 0L1.5 0L2.5 90"`, `class="line open" d="M2.5 90L3.5 100"`, 1, false},
		2: {`d="M0.5 0L1.5 0"`, `class="line open" d="M1.5 0L2.5 90"`, 1, true}, // the last day is still to come
	} {
		d := Days{First: time.Date(2026, 2, 27, 0, 0, 0, 0, time.UTC), Open: open, Panels: panels}
		var b strings.Builder
		if err := d.Draw().Render(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		drawing := b.String()
		if !strings.Contains(drawing, `class="line" `+want.line) || !strings.Contains(drawing, want.dashes) || strings.Contains(drawing, "line open") != (open > 0) ||
			strings.Count(drawing, `class="bar open"`) != want.bars || strings.HasPrefix(d.label(text.English(), 2), "Sunday, 1 March 2026, so far") != want.label {
			t.Errorf("%d days open: %s", open, drawing)
		}
	}
}
