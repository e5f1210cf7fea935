package commission

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tributary/internal/event"
	"tributary/partners/program"
)

// countedClicks is an order for the clicks of a day, received the day after.
func countedClicks(lines ...*event.Line) *event.Event {
	return &event.Event{
		Id: idOf("clicks"), ReceivedAt: event.Micros(noon().Add(9 * day)), OccurredAt: event.Micros(noon()),
		Body: &event.Event_Sale{Sale: &event.Sale{
			MerchantId: 1, OrderId: "clicks/2026-03-01/2/7", Currency: "GBP", Goal: "click", Lines: lines,
			Counted: &event.CountedClicks{ProgramId: 2, PartnerId: 7, Day: "2026-03-01"},
		}},
	}
}

func clicksFrom(n int64, country, device string, clicks int64) *event.Line {
	return &event.Line{Number: n, Quantity: clicks, Country: country, Device: device}
}

// perClick pays 5 for each click, 9 from Germany, and 10 % of sales.
func perClick(change func(d *program.Document)) program.LinkTerms {
	d := program.Document{
		Schema: 1, Currency: "GBP", Hold: program.Duration(30 * day), NetworkFee: 200_000,
		Attribution: program.Attribution{Touches: program.Touches{Click: &program.Touching{}}},
		Rules: []program.Rule{
			{Where: program.All(program.Test{Key: program.KeyGoal, Texts: []string{"click"}}), Pay: program.Pay{Fixed: 5, Per: program.PerClick}},
			{
				Where: program.All(program.Test{Key: program.KeyGoal, Texts: []string{"click"}}, program.Test{Key: program.KeyCountry, Texts: []string{"DE"}}),
				Pay:   program.Pay{Fixed: 9, Per: program.PerClick},
			},
			{Pay: program.Pay{Percent: 100_000}},
		},
		Periods: []program.Period{{ID: "cap", Measure: program.MeasureCommission, Period: program.Month, Cap: 1_000_000}},
	}
	if change != nil {
		change(&d)
	}
	v := program.Version{EffectiveFrom: noon().Add(-100 * day), Rules: program.Rules3, Document: d}
	found := linkTerms(noon(), v.Terms())
	found.Partner = 7
	return found
}

func TestWhatClicksEarn(t *testing.T) {
	t.Parallel()
	for _, fact := range []struct {
		name    string
		event   *event.Event
		change  func(d *program.Document)
		outcome Reason
		net     int64
	}{
		{"each by its rule", countedClicks(clicksFrom(1, "DE", "mobile", 3), clicksFrom(2, "", "", 10)), nil, Credited, 3*9 + 10*5},
		{"none without a rule for clicks", countedClicks(clicksFrom(1, "DE", "", 3)), func(d *program.Document) { d.Rules = d.Rules[2:] }, NoRule, 0},
		{"none where clicks earn nothing", countedClicks(clicksFrom(1, "DE", "", 3)), func(d *program.Document) {
			d.Attribution.Touches = program.Touches{Coupon: &program.Touching{}}
		}, ClickNotCredited, 0},
	} {
		o := mustFold(t, fact.event)
		found := perClick(fact.change)
		d, err := Decide(o, Evidence{Candidates: []Candidate{{Kind: TouchClicks, Code: o.ID, Link: found}}})
		if err != nil {
			t.Fatal(err)
		}
		net := int64(0)
		for _, c := range d.Credits {
			net += c.Net
		}
		if d.Outcome != fact.outcome || net != fact.net || o.Late {
			t.Errorf("%s: %s, %d, late %t; want %s, %d", fact.name, d.Outcome, net, o.Late, fact.outcome, fact.net)
		}
		if len(d.Credits) == 0 {
			continue
		}
		if hold := d.Credits[0].HoldUntil; !hold.Equal(noon().Add(30 * day)) {
			t.Errorf("%s: held until %v", fact.name, hold)
		}
		if e := d.Earning(0, time.Time{}); e.Counts || e.Leads {
			t.Errorf("%s: it is counted as an order", fact.name)
		}
		if tally := d.Tally(0)[0][0]; tally.Count != 0 || tally.Commission != fact.net {
			t.Errorf("%s: it counts in a period as %+v", fact.name, tally)
		}
		read, err := UnmarshalRecord(d.AppendJSON(nil))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(d.AppendJSON(nil)), string(read.AppendJSON(nil))); diff != "" || *read.Order.Clicks != *o.Clicks {
			t.Errorf("%s: the record is read as another: %s", fact.name, diff)
		}
	}
}

func TestClicksThatCannotBeFolded(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(s *event.Sale){
		"no day":     func(s *event.Sale) { s.Counted.Day = "7 March" },
		"no program": func(s *event.Sale) { s.Counted.ProgramId = 0 },
		"no partner": func(s *event.Sale) { s.Counted.PartnerId = 0 },
		"a sale":     func(s *event.Sale) { s.Goal = "" },
		"a trial":    func(s *event.Sale) { s.Test = true },
	} {
		e := countedClicks(clicksFrom(1, "", "", 1))
		change(e.GetSale())
		if err := Check(e); err == nil {
			t.Errorf("clicks with %s can be folded", name)
		}
	}
}
