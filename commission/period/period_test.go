package period_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tributary/commission"
	"tributary/commission/period"
	"tributary/internal/event"
	"tributary/internal/money"
	"tributary/partners/program"
	"tributary/test/schemes"
)

// newYork are the rules of terms in New York: on all of an order, and on its second line alone.
func newYork(t *testing.T) []*program.Counting {
	t.Helper()
	var rules []*program.Counting
	for _, p := range []program.Period{
		{ID: "all", Period: program.Month, Measure: program.MeasureRevenue, Tiers: []program.Tier{{From: 1, Percent: 10_000}}},
		{ID: "second", Period: program.Quarter, Measure: program.MeasureCommission, Cap: 5},
	} {
		rule, err := (&program.PeriodRule{Version: 1, Zone: "America/New_York", Period: p}).Compile()
		if err != nil {
			t.Fatal(err)
		}
		rules = append(rules, rule)
	}
	return rules
}

// late is 23:30 of 30 September in New York.
func late() time.Time { return time.Date(2026, time.October, 1, 3, 30, 0, 0, time.UTC) }

func sale(amounts ...int64) *event.Event {
	s := &event.Sale{MerchantId: 1, OrderId: "A1", Currency: "GBP", ClickId: "click"}
	for i, a := range amounts {
		s.Lines = append(s.Lines, &event.Line{Number: int64(i + 1), Quantity: 1, Amount: a})
	}
	return &event.Event{Id: make([]byte, 16), OccurredAt: event.Micros(late()), ReceivedAt: event.Micros(late()), Body: &event.Event_Sale{Sale: s}}
}

func refund(id string, after time.Duration, line, amount int64) *event.Event {
	at := event.Micros(late().Add(after))
	r := &event.Refund{MerchantId: 1, OrderId: "A1", RefundId: id, Items: []*event.RefundItem{{Line: line, Amount: amount}}}
	return &event.Event{Id: make([]byte, 16), OccurredAt: at, ReceivedAt: at, Body: &event.Event_Refund{Refund: r}}
}

