package money_test

import (
	"strings"
	"testing"

	"tributary/internal/money"
)

func TestCurrenciesInForce(t *testing.T) {
	t.Parallel()
	for _, fact := range []struct {
		currency string
		digits   int
		known    bool
	}{
		{"GBP", 2, true},
		{"EUR", 2, true},
		{"JPY", 0, true},
		{"KRW", 0, true},
		{"BHD", 3, true},
		{"KWD", 3, true},
		{"CLF", 4, true},
		{"XCG", 2, true},  // the Caribbean guilder, since 2025
		{"ANG", 0, false}, // which replaced the Antillean one
		{"DEM", 0, false}, // withdrawn
		{"HRK", 0, false}, // withdrawn 2023
		{"BGN", 0, false}, // withdrawn 2026
		{"XAU", 0, false}, // gold has no minor unit
		{"XXX", 0, false}, // no currency
		{"XTS", 0, false}, // for tests
		{"gbp", 0, false},
		{"GB", 0, false},
		{"", 0, false},
	} {
		digits, known := money.Exponent(fact.currency)
		if digits != fact.digits || known != fact.known || money.Known(fact.currency) != fact.known {
			t.Errorf("%q: %d digits, known %t; want %d, %t", fact.currency, digits, known, fact.digits, fact.known)
		}
	}
}

func TestAmountsAsText(t *testing.T) {
	t.Parallel()
	for _, fact := range []struct {
		text, currency string
		units          int64
		formatted      string
	}{
		{"1234.50", "GBP", 123_450, "GBP 1,234.50"},
		{"1234.5", "GBP", 123_450, "GBP 1,234.50"},
		{"1234", "GBP", 123_400, "GBP 1,234.00"},
		{"0.05", "GBP", 5, "GBP 0.05"},
		{"-0.05", "GBP", -5, "GBP -0.05"},
		{"-0", "GBP", 0, "GBP 0.00"},
		{"007", "GBP", 700, "GBP 7.00"},
		{"1234567", "JPY", 1_234_567, "JPY 1,234,567"},
		{"-999", "JPY", -999, "JPY -999"},
		{"1.234", "KWD", 1_234, "KWD 1.234"},
		{"100000000000.00", "GBP", money.MaxAmount, "GBP 100,000,000,000.00"},
	} {
		units, err := money.Parse(fact.text, fact.currency)
		if err != nil || units != fact.units {
			t.Errorf("Parse(%q, %s) = %d, %v; want %d", fact.text, fact.currency, units, err, fact.units)
		}
		if got := money.Format(units, fact.currency); got != fact.formatted {
			t.Errorf("Format(%d, %s) = %q, want %q", units, fact.currency, got, fact.formatted)
		}
	}
	if got := money.Format(-123_456, "DEM"); got != "DEM -123,456 minor units" {
		t.Errorf("an amount of a withdrawn currency is written %q", got)
	}
}

func TestTextsThatAreNoAmounts(t *testing.T) {
	t.Parallel()
	for _, fact := range []struct{ text, currency, says string }{
		{"", "GBP", "must be digits"},
		{"-", "GBP", "must be digits"},
		{".5", "GBP", "must be digits"},
		{"5.", "GBP", "must be digits"},
		{"1,234.50", "GBP", "must be digits"},
		{"1e3", "GBP", "must be digits"},
		{"+1", "GBP", "must be digits"},
		{" 1", "GBP", "must be digits"},
		{"--1", "GBP", "must be digits"},
		{"1.2.3", "GBP", "must be digits"},
		{"٣", "GBP", "must be digits"},
		{"1.234", "GBP", "has 2 decimals, not 3"},
		{"1.0", "JPY", "has 0 decimals, not 1"},
		{"100000000000.01", "GBP", "beyond GBP 100,000,000,000.00"},
		{strings.Repeat("9", 40), "GBP", "beyond"},
		{"1.00", "DEM", "not a currency in force"},
	} {
		units, err := money.Parse(fact.text, fact.currency)
		if err == nil || !strings.Contains(err.Error(), fact.says) {
			t.Errorf("Parse(%q, %s) = %d, %v; want an error that says %q", fact.text, fact.currency, units, err, fact.says)
		}
	}
}

func TestRatesAsText(t *testing.T) {
	t.Parallel()
	for rate, want := range map[money.Rate]string{
		72_500: "7.25 %", 100_000: "10 %", 1_000_000: "100 %", 0: "0 %", 1: "0.0001 %", -5_000: "-0.5 %", 2_000_000: "200 %",
	} {
		if rate.String() != want {
			t.Errorf("%d ppm is written %q, want %q", int64(rate), rate.String(), want)
		}
	}
}

func TestTextsThatAreNoProducts(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "-", "1.", ".1", "1.1234567", "1e5", "99999999999999999999", "0x1"} {
		var p money.Product
		if err := p.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was read as %s", text, p)
		}
	}
}

func FuzzAmountParse(f *testing.F) {
	for _, text := range []string{"1234.50", "-0.05", "0", "1,234", "1e9", "10000000000000.00", "99999999999999999999"} {
		for _, currency := range []string{"GBP", "JPY", "KWD", "CLF", "XXX"} {
			f.Add(text, currency)
		}
	}
	f.Fuzz(func(t *testing.T, text, currency string) {
		units, err := money.Parse(text, currency)
		if err != nil {
			return
		}
		if units > money.MaxAmount || units < -money.MaxAmount {
			t.Fatalf("%q became %d, beyond the largest amount", text, units)
		}
		formatted := money.Format(units, currency)
		plain := strings.ReplaceAll(strings.TrimPrefix(formatted, currency+" "), ",", "")
		if again, err := money.Parse(plain, currency); err != nil || again != units {
			t.Fatalf("%q became %d, which is written %q, which becomes %d: %v", text, units, formatted, again, err)
		}
	})
}

func TestRatesAreReadAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]money.Rate{
		"0": 0, "8": 80_000, "12.5": 125_000, "7.25 %": 72_500, "100%": money.One, "0.0001": 1, " 5": 50_000,
	} {
		if got, err := money.ParseRate(text); err != nil || got != want {
			t.Errorf("%q is read as %d: %v", text, got, err)
		}
	}
	for _, text := range []string{"", "-1", "1,5", "1e2", "0.00001", ".5", "x", "+1", "101", "100.0001"} {
		if rate, err := money.ParseRate(text); err == nil {
			t.Errorf("%q was read as %d", text, rate)
		}
	}
	for _, rate := range []money.Rate{0, 1, 72_500, money.One} {
		if again, err := money.ParseRate(rate.String()); err != nil || again != rate {
			t.Errorf("%s is read as %s: %v", rate, again, err)
		}
	}
}
