package fire_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tributary/test/chaos/fire"
	"tributary/test/chaos/model"
)

// scene is a small run that went well: four visits and two orders, one of them told twice, contradicted and taken back
// in part, held, and released by somebody who changed their mind; a click of a day that is over, which is paid; and what stands
// of them. Each call makes a new one.
func scene() (*model.World, []*fire.Attempt, *fire.Evidence) {
	at := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	world := &model.World{
		Partners: map[int64]string{7: "site"},
		Links:    map[int64]model.Link{70: {Program: 5, Partner: 7}},
		Programs: map[int64]*model.Program{5: {Merchant: 1, Currencies: []string{"EUR"}, Terms: []model.Terms{{
			From: at.Add(-time.Hour), Window: time.Hour, Hold: time.Hour, Fee: 200_000, Path: true, Rates: map[string]map[string]int64{"site": {"*": 100_000}},
		}}}},
	}
	a, b := model.OrderKey{Merchant: 1, Order: "A"}, model.OrderKey{Merchant: 1, Order: "B"}
	counted := model.OrderKey{Merchant: 1, Order: "clicks/2026-05-03/6/7"}
	sold := &model.Sale{
		OrderKey: a, At: at, Currency: "EUR", Lines: []model.Line{{Quantity: 1, Amount: 1000}}, Click: &model.Click{Link: 70, At: at},
		Before: []model.Click{{ID: "c1", Link: 70, At: at.Add(-time.Minute)}},
	}
	hold, unhold := model.Said{OrderKey: a, Verb: "hold"}, model.Said{OrderKey: a, Verb: "unhold", Partner: 7}
	stands := func(no int64, s model.Said, id string, after time.Duration, problem string) fire.Row {
		s.ID, s.At = id, at.Add(after)
		return fire.Row{Said: s, No: no, Side: "merchant", Due: s.At.Add(10 * time.Second), Taken: s.At.Add(11 * time.Second), Problem: problem}
	}
	regretted := stands(12, unhold, "w", 2*time.Second, "withdrawn")
	regretted.Taken = regretted.At.Add(3 * time.Second)
	past := &fire.Past{
		ID: 6, Links: map[int64]model.Link{71: {Program: 6, Partner: 7}},
		Program: &model.Program{Merchant: 1, Currencies: []string{"EUR"}, Terms: []model.Terms{{From: at.Add(-240 * time.Hour), PerClick: map[string]int64{"": 9}}}},
		Visits:  []model.Visit{{ID: "p1", Link: 71, At: at.Add(-24 * time.Hour)}},
	}
	plain := &model.Sale{OrderKey: b, At: at, Currency: "EUR", Lines: []model.Line{{Quantity: 1, Amount: 500}}}
	back := &model.Refund{OrderKey: a, ID: "r", At: at, Amount: 400}
	attempts := []*fire.Attempt{
		{Intent: fire.Intent{N: 1, Link: 70}, Outcome: fire.Outcome{Status: 302, ID: "c1", Path: []string{"c1"}}},
		{Intent: fire.Intent{N: 2, Link: 70, Path: []string{"c1"}}, Outcome: fire.Outcome{Status: 302, ID: "c2", Path: []string{"c1", "c2"}}},
		{Intent: fire.Intent{N: 3, Link: 70}},
		{Intent: fire.Intent{N: 4, Link: 70}, Outcome: fire.Outcome{Status: 302, ID: "c4", Unstored: true, Path: []string{"c4"}}},
		{Intent: fire.Intent{N: 5, Sale: sold, Content: "x"}},
		{Intent: fire.Intent{N: 6, Sale: sold, Content: "x"}, Outcome: fire.Outcome{Status: 200, ID: "e6"}},
		{Intent: fire.Intent{N: 7, Sale: sold, Content: "y"}, Outcome: fire.Outcome{Status: 200, ID: "e7"}},
		{Intent: fire.Intent{N: 8, Refund: back, Content: "z"}, Outcome: fire.Outcome{Status: 200, ID: "e8"}},
		{Intent: fire.Intent{N: 9, Sale: plain, Content: "w"}, Outcome: fire.Outcome{Status: 200, ID: "e9"}},
		{Intent: fire.Intent{N: 10, Sale: plain, Content: "v", Wrong: "currency"}, Outcome: fire.Outcome{Status: 422}},
		{Intent: fire.Intent{N: 11, At: at, Act: &fire.Act{Said: hold, Side: "merchant"}}, Outcome: fire.Outcome{Status: 200, No: 11}},
		{Intent: fire.Intent{N: 12, At: at, Act: &fire.Act{Said: unhold, Side: "merchant"}}, Outcome: fire.Outcome{Status: 200, No: 12}},
		{Intent: fire.Intent{N: 13, At: at, Act: &fire.Act{Said: model.Said{OrderKey: a, Verb: fire.Undo}, Side: "merchant", Of: 12}}},
		{Intent: fire.Intent{N: 14, At: at, Act: &fire.Act{Said: model.Said{OrderKey: a, Verb: fire.Undo}, Side: "merchant", Of: 11}}, Outcome: fire.Outcome{Status: 409}},
		{Intent: fire.Intent{N: 15, Past: past}},
	}
	sale, refund, other := fire.Fact{OrderKey: a, IsSale: true}, fire.Fact{OrderKey: a, Refund: "r"}, fire.Fact{OrderKey: b, IsSale: true}
	evidence := &fire.Evidence{
		At:     at.Add(time.Minute),
		Clicks: map[int64][]string{1: {"c1"}, 2: {"c2"}, 4: {"c4"}},
		Paths:  map[string][]string{"c1": {}, "c2": {"c1"}, "c4": {}},
		Away:   map[string]int{"p1": 1},
		Told:   map[model.OrderKey]fire.Told{a: {Click: "c2", Before: []string{"c1"}}},
		Acts: map[int64][]fire.Row{
			11: {stands(11, hold, "h", time.Second, "")}, 12: {regretted}, 13: {{Said: model.Said{Verb: fire.Undo}, No: 13, Side: "merchant"}},
		},
		Reports:  map[string]int{"e5": 1, "e6": 1, "e7": 1, "e8": 1, "e9": 1},
		Rows:     map[fire.Fact]int{sale: 3, refund: 1, other: 1},
		Booked:   map[fire.Fact]int{sale: 1, refund: 1, other: 1},
		Disputed: map[fire.Fact]int{sale: 1},
		Orders: map[model.OrderKey]model.Order{
			a: {Placed: true, Credited: true, Amount: 1000, Refunded: 400, Commissions: []model.Commission{{
				Partner: 7, Role: "partner", Program: 5, Link: 70, Currency: "EUR", Lines: 1, Revenue: 1000, Refunded: 400, Gross: 100, Net: 60, Fee: 12, Held: 60, State: "held",
			}}},
			b: {Placed: true, Amount: 500},
			counted: {Placed: true, Credited: true, Clicks: true, Commissions: []model.Commission{{
				Partner: 7, Role: "partner", Program: 6, Currency: "EUR", Lines: 1, Gross: 9, Net: 9, Payable: 9, State: "payable",
			}}},
		},
		Balances: map[model.Account]int64{
			{Kind: "merchant_receivable", Merchant: 1, Currency: "EUR"}:         81,
			{Kind: "partner_held", Merchant: 1, Partner: 7, Currency: "EUR"}:    60,
			{Kind: "partner_payable", Merchant: 1, Partner: 7, Currency: "EUR"}: 9,
			{Kind: "fee_pending", Merchant: 1, Currency: "EUR"}:                 12,
		},
		Decided: map[model.OrderKey]fire.Sums{
			a:       {Orders: 1, Revenue: 1000, Refunded: 400, Gross: 100, Net: 60, Fee: 12},
			b:       {Orders: 1, Revenue: 500},
			counted: {Gross: 9, Net: 9, Payable: 9},
		},
		Shown: map[fire.Earner]fire.Sums{
			{Merchant: 1, Program: 5, Partner: 7, Currency: "EUR"}: {Orders: 1, Revenue: 1000, Refunded: 400, Gross: 100, Net: 60, Fee: 12},
			{Merchant: 1, Program: 6, Partner: 7, Currency: "EUR"}: {Gross: 9, Net: 9, Payable: 9},
		},
	}
	return world, attempts, evidence
}

func TestTheOracleNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	a := model.OrderKey{Merchant: 1, Order: "A"}
	sale := fire.Fact{OrderKey: a, IsSale: true}
	receivable := model.Account{Kind: "merchant_receivable", Merchant: 1, Currency: "EUR"}
	for name, c := range map[string]struct {
		change func(journal []*fire.Attempt, e *fire.Evidence) []*fire.Attempt
		want   []string
	}{
		"nothing is wrong": {func(j []*fire.Attempt, _ *fire.Evidence) []*fire.Attempt { return j }, nil},
		"an unconfirmed visit did happen": {func(j []*fire.Attempt, e *fire.Evidence) []*fire.Attempt {
			e.Clicks[3] = []string{"c3"}
			return j
		}, nil},
		"a visit that was not known to be stored was not": {func(j []*fire.Attempt, e *fire.Evidence) []*fire.Attempt {
			delete(e.Clicks, 4)
			return j
		}, nil},
		"a row of a click is gone": {func(j []*fire.Attempt, e *fire.Evidence) []*fire.Attempt {
			delete(e.Clicks, 2)
			return j
		}, []string{fire.ClickMissing}},
		"a row of a click is there twice": {func(j []*fire.Attempt, e *fire.Evidence) []*fire.Attempt {
			e.Clicks[1] = []string{"c1", "c1"}
			return j
		}, []string{fire.ClickDoubled}},
		"a click has another id": {func(j []*fire.Attempt, e *fire.Evidence) []*fire.Attempt {
			e.Clicks[1] = []string{"c2"}
			return j
		}, []string{fire.ClickInvented}},
		"who was given an id was not enrolled": {func(j []*fire.Attempt, e *fire.Evidence) []*fire.Attempt {
			e.NotEnrolled = map[string]bool{"c1": true}
			return j
		}, []string{fire.ClickInvented}},
		"the journal has lost a visit": {func(j []*fire.Attempt, _ *fire.Evidence) []*fire.Attempt {
			return j[1:]
		}, []string{fire.ClickInvented, fire.PathWrong}},
		"a visitor was turned away": {func(j []*fire.Attempt, _ *fire.Evidence) []*fire.Attempt {
			j[0].Outcome = fire.Outcome{Status: 404}
			return j
		}, []string{fire.PathWrong, fire.RefusedWrongly}},
		"a row of a report is gone": {func(j []*fire.Attempt, e *fire.Evidence) []*fire.Attempt {
			delete(e.Reports, "e8")
			return j
		}, []string{fire.ReportMissing}},
		"a row of a report is there twice": {func(j []*fire.Attempt, e *fire.Evidence) []*fire.Attempt {
			e.Reports["e6"], e.Rows[sale] = 2, 4
			return j
		}, []string{fire.ReportDoubled, fire.ReportInvented}},
		"a refund is not in the books": {func(j []*fire.Attempt, e *fire.Evidence) []*fire.Attempt {
			delete(e.Booked, fire.Fact{OrderKey: a, Refund: "r"})
			return j
		}, []string{fire.FactMissing}},
		"an order is in the books twice": {func(j []*fire.Attempt, e *fire.Evidence) []*fire.Attempt {
			e.Booked[sale] = 2
			return j
		}, []string{fire.FactDoubled}},
		"the journal has lost an order": {func(j []*fire.Attempt, _ *fire.Evidence) []*fire.Attempt {
			return slices.DeleteFunc(j, func(a *fire.Attempt) bool { return a.N == 9 })
		}, []string{fire.FactInvented, fire.OrderWrong, fire.ReportInvented}},
		"the other content was not kept": {func(j []*fire.Attempt, e *fire.Evidence) []*fire.Attempt {
			delete(e.Disputed, sale)
			return j
		}, []string{fire.DisputeWrong}},
		"a mistake was accepted": {func(j []*fire.Attempt, _ *fire.Evidence) []*fire.Attempt {
			j[9].Outcome = fire.Outcome{Status: 200}
			return j
		}, []string{fire.AcceptedWrongly}},
		"a sound report was refused": {func(j []*fire.Attempt, _ *fire.Evidence) []*fire.Attempt {
			j[4].Outcome = fire.Outcome{Status: 401}
			return j
		}, []string{fire.RefusedWrongly, fire.ReportInvented}},
		"a report that was refused is stored": {func(j []*fire.Attempt, e *fire.Evidence) []*fire.Attempt {
			j[4].Outcome, e.Bounded = fire.Outcome{Status: 429}, true
			return j
		}, []string{fire.ReportInvented}},
		"a report was refused though nobody sent too many": {func(j []*fire.Attempt, e *fire.Evidence) []*fire.Attempt {
			j[4].Outcome = fire.Outcome{Status: 429}
			delete(e.Reports, "e5")
			return j
		}, []string{fire.RefusedWrongly, fire.ReportInvented}},
		"a commission is a cent less": {func(j []*fire.Attempt, e *fire.Evidence) []*fire.Attempt {
			o := e.Orders[a]
			o.Commissions[0].Net--
			e.Orders[a] = o
			return j
		}, []string{fire.OrderWrong}},
		"a posting is a cent more": {func(j []*fire.Attempt, e *fire.Evidence) []*fire.Attempt {
			e.Balances[receivable]++
			return j
		}, []string{fire.BalanceWrong}},
		"an account should not be": {func(j []*fire.Attempt, e *fire.Evidence) []*fire.Attempt {
			e.Balances[model.Account{Kind: "partner_pending", Merchant: 1, Partner: 8, Currency: "EUR"}] = 1
			return j
		}, []string{fire.BalanceWrong}},
		"the reports know another commission": {func(j []*fire.Attempt, e *fire.Evidence) []*fire.Attempt {
			e.Decided[a] = fire.Sums{Orders: 2}
			return j
		}, []string{fire.DecisionWrong}},
		"an act is not there": {func(j []*fire.Attempt, e *fire.Evidence) []*fire.Attempt {
			delete(e.Acts, 12)
			return j
		}, []string{fire.ActMissing, fire.ActWrong}},
		"an act was not taken": {func(j []*fire.Attempt, e *fire.Evidence) []*fire.Attempt {
			e.Acts[11][0].Taken = time.Time{}
			return j
		}, []string{fire.ActMissing, fire.BalanceWrong, fire.DecisionWrong, fire.OrderWrong, fire.SumWrong}},
		"an act was taken too early": {func(j []*fire.Attempt, e *fire.Evidence) []*fire.Attempt {
			e.Acts[11][0].Taken = e.Acts[11][0].Due.Add(-time.Microsecond)
			return j
		}, []string{fire.ActWrong}},
		"an act is of another share": {func(j []*fire.Attempt, e *fire.Evidence) []*fire.Attempt {
			e.Acts[11][0].Partner = 7
			return j
		}, []string{fire.ActWrong}},
		"an act is withdrawn by nobody": {func(j []*fire.Attempt, e *fire.Evidence) []*fire.Attempt {
			delete(e.Acts, 13)
			return slices.DeleteFunc(j, func(a *fire.Attempt) bool { return a.N == 13 })
		}, []string{fire.ActWrong}},
		"an act counts that is withdrawn": {func(j []*fire.Attempt, e *fire.Evidence) []*fire.Attempt {
			e.Acts[12][0].Problem, e.Acts[12][0].Taken = "", e.Acts[12][0].Due
			return j
		}, []string{fire.ActWrong, fire.BalanceWrong, fire.DecisionWrong, fire.OrderWrong, fire.SumWrong}},
		"an act cannot be": {func(j []*fire.Attempt, e *fire.Evidence) []*fire.Attempt {
			e.Acts[11][0].Problem = "it was never reported"
			return j
		}, []string{fire.ActWrong, fire.BalanceWrong, fire.DecisionWrong, fire.OrderWrong, fire.SumWrong}},
		"an act that was refused stands": {func(j []*fire.Attempt, e *fire.Evidence) []*fire.Attempt {
			e.Acts[14] = e.Acts[13]
			return j
		}, []string{fire.ActWrong}},
		"an act stands that nobody did": {func(j []*fire.Attempt, e *fire.Evidence) []*fire.Attempt {
			e.Acts[99] = e.Acts[13]
			return j
		}, []string{fire.ActWrong}},
		"an order was told of other clicks": {func(j []*fire.Attempt, e *fire.Evidence) []*fire.Attempt {
			e.Told[a] = fire.Told{Click: "c2", Before: []string{}}
			return j
		}, []string{fire.PathWrong}},
		"nobody knows what came before a click that is stored": {func(j []*fire.Attempt, e *fire.Evidence) []*fire.Attempt {
			e.Told[a] = fire.Told{Click: "c2", Incomplete: true}
			return j
		}, []string{fire.PathWrong}},
		"nobody knows what came before a click that was lost": {func(j []*fire.Attempt, e *fire.Evidence) []*fire.Attempt {
			e.Told[a] = fire.Told{Click: "c4", Incomplete: true}
			return j
		}, nil},
		"a click has forgotten the one before it": {func(j []*fire.Attempt, e *fire.Evidence) []*fire.Attempt {
			e.Paths["c2"] = []string{}
			return j
		}, []string{fire.PathWrong}},
		"a cookie has lost a click": {func(j []*fire.Attempt, _ *fire.Evidence) []*fire.Attempt {
			j[1].Outcome.Path = []string{"c2"}
			return j
		}, []string{fire.PathWrong}},
		"a cookie leaves a repeated click out": {func(j []*fire.Attempt, _ *fire.Evidence) []*fire.Attempt {
			j[1].Outcome.Path = []string{"c1"}
			return j
		}, nil},
		"a click of a day that is over was not counted": {func(j []*fire.Attempt, _ *fire.Evidence) []*fire.Attempt {
			past := j[14].Past
			past.Visits = append(past.Visits, past.Visits[0])
			return j
		}, []string{fire.BalanceWrong, fire.DecisionWrong, fire.OrderWrong, fire.SumWrong}},
		"a click of a day that is over was lost": {func(j []*fire.Attempt, e *fire.Evidence) []*fire.Attempt {
			delete(e.Away, "p1")
			return j
		}, []string{fire.ClickMissing}},
		"a sum of the pages is a cent more": {func(j []*fire.Attempt, e *fire.Evidence) []*fire.Attempt {
			of := fire.Earner{Merchant: 1, Program: 5, Partner: 7, Currency: "EUR"}
			s := e.Shown[of]
			s.Net++
			e.Shown[of] = s
			return j
		}, []string{fire.SumWrong}},
		"the pages know a month that is not": {func(j []*fire.Attempt, e *fire.Evidence) []*fire.Attempt {
			e.ShownMonths = map[model.Bonus]int64{{Merchant: 1, Program: 5, Partner: 7, Rule: "r", Month: "2026-05", Currency: "EUR"}: 1}
			return j
		}, []string{fire.SumWrong}},
		"a partition is halted": {func(j []*fire.Attempt, e *fire.Evidence) []*fire.Attempt {
			e.Alarms = []string{"it is halted"}
			return j
		}, []string{fire.Alarm}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			world, journal, evidence := scene()
			checks := map[string]bool{}
			findings := fire.Judge(world, c.change(journal, evidence), evidence)
			for _, f := range findings {
				checks[f.Check] = true
			}
			if diff := cmp.Diff(c.want, slices.Sorted(maps.Keys(checks))); diff != "" {
				t.Error(diff, findings)
			}
		})
	}
}
