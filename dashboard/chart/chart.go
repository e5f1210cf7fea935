// Package chart draws the pages' figures by day (step 7 in the life of a click) as SVG, on the server: no script is
// needed to read one, colours follow the theme through the style sheet, and it prints. Places along the days are in
// per cent, so that one drawing fits a telephone and a wide screen with letters of the same size.
package chart

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"tributary/internal/text"
)

// Days is a figure over consecutive days: one panel above the other, along the same days.
type Days struct {
	// Title and Description are read out in place of the drawing.
	Title, Description string
	// First is the first day, at midnight UTC.
	First time.Time
	// Open is how many of the last days are not over: the first of them is drawn as unfinished, those behind it, to come,
	// not at all.
	Open   int
	Panels []Panel
}

// Panel is one measure. Values has one entry for each day, at most a few hundred.
type Panel struct {
	Name   string
	Values []int64
	// Before is the same measure in the period before, as a dashed line; empty for none.
	Before []int64
	// Bars draws bars; otherwise it is a line over its area.
	Bars bool
	// Height of the plot in pixels.
	Height int
	// Unit is the smallest step between marks of the axis: 1 for counts, a whole unit of a currency for money.
	Unit int64
	// Text writes a value for the axis and the labels.
	Text func(int64) string
	// Short writes a value for the axis, where room is scarce; Text does when it is nil.
	Short func(int64) string
}

// Heights in pixels around the plots.
const (
	headHeight = 26 // the panel's name
	gapHeight  = 18 // between panels
	footHeight = 24 // the days
)

// plot is a panel laid out.
type plot struct {
	Panel

	top   int
	marks []int64
	scale scale
}

func (d Days) count() int {
	if len(d.Panels) == 0 {
		return 0
	}
	return len(d.Panels[0].Values)
}

// layout stacks the panels and gives the height of the whole.
func (d Days) layout() (plots []plot, height int) {
	y := 0
	for i, p := range d.Panels {
		if i > 0 {
			y += gapHeight
		}
		y += headHeight
		all := slices.Concat(p.Values, p.Before, []int64{0})
		marks := ticks(slices.Min(all), slices.Max(all), max(p.Unit, 1))
		plots = append(plots, plot{Panel: p, top: y, marks: marks, scale: scaleOf(marks)})
		y += p.Height
	}
	return plots, y + footHeight
}

// y is the place of a value in the whole drawing, in pixels.
func (p plot) y(value int64) string {
	return number(float64(p.top) + float64(p.Height)*(100-p.scale.up(value))/100)
}

func (p plot) short(value int64) string {
	if p.Short != nil {
		return p.Short(value)
	}
	return p.Text(value)
}

// line is the path through the middle of the days from one up to but not including another, in a box of one unit a day
// and 100 high; empty for none.
func (p plot) line(values []int64, from, to int) string {
	var b strings.Builder
	from = max(from, 0)
	for i := from; i < to; i++ {
		letter := "L"
		if i == from {
			letter = "M"
		}
		fmt.Fprintf(&b, "%s%s %s", letter, number(float64(i)+0.5), number(100-p.scale.up(values[i])))
	}
	if to-from == 1 {
		b.WriteString("h.01") // a path of one point would not be drawn
	}
	return b.String()
}

// area is the line of the first days closed along zero; empty for none.
func (p plot) area(days int) string {
	if days == 0 {
		return ""
	}
	zero := number(100 - p.scale.up(0))
	return p.line(p.Values, 0, days) + "L" + number(float64(days)-0.5) + " " + zero + "L0.5 " + zero + "Z"
}

// closed is how many days are over.
func (d Days) closed() int { return d.count() - min(d.Open, d.count()) }

// today tells whether a day is the one that is not over.
func (d Days) today(i int) bool { return d.Open > 0 && i == d.closed() }

// bar gives top and height of a value's bar in pixels. A value above zero is never too small to be seen.
func (p plot) bar(value int64) (top, height string) {
	low, high := min(value, 0), max(value, 0)
	h := float64(p.Height) * (p.scale.up(high) - p.scale.up(low)) / 100
	t := float64(p.top) + float64(p.Height)*(100-p.scale.up(high))/100
	if value != 0 && h < 1.5 {
		t, h = t-(1.5-h), 1.5
	}
	return number(t), number(h)
}

// across is a place along the days in per cent; day counts from 0, and may be a fraction.
func (d Days) across(day float64) string {
	return number(100*day/float64(d.count())) + "%"
}

// day is the date of a column.
func (d Days) day(i int) time.Time { return d.First.AddDate(0, 0, i) }

// A dayMark is a date below the chart. Minor ones are left out where the screen is narrow.
type dayMark struct {
	day   int
	text  string
	minor bool
}

// dayMarks chooses about eight dates, of which every other one is minor.
func (d Days) dayMarks(t *text.Printer) []dayMark {
	n := d.count()
	step := max((n+7)/8, 1)
	var marks []dayMark
	for i := step / 2; i < n; i += step {
		marks = append(marks, dayMark{day: i, text: t.ShortDay(d.day(i)), minor: len(marks)%2 == 1})
	}
	return marks
}

// A legendItem is an entry of the legend: what stands for a part of the drawing, and what it is.
type legendItem struct {
	marks []string // "line", "dashed", "bars", "line-open" or "open"
	text  string
}

// legend names every line and every kind of bar that is drawn.
func (d Days) legend(t *text.Printer) []legendItem {
	var list []legendItem
	var open []string
	before := false
	for _, p := range d.Panels {
		mark, unfinished := "line", "line-open"
		if p.Bars {
			mark, unfinished = "bars", "open"
		}
		list = append(list, legendItem{[]string{mark}, p.Name})
		if len(p.Before) > 0 && !p.Bars && !before {
			list, before = append(list, legendItem{[]string{"dashed"}, t.ChartBefore()}), true
		}
		if d.Open > 0 && !slices.Contains(open, unfinished) {
			open = append(open, unfinished)
		}
	}
	if len(open) > 0 {
		list = append(list, legendItem{open, t.ChartToday()})
	}
	return list
}

// label is what is said of a day: its date, then a row for each panel.
func (d Days) label(t *text.Printer, i int) string {
	rows := []string{t.Weekday(d.day(i))}
	if d.today(i) {
		rows[0] = t.ChartSoFar(rows[0])
	}
	for _, p := range d.Panels {
		row := t.ChartValue(p.Name, p.Text(p.Values[i]))
		if i < len(p.Before) {
			row = t.ChartValueBefore(p.Text(p.Before[i]), p.Name, p.Text(p.Values[i]))
		}
		rows = append(rows, row)
	}
	return strings.Join(rows, "\n")
}

// number writes a place with at most two decimals.
func number(f float64) string {
	text := strconv.FormatFloat(f, 'f', 2, 64)
	return strings.TrimRight(strings.TrimRight(text, "0"), ".")
}
