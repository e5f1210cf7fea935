package dashboard

import (
	"testing"

	"tributary/internal/money"
	"tributary/internal/text"
)

func TestAmountsAreWrittenExactly(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		amount                amount
		figures, plain, short string
	}{
		{amount{"GBP", 123450}, "1,234.50", "1234.50", "1,234.50"},
		{amount{"GBP", 123400}, "1,234.00", "1234.00", "1,234"},
		{amount{"GBP", -5}, "-0.05", "-0.05", "-0.05"},
		{amount{"JPY", 1234567}, "1,234,567", "1234567", "1,234,567"},
		{amount{"KWD", 1234567}, "1,234.567", "1234.567", "1,234.567"},
		{amount{"", 0}, "0 minor units", "", "0 minor units"},
		{amount{"KWD", 0}, "0.000", "0.000", "0"},
	} {
		if got := tc.amount.figures(); got != tc.figures {
			t.Errorf("%+v: figures %q, want %q", tc.amount, got, tc.figures)
		}
		if got := tc.amount.plain(); got != tc.plain {
			t.Errorf("%+v: plain %q, want %q", tc.amount, got, tc.plain)
		}
		if got := tc.amount.short(); got != tc.short {
			t.Errorf("%+v: short %q, want %q", tc.amount, got, tc.short)
		}
	}
}

func TestAnAmountDividedByACount(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		amount    amount
		n         int64
		per, each string
	}{
		{amount{"GBP", 70616}, 5930, "0.1191", "0.12"},
		{amount{"GBP", 100}, 0, "–", "–"},
		{amount{"GBP", -1000}, 3, "-3.3333", "-3.33"},
		{amount{"JPY", 1000}, 3, "333.33", "333"},
		{amount{"GBP", 123456789}, 1, "1,234,567.8900", "1,234,567.89"},
		{amount{"GBP", 1}, 1000, "0.0000", "0.00"},
	} {
		if got := tc.amount.per(tc.n); got != tc.per {
			t.Errorf("%+v per %d: %q, want %q", tc.amount, tc.n, got, tc.per)
		}
		if got := tc.amount.each(tc.n); got != tc.each {
			t.Errorf("%+v each of %d: %q, want %q", tc.amount, tc.n, got, tc.each)
		}
	}
}

func TestChanges(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		now, before int64
		want        change
	}{
		{110, 100, change{"+10 %", "up"}},
		{90, 100, change{"−10 %", "down"}},
		{5, 5, change{"no change", ""}},
		{5, 0, change{"from 0", ""}},
		{0, 4, change{"−100 %", "down"}},
		{5000, 1, change{"over 10 times", "up"}},
		{1000, 999, change{"about the same", ""}},
		{999, 1000, change{"about the same", ""}},
		{-5, 10, change{"from 10", ""}},
	} {
		if got := changeOf(text.English(), tc.now, tc.before); got != tc.want {
			t.Errorf("%d after %d: %+v, want %+v", tc.now, tc.before, got, tc.want)
		}
	}
}

func TestAProductIsWrittenWithEveryDecimal(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		rate     money.Rate
		base     int64
		currency string
		want     string
	}{
		{110_000, 3998, "GBP", "4.3978"},
		{90_000, 4250, "GBP", "3.825"},
		{80_000, 1, "GBP", "0.0008"},
		{72_500, 1999, "JPY", "144.9275"},
		{1_000_000, 123456789, "GBP", "1,234,567.89"},
		{0, 500, "GBP", "0.00"},
		{100_000, 5, "KWD", "0.0005"},
		{333_333, 100, "GBP", "0.333333"},
	} {
		if got := exact(tc.rate.Exact(tc.base), tc.currency); got != tc.want {
			t.Errorf("%s of %d %s: %q, want %q", tc.rate, tc.base, tc.currency, got, tc.want)
		}
	}
}
