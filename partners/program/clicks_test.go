package program

import "testing"

func TestWhichTermsPayForClicks(t *testing.T) {
	t.Parallel()
	goal := func(goals ...string) Test { return Test{Key: KeyGoal, Texts: goals} }
	country := Test{Key: KeyCountry, Texts: []string{"DE"}}
	for name, row := range map[string]struct {
		where Cond
		pays  bool
	}{
		"no goal":             {nil, false},
		"a click":             {All(goal("click")), true},
		"a sale":              {All(goal("sale")), false},
		"one of two":          {All(goal("sale", "click"), country), true},
		"any of it":           {All(Test{Key: KeyAny, Conds: []Cond{All(goal("sale")), All(goal("click"))}}), true},
		"any, without clicks": {All(Test{Key: KeyAny, Conds: []Cond{All(goal("sale")), All(goal("lead"))}}), false},
		"all but a sale":      {All(Test{Key: KeyNot, Conds: []Cond{All(goal("sale"))}}), true},
		"a country alone":     {All(country), false},
	} {
		rules := []Rule{{Where: row.where, Pay: Pay{Fixed: 1}}}
		d := Document{Rules: rules}
		o := Override{Rules: rules}
		in := Document{Overrides: []Override{{Group: "vip", Rules: rules}}}
		if d.PaysClicks() != row.pays || o.PaysClicks() != row.pays || in.PaysClicks() != row.pays {
			t.Errorf("%s: %t, own %t, in an override %t; want %t", name, d.PaysClicks(), o.PaysClicks(), in.PaysClicks(), row.pays)
		}
	}
}
