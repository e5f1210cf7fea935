package chart

import (
	"testing"

	"tributary/internal/text"
)

func TestNoNameOrNumberStandsForTwoThings(t *testing.T) {
	t.Parallel()
	names, numbers := make(map[Kind]bool), make(map[int32]bool)
	for i, e := range Kinds() {
		if e.Kind == "" || names[e.Kind] || numbers[e.Number] || e.Number != int32(i+1) {
			t.Errorf("%+v: a name or number that is taken or out of order", e)
		}
		if e.Kind.Entry() != e {
			t.Errorf("%s is found as %+v", e.Kind, e.Kind.Entry())
		}
		names[e.Kind], numbers[e.Number] = true, true
	}
	for i, s := range Sources() {
		if i > 0 && s.Source <= Sources()[i-1].Source || s.Source == 6 || s.Source.String() != s.Name {
			t.Errorf("%+v is out of order, or a number that is reserved", s)
		}
	}
	if Source(6).String() != "source 6" || Kind("petty cash").Entry() != (Entry{}) {
		t.Error("what is in no chart is called something else")
	}
}

func TestABalanceGrowsByItsSide(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		kind Kind
		want int64
	}{{MerchantReceivable, 70}, {Bank, 70}, {PartnerPending, -70}, {PartnerPayable, -70}, {FeeEarned, -70}, {PayoutClearing, -70}} {
		if got := row.kind.Amount(100, 30); got != row.want {
			t.Errorf("%s: 100 debited and 30 credited make %d, want %d", row.kind, got, row.want)
		}
	}
}

// A kind that no page shows needs no words; a page that comes to show it says its code until it has some.
func TestWordsAreOfKindsThatThereAre(t *testing.T) {
	t.Parallel()
	for _, code := range text.AccountKindCodes() {
		if Kind(code).Entry() == (Entry{}) {
			t.Errorf("%q has words and is no kind of account", code)
		}
	}
}
