package dashboard

import (
	"html"
	"strings"
	"testing"
	"time"

	"tributary/commission"
	"tributary/internal/money"
	"tributary/internal/text"
	"tributary/partners/program"
	"tributary/report"
)

// explained is what the page why says of an order of 100.00 EUR, some of it refunded, under a full document in dollars.
func explained(t *testing.T, forMerchant bool) string {
	t.Helper()
	at := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	recruited := []program.PartnerID{3}
	d := commission.Decision{
		Outcome: commission.Credited,
		Order: commission.Order{
			Merchant: 1, ID: "A1", At: at, Received: at, Currency: "EUR", Amount: 10_000, Refunded: 1_000,
			Lines: []commission.Line{{Number: 4, SKU: "BOOT", Quantity: 2, Amount: 10_000, Refunded: 1_000}},
		},
		Credits: []commission.Credit{
			{
				Partner: 3, Weight: 1, Unit: "USD", Gross: 1_200, Net: 1_110, Lines: 1, RefundsUntil: at.AddDate(0, 1, 0),
				Terms: commission.TermsApplied{Version: 1, Full: true, Base: program.Base{Tax: true}},
				Rate:  &commission.Rate{Base: "EUR", Quote: "USD", Day: at, Source: "ecb", Num: 11, Den: 10},
				Rules: []commission.Rule{
					{ID: "gold", Scope: program.ScopeGroup, Rate: 100_000, Amount: 10_000, Base: 9_000, Exact: exactly(t, "990"), Net: 990},
					{ID: "boots", Fixed: 60, Per: program.PerPiece, Units: 2, Left: 2, Min: 5_000, Max: 120, Net: 120},
				},
				Priced: []commission.Priced{{Line: 4, Rule: 0, Base: 9_000, Net: 990}, {Line: 4, Rule: 1, Base: 9_000, Net: 120}},
				Lost:   []commission.Lost{{ID: "any", Rule: 0, By: commission.ByScope, Worth: 550, Won: 1_100}},
			},
			{
				Partner: 5, Role: commission.RoleRecruiter, Unit: "USD", Gross: 120, Net: 111, Terms: commission.TermsApplied{Full: true}, From: [][]program.PartnerID{recruited},
				Rules: []commission.Rule{{ID: "up", Rate: 100_000, Of: program.OfCommission, Amount: 1_200, Base: 1_110, Exact: exactly(t, "111"), Net: 111}},
			},
			{
				Partner: 6, Role: commission.RoleRecruiter2, Unit: "USD", Gross: 120, Net: 120, Fee: -120, Terms: commission.TermsApplied{Full: true, Rules: 3}, From: [][]program.PartnerID{recruited, recruited},
				Rules: []commission.Rule{
					{ID: "fee", Rate: 800_000, Of: program.OfFee, Amount: 240, Base: 240, Exact: exactly(t, "192"), Net: 120},
					{ID: "odd", Rate: 500_000, Of: program.OfCommission, Amount: 3, Base: 3, Exact: exactly(t, "1.5"), Net: 1},
				},
			},
			{Partner: 8, Unit: "USD", Weight: 1, Terms: commission.TermsApplied{Full: true}, Unpaid: commission.Restricted("own_coupon")},
		},
	}
	view := whyView{forMerchant: forMerchant, at: at, Explanation: report.Explanation{
		OrderID: "A1", Decision: d, Partners: map[program.PartnerID]string{3: "Trailworthy", 5: "Upline", 8: "Bargains"}, Whole: map[string]int64{"USD": 2},
	}}
	var page strings.Builder
	if err := whyPage(view).Render(text.With(t.Context(), text.English()), &page); err != nil {
		t.Fatal(err)
	}
	said := html.UnescapeString(page.String())
	for strings.Contains(said, "<") { // words alone
		from := strings.Index(said, "<")
		said = said[:from] + " " + said[from+1+strings.IndexByte(said[from:], '>'):]
	}
	return strings.Join(strings.Fields(said), " ")
}

// exactly is a product by its decimal.
func exactly(t *testing.T, decimal string) (p money.Product) {
	t.Helper()
	if err := p.UnmarshalText([]byte(decimal)); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestThePageWhySaysWhatRulesPay(t *testing.T) {
	t.Parallel()
	page := explained(t, true)
	for _, said := range []string{
		"gold group 1 line 10 % 99.00 × 10 % = 9.90 9.90",
		"boots 1 line USD 0.60 for each piece while the order is at least USD 50.00 at most USD 1.20 0.60 × 2 1.20",
		"Rates are taken of the lines with their tax.", "Amounts in EUR became USD: 1 EUR was 1.1 USD, the rate of 2026-03-01 (ecb).",
		"Refunds count until", "any gold group A partner’s own rules come before those of a group, and these before the program’s. 5.50 11.00",
		"up for the part of Trailworthy 10 % of the commission 11.10 × 10 % = 1.11 1.11",
		"fee for the part of Trailworthy 80 % of the network’s fee shared with others, who have no more than the fee together 2.40 × 80 % = 1.92 1.20",
		"odd for the part of Trailworthy 50 % of the commission rounded together with others 0.03 × 50 % = 0.015 0.01",
		"The program's terms pay nothing on orders like this one. The terms’ own code is own_coupon.",
	} {
		if !strings.Contains(page, said) {
			t.Errorf("the page does not say %q:\n%s", said, page)
		}
	}
	if page := explained(t, false); strings.Contains(page, "for the part of") {
		t.Error("a partner reads for whose part another is paid")
	}
}
