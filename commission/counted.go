package commission

import (
	"fmt"
	"slices"
	"strconv"

	"tributary/partners/program"
)

// Counted says in which periods a credit counts, and on which days what happened to it does. The decision fixes the days, so
// that a newer time zone file never takes off another day than was added. A credit that counts nowhere has none.
type Counted struct {
	// Day is that of the order in the zone of the terms, Refunds are those of the order's refunds, one for each.
	Day     Day   `json:"day"`
	Refunds []Day `json:"refunds,omitempty"`
	// Declines are the days of the order's declines, one for each that has an effect.
	Declines []Day `json:"declines,omitempty"`
	// In are the periods, in the order in which the terms list their rules.
	In []CountedIn `json:"in"`
}

// CountedIn is one period in which a credit counts.
type CountedIn struct {
	// Rule is the id that the terms give the rule, As what the rule says.
	Rule string               `json:"rule"`
	As   program.PeriodRuleID `json:"as"`
	// Span names the period, as SpanOf does.
	Span string `json:"span"`
	// Lines are the numbers of the lines that count, ascending; none where all of them do.
	Lines []int64 `json:"lines,omitempty"`
	// Paid are the indexes of the credit's rules whose pay counts, ascending; none where that of all does.
	Paid []int `json:"paid,omitempty"`

	// says is the rule itself, nil in a decision that was read from its record.
	says *program.Counting
}

// Says is the rule itself; nil in a decision that was read from its record.
func (c *CountedIn) Says() *program.Counting { return c.says }

// Has reports whether a line counts.
func (c *CountedIn) Has(line int64) bool {
	if len(c.Lines) == 0 {
		return true
	}
	_, found := slices.BinarySearch(c.Lines, line)
	return found
}

// Count enters the periods in which the credit counts: those of rules, all of one version of the terms and for the credit's
// payee, that are about lines of the order. Of an order without lines they are asked for line -1. A rule that names rules of
// the terms counts what these have paid.
func (c *Credit) Count(o *Order, rules []*program.Counting, about func(rule *program.Counting, line int) bool) {
	if len(rules) == 0 {
		return
	}
	in := make([]CountedIn, 0, len(rules))
	day := DayOf(o.At, rules[0].Zone) // one version of the terms has one zone
	for _, rule := range rules {
		counted := CountedIn{Rule: rule.Period.ID, As: rule.ID, says: rule}
		if n := len(in); n > 0 && in[n-1].says.Period.Period == rule.Period.Period {
			counted.Span = in[n-1].Span
		} else {
			counted.Span = SpanOf(rule.Period.Period, day)
		}
		if len(rule.Period.Rules) > 0 {
			if counted.Paid = c.named(rule.Period.Rules); len(counted.Paid) == 0 {
				continue
			}
		}
		counts := func(i int) bool { return about(rule, i) && c.paysFor(o.Lines[i].Number, counted.Paid) }
		n := 0
		for i := range o.Lines {
			n += int(truth(counts(i)))
		}
		switch {
		case n == 0 && (len(o.Lines) > 0 || !about(rule, -1)):
			continue
		case n < len(o.Lines):
			for i := range o.Lines {
				if counts(i) {
					counted.Lines = append(counted.Lines, o.Lines[i].Number)
				}
			}
		}
		in = append(in, counted)
	}
	if len(in) == 0 {
		return
	}
	zone := in[0].says.Zone
	c.Counted = &Counted{Day: day, In: in}
	for i := range o.Refunds {
		c.Counted.Refunds = append(c.Counted.Refunds, DayOf(o.Refunds[i].Effective, zone))
	}
}

// named are the indexes of the credit's rules with these ids.
func (c *Credit) named(ids []string) (rules []int) {
	for i := range c.Rules {
		if slices.Contains(ids, c.Rules[i].ID) {
			rules = append(rules, i)
		}
	}
	return rules
}

