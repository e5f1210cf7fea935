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
// in part, and what stands of them. Each call makes a new one.
func scene() (*model.World, []*fire.Attempt, *fire.Evidence) {
	at := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	world := &model.World{
		Partners: map[int64]string{7: "site"},
		Links:    map[int64]model.Link{70: {Program: 5, Partner: 7}},
		Programs: map[int64]*model.Program{5: {Merchant: 1, Currencies: []string{"EUR"}, Terms: []model.Terms{{
			From: at.Add(-time.Hour), Window: time.Hour, Hold: time.Hour, Fee: 200_000, Rates: map[string]map[string]int64{"site": {"*": 100_000}},
		}}}},
	}
	a, b := model.OrderKey{Merchant: 1, Order: "A"}, model.OrderKey{Merchant: 1, Order: "B"}
	sold := &model.Sale{
		OrderKey: a, At: at, Currency: "EUR", Lines: []model.Line{{Quantity: 1, Amount: 1000}}, Click: &model.Click{Link: 70, At: at},
	}
	plain := &model.Sale{OrderKey: b, At: at, Currency: "EUR", Lines: []model.Line{{Quantity: 1, Amount: 500}}}
	back := &model.Refund{OrderKey: a, ID: "r", At: at, Amount: 400}
	attempts := []*fire.Attempt{
		{Intent: fire.Intent{N: 1, Link: 70}, Outcome: fire.Outcome{Status: 302, ID: "c1"}},
		{Intent: fire.Intent{N: 2, Link: 70}, Outcome: fire.Outcome{Status: 302, ID: "c2"}},
		{Intent: fire.Intent{N: 3, Link: 70}},
		{Intent: fire.Intent{N: 4, Link: 70}, Outcome: fire.Outcome{Status: 302, ID: "c4", Unstored: true}},
		{Intent: fire.Intent{N: 5, Sale: sold, Content: "x"}},
		{Intent: fire.Intent{N: 6, Sale: sold, Content: "x"}, Outcome: fire.Outcome{Status: 200, ID: "e6"}},
		{Intent: fire.Intent{N: 7, Sale: sold, Content: "y"}, Outcome: fire.Outcome{Status: 200, ID: "e7"}},
		{Intent: fire.Intent{N: 8, Refund: back, Content: "z"}, Outcome: fire.Outcome{Status: 200, ID: "e8"}},
		{Intent: fire.Intent{N: 9, Sale: plain, Content: "w"}, Outcome: fire.Outcome{Status: 200, ID: "e9"}},
		{Intent: fire.Intent{N: 10, Sale: plain, Content: "v", Wrong: "currency"}, Outcome: fire.Outcome{Status: 422}},
	}
	sale, refund, other := fire.Fact{OrderKey: a, IsSale: true}, fire.Fact{OrderKey: a, Refund: "r"}, fire.Fact{OrderKey: b, IsSale: true}
	evidence := &fire.Evidence{
		At:       at.Add(time.Minute),
		Clicks:   map[int64][]string{1: {"c1"}, 2: {"c2"}, 4: {"c4"}},
		Reports:  map[string]int{"e5": 1, "e6": 1, "e7": 1, "e8": 1, "e9": 1},
		Rows:     map[fire.Fact]int{sale: 3, refund: 1, other: 1},
		Booked:   map[fire.Fact]int{sale: 1, refund: 1, other: 1},
		Disputed: map[fire.Fact]int{sale: 1},
		Orders: map[model.OrderKey]model.Order{
			a: {Placed: true, Credited: true, Amount: 1000, Refunded: 400, Commissions: []model.Commission{{
				Partner: 7, Role: "partner", Program: 5, Link: 70, Currency: "EUR", Lines: 1, Revenue: 1000, Refunded: 400, Gross: 100, Net: 60, Fee: 12, Pending: 60, State: "pending",
			}}},
			b: {Placed: true, Amount: 500},
		},
		Balances: map[model.Account]int64{
			{Kind: "merchant_receivable", Merchant: 1, Currency: "EUR"}:         72,
			{Kind: "partner_pending", Merchant: 1, Partner: 7, Currency: "EUR"}: 60,
			{Kind: "fee_pending", Merchant: 1, Currency: "EUR"}:                 12,
		},
		Decided: map[model.OrderKey]fire.Sums{
			a: {Orders: 1, Revenue: 1000, Refunded: 400, Gross: 100, Net: 60, Fee: 12, Pending: 60},
			b: {Orders: 1, Revenue: 500},
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
		"the journal has lost a visit": {func(j []*fire.Attempt, _ *fire.Evidence) []*fire.Attempt {
			return j[1:]
		}, []string{fire.ClickInvented}},
		"a visitor was turned away": {func(j []*fire.Attempt, _ *fire.Evidence) []*fire.Attempt {
			j[0].Outcome = fire.Outcome{Status: 404}
			return j
		}, []string{fire.RefusedWrongly}},
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
