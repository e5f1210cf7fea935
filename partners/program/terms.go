package program

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tributary/internal/fault"
	"tributary/internal/money"
)

// AnyCategory is the rate row that serves every category without a row of its own.
const AnyCategory = "*"

// Terms are one version of what a program pays.
type Terms struct {
	// Version counts from 1 within the
	Version       int
	EffectiveFrom time.Time
	// Rules numbers the rules by which orders under these terms are decided (commission.Rules); 0 stands for 1 in terms
	// that are still to be added.
	Rules int
	// Window is how old a click may be at the order's time; exactly this old still earns. Whole seconds.
	Window time.Duration
	// Hold is how long a commission stays pending from the order's time on. Whole seconds.
	Hold time.Duration
	// NetworkFee is the network's share: a rate of the commission, owed by the merchant on top of it.
	NetworkFee money.Rate
	// Rates gives for each kind of partner the rate by category of goods.
	Rates map[Kind]map[string]money.Rate
}

// Rate is what a partner of a kind earns on goods of a category, and the category of the row that says so: the
// category itself, AnyCategory, or "" when no row applies and the rate is 0.
func (t *Terms) Rate(kind Kind, category string) (rate money.Rate, matched string) {
	rates := t.Rates[kind]
	if rate, ok := rates[category]; ok {
		return rate, category
	}
	if rate, ok := rates[AnyCategory]; ok {
		return rate, AnyCategory
	}
	return 0, ""
}

// Check gives what is wrong with terms, each field's name behind prefix.
func (t *Terms) Check(prefix string) []fault.Field {
	var bad []fault.Field
	note := func(name, problem, mend string) {
		bad = append(bad, fault.Field{Name: prefix + name, Problem: problem, Mend: mend})
	}
	if t.Window <= 0 || t.Window%time.Second != 0 {
		note("window", fmt.Sprintf("%s is not a number of seconds above zero", t.Window), "give whole seconds, such as 720h")
	}
	if t.Hold < 0 || t.Hold%time.Second != 0 {
		note("hold", fmt.Sprintf("%s is not a number of seconds", t.Hold), "give whole seconds, or 0")
	}
	rate := func(name string, r money.Rate) {
		if r < 0 || r > 1_000_000 {
			note(name, fmt.Sprintf("%s is not between 0 %% and 100 %%", r), "give parts per million from 0 to 1000000")
		}
	}
	rate("network_fee", t.NetworkFee)
	for kind, rates := range t.Rates {
		if kind != Site && kind != Member {
			note("rates", fmt.Sprintf("%q is not a kind of partner", kind), `use "site" or "member"`)
		}
		for category, r := range rates {
			rate(fmt.Sprintf("rates.%s.%s", kind, category), r)
		}
	}
	slices.SortFunc(bad, func(a, b fault.Field) int { return strings.Compare(a.Name, b.Name) })
	return bad
}
