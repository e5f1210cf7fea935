package engine

import (
	"fmt"
	"testing"
	"time"

	"tributary/commission"
	"tributary/internal/event"
)

// TestAFullDocumentReachesTheBooks pays a partner, who recruited them and the customer for one order, takes half of it back, and
// verifies all of it.
func TestAFullDocumentReachesTheBooks(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, 1, 2)
	from := time.Now().Add(2 * time.Minute).Truncate(time.Millisecond)
	w.addTerms(w.programs[1], from, commission.Rules, `{"currency":"GBP", "zero":[{"where":{"coupon":"STAFF"}, "code":"staff_coupon"}], "rules":[
		{"id":"any", "pay":{"percent":100000, "fixed":200, "max":1100}}, {"id":"small", "where":{"order_amount":{"max":100}}, "pay":{"percent":0}},
		{"id":"up", "to":"recruiter", "pay":{"percent":100000, "of":"commission"}}, {"id":"friend", "to":"customer", "pay":{"fixed":500, "unit":"POINT"}}]}`)
	w.exec(`INSERT INTO enrolment_fact (program_id, partner_id, kind, value, effective_from, author) VALUES ($1, $2, 'recruiter', $3, $4, 'somebody')`,
		w.programs[1], w.partners[0], fmt.Sprint(w.partners[1]), from)
	w.start(w.config("one"))
	order, staff, half := w.soldAt("F1", from), w.soldAt("F2", from), refund(2, "F1", "R", 0, 5_000)
	order.GetSale().CustomerId, staff.GetSale().Coupon = "c-1", "staff"
	half.OccurredAt, half.ReceivedAt = order.GetOccurredAt()+time.Hour.Microseconds(), order.GetReceivedAt()+time.Hour.Microseconds()
	w.send(order, staff)
	w.waitIdle()
	equal(t, "the staff's own order", w.outcome(2, "F2"), "restricted:staff_coupon")
	whose := func(kind string, partner int, unit string) string {
		return fmt.Sprintf("%s/2/%d/%s", kind, partner, unit)
	}
	first, second := int(w.partners[0]), int(w.partners[1])
	equal(t, "books", fmt.Sprint(w.books(time.Time{})), fmt.Sprint(books{
		whose("merchant_receivable", 0, "GBP"): 1_100 + 110 + 220, whose("partner_pending", first, "GBP"): 1_100, whose("partner_pending", second, "GBP"): 110,
		whose("fee_pending", 0, "GBP"): 220, whose("promotions_issued", 0, "POINT"): 500,
	}))
	w.send(half)
	w.waitIdle()
	equal(t, "books after the refund", fmt.Sprint(w.books(time.Time{})), fmt.Sprint(books{
		whose("merchant_receivable", 0, "GBP"): 700 + 70 + 140, whose("partner_pending", first, "GBP"): 700, whose("partner_pending", second, "GBP"): 70,
		whose("fee_pending", 0, "GBP"): 140, whose("promotions_issued", 0, "POINT"): 500,
	}))
	w.setClock(event.Time(order.GetOccurredAt()).Add(31 * day))
	w.eventually("the hold is over", func() bool { return w.number(`SELECT count(*) FROM commission WHERE state = 'payable'`) == 3 })
	equal(t, "points in the wallet", w.number(`SELECT payable FROM commission WHERE role = 'customer' AND unit = 'POINT'`), 500)
	w.clean()
}
