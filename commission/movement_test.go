package commission

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tributary/commission/ledger/chart"
	"tributary/internal/event"
	"tributary/internal/money"
	"tributary/partners/program"
)

// told is a movement of these tests in short: hours after noon, cause, debit, credit, amount.
type told struct {
	Hours         float64
	Cause         Cause
	Debit, Credit chart.Kind
	Amount        int64
}

func tell(movements []Movement) []told {
	var list []told
	for _, m := range movements {
		list = append(list, told{m.At.Sub(noon()).Hours(), m.Cause, m.Debit, m.Credit, m.Amount})
	}
	return list
}

// TestTheExampleOfTheLedger is the table by which the books are explained: a sale of 100.00, 10 % for the partner, 20 %
// of that for the network, a hold of 30 days.
func TestTheExampleOfTheLedger(t *testing.T) {
	t.Parallel()
	const holdEnds = 30 * 24
	sale := sold(goods(1, "X", "product", 2, 10_000))
	sold := []told{
		{0, CauseSale, chart.MerchantReceivable, chart.PartnerPending, 1000},
		{0, CauseSale, chart.MerchantReceivable, chart.FeePending, 200},
	}
	for _, fact := range []struct {
		name     string
		events   []*event.Event
		released bool
		then     []told
	}{
		{"sale", []*event.Event{sale}, false, nil},
		{"hold ends", []*event.Event{sale}, true, []told{
			{holdEnds, CauseRelease, chart.PartnerPending, chart.PartnerPayable, 1000},
			{holdEnds, CauseRelease, chart.FeePending, chart.FeeEarned, 200},
		}},
		{"half refunded, before the hold ends", []*event.Event{sale, refunded("R", day, 0, piecesOf(1, 1))}, false, []told{
			{24, CauseRefund, chart.PartnerPending, chart.MerchantReceivable, 500},
			{24, CauseRefund, chart.FeePending, chart.MerchantReceivable, 100},
		}},
		{"half refunded, then the hold ends", []*event.Event{sale, refunded("R", day, 0, piecesOf(1, 1))}, true, []told{
			{24, CauseRefund, chart.PartnerPending, chart.MerchantReceivable, 500},
			{24, CauseRefund, chart.FeePending, chart.MerchantReceivable, 100},
			{holdEnds, CauseRelease, chart.PartnerPending, chart.PartnerPayable, 500},
			{holdEnds, CauseRelease, chart.FeePending, chart.FeeEarned, 100},
		}},
		{"half refunded, after the hold ended", []*event.Event{sale, refunded("R", 40*day, 0, piecesOf(1, 1))}, true, []told{
			{holdEnds, CauseRelease, chart.PartnerPending, chart.PartnerPayable, 1000},
			{holdEnds, CauseRelease, chart.FeePending, chart.FeeEarned, 200},
			{40 * 24, CauseRefund, chart.PartnerPayable, chart.MerchantReceivable, 500},
			{40 * 24, CauseRefund, chart.FeeEarned, chart.MerchantReceivable, 100},
		}},
		{"half refunded as the hold ends", []*event.Event{sale, refunded("R", 30*day, 0, piecesOf(1, 1))}, true, []told{
			{holdEnds, CauseRelease, chart.PartnerPending, chart.PartnerPayable, 1000},
			{holdEnds, CauseRelease, chart.FeePending, chart.FeeEarned, 200},
			{holdEnds, CauseRefund, chart.PartnerPayable, chart.MerchantReceivable, 500},
			{holdEnds, CauseRefund, chart.FeeEarned, chart.MerchantReceivable, 100},
		}},
		{"refunded whole before the hold ends", []*event.Event{sale, refunded("R", day, 0)}, true, []told{
			{24, CauseRefund, chart.PartnerPending, chart.MerchantReceivable, 1000},
			{24, CauseRefund, chart.FeePending, chart.MerchantReceivable, 200},
		}},
		{"refunded after the hold, which nobody ended yet", []*event.Event{sale, refunded("R", 40*day, 0)}, false, []told{
			{40 * 24, CauseRefund, chart.PartnerPending, chart.MerchantReceivable, 1000},
			{40 * 24, CauseRefund, chart.FeePending, chart.MerchantReceivable, 200},
		}},
		{"refunded before it was sold", []*event.Event{sale, refunded("R", -day, 5000)}, false, []told{
			{0, CauseRefund, chart.PartnerPending, chart.MerchantReceivable, 500},
			{0, CauseRefund, chart.FeePending, chart.MerchantReceivable, 100},
		}},
		{"two refunds at one time are one movement", []*event.Event{sale, refunded("R", day, 15), refunded("S", day, 15)}, false, []told{
			{24, CauseRefund, chart.PartnerPending, chart.MerchantReceivable, 3},
			{24, CauseRefund, chart.FeePending, chart.MerchantReceivable, 1},
		}},
		{"a refund too small to change anything", []*event.Event{sale, refunded("R", day, 4)}, false, nil},
	} {
		t.Run(fact.name, func(t *testing.T) {
			t.Parallel()
			d := mustDecide(t, tenPercent(), fact.events...)
			if diff := cmp.Diff(append(append([]told{}, sold...), fact.then...), tell(d.Movements(until(fact.released)))); diff != "" {
				t.Errorf("movements (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhoseAccountsAMovementIsOf(t *testing.T) {
	t.Parallel()
	d := mustDecide(t, tenPercent(), sold(goods(1, "X", "product", 2, 10_000)))
	want := []Movement{
		{noon(), CauseSale, chart.MerchantReceivable, chart.PartnerPending, 1, 3, "", "GBP", 1000},
		{noon(), CauseSale, chart.MerchantReceivable, chart.FeePending, 1, 0, "", "GBP", 200},
		{noon().Add(30 * day), CauseRelease, chart.PartnerPending, chart.PartnerPayable, 1, 3, "", "GBP", 1000},
		{noon().Add(30 * day), CauseRelease, chart.FeePending, chart.FeeEarned, 1, 0, "", "GBP", 200},
	}
	if diff := cmp.Diff(want, d.Movements(ended())); diff != "" {
		t.Errorf("movements (-want +got):\n%s", diff)
	}
}

// What a customer is given comes from what its merchant issues, in money or in points, and goes back there.
func TestACustomersCreditIsInItsWallet(t *testing.T) {
	t.Parallel()
	e := sold(goods(1, "X", "product", 2, 10_000))
	e.GetSale().CustomerId = "c-1"
	d := mustDecide(t, tenPercent(), e, refunded("R", day, 5_000), refunded("S", 40*day, 1_000))
	gift := d.Credits[0]
	gift.Partner, gift.Role, gift.Link, gift.Unit = 0, RoleCustomer, 0, money.Points
	d.Credits = append(d.Credits, gift)
	if err := d.Share(); err != nil {
		t.Fatal(err)
	}
	read, err := UnmarshalRecord(d.AppendJSON(nil))
	if err != nil {
		t.Fatal(err)
	}
	hold := noon().Add(30 * day)
	want := []Movement{
		{noon(), CauseSale, chart.PromotionsIssued, chart.WalletPending, 1, 0, "c-1", "POINT", 1000},
		{noon().Add(day), CauseRefund, chart.WalletPending, chart.PromotionsIssued, 1, 0, "c-1", "POINT", 500},
		{hold, CauseRelease, chart.WalletPending, chart.Wallet, 1, 0, "c-1", "POINT", 500},
		{noon().Add(40 * day), CauseRefund, chart.Wallet, chart.PromotionsIssued, 1, 0, "c-1", "POINT", 100},
	}
	for what, d := range map[string]Decision{"decided": d, "recorded": read} {
		if diff := cmp.Diff(want, d.ByCredit(ended())[1]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
		if missing := Difference(d.Movements(time.Time{}), d.Movements(ended())); len(missing) != 9 {
			t.Errorf("%s: two holds that end, before a refund that had come from what was pending, are %d movements: %v", what, len(missing), missing)
		}
	}
	d.Credits[1].Customer = ""
	if err := d.Share(); err == nil {
		t.Error("a customer that the order does not name has a credit")
	}
}

func TestWithoutAHoldTheSaleIsPayableAtOnce(t *testing.T) {
	t.Parallel()
	found := linkTerms(noon(), program.Terms{Window: day, Rates: rates(map[string]money.Rate{"*": 100_000})})
	d := mustDecide(t, found, sold(goods(1, "X", "", 1, 1_000)), refunded("R", -day, 500))
	want := []told{
		{0, CauseSale, chart.MerchantReceivable, chart.PartnerPending, 100},
		{0, CauseRelease, chart.PartnerPending, chart.PartnerPayable, 100},
		{0, CauseRefund, chart.PartnerPayable, chart.MerchantReceivable, 50},
	}
	if diff := cmp.Diff(want, tell(d.Movements(ended()))); diff != "" {
		t.Errorf("movements (-want +got):\n%s", diff)
	}
}

func TestDifference(t *testing.T) {
	t.Parallel()
	at := func(hours int, debit, credit chart.Kind, amount int64, cause Cause) Movement {
		return Movement{At: noon().Add(time.Duration(hours) * time.Hour), Cause: cause, Debit: debit, Credit: credit, Merchant: 1, Partner: 3, Unit: "GBP", Amount: amount}
	}
	earned := at(0, chart.MerchantReceivable, chart.PartnerPending, 10, CauseSale)
	back := at(5, chart.PartnerPending, chart.MerchantReceivable, 4, CauseRefund)
	released := at(9, chart.PartnerPending, chart.PartnerPayable, 6, CauseRelease)
	for _, fact := range []struct {
		name            string
		posted, desired []Movement
		want            []told
	}{
		{"nothing on the books", nil, []Movement{earned, back}, []told{
			{0, CauseSale, chart.MerchantReceivable, chart.PartnerPending, 10}, {5, CauseRefund, chart.PartnerPending, chart.MerchantReceivable, 4},
		}},
		{"all on the books", []Movement{earned, back, released}, []Movement{earned, back, released}, nil},
		{"a refund more", []Movement{earned}, []Movement{earned, back}, []told{{5, CauseRefund, chart.PartnerPending, chart.MerchantReceivable, 4}}},
		{
			"a refund at the time of the sale",
			[]Movement{earned},
			[]Movement{earned, at(0, chart.PartnerPending, chart.MerchantReceivable, 4, CauseRefund)},
			[]told{{0, CauseRefund, chart.PartnerPending, chart.MerchantReceivable, 4}},
		},
		{
			"a refund that came late changes what was released",
			[]Movement{earned, at(9, chart.PartnerPending, chart.PartnerPayable, 10, CauseRelease)},
			[]Movement{earned, back, released},
			[]told{{5, CauseRefund, chart.PartnerPending, chart.MerchantReceivable, 4}, {9, CauseCorrection, chart.PartnerPayable, chart.PartnerPending, 4}},
		},
		{
			"a refund between two changes what the second takes",
			[]Movement{earned, at(5, chart.PartnerPending, chart.MerchantReceivable, 4, CauseRefund)},
			[]Movement{earned, at(5, chart.PartnerPending, chart.MerchantReceivable, 3, CauseRefund)},
			[]told{{5, CauseCorrection, chart.MerchantReceivable, chart.PartnerPending, 1}},
		},
		{
			"a correction stays what it is",
			[]Movement{earned, at(0, chart.MerchantReceivable, chart.PartnerPending, 2, CauseCorrection)},
			[]Movement{at(0, chart.MerchantReceivable, chart.PartnerPending, 12, CauseSale)},
			nil,
		},
		{
			"what is there is found in any order",
			[]Movement{at(0, chart.PartnerPending, chart.MerchantReceivable, 4, ""), earned},
			[]Movement{earned, at(0, chart.PartnerPending, chart.MerchantReceivable, 4, CauseRefund), at(0, chart.PartnerPending, chart.MerchantReceivable, 1, CauseRefund)},
			[]told{{0, CauseRefund, chart.PartnerPending, chart.MerchantReceivable, 1}},
		},
		{"nothing should be there", []Movement{earned}, nil, []told{{0, CauseCorrection, chart.PartnerPending, chart.MerchantReceivable, 10}}},
		{
			"the same amount twice",
			[]Movement{earned, earned},
			[]Movement{earned},
			[]told{{0, CauseCorrection, chart.PartnerPending, chart.MerchantReceivable, 10}},
		},
		{"the books do not tell causes", []Movement{{
			At: noon(), Debit: chart.MerchantReceivable, Credit: chart.PartnerPending, Merchant: 1, Partner: 3, Unit: "GBP", Amount: 10,
		}}, []Movement{earned}, nil},
		{"another partner's", []Movement{{
			At: noon(), Debit: chart.MerchantReceivable, Credit: chart.PartnerPending, Merchant: 1, Partner: 4, Unit: "GBP", Amount: 10,
		}}, []Movement{earned}, []told{
			{0, CauseSale, chart.MerchantReceivable, chart.PartnerPending, 10}, {0, CauseCorrection, chart.PartnerPending, chart.MerchantReceivable, 10},
		}},
	} {
		t.Run(fact.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(fact.want, tell(Difference(fact.posted, fact.desired))); diff != "" {
				t.Errorf("to be posted (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDifferenceKnowsTheBooksInAnyZone(t *testing.T) {
	t.Parallel()
	d := mustDecide(t, tenPercent(), sold(goods(1, "X", "product", 2, 10_000)))
	posted := d.Movements(time.Time{})
	for i := range posted {
		posted[i].At = posted[i].At.In(time.FixedZone("elsewhere", 3600))
	}
	if got := Difference(posted, d.Movements(time.Time{})); len(got) != 0 {
		t.Errorf("still to be posted: %v", got)
	}
}
