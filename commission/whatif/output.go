package whatif

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"tributary/commission"
	"tributary/partners/program"
)

// orderLine is an order as it is written.
type orderLine struct {
	Order   string       `json:"order"`
	Outcome string       `json:"outcome"`
	Touches []touchLine  `json:"touches,omitempty"`
	Credits []creditLine `json:"credits,omitempty"`
}

type touchLine struct {
	Kind    commission.TouchKind `json:"kind"`
	ID      string               `json:"id"`
	Partner program.PartnerID    `json:"partner,omitempty"`
	Reason  commission.Reason    `json:"reason"`
	Won     bool                 `json:"won,omitempty"`
	Signs   []program.Sign       `json:"signs,omitempty"`
}

type creditLine struct {
	Partner program.PartnerID `json:"partner"`
	Role    string            `json:"role"`
	// Weight is the credit's part of the order: [1,3] is a third.
	Weight    [2]int64          `json:"weight"`
	Unit      string            `json:"unit"`
	Gross     int64             `json:"gross"`
	Net       int64             `json:"net"`
	Fee       int64             `json:"fee"`
	Disputed  int64             `json:"disputed,omitempty"`
	State     commission.State  `json:"state"`
	HoldUntil time.Time         `json:"hold_until"`
	Rules     map[string]string `json:"rules,omitempty"` // by line
}

// periodLine is a period as it is written.
type periodLine struct {
	Rule    string            `json:"rule"`
	Partner program.PartnerID `json:"partner"`
	// Start is the first day; absent for all time.
	Start string    `json:"start,omitempty"`
	Unit  string    `json:"unit"`
	Days  []dayLine `json:"days,omitempty"`
	// Amount is what the period comes to, below zero for a cap.
	Amount int64 `json:"amount"`
}

// dayLine is what changed at the end of a day.
type dayLine struct {
	Day    string `json:"day"`
	Amount int64  `json:"amount"`
}

// Write writes a line of JSON for each order, then for each period, as docs/reference/decide.md says.
func (d *Decided) Write(to io.Writer) error {
	out := json.NewEncoder(to)
	out.SetEscapeHTML(false)
	for i := range d.Orders {
		if err := out.Encode(lineOf(&d.Orders[i], d.AsOf)); err != nil {
			return fmt.Errorf("writing order %q: %w", d.Orders[i].Order.ID, err)
		}
	}
	for i := range d.Periods {
		line := struct {
			Period periodLine `json:"period"`
		}{d.Periods[i].line()}
		if err := out.Encode(line); err != nil {
			return fmt.Errorf("writing a period of rule %q: %w", d.Periods[i].Of.Rule, err)
		}
	}
	return nil
}

func lineOf(d *commission.Decision, asOf time.Time) orderLine {
	line := orderLine{Order: d.Order.ID, Outcome: string(d.Outcome)}
	for _, t := range d.Touches {
		line.Touches = append(line.Touches, touchLine{t.Kind, t.ID, t.Partner, t.Reason, t.Won, t.Signs})
	}
	weights := map[string]int64{} // by unit: of all that share
	for i := range d.Credits {
		weights[d.Credits[i].Unit] += d.Credits[i].Weight
	}
	for i := range d.Credits {
		c := &d.Credits[i]
		share := [2]int64{1, 1}
		if c.Weight > 0 {
			share = [2]int64{c.Weight, weights[c.Unit]}
		}
		line.Credits = append(line.Credits, creditLine{
			Partner: c.Partner, Role: c.Role.String(), Weight: share, Unit: c.Unit, Gross: c.Gross, Net: c.Net, Fee: c.Fee,
			Disputed: c.Disputed, State: c.State(asOf), HoldUntil: c.HoldUntil.UTC(), Rules: rulesOf(c),
		})
	}
	return line
}

// rulesOf names the rules that pay for each line; of several those on top come last.
func rulesOf(c *commission.Credit) map[string]string {
	rules := make(map[string]string, len(c.Priced))
	for _, p := range c.Priced {
		r := &c.Rules[p.Rule]
		name := r.ID
		if name == "" {
			name = r.Matched
		}
		n := strconv.FormatInt(p.Line, 10)
		if before := rules[n]; before != "" {
			name = before + "+" + name
		}
		if name != "" {
			rules[n] = name
		}
	}
	return rules
}

func (p *Period) line() periodLine {
	line := periodLine{Rule: p.Of.Rule, Partner: p.Of.Partner, Start: firstDay(p.Of.Span), Unit: p.Of.Unit, Amount: p.Settlement.Amount}
	byDay := map[string]int64{}
	for _, b := range p.Settlement.Buckets {
		for _, c := range b.Changes {
			byDay[c.Day.String()] += c.Amount
		}
	}
	for day, amount := range byDay {
		if amount != 0 {
			line.Days = append(line.Days, dayLine{day, amount})
		}
	}
	slices.SortFunc(line.Days, func(a, b dayLine) int { return strings.Compare(a.Day, b.Day) })
	return line
}

// firstDay is the first day of a span (commission.SpanOf); empty for all time.
func firstDay(span string) string {
	year, part, _ := strings.Cut(span, "-")
	switch {
	case span == string(program.Ever):
		return ""
	case part == "":
		return year + "-01-01"
	case part[0] == 'Q':
		return fmt.Sprintf("%s-%02d-01", year, 3*int(part[1]-'1')+1)
	case part[0] == 'W':
		y, _ := strconv.Atoi(year)
		week, _ := strconv.Atoi(part[1:])
		fourth := time.Date(y, time.January, 4, 0, 0, 0, 0, time.UTC) // always in the first week
		monday := fourth.AddDate(0, 0, -int(fourth.Weekday()+6)%7)
		return monday.AddDate(0, 0, 7*(week-1)).Format(time.DateOnly)
	case len(part) == 2:
		return span + "-01"
	}
	return span
}
