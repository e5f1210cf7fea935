package money_test

import (
	"math"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"tributary/internal/money"
)

func TestBlendsOfOnePriceAndOfSeveral(t *testing.T) {
	t.Parallel()
	for _, fact := range []struct {
		name             string
		amounts, weights []int64
		want             []int64
	}{
		{"equal parts of 100", []int64{100, 100, 100}, []int64{1, 1, 1}, []int64{34, 33, 33}},
		{"40/20/40 of four", []int64{1001, 1001, 1001, 1001}, []int64{4, 1, 1, 4}, []int64{401, 100, 100, 400}},
		{"halves of an odd amount", []int64{1001, 1001}, []int64{1, 1}, []int64{501, 500}},
		{"a half-life", []int64{1000, 1000, 1000}, []int64{1, 2, 4}, []int64{143, 286, 571}},
		{"two prices", []int64{1000, 500}, []int64{1, 1}, []int64{500, 250}},
		{"two prices, two halves", []int64{33, 17}, []int64{1, 1}, []int64{17, 8}},
		{"the sum is rounded, not the shares", []int64{1, 0, 0}, []int64{1, 1, 1}, []int64{0, 0, 0}},
		{"one who has nothing", []int64{7, 1000}, []int64{3, 0}, []int64{7, 0}},
		{"nothing", []int64{0, 0}, []int64{1, 2}, []int64{0, 0}},
		{"the largest", []int64{money.MaxAmount, money.MaxAmount - 1}, []int64{math.MaxInt64 - 1, 1}, []int64{money.MaxAmount, 0}},
	} {
		if got := money.Blend(fact.amounts, fact.weights); !slices.Equal(got, fact.want) {
			t.Errorf("%s: Blend(%v, %v) = %v, want %v", fact.name, fact.amounts, fact.weights, got, fact.want)
		}
	}
}

func TestABlendIsItsExactSumRoundedOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(t, "parties")
		amounts := rapid.SliceOfN(rapid.Int64Range(0, money.MaxAmount), n, n).Draw(t, "amounts")
		weights := rapid.SliceOfN(rapid.OneOf(rapid.Int64Range(0, 8), rapid.Int64Range(0, math.MaxInt64/16)), n, n).Draw(t, "weights")
		whole := int64(0)
		for _, w := range weights {
			whole += w
		}
		if whole == 0 {
			return
		}
		exact, total := new(big.Rat), int64(0)
		for i, share := range money.Blend(amounts, weights) {
			part := new(big.Rat).SetFrac(new(big.Int).Mul(big.NewInt(amounts[i]), big.NewInt(weights[i])), big.NewInt(whole))
			exact.Add(exact, part)
			total += share
			off := new(big.Rat).Sub(part, new(big.Rat).SetInt64(share))
			if off.Abs(off).Cmp(big.NewRat(1, 1)) >= 0 {
				t.Fatalf("share %d is %d, exactly it would be %s", i, share, part.FloatString(6))
			}
		}
		if want := rounded(exact); total != want {
			t.Fatalf("the shares add up to %d, want %d", total, want)
		}
	})
}

func TestABlendOfOnePriceIsASplit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(t, "parties")
		amount := rapid.Int64Range(0, money.MaxAmount).Draw(t, "amount")
		weights := rapid.SliceOfN(rapid.Int64Range(0, 1<<20), n, n).Draw(t, "weights")
		weights[0]++
		if got, want := money.Blend(slices.Repeat([]int64{amount}, n), weights), money.Split(amount, weights); !slices.Equal(got, want) {
			t.Fatalf("Blend gives %v, Split %v", got, want)
		}
	})
}

func TestBlendRefusesWhatCannotBeShared(t *testing.T) {
	t.Parallel()
	for name, f := range map[string][2][]int64{
		"a negative weight": {{1, 1}, {1, -1}}, "a negative amount": {{1, -1}, {1, 1}},
		"no weight": {{1, 1}, {0, 0}}, "too much weight": {{1, 1}, {math.MaxInt64, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			defer func() {
				if recover() == nil {
					t.Error("it was shared out")
				}
			}()
			money.Blend(f[0], f[1])
		})
	}
}
