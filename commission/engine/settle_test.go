package engine

import (
	"fmt"
	"testing"
	"time"

	"tributary/commission"
	"tributary/commission/period"
	"tributary/internal/event"
	"tributary/partners"
	"tributary/partners/program"
	"tributary/test/schemes"
)

// monthly are rules on periods: 2 % from 200.00 of revenue on, and 4 % from 400.00; a cap of 25.00 of commission; and 5 % of
// the revenue of orders after the first two. The network's fee is 20 % of each.
func monthly() []*program.Counting {
	month := func(id string, p program.Period) program.Period {
		p.ID, p.Period = id, program.Month
		return p
	}
	return schemes.Rules(
		200_000,
		month("volume", program.Period{Measure: program.MeasureRevenue, Tiers: []program.Tier{{From: 20_000, Percent: 20_000}, {From: 40_000, Percent: 40_000}}}),
		month("cap", program.Period{Measure: program.MeasureCommission, Cap: 2_500}),
		month("past two", program.Period{Measure: program.MeasureCount, Tiers: []program.Tier{{From: 2, Percent: 50_000}}}),
	)
}

// newCounting is a world whose orders count by rules.
func newCounting(tb testing.TB, rules []*program.Counting) *world {
	tb.Helper()
	w := newWorld(tb)
	w.decider = schemes.Counting(commission.Decide, rules...)
	return w
}

// placed is an order of the world's first partner, so long after noon.
func (w *world) placed(id string, after time.Duration, amount int64) *event.Event {
	e := sale(1, id, clickOn(w.links[0], noon().Add(after-time.Hour)), amount)
	e.OccurredAt = event.Micros(noon().Add(after))
	e.ReceivedAt = e.GetOccurredAt()
	e.GetSale().ContentHash = event.SaleHash(e.GetSale(), e.GetOccurredAt())
	return e
}

// standing is what a period of the world's first partner stands at.
func (w *world) standing(rule string) (s period.Standing) {
	w.t.Helper()
	check(w.t, w.db.QueryRow(w.t.Context(), `SELECT net, fee, pending, payable, fee_pending, fee_earned FROM period WHERE rule = $1 AND partner_id = $2`,
		rule, int64(w.partners[0])).Scan(&s.Net, &s.Fee, &s.Pending, &s.Payable, &s.FeePending, &s.FeeEarned))
	return s
}

func TestPeriodsArePaidBesideTheirOrders(t *testing.T) {
	t.Parallel()
	w := newCounting(t, monthly())
	w.start(w.config("one"))
	w.send(w.placed("A", 0, 15_000), w.placed("B", day, 15_000))
	w.waitIdle()
	equal(t, "the volume of two", w.standing("volume"), period.Standing{Net: 200, Fee: 40, Pending: 200, FeePending: 40})
	equal(t, "the cap of two", w.standing("cap"), period.Standing{Net: -500, Fee: -100, Pending: -500, FeePending: -100})
	equal(t, "two are not past two", w.standing("past two"), period.Standing{})
	w.send(w.placed("D", 3*day, 20_000), refund(1, "A", "r", 40*day, 5_000))
	w.waitIdle()
	w.send(w.placed("C", 2*day, 10_000)) // before D, and later
	w.waitIdle()
	// A 100.00, B 150.00, C 100.00 and D 200.00 remain: 550.00. 2 % of 200.00 and 4 % of 150.00; 55.00 is 30.00 over.
	equal(t, "the volume", w.standing("volume"), period.Standing{Net: 1000, Fee: 200, Pending: 1000, FeePending: 200})
	equal(t, "the cap", w.standing("cap"), period.Standing{Net: -3000, Fee: -600, Pending: -3000, FeePending: -600})
	equal(t, "past two", w.standing("past two"), period.Standing{Net: 1500, Fee: 300, Pending: 1500, FeePending: 300})
	equal(t, "pending", w.books(time.Time{})[fmt.Sprintf("partner_pending/1/%d/GBP", w.partners[0])], 5500+1000-3000+1500)
	w.setClock(noon().Add(60 * day))
	w.waitIdle()
	equal(t, "the volume, released", w.standing("volume"), period.Standing{Net: 1000, Fee: 200, Payable: 1000, FeeEarned: 200})
	equal(t, "the cap, released", w.standing("cap"), period.Standing{Net: -3000, Fee: -600, Payable: -3000, FeeEarned: -600})
	equal(t, "past two, released", w.standing("past two"), period.Standing{Net: 1500, Fee: 300, Payable: 1500, FeeEarned: 300})
	equal(t, "payable", w.books(time.Time{})[fmt.Sprintf("partner_payable/1/%d/GBP", w.partners[0])], 5500+1000-3000+1500)
	equal(t, "changes left", w.number(`SELECT count(*) FROM period_delta`), 0)
	w.clean()
}

