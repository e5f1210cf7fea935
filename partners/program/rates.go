package program

import (
	"cmp"
	"maps"
	"slices"

	"tributary/internal/money"
)

// Rates gives for each kind of partner the rate by category of goods, AnyCategory among them.
type Rates map[Kind]map[string]money.Rate

// ratesOf compiles the rules of a plain document. Of two about one category, the one that names the kind of partner comes
// first.
func ratesOf(rules []Rule) Rates {
	rates := Rates{}
	set := func(named bool) {
		for i := range rules {
			kind, category, _ := plainRule(&rules[i])
			if (kind != "") != named {
				continue
			}
			for _, k := range Kinds() {
				if named && k != kind {
					continue
				}
				if rates[k] == nil {
					rates[k] = map[string]money.Rate{}
				}
				rates[k][cmp.Or(category, AnyCategory)] = rules[i].Pay.Percent
			}
		}
	}
	set(false)
	set(true)
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
			rules = append(rules, PercentRule(kind, named(category), rates[kind][category]))
		}
	}
	return rules
}

// named is the category that a rule for a row of Rates names, "" for AnyCategory.
func named(category string) string {
	if category == AnyCategory {
		return ""
	}
	return category
}