// paysFor reports whether one of some rules pays for a line; none stand for all that there may be.
func (c *Credit) paysFor(line int64, rules []int) bool {
	return len(rules) == 0 ||
		slices.ContainsFunc(rules, func(i int) bool { return c.Terms.rules3() && c.Rules[i].Of != "" }) ||
		slices.ContainsFunc(c.Priced, func(p Priced) bool { return p.Line == line && slices.Contains(rules, p.Rule) })
}

// SpanOf names the period of a length that a day is in: "2026-09-07", "2026-W37", "2026-09", "2026-Q3", "2026" or "ever".
// Weeks begin on Monday and go by ISO 8601.
func SpanOf(length program.Length, d Day) string {
	year, month, _ := d.Date()
	switch length {
	case program.Day:
		return d.String()
	case program.Week:
		year, week := d.utc().ISOWeek()
		return fmt.Sprintf("%04d-W%02d", year, week)
	case program.Month:
		return d.String()[:len("2026-09")]
	case program.Quarter:
		return fmt.Sprintf("%04d-Q%d", year, (int(month)+2)/3)
	case program.Year:
		return strconv.Itoa(year)
	default:
		return string(program.Ever)
	}
}

// checkCounted refuses a record whose days or lines are not those of the order.
func (c *Credit) checkCounted(o *Order) error {
	if c.Counted == nil {
		return nil
	}
	declines := 0
	for _, r := range o.Reviews {
		if r.Verb == Decline && r.NoEffect == "" {
			declines++
		}
	}
	if n := len(c.Counted.Declines); n > declines {
		return fmt.Errorf("reading the record of a decision: partner %d has the days of %d of %d declines", c.Partner, n, declines)
	}
	if len(c.Counted.Refunds) != len(o.Refunds) {
		return fmt.Errorf("reading the record of a decision: partner %d has the days of %d of %d refunds", c.Partner, len(c.Counted.Refunds), len(o.Refunds))
	}
	for _, in := range c.Counted.In {
		for i, line := range in.Lines {
			if _, found := o.line(line); !found || i > 0 && line <= in.Lines[i-1] {
				return fmt.Errorf("reading the record of a decision: line %d counts in the period %s of %q", line, in.Span, in.Rule)
			}
		}
		for _, rule := range in.Paid {
			if rule < 0 || rule >= len(c.Rules) {
				return fmt.Errorf("reading the record of a decision: rule %d of %d counts in the period %s of %q", rule, len(c.Rules), in.Span, in.Rule)
			}
		}
	}
	return nil
}

func (c *Counted) appendJSON(dst []byte) []byte {
	dst = append(c.Day.append(append(dst, `{"day":"`...)), '"')
	dst = appendDays(dst, `,"refunds":[`, c.Refunds)
	dst = appendDays(dst, `,"declines":[`, c.Declines)
	dst = append(dst, `,"in":[`...)
	for i := range c.In {
		dst = c.In[i].appendJSON(separate(dst, i))
	}
	return append(dst, `]}`...)
}

// appendDays appends nothing where there are none.
func appendDays(dst []byte, name string, days []Day) []byte {
	if len(days) == 0 {
		return dst
	}
	dst = append(dst, name...)
	for i, day := range days {
		dst = append(day.append(append(separate(dst, i), '"')), '"')
	}
	return append(dst, ']')
}

func (c *CountedIn) appendJSON(dst []byte) []byte {
	dst = appendText(dst, `{"rule":`, c.Rule)
	dst = append(c.As.Append(append(dst, `,"as":"`...)), '"')
	dst = appendText(dst, `,"span":`, c.Span)
	if len(c.Lines) > 0 {
		dst = append(dst, `,"lines":[`...)
		for i, line := range c.Lines {
			dst = strconv.AppendInt(separate(dst, i), line, 10)
		}
		dst = append(dst, ']')
	}
	if len(c.Paid) > 0 {
		dst = append(dst, `,"paid":[`...)
		for i, rule := range c.Paid {
			dst = strconv.AppendInt(separate(dst, i), int64(rule), 10)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}