// Terms with periods are counted, paid and verified by the product's own decisions.
func TestTermsWithPeriods(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	document, err := program.ParseDocument([]byte(`{"schema":1,"currency":"GBP","zone":"America/New_York","hold":"30d","network_fee":200000,
		"attribution":{"touches":{"click":{"window":"30d"}}},"rules":[{"id":"any","pay":{"percent":100000}}],
		"periods":[{"id":"volume","measure":"revenue","period":"month","tiers":[{"from":20000,"percent":20000}]},
			{"id":"cap","measure":"count","period":"month","cap":2},
			{"id":"brought","to":"recruiter","measure":"commission","period":"ever","tiers":[{"from":3000,"once":700}]}]}`))
	check(t, err)
	tx, err := w.db.Begin(t.Context())
	check(t, err)
	defer tx.Rollback(t.Context())
	id, err := partners.CreateProgram(t.Context(), tx, partners.NewProgram{
		Merchant: 1, Name: "by the month", LandingURL: "https://shop.example/", Currencies: []string{"GBP"},
		Terms: []program.Version{{EffectiveFrom: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), Document: document}},
	})
	check(t, err)
	for _, partner := range w.partners[:2] {
		check(t, partners.Enrol(t.Context(), tx, id, partner))
	}
	_, err = tx.Exec(t.Context(), `INSERT INTO enrolment_fact (program_id, partner_id, kind, value, effective_from, author) VALUES ($1, $2, 'recruiter', $3, '2020-01-01', 'somebody')`,
		id, w.partners[0], fmt.Sprint(w.partners[1]))
	check(t, err)
	check(t, tx.Commit(t.Context()))
	w.links[0] = w.addLink(id, w.partners[0])
	w.start(w.config("one"))
	w.send(w.placed("A", 0, 15_000), w.placed("B", day, 15_000), w.placed("C", 2*day, 10_000), sale(2, "plain", clickOn(w.links[4], noon().Add(-time.Hour)), 10_000))
	w.waitIdle()
	equal(t, "the volume", w.standing("volume"), period.Standing{Net: 400, Fee: 80, Pending: 400, FeePending: 80})
	equal(t, "the cap", w.standing("cap"), period.Standing{Net: -1000, Fee: -200, Pending: -1000, FeePending: -200})
	equal(t, "periods", w.number(`SELECT count(*) FROM period`), 3)
	equal(t, "the recruiter's, whom no rule pays", w.number(`SELECT net FROM period WHERE rule = 'brought' AND partner_id = $1 AND role = 'recruiter' AND fee = 0`, int64(w.partners[1])), 700)
	equal(t, "what the recruiter has of orders", w.number(`SELECT count(*) FILTER (WHERE net = 0) FROM commission WHERE partner_id = $1 AND role = 'recruiter'`, int64(w.partners[1])), 3)
	w.send(refund(1, "A", "r", 40*day, 15_000))
	w.waitIdle()
	equal(t, "the recruiter's, once less is earned", w.number(`SELECT net FROM period WHERE rule = 'brought'`), 0)
	w.clean()
}