// decided is the order of events as it is decided at 10 %: by one partner, or shared.
func decided(t *testing.T, rules []*program.Counting, shares []schemes.Share, events ...*event.Event) commission.Decision {
	t.Helper()
	terms := program.Terms{Version: 1, Window: 24 * time.Hour, Hold: time.Hour, Rates: program.Rates{program.Site: {program.AnyCategory: 10 * money.One / 100}}}
	link := program.LinkTerms{Link: 7, Merchant: 1, Program: 2, Partner: 3, Kind: program.Site, Currencies: []string{"GBP"}, Terms: &terms}
	order, err := commission.Fold(events, commission.Said{})
	if err != nil {
		t.Fatal(err)
	}
	decide := commission.Decider(commission.Decide)
	if shares != nil {
		decide = schemes.Split(shares...)
	}
	click := commission.Click{ID: "click", Link: 7, At: late().Add(-time.Hour)}
	d, err := decide(order, commission.Evidence{Candidates: []commission.Candidate{{Kind: commission.TouchClick, Click: click, Link: link}}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range d.Credits {
		d.Credits[i].Count(&d.Order, rules, func(rule *program.Counting, line int) bool { return rule.Period.ID == "all" || line == 1 })
	}
	return d
}

// said are contributions, one a line: "all 2026-09 of 3: 2026-09-30 as of 2026-10-01: 1 300 30".
func said(all []period.Contribution) string {
	var lines []string
	for _, c := range all {
		lines = append(lines, fmt.Sprintf("%s %s of %d: %s as of %s: %d %d %d",
			c.Key.Rule, c.Key.Span, c.Key.Partner, c.Cell.Day, c.Cell.Effective, c.Sums.Count, c.Sums.Revenue, c.Sums.Commission))
	}
	return strings.Join(lines, "\n")
}

func TestWhatADecisionAddsToItsPeriods(t *testing.T) {
	t.Parallel()
	rules := newYork(t)
	halves := []schemes.Share{{Weight: 1}, {Partner: 9, Weight: 1}}
	for _, row := range []struct {
		name     string
		was, now commission.Decision
		want     string
	}{
		{
			"a sale",
			commission.Decision{},
			decided(t, rules, nil, sale(1000, 2000)),
			"all 2026-09 of 3: 2026-09-30 as of 2026-09-30: 1 3000 300\nsecond 2026-Q3 of 3: 2026-09-30 as of 2026-09-30: 1 2000 200",
		},
		{
			"a sale and its refund an hour later, on the next day",
			commission.Decision{},
			decided(t, rules, nil, sale(1000, 2000), refund("r", time.Hour, 1, 400)),
			"all 2026-09 of 3: 2026-09-30 as of 2026-09-30: 1 3000 300\nall 2026-09 of 3: 2026-09-30 as of 2026-10-01: 0 -400 -40\n" +
				"second 2026-Q3 of 3: 2026-09-30 as of 2026-09-30: 1 2000 200",
		},
		{
			"a further refund takes the second line whole",
			decided(t, rules, nil, sale(1000, 2000), refund("r", time.Hour, 1, 400)),
			decided(t, rules, nil, sale(1000, 2000), refund("r", time.Hour, 1, 400), refund("s", 48*time.Hour, 2, 2000)),
			"all 2026-09 of 3: 2026-09-30 as of 2026-10-02: 0 -2000 -200\nsecond 2026-Q3 of 3: 2026-09-30 as of 2026-10-02: -1 -2000 -200",
		},
		{
			"an order without lines counts",
			commission.Decision{},
			decided(t, rules[:1], nil, sale()),
			"all 2026-09 of 3: 2026-09-30 as of 2026-09-30: 1 0 0",
		},
		{
			"51: split in two, each has its half",
			commission.Decision{},
			decided(t, rules[:1], halves, sale(10_001)),
			"all 2026-09 of 3: 2026-09-30 as of 2026-09-30: 1 5001 500\nall 2026-09 of 9: 2026-09-30 as of 2026-09-30: 1 5000 500",
		},
		{
			"it moves to another partner",
			decided(t, rules[:1], nil, sale(1000)), decided(t, rules[:1], []schemes.Share{{Partner: 9}}, sale(1000)),
			"all 2026-09 of 3: 2026-09-30 as of 2026-09-30: -1 -1000 -100\nall 2026-09 of 9: 2026-09-30 as of 2026-09-30: 1 1000 100",
		},
		{"nothing is new", decided(t, rules, halves, sale(1000)), decided(t, rules, halves, sale(1000)), ""},
		{"it counts nowhere", commission.Decision{}, decided(t, nil, nil, sale(1000)), ""},
	} {
		recorded, err := commission.UnmarshalRecord(row.now.AppendJSON(nil))
		if err != nil {
			t.Fatalf("%s: %v", row.name, err)
		}
		got := said(period.Difference(&row.was, &row.now))
		if diff := cmp.Diff(row.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.name, diff)
		}
		if got := said(period.Difference(&row.was, &recorded)); got != row.want {
			t.Errorf("%s: its record adds\n%s", row.name, got)
		}
	}
}

// Another time within the same day is another place among the orders of the day.
func TestAnotherTimeOfAnOrderIsToldToItsPeriods(t *testing.T) {
	t.Parallel()
	earlier := sale(1000)
	earlier.OccurredAt -= time.Hour.Microseconds()
	was, now := decided(t, newYork(t)[:1], nil, sale(1000)), decided(t, newYork(t)[:1], nil, earlier)
	if got := said(period.Difference(&was, &now)); got != "all 2026-09 of 3: 2026-09-30 as of 2026-09-30: 0 0 0" {
		t.Errorf("it says %q", got)
	}
}

func TestTheSpanOfADay(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		length    program.Length
		day, want string
	}{
		{program.Day, "2026-09-07", "2026-09-07"},
		{program.Week, "2026-09-07", "2026-W37"},
		{program.Week, "2027-01-03", "2026-W53"},
		{program.Week, "2024-12-30", "2025-W01"},
		{program.Month, "2026-09-30", "2026-09"},
		{program.Quarter, "2026-09-30", "2026-Q3"},
		{program.Quarter, "2026-10-01", "2026-Q4"},
		{program.Year, "2026-12-31", "2026"},
		{program.Ever, "2026-12-31", "ever"},
	} {
		var day commission.Day
		if err := day.UnmarshalText([]byte(row.day)); err != nil {
			t.Fatal(err)
		}
		if got := commission.SpanOf(row.length, day); got != row.want {
			t.Errorf("the %s of %s is %s, want %s", row.length, row.day, got, row.want)
		}
	}
}

