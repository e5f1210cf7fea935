package money_test

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"tributary/internal/money"
)

func TestARateOfAnAmountIsRoundedHalfAwayFromZero(t *testing.T) {
	t.Parallel()
	for _, fact := range []struct {
		amount int64
		rate   money.Rate
		want   int64
		exact  string
	}{
		{3, 200_000, 1, "0.6"},
		{15, 100_000, 2, "1.5"},
		{1, 500_000, 1, "0.5"},
		{500, 29_000, 15, "14.5"}, // a binary fraction of 2.9 % would give 14
		{7, 200_000, 1, "1.4"},
		{2, 200_000, 0, "0.4"},
		{1_000, 200_000, 200, "200"},
		{-15, 100_000, -2, "-1.5"},
		{-2, 200_000, 0, "-0.4"},
		{1, 499_999, 0, "0.499999"},
		{1, 1, 0, "0.000001"},
		{0, 1_000_000, 0, "0"},
		{money.MaxAmount, 1_000_000, money.MaxAmount, "10000000000000"},
		{money.MaxAmount - 1, 999_999, 9_999_989_999_999, "9999989999999.000001"},
		{math.MinInt64 + 1, 1_000_000, math.MinInt64 + 1, "-9223372036854775807"},
	} {
		if got := fact.rate.Of(fact.amount); got != fact.want {
			t.Errorf("%s of %d = %d, want %d", fact.rate, fact.amount, got, fact.want)
		}
		exact := fact.rate.Exact(fact.amount)
		if exact.String() != fact.exact || exact.Round() != fact.want {
			t.Errorf("%s of %d exactly = %s, rounded %d; want %s and %d", fact.rate, fact.amount, exact, exact.Round(), fact.exact, fact.want)
		}
	}
}

func TestScaleIsTheExactQuotientRoundedOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		amount := rapid.Int64Range(-money.MaxAmount, money.MaxAmount).Draw(t, "amount")
		denominator := rapid.Int64Range(1, math.MaxInt64).Draw(t, "denominator")
		numerator := rapid.Int64Range(-denominator, denominator).Draw(t, "numerator")
		want := rounded(new(big.Rat).SetFrac(new(big.Int).Mul(big.NewInt(amount), big.NewInt(numerator)), big.NewInt(denominator)))
		if got := money.Scale(amount, numerator, denominator); got != want {
			t.Fatalf("%d x %d / %d = %d, want %d", amount, numerator, denominator, got, want)
		}
	})
}

func TestScaleRefusesWhatIsNotAnAmount(t *testing.T) {
	t.Parallel()
	for name, scale := range map[string]func(){
		"no denominator":       func() { money.Scale(1, 1, 0) },
		"negative denominator": func() { money.Scale(1, 1, -1) },
		"one more than fits":   func() { money.Scale(math.MaxInt64, 2, 1) },
		"128 bits":             func() { money.Scale(math.MaxInt64, math.MaxInt64, 1) },
		"rounded up out of it": func() { money.Scale(math.MaxInt64, math.MaxInt64, math.MaxInt64-1) },
		"a size no int64 has":  func() { money.Scale(math.MinInt64, 1, 1) },
		"a rate above the whole": func() {
			money.Rate(2_000_000).Exact(math.MaxInt64)
		},
		"a rate far above the whole": func() { money.Rate(math.MaxInt64).Exact(math.MaxInt64) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			defer func() {
				if recover() == nil {
					t.Error("a result that does not fit was returned")
				}
			}()
			scale()
		})
	}
}

func TestSplitByLargestRemainder(t *testing.T) {
	t.Parallel()
	for _, fact := range []struct {
		total   int64
		weights []int64
		want    []int64
	}{
		{100, []int64{1, 1, 1}, []int64{34, 33, 33}},
		{100, []int64{2, 1}, []int64{67, 33}},
		{-100, []int64{1, 1, 1}, []int64{-34, -33, -33}},
		{1, []int64{1, 3}, []int64{0, 1}},
		{10, []int64{0, 5}, []int64{0, 10}},
		{5, []int64{0, 0, 0}, []int64{2, 2, 1}},
		{0, []int64{7, 9}, []int64{0, 0}},
		{7, []int64{3, 3, 1}, []int64{3, 3, 1}},
		{5, nil, nil},
	} {
		got := money.Split(fact.total, fact.weights)
		if len(got) != len(fact.want) {
			t.Fatalf("Split(%d, %v) = %v, want %v", fact.total, fact.weights, got, fact.want)
		}
		for i := range got {
			if got[i] != fact.want[i] {
				t.Errorf("Split(%d, %v) = %v, want %v", fact.total, fact.weights, got, fact.want)
				break
			}
		}
	}
}

