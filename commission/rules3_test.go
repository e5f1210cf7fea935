package commission

import (
	"strings"
	"testing"
	"time"

	"tributary/internal/event"
	"tributary/partners/program"
)

// standing is the link by which a partner is paid by a document that stands under rules of a number.
func standing(rules int, d program.Document, s *sale) program.LinkTerms {
	found := underTerms(d, s)
	terms := *found.Terms
	terms.Rules = rules
	found.Terms = &terms
	return found
}

// TestWhatRules3Settle decides by the same document under rules 2, which stay as they are, and under rules 3.
func TestWhatRules3Settle(t *testing.T) {
	t.Parallel()
	delivered := func(s *event.Sale) { s.Shipping = 500 }
	recruited := func(ids ...program.PartnerID) (all []program.Enrolment) {
		for _, id := range ids {
			all = append(all, program.Enrolment{Recruiter: id, Recruiter2: 9})
		}
		return all
	}
	ofFee := `"network_fee":200000,"rules":[{"pay":{"percent":100000}},{"to":"recruiter","pay":{"percent":800000,"of":"fee"}},{"to":"recruiter2","pay":{"percent":800000,"of":"fee"}}]`
	up := func(of string) string {
		return `"rules":[{"pay":{"percent":100000}},{"to":"recruiter","pay":{"percent":100000` + of + `}}]`
	}
	for _, row := range []struct {
		name     string
		terms    string
		sale     sale
		enrolled []program.Enrolment
		two      string // by rules 2
		three    string
	}{
		{
			"delivery after its lines", `"base":{"shipping":true},` + percent(200_000), order(2_000).with(delivered).back(refunded("R", day, 2_000)), nil,
			"partner 21: 0 USD, fee 0", "partner 21: 100 USD, fee 0",
		},
		{
			"a gift after its goods", `"rules":[{"pay":{"fixed":5}}]`, of(goods(1, "X", "", 1, 0), goods(2, "Y", "", 1, 10)).back(refunded("R", day, 10)), nil,
			"partner 21: 5 USD, fee 0", "partner 21: 0 USD, fee 0",
		},
		{
			"all of the fee and more", ofFee, order(10_000), recruited(8),
			"partner 21: 1000 USD, fee 200; recruiter 8: 160 USD, fee -160; recruiter2 9: 160 USD, fee -160",
			"partner 21: 1000 USD, fee 200; recruiter 8: 100 USD, fee -100; recruiter2 9: 100 USD, fee -100",
		},
		{
			"recruiters of a sale", up(""), order(605), recruited(7, 8),
			"partner 21: 31 USD, fee 0; partner 22: 30 USD, fee 0; recruiter 7: 31 USD, fee 0; recruiter 8: 31 USD, fee 0",
			"partner 21: 31 USD, fee 0; partner 22: 30 USD, fee 0; recruiter 7: 31 USD, fee 0; recruiter 8: 30 USD, fee 0",
		},
		{
			"recruiters of a commission", up(`,"of":"commission"`), order(1_100), recruited(7, 8),
			"partner 21: 55 USD, fee 0; partner 22: 55 USD, fee 0; recruiter 7: 6 USD, fee 0; recruiter 8: 6 USD, fee 0",
			"partner 21: 55 USD, fee 0; partner 22: 55 USD, fee 0; recruiter 7: 6 USD, fee 0; recruiter 8: 5 USD, fee 0",
		},
		{
			"one of several has no recruiter", up(""), order(605), recruited(7, 0, 8),
			"partner 21: 21 USD, fee 0; partner 22: 20 USD, fee 0; partner 23: 20 USD, fee 0; recruiter 7: 20 USD, fee 0; recruiter 8: 20 USD, fee 0",
			"partner 21: 21 USD, fee 0; partner 22: 20 USD, fee 0; partner 23: 20 USD, fee 0; recruiter 7: 21 USD, fee 0; recruiter 8: 20 USD, fee 0",
		},
	} {
		d := document(t, row.terms)
		for rules, want := range map[int]string{2: row.two, 3: row.three} {
			var winners []winner
			var found []program.LinkTerms
			for i := range max(1, len(row.enrolled)) {
				one := row.sale.by(program.Site, program.PartnerID(21+i))
				if len(row.enrolled) > 0 {
					one = one.as(row.enrolled[i])
				}
				winners, found = append(winners, winner{i, int64(len(row.enrolled) / 2)}), append(found, standing(rules, d, &one))
			}
			decided := decideShared(t, mustFold(t, row.sale.events...), row.sale, winners, found...)
			if got := inShort(&decided); got != want {
				t.Errorf("%s under rules %d:\n%s, want\n%s", row.name, rules, got, want)
			}
			if named := strings.Contains(string(decided.AppendJSON(nil)), `"rules":3`); named != (rules == 3) {
				t.Errorf("%s: the record of rules %d names them: %t", row.name, rules, named)
			}
		}
	}
}

// TestAClickAfterTheReceiptIsAfterTheOrder moves a click about the receipt, a minute after the stated time.
func TestAClickAfterTheReceiptIsAfterTheOrder(t *testing.T) {
	t.Parallel()
	s := order(1_000)
	s.events[0].ReceivedAt = s.events[0].GetOccurredAt() + time.Minute.Microseconds()
	o := mustFold(t, s.events...)
	for _, row := range []struct {
		after      time.Duration // the receipt
		two, three Reason
	}{
		{-time.Second, Credited, Credited},
		{0, Credited, Credited},
		{time.Millisecond, Credited, ClickAfterOrder},
		{5 * time.Minute, Credited, ClickAfterOrder},
		{5*time.Minute + time.Millisecond, ClickAfterOrder, ClickAfterOrder},
	} {
		for rules, want := range map[int]Reason{2: row.two, 3: row.three} {
			c := Candidate{Kind: TouchClick, Click: Click{ID: "click", Link: 7, At: o.Received.Add(row.after)}, Link: standing(rules, document(t, percent(100_000)), &s)}
			if got := c.judge(&o, &Use{}); got.Reason != want || (got.AgeMillis < 0) != (want == ClickAfterOrder) {
				t.Errorf("%s after the receipt, under rules %d: %s at an age of %d ms, want %s", row.after, rules, got.Reason, got.AgeMillis, want)
			}
		}
	}
}