// A record says why, and reads back as it was written.
func TestTheRecordOfAPeriod(t *testing.T) {
	t.Parallel()
	rule := newYork(t)[1]
	rules := period.Rules{rule.ID: rule}
	d := decided(t, newYork(t)[1:], nil, sale(1000, 2000), refund("r", 48*time.Hour, 2, 1990))
	order := period.OrderOf(&d, 0, period.Key{Merchant: 1, Program: 2, Partner: 3, Rule: "second", Span: "2026-Q3", Unit: "GBP"})
	settled, err := period.Rank(rules, []period.Order{order})
	if err != nil {
		t.Fatal(err)
	}
	record := period.NewRecord(period.Key{Program: 2, Partner: 3, Rule: "second", Span: "2026-Q3", Unit: "GBP"}, rules, &settled)
	written, err := record.JSON()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"program":2,"partner":3,"rule":"second","span":"2026-Q3","unit":"GBP",` +
		`"rules":[{"id":"` + rule.ID.String() + `","says":{"version":1,"zone":"America/New_York","period":{"id":"second","measure":"commission","period":"quarter","cap":5}}}],` +
		`"sums":{"count":1,"revenue":10,"commission":1},"amount":0,` +
		`"bands":[{"rule":"` + rule.ID.String() + `","from":5,"of":0,"amount":0}],` +
		`"days":[{"day":"2026-09-30","rule":"` + rule.ID.String() + `","hold_s":3600,"version":1,"sums":{"count":1,"revenue":10,"commission":1},` +
		`"before":{"count":0,"revenue":0,"commission":0},"amount":0,"ends":"2026-10-01T04:00:00Z","hold_until":"2026-09-30T05:00:00Z",` +
		`"changes":[{"day":"2026-09-30","at":"2026-10-01T04:00:00Z","amount":-195},{"day":"2026-10-02","at":"2026-10-03T04:00:00Z","amount":195}]}]}`
	if diff := cmp.Diff(want, string(written)); diff != "" {
		t.Errorf("the record (-want +got):\n%s", diff)
	}
	read, err := period.ReadRecord(written)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := read.JSON(); err != nil || string(again) != string(written) {
		t.Errorf("it reads back as %s, %v", again, err)
	}
	if _, err := period.ReadRecord([]byte(strings.Replace(string(written), `"sums"`, `"unheard of":1,"sums"`, 1))); err == nil {
		t.Error("a field that nobody knows is read over")
	}
}

// terms are those of a document in New York: 10 % and 20 % on gold, with periods on all of it, on gold, on what the rule "gold"
// paid, and for who brought the partner in.
func terms(t *testing.T) *program.Terms {
	t.Helper()
	document, err := program.ParseDocument([]byte(`{"schema":1,"currency":"GBP","zone":"America/New_York","hold":"30d","network_fee":200000,
		"attribution":{"touches":{"click":{"window":"30d"}}},
		"rules":[{"id":"gold","where":{"category":"gold"},"pay":{"percent":200000}},{"id":"any","pay":{"percent":100000}},
			{"id":"up","to":"recruiter","pay":{"percent":50000,"of":"commission"}}],
		"periods":[{"id":"all","measure":"revenue","period":"month","tiers":[{"from":1000,"percent":20000}]},
			{"id":"gold alone","where":{"category":"gold"},"measure":"revenue","period":"month","tiers":[{"from":1000,"percent":20000}]},
			{"id":"paid by gold","rules":["gold"],"measure":"commission","period":"quarter","cap":100},
			{"id":"silver","where":{"category":"silver"},"measure":"count","period":"ever","cap":5},
			{"id":"brought","to":"recruiter","measure":"count","period":"year","tiers":[{"from":1,"once":500}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	of := (&program.Version{Number: 4, Rules: 1, Document: document}).Terms()
	return &of
}

// What a document says of periods is what its orders are counted by.
func TestOrdersCountAsTheirDocumentSays(t *testing.T) {
	t.Parallel()
	of := terms(t)
	e := sale(1000, 2000)
	e.GetSale().Lines[1].Category = "gold"
	order, err := commission.Fold([]*event.Event{e, refund("r", 48*time.Hour, 2, 500)}, commission.Said{})
	if err != nil {
		t.Fatal(err)
	}
	link := program.LinkTerms{
		Link: 7, Merchant: 1, Program: 2, Partner: 3, Kind: program.Site, Currencies: []string{"GBP"}, Terms: of,
		Enrolment: program.Enrolment{Recruiter: 9},
	}
	click := commission.Click{ID: "click", Link: 7, At: late().Add(-time.Hour)}
	d, err := commission.Decide(order, commission.Evidence{Candidates: []commission.Candidate{{Kind: commission.TouchClick, Click: click, Link: link}}})
	if err != nil {
		t.Fatal(err)
	}
	want := `all 2026-09 of 3: 2026-09-30 as of 2026-09-30: 1 3000 500
all 2026-09 of 3: 2026-09-30 as of 2026-10-02: 0 -500 -100
gold alone 2026-09 of 3: 2026-09-30 as of 2026-09-30: 1 2000 400
gold alone 2026-09 of 3: 2026-09-30 as of 2026-10-02: 0 -500 -100
paid by gold 2026-Q3 of 3: 2026-09-30 as of 2026-09-30: 1 2000 400
paid by gold 2026-Q3 of 3: 2026-09-30 as of 2026-10-02: 0 -500 -100
brought 2026 of 9: 2026-09-30 as of 2026-09-30: 1 3000 25
brought 2026 of 9: 2026-09-30 as of 2026-10-02: 0 -500 -5`
	got := period.Difference(&commission.Decision{}, &d)
	if diff := cmp.Diff(want, said(got)); diff != "" {
		t.Errorf("it adds (-want +got):\n%s", diff)
	}
	recorded, err := commission.UnmarshalRecord(d.AppendJSON(nil))
	if err != nil {
		t.Fatal(err)
	}
	if left := period.Difference(&recorded, &d); len(left) > 0 {
		t.Errorf("its record differs by\n%s", said(left))
	}
	for _, c := range got {
		if c.Says == nil || c.Says.Version != 4 || c.Says.ID != c.Cell.Rule || (c.Says.NetworkFee == 0) != (c.Key.Partner == 9) {
			t.Errorf("it counts by %+v", c.Says)
		}
	}
}