func TestSharesAddUpAndAreWithinOneOfExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.Int64Range(0, money.MaxAmount), 1, 40).Draw(t, "weights")
		total := rapid.Int64Range(-money.MaxAmount, money.MaxAmount).Draw(t, "total")
		sum := int64(0)
		for _, w := range weights {
			sum += w
		}
		if sum == 0 {
			return
		}
		left := total
		for i, share := range money.Split(total, weights) {
			left -= share
			exact := new(big.Rat).SetFrac(new(big.Int).Mul(big.NewInt(total), big.NewInt(weights[i])), big.NewInt(sum))
			off := new(big.Rat).Sub(exact, new(big.Rat).SetInt64(share))
			if off.Abs(off).Cmp(big.NewRat(1, 1)) >= 0 {
				t.Fatalf("share %d is %d, exactly it would be %s", i, share, exact.FloatString(6))
			}
			if total >= 0 && total <= sum && share > weights[i] {
				t.Fatalf("share %d is %d, more than there is: %d", i, share, weights[i])
			}
		}
		if left != 0 {
			t.Fatalf("the shares of %d leave %d", total, left)
		}
	})
}

func TestSplitRefusesWeightsThatAreNone(t *testing.T) {
	t.Parallel()
	for name, weights := range map[string][]int64{
		"negative":    {5, -1},
		"sum too big": {math.MaxInt64, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			defer func() {
				if recover() == nil {
					t.Errorf("weights %v were taken", weights)
				}
			}()
			money.Split(10, weights)
		})
	}
}

// rounded is the nearest whole number, half away from zero, by way of arbitrary precision.
func rounded(x *big.Rat) int64 {
	half := new(big.Rat).Add(new(big.Rat).Abs(x), big.NewRat(1, 2))
	n := new(big.Int).Quo(half.Num(), half.Denom())
	if x.Sign() < 0 {
		n.Neg(n)
	}
	return n.Int64()
}

func FuzzRateRule(f *testing.F) {
	f.Add(int64(999), int64(80_000))
	f.Add(int64(-1), int64(500_000))
	f.Add(int64(money.MaxAmount), int64(1_000_000))
	f.Fuzz(func(t *testing.T, amount, ppm int64) {
		rate := money.Rate(uint64(ppm) % uint64(money.One+1))
		exact := new(big.Rat).Mul(new(big.Rat).SetInt64(amount), big.NewRat(int64(rate), int64(money.One)))
		if amount == math.MinInt64 {
			return // beyond MaxAmount, and its size is no int64
		}
		product := rate.Exact(amount)
		if got, ok := new(big.Rat).SetString(product.String()); !ok || got.Cmp(exact) != 0 {
			t.Errorf("%s of %d is written %q, exactly it is %s", rate, amount, product, exact)
		}
		var read money.Product
		if err := read.UnmarshalText([]byte(product.String())); err != nil || read != product {
			t.Errorf("%q was read as %v: %v", product, read, err)
		}
		if want := rounded(exact); rate.Of(amount) != want || product.Round() != want {
			t.Errorf("%s of %d = %d and %d, want %d", rate, amount, rate.Of(amount), product.Round(), want)
		}
	})
}

func TestTheSumOfProductsIsExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sign := rapid.SampledFrom([]int64{-1, 1}).Draw(t, "sign")
		draw := func() money.Product {
			return money.Rate(rapid.Int64Range(0, int64(money.One)).Draw(t, "rate")).Exact(sign * rapid.Int64Range(0, money.MaxAmount).Draw(t, "amount"))
		}
		p, q := draw(), draw()
		sum := new(big.Rat)
		for _, term := range []money.Product{p, q} {
			exact, _ := new(big.Rat).SetString(term.String())
			sum.Add(sum, exact)
		}
		if got, _ := new(big.Rat).SetString(p.Plus(q).String()); got.Cmp(sum) != 0 {
			t.Errorf("%s and %s are %s", p, q, p.Plus(q))
		}
	})
}

func FuzzProduct(f *testing.F) {
	for _, text := range []string{"79.92", "-0.000001", "9223372036854775807.999999", "-9223372036854775808", "1.", ".5", "--1", "0.0000001", "+1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var p, again money.Product
		if p.UnmarshalText([]byte(text)) != nil {
			return
		}
		if err := again.UnmarshalText([]byte(p.String())); err != nil || again != p {
			t.Errorf("%q became %v, which became %v: %v", text, p, again, err)
		}
	})
}
