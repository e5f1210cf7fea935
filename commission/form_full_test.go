package commission

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tributary/internal/event"
	"tributary/partners/program"
)

// fullCorpus adds decisions by full documents under rules of each number that such may stand under.
func fullCorpus(t *testing.T, all map[string]Decision) {
	t.Helper()
	sold := of(goods(1, "A", "gold", 2, 1_999), goods(2, "B", "tin", 3, 1_001), goods(3, "C", "tin", 1, 0)).with(func(s *event.Sale) {
		s.Currency, s.CustomerId, s.Shipping, s.ShippingTax = "EUR", "c-77", 499, 51
		s.Lines[0].Tax, s.Lines[1].Discount = 120, 77
	}).at(Rate{Base: "EUR", Quote: "USD", Day: noon().AddDate(0, 0, -1), Source: "ecb", Num: 10_877, Den: 10_000})
	some := sold.back(refunded("R", day, 0, piecesOf(1, 1)), refunded("S", 2*day, 1_500), refunded("T", 40*day, 900))
	rules := `"network_fee":200000,"base":{"tax":true,"shipping":true,"shipping_tax":true},"zone":"America/New_York","rules":[{"id":"any","pay":{"percent":72500,"fixed":35}},
		{"id":"gold","where":{"category":"gold"},"pay":{"percent":125000,"max":150}},{"id":"gift","adds":true,"pay":{"fixed":7,"per":"line"}},{"id":"friend","to":"customer","pay":{"fixed":500,"unit":"POINT"}}%s],
		"periods":[{"id":"vol","rules":["any"],"measure":"commission","period":"month","mode":"retroactive","tiers":[{"from":10,"of_commission":500000}]},
		{"id":"gold alone","where":{"category":"gold"},"measure":"revenue","period":"month","cap":100},
		{"id":"brought","to":"recruiter","measure":"commission","period":"year","tiers":[{"from":1,"once":500}]}]`
	recruiters := `,{"id":"up","to":"recruiter","pay":{"percent":%d%s}},{"id":"up2","to":"recruiter2","pay":{"percent":%[1]d,"of":"fee"}}`
	for name, row := range map[string]struct {
		rules string
		sale  sale
	}{
		"full":                      {fmt.Sprintf(rules, ""), some},
		"recruiters of the sale":    {fmt.Sprintf(rules, fmt.Sprintf(recruiters, 50_000, "")), some},
		"recruiters of the fee":     {fmt.Sprintf(rules, fmt.Sprintf(recruiters, 700_000, `,"of":"fee"`)), some},
		"full, all of it back":      {fmt.Sprintf(rules, fmt.Sprintf(recruiters, 100_000, `,"of":"commission"`)), some.back(refunded("U", 41*day, 0))},
		"full, the lines of it":     {fmt.Sprintf(rules, ""), sold.back(refunded("R", day, 3_000))},
		"full, and more than there": {fmt.Sprintf(rules, ""), sold.back(refunded("R", day, 3_100))},
	} {
		d := document(t, row.rules)
		for _, number := range []int{2, program.Rules3} {
			for _, weights := range [][]int64{{0}, {2, 1, 2}} {
				var winners []winner
				var found []program.LinkTerms
				for i, w := range weights {
					one := row.sale.by(program.Site, program.PartnerID(21+i)).as(program.Enrolment{Recruiter: program.PartnerID(8 - i%2), Recruiter2: 9})
					winners, found = append(winners, winner{i, w}), append(found, standing(number, d, &one))
				}
				all[fmt.Sprintf("%s by rules %d among %d", name, number, len(weights))] = decideShared(t, mustFold(t, row.sale.events...), row.sale, winners, found...)
			}
		}
	}
}

// TestDecisionsStayAsTheyWereWritten decides the corpus again, by rules of every number.
func TestDecisionsStayAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	forms := KnownForms()
	for name, d := range corpus(t) {
		written, err := os.ReadFile(filepath.Join("testdata", "records", fmt.Sprintf("form-%d", forms.Current()), fileOf(name)+".json"))
		if err != nil {
			t.Fatal(err)
		}
		if now := string(forms.Append(nil, &d)) + "\n"; now != string(written) {
			t.Errorf("%s is\n%snow, and was\n%s", name, now, written)
		}
	}
}

// fileOf is the name of a decision's files, without what they end in.
func fileOf(name string) string { return strings.NewReplacer(" ", "-", "'", "", ",", "").Replace(name) }
