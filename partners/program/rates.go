package program

import (
	"cmp"
	"maps"
	"slices"

	"tributary/internal/money"
)

// Rates gives for each kind of partner the rate by category of goods, AnyCategory among them.
type Rates map[Kind]map[string]money.Rate

// ratesOf compiles rules. Of two about one category, the one that names the kind of partner comes first.
func ratesOf(rules []Rule) Rates {
	rates := Rates{}
	set := func(kind Kind, r Rule) {
		if rates[kind] == nil {
			rates[kind] = map[string]money.Rate{}
		}
		rates[kind][cmp.Or(r.Where.Category, AnyCategory)] = r.Pay.Percent
	}
	for _, r := range rules {
		if r.Where.PartnerKind == "" {
			for _, kind := range Kinds() {
				set(kind, r)
			}
		}
	}
	for _, r := range rules {
		if r.Where.PartnerKind != "" {
			set(r.Where.PartnerKind, r)
		}
	}
	return rates
}

// rules gives a rule for each rate: by kind, then by category, AnyCategory last.
func (rates Rates) rules() []Rule {
	rules := []Rule{}
	for _, kind := range slices.Sorted(maps.Keys(rates)) {
		categories := slices.Sorted(maps.Keys(rates[kind]))
		if i := slices.Index(categories, AnyCategory); i >= 0 {
			categories = append(slices.Delete(categories, i, i+1), AnyCategory)
		}
		for _, category := range categories {
			where := Where{PartnerKind: kind, Category: category}
			if category == AnyCategory {
				where.Category = ""
			}
			rules = append(rules, Rule{Where: where, Pay: Pay{Percent: rates[kind][category]}})
		}
	}
	return rules
}
